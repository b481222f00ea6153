"""The drills, on small universities: each raises where it does not end as it should."""

import pytest

from tests.drills import incident, level, restore
from tests.drills.town import NIGHT
from tests.e2e.house import House

pytestmark = pytest.mark.e2e


def at_night(house: House, settings: str) -> House:
    """Bring an installation to the night of the drills, with these settings; its calendars are right."""
    house.now = NIGHT
    text = house.config.read_text().replace("processes = 1", "processes = 2")
    house.config.write_text(text + settings)
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    return house


def test_a_night_of_empty_answers_and_a_deadline_pass_without_a_call(
    filled: House, capsys: pytest.CaptureFixture[str]
) -> None:
    incident.play(at_night(filled, incident.SETTINGS))
    told = capsys.readouterr().out
    assert "@" not in told
    assert "Student" not in told


def test_a_restored_backup_doubles_and_loses_nothing(small_filled: House) -> None:
    restore.play(at_night(small_filled, restore.SETTINGS))


def test_changes_arrive_although_workers_are_killed(small_filled: House) -> None:
    assert level.play(at_night(small_filled, level.SETTINGS), minutes=0.3)
