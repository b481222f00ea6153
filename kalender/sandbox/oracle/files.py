"""A university's files, read plainly: what FS and TP say. Imports nothing of Kalender."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

Json = dict[str, Any]


class Activity(NamedTuple):
    """A teaching activity, by what FS and TP agree on."""

    course: str
    version: str
    semester: str
    term: int
    actid: str

    @property
    def unit(self) -> tuple[str, str, str, int]:
        """The teaching unit."""
        return self[:4]


class Role(NamedTuple):
    """A counted role on an activity, with its first and last day."""

    activity: Activity
    begins: date
    ends: date


class University(NamedTuple):
    """A university's files, with what belongs to other institutions left out."""

    persons: list[Json]
    registrations: dict[int, dict[tuple[str, str, str, int], str | None]]
    placements: dict[int, set[Activity]]
    roles: dict[int, list[Role]]
    events: list[Json]


def read(directory: Path) -> University:
    """Read a university's directory."""
    about = json.loads((directory / "university.json").read_text("utf-8"))
    ours = f"{about['institution']},"
    registrations: dict[int, dict[tuple[str, str, str, int], str | None]] = defaultdict(dict)
    placements: dict[int, set[Activity]] = defaultdict(set)
    roles: dict[int, list[Role]] = defaultdict(list)
    for item in _lines(directory, "studentundervisning"):
        inner = item["id"]
        if _ref(inner["undervisning"]).startswith(ours):
            unit = unit_of(inner["undervisning"])
            registrations[_number(inner)][unit] = _word(item.get("tilbudstatus"))
    for item in _lines(directory, "studentundervisningsaktivitet"):
        where = item["id"]["undervisningsaktivitet"]
        if _ref(where).startswith(ours):
            placements[_number(item["id"])].add(activity_of(where))
    for item in _lines(directory, "personroller"):
        where = item.get("undervisningsaktivitet")  # a role on the unit alone gives nothing
        if where and _ref(item["rolle"]) == "LÆRER" and _ref(where).startswith(ours):
            roles[_number(item)].append(Role(activity_of(where), *_period(item)))
    people = list(_lines(directory, "personer"))
    return University(people, registrations, placements, roles, list(_events(directory)))


def _number(item: Json) -> int:
    return int(item["person"]["personlopenummer"])


def _word(told: str | Json | None) -> str | None:
    """A code, as it is or as a reference."""
    return _ref(told) if isinstance(told, dict) else told


def _period(item: Json) -> tuple[date, date]:
    period = item.get("periode") or {}
    begins, ends = period.get("fraDato", "1900-01-01"), period.get("tilDato", "9999-12-31")
    return date.fromisoformat(begins), date.fromisoformat(ends)


def _lines(directory: Path, name: str) -> Iterator[Json]:
    for line in (directory / "fs" / f"{name}.ndjson").read_text("utf-8").splitlines():
        yield json.loads(line)


def _events(directory: Path) -> Iterator[Json]:
    """The events that can be read, of published semesters, without exams and bookings."""
    for path in sorted((directory / "tp").glob("*.json")):
        answer = json.loads(path.read_text("utf-8"))
        hidden = {s["id"] for s in answer["semesters"] if s["publish_timetable"] is False}
        for event in answer["events"]:
            ids = " ".join(str(event.get(key)) for key in ("courseid", "actid", "eventid", "id"))
            skipped = re.search("EKSAMEN|BOOKING", ids.upper())
            if event["semesterid"] not in hidden and not skipped and _readable(event):
                yield event


def _readable(event: Json) -> bool:
    """Whether it says which event it is, and when."""
    try:
        return bool(event["actid"] and event["eventid"]) and start(event) < end(event)
    except (KeyError, TypeError, ValueError):
        return False


def unit_of(reference: Json) -> tuple[str, str, str, int]:
    """The teaching unit that a reference of FS names."""
    return _unit(_ref(reference))


def _unit(ref: str) -> tuple[str, str, str, int]:
    _, course, version, year, term, number = ref.split(",")
    return course, version, f"{int(year) % 100:02d}{'v' if term == 'VÅR' else 'h'}", int(number)


def activity_of(raw: Json) -> Activity:
    """The activity that a reference of FS names."""
    unit, _, actid = _ref(raw).rpartition(",")
    return Activity(*_unit(unit), actid)


def activity(event: Json) -> Activity:
    """The activity an event belongs to."""
    return Activity(
        event["courseid"],
        event["courseversion"],
        event["semesterid"],
        event["terminnr"],
        event["actid"],
    )


def _ref(raw: Json) -> str:
    return unquote(raw["href"].rsplit("/", 1)[1])


def start(event: Json) -> datetime:
    """When it begins, in UTC."""
    return datetime.fromisoformat(event["dtstart"]).astimezone(UTC)


def end(event: Json) -> datetime:
    """When it ends, in UTC."""
    return datetime.fromisoformat(event["dtend"]).astimezone(UTC)


def named(event: Json) -> list[str] | None:
    """The usernames TP names; None where it does not tell, which is not nobody."""
    staffs = event.get("staffs")
    return None if staffs is None else [staff["id"] for staff in staffs]
