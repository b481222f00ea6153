"""What an item says of itself: the values of its properties, to write, to search and to sort by."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from kalender.sandbox.fields import MULTIPLE, NUMBERS, READ, instant, normal
from kalender.sandbox.mailboxes import SERIES, Item, listed, stamp
from kalender.sandbox.soap import ItemError

Tell = Callable[[Item], str | None]
Values = Callable[[Item], Sequence[str]]


def is_meeting(item: Item) -> bool:
    """Tell whether somebody is invited."""
    return bool(item.fields.get("RequiredAttendees") or item.fields.get("OptionalAttendees"))


def when(seconds: int) -> str:
    """Write a time of the server's clock."""
    return stamp(datetime.fromtimestamp(seconds, UTC))


def _duration(item: Item) -> str:
    start, end = (datetime.fromisoformat(item.fields[name]) for name in ("Start", "End"))
    return f"PT{int((end - start).total_seconds()) // 60}M"


def _uid(item: Item) -> str:
    return item.fields.get("UID") or f"040000008200E00074C5B7101A82E008{item.number:032X}"


def _stored(name: str) -> Tell:
    return lambda item: item.fields.get(name)


def _flag(tell: Callable[[Item], bool]) -> Tell:
    return lambda item: "true" if tell(item) else "false"


def _all(names: str, tell: Tell) -> dict[str, Tell]:
    return dict.fromkeys(names.split(), tell)


TOLD: dict[str, Tell] = {
    **{name: _stored(name) for name in READ if name not in MULTIPLE and "Zone" not in name},
    **_all("IsSubmitted IsDraft IsFromMe IsResend IsUnmodified IsAssociated", lambda _: "false"),
    **_all("IsCancelled IsOnlineMeeting", lambda _: "false"),
    "IsRecurring": lambda item: "true" if SERIES in item.fields else "false",
    **_all("IsMeeting MeetingRequestWasSent", _flag(is_meeting)),
    **_all("DateTimeReceived DateTimeSent DateTimeCreated", lambda item: when(item.created)),
    **_all("LastModifiedTime DateTimeStamp", lambda item: when(item.modified)),
    **_all("AppointmentSequenceNumber", lambda _: "0"),
    "AppointmentState": lambda item: "1" if is_meeting(item) else "0",
    "CalendarItemType": lambda item: "RecurringMaster" if SERIES in item.fields else "Single",
    "MyResponseType": lambda _: "Organizer",
    "IsOrganizer": lambda _: "true",
    "ItemClass": lambda item: item.fields.get("ItemClass", "IPM.Appointment"),
    "Size": lambda item: str(2000 + len(item.fields.get("Body", ""))),
    "ReminderDueBy": lambda item: item.fields["Start"],
    "HasAttachments": _flag(lambda item: bool(item.attachments)),
    "LastModifiedName": lambda item: item.box.address,
    "DisplayTo": lambda item: "; ".join(listed(item.fields.get("RequiredAttendees"))),
    "DisplayCc": lambda item: "; ".join(listed(item.fields.get("OptionalAttendees"))),
    "Duration": _duration,
    "UID": _uid,
}
_KINDS = {
    **dict.fromkeys(("Start", "End", "ReminderDueBy", "LastModifiedTime"), "SystemTime"),
    **{name: "SystemTime" for name in TOLD if name.startswith("DateTime")},
    **{name: "Boolean" for name in TOLD if name.startswith(("Is", "Has", "Allow"))},
    **dict.fromkeys(("ReminderIsSet", "MeetingRequestWasSent"), "Boolean"),
    **dict.fromkeys(("ReminderMinutesBeforeStart", "Size"), "Integer"),
    **dict.fromkeys(("AppointmentSequenceNumber", "AppointmentState"), "Integer"),
}
_UNSEARCHED = {"UID", "Duration", "DateTimeStamp"}


def kind_of(path: str) -> str:
    """Return the type of a property's values, by the name that MAPI gives it."""
    found = path.rpartition(":")[2].removesuffix("Array") if ":" in path else _KINDS.get(path)
    return found or "String"


def values_of(path: str, code: str = "ErrorUnsupportedPathForQuery") -> Values:
    """Return what reads a property for searching or sorting, or refuse one that cannot be."""
    if ":" in path:
        return lambda item: item.values(path)
    if path in MULTIPLE:
        return lambda item: listed(item.fields.get(path))
    tell = TOLD.get(path)
    if tell is None or path in _UNSEARCHED:
        raise ItemError(code=code)

    def values(item: Item) -> Sequence[str]:
        value = tell(item)
        return () if value is None else (value,)

    return values


def comparable(kind: str, text: str) -> float | str:
    """Return what is compared for a value: numbers as such, texts without regard to case."""
    return float(text) if kind in NUMBERS else text.casefold()


def constant(path: str, text: str) -> str:
    """Read a value that a property is compared with."""
    kind = kind_of(path)
    return instant(text, "UTC") if kind == "SystemTime" else normal(kind, text)
