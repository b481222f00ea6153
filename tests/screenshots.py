"""Take the pictures of README: the pages on a university that is made up, after a day of changes.

`make screenshots` writes them into `docs/images`. No test does: tests change no tracked file.
"""

import argparse
import os
import re
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

from kalender.config.reading import PREFIX
from kalender.sandbox.demonstration.broker import publish_to_input
from kalender.sandbox.demonstration.day import NOW, Day
from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Installation
from kalender.sandbox.server import start
from kalender.store import backlog
from kalender.store.database import Database
from tests import chromium

IMAGES = Path(__file__).parent.parent / "docs/images"
PEOPLE = 120
PATIENCE = 120.0  # seconds
MINUTES = 4.0  # of a day's plots that are waited for


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots")
    parser.add_argument("--into", type=Path, default=IMAGES)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="how long the service runs")
    given = parser.parse_args()
    given.into.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        generate(directory, students=PEOPLE)
        sandbox = stack.enter_context(start(directory))
        url = f"sqlite:///{directory}/kalender.db"
        others = {k: v for k, v in os.environ.items() if not k.upper().startswith(PREFIX)}
        installation = Installation(directory, directory, sandbox, url, NOW, environment=others)
        installation.run_command("db", "upgrade")
        installation.run_command("resync", "--all")
        worker = stack.enter_context(installation.started("worker"))
        listener = stack.enter_context(installation.started("listener", "--stdin"))
        day, pause, begun = Day(installation), threading.Event(), monotonic()
        database = Database(url)
        stack.callback(database.close)
        while worker.poll() is None:
            with database.read() as connection:
                if not backlog.depth(connection):
                    break
            pause.wait(0.2)
        changes = [change for _, group in day.changes() for change in group]
        for number, make in enumerate(changes):
            change = make()
            if change.body is not None:
                publish_to_input(listener, change.routing_key, change.body)
            else:
                installation.run_command("resync", "--person", change.person, "--verify")
            pause.wait(
                max(0.0, begun + 60 * given.minutes * (number + 1) / len(changes) - monotonic())
            )
        stack.enter_context(installation.started("web", "--port", "0"))
        _take(_address(directory / "web.log"), day.student, given.into)


def _address(log: Path) -> str:
    """Return the address that begins a session, when the pages are there."""
    end, pause = monotonic() + PATIENCE, threading.Event()
    while not (told := re.search(r"^open (\S+)$", log.read_text("utf-8"), re.MULTILINE)):
        if monotonic() > end:
            sys.exit(f"the pages did not start: {log.read_text('utf-8')}")
        pause.wait(0.1)
    return told[1]


def _take(address: str, student: str, into: Path) -> None:
    with chromium.launched_browser() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 860}, locale="en-GB")
        page.goto(address)
        page.wait_for_url(re.compile(r":\d+/$"))
        page.screenshot(path=into / "status.png")
        page.goto(address.partition("/enter")[0] + "/person")
        page.locator("#whom").fill(student)
        page.locator("#reason").fill("asks why a lecture is gone")
        page.locator("button.first").click()
        page.wait_for_url(re.compile(r"/look-up/\d+"))
        page.screenshot(path=into / "person.png")


if __name__ == "__main__":
    main()
