"""The script of the day: what happens at the university, and which commands are run."""

import json
from datetime import datetime, timedelta

from kalender.sandbox.installation import Json
from tests.day.record import Recorder
from tests.drills.town import SEMESTER, courses, registrations, whose
from tests.e2e.house import SOON_OVER

QUESTIONS = (
    ("status",),
    ("parked",),
    ("brake", "show"),
    ("rollout", "list"),
    ("rollout", "status"),
    ("optout", "list"),
    ("log",),
    ("term",),
    ("rejected", "list"),
)


def play(recorder: Recorder) -> None:
    """Play the whole day."""
    person = "st000001"
    for words in (("db", "upgrade"), ("check",), ("resync", "--all")):
        recorder.run(*words)
    recorder.run("rollout", "add", "person", person)
    work(recorder)
    course = courses(recorder.house)[0]
    questions(recorder, person, course)
    notifications(recorder)
    questions(recorder, person, course)
    meddling(recorder, person)
    wishes(recorder, person)
    holding(recorder, person)
    settings(recorder)
    recorder.run("recover", "--since", "2024-01-01T00:00+01:00", "--yes", env=SOON_OVER)
    work(recorder)
    questions(recorder, person, course)
    recorder.metrics()


def work(recorder: Recorder) -> None:
    """Let the worker do all that is due."""
    recorder.run("worker", "--until-idle")


def questions(recorder: Recorder, person: str, course: str) -> None:
    """Run every command that only asks, in text and in JSON."""
    of_people = (("show", person), ("show", "--course", course), ("why", person, course))
    for words in (*QUESTIONS, *of_people, ("plan", person)):
        recorder.run(*words)
        recorder.run(*words, "--json")


def notifications(recorder: Recorder) -> None:
    """Move a lecture, cancel another one, withdraw a student, register a new one, and notify."""
    house = recorder.house
    moved, cancelled = courses(house)[:2]
    house.change_course(moved, _move)
    house.change_course(cancelled, lambda answer: answer["events"].pop())
    first, *rest = registrations(house)
    house.drop("studentundervisning", first)
    course = first["id"]["undervisning"]["emne"]["kode"]
    other = next(
        item
        for item in rest
        if whose(item) != whose(first) and item["id"]["undervisning"]["emne"]["kode"] != course
    )
    kind = json.dumps(other["id"]["undervisning"]["emne"]["kode"])
    added = json.loads(json.dumps(other).replace(kind, json.dumps(course)))
    house.put("studentundervisning", added)
    recorder.note(f"{moved} moves, {cancelled} loses a lecture, {course} changes students")
    bodies = [
        *(_of_course(code) for code in (moved, cancelled)),
        *(_of_person(whose(item)) for item in (first, added)),
        "nobody can read this",
    ]
    recorder.run("listener", "--stdin", stdin="".join(body + "\n" for body in bodies))
    work(recorder)


def _move(answer: Json) -> None:
    event = answer["events"][-1]
    for name in ("dtstart", "dtend"):
        event[name] = (datetime.fromisoformat(event[name]) + timedelta(hours=1)).isoformat()


def _of_course(course: str) -> str:
    body = {"id": course, "semesterid": SEMESTER, "terminnr": 1, "lastchanged": "now"}
    key = "no.uni.tp.TP-prod.course.update"
    return json.dumps({"routing_key": key, "body": json.dumps(body)})


def _of_person(number: int) -> str:
    body = {"sub": f"personer/{number}", "iss": "FS-prod", "iat": "1582344412462"}
    key = "no.uni.fs.FS-prod.personer.update"
    return json.dumps({"routing_key": key, "body": json.dumps(body)})


def meddling(recorder: Recorder, person: str) -> None:
    """Let a student edit one entry and delete another one, and verify."""
    house = recorder.house
    mailbox = f"{person}@uni.example"
    items = [item for item in house.get(f"exchange/items?mailbox={mailbox}") if item["sync_key"]]
    edit = {"do": "set", "id": items[-1]["id"], "subject": "Mine"}
    house.send("POST", "exchange/meddle", {"mailbox": mailbox, **edit})
    delete = {"do": "delete", "id": items[-2]["id"]}
    house.send("POST", "exchange/meddle", {"mailbox": mailbox, **delete})
    recorder.note("a student edits an entry and deletes another one")
    recorder.run("verify", person)
    work(recorder)
    recorder.run("why", person, courses(house)[0])


def wishes(recorder: Recorder, person: str) -> None:
    """Opt out, back in, be protected, be protected no more, and be removed."""
    for words in (
        ("optout", "add", person),
        ("optout", "remove", person),
        ("protect", "add", "st000002"),
        ("protect", "list"),
        ("protect", "list", "--json"),
        ("protect", "remove", "st000002"),
        ("remove", "st000003", "--yes"),
    ):
        recorder.run(*words)
        if words[1] != "list":
            work(recorder)


def holding(recorder: Recorder, person: str) -> None:
    """Hold a delete by hand and release it; pause a neighbour and resume it."""
    course = courses(recorder.house)[2]
    recorder.run("brake", "set", "--reason", "TP is being moved")
    recorder.house.change_course(course, lambda answer: answer["events"].pop())
    recorder.note(f"{course} loses a lecture")
    recorder.run("resync", "--course", course)
    work(recorder)
    for words in (("brake", "show"), ("brake", "show", "--json"), ("status",)):
        recorder.run(*words)
    recorder.run("why", person, course)
    recorder.run("brake", "release", "hand", "--reason", "moved", "--yes")
    work(recorder)
    recorder.run("pause", "tp", "--for", "2h", "--reason", "patch night")
    work(recorder)
    recorder.run("status")
    recorder.run("resume", "tp")
    work(recorder)


def settings(recorder: Recorder) -> None:
    """Change a setting that every calendar is written under."""
    config = recorder.house.config
    text = config.read_text("utf-8").replace('name = "Universitetet"', 'name = "Høgskolen"')
    config.write_text(text, "utf-8")
    recorder.note("the institution gets another name")
    recorder.run("resync", "--all")
    work(recorder)
    recorder.run("resync", "--all", "--yes")
    work(recorder)
