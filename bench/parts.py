"""What a run is made of: parts, one after the other, each on databases of its own."""

import os
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine, text

from bench.measure import Figure, not_run

Part = Callable[[], Iterator[Figure]]


@contextmanager
def databases(server: str) -> Iterator[Callable[[], str]]:
    """Yield what makes an empty database on a server and returns its address; drop them all."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    names: list[str] = []

    def make() -> str:
        name = f"bench_{os.getpid()}_{len(names) + 1}"
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        names.append(name)
        return f"{server.rpartition('/')[0]}/{name}"

    try:
        yield make
    finally:
        with engine.connect() as connection:
            for name in names:
                connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        engine.dispose()


def figures(parts: dict[str, Part], named: Collection[str]) -> Iterator[Figure]:
    """Run the parts that are named, or all; what fails is said, and the others go on."""
    chosen = {name: part for name, part in parts.items() if name in named} or parts
    for name, part in chosen.items():
        sys.stderr.write(f"{name} ...\n")
        try:
            for figure in part():
                beside = f", {figure.ratio} of {figure.reference}" if figure.ratio else ""
                sys.stderr.write(f"  {figure.name}: {figure.ours}{beside}\n")
                yield figure
        except Exception as error:  # noqa: BLE001
            yield not_run(name, f"{type(error).__name__}: {str(error)[:200]}")
