"""Makes a university of any size in the systems' wire forms; one seed, one university.

Proportions are those of a real term (27,000 students: 580 courses, 83,000 registrations, 51,000
placements, 28,000 events). What real data on hand lack is in it too: waiting lists, students who
teach, second accounts, cancelled and co-taught teaching, merged groups, a term not yet published.
What a roll-out goes by is there as well: the units of courses and teachers, study rights, a group of
the identity management.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from kalender.sandbox import plan
from kalender.sandbox.fs import PUBLIC, reference
from kalender.sandbox.lessons import write_course
from kalender.sandbox.plan import DOMAIN, NOW, Activity, Course, Row, Teacher, lucky
from kalender.sandbox.wire import dump

_BASE = PUBLIC.decode()
_INSTITUTION = 185
Json = dict[str, Any]


def generate(directory: Path, *, students: int, seed: int = 1) -> None:
    """Write a university's directory."""
    dice = Random(seed)  # noqa: S311 - made up, not secret
    courses = plan.courses(dice, students)
    people = list(_students(dice, students))
    activities = [a for c in courses for a in c.activities]
    teachers = {a.teacher.username for a in activities}
    taught = plan.registered(dice, [p["personlopenummer"] for p in people], courses)
    counts = Counter(courses=len(courses), students=students, teachers=len(teachers))
    (directory / "tp").mkdir(parents=True)
    (directory / "fs").mkdir()
    for course in courses:
        counts["events"] += write_course(dice, directory / "tp", course)
    collections: dict[str, Iterable[Json]] = {
        "personer": _persons(people, activities),
        "studentundervisning": (_registration(*row) for row in taught),
        "studentundervisningsaktivitet": _placements(dice, courses, taught),
        "undervisningsaktiviteter": (_activity(a) for a in activities),
        "personroller": _roles(activities),
        "emner": (_course(course) for course in courses),
        "studieretter": _study_rights(seed, people),
    }
    for name, items in collections.items():
        counts[name] = _write_lines(directory / "fs" / f"{name}.ndjson", items)
    _write_group(directory, people, sorted(teachers))
    semester, year, season = NOW
    told: Json = {"institution": _INSTITUTION, "semester": semester, "year": year, "season": season}
    told |= {"source": f"seed {seed}", "counts": counts}
    (directory / "university.json").write_bytes(dump(told))


def _students(dice: Random, students: int) -> Iterator[Json]:
    for n in range(1, students + 1):
        username = f"st{n:06}"
        mail = [{"type": "INSTITUSJON", "adresse": f"{username}@{DOMAIN}"}]
        if n % 100 == 1:
            mail.append({"type": "ARBEID", "adresse": f"x{n:06}@{DOMAIN}"})
        if lucky(dice, 30):
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


def _persons(people: list[Json], activities: list[Activity]) -> Iterator[Json]:
    """Give everybody; a teacher is employed by the department of the last course that is theirs."""
    teachers: dict[str, Teacher] = {}
    employed: dict[int | None, Json] = {}
    for activity in activities:
        teacher = teachers.setdefault(activity.teacher.username, activity.teacher)
        unit = {**_organisation(*activity.department), "type": "ANSATT"}
        employed[teacher.number] = {"aktiv": True, "organisasjonsenhet": unit}
    for person in people:
        teaches = employed.get(person["personlopenummer"])
        yield {**person, "fagperson": teaches} if teaches else person
    for teacher in teachers.values():
        if teacher.number is not None and teacher.username.startswith("te"):
            mail = [{"type": "INSTITUSJON", "adresse": f"{teacher.username}@{DOMAIN}"}]
            last = teacher.username.lstrip("te0")
            person = _person(teacher.number, teacher.username, "Teacher", last, mail)
            yield {**person, "student": None, "fagperson": employed[teacher.number]}


def _organisation(*parts: int) -> Json:
    """Refer to a faculty, or to a department of it."""
    whole = (_INSTITUTION, *parts, 0, 0)[:4]
    return {"href": f"{_BASE}/organisasjonsenheter/{reference(*whole)}"}


def _course(course: Course) -> Json:
    ref = reference(_INSTITUTION, course.code, 1)
    unit = _organisation(*plan.DEPARTMENTS[course.code[:3]])
    return {
        "href": f"{_BASE}/emner/{ref}",
        "institusjon": _INSTITUTION,
        "kode": course.code,
        "versjon": "1",
        "navn": [{"lang": "nb", "value": course.code}],
        "studieniva": {"href": f"{_BASE}/studienivaer/100"},
        "organisasjonsenheter": [{**unit, "type": kind} for kind in ("STUDIE", "ADMINISTRATIVT")],
        "hovedoppgave": False,
    }


def _study_rights(seed: int, people: list[Json]) -> Iterator[Json]:
    """Give each student a programme; one in twenty has another one too, and one in twelve had one."""
    dice = Random(f"{seed} study rights")  # noqa: S311 - made up; the other dice fall as ever
    programmes = [f"{letters}-B" for letters in plan.DEPARTMENTS]
    for person in people:
        first, second, former = dice.sample(programmes, 3)
        rights = {first: True}
        rights |= {second: True} if lucky(dice, 5) else {}
        rights |= {former: False} if lucky(dice, 8) else {}
        for programme, active in rights.items():
            number = person["personlopenummer"]
            ref = reference(_INSTITUTION, programme, 1, number)
            program = {"href": f"{_BASE}/studieprogram/{reference(_INSTITUTION, programme)}"}
            inner = {"href": f"{_BASE}/studieretter/{ref}", "person": _somebody(number)}
            inner["studieprogram"] = {**program, "kode": programme}
            yield {"id": inner, "studierettstatus": {"aktiv": active}}


def _write_group(directory: Path, people: list[Json], teachers: list[str]) -> None:
    """Write a group as an identity management exports it: every tenth person's username, one a line."""
    (directory / "idm").mkdir()
    names = [*(person["brukernavn"] for person in people), *teachers][::10]
    (directory / "idm" / "pilot.txt").write_text("".join(f"{name}\n" for name in names), "utf-8")


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


def _href_of(activity: Activity) -> str:
    ref = reference(_INSTITUTION, activity.code, 1, NOW[1], NOW[2], 1, activity.actid)
    return f"{_BASE}/undervisningsaktiviteter/{ref}"


def _somebody(number: int) -> Json:
    return {"href": f"{_BASE}/personer/{number}", "personlopenummer": number}


def _registration(person: int, code: str, when: tuple[str, int, str], status: str) -> Json:
    ref = reference(_INSTITUTION, code, 1, when[1], when[2], 1, person)
    inner = {"href": f"{_BASE}/studentundervisning/{ref}", "person": _somebody(person)}
    return {"id": {**inner, "undervisning": _unit(code, when)}, "tilbudstatus": status}


def _placements(dice: Random, courses: list[Course], taught: list[Row]) -> Iterator[Json]:
    groups = {course.code: course.groups for course in courses}
    for person, code, when, status in taught:
        if when == NOW and groups[code] and status != "V" and lucky(dice, 98):
            group = dice.choice(groups[code])
            inner = {"person": _somebody(person)}
            inner["undervisningsaktivitet"] = {"href": _href_of(group)}
            form = {"parti": int(group.party or 1), "form": group.method, "disiplin": group.method}
            yield {"id": {**inner, **form}}


def _activity(activity: Activity) -> Json:
    return {
        "href": _href_of(activity),
        "undervisning": _unit(activity.code, NOW),
        "aktivitet": activity.actid,
        "parti": int(activity.party or 1),
        "form": activity.method,
        "disiplin": activity.method,
        "navn": [{"lang": "nb", "value": activity.name}],
        "nummer": 1,
        "apentHvisHoySokning": False,
        "publiseres": True,
        "eksporterTimeplan": True,
        "lms": {"eksport": False},
        "lukket": False,
    }


def _roles(activities: list[Activity]) -> Iterator[Json]:
    numbered: Counter[int] = Counter()
    for activity in activities:
        person = activity.teacher.number
        if person is None:
            continue
        numbered[person] += 1
        where = {"undervisningsaktivitet": {"href": _href_of(activity)}}
        if activity.plenary:
            where = {"undervisning": {"href": _unit(activity.code, NOW)["href"]}}
        ended = {"tilDato": "2025-12-19"} if numbered[person] % 3 == 0 else {}
        yield {
            "href": f"{_BASE}/personroller/{person},{numbered[person]}",
            "person": _somebody(person),
            "rollenummer": numbered[person],
            "rolle": {"href": f"{_BASE}/roller/{reference('LÆRER')}"},
            "periode": {"fraDato": "2025-08-18", **ended},
            **where,
        }


def _write_lines(path: Path, items: Iterable[Json]) -> int:
    lines = [dump(item) + b"\n" for item in items]
    path.write_bytes(b"".join(lines))
    return len(lines)
