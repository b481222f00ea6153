"""One of kalender's own commands as a process that tells where it is and can be made to wait there.

    python -m tests.chaos.process <kalender's arguments>

KALENDER_TEST_POINTS names the socket where points are told; KALENDER_TEST_SABOTAGE the one
mechanism that is taken away. Without them this is `kalender`. What is patched survives the fork.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from kalender.cli import main
from kalender.domain import backoff
from kalender.neighbours import breaker, credentials, limiter
from kalender.store import moves
from tests.chaos import points, sabotage

POINTS, SABOTAGE = "KALENDER_TEST_POINTS", "KALENDER_TEST_SABOTAGE"


def run(words: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
    """Become the command, in a group of its own, with both outputs in the log."""
    os.setsid()
    for name in [name for name in os.environ if name.startswith("KALENDER_")]:
        del os.environ[name]
    os.environ.update(environment)
    with log.open("ab") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
    command(words)


def command(words: Sequence[str]) -> None:
    """Install what the environment asks for; then it is kalender's own command line."""
    if address := os.environ.get(POINTS):
        _hurry()
        points.install(address)
    if broken := os.environ.get(SABOTAGE):
        sabotage.install(broken)
    sys.argv[1:] = words
    main()


def _hurry() -> None:
    """Wait a second or two for what takes minutes or hours.

    That is whoever died while holding a neighbour, a mailbox that is missing, and one that moved.
    """
    credentials.TRIAL_SECONDS = 2.0
    breaker.LEASE = breaker.LONGEST_PAUSE = timedelta(seconds=2)
    limiter.RENEW_SECONDS = breaker.LEASE.total_seconds() / 3
    backoff.MISSING_FIRST = backoff.DENIED_FIRST = timedelta(seconds=1)
    backoff.MISSING_LONGEST = backoff.DENIED_LONGEST = timedelta(seconds=2)
    moves.LOOKS = tuple(timedelta(seconds=seconds) for seconds in (0.3, 0.6, 1.2, 2.4))
    moves.PAUSED_INTERVAL = timedelta(seconds=2)


if __name__ == "__main__":
    command(sys.argv[1:])
