import json
from collections.abc import Mapping
from dataclasses import MISSING, fields, replace
from datetime import datetime
from typing import Any

import pytest

from kalender.domain.mirror import (
    CourseBrake,
    EventKey,
    MirrorChange,
    Row,
    merge,
    usernames,
)
from kalender.domain.model import (
    FIRST_FIELDS,
    BadEvent,
    CourseAnswer,
    EventStatus,
    Link,
    Room,
    Staff,
    TeachingEvent,
    from_json,
    to_json,
)
from kalender.domain.timetable import Rules
from tests.factories import (
    DAY,
    HOUR,
    NOW,
    RULES,
    a_group_event,
    a_row,
    after,
    an_activity_key,
    an_answer,
    an_event,
)

Rows = Mapping[EventKey, Row]
PAST: dict[str, Any] = {"starts": NOW - 3 * HOUR}


def mirror_of(*events: TeachingEvent) -> Rows:
    return {row.key: row for row in map(a_row, events)}


def told(
    old: Rows,
    answer: CourseAnswer,
    *,
    now: datetime = NOW,
    rules: Rules = RULES,
    brake: CourseBrake | None = None,
) -> MirrorChange:
    return merge(old, answer, rules=rules, brake=brake or CourseBrake(), now=now)


def merged(old: Rows, *events: TeachingEvent, **fields: Any) -> TeachingEvent:
    """The one event of the mirror after an answer."""
    (row,) = after(old, told(old, an_answer(*events, **fields))).values()
    return row.event


# -- what is told, and what is not -----------------------------------------------------------------


def test_a_new_event_is_taken_and_concerns_its_activity() -> None:
    change = told({}, an_answer(an_event()))
    assert change.rows == (a_row(an_event()),)
    assert change.concerned == change.everybody == {an_activity_key()}
    assert change.changed_ids == {"1"}


def test_the_same_answer_again_changes_nothing() -> None:
    old = mirror_of(an_event(), a_group_event())
    assert told(old, an_answer(an_event(), a_group_event())) == MirrorChange()


def test_an_answer_that_is_not_published_changes_nothing() -> None:
    old = mirror_of(an_event())
    answer = an_answer(an_event("2"), published=False)
    assert told(old, answer) == told({}, answer) == MirrorChange()


def test_published_not_told_is_no_reason_to_disbelieve() -> None:
    assert told({}, an_answer(an_event(), published=None)).rows


def test_what_is_not_told_keeps_its_last_value() -> None:
    old = mirror_of(an_event(staff=["ola"], plenary=False))
    assert merged(old, an_event(staff=None, plenary=None, title="New")) == an_event(
        staff=["ola"], plenary=False, title="New"
    )


def test_nobody_told_is_nobody() -> None:
    assert merged(mirror_of(an_event(staff=["ola"])), an_event(staff=[])).staff == ()


def test_an_unknown_status_keeps_what_stood_and_doubts_it() -> None:
    old = mirror_of(an_event(title="Old"))
    unknown = an_event(title="New", status=EventStatus.UNKNOWN)
    assert merged(old, unknown) == an_event(title="Old", doubt=True)
    assert told(old, an_answer(unknown)).unknown_status == 1


def test_an_unknown_status_of_what_is_new_is_mirrored_in_doubt() -> None:
    assert merged({}, an_event(status=EventStatus.UNKNOWN)).doubt


def test_doubt_ends_with_the_next_word_that_can_be_used() -> None:
    old = mirror_of(an_event(title="Old", doubt=True))
    change = told(old, an_answer(an_event(title="Old")))
    assert change.concerned == {an_activity_key()}
    assert after(old, change) == mirror_of(an_event(title="Old"))


def test_the_cancelled_keep_whom_they_named_when_last_active() -> None:
    old = mirror_of(an_event(staff=["ola"]))
    cancelled = an_event(staff=[], status=EventStatus.CANCELLED)
    once = after(old, told(old, an_answer(cancelled)))
    again = after(once, told(once, an_answer(cancelled)))
    assert [usernames(row.event) for row in again.values()] == [{"ola"}]


def test_told_twice_in_one_answer_the_active_wins() -> None:
    events = [an_event(), an_event(status=EventStatus.CANCELLED)]
    assert merged({}, *events) == merged({}, *reversed(events)) == an_event()


# -- what cannot be read ---------------------------------------------------------------------------


def test_a_bad_event_keeps_its_old_row_in_doubt_and_the_rest_is_taken() -> None:
    old = mirror_of(an_event(), an_event("2"))
    bad = BadEvent(reason="no time", actid="1", event_id="1")
    change = told(old, an_answer(an_event("2", title="New"), bad=(bad,)))
    assert {row.event for row in after(old, change).values()} == {
        an_event(doubt=True),
        an_event("2", title="New"),
    }


@pytest.mark.parametrize(("actid", "kept"), [("1", {"1"}), (None, {"1", "2"}), ("9", set())])
def test_a_bad_event_without_an_id_may_be_any_of_its_activity(
    actid: str | None, kept: set[str]
) -> None:
    old = mirror_of(an_event("1"), an_event("2", actid="2"))
    bad = (BadEvent(reason="no id", actid=actid),)
    assert {key.event_id for key in after(old, told(old, an_answer(bad=bad)))} == kept


def test_a_bad_event_says_at_least_that_it_is_there() -> None:
    old = mirror_of(an_event(missing=True))
    bad = (BadEvent(reason="no time", event_id="1"),)
    assert merged(old, bad=bad) == an_event(doubt=True)


# -- what has ended --------------------------------------------------------------------------------


def test_what_had_ended_when_first_seen_is_in_no_digest() -> None:
    change = told({}, an_answer(an_event(**PAST)))
    assert [row.digest for row in change.rows] == [None]
    assert change.activities[0].days == {}
    assert not change.concerned


def test_what_ended_within_past_days_is_in_the_digest() -> None:
    change = told({}, an_answer(an_event(**PAST)), rules=replace(RULES, past_days=1))
    assert change.rows == (a_row(an_event(**PAST)),)


def test_what_has_ended_is_not_removed_and_its_digest_stays() -> None:
    old = mirror_of(an_event(**PAST))
    assert told(old, an_answer()) == MirrorChange()
    change = told(old, an_answer(an_event(title="Held", **PAST)))
    assert [row.digest for row in change.rows] == [row.digest for row in old.values()]
    assert not change.concerned


def test_doubt_does_not_move_the_digest_of_what_has_ended() -> None:
    old = mirror_of(an_event(**PAST))
    for change in (
        told(old, an_answer(bad=(BadEvent(reason="no time", event_id="1"),))),
        told(old, an_answer(an_event(status=EventStatus.UNKNOWN, **PAST))),
    ):
        assert {row.digest for row in change.rows} <= {row.digest for row in old.values()}
        assert not change.concerned


def test_what_moves_from_the_past_to_the_future_counts_again() -> None:
    (late,) = told({}, an_answer(an_event(**PAST))).rows
    change = told({late.key: late}, an_answer(an_event()))
    assert change.rows == (a_row(an_event()),)
    assert change.concerned == {an_activity_key()}


# -- the course's brake ----------------------------------------------------------------------------


def a_course(count: int) -> list[TeachingEvent]:
    """So many coming events, each of an activity of its own."""
    return [an_event(str(n), actid=str(n), starts=NOW + (n + 1) * DAY) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "lost", "held"),
    [(20, 10, 0), (20, 11, 11), (12, 9, 0), (12, 10, 10), (10, 10, 10), (9, 9, 0)],
)
def test_an_answer_that_loses_too_much_loses_nothing_yet(count: int, lost: int, held: int) -> None:
    events = a_course(count)
    change = told(mirror_of(*events), an_answer(*events[lost:]))
    assert change.held == held
    assert len(change.removed) == lost - held
    assert all(row.event.missing for row in change.rows)


def a_term(ended: int, coming: int) -> list[TeachingEvent]:
    """A term's events, each of an activity of its own: so many are over."""
    return [
        an_event(str(n), actid=str(n), starts=NOW + (n - ended) * DAY + DAY / 2)
        for n in range(ended + coming)
    ]


@pytest.mark.parametrize(
    ("ended", "coming", "lost", "held"),
    [
        (482, 36, 32, 0),  # late in November: a few weeks are taken out
        (482, 36, 36, 0),
        (285, 285, 285, 285),  # half a term is gone
        (400, 170, 170, 170),  # all that is to come, weeks before the end
        (400, 170, 60, 0),
        (20, 20, 11, 11),
    ],
)
def test_the_end_of_a_term_is_no_fault_and_half_a_term_is(
    ended: int, coming: int, lost: int, held: int
) -> None:
    events = a_term(ended, coming)
    change = told(mirror_of(*events), an_answer(*events[: len(events) - lost]))
    assert (change.held, len(change.removed)) == (held, lost - held)


def test_an_emptied_answer_is_held_late_in_a_term_too() -> None:
    change = told(mirror_of(*a_term(482, 36)), an_answer())
    assert (change.held, change.removed) == (36, ())


def test_an_answer_of_what_is_to_come_alone_is_measured_by_that() -> None:
    events = a_term(482, 36)
    change = told(mirror_of(*events), an_answer(*events[-4:]))
    assert (change.held, change.removed) == (32, ())


def test_what_is_missing_counts_and_the_rest_is_taken() -> None:
    events = a_course(20)
    old = mirror_of(*events)
    held = after(old, told(old, an_answer(*events[11:])))
    again = told(held, an_answer(*events[12:], an_event("new", actid="99")))
    assert again.held == 12
    assert "new" in {row.event.event_id for row in again.rows}


def test_the_brake_ends_by_itself_when_the_source_takes_it_back() -> None:
    events = a_course(20)
    old = mirror_of(*events)
    held = after(old, told(old, an_answer(*events[11:])))
    change = told(held, an_answer(*events))
    assert change.held == 0
    assert after(held, change) == old


def test_a_released_brake_lets_the_missing_go() -> None:
    events = a_course(20)
    held = mirror_of(*(replace(event, missing=True) for event in events))
    change = told(held, an_answer(), brake=CourseBrake(released=True))
    assert (len(change.removed), change.held) == (20, 0)


def test_what_ended_while_held_is_held_no_more() -> None:
    held = mirror_of(*(replace(event, missing=True) for event in a_course(20)))
    assert told(held, an_answer(), now=NOW + 300 * DAY).held == 0


def test_moves_beside_losses_are_neither_lost_nor_more() -> None:
    events = [an_event(str(n), starts=NOW + (n + 1) * DAY) for n in range(4)]
    events += [an_event(f"g{n}", actid=f"2-{n}") for n in range(16)]
    moved = [replace(event, event_id=f"{event.event_id}m") for event in events[:4]]
    change = told(mirror_of(*events), an_answer(*moved, *events[15:]))
    assert (len(change.removed), change.held) == (4, 11)


def test_who_might_have_been_given_the_missing_is_concerned() -> None:
    events = a_course(20)
    change = told(mirror_of(*events), an_answer(*events[11:]))
    assert change.concerned == {event.activity for event in events[:11]}


def test_the_same_answer_again_is_held_again_or_let_go_at_once() -> None:
    events = a_course(20)
    old = mirror_of(*events)
    for arrivals in range(12):
        new = [an_event(f"new{n}", actid=f"new{n}") for n in range(arrivals)]
        answer = an_answer(*events[12:], *new)
        change = told(old, answer)
        assert change.held in {0, 12}
        assert told(after(old, change), answer) == MirrorChange(held=change.held)


def test_moves_are_no_losses() -> None:
    events = [an_event(str(n), starts=NOW + (n + 1) * DAY) for n in range(20)]
    moved = [replace(event, event_id=f"{event.event_id}m") for event in events]
    change = told(mirror_of(*events), an_answer(*moved))
    assert (len(change.removed), len(change.rows), change.held) == (20, 20, 0)


# -- whom it concerns ------------------------------------------------------------------------------


def test_a_change_of_a_group_concerns_those_on_it() -> None:
    old = mirror_of(a_group_event(), a_group_event("g2", actid="2-2"))
    change = told(old, an_answer(a_group_event(title="New"), a_group_event("g2", actid="2-2")))
    assert change.concerned == {an_activity_key("2-1")}
    assert not change.everybody


def test_what_was_or_becomes_plenary_concerns_everybody() -> None:
    other = a_group_event("g2", actid="2-2")
    for before, now in ((True, False), (False, True), (None, False)):
        old = mirror_of(a_group_event(plenary=before), other)
        change = told(old, an_answer(a_group_event(plenary=now), other))
        assert an_activity_key("2-1") in change.everybody


def test_who_is_no_longer_named_is_concerned_too() -> None:
    old = mirror_of(an_event(staff=["ola", "kari"]), an_event("2", staff=["per"]))
    change = told(old, an_answer(an_event(staff=["kari", "anne"])))
    assert change.former == {(an_activity_key(), "ola"), (an_activity_key(), "per")}


def test_where_the_groups_of_a_kind_change_all_of_the_kind_are_concerned() -> None:
    one, two = a_group_event(), a_group_event("g2", actid="2-2")
    lab = a_group_event("lab", actid="3", method="LAB")
    both = {one.activity, two.activity}
    assert told(mirror_of(one, lab), an_answer(one, two, lab)).everybody == both
    change = told(mirror_of(one, two, lab), an_answer(one, lab))
    assert change.everybody == both
    assert change.gone == {two.activity}


def test_a_group_that_is_no_group_any_more_leaves_the_other_alone() -> None:
    one, two = a_group_event(), a_group_event("g2", actid="2-2")
    change = told(mirror_of(one, two), an_answer(one, replace(two, method="LAB")))
    assert change.everybody == {one.activity, two.activity}


def test_an_activity_of_two_kinds_is_of_the_kind_it_is_condensed_to() -> None:
    """Who is alone is judged by activities, so whom it concerns must be too."""
    two_kinds = [a_group_event("a", method="ØV"), a_group_event("b")]
    other = a_group_event("g2", actid="2-2")
    change = told(mirror_of(*two_kinds, other), an_answer(two_kinds[1], other))
    assert change.everybody == {two_kinds[0].activity, other.activity}


# -- as text ---------------------------------------------------------------------------------------


def test_an_event_written_as_text_is_read_as_it_was() -> None:
    event = an_event(
        staff=["ola"],
        rooms=(Room(room_id="1", name="Java", url="https://kart.no"),),
        resources=(Link(name="Opptak", url="https://opptak.no"),),
        alerts=("Ta med bøker",),
        status=EventStatus.CANCELLED,
        title="«Æ»",
    )
    assert from_json(to_json(event)) == event
    assert from_json(to_json(an_event(staff=None, plenary=None))).staff is None


def test_the_mirrors_own_flags_are_not_in_the_text() -> None:
    event = an_event(staff=["ola"])
    assert to_json(replace(event, doubt=True, missing=True)) == to_json(event)


def test_what_a_later_release_wrote_is_read_without_the_fields_that_are_not_known() -> None:
    event = an_event(rooms=(Room(room_id="1", name="Aud 1"),), resources=(Link(name="a", url="b"),))
    values = json.loads(to_json(event))
    values["colour"] = values["rooms"][0]["seats"] = values["resources"][0]["kind"] = "new"
    assert from_json(json.dumps(values)) == event


def test_a_field_that_the_first_release_lacked_is_written_only_where_it_says_something() -> None:
    """Otherwise a release that brings one would change the digest of every event."""
    for kind, first_names in FIRST_FIELDS.items():
        later_fields = [field for field in fields(kind) if field.name not in first_names]
        assert all(field.default is not MISSING for field in later_fields)
    written = json.loads(to_json(an_event()))
    assert set(written) == set(FIRST_FIELDS[TeachingEvent])


def test_whom_an_event_names_are_those_with_a_username() -> None:
    event = replace(an_event(), staff=(Staff(username=""), Staff(username="ola")))
    assert usernames(event) == {"ola"}
    assert usernames(an_event(staff=None)) == set()


def test_an_ended_event_on_another_ended_day_concerns_whoever_sees_it() -> None:
    """Its activity's digest is made of days, and moves with it: so they must be marked."""
    ended = an_event(starts=NOW - 3 * DAY)
    old = after({}, told({}, an_answer(ended), now=NOW - 4 * DAY))
    moved = an_event(starts=NOW - 2 * DAY)
    assert told(old, an_answer(moved)).concerned == {ended.activity}
