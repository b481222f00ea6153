"""Hears every point that the processes of one run come to, and holds whoever comes to a chosen one.

A held process waits until it is told `go`, or dies there. For a request that is held at the
sandbox the order says what becomes of it: see `tests.chaos.grounds`.
"""

import asyncio
import re
import socketserver
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from pathlib import Path

GO = "go"


class Hold:
    """One chosen point: whoever comes first is held there until released, once."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.pid = 0
        self.order: Future[str] = Future()

    def release(self, order: str = GO) -> None:
        """Let go whoever is held; an order counts once."""
        if not self.order.done():
            self.order.set_result(order)


class Director:
    """Of one run: `holds` are where somebody is held, `seen` where anybody was."""

    def __init__(self, address: Path, points: Iterable[str], names: Mapping[str, str]) -> None:
        self.address = address
        self.holds = {point: Hold() for point in points}
        self.names = names  # of calendars, which are the same in every database
        self.seen: list[str] = []
        self.listening = True
        self._lock = threading.Lock()
        director = self

        class Heard(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                for line in self.rfile:
                    pid, _, point = line.decode().strip().partition(" ")
                    held = director.passes(int(pid), point)
                    if held is not None:
                        held.result()
                    self.wfile.write(b".")

            def finish(self) -> None:
                pass  # whoever was killed reads no more

        self._server = _Server(str(address), Heard)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def passes(self, pid: int, point: str) -> Future[str] | None:
        """Note who comes by; return what to wait for where this one is held."""
        if not self.listening:
            return None
        named = re.sub(r"^calendar (\d+)", self._calendar, point)
        with self._lock:
            self.seen.append(named)
            hold = self.holds.get(named)
            if hold is None or hold.reached.is_set():
                return None
            hold.pid = pid
            hold.reached.set()
        return hold.order

    async def at_sandbox(self, pid: int, point: str) -> str:
        """Return what becomes of a request."""
        held = self.passes(pid, point)
        return GO if held is None else await asyncio.wrap_future(held)

    def close(self) -> None:
        """Hear no more; nobody waits any longer."""
        self.listening = False
        for hold in self.holds.values():
            hold.release()
        threading.Thread(target=self._server.shutdown, daemon=True).start()
        self._server.server_close()

    def _calendar(self, found: re.Match[str]) -> str:
        return f"calendar {self.names.get(found[1], 'new')}"


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Connections of killed processes break: that is what they were killed for."""
