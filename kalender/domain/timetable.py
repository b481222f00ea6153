"""Who sees what and when: from facts about a person and their courses to the events desired.

Two steps, so that a calendar to which nothing happened costs no reading of events: `select` says
which activities concern a calendar and in which capacity, `digest` condenses their state, and
only where that differs does `visible_events` look at the events themselves.

Which activities concern somebody is a matter of their roles: here is what a role must say, and in
`kalender/domain/roles.py` are the roles that there are.
"""

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from enum import Enum, IntEnum, auto
from hashlib import blake2b
from zoneinfo import ZoneInfo

from kalender.domain.model import (
    ActivityKey,
    CourseKey,
    EventStatus,
    Registration,
    TeachingEvent,
    TeachingRole,
    folded,
)


class Relation(IntEnum):
    """Why an activity concerns somebody; the lower, the closer."""

    NAMED = 1  # TP names them in the event
    ROLE = 2  # a counted role on the activity, for events that name nobody
    UNIT_ROLE = 3  # a counted role on the unit alone, where configured
    PLACED = 4
    SOLE = 5  # the only group of its kind, and nobody is placed on it
    PLENARY = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The institution's settings that decide who sees what."""

    zone: ZoneInfo
    accepted_offer_statuses: frozenset[str] = frozenset({"I", "S"})
    believe_offer_status: bool = True  # False: every registration counts
    teaching_roles: frozenset[str] = frozenset({"LÆRER"})
    sole_group: bool = True
    unit_fallback: str | None = None  # None, "free" or "busy"
    past_days: int = 0
    future_days: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonTeaching:
    """What the mirror holds of one person, in the semesters that are maintained."""

    registrations: tuple[Registration, ...] = ()
    placements: frozenset[ActivityKey] = frozenset()
    roles: tuple[TeachingRole, ...] = ()
    usernames: frozenset[str] = frozenset()
    named_in: frozenset[ActivityKey] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Activity:
    """One activity as the mirror holds it, without its events.

    `placed` None: the placements of the semester were never read completely.
    """

    key: ActivityKey
    method: str
    has_plenary: bool
    has_group: bool
    digest: str
    days: Mapping[str, str] = field(default_factory=dict)  # ISO day -> digest
    published: bool = True
    placed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the mirror holds of a person in any semester, as far as it decides their roles."""

    registered: bool = False  # FS has a registration of theirs
    named: bool = False  # TP names them in an event
    teaching_roles: frozenset[str] = frozenset()  # FS' codes of their roles in teaching


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Role(ABC):
    """A role in which teaching concerns somebody, such as student or teacher.

    A person may have several, and one calendar may serve several. The settings of the one with the
    highest `precedence` then hold for the calendar, and an event that is seen in several roles
    looks as it does in that one.

    What an entry says to somebody of this role, and how their address is made, are settings: the
    sections `[calendar.<name>]` and the keys of `[identity] mailbox` have the names of the roles.
    """

    name: str  # as settings, commands and the database have it
    precedence: int
    teaches: bool = False  # TP may name whoever has it, and no offer status decides on it
    mailbox: str = "epost:INSTITUSJON"  # the rule for its address, where the settings have none
    first_release: bool = False  # digests hold it in the form that they had before other roles came

    @abstractmethod
    def is_one(self, evidence: Evidence, rules: Rules) -> bool:
        """Whether a person has this role."""

    @abstractmethod
    def courses(self, person: PersonTeaching, rules: Rules) -> frozenset[CourseKey]:
        """Return the courses that concern a person in this role."""

    @abstractmethod
    def interests(
        self, person: PersonTeaching, activities: Sequence[Activity], rules: Rules, now: datetime
    ) -> "Iterable[ActivityInterest]":
        """Return which of these activities concern a person in this role now."""

    def first_days(self, person: PersonTeaching, rules: Rules) -> Iterable[date]:  # noqa: ARG002
        """Return the local days, past or to come, from which on more concerns a person."""
        return ()


Audience = frozenset[Role]  # the roles that a calendar serves: at least one


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityInterest:
    """An activity that concerns a calendar. Not `sure`: what stands stays, nothing is created.

    Not `told`: it is not known whether the person has a place on the course.
    """

    activity: ActivityKey
    role: Role
    capacity: Relation
    sure: bool
    ends_on: date | None = None  # of the role
    told: bool = True

    @property
    def rank(self) -> tuple[ActivityKey, Relation, bool, date, int]:
        """A total order."""
        ends_on = self.ends_on or date.max
        return (self.activity, self.capacity, not self.sure, ends_on, self.role.precedence)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One desired meeting. `keep_only`: it may stay and follow, but is not created."""

    teaching: TeachingEvent
    role: Role
    courses: tuple[str, ...]
    capacity: Relation
    keep_only: bool = False
    told: bool = True  # whether it is known that its course concerns the calendar

    @property
    def event_id(self) -> str:
        """TP's id of the event, unique within the calendar."""
        return self.teaching.event_id


# -- which activities ----------------------------------------------------------------------------


def select(
    person: PersonTeaching,
    activities: Sequence[Activity],
    audience: Audience,
    rules: Rules,
    now: datetime,
) -> tuple[ActivityInterest, ...]:
    """Return what concerns a calendar of this audience, in a total order."""
    interests = {
        interest for role in audience for interest in role.interests(person, activities, rules, now)
    }
    return tuple(sorted(interests, key=lambda interest: interest.rank))


def sole_groups(activities: Iterable[Activity]) -> frozenset[ActivityKey]:
    """Return the groups that are the only one of their kind in course and term."""
    kinds: dict[tuple[str, str, int, str], set[ActivityKey]] = defaultdict(set)
    for activity in activities:
        if activity.has_group:
            key = activity.key
            kinds[key.course, key.semester, key.term_number, activity.method].add(key)
    return frozenset(next(iter(keys)) for keys in kinds.values() if len(keys) == 1)


# -- the digest ----------------------------------------------------------------------------------


def fold(days: Mapping[str, str]) -> str:
    """Condense an activity's days into its digest."""
    return blake2b(repr(sorted(days.items())).encode(), digest_size=8).hexdigest()


def digest(
    selected: Sequence[ActivityInterest],
    activities: Iterable[Activity],
    *,
    settings: str,
    audience: str,
    usernames: frozenset[str],
    last_day: date | None,
) -> str:
    """Condense all that decides a calendar but time passing; `audience` is the word for it.

    Equal digests now and then mean: desired now = desired then, less what has ended.
    """
    activity_by_key = {activity.key: activity for activity in activities}
    is_named = any(interest.capacity is Relation.NAMED for interest in selected)
    names = sorted(usernames) if is_named else []
    hasher = blake2b(repr((settings, audience, names)).encode(), digest_size=16)
    for interest in selected:
        activity = activity_by_key[interest.activity]
        state = activity.digest
        if last_day is not None and max(activity.days, default="") > last_day.isoformat():
            state = fold({d: v for d, v in activity.days.items() if d <= last_day.isoformat()})
        sure = interest.sure if interest.told else None
        # in the first release the capacity alone told which role it is
        role_names = () if interest.role.first_release else (interest.role.name,)
        parts = (
            interest.activity,
            interest.capacity.value,
            sure,
            interest.ends_on,
            state,
            *role_names,
        )
        hasher.update(repr(parts).encode())
    return hasher.hexdigest()


# -- the window -----------------------------------------------------------------------------------


def last_day(rules: Rules, now: datetime) -> date | None:
    """Return the last local day whose events are let in; None: all that is published."""
    if rules.future_days is None:
        return None
    return now.astimezone(rules.zone).date() + timedelta(days=rules.future_days)


def earliest_end(rules: Rules, now: datetime) -> datetime:
    """Return the instant after which an event must end to be created."""
    if not rules.past_days:
        return now
    return midnight(now.astimezone(rules.zone).date() - timedelta(days=rules.past_days), rules.zone)


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return the instant a local day begins, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def changes_at(
    person: PersonTeaching,
    selected: Sequence[ActivityInterest],
    activities: Iterable[Activity],
    roles: Iterable[Role],
    rules: Rules,
    now: datetime,
) -> datetime | None:
    """Return the next instant at which time alone changes the calendar: a local midnight."""
    today = now.astimezone(rules.zone).date()
    days = [day for role in roles for day in role.first_days(person, rules) if day > today]
    last_date = last_day(rules, now)
    if last_date is not None and rules.future_days is not None:
        keys = {interest.activity for interest in selected}
        later = [
            day
            for activity in activities
            if activity.key in keys
            for day in activity.days
            if day > last_date.isoformat()
        ]
        days.extend(date.fromisoformat(d) - timedelta(days=rules.future_days) for d in later)
    return midnight(min(days), rules.zone) if days else None


# -- the events -----------------------------------------------------------------------------------


def visible_events(
    events: Iterable[TeachingEvent],
    selected: ActivityInterest,
    usernames: frozenset[str],
    rules: Rules,
) -> tuple[Event, ...]:
    """Return what is seen of one activity's events in one capacity, at whatever time."""
    pairs = ((event, _visibility(event, selected, usernames, rules)) for event in events)
    return tuple(
        Event(
            teaching=event,
            role=selected.role,
            courses=(event.activity.course,),
            capacity=selected.capacity,
            keep_only=visibility is _Visibility.KEPT_ONLY,
            told=selected.told,
        )
        for event, visibility in pairs
        if visibility is not _Visibility.HIDDEN
    )


def merge_duplicates(events: Iterable[Event], rules: Rules, now: datetime) -> tuple[Event, ...]:
    """Return those that are neither over nor too far ahead: one for each id, in time's order."""
    earliest, last_date = earliest_end(rules, now), last_day(rules, now)
    by_id: dict[str, Event] = {}
    shared: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        teaching = event.teaching
        if not in_window(teaching, rules, earliest, last_date):
            continue
        if by_id.setdefault(teaching.event_id, event) is not event:
            shared[teaching.event_id].append(event)
    for event_id, duplicates in shared.items():
        by_id[event_id] = _once([by_id[event_id], *duplicates])
    return tuple(
        sorted(by_id.values(), key=lambda event: (event.teaching.starts_at, event.event_id))
    )


def in_window(
    event: TeachingEvent, rules: Rules, earliest: datetime, last_date: date | None
) -> bool:
    """Whether an event is neither over nor too far ahead, by `earliest_end` and `last_day`."""
    if event.ends_at <= earliest:
        return False
    return last_date is None or event.starts_at.astimezone(rules.zone).date() <= last_date


class _Visibility(Enum):
    """How somebody sees an event; `KEPT_ONLY` is not created, and stays where it is shown."""

    HIDDEN = auto()
    KEPT_ONLY = auto()
    SHOWN = auto()


def _visibility(
    event: TeachingEvent, interest: ActivityInterest, usernames: frozenset[str], rules: Rules
) -> _Visibility:
    concerns = _concerns(event, interest, usernames, rules)
    if concerns is False:
        return _Visibility.HIDDEN
    is_unsure = event.doubt or event.missing or event.status is EventStatus.UNKNOWN
    if concerns is None or is_unsure or not interest.sure:
        return _Visibility.KEPT_ONLY
    return _Visibility.SHOWN


def _concerns(
    event: TeachingEvent, interest: ActivityInterest, usernames: frozenset[str], rules: Rules
) -> bool | None:
    """Return whether an event concerns somebody; None where TP does not tell."""
    last_day = interest.ends_on
    if last_day is not None and event.starts_at.astimezone(rules.zone).date() > last_day:
        return False
    match interest.capacity:
        case Relation.PLENARY:
            return event.plenary
        case Relation.PLACED:
            return True
        case Relation.SOLE:
            return None if event.plenary is None else True
        case Relation.NAMED:
            return any(staff.username in usernames for staff in event.staff or ())
        case Relation.ROLE | Relation.UNIT_ROLE:
            return None if event.staff is None else not event.staff


def _once(duplicates: Sequence[Event]) -> Event:
    """One of the events that share an id: active, in the highest role, own activity, lowest.

    It names the courses that concern the calendar for sure; where that is none, all of them. A
    course in two spellings is one.
    """
    best = min(duplicates, key=_closeness)
    told_events = [event for event in duplicates if event.told] or duplicates
    codes = sorted({code for event in told_events for code in event.courses}, reverse=True)
    courses = {folded(code): code for code in codes}
    return Event(
        teaching=best.teaching,
        role=best.role,
        courses=tuple(sorted(courses.values())),
        capacity=best.capacity,
        keep_only=all(event.keep_only for event in duplicates),
        told=any(event.told for event in duplicates),
    )


def _closeness(event: Event) -> tuple[bool, int, Relation, ActivityKey]:
    teaching = event.teaching
    return (
        teaching.status is not EventStatus.ACTIVE,
        -event.role.precedence,
        event.capacity if event.capacity is not Relation.SOLE else Relation.PLACED,
        teaching.activity,
    )
