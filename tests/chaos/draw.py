"""Which runs there are: a death at every point once before any comes again, and more besides.

That is mishaps, and mailboxes that move: on a day of their own, and in some runs of the others.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from itertools import count, cycle, product
from random import Random
from typing import NamedTuple, TypeVar

from tests.chaos.moves import AT_ONCE, SCRIPTS
from tests.chaos.run import MOVES, Case, Death, Mishap
from tests.chaos.sabotage import MISSED_ON, TELLING, Backend

SQLITE_EACH = 10
NEVER_ON_SQLITE = "Memory._take"  # it does not count the row that this writes: no point is told
GRAPH_EACH = 3
MOVES_DAY_EACH, MOVES_EACH = 4, 4  # the latter on other days
ON_GRAPH: Sequence[Backend] = ("graph", "graph-ignoring-ids")  # by turns
DEATHS: Sequence[Death] = ("kill", "kill", "kill-all")
MISHAPS: Sequence[Mishap] = ("none", "none", "none", "none", "cut", "stop", "restore")
MOVING = {"no-adoption": AT_ONCE}  # sabotages
SABOTAGED: Mapping[str, Mishap] = {
    "no-token": "stop",
    "early-lookup": "cut",
    "no-memory": "restore",
    "blind-retry": "cut",
    "no-second-look": "cut",
}
T = TypeVar("T")


class Point(NamedTuple):
    """A place in a day where a process can die, and where everybody's mailbox is then."""

    on_graph: bool
    day: str
    name: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.day}{' on Graph' if self.on_graph else ''}/{self.name}"


class Sabotage(NamedTuple):
    """A mechanism that is taken away, and where its lack must be missed."""

    name: str
    backend: Backend

    def __str__(self) -> str:
        """Say it in words."""
        return self.name if self.backend == "ews" else f"{self.name} on {self.backend}"


def sabotages(names: Iterable[str]) -> list[Sabotage]:
    """Return what is to be taken away, and where."""
    return [Sabotage(name, backend) for name in names for backend in MISSED_ON[name]]


def points(clean: Mapping[tuple[bool, str], Sequence[set[str]]]) -> list[Point]:
    """Return what every clean run of a day came by, by whether it was on Graph, and the day."""
    return sorted(
        Point(*where, name) for where, runs in clean.items() for name in set.intersection(*runs)
    )


def numbered_days(days: Sequence[str], runs: int) -> list[tuple[str, bool]]:
    """Return the days of which so many runs draw points, each with whether on Graph.

    Few runs draw from each day on one of the two backends in turn, and do not number the others:
    that takes longer than those runs themselves.
    """
    if runs >= 2 * len(days):
        return list(product(days, (False, True)))
    return list(zip(days, cycle((False, True)), strict=False)) if runs else []


def cases(all_points: Sequence[Point], runs: int, seed: int) -> list[Case]:
    """Draw so many runs without repeating a point, as long as there are others.

    Every third is on Graph, and each tenth of either on SQLite; in a third at least mailboxes move.
    """
    drawn = [
        _cases([point for point in all_points if point.on_graph is on_graph], seed)
        for on_graph in (False, True)
    ]
    return [next(drawn[number % GRAPH_EACH == 0]) for number in range(runs)]


def _cases(all_points: Sequence[Point], seed: int) -> Iterator[Case]:
    numbers, movable = count(1), count()
    scripts = cycle(_shuffled(SCRIPTS, str(seed)))
    for again in count():
        for point in _with_moves(_shuffled(all_points, f"{seed} {again}")):
            dice = Random(f"{seed} {again} {point.day} {point.name}")  # noqa: S311
            mishap, besides = _besides(dice, point, all_points)
            number = next(numbers)
            is_tenth = number % SQLITE_EACH == 0 and not point.name.startswith(NEVER_ON_SQLITE)
            kind = "sqlite" if is_tenth else "postgresql"
            if mishap == "restore" and kind == "sqlite":  # with PostgreSQL's own tools alone
                mishap, besides = "none", None
            if point.day == MOVES:
                moves = AT_ONCE
            else:
                moves = next(scripts) if next(movable) % MOVES_EACH == 0 else ""
            yield Case(
                day=point.day,
                kind=kind,
                backend=ON_GRAPH[number % len(ON_GRAPH)] if point.on_graph else "ews",
                death=dice.choice(DEATHS),
                point=point.name,
                mishap=mishap,
                besides=besides,
                moves=moves,
                seed=seed,
            )


def _with_moves(all_points: Sequence[Point]) -> Iterator[Point]:
    """Give every fourth from the day on which mailboxes move, as long as there are such and others."""
    moving = [point for point in all_points if point.day == MOVES]
    others = [point for point in all_points if point.day != MOVES]
    for number in range(len(all_points)):
        is_turn = moving and number % MOVES_DAY_EACH == 0
        yield (moving if is_turn or not others else others).pop(0)


def _besides(dice: Random, point: Point, all_points: Sequence[Point]) -> tuple[Mishap, str | None]:
    """Draw what else happens in a run, and where; stop only who has work in hand."""
    mishap = dice.choice(MISHAPS)
    others = [
        other.name
        for other in all_points
        if (other.on_graph, other.day) == (point.on_graph, point.day) and other.name != point.name
    ]
    if mishap == "stop":
        others = [name for name in others if name.startswith(("calendar", "course", "person"))]
    return mishap, _shuffled(others, point.name)[0] if mishap != "none" else None


def _shuffled(values: Iterable[T], seed: str) -> list[T]:
    """Shuffle so that a value more or less changes nothing for the others."""
    return sorted(values, key=lambda value: sha256(f"{seed} {value}".encode()).digest())


def sabotaged(all_points: Sequence[Point], runs: int, seed: int, sabotage: Sabotage) -> list[Case]:
    """Draw among the points where the lack of a mechanism shows at once."""
    telling = [
        point
        for point in all_points
        if point.on_graph is (sabotage.backend != "ews")
        and point.name.endswith(tuple(TELLING[sabotage.name]))
    ]
    chosen = _shuffled(telling, str(seed))[:runs]
    return [_telling(point, seed, sabotage) for point in chosen]


def _telling(point: Point, seed: int, sabotage: Sabotage) -> Case:
    mishap = SABOTAGED.get(sabotage.name)
    name, moves = sabotage.name, MOVING.get(sabotage.name, "")
    case = Case(day=point.day, backend=sabotage.backend, moves=moves, seed=seed, sabotage=name)
    if mishap is not None:
        return replace(case, mishap=mishap, besides=point.name)
    return replace(case, death="kill", point=point.name)


def replayed(words: str, seed: int, sabotage: str | None) -> Case:
    """Return the case that a run's words name."""
    day, kind, backend, death, point, mishap, besides, moves = words.replace("~", " ").split(",")
    backends: dict[str, Backend] = {name: name for name in ("ews", *ON_GRAPH)}
    deaths: dict[str, Death] = {name: name for name in DEATHS}
    mishaps: dict[str, Mishap] = {name: name for name in MISHAPS}
    return Case(
        day=day,
        kind=kind,
        backend=backends[backend],
        death=deaths.get(death, "none"),
        point=point or None,
        mishap=mishaps[mishap],
        besides=besides or None,
        moves=moves,
        seed=seed,
        sabotage=sabotage,
    )
