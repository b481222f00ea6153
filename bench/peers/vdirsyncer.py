"""The peer for calendars: vdirsyncer makes a calendar on a radicale equal to a directory of files.

It is given every advantage: radicale does not sync its files to disk, knows an unchanged one by
its time, and logs nothing; the calendar's address is configured, so that nothing is discovered.
"""

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from socket import create_connection

from bench.peers.pair import Spent, spent
from bench.peers.programs import program
from tests.servers import free_port

RADICALE = {
    "auth": {"type": "none"},
    "rights": {"type": "authenticated"},
    "web": {"type": "none"},
    "storage": {
        "type": "multifilesystem_nolock",
        "use_mtime_and_size_for_item_cache": "True",
        "_filesystem_fsync": "False",
    },
}
VDIRSYNCER = """\
[general]
status_path = "{directory}/status"
[pair events]
a = "local"
b = "remote"
collections = null
[storage local]
type = "filesystem"
path = "{directory}/local"
fileext = ".ics"
[storage remote]
type = "caldav"
url = "http://127.0.0.1:{port}/student/events/"
"""
EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Kalender//bench
BEGIN:VEVENT
UID:event-{number:05}
DTSTAMP:20250818T060000Z
DTSTART:{start:%Y%m%dT%H%M%SZ}
DTEND:{end:%Y%m%dT%H%M%SZ}
SUMMARY:MAT{course} Forelesninger: {title}
LOCATION:Rom {course} (Bygg 7)
DESCRIPTION:MAT{course} Forelesninger\\nRom {course}\\, Bygg 7\\nteacher te000001
CATEGORIES:Undervisning
TRANSP:OPAQUE
END:VEVENT
END:VCALENDAR
"""
BEGIN = datetime(2025, 8, 25, 6, 15, tzinfo=UTC)


@dataclass(kw_only=True)
class Vdirsyncer:
    """So many events, as files here and to be on the server there."""

    directory: Path
    many: int
    turns: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def local(self) -> Path:
        """The files."""
        return self.directory / "local"

    @property
    def remote(self) -> Path:
        """Where radicale keeps the calendar."""
        return self.directory / "radicale" / "collection-root" / "student" / "events"

    def command(self, word: str) -> None:
        """Run vdirsyncer; it fails where anything failed."""
        words = ["-v", "WARNING", "-c", str(self.directory / "vdirsyncer.ini"), word]
        subprocess.run([program("vdirsyncer"), *words], check=True, timeout=1200)

    def fill(self) -> Spent:
        """Sync for the first time."""
        return self._sync("Tema 0", self.many)

    def look(self) -> Spent:
        """Sync where nothing changed."""
        return self._sync("", self.many)

    def change(self) -> Spent:
        """Change every hundredth event, and sync."""
        title = f"Endret {next(self.turns)}."
        for number in range(0, self.many, 100):
            write(self.local, number, title)
        return self._sync(title, len(range(0, self.many, 100)))

    def _sync(self, title: str, many: int) -> Spent:
        took = spent(lambda: self.command("sync"))
        held = [path.read_text("utf-8") for path in self.remote.glob("*.ics")]
        shown = sum(title in each for each in held)
        if (len(held), shown) != (self.many, many):
            raise AssertionError(f"radicale holds {len(held)} events, {shown} of {title!r}")
        return took


def write(directory: Path, number: int, title: str) -> None:
    """Write an event's file."""
    start = BEGIN + timedelta(hours=2 * number)
    told = {"number": number, "course": 1000 + number // 100, "title": title}
    text = EVENT.format(start=start, end=start + timedelta(minutes=105), **told)
    (directory / f"event-{number:05}.ics").write_text(text, "utf-8", newline="\r\n")


@contextmanager
def vdirsyncer(directory: Path, many: int, *, seeded: bool) -> Iterator[Vdirsyncer]:
    """Yield files beside an empty calendar, or one that is `seeded`: it holds them, and was synced."""
    peer, port = Vdirsyncer(directory=directory, many=many), free_port()
    for each in (peer.local, peer.remote):
        each.mkdir(parents=True)
    for number in range(many):
        for each in (peer.local, peer.remote)[: 1 + seeded]:
            write(each, number, "Tema 0")
    (peer.remote / ".Radicale.props").write_text(json.dumps({"tag": "VCALENDAR"}))
    (directory / "vdirsyncer.ini").write_text(VDIRSYNCER.format(directory=directory, port=port))
    with radicale(directory / "radicale", port):
        peer.command("discover")
        if seeded:
            peer.look()
        yield peer


@contextmanager
def radicale(folder: Path, port: int) -> Iterator[None]:
    """Serve what the folder holds while the block lasts."""
    settings = {
        **RADICALE,
        "server": {"hosts": f"127.0.0.1:{port}"},
        "storage": {**RADICALE["storage"], "filesystem_folder": str(folder)},
    }
    script = str(Path(__file__).with_name("serve.py"))
    server = subprocess.Popen([program("python"), script, json.dumps(settings)])
    try:
        while not _answers(port):
            if server.poll() is not None:
                raise RuntimeError("radicale did not start")
            threading.Event().wait(0.05)
        yield
    finally:
        server.terminate()
        server.wait(20)


def _answers(port: int) -> bool:
    try:
        create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
