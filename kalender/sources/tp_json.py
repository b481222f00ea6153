"""One event of TP, as JSON tells it, as the domain's value.

What is missing is not told. What decides whether, when and for whom (ids, times, plenary, who
teaches) makes the event unreadable where it is of another type, since half of a change must not
look like the whole. What is only text on the entry is read as text where that makes sense, and is
else left out: no lecture is missed for the name of its room.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kalender.domain.model import (
    ActivityKey,
    BadEvent,
    CourseKey,
    EventStatus,
    Link,
    Room,
    Staff,
    TeachingEvent,
    folded,
)
from kalender.domain.text import clean, one_line, without_unseen

DIGITAL = "DIGUND"
STATUSES = {"active": EventStatus.ACTIVE, "cancelled": EventStatus.CANCELLED}
LONGEST, LARGEST = 10, 2**31 - 1  # digits; what a database's integer holds
LONGEST_CODE = 64  # characters that a database's column holds
LONGEST_WORDS = {"eventid": 160, "courseversion": 16}
Raw = Mapping[str, object]


class UnreadableEventError(Exception):
    """This event cannot be read; the ids are there where they could be."""

    def __init__(self, event: BadEvent) -> None:
        super().__init__(event.reason)
        self.event = event


class _Wrong(ValueError):
    pass


def read_event(raw: object, key: CourseKey, odd: list[str] | None = None) -> TeachingEvent:
    """Read one event of a course; Unreadable where what must be there is missing or wrong.

    The names of fields that had to be left out are added to `odd`.
    """
    if not isinstance(raw, dict):
        raise UnreadableEventError(BadEvent(reason="an event that is no object"))
    try:
        return _read(raw, key, [] if odd is None else odd)
    except (_Wrong, OverflowError) as error:
        reason = str(error) if isinstance(error, _Wrong) else "a time out of range"
        raise UnreadableEventError(
            BadEvent(reason=reason, actid=_id(raw, "actid"), event_id=_id(raw, "eventid"))
        ) from None


def _read(raw: Raw, key: CourseKey, odd: list[str]) -> TeachingEvent:
    starts_at, ends_at = _instant(raw, "dtstart"), _instant(raw, "dtend")
    if ends_at <= starts_at:
        raise _Wrong("dtend is not after dtstart")
    plenary = raw.get("status_plenary")
    alerts = (
        clean(_text(alert, "message", odd))
        for alert in _shown(raw, "alerts", "message", odd)
        if alert.get("deleted") is not True
    )
    method = _line(raw, "teaching-method", odd)
    if len(method) > LONGEST_CODE:
        odd.append("teaching-method")  # longer than any code is: it is cut
    return TeachingEvent(
        activity=_activity(raw, key),
        event_id=_word(raw, "eventid"),
        starts_at=starts_at,
        ends_at=ends_at,
        status=STATUSES.get(str(raw.get("status")), EventStatus.UNKNOWN),
        plenary=plenary if isinstance(plenary, bool) else None,
        staff=_staff(raw, odd),
        method=method[:LONGEST_CODE],
        method_name=_line(raw, "teaching-method-name", odd),
        title=_line(raw, "title", odd),
        summary=_line(raw, "summary", odd),
        curriculum=clean(_text(raw, "curr", odd)),
        compulsory=raw.get("compulsory") is True,
        rooms=tuple(
            Room(
                room_id=_plain(room, "id", odd),
                name=_line(room, "roomname", odd),
                building=_line(room, "buildingname", odd),
                url=_plain(room, "roomurl", odd),
                digital=room.get("buildingid") == DIGITAL,
            )
            for room in _shown(raw, "room", "roomname", odd)
        ),
        alerts=tuple(filter(None, alerts)),
        resources=tuple(
            Link(name=_line(resource, "name", odd), url=url)
            for resource in _shown(raw, "resources", "url", odd)
            if (url := _plain(resource, "url", odd))
        ),
    )


def _activity(raw: Raw, key: CourseKey) -> ActivityKey:
    """Read the event's activity; the course and semester are those that were asked for."""
    if raw.get("courseid") is not None and folded(_word(raw, "courseid")) != folded(key.course):
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
    word = without_unseen(value) if isinstance(value, str) else ""
    if not 0 < len(word) <= LONGEST_WORDS.get(name, LONGEST_CODE):
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


def _text(raw: Raw, name: str, odd: list[str]) -> str:
    """Return a text or a number as text; false and 0 are empty, anything else is left out."""
    value = raw.get(name)
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST:
        return str(value)
    if value is not None:
        odd.append(name)
    return ""


def _line(raw: Raw, name: str, odd: list[str]) -> str:
    return one_line(clean(_text(raw, name, odd)))


def _plain(raw: Raw, name: str, odd: list[str]) -> str:
    return one_line(_text(raw, name, odd))


def _shown(raw: Raw, name: str, alone: str, odd: list[str]) -> Sequence[Raw]:
    """Return a list's objects; a bare text or number is what `alone` names, the rest is left out."""
    value = raw.get(name)
    parts = value if isinstance(value, list) else [] if value is None else [value]
    objects: list[Raw] = []
    for part in parts:
        if isinstance(part, dict) and part:
            objects.append(part)
        elif part and isinstance(part, str | int) and not isinstance(part, bool):
            objects.append({alone: part})
        else:
            odd.append(name)
    return objects


def _staff(raw: Raw, odd: list[str]) -> tuple[Staff, ...] | None:
    """Who is named; None where TP did not tell, which is not nobody."""
    value = raw.get("staffs")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(member, dict) for member in value):
        raise _Wrong("staffs is no list of objects")
    names = ("firstname", "lastname")
    return tuple(
        Staff(
            username=_username(member),
            name=" ".join(filter(None, (_line(member, name, odd) for name in names))),
        )
        for member in value
    )


def _username(raw: Raw) -> str:
    """Return who teaches, without the letters that nobody sees; a number is one, too."""
    value = raw.get("id")
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise _Wrong("staffs id is no text")
    username = without_unseen("" if value is None else str(value))
    if len(username) > LONGEST_CODE:
        raise _Wrong("staffs id is no username")
    return username
