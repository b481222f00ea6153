"""What TP's answer for a course does to our copy of it, decided without touching either.

An answer is believed event by event. What it does not tell keeps its last known value; what
cannot be read keeps its old row; what has ended is history; and an answer that lost too much
loses nothing yet (the course's brake).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from hashlib import blake2b
from typing import NamedTuple

from kalender.domain.model import (
    ActivityKey,
    BadEvent,
    CourseAnswer,
    EventStatus,
    TeachingEvent,
    to_json,
)
from kalender.domain.timetable import Activity, Rules, earliest_end, fold


class EventKey(NamedTuple):
    """One row of the mirror: TP's event ids are unique only within an activity."""

    activity: ActivityKey
    event_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One event in the mirror; `digest` None: it had ended when it was first seen."""

    event: TeachingEvent
    digest: str | None

    @property
    def key(self) -> EventKey:
        """Its place in the mirror."""
        return EventKey(self.event.activity, self.event.event_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseBrake:
    """When an answer loses too much: more than these shares, and at least so many events.

    Late in a term little is left, and more than half of it may well go; so what goes must also be
    more than `of_term` of the term's events, the ended ones counted as far as the answer tells them.
    """

    max_shrink: float = 0.5  # of what would be coming if nothing were lost
    of_term: float = 0.1  # of the term's events if nothing were lost
    min_events: int = 10
    released: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorChange:
    """What is to be written, and whom it concerns."""

    rows: tuple[Row, ...] = ()
    removed: tuple[EventKey, ...] = ()
    activities: tuple[Activity, ...] = ()  # anew, of the activities that changed in any way
    gone: frozenset[ActivityKey] = frozenset()  # activities without any event left
    concerned: frozenset[ActivityKey] = frozenset()
    everybody: frozenset[ActivityKey] = frozenset()  # of these, all who are on the course
    former: frozenset[tuple[ActivityKey, str]] = frozenset()  # usernames no longer named
    changed_ids: frozenset[str] = frozenset()
    held: int = 0
    new: int = 0  # of the rows
    unknown_status: int = 0

    def __str__(self) -> str:
        """Return counts of what an operator would see change."""
        numbers = {
            "new": self.new,
            "changed": len(self.rows) - self.new,
            "gone": len(self.removed),
            "held": self.held,
        }
        return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)


def merge(
    stored_rows: Mapping[EventKey, Row],
    answer: CourseAnswer,
    *,
    rules: Rules,
    brake: CourseBrake,
    now: datetime,
) -> MirrorChange:
    """Return what an answer changes; nothing where it is not published."""
    if answer.published is False:
        return MirrorChange()
    events = sorted(
        answer.events, key=lambda e: e.status is EventStatus.ACTIVE
    )  # told twice: it wins
    answer_rows = {}
    for event in events:
        key = EventKey(event.activity, event.event_id)
        before = stored_rows.get(key)
        completed = _completed(event, before.event if before else None)
        answer_rows[key] = _row(completed, before, rules, now)
    # rows whose new word could not be read stay, in doubt
    unreadable_ids = {bad_event.event_id for bad_event in answer.bad if bad_event.event_id}
    for key, row in stored_rows.items():
        if key.event_id in unreadable_ids and key not in answer_rows:
            event = replace(row.event, doubt=True, missing=False)
            answer_rows[key] = _row(event, row, rules, now)
    held_rows, removed_keys = _lacking(stored_rows, answer_rows, answer.bad, brake, now)
    answer_rows |= {row.key: row for row in held_rows}
    rows = tuple(row for key, row in sorted(answer_rows.items()) if stored_rows.get(key) != row)
    after = {**{k: r for k, r in stored_rows.items() if k not in removed_keys}, **answer_rows}
    return replace(
        _change(stored_rows, after, rows, removed_keys, rules),
        held=sum(row.event.missing and row.event.ends_at > now for row in after.values()),
        new=sum(row.key not in stored_rows for row in rows),
        unknown_status=sum(event.status is EventStatus.UNKNOWN for event in answer.events),
    )


def _change(
    stored_rows: Mapping[EventKey, Row],
    after: Mapping[EventKey, Row],
    rows: Sequence[Row],
    removed_keys: frozenset[EventKey],
    rules: Rules,
) -> MirrorChange:
    activities_touched = {row.key.activity for row in rows} | {key.activity for key in removed_keys}
    digests = {key: row.digest for key, row in stored_rows.items()}
    weighty = {row.key for row in rows if row.digest != digests.get(row.key)} | removed_keys
    activities = activities_of(
        (row for key, row in after.items() if key.activity in activities_touched), rules
    )
    # all groups of a kind, where the set of its groups changed: one may now be alone
    groups_before, groups = _groups(stored_rows, rules), _groups(after, rules)
    same_kind = {
        key
        for kind in groups_before.keys() | groups.keys()
        if groups_before[kind] != groups[kind]
        for key in groups_before[kind] | groups[kind]
    }
    plenary = {
        key.activity
        for key in weighty
        if _plenary(stored_rows.get(key)) or _plenary(after.get(key))
    }
    return MirrorChange(
        rows=tuple(rows),
        removed=tuple(sorted(removed_keys)),
        activities=activities,
        gone=frozenset(activities_touched - {activity.key for activity in activities}),
        concerned=frozenset({key.activity for key in weighty} | same_kind),
        everybody=frozenset(plenary | same_kind),
        former=frozenset(
            (key.activity, username)
            for key in weighty & stored_rows.keys()
            for username in usernames(stored_rows[key].event)
            if key not in after or username not in usernames(after[key].event)
        ),
        changed_ids=frozenset(key.event_id for key in weighty),
    )


def _plenary(row: Row | None) -> bool:
    return row is not None and row.event.plenary is not False


# -- event by event --------------------------------------------------------------------------------


def _completed(event: TeachingEvent, before: TeachingEvent | None) -> TeachingEvent:
    """Fill in what was not told from what was told before."""
    if before is None:
        return replace(event, doubt=event.status is EventStatus.UNKNOWN)
    if event.status is EventStatus.UNKNOWN:
        return replace(before, doubt=True, missing=False)
    staff = event.staff
    if staff is None or (event.status is EventStatus.CANCELLED and before.staff):
        staff = before.staff
    plenary = before.plenary if event.plenary is None else event.plenary
    return replace(event, staff=staff, plenary=plenary)


def _row(event: TeachingEvent, before: Row | None, rules: Rules, now: datetime) -> Row:
    """Give the row its digest; that of an ended event is not moved by what comes later."""
    if before is None:
        late = event.ends_at <= earliest_end(rules, now)
        return Row(event=event, digest=None if late else event_digest(event))
    has_ended = before.event.ends_at <= now and event.ends_at <= now
    # An activity's digest is made of its days: on another day it is another digest.
    same_day = _local_day(before.event, rules) == _local_day(event, rules)
    is_frozen = has_ended and (same_day or before.digest is None)
    return Row(event=event, digest=before.digest if is_frozen else event_digest(event))


def _local_day(event: TeachingEvent, rules: Rules) -> date:
    return event.starts_at.astimezone(rules.zone).date()


# -- what an answer lacks --------------------------------------------------------------------------


def _lacking(
    stored_rows: Mapping[EventKey, Row],
    answer_rows: Mapping[EventKey, Row],
    bad: Sequence[BadEvent],
    brake: CourseBrake,
    now: datetime,
) -> tuple[list[Row], frozenset[EventKey]]:
    """Split what the answer lacks into rows held back and keys to be removed.

    The shares are of what there would be if nothing were lost, so that the same answer, told
    again, is judged alike. An answer without the ended events is measured by the coming ones alone.
    """
    # An unreadable event without an id may be any of its activity's, or of the course's (None).
    nameless = {bad_event.actid for bad_event in bad if not bad_event.event_id}
    coming_rows = [
        row for row in {**stored_rows, **answer_rows}.values() if row.event.ends_at > now
    ]
    absent = [
        row
        for row in coming_rows
        if row.key not in answer_rows and nameless.isdisjoint({None, row.key.activity.actid})
    ]
    # A new event of the same activity stands in for one that is gone: it moved.
    arrivals = Counter(key.activity for key in answer_rows if key not in stored_rows)
    lost_rows = []
    for row in sorted(absent, key=lambda r: (r.event.starts_at, r.key)):
        if arrivals[row.key.activity]:
            arrivals[row.key.activity] -= 1
        else:
            lost_rows.append(row)
    of_coming = len(lost_rows) / max(len(coming_rows) - len(absent) + len(lost_rows), 1)
    of_term = len(lost_rows) / max(len(answer_rows) + len(lost_rows), 1)
    too_much = of_coming > brake.max_shrink and of_term > brake.of_term
    too_many = too_much and len(lost_rows) >= brake.min_events
    held_rows = lost_rows if too_many and not brake.released else []
    missing_events = [replace(row.event, missing=True) for row in held_rows]
    rows = [Row(event=event, digest=event_digest(event)) for event in missing_events]
    return rows, frozenset(r.key for r in absent) - {r.key for r in held_rows}


# -- whom it concerns ------------------------------------------------------------------------------


def usernames(event: TeachingEvent) -> frozenset[str]:
    """Return the usernames an event names."""
    return frozenset(staff.username for staff in event.staff or () if staff.username)


def _groups(
    rows: Mapping[EventKey, Row], rules: Rules
) -> defaultdict[tuple[int, str], set[ActivityKey]]:
    groups: defaultdict[tuple[int, str], set[ActivityKey]] = defaultdict(set)
    for activity in activities_of(rows.values(), rules):
        if activity.has_group:
            groups[activity.key.term_number, activity.method].add(activity.key)
    return groups


def activities_of(rows: Iterable[Row], rules: Rules) -> tuple[Activity, ...]:
    """Condense rows into activities: their kind, who they are for, and their days' digests."""
    grouped: dict[ActivityKey, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: r.key):
        grouped[row.key.activity].append(row)
    activities = []
    for key, group in sorted(grouped.items()):
        days: dict[str, list[str]] = defaultdict(list)
        for row in group:
            if row.digest is not None:
                day = _local_day(row.event, rules).isoformat()
                days[day].append(f"{row.key.event_id}:{row.digest}")
        digests = {day: _short("|".join(parts)) for day, parts in sorted(days.items())}
        activities.append(
            Activity(
                key=key,
                method=group[0].event.method,
                has_plenary=any(row.event.plenary is not False for row in group),
                has_group=any(row.event.plenary is not True for row in group),
                digest=fold(digests),
                days=digests,
            )
        )
    return tuple(activities)


# -- digests of events -----------------------------------------------------------------------------


def event_digest(event: TeachingEvent) -> str:
    """Condense all that an event says, and whether it is in doubt or missing."""
    return _short(f"{to_json(event)}{event.doubt}{event.missing}")


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
