"""One calendar at a time: what it costs in requests, and what is never done to it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import select, text

from kalender.config.calendar import RoleCalendar
from kalender.config.sections import Safety
from kalender.domain.model import EventStatus, TeachingRole
from kalender.errors import NeighbourUnavailable, OutcomeUnknown, PermanentError, TransientError
from kalender.ports import EntryChange, ItemError, ItemOutcome, ItemRef, NewEntry
from kalender.store.database import Database
from kalender.store.tables import entry
from tests.fakes.calendars import FakeCalendars, Item
from tests.fakes.faults import Crash
from tests.fakes.house import MONDAY, House, activity, event

pytestmark = pytest.mark.integration


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def lectures(number: int) -> list:  # type: ignore[type-arg]
    """So many lectures, one a day."""
    return [event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(number)]


def filled(house: House, number: int = 3) -> None:
    """A student with so many lectures in the calendar."""
    house.teach(*lectures(number))
    house.enrol(1)
    assert house.settle() == []
    assert len(house.shown(1)) == number
    house.forget_requests()


def opt_all_out(house: House) -> None:
    """Let every person wish to be left alone."""
    with house.database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO preference SELECT person_id, 'optout', 'test', created_at FROM person"
            )
        )


@pytest.mark.parametrize(("number", "requests"), [(1, 1), (50, 1), (51, 2), (120, 3)])
def test_n_creates_cost_a_request_for_each_fifty(house: House, number: int, requests: int) -> None:
    house.teach(*lectures(number))
    house.enrol(1)
    house.settle()
    assert [each[0] for each in house.exchange.requests] == ["create"] * requests


def test_what_is_unchanged_costs_no_request(house: House) -> None:
    filled(house)
    house.teach(*lectures(3))
    house.enrol(1)
    house.resync()
    house.settle()
    assert house.exchange.requests == []


def test_time_passing_costs_no_request(house: House) -> None:
    filled(house)
    house.now += timedelta(days=2, hours=3)
    house.resync()
    house.enrol(1)
    house.settle()
    assert house.exchange.requests == []
    assert len(house.shown(1)) == 3


def test_moves_in_time_alone_are_one_update_without_reading(house: House) -> None:
    filled(house, 60)
    moved = [replace(e, starts_at=e.starts_at + timedelta(hours=1)) for e in lectures(60)]
    house.teach(*[replace(e, ends_at=e.ends_at + timedelta(hours=1)) for e in moved])
    house.settle()
    assert [each[0] for each in house.exchange.requests] == ["update", "update"]


def test_a_mixed_plan_costs_four_requests(house: House) -> None:
    filled(house, 20)
    kept = [replace(e, title="nytt") for e in lectures(20)[:10]]
    new = [event(100 + n, key=activity("5"), starts=MONDAY + timedelta(days=40)) for n in range(3)]
    house.teach(*kept, *new)
    house.settle()
    assert [each[0] for each in house.exchange.requests] == ["get", "update", "create", "delete"]


def test_a_lost_answer_costs_one_lookup_and_makes_no_double(house: House) -> None:
    def lost(operation: str, _mailbox: str) -> None:
        if operation == "create":
            house.exchange.after = lambda _o, _m: None
            raise OutcomeUnknown("ReadTimeout")

    house.exchange.after = lost
    house.teach(*lectures(3))
    house.enrol(1)
    (error,) = house.settle()
    assert isinstance(error, OutcomeUnknown)
    house.later()
    assert house.settle() == []
    assert [each[0] for each in house.exchange.requests] == ["create", "find"]
    assert len(house.shown(1)) == 3


@pytest.mark.parametrize("arrived", [False, True], ids=["before Exchange had it", "after"])
def test_a_worker_killed_between_a_create_and_its_record_costs_one_lookup_and_no_double(
    house: House, arrived: bool
) -> None:
    """Nothing more is written after the kill: the lease of its claim is the quiet time."""

    def die(operation: str, _mailbox: str) -> None:
        if operation == "create":
            house.exchange.before = house.exchange.after = lambda _o, _m: None
            raise Crash

    if arrived:
        house.exchange.after = die
    else:
        house.exchange.before = die
    house.teach(*lectures(3))
    house.enrol(1)
    with pytest.raises(Crash):
        house.settle()
    with house.database.read() as connection:
        statuses = connection.execute(select(entry.c.status)).scalars().all()
    assert statuses == ["intended"] * 3
    assert house.settle() == []  # the lease has not run out: nobody may go on
    assert len(house.shown(1)) == 3 * arrived
    house.exchange.requests.clear()
    house.later()
    assert house.settle() == []
    requests = [each[0] for each in house.exchange.requests]
    assert requests == (["find"] if arrived else ["find", "create"])
    assert len(house.shown(1)) == 3


# -- creates of several requests, written ahead and recorded together ----------------------------------


def statuses(house: House) -> Counter[str]:
    """Count the records of entries by their status."""
    with house.database.read() as connection:
        return Counter(connection.execute(select(entry.c.status)).scalars())


def in_several_requests(house: House, number: int) -> None:
    """Let a student's lectures be about to be created, two with each request."""
    house.exchange.batch = 2
    house.teach(*lectures(number))
    house.enrol(1)


def test_creates_of_several_requests_are_written_ahead_once_and_recorded_once(house: House) -> None:
    seen = list[Counter[str]]()
    house.exchange.before = lambda _operation, _mailbox: seen.append(statuses(house))
    in_several_requests(house, 7)
    assert house.settle() == []
    assert seen == [Counter(intended=7)] * 4
    assert statuses(house) == Counter(live=7)
    assert len(house.shown(1)) == 7


@pytest.mark.parametrize("arrived", [False, True], ids=["before Exchange had it", "after"])
def test_behind_a_lost_request_none_leaves_and_only_its_entries_are_looked_for(
    house: House, arrived: bool
) -> None:
    def lose(_operation: str, _mailbox: str) -> None:
        if len(house.exchange.requests) == (2 if arrived else 1):
            raise OutcomeUnknown("ReadTimeout")

    if arrived:
        house.exchange.after = lose
    else:
        house.exchange.before = lose
    in_several_requests(house, 7)
    (error,) = house.settle()
    assert isinstance(error, OutcomeUnknown)
    assert statuses(house) == Counter(live=2, intended=2)
    house.exchange.before = house.exchange.after = lambda _operation, _mailbox: None
    house.forget_requests()
    house.later()
    assert house.settle() == []
    requests = [each[0] for each in house.exchange.requests]
    assert requests == ["find", *["create"] * (2 if arrived else 3)]
    assert len(house.shown(1)) == 7


@pytest.mark.parametrize(
    "error", [TransientError("ErrorServerBusy"), NeighbourUnavailable("exchange.main", "away")]
)
def test_behind_a_request_that_was_refused_none_leaves_and_nothing_is_in_doubt(
    house: House, error: Exception
) -> None:
    def refuse(_operation: str, _mailbox: str) -> None:
        if len(house.exchange.requests) == 1:
            raise error

    house.exchange.before = refuse
    in_several_requests(house, 5)
    assert house.settle() == [error]
    assert statuses(house) == Counter(live=2)
    house.exchange.before = lambda _operation, _mailbox: None
    house.forget_requests()
    house.later()
    assert house.settle() == []
    assert [each[0] for each in house.exchange.requests] == ["create"] * 2
    assert len(house.shown(1)) == 5


def test_behind_an_entry_in_doubt_no_request_leaves(house: House) -> None:
    unknown = ItemError(code="ErrorTimeoutExpired", outcome=ItemOutcome.UNKNOWN)
    house.exchange.item_error = lambda _operation, _item: unknown
    in_several_requests(house, 5)
    (error,) = house.settle()
    assert isinstance(error, OutcomeUnknown)
    assert [each[0] for each in house.exchange.requests] == ["create"]
    assert statuses(house) == Counter(intended=2)


@pytest.mark.parametrize("slow", [False, True])
def test_before_a_later_request_the_wishes_are_read_again(house: House, slow: bool) -> None:
    """Where half of `send_seconds` passed, the claim is renewed as well."""

    def opt_out(_operation: str, _mailbox: str) -> None:
        if len(house.exchange.requests) == 1:
            opt_all_out(house)
            Event().wait(house.send_seconds * 0.6 if slow else 0)

    house.send_seconds = 6.0 if slow else 600.0
    house.exchange.after = opt_out
    in_several_requests(house, 5)
    assert len(house.settle()) == 1
    assert [each[0] for each in house.exchange.requests] == ["create"]
    house.later()
    house.enrol(1)
    house.settle()
    assert house.shown(1) == []
    assert statuses(house) == Counter()


def test_ended_entries_are_left_alone(house: House) -> None:
    filled(house, 3)
    house.now += timedelta(days=2, hours=3)
    house.teach(lectures(3)[2])
    house.enrol(1)
    house.settle()
    assert len(house.shown(1)) == 3
    assert house.exchange.requests == []


def test_a_cancelled_event_stays_marked_and_free(house: House) -> None:
    filled(house, 1)
    house.teach(replace(lectures(1)[0], status=EventStatus.CANCELLED, rooms=(), staff=()))
    house.settle()
    (item,) = house.shown(1)
    assert item.content.subject.startswith("AVLYST: ")
    assert item.content.show_as == "free"


def test_notes_below_our_text_survive_an_update(house: House) -> None:
    filled(house, 1)
    mailbox = "user1@uio.example"
    house.exchange.annotate(mailbox, house.shown(1)[0].ref.item_id, "ta med kalkulator")
    house.teach(replace(lectures(1)[0], title="nytt"))
    house.settle()
    (item,) = house.shown(1)
    assert "nytt" in item.content.subject
    assert item.body.count("ta med kalkulator") == 1


def test_a_meeting_follows_in_time_and_is_released_not_deleted(house: House) -> None:
    filled(house, 1)
    mailbox = "user1@uio.example"
    item_id = house.shown(1)[0].ref.item_id
    house.exchange.invite(mailbox, item_id)
    later = lectures(1)[0].starts_at + timedelta(hours=2)
    moved = replace(lectures(1)[0], starts_at=later, ends_at=later + timedelta(hours=2))
    house.teach(replace(moved, title="nytt"))
    house.settle()
    item = house.exchange.items(mailbox)[item_id]
    assert item.content.starts_at == later
    assert "nytt" not in item.content.subject
    house.enrol(1, course=None)
    house.settle()
    house.later(700)
    house.settle()
    assert house.exchange.items(mailbox)[item_id].sync_key is None


MAILBOX = "user1@uio.example"


def loud(exchange: FakeCalendars) -> None:
    """Let an Exchange write to no meeting, as one does that would mail its guests."""

    def refuse(operation: str, item: NewEntry | EntryChange | ItemRef) -> ItemError | None:
        item_id = getattr(item, "item_id", "")
        meetings = {each for box in exchange.mailboxes for each in meetings_in(exchange, box)}
        is_meeting = item_id in meetings
        return ItemError(code="Meeting", outcome=ItemOutcome.MEETING) if is_meeting else None

    exchange.item_error = refuse


def meetings_in(exchange: FakeCalendars, mailbox: str) -> dict[str, Item]:
    """Return the items of a mailbox that its user invited others to."""
    items = exchange.items(mailbox).items()
    return {name: replace(item) for name, item in items if item.meeting}


def test_beside_a_meeting_that_cannot_be_written_in_silence_stands_a_plain_entry(
    house: House,
) -> None:
    filled(house, 2)
    loud(house.exchange)
    item_id = house.shown(1)[0].ref.item_id
    house.exchange.invite(MAILBOX, item_id)
    before = meetings_in(house.exchange, MAILBOX)
    later = lectures(1)[0].starts_at + timedelta(hours=2)
    house.teach(
        replace(lectures(1)[0], starts_at=later, ends_at=later + timedelta(hours=2)), lectures(2)[1]
    )
    house.settle()
    assert meetings_in(house.exchange, MAILBOX) == before
    plain = [item.content.starts_at for item in house.shown(1) if not item.meeting]
    assert plain == [later, lectures(2)[1].starts_at]
    house.exchange.requests.clear()
    house.verify(1)
    house.settle()
    assert [each[0] for each in house.exchange.requests] == ["get"]
    assert meetings_in(house.exchange, MAILBOX) == before


def test_a_meeting_that_cannot_be_released_in_silence_is_its_users_as_it_is(house: House) -> None:
    filled(house, 2)
    loud(house.exchange)
    house.exchange.invite(MAILBOX, house.shown(1)[0].ref.item_id)
    before = meetings_in(house.exchange, MAILBOX)
    house.enrol(1, course=None)
    house.settle()
    house.later(700)
    house.settle()
    assert house.exchange.items(MAILBOX) == before
    house.exchange.requests.clear()
    house.verify(1)
    house.settle()
    assert house.exchange.requests == []


def test_what_became_a_meeting_after_it_was_read_is_not_deleted(house: House) -> None:
    filled(house, 1)
    loud(house.exchange)
    item_id = house.shown(1)[0].ref.item_id
    loudly = house.exchange.item_error

    def late(operation: str, item: NewEntry | EntryChange | ItemRef) -> ItemError | None:
        if operation == "delete":
            house.exchange.invite(MAILBOX, item_id)
        return loudly(operation, item)

    house.exchange.item_error = late
    house.enrol(1, course=None)
    house.settle()
    house.later(700)
    house.settle()
    assert list(house.exchange.items(MAILBOX)) == [item_id]


def test_a_search_of_the_whole_calendar_leaves_such_a_meeting_alone(house: House) -> None:
    filled(house, 1)
    loud(house.exchange)
    house.exchange.invite(MAILBOX, house.shown(1)[0].ref.item_id)
    later = lectures(1)[0].starts_at + timedelta(hours=2)
    house.teach(replace(lectures(1)[0], starts_at=later, ends_at=later + timedelta(hours=2)))
    house.settle()
    before = meetings_in(house.exchange, MAILBOX)
    other = house.move_mailbox(MAILBOX)
    loud(other)
    house.teach(replace(lectures(1)[0], starts_at=later, ends_at=later + timedelta(hours=3)))
    house.settle()
    house.later(7200)
    house.settle()
    (meeting,) = meetings_in(other, MAILBOX).values()
    assert [meeting.content] == [item.content for item in before.values()]
    assert len([item for item in other.items(MAILBOX).values() if not item.meeting]) == 1


def test_a_calendar_waits_as_long_as_any_of_its_entries_asks_for(house: House) -> None:
    filled(house, 3)
    waits = iter([timedelta(minutes=20), None, timedelta(seconds=1)])
    house.exchange.item_error = lambda _operation, _item: ItemError(
        code="Busy", outcome=ItemOutcome.LATER, retry_after=next(waits, None)
    )
    house.teach(*(replace(lecture, title="nytt") for lecture in lectures(3)))
    (error, *_) = house.settle()
    assert isinstance(error, TransientError)
    assert error.retry_after == timedelta(minutes=20)


def test_what_its_user_deletes_is_put_back(house: House) -> None:
    house.teach(event())  # TP answers so for IN1000, and the course is marked
    house.enrol(1)  # FS answers so for person 1, and the person is marked
    house.settle()  # all work is done until nothing is due
    house.exchange.items(MAILBOX).clear()  # the user deletes the entry
    house.verify(1)  # as `kalender verify 1` does
    house.settle()
    assert len(house.shown(1)) == 1


def test_what_a_user_edits_or_deletes_is_put_back_and_notes_stay(house: House) -> None:
    filled(house, 3)
    first, second, third = (item.ref.item_id for item in house.shown(1))
    house.exchange.edit(MAILBOX, first, subject="fri!", location="hjemme")
    house.exchange.items(MAILBOX).pop(second)
    house.exchange.annotate(MAILBOX, third, "husk")
    house.verify(1)
    house.settle()
    assert [item.content.subject for item in house.shown(1)] == ["IN1000 Forelesning"] * 3
    assert "husk" in house.shown(1)[2].body


def test_verifying_what_is_right_costs_a_request_for_each_hundred(house: House) -> None:
    filled(house, 120)
    house.verify(1)
    house.settle()
    assert [each[0] for each in house.exchange.requests] == ["get", "get"]


@pytest.mark.parametrize("deed", ["edit", "delete"])
def test_what_is_not_wanted_back_stays_as_the_user_has_it(house: House, deed: str) -> None:
    house.restore = RoleCalendar(restore_edited=False, restore_deleted=False)
    filled(house, 1)
    item_id = house.shown(1)[0].ref.item_id
    if deed == "edit":
        house.exchange.edit(MAILBOX, item_id, subject="fri!")
    else:
        house.exchange.items(MAILBOX).pop(item_id)
    house.verify(1)
    house.settle()
    house.enrol(1)
    house.settle()
    expected = ["fri!"] if deed == "edit" else []
    assert [item.content.subject for item in house.shown(1)] == expected


def put_back(house: House) -> list[int]:
    """How often each recorded entry that stands was put back."""
    query = "SELECT restored FROM entry WHERE status <> 'abandoned' ORDER BY starts_at"
    with house.database.read() as connection:
        return list(connection.execute(text(query)).scalars())


def test_how_often_an_entry_was_put_back_is_recorded(house: House) -> None:
    filled(house)
    for _ in range(2):
        edited, _, deleted = house.shown(1)
        house.exchange.edit("user1@uio.example", edited.ref.item_id, subject="Kaffe")
        del house.exchange.items("user1@uio.example")[deleted.ref.item_id]
        house.verify(1)
        assert house.settle() == []
    assert put_back(house) == [2, 0, 2]


def test_a_create_that_was_lost_is_no_deletion_of_its_user(house: House) -> None:
    def lost(operation: str, _mailbox: str) -> None:
        if operation == "create":
            raise OutcomeUnknown("ReadTimeout")

    house.restore = RoleCalendar(max_restores=1)
    house.teach(*lectures(1))
    house.enrol(1)
    house.exchange.before = lost
    house.settle()
    house.exchange.before = lambda *_: None
    house.later()
    assert house.settle() == []
    assert put_back(house) == [0]
    house.exchange.items("user1@uio.example").clear()
    house.verify(1)
    assert house.settle() == []
    assert len(house.shown(1)) == 1


def renumber(house: House, *numbers: int) -> None:
    """As a restored mailbox gives its items new ids: these, in time's order."""
    box = house.exchange.items("user1@uio.example")
    for item in [house.shown(1)[number] for number in numbers]:
        del box[item.ref.item_id]
        box[f"new-{item.ref.item_id}"] = replace(
            item, ref=replace(item.ref, item_id=f"new-{item.ref.item_id}")
        )


def test_new_ids_are_not_the_user_s_deletions(house: House) -> None:
    """What is deleted is not put back; what has other ids only is followed there."""
    filled(house)
    house.restore = RoleCalendar(restore_deleted=False)
    renumber(house, 0, 1)
    del house.exchange.items("user1@uio.example")[house.shown(1)[2].ref.item_id]
    house.verify(1)
    assert house.settle() == []
    house.teach(*[replace(each, title="nytt") for each in lectures(3)])
    assert house.settle() == []
    assert [("nytt" in item.content.subject) for item in house.shown(1)] == [True, True]


def test_an_update_of_what_its_user_deleted_makes_it_anew_only_where_that_is_wanted(
    house: House,
) -> None:
    filled(house)
    house.restore = RoleCalendar(restore_deleted=False)
    del house.exchange.items("user1@uio.example")[house.shown(1)[2].ref.item_id]
    house.teach(*[replace(each, title="nytt") for each in lectures(3)])
    assert house.settle() == []
    assert len(house.shown(1)) == 2


@pytest.mark.parametrize("deed", ["edit", "delete"])
def test_an_entry_put_back_three_times_in_a_week_is_left(house: House, deed: str) -> None:
    filled(house, 1)
    for _ in range(5):
        for item in house.shown(1):
            if deed == "edit":
                house.exchange.edit(MAILBOX, item.ref.item_id, subject="fri!")
            else:
                house.exchange.items(MAILBOX).pop(item.ref.item_id)
        house.verify(1)
        house.settle()
    expected = ["fri!"] if deed == "edit" else []
    assert [item.content.subject for item in house.shown(1)] == expected


def test_outside_the_rollout_not_one_request_is_made(house: House) -> None:
    house.rollout_mode = "listed"
    house.teach(*lectures(3))
    house.enrol(1)
    assert house.settle() == []
    assert house.exchange.requests == []
    with house.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM entry")).scalar_one() == 0
        assert connection.execute(text("SELECT count(*) FROM calendar")).scalar_one() == 1


def test_whoever_opts_out_keeps_nothing_of_ours(house: House) -> None:
    filled(house, 3)
    opt_all_out(house)
    house.enrol(1)
    house.settle()
    assert house.shown(1) == []


def test_too_many_deletes_are_held_and_the_entries_stay(house: House) -> None:
    house.safety = Safety(min_deletes=2, min_deletes_day=2)
    filled(house, 9)
    house.enrol(1, course=None)
    house.settle()
    house.later(700)
    house.settle()
    assert len(house.shown(1)) == 9
    with house.database.read() as connection:
        assert (
            connection.execute(
                text("SELECT count(*) FROM entry WHERE held_by = 'institution'")
            ).scalar_one()
            == 9
        )
    house.enrol(1)
    house.settle()
    with house.database.read() as connection:
        assert not connection.execute(
            text("SELECT count(*) FROM entry WHERE held_by IS NOT NULL")
        ).scalar_one()


def test_a_second_claimant_of_an_address_is_parked_in_words(house: House) -> None:
    filled(house, 1)
    with house.database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO calendar (person_id, audience, address, owner, backend, state) "
                "SELECT person_id, 'student', address, false, backend, state FROM calendar"
            )
        )
        second = connection.execute(text("SELECT max(calendar_id) FROM calendar")).scalar_one()
    from kalender.domain.work import Kind  # noqa: PLC0415

    house.mark(Kind.CALENDAR, str(second))
    (error,) = house.settle()
    assert isinstance(error, PermanentError)
    assert "belongs to another person" in str(error)


def test_what_exchange_never_takes_holds_up_nothing_else(house: House) -> None:
    def bad(operation: str, item: NewEntry | EntryChange | ItemRef) -> ItemError | None:
        refuses = isinstance(item, NewEntry) and "umulig" in item.content.subject
        if operation == "create" and refuses:
            return ItemError(code="ErrorMessageSizeExceeded", outcome=ItemOutcome.REFUSED)
        return None

    house.exchange.item_error = bad
    good = lectures(2)
    house.teach(replace(good[0], title="umulig"), good[1])
    house.enrol(1)
    assert house.settle() == []
    assert len(house.shown(1)) == 1
    house.forget_requests()
    house.enrol(1)
    house.settle()
    assert house.exchange.requests == []
    house.teach(replace(good[0], title="mulig"), good[1])
    house.settle()
    assert len(house.shown(1)) == 2


def test_a_role_that_begins_next_week_begins_by_time_alone(house: House) -> None:
    starts = (MONDAY + timedelta(days=7)).date()
    role = TeachingRole(number=1, role="LÆRER", unit=activity().unit, actid="1", starts_on=starts)
    house.teach(event(1, starts=MONDAY + timedelta(days=9)))
    house.enrol(1, course=None, roles=[role])
    house.settle()
    assert house.shown(1) == []
    with house.database.read() as connection:
        changes_at = connection.execute(text("SELECT changes_at FROM calendar")).scalar_one()
    assert str(changes_at)[:10] == "2025-08-24"  # local midnight, in UTC
    house.now += timedelta(days=7)
    house.enrol(1, course=None, roles=[role])
    house.settle()
    assert len(house.shown(1)) == 1
