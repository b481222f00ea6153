"""What a resync asks the database, of all persons or calendars at once."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, func, insert, select, text, update

from kalender.domain.work import Kind
from kalender.store import teaching
from kalender.store.database import database_time
from kalender.store.people import FS, MAIL, USERNAME, claimed
from kalender.store.sql import db_now, in_parts, insert_many, person_key
from kalender.store.tables import calendar, dirty, identity, person, registration, teaching_role

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
    for part in in_parts(numbers, MANY):
        ids = connection.execute(
            insert(person)
            .values(created_at=db_now())
            .returning(person.c.person_id, sort_by_parameter_order=True),
            [{"fs_asked_at": None} for _ in part],
        ).scalars()
        new_persons |= dict(zip(part, ids, strict=True))
    rows = [{"value": str(n), "person_id": person_id} for n, person_id in new_persons.items()]
    insert_many(connection, identity, rows, kind=FS)
    return new_persons


def analyze(connection: Connection) -> None:
    """Let the planner know, within this transaction, that the tables are not small any more.

    Only once all kinds of identities are there: a kind it never saw it takes to have no rows.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("ANALYZE person, identity"))


# -- calendars under other settings ---------------------------------------------------------------------


def under_other_settings(
    connection: Connection, digests: Mapping[str | None, str], languages: Mapping[int, str]
) -> tuple[list[int], int]:
    """Return the calendars written under other settings, and how many are written at all.

    `digests` are those of the settings now, by language; `languages` those of persons' own.
    """
    columns = (calendar.c.calendar_id, calendar.c.person_id, calendar.c.synced_settings)
    query = select(*columns).where(calendar.c.synced_settings.is_not(None))
    rows = connection.execute(query).all()
    stale = [
        row.calendar_id
        for row in rows
        if row.synced_settings != digests[languages.get(row.person_id)]
    ]
    return stale, len(rows)


def written(connection: Connection) -> int:
    """Return how many calendars are written."""
    is_written = calendar.c.synced_settings.is_not(None)
    return connection.execute(select(func.count()).where(is_written)).scalar_one()


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
    """Wish a look at those that waited longest; return them: all in `interval_seconds`, evenly.

    However many were filled within an hour, and however long nobody worked: never a burst.
    """
    now = database_time(connection)
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
