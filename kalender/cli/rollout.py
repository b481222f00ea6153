"""`kalender rollout`: who is switched on."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    DryRun,
    Json,
    Yes,
    app,
    application,
    ask_first,
    columns,
    lines,
    listing,
    opened,
    operator,
    person_of,
    say_json,
)
from kalender.domain.roles import ROLES
from kalender.domain.work import Cause, Lane
from kalender.errors import ConfigError
from kalender.operate import queries
from kalender.store import acts, people, rollouts
from kalender.store.database import Database

rollout = typer.Typer(help="Who is switched on.", no_args_is_help=True)
app.add_typer(rollout, name="rollout")
KindOf = Annotated[str, typer.Argument(help="person, course, share or audience")]


@rollout.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who is switched on."""
    wired = application(context, writes=False, asks=False)
    database = opened(wired)
    with database.read() as connection:
        list_entries = rollouts.listed(connection)
        persons = {int(value) for kind, value in list_entries if kind == "person"}
        names = {str(n): names for n, names in people.names_of(connection, persons).items()}
        rows = [
            {"kind": kind, "value": value}
            | asdict(names[value] if kind == "person" else people.Names())
            for kind, value in list_entries
        ]
    mode = wired.config.rollout.mode
    listing(rows, as_json=as_json, empty=f"the list is empty; [rollout] mode is {mode}")


@rollout.command("status")
def status_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say how much is switched on, and how many of those calendars are right, by audience."""
    wired = application(context, writes=False, asks=False)
    mode = wired.config.rollout.mode
    with opened(wired).read() as connection:
        values = defaultdict[str, list[str]](list)
        for kind, value in rollouts.listed(connection):
            values[kind].append(value)
        lists = [
            {
                "kind": kind,
                "listed": len(values[kind]),
                # persons are counted, and not named
                "values": ", ".join(values[kind]) or None if kind != "person" else None,
            }
            for kind in rollouts.KINDS
        ]
        right = queries.right_by_audience(connection, _inside(connection, mode))
        calendars = [asdict(count) for count in right]
    if as_json:
        say_json({"mode": mode, "listed": lists, "calendars": calendars})
        return
    typer.echo(f"[rollout] mode is {mode}")
    for name, rows in (("listed", lists), ("calendars", calendars)):
        if rows:
            lines(["", name, *columns(rows, wired.zone)])


@rollout.command()
def add(
    context: typer.Context,
    kind: KindOf,
    value: list[str],
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Switch on persons, everybody on courses, a share (0 to 1) or an audience.

    Says how many calendars that is; asks where it is more than `[safety] max_updated_share` of all.
    """
    wired = application(context, asks=False)
    database = opened(wired)
    values = _checked(database, kind, value, adding=True)
    with database.read() as connection:
        inside, after = _with(connection, wired, kind, values, adding=True)
        total = len(rollouts.inside(connection, "all"))
    many = len(after - inside)
    if dry_run:
        typer.echo(f"{many} of {total} calendars would be switched on")
        return
    if kind != "person" and many > wired.config.safety.max_updated_share * total and not yes:
        ask_first(f"{many} of {total} calendars are switched on and written. Go on?")
    with database.write() as connection:
        before = _inside(connection, wired.config.rollout.mode)
        rollouts.add(connection, kind, values)
        joined = _inside(connection, wired.config.rollout.mode) - before
        rollouts.join(connection, joined)
        people.mark_calendars(
            connection, joined, reason="joined the roll-out", cause=Cause.ROLLOUT, lane=Lane.FILL
        )
        _record(connection, "rollout add", kind, values, len(joined))
    typer.echo(f"{len(joined)} calendars switched on")


@rollout.command()
def remove(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    kind: KindOf,
    value: list[str],
    take_back: Annotated[bool, typer.Option("--take-back", help="Remove what we wrote.")] = False,  # noqa: FBT002
    leave: Annotated[bool, typer.Option("--leave", help="Leave what we wrote.")] = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Switch off; what we wrote is taken back, or left as it is."""
    if take_back == leave:
        raise ConfigError("leaving the roll-out wants --take-back or --leave")
    wired = application(context, asks=False)
    database = opened(wired)
    values = _checked(database, kind, value)
    mode = wired.config.rollout.mode
    with database.read() as connection:
        inside, after = _with(connection, wired, kind, values, adding=False)
    many = len(inside - after)
    if dry_run:
        typer.echo(f"{many} calendars would be switched off")
        return
    if not yes:
        ask_first(f"{many} calendars are switched off. Go on?")
    with database.write() as connection:
        before = _inside(connection, mode)
        rollouts.remove(connection, kind, values)
        leavers = before - _inside(connection, mode)
        rollouts.leave(connection, leavers, take_back=take_back)
        people.mark_calendars(
            connection, leavers, reason="left the roll-out", cause=Cause.ROLLOUT, lane=Lane.ASKED
        )
        how = "--take-back" if take_back else "--leave"
        _record(connection, f"rollout remove {how}", kind, values, len(leavers))
    typer.echo(f"{len(leavers)} calendars switched off{'; taking back' if take_back else ''}")


def _record(
    connection: Connection, command: str, kind: str, values: Sequence[str], count: int
) -> None:
    if kind == "person":
        persons = [int(value) for value in values]
        acts.record(connection, command, who=operator(), persons=persons, count=count)
    else:
        for value in values:
            acts.record(connection, command, who=operator(), scope=f"{kind} {value}", count=count)


def _checked(
    database: Database, kind: str, values: Collection[str], *, adding: bool = False
) -> list[str]:
    match kind:
        case "person":
            return [str(person_of(database, value)) for value in values]
        case "share":
            try:
                shares = [float(value) for value in values]
            except ValueError:
                shares = []
            if not shares or not all(0 <= share <= 1 for share in shares):
                raise ConfigError("a share is a number from 0 to 1")
            return [str(share) for share in shares]
        case "audience" if set(values) <= {role.name for role in ROLES}:
            return list(values)
        case "course" if adding:
            with database.read() as connection:
                courses = {value: rollouts.spelled(connection, value) for value in values}
            for value, course in courses.items():
                if course is None:
                    raise ConfigError(
                        f"no course {value} is mirrored: kalender resync --all reads them from TP"
                    )
            return [course for course in courses.values() if course is not None]
        case "course":
            return list(values)
        case _:
            names = ", ".join(role.name for role in ROLES)
            raise ConfigError(f"rollout wants person, course, share or audience ({names})")


def _with(
    connection: Connection, wired: App, kind: str, values: Sequence[str], *, adding: bool
) -> tuple[set[int], set[int]]:
    """Return the calendars inside the roll-out now, and with these values on or off the list."""
    mode, now = wired.config.rollout.mode, set(rollouts.listed(connection))
    wished = {(kind, value) for value in values}
    then = now | wished if adding else now - wished
    return _inside(connection, mode), rollouts.inside(connection, mode, then)


def _inside(connection: Connection, mode: str) -> set[int]:
    return rollouts.inside(connection, mode)
