"""The events of a made-up course, as TP tells them."""

import json
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from kalender.sandbox.plan import DOMAIN, METHODS, NEXT, NOW, Activity, Course, lucky
from kalender.sandbox.tp import empty
from kalender.sandbox.wire import dump

_OSLO = ZoneInfo("Europe/Oslo")
_WEEKS = {"25h": range(34, 48), "26v": range(4, 14)}
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


def write_course(dice: Random, directory: Path, course: Course) -> int:
    """Write what TP says of a course, now and for the coming term; return how many events."""
    told = empty(course.code, NOW[0])
    if course.twin is None:
        told["events"] = [e for a in course.activities for e in _events(dice, a, NOW[0])]
    else:
        first = json.loads((directory / f"{course.twin}.json").read_text("utf-8"))
        told["events"] = [{**event, "courseid": course.code} for event in first["events"]]
    if course.merged:
        told["events"] += _merged(told["events"], *course.groups[:2])
    told["events"].sort(key=lambda event: (event["dtstart"], event["actid"]))
    (directory / f"{course.code}.json").write_bytes(dump(told))
    if course.activities[0].sessions[0][0] == 1 or course.code.endswith("1000"):
        coming = empty(course.code, NEXT[0])
        coming["semesters"][0]["publish_timetable"] = False
        coming["events"] = list(_events(dice, course.activities[0], NEXT[0]))
        (directory / f"{course.code}-{NEXT[0]}.json").write_bytes(dump(coming))
    return len(told["events"])


def _merged(events: list[Json], first: Activity, second: Activity) -> list[Json]:
    """Let the second group follow the first for the rest of the term: the same event under both."""
    events[:] = [e for e in events if e["actid"] != second.actid or e["weeknr"] < _MERGED_FROM]
    other = {"actid": second.actid, "party": second.party, "summary": second.name}
    other["aid"] = second.aid(NOW[0])
    told = [e for e in events if e["actid"] == first.actid and e["weeknr"] >= _MERGED_FROM]
    return [{**event, **other} for event in told]


def _events(dice: Random, activity: Activity, semester: str) -> Iterator[Json]:
    year = 2000 + int(semester[:2])
    for series, (weekday, hour) in enumerate(activity.sessions, 1):
        for week in _WEEKS[semester]:
            moved = lucky(dice, 2)
            day = date.fromisocalendar(year, week, weekday % 5 + 1 if moved else weekday)
            begins = datetime.combine(day, time(hour, 15), _OSLO)
            event = _event(activity, semester, begins, 501 if moved else series)
            event["room"] = _rooms(dice)
            yield _adorned(dice, event)


def _event(activity: Activity, semester: str, begins: datetime, series: int) -> Json:
    aid, (_, week, weekday) = activity.aid(semester), begins.isocalendar()
    name, teacher = activity.name, activity.teacher
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
        "teaching-method-name": METHODS[activity.method][0],
        "teaching-title": name,
        "summary": name,
        "status_plenary": activity.plenary,
        "staffs": [{**staff, "url": f"https://people.{DOMAIN}/{teacher.username}"}],
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
            event["staffs"] = event["staffs"] if lucky(dice, 50) else []
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
    if number and lucky(dice, 2):
        return [_room("DIGUND", "1", "Link ", "Digital undervisning")]
    chosen = [dice.randrange(1, 400) for _ in range(number)]
    made = [_room(f"B{n % 20:02}", str(1000 + n), f"Rom {n}", f"Bygg {n % 20}") for n in chosen]
    return made or None


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
