"""Made-up answers of TP and FS, with the keys, types and traps of real ones.

The real ones belong to others: `tests.real_data` reads them where they are given, and
`tests/contract/test_real_answers.py` holds these to the same keys. Every name, title, room,
address and time here is invented. Each call returns new values that the caller may change.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Json = dict[str, Any]
OSLO = ZoneInfo("Europe/Oslo")
METHODS = {
    "FOR": "Forelesninger",
    "ØVE": "Øvelser",
    "ØV-F": "Fellesøvelser",
    "OBLOPPG": "Obligatoriske oppgaver",
}
FS = "https://api.fellesstudentsystem.no"


def a_room(name: str, building: str = "Fjordgården", number: str = "101") -> Json:
    """Return a room of a made-up building, as TP has it in an event."""
    building_id = building[:2].upper() + "07"
    return {
        "id": building_id + number,
        "roomid": number,
        "roomurl": f"https://kart.uni.example/?rom={building_id}-{number}&config=uni",
        "campusid": None,
        "roomname": name,
        "videolink": False,
        "buildingid": building_id,
        "buildingurl": f"https://kart.uni.example/?config=uni&bygg={building_id}",
        "roomacronym": name,
        "buildingname": building,
        "streaming_to": False,
        "showforstudent": True,
        "streaming_from": False,
        "buildingacronym": building,
        "equipment_function": None,
    }


def a_digital_room(name: str) -> Json:
    """Return TP's room for teaching that happens on the net."""
    digital = {"id": "DIGUND" + name[:4].upper(), "buildingid": "DIGUND"}
    nowhere = {"roomurl": "", "buildingurl": "", "buildingname": "Digital undervisning"}
    return {**a_room(name), **digital, **nowhere, "buildingacronym": "Digital undervisning"}


def a_teacher(username: str, last_name: str) -> Json:
    """Return a teacher as TP names one in an event; the id is the username."""
    return {
        "id": username,
        "main": False,
        "type": "TEACHER",
        "lastname": last_name,
        "firstname": "Kim",
        "shortname": f"K. {last_name}",
        "url": f"https://personer.uni.example/{username}",
    }


def an_alert(message: str, *, status: bool = False, number: int = 71) -> Json:
    """Return a remark of the planners on one event."""
    told = {"id": number, "deleted": False, "message": message, "is_status": status}
    return {**told, "expire_date": None}


def an_event(
    course: str, actid: str, starts: str, *, hours: float = 2, series: int = 1, **fields: Any
) -> Json:
    """Return an event that starts at a local time; `fields` replaces what TP says otherwise."""
    begin = datetime.fromisoformat(starts).replace(tzinfo=OSLO)
    end = begin + timedelta(hours=hours, minutes=-15)
    semester = f"{begin:%y}" + ("h" if begin.month > 7 else "v")
    activity = f"{semester.upper()}-{course}-1-1-{actid}"
    plenary = "-" not in actid
    method = fields.get("teaching-method", "FOR" if plenary else "ØVE")
    week, weekday = begin.isocalendar().week, begin.isoweekday()
    name = METHODS[method] if plenary else f"Gruppe {actid.partition('-')[2]}"
    cancelled = fields.get("status") == "cancelled"
    return {
        "semesterid": semester,
        "courseid": course,
        "courseversion": "1",
        "actid": actid,
        "id": f"{activity}-{series}",
        "weeknr": week,
        "dtstart": _as_tp_writes(begin),
        "dtend": _as_tp_writes(end),
        "lopenr": series,
        "teaching-method": method,
        "party": None if plenary else actid.partition("-")[2],
        "teaching-method-name": METHODS[method],
        "teaching-title": name,
        "summary": name,
        "status_plenary": plenary,
        "staffs": [],
        "studentgroups": ["Havfag 1. semester gr 1", "Havfag 1. semester gr.2"],
        "room": [a_room("Auditorium Torsk")],
        "terminnr": 1,
        "aid": activity,
        "active": not cancelled,
        "compulsory": False,
        "discipline": [],
        "disciplineobj": [],
        "resources": [],
        "alerts": [],
        "virtual-course-name": None,
        "curr": "",
        "title": "",
        "status": "active",
        "weekday": weekday,
        "eventid": f"{activity}-{series}+{week}+{weekday}",
        "multiday": False,
    } | fields


def _as_tp_writes(moment: datetime) -> str:
    """Return an instant with an offset of whole hours and no minutes, as TP writes it."""
    return moment.isoformat(timespec="seconds").removesuffix(":00")


def a_course(course: str) -> Json:
    """Return TP's answer for one of the courses in COURSES, autumn 2025."""
    semester = {
        "id": "25h",
        "publish_timetable": True,
        "href": "https://gw.uni.example/tp/1.4/semester.php?id=25h",
    }
    return {
        "name": "Timetabledata",
        "version": "1.4",
        "id": course,
        "semester": "25h",
        "semesters": [semester],
        "interval-start": None,
        "interval-end": None,
        "typename": "course",
        "events": sorted(COURSES[course](course), key=lambda event: str(event["dtstart"])),
    }


def _weeks(first: str, count: int) -> Iterator[str]:
    begin = datetime.fromisoformat(first)
    yield from ((begin + timedelta(weeks=number)).isoformat() for number in range(count))


def _lectures(course: str) -> Iterator[Json]:
    """Fourteen lectures, across the change from summer time; all have teachers and titles."""
    teachers = [a_teacher("kimberg", "Berg"), a_teacher("kimdal", "Dal")]
    for number, starts in enumerate(_weeks("2025-08-20T12:15:00", 14)):
        yield an_event(
            course,
            "1",
            starts,
            staffs=teachers[: 1 + number % 2],
            title=f"Havstrømmer, del {number + 1}",
            curr=f"<p>Kapittel {number + 1} &amp; oppgavene<br />bak i boka</p>",
        )


def _lectures_and_a_group(course: str) -> Iterator[Json]:
    """Lectures, and a group with two cancelled, a series made by hand and `party` set throughout."""
    alert = an_alert("Merk nytt rom: Auditorium Torsk", number=72)
    links = '<p><a href="https://uni.example/hav/intro.pdf">Introduksjon</a></p>'
    for number, starts in enumerate(_weeks("2025-08-18T12:15:00", 14)):
        yield an_event(
            course,
            "1",
            starts,
            hours=3,
            party="1",
            staffs=[a_teacher("kimberg", "Berg"), a_teacher("kimvik", "Vik")],
            alerts=[] if number else [alert],
            curr=links,
            title=f"Bølger og vind {number + 1}",
        )
    group: Json = {"teaching-method": "ØVE", "teaching-title": "Grupper", "summary": "Grupper"}
    for number, starts in enumerate(_weeks("2025-08-26T12:15:00", 13)):
        cancelled = number in {0, 6}
        yield an_event(
            course,
            "2",
            starts,
            series=501 if number == 9 else 1,
            party="2",
            status_plenary=False,
            **group,
            staffs=[] if cancelled else [a_teacher("kimberg", "Berg")],
            room=None if cancelled else [a_room("Grupperom Sei", number="204")],
            alerts=[an_alert("", status=True, number=73)] if cancelled else [],
            status="cancelled" if cancelled else "active",
            title="Gruppa begynner neste uke." if cancelled else "",
        )


def _lectures_and_cancelled_ones(course: str) -> Iterator[Json]:
    """Fourteen lectures and thirteen meetings of a group; five are cancelled."""
    for number, starts in enumerate(_weeks("2025-08-19T10:15:00", 14)):
        cancelled = number in {2, 3, 11}
        yield an_event(course, "1", starts, status="cancelled" if cancelled else "active")
    for number, starts in enumerate(_weeks("2025-08-28T14:15:00", 13)):
        cancelled = number in {0, 12}
        rooms = None if cancelled else [a_room("Lab Lange", number="012")]
        status = "cancelled" if cancelled else "active"
        yield an_event(course, "2-1", starts, status=status, room=rooms)


COURSES = {
    "IN5040": _lectures,
    "IN5060": _lectures_and_a_group,
    "IN5170": _lectures_and_cancelled_ones,
}


def chosen_events() -> dict[str, Json]:
    """Return one event for each trap of TP's answers, by the trap's name."""
    many_groups = [f"Havfag {number}. semester gr {number}" for number in range(1, 24)]
    merged = {"alerts": [an_alert("Gruppe 7 går nå sammen med gruppe 3. Se nytt rom.", number=74)]}
    together = {"studentgroups": [], "room": [a_room("Seminarrom Lyr", number="308")]}
    merged_id = "25H-HAV1000-1-1-2-3-501+39+4"
    shared_id = "25H-HAV3100-1-1-2-1-1+40+1"
    page = "https://opptak.uni.example/Vis?id=5b7c-4362&start=1"
    lab: Json = {"teaching-title": "Lab", "summary": "Lab", "party": "7", "room": None}
    rowing: Json = {"teaching-method": "ØV-F", "teaching-title": "Kveldsroing ekstratilbud"}
    deadline: Json = {"teaching-method": "OBLOPPG", "summary": "Obligatorisk havrapport"}
    return {
        "recordings, and a curriculum that is a list of links": an_event(
            "HAV2000",
            "1",
            "2025-01-24T12:15",
            title="Fisk på æ, ø og å/torsk",
            curr='<ul><li><a href="https://uni.example/hav/lysark.pdf">Lysark</a></li>'
            '<li><a href="https://uni.example/hav/kart.png">Kart</a></li></ul>',
            staffs=[a_teacher("kimberg", "Berg")],
            resources=[
                {"url": page, "name": "1. Fisk  på kartet ", "type": "recording"},
                {"url": page + "&del=2", "name": "2. Sild", "type": "recording"},
            ],
        ),
        "cancelled, and an alert says why": an_event(
            "HAV2000",
            "2-6",
            "2025-01-23T10:15",
            **lab,
            status="cancelled",
            alerts=[an_alert("Labben åpner i uke 5.", status=True)],
        ),
        "cancelled, and the title says so, too": an_event(
            "HAV2000",
            "2-6",
            "2025-03-13T10:15",
            **lab,
            status="cancelled",
            title="AVLYST",
            alerts=[an_alert("Labben er stengt til påske", status=True)],
        ),
        "active, but the title says that there is none": an_event(
            "HAV2000", "1", "2025-03-14T12:15", title="Ingen forelesning"
        ),
        "in no building, but on the net": an_event(
            "HAV2000",
            "1",
            "2025-02-25T12:15",
            series=2,
            title="Plankton for viderekomne",
            room=[a_digital_room("Forelesningsopptak")],
        ),
        "a link instead of a room, with a trailing blank": an_event(
            "HAV2090",
            "1",
            "2025-08-19T14:15",
            title="Film: Havbunnen",
            room=[a_digital_room("Link ")],
        ),
        "active without a room": an_event(
            "HAV1020",
            "1",
            "2025-10-08T12:15",
            series=2,
            title="Tidevann - en introduksjon",
            curr="<p><strong>Les:</strong></p><ul>"
            '<li><a href="https://uni.example/hav/tidevann.pdf" target="_blank" '
            'rel="noopener noreferrer">Lysark om tidevann</a></li><li>Boka kap. 6</li>'
            '<li><a href="https://tidevann.example/nå">https://tidevann.example/nå</a></li></ul>',
            room=None,
            staffs=[a_teacher("kimberg", "Berg")],
            studentgroups=many_groups,
            resources=[{"url": page, "name": "onsdag 8. oktober at 12:22", "type": "recording"}],
        ),
        "a cancelled lecture without a word": an_event(
            "HAV1020",
            "1",
            "2025-11-13T14:15",
            room=None,
            status="cancelled",
            alerts=[an_alert("", status=True)],
        ),
        "two rooms": an_event(
            "HAV1000",
            "5",
            "2025-08-20T16:15",
            summary="Kveldsroing (ekstratilbud)",
            **rowing,
            room=[a_room("PC-rom Hyse", number="141"), a_room("Seminarrom Uer", number="142")],
        ),
        "an alert that is no status, in a series made by hand": _untitled(
            "HAV1000",
            "2-8",
            "2025-09-19T10:15",
            series=501,
            summary="Gruppe 8 dykkere",
            room=None,
            alerts=[an_alert("Gå på gruppe 6 eller 11 denne dagen, f.eks. gruppe 6.")],
        ),
        "a deadline that is planned as teaching": _untitled(
            "HAV1110",
            "5",
            "2025-09-19T16:00",
            hours=1,
            series=501,
            room=None,
            **deadline,
        ),
        "merged groups have one id: the first": _untitled(
            "HAV1000", "2-3", "2025-09-25T10:15", eventid=merged_id, **merged, **together
        ),
        "merged groups have one id: the second": _untitled(
            "HAV1000", "2-7", "2025-09-25T10:15", eventid=merged_id, **merged, **together
        ),
        "co-taught, as the master's course tells it": _untitled(
            "HAV4100", "2-1", "2025-09-29T12:15", eventid=shared_id, **together
        ),
        "co-taught, as the bachelor's course tells it": _untitled(
            "HAV3100", "2-1", "2025-09-29T12:15", eventid=shared_id, **together
        ),
    }


def _untitled(course: str, actid: str, starts: str, **fields: Any) -> Json:
    """Return an event that lacks title and curriculum, as many do."""
    event = an_event(course, actid, starts, **fields)
    return {name: value for name, value in event.items() if name not in {"title", "curr"}}


# -- FS ----------------------------------------------------------------------------------------------


def a_collection(name: str, query: str, items: list[Json]) -> Json:
    """Return a page of FS with these items; an empty one has neither first nor last."""
    collection = {"href": f"{FS}/{name}?{query}&page=1&limit=0", "rel": ["collection"]}
    ends = {"first": collection, "last": dict(collection)} if items else {}
    size = {"page": 1, "limit": 0, "size": len(items)}
    return {"href": f"{FS}/{name}", "rel": ["collection"], **size, **ends, "items": items}


def a_person_found(number: int = 70_123) -> Json:
    """Return what FS says of a person whom a search found: the id alone."""
    item = {"id": {"href": f"{FS}/personer/{number}", "personlopenummer": number}}
    return a_collection("personer", "dbId=true", [item])


def registrations_by_id(number: int = 70_123, institution: int = 185) -> Json:
    """Return eight registrations of one person in a collection that carries ids alone."""
    places = [("HAV1000", "HØST", 1), ("HAV1020", "HØST", 1), ("HAV2000", "VÅR", 1)]
    places += [("HAV3100", term, place) for term, place in (("HØST", 1), ("VÅR", 2))]
    places += [("HAV4100", term, place) for term, place in (("VÅR", 2), ("HØST", 3), ("VÅR", 4))]
    items = [_registration(number, institution, *place) for place in places]
    return a_collection("studentundervisning", f"dbId=true&person.personlopenummer={number}", items)


def _registration(number: int, institution: int, course: str, term: str, term_number: int) -> Json:
    written = {"HØST": "H%C3%98ST", "VÅR": "V%C3%85R"}[term]
    year = 2025 if term == "HØST" else 2026
    unit = f"{institution},{course},1,{year},{written},{term_number}"
    return {
        "id": {
            "href": f"{FS}/studentundervisning/{unit},{number}",
            "person": {"href": f"{FS}/personer/{number}", "personlopenummer": number},
            "undervisning": {
                "href": f"{FS}/undervisning/{unit}",
                "emne": {
                    "href": f"{FS}/emner/{institution},{course},1",
                    "institusjon": institution,
                    "kode": course,
                    "versjon": "1",
                },
                "semester": {"href": f"{FS}/semestre/{year},{written}", "ar": year, "termin": term},
                "terminnummer": term_number,
            },
        }
    }
