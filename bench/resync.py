"""A big term: what a resync costs a day later, and how many unchanged calendars a second are seen.

Mirror and digests are seeded as a finished fill leaves them; that nothing is written is checked.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from time import monotonic

from sqlalchemy import select

from bench.fill import timed
from bench.measure import PAIRS, Figure, single
from kalender.app import App, clock_from
from kalender.config import load
from kalender.domain.work import Kind, Lane
from kalender.reconcile.desired import load_states
from kalender.reconcile.reconcile import finish_unchanged
from kalender.sandbox.generate import generate
from kalender.sandbox.server import start
from kalender.store import entries, people, queue
from kalender.store.database import Database
from kalender.store.queue import Claim
from kalender.store.sql import update_many
from kalender.store.tables import calendar
from kalender.worker.supervisor import collect_seldom
from tests.e2e.house import House

NOW, NEXT_DAY = "2025-08-18T08:00+02:00", "2025-08-19T08:00+02:00"
STUDENTS, FEW = 27_000, 1_000
LEASE = timedelta(minutes=3)
CLAIMED = 1000


def seed(wired: App) -> int:
    """Leave every calendar as a finished fill does; return how many."""
    database, settings = wired.database(), wired.settings()
    same = {"synced_settings": settings.digest, "synced_at": wired.machine_now()}
    with database.write() as connection:
        ids = sorted(connection.execute(select(calendar.c.calendar_id)).scalars())
        for first in range(0, len(ids), CLAIMED):
            rows = entries.load_many(connection, ids[first : first + CLAIMED])
            views = load_states(connection, rows, settings, wired.clock())
            told = [
                {
                    "calendar_id": view.row.calendar_id,
                    "synced_digest": view.digest,
                    "changes_at": view.changes_at,
                }
                for view in views
            ]
            update_many(connection, calendar, told, by="calendar_id", **same)
    database.close()
    return len(ids)


def unchanged_a_second(wired: App) -> float:
    """Mark all, then claim, compute the digest and finish, in this process as in a worker's."""
    collect_seldom()
    worker_context, count = wired.worker_context(), 0
    with worker_context.database.write() as connection:
        ids = connection.execute(select(calendar.c.calendar_id)).scalars().all()
        people.mark_calendars(connection, ids, reason="bench", lane=Lane.LIVE)
    begun = monotonic()
    while claims := _claimed(worker_context.database):
        if rest := finish_unchanged(worker_context.reconcile_context, claims):
            raise AssertionError(f"{len(rest)} calendars would be written")
        count += len(claims)
    took = monotonic() - begun
    worker_context.database.close()
    return count / took


def _claimed(database: Database) -> list[Claim]:
    with database.write() as connection:
        return queue.claim(connection, [Kind.CALENDAR], worker="bench", lease=LEASE, limit=CLAIMED)


def a_day_later(house: House, name: str) -> tuple[list[Figure], float]:
    """Resync and let the workers come to rest; return the figures, and the seconds alone."""
    name = f"resync a day later, {name}, their digests seeded"
    house.send("DELETE", "requests")
    wall, _ = timed(house, "resync", "--all", now=NEXT_DAY)
    pages = house.get("counters")["fs"]  # a worker asks for persons, one by one
    idle, _ = timed(house, "worker", "--until-idle", now=NEXT_DAY)
    asked = house.get("counters")
    courses = asked.get("tp.course", 0)
    beyond = asked["fs"] + asked["tp"] - courses - pages
    return [
        single(f"{name}: seconds", wall + idle, at_most=30),
        single(f"{name}: requests beyond courses + pages", beyond, at_most=20),
        single(f"{name}: requests to Exchange", asked["exchange"], at_most=0),
    ], wall + idle


@contextmanager
def filled(directory: Path, students: int, url: str, form: str) -> Iterator[House]:
    """Serve a university of so many, mirrored and seeded."""
    university = directory / f"university-{students}"
    generate(university, students=students)
    with start(university) as sandbox:
        place = directory / f"house-{students}-{form}"
        place.mkdir()
        house = House(place, university, sandbox, url, NOW, "epost:INSTITUSJON")
        house.send("PUT", "fs/form", {"form": form})
        text = house.config.read_text().replace("uio.example", "uni.example")
        house.config.write_text(text.replace('mode = "all"', 'mode = "off"'))
        house.run("db", "upgrade")
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        house.config.write_text(text)
        seed(wired(house))
        yield house


def wired(house: House, now: str = NOW) -> App:
    """The installation in this process."""
    return App(load(house.config, os.environ), clock_from(datetime.fromisoformat(now)))


def run(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Measure the big term in both forms of the collections, and a tenth of it."""
    many = FEW if quick else STUDENTS
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        with filled(directory, many, make_database(), "fields") as house:
            figures, whole = a_day_later(house, f"{many:,} students, fields")
            yield from (*figures, memory(house))
            rates = sorted(
                unchanged_a_second(wired(house, NEXT_DAY)) for _ in range(1 if quick else PAIRS)
            )
            spread = f"{rates[0]:.0f} - {rates[-1]:.0f}"
            name = "unchanged calendars claimed, digested, finished a second"
            yield single(name, median(rates), at_least=5000, spread=spread)
        with filled(directory, many // 10, make_database(), "fields") as house:
            _, part = a_day_later(house, f"{many // 10:,} students, fields")
            yield single("ten times the people: times the seconds", whole / part, at_most=11)
    if not quick:
        with (
            tempfile.TemporaryDirectory() as made,
            filled(Path(made), many, make_database(), "ids") as house,
        ):
            figures, _ = a_day_later(house, f"{many:,} students, ids alone")
            yield from figures


PEAK = (
    "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
)


def memory(house: House) -> Figure:
    """How much one resync's process takes at most."""
    return single("resync process, MB at most", peak(house, now=NEXT_DAY), at_most=400)


def peak(house: House, *, now: str) -> float:
    """Resync in a process of its own; return how many MB it takes at most."""
    words = [sys.executable, "-c", PEAK, *house.command("resync", "--all", now=now)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return int(done.stdout) / 1024
