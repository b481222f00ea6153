"""RabbitMQ by pika: delivers in batches, comes back for ever, and declares nothing.

One connection, and a channel for each queue, so that one that is not there closes no other's.
pika does not say that a channel was closed while it only processes events (its discussion 1453),
so that is looked at each time.
"""

import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import pika
import structlog
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker
from pika.spec import Basic, BasicProperties

from kalender.broker.connection import GONE, parameters
from kalender.config.sections import BrokerSettings
from kalender.liveness import Liveness
from kalender.ports import Delivery

BATCH = 1000
BATCH_SECONDS = 0.05
POLL_SECONDS = 0.2  # how soon a stop is seen
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Session:
    """One connection; whatever is wrong with it ends it, and its messages come again."""

    connection: pika.BlockingConnection
    turn: Callable[[], None]
    channels: dict[str, BlockingChannel] = field(default_factory=dict)
    arrived: deque[Delivery] = field(default_factory=deque)
    cancelled: bool = False

    def consume(self, queue: str, prefetch: int) -> bool:
        """Begin to consume a queue; False where it is not there, or not for us."""
        channel = self.connection.channel()
        channel.basic_qos(prefetch_count=prefetch)
        channel.add_on_cancel_callback(self._on_cancel)
        try:
            channel.basic_consume(queue, partial(self._on_delivery, queue))
        except ChannelClosedByBroker as error:
            log.error("queue_missing", queue=queue, code=error.reply_code)  # noqa: TRY400
            return False
        self.channels[queue] = channel
        return True

    def process(self, seconds: float) -> None:
        """Let pika read, write and beat; raise what says that this session is over."""
        self.turn()
        if self.connection.is_open:  # else pika stumbles over itself with an AttributeError
            self.connection.process_data_events(seconds)
        whole = self.connection.is_open and all(
            channel.is_open for channel in self.channels.values()
        )
        if self.cancelled or not whole:
            message = "connection or channel closed, or consumer cancelled"
            raise AMQPError(message)

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Acknowledge all of them: once for each queue, up to the last."""
        for queue, tag in {delivery.queue: delivery.tag for delivery in deliveries}.items():
            self.channels[queue].basic_ack(tag, multiple=True)

    def _on_cancel(self, _frame: object) -> None:
        self.cancelled = True

    def _on_delivery(
        self,
        queue: str,
        _channel: BlockingChannel,
        method: Basic.Deliver,
        _about: BasicProperties,
        body: bytes,
    ) -> None:
        self.arrived.append(Delivery(queue, method.routing_key, body, method.delivery_tag))


@dataclass(frozen=True, slots=True)
class _Batch:
    """Messages in hand, of one session."""

    session: _Session
    deliveries: Sequence[Delivery]
    stop: Event

    def acknowledge(self) -> None:
        """One acknowledgement for each queue; where the broker is gone they come again."""
        try:
            self.session.acknowledge(self.deliveries)
        except GONE as error:
            log.warning("acknowledgement_lost", messages=len(self.deliveries), error=error)

    def wait(self, seconds: float) -> bool:
        """Keep the connection alive; False where we shall stop, or it was lost."""
        end = time.monotonic() + seconds
        try:
            while (remaining := end - time.monotonic()) > 0 and not self.stop.is_set():
                self.session.process(min(remaining, POLL_SECONDS))
        except GONE:
            return False
        return not self.stop.is_set()


class Broker:
    """The queues of one broker.

    `connected`, `missing` and `failures` (in a row) are for whoever asks how it goes.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self.liveness = Liveness()
        self.queues = tuple(settings.queues)
        self._parameters = parameters(settings)
        self._jitter = jitter
        self.failures = 0
        self.connected = False
        self.missing: frozenset[str] = frozenset()

    def batches(self, stop: Event) -> Iterator[_Batch]:
        """Give batch after batch until `stop` is set; connect again for ever."""
        while not stop.is_set():
            try:
                connection = pika.BlockingConnection(self._parameters)
                self.connected = True
                try:
                    yield from self._of(_Session(connection, self.liveness.turn), stop)
                finally:
                    self.connected = False
                    with suppress(*GONE):
                        connection.close()
            except GONE as error:
                self.failures += 1
                self.liveness.turn()
                log.warning("broker_away", failures=self.failures, error=error)
                stop.wait(self._delay(self.failures))

    def _delay(self, failures: int) -> float:
        longest = min(FIRST_WAIT * float(1 << min(failures - 1, 10)), LONGEST_WAIT)
        return longest * (1 + self._jitter()) / 2

    def _of(self, session: _Session, stop: Event) -> Iterator[_Batch]:
        tries, again = 1, 0.0
        self.missing = frozenset(self._settings.queues)
        while not stop.is_set():
            if self.missing and time.monotonic() >= again:
                prefetch, missing = self._settings.prefetch, sorted(self.missing)
                consumed = {queue for queue in missing if session.consume(queue, prefetch)}
                self.missing -= consumed
                self.failures = 0
                log.info("consuming", queues=sorted(consumed), missing=len(self.missing))
                again = time.monotonic() + self._delay(tries)
                tries += 1
            session.process(0 if session.arrived else POLL_SECONDS)
            if session.arrived:
                end = time.monotonic() + BATCH_SECONDS
                while len(session.arrived) < BATCH and (remaining := end - time.monotonic()) > 0:
                    session.process(remaining)
                number = min(BATCH, len(session.arrived))
                yield _Batch(session, [session.arrived.popleft() for _ in range(number)], stop)
