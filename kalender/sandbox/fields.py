"""An item's fields as a request gives them: how they are named, and what their values may be."""

import base64
import re
import sys
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from kalender.sandbox.mailboxes import joined, stamp
from kalender.sandbox.schema import Element, T, attributes
from kalender.sandbox.soap import ItemError

_ZONES = {
    "W. Europe Standard Time": "Europe/Oslo",
    "Romance Standard Time": "Europe/Paris",
    "Central Europe Standard Time": "Europe/Budapest",
    "GMT Standard Time": "Europe/London",
    "FLE Standard Time": "Europe/Helsinki",
    "Eastern Standard Time": "America/New_York",
    "Pacific Standard Time": "America/Los_Angeles",
    "UTC": "UTC",
}
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)\s*$")
_OWN = ("item:", "calendar:")
Fields = dict[str, str]


@lru_cache(65536)
def instant(text: str, zone: str) -> str:
    """Read an instant; one without an offset is local to `zone`."""
    try:
        value = datetime.fromisoformat(text.strip())
        if value.tzinfo is None:
            value = value.replace(tzinfo=ZoneInfo(_ZONES[zone]))
        return stamp(value)
    except LookupError as error:
        raise ItemError(code="ErrorCalendarInvalidTimeZone") from error
    except (ValueError, OverflowError) as error:
        raise ItemError(code="ErrorInvalidRequest", message=f"'{text}' is no dateTime") from error


def _zone_of(node: Element) -> str:
    item = node.getparent()
    own = None if item is None else item.find(T + "StartTimeZone")
    if own is None:
        own = node.getroottree().find(f".//{T}TimeZoneContext/{T}TimeZoneDefinition")
    return "UTC" if own is None else own.get("Id", "UTC")


def _instant(node: Element) -> str:
    text = node.text or ""
    return instant(text, "UTC" if _OFFSET.search(text) else _zone_of(node))


def _text(node: Element) -> str:
    return node.text or ""


def _flag(node: Element) -> str:
    return "true" if (node.text or "").strip() in {"1", "true"} else "false"


def _number(node: Element) -> str:
    return str(int(node.text or "0"))


def _strings(node: Element) -> str:
    return joined(child.text or "" for child in node)


def _attendees(node: Element) -> str:
    return joined(a.text or "" for a in node.iter(T + "EmailAddress"))


def _zone_id(node: Element) -> str:
    return node.get("Id", "")


READ: dict[str, Callable[[Element], str]] = {
    **dict.fromkeys(("Subject", "Sensitivity", "Body", "Importance", "UID"), _text),
    **dict.fromkeys(("LegacyFreeBusyStatus", "Location", "ItemClass", "Culture"), _text),
    **dict.fromkeys(("ReminderIsSet", "IsAllDayEvent", "IsResponseRequested"), _flag),
    **dict.fromkeys(("Start", "End"), _instant),
    **dict.fromkeys(("RequiredAttendees", "OptionalAttendees", "Resources"), _attendees),
    **dict.fromkeys(("StartTimeZone", "EndTimeZone", "MeetingTimeZone"), _zone_id),
    "AllowNewTimeProposal": _flag,
    "ReminderMinutesBeforeStart": _number,
    "Categories": _strings,
}
MULTIPLE = {name for name, read_ in READ.items() if read_ in {_strings, _attendees}}
_BY_TAG = {T + name: (name, read_) for name, read_ in READ.items()}


def read(node: Element, fields: Fields, props: Fields) -> None:
    """Take the fields and named properties of a CalendarItem element."""
    for child in node:
        known = _BY_TAG.get(child.tag)
        if known is not None:
            fields[known[0]] = known[1](child)
            if known[0] == "Body":
                fields["BodyType"] = child.get("BodyType", "Text")
        elif child.tag == T + "ExtendedProperty":
            path = path_of(child[0])
            props[path] = _value(path, child[1])
        else:
            message = f"{child.tag[len(T) :]} cannot be set"
            raise ItemError(code="ErrorInvalidPropertySet", message=message)


def _value(path: str, node: Element) -> str:
    """Read the value of a named property, in the one way in which its type is written."""
    kind = path.rpartition(":")[2]
    if kind.endswith("Array") != (node.tag == T + "Values"):
        raise ItemError(code="ErrorInvalidExtendedPropertyValue")
    if kind == "String":
        return node.text or ""
    texts = [node.text or ""] if len(node) == 0 else [child.text or "" for child in node]
    return joined(normal(kind.removesuffix("Array"), text) for text in texts)


def path_of(node: Element) -> str:
    """Name a property: a field's name, or set, name and type of a named one."""
    uri = node.get("FieldURI")
    if uri is None:
        return _named(tuple(attributes(node)))
    if node.tag == T + "FieldURI" and uri.startswith(_OWN):
        return uri.partition(":")[2]
    return uri.replace(":", ".")


_GUIDS = {
    "PublicStrings": "00020329-0000-0000-c000-000000000046",
    "InternetHeaders": "00020386-0000-0000-c000-000000000046",
    "Appointment": "00062002-0000-0000-c000-000000000046",
    "Task": "00062003-0000-0000-c000-000000000046",
    "Address": "00062004-0000-0000-c000-000000000046",
    "Common": "00062008-0000-0000-c000-000000000046",
    "Sharing": "00062040-0000-0000-c000-000000000046",
    "Meeting": "6ed8da90-450b-101b-98da-00aa003f1305",
    "CalendarAssistant": "11000e07-b51b-40d6-af21-caa85edab1d0",
    "UnifiedMessaging": "4442858e-a9e3-4e80-b900-317a210cc15b",
}
_SETS = ("PropertySetId", "DistinguishedPropertySetId")
_FORMS = {frozenset({s, n}) for s in _SETS for n in ("PropertyName", "PropertyId")}
_FORMS.add(frozenset({"PropertyTag"}))


@lru_cache(4096)
def _named(attributes: tuple[tuple[str, str], ...]) -> str:
    told = dict(attributes)
    kind = told.pop("PropertyType")
    if frozenset(told) not in _FORMS or kind in {"Error", "Null", "Object", "ObjectArray"}:
        raise ItemError(code="ErrorInvalidExtendedProperty")
    tag = told.get("PropertyTag")
    if tag is not None:
        return f":{int(tag, 16 if tag[1:2] in {'x', 'X'} else 10):#06x}:{kind}"
    guid = told.get("PropertySetId") or _GUIDS[told["DistinguishedPropertySetId"]]
    name = told.get("PropertyName") or int(told["PropertyId"])
    return sys.intern(f"{guid.lower()}:{name}:{kind}")


NUMBERS = {"Integer", "Short", "Long", "Float", "Double", "Currency", "ApplicationTime"}


def normal(kind: str, text: str) -> str:
    """Write a value of a type as Exchange gives it back; one that is not of it is refused."""
    try:
        if kind == "Boolean":
            return {"1": "true", "true": "true", "0": "false", "false": "false"}[text.strip()]
        if kind == "SystemTime":
            return instant(text, "UTC")
        if kind == "Binary":
            base64.b64decode(text, validate=True)
        elif kind in {"Integer", "Short", "Long"}:
            return str(int(text))
        elif kind in NUMBERS:
            float(text)
    except (LookupError, ValueError) as error:
        raise ItemError(code="ErrorInvalidExtendedPropertyValue") from error
    return text
