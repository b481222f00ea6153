"""Persons: who they are, which calendars they have, and what they wish."""

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from sqlalchemy import (
    Connection,
    and_,
    bindparam,
    delete,
    exists,
    insert,
    null,
    select,
    union_all,
    update,
)

from kalender.domain import work
from kalender.domain.mailbox import MailboxRule, principal_name
from kalender.domain.model import Account
from kalender.domain.text import without_unseen
from kalender.domain.timetable import Audience, Evidence, Role, Rules
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.store import identities
from kalender.store.identities import Identities
from kalender.store.languages import COMMAND
from kalender.store.queue import mark
from kalender.store.sql import (
    db_now,
    in_parts,
    is_one_of,
    one_of,
    repeat_on_conflict,
    slices,
    update_many,
    upsert,
)
from kalender.store.tables import (
    calendar,
    entry,
    identity,
    person,
    personal_language,
    preference,
    username_claim,
)

FS, USERNAME, MAIL = work.FS, work.USERNAME, identities.MAIL
MANY = 2000  # persons whose accounts or calendars are in memory at once
_NUMBER = re.compile("[0-9]{1,9}")  # as our own numbers are, on either database


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """The institution's rules on who gets which calendar; `backend` is the default Exchange.

    `user_forms` says how Exchanges name the users of mailboxes: those that do not by the address.
    """

    mailboxes: MailboxRule
    backend: str
    rules: Mapping[Role, Rules]
    user_forms: Mapping[str, str] = field(default_factory=dict)  # as `principal_name` takes them

    def roles_of(self, evidence: Evidence) -> Audience:
        """Return the roles of a person of whom this is known; there may be none."""
        return frozenset(role for role, rules in self.rules.items() if role.is_one(evidence, rules))


# -- who is who ----------------------------------------------------------------------------------


def find(connection: Connection, kind: str, value: str) -> int | None:
    """Return the person with this identity."""
    return connection.execute(
        select(identity.c.person_id).where(identity.c.kind == kind, identity.c.value == value)
    ).scalar_one_or_none()


def find_by_any_identity(connection: Connection, text: str) -> int | None:
    """Return a person by FS number, username or mail address, or as listings name them.

    `person 7` and `calendar 20` are our own numbers; `fs 56154` and `username olan` are as work is
    named, with or without `person` before it. Unseen letters that it brings are read over.
    """
    text = without_unseen(text)
    match text.lower().split():
        case ["person" | "protected", number] if _NUMBER.fullmatch(number):
            query = select(person.c.person_id).where(person.c.person_id == int(number))
        case ["calendar", number] if _NUMBER.fullmatch(number):
            query = select(calendar.c.person_id).where(calendar.c.calendar_id == int(number))
        case [("fs" | "username") as kind, value] | ["person", ("fs" | "username") as kind, value]:
            return find(connection, kind, value)
        case _:
            spellings = [text, text.lower()]
            query = select(identity.c.person_id).where(identity.c.value.in_(spellings)).limit(1)
    return connection.execute(query).scalar_one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What FS and its username call a person; None of what is not known, or not to be shown."""

    number: str | None = None
    username: str | None = None


def names_of(connection: Connection, persons: Collection[int]) -> Mapping[int, Names]:
    """Return what these persons are called; of protected ones nothing."""
    query = (
        select(identity.c.person_id, identity.c.kind, identity.c.value)
        .where(identity.c.kind != MAIL, identity.c.person_id.not_in(PROTECTED_PERSONS))
        .where(is_one_of(connection, identity.c.person_id, persons))
        .order_by(identity.c.position.desc())
    )
    names: dict[int, dict[str, str]] = defaultdict(dict)
    for person_id, kind, value in connection.execute(query):
        names[person_id][kind] = value
    return {
        person_id: Names(number=names[person_id].get(FS), username=names[person_id].get(USERNAME))
        for person_id in persons
    }


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
    usernames_: defaultdict[int, set[str]] = defaultdict(set)
    params = {"persons": sorted(set(persons))}
    for person_id, value in connection.execute(_USERNAMES, params).all():
        usernames_[person_id].add(value)
    return {person_id: frozenset(names) for person_id, names in usernames_.items()}


_USERNAMES = select(identity.c.person_id, identity.c.value).where(
    identity.c.kind == USERNAME, one_of(identity.c.person_id, "persons")
)


def ensure(connection: Connection, kind: str, value: str) -> int:
    """Return the person with this identity, made where there was none."""
    person_known = find(connection, kind, value)
    if person_known is not None:
        return person_known
    new_row = connection.execute(
        insert(person).values(created_at=db_now()).returning(person.c.person_id)
    )
    person_id = int(new_row.scalar_one())
    new_identity = upsert(connection.dialect.name, identity).values(
        kind=kind, value=value, person_id=person_id
    )
    statement = new_identity.on_conflict_do_nothing().returning(identity.c.person_id)
    if connection.execute(statement).first() is not None:
        return person_id
    connection.execute(delete(person).where(person.c.person_id == person_id))
    return ensure(connection, kind, value)  # another worker was first


def save_accounts(
    connection: Connection, accounts: Sequence[tuple[int, Account]], forms: Mapping[str, str]
) -> set[int]:
    """Write what FS tells of persons' accounts, in this order; return who else lost something by it.

    What is not told stays. A username that only TP knew brings its person's calendars and
    entries along, in this transaction. One that another person of FS has stays with them, and is
    claimed: this person goes on under the username that they had, if any.
    `mailboxes.assign_mailboxes` is due then: that of the others last, so that what is given up is
    passed on. `forms` are `People.user_forms`: a calendar there has another mailbox by another
    username, and is looked up like one whose address changed.
    """
    return set().union(
        *(
            repeat_on_conflict(connection, partial(_save_part, connection, part, forms))
            for part in slices(accounts, MANY)
        )
    )


def _save_part(
    connection: Connection, accounts: Sequence[tuple[int, Account]], forms: Mapping[str, str]
) -> set[int]:
    renamed_persons: set[int] = set()
    names = [account.username for _, account in accounts if account.username]
    changed = Identities(connection, [person_id for person_id, _ in accounts], names)
    for person_id, account in accounts:
        if account.username:
            renamed_persons |= changed.take_username(person_id, account.username)
        if account.mail is not None:
            ordered = in_order(account.mail, changed.mails(person_id))
            changed.set_mails(person_id, ordered)
    _write(connection, changed, forms)
    return renamed_persons


def _write(connection: Connection, changed: Identities, forms: Mapping[str, str]) -> None:
    """Write changed identities; mark calendars that have another mailbox by them to be looked up.

    What the former mailbox was called is recorded, so that whoever is named so now takes over what
    stands there.
    """
    former_usernames = changed.former_usernames() if forms else {}
    rows: list[dict[str, object]] = []
    for part in in_parts(former_usernames, MANY):
        is_theirs = is_one_of(connection, calendar.c.person_id, part)
        query = select(calendar).where(is_theirs, calendar.c.backend.in_(forms))
        for row in connection.execute(query.order_by(calendar.c.calendar_id)):
            names = former_usernames[row.person_id]
            former_name = principal_name(forms[row.backend], row.address, names)
            values = {"calendar_id": row.calendar_id, "moved_from": row.moved_from or former_name}
            rows.append(values)
    look_up: dict[str, object] = {"must_look_up": True, "synced_digest": None}
    update_many(connection, calendar, rows, by="calendar_id", **look_up)
    changed.write()


# A username that FS tells of two persons stays with the one who had it, as long as FS tells it of
# them: their calendar is right. Whoever else claims it gets it when they have it no more.


@dataclass(frozen=True, slots=True, kw_only=True)
class Clash:
    """A username that FS tells of two persons; their FS numbers, None of protected persons."""

    holder: int | None
    claimant: int | None
    since: datetime


def clashes(connection: Connection) -> list[Clash]:
    """Return which usernames FS tells of two persons, by FS numbers alone."""
    query = select(username_claim, identity.c.person_id.label("holder")).join(
        identity, and_(identity.c.kind == USERNAME, identity.c.value == username_claim.c.username)
    )
    ordered = query.order_by(username_claim.c.since, username_claim.c.person_id)
    return [
        Clash(
            holder=shown_number(connection, row.holder),
            claimant=shown_number(connection, row.person_id),
            since=row.since,
        )
        for row in connection.execute(ordered).all()
    ]


def shown_number(connection: Connection, person_id: int) -> int | None:
    """Return the FS number of a person who is not protected."""
    if PROTECT in wishes_of(connection, person_id):
        return None
    return fs_number(connection, person_id)


def claimed(connection: Connection) -> dict[int, frozenset[str]]:
    """Return person -> the usernames that they claim while others have them."""
    rows = connection.execute(select(username_claim.c.person_id, username_claim.c.username))
    claims: defaultdict[int, set[str]] = defaultdict(set)
    for person_id, username in rows:
        claims[person_id].add(username)
    return {person_id: frozenset(names) for person_id, names in claims.items()}


def called(connection: Connection, persons: Collection[int]) -> dict[int, set[str]]:
    """Return the usernames of these persons; of whoever has none, those that they claim."""
    names = {person_id: set(mine) for person_id, mine in usernames_of(connection, persons).items()}
    nameless = sorted(set(persons) - names.keys())
    if nameless:
        for person_id, username in connection.execute(_CLAIMS, {"persons": nameless}):
            names.setdefault(person_id, set()).add(username)
    return names


_CLAIMS = select(username_claim.c.person_id, username_claim.c.username).where(
    one_of(username_claim.c.person_id, "persons")
)


def holders(connection: Connection, person_id: int | None = None) -> dict[int, str]:
    """Return who has a username that somebody, or this person, claims: person -> username."""
    query = select(identity.c.person_id, identity.c.value).join(
        username_claim,
        and_(identity.c.kind == USERNAME, identity.c.value == username_claim.c.username),
    )
    if person_id is not None:
        query = query.where(username_claim.c.person_id == person_id)
    return dict(map(tuple, connection.execute(query)))


def make_way(connection: Connection, person_id: int, forms: Mapping[str, str]) -> set[int]:
    """Give up usernames that others claim, and claims: FS tells none of this person.

    Returns the others. `forms` as for `save_accounts`.
    """
    changed = Identities(connection, [person_id], ())
    changed.claim(person_id, None)
    renamed_persons = changed.pass_on(changed.usernames(person_id))
    _write(connection, changed, forms)
    return renamed_persons


def give_free_usernames(connection: Connection, forms: Mapping[str, str]) -> set[int]:
    """Give claimed usernames that nobody has any more to who claims them; return these.

    `forms` as for `save_accounts`.
    """
    is_taken = exists().where(
        identity.c.kind == USERNAME, identity.c.value == username_claim.c.username
    )
    free = select(username_claim.c.username).where(~is_taken)
    names = set(connection.execute(free).scalars())
    changed = Identities(connection, (), names)
    renamed_persons = changed.pass_on(names)
    _write(connection, changed, forms)
    return renamed_persons


def in_order(
    mail: Sequence[tuple[str, str]], before: Sequence[tuple[str, str]] = ()
) -> list[tuple[str, str]]:
    """Return (types, address) as the table holds them: in lower case, each address once.

    An address without a type has the types it had `before`: they are not told.
    """
    kinds_before = {address: detail for detail, address in before}
    kinds: dict[str, list[str]] = {}
    for kind, address in mail:
        kinds_of_address = kinds.setdefault(address.strip().lower(), [])
        if kind not in kinds_of_address:
            kinds_of_address.append(kind)
    return [
        (",".join(filter(None, kinds_of_address)) or kinds_before.get(address, ""), address)
        for address, kinds_of_address in kinds.items()
        if address
    ]


def mails(connection: Connection, person_id: int) -> list[tuple[str, str]]:
    """Return (type, address) as FS ordered them."""
    return mails_of(connection, [person_id]).get(person_id, [])


def mails_of(
    connection: Connection, persons: Collection[int]
) -> Mapping[int, list[tuple[str, str]]]:
    """Return person -> (type, address) as FS ordered them, of those of these persons who have any."""
    addresses: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
    params = {"persons": sorted(set(persons))}
    for person_id, types, address in connection.execute(_MAILS, params):
        addresses[person_id] += [(kind, address) for kind in (types or "").split(",")]
    return addresses


_MAILS = (
    select(identity.c.person_id, identity.c.detail, identity.c.value)
    .where(identity.c.kind == MAIL, one_of(identity.c.person_id, "persons"))
    .order_by(identity.c.person_id, identity.c.position)
)


# -- calendars -----------------------------------------------------------------------------------


def mark_calendars(  # noqa: PLR0913
    connection: Connection,
    calendars: Collection[int],
    *,
    reason: str,
    lane: Lane,
    cause: Cause = Cause.OTHER,
    settle: float = 0.0,
    since: datetime | None = None,
    new_are_fills: bool = False,
) -> int:
    """Mark calendars; return how many.

    A calendar in which nothing was written comes before a resync's others. With `new_are_fills`
    it comes after live ones too: nothing stands in it that is wrong.
    """
    apart = new_are_fills or lane is Lane.RESYNC
    new: set[int] = set()
    for part in in_parts(calendars, 10_000) if apart else ():
        has_entries = exists().where(entry.c.calendar_id == calendar.c.calendar_id)
        among = is_one_of(connection, calendar.c.calendar_id, part)
        query = select(calendar.c.calendar_id).where(
            among, calendar.c.synced_at.is_(None), ~has_entries
        )
        new.update(connection.execute(query).scalars())
    return mark(
        connection,
        [
            Mark(
                *WorkKey.of_calendar(calendar_id),
                reason,
                Lane.FILL if calendar_id in new else lane,
                since=since,
                cause=cause,
            )
            for calendar_id in calendars
        ],
        settle=settle,
    )


def calendars_of(connection: Connection, persons: Iterable[int]) -> list[int]:
    """Return the calendars of these persons."""
    calendar_ids: list[int] = []
    for part in in_parts(set(persons), 10_000):
        is_theirs = is_one_of(connection, calendar.c.person_id, part)
        calendar_ids += connection.execute(
            select(calendar.c.calendar_id).where(is_theirs)
        ).scalars()
    return calendar_ids


# -- wishes ---------------------------------------------------------------------------------------

OPT_OUT, REMOVE, SEARCH, PROTECT = "optout", "remove", "search", "protect"
LISTED = "listed"  # a list, or several, leave the person alone: see `optouts`
FORGET = "forget"  # opted out and erased: never mirrored again
PROTECTED_PERSONS = select(preference.c.person_id).where(preference.c.wish == PROTECT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonPreferences:
    """What some persons wish: to be left alone, and their entries in a language of their own."""

    excluded: frozenset[int]
    languages: Mapping[int, str]


def preferences_of(connection: Connection, persons: Collection[int]) -> PersonPreferences:
    """Return what these persons wish, by one statement: each visit of a calendar asks for it."""
    excluded, languages = set[int](), dict[int, str]()
    params = {"persons": sorted(set(persons))}
    for person_id, told_by, language in connection.execute(_PREFERENCES, params):
        if told_by is None:
            excluded.add(person_id)
        elif told_by == COMMAND or person_id not in languages:
            languages[person_id] = language
    return PersonPreferences(excluded=frozenset(excluded), languages=languages)


_PREFERENCES = union_all(
    select(preference.c.person_id, null(), null()).where(one_of(preference.c.person_id, "persons")),
    select(
        personal_language.c.person_id, personal_language.c.told_by, personal_language.c.language
    ).where(one_of(personal_language.c.person_id, "persons")),
)


def wishes_of(connection: Connection, person_id: int) -> frozenset[str]:
    """Return what is wished: to opt out, to remove, to search as well, to protect the person.

    Whoever wishes anything is to be left alone, and what was written goes.
    """
    return frozenset(connection.execute(_WISHES, {"whose": person_id}).scalars())


_WISHES = select(preference.c.wish).where(preference.c.person_id == bindparam("whose"))


def wish(connection: Connection, person_id: int, wishes: Collection[str], source: str) -> list[int]:
    """Record wishes to be left alone; return the calendars to be marked.

    They are taken back inside the roll-out and outside of it.
    """
    known_wishes = wishes_of(connection, person_id)
    rows = [
        {"person_id": person_id, "wish": wish_, "source": source}
        for wish_ in sorted(set(wishes) - known_wishes)
    ]
    if rows:
        connection.execute(insert(preference).values(set_at=db_now()), rows)
    is_calendar_of_person = calendar.c.person_id == person_id
    values: dict[str, object] = {"taking_back": True, "synced_digest": None}
    if SEARCH in wishes:
        values["must_look_up"] = True
    connection.execute(update(calendar).where(is_calendar_of_person).values(values))
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
    is_calendar_of_person = calendar.c.person_id == person_id
    connection.execute(
        update(calendar).where(is_calendar_of_person).values(taking_back=False, synced_digest=None)
    )
    return calendars_of(connection, [person_id])


def is_forgotten(connection: Connection, kind: str, value: str) -> bool:
    """Whether the person of that FS number or username is forgotten, and asked for no more."""
    is_named = (identity.c.kind == kind) & (identity.c.value == value)
    query = select(preference.c.wish).join(identity, identity.c.person_id == preference.c.person_id)
    return bool(connection.execute(query.where(is_named, preference.c.wish == FORGET)).first())


def forgotten(connection: Connection) -> frozenset[int]:
    """Return the forgotten persons: what FS says of them is not taken in."""
    query = select(preference.c.person_id).where(preference.c.wish == FORGET)
    return frozenset(connection.execute(query).scalars())
