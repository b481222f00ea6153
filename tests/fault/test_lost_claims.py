"""An answer that comes to somebody whose claim was taken over meanwhile."""

from collections.abc import Callable

import pytest

from kalender.domain.work import Kind
from kalender.errors import ClaimLost
from kalender.store.database import Database
from tests.fakes.house import House, event
from tests.integration.test_reconcile import in_several_requests

pytestmark = pytest.mark.integration


def test_what_an_answer_tells_is_not_recorded_over_what_others_wrote_since(
    open_database: Callable[[], Database],
) -> None:
    house = House(open_database())
    house.teach(event(title="One"))
    house.enrol(1)
    assert house.settle() == []
    house.teach(event(title="Two"))
    course = house.claim([Kind.COURSE])
    assert course is not None
    house.do(course)
    stopped = house.claim([Kind.CALENDAR])
    assert stopped is not None

    def is_stopped_beyond_its_lease(operation: str, _mailbox: str) -> None:
        if operation == "update":
            house.exchange.after = lambda *_: None
            house.later()
            assert house.settle() == []
            house.teach(event(title="Three"))
            assert house.settle() == []

    house.exchange.after = is_stopped_beyond_its_lease
    with pytest.raises(ClaimLost):
        house.do(stopped)
    house.teach(event(title="Two"))
    assert house.settle() == []
    assert [item.content.subject for item in house.shown(1)] == ["IN1000 Forelesning: Two"]


def test_between_two_requests_whoever_lost_the_claim_stops(
    open_database: Callable[[], Database],
) -> None:
    """Somebody else looked for what was written ahead, and made what had not been sent yet."""
    house = House(open_database())
    in_several_requests(house, 5)
    for kind in (Kind.PERSON, Kind.COURSE):
        while (work := house.claim([kind])) is not None:
            house.do(work)
    stopped = house.claim([Kind.CALENDAR])
    assert stopped is not None

    def is_taken_over(operation: str, _mailbox: str) -> None:
        if operation == "create":
            house.exchange.after = lambda *_: None
            house.later()
            assert house.settle() == []

    house.exchange.after = is_taken_over
    with pytest.raises(ClaimLost):
        house.do(stopped)
    assert len(house.shown(1)) == 5
