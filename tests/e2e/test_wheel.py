"""The wheel, installed alone into an empty environment: a first day of it on the real servers."""

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pika
import pytest
import requests

from kalender.app import App
from kalender.sandbox.server import Running
from tests import commands
from tests.e2e.conftest import NOW
from tests.e2e.house import SOON_OVER, House

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
ROOT = Path(__file__).parents[2]
STUDENT, NUMBER = "st000003", 100_003
MAILBOX = f"{STUDENT}@uni.example"


@dataclass(frozen=True)
class Environment:
    """A virtual environment that holds the wheel, and finds the libraries where we do."""

    wheel: Path
    bin: Path

    def run(self, *words: str) -> str:
        """Run one of its programs to its end; return what it printed."""
        command = [str(self.bin / words[0]), *words[1:]]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@dataclass
class Installed(House):
    """An installation whose command is the environment's."""

    script: Path = Path()

    def command(self, *words: str, now: str | None = None) -> list[str]:
        """Return the command line."""
        return [str(self.script), *super().command(*words, now=now)[3:]]

    def done(
        self, *words: str, now: str | None = None, env: Mapping[str, str] | None = None
    ) -> commands.Done:
        """Run the environment's own command, started from nothing."""
        whole = {**os.environ, **(env or {})}
        return commands.from_nothing(self.command(*words, now=now), env=whole, timeout=300)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Our own site-packages come last there, and no `.pth` of theirs counts: not our checkout."""
    directory = tmp_path_factory.mktemp("environment")
    venv = directory / "venv"
    python = [sys.executable, "-m"]

    def run(*words: str | Path) -> None:
        subprocess.run([*python, *map(str, words)], cwd=ROOT, check=True, capture_output=True)

    run("hatchling", "build", "-t", "wheel", "-d", directory)
    (wheel,) = directory.glob("*.whl")
    run("venv", "--without-pip", venv)
    run("pip", "--python", venv, "install", "--no-deps", "--no-index", wheel)
    (own,) = venv.glob("lib/python*/site-packages")
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"))
    return Environment(wheel, venv / "bin")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to stand in."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    return empty


@pytest.fixture
def sandbox(small_sandbox: Running) -> Running:
    """A sandbox of five people."""
    return small_sandbox


@pytest.fixture
def queue(amqp_url: str) -> Iterator[str]:
    name = f"wheel-{uuid4().hex}"
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
    yield name
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_delete(name)


@pytest.fixture
def installed(
    environment: Environment,
    tmp_path: Path,
    sandbox: Running,
    postgresql_url: str,
    amqp_url: str,
    queue: str,
) -> Installed:
    """An installation that nobody is switched on in, on PostgreSQL without tables and RabbitMQ."""
    broker = f'[broker]\nurl = "{amqp_url}"\nqueues = ["{queue}"]\n'
    made = Installed(
        directory=tmp_path,
        university=tmp_path / "served",
        sandbox=sandbox,
        database=postgresql_url,
        now=NOW,
        mailbox="epost:INSTITUSJON",
        broker=broker,
        forked=False,
        script=environment.bin / "kalender",
    )
    text = made.config.read_text().replace("uio.example", "uni.example")
    made.config.write_text(text.replace('mode = "all"', 'mode = "listed"'))
    return made


def test_the_wheel_holds_all_files_of_the_package_and_the_migrations(
    environment: Environment,
) -> None:
    homes = {"kalender": "kalender", "migrations": "kalender/_migrations"}
    source = {
        f"{inside}/{path.relative_to(ROOT / home)}"
        for home, inside in homes.items()
        for path in (ROOT / home).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = set(zipfile.ZipFile(environment.wheel).namelist())
    assert {name for name in held if ".dist-info/" not in name} == source
    assert {"kalender/_migrations/script.py.mako", "kalender/store/views.sql"} <= held


def test_the_package_is_the_wheels_and_not_the_checkouts(environment: Environment) -> None:
    home = str(environment.bin.parent)
    program = "import kalender.cli, pika, sys; print(kalender.__file__, pika.__file__, *sys.path)"
    ours, theirs, *path = environment.run("python", "-c", program).split()
    assert ours.startswith(home)
    assert not theirs.startswith(home)
    assert str(ROOT) not in path
    assert environment.run("kalender", "--help")


def test_the_sandbox_is_in_it_and_serves(environment: Environment) -> None:
    words = ["sandbox", "--generate", "20", "--port-base", "0"]
    command = [str(environment.bin / "kalender"), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = next(line.split('"')[1] for line in process.stdout if line.startswith("base_url"))
        assert requests.get(f"{url}/personer", timeout=5).status_code == 401
        process.terminate()


def test_a_first_day_of_the_installed_package(
    installed: Installed, nowhere: Path, queue: str
) -> None:
    run = installed.run
    assert "run kalender db upgrade" in run("check", expect=1)
    assert "empty ->" in run("db", "upgrade")
    assert "failed" not in run("check", "--mailbox", MAILBOX, "--write")
    run("rollout", "add", "audience", "student", "teacher", "--yes")
    told = {"routing_key": queue, "body": json.dumps({"sub": f"personer/{NUMBER}"})}
    run("publish", *told.values())
    assert json.loads(run("tap", "--json")) == [told]
    with installed.running("listener"), installed.running("worker"):
        installed.wait_until_right(mailbox=MAILBOX)
        run("resync", "--all", "--wait")
        installed.wait_until_right()
        assert run("status").startswith("healthy")
    assert json.loads(run("show", STUDENT, "--json"))["calendars"][0]["shown"]
    course = json.loads(run("show", STUDENT, "--json"))["registrations"][0]["course"]
    assert "Everything is as it should be." in run("why", STUDENT, course, "--lang", "en")
    recovered(installed)
    installed.assert_logs_are_clean()
    assert list(nowhere.iterdir()) == []


def recovered(house: House) -> None:
    """Look every calendar up, as after a backup: nothing is made twice."""
    before = (App.machine_now() - timedelta(hours=1)).isoformat()
    assert "are looked up" not in house.run("recover", "--since", "now")
    assert "calendars, and all" in house.run("recover", "--since", before, "--yes", env=SOON_OVER)
    house.run("worker", "--until-idle")
    assert house.differences() == []
