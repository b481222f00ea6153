"""Hears every point that the processes of one run come to, and holds whoever comes to the chosen one.

A held process waits until it is told `go`, or dies there. For a request that is held at the
sandbox the order says what becomes of it: see `tests.chaos.grounds`.
"""

import asyncio
import re
import socketserver
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path

GO = "go"


class Director:
    """Of one run: `wanted` is where somebody is held (once), `seen` where anybody was."""

    def __init__(self, address: Path, wanted: str | None, names: Mapping[str, str]) -> None:
        self.address = address
        self.wanted = wanted
        self.names = names  # of calendars, which are the same in every database
        self.seen: list[str] = []
        self.listening = True
        self.reached = threading.Event()
        self.pid = 0
        self._order: Future[str] = Future()
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
            if named != self.wanted or self.reached.is_set():
                return None
            self.pid = pid
            self.reached.set()
        return self._order

    async def at_sandbox(self, pid: int, point: str) -> str:
        """Return what becomes of a request."""
        held = self.passes(pid, point)
        return GO if held is None else await asyncio.wrap_future(held)

    def release(self, order: str = GO) -> None:
        """Let go whoever is held; an order counts once."""
        if not self._order.done():
            self._order.set_result(order)

    def close(self) -> None:
        """Hear no more; nobody waits any longer."""
        self.listening = False
        self.release()
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
