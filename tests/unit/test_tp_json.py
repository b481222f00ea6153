"""TP's answers as values: made-up ones, each field's oddities, and anything at all."""

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.model import (
    ActivityKey,
    CourseAnswer,
    CourseKey,
    EventStatus,
    Link,
    Room,
    Staff,
)
from kalender.errors import BadSourceData
from kalender.sources.tp import read_course
from kalender.sources.tp_json import read_event
from tests import answers

KEY = CourseKey("IN5060", "25h")
SKIP = ("*EKSAMEN*", "*BOOKING*")
CHOSEN = answers.chosen_events()
Json = dict[str, Any]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


ANSWER = answers.a_course("IN5060")


def a_raw(**changes: Any) -> Json:
    """A lecture with rooms, teachers and an alert; `...` takes a field away."""
    told = {**deepcopy(ANSWER["events"][0]), **changes}
    return {name: value for name, value in told.items() if value is not ...}


def read(*events: object, key: CourseKey = KEY, **top: Any) -> CourseAnswer:
    return read_course({**ANSWER, **top, "events": list(events)}, key, skip=SKIP)


# -- whole answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("course", "events", "cancelled"), [("IN5040", 14, 0), ("IN5060", 27, 2), ("IN5170", 27, 5)]
)
def test_every_answer_is_read_whole(course: str, events: int, cancelled: int) -> None:
    raw = answers.a_course(course)
    answer = read_course(raw, CourseKey(course, "25h"), skip=SKIP)
    assert (answer.published, answer.bad, answer.skipped) == (True, (), 0)
    assert len(answer.events) == events
    assert sum(e.status is EventStatus.CANCELLED for e in answer.events) == cancelled
    assert {e.event_id for e in answer.events} == {e["eventid"] for e in raw["events"]}
    told = {e["eventid"]: (e["dtstart"], e["actid"], e["status_plenary"]) for e in raw["events"]}
    for event in answer.events:
        starts, actid, plenary = told[event.event_id]
        assert event.starts_at == datetime.fromisoformat(starts)
        assert event.starts_at.tzinfo is event.ends_at.tzinfo is UTC
        assert event.activity == ActivityKey(course, "1", "25h", 1, actid)
        assert event.plenary is plenary


def test_instants_are_exact_on_both_sides_of_the_change_from_summer_time() -> None:
    events = read_course(answers.a_course("IN5040"), CourseKey("IN5040", "25h")).events
    assert events[0].starts_at == datetime(2025, 8, 20, 10, 15, tzinfo=UTC)
    assert events[-1].starts_at == datetime(2025, 11, 19, 11, 15, tzinfo=UTC)


@pytest.mark.parametrize("trap", CHOSEN)
def test_each_chosen_event_is_read(trap: str) -> None:
    raw = CHOSEN[trap]
    event = read_event(raw, CourseKey(raw["courseid"], raw["semesterid"]))
    assert (event.status is EventStatus.CANCELLED) is (raw["status"] == "cancelled")
    assert len(event.rooms) == len(raw["room"] or [])
    assert [room.digital for room in event.rooms] == [
        room["buildingid"] == "DIGUND" for room in raw["room"] or []
    ]
    assert event.staff == tuple(
        Staff(username=each["id"], name=f"{each['firstname']} {each['lastname']}")
        for each in raw["staffs"]
    )
    assert event.resources == tuple(
        Link(name=" ".join(each["name"].split()), url=each["url"]) for each in raw["resources"]
    )
    told = [each["message"] for each in raw["alerts"] if each["message"]]
    assert len(event.alerts) == len(told)
    texts = (event.title, event.summary, event.curriculum, *event.alerts)
    assert not any("<p" in text or "&nbsp;" in text or "\r" in text for text in texts)


def test_the_same_event_of_two_merged_groups_is_told_for_both() -> None:
    both = [event for trap, event in CHOSEN.items() if trap.startswith("merged")]
    answer = read(*both, key=CourseKey("HAV1000", "25h"), id="HAV1000")
    assert len({event.event_id for event in answer.events}) == 1
    assert len({event.activity.actid for event in answer.events}) == 2


def test_a_co_taught_event_is_the_asked_courses_though_its_ids_name_the_other() -> None:
    for trap, raw in CHOSEN.items():
        if trap.startswith("co-taught"):
            course = raw["courseid"]
            (event,) = read(raw, key=CourseKey(course, "25h"), id=course).events
            assert event.activity.course == course
            assert "HAV3100" in event.event_id


# -- the answer as a whole -------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, [], "x", 1, {}, {"events": None}, {"events": {}}])
def test_what_is_no_answer_raises(answer: object) -> None:
    with pytest.raises(BadSourceData):
        read_course(answer, KEY)


@pytest.mark.parametrize(
    "top",
    [
        {"id": "IN5040"},
        {"semester": "26v"},
        {"id": None, "courseid": "X"},
        {"semesterid": "26v", "semester": None},
    ],
)
def test_an_answer_for_something_else_than_asked_raises(top: Json) -> None:
    with pytest.raises(BadSourceData):
        read(a_raw(), **top)


def test_the_other_flat_form_is_read_alike() -> None:
    events = ANSWER["events"]
    other = {"courseid": "IN5060", "semesterid": "25h", "terminnr": 1, "events": events}
    answer = read_course(other, KEY, skip=SKIP)
    assert answer.published is None
    assert answer.events == read_course(ANSWER, KEY, skip=SKIP).events


@pytest.mark.parametrize(
    ("semesters", "published"),
    [
        ([{"id": "25h", "publish_timetable": False}], False),
        (
            [{"id": "25v", "publish_timetable": False}, {"id": "25h", "publish_timetable": True}],
            True,
        ),
        ([{"id": "25v", "publish_timetable": False}], None),
        ([{"id": "25h"}], None),
        ([{"id": "25h", "publish_timetable": "no"}], None),
        ([None], None),
        ({}, None),
        (None, None),
    ],
)
def test_published_is_told_for_the_asked_semester_or_not_told(
    semesters: object, published: bool | None
) -> None:
    assert read(semesters=semesters).published is published


def test_no_events_is_an_answer() -> None:
    assert read() == CourseAnswer(key=KEY, published=True, events=())


@pytest.mark.parametrize("name", ["courseid", "actid", "eventid", "id"])
@pytest.mark.parametrize("value", ["IN-EKSAMEN-1", "x booking", "Eksamen"])
def test_what_is_to_be_skipped_is_counted_and_not_read(name: str, value: str) -> None:
    answer = read(a_raw(**{name: value}), a_raw(dtend=None, **{name: value}))
    assert (answer.events, answer.bad, answer.skipped) == ((), (), 2)


def test_events_of_another_semester_are_skipped() -> None:
    answer = read(a_raw(semesterid="26v"), a_raw(eventid="b"))
    assert ([e.event_id for e in answer.events], answer.skipped) == (["b"], 1)


def test_an_event_of_another_course_is_shown_as_unreadable_never_as_gone() -> None:
    answer = read(a_raw(courseid="IN9060", actid="7", eventid="a"))
    assert [(bad.actid, bad.event_id) for bad in answer.bad] == [("7", "a")]
    assert (answer.events, answer.skipped) == ((), 0)


def test_of_doubles_the_active_wins_else_the_first() -> None:
    cancelled = a_raw(eventid="a", status="cancelled", title="one")
    active = a_raw(eventid="a", title="two")
    later = a_raw(eventid="a", title="three")
    other = a_raw(eventid="a", actid="9", status="cancelled", title="four")
    events = read(cancelled, other, active, later).events
    assert [(e.activity.actid, e.title) for e in events] == [("1", "two"), ("9", "four")]
    (first,) = read(cancelled, a_raw(eventid="a", status="cancelled", title="five")).events
    assert first.title == "one"


@given(st.permutations(ANSWER["events"]))
def test_the_order_of_the_answer_means_nothing(events: list[Json]) -> None:
    answer = read(*events)
    assert answer.events == read(*ANSWER["events"]).events
    order = [(e.starts_at, e.event_id, e.activity.actid) for e in answer.events]
    assert all(one < two for one, two in pairwise(order))


# -- one event -------------------------------------------------------------------------------------


def the(**changes: Any) -> Any:
    answer = read(a_raw(**changes))
    assert answer.bad == ()
    return answer.events[0]


def test_not_told_is_not_no() -> None:
    event = the(
        staffs=..., status_plenary=..., status=..., title=..., curr=..., room=..., alerts=...
    )
    assert (event.staff, event.plenary, event.status) == (None, None, EventStatus.UNKNOWN)
    assert (event.title, event.curriculum, event.rooms, event.alerts) == ("", "", (), ())
    assert the(staffs=[]).staff == ()
    assert the(staffs=None).staff is None
    assert the(room=None).rooms == the(room=[]).rooms == ()
    assert the(status_plenary=False).plenary is False
    assert the(title=None).title == ""


@pytest.mark.parametrize("status", ["moved", "", None, 1, ["active"], {}, "Active"])
def test_a_status_that_is_not_known_is_unknown(status: object) -> None:
    assert the(status=status).status is EventStatus.UNKNOWN


def test_teachers_without_a_username_still_count_as_named() -> None:
    staff = the(
        staffs=[{"id": None, "lastname": "Li"}, {"firstname": " A ", "lastname": "B"}]
    ).staff
    assert staff == (Staff(username="", name="Li"), Staff(username="", name="A B"))


def test_rooms_are_trimmed_and_may_lack_what_is_not_needed() -> None:
    told = [
        {"id": "DIGUND1", "roomname": "Link ", "buildingid": "DIGUND", "roomurl": ""},
        {"id": "X", "roomname": " Aud\u00a01 ", "buildingname": "A &amp; B"},
    ]
    digital, room = the(room=told).rooms
    assert (digital.digital, digital.name, digital.url) == (True, "Link", "")
    assert (room.digital, room.name, room.building, room.url) == (False, "Aud 1", "A & B", "")


def test_alerts_that_are_deleted_or_say_nothing_are_left_out() -> None:
    told = [
        {"deleted": False, "message": "<b>Nytt rom</b>&#13;&#10;", "is_status": False},
        {"deleted": True, "message": "Gammelt", "is_status": False},
        {"deleted": False, "message": "", "is_status": True},
        {"deleted": False, "message": "Sykdom", "is_status": True},
    ]
    assert the(alerts=told).alerts == ("Nytt rom", "Sykdom")


def test_fields_that_are_not_known_change_nothing() -> None:
    assert the(news={"x": [1]}) == the()


def test_resources_without_an_address_are_left_out() -> None:
    told = [{"name": "a", "url": ""}, {"name": "b"}, {"name": " c ", "url": " https://x/ "}]
    assert the(resources=told).resources == (Link(name="c", url="https://x/"),)


@pytest.mark.parametrize(
    "changes",
    [
        {"actid": ...},
        {"actid": ""},
        {"actid": 3},
        {"eventid": ...},
        {"eventid": ["a"]},
        {"dtstart": ...},
        {"dtend": None},
        {"dtstart": "Monday"},
        {"dtstart": "2025-08-18T12:15:00"},
        {"dtstart": "2025-08-18"},
        {"dtstart": 1755512100},
        {"dtstart": "0001-01-01T00:00:00+02"},
        {"dtend": "9999-12-31T23:59:59-02"},
        {"dtend": "2025-08-18T12:15:00+02"},
        {"dtend": "2025-08-18T12:15:00+03"},
        {"courseversion": ...},
        {"courseversion": True},
        {"terminnr": ...},
        {"terminnr": "one"},
        {"terminnr": 10**30},
        {"terminnr": 1.5},
        {"staffs": "nobody"},
        {"staffs": ["olan"]},
        {"staffs": [{"id": ["olan"]}]},
        {"staffs": [{"id": False}]},
    ],
    ids=str,
)
def test_an_event_that_cannot_be_read_is_told_with_its_ids_and_the_rest_taken(
    changes: Json,
) -> None:
    answer = read(a_raw(eventid="good"), a_raw(**{"eventid": "a", "actid": "2", **changes}))
    assert [event.event_id for event in answer.events] == ["good"]
    (bad,) = answer.bad
    assert bad.actid == (None if "actid" in changes else "2")
    assert bad.event_id == (None if "eventid" in changes else "a")
    assert bad.reason


@pytest.mark.parametrize(
    ("changes", "field", "value", "odd"),
    [
        ({"title": False}, "title", "", ("title",)),
        ({"title": 0}, "title", "", ("title",)),
        ({"title": 7}, "title", "7", ()),
        ({"title": ["a"]}, "title", "", ("title",)),
        ({"curr": False}, "curriculum", "", ("curr",)),
        ({"curr": {}}, "curriculum", "", ("curr",)),
        ({"summary": []}, "summary", "", ("summary",)),
        ({"teaching-method-name": 1.5}, "method_name", "", ("teaching-method-name",)),
        ({"room": {}}, "rooms", (), ("room",)),
        ({"room": ""}, "rooms", (), ("room",)),
        ({"room": [None]}, "rooms", (), ("room",)),
        ({"room": "Caml"}, "rooms", (Room(room_id="", name="Caml"),), ()),
        ({"room": {"id": "x"}}, "rooms", (Room(room_id="x", name=""),), ()),
        ({"room": [{"roomname": 101}]}, "rooms", (Room(room_id="", name="101"),), ()),
        ({"room": [{"roomurl": {}}]}, "rooms", (Room(room_id="", name=""),), ("roomurl",)),
        ({"alerts": {}}, "alerts", (), ("alerts",)),
        ({"alerts": ["Husk bok"]}, "alerts", ("Husk bok",), ()),
        ({"alerts": [{"message": 1}]}, "alerts", ("1",), ()),
        ({"alerts": [{"message": True}]}, "alerts", (), ("message",)),
        ({"resources": [None]}, "resources", (), ("resources",)),
        ({"resources": ["https://r/1"]}, "resources", (Link(name="", url="https://r/1"),), ()),
        ({"staffs": [{"id": 4711}]}, "staff", (Staff(username="4711", name=""),), ()),
        ({"staffs": [{"id": "a", "lastname": {}}]}, "staff", (Staff(username="a"),), ("lastname",)),
    ],
    ids=str,
)
def test_an_odd_field_that_is_only_text_costs_no_lecture(
    changes: Json, field: str, value: object, odd: tuple[str, ...]
) -> None:
    answer = read(a_raw(**changes))
    assert answer.bad == ()
    assert getattr(answer.events[0], field) == value
    assert answer.odd == odd


@pytest.mark.parametrize(
    "written",
    ["ol\u200ban", "\ufeffolan", "olan\u00a0", "ol\u00adan", "olan\0", " olan\r\n", "olan\ud800"],
)
def test_a_username_is_read_without_the_letters_that_nobody_sees(written: str) -> None:
    assert the(staffs=[{"id": written}]).staff == (Staff(username="olan", name=""),)


@pytest.mark.parametrize("event", [None, 1, "x", []])
def test_an_event_that_is_no_object_is_unreadable(event: object) -> None:
    assert [(b.actid, b.event_id) for b in read(event).bad] == [(None, None)]


def test_a_version_or_term_number_of_the_other_type_is_the_same() -> None:
    assert the(courseversion=1, terminnr="1") == the()


def test_what_the_event_lacks_but_the_question_tells_is_taken_from_there() -> None:
    assert the(courseid=..., semesterid=...) == the()
    assert the(semesterid="25H") == the()


def test_a_course_has_the_spelling_of_most_of_its_events_and_not_that_of_the_question() -> None:
    events = [a_raw(eventid=name, courseid="in5060") for name in "ab"]
    for asked in ("IN5060", "in5060", "In5060"):
        answer = read(*events, a_raw(eventid="c"), key=CourseKey(asked, "25h"))
        assert answer.key == CourseKey("in5060", "25h")
        assert {event.activity.course for event in answer.events} == {"in5060"}
        assert [event.event_id for event in answer.events] == ["a", "b", "c"]


@pytest.mark.parametrize("unseen", ["\u200b", "\ufeff", "\u00ad", "\u00a0", " ", "\0", "\ud800"])
def test_letters_that_nobody_sees_are_read_over_in_ids(unseen: str) -> None:
    names = ("courseid", "actid", "eventid", "courseversion", "semesterid")
    seen = a_raw(courseversion="1")
    assert the(**{name: f"{unseen}{seen[name]}{unseen}" for name in names}) == the()


# -- anything --------------------------------------------------------------------------------------


@given(anything)
def test_any_json_is_read_or_refused(answer: object) -> None:
    for each in (answer, {"events": answer}, {"events": [answer]}, {**ANSWER, "semesters": answer}):
        try:
            read_course(each, KEY, skip=SKIP)
        except BadSourceData as error:
            assert str(error).startswith("tp: ")  # noqa: PT017


def _leaves(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(leaf for name, each in inner for leaf in _leaves(each, (*path, name)))]


PLACES = _leaves(ANSWER["events"][0])[1:]


@given(st.sampled_from(PLACES), anything)
def test_an_event_with_one_thing_changed_is_taken_skipped_or_told(
    place: tuple[Any, ...], value: object
) -> None:
    raw = a_raw()
    inner: Any = raw
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = value
    answer = read(raw)
    assert len(answer.events) + len(answer.bad) + answer.skipped == 1
    for event in answer.events:
        assert event.ends_at - event.starts_at > timedelta()
        assert repr(event).isprintable()
