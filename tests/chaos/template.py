"""A university and an installation filled once; every run begins with a copy of both."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from kalender.sandbox.installation import ON_EWS
from kalender.store import migrations
from kalender.store.database import Database
from tests.chaos.grounds import Grounds, Loop
from tests.chaos.installation import SECRET, TOKEN, Command, Databases, environment
from tests.chaos.judge import created_ids, leaks, secrets_of
from tests.chaos.university import NOW, Campus, live_in, make
from tests.e2e.house import House

PREMISES = f"""
[exchange.premises]
{ON_EWS}
[exchange]
default = "main"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What a run begins with."""

    databases: Databases
    database: str
    university: Path
    exchange: bytes
    created: frozenset[str]
    names: dict[str, str]  # calendar -> the username in its address
    on_graph: bool


def fill(
    loop: Loop, directory: Path, databases: Databases, seed: int, *, on_graph: bool
) -> Template:
    """Fill a university's calendars by the real commands; let its people live in them."""
    university = directory / "university"
    make(university, seed)
    url = databases.make()
    _migrate(url)
    with opened(loop, university, None, on_graph=on_graph) as grounds:
        house = house_on(directory, grounds, university, url, on_graph=on_graph)
        for words in (["resync", "--all"], ["worker", "--until-idle"]):
            command = Command(house, words, environment(on_graph=on_graph))
            assert command.wait(120), f"{words} did not end"
        assert house.differences() == [], "the first fill is wrong"
        leaked = leaks(directory.glob("*.log"), secrets_of(university) | {SECRET, TOKEN})
        assert leaked == [], leaked
        live_in(grounds, Campus(house, seed))
        return Template(
            databases=databases,
            database=url,
            university=university,
            exchange=grounds.freeze(),
            created=frozenset(created_ids(grounds.world.journal.since(0))),
            names=_names(url),
            on_graph=on_graph,
        )


def opened(
    loop: Loop, university: Path, frozen: bytes | None, *, on_graph: bool, both: bool = False
) -> Grounds:
    """Serve a university whose passwords are found in no log by accident."""
    grounds = Grounds(loop, university, frozen, on_graph=on_graph, both=both)
    grounds.world.passwords |= dict.fromkeys(("fs", "tp", "exchange", "graph"), SECRET)
    return grounds


def house_on(  # noqa: PLR0913
    directory: Path,
    grounds: Grounds,
    university: Path,
    url: str,
    broker: str = "",
    *,
    on_graph: bool,
    both: bool = False,
) -> House:
    """Return an installation on these grounds; everybody's mailbox is on the one backend.

    With `both` it knows the other backend as well, as `[exchange.cloud]` or `[exchange.premises]`.
    """
    graph: Literal["all", "half", "none"] = "all" if on_graph else "half" if both else "none"
    if on_graph and both:
        broker += PREMISES.format(exchange=grounds.endpoints.exchange)
    return House(directory, university, grounds, url, NOW, graph=graph, broker=broker)


def copy_university(template: Template, directory: Path) -> Path:
    """Return a copy of the files, to be changed."""
    return Path(shutil.copytree(template.university, directory / "university"))


def _migrate(url: str) -> None:
    database = Database(url)
    migrations.upgrade(database)
    database.close()


def looking_engine(url: str) -> Engine:
    """Return an engine to look into a database with, also after it was restored beneath it.

    Threads use it while another restores, so nobody can close its connections then: what was just
    in use would come back to a pool that nobody closes any more. Each is asked whether it lives
    before it is used again; on SQLite, whose file is replaced, each look opens the file anew.
    """
    if make_url(url).get_backend_name() == "sqlite":
        return create_engine(url, poolclass=NullPool)
    return create_engine(url, pool_size=1, pool_pre_ping=True)


def _names(url: str) -> dict[str, str]:
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT calendar_id, address FROM calendar")).all()
    return {str(number): address.partition("@")[0] for number, address in rows}
