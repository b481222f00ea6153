"""Listens, and answers until it is told to stop."""

import socket
from datetime import timedelta
from ipaddress import ip_address

import uvicorn

from kalender.app import App
from kalender.config.sections import WebSettings
from kalender.errors import ConfigError
from kalender.operate.status import Expectations
from kalender.store.database import Database
from kalender.web.page import Site
from kalender.web.sessions import OneTimeToken, Sessions
from kalender.web.site import ENTER, Entrance, make_site
from kalender.web.snapshots import Snapshots

CONNECTIONS = 4  # to the database; requests beyond them wait
MOST_CONNECTIONS = 200  # of browsers; more are told to come again
STOP_SECONDS = 10


class Server:
    """A bound port; `serve` answers until `stop` is called from another thread."""

    def __init__(self, settings: WebSettings) -> None:
        """Raise ConfigError where the port cannot be had."""
        address = ip_address(settings.address)
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
        names = {host, "localhost", "127.0.0.1", "[::1]"}
        self.hosts = frozenset(f"{name}:{self.port}" for name in names)

    def serve(self, wired: App, database: Database, entrance: Entrance) -> None:
        """Answer until told to stop; what is under way then is finished within seconds.

        Not to be called in the first thread, whose signals the web server would take.
        """
        snapshots = Snapshots(database, Expectations.of(wired))
        site = Site(app=wired, database=database, snapshots=snapshots)
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


def local_entrance(server: Server, settings: WebSettings, *, operator: str, key: str) -> Entrance:
    """Return the way in on loopback: a one-time token, for whoever started the process."""
    return Entrance(
        hosts=server.hosts,
        sessions=Sessions(key, lasting=timedelta(hours=settings.session_hours)),
        token=OneTimeToken(),
        operator=operator,
    )


def first_address(server: Server, entrance: Entrance) -> str:
    """Return the address that begins a session, once."""
    token = entrance.token.value if entrance.token else ""
    return f"{server.origin}{ENTER}?token={token}"
