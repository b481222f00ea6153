"""Worker processes that no command would start, forked from one in which Kalender is loaded."""

import threading
from datetime import datetime
from pathlib import Path

from kalender.app import App, clock_from
from kalender.config import load
from kalender.worker import supervisor
from tests.commands import FORKS


def work(config: Path, now: str, *, processes: int, connections: int) -> int | None:
    """Work until nothing waits, by more connections than the settings may say; return how it ended.

    The exit code is None where that takes more than two minutes.
    """
    process = FORKS.Process(target=_supervise, args=(config, now, processes, connections))
    process.start()
    process.join(120)
    if process.exitcode is None:
        process.terminate()
    return process.exitcode


def _supervise(config: Path, now: str, processes: int, connections: int) -> None:
    settings = load(config, {})
    many = settings.worker.model_copy(update={"connections": connections})
    wired = App(
        settings.model_copy(update={"worker": many}), clock_from(datetime.fromisoformat(now))
    )
    stop = threading.Event()
    supervisor.supervise(wired.worker_context, stop, processes=processes, until_idle=True)
