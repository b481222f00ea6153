"""What settings decide beside what stands: sets of calendars, and what waits for somebody's yes."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, exists, insert, select, update

from kalender.domain.entry import FORMER, EntryStatus
from kalender.domain.mailbox import wanted_calendars
from kalender.domain.work import Kind
from kalender.store import bulk, evidence
from kalender.store.mailboxes import OUTSIDE
from kalender.store.people import People
from kalender.store.sql import db_now, in_parts, is_one_of
from kalender.store.tables import calendar, dirty, entry, preference, settings_waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarUnderSettings:
    """One calendar as far as settings decide on it."""

    calendar_id: int
    person_id: int
    address: str
    owner: bool
    closed: bool
    outside: bool  # closed, since its address lay outside the mail domains
    taking_back: bool
    right: bool  # a digest stands: it is as it should be, as far as we know
    settings: str | None  # a digest of those it was written under
    written: bool  # it was right once


def all_calendars(connection: Connection) -> list[CalendarUnderSettings]:
    """Return every calendar."""
    names = ("calendar_id", "person_id", "address", "owner", "state", "taking_back", "last_error")
    columns = [calendar.c[name] for name in (*names, "synced_digest", "synced_settings")]
    return [
        CalendarUnderSettings(
            calendar_id=row.calendar_id,
            person_id=row.person_id,
            address=row.address,
            owner=row.owner,
            closed=row.state == "closed",
            outside=row.state == "closed" and row.last_error == OUTSIDE,
            taking_back=row.taking_back,
            right=row.synced_digest is not None,
            settings=row.synced_settings,
            written=row.synced_at is not None,
        )
        for row in connection.execute(select(*columns, calendar.c.synced_at))
    ]


def busy_and_excluded(connection: Connection) -> tuple[set[int], set[int]]:
    """Return what a resync fills not: calendars that somebody has in hand, and persons.

    Work on these calendars waits, is claimed or is parked; these persons are to be left alone.
    """
    keys = connection.execute(select(dirty.c.key).where(dirty.c.kind == Kind.CALENDAR.value))
    persons = connection.execute(select(preference.c.person_id))
    return {int(key) for key in keys.scalars()}, set(persons.scalars())


def showing(connection: Connection, calendars: Collection[int]) -> set[int]:
    """Return those of these calendars in which entries of ours stand, or may stand."""
    calendar_ids: set[int] = set()
    there = entry.c.status.not_in([*FORMER, EntryStatus.REFUSED])
    holds = exists().where(entry.c.calendar_id == calendar.c.calendar_id, there)
    for part in in_parts(calendars, 10_000):
        among = is_one_of(connection, calendar.c.calendar_id, part)
        calendar_ids |= set(
            connection.execute(select(calendar.c.calendar_id).where(among, holds)).scalars()
        )
    return calendar_ids


def addresses_wanted(connection: Connection, people: People) -> dict[int, frozenset[str]]:
    """Return person -> the addresses that the rule for mailboxes gives them now, where any."""
    evidence_on = evidence.of_everybody(connection)
    addresses = {}
    for person_id, (names, mails) in bulk.accounts(connection).items():
        calendars = wanted_calendars(
            people.mailboxes,
            people.roles_of(evidence_on[person_id]),
            username=min(names, default=None),
            mails=[(kind, value) for kinds, value in mails for kind in kinds.split(",")],
        )
        if calendars:
            addresses[person_id] = frozenset(calendars)
    return addresses


# -- what waits for a yes --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitingSettings:
    """What changed settings ask for, of so many calendars: rewrite, move or leave."""

    what: str
    calendars: int
    since: datetime


def settings_waiting_for(connection: Connection) -> list[WaitingSettings]:
    """Return what the last resync of everything left alone, since nobody agreed to it."""
    rows = connection.execute(select(settings_waiting).order_by(settings_waiting.c.what))
    return [
        WaitingSettings(what=row.what, calendars=row.calendars, since=row.since) for row in rows
    ]


def keep_waiting(connection: Connection, counts: Mapping[str, int]) -> None:
    """Record what is left alone; since when stays where it waited already."""
    waits = {change: count for change, count in counts.items() if count}
    over = settings_waiting.c.what.not_in(sorted(waits))
    connection.execute(delete(settings_waiting).where(over))
    for change, count in waits.items():
        is_row = settings_waiting.c.what == change
        result = connection.execute(update(settings_waiting).where(is_row).values(calendars=count))
        if not result.rowcount:
            values = {"what": change, "calendars": count, "since": db_now()}
            connection.execute(insert(settings_waiting).values(values))
