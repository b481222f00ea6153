"""An item's fields: read from the XML of a request, written in the order Microsoft gives."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from html import unescape
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

from kalender.sandbox.mailboxes import Item, joined, listed, stamp
from kalender.sandbox.soap import RANK, Element, ItemError, T

_ZONES = {
    "W. Europe Standard Time": "Europe/Oslo",
    "Romance Standard Time": "Europe/Paris",
    "Central Europe Standard Time": "Europe/Budapest",
    "GMT Standard Time": "Europe/London",
    "FLE Standard Time": "Europe/Helsinki",
}
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_PUBLIC_STRINGS = "00020329-0000-0000-c000-000000000046"
_CDATA = re.compile(r"<(style|script|head)\b.*?</\1>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li)\b[^>]*>", re.IGNORECASE)


@lru_cache(65536)
def instant(text: str, zone: str) -> str:
    """Read an instant; one without an offset is local to `zone`."""
    try:
        value = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise ItemError(code="ErrorInvalidRequest", message=f"'{text}' is no dateTime") from error
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(_ZONES.get(zone, "UTC")))
    return stamp(value)


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


def _strings(node: Element) -> str:
    return joined(child.text or "" for child in node)


def _attendees(node: Element) -> str:
    return joined(a.text or "" for a in node.iter(T + "EmailAddress"))


def _zone_id(node: Element) -> str:
    return node.get("Id", "")


_READ: dict[str, Callable[[Element], str]] = {
    "Subject": _text,
    "Sensitivity": _text,
    "Body": _text,
    "Categories": _strings,
    "Importance": _text,
    "ReminderIsSet": _flag,
    "ReminderMinutesBeforeStart": _text,
    "UID": _text,
    "Start": _instant,
    "End": _instant,
    "IsAllDayEvent": _flag,
    "LegacyFreeBusyStatus": _text,
    "Location": _text,
    "IsResponseRequested": _flag,
    "RequiredAttendees": _attendees,
    "OptionalAttendees": _attendees,
    "Resources": _attendees,
    "StartTimeZone": _zone_id,
    "EndTimeZone": _zone_id,
    "MeetingTimeZone": _zone_id,
    "AllowNewTimeProposal": _flag,
    "ItemClass": _text,
    "Culture": _text,
}
_BY_TAG = {T + name: (name, read) for name, read in _READ.items()}


def read(node: Element, fields: dict[str, str], props: dict[str, str]) -> None:
    """Take the fields and named properties of a CalendarItem element."""
    for child in node:
        known = _BY_TAG.get(child.tag)
        if known is not None:
            fields[known[0]] = known[1](child)
            if known[0] == "Body":
                fields["BodyType"] = child.get("BodyType", "Text")
        elif child.tag == T + "ExtendedProperty":
            props[path_of(child[0])] = joined(v.text or "" for v in child.iter(T + "Value"))
        else:
            raise ItemError(
                code="ErrorInvalidPropertySet", message=f"{child.tag[len(T) :]} cannot be set"
            )


def path_of(node: Element) -> str:
    """Name a property: a field's name, or set, name and type of a named one."""
    uri = node.get("FieldURI")
    if uri is not None:
        return uri.partition(":")[2]
    guid = node.get("PropertySetId") or node.get("DistinguishedPropertySetId") or ""
    guid = _PUBLIC_STRINGS if guid == "PublicStrings" else guid.lower()
    name = node.get("PropertyName") or node.get("PropertyId") or node.get("PropertyTag", "")
    return sys.intern(f"{guid}:{name}:{node.get('PropertyType', '')}")


def plain(html: str) -> str:
    """Return the text of a body, as Exchange does for whoever asks for text."""
    text = _BREAK.sub("\n", _CDATA.sub("", html))
    return unescape(re.sub(r"<[^>]*>", "", text)).replace("\r\n", "\n").strip("\n")


def _body(item: Item, wanted: str) -> str:
    text = item.fields.get("Body")
    if text is None:
        return '<t:Body BodyType="Text"/>' if wanted == "Text" else ""
    kind = item.fields["BodyType"]
    if wanted == "Text" and kind == "HTML":
        kind, text = "Text", plain(text)
    elif wanted == "HTML" and kind == "Text":
        kind, text = "HTML", f'<div class="PlainText">{escape(text)}</div>'.replace("\n", "<br>\n")
    if kind == "HTML" and "<html" not in text[:200].lower():
        text = f"<html>\r\n<head>\r\n{_META}</head>\r\n<body>\r\n{text}\r\n</body>\r\n</html>\r\n"
    return f'<t:Body BodyType="{kind}">{escape(text, _RETURN)}</t:Body>'


_RETURN = {"\r": "&#xD;"}
_META = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'


def _plainly(name: str) -> Callable[[Item], str]:
    def render(item: Item) -> str:
        value = item.fields.get(name)
        return "" if value is None else f"<t:{name}>{escape(value)}</t:{name}>"

    return render


def _people(name: str) -> Callable[[Item], str]:
    def render(item: Item) -> str:
        people = listed(item.fields.get(name))
        inner = "".join(f"<t:Attendee>{_mailbox(a)}</t:Attendee>" for a in people)
        return f"<t:{name}>{inner}</t:{name}>" if inner else ""

    return render


def _zone(name: str) -> Callable[[Item], str]:
    def render(item: Item) -> str:
        value = item.fields.get(name)
        return f"<t:{name} Id={quoteattr(value)} Name={quoteattr(value)}/>" if value else ""

    return render


def _told(name: str, tell: Callable[[Item], object]) -> Callable[[Item], str]:
    def render(item: Item) -> str:
        value = tell(item)
        shown = str(value).lower() if isinstance(value, bool) else escape(str(value))
        return f"<t:{name}>{shown}</t:{name}>"

    return render


def _mailbox(address: str) -> str:
    shown = escape(address)
    return (
        f"<t:Mailbox><t:Name>{shown}</t:Name><t:EmailAddress>{shown}</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
    )


def _attachments(item: Item) -> str:
    inner = "".join(
        f'<t:FileAttachment><t:AttachmentId Id="{item.id}{n}"/><t:Name>{escape(name)}</t:Name>'
        "</t:FileAttachment>"
        for n, name in enumerate(item.attachments)
    )
    return f"<t:Attachments>{inner}</t:Attachments>" if inner else ""


def _categories(item: Item) -> str:
    inner = "".join(f"<t:String>{escape(c)}</t:String>" for c in listed(item.fields["Categories"]))
    return f"<t:Categories>{inner}</t:Categories>"


def is_meeting(item: Item) -> bool:
    """Tell whether somebody is invited."""
    return bool(item.fields.get("RequiredAttendees") or item.fields.get("OptionalAttendees"))


def when(seconds: int) -> str:
    """Write a time of the server's clock."""
    return stamp(datetime.fromtimestamp(seconds, UTC))


def _uid(item: Item) -> str:
    return item.fields.get("UID") or f"040000008200E00074C5B7101A82E008{item.number:032X}"


_WRITE: dict[str, Callable[[Item], str]] = {
    **{name: _plainly(name) for name, read_ in _READ.items() if read_ in {_text, _flag, _instant}},
    "Body": lambda item: _body(item, "Best"),
    "TextBody": lambda item: _body(item, "Text").replace("t:Body", "t:TextBody"),
    "Attachments": _attachments,
    "Categories": lambda item: _categories(item) if item.fields.get("Categories") else "",
    "RequiredAttendees": _people("RequiredAttendees"),
    "OptionalAttendees": _people("OptionalAttendees"),
    "Resources": _people("Resources"),
    "StartTimeZone": _zone("StartTimeZone"),
    "EndTimeZone": _zone("EndTimeZone"),
    "ItemClass": _told("ItemClass", lambda item: item.fields.get("ItemClass", "IPM.Appointment")),
    "Size": _told("Size", lambda item: 2000 + len(item.fields.get("Body", ""))),
    "DateTimeReceived": _told("DateTimeReceived", lambda item: when(item.created)),
    "DateTimeSent": _told("DateTimeSent", lambda item: when(item.created)),
    "DateTimeCreated": _told("DateTimeCreated", lambda item: when(item.created)),
    "LastModifiedTime": _told("LastModifiedTime", lambda item: when(item.modified)),
    "ReminderDueBy": _told("ReminderDueBy", lambda item: item.fields["Start"]),
    "HasAttachments": _told("HasAttachments", lambda item: bool(item.attachments)),
    "UID": _told("UID", _uid),
    "IsMeeting": _told("IsMeeting", is_meeting),
    "IsCancelled": _told("IsCancelled", lambda _: False),
    "IsRecurring": _told("IsRecurring", lambda _: False),
    "IsOnlineMeeting": _told("IsOnlineMeeting", lambda _: False),
    "MeetingRequestWasSent": _told("MeetingRequestWasSent", is_meeting),
    "CalendarItemType": _told("CalendarItemType", lambda _: "Single"),
    "MyResponseType": _told("MyResponseType", lambda _: "Organizer"),
    "Organizer": lambda item: f"<t:Organizer>{_mailbox(item.box.address)}</t:Organizer>",
}
_DEFAULT = [
    *("Subject", "HasAttachments", "ItemClass", "Body", "Start", "End", "LegacyFreeBusyStatus"),
    *("Location", "CalendarItemType", "Organizer", "RequiredAttendees", "OptionalAttendees"),
    *("IsRecurring", "IsAllDayEvent"),
]
_OWN = ("item:", "calendar:")
_NOT_FOUND_BY_SEARCH = {"Body", "TextBody", "Attachments", "RequiredAttendees", "OptionalAttendees"}
Writers = tuple[Callable[[Item], str], ...]


def writers(shape: Element, *, search: bool) -> Writers:
    """Return what writes an item in the shape that was asked for, in Microsoft's order."""
    base = {"Default": _DEFAULT, "AllProperties": list(_WRITE)}.get(_said(shape, "BaseShape"), [])
    wanted: list[tuple[int, Callable[[Item], str]]] = []
    names = dict.fromkeys(base)
    for node in shape.iterfind(f"{T}AdditionalProperties/*"):
        if node.tag == T + "ExtendedFieldURI":
            wanted.append((RANK["ExtendedProperty"], _named(node)))
        elif path_of(node) not in RANK and node.get("FieldURI", "").startswith(_OWN):
            raise ItemError(code="ErrorInvalidPropertyRequest", message=f"{node.get('FieldURI')}")
        else:
            names[path_of(node)] = None
    skip = _NOT_FOUND_BY_SEARCH if search else {""}
    kind = _said(shape, "BodyType") or "Best"
    made = {**_WRITE, "Body": lambda item: _body(item, kind)}
    wanted += [(RANK[n], made[n]) for n in names if n in made and n not in skip]
    return tuple(write for _, write in sorted(wanted, key=lambda pair: pair[0]))


def _said(shape: Element, name: str) -> str:
    return (shape.findtext(T + name) or "").strip()


def _attributes(node: Element) -> list[tuple[str, str]]:
    return [(str(key), str(value)) for key, value in node.attrib.items()]


def _named(node: Element) -> Callable[[Item], str]:
    path = path_of(node)
    shown = " ".join(f"{key}={quoteattr(value)}" for key, value in _attributes(node))
    array = node.get("PropertyType", "").endswith("Array")

    def render(item: Item) -> str:
        value = next((v for p, v in item.props if p == path), None)
        if value is None:
            return ""
        inner = f"<t:Value>{escape(value)}</t:Value>"
        if array:
            inner = "".join(f"<t:Value>{escape(v)}</t:Value>" for v in listed(value))
            inner = f"<t:Values>{inner}</t:Values>"
        return f"<t:ExtendedProperty><t:ExtendedFieldURI {shown}/>{inner}</t:ExtendedProperty>"

    return render


def written(item: Item, made: Writers) -> str:
    """Write an item."""
    inner = "".join(write(item) for write in made)
    return (
        f'<t:CalendarItem><t:ItemId Id="{item.id}" ChangeKey="{item.change_key}"/>{inner}'
        "</t:CalendarItem>"
    )


def checked(fields: dict[str, str], now: int) -> dict[str, str]:
    """Give an item the fields that every appointment has, or refuse it as Exchange would."""
    start = fields.setdefault("Start", when(now))
    fields.setdefault("End", start)
    if fields["End"] < start:
        raise ItemError(code="ErrorCalendarEndDateIsEarlierThanStartDate")
    return fields


def value_of(path: str) -> Callable[[Item], str | None]:
    """Return what reads a property of an item, for searching and sorting."""
    if ":" in path:
        return lambda item: next((v for p, v in item.props if p == path), None)
    if path == "DateTimeCreated":
        return lambda item: when(item.created)
    if path == "LastModifiedTime":
        return lambda item: when(item.modified)
    return lambda item: item.fields.get(path)
