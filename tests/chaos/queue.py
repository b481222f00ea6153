"""What tells of changes: a queue on the broker that only one run knows."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from uuid import uuid4

import pika


class Queue:
    """A queue of one run, with an exchange of its own."""

    def __init__(self, url: str, stack: ExitStack) -> None:
        self.url, self.name = url, f"chaos-{uuid4().hex}"
        with self._channel() as channel:
            channel.exchange_declare(self.name, "topic", auto_delete=False)
            channel.queue_declare(self.name, durable=True)
            channel.queue_bind(self.name, self.name, "#")
        stack.callback(self._delete)

    def publish(self, routing_key: str, subject: str) -> None:
        """Tell of a change."""
        with self._channel() as channel:
            channel.basic_publish(self.name, routing_key, json.dumps({"sub": subject}).encode())

    def _delete(self) -> None:
        with self._channel() as channel:
            channel.queue_delete(self.name)
            channel.exchange_delete(self.name)

    @contextmanager
    def _channel(self) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
        with pika.BlockingConnection(pika.URLParameters(self.url)) as connection:
            yield connection.channel()
