"""One neighbour over HTTP: GET and JSON, every failure as the right error.

Only idempotent GETs are made, so a short retry is safe; whatever lasts longer is the worker's.
Errors name the neighbour, the status and the path's first word; never a query or a body, and as
libraries quote both, what they raised is not chained.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import urlsplit

import requests
from requests import exceptions
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Retry

from kalender.config.sections import SourceSettings
from kalender.domain.backoff import told_wait
from kalender.errors import (
    KalenderError,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    NotFoundInSource,
    TransientError,
)
from kalender.ports import AroundRequest, unlimited
from kalender.transport import Adapter, TooLarge, caused_by, causes

KEY_HEADER = "X-Gravitee-Api-Key"
CONNECT_SECONDS = 5.0
AWAY = frozenset({502, 503, 504})
BUSY = frozenset({408, 429})
REDIRECTS_AND_FAILURES = frozenset({3, 5})  # hundreds


class _Retry(Retry):
    """Tries again what broke, but not what was slow: that would make it slower."""

    def increment(self, *args: Any, **keywords: Any) -> Self:
        """Count a try, and return what is left of them; raises what was slow."""
        error = keywords.get("error")
        if isinstance(error, ReadTimeoutError):
            raise error
        return super().increment(*args, **keywords)


class Http:
    """A client for one neighbour; usable from several threads, sockets opened on first use.

    `limiter` is called around each request, and says when it may begin.
    """

    def __init__(
        self, name: str, settings: SourceSettings, limiter: AroundRequest = unlimited
    ) -> None:
        self.name = name
        self.limiter = limiter
        self.base_url = settings.base_url.rstrip("/") + "/"
        self.timeout = settings.timeout
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.headers["Accept"] = "application/json"
        if settings.api_key is not None:
            self.session.headers[KEY_HEADER] = settings.api_key.get_secret_value()
        if settings.basic_auth is not None:
            username, password = settings.basic_auth
            self.session.auth = HTTPBasicAuth(username.encode(), password.encode())
        retry = _Retry(
            total=2,
            backoff_factor=0.2,
            status_forcelist=AWAY,
            allowed_methods=["GET"],
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        adapter = Adapter(
            ca_file=settings.ca_file, connections=settings.max_concurrency, retries=retry
        )
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> object:
        """Return the decoded answer of one GET below the base URL; KalenderError for all else."""
        first_word = urlsplit(path).path.strip("/").split("/")[0] or "/"
        place = f"{self.name} {first_word}"
        with self.limiter():
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
                *_, innermost = causes(error)  # whose text may quote the whole address
                text = f"{place}: {type(innermost).__name__}"
                raise NeighbourUnavailable(self.name, text) from None
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
            advice = text if status >= requests.codes.bad_request else settings
            return NeighbourUnavailable(self.name, advice, retry_after=after)
        return NeighbourRefused(self.name, settings)  # the one question may be at fault, too

    def _decoded(self, response: requests.Response, place: str) -> object:
        """JSON is UTF-8, -16 or -32 and says so itself: what the header tells is not believed."""
        try:
            return json.loads(response.content)
        except (ValueError, RecursionError):
            begins = response.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
        if begins in (b"{", b"[", b""):
            raise TransientError(f"{place}: the answer was cut off")
        description = "an HTML page" if _is_page(response) else "something that is not JSON"
        text = f"{place}: {description} came instead of an answer; check base_url and paths of"
        raise NeighbourRefused(self.name, f"{text} [{self.name}]")


def _is_page(response: requests.Response) -> bool:
    """Whether a page came, as of a gateway or a login: no answer of FS' or TP's is HTML."""
    return response.content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<"


def retry_after(text: str | None) -> timedelta | None:
    """Read Retry-After by the servers' clock, not the domain's."""
    return told_wait(text, datetime.now(UTC))  # noqa: TID251
