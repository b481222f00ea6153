"""How long a first fill over Graph, and a campaign of moves to it, take: simulations.

Nothing is asked and nothing is measured: requests are played on a simulated clock, under the limits
that Microsoft documents, whose wording has two readings: they count for each mailbox of an
application, or for the application.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from heapq import heappop, heapreplace
from statistics import median
from typing import Literal

from bench.measure import Figure, single
from kalender.calendars.graph.events import PAGE_OF_CONTENTS
from kalender.config.backends import MOST_IN_BATCH
from kalender.config.sections import Moves, Worker

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


# -- mailboxes that move ------------------------------------------------------------------------------

NIGHTS, EVENING = 20, 6.0  # four weeks, Monday to Friday; hours before midnight in which they move
LISTS = 1 + -(
    -ENTRIES // PAGE_OF_CONTENTS
)  # of one moved calendar: what is there, and what it says
LOOK_SECONDS = LISTS * 1.0  # of a list of a hundred events with their texts: assumed
PER_MINUTE, VERIFY_HOURS = Moves().per_minute, Worker().verify_every_hours


def followed(
    scope: Literal["mailbox", "app"], *, announced: bool
) -> tuple[list[float], float, float]:
    """Play a campaign of twenty equal evenings, in which mailboxes move evenly one after the other.

    Returns how many hours each calendar waited to be looked up, sorted; the hours from midnight
    until an evening's last one was right; and the largest share of the limit that was used within
    ten minutes. Announced ones are looked for from midnight on, no faster than the pace. Where
    nothing is announced, the look of every 24 hours notices them; live changes would sooner, and
    are left out. A calendar is looked up in its turn, once a connection is free.
    """
    nightly, interval = PEOPLE // NIGHTS, 1 / (PER_MINUTE * 60)
    noticed = list[tuple[float, float, float]]()
    for night in range(NIGHTS):
        midnight = (night // 5 * 7 + night % 5 + 1) * 24.0
        for number in range(nightly):
            moves_at = midnight - EVENING * (1 - number / nightly)
            hour = number * 7919 % nightly / nightly * VERIFY_HOURS  # spread over all of the day
            after = (midnight + hour - moves_at) % VERIFY_HOURS
            looks_at = midnight + number * interval if announced else moves_at + after
            noticed.append((looks_at, moves_at, midnight))
    window, turn = Window(), 0.0
    free = [0.0] * (AT_ONCE if scope == "app" else CONNECTIONS)
    waited, last, share = list[float](), 0.0, LISTS / REQUESTS
    for looks_at, moves_at, midnight in sorted(noticed):
        turn = max(turn + interval, looks_at)
        begun = max(turn, free[0]) * 3600
        if scope == "app":
            begun = window.take(begun, LISTS)
            share = max(share, window.count / REQUESTS)
        right_at = (begun + LOOK_SECONDS) / 3600
        heapreplace(free, right_at)
        waited.append(right_at - moves_at)
        last = max(last, right_at - midnight)
    return sorted(waited), last, share


def run_moves() -> Iterator[Figure]:
    """Yield how long calendars are wrong in both readings of the limits, and what is asked."""
    name = f"simulated: {PEOPLE:,} mailboxes move in {NIGHTS} evenings, {PER_MINUTE:g} a minute"
    campaigns: Sequence[tuple[str, Literal["mailbox", "app"], bool]] = (
        ("announced, limits for each mailbox", "mailbox", True),
        ("announced, limits for each app", "app", True),
        ("not announced, limits for each mailbox", "mailbox", False),
    )
    for words, scope, announced in campaigns:
        waited, last, share = followed(scope, announced=announced)
        spread = f"95 % within {waited[int(0.95 * len(waited))]:.1f}, all within {waited[-1]:.1f}"
        yield single(
            f"{name}, {words}: hours until looked up, median", median(waited), spread=spread
        )
        yield single(f"{name}, {words}: hours from midnight until all are right", last)
        yield single(f"{name}, {words}: share of the limit used within ten minutes", share)
    asked = f"{PEOPLE:,} lookups of {LISTS} searches each, {ENTRIES} entries a calendar"
    yield single(f"{name}: requests over Graph", PEOPLE * LISTS, spread=asked)
