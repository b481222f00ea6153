"""Which semesters are maintained."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from kalender.domain.model import Semester
from kalender.domain.timetable import Rules
from kalender.store import entries

KNOWN_FOR = timedelta(minutes=1)
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True, kw_only=True)
class Semesters:
    """Which semesters are maintained: a list, or the current and the next one.

    Either way also any in which entries of ours have not ended; that is known for a minute.
    """

    listed: tuple[str, ...] = ()
    _standing: frozenset[str] = frozenset()
    _known_until: datetime = BEGINNING

    def at(self, connection: Connection, rules: Rules, now: datetime) -> frozenset[str]:
        """Return TP's codes of the semesters maintained at an instant."""
        if now >= self._known_until:
            self._standing = frozenset(entries.future_semesters(connection, now))
            self._known_until = now + KNOWN_FOR
        current = Semester.of(now.astimezone(rules.zone).date())
        codes = self.listed or (current.code, current.next.code)
        return self._standing | frozenset(codes)
