"""How one hand of a worker treats neighbours that are away, and a fill beside urgent work."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from threading import Event, Thread

import pytest
from sqlalchemy import select, text, update

from kalender.domain.model import CourseAnswer, CourseKey
from kalender.domain.work import Kind, Lane, Mark
from kalender.errors import (
    KalenderError,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    OutcomeUnknown,
)
from kalender.neighbours import breaker
from kalender.neighbours.limiter import Limiter
from kalender.store import queue
from kalender.store.database import Database
from kalender.store.sql import db_now
from kalender.store.tables import dirty, neighbour
from kalender.worker.context import WorkerContext
from kalender.worker.thread import WorkerThread
from tests.fakes.house import LEASE, House, gates_for
from tests.fakes.sources import FakeTimetables
from tests.fault.installation import wait


@dataclass
class Gated(FakeTimetables):
    """A TP asked through a limiter, as by the adapter."""

    limiter: Limiter | None = None
    takes: float = 0.0

    def course(self, key: CourseKey) -> CourseAnswer:
        assert self.limiter is not None
        with self.limiter():
            Event().wait(self.takes)
            return super().course(key)


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    return House(open_database(), timetables=Gated())


def a_hand(house: House) -> WorkerThread:
    limiters = gates_for(house.database)
    assert isinstance(house.timetables, Gated)
    house.timetables.limiter = limiters["tp"]
    worker_context = WorkerContext(
        database=house.database,
        refresh_context=house.refresh_context,
        reconcile_context=house.reconcile_context,
        limiters=limiters,
        connections=1,
        lease=LEASE,
        verify_every=timedelta(days=1),
        poll_every=None,
    )
    return WorkerThread(worker_context, "hand", Event())


def at_once(hand: WorkerThread) -> None:
    hand._do_all(hand._claim_work())


def pause(house: House) -> None:
    """Pause TP, so that it is time for a probe."""
    with house.database.write() as connection:
        for key in "abc":
            breaker.failed(connection, "tp", key=key, error="x")
        connection.execute(update(neighbour).values(paused_until=db_now(-1.0)))


def is_paused(house: House) -> bool:
    with house.database.read() as connection:
        row = connection.execute(select(neighbour).where(neighbour.c.name == "tp")).one()
    return row.paused_until is not None


@pytest.mark.parametrize("error", [NeighbourRefused, NeighbourUnauthorised, NeighbourUnavailable])
def test_whoever_is_refused_does_not_knock_again(
    house: House, error: type[NeighbourRefused]
) -> None:
    """Four courses in hand: one request; nothing is parked, counted or left claimed."""
    for number in range(4):
        house.mark(Kind.COURSE, f"IN{number} 25h")
    house.timetables.error = error("tp", "403")
    hand = a_hand(house)
    at_once(hand)
    assert len(house.timetables.asked) == 1
    with house.database.read() as connection:
        rows = connection.execute(select(dirty)).all()
    assert [(row.claim_token, row.attempts, row.parked_at) for row in rows] == [(None, 0, None)] * 4


def test_what_cannot_be_begun_within_a_third_of_the_lease_is_given_back(house: House) -> None:
    mark_courses(house, 3)
    hand = a_hand(house)
    hand.context = replace(hand.context, lease=timedelta(seconds=3))
    claims = hand._claim_work()
    assert claimed(house) == 3
    assert isinstance(house.timetables, Gated)
    house.timetables.takes = 1.1
    hand._do_all(claims)
    assert (len(house.timetables.asked), claimed(house)) == (1, 0)


def test_who_is_told_to_stop_gives_back_what_is_not_begun(house: House) -> None:
    mark_courses(house, 3)
    hand = a_hand(house)
    claims = hand._claim_work()
    hand.stop.set()
    hand._do_all(claims)
    assert (len(house.timetables.asked), claimed(house)) == (0, 0)


def test_every_eighth_claim_goes_to_the_oldest_work_of_all(house: House) -> None:
    house.mark(Kind.COURSE, "IN1 25h")
    with house.database.write() as connection:
        connection.execute(update(dirty).values(priority=int(Lane.VERIFY)))
    mark_courses(house, 30, first=2)
    hand = a_hand(house)
    hand.at_once = 1
    firsts = [hand._claim_work()[0].key for _ in range(8)]
    assert firsts.count("IN1 25h") == 1
    assert set(firsts) - {"IN1 25h"} <= {f"IN{n} 25h" for n in range(2, 9)}


def mark_courses(house: House, many: int, *, first: int = 0) -> list[CourseKey]:
    keys = [CourseKey(f"IN{number}", "25h") for number in range(first, first + many)]
    for key in keys:
        house.mark(Kind.COURSE, str(key))
    return keys


def claimed(house: House) -> int:
    with house.database.read() as connection:
        rows = connection.execute(select(dirty).where(dirty.c.claim_token.is_not(None))).all()
    return len(rows)


def test_the_probe_is_whoever_asks(house: House) -> None:
    """A hand that has no work for the neighbour leaves the first try to another."""
    pause(house)
    assert a_hand(house)._claim_work() == []
    house.mark(Kind.COURSE, "IN1000 25h")
    at_once(a_hand(house))
    assert len(house.timetables.asked) == 1
    assert not is_paused(house)


@pytest.mark.parametrize("course", ["EKSAMEN 25h", "IN1000 *", "IN1000 99v"])
def test_work_that_asks_nothing_lifts_no_pause_and_leaves_the_probe_to_others(
    house: House, course: str
) -> None:
    pause(house)
    house.mark(Kind.COURSE, course)
    at_once(a_hand(house))
    assert house.timetables.asked == []
    assert is_paused(house)
    with house.database.write() as connection:
        assert "tp" not in gates_for(house.database).look(connection)[1]


def test_a_probe_that_is_only_busy_leaves_the_next_try_to_others(house: House) -> None:
    pause(house)
    house.mark(Kind.COURSE, "IN1000 25h")
    house.timetables.error = NeighbourUnavailable("tp", "502")
    at_once(a_hand(house))
    assert is_paused(house)
    with house.database.write() as connection:
        connection.execute(update(neighbour).values(paused_until=db_now(-1.0)))
    with house.database.write() as connection:
        assert "tp" not in gates_for(house.database).look(connection)[1]


@pytest.mark.parametrize("kind", [Kind.COURSE, Kind.CALENDAR])
def test_a_transaction_that_failed_is_tried_again_soon(house: House, kind: Kind) -> None:
    row = end_badly(house, kind, NeighbourUnavailable("database", "deadlock"))
    assert row == (True, 0)


def test_a_calendar_in_doubt_waits_for_its_lease(house: House) -> None:
    """Its last request may still be worked on, and that could not be recorded."""
    error = NeighbourUnavailable("database", "away")
    error.__cause__ = RuntimeError()
    error.__cause__.__context__ = OutcomeUnknown("timed out")
    assert end_badly(house, Kind.CALENDAR, error) == (False, 0)


def test_a_hand_that_cannot_claim_for_a_reason_nobody_thought_of_goes_on(house: House) -> None:
    """As while a migration runs beneath it."""
    house.mark(Kind.COURSE, "IN1000 25h")
    hand = a_hand(house)
    works = Thread(target=hand.work)
    rename(house, "dirty", "elsewhere")
    works.start()
    works.join(0.5)
    rename(house, "elsewhere", "dirty")
    wait(lambda: not work_left(house))
    hand.stop.set()
    works.join()
    assert len(house.timetables.asked) == 1


def rename(house: House, table: str, name: str) -> None:
    with house.database.write() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))


def work_left(house: House) -> list[object]:
    with house.database.read() as connection:
        return list(connection.execute(select(dirty)))


def end_badly(house: House, kind: Kind, error: KalenderError) -> tuple[bool, int]:
    """Let a piece of work end so; return whether it was given back, and its attempts."""
    house.mark(kind, "IN1000 25h" if kind is Kind.COURSE else "1")
    hand = a_hand(house)
    (claim,) = hand._claim_work()
    hand.outcomes.handle_failure(claim, error)
    with house.database.read() as connection:
        (row,) = connection.execute(select(dirty)).all()
    return row.claim_token is None, row.attempts


# -- answers that cannot be read as a whole -------------------------------------------------------------


def work(house: House) -> list[tuple[str, bool, int]]:
    """Return what waits: key, whether it is laid aside, how often it was tried."""
    with house.database.read() as connection:
        rows = connection.execute(select(dirty).order_by(dirty.c.key)).all()
    return [(row.key, row.parked_at is not None, row.attempts) for row in rows]


def test_an_answer_that_cannot_be_read_as_a_whole_is_asked_for_again(house: House) -> None:
    (key,) = mark_courses(house, 1)
    house.timetables.broken.add(key)
    hand = a_hand(house)
    for attempts in (1, 2, 3):
        at_once(hand)
        assert work(house) == [(str(key), False, attempts)]
        house.later(20 * 60)
    assert len(house.timetables.asked) == 3
    house.timetables.broken.clear()
    at_once(hand)
    assert work(house) == []


def test_a_neighbour_none_of_whose_answers_can_be_read_is_paused_for_all(house: House) -> None:
    keys = mark_courses(house, 4)
    house.timetables.broken.update(keys)
    hand = a_hand(house)
    for _ in keys:
        at_once(hand)
    assert is_paused(house)
    assert len(house.timetables.asked) == 3
    assert not any(parked for _, parked, _ in work(house))
    with house.database.read() as connection:
        row = connection.execute(select(neighbour).where(neighbour.c.name == "tp")).one()
    assert row.last_error == "tp: no course"


def test_one_course_that_is_never_answered_readably_is_the_trouble_of_nobody_else(
    house: House,
) -> None:
    (key,) = mark_courses(house, 1)
    house.timetables.broken.add(key)
    hand = a_hand(house)
    for _ in range(6):
        at_once(hand)
        house.later(20 * 60)
        mark_courses(house, 1, first=1)
        at_once(hand)
    assert len([each for each in house.timetables.asked if each == key]) >= 6
    with house.database.read() as connection:
        breaker.answered(connection, "tp")
    house.later(20 * 60)
    at_once(hand)
    with house.database.read() as connection:
        row = connection.execute(select(neighbour).where(neighbour.c.name == "tp")).one()
    assert row.failures == 0


# -- urgent work and bulk work ----------------------------------------------------------------------


def test_urgent_work_without_end_does_not_stop_a_fill(house: House) -> None:
    """Each course that comes to be due is another thread's; this one waits, and then begins the fill."""
    fill = Mark(kind=Kind.CALENDAR, key="1", reason="test", lane=Lane.FILL)
    with house.database.write() as connection:
        queue.mark(connection, [fill])
    hand = a_hand(house)
    hand.turn = 1  # not the one claim in eight that goes to the oldest work of all
    thread = Thread(target=hand.work)
    others_are_at_work(house, "IN0 25h")
    thread.start()
    for number in range(1, 60):
        others_are_at_work(house, f"IN{number} 25h")
        Event().wait(0.2)
        if Kind.CALENDAR not in kinds_of_work(house):
            break
    hand.stop.set()
    thread.join()
    assert Kind.CALENDAR not in kinds_of_work(house)
    assert not house.timetables.asked


def others_are_at_work(house: House, course: str) -> None:
    """Let a course be due at once, and another thread be at it already."""
    with house.database.write() as connection:
        queue.mark(connection, [Mark(kind=Kind.COURSE, key=course, reason="test")])
        assert queue.claim(connection, [Kind.COURSE], worker="another", lease=LEASE)


def kinds_of_work(house: House) -> set[Kind]:
    with house.database.read() as connection:
        return {Kind(kind) for kind in connection.scalars(select(dirty.c.kind))}
