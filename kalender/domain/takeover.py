"""What a predecessor wrote: the marks by which it is known, and which event each entry shows.

A predecessor is the service that kept calendars before Kalender. Its entries are known by its own
mark and by nothing else, and nothing without that mark is ever asked for.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from kalender.domain.plan import Create, DesiredEntry, Plan, pair_off


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyMark:
    """A named property of type String: its set's GUID in lower case, its name, and its value.

    With `prefix` the value is what the property's value begins with. Case does not matter in values,
    since neither Exchange nor Graph compares it.
    """

    property_set: str
    name: str
    value: str
    prefix: bool = False

    def holds(self, value: str) -> bool:
        """Whether a property with this value is the mark."""
        folded, wanted = value.casefold(), self.value.casefold()
        return folded.startswith(wanted) if self.prefix else folded == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMark:
    """A category that no user uses."""

    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMark:
    """A line of the visible text of the body; Graph cannot search for it."""

    line: str


PredecessorMark = PropertyMark | CategoryMark | LineMark


# -- what each entry shows -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedItem:
    """An item that carries a predecessor's mark. Times are aware UTC.

    `value` is what the property says that is the mark, and empty for any other kind of mark. Of a
    `series` only the master is found, and its times are those of the first occurrence.
    """

    item_id: str
    value: str
    sync_key: str | None
    subject: str
    location: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    series: bool


class Fate(StrEnum):
    """What becomes of a predecessor's entry."""

    ADOPTED = "adopted"  # it shows an event, and is ours
    LEFT = "left"  # it shows no event of the calendar, and stays
    REMOVED = "removed"  # it shows no event of the calendar, and goes
    SERIES = "series"  # it stands for several meetings
    ENDED = "ended"  # it is over
    COPY = "copy"  # its user copied an entry: the mark came along
    MEETING = "meeting"  # its user invited others, whom a write would mail
    NOTED = "noted"  # it would go, but its user added something
    REFUSED = "refused"  # Exchange did not take the change


BLOCKING = (Fate.LEFT, Fate.COPY, Fate.MEETING, Fate.NOTED, Fate.REFUSED)
"""What stands beside our entries: nothing of the same course is made at the same time."""


@dataclass(frozen=True, slots=True)
class Findings:
    """What was found in one calendar: each entry in one of these lists, in the order of time."""

    pairs: tuple[tuple[DesiredEntry, MarkedItem], ...] = ()
    unmatched: tuple[MarkedItem, ...] = ()
    copies: tuple[MarkedItem, ...] = ()
    series: tuple[MarkedItem, ...] = ()
    ended: tuple[MarkedItem, ...] = ()


def sort_out(
    found: Sequence[MarkedItem],
    desired_entries: Sequence[DesiredEntry],
    mark: PredecessorMark,
    now: datetime,
) -> Findings:
    """Say of each entry which event it shows, or why it shows none.

    `desired_entries` are the events that have no entry of ours. An entry shows an event at the very
    same time, where it names a course of the event in its title or mark, or has one of its rooms.
    Of several the one that names both comes first, then one with a room; then the plan's own order
    decides.
    """
    ordered = sorted(
        found,
        key=lambda marked_item: (
            marked_item.starts_at,
            marked_item.created_at,
            marked_item.item_id,
        ),
    )
    series = [marked_item for marked_item in ordered if marked_item.series]
    ended = [
        marked_item
        for marked_item in ordered
        if not marked_item.series and marked_item.ends_at <= now
    ]
    coming = [
        marked_item
        for marked_item in ordered
        if not marked_item.series and marked_item.ends_at > now
    ]
    copies = _copies(coming, mark)
    copied_ids = {marked_item.item_id for marked_item in copies}
    coming = [marked_item for marked_item in coming if marked_item.item_id not in copied_ids]
    at_time: dict[tuple[datetime, datetime], list[DesiredEntry]] = defaultdict(list)
    for desired in desired_entries:
        at_time[desired.content.starts_at, desired.content.ends_at].append(desired)
    pairs = pair_off(
        ((-signs,), desired, (marked_item.created_at, marked_item.item_id), marked_item)
        for marked_item in coming
        for desired in at_time[marked_item.starts_at, marked_item.ends_at]
        if (signs := _signs(marked_item, desired))
    )
    paired_ids = {marked_item.item_id for _, marked_item in pairs}
    return Findings(
        pairs=tuple(sorted(pairs, key=lambda pair: (pair[1].starts_at, pair[1].item_id))),
        unmatched=tuple(
            marked_item for marked_item in coming if marked_item.item_id not in paired_ids
        ),
        copies=tuple(copies),
        series=tuple(series),
        ended=tuple(ended),
    )


def _copies(items: Sequence[MarkedItem], mark: PredecessorMark) -> list[MarkedItem]:
    """Return the younger of those with one and the same value, where each entry has its own."""
    if not (isinstance(mark, PropertyMark) and mark.prefix):
        return []
    by_value: dict[str, list[MarkedItem]] = defaultdict(list)
    for marked_item in items:
        by_value[marked_item.value.casefold()].append(marked_item)
    return [
        marked_item
        for same in by_value.values()
        for marked_item in sorted(
            same, key=lambda marked_item: (marked_item.created_at, marked_item.item_id)
        )[1:]
    ]


def _signs(marked_item: MarkedItem, desired: DesiredEntry) -> int:
    """Weigh what says that an entry shows an event at its time: its course, and a room of it.

    A room weighs more: groups of one course often meet at one time in several rooms.
    """
    rooms = [room.name for room in desired.event.teaching.rooms if room.name and not room.digital]
    place = f"{marked_item.location} {marked_item.subject}"
    has_room = any(_is_named(name, place) for name in rooms)
    return bool(courses_in(marked_item, courses_of([desired]))) + 2 * has_room


def courses_of(desired_entries: Iterable[DesiredEntry]) -> frozenset[str]:
    """Return the codes of the courses that these events belong to."""
    return frozenset(
        code
        for desired in desired_entries
        for code in (*desired.event.courses, desired.event.teaching.activity.course)
    )


def courses_in(marked_item: MarkedItem, courses: Collection[str]) -> frozenset[str]:
    """Return those of these courses that an entry names in its title or its mark."""
    text = f"{marked_item.subject} {marked_item.value}"
    return frozenset(code for code in courses if _is_named(code, text))


def _is_named(name: str, text: str) -> bool:
    """Whether a text holds a name as words of its own, in any letters."""
    pattern = rf"(?<![^\W_]){re.escape(name.casefold())}(?![^\W_])"
    return re.search(pattern, text.casefold()) is not None


# -- what stands beside ours ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A predecessor's entry that stays, and which courses of the calendar it names."""

    starts_at: datetime
    ends_at: datetime
    courses: frozenset[str]


def withhold(plan: Plan, others: Collection[Beside]) -> Plan:
    """Make nothing of a course where a predecessor's entry of it stands at an overlapping time."""
    withheld = [create for create in plan.creates if _is_beside(create, others)]
    if not withheld:
        return plan
    creates = tuple(create for create in plan.creates if create not in withheld)
    return replace(plan, creates=creates, withheld=tuple(withheld))


def _is_beside(create: Create, others: Collection[Beside]) -> bool:
    content, courses = create.desired.content, courses_of([create.desired])
    return any(
        other.starts_at < content.ends_at
        and content.starts_at < other.ends_at
        and not courses.isdisjoint(other.courses)
        for other in others
    )
