"""A night: TP answers with empties, the brake holds, the answers come back; then a deadline's flood.

Everything is played by real processes on a made-up university; the clock in the answers is this
machine's, since only the teaching is of another day.
"""

import json
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

from tests.drills.town import (
    NIGHT,
    courses,
    registrations,
    say,
    shown,
    tell_of_course,
    tell_of_person,
    whose,
)
from tests.e2e.house import House

STUDENTS, SETTINGS = 120, "[safety]\nmin_deletes = 20\nmin_deletes_day = 100\n"
WITHDRAWN = 40


def play(house: House) -> None:
    """Print the transcript; AssertionError where the night does not go as it should."""
    say("02.09., 03.05. Everybody sleeps.")
    shown(house, "status")
    with house.running("worker"), house.running("listener", "--stdin", stdin=True) as listener:
        _empties(house, lambda course: tell_of_course(listener, course))
        _deadline(house, lambda number: tell_of_person(listener, number))
    say("\nEvery calendar holds what it should; nobody was woken by the second night.")


def _holds(house: House) -> list[str]:
    rows = json.loads(house.run("brake", "show", "--json"))
    return [row["scope"] for row in rows if row["state"] == "holding"]


def _until(true: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    pause, end = threading.Event(), monotonic() + seconds
    while not true():
        assert monotonic() < end, what
        pause.wait(1.0)


def _empties(house: House, tell: Callable[[str], None]) -> None:
    hit = courses(house)[:2]
    whole = {course: house.get(f"tp/{course}") for course in hit}
    say(
        f"\n03.10. TP answers for {' and '.join(hit)} with no events at all, and says so on the queue."
    )
    for course in hit:
        house.send("PUT", f"tp/{course}", whole[course] | {"events": []})
        tell(course)
    _until(lambda: len(_holds(house)) == len(hit), "the brake does not hold")
    say("\n03.14. The alert KalenderBrakeHolds has opened a ticket. The operator looks:")
    assert shown(house, "status").startswith("held")
    shown(house, "brake", "show")
    shown(house, "show", "--course", hit[0])
    assert house.differences() == [], "something was deleted"
    say("\nNothing was deleted: every calendar is as it was. The operator asks TP's people.")
    say("\n03.40. TP's answers are whole again; the next notification ends the hold.")
    for course in hit:
        house.send("PUT", f"tp/{course}", whole[course])
        tell(course)
    _until(lambda: not _holds(house), "the hold does not end")
    shown(house, "brake", "show")
    shown(house, "status")
    house.wait_until_right()


def _deadline(house: House, tell: Callable[[int], None]) -> None:
    begins = datetime.fromisoformat(NIGHT)
    say("\nThe day after, the operator announces the registration deadline's night:")
    shown(
        house,
        "brake",
        "expect",
        "--from",
        begins.isoformat(),
        "--until",
        (begins + timedelta(hours=12)).isoformat(),
        "--up-to",
        "5000",
        "--reason",
        "registration deadline",
    )
    gone = registrations(house)[:WITHDRAWN]
    for item in gone:
        house.drop("studentundervisning", item)
    numbers = sorted({whose(item) for item in gone})
    say(f"\n23.59. {len(gone)} registrations of {len(numbers)} students are gone from FS.")
    for number in numbers:
        tell(number)
    house.wait_until_right(120)
    shown(house, "brake", "show")
    assert not _holds(house), "the announced night is held"
    assert not shown(house, "status").startswith("held")
