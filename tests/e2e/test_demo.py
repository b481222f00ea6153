"""The demonstration shows the main job, and its comparison can fail."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pika
import pytest
import requests

from tests import schemas
from tests.e2e.house import environment

pytestmark = pytest.mark.e2e
COMMAND = [sys.executable, "-m", "kalender", "demo", "--people", "25", "--json"]
NOWHERE = "amqp://127.0.0.1:1/"
FOUND = ["people", "entries", "changes", "differences", "private_touched", "seconds"]
VERDICT = re.compile(r"(\d+) people, (\d+) entries, (\d+) changes in [0-9.]+ s: (.*)")


def played(
    *words: str, amqp_url: str = NOWHERE, **variables: str
) -> tuple[int, dict[str, Any], str]:
    """Play a small demonstration; return its exit code, its last line and what it told."""
    done = subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment(KALENDER_DEMO_BROKER=amqp_url, **variables),
    )
    assert done.stdout, f"{done.returncode}: {done.stderr[-3000:]}"
    last = done.stdout.splitlines()[-1]
    schemas.hold(["demo"], last)
    found = json.loads(last)
    assert list(found) == FOUND
    return done.returncode, found, done.stderr


def test_over_graph_half_of_the_people_are_there_and_a_private_entry_touched_is_told() -> None:
    """And every calendar is right."""
    code, found, told = played("--graph", KALENDER_DEMO_SABOTAGE="private")
    assert (code, found["differences"], found["private_touched"]) == (1, 0, 1)
    on_graph = re.search(r"on Graph +(\d+)  of them, in Exchange Online", told)
    assert on_graph is not None
    assert 0 < int(on_graph[1]) < found["people"]
    assert found["changes"] == 14
    whole, _, moved = told.partition("The student's mailbox moves to ")
    assert whole
    for line in (
        r"in Exchange(?: Online)? +no mailbox any more",
        r"in Exchange(?: Online)? +\d+ entries, all as they should be",
        r"doubled +0 entries",
        r"what its user added +ta med kalkulator: kept",
        r"moved within a day: 1",
        r"waiting: 0",
    ):
        assert re.search(rf"^ +{line}$", moved, re.MULTILINE), line
    block = moved.partition("One student's week")[0].splitlines()
    assert all(len(line) <= 80 for line in block)


def test_over_a_broker_nobody_else_on_it_hears_of_it_and_an_entry_broken_is_one_difference(
    amqp_url: str,
) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "amq.topic", "#")
        code, found, told = played(amqp_url=amqp_url, KALENDER_DEMO_SABOTAGE="entry")
        assert channel.queue_declare(queue, passive=True).method.message_count == 0
    assert (code, found["differences"], found["private_touched"]) == (1, 1, 0)
    assert "through RabbitMQ at" in told


def test_sigterm_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    variables = environment(AMQP_URL=NOWHERE, TMPDIR=str(tmp_path))
    with subprocess.Popen(COMMAND, stderr=subprocess.PIPE, text=True, env=variables) as demo:
        assert demo.stderr is not None
        assert any("Planners change" in line for line in demo.stderr)
        demo.terminate()
        demo.stderr.read()
    assert demo.returncode == 128 + 15
    assert not list(tmp_path.iterdir())
    assert not [each for each in _commands() if str(tmp_path) in each]


def test_at_a_terminal_every_calendar_is_right_and_the_pages_stay_until_ctrl_c(
    tmp_path: Path,
) -> None:
    """And an installation is left alone, whatever the environment says of it."""
    database, settings = tmp_path / "installation.db", tmp_path / "config.toml"
    settings.write_text("[nonsense]\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    variables = environment(
        KALENDER_DEMO_BROKER=NOWHERE,
        KALENDER_CONFIG=str(settings),
        KALENDER_DATABASE__URL=f"sqlite:///{database}",
        KALENDER_ROLLOUT__MODE="off",
        TMPDIR=str(temporary),
        TERM="dumb",
        COLUMNS="200",
    )
    terminal, its_side = pty.openpty()
    command = [word for word in COMMAND if word != "--json"]
    with subprocess.Popen(command, stdout=its_side, stderr=its_side, env=variables) as demo:
        os.close(its_side)
        with open(terminal, encoding="utf-8") as lines:  # noqa: PTH123 - a descriptor
            told = list[str]()
            while "Look at it in a browser" not in (shown := next(lines)):
                told.append(shown.strip())
            assert "Ctrl-C ends everything" in next(lines)
            address = shown.split()[-1]
            browser = requests.Session()
            assert browser.get(address.partition("/enter")[0], timeout=60).status_code == 401
            assert browser.get(address, timeout=60).status_code == 200
            page = browser.get(address.partition("/enter")[0], timeout=60)
            assert page.status_code == 200
            assert "kalender" in page.text.lower()
            demo.send_signal(signal.SIGINT)
            assert demo.wait(60) == 0
    (verdict,) = filter(None, map(VERDICT.fullmatch, told))
    people, entries, changes = (int(number) for number in verdict.groups()[:3])
    assert (people >= 25, entries > 1000, changes) == (True, True, 13)
    assert verdict[4] == ("every calendar holds what it should, nobody's own entries were touched.")
    assert any("by kalender listener --stdin" in line for line in told)
    assert not database.exists()
    assert not list(temporary.iterdir())
    assert not [each for each in _commands() if str(temporary) in each]


def _commands() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_text("utf-8", "replace"))
        except OSError:  # it has ended meanwhile
            continue
    return found
