"""The first day: what a resync of everybody into an empty mirror costs.

The database's part of it is the time that the resync waits for its statements. Beside it stands a
bare COPY, in the same run, of all rows that it left, into a database that has the same tables.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import event

from bench.measure import Figure, paired, single
from bench.resync import FEW, NOW, STUDENTS, peak, wired
from kalender.mirror.resync import resync
from kalender.mirror.scope import Settings
from kalender.sandbox.generate import generate
from kalender.sandbox.server import start
from kalender.store import migrations
from kalender.store.database import Database
from kalender.store.tables import metadata
from tests.e2e.house import House


@dataclass(slots=True)
class Waits:
    """How long statements of an engine took, seen from the process that waits for them."""

    seconds: float = 0.0
    begun: float = 0.0

    def watch(self, database: Database) -> None:
        """Count from now on."""
        event.listen(database.engine, "before_cursor_execute", self._begin)
        event.listen(database.engine, "after_cursor_execute", self._end)

    def _begin(self, *_: Any) -> None:
        self.begun = monotonic()

    def _end(self, *_: Any) -> None:
        self.seconds += monotonic() - self.begun


def copied(source: str, target: str) -> float:
    """Copy what stands in one database into the empty tables of another; return the seconds."""
    seconds, filled, empty = 0.0, Database(source), Database(target)
    migrations.upgrade(empty)
    with filled.read() as reading, empty.write() as writing:
        of, to = (connection.connection.cursor() for connection in (reading, writing))
        for table in metadata.sorted_tables:
            to.execute(f"SELECT 1 FROM {table.name} LIMIT 1")
            if to.fetchone() is None:
                with of.copy(f"COPY {table.name} TO STDOUT") as copy:
                    rows = b"".join(bytes(part) for part in copy)
                begun = monotonic()
                with to.copy(f"COPY {table.name} FROM STDIN") as copy:
                    copy.write(rows)
                seconds += monotonic() - begun
    filled.close()
    empty.close()
    return seconds


def run(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Measure a first reading as a command, then in this process beside COPY."""
    many = FEW if quick else STUDENTS
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        generate(directory / "university", students=many)
        with start(directory / "university") as sandbox:

            def installed(name: str, url: str) -> House:
                place = directory / name
                place.mkdir()
                house = House(
                    place, directory / "university", sandbox, url, NOW, "epost:INSTITUSJON"
                )
                text = house.config.read_text()
                house.config.write_text(text.replace("uio.example", "uni.example"))
                house.run("db", "upgrade")
                return house

            name = f"first reading of {many:,} students"
            house = installed("command", make_database())
            begun = monotonic()
            megabytes = peak(house, now=NOW)
            yield single(f"{name}: seconds", monotonic() - begun, at_most=None if quick else 45)
            yield single(f"{name}: its process, MB at most", megabytes, at_most=400)
            url = make_database()
            app = wired(installed("process", url))

            def waits() -> float:
                database, waits = app.database(), Waits()
                waits.watch(database)
                digests = app.settings().digests
                rules = Settings(digests=digests, rollout_mode="all", max_updated_share=1.0)
                resync(app.refresh_context(database), settings=rules)
                database.close()
                return waits.seconds

            yield paired(
                f"{name}: seconds of the database, a bare COPY of its rows",
                waits,
                lambda: copied(url, make_database()),
                at_most=None if quick else 4,
                pairs=1,
            )
