"""How it goes, opened by one line that says whether anybody must do anything; what was laid aside."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    Json,
    app,
    application,
    console,
    lines,
    listing,
    opened,
    operator,
    say_json,
    table,
)
from kalender.cli.protect import Reveal
from kalender.domain.work import Lane
from kalender.store import brakes, decided, look, numbers, rollouts, unreadable
from kalender.store.database import now
from kalender.verdict import Found, Verdict, living, shut, verdicts


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say how it goes: what waits, what is right, what went wrong.

    `behind`: live or bulk work has been due for five minutes. `stuck`: a neighbour is paused,
    refuses us or is held by hand, no worker lives though work is due, or all work fails alike.
    `held`: a brake holds deletes back, or bulk work is paused by hand. Times are about, where
    nothing records them: a neighbour's first failure, and the end of work at the present rate.
    """
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        found = gathered(connection, wired)
    if as_json:
        say_json(found)
        return
    (first, *others) = [Verdict(**each) for each in (found["verdict"], *found["also"])]
    typer.echo(first)
    lines(f"also {each}" for each in others)
    for name, rows in found.items():
        if isinstance(rows, list) and rows and name != "also":
            console.print(table([_readable(row) for row in rows], title=f"\n{name}"))
    typer.echo()
    lines(f"{k.replace('_', ' ')}: {v}" for k, v in found.items() if isinstance(v, int))
    if len(found["versions"]) > 1:
        typer.echo(f"mixed versions: {', '.join(found['versions'])}")


def gathered(connection: Connection, wired: App) -> Found:
    """Return all that `status` shows, the verdict first."""
    inside = rollouts.inside(connection, wired.config.rollout.mode)
    due = numbers.due(connection)
    found: Found = {
        "right": numbers.right(connection, inside),
        "latency": numbers.latencies(connection),
        "work": _work(connection, due),
        "neighbours": _neighbours(connection),
        "writes": numbers.writes(connection),
        "brakes": look.brakes(connection),
        "calendars": look.calendars(connection),
        "processes": look.heartbeats(connection),
        "unreadable": [asdict(each) for each in unreadable.counts(connection)],
        "settings_waiting": [asdict(each) for each in decided.settings_waiting_for(connection)],
        "parked": len(look.parked(connection)),
        "persons_emptied": len(list(brakes.waiting_persons(connection))),
        "courses_without_placements": numbers.courses_without_placements(connection),
        **look.counts(connection),
    }
    moment = now(connection)
    alive = living(found, moment)
    states = Counter({"missing": 0, "lost": 0})
    for row in found["calendars"]:
        states[row["state"]] += row["calendars"]
    found |= {"missing": states["missing"], "lost": states["lost"]}
    found["versions"] = dict(sorted(Counter(row["version"] for row in alive).items()))
    alike = numbers.failing_alike(connection)
    judged = [asdict(each) for each in verdicts(found, due, alike, moment)]
    return {"verdict": judged[0], "also": judged[1:], **found}


def _work(connection: Connection, due: numbers.Rows) -> numbers.Rows:
    more = {(row["kind"], row["lane"]): row for row in due}
    none = {"due": 0, "due_since": None, "ends_at": None}
    return [
        {**row, **none, **more.get((row["kind"], row["lane"]), {})} for row in look.work(connection)
    ]


def _neighbours(connection: Connection) -> numbers.Rows:
    asked = numbers.requests(connection)
    none: Found = {"requests": {}, "p50": None, "p95": None}
    return [{**row, **none, **asked.get(row["name"], {})} for row in look.neighbours(connection)]


def _readable(row: Mapping[str, Any]) -> Mapping[str, Any]:
    if "lane" in row:
        return {**row, "lane": Lane(row["lane"]).name.lower()}
    if "requests" not in row:
        return row
    counted = sorted(row["requests"].items())
    return {
        "name": row["name"],
        "requests": ", ".join(f"{name} {count}" for name, count in counted) or None,
        "p50": row["p50"],
        "p95": row["p95"],
        "failures": row["failures"] or None,
        "state": shut(row),
    }


# -- laid aside ------------------------------------------------------------------------------------------


@app.command()
def parked(
    context: typer.Context,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List what was laid aside, with the words why; of protected persons only that it is."""
    database = opened(application(context, writes=reveal, asks=False))
    with database.write() if reveal else database.read() as connection:
        rows = look.parked(connection, reveal=reveal)
        if reveal:
            hidden = look.protected_work(connection)
            seen = {hidden[work] for row in rows if (work := (row["kind"], row["key"])) in hidden}
            look.looked_up(connection, seen, "parked --reveal", who=operator())
    listing(rows, as_json=as_json, empty="nothing is parked")
