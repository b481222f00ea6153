"""How it goes, opened by one line that says whether anybody must do anything; what was laid aside."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from datetime import tzinfo
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    Json,
    app,
    application,
    console,
    instant,
    lines,
    listing,
    opened,
    operator,
    say_json,
    table,
)
from kalender.cli.protect import Reveal
from kalender.domain.moment import said, said_shortly
from kalender.domain.work import Lane
from kalender.errors import ConfigError
from kalender.operate import look, numbers
from kalender.operate.verdict import (
    HEALTHY,
    Condition,
    Expected,
    HealthState,
    assess,
    how_shut,
    state_of,
)
from kalender.store import acts, brakes, observations, rollouts, scope, unreadable
from kalender.store.database import now


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
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say whether everybody has the right calendar, and what keeps somebody from it.

    `stuck`: a neighbour or the broker is away, refuses us or is held by hand, no worker or listener
    lives, or all work fails alike. `held`: a brake holds deletes back, or bulk work is paused by
    hand. `incomplete`: somebody does not have the right calendar, and nothing is under way that
    would mend it. `behind`: work has been due for five minutes, or FS and TP were not read whole
    for too long. `filling`: calendars are written for the first time. `warning`: something will go
    wrong. Times are about, where nothing records them: a neighbour's first failure, and the end of
    work at the present rate.
    """
    wired = application(context, writes=False, asks=False)
    if acknowledge is not None:
        _acknowledge(wired, acknowledge, reason=reason, until=until)
        return
    if reason or until:
        raise ConfigError("--reason and --until belong to --acknowledge CONDITION")
    with opened(wired).read() as connection:
        verdict = assess(connection, Expected.of(wired))
        found = gathered(connection, wired, verdict)
    if as_json:
        say_json(found)
        return
    zone = wired.config.institution.time_zone
    lines(_said(verdict, zone))
    for name, rows in found.items():
        if isinstance(rows, list) and rows and name in READABLE:
            shown = [READABLE[name](row, zone) for row in rows]
            title = f"\n{name}{f' ({zone})' if name in TIMED else ''}"
            console.print(table(shown, title=title), soft_wrap=False)
    typer.echo()
    lines(f"{k.replace('_', ' ')}: {v}" for k, v in found.items() if isinstance(v, int))
    if len(found["versions"]) > 1:
        typer.echo(f"mixed versions: {', '.join(found['versions'])}")


def _said(verdict: HealthState, zone: tzinfo) -> Iterator[str]:
    for number, each in enumerate(verdict.conditions):
        yield f"{'also ' if number else ''}{each.said(zone)}"
        if each.remedy is not None:
            yield f"  {each.condition}: {each.remedy}"
    yield from (each.said(zone) for each in verdict.known)


def _acknowledge(wired: App, name: str, *, reason: str | None, until: str | None) -> None:
    """Record that somebody knows of a condition that stands."""
    end = instant(until, "--until")
    if not reason or end is None:
        raise ConfigError("--acknowledge wants --reason TEXT and --until TIME as well")
    who = operator()
    with opened(wired).write() as connection:
        moment = now(connection)
        if end <= moment:
            raise ConfigError("--until wants an instant that is to come")
        verdict = assess(connection, Expected.of(wired))
        standing = [*verdict.conditions, *(each.condition for each in verdict.known)]
        counts = {each.condition: each.count for each in standing if each.condition != HEALTHY}
        if name not in counts:
            known = f"there is {', '.join(sorted(counts))}" if counts else "nothing is wrong"
            raise ConfigError(f"no condition of that name stands: {known}")
        known_of = observations.Acknowledgement(
            condition=name,
            count=counts[name],
            who=who,
            reason=reason,
            set_at=moment,
            until_at=end,
        )
        observations.acknowledge(connection, known_of)
        acts.record(
            connection,
            "status acknowledge",
            who=who,
            scope=name,
            reason=reason,
            count=counts[name],
        )
    zone = wired.config.institution.time_zone
    typer.echo(f"{name} ({counts[name]}) is known to {who} until {said(end, zone)}")


def gathered(connection: Connection, wired: App, verdict: HealthState) -> dict[str, Any]:
    """Return all that `status` shows, the verdict first."""
    inside = rollouts.inside(connection, wired.config.rollout.mode)
    due = numbers.due(connection)
    moment = now(connection)
    found: dict[str, Any] = {
        "verdict": _plain(verdict.worst),
        "also": [_plain(each) for each in verdict.conditions[1:]],
        "acknowledged": [
            _plain(each.condition)
            | {
                name: getattr(each.acknowledgement, name)
                for name in ("who", "reason", "set_at", "until_at")
            }
            for each in verdict.known
        ],
        "right": numbers.right(connection, inside),
        "latency": numbers.latencies(connection),
        "work": _work(connection, due),
        "neighbours": _neighbours(connection),
        "writes": numbers.writes(connection),
        "brakes": look.brakes(connection),
        "calendars": look.calendars(connection),
        "processes": [
            {**row, "state": state_of(row, moment)} for row in look.heartbeats(connection)
        ],
        "unreadable": [asdict(each) for each in unreadable.counts(connection)],
        "settings_waiting": [asdict(each) for each in scope.settings_waiting_for(connection)],
        "parked": len(look.parked(connection)),
        "persons_emptied": len(list(brakes.waiting_persons(connection))),
        "courses_without_placements": numbers.courses_without_placements(connection),
        **look.counts(connection),
    }
    states = Counter({"missing": 0, "lost": 0})
    for row in found["calendars"]:
        states[row["state"]] += row["calendars"]
    found |= {"missing": states["missing"], "lost": states["lost"]}
    versions = Counter(
        row["version"]
        for row in found["processes"]
        if row["kind"] == "worker" and row["state"] == "lives"
    )
    found["versions"] = dict(sorted(versions.items()))
    return found


def _plain(condition: Condition) -> dict[str, Any]:
    names = ("state", "since", "because", "condition", "count", "remedy")
    return {name: getattr(condition, name) for name in names}


def _work(connection: Connection, due: numbers.Rows) -> numbers.Rows:
    more = {(row["kind"], row["lane"]): row for row in due}
    none = {"due": 0, "due_since": None, "ends_at": None}
    return [
        {**row, **none, **more.get((row["kind"], row["lane"]), {})} for row in look.work(connection)
    ]


def _neighbours(connection: Connection) -> numbers.Rows:
    asked = numbers.requests(connection)
    none: dict[str, Any] = {"requests": {}, "p50": None, "p95": None}
    return [{**row, **none, **asked.get(row["name"], {})} for row in look.neighbours(connection)]


# -- for people ------------------------------------------------------------------------------------------

Shown = Mapping[str, object]


def _when(row: Mapping[str, Any], name: str, zone: tzinfo) -> str | None:
    return said_shortly(row[name], zone) if row[name] is not None else None


def _shown_work(row: Mapping[str, Any], zone: tzinfo) -> Shown:
    counts = {name: row[name] for name in ("kind", "waiting", "claimed", "due")}
    times = {"due since": _when(row, "due_since", zone), "done about": _when(row, "ends_at", zone)}
    return {"lane": Lane(row["lane"]).name.lower(), **counts, **times}


def _shown_neighbour(row: Mapping[str, Any], _zone: tzinfo) -> Shown:
    counted = sorted(row["requests"].items())
    return {
        "name": row["name"],
        "requests": ", ".join(f"{name} {count}" for name, count in counted) or None,
        "p50": row["p50"],
        "p95": row["p95"],
        "failures": row["failures"] or None,
        "state": how_shut(row),
    }


def _shown_brake(row: Mapping[str, Any], zone: tzinfo) -> Shown:
    times = {"since": _when(row, "set_at", zone), "until": _when(row, "until_at", zone)}
    return {**{name: row[name] for name in ("scope", "state", "held")}, **times}


def _shown_process(row: Mapping[str, Any], zone: tzinfo) -> Shown:
    ended = {"lives": None, "stopped": "stopped_at", "dead": "seen_at"}[row["state"]]
    state = row["state"] if ended is None else f"{row['state']} since {_when(row, ended, zone)}"
    told = {name: row[name] for name in ("worker", "version")}
    return {**told, "started": _when(row, "started_at", zone), "state": state}


def _shown_unreadable(row: Mapping[str, Any], zone: tzinfo) -> Shown:
    counts = {name: row[name] for name in ("source", "collection", "count")}
    return {**counts, "since": _when(row, "since", zone)}


def _as_it_is(row: Mapping[str, Any], _zone: tzinfo) -> Shown:
    return row


READABLE: Mapping[str, Callable[[Mapping[str, Any], tzinfo], Shown]] = {
    "right": _as_it_is,
    "latency": _as_it_is,
    "work": _shown_work,
    "neighbours": _shown_neighbour,
    "writes": _as_it_is,
    "brakes": _shown_brake,
    "calendars": _as_it_is,
    "unreadable": _shown_unreadable,
    "processes": _shown_process,
}
TIMED = ("work", "brakes", "unreadable", "processes")


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
        rows = look.with_names(connection, look.parked(connection, reveal=reveal))
        if reveal:
            hidden = look.protected_work(connection)
            seen = {hidden[work] for row in rows if (work := (row["kind"], row["key"])) in hidden}
            look.looked_up(connection, seen, "parked --reveal", who=operator())
    zone = wired.config.institution.time_zone
    listing(rows, as_json=as_json, empty="nothing is parked", zone=zone)
