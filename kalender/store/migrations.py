"""The tables brought forward: alembic, run from wherever the migrations were installed."""

from importlib import resources
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from kalender.errors import ConfigError
from kalender.store.database import Database


def _config() -> Config:
    installed = resources.files("kalender") / "_migrations"
    source = Path(str(resources.files("kalender"))).parent / "migrations"
    config = Config()
    config.set_main_option("script_location", str(installed if installed.is_dir() else source))
    return config


def newest() -> str:
    """Return the revision this release needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current(database: Database) -> str | None:
    """Return the database's revision; None where it has no tables."""
    with database.read() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database) -> None:
    """Bring the tables to this release in one transaction; views are made anew."""
    config = _config()
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def require_current(database: Database) -> None:
    """Raise ConfigError where the tables are not this release's."""
    found = current(database)
    if found != newest():
        state = "has no tables" if found is None else f"is at revision {found}, not {newest()}"
        message = f"the database {state}: run kalender db upgrade"
        raise ConfigError(message)
