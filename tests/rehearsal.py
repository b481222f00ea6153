"""One round of the commands on a made-up university, in the process that others are forked from.

Much is made at its first use and kept: compiled statements, what pydantic, SQLAlchemy and aiohttp
remember of types, modules that are imported late. Without a rehearsal every forked process makes
it anew, which takes longer than most commands work.
"""

import gc
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory

import structlog

from kalender.app import App, clock_from
from kalender.cli import main
from kalender.cli.base import instant
from kalender.config import load, with_workers
from kalender.sandbox import server
from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Installation
from kalender.sandbox.server import Endpoints
from kalender.worker import supervisor
from tests import statements

NOW = "2025-08-18T08:00+02:00"
ONE, COURSE = "st000003", "HIS1000"
BEFORE = ("db upgrade", "resync --all")
AFTER = (
    f"resync --course {COURSE}",
    f"verify {ONE}",
    "status",
    "status --json",
    "check",
    f"show {ONE}",
    f"show --course {COURSE}",
    f"why {ONE} {COURSE}",
    f"plan {ONE}",
    f"log --person {ONE}",
    "log --acts",
    "parked",
    "brake set --reason rehearsal",
    "brake release hand --reason rehearsal --yes",
    "rollout status",
    "rollout list",
    "move status",
    "takeover status",
    f"optout add {ONE}",
    f"optout remove {ONE}",
    f"retry {ONE}",
)


def rehearse() -> None:
    """Let every engine of this process share its statements, and go through the commands once."""
    statements.share()
    with TemporaryDirectory() as name, _served(Path(name) / "served") as sandbox, _as_before():
        directory = Path(name)
        url = f"sqlite:///{directory}/k.db"
        house = Installation(directory, directory / "served", sandbox, url, NOW)
        for line in BEFORE:
            _command(house, line)
        _work(house)
        for line in AFTER:
            _command(house, line)
        _work(house)


class _Sandbox:
    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints


@contextmanager
def _served(university: Path) -> Iterator[_Sandbox]:
    generate(university, students=20)
    ready, stop = SimpleQueue[Endpoints](), threading.Event()
    told = {"ready": ready.put, "stop": stop}
    thread = threading.Thread(target=server.serve, args=(university,), kwargs=told)
    thread.start()
    try:
        yield _Sandbox(ready.get(timeout=60))
    finally:
        stop.set()
        thread.join()


@contextmanager
def _as_before() -> Iterator[None]:
    """Leave the process as it was but for what it remembers."""
    kept = dict(os.environ), sys.argv, sys.excepthook, threading.excepthook
    root, ours = logging.getLogger(), logging.getLogger("kalender")
    levels, handlers = (root.level, ours.level), root.handlers[:]
    for name in [name for name in os.environ if name.startswith("KALENDER_")]:
        del os.environ[name]
    try:
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        variables, sys.argv, sys.excepthook, threading.excepthook = kept
        os.environ.clear()
        os.environ.update(variables)
        structlog.reset_defaults()
        root.handlers[:], logging.raiseExceptions = handlers, True
        root.setLevel(levels[0])
        ours.setLevel(levels[1])
        logging.captureWarnings(capture=False)
        gc.enable()


def _command(house: Installation, line: str) -> None:
    sys.argv = ["kalender", *house.command(*line.split())[3:]]
    with suppress(SystemExit):
        main()


def _work(house: Installation) -> None:
    """Work as a process of `worker --until-idle` does."""
    with TemporaryDirectory() as directory:
        config = load(house.config, os.environ)
        config = with_workers(config, processes=1, connections=2, state_dir=Path(directory))
        wired = App(config, clock_from(instant(house.now, "--now")))
        wired.memory().prepare()
        supervisor.run(wired.worker_context(), threading.Event(), until_idle=True)
