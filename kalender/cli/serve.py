"""The commands that run the service: listener, worker, resync; and a hand on the broker."""

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.broker import Broker, by_hand
from kalender.cli.base import (
    Json,
    Yes,
    app,
    application,
    listing,
    opened,
    operator,
    person_of,
    say_json,
)
from kalender.cli.progress import follow
from kalender.cli.show import planned, say_plan
from kalender.config import with_workers
from kalender.config.sections import BrokerSettings
from kalender.domain.model import Semester
from kalender.domain.work import Cause, Kind, Lane, Mark, WorkKey
from kalender.errors import ConfigError
from kalender.listener import lines_of
from kalender.liveness import Liveness, Vital, require_none_died, stop_on_signals
from kalender.mirror.resync import ResyncResult
from kalender.mirror.resync import resync as resync_all
from kalender.mirror.scope import Decided, Leavers, Settings, compare
from kalender.operate import health
from kalender.operate.check import certificates
from kalender.operate.metrics import Metrics
from kalender.store import (
    acts,
    counters,
    courses,
    entries,
    observations,
    people,
    queue,
    recovery,
    teaching,
)
from kalender.store.database import Database
from kalender.worker import periodic
from kalender.worker import supervisor as workers

OVERLAP = timedelta(minutes=1)  # of what one poll asks for with the one before


@app.command()
def listener(
    context: typer.Context,
    stdin: Annotated[bool, typer.Option("--stdin", help="One JSON object a line.")] = False,  # noqa: FBT002
) -> None:
    """Turn notifications into marks, until stopped."""
    wired = application(context)
    opened(wired).close()
    stop = stop_on_signals()
    workers.collect_seldom()
    if stdin:
        database = wired.database()
        with _signs(database, None, stop):
            wired.listener(database).listen_stdin(lines_of(sys.stdin.fileno(), stop), stop)
    else:
        _listen(wired, stop)


@contextmanager
def _signs(
    database: Database, broker: Broker | None, stop: threading.Event, *beside: Vital
) -> Iterator[None]:
    """Give signs of life while the block lasts; its end is the process' end.

    Raises ThreadDied afterwards, where the thread for them, or one `beside`, ended by a bug.
    """
    life = Vital(partial(health.give_signs, database, broker, stop), stop, name="signs")
    threads = [*beside, life]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        life.join()
    require_none_died(threads)


def _listen(wired: App, stop: threading.Event) -> None:
    broker, settings = wired.broker(), wired.config.metrics
    server = health.Server(settings) if settings.port else None
    about = health.Queues(broker, broker.queues)
    beside = list[Vital]()
    if server is not None:
        answers = partial(
            server.serve, Metrics.of(wired), [about], alive=about.alive, ready=about.ready
        )
        beside.append(Vital(answers, stop, name="metrics", daemon=True))
    database = wired.database()
    with _signs(database, broker, stop, *beside):
        wired.listener(database, broker.ticks).listen(broker, stop)


@app.command()
def worker(
    context: typer.Context,
    processes: Annotated[int | None, typer.Option(min=1, help="Else as configured.")] = None,
    connections: Annotated[int | None, typer.Option(min=1, help="Of each process.")] = None,
    until_idle: Annotated[  # noqa: FBT002
        bool, typer.Option("--until-idle", help="End when nothing is due.")
    ] = False,
) -> None:
    """Make what is dirty right, until stopped."""
    with TemporaryDirectory(prefix="kalender-") as own:
        _work(context, Path(own), processes, connections, until_idle=until_idle)


def _work(
    context: typer.Context,
    own: Path,
    processes: int | None,
    connections: int | None,
    *,
    until_idle: bool,
) -> None:
    """Work until stopped; without a directory in the settings the memory lies in `own`."""
    wired = application(context)
    config = with_workers(wired.config, processes=processes, connections=connections, state_dir=own)
    wired = App(config, wired.clock)
    memory, database = wired.memory(), opened(wired)
    memory.prepare()
    with database.read() as connection:
        recovery.require_sure(connection)
    memory.verify(database)
    database.close()
    stop = stop_on_signals()
    workers.supervise(
        wired.crew,
        stop,
        processes=config.worker.processes,
        until_idle=until_idle,
        beside=_told(wired) if config.metrics.port and not until_idle else None,
    )


def _told(wired: App) -> workers.Beside:
    """Return what tells how it goes; the port is taken at once."""
    server, lease = health.Server(wired.config.metrics), wired.config.worker.lease_seconds

    def serve(ticks: Sequence[Liveness]) -> None:
        alive = health.workers_alive(ticks, timedelta(seconds=lease))
        server.serve(Metrics.of(wired), [], alive=alive, ready=health.workers_ready(ticks))

    return serve


# -- resync ------------------------------------------------------------------------------------------


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
    everything: Annotated[bool, typer.Option("--all", help="All sources anew.")] = False,
    verify: Annotated[bool, typer.Option("--verify", help="Look into the calendars too.")] = False,
    wait: Annotated[bool, typer.Option("--wait", help="Follow it to its end.")] = False,
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
    if course:
        course = [*course, *(more or [])]
    elif person:
        person = [*person, *(more or [])]
    wired = application(context, asks=everything)
    database = opened(wired)
    since, waits = _now(database), False
    if everything:
        leavers: Leavers | None = "leave" if leave else "take back" if take_back and yes else None
        settings = _settings(wired, rewrites=yes, leavers=leavers)
        found = _all(wired, database, settings, dry_run=dry_run, as_json=as_json)
        if not dry_run:
            _see_certificates(wired, database)
            waits = _ask(wired, database, settings, found, take_back=take_back)
    else:
        marks = _persons(database, person or [], verify=verify and not dry_run)
        marks += _courses(wired, course or [], database)
        if dry_run:
            _say_courses(marks)
            shown = [step for name in person or [] for step in planned(wired, database, name)]
            say_plan(shown, as_json, wired, "nothing to write by what is mirrored now")
            return
        with database.write() as connection:
            queue.mark(connection, marks)
            for mark in marks:
                _record(connection, mark)
        _say({"marked": len(marks)}, as_json=as_json)
    if everything and verify and not dry_run:
        _verify_all(database)
    parked = follow(database, since=since) if wait and not dry_run else 0
    if parked or waits:
        raise typer.Exit(1)


def _agreed(settings: Settings) -> str:
    """Return the words by which somebody agreed to what settings ask for."""
    leavers = {None: "", "take back": " --take-back", "leave": " --leave"}[settings.leavers]
    return leavers + (" --yes" if settings.rewrites else "")


def _see_certificates(wired: App, database: Database) -> None:
    """Let `status` say in time that a neighbour's certificate is about to end."""
    ends = certificates.seen(wired.config)
    with database.write() as connection:
        for name, ends_at in ends.items():
            observations.saw_certificate(connection, name, ends_at)


def _settings(wired: App, *, rewrites: bool, leavers: Leavers | None) -> Settings:
    return Settings(
        digest=wired.settings().digest,
        rollout_mode=wired.config.rollout.mode,
        max_updated_share=wired.config.safety.max_updated_share,
        rewrites=rewrites,
        leavers=leavers,
    )


def _now(database: Database) -> datetime:
    with database.read() as connection:
        return teaching.database_time(connection)


def _record(connection: Connection, mark: Mark) -> None:
    """Record who asked for a source's answer; a person by our number."""
    who = operator()
    if mark.kind is Kind.COURSE:
        acts.record(connection, "resync --course", who=who, scope=f"course {mark.key}")
    else:
        person_id = people.find(connection, *WorkKey(mark.kind, mark.key).identity)
        persons = [] if person_id is None else [person_id]
        acts.record(connection, "resync --person", who=who, persons=persons)


def _say_courses(marks: list[Mark]) -> None:
    """Say which courses TP would be asked for: what it would answer is not known yet."""
    for mark in marks:
        if mark.kind is Kind.COURSE:
            typer.echo(f"TP would be asked for {mark.key}", err=True)


def _all(
    wired: App, database: Database, settings: Settings, *, dry_run: bool, as_json: bool
) -> Decided:
    found: ResyncResult = resync_all(wired.sources(database), settings=settings, dry_run=dry_run)
    counters.give(database)
    if not dry_run:
        command = "resync --all" + _agreed(settings)
        count = found.changed_persons
        with database.write() as connection:
            acts.record(connection, command, who=operator(), scope="all", count=count)
    told = asdict(found)
    _say(told | told.pop("decided") | {"dry_run": dry_run}, as_json=as_json)
    return found.decided


def _ask(
    wired: App, database: Database, settings: Settings, found: Decided, *, take_back: bool
) -> bool:
    """Say what the settings ask for and nobody agreed to; on a terminal ask. True: it waits."""
    asks = sys.stdin.isatty()
    agreed = settings
    if found.not_marked:
        typer.echo(
            f"{found.not_marked} calendars were written under other settings, {found.moving} of "
            "them at another address: kalender resync --all --yes rewrites them",
            err=True,
        )
        if asks and typer.confirm("Rewrite them?", err=True):
            agreed = replace(agreed, rewrites=True)
    if found.not_decided:
        typer.echo(
            f"{found.not_decided} calendars lie outside the roll-out now, and what we wrote stands "
            "in them, updated no more: kalender resync --all --take-back --yes removes it, "
            "kalender resync --all --leave leaves it as it is",
            err=True,
        )
        if asks and take_back and typer.confirm("Remove it?", err=True):
            agreed = replace(agreed, leavers="take back")
    if agreed != settings:
        with database.write() as connection:
            found = compare(connection, wired.sources(database), agreed)
            acts.record(connection, "resync --all" + _agreed(agreed), who=operator(), scope="all")
    return bool(found.not_marked or found.not_decided)


def _verify_all(database: Database) -> None:
    with database.write() as connection:
        wished = entries.wish_verification(connection, None)
        people.mark_calendars(
            connection, wished, reason="resync --verify", cause=Cause.VERIFY, lane=Lane.VERIFY
        )


def _persons(database: Database, names: list[str], *, verify: bool) -> list[Mark]:
    marks = []
    for name in names:
        person_id = person_of(database, name)
        with database.write() as connection:
            number = people.fs_number(connection, person_id)
            username = min(people.usernames(connection, person_id), default="")
            if verify:
                wished = entries.wish_verification(connection, person_id)
                people.mark_calendars(
                    connection, wished, reason="verify", cause=Cause.VERIFY, lane=Lane.ASKED
                )
        named = WorkKey.of_account(username) if number is None else WorkKey.of_person(number)
        marks.append(Mark(*named, reason="asked for", cause=Cause.OPERATOR, lane=Lane.ASKED))
    return marks


def _courses(wired: App, codes: list[str], database: Database) -> list[Mark]:
    with database.read() as connection:
        maintained = wired.sources(database).maintained(connection) if codes else ()
        codes = [courses.spelled(connection, code) for code in codes]
    return [
        Mark(
            *WorkKey.of_course(code, each),
            reason="asked for",
            cause=Cause.OPERATOR,
            lane=Lane.ASKED,
        )
        for code in codes
        for each in sorted(maintained, key=Semester.parse)
    ]


def _say(found: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        say_json(found)
        return
    shown = {k: " ".join(v) if isinstance(v, tuple) else v for k, v in found.items()}
    typer.echo("  ".join(f"{name.replace('_', ' ')}: {value}" for name, value in shown.items()))


@app.command()
def poll(context: typer.Context) -> None:
    """Ask TP once what changed since it was last asked; a worker does so by `tp.poll_seconds`."""
    wired = application(context)
    opened(wired).close()
    crew = wired.crew()
    polled = periodic.poll(crew, OVERLAP)
    counters.give(crew.database)
    with crew.database.write() as connection:
        crew.gates.give_up(connection)
    if isinstance(polled, int):
        typer.echo(f"TP names {polled} courses that changed; those of ours are read again")
    else:
        typer.echo(f"TP was not asked: {polled}")


# -- the broker by hand --------------------------------------------------------------------------------


def _broker(context: typer.Context) -> BrokerSettings:
    config = application(context, writes=False).config.broker
    if config is None:
        raise ConfigError("[broker] is missing: give url and queues")
    return config


@app.command()
def publish(
    context: typer.Context,
    routing_key: str,
    body: Annotated[str, typer.Argument(help="The message; - reads standard input.")],
    exchange: Annotated[str, typer.Option(help="Empty: straight to the queue of that name.")] = "",
) -> None:
    """Send one notification, and know that it arrived."""
    text = sys.stdin.read() if body == "-" else body
    by_hand.publish(_broker(context), exchange, routing_key, text.encode())
    typer.echo("the broker has it")


@app.command()
def tap(
    context: typer.Context,
    queue: Annotated[str | None, typer.Argument(help="Else the first configured.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="So many messages.")] = 10,
    seconds: Annotated[float, typer.Option(help="How long to wait for another.")] = 1.0,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Look at waiting notifications; all are put back."""
    broker = _broker(context)
    wait = timedelta(seconds=seconds).total_seconds()
    found = [
        {"routing_key": each.routing_key, "body": each.body.decode(errors="replace")}
        for each in by_hand.tap(broker, queue or broker.queues[0], limit=limit, seconds=wait)
    ]
    listing(found, as_json=as_json, empty="nothing waits there")
