"""Wishes and recoveries: only written down and marked; the worker under its claim does it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import Connection, delete, text, update

from kalender.config.sections import Safety
from kalender.domain.model import CourseKey, Registration, Staff, TeachingRole
from kalender.domain.work import Kind, Lane
from kalender.errors import ClaimLost, NeighbourUnavailable, StateInDoubt, TransientError
from kalender.ports import ItemError, ItemOutcome, ItemRef
from kalender.store import mailboxes, migrations, people, recovery, rollouts
from kalender.store.database import Database
from kalender.store.tables import calendar, entry, heartbeat
from kalender.worker.outcomes import Outcomes
from tests.fakes.calendars import FakeCalendars
from tests.fakes.house import LEASE, MONDAY, House, activity, crew_of, event

pytestmark = pytest.mark.integration


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def filled(house: House, number: int = 3) -> None:
    """A student with so many lectures in the calendar."""
    house.teach(*[event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(number)])
    house.enrol(1)
    assert house.settle() == []
    assert len(house.shown(1)) == number
    house.forget_requests()


def wish(house: House, *wishes: str) -> None:
    with house.database.write() as connection:
        person_id = people.find_by_any_identity(connection, "1")
        assert person_id is not None
        marked = people.wish(connection, person_id, wishes, "test")
        people.mark_calendars(connection, marked, reason="test", lane=Lane.ASKED)


def rows(house: House, sql: str) -> list[tuple[object, ...]]:
    with house.database.read() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def copy_one(house: House) -> None:
    """As a user copies an entry: with our property, under another id."""
    item = house.shown(1)[0]
    ref = ItemRef(item_id="copy", change_key="copy")
    house.exchange.items("user1@uio.example")["copy"] = replace(item, ref=ref)


# -- wishes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wished", [people.OPT_OUT, people.REMOVE])
def test_who_is_left_alone_keeps_nothing_of_ours_not_even_what_has_ended(
    house: House, wished: str
) -> None:
    filled(house)
    house.now += timedelta(days=2, hours=12)
    wish(house, wished)
    assert house.settle() == []
    assert house.shown(1) == []
    assert rows(house, "SELECT * FROM entry WHERE status <> 'abandoned'") == []
    house.enrol(1)
    house.resync()
    assert house.settle() == []
    assert house.shown(1) == []


def test_who_is_served_again_gets_all_back(house: House) -> None:
    filled(house)
    wish(house, people.OPT_OUT)
    house.settle()
    with house.database.write() as connection:
        marked = people.take_wish_back(connection, 1)
        people.mark_calendars(connection, marked, reason="test", lane=Lane.ASKED)
    assert house.settle() == []
    assert len(house.shown(1)) == 3


def test_a_wish_holds_outside_the_roll_out_too(house: House) -> None:
    filled(house)
    house.rollout_mode = "off"
    wish(house, people.OPT_OUT)
    assert house.settle() == []
    assert house.shown(1) == []
    assert rows(house, "SELECT synced_digest FROM calendar") == [(None,)]


def test_copies_stay_unless_all_with_our_property_is_searched_for(house: House) -> None:
    filled(house)
    copy_one(house)
    wish(house, people.REMOVE)
    assert house.settle() == []
    assert len(house.shown(1)) == 1
    wish(house, people.SEARCH)
    assert house.settle() == []
    assert house.shown(1) == []


def test_a_search_needs_no_record_of_what_was_written(house: House) -> None:
    filled(house)
    copy_one(house)
    with house.database.write() as connection:
        connection.execute(delete(entry))
    wish(house, people.REMOVE, people.SEARCH)
    assert house.settle() == []
    assert house.shown(1) == []


def test_a_mailbox_that_no_state_knows_is_searched_by_its_address(house: House) -> None:
    filled(house)
    with house.database.write() as connection:
        for table in ("entry", "dirty", "calendar", "person"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608
        made = mailboxes.make_for_mailbox(
            connection, "user1@uio.example", house.refresh_context.people
        )
        marked = people.wish(connection, made, {people.REMOVE, people.SEARCH}, "test")
        people.mark_calendars(connection, marked, reason="test", lane=Lane.ASKED)
    assert house.settle() == []
    assert house.shown(1) == []


# -- recovery --------------------------------------------------------------------------------------


def restored(house: House, lease: timedelta = timedelta()) -> None:
    with house.database.write() as connection:
        assert recovery.recover(connection, lease=lease) >= 1


def test_an_older_database_finds_what_it_does_not_know(house: House) -> None:
    """Created, moved, deleted since the backup: nothing doubled, nothing lost."""
    lectures = [event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(6)]
    house.teach(*lectures[:4])
    house.enrol(1)
    house.settle()
    backup = dump(house)
    moved = [replace(e, starts_at=e.starts_at + timedelta(hours=1)) for e in lectures[:2]]
    moved = [replace(e, ends_at=e.ends_at + timedelta(hours=1)) for e in moved]
    house.teach(*moved, *lectures[3:])
    house.enrol(2)
    house.settle()
    restore(house, backup)
    house.teach(lectures[0], moved[1], *lectures[3:])
    restored(house)
    house.resync()
    for _ in range(3):
        house.settle()
        house.later(60)
    assert [item.content.starts_at for item in house.shown(1)] == [
        e.starts_at for e in [lectures[0], moved[1], *lectures[3:]]
    ]
    assert len(house.shown(2)) == 5


def test_a_request_from_before_a_recovery_may_still_arrive_within_a_lease(house: House) -> None:
    """What was sent before the database was put back is under way, and nobody there knows it."""
    filled(house, 1)
    backup = dump(house)
    house.teach(*[event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(2)])
    house.enrol(2)  # whom the backup does not know
    house.settle()
    house.later(31)  # a first visit may have waited for its courses
    house.settle()
    expected = {number: times(house, number) for number in (1, 2)}
    arrived = {name: dict(items) for name, items in house.exchange.mailboxes.items()}
    mailbox = "user1@uio.example"
    house.exchange.mailboxes = {mailbox: dict(list(arrived[mailbox].items())[:1])}
    restore(house, backup)
    restored(house, timedelta(seconds=180))
    house.resync()
    house.forget_requests()
    for _ in range(5):
        house.settle()
        house.later(31)
    assert house.exchange.requests == []
    house.exchange.mailboxes = arrived
    house.later(90_000)
    for _ in range(3):
        assert house.settle() == []
        house.later(60)
    assert {number: times(house, number) for number in (1, 2)} == expected


def times(house: House, number: int) -> list[datetime]:
    return [item.content.starts_at for item in house.shown(number)]


def test_nothing_is_planned_before_the_sources_were_asked_again(house: House) -> None:
    """The mirror is as old as the database: by it, what is new would go."""
    filled(house, 2)
    backup = dump(house)
    house.teach(*[event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(3)])
    house.settle()
    restore(house, backup)
    restored(house)
    claim = house.claim([Kind.CALENDAR])
    if claim is not None:
        house.do(claim)
    assert house.exchange.requests[-1][0] != "delete"
    house.later(90_000)
    claim = house.claim([Kind.CALENDAR])
    assert claim is not None
    house.forget_requests()
    house.do(claim)
    assert house.exchange.requests == []
    house.settle()
    house.later(60)
    house.settle()
    assert len(house.shown(1)) == 3
    assert house.count("delete") == house.count("create") == 0


@pytest.mark.parametrize("named", [True, False])
def test_a_teacher_waits_for_the_course_after_a_recovery(house: House, named: bool) -> None:
    """By role, or named by TP only since the backup: by the old mirror what stands would go."""
    role = TeachingRole(number=1, role="LÆRER", unit=activity().unit, actid="1")
    lecture = event(1, starts=MONDAY + timedelta(days=1), plenary=False)
    house.teach(lecture)
    house.teach(event(2, key=activity(course="KJM1000")), course="KJM1000")
    house.enrol(7, course="KJM1000", roles=() if named else (role,))
    house.settle()
    backup = dump(house)
    moved = replace(lecture, starts_at=lecture.starts_at + timedelta(hours=1))
    staff = (Staff(username="user7"),) if named else ()
    house.teach(replace(moved, ends_at=moved.ends_at + timedelta(hours=1), staff=staff))
    house.settle()
    before = [(item.ref.item_id, item.content) for item in house.shown(7)]
    assert len(before) == 2
    restore(house, backup)
    restored(house)
    asked_of_one_course_only(house)
    assert house.exchange.requests == []
    for _ in range(3):
        house.settle()
        house.later(60)
    assert [(i.ref.item_id, i.content) for i in house.shown(7)] == before
    assert house.count("delete") == house.count("create") == house.count("update") == 0


def asked_of_one_course_only(house: House) -> None:
    """FS and KJM1000 were asked since the recovery, IN1000 was not; now the calendars' turn."""
    assert house.settle([Kind.PERSON]) == []
    (claim,) = house.claims(Kind.COURSE, "KJM1000 25h")
    house.do(claim)
    house.forget_requests()
    house.later(90_000)
    assert house.settle([Kind.CALENDAR]) == []


def test_a_course_that_keeps_failing_holds_up_nobody_after_a_recovery(house: House) -> None:
    filled(house)
    house.teach(course="KJM1000")
    house.settle()
    restored(house)
    house.timetables.broken.add(CourseKey("KJM1000", "25h"))
    for _ in range(6):
        house.settle()
        house.later(90_000)
    assert rows(house, "SELECT count(*) FROM calendar WHERE must_look_up") == [(0,)]
    assert len(house.shown(1)) == 3


def test_what_has_ended_waits_for_all_courses_that_share_it(house: House) -> None:
    """It is written once: it is to name all courses of the calendar that share it."""
    house.rules = replace(house.rules, past_days=14)
    both = [activity(), activity(course="KJM1000")]
    shared = [event(key=key, starts=MONDAY - timedelta(days=3), event_id="shared") for key in both]
    house.teach(shared[0])
    assert house.settle() == []
    units = [Registration(unit=key.unit, offer_status="I") for key in both]
    house.enrol(1)
    facts = house.students.facts[1]
    house.students.facts[1] = replace(facts, registrations=tuple(units))
    house.teach(shared[1], course="KJM1000")
    assert house.settle([Kind.PERSON, Kind.CALENDAR]) == []
    assert house.shown(1) == []
    assert house.settle([Kind.COURSE]) == []
    house.later(60)
    assert house.settle() == []
    (item,) = house.shown(1)
    assert "IN1000" in item.content.subject
    assert "KJM1000" in item.content.subject


@pytest.mark.parametrize("trouble", ["unreadable", "away"])
def test_a_course_that_is_not_answered_holds_up_no_first_fill_for_ever(
    house: House, trouble: str
) -> None:
    house.rules = replace(house.rules, past_days=14)
    house.teach(event(1))
    house.enrol(1)
    facts = house.students.facts[1]
    other = Registration(unit=activity(course="KJM1000").unit, offer_status="I")
    house.students.facts[1] = replace(facts, registrations=(*facts.registrations, other))
    house.mark(Kind.COURSE, "KJM1000 25h")
    kinds = [Kind.PERSON, Kind.CALENDAR] if trouble == "away" else list(Kind)
    house.timetables.broken.add(CourseKey("KJM1000", "25h"))
    if trouble == "away":
        (claim,) = house.claims(Kind.COURSE, "IN1000 25h")
        house.do(claim)
    for _ in range(6):
        house.settle(kinds)
        house.later(7_200)
    assert len(house.shown(1)) == 1


def test_who_leaves_waits_for_no_source_after_a_recovery(house: House) -> None:
    filled(house, 2)
    restored(house)
    with house.database.write() as connection:
        person = people.find(connection, people.FS, "1")
        assert person is not None
        marked = people.wish(connection, person, {people.PROTECT}, "test")
        people.mark_calendars(connection, marked, reason="protect", lane=Lane.PROTECT)
    house.later(90_000)
    claim = house.claim([Kind.CALENDAR])
    assert claim is not None
    house.do(claim)
    assert house.shown(1) == []


def test_claims_of_workers_long_dead_hold_up_no_recovery(house: House) -> None:
    filled(house)
    house.teach(event(9))
    claim = house.claim([Kind.COURSE])
    assert claim is not None
    restored(house)
    again = house.claim([Kind.COURSE])
    assert again is not None
    with pytest.raises(ClaimLost):
        house.do(claim)


def test_no_one_writes_on_a_database_of_unknown_age(house: House) -> None:
    filled(house)
    with house.database.write() as connection:
        with pytest.raises(StateInDoubt, match="recover --since"):
            recovery.require_sure(connection)
        recovery.attest(connection, "1")
        recovery.require_sure(connection)
        old = {"seen_at": MONDAY, "stopped_at": MONDAY}
        connection.execute(update(heartbeat).values(old))
        recovery.require_sure(connection)  # a clean stop, however long ago
        connection.execute(update(heartbeat).values(stopped_at=None))
        with pytest.raises(StateInDoubt):
            recovery.require_sure(connection)
        connection.execute(delete(entry))
        recovery.require_sure(connection)  # nothing that could be doubled


def dump(house: House) -> dict[str, list[dict[str, object]]]:
    """All rows of all tables, as a backup holds them."""
    with house.database.read() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
            for table in calendar.metadata.sorted_tables
        }


def restore(house: House, backup: dict[str, list[dict[str, object]]]) -> None:
    with house.database.write() as connection:
        for table in reversed(calendar.metadata.sorted_tables):
            connection.execute(table.delete())
        for table in calendar.metadata.sorted_tables:
            if backup[table.name]:
                connection.execute(table.insert(), backup[table.name])


# -- a mailbox that moves --------------------------------------------------------------------------


def test_a_mailbox_that_moved_to_another_exchange_is_followed_there(house: House) -> None:
    filled(house)
    other = house.move_mailbox("user1@uio.example")
    house.teach(*[event(n, starts=MONDAY + timedelta(days=n + 1, hours=1)) for n in range(4)])
    for _ in range(3):
        house.settle()
        house.later(60)
    assert house.shown(1) == []
    assert len(other.own("user1@uio.example")) == 4
    assert rows(house, "SELECT backend, state FROM calendar") == [("other", "active")]


def test_what_has_ended_moves_along_with_a_mailbox(house: House) -> None:
    filled(house)
    house.now += timedelta(days=1, hours=12)
    other = house.move_mailbox("user1@uio.example")
    house.teach(*[event(n, starts=MONDAY + timedelta(days=n + 1, hours=1)) for n in range(3)])
    for _ in range(3):
        house.settle()
        house.later(60)
    assert len(other.own("user1@uio.example")) == 3
    assert rows(house, "SELECT count(*) FROM entry WHERE item_id LIKE 'new-%'") == [(3,)]


def test_a_mailbox_is_not_missing_while_the_other_exchange_cannot_be_asked(house: House) -> None:
    """It may be there: nothing is concluded, and the calendar is filled once it answers."""
    other = house.others["other"] = FakeCalendars()
    house.exchange.missing.add("user1@uio.example")

    def away(_operation: str, _mailbox: str) -> None:
        raise NeighbourUnavailable("exchange.other", "away")

    other.before = away
    lectures_of(house, 3)
    house.enrol(1)
    house.settle()
    assert rows(house, "SELECT backend, state FROM calendar") == [("main", "active")]
    other.before = lambda _operation, _mailbox: None
    for _ in range(3):
        house.later(120)
        house.settle()
    assert rows(house, "SELECT backend, state FROM calendar") == [("other", "active")]
    assert len(other.own("user1@uio.example")) == 3


def test_an_exchange_that_is_configured_no_more_is_looked_for_elsewhere(house: House) -> None:
    filled(house)
    with house.database.write() as connection:
        connection.execute(update(calendar).values(backend="former", synced_digest=None))
    house.enrol(1)
    for _ in range(2):
        house.settle()
        house.later(60)
    assert rows(house, "SELECT backend, state FROM calendar") == [("main", "active")]
    assert len(house.shown(1)) == 3


def test_nothing_is_written_to_a_mail_domain_that_is_ours_no_more(house: House) -> None:
    filled(house)
    house.domains = frozenset({"elsewhere.example"})
    house.teach(*[event(n, starts=MONDAY + timedelta(days=n + 1, hours=1)) for n in range(3)])
    assert house.settle() == []
    assert house.exchange.requests == []


def lectures_of(house: House, number: int, title: str = "") -> None:
    house.teach(
        *[event(n, starts=MONDAY + timedelta(days=n + 1), title=title) for n in range(number)]
    )


def test_more_entries_than_can_be_hold_what_is_new_and_nothing_else(house: House) -> None:
    filled(house)
    house.safety = Safety(max_entries=4)
    lectures_of(house, 6, title="nytt")
    assert house.settle() == []
    assert [each[0] for each in house.exchange.requests] == ["get", "update"]
    assert all("nytt" in item.content.subject for item in house.shown(1))
    assert len(house.shown(1)) == 3
    ((scope, state, why),) = rows(house, "SELECT scope, state, reason FROM brake")
    assert (str(scope).split()[0], state) == ("calendar", "holding")
    assert why == (
        "3 new entries are held: 6 in one calendar are more than [safety] max_entries = 4; "
        "raise it if they are right"
    )
    assert rows(house, "SELECT synced_digest FROM calendar") == [(None,)]


def test_what_is_held_as_too_much_is_written_once_it_is_not(house: House) -> None:
    filled(house)
    house.safety = Safety(max_entries=4)
    lectures_of(house, 6)
    house.settle()
    house.safety = Safety()
    look_again(house)
    assert len(house.shown(1)) == 6
    assert rows(house, "SELECT scope FROM brake") == []


# -- a mailbox that passes to somebody else ------------------------------------------------------


def test_nothing_is_written_to_a_mailbox_that_passed_to_somebody_else_meanwhile(
    house: House,
) -> None:
    """Between two requests of one visit FS gives the address to another person."""
    lectures_of(house, 60)
    house.enrol(1)
    passed: list[int] = []

    def passes(operation: str, _mailbox: str) -> None:
        if operation == "create" and not passed:
            passed.append(1)
            for number, username in ((1, "somebody"), (2, "user1")):
                house.enrol(number, course="IN1000" if number == 1 else None)
                facts = house.students.facts[number]
                account = replace(facts.account, username=username)
                house.students.facts[number] = replace(facts, account=account)
                house.settle([Kind.PERSON])

    house.exchange.after = passes
    assert house.settle([Kind.COURSE, Kind.PERSON]) == []
    claim = house.claim([Kind.CALENDAR])
    assert claim is not None
    with pytest.raises((TransientError, ClaimLost)):
        house.do(claim)
    assert len(house.exchange.own("user1@uio.example")) == 50


# -- in doubt, and the database away -------------------------------------------------------------


class AwayDatabase(Database):
    """A database that can be away for whoever writes."""

    away = False

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction, or none."""
        if self.away:
            raise NeighbourUnavailable("database", "away")
        with super().write() as connection:
            yield connection


@pytest.mark.parametrize("operation", ["create", "update", "delete"])
def test_what_is_in_doubt_and_cannot_be_recorded_waits_for_its_lease(
    database_url: str, operation: str
) -> None:
    database = AwayDatabase(database_url)
    migrations.upgrade(database)
    house = House(database)
    filled(house)
    house.teach(*[event(n, title="x", starts=MONDAY + timedelta(days=n + 1)) for n in range(2)])
    if operation == "create":
        lectures_of(house, 4)

    def unsure(what: str, _item: object) -> ItemError | None:
        if what != operation:
            return None
        return ItemError(code="ErrorTimeoutExpired", outcome=ItemOutcome.UNKNOWN)

    def goes_away(what: str, _mailbox: str) -> None:
        database.away = what == operation

    house.exchange.item_error, house.exchange.after = unsure, goes_away
    house.settle([Kind.COURSE])
    claim = house.claim([Kind.CALENDAR])
    assert claim is not None
    with pytest.raises(NeighbourUnavailable) as error:
        house.do(claim)
    database.away = False
    Outcomes(crew_of(house)).handle_failure(claim, error.value)
    house.later(LEASE.total_seconds() / 2)
    assert house.claim([Kind.CALENDAR]) is None
    database.close()


# -- what has ended ----------------------------------------------------------------------------


def test_what_ended_before_an_update_was_answered_stays(house: House) -> None:
    filled(house)
    with house.database.write() as connection:
        connection.execute(update(entry).values(fingerprint=None))
    house.now += timedelta(days=1, hours=12)
    look_again(house)
    assert len(house.shown(1)) == 3
    assert rows(house, "SELECT count(*) FROM entry WHERE fingerprint = ''") == [(1,)]
    assert rows(house, "SELECT count(*) FROM entry WHERE fingerprint IS NULL") == [(0,)]


def test_what_has_ended_and_is_found_again_stays(house: House) -> None:
    """As after an old backup, or where its record was forgotten by age."""
    filled(house)
    with house.database.write() as connection:
        connection.execute(delete(entry))
        connection.execute(update(calendar).values(must_look_up=True))
    house.now += timedelta(days=1, hours=12)
    look_again(house)
    assert len(house.shown(1)) == 3
    wish(house, people.REMOVE)
    house.settle()
    assert house.shown(1) == []


def look_again(house: House) -> None:
    with house.database.write() as connection:
        connection.execute(update(calendar).values(synced_digest=None))
    for (number,) in rows(house, "SELECT calendar_id FROM calendar"):
        house.mark(Kind.CALENDAR, str(number))
    assert house.settle() == []


# -- a roll-out by course ----------------------------------------------------------------------


def test_who_teaches_by_role_alone_is_inside_the_roll_out_of_the_course(house: House) -> None:
    house.rollout_mode = "listed"
    with house.database.write() as connection:
        rollouts.add(connection, "course", ["IN1000"])
    house.teach(event(1))
    role = TeachingRole(number=1, role="LÆRER", unit=activity().unit, actid="1")
    house.enrol(1, course=None, roles=[role])
    assert house.settle() == []
    assert len(house.shown(1)) == 1


def test_who_withdraws_from_the_course_of_the_roll_out_keeps_nothing_of_it(house: House) -> None:
    house.rollout_mode = "listed"
    with house.database.write() as connection:
        rollouts.add(connection, "course", ["IN1000"])
    filled(house)
    house.teach(event(9, key=activity(course="IN2000")), course="IN2000")
    house.enrol(1, course="IN2000")
    assert house.settle() == []
    assert rows(house, "SELECT DISTINCT course FROM entry") == [("IN2000",)]
    assert len(house.shown(1)) == 1
