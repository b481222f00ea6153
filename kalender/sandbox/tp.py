"""TP: the timetable of each course and semester, as bytes, and what changed since when."""

import json
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from kalender.sandbox.wire import Answer, Question, answer, dump

_LOCAL = ZoneInfo("Europe/Oslo")
_FILE = re.compile(r"(?P<course>.+?)(?:-(?P<semester>\d\d[vh]))?\.json")
_SEMESTER = re.compile(rb'"semester"\s*:\s*"(\d\d[vh])"')
_TERM = re.compile(rb'"terminnr"\s*:\s*(\d+)')
_STAFF = re.compile(rb'\{\s*"id"\s*:\s*"([^"]+)"\s*,\s*"main"')
Key = tuple[str, str]


class Timetable:
    """What TP knows, by course and semester."""

    def __init__(self, semester: str) -> None:
        self.semester = semester
        self._answers: dict[Key, bytes] = {}
        self._changed: dict[Key, float] = {}

    def load(self, directory: Path) -> None:
        """Read a university's files; one without a semester in its name says so inside."""
        for path in sorted((directory / "tp").glob("*.json")):
            found = _FILE.fullmatch(path.name)
            raw = path.read_bytes()
            inside = _SEMESTER.search(raw, 0, 4000)
            if found is not None:
                own = inside[1].decode() if inside else self.semester
                self._answers[found["course"], found["semester"] or own] = raw

    def staff(self) -> Iterator[str]:
        """Give the usernames of all teachers."""
        for raw in self._answers.values():
            yield from staff_of(raw)

    def courses(self, semester: str) -> list[str]:
        """Return the courses that have an answer for a semester."""
        return [course for course, own in self._answers if own == semester]

    def get(self, course: str, semester: str) -> dict[str, Any] | None:
        """Return the whole answer for a course."""
        raw = self._answers.get((course, semester))
        return None if raw is None else dict(json.loads(raw))

    def _spelled(self, course: str, semester: str) -> str:
        """Return a course's code as it is kept: whoever asks may write it in other letters."""
        if (course, semester) in self._answers:
            return course
        same = (c for c, own in self._answers if own == semester and c.lower() == course.lower())
        return next(same, course)

    def put(self, course: str, semester: str, value: dict[str, Any]) -> bytes:
        """Replace the whole answer for a course."""
        raw = self._answers[course, semester] = dump(value)
        self._changed[course, semester] = time.time()
        return raw

    def delete(self, course: str, semester: str) -> bool:
        """Forget a course."""
        self._changed[course, semester] = time.time()
        return self._answers.pop((course, semester), None) is not None

    def operation(self, question: Question) -> str:
        """Name what is asked: course, courses or lastchanged."""
        last = (question.parts or [""])[-1]
        if last == "lastchanged-list.php":
            return "lastchanged"
        if last == "course":
            return "courses"
        known = last == "course.php" or (last == "open" and question.query.get("type") == "course")
        return "course" if known else ""

    def answer(self, question: Question) -> Answer:
        """Answer a GET."""
        operation, query = self.operation(question), question.query
        if operation == "course":
            flat = question.parts[-1] == "open"
            return self._course(query.get("id", ""), query.get("sem", self.semester), flat=flat)
        if operation == "courses":
            return self._courses(query.get("sem", self.semester))
        if operation == "lastchanged":
            return self._lastchanged(query.get("timestamp", ""))
        return answer({"error": f"no resource {question.path}"}, 404)

    def _course(self, course: str, semester: str, *, flat: bool) -> Answer:
        course = self._spelled(course, semester)
        raw = self._answers.get((course, semester)) or dump(empty(course, semester))
        if not flat:
            top = dump({"courseid": course, "semesterid": semester})
            raw = top[:-1] + b"," + raw.lstrip()[1:]
        return Answer(200, raw, items=raw.count(b'"eventid"'))

    def _courses(self, semester: str) -> Answer:
        data = []
        for (course, own), raw in self._answers.items():
            if own == semester:
                term = _TERM.search(raw)
                data.append({"id": course, "terminnr": int(term[1]) if term else 1})
        return answer({"data": data}, items=len(data))

    def _lastchanged(self, timestamp: str) -> Answer:
        try:
            since = datetime.fromisoformat(timestamp or "1970-01-01")
        except ValueError:
            return answer({"error": "timestamp"}, 400)
        since = since if since.tzinfo else since.replace(tzinfo=_LOCAL)
        elements = [
            {"id": course, "semesterid": semester, "terminnr": 1, "lastchanged": _local(at)}
            for (course, semester), at in self._changed.items()
            if at >= since.timestamp()
        ]
        return answer({"elements": elements or None}, items=len(elements))


def staff_of(raw: bytes) -> set[str]:
    """Return the usernames that an answer names."""
    return {name.decode() for name in _STAFF.findall(raw)}


def empty(course: str, semester: str) -> dict[str, Any]:
    """Return what TP says of a course that it does not know: nothing, and no error."""
    href = f"https://gw-uio.intark.uh-it.no/tp-uio/1.4/semester.php?id={semester}"
    return {
        "name": "Timetabledata",
        "version": "1.4",
        "id": course,
        "semester": semester,
        "semesters": [{"id": semester, "publish_timetable": True, "href": href}],
        "interval-start": None,
        "interval-end": None,
        "typename": "course",
        "events": [],
    }


def _local(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).astimezone(_LOCAL).isoformat(timespec="seconds")[:22]
