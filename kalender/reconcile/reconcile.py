"""Make one calendar right: desired, plan, guard, write ahead, apply, record.

The one path that writes calendars. Every request that changes something is preceded by one
transaction that renews the claim and writes down what may be about to happen, and followed by one
that records what is known of it. Whatever dies between the two leaves rows that say what is
uncertain; the next visit settles those before it plans anything.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Never

import structlog
from sqlalchemy import Connection

from kalender.domain.entry import Entry, EntryStatus
from kalender.domain.model import Audience
from kalender.domain.plan import Plan, make_plan
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.errors import (
    MailboxMissing,
    NeighbourError,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.reconcile.desired import CalendarState, kept, load_states, look, split, wanted
from kalender.reconcile.doubles import look_for_doubles, mend
from kalender.reconcile.lookup import locate, look_up_everything
from kalender.reconcile.operations import apply
from kalender.reconcile.protocol import PlanAgain, ReconcileContext, Visit
from kalender.reconcile.verify import verify
from kalender.store import brakes, entries, mailboxes, people, queue, recovery
from kalender.store.entries import CalendarRow
from kalender.store.queue import Claim

log = structlog.get_logger()
ROUNDS = 4
SOURCES_SECONDS = 30.0


def reconcile(means: ReconcileContext, claim: Claim, view: CalendarState | None = None) -> None:
    """Make the claimed calendar right and finish the claim; `view` as looked at under it.

    Raises ClaimLost; OutcomeUnknown or TransientError to be retried; PermanentError to be parked;
    NeighbourError where Exchange, or the database, is away as a whole.
    """
    visit = _open(means, claim, view)
    if visit is None or _up_to_date(visit.view):
        _finish(means, claim)
    elif visit.row.quiet_for:
        _wait(means, claim, visit.row.quiet_for, None)
    elif visit.row.must_look_up and not visit.view.leaving and _mirror_is_old(visit):
        _wait(means, claim, SOURCES_SECONDS, "waits until FS and TP were asked again")
    elif visit.view.rules.past_days and not visit.view.leaving and _courses_are_unread(visit):
        _wait(means, claim, SOURCES_SECONDS, "waits until TP was asked for all of its courses")
    else:
        _make_right(visit)


def finish_unchanged(means: ReconcileContext, claims: Sequence[Claim]) -> dict[str, CalendarState]:
    """Finish all claimed calendars that are as they should be; return the others by their key."""
    if not claims:
        return {}
    now, wanted = means.clock(), [int(claim.key) for claim in claims]
    with means.database.read() as connection:
        rows = means.all_allowed(connection, entries.load_many(connection, wanted))
        views = load_states(connection, rows, means.settings, now) if rows else []
    changed = {str(v.row.calendar_id): v for v in views if not (v.row.owner and _up_to_date(v))}
    done = [claim for claim in claims if claim.key not in changed]
    if done:
        with means.database.write() as connection:
            queue.finish_all(connection, done)
    return changed


def _open(means: ReconcileContext, claim: Claim, view: CalendarState | None) -> Visit | None:
    """Return the visit, or None where this calendar is not to be written to."""
    now = means.clock()
    if view is None:
        with means.database.read() as connection:
            loaded = entries.load(connection, int(claim.key))
            if loaded is None or not means.allowed(connection, loaded):
                return None
            view = look(connection, loaded, means.settings, now)
    row = view.row
    if not row.owner:
        raise PermanentError(_is_anothers(means, row))
    if row.backend not in means.exchanges:
        _resettle(means, claim, row)
    return Visit(
        means=means, claim=claim, view=view, exchange=means.exchanges[row.backend], now=now
    )


def _is_anothers(means: ReconcileContext, row: CalendarRow) -> str:
    """Say whose address it is, by FS numbers; protected persons are not named."""
    with means.database.read() as connection:
        owner = mailboxes.owner_of(connection, row.address)
        persons = [each for each in (owner, row.person_id) if each is not None]
        numbers = [people.shown_number(connection, each) for each in persons]
    known = sorted(each for each in numbers if each is not None)
    two = f" (FS numbers {' and '.join(map(str, known))})" if len(known) > 1 else ""
    return (
        f"calendar {row.calendar_id}: its address belongs to another person's calendar{two}; "
        "correct the username or address of one of the two in FS"
    )


def _resettle(means: ReconcileContext, claim: Claim, row: CalendarRow) -> Never:
    """The settings name its Exchange no more: look for the mailbox at those they name."""
    with means.database.write() as connection:
        queue.renew(connection, claim, means.lease)
        entries.move_to(connection, row.calendar_id, min(means.exchanges))
    raise TransientError(f"[exchange.{row.backend}] is not configured any more")


def _up_to_date(view: CalendarState) -> bool:
    """Whether nothing that decides the calendar differs from what was last written."""
    row = view.row
    return (
        row.synced_digest == view.digest
        and not (row.must_look_up or row.must_verify or row.doubles)
        and row.changes_at == view.changes_at
    )


def _finish(means: ReconcileContext, claim: Claim) -> None:
    with means.database.write() as connection:
        queue.finish(connection, claim)


def _wait(means: ReconcileContext, claim: Claim, seconds: float, why: str | None) -> None:
    """Exchange may still be working on a lost request, or the mirror is older than a recovery."""
    with means.database.write() as connection:
        queue.postpone(connection, claim, after=timedelta(seconds=seconds), why=why)


def _mirror_is_old(visit: Visit) -> bool:
    with visit.database.read() as connection:
        return recovery.waits_for_sources(connection, visit.row.person_id)


def _courses_are_unread(visit: Visit) -> bool:
    """What has ended is written once: it is to name all courses that share it."""
    with visit.database.read() as connection:
        return recovery.waits_for_courses(
            connection, visit.row.person_id, teaches=visit.row.audience is not Audience.STUDENT
        )


def _make_right(visit: Visit) -> None:
    try:
        if visit.row.must_look_up:
            mend(visit, look_up_everything(visit))
        elif visit.row.doubles:
            _recorded(visit)  # so that no create is in doubt
            mend(visit, look_for_doubles(visit))
        _until_right(visit)
    except OutcomeUnknown:
        with visit.database.write() as connection:
            entries.keep_quiet(connection, visit.row.calendar_id, visit.exchange.server_seconds)
        raise
    except MailboxMissing as error:
        elsewhere = _found_elsewhere(visit)
        with visit.database.write() as connection:
            visit.renew(connection)
            if elsewhere is not None:
                entries.move_to(connection, visit.row.calendar_id, elsewhere)
            else:
                _is_missing(connection, visit.row, str(error))
        if elsewhere is not None:
            raise TransientError(f"the mailbox is at [exchange.{elsewhere}] now") from error
        raise


def _found_elsewhere(visit: Visit) -> str | None:
    """Return the other Exchange that knows the mailbox, where there is one that answers so."""
    for name, exchange in sorted(visit.means.exchanges.items()):
        if name != visit.row.backend:
            with suppress(PermanentError, TransientError, NeighbourError):
                exchange.calendars.find(visit.row.address, None)
                return name
    return None


def _is_missing(connection: Connection, row: CalendarRow, error: str) -> None:
    """Record it; where it held entries of ours, find out at once where the mailbox went."""
    number = people.fs_number(connection, row.person_id)
    if entries.unreachable(connection, row.calendar_id, error) == "lost" and number is not None:
        asked = WorkKey.of_person(number)
        lost = Mark(*asked, reason="mailbox lost", cause=Cause.OPERATOR, lane=Lane.ASKED)
        queue.mark(connection, [lost])


def _until_right(visit: Visit) -> None:
    for _ in range(ROUNDS):
        try:
            apply(visit, _plan(visit))
        except PlanAgain:
            continue
        return _end(visit)
    raise TransientError("the calendar kept changing while it was written")


def _plan(visit: Visit) -> Plan:
    with visit.database.read() as connection:
        events = wanted(connection, visit.view, visit.means.settings, visit.now)
    standing, ended = split(_recorded(visit), visit.view, visit.now)
    if visit.row.must_verify and not visit.verified:
        standing = verify(visit, standing)
    plan = make_plan(events, standing, ended, kept=kept(standing, visit.view, visit.now))
    plan = _guarded(visit, plan, standing)
    _note(visit, plan)
    return plan


def _recorded(visit: Visit) -> list[Entry]:
    """Return what we recorded, once it is known what became of creates that nobody answered."""
    found = _read(visit)
    lost = [entry for entry in found if entry.status is EntryStatus.INTENDED]
    if lost:
        locate(visit, lost)
        found = _read(visit)
    return found


def _read(visit: Visit) -> list[Entry]:
    with visit.database.read() as connection:
        return entries.of_calendar(connection, visit.row.calendar_id)


def _guarded(visit: Visit, plan: Plan, standing: Sequence[Entry]) -> Plan:
    """Hold what is new where a calendar would hold more than it can; all else goes on."""
    most, after = visit.means.safety.max_entries, len(standing) + len(plan.creates)
    too_many = bool(plan.creates) and after - len(plan.deletes) > most
    if not (too_many or visit.row.held):
        return plan
    told = (
        f"{len(plan.creates)} new entries are held: {after} in one calendar are more than "
        f"[safety] max_entries = {most}; raise it if they are right"
    )
    with visit.recording() as connection:
        visit.held = brakes.hold_creates(
            connection, visit.row.calendar_id, told if too_many else None
        )
    return replace(plan, creates=()) if visit.held else plan


def _note(visit: Visit, plan: Plan) -> None:
    """Record what needs no request."""
    if not (plan.renamed or plan.freed or plan.forgotten or plan.settled):
        return
    with visit.database.write() as connection:
        visit.renew(connection)
        for entry, each in plan.renamed:
            entries.rename(connection, entry.sync_key, each)
        entries.free(connection, [entry.sync_key for entry in plan.freed])
        brakes.end_if_nothing_is_held(connection)
        entries.remove(connection, [entry.sync_key for entry in plan.forgotten])
        entries.settle(connection, [entry.sync_key for entry in plan.settled])


def _end(visit: Visit) -> None:
    """Record the digest and finish, or come back for what could not be done."""
    log.info(
        "calendar_reconciled",
        calendar=visit.row.calendar_id,
        reason=visit.claim.reason,
        **visit.counts,
    )
    if visit.later is not None:
        raise visit.later
    if not visit.ended:
        with visit.database.write() as connection:
            visit.end(connection)
