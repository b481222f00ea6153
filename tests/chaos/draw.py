"""Which runs there are: every point once before any comes again, and what happens at each."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from random import Random

from tests.chaos.run import Action, Case
from tests.chaos.sabotage import TELLING

SQLITE_EACH = 10
ACTIONS: Mapping[str, int] = {"kill": 8, "kill-all": 4, "stop": 3, "cut": 3}
SABOTAGED: Mapping[str, Action] = {"no-token": "stop", "early-lookup": "cut"}
Point = tuple[str, str]  # day, name


def points(clean: Mapping[str, Sequence[set[str]]]) -> list[Point]:
    """Return what every clean run of a day came by."""
    return sorted((day, name) for day, runs in clean.items() for name in set.intersection(*runs))


def cases(all_points: Sequence[Point], runs: int, seed: int) -> list[Case]:
    """Draw so many runs without repeating a point, as long as there are others."""
    return list(islice(_cases(all_points, seed), runs))


def _cases(all_points: Sequence[Point], seed: int) -> Iterator[Case]:
    numbers = count(1)
    for again in count():
        dice = Random(f"{seed} {again}")  # noqa: S311
        drawn = list(all_points)
        dice.shuffle(drawn)
        for day, name in drawn:
            kind = "postgresql" if next(numbers) % SQLITE_EACH else "sqlite"
            yield Case(day=day, point=name, action=_action(dice, name), kind=kind, seed=seed)


def _action(dice: Random, point: str) -> Action:
    """Stop only who has work in hand: others are not missed."""
    names: list[Action] = ["kill", "kill-all", "stop", "cut"]
    action = dice.choices(names, list(ACTIONS.values()))[0]
    in_hand = point.startswith(("calendar", "course", "person"))
    return "kill" if action == "stop" and not in_hand else action


def sabotaged(all_points: Sequence[Point], runs: int, seed: int, sabotage: str) -> list[Case]:
    """Draw among the points where the lack of a mechanism shows at once."""
    telling = [(day, n) for day, n in all_points if n.endswith(tuple(TELLING[sabotage]))]
    Random(seed).shuffle(telling)  # noqa: S311
    action: Action = SABOTAGED.get(sabotage, "kill")
    return [
        Case(day=day, point=name, action=action, seed=seed, sabotage=sabotage)
        for day, name in telling[:runs]
    ]


def replayed(words: str, seed: int) -> Case:
    """Return the case that a run's words name."""
    day, kind, action, point = words.split("/", 3)
    known: dict[str, Action] = {name: name for name in ("kill", "kill-all", "stop", "cut")}
    return Case(day=day, kind=kind, action=known[action], point=point, seed=seed)
