"""Who did what: operators' acts and the brakes' own, kept as long as the change log.

An act is recorded in the transaction of what it did, so there is never the one without the other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, exists, insert, or_, select, true, update

from kalender.store.instants import db_now
from kalender.store.people import PROTECT
from kalender.store.tables import change_log, entry, operator_act, preference, teaching_event

SERVICE = "service"  # who it was where no person did it
LONGEST_NAME = 120
Rows = Sequence[Mapping[str, Any]]


def record(  # noqa: PLR0913
    connection: Connection,
    command: str,
    *,
    who: str,
    scope: str = "",
    persons: Collection[int] = (),
    reason: str = "",
    count: int | None = None,
) -> None:
    """Record one act, of several persons one for each.

    `command`: its words, such as "brake release". `scope`: what it was about where that is no
    person, such as "course IN1000 25h". `count`: how many calendars, entries or rows it concerned.
    """
    act = {"who": who[:LONGEST_NAME], "command": command, "scope": scope, "reason": reason}
    person_ids: list[int | None] = [*sorted(persons)] or [None]
    rows = [act | {"count": count, "person_id": person_id} for person_id in person_ids]
    connection.execute(insert(operator_act).values(at=db_now()), rows)


def forget(connection: Connection, person_id: int) -> None:
    """Take a person out of what was done about them; that somebody did it stays."""
    is_of_person = operator_act.c.person_id == person_id
    erased_person = {"person_id": None, "reason": "", "scope": "somebody erased"}
    connection.execute(update(operator_act).where(is_of_person).values(erased_person))


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What of the log is asked for; None and "" ask for all."""

    person_id: int | None = None
    course: str | None = None  # as it is mirrored
    what: str | None = None  # an operation, or the first words of a command
    since: datetime | None = None  # on the database's clock
    until: datetime | None = None
    limit: int = 100


def acts(connection: Connection, filters: Filter, *, reveal: bool = False) -> Rows:
    """Return acts, the latest first; who is or was protected is not told without `reveal`."""
    columns = operator_act.c
    query = select(operator_act).where(_within(columns.at, filters))
    if filters.person_id is not None:
        query = query.where(columns.person_id == filters.person_id)
    if filters.course is not None:
        of = f"course {filters.course}"
        query = query.where(or_(columns.scope == of, columns.scope.startswith(f"{of} ")))
    if filters.what is not None:
        query = query.where(columns.command.startswith(filters.what, autoescape=True))
    query = query.order_by(columns.at.desc(), columns.act_id.desc()).limit(filters.limit)
    protected_persons = frozenset() if reveal else protected(connection)
    return [
        {
            "at": row["at"],
            "kind": "act",
            "who": row["who"],
            "what": row["command"],
            "person": None if secret else row["person_id"],
            "protected": secret,
            "calendar": None,
            "event": None,
            "scope": None if secret else row["scope"] or None,
            "count": row["count"],
            "reason": None if secret else row["reason"] or None,
        }
        for row in connection.execute(query).mappings()
        for secret in [
            not reveal
            and (row["person_id"] in protected_persons or row["command"].startswith("protect"))
        ]
    ]


def writes(connection: Connection, filters: Filter, *, reveal: bool = False) -> Rows:
    """Return what was written to calendars, the latest first; of the protected only that it was."""
    columns = change_log.c
    query = select(change_log).where(_within(columns.at, filters))
    if filters.person_id is not None:
        query = query.where(columns.person_id == filters.person_id)
    if filters.course is not None:
        code = filters.course
        is_shown = exists().where(entry.c.sync_key == columns.sync_key, entry.c.course == code)
        is_taught = exists().where(
            teaching_event.c.event_id == columns.event_id, teaching_event.c.course == code
        )
        query = query.where(or_(is_shown, is_taught))
    if filters.what is not None:
        query = query.where(columns.operation == filters.what)
    query = query.order_by(columns.at.desc(), columns.change_id.desc()).limit(filters.limit)
    protected_persons = frozenset() if reveal else protected(connection)
    return [
        {
            "at": row["at"],
            "kind": "write",
            "who": SERVICE,
            "what": row["operation"],
            "person": None if secret else row["person_id"],
            "protected": secret,
            "calendar": None if secret else row["calendar_id"],
            "event": None if secret else row["event_id"],
            "scope": None,
            "count": None,
            "reason": None if secret else row["reason"] or None,
        }
        for row in connection.execute(query).mappings()
        for secret in [row["person_id"] in protected_persons]
    ]


def _within(at: Any, filters: Filter) -> Any:
    begins = at >= filters.since if filters.since is not None else true()
    ends = at < filters.until if filters.until is not None else true()
    return begins & ends


def protected(connection: Connection) -> frozenset[int]:
    """Return the protected persons."""
    query = select(preference.c.person_id).where(preference.c.wish == PROTECT)
    return frozenset(connection.execute(query).scalars())
