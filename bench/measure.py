"""Figures: what was measured, what stands beside it, and whether the goal was met.

Ratios come from interleaved pairs in one run, so that a noisy machine disturbs both sides alike.
CPU is told by getrusage, memory as PSS summed over processes.
"""

import gc
import json
import os
import resource
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from kalender.worker.supervisor import collect_seldom
from tests import commands

PAIRS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table. `ratio` is ours to the reference; `spread` its least and most."""

    name: str
    ours: float | str
    reference: float | str | None = None
    ratio: float | None = None
    spread: str | None = None
    goal: str | None = None
    met: bool | None = None


def paired(
    name: str,
    ours: Callable[[], float],
    reference: Callable[[], float],
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    pairs: int = PAIRS,
) -> Figure:
    """Measure both in turns; the goal is for the median of the pairs' ratios."""
    both = [(ours(), reference()) for _ in range(pairs)]
    ratios = sorted(mine / theirs for mine, theirs in both)
    middle = median(ratios)
    return Figure(
        name=name,
        ours=_short(median(mine for mine, _ in both)),
        reference=_short(median(theirs for _, theirs in both)),
        ratio=_short(middle),
        spread=f"{_short(ratios[0])} - {_short(ratios[-1])}",
        goal=_goal(at_least, at_most),
        met=_met(middle, at_least, at_most),
    )


def single(
    name: str,
    ours: float,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    spread: str | None = None,
) -> Figure:
    """Return a figure that stands alone."""
    return Figure(
        name=name,
        ours=_short(ours),
        spread=spread,
        goal=_goal(at_least, at_most),
        met=_met(ours, at_least, at_most),
    )


def not_run(name: str, why: str, *, failed: bool = True) -> Figure:
    """Say so; where the part `failed`, its goals are not met."""
    return Figure(name=name, ours=f"not run: {why}", met=False if failed else None)


def _short(value: float) -> float:
    return round(value) if value >= 100 else float(f"{value:.3g}")  # noqa: PLR2004


def _goal(at_least: float | None, at_most: float | None) -> str | None:
    if at_least is not None:
        return f">= {at_least:g}"
    return f"<= {at_most:g}" if at_most is not None else None


def _met(value: float, at_least: float | None, at_most: float | None) -> bool | None:
    if at_least is not None:
        return value >= at_least
    return value <= at_most if at_most is not None else None


@contextmanager
def as_in_the_command() -> Iterator[None]:
    """Set Python up as the listener and the worker do, and back for what is measured beside them.

    Otherwise one collection of garbage, a tenth of a second among the benchmark's own objects, falls
    into the middle of what is measured.
    """
    thresholds = gc.get_threshold()
    collect_seldom()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def children_cpu() -> float:
    """CPU seconds of the child processes that ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def family(parent: commands.Process) -> list[int]:
    """The process and its children."""
    told = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text("utf-8")
    return [parent.pid, *(int(each) for each in told.split())]


def cpu_of(pids: Iterable[int]) -> float:
    """CPU seconds that these living processes took so far, to the kernel's hundredth."""
    fields = [
        Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split() for pid in pids
    ]
    liveness = sum(int(each[11]) + int(each[12]) for each in fields)
    return liveness / os.sysconf("SC_CLK_TCK")


def pss_megabytes(pids: Iterable[int]) -> float:
    """Proportional memory of these processes, in MB; those that ended count nothing."""
    total = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def show(figures: Iterable[Figure], path: Path) -> None:
    """Print the table and write it as JSON."""
    listed = list(figures)
    table = Table("figure", "ours", "beside it", "ratio", "spread", "goal", "met", box=None)
    for each in listed:
        cells = (each.ours, each.reference, each.ratio, each.spread, each.goal)
        met = "" if each.met is None else ("yes" if each.met else "no")
        table.add_row(each.name, *("" if cell is None else str(cell) for cell in cells), met)
    Console(width=160).print(table)
    told = {each.name: {k: v for k, v in asdict(each).items() if k != "name"} for each in listed}
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
