"""The hard cases, second half: when it is, what cannot be used, and who teaches."""

from university import GONE, LATER, TUESDAY, Json, University

NEXT_TUESDAY, LATEST = "2025-10-28 10:15+01 12:00+01", "2025-11-11 10:15+01 12:00+01"
HELIX = ("KB", "Kristine Bonnevies hus", "Helix")


def times(u: University) -> None:
    """When it is: the window, both changes of summer time, midnight and New Year."""
    for name, course, hours in (
        ("ended", "HC301", ["2025-10-20 06:15+02 07:55+02"]),
        ("ends-now", "HC302", ["2025-10-20 06:15+02 08:00+02"]),
        ("under-way", "HC303", ["2025-10-20 07:15+02 09:00+02"]),
        ("autumn-weeks", "HC304", [TUESDAY, NEXT_TUESDAY]),
        (
            "autumn-night",
            "HC305",
            ["2025-10-26 01:30+02 03:30+01", "2025-10-26 02:15+02 2025-10-26 02:15+01"],
        ),
        ("midnight", "HC306", ["2025-10-24 22:15+02 2025-10-25 02:00+02"]),
        (
            "new-year",
            "HC307",
            ["2025-12-31 23:00+01 2026-01-01 01:00+01", "2026-01-08 10:15+01 12:00+01"],
        ),
    ):
        for number, when in enumerate(hours, 1):
            u.event(course, when, number=number)
        u.person(name, f"{course} I")
    for day in ("2026-03-23 10:15+01 12:00+01", "2026-03-30 10:15+02 12:00+02"):
        u.event("HC311", day, semester="26v")
    u.event("HC311", "2026-03-29 01:30+01 03:30+02", "2", semester="26v")
    u.person("spring-night", "HC311,1,26v I")
    u.event("HC312", "2026-02-03 10:15+01 12:00+01", semester="26v")
    u.publish["HC312", "26v"] = False
    u.person("not-published", "HC312,1,26v I")
    u.event("HC313", "2026-09-01 10:15+02 12:00+02", semester="26h")
    u.person("two-semesters-on", "HC313,1,26h I")
    u.event("HC314", LATER)
    u.publish["HC314", "25h"] = not u.later
    u.person("published-no-longer", "HC314 I")
    u.person("joins-unpublished", "> HC314 I")
    u.event("HC315", TUESDAY, then=GONE)
    u.event("HC315", LATER)
    u.person("history-forgotten-by-tp", "HC315 I")
    u.event("HC316", TUESDAY, then={"status": "cancelled", "rooms": (), "title": "Skrevet etterpå"})
    u.person("history-rewritten-by-tp", "HC316 I")


def strange(u: University) -> None:
    """What is left out, cannot be read or is not known."""
    u.event("HC401", raw={"eventid": "25H-HC401-EKSAMEN-1"}, title="Eksamen")
    u.event("HC401", actid="BOOKING-1", title="Booking")
    u.event("HC401", actid="2", title="Vanlig")
    u.person("exam", "HC401 I")
    u.event("EKSAMEN-HC402", title="Eksamen")
    u.person("exam-course", "EKSAMEN-HC402 I")
    u.event("HC403", status="postponed")
    u.event("HC403", LATER)
    u.person("unknown-status", "HC403 I")
    u.event("HC404", lacks=("status",))
    u.person("status-not-told", "HC404 I")
    u.event("HC405", raw={"dtend": "i morgen"})
    u.event("HC405", LATER, lacks=("actid",))
    u.event("HC405", LATEST, title="Kan leses")
    u.person("unreadable", "HC405 I")
    u.event("HC406")
    u.event("HC406")
    u.person("told-twice", "HC406 I")


def changing(u: University) -> None:
    """What TP says otherwise a week later."""
    u.event("HC407", LATER, then={"status": "postponed", "title": "Hva nå?"})
    u.event("HC407", LATEST, then={"raw": {"dtend": None}, "title": "Uleselig"})
    u.person("doubt-later", "HC407 I")
    u.event("HC408", LATER, then=GONE)
    u.event("HC408", LATEST)
    u.person("deleted", "HC408 I")
    u.event("HC409", LATER, then={"when": "2025-11-05 14:15+01 16:00+01", "number": 501})
    u.person("moved", "HC409 I")
    u.event("HC410", LATER, then={"rooms": (HELIX,), "number": 502})
    u.person("new-room", "HC410 I")


def roles(u: University) -> None:
    """Roles: on the activity, on the unit, within their period, of another kind or version."""
    for course in ("HC500", "HC501", "HC502", "HC503", "HC504", "HC505", "HC506", "HC507"):
        for number, when in enumerate((TUESDAY, NEXT_TUESDAY, LATER), 1):
            u.event(course, when, number=number)
    u.teacher("t-role", "HC500 1")
    u.teacher("t-role-next-week", "HC501 1 LÆRER 2025-10-27")
    u.teacher("t-role-today", "HC502 1 LÆRER 2025-10-20 2025-10-28")
    u.teacher("t-role-ended", "HC503 1 LÆRER 2025-08-18 2025-10-19")
    u.teacher("t-other-role", "HC504 1 STUDKONS")
    u.teacher("t-unit-role", "HC505 -")
    u.teacher("t-role-twice", "HC506 1 LÆRER 2025-08-18 2025-09-30", "HC506 1", "HC507 1")
    u.teacher("t-role-other-version", "HC507,2 1")
    u.teacher("t-role-elsewhere", "215:HC500 1")


def named(u: University) -> None:
    """Who is named: in place of a role, for a week, unknown to us, or not told."""
    u.event("HC510", staffs=["t-named"])
    u.event("HC510", NEXT_TUESDAY, staffs=["t-substitute"], number=2)
    u.event("HC510", LATER, staffs=["t-named"], number=3, then={"staffs": ["t-substitute"]})
    u.teacher("t-named", "HC510 1")
    u.event("HC511", staffs=["ghost"])
    u.event("HC511", LATER, staffs=[""])
    u.teacher("t-role-beside-unknown", "HC511 1")
    u.event("HC512", lacks=("staffs",))
    u.event("HC512", LATER, raw={"staffs": None})
    u.teacher("t-staffs-not-told", "HC512 1")
    u.event("HC513", LATER, staffs=["t-kept"], then={"lacks": ("staffs",), "title": "Ny tittel"})
    u.teacher("t-kept")
    u.event("HC514", staffs=["t-overlap"])
    u.event("HC515", "2025-10-21 11:15+02 13:00+02", staffs=["t-overlap"])
    u.event("HC516", staffs=["t-with", "t-overlap"], status="postponed")
    u.teacher("t-overlap")
    u.teacher("t-co-taught")


def both(u: University) -> None:
    """Students who teach, in one mailbox or two."""
    u.event("HC520")
    u.event("HC520", LATER, number=2, staffs=["dual-one", "dual-two"])
    u.group("HC520", 1, staffs=["dual-one"])
    u.group("HC520", 2)
    u.person("dual-one", "HC520 I", mail="dual-one@uni.example")
    u.person("dual-two", "HC520 I", placed=("HC520 2-2",))


def cancelled(u: University) -> None:
    """Cancelled: for the students of now, and for who taught it when it was last active."""
    gone: Json = {"status": "cancelled", "rooms": (), "staffs": []}
    u.event("HC530", **gone)
    u.person("cancelled", "HC530 I")
    u.teacher("t-cancelled-role", "HC530 1")
    u.event("HC531", status="cancelled", rooms=(), staffs=["t-cancelled-named"])
    u.teacher("t-cancelled-named")
    u.teacher("t-cancelled-beside", "HC531 1")
    u.event("HC532", LATER, staffs=["t-was-named"], title="Siste", then={**gone, "title": ""})
    u.person("cancelled-later", "HC532 I")
    u.teacher("t-was-named")
    u.teacher("t-role-while-named", "HC532 1")


FILLS = (times, strange, changing, roles, named, both, cancelled)
