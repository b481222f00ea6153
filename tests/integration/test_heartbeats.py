"""That a worker lives, and that its database is still the one it knows."""

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import pytest
from sqlalchemy import select, update

from kalender.store.database import Database
from kalender.store.heartbeats import Heartbeat
from kalender.store.sql import db_now
from kalender.store.tables import heartbeat
from tests.fakes.house import House

pytestmark = pytest.mark.integration


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def test_a_process_that_lives_says_so(house: House) -> None:
    pulse = Heartbeat(worker="w")
    for _ in range(2):
        pulse.beat(house.database)
    with house.database.write() as connection:
        (row,) = connection.execute(select(heartbeat)).all()
        assert (row.kind, row.stopped_at) == ("worker", None)
        pulse.stop(connection)
        (row,) = connection.execute(select(heartbeat)).all()
        assert row.stopped_at is not None
        connection.execute(update(heartbeat).values(seen_at=db_now(-8 * 86_400.0)))
        Heartbeat(worker="other").stop(connection)
        assert connection.execute(select(heartbeat)).all() == []


ENDS = """
import sys, threading, time
from pathlib import Path
from kalender.worker import supervisor

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
supervisor.supervise(make, stop, processes=1)
"""


def test_a_process_that_ends_without_being_told_to_is_started_anew(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    done = run(
        [sys.executable, "-c", ENDS, str(begun)], capture_output=True, check=True, timeout=60
    )
    assert set(begun.read_text()) == {"x"}, "started after the stop"
    assert len(begun.read_text()) >= 3
    assert b"worker_died" in done.stdout + done.stderr
