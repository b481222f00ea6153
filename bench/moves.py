"""How soon others' calendars are right while mailboxes move, and what following them asks for.

Mailboxes move from EWS to Graph, announced as in a campaign. Live changes concern others alone: who
moves is looked up in turn, after all that somebody waits for.
"""

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from statistics import median
from time import monotonic

from sqlalchemy import text

from bench import simulation
from bench.latency import (
    MOST_OF,
    NOW,
    SETTLE,
    SLOW,
    changes,
    group_of,
    groups,
    quantile,
    wait_until_done,
    working,
)
from bench.measure import Figure, single
from kalender.sandbox.generate import generate
from kalender.store.database import Database
from tests import commands
from tests.drills.town import whose
from tests.e2e.house import House

STUDENTS, FEW = 1_500, 150
MAILBOXES, SOME = 100, 10  # that move in one turn
TURNS, SECONDS = 3, 40.0
PER_MINUTE = 200
GROUPS, FEW_GROUPS = 12, 2  # that live changes concern, in turn
WORSE = 1.2
BATCH = "Batch"  # in the sandbox's log, in which the requests of a batch stand as well
ANNOUNCED = "SELECT count(*) FROM move_announced"


def run(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Measure live changes with moves and without, in turns, and simulate a campaign."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        university = directory / "university"
        generate(university, students=FEW if quick else STUDENTS)
        with working(
            university,
            directory,
            make_database(),
            settle=SETTLE,
            mailbox="epost:INSTITUSJON",
            domain="uni.example",
            graph="half",
        ) as house:
            pace = f"[moves]\nper_minute = {PER_MINUTE}\n"
            house.config.write_text(house.config.read_text() + pace)
            house.run("worker", "--until-idle")
            yield from _beside_moves(house, quick=quick)
    yield from simulation.run_moves()


def _beside_moves(house: House, *, quick: bool) -> Iterator[Figure]:
    """Change others' calendars in a quiet turn and in one with moves, some times each."""
    house.send("PUT", "latency", {"exchange": SLOW, "graph": SLOW})
    chosen = groups(house)[: FEW_GROUPS if quick else GROUPS]
    movable = _movable(house, chosen)
    small, turns, many = cycle(chosen), 1 if quick else TURNS, SOME if quick else MAILBOXES
    seconds = 8.0 if quick else SECONDS
    quiet, busy, moved = (
        list[list[float]](),
        list[list[float]](),
        list[tuple[float, Counter[str]]](),
    )
    with house.running("worker"), house.running("listener", "--stdin", stdin=True) as told:
        for _ in range(turns):
            quiet.append(changes(house, told, small, seconds))
            people, movable = movable[:many], movable[many:]
            taken, follow = _with_moves(house, told, small, people, seconds)
            busy.append(taken)
            moved.append(follow)
    status = json.loads(house.run("move", "status", "--json"))
    if wrong := house.differences():
        raise AssertionError(f"{len(wrong)} entries are not as they should be")
    if (status["moved"], status["waiting"]) != (turns * many, 0):
        raise AssertionError(f"{status['moved']} mailboxes moved, {status['waiting']} wait")
    yield from _compared(quiet, busy, turns * many, quick=quick)
    yield from _followed(house, moved, many)


def _movable(house: House, chosen: Sequence[tuple[str, str]]) -> list[str]:
    """Return the students' mailboxes on EWS that hold entries, and whom no live change concerns."""
    path = house.university / "fs" / "studentundervisningsaktivitet.ndjson"
    placements = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    busy = {f"st{whose(item) - 100_000:06}" for item in placements if group_of(item) in chosen}
    places, held = house.get("graph/mailboxes"), house.held()
    return [
        address
        for address, place in sorted(places.items())
        if place == "ews" and address.startswith("st") and address in held
        if address.partition("@")[0] not in busy
    ]


def _with_moves(
    house: House,
    told: commands.Process,
    small: Iterator[tuple[str, str]],
    people: Sequence[str],
    seconds: float,
) -> tuple[list[float], tuple[float, Counter[str]]]:
    """Let these move, announced; return what live changes took, and what following them did.

    That is the seconds until all were right, and the requests to them by operation.
    """
    database, begun = Database(house.database), monotonic()
    house.send("DELETE", "requests")
    listed = house.directory / "people.txt"
    listed.write_text("\n".join(people))
    house.send("POST", "graph/moves", {"to": "graph", "mailboxes": list(people)})
    house.run("move", "announce", "cloud", "--from", NOW[:10], str(listed))
    followed = list[float]()

    def follow() -> None:
        while True:
            with database.read() as connection:
                if not connection.execute(text(ANNOUNCED)).scalar_one():
                    break
            threading.Event().wait(0.5)
        wait_until_done(database, ["calendar"])
        followed.append(monotonic() - begun)

    following = threading.Thread(target=follow)
    following.start()
    taken = changes(house, told, small, seconds)
    following.join()
    database.close()
    asked = Counter(
        row["operation"]
        for row in house.get("requests")
        if row["mailbox"] in {*people} and row["neighbour"] in {"exchange", "graph"}
    )
    return taken, (followed[0], asked)


def _compared(
    quiet: Sequence[Sequence[float]],
    busy: Sequence[Sequence[float]],
    many: int,
    *,
    quick: bool,
) -> Iterator[Figure]:
    """Yield p95 with moves beside p95 without, of each turn and its neighbour."""
    pairs = [
        (quantile(with_, MOST_OF), quantile(without, MOST_OF))
        for with_, without in zip(busy, quiet, strict=True)
    ]
    name = f"live changes while {many} mailboxes move, Exchange at {SLOW * 1000:g} ms: p95 seconds"
    for settled, words in ((0.0, f"{SETTLE:g} s of settling in it"), (SETTLE, "settling left out")):
        ratios = sorted((mine - settled) / (theirs - settled) for mine, theirs in pairs)
        ratio = median(ratios)
        is_goal = not quick and not settled
        yield Figure(
            name=f"{name}, {words}; beside turns without moves",
            ours=round(median(mine for mine, _ in pairs) - settled, 2),
            reference=round(median(theirs for _, theirs in pairs) - settled, 2),
            ratio=round(ratio, 2),
            spread=f"{ratios[0]:.2f} - {ratios[-1]:.2f}, {sum(map(len, busy))} calendars",
            goal=f"<= {WORSE}" if is_goal else None,
            met=ratio <= WORSE if is_goal else None,
        )


def _followed(
    house: House, moved: Sequence[tuple[float, Counter[str]]], many: int
) -> Iterator[Figure]:
    """Yield how long following took, and what it asked for."""
    seconds = sorted(took for took, _ in moved)
    asked = sum((each for _, each in moved), Counter[str]())
    spread = f"{seconds[0]:.1f} - {seconds[-1]:.1f}"
    name = f"{many} announced mailboxes moved at once, {PER_MINUTE} a minute: seconds until right"
    yield single(name, median(seconds), spread=spread)
    held = house.held()
    entries = median(len(entries) for entries in held.values())
    each = (asked.total() - asked[BATCH]) / (many * len(moved))
    kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(asked.items()))
    name = f"requests for each of them (calendars of {entries:g} entries), those in batches counted"
    yield single(name, each, spread=kinds)
