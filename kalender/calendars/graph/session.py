"""How requests reach Graph: with an access token, once, and every end told apart."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from queue import LifoQueue
from urllib.parse import urlsplit
from uuid import uuid4

import requests

from kalender.calendars.graph.events import body_of
from kalender.calendars.tokens import Tokens
from kalender.config.backends import GraphSettings
from kalender.transport import Deadline, ends_told_apart

EXPIRED = "InvalidAuthenticationToken"


@dataclass(frozen=True, slots=True)
class _Connection:
    session: requests.Session
    adapter: Deadline
    blank: requests.PreparedRequest  # with the headers of any session, made ready once


class Sessions:
    """A pool of connections to Graph; nothing is opened before it is used."""

    def __init__(self, neighbour: str, settings: GraphSettings, *, connections: int) -> None:
        self.base_url = settings.base_url.rstrip("/")
        self._settings = settings
        self.tokens = Tokens(neighbour, settings)
        self._free: LifoQueue[_Connection | None] = LifoQueue()
        for _ in range(connections):
            self._free.put(None)

    def post(self, path: str, content: bytes, send_by: float | None) -> requests.Response:
        """Post below the base URL, and return the whole answer.

        NotSent, NotConnected, Lost, or what `Tokens.token` raises, otherwise.
        """
        headers = {"Content-Type": "application/json"}
        return self._answer("POST", f"{self.base_url}{path}", content, send_by, headers)

    def get(self, url: str, headers: Mapping[str, str]) -> requests.Response:
        """Get a URL as it is, and return the whole answer; raises as `post` does."""
        return self._answer("GET", url, None, None, headers)

    def is_below(self, url: str) -> bool:
        """Whether a URL is one of the configured host, to which alone our token goes."""
        here, there = urlsplit(self.base_url), urlsplit(url)
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)

    def _answer(
        self,
        method: str,
        url: str,
        content: bytes | None,
        send_by: float | None,
        headers: Mapping[str, str],
    ) -> requests.Response:
        def sent(token: str) -> requests.Response:
            ours = {
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
                "client-request-id": str(uuid4()),
            }
            return self._sent(method, url, content, send_by, {**ours, **headers})

        return self.tokens.send(sent, _is_expired)

    def _sent(
        self,
        method: str,
        url: str,
        content: bytes | None,
        send_by: float | None,
        headers: Mapping[str, str],
    ) -> requests.Response:
        with self._connection() as connection, ends_told_apart():
            # to prepare each anew takes 1 % of a worker's processor time
            request = connection.blank.copy()
            request.method, request.url = method, url  # as it is: it is not encoded again
            request.headers.update(headers)
            if content is not None:
                request.body = content
                request.headers["Content-Length"] = str(len(content))
            connection.adapter.send_by = send_by
            return connection.session.send(
                request, timeout=self._settings.timeout, allow_redirects=False, proxies={}
            )

    @contextmanager
    def _connection(self) -> Iterator[_Connection]:
        connection = self._free.get()
        try:
            if connection is None:
                session = requests.Session()
                session.trust_env = False
                adapter = Deadline(self._settings.ca_file)
                session.mount("http://", adapter)
                session.mount("https://", adapter)
                blank = session.prepare_request(requests.Request("GET", self.base_url))
                connection = _Connection(session, adapter, blank)
            yield connection
        finally:
            self._free.put(connection)


def _is_expired(response: requests.Response) -> bool:
    error = (body_of(response.content) or {}).get("error")
    return isinstance(error, dict) and error.get("code") == EXPIRED
