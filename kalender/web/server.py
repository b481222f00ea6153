"""Listens, and answers until it is told to stop."""

import os
import secrets
import socket
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn

from kalender.app import App
from kalender.config.web import WebSettings
from kalender.errors import ConfigError
from kalender.operate.status import Expectations
from kalender.store.database import Database
from kalender.web.page import Site
from kalender.web.proxy import Proxy
from kalender.web.sessions import KEY_BYTES, OneTimeToken, Sessions
from kalender.web.sign_in import SignIn
from kalender.web.site import CALLBACK, ENTER, Entrance, make_site
from kalender.web.snapshots import Snapshots

CONNECTIONS = 4  # to the database; requests beyond them wait
MOST_CONNECTIONS = 200  # of browsers; more are told to come again
STOP_SECONDS = 10
ROLES_RENEWED = timedelta(hours=1)


class WebServer:
    """A bound port or socket; `serve` answers until `stop` is called from another thread."""

    def __init__(self, settings: WebSettings) -> None:
        """Raise ConfigError where the port or the socket cannot be had."""
        self._uvicorn: uvicorn.Server | None = None
        self._is_stopped = False
        self._path = settings.socket
        if settings.socket is not None:
            self._socket, host = _listening_at(settings.socket), "localhost"
        else:
            self._socket, host = _listening_on(settings)
        if settings.public_url is not None:
            self.origin = settings.public_url.rstrip("/")
            self.hosts = frozenset({urlsplit(self.origin).netloc.lower()})
        else:
            port: int = self._socket.getsockname()[1]
            self.origin = f"http://{host}:{port}"
            names = {host, "localhost", "127.0.0.1", "[::1]"}
            self.hosts = frozenset(f"{name}:{port}" for name in names)

    def serve(self, wired: App, database: Database, entrance: Entrance) -> None:
        """Answer until told to stop; what is under way then is finished within seconds.

        Not to be called in the first thread, whose signals the web server would take.
        """
        snapshots = Snapshots(database, Expectations.of(wired))
        site = Site(app=wired, database=database, snapshots=snapshots, settings=wired.settings())
        config = uvicorn.Config(
            make_site(site, entrance),
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            lifespan="off",
            ws="none",
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=STOP_SECONDS,
        )
        self._uvicorn = uvicorn.Server(config)
        try:
            if not self._is_stopped:
                self._uvicorn.run(sockets=[self._socket])
        finally:
            if self._path is not None:
                self._path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End `serve`, from another thread."""
        self._is_stopped = True
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True


def _listening_on(settings: WebSettings) -> tuple[socket.socket, str]:
    """Return a socket that listens on the configured address and port, and the address for a URL."""
    try:
        address = ip_address(settings.address)
    except ValueError:
        raise ConfigError("web.address must be an IP address, such as 127.0.0.1") from None
    is_six = address.version == 6  # noqa: PLR2004
    family = socket.AF_INET6 if is_six else socket.AF_INET
    try:
        listening = socket.create_server((settings.address, settings.port), family=family)
    except OSError as error:
        message = (
            f"web: cannot listen on {settings.address} port {settings.port} ({error.strerror});"
            " another process of this machine may have it: give another by --port"
        )
        raise ConfigError(message) from None
    return listening, f"[{settings.address}]" if is_six else settings.address


def _listening_at(path: Path) -> socket.socket:
    """Return a socket that listens at a path, which our own user and group alone may open.

    uvicorn would let everybody on the machine open one that it makes, and whoever opens it is
    believed to be the proxy. One that a process left behind is replaced.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o117)
    try:
        if path.is_socket() and not _is_answered(path):
            path.unlink()
        listening.bind(str(path))
    except OSError as error:
        listening.close()
        message = (
            f"web: cannot listen at the socket {path} ({error.strerror or error}): give a path in a "
            "directory that we may write to, at which no other process listens"
        )
        raise ConfigError(message) from None
    finally:
        os.umask(before)
    listening.listen()
    return listening


def _is_answered(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        return asking.connect_ex(str(path)) == 0


def make_entrance(server: WebServer, settings: WebSettings, *, operator: str) -> Entrance:
    """Return the way in: the configured sign-in or proxy, else a one-time token for `operator`.

    ConfigError where a secret is missing. A proxy says roles with each request; else they are those
    of the last sign-in, which is asked for anew each hour.
    """
    secret = settings.session_key
    key = secret.get_secret_value() if secret else secrets.token_urlsafe(KEY_BYTES)
    if settings.proxy is not None:
        if settings.socket is None and settings.proxy.shared_secret is None:
            raise ConfigError(
                "web.proxy.shared_secret is missing: anybody could send the proxy's headers; set it, "
                "or shared_secret_file, or listen at web.socket, which only the proxy may open"
            )
        return Entrance(
            hosts=server.hosts,
            sessions=Sessions(key, lasting=timedelta(hours=settings.session_hours)),
            token=None,
            operator=operator,
            secure=server.origin.startswith("https:"),
            proxy=Proxy(settings.proxy),
        )
    if settings.sign_in is None:
        lasting = timedelta(hours=settings.session_hours)
        return Entrance(
            hosts=server.hosts,
            sessions=Sessions(key, lasting=lasting),
            token=OneTimeToken(),
            operator=operator,
        )
    if settings.sign_in.client_secret is None:
        raise ConfigError(
            "web.sign_in.client_secret is missing: set it, or client_secret_file, or "
            "KALENDER_WEB__SIGN_IN__CLIENT_SECRET_FILE in the environment"
        )
    return Entrance(
        hosts=server.hosts,
        sessions=Sessions(key, lasting=ROLES_RENEWED),
        token=None,
        operator=operator,
        secure=server.origin.startswith("https:"),
        sign_in=SignIn(settings.sign_in, redirect_uri=f"{server.origin}{CALLBACK}", key=key),
    )


def first_address(server: WebServer, entrance: Entrance) -> str:
    """Return the address to open: without a sign-in one that begins a session, once."""
    if entrance.token is None:
        return f"{server.origin}/"
    return f"{server.origin}{ENTER}?token={entrance.token.value}"
