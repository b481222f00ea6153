"""Makes a university of any size in the systems' wire forms; one seed, one university.

Proportions are those of a real term (27,000 students: 580 courses, 83,000 registrations, 51,000
placements, 28,000 events). What real data on hand lack is in it too: waiting lists, students who
teach, second accounts, cancelled and co-taught teaching, merged groups, a term not yet published.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from kalender.sandbox.fs import PUBLIC, reference
from kalender.sandbox.tp import empty

_BASE = PUBLIC.decode()
_OSLO = ZoneInfo("Europe/Oslo")
_DOMAIN = "uni.example"
_INSTITUTION = 185
_NOW, _NEXT = ("25h", 2025, "HØST"), ("26v", 2026, "VÅR")
_WEEKS = {"25h": range(34, 48), "26v": range(4, 14)}
_PREFIXES = ("MAT", "FYS", "KJM", "BIO", "HIS", "JUS", "PSY", "NOR")
_STUDENTS_A_COURSE = 27000 / 580
_METHODS = {
    "FOR": ("Forelesninger", "1"),
    "GR": ("Gruppe", "2"),
    "LAB": ("Laboratorium", "3"),
    "KOL": ("Kollokvium", "4"),
}
_WRITTEN = {
    "nothing": 617,
    "cancelled": 13,
    "alert": 20,
    "resource": 30,
    "reading": 60,
    "title": 160,
    "nobody": 100,
}
_TITLES = ("Oversikt og motivasjon", "Ingen forelesning", "Gjesteforelesning", "Oppsummering")
_CURR = "<p>Kapittel 1&ndash;3.&#13;&#10;<a href='https://pensum.example/'>Pensum</a></p>"
_MERGED_FROM = 40
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class _Teacher:
    username: str
    number: int | None


@dataclass(slots=True)
class _Activity:
    code: str
    actid: str
    method: str
    party: str | None
    teacher: _Teacher
    sessions: list[tuple[int, int]]
    placed: bool = True

    @property
    def plenary(self) -> bool:
        return self.party is None


@dataclass(slots=True)
class _Course:
    code: str
    activities: list[_Activity]
    twin: str | None = None
    merged: bool = False
    groups: list[_Activity] = field(default_factory=list)


def generate(directory: Path, *, students: int, seed: int = 1) -> None:
    """Write a university's directory."""
    dice = Random(seed)  # noqa: S311 - made up, not secret
    courses = _courses(dice, students)
    people = list(_students(dice, students))
    teachers = {a.teacher.username: a.teacher for c in courses for a in c.activities}
    taught = _registered(dice, people, courses)
    counts = Counter(courses=len(courses), students=students, teachers=len(teachers))
    (directory / "tp").mkdir(parents=True)
    (directory / "fs").mkdir()
    for course in courses:
        counts["events"] += _write_course(dice, directory, course)
    activities = [a for c in courses for a in c.activities]
    collections: dict[str, Iterable[Json]] = {
        "personer": _persons(people, teachers),
        "studentundervisning": (_registration(*row) for row in taught),
        "studentundervisningsaktivitet": _placements(dice, courses, taught),
        "undervisningsaktiviteter": (_activity(a) for a in activities),
        "personroller": _roles(activities),
    }
    for name, items in collections.items():
        counts[name] = _write_lines(directory / "fs" / f"{name}.ndjson", items)
    semester, year, season = _NOW
    told = {"institution": _INSTITUTION, "semester": semester, "year": year, "season": season}
    _dump(directory / "university.json", {**told, "source": f"seed {seed}", "counts": counts})


def _courses(dice: Random, students: int) -> list[_Course]:
    number = max(8, round(students / _STUDENTS_A_COURSE))
    pool = [_Teacher(f"te{n:06}", 500000 + n) for n in range(1, number * 2)]
    courses = [_course(dice, n, pool) for n in range(number)]
    for course, teacher in zip(courses[3:], _unusual(students), strict=False):
        course.activities[-1].teacher = teacher
    for first, second in zip(courses[0::24], courses[1::24], strict=False):
        second.twin = first.code
        second.activities = [replace(a, code=second.code) for a in first.activities]
    for course in courses:
        course.groups = [a for a in course.activities if a.placed and not a.plenary]
    for course in courses[2::24]:
        course.merged = len(course.groups) > 1
    return courses


def _unusual(students: int) -> Iterator[_Teacher]:
    """Give students who teach, under the same account or another, and teachers unknown to FS."""
    for n in range(1, students + 1, 200):
        yield _Teacher(f"st{n:06}", 100000 + n)
        yield _Teacher(f"tp{n:06}", None)
        yield _Teacher(f"x{n:06}", 100000 + n)


def _course(dice: Random, n: int, pool: list[_Teacher]) -> _Course:
    code = f"{_PREFIXES[n % 8]}{1000 + 10 * (n // 8)}"
    twice = 2 if _lucky(dice, 40) else 1
    course = _Course(code, [_planned(dice, code, "FOR", None, pool, twice)])
    if _lucky(dice, 65) or n in {0, 2}:
        method = dice.choice(["GR", "GR", "LAB"])
        for party in range(1, dice.choice([2, 3, 3, 4]) + 1):
            course.activities.append(_planned(dice, code, method, str(party), pool))
    elif _lucky(dice, 10):
        course.activities.append(_planned(dice, code, "KOL", "1", pool))
        course.activities[-1].placed = False
    return course


def _planned(
    dice: Random, code: str, method: str, party: str | None, pool: list[_Teacher], times: int = 1
) -> _Activity:
    number = _METHODS[method][1]
    actid = number if party is None else f"{number}-{party}"
    sessions = [(dice.randrange(1, 6), dice.randrange(8, 17)) for _ in range(times)]
    return _Activity(code, actid, method, party, dice.choice(pool), sessions)


def _students(dice: Random, students: int) -> Iterator[Json]:
    for n in range(1, students + 1):
        username = f"st{n:06}"
        mail = [{"type": "INSTITUSJON", "adresse": f"{username}@{_DOMAIN}"}]
        if n % 100 == 1:
            mail.append({"type": "ARBEID", "adresse": f"x{n:06}@{_DOMAIN}"})
        if _lucky(dice, 30):
            mail.append({"type": "PRIVAT", "adresse": f"student{n}@mail.example"})
        person = _person(100000 + n, username, "Student", str(n), mail)
        yield {**person, "student": {"studentnummer": 600000 + n}, "fagperson": None}


def _person(number: int, username: str, first: str, last: str, mail: list[Json]) -> Json:
    return {
        "href": f"{_BASE}/personer/{number}",
        "personlopenummer": number,
        "brukernavn": username,
        "fornavn": first,
        "etternavn": last,
        "epost": mail,
    }


def _persons(people: list[Json], teachers: dict[str, _Teacher]) -> Iterator[Json]:
    numbers = {t.number for t in teachers.values()}
    for person in people:
        teaches = person["personlopenummer"] in numbers
        yield {**person, "fagperson": {"aktiv": True}} if teaches else person
    for teacher in teachers.values():
        if teacher.number is not None and teacher.username.startswith("te"):
            mail = [{"type": "INSTITUSJON", "adresse": f"{teacher.username}@{_DOMAIN}"}]
            last = teacher.username.lstrip("te0")
            person = _person(teacher.number, teacher.username, "Teacher", last, mail)
            yield {**person, "student": None, "fagperson": {"aktiv": True}}


Row = tuple[int, str, tuple[str, int, str], str]


def _registered(dice: Random, people: list[Json], courses: list[_Course]) -> list[Row]:
    weights = list(accumulate((rank + 3) ** -0.6 for rank in range(len(courses))))
    codes = [course.code for course in courses]
    rows: list[Row] = []
    for person in people:
        wanted = dice.choices((1, 2, 3, 4, 5), (5, 15, 53, 21, 6))[0]
        chosen = dict.fromkeys(dice.choices(codes, cum_weights=weights, k=wanted + 1))
        for code in list(chosen)[:wanted]:
            status = dice.choices("ISV", (93, 3, 4))[0]
            rows.append((person["personlopenummer"], code, _NOW, status))
        if _lucky(dice, 1):
            rows.append((person["personlopenummer"], codes[0], _NEXT, "I"))
    return sorted(rows, key=lambda row: (row[2], row[1], row[0]))


def _unit(code: str, when: tuple[str, int, str]) -> Json:
    _, year, season = when
    ref = reference(_INSTITUTION, code, 1, year, season, 1)
    course = {"href": f"{_BASE}/emner/{_INSTITUTION},{code},1", "institusjon": _INSTITUTION}
    semester = {"href": f"{_BASE}/semestre/{reference(year, season)}", "ar": year, "termin": season}
    return {
        "href": f"{_BASE}/undervisning/{ref}",
        "emne": {**course, "kode": code, "versjon": "1"},
        "semester": semester,
        "terminnummer": 1,
    }


def _href_of(activity: _Activity) -> str:
    ref = reference(_INSTITUTION, activity.code, 1, _NOW[1], _NOW[2], 1, activity.actid)
    return f"{_BASE}/undervisningsaktiviteter/{ref}"


def _somebody(number: int) -> Json:
    return {"href": f"{_BASE}/personer/{number}", "personlopenummer": number}


def _registration(person: int, code: str, when: tuple[str, int, str], status: str) -> Json:
    ref = reference(_INSTITUTION, code, 1, when[1], when[2], 1, person)
    inner = {"href": f"{_BASE}/studentundervisning/{ref}", "person": _somebody(person)}
    return {"id": {**inner, "undervisning": _unit(code, when)}, "tilbudstatus": status}


def _placements(dice: Random, courses: list[_Course], taught: list[Row]) -> Iterator[Json]:
    groups = {course.code: course.groups for course in courses}
    for person, code, when, status in taught:
        if when == _NOW and groups[code] and status != "V" and _lucky(dice, 98):
            group = dice.choice(groups[code])
            inner = {"person": _somebody(person)}
            inner["undervisningsaktivitet"] = {"href": _href_of(group)}
            form = {"parti": int(group.party or 1), "form": group.method, "disiplin": group.method}
            yield {"id": {**inner, **form}}


def _activity(activity: _Activity) -> Json:
    return {
        "href": _href_of(activity),
        "undervisning": _unit(activity.code, _NOW),
        "aktivitet": activity.actid,
        "parti": int(activity.party or 1),
        "form": activity.method,
        "disiplin": activity.method,
        "navn": [{"lang": "nb", "value": _named(activity)}],
        "nummer": 1,
        "apentHvisHoySokning": False,
        "publiseres": True,
        "eksporterTimeplan": True,
        "lms": {"eksport": False},
        "lukket": False,
    }


def _roles(activities: list[_Activity]) -> Iterator[Json]:
    numbered: Counter[int] = Counter()
    for activity in activities:
        person = activity.teacher.number
        if person is None:
            continue
        numbered[person] += 1
        where = {"undervisningsaktivitet": {"href": _href_of(activity)}}
        if activity.plenary:
            where = {"undervisning": {"href": _unit(activity.code, _NOW)["href"]}}
        ended = {"tilDato": "2025-12-19"} if numbered[person] % 3 == 0 else {}
        yield {
            "href": f"{_BASE}/personroller/{person},{numbered[person]}",
            "person": _somebody(person),
            "rollenummer": numbered[person],
            "rolle": {"href": f"{_BASE}/roller/{reference('LÆRER')}"},
            "periode": {"fraDato": "2025-08-18", **ended},
            **where,
        }


def _write_course(dice: Random, directory: Path, course: _Course) -> int:
    told = empty(course.code, _NOW[0])
    if course.twin is None:
        told["events"] = [e for a in course.activities for e in _events(dice, a, _NOW[0])]
    else:
        first = json.loads((directory / "tp" / f"{course.twin}.json").read_text("utf-8"))
        told["events"] = [{**event, "courseid": course.code} for event in first["events"]]
    if course.merged:
        told["events"] += _merged(told["events"], *course.groups[:2])
    told["events"].sort(key=lambda event: (event["dtstart"], event["actid"]))
    _dump(directory / "tp" / f"{course.code}.json", told)
    if course.activities[0].sessions[0][0] == 1 or course.code.endswith("1000"):
        coming = empty(course.code, _NEXT[0])
        coming["semesters"][0]["publish_timetable"] = False
        coming["events"] = list(_events(dice, course.activities[0], _NEXT[0]))
        _dump(directory / "tp" / f"{course.code}-{_NEXT[0]}.json", coming)
    return len(told["events"])


def _merged(events: list[Json], first: _Activity, second: _Activity) -> list[Json]:
    """Let the second group follow the first for the rest of the term: the same event under both."""
    events[:] = [e for e in events if e["actid"] != second.actid or e["weeknr"] < _MERGED_FROM]
    other = {"actid": second.actid, "party": second.party, "summary": _named(second)}
    other["aid"] = _aid(second, _NOW[0])
    told = [e for e in events if e["actid"] == first.actid and e["weeknr"] >= _MERGED_FROM]
    return [{**event, **other} for event in told]


def _aid(activity: _Activity, semester: str) -> str:
    return f"{semester.upper()}-{activity.code}-1-1-{activity.actid}"


def _named(activity: _Activity) -> str:
    name = _METHODS[activity.method][0]
    return name if activity.party is None else f"{name} {activity.party}"


def _events(dice: Random, activity: _Activity, semester: str) -> Iterator[Json]:
    year = 2000 + int(semester[:2])
    for series, (weekday, hour) in enumerate(activity.sessions, 1):
        for week in _WEEKS[semester]:
            moved = _lucky(dice, 2)
            day = date.fromisocalendar(year, week, weekday % 5 + 1 if moved else weekday)
            begins = datetime.combine(day, time(hour, 15), _OSLO)
            event = _event(activity, semester, begins, 501 if moved else series)
            event["room"] = _rooms(dice)
            yield _adorned(dice, event)


def _event(activity: _Activity, semester: str, begins: datetime, series: int) -> Json:
    aid, (_, week, weekday) = _aid(activity, semester), begins.isocalendar()
    name, teacher = _named(activity), activity.teacher
    staff = {"id": teacher.username, "main": False, "type": "TEACHER", "lastname": "Teacher"}
    staff |= {"firstname": teacher.username, "shortname": f"T. {teacher.username}"}
    return {
        "semesterid": semester,
        "courseid": activity.code,
        "courseversion": "1",
        "actid": activity.actid,
        "id": f"{aid}-{series}",
        "weeknr": week,
        "dtstart": _stamp(begins),
        "dtend": _stamp(begins + timedelta(minutes=105)),
        "lopenr": series,
        "teaching-method": activity.method,
        "party": activity.party,
        "teaching-method-name": _METHODS[activity.method][0],
        "teaching-title": name,
        "summary": name,
        "status_plenary": activity.plenary,
        "staffs": [{**staff, "url": f"https://people.{_DOMAIN}/{teacher.username}"}],
        "studentgroups": [],
        "room": None,
        "terminnr": 1,
        "aid": aid,
        "active": True,
        "compulsory": activity.method == "LAB",
        "discipline": [],
        "disciplineobj": [],
        "resources": [],
        "alerts": [],
        "virtual-course-name": None,
        "status": "active",
        "weekday": weekday,
        "eventid": f"{aid}-{series}+{week}+{weekday}",
        "multiday": False,
    }


def _stamp(when: datetime) -> str:
    return when.isoformat()[:22]


def _adorned(dice: Random, event: Json) -> Json:
    """Give some events what planners and teachers write on them."""
    alert = {"id": dice.randrange(3000, 5000), "deleted": False, "expire_date": None}
    match dice.choices(list(_WRITTEN), list(_WRITTEN.values()))[0]:
        case "cancelled" as word:
            event["alerts"] = [{**alert, "message": "Avlyst", "is_status": True}]
            event |= {"status": word, "active": False, "room": None, "curr": "", "title": ""}
            event["staffs"] = event["staffs"] if _lucky(dice, 50) else []
        case "alert":
            event["alerts"] = [{**alert, "message": "Rom endret", "is_status": False}]
        case "resource":
            link = {"url": "https://video.example/1", "name": "Opptak", "type": "recording"}
            event["resources"] = [link]
        case "reading":
            event |= {"curr": _CURR, "title": None}
        case "title" if event["status_plenary"]:
            event |= {"curr": "", "title": dice.choice(_TITLES)}
        case "nobody":
            event["staffs"] = []
        case _:
            pass
    return event


def _rooms(dice: Random) -> list[Json] | None:
    number = dice.choices((0, 1, 2), (1, 96, 3))[0]
    if number and _lucky(dice, 2):
        return [_room("DIGUND", "1", "Link ", "Digital undervisning")]
    chosen = [dice.randrange(1, 400) for _ in range(number)]
    made = [_room(f"B{n % 20:02}", str(1000 + n), f"Rom {n}", f"Bygg {n % 20}") for n in chosen]
    return made or None


def _lucky(dice: Random, percent: int) -> bool:
    return dice.randrange(100) < percent


def _room(building: str, number: str, name: str, place: str) -> Json:
    url = "" if building == "DIGUND" else "https://use.mazemap.com/?campusid=799&sharepoitype="
    return {
        "id": building + number,
        "roomid": number,
        "roomurl": url and f"{url}identifier&sharepoi={building}-{number}&config=uio",
        "campusid": None,
        "roomname": name,
        "videolink": False,
        "buildingid": building,
        "buildingurl": url and f"{url}identifier&sharepoi={building}",
        "roomacronym": name,
        "buildingname": place,
        "streaming_to": False,
        "showforstudent": True,
        "streaming_from": False,
        "buildingacronym": place,
        "equipment_function": None,
    }


def _dump(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, separators=(",", ":")), "utf-8")


def _write_lines(path: Path, items: Iterable[Json]) -> int:
    lines = [json.dumps(item, ensure_ascii=False, separators=(",", ":")) for item in items]
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    return len(lines)
