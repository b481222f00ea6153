"""That a worker lives, and that its database is still the one it knows."""

import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import run

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.event import listens_for, remove

from kalender import worker
from kalender.errors import StateInDoubt
from kalender.store import recovery
from kalender.store.database import Database
from kalender.store.heartbeats import Pulse
from kalender.store.tables import db_now, heartbeat
from tests.fakes.house import House, crew_of, event

pytestmark = pytest.mark.integration


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def test_a_process_that_lives_says_so(house: House) -> None:
    pulse = Pulse(worker="w")
    for _ in range(2):
        pulse.beat(house.database)
    with house.database.write() as connection:
        (row,) = connection.execute(select(heartbeat)).all()
        assert (row.kind, row.stopped_at) == ("worker", None)
        pulse.stop(connection)
        (row,) = connection.execute(select(heartbeat)).all()
        assert row.stopped_at is not None
        connection.execute(update(heartbeat).values(seen_at=db_now(-8 * 86_400.0)))
        Pulse(worker="other").stop(connection)
        assert connection.execute(select(heartbeat)).all() == []


def test_a_beat_while_another_thread_looks_is_no_doubt(house: House) -> None:
    """The answer is older than what the process knows when it arrives."""
    pulse = Pulse(worker="w")
    pulse.beat(house.database)

    @listens_for(house.database.engine, "after_cursor_execute")
    def beaten_meanwhile(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if "heartbeat" in statement and pulse.last is not None:
            pulse.last += timedelta(seconds=10)

    with house.database.write() as connection:
        pulse.check(connection)
    remove(house.database.engine, "after_cursor_execute", beaten_meanwhile)


ENDS = """
import sys, threading, time
from pathlib import Path
from kalender import worker

begun, stop = Path(sys.argv[1]), threading.Event()


def make():
    with begun.open("a") as file:
        file.write("!" if stop.is_set() else "x")
    sys.exit(0)


def watch():
    while len(begun.read_text()) < 3:
        time.sleep(0.05)
    stop.set()


begun.touch()
threading.Thread(target=watch, daemon=True).start()
worker.supervise(make, stop, processes=1)
"""


def test_a_process_that_ends_without_being_told_to_is_started_anew(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    done = run(
        [sys.executable, "-c", ENDS, str(begun)], capture_output=True, check=True, timeout=60
    )
    assert set(begun.read_text()) == {"x"}, "started after the stop"
    assert len(begun.read_text()) >= 3
    assert b"worker_died" in done.stdout + done.stderr


@pytest.mark.parametrize("lost", ["gone", "older"])
def test_a_database_put_back_while_a_worker_runs_is_written_to_by_nobody(
    house: House, lost: str
) -> None:
    house.teach(event(1))
    house.enrol(1)
    assert house.settle() == []
    crew, stop, raised = crew_of(house), threading.Event(), threading.Event()

    def work() -> None:
        with pytest.raises(StateInDoubt):
            worker.run(crew, stop)
        raised.set()

    thread = threading.Thread(target=work)
    thread.start()
    while crew.pulse.last is None:
        stop.wait(0.05)
    with house.database.write() as connection:
        older = update(heartbeat).values(seen_at=db_now(-60.0))
        connection.execute(delete(heartbeat) if lost == "gone" else older)
    house.teach(event(2))
    house.forget_requests()
    thread.join(30)
    assert raised.is_set()
    assert house.exchange.requests == []
    with house.database.read() as connection, pytest.raises(StateInDoubt):
        recovery.require_sure(connection)
