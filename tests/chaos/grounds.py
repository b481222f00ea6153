"""The sandbox in this process, on one thread for all runs, so that requests can be held in it.

What a held request is told: `go`; `late S` (its connection is gone, and it is carried out so many
seconds later); `slow S` (the same, but its connection waits); `drop` (carried out, not answered);
`fault NAME` (one of FAULTS happens to it, which only a batch of Graph's is told).
"""

import asyncio
import atexit
import pickle
import shutil
import socket
import ssl
import threading
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from aiohttp import web

from kalender.sandbox import control
from kalender.sandbox.desk import EWS_PATH, Desk, cut
from kalender.sandbox.ews import Service
from kalender.sandbox.graph.certificates import authority
from kalender.sandbox.graph.cloud import Cloud
from kalender.sandbox.graph.desk import ROOT, GraphDesk, Handler, LoginDesk
from kalender.sandbox.server import Endpoints, Running
from kalender.sandbox.world import World, load
from tests.chaos.director import GO, Director
from tests.chaos.points import HEADER

NEIGHBOURS = ("fs", "tp", "exchange")
ON_GRAPH = (*NEIGHBOURS, "graph", "login")
STEP = 0.04  # seconds that each further request of a batch takes that was cut: 19 within a second
FAULTS: Mapping[str, Mapping[str, object]] = {
    "chain": {"kind": "cut-within", "after_parts": 1, "rest": "done", "seconds": STEP},
    "chain-lost": {"kind": "cut-within", "after_parts": 1, "rest": "lost"},
    "omit": {"kind": "omit", "position": 0},
    "half": {"kind": "truncate"},
    "done-but-503": {"kind": "process-then-status", "position": 0, "status": 503},
    "busy": {"kind": "status", "status": 429, "retry_after": 1},
    "away": {"kind": "status", "status": 503, "retry_after": 1},
    "one-busy": {"kind": "item-error", "position": 0, "status": 429, "retry_after": 1},
    "expired": {"kind": "expired-token"},
}
T = TypeVar("T")


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


@cache
def certified() -> tuple[Path, ssl.SSLContext]:
    """Return the file of the authority that vouches for every login, and what a login serves by."""
    directory = Path(mkdtemp(prefix="kalender-chaos-login-"))
    atexit.register(shutil.rmtree, directory)
    return authority(directory, "127.0.0.1")


class Grounds(Running):
    """A university served for one run; `frozen` is an Exchange as it was kept earlier.

    `on_graph` says that everybody has the mailbox on Microsoft Graph, `both` that Graph is served
    beside EWS in any case, so that mailboxes may move.
    """

    def __init__(
        self,
        loop: Loop,
        university: Path,
        frozen: bytes | None,
        *,
        on_graph: bool = False,
        both: bool = False,
    ) -> None:
        self.loop = loop
        self.director: Director | None = None
        self.late = 0  # requests still to be carried out
        self._runners: list[web.AppRunner] = []
        loop.run(self._open(university, frozen, on_graph=on_graph, serves=on_graph or both))

    async def _open(
        self, university: Path, frozen: bytes | None, *, on_graph: bool, serves: bool
    ) -> None:
        names = ON_GRAPH if serves else NEIGHBOURS
        sockets = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in names]
        fs, tp, exchange, *cloud = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets)
        self.world: World = load(university, fs, "all" if on_graph else "none")
        if frozen is not None:
            self.world.exchange = pickle.loads(frozen)  # noqa: S301
            self.world.service = Service(self.world.exchange)
        self.endpoints = Endpoints(fs, tp, exchange + EWS_PATH, fs + "/_control")
        if serves:
            graph, login = cloud[0] + ROOT, cloud[1].replace("http:", "https:")
            self.world.cloud = Cloud(self.world.exchange, graph, login)
            ca_file = str(certified()[0])
            self.endpoints = replace(self.endpoints, graph=graph, login=login, login_ca=ca_file)
        for neighbour, listening in zip(names, sockets, strict=True):
            await self._serve(neighbour, listening)

    async def _serve(self, neighbour: str, listening: socket.socket) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.add_routes(control.routes(self.world))
        app.router.add_route("*", "/{path:.*}", _Held(self, self._desk(neighbour)).handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        context = certified()[1] if neighbour == "login" else None
        await web.SockSite(runner, listening, ssl_context=context).start()
        self._runners.append(runner)

    def _desk(self, neighbour: str) -> Handler:
        if self.world.cloud is None or neighbour in NEIGHBOURS:
            return Desk(self.world, neighbour).handle
        if neighbour == "login":
            return LoginDesk(self.world, self.world.cloud).handle
        self.graph = GraphDesk(self.world, self.world.cloud)
        return self.graph.handle

    def freeze(self) -> bytes:
        """Return Exchange as it is now."""

        async def frozen() -> bytes:
            return pickle.dumps(self.world.exchange)

        return self.loop.run(frozen())

    def rest(self) -> None:
        """Return when no batch is carried out any more whose connection was cut."""
        if self.world.cloud is not None:
            self.loop.run(self.graph.rest())

    def close(self) -> None:
        """End; nobody waits for it."""

        async def end() -> None:
            for runner in self._runners:
                await runner.cleanup()

        asyncio.run_coroutine_threadsafe(end(), self.loop.loop)


class _Held:
    """Takes the requests to one neighbour, and holds the chosen one."""

    def __init__(self, grounds: Grounds, answer: Handler) -> None:
        self.grounds, self._answer = grounds, answer

    async def handle(self, request: web.Request) -> web.StreamResponse:
        pid, _, point = request.headers.get(HEADER, "").partition(" ")
        director = self.grounds.director
        if not point or director is None:
            return await self._answer(request)
        await request.read()
        order = await director.at_sandbox(int(pid), f"{point} after send")
        if order.startswith(("late", "slow")):
            return await self._later(request, order)
        if order == "drop":
            return cut(request)
        if order.startswith("fault"):
            return await self._spoilt(request, order.partition(" ")[2])
        answer = await self._answer(request)
        order = await director.at_sandbox(int(pid), f"{point} after processing")
        return answer if order == GO else cut(request)

    async def _spoilt(self, request: web.Request, name: str) -> web.StreamResponse:
        """Let a fault happen to a request."""
        self.grounds.world.faults.add({"neighbour": "graph", **FAULTS[name]})
        return await self._answer(request)

    async def _later(self, request: web.Request, order: str) -> web.StreamResponse:
        how, _, seconds = order.partition(" ")
        self.grounds.late += 1
        work = asyncio.ensure_future(self._carry_out(request, float(seconds)))
        return await work if how == "slow" else cut(request)

    async def _carry_out(self, request: web.Request, seconds: float) -> web.StreamResponse:
        try:
            await asyncio.sleep(seconds)
            return await self._answer(request)
        finally:
            self.grounds.late -= 1
