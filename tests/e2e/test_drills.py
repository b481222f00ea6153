"""The drills, on a small university: each raises where it does not end as it should."""

import pytest

from tests.drills import incident, level, restore
from tests.drills.town import NIGHT
from tests.e2e.house import House

pytestmark = pytest.mark.e2e


@pytest.fixture
def house(filled: House) -> House:
    """An installation whose calendars are right on the night of the drills."""
    filled.now = NIGHT
    text = filled.config.read_text().replace("processes = 1", "processes = 2")
    filled.config.write_text(text)
    filled.run("resync", "--all")
    filled.run("worker", "--until-idle")
    return filled


def test_a_night_of_empty_answers_and_a_deadline_pass_without_a_call(
    house: House, capsys: pytest.CaptureFixture[str]
) -> None:
    house.config.write_text(house.config.read_text() + incident.SETTINGS)
    incident.play(house)
    told = capsys.readouterr().out
    assert "@" not in told
    assert "Student" not in told


def test_a_restored_backup_doubles_and_loses_nothing(house: House) -> None:
    restore.play(house)


def test_changes_arrive_although_workers_are_killed(house: House) -> None:
    house.config.write_text(house.config.read_text() + level.SETTINGS)
    assert level.play(house, minutes=0.3)
