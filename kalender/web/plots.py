"""The last day as plots: paths of SVG made on the server, with the words that say the same.

A plot is drawn on a ground of `WIDTH` by `HEIGHT` that the page stretches; its labels are text of
the page, so that they can be read at any width. A time that nobody recorded is a gap in every path,
and a band on the ground.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Literal

from kalender.operate.day import Part, parts
from kalender.store.minutes import GROUPS, Minute, WorkGroup

LENGTH = timedelta(minutes=10)
WIDTH, HEIGHT = 720, 100
Figure = Literal["notifications", "written", "oldest_seconds", "latency"]
Values = Sequence[float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One path, named by the key of its words: what it was most, when, and last."""

    name: str
    path: str
    most: float
    most_at: datetime | None
    last: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """One figure of one kind of work over the last day.

    `bars`: its path is filled. `is_time`: its numbers are seconds. `gaps` are the left edge and the
    width of each time that nobody recorded.
    """

    figure: Figure
    bars: bool
    is_time: bool
    series: Sequence[Series]
    gaps: Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class LastDay:
    """The plots of the last day by kind of work; a kind of which there was nothing has none."""

    begins_at: datetime
    ends_at: datetime
    unrecorded: timedelta
    groups: Sequence[tuple[WorkGroup, Sequence[Plot]]]

    @property
    def middle(self) -> datetime:
        """The middle of the day, for the axis."""
        return self.begins_at + (self.ends_at - self.begins_at) / 2


def day_of(minutes: Sequence[Minute], end: datetime) -> LastDay | None:
    """Return the plots of the day before `end`; None where nobody recorded a minute of it."""
    if not minutes:
        return None
    by_group = [(group, parts(minutes, group, end, LENGTH)) for group in GROUPS]
    live = by_group[0][1]
    return LastDay(
        begins_at=end - LENGTH * len(live),
        ends_at=end,
        unrecorded=LENGTH * live.count(None),
        groups=[(group, list(_plots(group, day))) for group, day in by_group],
    )


def _plots(group: WorkGroup, day: Sequence[Part | None]) -> Iterator[Plot]:
    """Give the plots of a kind of work; none where nothing was written and nothing waited."""
    told = [part for part in day if part is not None]
    has_any = any(part.written or part.oldest_seconds or part.notifications for part in told)
    if not has_any:
        return
    figures: list[tuple[Figure, bool, tuple[str, ...]]] = [
        ("written", True, ("written",)),
        ("oldest_seconds", False, ("oldest_seconds",)),
        ("latency", False, ("p50", "p95")),
    ]
    if group == "live":
        figures.insert(0, ("notifications", True, ("notifications",)))
    for figure, bars, names in figures:
        values = {
            name: [None if part is None else getattr(part, name) for part in day] for name in names
        }
        most = max((v for row in values.values() for v in row if v is not None), default=0)
        yield Plot(
            figure=figure,
            bars=bars,
            is_time=not bars,
            series=[_series(name, row, day, most, bars=bars) for name, row in values.items()],
            gaps=list(_gaps(day)),
        )


def _series(
    name: str, values: Values, day: Sequence[Part | None], most: float, *, bars: bool
) -> Series:
    highest, highest_at = 0.0, None
    for value, part in zip(values, day, strict=True):
        if value is not None and part is not None and value > highest:
            highest, highest_at = value, part.at
    return Series(
        name=name,
        path=_bars(values, most) if bars else _line(values, most),
        most=highest,
        most_at=highest_at,
        last=next((value for value in reversed(values) if value is not None), None),
    )


def _y(value: float, most: float) -> int:
    return HEIGHT - round(value / most * (HEIGHT - 2)) if most else HEIGHT


def _bars(values: Values, most: float) -> str:
    width = WIDTH // len(values)
    return "".join(
        f"M{number * width} {HEIGHT}V{_y(value, most)}h{width - 1}V{HEIGHT}z"
        for number, value in enumerate(values)
        if value
    )


def _line(values: Values, most: float) -> str:
    """Draw a level for each part, joined to the next where that was recorded as well."""
    width, path, joins = WIDTH // len(values), "", False
    for number, value in enumerate(values):
        if value is not None:
            y = _y(value, most)
            path += f"{f'V{y}' if joins else f'M{number * width} {y}'}h{width}"
        joins = value is not None
    return path


def _gaps(day: Sequence[Part | None]) -> Iterator[tuple[int, int]]:
    width, left = WIDTH // len(day), 0
    for is_gap, stretch in groupby(day, key=lambda part: part is None):
        length = len(list(stretch)) * width
        if is_gap:
            yield left, length
        left += length
