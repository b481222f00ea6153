"""A hostile provider of OpenID Connect on loopback, that forges what a test tells it to."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import time
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from joserfc import jwk, jwt

Claims = dict[str, Any]


def a_key(kid: str) -> jwk.RSAKey:
    return jwk.RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """What it tells; by default all of it is right. `sign` makes the identity token of claims."""

    issuer: str = ""
    keys: list[jwk.RSAKey] = field(default_factory=lambda: [a_key("one")])
    signing: jwk.RSAKey | None = None  # else the first of the keys
    claims: Claims = field(default_factory=dict)  # beside the usual ones, or instead of them
    left_out: set[str] = field(default_factory=set)
    sign: Callable[[Claims], str] | None = None
    back: Mapping[str, str] = field(default_factory=dict)  # instead of what is sent back
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)  # path -> status, JSON
    nonces: dict[str, tuple[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def token(self, nonce: str) -> str:
        usual: Claims = {
            "iss": self.issuer,
            "aud": "kalender",
            "sub": "7",
            "preferred_username": "kari",
            "groups": ["helpers"],
            "nonce": nonce,
            "iat": int(time()),
            "exp": int(time()) + 300,
        }
        told = {k: v for k, v in (usual | self.claims).items() if k not in self.left_out}
        if self.sign is not None:
            return self.sign(told)
        key = self.signing or self.keys[0]
        return jwt.encode({"alg": "RS256", "kid": key.kid}, told, key)

    def answer(self, path: str, query: dict[str, str], form: dict[str, str]) -> tuple[int, Any]:
        """Return a status with JSON, or with the address of a redirect."""
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        match path:
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                }
            case "/keys":
                return 200, {"keys": [key.as_dict(private=False) for key in self.keys]}
            case "/authorize":
                assert query["code_challenge_method"] == "S256"
                self.nonces["code"] = (query["nonce"], query["code_challenge"])
                sent = {"code": "code", "state": query["state"]} | dict(self.back)
                return 302, f"{query['redirect_uri']}?{urlencode(sent)}"
            case "/token":
                nonce, challenge = self.nonces.pop(form["code"], ("", ""))
                digest = hashlib.sha256(form["code_verifier"].encode()).digest()
                if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != challenge:
                    return 400, {"error": "invalid_grant"}
                return 200, {
                    "access_token": "access",
                    "token_type": "Bearer",
                    "id_token": self.token(nonce),
                }
            case _:
                return 404, {"error": "not found"}


@contextmanager
def provided() -> Iterator[Provider]:
    """Serve a provider while the block lasts."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply({})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            self.reply({name: values[-1] for name, values in parse_qs(body.decode()).items()})

        def reply(self, form: dict[str, str]) -> None:
            parts = urlsplit(self.path)
            status, told = provider.answer(parts.path, dict(parse_qsl(parts.query)), form)
            self.send_response(status)
            if isinstance(told, str):
                self.send_header("location", told)
                body = b""
            else:
                self.send_header("content-type", "application/json")
                body = json.dumps(told).encode()
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.issuer = f"http://localhost:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever).start()
        try:
            yield provider
        finally:
            server.shutdown()
