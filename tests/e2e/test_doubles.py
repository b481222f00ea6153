"""A database put back beneath a running installation, vouched for too early: doubles, and the way out."""

import shutil
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from kalender.sandbox.installation import Json
from tests.drills.town import courses, town
from tests.e2e.house import SOON_OVER, House

pytestmark = pytest.mark.e2e


def more_lectures(answer: Json) -> None:
    """Beside each of the last five, one more half a day later."""
    events = answer["events"]
    for event in list(events[-5:]):
        later = {**event, "eventid": f"{event['eventid']}-more"}
        for name in ("dtstart", "dtend"):
            later[name] = (datetime.fromisoformat(event[name]) + timedelta(hours=12)).isoformat()
        events.append(later)


def put_back(database: Path, backup: Path) -> None:
    for old in database.parent.glob(f"{database.name}*"):
        if old != backup:
            old.unlink()
    shutil.copy(backup, database)


@pytest.fixture
def doubled() -> Iterator[House]:
    """An installation whose database was put back, and which wrote five lectures again."""
    with town(students=20) as house:
        database = house.directory / "kalender.db"
        backup = house.directory / "backup"
        with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(backup)) as copy:
            live.backup(copy)
        house.change_course(courses(house)[0], more_lectures)
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        assert house.differences() == []
        put_back(database, backup)
        assert "nothing is looked up" in house.run("recover", "--since", "now")
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        yield house


def test_doubles_are_counted_and_mended_when_asked_to(doubled: House) -> None:
    house, number = doubled, len(doubled.differences())
    assert number >= 5
    with house.running("worker"):
        assert f"{number} doubles of ours" in house.run("verify", "--all", "--wait")
        since = ("--since", "2025-09-01T03:00+02:00")
        said = house.run("recover", *since, "--yes", "--wait", env=SOON_OVER)
        assert f"{number} doubles of ours" in said
        assert len(house.differences()) == number
        add_to_both(house)
        said = house.run("verify", "--all", "--mend-doubles", "--wait")
    assert "0 doubles of ours" in said
    assert "its user added to both" in said
    assert len(house.differences()) == 1
    assert house.get("exchange/private-touched")["count"] == 0


def add_to_both(house: House) -> None:
    """Write a note onto both of the first pair, as its user would."""
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for mailbox, items in house.get("exchange/all").items():
        for item in items:
            if item["sync_key"] is not None:
                pairs[mailbox, item["sync_key"].rpartition("#")[0]].append(item["id"])
    (mailbox, _), ids = next(pair for pair in pairs.items() if len(pair[1]) > 1)
    for item_id in ids:
        told = {"mailbox": mailbox, "id": item_id, "do": "annotate", "text": "ta med kalkulator"}
        house.send("POST", "exchange/meddle", told)
