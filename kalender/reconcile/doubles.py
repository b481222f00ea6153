"""Doubles of our own making: another key of ours for an event that is already shown.

They come of a database that forgot a create, or of a create that nobody answered and that a lookup
did not find yet. A user's copy carries the key of its original and is never one. A lookup only finds
them; mended they are recorded as `deleting`, and the plan that follows removes them like any other
entry, under write-ahead and brake.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from kalender.domain import block
from kalender.domain.entry import (
    ANSWERED,
    Adopted,
    Entry,
    EntryStatus,
    FoundByKey,
    Plain,
    Subject,
    Transition,
    after,
    happens,
)
from kalender.domain.model import ActivityKey, Content
from kalender.domain.render import changed_fields, fingerprint
from kalender.domain.timetable import Event
from kalender.errors import TransientError
from kalender.ports import Additions, EntryState, FoundItem, ItemOutcome
from kalender.reconcile.desired import desired_entries
from kalender.reconcile.protocol import READS, Visit, parts
from kalender.store import doubles, entries
from kalender.store.doubles import DoublesWish, StrayState


@dataclass(frozen=True, slots=True, kw_only=True)
class Showing:
    """What shows an event: its key, its item, and the activity it belongs to."""

    sync_key: str
    item_id: str
    event_id: str
    activity: ActivityKey
    meeting: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Double:
    """An item of ours that shows an event a second time, beside its original."""

    item: FoundItem
    original: Showing


def oldest_of(hits: Sequence[FoundItem]) -> dict[str, FoundItem]:
    """Return the oldest item of each key: the others are copies that their user made."""
    newest_first = sorted(hits, key=lambda hit: hit.created_at, reverse=True)
    return {hit.sync_key: hit for hit in newest_first}


def find_all(visit: Visit, *, contents: bool = False) -> Sequence[FoundItem]:
    """Find every item with our key; what a search may not see yet is asked for by its id.

    With `contents` the visit keeps the items' states, where the search told them.
    """
    hits = visit.calendars.find(visit.row.address, None, contents=contents)
    visit.states = {hit.ref.item_id: hit.state for hit in hits if hit.state is not None}
    if visit.exchange.second_look is None:
        return hits
    keys = {hit.sync_key for hit in hits}
    with visit.database.read() as connection:
        records = entries.of_calendar(connection, visit.row.calendar_id)
    key_of = {e.item_id: e.sync_key for e in records if e.item_id and e.sync_key not in keys}
    states = read_states(visit, sorted(key_of))
    return [
        *hits,
        *(
            FoundItem(
                ref=state.ref,
                sync_key=key_of[item_id],
                created_at=visit.now,
                starts_at=state.starts_at,
                ends_at=state.ends_at,
                meeting=bool(state.meeting),
            )
            for item_id, state in states.items()
            if state.sync_key == key_of[item_id] and state.starts_at and state.ends_at
        ),
    ]


def look_for_doubles(visit: Visit) -> list[Double]:
    """Find every item with our key, and return what shows an event a second time."""
    hits = find_all(visit)
    with visit.recording() as connection:
        keys = {hit.sync_key for hit in hits}
        row = visit.row
        elsewhere = entries.move_records_here(
            connection, row.calendar_id, visit.places(connection), keys
        )
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
    strange = oldest.keys() - sorting.records.keys() - set(elsewhere)
    strange -= doubles.taken_away(connection, visit.row.calendar_id, strange)
    known_events = doubles.known_events(connection, [event_of(key) for key in strange])
    for key in sorted(strange, key=lambda key: (oldest[key].meeting, key)):
        sorting.sort(oldest[key], known_events)
    sorting.by_time()
    strays = {
        double.item.sync_key: (double.original.event_id, StrayState.DOUBLE)
        for double in sorting.doubles
    }
    strays |= {
        double.sync_key: (event_of(double.sync_key), StrayState.UNKNOWN)
        for double in sorting.unknown
    }
    doubles.replace(connection, visit.row.calendar_id, strays)
    visit.searched = True
    return sorting.doubles


def event_of(sync_key: str) -> str:
    """Return the event that a key was made for."""
    return sync_key.rpartition("#")[0]


@dataclass(slots=True, kw_only=True)
class _Sorting:
    """What a calendar shows, while the items are gone through that no record names."""

    connection: Connection
    visit: Visit
    records: dict[str, Entry] = field(default_factory=dict)  # by key
    shown: dict[str, Showing] = field(default_factory=dict)  # by event
    made_for: dict[str, Showing] = field(default_factory=dict)  # by the event in the key
    refused_events: set[str] = field(default_factory=set)  # by their user, or by Exchange
    missing: dict[str, Entry] = field(default_factory=dict)  # by event: not there any more
    doubles: list[Double] = field(default_factory=list)
    unknown: list[FoundItem] = field(default_factory=list)

    def take_in(self, records: Sequence[Entry], hits: Sequence[FoundItem]) -> None:
        """Note what the records say, and whether it is there."""
        by_id = {hit.ref.item_id: hit for hit in hits}
        by_key = {hit.sync_key: hit for hit in hits}
        self.records = {entry.sync_key: entry for entry in records}
        for entry in records:
            if entry.status not in ANSWERED:
                continue
            hit = by_id.get(entry.item_id or "") or by_key.get(entry.sync_key)
            if hit is not None:
                self._show(entry.sync_key, hit, entry.event_id, entry.activity)
            elif entry.status is EntryStatus.LIVE:
                self.missing[entry.event_id] = entry
            else:
                self.refused_events.add(entry.event_id)

    def _show(self, key: str, hit: FoundItem, event_id: str, activity: ActivityKey) -> None:
        showing = Showing(
            sync_key=key,
            item_id=hit.ref.item_id,
            event_id=event_id,
            activity=activity,
            meeting=hit.meeting,
        )
        self.shown.setdefault(event_id, showing)
        self.made_for.setdefault(event_of(key), showing)

    def sort(self, hit: FoundItem, known_events: Collection[str]) -> None:
        """Say what an item is; what has ended is history, and only adopted after a recovery."""
        event_id = event_of(hit.sync_key)
        over = hit.ends_at <= self.visit.now
        if self.visit.calendar_state.leaving:
            self._adopt(hit)
        elif event_id in self.refused_events or (over and not self.visit.row.must_look_up):
            return
        elif event_id in self.shown and hit.meeting:
            return  # what its user made a meeting stays, beside a plain entry
        elif event_id in self.shown and self.shown[event_id].meeting:
            self._stands_beside(hit, self.shown.pop(event_id))
        elif event_id in self.shown:
            self._double(hit, self.shown[event_id], over=over)
        elif event_id in known_events or (over and event_id not in self.made_for):
            self._adopt(hit)
        elif event_id in self.made_for:
            self._double(hit, self.made_for[event_id], over=over)
        else:
            self.unknown.append(hit)

    def _double(self, hit: FoundItem, original: Showing, *, over: bool) -> None:
        if not over:
            self.doubles.append(Double(item=hit, original=original))

    def _stands_beside(self, hit: FoundItem, meeting: Showing) -> None:
        """Release a meeting again that a database forgot to have left to its user; adopt the other."""
        self.made_for.pop(event_of(meeting.sync_key), None)
        left = happens(self.records[meeting.sync_key], Plain.LEFT_TO_USER)
        self.visit.save(self.connection, [left])
        self._adopt(hit, (meeting.event_id, meeting.activity))

    def _adopt(self, hit: FoundItem, shows: tuple[str, ActivityKey] | None = None) -> None:
        """Record it as an entry; the record that it stands for instead is given up."""
        key, row = hit.sync_key, self.visit.row
        event_id, activity = shows or (
            event_of(key),
            entries.activity_of(self.connection, event_of(key)),
        )
        if event_id in self.missing:
            transition = happens(self.missing.pop(event_id), Plain.NOT_FOUND_BY_KEY)
            self.visit.save(self.connection, [transition])
        now = self.visit.now
        shows = (event_id, activity)
        entries.adopt(self.connection, row.calendar_id, hit, key=key, now=now, shows=shows)
        self._show(key, hit, event_id, activity)

    def by_time(self) -> None:
        """TP gives what moves another id: adopt for what is wanted at the item's time."""
        if not self.unknown:
            return
        visit, unknown_items = self.visit, []
        free: dict[tuple[datetime, datetime], list[Event]] = defaultdict(list)
        for desired in desired_entries(
            self.connection, visit.calendar_state, visit.context.settings, visit.now
        ):
            if (
                desired.event.event_id
                not in self.shown.keys() | self.refused_events | self.missing.keys()
            ):
                free[desired.content.starts_at, desired.content.ends_at].append(desired.event)
        for hit in self.unknown:
            events = free[hit.starts_at, hit.ends_at]
            if events:
                event = events.pop()
                self._adopt(hit, (event.event_id, event.teaching.activity))
            else:
                unknown_items.append(hit)
        self.unknown = unknown_items


# -- late --------------------------------------------------------------------------------------------


def look_for_late_creates(visit: Visit) -> None:
    """Look once more for creates that nobody answered and that a lookup did not find.

    What turned up is recorded: the plan that follows removes it, but what its user touched meanwhile
    stays and is theirs. Where they deleted the entry that was made instead, it takes its place. What
    has ended is history.
    """
    calendar_id, leaving = visit.row.calendar_id, visit.calendar_state.leaving
    with visit.database.read() as connection:
        lost_entries = {e.sync_key: e for e in entries.never_seen(connection, calendar_id)}
        events = {entry.event_id for entry in lost_entries.values()}
        records = entries.of_calendar(connection, calendar_id)
    originals = {
        e.event_id: e for e in records if e.status is EntryStatus.LIVE and e.event_id in events
    }
    keys = [*lost_entries, *(entry.sync_key for entry in originals.values())]
    oldest = oldest_of(visit.calendars.find(visit.row.address, keys) if lost_entries else ())
    late_hits = {
        key: oldest[key]
        for key in lost_entries.keys() & oldest.keys()
        if leaving or oldest[key].ends_at > visit.now
    }
    of_events = {lost_entries[key].event_id for key in late_hits}
    item_ids = {hit.ref.item_id for hit in late_hits.values()}
    item_ids |= {str(originals[event_id].item_id) for event_id in of_events & originals.keys()}
    states = read_states(visit, sorted(item_ids))
    transitions: list[Transition] = []
    for key, hit in sorted(late_hits.items()):
        entry, state = lost_entries[key], states.get(hit.ref.item_id)
        original = originals.get(entry.event_id)
        original_state = states.get(str(original.item_id)) if original is not None else None
        if state is None:
            continue
        if original is not None and original_state is None and original.sync_key not in oldest:
            del originals[entry.event_id]
            transitions.append(happens(original, Plain.NOT_FOUND_BY_KEY))
            transitions.append(happens(entry, _turned_up(entry, hit, goes=False)))
        elif not leaving and _is_touched(visit, entry, state, original_state):
            transitions.append(happens(entry, Plain.LEFT_TO_USER))
        else:
            transitions.append(happens(entry, _turned_up(entry, hit, goes=True)))
    with visit.recording() as connection:
        entries.look_again(connection, calendar_id, None)
        if transitions:
            entries.forget_digest(connection, visit.row)
            visit.save(connection, transitions)
            doubles.mended(connection, calendar_id, late_hits)
    statuses = [change.after.status for change in transitions if change.after is not None]
    visit.count("doubles", statuses.count(EntryStatus.DELETING))
    visit.count("doubles_kept", statuses.count(EntryStatus.RELEASED))


def _turned_up(entry: Entry, hit: FoundItem, *, goes: bool) -> Adopted:
    """Return that the item of a lost create is there after all."""
    subject = Subject(
        event_id=entry.event_id,
        activity=entry.activity,
        starts_at=hit.starts_at,
        ends_at=hit.ends_at,
    )
    return Adopted(
        sync_key=entry.sync_key,
        subject=subject,
        item_id=hit.ref.item_id,
        change_key=hit.ref.change_key,
        ended=False,
        goes=goes,
    )


def _is_touched(
    visit: Visit, entry: Entry, state: EntryState, original_state: EntryState | None
) -> bool:
    """Whether an item says anything else than what its create was to say, or something more."""
    if state.starts_at is None or state.ends_at is None:
        return True
    content = Content(
        subject=state.subject or "",
        body="",
        location=state.location or "",
        starts_at=state.starts_at,
        ends_at=state.ends_at,
        show_as=state.show_as or "",
        reminder_minutes=None,
        categories=(),
    )
    edited_fields = changed_fields(entry.fingerprint, fingerprint(content)) - {"body"}
    return bool(edited_fields) or added_to(visit, state, original_state)


# -- mended ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Of the keys that show one event: the one that stays as its entry, what goes, what stays too."""

    stays: str
    goes: frozenset[str]
    stays_too: frozenset[str]


def mend(visit: Visit, found_doubles: Sequence[Double]) -> None:
    """Where that is wished, record of each pair the one that its user did not add to as going.

    Also after a move: what was made anew on the way stands beside what arrived. Where the user
    added to both, both stay, and the second is named.
    """
    if not found_doubles or not (visit.moved or visit.row.doubles == DoublesWish.MEND):
        return
    about = {double.item.ref.item_id for double in found_doubles} | {
        double.original.item_id for double in found_doubles
    }
    states = read_states(visit, sorted(about))
    calendar_id = visit.row.calendar_id
    kept_keys: set[str] = set()
    taken_keys: set[str] = set()
    with visit.recording() as connection:
        entries.forget_digest(connection, visit.row)
        records = {e.sync_key: e for e in entries.of_calendar(connection, calendar_id)}
        groups: dict[str, tuple[Showing, list[FoundItem]]] = {}
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


def read_states(visit: Visit, ids: Sequence[str]) -> Mapping[str, EntryState]:
    """Read items by id with what their user may have added; what is gone is left out."""
    states: dict[str, EntryState] = {}
    for part in parts(ids, READS):
        answers = visit.calendars.get(visit.row.address, part, fields=True, additions=True)
        for item_id, state in zip(part, answers, strict=True):
            if isinstance(state, EntryState):
                states[item_id] = state
            elif state.outcome is not ItemOutcome.GONE:
                text = f"an entry could not be read ({state.code})"
                raise TransientError(text, retry_after=state.retry_after)
    return states


def _judge(
    visit: Visit,
    original: Showing,
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
            added_to(visit, state, other_state),
            added_to(visit, other_state, state),
        )
        if to_entry and to_double:
            too.add(hit.sync_key)
        elif to_double:
            goes.add(stays)
            stays, state = hit.sync_key, other_state
        else:
            goes.add(hit.sync_key)
    return Judgement(stays=stays, goes=frozenset(goes), stays_too=frozenset(too))


def added_to(visit: Visit, state: EntryState, other_state: EntryState | None) -> bool:
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
    other_additions = other_state.additions if other_state is not None else None
    compared = zip(beside, other_additions or usual, usual, strict=True)
    return any(
        value not in (other_value, usual_value) for value, other_value, usual_value in compared
    )
