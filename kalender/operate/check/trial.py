"""One thing tried: what came of it, how long it took, and what to do about it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from time import monotonic

from sqlalchemy.exc import SQLAlchemyError

from kalender.errors import KalenderError


class TrialState(StrEnum):
    """How a trial ended; only FAILED keeps the whole from holding."""

    OK = "ok"
    WARNED = "warned"
    NOT_TRIED = "not tried"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOutcome:
    """How a trial ended, in words for people; `remedy` where something is to be done."""

    state: TrialState = TrialState.OK
    text: str
    remedy: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """Something to try, and what to do where it fails.

    `needs` names the earlier trials without which this one would say nothing.
    """

    name: str
    run: Callable[[], TrialOutcome]
    remedy: str
    needs: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResult:
    """The outcome of a trial, and how long it took."""

    name: str
    outcome: TrialOutcome
    milliseconds: int


@dataclass(slots=True)
class Trials:
    """Trials in their order; each is tried though others failed."""

    states: dict[str, TrialState] = field(default_factory=dict)

    def run(self, trials: Sequence[Trial]) -> Iterator[TrialResult]:
        """Run the trials, and give each one's line at once."""
        for trial in trials:
            started = monotonic()
            outcome = self._outcome(trial)
            self.states[trial.name] = outcome.state
            milliseconds = round((monotonic() - started) * 1000)
            yield TrialResult(name=trial.name, outcome=outcome, milliseconds=milliseconds)

    def _outcome(self, trial: Trial) -> TrialOutcome:
        """Run one trial; an error is its outcome. It is not run where a trial it needs failed."""
        for name in trial.needs:
            if self.states[name] not in (TrialState.OK, TrialState.WARNED):
                return not_tried(f"{name}: {self.states[name]}")
        try:
            return trial.run()
        except KalenderError as error:
            return failed(str(error), trial.remedy)
        except (SQLAlchemyError, ImportError) as error:  # the text may quote the URL
            return failed(type(error).__name__, trial.remedy)


def ok(text: str) -> TrialOutcome:
    """Say that it holds."""
    return TrialOutcome(text=text)


def warned(text: str, remedy: str) -> TrialOutcome:
    """Say what does not hinder, yet is to be looked at."""
    return TrialOutcome(state=TrialState.WARNED, text=text, remedy=remedy)


def not_tried(text: str) -> TrialOutcome:
    """Say why nothing was tried."""
    return TrialOutcome(state=TrialState.NOT_TRIED, text=text)


def failed(text: str, remedy: str) -> TrialOutcome:
    """Say what does not hold."""
    return TrialOutcome(state=TrialState.FAILED, text=text, remedy=remedy)
