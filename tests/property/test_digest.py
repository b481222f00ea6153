"""Equal digests now and then: desired(now) = desired(then), less what has ended.

And whoever's digest an answer changes is among those whom it is said to concern.
"""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache

from hypothesis import assume, event, given
from hypothesis import strategies as st

from kalender.domain.mirror import CourseBrake, EventKey, MirrorChange, Row, activities_of, merge
from kalender.domain.model import ActivityKey, CourseAnswer, EventStatus, TeachingEvent
from kalender.domain.roles import AUDIENCES, BOTH, ROLES, word_of
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    Audience,
    Event,
    PersonTeaching,
    Rules,
    changes_at,
    digest,
    last_day,
    select,
    sole_groups,
)
from kalender.reconcile.desired import CalendarSettings
from tests.factories import (
    DAY,
    HOUR,
    OSLO,
    RULES,
    STYLE,
    a_registration,
    a_role,
    after,
    an_activity_key,
    an_answer,
    an_event,
    desired,
)

ACTIDS = ["1", "2-1", "2-2"]
MOMENTS = [  # an autumn day, and the nights in which summer time begins and ends
    datetime(2025, 8, 18, 6, tzinfo=UTC),
    datetime(2025, 10, 25, 21, tzinfo=UTC),
    datetime(2025, 3, 29, 22, tzinfo=UTC),
]
RULES_ = st.builds(
    replace,
    st.just(RULES),
    past_days=st.sampled_from([0, 0, 1]),
    future_days=st.sampled_from([None, None, 0, 2]),
    unit_fallback=st.sampled_from([None, "free"]),
    sole_group=st.sampled_from([True, True, False]),
    believe_offer_status=st.sampled_from([True, True, False]),
)
NAMES = st.sampled_from(["ola", "kari"])
STUDENT = PersonTeaching(registrations=(a_registration(),))


@dataclass(frozen=True, kw_only=True)
class World:
    """One person, and one course's mirror with what the store adds to its activities."""

    person: PersonTeaching
    rows: Mapping[EventKey, Row]
    placed: Mapping[ActivityKey, bool | None]
    published: bool
    rules: Rules
    audience: Audience
    now: datetime

    @property
    def activities(self) -> tuple[Activity, ...]:
        return tuple(
            replace(
                each,
                published=self.published,
                placed=each.key in self.person.placements or self.placed.get(each.key),
            )
            for each in activities_of(self.rows.values(), self.rules)
        )

    @property
    def teaching(self) -> PersonTeaching:
        named = {
            row.event.activity
            for row in self.rows.values()
            for staff in row.event.staff or ()
            if staff.username in self.person.usernames
        }
        return replace(self.person, named_in=frozenset(named))

    @property
    def selected(self) -> tuple[ActivityInterest, ...]:
        return select(self.teaching, self.activities, self.audience, self.rules, self.now)

    @property
    def digest(self) -> str:
        return digest(
            self.selected,
            self.activities,
            settings=settings_of(self.rules).digest,
            audience=word_of(self.audience),
            usernames=self.person.usernames,
            last_day=last_day(self.rules, self.now),
        )

    @property
    def changes_at(self) -> datetime | None:
        return changes_at(
            self.teaching, self.selected, self.activities, ROLES, self.rules, self.now
        )

    def desired(self, ending_after: datetime) -> list[Event]:
        events = [row.event for row in self.rows.values()]
        names = self.person.usernames
        digests = {activity.key: activity.digest for activity in self.activities}
        settings = settings_of(self.rules)
        shown = desired(
            *(self.selected, events, names, self.rules, self.now),
            digests=digests,
            settings=settings,
        )
        return [each for each in shown if each.teaching.ends_at > ending_after]


@lru_cache
def settings_of(rules: Rules) -> CalendarSettings:
    return CalendarSettings(rules=dict.fromkeys(ROLES, rules), styles=dict.fromkeys(ROLES, STYLE))


def told(world: World, answer: CourseAnswer) -> tuple[World, MirrorChange]:
    change = merge(world.rows, answer, rules=world.rules, brake=BRAKE, now=world.now)
    return replace(world, rows=after(world.rows, change)), change


BRAKE = CourseBrake(max_shrink=0.5, min_events=3)


@st.composite
def answers(draw: st.DrawFn, now: datetime) -> CourseAnswer:
    """An answer; an id that it tells twice, of two activities, is of one time."""
    when = draw(st.lists(st.integers(-3, 9), min_size=4, max_size=4))
    starts = {name: now + half_days * DAY / 2 for name, half_days in zip("abcd", when, strict=True)}
    one = st.builds(
        an_event,
        st.sampled_from("abcd"),
        actid=st.sampled_from(ACTIDS),
        status=st.sampled_from(
            [*[EventStatus.ACTIVE] * 3, EventStatus.CANCELLED, EventStatus.UNKNOWN]
        ),
        plenary=st.sampled_from([None, True, False, False]),
        staff=st.sampled_from([None, (), (), ("ola",), ("kari", "")]),
        method=st.sampled_from(["GR", "FOR"]),
        title=st.sampled_from(["", "x"]),
    ).map(lambda event: moved(event, starts[event.event_id]))
    events = st.lists(one, unique_by=lambda e: (e.activity, e.event_id), min_size=1, max_size=6)
    return an_answer(*draw(events))


def moved(event: TeachingEvent, starts: datetime) -> TeachingEvent:
    return replace(event, starts_at=starts, ends_at=starts + 2 * HOUR)


def persons(now: datetime) -> st.SearchStrategy[PersonTeaching]:
    days = st.none() | st.integers(-1, 3).map(lambda n: now.astimezone(OSLO).date() + n * DAY)
    role = st.builds(
        a_role, st.none() | st.sampled_from(ACTIDS), starts_on=days, ends_on=days, number=st.just(1)
    )
    return st.builds(
        PersonTeaching,
        registrations=st.sampled_from([None, "I", "I", "V", "-"]).map(
            lambda s: () if s == "-" else (a_registration(offer_status=s),)
        ),
        placements=st.frozensets(st.sampled_from(ACTIDS).map(an_activity_key), max_size=2),
        roles=st.lists(role, max_size=1).map(tuple),
        usernames=st.frozensets(NAMES, max_size=1),
    )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    now = draw(st.sampled_from(MOMENTS))
    keys = st.sampled_from(ACTIDS).map(an_activity_key)
    empty = World(
        person=draw(persons(now)),
        rows={},
        placed=draw(st.dictionaries(keys, st.sampled_from([True, False, None]))),
        published=draw(st.sampled_from([True, True, True, False])),
        rules=draw(RULES_),
        audience=draw(st.sampled_from(list(AUDIENCES.values()))),
        now=now,
    )
    return told(empty, draw(answers(now)))[0]


@st.composite
def nudged(draw: st.DrawFn, world: World) -> World:
    """The same world later, when little or nothing has changed."""
    now = world.now + draw(st.sampled_from([0, 0, 1, 5, 26, 50])) * HOUR
    later = replace(world, now=now)
    same, names = st.just(later), st.frozensets(NAMES, min_size=1, max_size=1)
    renamed = st.builds(replace, st.just(world.person), usernames=names)
    drawn: World = draw(
        st.one_of(
            same,
            st.builds(replace, same, person=persons(now) | renamed),
            st.builds(replace, same, rules=RULES_),
            st.builds(replace, same, published=st.booleans()),
            answers(now).map(lambda answer: told(later, answer)[0]),
            one_changed(later),
        )
    )
    return drawn


@st.composite
def one_changed(draw: st.DrawFn, world: World) -> World:
    """The world after an answer in which one event says something else."""
    events = [row.event for row in world.rows.values()]
    each = draw(st.sampled_from(events))
    changed = draw(
        st.sampled_from(
            [
                replace(each, title="new"),
                replace(each, plenary=True),
                replace(each, status=EventStatus.UNKNOWN),
                replace(each, status=EventStatus.CANCELLED),
                replace(each, staff=an_event(staff=["ola"]).staff),
                moved(each, each.starts_at - DAY),
            ]
        )
    )
    return told(world, an_answer(*(e for e in events if e != each), changed))[0]


@given(st.data())
def test_equal_digests_desire_the_same_less_what_has_ended(data: st.DataObject) -> None:
    then = data.draw(worlds())
    now = data.draw(nudged(then))
    assume(then.digest == now.digest)
    event(f"something desired: {bool(now.desired(now.now))}, same: {then == now}")
    assert now.desired(now.now) == then.desired(now.now)


@given(worlds(), st.integers(0, 100))
def test_until_it_is_said_to_time_alone_changes_no_digest(world: World, hours: int) -> None:
    later = replace(world, now=world.now + hours * HOUR)
    moment = world.changes_at
    if moment is None or later.now < moment:
        assert later.digest == world.digest
        assert later.desired(later.now) == world.desired(later.now)
    else:
        assert world.now < moment
        assert moment.astimezone(OSLO).time() == datetime.min.time()


@given(st.data())
def test_whoever_s_digest_an_answer_changes_is_concerned(data: st.DataObject) -> None:
    before = data.draw(worlds())
    now, change = told(before, data.draw(answers(before.now)))
    desires_another = before.desired(now.now) != now.desired(now.now)
    has_another_digest = before.digest != now.digest and not is_mixed([before, now], change)
    if desires_another or has_another_digest:
        assert is_concerned(now, change)


def is_mixed(worlds: Sequence[World], change: MirrorChange) -> bool:
    """Whether an activity that changed holds events for all and for a group.

    Whoever sees the first kind alone has a digest that moves with the second: their next visit, not
    marked by this, finds that nothing is to be written.
    """
    activities = [each for world in worlds for each in world.activities]
    mixed = {each.key for each in activities if each.has_plenary and each.has_group}
    return bool(mixed & change.concerned)


def is_concerned(world: World, change: MirrorChange) -> bool:
    """Whom the store's fan-out finds, in a few words."""
    person, concerned = world.person, change.concerned | change.everybody
    alone = sole_groups(world.activities) & concerned
    named = {name for _, name in change.former}
    for row in world.rows.values():
        if row.event.activity in concerned:
            named |= {staff.username for staff in row.event.staff or ()}
    return (
        bool(person.registrations and (change.everybody or alone))
        or bool(person.placements & concerned)
        or bool(person.usernames & named)
        or bool(person.roles and concerned)
    )


def test_settings_are_condensed_alike_in_every_process() -> None:
    """A set is not in the same order in every process."""
    script = (
        "from tests.property.test_digest import settings_of; from tests.factories import RULES; "
        "print(settings_of(RULES).digest)"
    )
    seen = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": str(seed), "PYTHONPATH": "."},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in range(3)
    }
    assert seen == {settings_of(RULES).digest + "\n"}


def test_every_setting_counts() -> None:
    said = {settings_of(RULES).digest}
    for changed in (
        {"accepted_offer_statuses": frozenset({"I"})},
        {"believe_offer_status": False},
        {"teaching_roles": frozenset[str]()},
        {"sole_group": False},
        {"unit_fallback": "busy"},
        {"past_days": 1},
        {"future_days": 1},
    ):
        said.add(settings_of(replace(RULES, **changed)).digest)
    assert len(said) == 8


def condensed_to(
    *events: TeachingEvent,
    person: PersonTeaching = STUDENT,
    last_day: date | None = None,
    names: frozenset[str] = frozenset(),
) -> str:
    """The digest of a calendar for both."""
    change = merge({}, an_answer(*events), rules=RULES, brake=BRAKE, now=MOMENTS[0])
    selected = select(person, change.activities, BOTH, RULES, MOMENTS[0])
    return digest(
        selected,
        change.activities,
        settings="",
        audience=word_of(BOTH),
        usernames=names,
        last_day=last_day,
    )


def test_the_last_day_counts_as_far_as_it_lets_something_in() -> None:
    events = [an_event(str(n), starts=MOMENTS[0] + n * DAY) for n in range(3)]
    for days in range(5):
        until = condensed_to(*events, last_day=date(2025, 8, 18 + days))
        assert until == condensed_to(*events[: days + 1])
    assert condensed_to(*events) != condensed_to(*events[:2])


def test_what_a_role_and_a_name_let_see_counts() -> None:
    roles = [replace(STUDENT, roles=(a_role(ends_on=date(2025, 9, day)),)) for day in (1, 2)]
    assert len({condensed_to(an_event(), person=person) for person in roles}) == 2
    event = an_event(staff=["ola", "kari"])
    teacher = PersonTeaching(named_in=frozenset({event.activity}))
    ola, kari = frozenset({"ola"}), frozenset({"kari"})
    assert condensed_to(event, person=teacher, names=ola) != condensed_to(
        event, person=teacher, names=kari
    )
    assert condensed_to(event, names=ola) == condensed_to(event, names=kari)
