"""The drills, on smaller universities: each raises where it does not end as it should."""

import pytest

from tests.drills import incident, level, restore

pytestmark = pytest.mark.e2e


def test_a_night_of_empty_answers_and_a_deadline_pass_without_a_call(
    capsys: pytest.CaptureFixture[str],
) -> None:
    incident.play(students=60)
    told = capsys.readouterr().out
    assert "@" not in told
    assert "Student" not in told


def test_a_restored_backup_doubles_and_loses_nothing() -> None:
    restore.play(students=30)


def test_changes_arrive_although_workers_are_killed() -> None:
    assert level.play(minutes=0.3, students=30)
