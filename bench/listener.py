"""The listener against a bare loop: pika, json, one upsert a thousand, commit, one acknowledgement."""

import json
import os
import sqlite3
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pika
import psycopg
from pydantic import SecretStr

from bench.measure import Figure, as_in_the_command, paired, pss_megabytes, single
from kalender.app import mark_keeper
from kalender.broker import Broker
from kalender.config.sections import BrokerSettings as Settings
from kalender.domain.notification import USUAL
from kalender.domain.work import Mark
from kalender.listener import Listener
from kalender.ports import Rejected
from kalender.store import migrations
from kalender.store.database import Database

MESSAGES = 20_000
BATCH = 1000
PREFETCH = 2 * BATCH
PERSONS = 5_000
NOW = datetime(2025, 8, 18, tzinfo=UTC)
POSTGRESQL = """
    INSERT INTO dirty (kind, key, generation, reason, priority, first_marked_at, due_at, attempts)
    SELECT 'person', key, 1, 'notification', 0, clock_timestamp(), clock_timestamp(), 0
    FROM unnest(%s::text[]) AS new (key)
    ON CONFLICT (kind, key) DO UPDATE SET generation = dirty.generation + 1
"""
SQLITE = """
    INSERT INTO dirty (kind, key, generation, reason, priority, first_marked_at, due_at, attempts)
    VALUES ('person', ?, 1, 'notification', 0, '2025-01-01 00:00:00', '2025-01-01 00:00:00', 0)
    ON CONFLICT (kind, key) DO UPDATE SET generation = dirty.generation + 1
"""


def body(number: int) -> bytes:
    """One notification as FS sends them."""
    subject = f"studentundervisning/185,IN{number % 90},1,2025,HØST,1,{number % PERSONS}"
    told = {"iss": "fs", "aud": "185", "iat": "1758000000", "jti": uuid4().hex, "sub": subject}
    return json.dumps(told).encode()


@contextmanager
def queue(amqp: str, kind: str, messages: int) -> Iterator[tuple[str, Settings]]:
    """Fill a queue of its own; drop it afterwards."""
    connection = pika.BlockingConnection(pika.URLParameters(amqp))
    channel, name = connection.channel(), f"bench-{uuid4().hex[:8]}"
    channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
    for number in range(messages):
        channel.basic_publish("", name, body(number))
    while channel.queue_declare(name, passive=True).method.message_count < messages:
        connection.sleep(0.05)
    try:
        yield name, Settings(url=SecretStr(amqp), queues=(name,), prefetch=PREFETCH)
    finally:
        channel.queue_delete(name)
        connection.close()


def ours(amqp: str, kind: str, url: str, messages: int = MESSAGES) -> float:
    """Messages a second by the listener itself."""
    database, stop, seen = Database(url), threading.Event(), 0
    keep = mark_keeper(database, lambda: NOW, settle=2.0)

    def kept(marks: Sequence[Mark], refused: Sequence[Rejected]) -> None:
        nonlocal seen
        keep(marks, refused)
        seen += len(marks) + len(refused)
        if seen >= messages:
            stop.set()

    database.now()
    with queue(amqp, kind, messages) as (_, settings), as_in_the_command():
        begun = time.perf_counter()
        Listener(kept, USUAL, lambda: NOW).listen(Broker(settings), stop)
        took = time.perf_counter() - begun
    database.close()
    return messages / took


def bare(amqp: str, kind: str, write: Callable[[list[str]], None]) -> float:
    """Messages a second by the least that could do it."""
    with queue(amqp, kind, MESSAGES) as (name, _):
        begun, done = time.perf_counter(), 0
        connection = pika.BlockingConnection(pika.URLParameters(amqp))
        channel = connection.channel()
        channel.basic_qos(prefetch_count=PREFETCH)
        arrived: list[tuple[int, bytes]] = []
        channel.basic_consume(name, lambda _c, m, _p, b: arrived.append((m.delivery_tag, b)))
        while done < MESSAGES:
            while len(arrived) < min(BATCH, MESSAGES - done):
                connection.process_data_events(0.05)
            batch, arrived[:] = arrived[:BATCH], arrived[BATCH:]
            keys = {"fs " + json.loads(raw)["sub"].rpartition(",")[2] for _, raw in batch}
            write(sorted(keys))
            channel.basic_ack(batch[-1][0], multiple=True)
            done += len(batch)
        connection.close()
        took = time.perf_counter() - begun
    return MESSAGES / took


def into_postgresql(url: str) -> Callable[[list[str]], None]:
    """Return what upserts keys through psycopg."""
    connection = psycopg.connect(url.replace("+psycopg", ""))

    def write(keys: list[str]) -> None:
        connection.execute(POSTGRESQL, (keys,))
        connection.commit()

    return write


def into_sqlite(url: str) -> Callable[[list[str]], None]:
    """Return what upserts keys through the driver."""
    connection = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")

    def write(keys: list[str]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(SQLITE, [(key,) for key in keys])
        connection.execute("COMMIT")

    return write


def memory(amqp: str, url: str, messages: int) -> Figure:
    """How much the process grows over so many messages."""
    ours(amqp, "classic", url, MESSAGES)
    before = pss_megabytes([os.getpid()])
    ours(amqp, "classic", url, messages)
    name = f"listener: growth over {messages:,} messages, MB"
    return single(name, pss_megabytes([os.getpid()]) - before, at_most=10)


def run(amqp: str, postgresql: str, *, quick: bool) -> Iterator[Figure]:
    """Measure on both databases and both kinds of queue."""
    with tempfile.TemporaryDirectory() as directory:
        sqlite = f"sqlite:///{Path(directory)}/bench.db"
        writers = {sqlite: into_sqlite, postgresql: into_postgresql}
        for url, writer in writers.items():
            database = Database(url)
            migrations.upgrade(database)
            database.close()
            write = writer(url)
            for kind in ("classic", "quorum"):
                yield paired(
                    f"listener, messages/s ({url.partition(':')[0].partition('+')[0]}, {kind})",
                    lambda url=url, kind=kind: ours(amqp, kind, url),  # type: ignore[misc]
                    lambda kind=kind, write=write: bare(amqp, kind, write),  # type: ignore[misc]
                    at_least=0.8,
                    pairs=3 if quick else 5,
                )
        yield memory(amqp, sqlite, 20_000 if quick else 200_000)
