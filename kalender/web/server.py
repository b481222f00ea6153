"""Listens, and answers until it is told to stop."""

import secrets
import socket
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

import uvicorn

from kalender.app import App
from kalender.config.web import WebSettings
from kalender.errors import ConfigError
from kalender.operate.status import Expectations
from kalender.store.database import Database
from kalender.web.page import Site
from kalender.web.sessions import KEY_BYTES, OneTimeToken, Sessions
from kalender.web.sign_in import SignIn
from kalender.web.site import CALLBACK, ENTER, Entrance, make_site
from kalender.web.snapshots import Snapshots

CONNECTIONS = 4  # to the database; requests beyond them wait
MOST_CONNECTIONS = 200  # of browsers; more are told to come again
STOP_SECONDS = 10
ROLES_RENEWED = timedelta(hours=1)


class Server:
    """A bound port; `serve` answers until `stop` is called from another thread."""

    def __init__(self, settings: WebSettings) -> None:
        """Raise ConfigError where the port cannot be had."""
        try:
            address = ip_address(settings.address)
        except ValueError:
            raise ConfigError("web.address must be an IP address, such as 127.0.0.1") from None
        family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004
        try:
            self._socket = socket.create_server((settings.address, settings.port), family=family)
        except OSError as error:
            message = (
                f"web: cannot listen on {settings.address} port {settings.port} ({error.strerror});"
                " another process of this machine may have it: give another by --port"
            )
            raise ConfigError(message) from None
        self._uvicorn: uvicorn.Server | None = None
        self._is_stopped = False
        self.port: int = self._socket.getsockname()[1]
        host = f"[{settings.address}]" if address.version == 6 else settings.address  # noqa: PLR2004
        self.origin = f"http://{host}:{self.port}"
        if settings.public_url is not None:
            self.origin = settings.public_url.rstrip("/")
            self.hosts = frozenset({urlsplit(self.origin).netloc.lower()})
        else:
            names = {host, "localhost", "127.0.0.1", "[::1]"}
            self.hosts = frozenset(f"{name}:{self.port}" for name in names)

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
        if not self._is_stopped:
            self._uvicorn.run(sockets=[self._socket])

    def stop(self) -> None:
        """End `serve`, from another thread."""
        self._is_stopped = True
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True


def make_entrance(server: Server, settings: WebSettings, *, operator: str) -> Entrance:
    """Return the way in: the configured sign-in, else a one-time token for `operator`.

    Roles are those of the last sign-in, which is asked for anew each hour.
    """
    secret = settings.session_key
    key = secret.get_secret_value() if secret else secrets.token_urlsafe(KEY_BYTES)
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


def first_address(server: Server, entrance: Entrance) -> str:
    """Return the address to open: without a sign-in one that begins a session, once."""
    if entrance.token is None:
        return f"{server.origin}/"
    return f"{server.origin}{ENTER}?token={entrance.token.value}"
