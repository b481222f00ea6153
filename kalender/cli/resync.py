"""`kalender resync`: read sources anew and mark what changed, and agree to what settings ask for."""

import sys
from dataclasses import asdict, replace
from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    Json,
    Yes,
    app,
    application,
    opened,
    operator,
    person_of,
    say_json,
)
from kalender.cli.optout import say_lists
from kalender.cli.progress import follow
from kalender.cli.show import planned, say_plan
from kalender.domain.model import Semester
from kalender.domain.work import Cause, Lane, Mark, WorkKey
from kalender.errors import ConfigError
from kalender.mirror.lists import ReadLists
from kalender.mirror.resync import ResyncResult
from kalender.mirror.resync import resync as resync_all
from kalender.mirror.scope import Decided, Leavers, Settings, compare
from kalender.operate import wishes
from kalender.operate.check import certificates
from kalender.sources.lists import read_all
from kalender.store import acts, counters, courses, entries, observations, people, queue
from kalender.store.database import Database, database_time


@app.command()
def resync(  # noqa: PLR0913
    context: typer.Context,
    more: Annotated[
        list[str] | None,
        typer.Argument(help="More courses after --course, or persons after --person."),
    ] = None,
    *,
    person: Annotated[list[str] | None, typer.Option(help="FS number, username or mail.")] = None,
    course: Annotated[list[str] | None, typer.Option(help="A code such as IN1000.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Read all sources anew.")] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Compare the calendars themselves as well.")
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the marked work is done.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    take_back: Annotated[
        bool, typer.Option("--take-back", help="Remove what we wrote to whom settings switch off.")
    ] = False,
    leave: Annotated[
        bool, typer.Option("--leave", help="Leave what we wrote to whom settings switch off.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Read sources anew and mark what changed; workers write the calendars."""
    if not (everything or person or course):
        raise ConfigError("resync wants --all, --person or --course")
    if take_back and leave:
        raise ConfigError("give one of --take-back and --leave")
    if more and (everything or bool(person) == bool(course)):
        raise ConfigError("more names are courses after --course, or persons after --person")
    courses_named = [*course, *(more or [])] if course else []
    persons_named = [] if course else [*(person or []), *(more or [])]
    wired = application(context, asks=everything)
    database = opened(wired)
    with database.read() as connection:
        since = database_time(connection)
    waits = False
    if everything:
        leavers: Leavers | None = "leave" if leave else "take back" if take_back and yes else None
        settings = Settings(
            digests=wired.settings().digests,
            rollout_mode=wired.config.rollout.mode,
            max_updated_share=wired.config.safety.max_updated_share,
            rewrites=yes,
            leavers=leavers,
        )
        result = _all(wired, database, settings, dry_run=dry_run, as_json=as_json)
        decided = result.decided
        waits = say_lists(result.lists, err=True)
        if not dry_run:
            waits = _ask(wired, database, settings, decided, take_back=take_back) or waits
    else:
        marks = _marks(wired, database, courses_named)
        if dry_run:
            lines = [f"TP would be asked for {mark.key}\n" for mark in marks]
            typer.echo("".join(lines), err=True, nl=False)
            steps = [step for name in persons_named for step in planned(wired, database, name)]
            say_plan(steps, as_json, wired, "nothing to write by what is mirrored now")
            return
        marked = _ask_for(database, persons_named, marks, verify=verify)
        _say({"marked": marked}, as_json=as_json)
    if everything and verify and not dry_run:
        database.transact(_verify_all)
    parked = follow(database, since=since) if wait and not dry_run else 0
    if parked or waits:
        raise typer.Exit(1)


def _agreed(settings: Settings) -> str:
    """Return the words by which somebody agreed to what settings ask for."""
    leavers = {None: "", "take back": " --take-back", "leave": " --leave"}[settings.leavers]
    return leavers + (" --yes" if settings.rewrites else "")


def _all(
    wired: App, database: Database, settings: Settings, *, dry_run: bool, as_json: bool
) -> ResyncResult:
    """Read all sources and lists of persons, print what came of it, and return it."""
    result: ResyncResult = resync_all(
        wired.refresh_context(database),
        settings=settings,
        lists=ReadLists(
            readings=read_all(wired.config.optout, wired.config.preferences),
            safety=wired.config.safety,
            who=operator(),
        ),
        dry_run=dry_run,
    )
    counters.give(database)
    if not dry_run:
        command = "resync --all" + _agreed(settings)
        count = result.changed_persons
        with database.write() as connection:
            acts.record(
                connection,
                command,
                who=operator(),
                scope="all",
                count=count,
                reason=_text(_values(result)),
            )
    _say(_values(result) | {"dry_run": dry_run}, as_json=as_json)
    if not dry_run:
        # so that `status` says in time that a neighbour's certificate is about to end
        ends = certificates.seen(wired.config)
        with database.write() as connection:
            for name, ends_at in ends.items():
                observations.saw_certificate(connection, name, ends_at)
    return result


def _ask(
    wired: App, database: Database, settings: Settings, decided: Decided, *, take_back: bool
) -> bool:
    """Say what the settings ask for and nobody agreed to; on a terminal ask. True: it waits."""
    asks = sys.stdin.isatty()
    agreed = settings
    if decided.not_marked:
        typer.echo(
            f"{decided.not_marked} calendars were written under other settings, {decided.moving} of "
            "them at another address: kalender resync --all --yes rewrites them",
            err=True,
        )
        if asks and typer.confirm("Rewrite them?", err=True):
            agreed = replace(agreed, rewrites=True)
    if decided.not_decided:
        typer.echo(
            f"{decided.not_decided} calendars lie outside the roll-out now, and what we wrote stands "
            "in them, updated no more: kalender resync --all --take-back --yes removes it, "
            "kalender resync --all --leave leaves it as it is",
            err=True,
        )
        if asks and take_back and typer.confirm("Remove it?", err=True):
            agreed = replace(agreed, leavers="take back")
    if agreed != settings:
        with database.write() as connection:
            decided = compare(connection, wired.refresh_context(database), agreed)
            acts.record(connection, "resync --all" + _agreed(agreed), who=operator(), scope="all")
    return bool(decided.not_marked or decided.not_decided)


def _marks(wired: App, database: Database, codes: list[str]) -> list[Mark]:
    """Return a mark for each course in each maintained semester."""
    if not codes:
        return []
    with database.read() as connection:
        maintained = wired.refresh_context(database).maintained(connection)
        return [
            Mark(
                *WorkKey.of_course(courses.spelled(connection, code), semester),
                reason="asked for",
                cause=Cause.OPERATOR,
                lane=Lane.ASKED,
            )
            for code in codes
            for semester in sorted(maintained, key=Semester.parse)
        ]


def _verify_all(connection: Connection) -> None:
    """Let every calendar that was written be compared with what is recorded of it."""
    wished = entries.wish_verification(connection, None)
    people.mark_calendars(
        connection, wished, reason="resync --verify", cause=Cause.VERIFY, lane=Lane.VERIFY
    )


def _ask_for(database: Database, names: list[str], marks: list[Mark], *, verify: bool) -> int:
    """Let persons and courses be asked about, and record who asked; return how many."""
    persons = [person_of(database, name) for name in names]
    with database.write() as connection:
        wishes.look_again(connection, persons, who=operator(), verify=verify)
        queue.mark(connection, marks)
        for mark in marks:
            acts.record(connection, "resync --course", who=operator(), scope=f"course {mark.key}")
    return len(persons) + len(marks)


def _values(result: ResyncResult) -> dict[str, object]:
    return {name: value for name, value in asdict(result).items() if name != "decided"} | asdict(
        result.decided
    )


def _text(values: dict[str, object]) -> str:
    # lists of persons are said by themselves
    texts = {
        name: " ".join(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if name != "lists"
    }
    return "  ".join(f"{name.replace('_', ' ')}: {value}" for name, value in texts.items())


def _say(values: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        say_json(values)
    else:
        typer.echo(_text(values))
