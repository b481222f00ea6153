"""Why something is not there: each thing that can be missing is found, first of all, in plain words."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
STUDENT, NUMBER = "st000003", 100_003
MAILBOX = f"{STUDENT}@uni.example"


def sql(house: House, statement: str, *values: object) -> list[tuple[Any, ...]]:
    path = house.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(statement, values).fetchall()


def a_course(house: House) -> str:
    rows = sql(
        house,
        "SELECT course FROM entry JOIN calendar USING (calendar_id) WHERE address = ? "
        "GROUP BY course ORDER BY count(*) DESC",
        MAILBOX,
    )
    return str(rows[0][0])


def answer(house: House, course: str, *more: str) -> str | None:
    """The first thing that is not so."""
    checks = json.loads(house.run("why", STUDENT, course, *more, "--json"))
    failing = [check["check"] for check in checks if check["first_failing"]]
    assert failing == [check["check"] for check in checks if check["ok"] is False][:1]
    return failing[0] if failing else None


def no_registration(house: House, course: str) -> None:
    sql(house, "DELETE FROM registration WHERE course = ?", course)


def no_place(house: House, course: str) -> None:
    sql(house, "UPDATE registration SET offer_status = 'V' WHERE course = ?", course)


def unpublished(house: House, course: str) -> None:
    sql(house, "UPDATE course_run SET published = 0 WHERE course = ?", course)


def no_teaching(house: House, course: str) -> None:
    sql(house, "DELETE FROM teaching_event WHERE course = ?", course)


def no_mailbox(house: House, _course: str) -> None:
    sql(house, "UPDATE calendar SET state = 'lost' WHERE address = ?", MAILBOX)


def denied_mailbox(house: House, _course: str) -> None:
    sql(house, "UPDATE calendar SET state = 'denied' WHERE address = ?", MAILBOX)


def not_switched_on(house: House, _course: str) -> None:
    text = house.config.read_text().replace('mode = "all"', 'mode = "listed"')
    house.config.write_text(text)


def opted_out(house: House, _course: str) -> None:
    house.run("optout", "add", STUDENT)


def pending(house: House, _course: str) -> None:
    house.run("retry", STUDENT)


def never_written(house: House, course: str) -> None:
    sql(house, "DELETE FROM entry WHERE course = ?", course)


def left_by_its_owner(house: House, course: str) -> None:
    sql(house, "UPDATE entry SET status = 'declined', restored = 3 WHERE course = ?", course)


def held(house: House, course: str) -> None:
    sql(house, "UPDATE entry SET held_by = 'institution' WHERE course = ?", course)


CAUSES: list[tuple[Callable[[House, str], None], str]] = [
    (no_registration, "registered"),
    (no_place, "status"),
    (unpublished, "published"),
    (no_teaching, "event"),
    (no_mailbox, "mailbox"),
    (denied_mailbox, "mailbox"),
    (not_switched_on, "rollout"),
    (opted_out, "wish"),
    (held, "held"),
    (pending, "pending"),
    (never_written, "written"),
    (left_by_its_owner, "restored"),
]


def test_every_cause_is_the_first_that_is_not_so(filled: House) -> None:
    course = a_course(filled)
    assert answer(filled, course) is None
    path, before = filled.database.removeprefix("sqlite:///"), filled.config.read_text()
    with closing(sqlite3.connect(path)) as live, closing(sqlite3.connect(":memory:")) as kept:
        live.backup(kept)
        for cause, expected in CAUSES:
            cause(filled, course)
            assert answer(filled, course) == expected, cause.__name__
            kept.backup(live)
            filled.config.write_text(before)


def test_a_group_without_a_place_is_said_to_be_for_others(filled: House) -> None:
    rows = sql(
        filled,
        "SELECT course, substr(starts_at, 1, 10) FROM teaching_event e WHERE plenary = 0"
        " AND course IN (SELECT course FROM registration JOIN identity USING (person_id)"
        "                WHERE value = ?)"
        " AND NOT EXISTS (SELECT 1 FROM teaching_event o WHERE o.course = e.course"
        "                 AND substr(o.starts_at, 1, 10) = substr(e.starts_at, 1, 10)"
        "                 AND (o.plenary = 1 OR o.actid IN (SELECT actid FROM placement"
        "                      JOIN identity USING (person_id) WHERE value = ?)))"
        " AND starts_at > '2025-08-18' LIMIT 1",
        STUDENT,
        STUDENT,
    )
    ((course, day),) = rows
    assert answer(filled, course, day) == "placed"
    assert answer(filled, course, "2025-12-24") == "event"


def test_a_teacher_is_told_as_one_and_nobody_else_as_student(filled: House) -> None:
    ((username, course),) = sql(filled, "SELECT username, course FROM teaching_staff LIMIT 1")
    checks = json.loads(filled.run("why", username, course, "--json"))
    assert {c["check"]: c["ok"] for c in checks}["registered"] is True
    assert next(c for c in checks if c["check"] == "registered")["role"] == "teacher"


def test_it_is_said_in_each_language_with_whose_it_is_to_mend(filled: House) -> None:
    course = a_course(filled)
    assert "Alt er som det skal." in filled.run("why", STUDENT, course)
    assert "Everything is as it should be." in filled.run("why", STUDENT, course, "--lang", "en")
    no_registration(filled, course)
    told = filled.run("why", STUDENT, course, "--lang", "nb")
    assert "→ Verken registrert" in told
    assert "Kan rettes av: studenten" in told
    assert told.count("→") == 1
    assert "Verken registrert på emnet eller sett opp som undervisar" in filled.run(
        "why", STUDENT, course, "--lang", "nn"
    )
    nynorsk = filled.config.read_text().replace("[institution]", '[institution]\nlanguage = "nn"')
    filled.config.write_text(nynorsk)
    assert "Kan rettast av: studenten" in filled.run("why", STUDENT, course)


def test_what_cannot_be_asked_is_one_line(filled: House) -> None:
    assert fails(filled, "why", "nobody", "IN1000")[0] == 1
    assert fails(filled, "why", STUDENT, "IN1000", "tomorrow")[0] == 2
    assert fails(filled, "why", STUDENT, "IN1000", "--lang", "se")[0] == 2
