"""One neighbour over HTTP: GET and JSON, every failure as the right error.

Only idempotent GETs are made, so a short retry is safe; whatever lasts longer is the worker's.
Errors name the neighbour, the status and the path's first word; never a query or a body, and as
libraries quote both, what they raised is not chained.
"""

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests import exceptions
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from kalender.domain.backoff import told_wait
from kalender.errors import (
    KalenderError,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    NotFoundInSource,
    TransientError,
)
from kalender.transport import Adapter, TooLarge, caused_by

KEY_HEADER = "X-Gravitee-Api-Key"
CONNECT_SECONDS = 5.0
AWAY = frozenset({502, 503, 504})
BUSY = frozenset({408, 429})
REDIRECTS_AND_FAILURES = frozenset({3, 5})  # hundreds
OnRequest = Callable[[str, str, float], None]  # neighbour, outcome, seconds
Limiter = Callable[[], AbstractContextManager[None]]  # around each request


def _unheard(_neighbour: str, _outcome: str, _seconds: float) -> None:
    pass


class _Retry(Retry):
    """Tries again what broke, but not what was slow: that would make it slower."""

    def increment(self, *args: Any, **named: Any) -> Self:
        error = named.get("error")
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(*args, **named)


class Http:
    """A client for one neighbour; usable from several threads, sockets opened on first use."""

    def __init__(  # noqa: PLR0913
        self,
        name: str,
        base_url: str,
        *,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        ca_file: Path | None = None,
        timeout: float = 30.0,
        connections: int = 16,
        on_request: OnRequest = _unheard,
        gate: Limiter = nullcontext,
    ) -> None:
        self.gate = gate
        self.name = name
        self.base_url = base_url.rstrip("/") + "/"
        self.timeout = timeout
        self.on_request = on_request
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept"] = "application/json"
        if api_key is not None:
            self.session.headers[KEY_HEADER] = api_key
        if username is not None and password is not None:
            self.session.auth = HTTPBasicAuth(username.encode(), password.encode())
        retry = _Retry(
            total=2,
            backoff_factor=0.2,
            status_forcelist=AWAY,
            allowed_methods=["GET"],
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        adapter = Adapter(ca_file=ca_file, connections=connections, retries=retry)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> object:
        """Return the decoded answer of one GET below the base URL; KalenderError for all else."""
        started = monotonic()
        try:
            with self.gate():
                answer = self._get(path, params)
        except KalenderError as error:
            self.on_request(self.name, type(error).__name__, monotonic() - started)
            raise
        self.on_request(self.name, "ok", monotonic() - started)
        return answer

    def _get(self, path: str, params: Mapping[str, str] | None) -> object:
        place = f"{self.name} {_first_word(path)}"
        try:
            response = self.session.get(
                self.base_url + path.lstrip("/"),
                params=params,
                timeout=(min(self.timeout, CONNECT_SECONDS), self.timeout),
                allow_redirects=False,
            )
        except (exceptions.ChunkedEncodingError, exceptions.ContentDecodingError) as error:
            if caused_by(error, TooLarge):
                text = f"{place}: the answer is larger than any that is right"
                raise NeighbourUnavailable(self.name, text) from None
            raise TransientError(f"{place}: the answer was cut off") from None
        except exceptions.RequestException as error:
            raise NeighbourUnavailable(self.name, f"{place}: {_cause(error)}") from None
        if response.status_code != requests.codes.ok:
            raise self._refusal(response, place)
        return self._decoded(response, place)

    def _refusal(self, response: requests.Response, place: str) -> KalenderError:
        status = response.status_code
        text = f"{place}: HTTP {status}"
        settings = f"{text}; check base_url and paths of [{self.name}]"
        after = retry_after(response.headers.get("Retry-After"))
        if status in {401, 403}:
            kind = (
                NeighbourUnauthorised if status == requests.codes.unauthorized else NeighbourRefused
            )
            remedy = f"check the credentials and rights of [{self.name}]"
            return kind(self.name, f"{text}; {remedy}", retry_after=after)
        if status == requests.codes.not_found and not _is_page(response):
            return NotFoundInSource(text)
        if status == requests.codes.server_error:  # it may be only this answer
            return TransientError(text, retry_after=after)
        if status // 100 in REDIRECTS_AND_FAILURES or status in BUSY:
            told = text if status >= requests.codes.bad_request else settings
            return NeighbourUnavailable(self.name, told, retry_after=after)
        return NeighbourRefused(self.name, settings)  # the one question may be at fault, too

    def _decoded(self, response: requests.Response, place: str) -> object:
        """JSON is UTF-8, -16 or -32 and says so itself: what the header tells is not believed."""
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            begins = response.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if begins in (b"{", b"[", b""):
            raise TransientError(f"{place}: the answer was cut off")
        what = "an HTML page" if _is_page(response) else "something that is not JSON"
        text = f"{place}: {what} came instead of an answer; check base_url and paths of"
        raise NeighbourRefused(self.name, f"{text} [{self.name}]")


def _is_page(response: requests.Response) -> bool:
    """Whether a page came, as of a gateway or a login: no answer of FS' or TP's is HTML."""
    return response.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def _first_word(path: str) -> str:
    return urlsplit(path).path.strip("/").split("/")[0] or "/"


def _cause(error: BaseException) -> str:
    """Name the innermost cause by its class; its text may quote the whole address."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return type(error).__name__


def retry_after(text: str | None) -> timedelta | None:
    """Read Retry-After by the servers' clock, not the domain's."""
    return told_wait(text, datetime.now(UTC))  # noqa: TID251
