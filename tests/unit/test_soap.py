"""Our bytes held against exchangelib's own, and against what stranger servers may answer."""

import io
from dataclasses import replace
from datetime import UTC, datetime

import exchangelib
import pytest
from exchangelib.extended_properties import ExtendedProperty
from exchangelib.services import CreateItem
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from kalender.calendars.ews import soap
from kalender.calendars.ews.session import windows_zone
from kalender.calendars.ews.soap import Unparsable, Writer
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


def an_answer(body: bytes) -> bytes:
    """A GetItem answer with one item of this body, as it is on the wire."""
    return (
        (
            f'<s:Envelope xmlns:s="{soap.SOAP}" xmlns:m="{soap.MESSAGES}" xmlns:t="{soap.TYPES}">'
            "<s:Body><m:GetItemResponse><m:ResponseMessages><m:GetItemResponseMessage>"
            "<m:ResponseCode>NoError</m:ResponseCode><m:Items><t:CalendarItem>"
            '<t:ItemId Id="i" ChangeKey="k"/><t:Body BodyType="HTML">'
        ).encode()
        + body
        + (
            b"</t:Body><t:Start>2025-09-01T08:15:00Z</t:Start><t:End>2025-09-01T10:00:00Z</t:End>"
            b"</t:CalendarItem></m:Items></m:GetItemResponseMessage></m:ResponseMessages>"
            b"</m:GetItemResponse></s:Body></s:Envelope>"
        )
    )


@pytest.mark.parametrize(
    ("wire", "body"),
    [
        (b"a&#x1F;b", "ab"),
        (b"a&#x0;b", "ab"),
        (b"a&#0;b&#31;", "ab"),
        (b"a&#xFFFE;b&#xD800;", "ab"),
        (b"a&#x110000;b", "ab"),
        (b"a\x1fb\x00", "ab"),
        ("a\uffffb".encode(), "ab"),
        (b"a&#x1F600;&#xE6;&amp;#x1F;\x1f", "a\U0001f600æ&#x1F;"),
        (b"a\xe6b", "a\ufffdb"),
    ],
)
def test_what_xml_forbids_is_left_out_of_an_answer(wire: bytes, body: str) -> None:
    messages = soap.read(an_answer(wire), "GetItem")
    assert isinstance(messages, list)
    item = soap.item_of(messages[0])
    assert item is not None
    assert soap.state_of(item, fields=True).body == body


@given(st.text(), st.text())
def test_no_request_ever_holds_what_xml_forbids(key: str, words: str) -> None:
    """What is created under a key is looked for under the same."""
    content = replace(CONTENT, subject=words, body=words, location=words, categories=(words,))
    writer = Writer(zone="W. Europe Standard Time", impersonate=True)
    created = writer.create(words, [NewEntry(sync_key=key, content=content)])
    made = etree.fromstring(writer.envelope(words, created))
    looked = etree.fromstring(writer.envelope(words, soap.find(words, [key], 0)))
    (written,) = (each.text or "" for each in made.iter(f"{soap.T}Value"))
    (sought,) = (each.get("Value", "") for each in looked.iter(f"{soap.T}Constant"))
    assert written.split() == sought.split()
    etree.fromstring(writer.envelope(words, soap.get([key], fields=True)))
