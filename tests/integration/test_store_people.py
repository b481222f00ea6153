from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Barrier, Thread

import pytest
from sqlalchemy import Connection, func, insert, select

from kalender.domain.entry import CreateAhead, happens
from kalender.domain.mailbox import MailboxRule
from kalender.domain.model import Account
from kalender.domain.plan import DesiredEntry
from kalender.domain.roles import ROLES, STUDENT, TEACHER
from kalender.domain.work import Kind, Lane
from kalender.store import entries, mailboxes, people, teaching
from kalender.store.database import Database
from kalender.store.people import FS, USERNAME, People
from kalender.store.sql import db_now
from kalender.store.tables import calendar, identity, person, preference, teaching_staff
from kalender.store.tables import dirty as dirty_rows
from kalender.store.teaching import FsFacts
from tests.factories import RULES, a_registration, a_wanted, an_activity_key

BY_NAME = MailboxRule(
    rules=dict.fromkeys(ROLES, "{username}@uio.no"), domains=frozenset({"uio.no"})
)
BY_FS = replace(BY_NAME, rules=dict.fromkeys(ROLES, "epost:INSTITUSJON"))
SPLIT = replace(BY_NAME, rules={STUDENT: "epost:INSTITUSJON", TEACHER: "{username}@uio.no"})
TAUGHT = FsFacts(registrations=(a_registration(),), placements=frozenset(), roles=())


def rules(mailbox_rule: MailboxRule = BY_NAME) -> People:
    return People(mailboxes=mailbox_rule, backend="main", rules=dict.fromkeys(ROLES, RULES))


@pytest.fixture
def connection(open_database: Callable[[], Database]) -> Iterator[Connection]:
    with open_database().write() as connection:
        yield connection


def a_student(
    connection: Connection,
    number: int,
    username: str | None = None,
    *mail: tuple[str, str],
    mailbox_rule: MailboxRule = BY_NAME,
) -> int:
    """A person as a refresh of FS leaves them."""
    person_id = people.ensure(connection, FS, str(number))
    account = Account(fs_number=number, username=username, mail=mail or None)
    losers = people.save_accounts(connection, [(person_id, account)], {})
    teaching.write(connection, person_id, TAUGHT, ["25h"])
    for each in (person_id, *losers):
        mailboxes.assign_mailboxes(connection, each, rules(mailbox_rule))
    return person_id


def a_teacher(connection: Connection, username: str, mailbox_rule: MailboxRule = BY_NAME) -> int:
    """A person whom only TP knows."""
    connection.execute(
        insert(teaching_staff).values(
            **an_activity_key()._asdict(), event_id=f"of {username}", username=username
        )
    )
    person_id = people.ensure(connection, USERNAME, username)
    mailboxes.assign_mailboxes(connection, person_id, rules(mailbox_rule))
    return person_id


def calendars(connection: Connection) -> dict[str, tuple[int, str, bool, str]]:
    """Address -> person, audience, owner, state; where two claim one, the owner's."""
    rows = connection.execute(select(calendar).order_by(calendar.c.owner, calendar.c.calendar_id))
    return {row.address: (row.person_id, row.audience, row.owner, row.state) for row in rows}


def intend(connection: Connection, calendar_id: int, key: str, desired: DesiredEntry) -> None:
    """Write ahead that an entry is about to be created."""
    ahead = CreateAhead(sync_key=key, subject=desired.subject, fingerprint=desired.fingerprint)
    entries.save(connection, calendar_id, [happens(None, ahead)], ahead=True)


def an_entry_in(connection: Connection, address: str, key: str) -> None:
    row = select(calendar.c.calendar_id).where(calendar.c.address == address, calendar.c.owner)
    intend(connection, connection.execute(row).scalar_one(), key, a_wanted())


def marked(connection: Connection) -> set[str]:
    rows = select(dirty_rows.c.key).where(dirty_rows.c.kind == Kind.CALENDAR.value)
    return set(connection.execute(rows).scalars())


def the_calendar(connection: Connection, address: str, person_id: int) -> int:
    same = (calendar.c.address == address, calendar.c.person_id == person_id)
    found: int = connection.execute(select(calendar.c.calendar_id).where(*same)).scalar_one()
    return found


# -- who is who ------------------------------------------------------------------------------------


def test_an_identity_is_one_person(connection: Connection) -> None:
    one = people.ensure(connection, FS, "1")
    assert people.ensure(connection, FS, "1") == one
    assert people.find(connection, FS, "1") == one
    assert people.find(connection, USERNAME, "1") is None
    assert people.fs_number(connection, one) == 1


def test_persons_are_found_by_number_username_and_address(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola", ("INSTITUSJON", "Ola@UiO.no"))
    for text in ("1", "ola", "OLA@uio.no"):
        assert people.find_by_any_identity(connection, text) == ola
    assert people.find_by_any_identity(connection, "kari") is None


def test_two_workers_who_make_one_person_make_one(open_database: Callable[[], Database]) -> None:
    database, barrier = open_database(), Barrier(4)
    found: list[int] = []

    def make() -> None:
        barrier.wait(30)
        for n in range(10):
            with database.write() as connection:
                found.append(people.ensure(connection, USERNAME, f"user{n}"))

    threads = [Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 40
    assert len(set(found)) == 10
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(person)).scalar() == 10


def test_what_is_not_told_of_an_account_stays(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola", ("INSTITUSJON", "ola@uio.no"))
    a_student(connection, 1)
    assert people.usernames(connection, ola) == {"ola"}
    assert people.mails(connection, ola) == [("INSTITUSJON", "ola@uio.no")]
    people.save_accounts(connection, [(ola, Account(fs_number=1, mail=()))], {})
    assert people.mails(connection, ola) == []


def test_a_new_username_replaces_the_old(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola")
    a_student(connection, 1, "olan")
    assert people.usernames(connection, ola) == {"olan"}


def test_an_address_of_two_types_is_found_by_either(connection: Connection) -> None:
    mail = [("PRIVAT", "ola@uio.no"), ("INSTITUSJON", "OLA@uio.no"), ("PRIVAT", "")]
    ola = a_student(connection, 1, None, *mail, mailbox_rule=BY_FS)
    assert people.mails(connection, ola) == [
        ("PRIVAT", "ola@uio.no"),
        ("INSTITUSJON", "ola@uio.no"),
    ]
    assert calendars(connection) == {"ola@uio.no": (ola, "student", True, "active")}
    assert people.in_order(mail) == [("PRIVAT,INSTITUSJON", "ola@uio.no")]


# -- which calendars -------------------------------------------------------------------------------


def test_a_student_and_a_teacher_of_one_address_have_one_calendar(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola")
    assert calendars(connection) == {"ola@uio.no": (ola, "student", True, "active")}
    assert a_teacher(connection, "ola") == ola
    assert calendars(connection) == {"ola@uio.no": (ola, "both", True, "active")}


def test_whoever_takes_and_teaches_nothing_gets_no_calendar(connection: Connection) -> None:
    person_id = people.ensure(connection, FS, "1")
    people.save_accounts(connection, [(person_id, Account(fs_number=1, username="ola"))], {})
    mailboxes.assign_mailboxes(connection, person_id, rules())
    assert calendars(connection) == {}


def test_a_calendar_stays_when_the_teaching_goes(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola")
    teaching.write(connection, ola, replace(TAUGHT, registrations=()), ["25h"])
    mailboxes.assign_mailboxes(connection, ola, rules())
    assert calendars(connection) == {"ola@uio.no": (ola, "student", True, "active")}


def test_outside_our_mail_domains_a_calendar_is_closed(connection: Connection) -> None:
    ola = a_student(connection, 1, None, ("INSTITUSJON", "ola@hjemme.no"), mailbox_rule=BY_FS)
    assert calendars(connection) == {"ola@hjemme.no": (ola, "student", False, "closed")}


def test_mail_domains_that_change_close_and_open(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola")
    elsewhere = rules(replace(BY_NAME, domains=frozenset({"ntnu.no"})))
    mailboxes.assign_mailboxes(connection, ola, elsewhere)
    assert calendars(connection) == {"ola@uio.no": (ola, "student", False, "closed")}
    mailboxes.assign_mailboxes(connection, ola, rules())
    assert calendars(connection) == {"ola@uio.no": (ola, "student", True, "active")}


def test_a_changed_address_moves_the_calendar_and_is_looked_up(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola")
    before = the_calendar(connection, "ola@uio.no", ola)
    a_student(connection, 1, "olan")
    assert calendars(connection) == {"olan@uio.no": (ola, "student", True, "active")}
    row = entries.load(connection, before)
    assert row is not None
    assert row.must_look_up
    assert marked(connection) == {str(before)}


def test_an_address_change_with_a_new_audience_moves_the_calendar_too(
    connection: Connection,
) -> None:
    ola = a_student(connection, 1, "ola")
    a_teacher(connection, "olan")
    assert a_student(connection, 1, "olan") == ola
    assert calendars(connection)["olan@uio.no"] == (ola, "both", True, "active")


def test_one_mailbox_that_becomes_two_is_parted(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola", ("INSTITUSJON", "ola@uio.no"))
    a_teacher(connection, "ola")
    a_student(connection, 1, "ola", ("INSTITUSJON", "stud@uio.no"), mailbox_rule=SPLIT)
    assert calendars(connection) == {
        "ola@uio.no": (ola, "teacher", True, "active"),
        "stud@uio.no": (ola, "student", True, "active"),
    }


# -- one owner an address --------------------------------------------------------------------------


def test_the_second_claimant_of_an_address_waits(connection: Connection) -> None:
    mail = ("INSTITUSJON", "felles@uio.no")
    ola = a_student(connection, 1, None, mail, mailbox_rule=BY_FS)
    kari = a_student(connection, 2, None, mail, mailbox_rule=BY_FS)
    assert calendars(connection)["felles@uio.no"] == (ola, "student", True, "active")
    owner = select(calendar.c.owner).where(calendar.c.person_id == kari)
    assert connection.execute(owner).scalar_one() is False


def test_a_freed_address_goes_to_whoever_waits_who_looks_first(connection: Connection) -> None:
    mail = ("INSTITUSJON", "felles@uio.no")
    a_student(connection, 1, None, mail, mailbox_rule=BY_FS)
    kari = a_student(connection, 2, None, mail, mailbox_rule=BY_FS)
    candidate = the_calendar(connection, "felles@uio.no", kari)
    a_student(connection, 1, None, ("INSTITUSJON", "ola@uio.no"), mailbox_rule=BY_FS)
    assert calendars(connection)["felles@uio.no"] == (kari, "student", True, "active")
    row = entries.load(connection, candidate)
    assert row is not None
    assert row.must_look_up
    assert str(candidate) in marked(connection)


def test_an_address_given_up_without_another_goes_to_whoever_waits(connection: Connection) -> None:
    mail = ("INSTITUSJON", "felles@uio.no")
    ola = a_student(connection, 1, None, mail, mailbox_rule=BY_FS)
    kari = a_student(connection, 2, None, mail, mailbox_rule=BY_FS)
    people.save_accounts(connection, [(ola, Account(fs_number=1, mail=()))], {})
    mailboxes.assign_mailboxes(connection, ola, rules(BY_FS))
    assert calendars(connection)["felles@uio.no"] == (kari, "student", True, "active")


def test_an_owner_without_a_right_to_an_address_makes_room(connection: Connection) -> None:
    mail = ("INSTITUSJON", "felles@uio.no")
    ola = a_student(connection, 1, None, mail, mailbox_rule=BY_FS)
    people.save_accounts(connection, [(ola, Account(fs_number=1, mail=()))], {})
    mailboxes.assign_mailboxes(connection, ola, rules(BY_FS))
    assert calendars(connection)["felles@uio.no"] == (ola, "student", True, "active")
    kari = a_student(connection, 2, None, mail, mailbox_rule=BY_FS)
    assert calendars(connection)["felles@uio.no"] == (kari, "student", True, "active")
    row = entries.load(connection, the_calendar(connection, "felles@uio.no", kari))
    assert row is not None
    assert row.must_look_up
    a_student(connection, 1, None, ("INSTITUSJON", "ola@uio.no"), mailbox_rule=BY_FS)
    assert calendars(connection)["ola@uio.no"] == (ola, "student", True, "active")


def test_a_username_that_goes_to_another_takes_the_address_along(connection: Connection) -> None:
    """Once FS says so of both: until then it is one username at two persons."""
    ola = a_student(connection, 1, "ola")
    kari = a_student(connection, 2, "ola")
    assert people.usernames(connection, ola) == {"ola"}
    assert calendars(connection)["ola@uio.no"] == (ola, "student", True, "active")
    a_student(connection, 1, "ola2")
    assert people.usernames(connection, kari) == {"ola"}
    assert calendars(connection)["ola@uio.no"] == (kari, "student", True, "active")


# -- known to TP only ------------------------------------------------------------------------------


def test_whom_only_tp_knew_becomes_the_person_fs_names(connection: Connection) -> None:
    teacher = a_teacher(connection, "ola")
    an_entry_in(connection, "ola@uio.no", "e#1")
    connection.execute(
        insert(preference).values(person_id=teacher, wish="optout", source="x", set_at=db_now())
    )
    ola = a_student(connection, 1, "ola")
    assert ola != teacher
    assert calendars(connection) == {"ola@uio.no": (ola, "both", True, "active")}
    found = entries.of_calendar(connection, the_calendar(connection, "ola@uio.no", ola))
    assert [each.sync_key for each in found] == ["e#1"]
    assert people.wishes_of(connection, ola)
    assert connection.execute(select(func.count()).select_from(person)).scalar() == 1


def test_two_calendars_that_meet_in_one_person_become_one(connection: Connection) -> None:
    a_teacher(connection, "ola", SPLIT)
    an_entry_in(connection, "ola@uio.no", "t#1")
    mail = ("INSTITUSJON", "ola@uio.no")
    ola = a_student(connection, 1, None, mail, mailbox_rule=SPLIT)
    a_student(connection, 1, "ola", mail, mailbox_rule=SPLIT)
    assert calendars(connection) == {"ola@uio.no": (ola, "both", True, "active")}
    (row,) = connection.execute(select(calendar)).all()
    found = entries.of_calendar(connection, row.calendar_id)
    assert [each.sync_key for each in found] == ["t#1"]


# -- marks and wishes ------------------------------------------------------------------------------


def test_a_calendar_never_filled_goes_before_the_rest_of_a_resync(connection: Connection) -> None:
    ola, kari = a_student(connection, 1, "ola"), a_student(connection, 2, "kari")
    filled, new = people.calendars_of(connection, [ola]), people.calendars_of(connection, [kari])
    entries.synced(connection, filled[0], digest="d", settings="s", changes_at=None, verified=False)
    both = people.calendars_of(connection, [ola, kari])
    assert people.mark_calendars(connection, both, reason="resync", lane=Lane.RESYNC) == 2
    rows = connection.execute(select(dirty_rows.c.key, dirty_rows.c.priority)).all()
    assert {(row.key, row.priority) for row in rows} == {
        (str(filled[0]), Lane.RESYNC),
        (str(new[0]), Lane.FILL),
    }


def test_a_principal_name_is_made_of_a_username_that_is_the_owners_alone(
    connection: Connection,
) -> None:
    form, mail = "{username}@cloud.example", ("INSTITUSJON", "ola.n@uio.no")
    ola = a_student(connection, 1, "olan", mail, mailbox_rule=BY_FS)
    a_student(connection, 2, "olan", ("INSTITUSJON", "kari.n@uio.no"), mailbox_rule=BY_FS)
    names = {
        address: mailboxes.principal_name_of(connection, address, form)
        for address in ("ola.n@uio.no", "kari.n@uio.no", "nobody@uio.no")
    }
    assert names == {
        "ola.n@uio.no": "olan@cloud.example",
        "kari.n@uio.no": None,
        "nobody@uio.no": None,
    }
    assert calendars(connection)["ola.n@uio.no"][0] == ola


def test_two_mailboxes_of_one_username_are_not_told_apart_by_it(connection: Connection) -> None:
    mail = ("INSTITUSJON", "ola.n@uio.no")
    ola = a_student(connection, 1, None, mail, mailbox_rule=SPLIT)
    a_teacher(connection, "olan", SPLIT)
    a_student(connection, 1, "olan", mail, mailbox_rule=SPLIT)
    assert {address: row[0] for address, row in calendars(connection).items()} == dict.fromkeys(
        ("ola.n@uio.no", "olan@uio.no"), ola
    )
    for address in ("ola.n@uio.no", "olan@uio.no"):
        assert mailboxes.principal_name_of(connection, address, "{username}@cloud.example") is None


def test_a_wish_to_be_left_alone_is_found(connection: Connection) -> None:
    ola = a_student(connection, 1, "ola")
    assert not people.wishes_of(connection, ola)
    connection.execute(
        insert(preference).values(person_id=ola, wish="remove", source="x", set_at=db_now())
    )
    assert people.wishes_of(connection, ola)


def test_two_persons_may_be_told_one_address_but_no_other_identity(connection: Connection) -> None:
    mail = ("INSTITUSJON", "felles@uio.no")
    for number in (1, 2):
        a_student(connection, number, None, mail, mailbox_rule=BY_FS)
    same = select(func.count()).where(identity.c.value == "felles@uio.no")
    assert connection.execute(same).scalar() == 2
