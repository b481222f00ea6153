"""All contact with exchangelib's inside, pinned to 5.6.0: its sessions and its authentication.

exchangelib makes and authenticates sessions (Basic, NTLM); its retrying, sleeping and re-sending
are never used: a POST leaves this machine once. Every end of a request is told apart: not begun,
refused in words, or of unknown outcome.
"""

from dataclasses import dataclass
from queue import LifoQueue

import requests
from exchangelib import BASIC, NTLM, Configuration, Credentials, FailFast, Version
from exchangelib.protocol import Protocol
from exchangelib.version import EXCHANGE_2016
from requests.auth import HTTPBasicAuth

from kalender.calendars.sending import Deadline, ends_told_apart
from kalender.config.sections import EwsSettings

AUTH = {"basic": BASIC, "ntlm": NTLM}
HEADERS = {"Content-Type": "text/xml; charset=utf-8", "Accept": "text/xml"}


@dataclass(frozen=True, slots=True)
class _Session:
    """One authenticated session and what every request of it has in common, made ready once."""

    session: requests.Session
    adapter: Deadline
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

    def post(self, body: bytes, mailbox: str, send_by: float | None) -> requests.Response:
        """Post once and return the whole answer; NotSent, NotConnected or Lost otherwise."""
        session = self._free.get()
        try:
            if session is None:
                http: requests.Session = self._protocol.create_session()
                http.trust_env = False
                if self._basic is not None:
                    http.auth = self._basic
                adapter = Deadline(self._ca_file)
                http.mount(self.endpoint, adapter)
                blank = http.prepare_request(requests.Request("POST", self.endpoint, HEADERS))
                session = _Session(http, adapter, blank)
            session.adapter.send_by = send_by
            with ends_told_apart():
                return session.send(body, mailbox, self.timeout)
        finally:
            self._free.put(session)


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
