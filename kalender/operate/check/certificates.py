"""How long certificates last: those of our neighbours, seen with the eyes of our own clients, and ours."""

import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from kalender.broker.connection import parameters
from kalender.config import Config
from kalender.config.backends import ApplicationSettings
from kalender.config.sections import BrokerSettings
from kalender.errors import ConfigError
from kalender.operate.check.trial import TrialOutcome, failed, ok, warned
from kalender.transport import trusting

SECONDS = 10.0
SOON, TOO_SOON = timedelta(days=30), timedelta(days=7)
RENEW = "have it renewed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where TLS is spoken, and whom our client trusts there."""

    host: str
    port: int
    context: ssl.SSLContext
    server_name: str

    def ends_at(self) -> datetime:
        """Return when its certificate ends; OSError where it is not trusted, or nobody answers."""
        with (
            socket.create_connection((self.host, self.port), SECONDS) as plain,
            self.context.wrap_socket(plain, server_hostname=self.server_name) as speaking,
        ):
            certificate: Mapping[str, object] = speaking.getpeercert() or {}
        return datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)


def endpoints(config: Config) -> Iterator[tuple[str, Callable[[], Endpoint]]]:
    """Give each neighbour that speaks TLS, by name."""
    if config.broker is not None and _is_tls(config.broker.url.get_secret_value()):
        yield "broker", partial(_broker, config.broker)
    for name, settings in config.neighbours.items():
        if _is_tls(settings.address):
            yield name, partial(_https, settings.address, settings.ca_file)


def seen(config: Config) -> dict[str, datetime]:
    """Return when the certificates of each neighbour end, and ours by which some of them know us.

    Who shows none that is trusted is left out.
    """
    ends = {}
    for name, endpoint in endpoints(config):
        with suppress(OSError, ConfigError):
            ends[name] = endpoint().ends_at()
    for name, settings in config.neighbours.items():
        if isinstance(settings, ApplicationSettings) and settings.certificate_file is not None:
            with suppress(OSError, ValueError):
                ends[f"{name}.certificate_file"] = end_of(settings.certificate_file)
    return ends


def end_of(file: Path) -> datetime:
    """Return when the certificate in a file of PEM ends; ValueError where it holds none."""
    from cryptography import x509  # noqa: PLC0415 - it takes long to load

    return x509.load_pem_x509_certificate(file.read_bytes()).not_valid_after_utc


def _is_tls(url: str) -> bool:
    return urlsplit(url).scheme in {"https", "amqps"}


def _broker(settings: BrokerSettings) -> Endpoint:
    broker = parameters(settings)
    if broker.ssl_options is None:
        raise ConfigError("broker.url is not amqps")
    options = broker.ssl_options
    name = options.server_hostname or broker.host
    return Endpoint(host=broker.host, port=broker.port, context=options.context, server_name=name)


def _https(url: str, ca_file: Path | None) -> Endpoint:
    place = urlsplit(url)
    host = place.hostname or ""
    return Endpoint(host=host, port=place.port or 443, context=trusting(ca_file), server_name=host)


def lasts(endpoint: Callable[[], Endpoint], now: datetime) -> TrialOutcome:
    """Look at a certificate, and say what is left of its days."""
    try:
        return time_left(endpoint().ends_at() - now)
    except ssl.SSLCertVerificationError as error:
        return failed(f"not trusted: {error.verify_message}", f"{RENEW}, or correct ca_file")
    except OSError as error:
        return failed(f"no TLS ({type(error).__name__})", "look at host and port")


def time_left(duration: timedelta) -> TrialOutcome:
    """Return what so much time left means."""
    text = f"ends in {duration.days} days"
    if duration < TOO_SOON:
        return failed(text, RENEW)
    return warned(text, RENEW) if duration < SOON else ok(text)
