"""The main job on a real university term, by the real commands; an oracle from the files judges."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import pika
import pytest

from kalender.sandbox.installation import Json
from tests import real_data
from tests.chaos.installation import TOKEN
from tests.chaos.judge import created_ids, foreign, leaks, secrets_of
from tests.e2e.house import House, cut
from tests.served import start

NOW = "2025-08-18T08:00+02:00"
NEXT_DAY = "2025-08-19T08:00+02:00"
WHOLE = bool(os.environ.get("KALENDER_TEST_WHOLE_TERM"))
STUDENTS = 1469 if WHOLE else 12
QUEUE = "from_system-test-fs"

pytestmark = [pytest.mark.e2e, pytest.mark.integration]


@pytest.fixture(scope="module")
def term(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real term, unpacked."""
    return real_data.term(tmp_path_factory.mktemp("term"))


@contextmanager
def opened(
    tmp_path: Path,
    university: Path,
    database: str,
    *,
    broker: str = "",
    graph: Literal["none", "all"] = "none",
) -> Iterator[House]:
    """An installation on a sandbox of that university; with a broker it has two processes of workers."""
    with start(university, graph=graph) as sandbox:
        house = House(tmp_path, university, sandbox, database, NOW, graph=graph, broker=broker)
        if not broker:  # one process is enough for few people
            text = house.config.read_text()
            house.config.write_text(text.replace("processes = 2", "processes = 1"))
        house.run("db", "upgrade")
        yield house


def of_few(term: Path, tmp_path: Path, *, students: int) -> Path:
    """The term's first students with all of their courses, and without any other."""
    return cut(term, tmp_path / "university", students=students, only_their_courses=True)


@pytest.fixture
def queue(amqp_url: str) -> Iterator[str]:
    """A queue that the broker's people made for us."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare(QUEUE, durable=True)
    yield amqp_url
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_delete(QUEUE)


def notify(amqp_url: str, routing_key: str, **body: str) -> None:
    """Send a notification as FS and TP do."""
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        channel.queue_bind(QUEUE, "amq.topic", routing_key)
        channel.basic_publish("amq.topic", routing_key, json.dumps(body).encode())


def test_a_term_is_filled_exactly_and_a_day_of_changes_is_followed(
    tmp_path: Path, term: Path, postgresql_url: str, queue: str
) -> None:
    broker = f'[broker]\nurl = "{queue}"\nqueues = ["{QUEUE}"]\n'
    university = cut(term, tmp_path / "university", students=STUDENTS)
    with opened(tmp_path, university, postgresql_url, broker=broker) as house:
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        assert house.differences() == []
        assert house.get("exchange/private-touched")["count"] == 0

        house.send("DELETE", "requests")
        house.run("resync", "--all", now=NEXT_DAY)
        house.run("worker", "--until-idle", now=NEXT_DAY)
        assert house.requests_to_exchange() == 0

        with house.running("listener"), house.running("worker"):
            for change in (_move, _new_room, _cancel, _delete, _new_teacher):
                course = change(house)
                notify(queue, "no.uio.tp.TP-test.course.update", sub=f"course/{course},25h,1")
                house.wait_until_right()
            for enrol in (_leave, _join):
                person = f"personer/{enrol(house)}"
                notify(queue, "no.uio.fs.FS-test.personer.update", sub=person)
                house.wait_until_right()
        assert house.get("exchange/private-touched")["count"] == 0
        house.assert_logs_are_clean()


def test_a_term_is_filled_over_graph_exactly_and_the_next_day_asks_graph_nothing(
    tmp_path: Path, term: Path, postgresql_url: str
) -> None:
    if WHOLE:
        university = cut(term, tmp_path / "university", students=STUDENTS)
    else:
        university = of_few(term, tmp_path, students=STUDENTS)
    with opened(tmp_path, university, postgresql_url, graph="all") as house:
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        assert house.differences() == []
        filling = house.get("requests")
        assert foreign(filling) == []

        house.send("DELETE", "requests")
        house.run("resync", "--all", now=NEXT_DAY)
        house.run("worker", "--until-idle", now=NEXT_DAY)
        assert house.requests_to("graph") == house.requests_to("login") == 0
        assert house.requests_to("tp") > 0

        house.run("resync", "--all", "--verify")
        house.run("worker", "--until-idle")
        assert house.requests_to("graph.CreateEvent") == house.requests_to("graph.UpdateEvent") == 0
        assert house.requests_to("graph.ListEvents") > 0
        assert foreign(house.get("requests"), created_ids(filling)) == []

        assert house.get("exchange/private-touched")["count"] == 0
        assert house.get("exchange/mails") == []
        house.assert_logs_are_clean()
        words = secrets_of(house.university) | {TOKEN, "Bearer"}
        assert leaks(tmp_path.glob("*.log"), words) == []


def test_a_hundred_people_on_sqlite_with_notifications_from_standard_input(
    tmp_path: Path, term: Path
) -> None:
    database = f"sqlite:///{tmp_path / 'kalender.db'}"
    with opened(tmp_path, of_few(term, tmp_path, students=20), database) as house:
        house.run("resync", "--all")
        house.run("worker", "--until-idle")
        assert house.differences() == []
        with house.running("listener", "--stdin", stdin=True) as listener, house.running("worker"):
            assert listener.stdin is not None
            for change in (_move, _cancel):
                body = {"sub": f"course/{change(house)},25h,1", "iss": "TP-test"}
                line = {"routing_key": "no.uio.tp.TP-test.course.update", "body": body}
                listener.stdin.write(json.dumps(line) + "\n")
                listener.stdin.flush()
                house.wait_until_right()
        house.assert_logs_are_clean()


# -- changes -----------------------------------------------------------------------------------------


def _largest(house: House) -> str:
    """A course that many of the students take."""
    lines = (house.university / "fs" / "studentundervisning.ndjson").read_text().splitlines()
    taken = [str(json.loads(line)["id"]["undervisning"]["emne"]["kode"]) for line in lines]
    return max(sorted(set(taken)), key=taken.count)


def _coming(answer: Json) -> list[Json]:
    return [e for e in answer["events"] if e["dtstart"] > "2025-09" and e["status"] == "active"]


def _move(house: House) -> str:
    def change(answer: Json) -> None:
        event = _coming(answer)[0]
        day = event["dtstart"][:10]
        event["dtstart"], event["dtend"] = f"{day}T18:15:00+02", f"{day}T20:00:00+02"
        event["eventid"] += "x"

    course = _largest(house)
    house.change_course(course, change)
    return course


def _new_room(house: House) -> str:
    def change(answer: Json) -> None:
        for event in _coming(answer)[1:4]:
            event["room"] = [{**event["room"][0], "roomname": "Store auditorium "}]

    course = _largest(house)
    house.change_course(course, change)
    return course


def _cancel(house: House) -> str:
    def change(answer: Json) -> None:
        event = _coming(answer)[2]
        event.update(status="cancelled", active=False, room=None)

    course = _largest(house)
    house.change_course(course, change)
    return course


def _delete(house: House) -> str:
    def change(answer: Json) -> None:
        answer["events"].remove(_coming(answer)[1])

    course = _largest(house)
    house.change_course(course, change)
    return course


def _new_teacher(house: House) -> str:
    def change(answer: Json) -> None:
        event = _coming(answer)[3]
        event["staffs"] = [{"id": "te000007", "main": False, "type": "TEACHER"}]

    course = _largest(house)
    house.change_course(course, change)
    return course


def _lines(house: House, name: str) -> list[Json]:
    text = (house.university / "fs" / f"{name}.ndjson").read_text("utf-8")
    return [json.loads(line) for line in text.splitlines() if line]


def _leave(house: House) -> int:
    """A student leaves one course of several."""
    number = 100_003
    mine = [
        item
        for item in _lines(house, "studentundervisning")
        if item["id"]["person"]["personlopenummer"] == number
    ]
    house.drop("studentundervisning", mine[0])
    return number


def _join(house: House) -> int:
    """Another takes the course that most take."""
    number, course = 100_005, _largest(house)
    items = _lines(house, "studentundervisning")
    model = next(i for i in items if i["id"]["undervisning"]["emne"]["kode"] == course)
    text = json.dumps(model).replace(str(model["id"]["person"]["personlopenummer"]), str(number))
    taken = [
        i
        for i in items
        if i["id"]["person"]["personlopenummer"] == number
        and i["id"]["undervisning"]["emne"]["kode"] == course
    ]
    if not taken:
        house.put("studentundervisning", json.loads(text))
    return number


def test_the_year_runs_and_nothing_is_lost_or_deleted_by_the_turn(
    tmp_path: Path, term: Path
) -> None:
    """1 December to 20 January, then 1 June to 10 September, with terms published in between."""
    database = f"sqlite:///{tmp_path / 'kalender.db'}"
    with opened(tmp_path, of_few(term, tmp_path, students=12), database) as house:
        _over_new_year(house)
        for now in ("2025-12-01T08:00+01:00", "2025-12-31T23:00+01:00", "2026-01-02T08:00+01:00"):
            _catch_up(house, now)
        before = _all_entries(house)
        _publish(house, "26v", "2026-02-02", "VÅR", 2026)
        for now in ("2026-01-20T08:00+01:00", "2026-06-01T08:00+02:00", "2026-07-31T23:00+02:00"):
            _catch_up(house, now)
            assert before <= _all_entries(house)
            before = _all_entries(house)
        assert any("2026-02" in line for line in before)
        _publish(house, "26h", "2026-09-14", "HØST", 2026)
        for now in ("2026-08-01T08:00+02:00", "2026-09-10T08:00+02:00"):
            _catch_up(house, now)
            assert before <= _all_entries(house)
        assert any("2026-09" in line for line in _all_entries(house))


def _catch_up(house: House, now: str) -> None:
    house.run("resync", "--all", now=now)
    house.run("worker", "--until-idle", now=now)
    assert house.differences(now) == []


def _all_entries(house: House) -> set[str]:
    return {f"{m} {e.start} {e.subject}" for m, found in house.held().items() for e in found}


def _over_new_year(house: House) -> None:
    def change(answer: Json) -> None:
        event = json.loads(json.dumps(answer["events"][-1]))
        event.update(
            eventid=event["eventid"] + "ny",
            dtstart="2026-01-08T10:15:00+01",
            dtend="2026-01-08T12:00:00+01",
        )
        answer["events"].append(event)

    house.change_course(_largest(house), change)


def _publish(house: House, semester: str, day: str, term: str, year: int) -> None:
    """Plan and take a course in a further semester."""
    course = _largest(house)
    answer = house.get(f"tp/{course}")
    event = next(e for e in answer["events"] if e["status_plenary"])
    offset = "+02" if term == "HØST" else "+01"
    new = {
        **event,
        "semesterid": semester,
        "eventid": event["eventid"].replace("25H", semester.upper()),
        "dtstart": f"{day}T10:15:00{offset}",
        "dtend": f"{day}T12:00:00{offset}",
    }
    told = {
        **answer,
        "semester": semester,
        "semesters": [{**answer["semesters"][0], "id": semester}],
        "events": [new],
    }
    house.send("PUT", f"tp/{course}?sem={semester}", told)
    path = house.university / "tp" / f"{course}-{semester}.json"
    path.write_text(json.dumps(told, ensure_ascii=False), "utf-8")
    for item in _lines(house, "studentundervisning")[:40]:
        if item["id"]["undervisning"]["emne"]["kode"] == course:
            text = json.dumps(item, ensure_ascii=False)
            text = text.replace(
                "2025,H%C3%98ST", f"{year},{term}".replace("Å", "%C3%85").replace("Ø", "%C3%98")
            )
            moved = json.loads(text)
            moved["id"]["undervisning"]["semester"].update(ar=year, termin=term)
            house.put("studentundervisning", moved)
