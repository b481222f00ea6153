"""The demonstration: a first fill, a day of changes, and every calendar compared at the end.

It plays on an installation of its own: SQLite in a temporary directory, settings of its own, and
nothing of this process' environment that is meant for the service. Every wish of the changes is
carried out by the real commands as processes; the oracle of the sandbox says what is right.

For tests that the comparison can fail, `KALENDER_DEMO_SABOTAGE=entry` breaks one entry behind
Kalender's back just before it, and `private` touches somebody's own.
"""

import json
import os
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from subprocess import Popen
from time import monotonic
from typing import Literal
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.text import Text

from kalender.config.reading import PREFIX
from kalender.errors import KalenderError
from kalender.liveness import stop_on_signals
from kalender.operate.shown import ShownEntry
from kalender.operate.week import draw, week_of
from kalender.sandbox.demonstration.broker import Broker, named_broker, publish_to_input
from kalender.sandbox.demonstration.compared import (
    PLACES,
    Calendars,
    difference_count,
    is_noted,
    private_items,
    stands_after_move,
    touched_count,
)
from kalender.sandbox.demonstration.day import MONDAY, NOW, Change, Day
from kalender.sandbox.generate import generate
from kalender.sandbox.installation import (
    Installation,
    InstallationError,
    Json,
    own_entries,
)
from kalender.sandbox.server import start
from kalender.store import backlog
from kalender.store.database import Database

START = datetime.fromisoformat(NOW)
OSLO = ZoneInfo("Europe/Oslo")
PATIENCE, LITTLE_PATIENCE, SAY_EVERY = 60.0, 5.0, 5.0  # seconds
LAST_LINES = 8


def run(
    *, people: int = 200, graph: bool = False, as_json: bool = False, pages: bool = False
) -> int:
    """Play the demonstration; 0 where every calendar was right and nothing private touched.

    With `graph` half of the people have their mailbox in Exchange Online, and one mailbox moves.
    With `pages` the university stays at the end, and can be looked at in a browser, until Ctrl-C.
    """
    share: Literal["half", "none"] = "half" if graph else "none"
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    begun = monotonic()
    with _ended_by_sigterm(), ExitStack() as stack:
        university = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        console.print("[bold]A university is made up, and served on loopback[/]")
        generate(university, students=people)
        sandbox = stack.enter_context(start(university, graph=share))
        broker = stack.enter_context(named_broker())
        url = f"sqlite:///{university}/kalender.db"
        installation = Installation(
            university,
            university,
            sandbox,
            url,
            NOW,
            graph=share,
            broker=broker.settings if broker else "",
            environment={k: v for k, v in os.environ.items() if not k.upper().startswith(PREFIX)},
        )
        database = Database(url)
        stack.callback(database.close)
        try:
            result = _Play(installation, database, broker, console, stack).play()
        except InstallationError as error:
            raise KalenderError(str(error)) from error
        result["seconds"] = round(monotonic() - begun, 1)
        console.print("[bold]" + _verdict(result))
        if as_json:
            sys.stdout.write(json.dumps(result) + "\n")
        if pages:
            _keep_pages_up(installation, console)
    return 1 if result["differences"] or result["private_touched"] else 0


def _keep_pages_up(installation: Installation, console: Console) -> None:
    """Serve the pages of the installation, and say where, until Ctrl-C."""
    log, stop = installation.directory / "web.log", stop_on_signals()
    with installation.started("web", "--port", "0") as web:
        while not (told := re.search(r"open (\S+)\n", log.read_text("utf-8"))):
            if web.poll() is not None or stop.wait(0.1):
                console.print(Text(installation.log_ends(LAST_LINES), style="dim"))
                return
        console.print(f"\nLook at it in a browser:  {told[1]}")
        console.print("Listener and worker go on; Ctrl-C ends everything and leaves nothing.")
        while web.poll() is None and not stop.wait(1):
            pass


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
    """The demonstration as it is played; processes end with the stack."""

    def __init__(
        self,
        installation: Installation,
        database: Database,
        broker: Broker | None,
        console: Console,
        stack: ExitStack,
    ) -> None:
        self.installation, self.database, self.broker = installation, database, broker
        self.console, self.stack = console, stack
        self.day = Day(installation)
        self.address = self.day.address
        self.wanted: Calendars = installation.wanted()
        self.private = {
            address: private_items(items) for address, items in installation.all_items().items()
        }
        self._patience, self._pause, self._failed = PATIENCE, threading.Event(), False
        self._processes: list[Popen[str]] = []

    def play(self) -> Json:
        """Play it, and return what was found at the end, but for the seconds."""
        try:
            return self._play()
        except InstallationError:
            self._show_log_ends()
            raise

    def _play(self) -> Json:
        self._introduce()
        self._first_fill()
        self._start_processes()
        before = self._week()
        changes = 0
        for title, group in self.day.changes():
            self.console.print(f"\n[bold]{title}[/]")
            for change in group:
                self._change(change)
                changes += 1
        if self.installation.graph == "half":
            self._move_mailbox()
            changes += 1
        self._draw("One student's week before:", before)
        self._draw("The same week after:", self._week())
        idle = self._until(self._is_idle)
        _sabotage(self.installation, self.address)
        return {"people": len(self.wanted), "entries": 0, "changes": changes} | self._compared(
            idle=idle
        )

    def _introduce(self) -> None:
        broker = self.broker
        how = f"through RabbitMQ at {broker.place}" if broker else "by kalender listener --stdin"
        self.console.print(f"  courses        {len(self.day.courses):>6}")
        self.console.print(f"  registrations  {len(self.day.registrations):>6}")
        self.console.print(f"  people         {len(self.wanted):>6}  with something to come")
        if self.installation.graph != "none":
            places = self.installation.get("graph/mailboxes")
            on_graph = sum(places.get(address) == "graph" for address in self.wanted)
            self.console.print(f"  on Graph       {on_graph:>6}  of them, in Exchange Online")
        self.console.print(
            "  FS, TP and Exchange from the sandbox, SQLite in a temporary directory"
        )
        self.console.print(f"  notifications  {how}")

    # -- the first fill ---------------------------------------------------------------------------

    def _first_fill(self) -> None:
        self.console.print("\n[bold]The first fill[/]")
        begun = monotonic()
        self.installation.run_command("db", "upgrade")
        self.installation.run_command("resync", "--all")
        self.console.print(f"  all sources read in {monotonic() - begun:.1f} s")
        entries = sum(map(len, self.wanted.values()))
        due = monotonic() + SAY_EVERY
        with self.installation.started("worker", "--until-idle") as worker:
            while worker.poll() is None:
                self._pause.wait(0.2)
                if monotonic() > due:
                    due = monotonic() + SAY_EVERY
                    created = sum(map(len, self.installation.held().values()))
                    self.console.print(f"  {created} of {entries} entries")
        if worker.returncode:
            raise InstallationError(f"kalender worker --until-idle ended with {worker.returncode}")
        seconds = monotonic() - begun
        rate = f"{entries / seconds:.0f} a second"
        self.console.print(f"  {entries} entries in {seconds:.1f} s, {rate}")

    def _start_processes(self) -> None:
        """Start listener and worker; what is measured later does not include their start."""
        words = ("listener",) if self.broker else ("listener", "--stdin")
        listener = self.stack.enter_context(self.installation.started(*words))
        worker = self.stack.enter_context(self.installation.started("worker"))
        self._processes = [listener, worker]
        asked = self.installation.requests_to("tp")
        self._notify(*self.day.nothing_new())
        if not self._until(lambda: self.installation.requests_to("tp") > asked):
            raise InstallationError("listener and worker do not answer a first notification")
        self._until(self._is_idle)

    def _notify(self, routing_key: str, body: Mapping[str, str]) -> None:
        if self.broker:
            self.broker.publish(routing_key, body)
        else:
            publish_to_input(self._processes[0], routing_key, body)

    # -- a change -----------------------------------------------------------------------------------

    def _change(self, make: Callable[[], Change], width: int = 52) -> None:
        """Tell of a change, wait until all whom it concerns are right, and say how long it took.

        `width` is the number of columns for the words; the figures beside them take 41 more.
        """
        change, before = make(), self.wanted
        self.wanted = now = self.installation.wanted()
        concerned = [
            address
            for address in sorted({*before, *now})
            if before.get(address) != now.get(address)
        ]
        if change.person:  # no notification tells of what a user does
            concerned = [self.address]
        requests_before = self.installation.requests_to_backends()
        begun = monotonic()
        is_right = self._announced(change) and all(self._until_right(each) for each in concerned)
        milliseconds = (monotonic() - begun) * 1000
        self._until(self._is_idle)
        took = f"[cyan]{milliseconds:6.0f} ms[/]" if is_right else "[red]never right[/]"
        calendars = _many(len(concerned), "calendar")
        requests = _many(self.installation.requests_to_backends() - requests_before, "request")
        self.console.print(
            f"  {change.words:<{width}} {calendars:>13} {took}  [dim]{requests:>13}[/]"
        )
        if not is_right:
            self._show_log_ends()

    def _announced(self, change: Change) -> bool:
        """Send the notification; where there is none, look into the calendar, and wait for that."""
        if change.body is not None:
            self._notify(change.routing_key, change.body)
            return True
        self.installation.run_command("resync", "--person", change.person, "--verify")
        return self._until(self._is_idle)

    # -- a mailbox moves ----------------------------------------------------------------------------

    def _move_mailbox(self) -> None:
        """Let the student's mailbox move, and a change come; say what stands at the new place."""
        address = self.address
        old, new = self.day.mailbox_moves()
        self.private[address] = private_items(self.installation.items(address))  # under new ids
        self.console.print(
            f"\n[bold]The student's mailbox moves to {PLACES[new]}; nobody tells, a change comes:[/]"
        )
        self._change(self.day.moves, width=39)
        places = stands_after_move(self.installation, address, self.wanted[address], old, new)
        for place, words in places:
            self.console.print(f"  {place:<24} {words}")
        self.console.print("  kalender move status")
        for line in self.installation.run_command("move", "status").splitlines():
            self.console.print(f"    {line}")

    # -- waiting ------------------------------------------------------------------------------------

    def _until_right(self, address: str) -> bool:
        wanted = self.wanted.get(address, [])
        return self._until(lambda: own_entries(self.installation.items(address)) == wanted)

    def _is_idle(self) -> bool:
        with self.database.read() as connection:
            return not backlog.depth(connection)

    def _until(self, holds: Callable[[], bool]) -> bool:
        """Wait until something holds; False where it never does, or a process of ours has ended.

        It is asked more seldom the longer it takes, so that the time told is a fiftieth too long at
        most: each question takes from what is measured.
        """
        begun = monotonic()
        while not holds():
            waited = monotonic() - begun
            if waited > self._patience or any(each.poll() is not None for each in self._processes):
                self._patience = LITTLE_PATIENCE  # it is lost already: do not keep people waiting
                return False
            self._pause.wait(max(0.01, waited / 50))
        return True

    def _show_log_ends(self) -> None:
        """Show the ends of the logs, at the first failure."""
        if not self._failed:
            self._failed = True
            self.console.print(Text(self.installation.log_ends(LAST_LINES), style="dim"))

    # -- the week, and the end ----------------------------------------------------------------------

    def _week(self) -> str:
        entries = own_entries(self.installation.items(self.address))
        shown = [
            ShownEntry(
                starts_at=e.start,
                ends_at=e.end,
                subject=e.subject,
                location=e.location,
                cancelled=e.subject.startswith("AVLYST: "),
            )
            for e in entries
        ]
        return draw(week_of(shown, MONDAY, OSLO))

    def _draw(self, title: str, week: str) -> None:
        self.console.print(f"\n[bold]{title}[/]\n")
        self.console.print(Text(week))

    def _compared(self, *, idle: bool) -> Json:
        items = self.installation.all_items()
        held = {address: own_entries(box) for address, box in items.items()}
        if not idle:
            self._show_log_ends()
        self.console.print()
        named_in_requests = int(self.installation.get("exchange/private-touched")["count"])
        is_lost = not is_noted(items[self.address])
        return {
            "entries": sum(map(len, held.values())),
            "differences": difference_count(self.wanted, held) + is_lost + (not idle),
            "private_touched": max(touched_count(self.private, items), named_in_requests),
        }


def _many(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")


def _sabotage(installation: Installation, address: str) -> None:
    match os.environ.get("KALENDER_DEMO_SABOTAGE"):
        case "entry":
            item = next(
                i
                for i in installation.items(address)
                if i["sync_key"] and i["folder"] == "calendar"
            )
            deed = {"mailbox": address, "id": item["id"], "do": "edit", "subject": "broken"}
            installation.send("POST", "exchange/meddle", deed)
        case "private":
            deed = {"mailbox": address, "do": "touch-private"}
            installation.send("POST", "exchange/meddle", deed)
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
