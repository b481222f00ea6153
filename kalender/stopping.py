"""The event that a signal sets: what runs looks at it, and ends what is in hand."""

import signal
import threading
from time import monotonic

LOOK_SECONDS = 1.0


class Stop(threading.Event):
    """An event that a signal's handler may set at any moment.

    A handler runs in the first thread, between any two of its steps: also while that thread holds
    the lock of the event that it waits for. The lock of `threading.Event` would then be waited for
    for ever by the thread that holds it; this one may be taken again by the same thread.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition(threading.RLock())
        self._told = False

    def is_set(self) -> bool:
        """Whether somebody said so."""
        return self._told

    def set(self) -> None:
        """Say so."""
        with self._changed:
            self._told = True
            self._changed.notify_all()

    def clear(self) -> None:
        """Take it back."""
        with self._changed:
            self._told = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody says so, at most so many seconds; return whether somebody did.

        What a handler says just before the wait begins wakes nobody: hence a look every second.
        """
        end = None if timeout is None else monotonic() + timeout
        with self._changed:
            while not self._told:
                left = LOOK_SECONDS if end is None else min(end - monotonic(), LOOK_SECONDS)
                if left <= 0:
                    break
                self._changed.wait(left)
            return self._told


def stop_on_signals() -> Stop:
    """Return what SIGTERM and SIGINT set from now on; call it in the first thread."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
