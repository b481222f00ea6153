"""Signing in by OpenID Connect: the code flow with PKCE, and groups that become roles.

Nothing that a browser or a provider brings is believed before it was checked: the state against a
signed cookie of this browser, the token's signature against the provider's keys (asymmetric ones
alone), its issuer, audience, times and nonce. Keys are fetched again when a token names one that is
not known, at most once a minute. All that a sign-in needs until it comes back lies in that cookie,
so any process with the same key may finish it.
"""

import secrets
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urljoin, urlsplit

import structlog
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from itsdangerous import BadSignature, URLSafeTimedSerializer
from joserfc import jwk, jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from requests import RequestException

from kalender.config.web import SignInSettings
from kalender.web.groups import role_of
from kalender.web.page import PageError, WebRole, own_path

log = structlog.get_logger(__name__)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
DISCOVERY = "/.well-known/openid-configuration"
FLOW_SECONDS = 600  # from the first redirect until the provider sends the browser back
FRESH_SECONDS = 3600.0  # that the provider's own settings and keys are used
KEYS_AGAIN_SECONDS = 60.0
LEEWAY_SECONDS = 60
TIMEOUT = 10.0
MOST_PAGES = 50  # of a list of groups
LONGEST_NAME = 120
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A sign-in that begins: where the browser goes, and the cookie that it keeps until it is back."""

    location: str
    cookie: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedIn:
    """Who came back, what they may do, and the path of ours that they wanted."""

    who: str
    role: WebRole
    path: str


class NotSignedIn(PageError):
    """The sign-in failed."""

    def __init__(self, because: str, *, status: int = 401, words: str = "error.sign_in") -> None:
        super().__init__(status, words, because=because)


class SignIn:
    """The client of one provider. Usable from several threads.

    `redirect_uri` is where the provider sends browsers back to; `key` signs the cookies.
    """

    def __init__(self, settings: SignInSettings, *, redirect_uri: str, key: str) -> None:
        self._settings, self._redirect_uri = settings, redirect_uri
        self._cookies = URLSafeTimedSerializer(key, salt="kalender sign-in")
        self._lock = threading.Lock()
        self._provider: Json = {}
        self._provider_at = self._keys_at = float("-inf")
        self._keys: jwk.KeySet | None = None

    def begin(self, path: str) -> Begun:
        """Begin a sign-in that ends at a path of ours; NotSignedIn where the provider is away."""
        provider = self._discover()
        state, nonce = secrets.token_urlsafe(24), secrets.token_urlsafe(24)
        verifier = secrets.token_urlsafe(48)
        location, _ = self._client().create_authorization_url(
            provider["authorization_endpoint"], state=state, nonce=nonce, code_verifier=verifier
        )
        path = path if own_path(path) else "/"
        cookie = str(self._cookies.dumps([state, nonce, verifier, path]))
        return Begun(location=str(location), cookie=cookie)

    def finish(self, query: Mapping[str, str], cookie: str | None) -> SignedIn:
        """Return who signed in; NotSignedIn where anything is not as it must be."""
        try:
            state, nonce, verifier, path = self._cookies.loads(cookie or "", max_age=FLOW_SECONDS)
        except (BadSignature, TypeError, ValueError):
            raise NotSignedIn("no_flow") from None
        if not secrets.compare_digest(str(state).encode(), query.get("state", "").encode()):
            raise NotSignedIn("state")
        # a provider that names itself must be the one that was asked (RFC 9207)
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise NotSignedIn("issuer")
        if "error" in query or not query.get("code"):
            raise NotSignedIn("refused_by_provider")
        token = self._token(query["code"], str(verifier))
        claims = self._claims(str(token.get("id_token", "")), str(nonce))
        groups = self._groups(claims, str(token.get("access_token", "")))
        role = role_of(groups, self._settings)
        if role is None:
            raise NotSignedIn("no_role", status=403, words="error.no_role")
        name = claims.get(self._settings.name_claim) or claims["sub"]
        who = "".join(letter for letter in str(name) if letter.isprintable())[:LONGEST_NAME]
        return SignedIn(who=who, role=role, path=str(path) if own_path(str(path)) else "/")

    # -- what the provider says -------------------------------------------------------------------

    def _client(self, token: Json | None = None) -> OAuth2Session:
        settings, secret = self._settings, self._settings.client_secret
        client = OAuth2Session(
            settings.client_id,
            secret.get_secret_value() if secret else None,
            scope=" ".join(settings.scopes),
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            token=token,
            default_timeout=TIMEOUT,
        )
        client.verify = str(settings.ca_file) if settings.ca_file else True
        return client

    def _token(self, code: str, verifier: str) -> Json:
        endpoint = self._discover()["token_endpoint"]
        try:
            token = self._client().fetch_token(
                endpoint, code=code, code_verifier=verifier, grant_type="authorization_code"
            )
        except AuthlibBaseError:
            raise NotSignedIn("code") from None
        except (RequestException, ValueError):
            raise self._is_away() from None
        return dict(token)

    def _claims(self, id_token: str, nonce: str) -> Json:
        """Return what the identity token says, once all of it was checked."""
        try:
            claims = self._decoded(id_token).claims
            audience = claims.get("aud")
            rules: dict[str, Any] = {
                "iss": {"essential": True, "value": self._settings.issuer},
                "aud": {"essential": True, "value": self._settings.client_id},
                "nonce": {"essential": True, "value": nonce},
                "sub": {"essential": True},
                "exp": {"essential": True},
                "iat": {"essential": True},
            }
            if "azp" in claims or (isinstance(audience, list) and len(audience) > 1):
                rules["azp"] = {"essential": True, "value": self._settings.client_id}
            jwt.JWTClaimsRegistry(leeway=LEEWAY_SECONDS, **rules).validate(claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotSignedIn(f"token {type(error).__name__}") from None
        return claims

    def _decoded(self, id_token: str) -> jwt.Token:
        """Check the signature; a key that is not known may be a new one of the provider's."""
        try:
            return jwt.decode(id_token, self._key_set(), algorithms=ALGORITHMS)
        except (InvalidKeyIdError, ValueError):
            with self._lock:
                may_ask = monotonic() - self._keys_at > KEYS_AGAIN_SECONDS
            if not may_ask:
                raise
        return jwt.decode(id_token, self._key_set(again=True), algorithms=ALGORITHMS)

    def _key_set(self, *, again: bool = False) -> jwk.KeySet:
        with self._lock:
            keys, is_fresh = self._keys, monotonic() - self._keys_at < FRESH_SECONDS
        if keys is None or again or not is_fresh:
            told = self._get(str(self._discover()["jwks_uri"]))
            # a shared secret is no proof of who signed
            pairs = [key for key in told.get("keys", []) if key.get("kty") in {"RSA", "EC", "OKP"}]
            keys = jwk.KeySet.import_key_set({"keys": pairs})
            with self._lock:
                self._keys, self._keys_at = keys, monotonic()
        return keys

    def _discover(self) -> Json:
        with self._lock:
            provider, is_fresh = self._provider, monotonic() - self._provider_at < FRESH_SECONDS
        if provider and is_fresh:
            return provider
        told = self._get(self._settings.issuer.rstrip("/") + DISCOVERY)
        scheme = urlsplit(self._settings.issuer).scheme
        names = ("authorization_endpoint", "token_endpoint", "jwks_uri")
        if told.get("issuer") != self._settings.issuer or any(
            urlsplit(str(told.get(name))).scheme not in {"https", scheme} for name in names
        ):
            log.warning("sign_in_failed", because="discovery")
            raise self._is_away()
        with self._lock:
            self._provider, self._provider_at = told, monotonic()
        return told

    def _get(self, url: str, access_token: str | None = None) -> Json:
        """Ask for JSON; NotSignedIn where that does not come. Redirects are not followed."""
        token = {"access_token": access_token, "token_type": "Bearer"} if access_token else None
        with self._client(token) as client:
            try:
                answer = client.get(
                    url, timeout=TIMEOUT, allow_redirects=False, withhold_token=token is None
                )
                told = answer.json() if answer.status_code == 200 else None  # noqa: PLR2004
            except (RequestException, ValueError, AuthlibBaseError):
                told = None
        if isinstance(told, list):
            return {"value": told}
        if not isinstance(told, dict):
            log.warning("sign_in_failed", because="provider_away")
            raise self._is_away()
        return told

    @staticmethod
    def _is_away() -> NotSignedIn:
        return NotSignedIn("provider_away", status=503, words="error.provider")

    # -- groups and roles -------------------------------------------------------------------------

    def _groups(self, claims: Json, access_token: str) -> Collection[str]:
        """Return the groups of who signs in, from where the settings say that they are told."""
        settings = self._settings
        told = claims.get(settings.groups_claim)
        match settings.groups_from:
            case "claim":
                return _texts(told)
            case "entra":
                # Entra leaves more than some two hundred groups out of the token, and says so.
                elsewhere = settings.groups_claim in (claims.get("_claim_names") or {})
                if told is not None and not elsewhere and not claims.get("hasgroups"):
                    return _texts(told)
                return self._all_groups(settings.entra_groups_url, access_token)
            case "feide":
                return self._all_groups(settings.feide_groups_url, access_token)

    def _all_groups(self, url: str, access_token: str) -> set[str]:
        """Read a list of groups to its end, all of it from one host."""
        groups, host = set[str](), urlsplit(url).netloc
        for _ in range(MOST_PAGES):
            page = self._get(url, access_token)
            groups |= {
                str(g["id"]) for g in page.get("value", ()) if isinstance(g, dict) and "id" in g
            }
            further = page.get("@odata.nextLink")
            if not further:
                return groups
            url = urljoin(url, str(further))
            if urlsplit(url).netloc != host:
                break
        raise self._is_away()


def _texts(told: object) -> Sequence[str]:
    """Return the texts of a claim, which may be one alone."""
    if isinstance(told, str):
        return [told]
    return [text for text in told if isinstance(text, str)] if isinstance(told, list) else []
