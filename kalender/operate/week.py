"""One week, drawn in plain text: days as columns, hours as rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from kalender.domain.model import Content

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WIDTH = 15
FIRST, LAST = 8, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a drawing needs of an entry."""

    starts_at: datetime
    ends_at: datetime
    subject: str
    location: str

    @classmethod
    def of(cls, content: Content) -> "Shown":
        """Return what a drawing needs of an entry's content."""
        return cls(
            starts_at=content.starts_at,
            ends_at=content.ends_at,
            subject=content.subject,
            location=content.location,
        )


def draw(entries: Sequence[Shown], monday: date, zone: ZoneInfo) -> str:
    """Draw the week that begins on a Monday; weekends only where something happens."""
    week = [e for e in entries if monday <= _day(e, zone) < monday + timedelta(days=7)]
    days = [
        monday + timedelta(days=n)
        for n in range(7)
        if n < 5 or any(_day(e, zone) == monday + timedelta(days=n) for e in week)  # noqa: PLR2004
    ]
    hours = [e.starts_at.astimezone(zone).hour for e in week]
    head = "       " + " ".join(f"{DAYS[d.weekday()]} {d:%d.%m.}".ljust(WIDTH) for d in days)
    rows = [head.rstrip()]
    for hour in range(min([FIRST, *hours]), max([LAST, *hours]) + 1):
        cells = [_cell(week, day, hour, zone) for day in days]
        for n in range(max(1, *map(len, cells))):
            margin = f"{hour:02d}.00  " if n == 0 else "       "
            texts = (cell[n] if n < len(cell) else "" for cell in cells)
            rows.append((margin + " ".join(text.ljust(WIDTH) for text in texts)).rstrip())
    return "\n".join(rows)


def _day(entry: Shown, zone: ZoneInfo) -> date:
    return entry.starts_at.astimezone(zone).date()


def _cell(entries: Sequence[Shown], day: date, hour: int, zone: ZoneInfo) -> list[str]:
    """The lines of what begins in one hour of one day."""
    lines: list[str] = []
    for entry in sorted(entries, key=lambda e: (e.starts_at, e.subject)):
        start, end = entry.starts_at.astimezone(zone), entry.ends_at.astimezone(zone)
        if (start.date(), start.hour) == (day, hour):
            cancelled = entry.subject.startswith(("AVLYST: ", "CANCELLED: "))
            text = entry.subject.partition(": ")[2] if cancelled else entry.subject
            first, _, remainder = text.partition(" ")
            words = [_short(first), _short(remainder)] if remainder else [_short(first)]
            if cancelled:  # crossed out with dashes
                words = [_short(f"--{word}--") for word in words]
            lines += [f"{start:%H.%M}-{end:%H.%M}", *words]
            if entry.location:
                lines.append(_short(f"@ {entry.location}"))
    return lines


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
