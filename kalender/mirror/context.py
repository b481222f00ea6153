"""What refreshing the mirror needs, and how items that could not be read are counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from kalender.domain.mirror import CourseBrake
from kalender.domain.model import BadItem
from kalender.domain.timetable import Rules
from kalender.ports import Students, Timetables
from kalender.store import unreadable
from kalender.store.database import Counts, Database
from kalender.store.people import People
from kalender.store.semesters import Semesters

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshContext:
    """What a worker needs to refresh the mirror."""

    database: Database
    timetables: Timetables
    students: Students
    people: People
    rules: Rules
    brake: CourseBrake
    ask_singly: bool  # offer statuses that the collection does not tell
    skips: Callable[[str], bool]  # whether the course of this code is not mirrored
    semesters: Semesters
    lease: timedelta
    clock: Callable[[], datetime]

    def maintained(self, connection: Connection) -> frozenset[str]:
        """Return the semesters that are maintained now, in TP's codes."""
        return self.semesters.at(connection, self.rules, self.clock())


def count_left_out(counts: Counts, bad_items: Sequence[BadItem]) -> None:
    """Count items of FS that could not be read, and log which they are."""
    for bad_item in bad_items:
        counts.add("left_out", "fs", bad_item.collection)
        log.warning(
            "left_out",
            source="fs",
            collection=bad_item.collection,
            item=bad_item.item or unreadable.UNNAMED,
            fs_number=bad_item.fs_number,
            reason=bad_item.reason,
        )


def count_left_out_of_tp(counts: Counts, collection: str, reason: str) -> None:
    """Count an item of TP's lists that could not be read; it names nobody."""
    counts.add("left_out", "tp", collection)
    log.warning("left_out", source="tp", collection=collection, reason=reason)
