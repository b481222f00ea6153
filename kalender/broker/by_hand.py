"""What a person does with a broker: send a notification, look at a queue, count what waits."""

from collections.abc import Iterator
from dataclasses import dataclass

from pika.exceptions import ChannelClosedByBroker, NackError, UnroutableError
from pika.spec import BasicProperties

from kalender.broker.connection import BROKER, connected
from kalender.config.sections import BrokerSettings
from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.ports import Delivery

PERSISTENT = 2


def publish(settings: BrokerSettings, exchange: str, routing_key: str, body: bytes) -> None:
    """Send one message; return when the broker has it safe in at least one queue.

    ConfigError where there is no such exchange, or no queue takes the routing key.
    """
    properties = BasicProperties(  # type: ignore[no-untyped-call]  # pika's
        content_type="application/json", delivery_mode=PERSISTENT
    )
    with connected(settings) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        try:
            channel.basic_publish(exchange, routing_key, body, properties, mandatory=True)
        except UnroutableError:
            message = "no queue is bound to this exchange for this routing key"
        except ChannelClosedByBroker as error:
            message = f"there is no such exchange, or it is not for us ({error.reply_code})"
        except NackError as error:
            text = "the broker did not take the message: try again"
            raise NeighbourUnavailable(BROKER, text) from error
        else:
            return
    raise ConfigError(message)


def tap(
    settings: BrokerSettings, queue: str, *, limit: int, seconds: float = 1.0
) -> Iterator[Delivery]:
    """Show the next messages, waiting so long for another; all are back in the queue afterwards.

    They come again as redelivered, and a quorum queue counts that: look, but do not live here.
    """
    with connected(settings) as connection:
        channel = connection.channel()
        channel.basic_qos(prefetch_count=limit)
        try:
            for method, _, body in channel.consume(queue, inactivity_timeout=seconds):
                if method is None or body is None:
                    break
                yield Delivery(queue=queue, routing_key=method.routing_key, body=body)
                limit -= 1
                if limit == 0:
                    break
        except ChannelClosedByBroker as error:
            message = f"there is no queue {queue}, or it is not for us ({error.reply_code})"
            raise ConfigError(message) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueDepth:
    """What a passive declare tells of a queue: no more than this."""

    messages: int
    consumers: int


def look_at(settings: BrokerSettings, queue: str) -> QueueDepth | None:
    """Count what waits in a queue, and who takes it; None where it is not there, or not for us."""
    with connected(settings) as connection:
        try:
            method = connection.channel().queue_declare(queue, passive=True).method
        except ChannelClosedByBroker:
            return None
    return QueueDepth(messages=method.message_count, consumers=method.consumer_count)


def waiting(settings: BrokerSettings) -> dict[str, int | None]:
    """Count what waits in each queue; None where it is not there, or not for us."""
    answers = {queue: look_at(settings, queue) for queue in settings.queues}
    return {queue: answer.messages if answer else None for queue, answer in answers.items()}
