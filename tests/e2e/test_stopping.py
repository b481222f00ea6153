"""Whoever is told to stop stops, whatever a neighbour does meanwhile."""

import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kalender.sandbox.server import Running
from tests.contract.test_transport import DRIPS, Server, dripping, serving
from tests.e2e.house import House
from tests.e2e.test_commands import wait_until

pytestmark = pytest.mark.e2e
LONG = 60  # seconds: much more than any deadline of these settings, and than a busy machine needs


@pytest.fixture
def sandbox(small_sandbox: Running) -> Running:
    """A sandbox of five people: enough to be at work."""
    return small_sandbox


@contextmanager
def started(house: House, *words: str) -> Iterator[subprocess.Popen[str]]:
    """Run a command in the background; it is killed where it is still there at the end."""
    with (house.directory / "stopping.log").open("a") as log:
        process = subprocess.Popen(
            house.command(*words), stdin=subprocess.PIPE, stdout=log, stderr=log, text=True
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_worker_until_idle_ends_though_a_neighbour_drips(
    house: House, number: signal.Signals
) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    made: list[Server] = []
    made.append(Server(dripping(made, DRIPS["body"])))
    with serving(made[0]) as url:
        text = house.config.read_text().replace(house.sandbox.endpoints.tp, url)
        house.config.write_text(text.replace("[tp]", "[tp]\ntimeout = 2"))
        with started(house, "worker", "--until-idle") as worker:
            wait_until(made[0].asked.is_set)
            worker.send_signal(number)
            assert worker.wait(LONG) == 0


def test_a_listener_of_standard_input_ends_though_no_line_comes(house: House) -> None:
    house.run("db", "upgrade")
    with started(house, "listener", "--stdin") as listener:
        assert listener.stdin is not None
        listener.stdin.write('{"routing_key": "x", "body": "y"}\n')
        listener.stdin.flush()
        wait_until(lambda: "batch" in Path(house.directory / "stopping.log").read_text())
        wait_until(lambda: listeners(house) == [(True,)])
        listener.send_signal(signal.SIGTERM)
        assert listener.wait(LONG) == 0
    assert listeners(house) == [(False,)]


def listeners(house: House) -> list[tuple[bool]]:
    """Return of each listener that ever gave a sign of life whether it has not stopped."""
    with sqlite3.connect(house.database.removeprefix("sqlite:///")) as connection:
        signs = connection.execute("SELECT stopped_at FROM heartbeat WHERE kind = 'listener'")
        return [(stopped is None,) for (stopped,) in signs]
