"""How large the pages are and how soon they are answered: on the real term and at 300,000 calendars.

The term is filled once, on PostgreSQL, and copied to SQLite. Afterwards PostgreSQL gets as many
persons and calendars beside it as a large university has, with what was written to them lately.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from threading import Event
from time import monotonic

from sqlalchemy import text

from bench import load
from bench.fill import NOW
from bench.measure import Figure, single
from bench.web import paths, serving
from kalender.sandbox.server import start
from kalender.store.database import Database
from tests.copying import copy_rows
from tests.e2e.house import House, cut
from tests.real_data import unpack_term

CALENDARS, FEW = 300_000, 20_000
SOON, SOON_AT_MANY = 0.2, 1.0  # seconds
LARGEST = 100.0  # kB
SAMPLES = 5
PARTS = 40_000  # of the term's entries, one of which each calendar gets: some five entries
STATUS_IS_FRESH = 5.2  # seconds after which the status is read anew
PERSONS = """
    INSERT INTO person (created_at, fs_asked_at) SELECT now(), now() FROM generate_series(1, :many)
"""
USERNAMES = """
    INSERT INTO identity (kind, value, person_id)
    SELECT 'username', 'u' || person_id, person_id FROM person
    WHERE person_id NOT IN (SELECT person_id FROM identity)
"""
BESIDE = """
    INSERT INTO calendar (calendar_id, person_id, audience, address, owner, backend, state,
                          synced_digest, synced_settings, synced_at, verified_at)
    SELECT 10000000 + person_id, person_id, 'student', 'u' || person_id || '@uio.example', true,
           'main', 'active', md5(person_id::text), md5('settings'), now(), now()
    FROM person WHERE person_id NOT IN (SELECT person_id FROM calendar)
"""
ENTRIES = """
    INSERT INTO entry (sync_key, calendar_id, event_id, course, version, semester, term_number,
                       actid, status, item_id, change_key, fingerprint, starts_at, ends_at,
                       written_at)
    SELECT c.calendar_id || e.sync_key, c.calendar_id, event_id, course, version, semester,
           term_number, actid, status, item_id, change_key, fingerprint, starts_at, ends_at,
           written_at
    FROM calendar c
    JOIN (SELECT *, row_number() OVER (ORDER BY sync_key) % :every AS part FROM entry) e
      ON c.calendar_id % :every = e.part
    WHERE c.calendar_id > 10000000
"""
WRITES = """
    INSERT INTO change_log (at, calendar_id, person_id, operation, event_id, sync_key, reason, cause,
                            course, lane)
    SELECT now() - random() * interval '8 days', calendar_id, calendar_id - 10000000,
           (ARRAY['create', 'update', 'delete'])[1 + n % 3], event_id, sync_key, 'bench',
           (ARRAY['notification', 'resync', 'poll'])[1 + n % 3], course, 1
    FROM (SELECT *, row_number() OVER () AS n FROM entry WHERE calendar_id > 10000000) AS written
    LIMIT :writes
"""
WORK = """
    INSERT INTO dirty (kind, key, generation, priority, due_at, first_marked_at, reason, attempts)
    SELECT 'calendar', calendar_id::text, 1, 4, now(), now(), 'bench', 0
    FROM calendar WHERE calendar_id > 10000000 AND calendar_id % 60 = 0
"""


def run(make_database: Callable[[], str], *, quick: bool, students: int | None) -> Iterator[Figure]:
    """Measure pages on both databases and at many calendars, and a load on both databases."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        university = unpack_term(directory)
        if students is not None:
            university = cut(university, directory / "cut", students=students)
        with start(university) as sandbox:
            house = House(directory, university, sandbox, make_database(), NOW, forked=False)
            house.run("db", "upgrade")
            house.run("resync", "--all")
            house.run("worker", "--until-idle")
            yield from of_installation(house, quick=quick)


def of_installation(house: House, *, quick: bool) -> Iterator[Figure]:
    """Measure all on a filled installation; its database is grown at the end."""
    beside = directory_of(house, "sqlite")
    on_sqlite = House(
        beside, house.university, house.sandbox, f"sqlite:///{beside}/k.db", NOW, forked=False
    )
    on_sqlite.run("db", "upgrade")
    copy_rows(house.database, on_sqlite.database)
    on_both = {"PostgreSQL": house, "SQLite": on_sqlite}
    for name, each in on_both.items():
        yield from answers(each, f"the real term, {name}", None if quick else SOON)
    for name, each in on_both.items():
        yield from load.run(each, name, quick=quick)
    many = FEW if quick else CALENDARS
    grow(house.database, many)
    goal = None if quick else SOON_AT_MANY
    yield from answers(house, f"{many:,} calendars, PostgreSQL", goal)


def directory_of(house: House, name: str) -> Path:
    """Make a directory beside an installation's files."""
    path = house.directory / name
    path.mkdir()
    return path


def grow(url: str, many: int) -> None:
    """Let a database of PostgreSQL have so many calendars, each with a part of the term's entries.

    Half a million writes stand in its change log beside those of the term, and some work is due.
    """
    database = Database(url)
    with database.write() as connection:
        connection.execute(text(PERSONS), {"many": many})
        for statement in (USERNAMES, BESIDE, WORK):
            connection.execute(text(statement))
        connection.execute(text(ENTRIES), {"every": PARTS})
        connection.execute(text(WRITES), {"writes": min(many, 500_000) * 2})
    with database.write() as connection:
        connection.execute(text("ANALYZE"))
    database.close()


# -- the pages ------------------------------------------------------------------------------------------


def answers(house: House, name: str, goal: float | None) -> Iterator[Figure]:
    """Ask for each page some times; its median counts, of the status only where it is read anew."""
    sizes = dict[str, float]()
    with serving(house) as web:
        for page, path in paths(house, web).items():
            sizes[page], taken = len(web.get(path).content) / 1000, []
            for _ in range(SAMPLES):
                if page == "status":
                    Event().wait(STATUS_IS_FRESH)
                begun = monotonic()
                web.get(path)
                taken.append(monotonic() - begun)
            spread = f"{min(taken):.3g} - {max(taken):.3g}, {sizes[page]:.3g} kB"
            figure = single(f"{name}, {page}: seconds", median(taken), at_most=goal)
            yield replace(figure, spread=spread)
    largest = max(sizes, key=lambda page: sizes[page])
    yield single(f"{name}: the largest page, kB", sizes[largest], at_most=LARGEST, spread=largest)
