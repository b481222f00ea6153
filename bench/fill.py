"""Fill the real term from nothing, compare it with the oracle, resync it a day later; print a table.

The worker's processor time stands beside that of stock exchangelib's bulk_create for the same
entries: now and then the worker is stopped while that is measured.
"""

import os
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import median

from bench import precision
from bench.measure import Figure, children_cpu, single
from bench.stock import MAILBOX, seconds_an_entry
from kalender.sandbox.installation import Json
from kalender.sandbox.server import Running, start
from tests.e2e.house import House, cut
from tests.real_data import unpack_term

NOW = "2025-08-18T08:00+02:00"
NEXT_DAY = "2025-08-19T08:00+02:00"
GOAL = 0.35
SLICE_SECONDS, ENOUGH = 4.0, 200  # entries of ours, before they are copied
Stock = Callable[
    [Sequence[Json]], float
]  # CPU seconds an entry, of entries as the control API shows them


def timed(house: House, *words: str, now: str | None = None) -> tuple[float, float]:
    """Run a command; return its wall and CPU seconds."""
    wall, cpu = time.monotonic(), children_cpu()
    house.run(*words, now=now)
    return time.monotonic() - wall, children_cpu() - cpu


def filled_in_slices(house: House, stock: Stock | None) -> tuple[float, float, list[float]]:
    """Run the worker; return its wall and CPU seconds, and stock's an entry, taken in between."""
    house.send("POST", "exchange/mailboxes", {"addresses": [MAILBOX]})
    stopped, taken = 0.0, list[float]()
    begun = time.monotonic()
    worker = subprocess.Popen(
        house.command("worker", "--until-idle"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while (used := _used(worker, SLICE_SECONDS)) is None:
        if stock is None:
            continue
        os.killpg(worker.pid, signal.SIGSTOP)
        since = time.monotonic()
        taken += _stock(house, stock)
        stopped += time.monotonic() - since
        os.killpg(worker.pid, signal.SIGCONT)
    return time.monotonic() - begun - stopped, used, taken


def _used(worker: subprocess.Popen[bytes], seconds: float) -> float | None:
    """Wait so long for its end; return the CPU seconds of it and of its children, by getrusage."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pid, code, used = os.wait4(worker.pid, os.WNOHANG)
        if pid:
            worker.returncode = os.waitstatus_to_exitcode(code)
            assert worker.returncode == 0
            return used.ru_utime + used.ru_stime
        threading.Event().wait(0.05)
    return None


def _stock(house: House, stock: Stock) -> Iterator[float]:
    """Measure once, with entries as they stand by now."""
    largest = max(_boxes(house), key=lambda box: int(str(box["items"])), default=None)
    if largest is not None and int(str(largest["items"])) >= ENOUGH:
        shown = house.get(f"exchange/items?mailbox={largest['address']}")
        yield stock(shown)


def _boxes(house: House) -> list[dict[str, object]]:
    return [box for box in house.get("exchange/mailboxes") if box["address"] != MAILBOX]


def run(make_database: Callable[[], str], *, students: int | None) -> Iterator[Figure]:
    """Fill the real term (or so many of its students), compare, and come back a day later."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        university = unpack_term(directory)
        if students is not None:
            university = cut(university, directory / "cut", students=students)
        with start(university) as sandbox:
            house = House(directory, university, sandbox, make_database(), NOW)
            house.run("db", "upgrade")
            yield from measure(house, sandbox, whole=students is None)


def measure(house: House, sandbox: Running, *, whole: bool) -> Iterator[Figure]:
    """Run the term once. Of a small part of it the processes' start is most: no goal is for that."""
    wall, _ = timed(house, "resync", "--all")
    yield single("real term: first resync, seconds", wall)
    endpoint = sandbox.endpoints.exchange
    wall, cpu, stock = filled_in_slices(house, lambda shown: seconds_an_entry(endpoint, shown))
    entries = sum(map(len, house.held().values()))
    yield single("real term: entries", entries)
    wrong = len(house.differences())
    yield single("real term: differences from the oracle", wrong, at_most=0)
    yield single("real term: first fill, seconds", wall)
    yield single("real term: first fill, entries a second", entries / wall)
    ratios = sorted(cpu / entries / each for each in stock)
    yield Figure(
        name="worker CPU an entry, ms; beside stock bulk_create of the same entries",
        ours=round(cpu / entries * 1000, 3),
        reference=round(median(stock) * 1000, 3),
        ratio=round(median(ratios), 2),
        spread=f"{ratios[0]:.2f} - {ratios[-1]:.2f}, {len(ratios)} times",
        goal=f"<= {GOAL}" if whole else None,
        met=median(ratios) <= GOAL if whole else None,
    )
    yield from precision.run(house, NEXT_DAY)
    house.send("DELETE", "requests")
    wall, _ = timed(house, "resync", "--all", now=NEXT_DAY)
    idle, _ = timed(house, "worker", "--until-idle", now=NEXT_DAY)
    yield single("real term: resync a day later, seconds", wall + idle)
    asked = house.requests_to_exchange()
    yield single("real term: its requests to Exchange", asked, at_most=0)
