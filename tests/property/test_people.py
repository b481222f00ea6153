"""Many persons at once come out as they do one after the other, whatever they take from each other.

Two databases of one kind go through the same rounds: in one FS' answers and the calendars of all are
written together, in the other person by person. Afterwards both hold the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Table, insert, select

from kalender.domain.mailbox import MailboxRule
from kalender.domain.model import Account
from kalender.domain.roles import ROLES, STUDENT, TEACHER
from kalender.domain.work import Kind
from kalender.store import mailboxes, people, recovery, teaching
from kalender.store.database import Database
from kalender.store.people import FS, USERNAME, People
from kalender.store.tables import (
    calendar,
    dirty,
    entry,
    identity,
    metadata,
    person,
    preference,
    teaching_staff,
    username_claim,
)
from kalender.store.teaching import FsFacts
from tests import servers
from tests.databases import cloned
from tests.factories import RULES, a_registration, a_wanted, an_activity_key
from tests.integration.test_store_people import intend

NAMES = ("ann", "bo", "cy", "di", "eve")
ADDRESSES = (*(f"{name}@uio.no" for name in NAMES), "ann@hjemme.no")
MAILS = st.lists(
    st.tuples(st.sampled_from(["INSTITUSJON", "PRIVAT", ""]), st.sampled_from(ADDRESSES)),
    max_size=3,
)
NUMBERS = st.integers(1, 7)
BY_NAME = dict.fromkeys(ROLES, "{username}@uio.no")
BY_FS = dict.fromkeys(ROLES, "epost:INSTITUSJON")
SPLIT = {STUDENT: "epost:INSTITUSJON", TEACHER: "{username}@uio.no"}
OURS, ALL = frozenset({"uio.no"}), frozenset[str]()
TAUGHT = FsFacts(registrations=(a_registration(),), placements=frozenset(), roles=())


@dataclass(frozen=True)
class Round:
    """What FS and TP tell, what somebody wishes, and by which rule addresses are made."""

    rule: MailboxRule
    accounts: dict[int, tuple[str | None, list[tuple[str, str]] | None]]
    registered: frozenset[int]
    named: list[str]  # by TP
    nameless: list[int]  # FS calls them by no username any more
    wishing: int | None
    recover: bool


ROUNDS = st.lists(
    st.builds(
        Round,
        rule=st.builds(
            MailboxRule,
            rules=st.sampled_from([BY_NAME, BY_FS, SPLIT, SPLIT]),
            domains=st.sampled_from([OURS, OURS, OURS, ALL, frozenset({"hjemme.no"})]),
        ),
        accounts=st.dictionaries(
            NUMBERS, st.tuples(st.none() | st.sampled_from(NAMES), st.none() | MAILS), max_size=7
        ),
        registered=st.frozensets(NUMBERS),
        named=st.lists(st.sampled_from(NAMES), max_size=2, unique=True),
        nameless=st.lists(NUMBERS, max_size=1),
        wishing=st.none() | NUMBERS,
        recover=st.sampled_from([False, False, False, True]),
    ),
    min_size=1,
    max_size=6,
)


def play(connection: Connection, now: Round, turn: int, *, together: bool) -> None:
    """Let one round happen."""
    rules = People(mailboxes=now.rule, backend="main", rules=dict.fromkeys(ROLES, RULES))
    if now.recover:
        recovery.recover(connection, lease=timedelta())
    for username in now.named:
        unit = an_activity_key()._asdict()
        values = {**unit, "event_id": f"{turn}", "username": username}
        connection.execute(insert(teaching_staff).values(values))
        person_id = people.ensure(connection, USERNAME, username)
        mailboxes.assign_mailboxes(connection, person_id, rules)
    persons = {number: people.ensure(connection, FS, str(number)) for number in range(1, 8)}
    if now.wishing is not None:
        people.wish(connection, persons[now.wishing], {people.OPT_OUT, people.PROTECT}, "test")
    accounts = [
        (
            persons[number],
            Account(
                fs_number=number, username=username, mail=None if mail is None else tuple(mail)
            ),
        )
        for number, (username, mail) in sorted(now.accounts.items())
    ]
    if together:
        heirs = people.save_accounts(connection, accounts, rules.user_forms)
    else:
        heirs = set().union(
            *(people.save_accounts(connection, [told], rules.user_forms) for told in accounts)
        )
    heirs |= people.give_free_usernames(connection, rules.user_forms)
    for number in now.nameless:
        heirs |= people.make_way(connection, persons[number], rules.user_forms)
    for number, person_id in persons.items():
        facts = TAUGHT if number in now.registered else replace(TAUGHT, registrations=())
        teaching.write(connection, person_id, facts, ["25h"])
    heirs_last = sorted({*persons.values(), *heirs}, key=lambda one: (one in heirs, one))
    if together:
        mailboxes.assign_all(connection, heirs_last, rules)
    else:
        for person_id in heirs_last:
            mailboxes.assign_mailboxes(connection, person_id, rules)
    owned = select(calendar.c.calendar_id).where(calendar.c.owner).order_by(calendar.c.calendar_id)
    for place, calendar_id in enumerate(connection.execute(owned).scalars().all()):
        if (turn + place) % 3 == 0:
            intend(connection, calendar_id, f"{turn}#{place}", a_wanted())


def held(connection: Connection) -> dict[str, list[Any]]:
    """Return all that decides something, with each person's and calendar's place for its number."""

    def rows(table: Table, *names: str) -> list[dict[str, Any]]:
        query = select(*(table.c[name] for name in names)).order_by(*table.primary_key)
        return [dict(row) for row in connection.execute(query).mappings()]

    persons = {row["person_id"]: n for n, row in enumerate(rows(person, "person_id"))}
    columns = [column.name for column in calendar.c]
    calendars = {row["calendar_id"]: n for n, row in enumerate(rows(calendar, *columns))}
    since = (username_claim.c.username, username_claim.c.since, username_claim.c.person_id)
    claims = connection.execute(select(*since).order_by(*since)).all()
    work = rows(dirty, "kind", "key", "reason", "priority", "cause")
    return {
        "identities": sorted(
            (row["kind"], row["value"], persons[row["person_id"]], row["detail"], row["position"])
            for row in rows(identity, "kind", "value", "person_id", "detail", "position")
        ),
        "claims": [(username, persons[person_id]) for username, _, person_id in claims],
        "wishes": sorted(
            (persons[row["person_id"]], row["wish"])
            for row in rows(preference, "person_id", "wish")
        ),
        "calendars": [
            {**row, "person_id": persons[row["person_id"]], "calendar_id": n}
            for n, row in enumerate(rows(calendar, *columns))
        ],
        "entries": [
            (row["sync_key"], calendars[row["calendar_id"]])
            for row in rows(entry, "sync_key", "calendar_id")
        ],
        "work": sorted(
            (row["reason"], row["priority"], row["cause"], calendars[int(row["key"])])
            for row in work
            if row["kind"] == Kind.CALENDAR.value and int(row["key"]) in calendars
        ),
    }


def compare(databases: Sequence[Database], rounds: Sequence[Round]) -> None:
    for database in databases:
        with database.write() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
    for turn, now in enumerate(rounds):
        outcomes = []
        for database, together in zip(databases, (True, False), strict=True):
            with database.write() as connection:
                play(connection, now, turn, together=together)
                outcomes.append(held(connection))
        assert outcomes[0] == outcomes[1]
        reasons = {row[0] for row in outcomes[0]["work"]}
        for reason in sorted(reasons):
            event(reason)
        if outcomes[0]["claims"]:
            event("a username is claimed")


def run(urls: Sequence[str], examples: int) -> None:
    databases = [Database(url) for url in urls]

    @settings(max_examples=examples)
    @given(rounds=ROUNDS)
    def play_and_compare(rounds: list[Round]) -> None:
        compare(databases, rounds)

    play_and_compare()
    for database in databases:
        database.close()


def test_many_at_once_come_out_as_one_by_one(migrated_file: Path, tmp_path: Path) -> None:
    paths = [tmp_path / "together.db", tmp_path / "one-by-one.db"]
    for path in paths:
        path.write_bytes(migrated_file.read_bytes())
    run([f"sqlite:///{path}" for path in paths], examples=100)


def test_many_at_once_come_out_as_one_by_one_on_postgresql(
    running: dict[str, str], migrated_template: str
) -> None:
    server = running[servers.DATABASE]
    with cloned(server, migrated_template) as one, cloned(server, migrated_template) as other:
        run([one, other], examples=15)
