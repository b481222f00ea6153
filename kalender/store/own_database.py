"""Whether this is our own database: the one whose entries we wrote, or another put in its place.

PostgreSQL has an identifier for each cluster and a number (OID) for each database in it; neither is
copied by `pg_dump`, and a standby shares both. An SQLite database is the file with its inode. They
are recorded once by the first `db upgrade`, afterwards only by `recover`: a backup that is restored
into a new database carries the identity of the old one, and nobody writes to calendars from it.
"""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, insert, select, text, update

from kalender.errors import StateInDoubt
from kalender.store.database import postgresql_place, sqlite_place
from kalender.store.sql import db_now
from kalender.store.tables import database_identity

RECOVER = "kalender recover --since TIME after a restored backup (the time it was made)"
ANOTHER = (
    "this is another database than the one that calendars were written from, as after a restore "
    f"or a move; nothing is written until you say since when: {RECOVER}, kalender recover "
    "--since now if it was moved whole"
)


@dataclass(frozen=True, slots=True)
class DatabaseIdentity:
    """A cluster's identifier (None: not known, or not ours to ask) and the place within it."""

    cluster: str | None
    place: str


def of_this_database(connection: Connection) -> DatabaseIdentity:
    """Return the identity of the database that a connection leads to."""
    if connection.dialect.name == "sqlite":
        return DatabaseIdentity(None, sqlite_place(connection))
    place = connection.execute(select(postgresql_place().scalar_subquery())).scalar_one()
    cluster = None
    may_ask = text("SELECT has_function_privilege('pg_control_system()', 'execute')")
    if connection.execute(may_ask).scalar_one():
        query = text("SELECT system_identifier::text FROM pg_control_system()")
        cluster = str(connection.execute(query).scalar_one())
    return DatabaseIdentity(cluster, place)


def recorded(connection: Connection) -> DatabaseIdentity | None:
    """Return what was recorded; None in a database that nothing was recorded in yet."""
    row = connection.execute(
        select(database_identity.c.cluster, database_identity.c.place)
    ).one_or_none()
    return None if row is None else DatabaseIdentity(row.cluster, row.place)


def record_first(connection: Connection) -> bool:
    """Record the identity where none is, and return whether it was done now.

    One that is recorded stays, whatever database this is.
    """
    if recorded(connection) is not None:
        return False
    identity = of_this_database(connection)
    values = {"cluster": identity.cluster, "place": identity.place, "recorded_at": db_now()}
    connection.execute(insert(database_identity).values(identity_id=1, **values))
    return True


def record_anew(connection: Connection) -> None:
    """Let this be our database from now on: somebody says so. What refused it is forgotten."""
    record_first(connection)
    identity = of_this_database(connection)
    connection.execute(
        update(database_identity).values(
            cluster=identity.cluster,
            place=identity.place,
            recorded_at=db_now(),
            recovered_at=db_now(),
            refused_at=None,
            refused_because=None,
        )
    )


def lock(connection: Connection) -> None:
    """Let nobody vouch for the database, or refuse it, until this transaction ends."""
    connection.execute(select(database_identity.c.identity_id).with_for_update())


def keep_quiet(connection: Connection, lease: timedelta) -> None:
    """Let no calendar be written to for so long."""
    until = db_now(lease.total_seconds())
    connection.execute(update(database_identity).values(quiet_until=until))


def quiet_for(connection: Connection) -> timedelta:
    """Return for how long no calendar is written to after a recovery; zero where all may be."""
    row = connection.execute(
        select(database_identity.c.quiet_until, db_now().label("now"))
    ).one_or_none()
    if row is None or row.quiet_until is None:
        return timedelta()
    duration: timedelta = row.quiet_until - row.now
    return max(duration, timedelta())


def refuse(connection: Connection, because: str) -> None:
    """Record that a process refuses this database, so that all others do until `recover`."""
    connection.execute(
        update(database_identity)
        .where(database_identity.c.refused_at.is_(None))
        .values(refused_at=db_now(), refused_because=because)
    )


def refusal(connection: Connection) -> str | None:
    """Return why nothing may be written from this database, in words with the remedy, or None."""
    row = connection.execute(
        select(
            database_identity.c.cluster,
            database_identity.c.place,
            database_identity.c.refused_because,
        )
    ).one_or_none()
    if row is None:
        return None
    if row.refused_because is not None:
        return str(row.refused_because)
    this = of_this_database(connection)
    # a cluster that was not known then, or is not now, tells nothing
    is_same_cluster = None in {row.cluster, this.cluster} or row.cluster == this.cluster
    return None if row.place == this.place and is_same_cluster else ANOTHER


def require_ours(connection: Connection) -> None:
    """Raise StateInDoubt where nothing may be written from this database."""
    if because := refusal(connection):
        raise StateInDoubt(because)
