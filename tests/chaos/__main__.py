"""`python -m tests.chaos --runs 300 --seed 1`: real processes are killed, and all comes right.

The last lines say how it ended, and so does the exit code. `make chaos` starts the servers.
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
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory

from tests import servers
from tests.chaos import draw
from tests.chaos.grounds import Loop
from tests.chaos.installation import Databases, end_all
from tests.chaos.judge import Found
from tests.chaos.moves import AT_ONCE
from tests.chaos.run import MOVES, Case, Outcome, carry_out
from tests.chaos.sabotage import BREAKING
from tests.chaos.template import Template, fill
from tests.chaos.university import DAYS

LANES = 5  # runs at once: most of a run is waiting for a lease
ALL = "all"  # sabotages: each must be missed
SABOTAGED_DAY = "timetable"
NUMBERED = {MOVES: 3}  # clean runs of a day, of two by default: so often points must come
ATTEMPTS = 3  # to come to a point: two processes are never quite the same twice


def main(words: Sequence[str]) -> int:
    """Fill, number the points, draw, carry out, count."""
    told = _arguments(words)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="kalender-chaos-")))
        running = stack.enter_context(servers.servers())
        pool = stack.enter_context(ThreadPoolExecutor(LANES))
        stack.callback(end_all)
        chaos = Chaos(told, running, directory, pool)
        results = chaos.play()
    clean = results[None]
    if told.beside or not told.sabotage:
        sys.stdout.write(
            f"mailboxes moved in {clean.moved} of {clean.runs} runs;"
            f" in {clean.decided} an operator decided\n"
        )
        sys.stdout.write(f"{clean}\n")
    for sabotage in chaos.taken_away:
        sys.stdout.write(f"{sabotage}: {results[sabotage]}\n")
    return exit_code(clean, [results[sabotage] for sabotage in chaos.taken_away])


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sabotage", choices=[*sorted(BREAKING), ALL])
    parser.add_argument("--replay", metavar="CASE", help="one run, as a failing one named itself")
    parser.add_argument(
        "--beside", type=int, default=0, help="with --sabotage: runs with nothing taken away"
    )
    return parser.parse_args(words)


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


def exit_code(clean: Result, sabotaged: Sequence[Result]) -> int:
    """Return 0 where all is well; with sabotages 1 where each is missed, and all else is well."""
    if not sabotaged:
        return 0 if clean.well else 1
    return 1 if clean.well and all(result.total.lines for result in sabotaged) else 0


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

    def play(self) -> dict[draw.Sabotage | None, Result]:
        """Return what became of all runs, by the mechanism that was taken away in them."""
        results: dict[draw.Sabotage | None, Result] = defaultdict(Result)
        for outcome in self._outcomes():
            results[_sabotage_of(outcome.case)].add(outcome)
            if outcome.found.lines:
                self._tell(outcome)
        for point in sorted(set().union(*(r.drawn - r.reached for r in results.values()))):
            sys.stdout.write(f"never reached: {point}\n")
        return results

    def _outcomes(self) -> Iterator[Outcome]:
        if self.told.replay:
            told = self.told
            turns = [[draw.replayed(told.replay, told.seed, told.sabotage)]]
        else:
            clean_cases = self._clean()
            self._fill(clean_cases)
            clean = list(self._all([[case] for case in clean_cases], self._once))
            yield from (each for each in clean if each.found.lines)
            turns = self._draw(clean)
        self._fill(chain(*turns))
        yield from self._all(turns, self._until_reached)

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
        runs = self._nothing_taken_away
        sabotaged_days = {(SABOTAGED_DAY, each.backend != "ews") for each in self.taken_away}
        return [
            Case(
                day=day,
                backend=draw.ON_GRAPH[0] if on_graph else "ews",
                moves=AT_ONCE if day == MOVES else "",
                seed=self.told.seed,
            )
            for day, on_graph in sorted(sabotaged_days.union(draw.numbered_days(list(DAYS), runs)))
            for _ in range(NUMBERED.get(day, 2) if runs else 1)
        ]

    @property
    def _nothing_taken_away(self) -> int:
        """How many runs there are with nothing taken away."""
        return int(self.told.beside if self.told.sabotage else self.told.runs)

    def _draw(self, clean: Sequence[Outcome]) -> list[list[Case]]:
        """Draw runs; those of one sabotage take turns until one of them misses it."""
        seen: dict[tuple[bool, str], list[set[str]]] = defaultdict(list)
        for outcome in clean:
            seen[outcome.case.on_graph, outcome.case.day].append(set(outcome.seen))
        points, told = draw.points(seen), self.told
        at_once = [point for point in points if point.day == SABOTAGED_DAY]
        sabotaged = [
            draw.sabotaged(at_once, told.runs, told.seed, sabotage) for sabotage in self.taken_away
        ]
        cases = draw.cases(points, self._nothing_taken_away, told.seed)
        drawn = {(case.on_graph, case.day, case.point) for case in cases}
        on_graph = sum(case.on_graph for case in cases)
        if cases:
            sys.stdout.write(
                f"{len(points)} points in {len({day for _, day in seen})} days;"
                f" {len(drawn)} are drawn, {on_graph} of {len(cases)} runs are on Graph\n"
            )
        return [*([case] for case in cases), *sabotaged]

    # -- one after the other, some at once ----------------------------------------------------------

    def _all(
        self, turns: Iterable[Sequence[Case]], how: Callable[[Case], Outcome]
    ) -> Iterator[Outcome]:
        """Carry out some turns at once; a turn ends with its first run that finds anything."""

        def turn(cases: Sequence[Case]) -> list[Outcome]:
            outcomes: list[Outcome] = []
            for case in cases:
                outcomes.append(how(case))
                if outcomes[-1].found.lines:
                    break
            return outcomes

        for done in as_completed([self.pool.submit(turn, cases) for cases in turns]):
            yield from done.result()

    def _until_reached(self, case: Case) -> Outcome:
        """At last without a mishap, which may be what keeps everybody from coming by."""
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
    sys.exit(main(sys.argv[1:]))
