"""Twenty-eight real events of UiO, each chosen for a reason: what a student on the course sees.

Checked by hand against docs/entries.md. "all": everybody registered; else those placed on that
activity, and nobody else.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kalender.domain.model import Audience, CourseKey, Registration
from kalender.domain.render import Style, render
from kalender.domain.timetable import Activity, Rules, Teaching, desired, select
from kalender.sources.tp_json import read_event

DATA = Path(__file__).parents[1] / "data" / "tp" / "tp-uio-selected-events.json"
OSLO = ZoneInfo("Europe/Oslo")
RULES = Rules(zone=OSLO)
BEFORE = datetime(2025, 1, 1, tzinfo=UTC)

# why it was chosen, who sees it, when, and what it says
SEEN = [
    (
        "resources",
        "all",
        "2025-01-21 12:15-14:00",
        "IN2000 Forelesning: Om emnet, viktig informasjon og introduksjon til teknologier/verktøy",
        "Aud Simula (Ole-Johan Dahls hus)",
        "busy",
    ),
    ("cancelled", "2-6", "2025-01-23 10:15-12:00", "AVLYST: IN2000 Lab", "", "free"),
    (
        "resources",
        "all",
        "2025-01-24 12:15-14:00",
        "IN2000 Forelesning: Vi ser videre på Android og Kotlin",
        "Aud Simula (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "digital room",
        "all",
        "2025-02-25 12:15-14:00",
        "IN2000 Forelesning: Smidig utvikling og design",
        "Forelesningsopptak",
        "free",
    ),
    ("cancelled", "2-6", "2025-03-13 10:15-12:00", "AVLYST: IN2000 Lab: AVLYST", "", "free"),
    (
        "active but title says cancelled",
        "all",
        "2025-03-14 12:15-14:00",
        "IN2000 Forelesning: Ingen forelesning",
        "Aud Simula (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "active but title says cancelled",
        "all",
        "2025-03-18 12:15-14:00",
        "IN2000 Forelesning: Ingen forelesning",
        "Aud Simula (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "active but title says cancelled",
        "all",
        "2025-03-21 12:15-14:00",
        "IN2000 Forelesning: Ingen forelesning",
        "Aud Simula (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "active without room",
        "all",
        "2025-10-08 12:15-14:00",
        "IN1020 Forelesning: Prosessoren - en introduksjon",
        "",
        "busy",
    ),
    ("cancelled", "all", "2025-11-12 12:15-14:00", "AVLYST: IN1020 Forelesning", "", "free"),
    ("cancelled", "all", "2025-11-13 12:15-14:00", "AVLYST: IN1020 Forelesning", "", "free"),
    (
        "cancelled",
        "2-2",
        "2025-02-12 10:15-12:00",
        "AVLYST: IN1150 Gruppe 2: kansellert i dag",
        "",
        "free",
    ),
    ("cancelled", "2-5", "2025-02-18 12:15-14:00", "AVLYST: IN1150 Gruppe 5", "", "free"),
    (
        "digital room",
        "all",
        "2025-08-19 14:15-16:00",
        "IN2090 Forelesning: Videoer: Introduksjon og motivasjon",
        "Digitalt",
        "free",
    ),
    (
        "alert-not-status",
        "2-2",
        "2025-10-20 10:15-12:00",
        "IN2090 Gruppe 2",
        "Seminarrom Java (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "alert-not-status",
        "2-6",
        "2025-02-11 12:15-14:00",
        "IN1030 Gruppe 6",
        "Seminarrom Logo (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "alert-not-status",
        "2-9",
        "2025-02-11 14:15-16:00",
        "IN1030 Gruppe 9",
        "Seminarrom Logo (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "alert-not-status",
        "2-1",
        "2025-03-10 14:15-16:00",
        "IN1030 Gruppe 1",
        "Datastue Assembler (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "two rooms",
        "all",
        "2025-08-20 16:15-18:00",
        "IN1000 Pragmatisk programmering (ekstratilbud)",
        "IT-seminarrom Sed, Seminarrom Shell (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "two rooms",
        "all",
        "2025-08-22 14:15-16:00",
        "IN1000 Fredagspython og fredagsfordypning",
        "Seminarrom C, Seminarrom Caml (Ole-Johan Dahls hus)",
        "busy",
    ),
    ("alert-not-status", "2-8", "2025-09-19 10:15-12:00", "IN1000 Gruppe 8 prosa", "", "busy"),
    ("alert-not-status", "2-16", "2025-09-19 12:15-14:00", "IN1000 Gruppe 16 maki", "", "busy"),
    (
        "active without room",
        "all",
        "2025-09-19 16:00-16:45",
        "BIOS1110 Obligatorisk innlevering",
        "",
        "free",
    ),
    (
        "active without room",
        "all",
        "2025-10-10 16:00-16:45",
        "BIOS1110 Obligatorisk innlevering",
        "",
        "free",
    ),
    (
        "duplicate eventid pair (two parties merged)",
        "2-11",
        "2025-09-25 10:15-12:00",
        "IN1000 Gruppe 11 prosa",
        "Seminarrom Caml (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "duplicate eventid pair (two parties merged)",
        "2-17",
        "2025-09-25 10:15-12:00",
        "IN1000 Gruppe 17 maki",
        "Seminarrom Caml (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "co-taught course, as returned for id=IN4120",
        "2-1",
        "2025-09-29 12:15-14:00",
        "IN4120 Gruppe 1",
        "Datastue Fortress (Ole-Johan Dahls hus)",
        "busy",
    ),
    (
        "co-taught course, as returned for id=IN3120",
        "2-1",
        "2025-09-29 12:15-14:00",
        "IN3120 Gruppe 1",
        "Datastue Fortress (Ole-Johan Dahls hus)",
        "busy",
    ),
]
ROWS = list(zip(json.loads(DATA.read_text("utf-8")), SEEN, strict=True))


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
    student = Teaching(
        registrations=(Registration(unit=key.unit, offer_status="I"),),
        placements=frozenset([key] if placed else []),
    )
    chosen = select(student, [activity], Audience.STUDENT, RULES, BEFORE)
    shown = desired(chosen, [event], frozenset(), RULES, BEFORE)
    return [_said(render(each.teaching, each.courses, Style(institution="UiO"))) for each in shown]


def _said(content: Any) -> tuple[str, str, str, str]:
    start, end = content.starts_at.astimezone(OSLO), content.ends_at.astimezone(OSLO)
    when = f"{start:%Y-%m-%d %H:%M}-{end:%H:%M}"
    return when, content.subject, content.location, content.show_as


@pytest.mark.parametrize(("row", "expected"), ROWS)
def test_a_student_sees_what_a_real_event_says(
    row: dict[str, Any], expected: tuple[str, ...]
) -> None:
    why, who, *said = expected
    assert row["why"] == why
    assert seen(row["event"], placed=True) == [tuple(said)]
    assert seen(row["event"], placed=False) == ([tuple(said)] if who == "all" else [])
