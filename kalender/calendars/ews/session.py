"""All contact with exchangelib's inside, pinned to 5.6.0: its sessions and its authentication.

exchangelib makes and authenticates sessions (Basic, NTLM); its retrying, sleeping and re-sending
are never used: a POST leaves this machine once. Every end of a request is told apart: not begun,
refused in words, or of unknown outcome.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import LifoQueue
from typing import Any

import requests
from exchangelib import BASIC, NTLM, Configuration, Credentials, FailFast, Version
from exchangelib.protocol import Protocol
from exchangelib.version import EXCHANGE_2016
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import NewConnectionError

from kalender.config.sections import EwsSettings
from kalender.errors import NotSent
from kalender.transport import Adapter, caused_by

AUTH = {"basic": BASIC, "ntlm": NTLM}
HEADERS = {"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml"}


class NotConnected(Exception):
    """No connection could be made: the request was certainly not carried out."""


class Lost(Exception):
    """The request began to leave, and no whole answer came."""


class _Deadline(Adapter):
    """Looks at the clock last of all before the socket; never re-sends."""

    def __init__(self, ca_file: Path | None) -> None:
        super().__init__(ca_file=ca_file, connections=1)
        self.send_by: float | None = None

    def send(
        self, request: requests.PreparedRequest, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Send, or raise NotSent."""
        if self.send_by is not None and time.monotonic() > self.send_by:
            raise NotSent("send_seconds had passed before the request left")
        return super().send(request, *args, **kwargs)


@dataclass(frozen=True, slots=True)
class _Session:
    """One authenticated session and what every request of it has in common, made ready once."""

    session: requests.Session
    adapter: _Deadline
    blank: requests.PreparedRequest

    def send(self, body: bytes, mailbox: str, timeout: float) -> requests.Response:
        """Send the request as it is: no redirect, no proxy; cookies as in any session."""
        request = self.blank.copy()
        request.prepare_cookies(self.session.cookies)  # a load balancer's
        request.body = body
        request.headers["Content-Length"] = str(len(body))
        if mailbox.isascii() and mailbox.isprintable():  # it only spares Exchange a detour
            request.headers["X-AnchorMailbox"] = mailbox
        return self.session.send(
            request,
            timeout=timeout,
            allow_redirects=False,
            proxies={},
        )


class Sessions:
    """A pool of authenticated sessions to one endpoint; nothing is opened before it is used."""

    def __init__(self, settings: EwsSettings, *, connections: int) -> None:
        username, password = settings.username, settings.password.get_secret_value()
        self.endpoint = settings.endpoint
        self.timeout = settings.timeout
        self._ca_file = settings.ca_file
        self._basic = _basic(username, password) if settings.auth == "basic" else None
        self._protocol = Protocol(
            config=Configuration(
                service_endpoint=settings.endpoint,
                credentials=Credentials(username, password),
                auth_type=AUTH[settings.auth],
                version=Version(build=EXCHANGE_2016),
                retry_policy=FailFast(),
                max_connections=1,
            )
        )
        self._free: LifoQueue[_Session | None] = LifoQueue()
        for _ in range(connections):
            self._free.put(None)

    @contextmanager
    def _session(self) -> Iterator[_Session]:
        session = self._free.get()
        try:
            if session is None:
                http: requests.Session = self._protocol.create_session()
                http.trust_env = False
                if self._basic is not None:
                    http.auth = self._basic
                adapter = _Deadline(self._ca_file)
                http.mount(self.endpoint, adapter)
                blank = http.prepare_request(requests.Request("POST", self.endpoint, HEADERS))
                session = _Session(http, adapter, blank)
            yield session
        finally:
            self._free.put(session)

    def post(self, body: bytes, mailbox: str, send_by: float | None) -> requests.Response:
        """Post once and return the whole answer; NotSent, NotConnected or Lost otherwise."""
        with self._session() as session:
            session.adapter.send_by = send_by
            try:
                return session.send(body, mailbox, self.timeout)
            except requests.exceptions.ConnectTimeout as error:
                raise NotConnected("ConnectTimeout") from error
            except requests.exceptions.SSLError as error:
                kind = NotConnected if "CERTIFICATE" in str(error).upper() else Lost
                raise kind("SSLError") from error
            except requests.exceptions.ConnectionError as error:
                reason = getattr(error.args[0], "reason", None) if error.args else None
                kind = NotConnected if isinstance(reason, NewConnectionError) else Lost
                late = kind is Lost and caused_by(error, TimeoutError)
                raise kind("ReadTimeout" if late else type(error).__name__) from error
            except requests.exceptions.RequestException as error:
                raise Lost(type(error).__name__) from error


def _basic(username: str, password: str) -> HTTPBasicAuth:
    """Latin-1 as ever; as UTF-8 (RFC 7617) where that has no such letters."""
    try:
        return HTTPBasicAuth(username.encode("latin-1"), password.encode("latin-1"))
    except UnicodeEncodeError:
        return HTTPBasicAuth(username.encode(), password.encode())


def windows_zone(time_zone: str) -> str:
    """Return Windows' name of an IANA time zone, as exchangelib maps it."""
    from exchangelib import EWSTimeZone  # noqa: PLC0415

    return str(EWSTimeZone(time_zone).ms_id)
