"""Many marked at once on PostgreSQL: whether claims keep their pace, and what more workers give.

Marks, claims and finishes are the store's own, taken as a worker takes them; nothing else is done
with the calendars, which need not exist for that.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from itertools import count
from multiprocessing import get_context
from statistics import median
from time import monotonic

from bench.measure import PAIRS, Figure, as_in_the_command, paired, single
from kalender.domain.work import Kind, Lane, Mark
from kalender.store import migrations, queue
from kalender.store.database import Database
from kalender.worker.thread import CLAIMED_AT_MOST, OLDEST_EACH

MANY, FEW = 300_000, 40_000
CLAIMED_TOGETHER = 10_000  # marks in one transaction
LEASE = timedelta(minutes=3)


def mark_all(database: Database, numbers: range) -> float:
    """Mark calendars of these numbers, batch by batch; return how many a second."""
    begun = monotonic()
    for first in range(numbers.start, numbers.stop, CLAIMED_TOGETHER):
        batch = range(first, min(first + CLAIMED_TOGETHER, numbers.stop))
        kind, lane = Kind.CALENDAR, Lane.RESYNC
        marks = [Mark(kind=kind, key=str(each), reason="bench", lane=lane) for each in batch]
        with database.write() as connection:
            queue.mark(connection, marks)
    return len(numbers) / (monotonic() - begun)


def claim(database: Database, limit: int, *, oldest: bool = False) -> list[queue.Claim]:
    """Claim due work of every kind, as a worker does whose neighbours all answer."""
    with database.write() as connection:
        return queue.claim(
            connection, list(Kind), worker="bench", lease=LEASE, limit=limit, oldest=oldest
        )


def finished(database: Database) -> Iterator[tuple[int, float]]:
    """Claim and finish until nothing is due; yield how many, and the seconds they took."""
    for turn in count(1):
        begun = monotonic()
        claims = claim(database, CLAIMED_AT_MOST, oldest=turn % OLDEST_EACH == 0)
        if not claims:
            return
        with database.write() as connection:
            queue.finish_all(connection, claims)
        yield len(claims), monotonic() - begun


def tenths(database: Database, many: int, rounds: int) -> Figure:
    """Mark so many and finish them; hold the pace of the last tenth against the first's."""
    with as_in_the_command():
        paces = [_paces(database, many) for _ in range(rounds)]
    ratios = sorted(last / first for first, last in paces)
    return Figure(
        name=f"{many:,} marked at once: finished a second, last tenth beside first",
        ours=round(median(last for _, last in paces)),
        reference=round(median(first for first, _ in paces)),
        ratio=round(median(ratios), 2),
        spread=f"{ratios[0]:.2f} - {ratios[-1]:.2f}",
        goal=">= 0.8",
        met=median(ratios) >= 0.8,  # noqa: PLR2004
    )


def _paces(database: Database, many: int) -> tuple[float, float]:
    mark_all(database, range(many))
    took = [seconds for _, seconds in finished(database)]
    tenth = len(took) // 10
    return CLAIMED_AT_MOST * tenth / sum(took[:tenth]), CLAIMED_AT_MOST * tenth / sum(took[-tenth:])


def by_workers(url: str, many: int, workers: int) -> Callable[[], float]:
    """Return what marks so many, has processes finish them and tells how many a second."""

    def measured() -> float:
        database = Database(url)
        mark_all(database, range(many))
        database.close()  # a connection is not for two processes
        with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
            begun = monotonic()
            done = sum(pool.map(drain, [url] * workers))
            took = monotonic() - begun
        if done != many:
            raise AssertionError(f"{done} finished of {many}")
        return many / took

    return measured


def drain(url: str) -> int:
    """Finish what is due, in this process; return how many that were."""
    database = Database(url)
    done = sum(each for each, _ in finished(database))
    database.close()
    return done


def run(url: str, *, quick: bool) -> Iterator[Figure]:
    """Measure on one database."""
    many, pairs = (FEW, 1) if quick else (MANY, PAIRS)
    database = Database(url)
    migrations.upgrade(database)
    yield single("marks a second", mark_all(database, range(many)))
    drain(url)
    yield tenths(database, many, pairs)
    database.close()
    one, two, four = (by_workers(url, many, workers) for workers in (1, 2, 4))
    name = "claimed and finished a second by {} workers, beside {}"
    yield paired(name.format(2, 1), two, one, at_least=1.3, pairs=pairs)
    yield paired(name.format(4, 2), four, two, pairs=pairs)  # two cores: told, no goal
