"""When to try again: pure, so that the table below can be trusted.

Attempts so far    1    2    3    4    5     6      7      8       9       10      11 and more
next try in        5s   10s  20s  40s  1:20  2:40   5:20   10:40   21:20   42:40   1:00:00
missing mailbox    10m  20m  40m  1:20h 2:40h 5:20h 10:40h 12h and so on
denied mailbox     15m  30m  1h   2h    4h and so on

Of each delay the last fifth is jitter: with `jitter` 0 the table holds as it stands, with 1 it is
a fifth shorter, so that what failed together does not come back together and nothing waits
longer than the table says.
"""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

FIRST = timedelta(seconds=5)
LONGEST = timedelta(hours=1)
MISSING_FIRST = timedelta(minutes=10)
MISSING_LONGEST = timedelta(hours=12)
DENIED_FIRST = timedelta(minutes=15)  # a new scope holds after half an hour to two hours
DENIED_LONGEST = timedelta(hours=4)
SPREAD = 0.2


def next_try(attempts: int, *, retry_after: timedelta | None, jitter: float) -> timedelta:
    """Return how long to wait after so many failures; never less than the server asked for.

    What the server asks for counts up to an hour.
    """
    pause = min(max(retry_after or timedelta(0), timedelta(0)), LONGEST)
    return max(pause, _doubled(FIRST, LONGEST, attempts) * (1 - SPREAD * jitter))


def missing(attempts: int) -> timedelta:
    """Return how long to wait before a mailbox that is missing is asked for again."""
    return _doubled(MISSING_FIRST, MISSING_LONGEST, attempts)


def denied(attempts: int) -> timedelta:
    """Return how long to wait before a mailbox that does not open is asked again."""
    return _doubled(DENIED_FIRST, DENIED_LONGEST, attempts)


def _doubled(first: timedelta, longest: timedelta, attempts: int) -> timedelta:
    doublings = min(max(attempts - 1, 0), 20)  # beyond that every delay is the longest
    return min(first * (1 << doublings), longest)


def told_wait(text: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After, in seconds or as a date, up to an hour; None where it is neither."""
    if text is None:
        return None
    try:
        seconds = _seconds(text, now)
    except (ValueError, OverflowError):
        return None
    longest = LONGEST.total_seconds()
    return timedelta(seconds=min(max(0.0, seconds), longest))  # in this order also of NaN


def _seconds(text: str, now: datetime) -> float:
    try:
        return float(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
    instant = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (instant - now).total_seconds()
