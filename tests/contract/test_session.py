"""Sessions over HTTP: NTLM with a server that speaks it, and the cookies of a load balancer."""

import base64
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import spnego

from kalender.calendars.ews.session import Sessions
from kalender.config.backends import EwsSettings

ANSWER = b"<answer/>"


class _Server(ThreadingHTTPServer):
    """Answers POSTs, by NTLM only where it is asked to; remembers what was authorised."""

    ntlm = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.told: list[tuple[bytes, str | None, str | None]] = []  # body, mailbox, cookie
        self.refused = 0


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    context: Any = None

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.server.ntlm and not self._is_authorised():
            return
        self.server.told.append((body, self.headers["X-AnchorMailbox"], self.headers["Cookie"]))
        self._answer(200, {"Set-Cookie": "node=7; Path=/"}, ANSWER)

    def _is_authorised(self) -> bool:
        """Go one step of the handshake, which is the connection's."""
        if self.context is not None and self.context.complete:
            return True
        self.context = self.context or spnego.server(protocol="ntlm")
        kind, _, token = self.headers.get("Authorization", "").partition(" ")
        answer = None
        if kind == "NTLM":
            try:
                answer = self.context.step(base64.b64decode(token))
            except spnego.exceptions.SpnegoError:
                self.context = None
            if self.context is not None and self.context.complete:
                return True
        self.server.refused += 1
        more = f" {base64.b64encode(answer).decode()}" if answer else ""
        self._answer(401, {"WWW-Authenticate": f"NTLM{more}"}, b"")
        return False

    def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server() as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


@contextmanager
def an_account(username: str, password: str) -> Iterator[None]:
    """Let the server know this account, as pyspnego wants it told."""
    with tempfile.TemporaryDirectory() as directory:
        known = Path(directory) / "accounts"
        known.write_text(f"UNI:{username}:{password}\n")
        os.environ["NTLM_USER_FILE"] = str(known)
        try:
            yield
        finally:
            del os.environ["NTLM_USER_FILE"]


def sessions(server: _Server, *, auth: str) -> Sessions:
    settings = EwsSettings.model_validate(
        {
            "endpoint": f"http://127.0.0.1:{server.server_port}/EWS/Exchange.asmx",
            "username": "UNI\\kalender",
            "password": "secret",
            "auth": auth,
            "timeout": 10,
        }
    )
    return Sessions(settings, connections=1)


def test_ntlm_authorises_a_connection_once_for_all_its_requests(server: _Server) -> None:
    server.ntlm = True
    with an_account("kalender", "secret"):
        ours = sessions(server, auth="ntlm")
        for number in range(3):
            answer = ours.post(b"<m%d/>" % number, f"user{number}@uni.example", None)
            assert (answer.status_code, answer.content) == (200, ANSWER)
    bodies = [(body, mailbox) for body, mailbox, _ in server.told]
    assert bodies == [(b"<m%d/>" % n, f"user{n}@uni.example") for n in range(3)]
    assert server.refused == 2  # the question, and the challenge


def test_a_wrong_password_over_ntlm_is_one_401(server: _Server) -> None:
    server.ntlm = True
    with an_account("kalender", "another"):
        answer = sessions(server, auth="ntlm").post(b"<m/>", "user@uni.example", None)
    assert answer.status_code == 401
    assert server.told == []


def test_a_load_balancers_cookie_comes_back(server: _Server) -> None:
    ours = sessions(server, auth="basic")
    for _ in range(2):
        ours.post(b"<m/>", "user@uni.example", None)
    assert [cookie for *_, cookie in server.told] == [None, "node=7"]
