"""One week of a calendar as day columns, and the same week drawn in plain text."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from kalender.operate.shown import EntryStanding, ShownEntry

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WORKDAYS = 5
WIDTH = 15
FIRST, LAST = 8, 16  # the hours that are drawn at least
LEAST = 15  # minutes that an entry takes up beside others at least
DAY = 24 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An entry's part in one day: from minute to minute of that local day, and how it is laid out.

    What overlaps stands beside each other: in the `lane`-th of `lanes` columns of one width.
    """

    entry: ShownEntry
    begins: int
    ends: int
    lane: int
    lanes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WeekDay:
    """One day's blocks, by their beginnings."""

    day: date
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """Seven days from a Monday, or five where nothing is at the weekend; hours are local.

    `last_hour` is the last that is drawn: 16 is drawn to 17 o'clock.
    """

    monday: date
    days: tuple[WeekDay, ...]
    first_hour: int
    last_hour: int

    @property
    def number(self) -> int:
        """The week's number by ISO 8601."""
        return self.monday.isocalendar().week

    @property
    def previous(self) -> date:
        """The Monday before."""
        return self.monday - timedelta(days=7)

    @property
    def next(self) -> date:
        """The Monday after."""
        return self.monday + timedelta(days=7)


def monday_of(day: date) -> date:
    """Return the Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def week_of(entries: Sequence[ShownEntry], monday: date, zone: ZoneInfo) -> Week:
    """Return the week that begins on a Monday. What goes past midnight is in both days."""
    days = [
        WeekDay(day=day, blocks=_laid_out(_parts(entries, day, zone)))
        for day in (monday + timedelta(days=n) for n in range(7))
    ]
    days = [day for n, day in enumerate(days) if n < WORKDAYS or day.blocks]
    blocks = [block for day in days for block in day.blocks]
    return Week(
        monday=monday,
        days=tuple(days),
        first_hour=min([FIRST, *(block.begins // 60 for block in blocks)]),
        last_hour=max([LAST, *((block.ends - 1) // 60 for block in blocks)]),
    )


Part = tuple[int, int, ShownEntry]  # from minute to minute of a day


def _parts(entries: Sequence[ShownEntry], day: date, zone: ZoneInfo) -> list[Part]:
    """Return what is on a day, the longer first where two begin at once."""
    midnight = datetime.combine(day, time(), zone)
    next_midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    parts = []
    for entry in entries:
        if entry.starts_at < next_midnight and entry.ends_at > midnight:
            begins = _minute(entry.starts_at.astimezone(zone), day)
            parts.append((begins, max(_minute(entry.ends_at.astimezone(zone), day), begins), entry))
    return sorted(parts, key=lambda part: (part[0], -part[1], part[2].subject))


def _minute(local: datetime, day: date) -> int:
    """Return the minute of a day on its clock on the wall, within that day."""
    if local.date() != day:
        return 0 if local.date() < day else DAY
    return local.hour * 60 + local.minute


def _laid_out(parts: Sequence[Part]) -> tuple[Block, ...]:
    """Place what overlaps beside each other; what overlaps nothing has the whole width."""
    blocks: list[Block] = []
    cluster: list[tuple[Part, int]] = []
    free_from: list[int] = []  # the minute from which each lane of the cluster is free
    for part in [*parts, None]:
        if cluster and (part is None or part[0] >= max(free_from)):
            lanes = len(free_from)
            blocks += [
                Block(entry=entry, begins=begins, ends=ends, lane=lane, lanes=lanes)
                for (begins, ends, entry), lane in cluster
            ]
            cluster, free_from = [], []
        if part is not None:
            lane = next((n for n, end in enumerate(free_from) if end <= part[0]), len(free_from))
            free_from[lane : lane + 1] = [max(part[1], part[0] + LEAST)]
            cluster.append((part, lane))
    return tuple(blocks)


# -- in plain text ------------------------------------------------------------------------------------

MARKS = {
    EntryStanding.COMING: "+",
    EntryStanding.WAITING: "+",
    EntryStanding.CHANGING: "~",
    EntryStanding.MOVING: "~",
    EntryStanding.GOING: "-",
}


def draw(week: Week) -> str:
    """Draw a week, days as columns and hours as rows: each entry where it begins.

    What is not there yet is marked `+`, what changes `~`, and what goes `-`.
    """
    head = "       " + " ".join(
        f"{DAYS[day.day.weekday()]} {day.day:%d.%m.}".ljust(WIDTH) for day in week.days
    )
    rows = [head.rstrip()]
    for hour in range(week.first_hour, week.last_hour + 1):
        cells = [_cell(day, hour) for day in week.days]
        for n in range(max(1, *map(len, cells))):
            margin = f"{hour:02d}.00  " if n == 0 else "       "
            texts = (cell[n] if n < len(cell) else "" for cell in cells)
            rows.append((margin + " ".join(text.ljust(WIDTH) for text in texts)).rstrip())
    return "\n".join(rows)


def _cell(day: WeekDay, hour: int) -> list[str]:
    """The lines of what begins in one hour of one day."""
    lines: list[str] = []
    for block in day.blocks:
        entry = block.entry
        if block.begins // 60 == hour:
            text = entry.subject.partition(": ")[2] if entry.cancelled else entry.subject
            first, _, remainder = text.partition(" ")
            words = [_short(first), _short(remainder)] if remainder else [_short(first)]
            if entry.cancelled:  # crossed out with dashes
                words = [_short(f"--{word}--") for word in words]
            when = f"{_clock(block.begins)}-{_clock(block.ends)}"
            lines += [f"{when} {MARKS.get(entry.standing, '')}".rstrip(), *words]
            if entry.location:
                lines.append(_short(f"@ {entry.location}"))
    return lines


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}.{minute % 60:02d}"


def _short(text: str) -> str:
    return text if len(text) <= WIDTH else text[: WIDTH - 1] + "…"
