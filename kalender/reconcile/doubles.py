"""Doubles of our own making: another key of ours for an event that is already shown.

They come of a database that forgot a create. A user's copy carries the key of its original and
is never one. A lookup only finds them; mended they are recorded as `deleting`, and the plan that
follows removes them like any other entry, under write-ahead and brake.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from kalender.domain import block
from kalender.domain.entry import (
    ANSWERED,
    Entry,
    EntryStatus,
    FoundByKey,
    Plain,
    Transition,
    after,
    happens,
)
from kalender.domain.model import ActivityKey
from kalender.domain.timetable import Event
from kalender.errors import TransientError
from kalender.ports import Additions, EntryState, FoundItem, ItemOutcome
from kalender.reconcile.desired import wanted
from kalender.reconcile.protocol import READS, Visit, parts
from kalender.store import doubles, entries
from kalender.store.doubles import State, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What shows an event: its key, its item, and the activity it belongs to."""

    sync_key: str
    item_id: str
    event_id: str
    activity: ActivityKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Double:
    """An item of ours that shows an event a second time, beside its original."""

    item: FoundItem
    original: Shown


def oldest_of(hits: Sequence[FoundItem]) -> dict[str, FoundItem]:
    """Return the oldest item of each key: the others are copies that their user made."""
    newest_first = sorted(hits, key=lambda hit: hit.created_at, reverse=True)
    return {hit.sync_key: hit for hit in newest_first}


def look_for_doubles(visit: Visit) -> list[Double]:
    """Find every item with our key, and return what shows an event a second time."""
    hits = visit.calendars.find(visit.row.address, None)
    with visit.recording() as connection:
        keys = {hit.sync_key for hit in hits}
        row = visit.row
        elsewhere = entries.take_over(connection, row.calendar_id, row.address, keys)
        return sort_out(connection, visit, hits, elsewhere)


def sort_out(
    connection: Connection,
    visit: Visit,
    hits: Sequence[FoundItem],
    elsewhere: Collection[str],
) -> list[Double]:
    """Adopt what shows an event that nothing else shows; return doubles; count what is neither.

    `hits` are all items in the calendar with our property, `elsewhere` the keys of other calendars.
    """
    sorting = _Sorting(connection=connection, visit=visit)
    sorting.take_in(entries.of_calendar(connection, visit.row.calendar_id), hits)
    oldest = oldest_of(hits)
    strange = oldest.keys() - sorting.recorded - set(elsewhere)
    strange -= doubles.taken_away(connection, visit.row.calendar_id, strange)
    known_events = doubles.known_events(connection, [_event_of(key) for key in strange])
    for key in sorted(strange):
        sorting.sort(oldest[key], known_events)
    sorting.by_time()
    strays = {
        double.item.sync_key: (double.original.event_id, State.DOUBLE) for double in sorting.doubles
    }
    strays |= {
        double.sync_key: (_event_of(double.sync_key), State.UNKNOWN) for double in sorting.unknown
    }
    doubles.replace(connection, visit.row.calendar_id, strays)
    visit.searched = True
    return sorting.doubles


def _event_of(sync_key: str) -> str:
    """Return the event that a key was made for."""
    return sync_key.rpartition("#")[0]


@dataclass(slots=True, kw_only=True)
class _Sorting:
    """What a calendar shows, while the items are gone through that no record names."""

    connection: Connection
    visit: Visit
    recorded: set[str] = field(default_factory=set)
    shown: dict[str, Shown] = field(default_factory=dict)  # by event
    made_for: dict[str, Shown] = field(default_factory=dict)  # by the event in the key
    settled: set[str] = field(default_factory=set)  # events that their user, or Exchange, refused
    missing: dict[str, Entry] = field(default_factory=dict)  # by event: not there any more
    doubles: list[Double] = field(default_factory=list)
    unknown: list[FoundItem] = field(default_factory=list)

    def take_in(self, records: Sequence[Entry], hits: Sequence[FoundItem]) -> None:
        """Note what the records say, and whether it is there."""
        alive = {hit.ref.item_id for hit in hits}
        keys = {hit.sync_key: hit.ref.item_id for hit in hits}
        self.recorded = {entry.sync_key for entry in records}
        for entry in records:
            if entry.status not in ANSWERED:
                continue
            item_id = entry.item_id if entry.item_id in alive else keys.get(entry.sync_key)
            if item_id is not None:
                self._show(entry.sync_key, item_id, entry.event_id, entry.activity)
            elif entry.status is EntryStatus.LIVE:
                self.missing[entry.event_id] = entry
            else:
                self.settled.add(entry.event_id)

    def _show(self, key: str, item_id: str, event_id: str, activity: ActivityKey) -> None:
        showing = Shown(sync_key=key, item_id=item_id, event_id=event_id, activity=activity)
        self.shown.setdefault(event_id, showing)
        self.made_for.setdefault(_event_of(key), showing)

    def sort(self, hit: FoundItem, known_events: Collection[str]) -> None:
        """Say what an item is; what has ended is history, and only adopted after a recovery."""
        event_id = _event_of(hit.sync_key)
        over = hit.ends_at <= self.visit.now
        if self.visit.calendar_state.leaving:
            self._adopt(hit)
        elif event_id in self.settled or (over and not self.visit.row.must_look_up):
            return
        elif event_id in self.shown:
            self._double(hit, self.shown[event_id], over=over)
        elif event_id in known_events or (over and event_id not in self.made_for):
            self._adopt(hit)
        elif event_id in self.made_for:
            self._double(hit, self.made_for[event_id], over=over)
        else:
            self.unknown.append(hit)

    def _double(self, hit: FoundItem, original: Shown, *, over: bool) -> None:
        if not over:
            self.doubles.append(Double(item=hit, original=original))

    def _adopt(self, hit: FoundItem, shows: tuple[str, ActivityKey] | None = None) -> None:
        """Record it as an entry; the record that it stands for instead is given up."""
        key, row = hit.sync_key, self.visit.row
        event_id, activity = shows or (
            _event_of(key),
            entries.activity_of(self.connection, _event_of(key)),
        )
        if event_id in self.missing:
            transition = happens(self.missing.pop(event_id), Plain.NOT_FOUND_BY_KEY)
            self.visit.save(self.connection, [transition])
        now = self.visit.now
        shows = (event_id, activity)
        entries.adopt(self.connection, row.calendar_id, hit, key=key, now=now, shows=shows)
        self._show(key, hit.ref.item_id, event_id, activity)

    def by_time(self) -> None:
        """TP gives what moves another id: adopt for what is wanted at the item's time."""
        if not self.unknown:
            return
        visit, unknown_items = self.visit, []
        free: dict[tuple[datetime, datetime], list[Event]] = defaultdict(list)
        for desired in wanted(
            self.connection, visit.calendar_state, visit.context.settings, visit.now
        ):
            if desired.event.event_id not in self.shown.keys() | self.settled | self.missing.keys():
                free[desired.content.starts_at, desired.content.ends_at].append(desired.event)
        for hit in self.unknown:
            events = free[hit.starts_at, hit.ends_at]
            if events:
                event = events.pop()
                self._adopt(hit, (event.event_id, event.teaching.activity))
            else:
                unknown_items.append(hit)
        self.unknown = unknown_items


# -- mended ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Of the keys that show one event: the one that stays as its entry, what goes, what stays too."""

    stays: str
    goes: frozenset[str]
    stays_too: frozenset[str]


def mend(visit: Visit, found_doubles: Sequence[Double]) -> None:
    """Where that is wished, record of each pair the one that its user did not add to as going.

    Where the user added to both, both stay, and the second is named.
    """
    if visit.row.doubles != Wish.MEND or not found_doubles:
        return
    about = {double.item.ref.item_id for double in found_doubles} | {
        double.original.item_id for double in found_doubles
    }
    states = _read(visit, sorted(about))
    calendar_id = visit.row.calendar_id
    kept_keys: set[str] = set()
    taken_keys: set[str] = set()
    with visit.recording() as connection:
        entries.forget_digest(connection, visit.row)
        records = {e.sync_key: e for e in entries.of_calendar(connection, calendar_id)}
        groups: dict[str, tuple[Shown, list[FoundItem]]] = {}
        for double in found_doubles:
            groups.setdefault(double.original.sync_key, (double.original, []))[1].append(
                double.item
            )
        for original, hits in list(groups.values()):
            if original.item_id not in states:
                continue
            judgement = _judge(visit, original, hits, states)
            if original.sync_key in judgement.goes:
                record, ref = records[original.sync_key], states[original.item_id].ref
                located: Entry | None = record
                if record.item_id is None:  # its item was found by its key alone
                    where = FoundByKey(item_id=ref.item_id, change_key=ref.change_key)
                    located = after(record, where)
                going = Transition(record, after(located, Plain.DELETE_AHEAD))
                visit.save(connection, [going], ahead=True)
            for hit in hits:
                if hit.sync_key not in judgement.stays_too and hit.ref.item_id in states:
                    entries.adopt(
                        connection,
                        calendar_id,
                        hit,
                        key=hit.sync_key,
                        now=visit.now,
                        shows=(original.event_id, original.activity),
                        goes=hit.sync_key != judgement.stays,
                    )
            kept_keys |= judgement.stays_too
            taken_keys |= {hit.sync_key for hit in hits} - judgement.stays_too
        doubles.keep(connection, calendar_id, kept_keys)
        doubles.mended(connection, calendar_id, taken_keys)
    visit.count("doubles", len(taken_keys))
    visit.count("doubles_kept", len(kept_keys))


def _read(visit: Visit, ids: Sequence[str]) -> Mapping[str, EntryState]:
    """Read items by id with what their user may have added; what is gone is left out."""
    states: dict[str, EntryState] = {}
    for part in parts(ids, READS):
        answers = visit.calendars.get(visit.row.address, part, fields=True, additions=True)
        for item_id, state in zip(part, answers, strict=True):
            if isinstance(state, EntryState):
                states[item_id] = state
            elif state.verdict is not ItemOutcome.GONE:
                text = f"an entry could not be read ({state.code})"
                raise TransientError(text, retry_after=state.retry_after)
    return states


def _judge(
    visit: Visit,
    original: Shown,
    hits: Sequence[FoundItem],
    states: Mapping[str, EntryState],
) -> Judgement:
    stays, state = original.sync_key, states[original.item_id]
    goes, too = set(), set()
    for hit in hits:
        other_state = states.get(hit.ref.item_id)
        if other_state is None:
            continue
        to_entry, to_double = (
            _added_to(visit, state, other_state),
            _added_to(visit, other_state, state),
        )
        if to_entry and to_double:
            too.add(hit.sync_key)
        elif to_double:
            goes.add(stays)
            stays, state = hit.sync_key, other_state
        else:
            goes.add(hit.sync_key)
    return Judgement(stays=stays, goes=frozenset(goes), stays_too=frozenset(too))


def _added_to(visit: Visit, state: EntryState, other_state: EntryState) -> bool:
    """Whether its user added something; what both say alike may also be an older setting."""
    style = visit.context.settings.style_for(visit.row.audience)
    usual = Additions(
        attachments=False,
        categories=(style.category,) if style.category else (),
        reminder_minutes=style.reminder_minutes,
        sensitivity="Normal",
        importance="Normal",
    )
    beside = state.additions or usual
    if state.meeting or beside.attachments or block.has_notes(state.body):
        return True
    compared = zip(beside, other_state.additions or usual, usual, strict=True)
    return any(
        value not in (other_value, usual_value) for value, other_value, usual_value in compared
    )
