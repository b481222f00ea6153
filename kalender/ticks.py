"""When a process last did something: what tells a stuck one from one that has nothing to do."""

import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray


class Ticks:
    """The last turn of a process' loops, on the machine's own clock; shared with forked children.

    `house` is the loop that must turn every few seconds, `hands` whatever does the work.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
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
        first, second = (moment - last if last else 0.0 for last in self._last)
        return first, second
