import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, select, text, update

from kalender.errors import NeighbourUnavailable
from kalender.store import neighbours
from kalender.store.database import Database
from kalender.store.tables import db_now, heartbeat, neighbour


@pytest.fixture
def connection(open_database: Callable[[], Database]) -> Iterator[Connection]:
    with open_database().write() as connection:
        yield connection


def fail(connection: Connection, *keys: str, refused: bool = False, **fields: timedelta) -> None:
    for key in keys:
        neighbours.failed(connection, "tp", key=key, error="x", refused=refused, **fields)


def shut(connection: Connection) -> bool:
    return "tp" in neighbours.ailing(connection, ["tp", "fs"])[1]


def paused_for(connection: Connection) -> float:
    row = connection.execute(select(neighbour, db_now().label("now"))).one()
    return float((row.paused_until - row.now).total_seconds())


def pause_is_over(connection: Connection) -> None:
    connection.execute(update(neighbour).values(paused_until=db_now(-1.0)))


def test_who_never_failed_is_open(connection: Connection) -> None:
    assert neighbours.ailing(connection, ["tp", "fs"]) == (set(), set())


def test_several_keys_in_a_row_pause_it_and_one_key_does_not(connection: Connection) -> None:
    fail(connection, "a", "a", "a", "b")
    assert neighbours.ailing(connection, ["tp"]) == ({"tp"}, set())
    fail(connection, "c")
    assert neighbours.ailing(connection, ["tp"]) == ({"tp"}, {"tp"})


def test_an_answer_ends_it_all(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    neighbours.answered(connection, "tp")
    assert neighbours.ailing(connection, ["tp"]) == (set(), set())
    fail(connection, "d", "e")
    assert not shut(connection)


def test_a_pause_grows_to_a_minute(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    assert 5 < paused_for(connection) <= 8
    fail(connection, *"defgh")
    assert 55 < paused_for(connection) <= 60


def test_its_own_word_on_when_counts_at_once(connection: Connection) -> None:
    fail(connection, "a", retry_after=timedelta(seconds=90))
    assert shut(connection)
    assert 85 < paused_for(connection) <= 90


def test_after_a_pause_one_at_a_time_may_try(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    pause_is_over(connection)
    assert not shut(connection)
    assert shut(connection)
    fail(connection, "d")
    pause_is_over(connection)
    assert not shut(connection)
    connection.execute(update(neighbour).values(probe_until=db_now(-1.0)))
    assert not shut(connection)


def test_a_probe_that_found_nothing_to_do_makes_room(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    pause_is_over(connection)
    assert not shut(connection)
    neighbours.no_probe(connection, ["tp"])
    assert not shut(connection)


def test_three_refusals_in_half_an_hour_are_the_last(connection: Connection) -> None:
    for number in range(3):
        fail(connection, "a", refused=True)
        assert shut(connection)
        assert (paused_for(connection) > 25 * 60) == (number == 2)


def test_a_process_that_lives_says_so(connection: Connection) -> None:
    for _ in range(2):
        neighbours.beat(connection, "w", kind="worker", version="1", connections=4)
    (row,) = connection.execute(select(heartbeat)).all()
    assert row.stopped_at is None
    neighbours.stopped(connection, "w")
    (row,) = connection.execute(select(heartbeat)).all()
    assert row.stopped_at is not None
    connection.execute(update(heartbeat).values(seen_at=db_now(-8 * 86_400.0)))
    neighbours.stopped(connection, "other")
    assert connection.execute(select(heartbeat)).all() == []


# -- the database itself ---------------------------------------------------------------------------


def test_a_writing_transaction_begins_as_one_and_a_reading_one_does_not_wait(
    migrated_sqlite: str,
) -> None:
    database = Database(migrated_sqlite)
    other = sqlite3.connect(migrated_sqlite.removeprefix("sqlite:///"), timeout=0)
    with database.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with database.read():
        other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


def test_sqlite_keeps_a_log_ahead_and_knows_foreign_keys(migrated_sqlite: str) -> None:
    database = Database(migrated_sqlite)
    with database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()


def test_a_database_that_is_away_is_a_neighbour_that_is_away(sqlite_url: str) -> None:
    for url in (f"{sqlite_url}/no/such", "postgresql+psycopg://x:secret@127.0.0.1:1/x"):
        database = Database(url)
        with pytest.raises(NeighbourUnavailable) as caught:
            database.now()
        assert "secret" not in str(caught.value)
        assert caught.value.neighbour == "database"
        database.close()


def test_an_exception_rolls_back(open_database: Callable[[], Database]) -> None:
    database = open_database()

    def die() -> None:
        with database.write() as connection:
            neighbours.beat(connection, "w", kind="worker", version="1", connections=4)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die()
    with database.read() as connection:
        assert connection.execute(select(heartbeat)).all() == []
