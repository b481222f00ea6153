"""The demonstration shows the main job, and its comparison can fail."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.e2e.house import environment

pytestmark = pytest.mark.e2e


def played(**variables: str) -> tuple[int, dict[str, Any]]:
    """Play a small demonstration; return its exit code and last line."""
    done = subprocess.run(
        [sys.executable, "-m", "kalender", "demo", "--people", "25", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment(AMQP_URL="amqp://127.0.0.1:1/", **variables),
    )
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_every_calendar_is_right_at_the_end_and_nothing_private_touched() -> None:
    code, found = played()
    assert code == 0
    assert found["differences"] == found["private_touched"] == 0
    assert found["people"] >= 25
    assert found["entries"] > 1000
    assert found["changes"] == 13
    assert found.keys() == {
        "people",
        "entries",
        "changes",
        "differences",
        "private_touched",
        "seconds",
    }


def test_an_entry_broken_behind_its_back_is_one_difference() -> None:
    code, found = played(KALENDER_DEMO_SABOTAGE="entry")
    assert (code, found["differences"], found["private_touched"]) == (1, 1, 0)


def test_a_private_entry_touched_is_told() -> None:
    code, found = played(KALENDER_DEMO_SABOTAGE="private")
    assert (code, found["differences"], found["private_touched"]) == (1, 0, 1)
