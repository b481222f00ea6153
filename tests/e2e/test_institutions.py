"""Two institutions beside each other, by configuration alone, on one database server and broker.

Both have the same people, courses and numbers, so that whatever crossed over would be believed.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from kalender.sandbox.generate import generate
from tests import servers
from tests.databases import cloned
from tests.e2e.house import House
from tests.served import start

NOW = "2025-08-18T08:00+02:00"
NAMES = {"uio": 185, "uib": 184}
COURSE = "MAT1000"

EXCHANGE = f"institutions-{uuid4().hex[:8]}"  # ours alone: other tests publish to amq.topic

pytestmark = [pytest.mark.e2e, pytest.mark.integration]


@contextmanager
def channel(amqp_url: str) -> Iterator[BlockingChannel]:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        yield connection.channel()


@pytest.fixture
def queues(amqp_url: str) -> Iterator[dict[str, str]]:
    """A queue for each institution, bound to its own keys on one exchange."""
    mine = {name: f"{name}-{uuid4().hex[:8]}" for name in NAMES}
    with channel(amqp_url) as open_:
        open_.exchange_declare(EXCHANGE, "topic")
        for name, queue in mine.items():
            open_.queue_declare(queue, durable=True)
            open_.queue_bind(queue, EXCHANGE, f"no.{name}.#")
    yield mine
    with channel(amqp_url) as open_:
        for queue in mine.values():
            open_.queue_delete(queue)
        open_.exchange_delete(EXCHANGE)


@pytest.fixture
def houses(
    tmp_path: Path,
    running: dict[str, str],
    migrated_template: str,
    amqp_url: str,
    queues: dict[str, str],
) -> Iterator[dict[str, House]]:
    """An installation for each, set up by its own file alone."""
    with ExitStack() as stack:
        made = {}
        for name, number in NAMES.items():
            directory = tmp_path / name
            university = directory / "university"
            generate(university, students=5)
            name_anew(university, name, number)
            sandbox = stack.enter_context(start(university))
            url = stack.enter_context(cloned(running[servers.DATABASE], migrated_template))
            broker = f'[broker]\nurl = "{amqp_url}"\nqueues = ["{queues[name]}"]\n'
            house = House(directory, university, sandbox, url, NOW, "epost:INSTITUSJON", broker)
            own = house.config.read_text().replace("uio.example", f"{name}.example")
            own = own.replace("processes = 2", "processes = 1")  # enough for five
            house.config.write_text(own.replace("number = 185", f"number = {number}"))
            made[name] = house
        yield made


def name_anew(university: Path, name: str, number: int) -> None:
    """Let a made-up university be that of another institution."""
    for path in [university / "university.json", *(university / "fs").iterdir()]:
        said = path.read_text("utf-8")
        for before, after in (
            ('"institusjon":185', f'"institusjon":{number}'),
            ('"institution":185', f'"institution":{number}'),
            ("/185,", f"/{number},"),
            ("@uni.example", f"@{name}.example"),
        ):
            said = said.replace(before, after)
        path.write_text(said, "utf-8")


def move(house: House, hour: int) -> None:
    """Move a course's coming lectures."""

    def change(answer: dict[str, list[dict[str, str]]]) -> None:
        for event in [e for e in answer["events"] if e["dtstart"] > "2025-09"]:
            day = event["dtstart"][:10]
            event["dtstart"], event["dtend"] = f"{day}T{hour}:15:00+02", f"{day}T{hour}:59:00+02"

    house.change_course(COURSE, change)


def notify(amqp_url: str, *names: str) -> None:
    """Tell these institutions that the course changed."""
    body = json.dumps({"sub": f"course/{COURSE},25h,1", "iss": "TP-test"}).encode()
    with channel(amqp_url) as open_:
        for name in names:
            open_.basic_publish(EXCHANGE, f"no.{name}.tp.TP-test.course.update", body)


def asked(house: House) -> dict[str, int]:
    """How often each neighbour was asked anything since the log was emptied."""
    return {name: count for name, count in house.get("counters").items() if count}


def test_neither_institution_sees_the_others(houses: dict[str, House], amqp_url: str) -> None:
    with ExitStack() as stack:
        for house in houses.values():
            house.run("db", "upgrade")
            house.run("resync", "--all")
            stack.enter_context(house.running("listener"))
            stack.enter_context(house.running("worker"))
        for house in houses.values():
            house.wait_until_right()
            house.run("worker", "--until-idle")
        for mine, other in (("uio", "uib"), ("uib", "uio")):
            houses[other].send("DELETE", "requests")
            move(houses[mine], 18)
            notify(amqp_url, mine)
            houses[mine].wait_until_right()
            assert asked(houses[other]) == {}
            assert houses[other].differences() == []
        for hour, house in enumerate(houses.values(), start=19):
            move(house, hour)
        notify(amqp_url, *houses)
        for house in houses.values():
            house.wait_until_right()
    for name, house in houses.items():
        assert_own(house, name)


def assert_own(house: House, name: str) -> None:
    """Nobody and nothing of another is in calendars, tables, queue or logs."""
    held = house.held()
    assert held
    assert all(address.endswith(f"@{name}.example") for address in held)
    found = json.loads(house.run("status", "--json"))
    assert sum(row["calendars"] for row in found["calendars"]) >= len(held)
    assert json.loads(house.run("tap", "--json")) == []
    assert house.get("exchange/private-touched")["count"] == 0
    house.assert_logs_are_clean()
