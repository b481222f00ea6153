"""How a process ends, and how it is seen to live.

`Stop` is the event that a signal sets. A `Vital` thread that dies ends its process, which is then
started anew. `Liveness` tells a process that is stuck from one that has nothing to do.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterable
from time import monotonic

from kalender.errors import ThreadDied

LOOK_SECONDS = 1.0


class Stop(threading.Event):
    """An event that a signal's handler may set at any moment.

    A handler runs in the first thread, between any two of its steps: also while that thread holds
    the lock of the event that it waits for. The lock of `threading.Event` would then be waited for
    for ever by the thread that holds it; this one may be taken again by the same thread. What was
    said is never taken back.
    """

    def __init__(self) -> None:
        super().__init__()
        self._changed = threading.Condition(threading.RLock())
        self._is_set = False

    def is_set(self) -> bool:
        """Whether somebody said so."""
        return self._is_set

    def set(self) -> None:
        """Say so."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until somebody says so, at most so many seconds; return whether somebody did.

        What a handler says just before the wait begins wakes nobody: hence a look every second.
        """
        end = None if timeout is None else monotonic() + timeout
        with self._changed:
            while not self._is_set:
                seconds = LOOK_SECONDS if end is None else min(end - monotonic(), LOOK_SECONDS)
                if seconds <= 0:
                    break
                self._changed.wait(seconds)
            return self._is_set


def stop_on_signals() -> Stop:
    """Return what SIGTERM and SIGINT set from now on; call it in the first thread."""
    stop = Stop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


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


class Liveness:
    """The last turn of a process' loops, on the machine's own clock; shared with forked children.

    `house` is the loop that must turn every few seconds, `hands` whatever does the work.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        # multiprocessing takes longer to load than the rest of what the commands that ask need
        from multiprocessing.sharedctypes import RawArray  # noqa: PLC0415

        self._last, self._clock = RawArray("d", 2), clock

    def begin(self) -> None:
        """Say that a new process has this: nothing is known of it yet."""
        self._last[0] = self._last[1] = 0.0

    def turn(self) -> None:
        """Say that the first loop turns."""
        self._last[0] = self._clock()

    def work(self) -> None:
        """Say that work goes on, or that there is none."""
        self._last[1] = self._clock()

    @property
    def begun(self) -> bool:
        """Whether the first loop ever turned."""
        return bool(self._last[0])

    def silent(self) -> tuple[float, float]:
        """Return for how many seconds neither said anything; nothing yet counts as just now."""
        moment = self._clock()
        first, second = (moment - beat if beat else 0.0 for beat in self._last)
        return first, second
