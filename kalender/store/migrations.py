"""The tables brought forward: alembic, run from wherever the migrations were installed.

Revisions are four digits. Within a thousand a migration only adds, and what it adds may be left
out: older releases go on working on the new tables, and may be started on them. A migration that
does not only add begins the next thousand.
"""

from importlib import resources
from pathlib import Path
from threading import Event
from time import monotonic

import structlog
from sqlalchemy import Connection, inspect, text

from kalender.domain.neighbour import DATABASE
from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.store import own_database
from kalender.store.database import Database, sqlstate, views
from kalender.store.tables import database_identity, metadata

log = structlog.get_logger()
PATIENCE = 60.0  # seconds
PAUSE = 0.3  # seconds
GIVES_WAY = "500ms"  # less than PostgreSQL's deadlock_timeout
GAVE_WAY = ("55P03", "40P01")  # SQLSTATEs: a lock was not available in time; a deadlock
IN_USE = (
    "the tables were in use all the time (a back-up? pg_stat_activity tells by whom), and nothing "
    "was changed: run kalender db upgrade again when they are free"
)


def _scripts() -> Path:
    installed = Path(str(resources.files("kalender"))) / "_migrations"
    return installed if installed.is_dir() else installed.parents[1] / "migrations"


def revisions() -> list[str]:
    """Return the revisions this release knows, the oldest first: files are named after them."""
    return sorted(path.name[:4] for path in (_scripts() / "versions").glob("[0-9]*.py"))


def newest() -> str:
    """Return the revision this release needs."""
    return revisions()[-1]


def current(database: Database) -> str | None:
    """Return the database's revision; None where it has no tables."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        query = connection.execute(text("SELECT version_num FROM alembic_version"))
        return query.scalar_one_or_none()


def upgrade(database: Database, to: str = "head", *, patience: float = PATIENCE) -> bool:
    """Bring the tables to this release in one transaction; views are made anew.

    Others may be at work on the tables: the upgrade takes all of them before it changes one, gives
    way where it does not get them at once, and tries again for `patience` seconds. Raises
    NeighbourUnavailable where it did not get them in that time, and ConfigError where a newer
    release made them; nothing was changed then. Returns whether this database was recorded just now
    as the one that calendars are written from.
    """
    revision = current(database)
    if revision is not None and revision not in revisions():
        raise ConfigError(f"the database is at revision {revision}: {remedy(revision)}")
    until = monotonic() + patience
    while True:
        try:
            return _upgrade(database, to)
        except NeighbourUnavailable as error:
            if sqlstate(error.__cause__) not in GAVE_WAY:
                raise
            if monotonic() > until:
                raise NeighbourUnavailable(DATABASE, IN_USE) from error
            log.warning("upgrade_again", reason="somebody is at work on the tables")
            Event().wait(PAUSE)  # those who were held up go on meanwhile


def _upgrade(database: Database, to: str) -> bool:
    from alembic import command  # noqa: PLC0415  # no other command needs it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    with database.write() as connection:
        _lock_all(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        has_place = inspect(connection).has_table(database_identity.name)
        return has_place and own_database.record_first(connection)


def _lock_all(connection: Connection) -> None:
    """Lock all our tables and views on PostgreSQL, before the first of them is changed.

    Migrations change tables one by one; a worker that holds a table which is changed later, and
    wants one that was changed before, would end in a deadlock with them. While we wait for a lock,
    everybody else waits behind us: we give way before PostgreSQL looks for deadlocks (after a
    second) and would end the worker's transaction instead of ours.
    """
    if connection.dialect.name != "postgresql":
        return  # SQLite's writers wait for each other
    connection.execute(text(f"SET LOCAL lock_timeout = '{GIVES_WAY}'"))
    inspector = inspect(connection)
    existing = {*inspector.get_table_names(), *inspector.get_view_names()}
    names = [name for name in (*views(), *metadata.tables) if name in existing]
    if names:
        connection.execute(text(f"LOCK TABLE {', '.join(names)} IN ACCESS EXCLUSIVE MODE"))


def remedy(revision: str | None) -> str:
    """Say what is to be done where the tables are at this revision."""
    if revision == newest():
        return "up to date, nothing to do"
    if revision is None or revision in revisions():
        return "run kalender db upgrade"
    if _only_adds(revision):
        return f"a newer release only added to {newest()}: this one works, upgrade the package soon"
    return f"this release knows revisions up to {newest()}: upgrade the package"


def require_current(database: Database) -> None:
    """Raise ConfigError where this release cannot work with the tables.

    What a newer release only added to is taken, with a warning: during a rolling upgrade an older
    process may be started anew.
    """
    revision = current(database)
    if not is_workable(revision):
        is_at = (
            "has no tables" if revision is None else f"is at revision {revision}, not {newest()}"
        )
        raise ConfigError(f"the database {is_at}: {remedy(revision)}")
    if revision != newest():
        log.warning("tables_are_newer", found=revision, needed=newest())


def is_workable(revision: str | None) -> bool:
    """Whether this release can work with tables at that revision."""
    return revision == newest() or (revision is not None and _only_adds(revision))


def _only_adds(revision: str) -> bool:
    """Whether a revision that this release does not know only adds to what it does."""
    return revision > newest() and revision[:-3] == newest()[:-3]
