"""What an answer does to the mirror, over any mirror and any answer."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.mirror import (
    CourseBrake,
    EventKey,
    MirrorChange,
    Row,
    activities_of,
    merge,
)
from kalender.domain.model import (
    BadEvent,
    CourseAnswer,
    EventStatus,
    TeachingEvent,
    from_json,
    to_json,
)
from tests.factories import DAY, NOW, RULES, after, an_answer, an_event

Rows = Mapping[EventKey, Row]
BRAKE = CourseBrake(max_shrink=0.5, min_events=3)
ACTIDS = ["1", "2-1", "2-2"]
EVENTS = st.builds(
    an_event,
    st.sampled_from("abcd"),
    actid=st.sampled_from(ACTIDS),
    starts=st.integers(-4, 12).map(lambda half_days: NOW + half_days * DAY / 2),
    status=st.sampled_from([*[EventStatus.ACTIVE] * 3, EventStatus.CANCELLED, EventStatus.UNKNOWN]),
    plenary=st.sampled_from([None, True, False, False]),
    staff=st.sampled_from([None, (), ("ola",), ("kari", ""), ("ola", "kari")]),
    method=st.sampled_from(["GR", "FOR"]),
    title=st.sampled_from(["", "x"]),
)
BAD = st.builds(
    BadEvent,
    reason=st.just("bad"),
    actid=st.none() | st.sampled_from(ACTIDS),
    event_id=st.none() | st.sampled_from("abcd"),
)


def _place(event: TeachingEvent) -> EventKey:
    return EventKey(event.activity, event.event_id)


TOLD = st.lists(EVENTS, unique_by=_place, max_size=10)
ANSWERS = st.builds(
    lambda events, **fields: an_answer(*events, **fields),
    TOLD,
    published=st.sampled_from([True, True, True, None, False]),
    bad=st.sampled_from([0, 0, 0, 1, 2]).flatmap(lambda n: st.lists(BAD, max_size=n).map(tuple)),
)


@st.composite
def mirrors(draw: st.DrawFn) -> dict[EventKey, Row]:
    """A mirror as answers of the last days made it."""
    rows: dict[EventKey, Row] = {}
    for days in (3, 1):
        answer = draw(st.none() | ANSWERS)
        if answer is not None:
            rows = after(rows, told(rows, answer, days_ago=days))
    return rows


def told(rows: Rows, answer: CourseAnswer, *, days_ago: int = 0) -> MirrorChange:
    return merge(rows, answer, rules=RULES, brake=BRAKE, now=NOW - days_ago * DAY)


@given(mirrors(), ANSWERS)
def test_the_same_answer_again_changes_nothing(old: Rows, answer: CourseAnswer) -> None:
    new = after(old, told(old, answer))
    again = told(new, answer)
    assert again == MirrorChange(held=again.held, unknown_status=again.unknown_status)


@given(mirrors(), ANSWERS, st.randoms())
def test_the_order_of_an_answer_tells_nothing(old: Rows, answer: CourseAnswer, order: Any) -> None:
    events, bad = list(answer.events), list(answer.bad)
    order.shuffle(events)
    order.shuffle(bad)
    shuffled = replace(answer, events=tuple(events), bad=tuple(bad))
    assert told(old, shuffled) == told(old, answer)


@given(mirrors(), ANSWERS)
def test_only_what_is_coming_and_was_not_told_is_removed(old: Rows, answer: CourseAnswer) -> None:
    change = told(old, answer)
    named = {bad.event_id for bad in answer.bad}
    for key in change.removed:
        assert answer.published is not False
        assert old[key].event.ends_at > NOW
        assert key not in {_place(event) for event in answer.events}
        assert key.event_id not in named


@given(mirrors(), ANSWERS)
def test_what_has_ended_keeps_its_digest_on_its_day(old: Rows, answer: CourseAnswer) -> None:
    new = after(old, told(old, answer))
    for key, row in old.items():
        if row.event.ends_at > NOW:
            continue
        events = (row.event, new[key].event)
        days = {event.starts_at.astimezone(RULES.zone).date() for event in events}
        if all(event.ends_at <= NOW for event in events) and len(days) == 1:
            assert new[key].digest == row.digest


@given(mirrors(), ANSWERS)
def test_what_is_not_told_keeps_its_value(old: Rows, answer: CourseAnswer) -> None:
    new = after(old, told(old, answer))
    for event in answer.events if answer.published is not False else ():
        before, now = old.get(_place(event)), new[_place(event)].event
        if before is not None and event.plenary is None:
            assert now.plenary == before.event.plenary
        if before is not None and event.staff is None:
            assert now.staff == before.event.staff
        assert event.status is not EventStatus.UNKNOWN or now.doubt


@given(mirrors(), ANSWERS)
def test_activities_are_those_of_their_rows(old: Rows, answer: CourseAnswer) -> None:
    """Those that changed are condensed anew, and the others need not be."""
    change = told(old, answer)
    known = {each.key: each for each in activities_of(old.values(), RULES)}
    known = {key: each for key, each in known.items() if key not in change.gone}
    known |= {each.key: each for each in change.activities}
    new = after(old, change)
    assert known == {each.key: each for each in activities_of(new.values(), RULES)}


@given(mirrors(), ANSWERS)
def test_whoever_s_name_is_gone_is_told(old: Rows, answer: CourseAnswer) -> None:
    change = told(old, answer)
    new = after(old, change)
    for key, row in old.items():
        coming = row.event.ends_at > NOW
        names = {staff.username for staff in row.event.staff or () if staff.username}
        still = {staff.username for staff in (new[key].event.staff or ())} if key in new else set()
        if coming:
            assert {(key.activity, name) for name in names - still} <= change.former


@given(mirrors(), ANSWERS)
def test_the_brake_holds_all_or_nothing(old: Rows, answer: CourseAnswer) -> None:
    """What is held stands in the mirror as it was, and nothing but moves went beside it."""
    change = told(old, answer)
    new = after(old, change)
    held = [row for row in new.values() if row.event.missing and row.event.ends_at > NOW]
    assert change.held == (0 if answer.published is False else len(held))
    arrived = [key.activity for key in new if key not in old]
    if held and not answer.bad:
        gone = Counter(key.activity for key in change.removed)
        assert gone <= Counter(arrived)


@given(st.integers(0, 40), st.integers(10, 40), st.integers(0, 40), st.booleans())
def test_who_loses_much_of_what_comes_and_of_the_term_is_held(
    ended: int, coming: int, lost: int, tells_ended: bool
) -> None:
    """And an answer that lacks all is held however late it is."""
    term = [
        an_event(str(n), actid=str(n), starts=NOW + (n - ended) * DAY + DAY / 2)
        for n in range(ended + coming)
    ]
    lost = min(lost, coming)
    rows = after({}, told({}, an_answer(*term)))
    answer = term[0 if tells_ended else ended : ended + coming - lost]
    of_term = lost / (len(answer) + lost) if lost else 0
    much = lost >= BRAKE.min_events and lost / coming > BRAKE.max_shrink and of_term > BRAKE.of_term
    change = told(rows, an_answer(*answer))
    assert change.held == (lost if much else 0)
    assert told(rows, an_answer()).held == coming


@given(EVENTS)
def test_written_and_read_an_event_is_the_same(event: TeachingEvent) -> None:
    assert from_json(to_json(event)) == event
    assert to_json(replace(event, ends_at=event.ends_at + timedelta(seconds=1))) != to_json(event)
