"""A day at the university: each change as planners, students and FS would make it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from uuid import uuid4

from kalender.sandbox.demonstration.stage import NOW, Stage
from kalender.sandbox.demonstration.truth import ACCEPTED, Json, activity_of

AFTER = "2025-08-18T12"
MONDAY = date(2025, 8, 18)  # of the week that is drawn, and in which lectures change
SEMESTER = "25h"
FRIDAY = 5
NOTE = "ta med kalkulator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happened, done to the university already; the notification that tells of it."""

    what: str
    routing_key: str = ""
    body: dict[str, str] | None = None
    person: str = ""  # whose calendar is to be looked into: no notification tells of it


def notification(
    system: str, resource: str, ident: str, operation: str
) -> tuple[str, dict[str, str]]:
    """Return routing key and body in FS' own form, which TP is expected to share."""
    issuer = f"{system.upper()}-demo"
    body = {
        "sub": f"{resource}/{ident}",
        f"{resource}_id": ident,
        "iss": issuer,
        "iat": str(round(datetime.fromisoformat(NOW).timestamp() * 1000)),
        "operation": operation,
        "jti": str(uuid4()),
    }
    return f"no.uio.{system}.{issuer}.{resource}.{operation}", body


def person_changed(resource: str, operation: str, item: Json, what: str) -> Change:
    """Say what FS says of an item."""
    number = item["id"]["person"]["personlopenummer"]
    place = item["id"].get("undervisning") or item["id"]["undervisningsaktivitet"]
    ident = f"{place['href'].rpartition('/')[2]},{number}"
    key, body = notification("fs", resource, ident, operation)
    return Change(what=what, routing_key=key, body=body)


class Day:
    """The changes of a day; each is made when it is called. `student` is who is watched."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.truth = stage, stage.truth
        self.alone = self._not_co_taught()
        self.taken = self._taken()
        self.number = max(sorted(self.taken), key=self._lectures_in_the_week)
        self.student = self._username(self.number)
        self.busiest = max(sorted(self.alone), key=self._takers)
        self._next = iter(self._lectures(self.number))

    def changes(self) -> Sequence[tuple[str, Sequence[Callable[[], Change]]]]:
        """Return the changes in their order, with the words above them."""
        planned = (
            self.moves,
            self.moves_under_a_new_id,
            self.changes_room,
            self.is_cancelled,
            self.is_deleted,
            self.teacher_is_replaced,
            self.groups_are_merged,
        )
        students = self.joins, self.leaves, self.changes_group
        users = self.deletes_an_entry, self.edits_an_entry, self.writes_a_note
        return (
            ("Planners change the timetable; TP tells of the course:", planned),
            ("Students come and go; FS tells of the person:", students),
            ("A student meddles; nobody tells, a look into the calendar finds it:", users),
        )

    # -- who and what -----------------------------------------------------------------------------

    def _not_co_taught(self) -> set[str]:
        """The courses whose events no other course returns as well."""
        ids = {name: {e["eventid"] for e in a["events"]} for name, a in self.truth.courses.items()}
        return {
            name
            for name, own in ids.items()
            if own and not any(own & other for code, other in ids.items() if code != name)
        }

    def _taken(self) -> dict[int, set[str]]:
        """Who takes which of these courses."""
        taken: dict[int, set[str]] = {}
        for item in self.truth.fs["studentundervisning"]:
            key = activity_of(item["id"], whole=False)
            if (
                key.semester == SEMESTER
                and key.course in self.alone
                and item["tilbudstatus"] in ACCEPTED
            ):
                taken.setdefault(item["id"]["person"]["personlopenummer"], set()).add(key.course)
        return taken

    def _takers(self, name: str) -> int:
        return sum(name in courses for courses in self.taken.values())

    def _lectures(self, number: int) -> list[tuple[str, Json]]:
        """A student's coming lectures, each with its course."""
        lectures = [
            (name, event)
            for name in sorted(self.taken[number])
            for event in self.truth.courses[name]["events"]
            if _is_plain(event)
        ]
        return sorted(lectures, key=lambda each: str(each[1]["dtstart"]))

    def _lectures_in_the_week(self, number: int) -> int:
        end = str(MONDAY + timedelta(days=7))
        return sum(event["dtstart"] < end for _, event in self._lectures(number))

    def _username(self, number: int) -> str:
        person = next(p for p in self.truth.fs["personer"] if p["personlopenummer"] == number)
        return str(person["brukernavn"])

    def _course_changed(self, name: str, what: str) -> Change:
        """Let TP answer so, and say so."""
        self.stage.change_course(name)
        key, body = _course_updated(name)
        return Change(what=what, routing_key=key, body=body)

    def nothing_new(self) -> tuple[str, dict[str, str]]:
        """Return a notification of a course that has not changed."""
        return _course_updated(self.busiest)

    # -- TP -------------------------------------------------------------------------------------

    def moves(self) -> Change:
        """A lecture moves within its day."""
        name, event = next(self._next)
        _shift(event, hours=1)
        return self._course_changed(name, f"a lecture of {name} moves by an hour")

    def moves_under_a_new_id(self) -> Change:
        """A lecture moves to another day, and TP gives it a new id."""
        name, event = next(self._next)
        is_last = datetime.fromisoformat(event["dtstart"]).isoweekday() >= FRIDAY
        _shift(event, hours=-24 if is_last else 24)
        event["eventid"] = event["eventid"].replace("+", "501+", 1)
        return self._course_changed(name, f"one of {name} moves a day, under a new id")

    def changes_room(self) -> Change:
        """A lecture gets another room."""
        name, event = next(self._next)
        event["room"] = [{**event["room"][0], "id": "ST1", "roomname": "Store auditorium"}]
        return self._course_changed(name, f"one of {name} changes room")

    def is_cancelled(self) -> Change:
        """A lecture is called off."""
        name, event = next(self._next)
        event.update(status="cancelled", active=False, room=None)
        return self._course_changed(name, f"one of {name} is cancelled")

    def is_deleted(self) -> Change:
        """A lecture disappears from TP."""
        name, event = next(self._next)
        self.truth.courses[name]["events"].remove(event)
        return self._course_changed(name, f"one of {name} is deleted")

    def teacher_is_replaced(self) -> Change:
        """Somebody else gives a lecture."""
        name, event = next(self._next)
        before = {staff["id"] for staff in event["staffs"]}
        teacher = next(
            p
            for p in reversed(self.truth.fs["personer"])
            if p["student"] is None and p["brukernavn"] not in before
        )
        staff = {"id": teacher["brukernavn"], "type": "TEACHER", "main": False}
        event["staffs"] = [{**staff, "firstname": "Ny", "lastname": "Lærer"}]
        return self._course_changed(name, f"one of {name} gets another teacher, named to all")

    def groups_are_merged(self) -> Change:
        """Two groups are to meet together from now on."""
        name, first, second = self._two_groups(sorted(self.alone))
        events = self.truth.courses[name]["events"]
        kept = [e for e in events if e["actid"] == first and e["dtstart"] > AFTER]
        gone = [e for e in events if e["actid"] == second and e["dtstart"] > AFTER]
        for event in gone:
            events.remove(event)
        model = gone[0]
        own = {k: model[k] for k in ("actid", "party", "aid", "summary", "teaching-title")}
        events.extend({**event, **own} for event in kept)
        return self._course_changed(name, f"groups {first} and {second} of {name} are merged")

    def _two_groups(self, names: Sequence[str]) -> tuple[str, str, str]:
        """Two groups of the first course that has students placed on two."""
        placed = {activity_of(i["id"]) for i in self.truth.fs["studentundervisningsaktivitet"]}
        for name in names:
            events = self.truth.courses[name]["events"]
            ids = sorted({e["actid"] for e in events if not e["status_plenary"]})
            taken = [a for a in ids if any((p.course, p.actid) == (name, a) for p in placed)]
            if len(taken) > 1:
                return name, taken[0], taken[1]
        raise LookupError("no course with two groups")

    # -- FS -------------------------------------------------------------------------------------

    def joins(self) -> Change:
        """A student registers on the course that most take."""
        name = self.busiest
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
            and i["id"]["person"]["personlopenummer"] != self.number
            and activity_of(i["id"], whole=False).semester == SEMESTER
            and i["tilbudstatus"] in ACCEPTED
        )
        items.remove(item)
        self.stage.control("DELETE", "fs/studentundervisning", item)
        return person_changed("studentundervisning", "delete", item, "a student leaves a course")

    def changes_group(self) -> Change:
        """A student is placed on another group of the same course."""
        name, first, second = self._two_groups(sorted(self.alone, reverse=True))
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

    def _meddle(self, number: int, what: str, **deed: Any) -> Change:
        """Do something to an entry of the week that is drawn, or after it."""
        address = f"{self.student}@{self.truth.domain}"
        ours = [i for i in self.stage.items(address) if i["sync_key"] and i["folder"] == "calendar"]
        coming = sorted((i for i in ours if i["start"] > AFTER), key=lambda i: str(i["start"]))
        item = next(islice(coming, number, None))
        self.stage.control(
            "POST", "exchange/meddle", {"mailbox": address, "id": item["id"], **deed}
        )
        return Change(what=what, person=self.student)

    def deletes_an_entry(self) -> Change:
        """A user deletes an entry."""
        return self._meddle(0, "deletes an entry", do="delete")

    def edits_an_entry(self) -> Change:
        """A user renames an entry and puts it elsewhere."""
        what = "renames another, and puts it elsewhere"
        return self._meddle(1, what, do="edit", subject="fri!", location="hjemme")

    def writes_a_note(self) -> Change:
        """A user writes a note below our text."""
        return self._meddle(2, "adds notes to a third, which stay", do="annotate", text=NOTE)


def _course_updated(name: str) -> tuple[str, dict[str, str]]:
    return notification("tp", "course", f"{name},{SEMESTER},1", "update")


def _is_plain(event: Json) -> bool:
    told = event["status_plenary"] and event["status"] == "active"
    return bool(told and event["room"] and event["staffs"]) and event["dtstart"] > AFTER


def _shift(event: Json, *, hours: int) -> None:
    for name in ("dtstart", "dtend"):
        moved = datetime.fromisoformat(event[name]) + timedelta(hours=hours)
        event[name] = moved.isoformat()[:22]
