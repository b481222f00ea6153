"""Write the university of hard cases: one person for each rule and each trap.

`python make.py DIRECTORY` writes it as it is on 20 October 2025, `--week-later` as it is on the
27th: what differs then stands beside what it changes, as `then=` or after a `>`. What every
mailbox must hold on both days is written by hand in expected.toml; nothing here knows it.
"""

import sys
from pathlib import Path

from taught import FILLS
from university import LATER, SED, THEN, TUESDAY, Json, University

SHELL, PYTHON = ("OJD", "Ole-Johan Dahls hus", "Shell "), ("OJD", "Ole-Johan Dahls hus", "Python")
HELIX, BARE = ("KB", "Kristine Bonnevies hus", "Helix"), ("", "", " Feltstasjonen ")
LINK, RECORDED = ("DIGUND", "Digital undervisning", "Link "), ("DIGUND", "", "Forelesningsopptak")
THURSDAY = "2025-10-23 10:15+02 12:00+02"
LONG = "Om " + "vektorer og matriser " * 14 + "til slutt"


def registrations(u: University) -> None:
    """Whose registration counts, and who has a calendar at all."""
    u.event("HC100", title="Innledning")
    u.event("HC101", title="Noe annet")
    u.event("HC105", LATER)
    u.event("HC106", LATER)
    u.person("accepted-i", "HC100 I")
    u.person("accepted-s", "HC100 S")
    u.person("accepted-ref", "HC100 *")
    u.person("waiting", "HC100 V")
    u.person("declined", "HC100 N")
    u.person("not-told", "HC100 -")
    u.person("nothing-at-all")
    u.person("other-version", "HC100,2 I")
    u.person("other-term-number", "HC100,1,25h,2 I")
    u.person("last-semester", "HC100,1,25v I")
    u.person("foreign", "215:HC100 I")
    u.person("two-courses", "HC100 I", "HC101 I")
    u.person("unknown-to-fs", "HC100 I", known=False)
    u.person("no-address", "HC100 I", mail="")
    u.person("private-only", "HC100 I", mail="private-only@stud.uni.example", kind="PRIVAT")
    u.person("elsewhere", "HC100 I", mail="elsewhere@mail.example")
    u.person("capitals", "HC100 I", mail="Capitals@STUD.uni.example")
    u.person("first-at-shared", "HC105 I", mail="shared@stud.uni.example > own@stud.uni.example")
    u.person("second-at-shared", "HC106 I", mail="shared@stud.uni.example")
    u.person("outsider", "HC100 I")


def changing(u: University) -> None:
    """Registrations and groups that are not the same a week later."""
    u.event("HC102", LATER, title="Tatt opp fra ventelisten")
    u.event("HC103", title="Allerede holdt")
    u.event("HC103", LATER, title="Trukket")
    u.event("HC104", LATER, title="Ikke fortalt lenger")
    u.group("HC121", 1, LATER)
    u.group("HC122", 1, LATER)
    u.group("HC122", 2, LATER, then=THEN)
    u.event("HC123", LATER, then={"lacks": ("status_plenary",), "title": "Ny tittel"})
    u.person("sole-until-placed", "HC121 I", "HC102 I")
    u.person("places-later", "HC121 I", "HC102 I", placed=("> HC121 2-1",))
    u.person("sole-until-second", "HC122 I", "HC102 I")
    u.person("plenary-told-no-longer", "HC123 I")
    u.person("from-the-waiting-list", "HC102 V > HC102 I")
    u.person("withdraws", "HC102 I", "HC103 I >")
    u.person("to-the-waiting-list", "HC102 I", "HC103 I > HC103 V")
    u.person("told-no-longer", "HC104 I > HC104 -")


def groups(u: University) -> None:
    """Placements, and the only group of its kind."""
    for course in ("HC110", "HC111", "HC112", "HC113", "HC114", "HC115"):
        u.event(course)
        u.group(course, 1)
    for course in ("HC110", "HC111"):
        u.group(course, 2)
    u.event("HC114", THURSDAY, "3-1", method="LAB", plenary=False)
    u.event("HC115", THURSDAY, "3", method="GR", summary="Fellesgruppe")
    u.person("placed-1", "HC110 I", placed=("HC110 2-1",))
    u.person("placed-2", "HC110 I", placed=("HC110 2-2",))
    u.person("not-placed", "HC110 I")
    u.person("placed-not-registered", placed=("HC110 2-1",))
    u.person("placed-waiting", "HC110 V", placed=("HC110 2-1",))
    u.person("nobody-placed-two-groups", "HC111 I")
    u.person("sole-group", "HC112 I")
    u.person("sole-group-taken", "HC113 I")
    u.person("sole-group-takes", "HC113 I", placed=("HC113 2-1",))
    u.person("sole-of-two-kinds", "HC114 I")
    u.person("sole-beside-plenary", "HC115 I")


def merged(u: University) -> None:
    """One event under two activities."""
    for course in ("HC116", "HC117"):
        u.event(course)
    u.group("HC116", 11, number=7)
    u.group("HC116", 17, raw={"eventid": "25H-HC116-1-1-2-11-7+43+3"})
    u.group("HC117", 1, status="cancelled", rooms=())
    u.group("HC117", 2, raw={"eventid": "25H-HC117-1-1-2-1-1+43+3"})
    u.event("HC119", summary="Felles samling")
    u.group("HC119", 5, TUESDAY, raw={"eventid": "25H-HC119-1-1-1-1+43+2"})
    u.person("merged-17", "HC116 I", placed=("HC116 2-17",))
    u.person("merged-both", "HC116 I", placed=("HC116 2-11", "HC116 2-17"))
    u.person("merged-cancelled", "HC117 I", placed=("HC117 2-1", "HC117 2-2"))
    u.person("own-group-first", "HC119 I", placed=("HC119 2-5",))


def not_told(u: University) -> None:
    """Whether an event is for all, or the plan is published, is not told."""
    for course in ("HC118", "HC124"):
        u.event(course)
        u.group(course, 1, lacks=("status_plenary",))
    u.group("HC124", 2)
    u.event("HC120", lacks=("status_plenary",))
    u.person("plenary-not-told", "HC118 I")
    u.person("plenary-not-told-placed", "HC118 I", placed=("HC118 2-1",))
    u.person("lecture-not-told", "HC120 I")
    u.person("sole-beside-not-told", "HC124 I")


def co_taught(u: University) -> None:
    """The same events under two courses."""
    for course in ("HC3120", "HC4120"):
        u.event(course, title="Søk", of="HC3120", staffs=["t-co-taught"])
        u.group(course, 1, of="HC3120")
        u.group(course, 2, of="HC3120")
    u.event("HC3020", TUESDAY, of="HC3020", status="cancelled", rooms=())
    u.event("HC4020", TUESDAY, of="HC3020")
    for course in ("HC3220", "HC4220"):
        u.event(course, LATER, of="HC3220")
    u.person("both-courses", "HC3120 I", "HC4120 I", placed=("HC4120 2-1",))
    u.person("one-course", "HC4120 I", placed=("HC4120 2-2",))
    u.person("cancelled-in-one", "HC3020 I", "HC4020 I")
    u.person("leaves-one-of-two", "HC3220 I", "HC4220 I >")


def rooms(u: University) -> None:
    """Where it is, and whether it takes one's time."""
    for name, course, places in (
        ("no-room", "HC201", ()),
        ("two-rooms", "HC202", (SED, SHELL)),
        ("two-buildings", "HC203", (SED, HELIX)),
        ("back-again", "HC204", (SED, HELIX, SHELL, PYTHON)),
        ("no-building", "HC205", (BARE,)),
        ("digital-link", "HC206", (LINK,)),
        ("digital-recording", "HC207", (RECORDED,)),
        ("half-digital", "HC208", (SED, LINK)),
    ):
        u.event(course, rooms=places)
        u.person(name, f"{course} I")
    u.event("HC209", lacks=("room",))
    u.person("room-not-told", "HC209 I")
    u.event("HC210", method="OBLOPPG", rooms=(), title="Innlevering 1", compulsory=True)
    u.person("deadline", "HC210 I")
    u.event("HC211", rooms=(), summary="INNLEVERING 2")
    u.person("deadline-by-summary", "HC211 I")
    u.event("HC212", method="OBLOPPG", title="Gjennomgang")
    u.person("assignment-in-a-room", "HC212 I")


def texts(u: University) -> None:
    """What it is called."""
    page: Json = {"curr": "<p>Les <b>kapittel&nbsp;3</b>&#13;&#10;&amp; 4</p>", "alerts": []}
    page["alerts"] = [
        {"id": 1, "deleted": False, "message": "Rom endret", "is_status": False},
        {"id": 2, "deleted": True, "message": "Slettet beskjed", "is_status": False},
    ]
    cases: tuple[tuple[str, str, Json], ...] = (
        ("no-title", "HC220", {"title": ""}),
        ("no-lecture", "HC221", {"title": "Ingen forelesning", "rooms": ()}),
        ("cancelled-by-hand", "HC222", {"title": "AVLYST"}),
        ("html", "HC223", {"title": "<i>Løkker</i> &amp; List&lt;T&gt;", "raw": page}),
        ("long", "HC224", {"title": LONG}),
        ("blanks", "HC225", {"title": "  Mange \n  mellomrom "}),
        ("compulsory", "HC226", {"method": "ØVE", "compulsory": True}),
        ("own-summary", "HC227", {"method": "GR", "summary": "Gruppe 11 prosa"}),
        ("unknown-kind", "HC228", {"method": "EKSK", "title": "Finse"}),
    )
    for name, course, said in cases:
        u.event(course, **said)
        u.person(name, f"{course} I")


def main() -> None:
    """Write the university of the day asked for."""
    university = University(later="--week-later" in sys.argv)
    for fill in (
        registrations,
        changing,
        groups,
        merged,
        not_told,
        co_taught,
        rooms,
        texts,
        *FILLS,
    ):
        fill(university)
    university.write(Path(sys.argv[1]))


if __name__ == "__main__":
    main()
