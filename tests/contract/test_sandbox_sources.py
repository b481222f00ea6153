"""The sandbox's FS and TP answer in the forms of the real ones."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests import answers
from tests.served import start

AUTH = ("kalender", "kalender")
SEMESTER = {"undervisning.semester.ar": "2025", "undervisning.semester.termin": "HØST"}


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=120)
    answer = json.dumps(answers.a_course("IN5060"))
    (directory / "tp" / "IN5060.json").write_text(answer, "utf-8")
    return directory


@pytest.fixture(scope="module")
def sandbox(university: Path) -> Iterator[Running]:
    with start(university) as running:
        yield running


def fs(sandbox: Running, path: str, **query: Any) -> Any:
    return requests.get(sandbox.endpoints.fs + path, query, auth=AUTH, timeout=5).json()


def tp(sandbox: Running, path: str, **query: Any) -> Any:
    return requests.get(sandbox.endpoints.tp + path, query, auth=AUTH, timeout=5).json()


def control(sandbox: Running, way: str, path: str, json: Any = None) -> Any:
    return requests.request(way, sandbox.endpoints.control + path, json=json, timeout=5).json()


def lines(university: Path, name: str) -> list[dict[str, Any]]:
    text = (university / "fs" / f"{name}.ndjson").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def shape(value: Any) -> Any:
    """What keys there are, of the first item where there are several."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def test_ids_alone_come_in_exactly_the_form_of_a_real_answer(sandbox: Running) -> None:
    control(sandbox, "PUT", "/fs/form", {"form": "ids"})
    real = answers.registrations_by_id()
    made = fs(sandbox, "/studentundervisning", limit=0, **{"undervisning.semester.ar": 2025})
    assert shape(made) == shape(real)
    assert list(made) == list(real)
    found = fs(sandbox, "/personer", limit=0, dbId="true")
    assert shape(found) == shape(answers.a_person_found())
    roles = fs(sandbox, "/personroller", limit=1)["items"]
    assert set(roles[0]["id"]) == {"href", "person", "rollenummer"}
    control(sandbox, "PUT", "/fs/form", {"form": "fields"})


def test_a_collection_shows_items_as_they_lie_in_the_files(
    sandbox: Running, university: Path
) -> None:
    for name in ("personer", "studentundervisning", "personroller", "undervisningsaktiviteter"):
        made = fs(sandbox, f"/{name}", limit=0)["items"]
        told = json.dumps(lines(university, name))
        here = told.replace("https://api.fellesstudentsystem.no", sandbox.endpoints.fs)
        assert made == json.loads(here)


def test_pages_follow_each_other_to_the_end(sandbox: Running, university: Path) -> None:
    whole = fs(sandbox, "/studentundervisning", limit=0, **SEMESTER)
    page = fs(sandbox, "/studentundervisning", limit=50, **SEMESTER)
    assert "previous" not in page
    assert page["size"] == whole["size"] == len(whole["items"])
    items = page["items"]
    while "next" in page:
        page = requests.get(page["next"]["href"], auth=AUTH, timeout=5).json()
        items += page["items"]
        assert "previous" in page
    assert items == whole["items"]
    assert page["last"]["href"].startswith(sandbox.endpoints.fs)
    year = [r for r in lines(university, "studentundervisning") if "2025" in r["id"]["href"]]
    assert len(items) == len(year)


def test_an_empty_collection_is_an_answer(sandbox: Running) -> None:
    made = fs(sandbox, "/personer", brukernavn="nobody")
    assert (made["size"], made["items"]) == (0, [])
    assert not {"first", "next", "last"} & set(made)


def test_filters_choose(sandbox: Running) -> None:
    one = fs(sandbox, "/personer", brukernavn="st000002")["items"]
    assert [person["personlopenummer"] for person in one] == [100002]
    of_one = fs(sandbox, "/studentundervisning", **{"person.personlopenummer": 100002})["items"]
    assert {r["id"]["person"]["personlopenummer"] for r in of_one} == {100002}
    of_course = fs(sandbox, "/studentundervisning", **{"undervisning.emne.kode": "FYS1000"})
    assert {r["id"]["undervisning"]["emne"]["kode"] for r in of_course["items"]} == {"FYS1000"}
    roles = fs(sandbox, "/personroller", **{"semester.ar": 2025, "semester.termin": "HØST"})
    assert roles["size"] > 0
    assert fs(sandbox, "/personroller", **{"semester.ar": 2024})["size"] == 0


def test_a_parameter_that_is_not_known_is_refused(sandbox: Running) -> None:
    assert fs(sandbox, "/personer", personnavn="x")["status"] == 400


def test_single_items_are_flat(sandbox: Running) -> None:
    [first] = fs(sandbox, "/studentundervisning", limit=1)["items"]
    single = requests.get(first["id"]["href"], auth=AUTH, timeout=5).json()
    assert single == {**first["id"], "tilbudstatus": first["tilbudstatus"]}
    role = fs(sandbox, "/personroller", limit=1)["items"][0]
    assert requests.get(role["href"], auth=AUTH, timeout=5).json() == role
    activity = fs(sandbox, "/undervisningsaktiviteter", limit=1)["items"][0]
    assert requests.get(activity["href"], auth=AUTH, timeout=5).json() == activity


def test_whom_fs_does_not_know_is_a_404_in_its_words(sandbox: Running) -> None:
    response = requests.get(f"{sandbox.endpoints.fs}/fs/personer/1", auth=AUTH, timeout=5)
    assert response.status_code == 404
    assert set(response.json()) == {"status", "errors", "created"}


def test_a_prefix_before_the_path_changes_nothing(sandbox: Running) -> None:
    assert fs(sandbox, "/fs-api-prod/personer/100002") == fs(sandbox, "/personer/100002")
    assert fs(sandbox, "/fs-api-prod/version") == fs(sandbox, "/version")


@pytest.mark.parametrize("neighbour", ["fs", "tp"])
def test_a_key_or_a_password_lets_in_and_nothing_else(sandbox: Running, neighbour: str) -> None:
    base = {"fs": f"{sandbox.endpoints.fs}/version", "tp": f"{sandbox.endpoints.tp}/ws/course/"}

    def status(auth: tuple[str, str] | None = None, key: str | None = None) -> int:
        headers = {"X-Gravitee-Api-Key": key} if key else {}
        return requests.get(base[neighbour], auth=auth, headers=headers, timeout=5).status_code

    assert status(AUTH) == status(None, "sandbox") == 200
    assert status() == status(("kalender", "x")) == status(None, "x") == 401


def test_changes_by_control_are_answered_at_once(sandbox: Running) -> None:
    [item] = control(sandbox, "GET", "/fs/studentundervisning?personlopenummer=100004")[:1]
    here = {"person.personlopenummer": 100004, "limit": 0}
    before = fs(sandbox, "/studentundervisning", **here)["size"]
    control(sandbox, "PUT", "/fs/studentundervisning", {**item, "tilbudstatus": "V"})
    single = requests.get(item["id"]["href"], auth=AUTH, timeout=5).json()
    assert single["tilbudstatus"] == "V"
    assert fs(sandbox, "/studentundervisning", **here)["size"] == before
    assert control(sandbox, "DELETE", "/fs/studentundervisning", item) == {"deleted": True}
    assert fs(sandbox, "/studentundervisning", **here)["size"] == before - 1
    assert control(sandbox, "DELETE", "/fs/studentundervisning", item) == {"deleted": False}


def test_a_new_person_has_a_mailbox(sandbox: Running) -> None:
    person = {"personlopenummer": 9, "brukernavn": "new"}
    mail = [{"type": "INSTITUSJON", "adresse": "new@uni.example"}]
    control(sandbox, "PUT", "/fs/personer", {**person, "epost": mail})
    assert fs(sandbox, "/personer/9")["brukernavn"] == "new"
    assert len(control(sandbox, "GET", "/exchange/items?mailbox=new@uni.example")) == 2


@pytest.mark.parametrize("name", ["studentundervisningsaktivitet", "personroller"])
def test_placements_and_roles_come_and_go(sandbox: Running, name: str) -> None:
    [item, *_] = control(sandbox, "GET", f"/fs/{name}")
    size = fs(sandbox, f"/{name}", limit=1)["size"]
    assert control(sandbox, "DELETE", f"/fs/{name}", item) == {"deleted": True}
    assert fs(sandbox, f"/{name}", limit=1)["size"] == size - 1
    control(sandbox, "PUT", f"/fs/{name}", item)
    assert fs(sandbox, f"/{name}", limit=1)["size"] == size


def test_tp_answers_a_course_as_it_stands(sandbox: Running) -> None:
    real = answers.a_course("IN5060")
    assert tp(sandbox, "/ws/1.4/open/", type="course", id="IN5060", sem="25h") == real
    other = tp(sandbox, "/tp/prod/ws/1.4/course.php", id="IN5060", sem="25h")
    assert (other["courseid"], other["semesterid"]) == ("IN5060", "25h")
    assert other["events"] == real["events"]


def test_made_up_events_have_the_keys_of_real_ones(sandbox: Running) -> None:
    events = answers.chosen_events().values()
    made = tp(sandbox, "/ws/1.4/open/", type="course", id="MAT1000", sem="25h")["events"]
    known = set().union(*events)
    required = set.intersection(*(set(event) for event in events))
    for event in made:
        assert required <= set(event) <= known


def test_a_course_that_tp_does_not_know_is_empty_and_no_error(sandbox: Running) -> None:
    made = tp(sandbox, "/ws/1.4/open/", type="course", id="NONE", sem="25h")
    assert made["events"] == []
    assert made["semesters"][0]["publish_timetable"] is True
    assert (made["id"], made["semester"]) == ("NONE", "25h")


def test_the_next_semester_is_not_yet_published(sandbox: Running) -> None:
    made = tp(sandbox, "/ws/1.4/open/", type="course", id="MAT1000", sem="26v")
    assert made["semesters"][0]["publish_timetable"] is False
    assert made["events"]


def test_tp_lists_its_courses(sandbox: Running) -> None:
    data = tp(sandbox, "/ws/course/", id=185, sem="25h", times=1)["data"]
    assert {"id": "MAT1000", "terminnr": 1} in data
    assert "MAT1000" in {row["id"] for row in tp(sandbox, "/ws/course/", sem="26v")["data"]}


def test_tp_tells_what_changed_since(sandbox: Running) -> None:
    query = {"type": "course", "timestamp": "2020-01-21T00:00:00"}
    assert tp(sandbox, "/ws/1.4/lastchanged-list.php", **query) == {"elements": None}
    course = control(sandbox, "GET", "/tp/KJM1000")
    event = {**course["events"][0], "staffs": [{"id": "stranger", "main": False}]}
    control(sandbox, "PUT", "/tp/KJM1000", {**course, "events": [event]})
    made = tp(sandbox, "/ws/1.4/open/", type="course", id="KJM1000", sem="25h")
    assert made["events"] == [event]
    [element] = tp(sandbox, "/ws/1.4/lastchanged-list.php", **query)["elements"]
    assert (element["id"], element["semesterid"], element["terminnr"]) == ("KJM1000", "25h", 1)
    later = {**query, "timestamp": "2999-01-01T00:00:00"}
    assert tp(sandbox, "/ws/1.4/lastchanged-list.php", **later) == {"elements": None}
    assert len(control(sandbox, "GET", "/exchange/items?mailbox=stranger@uni.example")) == 2
    assert control(sandbox, "DELETE", "/tp/KJM1000") == {"deleted": True}
    assert not tp(sandbox, "/ws/1.4/open/", type="course", id="KJM1000", sem="25h")["events"]
