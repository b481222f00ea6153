"""Every command that a document shows is run, in its order, on an installation of its own."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pika
import pytest

from kalender.app import App
from tests.e2e.house import SOON_OVER, House

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "docs" / f"{name}.md" for name in ("exchange", "operations", "sources")]
FENCE = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
OF_ITS_OWN = "\n## Leaving EWS\n"
FIRST_DAY = re.compile(r"^## The first day\n(.*?)(?=^## )", re.DOTALL | re.MULTILINE)
READ = "[fs]\norganisations = true\nprogrammes = true\n"
STUDENT, OUTSIDE = "st000003@uni.example", "st000005@uni.example"


def commands(document: Path) -> list[list[str]]:
    """Return the words after `kalender` of each command in the document's fences for a shell.

    What stands below OF_ITS_OWN needs two Exchanges, and the first day an installation that never
    ran: they have tests of their own.
    """
    whole, _, _ = document.read_text("utf-8").partition(OF_ITS_OWN)
    return words_of("\n".join(FENCE.findall(FIRST_DAY.sub("", whole))))


def words_of(text: str) -> list[list[str]]:
    """Return the words after `kalender` of each command."""
    joined = text.replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in joined.splitlines()]
    assert all(words[0] == "kalender" for words in lines if words)
    return [words[1:] for words in lines if words]


@pytest.fixture
def queue(amqp_url: str) -> Iterator[str]:
    name = f"from_{uuid4().hex}"
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare(name, durable=True)
    yield name
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_delete(name)


@pytest.fixture
def served(filled: House, amqp_url: str, queue: str) -> House:
    """An installation with a broker, whose calendars are right, and one mailbox out of scope."""
    broker = f'\n[broker]\nurl = "{amqp_url}"\nqueues = ["{queue}"]\n'
    reserved = filled.directory / "reserved.txt"
    reserved.write_text("st000007\n")
    broker += f'[optout.reserved]\nfile = "{reserved}"\n'
    filled.config.write_text(filled.config.read_text() + broker)
    filled.send("PUT", f"exchange/mailbox?address={OUTSIDE}", {"state": "denied"})
    return filled


def meant(house: House, queue: str) -> Mapping[str, str]:
    """What stands for the words in capitals."""
    person = json.loads(house.run("show", STUDENT, "--json"))
    begins = App.machine_now()
    return {
        "PERSON": STUDENT,
        "COURSE": person["registrations"][0]["course"],
        "ADDRESS": STUDENT,
        "OUTSIDE": OUTSIDE,
        "QUEUE": queue,
        "exchange.NAME": "exchange.main",
        "TIME": (begins - timedelta(hours=1)).isoformat(),
        "FROM": datetime.fromisoformat(house.now).isoformat(),
        "UNTIL": (datetime.fromisoformat(house.now) + timedelta(hours=9)).isoformat(),
    }


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_every_command_of_a_document_does_what_it_says(
    document: Path, served: House, queue: str
) -> None:
    words = meant(served, queue)
    for command in commands(document):
        waits = "--wait" in command
        hurried = SOON_OVER if command[0] == "recover" else None
        with served.running("worker") if waits else nullcontext():
            served.run(*(words.get(word, word) for word in command), env=hurried)


def test_the_first_day_goes_word_for_word_as_operations_says(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    (section,) = FIRST_DAY.findall((ROOT / "docs" / "operations.md").read_text("utf-8"))
    reading, pilot, everybody = map(words_of, FENCE.findall(section))
    text = house.config.read_text().replace('mode = "all"', 'mode = "listed"')
    house.config.write_text(text.replace("[fs]\n", READ))
    monkeypatch.chdir(house.university)  # the list lies there
    for words in reading:
        house.run(*words)
    assert house.held() == {}
    with house.running("worker"):
        for words in pilot:
            house.run(*words)
        few = len(json.loads(house.run("rollout", "list", "--json")))
        assert few == 2
        house.wait_until_right(mailbox=STUDENT)
        assert len(house.held()) < len([each for each in house.wanted().values() if each]) / 2
        for words in everybody:
            house.run(*words)
        house.wait_until_right(180)
        assert house.differences() == []


def test_the_documents_show_commands() -> None:
    shown = {document.stem: len(commands(document)) for document in DOCUMENTS}
    assert shown["operations"] > 30
    assert shown["exchange"] >= 3
    assert shown["sources"] >= 6
