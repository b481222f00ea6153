"""What of a person could not be read is not told: what was known of it stays."""

from dataclasses import replace

import pytest

from kalender.domain.model import BadItem
from kalender.domain.work import Kind
from kalender.store.database import Database
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration


def test_what_an_answer_could_not_tell_stays(migrated_postgresql: str) -> None:
    database = Database(migrated_postgresql)
    house = House(database)
    house.teach(event(1))
    house.enrol(1)
    assert house.settle() == []
    shown = house.shown(1)
    assert len(shown) == 1
    bad = BadItem(collection="studentundervisning", reason="no reference", fs_number=1)
    house.students.facts[1] = replace(house.students.facts[1], registrations=(), bad=(bad,))
    for _ in range(2):
        house.mark(Kind.PERSON, "fs 1")
        assert house.settle() == []
        house.later(15)
    assert house.shown(1) == shown
    database.close()
