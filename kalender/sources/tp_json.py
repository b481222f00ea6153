"""One event of TP, as JSON tells it, as the domain's value.

What is missing is not told; what is there but of another type makes the event unreadable, since
half of a change must not look like the whole.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from kalender.domain.model import (
    ActivityKey,
    BadEvent,
    CourseKey,
    Link,
    Room,
    Staff,
    Status,
    TeachingEvent,
)
from kalender.domain.text import clean, one_line

DIGITAL = "DIGUND"
LONGEST, LARGEST = 10, 2**31 - 1  # digits; what a database's integer holds
Raw = Mapping[str, object]


class Unreadable(Exception):
    """This event cannot be read; the ids are there where they could be."""

    def __init__(self, event: BadEvent) -> None:
        super().__init__(event.reason)
        self.event = event


class _Wrong(ValueError):
    pass


def read_event(raw: object, key: CourseKey) -> TeachingEvent:
    """Read one event of a course; Unreadable where what must be there is missing or wrong."""
    if not isinstance(raw, dict):
        raise Unreadable(BadEvent(reason="an event that is no object"))
    try:
        return _read(raw, key)
    except (_Wrong, OverflowError) as error:
        reason = str(error) if isinstance(error, _Wrong) else "a time out of range"
        raise Unreadable(
            BadEvent(reason=reason, actid=_id(raw, "actid"), event_id=_id(raw, "eventid"))
        ) from None


def _read(raw: Raw, key: CourseKey) -> TeachingEvent:
    starts_at, ends_at = _instant(raw, "dtstart"), _instant(raw, "dtend")
    if ends_at <= starts_at:
        raise _Wrong("dtend is not after dtstart")
    return TeachingEvent(
        activity=_activity(raw, key),
        event_id=_word(raw, "eventid"),
        starts_at=starts_at,
        ends_at=ends_at,
        status=_status(raw.get("status")),
        plenary=_flag(raw.get("status_plenary")),
        staff=_staff(raw),
        method=_line(raw, "teaching-method"),
        method_name=_line(raw, "teaching-method-name"),
        title=_line(raw, "title"),
        summary=_line(raw, "summary"),
        curriculum=clean(_text(raw, "curr")),
        compulsory=raw.get("compulsory") is True,
        rooms=tuple(_room(each) for each in _objects(raw, "room")),
        alerts=tuple(_alerts(raw)),
        resources=tuple(_links(raw)),
    )


def _activity(raw: Raw, key: CourseKey) -> ActivityKey:
    """Read the event's activity; the course and semester are those that were asked for."""
    if raw.get("courseid") is not None and _word(raw, "courseid").upper() != key.course.upper():
        raise _Wrong("courseid is another course's")
    version = raw.get("courseversion")
    return ActivityKey(
        key.course,
        str(_number(raw, "courseversion"))
        if isinstance(version, int)
        else _word(raw, "courseversion"),
        key.semester,
        _number(raw, "terminnr"),
        _word(raw, "actid"),
    )


def _id(raw: Raw, name: str) -> str | None:
    try:
        return _word(raw, name)
    except _Wrong:
        return None


def _word(raw: Raw, name: str) -> str:
    value = raw.get(name)
    word = value.strip() if isinstance(value, str) else ""
    if not word or not word.isprintable():
        raise _Wrong(f"no {name} that can be read")
    return word


def _number(raw: Raw, name: str) -> int:
    value = raw.get(name)
    number = value
    if isinstance(value, str) and value.isdecimal() and len(value) <= LONGEST:
        number = int(value)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= LARGEST:
        raise _Wrong(f"{name} is no number")
    return number


def _instant(raw: Raw, name: str) -> datetime:
    """Read TP's local time; its offset has no minutes (`+02`)."""
    try:
        moment = datetime.fromisoformat(_word(raw, name))
    except ValueError:
        raise _Wrong(f"{name} is no time") from None
    if moment.tzinfo is None:
        raise _Wrong(f"{name} has no offset")
    return moment.astimezone(UTC)


def _status(value: object) -> Status:
    known = {"active": Status.ACTIVE, "cancelled": Status.CANCELLED}
    return known.get(value, Status.UNKNOWN) if isinstance(value, str) else Status.UNKNOWN


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _text(raw: Raw, name: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _Wrong(f"{name} is no text")
    return value


def _line(raw: Raw, name: str) -> str:
    return one_line(clean(_text(raw, name)))


def _plain(raw: Raw, name: str) -> str:
    return one_line(_text(raw, name))


def _objects(raw: Raw, name: str) -> Sequence[Raw]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _Wrong(f"{name} is no list of objects")
    return value


def _staff(raw: Raw) -> tuple[Staff, ...] | None:
    """Who is named; None where TP did not tell, which is not nobody."""
    if raw.get("staffs") is None:
        return None
    return tuple(
        Staff(
            username=_plain(each, "id"),
            name=" ".join(filter(None, (_line(each, "firstname"), _line(each, "lastname")))),
        )
        for each in _objects(raw, "staffs")
    )


def _room(raw: Raw) -> Room:
    return Room(
        room_id=_plain(raw, "id"),
        name=_line(raw, "roomname"),
        building=_line(raw, "buildingname"),
        url=_plain(raw, "roomurl"),
        digital=raw.get("buildingid") == DIGITAL,
    )


def _alerts(raw: Raw) -> Iterable[str]:
    alerts = (each for each in _objects(raw, "alerts") if each.get("deleted") is not True)
    return filter(None, (clean(_text(each, "message")) for each in alerts))


def _links(raw: Raw) -> Iterable[Link]:
    for each in _objects(raw, "resources"):
        if url := _plain(each, "url"):
            yield Link(name=_line(each, "name"), url=url)
