"""One event of TP, as JSON tells it, as the domain's value."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from kalender.domain.model import (
    ActivityKey,
    BadEvent,
    Link,
    Room,
    Staff,
    Status,
    TeachingEvent,
)
from kalender.domain.text import clean, one_line

DIGITAL = "DIGUND"
Raw = Mapping[str, object]


class Unreadable(Exception):
    """This event cannot be read; the ids are there where they could be."""

    def __init__(self, event: BadEvent) -> None:
        super().__init__(event.reason)
        self.event = event


class _Wrong(ValueError):
    pass


def read_event(raw: object) -> TeachingEvent:
    """Read one event; Unreadable where what must be there is not, or is of another type."""
    if not isinstance(raw, dict):
        raise Unreadable(BadEvent(reason="an event that is no object"))
    try:
        return _read(raw)
    except (_Wrong, OverflowError) as error:
        ids = {name: raw.get(wire) for name, wire in (("actid", "actid"), ("event_id", "eventid"))}
        known = {name: value for name, value in ids.items() if isinstance(value, str) and value}
        raise Unreadable(BadEvent(reason=str(error), **known)) from error


def _read(raw: Raw) -> TeachingEvent:
    starts_at, ends_at = _instant(raw, "dtstart"), _instant(raw, "dtend")
    if ends_at <= starts_at:
        raise _Wrong("dtend is not after dtstart")
    return TeachingEvent(
        activity=_activity(raw),
        event_id=_text(raw, "eventid"),
        starts_at=starts_at,
        ends_at=ends_at,
        status=_status(raw.get("status")),
        plenary=_flag(raw.get("status_plenary")),
        staff=_staff(raw.get("staffs")),
        method=_line(raw.get("teaching-method")),
        method_name=_line(raw.get("teaching-method-name")),
        title=_line(raw.get("title")),
        summary=_line(raw.get("summary")),
        curriculum=clean(_string(raw.get("curr"))),
        compulsory=raw.get("compulsory") is True,
        rooms=tuple(_room(each) for each in _objects(raw.get("room"))),
        alerts=tuple(_alerts(raw.get("alerts"))),
        resources=tuple(_links(raw.get("resources"))),
    )


def _activity(raw: Raw) -> ActivityKey:
    return ActivityKey(
        _text(raw, "courseid"),
        str(raw.get("courseversion") or "1"),
        _text(raw, "semesterid").lower(),
        _number(raw.get("terminnr")),
        _text(raw, "actid"),
    )


def _text(raw: Raw, name: str) -> str:
    value = raw.get(name)
    if not isinstance(value, str) or not value.strip():
        raise _Wrong(f"no {name}")
    return value.strip()


def _number(value: object) -> int:
    try:
        return int(str(value)) if value is not None else 1
    except ValueError as error:
        raise _Wrong("terminnr is no number") from error


def _instant(raw: Raw, name: str) -> datetime:
    """Read TP's local time; its offset has no minutes (`+02`)."""
    try:
        moment = datetime.fromisoformat(_text(raw, name))
    except ValueError as error:
        raise _Wrong(f"{name} is no time") from error
    if moment.tzinfo is None:
        raise _Wrong(f"{name} has no offset")
    return moment.astimezone(UTC)


def _status(value: object) -> Status:
    known = {"active": Status.ACTIVE, "cancelled": Status.CANCELLED}
    return known.get(value, Status.UNKNOWN) if isinstance(value, str) else Status.UNKNOWN


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _line(value: object) -> str:
    return one_line(clean(_string(value)))


def _objects(value: object) -> Sequence[Raw]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _staff(value: object) -> tuple[Staff, ...] | None:
    """Who is named; None where TP did not tell, which is not nobody."""
    if not isinstance(value, list):
        return None
    return tuple(
        Staff(
            username=_string(each.get("id")).strip(),
            name=" ".join(
                filter(None, (_line(each.get("firstname")), _line(each.get("lastname"))))
            ),
        )
        for each in _objects(value)
    )


def _room(raw: Raw) -> Room:
    return Room(
        room_id=_string(raw.get("id")),
        name=_line(raw.get("roomname")),
        building=_line(raw.get("buildingname")),
        url=_string(raw.get("roomurl")).strip(),
        digital=raw.get("buildingid") == DIGITAL,
    )


def _alerts(value: object) -> Sequence[str]:
    texts = (
        clean(_string(each.get("message")))
        for each in _objects(value)
        if each.get("deleted") is not True
    )
    return [text for text in texts if text]


def _links(value: object) -> Sequence[Link]:
    found = (
        Link(name=_line(each.get("name")), url=_string(each.get("url")).strip())
        for each in _objects(value)
    )
    return [link for link in found if link.url]
