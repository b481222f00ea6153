"""What goes wrong on demand: which request a fault takes, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

EVERYWHERE = frozenset({"status", "slow", "cut", "truncate", "garbage"})
KINDS = EVERYWHERE | {
    "process-then-drop",
    "drop-now-process-later",
    "busy",
    "fault",
    "item-error",
}
# Those that only Graph has.
KINDS |= {"process-then-status", "omit", "cut-within", "expired-token", "drip"}


@dataclass(slots=True, kw_only=True)
class Fault:
    """One fault: for whom, what, after how many requests and for how many (-1: for good)."""

    neighbour: str
    kind: str
    operation: str | None = None
    mailbox: str | None = None
    times: int = 1
    after: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, neighbour: str, operation: str, mailbox: str | None) -> bool:
        """Tell whether a request is of the kind that this fault takes."""
        return (
            self.times != 0
            and self.neighbour == neighbour
            and self.operation in {None, operation}
            and self.mailbox in {None, mailbox}
        )


class Faults:
    """The faults that are set, in the order they were set."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(self, told: Mapping[str, Any]) -> None:
        """Set a fault; a kind that is not known raises ValueError."""
        own = {k: told[k] for k in ("neighbour", "kind", "operation", "mailbox") if k in told}
        if own.get("kind") not in KINDS:
            message = f"no fault of kind {own.get('kind')}"
            raise ValueError(message)
        if own.get("mailbox"):
            own["mailbox"] = str(own["mailbox"]).lower()
        times, after = int(told.get("times", 1)), int(told.get("after", 0))
        self._faults.append(Fault(**own, times=times, after=after, more=told))

    def clear(self) -> None:
        """Take all faults away."""
        self._faults.clear()

    def take(
        self,
        neighbour: str,
        operation: str,
        mailbox: str | None,
        kinds: frozenset[str] = KINDS,
    ) -> Fault | None:
        """Return the fault of one of these kinds that takes this request, counting it."""
        for fault in self._faults:
            if fault.kind not in kinds or not fault.fits(neighbour, operation, mailbox):
                continue
            if fault.after > 0:
                fault.after -= 1
                continue
            fault.times -= 1
            return fault
        return None

    def shown(self) -> list[Mapping[str, Any]]:
        """Return the faults that are still to come."""
        return [{**f.more, "times": f.times, "after": f.after} for f in self._faults if f.times]
