"""The identity platform: tokens for a client that proves who it is, by secret or by assertion."""

import base64
import binascii
import json
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from kalender.sandbox.graph.errors import GraphError, Json, Reply
from kalender.sandbox.graph.settings import Settings

_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class LoginError(Exception):
    """No token is given."""

    def __init__(self, number: int, error: str, words: str, status: int = 401) -> None:
        super().__init__(words)
        self.number, self.error, self.words, self.status = number, error, words, status

    def reply(self) -> Reply:
        """Write the refusal as the identity platform does."""
        now = datetime.fromtimestamp(time.time(), UTC).strftime("%Y-%m-%d %H:%M:%SZ")
        body: Json = {
            "error": self.error,
            "error_description": f"AADSTS{self.number}: {self.words}",
            "error_codes": [self.number],
            "timestamp": now,
            "trace_id": str(uuid.uuid4()),
            "correlation_id": str(uuid.uuid4()),
        }
        return Reply(self.status, body)


@dataclass(frozen=True, slots=True)
class _Token:
    audience: str
    ends_at: float


@dataclass
class Login:
    """Who may have a token, and which tokens there are."""

    base: str
    settings: Settings
    client_id: str = "kalender"
    certificate: str | None = None
    _tokens: dict[str, "_Token"] = field(default_factory=dict)

    def configuration(self, tenant: str) -> Json:
        """Return what OpenID discovery tells of a tenant."""
        here = f"{self.base}/{tenant}"
        return {
            "issuer": f"{here}/v2.0",
            "authorization_endpoint": f"{here}/oauth2/v2.0/authorize",
            "token_endpoint": f"{here}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{here}/oauth2/v2.0/devicecode",
            "jwks_uri": f"{here}/discovery/v2.0/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
        }

    def token(self, tenant: str, form: Mapping[str, str], secret: str) -> Reply:
        """Give a token for a form's credentials; LoginError."""
        if form.get("grant_type") != "client_credentials":
            raise LoginError(70003, "unsupported_grant_type", "The grant type is unknown.", 400)
        if not form.get("scope", "").endswith("/.default"):
            words = "The provided value for the input parameter 'scope' is not valid."
            raise LoginError(70011, "invalid_scope", words, 400)
        if form.get("client_id") != self.client_id:
            words = f"Application '{form.get('client_id')}' was not found in the directory."
            raise LoginError(700016, "unauthorized_client", words, 400)
        assertion = form.get("client_assertion")
        if assertion is not None:
            if form.get("client_assertion_type") != _ASSERTION:
                raise LoginError(50027, "invalid_request", "The assertion has no type.", 400)
            self._check(assertion, f"{self.base}/{tenant}/oauth2/v2.0/token")
        elif not secrets.compare_digest(form.get("client_secret", ""), secret):
            raise LoginError(7000215, "invalid_client", "Invalid client secret provided.")
        seconds = self.settings.token_seconds
        audience = form["scope"].removesuffix("/.default")
        token = self._written(tenant, audience, seconds)
        self._tokens[token] = _Token(audience, time.monotonic() + seconds)
        life = {"expires_in": int(seconds), "ext_expires_in": int(seconds)}
        return Reply(200, {"token_type": "Bearer", **life, "access_token": token})

    def _written(self, tenant: str, audience: str, seconds: float) -> str:
        """Write a token as a JWT whose signature is made up; nobody but us need believe it."""
        now, roles = int(time.time()), self.settings.roles.split()
        claims: Json = {"aud": audience, "iss": f"{self.base}/{tenant}/", "appid": self.client_id}
        claims |= {"iat": now, "nbf": now, "exp": now + int(seconds), "tid": tenant, "ver": "1.0"}
        claims |= {"roles": roles} if roles else {}
        parts = ({"typ": "JWT", "alg": "RS256", "kid": "sandbox"}, claims)
        written = [_encoded(json.dumps(part).encode()) for part in parts]
        return ".".join([*written, secrets.token_urlsafe(48)])

    def admit(self, authorization: str | None, audience: str | None = None) -> None:
        """Let a bearer of a token in, or raise 401; an audience takes only what was meant for it."""
        kind, _, token = (authorization or "").partition(" ")
        if kind != "Bearer" or not token:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token is empty.")
        known = self._tokens.get(token.strip())
        if known is None:
            words = "IDX14100: JWT is not well formed."
            raise GraphError(401, "InvalidAuthenticationToken", words)
        if audience not in {None, known.audience}:
            raise GraphError(401, "InvalidAuthenticationToken", "Access token validation failure.")
        if time.monotonic() >= known.ends_at:
            raise GraphError(401, "InvalidAuthenticationToken")

    def expire(self) -> None:
        """Let all tokens in hand end now."""
        self._tokens = {name: _Token(token.audience, 0) for name, token in self._tokens.items()}

    def _check(self, assertion: str, audience: str) -> None:
        """Hold a client assertion to its form, and to the certificate where there is one."""
        parts = assertion.split(".")
        try:
            head, body, tail = parts
            header, claims = (dict(json.loads(_decoded(part))) for part in (head, body))
            signature = _decoded(tail)
        except (ValueError, TypeError, binascii.Error) as error:
            raise LoginError(50027, "invalid_client", "JWT token is invalid.") from error
        algorithm = header.get("alg")
        if algorithm not in {"RS256", "PS256"} or claims.get("exp", 0) < time.time():
            words = "Client assertion is not within its valid time range."
            raise LoginError(700024, "invalid_client", words)
        if self.certificate is None:
            return
        own = {"iss": self.client_id, "sub": self.client_id, "aud": audience}
        if any(claims.get(name) != value for name, value in own.items()):
            words = "Client assertion contains an invalid claim."
            raise LoginError(700021, "invalid_client", words)
        # Only whoever gives a certificate waits for the library.
        from kalender.sandbox.graph.assertion import is_signed  # noqa: PLC0415

        if not is_signed(f"{head}.{body}".encode(), signature, header, self.certificate):
            words = "Client assertion failed signature validation."
            raise LoginError(700027, "invalid_client", words)


def _encoded(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
