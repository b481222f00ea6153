"""From what is desired and what we recorded to the creates, updates and deletes between them.

A plan is data: it can be shown, guarded and then applied. Ended entries and those of semesters
that are not maintained are never given to `make_plan`, so that nothing here can touch them.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

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

    wanted: DesiredEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Update:
    """Make an entry say what its event says; `fields` are those that differ."""

    entry: Entry
    wanted: DesiredEntry
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
    `settled` what ended before anybody could tell what it says: it stays.
    """

    creates: tuple[Create, ...] = ()
    updates: tuple[Update, ...] = ()
    deletes: tuple[Delete, ...] = ()
    renamed: tuple[tuple[Entry, DesiredEntry], ...] = ()
    freed: tuple[Entry, ...] = ()
    forgotten: tuple[Entry, ...] = ()
    settled: tuple[Entry, ...] = ()


def make_plan(
    wanted: Sequence[DesiredEntry],
    entries: Sequence[Entry],
    ended: Sequence[Entry],
    *,
    kept: Collection[str] = (),
) -> Plan:
    """Return the least that makes the entries say what is wanted.

    `entries` are those that may be written, but none of the keys `kept` is deleted; `ended` only
    keep what has ended from being created a second time. An entry follows its event: by event id
    first, then the leftovers of one activity are paired, the same week and the nearest time first.
    """
    pairs, lone_wanted, lone_entries = _match(_not_ended_twice(wanted, ended), entries)
    creates = [Create(wanted=w) for w in lone_wanted if not w.event.keep_only]
    deletes = [Delete(entry=e) for e in lone_entries if _is_there(e) and e.sync_key not in kept]
    updates, renamed = [], []
    for each, entry in pairs:
        fields = _differing(entry, each)
        if fields:
            updates.append(Update(entry=entry, wanted=each, fields=fields))
        elif (entry.event_id, entry.activity) != (each.event.event_id, _activity(each)):
            renamed.append((entry, each))
    return Plan(
        creates=tuple(sorted(creates, key=lambda c: _time_of(c.wanted))),
        updates=tuple(sorted(updates, key=lambda u: _entry_time(u.entry))),
        deletes=tuple(sorted(deletes, key=lambda d: _entry_time(d.entry))),
        renamed=tuple(sorted(renamed, key=lambda pair: _entry_time(pair[0]))),
        freed=_freed([*(entry for _, entry in pairs), *ended]),
        forgotten=tuple(sorted(filter(_is_nowhere, lone_entries), key=_entry_time)),
        settled=tuple(sorted((e for e in lone_entries if e.sync_key in kept), key=_entry_time)),
    )


def _activity(wanted: DesiredEntry) -> ActivityKey:
    return wanted.event.teaching.activity


def _freed(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    held = (entry for entry in entries if entry.held_by is not None)
    return tuple(sorted(held, key=_entry_time))


def _is_there(entry: Entry) -> bool:
    return entry.item_id is not None


def _is_nowhere(entry: Entry) -> bool:
    return not _is_there(entry) and entry.status is not EntryStatus.INTENDED


def _time_of(wanted: DesiredEntry) -> tuple[datetime, str]:
    return (wanted.content.starts_at, wanted.event.event_id)


def _entry_time(entry: Entry) -> tuple[datetime, str]:
    return (entry.starts_at, entry.sync_key)


def _not_ended_twice(wanted: Sequence[DesiredEntry], ended: Sequence[Entry]) -> list[DesiredEntry]:
    """Leave out ended events that an ended entry already shows."""
    ids = {(entry.event_id, entry.starts_at) for entry in ended}
    activities = {(entry.activity, entry.starts_at) for entry in ended}
    return [
        w
        for w in wanted
        if (w.event.event_id, w.content.starts_at) not in ids
        and (_activity(w), w.content.starts_at) not in activities
    ]


def _differing(entry: Entry, wanted: DesiredEntry) -> frozenset[str]:
    if entry.fingerprint == wanted.fingerprint or not _is_there(entry):
        return frozenset()
    refused = entry.status is EntryStatus.REFUSED  # what it says is older than its fingerprint
    return changed_fields(None if refused else entry.fingerprint, wanted.fingerprint)


Pairs = list[tuple[DesiredEntry, Entry]]


def _match(
    wanted: Sequence[DesiredEntry], entries: Sequence[Entry]
) -> tuple[Pairs, list[DesiredEntry], list[Entry]]:
    pairs, lone_wanted, lone_entries = _by_event_id(wanted, entries)
    moved, lone_wanted, lone_entries = _by_activity(lone_wanted, lone_entries)
    return pairs + moved, lone_wanted, lone_entries


def _by_event_id(
    wanted: Sequence[DesiredEntry], entries: Sequence[Entry]
) -> tuple[Pairs, list[DesiredEntry], list[Entry]]:
    standing: dict[str, list[Entry]] = defaultdict(list)
    for entry in sorted(entries, key=_entry_time):
        if entry.status in ANSWERED:
            standing[entry.event_id].append(entry)
    pairs: Pairs = []
    alone = []
    for each in sorted(wanted, key=_time_of):
        same = standing.get(each.event.event_id, [])
        fit = [entry for entry in same if _stands_for(entry, each)]
        if fit:
            pairs.append((each, _nearest(each, fit)))
        else:
            alone.append(each)
    taken = {entry.sync_key for _, entry in pairs}
    return pairs, alone, [entry for entry in entries if entry.sync_key not in taken]


def _by_activity(
    wanted: Sequence[DesiredEntry], entries: Sequence[Entry]
) -> tuple[Pairs, list[DesiredEntry], list[Entry]]:
    movable: dict[ActivityKey, list[Entry]] = defaultdict(list)
    for entry in entries:
        if entry.status is EntryStatus.LIVE or _stands_otherwise(entry):
            movable[entry.activity].append(entry)
    candidates = sorted(
        (
            (_distance(each, entry), _time_of(each), _entry_time(entry), each, entry)
            for each in wanted
            for entry in movable.get(_activity(each), ())
        ),
        key=lambda candidate: candidate[:3],
    )
    pairs: Pairs = []
    events, keys = set(), set()
    for *_, each, entry in candidates:
        if each.event.event_id not in events and entry.sync_key not in keys:
            pairs.append((each, entry))
            events.add(each.event.event_id)
            keys.add(entry.sync_key)
    return (
        pairs,
        [each for each in wanted if each.event.event_id not in events],
        [entry for entry in entries if entry.sync_key not in keys],
    )


def _stands_otherwise(entry: Entry) -> bool:
    """Whether it stands in the calendar, but not as we wanted it last."""
    other = entry.status in (EntryStatus.REFUSED, EntryStatus.DECLINED)
    return other and _is_there(entry)


def _stands_for(entry: Entry, wanted: DesiredEntry) -> bool:
    """What is not in the calendar stands in the way of what it stood for, but of nothing new.

    What Exchange refused to create is new once its content changes; what a user took away too
    often, once its time does.
    """
    if _is_there(entry) or entry.status is EntryStatus.LIVE:
        return True
    if entry.status is EntryStatus.DECLINED:
        return "time" not in changed_fields(entry.fingerprint, wanted.fingerprint)
    return entry.fingerprint == wanted.fingerprint


def _nearest(wanted: DesiredEntry, entries: Sequence[Entry]) -> Entry:
    if len(entries) == 1:  # nearly always
        return entries[0]
    return min(entries, key=lambda entry: _distance(wanted, entry))


def _distance(wanted: DesiredEntry, entry: Entry) -> tuple[bool, timedelta]:
    apart = abs(wanted.content.starts_at - entry.starts_at)
    return (_week(wanted.content.starts_at) != _week(entry.starts_at), apart)


def _week(moment: datetime) -> date:
    return moment.date() - timedelta(days=moment.weekday())
