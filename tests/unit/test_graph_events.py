"""What we write to Graph and read from it, without a server."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from uuid import UUID

import pytest

from kalender.calendars.graph import events
from kalender.calendars.graph.error_codes import Meaning, Operation, meaning
from kalender.calendars.graph.events import PROPERTY, Answer, Clock, Request, Unparsable
from kalender.domain.model import Content
from kalender.errors import ConfigError
from kalender.ports import Additions, EntryChange, ItemRef, NewEntry
from tests import graph_schema, real_data

OSLO = Clock.of("Europe/Oslo")
NOW = datetime(2026, 11, 29, tzinfo=UTC)
MAILBOX = "o'hara+x@uni.example"
START = datetime(2025, 9, 1, 8, 15, tzinfo=UTC)
CONTENT = Content(
    subject="IN1000 Forelesning: Løkker",
    body="<div>▼▼▼ … ▲▲▲</div>",
    location="Store auditorium",
    starts_at=START,
    ends_at=START + timedelta(hours=2),
    show_as="elsewhere",
    categories=("Undervisning",),
)
Json = dict[str, Any]


def created(content: Content = CONTENT, key: str = "12345#0123abcd") -> Json:
    request = events.create(MAILBOX, NewEntry(sync_key=key, content=content), OSLO)
    assert request.body is not None
    return request.body


def changed(**fields: Any) -> Request:
    change = EntryChange(item_id="AA=b/c+d", **fields)
    return events.update(MAILBOX, change, ItemRef(item_id="AA=b/c+d", change_key="k/1=="), OSLO)


# -- requests ----------------------------------------------------------------------------------------


def test_a_create_says_every_default_that_matters_and_invites_nobody() -> None:
    body = created()
    told = {name: body[name] for name in ("isReminderOn", "isOnlineMeeting", "isAllDay")}
    assert told == {"isReminderOn": False, "isOnlineMeeting": False, "isAllDay": False}
    assert (body["sensitivity"], body["importance"]) == ("normal", "normal")
    assert body["showAs"] == "workingElsewhere"
    assert body["categories"] == ["Undervisning"]
    assert body["singleValueExtendedProperties"] == [{"id": PROPERTY, "value": "12345#0123abcd"}]
    assert "attendees" not in body
    assert "reminderMinutesBeforeStart" not in body


def test_a_reminder_that_is_wished_is_told() -> None:
    body = created(replace(CONTENT, reminder_minutes=0))
    assert (body["isReminderOn"], body["reminderMinutesBeforeStart"]) == (True, 0)


def test_the_transaction_id_is_of_the_key_alone() -> None:
    first, again, other = created(), created(replace(CONTENT, subject="x")), created(key="1#2")
    assert first["transactionId"] == again["transactionId"] != other["transactionId"]
    assert UUID(first["transactionId"]).version == 5


@pytest.mark.parametrize(
    ("fields", "names"),
    [
        ({"subject": "x"}, {"subject"}),
        ({"body": "x"}, {"body"}),
        ({"location": ""}, {"location"}),
        ({"show_as": "free"}, {"showAs"}),
        ({"starts_at": START, "ends_at": START}, {"start", "end"}),
        ({"release": True}, {"singleValueExtendedProperties"}),
    ],
)
def test_an_update_names_what_it_changes_and_nothing_else(fields: Json, names: set[str]) -> None:
    request = changed(**fields)
    assert request.body is not None
    assert request.body.keys() == names
    assert request.headers["If-Match"] == 'W/"k/1=="'
    assert request.url == "/users/o%27hara%2Bx%40uni.example/events/AA%3Db%2Fc%2Bd"


def test_a_release_leaves_a_value_that_is_no_key() -> None:
    body = changed(release=True).body or {}
    assert body["singleValueExtendedProperties"] == [{"id": PROPERTY, "value": "released"}]
    assert events.sync_key(body) is None


@pytest.mark.parametrize("key", ["a#1+2", "o'hara#&=%/?", "æ#ø"])
def test_a_search_survives_every_sign_of_a_key(key: str) -> None:
    url = events.find(MAILBOX, key).url
    assert "#" not in url
    assert "+" not in url
    options = parse_qs(urlsplit(url).query)
    doubled = key.replace("'", "''")
    assert options["$filter"] == [
        f"singleValueExtendedProperties/Any(ep: ep/id eq '{PROPERTY}' and ep/value eq '{doubled}')"
    ]
    assert options["$expand"] == [f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"]


def test_a_search_for_all_is_for_our_sign_and_always_expands() -> None:
    url = events.find(MAILBOX, None).url
    assert "contains(ep/value,'#')" in unquote(url)
    assert "%27%23%27" in url
    assert "$expand=" in url
    assert url.startswith("/users/o%27hara%2Bx%40uni.example/calendar/events?")


def test_every_read_whose_body_may_be_written_back_wants_it_unfiltered() -> None:
    request = events.get(MAILBOX, "x", fields=True, additions=False)
    assert request.headers == {"Prefer": "outlook.allow-unsafe-html"}
    assert "$expand=" in request.url
    plain = events.get(MAILBOX, "x", fields=False, additions=False)
    assert (plain.headers, plain.url.partition("?")[2]) == ({}, "$select=id,changeKey")


def test_a_chain_waits_for_the_one_before_and_all_else_for_nobody() -> None:
    wanted = [
        events.delete(MAILBOX, "a", hard=False),
        changed(subject="x"),
        events.delete(MAILBOX, "b", hard=True),
    ]
    chained = json.loads(events.batch(wanted, chained=True))["requests"]
    assert [part.get("dependsOn") for part in chained] == [None, ["0"], ["1"]]
    assert [part["id"] for part in chained] == ["0", "1", "2"]
    free = json.loads(events.batch(wanted, chained=False))["requests"]
    assert all("dependsOn" not in part for part in free)
    assert "headers" not in free[0]
    assert free[2]["body"] == {}
    assert free[2]["headers"] == {"Content-Type": "application/json"}


# -- times -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("moment", "wall", "zone"),
    [
        ("2025-09-01T08:15:00+00:00", "2025-09-01T10:15:00", "W. Europe Standard Time"),
        ("2025-12-01T08:15:00+00:00", "2025-12-01T09:15:00", "W. Europe Standard Time"),
        ("2025-10-25T23:59:00+00:00", "2025-10-26T01:59:00", "W. Europe Standard Time"),
        ("2025-10-26T00:00:00+00:00", "2025-10-26T00:00:00", "UTC"),  # 02:00, the first time
        ("2025-10-26T01:59:59+00:00", "2025-10-26T01:59:59", "UTC"),  # 02:59:59, the second time
        ("2025-10-26T02:00:00+00:00", "2025-10-26T03:00:00", "W. Europe Standard Time"),
        ("2025-03-30T00:59:00+00:00", "2025-03-30T01:59:00", "W. Europe Standard Time"),
        ("2025-03-30T01:00:00+00:00", "2025-03-30T03:00:00", "W. Europe Standard Time"),
        ("2025-09-01T10:15:00.5+02:00", "2025-09-01T10:15:00", "W. Europe Standard Time"),
    ],
)
def test_a_time_is_written_as_users_see_it_or_in_utc_where_that_has_two_senses(
    moment: str, wall: str, zone: str
) -> None:
    assert OSLO.write(datetime.fromisoformat(moment)) == {"dateTime": wall, "timeZone": zone}


def test_a_zone_that_windows_has_no_name_for_is_refused() -> None:
    with pytest.raises(ConfigError, match="Windows has no name for Mars/Phobos"):
        Clock.of("Mars/Phobos")


def test_a_time_in_another_zone_than_was_asked_for_is_not_read() -> None:
    with pytest.raises(Unparsable):
        events.state_of(an_event(start={"dateTime": "2025-09-01T10:15", "timeZone": "x"}), **ALL)


# -- answers -----------------------------------------------------------------------------------------

ALL = {"fields": True, "additions": True}


def an_event(**fields: Any) -> Json:
    wall = {"dateTime": "2025-09-01T08:15:00.0000000", "timeZone": "UTC"}
    made = {"id": "AA=", "changeKey": "k", "attendees": [], "isOnlineMeeting": False}
    return {**made, "start": wall, "end": wall, "createdDateTime": "2025-01-01T00:00:00Z", **fields}


def with_key(value: object, name: str = PROPERTY) -> Json:
    return {"singleValueExtendedProperties": [{"id": name, "value": value}]}


@pytest.mark.parametrize(
    ("property_id", "key"),
    [
        (PROPERTY, "1#a"),
        (PROPERTY.replace("5f0d4c7e", "5F0D4C7E"), "1#a"),
        (PROPERTY.replace("SyncKey", "synckey"), None),
        (PROPERTY.replace("5f0d4c7e", "00000000"), None),
        ("SyncKey", None),
    ],
)
def test_our_property_is_known_by_its_guid_in_any_case(property_id: str, key: str | None) -> None:
    assert events.sync_key(with_key("1#a", property_id)) == key


def test_what_has_no_key_of_ours_is_dropped_from_what_was_found() -> None:
    page = [an_event(**with_key("1#a")), an_event(**with_key("released")), an_event()]
    page_body = {"value": page, "@odata.nextLink": "https://x/y"}
    items, following = events.found_in(page_body, contents=False)
    assert [item.sync_key for item in items] == ["1#a"]
    assert following == "https://x/y"
    assert items[0].starts_at == START


@pytest.mark.parametrize(
    ("fields", "is_meeting"),
    [
        ({}, False),
        ({"attendees": [{"type": "required"}]}, True),
        ({"isOnlineMeeting": True}, True),
        ({"isOnlineMeeting": None}, False),
    ],
)
def test_a_meeting_is_what_others_are_invited_to_or_is_online(
    fields: Json, is_meeting: bool
) -> None:
    assert events.is_meeting(an_event(**fields)) is is_meeting


@pytest.mark.parametrize("lacking", ["attendees", "isOnlineMeeting"])
def test_an_answer_that_does_not_say_whether_it_is_a_meeting_is_not_read(lacking: str) -> None:
    event = {name: value for name, value in an_event().items() if name != lacking}
    with pytest.raises(Unparsable):
        events.is_meeting(event)


def test_answers_are_ordered_by_their_ids_and_what_lacks_is_none() -> None:
    parts = [
        {"id": "2", "status": 204},
        {
            "id": "0",
            "status": 429,
            "headers": {"retry-after": "7"},
            "body": {"error": {"code": "X"}},
        },
        {"id": "3", "status": 200, "body": {}},
        {"id": "3", "status": 404, "body": {}},
        {"id": "9", "status": 200},
        {"id": "4", "status": "200"},
        "x",
    ]
    answers = events.read_batch(json.dumps({"responses": parts}).encode(), 5, NOW)
    assert answers[0] == Answer(
        status=429, body={"error": {"code": "X"}}, code="X", retry_after=timedelta(seconds=7)
    )
    assert answers[1] is None
    assert answers[2] is not None
    assert answers[2].is_success
    assert answers[3:] == [None, None]  # two that contradict, and one without a status


@pytest.mark.parametrize(
    "content", [b"", b"<html>", b"[]", b"{}", b'{"responses": {}}', b"[" * 9999]
)
def test_what_is_no_answer_to_a_batch_is_said_to_be_none(content: bytes) -> None:
    with pytest.raises(Unparsable):
        events.read_batch(content, 1, NOW)


def test_a_code_that_is_no_plain_name_is_not_shown() -> None:
    answer = events.read_one(403, {}, {"error": {"code": "someone@uni.example"}}, NOW)
    assert (answer.code, answer.name) == ("", "HTTP 403")


# -- real answers ------------------------------------------------------------------------------------


def test_what_we_write_is_of_microsofts_schema() -> None:
    schema = graph_schema.Schema()
    wanted = [
        events.create(MAILBOX, NewEntry(sync_key="1#a", content=CONTENT), OSLO),
        events.create(
            MAILBOX,
            NewEntry(sync_key="1#b", content=replace(CONTENT, reminder_minutes=5)),
            OSLO,
        ),
        changed(subject="x", body="y", location="z", show_as="oof", starts_at=START, ends_at=START),
        changed(release=True),
    ]
    batch = json.loads(events.batch(wanted, chained=True))
    assert schema.wrong_request("POST", "/$batch", batch) is None


def real(name: str) -> Json:
    recorded: Json = real_data.read(f"graph/{name}.json")
    return recorded


@pytest.mark.parametrize(
    ("name", "operation", "verdict"),
    [
        ("error-400-id-no-filter", Operation.FIND, Meaning.REFUSED),
        ("error-400-property-id", Operation.UPDATE, Meaning.REFUSED),
        ("error-400-time-zone", Operation.CREATE, Meaning.NEIGHBOUR),
        ("error-400-transaction-id-immutable", Operation.UPDATE, Meaning.REFUSED),
        ("error-403-access-policy", Operation.FIND, Meaning.DENIED),
        ("error-403-cannot-delete-immutable", Operation.DELETE, Meaning.GONE),
        ("error-404-item-not-found", Operation.GET, Meaning.GONE),
        ("error-404-item-not-found", Operation.CREATE, Meaning.MISSING),
        ("error-404-mailbox-not-enabled", Operation.FIND, Meaning.MISSING),
        ("error-412-irresolvable-conflict", Operation.UPDATE, Meaning.CONFLICT),
        ("error-412-irresolvable-conflict", Operation.GET, Meaning.LATER),
        ("error-500-calendarview-filter", Operation.FIND, Meaning.LATER),
        ("error-503-concurrent-item-save", Operation.CREATE, Meaning.UNKNOWN),
        ("error-504-unknown", Operation.CREATE, Meaning.UNKNOWN),
        ("throttled-429-headers", Operation.CREATE, Meaning.LATER),
    ],
)
def test_a_real_error_has_its_verdict(name: str, operation: Operation, verdict: Meaning) -> None:
    recorded = real(name)
    headers = recorded.get("headers", {})
    answer = events.read_one(recorded["status"], headers, recorded["body"], NOW)
    assert answer.code
    assert meaning(operation, answer.status, answer.code) is verdict
    assert answer.retry_after == (timedelta(seconds=1) if headers else None)


def test_a_real_throttled_batch_says_for_whom_and_how_long() -> None:
    recorded = real("batch-response-429-mailbox-concurrency")
    answers = events.read_batch(json.dumps(recorded["body"]).encode(), 7, NOW)
    throttled = answers[6]
    assert throttled is not None
    assert (throttled.status, throttled.code) == (429, "ApplicationThrottled")
    assert throttled.retry_after == timedelta(seconds=1)
    assert answers[:6] == [None] * 6


def test_a_real_mixed_batch_is_judged_one_by_one() -> None:
    recorded = real("batch-response-mixed-200")
    answers = events.read_batch(json.dumps(recorded["body"]).encode(), 9, NOW)
    statuses = {number: each.status for number, each in enumerate(answers) if each is not None}
    assert (statuses[2], statuses[3], statuses[4]) == (403, 403, 405)


def test_a_real_plain_event_is_none_of_ours_and_no_meeting() -> None:
    event = real("event-plain-no-attendees-200")["body"] | {"isOnlineMeeting": False}
    state = events.state_of(event, **ALL)
    assert (state.sync_key, state.meeting, state.show_as) == (None, False, "busy")
    assert state.additions == Additions(False, (), 15, "Normal", "Normal")
    assert (state.body or "").startswith("<html>")


def test_a_real_event_with_guests_is_a_meeting() -> None:
    assert events.is_meeting(real("event-create-201")["body"])
    assert events.is_meeting({"attendees": [], **real("event-create-teams-201")["body"]})


def test_a_real_property_and_real_empty_lists_are_read() -> None:
    assert events.found_in(real("events-filter-nothing-found-200")["body"], contents=False) == (
        [],
        None,
    )
    assert events.found_in(real("events-list-without-property-200")["body"], contents=False) == (
        [],
        None,
    )
    assert events.sync_key(real("extended-property-get-200")["body"]) is None
