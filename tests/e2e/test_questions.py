"""What asks before it writes keeps nobody waiting for the answer."""

import os
import pty
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass

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
    house.run("rollout", "add", "audience", "student", "--yes")
    house.run("worker", "--until-idle")
    return house


@dataclass
class Asked:
    """A command that waits for an answer on its terminal."""

    process: subprocess.Popen[str]
    terminal: int
    question: str

    def answer(self, word: str) -> tuple[int, str]:
        """Type the answer; return the command's code and what it says then."""
        os.write(self.terminal, f"{word}\n".encode())
        said, _ = self.process.communicate(timeout=60)
        return self.process.returncode, said


@contextmanager
def asked(house: House, *words: str) -> Iterator[Asked]:
    """Start a command on a terminal of its own; yield it once it asks."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        house.command(*words),
        stdin=its,
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
        yield Asked(process, ours, said)
    finally:
        process.kill()
        process.communicate()
        os.close(ours)
        os.close(its)


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
    with asked(filled, *words) as command:
        assert "calendars are " in command.question
        assert somebody_writes(filled)
        assert state(filled) == before
        code, _ = command.answer("n")
        assert code == 1
    assert state(filled) == before


@pytest.mark.parametrize("words", [RECOVER, REMOVE], ids=lambda words: words[0])
def test_after_a_yes_as_many_are_changed_as_were_asked_about(
    filled: House, words: tuple[str, ...]
) -> None:
    with asked(filled, *words) as command:
        number = command.question.split()[0]
        assert int(number) > 0
        code, told = command.answer("y")
        assert code == 0
    assert f"{number} calendars" in told
    marked = [row for row in state(filled)[1] if row[0] == "calendar"]
    assert len(marked) == int(number)
