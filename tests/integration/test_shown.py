"""What is shown of a person, of a course and of changes, on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from kalender.domain.timetable import Relation
from kalender.domain.work import Kind, Lane
from kalender.operate import erasure, look_ups
from kalender.operate.changes import changes, day_of_changes, resyncs
from kalender.operate.course import course_shown
from kalender.operate.person import PersonShown, person_shown
from kalender.operate.question import Question
from kalender.operate.shown import EntryStanding, ShownEntry
from kalender.operate.why import first_failing
from kalender.store import acts, counters, people
from kalender.store.acts import Filter
from kalender.store.database import Database, database_time
from tests.fakes.house import MONDAY, OSLO, House, activity, event

pytestmark = pytest.mark.integration
OpenDatabase = Callable[[], Database]
A_WEEK = timedelta(days=7)


def person_of(house: House, number: int) -> int:
    with house.database.read() as connection:
        found = people.find_by_any_identity(connection, str(number))
    assert found is not None
    return found


def asked(house: House, number: int) -> PersonShown:
    with house.database.read() as connection:
        return person_shown(
            Question(
                connection=connection,
                settings=house.settings,
                rollout_mode=house.rollout_mode,
                skips=lambda course: house.skipped in course,
                now=house.now,
                person_id=person_of(house, number),
            )
        )


def entries(house: House, number: int) -> list[ShownEntry]:
    (calendar,) = asked(house, number).calendars
    return list(calendar.entries)


def standings(house: House, number: int) -> dict[str, EntryStanding]:
    return {f"{e.event_id} {e.status or ''}".strip(): e.standing for e in entries(house, number)}


def filled(open_database: OpenDatabase) -> House:
    """Two lectures of a course in one student's calendar."""
    house = House(open_database())
    house.teach(event(1), event(2, starts=MONDAY + timedelta(days=2)))
    house.enrol(1)
    assert house.settle() == []
    return house


def test_what_stands_and_what_is_about_to_come_change_and_go(open_database: OpenDatabase) -> None:
    house = filled(open_database)
    assert set(standings(house, 1).values()) == {EntryStanding.THERE}
    there = entries(house, 1)[0]
    assert (there.capacity, there.location) == (Relation.PLENARY, "Java (OJD)")
    assert there.last is not None
    assert (there.last.operation, there.written_at is not None) == ("create", True)

    moved = event(2, starts=MONDAY + timedelta(days=3), title="New title")
    new = event(3, key=activity("2"), starts=MONDAY + timedelta(days=4))
    house.teach(moved, new)
    assert house.settle([Kind.COURSE]) == []
    assert standings(house, 1) == {
        "IN1000-1-1 live": EntryStanding.GOING,
        "IN1000-1-2 live": EntryStanding.MOVING,
        "IN1000-1-2": EntryStanding.COMING,
        "IN1000-2-3": EntryStanding.COMING,
    }
    (moving,) = [e for e in entries(house, 1) if e.standing is EntryStanding.MOVING]
    assert (moving.moves_to, "time" in moving.fields) == (moved.starts_at, True)
    assert house.settle() == []
    assert standings(house, 1) == {
        "IN1000-1-2 live": EntryStanding.THERE,
        "IN1000-2-3 live": EntryStanding.THERE,
    }


def test_what_its_user_changed_too_often_is_theirs(open_database: OpenDatabase) -> None:
    house = filled(open_database)
    for _ in range(6):
        for item in house.shown(1):
            house.exchange.edit("user1@uio.example", item.ref.item_id, subject="Mine")
        house.verify(1)
        assert house.settle() == []
    assert set(standings(house, 1).values()) == {EntryStanding.THEIRS}


def test_whoever_is_not_switched_on_has_what_waits(open_database: OpenDatabase) -> None:
    house = House(open_database(), rollout_mode="listed")
    house.teach(event(1))
    house.enrol(1)
    house.settle()
    person = asked(house, 1)
    assert {entry.standing for entry in person.calendars[0].entries} == {EntryStanding.WAITING}
    failing = first_failing(person.checks)
    assert failing is not None
    assert failing.name == "rollout"
    assert person.courses == ["IN1000"]


def test_what_is_right_fails_no_check_and_what_waits_is_said(open_database: OpenDatabase) -> None:
    house = filled(open_database)
    assert first_failing(asked(house, 1).checks) is None
    house.mark(Kind.PERSON, "fs 1", reason="asked for")
    failing = first_failing(asked(house, 1).checks)
    assert failing is not None
    assert (failing.name, failing.facts["reason"]) == ("pending", "asked for")


def test_what_has_ended_is_still_shown_by_what_was_told_of_it(open_database: OpenDatabase) -> None:
    house = filled(open_database)
    house.now += A_WEEK
    ended = entries(house, 1)
    assert [entry.standing for entry in ended] == [EntryStanding.THERE] * 2
    assert [entry.capacity for entry in ended] == [None, None]
    assert all(entry.location == "Java (OJD)" for entry in ended)


# -- changes ------------------------------------------------------------------------------------------


def test_changes_are_paged_and_bounded_and_leave_protected_persons_out(
    open_database: OpenDatabase,
) -> None:
    house = filled(open_database)
    house.enrol(2)
    assert house.settle() == []
    house.teach(event(1, title="New title"), event(2, starts=MONDAY + timedelta(days=2)))
    assert house.settle() == []
    with house.database.read() as connection:
        first = changes(connection, Filter(limit=4))
        assert first.before is not None
        second = changes(connection, Filter(limit=4, before=first.before))
    assert second.before is None
    told = [*first.changes, *second.changes]
    assert len({change.change_id for change in told}) == 6
    assert [change.operation for change in told] == ["update"] * 2 + ["create"] * 4
    assert {change.course for change in told} == {"IN1000"}
    assert all(change.starts_at is not None for change in told)

    theirs = person_of(house, 2)
    with house.database.write() as connection:
        people.wish(connection, theirs, {people.PROTECT}, "threat")
    with house.database.read() as connection:
        open_ones = changes(connection, Filter())
        of_course = changes(connection, Filter(course="IN1000", what="update"))
        of_nothing = changes(connection, Filter(course="IN2000"))
        of_verify = changes(connection, Filter(causes=frozenset({"verify"})))
    assert {change.person_id for change in open_ones.changes} == {person_of(house, 1)}
    assert [change.title for change in of_course.changes] == ["New title"]
    assert of_nothing.changes == of_verify.changes == ()


def test_of_what_is_gone_at_the_source_the_log_still_knows_the_course(
    open_database: OpenDatabase,
) -> None:
    house = filled(open_database)
    house.teach(event(2, starts=MONDAY + timedelta(days=2)))
    assert house.settle() == []
    with house.database.read() as connection:
        (change,) = changes(connection, Filter(course="IN1000", what="delete")).changes
        rows = acts.writes(connection, Filter(course="IN1000", what="delete"))
    assert (change.course, change.starts_at) == ("IN1000", None)
    assert [row.course for row in rows] == ["IN1000"]


def test_a_write_of_what_two_courses_share_is_of_both(open_database: OpenDatabase) -> None:
    house = House(open_database())
    house.teach(event(1, event_id="shared"))
    other = event(1, key=activity(course="IN2000"), event_id="shared")
    house.teach(other, course="IN2000")
    house.enrol(1)
    house.settle()
    with house.database.read() as connection:
        logged = [changes(connection, Filter(course=code)) for code in ("IN1000", "IN2000")]
    assert [len(page.changes) for page in logged] == [1, 1]


def test_hours_are_counted_from_counters_or_of_one_course_from_the_log(
    open_database: OpenDatabase,
) -> None:
    house = filled(open_database)
    counters.give(house.database)
    with house.database.read() as connection:
        today = database_time(connection).astimezone(OSLO).date()
        for filters in (Filter(), Filter(course="IN1000")):
            hours = day_of_changes(connection, today, OSLO, filters).hours
            assert hours is not None
            assert sum(hour.creates for hour in hours) == 2
            assert sum(hour.updates + hour.deletes for hour in hours) == 0
        other = day_of_changes(connection, today, OSLO, Filter(causes=frozenset({"verify"})))
        long_ago = day_of_changes(connection, today - timedelta(days=30), OSLO, Filter())
    assert other.hours is not None
    assert sum(hour.creates for hour in other.hours) == 0
    assert long_ago.hours is None


# -- a course -----------------------------------------------------------------------------------------


def test_a_course_says_whom_changes_concerned_and_what_its_brake_holds(
    open_database: OpenDatabase,
) -> None:
    house = House(open_database())
    lectures = [event(n, starts=MONDAY + timedelta(days=n)) for n in range(1, 13)]
    house.teach(*lectures)
    house.enrol(1)
    house.enrol(2)
    assert house.settle() == []
    house.teach(lectures[0])
    house.settle()
    with house.database.read() as connection:
        (course,) = course_shown(connection, "in1000", None, house.now)
    assert course.run.registered == 2
    assert sum(hour.writes for hour in course.concerned) == 24
    assert {hour.persons for hour in course.concerned} == {2}
    assert course.brake is not None
    assert (course.brake.state, course.lets_go.held, course.lets_go.people) == ("holding", 22, 2)


# -- look-ups -----------------------------------------------------------------------------------------


def test_a_look_up_is_good_for_who_asked_and_kept_with_its_reason(
    open_database: OpenDatabase,
) -> None:
    house = filled(open_database)
    look = {"who": "kari", "reason": "called about\nMonday", "command": "web person"}
    number = look_ups.look_somebody_up(house.database, "USER1", **look)
    assert number is not None
    found = look_ups.valid_look_up(house.database, number, who="kari")
    assert found is not None
    assert (found.person_id, found.reason) == (person_of(house, 1), "called about Monday")
    assert look_ups.valid_look_up(house.database, number, who="ola") is None
    assert look_ups.look_somebody_up(house.database, "nobody", **look) is None
    with house.database.read() as connection:
        (row,) = acts.looks(connection, Filter())
    assert (row.who, row.what, row.reason) == ("kari", "web person", "called about Monday")


def test_of_whoever_is_erased_no_reason_of_a_look_stays(open_database: OpenDatabase) -> None:
    house = filled(open_database)
    look_ups.look_somebody_up(house.database, "1", who="kari", reason="their name", command="web")
    person_id = person_of(house, 1)
    with house.database.write() as connection:
        calendars = people.wish(connection, person_id, {people.OPT_OUT, people.REMOVE}, "asked")
        people.mark_calendars(connection, calendars, reason="remove", lane=Lane.LIVE)
    assert house.settle() == []
    with house.database.write() as connection:
        erasure.forget(connection, person_id)
    with house.database.read() as connection:
        (row,) = acts.looks(connection, Filter())
    assert (row.who, row.reason) == ("kari", None)


def test_who_is_protected_is_answered_as_nobody_and_the_attempt_is_kept(
    open_database: OpenDatabase,
) -> None:
    house = filled(open_database)
    look = {"who": "kari", "reason": "called", "command": "web person"}
    number = look_ups.look_somebody_up(house.database, "1", **look)
    assert number is not None
    with house.database.write() as connection:
        people.wish(connection, person_of(house, 1), {people.PROTECT}, "threat")
    assert look_ups.valid_look_up(house.database, number, who="kari") is None
    assert look_ups.look_somebody_up(house.database, "user1", **look) is None
    with house.database.read() as connection:
        hidden = acts.looks(connection, Filter())
        revealed = acts.looks(connection, Filter(), reveal=True)
    assert [row.what for row in hidden] == ["web person (refused)"] * 2 + ["web person"]
    assert {(row.person, row.reason, row.protected) for row in hidden} == {(None, None, True)}
    assert {row.person for row in revealed} == {person_of(house, 1)}


def test_resyncs_are_told_with_their_results(open_database: OpenDatabase) -> None:
    house = filled(open_database)
    with house.database.write() as connection:
        acts.record(connection, "resync --all", who="nightly", count=3, reason="persons: 1")
        acts.record(connection, "retry", who="kari")
    with house.database.read() as connection:
        moment = database_time(connection)
        found = resyncs(connection, moment - timedelta(hours=1), moment + timedelta(hours=1))
    assert [(each.who, each.changed_persons, each.result) for each in found] == [
        ("nightly", 3, "persons: 1")
    ]
