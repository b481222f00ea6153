"""The questions operators ask, answered as plain rows."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select

from kalender.domain.work import Kind
from kalender.store import people
from kalender.store.people import PROTECT
from kalender.store.tables import (
    calendar,
    db_now,
    dirty,
    entry,
    identity,
    look_up,
    preference,
)

Rows = Sequence[Mapping[str, Any]]


def _rows(connection: Connection, query: Any) -> Rows:
    return [dict(row) for row in connection.execute(query).mappings()]


def parked(connection: Connection, *, reveal: bool = False) -> Rows:
    """Parked work with the reason, the latest first; of protected persons that it is parked."""
    rows = _rows(
        connection,
        select(dirty.c.kind, dirty.c.key, dirty.c.parked_at, dirty.c.attempts, dirty.c.last_error)
        .where(dirty.c.parked_at.is_not(None))
        .order_by(dirty.c.parked_at.desc()),
    )
    hidden = {} if reveal else protected_work(connection)
    return [
        {**dict.fromkeys(row), "kind": row["kind"], "key": f"protected {hidden[named]}"}
        if (named := (row["kind"], row["key"])) in hidden
        else row
        for row in rows
    ]


def with_names(connection: Connection, rows: Rows) -> Rows:
    """Return parked work with the FS number and username of whose it is, unless protected."""
    persons = {
        row["key"]: people.look_up(connection, f"{row['kind']} {row['key']}")
        for row in rows
        if row["kind"] != Kind.COURSE and not row["key"].startswith("protected ")
    }
    known = {each for each in persons.values() if each is not None}
    names = people.names_of(connection, known)
    return [
        {
            "kind": row["kind"],
            "key": row["key"],
            **asdict(names.get(persons.get(row["key"]) or 0, people.Names())),
            **row,
        }
        for row in rows
    ]


def protected_work(connection: Connection) -> Mapping[tuple[str, str], int]:
    """Return (kind, key) of all work that is, or could be, of protected persons -> the person."""
    protects = preference.c.wish == PROTECT
    names = select(identity).join(preference, preference.c.person_id == identity.c.person_id)
    mine = select(calendar).join(preference, preference.c.person_id == calendar.c.person_id)
    found = {
        (Kind.PERSON.value, f"{row.kind} {row.value}"): row.person_id
        for row in connection.execute(names.where(protects))
    }
    for row in connection.execute(mine.where(protects)):
        found[Kind.CALENDAR.value, str(row.calendar_id)] = row.person_id
    return found


def preferences(connection: Connection) -> Rows:
    """Who wished to be left alone, and what they are called; protected persons are not among them."""
    rows = _rows(connection, select(preference).order_by(preference.c.set_at))
    protected = {row["person_id"] for row in rows if row["wish"] == PROTECT}
    names = people.names_of(connection, {row["person_id"] for row in rows})
    return [
        {"person_id": row["person_id"], **asdict(names[row["person_id"]]), **row}
        for row in rows
        if row["person_id"] not in protected
    ]


def protected(connection: Connection, *, reveal: bool = False) -> Rows:
    """Protected persons by number, and how many entries are still to be taken back."""
    rows = _rows(
        connection,
        select(
            preference.c.person_id.label("person"),
            func.count(entry.c.sync_key).label("entries"),
            preference.c.source.label("kind"),
            preference.c.set_at.label("since"),
        )
        .outerjoin_from(preference, calendar, calendar.c.person_id == preference.c.person_id)
        .outerjoin(entry, entry.c.calendar_id == calendar.c.calendar_id)
        .where(preference.c.wish == PROTECT)
        .group_by(preference.c.person_id, preference.c.source, preference.c.set_at)
        .order_by(preference.c.person_id),
    )
    if not reveal:
        return [{"person": row["person"], "entries": row["entries"]} for row in rows]
    return [{**row, "names": _names(connection, row["person"])} for row in rows]


def _names(connection: Connection, person_id: int) -> str:
    return ", ".join(row["value"] for row in identities(connection, person_id))


def looked_up(connection: Connection, persons: Collection[int], command: str, *, who: str) -> None:
    """Remember who looked at whom."""
    rows = [{"who": who, "command": command, "person_id": each} for each in sorted(persons)]
    if rows:
        connection.execute(insert(look_up).values(at=db_now()), rows)


def identities(connection: Connection, person_id: int) -> Rows:
    """All that names a person."""
    return _rows(
        connection,
        select(identity.c.kind, identity.c.value, identity.c.detail)
        .where(identity.c.person_id == person_id)
        .order_by(identity.c.kind, identity.c.position),
    )


def calendars_of(connection: Connection, person_id: int) -> Rows:
    """A person's calendars, with what waits for each and what went wrong last."""
    rows = _rows(connection, select(calendar).where(calendar.c.person_id == person_id))
    return [{**row, **_waiting(connection, "calendar", str(row["calendar_id"]))} for row in rows]


def _waiting(connection: Connection, kind: str, key: str) -> Mapping[str, Any]:
    row = (
        connection.execute(select(dirty).where(dirty.c.kind == kind, dirty.c.key == key))
        .mappings()
        .one_or_none()
    )
    names = ("reason", "due_at", "not_before", "attempts", "parked_at", "last_error")
    return {f"work_{name}": row[name] if row is not None else None for name in names}


def entries_of(connection: Connection, calendar_id: int, *, after: datetime | None = None) -> Rows:
    """A calendar's records, in time's order."""
    query = select(entry).where(entry.c.calendar_id == calendar_id)
    if after is not None:
        query = query.where(entry.c.ends_at > after)
    return _rows(connection, query.order_by(entry.c.starts_at, entry.c.sync_key))
