"""Why something is not in a calendar: what must be true for it, in order, from the mirror alone."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from typing import Any, TypedDict

from sqlalchemy import Connection

from kalender.domain.model import Audience, CourseKey, Status, TeachingEvent
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    PersonTeaching,
    Rules,
    counted_roles,
    counts,
    in_window,
    select,
)
from kalender.domain.work import Kind
from kalender.operate import disclosure, queries
from kalender.operate.status import Neighbour
from kalender.reconcile.desired import CalendarSettings, preview, teaching_of, wanted
from kalender.store import brakes, courses, mailboxes, people, rollouts, unreadable
from kalender.store.unreadable import Unreadable

STANDING = {"live", "deleting", "declined"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must be so. `ok` None: it does not matter here.

    `case` says in which way it is so, or not so, where there are several.
    """

    name: str
    ok: bool | None
    case: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """Asks why a course's teaching, perhaps of one day, is not in a person's calendar."""

    connection: Connection
    settings: CalendarSettings
    rollout_mode: str
    skips: Callable[[str], bool]
    now: datetime
    person_id: int
    asked_for: str
    day: date | None = None

    @cached_property
    def spelled(self) -> str | None:
        """The course's code as FS or TP spells it; None where nobody told of it."""
        return disclosure.spelled(self.connection, self.asked_for)

    @cached_property
    def course(self) -> str:
        """The course's code, in capitals where nobody told of it."""
        return self.spelled or self.asked_for.upper()

    @cached_property
    def rules(self) -> Rules:
        """The rules for the calendar's audience."""
        row = next(iter(self.calendars), None)
        return self.settings.rules_for(Audience(row["audience"]) if row else Audience.STUDENT)

    @cached_property
    def calendars(self) -> Sequence[disclosure.Row]:
        """The person's calendars, the one that shows such teaching first."""
        fitting = {Audience.BOTH, Audience.TEACHER if self.teaches else Audience.STUDENT}
        rows = disclosure.calendars_of(self.connection, self.person_id)
        return sorted(
            rows,
            key=lambda row: (row["audience"] not in fitting, not row["owner"], row["calendar_id"]),
        )

    @cached_property
    def names(self) -> people.Names:
        """What FS and its username call the person; nothing of a protected one."""
        return people.names_of(self.connection, [self.person_id])[self.person_id]

    @property
    def whom(self) -> str:
        """The person as commands take them."""
        return self.names.number or self.names.username or f"person {self.person_id}"

    @cached_property
    def taught(self) -> PersonTeaching:
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
    def runs(self) -> list[Mapping[str, Any]]:
        """What TP answered last for the course in these semesters."""
        return [row for key in self.keys for row in disclosure.answers(self.connection, *key)]

    @cached_property
    def teaches(self) -> bool:
        """Whether TP names the person, or a counted role does."""
        rules = self.settings.rules_for(Audience.TEACHER)
        named = any(key.course == self.course for key in self.taught.named_in)
        roles = counted_roles(self.taught.roles, rules)
        return named or any(role.unit.course == self.course for role in roles)

    @cached_property
    def activities(self) -> Sequence[Activity]:
        """The course's activities."""
        return courses.activities(self.connection, set(self.keys))

    @cached_property
    def selected(self) -> Sequence[ActivityInterest]:
        """Those of them that concern the person, as student or teacher."""
        return select(self.taught, self.activities, Audience.BOTH, self.rules, self.now)

    @cached_property
    def events(self) -> Sequence[TeachingEvent]:
        """The course's coming events, or those of the day."""
        known = {each.key for each in self.activities}
        after = self.now if self.day is None else self.now.replace(year=self.now.year - 2)
        told = courses.events_of(self.connection, known, after=after).values()
        found = (event for _, events in told for event in events)
        return [e for e in found if self.day is None or self._local(e.starts_at) == self.day]

    def _local(self, moment: datetime) -> date:
        return moment.astimezone(self.rules.zone).date()

    @cached_property
    def concerning(self) -> Sequence[TeachingEvent]:
        """Those events whose activity concerns the person."""
        chosen = {each.activity for each in self.selected}
        return [event for event in self.events if event.activity in chosen]

    @cached_property
    def of_course(self) -> Sequence[Mapping[str, Any]]:
        """What we recorded of the course that is to come, or of the day, in all calendars."""
        return [
            row
            for each in self.calendars
            for row in disclosure.entries_of(self.connection, each["calendar_id"])
            if row["course"] == self.course and row["status"] != "abandoned"
            if row["ends_at"] > self.now or self.day is not None
            if self.day is None or self._local(row["starts_at"]) == self.day
        ]

    @cached_property
    def records(self) -> Sequence[Mapping[str, Any]]:
        """What we recorded of the events that concern the person."""
        ids = {event.event_id for event in self.concerning}
        return [row for row in self.of_course if row["event_id"] in ids]

    @cached_property
    def standing(self) -> Sequence[Mapping[str, Any]]:
        """Those records whose entries are, or were, in the calendar."""
        return [row for row in self.records if row["status"] in STANDING]

    @cached_property
    def missing(self) -> set[str]:
        """The ids of the events that should be written, and are not.

        What several courses share is written once, under an event of one of them.
        """
        if not self.calendars or not self.concerning:
            return set()
        number = self.calendars[0]["calendar_id"]
        seen = preview(self.connection, number, self.settings, self.now)
        shown = wanted(self.connection, seen[0], self.settings, self.now) if seen else []
        spans = {(event.starts_at, event.ends_at) for event in self.concerning}
        should = [w.event for w in shown if (w.content.starts_at, w.content.ends_at) in spans]
        rows = disclosure.entries_of(self.connection, number)
        known = {row["event_id"] for row in rows if row["status"] in STANDING}
        return {event.event_id for event in should} - known

    @cached_property
    def work(self) -> Sequence[Mapping[str, Any]]:
        """What is still to be done for the person and the course, the most urgent first."""
        keys = disclosure.work_of(self.connection, self.person_id)
        keys |= {(Kind.COURSE.value, str(key)) for key in self.keys}
        rows = disclosure.pending(self.connection, keys)
        return sorted(rows, key=lambda row: (row["parked_at"] is None, row["due_at"]))


def checklist(asked: Question) -> list[Check]:
    """Return what must be so, in order; the first that is not so is the answer.

    What a brake holds, and what FS and TP could not be asked, comes before what they told: it may
    be old.
    """
    return [*_of_sources(asked), *_of_exchange(asked), *_of_work(asked)]


def first_failing(checks: Sequence[Check]) -> Check | None:
    """Return the answer, where anything is not so."""
    return next((check for check in checks if check.ok is False), None)


# -- FS and TP ----------------------------------------------------------------------------------------


def _of_sources(asked: Question) -> Iterator[Check]:
    number = people.fs_number(asked.connection, asked.person_id)
    yield Check(
        name="known",
        ok=number is not None or asked.teaches,
        case="" if number is not None else "by_tp",
        facts={"number": number},
    )
    skipped = asked.skips(asked.course)
    yield Check(
        name="course",
        ok=asked.spelled is not None and not skipped,
        case="skipped" if skipped else "",
    )
    yield _held(asked)
    yield _waiting(asked, "asked", [row for row in asked.work if _could_not_ask(asked, row)])
    role = "teacher" if asked.teaches else "student"
    yield Check(
        name="registered",
        ok=bool(asked.keys),
        **_told_badly(asked, {"studentundervisning", "personroller"}, {"role": role}),
    )
    yield _status(asked)
    yield _published(asked)
    yield _placed(asked)
    yield _event(asked)
    inside = any(in_window(event, asked.rules, asked.now) for event in asked.concerning)
    yield Check(name="window", ok=inside if asked.concerning else None)


def _held(asked: Question) -> Check:
    """What is gone at the source, and which a brake leaves in the calendar."""
    kept = [row["held_by"] for row in asked.of_course if row["held_by"]]
    standing = queries.standing_brakes(asked.connection, asked.now)
    brake_of = {brake.scope: brake for brake in standing}
    courses_ = [f"course {key}" for key in asked.keys]
    by_course = [s for s in courses_ if s in brake_of and brake_of[s].state == "holding"]
    number = people.fs_number(asked.connection, asked.person_id)
    emptied = dict(brakes.waiting_persons(asked.connection)).get(str(number))
    scopes = [*by_course, *sorted(set(kept))]
    if emptied is not None:
        return Check(name="held", ok=False, case="person", facts={"brake": f"person fs {number}"})
    if not scopes:
        return Check(name="held", ok=True)
    brake = brake_of.get(scopes[0])
    case = scopes[0].partition(" ")[0]
    count = len(kept) if case != "course" else brake.held if brake is not None else 0
    facts = {
        "brake": scopes[0],
        "since": brake.set_at if brake is not None else None,
        "reason": brake.reason if brake is not None else None,
        "count": count,
    }
    return Check(name="held", ok=False, case=case, facts=facts)


def _could_not_ask(asked: Question, row: Mapping[str, Any]) -> bool:
    """Whether FS or TP was to be asked, and did not answer as it should."""
    if row["kind"] == Kind.CALENDAR:
        return False
    shut = _shut(asked, row) is not None
    return row["parked_at"] is not None or row["last_error"] is not None or shut


def _status(asked: Question) -> Check:
    told = [r for r in asked.taught.registrations if r.unit.course == asked.course]
    statuses = sorted({r.offer_status for r in told if r.offer_status is not None})
    ok = any(counts(each, asked.rules) for each in told) if told else None
    return Check(
        name="status",
        ok=None if asked.teaches else ok,
        case="" if statuses or ok else "untold",
        facts={"status": ", ".join(statuses)},
    )


def _published(asked: Question) -> Check:
    facts = {"asked_at": max((row["asked_at"] for row in asked.runs), default=None)}
    ok = any(row["published"] for row in asked.runs) if asked.keys else None
    return Check(name="published", ok=ok, case="" if asked.runs else "unasked", facts=facts)


def _placed(asked: Question) -> Check:
    groups = sorted(key.actid for key in asked.taught.placements if key.course == asked.course)
    ok = bool(asked.concerning) if asked.events else bool(asked.selected)
    known = ok if asked.keys and asked.activities else None
    facts = {"groups": ", ".join(groups)}
    told = _told_badly(asked, {"studentundervisningsaktivitet"}, facts)
    return Check(name="placed", ok=known, **told)


class _CaseAndFacts(TypedDict):
    case: str
    facts: Mapping[str, Any]


def _told_badly(
    asked: Question, collections: Collection[str], facts: Mapping[str, Any]
) -> _CaseAndFacts:
    """Return these facts with what FS told of the person in these collections unreadably."""
    bad = unreadable.of_person(asked.connection, asked.person_id)
    theirs = [each for each in bad if each.collection in collections]
    if not theirs:
        return {"case": "", "facts": facts}
    return {"case": "unreadable", "facts": {**facts, **_said(theirs)}}


def _said(bad: Sequence[Unreadable]) -> dict[str, Any]:
    """How many items these are, and what is wrong with them."""
    return {"bad": len(bad), "field": ", ".join(sorted({each.reason for each in bad}))}


def _event(asked: Question) -> Check:
    unsure = [e for e in asked.concerning if e.doubt or e.missing or e.status is Status.UNKNOWN]
    facts: dict[str, Any] = {
        "events": len(asked.concerning),
        "cancelled": sum(e.status is Status.CANCELLED for e in asked.concerning),
        "unsure": len(unsure),
    }
    sure = len(unsure) < len(asked.concerning)
    bad = _bad_events(asked)
    case = "unsure" if unsure else "unreadable" if bad else ""
    return Check(name="event", ok=sure if asked.keys else None, case=case, facts={**facts, **bad})


def _bad_events(asked: Question) -> dict[str, Any]:
    """How much TP told of the course that cannot be read, and what is wrong with it."""
    bad = [each for key in asked.keys for each in unreadable.of_course(asked.connection, key)]
    return _said(bad) if bad else {}


# -- Exchange and who may be written to -----------------------------------------------------------------


def _of_exchange(asked: Question) -> Iterator[Check]:
    row = next(iter(asked.calendars), None)
    yield _mailbox(asked, row)
    ids = [each["calendar_id"] for each in asked.calendars]
    inside = rollouts.switched_on_of(asked.connection, ids, asked.rollout_mode)
    yield Check(
        name="rollout",
        ok=bool(inside) if row else None,
        case="off" if asked.rollout_mode == "off" else "",
    )
    wishes = sorted(people.wishes_of(asked.connection, asked.person_id))
    yield Check(
        name="wish",
        ok=not wishes,
        case=people.PROTECT if people.PROTECT in wishes else "",
        facts={"wishes": wishes},
    )


def _mailbox(asked: Question, row: Mapping[str, Any] | None) -> Check:
    if row is None:
        return Check(name="mailbox", ok=False, case="none")
    if row["state"] == "closed":
        case = "outside" if row["last_error"] == mailboxes.OUTSIDE else "passed_on"
    elif not row["owner"]:
        case = "clash"
    else:
        case = "" if row["state"] == "active" else str(row["state"])
    facts: dict[str, Any] = {"calendar": row["calendar_id"]}
    if case == "clash":
        other = mailboxes.owner_of(asked.connection, row["address"])
        known = people.names_of(asked.connection, [other] if other is not None else [])
        facts["others"] = next((f"FS {each.number}" for each in known.values() if each.number), "")
    return Check(name="mailbox", ok=not case, case=case, facts=facts)


# -- our own work ---------------------------------------------------------------------------------------


def _of_work(asked: Question) -> Iterator[Check]:
    yield _room(asked)
    yield _waiting(asked, "pending", asked.work)
    yield _written(asked)
    often = max((row["restored"] for row in asked.records), default=0)
    declined = any(row["status"] == "declined" for row in asked.records)
    yield Check(name="restored", ok=not declined, facts={"times": often})
    bad = _bad_events(asked)
    yield Check(name="readable", ok=not bad if asked.keys else None, facts=bad)


def _room(asked: Question) -> Check:
    """What is new, and held since its calendar would hold too much."""
    for row in asked.calendars if asked.missing else ():
        scope = f"calendar {row['calendar_id']}"
        if brakes.state(asked.connection, scope) == "holding":
            return Check(name="room", ok=False, facts={"brake": scope})
    return Check(name="room", ok=True)


def _waiting(asked: Question, name: str, rows: Sequence[Mapping[str, Any]]) -> Check:
    if not rows:
        return Check(name=name, ok=True)
    first = rows[0]
    facts: dict[str, Any] = {
        "kind": first["kind"],
        "key": first["key"] if first["kind"] == Kind.COURSE else "",
        "reason": first["reason"],
        "parked": first["parked_at"] is not None,
        "since": first["parked_at"] or first["first_marked_at"],
        "not_before": first["not_before"] or first["due_at"],
        "error": first["last_error"],
    }
    shut = _shut(asked, first)
    if facts["parked"]:
        case = "course_parked" if first["kind"] == Kind.COURSE else "parked"
    elif shut is not None:
        case = "by_hand" if shut.held_until else "paused"
        facts |= {"neighbour": shut.name, "error": shut.held_reason or shut.last_error}
    else:
        case = "tried" if first["last_error"] else ""
    return Check(name=name, ok=False, case=case, facts=facts)


def _shut(asked: Question, row: Mapping[str, Any]) -> Neighbour | None:
    """Return the neighbour that the work waits for; None where all it needs may be asked."""
    needed = {Kind.PERSON: "fs", Kind.COURSE: "tp"}.get(row["kind"])
    if needed is None:
        backends = (c["backend"] for c in asked.calendars if str(c["calendar_id"]) == row["key"])
        needed = f"exchange.{next(backends, '')}"
    return next(
        (
            neighbour
            for neighbour in queries.neighbours(asked.connection)
            if neighbour.name == needed and neighbour.is_shut
        ),
        None,
    )


def _written(asked: Question) -> Check:
    refused = sum(row["status"] == "refused" for row in asked.records)
    facts: dict[str, Any] = {"entries": len(asked.standing), "refused": refused}
    if asked.standing:
        last = max(asked.standing, key=lambda row: row["written_at"])
        change = disclosure.last_changes(asked.connection, last["calendar_id"]).get(
            last["sync_key"], {}
        )
        facts |= {"written_at": last["written_at"], "reason": change.get("reason")}
    ok = not asked.missing if asked.standing or asked.missing else None
    return Check(
        name="written",
        ok=ok,
        case="refused" if refused and not ok else "",
        facts=facts,
    )
