"""An event as Graph writes it, and as requests give it."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

from kalender.sandbox.graph import html
from kalender.sandbox.graph.errors import GraphError, Json
from kalender.sandbox.graph.odata import NamedProperty, named_property, property_value
from kalender.sandbox.graph.zones import instant, zone
from kalender.sandbox.mailboxes import DEFAULTS, SERIES, Item, joined, listed, stamp
from kalender.sandbox.values import is_meeting

Fields = dict[str, str]
SHOW_AS = {
    "free": "Free",
    "tentative": "Tentative",
    "busy": "Busy",
    "oof": "OOF",
    "workingElsewhere": "WorkingElsewhere",
    "unknown": "NoData",
}
_SENSITIVITY = {name.lower(): name for name in ("Normal", "Personal", "Private", "Confidential")}
_IMPORTANCE = {name.lower(): name for name in ("Low", "Normal", "High")}
_ATTENDEES = {
    "required": "RequiredAttendees",
    "optional": "OptionalAttendees",
    "resource": "Resources",
}
_PROVIDERS = {"unknown", "skypeForBusiness", "skypeForConsumer", "teamsForBusiness"}
_NEVER = "0001-01-01T00:00:00Z"
TRANSACTION = "transactionId"  # no path that a request over EWS could name


# -- writing ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How an answer shows events."""

    base: str
    select: frozenset[str] | None = None
    expand: tuple[NamedProperty, ...] = ()
    guid: str = "lower"
    time_zone: str = "UTC"
    as_text: bool = False
    unsafe: bool = False
    immutable: bool = False


def change_key(appointment: Item) -> str:
    """Return the change key as Graph shows it, which is another one than that of EWS."""
    digest = hashlib.sha256(appointment.box.prefix.encode()).digest()[:16]
    return base64.b64encode(digest + b"\x00\x00" + appointment.version.to_bytes(4, "big")).decode()


def etag(appointment: Item) -> str:
    """Return the ETag."""
    return f'W/"{change_key(appointment)}"'


def shown(appointment: Item, view: View) -> Json:
    """Write an event."""
    names = (
        WRITERS if view.select is None else [n for n in WRITERS if n in view.select or n == "id"]
    )
    made: Json = {"@odata.etag": etag(appointment)}
    made |= {name: WRITERS[name](appointment, view) for name in names}
    properties = [
        {"id": named.shown(view.guid), "value": value}
        for named in view.expand
        for value in appointment.values(named.path)
    ]
    return made | ({"singleValueExtendedProperties": properties} if properties else {})


def _time_of(seconds: int, number: int) -> str:
    """Return a time with Graph's seven digits, another microsecond for each number."""
    moment = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{moment.isoformat()}.{number % 1_000_000:06d}0Z"


def _wall(appointment: Item, name: str, view: View) -> Json:
    moment = datetime.fromisoformat(appointment.fields[name]).astimezone(zone(view.time_zone))
    text = f"{moment.replace(tzinfo=None).isoformat()}.0000000"
    return {"dateTime": text, "timeZone": view.time_zone}


def _location(appointment: Item) -> Json:
    name = appointment.fields.get("Location", "")
    if not name:
        empty: Json = {"address": {}, "coordinates": {}}
        return {"displayName": "", "locationType": "default", "uniqueIdType": "unknown", **empty}
    own = {"uniqueId": name, "uniqueIdType": "private"}
    return {"displayName": name, "locationType": "default", **own}


def _attendees(appointment: Item) -> list[Json]:
    return [
        {
            "type": kind,
            "status": {"response": "none", "time": _NEVER},
            "emailAddress": {"name": address, "address": address},
        }
        for kind, field in _ATTENDEES.items()
        for address in listed(appointment.fields.get(field))
    ]


def _body(appointment: Item, view: View) -> Json:
    if view.as_text:
        return {"contentType": "text", "content": html.text_of(appointment)}
    return {
        "contentType": "html",
        "content": html.document(appointment, unsafe=view.unsafe),
    }


def _flag(name: str, default: str = "false") -> Callable[[Item, View], object]:
    return lambda appointment, _: appointment.fields.get(name, default) == "true"


def _choice(name: str, words: Mapping[str, str]) -> Callable[[Item, View], object]:
    back = {value: key for key, value in words.items()}
    return lambda appointment, _: back.get(appointment.fields.get(name, ""), "unknown")


def _always(value: object) -> Callable[[Item, View], object]:
    return lambda _, __: value


def _online(appointment: Item) -> bool:
    return appointment.fields.get("IsOnlineMeeting") == "true"


def _provider(appointment: Item) -> str:
    return "teamsForBusiness" if _online(appointment) else "unknown"


def _meeting(appointment: Item) -> Json | None:
    url = f"https://teams.example/meet/{appointment.number}"
    return {"joinUrl": url} if _online(appointment) else None


def _organizer(appointment: Item) -> Json:
    address = appointment.box.address
    return {"emailAddress": {"name": address, "address": address}}


WRITERS: dict[str, Callable[[Item, View], object]] = {
    "id": lambda appointment, _: appointment.id,
    "createdDateTime": lambda appointment, _: _time_of(appointment.created, appointment.number),
    "lastModifiedDateTime": lambda appointment, _: _time_of(
        appointment.modified, appointment.version
    ),
    "changeKey": lambda appointment, _: change_key(appointment),
    "categories": lambda appointment, _: listed(appointment.fields.get("Categories")),
    "transactionId": lambda appointment, _: dict(appointment.props).get(TRANSACTION),
    "originalStartTimeZone": lambda appointment, _: appointment.fields.get("StartTimeZone", "UTC"),
    "originalEndTimeZone": lambda appointment, _: appointment.fields.get("EndTimeZone", "UTC"),
    "iCalUId": lambda appointment, _: (
        appointment.fields.get("UID")
        or f"040000008200E00074C5B7101A82E008{appointment.number:032X}"
    ),
    "reminderMinutesBeforeStart": lambda appointment, _: int(
        appointment.fields.get("ReminderMinutesBeforeStart", "15")
    ),
    "isReminderOn": _flag("ReminderIsSet"),
    "hasAttachments": lambda appointment, _: bool(appointment.attachments),
    "subject": lambda appointment, _: appointment.fields.get("Subject", ""),
    "bodyPreview": lambda appointment, _: html.preview(appointment),
    "importance": _choice("Importance", _IMPORTANCE),
    "sensitivity": _choice("Sensitivity", _SENSITIVITY),
    "isAllDay": _flag("IsAllDayEvent"),
    "isCancelled": _always(value=False),
    "isOrganizer": _always(value=True),
    "responseRequested": _flag("IsResponseRequested", "true"),
    "seriesMasterId": _always(None),
    "showAs": _choice("LegacyFreeBusyStatus", SHOW_AS),
    "type": lambda appointment, _: (
        "seriesMaster" if SERIES in appointment.fields else "singleInstance"
    ),
    "webLink": lambda appointment, _: (
        f"https://outlook.example/owa/?itemid={quote(appointment.id, safe='')}&exvsurl=1"
    ),
    "onlineMeetingUrl": _always(None),
    "isOnlineMeeting": lambda appointment, _: _online(appointment),
    "onlineMeetingProvider": lambda appointment, _: _provider(appointment),
    "allowNewTimeProposals": _flag("AllowNewTimeProposal", "true"),
    "isDraft": _always(value=False),
    "hideAttendees": _flag("HideAttendees"),
    "responseStatus": _always({"response": "organizer", "time": _NEVER}),
    "body": _body,
    "start": lambda appointment, view: _wall(appointment, "Start", view),
    "end": lambda appointment, view: _wall(appointment, "End", view),
    "location": lambda appointment, _: _location(appointment),
    "locations": lambda appointment, _: (
        [_location(appointment)] if appointment.fields.get("Location") else []
    ),
    "recurrence": _always(None),
    "attendees": lambda appointment, _: _attendees(appointment),
    "organizer": lambda appointment, _: _organizer(appointment),
    "onlineMeeting": lambda appointment, _: _meeting(appointment),
}
_READ_ONLY = (
    {"bodyPreview", "changeKey", "createdDateTime", "hasAttachments", "iCalUId", "id"}
    | {"isCancelled", "isDraft", "isOrganizer", "lastModifiedDateTime", "onlineMeeting"}
    | {"onlineMeetingUrl", "organizer", "originalEndTimeZone", "originalStart", "type", "webLink"}
    | {"originalStartTimeZone", "responseStatus", "seriesMasterId", "cancelledOccurrences"}
)
KNOWN = frozenset(WRITERS) | {"singleValueExtendedProperties", "originalStart"}


def mails(appointment: Item, kind: str) -> list[Json]:
    """Return what Exchange mails to attendees when the event is written or deleted."""
    if not is_meeting(appointment):
        return []
    to = [attendee["emailAddress"]["address"] for attendee in _attendees(appointment)]
    own = {"mailbox": appointment.box.address, "id": appointment.id, "kind": kind}
    return [{**own, "sync_key": appointment.sync_key, "to": to}]


# -- reading ------------------------------------------------------------------------------------


def read(body: object, fields: Fields, props: Fields, *, new: bool) -> None:
    """Take what a request says of an event; what it leaves out stays as it is."""
    members = _members(body, "event")
    for name, value in members.items():
        if name.startswith("@odata."):
            continue
        if name == TRANSACTION:
            if not new:
                words = "The transactionId is set once, at creation."
                raise GraphError(400, "ErrorInvalidRequest", words)
            props |= {} if value is None else {TRANSACTION: _string(value, name)}
        elif name == "singleValueExtendedProperties":
            props |= _properties(value)
        elif name in _READ_ONLY:
            raise GraphError(400, "ErrorInvalidRequest", f"The property '{name}' is read-only.")
        elif name not in _READERS:
            raise _no_member(name, "event")
        elif value is None:
            _clear(name, fields)
        else:
            _READERS[name](value, fields)
    _check(members, fields)


def _check(members: Mapping[str, object], fields: Fields) -> None:
    if "Start" not in fields or "End" not in fields or fields["End"] < fields["Start"]:
        raise GraphError(400, "ErrorPropertyValidationFailure")
    if fields.get("IsAllDayEvent") == "true":
        for name in ("start", "end"):
            moment = members.get(name)
            if isinstance(moment, dict) and not re.search(
                r"T00:00(:00(\.0+)?)?$", str(moment.get("dateTime"))
            ):
                words = f"The Event.{name} property of an all-day event must be midnight."
                raise GraphError(400, "ErrorPropertyValidationFailure", words)


def _no_member(name: str, kind: str) -> GraphError:
    return GraphError(
        400,
        "RequestBodyRead",
        f"The property '{name}' does not exist on type 'microsoft.graph.{kind}'. Make sure to only "
        "use property names that are defined by the type.",
    )


def _literal(value: object, kind: str) -> GraphError:
    words = f"Cannot convert the literal '{value}' to the expected type '{kind}'."
    return GraphError(400, "RequestBodyRead", words)


def _members(value: object, kind: str, known: frozenset[str] | None = None) -> Json:
    if not isinstance(value, dict):
        raise _literal(value, f"microsoft.graph.{kind}")
    for name in value:
        if known is not None and name not in known and not name.startswith("@odata."):
            raise _no_member(name, kind)
    return value


def _string(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise _literal(value, f"Edm.String ({name})")
    return value


def _strings(value: object, name: str) -> list[str]:
    if not isinstance(value, list):
        raise _literal(value, f"Collection(Edm.String) ({name})")
    return [_string(element, name) for element in value]


def _one_of(value: object, words: Mapping[str, str], kind: str) -> str:
    """Read a member of an enumeration; capitals do not matter."""
    folded = {key.casefold(): written for key, written in words.items()}
    text = _string(value, kind).casefold()
    if text not in folded:
        raise GraphError(400, "RequestBodyRead", f"'{value}' is no member of {kind}.")
    return folded[text]


def _properties(value: object) -> Fields:
    if not isinstance(value, list):
        raise _literal(value, "Collection(microsoft.graph.singleValueLegacyExtendedProperty)")
    made = Fields()
    for element in value:
        members = _members(element, "singleValueLegacyExtendedProperty", frozenset({"id", "value"}))
        named = named_property(_string(members.get("id", ""), "id"))
        made[named.path] = property_value(named, _string(members.get("value"), "value"))
    return made


def _clear(name: str, fields: Fields) -> None:
    cleared = _CLEARED.get(name)
    if cleared is None:
        raise GraphError(400, "ErrorInvalidRequest", f"The property '{name}' cannot be null.")
    for field in cleared:
        fields.pop(field, None)
        if field in DEFAULTS:
            fields[field] = DEFAULTS[field]


def _read_text(field: str, name: str) -> Callable[[object, Fields], None]:
    def reader(value: object, fields: Fields) -> None:
        fields[field] = _string(value, name)

    return reader


def _read_flag(field: str | None) -> Callable[[object, Fields], None]:
    def reader(value: object, fields: Fields) -> None:
        if not isinstance(value, bool):
            raise _literal(value, "Edm.Boolean")
        if field is not None:
            fields[field] = "true" if value else "false"

    return reader


def _read_choice(field: str, words: Mapping[str, str]) -> Callable[[object, Fields], None]:
    def reader(value: object, fields: Fields) -> None:
        fields[field] = _one_of(value, words, field)

    return reader


def _read_body(value: object, fields: Fields) -> None:
    members = _members(value, "itemBody", frozenset({"contentType", "content"}))
    kinds = {"html": "HTML", "text": "Text"}
    content = members.get("content")
    fields["BodyType"] = _one_of(members.get("contentType", "text"), kinds, "bodyType")
    fields["Body"] = "" if content is None else _string(content, "content")


def _read_time(field: str) -> Callable[[object, Fields], None]:
    def reader(value: object, fields: Fields) -> None:
        members = _members(value, "dateTimeTimeZone", frozenset({"dateTime", "timeZone"}))
        text = _string(members.get("dateTime"), "dateTime")
        name = _string(members.get("timeZone", "UTC"), "timeZone")
        zone(name)
        try:
            wall = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+$", r"\1", text))
        except ValueError as error:
            raise _literal(text, "Edm.DateTime") from error
        if wall.tzinfo is not None or "T" not in text:
            raise _literal(text, "Edm.DateTime")
        fields[field], fields[f"{field}TimeZone"] = stamp(instant(wall, name)), name

    return reader


_LOCATION = frozenset(
    {"displayName", "locationEmailAddress", "locationType", "locationUri"}
    | {"uniqueId", "uniqueIdType", "address", "coordinates"}
)


def _place(value: object) -> str:
    name = _members(value, "location", _LOCATION).get("displayName")
    return "" if name is None else _string(name, "displayName")


def _read_location(value: object, fields: Fields) -> None:
    fields["Location"] = _place(value)


def _read_locations(value: object, fields: Fields) -> None:
    if not isinstance(value, list):
        raise _literal(value, "Collection(microsoft.graph.location)")
    fields["Location"] = "; ".join(filter(None, map(_place, value)))


def _read_categories(value: object, fields: Fields) -> None:
    fields["Categories"] = joined(_strings(value, "categories"))


def _read_attendees(value: object, fields: Fields) -> None:
    if not isinstance(value, list):
        raise _literal(value, "Collection(microsoft.graph.attendee)")
    people: dict[str, list[str]] = {field: [] for field in _ATTENDEES.values()}
    allowed = frozenset({"emailAddress", "type", "status", "proposedNewTime"})
    for element in value:
        members = _members(element, "attendee", allowed)
        mail = _members(members.get("emailAddress"), "emailAddress", frozenset({"address", "name"}))
        kind = _one_of(members.get("type", "required"), _ATTENDEES, "attendeeType")
        people[kind].append(_string(mail.get("address"), "address"))
    for field, addresses in people.items():
        fields.pop(field, None)
        if addresses:
            fields[field] = joined(addresses)


def _read_minutes(value: object, fields: Fields) -> None:
    if not isinstance(value, int) or isinstance(value, bool):
        raise _literal(value, "Edm.Int32")
    fields["ReminderMinutesBeforeStart"] = str(value)


def _read_provider(value: object, _: Fields) -> None:
    _one_of(value, {provider: provider for provider in _PROVIDERS}, "onlineMeetingProviderType")


def _read_recurrence(_: object, __: Fields) -> None:
    raise GraphError(400, "ErrorInvalidRequest", "This sandbox knows no series.")


_READERS: dict[str, Callable[[object, Fields], None]] = {
    "subject": _read_text("Subject", "subject"),
    "body": _read_body,
    "start": _read_time("Start"),
    "end": _read_time("End"),
    "location": _read_location,
    "locations": _read_locations,
    "categories": _read_categories,
    "attendees": _read_attendees,
    "showAs": _read_choice("LegacyFreeBusyStatus", SHOW_AS),
    "sensitivity": _read_choice("Sensitivity", _SENSITIVITY),
    "importance": _read_choice("Importance", _IMPORTANCE),
    "isAllDay": _read_flag("IsAllDayEvent"),
    "isReminderOn": _read_flag("ReminderIsSet"),
    "isOnlineMeeting": _read_flag("IsOnlineMeeting"),
    "hideAttendees": _read_flag("HideAttendees"),
    "responseRequested": _read_flag("IsResponseRequested"),
    "allowNewTimeProposals": _read_flag("AllowNewTimeProposal"),
    "reminderMinutesBeforeStart": _read_minutes,
    "onlineMeetingProvider": _read_provider,
    "recurrence": _read_recurrence,
}
FLAGS = frozenset(
    {"isAllDay", "isReminderOn", "isOnlineMeeting", "hideAttendees", "responseRequested"}
    | {"allowNewTimeProposals"}
)
_CLEARED: dict[str, tuple[str, ...]] = {
    "subject": ("Subject",),
    "body": ("Body", "BodyType"),
    "location": ("Location",),
    "locations": ("Location",),
    "categories": ("Categories",),
    "attendees": tuple(_ATTENDEES.values()),
    "reminderMinutesBeforeStart": ("ReminderMinutesBeforeStart",),
    "recurrence": (),
    "onlineMeetingProvider": (),
}
