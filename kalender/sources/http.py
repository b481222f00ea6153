"""One neighbour over HTTP: GET and JSON, every failure as the right error.

Only idempotent GETs are made, so a short retry is safe; whatever lasts longer is the worker's.
Errors name the neighbour, the status and the path's first word; never a query or a body.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from json import JSONDecodeError
from time import monotonic
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth
from urllib3.util import Retry

from kalender.errors import (
    BadSourceData,
    KalenderError,
    NeighbourRefused,
    NeighbourUnavailable,
    NotFoundInSource,
    TransientError,
)

KEY_HEADER = "X-Gravitee-Api-Key"
LONGEST_WAIT = timedelta(hours=1)
AWAY = frozenset({502, 503, 504})
OnRequest = Callable[[str, str, float], None]  # neighbour, outcome, seconds


def _unheard(_neighbour: str, _outcome: str, _seconds: float) -> None:
    pass


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
        timeout: float = 30.0,
        connections: int = 16,
        on_request: OnRequest = _unheard,
    ) -> None:
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
        retry = Retry(
            total=2,
            backoff_factor=0.2,
            status_forcelist=AWAY,
            allowed_methods=["GET"],
            raise_on_status=False,
            respect_retry_after_header=False,
        )
        adapter = HTTPAdapter(max_retries=retry, pool_maxsize=connections)
        self.session.mount("http://", adapter)
        self.session.mount("https://", adapter)

    def get_json(self, path: str, params: Mapping[str, str] | None = None) -> object:
        """Return the decoded answer of one GET below the base URL; KalenderError for all else."""
        started = monotonic()
        try:
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
                timeout=self.timeout,
                allow_redirects=False,
            )
        except requests.exceptions.ChunkedEncodingError as error:
            raise TransientError(f"{place}: the answer was cut off") from error
        except requests.exceptions.RequestException as error:
            raise NeighbourUnavailable(self.name, f"{place}: {_cause(error)}") from error
        if response.status_code != requests.codes.ok:
            raise self._refusal(response, place)
        return _decoded(response, place)

    def _refusal(self, response: requests.Response, place: str) -> KalenderError:
        text = f"{place}: HTTP {response.status_code}"
        after = retry_after(response.headers.get("Retry-After"))
        match response.status_code:
            case 401 | 403:
                remedy = f"check the credentials and rights of [{self.name}]"
                return NeighbourRefused(self.name, f"{text}; {remedy}", retry_after=after)
            case 404:
                return NotFoundInSource(text)
            case 429 | 502 | 503 | 504:
                return NeighbourUnavailable(self.name, text, retry_after=after)
            case status if status >= 500:  # noqa: PLR2004
                return TransientError(text, retry_after=after)
            case _:
                return BadSourceData(f"{text}; check base_url and paths of [{self.name}]")


def _decoded(response: requests.Response, place: str) -> object:
    try:
        return response.json()
    except (JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        begins = response.content[:1]
        if begins in (b"{", b"["):
            raise TransientError(f"{place}: the answer was cut off") from error
        raise BadSourceData(f"{place}: the answer is not JSON") from error


def _first_word(path: str) -> str:
    return urlsplit(path).path.strip("/").split("/")[0] or "/"


def _cause(error: BaseException) -> str:
    """Name the innermost cause by its class; its text may quote the whole address."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return type(error).__name__


def retry_after(text: str | None) -> timedelta | None:
    """Read Retry-After, in seconds or as a date; never more than an hour."""
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return None
        seconds = (moment - _now_like(moment)).total_seconds()
    return min(timedelta(seconds=max(seconds, 0)), LONGEST_WAIT)


def _now_like(moment: datetime) -> datetime:
    return datetime.now(UTC if moment.tzinfo else None)  # noqa: TID251  # the server's own clock
