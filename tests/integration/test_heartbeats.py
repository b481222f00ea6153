"""That a worker lives, and that its database is still the one it knows."""

import threading
from collections.abc import Callable

import pytest
from sqlalchemy import delete, select, update

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
