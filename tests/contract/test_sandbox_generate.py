"""A made-up university is the same each time, of the size asked for, and has what is rare."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import requests

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Endpoints, serve, start

STUDENTS = 1500


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=STUDENTS, seed=3)
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def lines(university: Path, name: str) -> list[dict[str, Any]]:
    text = (university / "fs" / f"{name}.ndjson").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def answers(university: Path, pattern: str = "*[0-9].json") -> dict[str, dict[str, Any]]:
    paths = sorted((university / "tp").glob(pattern))
    return {path.stem: json.loads(path.read_text("utf-8")) for path in paths}


@pytest.fixture(scope="module")
def events(university: Path) -> list[dict[str, Any]]:
    return [event for answer in answers(university).values() for event in answer["events"]]


def test_one_seed_makes_one_university(university: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", students=STUDENTS, seed=3)
    generate(tmp_path / "other", students=STUDENTS, seed=4)
    assert contents(tmp_path / "again") == contents(university)
    assert contents(tmp_path / "other") != contents(university)


@pytest.mark.parametrize(
    ("what", "of_27000"),
    [
        ("courses", 580),
        ("studentundervisning", 83_000),
        ("studentundervisningsaktivitet", 51_000),
        ("events", 28_000),
    ],
)
def test_the_size_is_in_proportion(university: Path, what: str, of_27000: int) -> None:
    told = json.loads((university / "university.json").read_text("utf-8"))
    assert told["counts"]["students"] == STUDENTS
    assert told["counts"][what] == pytest.approx(of_27000 * STUDENTS / 27_000, rel=0.25)


def test_some_wait_for_a_place(university: Path) -> None:
    statuses = Counter(row["tilbudstatus"] for row in lines(university, "studentundervisning"))
    assert statuses["I"] > statuses["V"] > 0
    assert statuses["S"] > 0


def test_some_students_teach_and_some_under_another_account(
    university: Path, events: list[dict[str, Any]]
) -> None:
    people = lines(university, "personer")
    dual = [p for p in people if p["student"] and p["fagperson"]]
    staff = {member["id"] for event in events for member in event["staffs"]}
    assert any(person["brukernavn"] in staff for person in dual)
    others = {m["adresse"].partition("@")[0] for p in people for m in p["epost"][1:]}
    assert others & staff
    assert max(Counter(m["type"] for m in p["epost"]).total() for p in people) > 1


def test_some_teachers_are_known_to_tp_only(university: Path, events: list[dict[str, Any]]) -> None:
    addresses = {
        mail["adresse"].partition("@")[0]
        for person in lines(university, "personer")
        for mail in person["epost"]
    }
    staff = {member["id"] for event in events for member in event["staffs"]}
    assert {name for name in staff if name.startswith("tp")} == staff - addresses != set()


def test_every_course_and_teacher_belongs_to_a_department(university: Path) -> None:
    courses = lines(university, "emner")
    assert {each["kode"] for each in courses} == answers(university).keys()
    kinds = {unit["type"] for each in courses for unit in each["organisasjonsenheter"]}
    assert kinds == {"STUDIE", "ADMINISTRATIVT"}
    teachers = [person["fagperson"] for person in lines(university, "personer")]
    units = {teacher["organisasjonsenhet"]["href"] for teacher in teachers if teacher}
    assert units == {unit["href"] for each in courses for unit in each["organisasjonsenheter"]}


def test_every_student_follows_a_programme_and_some_had_another(university: Path) -> None:
    rights = Counter(
        right["studierettstatus"]["aktiv"] for right in lines(university, "studieretter")
    )
    assert STUDENTS < rights[True] < 1.2 * STUDENTS
    assert 0 < rights[False] < 0.2 * STUDENTS
    active = {
        right["id"]["person"]["personlopenummer"]
        for right in lines(university, "studieretter")
        if right["studierettstatus"]["aktiv"]
    }
    assert len(active) == STUDENTS


def test_a_group_is_exported_as_a_list_of_usernames(university: Path) -> None:
    names = (university / "idm" / "pilot.txt").read_text("utf-8").split()
    known = {person["brukernavn"] for person in lines(university, "personer")}
    assert len(names) > STUDENTS / 10
    assert len(known & {*names}) > STUDENTS / 10


def test_co_taught_courses_share_their_events(university: Path) -> None:
    made = answers(university)
    first, second = made["MAT1000"]["events"], made["FYS1000"]["events"]
    assert [{**event, "courseid": "FYS1000"} for event in first] == second
    assert all(event["aid"].startswith("25H-MAT1000-") for event in second)


def test_merged_groups_show_one_event_twice(university: Path) -> None:
    seen = Counter(event["eventid"] for event in answers(university)["KJM1000"]["events"])
    twice = {eventid for eventid, count in seen.items() if count == 2}
    assert twice
    events = answers(university)["KJM1000"]["events"]
    pairs = [[e for e in events if e["eventid"] == eventid] for eventid in sorted(twice)]
    for one, other in pairs:
        assert {key for key in one if one[key] != other[key]} == {
            "actid",
            "party",
            "aid",
            "summary",
        }


def test_what_planners_write_is_there(events: list[dict[str, Any]]) -> None:
    cancelled = [event for event in events if event["status"] == "cancelled"]
    assert cancelled
    assert all(not e["active"] and e["room"] is None and e["alerts"] for e in cancelled)
    rooms = [event["room"] for event in events]
    assert None in rooms
    assert {len(room) for room in rooms if room} == {1, 2}
    assert any(room[0]["buildingid"] == "DIGUND" for room in rooms if room)
    assert any(event.get("title") for event in events)
    assert any("&" in (event.get("curr") or "") for event in events)
    assert any(event["resources"] for event in events)
    assert any(event["alerts"] and event["active"] for event in events)


def test_times_are_local_with_the_short_offset(events: list[dict[str, Any]]) -> None:
    assert {event["dtstart"][-3:] for event in events} == {"+02", "+01"}
    assert all(event["dtstart"][11:16] >= "08:15" for event in events)


def test_the_next_semester_is_planned_but_not_published(university: Path) -> None:
    coming = answers(university, "*-26v.json").values()
    assert coming
    assert not any(answer["semesters"][0]["publish_timetable"] for answer in coming)
    registered = {
        row["id"]["undervisning"]["semester"]["ar"]
        for row in lines(university, "studentundervisning")
    }
    assert registered == {2025, 2026}


@pytest.mark.parametrize("students", [1, 7])
def test_a_very_small_university_can_be_served(tmp_path: Path, students: int) -> None:
    generate(tmp_path / "small", students=students)
    with start(tmp_path / "small") as running:
        assert running.endpoints.exchange.endswith("/EWS/Exchange.asmx")


def test_serving_in_a_thread_ends_when_told(university: Path) -> None:
    stop, told, is_ready = threading.Event(), list[Endpoints](), threading.Event()

    def ready(endpoints: Endpoints) -> None:
        told.append(endpoints)
        is_ready.set()

    thread = threading.Thread(
        target=serve, args=(university,), kwargs={"ready": ready, "stop": stop}
    )
    thread.start()
    assert is_ready.wait(10)
    assert requests.get(told[0].control + "/counters", timeout=5).json()["fs"] == 0
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_a_sandbox_that_cannot_start_says_so(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="did not start"):
        start(tmp_path)
