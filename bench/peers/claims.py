"""Work handed out from PostgreSQL: our marks and claims beside pgqueuer's jobs.

Both take and finish what was enqueued before, by one process on one connection to an empty
database of its own; starting the process is not in the time, nor is enqueueing. pgqueuer also
keeps a log of every job; our claims lend for a time, and a mark meanwhile is not lost.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter, process_time

from bench.claims import drain, mark_all
from bench.measure import Figure
from bench.peers.pair import Spent, beside
from bench.peers.programs import program
from kalender.store import migrations
from kalender.store.database import Database

JOBS, FEW = 20_000, 2_000
BATCHES = (10, 1000)  # pgqueuer's default, and what one claim of ours takes at most
PAIRS = 5


def run(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Measure beside both of pgqueuer's batch sizes."""
    jobs, pairs = (FEW, 1) if quick else (JOBS, PAIRS)
    for size in BATCHES:
        yield from beside(
            f"{jobs:,} jobs: {{}}, beside pgqueuer in batches of {size:,}",
            "finished a second",
            jobs,
            ours=lambda: ours(make_database(), jobs),
            theirs=lambda size=size: theirs(make_database(), jobs, size),  # type: ignore[misc]
            pairs=pairs,
        )


def ours(url: str, jobs: int) -> Spent:
    """Mark, then claim and finish."""
    database = Database(url)
    migrations.upgrade(database)
    mark_all(database, range(jobs))
    database.close()
    begun, used = perf_counter(), process_time()
    done = drain(url)
    took = Spent(perf_counter() - begun, process_time() - used)
    if done != jobs:
        raise AssertionError(f"{done} finished of {jobs}")
    return took


def theirs(url: str, jobs: int, batch_size: int) -> Spent:
    """Enqueue, then drain."""
    script, plain = str(Path(__file__).with_name("drain.py")), url.replace("+psycopg", "")
    words = [program("python"), script, plain, str(jobs), str(batch_size)]
    said = subprocess.run(words, stdout=subprocess.PIPE, check=True, timeout=600)
    told = json.loads(said.stdout)
    if (told["finished"], told["left"]) != (jobs, 0):
        raise AssertionError(f"pgqueuer finished {told['finished']}, and left {told['left']}")
    return Spent(told["wall"], told["cpu"])
