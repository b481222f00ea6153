"""A PostgreSQL that goes away in the middle of batches, and one behind PgBouncer."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from kalender.domain.work import Kind
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store import migrations
from kalender.store.database import Database
from kalender.worker.supervisor import end_well
from tests import servers
from tests.fakes.proxy import Proxy, proxied
from tests.fault.installation import Installation, wait
from tests.pgbouncer import pgbouncer
from tests.served import start

pytestmark = pytest.mark.integration
STRIKES = 4
SHARED = 3  # connections that all workers have between them
PAUSE = threading.Event()


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A university of a few people, whose Exchange takes its time."""
    directory = tmp_path / "university"
    generate(directory, students=50)
    with start(directory) as running:
        yield running


def with_port(url: str, port: int) -> str:
    return make_url(url).set(port=port).render_as_string(hide_password=False)


def filled_through(house: Installation, direct: Installation, strike: Callable[[], object]) -> None:
    """Fill every calendar while the database is struck, each time in the middle of batches."""
    direct.mirror()
    direct.mark(Kind.CALENDAR)
    direct.send("PUT", "latency", {"exchange": 0.3})
    with house.working(2):
        for _ in range(STRIKES):  # and each time the same workers come back
            wait(lambda: bool(direct.rows(UNDER_WAY)), why=direct.waiting, longest_pause=0.05)
            strike()
            assert direct.rows("SELECT 1 FROM dirty")
            lapse(direct)
    direct.send("PUT", "latency", {"exchange": 0})
    lapse(direct)
    direct.work(2)
    direct.assert_right()


def lapse(house: Installation) -> None:
    """Let the time pass that claims, trials of credentials and what is tried again would take."""
    house.write(
        lambda connection: _set_all(connection, "dirty", "claimed_until = clock_timestamp()")
    )
    house.write(lambda connection: _set_all(connection, "neighbour", "trial_until = NULL"))
    house.hurry()


def _set_all(connection: Connection, table: str, change: str) -> None:
    """Change all rows, with nobody between: workers lock them in another order than this would."""
    connection.execute(text(f"LOCK TABLE {table} IN EXCLUSIVE MODE"))
    connection.execute(text(f"UPDATE {table} SET {change}"))  # noqa: S608


UNDER_WAY = (
    "SELECT 1 FROM entry WHERE status = 'intended'"
    " AND written_at > clock_timestamp() - interval '0.2 seconds' LIMIT 1"
)


def test_connections_that_break_in_the_middle_of_batches_do_no_harm(
    tmp_path: Path, sandbox: Running, migrated_postgresql: str
) -> None:
    """As when a standby takes over: all connections break, and nobody answers for a moment."""
    direct = Installation(tmp_path, sandbox, migrated_postgresql)
    with proxied(make_url(migrated_postgresql).port or 0) as proxy:
        house = replace(direct, url=with_port(migrated_postgresql, proxy.port))
        filled_through(house, direct, lambda: _fail_over(proxy))


def _fail_over(proxy: Proxy) -> None:
    proxy.refusing = True
    proxy.cut()
    PAUSE.wait(0.5)
    proxy.refusing = False


def test_a_server_that_ends_our_transactions_does_no_harm(
    tmp_path: Path, sandbox: Running, migrated_postgresql: str
) -> None:
    house = Installation(tmp_path, sandbox, migrated_postgresql)
    filled_through(house, house, lambda: house.rows(ENDED))


ENDED = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


def test_a_worker_whose_connections_broke_while_it_was_idle_gives_its_turns_back(
    tmp_path: Path, sandbox: Running, migrated_postgresql: str
) -> None:
    house = Installation(tmp_path, sandbox, migrated_postgresql)
    worker_context = house.app().worker_context()
    worker_context.heartbeat.beat(worker_context.database)
    with worker_context.database.write() as connection:
        worker_context.limiters.look(connection)
    assert house.rows("SELECT 1 FROM neighbour WHERE leases NOT IN ('', '{}')")
    house.rows(ENDED)
    end_well(worker_context)
    assert not house.rows("SELECT 1 FROM neighbour WHERE leases NOT IN ('', '{}')")
    assert house.rows("SELECT 1 FROM heartbeat WHERE stopped_at IS NOT NULL")
    worker_context.database.close()


def test_a_server_that_crashes_and_comes_back_does_no_harm(
    tmp_path: Path, sandbox: Running
) -> None:
    """What it said was committed must be: with synchronous_commit off this cannot hold."""
    with servers.postgresql(durable=True) as found:
        url = found[servers.DATABASE]
        migrate(url)
        house = Installation(tmp_path, sandbox, url)
        ((data,),) = house.rows("SHOW data_directory")
        try:
            filled_through(house, house, lambda: control(Path(data), "restart"))
        finally:
            control(Path(data), "stop")


def migrate(url: str) -> None:
    database = Database(url)
    migrations.upgrade(database)
    database.close()


def control(data: Path, act: str) -> None:
    """Crash a server of ours, or start it anew as it was started before."""
    program = max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    words = [program, act, "-w", "-m", "immediate", "-D", data, "-l", data.parent / "again.log"]
    subprocess.run(
        [*servers._as("postgres"), *map(str, words)],
        check=act == "restart",
        stdout=subprocess.DEVNULL,
        cwd="/",
    )


# -- PgBouncer ----------------------------------------------------------------------------------------


@pytest.fixture
def bounced(postgresql_url: str) -> Iterator[str]:
    """A database without tables behind a PgBouncer in transaction mode; never skipped."""
    try:
        with pgbouncer(postgresql_url, size=SHARED) as url:
            yield url
    except servers.NoServerError as error:
        pytest.fail(str(error), pytrace=False)


def test_pgbouncer_in_transaction_mode_does_no_harm(
    tmp_path: Path, sandbox: Running, bounced: str, postgresql_url: str
) -> None:
    """Sixteen hands on three connections: nothing is expected of the session that had it before."""
    migrate(bounced)
    house = Installation(tmp_path, sandbox, bounced)
    house.mirror()
    house.mark(Kind.CALENDAR)
    with house.working(4):
        wait(lambda: not house.rows("SELECT 1 FROM dirty"), why=house.waiting)
        of_us = "datname = current_database() AND pid <> pg_backend_pid()"
        clients = f"FROM pg_stat_activity WHERE backend_type = 'client backend' AND {of_us}"
        ((sessions,),) = replace(house, url=postgresql_url).rows(f"SELECT count(*) {clients}")
        assert 0 < sessions <= SHARED
    house.assert_right()
    less_teaching(house)
    house.work(4)
    ((deleted,),) = house.rows("SELECT count(*) FROM change_log WHERE operation = 'delete'")
    ((live,),) = house.rows("SELECT count(*) FROM entry WHERE status = 'live'")
    shown = [item for items in house.get("exchange/all").values() for item in items]
    ours = [each for each in shown if each["sync_key"] and each["folder"] == "calendar"]
    assert (live, deleted > 0) == (len(ours), True)


def less_teaching(house: Installation) -> None:
    """A fifth of each course's events goes: the brake counts, one transaction at a time."""
    courses = house.rows("SELECT course FROM course_run WHERE semester = '25h'")
    for (course,) in courses:
        answer = house.get(f"tp/{course}")
        answer["events"] = [e for n, e in enumerate(answer["events"]) if n % 5]
        house.send("PUT", f"tp/{course}", answer)
    house.mark(Kind.COURSE)
