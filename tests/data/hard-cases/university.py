"""A university in the sandbox's files, from compact words: TP's and FS' own wire forms."""

import json
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import quote

Json = dict[str, Any]
FS = "https://api.fellesstudentsystem.no"
GONE = "gone"
THEN = "then"
STUDENTS = "stud.uni.example"

SED = ("OJD", "Ole-Johan Dahls hus", "Sed")
NAMES = {
    "FOR": "Forelesninger",
    "GR": "Gruppe",
    "LAB": "Laboratorium",
    "ØVE": "Øvelser",
    "OBLOPPG": "Obligatoriske oppgaver",
    "EKSK": "Ekskursjon",
}

TUESDAY = "2025-10-21 10:15+02 12:00+02"
WEDNESDAY = "2025-10-22 10:15+02 12:00+02"
LATER = "2025-11-04 10:15+01 12:00+01"


class University:
    """The files of one day."""

    def __init__(self, *, later: bool) -> None:
        self.later = later
        self.courses: dict[tuple[str, str], list[Json]] = {}
        self.publish: dict[tuple[str, str], bool | None] = {}
        self.fs: dict[str, list[Json]] = {name: [] for name in COLLECTIONS}
        self.numbers = iter(range(1001, 9999))

    def write(self, directory: Path) -> None:
        """Write everything."""
        for part in ("tp", "fs"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        about = {"institution": 185, "semester": "25h", "year": 2025, "season": "HØST"}
        (directory / "university.json").write_text(json.dumps(about), "utf-8")
        for (course, semester), events in self.courses.items():
            name = course if semester == "25h" else f"{course}-{semester}"
            told = self._answer(course, semester, events)
            (directory / "tp" / f"{name}.json").write_text(json.dumps(told), "utf-8")
        for name, items in self.fs.items():
            lines = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)
            (directory / "fs" / f"{name}.ndjson").write_text(lines, "utf-8")

    def _answer(self, course: str, semester: str, events: list[Json]) -> Json:
        published = self.publish.get((course, semester), True)
        told = {"id": semester, "publish_timetable": published, "href": f"semester?id={semester}"}
        return {
            "name": "Timetabledata",
            "version": "1.4",
            "id": course,
            "semester": semester,
            "semesters": [told],
            "interval-start": None,
            "interval-end": None,
            "typename": "course",
            "events": events,
        }

    # -- TP ----------------------------------------------------------------------------------------

    def event(
        self,
        course: str,
        when: str = TUESDAY,
        actid: str = "1",
        *,
        then: Json | str | None = None,
        **told: Any,
    ) -> None:
        """Plan an event; `then` is what differs a week later, GONE, or (THEN) that it is new."""
        found = self.courses.setdefault((course, told.get("semester", "25h")), [])
        if self.later and isinstance(then, dict):
            when, told = then.pop("when", when), {**told, **then}
        if then != (GONE if self.later else THEN):
            found.append(_event(course, when, actid, **told))

    def group(self, course: str, party: int, when: str = WEDNESDAY, **told: Any) -> None:
        """Plan an hour of a group, 2-1, 2-2 and so on."""
        usual = {"method": "GR", "plenary": False, "summary": f"Gruppe {party}"}
        self.event(course, when, f"2-{party}", **{**usual, "party": str(party), **told})

    # -- FS ----------------------------------------------------------------------------------------

    def person(
        self,
        name: str,
        *taken: str,
        mail: str | None = None,
        kind: str = "INSTITUSJON",
        placed: tuple[str, ...] = (),
        roles: tuple[str, ...] = (),
        known: bool = True,
    ) -> None:
        """Add somebody: `COURSE STATUS`, `COURSE ACTID` and roles; a week's change is `A > B`."""
        number = next(self.numbers)
        address = f"{name}@{STUDENTS}" if mail is None else self._now(mail)
        if known:
            self.fs["personer"].append(
                {
                    **_named("personer", number),
                    "personlopenummer": number,
                    "brukernavn": name,
                    "epost": [{"type": kind, "adresse": address}] if address else [],
                }
            )
        for each in filter(None, map(self._now, taken)):
            self.fs["studentundervisning"].append(_registration(number, *each.split()))
        for each in filter(None, map(self._now, placed)):
            self.fs["studentundervisningsaktivitet"].append(_placement(number, *each.split()))
        for rank, each in enumerate(filter(None, map(self._now, roles)), 1):
            self.fs["personroller"].append(_role(number, rank, *each.split()))

    def teacher(self, name: str, *roles: str) -> None:
        """Add somebody who only teaches: `COURSE ACTID ROLE FROM TO`; `-` is not told."""
        self.person(name, mail=f"{name}@uni.example", roles=roles)

    def _now(self, text: str) -> str:
        before, arrow, after = text.partition(">")
        return (after if arrow and self.later else before).strip()


COLLECTIONS = (
    "personer",
    "studentundervisning",
    "studentundervisningsaktivitet",
    "undervisningsaktiviteter",
    "personroller",
)


def _event(course: str, when: str, actid: str, **told: Any) -> Json:
    """Return an event in TP's form; `raw` adds keys, `lacks` takes some away."""
    day, begins, *rest = when.split()
    end_day, ends = rest if len(rest) > 1 else (day, rest[0])
    method, semester = told.get("method", "FOR"), told.get("semester", "25h")
    _, week, weekday = date.fromisoformat(day).isocalendar()
    aid = f"{semester.upper()}-{told.get('of', course)}-1-1-{actid}"
    number = told.get("number", 1)
    event = {
        "semesterid": semester,
        "courseid": course,
        "courseversion": "1",
        "actid": actid,
        "id": f"{aid}-{number}",
        "weeknr": week,
        "dtstart": f"{day}T{begins[:5]}:00{begins[5:]}",
        "dtend": f"{end_day}T{ends[:5]}:00{ends[5:]}",
        "lopenr": number,
        "teaching-method": method,
        "party": told.get("party"),
        "teaching-method-name": NAMES[method],
        "summary": told.get("summary", NAMES[method]),
        "title": told.get("title"),
        "status_plenary": told.get("plenary", True),
        "staffs": [_staff(name) for name in told.get("staffs", ())],
        "studentgroups": [],
        "room": [_room(*each) for each in told.get("rooms", (SED,))] or None,
        "terminnr": 1,
        "aid": aid,
        "active": told.get("status", "active") == "active",
        "compulsory": told.get("compulsory", False),
        "resources": [],
        "alerts": [],
        "status": told.get("status", "active"),
        "weekday": weekday,
        "eventid": f"{aid}-{number}+{week}+{weekday}",
        "multiday": False,
        **told.get("raw", {}),
    }
    return {key: value for key, value in event.items() if key not in told.get("lacks", ())}


def _staff(name: str) -> Json:
    said = {"id": name, "main": False, "type": "TEACHER", "firstname": "L.", "lastname": name}
    return {**said, "shortname": name, "url": f"https://personer.uni.example/{name}"}


def _room(building: str, building_name: str, name: str) -> Json:
    return {
        "id": f"{building}-{name.strip()}",
        "roomname": name,
        "buildingid": building,
        "buildingname": building_name,
        "roomurl": "",
    }


def _named(collection: str, *parts: object) -> Json:
    return {"href": f"{FS}/{collection}/" + ",".join(quote(str(part)) for part in parts)}


def _person(number: int) -> Json:
    return {**_named("personer", number), "personlopenummer": number}


def _unit(text: str) -> tuple[object, ...]:
    """Read `[institution:]course[,version[,semester[,term number]]]` as FS writes a unit."""
    institution, colon, rest = text.rpartition(":")
    course, version, semester, term = (rest.split(",") + ["1", "25h", "1"][rest.count(",") :])[:4]
    season = "VÅR" if semester.endswith("v") else "HØST"
    owner = institution if colon else "185"
    return owner, course, version, 2000 + int(semester[:2]), season, term


def _registration(number: int, unit: str, status: str) -> Json:
    parts = _unit(unit)
    owner, course, version, year, season, term = parts
    teaching = {
        **_named("undervisning", *parts),
        "emne": {
            **_named("emner", owner, course, version),
            "institusjon": int(str(owner)),
            "kode": course,
            "versjon": version,
        },
        "semester": {**_named("semestre", year, season), "ar": year, "termin": season},
        "terminnummer": int(str(term)),
    }
    item = {"person": _person(number), "undervisning": teaching}
    told = {"*": _named("tilbudsstatuser", "I")}.get(status, status)  # as a reference
    named = {**_named("studentundervisning", *parts, number), **item}
    return {"id": named} if status == "-" else {"id": named, "tilbudstatus": told}


def _placement(number: int, unit: str, actid: str) -> Json:
    activity = _named("undervisningsaktiviteter", *_unit(unit), actid)
    inner = {"person": _person(number), "undervisningsaktivitet": activity}
    return {"id": {**inner, "parti": 1, "form": "GR", "disiplin": "GR"}}


def _role(number: int, rank: int, *told: str) -> Json:
    """Return the role `COURSE ACTID ROLE FROM TO`; an ACTID of `-` is the unit as a whole."""
    unit, actid, role, begins, ends = (*told, *("-", "LÆRER", "-", "-")[len(told) - 1 :])
    whole = actid == "-"
    name = "undervisning" if whole else "undervisningsaktivitet"
    where = _named(name if whole else "undervisningsaktiviteter", *_unit(unit), *[actid][whole:])
    period = {"fraDato": begins, "tilDato": ends}
    return {
        **_named("personroller", number, rank),
        "person": _person(number),
        "rollenummer": rank,
        "rolle": _named("roller", role),
        "periode": {key: value for key, value in period.items() if value != "-"},
        name: where,
    }
