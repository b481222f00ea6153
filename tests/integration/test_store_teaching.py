from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select

from kalender.domain.model import Account, PersonFacts, Registration
from kalender.store import bulk, fs_facts, people, teaching
from kalender.store.database import Database, database_time
from kalender.store.fs_facts import KINDS, REGISTRATIONS, ROLES, FactKind, Facts
from kalender.store.people import FS, USERNAME
from kalender.store.tables import person
from kalender.store.teaching import FsFacts
from tests.factories import NOW, UNIT, a_registration, a_role, an_activity_key

NOTHING = FsFacts(registrations=(), placements=frozenset(), roles=())
ROLE = a_role(starts_on=date(2025, 8, 1), ends_on=None)
TAUGHT = FsFacts(
    registrations=(a_registration("IN1000"), a_registration("IN2000", None)),
    placements=frozenset({an_activity_key("2-1")}),
    roles=(ROLE, replace(ROLE, number=2, actid=None)),
)


@pytest.fixture
def connection(open_database: Callable[[], Database]) -> Iterator[Connection]:
    with open_database().write() as connection:
        yield connection


@pytest.fixture
def ola(connection: Connection) -> int:
    return people.ensure(connection, FS, "1")


# -- one person ------------------------------------------------------------------------------------


def test_what_was_written_is_read_as_it_was(connection: Connection, ola: int) -> None:
    teaching.write(connection, ola, TAUGHT, ["25h"])
    assert teaching.read(connection, ola, ["25h"]) == TAUGHT
    assert teaching.read(connection, ola, ["26v"]) == NOTHING
    assert {key.course for key in TAUGHT.courses} == {"IN1000", "IN2000"}


def test_facts_come_in_one_order_and_once() -> None:
    facts = PersonFacts(
        account=Account(fs_number=1),
        registrations=(*reversed(TAUGHT.registrations), a_registration("IN2000", None)),
        placements=(an_activity_key("2-1"), an_activity_key("2-1")),
        roles=(*reversed(TAUGHT.roles), ROLE),
    )
    assert teaching.of_facts(facts) == TAUGHT
    assert teaching.of_facts(PersonFacts(account=Account(fs_number=1))).empty


def test_the_order_of_facts_is_not_the_databases(connection: Connection, ola: int) -> None:
    names = ["MAT-INF", "MAT1100", "mat", "ÅRS", "AAS"]
    taught = replace(NOTHING, registrations=tuple(a_registration(name) for name in sorted(names)))
    teaching.write(connection, ola, taught, ["25h"])
    assert teaching.read(connection, ola, ["25h"]) == taught


def test_other_semesters_and_persons_are_left_alone(connection: Connection, ola: int) -> None:
    kari = people.ensure(connection, FS, "2")
    last = replace(NOTHING, registrations=(Registration(unit=UNIT._replace(semester="25v")),))
    teaching.write(connection, ola, last, ["25v"])
    teaching.write(connection, kari, TAUGHT, ["25h"])
    teaching.write(connection, ola, TAUGHT, ["25h"])
    teaching.write(connection, ola, NOTHING, ["25h"])
    assert teaching.read(connection, ola, ["25h"]) == NOTHING
    assert teaching.read(connection, ola, ["25v"]) == last
    assert teaching.read(connection, kari, ["25h"]) == TAUGHT


def test_first_and_last_placements_are_told(connection: Connection, ola: int) -> None:
    kari = people.ensure(connection, FS, "2")
    group = an_activity_key("2-1")
    assert teaching.write(connection, ola, TAUGHT, ["25h"]) == {group}
    assert teaching.write(connection, kari, TAUGHT, ["25h"]) == frozenset()
    assert teaching.write(connection, ola, NOTHING, ["25h"]) == frozenset()
    assert teaching.write(connection, kari, NOTHING, ["25h"]) == {group}


def test_when_fs_was_asked_and_emptied_somebody_is_kept(connection: Connection, ola: int) -> None:
    at = database_time(connection)
    teaching.asked(connection, ola, at, emptied=True)
    assert teaching.emptied_at(connection, ola) == at
    teaching.asked(connection, ola, at, emptied=False)
    assert teaching.emptied_at(connection, ola) is None
    assert bulk.asked_later(connection, at - timedelta(seconds=1)) == {ola}
    assert bulk.asked_later(connection, at) == set()


def test_when_a_source_was_read_is_kept(connection: Connection) -> None:
    assert teaching.was_read(connection, "placements", "25h") is None
    for at in (NOW, NOW + timedelta(days=1)):
        teaching.record_reading(connection, "placements", "25h", at)
        assert teaching.was_read(connection, "placements", "25h") == at
    assert teaching.was_read(connection, "placements", "26v") is None


# -- instants --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "instant",
    [
        datetime(2025, 8, 18, 6, tzinfo=UTC),
        datetime(2025, 8, 18, 6, 0, 0, 123000, tzinfo=UTC),
        datetime.fromisoformat("2025-10-26T02:30:00+02:00"),
        datetime.fromisoformat("2025-10-26T02:30:00+01:00"),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, tzinfo=UTC),
    ],
)
def test_an_instant_is_the_same_in_and_out_of_either_database(
    connection: Connection, instant: datetime
) -> None:
    connection.execute(insert(person).values(created_at=instant))
    found = connection.execute(select(person.c.created_at)).scalar_one()
    assert found == instant
    assert found.tzinfo is UTC
    same = select(func.count()).where(person.c.created_at == instant)
    assert connection.execute(same).scalar() == 1


def test_instants_sort_in_time(connection: Connection) -> None:
    instants = [NOW + timedelta(milliseconds=n) for n in (0, 1, 999, 1000, 10_000_000)]
    for instant in reversed(instants):
        connection.execute(insert(person).values(created_at=instant))
    found = connection.execute(select(person.c.created_at).order_by(person.c.created_at))
    assert list(found.scalars()) == instants


def test_the_databases_clock_is_now_and_runs(connection: Connection) -> None:
    one = database_time(connection)
    assert abs(one - datetime.now(UTC)) < timedelta(seconds=5)  # noqa: TID251
    assert database_time(connection) >= one


# -- by collection ---------------------------------------------------------------------------------


def test_persons_are_made_in_bulk_in_the_order_of_their_numbers(connection: Connection) -> None:
    made = bulk.make_persons(connection, range(1, 1201))
    assert len(set(made.values())) == 1200
    assert bulk.persons(connection) == made
    assert people.find(connection, FS, "77") == made[77]
    assert bulk.make_persons(connection, []) == {}


def collected(
    connection: Connection, kind: FactKind[Any], told: Facts, mirrored: Facts | None = None
) -> None:
    """Write facts as a collection tells them."""
    difference = fs_facts.compare(mirrored or {}, told)
    fs_facts.write(connection, kind, difference, may_remove=False)


def test_facts_are_read_as_they_were_written_in_bulk(connection: Connection, ola: int) -> None:
    for kind in KINDS:
        collected(connection, kind, {ola: kind.by_name(kind.of(TAUGHT))})
    assert teaching.read(connection, ola, ["25h"]) == TAUGHT
    for kind in KINDS:
        facts = {ola: kind.by_name(kind.of(TAUGHT))}
        assert fs_facts.of_semester(connection, kind, "25h") == facts
        assert fs_facts.of_persons(connection, kind, [ola], ["25h", "26v"]) == facts
        assert fs_facts.of_semester(connection, kind, "26v") == {}


def test_changed_facts_change_their_own_rows_only(connection: Connection, ola: int) -> None:
    kari = people.ensure(connection, FS, "2")
    for each in (ola, kari):
        teaching.write(connection, each, TAUGHT, ["25h"])
    changed = a_registration("IN2000", "I")
    role = replace(ROLE, role="SENSOR")
    told: dict[FactKind[Any], dict[Any, Any]] = {
        REGISTRATIONS: {changed.unit: changed},
        ROLES: {role.number: role},
    }
    for kind, facts in told.items():
        mirrored = fs_facts.of_semester(connection, kind, "25h")
        collected(connection, kind, {ola: facts}, mirrored)
    found = teaching.read(connection, ola, ["25h"])
    assert found.registrations == (TAUGHT.registrations[0], changed)
    assert found.roles == (role, TAUGHT.roles[1])
    assert teaching.read(connection, kari, ["25h"]) == TAUGHT


def test_nothing_in_bulk_is_nothing(connection: Connection) -> None:
    for kind in KINDS:
        collected(connection, kind, {})
        assert connection.execute(select(func.count()).select_from(kind.table)).scalar() == 0


def test_a_collection_removes_nothing_and_a_single_answer_does(
    connection: Connection, ola: int
) -> None:
    teaching.write(connection, ola, TAUGHT, ["25h"])
    for kind in KINDS:
        mirrored = fs_facts.of_semester(connection, kind, "25h")
        lacking = fs_facts.compare(mirrored, {}).lacking
        assert {fact for _, fact in lacking} == set(kind.of(TAUGHT))
        collected(connection, kind, {}, mirrored)
    assert teaching.read(connection, ola, ["25h"]) == TAUGHT
    teaching.write(connection, ola, NOTHING, ["25h"])
    assert teaching.read(connection, ola, ["25h"]) == NOTHING


def test_what_a_single_answer_wrote_meanwhile_stands_against_a_collection(
    connection: Connection, ola: int
) -> None:
    """The collection was compared with the mirror before the single answer came."""
    before = replace(NOTHING, registrations=(a_registration("IN1000", "V"),))
    teaching.write(connection, ola, before, ["25h"])
    mirrored = fs_facts.of_semester(connection, REGISTRATIONS, "25h")
    old = [a_registration("IN1000", "X"), a_registration("IN2000", "X")]
    after = replace(NOTHING, registrations=(a_registration("IN2000", "I"),))
    teaching.write(connection, ola, after, ["25h"])
    collected(connection, REGISTRATIONS, {ola: REGISTRATIONS.by_name(old)}, mirrored)
    assert teaching.read(connection, ola, ["25h"]) == after


def test_a_role_that_moved_to_another_semester_is_there_alone(
    connection: Connection, ola: int
) -> None:
    """Its number names it, in whichever semester it was."""
    teaching.write(connection, ola, replace(NOTHING, roles=(ROLE,)), ["25h"])
    moved = replace(NOTHING, roles=(replace(ROLE, unit=UNIT._replace(semester="26v")),))
    teaching.write(connection, ola, moved, ["26v"])
    assert teaching.read(connection, ola, ["26v"]) == moved
    assert teaching.read(connection, ola, ["25h"]) == NOTHING


def test_accounts_are_read_as_fs_ordered_them(connection: Connection, ola: int) -> None:
    mail = (("PRIVAT", "z@hjemme.no"), ("INSTITUSJON", "a@uio.no"))
    people.save_accounts(connection, [(ola, Account(fs_number=1, username="ola", mail=mail))], {})
    tp_only = people.ensure(connection, USERNAME, "kari")
    assert bulk.accounts(connection) == {
        ola: (frozenset({"ola"}), mail),
        tp_only: (frozenset({"kari"}), ()),
    }


def test_who_takes_something_and_has_no_calendar_is_found(connection: Connection, ola: int) -> None:
    people.ensure(connection, FS, "2")
    teaching.write(connection, ola, TAUGHT, ["25h"])
    assert bulk.without_calendar(connection) == {ola}
