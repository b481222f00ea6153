"""A day at the university: each change as planners, students and FS would make it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import uuid4

from kalender.sandbox.installation import Installation, Json
from kalender.sandbox.oracle import ACCEPTED
from kalender.sandbox.oracle.files import activity_of, unit_of

NOW = "2025-08-18T08:00+02:00"
AFTER = "2025-08-18T12"
MONDAY = date(2025, 8, 18)  # of the week that is drawn, and in which lectures change
SEMESTER = "25h"
FRIDAY = 5
NOTE = "ta med kalkulator"
REGISTRATIONS, PLACEMENTS = "studentundervisning", "studentundervisningsaktivitet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that the university has made, and the notification that tells of it."""

    words: str
    routing_key: str = ""
    body: dict[str, str] | None = None
    person: str = ""  # whose calendar is to be looked into: no notification tells of it


class Day:
    """The changes of a day; each is made when it is called.

    `student` is the username of the student who is watched, one with the most lectures this week.
    """

    def __init__(self, installation: Installation) -> None:
        self.installation = installation
        answers = {
            path.stem: installation.course(path.stem)
            for path in sorted((installation.university / "tp").glob("*.json"))
        }
        self.courses = {
            name: answer
            for name, answer in answers.items()
            if all(semester["publish_timetable"] for semester in answer["semesters"])
        }
        self.registrations = installation.collection(REGISTRATIONS)
        self.placements = installation.collection(PLACEMENTS)
        self.persons = installation.collection("personer")
        self._alone = self._not_co_taught()
        takers = self._takers()
        self.number = max(sorted(takers), key=lambda number: self._week_lectures(takers[number]))
        self.student = next(
            str(person["brukernavn"])
            for person in self.persons
            if person["personlopenummer"] == self.number
        )
        self._busiest = max(
            sorted(self._alone),
            key=lambda name: sum(name in courses for courses in takers.values()),
        )
        self._lectures = iter(self._coming_lectures(takers[self.number]))

    def changes(self) -> Sequence[tuple[str, Sequence[Callable[[], Change]]]]:
        """Return the changes in their order, with the words above them."""
        return (
            (
                "Planners change the timetable; TP tells of the course:",
                (
                    self.moves,
                    self.moves_under_a_new_id,
                    self.changes_room,
                    self.is_cancelled,
                    self.is_deleted,
                    self.teacher_is_replaced,
                    self.groups_are_merged,
                ),
            ),
            (
                "Students come and go; FS tells of the person:",
                (self.joins, self.leaves, self.changes_group),
            ),
            (
                "A student meddles; nobody tells, a look into the calendar finds it:",
                (self.deletes_an_entry, self.edits_an_entry, self.writes_a_note),
            ),
        )

    def nothing_new(self) -> tuple[str, dict[str, str]]:
        """Return a notification of a course that has not changed."""
        return _course_notification(self._busiest)

    # -- who and what -----------------------------------------------------------------------------

    def _not_co_taught(self) -> set[str]:
        """Return the courses whose events no other course returns as well."""
        ids = {name: {e["eventid"] for e in a["events"]} for name, a in self.courses.items()}
        return {
            name
            for name, own in ids.items()
            if own and not any(own & other for code, other in ids.items() if code != name)
        }

    def _takers(self) -> dict[int, set[str]]:
        """Return which of these courses each student takes."""
        takers: dict[int, set[str]] = {}
        for item in self.registrations:
            course, _, semester, _ = unit_of(item["id"]["undervisning"])
            if semester == SEMESTER and course in self._alone and item["tilbudstatus"] in ACCEPTED:
                takers.setdefault(_person_number(item), set()).add(course)
        return takers

    def _coming_lectures(self, courses: set[str]) -> list[tuple[str, Json]]:
        """Return the coming lectures of courses, each with its course, in time's order."""
        lectures = [
            (name, event)
            for name in sorted(courses)
            for event in self.courses[name]["events"]
            if event["status_plenary"] and event["status"] == "active"
            if event["room"] and event["staffs"] and event["dtstart"] > AFTER
        ]
        return sorted(lectures, key=lambda lecture: str(lecture[1]["dtstart"]))

    def _week_lectures(self, courses: set[str]) -> int:
        end = str(MONDAY + timedelta(days=7))
        return sum(event["dtstart"] < end for _, event in self._coming_lectures(courses))

    def _two_groups(self, names: Sequence[str]) -> tuple[str, str, str]:
        """Return the first course that has students placed on two groups, and the two groups."""
        placed = {self._placement(item) for item in self.placements}
        for name in names:
            events = self.courses[name]["events"]
            ids = sorted({event["actid"] for event in events if not event["status_plenary"]})
            groups = [actid for actid in ids if (name, actid) in placed]
            if len(groups) > 1:
                return name, groups[0], groups[1]
        raise LookupError("no course with two groups")

    def _placement(self, item: Json) -> tuple[str, str]:
        activity = activity_of(item["id"]["undervisningsaktivitet"])
        return activity.course, activity.actid

    # -- TP -------------------------------------------------------------------------------------

    def _course_changed(self, name: str, words: str) -> Change:
        """Let TP answer so, and tell of it."""
        self.installation.put_course(name, self.courses[name])
        routing_key, body = _course_notification(name)
        return Change(words=words, routing_key=routing_key, body=body)

    def moves(self) -> Change:
        """Move a lecture within its day."""
        name, event = next(self._lectures)
        _shift(event, hours=1)
        return self._course_changed(name, f"a lecture of {name} moves by an hour")

    def moves_under_a_new_id(self) -> Change:
        """Move a lecture to another day, where TP gives it a new id."""
        name, event = next(self._lectures)
        is_last = datetime.fromisoformat(event["dtstart"]).isoweekday() >= FRIDAY
        _shift(event, hours=-24 if is_last else 24)
        event["eventid"] = event["eventid"].replace("+", "501+", 1)
        return self._course_changed(name, f"one of {name} moves a day, under a new id")

    def changes_room(self) -> Change:
        """Give a lecture another room."""
        name, event = next(self._lectures)
        event["room"] = [{**event["room"][0], "id": "ST1", "roomname": "Store auditorium"}]
        return self._course_changed(name, f"one of {name} changes room")

    def is_cancelled(self) -> Change:
        """Call a lecture off."""
        name, event = next(self._lectures)
        event.update(status="cancelled", active=False, room=None)
        return self._course_changed(name, f"one of {name} is cancelled")

    def is_deleted(self) -> Change:
        """Let a lecture disappear from TP."""
        name, event = next(self._lectures)
        self.courses[name]["events"].remove(event)
        return self._course_changed(name, f"one of {name} is deleted")

    def teacher_is_replaced(self) -> Change:
        """Let somebody else give a lecture."""
        name, event = next(self._lectures)
        former_teachers = {staff["id"] for staff in event["staffs"]}
        username = next(
            person["brukernavn"]
            for person in reversed(self.persons)
            if person["student"] is None and person["brukernavn"] not in former_teachers
        )
        staff = {"id": username, "type": "TEACHER", "main": False}
        event["staffs"] = [{**staff, "firstname": "Ny", "lastname": "Lærer"}]
        return self._course_changed(name, f"one of {name} gets another teacher, named to all")

    def groups_are_merged(self) -> Change:
        """Let two groups meet together from now on."""
        name, first, second = self._two_groups(sorted(self._alone))
        events = self.courses[name]["events"]
        coming = [event for event in events if event["dtstart"] > AFTER]
        former_events = [event for event in coming if event["actid"] == second]
        for event in former_events:
            events.remove(event)
        names = ("actid", "party", "aid", "summary", "teaching-title")
        group = {key: former_events[0][key] for key in names}
        events.extend({**event, **group} for event in coming if event["actid"] == first)
        return self._course_changed(name, f"groups {first} and {second} of {name} are merged")

    # -- FS -------------------------------------------------------------------------------------

    def joins(self) -> Change:
        """Register a student on the course that most take."""
        name = self._busiest
        on_course = [
            item for item in self.registrations if unit_of(item["id"]["undervisning"])[0] == name
        ]
        takers = {_person_number(item) for item in on_course}
        person = next(
            item["id"]["person"]
            for item in self.registrations
            if _person_number(item) not in takers
        )
        model = on_course[0]
        item = {**model, "id": {**model["id"], "person": person}, "tilbudstatus": "I"}
        place = model["id"]["undervisning"]["href"].rpartition("/")[2]
        base = model["id"]["href"].rpartition("/")[0]
        item["id"]["href"] = f"{base}/{place},{person['personlopenummer']}"
        self.registrations.append(item)
        self.installation.put(REGISTRATIONS, item)
        return _person_changed(REGISTRATIONS, "create", item, f"a student joins {name}")

    def leaves(self) -> Change:
        """Withdraw a student from one of several courses."""
        numbers = [_person_number(item) for item in self.registrations]
        item = next(
            item
            for item, number in zip(self.registrations, numbers, strict=True)
            if numbers.count(number) > 1 and number != self.number
            if unit_of(item["id"]["undervisning"])[2] == SEMESTER
            if item["tilbudstatus"] in ACCEPTED
        )
        self.registrations.remove(item)
        self.installation.drop(REGISTRATIONS, item)
        return _person_changed(REGISTRATIONS, "delete", item, "a student leaves a course")

    def changes_group(self) -> Change:
        """Place a student on another group of the same course."""
        name, first, second = self._two_groups(sorted(self._alone, reverse=True))
        old = next(item for item in self.placements if self._placement(item) == (name, second))
        href = old["id"]["undervisningsaktivitet"]["href"].replace(f",{second}", f",{first}")
        new = {**old, "id": {**old["id"], "undervisningsaktivitet": {"href": href}}}
        self.installation.drop(PLACEMENTS, old)
        self.installation.put(PLACEMENTS, new)
        return _person_changed(PLACEMENTS, "update", new, f"a student changes group in {name}")

    # -- the student ----------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The address of the student who is watched."""
        return f"{self.student}@{self.installation.domain}"

    def mailbox_moves(self) -> tuple[str, str]:
        """Move the student's mailbox to the other side; return where it was, and where it is.

        Each is `ews` or `graph`. Items keep what they say, under new ids.
        """
        place = str(self.installation.get("graph/mailboxes")[self.address])
        target = "ews" if place == "graph" else "graph"
        body = {"to": target, "mailboxes": [self.address]}
        self.installation.send("POST", "graph/moves", body)
        return place, target

    def _meddle(self, number: int, words: str, **deed: Any) -> Change:
        """Do something to an entry of the week that is drawn, or after it."""
        address = self.address
        coming = sorted(
            (item for item in self._own_items(address) if item["start"] > AFTER),
            key=lambda item: str(item["start"]),
        )
        body = {"mailbox": address, "id": coming[number]["id"], **deed}
        self.installation.send("POST", "exchange/meddle", body)
        return Change(words=words, person=self.student)

    def _own_items(self, address: str) -> Iterator[Json]:
        for item in self.installation.items(address):
            if item["sync_key"] and item["folder"] == "calendar":
                yield item

    def deletes_an_entry(self) -> Change:
        """Delete an entry, as its user."""
        return self._meddle(0, "deletes an entry", do="delete")

    def edits_an_entry(self) -> Change:
        """Rename an entry and put it elsewhere, as its user."""
        words = "renames another, and puts it elsewhere"
        return self._meddle(1, words, do="edit", subject="fri!", location="hjemme")

    def writes_a_note(self) -> Change:
        """Write a note below our text, as its user."""
        return self._meddle(2, "adds notes to a third, which stay", do="annotate", text=NOTE)


# -- notifications ------------------------------------------------------------------------------------


def _notification(
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


def _course_notification(name: str) -> tuple[str, dict[str, str]]:
    return _notification("tp", "course", f"{name},{SEMESTER},1", "update")


def _person_changed(resource: str, operation: str, item: Json, words: str) -> Change:
    """Tell what FS tells of an item."""
    place = item["id"].get("undervisning") or item["id"]["undervisningsaktivitet"]
    ident = f"{place['href'].rpartition('/')[2]},{_person_number(item)}"
    routing_key, body = _notification("fs", resource, ident, operation)
    return Change(words=words, routing_key=routing_key, body=body)


def _person_number(item: Json) -> int:
    return int(item["id"]["person"]["personlopenummer"])


def _shift(event: Json, *, hours: int) -> None:
    for name in ("dtstart", "dtend"):
        moved = datetime.fromisoformat(event[name]) + timedelta(hours=hours)
        event[name] = moved.isoformat()[:22]
