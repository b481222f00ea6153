"""One course whatever its spelling: TP's spelling is the course's name everywhere."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json
from kalender.sandbox.server import Running
from tests.e2e.house import House, fails
from tests.served import start

pytestmark = pytest.mark.e2e
COURSE, ODD = "BIO1000", "bio1000"


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of very few people."""
    generate(tmp_path / "served", students=4)
    with start(tmp_path / "served") as running:
        yield running


def rows(house: House, statement: str) -> list[tuple[Any, ...]]:
    path = house.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement).fetchall()


def spellings(house: House) -> set[str]:
    """The names under which the mirror and the calendars hold the course this term."""
    mirrored = ("course_run", "teaching_activity", "teaching_event", "teaching_staff", "fan_out")
    tables = (*mirrored, "registration", "placement", "teaching_role", "entry")
    return {
        course
        for table in tables
        for (course,) in rows(house, f"SELECT DISTINCT course FROM {table} WHERE semester = '25h'")  # noqa: S608
        if course.lower() == ODD
    }


def subjects(house: House) -> list[tuple[str, str]]:
    return sorted((box, each.subject) for box, found in house.held().items() for each in found)


def tell(house: House, sub: str) -> None:
    """Let a notification come in."""
    with house.running("listener", "--stdin", stdin=True) as listener:
        assert listener.stdin is not None
        listener.stdin.write(json.dumps({"sub": sub}) + "\n")


def move(answer: Json) -> None:
    """Let the last event begin a quarter of an hour later."""
    answer["events"][-1]["dtstart"] = answer["events"][-1]["dtstart"].replace(":15:00", ":30:00")


def respelled(answer: Json, spelling: str) -> Json:
    """The same answer as a TP gives it that spells the course so."""
    events = [
        {**event, "courseid": spelling, "id": event["id"].replace(COURSE, spelling)}
        for event in answer["events"]
    ]
    return {**answer, "id": spelling, "events": events}


def test_a_course_that_is_named_in_other_letters_is_the_one_tp_answers_for(filled: House) -> None:
    filled.change_course(COURSE, move)
    tell(filled, f"course/{ODD},25h,1")
    filled.run("resync", "--course", "Bio1000")
    filled.run("worker", "--until-idle")
    assert spellings(filled) == {COURSE}
    assert filled.differences() == []


def ids(house: House) -> set[str]:
    return {item["id"] for items in house.get("exchange/all").values() for item in items}


def test_two_mirrors_of_one_course_become_one_and_no_entry_is_made_anew(filled: House) -> None:
    entries = ids(filled)
    filled.send("PUT", f"tp/{ODD}", respelled(filled.get(f"tp/{COURSE}"), ODD))
    tell(filled, f"course/{ODD},25h,1")
    filled.run("worker", "--until-idle")
    assert spellings(filled) == {COURSE, ODD}
    assert not [subject for _, subject in subjects(filled) if ODD in subject]
    filled.send("DELETE", f"tp/{ODD}")
    filled.run("resync", "--all")
    filled.run("worker", "--until-idle")
    assert spellings(filled) == {COURSE}
    assert filled.differences() == []
    assert ids(filled) == entries


def test_a_course_that_tp_spells_anew_follows_and_fs_may_spell_it_as_it_likes(house: House) -> None:
    answer = house.get(f"tp/{COURSE}")
    house.send("PUT", f"tp/{ODD}", respelled(answer, ODD))
    house.send("DELETE", f"tp/{COURSE}")
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    assert spellings(house) == {ODD}
    entries = ids(house)
    assert [subject for _, subject in subjects(house) if subject.startswith(f"{ODD} ")]
    house.send("PUT", f"tp/{COURSE}", answer)
    house.send("DELETE", f"tp/{ODD}")
    tell(house, f"course/{ODD},25h,1")
    house.run("worker", "--until-idle")
    assert spellings(house) == {COURSE}
    assert house.differences() == []
    assert ids(house) == entries


def test_a_course_is_asked_for_and_shown_in_any_letters(filled: House) -> None:
    assert filled.run("show", "--course", ODD) == filled.run("show", "--course", COURSE)
    before = rows(filled, "SELECT asked_at FROM course_run WHERE course = 'BIO1000'")
    filled.run("resync", "--course", ODD)
    filled.run("worker", "--until-idle")
    assert spellings(filled) == {COURSE}
    assert rows(filled, "SELECT asked_at FROM course_run WHERE course = 'BIO1000'") > before
    code, said = fails(filled, "show", "--course", "bio1001")
    assert (code, len(said.splitlines())) == (1, 1)
