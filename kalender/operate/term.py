"""What `kalender term` asks: what FS and TP said of each semester, and what calendars hold of it."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, case, func, select, true

from kalender.store.tables import course_run, entry, placement, registration


@dataclass(frozen=True, slots=True, kw_only=True)
class ComingEntries:
    """One calendar's entries to come of one semester.

    `written` counts live ones. `kept` counts those that stay while the calendar is right: also what
    Exchange never takes and what was put back too often, but nothing that a brake holds.
    """

    semester: str
    calendar_id: int
    written: int
    kept: int


def source_counts(connection: Connection) -> Mapping[str, Mapping[str, int]]:
    """Return by semester how many courses, published ones, registrations and placements there are."""
    sources: Mapping[str, tuple[Table, ColumnElement[bool]]] = {
        "courses": (course_run, true()),
        "published": (course_run, course_run.c.published),
        "registrations": (registration, true()),
        "placements": (placement, true()),
    }
    counts: defaultdict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(sources, 0))
    for name, (table, condition) in sources.items():
        query = select(table.c.semester, func.count()).where(condition).group_by(table.c.semester)
        for semester, count in connection.execute(query):
            counts[semester][name] = count
    return dict(counts)


def coming_entries(
    connection: Connection, calendars: Collection[int], after: datetime
) -> list[ComingEntries]:
    """Count by semester and calendar what these calendars hold that ends after an instant."""
    calendar_ids = frozenset(calendars)
    is_live = entry.c.status == "live"
    is_kept = entry.c.status.in_(("live", "refused", "declined")) & entry.c.held_by.is_(None)
    live, kept_entries = (func.count(case((condition, 1))) for condition in (is_live, is_kept))
    keys = (entry.c.semester, entry.c.calendar_id)
    query = select(*keys, live, kept_entries).where(entry.c.ends_at > after).group_by(*keys)
    return [
        ComingEntries(
            semester=semester, calendar_id=calendar_id, written=live_count, kept=kept_count
        )
        for semester, calendar_id, live_count, kept_count in connection.execute(query)
        if calendar_id in calendar_ids
    ]
