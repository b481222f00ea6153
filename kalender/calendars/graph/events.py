"""The requests that we make of Graph, as JSON, and what their answers say.

Every request names an event by its id, or is a search that is restricted to our property, or to the
mark of a predecessor that is taken over.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from tzlocal.windows_tz import tz_win

from kalender.domain.backoff import told_wait
from kalender.domain.model import Content
from kalender.domain.takeover import (
    CategoryMark,
    LineMark,
    MarkedItem,
    PredecessorMark,
    PropertyMark,
)
from kalender.errors import ConfigError
from kalender.ports import (
    Additions,
    EntryChange,
    EntryState,
    FoundItem,
    ItemRef,
    NewEntry,
)

Json = dict[str, Any]

# The property by which we know our entries, the same one over EWS: never to change.
PROPERTY_SET = "5f0d4c7e-6a0b-4f6e-9d5e-3b8f2a7c1e94"
PROPERTY_NAME = "SyncKey"
PROPERTY = f"String {{{PROPERTY_SET}}} Name {PROPERTY_NAME}"
MARK = "#"  # stands in every key of ours, and in nothing that is released
RELEASED = "released"  # Graph cannot take a property off
TAKEN_OVER = "taken over"  # stands in a predecessor's property for the same reason
SHOW_AS = {
    "busy": "busy",
    "free": "free",
    "tentative": "tentative",
    "oof": "oof",
    "elsewhere": "workingElsewhere",
}
READ_SHOW_AS = {wire: word for word, wire in SHOW_AS.items()}
UNFILTERED = {"Prefer": "outlook.allow-unsafe-html"}
EXPAND = f"singleValueExtendedProperties($filter=id eq '{PROPERTY}')"
PAGE = 250
PAGE_OF_CONTENTS = 100  # bodies may have some ten thousand letters
PAGE_OF_REFS = 1000  # the most that Graph gives
SAME_KEY = 10  # items with one key, a page: its entry, and copies that its user made

_NAMESPACE = UUID(PROPERTY_SET)
_ANY_KEY = f"contains(ep/value,'{MARK}')"
_GUARDED = ("id", "changeKey", "attendees", "isOnlineMeeting")
_READ = (*_GUARDED, "subject", "body", "location", "start", "end", "showAs")
_READ_ADDITIONS = (
    "sensitivity",
    "categories",
    "importance",
    "isReminderOn",
    "reminderMinutesBeforeStart",
    "hasAttachments",
)
_FOUND = (*_GUARDED, "createdDateTime", "start", "end")
_FOUND_MARKED = (*_FOUND, "subject", "location", "type", "categories")


class Unparsable(Exception):
    """This is no answer of Graph's."""


# -- requests -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request of a batch; `url` is relative to the version's root."""

    method: str
    url: str
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def batch(requests: Sequence[Request], *, chained: bool) -> bytes:
    """Return the body of a `$batch`; in a chain each request waits for the one before it."""
    parts = []
    for number, request in enumerate(requests):
        part: Json = {"id": str(number), "method": request.method, "url": request.url}
        headers = dict(request.headers)
        if chained and number:
            part["dependsOn"] = [str(number - 1)]
        if request.body is not None:
            headers["Content-Type"] = "application/json"
            part["body"] = request.body
        if headers:
            part["headers"] = headers
        parts.append(part)
    return json.dumps({"requests": parts}).encode()


@dataclass(frozen=True, slots=True)
class Clock:
    """Writes times of one institution as its users see them."""

    zone: ZoneInfo
    windows_name: str

    @classmethod
    def of(cls, time_zone: str) -> "Clock":
        """Return the clock of an IANA time zone; ConfigError where Windows has no name for it."""
        name = tz_win.get(time_zone)
        if name is None:
            message = (
                f"institution.time_zone: Windows has no name for {time_zone}: give a larger place"
            )
            raise ConfigError(message)
        return cls(ZoneInfo(time_zone), name)

    def write(self, moment: datetime) -> Json:
        """Write a wall time with its zone, or UTC within the hour that autumn repeats."""
        return _written(self, moment)


@lru_cache(maxsize=10_000)
def _written(clock: Clock, moment: datetime) -> Json:
    """Write a time, which is that of an entry in hundreds of calendars."""
    local = moment.astimezone(clock.zone)
    is_repeated = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    wall, name = (moment.astimezone(UTC), "UTC") if is_repeated else (local, clock.windows_name)
    plain = wall.replace(tzinfo=None, microsecond=0, fold=0)
    return {"dateTime": plain.isoformat(), "timeZone": name}


def create(mailbox: str, entry: NewEntry, clock: Clock) -> Request:
    """Ask for a plain appointment; defaults that Graph would set otherwise are written out."""
    content: Content = entry.content
    body: Json = {
        "subject": content.subject,
        "body": _html(content.body),
        "location": {"displayName": content.location},
        "start": clock.write(content.starts_at),
        "end": clock.write(content.ends_at),
        "isAllDay": False,
        "showAs": SHOW_AS[content.show_as],
        "sensitivity": "normal",
        "importance": "normal",
        "isReminderOn": content.reminder_minutes is not None,
        "isOnlineMeeting": False,
        "categories": list(content.categories),
        # the same for the same key: Graph makes no second event of a request that it has seen
        "transactionId": str(uuid5(_NAMESPACE, entry.sync_key)),
        "singleValueExtendedProperties": [{"id": PROPERTY, "value": entry.sync_key}],
    }
    if content.reminder_minutes is not None:
        body["reminderMinutesBeforeStart"] = content.reminder_minutes
    return Request(method="POST", url=f"{_user(mailbox)}/calendar/events", body=body)


def update(mailbox: str, change: EntryChange, ref: ItemRef, clock: Clock) -> Request:
    """Ask for a change of the named fields alone, if the event is still as `ref` says."""
    values: Json = {
        "subject": change.subject,
        "body": _html(change.body) if change.body is not None else None,
        "location": {"displayName": change.location} if change.location is not None else None,
        "start": clock.write(change.starts_at) if change.starts_at is not None else None,
        "end": clock.write(change.ends_at) if change.ends_at is not None else None,
        "showAs": SHOW_AS[change.show_as] if change.show_as is not None else None,
        "categories": list(change.categories) if change.categories is not None else None,
        "singleValueExtendedProperties": _properties(change) or None,
    }
    return Request(
        method="PATCH",
        url=_event(mailbox, change.item_id),
        body={name: value for name, value in values.items() if value is not None},
        headers={"If-Match": f'W/"{ref.change_key}"'},
    )


def _properties(change: EntryChange) -> list[Json]:
    """Return the named properties that a change writes: our key, and a predecessor's mark."""
    key = RELEASED if change.release else change.sync_key
    written = [{"id": PROPERTY, "value": key}] if key is not None else []
    if change.mark is not None:
        value = TAKEN_OVER if change.mark.value is None else change.mark.value
        written.append({"id": _name_of(change.mark.mark), "value": value})
    return written


def _name_of(mark: PropertyMark) -> str:
    return f"String {{{mark.property_set}}} Name {mark.name}"


def delete(mailbox: str, item_id: str, *, hard: bool) -> Request:
    """Ask for an event to be moved to Deleted Items; `hard`: out of every client's reach."""
    url = _event(mailbox, item_id)
    if hard:
        return Request(method="POST", url=f"{url}/permanentDelete", body={})
    return Request(method="DELETE", url=url)


def guard(mailbox: str, item_id: str) -> Request:
    """Ask for what decides whether an event may be written to in silence."""
    return Request(method="GET", url=f"{_event(mailbox, item_id)}?$select={','.join(_GUARDED)}")


def get(mailbox: str, item_id: str, *, fields: bool, additions: bool) -> Request:
    """Ask for an event: with the fields we own and who is invited, or its change key alone.

    Its body comes as it is: what Graph would filter of it would be lost once it is written back.
    """
    if not fields:
        return Request(method="GET", url=f"{_event(mailbox, item_id)}?$select=id,changeKey")
    names = (*_READ, *(_READ_ADDITIONS if additions else ()))
    url = f"{_event(mailbox, item_id)}?$select={','.join(names)}&$expand={quote(EXPAND, safe='')}"
    return Request(method="GET", url=url, headers=UNFILTERED)


def find(mailbox: str, key: str | None, *, contents: bool = False) -> Request:
    """Ask for the events of the calendar with this key, or with any key of ours.

    With `contents` what `get` asks for as well, bodies as they are.
    """
    value = _ANY_KEY if key is None else f"ep/value eq {_quoted(key)}"
    size = PAGE_OF_CONTENTS if contents else PAGE
    options = {
        "$select": ",".join((*_READ, "createdDateTime") if contents else _FOUND),
        "$expand": quote(EXPAND, safe=""),
        "$top": str(size if key is None else SAME_KEY),
    }
    headers = UNFILTERED if contents else {}
    return _search(mailbox, _on_property(PROPERTY, value), options, headers)


def find_marked(mailbox: str, mark: PredecessorMark) -> Request:
    """Ask for the events of the calendar with a predecessor's mark.

    ValueError for a line of the body: Graph cannot search the bodies of events.
    """
    names = [PROPERTY, *([_name_of(mark)] if isinstance(mark, PropertyMark) else [])]
    ids = " or ".join(f"id eq {_quoted(name)}" for name in names)
    expand = f"singleValueExtendedProperties($filter={ids})"
    options = {"$select": ",".join(_FOUND_MARKED), "$expand": quote(expand, safe="")}
    return _search(mailbox, _marked_by(mark), {**options, "$top": str(PAGE)})


def _marked_by(mark: PredecessorMark) -> str:
    match mark:
        case PropertyMark():
            wanted = _quoted(mark.value)
            value = f"startswith(ep/value,{wanted})" if mark.prefix else f"ep/value eq {wanted}"
            return _on_property(_name_of(mark), value)
        case CategoryMark():
            return f"categories/any(c:c eq {_quoted(mark.category)})"
        case LineMark():
            message = "Graph cannot search the bodies of events"
            raise ValueError(message)


def _quoted(text: str) -> str:
    """Return a literal of OData."""
    return "'{}'".format(text.replace("'", "''"))


def find_refs(mailbox: str) -> Request:
    """Ask for ids and change keys of the events of the calendar with any key of ours."""
    options = {"$select": "id,changeKey", "$top": str(PAGE_OF_REFS)}
    return _search(mailbox, _on_property(PROPERTY, _ANY_KEY), options)


def _on_property(name: str, condition: str) -> str:
    """Return the restriction to events with a named property of which the condition is true."""
    return f"singleValueExtendedProperties/Any(ep: ep/id eq {_quoted(name)} and {condition})"


def _search(
    mailbox: str,
    restriction: str,
    options: Mapping[str, str],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> Request:
    query = "&".join(
        f"{name}={option}"
        for name, option in {"$filter": quote(restriction, safe=""), **options}.items()
    )
    url = f"{_user(mailbox)}/calendar/events?{query}"
    return Request(method="GET", url=url, headers=headers)


def calendar(mailbox: str) -> Request:
    """Ask whose the calendar is."""
    return Request(method="GET", url=f"{_user(mailbox)}/calendar?$select=id,owner")


@lru_cache(maxsize=1000)  # a batch names one user in each request
def _user(mailbox: str) -> str:
    return f"/users/{quote(mailbox, safe='')}"


def _event(mailbox: str, item_id: str) -> str:
    return f"{_user(mailbox)}/events/{quote(item_id, safe='')}"


def _html(body: str) -> Json:
    return {"contentType": "html", "content": body}


# -- answers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to one request; `code` is empty where it names none that is fit to be shown."""

    status: int
    body: Json
    code: str = ""
    retry_after: timedelta | None = None

    @property
    def is_success(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300  # noqa: PLR2004 - HTTP's

    @property
    def name(self) -> str:
        """Its code, or its status where it has none."""
        return self.code or f"HTTP {self.status}"


def owner_of(body: Json) -> str | None:
    """Return the address of a calendar's owner in lower case, or None where it is not told."""
    owner = body.get("owner")
    address = owner.get("address") if isinstance(owner, dict) else None
    return address.lower() if isinstance(address, str) and address else None


def read_batch(content: bytes, number: int, now: datetime) -> list[Answer | None]:
    """Return the answers in the order of the requests; None for one that did not come.

    Unparsable where this is no answer to a batch.
    """
    responses = _object(content).get("responses")
    if not isinstance(responses, list):
        raise Unparsable("no responses")
    answers: dict[str, Answer | None] = {}
    for response in responses:
        if not isinstance(response, dict) or not isinstance(response.get("status"), int):
            continue
        name = str(response.get("id"))
        headers = response.get("headers")
        answer = read_one(
            response["status"],
            headers if isinstance(headers, dict) else {},
            response.get("body"),
            now,
        )
        answers[name] = None if name in answers else answer  # two answers to one say nothing
    return [answers.get(str(position)) for position in range(number)]


def read_one(status: int, headers: Mapping[str, Any], body: object, now: datetime) -> Answer:
    """Return one answer from its parts; a body that is no JSON object counts as none."""
    error = body.get("error") if isinstance(body, dict) else None
    code = error.get("code") if isinstance(error, dict) else None
    told = next(
        (str(text) for name, text in headers.items() if name.lower() == "retry-after"), None
    )
    return Answer(
        status=status,
        body=body if isinstance(body, dict) else {},
        code=code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]\w{0,99}", code) else "",
        retry_after=told_wait(told, now),
    )


def body_of(content: bytes) -> Json | None:
    """Return the JSON object that a whole answer is, or None where it is none."""
    try:
        return _object(content)
    except Unparsable:
        return None


def _object(content: bytes) -> Json:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Unparsable("no JSON") from error
    if not isinstance(value, dict):
        raise Unparsable("no JSON object")
    return value


def ref_of(event: Json) -> ItemRef:
    """Return an event's reference; Unparsable where it has none."""
    item_id, change_key = event.get("id"), event.get("changeKey")
    if not isinstance(item_id, str) or not item_id or not isinstance(change_key, str):
        raise Unparsable("an event without its id")
    return ItemRef(item_id=item_id, change_key=change_key)


def is_meeting(event: Json) -> bool:
    """Whether its user invited anybody or anything, or made it an online meeting.

    Unparsable where the answer does not say so.
    """
    if not isinstance(event.get("attendees"), list) or "isOnlineMeeting" not in event:
        raise Unparsable("an event without its attendees")
    return bool(event["attendees"]) or bool(event["isOnlineMeeting"])


def state_of(event: Json, *, fields: bool, additions: bool) -> EntryState:
    """Return what was read of an event by its id; Unparsable where something lacks."""
    ref = ref_of(event)
    if not fields:
        return EntryState(ref=ref)
    return EntryState(
        ref=ref,
        sync_key=sync_key(event),
        subject=event.get("subject") or "",
        body=_inner(event, "body", "content"),
        location=_inner(event, "location", "displayName"),
        starts_at=_moment(event, "start"),
        ends_at=_moment(event, "end"),
        show_as=READ_SHOW_AS.get(event.get("showAs") or "", "unknown"),
        meeting=is_meeting(event),
        additions=_additions(event) if additions else None,
    )


def _additions(event: Json) -> Additions:
    minutes = event.get("reminderMinutesBeforeStart")
    reminds = event.get("isReminderOn") is True and isinstance(minutes, int)
    return Additions(
        attachments=event.get("hasAttachments") is True,
        categories=tuple(sorted(str(category) for category in event.get("categories") or ())),
        reminder_minutes=minutes if reminds else None,
        sensitivity=str(event.get("sensitivity") or "normal").capitalize(),
        importance=str(event.get("importance") or "normal").capitalize(),
    )


def found_in(body: Json, *, contents: bool) -> tuple[list[FoundItem], str | None]:
    """Return the events of a page that carry a key of ours, and the address of the next page."""
    items = []
    for event in _listed(body):
        key = sync_key(event) if isinstance(event, dict) else None
        if key is not None:
            items.append(
                FoundItem(
                    ref=ref_of(event),
                    sync_key=key,
                    created_at=_instant(event.get("createdDateTime")),
                    starts_at=_moment(event, "start"),
                    ends_at=_moment(event, "end"),
                    meeting=is_meeting(event),
                    state=state_of(event, fields=True, additions=False) if contents else None,
                )
            )
    return items, _next_link(body)


def marked_in(body: Json, mark: PredecessorMark) -> tuple[list[MarkedItem], str | None]:
    """Return the events of a page that carry a predecessor's mark, and the next page's address."""
    items = [
        MarkedItem(
            item_id=ref_of(event).item_id,
            value=(_value_of(event, _name_of(mark)) or "")
            if isinstance(mark, PropertyMark)
            else "",
            sync_key=sync_key(event),
            subject=event.get("subject") or "",
            location=_inner(event, "location", "displayName"),
            created_at=_instant(event.get("createdDateTime")),
            starts_at=_moment(event, "start"),
            ends_at=_moment(event, "end"),
            series=event.get("type") not in {"singleInstance", None},
        )
        for event in _listed(body)
        if isinstance(event, dict)
    ]
    return items, _next_link(body)


def refs_in(body: Json) -> tuple[list[ItemRef], str | None]:
    """Return the events of a page by id and change key, and the address of the next page."""
    events = [event for event in _listed(body) if isinstance(event, dict)]
    return [ref_of(event) for event in events], _next_link(body)


def _listed(body: Json) -> list[Any]:
    events = body.get("value")
    if not isinstance(events, list):
        raise Unparsable("no list of events")
    return events


def _next_link(body: Json) -> str | None:
    link = body.get("@odata.nextLink")
    return link if isinstance(link, str) else None


def sync_key(event: Json) -> str | None:
    """Return the key of ours on an event, or None; what was released carries none."""
    value = _value_of(event, PROPERTY)
    return value if value is not None and MARK in value else None


def _value_of(event: Json, name: str) -> str | None:
    """Return the value of a named property of an event, or None where it did not come.

    The GUID of its id comes in any case, its name in its own alone.
    """
    property_set, _, word = name.partition(" Name ")
    for extended in event.get("singleValueExtendedProperties") or ():
        if isinstance(extended, dict):
            told_set, _, told_word = str(extended.get("id")).partition(" Name ")
            if told_set.lower() == property_set.lower() and told_word == word:
                value = extended.get("value")
                return value if isinstance(value, str) else None
    return None


def _inner(event: Json, name: str, key: str) -> str:
    outer = event.get(name)
    return str(outer.get(key) or "") if isinstance(outer, dict) else ""


def _moment(event: Json, name: str) -> datetime:
    """Return a time that was asked for in UTC, as it is where no other zone is wished."""
    wall = event.get(name)
    if not isinstance(wall, dict) or wall.get("timeZone") != "UTC":
        raise Unparsable(f"an event without {name} in UTC")
    return _instant(wall.get("dateTime"))


def _instant(text: object) -> datetime:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise Unparsable("an event with a time that is none") from error
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
