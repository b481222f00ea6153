"""What a user edits before we know it, or while we are about to write, is seen by the next look."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kalender.domain.model import TeachingEvent
from kalender.errors import OutcomeUnknown
from kalender.store.database import Database
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration
MAILBOX = "user1@uio.example"
ONE = event(title="One")


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """A student with one lecture to come, not yet written."""
    house = House(open_database())
    house.teach(ONE)
    house.enrol(1)
    return house


def edit(house: House) -> None:
    item = house.shown(1)[0]
    house.exchange.edit(MAILBOX, item.ref.item_id, location="Kantina")


def is_put_back(house: House, title: str = "One") -> bool:
    house.verify(1)
    assert house.settle() == []
    [item] = house.shown(1)
    return item.content.location.startswith("Java") and item.content.subject.endswith(title)


def test_an_entry_edited_before_its_lost_create_was_found_is_put_back(house: House) -> None:
    def is_lost(operation: str, _mailbox: str) -> None:
        if operation == "create":
            raise OutcomeUnknown("ReadTimeout")

    house.exchange.after = is_lost
    assert len(house.settle()) == 1
    house.exchange.after = lambda *_: None
    edit(house)
    house.later()
    assert house.settle() == []
    assert is_put_back(house)


@pytest.mark.parametrize(
    "changed",
    [
        replace(ONE, title="Two"),
        replace(
            ONE,
            starts_at=ONE.starts_at + timedelta(hours=1),
            ends_at=ONE.ends_at + timedelta(hours=1),
        ),
    ],
    ids=["another title", "another time"],
)
def test_an_edit_is_put_back_although_its_event_changed_since(
    house: House, changed: TeachingEvent
) -> None:
    assert house.settle() == []
    edit(house)
    house.teach(changed)
    assert house.settle() == []
    assert house.shown(1)[0].content.location == "Kantina"
    assert is_put_back(house, changed.title)
    assert house.shown(1)[0].content.starts_at == changed.starts_at
