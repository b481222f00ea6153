"""FS' collections come with ids alone: what they do not tell is what was told before."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json
from kalender.sandbox.server import Running
from tests.e2e.house import House
from tests.served import start

pytestmark = pytest.mark.e2e
TABLES = ("registration", "placement", "teaching_role", "identity")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of few people."""
    generate(tmp_path / "served", students=8)
    with start(tmp_path / "served") as running:
        yield running


def rows(house: House, statement: str) -> list[tuple[Any, ...]]:
    path = house.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def mirrored(house: House) -> dict[str, list[tuple[Any, ...]]]:
    return {table: sorted(rows(house, f"SELECT * FROM {table}"), key=repr) for table in TABLES}  # noqa: S608


def with_one_more(answer: Json) -> None:
    """Another plenary lecture, a week after the last one, at a time of its own."""
    last = max((e for e in answer["events"] if e["status_plenary"]), key=lambda e: e["dtstart"])
    begins = {
        name: (datetime.fromisoformat(last[name]) + timedelta(days=7)).isoformat()[:22]
        for name in ("dtstart", "dtend")
    }
    answer["events"].append({**last, **begins, "eventid": "one-more", "id": last["id"] + "-more"})


def test_what_a_collection_with_ids_alone_does_not_tell_stays_as_it_was_told(house: House) -> None:
    house.university = house.directory / "served"
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    before = mirrored(house)
    assert {row[-2] for row in before["registration"]} > {"I"}
    house.send("PUT", "fs/form", {"form": "ids"})
    told = json.loads(house.run("resync", "--all", "--json"))
    assert (told["changed_persons"], told["suspects"]) == (0, 0)
    assert rows(house, "SELECT kind, key FROM dirty WHERE kind <> 'course'") == []
    assert mirrored(house) == before
    (course,) = next(
        iter(rows(house, "SELECT course FROM registration GROUP BY 1 ORDER BY count(*) DESC"))
    )
    house.change_course(course, with_one_more)
    body = {"sub": f"course/{course},25h,1"}
    with house.running("listener", "--stdin", stdin=True) as listener:
        assert listener.stdin is not None
        listener.stdin.write(json.dumps(body) + "\n")
        for number in range(100_001, 100_009):
            listener.stdin.write(json.dumps({"sub": f"personer/{number}"}) + "\n")
    house.run("worker", "--until-idle")
    assert mirrored(house) == before
    assert house.differences() == []
