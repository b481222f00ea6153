"""The servers on loopback, here or in a process of their own."""

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from aiohttp import web

from kalender.sandbox import control
from kalender.sandbox.desk import EWS_PATH, Desk
from kalender.sandbox.graph.cloud import Cloud
from kalender.sandbox.graph.desk import ROOT, GraphDesk, LoginDesk
from kalender.sandbox.world import Endpoints, load

__all__ = ["Endpoints", "Running", "serve", "start"]
_NEIGHBOURS = ("fs", "tp", "exchange")
_CLOUD = ("graph", "login")
_MOST_BYTES = 64 * 1024 * 1024
_PROJECT = Path(__file__).resolve().parents[2]


def serve(
    university: Path,
    *,
    port_base: int = 0,
    host: str = "127.0.0.1",
    graph: str = "none",
    ready: Callable[[Endpoints], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve a university until `stop` is set, or, in the main thread, until SIGTERM or SIGINT.

    `graph` is `none`, `half` or `all`: so many people have their mailbox on Microsoft Graph, which
    is served on two more ports if there are any.
    """
    neighbours = _NEIGHBOURS if graph == "none" else (*_NEIGHBOURS, *_CLOUD)
    ports = [port_base + n if port_base else 0 for n in range(len(neighbours))]
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server((host, port), backlog=512)) for port in ports
        ]
        certified = None
        if graph != "none":
            # Only whoever serves Graph waits for the library.
            from kalender.sandbox.graph.certificates import authority  # noqa: PLC0415

            directory = Path(stack.enter_context(TemporaryDirectory(prefix="sandbox-login-")))
            certified = authority(directory, host)
        asyncio.run(_Server(university, sockets, graph, certified).run(ready, stop))


class _Server:
    """The applications of all neighbours, each on its socket."""

    def __init__(
        self,
        university: Path,
        sockets: list[socket.socket],
        graph: str,
        certified: tuple[Path, ssl.SSLContext] | None,
    ) -> None:
        self._sockets, self._certified = sockets, certified
        fs, tp, exchange, *more = ("http://{}:{}".format(*s.getsockname()) for s in sockets)
        self._world = load(university, fs, graph)
        self._ends = Endpoints(fs, tp, exchange + EWS_PATH, fs + "/_control")
        if certified is not None:
            login = more[1].replace("http:", "https:")
            self._world.cloud = Cloud(self._world.exchange, more[0] + ROOT, login)
            cloud = (more[0] + ROOT, login, str(certified[0]))
            self._ends = Endpoints(fs, tp, exchange + EWS_PATH, fs + "/_control", *cloud)

    async def run(self, ready: Callable[[Endpoints], None], stop: threading.Event | None) -> None:
        """Serve until it is over."""
        stopped = asyncio.Event()
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        runners = []
        for name, listening in zip((*_NEIGHBOURS, *_CLOUD), self._sockets, strict=False):
            runner = web.AppRunner(self._application(name), access_log=None, shutdown_timeout=0.5)
            await runner.setup()
            secure = self._certified[1] if name == "login" and self._certified else None
            await web.SockSite(runner, listening, ssl_context=secure).start()
            runners.append(runner)
        ready(self._ends)
        signalled = asyncio.create_task(stopped.wait())
        while not (signalled.done() or (stop is not None and stop.is_set())):
            await asyncio.wait([signalled], timeout=0.1)
        signalled.cancel()
        for runner in runners:
            await runner.cleanup()

    def _application(self, name: str) -> web.Application:
        world, handler = self._world, Desk(self._world, name).handle
        if world.cloud is not None and name in _CLOUD:
            kind = GraphDesk if name == "graph" else LoginDesk
            handler = kind(world, world.cloud).handle
        app = web.Application(client_max_size=_MOST_BYTES)
        app.add_routes(control.routes(world))
        app.router.add_route("*", "/{path:.*}", handler)
        return app


class Running:
    """A sandbox in a process of its own, ended with the `with` block."""

    def __init__(self, process: subprocess.Popen[bytes], endpoints: Endpoints) -> None:
        self._process, self.endpoints = process, endpoints

    def __enter__(self) -> Self:
        """Return the running sandbox."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the sandbox."""
        self.close()

    def close(self) -> None:
        """End the process, at the latest after some seconds."""
        _end(self._process)


def start(university: Path, *, port_base: int = 0, graph: str = "none") -> Running:
    """Serve a university in another process, and return when it answers."""
    command = [sys.executable, "-m", "kalender.sandbox", "--university", str(university)]
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        [*command, "--port-base", str(port_base), "--graph", graph],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    line = process.stdout.readline() if process.stdout is not None else b""
    if not line:
        _end(process)
        message = f"the sandbox did not start (exit code {process.returncode})"
        raise RuntimeError(message)
    return Running(process, Endpoints(**json.loads(line)))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
