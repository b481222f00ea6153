"""A person as they are shown: who they are, their teaching, their calendars, and what is not well."""

from dataclasses import dataclass, replace
from datetime import datetime

from kalender.domain.timetable import PersonTeaching
from kalender.operate import disclosure
from kalender.operate.question import Question
from kalender.operate.records import CalendarRecord, IdentityRecord, MoveRecord, WorkRecord
from kalender.operate.shown import EntryStanding, ShownEntry, entries_shown
from kalender.operate.why import Check, checklist_of_person
from kalender.store.unreadable import UnreadableItem

UNWRITTEN = ("mailbox", "rollout", "wish")
"""The checks without which nothing is written to any calendar of a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarShown:
    """A calendar with the work that waits for it, its moves and takeover, and all that it shows."""

    row: CalendarRecord
    moves: tuple[MoveRecord, ...]
    takeover: disclosure.TakeoverShown | None
    entries: tuple[ShownEntry, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonShown:
    """What is held of a person, as `kalender show` and the page tell it.

    `pending` is the work that waits for them or is parked, the most urgent first. `checks` are what
    must be so for their calendars to be right: `why.checklist_of_person`.
    """

    person_id: int
    identities: tuple[IdentityRecord, ...]
    wishes: frozenset[str]
    teaching: PersonTeaching
    unreadable: tuple[UnreadableItem, ...]
    pending: tuple[WorkRecord, ...]
    checks: tuple[Check, ...]
    calendars: tuple[CalendarShown, ...]

    @property
    def courses(self) -> list[str]:
        """The codes of the courses that may concern them, sorted."""
        units = [registration.unit for registration in self.teaching.registrations]
        units += [role.unit for role in self.teaching.roles]
        return sorted(
            {unit.course for unit in units} | {key.course for key in self.teaching.named_in}
        )


def person_shown(
    question: Question, *, after: datetime | None = None, before: datetime | None = None
) -> PersonShown:
    """Return the person whom a question without a course is about.

    With `after` and `before` their entries between these instants alone.
    """
    connection, person_id = question.connection, question.person_id
    checks = checklist_of_person(question)
    is_unwritten = any(check.ok is False and check.name in UNWRITTEN for check in checks)
    calendars = []
    for row in question.calendars_by_number:
        would_be = question.previews.get(row.calendar_id)
        entries = []
        if would_be is not None:
            entries = entries_shown(
                connection, would_be, question.settings, after=after, before=before
            )
        if is_unwritten:
            entries = [
                replace(entry, standing=EntryStanding.WAITING)
                if entry.standing is EntryStanding.COMING
                else entry
                for entry in entries
            ]
        calendars.append(
            CalendarShown(
                row=row,
                moves=tuple(disclosure.moves_of(connection, row.calendar_id)),
                takeover=disclosure.takeover_of(connection, row.calendar_id),
                entries=tuple(entries),
            )
        )
    return PersonShown(
        person_id=person_id,
        identities=tuple(question.identities),
        wishes=question.wishes,
        teaching=question.teaching,
        unreadable=tuple(question.unreadable_items),
        pending=tuple(question.work),
        checks=tuple(checks),
        calendars=tuple(calendars),
    )
