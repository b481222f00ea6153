"""What is planned and written of a semester, and who is switched on."""

import json
import sqlite3
from typing import Any

import pytest

from kalender.domain.criteria import CRITERIA
from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e


def terms(house: House) -> dict[str, dict[str, Any]]:
    return {row["semester"]: row for row in json.loads(house.run("term", "--json"))}


def listed(house: House) -> None:
    """Let nobody be switched on who is not listed."""
    house.config.write_text(house.config.read_text().replace('mode = "all"', 'mode = "listed"'))


def held(house: House) -> int:
    return sum(len(found) for found in house.held().values())


def test_planned_is_what_the_calendars_then_hold(house: House) -> None:
    house.run("db", "upgrade")
    assert "no semester is known yet" in house.run("term")
    listed(house)
    house.run("resync", "--all")
    house.run("worker", "--until-idle")  # mirrors, and writes nothing
    assert {row["planned"] for row in terms(house).values()} == {0}
    house.run("rollout", "add", "audience", "student", "teacher", "--yes")
    before = terms(house)
    house.run("worker", "--until-idle")
    after = terms(house)
    assert held(house) > 100
    assert sum(row["planned"] for row in before.values()) == held(house)
    assert sum(row["written"] for row in before.values()) == 0
    for code, row in after.items():
        assert row["planned"] == row["written"] == before[code]["planned"]
        assert row["exact"]
        assert row["ends_at"] is None


def test_a_semester_is_counted_as_the_sources_told_it(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    (row,) = json.loads(house.run("term", "25h", "--json"))
    assert set(row) == {
        "semester",
        "courses",
        "published",
        "registrations",
        "placements",
        "planned",
        "exact",
        "written",
        "ends_at",
    }
    registered = house.get("fs/studentundervisning")
    assert 0 < row["registrations"] <= len(registered)
    assert 0 < row["published"] <= row["courses"]
    assert "25h" in house.run("term", "25h")
    assert fails(house, "term", "autumn") == (
        2,
        "kalender: a semester is given as 25h or 26v",
    )
    assert fails(house, "term", "99v") == (1, "kalender: nothing is known of 99v")


def test_more_than_can_be_computed_is_estimated_and_said_to_be(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    before = terms(house)["25h"]
    with sqlite3.connect(house.database.removeprefix("sqlite:///")) as connection:
        many = [(number,) for number in range(1001, 1601)]
        connection.executemany("INSERT INTO person (person_id, created_at) VALUES (?, '')", many)
        connection.executemany(
            "INSERT INTO calendar (person_id, audience, address, owner, backend, state) "
            "VALUES (?1, 'student', ?1, 1, 'main', 'active')",
            many,
        )
    assert terms(house)["25h"] == before | {"exact": False}  # nobody of these has any teaching


def test_the_rollout_is_counted_by_kind_and_audience(house: House) -> None:
    listed(house)
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    house.run("rollout", "add", "person", "st000001", "st000002")
    found = json.loads(house.run("rollout", "status", "--json"))
    assert found["mode"] == "listed"
    assert [(row["kind"], row["listed"]) for row in found["listed"]] == [
        (kind, 2 if kind == "person" else 0) for kind in CRITERIA
    ]
    everybody = sum(row["inside"] + row["outside"] for row in found["calendars"])
    assert everybody >= 20
    assert sum(row["inside"] for row in found["calendars"]) == 2
    assert sum(row["right"] for row in found["calendars"]) == 0
    house.run("worker", "--until-idle")
    found = json.loads(house.run("rollout", "status", "--json"))
    assert sum(row["right"] for row in found["calendars"]) == 2
    assert "st000001" not in house.run("rollout", "status")
