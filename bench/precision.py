"""What one change of a course costs, with real processes on the filled real term."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

from bench.latency import group_of, wait_until_done
from bench.measure import Figure, single
from kalender.sandbox.installation import Json
from kalender.sandbox.oracle import Expected
from kalender.store.database import Database
from tests.drills.town import tell_of_course, whose
from tests.e2e.house import House

ARRIVES_SECONDS = 3.0
Change = Callable[[Json], None]
Asked = Mapping[str, int]  # requests by neighbour
Calendars = Mapping[str, Sequence[Expected]]  # by mailbox, as the oracle wants them


def run(house: House, next_day: str) -> Iterator[Figure]:
    """Move one group of the course that has most, tell of nothing, and change what has ended."""
    placed = _placed(house)
    course, group, groups = _a_group(placed)
    _never_verify(house)
    with _at_work(house) as make:
        before = house.wanted()
        asked = make(course, lambda answer: _move(answer, group))
        people = _changed(before, house.wanted())
        yield from _asked_for_a_move(
            asked, f"one of {groups} groups moves, {people} people", people
        )
        asked = make(course, lambda _: None)
        name = "a course is told of that is as it was:"
        yield single(f"{name} requests to TP", asked["tp"], at_most=1)
        yield single(f"{name} calendars marked", _marked(house, course), at_most=0)
    house.now = next_day
    with _at_work(house) as make:
        over = _with_something_over(house, placed, next_day)
        asked = make(over, lambda answer: _record(answer, next_day))
        name = "a recording is added to what has ended: requests to Exchange"
        yield single(name, asked["exchange"], at_most=0)


def _asked_for_a_move(asked: Asked, name: str, people: int) -> Iterator[Figure]:
    yield single(f"{name}: requests to TP", asked["tp"], at_most=1)
    yield single(f"{name}: requests to FS", asked["fs"], at_most=0)
    yield Figure(
        name=f"{name}: requests to Exchange, beside people",
        ours=asked["exchange"],
        reference=people,
        ratio=round(asked["exchange"] / people, 2),
        goal="= 1",
        met=asked["exchange"] == people,
    )


Placed = Mapping[str, Mapping[str, set[int]]]  # course -> group -> students


def _placed(house: House) -> Placed:
    """Return who is placed where, the course with most groups first."""
    path = house.university / "fs" / "studentundervisningsaktivitet.ndjson"
    placed: defaultdict[str, defaultdict[str, set[int]]] = defaultdict(lambda: defaultdict(set))
    for item in map(json.loads, path.read_text("utf-8").splitlines()):
        course, actid = group_of(item)
        placed[course][actid].add(whose(item))
    return {course: placed[course] for course in sorted(placed, key=lambda c: (-len(placed[c]), c))}


def _a_group(placed: Placed) -> tuple[str, str, int]:
    """Return the course with most groups, a middling one of them, and how many there are."""
    course, groups = next(iter(placed.items()))
    by_size = sorted(groups, key=lambda actid: (len(groups[actid]), actid))
    return course, by_size[len(groups) // 2], len(groups)


def _changed(before: Calendars, after: Calendars) -> int:
    """How many calendars the oracle wants otherwise than it did."""
    return sum(before.get(m) != after.get(m) for m in before.keys() | after.keys())


def _never_verify(house: House) -> None:
    """Let no worker look into calendars meanwhile: that costs requests, but of nobody's change."""
    text = house.config.read_text().replace("[worker]", "[worker]\nverify_every_hours = 87600")
    house.config.write_text(text)


@contextmanager
def _at_work(house: House) -> Iterator[Callable[[str, Change], Asked]]:
    """Run listener and worker; yield what changes a course, tells of it and counts requests."""
    with house.running("worker"), house.running("listener", "--stdin", stdin=True) as told:
        database = Database(house.database)

        def make(course: str, change: Change) -> Asked:
            wait_until_done(database)
            house.send("DELETE", "requests")
            house.change_course(course, change)
            tell_of_course(told, course)
            threading.Event().wait(ARRIVES_SECONDS)
            wait_until_done(database)
            asked: Asked = house.get("counters")
            return asked

        yield make
        database.close()


def _move(answer: Json, group: str) -> None:
    """Let all meetings of a group begin and end a quarter later."""
    for event in answer["events"]:
        if event["actid"] == group:
            for name in ("dtstart", "dtend"):
                at = datetime.fromisoformat(event[name]) + timedelta(minutes=15)
                event[name] = at.isoformat()


def _with_something_over(house: House, placed: Placed, now: str) -> str:
    """Return the first course of which something has ended."""
    for course in placed:
        if _over(house.get(f"tp/{course}"), now):
            return course
    raise AssertionError("nothing has ended")


def _record(answer: Json, now: str) -> None:
    """Say of every lecture that has ended that there is a recording of it."""
    for event in _over(answer, now):
        event["title"] = "Opptak"


def _over(answer: Json, now: str) -> list[Json]:
    return [e for e in answer["events"] if datetime.fromisoformat(e["dtend"]) < _at(now)]


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _marked(house: House, course: str) -> int:
    """How many calendars the last refresh of a course marked, as the worker logged it."""
    lines = (house.directory / "worker.log").read_text("utf-8").splitlines()
    told = [json.loads(line) for line in lines if line.startswith("{")]
    refreshed = [
        line
        for line in told
        if line.get("event") == "course_refreshed" and line["course"].startswith(course)
    ]
    return int(refreshed[-1]["calendars"])
