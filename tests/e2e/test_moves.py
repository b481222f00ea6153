"""Mailboxes move between Exchange and Exchange Online, and the real worker follows them."""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json
from kalender.sandbox.server import Endpoints
from tests.e2e.conftest import NOW
from tests.e2e.house import House
from tests.served import start

pytestmark = pytest.mark.e2e
NEVER_THE_SAME = {"id", "change_key", "touched"}
ONLINE = """
[exchange]
default = "main"

[exchange.cloud]
kind = "graph"
tenant = "sandbox"
client_id = "kalender"
client_secret = "kalender"
base_url = "{}"
login_url = "{}"
ca_file = "{}"
"""
NEITHER = [{"old": "moving", "new": "absent"}, {"old": "absent", "new": "absent"}]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An installation whose people have their mailboxes on both backends, and all are right."""
    directory = tmp_path / "served"
    generate(directory, students=20)
    with start(directory, graph="half") as sandbox:
        database = f"sqlite:///{tmp_path}/k.db"
        made = House(tmp_path, directory, sandbox, database, NOW, "epost:INSTITUSJON")
        text = made.config.read_text().replace("uio.example", "uni.example")
        made.config.write_text(text + _online(sandbox.endpoints))
        made.run("db", "upgrade")
        made.run("resync", "--all")
        made.run("worker", "--until-idle")
        assert made.differences() == []
        yield made
        made.assert_logs_are_clean()


def _online(ends: Endpoints) -> str:
    return ONLINE.format(ends.graph, ends.login, ends.login_ca)


def work(house: House, mailboxes: Sequence[str], *, retries: int = 0) -> None:
    """Look into these calendars and do all that is due; try what was put off at once, so often."""
    for words in (["verify", *mailboxes], *[["retry", "--all"]] * retries):
        house.run(*words)
        house.run("worker", "--until-idle")


def ask_in_vain(house: House, mailboxes: Sequence[str]) -> None:
    """Let a worker ask for these calendars until each of them waits to be tried again.

    One that works until it is idle would try them again for a minute.
    """
    house.run("verify", *mailboxes)
    house.run("retry", "--all")
    pause = threading.Event()
    with house.running("worker"):
        for _ in range(600):
            work = json.loads(house.run("status", "--json"))["work"]
            calendars = [each for each in work if each["kind"] == "calendar"]
            tried = sum(each["waiting"] for each in calendars if each["attempts"])
            if tried == len(mailboxes) and not any(e["due"] + e["claimed"] for e in calendars):
                return
            pause.wait(0.1)
    raise AssertionError(house.run("status"))


def move(house: House, mailboxes: Sequence[str], to: str, **words: str) -> set[str]:
    """Let mailboxes move, or go on; return where they live now."""
    asked = {"to": to, "mailboxes": list(mailboxes), **words}
    return set(house.send("POST", "graph/moves", asked).values())


def entries(house: House, mailbox: str) -> list[Json]:
    """Return our entries in a calendar, in the order of their keys."""
    items = [i for i in house.items(mailbox) if i["sync_key"] and i["folder"] == "calendar"]
    return sorted(items, key=lambda item: str(item["sync_key"]))


def said(items: Sequence[Json]) -> list[Json]:
    """Return what items say, wherever they stand."""
    return [{k: v for k, v in item.items() if k not in NEVER_THE_SAME} for item in items]


@pytest.mark.parametrize("to", ["graph", "ews"])
def test_mailboxes_that_move_are_followed_by_the_key_and_nothing_in_them_is_touched(
    house: House, to: str
) -> None:
    places = house.get("graph/mailboxes")
    moved = [mailbox for mailbox in sorted(house.held()) if places[mailbox] != to][:5]
    for mailbox in moved:
        key = entries(house, mailbox)[0]["sync_key"]
        told = {"mailbox": mailbox, "sync_key": key, "do": "annotate", "text": "ta med"}
        house.send("POST", "exchange/meddle", told)
    work(house, moved)
    before = {mailbox: said(house.items(mailbox)) for mailbox in moved}
    for phase in NEITHER:
        assert move(house, moved, to, **phase) == set(places.values()) - {to}
        ask_in_vain(house, moved)
        assert {mailbox: said(house.items(mailbox)) for mailbox in moved} == before
    assert move(house, moved, to) == {to}
    work(house, moved, retries=2)
    assert house.differences() == []
    assert {mailbox: said(house.items(mailbox)) for mailbox in moved} == before
    for mailbox in moved:
        events = Counter(item["sync_key"].rpartition("#")[0] for item in entries(house, mailbox))
        assert set(events.values()) == {1}
        assert "ta med" in entries(house, mailbox)[0]["body"]
    found = json.loads(house.run("status", "--json"))
    assert (found["verdict"]["state"], found["parked"]) == ("healthy", 0), found["verdict"]
    assert house.get("exchange/private-touched") == {"count": 0}
    assert house.get("exchange/mails") == []
