"""What TP's answer for a course does to our copy of it, decided without touching either.

An answer is believed event by event. What it does not tell keeps its last known value; what
cannot be read keeps its old row; what has ended is history; and an answer that lost too much
loses nothing yet (the course's brake).
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

from kalender.domain.model import (
    ActivityKey,
    BadEvent,
    CourseAnswer,
    Link,
    Room,
    Staff,
    Status,
    TeachingEvent,
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
        told = {
            "new": self.new,
            "changed": len(self.rows) - self.new,
            "gone": len(self.removed),
            "held": self.held,
        }
        return ", ".join(f"{number} {what}" for what, number in told.items() if number)


def merge(
    old: Mapping[EventKey, Row],
    answer: CourseAnswer,
    *,
    rules: Rules,
    brake: CourseBrake,
    now: datetime,
) -> MirrorChange:
    """Return what an answer changes; nothing where it is not published."""
    if answer.published is False:
        return MirrorChange()
    events = sorted(answer.events, key=lambda e: e.status is Status.ACTIVE)  # told twice: it wins
    told = {row.key: row for row in (_believed(e, old, rules, now) for e in events)}
    told |= {row.key: row for row in _unreadable(old, told, answer.bad, rules, now)}
    held, removed = _lacking(old, told, answer.bad, brake, now)
    told |= {row.key: row for row in held}
    rows = tuple(row for key, row in sorted(told.items()) if old.get(key) != row)
    after = {**{k: r for k, r in old.items() if k not in removed}, **told}
    return replace(
        _change(old, after, rows, removed, rules),
        held=sum(row.event.missing and row.event.ends_at > now for row in after.values()),
        new=sum(row.key not in old for row in rows),
        unknown_status=sum(event.status is Status.UNKNOWN for event in answer.events),
    )


def _change(
    old: Mapping[EventKey, Row],
    after: Mapping[EventKey, Row],
    rows: Sequence[Row],
    removed: frozenset[EventKey],
    rules: Rules,
) -> MirrorChange:
    touched = {row.key.activity for row in rows} | {key.activity for key in removed}
    weighty = {row.key for row in rows if _weighs(old.get(row.key), row)} | removed
    activities = activities_of(
        (row for key, row in after.items() if key.activity in touched), rules
    )
    same_kind = _same_kind(old, after, rules)
    plenary = {
        key.activity for key in weighty if _plenary(old.get(key)) or _plenary(after.get(key))
    }
    return MirrorChange(
        rows=tuple(rows),
        removed=tuple(sorted(removed)),
        activities=activities,
        gone=frozenset(touched - {each.key for each in activities}),
        concerned=frozenset({key.activity for key in weighty} | same_kind),
        everybody=frozenset(plenary | same_kind),
        former=frozenset(_former(old, after, weighty)),
        changed_ids=frozenset(key.event_id for key in weighty),
    )


def _weighs(before: Row | None, row: Row) -> bool:
    return (before is None and row.digest is not None) or (
        before is not None and before.digest != row.digest
    )


def _plenary(row: Row | None) -> bool:
    return row is not None and row.event.plenary is not False


# -- event by event --------------------------------------------------------------------------------


def _believed(
    event: TeachingEvent, old: Mapping[EventKey, Row], rules: Rules, now: datetime
) -> Row:
    before = old.get(EventKey(event.activity, event.event_id))
    return _row(_completed(event, before.event if before else None), before, rules, now)


def _completed(event: TeachingEvent, before: TeachingEvent | None) -> TeachingEvent:
    """Fill in what was not told from what was told before."""
    if before is None:
        return replace(event, doubt=event.status is Status.UNKNOWN)
    if event.status is Status.UNKNOWN:
        return replace(before, doubt=True, missing=False)
    staff = event.staff
    if staff is None or (event.status is Status.CANCELLED and before.staff):
        staff = before.staff
    plenary = before.plenary if event.plenary is None else event.plenary
    return replace(event, staff=staff, plenary=plenary)


def _row(event: TeachingEvent, before: Row | None, rules: Rules, now: datetime) -> Row:
    """Give the row its digest; that of an ended event is not moved by what comes later."""
    if before is None:
        late = event.ends_at <= earliest_end(rules, now)
        return Row(event=event, digest=None if late else event_digest(event))
    frozen = before.event.ends_at <= now and event.ends_at <= now
    return Row(event=event, digest=before.digest if frozen else event_digest(event))


def _unreadable(
    old: Mapping[EventKey, Row],
    told: Mapping[EventKey, Row],
    bad: Sequence[BadEvent],
    rules: Rules,
    now: datetime,
) -> Iterable[Row]:
    """Keep the rows whose new word could not be read, in doubt."""
    ids = {each.event_id for each in bad if each.event_id}
    for key, row in old.items():
        if key.event_id in ids and key not in told:
            yield _row(replace(row.event, doubt=True, missing=False), row, rules, now)


# -- what an answer lacks --------------------------------------------------------------------------


def _lacking(
    old: Mapping[EventKey, Row],
    told: Mapping[EventKey, Row],
    bad: Sequence[BadEvent],
    brake: CourseBrake,
    now: datetime,
) -> tuple[list[Row], frozenset[EventKey]]:
    """Split what the answer lacks into rows held back and keys to be removed.

    The shares are of what there would be if nothing were lost, so that the same answer, told
    again, is judged alike. An answer without the ended events is measured by the coming ones alone.
    """
    keeps = _kept_by_nameless(bad)
    coming = [row for row in {**old, **told}.values() if row.event.ends_at > now]
    absent = [row for row in coming if row.key not in told and not keeps(row.key)]
    lost = _not_replaced(absent, [row for key, row in told.items() if key not in old])
    of_coming = len(lost) / max(len(coming) - len(absent) + len(lost), 1)
    of_term = len(lost) / max(len(told) + len(lost), 1)
    too_much = of_coming > brake.max_shrink and of_term > brake.of_term
    too_many = too_much and len(lost) >= brake.min_events
    held = lost if too_many and not brake.released else []
    gone = [replace(row.event, missing=True) for row in held]
    rows = [Row(event=event, digest=event_digest(event)) for event in gone]
    return rows, frozenset(r.key for r in absent) - {r.key for r in held}


def _kept_by_nameless(bad: Sequence[BadEvent]) -> Callable[[EventKey], bool]:
    """An unreadable event without an id may be any of its activity's (or course's)."""
    nameless = [each.actid for each in bad if not each.event_id]
    return lambda key: None in nameless or key.activity.actid in nameless


def _not_replaced(absent: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Leave out those that a new event of the same activity stands in for: moves."""
    arrivals = Counter(row.key.activity for row in new)
    lost = []
    for row in sorted(absent, key=lambda r: (r.event.starts_at, r.key)):
        if arrivals[row.key.activity]:
            arrivals[row.key.activity] -= 1
        else:
            lost.append(row)
    return lost


# -- whom it concerns ------------------------------------------------------------------------------


def _former(
    old: Mapping[EventKey, Row], after: Mapping[EventKey, Row], changed: Iterable[EventKey]
) -> Iterable[tuple[ActivityKey, str]]:
    for key in changed:
        if key in old:
            now_named = usernames(after[key].event) if key in after else frozenset()
            for username in usernames(old[key].event) - now_named:
                yield (key.activity, username)


def usernames(event: TeachingEvent) -> frozenset[str]:
    """Return the usernames an event names."""
    return frozenset(staff.username for staff in event.staff or () if staff.username)


def _same_kind(
    old: Mapping[EventKey, Row], after: Mapping[EventKey, Row], rules: Rules
) -> frozenset[ActivityKey]:
    """All groups of a kind, where the set of its groups changed: one may now be alone."""
    before, now = _groups(old, rules), _groups(after, rules)
    kinds = [kind for kind in before.keys() | now.keys() if before[kind] != now[kind]]
    return frozenset(key for kind in kinds for key in before[kind] | now[kind])


def _groups(
    rows: Mapping[EventKey, Row], rules: Rules
) -> defaultdict[tuple[int, str], set[ActivityKey]]:
    groups: defaultdict[tuple[int, str], set[ActivityKey]] = defaultdict(set)
    for each in activities_of(rows.values(), rules):
        if each.has_group:
            groups[each.key.term_number, each.method].add(each.key)
    return groups


def activities_of(rows: Iterable[Row], rules: Rules) -> tuple[Activity, ...]:
    """Condense rows into activities: their kind, who they are for, and their days' digests."""
    grouped: dict[ActivityKey, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda r: r.key):
        grouped[row.key.activity].append(row)
    return tuple(_activity(key, grouped[key], rules) for key in sorted(grouped))


def _activity(key: ActivityKey, rows: Sequence[Row], rules: Rules) -> Activity:
    days: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row.digest is not None:
            day = row.event.starts_at.astimezone(rules.zone).date().isoformat()
            days[day].append(f"{row.key.event_id}:{row.digest}")
    digests = {day: _short("|".join(parts)) for day, parts in sorted(days.items())}
    return Activity(
        key=key,
        method=rows[0].event.method,
        has_plenary=any(row.event.plenary is not False for row in rows),
        has_group=any(row.event.plenary is not True for row in rows),
        digest=fold(digests),
        days=digests,
    )


# -- events as text ---------------------------------------------------------------------------------


def event_digest(event: TeachingEvent) -> str:
    """Condense all that an event says, and whether it is in doubt or missing."""
    return _short(f"{to_json(event)}{event.doubt}{event.missing}")


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()


def to_json(event: TeachingEvent) -> str:
    """Write an event as canonical JSON; `doubt` and `missing` are the mirror's own columns."""
    told = {name: getattr(event, name) for name in TOLD}
    for name in ("starts_at", "ends_at"):
        told[name] = told[name].astimezone(UTC).isoformat()
    return json.dumps(
        told, default=_fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )


TOLD = [each.name for each in fields(TeachingEvent) if each.name not in {"doubt", "missing"}]


def _fields(part: Staff | Room | Link) -> dict[str, object]:
    return {each.name: getattr(part, each.name) for each in fields(part)}


@lru_cache(maxsize=20_000)
def from_json(text: str) -> TeachingEvent:
    """Read what `to_json` wrote."""
    told = json.loads(text)
    told["activity"] = ActivityKey(*told["activity"])
    for name in ("starts_at", "ends_at"):
        told[name] = datetime.fromisoformat(told[name])
    told["status"] = Status(told["status"])
    if told["staff"] is not None:
        told["staff"] = tuple(Staff(**each) for each in told["staff"])
    told["rooms"] = tuple(Room(**each) for each in told["rooms"])
    told["resources"] = tuple(Link(**each) for each in told["resources"])
    told["alerts"] = tuple(told["alerts"])
    return TeachingEvent(**told)
