"""Neighbours that refuse, pause or are slow, over HTTP, as many workers at once meet them."""

import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from kalender.domain.work import Kind
from kalender.errors import NeighbourShut
from kalender.neighbours import breaker
from kalender.worker.thread import WorkerThread
from tests import servers
from tests.databases import cloned
from tests.fault import processes
from tests.fault.installation import NOW, Installation, wait
from tests.fewer_events import generate_with_fewer_events
from tests.served import start

pytestmark = pytest.mark.integration
SETTLED = threading.Event()
ANOTHER_EXCHANGE = """
[exchange.other]
endpoint = "http://127.0.0.1:9/EWS/Exchange.asmx"
username = "kalender"
password = "kalender"
"""


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few people."""
    directory = tmp_path_factory.mktemp("university") / "university"
    generate_with_fewer_events(directory, students=8, keep=1, of=3)
    return directory


@pytest.fixture(scope="module")
def mirrored_file(
    university: Path, migrated_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """An SQLite file that mirrors the university, to be copied; nobody was written to."""
    directory = tmp_path_factory.mktemp("mirrored")
    path = Path(shutil.copy(migrated_file, directory / "mirrored.db"))
    mirror(university, directory, f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def mirrored_template(
    university: Path,
    running: dict[str, str],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The name of a PostgreSQL database that mirrors it, to be cloned."""
    with cloned(running[servers.DATABASE], migrated_template) as url:
        mirror(university, tmp_path_factory.mktemp("mirrored"), url)
        yield str(make_url(url).database)


def mirror(university: Path, directory: Path, url: str) -> None:
    with start(university) as sandbox:
        Installation(directory, sandbox, url).mirror()


@pytest.fixture
def mirrored_sqlite(sqlite_url: str, mirrored_file: Path) -> str:
    shutil.copy(mirrored_file, str(make_url(sqlite_url).database))
    return sqlite_url


@pytest.fixture
def mirrored_postgresql(running: dict[str, str], mirrored_template: str) -> Iterator[str]:
    with cloned(running[servers.DATABASE], mirrored_template) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def mirrored(
    request: pytest.FixtureRequest, university: Path, tmp_path: Path
) -> Iterator[Installation]:
    """An installation on either database that mirrors its university; nobody was written to."""
    with start(university) as sandbox:
        url = str(request.getfixturevalue(f"mirrored_{request.param}"))
        yield Installation(tmp_path, sandbox, url)


@pytest.fixture
def installation(university: Path, tmp_path: Path, migrated_url: str) -> Iterator[Installation]:
    """An installation on either database, on a sandbox of its own."""
    with start(university) as sandbox:
        yield Installation(tmp_path, sandbox, migrated_url)


def let_pass(seconds: float) -> None:
    """Wait: what must not happen would have happened by then."""
    SETTLED.wait(seconds)


# -- credentials --------------------------------------------------------------------------------------

WRONG: list[tuple[str, str, Kind]] = [
    ("exchange", "exchange.main", Kind.CALENDAR),
    ("fs", "fs", Kind.PERSON),
    ("tp", "tp", Kind.COURSE),
]


@pytest.mark.parametrize(("server", "name", "kind"), WRONG, ids=[each[0] for each in WRONG])
def test_a_wrong_password_is_tried_three_times_by_all_workers_together(
    mirrored: Installation, server: str, name: str, kind: Kind
) -> None:
    """Four crews of four; then restarted; then after a resync; then with the right password."""
    house = mirrored
    house.write(lambda c: c.execute(text("UPDATE neighbour SET authorised_at = NULL")))
    assert house.mark(kind) > 10
    house.send("PUT", "auth", {server: "another"})
    house.send("DELETE", "requests")
    with house.working(4):
        wait(lambda: house.asked(server) == 2)
        let_pass(1.5)
        assert house.asked(server) == 2
        house.age(name, 61, refusals=2)
        wait(lambda: house.asked(server) == 3)
        house.age(name, 25 * 60, refusals=3)
    with house.working(4):
        let_pass(1.5)
    if server != "exchange":
        with pytest.raises(NeighbourShut):
            house.resync()
    assert house.asked(server) == 3
    assert_nobody_suffered(house, name)
    house.password = house.fs_key = house.tp_key = "another"
    house.send("PUT", "auth", dict.fromkeys(("exchange", "fs", "tp"), "another"))
    make_right(house)


def test_nobody_waits_for_an_ailing_neighbour_s_row_while_holding_another(
    installation: Installation,
) -> None:
    """Two workers that do, each for the other's, would deadlock."""
    house = installation
    worker_context = house.app().worker_context()
    with worker_context.database.write() as connection:
        worker_context.limiters.look(connection)
        breaker.failed(connection, "exchange.main", key="1", error="away")
    worker_context.limiters["tp"].invalidate(
        slots=True
    )  # whose row is locked, to prolong what we may use
    claims = threading.Thread(
        target=WorkerThread(worker_context, "w", threading.Event())._claim_work
    )
    with worker_context.database.write() as connection:
        breaker.lock(connection, "exchange.main")
        claims.start()
        let_pass(0.5)
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        breaker.lock(connection, "tp")
    claims.join()
    worker_context.database.close()


def make_right(house: Installation) -> None:
    house.mark(Kind.CALENDAR)
    house.work(2)
    house.assert_right()


def assert_nobody_suffered(house: Installation, name: str) -> None:
    """No attempt is counted, nothing is parked or held, and the operator is told."""
    work = house.rows("SELECT attempts, parked_at, claim_token FROM dirty WHERE last_error > ''")
    assert {tuple(row) for row in work} == {(0, None, None)}
    assert "refused 3 times" in house.neighbour(name).last_error


def test_one_refusal_under_load_is_not_a_wrong_password(mirrored: Installation) -> None:
    house = mirrored
    house.mark(Kind.CALENDAR)
    house.fault(neighbour="exchange", kind="status", status=401, after=5)
    house.work(2)
    house.assert_right()
    assert house.rows("SELECT 1 FROM neighbour WHERE paused_until IS NOT NULL") == []
    refusals = [each for each in house.get("requests") if each["status"] == 401]
    assert len(refusals) == 1


# -- pauses -------------------------------------------------------------------------------------------


def test_an_exchange_that_is_away_holds_up_no_other(mirrored: Installation) -> None:
    house = mirrored
    house.more = ANOTHER_EXCHANGE
    house.write(
        lambda c: c.execute(text("UPDATE calendar SET backend = 'other' WHERE calendar_id % 2 = 0"))
    )
    number = house.mark(Kind.CALENDAR)
    theirs = (
        "SELECT d.attempts, d.parked_at, c.backend FROM dirty d"
        " JOIN calendar c ON CAST(c.calendar_id AS text) = d.key"
    )
    with house.working(2):
        wait(lambda: all(row.backend == "other" for row in house.rows(theirs)))
        wait(lambda: house.neighbour("exchange.other").paused_until is not None)
    left = house.rows(theirs)
    assert len(left) > number / 3
    assert {(row.attempts, row.parked_at) for row in left} == {(0, None)}
    assert house.neighbour("exchange.main").paused_until is None
    assert house.neighbour("exchange.other").last_error.startswith("exchange.other: no connection")
    house.write(lambda c: c.execute(text("UPDATE calendar SET backend = 'main'")))
    house.hurry()
    house.work()
    house.assert_right()


def test_a_student_system_that_is_away_stops_neither_courses_nor_calendars(
    mirrored: Installation,
) -> None:
    house = mirrored
    persons = house.mark(Kind.PERSON)
    house.mark(Kind.COURSE)
    house.mark(Kind.CALENDAR)
    house.fault(neighbour="fs", kind="status", status=503, times=-1)
    with house.working(2):
        wait(lambda: not house.rows("SELECT 1 FROM dirty WHERE kind <> 'person'"))
        wait(lambda: house.neighbour("fs").paused_until is not None)
    left = house.rows("SELECT attempts, parked_at FROM dirty")
    assert [tuple(row) for row in left] == [(0, None)] * persons
    assert house.neighbour("fs").last_error == "fs personer: HTTP 503"
    house.send("DELETE", "faults")
    house.hurry()
    house.write(
        lambda c: c.execute(
            text("UPDATE neighbour SET paused_until = authorised_at WHERE name = 'fs'")
        )
    )
    house.work(2)
    house.assert_right()


# -- how many at once ---------------------------------------------------------------------------------


class Counting:
    """Forwards to a server and counts the requests that wait for the first byte of an answer."""

    def __init__(self, port: int) -> None:
        self.target, self.waiting, self.most, self.asked = port, 0, 0, 0
        self.lock = threading.Lock()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self.server.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                state = {"waits": False}
                for pair in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._pump, args=(*pair, state), daemon=True).start()

    def _pump(
        self, source: socket.socket, sink: socket.socket, asks: bool, state: dict[str, bool]
    ) -> None:
        with suppress(OSError), source:
            while piece := source.recv(65536):
                with self.lock:
                    if state["waits"] is not asks:
                        state["waits"] = asks
                        self.waiting += 1 if asks else -1
                        self.asked += asks
                        self.most = max(self.most, self.waiting)
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def counting(mirrored: Installation) -> Iterator[Counting]:
    """Count what goes to Exchange."""
    ends = urlsplit(mirrored.sandbox.endpoints.exchange)
    proxy = Counting(ends.port or 0)
    mirrored.endpoint = f"http://127.0.0.1:{proxy.port}{ends.path}"
    yield proxy
    proxy.server.close()


def test_all_workers_together_ask_no_more_at_once_than_they_may(
    mirrored: Installation, counting: Counting
) -> None:
    """Two processes of eight connections; settings that say so are refused on one machine."""
    house = mirrored
    house.connections = 3
    house.mark(Kind.CALENDAR)
    house.send("PUT", "latency", {"exchange": 0.3})
    house.max_connections = 3
    house.app()
    assert processes.work(house.directory / "config.toml", NOW, processes=2, connections=8) == 0
    house.assert_right()
    assert counting.asked > 20
    assert 1 < counting.most <= 3, counting.most


def test_who_may_ask_costs_the_database_nothing_for_a_request(installation: Installation) -> None:
    """Of what a fill asks of the database, nothing grows with the requests."""
    house = installation
    worker_context = house.app().worker_context()
    limiter = worker_context.limiters["exchange.main"]
    with limiter():
        pass
    statements = _statements(worker_context.database.engine)
    for _ in range(1000):
        with limiter():
            pass
    assert len(statements) <= 6
    worker_context.database.close()


def _statements(engine: object) -> list[str]:
    from sqlalchemy import event  # noqa: PLC0415

    seen: list[str] = []

    def note(*told: object) -> None:
        seen.append(str(told[2]))

    event.listen(engine, "before_cursor_execute", note)
    return seen


# -- what a server tells of when to come again --------------------------------------------------------

TOLD: list[tuple[dict[str, object], float, float]] = [
    ({"kind": "busy", "ms": 90_000}, 90, 91),
    ({"kind": "status", "status": 429, "retry_after": 120}, 120, 121),
    ({"kind": "status", "status": 503, "retry_after": 90}, 90, 91),
    ({"kind": "status", "status": 503, "retry_after": "Wed, 01 Jan 2098 00:00:00 GMT"}, 3599, 3601),
    ({"kind": "status", "status": 429, "retry_after": "soon"}, 4, 6),
]


@pytest.mark.parametrize(("fault", "least", "most"), TOLD, ids=lambda x: str(x)[:60])
def test_what_exchange_tells_of_when_to_come_again_is_told_of_one_calendar(
    mirrored: Installation,
    fault: dict[str, object],
    least: float,
    most: float,
) -> None:
    house = mirrored
    house.mark(Kind.CALENDAR)
    mailbox = house.rows("SELECT address FROM calendar ORDER BY calendar_id")[0].address
    house.fault(neighbour="exchange", mailbox=mailbox, times=-1, **fault)
    begun = monotonic()
    with house.working(1):
        wait(lambda: len(house.rows("SELECT 1 FROM dirty")) == 1)
    assert house.neighbour("exchange.main").paused_until is None
    is_sqlite = house.url.startswith("sqlite")
    query = "julianday(not_before) - julianday('now')" if is_sqlite else "not_before - now()"
    ((left,),) = house.rows(f"SELECT {query} FROM dirty")  # noqa: S608
    seconds = left * 86_400 if is_sqlite else left.total_seconds()
    assert least - (monotonic() - begun) < seconds < most
    house.send("DELETE", "faults")
    house.hurry()
    house.work()
    house.assert_right()
