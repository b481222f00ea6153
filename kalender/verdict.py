"""One line that says whether anybody must do anything: healthy, behind, stuck or held."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from kalender.domain.work import Lane
from kalender.store import decided, look, numbers
from kalender.store.credentials import REFUSALS
from kalender.store.database import now
from kalender.store.neighbours import BULK, FOR_EVER

STATES = ("healthy", "behind", "stuck", "held")
ASKED_BY_SETTINGS = {
    "rewrite": "are to be rewritten (kalender resync --all --yes)",
    "move": "are to be written at another address (kalender resync --all --yes)",
    "leave": "leave the roll-out (kalender resync --all with --take-back --yes or --leave)",
}
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
        since = f" since {local(self.since)}" if self.since else ""
        return f"{self.state}{since}: {self.because}"


def local(moment: datetime) -> str:
    """Return an instant in this machine's time, to the second."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def judge(connection: Connection) -> list[Verdict]:
    """Return all that is wrong, the worst first; at the least that nothing is."""
    found = {
        "neighbours": look.neighbours(connection),
        "brakes": look.brakes(connection),
        "processes": look.heartbeats(connection),
        "settings_waiting": [asdict(each) for each in decided.settings_waiting_for(connection)],
    }
    due, alike = numbers.due(connection), numbers.failing_alike(connection)
    return list(verdicts(found, due, alike, now(connection)))


def verdicts(
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
    if due and not living(found, moment):
        last = max((row["seen_at"] for row in _workers(found)), default=None)
        oldest = min(row["due_since"] for row in due)
        since = max(oldest, last) if last else oldest
        yield Verdict(state="stuck", since=since, because="work is due, and no worker lives")
    for row in found["neighbours"]:
        because = shut(row)
        if because is not None and row["name"] != BULK:
            yield Verdict(state="stuck", since=row["since"], because=f"{row['name']} {because}")
    if alike is not None:
        count, error, since = alike
        because = f"all that waits fails alike, {count} pieces of work: {error}"
        yield Verdict(state="stuck", since=since, because=because)


def shut(row: Mapping[str, Any]) -> str | None:
    """Say why nobody asks a neighbour; None where it may be asked."""
    if row["held_until"]:
        return f"is paused by hand{_until(row)}: {row['held_reason']} ({row['held_by']})"
    if row["refused"] >= REFUSALS:
        return "refuses our credentials; asked at most three times in half an hour, changed ones at once"
    if row["paused_until"]:
        return f"is paused: {row['last_error']}"
    return None


def _until(row: Mapping[str, Any]) -> str:
    return "" if row["held_until"] == FOR_EVER else f" until {local(row['held_until'])}"


def _held(found: Found) -> Iterator[Verdict]:
    holding = [row for row in found["brakes"] if row["state"] == "holding"]
    if holding:
        since = min(row["set_at"] for row in holding)
        scopes = ", ".join(row["scope"] for row in holding[:3])
        more = f" and {len(holding) - 3} more" if holding[3:] else ""
        because = f"a brake holds deletes back: {scopes}{more}"
        yield Verdict(state="held", since=since, because=because)
    for row in found["settings_waiting"]:
        what = ASKED_BY_SETTINGS[row["what"]]
        because = f"changed settings wait for a yes: {row['calendars']} calendars {what}"
        yield Verdict(state="held", since=row["since"], because=because)
    for row in found["neighbours"]:
        if row["name"] == BULK and row["held_until"]:
            because = f"bulk work {shut(row)}"
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
    return f"done about {local(max(ends))}"


def _healthy(found: Found, moment: datetime) -> Verdict:
    """Since the last that changed: a worker's start, a neighbour's return, a brake's release."""
    alive = living(found, moment)
    times = [row["set_at"] for row in found["brakes"]]
    times += [row["since"] for row in found["neighbours"] if row["since"]]
    times += [min(row["started_at"] for row in alive)] if alive else []
    times += [] if alive else [row["seen_at"] for row in _workers(found)]
    because = "nothing waits too long" if alive else "nothing is due; no worker lives"
    return Verdict(state="healthy", since=max(times, default=None), because=because)


def _workers(found: Found) -> numbers.Rows:
    return [row for row in found["processes"] if row["kind"] == "worker"]


def living(found: Found, moment: datetime) -> numbers.Rows:
    """Return the workers that live."""
    return [
        row
        for row in _workers(found)
        if row["stopped_at"] is None and row["seen_at"] > moment - ALIVE
    ]
