"""What settings decide is compared with what stands, like everything else.

Nothing remembers old settings: a calendar that is inside and was never written, one outside in which
entries stand, an address that the rule does not give any more. Who is let in is filled. A rewrite of
more than a share of all that was written, and what becomes of those who leave, is left alone until
somebody agrees: no changed setting empties a calendar by itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection

from kalender.domain.work import Cause, Lane
from kalender.mirror.context import RefreshContext
from kalender.store import languages, mailboxes, people, rollouts, scope
from kalender.store.scope import CalendarUnderSettings

Leavers = Literal["take back", "leave"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings that calendars are compared with, and what somebody agreed to."""

    # of all that decides what entries there are and what they say: by persons' language, None for
    # the institution's
    digests: Mapping[str | None, str]
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


def compare(connection: Connection, context: RefreshContext, settings: Settings) -> Decided:
    """Mark whom the settings concern; record what is left alone until somebody agrees."""
    rollouts.enrol(connection)
    reopened = _reopen(connection, context, scope.all_calendars(connection))
    calendars = scope.all_calendars(connection)
    inside = rollouts.inside(connection, settings.rollout_mode)
    served_calendars = [
        calendar for calendar in calendars if calendar.calendar_id in inside and not calendar.closed
    ]
    written_calendars = [calendar for calendar in calendars if calendar.settings is not None]
    language_of = languages.by_person(connection)
    stale = {
        calendar.calendar_id
        for calendar in served_calendars
        if calendar.settings not in {None, settings.digests[language_of.get(calendar.person_id)]}
        and not calendar.taking_back
    }
    moving_persons = _moving_persons(connection, context, calendars)
    moving = {
        calendar.calendar_id
        for calendar in written_calendars
        if calendar.person_id in moving_persons
    }
    allowed = settings.max_updated_share * len(written_calendars)
    agreed = settings.rewrites or len(stale | moving) <= allowed
    unwritten_persons = moving_persons - {calendar.person_id for calendar in written_calendars}
    to_move = sorted(moving_persons if agreed else unwritten_persons)
    mailboxes.assign_all(connection, to_move, context.people)
    if agreed:
        people.mark_calendars(
            connection, stale, reason="changed settings", cause=Cause.SETTINGS, lane=Lane.RESYNC
        )
    joining = _join(connection, served_calendars)
    # Outside the roll-out with entries of ours, on which nobody decided yet. A calendar that was
    # left as it is has settings no more, although it was written.
    leaving = scope.showing(
        connection,
        {
            calendar.calendar_id
            for calendar in calendars
            if not (calendar.closed or calendar.taking_back)
            and calendar.calendar_id not in inside
            and (calendar.settings is not None or not calendar.written)
        },
    )
    if settings.leavers is not None:
        rollouts.switch_off(connection, leaving, take_back=settings.leavers == "take back")
    excluded = leaving if settings.leavers is None else set()
    scope.keep_waiting(
        connection,
        {
            "rewrite": 0 if agreed else len(stale - moving),
            "move": 0 if agreed else len(moving),
            "leave": len(excluded),
        },
    )
    return Decided(
        joining=len(joining),
        reopened=reopened,
        under_other_settings=len(stale),
        moving=len(moving),
        leaving=len(leaving),
        not_marked=0 if agreed else len(stale | moving),
        not_decided=len(excluded),
    )


def _reopen(
    connection: Connection, context: RefreshContext, calendars: Sequence[CalendarUnderSettings]
) -> int:
    """Open what lies in our mail domains again, and close what does not any more.

    Returns how many calendars lie in them again.
    """
    allows = context.people.mailboxes.allows
    reopened = [calendar for calendar in calendars if calendar.outside and allows(calendar.address)]
    to_close = [
        calendar for calendar in calendars if not calendar.closed and not allows(calendar.address)
    ]
    persons = sorted({calendar.person_id for calendar in (*reopened, *to_close)})
    mailboxes.assign_all(connection, persons, context.people)
    return len(reopened)


def _moving_persons(
    connection: Connection, context: RefreshContext, calendars: Sequence[CalendarUnderSettings]
) -> set[int]:
    """Return the persons with calendars who have none at an address that the rule gives them."""
    addresses: dict[int, set[str]] = {}
    for calendar in calendars:
        addresses.setdefault(calendar.person_id, set()).add(calendar.address)
    by_rule = scope.addresses_wanted(connection, context.people)
    return {
        person_id
        for person_id, required in by_rule.items()
        if person_id in addresses and required - addresses[person_id]
    }


def _join(connection: Connection, calendars: Sequence[CalendarUnderSettings]) -> set[int]:
    """Fill what is inside, is not right, and is in nobody's hands; what was taken back, too."""
    busy, excluded = scope.busy_and_excluded(connection)
    joining = {
        calendar.calendar_id
        for calendar in calendars
        if calendar.owner
        and not calendar.right
        and calendar.person_id not in excluded
        and (calendar.taking_back or calendar.calendar_id not in busy)
    }
    rollouts.join(connection, joining)
    people.mark_calendars(connection, joining, reason="inside the roll-out", lane=Lane.FILL)
    return joining
