"""Fill the real term from nothing, compare it with the oracle, resync it a day later; print a table.

The rates stand beside what the machine allows in the same run where a floor is known: stock
exchangelib's bulk_create of the same number of entries (sampled).
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import exchangelib

from bench.measure import Figure, children_cpu, single
from kalender.sandbox.server import Running, start
from tests.e2e.house import House, cut, unpack_muni

NOW = "2025-08-18T08:00+02:00"
NEXT_DAY = "2025-08-19T08:00+02:00"
SAMPLE = 1000
GOAL = 0.35


def timed(house: House, *words: str, now: str | None = None) -> tuple[float, float]:
    """Run a command; return its wall and CPU seconds."""
    wall, cpu = time.monotonic(), children_cpu()
    house.run(*words, now=now)
    return time.monotonic() - wall, children_cpu() - cpu


def stock_exchangelib(sandbox: Running) -> float:
    """CPU seconds that exchangelib's bulk_create takes for each entry, as documented."""
    account = exchangelib.Account(
        "st000001@uio.example",
        config=exchangelib.Configuration(
            service_endpoint=sandbox.endpoints.exchange,
            credentials=exchangelib.Credentials("kalender", "kalender"),
            auth_type=exchangelib.BASIC,
            version=exchangelib.Version(build=exchangelib.version.EXCHANGE_2016),
        ),
        access_type=exchangelib.IMPERSONATION,
        autodiscover=False,
        default_timezone=exchangelib.EWSTimeZone("Europe/Oslo"),
    )
    first = datetime(2025, 9, 1, 8, tzinfo=UTC)
    items = [
        exchangelib.CalendarItem(
            account=account,
            folder=account.calendar,
            subject=f"IN1000 Forelesning {n}",
            body=exchangelib.HTMLBody("<div>Forelesning</div>" * 10),
            start=exchangelib.EWSDateTime.from_datetime(first + timedelta(hours=n)),
            end=exchangelib.EWSDateTime.from_datetime(first + timedelta(hours=n + 1)),
            location="Auditorium 1",
            categories=["Undervisning"],
        )
        for n in range(SAMPLE)
    ]
    begun = time.process_time()
    account.bulk_create(folder=account.calendar, items=items)
    return (time.process_time() - begun) / SAMPLE


def run(make_database: Callable[[], str], *, students: int | None) -> Iterator[Figure]:
    """Fill the real term (or so many of its students), compare, and come back a day later."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        university = unpack_muni(directory)
        if students is not None:
            university = cut(university, directory / "cut", students=students)
        with start(university) as sandbox:
            house = House(directory, university, sandbox, make_database(), NOW)
            house.run("db", "upgrade")
            yield from measure(house, sandbox)


def measure(house: House, sandbox: Running) -> Iterator[Figure]:
    """Run the term once."""
    wall, _ = timed(house, "resync", "--all")
    yield single("real term: first resync, seconds", wall)
    wall, cpu = timed(house, "worker", "--until-idle")
    entries = sum(map(len, house.held().values()))
    yield single("real term: entries", entries)
    wrong = len(house.differences())
    yield single("real term: differences from the oracle", wrong, at_most=0)
    yield single("real term: first fill, seconds", wall)
    yield single("real term: first fill, entries a second", entries / wall)
    stock = [stock_exchangelib(sandbox) for _ in range(5)]
    ratios = sorted(cpu / entries / each for each in stock)
    yield Figure(
        name="worker CPU an entry, ms; beside stock bulk_create alone",
        ours=round(cpu / entries * 1000, 3),
        reference=round(median(stock) * 1000, 3),
        ratio=round(median(ratios), 2),
        spread=f"{ratios[0]:.2f} - {ratios[-1]:.2f}",
        goal="<= 0.35",
        met=median(ratios) <= GOAL,
    )
    house.send("DELETE", "requests")
    wall, _ = timed(house, "resync", "--all", now=NEXT_DAY)
    idle, _ = timed(house, "worker", "--until-idle", now=NEXT_DAY)
    yield single("real term: resync a day later, seconds", wall + idle)
    asked = house.requests_to_exchange()
    yield single("real term: its requests to Exchange", asked, at_most=0)
