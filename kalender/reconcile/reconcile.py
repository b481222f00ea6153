"""Make one calendar right: look up what is uncertain, plan, guard, carry out, finish.

This is the only path that writes to calendars. Every request that changes something goes through
`protocol.perform`.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import structlog

from kalender.domain.entry import Entry, Plain, Renamed, happens
from kalender.domain.neighbour import exchange
from kalender.domain.plan import Plan, make_plan
from kalender.domain.takeover import withhold
from kalender.errors import (
    MailboxDenied,
    MailboxMissing,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.reconcile import moves, takeover
from kalender.reconcile.desired import (
    CalendarState,
    desired_entries,
    kept,
    load_state,
    load_states,
    split,
)
from kalender.reconcile.doubles import look_for_doubles, look_for_late_creates, mend
from kalender.reconcile.lookup import look_up_everything, settle_open_records, verify
from kalender.reconcile.operations import carry_out
from kalender.reconcile.protocol import Next, Outcome, PutOff, ReconcileContext, Visit
from kalender.store import brakes, entries, mailboxes, people, queue, recovery, takeovers
from kalender.store.entries import CalendarRow
from kalender.store.queue import Claim

log = structlog.get_logger()
ROUNDS = 4
SOURCES_SECONDS = 30.0


def reconcile(
    context: ReconcileContext, claim: Claim, calendar_state: CalendarState | None = None
) -> None:
    """Make the claimed calendar right and finish the claim.

    `calendar_state` is as it was loaded under this claim; it is loaded anew where none is given.
    Raises ClaimLost; OutcomeUnknown or TransientError to be retried; PermanentError to be parked;
    NeighbourError where Exchange, or the database, is away as a whole.
    """
    visit = _open(context, claim, calendar_state)
    if (
        visit is None
        or _up_to_date(visit.calendar_state)
        or (visit.row.takeover == takeovers.STOPPED and not visit.calendar_state.leaving)
    ):
        with context.database.write() as connection:
            queue.finish(connection, claim)
    elif visit.row.quiet_for:
        _wait(context, claim, visit.row.quiet_for, None)
    elif reason := _waits_for_sources(visit):
        _wait(context, claim, SOURCES_SECONDS, reason)
    else:
        with suppress(PutOff):
            _visit(visit)


def _visit(visit: Visit) -> None:
    """Look up what is uncertain, then plan and carry out; raises as `reconcile`, or PutOff."""
    try:
        if visit.row.must_look_up or visit.row.backend not in visit.context.exchanges:
            moves.require_turn(visit)
        if visit.row.announced is not None:
            moves.look_at_announced(visit, visit.row.announced)
        if visit.row.must_look_up:
            mend(visit, look_up_everything(visit))
        elif visit.row.doubles or (visit.row.must_verify and moves.may_arrive_late(visit)):
            settle_open_records(visit)  # so that no create is in doubt
            mend(visit, look_for_doubles(visit))
        if visit.row.looks_again:
            look_for_late_creates(visit)
        if visit.row.takeover is not None:
            takeover.carry_on(visit)
        elif visit.context.takeover is not None and not visit.calendar_state.leaving:
            takeover.look_before_the_first_write(visit, visit.context.takeover.mark)
        _until_right(visit)
    except OutcomeUnknown:
        with visit.database.write() as connection:
            entries.keep_quiet(connection, visit.row.calendar_id, visit.exchange.server_seconds)
        raise
    except MailboxMissing as error:
        moves.record_missing(visit, error)
        raise
    except MailboxDenied as error:
        opened = moves.record_denied(visit, error)
        name = exchange(visit.row.backend) if opened else None
        raise MailboxDenied(str(error), neighbour=name) from error


def finish_unchanged(
    context: ReconcileContext, claims: Sequence[Claim]
) -> dict[str, CalendarState]:
    """Finish all claimed calendars that are as they should be; return the others by their key."""
    if not claims:
        return {}
    now, calendars = context.clock(), [int(claim.key) for claim in claims]
    with context.database.read() as connection:
        rows = context.all_allowed(connection, entries.load_many(connection, calendars))
        calendar_states = load_states(connection, rows, context.settings, now) if rows else []
    changed_states = {
        str(v.row.calendar_id): v for v in calendar_states if not (v.row.owner and _up_to_date(v))
    }
    unchanged_claims = [claim for claim in claims if claim.key not in changed_states]
    if unchanged_claims:
        with context.database.write() as connection:
            queue.finish_all(connection, unchanged_claims)
    return changed_states


def _open(
    context: ReconcileContext, claim: Claim, calendar_state: CalendarState | None
) -> Visit | None:
    """Return the visit, or None where this calendar is not to be written to."""
    now = context.clock()
    if calendar_state is None:
        with context.database.read() as connection:
            loaded = entries.load(connection, int(claim.key))
            if loaded is None or not context.allowed(connection, loaded):
                return None
            calendar_state = load_state(connection, loaded, context.settings, now)
    row = calendar_state.row
    if not row.owner:
        raise PermanentError(_is_anothers(context, row))
    return Visit(
        context=context,
        claim=claim,
        calendar_state=calendar_state,
        exchange=context.exchanges.get(row.backend) or context.exchanges[min(context.exchanges)],
        now=now,
    )


def _is_anothers(context: ReconcileContext, row: CalendarRow) -> str:
    """Say whose address it is, by FS numbers; protected persons are not named."""
    with context.database.read() as connection:
        owner = mailboxes.owner_of(connection, row.address)
        persons = [row.person_id] if owner is None else [owner, row.person_id]
        known_numbers = [people.shown_number(connection, person_id) for person_id in persons]
    numbers = sorted(number for number in known_numbers if number is not None)
    fs_numbers = f" (FS numbers {' and '.join(map(str, numbers))})" if len(numbers) > 1 else ""
    return (
        f"calendar {row.calendar_id}: its address belongs to another person's calendar{fs_numbers}; "
        "correct the username or address of one of the two in FS"
    )


def _up_to_date(calendar_state: CalendarState) -> bool:
    """Whether nothing that decides the calendar differs from what was last written."""
    row = calendar_state.row
    return (
        row.synced_digest == calendar_state.digest
        and not (row.must_look_up or row.must_verify or row.doubles)
        and not (row.looks_again or row.announced)
        and row.takeover in {None, takeovers.DONE}
        and row.changes_at == calendar_state.changes_at
    )


def _wait(context: ReconcileContext, claim: Claim, seconds: float, reason: str | None) -> None:
    """Exchange may still be working on a lost request, or the mirror is older than a recovery."""
    with context.database.write() as connection:
        queue.postpone(connection, claim, after=timedelta(seconds=seconds), why=reason)


def _waits_for_sources(visit: Visit) -> str | None:
    """Return why the mirror does not yet say what this calendar should show, or None.

    After a recovery, it may be older than what was written. And what has ended is written once: it
    is to name all courses that share it.
    """
    may_wait = visit.row.must_look_up or visit.calendar_state.rules.past_days
    if visit.calendar_state.leaving or not may_wait:
        return None
    person_id = visit.row.person_id
    with visit.database.read() as connection:
        if visit.row.must_look_up and recovery.waits_for_sources(connection, person_id):
            return "waits until FS and TP were asked again"
        teaches = any(role.teaches for role in visit.row.audience)
        if visit.calendar_state.rules.past_days and recovery.waits_for_courses(
            connection, person_id, teaches=teaches
        ):
            return "waits until TP was asked for all of its courses"
    return None


def _until_right(visit: Visit) -> None:
    """Plan and carry out, again where something was not as recorded; then finish the claim.

    Raises OutcomeUnknown where an entry is in doubt, and TransientError where something has to be
    tried at another time.
    """
    for _ in range(ROUNDS):
        plan = _plan(visit)
        outcome = Outcome(Next.PLAN_AGAIN) if plan is None else carry_out(visit, plan)
        match outcome.next:
            case Next.PLAN_AGAIN:
                continue
            case Next.IN_DOUBT if outcome.error is not None:
                raise outcome.error
        log.info(
            "calendar_reconciled",
            calendar=visit.row.calendar_id,
            reason=visit.claim.reason,
            **visit.counts,
        )
        if outcome.error is not None:
            raise outcome.error
        return visit.finish()
    raise TransientError("the calendar kept changing while it was written")


def _plan(visit: Visit) -> Plan | None:
    """Return what is to be done; None where a verify found that it has to be planned again.

    What needs no request is recorded here.
    """
    with visit.database.read() as connection:
        desired = desired_entries(
            connection, visit.calendar_state, visit.context.settings, visit.now
        )
    writable, ended_entries = split(settle_open_records(visit), visit.calendar_state, visit.now)
    if visit.row.must_verify and not visit.verified:
        verified = verify(visit, writable)
        if verified is None:
            return None
        writable = verified
    plan = make_plan(
        desired, writable, ended_entries, kept_keys=kept(writable, visit.calendar_state, visit.now)
    )
    if visit.context.takeover is not None or visit.row.takeover is not None:
        with visit.database.read() as connection:
            plan = withhold(plan, takeovers.beside(connection, visit.row.calendar_id))
    plan = _guarded(visit, plan, writable)
    transitions = [
        *(happens(entry, Renamed(subject=desired.subject)) for entry, desired in plan.renamed),
        *(happens(entry, Plain.FREED) for entry in plan.freed),
        *(happens(entry, Plain.FORGOTTEN) for entry in plan.forgotten),
        *(happens(entry, Plain.FROZEN) for entry in plan.frozen),
    ]
    if transitions:
        with visit.recording() as connection:
            visit.save(connection, transitions)
            brakes.end_if_nothing_is_held(connection)
    return plan


def _guarded(visit: Visit, plan: Plan, writable: Sequence[Entry]) -> Plan:
    """Hold what is new where a calendar would hold more than it can; all else goes on."""
    limit, after = visit.context.safety.max_entries, len(writable) + len(plan.creates)
    too_many = bool(plan.creates) and after - len(plan.deletes) > limit
    if not (too_many or visit.row.held):
        return plan
    reason = (
        f"{len(plan.creates)} new entries are held: {after} in one calendar are more than "
        f"[safety] max_entries = {limit}; raise it if they are right"
    )
    with visit.recording() as connection:
        visit.held = brakes.hold_creates(
            connection, visit.row.calendar_id, reason if too_many else None
        )
    return replace(plan, creates=()) if visit.held else plan
