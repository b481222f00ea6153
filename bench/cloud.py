"""The same over Microsoft Graph: what an entry costs, and how soon a moved lecture is right.

The worker's processor time stands beside that of the worker over EWS, which fills the same
calendars in the same run, and beside that of O365, which makes the same entries: now and then the
worker is stopped while that is measured.
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Literal

from bench import latency, simulation
from bench.fill import GOAL, NOW, Stock, filled_in_slices
from bench.measure import Figure, single
from bench.stock_graph import seconds_an_entry
from kalender.sandbox.server import Running, start
from tests.e2e.house import House, cut
from tests.real_data import unpack_term


def run(make_database: Callable[[], str], *, students: int | None) -> Iterator[Figure]:
    """Fill the real term (or so many of its students) over both, move a lecture, and simulate."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        university = unpack_term(directory)
        if students is not None:
            university = cut(university, directory / "cut", students=students)
        yield from _filled(directory, university, make_database, whole=students is None)
    yield from latency.moved_lecture(make_database, quick=students is not None, graph="all")
    yield from simulation.run()


def _filled(
    directory: Path, university: Path, make_database: Callable[[], str], *, whole: bool
) -> Iterator[Figure]:
    def stock_of(sandbox: Running) -> Stock:
        return lambda shown: seconds_an_entry(sandbox.endpoints, shown)

    graph = _fill(directory / "graph", university, make_database(), "all", stock_of)
    ews = _fill(directory / "ews", university, make_database(), "none", None)
    (entries, wall, of_graph, stock, wrong), (_, _, of_ews, _, _) = graph, ews
    yield single("real term over Graph: differences from the oracle", wrong, at_most=0)
    yield single("real term over Graph: first fill, entries a second", entries / wall)
    yield Figure(
        name="worker CPU an entry over Graph, ms; beside EWS",
        ours=round(of_graph * 1000, 3),
        reference=round(of_ews * 1000, 3),
        ratio=round(of_graph / of_ews, 2),
    )
    ratios = sorted(of_graph / each for each in stock)
    yield Figure(
        name="worker CPU an entry over Graph, ms; beside O365's save() of the same entries",
        ours=round(of_graph * 1000, 3),
        reference=round(median(stock) * 1000, 3),
        ratio=round(median(ratios), 2),
        spread=f"{ratios[0]:.2f} - {ratios[-1]:.2f}, {len(ratios)} times",
        goal=f"<= {GOAL}" if whole else None,
        met=median(ratios) <= GOAL if whole else None,
    )


def _fill(
    place: Path,
    university: Path,
    url: str,
    graph: Literal["none", "all"],
    stock_of: Callable[[Running], Stock] | None,
) -> tuple[int, float, float, list[float], int]:
    """Fill from nothing; return the entries, wall seconds, CPU seconds an entry, stock's, and faults."""
    place.mkdir()
    with start(university, graph=graph) as sandbox:
        house = House(place, university, sandbox, url, NOW, graph=graph)
        house.run("db", "upgrade")
        house.run("resync", "--all")
        stock = stock_of(sandbox) if stock_of else None
        wall, cpu, taken = filled_in_slices(house, stock)
        entries = sum(map(len, house.held().values()))
        return entries, wall, cpu / entries, taken, len(house.differences())
