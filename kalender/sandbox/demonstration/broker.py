"""The way of a notification to the listener: its standard input, or a broker that was named for it."""

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from subprocess import Popen
from urllib.parse import urlsplit
from uuid import uuid4

import pika
from pika.exceptions import AMQPError

HOUR = 3_600_000  # in milliseconds: the queue of a demonstration that was killed goes by itself


class Broker:
    """An exchange and a queue of this demonstration alone: nobody else gets its messages."""

    def __init__(self, url: str, place: str, connection: pika.BlockingConnection) -> None:
        self.place, self.name = place, f"kalender-demo-{uuid4().hex[:8]}"
        self.settings = f'[broker]\nurl = "{url}"\nqueues = ["{self.name}"]\n'
        self._channel = connection.channel()
        self._channel.exchange_declare(self.name, "topic", auto_delete=True)
        self._channel.queue_declare(self.name, durable=True, arguments={"x-expires": HOUR})
        self._channel.queue_bind(self.name, self.name, "#")

    def publish(self, routing_key: str, body: Mapping[str, str]) -> None:
        """Send a notification as the real system would."""
        self._channel.basic_publish(self.name, routing_key, json.dumps(body).encode())

    def close(self) -> None:
        """Delete the queue; the exchange goes with it."""
        self._channel.queue_delete(self.name)


@contextmanager
def named_broker() -> Iterator[Broker | None]:
    """Use the broker that KALENDER_DEMO_BROKER names; None where none is named, or none answers.

    Whatever else listens on this machine, or is named for others (AMQP_URL), is left alone.
    """
    with ExitStack() as stack:
        yield _opened(os.environ.get("KALENDER_DEMO_BROKER", ""), stack)


def _opened(url: str, stack: ExitStack) -> Broker | None:
    if not url:
        return None
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "localhost", parts.port or 5672
        socket.create_connection((host, port), 1).close()
        parameters = pika.URLParameters(url)
        parameters.heartbeat = 0  # nobody answers for us while the calendars are filled
        connection = pika.BlockingConnection(parameters)
        stack.callback(_quietly, connection.close)
        broker = Broker(url, f"{host}:{port}", connection)
    except (AMQPError, OSError, ValueError):
        return None
    stack.callback(_quietly, broker.close)
    return broker


def _quietly(tidy: Callable[[], None]) -> None:
    """Let what tidies up at the end not hide why it came to that."""
    with suppress(AMQPError, OSError):
        tidy()


def publish_to_input(listener: Popen[str], routing_key: str, body: Mapping[str, str]) -> None:
    """Write a notification to the standard input of `kalender listener --stdin`."""
    if listener.stdin is not None:
        line = {"routing_key": routing_key, "body": json.dumps(body)}
        listener.stdin.write(json.dumps(line) + "\n")
        listener.stdin.flush()
