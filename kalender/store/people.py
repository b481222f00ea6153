"""Persons: who they are, which calendars they have, and what they wish."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, and_, delete, exists, insert, or_, select, update

from kalender.domain.mailbox import MailboxRule, wanted_calendars
from kalender.domain.model import Account, Audience
from kalender.domain.work import Kind, Lane, Mark
from kalender.store.dirty import mark
from kalender.store.tables import (
    calendar,
    db_now,
    identity,
    person,
    preference,
    registration,
    rollout,
    teaching_role,
    teaching_staff,
)

FS, USERNAME, MAIL = "fs", "username", "mail"
SHARES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The institution's rules on who gets which calendar; `backend` is the default Exchange."""

    mailboxes: MailboxRule
    backend: str
    teaching_roles: frozenset[str]


# -- who is who ----------------------------------------------------------------------------------


def find(connection: Connection, kind: str, value: str) -> int | None:
    """Return the person with this identity."""
    return connection.execute(
        select(identity.c.person_id).where(identity.c.kind == kind, identity.c.value == value)
    ).scalar_one_or_none()


def look_up(connection: Connection, text: str) -> int | None:
    """Return a person by FS number, username or mail address."""
    return connection.execute(
        select(identity.c.person_id).where(identity.c.value.in_([text, text.lower()])).limit(1)
    ).scalar_one_or_none()


def fs_number(connection: Connection, person_id: int) -> int | None:
    """Return the FS number of a person, or None where FS does not know them."""
    value = connection.execute(
        select(identity.c.value).where(identity.c.kind == FS, identity.c.person_id == person_id)
    ).scalar()
    return int(value) if value is not None else None


def usernames(connection: Connection, person_id: int) -> frozenset[str]:
    """Return a person's usernames."""
    return frozenset(
        connection.execute(
            select(identity.c.value).where(
                identity.c.kind == USERNAME, identity.c.person_id == person_id
            )
        ).scalars()
    )


def ensure(connection: Connection, kind: str, value: str) -> int:
    """Return the person with this identity, made where there was none."""
    known = find(connection, kind, value)
    if known is not None:
        return known
    made = connection.execute(
        insert(person).values(created_at=db_now()).returning(person.c.person_id)
    )
    person_id = int(made.scalar_one())
    connection.execute(insert(identity).values(kind=kind, value=value, person_id=person_id))
    return person_id


def save_account(connection: Connection, person_id: int, account: Account) -> set[int]:
    """Write what FS tells of an account; return other persons who lost something by it.

    What is not told stays. A username that only TP knew brings its person's calendars and
    entries along, in this transaction.
    """
    losers: set[int] = set()
    if account.username:
        losers |= _take_username(connection, person_id, account.username)
    if account.mail is not None:
        _replace_mail(connection, person_id, account.mail)
    return losers


def _take_username(connection: Connection, person_id: int, username: str) -> set[int]:
    other = find(connection, USERNAME, username)
    mine = and_(identity.c.person_id == person_id, identity.c.kind == USERNAME)
    if other == person_id:
        connection.execute(delete(identity).where(mine, identity.c.value != username))
        return set()
    connection.execute(delete(identity).where(mine))
    if other is None:
        connection.execute(
            insert(identity).values(kind=USERNAME, value=username, person_id=person_id)
        )
        return set()
    if fs_number(connection, other) is None:
        _absorb(connection, person_id, other)
        return set()
    connection.execute(
        update(identity)
        .where(identity.c.kind == USERNAME, identity.c.value == username)
        .values(person_id=person_id)
    )
    return {other}


def _absorb(connection: Connection, person_id: int, other: int) -> None:
    for table in (identity, calendar):
        connection.execute(
            update(table).where(table.c.person_id == other).values(person_id=person_id)
        )
    kept = select(preference.c.wish).where(preference.c.person_id == person_id)
    connection.execute(
        update(preference)
        .where(preference.c.person_id == other, preference.c.wish.not_in(kept))
        .values(person_id=person_id)
    )
    connection.execute(
        update(rollout)
        .where(rollout.c.kind == "person", rollout.c.value == str(other))
        .values(value=str(person_id))
    )
    connection.execute(delete(person).where(person.c.person_id == other))


def _replace_mail(connection: Connection, person_id: int, mail: Sequence[tuple[str, str]]) -> None:
    """Write the addresses in FS' order."""
    connection.execute(
        delete(identity).where(identity.c.kind == MAIL, identity.c.person_id == person_id)
    )
    rows = [
        {"kind": MAIL, "value": value, "person_id": person_id, "detail": detail, "position": n}
        for n, (detail, value) in enumerate(in_order(mail))
    ]
    if rows:
        connection.execute(insert(identity), rows)


def in_order(mail: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return (type, address) as the table holds them: in lower case, each address once."""
    first: dict[str, str] = {}
    for kind, address in mail:
        first.setdefault(address.strip().lower(), kind)
    return [(kind, address) for address, kind in first.items()]


def _mails(connection: Connection, person_id: int) -> list[tuple[str, str]]:
    rows = connection.execute(
        select(identity.c.detail, identity.c.value)
        .where(identity.c.kind == MAIL, identity.c.person_id == person_id)
        .order_by(identity.c.position)
    )
    return [(detail or "", value) for detail, value in rows]


# -- calendars -----------------------------------------------------------------------------------


def arrange_calendars(connection: Connection, person_id: int, people: People) -> None:
    """Make the person's calendars what their identities and teaching ask for.

    A calendar is never removed: where its teaching went, so will its entries. A changed address
    is looked up before it is written; whoever waited for the old one is marked.
    """
    wanted = wanted_calendars(
        people.mailboxes,
        student=_is_student(connection, person_id),
        teacher=_is_teacher(connection, person_id, people.teaching_roles),
        username=min(usernames(connection, person_id), default=None),
        mails=_mails(connection, person_id),
    )
    standing = {
        row.address: row
        for row in connection.execute(select(calendar).where(calendar.c.person_id == person_id))
    }
    free = [row for address, row in standing.items() if address not in wanted]
    for address, audience in wanted.items():
        if address in standing:
            _widen(connection, standing[address], audience)
        elif heir := _heir(free, audience):
            free.remove(heir)
            _move(connection, heir, address, people)
        else:
            _make(connection, person_id, address, audience, people)


def _is_student(connection: Connection, person_id: int) -> bool:
    return bool(
        connection.execute(select(exists().where(registration.c.person_id == person_id))).scalar()
    )


def _is_teacher(connection: Connection, person_id: int, roles: Iterable[str]) -> bool:
    named = (
        select(teaching_staff.c.username)
        .join(
            identity,
            and_(identity.c.kind == USERNAME, identity.c.value == teaching_staff.c.username),
        )
        .where(identity.c.person_id == person_id)
    )
    counted = select(teaching_role.c.number).where(
        teaching_role.c.person_id == person_id, teaching_role.c.role.in_(sorted(roles))
    )
    return bool(connection.execute(select(or_(named.exists(), counted.exists()))).scalar())


def _heir(
    free: Sequence[Row[*tuple[Any, ...]]], audience: Audience
) -> Row[*tuple[Any, ...]] | None:
    """Return the calendar that an address change of this audience moves."""
    return next((row for row in free if row.audience in (audience, Audience.BOTH)), None)


def _widen(connection: Connection, row: Row[*tuple[Any, ...]], audience: Audience) -> None:
    if row.audience not in (audience.value, Audience.BOTH.value):
        connection.execute(
            update(calendar)
            .where(calendar.c.calendar_id == row.calendar_id)
            .values(audience=Audience.BOTH.value)
        )


def _make(
    connection: Connection, person_id: int, address: str, audience: Audience, people: People
) -> None:
    allowed = people.mailboxes.allows(address)
    connection.execute(
        insert(calendar).values(
            person_id=person_id,
            audience=audience.value,
            address=address,
            owner=allowed and not _is_owned(connection, address),
            backend=people.backend,
            state="active" if allowed else "closed",
            last_error=None if allowed else _OUTSIDE,
        )
    )


_OUTSIDE = "the address is outside [institution] mail_domains: never written to"


def _move(connection: Connection, row: Row[*tuple[Any, ...]], address: str, people: People) -> None:
    allowed = people.mailboxes.allows(address)
    connection.execute(
        update(calendar)
        .where(calendar.c.calendar_id == row.calendar_id)
        .values(
            address=address,
            owner=allowed and not _is_owned(connection, address),
            state="active" if allowed else "closed",
            must_look_up=True,
            synced_digest=None,
            last_error=None if allowed else _OUTSIDE,
        )
    )
    _pass_on(connection, row.address)


def _is_owned(connection: Connection, address: str) -> bool:
    return bool(
        connection.execute(
            select(exists().where(calendar.c.address == address, calendar.c.owner))
        ).scalar()
    )


def _pass_on(connection: Connection, address: str) -> None:
    """Give a freed address to whoever waits for it, and mark them."""
    heir = connection.execute(
        select(calendar.c.calendar_id)
        .where(calendar.c.address == address, ~calendar.c.owner, calendar.c.state == "active")
        .order_by(calendar.c.calendar_id)
        .limit(1)
    ).scalar()
    if heir is not None and not _is_owned(connection, address):
        connection.execute(
            update(calendar)
            .where(calendar.c.calendar_id == heir)
            .values(owner=True, must_look_up=True)
        )
        mark_calendars(connection, [heir], reason="address became free", lane=Lane.LIVE)


def mark_calendars(
    connection: Connection,
    calendars: Collection[int],
    *,
    reason: str,
    lane: Lane,
    settle: float = 0.0,
) -> int:
    """Mark calendars; return how many. A calendar never filled before a resync's others."""
    new = _never_synced(connection, calendars) if lane is Lane.RESYNC else frozenset()
    return mark(
        connection,
        [
            Mark(
                kind=Kind.CALENDAR,
                key=str(each),
                reason=reason,
                lane=Lane.FILL if each in new else lane,
            )
            for each in calendars
        ],
        settle=settle,
    )


def _never_synced(connection: Connection, calendars: Collection[int]) -> frozenset[int]:
    ordered = sorted(calendars)
    found: set[int] = set()
    for start in range(0, len(ordered), 500):
        query = select(calendar.c.calendar_id).where(
            calendar.c.calendar_id.in_(ordered[start : start + 500]),
            calendar.c.synced_at.is_(None),
        )
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def calendars_of(connection: Connection, persons: Iterable[int]) -> list[int]:
    """Return the calendars of these persons."""
    wanted = sorted(set(persons))
    found: list[int] = []
    for start in range(0, len(wanted), 500):
        found += connection.execute(
            select(calendar.c.calendar_id).where(
                calendar.c.person_id.in_(wanted[start : start + 500])
            )
        ).scalars()
    return found


# -- wishes ---------------------------------------------------------------------------------------


def opted_out(connection: Connection, person_id: int) -> bool:
    """Whether the person asked to be left alone."""
    return bool(
        connection.execute(
            select(
                exists().where(
                    preference.c.person_id == person_id,
                    preference.c.wish.in_(["optout", "remove"]),
                )
            )
        ).scalar()
    )
