"""A database that is put back, or another in its place, is recognised before anything is written."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert
from sqlalchemy.event import listens_for, remove

from kalender.errors import ConfigError, NeighbourUnavailable, StateInDoubt
from kalender.reconcile.memory import Memory
from kalender.store import own_database, recovery
from kalender.store.database import Database
from kalender.store.tables import metadata
from kalender.worker import supervisor
from tests.fakes.house import House, crew_of, event

pytestmark = pytest.mark.integration
Backup = dict[str, list[dict[str, object]]]


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database, which knows which database it is."""
    database = open_database()
    with database.write() as connection:
        own_database.record_first(connection)
    return House(database)


@pytest.fixture
def filled(house: House) -> House:
    """One with a calendar that was written to."""
    house.teach(event(1))
    house.enrol(1)
    assert house.settle() == []
    return house


def back_up(database: Database) -> Backup:
    """All rows of all tables, as a backup holds them."""
    with database.read() as connection:
        return {
            table.name: [dict(row) for row in connection.execute(table.select()).mappings()]
            for table in metadata.sorted_tables
        }


def put_back(database: Database, backup: Backup) -> None:
    """Restore in place: the database stays the same, its rows are the earlier ones.

    A worker at work locks rows in another order than this: where that ends in a deadlock, again.
    """
    while True:
        try:
            _put_back(database, backup)
        except NeighbourUnavailable as error:
            if "deadlock" not in str(error):
                raise
        else:
            return


def _put_back(database: Database, backup: Backup) -> None:
    with database.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(delete(table))
        for table in metadata.sorted_tables:
            if backup[table.name]:
                connection.execute(insert(table), backup[table.name])


def writes(memory: Memory, database: Database) -> None:
    """Write ahead of a request that is never sent."""
    with memory.writing(database):
        pass


# -- one process -------------------------------------------------------------------------------------


def test_a_worker_on_a_database_put_back_writes_to_no_calendar(filled: House) -> None:
    worker_context, stop, raised = crew_of(filled), threading.Event(), threading.Event()
    backup = back_up(filled.database)

    def work() -> None:
        with pytest.raises(StateInDoubt, match="recover --since"):
            supervisor.run(worker_context, stop)
        raised.set()

    filled.teach(event(1), event(2))
    thread = threading.Thread(target=work)
    thread.start()
    while not worker_context.reconcile_context.memory.rows or len(filled.shown(1)) < 2:
        stop.wait(0.05)
    put_back(filled.database, backup)
    filled.forget_requests()
    filled.teach(event(1), event(2), event(3))
    thread.join(30)
    assert raised.is_set()
    assert filled.exchange.requests == []
    with filled.database.read() as connection, pytest.raises(StateInDoubt, match="put back"):
        recovery.require_sure(connection)


def test_who_doubted_before_a_recovery_refuses_nothing_after_it(filled: House) -> None:
    """A worker ends after the last of its hands; an operator need not wait for that."""
    worker_context, backup = crew_of(filled), back_up(filled.database)
    memory = worker_context.reconcile_context.memory
    writes(memory, filled.database)
    put_back(filled.database, backup)
    with pytest.raises(StateInDoubt, match="put back"):
        writes(memory, filled.database)
    with filled.database.write() as connection:
        recovery.recover(connection, lease=timedelta())
    supervisor.end_well(worker_context)
    with filled.database.read() as connection:
        assert own_database.refusal(connection) is None


def test_a_commit_whose_answer_was_lost_is_no_doubt(house: House) -> None:
    memory = Memory()
    writes(memory, house.database)
    row = memory.rows[0]
    row.advanced -= 1  # as where the connection broke before the answer to the commit
    writes(memory, house.database)
    assert row.advanced == 2


def test_a_transaction_that_is_rolled_back_is_no_doubt(house: House) -> None:
    memory = Memory()
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), memory.writing(house.database):
            raise ZeroDivisionError
        writes(memory, house.database)
    assert [row.advanced for row in memory.rows] == [2]


def test_each_transaction_that_is_open_at_once_has_a_row_of_its_own(house: House) -> None:
    memory = Memory()
    first = memory._take(house.database)
    second = memory._take(house.database)
    assert first != second
    assert memory.rows[first].memory_id != memory.rows[second].memory_id


def test_whoever_ran_on_goes_on_once_somebody_vouched(house: House) -> None:
    memory = Memory()
    backup = back_up(house.database)
    writes(memory, house.database)
    put_back(house.database, backup)
    with pytest.raises(StateInDoubt):
        writes(memory, house.database)
    with house.database.write() as connection:
        recovery.attest(connection, "1")
    writes(memory, house.database)
    memory.verify(house.database)


def test_what_others_write_while_it_is_compared_is_no_doubt(house: House) -> None:
    """The answer of the database is older than what the process knows when it arrives."""
    memory = Memory()
    writes(memory, house.database)
    row = memory.rows[0]

    @listens_for(house.database.engine, "after_cursor_execute")
    def written_meanwhile(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "process_memory" in statement:
            row.advanced += 1

    memory.verify(house.database)
    remove(house.database.engine, "after_cursor_execute", written_meanwhile)
    assert row.advanced == 2


def test_a_doubt_that_the_first_thread_finds_is_recorded_as_well(filled: House) -> None:
    """A process that ended as if all were well would vouch for the database."""
    worker_context = crew_of(filled)
    backup = back_up(filled.database)
    writes(worker_context.reconcile_context.memory, filled.database)
    put_back(filled.database, backup)
    with pytest.raises(StateInDoubt):
        worker_context.reconcile_context.memory.verify(filled.database)
    supervisor.end_well(worker_context)
    with filled.database.read() as connection, pytest.raises(StateInDoubt, match="put back"):
        recovery.require_sure(connection)


# -- processes after it ------------------------------------------------------------------------------


def test_what_a_killed_process_remembered_is_known_to_the_next(
    house: House, tmp_path: Path
) -> None:
    backup = back_up(house.database)
    writes(Memory(tmp_path / "state"), prepared(house, tmp_path))  # never closed, as after a kill
    Memory(tmp_path / "state").verify(house.database)
    put_back(house.database, backup)
    with pytest.raises(StateInDoubt, match="earlier state"):
        Memory(tmp_path / "state").verify(house.database)
    with pytest.raises(StateInDoubt):
        writes(Memory(tmp_path / "state"), house.database)


def prepared(house: House, tmp_path: Path) -> Database:
    """Make the directory of a machine's memory."""
    Memory(tmp_path / "state").prepare()
    return house.database


def test_a_new_process_takes_the_place_of_one_that_is_gone(house: House, tmp_path: Path) -> None:
    database, state = prepared(house, tmp_path), tmp_path / "state"
    gone, alive = Memory(state), Memory(state)
    writes(gone, database)
    writes(alive, database)
    gone.close()
    writes(Memory(state), database)
    assert len(list(state.iterdir())) == 2
    backup = back_up(database)
    writes(alive, database)
    put_back(database, backup)
    with pytest.raises(StateInDoubt):  # what one that lives remembers counts for all
        Memory(state).verify(database)


def test_a_thread_that_writes_for_the_first_time_remembers_what_its_process_saw(
    house: House,
) -> None:
    memory, backup = Memory(), back_up(house.database)
    writes(memory, house.database)
    put_back(house.database, backup)
    memory._free.clear()  # another thread has that row at this moment
    with pytest.raises(StateInDoubt, match="put back"):
        writes(memory, house.database)


def test_a_recovery_settles_what_the_machine_remembered(house: House, tmp_path: Path) -> None:
    database, state = prepared(house, tmp_path), tmp_path / "state"
    backup = back_up(database)
    writes(Memory(state), database)
    put_back(database, backup)
    with database.write() as connection:
        recovery.recover(connection, lease=timedelta())
    writes(Memory(state), database)
    again = back_up(database)
    writes(Memory(state), database)
    put_back(database, again)
    with pytest.raises(StateInDoubt):
        Memory(state).verify(database)


def test_a_directory_that_cannot_be_written_to_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"\[worker\] state_dir .*file"):
        Memory(tmp_path / "file" / "state").prepare()


# -- another database --------------------------------------------------------------------------------


def test_a_refusal_is_recorded_and_all_others_stop(house: House) -> None:
    memory, other = Memory(), Memory()
    writes(other, house.database)
    with house.database.write() as connection:
        own_database.refuse(connection, "a machine remembers more: kalender recover --since TIME")
    for process in (memory, other):
        with pytest.raises(StateInDoubt, match="a machine remembers more"):
            writes(process, house.database)
    with house.database.write() as connection:
        recovery.attest(connection, "1")
    writes(other, house.database)


def test_the_identity_is_recorded_once_and_afterwards_by_recover_alone(house: House) -> None:
    with house.database.write() as connection:
        before = own_database.recorded(connection)
        assert before == own_database.of_this_database(connection)
        own_database.record_first(connection)
        assert own_database.recorded(connection) == before
        assert own_database.refusal(connection) is None
