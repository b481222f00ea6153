"""Which runs there are: a death at every point once before any comes again, and mishaps besides."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import sha256
from itertools import count, islice
from random import Random
from typing import TypeVar

from tests.chaos.run import Case, Death, Mishap
from tests.chaos.sabotage import TELLING

SQLITE_EACH = 10
DEATHS: Sequence[Death] = ("kill", "kill", "kill-all")
MISHAPS: Sequence[Mishap] = ("none", "none", "none", "none", "cut", "stop", "restore")
SABOTAGED: Mapping[str, Mishap] = {
    "no-token": "stop",
    "early-lookup": "cut",
    "no-memory": "restore",
}
Point = tuple[str, str]  # day, name
T = TypeVar("T")


def points(clean: Mapping[str, Sequence[set[str]]]) -> list[Point]:
    """Return what every clean run of a day came by."""
    return sorted((day, name) for day, runs in clean.items() for name in set.intersection(*runs))


def cases(all_points: Sequence[Point], runs: int, seed: int) -> list[Case]:
    """Draw so many runs without repeating a point, as long as there are others."""
    return list(islice(_cases(all_points, seed), runs))


def _cases(all_points: Sequence[Point], seed: int) -> Iterator[Case]:
    numbers = count(1)
    for again in count():
        for day, name in _shuffled(all_points, f"{seed} {again}"):
            dice = Random(f"{seed} {again} {day} {name}")  # noqa: S311
            mishap, besides = _besides(dice, (day, name), all_points)
            kind = "postgresql" if next(numbers) % SQLITE_EACH else "sqlite"
            if mishap == "restore" and kind == "sqlite":  # with PostgreSQL's own tools alone
                mishap, besides = "none", None
            yield Case(
                day=day,
                kind=kind,
                death=dice.choice(DEATHS),
                point=name,
                mishap=mishap,
                besides=besides,
                seed=seed,
            )


def _besides(dice: Random, point: Point, all_points: Sequence[Point]) -> tuple[Mishap, str | None]:
    """Draw what else happens in a run, and where; stop only who has work in hand."""
    mishap = dice.choice(MISHAPS)
    others = [name for day, name in all_points if day == point[0] and name != point[1]]
    if mishap == "stop":
        others = [name for name in others if name.startswith(("calendar", "course", "person"))]
    return mishap, _shuffled(others, point[1])[0] if mishap != "none" else None


def _shuffled(values: Iterable[T], seed: str) -> list[T]:
    """Shuffle so that a value more or less changes nothing for the others."""
    return sorted(values, key=lambda value: sha256(f"{seed} {value}".encode()).digest())


def sabotaged(all_points: Sequence[Point], runs: int, seed: int, sabotage: str) -> list[Case]:
    """Draw among the points where the lack of a mechanism shows at once."""
    telling = [(day, n) for day, n in all_points if n.endswith(tuple(TELLING[sabotage]))]
    chosen = _shuffled(telling, str(seed))[:runs]
    return [_telling(day, name, seed, sabotage) for day, name in chosen]


def _telling(day: str, name: str, seed: int, sabotage: str) -> Case:
    mishap = SABOTAGED.get(sabotage)
    if mishap is not None:
        return Case(day=day, mishap=mishap, besides=name, seed=seed, sabotage=sabotage)
    return Case(day=day, death="kill", point=name, seed=seed, sabotage=sabotage)


def replayed(words: str, seed: int, sabotage: str | None) -> Case:
    """Return the case that a run's words name."""
    day, kind, death, point, mishap, besides = words.replace("~", " ").split(",")
    deaths: dict[str, Death] = {name: name for name in DEATHS}
    mishaps: dict[str, Mishap] = {name: name for name in MISHAPS}
    return Case(
        day=day,
        kind=kind,
        death=deaths.get(death, "none"),
        point=point or None,
        mishap=mishaps[mishap],
        besides=besides or None,
        seed=seed,
        sabotage=sabotage,
    )
