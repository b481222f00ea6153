"""What the real systems answered is read, and what the tests make up has the same keys and types.

The answers are not ours and are not shipped: `tests.real_data` says where they are looked for.
"""

from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from kalender.calendars.ews import soap
from kalender.domain.model import CourseKey, EventStatus
from kalender.domain.notification import USUAL, parse
from kalender.domain.text import clean
from kalender.domain.work import WorkKey
from kalender.sandbox.generate import generate
from kalender.sources import fs_json
from kalender.sources.tp import read_course
from kalender.sources.tp_json import read_event
from tests import answers, real_data
from tests.served import start

Json = dict[str, Any]
CHOSEN = "tp/tp-uio-selected-events.json"
NOW = datetime(2025, 8, 18, 6, tzinfo=UTC)


def types_of(values: list[Json]) -> dict[str, set[str]]:
    """Each key of these objects, and of what is in them, with the types of its values."""
    types: dict[str, set[str]] = {}
    for value in values:
        for key, inner in value.items():
            types.setdefault(key, set()).add(type(inner).__name__)
            nested = inner if isinstance(inner, list) else [inner]
            objects = [entry for entry in nested if isinstance(entry, dict)]
            for name, kinds in types_of(objects).items():
                types.setdefault(f"{key}.{name}", set()).update(kinds)
    return types


# -- TP ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("course", "events", "cancelled"), [("IN5040", 14, 0), ("IN5060", 27, 2), ("IN5170", 27, 5)]
)
def test_a_real_course_is_read_whole(course: str, events: int, cancelled: int) -> None:
    raw = real_data.read(f"tp/tp-uio-open-course-{course}-25h.json")
    answer = read_course(raw, CourseKey(course, "25h"))
    assert (answer.published, answer.bad, answer.skipped) == (True, (), 0)
    assert len(answer.events) == events
    assert sum(event.status is EventStatus.CANCELLED for event in answer.events) == cancelled
    starts = {event["eventid"]: datetime.fromisoformat(event["dtstart"]) for event in raw["events"]}
    assert {event.event_id: event.starts_at for event in answer.events} == starts


@pytest.mark.parametrize("course", answers.COURSES)
def test_made_up_courses_have_the_keys_and_types_of_real_ones(course: str) -> None:
    real = real_data.read(f"tp/tp-uio-open-course-{course}-25h.json")
    made = answers.a_course(course)
    assert list(made) == list(real)
    assert list(made["events"][0]) == list(real["events"][0])
    assert len(made["events"]) == len(real["events"])


def test_made_up_events_have_the_keys_and_types_of_real_ones() -> None:
    real = types_of([row["event"] for row in real_data.read(CHOSEN)])
    made = types_of(list(answers.chosen_events().values()))
    assert made.keys() == real.keys()
    assert {key: kinds - real[key] for key, kinds in made.items() if kinds - real[key]} == {}


def test_every_chosen_real_event_is_read() -> None:
    for row in real_data.read(CHOSEN):
        raw = row["event"]
        event = read_event(raw, CourseKey(raw["courseid"], raw["semesterid"]))
        assert (event.status is EventStatus.CANCELLED) is (raw["status"] == "cancelled")
        assert len(event.rooms) == len(raw["room"] or [])
        assert len(event.staff or ()) == len(raw["staffs"])
        assert len(event.resources) == len(raw["resources"])
        assert event.plenary is raw["status_plenary"]


def test_real_curricula_and_alerts_become_clean_text() -> None:
    events = [row["event"] for row in real_data.read(CHOSEN)]
    texts = [clean(event.get("curr") or "") for event in events]
    texts += [clean(alert["message"]) for event in events for alert in event["alerts"]]
    assert any(texts)
    assert not any(set("<>&") & set(text) for text in texts)


# -- FS ----------------------------------------------------------------------------------------------


def shape(value: Any) -> Any:
    """What keys there are, of the first item where there are several."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    return [shape(value[0])] if isinstance(value, list) and value else None


def test_a_real_collection_with_ids_alone_is_read_whole() -> None:
    items = real_data.read("fs/fsapi-nva-CoursesToStudent.json")["items"]
    registrations = [fs_json.read_registration(item) for item in items]
    units = {each[2].unit for each in registrations if each is not None}
    assert len(units) == len(items) == 8
    assert {each[2].offer_status for each in registrations if each is not None} == {None}


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("CoursesToStudent", answers.registrations_by_id()),
        ("FsPersonResponse", answers.a_person_found()),
        ("PersonNotInFsResponse", answers.a_collection("personer", "dbId=true", [])),
    ],
)
def test_made_up_collections_have_the_form_of_real_ones(name: str, made: Json) -> None:
    real = real_data.read(f"fs/fsapi-nva-{name}.json")
    assert shape(made) == shape(real)
    assert list(made) == list(real)


# -- notifications -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("ntf-fs-personer-update", WorkKey.of_person(56154)),
        ("ntf-cerebrum-scim", WorkKey.of_account("1234")),
    ],
)
def test_a_notification_from_the_documentation_is_read(name: str, subject: WorkKey) -> None:
    body = real_data.path(f"notifications/{name}.json").read_bytes()
    marks = parse(body, "no.uio.fs.x", USUAL, now=NOW, reason="told")
    assert [(mark.kind, mark.key) for mark in marks] == [subject]


# -- Exchange ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("createitem_50", "CreateItem"),
        ("getitem_50", "GetItem"),
        ("finditem_own_onetrip", "FindItem"),
    ],
)
def test_answers_in_microsofts_form_are_read(name: str, operation: str) -> None:
    answer = real_data.path(f"ews/ews-{name}_response.xml").read_bytes()
    messages: Any = soap.read(answer, operation)
    assert {message.code for message in messages} == {"NoError"}


def test_requests_of_another_client_are_accepted(tmp_path_factory: pytest.TempPathFactory) -> None:
    names = ("createitem_allday", "finditem_own_onetrip", "updateitem")
    samples = [real_data.path(f"ews/ews-{name}.xml").read_bytes() for name in names]
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=3)
    with start(directory) as sandbox:
        boxes = {"addresses": ["p0@uni.example", "p3@uni.example"]}
        url = sandbox.endpoints.control + "/exchange/mailboxes"
        assert requests.post(url, json=boxes, timeout=5).ok
        for sample in samples:
            auth = ("kalender", "kalender")
            response = requests.post(sandbox.endpoints.exchange, data=sample, auth=auth, timeout=5)
            assert response.status_code == 200
            assert response.headers["Content-Type"] == "text/xml; charset=utf-8"
            assert b"ResponseCode>" in response.content
