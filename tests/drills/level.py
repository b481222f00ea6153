"""The service level: live changes with a slow Exchange, while a worker is killed every minute."""

import os
import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from time import monotonic

from kalender.app import App
from kalender.sandbox.installation import Json
from tests import commands
from tests.drills.town import (
    courses,
    registrations,
    say,
    tell_of_course,
    tell_of_person,
    whose,
)
from tests.e2e.house import House

EVERY_SECONDS = 3.0
EXCHANGE_SECONDS = 0.5
KILL_SECONDS = 60.0
STUDENTS, SETTINGS = 120, "[safety]\nmin_deletes = 100000\nmin_deletes_day = 100000\n"
GOALS = ((0.95, 120.0), (0.99, 900.0))
SLOW = {"neighbour": "exchange", "kind": "slow", "seconds": EXCHANGE_SECONDS, "times": -1}


def play(house: House, minutes: float = 5.0) -> list[float]:
    """Print the shares within two and fifteen minutes; return all seconds, sorted."""
    say(
        f"{minutes:g} minutes of changes, one every {EVERY_SECONDS:g} s; Exchange takes "
        f"{EXCHANGE_SECONDS:g} s for each answer; a worker is killed every minute."
    )
    house.send("POST", "faults", SLOW)
    begun = App.machine_now()
    with (
        house.running("worker") as worker,
        house.running("listener", "--stdin", stdin=True) as listener,
    ):
        killed = _day(house, worker, listener, monotonic() + 60 * minutes)
        house.wait_until_right(900)
    taken = _taken(house, begun)
    _report(taken, killed)
    return taken


def _day(house: House, worker: commands.Process, listener: commands.Process, end: float) -> int:
    """Change something again and again; return how many workers were killed."""
    pause, dice, killed = threading.Event(), Random(1), 0  # noqa: S311
    next_kill = monotonic() + min(KILL_SECONDS, (end - monotonic()) / 2)
    changes = _changes(house, listener, dice)
    while monotonic() < end:
        next(changes)
        if monotonic() > next_kill:
            os.kill(dice.choice(_children(worker.pid)), signal.SIGKILL)
            killed, next_kill = killed + 1, next_kill + KILL_SECONDS
        pause.wait(EVERY_SECONDS)
    return killed


def _changes(house: House, listener: commands.Process, dice: Random) -> Iterator[None]:
    """Move a lecture; let a student leave; each told as it would be."""
    one_each = {whose(item): item for item in registrations(house)}  # nobody leaves everything
    leaving, known = iter(one_each.values()), courses(house)
    while True:
        course = dice.choice(known)
        house.change_course(course, lambda answer: _move_one(answer, dice))
        tell_of_course(listener, course)
        yield
        item = next(leaving)
        house.drop("studentundervisning", item)
        tell_of_person(listener, whose(item))
        yield


def _move_one(answer: Json, dice: Random) -> None:
    event = dice.choice(answer["events"])
    for name in ("dtstart", "dtend"):
        event[name] = (datetime.fromisoformat(event[name]) + timedelta(minutes=15)).isoformat()


def _children(parent: int) -> list[int]:
    return [
        int(each) for each in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    ]


def _taken(house: House, begun: datetime) -> list[float]:
    """Seconds from when a change was told of to when it was written, of all entries since."""
    path = house.database.removeprefix("sqlite:///")
    query = "SELECT at, noticed_at FROM change_log WHERE noticed_at IS NOT NULL"
    with closing(sqlite3.connect(path)) as connection:
        rows = [
            tuple(datetime.fromisoformat(t + "+00:00") for t in r)
            for r in connection.execute(query)
        ]
    return sorted((at - noticed).total_seconds() for at, noticed in rows if noticed >= begun)


def _report(taken: list[float], killed: int) -> None:
    say(f"{len(taken)} entries written, {killed} workers killed; longest {taken[-1]:.1f} s.")
    for share, seconds in GOALS:
        within = sum(each <= seconds for each in taken) / len(taken)
        at = taken[min(int(share * len(taken)), len(taken) - 1)]
        verdict = "met" if within >= share else "NOT met"
        say(
            f"{within:.2%} within {seconds / 60:g} min (goal {share:.0%}: {verdict}); p{share * 100:g} {at:.1f} s"
        )
