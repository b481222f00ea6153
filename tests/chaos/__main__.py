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
from tests.chaos.installation import Databases, end_all, prepare
from tests.chaos.judge import Found
from tests.chaos.run import Case, Outcome, carry_out
from tests.chaos.sabotage import BREAKING
from tests.chaos.template import Template, fill
from tests.chaos.university import DAYS

LANES = 5  # runs at once: most of a run is waiting for a lease
ALL = "all"  # sabotages, one after the other: each must be missed
ATTEMPTS = 3  # to come to a point: two processes are never quite the same twice


def main() -> int:
    """Fill, number the points, draw, carry out, count."""
    told = _arguments()
    prepare()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="kalender-chaos-")))
        running = stack.enter_context(servers.servers())
        pool = stack.enter_context(ThreadPoolExecutor(LANES))
        stack.callback(end_all)
        chaos = Chaos(told, running, directory, pool)
        results = chaos.play()
    if told.sabotage != ALL:
        sys.stdout.write(f"{results[told.sabotage]}\n")
        return 0 if results[told.sabotage].well else 1
    for sabotage in BREAKING:
        sys.stdout.write(f"{sabotage}: {results[sabotage]}\n")
    missed = {sabotage for sabotage in BREAKING if results[sabotage].total.lines}
    return 1 if missed == {*BREAKING} and not results[None].total.lines else 0


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
        for name in ("doubled", "lost", "foreign", "other"):
            getattr(self.total, name).extend(getattr(outcome.found, name))
        chosen = outcome.case.point or outcome.case.besides
        if chosen is not None:
            point = (outcome.case.day, chosen)
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
        self.templates: dict[str, Template] = {}
        self.missed: set[str] = set()  # sabotages

    def play(self) -> dict[str | None, Result]:
        """Return what became of all runs, by the mechanism that was taken away in them."""
        results: dict[str | None, Result] = defaultdict(Result)
        for outcome in self._outcomes():
            sabotage = outcome.case.sabotage
            if sabotage in self.missed:
                continue
            named = sabotage if self.told.sabotage == ALL else self.told.sabotage
            results[named].add(outcome)
            if outcome.found.lines:
                self._tell(outcome)
                if sabotage is not None:
                    self.missed.add(sabotage)
                if self.missed == self._taken_away() != set():
                    break
        for day, point in sorted(set().union(*(r.drawn - r.reached for r in results.values()))):
            sys.stdout.write(f"never reached: {day}/{point}\n")
        self.pool.shutdown(cancel_futures=True)
        return results

    def _taken_away(self) -> set[str]:
        """Return the mechanisms whose lack must be missed."""
        if self.told.sabotage == ALL:
            return {*BREAKING}
        return {self.told.sabotage} if self.told.sabotage else set()

    def _outcomes(self) -> Iterator[Outcome]:
        if self.told.replay:
            told = self.told
            cases = [draw.replayed(told.replay, told.seed, told.sabotage)]
            self._fill({case.kind for case in cases})
        else:
            self._fill({"postgresql"} | ({"sqlite"} if self._uses_sqlite() else set()))
            clean = list(self._all(self._clean(), self._once))
            yield from (each for each in clean if each.found.lines)
            cases = self._draw(clean)
        yield from self._all(cases, self._until_reached)

    def _uses_sqlite(self) -> bool:
        return not self.told.sabotage and int(self.told.runs) >= draw.SQLITE_EACH

    def _fill(self, kinds: Iterable[str]) -> None:
        server = self.running[servers.DATABASE]
        for kind in kinds:
            own = self.directory / kind
            own.mkdir()
            databases = Databases(kind, server, own)
            self.templates[kind] = fill(self.loop, own, databases, self.told.seed)

    def _clean(self) -> list[Case]:
        days = ["timetable"] if self.told.sabotage else list(DAYS)
        return [
            Case(day=day, seed=self.told.seed)
            for day in days
            for _ in range(2 - bool(self.told.sabotage))
        ]

    def _draw(self, clean: Sequence[Outcome]) -> list[Case]:
        seen = {
            day: [set(each.seen) for each in clean if each.case.day == day]
            for day in sorted({each.case.day for each in clean})
        }
        points, told = draw.points(seen), self.told
        if told.sabotage:
            of_each = [
                draw.sabotaged(points, told.runs, told.seed, name)
                for name in BREAKING
                if name in self._taken_away()
            ]
            return [case for case in chain(*zip_longest(*of_each)) if case is not None]
        cases = draw.cases(points, told.runs, told.seed)
        drawn = {(case.day, case.point) for case in cases}
        sys.stdout.write(f"{len(points)} points in {len(seen)} days; {len(drawn)} are drawn\n")
        return cases

    # -- one after the other, some at once ----------------------------------------------------------

    def _all(self, cases: Sequence[Case], how: Callable[[Case], Outcome]) -> Iterator[Outcome]:
        for done in as_completed([self.pool.submit(how, case) for case in cases]):
            yield done.result()

    def _until_reached(self, case: Case) -> Outcome:
        """At last without a mishap, which may be what keeps everybody from coming by."""
        if case.sabotage in self.missed:
            return Outcome(case)
        outcome = self._once(case)
        for _ in range(ATTEMPTS - 1):
            if outcome.reached or outcome.found.lines:
                break
            alone = replace(case, mishap="none", besides=None) if case.point else case
            outcome = self._once(alone)
        return outcome

    def _once(self, case: Case) -> Outcome:
        try:
            broker = self.running[servers.AMQP]
            return carry_out(case, self.templates[case.kind], self.loop, broker)
        except Exception:  # noqa: BLE001  # the run broke, not what it looks at; others go on
            return Outcome(case, Found(other=[traceback.format_exc()]))

    def _tell(self, outcome: Outcome) -> None:
        sys.stdout.write("".join(f"  {line}\n" for line in outcome.found.lines))
        again = f"make chaos RUNS=1 SEED={self.told.seed} ARGS=--replay={outcome.case}"
        if outcome.case.sabotage or self.told.sabotage:
            again += f" SABOTAGE={outcome.case.sabotage or self.told.sabotage}"
        sys.stdout.write(f"{outcome.case} failed; again: {again}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
