"""The brake's commands: what it holds, letting go, holding by hand, nights that are known."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from kalender.cli.base import (
    DryRun,
    Json,
    Yes,
    app,
    application,
    ask_first,
    instant,
    listing,
    opened,
    operator,
)
from kalender.domain.work import WorkKey
from kalender.errors import ConfigError
from kalender.mirror.person import SECOND_LOOK
from kalender.operate import disclosure, queries, releases
from kalender.store import brakes
from kalender.store.brakes import HAND
from kalender.store.database import database_time

brake = typer.Typer(
    help="Look at deletes that are held back; release, hold or announce them.", no_args_is_help=True
)
app.add_typer(brake, name="brake")
Reason = Annotated[str, typer.Option(help="Why; kept with the brake.")]


@brake.command("show")
def show_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List every brake: what holds, since when, how many entries, and what was announced."""
    wired = application(context, writes=False, asks=False)
    database = opened(wired)
    with database.read() as connection:
        protected = disclosure.protected_work(connection)
        rows = [
            asdict(standing_brake)
            for standing_brake in queries.standing_brakes(connection, wired.clock())
        ]
        names = rows[0] if rows else ("from_at", "up_to", "held", "people")
        rows += [
            {
                **dict.fromkeys(names),
                "scope": f"person fs {number}" if person_id is None else f"protected {person_id}",
                "state": "holding",
                "reason": "FS lists nothing any more; asked again ten minutes later",
                "set_at": at,
                "until_at": at + SECOND_LOOK,
                "people": 1,
            }
            for number, at in brakes.waiting_persons(connection)
            for person_id in [protected.get(WorkKey.of_person(number))]
        ]
    listing(rows, as_json=as_json, empty="no brake is set: deletes go through", zone=wired.zone)


@brake.command()
def release(
    context: typer.Context,
    scope: Annotated[
        list[str],
        typer.Argument(
            help="institution, hand, course IN1000 25h, person fs 56154, calendar 20, optout NAME"
        ),
    ],
    reason: Reason,
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Let go what a brake holds: somebody looked, and it is right.

    Says how many deletes that is, of how many people; asks where they are more than one.
    """
    wired = application(context, asks=False)
    database = opened(wired)
    name = releases.spelled(" ".join(scope))  # in quotes as it is shown, or not
    kind = name.partition(" ")[0]
    with database.read() as connection:
        found = releases.brake_named(connection, name, wired.clock())
    changes, deletes = found.changes, f"{found.held.held} deletes, of {found.held.people} people"
    if kind == "optout":
        deletes = (
            f"{changes.people} persons left alone, {changes.entries} entries in {changes.calendars} "
            f"calendars taken back, {changes.returning} persons served again"
        )
    if dry_run:
        would = {
            "person": "the next answer of FS about 1 person would be believed",
            "calendar": "what is new in 1 calendar would be written",
            "optout": f"would be so: {deletes}",
        }
        typer.echo(would.get(kind, f"{deletes}, would be let go"))
        return
    if found.held.people > 1 and not yes:
        ask_first(f"{deletes}. Go on?" if kind == "optout" else f"{deletes}, are let go. Go on?")
    with database.write() as connection:
        found = releases.brake_named(connection, name, wired.clock())
        marked = releases.release(
            connection, found, who=operator(), reason=reason, now=wired.clock()
        )
    asked_again = f"{kind} marked: the source is asked once more, and believed"
    said = {
        "person": asked_again,
        "course": f"{deletes}, are let go where TP says so again\n{asked_again}",
        "calendar": "1 calendar marked: what is new in it is written",
        "optout": f"{deletes}: {marked} calendars marked",
    }
    typer.echo(said.get(kind, f"{deletes}, are let go: {marked} calendars marked"))


@brake.command("set")
def set_(context: typer.Context, reason: Reason) -> None:
    """Hold all deletes by hand, until `brake release hand`."""
    database = opened(application(context, asks=False))
    with database.write() as connection:
        brakes.put(connection, HAND, "holding", reason, who=operator())
    typer.echo("all deletes are held; creates and updates go on")


@brake.command()
def expect(
    context: typer.Context,
    begins: Annotated[str, typer.Option("--from", help="An instant with its offset.")],
    until: Annotated[str, typer.Option(help="An instant with its offset.")],
    up_to: Annotated[int, typer.Option(min=1, help="How many deletes more than usual.")],
    reason: Reason,
) -> None:
    """Announce a night in which much is deleted, such as a registration deadline's."""
    wired = application(context, asks=False)
    database = opened(wired)
    begins_at, ends_at = instant(begins, "--from"), instant(until, "--until")
    if begins_at is None or ends_at is None or begins_at >= ends_at:
        raise ConfigError("--until wants an instant after --from")
    with database.write() as connection:
        rehearsed = context.obj.now is not None
        ahead = wired.clock() - database_time(connection)
        shift = ahead if rehearsed else timedelta()
        brakes.expect(
            connection,
            from_at=begins_at - shift,
            until_at=ends_at - shift,
            up_to=up_to,
            reason=reason,
            who=operator(),
        )
    typer.echo(f"up to {up_to} deletes more than usual pass between {begins} and {until}")
