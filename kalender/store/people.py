"""Persons: who they are, which calendars they have, and what they wish."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sqlalchemy import Connection, Select, and_, bindparam, delete, exists, insert, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from kalender.domain.mailbox import MailboxRule
from kalender.domain.model import Account
from kalender.domain.work import Kind, Lane, Mark
from kalender.store.dirty import mark
from kalender.store.many import in_parts, is_one_of, one_of
from kalender.store.tables import (
    calendar,
    db_now,
    entry,
    identity,
    operator_act,
    person,
    preference,
    rollout,
    rollout_member,
)

FS, USERNAME, MAIL = "fs", "username", "mail"


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
    return usernames_of(connection, [person_id]).get(person_id, frozenset())


def usernames_of(connection: Connection, persons: Collection[int]) -> Mapping[int, frozenset[str]]:
    """Return the usernames of those of these persons who have any."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    query = _usernames(connection.dialect.name)
    for person_id, value in connection.execute(query, {"persons": sorted(set(persons))}).all():
        found[person_id].add(value)
    return {person_id: frozenset(names) for person_id, names in found.items()}


@lru_cache
def _usernames(dialect: str) -> Select[int, str]:
    theirs = one_of(dialect, identity.c.person_id, "persons")
    return select(identity.c.person_id, identity.c.value).where(identity.c.kind == USERNAME, theirs)


def ensure(connection: Connection, kind: str, value: str) -> int:
    """Return the person with this identity, made where there was none."""
    known = find(connection, kind, value)
    if known is not None:
        return known
    made = connection.execute(
        insert(person).values(created_at=db_now()).returning(person.c.person_id)
    )
    person_id = int(made.scalar_one())
    postgresql = connection.dialect.name == "postgresql"
    ours = (postgresql_insert if postgresql else sqlite_insert)(identity).values(
        kind=kind, value=value, person_id=person_id
    )
    stored = ours.on_conflict_do_nothing().returning(identity.c.person_id)
    if connection.execute(stored).first() is not None:
        return person_id
    connection.execute(delete(person).where(person.c.person_id == person_id))
    return ensure(connection, kind, value)  # another worker was first


def save_account(connection: Connection, person_id: int, account: Account) -> set[int]:
    """Write what FS tells of an account; return other persons who lost something by it.

    What is not told stays. A username that only TP knew brings its person's calendars and
    entries along, in this transaction. Then `addresses.arrange` is due: the losers' last, so that
    what they give up is passed on.
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
    courses = select(rollout_member.c.course).where(rollout_member.c.person_id == person_id)
    connection.execute(
        update(rollout_member)
        .where(rollout_member.c.person_id == other, rollout_member.c.course.not_in(courses))
        .values(person_id=person_id)
    )
    connection.execute(
        update(rollout)
        .where(rollout.c.kind == "person", rollout.c.value == str(other))
        .values(value=str(person_id))
    )
    connection.execute(
        update(operator_act).where(operator_act.c.person_id == other).values(person_id=person_id)
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
    """Return (types, address) as the table holds them: in lower case, each address once."""
    kinds: dict[str, list[str]] = {}
    for kind, address in mail:
        told = kinds.setdefault(address.strip().lower(), [])
        if kind not in told:
            told.append(kind)
    return [(",".join(told), address) for address, told in kinds.items() if address]


def mails(connection: Connection, person_id: int) -> list[tuple[str, str]]:
    """Return (type, address) as FS ordered them."""
    rows = connection.execute(
        select(identity.c.detail, identity.c.value)
        .where(identity.c.kind == MAIL, identity.c.person_id == person_id)
        .order_by(identity.c.position)
    )
    return [(kind, value) for detail, value in rows for kind in (detail or "").split(",")]


# -- calendars -----------------------------------------------------------------------------------


def mark_calendars(  # noqa: PLR0913
    connection: Connection,
    calendars: Collection[int],
    *,
    reason: str,
    lane: Lane,
    settle: float = 0.0,
    since: datetime | None = None,
    new_are_fills: bool = False,
) -> int:
    """Mark calendars; return how many.

    A calendar in which nothing was written comes before a resync's others. With `new_are_fills`
    it comes after live ones too: nothing stands in it that is wrong.
    """
    apart = new_are_fills or lane is Lane.RESYNC
    new = _never_written(connection, calendars) if apart else frozenset()
    return mark(
        connection,
        [
            Mark(Kind.CALENDAR, str(each), reason, Lane.FILL if each in new else lane, since=since)
            for each in calendars
        ],
        settle=settle,
    )


def _never_written(connection: Connection, calendars: Collection[int]) -> frozenset[int]:
    found: set[int] = set()
    written = exists().where(entry.c.calendar_id == calendar.c.calendar_id)
    for part in in_parts(calendars, 10_000):
        among = is_one_of(connection, calendar.c.calendar_id, part)
        query = select(calendar.c.calendar_id).where(
            among, calendar.c.synced_at.is_(None), ~written
        )
        found.update(connection.execute(query).scalars())
    return frozenset(found)


def calendars_of(connection: Connection, persons: Iterable[int]) -> list[int]:
    """Return the calendars of these persons."""
    found: list[int] = []
    for part in in_parts(set(persons), 10_000):
        theirs = is_one_of(connection, calendar.c.person_id, part)
        found += connection.execute(select(calendar.c.calendar_id).where(theirs)).scalars()
    return found


# -- wishes ---------------------------------------------------------------------------------------

OPT_OUT, REMOVE, SEARCH, PROTECT = "optout", "remove", "search", "protect"
FORGET = "forget"  # opted out and erased: never mirrored again


def opted_out(connection: Connection, person_id: int) -> bool:
    """Whether the person is to be left alone, and what was written goes."""
    return bool(wishes_of(connection, person_id))


def left_alone(connection: Connection, persons: Collection[int]) -> frozenset[int]:
    """Return those of these persons who are to be left alone."""
    query, given = _left_alone(connection.dialect.name), {"persons": sorted(set(persons))}
    return frozenset(connection.execute(query, given).scalars())


@lru_cache
def _left_alone(dialect: str) -> Select[int]:
    theirs = one_of(dialect, preference.c.person_id, "persons")
    return select(preference.c.person_id).where(theirs)


def wishes_of(connection: Connection, person_id: int) -> frozenset[str]:
    """Return what is wished: to opt out, to remove, to search as well, to protect the person."""
    return frozenset(connection.execute(_WISHES, {"whose": person_id}).scalars())


_WISHES = select(preference.c.wish).where(preference.c.person_id == bindparam("whose"))


def wish(connection: Connection, person_id: int, wishes: Collection[str], source: str) -> list[int]:
    """Record wishes to be left alone; return the calendars to be marked.

    They are taken back inside the roll-out and outside of it.
    """
    known = wishes_of(connection, person_id)
    rows = [
        {"person_id": person_id, "wish": each, "source": source}
        for each in sorted(set(wishes) - known)
    ]
    if rows:
        connection.execute(insert(preference).values(set_at=db_now()), rows)
    mine = calendar.c.person_id == person_id
    values: dict[str, object] = {"taking_back": True, "synced_digest": None}
    if SEARCH in wishes:
        values["must_look_up"] = True
    connection.execute(update(calendar).where(mine).values(values))
    return calendars_of(connection, [person_id])


def take_wish_back(
    connection: Connection, person_id: int, *, protection: bool = False
) -> list[int]:
    """Forget a person's wishes, or their protection; return the calendars to be marked."""
    protects = preference.c.wish == PROTECT
    kind = protects if protection else ~protects
    connection.execute(delete(preference).where(preference.c.person_id == person_id, kind))
    if wishes_of(connection, person_id):
        return []
    mine = calendar.c.person_id == person_id
    connection.execute(update(calendar).where(mine).values(taking_back=False, synced_digest=None))
    return calendars_of(connection, [person_id])
