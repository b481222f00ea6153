"""Requests end, and trust whom they are told to: servers that drip, and servers with own CAs."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kalender import transport
from kalender.calendars.ews.session import Sessions
from kalender.config.backends import EwsSettings
from kalender.errors import KalenderError, NeighbourUnavailable
from kalender.sources.http import Http
from kalender.transport import Lost, NotConnected
from tests.fakes.university import fs_settings, settings_of, tp_settings
from tests.servers import make_certificates

SECONDS = 0.6  # the deadline of a whole answer; the servers drip for ever
PAUSE = 0.1  # between two bytes: never as long as the deadline
BEGIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
DRIPS = {
    "head": BEGIN + b"X-Slow: ",
    "body": BEGIN + b"Content-Length: 100000\r\n\r\n",
    "chunk": BEGIN + b"Transfer-Encoding: chunked\r\n\r\n100000\r\n",
    "length of a chunk": BEGIN + b"Transfer-Encoding: chunked\r\n\r\n",
    "to the end": BEGIN + b"Connection: close\r\n\r\n",
}
Serve = Callable[[socket.socket], None]


@dataclass
class Server:
    """A server on loopback that does with each connection as it is told."""

    serve: Serve
    context: ssl.SSLContext | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    asked: threading.Event = field(default_factory=threading.Event)
    hung_up: threading.Event = field(default_factory=threading.Event)

    def run(self, listening: socket.socket) -> None:
        while not self.stop.is_set():
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, plain: socket.socket) -> None:
        try:
            speaking = self.context.wrap_socket(plain, server_side=True) if self.context else plain
            self.asked.set()
            with speaking:
                self.serve(speaking)
        except OSError:
            self.hung_up.set()


@contextmanager
def serving(server: Server) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=server.run, args=(listening,), daemon=True).start()
        scheme = "https" if server.context else "http"
        try:
            yield f"{scheme}://localhost:{listening.getsockname()[1]}"
        finally:
            server.stop.set()


def dripping(server: list[Server], begins: bytes) -> Serve:
    """Answer with the beginning, then a byte at a time until the client hangs up."""

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(begins)
        while not server[0].stop.wait(PAUSE):
            connection.sendall(b"1")

    return serve


def answering(connection: socket.socket) -> None:
    """Answer a GET, or a POST of `<a/>` once it is there as a whole."""
    asked = connection.recv(65536)
    while asked.startswith(b"POST") and b"<a/>" not in asked:
        asked += connection.recv(65536)
    connection.sendall(BEGIN + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")


def sessions(url: str, *, ca_file: Path | None = None, timeout: float = 10) -> Sessions:
    settings = EwsSettings.model_validate(
        {
            "endpoint": f"{url}/EWS/Exchange.asmx",
            "username": "kalender",
            "password": "secret",
            "ca_file": ca_file,
            "timeout": timeout,
        }
    )
    return Sessions(settings, connections=1)


@pytest.mark.parametrize("begins", DRIPS.values(), ids=DRIPS)
@pytest.mark.parametrize("neighbour", ["source", "exchange"])
def test_an_answer_that_drips_ends_at_its_deadline(neighbour: str, begins: bytes) -> None:
    made: list[Server] = []
    made.append(Server(dripping(made, begins)))
    with serving(made[0]) as url:
        if neighbour == "source":
            http = Http("fs", fs_settings(url, timeout=SECONDS))
            with pytest.raises(NeighbourUnavailable, match="imeout"):
                http.get_json("personer")
            http.session.close()
        else:
            with pytest.raises(Lost, match="ReadTimeout"):
                sessions(url, timeout=SECONDS).post(b"<a/>", "a@uni.example", None)
        assert not made[0].stop.is_set()
        assert made[0].hung_up.wait(10), "the connection was kept"


def test_an_answer_without_end_is_not_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "LARGEST", 100_000)

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(DRIPS["to the end"])
        while True:
            connection.sendall(b" " * 10_000)

    with serving(Server(serve)) as url:
        http = Http("tp", tp_settings(url, timeout=30))
        with pytest.raises(NeighbourUnavailable, match="larger than any"):
            http.get_json("ws")
        http.session.close()
        with pytest.raises(Lost):
            sessions(url).post(b"<a/>", "a@uni.example", None)


# -- whom they trust --------------------------------------------------------------------------------


@pytest.fixture
def tls(tmp_path: Path) -> Server:
    """A server whose certificate is of an authority of its own, ca.pem of `tmp_path`."""
    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    return Server(answering, context)


def ask(neighbour: str, url: str, ca_file: Path | None) -> None:
    """Ask something of a neighbour whose certificate must be trusted for it."""
    if neighbour == "exchange":
        assert sessions(url, ca_file=ca_file).post(b"<a/>", "a@b.no", None).content == b"{}"
        return
    http = Http(neighbour, settings_of(neighbour, url, timeout=10, ca_file=ca_file))
    try:
        assert http.get_json("personer") == {}
    finally:
        http.session.close()


each = pytest.mark.parametrize("neighbour", ["fs", "tp", "exchange"])


@each
def test_an_authority_of_ones_own_is_trusted_where_a_neighbour_is_told_to(
    tls: Server, tmp_path: Path, neighbour: str
) -> None:
    with serving(tls) as url:
        with pytest.raises((KalenderError, NotConnected)):
            ask(neighbour, url, None)
        ask(neighbour, url, tmp_path / "ca.pem")


@each
def test_an_authority_of_ones_own_in_the_machines_list_is_trusted(
    tls: Server, tmp_path: Path, neighbour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with serving(tls) as url:
        ask(neighbour, url, None)


@each
def test_what_requests_brings_along_is_not_trusted_beside_a_ca_file(
    tls: Server, tmp_path: Path, neighbour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    make_certificates(other)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    with serving(tls) as url, pytest.raises((KalenderError, NotConnected)):
        ask(neighbour, url, other / "ca.pem")
