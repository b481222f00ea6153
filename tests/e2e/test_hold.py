"""Pausing a neighbour or bulk work, and protecting people, with real workers on the sandbox."""

import json
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import Template, filled_house
from tests.e2e.house import House, fails
from tests.e2e.test_commands import wait_until

pytestmark = pytest.mark.e2e
STUDENT = "st000003"
MAILBOX = f"{STUDENT}@uni.example"


@pytest.fixture
def filled(small_filled: House) -> House:
    """Few people are enough for what is tried here."""
    return small_filled


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory, small_template: Template) -> Iterator[House]:
    """An installation in which nothing comes to be."""
    with filled_house(tmp_path_factory.mktemp("house"), small_template) as made:
        yield made


def sql(house: House, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(house.database.removeprefix("sqlite:///")) as connection:
        return connection.execute(statement, values).fetchall()


def ours(house: House, mailbox: str = MAILBOX) -> list[dict[str, Any]]:
    items = house.get(f"exchange/items?mailbox={mailbox}")
    return [item for item in items if item["sync_key"] and item["folder"] == "calendar"]


def waiting(house: House, where: str = "1 = 1") -> int:
    ((count,),) = sql(house, f"SELECT count(*) FROM dirty WHERE parked_at IS NULL AND {where}")  # noqa: S608
    return int(count)


def retitle(house: House, title: str) -> str:
    """Change the student's last event in TP; return its course."""
    rows = sql(
        house,
        "SELECT course, event_id FROM entry JOIN calendar USING (calendar_id) "
        "WHERE address = ? ORDER BY starts_at DESC",
        MAILBOX,
    )
    course, event_id = rows[0]
    told = house.get(f"tp/{course}")
    for each in told["events"]:
        if str(each["eventid"]) == event_id:
            each["title"] = title
    house.send("PUT", f"tp/{course}", told)
    return str(course)


def shows(house: House, title: str) -> bool:
    return any(title in item["subject"] for item in ours(house))


def test_nothing_reaches_a_paused_exchange_and_marks_go_on(filled: House) -> None:
    said = filled.run("pause", "exchange.main", "--for", "2h", "--reason", "patch night")
    assert said.startswith("exchange.main is paused within seconds, until 20")
    with filled.running("worker"):
        course = retitle(filled, "changed")
        filled.run("resync", "--course", course)
        wait_until(lambda: waiting(filled, "kind = 'calendar'") > 0)
        wait_until(lambda: waiting(filled, "kind = 'course'") == 0)
        filled.run("verify", "--all")
        assert waiting(filled, "kind = 'calendar'") > 10
        found = json.loads(filled.run("status", "--json"))
        assert found["verdict"]["state"] == "stuck"
        assert "exchange.main is paused by hand until" in found["verdict"]["because"]
        assert "patch night" in found["verdict"]["because"]
        assert "patch night" in filled.run("status").replace("\n", " ")
        assert filled.requests_to_exchange() == 0
        assert filled.run("resume", "exchange.main").startswith("exchange.main is resumed")
        wait_until(lambda: waiting(filled) == 0)
    assert shows(filled, "changed")
    assert filled.run("status").startswith("healthy")


def test_an_exchange_paused_while_work_runs_is_left_alone_within_seconds(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    with house.running("worker"):
        wait_until(lambda: house.requests_to_exchange() > 0)
        house.run("pause", "exchange.main", "--reason", "load")
        wait_until(lambda: waiting(house, "claimed_until IS NOT NULL") == 0)
        house.send("DELETE", "requests")
        house.run("resync", "--all")
        wait_until(lambda: waiting(house, "kind = 'course'") == 0)
        assert house.requests_to_exchange() == 0
        house.run("resume", "exchange.main")
        wait_until(lambda: waiting(house) == 0, 60)
    assert house.run("plan", STUDENT).startswith("nothing to write")


def test_while_bulk_work_is_paused_live_changes_are_written(filled: House) -> None:
    filled.run("pause", "bulk", "--reason", "semester start")
    course = retitle(filled, "changed")
    with filled.running("worker"):
        filled.run("verify", "--all")
        sql(
            filled,
            "INSERT INTO dirty (kind, key, generation, reason, priority, first_marked_at, due_at)"
            " VALUES ('course', ?, 1, 'notification test', 1, "
            "strftime('%Y-%m-%d %H:%M:%f', 'now'), strftime('%Y-%m-%d %H:%M:%f', 'now'))",
            f"{course} 25h",
        )
        wait_until(lambda: shows(filled, "changed"))
        assert waiting(filled, "priority = 5") > 10
        said = filled.run("status")
        assert said.startswith("held")
        assert "bulk work is paused by hand: semester start" in said
        filled.run("resume", "bulk")
        wait_until(lambda: waiting(filled) == 0, 60)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause", "exchange.other", "--reason", "x"], "exchange.main, fs, tp, bulk"),
        (["resume", "everything"], "exchange.main, fs, tp, bulk"),
        (["resume", "fs"], "fs is not paused by hand"),
        (["pause", "fs", "--reason", "x", "--for", "soon"], "--for wants a duration"),
        (["pause", "fs", "--reason", "x", "--for", "0h"], "--for wants a duration"),
        (["pause", "fs", "--reason", "x", "--until", "noon"], "--until wants an instant"),
        (
            ["pause", "fs", "--reason", "x", "--until", "2025-08-18T07:59+02:00"],
            "--until wants an instant that is to come",
        ),
        (
            ["pause", "fs", "--reason", "x", "--for", "1h", "--until", "2025-08-18T09:00+02:00"],
            "not both",
        ),
        (["pause", "fs"], "--reason"),
    ],
)
def test_what_cannot_be_paused_is_one_line(refusing: House, words: list[str], said: str) -> None:
    code, line = fails(refusing, *words)
    assert (code, said in line) == (2, True), line


def test_a_pause_ends_at_its_time_on_the_domains_clock(filled: House) -> None:
    filled.run("pause", "tp", "--reason", "x", "--until", "2025-08-18T08:30+02:00")
    ((left,),) = sql(
        filled,
        "SELECT (julianday(held_until) - julianday('now')) * 1440 FROM neighbour WHERE name = 'tp'",
    )
    assert 28 < left <= 30


# -- protection ---------------------------------------------------------------------------------------


def test_a_protected_person_is_taken_back_within_a_minute_before_all_other_work(
    filled: House,
) -> None:
    assert ours(filled)
    filled.run("brake", "set", "--reason", "all deletes")  # a wish is exempt
    filled.run("pause", "bulk", "--reason", "busy")
    filled.run("verify", "--all")
    ((mine,),) = sql(filled, "SELECT calendar_id FROM calendar WHERE address = ?", MAILBOX)
    sql(
        filled,  # put off for an hour after failures
        "UPDATE dirty SET not_before = strftime('%Y-%m-%d %H:%M:%f', 'now', '+1 hours') "
        "WHERE kind = 'calendar' AND key = ?",
        str(mine),
    )
    said = filled.run("protect", "add", STUDENT, "--reason-kind", "threat")
    assert said == "1 protected; what was written is taken back at once\n"
    with filled.running("worker"):
        wait_until(lambda: ours(filled) == [], 30)
        filled.run("optout", "add", STUDENT)
        filled.run("optout", "remove", STUDENT)
        filled.run("resync", "--person", STUDENT)
        wait_until(lambda: waiting(filled, "priority < 3") == 0)
        assert ours(filled) == []
        filled.run("protect", "remove", STUDENT)
        wait_until(lambda: len(ours(filled)) > 0)


def test_listings_hide_whom_nobody_shall_see_unless_it_is_logged(filled: House) -> None:
    ((person, mine),) = sql(
        filled, "SELECT person_id, calendar_id FROM calendar WHERE address = ?", MAILBOX
    )
    filled.run("optout", "add", STUDENT, "--source", "the rector")
    filled.run("protect", "add", STUDENT, "--reason-kind", "threat")
    filled.run("worker", "--until-idle")
    sql(
        filled,
        "INSERT INTO dirty (kind, key, generation, reason, priority, first_marked_at, due_at, "
        "parked_at, last_error) SELECT 'calendar', ?, 1, 't', 1, t, t, t, 'no mailbox' "
        "FROM (SELECT strftime('%Y-%m-%d %H:%M:%f', 'now') AS t)",
        str(mine),
    )
    listed = json.loads(filled.run("protect", "list", "--json"))
    assert listed == [{"person": person, "entries": 0}]
    (laid_aside,) = json.loads(filled.run("parked", "--json"))
    assert laid_aside["key"] == f"protected {person}"
    assert laid_aside["last_error"] is None
    wishes = filled.run("optout", "list")
    assert "rector" not in wishes
    assert json.loads(filled.run("optout", "list", "--json")) == []
    assert json.loads(filled.run("status", "--json"))["protected"] == 1
    assert sql(filled, "SELECT * FROM look_up") == []

    (revealed,) = json.loads(filled.run("protect", "list", "--reveal", "--json"))
    assert STUDENT in revealed["names"]
    assert revealed["kind"] == "threat"
    (laid_aside,) = json.loads(filled.run("parked", "--reveal", "--json"))
    assert (laid_aside["key"], laid_aside["last_error"]) == (str(mine), "no mailbox")
    assert sql(filled, "SELECT command, person_id FROM look_up ORDER BY look_up_id") == [
        ("protect list --reveal", person),
        ("parked --reveal", person),
    ]


def test_protecting_says_what_cannot_be_done(filled: House) -> None:
    assert fails(filled, "protect", "add", "nobody")[0] == 1
    assert fails(filled, "protect", "add", STUDENT, "--reason-kind", "whim") == (
        2,
        "kalender: --reason-kind wants threat, closed, deceased",
    )
    code, line = fails(filled, "protect", "remove", STUDENT)
    assert code == 1
    assert line.endswith("is not protected")
    assert filled.run("protect", "list") == "nobody is protected\n"
    filled.run("pause", "exchange.main", "--reason", "patch")
    assert "not while it is paused: exchange.main" in filled.run("protect", "add", STUDENT)


def test_who_mended_a_refused_account_says_so_and_it_is_tried_at_once(house: House) -> None:
    house.run("db", "upgrade")
    house.send("PUT", "auth", {"fs": "another"})
    for _ in range(2):
        assert not fs_answers(house)
    asked = house.get("counters")["fs"]
    assert not fs_answers(house)
    assert house.get("counters")["fs"] == asked  # it waits after a second refusal
    said = house.run("resume", "fs")
    assert "one request tries the credentials" in said
    assert not fs_answers(house)
    assert house.get("counters")["fs"] == asked + 1  # tried once more, and no more than once
    house.send("PUT", "auth", {"fs": "sandbox"})
    house.run("resume", "fs")
    assert fs_answers(house, code=0)
    code, line = fails(house, "resume", "fs")
    assert (code, "neither failed nor refused us lately" in line) == (2, True), line


def fs_answers(house: House, *, code: int = 1) -> bool:
    """Whether `check` finds FS well, asking it by the gates as a worker does."""
    told = json.loads(house.run("check", "--json", expect=code))
    return next(bool(each["ok"]) for each in told if each["what"] == "fs")
