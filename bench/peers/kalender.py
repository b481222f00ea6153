"""Our side of the calendars: an installation at a university of exactly so many entries."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from time import monotonic

from sqlalchemy import text

from bench.measure import cpu_of, family
from bench.peers.pair import Spent, spent
from bench.peers.university import make_university
from kalender.sandbox.installation import Json
from kalender.sandbox.server import start
from kalender.store.database import Database
from tests.drills.town import tell_of_course
from tests.e2e.house import House

NOW = "2025-08-18T08:00+02:00"
STARTS_SECONDS = 5.0


@dataclass(kw_only=True)
class Kalender:
    """An installation whose calendars are to hold so many entries."""

    house: House
    many: int
    turns: Iterator[int] = field(default_factory=lambda: count(1))

    def run(self, *commands: str) -> None:
        """Run these commands one after the other."""
        for command in commands:
            self.house.run(*command.split())

    def fill(self) -> Spent:
        """Fill the calendars from nothing."""
        took = spent(lambda: self.run("resync --all", "worker --until-idle"))
        self._check("Tema 0", self.many)
        return took

    def look(self) -> Spent:
        """Compare every entry with what was written, where nothing changed."""
        self.house.send("DELETE", "requests")
        took = spent(lambda: self.run("verify --all", "worker --until-idle"))
        self._check("", self.many)
        asked = {each for request in self.house.get("requests") for each in request["ids"]}
        if len(asked) != self.many:
            raise AssertionError(f"{len(asked)} entries were looked at")
        return took

    def change(self) -> Spent:
        """Change an event of each course, and tell of the courses."""
        title = f"Endret {next(self.turns)}."
        courses = [path.stem for path in (self.house.university / "tp").iterdir()]
        for course in courses:
            self.house.change_course(course, lambda told: _retitle(told, title))
        took = spent(lambda: self._tell(courses))
        self._check(title, len(courses))
        return took

    @contextmanager
    def at_work(self) -> Iterator[Callable[[], Spent]]:
        """Run the service; yield what changes an event of each course and waits until it is right.

        What the processes take is counted while the change is made, and not when they start.
        """
        courses = [path.stem for path in (self.house.university / "tp").iterdir()]
        with (
            self.house.running("worker") as worker,
            self.house.running("listener", "--stdin", stdin=True) as listener,
        ):
            database = Database(self.house.database)
            threading.Event().wait(STARTS_SECONDS)

            def change() -> Spent:
                title = f"Nyere {next(self.turns)}."
                for course in courses:
                    self.house.change_course(course, lambda told: _retitle(told, title))
                pids = [*family(worker), *family(listener)]
                since, begun, used = database.now(), monotonic(), cpu_of(pids)
                for course in courses:
                    tell_of_course(listener, course)
                wait_until_written(database, since, len(courses))
                took = Spent(monotonic() - begun, cpu_of(pids) - used)
                self._check(title, len(courses))
                return took

            yield change
            database.close()

    def _tell(self, courses: list[str]) -> None:
        with self.house.running("listener", "--stdin", stdin=True) as listener:
            for course in courses:
                tell_of_course(listener, course)
        self.run("worker --until-idle")

    def _check(self, title: str, many: int) -> None:
        held = [entry.subject for entries in self.house.held().values() for entry in entries]
        shown = sum(title in subject for subject in held)
        if (len(held), shown) != (self.many, many):
            raise AssertionError(f"Exchange holds {len(held)} entries, {shown} of {title!r}")


def _retitle(answer: Json, title: str) -> None:
    answer["events"][0]["title"] = title


def wait_until_written(database: Database, since: datetime, many: int) -> None:
    """Wait until so many entries were updated since then, as the change log has it."""
    written = text("SELECT count(*) FROM change_log WHERE operation = 'update' AND at > :since")
    while True:
        with database.read() as connection:
            if connection.execute(written, {"since": since}).scalar_one() >= many:
                return
        threading.Event().wait(0.01)


@contextmanager
def kalender(directory: Path, url: str, many: int, *, seeded: bool) -> Iterator[Kalender]:
    """Yield an installation with nothing written yet, or one that is `seeded`: filled."""
    university = make_university(directory / "university", many)
    with start(university) as sandbox:
        house = House(directory, university, sandbox, url, NOW, "epost:INSTITUSJON", forked=False)
        settings = house.config.read_text().replace("uio.example", "uni.example")
        house.config.write_text(settings)
        house.run("db", "upgrade")
        ours = Kalender(house=house, many=many)
        if seeded:
            ours.fill()
        yield ours
