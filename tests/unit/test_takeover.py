"""Which event an entry of a predecessor shows, and what is not made beside one that stays."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kalender.domain.model import Room
from kalender.domain.plan import Create, DesiredEntry, Plan
from kalender.domain.takeover import (
    Beside,
    CategoryMark,
    MarkedItem,
    PredecessorMark,
    PropertyMark,
    courses_in,
    courses_of,
    sort_out,
    withhold,
)
from tests.factories import DAY, HOUR, NOW, a_wanted, an_event

MARK = PropertyMark(property_set="s", name="n", value="tp-", prefix=True)


def desired(name: str = "1", *rooms: Room) -> DesiredEntry:
    """An event of an hour tomorrow, in these rooms or in Java."""
    starts_at = NOW + DAY
    event = an_event(name, starts=starts_at, ends_at=starts_at + HOUR, rooms=rooms or (room(),))
    return a_wanted(event)


def room(name: str = "Java", *, digital: bool = False) -> Room:
    """A room."""
    return Room(room_id=name, name=name, digital=digital)


def marked(shown: DesiredEntry, item_id: str = "a", **changes: Any) -> MarkedItem:
    """What the predecessor wrote for an event."""
    course = shown.event.teaching.activity.course
    made = MarkedItem(
        item_id=item_id,
        subject=f"{course} forelesning",
        starts_at=shown.content.starts_at,
        ends_at=shown.content.ends_at,
        value=f"tp-{item_id}",
        sync_key=None,
        location="",
        created_at=NOW - DAY,
        series=False,
    )
    return replace(made, **changes)


def shown_by(*found: MarkedItem, by: tuple[DesiredEntry, ...]) -> list[tuple[str, str]]:
    """Which event each shows: (event, item)."""
    findings = sort_out(found, by, MARK, NOW)
    return [(event.event.event_id, item.item_id) for event, item in findings.pairs]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"subject": "Forelesning", "location": "Java (OJD)"},
        {"subject": "forelesning i java"},
        {"subject": "Forelesning", "value": "tp-in1000-4711"},
        {"subject": "in1000: Forelesning"},
    ],
)
def test_a_course_or_a_room_at_the_very_time_says_what_an_entry_shows(
    changes: dict[str, Any],
) -> None:
    event = desired()
    assert event.event.teaching.activity.course == "IN1000"
    assert shown_by(marked(event, **changes), by=(event,)) == [("1", "a")]


@pytest.mark.parametrize(
    "changes",
    [
        {"subject": "Kollokvie"},
        {"subject": "IN10001 Forelesning"},
        {"subject": "Javanesisk"},
        {"starts_at": NOW + DAY + HOUR / 4},
        {"ends_at": NOW + DAY + 2 * HOUR},
        {"subject": "", "location": ""},
    ],
)
def test_neither_time_alone_nor_a_likeness_says_it(changes: dict[str, Any]) -> None:
    event, item = desired(), marked(desired(), **changes)
    findings = sort_out([item], [event], MARK, NOW)
    assert (findings.pairs, findings.unmatched) == ((), (item,))


def test_a_digital_room_is_no_room() -> None:
    event = desired("1", room("Zoom", digital=True))
    item = marked(event, subject="Zoom")
    assert sort_out([item], [event], MARK, NOW).unmatched == (item,)


def test_of_several_the_one_with_more_signs_comes_first_and_each_is_paired_once() -> None:
    first, second = desired("1"), desired("2", room("Python"))
    by_room = marked(second, "b", subject="x", location="Python")
    both = marked(first, "c", location="Java")
    bare = marked(first, "a")
    pairs = shown_by(bare, both, by_room, by=(first, second))
    assert sorted(pairs) == [("1", "c"), ("2", "b")]
    assert sort_out([bare, both, by_room], [first, second], MARK, NOW).unmatched == (bare,)


def test_the_order_of_what_was_found_decides_nothing() -> None:
    events = (desired("1"), desired("2"))
    items = [marked(events[0], name) for name in "abc"]
    assert shown_by(*items, by=events) == shown_by(*reversed(items), by=events)


def test_series_ended_and_copies_show_nothing() -> None:
    event = desired()
    series = marked(event, "s", series=True)
    ended = marked(event, "e", starts_at=NOW - 2 * HOUR, ends_at=NOW)
    original = marked(event, "o", value="tp-1")
    copy = marked(event, "k", value="TP-1", created_at=NOW - HOUR)
    findings = sort_out([copy, series, ended, original], [event], MARK, NOW)
    assert [item.item_id for _, item in findings.pairs] == ["o"]
    assert (findings.series, findings.ended, findings.copies) == ((series,), (ended,), (copy,))
    assert findings.unmatched == ()


@pytest.mark.parametrize("mark", [replace(MARK, prefix=False), CategoryMark(category="x")])
def test_where_all_marks_are_alike_nothing_is_known_for_a_copy(mark: PredecessorMark) -> None:
    event = desired()
    items = [marked(event, name, value="tp-1") for name in "ab"]
    findings = sort_out(items, [event], mark, NOW)
    assert (len(findings.pairs), len(findings.unmatched), findings.copies) == (1, 1, ())


@pytest.mark.parametrize(
    ("shift", "courses", "is_withheld"),
    [
        (timedelta(), {"IN1000"}, True),
        (HOUR / 2, {"IN1000", "MAT1100"}, True),
        (HOUR, {"IN1000"}, False),
        (-HOUR, {"IN1000"}, False),
        (timedelta(), {"MAT1100"}, False),
    ],
)
def test_nothing_of_a_course_is_made_where_an_entry_of_it_stands(
    shift: timedelta, courses: set[str], is_withheld: bool
) -> None:
    create = Create(desired=desired())
    starts_at = create.desired.content.starts_at + shift
    beside = Beside(starts_at=starts_at, ends_at=starts_at + HOUR, courses=frozenset(courses))
    plan = withhold(Plan(creates=(create,)), [beside])
    assert (plan.creates, plan.withheld) == (((), (create,)) if is_withheld else ((create,), ()))


def test_the_courses_that_an_entry_names_are_those_of_the_calendar() -> None:
    event = desired()
    item = marked(event, subject="IN1000 og MAT1100")
    assert courses_in(item, courses_of([event])) == {"IN1000"}
