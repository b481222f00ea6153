"""The demonstration: a first fill, a day of changes, and every calendar compared at the end.

For tests that the comparison can fail, `KALENDER_DEMO_SABOTAGE=entry` breaks one entry behind
Kalender's back just before it, and `private` touches somebody's own.
"""

import json
import os
import signal
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.text import Text

from kalender.operate.week import Shown, draw
from kalender.sandbox.demonstration.day import MONDAY, NOTE, Change, Day
from kalender.sandbox.demonstration.stage import NOW, Stage, StageError, own
from kalender.sandbox.demonstration.truth import OSLO, Json, Line

Calendars = Mapping[str, Counter[Line]]
START = datetime.fromisoformat(NOW)
SAY_EVERY = 5.0


def run(*, people: int = 200, as_json: bool = False) -> int:
    """Play the demonstration; 0 where every calendar was right and nothing private touched."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    begun = monotonic()
    with _ended_by_sigterm(), tempfile.TemporaryDirectory() as directory:
        console.print("[bold]A university is made up, and served on loopback[/]")
        with Stage(Path(directory), people) as stage:
            found = _Play(stage, console).play()
    found["seconds"] = round(monotonic() - begun, 1)
    console.print("[bold]" + _verdict(found))
    if as_json:
        sys.stdout.write(json.dumps(found) + "\n")
    return 1 if found["differences"] or found["private_touched"] else 0


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind us, so that no process of ours outlives us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Play:
    def __init__(self, stage: Stage, console: Console) -> None:
        self.stage, self.console, self.truth = stage, console, stage.truth
        self.day = Day(stage)
        self._failed = False
        self.address = f"{self.day.student}@{self.truth.domain}"
        self.wanted: Calendars = self.truth.calendars(START)
        self.private = {
            address: _private(stage.items(address)) for address in self.truth.addresses()
        }

    def play(self) -> Json:
        """Play it, and return what was found at the end, but for the seconds."""
        try:
            return self._play()
        except StageError:
            self._last_words()
            raise

    def _play(self) -> Json:
        self._introduce()
        self._first_fill()
        self._open()
        before = self._week()
        changes = 0
        for title, group in self.day.changes():
            self.console.print(f"\n[bold]{title}[/]")
            for change in group:
                self._change(change)
                changes += 1
        self._draw("One student's week before:", before)
        self._draw("The same week after:", self._week())
        idle = self.stage.until_idle()
        _sabotage(self.stage, self.address)
        return {"people": len(self.wanted), "entries": 0, "changes": changes} | self._compared(
            idle=idle
        )

    def _introduce(self) -> None:
        students = len(self.truth.fs["studentundervisning"])
        broker = self.stage.broker
        how = f"through RabbitMQ at {broker}" if broker else "by kalender listener --stdin"
        self.console.print(f"  courses        {len(self.truth.courses):>6}")
        self.console.print(f"  registrations  {students:>6}")
        self.console.print(f"  people         {len(self.wanted):>6}  with something to come")
        self.console.print(
            "  FS, TP and Exchange from the sandbox, SQLite in a temporary directory"
        )
        self.console.print(f"  notifications  {how}")

    # -- the first fill ---------------------------------------------------------------------------

    def _first_fill(self) -> None:
        self.console.print("\n[bold]The first fill[/]")
        begun = monotonic()
        self.stage.run("resync", "--all")
        self.console.print(f"  all sources read in {monotonic() - begun:.1f} s")
        entries = sum(lines.total() for lines in self.wanted.values())
        columns = TextColumn("  writing"), BarColumn(), MofNCompleteColumn()
        on_terminal = self.console.is_terminal
        with Progress(
            *columns, console=self.console, transient=True, disable=not on_terminal
        ) as bar:
            task = bar.add_task("fill", total=entries)
            plain = self._plain(entries)
            self.stage.fill(
                lambda: bar.update(task, completed=self._created()) if on_terminal else plain()
            )
        seconds = monotonic() - begun
        rate = f"{entries / seconds:.0f} a second"
        self.console.print(f"  {entries} entries in {seconds:.1f} s, {rate}")

    def _plain(self, entries: int) -> Callable[[], None]:
        said = monotonic()

        def say() -> None:
            nonlocal said
            if monotonic() - said >= SAY_EVERY:
                said = monotonic()
                self.console.print(f"  {self._created()} of {entries} entries")

        return say

    def _created(self) -> int:
        boxes = self.stage.control("GET", "exchange/mailboxes")
        return sum(int(box["items"]) for box in boxes) - sum(map(len, self.private.values()))

    def _open(self) -> None:
        """Start listener and worker; what is measured later does not include their start."""
        self.stage.open()
        asked = self.stage.requests("tp")
        self.stage.notify(*self.day.nothing_new())
        if not self.stage.until(lambda: self.stage.requests("tp") > asked):
            raise StageError("listener and worker do not answer a first notification")
        self.stage.until_idle()

    # -- a change -----------------------------------------------------------------------------------

    def _change(self, make: Callable[[], Change]) -> None:
        """Tell of a change, wait until all whom it concerns are right, and say how long it took."""
        change, before = make(), self.wanted
        self.wanted = now = self.truth.calendars(START)
        concerned = [a for a in sorted({*before, *now}) if before.get(a) != now.get(a)]
        asked = self.stage.requests("exchange")
        begun = monotonic()
        right = self._told(change) and self.stage.until_right(
            [self.address] if change.person else concerned, now
        )
        milliseconds = (monotonic() - begun) * 1000
        self.stage.until_idle()
        took = f"[cyan]{milliseconds:6.0f} ms[/]" if right else "[red]never right[/]"
        whom = _many(1 if change.person else len(concerned), "calendar")
        requests = _many(self.stage.requests("exchange") - asked, "request")
        self.console.print(f"  {change.what:<52} {whom:>13} {took}  [dim]{requests:>13}[/]")
        if not right:
            self._last_words()

    def _told(self, change: Change) -> bool:
        """Send the notification; where there is none, look into the calendar, and wait for that."""
        if change.body is not None:
            self.stage.notify(change.routing_key, change.body)
            return True
        self.stage.run("resync", "--person", change.person, "--verify")
        return self.stage.until_idle()

    def _last_words(self) -> None:
        """Show the ends of the logs, at the first failure."""
        if not self._failed:
            self._failed = True
            self.console.print(Text(self.stage.last_words(), style="dim"))

    def _week(self) -> str:
        shown = [
            Shown(starts_at=e.starts_at, ends_at=e.ends_at, subject=e.subject, location=e.location)
            for e in own(self.stage.items(self.address)).elements()
        ]
        return draw(shown, MONDAY, OSLO)

    def _draw(self, title: str, week: str) -> None:
        self.console.print(f"\n[bold]{title}[/]\n")
        self.console.print(Text(week))

    # -- the end ------------------------------------------------------------------------------------

    def _compared(self, *, idle: bool) -> Json:
        items = _all(self.stage)
        held = {address: own(each) for address, each in items.items()}
        noted = any(i["sync_key"] and NOTE in str(i["body"]) for i in items[self.address])
        if not idle:
            self._last_words()
        self.console.print()
        return {
            "entries": sum(lines.total() for lines in held.values()),
            "differences": _differences(self.wanted, held) + (not noted) + (not idle),
            "private_touched": max(_touched(self.private, items), _told_of(self.stage)),
        }


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")


def _all(stage: Stage) -> Mapping[str, list[Json]]:
    found: Mapping[str, list[Json]] = stage.control("GET", "exchange/all")
    return found


def _private(items: Iterable[Json]) -> dict[str, Json]:
    """Return somebody's own items by their ids, with all that is known of them."""
    return {str(item["id"]): item for item in items if item["private"]}


def _touched(before: Mapping[str, dict[str, Json]], now: Mapping[str, list[Json]]) -> int:
    """How many items of people's own are gone, changed or new."""
    touched = 0
    for address, items in before.items():
        after = _private(now.get(address, ()))
        touched += sum(items.get(each) != after.get(each) for each in {*items, *after})
    return touched


def _told_of(stage: Stage) -> int:
    """How many the sandbox saw named in a request."""
    return int(stage.control("GET", "exchange/private-touched")["count"])


def _differences(wanted: Calendars, held: Calendars) -> int:
    """How many entries are missing, wrong, doubled or too many; a wrong one counts once."""
    differences = 0
    for address in wanted.keys() | held.keys():
        should, has = wanted.get(address, Counter()), held.get(address, Counter())
        differences += max((should - has).total(), (has - should).total())
    return differences


def _sabotage(stage: Stage, address: str) -> None:
    match os.environ.get("KALENDER_DEMO_SABOTAGE"):
        case "entry":
            item = next(
                i for i in stage.items(address) if i["sync_key"] and i["folder"] == "calendar"
            )
            told = {"mailbox": address, "id": item["id"], "do": "edit", "subject": "broken"}
            stage.control("POST", "exchange/meddle", told)
        case "private":
            stage.control("POST", "exchange/meddle", {"mailbox": address, "do": "touch-private"})
        case _:
            pass


def _verdict(found: Json) -> str:
    right = (
        "every calendar holds what it should"
        if not found["differences"]
        else (f"{found['differences']} entries differ from what they should be")
    )
    private = (
        "nobody's own entries were touched"
        if not found["private_touched"]
        else (f"{found['private_touched']} private entries were touched")
    )
    return (
        f"{found['people']} people, {found['entries']} entries, {found['changes']} changes in "
        f"{found['seconds']} s: {right}, {private}."
    )
