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
from tests.e2e.house import House

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "docs" / f"{name}.md" for name in ("exchange", "operations", "sources")]
FENCE = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
OF_ITS_OWN = "\n## Leaving EWS\n"
STUDENT, OUTSIDE = "st000003@uni.example", "st000005@uni.example"


def commands(document: Path) -> list[list[str]]:
    """Return the words after `kalender` of each command in the document's fences for a shell.

    What stands below OF_ITS_OWN needs two Exchanges, and has a test of its own.
    """
    whole, _, _ = document.read_text("utf-8").partition(OF_ITS_OWN)
    text = "\n".join(FENCE.findall(whole)).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in text.splitlines()]
    assert all(words[0] == "kalender" for words in lines if words), document.name
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
        with served.running("worker") if waits else nullcontext():
            served.run(*(words.get(word, word) for word in command))


def test_the_documents_show_commands() -> None:
    shown = {document.stem: len(commands(document)) for document in DOCUMENTS}
    assert shown["operations"] > 30
    assert shown["exchange"] >= 3
    assert shown["sources"] >= 6
