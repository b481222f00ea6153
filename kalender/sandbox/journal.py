"""What the sandbox was asked: a bounded log of requests, and counters."""

import base64
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST = 500_000


@dataclass(slots=True, kw_only=True)
class Entry:
    """One request to one neighbour, filled in while it is answered."""

    neighbour: str
    path: str
    operation: str = ""
    mailbox: str | None = None
    ids: list[str | int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    restricted: bool = False  # what was searched for can only be ours
    mark: str = ""  # the one other property or category to which a search is restricted
    items: int = 0
    status: int = 0
    code: str = ""
    n: int = 0
    at: float = 0.0
    prefix: str = ""

    def note(self, prefix: str, number: int) -> None:
        """Note an item; one of the same mailbox as the first costs no more than a number."""
        self.prefix = self.prefix or prefix
        self.ids.append(number if prefix == self.prefix else item_id(prefix, number))

    def shown(self) -> dict[str, object]:
        """Return the entry as JSON shows it."""
        row: dict[str, object] = {name: getattr(self, name) for name in self.__slots__}
        del row["prefix"]
        row["ids"] = [item_id(self.prefix, i) if isinstance(i, int) else i for i in self.ids]
        return row


class Journal:
    """The requests, oldest dropped first, and how many there were of each kind."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST)
        self._last = 0
        self.counters: Counter[str] = Counter()

    def open(self, entry: Entry, *, part: bool = False) -> None:
        """Keep the entry, under the next number; a part of a request is not counted as one."""
        self._last += 1
        entry.n, entry.at = self._last, time.time()
        self._entries.append(entry)
        if not part:
            self.counters[entry.neighbour] += 1
        if entry.operation:
            self.counters[f"{entry.neighbour}.{entry.operation}"] += 1

    def since(self, number: int) -> Iterator[dict[str, object]]:
        """Give the entries numbered above `number`, oldest first."""
        return (entry.shown() for entry in list(self._entries) if entry.n > number)

    def reset(self) -> None:
        """Forget entries and counters; the numbers go on."""
        self._entries.clear()
        self.counters.clear()


def item_id(prefix: str, number: int) -> str:
    """Write an item's id as Exchange does: 152 characters, the last eight its number."""
    return prefix + base64.urlsafe_b64encode(number.to_bytes(6, "big")).decode()
