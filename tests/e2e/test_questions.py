"""What asks before it writes keeps nobody waiting for the answer."""

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.e2e.house import House, environment

pytestmark = pytest.mark.e2e
RECOVER = ("recover", "--since", "2025-08-01T00:00+02:00")
REMOVE = ("rollout", "remove", "audience", "student", "--leave")


@pytest.fixture
def filled(house: House) -> House:
    """An installation with a roll-out list, whose calendars are right."""
    house.config.write_text(house.config.read_text().replace('mode = "all"', 'mode = "listed"'))
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("rollout", "add", "audience", "student")
    house.run("worker", "--until-idle")
    return house


@contextmanager
def asked(house: House, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start a command; yield it and what it said, once it asks."""
    process = subprocess.Popen(
        house.command(*words),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
    )
    assert process.stdout is not None
    said = ""
    while "Go on?" not in said and (letter := process.stdout.read(1)):
        said += letter
    try:
        yield process, said
    finally:
        process.kill()
        process.communicate()


def somebody_writes(house: House) -> bool:
    """Whether another process may write now."""
    path = house.database.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        connection.execute("ROLLBACK")
        return True


def state(house: House) -> list[list[tuple[object, ...]]]:
    """What these commands change."""
    queries = (
        "SELECT calendar_id, state, taking_back, must_look_up, synced_digest FROM calendar",
        "SELECT kind, key, reason FROM dirty",
        "SELECT kind, value FROM rollout",
        "SELECT worker FROM heartbeat WHERE kind = 'recover'",
    )
    with closing(sqlite3.connect(house.database.removeprefix("sqlite:///"))) as connection:
        return [connection.execute(query).fetchall() for query in queries]


@pytest.mark.parametrize("words", [RECOVER, REMOVE], ids=lambda words: words[0])
def test_while_a_question_waits_others_write_and_no_changes_nothing(
    filled: House, words: tuple[str, ...]
) -> None:
    before = state(filled)
    with asked(filled, *words) as (process, said):
        assert "calendars are " in said
        assert somebody_writes(filled)
        assert state(filled) == before
        process.communicate("n\n", timeout=60)
        assert process.returncode == 1
    assert state(filled) == before


@pytest.mark.parametrize("words", [RECOVER, REMOVE], ids=lambda words: words[0])
def test_after_a_yes_as_many_are_changed_as_were_asked_about(
    filled: House, words: tuple[str, ...]
) -> None:
    with asked(filled, *words) as (process, said):
        number = said.split()[0]
        assert int(number) > 0
        told, _ = process.communicate("y\n", timeout=60)
        assert process.returncode == 0
    assert f"{number} calendars" in told
    marked = [row for row in state(filled)[1] if row[0] == "calendar"]
    assert len(marked) == int(number)
