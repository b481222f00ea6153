"""Every rule and every trap in one small university, each mailbox against words written by hand."""

import json
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import requests
from sqlalchemy import text

from kalender.app import App, clock_from
from kalender.config import load
from kalender.domain.work import Lane
from kalender.mirror.resync import resync
from kalender.mirror.scope import Settings
from kalender.sandbox.server import Running
from kalender.store import people, rollouts
from kalender.worker import supervisor
from tests.served import start

CASES = Path(__file__).parents[1] / "data" / "hard-cases"
EXPECTED: dict[str, dict[str, Any]] = tomllib.loads((CASES / "expected.toml").read_text("utf-8"))
MONDAY, A_WEEK_LATER = "2025-10-20T08:00+02:00", "2025-10-27T08:00+01:00"
OSLO = ZoneInfo("Europe/Oslo")
TP_ONLY = ("t-substitute", "t-with", "dual-two")
GHOST = "ghost@uni.example"  # TP names them, and Exchange has no such mailbox
Entry = tuple[datetime, datetime, str, str, str]

pytestmark = [pytest.mark.e2e, pytest.mark.integration]

CONFIG = """
[institution]
number = 185
name = "Universitetet"
mail_domains = ["uni.example", "stud.uni.example"]
[database]
url = "{database}"
[fs]
base_url = "{ends.fs}"
api_key = "sandbox"
[tp]
base_url = "{ends.tp}"
api_key = "sandbox"
[identity]
mailbox = {mailbox}
[exchange.main]
endpoint = "{ends.exchange}"
username = "kalender"
password = "kalender"
[rollout]
mode = "listed"
[calendar.teacher]
subject = "Undervise: {{course}} {{kind}}: {{title}}"
[worker]
connections = 3
settle_seconds = 0
"""
BY_AUDIENCE = '{ student = "epost:INSTITUSJON", teacher = "{username}@uni.example" }'


@dataclass
class Installation:
    """Kalender, wired in this process, on a sandbox of the hard cases."""

    directory: Path
    sandbox: Running
    database: str
    mailbox: str = BY_AUDIENCE
    now: str = MONDAY

    def app(self) -> App:
        """Return the application on the day that it is."""
        config = self.directory / "config.toml"
        ends = self.sandbox.endpoints
        config.write_text(CONFIG.format(database=self.database, ends=ends, mailbox=self.mailbox))
        return App(load(config, {}), clock_from(datetime.fromisoformat(self.now)))

    def work(self) -> None:
        """Resync, and do all that is due."""
        app = self.app()
        database = app.database()
        resync(
            app.refresh_context(database),
            settings=Settings(
                digests=app.settings().digests,
                rollout_mode=app.config.rollout.mode,
                max_updated_share=0.2,
            ),
        )
        database.close()
        self.finish_work()

    def finish_work(self) -> None:
        """Do all that is due."""
        worker_context = self.app().worker_context()
        supervisor.run(worker_context, threading.Event(), until_idle=True)
        worker_context.database.close()

    def switch_on_all_but(self, outsider: str) -> None:
        """Put every person but one on the list, as the command does."""
        database = self.app().database()
        with database.write() as connection:
            known = connection.execute(text("SELECT person_id FROM person")).scalars().all()
            left_out = people.find(connection, "username", outsider)
            rollouts.add(connection, "person", [str(each) for each in known if each != left_out])
            inside = rollouts.inside(connection, "listed")
            people.mark_calendars(connection, inside, reason="joined", lane=Lane.FILL)
        database.close()

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask the database."""
        database = self.app().database()
        with database.read() as connection:
            found = [tuple(row) for row in connection.execute(text(query))]
        database.close()
        return found

    # -- the sandbox ---------------------------------------------------------------------------------

    def get(self, path: str) -> Any:
        """Look through the control API."""
        return _ask("GET", f"{self.sandbox.endpoints.control}/{path}")

    def send(self, method: str, path: str, body: object = None) -> None:
        """Change something through the control API."""
        _ask(method, f"{self.sandbox.endpoints.control}/{path}", body)

    def asked(self) -> set[str]:
        """Return the mailboxes that any request was about."""
        log = self.get("requests")
        return {each["mailbox"] for each in log if each["neighbour"] == "exchange"}

    def held(self) -> dict[str, list[dict[str, Any]]]:
        """Return the items of ours by mailbox."""
        return {
            mailbox: [item for item in items if item["sync_key"] and item["folder"] == "calendar"]
            for mailbox, items in self.get("exchange/all").items()
        }

    def plan_as(self, before: Path, after: Path) -> None:
        """Turn TP's side of one university into another's."""
        for path in sorted((after / "tp").iterdir()):
            if path.read_bytes() != (before / "tp" / path.name).read_bytes():
                course, _, semester = path.stem.partition("-")
                query = f"?sem={semester}" if semester else ""
                self.send("PUT", f"tp/{course}{query}", json.loads(path.read_text("utf-8")))

    def enrol_as(self, before: Path, after: Path) -> None:
        """Turn FS' side of one university into another's."""
        for path in sorted((after / "fs").iterdir()):
            old, new = (_lines(each / "fs" / path.name) for each in (before, after))
            for line in sorted(old - new):
                self.send("DELETE", f"fs/{path.stem}", json.loads(line))
            for line in sorted(new - old):
                self.send("PUT", f"fs/{path.stem}", json.loads(line))


def _ask(method: str, url: str, body: object = None) -> Any:
    answer = requests.request(method, url, json=body, timeout=60)
    answer.raise_for_status()
    return answer.json()


def _lines(path: Path) -> set[str]:
    return set(path.read_text("utf-8").splitlines())


def made(directory: Path, *words: str) -> Path:
    """Write the hard cases of a day."""
    command = [sys.executable, "-B", str(CASES / "make.py"), str(directory), *words]
    subprocess.run(command, check=True, timeout=60)
    return directory


@contextmanager
def installed(
    tmp_path: Path, university: Path, database: str, mailbox: str = BY_AUDIENCE
) -> Iterator[Installation]:
    """An installation on a sandbox in which all teachers but one have a mailbox."""
    with start(university) as sandbox:
        installation = Installation(tmp_path, sandbox, database, mailbox)
        addresses = [f"{name}@uni.example" for name in TP_ONLY]
        installation.send("POST", "exchange/mailboxes", {"addresses": addresses})
        yield installation


# -- comparing ---------------------------------------------------------------------------------------


def expected(key: str) -> dict[str, list[Entry]]:
    """Return what every mailbox must hold; `later` where it differs from `entries`."""
    return {
        mailbox: sorted(map(_read, case.get(key, case["entries"])))
        for mailbox, case in EXPECTED.items()
    }


def _read(line: str) -> Entry:
    when, subject, location, show_as = (part.strip() for part in line.split("|"))
    if "Z" in when:
        start, end = map(datetime.fromisoformat, when.split())
    else:
        day, hours = when.split()
        moments = (datetime.fromisoformat(f"{day}T{each}") for each in hours.split("-"))
        start, end = (each.replace(tzinfo=OSLO) for each in moments)
    return start.astimezone(UTC), end.astimezone(UTC), subject, location, show_as


def shown(item: dict[str, Any]) -> Entry:
    """Return an item as the expectations have it."""
    start, end = (datetime.fromisoformat(item[key]).astimezone(UTC) for key in ("start", "end"))
    return start, end, item["subject"], item["location"], item["show_as"].lower()


def differences(wanted: dict[str, list[Entry]], installation: Installation) -> list[str]:
    """Return what is missing and what is too much, with the reason of the case."""
    held = {mailbox: sorted(map(shown, items)) for mailbox, items in installation.held().items()}
    found = []
    for mailbox in sorted(wanted.keys() | held.keys()):
        why = EXPECTED.get(mailbox, {"why": "a mailbox of no case"})["why"]
        lacks, has = list(wanted.get(mailbox, [])), list(held.get(mailbox, []))
        for each in list(lacks):
            if each in has:
                lacks.remove(each)
                has.remove(each)
        found += [f"{mailbox} ({why}) lacks {_said(each)}" for each in lacks]
        found += [f"{mailbox} ({why}) has {_said(each)}" for each in has]
    return found


def _said(entry: Entry) -> str:
    start, end, *rest = entry
    hours = f"{start.astimezone(OSLO):%Y-%m-%d %H:%M%z}-{end.astimezone(OSLO):%H:%M%z}"
    return " | ".join((hours, *rest))


def wrong_bodies(installation: Installation) -> list[str]:
    """Return the bodies that lack what they must say, or say what they must not."""
    held, found = installation.held(), []
    for mailbox, case in EXPECTED.items():
        bodies = "".join(item["body"] for item in held.get(mailbox, []))
        found += [f"{mailbox} lacks {each}" for each in case.get("body", []) if each not in bodies]
        found += [f"{mailbox} has {each}" for each in case.get("not_in_body", []) if each in bodies]
    return found


def ids(installation: Installation) -> dict[str, set[str]]:
    """Return the items' ids of the cases whose entries must be updated in place."""
    held = installation.held()
    return {
        mailbox: {item["id"] for item in held.get(mailbox, [])}
        for mailbox, case in EXPECTED.items()
        if case.get("same_items")
    }


# -- the laws ----------------------------------------------------------------------------------------


def test_every_rule_and_every_trap_shows_what_is_written_by_hand(
    tmp_path: Path, migrated_url: str
) -> None:
    monday = made(tmp_path / "monday")
    with installed(tmp_path, monday, migrated_url) as installation:
        installation.work()
        assert installation.asked() == set()  # a fresh installation writes to nobody

        installation.switch_on_all_but("outsider")
        installation.finish_work()
        wanted = expected("entries")
        assert differences(wanted, installation) == []
        assert wrong_bodies(installation) == []
        _only_those_concerned_were_asked(installation, wanted)
        _records_and_waiting_work_are_exact(installation, wanted)

        before = ids(installation)
        later = made(tmp_path / "later", "--week-later")
        installation.now = A_WEEK_LATER
        for change in (installation.plan_as, installation.enrol_as):
            change(monday, later)
            installation.work()
        wanted = expected("later")
        assert differences(wanted, installation) == []
        assert ids(installation) == before
        assert installation.rows("SELECT * FROM parked") == []
        assert installation.get("exchange/private-touched") == {"count": 0}

        installation.send("DELETE", "requests")
        installation.work()
        assert installation.asked() == set()


def _only_those_concerned_were_asked(
    installation: Installation, wanted: dict[str, list[Entry]]
) -> None:
    filled = {mailbox for mailbox, entries in wanted.items() if entries}
    assert installation.asked() == filled | {GHOST}
    assert installation.get("exchange/private-touched") == {"count": 0}
    courses = {each["path"] for each in installation.get("requests") if each["neighbour"] == "tp"}
    assert not any("EKSAMEN" in path for path in courses)


def _records_and_waiting_work_are_exact(
    installation: Installation, wanted: dict[str, list[Entry]]
) -> None:
    many = sum(map(len, wanted.values()))
    assert installation.rows("SELECT status, count(*) FROM entry GROUP BY status") == [
        ("live", many)
    ]
    parked = "SELECT p.address, p.last_error FROM parked p"
    [(address, words)] = installation.rows(parked)
    assert address == "shared@stud.uni.example"
    assert "belongs to another person" in words
    closed = "SELECT address, state FROM calendar WHERE state <> 'active' ORDER BY address"
    assert installation.rows(closed) == [("elsewhere@mail.example", "closed"), (GHOST, "missing")]
    assert installation.rows("SELECT * FROM unmatched_staff") == []
    bad = "SELECT course, bad_events FROM course_run WHERE bad_events > 0"
    assert installation.rows(bad) == [("HC405", 2)]


def test_whom_only_tp_knows_has_no_calendar_where_addresses_come_from_fs(
    tmp_path: Path, migrated_sqlite: str
) -> None:
    university = made(tmp_path / "monday")
    with installed(tmp_path, university, migrated_sqlite, '"epost:INSTITUSJON"') as installation:
        installation.work()
        installation.switch_on_all_but("outsider")
        installation.finish_work()
        unmatched = "SELECT username, course, events FROM unmatched_staff ORDER BY username"
        assert installation.rows(unmatched) == [
            ("ghost", "HC511", 1),
            ("t-substitute", "HC510", 1),
            ("t-with", "HC516", 1),
        ]
        only_by_username = {f"{name}@uni.example" for name in (*TP_ONLY, "ghost")}
        assert installation.asked() & only_by_username == set()
        assert "t-named@uni.example" in installation.asked()
