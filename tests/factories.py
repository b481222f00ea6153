"""Small values with defaults: a test names only what it is about."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kalender.domain.entry import Entry, EntryStatus
from kalender.domain.mirror import EventKey, MirrorChange, Row, activities_of, event_digest
from kalender.domain.model import (
    ActivityKey,
    CourseAnswer,
    CourseKey,
    Registration,
    Staff,
    TeachingEvent,
    TeachingRole,
    UnitKey,
)
from kalender.domain.plan import DesiredEntry
from kalender.domain.render import Style, fingerprint, render
from kalender.domain.roles import BOTH, ROLES, STUDENT, TEACHER
from kalender.domain.timetable import Activity, ActivityInterest, Event, Relation, Rules
from kalender.reconcile.desired import CalendarSettings, RenderCache, RenderKey
from kalender.sources.tp_codes import KINDS

OSLO = ZoneInfo("Europe/Oslo")
RULES = Rules(zone=OSLO)
STYLE = Style(institution="UiO", kinds=KINDS)
NOW = datetime(2025, 8, 18, 6, 0, tzinfo=UTC)  # a Monday, 08:00 in Oslo
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
UNIT = UnitKey("IN1000", "1", "25h", 1)
COURSE = CourseKey("IN1000", "25h")


def an_activity_key(actid: str = "1", course: str = "IN1000", **fields: Any) -> ActivityKey:
    """The key of an activity in the autumn of 2025."""
    return ActivityKey(course, "1", "25h", 1, actid)._replace(**fields)


def an_event(
    event_id: str = "1",
    *,
    actid: str = "1",
    course: str = "IN1000",
    starts: datetime = NOW + DAY,
    staff: Sequence[str] | None = (),
    **fields: Any,
) -> TeachingEvent:
    """A lecture tomorrow, for everybody on the course, naming nobody."""
    told: dict[str, Any] = {
        "activity": an_activity_key(actid, course),
        "event_id": event_id,
        "starts_at": starts,
        "ends_at": starts + 2 * HOUR,
        "plenary": True,
        "method": "FOR",
        "staff": None if staff is None else tuple(Staff(username=name) for name in staff),
    }
    return TeachingEvent(**told | fields)


def a_group_event(event_id: str = "g1", *, actid: str = "2-1", **fields: Any) -> TeachingEvent:
    """A meeting of a group."""
    told: dict[str, Any] = {"plenary": False, "method": "GR", "actid": actid}
    return an_event(event_id, **told | fields)


def an_answer(*events: TeachingEvent, **fields: Any) -> CourseAnswer:
    """TP's answer for IN1000, published."""
    told: dict[str, Any] = {"key": COURSE, "published": True, "events": events}
    return CourseAnswer(**told | fields)


def a_row(event: TeachingEvent) -> Row:
    """A row of the mirror as it is first written."""
    return Row(event=event, digest=event_digest(event))


def after(old: Mapping[EventKey, Row], change: MirrorChange) -> dict[EventKey, Row]:
    """The mirror once a change was written."""
    kept = {key: row for key, row in old.items() if key not in change.removed}
    return kept | {row.key: row for row in change.rows}


def condensed(events: Iterable[TeachingEvent], **fields: Any) -> tuple[Activity, ...]:
    """The activities of these events; `fields` as the store adds them."""
    found = activities_of((a_row(event) for event in events), RULES)
    return tuple(replace(each, **fields) for each in found)


def a_registration(course: str = "IN1000", offer_status: str | None = "I") -> Registration:
    """A registration, accepted."""
    return Registration(unit=UNIT._replace(course=course), offer_status=offer_status)


def a_role(actid: str | None = "1", **fields: Any) -> TeachingRole:
    """A teacher's role on an activity of IN1000."""
    told: dict[str, Any] = {"number": 1, "role": "LÆRER", "unit": UNIT, "actid": actid}
    return TeachingRole(**told | fields)


def a_wanted(teaching: TeachingEvent | None = None, **fields: Any) -> DesiredEntry:
    """A desired event with what its entry should say."""
    teaching = teaching or an_event()
    capacity: Relation = fields.pop("capacity", Relation.PLENARY)
    event = Event(
        teaching=teaching,
        role=TEACHER if capacity <= Relation.UNIT_ROLE else STUDENT,
        courses=(teaching.activity.course,),
        capacity=capacity,
        **fields,
    )
    content = render(teaching, event.courses, STYLE)
    return DesiredEntry(event=event, content=content, fingerprint=fingerprint(content))


def desired(*args: Any, **fields: Any) -> tuple[Event, ...]:
    """The events of `desired_entries`."""
    return tuple(entry.event for entry in desired_entries(*args, **fields))


def desired_entries(  # noqa: PLR0913  # as the service takes them
    interests: Iterable[ActivityInterest],
    events: Iterable[TeachingEvent],
    usernames: frozenset[str],
    rules: Rules,
    now: datetime,
    *,
    digests: Mapping[ActivityKey, str] | None = None,
    settings: CalendarSettings | None = None,
) -> list[DesiredEntry]:
    """The entries that a calendar should hold, as the service finds them, from these events.

    With the digests of activities and the same settings, entries are kept between two calls.
    """
    of_activity: dict[ActivityKey, list[TeachingEvent]] = defaultdict(list)
    for event in events:
        of_activity[event.activity].append(event)

    def read_events(
        keys: Collection[ActivityKey], earliest: datetime
    ) -> dict[ActivityKey, tuple[str, list[TeachingEvent]]]:
        return {
            key: (
                (digests or {}).get(key, ""),
                [e for e in of_activity[key] if e.ends_at > earliest],
            )
            for key in keys
        }

    cache = settings.render_cache if settings else RenderCache(dict.fromkeys(ROLES, STYLE))
    keys = [
        RenderKey.of(interest, (digests or {}).get(interest.activity, ""), usernames, BOTH)
        for interest in interests
    ]
    return cache.desired_entries(read_events, keys, rules, now)


def an_entry(wanted: DesiredEntry | None = None, **fields: Any) -> Entry:
    """A live entry that shows what is wanted."""
    wanted = wanted or a_wanted()
    told: dict[str, Any] = {
        "sync_key": f"{wanted.event.event_id}#0",
        "event_id": wanted.event.event_id,
        "activity": wanted.event.teaching.activity,
        "status": EntryStatus.LIVE,
        "starts_at": wanted.content.starts_at,
        "ends_at": wanted.content.ends_at,
        "item_id": f"item {wanted.event.event_id}",
        "change_key": "c",
        "fingerprint": wanted.fingerprint,
    }
    return Entry(**told | fields)
