"""What docs/exchange.md says under "Leaving EWS" is done word for word, and prints what stands there."""

import json
import os
import pty
import re
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from kalender.sandbox.installation import Json
from tests.e2e.conftest import Template, filled_house
from tests.e2e.house import House
from tests.e2e.test_documents import DOCUMENTS, OF_ITS_OWN

pytestmark = pytest.mark.e2e
PART = DOCUMENTS[0].read_text("utf-8").partition(OF_ITS_OWN)[2]
STEPS = dict(re.findall(r"^### (.+)\n((?:.|\n(?!### ))*)", PART, re.MULTILINE))
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
RATE = re.compile(r"(?<=^followed, )\d+", re.MULTILINE)
DATE, NOTE, GUEST = "2025-08-18", "ta med", "guest@elsewhere.example"
TEST_MAILBOX, OUTSIDE = "test@uni.example", "board@uni.example"
QUICKLY = "\n[moves]\nper_minute = 1200\n"
pause = threading.Event().wait


class Step:
    """The commands of one step of the document, in their order, each with what it prints there."""

    def __init__(self, house: House, heading: str, **words: str) -> None:
        self.house, self.words = house, {"DATE": DATE, "people.txt": "", **words}
        self.commands: list[tuple[list[str], str]] = []
        for kind, content in FENCE.findall(STEPS.pop(heading)):
            if kind == "sh":
                self.commands += [(shlex.split(line)[1:], "") for line in content.splitlines()]
            elif kind == "text":
                self.commands[-1] = (self.commands[-1][0], content)

    def next(self, begin: str) -> tuple[list[str], str]:
        """Return the words of the next command, which begins so, and what it prints."""
        command, shown = self.commands.pop(0)
        assert " ".join(command).startswith(begin)
        return [self.words.get(word, word) for word in command], shown.replace("DATE", DATE)

    def run(self, begin: str) -> str:
        """Carry the next command out; what it prints is what the document says."""
        command, shown = self.next(begin)
        printed = self.house.run(*command)
        if shown:
            assert RATE.sub("N", printed) == RATE.sub("N", shown)
        return printed

    def run_for(self, begin: str, persons: Sequence[str]) -> list[str]:
        """Carry the next command out for each of these persons; return what it prints of each."""
        command, _ = self.next(begin)
        assert "PERSON" in command
        return [self.house.run(*(p if w == "PERSON" else w for w in command)) for p in persons]

    def settings(self) -> str:
        """Return the settings that the step shows."""
        return "".join(content for kind, content in FENCE.findall(PART) if kind == "toml")


@pytest.fixture
def house(tmp_path: Path, template: Template) -> Iterator[House]:
    """An installation on EWS alone, whose calendars are right; a Graph is there beside it."""
    with filled_house(tmp_path, template, graph="half") as made:
        made.send("POST", "exchange/mailboxes", {"addresses": [TEST_MAILBOX, OUTSIDE]})
        move(made, [TEST_MAILBOX, OUTSIDE])
        made.send("PUT", f"exchange/mailbox?address={OUTSIDE}", {"state": "denied"})
        yield made


def move(house: House, mailboxes: Sequence[str], **told: object) -> None:
    house.send("POST", "graph/moves", {"to": "graph", "mailboxes": list(mailboxes), **told})


def counts(house: House) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(house.run("move", "status", "--json"))
    return told


def work(house: House, *, until: Callable[[dict[str, Any]], bool]) -> None:
    """Let a worker work until what `move status` counts is so, and nothing is due."""
    with house.running("worker"):
        end = monotonic() + 60
        while not until(told := counts(house)):
            assert monotonic() < end, told
            pause(1.0)
    house.run("worker", "--until-idle")


def on_ews(house: House) -> list[str]:
    """Return the addresses on EWS that hold entries, those with the most first."""
    places, held = house.get("graph/mailboxes"), house.held()
    return sorted((a for a in held if places[a] == "ews"), key=lambda a: (-len(held[a]), a))


def entries(house: House, mailbox: str, *, keyed: bool = True) -> list[Json]:
    """Return our entries in a calendar, or what else stands there beside the private."""
    inside = [i for i in house.items(mailbox) if i["folder"] == "calendar" and not i["private"]]
    return sorted(
        (i for i in inside if bool(i["sync_key"]) is keyed), key=lambda i: str(i["start"])
    )


def answered(house: House, words: Sequence[str], answer: str) -> tuple[int, str]:
    """Run a command at a terminal, on which its question is answered; return code and output."""
    ours, its = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    done = subprocess.run(
        house.command(*words), stdin=its, capture_output=True, text=True, check=False, timeout=60
    )
    os.close(its)
    os.close(ours)
    return done.returncode, done.stdout + done.stderr


def test_each_step_from_ews_alone_to_graph_alone_is_as_the_document_says(house: House) -> None:
    have_both(house)
    prove_with_a_pilot(house)
    go_on_by_lists(house)
    take_what_lost_its_keys(house)
    end_ews(house)
    assert STEPS == {}
    assert house.get("exchange/mails") == []
    assert house.get("exchange/private-touched") == {"count": 0}
    assert house.differences() == []


def have_both(house: House) -> None:
    step = Step(house, "Both configured", ADDRESS=TEST_MAILBOX, OUTSIDE=OUTSIDE)
    ends, secret = house.sandbox.endpoints, house.directory / "secret"
    secret.write_text("kalender")
    settings = step.settings().replace("TENANT", "sandbox").replace("CLIENT", "kalender")
    settings = re.sub(r'(?<=client_secret_file = ").*(?=")', str(secret), settings)
    settings += (
        f'base_url = "{ends.graph}"\nlogin_url = "{ends.login}"\nca_file = "{ends.login_ca}"\n'
    )
    house.config.write_text(house.config.read_text() + settings + QUICKLY)
    before = house.all_items()
    assert "one entry written and taken back" in step.run("check --mailbox")
    assert ", 0 left" in step.run("check --probe")
    house.run("worker", "--until-idle")
    step.run("move status")
    assert step.commands == []
    after = house.all_items()
    assert {a: after[a] for a in before if a != TEST_MAILBOX} == {
        a: before[a] for a in before if a != TEST_MAILBOX
    }


def prove_with_a_pilot(house: House) -> None:
    pilot = on_ews(house)[:5]
    for mailbox, deed in zip(
        pilot,
        (
            {"do": "annotate", "text": NOTE},
            {"do": "delete"},
            {"do": "invite", "attendee": GUEST},
        ),
        strict=False,
    ):
        chosen = entries(house, mailbox)[-1]["id"]
        house.send("POST", "exchange/meddle", {"mailbox": mailbox, "id": chosen, **deed})
    step = Step(house, "A pilot of five mailboxes")
    step.run_for("verify", pilot)
    house.run("worker", "--until-idle")
    assert all("entries" in shown for shown in step.run_for("show", pilot))
    assert step.commands == []
    keys = {mailbox: [item["sync_key"] for item in entries(house, mailbox)] for mailbox in pilot}
    step = Step(house, "Proof that the keys are found on the other side")
    move(house, pilot)
    step.run_for("verify", pilot)
    work(house, until=lambda told: told["moved"] == 5)
    step.run("move status")
    for log in step.run_for("log", pilot):
        since, moved, _ = log.partition("move follow")
        assert moved
        assert "create" not in since
    assert step.commands == []
    now = {mailbox: entries(house, mailbox) for mailbox in pilot}
    assert {mailbox: [item["sync_key"] for item in now[mailbox]] for mailbox in pilot} == keys
    assert NOTE in now[pilot[0]][-1]["body"]
    assert now[pilot[2]][-1]["attendees"] == [GUEST]
    assert house.differences() == []


def go_on_by_lists(house: House) -> None:
    listed, people = on_ews(house)[:6], house.directory / "people.txt"
    people.write_text("\n".join(listed))
    step = Step(house, "The campaign", **{"people.txt": str(people)})
    step.run("move announce")
    move(house, listed)
    work(house, until=lambda told: told["announced"] == 0)
    step.run("move status")
    assert step.commands == []
    assert Step(house, "New mailboxes").commands == []
    text = house.config.read_text()
    house.config.write_text(text.replace('default = "main"', 'default = "cloud"'))
    assert house.differences() == []


def take_what_lost_its_keys(house: House) -> None:
    step = Step(house, "When a migration tool drops the property")
    dropped = on_ews(house)[:3]
    numbers = [len(entries(house, mailbox)) for mailbox in dropped]
    move(house, dropped, properties=False)
    house.run("verify", *dropped)
    work(house, until=lambda told: bool(told["waiting"] == 3 and told["paused"]))
    assert "all moves are paused: 3 moved calendars within an hour" in step.run("move status")
    step.words["PERSON"] = dropped[0]
    accept, _ = step.next("move accept PERSON")
    said = f"up to {numbers[0]} entries of 1 calendars are written anew"
    code, told = answered(house, accept, "n")
    assert (code, f"{said}. Go on?" in told) == (1, True), told
    assert counts(house)["waiting"] == 3
    code, told = answered(house, accept, "y")
    assert (code, told.count(said)) == (0, 2), told
    work(house, until=lambda told: bool(told["waiting"] == 2))
    accept_all, _ = step.next("move accept --all")
    code, told = answered(house, accept_all, "y")
    said = f"up to {sum(numbers[1:])} entries of 2 calendars are written anew"
    assert (code, told.count(said)) == (0, 2), told
    step.run("move resume")
    assert step.commands == []
    work(house, until=lambda told: told["waiting"] == 0)
    assert [len(entries(house, mailbox)) for mailbox in dropped] == numbers
    assert [len(entries(house, mailbox, keyed=False)) for mailbox in dropped] == numbers
    assert house.differences() == []


def end_ews(house: House) -> None:
    step = Step(house, "The end of EWS")
    *moved, in_both, left_over = on_ews(house)
    for _ in range(3):  # audiences
        step.run("move announce")
    move(house, moved)
    move(house, [in_both], old="full", new="full")
    work(house, until=lambda told: bool(told["living"].get("main", 0) == 1))
    assert "at main: 1 calendars" in step.run("move status")
    assert step.commands == []
    move(house, [in_both, left_over])
    text = re.sub(r"\n\[exchange.main\]\n[^\[]*", "\n", house.config.read_text())
    assert "exchange.main" not in text
    house.config.write_text(text)
    house.run("verify", left_over)
    work(house, until=lambda told: list(told["living"]) == ["cloud"])
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    overview = json.loads(house.run("status", "--json"))
    assert (overview["verdict"]["state"], overview["parked"]) == ("healthy", 0)
