"""What was done: by operators, by brakes, and by the service in calendars."""

import textwrap
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import tzinfo
from typing import Annotated

import typer

from kalender.cli.base import (
    Json,
    app,
    application,
    instant,
    lines,
    opened,
    operator,
    say_json,
)
from kalender.cli.protect import Reveal
from kalender.cli.show import resolve_and_log_access
from kalender.domain.moment import said
from kalender.errors import ConfigError
from kalender.operate import disclosure
from kalender.store import acts, courses

WIDTH, INDENT = 80, " " * 4


@app.command("log")
def log_(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    person: Annotated[str | None, typer.Option(help="FS number, username or mail.")] = None,
    course: Annotated[str | None, typer.Option(help="A code such as IN1000.")] = None,
    operation: Annotated[
        str | None, typer.Option(help="create, update, delete ... or words such as 'brake release'")
    ] = None,
    since: Annotated[str | None, typer.Option(help="From this instant on.")] = None,
    until: Annotated[str | None, typer.Option(help="Before this instant.")] = None,
    only_acts: Annotated[  # noqa: FBT002
        bool, typer.Option("--acts", help="Only acts of operators and brakes.")
    ] = False,
    only_writes: Annotated[  # noqa: FBT002
        bool, typer.Option("--writes", help="Only what the service wrote.")
    ] = False,
    only_looks: Annotated[bool, typer.Option("--looks", help="Only who looked whom up.")] = False,  # noqa: FBT002
    limit: Annotated[int, typer.Option(min=1, help="How many of the latest.")] = 100,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Tell who did what and what the service wrote, the latest first.

    Times are the database's, also in a rehearsal. Of protected persons only that something was
    done. It is kept as long as `retention.change_log_days` says. With --looks: who was looked
    up by whom, and why, as long as `look_up_days` says.
    """
    if only_acts + only_writes + only_looks > 1:
        raise ConfigError("give --acts or --writes, or neither for both; or --looks")
    if only_looks and (course or operation):
        raise ConfigError("--looks goes by --person, --since and --until alone")
    wired = application(context, writes=reveal, asks=False)
    database = opened(wired)
    filters = acts.Filter(
        person_id=resolve_and_log_access(database, person, "log", reveal=reveal)
        if person
        else None,
        course=course,
        what=operation,
        since=instant(since, "--since"),
        until=instant(until, "--until"),
        limit=limit,
    )
    with database.read() as connection:
        if course is not None:
            filters = replace(filters, course=courses.spelled(connection, course.upper()))
        rows = acts.looks(connection, filters, reveal=reveal) if only_looks else []
        if not (only_writes or only_looks):
            rows += acts.acts(connection, filters, reveal=reveal)
        if not (only_acts or only_looks):
            rows += acts.writes(connection, filters, reveal=reveal)
        protected = acts.protected(connection) if reveal and person is None else frozenset()
    rows = sorted(rows, key=lambda row: row.at, reverse=True)[:limit]
    persons = {row.person for row in rows if row.person is not None} & protected
    if persons:
        with database.write() as connection:
            disclosure.log_access(connection, persons, "log --reveal", operator=operator())
    if as_json:
        say_json([asdict(row) for row in rows])
    elif rows:
        lines(line for row in rows for line in _lines_of_act(row, wired.zone))
    else:
        typer.echo("nothing was done that the log still has")


def _lines_of_act(row: acts.LogRow, zone: tzinfo) -> Iterator[str]:
    """Return when, who and what on one line, and why below it, at most 80 columns wide."""
    about = [
        "somebody protected" if row.protected else "",
        f"person {row.person}" if row.person is not None else "",
        f"event {row.event}" if row.event is not None else "",
        row.scope or "",
        f"({row.count})" if row.count is not None else "",
    ]
    first = " ".join([said(row.at, zone), row.who, row.what, *filter(None, about)])
    yield from textwrap.wrap(first, WIDTH, subsequent_indent=INDENT, break_on_hyphens=False)
    if row.reason:
        yield from textwrap.wrap(row.reason, WIDTH, initial_indent=INDENT, subsequent_indent=INDENT)
