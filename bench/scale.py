"""Marks and claims where millions of calendars are due at once, on PostgreSQL: `make bench-scale`.

    python -m bench.scale --calendars 5000000

Persons and calendars are bare rows; marks, claims and finishes are the store's own. The database
is made on the server that KALENDER_TEST_DATABASE_URL names, and dropped at the end.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from time import monotonic

from sqlalchemy import text

from bench.claims import claim, finished, mark_all
from bench.measure import Figure, show, single
from bench.parts import databases
from bench.resync import PEAK
from kalender.sandbox.installation import SETTINGS
from kalender.store import migrations, queue
from kalender.store.database import Database
from kalender.worker.thread import CLAIMED_AT_MOST, CLAIMED_TOGETHER
from tests import servers

FEW, SAMPLE, TIMES = 50_000, 200_000, 20
PERSONS = "INSERT INTO person (created_at) SELECT now() FROM generate_series(1, :many)"
CALENDARS = """
    INSERT INTO calendar (calendar_id, person_id, audience, address, owner, backend, state,
                          synced_digest, synced_settings, synced_at)
    SELECT person_id, person_id, 'student', 'st' || person_id || '@uni.example', true, 'main',
           'active', md5(person_id::text), md5('settings'), now()
    FROM person
"""
SIZES = """
    SELECT relname, pg_table_size(oid) / 1e6, pg_indexes_size(oid) / 1e6
    FROM pg_class WHERE relname IN ('dirty', 'calendar', 'person') ORDER BY relname
"""


def claimed(database: Database, limit: int, *, oldest: bool = False) -> float:
    """Median milliseconds of a claim of so many, each given back."""
    took = []
    for _ in range(TIMES):
        begun = monotonic()
        claims = claim(database, limit, oldest=oldest)
        took.append(monotonic() - begun)
        with database.write() as connection:
            queue.release_all(connection, claims)
    return median(took) * 1000


def claims_at(database: Database, due: int) -> dict[str, float]:
    """Return milliseconds by what was claimed."""
    with database.write() as connection:
        connection.execute(text("ANALYZE dirty"))
    return {
        f"claim of {CLAIMED_TOGETHER}, ms, {due:,} due": claimed(database, CLAIMED_TOGETHER),
        f"claim of {CLAIMED_AT_MOST:,}, ms, {due:,} due": claimed(database, CLAIMED_AT_MOST),
        f"claim of the {CLAIMED_TOGETHER} oldest, ms, {due:,} due": claimed(
            database, CLAIMED_TOGETHER, oldest=True
        ),
    }


def finished_a_second(database: Database) -> float:
    """Claim and finish a sample."""
    done, begun = 0, monotonic()
    for each, _ in islice(finished(database), SAMPLE // CLAIMED_AT_MOST):
        done += each
    return done / (monotonic() - begun)


def status(url: str) -> Iterator[Figure]:
    """Run the command once; its wall time and memory."""
    away = "http://127.0.0.1:9"
    with tempfile.TemporaryDirectory() as directory:
        config = Path(directory) / "config.toml"
        ends = dict.fromkeys(("fs", "tp", "exchange"), away)
        written = SETTINGS.format(
            domain="uio.example",
            settle_seconds=0.1,
            database=url,
            mailbox="{username}@uio.example",
            broker="",
            **ends,
        )
        config.write_text(written)
        words = [sys.executable, "-c", PEAK, sys.executable, "-m", "kalender"]
        begun = monotonic()
        done = subprocess.run(
            [*words, "--config", config, "status"], stdout=subprocess.PIPE, text=True, check=True
        )
    yield single("status: seconds", monotonic() - begun)
    yield single("status: MB", int(done.stdout) / 1024)


def run(url: str, many: int) -> Iterator[Figure]:
    """Measure at few and at so many calendars."""
    database = Database(url)
    migrations.upgrade(database)
    with database.write() as connection:
        connection.execute(text(PERSONS), {"many": many})
        connection.execute(text(CALENDARS))
    mark_all(database, range(1, FEW + 1))
    few = claims_at(database, FEW)
    rate = mark_all(database, range(FEW + 1, many + 1))
    yield single(f"marks a second, up to {many:,} due", rate)
    beside = zip(few.values(), claims_at(database, many).items(), strict=True)
    for before, (name, now) in beside:
        yield Figure(
            name=f"{name}; beside {FEW:,}",
            ours=round(now, 1),
            reference=round(before, 1),
            ratio=round(now / before, 2),
        )
    yield single(f"claimed and finished a second, {many:,} due", finished_a_second(database))
    with database.read() as connection:
        for table, held, indexes in connection.execute(text(SIZES)):
            yield single(f"table {table}: MB", float(held))
            yield single(f"table {table}: MB of indexes", float(indexes))
    database.close()
    yield from status(url)


def main() -> None:
    """Print the table and write bench-scale.json."""
    parser = argparse.ArgumentParser(prog="python -m bench.scale")
    parser.add_argument("--calendars", type=int, default=5_000_000)
    many = parser.parse_args().calendars
    with databases(os.environ[servers.DATABASE]) as made:
        show(run(made.make(), many), Path("bench-scale.json"))


if __name__ == "__main__":
    main()
