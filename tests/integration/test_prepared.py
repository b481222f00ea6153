"""What is made ready once is never older than what the mirror says, and never more than so much."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kalender.reconcile import desired
from kalender.store.database import Database
from tests.fakes.house import MONDAY, House, event

pytestmark = pytest.mark.integration
STUDENTS = 5


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    made = House(open_database())
    made.teach(event(1, title="Old"), event(2, starts=MONDAY + timedelta(days=2)))
    for number in range(STUDENTS):
        made.enrol(number + 1)
    assert made.settle() == []
    return made


def titles(house: House) -> list[list[str]]:
    return [
        sorted(i.content.subject for i in b.values()) for b in house.exchange.mailboxes.values()
    ]


def test_what_changed_is_said_anew_to_everybody(house: House) -> None:
    assert titles(house) == [["IN1000 Forelesning", "IN1000 Forelesning: Old"]] * STUDENTS
    house.teach(event(1, title="New"), event(2, starts=MONDAY + timedelta(days=2)))
    assert house.settle() == []
    assert titles(house) == [["IN1000 Forelesning", "IN1000 Forelesning: New"]] * STUDENTS
    house.teach(event(1, title="Old"), event(2, starts=MONDAY + timedelta(days=2)))
    assert house.settle() == []
    assert titles(house) == [["IN1000 Forelesning", "IN1000 Forelesning: Old"]] * STUDENTS


def test_it_is_said_once_for_all_who_see_it_alike(house: House) -> None:
    desired._rendered.cache_clear()
    house.teach(event(1, title="New"), event(2, starts=MONDAY + timedelta(days=2)))
    assert house.settle() == []
    assert desired._rendered.cache_info()[:2] == (0, 2)  # two events, five students


def test_no_more_is_kept_than_there_is_room_for(house: House) -> None:
    small = desired.RenderCache(house.settings.styles, limit=4)
    vars(house.settings)["render_cache"] = small
    for number in range(6):
        house.teach(event(1, title=str(number)), event(2, starts=MONDAY + timedelta(days=2)))
        assert house.settle() == []
        assert titles(house)[0][1] == f"IN1000 Forelesning: {number}"
    assert 0 < sum(len(said) + 1 for said in small._known.values()) <= 4


def test_where_what_has_ended_is_shown_nothing_is_kept(
    open_database: Callable[[], Database],
) -> None:
    house = House(open_database())
    house.rules = replace(house.rules, past_days=3)
    house.teach(event(1))
    house.enrol(1)
    assert house.settle() == []
    assert house.settings.render_cache._known == {}
