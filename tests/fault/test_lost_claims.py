"""An answer that comes to somebody whose claim was taken over meanwhile."""

from collections.abc import Callable

import pytest

from kalender.domain.work import Kind
from kalender.errors import ClaimLost
from kalender.store.database import Database
from tests.fakes.house import House, event

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
