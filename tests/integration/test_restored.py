"""Restores as operators do them, with PostgreSQL's own tools: who may go on, and who is refused."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url

from kalender.errors import StateInDoubt
from kalender.reconcile.memory import Memory
from kalender.store import migrations, own_database, recovery
from kalender.store.database import Database
from tests import databases, servers
from tests.fault.test_databases import control
from tests.pgbouncer import pgbouncer

pytestmark = pytest.mark.integration


@pytest.fixture
def url(postgresql_url: str) -> str:
    """A PostgreSQL database of one's own, made by `db upgrade`."""
    upgrade(postgresql_url)
    return postgresql_url


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where a machine's workers remember the database."""
    Memory(tmp_path / "state").prepare()
    return tmp_path / "state"


def upgrade(url: str) -> None:
    with closing(Database(url)) as database:
        migrations.upgrade(database)


def work(url: str, state: Path | None) -> None:
    """Begin a worker, write ahead of a request, and end as a killed one does."""
    with closing(Database(url)) as database:
        memory = Memory(state)
        memory.verify(database)
        with database.read() as connection:
            recovery.require_sure(connection)
        with memory.writing(database):
            pass
        memory.close()


def vouch(url: str) -> None:
    """Say `recover`."""
    with closing(Database(url)) as database, database.write() as connection:
        recovery.recover(connection, lease=timedelta())
        recovery.attest(connection, "1")


def refused(url: str, state: Path | None) -> None:
    """Begin a worker, and be refused with the remedy."""
    with pytest.raises(StateInDoubt, match="kalender recover --since"):
        work(url, state)


def test_restored_in_place_with_every_process_started_anew(
    url: str, state: Path, tmp_path: Path
) -> None:
    work(url, state)
    backup = databases.dump(url, tmp_path / "backup")
    work(url, state)
    databases.restore_in_place(url, backup)
    refused(url, state)
    upgrade(url)  # disarms nothing
    refused(url, state)
    vouch(url)
    work(url, state)


def test_restored_into_another_database_on_a_machine_that_never_ran_a_worker(
    url: str, tmp_path: Path
) -> None:
    work(url, None)
    backup = databases.dump(url, tmp_path / "backup")
    databases.restore_anew(url, backup)
    refused(url, tmp_path / "never")
    upgrade(url)
    refused(url, None)
    vouch(url)
    work(url, None)


def test_another_database_of_the_same_name_after_a_rename(url: str, tmp_path: Path) -> None:
    work(url, None)
    name = make_url(url).database
    databases.run(url, f'ALTER DATABASE "{name}" RENAME TO "{name}old"')
    databases.run(url, f'CREATE DATABASE "{name}" TEMPLATE "{name}old"')
    try:
        refused(url, None)
    finally:
        databases.run(url, f'DROP DATABASE "{name}old"')
    databases.run(url, f'DROP DATABASE "{name}" WITH (FORCE)')
    databases.run(url, f'CREATE DATABASE "{name}"')


def test_renamed_and_named_back_it_is_the_same(url: str) -> None:
    work(url, None)
    name = make_url(url).database
    databases.run(url, f'ALTER DATABASE "{name}" RENAME TO "{name}old"')
    databases.run(url, f'ALTER DATABASE "{name}old" RENAME TO "{name}"')
    work(url, None)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, Callable[[Callable[[], None]], None]]]:
    """A cluster of its own, and what happens between the copy of its files and their return."""
    with servers.postgresql(durable=True) as given:
        url = given[servers.DATABASE]
        upgrade(url)
        with closing(Database(url)) as database, database.read() as connection:
            data = Path(str(connection.exec_driver_sql("SHOW data_directory").scalar_one()))
        standby = tmp_path / "standby"

        def fail_over(lag: Callable[[], None]) -> None:
            """Let a standby take over that has not seen what `lag` does."""
            control(data, "stop")
            shutil.copytree(data, standby, copy_function=shutil.copy2)
            control(data, "restart")
            lag()
            control(data, "stop")
            for old in data.iterdir():
                shutil.rmtree(old) if old.is_dir() else old.unlink()
            shutil.copytree(standby, data, dirs_exist_ok=True)
            for path in (data, *data.rglob("*")):
                shutil.chown(path, "postgres", "postgres")
            control(data, "restart")

        try:
            yield url, fail_over
        finally:
            control(data, "stop")


def test_a_standby_that_lost_nothing_goes_on_by_itself(
    cluster: tuple[str, Callable[[Callable[[], None]], None]], state: Path
) -> None:
    url, fail_over = cluster
    work(url, state)
    fail_over(lambda: None)
    work(url, state)


def test_a_standby_that_lagged_is_refused(
    cluster: tuple[str, Callable[[Callable[[], None]], None]], state: Path
) -> None:
    url, fail_over = cluster
    work(url, state)
    fail_over(lambda: work(url, state))
    refused(url, state)


def test_behind_pgbouncer_a_restore_is_known_and_nothing_else_is_refused(
    url: str, state: Path, tmp_path: Path
) -> None:
    with pgbouncer(url, size=2) as bounced:
        for _ in range(3):
            work(bounced, state)
        backup = databases.dump(url, tmp_path / "backup")
        work(bounced, state)
        databases.restore_in_place(url, backup)
        refused(bounced, state)


def test_a_role_that_may_not_ask_for_the_cluster_knows_the_database_all_the_same(
    url: str, tmp_path: Path
) -> None:
    name = make_url(url).database or ""
    role = f"role_{name}"
    databases.run(url, f'CREATE ROLE "{role}" LOGIN')
    limited = make_url(url).set(username=role).render_as_string(hide_password=False)

    def restrict() -> None:
        grants = f'GRANT ALL ON ALL TABLES IN SCHEMA public TO "{role}"'
        for statement in ("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC", grants):
            databases.run(url, statement, database=name)

    try:
        restrict()
        with closing(Database(limited)) as database, database.read() as connection:
            assert own_database.of_this_database(connection).cluster is None
        work(limited, None)
        backup = databases.dump(url, tmp_path / "backup")
        databases.restore_anew(url, backup)
        restrict()
        refused(limited, None)
    finally:
        databases.run(url, f'DROP OWNED BY "{role}"', database=name)
        databases.run(url, f'DROP ROLE "{role}"')


def test_an_sqlite_file_that_is_replaced_under_a_worker_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kalender.db"
    url = f"sqlite:///{path}"
    upgrade(url)
    memory = Memory()
    with closing(Database(url)) as database:
        with memory.writing(database):
            pass
        shutil.copy(path, tmp_path / "backup.db")
        for left in tmp_path.glob("kalender.db-*"):
            shutil.copy(left, tmp_path / left.name.replace("kalender", "backup"))
        (tmp_path / "backup.db").replace(path)
        with (
            pytest.raises(StateInDoubt, match="another database"),
            memory.writing(database),
        ):
            pass
