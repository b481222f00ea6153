"""A university of so many events, and as many entries: examples of a generated one, repeated."""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json

A_COURSE, COURSES_EACH = 100, 10  # events of a course, courses of a student
CODE = "MAT{}".format
BEGIN = datetime.fromisoformat("2025-08-25T08:15+02:00")


def make_university(directory: Path, many: int) -> Path:
    """Write a university of students with ten courses of a hundred lectures each; return it.

    No two students share a course: each event is one entry, in one calendar.
    """
    courses = many // A_COURSE
    generate(directory, students=max(10, courses // COURSES_EACH))
    _plan(directory / "tp", courses)
    _register(directory / "fs", courses)
    return directory


def _plan(tp: Path, courses: int) -> None:
    told = json.loads((tp / "MAT1000.json").read_text("utf-8"))
    lecture = next(e for e in told["events"] if e["status_plenary"] and e["active"])
    for path in tp.iterdir():
        path.unlink()
    for code in map(CODE, range(1000, 1000 + courses)):
        events = [_event(lecture, code, number) for number in range(A_COURSE)]
        answer = {**told, "id": code, "events": events}
        (tp / f"{code}.json").write_text(json.dumps(answer, ensure_ascii=False), "utf-8")


def _event(lecture: Json, code: str, number: int) -> Json:
    """Return a lecture of its own: ten a week, at two hours of each day."""
    begins = BEGIN + timedelta(weeks=number // 10, days=number % 5, hours=number // 5 % 2 * 3)
    _, week, weekday = begins.isocalendar()
    aid = f"25H-{code}-1-1-1"
    return {
        **lecture,
        "courseid": code,
        "aid": aid,
        "id": f"{aid}-{number}",
        "eventid": f"{aid}-{number}+{week}+{weekday}",
        "weeknr": week,
        "weekday": weekday,
        "dtstart": begins.isoformat()[:22],
        "dtend": (begins + timedelta(minutes=105)).isoformat()[:22],
        "title": "Tema 0",
    }


def _register(fs: Path, courses: int) -> None:
    persons = _lines(fs / "personer.ndjson")
    rows = _lines(fs / "studentundervisning.ndjson")
    example = next(row for row in rows if "MAT1000" in row and '"tilbudstatus":"I"' in row)
    number = str(json.loads(example)["id"]["person"]["personlopenummer"])
    students = [100_001 + course // COURSES_EACH for course in range(courses)]
    rows = [
        example.replace("MAT1000", CODE(1000 + course)).replace(number, str(student))
        for course, student in enumerate(students)
    ]
    for path in fs.iterdir():
        path.write_text("")
    _write(fs / "personer.ndjson", persons[: len({*students})])
    _write(fs / "studentundervisning.ndjson", rows)


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines()


def _write(path: Path, lines: Iterable[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")
