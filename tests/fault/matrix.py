"""The failure matrix through the whole worker: a fault of one calendar's creates, and its end."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kalender.sandbox.server import Running
from tests.databases import migrate_to_copy
from tests.fault.installation import Installation, wait


@dataclass(frozen=True, kw_only=True)
class Row:
    """A fault of one create, and what stands in the tables afterwards."""

    fault: dict[str, Any]
    attempts: int
    words: str
    parked: bool = False
    counted: bool = False  # against the neighbour
    paused: bool = False  # the neighbour asked all to wait: that is no failure
    state: str = "active"


def status(code: int, **more: object) -> dict[str, Any]:
    return {"kind": "status", "status": code, **more}


def mirror(running: Running, directory: Path, *, on_graph: bool = False) -> Path:
    """Return a database that mirrors the university; nobody was written to."""
    path = directory / "k.db"
    migrate_to_copy(f"sqlite:///{path}")
    Installation(directory, running, f"sqlite:///{path}", on_graph=on_graph).mirror()
    return path


def opened(
    running: Running, mirrored: Path, directory: Path, *, on_graph: bool = False
) -> Installation:
    """Return an installation on a copy of such a database."""
    path = directory / "k.db"
    path.write_bytes(mirrored.read_bytes())
    return Installation(directory, running, f"sqlite:///{path}", on_graph=on_graph)


def hold(row: Row, house: Installation, *, neighbour: str, operation: str) -> None:
    """Let the fault happen, compare what stands in the tables, and see the calendar come right."""
    box, number = one_calendar(house)
    before = number_in(house, box)
    house.fault(**{"neighbour": neighbour, "operation": operation, "mailbox": box} | row.fault)
    with house.working(1):
        wait(lambda: not house.get("faults"))
        wait(lambda: bool(house.rows("SELECT 1 FROM dirty WHERE last_error > ''")))
    (left,) = house.rows("SELECT attempts, parked_at, claim_token, last_error FROM dirty")
    assert (left.attempts, left.parked_at is not None, left.claim_token) == (
        row.attempts,
        row.parked,
        None,
    )
    assert row.words in left.last_error
    states = dict(map(tuple, house.rows("SELECT calendar_id, state FROM calendar")))
    assert states[number] == row.state
    known = house.neighbour("exchange.main")
    assert bool(known.failures) is row.counted
    assert (row.words in (known.last_error or "")) is (row.counted or row.paused)
    house.mark_one(number)
    time.sleep(float(row.fault.get("seconds", 0)))  # noqa: TID251  # the server goes on
    house.hurry()
    house.work()
    assert_whole(house, box, before)


def assert_whole(house: Installation, box: str, before: int) -> None:
    """What is recorded stands once each beside what stood `before`; nothing else was touched."""
    items = house.get(f"exchange/items?mailbox={box}")
    recorded = house.rows("SELECT sync_key FROM entry WHERE status = 'live'")
    assert len(items) - before == len(recorded) > 2
    assert {key for (key,) in recorded} <= {item["sync_key"] for item in items}
    assert house.get("exchange/private-touched")["count"] == 0
    assert house.get("exchange/mails") == []


def number_in(house: Installation, box: str) -> int:
    """Return how many items stand in a mailbox."""
    return len(house.get(f"exchange/items?mailbox={box}"))


def one_calendar(house: Installation) -> tuple[str, int]:
    """Mark the calendar of somebody with teaching; return its address and number."""
    (found,) = house.rows(
        "SELECT c.calendar_id, c.address FROM calendar c JOIN registration r"
        " ON r.person_id = c.person_id WHERE c.audience = 'student' ORDER BY 1 LIMIT 1"
    )
    house.mark_one(found.calendar_id)
    return str(found.address), int(found.calendar_id)
