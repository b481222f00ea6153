"""What the database's absence says to whoever is called at night."""

from pathlib import Path

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError

from kalender.errors import NeighbourUnavailable
from kalender.store import rollouts
from kalender.store.database import DEADLOCK, Database, counts_of
from tests import servers

pytestmark = pytest.mark.integration


def test_a_full_disk_is_said_and_the_rows_are_not(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/full.db")
    event.listen(
        database.engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 3").fetchall()
    )
    with database.write() as connection:
        connection.execute(text("CREATE TABLE names (name TEXT)"))
    with pytest.raises(NeighbourUnavailable) as caught, database.write() as connection:
        connection.execute(text("INSERT INTO names VALUES (:name)"), {"name": "Ola" * 5000})
    database.close()
    assert "database or disk is full" in str(caught.value)
    assert "Ola" not in str(caught.value)


def test_where_it_was_looked_for_is_said_and_the_password_is_not() -> None:
    port = servers.free_port()
    database = Database(f"postgresql+psycopg://kalender:hemmelig@127.0.0.1:{port}/kalender")
    with pytest.raises(NeighbourUnavailable) as caught:
        database.now()
    assert str(port) in str(caught.value)
    assert "hemmelig" not in str(caught.value)


RAISED = "DO $$ BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = '{state}'; END $$"


@pytest.mark.parametrize(
    "state",
    [
        pytest.param("25006", id="read-only"),
        pytest.param("25P03", id="idle in a transaction for too long"),
        pytest.param("25P04", id="a transaction for too long"),
        pytest.param("40001", id="a conflict with a standby's recovery"),
        pytest.param("53100", id="its disk is full"),
        pytest.param("55000", id="not while it recovers"),
        pytest.param("57P01", id="an administrator shuts it down"),
        pytest.param("57P02", id="it crashed"),
        pytest.param("57P03", id="it starts"),
        pytest.param("58030", id="its disk fails"),
        pytest.param("XX000", id="its own error"),
        pytest.param("XX001", id="damaged"),
    ],
)
def test_a_server_that_refuses_all_is_away_and_back_by_itself(
    migrated_postgresql: str, state: str
) -> None:
    database = Database(migrated_postgresql)
    with pytest.raises(NeighbourUnavailable) as caught, database.write() as connection:
        connection.execute(text(RAISED.format(state=state)))
    assert caught.value.neighbour == "database"
    assert f"the database is away (SQLSTATE {state}: refused)" in str(caught.value)
    with database.write() as connection:
        assert rollouts.listed(connection) == []
    database.close()


@pytest.mark.parametrize("state", ["22003", "23505"])
def test_what_is_wrong_with_one_statement_is_no_absence(
    migrated_postgresql: str, state: str
) -> None:
    database = Database(migrated_postgresql)
    with pytest.raises(DBAPIError), database.write() as connection:
        connection.execute(text(RAISED.format(state=state)))
    database.close()


@pytest.mark.parametrize("deadlocks", [0, 1, 2, 3])
def test_a_transaction_that_deadlocks_is_tried_three_times(
    migrated_postgresql: str, deadlocks: int
) -> None:
    """And what is counted in it is counted once."""
    database = Database(migrated_postgresql)
    trials = 0

    def work(connection: Connection) -> int:
        nonlocal trials
        trials += 1
        counts_of(connection).add("trials")
        if trials <= deadlocks:
            connection.execute(text(RAISED.format(state=DEADLOCK)))
        return trials

    if deadlocks < 3:
        assert database.transact(work) == deadlocks + 1
    else:
        with pytest.raises(NeighbourUnavailable) as caught:
            database.transact(work)
        assert "nothing of it was written" in str(caught.value)
    counted = {("trials", ""): 1} if deadlocks < 3 else {}
    assert (trials, database.counts.take()) == (min(deadlocks + 1, 3), counted)
    database.close()


def test_a_database_that_is_away_is_not_tried_again(migrated_postgresql: str) -> None:
    database = Database(migrated_postgresql)
    trials = 0

    def work(connection: Connection) -> None:
        nonlocal trials
        trials += 1
        connection.execute(text(RAISED.format(state="57P01")))

    with pytest.raises(NeighbourUnavailable):
        database.transact(work)
    assert trials == 1
    database.close()


def test_statements_are_not_compiled_whatever_ended_the_transaction_before(
    migrated_postgresql: str,
) -> None:
    database = Database(migrated_postgresql)
    with database.read() as connection:
        assert connection.execute(text("SHOW jit")).scalar() == "off"
    with pytest.raises(ZeroDivisionError), database.write():
        raise ZeroDivisionError
    with database.write() as connection:
        assert connection.execute(text("SHOW jit")).scalar() == "off"
    database.close()


def test_sessions_that_stay_read_only_are_given_up(migrated_postgresql: str) -> None:
    """As those to the server that was the first one before a failover."""
    database = Database(migrated_postgresql)
    with database.write() as connection:
        connection.execute(text("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY"))
    with pytest.raises(NeighbourUnavailable), database.write() as connection:
        connection.execute(text("DELETE FROM dirty"))
    with database.write() as connection:
        connection.execute(text("DELETE FROM dirty"))
    database.close()


def test_a_read_only_file_is_a_database_that_is_away(migrated_sqlite: str) -> None:
    database = Database(f"{migrated_sqlite}")
    event.listen(database.engine, "connect", lambda c, _: c.execute("PRAGMA query_only = ON"))
    with pytest.raises(NeighbourUnavailable) as caught, database.write() as connection:
        connection.execute(text("DELETE FROM dirty"))
    database.close()
    assert "readonly database" in str(caught.value)


def test_a_damaged_file_is_a_database_that_is_away(tmp_path: Path) -> None:
    path = tmp_path / "damaged.db"
    path.write_bytes(b"Ola" * 5000)
    database = Database(f"sqlite:///{path}")
    with pytest.raises(NeighbourUnavailable) as caught:
        database.now()
    database.close()
    assert "the database is away (file is not a database)" in str(caught.value)
