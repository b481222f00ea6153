"""What stands in a calendar, and what is about to come, change or go: one value for all who show it.

`kalender show`, the week that it draws and the page about a person render the same `ShownEntry`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from kalender.domain.entry import EntryStatus
from kalender.domain.model import ActivityKey, EventStatus, TeachingEvent
from kalender.domain.plan import DesiredEntry
from kalender.domain.render import Style, render
from kalender.domain.timetable import Relation
from kalender.domain.work import Cause
from kalender.operate import disclosure
from kalender.operate.records import EntryRecord
from kalender.reconcile.desired import CalendarSettings, Preview
from kalender.store import courses
from kalender.store.acts import ChangeRecord

NO_ACTIVITY = ActivityKey("", "", "", 0, "")


class EntryStanding(StrEnum):
    """How an entry stands to the calendar now."""

    THERE = "there"
    COMING = "coming"  # to be created
    WAITING = "waiting"  # would be created, but the calendar is not written to
    CHANGING = "changing"  # to be updated, or an update whose outcome is not known
    MOVING = "moving"  # to be updated, to another time
    GOING = "going"  # to be deleted
    HELD = "held"  # would be deleted, but a brake keeps it
    THEIRS = "theirs"  # its user changed or deleted it, and it is left so
    REFUSED = "refused"  # Exchange does not take it
    UNSURE = "unsure"  # a create whose outcome is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWrite:
    """The last that was written of an entry: what, why, and when that was first told of."""

    operation: str
    reason: str
    cause: Cause
    noticed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownEntry:
    """One entry of a calendar, or one that is about to be; instants are aware UTC.

    `subject` and `location` are what the mirror says now, where it still has the event; else the
    subject is the course and the activity. `capacity` None: the event is not desired now.
    `status` None: there is no record, as of what is to be created and of where something moves to.
    """

    starts_at: datetime
    ends_at: datetime
    subject: str
    location: str = ""
    standing: EntryStanding = EntryStanding.THERE
    cancelled: bool = False
    activity: ActivityKey = NO_ACTIVITY
    courses: tuple[str, ...] = ()  # that share it
    event_id: str = ""
    capacity: Relation | None = None
    status: str | None = None
    fields: frozenset[str] = frozenset()  # that an update will change
    moves_to: datetime | None = None
    held_by: str | None = None
    written_at: datetime | None = None
    restored: int = 0
    last: LastWrite | None = None


def entries_shown(
    connection: Connection,
    would_be: Preview,
    settings: CalendarSettings,
    *,
    after: datetime | None = None,
    before: datetime | None = None,
) -> list[ShownEntry]:
    """Return a calendar's entries and what is about to come by its preview, in time's order.

    With `after` those that end later than that, with `before` those that start earlier. What is
    recorded as abandoned is left out.
    """
    state, plan = would_be.state, would_be.plan
    calendar_id = state.row.calendar_id
    desired = {each.event.event_id: each for each in would_be.desired}
    updates = {update.entry.sync_key: update for update in plan.updates}
    desired_of_key = {entry.sync_key: each for entry, each in plan.renamed}
    desired_of_key |= {key: update.desired for key, update in updates.items()}
    going = {delete.entry.sync_key for delete in plan.deletes}
    rows = [
        row
        for row in disclosure.entries_of(connection, calendar_id, after=after, before=before)
        if row.status != EntryStatus.ABANDONED
    ]
    changes = disclosure.last_changes(connection, calendar_id, {row.sync_key for row in rows})
    lacking = {row.event_id for row in rows} - desired.keys()
    told = courses.told_of(connection, lacking)
    style = settings.in_language(state.language).style_for(state.row.audience)
    shown = []
    for row in rows:
        key = row.sync_key
        update = updates.get(key)
        each = desired_of_key.get(key) or desired.get(row.event_id)
        entry = _of_record(row, each, told.get(row.event_id), style)
        change = changes.get(key)
        entry = replace(
            entry,
            standing=_standing(row, is_going=key in going, is_changing=update is not None),
            fields=update.fields if update is not None else frozenset(),
            last=_last_write(change) if change is not None else None,
        )
        if update is not None and "time" in update.fields:
            content = update.desired.content
            entry = replace(entry, standing=EntryStanding.MOVING, moves_to=content.starts_at)
            shown.append(_to_come(update.desired))
        shown.append(entry)
    shown += [_to_come(create.desired) for create in plan.creates]
    # beside what a predecessor wrote of the course
    shown += [replace(_to_come(c.desired), standing=EntryStanding.WAITING) for c in plan.withheld]
    return sorted(
        (
            entry
            for entry in shown
            if (after is None or entry.ends_at > after)
            and (before is None or entry.starts_at < before)
        ),
        key=lambda entry: (entry.starts_at, entry.subject, entry.event_id, entry.status or ""),
    )


def _standing(row: EntryRecord, *, is_going: bool, is_changing: bool) -> EntryStanding:
    by_status = _BY_STATUS.get(row.status)
    if by_status is not None:
        return by_status
    if row.held_by:
        return EntryStanding.HELD
    if is_going:
        return EntryStanding.GOING
    is_open = row.fingerprint is None
    return EntryStanding.CHANGING if is_changing or is_open else EntryStanding.THERE


_BY_STATUS: Mapping[str, EntryStanding] = {
    EntryStatus.INTENDED: EntryStanding.UNSURE,
    EntryStatus.REFUSED: EntryStanding.REFUSED,
    EntryStatus.DECLINED: EntryStanding.THEIRS,
    EntryStatus.RELEASED: EntryStanding.THEIRS,
    EntryStatus.DELETING: EntryStanding.GOING,
}


def _of_record(
    row: EntryRecord, desired: DesiredEntry | None, told: TeachingEvent | None, style: Style
) -> ShownEntry:
    """Return what a record shows: by what is desired, else by what the mirror was told."""
    activity = row.activity
    event = desired.event.teaching if desired is not None else told
    names = desired.event.courses if desired is not None else (activity.course,)
    content = desired.content if desired is not None else None
    if content is None and told is not None:
        content = render(told, names, style)
    return ShownEntry(
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        subject=content.subject if content is not None else f"{activity.course} {activity.actid}",
        location=content.location if content is not None else "",
        cancelled=event is not None and event.status is EventStatus.CANCELLED,
        activity=activity,
        courses=names,
        event_id=row.event_id,
        capacity=desired.event.capacity if desired is not None else None,
        status=row.status,
        held_by=row.held_by,
        written_at=row.written_at,
        restored=row.restored,
    )


def _to_come(desired: DesiredEntry) -> ShownEntry:
    event, content = desired.event, desired.content
    return ShownEntry(
        starts_at=content.starts_at,
        ends_at=content.ends_at,
        subject=content.subject,
        location=content.location,
        standing=EntryStanding.COMING,
        cancelled=event.teaching.status is EventStatus.CANCELLED,
        activity=event.teaching.activity,
        courses=event.courses,
        event_id=event.event_id,
        capacity=event.capacity,
    )


def _last_write(change: ChangeRecord) -> LastWrite:
    return LastWrite(
        operation=change.operation,
        reason=change.reason,
        cause=Cause.of(change.cause),
        noticed_at=change.noticed_at,
    )
