"""Debian's Chromium, driven without a window.

Its headless shell is taken where it is installed: it has no window of its own to draw, and took 28
processor seconds for tests for which the whole Chromium took 47.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

PROGRAMS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))


class NoBrowserError(Exception):
    """There is no Chromium on this machine; the message says what installs it."""


@contextmanager
def launched_browser() -> Iterator[Browser]:
    """Run a browser while the block lasts; `NoBrowserError` where none is installed."""
    program = next((each for each in PROGRAMS if each.exists()), None)
    if program is None:
        raise NoBrowserError("there is no Chromium: tests/install-servers installs it")
    with sync_playwright() as playwright:
        # Root needs it without its sandbox.
        arguments = ["--no-sandbox", "--disable-gpu"]
        running = playwright.chromium.launch(executable_path=program, args=arguments)
        yield running
        running.close()
