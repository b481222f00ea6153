"""What all tests share: servers, empty and migrated databases, quiet logs, Hypothesis' profiles."""

import gc
import logging
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import make_url

from kalender.store.database import Database
from tests import servers, statements
from tests.databases import Lent, cloned, migrate_to_copy
from tests.order import dealt

settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=50,
    stateful_step_count=25,
)
settings.register_profile(
    "chaos", settings.get_profile("default"), max_examples=500, stateful_step_count=30
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
statements.share()
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))

TESTS = Path(__file__).parent


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without looking for garbage, and never look through what was collected.

    Modules and tests stay to the end, and to go through them time and again took half of the
    processor time of a collection.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let each worker begin with its share of the longest tests."""

    def name(item: pytest.Item) -> str:
        return item.path.relative_to(TESTS).as_posix() if TESTS in item.path.parents else ""

    items[:] = dealt(items, name, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))


@pytest.fixture(scope="session")
def running() -> Iterator[dict[str, str]]:
    """The servers' variables: those of `python -m tests.servers`, or started here; never skipped."""
    with ExitStack() as stack:
        try:
            found = stack.enter_context(servers.servers())
        except servers.NoServerError as error:
            pytest.fail(str(error), pytrace=False)
        yield found


@pytest.fixture(scope="session")
def amqp_url(running: dict[str, str]) -> str:
    """A RabbitMQ without TLS."""
    return running[servers.AMQP]


@pytest.fixture(scope="session")
def amqps(running: dict[str, str]) -> tuple[str, Path]:
    """A RabbitMQ with TLS, and the CA that signed its certificate for mq.test.example."""
    if servers.AMQPS not in running:
        pytest.fail("KALENDER_TEST_AMQP_URL without KALENDER_TEST_AMQPS_URL: TLS cannot be tested")
    return running[servers.AMQPS], Path(running[servers.CA_FILE])


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """An empty SQLite database."""
    return f"sqlite:///{tmp_path / 'kalender.db'}"


@pytest.fixture
def postgresql_url(running: dict[str, str]) -> Iterator[str]:
    """An empty PostgreSQL database."""
    with cloned(running[servers.DATABASE]) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """An empty database of each kind in turn."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(scope="session")
def migrated_template(running: dict[str, str]) -> Iterator[str]:
    """The name of a migrated PostgreSQL database, to be cloned."""
    with cloned(running[servers.DATABASE]) as url:
        migrate_to_copy(url)
        yield str(make_url(url).database)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied."""
    path = tmp_path_factory.mktemp("template") / "kalender.db"
    migrate_to_copy(f"sqlite:///{path}")
    return path


@pytest.fixture
def migrated_sqlite(sqlite_url: str, migrated_file: Path) -> str:
    """A migrated SQLite database of one's own."""
    Path(str(make_url(sqlite_url).database)).write_bytes(migrated_file.read_bytes())
    return sqlite_url


@pytest.fixture(scope="session")
def lent(running: dict[str, str], migrated_template: str) -> Iterator[Lent]:
    """Migrated PostgreSQL databases that tests have one after the other."""
    with closing(Lent(running[servers.DATABASE], migrated_template)) as databases:
        yield databases


@pytest.fixture
def migrated_postgresql(lent: Lent) -> Iterator[str]:
    """A migrated PostgreSQL database of one's own, without a row."""
    with lent.lend() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated_url(request: pytest.FixtureRequest) -> str:
    """A migrated database of each kind in turn."""
    return str(request.getfixturevalue(f"migrated_{request.param}"))


@pytest.fixture
def open_database(migrated_url: str) -> Iterator[Callable[[], Database]]:
    """Open the migrated database; all are closed afterwards."""
    opened: list[Database] = []

    def make() -> Database:
        opened.append(Database(migrated_url))
        return opened[-1]

    yield make
    for each in opened:
        each.close()
