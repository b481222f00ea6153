"""Where and how to connect to RabbitMQ, and what pika raises when it cannot."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pika
from pika.exceptions import (
    AMQPError,
    AuthenticationError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

from kalender.config.sections import BrokerSettings
from kalender.errors import ConfigError, NeighbourRefused, NeighbourUnavailable
from kalender.transport import trusting

BROKER = "broker"
HEARTBEAT_SECONDS = 60
CONNECT_SECONDS = 10
GONE = (AMQPError, OSError, AssertionError)  # the last beside its own errors
REFUSED = (AuthenticationError, ProbableAuthenticationError, ProbableAccessDeniedError)


def parameters(settings: BrokerSettings) -> pika.URLParameters:
    """Return where and how to connect, or raise a ConfigError that does not quote the URL."""
    try:
        url_parameters = pika.URLParameters(settings.url.get_secret_value())
    except (ValueError, TypeError, AttributeError, SyntaxError):  # as pika happens to raise
        url_parameters = None
    if url_parameters is None:
        message = "broker.url cannot be read: give amqps://user:password@host/vhost"
        raise ConfigError(message)
    if url_parameters.ssl_options is not None:
        try:
            context = trusting(settings.ca_file)
        except OSError:
            message = "broker.ca_file cannot be used: give a file of certificates in PEM form"
            raise ConfigError(message) from None
        server_name = settings.server_name or url_parameters.host
        url_parameters.ssl_options = pika.SSLOptions(context, server_hostname=server_name)
    if url_parameters.heartbeat is None:
        url_parameters.heartbeat = HEARTBEAT_SECONDS
    url_parameters.socket_timeout = CONNECT_SECONDS
    url_parameters.client_properties = {"connection_name": "kalender"}
    return url_parameters


@contextmanager
def connected(settings: BrokerSettings) -> Iterator[pika.BlockingConnection]:
    """Connect for a moment; NeighbourError where that fails."""
    try:
        connection = pika.BlockingConnection(parameters(settings))
        try:
            yield connection
        finally:
            with suppress(*GONE):
                connection.close()
    except REFUSED as error:
        text = "the broker refuses us: look at the user, password and vhost of broker.url"
        raise NeighbourRefused(BROKER, text) from error
    except GONE as error:
        text = (
            f"the broker does not answer ({type(error).__name__}): look at broker.url and ca_file"
        )
        raise NeighbourUnavailable(BROKER, text) from error
