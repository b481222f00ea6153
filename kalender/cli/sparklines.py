"""The last day in lines of small bars, each up to its own maximum; 80 columns hold them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, tzinfo

from kalender.domain.moment import said_shortly
from kalender.operate.day import DAY, parts
from kalender.store.minutes import GROUPS, Minute

HALF_HOUR = timedelta(minutes=30)
BARS = "▁▂▃▄▅▆▇█"
GAP = " "
LARGE = 1000  # from here on no decimal is shown
FIGURES = {  # a figure of a part of the day: its words
    "notifications": "notifications",
    "written": "written",
    "oldest_seconds": "oldest, s",
    "p50": "p50, s",
    "p95": "p95, s",
}


def sparkline(values: Sequence[float | None]) -> str:
    """Draw numbers as bars, zero as the lowest and the largest as the highest; None is a gap."""
    most = max((value for value in values if value is not None), default=0.0)
    return "".join(
        GAP if value is None else BARS[round(value / most * (len(BARS) - 1)) if most else 0]
        for value in values
    )


def sparklines(minutes: Sequence[Minute], end: datetime, zone: tzinfo) -> Iterator[str]:
    """Give the lines of a day with their title; nothing where no minute was recorded.

    A figure that was zero all day has no line.
    """
    if not minutes:
        return
    yield f"last day, from {said_shortly(end - DAY, zone)} ({zone}), and its maximum"
    for group in GROUPS:
        name = str(group)
        day = parts(minutes, group, end, HALF_HOUR)
        for figure, words in FIGURES.items():
            values = [None if part is None else getattr(part, figure) for part in day]
            most = max((value for value in values if value is not None), default=0)
            if most:
                largest = f"{most:.0f}" if most >= LARGE else f"{most:g}"
                yield f"{name:<8}{words:<15}{sparkline(values)} {largest}"
                name = ""
