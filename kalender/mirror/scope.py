"""What settings decide is compared with what stands, like everything else.

Nothing remembers old settings: a calendar that is inside and was never written, one outside in which
entries stand, an address that the rule does not give any more. Who is let in is filled. A rewrite of
more than a share of all that was written, and what becomes of those who leave, is left alone until
somebody agrees: no changed setting empties a calendar by itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from kalender.domain.work import Cause, Lane
from kalender.mirror.context import RefreshContext
from kalender.store import mailboxes, people, rollouts, scope
from kalender.store.scope import Standing

Leavers = Literal["take back", "leave"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that calendars are compared with, and what somebody agreed to."""

    digest: str  # of all that decides what entries there are and what they say
    rollout_mode: str
    max_updated_share: float
    rewrites: bool = False  # however many
    leavers: Leavers | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """So many calendars each: what was done, and what is left alone."""

    joining: int = 0  # inside, and never written or taken back once: filled
    reopened: int = 0  # in our mail domains again
    under_other_settings: int = 0  # were written under other settings
    moving: int = 0  # at an address that the rule does not give any more
    leaving: int = 0  # outside the roll-out, and entries of ours stand in them
    not_marked: int = 0  # of those under other settings or moving, left alone
    not_decided: int = 0  # of those leaving, left alone


def compare(connection: Connection, sources: RefreshContext, settings: Settings) -> Decided:
    """Mark whom the settings concern; record what is left alone until somebody agrees."""
    rollouts.enrol(connection)
    reopened = _reopen(connection, sources, scope.standing(connection))
    known = scope.standing(connection)
    inside = rollouts.inside(connection, settings.rollout_mode)
    served = [each for each in known if each.calendar_id in inside and not each.closed]
    written = [each for each in known if each.settings is not None]
    stale = {
        each.calendar_id
        for each in served
        if each.settings not in {None, settings.digest} and not each.taking_back
    }
    moving = _moving(connection, sources, known)
    moves = {each.calendar_id for each in written if each.person_id in moving}
    agreed = settings.rewrites or len(stale | moves) <= settings.max_updated_share * len(written)
    unwritten = moving - {each.person_id for each in written}
    for person_id in sorted(moving if agreed else unwritten):
        mailboxes.assign_mailboxes(connection, person_id, sources.people)
    if agreed:
        people.mark_calendars(
            connection, stale, reason="changed settings", cause=Cause.SETTINGS, lane=Lane.RESYNC
        )
    joining = _join(connection, served)
    leaving = _leaving(connection, known, inside)
    if settings.leavers is not None:
        rollouts.leave(connection, leaving, take_back=settings.leavers == "take back")
        people.mark_calendars(
            connection, leaving, reason="left the roll-out", cause=Cause.ROLLOUT, lane=Lane.ASKED
        )
    excluded = leaving if settings.leavers is None else set()
    scope.keep_waiting(
        connection,
        {
            "rewrite": 0 if agreed else len(stale - moves),
            "move": 0 if agreed else len(moves),
            "leave": len(excluded),
        },
    )
    return Decided(
        joining=len(joining),
        reopened=reopened,
        under_other_settings=len(stale),
        moving=len(moves),
        leaving=len(leaving),
        not_marked=0 if agreed else len(stale | moves),
        not_decided=len(excluded),
    )


def _reopen(connection: Connection, sources: RefreshContext, known: Sequence[Standing]) -> int:
    """Open what lies in our mail domains again, and close what does not any more."""
    allows = sources.people.mailboxes.allows
    again = [each for each in known if each.outside and allows(each.address)]
    no_more = [each for each in known if not each.closed and not allows(each.address)]
    for person_id in sorted({each.person_id for each in (*again, *no_more)}):
        mailboxes.assign_mailboxes(connection, person_id, sources.people)
    return len(again)


def _moving(connection: Connection, sources: RefreshContext, known: Sequence[Standing]) -> set[int]:
    """Return the persons with calendars who have none at an address that the rule gives them."""
    having: dict[int, set[str]] = {}
    for each in known:
        having.setdefault(each.person_id, set()).add(each.address)
    wanted = scope.addresses_wanted(connection, sources.people)
    return {each for each, those in wanted.items() if each in having and those - having[each]}


def _join(connection: Connection, served: Sequence[Standing]) -> set[int]:
    """Fill what is inside, is not right, and is in nobody's hands; what was taken back, too."""
    busy, excluded = scope.waiting_work(connection), scope.wishing(connection)
    joining = {
        each.calendar_id
        for each in served
        if each.owner
        and not each.right
        and each.person_id not in excluded
        and (each.taking_back or each.calendar_id not in busy)
    }
    rollouts.join(connection, joining)
    people.mark_calendars(connection, joining, reason="inside the roll-out", lane=Lane.FILL)
    return joining


def _leaving(
    connection: Connection, known: Sequence[Standing], inside: Collection[int]
) -> set[int]:
    """Return what lies outside and shows entries of ours that nobody decided on yet.

    What was left as it is has settings no more, although it was written.
    """
    open_ = [each for each in known if not (each.closed or each.taking_back)]
    outside = [each for each in open_ if each.calendar_id not in inside]
    asked = {e.calendar_id for e in outside if e.settings is not None or not e.written}
    return scope.showing(connection, asked)
