"""How soon calendars are right: a lecture of hundreds moved at once, and live changes during a fill.

Times are those of the change log: from the mark that the notification made, on the database's
clock, to the last entry that it led to in a calendar.
"""

import json
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Literal
from urllib.parse import unquote

from sqlalchemy import text

from bench.measure import Figure, family, pss_megabytes, single
from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json
from kalender.sandbox.server import start
from kalender.store.database import Database
from tests import commands
from tests.drills.town import tell_of_course, whose
from tests.e2e.house import House, cut
from tests.real_data import unpack_term

NOW = "2025-08-18T08:00+02:00"
CONNECTIONS, SLOW = 16, 0.1
STUDENTS, FEW = 27_000, 2_000
HALF, MOST_OF = 0.5, 0.95
MOST_OF_IDEAL = 1.5
LATE = 3.0  # seconds, for 95 % of the live changes
SCENARIOS = ((0.0, 0.0), (SLOW, 0.0), (0.5, 0.0), (SLOW, 2.0))  # seconds of Exchange, of TP
GROUP = range(5, 41)
SETTLE = 2.0  # the settings' own
LIVE = """
    SELECT l.noticed_at, l.calendar_id, max(l.at) AS at FROM change_log l
    WHERE l.noticed_at > :since AND l.cause = 'tp notification'
    GROUP BY l.noticed_at, l.calendar_id
"""


@contextmanager
def working(  # noqa: PLR0913
    university: Path,
    directory: Path,
    url: str,
    *,
    settle: float,
    mailbox: str,
    domain: str,
    graph: Literal["none", "half", "all"] = "none",
) -> Iterator[House]:
    """An installation with 16 connections in two processes, all of it marked and nothing done."""
    with start(university, graph=graph) as sandbox:
        house = House(directory, university, sandbox, url, NOW, mailbox, graph=graph, forked=False)
        changed = {
            "uio.example": domain,
            "connections = 3": f"connections = {CONNECTIONS // 2}",
            "settle_seconds = 0.1": f"settle_seconds = {settle}",
        }
        content = house.config.read_text()
        for old, new in changed.items():
            content = content.replace(old, new)
        house.config.write_text(content)
        house.run("db", "upgrade")
        house.run("resync", "--all")
        yield house


# -- one lecture -------------------------------------------------------------------------------------


def moved_lecture(
    make_database: Callable[[], str], *, quick: bool, graph: Literal["none", "all"] = "none"
) -> Iterator[Figure]:
    """Move one lecture of the real term's largest course, over EWS or over Graph alone."""
    with tempfile.TemporaryDirectory() as made:
        directory, url = Path(made), make_database()
        whole = unpack_term(directory)
        course, students = largest(whole)
        taken = sorted(students)[: 100 if quick else None]
        university = cut(whole, directory / "cut", students=taken)
        with working(
            university,
            directory,
            url,
            settle=0.1,
            mailbox="{username}@uio.example",
            domain="uio.example",
            graph=graph,
        ) as house:
            house.run("worker", "--until-idle")
            house.send("PUT", "latency", {"exchange": SLOW, "graph": SLOW})
            yield from _moved(house, course, quick=quick)


def _moved(house: House, course: str, *, quick: bool) -> Iterator[Figure]:
    """Move it a few times. Of a hundred people the beginning is most: the goal is for five times as many."""
    database = Database(house.database)
    with (
        house.running("worker") as worker,
        house.running("listener", "--stdin", stdin=True) as told,
    ):
        threading.Event().wait(5)  # all are there, and idle
        moves = [_move_once(house, told, database, course) for _ in range(1 if quick else 5)]
        megabytes = pss_megabytes(family(worker))
    database.close()
    if wrong := house.differences():
        raise AssertionError(f"{len(wrong)} entries are not as they should be")
    people = moves[0][0]
    seconds = sorted(took for _, took in moves)
    asked, whose = (1, "Exchange") if house.graph == "none" else (2, "Graph")
    ideal = people * asked / CONNECTIONS * SLOW
    ratio = median(seconds) / ideal
    yield Figure(
        name=f"a lecture of {people} people moved, {whose} at 100 ms: seconds until all are right",
        ours=round(median(seconds), 2),
        reference=round(ideal, 2),
        ratio=round(ratio, 2),
        spread=f"{seconds[0] / ideal:.2f} - {seconds[-1] / ideal:.2f}",
        goal=None if quick else f"<= {MOST_OF_IDEAL}",
        met=None if quick else ratio <= MOST_OF_IDEAL,
    )
    yield single("its workers together, MB of PSS", megabytes, at_most=600)


def _move_once(
    house: House, told: commands.Process, database: Database, course: str
) -> tuple[int, float]:
    """Return for how many people it was moved, and how long it took, settling counted out."""
    since = database.now()
    house.change_course(course, move_lecture)
    tell_of_course(told, course)
    threading.Event().wait(2)
    wait_until_done(database)
    rows = live(database, since)
    return len(rows), max(at - noticed for noticed, at in rows).total_seconds() - 0.1


def largest(university: Path) -> tuple[str, set[int]]:
    """Return the course that most students take, and who they are."""
    lines = (university / "fs" / "studentundervisning.ndjson").read_text("utf-8").splitlines()
    items = [json.loads(line) for line in lines]
    counts = Counter(_course(item) for item in items)
    course = counts.most_common(1)[0][0]
    return course, {whose(item) for item in items if _course(item) == course}


def _course(item: Json) -> str:
    return str(item["id"]["undervisning"]["emne"]["kode"])


def move_lecture(answer: Json) -> None:
    """Let the last lecture for everybody begin and end a quarter later."""
    _move(event for event in answer["events"] if event["status_plenary"])


def _move(events: Iterable[Json]) -> None:
    event = max(events, key=lambda each: each["dtstart"])
    for name in ("dtstart", "dtend"):
        event[name] = (datetime.fromisoformat(event[name]) + timedelta(minutes=15)).isoformat()


def live(database: Database, since: datetime) -> list[tuple[datetime, datetime]]:
    """Return when each calendar's live change was told of, and when it was right."""
    with database.read() as connection:
        rows = connection.execute(text(LIVE), {"since": since.astimezone(UTC)}).all()
    return [(row.noticed_at, row.at) for row in rows]


# -- live changes during a fill ------------------------------------------------------------------------


def during_a_fill(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Fill a big term, and meanwhile move one group of five to forty people about once a second."""
    students = FEW if quick else STUDENTS
    with tempfile.TemporaryDirectory() as made:
        directory, url = Path(made), make_database()
        university = directory / "university"
        generate(university, students=students)
        with working(
            university,
            directory,
            url,
            settle=SETTLE,
            mailbox="epost:INSTITUSJON",
            domain="uni.example",
        ) as house:
            slow = SCENARIOS[1:2] if quick else SCENARIOS
            late = None if quick else LATE  # of a few seconds the fill's beginning is most
            yield from _scenarios(house, students, slow, seconds=8 if quick else 40, late=late)


def _scenarios(
    house: House,
    students: int,
    slow: Sequence[tuple[float, float]],
    *,
    seconds: float,
    late: float | None,
) -> Iterator[Figure]:
    small = cycle(groups(house))
    with house.running("worker"), house.running("listener", "--stdin", stdin=True) as told:
        database = Database(house.database)
        wait_until_done(database, ["course"])
        database.close()
        for exchange, tp in slow:
            house.send("PUT", "latency", {"exchange": exchange, "tp": tp})
            name = f"live changes during a fill of {students:,}, Exchange {exchange * 1000:g} ms"
            taken = changes(house, told, small, seconds)
            goal = late if (exchange, tp) == (SLOW, 0.0) else None
            yield from _percentiles(f"{name}, TP {tp:g} s" if tp else name, taken, goal)


def wait_until_done(database: Database, kinds: Sequence[str] = ("course", "calendar")) -> None:
    """Wait until nothing of these kinds is dirty."""
    waiting = text("SELECT count(*) FROM dirty WHERE kind = ANY(:kinds)")
    while True:
        with database.read() as connection:
            if not connection.execute(waiting, {"kinds": list(kinds)}).scalar_one():
                return
        threading.Event().wait(0.5)


def changes(
    house: House, told: commands.Process, small: Iterator[tuple[str, str]], seconds: float
) -> list[float]:
    """Move one group after the other for so long; return the seconds of each calendar, sorted."""
    database, pause, end = Database(house.database), threading.Event(), monotonic() + seconds
    since = database.now()
    while monotonic() < end:
        course, actid = next(small)
        answer = house.get(f"tp/{course}")
        _move(event for event in answer["events"] if event["actid"] == actid)
        house.put_course(course, answer)
        tell_of_course(told, course)
        pause.wait(1)
    pause.wait(10)  # the last ones arrive
    taken = sorted((at - noticed).total_seconds() for noticed, at in live(database, since))
    database.close()
    return taken


def groups(house: House) -> list[tuple[str, str]]:
    """Return groups of five to forty people as (course, activity)."""
    path = house.university / "fs" / "studentundervisningsaktivitet.ndjson"
    counts = Counter(
        group_of(json.loads(line)) for line in path.read_text("utf-8").splitlines() if line
    )
    return [group for group, count in sorted(counts.items()) if count in GROUP]


def group_of(item: Json) -> tuple[str, str]:
    """Return the course and the activity of a placement."""
    *_, course, _, _, _, _, actid = unquote(
        item["id"]["undervisningsaktivitet"]["href"].rpartition("/")[2]
    ).split(",")
    return course, actid


def quantile(taken: Sequence[float], share: float) -> float:
    """Return what so large a share of sorted values is at most."""
    return taken[int(share * (len(taken) - 1))]


def _percentiles(name: str, taken: list[float], goal: float | None) -> Iterator[Figure]:
    middle, late = (quantile(taken, share) for share in (HALF, MOST_OF))
    wide = (
        f"{taken[0]:.1f} - {taken[-1]:.1f}, {len(taken)} calendars, {SETTLE:g} s of settling in it"
    )
    yield single(f"{name}: p50 seconds", middle, spread=wide)
    yield single(f"{name}: p95 seconds", late, at_most=goal, spread=wide)


def run(make_database: Callable[[], str], *, quick: bool) -> Iterator[Figure]:
    """Measure both."""
    yield from moved_lecture(make_database, quick=quick)
    yield from during_a_fill(make_database, quick=quick)
