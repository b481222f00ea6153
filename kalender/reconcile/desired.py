"""What one calendar should show, from the mirror alone; nothing is written and nobody asked."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import cached_property, lru_cache, partial
from hashlib import blake2b
from typing import NamedTuple

from sqlalchemy import Connection

from kalender.domain.entry import Entry, EntryStatus
from kalender.domain.model import ActivityKey, Content, CourseKey, TeachingEvent
from kalender.domain.plan import DesiredEntry, Plan, make_plan
from kalender.domain.render import RENDERING, Language, Style, fingerprint, render
from kalender.domain.roles import leading, word_of
from kalender.domain.takeover import withhold
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    Audience,
    Event,
    PersonTeaching,
    Relation,
    Role,
    Rules,
    changes_at,
    digest,
    earliest_end,
    last_day,
    merge_duplicates,
    select,
    visible_events,
)
from kalender.store import courses, entries, people, takeovers, teaching
from kalender.store.entries import CalendarRow
from kalender.store.semesters import Semesters

MOST_KEPT = 50_000  # entries kept by one process in the institution's language
FEWER_KEPT = 10_000  # in each other language

# -- what entries say, made ready once for all who see an activity the same way ------------------------
#
# It is kept under the digest that decides it, and so is never older than the state that asks for it.

EventReader = Callable[
    [Collection[ActivityKey], datetime], Mapping[ActivityKey, tuple[str, list[TeachingEvent]]]
]
"""Returns each activity's digest, and its events that end after an instant, as of one moment."""


class RenderKey(NamedTuple):
    """An activity as somebody sees it; the usernames only where they decide."""

    selected: ActivityInterest
    digest: str
    usernames: frozenset[str]
    audience: Audience

    @classmethod
    def of(
        cls, interest: ActivityInterest, digest: str, usernames: frozenset[str], audience: Audience
    ) -> "RenderKey":
        """Return how a calendar of this audience sees it."""
        is_named = interest.capacity is Relation.NAMED
        return cls(interest, digest, usernames if is_named else frozenset(), audience)


class RenderCache:
    """The entries of activities, each with what it says. Usable from several threads."""

    def __init__(self, styles: Mapping[Role, Style], *, limit: int = MOST_KEPT) -> None:
        self.styles = styles
        self._known: dict[RenderKey, tuple[DesiredEntry, ...]] = {}
        self._most = self._room = limit

    def desired_entries(
        self,
        read_events: EventReader,
        render_keys: Collection[RenderKey],
        rules: Rules,
        now: datetime,
    ) -> list[DesiredEntry]:
        """Return the entries that a calendar with these keys should hold, in time's order."""
        visible_entries = list(self._visible_entries(read_events, render_keys, rules, now))
        entry_of_event = {id(entry.event): entry for entry in visible_entries}
        events = merge_duplicates((entry.event for entry in visible_entries), rules, now)
        return [entry_of_event.get(id(event)) or self._render(event, rules) for event in events]

    def _visible_entries(
        self,
        read_events: EventReader,
        render_keys: Collection[RenderKey],
        rules: Rules,
        now: datetime,
    ) -> Iterable[DesiredEntry]:
        """Return the entries that these keys show, key by key.

        An event that two of them show comes twice, and what has ended meanwhile comes too:
        `merge_duplicates` removes both. What has ended may change under an unchanged digest: where
        that is shown, nothing is kept.
        """
        keep = not rules.past_days
        cached = self._known if keep else {}
        entries = {key: cached[key] for key in render_keys if key in cached}
        lacking = [key for key in render_keys if key not in entries]
        activities = {key.selected.activity for key in lacking}
        after = min(now, earliest_end(rules, now))
        events_of = read_events(activities, after) if lacking else {}
        for key in lacking:
            digest, events = events_of.get(key.selected.activity, (None, ()))
            visible = visible_events(events, key.selected, key.usernames, rules)
            entries[key] = tuple(self._render(event, rules) for event in visible)
            if keep and digest is not None:
                size = len(entries[key]) + 1
                if size > self._room:  # the cache begins anew
                    self._known, self._room = {}, self._most
                self._room -= size
                self._known[key._replace(digest=digest)] = entries[key]
        return (entry for key in render_keys for entry in entries[key])

    def _render(self, event: Event, rules: Rules) -> DesiredEntry:
        """Return an event with what its entry should say."""
        show_as = rules.unit_fallback if event.capacity is Relation.UNIT_ROLE else None
        content, print_ = _rendered(event.teaching, event.courses, self.styles[event.role], show_as)
        return DesiredEntry(event=event, content=content, fingerprint=print_)


@lru_cache(maxsize=MOST_KEPT)
def _rendered(
    event: TeachingEvent, names: tuple[str, ...], style: Style, show_as: str | None
) -> tuple[Content, str]:
    """Render once for an event, role and language, not once for each person."""
    content = render(event, names, style)
    if show_as == "free":
        content = replace(content, show_as="free")
    return content, fingerprint(content)


# -- the settings, and the state of a calendar ---------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CalendarSettings:
    """All of the configuration that decides what entries there are and what they say.

    `translations` are the styles in the languages that persons may have of their own.
    """

    rules: Mapping[Role, Rules]
    styles: Mapping[Role, Style]
    semesters: Semesters = field(default_factory=Semesters)
    translations: Mapping[Language, Mapping[Role, Style]] = field(default_factory=dict)
    most_kept: int = MOST_KEPT

    @cached_property
    def render_cache(self) -> RenderCache:
        """What entries say under these settings, kept by this process."""
        return RenderCache(self.styles, limit=self.most_kept)

    @cached_property
    def _translated(self) -> "Mapping[str, CalendarSettings]":
        return {
            language: replace(self, styles=styles, translations={}, most_kept=FEWER_KEPT)
            for language, styles in self.translations.items()
            if styles != self.styles
        }

    def in_language(self, language: str | None) -> "CalendarSettings":
        """Return these settings as they are for who has that language; None: the institution's.

        Their digest is another where the language is.
        """
        return self if language is None else self._translated.get(language, self)

    @property
    def digests(self) -> Mapping[str | None, str]:
        """The digest for each language that persons may have, and for None."""
        languages: tuple[str | None, ...] = (None, *self.translations)
        return {language: self.in_language(language).digest for language in languages}

    @cached_property
    def digest(self) -> str:
        """Condense every setting into 16 hexadecimal digits, so that a change marks calendars.

        An option outside `DIGESTED` counts only where it differs from its default, and a role that
        the first release did not have only where its settings differ from those of the first role.
        So a release that brings an unused option, or another role, does not make every calendar
        differ.
        """
        rules = {role: f"{_options(rules)!r}" for role, rules in self.rules.items()}
        styles = {
            role: f"Style({', '.join(f'{n}={v!r}' for n, v in _options(style))})"
            for role, style in self.styles.items()
        }
        settings = f"({RENDERING!r}, {_by_role(rules)}, {_by_role(styles)})"
        return blake2b(settings.encode(), digest_size=8).hexdigest()

    @property
    def common_rules(self) -> Rules:
        """The rules of the first role, for what all have alike, such as the time zone."""
        return next(iter(self.rules.values()))

    def rules_for(self, audience: Audience) -> Rules:
        """Return the rules for a calendar of this audience."""
        return self.rules[leading(audience)]

    def style_for(self, audience: Audience) -> Style:
        """Return the style that most entries of such a calendar have."""
        return self.styles[leading(audience)]


def _by_role(texts: Mapping[Role, str]) -> str:
    """Return the texts of all roles as one, which names a role as the first release did."""
    first = next(iter(texts.values()))
    named_texts = [
        f"(<Audience.{role.name.upper()}: {role.name!r}>, {text})"
        for role, text in sorted(texts.items(), key=lambda item: item[0].name)
        if role.first_release or text != first
    ]
    return f"[{', '.join(named_texts)}]"


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
    language: str | None  # the person's own; None: the institution's
    leaving: bool  # opted out: nothing is desired, and everything of ours goes


def load_state(
    connection: Connection, row: CalendarRow, settings: CalendarSettings, now: datetime
) -> CalendarState:
    """Return what decides a calendar now, and its digest, without reading events."""
    return load_states(connection, [row], settings, now)[0]


def load_states(
    connection: Connection,
    rows: Sequence[CalendarRow],
    settings: CalendarSettings,
    now: datetime,
    *,
    teaching_by_person: Mapping[int, PersonTeaching] | None = None,
) -> list[CalendarState]:
    """Return for each calendar what decides it now: a few questions for all of them together.

    `teaching_by_person` is the teaching of persons of whom it was read already.
    """
    persons = sorted({row.person_id for row in rows})
    semesters = settings.semesters.at(connection, settings.common_rules, now)
    teaching_by_person = dict(teaching_by_person or {})
    others = [person_id for person_id in persons if person_id not in teaching_by_person]
    if others:
        teaching_by_person |= teaching_of(connection, others, semesters)
    activities_of_course: dict[CourseKey, list[Activity]] = defaultdict(list)
    for activity in courses.activities(
        connection, set().union(*map(_courses, teaching_by_person.values()))
    ):
        activities_of_course[CourseKey(activity.key.course, activity.key.semester)].append(activity)
    preferences = people.preferences_of(connection, persons)
    states = []
    for row in rows:
        person_teaching = teaching_by_person[row.person_id]
        activities = tuple(
            activity
            for key in sorted(_courses(person_teaching))
            for activity in activities_of_course[key]
        )
        rules = settings.rules_for(row.audience)
        interests = select(person_teaching, activities, row.audience, rules, now)
        leaving = row.taking_back or row.person_id in preferences.excluded
        language = preferences.languages.get(row.person_id)
        state_digest = digest(
            interests,
            activities,
            settings=settings.in_language(language).digest,
            audience=word_of(row.audience),
            usernames=person_teaching.usernames,
            last_day=last_day(rules, now),
        )
        states.append(
            CalendarState(
                row=row,
                rules=rules,
                teaching=person_teaching,
                semesters=semesters,
                activities=activities,
                selected=interests,
                digest="left" if leaving else state_digest,
                changes_at=changes_at(
                    person_teaching, interests, activities, settings.rules, rules, now
                ),
                language=language,
                leaving=leaving,
            )
        )
    return states


def _courses(person_teaching: PersonTeaching) -> set[CourseKey]:
    keys = {CourseKey(r.unit.course, r.unit.semester) for r in person_teaching.registrations}
    keys |= {CourseKey(r.unit.course, r.unit.semester) for r in person_teaching.roles}
    return keys | {CourseKey(key.course, key.semester) for key in person_teaching.named_in}


def teaching_of(
    connection: Connection, persons: Sequence[int], semesters: frozenset[str]
) -> dict[int, PersonTeaching]:
    """Return what the mirror holds of each of these persons in these semesters."""
    facts = teaching.read_many(connection, persons, semesters)
    names = people.usernames_of(connection, persons)
    named_in = courses.named_in(connection, set().union(*names.values()), semesters)
    return {
        person_id: PersonTeaching(
            registrations=facts[person_id].registrations,
            placements=facts[person_id].placements,
            roles=facts[person_id].roles,
            usernames=names.get(person_id, frozenset()),
            named_in=frozenset().union(*(named_in.get(n, ()) for n in names.get(person_id, ()))),
        )
        for person_id in persons
    }


def desired_entries(
    connection: Connection, calendar_state: CalendarState, settings: CalendarSettings, now: datetime
) -> list[DesiredEntry]:
    """Return the desired events with what their entries should say, in time's order."""
    if calendar_state.leaving:
        return []
    digests = {each.key: each.digest for each in calendar_state.activities}
    names, audience = calendar_state.teaching.usernames, calendar_state.row.audience
    render_keys = [
        RenderKey.of(s, digests[s.activity], names, audience) for s in calendar_state.selected
    ]
    read_events = partial(courses.events_of, connection)
    return settings.in_language(calendar_state.language).render_cache.desired_entries(
        read_events, render_keys, calendar_state.rules, now
    )


def split(
    records: list[Entry], calendar_state: CalendarState, now: datetime
) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    """Return (writable, ended) of the records.

    Writable is an entry whose outcome is unknown, or one that has not ended and belongs to a
    maintained semester; of whoever leaves all are. What has not ended and belongs to another
    semester is in neither.
    """
    if calendar_state.leaving:
        return tuple(records), ()
    semesters = {
        "",
        *calendar_state.semesters,
    }  # an entry whose activity is not known counts as maintained
    writable = [
        entry
        for entry in records
        if entry.open or (entry.ends_at > now and entry.activity.semester in semesters)
    ]
    writable_keys = {entry.sync_key for entry in writable}
    ended_entries = [e for e in records if e.sync_key not in writable_keys and e.ends_at <= now]
    return tuple(writable), tuple(ended_entries)


def kept(
    standing: Collection[Entry], calendar_state: CalendarState, now: datetime
) -> frozenset[str]:
    """Return the keys of what ended before it was known what it says: no plan deletes it."""
    if calendar_state.leaving:
        return frozenset()
    live = (entry for entry in standing if entry.status is EntryStatus.LIVE)
    return frozenset(entry.sync_key for entry in live if entry.ends_at <= now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What would be written to a calendar: what decides it, what is desired, and the plan."""

    state: CalendarState
    desired: Sequence[DesiredEntry]
    plan: Plan


def preview(
    connection: Connection,
    calendar_id: int,
    settings: CalendarSettings,
    now: datetime,
    *,
    teaching_by_person: Mapping[int, PersonTeaching] | None = None,
) -> Preview | None:
    """Return what would be written to a calendar now; changes nothing, asks nobody.

    `teaching_by_person` is what `teaching_of` has of persons of whom it was read already. None:
    there is no such calendar.
    """
    row = entries.load(connection, calendar_id)
    if row is None:
        return None
    (calendar_state,) = load_states(
        connection, [row], settings, now, teaching_by_person=teaching_by_person
    )
    standing, ended_entries = split(
        entries.of_calendar(connection, calendar_id), calendar_state, now
    )
    desired = desired_entries(connection, calendar_state, settings, now)
    plan = make_plan(
        desired, standing, ended_entries, kept_keys=kept(standing, calendar_state, now)
    )
    plan = withhold(plan, takeovers.beside(connection, calendar_id))
    return Preview(state=calendar_state, desired=desired, plan=plan)
