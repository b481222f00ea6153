"""How a day went, in equal parts of time: what sparklines and plots draw from the minutes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kalender.store.minutes import Minute, WorkGroup

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """How a part of a day went for one kind of work; `at` is when it began.

    Numbers are summed over the minutes, `oldest_seconds`, `p50` and `p95` are those of the worst
    minute. `notifications` is None where no minute knew them.
    """

    at: datetime
    lane: WorkGroup
    notifications: int | None
    written: int
    oldest_seconds: float
    p50: float | None
    p95: float | None


def parts(
    minutes: Sequence[Minute], lane: WorkGroup, end: datetime, length: timedelta
) -> list[Part | None]:
    """Return the day before `end` in parts of equal length, the last of which holds `end`.

    None stands for a part of which nobody recorded a minute. Parts begin at full lengths of UTC's
    day, so that the same minutes are always together.
    """
    seconds = length.total_seconds()
    last = int(end.timestamp() // seconds)
    by_part: dict[int, list[Minute]] = {}
    for minute in minutes:
        if minute.lane == lane:
            by_part.setdefault(int(minute.at.timestamp() // seconds), []).append(minute)
    return [
        _together(by_part[number], lane, datetime.fromtimestamp(number * seconds, end.tzinfo))
        if number in by_part
        else None
        for number in range(last - round(DAY / length) + 1, last + 1)
    ]


def _together(minutes: Sequence[Minute], lane: WorkGroup, at: datetime) -> Part:
    counts = [minute.notifications for minute in minutes if minute.notifications is not None]
    return Part(
        at=at,
        lane=lane,
        notifications=sum(counts) if counts else None,
        written=sum(minute.written for minute in minutes),
        oldest_seconds=max(minute.oldest_seconds for minute in minutes),
        p50=max((minute.p50 for minute in minutes if minute.p50 is not None), default=None),
        p95=max((minute.p95 for minute in minutes if minute.p95 is not None), default=None),
    )
