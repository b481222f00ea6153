"""Calendars and their entries: what we wrote, what we may have written, and who must look."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    Row,
    String,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    null,
    or_,
    select,
    update,
)

from kalender.domain.entry import (
    MAINTAINED,
    OPEN,
    OPEN_WITHOUT_FINGERPRINT,
    RECORDED,
    Adopted,
    Entry,
    EntryStatus,
    Subject,
    Transition,
    happens,
)
from kalender.domain.model import ActivityKey
from kalender.domain.roles import audience_of
from kalender.domain.timetable import Audience
from kalender.domain.work import Cause, Lane
from kalender.ports import FoundItem
from kalender.store import queue, takeovers
from kalender.store.database import LATENCIES, counts_of
from kalender.store.queue import Claim
from kalender.store.sql import db_now, insert_many, one_of, update_many
from kalender.store.tables import (
    brake,
    calendar,
    change_log,
    database_identity,
    entry,
    move_announced,
    preference,
    takeover,
    teaching_event,
)


def is_open() -> ColumnElement[bool]:
    """Return the condition that a row's outcome is open, as `Entry.open` says it."""
    unsure = and_(entry.c.status.in_(OPEN_WITHOUT_FINGERPRINT), entry.c.fingerprint.is_(None))
    return or_(entry.c.status.in_(OPEN), unsure)


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRow:
    """One mailbox's calendar as the table holds it; `quiet_for` seconds it may not be written."""

    calendar_id: int
    person_id: int
    audience: Audience
    address: str
    owner: bool
    backend: str
    state: str
    must_look_up: bool
    must_verify: bool
    taking_back: bool
    doubles: str | None
    announced: str | None  # the other Exchange at which its mailbox is looked for first
    held: bool  # a brake of its own holds what is new
    quiet_for: float
    synced_digest: str | None
    changes_at: datetime | None
    moved_from: str | None  # what the other mailbox was called in which its entries were last seen
    looks_again: bool  # the time has come to look for unanswered creates once more
    takeover: str | None  # what its takeover asks of a visit, as `takeovers.asks` says


def load(connection: Connection, calendar_id: int) -> CalendarRow | None:
    """Return a calendar, or None where there is none such."""
    calendars = load_many(connection, [calendar_id])
    return calendars[0] if calendars else None


def load_many(connection: Connection, calendars: Collection[int]) -> list[CalendarRow]:
    """Return those of these calendars that there are."""
    params = {"calendars": sorted(set(calendars))}
    return [_calendar(row) for row in connection.execute(_CALENDARS, params).all()]


_CALENDARS = select(
    calendar,
    exists()
    .where(brake.c.scope == "calendar " + cast(calendar.c.calendar_id, String))
    .label("held"),
    select(move_announced.c.to_backend)
    .where(
        move_announced.c.calendar_id == calendar.c.calendar_id,
        move_announced.c.to_backend != calendar.c.backend,
        move_announced.c.from_at <= db_now(),
    )
    .scalar_subquery()
    .label("announced"),
    takeovers.asks().label("takeover"),
    select(database_identity.c.quiet_until).scalar_subquery().label("all_quiet_until"),
    db_now().label("db_time"),
).where(one_of(calendar.c.calendar_id, "calendars"))


def _calendar(row: Row[*tuple[Any, ...]]) -> CalendarRow:
    quiet_until = max(
        (until for until in (row.quiet_until, row.all_quiet_until) if until is not None),
        default=row.db_time,
    )
    return CalendarRow(
        calendar_id=row.calendar_id,
        person_id=row.person_id,
        audience=audience_of(row.audience),
        address=row.address,
        owner=row.owner,
        backend=row.backend,
        state=row.state,
        must_look_up=row.must_look_up,
        must_verify=row.must_verify,
        taking_back=row.taking_back,
        doubles=row.doubles,
        announced=row.announced,
        held=row.held,
        quiet_for=max((quiet_until - row.db_time).total_seconds(), 0.0),
        synced_digest=row.synced_digest,
        changes_at=row.changes_at,
        moved_from=row.moved_from,
        looks_again=row.look_again_at is not None and row.look_again_at <= row.db_time,
        takeover=row.takeover,
    )


def of_calendar(connection: Connection, calendar_id: int) -> list[Entry]:
    """Return all standing records of a calendar, ended ones too."""
    return [_entry(row) for row in connection.execute(_OF_CALENDAR, {"of": calendar_id}).all()]


def never_seen(connection: Connection, calendar_id: int) -> list[Entry]:
    """Return the abandoned records of creates that nobody answered and that were not found."""
    return [_entry(row) for row in connection.execute(_NEVER_SEEN, {"of": calendar_id}).all()]


_COLUMNS = (
    *("sync_key", "event_id", *ActivityKey._fields, "status", "starts_at", "ends_at"),
    *("item_id", "change_key", "fingerprint", "held_by"),
)
_RECORDS = select(*(entry.c[name] for name in _COLUMNS)).where(
    entry.c.calendar_id == bindparam("of")
)
_OF_CALENDAR = _RECORDS.where(entry.c.status.in_(RECORDED))
_NEVER_SEEN = _RECORDS.where(
    entry.c.status == EntryStatus.ABANDONED.value, entry.c.change_key.is_(None)
)
_STATUS = {status.value: status for status in EntryStatus}


def _entry(row: Row[*tuple[Any, ...]]) -> Entry:
    """By position, as there are hundreds for each visit."""
    sync_key, event_id, *activity, status = row[:8]
    return Entry(sync_key, event_id, ActivityKey(*activity), _STATUS[status], *row[8:])


# -- the records ------------------------------------------------------------------------------------


def save(
    connection: Connection,
    calendar_id: int,
    transitions: Iterable[Transition],
    *,
    ahead: bool = False,
) -> None:
    """Write what happened to records of a calendar; a record stands in one transition at most.

    A new record is inserted, one that is gone is deleted, and of all others only the columns that
    differ are set: what somebody else wrote into other columns stays. What is written `ahead` of a
    request also gets the database's time, even where no column differs.
    """
    moment = {"written_at": db_now()}
    new: dict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
    changed_rows: dict[tuple[str, ...], list[dict[str, object]]] = defaultdict(list)
    gone_keys: list[str] = []
    for before, after in transitions:
        if after is None:
            gone_keys += [before.sync_key] if before is not None else []
        elif before is None:
            values = zip(_COLUMNS, _values(after), strict=True)
            row = {name: value for name, value in values if value is not None}
            new[tuple(row)].append(row)
        else:
            pairs = zip(_COLUMNS, _values(before), _values(after), strict=True)
            changed = {name: value for name, was, value in pairs if was != value}
            if changed or ahead:
                row = {"sync_key": after.sync_key, **changed}
                changed_rows[tuple(changed)].append(row)
    for rows in new.values():
        columns = {"calendar_id": calendar_id, "restored": 0, **moment}
        insert_many(connection, entry, rows, **columns)
    for rows in changed_rows.values():
        update_many(connection, entry, rows, by="sync_key", **(moment if ahead else {}))
    if gone_keys:
        connection.execute(delete(entry).where(entry.c.sync_key.in_(sorted(gone_keys))))


def _values(record: Entry) -> tuple[object, ...]:
    """Return the columns of a record in the order of `_COLUMNS`, which is that of its fields."""
    sync_key, event_id, activity, status, *others = record
    return (sync_key, event_id, *activity, status.value, *others)


class CalendarOwnership(NamedTuple):
    """Whose a calendar is now: what no write may rely on from the visit's beginning."""

    leaves: bool  # its person wishes to be left alone
    owner: bool
    address: str
    backend: str
    state: str
    must_look_up: bool
    takeover: str | None  # its state; None: there is none


def forget_digest(connection: Connection, row: CalendarRow) -> CalendarOwnership:
    """Until the visit ends well, the calendar is not known to be right; returns whose it is."""
    query = _READ_OWNERSHIP if row.synced_digest is None else _FORGET_DIGEST
    params = {"of": row.calendar_id, "person": row.person_id}
    return CalendarOwnership(*connection.execute(query, params).one())


def ownership(connection: Connection, row: CalendarRow, claim: Claim) -> CalendarOwnership:
    """Return whose a calendar is, under this claim; ClaimLost where that is not ours any more.

    It comes before each further request. Claim and calendar were two statements before, which
    took 10 % of the interpreter's time of a worker that fills over Graph.
    """
    params: dict[str, object] = {"of": row.calendar_id, "person": row.person_id}
    return CalendarOwnership(*queue.read_under_claim(connection, claim, _READ_OWNERSHIP, params))


_OWNERSHIP = (
    exists().where(preference.c.person_id == bindparam("person")),
    calendar.c.owner,
    calendar.c.address,
    calendar.c.backend,
    calendar.c.state,
    calendar.c.must_look_up,
    select(takeover.c.state).where(takeover.c.calendar_id == bindparam("of")).scalar_subquery(),
)
_READ_OWNERSHIP = select(*_OWNERSHIP).where(calendar.c.calendar_id == bindparam("of"))
_FORGET_DIGEST = (
    update(calendar)
    .where(calendar.c.calendar_id == bindparam("of"))
    .values(synced_digest=null())
    .returning(*_OWNERSHIP)
)


def put_back_often(
    connection: Connection, calendar_id: int, operation: str, *, limit: int
) -> set[str]:
    """Return the events that were put back so many times within a week."""
    rows = connection.execute(
        select(change_log.c.event_id)
        .where(
            change_log.c.calendar_id == calendar_id,
            change_log.c.operation == operation,
            change_log.c.at > db_now(-7 * 86_400.0),
        )
        .group_by(change_log.c.event_id)
        .having(func.count() >= limit)
    )
    return set(rows.scalars())


def count_put_back(connection: Connection, calendar_id: int, keys: Collection[str]) -> None:
    """Record on these entries how often their events were put back, as far as the log goes back."""
    if keys:
        times = (
            select(func.count())
            .where(
                change_log.c.calendar_id == calendar_id,
                change_log.c.operation.in_(["restore", "gone"]),
                change_log.c.event_id == entry.c.event_id,
            )
            .scalar_subquery()
        )
        is_named = entry.c.sync_key.in_(sorted(keys))
        connection.execute(
            update(entry).where(is_named).values(restored=times, restored_at=db_now())
        )


def log(  # noqa: PLR0913, PLR0917
    connection: Connection,
    row: CalendarRow,
    operation: str,
    keys: Collection[str],
    reason: str,
    noticed_at: datetime,
    now: datetime,
    *,
    cause: Cause = Cause.OTHER,
    lane: Lane = Lane.LIVE,
) -> None:
    """Remember what was written to these entries; `now` by the database's clock.

    How long it took since it was noticed is counted of live work: a fill has its own pace.
    """
    if not keys:
        return
    params = {"of": row.calendar_id, "person": row.person_id, "operation": operation}
    params |= {
        "reason": reason,
        "cause": cause.value,
        "lane": int(lane),
        "noticed_at": noticed_at,
        "keys": sorted(keys),
    }
    connection.execute(_LOG, params)
    counts_of(connection).add("entries", operation, cause.label, value=len(keys))
    if lane <= Lane.LIVE and (told_by := cause.source) is not None:
        took = (now - noticed_at).total_seconds()
        counts_of(connection).time("latency", told_by, seconds=max(took, 0.0), bounds=LATENCIES)


_LOG_COLUMNS = {
    "calendar_id": "of",
    "person_id": "person",
    "operation": "operation",
    "reason": "reason",
    "cause": "cause",
    "lane": "lane",
    "noticed_at": "noticed_at",
}  # column of the change log -> parameter
_LOG = insert(change_log).from_select(
    [*_LOG_COLUMNS, "at", "event_id", "sync_key", "course"],
    select(
        *(
            bindparam(name, type_=change_log.c[column].type)
            for column, name in _LOG_COLUMNS.items()
        ),
        db_now(),
        entry.c.event_id,
        entry.c.sync_key,
        entry.c.course,
    ).where(one_of(entry.c.sync_key, "keys")),
)


def unlog(connection: Connection, keys: Collection[str]) -> None:
    """Forget deletes written ahead that were certainly not carried out: no brake counts them."""
    if keys:
        connection.execute(
            delete(change_log).where(
                change_log.c.sync_key.in_(sorted(keys)),
                change_log.c.operation.in_(["delete", "release", "remove", "handback"]),
            )
        )


# -- adoption ---------------------------------------------------------------------------------------


def move_records_here(
    connection: Connection, calendar_id: int, places: Collection[str], keys: Collection[str]
) -> set[str]:
    """Move records of these keys here from calendars that no longer own this mailbox.

    `places` is what the mailbox is called: by its address, and by its user's name.
    Returns the keys that another calendar owns and keeps: what carries them here is a copy.
    """
    elsewhere = and_(entry.c.sync_key.in_(sorted(keys)), entry.c.calendar_id != calendar_id)
    has_left = or_(~calendar.c.owner, calendar.c.moved_from.in_(sorted(places)))
    is_moved = and_(
        elsewhere, entry.c.calendar_id.in_(select(calendar.c.calendar_id).where(has_left))
    )
    if keys:
        connection.execute(update(entry).where(is_moved).values(calendar_id=calendar_id))
    is_recorded = and_(elsewhere, entry.c.status.in_(RECORDED))
    return set(connection.execute(select(entry.c.sync_key).where(is_recorded)).scalars())


def adopt(  # noqa: PLR0913
    connection: Connection,
    calendar_id: int,
    found_item: FoundItem,
    *,
    key: str,
    now: datetime,
    shows: tuple[str, ActivityKey] | None = None,
    goes: bool = False,
) -> None:
    """Record an item that carries our key and of which no standing record is left.

    What it says is not known, nor asked of what has ended: that stays as it is. It `shows` an
    event of an activity, or else the one in its key. With `goes` it is a double, and goes by a plan.
    """
    event_id = found_item.sync_key.rpartition("#")[0]
    event_id, activity = shows or (event_id, activity_of(connection, event_id))
    adopted = Adopted(
        sync_key=key,
        subject=Subject(
            event_id=event_id,
            activity=activity,
            starts_at=found_item.starts_at,
            ends_at=found_item.ends_at,
        ),
        item_id=found_item.ref.item_id,
        change_key=found_item.ref.change_key,
        ended=found_item.ends_at <= now,
        goes=goes,
    )
    # The key may have been given up, and its item have come late.
    connection.execute(delete(entry).where(entry.c.sync_key == key))
    save(connection, calendar_id, [happens(None, adopted)])


def activity_of(connection: Connection, event_id: str) -> ActivityKey:
    """Return what an event belongs to as far as the mirror knows, else an empty key."""
    query = select(teaching_event).where(teaching_event.c.event_id == event_id).limit(1)
    event = connection.execute(query).one_or_none()
    if event is None:
        return ActivityKey("", "", "", 0, "")
    return ActivityKey(event.course, event.version, event.semester, event.term_number, event.actid)


# -- the calendar's own state ---------------------------------------------------------------------------


def look_again(connection: Connection, calendar_id: int, after: timedelta | None) -> None:
    """Let unanswered creates be looked for once more after so long; None: that is done."""
    moment = null() if after is None else db_now(after.total_seconds())
    is_named = calendar.c.calendar_id == calendar_id
    connection.execute(update(calendar).where(is_named).values(look_again_at=moment))


def keep_quiet(connection: Connection, calendar_id: int, seconds: float) -> None:
    """Exchange may still be working on a lost request: write nothing here for so long."""
    connection.execute(
        update(calendar)
        .where(calendar.c.calendar_id == calendar_id)
        .values(quiet_until=db_now(seconds))
    )


def wish_verification(connection: Connection, person_id: int | None) -> list[int]:
    """Wish a look into a person's calendars (None: into all that were written); return them."""
    is_named = (
        calendar.c.synced_at.is_not(None)
        if person_id is None
        else (calendar.c.person_id == person_id)
    )
    return list(
        connection.execute(
            update(calendar)
            .where(is_named)
            .values(must_verify=True)
            .returning(calendar.c.calendar_id)
        ).scalars()
    )


def synced(  # noqa: PLR0913
    connection: Connection,
    calendar_id: int,
    *,
    digest: str | None,
    settings: str,
    changes_at: datetime | None,
    verified: bool,
    searched: bool = False,
) -> None:
    """Record that a visit ended well; no digest where an entry is still open or held."""
    params = {"of": calendar_id, "digest": digest, "settings": settings, "changes": changes_at}
    params["searched"] = searched
    connection.execute(_VERIFIED if verified else _SYNCED, params)


_UNSETTLED = exists().where(
    entry.c.calendar_id == bindparam("of"),
    or_(
        is_open(),
        entry.c.held_by.is_not(None),
    ),
)
_SYNCED = (
    update(calendar)
    .where(calendar.c.calendar_id == bindparam("of"))
    .values(
        synced_digest=case((_UNSETTLED, null()), else_=bindparam("digest", type_=String)),
        synced_settings=bindparam("settings"),
        synced_at=db_now(),
        changes_at=bindparam("changes"),
        must_look_up=False,
        doubles=case((bindparam("searched", type_=Boolean), null()), else_=calendar.c.doubles),
        moved_from=None,
        # whoever leaves is visited once more where an unanswered create may turn up
        taking_back=and_(calendar.c.taking_back, calendar.c.look_again_at.is_not(None)),
        quiet_until=None,
        state=case((calendar.c.state == "closed", "closed"), else_="active"),
        last_error=None,
    )
)
_VERIFIED = _SYNCED.values(must_verify=False, verified_at=db_now())


def unreachable(connection: Connection, calendar_id: int, error: str) -> str:
    """Record that Exchange does not know the mailbox; `lost` where it held entries of ours."""
    has_items = exists().where(entry.c.calendar_id == calendar_id, entry.c.item_id.is_not(None))
    state = case((has_items, "lost"), else_="missing")
    return str(
        connection.execute(
            update(calendar)
            .where(calendar.c.calendar_id == calendar_id)
            .values(state=state, last_error=error)
            .returning(calendar.c.state)
        ).scalar_one()
    )


def denied(connection: Connection, calendar_id: int, error: str) -> bool:
    """Record that the mailbox does not open to us; return whether it did before, where it is."""
    row = connection.execute(
        update(calendar)
        .where(calendar.c.calendar_id == calendar_id)
        .values(state="denied", last_error=error)
        .returning(calendar.c.synced_at, calendar.c.must_look_up)
    ).one()
    return row.synced_at is not None and not row.must_look_up


def move_to(connection: Connection, calendar_id: int, backend: str) -> None:
    """Record that the mailbox is served by another Exchange; all our keys are looked up there."""
    values = {"backend": backend, "must_look_up": True, "synced_digest": None}
    state = case((calendar.c.state == "closed", "closed"), else_="active")
    is_calendar = calendar.c.calendar_id == calendar_id
    connection.execute(update(calendar).where(is_calendar).values(**values, state=state))


def future_semesters(connection: Connection, now: datetime) -> set[str]:
    """Return the semesters of entries of ours that have not ended."""
    semesters = connection.execute(
        select(entry.c.semester).where(entry.c.ends_at > now, entry.c.semester != "").distinct()
    )
    return set(semesters.scalars())


def coming(connection: Connection, now: datetime) -> int:
    """How many live entries have not ended."""
    return connection.execute(
        select(func.count()).where(entry.c.ends_at > now, entry.c.status.in_(MAINTAINED))
    ).scalar_one()
