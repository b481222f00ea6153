"""How requests reach Graph: with an access token, once, and every end told apart."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from queue import LifoQueue
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import msal
import requests
from msal.exceptions import MsalServiceError

from kalender.calendars.graph.events import body_of
from kalender.calendars.sending import Deadline, Lost, NotConnected, ends_told_apart
from kalender.config.sections import GraphSettings
from kalender.errors import NeighbourRefused, NeighbourUnauthorised, NeighbourUnavailable

EXPIRED = "InvalidAuthenticationToken"
PASSES_BY_ITSELF = frozenset({"temporarily_unavailable", "server_error"})


class _LoginClient:
    """What msal sends its requests with: our transport, and its own answers."""

    def __init__(self, settings: GraphSettings) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("https://", Deadline(settings.ca_file))
        self._timeout = settings.timeout

    def post(self, url: str, **keywords: Any) -> requests.Response:
        """Post a form."""
        return self._send("POST", url, keywords)

    def get(self, url: str, **keywords: Any) -> requests.Response:
        """Get a document."""
        return self._send("GET", url, keywords)

    def _send(self, method: str, url: str, keywords: dict[str, Any]) -> requests.Response:
        wanted = {key: keywords[key] for key in ("params", "data", "headers") if key in keywords}
        with ends_told_apart():
            return self._session.request(
                method, url, timeout=self._timeout, allow_redirects=False, **wanted
            )

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class Tokens:
    """Access tokens for the application, kept until some minutes before they end.

    Usable from several threads. Nothing is asked before a token is wanted.
    """

    def __init__(self, neighbour: str, settings: GraphSettings) -> None:
        self._neighbour, self._settings = neighbour, settings
        base = urlsplit(settings.base_url)
        self._scopes = [f"{base.scheme}://{base.netloc}/.default"]
        self._lock = threading.Lock()
        self._application: Any = None
        self._token: str | None = None

    def token(self, *, refused: str | None = None) -> str:
        """Return an access token; another one than `refused`, which Graph no longer takes.

        Raises NeighbourUnauthorised, NeighbourRefused or NeighbourUnavailable where none is given.
        """
        with self._lock:
            try:
                if self._application is None:
                    self._application = self._made()
                if refused is not None and self._token == refused:
                    self._application.remove_tokens_for_client()
                answer = self._application.acquire_token_for_client(scopes=self._scopes)
            except (NotConnected, Lost) as error:
                raise self._away(str(error)) from None
            except JSONDecodeError:
                raise self._away("no JSON") from None
            except ValueError as error:  # the tenant is not known there
                text = f"{self._neighbour}: no access token: check tenant and login_url"
                raise NeighbourRefused(self._neighbour, text) from error
            except (RuntimeError, OSError, MsalServiceError) as error:
                raise self._away(type(error).__name__) from None
            if "access_token" not in answer:
                raise self._refusal(answer)
            self._token = str(answer["access_token"])
            return self._token

    def forget(self) -> None:
        """Get another token for the next request: this one was refused within a batch."""
        with self._lock:
            if self._application is not None:
                self._application.remove_tokens_for_client()

    def _made(self) -> Any:
        settings = self._settings
        credential: Any
        if settings.client_secret is not None:
            credential = settings.client_secret.get_secret_value()
        elif settings.certificate_file is not None and settings.key_file is not None:
            credential = {
                "private_key": settings.key_file.read_text("utf-8"),
                "public_certificate": settings.certificate_file.read_text("utf-8"),
            }
        else:
            file = settings.federated_token_file
            credential = {
                "client_assertion": lambda: file.read_text("utf-8").strip() if file else ""
            }
        return msal.ConfidentialClientApplication(
            settings.client_id,
            client_credential=credential,
            authority=f"{settings.login_url.rstrip('/')}/{settings.tenant}",
            instance_discovery=False,
            http_client=_LoginClient(settings),
        )

    def _away(self, cause: str) -> NeighbourUnavailable:
        return NeighbourUnavailable(
            self._neighbour, f"{self._neighbour}: no access token from login_url ({cause})"
        )

    def _refusal(self, answer: dict[str, Any]) -> NeighbourUnavailable | NeighbourUnauthorised:
        """Name the refusal by its codes; its description may quote anything."""
        error = str(answer.get("error", ""))
        numbers = [code for code in answer.get("error_codes") or () if isinstance(code, int)]
        cause = " ".join([error if error.isidentifier() else "?", *(f"AADSTS{n}" for n in numbers)])
        if error in PASSES_BY_ITSELF:
            return self._away(cause)
        text = (
            f"{self._neighbour}: no access token ({cause}): check tenant, client_id and the"
            f" credential of [{self._neighbour}]"
        )
        return NeighbourUnauthorised(self._neighbour, text)


@dataclass(frozen=True, slots=True)
class _Connection:
    session: requests.Session
    adapter: Deadline


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
        return self._answer("POST", f"{self.base_url}{path}", content, send_by)

    def get(self, url: str) -> requests.Response:
        """Get a URL as it is, and return the whole answer; raises as `post` does."""
        return self._answer("GET", url, None, None)

    def is_below(self, url: str) -> bool:
        """Whether a URL is one of the configured host, to which alone our token goes."""
        here, there = urlsplit(self.base_url), urlsplit(url)
        return (here.scheme, here.netloc) == (there.scheme, there.netloc)

    def _answer(
        self, method: str, url: str, content: bytes | None, send_by: float | None
    ) -> requests.Response:
        """Send; once more with a new token where the first had run out, as nothing was done then."""
        token = self.tokens.token()
        response = self._sent(method, url, content, token, send_by)
        if response.status_code == requests.codes.unauthorized and _is_expired(response):
            token = self.tokens.token(refused=token)
            response = self._sent(method, url, content, token, send_by)
        return response

    def _sent(
        self, method: str, url: str, content: bytes | None, token: str, send_by: float | None
    ) -> requests.Response:
        headers = {
            "Authorization": f"Bearer {token}",
            "Accept": "application/json",
            "client-request-id": str(uuid4()),
        }
        if content is not None:
            headers["Content-Type"] = "application/json"
        with self._connection() as connection, ends_told_apart():
            request = connection.session.prepare_request(
                requests.Request(method, url, headers, data=content)
            )
            request.url = url  # as it is: an address of Graph's is not encoded again
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
                connection = _Connection(session, adapter)
            yield connection
        finally:
            self._free.put(connection)


def _is_expired(response: requests.Response) -> bool:
    error = (body_of(response.content) or {}).get("error")
    return isinstance(error, dict) and error.get("code") == EXPIRED
