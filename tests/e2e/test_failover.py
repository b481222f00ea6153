"""Sessions that become read-only, as after a failover: no service ends, and all goes on by itself."""

import json
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import select, text

from kalender.sandbox.server import Running
from kalender.store import heartbeats
from kalender.store.database import Database, database_time
from kalender.store.tables import course_run
from tests import commands
from tests.e2e.conftest import NOW
from tests.e2e.house import House
from tests.fault.installation import wait

AWAY = "the database is away (SQLSTATE 25006: cannot execute"
pytestmark = [pytest.mark.e2e, pytest.mark.integration]
PERSON = "st000003"


@pytest.fixture
def sandbox(small_sandbox: Running) -> Running:
    """A sandbox of five people."""
    return small_sandbox


@pytest.fixture
def filled(tmp_path: Path, sandbox: Running, migrated_postgresql: str) -> House:
    """An installation on PostgreSQL whose calendars are right."""
    made = House(tmp_path, tmp_path, sandbox, migrated_postgresql, NOW, "epost:INSTITUSJON")
    made.config.write_text(made.config.read_text().replace("uio.example", "uni.example"))
    made.run("resync", "--all")
    made.run("worker", "--until-idle")
    return made


def let_write(house: House, *, may: bool) -> None:
    """Let the sessions to come write or not; those that are there stay as they are."""
    with closing(Database(house.database)) as database, database.read() as connection:
        connection.execute(text("SET default_transaction_read_only = off"))
        value = "off" if may else "on"
        name = database.engine.url.database
        connection.execute(
            text(f'ALTER DATABASE "{name}" SET default_transaction_read_only={value}')
        )


def end_sessions(house: House) -> None:
    with closing(Database(house.database)) as database, database.read() as connection:
        connection.execute(
            text(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


def alive(house: House) -> bool:
    """Whether a worker process lives: the listener's sign of life does not count."""
    with closing(Database(house.database)) as database, database.read() as connection:
        processes, _connections = heartbeats.alive(connection)
        return processes > 0


def lapse(house: House) -> datetime:
    """Let the time pass that claims take; return what time it is."""
    with closing(Database(house.database)) as database, database.write() as connection:
        connection.execute(text("LOCK TABLE dirty IN EXCLUSIVE MODE"))
        connection.execute(text("UPDATE dirty SET claimed_until = clock_timestamp()"))
        return database_time(connection)


def asked_at(house: House) -> datetime:
    """When TP was last asked for the course."""
    with closing(Database(house.database)) as database, database.read() as connection:
        query = select(course_run.c.asked_at).where(course_run.c.course == "BIO1000")
        found: datetime = max(filter(None, connection.execute(query).scalars()))
        return found


def tell(listener: commands.Process) -> None:
    """Notify of a course, as TP does."""
    body = {"sub": "course/BIO1000,25h,1", "iss": "TP-test"}
    line = {"routing_key": "no.uio.tp.TP-test.course.update", "body": body}
    assert listener.stdin is not None
    listener.stdin.write(json.dumps(line) + "\n")
    listener.stdin.flush()


def said(house: House, command: str) -> str:
    return (house.directory / f"{command}.log").read_text()


def ended_or_said(house: House, command: str, process: commands.Process) -> bool:
    """Whether a command ended, or told of a transaction that was read-only."""
    return process.poll() is not None or AWAY in said(house, command)


def test_sessions_that_become_read_only_are_a_database_that_is_away(filled: House) -> None:
    """And those that stayed read-only are given up, once others may write again."""
    with (
        filled.running("listener", "--stdin", stdin=True) as listener,
        filled.running("worker", "--processes", "1") as worker,
    ):
        tell(listener)
        wait(lambda: alive(filled) and '"batch"' in said(filled, "listener"), 90.0)
        let_write(filled, may=False)
        end_sessions(filled)
        tell(listener)
        for command, process in (("listener", listener), ("worker", worker)):
            wait(partial(ended_or_said, filled, command, process), 90.0)
            assert AWAY in said(filled, command)
        let_write(filled, may=True)
        since = lapse(filled)
        wait(lambda: asked_at(filled) > since, 90.0)
        wait(lambda: said(filled, "listener").count('"batch"') == 2, 90.0)
        assert (listener.poll(), worker.poll()) == (None, None)
    for command in ("listener", "worker"):
        for word in ("worker_died", "Traceback", '"unexpected"'):
            assert word not in said(filled, command)


def test_a_person_is_shown_while_nobody_may_write(filled: House) -> None:
    let_write(filled, may=False)
    try:
        assert "100003" in filled.run("show", PERSON)
    finally:
        let_write(filled, may=True)
