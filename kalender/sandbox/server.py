"""The three servers on loopback, here or in a process of their own."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from aiohttp import web

from kalender.sandbox import control
from kalender.sandbox.desk import EWS_PATH, Desk
from kalender.sandbox.world import Endpoints, World, load

__all__ = ["Endpoints", "Running", "serve", "start"]
_NEIGHBOURS = ("fs", "tp", "exchange")
_MOST_BYTES = 64 * 1024 * 1024
_PROJECT = Path(__file__).resolve().parents[2]


def serve(
    university: Path,
    *,
    port_base: int = 0,
    host: str = "127.0.0.1",
    ready: Callable[[Endpoints], None],
    stop: threading.Event | None = None,
) -> None:
    """Serve a university until `stop` is set, or, in the main thread, until SIGTERM or SIGINT."""
    ports = [port_base + n if port_base else 0 for n in range(len(_NEIGHBOURS))]
    with ExitStack() as stack:
        sockets = [
            stack.enter_context(socket.create_server((host, port), backlog=512)) for port in ports
        ]
        asyncio.run(_serve(university, sockets, ready, stop))


async def _serve(
    university: Path,
    sockets: list[socket.socket],
    ready: Callable[[Endpoints], None],
    stop: threading.Event | None,
) -> None:
    fs, tp, exchange = ("http://{}:{}".format(*s.getsockname()) for s in sockets)
    world, stopped = load(university, fs), asyncio.Event()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    runners = []
    for neighbour, listening in zip(_NEIGHBOURS, sockets, strict=True):
        runner = web.AppRunner(
            _application(world, neighbour), access_log=None, shutdown_timeout=0.5
        )
        await runner.setup()
        await web.SockSite(runner, listening).start()
        runners.append(runner)
    ready(Endpoints(fs, tp, exchange + EWS_PATH, fs + "/_control"))
    signalled = asyncio.create_task(stopped.wait())
    while not (signalled.done() or (stop is not None and stop.is_set())):
        await asyncio.wait([signalled], timeout=0.1)
    signalled.cancel()
    for runner in runners:
        await runner.cleanup()


def _application(world: World, neighbour: str) -> web.Application:
    app = web.Application(client_max_size=_MOST_BYTES)
    app.add_routes(control.routes(world))
    app.router.add_route("*", "/{path:.*}", Desk(world, neighbour).handle)
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


def start(university: Path, *, port_base: int = 0) -> Running:
    """Serve a university in another process, and return when it answers."""
    command = [sys.executable, "-m", "kalender.sandbox", "--university", str(university)]
    path = os.pathsep.join(filter(None, [str(_PROJECT), os.environ.get("PYTHONPATH")]))
    process = subprocess.Popen(  # noqa: S603 - our own module, no shell
        [*command, "--port-base", str(port_base)],
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
