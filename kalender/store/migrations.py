"""The tables brought forward: alembic, run from wherever the migrations were installed.

Revisions are four digits. Within a thousand a migration only adds, and what it adds may be left
out: older releases go on working on the new tables, and may be started on them. A migration that
does not only add begins the next thousand.
"""

from importlib import resources
from pathlib import Path

import structlog
from sqlalchemy import inspect, text

from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.store import identity
from kalender.store.database import Database
from kalender.store.tables import database_identity

log = structlog.get_logger()
TRIES = 5


def _scripts() -> Path:
    installed = Path(str(resources.files("kalender"))) / "_migrations"
    return installed if installed.is_dir() else installed.parents[1] / "migrations"


def revisions() -> list[str]:
    """Return the revisions this release knows, the oldest first: files are named after them."""
    return sorted(each.name[:4] for each in (_scripts() / "versions").glob("[0-9]*.py"))


def newest() -> str:
    """Return the revision this release needs."""
    return revisions()[-1]


def current(database: Database) -> str | None:
    """Return the database's revision; None where it has no tables."""
    with database.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        told = connection.execute(text("SELECT version_num FROM alembic_version"))
        return told.scalar_one_or_none()


def upgrade(database: Database, to: str = "head") -> bool:
    """Bring the tables to this release in one transaction; views are made anew.

    Others may be at work on them. Raises ConfigError where a newer release made them. Returns
    whether this database was recorded just now as the one that calendars are written from.
    """
    found = current(database)
    if found is not None and found not in revisions():
        raise ConfigError(f"the database is at revision {found}: {remedy(found)}")
    for again in reversed(range(TRIES)):
        try:
            return _upgrade(database, to)
        except NeighbourUnavailable as error:
            if not (again and _is_deadlock(error)):
                raise
            log.warning("upgrade_again", reason="deadlock with somebody at work")
    raise AssertionError  # the last try ends in one way or the other


def _upgrade(database: Database, to: str) -> bool:
    from alembic import command  # noqa: PLC0415  # no other command needs it
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(_scripts()))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, to)
        has_place = inspect(connection).has_table(database_identity.name)
        return has_place and identity.record_first(connection)


def _is_deadlock(error: NeighbourUnavailable) -> bool:
    """Whether PostgreSQL ended our transaction so that a worker's could go on."""
    return type(getattr(error.__cause__, "orig", None)).__name__ == "DeadlockDetected"


def remedy(found: str | None) -> str:
    """Say what is to be done where the tables are at this revision."""
    if found == newest():
        return "up to date, nothing to do"
    if found is None or found in revisions():
        return "run kalender db upgrade"
    if _only_adds(found):
        return f"a newer release only added to {newest()}: this one works, upgrade the package soon"
    return f"this release knows revisions up to {newest()}: upgrade the package"


def require_current(database: Database) -> None:
    """Raise ConfigError where this release cannot work with the tables.

    What a newer release only added to is taken, with a warning: during a rolling upgrade an older
    process may be started anew.
    """
    found = current(database)
    if found == newest():
        return
    if found is not None and _only_adds(found):
        log.warning("tables_are_newer", found=found, needed=newest())
        return
    state = "has no tables" if found is None else f"is at revision {found}, not {newest()}"
    raise ConfigError(f"the database {state}: {remedy(found)}")


def is_workable(found: str | None) -> bool:
    """Whether this release can work with tables at that revision."""
    return found == newest() or (found is not None and _only_adds(found))


def _only_adds(found: str) -> bool:
    """Whether a revision that this release does not know only adds to what it does."""
    return found > newest() and found[:-3] == newest()[:-3]
