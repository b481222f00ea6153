"""The sandbox in this process, on one thread for all runs, so that requests can be held in it.

What a held request is told: `go`; `late S` (its connection is gone, and it is carried out so many
seconds later); `slow S` (the same, but its connection waits); `drop` (carried out, not answered).
"""

import asyncio
import pickle
import socket
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from aiohttp import web

from kalender.sandbox import control
from kalender.sandbox.desk import EWS_PATH, Desk, cut
from kalender.sandbox.ews import Service
from kalender.sandbox.server import Endpoints, Running
from kalender.sandbox.world import World, load
from tests.chaos.director import GO, Director
from tests.chaos.points import HEADER

NEIGHBOURS = ("fs", "tp", "exchange")
T = TypeVar("T")


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do it there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)


class Grounds(Running):
    """A university served for one run; `frozen` is an Exchange as it was kept earlier."""

    def __init__(self, loop: Loop, university: Path, frozen: bytes | None) -> None:
        self.loop = loop
        self.director: Director | None = None
        self.late = 0  # requests still to be carried out
        self._runners: list[web.AppRunner] = []
        loop.run(self._open(university, frozen))

    async def _open(self, university: Path, frozen: bytes | None) -> None:
        sockets = [socket.create_server(("127.0.0.1", 0), backlog=128) for _ in NEIGHBOURS]
        fs, tp, exchange = (f"http://127.0.0.1:{each.getsockname()[1]}" for each in sockets)
        self.world: World = load(university, fs)
        if frozen is not None:
            self.world.exchange = pickle.loads(frozen)  # noqa: S301
            self.world.service = Service(self.world.exchange)
        for neighbour, listening in zip(NEIGHBOURS, sockets, strict=True):
            await self._serve(neighbour, listening)
        self.endpoints = Endpoints(fs, tp, exchange + EWS_PATH, fs + "/_control")

    async def _serve(self, neighbour: str, listening: socket.socket) -> None:
        app = web.Application(client_max_size=1 << 26)
        app.add_routes(control.routes(self.world))
        app.router.add_route("*", "/{path:.*}", _Held(self, neighbour).handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.SockSite(runner, listening).start()
        self._runners.append(runner)

    def freeze(self) -> bytes:
        """Return Exchange as it is now."""

        async def frozen() -> bytes:
            return pickle.dumps(self.world.exchange)

        return self.loop.run(frozen())

    def close(self) -> None:
        """End; nobody waits for it."""

        async def end() -> None:
            for runner in self._runners:
                await runner.cleanup()

        asyncio.run_coroutine_threadsafe(end(), self.loop.loop)


class _Held(Desk):
    """Takes the requests to one neighbour, and holds the chosen one."""

    def __init__(self, grounds: Grounds, neighbour: str) -> None:
        super().__init__(grounds.world, neighbour)
        self.grounds = grounds

    async def handle(self, request: web.Request) -> web.StreamResponse:
        pid, _, point = request.headers.get(HEADER, "").partition(" ")
        director = self.grounds.director
        if not point or director is None:
            return await super().handle(request)
        await request.read()
        order = await director.at_sandbox(int(pid), f"{point} after send")
        if order.startswith(("late", "slow")):
            return await self._later(request, order)
        if order == "drop":
            return cut(request)
        answer = await super().handle(request)
        order = await director.at_sandbox(int(pid), f"{point} after processing")
        return answer if order == GO else cut(request)

    async def _later(self, request: web.Request, order: str) -> web.StreamResponse:
        how, _, seconds = order.partition(" ")
        self.grounds.late += 1
        work = asyncio.ensure_future(self._carry_out(request, float(seconds)))
        return await work if how == "slow" else cut(request)

    async def _carry_out(self, request: web.Request, seconds: float) -> web.StreamResponse:
        try:
            await asyncio.sleep(seconds)
            return await super().handle(request)
        finally:
            self.grounds.late -= 1
