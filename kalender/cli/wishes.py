"""The commands that only wish: opt out, take back, look, recover. Workers do it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from kalender import __version__
from kalender.app import App
from kalender.cli.base import (
    Json,
    NotKnown,
    Person,
    Yes,
    app,
    application,
    instant,
    listing,
    opened,
    operator,
    person_of,
)
from kalender.cli.progress import follow
from kalender.domain.work import Lane
from kalender.errors import ConfigError
from kalender.operate import disclosure, erasure
from kalender.store import acts, doubles, entries, mailboxes, people, recovery, teaching
from kalender.store.database import Database
from kalender.store.doubles import State
from kalender.store.people import OPT_OUT, REMOVE, SEARCH

optout = typer.Typer(help="Who is left alone.", no_args_is_help=True)
app.add_typer(optout, name="optout")
Wait = Annotated[bool, typer.Option("--wait", help="Until no work is due.")]
MendDoubles = Annotated[
    bool,
    typer.Option("--mend-doubles", help="Take away doubles of our making that nobody added to."),
]


@optout.command()
def add(
    context: typer.Context,
    person: Annotated[list[str] | None, typer.Argument(help="FS numbers, usernames, mail.")] = None,
    file: Annotated[
        typer.FileBinaryRead | None,
        typer.Option("--file", help="One person a line, in UTF-8; - standard input."),
    ] = None,
    source: Annotated[str, typer.Option(help="Who said so.")] = "operator",
) -> None:
    """Leave persons alone, and take back what was written.

    Who is not known is said by the place in the list; the others are done, and the code is 1.
    """
    database = opened(application(context, asks=False))
    names = [*(person or []), *(_lines(file.read()) if file else ())]
    if not names:
        raise ConfigError("optout add wants persons, or --file")
    persons, unknown = [], []
    for place, name in enumerate(names, 1):
        try:
            persons += [person_of(database, name)] if name else []
        except NotKnown:
            unknown.append(f"{place} ({name})")
    with database.write() as connection:
        for person_id in persons:
            _wish(connection, person_id, {OPT_OUT}, source)
        acts.record(connection, "optout add", who=operator(), persons=persons, reason=source)
    typer.echo(f"{len(persons)} opted out; what was written is taken back")
    if unknown:
        raise NotKnown(
            f"nobody is known by that: number {', '.join(unknown)} of the list; "
            "give an FS number, a username or a mail address"
        )


def _lines(content: bytes) -> list[str]:
    """Return a file's lines without blanks at their ends; ConfigError where it is not UTF-8."""
    try:
        return [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        before = content[: error.start].count(b"\n")
        raise ConfigError(f"--file: line {before + 1} is not UTF-8; save it as UTF-8") from None


@optout.command()
def remove(context: typer.Context, person: list[str]) -> None:
    """Forget that persons wished to be left alone, or that their entries be removed."""
    database = opened(application(context, asks=False))
    persons = [person_of(database, each) for each in person]
    with database.write() as connection:
        for person_id in persons:
            marked = people.take_wish_back(connection, person_id)
            people.mark_calendars(connection, marked, reason="opted in", lane=Lane.ASKED)
        acts.record(connection, "optout remove", who=operator(), persons=persons)
    typer.echo(f"{len(persons)} are served again")


@optout.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who is left alone, since when, and who said so."""
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        rows = disclosure.preferences(connection)
    zone = wired.config.institution.time_zone
    listing(rows, as_json=as_json, empty="nobody opted out", zone=zone)


def _wish(connection: Connection, person_id: int, wishes: set[str], source: str) -> None:
    marked = people.wish(connection, person_id, wishes, source)
    people.mark_calendars(connection, marked, reason=min(wishes), lane=Lane.ASKED)


# -- taking back -----------------------------------------------------------------------------------


@app.command("remove")
def take_back(
    context: typer.Context,
    person: Person,
    search: Annotated[  # noqa: FBT002
        bool, typer.Option("--search", help="Look for all that carries our property, copies too.")
    ] = False,
    erase: Annotated[  # noqa: FBT002
        bool, typer.Option("--forget", help="Then erase what we hold on them.")
    ] = False,
    yes: Yes = False,  # noqa: FBT002
    wait: Wait = False,  # noqa: FBT002
) -> None:
    """Take back all that we wrote to a person; they are left alone until `optout remove`."""
    wired = application(context, asks=search)
    database = opened(wired)
    person_id = _known_or_new(wired, database, person) if search else person_of(database, person)
    if erase and not _stands(database, person_id):
        _forget(database, person_id, yes=yes)
        return
    if erase:
        with database.read() as connection:
            erasure.require_leaving(connection, person_id)
    _confirm(wired, database, person_id, search=search, yes=yes)
    with database.write() as connection:
        since = teaching.database_time(connection)
        wishes = {REMOVE, SEARCH} if search else {REMOVE}
        _wish(connection, person_id, wishes, "operator")
        command = "remove --search" if search else "remove"
        acts.record(connection, command, who=operator(), persons=[person_id])
    typer.echo("wished; a worker takes it back")
    parked = follow(database, since=since) if wait else 0
    if erase and (not wait or _stands(database, person_id)):
        typer.echo("not erased yet: the same command again, once it is taken back")
    elif erase:
        _forget(database, person_id, yes=True)
    if parked:
        raise typer.Exit(1)


def _stands(database: Database, person_id: int) -> bool:
    with database.read() as connection:
        return erasure.stands(connection, person_id)


def _forget(database: Database, person_id: int, *, yes: bool) -> None:
    if not yes:
        typer.confirm(f"All that is held on person {person_id} is erased. Go on?", abort=True)
    with database.write() as connection:
        stays = erasure.forget(connection, person_id)
        acts.record(connection, "remove --forget", who=operator(), scope="somebody erased")
    typer.echo(
        "erased" + ("; number, usernames and the wish to be left alone stay" if stays else "")
    )


def _known_or_new(wired: App, database: Database, text: str) -> int:
    """Return the person; for a mailbox that no state knows any more, one is made for it."""
    try:
        return person_of(database, text)
    except NotKnown:
        if not wired.config.mailboxes.allows(text.lower()):
            raise
    with database.write() as connection:
        return mailboxes.make_for_mailbox(connection, text.lower(), wired.people())


def _confirm(wired: App, database: Database, person_id: int, *, search: bool, yes: bool) -> None:
    with database.read() as connection:
        rows = disclosure.calendars_of(connection, person_id)
        recorded = sum(len(disclosure.entries_of(connection, row["calendar_id"])) for row in rows)
    if not search:
        question = f"{recorded} entries are recorded and will be removed. Go on?"
    else:
        found = sum(_carrying(wired, database, row) for row in rows)
        question = (
            f"{found} entries carry our property, {recorded} of ours are recorded. All of them "
            "are removed, copies that the person made too. Go on?"
        )
    if yes:
        typer.echo(question.removesuffix(" Go on?"))
    else:
        typer.confirm(question, abort=True)


def _carrying(wired: App, database: Database, row: Mapping[str, Any]) -> int:
    exchange = wired.means(database).exchanges[row["backend"]]
    return len(exchange.calendars.find(row["address"], None))


# -- looking ---------------------------------------------------------------------------------------


@app.command()
def verify(
    context: typer.Context,
    person: Annotated[
        list[str] | None, typer.Argument(help="FS numbers, usernames, mail addresses.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All that were written.")] = False,  # noqa: FBT002
    mend_doubles: MendDoubles = False,  # noqa: FBT002
    wait: Wait = False,  # noqa: FBT002
) -> None:
    """Compare what we recorded with the calendars themselves, now; put back what differs.

    Counts doubles of our making as well: another key of ours for an event that is already shown.
    """
    if not person and not everything:
        raise ConfigError("verify wants persons, or --all")
    database = opened(application(context, asks=False))
    persons = [person_of(database, each) for each in person or []]
    lane = Lane.VERIFY if everything else Lane.ASKED
    with database.write() as connection:
        since = teaching.database_time(connection)
        wished: list[int] = []
        for each in [None] if everything else persons:
            wished += entries.wish_verification(connection, each)
        doubles.wish(connection, wished, mend=mend_doubles)
        people.mark_calendars(connection, wished, reason="verify", lane=lane)
        acts.record(
            connection,
            "verify --mend-doubles" if mend_doubles else "verify",
            who=operator(),
            scope="all" if everything else "",
            persons=[] if everything else persons,
            count=len(wished),
        )
    typer.echo(f"{len(wished)} calendars marked")
    if wait:
        _follow_doubles(database, since, None if everything else wished)


def _follow_doubles(database: Database, since: datetime, calendars: list[int] | None) -> None:
    """Follow the work, say what was found, and end with 1 where work was parked since then."""
    parked = follow(database, since=since)
    _say_doubles(database, calendars)
    if parked:
        raise typer.Exit(1)


def _say_doubles(database: Database, calendars: list[int] | None) -> None:
    """Print what the last lookups found beside our entries, and what can be done about it."""
    with database.read() as connection:
        counts = doubles.counts(connection, calendars)
        kept = doubles.kept(connection, calendars)
        waiting = doubles.not_searched(connection, calendars)
    found = counts[State.DOUBLE]
    remedy = ": kalender verify --all --mend-doubles takes them away" if found else ""
    typer.echo(f"{found} doubles of ours{remedy}")
    for each in kept:
        typer.echo(
            f"person {each.person_id}: event {each.event_id} stands twice in calendar "
            f"{each.calendar_id}, and its user added to both; one of them is theirs to delete"
        )
    if counts[State.UNKNOWN]:
        typer.echo(f"{counts[State.UNKNOWN]} keys of ours for events that nobody knows; they stay")
    if waiting:
        typer.echo(f"{waiting} calendars were not looked through yet")


# -- recovering ------------------------------------------------------------------------------------


@app.command()
def recover(
    context: typer.Context,
    since: Annotated[
        str, typer.Option(help="When the restored backup was made; `now` after a mere outage.")
    ],
    mend_doubles: MendDoubles = False,  # noqa: FBT002
    wait: Wait = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Vouch for the database again; from a backup, look every calendar up before writing to it."""
    wired = application(context, asks=False)
    database, lease = opened(wired), timedelta(seconds=wired.config.worker.lease_seconds)
    moment = None if since == "now" else instant(since, "--since")
    with database.read() as connection:
        now = teaching.database_time(connection)
        after_an_outage = moment is None or moment >= now
        count = recovery.to_look_up(connection)
    if after_an_outage and mend_doubles:
        raise ConfigError(
            "--mend-doubles wants --since the time of the backup; later it is "
            "kalender verify --all --mend-doubles"
        )
    if not (yes or after_an_outage):
        typer.confirm(f"{count} calendars are looked up in Exchange. Go on?", abort=True)
    act = "recover --since now" if after_an_outage else "recover"
    with database.write() as connection:
        if not after_an_outage:
            count = recovery.recover(connection, lease=lease)
            if mend_doubles:
                doubles.wish(connection, None, mend=True)
        acts.record(
            connection,
            act,
            who=operator(),
            scope="" if after_an_outage else f"since {since}",
            count=None if after_an_outage else count,
        )
        recovery.attest(connection, __version__)
    if after_an_outage:
        typer.echo("noted; nothing is looked up, workers may start")
        return
    typer.echo(
        f"{count} calendars, and all persons and courses, are marked; start the workers, "
        "then run kalender resync --all for who is new since the backup; nothing is written for "
        f"{lease.total_seconds():g} s, as what was under way before may still arrive"
    )
    if wait:
        _follow_doubles(database, now, None)
