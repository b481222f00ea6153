"""The mirror of FS by collection: a semester at a time, compared as sets and written as lists."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    Table,
    and_,
    bindparam,
    func,
    insert,
    select,
    text,
    update,
)

from kalender.domain.model import ActivityKey, Registration, TeachingRole
from kalender.domain.work import Kind
from kalender.store import teaching
from kalender.store.instants import db_now
from kalender.store.people import FS, MAIL, USERNAME, claimed
from kalender.store.sql import person_key, upsert
from kalender.store.tables import (
    calendar,
    dirty,
    identity,
    person,
    placement,
    registration,
    teaching_role,
)
from kalender.store.teaching import role_of, role_values, unit_of

MANY = 500
VERIFYING = "verifying"
LOOK_AGAIN = 5.0  # seconds
NOBODY_WORKED = 60.0  # what was missed beyond this is not made up for


def persons(connection: Connection) -> dict[int, int]:
    """Return all persons FS knows: FS number -> person."""
    rows = connection.execute(
        select(identity.c.value, identity.c.person_id).where(identity.c.kind == FS)
    )
    return {int(value): person_id for value, person_id in rows}


def asked_later(connection: Connection, than: datetime) -> set[int]:
    """Return the persons for whom FS was asked singly after an instant."""
    rows = connection.execute(select(person.c.person_id).where(person.c.fs_asked_at > than))
    return set(rows.scalars())


def being_asked_for(connection: Connection) -> set[int]:
    """Return the persons for whom a worker asks FS now."""
    is_named = and_(identity.c.kind == FS, dirty.c.key == person_key(identity.c.value))
    query = select(identity.c.person_id).join(dirty, is_named)
    query = query.where(dirty.c.kind == Kind.PERSON.value, dirty.c.claim_token.is_not(None))
    return set(connection.execute(query).scalars())


def accounts(
    connection: Connection,
) -> dict[int, tuple[frozenset[str], tuple[tuple[str, str], ...]]]:
    """Return person -> (usernames, mail as FS ordered it).

    Who has no username is called by the one that they claim.
    """
    names: dict[int, set[str]] = defaultdict(set)
    mails: dict[int, list[tuple[str, str]]] = defaultdict(list)
    rows = connection.execute(
        select(identity).where(identity.c.kind != FS).order_by(identity.c.position)
    )
    for row in rows:
        if row.kind == USERNAME:
            names[row.person_id].add(row.value)
        elif row.kind == MAIL:
            mails[row.person_id].append((row.detail or "", row.value))
    claims = claimed(connection)
    return {
        person_id: (
            frozenset(names[person_id]) or claims.get(person_id, frozenset()),
            tuple(mails[person_id]),
        )
        for person_id in names.keys() | mails.keys() | claims.keys()
    }


def without_calendar(connection: Connection) -> set[int]:
    """Return the persons who take or teach something and have no calendar."""
    teaching = select(registration.c.person_id).union(select(teaching_role.c.person_id))
    having = select(calendar.c.person_id).distinct()
    return set(connection.execute(teaching).scalars()) - set(connection.execute(having).scalars())


def make_persons(connection: Connection, numbers: Collection[int]) -> dict[int, int]:
    """Make persons of FS numbers not known yet; return FS number -> person."""
    new_persons: dict[int, int] = {}
    ordered = sorted(numbers)
    for start in range(0, len(ordered), MANY):
        part = ordered[start : start + MANY]
        ids = connection.execute(
            insert(person)
            .values(created_at=db_now())
            .returning(person.c.person_id, sort_by_parameter_order=True),
            [{"fs_asked_at": None} for _ in part],
        ).scalars()
        new_persons |= dict(zip(part, ids, strict=True))
    if new_persons:
        connection.execute(
            insert(identity),
            [{"kind": FS, "value": str(n), "person_id": p} for n, p in new_persons.items()],
        )
    return new_persons


def analyze(connection: Connection) -> None:
    """Let the planner know, within this transaction, that the tables are not small any more.

    Only once all kinds of identities are there: a kind it never saw it takes to have no rows.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE person, identity"))


# -- one kind of fact ---------------------------------------------------------------------------------

Facts = dict[int, dict[Any, Any]]  # person -> what names the row -> what it says


def registrations(connection: Connection, semester: str) -> Facts:
    """Return person -> unit -> registration."""
    return {
        p: {fact.unit: fact for fact in facts}
        for p, facts in _grouped(
            (row.person_id, Registration(unit=unit_of(row), offer_status=row.offer_status))
            for row in _rows(connection, registration, semester)
        ).items()
    }


def placements(connection: Connection, semester: str) -> Facts:
    """Return person -> activity -> activity."""
    return {
        p: {fact: fact for fact in facts}
        for p, facts in _grouped(
            (row.person_id, ActivityKey(*unit_of(row), row.actid))
            for row in _rows(connection, placement, semester)
        ).items()
    }


def roles(connection: Connection, semester: str) -> Facts:
    """Return person -> role number -> role."""
    return {
        p: {fact.number: fact for fact in facts}
        for p, facts in _grouped(
            (row.person_id, role_of(row)) for row in _rows(connection, teaching_role, semester)
        ).items()
    }


def _rows(connection: Connection, table: Table, semester: str) -> Iterable[Any]:
    return connection.execute(select(table).where(table.c.semester == semester))


def _grouped(pairs: Iterable[tuple[int, Any]]) -> Mapping[int, list[Any]]:
    grouped: dict[int, list[Any]] = defaultdict(list)
    for person_id, fact in pairs:
        grouped[person_id].append(fact)
    return grouped


def add_registrations(
    connection: Connection, new: Iterable[tuple[int, Registration]], *, changed: bool
) -> None:
    """Write registrations, new ones or those whose offer status changed."""
    rows = [
        {"person_id": p, **fact.unit._asdict(), "offer_status": fact.offer_status}
        for p, fact in new
    ]
    if rows and not changed:
        connection.execute(
            upsert(connection.dialect.name, registration).on_conflict_do_nothing(), rows
        )
    elif rows:
        names = ("person_id", "course", "version", "semester", "term_number")
        connection.execute(
            update(registration)
            .where(*(registration.c[name] == bindparam(f"b_{name}") for name in names))
            .values(offer_status=bindparam("b_offer_status")),
            [{f"b_{name}": value for name, value in row.items()} for row in rows],
        )


def add_placements(connection: Connection, new: Iterable[tuple[int, ActivityKey]]) -> None:
    """Write new placements."""
    rows = [{"person_id": p, **key._asdict()} for p, key in new]
    if rows:
        connection.execute(
            upsert(connection.dialect.name, placement).on_conflict_do_nothing(), rows
        )


def add_roles(
    connection: Connection, new: Iterable[tuple[int, TeachingRole]], *, changed: bool
) -> None:
    """Write roles, new ones or changed ones."""
    rows = [{"person_id": p, **role_values(role)} for p, role in new]
    if rows and not changed:
        connection.execute(
            upsert(connection.dialect.name, teaching_role).on_conflict_do_nothing(), rows
        )
    for row in rows if changed else ():
        connection.execute(
            update(teaching_role)
            .where(
                teaching_role.c.person_id == row["person_id"],
                teaching_role.c.number == row["number"],
            )
            .values(row)
        )


def placed_activities(connection: Connection, semester: str) -> set[ActivityKey]:
    """Return the activities on which anybody is placed."""
    columns = [placement.c[name] for name in ActivityKey._fields]
    query = select(*columns).where(placement.c.semester == semester).distinct()
    return {ActivityKey(*row) for row in connection.execute(query)}


# -- calendars under other settings ---------------------------------------------------------------------


def under_other_settings(connection: Connection, settings: str) -> tuple[list[int], int]:
    """Return the calendars written under other settings, and how many are written at all."""
    rows = connection.execute(
        select(calendar.c.calendar_id, calendar.c.synced_settings).where(
            calendar.c.synced_settings.is_not(None)
        )
    ).all()
    return [row.calendar_id for row in rows if row.synced_settings != settings], len(rows)


def changing_by_time(connection: Connection, now: datetime) -> list[int]:
    """Return the calendars that time alone has changed, by the domain's clock; once each."""
    return list(
        connection.execute(
            update(calendar)
            .where(calendar.c.changes_at <= now)
            .values(changes_at=None)
            .returning(calendar.c.calendar_id)
        ).scalars()
    )


def to_verify(connection: Connection, *, interval_seconds: float) -> list[int]:
    """Wish a look at those that waited longest; return them: all in `every` seconds, evenly.

    However many were filled within an hour, and however long nobody worked: never a burst.
    """
    now = connection.execute(select(db_now())).scalar_one()
    last_time = teaching.was_read(connection, VERIFYING, "")
    if last_time is None:
        teaching.record_reading(connection, VERIFYING, "", now)
    if last_time is None or (now - last_time).total_seconds() < LOOK_AGAIN:
        return []
    seen_at = func.coalesce(calendar.c.verified_at, calendar.c.synced_at)
    waits = and_(
        calendar.c.state == "active",
        calendar.c.synced_digest.is_not(None),
        ~calendar.c.must_verify,
        calendar.c.synced_at.is_not(None),
    )
    count = connection.execute(select(func.count()).where(waits)).scalar_one()
    interval = interval_seconds / max(count, 1)  # seconds from one to the next
    elapsed = min((now - last_time).total_seconds(), max(NOBODY_WORKED, interval))
    count_due = int(elapsed / interval)
    if not (count and count_due):
        return []
    remainder = timedelta(seconds=elapsed - count_due * interval)
    teaching.record_reading(connection, VERIFYING, "", now - remainder)
    longest_waiting = select(calendar.c.calendar_id).where(waits).order_by(seen_at).limit(count_due)
    return list(
        connection.execute(
            update(calendar)
            .where(calendar.c.calendar_id.in_(longest_waiting))
            .values(must_verify=True)
            .returning(calendar.c.calendar_id)
        ).scalars()
    )
