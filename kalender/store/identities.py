"""The identities of some persons as one change: read at once, changed in memory, and written at once.

A resync changes the accounts of everybody by it, a notification that of one person.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from itertools import count
from typing import Any

from sqlalchemy import Connection, delete, exists, or_, select, update

from kalender.domain.work import FS, USERNAME
from kalender.store.sql import db_now, delete_many, insert_many, one_of
from kalender.store.tables import (
    calendar,
    identity,
    listed_person,
    operator_act,
    person,
    personal_language,
    preference,
    rollout,
    rollout_enrolment,
    rollout_member,
    rollout_plan,
    username_claim,
)

MAIL = "mail"
Place = tuple[int, Any, int]  # a claim among those of one username: who is first gets it


class Identities:
    """The identities and claims of some persons, read at once, changed in memory, and written at once.

    Who has or claims a username that one of them has or claims is among them, and so is who has or
    claims one of theirs: whatever passes from one to another is within what was read.
    """

    def __init__(
        self, connection: Connection, persons: Iterable[int], usernames: Iterable[str]
    ) -> None:
        self.connection = connection
        self.values: dict[int, dict[tuple[str, str], tuple[str | None, int]]] = {}
        self.holders: dict[str, int] = {}
        self.claims: dict[str, dict[int, Place]] = defaultdict(dict)  # username -> person -> place
        self.absorbed: list[tuple[int, int]] = []  # a person, and who became one with them
        self._turns = count()
        self._read(set(persons), set(usernames))
        self._rows_before, self._claims_before = self._rows(), self._claim_keys()

    def _read(self, persons: set[int], names: set[str]) -> None:
        names_read = set[str]()
        while persons or names:
            self.values |= {person_id: {} for person_id in persons}
            names_read |= names
            params: dict[str, Any] = {"persons": sorted(persons), "names": sorted(names)}
            more_persons, more_names = set[int](), set[str]()
            if persons:
                for row in self.connection.execute(_OF_PERSONS, params):
                    self.values[row.person_id][row.kind, row.value] = (row.detail, row.position)
                    if row.kind == USERNAME:
                        self.holders[row.value] = row.person_id
                        more_names.add(row.value)
            if names:
                more_persons.update(self.connection.execute(_HOLDERS, params).scalars())
            for row in self.connection.execute(_CLAIMS, params):
                self.claims[row.username][row.person_id] = (0, row.since, row.person_id)
                more_persons.add(row.person_id)
                more_names.add(row.username)
            persons, names = more_persons - self.values.keys(), more_names - names_read

    def usernames(self, person_id: int) -> set[str]:
        """Return a person's usernames."""
        return {value for kind, value in self.values[person_id] if kind == USERNAME}

    def take_username(self, person_id: int, username: str) -> set[int]:
        """Give a person their username, or let them claim it; return who else got another by it."""
        holder = self.holders.get(username)
        has_it = (
            holder is not None
            and holder != person_id
            and any(kind == FS for kind, _ in self.values[holder])
        )
        self.claim(person_id, username if has_it else None)
        former_names = self.usernames(person_id) - {username}
        if not has_it:
            for name in former_names:
                self._remove(name)
            if holder is None:
                self.values[person_id][USERNAME, username] = (None, 0)
                self.holders[username] = person_id
            elif holder != person_id:
                self._absorb(person_id, holder)
        return self.pass_on(former_names)

    def claim(self, person_id: int, username: str | None) -> None:
        """Let a person claim this username of another's, or none."""
        for name, claimants in self.claims.items():
            if name != username:
                claimants.pop(person_id, None)
        if username is not None:
            place = (1, next(self._turns), person_id)  # behind all that were read
            self.claims[username].setdefault(person_id, place)

    def pass_on(self, names: Collection[str]) -> set[int]:
        """Give usernames to whoever claims them first; return all who got another by it."""
        renamed_persons: set[int] = set()
        for name in sorted(names):
            if claimants := self.claims.get(name):
                candidate = min(claimants, key=claimants.__getitem__)
                self._remove(name)
                renamed_persons |= {candidate, *self.take_username(candidate, name)}
        return renamed_persons

    def mails(self, person_id: int) -> list[tuple[str, str]]:
        """Return a person's (types, address) as the table holds them, in no order."""
        return [
            (row[0] or "", value)
            for (kind, value), row in self.values[person_id].items()
            if kind == MAIL
        ]

    def set_mails(self, person_id: int, mails: Sequence[tuple[str, str]]) -> None:
        """Give a person these (types, address), in this order, instead of those that they had."""
        values = self.values[person_id]
        for _, address in self.mails(person_id):
            del values[MAIL, address]
        for position, (types, address) in enumerate(mails):
            values[MAIL, address] = (types, position)

    def former_usernames(self) -> dict[int, frozenset[str]]:
        """Return person -> the usernames that they had when read, where they have others now.

        A person who became one with another has their usernames now.
        """
        names_before: defaultdict[int, set[str]] = defaultdict(set)
        for kind, value, person_id in self._rows_before:
            if kind == USERNAME:
                names_before[person_id].add(value)
        heirs = {absorbed_person: person_id for person_id, absorbed_person in self.absorbed}
        former_names = {}
        for *_, person_id in self._rows_before:
            heir = person_id
            while heir in heirs:
                heir = heirs[heir]
            if names_before[person_id] != self.usernames(heir):
                former_names[person_id] = frozenset(names_before[person_id])
        return former_names

    def _remove(self, username: str) -> None:
        holder = self.holders.pop(username, None)
        if holder is not None:
            del self.values[holder][USERNAME, username]

    def _absorb(self, person_id: int, absorbed_person: int) -> None:
        values = self.values.pop(absorbed_person)
        self.values[person_id] |= values
        self.holders |= {value: person_id for kind, value in values if kind == USERNAME}
        self.claim(absorbed_person, None)
        self.absorbed.append((person_id, absorbed_person))

    def write(self) -> None:
        """Write what was changed."""
        rows, claims = self._rows(), self._claim_keys()
        names = ("kind", "value", "person_id")
        gone = [key for key, row in self._rows_before.items() if rows.get(key) != row]
        delete_many(self.connection, identity, names, gone)
        for person_id, absorbed_person in self.absorbed:
            _absorb(self.connection, person_id, absorbed_person)
        new = [key for key, row in rows.items() if self._rows_before.get(key) != row]
        columns = (*names, "detail", "position")
        insert_many(
            self.connection,
            identity,
            [dict(zip(columns, (*key, *rows[key]), strict=True)) for key in sorted(new)],
        )
        names_of_claim = ("username", "person_id")
        delete_many(
            self.connection,
            username_claim,
            names_of_claim,
            self._claims_before.keys() - claims.keys(),
        )
        insert_many(
            self.connection,
            username_claim,
            [
                dict(zip(names_of_claim, key, strict=True))
                for key in claims
                if key not in self._claims_before
            ],
            since=db_now(),
        )

    def _rows(self) -> dict[tuple[str, str, int], tuple[str | None, int]]:
        return {
            (kind, value, person_id): row
            for person_id, values in self.values.items()
            for (kind, value), row in values.items()
        }

    def _claim_keys(self) -> dict[tuple[str, int], None]:
        return dict.fromkeys(
            (name, person_id) for name in self.claims for person_id in self.claims[name]
        )


_OF_PERSONS = select(identity).where(one_of(identity.c.person_id, "persons"))
_HOLDERS = select(identity.c.person_id).where(
    identity.c.kind == USERNAME, one_of(identity.c.value, "names")
)
_CLAIMS = select(username_claim).where(
    or_(one_of(username_claim.c.person_id, "persons"), one_of(username_claim.c.username, "names"))
)


def _absorb(connection: Connection, person_id: int, absorbed_person: int) -> None:
    connection.execute(
        update(calendar).where(calendar.c.person_id == absorbed_person).values(person_id=person_id)
    )
    wishes = select(preference.c.wish).where(preference.c.person_id == person_id)
    connection.execute(
        update(preference)
        .where(preference.c.person_id == absorbed_person, preference.c.wish.not_in(wishes))
        .values(person_id=person_id)
    )
    words = select(personal_language.c.told_by).where(personal_language.c.person_id == person_id)
    connection.execute(
        update(personal_language)
        .where(
            personal_language.c.person_id == absorbed_person,
            personal_language.c.told_by.not_in(words),
        )
        .values(person_id=person_id)
    )
    lists = select(listed_person.c.list).where(listed_person.c.person_id == person_id)
    connection.execute(
        update(listed_person)
        .where(listed_person.c.person_id == absorbed_person, listed_person.c.list.not_in(lists))
        .values(person_id=person_id)
    )
    courses = select(rollout_member.c.course).where(rollout_member.c.person_id == person_id)
    connection.execute(
        update(rollout_member)
        .where(
            rollout_member.c.person_id == absorbed_person, rollout_member.c.course.not_in(courses)
        )
        .values(person_id=person_id)
    )
    own, theirs = rollout_enrolment.alias(), rollout_enrolment
    is_double = exists().where(
        own.c.person_id == person_id, own.c.kind == theirs.c.kind, own.c.value == theirs.c.value
    )
    connection.execute(
        update(theirs)
        .where(theirs.c.person_id == absorbed_person, ~is_double)
        .values(person_id=person_id)
    )
    connection.execute(
        update(rollout)
        .where(rollout.c.kind == "person", rollout.c.value == str(absorbed_person))
        .values(value=str(person_id))
    )
    connection.execute(
        update(rollout_plan)
        .where(rollout_plan.c.kind == "person", rollout_plan.c.value == str(absorbed_person))
        .values(value=str(person_id))
    )
    connection.execute(
        update(operator_act)
        .where(operator_act.c.person_id == absorbed_person)
        .values(person_id=person_id)
    )
    connection.execute(delete(person).where(person.c.person_id == absorbed_person))
