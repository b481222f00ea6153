"""A university and an installation filled once; every run begins with a copy of both."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.pool import NullPool

from kalender.store import migrations
from kalender.store.database import Database
from tests.chaos.grounds import Grounds, Loop
from tests.chaos.installation import ENVIRONMENT, SECRET, Command, Databases
from tests.chaos.judge import created_ids, leaks, secrets_of
from tests.chaos.university import NOW, Campus, live_in, make
from tests.e2e.house import House


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a run begins with."""

    databases: Databases
    database: str
    university: Path
    exchange: bytes
    created: frozenset[str]
    names: dict[str, str]  # calendar -> the username in its address


def fill(loop: Loop, directory: Path, databases: Databases, seed: int) -> Template:
    """Fill a university's calendars by the real commands; let its people live in them."""
    university = directory / "university"
    make(university, seed)
    url = databases.make()
    _migrate(url)
    with opened(loop, university, None) as grounds:
        house = House(directory, university, grounds, url, NOW)
        for words in (["resync", "--all"], ["worker", "--until-idle"]):
            command = Command(house, words, ENVIRONMENT)
            assert command.wait(120), f"{words} did not end"
        assert house.differences() == [], "the first fill is wrong"
        leaked = leaks(directory.glob("*.log"), secrets_of(university) | {SECRET})
        assert leaked == [], leaked
        live_in(grounds, Campus(house, seed))
        return Template(
            databases=databases,
            database=url,
            university=university,
            exchange=grounds.freeze(),
            created=frozenset(created_ids(grounds)),
            names=_names(url),
        )


def opened(loop: Loop, university: Path, frozen: bytes | None) -> Grounds:
    """Serve a university whose passwords are found in no log by accident."""
    grounds = Grounds(loop, university, frozen)
    grounds.world.passwords |= dict.fromkeys(("fs", "tp", "exchange"), SECRET)
    return grounds


def copy_university(template: Template, directory: Path) -> Path:
    """Return a copy of the files, to be changed."""
    return Path(shutil.copytree(template.university, directory / "university"))


def _migrate(url: str) -> None:
    database = Database(url)
    migrations.upgrade(database)
    database.close()


def looking(url: str) -> Engine:
    """Return an engine to look into a database with."""
    return create_engine(url, pool_size=1)


def _names(url: str) -> dict[str, str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT calendar_id, address FROM calendar")).all()
    return {str(number): address.partition("@")[0] for number, address in rows}
