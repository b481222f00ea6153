"""A resync whose transaction lasts, while workers ask FS for single persons; PostgreSQL alone lets them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Connection, Select, select, text

from kalender.domain.model import Registration
from kalender.domain.work import Kind
from kalender.store import mailboxes, people
from kalender.store.database import Database
from kalender.store.people import FS, USERNAME
from kalender.store.tables import calendar, dirty, identity, registration, source_reading
from tests.fakes.house import House, activity, event
from tests.fault.installation import wait

pytestmark = pytest.mark.integration


@pytest.fixture
def house(migrated_postgresql: str) -> Iterator[House]:
    """Two students of one course."""
    database = Database(migrated_postgresql)
    house = House(database)
    house.teach(event(1))
    house.enrol(1)
    house.enrol(2)
    assert house.settle() == []
    house.resync()
    assert house.settle() == []
    yield house
    database.close()


@pytest.mark.parametrize("withdraws", [True, False])
def test_who_is_asked_for_meanwhile_is_as_that_answer_says(house: House, withdraws: bool) -> None:
    one, two = house.students.facts[1], house.students.facts[2]
    another = Registration(unit=activity(course="IN2000").unit, offer_status="I")
    with_another = replace(one, registrations=(*one.registrations, another))
    house.students.facts[1] = with_another
    renamed = replace(two.account, username="another2")
    house.students.facts[2] = replace(two, account=renamed)
    with house.database.write() as connection:
        connection.execute(select(identity).where(identity.c.value == "user2").with_for_update())
        resync = Thread(target=house.resync)
        resync.start()
        wait(lambda: is_held_up(house))  # it has read its collections, and who was asked since
        house.students.facts[1] = one if withdraws else with_another
        house.mark(Kind.PERSON, "fs 1")
        claim = house.claim([Kind.PERSON])
        assert claim is not None
        house.do(claim)
    resync.join()
    assert house.settle() == []
    courses = {"IN1000"} if withdraws else {"IN1000", "IN2000"}
    assert taken(house, 1) == courses
    assert taken(house, 2) == {"IN1000"}


def test_whom_tp_names_between_reading_and_writing_is_the_person_of_fs(house: House) -> None:
    with resync_held_up(house, select(identity).where(identity.c.value == "user2")) as beside:
        people.ensure(beside, USERNAME, "user3")
    with house.database.read() as connection:
        person_id = people.find(connection, FS, "3")
        assert people.find(connection, USERNAME, "user3") == person_id
    assert taken(house, 3) == {"IN1000"}
    assert house.settle() == []
    assert len(house.shown(3)) == 1


def test_an_address_given_away_between_reading_and_writing_has_one_owner(house: House) -> None:
    address = "user3@uio.example"
    rows = select(calendar).where(calendar.c.address == "user2@uio.example")
    with resync_held_up(house, rows) as beside:
        mailboxes.make_for_mailbox(beside, address, house.refresh_context.people)
    with house.database.read() as connection:
        assert mailboxes.owner_of(connection, address) == people.find(connection, FS, "3")
    assert house.settle() == []
    assert len(house.shown(3)) == 1


def test_a_resync_that_is_ended_by_a_deadlock_begins_anew(house: House) -> None:
    """Another waits for what the resync has written, and holds what the resync is about to write."""
    house.mark(Kind.COURSE, "IN1000 25h")
    house.enrol(3)
    with ThreadPoolExecutor(1) as threads:
        with house.database.write() as other:
            other.execute(text("SET LOCAL deadlock_timeout = '60s'"))  # it is not the one to end
            other.execute(select(dirty).with_for_update())
            resync = threads.submit(house.resync)
            wait(lambda: is_held_up(house))
            other.execute(select(source_reading).with_for_update())
        assert resync.result().new_persons == 1
    assert house.settle() == []
    assert len(house.shown(3)) == 1


@contextmanager
def resync_held_up(house: House, rows: Select[Any]) -> Iterator[Connection]:
    """Hold a resync up at these rows of person 2, who is renamed; person 3 is new.

    Yields a transaction beside it, which is committed before the resync goes on.
    """
    two = house.students.facts[2]
    house.students.facts[2] = replace(two, account=replace(two.account, username="another2"))
    house.enrol(3)
    resync = Thread(target=house.resync)
    with house.database.write() as connection:
        connection.execute(rows.with_for_update())
        resync.start()
        wait(lambda: is_held_up(house))
        with house.database.write() as beside:
            yield beside
    resync.join()


def is_held_up(house: House) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with house.database.read() as connection:
        return connection.execute(text(query)).first() is not None


def taken(house: House, number: int) -> set[str]:
    mine = (identity.c.kind == "fs") & (identity.c.value == str(number))
    query = select(registration.c.course).join(
        identity, identity.c.person_id == registration.c.person_id
    )
    with house.database.read() as connection:
        return set(connection.execute(query.where(mine)).scalars())
