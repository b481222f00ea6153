"""From what is desired and what we recorded to the creates, updates and deletes between them.

A plan is data: it can be shown, guarded and then applied. It changes nothing but `entries`, of which
the caller leaves out what has ended and what is of a semester that is not maintained. Ended entries
are told apart from these, only so that they are not created a second time.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from kalender.domain.entry import ANSWERED, Entry, EntryStatus, Subject
from kalender.domain.model import ActivityKey, Content
from kalender.domain.render import changed_fields
from kalender.domain.timetable import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredEntry:
    """A desired event with what its entry should say."""

    event: Event
    content: Content
    fingerprint: str

    @property
    def subject(self) -> Subject:
        """Which event the entry shows, and when."""
        return Subject(
            event_id=self.event.event_id,
            activity=self.event.teaching.activity,
            starts_at=self.content.starts_at,
            ends_at=self.content.ends_at,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make an entry for an event that has none."""

    desired: DesiredEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Make an entry say what its event says; `fields` are those that differ."""

    entry: Entry
    desired: DesiredEntry
    fields: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Take an entry away whose event is gone."""

    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that is to be done for one calendar, each list in a total order.

    Without a request: `renamed` are entries that already say what is wanted but under another
    event id or activity, `freed` those held back from deletion that are desired again or have
    ended, `forgotten` records of what is not in the calendar and is not wanted as it was,
    `frozen` what ended before anybody could tell what it says: it stays. `withheld` are creates that
    are not made as long as a predecessor's entry of the same course stands at that time.
    """

    creates: tuple[Create, ...] = ()
    updates: tuple[Update, ...] = ()
    deletes: tuple[Delete, ...] = ()
    renamed: tuple[tuple[Entry, DesiredEntry], ...] = ()
    freed: tuple[Entry, ...] = ()
    forgotten: tuple[Entry, ...] = ()
    frozen: tuple[Entry, ...] = ()
    withheld: tuple[Create, ...] = ()


def make_plan(
    desired_entries: Sequence[DesiredEntry],
    entries: Sequence[Entry],
    ended_entries: Sequence[Entry],
    *,
    kept_keys: Collection[str] = (),
) -> Plan:
    """Return the least that makes the entries say what is wanted.

    `entries` are those that may be written, but none of `kept_keys` is deleted; `ended_entries` only
    keep what has ended from being created a second time. An entry follows its event: by event id
    first, then the leftovers of one activity are paired, the same week and the nearest time first.
    """
    pairs, lone_desired, lone_entries = _by_event_id(
        _not_ended_twice(desired_entries, ended_entries), entries
    )
    moved_pairs, lone_desired, lone_entries = _by_activity(lone_desired, lone_entries)
    pairs += moved_pairs
    creates = [Create(desired=w) for w in lone_desired if not w.event.keep_only]
    deletes = [
        Delete(entry=e)
        for e in lone_entries
        if _is_there(e) and e.sync_key not in kept_keys and e.status is not EntryStatus.INTENDED
    ]
    nowhere = [
        entry
        for entry in lone_entries
        if not _is_there(entry) and entry.status is not EntryStatus.INTENDED
    ]
    updates, renamed = [], []
    for desired, entry in pairs:
        fields = frozenset[str]()
        if entry.fingerprint != desired.fingerprint and _is_there(entry):
            # what a refused entry says is older than its fingerprint
            is_refused = entry.status is EntryStatus.REFUSED
            before = None if is_refused else entry.fingerprint
            fields = changed_fields(before, desired.fingerprint)
        if fields:
            updates.append(Update(entry=entry, desired=desired, fields=fields))
        elif (entry.event_id, entry.activity) != (desired.event.event_id, _activity(desired)):
            renamed.append((entry, desired))
    held_entries = (
        entry
        for entry in [*(entry for _, entry in pairs), *ended_entries]
        if entry.held_by is not None
    )
    return Plan(
        creates=tuple(sorted(creates, key=lambda c: _time_of(c.desired))),
        updates=tuple(sorted(updates, key=lambda u: _entry_time(u.entry))),
        deletes=tuple(sorted(deletes, key=lambda d: _entry_time(d.entry))),
        renamed=tuple(sorted(renamed, key=lambda pair: _entry_time(pair[0]))),
        freed=tuple(sorted(held_entries, key=_entry_time)),
        forgotten=tuple(sorted(nowhere, key=_entry_time)),
        frozen=tuple(sorted((e for e in lone_entries if e.sync_key in kept_keys), key=_entry_time)),
    )


def without_entry(
    desired_entries: Sequence[DesiredEntry],
    entries: Sequence[Entry],
    ended_entries: Sequence[Entry],
) -> list[DesiredEntry]:
    """Return the desired events that no entry shows and none follows, as `make_plan` pairs them."""
    _, lone_desired, lone_entries = _by_event_id(
        _not_ended_twice(desired_entries, ended_entries), entries
    )
    return _by_activity(lone_desired, lone_entries)[1]


def _activity(desired: DesiredEntry) -> ActivityKey:
    return desired.event.teaching.activity


def _is_there(entry: Entry) -> bool:
    return entry.item_id is not None


def _time_of(desired: DesiredEntry) -> tuple[datetime, str]:
    return (desired.content.starts_at, desired.event.event_id)


def _entry_time(entry: Entry) -> tuple[datetime, str]:
    return (entry.starts_at, entry.sync_key)


def _not_ended_twice(
    desired_entries: Sequence[DesiredEntry], ended_entries: Sequence[Entry]
) -> list[DesiredEntry]:
    """Leave out ended events that an ended entry already shows."""
    ids = {(entry.event_id, entry.starts_at) for entry in ended_entries}
    activities = {(entry.activity, entry.starts_at) for entry in ended_entries}
    return [
        w
        for w in desired_entries
        if (w.event.event_id, w.content.starts_at) not in ids
        and (_activity(w), w.content.starts_at) not in activities
    ]


Pairs = list[tuple[DesiredEntry, Entry]]
T = TypeVar("T")


def _by_event_id(
    desired_entries: Sequence[DesiredEntry], entries: Sequence[Entry]
) -> tuple[Pairs, list[DesiredEntry], list[Entry]]:
    entries_by_event: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=_entry_time):
        if entry.status in ANSWERED:
            entries_by_event[entry.event_id].append(entry)
    pairs: Pairs = []
    alone = []
    for desired in sorted(desired_entries, key=_time_of):
        same_event = entries_by_event.get(desired.event.event_id, [])
        fit = [entry for entry in same_event if _stands_for(entry, desired)]
        if fit:
            nearest = min(fit, key=lambda entry: _distance(desired, entry)) if fit[1:] else fit[0]
            pairs.append((desired, nearest))
        else:
            alone.append(desired)
    keys = {entry.sync_key for _, entry in pairs}
    return pairs, alone, [entry for entry in entries if entry.sync_key not in keys]


def _by_activity(
    desired_entries: Sequence[DesiredEntry], entries: Sequence[Entry]
) -> tuple[Pairs, list[DesiredEntry], list[Entry]]:
    movable: dict[ActivityKey, list[Entry]] = defaultdict(list)
    for entry in entries:
        # or it stands in the calendar, but not as we wanted it last
        otherwise = entry.status in (EntryStatus.REFUSED, EntryStatus.DECLINED)
        if entry.status is EntryStatus.LIVE or (otherwise and _is_there(entry)):
            movable[entry.activity].append(entry)
    pairs = pair_off(
        (_distance(desired, entry), desired, _entry_time(entry), entry)
        for desired in desired_entries
        for entry in movable.get(_activity(desired), ())
    )
    events = {desired.event.event_id for desired, _ in pairs}
    keys = {entry.sync_key for _, entry in pairs}
    return (
        pairs,
        [desired for desired in desired_entries if desired.event.event_id not in events],
        [entry for entry in entries if entry.sync_key not in keys],
    )


def pair_off(
    candidates: Iterable[tuple[tuple[Any, ...], DesiredEntry, tuple[datetime, str], T]],
) -> list[tuple[DesiredEntry, T]]:
    """Pair events with what may show them, the best first; each is paired once.

    A candidate is how far the two are apart (least is best), the event, the time and a name that is
    no other's of what may show it, and that itself.
    """
    pairs: list[tuple[DesiredEntry, T]] = []
    events, names = set[str](), set[tuple[datetime, str]]()
    ordered = sorted(candidates, key=lambda c: (c[0], _time_of(c[1]), c[2]))
    for _, desired, name, shown in ordered:
        if desired.event.event_id not in events and name not in names:
            pairs.append((desired, shown))
            events.add(desired.event.event_id)
            names.add(name)
    return pairs


def _stands_for(entry: Entry, desired: DesiredEntry) -> bool:
    """What is not in the calendar stands in the way of what it stood for, but of nothing new.

    What Exchange refused to create is new once its content changes; what a user took away too
    often, once its time does.
    """
    if _is_there(entry) or entry.status is EntryStatus.LIVE:
        return True
    if entry.status is EntryStatus.DECLINED:
        return "time" not in changed_fields(entry.fingerprint, desired.fingerprint)
    return entry.fingerprint == desired.fingerprint


def _distance(desired: DesiredEntry, entry: Entry) -> tuple[bool, timedelta]:
    apart = abs(desired.content.starts_at - entry.starts_at)
    return (_week(desired.content.starts_at) != _week(entry.starts_at), apart)


def _week(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())
