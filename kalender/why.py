"""Why something is not in a calendar: what must be true for it, in order, from the mirror alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection

from kalender.desired import CalendarSettings, teaching_of
from kalender.domain.model import Audience, CourseKey, Status, TeachingEvent
from kalender.domain.timetable import (
    Activity,
    Rules,
    Selected,
    Teaching,
    counted_roles,
    counts,
    in_window,
    select,
)
from kalender.store import ask, courses, look, people, rollouts


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must be so. `ok` None: it does not matter here."""

    name: str
    ok: bool | None
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Asks why a course's teaching, perhaps of one day, is not in a person's calendar."""

    connection: Connection
    settings: CalendarSettings
    rollout_mode: str
    now: datetime
    person_id: int
    course: str
    day: date | None = None

    @cached_property
    def rules(self) -> Rules:
        """The rules for the calendar's audience."""
        row = next(iter(self.calendars), None)
        return self.settings.rules_for(Audience(row["audience"]) if row else Audience.STUDENT)

    @cached_property
    def calendars(self) -> look.Rows:
        """The person's calendars, the one to be written to first."""
        rows = look.calendars_of(self.connection, self.person_id)
        return sorted(rows, key=lambda row: (not row["owner"], row["calendar_id"]))

    @cached_property
    def taught(self) -> Teaching:
        """What the mirror holds of the person."""
        rules = self.settings.rules_for(Audience.STUDENT)
        semesters = self.settings.semesters.at(self.connection, rules, self.now)
        return teaching_of(self.connection, [self.person_id], semesters)[self.person_id]

    @cached_property
    def keys(self) -> list[CourseKey]:
        """The course in the semesters in which it concerns the person."""
        told = [r.unit for r in self.taught.registrations] + [r.unit for r in self.taught.roles]
        found = {CourseKey(u.course, u.semester) for u in told}
        found |= {CourseKey(key.course, key.semester) for key in self.taught.named_in}
        return sorted(key for key in found if key.course == self.course)

    @cached_property
    def teaches(self) -> bool:
        """Whether TP names the person, or a counted role does."""
        roles = counted_roles(self.taught.roles, self.rules)
        named = any(key.course == self.course for key in self.taught.named_in)
        return named or any(role.unit.course == self.course for role in roles)

    @cached_property
    def activities(self) -> Sequence[Activity]:
        """The course's activities."""
        return courses.activities(self.connection, set(self.keys))

    @cached_property
    def selected(self) -> Sequence[Selected]:
        """Those of them that concern the person, as student or teacher."""
        return select(self.taught, self.activities, Audience.BOTH, self.rules, self.now)

    @cached_property
    def events(self) -> Sequence[TeachingEvent]:
        """The course's coming events, or those of the day."""
        known = {each.key for each in self.activities}
        after = self.now if self.day is None else self.now.replace(year=self.now.year - 2)
        told = courses.events_of(self.connection, known, after=after).values()
        found = (event for _, events in told for event in events)
        return [e for e in found if self.day is None or self._local(e) == self.day]

    def _local(self, event: TeachingEvent) -> date:
        return event.starts_at.astimezone(self.rules.zone).date()

    @cached_property
    def mine(self) -> Sequence[TeachingEvent]:
        """Those events whose activity concerns the person."""
        chosen = {each.activity for each in self.selected}
        return [event for event in self.events if event.activity in chosen]

    @cached_property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """What we recorded of these events."""
        ids = {event.event_id for event in self.mine}
        rows = [
            row
            for each in self.calendars
            for row in look.entries_of(self.connection, each["calendar_id"])
        ]
        return [row for row in rows if row["event_id"] in ids and row["status"] != "abandoned"]


def checklist(asked: Question) -> list[Check]:
    """Return what must be so, in order; the first that is not so is the answer."""
    return [*_of_sources(asked), *_of_exchange(asked), *_of_work(asked)]


def first_failing(checks: Sequence[Check]) -> Check | None:
    """Return the answer, where anything is not so."""
    return next((check for check in checks if check.ok is False), None)


# -- FS and TP ----------------------------------------------------------------------------------------


def _of_sources(asked: Question) -> Iterator[Check]:
    number = people.fs_number(asked.connection, asked.person_id)
    yield Check(name="known", ok=number is not None or asked.teaches, facts={"number": number})
    role = "teacher" if asked.teaches else "student"
    yield Check(name="registered", ok=bool(asked.keys), facts={"role": role})
    yield _status(asked)
    yield _published(asked)
    yield _placed(asked)
    yield _event(asked)
    inside = any(in_window(event, asked.rules, asked.now) for event in asked.mine)
    yield Check(name="window", ok=inside if asked.mine else None)


def _status(asked: Question) -> Check:
    mine = [r for r in asked.taught.registrations if r.unit.course == asked.course]
    told = sorted({str(r.offer_status) for r in mine})
    ok = any(counts(each, asked.rules) for each in mine) if mine else None
    return Check(name="status", ok=None if asked.teaches else ok, facts={"status": ", ".join(told)})


def _published(asked: Question) -> Check:
    rows = [row for key in asked.keys for row in ask.runs(asked.connection, *key)]
    facts = {"asked_at": max((row["asked_at"] for row in rows), default=None)}
    ok = any(row["published"] for row in rows) if asked.keys else None
    return Check(name="published", ok=ok, facts=facts)


def _placed(asked: Question) -> Check:
    groups = sorted(key.actid for key in asked.taught.placements if key.course == asked.course)
    ok = bool(asked.mine) if asked.events else bool(asked.selected)
    known = ok if asked.keys and asked.activities else None
    return Check(name="placed", ok=known, facts={"groups": ", ".join(groups) or "-"})


def _event(asked: Question) -> Check:
    unsure = [e for e in asked.mine if e.doubt or e.missing or e.status is Status.UNKNOWN]
    facts = {
        "events": len(asked.mine),
        "cancelled": sum(e.status is Status.CANCELLED for e in asked.mine),
        "unsure": len(unsure),
    }
    sure = len(unsure) < len(asked.mine)
    return Check(name="event", ok=sure if asked.keys else None, facts=facts)


# -- Exchange and who may be written to -----------------------------------------------------------------


def _of_exchange(asked: Question) -> Iterator[Check]:
    row = next(iter(asked.calendars), None)
    state = "none" if row is None else (row["state"] if row["owner"] else "other's")
    yield Check(name="mailbox", ok=state == "active", facts={"state": state})
    ids = [each["calendar_id"] for each in asked.calendars]
    inside = rollouts.switched_on_of(asked.connection, ids, asked.rollout_mode)
    yield Check(name="rollout", ok=bool(inside) if row else None)
    wishes = sorted(people.wishes_of(asked.connection, asked.person_id))
    yield Check(name="wish", ok=not wishes, facts={"wishes": ", ".join(wishes)})


# -- our own work ---------------------------------------------------------------------------------------


def _of_work(asked: Question) -> Iterator[Check]:
    held = sorted({row["held_by"] for row in asked.records if row["held_by"]})
    yield Check(name="held", ok=not held, facts={"brake": ", ".join(held)})
    yield _pending(asked)
    yield _written(asked)
    often = max((row["restored"] for row in asked.records), default=0)
    declined = any(row["status"] == "declined" for row in asked.records)
    yield Check(name="restored", ok=not declined, facts={"times": often})


def _pending(asked: Question) -> Check:
    keys = ask.work_of(asked.connection, asked.person_id)
    keys |= {("course", str(key)) for key in asked.keys}
    rows = ask.pending(asked.connection, keys)
    first = min(rows, key=lambda row: (row["parked_at"] is None, row["due_at"]), default=None)
    facts = (
        {}
        if first is None
        else {
            "reason": first["reason"],
            "parked": first["parked_at"] is not None,
            "not_before": first["not_before"] or first["due_at"],
            "error": first["last_error"],
        }
    )
    return Check(name="pending", ok=not rows, facts=facts)


def _written(asked: Question) -> Check:
    live = [row for row in asked.records if row["status"] in {"live", "deleting", "declined"}]
    refused = sum(row["status"] == "refused" for row in asked.records)
    facts: dict[str, Any] = {"entries": len(live), "refused": refused}
    if live:
        last = max(live, key=lambda row: row["written_at"])
        change = ask.last_changes(asked.connection, last["calendar_id"]).get(last["sync_key"], {})
        facts |= {"written_at": last["written_at"], "reason": change.get("reason")}
    missing = {e.event_id for e in asked.mine} - {row["event_id"] for row in live}
    return Check(name="written", ok=not missing if asked.mine else None, facts=facts)
