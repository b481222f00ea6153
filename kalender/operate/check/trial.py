"""One thing tried: what came of it, how long it took, and what to do about it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from kalender.errors import KalenderError


class State(StrEnum):
    """How a trial ended; only FAILED keeps the whole from holding."""

    OK = "ok"
    WARNED = "warned"
    NOT_TRIED = "not tried"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a trial found; `remedy` where something is to be done."""

    state: State = State.OK
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Something to try; `needs` names those before it without which it would say nothing."""

    what: str
    run: Callable[[], Said]
    remedy: str
    needs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A trial's end."""

    what: str
    said: Said
    milliseconds: int


@dataclass(slots=True)
class Trials:
    """Trials in their order; each is tried though others failed."""

    states: dict[str, State] = field(default_factory=dict)

    def run(self, trials: Sequence[Trial]) -> Iterator[Line]:
        """Try each, and tell at once."""
        for trial in trials:
            started = monotonic()
            said = self._missing(trial) or _tried(trial)
            self.states[trial.what] = said.state
            took = round((monotonic() - started) * 1000)
            yield Line(what=trial.what, said=said, milliseconds=took)

    def _missing(self, trial: Trial) -> Said | None:
        for name in trial.needs:
            if self.states[name] not in (State.OK, State.WARNED):
                return not_tried(f"{name}: {self.states[name]}")
        return None


def _tried(trial: Trial) -> Said:
    try:
        return trial.run()
    except KalenderError as error:
        return failed(str(error), trial.remedy)
    except (SQLAlchemyError, ImportError) as error:  # the text may quote the URL
        return failed(type(error).__name__, trial.remedy)


def ok(text: str) -> Said:
    """Say that it holds."""
    return Said(text=text)


def warned(text: str, remedy: str) -> Said:
    """Say what does not hinder, yet is to be looked at."""
    return Said(state=State.WARNED, text=text, remedy=remedy)


def not_tried(text: str) -> Said:
    """Say why nothing was tried."""
    return Said(state=State.NOT_TRIED, text=text)


def failed(text: str, remedy: str) -> Said:
    """Say what does not hold."""
    return Said(state=State.FAILED, text=text, remedy=remedy)
