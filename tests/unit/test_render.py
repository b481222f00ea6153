from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kalender.domain.model import (
    ActivityKey,
    Content,
    EventStatus,
    Link,
    Room,
    Staff,
    TeachingEvent,
)
from kalender.domain.render import FIELDS, Language, Style, changed_fields, fingerprint, render
from kalender.domain.text import clean
from kalender.sources.tp_codes import KINDS
from tests.answers import chosen_events

NB = Style(institution="Universitetet i Oslo", kinds=KINDS)
NN, EN = replace(NB, language="nn"), replace(NB, language="en")
STARTS_AT = datetime(2025, 8, 25, 6, 15, tzinfo=UTC)
CHOSEN = chosen_events()
JAVA = Room(room_id="GA1", name=" Java ", building="OJD ", url="https://kart.no/?a&b")
SED = Room(room_id="GA2", name="Sed", building="OJD")
HELIX = Room(room_id="BL1", name="Helix", building="KB")
LINK = Room(room_id="DIGUND1", name="Link ", building="Digital undervisning", digital=True)
VIDEO = Room(room_id="DIGUNDOPPT", name="Opptak", building="Digital undervisning", digital=True)


def an_event(**fields: Any) -> TeachingEvent:
    told: dict[str, Any] = {
        "activity": ActivityKey("IN1000", "1", "25h", 1, "2-6"),
        "event_id": "25H-IN1000-1-1-2-6-1+35+1",
        "starts_at": STARTS_AT,
        "ends_at": STARTS_AT + timedelta(hours=2),
        "method": "GR",
        "method_name": "Gruppe",
        "summary": "Gruppe 6",
    }
    return TeachingEvent(**told | fields)


def a_chosen_event(trap: str) -> TeachingEvent:
    told = CHOSEN[trap]
    return TeachingEvent(
        activity=ActivityKey(told["courseid"], "1", told["semesterid"], 1, told["actid"]),
        event_id=told["eventid"],
        starts_at=datetime.fromisoformat(told["dtstart"]).astimezone(UTC),
        ends_at=datetime.fromisoformat(told["dtend"]).astimezone(UTC),
        status=EventStatus(told["status"]),
        staff=tuple(
            Staff(username=staff["id"], name=f"{staff['firstname']} {staff['lastname']}")
            for staff in told["staffs"]
        ),
        method=told["teaching-method"],
        method_name=told["teaching-method-name"],
        title=clean(told.get("title") or ""),
        summary=told["summary"],
        curriculum=clean(told.get("curr") or ""),
        compulsory=told["compulsory"],
        rooms=tuple(
            Room(
                room_id=room["id"],
                name=room["roomname"],
                building=room["buildingname"],
                url=room.get("roomurl") or "",
                digital=room["buildingid"] == "DIGUND",
            )
            for room in told["room"] or ()
        ),
        alerts=tuple(clean(alert["message"]) for alert in told["alerts"]),
        resources=tuple(Link(name=link["name"], url=link["url"]) for link in told["resources"]),
    )


def subject(event: TeachingEvent, style: Style = NB, *courses: str) -> str:
    return render(event, courses or ("IN1000",), style).subject


def body(event: TeachingEvent, style: Style = NB) -> str:
    return render(event, ("IN1000",), style).body


@pytest.mark.parametrize(
    ("trap", "nb", "nn", "en"),
    [
        (
            "recordings, and a curriculum that is a list of links",
            "HAV2000 Forelesning: Fisk på æ, ø og å/torsk",
            "HAV2000 Førelesing: Fisk på æ, ø og å/torsk",
            "HAV2000 Lecture: Fisk på æ, ø og å/torsk",
        ),
        (
            "active, but the title says that there is none",
            "HAV2000 Forelesning: Ingen forelesning",
            "HAV2000 Førelesing: Ingen forelesning",
            "HAV2000 Lecture: Ingen forelesning",
        ),
        (
            "cancelled, and the title says so, too",
            "AVLYST: HAV2000 Lab: AVLYST",
            "AVLYST: HAV2000 Lab: AVLYST",
            "CANCELLED: HAV2000 Lab: AVLYST",
        ),
        (
            "a deadline that is planned as teaching",
            "HAV1110 Obligatorisk havrapport",
            "HAV1110 Obligatorisk havrapport",
            "HAV1110 Obligatorisk havrapport",
        ),
        (
            "merged groups have one id: the second",
            "HAV1000 Gruppe 7",
            "HAV1000 Gruppe 7",
            "HAV1000 Gruppe 7",
        ),
    ],
)
def test_events_are_named_in_every_language(trap: str, nb: str, nn: str, en: str) -> None:
    event = a_chosen_event(trap)
    course = (event.activity.course,)
    assert [render(event, course, style).subject for style in (NB, NN, EN)] == [nb, nn, en]


@pytest.mark.parametrize(
    ("style", "lines"),
    [
        (
            NB,
            (
                "Underviser: Kim Berg",
                "Opptak og ressurser:",
                (
                    "Oppføringen holdes oppdatert av Universitetet i Oslo."
                    " Er noe feil, si fra til studieadministrasjonen.<br>"
                    "Egne notater: skriv under denne linjen. Det som står over, blir skrevet på nytt."
                ),
            ),
        ),
        (
            NN,
            (
                "Undervisar: Kim Berg",
                "Opptak og ressursar:",
                (
                    "Oppføringa blir halden oppdatert av Universitetet i Oslo."
                    " Er noko feil, sei frå til studieadministrasjonen.<br>"
                    "Eigne notat: skriv under denne linja. Det som står over, blir skrive på nytt."
                ),
            ),
        ),
        (
            EN,
            (
                "Taught by: Kim Berg",
                "Recordings and resources:",
                (
                    "This entry is kept up to date by Universitetet i Oslo."
                    " If anything is wrong, please tell the student administration.<br>"
                    "Your own notes: write below this line. What stands above is rewritten."
                ),
            ),
        ),
    ],
)
def test_an_event_is_told_whole_in_every_language(
    style: Style, lines: tuple[str, str, str]
) -> None:
    event = a_chosen_event("active without a room")
    assert body(event, style) == (
        "<div>▼▼▼ <b>Tidevann - en introduksjon</b><br>Les:<br>"
        "• Lysark om tidevann (https://uni.example/hav/tidevann.pdf)<br>"
        "• Boka kap. 6<br>• https://tidevann.example/nå<br>"
        f"{lines[0]}<br>{lines[1]}<br>"
        '• <a href="https://opptak.uni.example/Vis?id=5b7c-4362&amp;start=1">'
        "onsdag 8. oktober at 12:22</a><br>"
        f"<br>{lines[2]} ▲▲▲</div>"
    )


@pytest.mark.parametrize(
    ("trap", "location", "show_as"),
    [
        (
            "two rooms",
            "PC-rom Hyse, Seminarrom Uer (Fjordgården)",
            "busy",
        ),
        ("in no building, but on the net", "Forelesningsopptak", "free"),
        ("a link instead of a room, with a trailing blank", "Digitalt", "free"),
        ("active without a room", "", "busy"),
        ("a cancelled lecture without a word", "", "free"),
        ("a deadline that is planned as teaching", "", "free"),
    ],
)
def test_events_are_placed_and_shown(trap: str, location: str, show_as: str) -> None:
    content = render(a_chosen_event(trap), (), NB)
    assert (content.location, content.show_as) == (location, show_as)


@pytest.mark.parametrize(
    ("rooms", "location"),
    [
        ((JAVA, SED), "Java, Sed (OJD)"),
        ((JAVA, HELIX, SED), "Java (OJD), Helix (KB), Sed (OJD)"),
        ((JAVA, VIDEO, LINK), "Java (OJD), Opptak, Online"),
        ((Room(room_id="x", name="Ute"),), "Ute"),
        ((Room(room_id="DIGUND", name=" ", digital=True),), "Online"),
        ((Room(room_id="x", name=" ", building="KB"), Room(room_id="y", name="")), "KB"),
    ],
)
def test_rooms_of_one_building_stand_together(rooms: tuple[Room, ...], location: str) -> None:
    assert render(an_event(rooms=rooms), (), EN).location == location


def test_an_event_in_a_room_and_online_is_busy() -> None:
    assert render(an_event(rooms=(JAVA, LINK)), (), NB).show_as == "busy"


def test_all_is_free_where_the_institution_says_so() -> None:
    assert render(an_event(), (), replace(NB, busy="free")).show_as == "free"


@pytest.mark.parametrize("fields", [{"method": "OBLOPPG"}, {"summary": "Siste INNLEVERING"}])
def test_a_deadline_without_a_room_is_free(fields: dict[str, str]) -> None:
    assert render(an_event(**fields), (), NB).show_as == "free"
    assert render(an_event(rooms=(JAVA,), **fields), (), NB).show_as == "busy"


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"summary": "Forelesninger ", "method": "FOR", "method_name": "Forelesninger"}, "Lecture"),
        ({"summary": "", "method": "ØV-F", "method_name": "x"}, "Plenary exercise class"),
        ({"summary": "", "method": "XYZ", "method_name": "Ekskursjon"}, "Ekskursjon"),
        ({"summary": "Tur", "method": "FOR", "compulsory": True}, "Tur (Compulsory)"),
        ({"summary": "", "method": "OBLOPPG", "compulsory": True}, "Compulsory assignment"),
        ({"summary": "", "method": "", "method_name": "", "compulsory": True}, "(Compulsory)"),
    ],
)
def test_the_kind_is_tps_own_words_where_they_say_more(fields: dict[str, Any], kind: str) -> None:
    assert subject(an_event(**fields), EN) == f"IN1000 {kind}"


def test_courses_that_share_an_event_are_joined_in_order() -> None:
    assert subject(an_event(), NB, "IN4120", "IN3120", "IN4120") == "IN3120/IN4120 Gruppe 6"
    assert render(an_event(), (), NB).subject == "IN1000 Gruppe 6"


@pytest.mark.parametrize(
    ("template", "without", "with_title"),
    [
        ("{title} ({course})", "(IN1000)", "T (IN1000)"),
        ("{course} {kind}: {title}", "IN1000 Gruppe 6", "IN1000 Gruppe 6: T"),
        ("{kind} - {title} [{course}]", "Gruppe 6 [IN1000]", "Gruppe 6 - T [IN1000]"),
        ("{title}: {course}", "IN1000", "T: IN1000"),
        ("{{{course}}} {title}!", "{IN1000}!", "{IN1000} T!"),
    ],
)
def test_an_empty_field_takes_its_separator_along(
    template: str, without: str, with_title: str
) -> None:
    style = replace(NB, subject=template)
    assert subject(an_event(), style) == without
    assert subject(an_event(title=" T\n"), style) == with_title


@pytest.mark.parametrize(
    "template",
    ["{emne}", "{}", "{0}", "{title.x}", "{title[0]}", "{title!r}", "{title:{kind}}", "{", "}"],
)
def test_a_template_that_cannot_be_filled_in_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        replace(NB, subject=template)
    with pytest.raises(ValueError, match=r"."):
        replace(NB, body=template)


@pytest.mark.parametrize(("prefix", "subject_"), [("", "IN1000"), ("Utgår - ", "Utgår - IN1000")])
def test_the_prefix_of_the_cancelled_is_the_institutions(prefix: str, subject_: str) -> None:
    style = replace(NB, cancelled_prefix=prefix, subject="{course}")
    assert subject(an_event(status=EventStatus.CANCELLED), style) == subject_


def test_an_unknown_status_is_shown_as_active() -> None:
    assert subject(an_event(status=EventStatus.UNKNOWN)) == "IN1000 Gruppe 6"


def test_long_subjects_and_locations_are_cut_at_a_word() -> None:
    rooms = tuple(Room(room_id=str(i), name=f"Rom {i}", building=f"Bygg {i}") for i in range(30))
    content = render(
        an_event(title="ord " * 100, rooms=rooms, status=EventStatus.CANCELLED), (), NB
    )
    assert content.subject.startswith("AVLYST: IN1000 Gruppe 6: ord ord")
    assert content.subject.endswith(" ord…")
    assert len(content.subject) <= 255
    assert content.location.endswith("…")
    assert len(content.location) <= 255


def test_rooms_link_to_their_map_and_the_contact_to_its_page() -> None:
    style = replace(
        NB, body="Spør {contact} ved {institution} {{nå}} & <her>", contact="https://h.no/"
    )
    assert body(an_event(rooms=(JAVA, LINK)), style) == (
        '<div>▼▼▼ Rom: <a href="https://kart.no/?a&amp;b">Java</a> (OJD)<br>Rom: Digitalt<br>'
        '<br>Spør <a href="https://h.no/">https://h.no/</a> ved Universitetet i Oslo {nå}'
        " &amp; &lt;her&gt;<br>"
        "Egne notater: skriv under denne linjen. Det som står over, blir skrevet på nytt. ▲▲▲</div>"
    )


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "/lokal", "https://a b", ""]
)
def test_only_addresses_of_the_web_become_links(url: str) -> None:
    told = body(an_event(resources=(Link(name="Opptak 1", url=url), Link(name="", url=url))))
    assert "• Opptak 1<br>" in told
    assert "<a" not in told


def test_the_scheme_of_an_address_may_be_written_large() -> None:
    told = body(an_event(resources=(Link(name="", url=" HTTPS://x.no/ "),)))
    assert '• <a href="HTTPS://x.no/">HTTPS://x.no/</a><br>' in told


def test_hostile_texts_stay_texts() -> None:
    evil = "</div><script>▲▲▲ \"'&\x00"
    told = body(
        an_event(
            title=evil,
            alerts=(evil,),
            curriculum=f"{evil}\r\n\n{evil}",
            staff=(Staff(username="olan", name=evil), Staff(username="karin")),
            rooms=(Room(room_id="x", name=evil, building=evil, url=f'https://x.no/"{evil}'),),
            resources=(Link(name=evil, url="https://x.no/'</div><script>"),),
        )
    )
    assert told.count("▲▲▲") == told.count("</div>") == 1
    assert "<script" not in told
    assert "\x00" not in told
    assert "olan" not in told
    assert "karin" not in told


@pytest.mark.parametrize("language", ["nb", "nn", "en"])
def test_no_reminder_and_one_category_unless_told_otherwise(language: Language) -> None:
    content = render(an_event(), (), replace(NB, language=language))
    assert (content.reminder_minutes, content.categories) == (None, ("Undervisning",))
    style = replace(NB, reminder_minutes=15, category="")
    content = render(an_event(), (), style)
    assert (content.reminder_minutes, content.categories) == (15, ())


def test_times_are_the_events() -> None:
    content = render(an_event(), (), NB)
    assert (content.starts_at, content.ends_at) == (STARTS_AT, STARTS_AT + timedelta(hours=2))


CONTENT = Content(
    subject="s", body="b", location="l", starts_at=STARTS_AT, ends_at=STARTS_AT, show_as="busy"
)


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({}, set()),
        ({"subject": "x"}, {"subject"}),
        ({"body": "x"}, {"body"}),
        ({"location": "x", "show_as": "free"}, {"location", "show_as"}),
        ({"starts_at": STARTS_AT - timedelta(hours=1)}, {"time"}),
        ({"ends_at": STARTS_AT + timedelta(hours=1)}, {"time"}),
        ({"reminder_minutes": 5, "categories": ("x",)}, set()),
    ],
)
def test_a_fingerprint_tells_which_fields_changed(change: dict[str, Any], fields: set[str]) -> None:
    before, after = fingerprint(CONTENT), fingerprint(replace(CONTENT, **change))
    assert changed_fields(before, after) == fields


def test_a_fingerprint_is_the_same_for_ever() -> None:
    assert fingerprint(CONTENT) == "a27592ee.fd9d3f51.7f29d946.ac2a32a1.dfdecce3"
    assert (
        changed_fields("a27592ee.fd9d3f51.7f29d946.ac2a32a1.dfdecce3", fingerprint(CONTENT))
        == frozenset()
    )


@pytest.mark.parametrize("old", [None, "", "x", "a.b.c.d", "a.b.c.d.e.f"])
def test_an_unreadable_fingerprint_means_all_fields(old: str | None) -> None:
    assert changed_fields(old, fingerprint(CONTENT)) == frozenset(FIELDS)
