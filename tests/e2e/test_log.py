"""Who did what: every wish is in the log with name, time and reason, and stays there."""

import json
import sqlite3
from typing import Any

import pytest

from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
STUDENT, OTHER, THREATENED = "st000003", "st000004", "st000005"


def sql(house: House, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(house.database.removeprefix("sqlite:///")) as connection:
        return connection.execute(statement, values).fetchall()


def logged(house: House, *words: str) -> list[dict[str, Any]]:
    return list(json.loads(house.run("log", *words, "--json")))


def test_every_wish_is_logged_with_who_what_and_why(filled: House) -> None:
    by = ["--by", "kari"]
    filled.run("rollout", "add", "share", "0.5", *by)
    filled.run("rollout", "remove", "share", "0.5", "--leave", "--yes", *by)
    filled.run("brake", "set", "--reason", "TP is being moved", *by)
    filled.run("brake", "release", "hand", "--reason", "moved", *by)
    night = ["--from", "2025-08-18T07:00+02:00", "--until", "2025-08-18T23:00+02:00"]
    filled.run("brake", "expect", *night, "--up-to", "20", "--reason", "deadline", *by)
    filled.run("pause", "tp", "--for", "1h", "--reason", "TP is being moved", *by)
    filled.run("resume", "tp", *by)
    filled.run("optout", "add", STUDENT, "--source", "by mail", *by)
    filled.run("optout", "remove", STUDENT, *by)
    filled.run("protect", "add", THREATENED, "--reason-kind", "threat", *by)
    filled.run("protect", "remove", THREATENED, *by)
    filled.run("retry", STUDENT, *by)
    filled.run("retry", "--all", *by)
    filled.run("verify", STUDENT, *by)
    filled.run("resync", "--person", STUDENT, *by)
    filled.run("remove", OTHER, "--yes", *by)
    filled.run("recover", "--since", "now", *by)

    rows = logged(filled, "--acts")
    told = [
        (
            row["what"],
            "expected" if row["what"] == "brake expect" else row["scope"],  # named by its hour
            row["reason"],
        )
        for row in rows
        if row["who"] == "kari"
    ]
    assert told == [
        ("recover --since now", None, None),
        ("remove", None, None),
        ("resync --person", None, None),
        ("verify", None, None),
        ("retry", "all", None),
        ("retry", None, None),
        ("protect remove", None, None),
        ("protect add", None, None),
        ("optout remove", None, None),
        ("optout add", None, "by mail"),
        ("resume", "tp", None),
        ("pause", "tp", "TP is being moved"),
        ("brake expect", "expected", "deadline"),
        ("brake release", "hand", "moved"),
        ("brake set", "hand", "TP is being moved"),
        ("rollout remove --leave", "share 0.5", None),
        ("rollout add", "share 0.5", None),
    ]
    assert [row["who"] for row in rows if row["what"] == "resync --all"] == ["nightly"]


def test_the_log_is_filtered_by_person_course_operation_and_time(filled: House) -> None:
    filled.run("brake", "set", "--reason", "one")
    filled.run("optout", "add", OTHER)
    ((course, number),) = sql(
        filled,
        "SELECT course, person_id FROM entry JOIN calendar USING (calendar_id) "
        "JOIN identity USING (person_id) WHERE value = ? LIMIT 1",
        STUDENT,
    )
    everything = logged(filled, "--limit", "100000")
    assert {row["kind"] for row in everything} == {"act", "write"}
    assert {row["kind"] for row in logged(filled, "--writes")} == {"write"}
    theirs = logged(filled, "--person", STUDENT, "--limit", "9999")
    assert {row["person"] for row in theirs} == {number}
    assert {row["what"] for row in theirs} == {"create"}
    events = {
        each for (each,) in sql(filled, "SELECT event_id FROM entry WHERE course = ?", course)
    }
    found = {row["event"] for row in logged(filled, "--course", course.lower(), "--limit", "9999")}
    assert found
    assert found <= events
    assert [row["reason"] for row in logged(filled, "--operation", "brake")] == ["one"]
    assert {row["what"] for row in logged(filled, "--operation", "create")} == {"create"}
    assert logged(filled, "--until", "2020-01-01T00:00+01:00") == []
    since = logged(filled, "--since", "2020-01-01T00:00+01:00", "--limit", "100000")
    assert since == everything
    wide = [line for line in filled.run("log").splitlines() if len(line) > 80]
    assert wide == []
    assert "nothing was done" in filled.run("log", "--until", "2020-01-01T00:00+01:00")
    assert {(row["course"], row["cause"]) for row in theirs} >= {(course, "resync")}
    for words in (["--acts", "--writes"], ["--looks", "--acts"]):
        code, said = fails(filled, "log", *words)
        assert (code, "give --acts or --writes" in said) == (2, True)
    code, said = fails(filled, "log", "--looks", "--course", course)
    assert (code, "--looks goes by" in said) == (2, True)


def test_who_looked_whom_up_is_listed_and_of_the_protected_only_that_somebody_tried(
    filled: House,
) -> None:
    filled.run("show", STUDENT, env={"KALENDER_OPERATOR": "kari"})
    filled.run("protect", "add", THREATENED)
    assert fails(filled, "show", THREATENED)[0] == 1
    attempt, look = logged(filled, "--looks")
    assert (look["who"], look["what"], look["protected"]) == ("kari", "show", False)
    assert (attempt["what"], attempt["protected"]) == ("show (refused)", True)
    assert attempt["person"] is None
    assert logged(filled, "--looks", "--reveal")[1]["person"] is not None
    assert [row["kind"] for row in logged(filled, "--looks", "--person", STUDENT)][-1] == "look"


def test_of_protected_persons_the_log_tells_nothing_unless_revealed(filled: House) -> None:
    filled.run("optout", "add", THREATENED, "--source", "their lawyer")
    filled.run("protect", "add", THREATENED, "--reason-kind", "threat")
    filled.run("protect", "add", OTHER, "--reason-kind", "closed")
    filled.run("protect", "remove", OTHER)
    ((number,),) = sql(filled, "SELECT person_id FROM identity WHERE value = ?", THREATENED)
    hidden = logged(filled, "--limit", "100000")
    assert number not in {row["person"] for row in hidden}
    assert not {"their lawyer", "threat", "closed"} & {row["reason"] for row in hidden}
    assert fails(filled, "log", "--person", THREATENED)[0] == 1
    shown = logged(filled, "--acts", "--reveal")
    assert {"their lawyer", "threat", "closed"} <= {row["reason"] for row in shown}
    looks = sql(filled, "SELECT person_id FROM look_up WHERE command = 'log --reveal'")
    assert looks == [(number,)]


def test_of_an_erased_person_the_log_keeps_only_that_it_was_done(filled: House) -> None:
    filled.run("optout", "add", STUDENT, "--source", "wrote from private@home.example")
    ((number,),) = sql(filled, "SELECT person_id FROM identity WHERE value = ?", STUDENT)
    filled.run("worker", "--until-idle")
    filled.run("remove", STUDENT, "--forget", "--yes", "--by", "kari")
    rows = logged(filled, "--acts")
    assert number not in {row["person"] for row in rows}
    assert "wrote from private@home.example" not in {row["reason"] for row in rows}
    assert (rows[0]["who"], rows[0]["what"]) == ("kari", "remove --forget")


def test_what_settings_switch_off_is_logged_with_the_word_that_was_given(filled: House) -> None:
    filled.run("resync", "--all", "--leave", "--by", "kari")
    filled.run("resync", "--all", "--take-back", "--yes", "--by", "kari")
    said = [row["what"] for row in logged(filled, "--acts") if row["who"] == "kari"]
    assert said == ["resync --all --take-back --yes", "resync --all --leave"]
