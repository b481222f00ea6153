"""All contact with exchangelib's inside, pinned to 5.6.0: its sessions and its authentication.

exchangelib makes and authenticates sessions (Basic, NTLM); its retrying, sleeping and re-sending
are never used: a POST leaves this machine once. Every end of a request is told apart: not begun,
refused in words, or of unknown outcome. An application sends its token with sessions of our own.
"""

from collections.abc import Callable
from dataclasses import dataclass
from queue import LifoQueue
from typing import TYPE_CHECKING

import requests
from exchangelib import BASIC, NTLM, Configuration, Credentials, FailFast, Version
from exchangelib.protocol import Protocol
from exchangelib.version import EXCHANGE_2016
from requests.auth import HTTPBasicAuth

from kalender.config.backends import Ews, EwsSettings
from kalender.transport import Deadline, ends_told_apart

if TYPE_CHECKING:
    from kalender.calendars.tokens import Tokens

AUTH = {"basic": BASIC, "ntlm": NTLM}
HEADERS = {"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml"}


@dataclass(frozen=True, slots=True)
class _Session:
    """One authenticated session and what every request of it has in common, made ready once."""

    session: requests.Session
    adapter: Deadline
    blank: requests.PreparedRequest

    def send(
        self, body: bytes, mailbox: str, timeout: float, token: str | None = None
    ) -> requests.Response:
        """Send the request as it is: no redirect, no proxy; cookies as in any session."""
        request = self.blank.copy()
        if token is not None:
            request.headers["Authorization"] = f"Bearer {token}"
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

    def __init__(self, settings: Ews, *, connections: int, tokens: "Tokens | None" = None) -> None:
        self.endpoint = settings.endpoint
        self.timeout = settings.timeout
        self._ca_file = settings.ca_file
        self._tokens = tokens
        self._opened: Callable[[], requests.Session] = requests.Session
        if isinstance(settings, EwsSettings):
            self._opened = _with_password(settings)
        self._free: LifoQueue[_Session | None] = LifoQueue()
        for _ in range(connections):
            self._free.put(None)

    def post(self, body: bytes, mailbox: str, send_by: float | None) -> requests.Response:
        """Post once and return the whole answer; NotSent, NotConnected or Lost otherwise.

        As an application, also what `Tokens.token` raises.
        """

        def send(token: str | None) -> requests.Response:
            session = self._free.get()
            try:
                if session is None:
                    http = self._opened()
                    http.trust_env = False
                    adapter = Deadline(self._ca_file)
                    http.mount(self.endpoint, adapter)
                    blank = http.prepare_request(requests.Request("POST", self.endpoint, HEADERS))
                    session = _Session(http, adapter, blank)
                session.adapter.send_by = send_by
                with ends_told_apart():
                    return session.send(body, mailbox, self.timeout, token)
            finally:
                self._free.put(session)

        if self._tokens is None:
            return send(None)

        def is_expired(response: requests.Response) -> bool:
            return 'error="invalid_token"' in response.headers.get("WWW-Authenticate", "")

        return self._tokens.send(send, is_expired)


def _with_password(settings: EwsSettings) -> Callable[[], requests.Session]:
    """Return what opens sessions of a service account."""
    username, password = settings.username, settings.password.get_secret_value()
    protocol = Protocol(
        config=Configuration(
            service_endpoint=settings.endpoint,
            credentials=Credentials(username, password),
            auth_type=AUTH[settings.auth],
            version=Version(build=EXCHANGE_2016),
            retry_policy=FailFast(),
            max_connections=1,
        )
    )

    def opened() -> requests.Session:
        session: requests.Session = protocol.create_session()
        if settings.auth == "basic":
            session.auth = _basic(username, password)
        return session

    return opened


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
