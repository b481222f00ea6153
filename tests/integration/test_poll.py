"""Where TP is polled: one worker asks, what changed is marked, and no answer is no loss."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import text

from kalender.errors import NeighbourUnavailable
from kalender.store.database import Database
from kalender.worker.context import WorkerContext
from kalender.worker.periodic import poll
from tests.fakes.house import House, crew_of, event

EVERY = timedelta(seconds=60)


@pytest.fixture
def worker_context(open_database: Callable[[], Database]) -> WorkerContext:
    """A worker's context, on a house with one course."""
    house = House(open_database())
    house.teach(event(1))
    house.settle()
    return crew_of(house, poll_every=EVERY)


def marked(worker_context: WorkerContext) -> list[str]:
    """The courses that are marked."""
    with worker_context.database.read() as connection:
        return list(
            connection.execute(text("SELECT key FROM dirty WHERE kind = 'course'")).scalars()
        )


def a_while_later(worker_context: WorkerContext) -> None:
    """Let the last poll be long ago."""
    with worker_context.database.write() as connection:
        connection.execute(text("UPDATE source_reading SET read_at = '2025-01-01 00:00:00.000'"))


@pytest.mark.integration
def test_a_changed_course_is_marked_once_the_time_has_come(worker_context: WorkerContext) -> None:
    poll(worker_context, EVERY)
    assert marked(worker_context) == []  # the first only notes the time
    poll(worker_context, EVERY)
    assert marked(worker_context) == []  # too early, for any worker
    a_while_later(worker_context)
    poll(worker_context, EVERY)
    assert marked(worker_context) == ["IN1000 25h"]


@pytest.mark.integration
def test_a_poll_that_fails_is_made_up_for(
    worker_context: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    poll(worker_context, EVERY)
    a_while_later(worker_context)

    def fails(_instant: object) -> None:
        raise NeighbourUnavailable("tp", "HTTP 503")

    monkeypatch.setattr(worker_context.refresh_context.timetables, "changed_since", fails)
    with pytest.raises(NeighbourUnavailable):
        poll(worker_context, EVERY)
    poll(worker_context, EVERY)  # too early: a TP that fails is not asked every second
    monkeypatch.undo()
    a_while_later(worker_context)
    poll(worker_context, EVERY)
    assert marked(worker_context) == ["IN1000 25h"]
