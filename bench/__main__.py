"""Fill the real term from nothing, compare it with the oracle, resync it a day later; print a table.

The rates stand beside what the machine allows in the same run where a floor is known: stock
exchangelib's bulk_create of the same number of entries (sampled).
"""

import json
import os
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import exchangelib
from rich.console import Console
from rich.table import Table
from sqlalchemy import create_engine, text

from kalender.sandbox.server import Running, start
from tests import servers
from tests.e2e.house import House, unpack_muni

NOW = "2025-08-18T08:00+02:00"
NEXT_DAY = "2025-08-19T08:00+02:00"
SAMPLE = 1000
Figures = dict[str, dict[str, object]]


def children_cpu() -> float:
    """CPU seconds of the processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


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


def measure(house: House, sandbox: Running) -> Figures:
    """Run the whole term once."""
    figures: Figures = {}
    wall, _ = timed(house, "resync", "--all")
    figures["first resync, seconds"] = {"ours": round(wall, 1)}
    wall, cpu = timed(house, "worker", "--until-idle")
    entries = sum(map(len, house.held().values()))
    differences = len(house.differences())
    figures["entries"] = {"ours": entries}
    figures["differences from the oracle"] = {
        "ours": differences,
        "goal": 0,
        "met": not differences,
    }
    figures["first fill, seconds"] = {"ours": round(wall, 1)}
    figures["first fill, entries a second"] = {"ours": round(entries / wall)}
    stock = stock_exchangelib(sandbox)
    ratio = cpu / entries / stock
    figures["worker CPU an entry, ms"] = {
        "ours": round(cpu / entries * 1000, 3),
        "reference": round(stock * 1000, 3),
        "ratio": round(ratio, 2),
        "goal": 0.35,
        "met": ratio <= 0.35,  # noqa: PLR2004
    }
    house.send("DELETE", "requests")
    wall, _ = timed(house, "resync", "--all", now=NEXT_DAY)
    idle, _ = timed(house, "worker", "--until-idle", now=NEXT_DAY)
    asked = house.requests_to_exchange()
    figures["resync a day later, seconds"] = {"ours": round(wall + idle, 1)}
    figures["its requests to Exchange"] = {"ours": asked, "goal": 0, "met": asked == 0}
    return figures


def main() -> None:
    """Print the table and write bench.json."""
    server = os.environ[servers.DATABASE]
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE IF EXISTS bench"))
        connection.execute(text("CREATE DATABASE bench"))
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        university = unpack_muni(directory)
        with start(university) as sandbox:
            database = server.rpartition("/")[0] + "/bench"
            house = House(directory, university, sandbox, database, NOW)
            house.run("db", "upgrade")
            figures = measure(house, sandbox)
    with engine.connect() as connection:
        connection.execute(text("DROP DATABASE bench"))
    Path("bench.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    show(figures)


def show(figures: Figures) -> None:
    """Print the table."""
    names = ("ours", "reference", "ratio", "goal", "met")
    table = Table("figure", *names, box=None)
    for figure, values in figures.items():
        table.add_row(figure, *(str(values.get(name, "")) for name in names))
    Console().print(table)


main()
