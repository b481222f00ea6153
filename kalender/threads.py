"""Threads that a process cannot do without: where one dies, the process ends and is started anew."""

import threading
from collections.abc import Callable, Iterable

from kalender.errors import ThreadDied


class Vital(threading.Thread):
    """A thread that sets `stop` where what it does ends by an exception; `died` says that it did.

    The exception goes on to `threading.excepthook`, which logs it.
    """

    def __init__(
        self, does: Callable[[], object], stop: threading.Event, *, name: str, daemon: bool = False
    ) -> None:
        super().__init__(name=name, daemon=daemon)
        self.died = False
        self._does, self._stop_all = does, stop

    def run(self) -> None:
        """Do it; whatever ends it early ends the process."""
        try:
            self._does()
        except BaseException:
            self.died = True
            self._stop_all.set()
            raise


def require_none_died(threads: Iterable[Vital]) -> None:
    """Raise ThreadDied where one of these ended by an exception."""
    for thread in threads:
        if thread.died:
            raise ThreadDied(f"the thread for {thread.name} died: start the process anew")
