"""The listener on a real broker, through a proxy that can be cut, and with a real table."""

import json
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import pytest
from pydantic import ValidationError

from kalender.broker import BATCH, Broker
from kalender.broker.by_hand import publish, tap, waiting
from kalender.config.sections import BrokerSettings as Settings
from kalender.domain.notification import USUAL
from kalender.domain.work import Mark
from kalender.errors import ConfigError, NeighbourRefused, NeighbourUnavailable
from kalender.listener import Listener
from kalender.ports import Rejected
from tests.fakes.proxy import Proxy, proxied
from tests.servers import TLS_NAME, make_certificates

pytestmark = pytest.mark.integration
NOW = datetime(2025, 8, 18, tzinfo=UTC)


class Table:
    """A real table of marks, how often each was made, and what was rejected."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.away = False
        self.refusals = 0
        self.sizes: list[int] = []
        self.poison = ""
        with self.opened() as connection:
            connection.execute("CREATE TABLE mark (key TEXT PRIMARY KEY, times INT)")
            connection.execute("CREATE TABLE rejected (body BLOB, reason TEXT)")

    @contextmanager
    def opened(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def __call__(self, marks: Sequence[Mark], rejected: Sequence[Rejected], /) -> None:
        if self.away:
            self.refusals += 1
            name = "database"
            raise NeighbourUnavailable(name, "away")
        if self.poison in {mark.key for mark in marks}:
            raise UnicodeError
        with self.opened() as connection:
            connection.executemany(
                "INSERT INTO mark VALUES (?, 1) ON CONFLICT (key) DO UPDATE SET times = times + 1",
                [(mark.key,) for mark in marks],
            )
            connection.executemany(
                "INSERT INTO rejected VALUES (?, ?)",
                [(each.body, each.reason) for each in rejected],
            )
        self.sizes.append(len(marks) + len(rejected))

    @property
    def marks(self) -> dict[str, int]:
        with self.opened() as connection:
            return dict(connection.execute("SELECT key, times FROM mark").fetchall())

    @property
    def rejected(self) -> list[tuple[bytes, str]]:
        with self.opened() as connection:
            return connection.execute("SELECT body, reason FROM rejected").fetchall()


@dataclass
class Rig:
    """A queue of our own, as its administrator and as the listener see it."""

    url: str
    proxy: Proxy
    table: Table
    queue: str = field(default_factory=lambda: f"from_{uuid4().hex}")

    @property
    def seen_url(self) -> str:
        parts = urlsplit(self.url)
        login = parts.netloc.rpartition("@")[0]
        return f"amqp://{login}@127.0.0.1:{self.proxy.port}{parts.path or '/'}"

    def settings(self, *queues: str, query: str = "") -> Settings:
        return Settings.model_validate(
            {"url": self.seen_url + query, "queues": queues or (self.queue,)}
        )

    @contextmanager
    def channel(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        connection = pika.BlockingConnection(pika.URLParameters(self.url))
        try:
            yield connection.channel()
        finally:
            connection.close()

    def declare(self, queue: str | None = None) -> None:
        with self.channel() as channel:
            channel.queue_declare(queue or self.queue, durable=True)

    def delete(self, *queues: str) -> None:
        with self.channel() as channel:
            for queue in queues or (self.queue,):
                channel.queue_delete(queue)

    def send(self, *bodies: bytes, queue: str | None = None) -> None:
        with self.channel() as channel:
            for body in bodies:
                channel.basic_publish("", queue or self.queue, body)

    def left(self) -> int | None:
        return waiting(Settings.model_validate({"url": self.url, "queues": [self.queue]}))[
            self.queue
        ]


@pytest.fixture
def rig(amqp_url: str, tmp_path: Path) -> Iterator[Rig]:
    with proxied(urlsplit(amqp_url).port or 5672) as proxy:
        rig = Rig(amqp_url, proxy, Table(tmp_path / "table.db"))
        rig.declare()
        try:
            yield rig
        finally:
            rig.delete()


@contextmanager
def listening(broker: Broker, table: Table) -> Iterator[threading.Event]:
    stop = threading.Event()
    listener = Listener(table, USUAL, lambda: NOW, jitter=lambda: 0)
    thread = threading.Thread(target=listener.listen, args=(broker, stop))
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def a_broker(settings: Settings) -> Broker:
    return Broker(settings, jitter=lambda: 0)


def until(condition: Callable[[], object], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def person(number: int) -> bytes:
    return json.dumps({"sub": f"personer/{number}"}).encode()


def test_messages_become_marks_in_batches_and_leave_the_queue(rig: Rig) -> None:
    rig.send(*(person(number % 1300) for number in range(2500)), b"strange", person(-1))
    with listening(a_broker(rig.settings()), rig.table):
        until(lambda: sum(rig.table.sizes) == 2502)
    assert rig.table.marks == {f"fs {n}": 2 if n < 1200 else 1 for n in range(1300)}
    assert sorted(body for body, _ in rig.table.rejected) == [b"strange", person(-1)]
    assert max(rig.table.sizes) <= BATCH
    assert len(rig.table.sizes) <= 10
    assert rig.left() == 0


def test_messages_come_in_order_and_soon(rig: Rig) -> None:
    rig.send(*(person(number) for number in range(50)))
    stop = threading.Event()
    for batch in a_broker(rig.settings()).batches(stop):
        assert [each.body for each in batch.deliveries] == [person(n) for n in range(50)]
        assert {each.routing_key for each in batch.deliveries} == {rig.queue}
        batch.acknowledge()
        stop.set()
    assert rig.left() == 0


def test_a_batch_does_not_wait_for_more_for_long(rig: Rig) -> None:
    with listening(a_broker(rig.settings()), rig.table):
        until(lambda: rig.proxy.accepted)
        rig.send(person(1))
        until(lambda: rig.table.marks)
        rig.send(person(2))
        until(lambda: len(rig.table.marks) == 2)
    assert rig.table.sizes == [1, 1]


PROCESS = """
import os, signal, sqlite3, sys, threading
from datetime import UTC, datetime
from kalender.broker import Broker
from kalender.config.sections import BrokerSettings as Settings
from kalender.domain.notification import USUAL
from kalender.listener import Listener
url, queue, path, dies = sys.argv[1:]
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
def store(marks, rejected):
    with sqlite3.connect(path) as connection:
        connection.executemany("INSERT INTO mark VALUES (?, 1)", [(m.key,) for m in marks])
    if dies == "dies":
        os._exit(9)
settings = Settings.model_validate({"url": url, "queues": [queue]})
Listener(store, USUAL, lambda: datetime.now(UTC)).listen(Broker(settings), stop)
"""


@contextmanager
def a_process(rig: Rig, *, dies: bool) -> Iterator[subprocess.Popen[bytes]]:
    arguments = (rig.url, rig.queue, str(rig.table.path), "dies" if dies else "lives")
    with subprocess.Popen([sys.executable, "-c", PROCESS, *arguments]) as process:
        try:
            yield process
        finally:
            process.kill()


def test_told_to_end_the_process_ends_with_everything_kept_and_acknowledged(rig: Rig) -> None:
    rig.send(*(person(number) for number in range(20)))
    with a_process(rig, dies=False) as process:
        until(lambda: len(rig.table.marks) == 20)
        process.terminate()
        assert process.wait(10) == 0
    assert rig.left() == 0


def test_killed_between_commit_and_acknowledgement_the_messages_come_again(rig: Rig) -> None:
    rig.send(*(person(number) for number in range(20)))
    with a_process(rig, dies=True) as process:
        assert process.wait(30) == 9
    assert set(rig.table.marks.values()) == {1}
    with listening(a_broker(rig.settings()), rig.table):
        until(lambda: rig.table.sizes)
    assert rig.table.marks == {f"fs {number}": 2 for number in range(20)}
    assert rig.left() == 0


def test_while_the_database_is_away_batch_and_connection_are_kept(rig: Rig) -> None:
    rig.table.away = True
    rig.send(*(person(number) for number in range(30)))
    with listening(a_broker(rig.settings(query="?heartbeat=1")), rig.table):
        until(lambda: rig.table.refusals >= 4)
        assert rig.table.marks == {}
        rig.table.away = False
        until(lambda: rig.table.marks)  # after 3.75 seconds; the broker hangs up after 2
    assert rig.proxy.accepted == 1
    assert set(rig.table.marks.values()) == {1}
    assert rig.left() == 0


def test_stopped_while_the_database_is_away_the_messages_stay_at_the_broker(rig: Rig) -> None:
    rig.table.away = True
    rig.send(*(person(number) for number in range(30)))
    with listening(a_broker(rig.settings()), rig.table):
        until(lambda: rig.table.refusals)
    until(lambda: rig.left() == 30)


def test_a_connection_lost_while_the_database_is_away_loses_nothing(rig: Rig) -> None:
    rig.table.away = True
    rig.send(*(person(number) for number in range(30)))
    with listening(a_broker(rig.settings()), rig.table):
        until(lambda: rig.table.refusals)
        rig.proxy.cut()
        until(lambda: rig.proxy.accepted == 2)
        rig.table.away = False
        until(lambda: len(rig.table.marks) == 30)
    assert rig.left() == 0


def test_a_broker_that_was_away_is_found_again(rig: Rig) -> None:
    broker = a_broker(rig.settings())
    rig.proxy.refusing = True
    with listening(broker, rig.table):
        until(lambda: broker.failures >= 2)
        assert not broker.connected
        rig.proxy.refusing = False
        until(lambda: broker.connected and not broker.missing)
        rig.send(person(1))
        until(lambda: len(rig.table.marks) == 1)
        rig.proxy.refusing = True
        rig.proxy.cut()
        until(lambda: not broker.connected)
        rig.send(person(2))
        rig.proxy.refusing = False
        until(lambda: len(rig.table.marks) == 2)
    assert rig.left() == 0


def test_messages_cut_off_again_and_again_are_all_marked(rig: Rig) -> None:
    rig.send(*(person(number) for number in range(6000)))
    with listening(a_broker(rig.settings()), rig.table):
        for size in (1, 3, 5):
            until(lambda size=size: len(rig.table.sizes) >= size)  # type: ignore[misc]
            rig.proxy.cut()
        until(lambda: len(rig.table.marks) == 6000 and rig.left() == 0)
    assert rig.left() == 0


def test_a_missing_queue_is_told_and_the_others_are_consumed(rig: Rig) -> None:
    missing = f"{rig.queue}_tp"
    broker = a_broker(rig.settings(missing, rig.queue))
    with listening(broker, rig.table):
        until(lambda: broker.missing == {missing})
        rig.send(person(1))
        until(lambda: rig.table.marks)
        rig.declare(missing)
        rig.send(person(2), queue=missing)
        until(lambda: len(rig.table.marks) == 2)
        assert not broker.missing
    assert rig.proxy.accepted == 1
    rig.delete(missing)


def test_a_queue_deleted_and_made_again_is_consumed_again(rig: Rig) -> None:
    broker = a_broker(rig.settings())
    with listening(broker, rig.table):
        until(lambda: broker.connected and not broker.missing)
        rig.delete()
        until(lambda: broker.missing)
        rig.declare()
        rig.send(person(1))
        until(lambda: rig.table.marks)


def test_several_queues_are_acknowledged_each(rig: Rig) -> None:
    other = f"{rig.queue}_tp"
    rig.declare(other)
    rig.send(*(person(number) for number in range(40)))
    rig.send(*(person(number) for number in range(40, 80)), queue=other)
    with listening(a_broker(rig.settings(rig.queue, other)), rig.table):
        until(lambda: len(rig.table.marks) == 80)
    assert rig.left() == 0
    assert waiting(rig.settings(other)) == {other: 0}
    rig.delete(other)


def test_one_message_that_cannot_be_kept_stops_no_other(rig: Rig) -> None:
    rig.table.poison = "fs 7"
    rig.send(*(person(number) for number in range(20)))
    with listening(a_broker(rig.settings()), rig.table):
        until(lambda: rig.table.rejected)
        until(lambda: len(rig.table.marks) == 19)
    assert rig.table.rejected == [(person(7), "UnicodeError")]
    assert rig.left() == 0


def test_stopped_what_is_in_hand_is_kept_and_acknowledged_and_the_rest_stays(rig: Rig) -> None:
    rig.send(*(person(number) for number in range(5000)))
    stop = threading.Event()

    def stopping(marks: Sequence[Mark], rejected: Sequence[Rejected], /) -> None:
        rig.table(marks, rejected)
        stop.set()

    Listener(stopping, USUAL, lambda: NOW).listen(a_broker(rig.settings()), stop)
    kept = len(rig.table.marks)
    assert 0 < kept <= BATCH
    until(lambda: rig.left() == 5000 - kept)


# -- TLS ---------------------------------------------------------------------------------------


def over_tls(amqps: tuple[str, Path], rig: Rig, **more: object) -> Settings:
    url, ca_file = amqps
    return Settings.model_validate({"url": url, "queues": [rig.queue], "ca_file": ca_file, **more})


def test_tls_is_spoken_with_a_broker_whose_authority_is_ours(
    rig: Rig, amqps: tuple[str, Path]
) -> None:
    rig.send(person(1))
    with listening(a_broker(over_tls(amqps, rig, server_name=TLS_NAME)), rig.table):
        until(lambda: rig.table.marks)
    assert waiting(over_tls(amqps, rig)) == {rig.queue: 0}


def test_tls_sends_and_looks_for_the_servers_name(rig: Rig, tmp_path: Path) -> None:
    ca_file = make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with proxied(rig.proxy.target, context) as proxy:
        given = (f"amqps://guest:guest@localhost:{proxy.port}/", ca_file)
        for name in (None, TLS_NAME):
            assert waiting(over_tls(given, rig, server_name=name)) == {rig.queue: 0}
        with pytest.raises(NeighbourUnavailable):
            waiting(over_tls(given, rig, server_name="elsewhere.example"))
        assert proxy.names == ["localhost", TLS_NAME, "elsewhere.example"]


def test_tls_of_a_strange_authority_is_refused(
    rig: Rig, amqps: tuple[str, Path], tmp_path: Path
) -> None:
    rig.send(person(1))
    for ca_file in (make_certificates(tmp_path), None):
        broker = a_broker(over_tls(amqps, rig, ca_file=ca_file))
        with listening(broker, rig.table):
            until(lambda broker=broker: broker.failures >= 2)  # type: ignore[misc]  # bound now
            assert not broker.connected
    assert rig.table.marks == {}
    assert rig.left() == 1


def test_a_file_of_no_certificates_is_refused_in_words(rig: Rig, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing", encoding="utf-8")
    raw = {"url": "amqps://x/", "queues": [rig.queue], "ca_file": tmp_path / "ca.pem"}
    with pytest.raises(ValidationError, match="cannot be used: give a file of certificates"):
        Settings.model_validate(raw)


@pytest.mark.parametrize("url", ["amqps://ola@x/", "amqp://x:port/", "amqp://x/?colour=red"])
def test_a_url_that_cannot_be_read_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises((ConfigError, ValidationError), match="cannot be read") as caught:
        Broker(Settings.model_validate({"url": url, "queues": ["q"]}))
    assert caught.value.__context__ is None
    assert url not in str(caught.value)


# -- by hand -----------------------------------------------------------------------------------


def test_what_is_published_is_in_the_queue(rig: Rig) -> None:
    publish(rig.settings(), "", rig.queue, person(1))
    assert waiting(rig.settings()) == {rig.queue: 1}


def test_what_no_queue_takes_is_told(rig: Rig) -> None:
    with pytest.raises(ConfigError, match="no queue is bound"):
        publish(rig.settings(), "", f"{rig.queue}_nowhere", person(1))
    with pytest.raises(ConfigError, match=r"no such exchange.*\(404\)"):
        publish(rig.settings(), "outgoing_nowhere", "x", person(1))


def test_tapping_shows_what_waits_and_takes_nothing(rig: Rig) -> None:
    rig.send(*(person(number) for number in range(5)))
    shown = list(tap(rig.settings(), rig.queue, limit=3))
    assert [each.body for each in shown] == [person(0), person(1), person(2)]
    until(lambda: rig.left() == 5)
    assert len(list(tap(rig.settings(), rig.queue, limit=100, seconds=0.3))) == 5
    until(lambda: rig.left() == 5)


def test_a_queue_that_is_not_there_is_told(rig: Rig) -> None:
    with pytest.raises(ConfigError, match=r"there is no queue nowhere.*\(404\)"):
        list(tap(rig.settings(), "nowhere", limit=1))
    assert waiting(rig.settings("nowhere", rig.queue)) == {"nowhere": None, rig.queue: 0}


def test_a_wrong_password_is_refused_and_nobody_at_home_is_away(rig: Rig) -> None:
    wrong = {"url": f"amqp://nobody:hemmelig@127.0.0.1:{rig.proxy.port}/", "queues": [rig.queue]}
    with pytest.raises(NeighbourRefused, match="refuses us"):
        waiting(Settings.model_validate(wrong))
    rig.proxy.refusing = True
    with pytest.raises(NeighbourUnavailable, match="does not answer"):
        waiting(rig.settings())
