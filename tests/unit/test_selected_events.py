"""An event for each trap of TP's answers: what a student on the course sees.

Checked by hand against docs/entries.md. "all": everybody registered; "placed": those placed on
that activity, and nobody else.
"""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kalender.domain.model import CourseKey, Registration
from kalender.domain.render import Style, render
from kalender.domain.roles import audience_of
from kalender.domain.timetable import Activity, PersonTeaching, Rules, select
from kalender.sources.tp_codes import KINDS
from kalender.sources.tp_json import read_event
from tests.answers import chosen_events
from tests.factories import desired

CHOSEN = chosen_events()
OSLO = ZoneInfo("Europe/Oslo")
RULES = Rules(zone=OSLO)
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)

# The trap; who sees it, when, and what it says.
SEEN = {
    "recordings, and a curriculum that is a list of links": (
        "all",
        "2025-01-24 12:15-14:00",
        "HAV2000 Forelesning: Fisk på æ, ø og å/torsk",
        "Auditorium Torsk (Fjordgården)",
        "busy",
    ),
    "cancelled, and an alert says why": (
        "placed",
        "2025-01-23 10:15-12:00",
        "AVLYST: HAV2000 Lab",
        "",
        "free",
    ),
    "cancelled, and the title says so, too": (
        "placed",
        "2025-03-13 10:15-12:00",
        "AVLYST: HAV2000 Lab: AVLYST",
        "",
        "free",
    ),
    "active, but the title says that there is none": (
        "all",
        "2025-03-14 12:15-14:00",
        "HAV2000 Forelesning: Ingen forelesning",
        "Auditorium Torsk (Fjordgården)",
        "busy",
    ),
    "in no building, but on the net": (
        "all",
        "2025-02-25 12:15-14:00",
        "HAV2000 Forelesning: Plankton for viderekomne",
        "Forelesningsopptak",
        "free",
    ),
    "a link instead of a room, with a trailing blank": (
        "all",
        "2025-08-19 14:15-16:00",
        "HAV2090 Forelesning: Film: Havbunnen",
        "Digitalt",
        "free",
    ),
    "active without a room": (
        "all",
        "2025-10-08 12:15-14:00",
        "HAV1020 Forelesning: Tidevann - en introduksjon",
        "",
        "busy",
    ),
    "a cancelled lecture without a word": (
        "all",
        "2025-11-13 14:15-16:00",
        "AVLYST: HAV1020 Forelesning",
        "",
        "free",
    ),
    "two rooms": (
        "all",
        "2025-08-20 16:15-18:00",
        "HAV1000 Kveldsroing (ekstratilbud)",
        "PC-rom Hyse, Seminarrom Uer (Fjordgården)",
        "busy",
    ),
    "an alert that is no status, in a series made by hand": (
        "placed",
        "2025-09-19 10:15-12:00",
        "HAV1000 Gruppe 8 dykkere",
        "",
        "busy",
    ),
    "a deadline that is planned as teaching": (
        "all",
        "2025-09-19 16:00-16:45",
        "HAV1110 Obligatorisk havrapport",
        "",
        "free",
    ),
    "merged groups have one id: the first": (
        "placed",
        "2025-09-25 10:15-12:00",
        "HAV1000 Gruppe 3",
        "Seminarrom Lyr (Fjordgården)",
        "busy",
    ),
    "merged groups have one id: the second": (
        "placed",
        "2025-09-25 10:15-12:00",
        "HAV1000 Gruppe 7",
        "Seminarrom Lyr (Fjordgården)",
        "busy",
    ),
    "co-taught, as the master's course tells it": (
        "placed",
        "2025-09-29 12:15-14:00",
        "HAV4100 Gruppe 1",
        "Seminarrom Lyr (Fjordgården)",
        "busy",
    ),
    "co-taught, as the bachelor's course tells it": (
        "placed",
        "2025-09-29 12:15-14:00",
        "HAV3100 Gruppe 1",
        "Seminarrom Lyr (Fjordgården)",
        "busy",
    ),
}


def seen(raw: dict[str, Any], *, placed: bool) -> list[tuple[str, str, str, str]]:
    """What a student registered on the event's course sees of it."""
    event = read_event(raw, CourseKey(raw["courseid"], raw["semesterid"]))
    key = event.activity
    activity = Activity(
        key=key,
        method=event.method,
        has_plenary=event.plenary is not False,
        has_group=event.plenary is not True,
        digest="",
        placed=True,
    )
    student = PersonTeaching(
        registrations=(Registration(unit=key.unit, offer_status="I"),),
        placements=frozenset([key] if placed else []),
    )
    chosen = select(student, [activity], audience_of("student"), RULES, BEFORE)
    shown = desired(chosen, [event], frozenset(), RULES, BEFORE)
    return [
        _said(render(each.teaching, each.courses, Style(institution="UiO", kinds=KINDS)))
        for each in shown
    ]


def _said(content: Any) -> tuple[str, str, str, str]:
    start, end = content.starts_at.astimezone(OSLO), content.ends_at.astimezone(OSLO)
    when = f"{start:%Y-%m-%d %H:%M}-{end:%H:%M}"
    return when, content.subject, content.location, content.show_as


def test_every_trap_has_its_row() -> None:
    assert SEEN.keys() == CHOSEN.keys()


@pytest.mark.parametrize("trap", SEEN)
def test_a_student_sees_what_an_event_says(trap: str) -> None:
    who, *said = SEEN[trap]
    assert seen(CHOSEN[trap], placed=True) == [tuple(said)]
    assert seen(CHOSEN[trap], placed=False) == ([tuple(said)] if who == "all" else [])
