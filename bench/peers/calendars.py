"""Kalender beside vdirsyncer: the same many entries filled, looked at and changed.

Each has a server of its own on loopback, ours the sandbox, theirs a radicale: these share the
processors with the clients, and are in the time but not in the CPU seconds.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.measure import Figure
from bench.peers.kalender import kalender
from bench.peers.pair import Spent, beside
from bench.peers.vdirsyncer import vdirsyncer

MANY, FEW = (1000, 10_000), (200, 1000)
PAIRS = 5


def run(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Measure the first fill at the smaller size, the others at both."""
    sizes, pairs = (FEW, 1) if quick else (MANY, PAIRS)
    yield from first_fill(make_database, sizes[0], pairs)
    for many in sizes:
        yield from later(make_database(), many, pairs)


@contextmanager
def directory() -> Iterator[Path]:
    """Yield a directory for one side."""
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def first_fill(make_database: Callable[[], str], many: int, pairs: int) -> Iterator[Figure]:
    """Fill from nothing, each time anew."""

    def ours() -> Spent:
        with directory() as made, kalender(made, make_database(), many, seeded=False) as side:
            return side.fill()

    def theirs() -> Spent:
        with directory() as made, vdirsyncer(made, many, seeded=False) as side:
            return side.fill()

    name = f"first fill of {many:,}: {{}}, beside vdirsyncer"
    yield from beside(name, "entries a second", many, ours=ours, theirs=theirs, pairs=pairs)


def later(url: str, many: int, pairs: int) -> Iterator[Figure]:
    """Look where nothing changed, then change one in a hundred."""
    with (
        directory() as mine,
        directory() as others,
        kalender(mine, url, many, seeded=True) as ours,
        vdirsyncer(others, many, seeded=True) as theirs,
    ):
        name = f"nothing changed in {many:,}: {{}}, beside vdirsyncer"
        rate = "looked at a second"
        yield from beside(name, rate, many, ours=ours.look, theirs=theirs.look, pairs=pairs)
        name = f"1 % of {many:,} changed: {{}}, beside vdirsyncer"
        rate, changes = "changes a second", many // 100
        yield from beside(name, rate, changes, ours=ours.change, theirs=theirs.change, pairs=pairs)
        name = f"1 % of {many:,} changed under the running service: {{}}, beside vdirsyncer"
        with ours.at_work() as change:
            yield from beside(name, rate, changes, ours=change, theirs=theirs.change, pairs=pairs)
