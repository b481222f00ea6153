"""Why something is not in a calendar: what must be true for it, in order, from the mirror alone."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from kalender.domain import neighbour
from kalender.domain.model import EventStatus
from kalender.domain.roles import counts
from kalender.domain.timetable import earliest_end, in_window, last_day
from kalender.domain.work import Cause, Kind
from kalender.operate import disclosure
from kalender.operate.question import Question
from kalender.operate.records import CalendarRecord, WorkRecord
from kalender.operate.status import Neighbour
from kalender.store import (
    brakes,
    mailboxes,
    moves,
    optouts,
    people,
    rollouts,
    takeovers,
    unreadable,
)
from kalender.store.unreadable import UnreadableItem


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One condition for an event to be in the calendar.

    `ok` None: it does not matter here. `case` says in which way the condition holds or fails, where
    there are several. `facts` are the values that the words for people name; which ones there are
    depends on `name` and `case`, and `kalender/operate/answers/` has the words.
    """

    name: str
    ok: bool | None
    case: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


def checklist(question: Question) -> list[Check]:
    """Return what must be so, in order; the first that is not so is the answer.

    What a brake holds, and what FS and TP could not be asked, comes before what they told: it may
    be old.
    """
    return [*_of_sources(question), *_of_exchange(question), *_of_work(question)]


def checklist_of_person(question: Question) -> list[Check]:
    """Return what must be so for anything to be in a person's calendar, of whichever course."""
    facts = {"brake": f"person fs {question.fs_number}"}
    is_held = question.is_emptied
    return [
        _known(question),
        Check(name="held", ok=not is_held, case="person" if is_held else "", facts=facts),
        *_of_exchange(question),
        _waiting(question, "pending", question.work),
    ]


def first_failing(checks: Sequence[Check]) -> Check | None:
    """Return the answer, where anything is not so."""
    return next((check for check in checks if check.ok is False), None)


# -- FS and TP ----------------------------------------------------------------------------------------


def _of_sources(question: Question) -> Iterator[Check]:
    yield _known(question)
    is_skipped = question.skips(question.course)
    yield Check(
        name="course",
        ok=question.spelled is not None and not is_skipped,
        case="skipped" if is_skipped else "",
    )
    yield _held(question)
    unanswered = [
        row
        for row in question.work
        if row.kind != Kind.CALENDAR
        if row.parked_at is not None
        or row.last_error is not None
        or _shut_neighbour(question, row) is not None
    ]
    yield _waiting(question, "asked", unanswered)
    facts = {"role": question.role.name}
    yield Check(
        name="registered",
        ok=bool(question.keys),
        **_case_and_facts(question, {"studentundervisning", "personroller"}, facts),
    )
    yield _status(question)
    is_published = any(row.published for row in question.runs)
    asked_at = max((row.asked_at for row in question.runs), default=None)
    yield Check(
        name="published",
        ok=is_published if question.keys else None,
        case="" if question.runs else "unasked",
        facts={"asked_at": asked_at},
    )
    placements = question.teaching.placements
    groups = sorted(key.actid for key in placements if key.course == question.course)
    ok = bool(question.concerning) if question.events else bool(question.selected)
    facts = {"groups": ", ".join(groups)}
    yield Check(
        name="placed",
        ok=ok if question.keys and question.activities else None,
        **_case_and_facts(question, {"studentundervisningsaktivitet"}, facts),
    )
    yield _event(question)
    rules = question.rules
    window = earliest_end(rules, question.now), last_day(rules, question.now)
    inside = any(in_window(event, rules, *window) for event in question.concerning)
    yield Check(name="window", ok=inside if question.concerning else None)


def _known(question: Question) -> Check:
    number = question.fs_number
    return Check(
        name="known",
        ok=number is not None or question.teaches,
        case="" if number is not None else "by_tp",
        facts={"number": number},
    )


def _held(question: Question) -> Check:
    """Say what is gone at the source, and which brake leaves it in the calendar."""
    scopes_of_entries = [row.held_by for row in question.of_course if row.held_by]
    brake_of = question.standing_brakes
    course_scopes = [brakes.course_scope(key) for key in question.keys]
    scopes = [s for s in course_scopes if s in brake_of and brake_of[s].state == "holding"]
    scopes += sorted(set(scopes_of_entries))
    if question.is_emptied:
        of_person = {"brake": f"person fs {question.fs_number}"}
        return Check(name="held", ok=False, case="person", facts=of_person)
    if not scopes:
        return Check(name="held", ok=True)
    brake = brake_of.get(scopes[0])
    case = scopes[0].partition(" ")[0]
    count = len(scopes_of_entries) if case != "course" else brake.held if brake is not None else 0
    facts = {
        "brake": scopes[0],
        "since": brake.set_at if brake is not None else None,
        "reason": brake.reason if brake is not None else None,
        "count": count,
    }
    return Check(name="held", ok=False, case=case, facts=facts)


def _status(question: Question) -> Check:
    registrations = [
        registration
        for registration in question.teaching.registrations
        if registration.unit.course == question.course
    ]
    statuses = {
        registration.offer_status
        for registration in registrations
        if registration.offer_status is not None
    }
    is_counted = any(counts(registration, question.rules) for registration in registrations)
    return Check(
        name="status",
        ok=is_counted if registrations and not question.teaches else None,
        case="" if statuses or is_counted else "untold",
        facts={"status": ", ".join(sorted(statuses))},
    )


class _CaseAndFacts(TypedDict):
    case: str
    facts: Mapping[str, Any]


def _case_and_facts(
    question: Question, collections: Collection[str], facts: Mapping[str, Any]
) -> _CaseAndFacts:
    """Add to these facts what FS said of the person in these collections that cannot be read.

    The case is `unreadable` where there is any, else empty.
    """
    unreadable_items = [
        unreadable_item
        for unreadable_item in question.unreadable_items
        if unreadable_item.collection in collections
    ]
    if not unreadable_items:
        return {"case": "", "facts": facts}
    return {"case": "unreadable", "facts": {**facts, **_facts_of_unreadable(unreadable_items)}}


def _facts_of_unreadable(unreadable_items: Sequence[UnreadableItem]) -> dict[str, Any]:
    """Say how many items cannot be read, and what is wrong with them."""
    reasons = {unreadable_item.reason for unreadable_item in unreadable_items}
    return {"bad": len(unreadable_items), "field": ", ".join(sorted(reasons))}


def _event(question: Question) -> Check:
    events = question.concerning
    unsure = [e for e in events if e.doubt or e.missing or e.status is EventStatus.UNKNOWN]
    facts: dict[str, Any] = {
        "events": len(events),
        "cancelled": sum(event.status is EventStatus.CANCELLED for event in events),
        "unsure": len(unsure),
        **_facts_of_unreadable_events(question),
    }
    return Check(
        name="event",
        ok=len(unsure) < len(events) if question.keys else None,
        case="unsure" if unsure else "unreadable" if "bad" in facts else "",
        facts=facts,
    )


def _facts_of_unreadable_events(question: Question) -> dict[str, Any]:
    """Say how many events of the course TP told unreadably; nothing where there is none."""
    events = [
        event for key in question.keys for event in unreadable.of_course(question.connection, key)
    ]
    return _facts_of_unreadable(events) if events else {}


# -- Exchange and who may be written to -----------------------------------------------------------------


def _of_exchange(question: Question) -> Iterator[Check]:
    row = next(iter(question.calendars), None)
    yield _mailbox(question, row)
    numbers = [calendar.calendar_id for calendar in question.calendars]
    inside = rollouts.switched_on_of(question.connection, numbers, question.rollout_mode)
    yield Check(
        name="rollout",
        ok=bool(inside) if row else None,
        case="off" if question.rollout_mode == "off" else "",
    )
    wishes = sorted(question.wishes)
    case = people.PROTECT if people.PROTECT in wishes else ""
    facts: dict[str, Any] = {"wishes": wishes}
    if wishes == [people.LISTED]:
        case = people.LISTED
        told = optouts.source_of(question.connection, question.person_id) or ""
        facts["lists"] = told.removeprefix("list ")
    yield Check(name="wish", ok=not wishes, case=case, facts=facts)


def _mailbox(question: Question, row: CalendarRecord | None) -> Check:
    """Say what keeps the person's first calendar from being written; a clash names who has it."""
    if row is None:
        return Check(name="mailbox", ok=False, case="none")
    if row.state == "closed":
        case = "outside" if row.last_error == mailboxes.OUTSIDE else "passed_on"
    elif not row.owner:
        case = "clash"
    else:
        case = "" if row.state == "active" else str(row.state)
    facts: dict[str, Any] = {"calendar": row.calendar_id}
    waiting = moves.waiting(question.connection, question.person_id)
    for move in waiting if not case else ():
        if move.calendar_id == row.calendar_id:
            case = "moved" if move.from_backend != move.to_backend else "emptied"
            facts |= {"present": move.present, "entries": move.expected, "backend": move.backend}
    with_predecessor = takeovers.of_calendar(question.connection, row.calendar_id)
    if not case and with_predecessor is not None and with_predecessor.state == takeovers.STOPPED:
        case = "stopped"
        facts["reason"] = with_predecessor.reason
    if case == "clash":
        owner = mailboxes.owner_of(question.connection, row.address)
        owners = people.names_of(question.connection, [owner] if owner is not None else [])
        numbers = (f"FS {names.number}" for names in owners.values() if names.number)
        facts["others"] = next(numbers, "")
    return Check(name="mailbox", ok=not case, case=case, facts=facts)


# -- our own work ---------------------------------------------------------------------------------------


def _of_work(question: Question) -> Iterator[Check]:
    scopes = [f"calendar {calendar.calendar_id}" for calendar in question.calendars]
    full = (s for s in scopes if brakes.state(question.connection, s) == "holding")
    scope = next(full, None) if question.missing else None
    yield Check(name="room", ok=scope is None, facts={"brake": scope} if scope else {})
    yield _waiting(question, "pending", question.work)
    yield _written(question)
    often = max((row.restored for row in question.records), default=0)
    is_declined = any(row.status == "declined" for row in question.records)
    yield Check(name="restored", ok=not is_declined, facts={"times": often})
    facts = _facts_of_unreadable_events(question)
    yield Check(name="readable", ok=not facts if question.keys else None, facts=facts)


def _waiting(question: Question, name: str, rows: Sequence[WorkRecord]) -> Check:
    """Say what the most urgent of this work waits for; all is well where there is none."""
    if not rows:
        return Check(name=name, ok=True)
    first = rows[0]
    facts: dict[str, Any] = {
        "kind": first.kind,
        "key": first.key if first.kind == Kind.COURSE else "",
        "reason": first.reason,
        "cause": Cause.of(first.cause),
        "parked": first.parked_at is not None,
        "since": first.parked_at or first.first_marked_at,
        "not_before": first.not_before or first.due_at,
        "error": first.last_error,
    }
    neighbour = _shut_neighbour(question, first)
    if facts["parked"]:
        case = "course_parked" if first.kind == Kind.COURSE else "parked"
    elif neighbour is not None:
        case = "by_hand" if neighbour.held_until else "paused"
        facts["neighbour"] = neighbour.name
        facts["error"] = neighbour.held_reason or neighbour.last_error
    else:
        case = "tried" if first.last_error else ""
    return Check(name=name, ok=False, case=case, facts=facts)


def _shut_neighbour(question: Question, row: WorkRecord) -> Neighbour | None:
    """Return the neighbour that the work waits for; None where all it needs may be asked."""
    name = {Kind.PERSON: neighbour.FS, Kind.COURSE: neighbour.TP}.get(Kind(row.kind))
    if name is None:
        backends = {str(c.calendar_id): c.backend for c in question.calendars}
        name = neighbour.exchange(backends.get(row.key, ""))
    return next((n for n in question.neighbours if n.name == name and n.is_shut), None)


def _written(question: Question) -> Check:
    refused_entries = sum(row.status == "refused" for row in question.records)
    facts: dict[str, Any] = {"entries": len(question.explained_records), "refused": refused_entries}
    if question.explained_records:
        newest = max(question.explained_records, key=lambda row: row.written_at)
        changes = disclosure.last_changes(
            question.connection, newest.calendar_id, {newest.sync_key}
        )
        facts["written_at"] = newest.written_at
        change = changes.get(newest.sync_key)
        facts["reason"] = change.reason if change is not None else None
        facts["cause"] = Cause.of(change.cause) if change is not None else None
    ok = not question.missing if question.explained_records or question.missing else None
    return Check(
        name="written",
        ok=ok,
        case="refused" if refused_entries and not ok else "",
        facts=facts,
    )
