"""Our bytes held against exchangelib's own, and against what stranger servers may answer."""

import io
from datetime import UTC, datetime

import exchangelib
import pytest
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.services import CreateItem
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kalender.calendars import soap
from kalender.calendars.session import windows_zone
from kalender.calendars.soap import Unparsable, Writer
from kalender.domain.model import Content
from kalender.ports import NewEntry

CONTENT = Content(
    subject="IN1000 Forelesning <æ> & co",
    body="<div>hei</div>",
    location="Java",
    starts_at=datetime(2025, 9, 1, 8, 15, tzinfo=UTC),
    ends_at=datetime(2025, 9, 1, 10, 0, tzinfo=UTC),
    show_as="busy",
    categories=("Undervisning",),
)


class SyncKey(ExtendedProperty):  # type: ignore[misc]
    """Our property, as exchangelib would declare it."""

    property_set_id = soap.PROPERTY_SET
    property_name = soap.PROPERTY_NAME
    property_type = "String"


def theirs() -> bytes:
    """The CreateItem that exchangelib writes for the same entry."""
    if "sync_key" not in [f.name for f in exchangelib.CalendarItem.FIELDS]:
        exchangelib.CalendarItem.register("sync_key", SyncKey)
    account = exchangelib.Account(
        "a@uni.example",
        config=exchangelib.Configuration(
            service_endpoint="https://ews.example/EWS/Exchange.asmx",
            credentials=exchangelib.Credentials("u", "p"),
            auth_type=exchangelib.BASIC,
            version=exchangelib.Version(build=exchangelib.version.EXCHANGE_2016),
        ),
        autodiscover=False,
        default_timezone=exchangelib.EWSTimeZone("Europe/Oslo"),
        access_type=exchangelib.IMPERSONATION,
    )
    zone = exchangelib.EWSTimeZone("Europe/Oslo")
    item = exchangelib.CalendarItem(
        subject=CONTENT.subject,
        body=exchangelib.HTMLBody(CONTENT.body),
        location=CONTENT.location,
        start=exchangelib.EWSDateTime.from_datetime(CONTENT.starts_at).astimezone(zone),
        end=exchangelib.EWSDateTime.from_datetime(CONTENT.ends_at).astimezone(zone),
        categories=list(CONTENT.categories),
        legacy_free_busy_status="Busy",
        is_all_day=False,
        sync_key="e#1",
    )
    mailbox = exchangelib.Mailbox(email_address="a@uni.example")
    folder_id = exchangelib.folders.DistinguishedFolderId(id="calendar", mailbox=mailbox)
    root = exchangelib.folders.Root(account=account, _distinguished_id=folder_id)
    folder = exchangelib.folders.Calendar(root=root, _distinguished_id=folder_id)
    service = CreateItem(account=account)
    service._version_hint = account.version
    payload = service.get_payload(
        items=[item],
        folder=folder,
        message_disposition="SaveOnly",
        send_meeting_invitations="SendToNone",
    )
    written: bytes = service.wrap(payload, api_version=account.version.api_version)
    return written


def told(document: bytes) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    """Every element with its text and attributes, in order; what may differ is made alike."""
    rows = []
    for element in etree.parse(io.BytesIO(document)).iter():
        name = etree.QName(element).localname
        if name in _DIFFER:
            continue
        text = (element.text or "").strip()
        if name in {"Start", "End"}:
            text = datetime.fromisoformat(text).astimezone(UTC).isoformat()
        if name in {"ReminderIsSet", "IsAllDayEvent"}:
            text = {"0": "false", "1": "true"}.get(text, text)
        attributes = sorted((str(k), str(v)) for k, v in element.attrib.items())
        rows.append((name, str(text), tuple(attributes)))
    return rows


# exchangelib says of the mailbox that it is an SMTP mailbox, which goes without saying.
_DIFFER = {"RoutingType", "MailboxType"}


def test_our_create_says_what_exchangelibs_says_in_the_same_order() -> None:
    writer = Writer(zone=windows_zone("Europe/Oslo"), impersonate=True)
    body = writer.create("a@uni.example", [NewEntry(sync_key="e#1", content=CONTENT)])
    ours = writer.envelope("a@uni.example", body)
    assert told(ours) == told(theirs())


@given(st.text())
def test_any_text_becomes_xml(text: str) -> None:
    element = etree.fromstring(f"<a>{soap.text(text)}</a>".encode())
    assert len(element.text or "") <= len(text)


@given(st.binary())
def test_what_is_no_answer_is_unparsable(content: bytes) -> None:
    with pytest.raises(Unparsable):
        soap.read(content, "CreateItem")
