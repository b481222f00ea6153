"""Access tokens for an application of Entra, for whichever backend takes them."""

import json
import threading
from base64 import urlsafe_b64decode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import msal
import requests
from msal.exceptions import MsalServiceError

from kalender.config.backends import ApplicationSettings
from kalender.errors import NeighbourRefused, NeighbourUnauthorised, NeighbourUnavailable
from kalender.transport import Deadline, Lost, NotConnected, ends_told_apart

PASSES_BY_ITSELF = frozenset({"temporarily_unavailable", "server_error"})


class _LoginClient:
    """What msal sends its requests with: our transport, and its own answers."""

    def __init__(self, settings: ApplicationSettings) -> None:
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("https://", Deadline(settings.ca_file))
        self._timeout = settings.timeout
        self.clock_difference: timedelta | None = None  # by the last answer: its clock less ours

    def post(self, url: str, **keywords: Any) -> requests.Response:
        """Post a form."""
        return self._send("POST", url, keywords)

    def get(self, url: str, **keywords: Any) -> requests.Response:
        """Get a document."""
        return self._send("GET", url, keywords)

    def _send(self, method: str, url: str, keywords: dict[str, Any]) -> requests.Response:
        wanted = {key: keywords[key] for key in ("params", "data", "headers") if key in keywords}
        with ends_told_apart():
            response = self._session.request(
                method, url, timeout=self._timeout, allow_redirects=False, **wanted
            )
        try:
            there = parsedate_to_datetime(response.headers["Date"])
            self.clock_difference = there - datetime.now(UTC)  # noqa: TID251 - two servers' clocks
        except (KeyError, ValueError, TypeError):  # it tells no time, or one without a zone
            self.clock_difference = None
        return response

    def close(self) -> None:
        """Close the connection."""
        self._session.close()


class Tokens:
    """Access tokens for the application, kept until some minutes before they end.

    Usable from several threads. Nothing is asked before a token is wanted.
    """

    def __init__(self, neighbour: str, settings: ApplicationSettings) -> None:
        self._neighbour, self._settings = neighbour, settings
        base = urlsplit(settings.address)
        self._scopes = [f"{base.scheme}://{base.netloc}/.default"]
        self._lock = threading.Lock()
        self._login_client: _LoginClient | None = None
        self._application: Any = None
        self._token: str | None = None

    @property
    def clock_difference(self) -> timedelta | None:
        """How far the clock of the login was before ours when it answered; None: not known."""
        return self._login_client.clock_difference if self._login_client is not None else None

    def send(
        self,
        send: Callable[[str], requests.Response],
        is_expired: Callable[[requests.Response], bool],
    ) -> requests.Response:
        """Send with a token; once more with another where that had run out: nothing was done then.

        Raises what `token` and `send` raise.
        """
        token = self.token()
        response = send(token)
        if response.status_code == requests.codes.unauthorized and is_expired(response):
            response = send(self.token(refused=token))
        return response

    def token(self, *, refused: str | None = None) -> str:
        """Return an access token; another one than `refused`, which is no longer taken.

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
            except json.JSONDecodeError:
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
        self._login_client = _LoginClient(settings)
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
            http_client=self._login_client,
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


def roles_of(token: str) -> Sequence[str] | None:
    """Return the roles that a token grants beside what Exchange does; None where it tells nothing.

    Its signature is not looked at: this only shows an operator what was consented to in Entra.
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        roles = claims.get("roles") or []
        return [role for role in roles if isinstance(role, str)]
    except (IndexError, ValueError, AttributeError, TypeError):  # Microsoft promises no form of it
        return None
