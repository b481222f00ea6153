"""All figures in one go: `make bench` (minutes), `make bench-quick` (under three).

`make bench ARGS="claims 'real term'"` takes some parts only.
"""

import logging
import os
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import structlog
from sqlalchemy import create_engine, text

from bench import claims, fill, latency, listener, resync
from bench.measure import Figure, not_run, show
from tests import servers

QUICK_STUDENTS = 300
Part = Callable[[], Iterator[Figure]]


class Databases:
    """A new database on the given server for each part; dropped at the end."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.engine = create_engine(server, isolation_level="AUTOCOMMIT")
        self.names: list[str] = []
        self.numbers = count(1)

    def make(self) -> str:
        """Return the address of an empty one."""
        name = f"bench_{os.getpid()}_{next(self.numbers)}"
        with self.engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        self.names.append(name)
        return self.server.rpartition("/")[0] + f"/{name}"

    def drop(self) -> None:
        """Drop all of them."""
        with self.engine.connect() as connection:
            for name in self.names:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def figures(parts: dict[str, Part]) -> Iterator[Figure]:
    """Run part after part; what fails is said, and the others go on."""
    for name, part in parts.items():
        sys.stderr.write(f"{name} ...\n")
        try:
            for figure in part():
                sys.stderr.write(f"  {figure.name}: {figure.ours}\n")
                yield figure
        except Exception as error:  # noqa: BLE001
            yield not_run(name, f"{type(error).__name__}: {str(error)[:200]}")


def main() -> None:
    """Print the table and write bench.json; exit by whether all goals were met."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    quick = "--quick" in sys.argv
    databases = Databases(os.environ[servers.DATABASE])
    amqp = os.environ[servers.AMQP]
    students = QUICK_STUDENTS if quick else None
    parts: dict[str, Part] = {
        "listener": lambda: listener.run(amqp, databases.make(), quick=quick),
        "claims": lambda: claims.run(databases.make(), quick=quick),
        "big term": lambda: resync.run(databases.make, quick=quick),
        "latency": lambda: latency.run(databases.make, quick=quick),
        "real term": lambda: fill.run(databases.make, students=students),
    }
    chosen = {name: part for name, part in parts.items() if name in sys.argv} or parts
    try:
        found = list(figures(chosen))
    finally:
        databases.drop()
    show(found, Path("bench.json"))
    sys.exit(any(each.met is False for each in found))


main()
