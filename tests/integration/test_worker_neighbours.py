"""How one hand of a worker treats FS, TP and the database when they are away."""

from collections.abc import Callable
from datetime import timedelta
from threading import Event

import pytest
from sqlalchemy import select, update

from kalender.domain.work import Kind
from kalender.errors import NeighbourRefused, NeighbourUnavailable
from kalender.store.database import Database
from kalender.store.tables import db_now, dirty, neighbour
from kalender.worker.crew import Crew
from kalender.worker.hand import Hand
from tests.fakes.house import LEASE, House


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    return House(open_database())


def a_hand(house: House) -> Hand:
    crew = Crew(
        database=house.database,
        sources=house.sources,
        means=house.means,
        connections=1,
        lease=LEASE,
        verify_every=timedelta(days=1),
        poll_every=None,
    )
    return Hand(crew, "hand", Event())


def at_once(hand: Hand) -> None:
    hand._do_all(hand._claim())


def test_whoever_is_refused_does_not_knock_again(house: House) -> None:
    """Four courses in hand, one wrong password: one request, and nobody is locked out."""
    for number in range(4):
        house.mark(Kind.COURSE, f"IN{number} 25h")
    house.timetables.error = NeighbourRefused("tp", "401")
    hand = a_hand(house)
    at_once(hand)
    assert len(house.timetables.asked) == 1
    assert hand._claim() == []
    with house.database.read() as connection:
        held = connection.execute(select(dirty.c.claim_token)).scalars()
        assert list(held) == [None] * 4


def test_the_probe_is_whoever_asks(house: House) -> None:
    """A hand that has no work for the neighbour leaves the first try to another."""
    house.timetables.error = NeighbourRefused("tp", "401")
    house.mark(Kind.COURSE, "IN1000 25h")
    at_once(a_hand(house))
    with house.database.write() as connection:
        connection.execute(update(neighbour).values(paused_until=db_now(-1.0)))
    assert a_hand(house)._claim() == []
    with house.database.write() as connection:
        connection.execute(update(dirty).values(not_before=None))
    at_once(a_hand(house))
    assert len(house.timetables.asked) == 2


@pytest.mark.parametrize("kind", [Kind.COURSE, Kind.CALENDAR])
def test_a_transaction_that_failed_is_tried_again_soon_but_for_calendars(
    house: House, kind: Kind
) -> None:
    house.mark(kind, "IN1000 25h" if kind is Kind.COURSE else "1")
    hand = a_hand(house)
    (claim,) = hand._claim()
    error = NeighbourUnavailable("database", "deadlock")
    hand._neighbour_failed(claim, error)
    with house.database.read() as connection:
        (row,) = connection.execute(select(dirty)).all()
    assert (row.claim_token is None) == (kind is Kind.COURSE)
    assert row.attempts == 0
