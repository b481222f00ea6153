"""What one calendar should show, from the mirror alone; nothing is written and nobody asked."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from functools import cached_property
from hashlib import blake2b

from sqlalchemy import Connection

from kalender.domain.entry import Entry, EntryStatus
from kalender.domain.model import Audience, CourseKey
from kalender.domain.plan import DesiredEntry, Plan, make_plan
from kalender.domain.render import RENDERING, Style
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    PersonTeaching,
    Rules,
    changes_at,
    digest,
    last_day,
    merge_duplicates,
    select,
)
from kalender.reconcile.rendered import RenderCache, RenderKey
from kalender.store import courses, entries, people, teaching
from kalender.store.entries import CalendarRow
from kalender.store.semesters import Semesters


@dataclass(frozen=True, kw_only=True)
class CalendarSettings:
    """All of the configuration that decides what entries there are and what they say."""

    rules: Mapping[Audience, Rules]  # for calendars of STUDENT and TEACHER; BOTH as the teacher
    styles: Mapping[Audience, Style]
    semesters: Semesters = field(default_factory=Semesters)

    @cached_property
    def prepared(self) -> RenderCache:
        """What entries say under these settings, kept by this process."""
        return RenderCache(self.styles)

    @cached_property
    def digest(self) -> str:
        """Condense every setting into 16 hexadecimal digits, so that a change marks calendars.

        An option outside `DIGESTED` counts only where it differs from its default. So a release
        that brings an unused option does not make every calendar differ.
        """
        rules = [
            (audience, _options(audience_rules))
            for audience, audience_rules in sorted(self.rules.items())
        ]
        styles = ", ".join(
            f"({audience!r}, Style({', '.join(f'{n}={v!r}' for n, v in _options(style))}))"
            for audience, style in sorted(self.styles.items())
        )
        settings = f"({RENDERING!r}, {rules!r}, [{styles}])"
        return blake2b(settings.encode(), digest_size=8).hexdigest()

    def rules_for(self, audience: Audience) -> Rules:
        """Return the rules for a calendar of this audience."""
        return self.rules[Audience.STUDENT if audience is Audience.STUDENT else Audience.TEACHER]


# Options that are digested whatever they say. Never add one here: it would move every digest.
DIGESTED = frozenset(
    {
        *("zone", "accepted_offer_statuses", "believe_offer_status", "teaching_roles"),
        *("sole_group", "unit_fallback", "past_days", "future_days"),
        *("institution", "language", "subject", "cancelled_prefix", "body", "contact"),
        *("busy", "reminder_minutes", "category"),
    }
)


def _options(settings: Rules | Style) -> list[tuple[str, object]]:
    """Return the names and values that are digested, in the order of their declaration.

    A set is sorted, since its own order differs from process to process.
    """
    options = [(option, getattr(settings, option.name)) for option in fields(settings)]
    return [
        (option.name, sorted(value) if isinstance(value, frozenset) else value)
        for option, value in options
        if option.repr and (option.name in DIGESTED or value != option.default)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarState:
    """A calendar with all that decides it but the events themselves."""

    row: CalendarRow
    rules: Rules
    teaching: PersonTeaching
    semesters: frozenset[str]
    activities: tuple[Activity, ...]
    selected: tuple[ActivityInterest, ...]
    digest: str
    changes_at: datetime | None
    leaving: bool  # opted out: nothing is desired, and everything of ours goes


def look(
    connection: Connection, row: CalendarRow, settings: CalendarSettings, now: datetime
) -> CalendarState:
    """Return what decides a calendar now, and its digest, without reading events."""
    return load_states(connection, [row], settings, now)[0]


def load_states(
    connection: Connection, rows: Sequence[CalendarRow], settings: CalendarSettings, now: datetime
) -> list[CalendarState]:
    """Return for each calendar what decides it now: a few questions for all of them together."""
    persons = sorted({row.person_id for row in rows})
    semesters = settings.semesters.at(connection, settings.rules_for(Audience.STUDENT), now)
    taught = teaching_of(connection, persons, semesters)
    known: dict[CourseKey, list[Activity]] = defaultdict(list)
    for each in courses.activities(connection, set().union(*map(_courses, taught.values()))):
        known[CourseKey(each.key.course, each.key.semester)].append(each)
    leaving = people.excluded(connection, persons)
    return [
        _view(
            row,
            taught[row.person_id],
            tuple(each for key in sorted(_courses(taught[row.person_id])) for each in known[key]),
            semesters,
            settings,
            now,
            leaving=row.taking_back or row.person_id in leaving,
        )
        for row in rows
    ]


def _courses(taught: PersonTeaching) -> set[CourseKey]:
    keys = {CourseKey(r.unit.course, r.unit.semester) for r in taught.registrations}
    keys |= {CourseKey(r.unit.course, r.unit.semester) for r in taught.roles}
    return keys | {CourseKey(key.course, key.semester) for key in taught.named_in}


def _view(  # noqa: PLR0913
    row: CalendarRow,
    taught: PersonTeaching,
    activities: tuple[Activity, ...],
    semesters: frozenset[str],
    settings: CalendarSettings,
    now: datetime,
    *,
    leaving: bool,
) -> CalendarState:
    rules = settings.rules_for(row.audience)
    selected = select(taught, activities, row.audience, rules, now)
    state = digest(
        selected,
        activities,
        settings=settings.digest,
        audience=row.audience,
        usernames=taught.usernames,
        last_day=last_day(rules, now),
    )
    return CalendarState(
        row=row,
        rules=rules,
        teaching=taught,
        semesters=semesters,
        activities=activities,
        selected=selected,
        digest="left" if leaving else state,
        changes_at=changes_at(taught, selected, activities, rules, now),
        leaving=leaving,
    )


def teaching_of(
    connection: Connection, persons: Sequence[int], semesters: frozenset[str]
) -> dict[int, PersonTeaching]:
    """Return what the mirror holds of each of these persons in these semesters."""
    facts = teaching.read_many(connection, persons, semesters)
    names = people.usernames_of(connection, persons)
    named_in = courses.named_in(connection, set().union(*names.values()), semesters)
    return {
        each: PersonTeaching(
            registrations=facts[each].registrations,
            placements=facts[each].placements,
            roles=facts[each].roles,
            usernames=names.get(each, frozenset()),
            named_in=frozenset().union(*(named_in.get(n, ()) for n in names.get(each, ()))),
        )
        for each in persons
    }


def wanted(
    connection: Connection, view: CalendarState, settings: CalendarSettings, now: datetime
) -> list[DesiredEntry]:
    """Return the desired events with what their entries should say, in time's order."""
    if view.leaving:
        return []
    digests = {each.key: each.digest for each in view.activities}
    names, audience = view.teaching.usernames, view.row.audience
    sights = [RenderKey.of(s, digests[s.activity], names, audience) for s in view.selected]
    given = list(settings.prepared.seen(connection, sights, view.rules, now))
    said = {id(each.event): each for each in given}
    shown = merge_duplicates((each.event for each in given), view.rules, now)
    return [said.get(id(e)) or settings.prepared.said(e, view.rules) for e in shown]


def split(
    found: list[Entry], view: CalendarState, now: datetime
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Part the records into those that may be written and those that have ended.

    What is open is never frozen; what belongs to semesters that are not maintained is neither.
    Whoever leaves takes everything along, ended or not.
    """
    if view.leaving:
        return tuple(found), ()
    writable = [
        entry for entry in found if entry.open or (entry.ends_at > now and _maintained(entry, view))
    ]
    known = {entry.sync_key for entry in writable}
    ended = [e for e in found if e.sync_key not in known and e.ends_at <= now]
    return tuple(writable), tuple(ended)


def kept(standing: Collection[Entry], view: CalendarState, now: datetime) -> frozenset[str]:
    """Return the keys of what ended before it was known what it says: no plan deletes it."""
    if view.leaving:
        return frozenset()
    live = (entry for entry in standing if entry.status is EntryStatus.LIVE)
    return frozenset(entry.sync_key for entry in live if entry.ends_at <= now)


def _maintained(entry: Entry, view: CalendarState) -> bool:
    return not entry.activity.semester or entry.activity.semester in view.semesters


def preview(
    connection: Connection,
    calendar_id: int,
    settings: CalendarSettings,
    now: datetime,
) -> tuple[CalendarState, Plan] | None:
    """Return what would be written to a calendar now; changes nothing, asks nobody."""
    row = entries.load(connection, calendar_id)
    if row is None:
        return None
    view = look(connection, row, settings, now)
    standing, ended = split(entries.of_calendar(connection, calendar_id), view, now)
    events = wanted(connection, view, settings, now)
    return view, make_plan(events, standing, ended, kept=kept(standing, view, now))
