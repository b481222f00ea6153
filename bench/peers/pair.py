"""Two that do the same work in turns, and what each of them takes for it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic

from bench.measure import Figure, children_cpu, paired


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds by the clock, and of the client's processors."""

    wall: float
    cpu: float


def spent(work: Callable[[], object]) -> Spent:
    """Do what runs clients as child processes; return what they took from start to end."""
    begun, used = monotonic(), children_cpu()
    work()
    return Spent(monotonic() - begun, children_cpu() - used)


def beside(
    name: str,
    rate: str,
    many: int,
    *,
    ours: Callable[[], Spent],
    theirs: Callable[[], Spent],
    pairs: int,
) -> Iterator[Figure]:
    """Run both in turns; yield how many a second, and the CPU seconds: `name` has a `{}` for it."""
    sides = list(zip(*((ours(), theirs()) for _ in range(pairs)), strict=True))
    told = {
        rate: [[many / each.wall for each in side] for side in sides],
        "client CPU seconds": [[each.cpu for each in side] for side in sides],
    }
    for what, both in told.items():
        turns = (partial(next, iter(side)) for side in both)
        figure = paired(name.format(what), *turns, pairs=pairs)
        yield replace(figure, spread=f"{figure.spread}, {pairs} pairs")
