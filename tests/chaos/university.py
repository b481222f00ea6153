"""A small university and the days that change it; every day is one run's whole story."""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from kalender.sandbox.generate import generate
from kalender.sandbox.meddle import meddle
from tests.chaos.grounds import Grounds
from tests.e2e.house import House

NOW = "2025-08-18T08:00+02:00"
WEEKS = range(34, 39)
NEW = 100_099  # a student's number
NOTE, FILE, GUEST = "Husk matpakke", "matpakke.txt", "venn@elsewhere.example"
Json = dict[str, Any]
Announcement = tuple[str, str]  # routing key, subject


def make(directory: Path, seed: int) -> None:
    """Write a dozen students and their teaching; what people are called is in no id."""
    generate(directory, students=12, seed=seed)
    for path in directory.rglob("*.*json"):
        path.write_text(path.read_text("utf-8").replace("uni.example", "uio.example"), "utf-8")
    for path in (directory / "tp").glob("*.json"):
        answer = json.loads(path.read_text("utf-8"))
        answer["events"] = [each for each in answer["events"] if each["weeknr"] in WEEKS]
        path.write_text(json.dumps(answer, ensure_ascii=False), "utf-8")
    path = directory / "fs" / "personer.ndjson"
    people = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for number, person in enumerate(people):
        person |= {"fornavn": f"Fornavn{number}sen", "etternavn": f"Etternavn{number}sen"}
    path.write_text("".join(json.dumps(person) + "\n" for person in people), "utf-8")


class Campus:
    """What the university's files say, as far as a day needs it."""

    def __init__(self, house: House, seed: int) -> None:
        self.house = house
        self.dice = Random(seed)  # noqa: S311
        self.taken: dict[str, list[int]] = defaultdict(list)
        for item in self.lines("studentundervisning"):
            inner = item["id"]
            if (
                inner["undervisning"]["semester"]["termin"] == "HØST"
                and item["tilbudstatus"] in "IS"
            ):
                self.taken[inner["undervisning"]["emne"]["kode"]].append(_number(inner))

    def lines(self, name: str) -> list[Json]:
        """Return what FS lists."""
        path = self.house.university / "fs" / f"{name}.ndjson"
        return [json.loads(line) for line in path.read_text("utf-8").splitlines()]

    def courses(self) -> list[str]:
        """Return the courses of their own with enough lectures, of about two students first."""
        own = [code for code in self.taken if not code.startswith(("MAT", "FYS", "KJM"))]
        own = [code for code in own if len(self.events(self.answer(code))) > 3]
        return sorted(own, key=lambda code: (abs(len(self.taken[code]) - 2), code))

    def answer(self, code: str) -> Json:
        """Return what TP says of a course."""
        path = self.house.university / "tp" / f"{code}.json"
        return dict(json.loads(path.read_text("utf-8")))

    def events(self, answer: Json) -> list[Json]:
        """Return the lectures to come that are as planned."""
        return [
            event
            for event in answer["events"]
            if event["status"] == "active" and event["status_plenary"] and event["dtstart"] > NOW
        ]


def _number(inner: Json) -> int:
    return int(inner["person"]["personlopenummer"])


# -- the days -----------------------------------------------------------------------------------------


def timetable(campus: Campus) -> list[Announcement]:
    """One lecture moves, under a new id; one changes room, one is cancelled, deleted, new."""
    course = campus.courses()[0]

    def change(answer: Json) -> None:
        mine = campus.events(answer)
        moved, roomless, gone = mine[0], mine[1], mine[2]
        new = {**_shifted(gone, 1, f"{gone['eventid']}-new"), "actid": "7"}
        moved.update(_shifted(moved, 2, f"{moved['eventid']}-moved"))
        roomless["room"] = [{**_room(answer), "roomname": "Kjellerrommet"}]
        answer["events"].remove(gone)
        answer["events"].append(new)
        mine[3].update(status="cancelled", active=False, room=None)

    campus.house.change_course(course, change)
    return [_course(course), _course(course)]  # it is told twice


def _room(answer: Json) -> Json:
    return dict(next(room for event in answer["events"] for room in event["room"] or []))


def _shifted(event: Json, hours: int, event_id: str) -> Json:
    times = {}
    for name in ("dtstart", "dtend"):
        begins = datetime.fromisoformat(event[name]) + timedelta(hours=hours)
        times[name] = begins.isoformat()[:22]
    return {**event, **times, "eventid": event_id}


def people(campus: Campus) -> list[Announcement]:
    """One leaves a course; somebody new at the university joins it."""
    course = campus.courses()[1]
    listed = campus.lines("studentundervisning")
    own = [item for item in listed if item["id"]["undervisning"]["emne"]["kode"] == course]
    many = [n for n in campus.taken[course] if sum(n in t for t in campus.taken.values()) > 1]
    leaver = campus.dice.choice(many)
    for name in ("studentundervisning", "studentundervisningsaktivitet"):
        for item in campus.lines(name):
            if _number(item["id"]) == leaver and f",{course}," in json.dumps(item):
                campus.house.drop(name, item)
    newcomer = _renumbered(campus.lines("personer")[3], NEW)
    mail = [{"type": "INSTITUSJON", "adresse": "nykommer@uio.example"}]
    campus.house.put("personer", {**newcomer, "brukernavn": "nykommer", "epost": mail})
    campus.house.put("studentundervisning", {**_renumbered(own[0], NEW), "tilbudstatus": "I"})
    return [_person(leaver), _person(NEW)]


def _renumbered(item: Json, number: int) -> Json:
    """The same of another person."""
    old = (item.get("id") or {"person": item})["person"]["personlopenummer"]
    return dict(json.loads(json.dumps(item).replace(str(old), str(number))))


def teachers(campus: Campus) -> list[Announcement]:
    """Lectures change hands, one to somebody whom FS does not know, and another gets a title."""
    course = campus.courses()[2]

    def change(answer: Json) -> None:
        mine = campus.events(answer)
        staff = {**next(s for event in mine for s in event["staffs"])}
        mine[0]["staffs"] = [{**staff, "id": "te000003"}]
        mine[1]["staffs"] = [{**staff, "id": "vikarfratp"}]
        mine[2]["title"] = "Gjesteopptreden"

    campus.house.change_course(course, change)
    return [_course(course)]


def _course(course: str) -> Announcement:
    return "no.uio.tp.TP-test.course.update", f"course/{course},25h,1"


def _person(number: int) -> Announcement:
    return "no.uio.fs.FS-test.personer.update", f"personer/{number}"


DAYS: Mapping[str, Callable[[Campus], list[Announcement]]] = {
    "timetable": timetable,
    "people": people,
    "teachers": teachers,
    "moves": timetable,
}  # on the last mailboxes move before it is changed


# -- what users do ------------------------------------------------------------------------------------


def live_in(grounds: Grounds, campus: Campus) -> None:
    """Let users add to our entries: notes, files, and a guest to one that is to be deleted."""
    gone = campus.events(campus.answer(campus.courses()[0]))[2]["eventid"]

    async def work() -> None:
        invited = False
        for box in list(grounds.world.exchange.boxes.values()):
            ours = [item for item in box.items.values() if item.sync_key is not None]
            for number, item in enumerate(sorted(ours, key=lambda item: str(item.sync_key))):
                if str(item.sync_key).startswith(f"{gone}#") and not invited:
                    invited = True
                    meddle(box, {"id": item.id, "do": "invite", "attendee": GUEST})
                elif number % 3 == 0:
                    meddle(box, {"id": item.id, "do": "annotate", "text": NOTE})
                elif number % 3 == 1:
                    meddle(box, {"id": item.id, "do": "attach", "name": FILE})

    grounds.loop.run(work())


Added = tuple[str, int, str]  # mailbox, number of the item, what


def additions(grounds: Grounds) -> set[Added]:
    """Return what users added."""
    found: set[Added] = set()
    for box in grounds.world.exchange.awake():
        for item in box.in_folder("calendar"):
            said = f"{item.fields.get('Body', '')} {item.fields.get('RequiredAttendees', '')}"
            words = [*item.attachments, *(word for word in (NOTE, GUEST) if word in said)]
            found |= {(box.address, item.number, word) for word in words}
    return found


Meeting = tuple[int, Mapping[str, str], str]  # change key, fields, folder


def meetings(grounds: Grounds) -> dict[tuple[str, int], Meeting]:
    """Return what users made a meeting, by mailbox and number of the item."""
    return {
        (box.address, item.number): (item.version, item.fields, item.folder)
        for box in grounds.world.exchange.awake()
        for item in box.items.values()
        if item.fields.get("RequiredAttendees")
    }


def taken_away(grounds: Grounds, before: set[Added]) -> set[Added]:
    """Return what is not there any more of what users added; a meeting stands whatever happens."""
    boxes = grounds.world.exchange.boxes
    gone = before - additions(grounds)
    return {
        each
        for each in gone
        if each[2] == GUEST
        or any(item.number == each[1] for item in boxes[each[0]].in_folder("calendar"))
    }
