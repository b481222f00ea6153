"""Mailboxes move from EWS to Graph: a campaign, what waits, and what operators decide."""

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.e2e.conftest import NOW
from tests.e2e.house import House
from tests.served import start

pytestmark = pytest.mark.e2e
pause = threading.Event().wait
CLOUD = """
[exchange.cloud]
kind = "graph"
tenant = "uni.example"
client_id = "kalender"
client_secret = "kalender"
base_url = "{graph}"
login_url = "{login}"
ca_file = "{login_ca}"
"""
Row = tuple[list[str], int, str]
WITHOUT_MOVES: list[Row] = [
    (["move", "accept"], 2, "move accept wants a person, or --all"),
    (["move", "accept", "--all"], 1, "no moved calendar waits"),
    (["move", "accept", "st000003"], 1, "no moved calendar of person"),
    (["move", "wait", "nobody"], 1, "nobody is known by that"),
    (["move", "resume"], 2, "moves are not paused"),
    (["move", "pause"], 2, "Missing option '--reason'"),
    (["move", "status", "--jsn"], 2, "No such option"),
    (["move", "announce", "moon", "--cancel"], 2, "no [exchange.NAME] of that name: cloud, main"),
    (
        ["move", "announce", "cloud", "--cancel"],
        2,
        "move announce wants a file (- standard input) or --audience",
    ),
    (
        ["move", "announce", "cloud", "--audience", "dean", "--cancel"],
        2,
        "--audience wants both, student, teacher",
    ),
    (
        ["move", "announce", "cloud", "--audience", "student"],
        2,
        "move announce wants --from DATE, or --cancel",
    ),
    (
        ["move", "announce", "cloud", "--audience", "student", "--from", "soon"],
        2,
        "--from is given as 2025-09-01",
    ),
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A university of a few people, half of whom have their mailbox on Graph."""
    directory = tmp_path_factory.mktemp("campaign")
    generate(directory / "served", students=20)
    with start(directory / "served", graph="half") as running:
        yield running


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, sandbox: Running) -> Iterator[House]:
    """An installation on both, whose calendars are right."""
    directory = tmp_path_factory.getbasetemp()
    served = next(directory.glob("campaign*")) / "served"
    home = tmp_path_factory.mktemp("house")
    made = House(home, served, sandbox, f"sqlite:///{home}/k.db", NOW, "epost:INSTITUSJON")
    ends = sandbox.endpoints
    text = made.config.read_text().replace("uio.example", "uni.example")
    text = text.replace("processes = 2", "processes = 1")  # enough for twenty
    text = text.replace("[exchange.main]", '[exchange]\ndefault = "main"\n\n[exchange.main]')
    cloud = CLOUD.format(graph=ends.graph, login=ends.login, login_ca=ends.login_ca)
    made.config.write_text(text.replace("[rollout]", f"{cloud}\n[rollout]"))
    made.run("db", "upgrade")
    made.run("resync", "--all")
    made.run("worker", "--until-idle")
    assert made.differences() == []
    yield made
    made.assert_logs_are_clean()


def status(house: House) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(house.run("move", "status", "--json"))
    return told


def until(so: Callable[[], bool], seconds: float = 90.0) -> None:
    end = monotonic() + seconds
    while not so():
        assert monotonic() < end
        pause(1)


def on_ews(house: House, count: int) -> list[str]:
    """Return the usernames of so many students whose mailboxes are on EWS and have entries."""
    places = house.get("graph/mailboxes")
    held = house.held()
    addresses = [
        address
        for address, place in sorted(places.items())
        if place == "ews" and address.startswith("st") and len(held.get(address, [])) > 3
    ]
    assert len(addresses) >= count
    return [address.partition("@")[0] for address in addresses[:count]]


def move(house: House, usernames: list[str], **told: object) -> None:
    mailboxes = [f"{username}@uni.example" for username in usernames]
    house.send("POST", "graph/moves", {"to": "graph", "mailboxes": mailboxes, **told})


@pytest.mark.parametrize(("words", "code", "message"), WITHOUT_MOVES)
def test_what_cannot_be_done_is_said(
    house: House, words: list[str], code: int, message: str
) -> None:
    done = house.done(*words)
    assert done.returncode == code
    assert message in " ".join(done.stderr.split())


def test_an_announced_campaign_is_followed_and_counted(house: House, tmp_path: Path) -> None:
    before = status(house)
    assert sorted(before["living"]) == ["cloud", "main"]
    assert before["moved"] == 0  # whoever was found in the cloud at once did not move
    people = on_ews(house, 3)
    listed = tmp_path / "people.txt"
    listed.write_text("\n".join([*people, "nobody"]))
    done = house.done("move", "announce", "cloud", "--from", "2025-08-18", str(listed))
    assert done.returncode == 1
    assert "number 4 (nobody) of the list" in done.stderr
    assert status(house)["announced"] == 3
    house.run("move", "announce", "cloud", "--cancel", str(listed), expect=1)
    assert status(house)["announced"] == 0
    listed.write_text("\n".join(people))
    house.run("move", "announce", "cloud", "--from", "2025-08-18", str(listed))
    move(house, people)
    with house.running("worker"):
        until(lambda: status(house)["moved"] == 3)
    house.run("worker", "--until-idle")
    after = status(house)
    assert (after["moved"], after["announced"], after["waiting"]) == (3, 0, 0)
    assert after["living"]["cloud"] == before["living"]["cloud"] + 3
    assert "at cloud:" in house.run("move", "status")
    assert house.differences() == []
    acts = json.loads(house.run("log", "--person", people[0], "--json"))
    assert [act["what"] for act in acts if act["what"].startswith("move")] == ["move follow"]
    shown = json.loads(house.run("show", people[0], "--json"))
    assert [m["to_backend"] for row in shown["calendars"] for m in row["moves"]] == ["cloud"]


def test_a_retry_looks_at_once_at_a_moved_calendar_that_waits(house: House) -> None:
    (username,) = on_ews(house, 1)
    move(house, [username], old="absent", new="empty")
    house.run("verify", username)
    house.run("worker", "--until-idle")
    (row,) = status(house)["waiting_calendars"]
    assert (row["username"], row["looks"]) == (username, 1)
    move(house, [username])
    house.run("retry", "--all")
    house.run("worker", "--until-idle")
    assert status(house)["waiting"] == 1  # a whole campaign is not brought forward
    house.run("retry", username)
    house.run("worker", "--until-idle")
    assert status(house)["waiting"] == 0
    assert house.differences() == []


def test_what_lost_its_keys_waits_for_an_operator_and_three_pause_all(house: House) -> None:
    people = on_ews(house, 4)
    move(house, people[:3], properties=False)
    for username in people[:3]:
        house.run("verify", username)
    house.run("worker", "--until-idle")
    told = status(house)
    assert (told["waiting"], told["unanswered"]) == (3, 3)
    assert "3 moved calendars within an hour" in told["paused"]
    assert {row["present"] for row in told["waiting_calendars"]} == {0}
    assert "waiting" in house.run("move", "status")
    is_named_where_one_looks(house, people[0])
    # the others go on, and a mailbox that moves meanwhile waits for the end of the pause
    move(house, people[3:])
    house.run("verify", people[3])
    house.run("worker", "--until-idle")
    assert status(house)["followed"] == 1
    house.run("move", "wait", people[0], "--reason", "not copied yet")
    assert status(house)["unanswered"] == 2
    refused = house.done("move", "accept", people[1])
    assert "entries of 1 calendars are written anew. --yes says so" in refused.stderr
    assert "--dry-run" not in refused.stderr  # there is none
    house.run("move", "accept", people[1], "--yes")
    house.run("worker", "--until-idle")
    assert status(house)["waiting"] == 2
    house.run("move", "resume")
    assert status(house)["paused"] is None
    house.run("move", "pause", "--reason", "looking", "--for", "1h")
    assert "looking" in status(house)["paused"]
    assert "all moves are paused" in house.run("move", "status")
    house.run("move", "resume")
    house.run("move", "accept", "--all", "--yes")
    with house.running("worker"):
        until(lambda: status(house)["waiting"] + status(house)["followed"] == 0)
    house.run("worker", "--until-idle")
    assert [line for line in house.differences() if " lacks " in line] == []


def is_named_where_one_looks(house: House, username: str) -> None:
    overview = json.loads(house.run("status", "--json"))
    conditions = {c["condition"]: c for c in [overview["verdict"], *overview["also"]]}
    assert conditions["moves-wait"]["count"] == 3
    assert conditions["moves-paused"]["state"] == "held"
    assert "all-fails-alike" not in conditions
    assert overview["moves"]["waiting"] == 3
    shown = json.loads(house.run("show", username, "--json"))
    assert shown["calendars"][0]["moves"][0]["present"] == 0
    assert "shows 0 of" in house.run("show", username)
    why = json.loads(house.run("why", username, shown["registrations"][0]["course"], "--json"))
    (failing,) = [check for check in why if check["first_failing"]]
    assert (failing["check"], failing["case"]) == ("mailbox", "moved")
    assert "kalender move accept" in failing["remedy"]
