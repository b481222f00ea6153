"""Holding back, taking back, looking, recovering: as the operator does it, on real parts."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from kalender.store import migrations
from kalender.store.database import Database
from tests.e2e.house import SOON_OVER, House, fails

pytestmark = pytest.mark.e2e
STUDENT = "st000003"
MAILBOX = f"{STUDENT}@uni.example"


def ours(house: House) -> list[dict[str, Any]]:
    """The student's entries of ours."""
    items = house.get(f"exchange/items?mailbox={MAILBOX}")
    return [item for item in items if item["sync_key"] and item["folder"] == "calendar"]


def work(house: House) -> None:
    house.run("worker", "--until-idle")


def sql(house: House, statement: str, *values: object) -> list[tuple[Any, ...]]:
    with sqlite3.connect(house.database.removeprefix("sqlite:///")) as connection:
        return connection.execute(statement, values).fetchall()


def a_course(house: House) -> str:
    """The course with most coming entries in the student's calendar."""
    rows = sql(
        house,
        "SELECT course FROM entry JOIN calendar USING (calendar_id) WHERE address = ? "
        "GROUP BY course ORDER BY count(*) DESC",
        MAILBOX,
    )
    return str(rows[0][0])


def test_a_course_that_comes_back_empty_is_held_until_somebody_looked(filled: House) -> None:
    many = filled.config.read_text() + "\n[safety]\nmin_deletes = 10000\n"
    filled.config.write_text(many)
    course, before = a_course(filled), len(ours(filled))

    told = filled.get(f"tp/{course}")
    filled.send("PUT", f"tp/{course}", told | {"events": []})
    filled.run("resync", "--course", course)
    work(filled)
    assert len(ours(filled)) == before
    (row,) = json.loads(filled.run("brake", "show", "--json"))
    assert (row["scope"], row["state"]) == (f"course {course} 25h", "holding")
    assert filled.run("status").startswith("held")
    filled.send("PUT", f"tp/{course}", told)
    filled.run("resync", "--course", course)
    work(filled)
    assert json.loads(filled.run("brake", "show", "--json")) == []
    filled.send("PUT", f"tp/{course}", told | {"events": []})
    filled.run("resync", "--course", course)
    work(filled)
    filled.run("brake", "release", "course", course, "25h", "--reason", "TP says so", "--yes")
    work(filled)
    assert len(ours(filled)) < before
    assert json.loads(filled.run("brake", "show", "--json")) == []
    its_history_stays(filled, f"course {course} 25h")


def its_history_stays(house: House, scope: str) -> None:
    """What a brake did, and who released it, is told after it ended as well."""
    history = json.loads(house.run("log", "--acts", "--operation", "brake", "--json"))
    assert {row["scope"] for row in history} == {scope}
    assert [(row["what"], row["who"] == "service") for row in history] == [
        ("brake end", True),
        ("brake release", False),
        ("brake set", True),
        ("brake end", True),  # a whole answer came before
        ("brake set", True),
    ]


def test_a_held_course_is_counted_since_its_first_hold_and_released_as_it_is_shown(
    filled: House,
) -> None:
    few = filled.config.read_text() + "\n[safety]\nmin_deletes = 1\nmax_deleted_share = 0.0\n"
    filled.config.write_text(few)
    course, before = a_course(filled), len(ours(filled))
    told = filled.get(f"tp/{course}")
    filled.send("PUT", f"tp/{course}", told | {"events": []})
    filled.run("resync", "--course", course)
    work(filled)
    (first,) = brakes(filled)
    missing = "SELECT count(*) FROM teaching_event WHERE missing_since IS NOT NULL"
    shown = (
        "SELECT count(DISTINCT person_id) FROM entry JOIN calendar USING (calendar_id) WHERE event_id "
        "IN (SELECT event_id FROM teaching_event WHERE missing_since IS NOT NULL)"
    )
    assert (first["held"], first["people"]) == (
        sql(filled, missing)[0][0],
        sql(filled, shown)[0][0],
    )
    assert first["held"] >= 10
    assert first["people"] >= 1
    filled.run("resync", "--course", course)
    work(filled)
    (again,) = brakes(filled)
    assert again == first
    release_is_counted_first(filled, f"Course {course.lower()} 25h", shown)
    assert brakes(filled) == [again]
    filled.run(
        "brake", "release", f"Course {course.lower()} 25h", "--reason", "TP says so", "--yes"
    )
    work(filled)
    assert len(ours(filled)) < before
    assert brakes(filled) == []  # not the institution's either: somebody agreed to these deletes


def release_is_counted_first(house: House, scope: str, persons: str) -> None:
    """A release that concerns several says how many, and asks; nothing is written by that."""
    counts = persons.replace("DISTINCT person_id)", "*), count(DISTINCT person_id)")
    ((deletes, people),) = sql(house, counts)
    said = f"{deletes} deletes, of {people} people"
    release = ["brake", "release", scope, "--reason", "TP says so"]
    assert f"{said}, would be let go" in house.run(*release, "--dry-run")
    if people > 1:
        assert f"{said}, are let go. --yes says so" in fails(house, *release)[1]


def test_deletes_are_held_by_hand_and_go_when_released(filled: House) -> None:
    filled.run("brake", "set", "--reason", "TP is being moved")
    before = len(ours(filled))
    filled.run("optout", "add", STUDENT)
    work(filled)
    assert ours(filled) == []  # a wish to leave is exempt
    filled.run("optout", "remove", STUDENT)
    work(filled)
    assert len(ours(filled)) == before
    unregister(filled)
    filled.run("resync", "--person", STUDENT)
    work(filled)
    (waiting,) = [r for r in brakes(filled) if r["scope"].startswith("person")]
    filled.run("brake", "release", *waiting["scope"].split(), "--reason", "withdrew")
    work(filled)
    assert len(ours(filled)) == before
    (hand,) = brakes(filled)
    assert (hand["scope"], hand["held"]) == ("hand", before)
    filled.run("brake", "release", "hand", "--reason", "moved")
    work(filled)
    assert ours(filled) == []
    assert brakes(filled) == []


def brakes(house: House) -> list[dict[str, Any]]:
    return list(json.loads(house.run("brake", "show", "--json")))


def fs_number(house: House) -> str:
    query = (
        "SELECT fs.value FROM identity fs JOIN identity name USING (person_id) "
        "WHERE fs.kind = 'fs' AND name.value = ?"
    )
    ((number,),) = sql(house, query, STUDENT)
    return str(number)


def unregister(house: House) -> None:
    number = fs_number(house)
    for collection in ("studentundervisning", "studentundervisningsaktivitet"):
        for item in house.get(f"fs/{collection}?personlopenummer={number}"):
            house.send("DELETE", f"fs/{collection}", item)


def test_the_night_of_the_deadline_passes_when_it_was_announced(filled: House) -> None:
    text = filled.config.read_text() + "\n[safety]\nmin_deletes = 1\nmax_deleted_share = 0.0\n"
    filled.config.write_text(text)
    unregister(filled)
    filled.run("resync", "--person", STUDENT)
    work(filled)
    release = ["brake", "release", "person", "fs", fs_number(filled)]
    night = ["--from", "2025-08-18T07:00+02:00", "--until", "2025-08-18T23:00+02:00"]
    filled.run("brake", "expect", *night, "--up-to", "2000", "--reason", "deadline")
    filled.run(*release, "--reason", "deadline")
    work(filled)
    assert ours(filled) == []
    assert [row["state"] for row in brakes(filled)] == ["expected"]


def tripping(reason: str) -> int:
    """Return how many deletes had come together when they were too many."""
    told = re.fullmatch(r"(\d+) deletes within 1 h, more than the 1 that may go", reason)
    assert told is not None
    return int(told[1])


def test_too_many_deletes_hold_all_and_a_release_lets_them_go(filled: House) -> None:
    text = filled.config.read_text() + "\n[safety]\nmin_deletes = 1\nmax_deleted_share = 0.0\n"
    filled.config.write_text(text)
    before = len(ours(filled))
    unregister(filled)
    filled.run("resync", "--person", STUDENT)
    work(filled)
    scope = ["person", "fs", fs_number(filled)]
    filled.run("brake", "release", *scope, "--reason", "withdrew")
    work(filled)
    assert len(ours(filled)) == before
    (row,) = brakes(filled)
    assert (row["scope"], row["held"]) == ("institution", before)
    assert 1 < tripping(row["reason"]) <= before
    release = ["brake", "release", "institution", "--reason"]
    said = f"{before} deletes, of 1 people, would be let go"
    assert said in filled.run(*release, "looked", "--dry-run")
    assert brakes(filled) == [row]
    filled.run(*release, "looked")
    (first,) = brakes(filled)
    assert (first["state"], first["up_to"]) == ("released", before)
    assert fails(filled, *release, "again")[1].startswith("kalender: no such brake holds")
    assert brakes(filled) == [first]
    work(filled)
    assert ours(filled) == []


def test_removing_by_search_counts_copies_and_takes_them(filled: House) -> None:
    before = ours(filled)
    meddle = {"mailbox": MAILBOX, "do": "copy", "sync_key": before[0]["sync_key"]}
    filled.send("POST", "exchange/meddle", meddle)
    sql(filled, "DELETE FROM entry")
    out = filled.run("remove", STUDENT, "--search", "--yes")
    assert f"{len(before) + 1} entries carry our property, 0 of ours are recorded" in out
    work(filled)
    assert ours(filled) == []
    assert [row["wish"] for row in json.loads(filled.run("optout", "list", "--json"))] == [
        "remove",
        "search",
    ]
    filled.run("optout", "remove", STUDENT)
    work(filled)
    assert len(ours(filled)) == len(before)


def test_verify_puts_back_what_was_edited_now(filled: House) -> None:
    first = ours(filled)[0]
    edit = {"mailbox": MAILBOX, "do": "edit", "sync_key": first["sync_key"], "subject": "Fri!"}
    filled.send("POST", "exchange/meddle", edit)
    filled.run("verify", STUDENT)
    work(filled)
    assert first["subject"] in {item["subject"] for item in ours(filled)}
    assert "Fri!" not in {item["subject"] for item in ours(filled)}


def test_the_first_upgrade_of_an_older_releases_tables_says_that_it_records_the_database(
    house: House,
) -> None:
    database = Database(house.database)
    migrations.upgrade(database, "0004")  # as the release before left them
    database.close()
    said = house.run("db", "upgrade")
    assert "this database is recorded as the one of this installation" in said
    assert "is it a restored backup: kalender recover --since TIME" in said
    assert "recorded" not in house.run("db", "upgrade")


def test_a_restored_backup_is_refused_until_somebody_says_since_when(filled: House) -> None:
    path = Path(filled.database.removeprefix("sqlite:///"))
    sql(filled, "UPDATE heartbeat SET stopped_at = NULL, seen_at = '2024-01-01 00:00:00.000'")
    backup = path.read_bytes()
    course = a_course(filled)
    before = ours(filled)
    assert fails(filled, "worker", "--until-idle")[0] == 1
    assert "recover --since" in fails(filled, "worker", "--until-idle")[1]
    filled.run("recover", "--since", "now")
    filled.run("optout", "add", STUDENT)
    work(filled)
    filled.run("optout", "remove", STUDENT)
    work(filled)
    for name in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        name.unlink(missing_ok=True)
    path.write_bytes(backup)
    filled.run("recover", "--since", "2024-01-01T00:00+01:00", "--yes", env=SOON_OVER)
    filled.send("DELETE", "requests")
    work(filled)
    assert len(ours(filled)) == len(before)
    assert course
    kinds = {
        each["operation"] for each in filled.get("requests") if each["neighbour"] == "exchange"
    }
    assert "CreateItem" not in kinds


def test_a_worker_that_was_killed_may_start_again_within_the_hour(filled: House) -> None:
    sql(filled, "UPDATE heartbeat SET stopped_at = NULL")
    work(filled)
