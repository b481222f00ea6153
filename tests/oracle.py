"""What every mailbox must hold, from a university's files alone. Imports nothing of Kalender.

Written to be checked by eye against the rules, not to be quick. Events that TP never told as
cancelled before are judged by who is named in them now.
"""

import html
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
KINDS = {
    "FOR": "Forelesning",
    "ØVE": "Øvelse",
    "ØV": "Øvelse",
    "ØV-F": "Fellesøvelse",
    "GR": "Gruppe",
    "GR-DATA": "Datagruppe",
    "LAB": "Lab",
    "KOL": "Kollokvium",
    "SEM": "Seminar",
    "SEMFOR": "Forelesning og seminar",
    "OBLOPPG": "Obligatorisk oppgave",
    "ORIENT": "Orienteringsmøte",
}
Json = dict[str, Any]


class Expected(NamedTuple):
    """One entry, as a reader of the calendar would see it."""

    start: datetime
    end: datetime
    subject: str
    location: str
    show_as: str


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


@dataclass
class University:
    """A university's files."""

    institution: int
    persons: list[Json]
    registrations: dict[int, dict[tuple[str, str, str, int], str | None]]
    placements: dict[int, set[Activity]]
    roles: dict[int, list[Json]]
    events: list[Json]


def calendars(
    directory: Path, now: datetime, *, mailbox: str = "epost:INSTITUSJON"
) -> dict[str, list[Expected]]:
    """Return address -> what its calendar must hold at an instant, in time's order."""
    university = read(directory)
    today = now.astimezone(OSLO).date()
    events = [e for e in university.events if _semester_counts(e, today) and _end(e) > now]
    all_events = [e for e in university.events if _semester_counts(e, today)]
    alone = _only_groups(all_events) - set().union(*university.placements.values())
    by_course: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        by_course[event["courseid"]].append(event)
        for staff in event["staffs"]:
            by_course[f"named {staff['id']}"].append(event)
    held: dict[str, list[Expected]] = {}
    for number, username, address in _people(university, mailbox):
        courses = {unit[0] for unit in university.registrations.get(number, {})}
        courses |= {_ref(_teaching(r)).split(",")[1] for r in university.roles.get(number, [])}
        near = [e for key in (*courses, f"named {username}") for e in by_course.get(key, [])]
        mine = _seen(university, near, alone, number, username, today)
        if address and mine:
            held[address] = sorted(mine)
    return held


def _teaching(role: Json) -> Json:
    found: Json = role.get("undervisningsaktivitet") or role["undervisning"]
    return found


def _people(university: University, mailbox: str) -> Iterator[tuple[int, str, str | None]]:
    """Everybody FS knows, and under a template those whom only TP names."""
    known = set()
    for person in university.persons:
        username = person.get("brukernavn") or ""
        known.add(username)
        if mailbox.startswith("epost:"):
            kind = mailbox.removeprefix("epost:")
            mails = [m["adresse"] for m in person.get("epost") or [] if m["type"] == kind]
            address = mails[0].lower() if mails else None
        else:
            address = mailbox.replace("{username}", username) if username else None
        yield person["personlopenummer"], username, address
    if not mailbox.startswith("epost:"):
        named = {staff["id"] for event in university.events for staff in event["staffs"]}
        for username in sorted(named - known - {""}):
            yield 0, username, mailbox.replace("{username}", username)


# -- who sees what ------------------------------------------------------------------------------------


def _seen(
    university: University,
    events: Iterable[Json],
    alone: set[Activity],
    number: int,
    username: str,
    today: date,
) -> list[Expected]:
    """One entry for each event id; of those that share it the closest to the person."""
    found: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
    for event in events:
        teaches = _teaches(university, number, username, event, today)
        attends, own = _attends(university, number, event, alone)
        if teaches or attends:
            rank = (event["status"] != "active", not teaches, not own, _activity(event))
            found[event["eventid"]].append((*rank, event))
    return [_entry(same) for same in found.values()]


def _only_groups(events: Iterable[Json]) -> set[Activity]:
    """Activities that are the only group of their kind within course and term."""
    kinds: dict[tuple[str, str, int, str], set[Activity]] = defaultdict(set)
    for event in events:
        if event["status_plenary"] is False:
            act = _activity(event)
            kinds[act.course, act.semester, act.term, event["teaching-method"]].add(act)
    return {next(iter(acts)) for acts in kinds.values() if len(acts) == 1}


def _attends(
    university: University, number: int, event: Json, alone: set[Activity]
) -> tuple[bool, bool]:
    """Whether a student sees an event, and whether through a group of their own."""
    act = _activity(event)
    if university.registrations.get(number, {}).get(act.unit) not in {"I", "S"}:
        return False, False
    if event["status"] not in {"active", "cancelled"}:
        return False, False
    placed = act in university.placements.get(number, set())
    own = placed or act in alone
    return event["status_plenary"] is True or own, own


def _teaches(university: University, number: int, username: str, event: Json, today: date) -> bool:
    if event["status"] not in {"active", "cancelled"}:
        return False
    if event["staffs"]:
        return username in [staff["id"] for staff in event["staffs"]]
    return any(_role_counts(role, event, today) for role in university.roles.get(number, []))


def _role_counts(role: Json, event: Json, today: date) -> bool:
    """A teacher's role on the activity itself, begun and not over on the event's day."""
    if "undervisningsaktivitet" not in role or _ref(role["rolle"]) != "LÆRER":
        return False
    period = role.get("periode") or {}
    begins = date.fromisoformat(period.get("fraDato", "1900-01-01"))
    ends = date.fromisoformat(period.get("tilDato", "9999-12-31"))
    day = _start(event).astimezone(OSLO).date()
    return _activity_ref(role["undervisningsaktivitet"]) == _activity(event) and (
        begins <= today and day <= ends
    )


# -- what an entry says -------------------------------------------------------------------------------


def _entry(same: list[tuple[Any, ...]]) -> Expected:
    event = min(same, key=lambda each: each[:-1])[-1]
    courses = "/".join(sorted({each[-1]["courseid"] for each in same}))
    return Expected(
        _start(event), _end(event), subject(event, courses), location(event), show_as(event)
    )


def subject(event: Json, courses: str) -> str:
    """As docs/entries.md has it, in bokmål."""
    summary, name = _clean(event.get("summary")), _clean(event.get("teaching-method-name"))
    kind = summary if summary and summary != name else KINDS.get(event["teaching-method"], name)
    if event.get("compulsory") and not kind.lower().startswith("obligatorisk"):
        kind += " (Obligatorisk)"
    title = _clean(event.get("title"))
    text = f"{courses} {kind}: {title}" if title else f"{courses} {kind}"
    text = f"AVLYST: {text}" if event["status"] == "cancelled" else text
    return text if len(text) <= 255 else text[:255].rsplit(" ", 1)[0] + "…"


def location(event: Json) -> str:
    """Rooms with their building; a building once for rooms that follow each other."""
    parts: list[tuple[str, list[str]]] = []
    for room in event.get("room") or []:
        name, building = _clean(room["roomname"]), _clean(room.get("buildingname"))
        if room.get("buildingid") == "DIGUND":
            name, building = "Digitalt" if name in {"", "Link"} else name, ""
        if parts and building and parts[-1][0] == building:
            parts[-1][1].append(name)
        else:
            parts.append((building, [name]))
    return ", ".join(", ".join(n) + (f" ({b})" if b else "") for b, n in parts)


def show_as(event: Json) -> str:
    """Busy, but free for the cancelled, the wholly digital and deadlines."""
    rooms = event.get("room") or []
    digital = bool(rooms) and all(room.get("buildingid") == "DIGUND" for room in rooms)
    deadline = not rooms and (
        event["teaching-method"] == "OBLOPPG" or "innlevering" in event["summary"].lower()
    )
    return "free" if event["status"] == "cancelled" or digital or deadline else "busy"


def _clean(text: str | None) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text or "")).split())


# -- the files ----------------------------------------------------------------------------------------


def read(directory: Path) -> University:
    """Read a university's directory."""
    about = json.loads((directory / "university.json").read_text("utf-8"))
    registrations: dict[int, dict[tuple[str, str, str, int], str | None]] = defaultdict(dict)
    placements: dict[int, set[Activity]] = defaultdict(set)
    roles: dict[int, list[Json]] = defaultdict(list)
    for item in _lines(directory, "studentundervisning"):
        unit = _ref(item["id"]["undervisning"])
        if unit.startswith(f"{about['institution']},"):
            person = item["id"]["person"]["personlopenummer"]
            registrations[person][_unit(unit)] = item.get("tilbudstatus")
    for item in _lines(directory, "studentundervisningsaktivitet"):
        person = item["id"]["person"]["personlopenummer"]
        placements[person].add(_activity_ref(item["id"]["undervisningsaktivitet"]))
    for item in _lines(directory, "personroller"):
        roles[item["person"]["personlopenummer"]].append(item)
    return University(
        institution=about["institution"],
        persons=list(_lines(directory, "personer")),
        registrations=registrations,
        placements=placements,
        roles=roles,
        events=list(_events(directory)),
    )


def _lines(directory: Path, name: str) -> Iterator[Json]:
    for line in (directory / "fs" / f"{name}.ndjson").read_text("utf-8").splitlines():
        yield json.loads(line)


def _events(directory: Path) -> Iterator[Json]:
    """The events of published semesters, without exams and bookings."""
    for path in sorted((directory / "tp").glob("*.json")):
        answer = json.loads(path.read_text("utf-8"))
        hidden = {s["id"] for s in answer["semesters"] if not s["publish_timetable"]}
        for event in answer["events"]:
            ids = f"{event['courseid']} {event['actid']} {event['eventid']}".upper()
            if event["semesterid"] not in hidden and not re.search("EKSAMEN|BOOKING", ids):
                yield event


def _semester_counts(event: Json, today: date) -> bool:
    """The current semester and the next, and the last one while entries of it are to come."""
    this = (today.year, 1 if today.month <= 7 else 2)
    following = (today.year, 2) if this[1] == 1 else (today.year + 1, 1)
    code = event["semesterid"]
    last = (this[0], 1) if this[1] == 2 else (this[0] - 1, 2)
    return (2000 + int(code[:2]), 1 if code[2] == "v" else 2) in {last, this, following}


def _unit(ref: str) -> tuple[str, str, str, int]:
    _, course, version, year, term, number = ref.split(",")
    return course, version, f"{int(year) % 100:02d}{'v' if term == 'VÅR' else 'h'}", int(number)


def _activity_ref(raw: Json) -> Activity:
    unit, _, actid = _ref(raw).rpartition(",")
    return Activity(*_unit(unit), actid)


def _activity(event: Json) -> Activity:
    return Activity(
        event["courseid"],
        event["courseversion"],
        event["semesterid"],
        event["terminnr"],
        event["actid"],
    )


def _ref(raw: Json) -> str:
    return unquote(raw["href"].rsplit("/", 1)[1])


def _start(event: Json) -> datetime:
    return datetime.fromisoformat(event["dtstart"]).astimezone(UTC)


def _end(event: Json) -> datetime:
    return datetime.fromisoformat(event["dtend"]).astimezone(UTC)
