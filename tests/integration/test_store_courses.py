from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import Connection, select

from kalender.domain.mirror import CourseBrake, merge
from kalender.domain.model import ActivityKey, CourseAnswer, CourseKey, TeachingEvent
from kalender.domain.work import Lane, Trigger
from kalender.store import courses, mailboxes, people, teaching
from kalender.store.database import Database, database_time
from kalender.store.people import FS, USERNAME
from kalender.store.tables import course_run
from kalender.store.teaching import FsFacts
from tests.factories import (
    COURSE,
    DAY,
    NOW,
    RULES,
    UNIT,
    a_group_event,
    a_registration,
    a_role,
    an_activity_key,
    an_answer,
    an_event,
)
from tests.integration.test_store_people import rules

OTHER = CourseKey("IN2000", "25h")


@pytest.fixture
def connection(open_database: Callable[[], Database]) -> Iterator[Connection]:
    with open_database().write() as connection:
        yield connection


def taken(connection: Connection, answer: CourseAnswer) -> bool:
    change = merge(
        courses.rows(connection, answer.key), answer, rules=RULES, brake=CourseBrake(), now=NOW
    )
    return courses.save(connection, answer, change, Trigger("test"))


def told(connection: Connection, *events: TeachingEvent) -> bool:
    return taken(connection, an_answer(*events))


def a_person(
    connection: Connection,
    username: str,
    *,
    registered: bool = False,
    placed: Sequence[ActivityKey] = (),
    **taught: object,
) -> int:
    """A person with a calendar; return the calendar."""
    person_id = people.ensure(connection, USERNAME, username)
    facts = FsFacts(
        registrations=(a_registration(),) if registered else (),
        placements=frozenset(placed),
        roles=taught.get("roles", ()),  # type: ignore[arg-type]
    )
    teaching.write(connection, person_id, facts, ["25h"])
    mailboxes.assign_mailboxes(connection, person_id, rules())
    made = people.calendars_of(connection, [person_id])
    return made[0] if made else -1


def whom(connection: Connection) -> set[int]:
    """Carry the fan-out out; return whom it concerns."""
    pending = courses.pending_fan_out(connection, COURSE)
    found = courses.concerned(connection, pending)
    courses.clear_fan_out(connection, pending)
    assert courses.pending_fan_out(connection, COURSE) == []
    return found


# -- the mirror ------------------------------------------------------------------------------------


def test_what_was_mirrored_is_read_as_it_was(connection: Connection) -> None:
    events = [
        an_event(staff=["ola"], title="Æ"),
        an_event("2", staff=None, plenary=None, doubt=True),
        replace(an_event("3"), starts_at=NOW.replace(microsecond=0)),
    ]
    change = merge({}, an_answer(*events), rules=RULES, brake=CourseBrake(), now=NOW)
    courses.save(connection, an_answer(*events), change, Trigger("test"))
    assert courses.rows(connection, COURSE) == {row.key: row for row in change.rows}
    known = courses.activities(connection, [COURSE, OTHER])
    assert [replace(each, placed=None) for each in known] == list(change.activities)


def test_the_same_answer_again_writes_and_concerns_nothing(connection: Connection) -> None:
    assert told(connection, an_event(), a_group_event())
    whom(connection)
    assert not told(connection, an_event(), a_group_event())
    assert courses.pending_fan_out(connection, COURSE) == []


def test_the_missing_are_flagged_and_come_back(connection: Connection) -> None:
    events = [an_event(str(n), actid=str(n)) for n in range(20)]
    told(connection, *events)
    told(connection, *events[15:])
    rows = courses.rows(connection, COURSE).values()
    assert sum(row.event.missing for row in rows) == 15
    told(connection, *events)
    assert not any(row.event.missing for row in courses.rows(connection, COURSE).values())


def test_events_are_read_by_activity_and_end(connection: Connection) -> None:
    events = [an_event(), an_event("2", starts=NOW + 5 * DAY), a_group_event()]
    told(connection, *events)
    ((key, (digest, found)),) = courses.events_of(
        connection, [an_activity_key()], after=NOW + 2 * DAY
    ).items()
    (lecture,) = (a for a in courses.activities(connection, [COURSE]) if a.key == key)
    assert (digest, found) == (lecture.digest, [events[1]])


def test_an_activity_without_coming_events_has_its_digest_all_the_same(
    connection: Connection,
) -> None:
    told(connection, an_event())
    found = courses.events_of(connection, [an_activity_key()], after=NOW + 900 * DAY)
    assert [(bool(digest), events) for digest, events in found.values()] == [(True, [])]


def test_who_is_named_is_a_person_and_finds_the_activity(connection: Connection) -> None:
    told(connection, an_event(staff=["ola"]), a_group_event(staff=["kari"]))
    assert people.find(connection, USERNAME, "ola") is not None
    assert courses.named_in(connection, ["ola"], ["25h"]) == {"ola": {an_activity_key()}}
    assert courses.named_in(connection, ["ola"], ["26v"]) == {}
    assert courses.named_in(connection, [], ["25h"]) == {}
    told(connection, an_event(), a_group_event(staff=["kari"]))
    assert courses.named_in(connection, ["ola"], ["25h"]) == {}


def test_other_courses_with_the_same_events_are_found(connection: Connection) -> None:
    told(connection, an_event())
    taken(connection, an_answer(an_event(course="IN2000"), key=OTHER))
    assert courses.others_with(connection, COURSE, ["1", "9"]) == {OTHER}
    assert courses.others_with(connection, COURSE, []) == set()


def test_placements_are_judged_after_a_complete_reading(connection: Connection) -> None:
    told(connection, an_event(), a_group_event())
    assert {a.placed for a in courses.activities(connection, [COURSE])} == {None}
    a_person(connection, "ola", registered=True, placed=[an_activity_key("2-1")])
    assert [a.placed for a in courses.activities(connection, [COURSE])] == [None, True]
    at = database_time(connection)
    teaching.record_reading(connection, courses.PLACEMENTS, "25h", at)
    assert [a.placed for a in courses.activities(connection, [COURSE])] == [False, True]


# -- published -------------------------------------------------------------------------------------


def published(connection: Connection) -> list[bool]:
    return list(connection.execute(select(course_run.c.published)).scalars())


def test_published_not_told_stays_as_it_was(connection: Connection) -> None:
    taken(connection, an_answer(an_event(), published=None))
    assert published(connection) == [True]
    taken(connection, an_answer(an_event(), published=False))
    assert published(connection) == [False]
    taken(connection, an_answer(an_event(), published=None))
    assert published(connection) == [False]
    assert not any(a.published for a in courses.activities(connection, [COURSE]))


def test_publishing_concerns_everybody_on_the_course(connection: Connection) -> None:
    told(connection, an_event(), a_group_event(), a_group_event("g2", actid="2-2"))
    ola = a_person(connection, "ola", registered=True)
    whom(connection)
    for answer in (an_answer(published=False), an_answer(an_event(), published=True)):
        assert taken(connection, answer)
        assert ola in whom(connection)


def test_courses_asked_for_are_known(connection: Connection) -> None:
    told(connection)
    assert courses.mirrored(connection, [COURSE, OTHER]) == {COURSE}
    assert courses.runs(connection, ["25h"]) == {COURSE: True}
    assert courses.is_published(connection, OTHER) is None


# -- whom a change concerns ------------------------------------------------------------------------


def test_a_plenary_change_concerns_all_registered(connection: Connection) -> None:
    told(connection, an_event())
    ola = a_person(connection, "ola", registered=True)
    a_person(connection, "per", placed=[an_activity_key()])
    told(connection, an_event(title="New"))
    assert whom(connection) == {ola}


def test_a_group_concerns_the_placed_and_the_only_one_everybody(connection: Connection) -> None:
    groups = [a_group_event(), a_group_event("g2", actid="2-2")]
    told(connection, *groups)
    ola = a_person(connection, "ola", registered=True, placed=[an_activity_key("2-1")])
    kari = a_person(connection, "kari", registered=True, placed=[an_activity_key("2-2")])
    whom(connection)
    told(connection, replace(groups[0], title="New"), groups[1])
    assert whom(connection) == {ola}
    told(connection, replace(groups[0], title="New"))
    assert whom(connection) == {ola, kari}
    told(connection, replace(groups[0], title="Newer"))
    assert whom(connection) == {ola, kari}


def test_teachers_named_before_and_now_and_by_role_are_concerned(connection: Connection) -> None:
    told(connection, an_event(staff=["ola"]))
    ola = a_person(connection, "ola")
    per = a_person(connection, "per", roles=(a_role(actid=None),))
    elsewhere = a_role(unit=UNIT._replace(version="2"))
    a_person(connection, "anne", roles=(elsewhere,))
    whom(connection)
    told(connection, an_event(staff=["kari"]))
    kari = a_person(connection, "kari")
    assert whom(connection) == {ola, kari, per}
    assert courses.staff_of(connection, COURSE) == {people.find(connection, USERNAME, "kari")}


def test_whom_it_concerns_is_read_late(open_database: Callable[[], Database]) -> None:
    """Whoever joins between the two transactions is concerned too, and a crash loses nobody."""
    database = open_database()
    with database.write() as connection:
        told(connection, an_event())
    with database.write() as connection:
        ola = a_person(connection, "ola", registered=True)
    for crash in (True, False):
        with database.write() as connection:
            assert whom(connection) == {ola}
            if crash:
                connection.rollback()


def test_the_lane_and_reason_go_with_the_fan_out(connection: Connection) -> None:
    told(connection, an_event())
    (row,) = courses.pending_fan_out(connection, COURSE)
    assert (row.priority, row.reason, row.everybody) == (Lane.LIVE, "test", True)


def test_hundreds_of_keys_at_once_are_found(connection: Connection) -> None:
    keys = [CourseKey(f"C{n}", "25h") for n in range(900)]
    for key in keys[::300]:
        event = an_event(course=key.course)
        taken(connection, an_answer(event, key=key))
    assert courses.mirrored(connection, keys) == set(keys[::300])
    assert len(courses.activities(connection, keys)) == 3
    person = people.ensure(connection, FS, "1")
    assert people.calendars_of(connection, [person] * 1200) == []
