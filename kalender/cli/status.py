"""How it goes, opened by one line that says whether anybody must do anything; what was laid aside."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    Json,
    app,
    application,
    cell,
    console,
    lines,
    listing,
    opened,
    say_json,
    table,
)
from kalender.cli.hold import operator
from kalender.cli.protect import Reveal
from kalender.domain.work import Lane
from kalender.store import brakes, look, numbers, rollouts
from kalender.store.credentials import REFUSALS
from kalender.store.database import now
from kalender.store.neighbours import BULK, FOR_EVER

LATE = timedelta(minutes=5)
ALIVE = timedelta(minutes=1)
Found = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it goes: healthy, behind, stuck or held, since when, and why."""

    state: str
    since: datetime | None
    because: str

    def __str__(self) -> str:
        """Return one line."""
        since = f" since {cell(self.since)}" if self.since else ""
        return f"{self.state}{since}: {self.because}"


@app.command()
def status(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say how it goes: what waits, what is right, what went wrong.

    `behind`: live or bulk work has been due for five minutes. `stuck`: a neighbour is paused,
    refuses us or is held by hand, no worker lives though work is due, or all work fails alike.
    `held`: a brake holds deletes back, or bulk work is paused by hand. Times are about, where
    nothing records them: a neighbour's first failure, and the end of work at the present rate.
    """
    wired = application(context, writes=False)
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
        "parked": len(look.parked(connection)),
        "persons_emptied": len(list(brakes.waiting_persons(connection))),
        "courses_without_placements": numbers.courses_without_placements(connection),
        **look.counts(connection),
    }
    moment = now(connection)
    alive = _alive(found, moment)
    states = Counter({"missing": 0, "lost": 0})
    for row in found["calendars"]:
        states[row["state"]] += row["calendars"]
    found |= {"missing": states["missing"], "lost": states["lost"]}
    found["versions"] = dict(sorted(Counter(row["version"] for row in alive).items()))
    alike = numbers.failing_alike(connection)
    judged = [asdict(each) for each in _verdicts(found, due, alike, moment)]
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
        "state": _shut(row),
    }


# -- the verdict -----------------------------------------------------------------------------------------


def _verdicts(
    found: Found,
    due: numbers.Rows,
    alike: tuple[int, str, datetime] | None,
    moment: datetime,
) -> Iterator[Verdict]:
    """All that is wrong, the worst first; at the least that nothing is."""
    wrong = [*_stuck(found, due, alike, moment), *_held(found), *_behind(due, moment)]
    yield from wrong
    if not wrong:
        yield _healthy(found, moment)


def _stuck(
    found: Found,
    due: numbers.Rows,
    alike: tuple[int, str, datetime] | None,
    moment: datetime,
) -> Iterator[Verdict]:
    if due and not _alive(found, moment):
        last = max((row["seen_at"] for row in _workers(found)), default=None)
        oldest = min(row["due_since"] for row in due)
        since = max(oldest, last) if last else oldest
        yield Verdict(state="stuck", since=since, because="work is due, and no worker lives")
    for row in found["neighbours"]:
        because = _shut(row)
        if because is not None and row["name"] != BULK:
            yield Verdict(state="stuck", since=row["since"], because=f"{row['name']} {because}")
    if alike is not None:
        count, error, since = alike
        because = f"all that waits fails alike, {count} pieces of work: {error}"
        yield Verdict(state="stuck", since=since, because=because)


def _shut(row: Mapping[str, Any]) -> str | None:
    """Say why nobody asks a neighbour; None where it may be asked."""
    if row["held_until"]:
        return f"is paused by hand{_until(row)}: {row['held_reason']} ({row['held_by']})"
    if row["refused"] >= REFUSALS:
        return "refuses our credentials; nobody asks before they are changed"
    if row["paused_until"]:
        return f"is paused: {row['last_error']}"
    return None


def _until(row: Mapping[str, Any]) -> str:
    return "" if row["held_until"] == FOR_EVER else f" until {cell(row['held_until'])}"


def _held(found: Found) -> Iterator[Verdict]:
    holding = [row for row in found["brakes"] if row["state"] == "holding"]
    if holding:
        since = min(row["set_at"] for row in holding)
        scopes = ", ".join(row["scope"] for row in holding[:3])
        more = f" and {len(holding) - 3} more" if holding[3:] else ""
        because = f"a brake holds deletes back: {scopes}{more}"
        yield Verdict(state="held", since=since, because=because)
    for row in found["neighbours"]:
        if row["name"] == BULK and row["held_until"]:
            because = f"bulk work {_shut(row)}"
            yield Verdict(state="held", since=row["since"], because=because)


def _behind(due: numbers.Rows, moment: datetime) -> Iterator[Verdict]:
    for name, rows in (
        ("live", [row for row in due if row["lane"] < Lane.FILL]),
        ("bulk", [row for row in due if row["lane"] >= Lane.FILL]),
    ):
        since = min((row["due_since"] for row in rows), default=moment)
        if moment - since > LATE:
            count = sum(row["due"] for row in rows)
            because = f"{count} pieces of {name} work are due, {_end(rows)}"
            yield Verdict(state="behind", since=since, because=because)


def _end(rows: numbers.Rows) -> str:
    ends = [row["ends_at"] for row in rows]
    if None in ends:
        return "with no end in sight: nothing of that kind was finished lately"
    return f"done about {cell(max(ends))}"


def _healthy(found: Found, moment: datetime) -> Verdict:
    """Since the last that changed: a worker's start, a neighbour's return, a brake's release."""
    alive = _alive(found, moment)
    times = [row["set_at"] for row in found["brakes"]]
    times += [row["since"] for row in found["neighbours"] if row["since"]]
    times += [min(row["started_at"] for row in alive)] if alive else []
    times += [] if alive else [row["seen_at"] for row in _workers(found)]
    because = "nothing waits too long" if alive else "nothing is due; no worker lives"
    return Verdict(state="healthy", since=max(times, default=None), because=because)


def _workers(found: Found) -> numbers.Rows:
    return [row for row in found["processes"] if row["kind"] == "worker"]


def _alive(found: Found, moment: datetime) -> numbers.Rows:
    return [
        row
        for row in _workers(found)
        if row["stopped_at"] is None and row["seen_at"] > moment - ALIVE
    ]


# -- laid aside ------------------------------------------------------------------------------------------


@app.command()
def parked(
    context: typer.Context,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """List what was laid aside, with the words why; of protected persons only that it is."""
    database = opened(application(context, writes=reveal))
    with database.write() if reveal else database.read() as connection:
        rows = look.parked(connection, reveal=reveal)
        if reveal:
            hidden = look.protected_work(connection)
            seen = {hidden[work] for row in rows if (work := (row["kind"], row["key"])) in hidden}
            look.looked_up(connection, seen, "parked --reveal", who=operator())
    listing(rows, as_json=as_json, empty="nothing is parked")
