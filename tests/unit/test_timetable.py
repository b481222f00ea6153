"""Who sees an event, and when: the rules, sentence by sentence."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kalender.domain import roles
from kalender.domain.model import EventStatus, TeachingEvent
from kalender.domain.roles import ROLES, audience_of
from kalender.domain.timetable import (
    Activity,
    Audience,
    Event,
    PersonTeaching,
    Relation,
    Rules,
    changes_at,
    earliest_end,
    last_day,
    midnight,
    select,
    sole_groups,
)
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    OSLO,
    RULES,
    UNIT,
    a_group_event,
    a_registration,
    a_role,
    an_activity_key,
    an_event,
    condensed,
    desired,
)

STUDENT = PersonTeaching(registrations=(a_registration(),))
PLACED = replace(STUDENT, placements=frozenset({an_activity_key("2-1")}))
OLA = frozenset({"ola"})
TEACHER = PersonTeaching(usernames=OLA)
FALLBACK = replace(RULES, unit_fallback="busy")


@dataclass(frozen=True, kw_only=True)
class Sight:
    """A person, the mirror's events, and what the store says of their activities."""

    person: PersonTeaching
    events: Sequence[TeachingEvent]
    audience: Audience = roles.BOTH
    rules: Rules = RULES
    now: datetime = NOW
    published: bool = True
    placed: bool | None = False  # somebody is placed on each; None: never read

    @property
    def activities(self) -> tuple[Activity, ...]:
        return condensed(self.events, published=self.published, placed=self.placed)

    @property
    def seen(self) -> tuple[Event, ...]:
        named = {
            event.activity
            for event in self.events
            for staff in event.staff or ()
            if staff.username in self.person.usernames
        }
        person = replace(self.person, named_in=frozenset(named))
        selected = select(person, self.activities, self.audience, self.rules, self.now)
        return desired(selected, self.events, person.usernames, self.rules, self.now)

    @property
    def gets(self) -> list[str]:
        """What is created."""
        return [each.event_id for each in self.seen if not each.keep_only]

    @property
    def keeps(self) -> list[str]:
        """What may stay, but is not created."""
        return [each.event_id for each in self.seen if each.keep_only]


def sight(person: PersonTeaching, *events: TeachingEvent, **fields: object) -> Sight:
    return Sight(person=person, events=events, **fields)  # type: ignore[arg-type]


# -- students --------------------------------------------------------------------------------------


def test_a_student_gets_the_plenary_events_of_the_course() -> None:
    assert sight(STUDENT, an_event()).gets == ["1"]


def test_nobody_gets_what_they_are_not_registered_on() -> None:
    assert sight(STUDENT, an_event(course="IN2000")).seen == ()
    for other in ({"version": "2"}, {"semester": "26v"}, {"term_number": 2}):
        event = an_event(activity=an_activity_key(**other))
        assert sight(STUDENT, event).seen == ()
        group = a_group_event(activity=an_activity_key("2-1", **other))
        assert sight(PLACED, group, placed=True).seen == ()


@pytest.mark.parametrize("status", ["I", "S"])
def test_an_accepted_offer_counts(status: str) -> None:
    person = PersonTeaching(registrations=(a_registration(offer_status=status),))
    assert sight(person, an_event()).gets == ["1"]


def test_an_offer_that_is_not_accepted_does_not_count() -> None:
    person = PersonTeaching(registrations=(a_registration(offer_status="V"),))
    assert sight(person, an_event()).seen == ()


def test_an_offer_status_that_is_not_told_creates_and_deletes_nothing() -> None:
    person = PersonTeaching(registrations=(a_registration(offer_status=None),))
    assert sight(person, an_event()).keeps == ["1"]


@pytest.mark.parametrize("status", [None, "V", "I"])
def test_where_offer_statuses_are_ignored_every_registration_counts(status: str | None) -> None:
    person = PersonTeaching(registrations=(a_registration(offer_status=status),))
    rules = replace(RULES, believe_offer_status=False)
    assert sight(person, an_event(), rules=rules).gets == ["1"]


def test_a_student_gets_the_groups_they_are_placed_on_and_no_others() -> None:
    groups = [a_group_event(), a_group_event("g2", actid="2-2")]
    assert sight(PLACED, *groups, placed=True).gets == ["g1"]


def test_a_placement_without_a_registration_gives_nothing() -> None:
    person = replace(PLACED, registrations=())
    assert sight(person, a_group_event(), an_event()).seen == ()


def test_the_only_group_of_its_kind_without_placements_is_for_all() -> None:
    assert sight(STUDENT, a_group_event()).gets == ["g1"]
    other_kind = a_group_event("lab", actid="3", method="LAB")
    assert sight(STUDENT, a_group_event(), other_kind).gets == ["g1", "lab"]


def test_one_of_several_groups_is_not_for_all() -> None:
    assert sight(STUDENT, a_group_event(), a_group_event("g2", actid="2-2")).seen == ()


def test_the_only_group_with_placements_is_for_the_placed() -> None:
    assert sight(STUDENT, a_group_event(), placed=True).seen == ()


def test_before_the_placements_were_read_the_only_group_is_not_judged() -> None:
    assert sight(STUDENT, a_group_event(), placed=None).keeps == ["g1"]


def test_groups_without_placements_may_be_for_nobody() -> None:
    rules = replace(RULES, sole_group=False)
    assert sight(STUDENT, a_group_event(), rules=rules).seen == ()


def test_a_kind_is_within_course_and_term() -> None:
    keys = [an_activity_key("2-1"), an_activity_key("2-2", term_number=2)]
    keys += [an_activity_key("2-1", course="IN2000")]
    activities = condensed(a_group_event(str(n), activity=key) for n, key in enumerate(keys))
    assert sole_groups(activities) == frozenset(keys)


def test_a_plenary_activity_is_no_group_of_its_kind() -> None:
    assert sight(STUDENT, a_group_event(), an_event("2", actid="4", method="GR")).gets == [
        "2",
        "g1",
    ]


def test_whether_it_is_plenary_not_told_creates_nothing_but_for_the_placed() -> None:
    event = a_group_event(plenary=None)
    assert sight(STUDENT, event, placed=True).keeps == ["g1"]
    assert sight(PLACED, event, placed=True).gets == ["g1"]


# -- teachers --------------------------------------------------------------------------------------


def test_a_teacher_gets_the_events_that_name_them_and_no_others_of_the_activity() -> None:
    events = [an_event(staff=["ola"]), an_event("2", staff=["kari"]), an_event("3", staff=[])]
    assert sight(TEACHER, *events).gets == ["1"]


def test_an_event_that_names_nobody_goes_to_the_role_on_its_activity() -> None:
    person = replace(TEACHER, roles=(a_role(),))
    assert sight(person, an_event(), an_event("2", actid="2")).gets == ["1"]


def test_a_named_but_unknown_username_still_names_somebody() -> None:
    person = replace(TEACHER, roles=(a_role(),))
    assert sight(person, an_event(staff=["kari"]), an_event("2", staff=[""])).seen == ()


def test_who_teaches_not_told_creates_and_deletes_nothing() -> None:
    person = replace(TEACHER, roles=(a_role(),))
    assert sight(person, an_event(staff=None)).keeps == ["1"]


def test_only_counted_roles_make_a_teacher() -> None:
    person = replace(TEACHER, roles=(a_role(role="SENSOR"),))
    assert sight(person, an_event()).seen == ()
    rules = replace(RULES, teaching_roles=frozenset({"SENSOR"}))
    assert sight(person, an_event(), rules=rules).gets == ["1"]


def test_a_role_on_the_unit_alone_gives_nothing_unless_configured() -> None:
    person = replace(TEACHER, roles=(a_role(actid=None),))
    assert sight(person, an_event()).seen == ()
    (seen,) = sight(person, an_event(), rules=FALLBACK).seen
    assert seen.capacity is Relation.UNIT_ROLE
    named = an_event(staff=["kari"])
    assert sight(person, named, rules=FALLBACK).seen == ()


def test_a_role_elsewhere_gives_nothing() -> None:
    person = replace(TEACHER, roles=(a_role(unit=UNIT._replace(version="2")),))
    assert sight(person, an_event(), rules=FALLBACK).seen == ()


def test_a_role_counts_in_its_period_of_local_days() -> None:
    late = an_event(starts=datetime(2025, 8, 19, 21, 30, tzinfo=UTC))  # 23:30 in Oslo
    next_day = an_event("2", starts=datetime(2025, 8, 19, 22, 30, tzinfo=UTC))
    person = replace(TEACHER, roles=(a_role(ends_on=date(2025, 8, 19)),))
    assert sight(person, late, next_day).gets == ["1"]


def test_a_role_begins_at_local_midnight_and_time_alone_brings_it() -> None:
    person = replace(TEACHER, roles=(a_role(starts_on=date(2025, 8, 19)),))
    begins = datetime(2025, 8, 18, 22, tzinfo=UTC)
    before = sight(person, an_event(starts=NOW + 2 * DAY), now=begins - timedelta(seconds=1))
    assert before.seen == ()
    assert changes_at(person, (), before.activities, ROLES, RULES, before.now) == begins
    after = replace(before, now=begins)
    assert after.gets == ["1"]
    assert changes_at(person, (), after.activities, ROLES, RULES, begins) is None


# -- both, cancelled, doubtful ---------------------------------------------------------------------


def test_whoever_is_both_sees_it_once_as_a_teacher() -> None:
    person = replace(STUDENT, usernames=OLA)
    (seen,) = sight(person, an_event(staff=["ola"])).seen
    assert (seen.role, seen.capacity) == (roles.TEACHER, Relation.NAMED)


def test_a_calendar_shows_its_own_audience_only() -> None:
    person = replace(STUDENT, usernames=OLA)
    events = [an_event(), an_event("2", actid="9", plenary=False, staff=["ola"], method="X")]
    assert sight(person, *events, audience=audience_of("student"), placed=True).gets == ["1"]
    assert sight(person, *events, audience=audience_of("teacher")).gets == ["2"]


def test_a_cancelled_event_concerns_students_and_the_teachers_it_names() -> None:
    event = an_event(status=EventStatus.CANCELLED, staff=["ola"])
    assert sight(STUDENT, event).gets == ["1"]
    assert sight(TEACHER, event).gets == ["1"]
    assert sight(replace(TEACHER, roles=(a_role(),)), replace(event, staff=())).gets == ["1"]


@pytest.mark.parametrize(
    "flag", [{"doubt": True}, {"missing": True}, {"status": EventStatus.UNKNOWN}]
)
def test_what_is_in_doubt_stays_but_is_not_created(flag: dict[str, Any]) -> None:
    assert sight(STUDENT, an_event(**flag)).keeps == ["1"]
    assert sight(TEACHER, an_event(staff=["ola"], **flag)).keeps == ["1"]


def test_of_what_is_not_published_nothing_is_created_and_nothing_deleted() -> None:
    person = replace(STUDENT, usernames=OLA)
    events = [an_event(), an_event("2", actid="2", staff=["ola"])]
    assert sight(person, *events, published=False).keeps == ["1", "2"]


# -- the same event twice --------------------------------------------------------------------------


def test_co_taught_events_are_one_and_name_all_courses_of_the_calendar() -> None:
    person = PersonTeaching(registrations=(a_registration("IN4120"), a_registration("IN3120")))
    (seen,) = sight(person, an_event(course="IN4120"), an_event(course="IN3120")).seen
    assert seen.teaching.activity.course == "IN3120"
    assert seen.courses == ("IN3120", "IN4120")


def test_an_event_names_no_course_on_which_a_place_is_not_known() -> None:
    events = [an_event(course="IN3120"), an_event(course="IN4120")]
    unsure = a_registration("IN3120", offer_status=None)
    person = PersonTeaching(registrations=(unsure, a_registration("IN4120")))
    (seen,) = sight(person, *events).seen
    assert (seen.courses, seen.keep_only) == (("IN4120",), False)
    nobody = PersonTeaching(registrations=(unsure, a_registration("IN4120", offer_status=None)))
    (seen,) = sight(nobody, *events).seen
    assert (seen.courses, seen.keep_only) == (("IN3120", "IN4120"), True)


def test_a_course_in_two_spellings_is_named_once() -> None:
    person = PersonTeaching(registrations=(a_registration("in3120"), a_registration("IN3120")))
    (seen,) = sight(person, an_event(course="in3120"), an_event(course="IN3120")).seen
    assert seen.courses == ("IN3120",)


def test_active_wins_over_cancelled_then_ones_own_group_then_the_lowest() -> None:
    cancelled = an_event(status=EventStatus.CANCELLED)
    active = a_group_event("1", actid="9")
    person = replace(STUDENT, placements=frozenset({active.activity}))
    assert sight(person, cancelled, active, placed=True).seen[0].teaching == active
    plenary = an_event()
    assert sight(person, plenary, active, placed=True).seen[0].teaching == active
    assert sight(STUDENT, an_event(actid="5"), plenary).seen[0].teaching == plenary


def test_the_only_group_is_as_close_as_a_placement() -> None:
    group, plenary = a_group_event("1", actid="9"), an_event()
    assert sight(STUDENT, plenary, group).seen[0].teaching == group


def test_events_come_in_the_order_of_time() -> None:
    events = [an_event("b"), an_event("a"), an_event("c", starts=NOW + HOUR)]
    assert sight(STUDENT, *events).gets == ["c", "a", "b"]


# -- when ------------------------------------------------------------------------------------------


def test_what_ends_after_now_is_created_and_what_has_ended_is_not() -> None:
    events = [an_event("1", starts=NOW - 2 * HOUR), an_event("2", starts=NOW - HOUR)]
    assert sight(STUDENT, *events).gets == ["2"]


def test_past_days_let_in_what_ended_since_that_local_midnight() -> None:
    rules = replace(RULES, past_days=1)
    since = datetime(2025, 8, 16, 22, tzinfo=UTC)
    assert earliest_end(rules, NOW) == since
    events = [an_event("1", starts=since - 2 * HOUR), an_event("2", starts=since - HOUR)]
    assert sight(STUDENT, *events, rules=rules).gets == ["2"]


def test_future_days_end_the_window_with_a_local_day() -> None:
    rules = replace(RULES, future_days=1)
    last = datetime(2025, 8, 19, 22, tzinfo=UTC)  # midnight in Oslo
    events = [an_event("1", starts=last - timedelta(minutes=1)), an_event("2", starts=last)]
    assert last_day(rules, NOW) == date(2025, 8, 19)
    assert sight(STUDENT, *events, rules=rules).gets == ["1"]
    assert sight(STUDENT, *events).gets == ["1", "2"]


@pytest.mark.parametrize(
    ("day", "hour"),
    [(date(2025, 10, 26), 22), (date(2025, 10, 27), 23), (date(2025, 3, 31), 22)],
)
def test_days_begin_at_local_midnight_also_where_summer_time_changes(day: date, hour: int) -> None:
    begins = midnight(day, OSLO)
    assert (begins.hour, begins.date()) == (hour, day - DAY)


def test_the_window_moves_at_local_midnight_and_time_alone_brings_the_next_day() -> None:
    rules = replace(RULES, future_days=7)
    told = sight(STUDENT, an_event(starts=NOW + 9 * DAY), rules=rules)
    selected = select(STUDENT, told.activities, audience_of("student"), rules, NOW)
    moment = changes_at(STUDENT, selected, told.activities, ROLES, rules, NOW)
    assert moment == datetime(2025, 8, 19, 22, tzinfo=UTC)
    assert replace(told, now=moment - timedelta(seconds=1)).seen == ()
    assert replace(told, now=moment).gets == ["1"]


def test_without_a_window_or_roles_time_alone_changes_nothing() -> None:
    told = sight(STUDENT, an_event(starts=NOW + 9 * DAY))
    selected = select(STUDENT, told.activities, audience_of("student"), RULES, NOW)
    assert changes_at(STUDENT, selected, told.activities, ROLES, RULES, NOW) is None
