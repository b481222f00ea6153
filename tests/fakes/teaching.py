"""A plain model of who is taught what, and so of what each calendar should show."""

from dataclasses import dataclass, field
from datetime import datetime

from kalender.domain.model import ActivityKey, EventStatus, TeachingEvent


@dataclass
class Teaching:
    """What FS and TP hold, and who wishes to be left alone."""

    events: dict[str, TeachingEvent] = field(default_factory=dict)
    enrolled: dict[str, tuple[str | None, tuple[str, ...]]] = field(default_factory=dict)
    left_alone: set[str] = field(default_factory=set)

    def of(self, course: str) -> list[TeachingEvent]:
        """Return a course's events."""
        return [each for each in self.events.values() if each.activity.course == course]

    def expected(self, name: str) -> list[tuple[datetime, datetime, str, str]]:
        """Return (start, end, subject, show-as) of all that a calendar should show."""
        if name in self.left_alone:
            return []
        return sorted(_entry(each) for each in self.events.values() if self._concerns(each, name))

    def _concerns(self, each: TeachingEvent, name: str) -> bool:
        course, groups = self.enrolled.get(name, (None, ()))
        key = each.activity
        mine = key.actid == "1" or key.actid in groups or self._alone(key)
        return (course == key.course and mine) or name in [s.username for s in each.staff or ()]

    def _alone(self, key: ActivityKey) -> bool:
        """The only group of its course, and nobody is placed on it."""
        groups = {each.activity for each in self.of(key.course) if not each.plenary}
        placed = any(
            course == key.course and key.actid in taken for course, taken in self.enrolled.values()
        )
        return groups == {key} and not placed


def _entry(each: TeachingEvent) -> tuple[datetime, datetime, str, str]:
    kind = "Forelesning" if each.plenary else "Gruppe"
    text = f"{each.activity.course} {kind}" + (f": {each.title}" if each.title else "")
    cancelled = each.status is EventStatus.CANCELLED
    subject = f"AVLYST: {text}" if cancelled else text
    return each.starts_at, each.ends_at, subject, "free" if cancelled else "busy"
