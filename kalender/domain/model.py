"""The words of the field as values: frozen, valid once built, compared by what they say.

Norwegian wire names end at the adapters: emne = course, undervisningsaktivitet =
teaching activity, undervisningsmelding = registration, plassering på parti = placement.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from unicodedata import normalize

NORWEGIAN = {"VÅR": "v", "HØST": "h"}


class Season(IntEnum):
    """Spring comes before autumn, so that semesters sort in time."""

    SPRING = 1
    AUTUMN = 2

    @property
    def letter(self) -> str:
        """TP's letter: `v` or `h`."""
        return "v" if self is Season.SPRING else "h"


@dataclass(frozen=True, slots=True, order=True)
class Semester:
    """A half-year of teaching: FS (2025, HØST) = TP `25h`."""

    year: int
    season: Season

    @property
    def code(self) -> str:
        """TP's code, `25h`."""
        return f"{self.year % 100:02d}{self.season.letter}"

    @property
    def term(self) -> str:
        """FS' word, `VÅR` or `HØST`."""
        return "VÅR" if self.season is Season.SPRING else "HØST"

    @property
    def next(self) -> "Semester":
        """The semester after this."""
        if self.season is Season.SPRING:
            return Semester(self.year, Season.AUTUMN)
        return Semester(self.year + 1, Season.SPRING)

    @classmethod
    def parse(cls, code: str) -> "Semester":
        """Read TP's code; ValueError where it is none."""
        if len(code) != 3 or not code[:2].isdecimal() or code[2].lower() not in "vh":  # noqa: PLR2004
            raise ValueError(code)
        season = Season.SPRING if code[2].lower() == "v" else Season.AUTUMN
        return cls(2000 + int(code[:2]), season)

    @classmethod
    def from_fs(cls, year: int, term: str) -> "Semester":
        """Read FS' pair; ValueError for its other terms (SOM, VIT), which TP does not plan."""
        if term not in NORWEGIAN:
            raise ValueError(term)
        return cls(year, Season.SPRING if term == "VÅR" else Season.AUTUMN)

    @classmethod
    def of(cls, day: date) -> "Semester":
        """The semester a day belongs to: January to July is spring."""
        return cls(day.year, Season.SPRING if day.month <= 7 else Season.AUTUMN)  # noqa: PLR2004


def folded(code: str) -> str:
    """Return a course's code as it is compared: in any letters it is the same course."""
    return normalize("NFC", code).casefold()


def as_spelled(code: str, codes: Iterable[str]) -> str | None:
    """Return the one of these codes that names the same course; None where none does.

    Where several do, `code` itself comes first, and then the first by spelling.
    """
    spellings = sorted(spelling for spelling in codes if folded(spelling) == folded(code))
    return code if code in spellings else next(iter(spellings), None)


class CourseKey(NamedTuple):
    """A course in one semester: what TP is asked for. `semester` is TP's code."""

    course: str
    semester: str

    def __str__(self) -> str:
        return f"{self.course} {self.semester}"


class UnitKey(NamedTuple):
    """A teaching unit: a course's version in one semester and term number."""

    course: str
    version: str
    semester: str
    term_number: int


class ActivityKey(NamedTuple):
    """A teaching activity: FS `aktivitet` = TP `actid`, within its unit."""

    course: str
    version: str
    semester: str
    term_number: int
    actid: str

    @property
    def unit(self) -> UnitKey:
        """The teaching unit it belongs to."""
        return UnitKey(*self[:4])


class EventStatus(StrEnum):
    """What TP says of an event; anything but its two known words is UNKNOWN."""

    ACTIVE = "active"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """Somebody TP names as teaching an event; `username` may be unknown to us, or empty."""

    username: str
    name: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Where an event takes place; `url` is a map (or empty), digital rooms are no place."""

    room_id: str
    name: str
    building: str = ""
    url: str = ""
    digital: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A named address: a recording, a text."""

    name: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingEvent:
    """One event as TP told it. `None` means *not told*, which is never *no*.

    `starts_at` and `ends_at` are aware UTC. Texts are clean (no HTML). `doubt` is set by the
    mirror: TP's last word on this event could not be used, so what stands stays and nothing
    new is created. `missing` likewise: gone from an answer that lost too much.
    """

    activity: ActivityKey
    event_id: str
    starts_at: datetime
    ends_at: datetime
    status: EventStatus = EventStatus.ACTIVE
    plenary: bool | None = None
    staff: tuple[Staff, ...] | None = None
    method: str = ""
    method_name: str = ""
    title: str = ""
    summary: str = ""
    curriculum: str = ""
    compulsory: bool = False
    rooms: tuple[Room, ...] = ()
    alerts: tuple[str, ...] = ()
    resources: tuple[Link, ...] = ()
    doubt: bool = False
    missing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BadEvent:
    """An event in an answer that cannot be read; the ids are there where they could be."""

    reason: str
    actid: str | None = None
    event_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseAnswer:
    """TP's answer for one course: a whole, never a part. `published` None = not told.

    `key` is in TP's spelling, where the answer tells it, and not in that of the question.
    `events` are those of this institution's own teaching; `skipped` counts ids that match
    `tp.skip`, `bad` lists what could not be read, `odd` names the fields of read events that were
    left out: only text on the entry, of a type that makes none.
    """

    key: CourseKey
    published: bool | None
    events: tuple[TeachingEvent, ...]
    bad: tuple[BadEvent, ...] = ()
    skipped: int = 0
    odd: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A student on a course. `offer_status` None = not told."""

    unit: UnitKey
    offer_status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TeachingRole:
    """A person's role on an activity (`actid`), or on the unit as a whole (`actid` None).

    The period is whole local days, both ends included; None = open. `period_told` False: the item
    has no period at all, and what was told of it before holds.
    """

    number: int
    role: str
    unit: UnitKey
    actid: str | None = None
    starts_on: date | None = None
    ends_on: date | None = None
    period_told: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What FS says of a person beside teaching. `None` = not told (ids alone).

    `organisation` is the code of the unit that employs them as FS writes it, such as `185,15,5,0`
    (institution, faculty, department, group); empty for whoever is employed nowhere.
    """

    fs_number: int
    username: str | None = None
    mail: tuple[tuple[str, str], ...] | None = None  # (type, address), as FS orders them
    organisation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseOrganisations:
    """The codes of the organisational units that are responsible for a version of a course."""

    course: str  # as FS spells it
    version: str
    organisations: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadItem:
    """An item of one of FS' collections that could not be read.

    `item` is its id as FS writes ids in addresses, None where it has none that can be read;
    `fs_number` is its person's. Never holds a national identity number, a name or an address.
    """

    collection: str
    reason: str
    item: str | None = None
    fs_number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonFacts:
    """All that FS says of one person in the semesters asked for, and what could not be read of it."""

    account: Account
    registrations: tuple[Registration, ...] = ()
    placements: tuple[ActivityKey, ...] = ()
    roles: tuple[TeachingRole, ...] = ()
    programmes: frozenset[str] | None = None  # codes; None: FS is not asked for them
    bad: tuple[BadItem, ...] = ()

    @property
    def untold(self) -> frozenset[str]:
        """The collections of which an item could not be read: what they lack is not told."""
        return frozenset(each.collection for each in self.bad)


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What an entry says. Times are aware UTC; `body` is HTML, our marked block alone.

    `reminder_minutes` and `categories` are set at creation and the user's afterwards.
    """

    subject: str
    body: str
    location: str
    starts_at: datetime
    ends_at: datetime
    show_as: str  # "busy" | "free" | "tentative" | "oof" | "elsewhere"
    reminder_minutes: int | None = None
    categories: tuple[str, ...] = ()


def lies_in(address: str, domains: Collection[str]) -> bool:
    """Whether a mail address lies in one of these domains (in lower case); where none: in any."""
    return not domains or address.rpartition("@")[2] in domains


# -- events as text ---------------------------------------------------------------------------------


def to_json(event: TeachingEvent) -> str:
    """Write an event as canonical JSON; `doubt` and `missing` are the mirror's own columns."""
    values = _fields(event)
    for name in ("starts_at", "ends_at"):
        values[name] = values[name].astimezone(UTC).isoformat()
    return json.dumps(
        values, default=_fields, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )


# The fields that the first release wrote are written whatever they say, and a later one only where
# it says something. Otherwise a release that brings a field would change the digest of every event,
# and so mark every calendar. Nothing is ever added here.
FIRST_FIELDS: Mapping[type, Collection[str]] = {
    TeachingEvent: (
        *("activity", "event_id", "starts_at", "ends_at", "status", "plenary", "staff", "method"),
        *("method_name", "title", "summary", "curriculum", "compulsory", "rooms", "alerts"),
        "resources",
    ),
    Staff: ("username", "name"),
    Room: ("room_id", "name", "building", "url", "digital"),
    Link: ("name", "url"),
}
_FIELDS = {
    kind: [
        (field.name, field.default, field.name in first_names)
        for field in fields(kind)
        if field.name not in {"doubt", "missing"}
    ]
    for kind, first_names in FIRST_FIELDS.items()
}


def _fields(part: TeachingEvent | Staff | Room | Link) -> dict[str, Any]:
    return {
        name: value
        for name, default, is_first in _FIELDS[type(part)]
        if (value := getattr(part, name)) != default or is_first
    }


Part = TypeVar("Part", TeachingEvent, Staff, Room, Link)


def _part(kind: type[Part], values: Mapping[str, Any]) -> Part:
    """Read a part; a field that only a later release knows is left out."""
    known_names = {name for name, *_ in _FIELDS[kind]}
    return kind(**{name: value for name, value in values.items() if name in known_names})


@lru_cache(maxsize=20_000)
def from_json(text: str) -> TeachingEvent:
    """Read what `to_json` wrote, in this release or in one that knows more or fewer fields."""
    values = json.loads(text)
    values["activity"] = ActivityKey(*values["activity"])
    for name in ("starts_at", "ends_at"):
        values[name] = datetime.fromisoformat(values[name])
    values["status"] = EventStatus(values["status"])
    if values["staff"] is not None:
        values["staff"] = tuple(_part(Staff, part) for part in values["staff"])
    values["rooms"] = tuple(_part(Room, part) for part in values["rooms"])
    values["resources"] = tuple(_part(Link, part) for part in values["resources"])
    values["alerts"] = tuple(values["alerts"])
    return _part(TeachingEvent, values)
