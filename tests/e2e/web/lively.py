"""A student's week in which much stands otherwise than it should, made through the product."""

import json
import threading
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from tests.e2e.house import House

STUDENT, NUMBER = "st000003", "100003"


def make_lively(house: House) -> str:
    """Let TP move, cancel, drop and add teaching of one course; return its code.

    The mirror knows it, and no calendar does: Exchange is paused. Two of the new events overlap.
    """
    person = json.loads(house.run("show", STUDENT, "--json"))
    placement = next(p for p in person["placements"] if p["semester"] == "25h")
    course, actid = placement["course"], placement["actid"]
    answer = house.get(f"tp/{course}")
    events: list[dict[str, Any]] = sorted(answer["events"], key=lambda event: str(event["dtstart"]))
    moved, cancelled, *_ = (event for event in events if event["status_plenary"])
    dropped = next(event for event in events if event["actid"] == actid)
    extra = [_copy(moved, n, hours=hours) for n, hours in enumerate((24, 25))]
    cancelled["status"] = "cancelled"
    for event in extra:
        event["teaching-title"] = "Ekstra forelesning"
    _move(moved, hours=2)
    answer["events"] = [event for event in events if event is not dropped] + extra
    house.send("PUT", f"tp/{course}", answer)
    house.run("pause", "exchange.main", "--for", "2h", "--reason", "the page is looked at")
    house.run("resync", "--course", course)
    pause, words = threading.Event(), ("show", "--course", course, "--semester", "25h", "--json")
    with house.running("worker"):
        while json.loads(house.run(*words))[0]["pending"]:
            pause.wait(0.2)
    return str(course)


def _copy(event: dict[str, Any], number: int, *, hours: int) -> dict[str, Any]:
    copied = deepcopy(event) | {"eventid": f"{event['eventid']}-extra-{number}"}
    _move(copied, hours=hours)
    return copied


def _move(event: dict[str, Any], *, hours: int) -> None:
    for name in ("dtstart", "dtend"):
        moment = datetime.fromisoformat(f"{event[name]}:00") + timedelta(hours=hours)
        event[name] = moment.isoformat()[:-3]
