"""Which calendars a person has, and at which addresses: one owner for each address.

A calendar is never removed: where its teaching went, so will its entries. Whoever is second at an
address waits, until its owner moves or has no right to it any more.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from kalender.domain.mailbox import principal_name, wanted_calendars
from kalender.domain.roles import STUDENT, audience_of, word_of
from kalender.domain.timetable import Audience, Role
from kalender.domain.work import Cause, Lane
from kalender.store import evidence, recovery
from kalender.store.instants import db_now
from kalender.store.people import People, called, mails, mark_calendars, usernames
from kalender.store.tables import calendar, entry, identity, person

Calendar = Row[*tuple[Any, ...]]
OUTSIDE = "the address is outside [institution] mail_domains: never written to"
PASSED_ON = "the address belongs to somebody else now"


def assign_mailboxes(connection: Connection, person_id: int, people: People) -> None:
    """Make the person's calendars what their identities and teaching ask for.

    A changed address is looked up before it is written; whoever waited for the old one owns it
    then, and is marked.
    """
    roles = people.roles_of(evidence.of_person(connection, person_id))
    addresses = _wanted(connection, person_id, people, roles)
    standing = _standing(connection, person_id)
    free = [row for address, row in standing.items() if address not in addresses]
    for address, audience in addresses.items():
        if address in standing:
            _keep(connection, standing[address], audience, people, alone=len(addresses) == 1)
        elif heirs := [row for row in free if audience_of(row.audience) & audience]:
            # their address changed: the calendar of just this audience moves, else the oldest
            word = word_of(audience)
            heir = min(heirs, key=lambda row: (row.audience != word, row.calendar_id))
            free.remove(heir)
            _move(connection, heir, address, audience, people)
        else:
            _make(connection, person_id, address, audience, people)
    owned = [row for row in free if row.owner]
    rightful = _rightful(connection, person_id, people) if owned else ()
    for row in owned:
        # where nobody waits for the address, what stands there stays ours
        if row.address not in rightful and _waiting(connection, row.address) is not None:
            _set(connection, row, {"owner": False, "state": "closed", "last_error": PASSED_ON})
            _pass_on(connection, row.address)


def _wanted(
    connection: Connection, person_id: int, people: People, roles: Collection[Role]
) -> Mapping[str, Audience]:
    return wanted_calendars(
        people.mailboxes,
        roles,
        username=min(called(connection, person_id), default=None),
        mails=mails(connection, person_id),
    )


def _rightful(connection: Connection, person_id: int, people: People) -> Iterable[str]:
    """Return the addresses that are the person's, whichever roles they have now."""
    return _wanted(connection, person_id, people, people.rules)


def _standing(connection: Connection, person_id: int) -> dict[str, Calendar]:
    """Return the person's calendars by address; two of one address become one, the owner."""
    calendars: dict[str, Calendar] = {}
    order = (calendar.c.owner.desc(), calendar.c.calendar_id)
    query = select(calendar).where(calendar.c.person_id == person_id).order_by(*order)
    for row in connection.execute(query).all():
        if calendars.setdefault(row.address, row) is not row:
            connection.execute(
                update(entry)
                .where(entry.c.calendar_id == row.calendar_id)
                .values(calendar_id=calendars[row.address].calendar_id)
            )
            connection.execute(delete(calendar).where(calendar.c.calendar_id == row.calendar_id))
    return calendars


# -- one calendar ----------------------------------------------------------------------------------


def _keep(
    connection: Connection, row: Calendar, audience: Audience, people: People, *, alone: bool
) -> None:
    """Widen the audience, and narrow it only where another calendar serves the rest."""
    if alone:
        audience |= audience_of(row.audience)
    values: dict[str, object] = {"audience": word_of(audience)}
    reopened = row.state == "closed" and row.last_error in {OUTSIDE, PASSED_ON}
    if reopened or not people.mailboxes.allows(row.address):
        values |= _held(connection, row.address, people)
    _set(connection, row, values)
    if reopened and values["state"] == "active":
        reason = "the address is ours again"
        mark_calendars(connection, [row.calendar_id], reason=reason, lane=Lane.FILL)


def _make(
    connection: Connection, person_id: int, address: str, audience: Audience, people: People
) -> None:
    values = _held(connection, address, people)
    if values["owner"] and recovery.since(connection) is not None:
        values["must_look_up"] = True  # a calendar that the restored database does not know
    connection.execute(
        insert(calendar).values(
            person_id=person_id, audience=word_of(audience), backend=people.backend, **values
        )
    )


def _move(
    connection: Connection, row: Calendar, address: str, audience: Audience, people: People
) -> None:
    values = _held(connection, address, people) | {"must_look_up": True, "synced_digest": None}
    values["moved_from"] = row.moved_from or row.address
    _set(connection, row, {"audience": word_of(audience), **values})
    mark_calendars(
        connection,
        [row.calendar_id],
        reason="address changed",
        cause=Cause.SETTINGS,
        lane=Lane.FILL,
    )
    _pass_on(connection, row.address)


def _set(connection: Connection, row: Calendar, values: Mapping[str, object]) -> None:
    is_calendar = calendar.c.calendar_id == row.calendar_id
    connection.execute(update(calendar).where(is_calendar).values(values))


def make_for_mailbox(connection: Connection, address: str, people: People) -> int:
    """Make a person for a mailbox of whom nothing is known any more; return the person."""
    row = connection.execute(
        insert(person).values(created_at=db_now()).returning(person.c.person_id)
    )
    person_id = int(row.scalar_one())
    mail = {"kind": "mail", "value": address, "person_id": person_id}
    connection.execute(insert(identity).values(mail))
    _make(connection, person_id, address, frozenset({STUDENT}), people)
    return person_id


# -- one owner an address --------------------------------------------------------------------------


def _held(connection: Connection, address: str, people: People) -> dict[str, object]:
    """Return the columns of a calendar that is to have this address, owned if nobody else may."""
    closed_values = {"address": address, "owner": False, "state": "closed", "last_error": OUTSIDE}
    if not people.mailboxes.allows(address):
        return {**closed_values, "must_look_up": False}
    owner = _owner(connection, address)
    passes_on = owner is not None and address not in _rightful(connection, owner.person_id, people)
    if owner is not None and passes_on:
        _set(connection, owner, {"owner": False, "state": "closed", "last_error": PASSED_ON})
    free = owner is None or passes_on
    open_values = {"address": address, "owner": free, "state": "active", "last_error": None}
    return {**open_values, "must_look_up": passes_on}


def owner_of(connection: Connection, address: str) -> int | None:
    """Return the person whose calendar owns an address."""
    owner = _owner(connection, address)
    return None if owner is None else int(owner.person_id)


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


def _owner(connection: Connection, address: str) -> Calendar | None:
    query = select(calendar).where(calendar.c.address == address, calendar.c.owner)
    return connection.execute(query).one_or_none()


def _waiting(connection: Connection, address: str) -> int | None:
    return connection.execute(
        select(calendar.c.calendar_id)
        .where(calendar.c.address == address, ~calendar.c.owner, calendar.c.state != "closed")
        .order_by(calendar.c.calendar_id)
        .limit(1)
    ).scalar()


def _pass_on(connection: Connection, address: str) -> None:
    """Give a freed address to whoever waits for it, and mark them."""
    candidate = _waiting(connection, address)
    if candidate is not None and _owner(connection, address) is None:
        connection.execute(
            update(calendar)
            .where(calendar.c.calendar_id == candidate)
            .values(owner=True, must_look_up=True)
        )
        mark_calendars(
            connection,
            [candidate],
            reason="address became free",
            cause=Cause.SETTINGS,
            lane=Lane.LIVE,
        )
