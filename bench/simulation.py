"""How long a first fill over Graph takes under Microsoft's documented limits: a simulation.

Nothing is asked and nothing is measured: batches of creates are played on a simulated clock, under
the limits that Microsoft documents, whose wording has two readings: they count for each mailbox of
an application, or for the application.
"""

from collections import deque
from collections.abc import Iterator
from heapq import heappop, heapreplace
from typing import Literal

from bench.measure import Figure, single
from kalender.config.backends import MOST_IN_BATCH

PEOPLE, ENTRIES = 27_000, 100
CREATE_SECONDS = 0.25  # of one create at Exchange Online: assumed, nobody has measured it
AT_ONCE = 4
REQUESTS, WITHIN = 10_000, 600.0  # sub-requests, in seconds
CONNECTIONS = 20  # of all workers together: the default of [exchange.NAME] max_connections


class Window:
    """At most so many sub-requests within ten minutes."""

    def __init__(self) -> None:
        """Begin with none."""
        self.taken: deque[tuple[float, int]] = deque()
        self.count = 0

    def take(self, moment: float, requests: int) -> float:
        """Take so many, at this moment or as soon after it as there is room; return when."""
        while self.taken and self.taken[0][0] <= moment - WITHIN:
            self.count -= self.taken.popleft()[1]
        while self.count + requests > REQUESTS:
            before, released = self.taken.popleft()
            self.count -= released
            moment = max(moment, before + WITHIN)
        self.taken.append((moment, requests))
        self.count += requests
        return moment


def hours(scope: Literal["mailbox", "app"], connections: int = CONNECTIONS) -> float:
    """Play the fill; return how many hours pass on the simulated clock.

    A connection fills one mailbox after the other, by chains of creates of which each takes one
    turn. Where limits count for the application, no more chains than turns are under way.
    """
    per_mailbox = -(-ENTRIES // MOST_IN_BATCH)
    lanes = [(0.0, n) for n in range(min(connections, AT_ONCE) if scope == "app" else connections)]
    windows = [Window()] if scope == "app" else [Window() for _ in range(PEOPLE)]
    mailbox_of, mailboxes = dict[int, tuple[int, int]](), iter(range(PEOPLE))
    end = 0.0
    while lanes:
        moment, lane = lanes[0]
        mailbox, sent = mailbox_of.get(lane, (-1, per_mailbox))
        if sent == per_mailbox:
            mailbox, sent = next(mailboxes, -1), 0
        if mailbox < 0:
            heappop(lanes)
            continue
        begun = windows[mailbox % len(windows)].take(moment, MOST_IN_BATCH)
        moment = begun + MOST_IN_BATCH * CREATE_SECONDS
        mailbox_of[lane] = (mailbox, sent + 1)
        heapreplace(lanes, (moment, lane))
        end = max(end, moment)
    return end / 3600


def run() -> Iterator[Figure]:
    """Yield both readings, and what more connections give where each mailbox counts alone."""
    name = f"simulated: first fill of {PEOPLE:,} people over Graph, hours, limits for each"
    yield single(f"{name} mailbox, {CONNECTIONS} connections", hours("mailbox"))
    yield single(f"{name} mailbox, 64 connections", hours("mailbox", 64))
    yield single(f"{name} app", hours("app"))
