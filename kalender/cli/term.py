"""A semester at a glance: what the sources told, what calendars should show of it, what is written."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from kalender.cli.base import Json, NotKnown, app, application, listing, opened
from kalender.domain.model import Semester
from kalender.errors import ConfigError
from kalender.operate import queries
from kalender.operate.term import coming_entries, source_counts
from kalender.reconcile.desired import CalendarSettings, desired_entries, load_states
from kalender.store import entries, rollouts
from kalender.store.database import database_time
from kalender.store.tables import change_log

COMPUTED = 500  # calendars: of more that are not right yet, so many stand for all
Rows = list[dict[str, Any]]


@app.command()
def term(
    context: typer.Context,
    semester: Annotated[
        str | None, typer.Argument(help="The semester, such as 25h; else all that are maintained.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say per semester what FS and TP told, and how many entries are planned and written.

    Only entries to come in calendars inside the roll-out count. `planned` is what a calendar that
    is right holds, and what the mirror says that any other should show; where more than 500 are
    not right yet it is computed for 500 of them, spread evenly, and scaled (`exact` is false).
    `ends_at` is told from the entries made within the last ten minutes.
    """
    try:
        code = None if semester is None else Semester.parse(semester).code
    except ValueError as error:
        raise ConfigError("a semester is given as 25h or 26v") from error
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        sources = source_counts(connection)
        settings = wired.settings()
        rules = next(iter(settings.rules.values()))
        maintained = settings.semesters.at(connection, rules, wired.clock())
        semesters = sorted(sources.keys() & (maintained if code is None else {code}))
        inside = rollouts.inside(connection, wired.config.rollout.mode)
        right = queries.right_calendars(connection) & set(inside)
        counts: Counter[tuple[str, str]] = Counter()
        for entry in coming_entries(connection, inside, wired.clock()):
            counts["written", entry.semester] += entry.written
            if entry.calendar_id in right:
                counts["kept", entry.semester] += entry.kept
        computed, scale = _computed(
            connection, settings, sorted(set(inside) - right), wired.clock()
        )
        is_create = change_log.c.operation == "create"
        rate = queries.rate(connection, change_log.c.at, is_create)
        moment = database_time(connection)
        rows: Rows = []
        for name in semesters:
            planned_count = counts["kept", name] + round(computed[name] * scale)
            written_count = counts["written", name]
            missing = max(planned_count - written_count, 0)
            rows.append(
                {
                    "semester": name,
                    **sources[name],
                    "planned": planned_count,
                    "exact": scale == 1,
                    "written": written_count,
                    "ends_at": moment + timedelta(seconds=missing / rate)
                    if missing and rate
                    else None,
                }
            )
    if code is not None and not rows:
        raise NotKnown(f"nothing is known of {code}")
    empty = "no semester is known yet: kalender resync --all"
    listing(rows, as_json=as_json, empty=empty, zone=wired.zone)


def _computed(
    connection: Connection, settings: CalendarSettings, calendars: Sequence[int], moment: datetime
) -> tuple[Counter[str], float]:
    """Return by semester what some of these calendars should show, and how many each stands for."""
    step = -(-len(calendars) // COMPUTED) or 1
    sample = calendars[::step]
    rows = [row for row in entries.load_many(connection, sample) if row.owner]
    counts: Counter[str] = Counter()
    for view in load_states(connection, rows, settings, moment) if rows else []:
        counts.update(
            event.event.teaching.activity.semester
            for event in desired_entries(connection, view, settings, moment)
            if event.event.teaching.ends_at > moment
        )
    return counts, len(calendars) / len(sample) if sample else 1.0
