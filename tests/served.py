"""The sandbox in a process that is forked from one in which it is loaded, as commands are.

It serves as `kalender.sandbox.server.start` does, without the time that a start from nothing takes,
and an Exchange can be kept as it is, and served again beside a copy of the database.
"""

import pickle
import threading
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kalender.sandbox import server
from kalender.sandbox.ews import Service
from kalender.sandbox.server import Endpoints, Running
from kalender.sandbox.world import World, load
from tests.commands import FORKS, is_measured

if TYPE_CHECKING:
    Channel = Connection[Any, Any]


class ForkedSandbox(Running):
    """A sandbox in a forked process, ended with the `with` block."""

    def __init__(
        self, process: ForkServerProcess, channel: "Channel", endpoints: Endpoints
    ) -> None:
        self.process, self.channel, self.endpoints = process, channel, endpoints

    def frozen(self) -> bytes:
        """Return Exchange as it is now, while nobody writes to it, to be served again by `start`."""
        self.channel.send("freeze")
        exchange: bytes = self.channel.recv()
        return exchange

    def close(self) -> None:
        """End the process, at the latest after some seconds."""
        self.process.terminate()
        self.process.join(5)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        self.channel.close()


def start(university: Path, *, graph: str = "none") -> Running:
    """Serve a university in another process, and return when it answers."""
    if is_measured({}):
        return server.start(university, graph=graph)
    return start_forked(university, graph=graph)


def start_forked(
    university: Path, exchange: bytes | None = None, *, graph: str = "none"
) -> ForkedSandbox:
    """Serve a university in a forked process; `exchange` is one that was kept by `frozen`."""
    ours, its = FORKS.Pipe()
    process = FORKS.Process(target=_serve, args=(university, exchange, graph, its), daemon=True)
    process.start()
    its.close()
    try:
        return ForkedSandbox(process, ours, ours.recv())
    except EOFError:
        ours.close()
        process.join()
        message = f"the sandbox did not start (exit code {process.exitcode})"
        raise RuntimeError(message) from None


def _serve(university: Path, exchange: bytes | None, graph: str, channel: "Channel") -> None:
    """Be the sandbox; in the forked process."""

    def opened(directory: Path, base_url: str, share: str) -> World:
        world = load(directory, base_url, share)
        if exchange is not None:
            world.exchange = pickle.loads(exchange)  # noqa: S301
            world.service = Service(world.exchange)
        threading.Thread(target=_freeze_when_asked, args=(world, channel), daemon=True).start()
        return world

    vars(server)["load"] = opened
    server.serve(university, graph=graph, ready=channel.send)


def _freeze_when_asked(world: World, channel: "Channel") -> None:
    while True:
        try:
            channel.recv()
        except (EOFError, OSError):  # nobody can ask any more
            return
        channel.send(pickle.dumps(world.exchange))
