"""The sandbox's Exchange, judged by a client that this project did not write."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from exchangelib import (
    IMPERSONATION,
    Account,
    CalendarItem,
    Configuration,
    Credentials,
    EWSDateTime,
    EWSTimeZone,
    ExtendedProperty,
    HTMLBody,
)
from exchangelib.errors import (
    ErrorCalendarCannotUpdateDeletedItem,
    ErrorImpersonateUserDenied,
    ErrorIrresolvableConflict,
    ErrorItemNotFound,
    ErrorMailboxMoveInProgress,
    ErrorNonExistentMailbox,
    UnauthorizedError,
)
from exchangelib.items import HARD_DELETE, MOVE_TO_DELETED_ITEMS, SOFT_DELETE

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.served import start

OSLO = EWSTimeZone("Europe/Oslo")
MONDAY = EWSDateTime(2025, 9, 1, 8, 15, tzinfo=OSLO)


class SandboxKey(ExtendedProperty):  # type: ignore[misc]  # exchangelib is untyped
    property_set_id = "c11ff724-aa03-4555-9952-8fa248a11c3e"
    property_name = "SyncKey"
    property_type = "String"


@pytest.fixture(scope="module", autouse=True)
def _registered() -> Iterator[None]:
    CalendarItem.register("sandbox_key", SandboxKey)
    yield
    CalendarItem.deregister("sandbox_key")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory: Path = tmp_path_factory.mktemp("university")
    generate(directory, students=200)
    with start(directory) as running:
        yield running


_people = iter(range(1, 200))


@pytest.fixture
def account(sandbox: Running) -> Any:
    return account_of(sandbox, f"st{next(_people):06}@uni.example")


def account_of(sandbox: Running, address: str, password: str = "kalender") -> Any:  # noqa: S107
    return Account(
        address,
        config=Configuration(
            service_endpoint=sandbox.endpoints.exchange,
            credentials=Credentials("kalender", password),
        ),
        autodiscover=False,
        access_type=IMPERSONATION,
        default_timezone=OSLO,
    )


def lecture(account: Any, number: int, **more: Any) -> Any:
    start_at = MONDAY + timedelta(hours=number)
    fields = {
        "subject": f"Lecture {number}",
        "body": HTMLBody(f"<p>Blåbær &amp; {number}</p>"),
        "start": start_at,
        "end": start_at + timedelta(hours=2),
        "sandbox_key": f"key-{number}",
        "categories": ["Undervisning"],
        "location": "Aud. 1",
    }
    return CalendarItem(account=account, folder=account.calendar, **{**fields, **more})


def created(account: Any, count: int) -> Any:
    return account.bulk_create(
        folder=account.calendar, items=[lecture(account, n) for n in range(count)]
    )


def items_of(sandbox: Running, account: Any) -> list[dict[str, Any]]:
    address = account.primary_smtp_address
    url = f"{sandbox.endpoints.control}/exchange/items"
    rows: list[dict[str, Any]] = requests.get(url, {"mailbox": address}, timeout=5).json()
    return rows


def meddle(sandbox: Running, account: Any, key: str, do: str, **more: Any) -> dict[str, Any]:
    told = {"mailbox": account.primary_smtp_address, "sync_key": key, "do": do, **more}
    url = f"{sandbox.endpoints.control}/exchange/meddle"
    item: dict[str, Any] = requests.post(url, json=told, timeout=5).json()
    return item


def private_touched(sandbox: Running) -> int:
    url = f"{sandbox.endpoints.control}/exchange/private-touched"
    return int(requests.get(url, timeout=5).json()["count"])


def test_what_is_created_is_read_back_as_it_was_written(account: Any) -> None:
    ids = created(account, 3)
    items = list(account.fetch(ids))
    assert [item.subject for item in items] == ["Lecture 0", "Lecture 1", "Lecture 2"]
    first = items[0]
    assert first.start == MONDAY
    assert first.end - first.start == timedelta(hours=2)
    assert first.sandbox_key == "key-0"
    assert first.categories == ["Undervisning"]
    assert first.location == "Aud. 1"
    assert not first.reminder_is_set
    assert "<p>Blåbær &amp; 0</p>" in first.body
    assert first.text_body.strip() == "Blåbær & 0"
    assert not first.is_meeting


def test_the_version_is_one_that_clients_know(account: Any) -> None:
    created(account, 1)
    assert account.version.build.major_version == 15


def test_a_plain_text_body_stays_plain_text(account: Any) -> None:
    ids = account.bulk_create(
        folder=account.calendar, items=[lecture(account, 1, body="one\ntwo <three>")]
    )
    assert next(iter(account.fetch(ids))).body == "one\ntwo <three>"


def test_a_search_by_key_finds_what_carries_it_and_nothing_private(
    sandbox: Running, account: Any
) -> None:
    created(account, 5)
    before = private_touched(sandbox)
    found = account.calendar.filter(sandbox_key__exists=True).only("sandbox_key", "subject")
    assert sorted(item.sandbox_key for item in found) == [f"key-{n}" for n in range(5)]
    some = account.calendar.filter(sandbox_key__in=["key-1", "key-3", "no"]).only("sandbox_key")
    assert sorted(item.sandbox_key for item in some) == ["key-1", "key-3"]
    assert private_touched(sandbox) == before


def test_looking_at_the_whole_calendar_is_noticed(sandbox: Running, account: Any) -> None:
    before = private_touched(sandbox)
    assert len(list(account.calendar.all().only("subject"))) == 2
    assert private_touched(sandbox) == before + 2


def test_a_calendar_view_shows_what_overlaps_it(account: Any) -> None:
    created(account, 4)
    view = account.calendar.view(start=MONDAY, end=MONDAY + timedelta(hours=1))
    assert [item.subject for item in view.only("subject")] == ["Lecture 0"]


def test_more_than_a_page_comes_in_pages(account: Any) -> None:
    created(account, 260)
    found = account.calendar.filter(sandbox_key__exists=True).only("subject")
    found.page_size = 1000
    assert len(list(found)) == 260


def test_an_update_changes_the_named_fields_and_the_change_key(account: Any) -> None:
    ids = created(account, 1)
    item = next(iter(account.fetch(ids)))
    item.subject, item.location = "Moved", None
    [(_, change_key)] = account.bulk_update([(item, ["subject", "location"])])
    assert change_key != item.changekey
    again = next(iter(account.fetch(ids)))
    assert (again.subject, again.location) == ("Moved", None)
    assert again.sandbox_key == "key-0"
    assert "Blåbær" in again.body


def test_a_stale_change_key_is_refused_unless_overwriting_is_asked_for(
    sandbox: Running, account: Any
) -> None:
    item = next(iter(account.fetch(created(account, 1))))
    meddle(sandbox, account, "key-0", "edit", subject="Mine")
    item.subject = "Ours"
    for resolution in ("NeverOverwrite", "AutoResolve"):
        with pytest.raises(ErrorIrresolvableConflict):
            account.bulk_update([(item, ["subject"])], conflict_resolution=resolution)
    account.bulk_update([(item, ["subject"])], conflict_resolution="AlwaysOverwrite")
    assert next(iter(account.fetch([item]))).subject == "Ours"


def test_what_was_deleted_is_not_found_again(account: Any) -> None:
    ids = created(account, 2)
    assert account.bulk_delete(ids[:1], delete_type=HARD_DELETE) == [True]
    assert account.bulk_delete(ids[1:], delete_type=SOFT_DELETE) == [True]
    assert all(isinstance(found, ErrorItemNotFound) for found in account.fetch(ids))
    again = account.bulk_delete(ids)
    assert [type(error) for error in again] == [ErrorItemNotFound, ErrorItemNotFound]


def test_a_soft_delete_keeps_the_item_out_of_sight(sandbox: Running, account: Any) -> None:
    account.bulk_delete(created(account, 1), delete_type=SOFT_DELETE)
    rows = [row for row in items_of(sandbox, account) if row["sync_key"]]
    assert [row["folder"] for row in rows] == ["recoverable"]
    assert not list(account.calendar.filter(sandbox_key__exists=True).only("subject"))


def test_moving_to_deleted_items_gives_another_id(sandbox: Running, account: Any) -> None:
    [created_item] = created(account, 1)
    moved = meddle(sandbox, account, "key-0", "delete")
    assert moved["folder"] == "deleteditems"
    assert moved["id"] != created_item.id
    assert isinstance(next(iter(account.fetch([created_item]))), ErrorItemNotFound)


def test_what_lies_in_deleted_items_cannot_be_changed(sandbox: Running, account: Any) -> None:
    account.bulk_delete(created(account, 1), delete_type=MOVE_TO_DELETED_ITEMS)
    [row] = [row for row in items_of(sandbox, account) if row["sync_key"]]
    assert row["folder"] == "deleteditems"
    item = next(iter(account.fetch([(row["id"], row["change_key"])])))
    item.subject = "Again"
    with pytest.raises(ErrorCalendarCannotUpdateDeletedItem):
        account.bulk_update([(item, ["subject"])])


def test_a_user_s_settings_are_seen(sandbox: Running, account: Any) -> None:
    created(account, 1)
    row = meddle(
        sandbox,
        account,
        "key-0",
        "set",
        reminder_is_set=True,
        categories=["Red"],
        show_as="Tentative",
        attendees=["friend@uni.example"],
        new_sync_key="key-9",
    )
    assert (row["reminder_is_set"], row["categories"]) == (True, ["Red"])
    assert (row["show_as"], row["attendees"]) == ("Tentative", ["friend@uni.example"])
    assert row["sync_key"] == "key-9"


@pytest.mark.parametrize("kind", ["Text", "HTML"])
def test_a_note_goes_below_what_stood_there(sandbox: Running, account: Any, kind: str) -> None:
    body = HTMLBody("<html><body><p>ours</p></body></html>") if kind == "HTML" else "ours"
    account.bulk_create(folder=account.calendar, items=[lecture(account, 0, body=body)])
    row = meddle(sandbox, account, "key-0", "annotate", text="mine")
    assert row["body_type"] == "HTML"
    assert 0 < row["body"].index("ours") < row["body"].index("mine")
    assert row["body"].count("<body") == 1


def test_what_a_user_adds_is_seen(sandbox: Running, account: Any) -> None:
    ids = created(account, 1)
    meddle(sandbox, account, "key-0", "annotate", text="Bring <the> book")
    meddle(sandbox, account, "key-0", "attach", name="notes.pdf")
    meddle(sandbox, account, "key-0", "invite", attendee="friend@uni.example")
    item = next(iter(account.fetch(ids)))
    assert "<p>Blåbær &amp; 0</p>" in item.body
    assert "Bring &lt;the&gt; book" in item.body
    assert item.has_attachments
    assert item.attachments[0].name == "notes.pdf"
    assert item.is_meeting
    assert [a.mailbox.email_address for a in item.required_attendees] == ["friend@uni.example"]
    assert item.changekey != ids[0].changekey


def test_a_copy_carries_the_same_key_under_another_id(sandbox: Running, account: Any) -> None:
    [original] = created(account, 1)
    copy = meddle(sandbox, account, "key-0", "copy")
    assert copy["sync_key"] == "key-0"
    assert copy["id"] != original.id
    found = account.calendar.filter(sandbox_key="key-0").only("sandbox_key", "datetime_created")
    assert {item.id for item in found} == {original.id, copy["id"]}


def test_a_moved_item_is_elsewhere(sandbox: Running, account: Any) -> None:
    created(account, 1)
    assert meddle(sandbox, account, "key-0", "move")["folder"] == "other"
    assert not list(account.calendar.filter(sandbox_key="key-0").only("subject"))


def test_an_item_cannot_end_before_it_begins(account: Any) -> None:
    item = next(iter(account.fetch(created(account, 1))))
    item.start += timedelta(days=1)
    with pytest.raises(Exception, match="EndDate is earlier"):
        account.bulk_update([(item, ["start"])])


def test_two_mailboxes_do_not_share_items(sandbox: Running, account: Any) -> None:
    ids = created(account, 1)
    other = account_of(sandbox, "te000001@uni.example")
    found = list(other.fetch([(ids[0].id, ids[0].changekey)]))
    assert isinstance(found[0], ErrorItemNotFound)


@pytest.mark.parametrize(
    ("state", "error"),
    [
        ("missing", ErrorNonExistentMailbox),
        ("moving", ErrorMailboxMoveInProgress),
        ("denied", ErrorImpersonateUserDenied),
    ],
)
def test_a_mailbox_that_cannot_be_used_is_a_fault(
    sandbox: Running, account: Any, state: str, error: type[Exception]
) -> None:
    url = f"{sandbox.endpoints.control}/exchange/mailbox"
    address = {"address": account.primary_smtp_address}
    requests.put(url, params=address, json={"state": state}, timeout=5)
    with pytest.raises(error):
        created(account, 1)
    requests.put(url, params=address, json={"state": "active"}, timeout=5)
    assert len(created(account, 1)) == 1


def test_an_address_without_a_mailbox_is_a_fault(sandbox: Running) -> None:
    with pytest.raises(ErrorNonExistentMailbox):
        created(account_of(sandbox, "nobody@uni.example"), 1)


def test_a_wrong_password_is_refused(sandbox: Running) -> None:
    account = account_of(sandbox, "st000001@uni.example", password="wrong")
    with pytest.raises(UnauthorizedError):
        created(account, 1)


def test_teachers_that_only_tp_knows_have_mailboxes(sandbox: Running) -> None:
    assert len(created(account_of(sandbox, "tp000001@uni.example"), 1)) == 1


def test_an_item_of_the_person_s_own_can_be_added(sandbox: Running, account: Any) -> None:
    told = {
        "mailbox": account.primary_smtp_address,
        "subject": "Dentist",
        "start": "2025-10-01T10:00:00+02:00",
        "end": "2025-10-01T11:00:00+02:00",
    }
    url = f"{sandbox.endpoints.control}/exchange/items"
    item = requests.post(url, json=told, timeout=5).json()
    assert item["private"]
    assert item["start"] == "2025-10-01T08:00:00Z"
    assert "Dentist" in [i.subject for i in account.calendar.all().only("subject")]
