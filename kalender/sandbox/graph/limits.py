"""How much one app may ask at once and in a while, of one mailbox or of all together."""

import math
import time
from collections import Counter

from kalender.sandbox.graph.errors import GraphError
from kalender.sandbox.graph.settings import Settings

_APP = ""


class Limits:
    """Counts what runs, and what ran within the window."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._running: Counter[str] = Counter()
        self._windows: dict[str, tuple[float, int]] = {}

    def enter(self, mailbox: str) -> str:
        """Let a request in, or refuse it with 429; what is returned is to be left later."""
        now = time.monotonic()
        scope = mailbox if self._settings.concurrency_by == "mailbox" else _APP
        since, count = self._windows.get(scope, (now, 0))
        ends = since + self._settings.window_seconds
        if now >= ends:
            since, count, ends = now, 0, now + self._settings.window_seconds
        self._windows[scope] = since, count + 1
        if count >= self._settings.requests:
            seconds = max(1, math.ceil(ends - now))
            words = "Too many requests in a while (RequestRate)."
            raise GraphError(429, "ApplicationThrottled", words, after=seconds)
        if self._running[scope] >= self._settings.concurrency:
            raise GraphError(429, "ApplicationThrottled", after=1)
        self._running[scope] += 1
        return scope

    def leave(self, scope: str) -> None:
        """Count a request as done."""
        self._running[scope] -= 1
        if not self._running[scope]:
            del self._running[scope]
