"""Pauses by hand: a neighbour, or bulk work, is left alone for a while; and asked again.

Commands and pages call the same functions, within a transaction of theirs. `who` is under whose name
the act is kept.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from kalender.config import Config
from kalender.errors import ConfigError
from kalender.neighbours import breaker, credentials
from kalender.store import acts
from kalender.store.database import database_time

PAUSE, RESUME = "pause", "resume"


def names(config: Config) -> list[str]:
    """Return what can be paused: every neighbour, bulk work and moves, in that order."""
    return [*sorted(config.neighbours), breaker.BULK, breaker.MOVES]


def pause(
    connection: Connection, name: str, *, until: datetime | None, who: str, reason: str
) -> None:
    """Let nothing be asked of a neighbour until then on the database's clock; None: until resumed.

    ConfigError where that is not to come.
    """
    if until is not None and until <= database_time(connection):
        raise ConfigError("--until wants an instant that is to come")
    breaker.hold(connection, name, until=until or breaker.FOR_EVER, reason=reason, by=who)
    acts.record(connection, PAUSE, who=who, scope=name, reason=reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """What a resume ended: a pause by hand, one after refusals, one after failures."""

    by_hand: bool
    was_refused: bool
    had_failed: bool


def resume(connection: Connection, name: str, *, who: str, reason: str = "") -> Resumed:
    """End a pause by hand, and let one request try at once what failed or refused us.

    ConfigError where nothing keeps anybody from asking.
    """
    row = breaker.lock(connection, name)
    resumed = Resumed(
        by_hand=breaker.let_go(connection, name),
        was_refused=credentials.try_once_more(connection, row),
        had_failed=breaker.probe_now(connection, name),
    )
    if not (resumed.by_hand or resumed.was_refused or resumed.had_failed):
        raise ConfigError(f"{name} is not paused by hand, and neither failed nor refused us lately")
    acts.record(connection, RESUME, who=who, scope=name, reason=reason)
    return resumed
