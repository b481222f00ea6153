"""`kalender move`: mailboxes that move to another Exchange. A worker follows them."""

from dataclasses import asdict
from datetime import datetime, time
from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.cli import pause as pauses
from kalender.cli.base import (
    Json,
    NotKnown,
    Person,
    Yes,
    app,
    application,
    ask_first,
    columns,
    day_of,
    lines,
    lines_of,
    opened,
    operator,
    person_of,
    persons_of,
    require_known,
    say_json,
)
from kalender.domain.roles import AUDIENCES
from kalender.errors import ConfigError
from kalender.neighbours import breaker
from kalender.neighbours.breaker import MOVES
from kalender.operate import queries
from kalender.store import acts, moves, people
from kalender.store.database import database_time

move = typer.Typer(
    help="Look at mailboxes that move to another Exchange; decide, announce or pause.",
    no_args_is_help=True,
)
app.add_typer(move, name="move")
Every = Annotated[
    bool, typer.Option("--all", help="All calendars that moved and are not right yet.")
]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept in the log.")]


@move.command("status")
def status_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say how many calendars live at which Exchange, how many moved, and what waits and why."""
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        counts = asdict(moves.counts(connection))
        held = next((n for n in queries.neighbours(connection) if n.name == MOVES), None)
        waiting = [_values(connection, row) for row in moves.waiting(connection)]
        announced = [
            {"exchange": row.to_backend, "from": row.from_at, "calendars": row.calendars}
            for row in moves.announcements(connection)
        ]
    is_paused = held is not None and held.held_until is not None
    paused = f"{held.held_reason} ({held.held_by})" if held is not None and is_paused else None
    counts |= {"per_minute": wired.config.moves.per_minute, "paused": paused}
    if as_json:
        say_json({**counts, "waiting_calendars": waiting, "announcements": announced})
        return
    if paused is not None:
        lines([f"all moves are paused: {paused}; kalender move resume", ""])
    lines(f"at {name}: {count} calendars" for name, count in counts["living"].items())
    lines(
        [
            f"moved within a day: {counts['moved']}",
            f"followed, {counts['per_minute']:g} a minute: {counts['followed']}",
            f"announced: {counts['announced']}",
            f"waiting: {counts['waiting']}",
        ]
    )
    for title, rows in (("waiting", waiting), ("announced", announced)):
        if rows:
            lines(["", f"{title} ({wired.zone})", *columns(rows, wired.zone)])


def _values(connection: Connection, row: moves.OpenMove) -> dict[str, object]:
    """Return a calendar that waits as it is listed; protected persons are not named."""
    names = people.names_of(connection, [row.person_id])[row.person_id]
    return {
        "calendar": row.calendar_id,
        "number": names.number,
        "username": names.username,
        "from": row.from_backend,
        "at": row.backend,
        "present": row.present,
        "expected": row.expected,
        "since": row.waits_since,
        "looks": row.looks,
        "next_look": row.look_at,
        "decision": row.decision,
        "decided_by": row.decided_by,
    }


@move.command()
def accept(
    context: typer.Context,
    person: Annotated[
        str | None, typer.Argument(help="FS number, username or mail address.")
    ] = None,
    every: Every = False,  # noqa: FBT002
    reason: Reason = "",
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Believe that what a moved calendar lacks is gone: it is written anew at the next look, now.

    Says how many entries that are at most, and asks. What lost our property on the way is its
    user's: it stays beside what is written.
    """
    wired = application(context, asks=False)
    database = opened(wired)
    if (person is None) is not every:
        raise ConfigError("move accept wants a person, or --all")
    person_id = person_of(database, person) if person is not None else None
    with database.read() as connection:
        rows = _waiting(connection, person_id)
        lacking = moves.lacking(connection, rows, wired.clock())
    if not yes:
        question = f"up to {lacking} entries of {len(rows)} calendars are written anew. Go on?"
        ask_first(question, can_count=False)
    with database.write() as connection:
        moves.decide(
            connection,
            _waiting(connection, person_id),
            moves.ACCEPT,
            who=operator(),
            reason=reason,
            interval=wired.config.moves.interval,
        )
    typer.echo(f"up to {lacking} entries of {len(rows)} calendars are written anew")


@move.command()
def wait(context: typer.Context, person: Person, reason: Reason = "") -> None:
    """Let a moved calendar wait: looks go on, and for a day it is no condition of `status`."""
    database = opened(application(context, asks=False))
    person_id = person_of(database, person)
    with database.write() as connection:
        rows = _waiting(connection, person_id)
        moves.decide(connection, rows, moves.WAIT, who=operator(), reason=reason)
    typer.echo("looks go on; nothing is concluded")


def _waiting(connection: Connection, person_id: int | None) -> list[moves.OpenMove]:
    """Return the moves of a person that wait, or all that are open."""
    rows = moves.waiting(connection, person_id, followed=person_id is None)
    if not rows:
        whose = f" of person {person_id}" if person_id is not None else ""
        raise NotKnown(f"no moved calendar{whose} waits")
    return rows


@move.command()
def announce(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(help="The Exchange to which they move, of [exchange.NAME].")
    ],
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Argument(help="One person a line, in UTF-8; - standard input.", show_default=False),
    ] = None,
    first_day: Annotated[
        str | None, typer.Option("--from", metavar="DATE", help="From this day on.")
    ] = None,
    audience: Annotated[
        str | None, typer.Option(help="All calendars of an audience, instead of a list.")
    ] = None,
    cancel: Annotated[bool, typer.Option("--cancel", help="They do not move.")] = False,  # noqa: FBT002
) -> None:
    """Look for mailboxes at their new Exchange first, from a day on.

    Who is not known is said by the place in the list; the others are done, and the code is 1.
    """
    wired = application(context, asks=False)
    backend = name.removeprefix("exchange.")
    if backend not in wired.config.exchange.backends:
        names = ", ".join(sorted(wired.config.exchange.backends))
        raise ConfigError(f"no [exchange.NAME] of that name: {names}")
    if (file is None) == (audience is None):
        raise ConfigError("move announce wants a file (- standard input) or --audience")
    if audience is not None and audience not in AUDIENCES:
        raise ConfigError(f"--audience wants {', '.join(sorted(AUDIENCES))}")
    day = day_of(first_day, "--from")
    if (day is None) is not cancel:
        raise ConfigError("move announce wants --from DATE, or --cancel")
    database, unknown = opened(wired), list[str]()
    persons = list[int]()
    if file is not None:
        persons, unknown = persons_of(database, lines_of(file.read()))
    with database.write() as connection:
        calendars = (
            moves.of_audience(connection, audience)
            if audience is not None
            else people.calendars_of(connection, persons)
        )
        if day is None:
            count = moves.cancel(connection, calendars)
        else:
            # the day begins on the domain's clock, and is kept on the database's
            ahead = (
                wired.clock() - database_time(connection) if context.obj.now is not None else None
            )
            from_at = datetime.combine(day, time(), tzinfo=wired.zone)
            from_at = from_at - ahead if ahead is not None else from_at
            count = moves.announce(connection, calendars, backend, from_at)
        command = "move announce" if day is not None else "move cancel"
        reason = f"from {day}" if day is not None else ""
        acts.record(
            connection,
            command,
            who=operator(),
            scope=f"exchange.{backend}",
            reason=reason,
            count=count,
        )
    if day is None:
        typer.echo(f"{count} calendars are announced no more")
    else:
        typer.echo(f"{count} calendars are looked for at {backend} first, from {day} on")
    require_known(unknown)


@move.command()
def pause(
    context: typer.Context,
    reason: Annotated[str, typer.Option(help="Why; kept, and shown by `status`.")],
    until: Annotated[str | None, typer.Option(help="An instant with its offset.")] = None,
    lasting: Annotated[str | None, typer.Option("--for", help="Such as 30m, 2h, 1d.")] = None,
) -> None:
    """Follow no moved mailbox until a given time or until `resume`; all other work goes on."""
    pauses.pause(context, MOVES, reason, until, lasting)


@move.command()
def resume(context: typer.Context) -> None:
    """Follow moved mailboxes again; three that wait within an hour paused them, or an operator."""
    with opened(application(context, asks=False)).write() as connection:
        if not breaker.let_go(connection, MOVES):
            raise ConfigError("moves are not paused")
        acts.record(connection, "resume", who=operator(), scope=MOVES)
    typer.echo("moves go on within minutes")
