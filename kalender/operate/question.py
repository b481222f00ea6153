"""A question about a person's calendar, and what the mirror and the records hold for its answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property

from sqlalchemy import Connection

from kalender.domain.entry import EXPLAINED, FORMER
from kalender.domain.model import CourseKey, TeachingEvent
from kalender.domain.roles import audience_of, leading
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    PersonTeaching,
    Role,
    Rules,
    select,
)
from kalender.domain.work import Kind
from kalender.operate import disclosure, queries
from kalender.operate.records import (
    CalendarRecord,
    CourseAnswer,
    EntryRecord,
    IdentityRecord,
    WorkRecord,
)
from kalender.operate.status import Brake, Neighbour
from kalender.reconcile.desired import CalendarSettings, Preview, preview, teaching_of
from kalender.store import brakes, courses, people, unreadable
from kalender.store.unreadable import UnreadableItem


@dataclass(frozen=True, kw_only=True)
class Question:
    """Asks why a course's teaching, perhaps of one day, is not in a person's calendar.

    Without a course (`asked_for` is "") it asks what keeps the person's calendars from being right:
    `kalender.operate.why.checklist_of_person` answers it, and `checklist` one with a course. What it
    reads it keeps: one question is asked in one transaction.
    """

    connection: Connection
    settings: CalendarSettings
    rollout_mode: str
    skips: Callable[[str], bool]
    now: datetime
    person_id: int
    asked_for: str = ""
    day: date | None = None

    def about(self, course: str, day: date | None) -> "Question":
        """Return the question about a course; what was read of the person is not read again."""
        other = replace(self, asked_for=course, day=day)
        vars(other).update({name: value for name, value in vars(self).items() if name in OF_PERSON})
        return other

    @cached_property
    def spelled(self) -> str | None:
        """The course's code as FS or TP spells it; None where nobody told of it."""
        return disclosure.spelled(self.connection, self.asked_for) if self.asked_for else None

    @cached_property
    def course(self) -> str:
        """The course's code, in capitals where nobody told of it."""
        return self.spelled or self.asked_for.upper()

    @cached_property
    def rules(self) -> Rules:
        """The rules for the calendar's audience."""
        row = next(iter(self.calendars), None)
        if row is None:
            return self.settings.common_rules
        return self.settings.rules_for(audience_of(row.audience))

    @cached_property
    def calendars_by_number(self) -> Sequence[CalendarRecord]:
        """The person's calendars, as `disclosure.calendars_of` has them."""
        return disclosure.calendars_of(self.connection, self.person_id)

    @cached_property
    def calendars(self) -> Sequence[CalendarRecord]:
        """The person's calendars, the one that shows such teaching first."""
        return sorted(
            self.calendars_by_number,
            key=lambda row: (
                self.role not in audience_of(row.audience),
                not row.owner,
                row.calendar_id,
            ),
        )

    @cached_property
    def identities(self) -> Sequence[IdentityRecord]:
        """All that names the person, as `disclosure.identities` has it."""
        return disclosure.identities(self.connection, self.person_id)

    @cached_property
    def names(self) -> people.Names:
        """What FS and its username call the person; nothing of a protected one."""
        return people.names_of(self.connection, [self.person_id])[self.person_id]

    @cached_property
    def fs_number(self) -> int | None:
        """What FS calls the person."""
        return next((int(name.value) for name in self.identities if name.kind == people.FS), None)

    @cached_property
    def is_emptied(self) -> bool:
        """Whether FS answered that nothing is left of the person, and is to be asked once more."""
        waiting_persons = dict(brakes.waiting_persons(self.connection))
        return str(self.fs_number) in waiting_persons

    @cached_property
    def wishes(self) -> frozenset[str]:
        """What keeps everybody from writing to the person's calendars."""
        return people.wishes_of(self.connection, self.person_id)

    @cached_property
    def unreadable_items(self) -> Sequence[UnreadableItem]:
        """What FS said of the person that cannot be read."""
        return unreadable.of_person(self.connection, self.person_id)

    @cached_property
    def standing_brakes(self) -> Mapping[str, Brake]:
        """Every brake that is set, by its scope."""
        rows = queries.standing_brakes(self.connection, self.now)
        return {brake.scope: brake for brake in rows}

    @cached_property
    def neighbours(self) -> Sequence[Neighbour]:
        """What is known of each neighbour."""
        return queries.neighbours(self.connection)

    @property
    def whom(self) -> str:
        """The person as commands take them."""
        return self.names.number or self.names.username or f"person {self.person_id}"

    @cached_property
    def teaching(self) -> PersonTeaching:
        """What the mirror holds of the person."""
        semesters = self.settings.semesters.at(
            self.connection, self.settings.common_rules, self.now
        )
        return teaching_of(self.connection, [self.person_id], semesters)[self.person_id]

    @cached_property
    def previews(self) -> Mapping[int, Preview]:
        """What would be written to each of the person's calendars now, by its number."""
        teaching_by_person = {self.person_id: self.teaching}
        previews = {
            row.calendar_id: preview(
                self.connection,
                row.calendar_id,
                self.settings,
                self.now,
                teaching_by_person=teaching_by_person,
            )
            for row in self.calendars_by_number
        }
        return {number: each for number, each in previews.items() if each is not None}

    @cached_property
    def keys(self) -> list[CourseKey]:
        """The course in the semesters in which it concerns the person."""
        units = [registration.unit for registration in self.teaching.registrations]
        units += [role.unit for role in self.teaching.roles]
        keys = {CourseKey(unit.course, unit.semester) for unit in units}
        keys |= {CourseKey(key.course, key.semester) for key in self.teaching.named_in}
        return sorted(key for key in keys if key.course == self.course)

    @cached_property
    def runs(self) -> list[CourseAnswer]:
        """What TP answered last for the course in these semesters."""
        return [row for key in self.keys for row in disclosure.answers(self.connection, *key)]

    @cached_property
    def role(self) -> Role:
        """The role in which the course concerns the person; the first of all where it does not."""
        roles = {
            role
            for role, rules in self.settings.rules.items()
            if any(key.course == self.course for key in role.courses(self.teaching, rules))
        }
        return leading(frozenset(roles)) if roles else next(iter(self.settings.rules))

    @property
    def teaches(self) -> bool:
        """Whether TP names the person, or a counted role does."""
        return self.role.teaches if self.asked_for else bool(self.teaching.named_in)

    @cached_property
    def activities(self) -> Sequence[Activity]:
        """The course's activities."""
        return courses.activities(self.connection, set(self.keys))

    @cached_property
    def selected(self) -> Sequence[ActivityInterest]:
        """Those of them that concern the person, in whichever role."""
        every_role = frozenset(self.settings.rules)
        return select(self.teaching, self.activities, every_role, self.rules, self.now)

    @cached_property
    def events(self) -> Sequence[TeachingEvent]:
        """The course's coming events, or those of the day."""
        keys = {activity.key for activity in self.activities}
        after = self.now if self.day is None else self.now.replace(year=self.now.year - 2)
        by_activity = courses.events_of(self.connection, keys, after=after).values()
        return [
            event
            for _, events in by_activity
            for event in events
            if self.day is None or self._local(event.starts_at) == self.day
        ]

    def _local(self, moment: datetime) -> date:
        return moment.astimezone(self.rules.zone).date()

    @cached_property
    def concerning(self) -> Sequence[TeachingEvent]:
        """Those events whose activity concerns the person."""
        activities = {interest.activity for interest in self.selected}
        return [event for event in self.events if event.activity in activities]

    @cached_property
    def of_course(self) -> Sequence[EntryRecord]:
        """What we recorded of the course that is to come, or of the day, in all calendars."""
        return [
            row
            for calendar in self.calendars
            for row in disclosure.entries_of(
                self.connection, calendar.calendar_id, course=self.course
            )
            if row.status not in FORMER
            if row.ends_at > self.now or self.day is not None
            if self.day is None or self._local(row.starts_at) == self.day
        ]

    @cached_property
    def records(self) -> Sequence[EntryRecord]:
        """What we recorded of the events that concern the person."""
        ids = {event.event_id for event in self.concerning}
        return [row for row in self.of_course if row.event_id in ids]

    @cached_property
    def explained_records(self) -> Sequence[EntryRecord]:
        """Those records whose entries are, or were, in the calendar."""
        return [row for row in self.records if row.status in EXPLAINED]

    @cached_property
    def missing(self) -> set[str]:
        """The ids of the events that should be written, and are not.

        What several courses share is written once, under an event of one of them.
        """
        if not self.calendars or not self.concerning:
            return set()
        number = self.calendars[0].calendar_id
        would_be = self.previews.get(number)
        spans = {(event.starts_at, event.ends_at) for event in self.concerning}
        rows = disclosure.entries_of(self.connection, number)
        explained_ids = {row.event_id for row in rows if row.status in EXPLAINED}
        return {
            entry.event.event_id
            for entry in (would_be.desired if would_be is not None else ())
            if (entry.content.starts_at, entry.content.ends_at) in spans
        } - explained_ids

    @cached_property
    def work(self) -> Sequence[WorkRecord]:
        """What is still to be done for the person and the course, the most urgent first."""
        numbers = (row.calendar_id for row in self.calendars_by_number)
        keys = disclosure.work_keys(self.identities, numbers)
        keys |= {(Kind.COURSE.value, str(key)) for key in self.keys}
        rows = disclosure.pending(self.connection, keys)
        return sorted(rows, key=lambda row: (row.parked_at is None, row.due_at))


OF_PERSON = frozenset(
    {
        *("calendars_by_number", "identities", "names", "fs_number", "is_emptied", "wishes"),
        *("teaching", "previews", "unreadable_items", "standing_brakes", "neighbours"),
    }
)
"""What a question keeps that is the same for each course, and each day."""
