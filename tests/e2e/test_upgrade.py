"""From one release to the next while processes of the older one run on; on PostgreSQL.

The older release is taken from this repository's own history.
"""

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from kalender.sandbox.installation import Json
from kalender.store import migrations
from kalender.store.database import Database
from tests.e2e.house import House, fails
from tests.fewer_events import generate_with_fewer_events
from tests.served import start

NOW = "2025-08-18T08:00+02:00"
BEFORE_0002 = "15076a1"
BEFORE_0003 = "a35db34"
STUDENTS = 10

pytestmark = [pytest.mark.e2e, pytest.mark.integration]


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The last release on revision 0001, unpacked; run with this release's libraries."""
    return unpacked(BEFORE_0002, tmp_path_factory.mktemp("older"))


def unpacked(commit: str, directory: Path) -> Path:
    """Take a release from this repository's history; return the directory."""
    archive = directory / "older.tar"
    command = ["git", "archive", "-o", str(archive), commit, "kalender", "migrations"]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.fail(
            f"the upgrade from {commit} was not tested: that commit is not in this clone, "
            "or git is missing (clone with the history: git fetch --unshallow)",
            pytrace=False,
        )
    shutil.unpack_archive(archive, directory)
    return directory


@pytest.fixture
def house(tmp_path: Path, postgresql_url: str) -> Iterator[House]:
    """An installation of some students, without tables."""
    university = tmp_path / "university"
    generate_with_fewer_events(university, students=STUDENTS, keep=1, of=3)
    with start(university) as sandbox:
        made = House(tmp_path, university, sandbox, postgresql_url, NOW, "epost:INSTITUSJON")
        made.config.write_text(made.config.read_text().replace("uio.example", "uni.example"))
        yield made


class Older:
    """The older release on the same installation."""

    def __init__(self, house: House, source: Path) -> None:
        self.house = house
        self.before = ["env", f"PYTHONPATH={source}", sys.executable, "-P", *house.command()[1:]]

    def log(self, name: str) -> Path:
        """Where a command that is left running logs."""
        return self.house.directory / f"older-{name}.log"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*self.before, *words], capture_output=True, text=True, check=False, timeout=300
        )

    @contextmanager
    def running(self, *words: str) -> Iterator[subprocess.Popen[str]]:
        """Leave a command running; it must end well."""
        with self.log(words[0]).open("a") as log:
            process = subprocess.Popen(
                [*self.before, *words], stdin=subprocess.PIPE, stdout=log, stderr=log, text=True
            )
            try:
                yield process
            finally:
                assert process.stdin is not None
                process.stdin.close()  # the end of a listener's input is its end
                if words[0] == "worker":
                    process.send_signal(signal.SIGTERM)
                code = process.wait(60)
        assert code == 0


def tell(listener: subprocess.Popen[str], courses: list[str]) -> None:
    """Tell a listener on standard input that these courses changed."""
    assert listener.stdin is not None
    for course in courses:
        body = {"sub": f"course/{course},25h,1", "iss": "TP-test"}
        line = {"routing_key": "no.uio.tp.TP-test.course.update", "body": body}
        listener.stdin.write(json.dumps(line) + "\n")
    listener.stdin.flush()


def change_everything(house: House, hour: int) -> list[str]:
    """Move the next events of every course to this hour; return the courses."""

    def change(answer: Json) -> None:
        for event in [e for e in answer["events"] if e["dtstart"] > "2025-09"][:2]:
            day = event["dtstart"][:10]
            event["dtstart"], event["dtend"] = (
                f"{day}T{hour:02}:15:00+02",
                f"{day}T{hour:02}:59:00+02",
            )

    courses = sorted(path.stem for path in (house.university / "tp").glob("*[0-9].json"))
    for course in courses:
        house.change_course(course, change)
    return courses


def written(log: Path) -> int:
    """How many calendars the process with this log made right."""
    return log.read_text().count("calendar_reconciled")


def test_old_and_new_processes_side_by_side_do_no_harm(house: House, older: Path) -> None:
    old = Older(house, older)
    assert "empty -> 0001" in old.run("db", "upgrade").stdout
    assert old.run("resync", "--all").returncode == 0
    assert "run kalender db upgrade" in fails(house, "worker")[1]
    with old.running("listener", "--stdin") as listener, old.running("worker"):
        house.wait_until_right(120)
        tell(listener, change_everything(house, 19))  # the upgrade meets them at work
        assert f"0001 -> {migrations.newest()}" in house.run("db", "upgrade", "--yes")
        with house.running("worker"):
            for hour in (7, 18, 20, 5, 21, 22):
                tell(listener, change_everything(house, hour))
                house.wait_until_right(120)
                if written(house.directory / "worker.log"):  # both had their part
                    break
            assert written(house.directory / "worker.log") > 0
        _worked_on_new_tables(old, house, listener)
    refused = old.run("worker")
    assert (refused.returncode, f"revision {migrations.newest()}" in refused.stderr) == (2, True)
    house.run("resync", "--all", "--yes")
    house.run("worker", "--until-idle")
    assert house.differences() == []
    assert house.get("exchange/private-touched")["count"] == 0
    house.assert_logs_are_clean()


def _worked_on_new_tables(old: Older, house: House, listener: subprocess.Popen[str]) -> None:
    """The older processes alone, as before a roll-out reaches them."""
    before = written(old.log("worker"))
    tell(listener, change_everything(house, 6))
    house.wait_until_right(120)
    assert written(old.log("worker")) > before > 0


def test_db_upgrade_says_what_will_be_rewritten_and_asks_where_it_is_much(
    house: House, older: Path
) -> None:
    old = Older(house, older)
    for words in (("db", "upgrade"), ("resync", "--all"), ("worker", "--until-idle")):
        assert old.run(*words).returncode == 0
    other = house.config.read_text() + '\n[calendar]\nsubject = "{title} ({course})"\n'
    house.config.write_text(other)
    code, said = fails(house, "db", "upgrade")
    assert (code, "kalender resync --all --yes rewrites them" in said) == (1, True)
    assert json.loads(house.run("db", "current", "--json"))["current"] == "0001"
    found = json.loads(house.run("db", "upgrade", "--yes", "--json"))
    assert (found["before"], found["after"]) == ("0001", migrations.newest())
    assert found["rewritten"] == found["calendars"] > STUDENTS / 2
    assert "up to date" in house.run("db", "current")


def test_a_worker_started_on_newer_tables_works_or_says_why_not(house: House) -> None:
    house.run("db", "upgrade")
    for revision, code in (("0999", 0), ("1000", 2)):
        database = Database(house.database)
        with database.write() as connection:
            newer = text("UPDATE alembic_version SET version_num = :it")
            connection.execute(newer, {"it": revision})
        database.close()
        done, said = fails(house, "worker", "--until-idle")
        assert done == code
        assert ("upgrade the package" in said) is bool(code)
        assert "upgrade the package" in house.run("db", "current")


def test_what_the_last_release_filled_needs_no_request_to_exchange_and_no_yes(
    house: House, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No digest moves: neither that of a calendar nor that of the settings."""
    last = Older(house, unpacked(BEFORE_0003, tmp_path_factory.mktemp("last")))
    for words in (["db", "upgrade"], ["resync", "--all"], ["worker", "--until-idle"]):
        done = last.run(*words)
        assert done.returncode == 0, done.stderr[-2000:]
    assert house.differences() == []
    house.send("DELETE", "requests")
    house.run("db", "upgrade")
    found = json.loads(house.run("resync", "--all", "--json"))
    assert (found["under_other_settings"], found["not_marked"]) == (0, 0)
    house.run("worker", "--until-idle")
    assert house.requests_to_exchange() == 0
    assert house.differences() == []
