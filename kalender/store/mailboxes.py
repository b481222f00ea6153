"""Which calendars a person has, and at which addresses: one owner for each address.

A calendar is never removed: where its teaching went, so will its entries. Whoever is second at an
address waits, until its owner moves or has no right to it any more.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from itertools import count
from operator import attrgetter
from typing import Any

from sqlalchemy import Connection, delete, insert, select, union_all, update

from kalender.domain.mailbox import principal_name, wanted_calendars
from kalender.domain.roles import STUDENT, audience_of, word_of
from kalender.domain.timetable import Audience, Role
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.store import evidence, queue, recovery
from kalender.store.people import MANY, People, called, mails_of, usernames
from kalender.store.sql import (
    db_now,
    in_parts,
    insert_many,
    is_one_of,
    one_of,
    repeat_on_conflict,
    slices,
    update_many,
)
from kalender.store.tables import calendar, entry, identity, person

OUTSIDE = "the address is outside [institution] mail_domains: never written to"
PASSED_ON = "the address belongs to somebody else now"
NEW = 2**40  # the numbers of calendars that are not written yet come after all others


def assign_mailboxes(connection: Connection, person_id: int, people: People) -> None:
    """Make one person's calendars what their identities and teaching ask for, as `assign_all`."""
    assign_all(connection, [person_id], people)


def assign_all(connection: Connection, persons: Sequence[int], people: People) -> None:
    """Make persons' calendars, one person after the other, what identities and teaching ask for.

    A changed address is looked up before it is written; whoever waited for the old one owns it
    then, and is marked.
    """
    for part in slices(persons, MANY):
        repeat_on_conflict(connection, partial(_assign_part, connection, part, people))


def _assign_part(connection: Connection, persons: Sequence[int], people: People) -> None:
    calendars = _Calendars(connection, people, persons)
    evidence_on = evidence.of_persons(connection, persons)
    for person_id in persons:
        calendars.assign(person_id, people.roles_of(evidence_on[person_id]))
    calendars.write()


def make_for_mailbox(connection: Connection, address: str, people: People) -> int:
    """Make a person for a mailbox of whom nothing is known any more; return the person."""
    row = connection.execute(
        insert(person).values(created_at=db_now()).returning(person.c.person_id)
    )
    person_id = int(row.scalar_one())
    mail = {"kind": "mail", "value": address, "person_id": person_id}
    connection.execute(insert(identity).values(mail))
    calendars = _Calendars(connection, people, [person_id], {address})
    calendars.make(person_id, address, frozenset({STUDENT}))
    calendars.write()
    return person_id


def owner_of(connection: Connection, address: str) -> int | None:
    """Return the person whose calendar owns an address."""
    query = select(calendar.c.person_id).where(calendar.c.address == address, calendar.c.owner)
    return connection.execute(query).scalar_one_or_none()


def principal_name_of(connection: Connection, address: str, form: str) -> str | None:
    """Return how Exchange Online names the user of a mailbox, or None where that is not known.

    Nobody is named by a username that is another's, which they only claim; and nobody who has
    calendars at two addresses, which one name cannot tell apart.
    """
    owner = owner_of(connection, address)
    if owner is None:
        return None
    open_calendars = select(calendar.c.address).where(
        calendar.c.person_id == owner, calendar.c.owner, calendar.c.state != "closed"
    )
    if set(connection.execute(open_calendars).scalars()) - {address}:
        return None
    return principal_name(form, address, usernames(connection, owner))


@dataclass(slots=True)
class _Calendar:
    """A row of the table, as far as addresses and audiences go."""

    calendar_id: int
    person_id: int
    audience: str
    address: str
    owner: bool
    moved_from: str | None
    backend: str
    state: str
    must_look_up: bool
    synced_digest: str | None
    last_error: str | None

    def set(self, values: Mapping[str, object]) -> None:
        for name, value in values.items():
            setattr(self, name, value)


COLUMNS = tuple(field.name for field in fields(_Calendar))


class _Calendars:
    """The calendars of some persons, read at once, changed in memory, and written at once.

    With them are all others at the addresses where these persons have or may get one, and what gives
    their persons a right to these: whatever passes from one to another is within what was read.
    """

    def __init__(
        self,
        connection: Connection,
        people: People,
        persons: Collection[int],
        addresses: Iterable[str] = (),
    ) -> None:
        self.connection, self.people = connection, people
        self._usernames: dict[int, Collection[str]] = {}
        self._mails: dict[int, Sequence[tuple[str, str]]] = {}
        self._rightful: dict[int, Collection[str]] = {}
        self._rows: dict[int, _Calendar] = {}
        self._of_person: defaultdict[int, list[_Calendar]] = defaultdict(list)
        self._at_address: defaultdict[str, list[_Calendar]] = defaultdict(list)
        self._merged: list[tuple[_Calendar, _Calendar]] = []  # one that goes, and which takes over
        self._marks: list[tuple[_Calendar, str, Cause, Lane]] = []
        self._new_ids = count(NEW)
        self._read_persons(persons)
        self._read(connection.execute(_OF_PERSONS, {"persons": sorted(set(persons))}))
        concerned = {*addresses, *self._at_address}.union(*map(self._rightful_of, persons))
        for part in in_parts(concerned, MANY):
            self._read(connection.execute(_AT_ADDRESSES, {"addresses": part}))
        self._read_persons(self._of_person.keys() - self._usernames.keys())
        self._before = {row.calendar_id: replace(row) for row in self._rows.values()}

    def _read_persons(self, persons: Collection[int]) -> None:
        if persons:
            usernames = called(self.connection, persons)
            mails = mails_of(self.connection, persons)
            for person_id in persons:
                self._usernames[person_id] = usernames.get(person_id, ())
                self._mails[person_id] = mails.get(person_id, ())

    def _read(self, rows: Iterable[Sequence[Any]]) -> None:
        for row in rows:
            if row[0] not in self._rows:
                self._add(_Calendar(*row))

    def _add(self, row: _Calendar) -> None:
        self._rows[row.calendar_id] = row
        self._of_person[row.person_id].append(row)
        self._at_address[row.address].append(row)

    # -- one person --------------------------------------------------------------------------------

    def assign(self, person_id: int, roles: Collection[Role]) -> None:
        """Make a person of these roles the calendars that they ask for."""
        addresses = self._wanted(person_id, roles)
        own_calendars = self._own_calendars(person_id)
        free = [row for address, row in own_calendars.items() if address not in addresses]
        for address, audience in addresses.items():
            if address in own_calendars:
                self._keep(own_calendars[address], audience, alone=len(addresses) == 1)
            elif heirs := [row for row in free if audience_of(row.audience) & audience]:
                # their address changed: the calendar of just this audience moves, else the oldest
                word = word_of(audience)
                heir = min(heirs, key=lambda row: (row.audience != word, row.calendar_id))
                free.remove(heir)
                self._move(heir, address, audience)
            else:
                self.make(person_id, address, audience)
        for row in free:
            # where nobody waits for the address, what stands there stays ours
            is_lost = row.owner and row.address not in self._rightful_of(person_id)
            if is_lost and self._waiting(row.address) is not None:
                row.set({"owner": False, "state": "closed", "last_error": PASSED_ON})
                self._pass_on(row.address)

    def _wanted(self, person_id: int, roles: Collection[Role]) -> Mapping[str, Audience]:
        return wanted_calendars(
            self.people.mailboxes,
            roles,
            username=min(self._usernames[person_id], default=None),
            mails=self._mails[person_id],
        )

    def _rightful_of(self, person_id: int) -> Collection[str]:
        """Return the addresses that are the person's, whichever roles they have now."""
        if person_id not in self._rightful:
            self._rightful[person_id] = self._wanted(person_id, self.people.rules).keys()
        return self._rightful[person_id]

    def _own_calendars(self, person_id: int) -> dict[str, _Calendar]:
        """Return the person's calendars by address; two of one address become one, the owner."""
        calendars: dict[str, _Calendar] = {}
        ordered = sorted(
            self._of_person[person_id], key=lambda row: (not row.owner, row.calendar_id)
        )
        for row in ordered:
            if calendars.setdefault(row.address, row) is not row:
                self._merged.append((row, calendars[row.address]))
                self._of_person[person_id].remove(row)
                self._at_address[row.address].remove(row)
                del self._rows[row.calendar_id]
        return calendars

    # -- one calendar ------------------------------------------------------------------------------

    def _keep(self, row: _Calendar, audience: Audience, *, alone: bool) -> None:
        """Widen the audience, and narrow it only where another calendar serves the rest."""
        if alone:
            audience |= audience_of(row.audience)
        row.audience = word_of(audience)
        reopened = row.state == "closed" and row.last_error in {OUTSIDE, PASSED_ON}
        if reopened or not self.people.mailboxes.allows(row.address):
            row.set(self._held(row.address))
        if reopened and row.state == "active":
            self._mark(row, "the address is ours again", Cause.OTHER, Lane.FILL)

    def make(self, person_id: int, address: str, audience: Audience) -> None:
        """Make a person a calendar at an address."""
        row = _Calendar(
            calendar_id=next(self._new_ids),
            person_id=person_id,
            audience=word_of(audience),
            backend=self.people.backend,
            moved_from=None,
            synced_digest=None,
            **self._held(address),
        )
        if row.owner and self._recovered:
            row.must_look_up = True  # a calendar that the restored database does not know
        self._add(row)

    @cached_property
    def _recovered(self) -> bool:
        return recovery.since(self.connection) is not None

    def _move(self, row: _Calendar, address: str, audience: Audience) -> None:
        former_address = row.address
        row.set(self._held(address))
        row.audience = word_of(audience)
        row.must_look_up, row.synced_digest = True, None
        row.moved_from = row.moved_from or former_address
        self._at_address[former_address].remove(row)
        self._at_address[address].append(row)
        self._mark(row, "address changed", Cause.SETTINGS, Lane.FILL)
        self._pass_on(former_address)

    def _mark(self, row: _Calendar, reason: str, cause: Cause, lane: Lane) -> None:
        self._marks.append((row, reason, cause, lane))

    # -- one owner an address ----------------------------------------------------------------------

    def _held(self, address: str) -> dict[str, Any]:
        """Return the columns of a calendar that is to have this address, owned if nobody else may."""
        closed_values = {
            "address": address,
            "owner": False,
            "state": "closed",
            "last_error": OUTSIDE,
        }
        if not self.people.mailboxes.allows(address):
            return {**closed_values, "must_look_up": False}
        owner = self._owner(address)
        passes_on = owner is not None and address not in self._rightful_of(owner.person_id)
        if owner is not None and passes_on:
            owner.set({"owner": False, "state": "closed", "last_error": PASSED_ON})
        free = owner is None or passes_on
        open_values = {"address": address, "owner": free, "state": "active", "last_error": None}
        return {**open_values, "must_look_up": passes_on}

    def _owner(self, address: str) -> _Calendar | None:
        return next((row for row in self._at_address[address] if row.owner), None)

    def _waiting(self, address: str) -> _Calendar | None:
        waiting = [
            row for row in self._at_address[address] if not row.owner and row.state != "closed"
        ]
        return min(waiting, key=attrgetter("calendar_id"), default=None)

    def _pass_on(self, address: str) -> None:
        """Give a freed address to whoever waits for it, and mark them."""
        candidate = self._waiting(address)
        if candidate is not None and self._owner(address) is None:
            candidate.owner = candidate.must_look_up = True
            self._mark(candidate, "address became free", Cause.SETTINGS, Lane.LIVE)

    # -- writing -----------------------------------------------------------------------------------

    def write(self) -> None:
        """Write what was changed, and mark what that asks for.

        Whoever loses an address is written first: at no moment has it two owners.
        """
        for row, heir in self._merged:
            is_merged, heir_id = entry.c.calendar_id == row.calendar_id, heir.calendar_id
            self.connection.execute(update(entry).where(is_merged).values(calendar_id=heir_id))
            is_merged = calendar.c.calendar_id == row.calendar_id
            self.connection.execute(delete(calendar).where(is_merged))
        losers = []
        for calendar_id, before in self._before.items():
            row_now = self._rows.get(calendar_id)
            if (
                row_now
                and before.owner
                and (not row_now.owner or row_now.address != before.address)
            ):
                losers.append({"calendar_id": calendar_id})
                before.owner = False
        losers.sort(key=lambda values: values["calendar_id"])
        update_many(self.connection, calendar, losers, by="calendar_id", owner=False)
        by_names: defaultdict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
        for calendar_id, before in sorted(self._before.items()):
            row_now = self._rows.get(calendar_id)
            if row_now is not None and row_now != before:
                names = tuple(n for n in COLUMNS if getattr(row_now, n) != getattr(before, n))
                values = {name: getattr(row_now, name) for name in names}
                by_names[names].append({"calendar_id": calendar_id, **values})
        for rows in by_names.values():
            update_many(self.connection, calendar, rows, by="calendar_id")
        new = [row for row in self._rows.values() if row.calendar_id >= NEW]
        insert_many(
            self.connection,
            calendar,
            [{name: getattr(row, name) for name in COLUMNS[1:]} for row in new],
        )
        ids = self._new_numbers([row for row, *_ in self._marks if row.calendar_id >= NEW])
        queue.mark(
            self.connection,
            [
                Mark(
                    *WorkKey.of_calendar(ids.get(row.calendar_id, row.calendar_id)),
                    reason,
                    lane,
                    cause=cause,
                )
                for row, reason, cause, lane in self._marks
            ],
        )

    def _new_numbers(self, rows: Sequence[_Calendar]) -> dict[int, int]:
        """Return the numbers that new calendars have got."""
        if not rows:
            return {}
        persons = [row.person_id for row in rows]
        query = select(calendar.c.person_id, calendar.c.address, calendar.c.calendar_id)
        query = query.where(is_one_of(self.connection, calendar.c.person_id, persons))
        ids = {tuple(key): calendar_id for *key, calendar_id in self.connection.execute(query)}
        return {row.calendar_id: ids[row.person_id, row.address] for row in rows}


_ROWS = select(*(calendar.c[name] for name in COLUMNS))
_OF_PERSONS = _ROWS.where(one_of(calendar.c.person_id, "persons"))
# In two halves, since owners' rows and others' have an index each.
_AT_ADDRESSES = union_all(
    *(
        _ROWS.where(one_of(calendar.c.address, "addresses"), owns)
        for owns in (calendar.c.owner, ~calendar.c.owner)
    )
)
