"""`python -m tests.chaos --runs 300 --seed 1`: real processes are killed, and all comes right.

The last line says how it ended, and so does the exit code. `make chaos` starts the servers.
"""

import argparse
import os
import sys
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import servers
from tests.chaos import draw
from tests.chaos.grounds import Loop
from tests.chaos.installation import Databases, end_all
from tests.chaos.judge import Found
from tests.chaos.moves import AT_ONCE
from tests.chaos.run import MOVES, Case, Outcome, carry_out
from tests.chaos.sabotage import BREAKING, Backend
from tests.chaos.template import Template, fill
from tests.chaos.university import DAYS

LANES = 5  # runs at once: most of a run is waiting for a lease
ALL = "all"  # sabotages, one after the other: each must be missed
NUMBERED = {MOVES: 3}  # clean runs of a day, of two by default: so often points must come
ATTEMPTS = 3  # to come to a point: two processes are never quite the same twice


def main() -> int:
    """Fill, number the points, draw, carry out, count."""
    told = _arguments()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="kalender-chaos-")))
        running = stack.enter_context(servers.servers())
        pool = stack.enter_context(ThreadPoolExecutor(LANES))
        stack.callback(end_all)
        chaos = Chaos(told, running, directory, pool)
        results = chaos.play()
    clean = results[None]
    if not told.sabotage:
        sys.stdout.write(
            f"mailboxes moved in {clean.moved} of {clean.runs} runs;"
            f" in {clean.decided} an operator decided\n"
        )
        sys.stdout.write(f"{clean}\n")
        return 0 if clean.well else 1
    for sabotage in chaos.taken_away:
        sys.stdout.write(f"{sabotage}: {results[sabotage]}\n")
    missed = all(results[sabotage].total.lines for sabotage in chaos.taken_away)
    return 1 if missed and not clean.total.lines else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sabotage", choices=[*sorted(BREAKING), ALL])
    parser.add_argument("--replay", metavar="CASE", help="one run, as a failing one named itself")
    return parser.parse_args()


@dataclass
class Result:
    """What all runs came to."""

    runs: int = 0
    moved: int = 0  # runs in which mailboxes moved
    decided: int = 0  # runs in which an operator decided about some that moved
    drawn: set[draw.Point] = field(default_factory=set)
    reached: set[draw.Point] = field(default_factory=set)
    total: Found = field(default_factory=Found)

    @property
    def well(self) -> bool:
        """Whether nothing at all was wrong."""
        return not self.total.lines and self.reached == self.drawn

    def add(self, outcome: Outcome) -> None:
        """Count a run."""
        self.runs += 1
        self.moved += outcome.moved > 0
        self.decided += outcome.decided
        for name in ("doubled", "lost", "foreign", "other"):
            getattr(self.total, name).extend(getattr(outcome.found, name))
        chosen = outcome.case.point or outcome.case.besides
        if chosen is not None:
            point = draw.Point(outcome.case.on_graph, outcome.case.day, chosen)
            self.drawn.add(point)
            self.reached |= {point} if outcome.reached else set()

    def __str__(self) -> str:
        """The last line."""
        doubled, lost, foreign = self.total.doubled, self.total.lost, self.total.foreign
        return (
            f"{self.runs} runs: {len(doubled)} doubled, {len(lost)} lost, {len(foreign)} foreign"
            f" touched; {len(self.reached)} of {len(self.drawn)} points"
        )


class Chaos:
    """One call of the command."""

    def __init__(
        self,
        told: argparse.Namespace,
        running: dict[str, str],
        directory: Path,
        pool: ThreadPoolExecutor,
    ) -> None:
        self.told, self.running, self.directory, self.pool = told, running, directory, pool
        self.loop = Loop()
        self.templates: dict[tuple[str, bool], Template] = {}  # by kind, and whether on Graph
        # Each of whose lack must be missed.
        self.taken_away = _taken_away(told.sabotage, told.replay)
        self.missed: set[draw.Sabotage] = set()

    def play(self) -> dict[draw.Sabotage | None, Result]:
        """Return what became of all runs, by the mechanism that was taken away in them."""
        results: dict[draw.Sabotage | None, Result] = defaultdict(Result)
        for outcome in self._outcomes():
            sabotage = _sabotage_of(outcome.case)
            if sabotage in self.missed:
                continue
            results[sabotage].add(outcome)
            if outcome.found.lines:
                self._tell(outcome)
                if sabotage is not None:
                    self.missed.add(sabotage)
                if self.missed == {*self.taken_away} != set():
                    break
        for point in sorted(set().union(*(r.drawn - r.reached for r in results.values()))):
            sys.stdout.write(f"never reached: {point}\n")
        self.pool.shutdown(cancel_futures=True)
        return results

    def _outcomes(self) -> Iterator[Outcome]:
        if self.told.replay:
            told = self.told
            cases = [draw.replayed(told.replay, told.seed, told.sabotage)]
        else:
            clean_cases = self._clean()
            self._fill(clean_cases)
            clean = list(self._all(clean_cases, self._once))
            yield from (each for each in clean if each.found.lines)
            cases = self._draw(clean)
        self._fill(cases)
        yield from self._all(cases, self._until_reached)

    def _fill(self, cases: Iterable[Case]) -> None:
        """Fill what these runs begin with, and is not filled yet."""
        server = self.running[servers.DATABASE]
        wanted = {(case.kind, case.on_graph) for case in cases} - self.templates.keys()
        for kind, on_graph in sorted(wanted):
            own = self.directory / f"{kind}-{'graph' if on_graph else 'ews'}"
            own.mkdir()
            databases = Databases(kind, server, own)
            self.templates[kind, on_graph] = fill(
                self.loop, own, databases, self.told.seed, on_graph=on_graph
            )

    def _clean(self) -> list[Case]:
        """Return the runs without any death, which number the points."""
        days = ["timetable"] if self.told.sabotage else list(DAYS)
        return [
            Case(
                day=day,
                backend=backend,
                moves=AT_ONCE if day == MOVES else "",
                seed=self.told.seed,
            )
            for day in days
            for backend in self._backends()
            for _ in range(1 if self.told.sabotage else NUMBERED.get(day, 2))
        ]

    def _backends(self) -> list[Backend]:
        """Return the backends of which points are to be numbered."""
        on_graph = {sabotage.backend != "ews" for sabotage in self.taken_away} or {False, True}
        return [draw.ON_GRAPH[0] if graph else "ews" for graph in sorted(on_graph)]

    def _draw(self, clean: Sequence[Outcome]) -> list[Case]:
        seen: dict[tuple[bool, str], list[set[str]]] = defaultdict(list)
        for outcome in clean:
            seen[outcome.case.on_graph, outcome.case.day].append(set(outcome.seen))
        points, told = draw.points(seen), self.told
        if told.sabotage:
            of_each = [
                draw.sabotaged(points, told.runs, told.seed, sabotage)
                for sabotage in self.taken_away
            ]
            return [case for case in chain(*zip_longest(*of_each)) if case is not None]
        cases = draw.cases(points, told.runs, told.seed)
        drawn = {(case.on_graph, case.day, case.point) for case in cases}
        on_graph = sum(case.on_graph for case in cases)
        sys.stdout.write(
            f"{len(points)} points in {len({day for _, day in seen})} days; {len(drawn)} are drawn,"
            f" {on_graph} of {len(cases)} runs are on Graph\n"
        )
        return cases

    # -- one after the other, some at once ----------------------------------------------------------

    def _all(self, cases: Sequence[Case], how: Callable[[Case], Outcome]) -> Iterator[Outcome]:
        for done in as_completed([self.pool.submit(how, case) for case in cases]):
            yield done.result()

    def _until_reached(self, case: Case) -> Outcome:
        """At last without a mishap, which may be what keeps everybody from coming by."""
        if _sabotage_of(case) in self.missed:
            return Outcome(case)
        outcome = self._once(case)
        moved = outcome.moved
        for _ in range(ATTEMPTS - 1):
            if outcome.reached or outcome.found.lines:
                break
            alone = replace(case, mishap="none", besides=None) if case.point else case
            outcome = self._once(alone)
            moved = max(moved, outcome.moved)
        return replace(outcome, moved=moved)

    def _once(self, case: Case) -> Outcome:
        try:
            broker = self.running[servers.AMQP]
            return carry_out(case, self.templates[case.kind, case.on_graph], self.loop, broker)
        except Exception:  # noqa: BLE001  # the run broke, not what it looks at; others go on
            return Outcome(case, Found(other=[traceback.format_exc()]))

    def _tell(self, outcome: Outcome) -> None:
        sys.stdout.write("".join(f"  {line}\n" for line in outcome.found.lines))
        again = f"make chaos RUNS=1 SEED={self.told.seed} ARGS=--replay={outcome.case}"
        if outcome.case.sabotage:
            again += f" SABOTAGE={outcome.case.sabotage}"
        sys.stdout.write(f"{outcome.case} failed; again: {again}\n")
        sys.stdout.flush()


def _taken_away(name: str | None, replay: str | None) -> list[draw.Sabotage]:
    if name is None:
        return []
    if replay is not None:
        return [draw.Sabotage(name, draw.replayed(replay, 0, name).backend)]
    return draw.sabotages(BREAKING if name == ALL else [name])


def _sabotage_of(case: Case) -> draw.Sabotage | None:
    return draw.Sabotage(case.sabotage, case.backend) if case.sabotage else None


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
