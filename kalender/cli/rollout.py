"""`kalender rollout`: who is switched on."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import IO, Annotated

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
    lines_of,
    listing,
    opened,
    operator,
    persons_of,
    require_known,
    say_json,
)
from kalender.cli.criteria import checked
from kalender.domain.criteria import CRITERIA, GROUP, PERSON
from kalender.errors import ConfigError
from kalender.operate import queries
from kalender.store import acts, criteria, people, rollouts
from kalender.store.database import Database

rollout = typer.Typer(help="Who is switched on.", no_args_is_help=True)
app.add_typer(rollout, name="rollout")
CRITERION_HELP = "\n\n".join(
    f"{kind}: {each.value} ({each.source})" for kind, each in CRITERIA.items()
)
KindOf = Annotated[str, typer.Argument(metavar="CRITERION", help=CRITERION_HELP)]
File = Annotated[
    typer.FileBinaryRead | None,
    typer.Option("--file", help="A group's usernames, one a line, in UTF-8; - standard input."),
]


@rollout.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who is switched on."""
    wired = application(context, writes=False, asks=False)
    database = opened(wired)
    with database.read() as connection:
        list_entries = rollouts.listed(connection)
        persons = {int(value) for kind, value in list_entries if kind == PERSON}
        names = {str(n): names for n, names in people.names_of(connection, persons).items()}
        rows = [
            {"kind": kind, "value": value}
            | asdict(names[value] if kind == PERSON else people.Names())
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
                "values": ", ".join(values[kind]) or None if kind != PERSON else None,
            }
            for kind in CRITERIA
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
    file: File = None,
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Switch on whoever meets a criterion, and who comes to meet it later.

    Says how many calendars that is; asks where it is more than `[safety] max_updated_share` of all.
    A group is a list of usernames: its later lists add to it. Who is not known is said by the place
    in the list; the others are done, and the code is 1.
    """
    wired = application(context, asks=False)
    database = opened(wired)
    values = checked(wired, database, kind, value, adding=True)
    persons, unknown = _listed_persons(database, kind, values, file, required=kind == GROUP)
    with database.read() as connection:
        inside, after = _with(connection, wired, kind, values, adding=True)
        if wired.config.rollout.mode == "listed":  # who is not in the group yet
            after |= {*people.calendars_of(connection, persons)}
        many, whose = len(after - inside), _persons_of(connection, after - inside)
        total = len(rollouts.inside(connection, "all"))
    if dry_run:
        typer.echo(f"{many} of {total} calendars would be switched on, of {_people(whose)}")
        require_known(unknown)
        return
    if kind != PERSON and many > wired.config.safety.max_updated_share * total and not yes:
        ask_first(f"{many} of {total} calendars are switched on and written. Go on?")
    with database.write() as connection:
        before = _inside(connection, wired.config.rollout.mode)
        criteria.keep(connection, {(kind, values[0], person_id) for person_id in persons})
        rollouts.add(connection, kind, values)
        joined = _inside(connection, wired.config.rollout.mode) - before
        rollouts.switch_on(connection, joined)
        _record(connection, "rollout add", kind, values, len(joined))
    typer.echo(f"{len(joined)} calendars switched on")
    require_known(unknown)


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
    values = checked(wired, database, kind, value, adding=False)
    mode = wired.config.rollout.mode
    with database.read() as connection:
        inside, after = _with(connection, wired, kind, values, adding=False)
        many, whose = len(inside - after), _persons_of(connection, inside - after)
    if dry_run:
        typer.echo(f"{many} calendars would be switched off, of {_people(whose)}")
        return
    if not yes:
        ask_first(f"{many} calendars are switched off. Go on?")
    with database.write() as connection:
        before = _inside(connection, mode)
        rollouts.remove(connection, kind, values)
        leavers = before - _inside(connection, mode)
        rollouts.switch_off(connection, leavers, take_back=take_back)
        how = "--take-back" if take_back else "--leave"
        _record(connection, f"rollout remove {how}", kind, values, len(leavers))
    typer.echo(f"{len(leavers)} calendars switched off{'; taking back' if take_back else ''}")


def _listed_persons(
    database: Database,
    kind: str,
    values: Sequence[str],
    file: IO[bytes] | None,
    *,
    required: bool,
) -> tuple[list[int], list[str]]:
    """Return the persons of a group's list, and who is not known by the place in it."""
    if file is None and not required:
        return [], []
    if kind != GROUP or file is None or len(values) > 1:
        raise ConfigError("a group has one name, and --file with a username on each line")
    return persons_of(database, lines_of(file.read()))


def _persons_of(connection: Connection, calendars: Collection[int]) -> int:
    return len(rollouts.persons_of(connection, calendars))


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _record(
    connection: Connection, command: str, kind: str, values: Sequence[str], count: int
) -> None:
    if kind == PERSON:
        persons = [int(value) for value in values]
        acts.record(connection, command, who=operator(), persons=persons, count=count)
    else:
        for value in values:
            acts.record(connection, command, who=operator(), scope=f"{kind} {value}", count=count)


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
