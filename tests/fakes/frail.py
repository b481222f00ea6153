"""A house in which everything can fail: its workers, its sources, its Exchange."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from kalender.config.calendar import RoleCalendar
from kalender.domain.model import Content
from tests.databases import migrate_to_copy
from tests.fakes.calendars import FakeCalendars
from tests.fakes.faults import MortalDatabase, Outage, Points, SlowCalendars, Trouble
from tests.fakes.house import MONDAY, House

PRIVATE = Content(
    subject="Legetime",
    body="privat",
    location="",
    starts_at=MONDAY + timedelta(days=1),
    ends_at=MONDAY + timedelta(days=1, hours=1),
    show_as="busy",
)
_template: Path | None = None


def _migrated(path: Path) -> None:
    """Copy a migrated database: migrating is the slowest part of a run."""
    global _template  # noqa: PLW0603
    if _template is None:
        _template = Path(tempfile.mkdtemp()) / "template.db"
        migrate_to_copy(f"sqlite:///{_template}")
    path.write_bytes(_template.read_bytes())


@dataclass
class FrailHouse(House):
    """A house with the moments at which to fail, and what is to fail there."""

    points: Points = field(default_factory=Points)

    def __post_init__(self) -> None:
        """Put all faults into their places."""
        self.trouble = Trouble(self.points)
        self.exchange.before, self.exchange.after = self.trouble.before, self.trouble.after
        self.outages = {name: Outage(self.points, name) for name in ("fs", "tp")}
        for name, source in (("fs", self.students), ("tp", self.timetables)):
            source.before, source.after = self.outages[name].before, self.outages[name].after

    def mend(self) -> None:
        """Let nothing fail any more."""
        self.points.disarm()
        self.trouble.kind = None
        for outage in self.outages.values():
            outage.kind = None


def frail_house(
    path: Path,
    made: Callable[[Points], FakeCalendars] = lambda points: SlowCalendars(points=points),
) -> FrailHouse:
    """Return a house on a new SQLite database that puts back whatever users change.

    `made` makes its Exchange.
    """
    _migrated(path)
    points = Points()
    database = MortalDatabase(f"sqlite:///{path}")
    database.points = points
    return FrailHouse(
        database, exchange=made(points), points=points, restore=RoleCalendar(max_restores=10**6)
    )
