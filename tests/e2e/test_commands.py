"""Every command as its user runs it: results on stdout, one line for what is wrong, exit codes."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest
import requests

from kalender import __version__
from tests.e2e.house import House, environment, fails

pytestmark = pytest.mark.e2e
MIGRATIONS = Path(__file__).parents[2] / "migrations" / "versions"
HEAD = max(path.name[:4] for path in MIGRATIONS.glob("[0-9]*.py"))


def wait_until(ready: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait, or fail."""
    pause, end = threading.Event(), monotonic() + seconds
    while not ready() and monotonic() < end:
        pause.wait(0.2)
    assert ready()


def test_a_first_day_from_tables_to_calendars(house: House) -> None:
    assert "run kalender db upgrade" in house.run("db", "current")
    assert f"empty -> {HEAD}" in house.run("db", "upgrade")
    assert "already" in house.run("db", "upgrade")
    rows = json.loads(house.run("check", "--mailbox", "st000001@uni.example", "--json"))
    assert all(row["ok"] for row in rows)
    dry = json.loads(house.run("resync", "--all", "--dry-run", "--json"))
    assert dry["changed_persons"] >= 20
    assert json.loads(house.run("status", "--json"))["work"] == []
    house.run("resync", "--all")
    assert json.loads(house.run("resync", "--person", "st000001", "--dry-run", "--json")) == []
    with house.running("worker"):
        house.run("resync", "--person", "st000001", "--wait")
        house.run("resync", "--all", "--wait")
    found = json.loads(house.run("status", "--json"))
    assert all(row["known_right"] == row["calendars"] for row in found["calendars"])
    assert json.loads(house.run("plan", "st000001", "--json")) == []
    person = json.loads(house.run("show", "st000001@uni.example", "--json"))
    assert {row["why"] for row in person["calendars"][0]["shown"]} <= {
        "plenary",
        "placed",
        "sole",
        "named",
        "role",
    }
    assert "08.00" in house.run("show", "100001", "--week")
    monday = house.run("show", "100001", "--week", "--on", "2025-08-18")
    night = "2025-08-17T22:30+00:00"  # it is Monday already where the university is
    assert house.run("show", "100001", "--week", now=night) == monday
    assert json.loads(house.run("parked", "--json")) == []
    assert "0 marked" in house.run("retry", "--all")


def test_a_fresh_installation_writes_to_nobody_until_they_are_listed(house: House) -> None:
    house.config.write_text(house.config.read_text().replace('mode = "all"', 'mode = "listed"'))
    house.run("db", "upgrade")
    house.send("DELETE", "requests")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    assert house.requests_to_exchange() == 0
    assert json.loads(house.run("plan", "st000002", "--json"))
    assert "1 calendars switched on" in house.run("rollout", "add", "person", "st000002")
    house.run("worker", "--until-idle")
    assert json.loads(house.run("plan", "st000002", "--json")) == []
    assert len(json.loads(house.run("rollout", "list", "--json"))) == 1
    out = house.run("rollout", "remove", "person", "st000002", "--take-back", "--yes")
    assert "taking back" in out
    house.run("worker", "--until-idle")
    items = house.get("exchange/items?mailbox=st000002@uni.example")
    assert not [i for i in items if i["sync_key"] and i["folder"] == "calendar"]


def test_a_worker_that_is_killed_is_replaced(house: House) -> None:
    house.run("db", "upgrade")
    with house.running("worker", "--processes", "2") as parent:

        def children() -> list[int]:
            listed = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text()
            return [int(pid) for pid in listed.split()]

        wait_until(lambda: len(children()) == 2)
        os.kill(victim := children()[0], signal.SIGKILL)
        wait_until(lambda: len(children()) == 2 and victim not in children())


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["status"], 2, "run kalender db upgrade"),
        (["resync"], 2, "--all, --person or --course"),
        (["nonsense"], 2, "No such command"),
        (["listener"], 2, "run kalender db upgrade"),
        (["rollout", "add", "share", "2"], 2, "run kalender db upgrade"),
    ],
)
def test_what_cannot_be_done_is_one_line_with_the_remedy(
    house: House, words: list[str], code: int, said: str
) -> None:
    found, line = fails(house, *words)
    assert (found, said in line) == (code, True)


def test_nobody_of_that_name_is_one_line(house: House) -> None:
    house.run("db", "upgrade")
    code, line = fails(house, "show", "nobody")
    assert code == 1
    assert line.startswith("kalender: nobody is known by that")


def test_another_day_is_refused_where_an_endpoint_is_not_loopback(house: House) -> None:
    house.run("db", "upgrade")
    text = house.config.read_text().replace(house.sandbox.endpoints.tp, "https://tp.example")
    house.config.write_text(text)
    code, line = fails(house, "worker", "--until-idle")
    assert code == 2
    assert "loopback" in line
    assert house.run("status")  # only looks


def test_another_day_is_refused_where_the_broker_is_not_loopback(house: House) -> None:
    broker = '\n[broker]\nurl = "amqps://mq.example.org/v"\nqueues = ["q"]\n'
    house.config.write_text(house.config.read_text() + broker)
    code, line = fails(house, "resync", "--all")
    assert (code, "every endpoint, and the broker, must be loopback" in line) == (2, True), line


def test_settings_are_checked_in_one_line(house: House) -> None:
    for old, new, said in (
        ("[fs]", "[fs]\nbase_ulr = 1", "base_url"),
        ("number = 185", 'number = "x"', "institution.number"),
        ("connections = 3", "connections = 3\nlease_seconds = 9", "lease_seconds"),
        ('name = "Universitetet"', 'name = "U"\ntime_zone = "Oslo"', "time zone"),
        ('api_key = "sandbox"', 'api_key_file = "/nowhere/key"', "api_key_file"),
    ):
        text = house.config.read_text()
        house.config.write_text(text.replace(old, new, 1))
        code, line = fails(house, "--verbose", "resync", "--all")
        house.config.write_text(text)
        assert code == 2
        assert len(line.splitlines()) == 1
        assert said in line


def test_a_wrong_key_is_said_with_its_remedy(house: House) -> None:
    house.run("db", "upgrade")
    text = house.config.read_text().replace('api_key = "sandbox"', 'api_key = "stale"', 1)
    house.config.write_text(text)
    rows = json.loads(house.run("check", "--json", expect=1))
    (fs,) = [row for row in rows if row["what"] == "fs"]
    assert not fs["ok"]
    assert "401" in fs["said"]
    assert "[fs]" in fs["said"]


@pytest.mark.parametrize("words", [["resync"], ["brake", "release"], ["status"]])
def test_a_switch_shows_no_type_in_the_help(words: list[str]) -> None:
    command = [sys.executable, "-m", "kalender", *words, "-h"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert "--json" in done.stdout or "--yes" in done.stdout
    assert "bool" not in done.stdout


def test_the_version_is_said_without_settings() -> None:
    command = [sys.executable, "-m", "kalender", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment())
    assert done.stdout == f"kalender {__version__}\n"


def test_several_courses_or_persons_are_read_anew_by_one_command(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    courses = [course for course in ("BIO1000", "FYS1000") if house.get(f"tp/{course}")]
    one = house.run("resync", "--course", courses[0])
    two = house.run("resync", "--course", *courses)
    assert int(two.split(":")[1]) == 2 * int(one.split(":")[1])
    assert house.run("resync", "--person", "st000001", "st000002").strip() == "marked: 2"
    assert fails(house, "resync", "--all", "BIO1000")[0] == 2


def test_help_names_every_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kalender", "--help"],
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
    )
    for name in [
        "demo",
        "sandbox",
        "check",
        "db",
        "listener",
        "worker",
        "resync",
        "plan",
        "show",
        "status",
        "parked",
        "retry",
        "brake",
        "optout",
        "remove",
        "verify",
        "recover",
        "rollout",
        "publish",
        "tap",
        "why",
        "term",
        "pause",
        "resume",
        "protect",
        "poll",
    ]:
        assert name in done.stdout


def test_a_port_that_is_taken_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = ["sandbox", "--generate", "20", "--port-base", str(port)]
        done = subprocess.run(
            [sys.executable, "-m", "kalender", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert (
        line == f"kalender: a port from --port-base {port} on is taken: give another, or 0 for any"
    )


def test_the_sandbox_command_serves_and_says_how(tmp_path: Path) -> None:
    house_command = [sys.executable, "-m", "kalender", "sandbox"]
    process = subprocess.Popen(
        [*house_command, "--generate", "20", "--port-base", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(PYTHONUNBUFFERED="1"),
        cwd=tmp_path,
    )
    try:
        assert process.stdout is not None
        text = ""
        while 'mode = "all"' not in text:
            text += process.stdout.readline()
        fs = next(line for line in text.splitlines() if "base_url" in line).split('"')[1]
        assert requests.get(f"{fs}/personer", timeout=5).status_code == 401
        says_how_it_is_asked(text, fs)
    finally:
        process.terminate()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()


def says_how_it_is_asked(settings: str, fs: str) -> None:
    """What the printed settings tell works: FS' key, a course's key, and the day for --now."""
    key = re.search(r"X-Gravitee-Api-Key: (\w+)", settings)
    assert key is not None
    headers = {"X-Gravitee-Api-Key": key[1]}
    assert requests.get(f"{fs}/personer", headers=headers, timeout=5).status_code == 200
    control = re.search(r"curl (\S+/_control/tp/\S+)", settings)
    assert control is not None
    course = requests.get(control[1], timeout=5).json()
    day = re.search(r"--now (\S+) resync --all", settings)
    assert day is not None
    begins = [datetime.fromisoformat(event["dtstart"]) for event in course["events"]]
    semester = datetime.fromisoformat(day[1])
    assert min(begins).astimezone(UTC).date() - semester.date() < timedelta(days=31)
