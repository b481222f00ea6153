"""What is shown of a person and of a course, to whom, and that it is remembered who looked."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
STUDENT = "st000003"


def shown(house: House, *words: str) -> Any:
    return json.loads(house.run("show", *words, "--json"))


def lose_one(house: House, course: str) -> None:
    """TP has one event less of a course, and it is asked."""
    answer = house.get(f"tp/{course}")
    house.send("PUT", f"tp/{course}", answer | {"events": answer["events"][:-1]})
    house.run("resync", "--course", course)


def looks(house: House) -> list[tuple[str, str]]:
    path = house.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT command, who FROM look_up ORDER BY 1").fetchall()


def test_of_each_entry_it_is_said_why_it_is_there_and_by_which_change(filled: House) -> None:
    person = shown(filled, STUDENT)
    (calendar,) = person["calendars"]
    assert len(calendar["shown"]) > 5
    for entry in calendar["shown"]:
        assert entry["why"] in {"placed", "plenary", "sole"}
        assert (entry["last"], entry["status"]) == ("create", "live")
        assert entry["because"]
        assert entry["told_at"] <= entry["written_at"]
    assert person["pending"] == []


def test_what_is_pending_and_what_went_wrong_last_is_shown(filled: House) -> None:
    filled.run("retry", STUDENT)
    (work,) = shown(filled, STUDENT)["pending"]
    assert (work["kind"], work["reason"], work["attempts"]) == ("calendar", "retry", 0)
    mailbox = f"{STUDENT}@uni.example"
    filled.send("PUT", f"exchange/mailbox?address={mailbox}", {"state": "missing"})
    course = shown(filled, STUDENT)["registrations"][0]["course"]
    lose_one(filled, course)
    with filled.running("worker"):
        while not any(row["last_error"] for row in shown(filled, STUDENT)["pending"]):
            pass
    (work, *_) = (row for row in shown(filled, STUDENT)["pending"] if row["last_error"])
    assert work["not_before"]


def test_nobody_waits_for_what_is_put_off_and_retry_does_it_at_once(filled: House) -> None:
    """A missing mailbox is asked for again in hours; as soon as it is there somebody says so."""
    mailbox = f"{STUDENT}@uni.example"
    course = shown(filled, STUDENT)["registrations"][0]["course"]
    filled.send("PUT", f"exchange/mailbox?address={mailbox}", {"state": "missing"})
    lose_one(filled, course)
    with filled.running("worker"):
        filled.run("resync", "--course", course, "--wait")
        (work,) = shown(filled, STUDENT)["pending"]
        assert work["not_before"]
        filled.send("PUT", f"exchange/mailbox?address={mailbox}", {"state": "active"})
        filled.run("retry", STUDENT)
        while shown(filled, STUDENT)["pending"]:
            pass
    assert json.loads(filled.run("plan", STUDENT, "--json")) == []


def test_a_course_is_shown_with_its_groups_and_what_changed_last(filled: House) -> None:
    course = shown(filled, STUDENT)["registrations"][0]["course"]
    (run,) = shown(filled, "--course", course, "--semester", "25h")
    assert run["last_change"].endswith("new")
    assert run["registered"] > 0
    assert sum(group["events"] for group in run["groups"]) > 5
    assert any(group["placed"] for group in run["groups"] if not group["plenary"])
    lose_one(filled, course)
    filled.run("worker", "--until-idle")
    (run,) = shown(filled, "--course", course, "--semester", "25h")
    assert run["last_change"] == "1 gone"
    assert f"{course} 25h" in filled.run("show", "--course", course)


def test_all_that_is_held_on_somebody_is_one_document(filled: House) -> None:
    held = json.loads(filled.run("show", STUDENT, "--export"))
    assert {row["value"] for row in held["identity"]} >= {STUDENT, "100003"}
    for table in ("person", "calendar", "registration", "placement", "entry", "change_log"):
        assert held[table], table
    assert held["look_up"][0]["command"] == "show --export"


def test_every_look_is_remembered_and_a_protected_person_only_shown_on_purpose(
    filled: House,
) -> None:
    filled.run("show", STUDENT)
    filled.run("plan", STUDENT)
    filled.run("why", STUDENT, "MAT1000")
    assert [command for command, _ in looks(filled)] == ["plan", "show", "why"]
    assert all(who for _, who in looks(filled))
    filled.run("protect", "add", STUDENT)
    for words in (("show", STUDENT), ("plan", STUDENT), ("why", STUDENT, "MAT1000")):
        code, said = fails(filled, *words)
        assert (code, "--reveal" in said) == (1, True)
    filled.run("show", STUDENT, "--reveal")
    assert ("show --reveal") in [command for command, _ in looks(filled)]


def test_forgetting_goes_by_taking_back_first(filled: House) -> None:
    filled.run("optout", "add", STUDENT)
    assert "not erased yet" in filled.run("remove", STUDENT, "--forget", "--yes")
    filled.run("worker", "--until-idle")
    assert "erased" in filled.run("remove", STUDENT, "--forget", "--yes")
    held = json.loads(filled.run("show", STUDENT, "--export"))
    assert not held["calendar"]
    assert not held["registration"]
    code, said = fails(filled, "remove", "st000004", "--forget", "--yes")
    assert (code, "optout add" in said) == (1, True)


def test_what_cannot_be_shown_is_one_line(filled: House) -> None:
    assert fails(filled, "show")[0] == 2
    assert fails(filled, "show", "nobody")[0] == 1
    assert fails(filled, "show", "--course", "NONE1000")[0] == 1
