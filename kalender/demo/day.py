"""A day at the university: each change as planners, students and FS would make it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from kalender.demo.stage import Stage
from kalender.demo.truth import Json, activity_of

TP_KEY, FS_KEY = "no.uio.tp.TP-demo.course.update", "no.uio.fs.FS-demo"
AFTER = "2025-08-18T12"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened, done to the university already; the notification that tells of it."""

    what: str
    routing_key: str = ""
    body: dict[str, str] | None = None
    person: str = ""  # whose calendar is to be looked into: no notification tells of it


def course_changed(stage: Stage, name: str, what: str) -> Change:
    """Let TP answer so, and say so."""
    stage.change_course(name)
    code, _, semester = name.partition("-")
    sub = f"course/{code},{semester or '25h'},1"
    return Change(what=what, routing_key=TP_KEY, body={"sub": sub, "iss": "TP-demo"})


def person_changed(resource: str, operation: str, item: Json, what: str) -> Change:
    """Say what FS says of an item."""
    number = str(item["id"]["person"]["personlopenummer"])
    place = item["id"].get("undervisning") or item["id"]["undervisningsaktivitet"]
    sub = f"{resource}/{place['href'].rpartition('/')[2]},{number}"
    key = f"{FS_KEY}.{resource}.{operation}"
    return Change(what=what, routing_key=key, body={"sub": sub, "iss": "FS-demo"})


def the_day(stage: Stage) -> Iterator[Callable[[], Change]]:
    """Return the changes in their order; each is made when it is called."""
    university = _University(stage)
    yield from (
        university.moves,
        university.moves_under_a_new_id,
        university.changes_room,
        university.is_cancelled,
        university.is_deleted,
        university.groups_are_merged,
        university.joins,
        university.leaves,
        university.changes_group,
        university.teacher_is_replaced,
        university.deletes_an_entry,
        university.edits_an_entry,
        university.writes_a_note,
    )


class _University:
    def __init__(self, stage: Stage) -> None:
        self.stage, self.truth = stage, stage.truth
        self.notes = ("ta med kalkulator",)

    # -- TP -------------------------------------------------------------------------------------

    def _lecture(self, number: int) -> tuple[str, Json]:
        """A coming lecture of the course that most take."""
        name = self.busiest()
        coming = [e for e in self.truth.courses[name]["events"] if self._moves(e)]
        return name, coming[number]

    def _moves(self, event: Json) -> bool:
        plain = event["status_plenary"] and event["status"] == "active" and event["room"]
        return bool(plain) and event["dtstart"] > AFTER

    def busiest(self) -> str:
        """The course that most take."""
        taken = [
            activity_of(i["id"], whole=False).course for i in self.truth.fs["studentundervisning"]
        ]
        return max(sorted(c for c in set(taken) if c in self.truth.courses), key=taken.count)

    def moves(self) -> Change:
        """A lecture moves within its day."""
        name, event = self._lecture(0)
        _shift(event, hours=1)
        return course_changed(self.stage, name, f"a lecture of {name} moves")

    def moves_under_a_new_id(self) -> Change:
        """A lecture moves to another day, and TP gives it a new id."""
        name, event = self._lecture(1)
        _shift(event, hours=24)
        event["eventid"] = event["eventid"].replace("+", "501+", 1)
        return course_changed(self.stage, name, "another moves to the next day, under a new id")

    def changes_room(self) -> Change:
        """A lecture gets another room."""
        name, event = self._lecture(2)
        event["room"] = [{**event["room"][0], "id": "ST1", "roomname": "Store auditorium"}]
        return course_changed(self.stage, name, "a lecture changes room")

    def is_cancelled(self) -> Change:
        """A lecture is called off."""
        name, event = self._lecture(3)
        event.update(status="cancelled", active=False, room=None)
        return course_changed(self.stage, name, "a lecture is cancelled")

    def is_deleted(self) -> Change:
        """A lecture disappears from TP."""
        name, event = self._lecture(3)
        self.truth.courses[name]["events"].remove(event)
        return course_changed(self.stage, name, "a lecture is deleted")

    def groups_are_merged(self) -> Change:
        """Two groups are to meet together from now on."""
        name, first, second = self._two_groups()
        events = self.truth.courses[name]["events"]
        kept = [e for e in events if e["actid"] == first and e["dtstart"] > AFTER]
        gone = [e for e in events if e["actid"] == second and e["dtstart"] > AFTER]
        for event in gone:
            events.remove(event)
        model = gone[0]
        own = {k: model[k] for k in ("actid", "party", "aid", "summary", "teaching-title")}
        events.extend({**event, **own} for event in kept)
        return course_changed(self.stage, name, f"groups {first} and {second} of {name} are merged")

    def _two_groups(self) -> tuple[str, str, str]:
        """Two groups of a course in which students are placed on both."""
        placed = {activity_of(i["id"]) for i in self.truth.fs["studentundervisningsaktivitet"]}
        for name, answer in self.truth.courses.items():
            ids = sorted({e["actid"] for e in answer["events"] if not e["status_plenary"]})
            taken = [a for a in ids if any((p.course, p.actid) == (name, a) for p in placed)]
            if len(taken) > 1:
                return name, taken[0], taken[1]
        raise LookupError("no course with two groups")

    def teacher_is_replaced(self) -> Change:
        """Somebody else gives a lecture."""
        name, event = self._lecture(4)
        teacher = next(p for p in reversed(self.truth.fs["personer"]) if p["student"] is None)
        event["staffs"] = [{"id": teacher["brukernavn"], "type": "TEACHER", "main": False}]
        return course_changed(self.stage, name, "a lecture gets another teacher")

    # -- FS -------------------------------------------------------------------------------------

    def joins(self) -> Change:
        """A student registers on the course that most take."""
        name = self.busiest()
        items = self.truth.fs["studentundervisning"]
        model = next(i for i in items if activity_of(i["id"], whole=False).course == name)
        takers = {
            i["id"]["person"]["personlopenummer"]
            for i in items
            if activity_of(i["id"], whole=False).course == name
        }
        others = [i["id"]["person"] for i in items]
        person = next(p for p in others if p["personlopenummer"] not in takers)
        item = {**model, "id": {**model["id"], "person": person}, "tilbudstatus": "I"}
        place = model["id"]["undervisning"]["href"].rpartition("/")[2]
        href = f"{model['id']['href'].rpartition('/')[0]}/{place},{person['personlopenummer']}"
        item["id"]["href"] = href
        items.append(item)
        self.stage.control("PUT", "fs/studentundervisning", item)
        return person_changed("studentundervisning", "create", item, f"a student joins {name}")

    def leaves(self) -> Change:
        """A student withdraws from one of several courses."""
        items = self.truth.fs["studentundervisning"]
        numbers = [i["id"]["person"]["personlopenummer"] for i in items]
        item = next(
            i
            for i in items
            if numbers.count(i["id"]["person"]["personlopenummer"]) > 1
            and activity_of(i["id"], whole=False).semester == "25h"
            and i.get("tilbudstatus") == "I"
        )
        items.remove(item)
        self.stage.control("DELETE", "fs/studentundervisning", item)
        return person_changed("studentundervisning", "delete", item, "a student leaves a course")

    def changes_group(self) -> Change:
        """A student is placed on another group of the same course."""
        name, first, second = self._two_groups()
        items = self.truth.fs["studentundervisningsaktivitet"]
        old = next(i for i in items if activity_of(i["id"])[0::4] == (name, second))
        href = old["id"]["undervisningsaktivitet"]["href"].replace(f",{second}", f",{first}")
        new = {**old, "id": {**old["id"], "undervisningsaktivitet": {"href": href}}}
        items.remove(old)
        items.append(new)
        self.stage.control("DELETE", "fs/studentundervisningsaktivitet", old)
        self.stage.control("PUT", "fs/studentundervisningsaktivitet", new)
        resource = "studentundervisningsaktivitet"
        return person_changed(resource, "update", new, f"a student changes group in {name}")

    # -- the student ----------------------------------------------------------------------------

    def student(self) -> str:
        """The student whose calendar is shown, and meddled with."""
        name = self.busiest()
        items = self.truth.fs["studentundervisning"]
        number = next(
            i["id"]["person"]["personlopenummer"]
            for i in items
            if activity_of(i["id"], whole=False).course == name and i.get("tilbudstatus") == "I"
        )
        person = next(p for p in self.truth.fs["personer"] if p["personlopenummer"] == number)
        return str(person["brukernavn"])

    def _meddle(self, number: int, what: str, **deed: Any) -> Change:
        username = self.student()
        address = f"{username}@{self.truth.domain}"
        ours = [i for i in self.stage.items(address) if i["sync_key"] and i["folder"] == "calendar"]
        item = sorted(ours, key=lambda i: str(i["start"]))[number]
        told = {"mailbox": address, "id": item["id"], **deed}
        self.stage.control("POST", "exchange/meddle", told)
        return Change(what=what, person=username)

    def deletes_an_entry(self) -> Change:
        """A user deletes an entry."""
        return self._meddle(3, "a student deletes an entry", do="delete")

    def edits_an_entry(self) -> Change:
        """A user moves and renames an entry."""
        return self._meddle(4, "a student edits one", do="edit", subject="fri!", location="hjemme")

    def writes_a_note(self) -> Change:
        """A user writes a note below our text."""
        return self._meddle(5, "a student adds notes to one", do="annotate", text=self.notes[0])


def _shift(event: Json, *, hours: int) -> None:
    for name in ("dtstart", "dtend"):
        moved = datetime.fromisoformat(event[name]) + timedelta(hours=hours)
        event[name] = moved.isoformat()[:22]
