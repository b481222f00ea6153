"""How it goes, opened by one line that says whether anybody must do anything; what was laid aside."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime, tzinfo
from typing import Annotated

import typer

from kalender.app import App
from kalender.cli.base import (
    Json,
    app,
    application,
    columns,
    instant,
    lines,
    listing,
    opened,
    operator,
    say_json,
)
from kalender.cli.protect import Reveal
from kalender.cli.sparklines import HALF_HOUR, sparklines
from kalender.domain.moment import said, said_shortly
from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.liveness import stop_on_signals
from kalender.operate import disclosure
from kalender.operate.day import parts
from kalender.operate.queries import read_figures, read_last_writes, read_status
from kalender.operate.status import Expectations, Figures, LastWrites, Requests, Status
from kalender.operate.verdict import HEALTHY, Condition, Verdict, assess
from kalender.store import acts, observations
from kalender.store.database import Database
from kalender.store.minutes import GROUPS

NO_REQUESTS = Requests(requests={})
WATCH_SECONDS = 5.0


@app.command()
def status(
    context: typer.Context,
    acknowledge: Annotated[
        str | None,
        typer.Option(metavar="CONDITION", help="Say that somebody knows of a condition."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="Why it may stand.")] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Until when; an instant with its offset.")
    ] = None,
    watch: Annotated[  # noqa: FBT002
        bool, typer.Option("--watch", help="Show it again every few seconds, until Ctrl-C.")
    ] = False,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say whether everybody has the right calendar, and what keeps somebody from it.

    `stuck`: a neighbour or the broker is away, refuses us or is held by hand, no worker or listener
    lives, the database may be an old one, or all work fails alike. `held`: something waits for an
    operator: a brake holds deletes back, bulk work or moves are paused, moved mailboxes or stopped
    takeovers wait for a decision, a plan of the roll-out is paused, or changed settings for a yes.
    `incomplete`: somebody does not have the right calendar, or a list of persons cannot be read,
    and nothing is under way that would mend it. `behind`: work has been due for five minutes, FS
    and TP were not read whole for too long, courses were not, or a database was recovered and
    nothing is written yet. `filling`: calendars are written for the first time. `warning`:
    something will go wrong. Times are about, where nothing records them: a neighbour's first
    failure, and the end of work at the present rate. The last day is drawn by the half-hour, each
    line up to its own maximum; a gap is a time in which no worker recorded anything.
    """
    wired = application(context, writes=False, asks=False)
    if acknowledge is not None:
        _acknowledge(wired, acknowledge, reason=reason, until=until)
        return
    if reason or until:
        raise ConfigError("--reason and --until belong to --acknowledge CONDITION")
    expectations = Expectations.of(wired)
    database = opened(wired)
    if watch:
        if as_json or not sys.stdout.isatty():
            raise ConfigError("--watch wants a terminal, and no --json")
        _show_again_and_again(lambda: _report(database, expectations))
    elif as_json:
        say_json(as_values(*_read(database, expectations)))
    else:
        lines(_report(database, expectations))


def _read(
    database: Database, expectations: Expectations
) -> tuple[Status, Figures, LastWrites, Verdict]:
    with database.read() as connection:
        status = read_status(connection, expectations)
        figures = read_figures(connection, expectations)
        last = read_last_writes(connection)
    return status, figures, last, assess(status, expectations)


def _report(database: Database, expectations: Expectations) -> list[str]:
    """Return all that people are shown, as lines."""
    status, figures, last, verdict = _read(database, expectations)
    zone, report = expectations.zone, list[str]()
    # each condition, the worst first, with its name and remedy beneath it
    for number, condition in enumerate(verdict.conditions):
        report.append(f"{'also ' if number else ''}{condition.said(zone)}")
        if condition.remedy is not None:
            report.append(f"  {condition.condition}: {condition.remedy.said('en')}")
    report += [acknowledged.said(zone) for acknowledged in verdict.acknowledged]
    drawn = list(sparklines(figures.minutes, status.moment, zone))
    if drawn:
        report += ["", *drawn]
    for title, rows in _tables(status, figures, last, zone):
        if rows:
            report += ["", title, *columns(rows, zone)]
    report.append("")
    for name, number in _numbers(status, figures).items():
        report.append(f"{name.replace('_', ' ')}: {number}")
    versions = _versions(status)
    if len(versions) > 1:
        report.append(f"mixed versions: {', '.join(versions)}")
    return report


def _show_again_and_again(report: Callable[[], Sequence[str]]) -> None:
    """Show a report in place until Ctrl-C, and leave the last one on the terminal."""
    # only this draws; rich would take longer to load than all else that the command needs
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    stop, shown = stop_on_signals(), report()
    with Live(Text("\n".join(shown)), screen=True, auto_refresh=False) as live:
        while not stop.wait(WATCH_SECONDS):
            try:
                shown = report()
            except NeighbourUnavailable as error:  # as during a failover; it comes back by itself
                shown = [str(error)]
            live.update(Text("\n".join(shown)), refresh=True)
    lines(shown)


def _acknowledge(wired: App, name: str, *, reason: str | None, until: str | None) -> None:
    """Record that somebody knows of a condition that stands."""
    end = instant(until, "--until")
    if not reason or end is None:
        raise ConfigError("--acknowledge wants --reason TEXT and --until TIME as well")
    by, expectations = operator(), Expectations.of(wired)
    with opened(wired).write() as connection:
        status = read_status(connection, expectations)
        if end <= status.moment:
            raise ConfigError("--until wants an instant that is to come")
        verdict = assess(status, expectations)
        conditions_in_force = [
            *verdict.conditions,
            *(acknowledged.condition for acknowledged in verdict.acknowledged),
        ]
        counts = {
            condition.condition: condition.count
            for condition in conditions_in_force
            if condition.condition != HEALTHY
        }
        if name not in counts:
            names = f"there is {', '.join(sorted(counts))}" if counts else "nothing is wrong"
            raise ConfigError(f"no condition of that name stands: {names}")
        acknowledgement = observations.Acknowledgement(
            condition=name,
            count=counts[name],
            who=by,
            reason=reason,
            set_at=status.moment,
            until_at=end,
        )
        observations.acknowledge(connection, acknowledgement)
        acts.record(
            connection,
            "status acknowledge",
            who=by,
            scope=name,
            reason=reason,
            count=counts[name],
        )
    zone = wired.zone
    typer.echo(f"{name} ({counts[name]}) is known to {by} until {said(end, zone)}")


# -- as JSON -------------------------------------------------------------------------------------------

Values = dict[str, object]


def as_values(status: Status, figures: Figures, last: LastWrites, verdict: Verdict) -> Values:
    """Return all that `--json` prints, the verdict first; docs/schemas/status.json describes it."""
    return {
        "verdict": _condition_values(verdict.worst),
        "also": [_condition_values(condition) for condition in verdict.conditions[1:]],
        "acknowledged": [
            _condition_values(acknowledged.condition)
            | {
                name: getattr(acknowledged.acknowledgement, name)
                for name in ("who", "reason", "set_at", "until_at")
            }
            for acknowledged in verdict.acknowledged
        ],
        "right": [asdict(count) for count in figures.right],
        "latency": [asdict(latency) for latency in last.latencies],
        "work": [asdict(work) for work in status.work],
        "neighbours": [
            {**asdict(neighbour), **asdict(figures.requests.get(neighbour.name, NO_REQUESTS))}
            for neighbour in status.neighbours
        ],
        "writes": [asdict(writes) for writes in last.writes],
        "brakes": [asdict(brake) for brake in status.brakes],
        "lists": [asdict(each) for each in status.lists],
        "calendars": [asdict(count) for count in status.calendars],
        "processes": [asdict(process) for process in status.processes],
        "unreadable": [asdict(count) for count in status.unreadable],
        "moves": asdict(status.moves),
        "last_day": [
            asdict(part)
            for group in GROUPS
            for part in parts(figures.minutes, group, status.moment, HALF_HOUR)
            if part is not None
        ],
        "takeovers": asdict(status.takeovers),
        "settings_waiting": [asdict(settings) for settings in status.settings_waiting],
        **_numbers(status, figures),
        "versions": _versions(status),
    }


def _condition_values(condition: Condition) -> Values:
    return {
        "state": condition.state,
        "since": condition.since,
        "because": condition.because.said("en"),
        "condition": condition.condition,
        "count": condition.count,
        "remedy": condition.remedy.said("en") if condition.remedy is not None else None,
    }


def _numbers(status: Status, figures: Figures) -> dict[str, int]:
    """Return what JSON and text show as one number each."""
    states: Counter[str] = Counter()
    for count in status.calendars:
        states[count.state] += count.calendars
    return {
        "parked": sum(parked.count for parked in status.parked),
        "persons_emptied": status.persons_emptied,
        "courses_without_placements": figures.courses_without_placements,
        **asdict(status.counts),
        "missing": states["missing"],
        "lost": states["lost"],
    }


def _versions(status: Status) -> dict[str, int]:
    """Return how many living workers run which release; two are mixed during an upgrade."""
    return dict(sorted(Counter(worker.version for worker in status.living_workers).items()))


# -- for people ------------------------------------------------------------------------------------------


def _tables(
    status: Status, figures: Figures, last: LastWrites, zone: tzinfo
) -> Iterator[tuple[str, Sequence[Values]]]:
    """Give the tables with their titles; those with times name the zone. A table may be empty."""

    def at(moment: datetime | None) -> str | None:
        return said_shortly(moment, zone) if moment is not None else None

    yield "right", [asdict(count) for count in figures.right]
    yield "latency", [asdict(latency) for latency in last.latencies]
    yield (
        f"work ({zone})",
        [
            {
                "lane": work.lane.name.lower(),
                "kind": work.kind,
                "waiting": work.waiting,
                "claimed": work.claimed,
                "due": work.due,
                "due since": at(work.due_since),
                "done about": at(work.ends_at),
            }
            for work in status.work
        ],
    )
    requests = {
        neighbour.name: figures.requests.get(neighbour.name, NO_REQUESTS)
        for neighbour in status.neighbours
    }
    yield (
        "neighbours",
        [
            {
                "name": neighbour.name,
                "requests": ", ".join(
                    f"{outcome} {count}"
                    for outcome, count in sorted(requests[neighbour.name].requests.items())
                )
                or None,
                "p50": requests[neighbour.name].p50,
                "p95": requests[neighbour.name].p95,
                "failures": neighbour.failures or None,
                "state": neighbour.condition,
            }
            for neighbour in status.neighbours
        ],
    )
    yield "writes", [asdict(writes) for writes in last.writes]
    yield (
        f"brakes ({zone})",
        [
            {
                "scope": brake.scope,
                "state": brake.state,
                "held": brake.held,
                "since": at(brake.set_at),
                "until": at(brake.until_at),
            }
            for brake in status.brakes
        ],
    )
    yield (
        f"lists of persons ({zone})",
        [
            {
                "name": each.name,
                "kind": each.kind,
                "read": at(each.read_at),
                "names": each.names,
                "unknown": each.unknown or None,
                "left alone": each.left_alone or None,
                "held": each.undecided or None,
                "overruled": each.overruled or None,
                "unread since": at(each.problem_since),
            }
            for each in status.lists
        ],
    )
    yield "calendars", [asdict(count) for count in status.calendars]
    moves = status.moves
    if len(moves.living) > 1 or moves.moved or moves.followed or moves.waiting or moves.announced:
        yield (
            "moves",
            [
                {
                    **{f"at {name}": count for name, count in moves.living.items()},
                    "moved today": moves.moved,
                    "followed": moves.followed,
                    "waiting": moves.waiting,
                    "announced": moves.announced,
                }
            ],
        )
    if status.takeovers.calendars:
        yield "takeovers", [dict(status.takeovers.calendars)]
        yield "entries of the predecessor", [dict(status.takeovers.entries)]
    yield (
        f"processes ({zone})",
        [
            {
                "worker": process.worker,
                "version": process.version,
                "started": at(process.started_at),
                "state": "lives"
                if process.state == "lives"
                else f"{process.state} since {at(process.stopped_at or process.seen_at)}",
            }
            for process in status.processes
        ],
    )
    yield (
        f"unreadable ({zone})",
        [
            {
                "source": count.source,
                "collection": count.collection,
                "count": count.count,
                "since": at(count.since),
            }
            for count in status.unreadable
        ],
    )


# -- laid aside ------------------------------------------------------------------------------------------


@app.command()
def parked(
    context: typer.Context,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List what was laid aside, with the words why; of protected persons only that it is."""
    wired = application(context, writes=reveal, asks=False)
    database = opened(wired)
    with database.write() if reveal else database.read() as connection:
        work = disclosure.parked_work(connection, reveal=reveal)
        if reveal:
            protected = disclosure.protected_work(connection)
            keys = protected.keys() & {(piece.kind, piece.key) for piece in work}
            persons = {protected[key] for key in keys}
            disclosure.log_access(connection, persons, "parked --reveal", operator=operator())
    rows = [asdict(piece) for piece in work]
    listing(rows, as_json=as_json, empty="nothing is parked", zone=wired.zone)
