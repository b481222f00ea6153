"""Notification in, mark out, acknowledged: nothing is asked, nothing of a message is believed.

Commit, then one acknowledgement. A crash between the two gives the messages again, and marks
coalesce. While the database is away the batch is kept; it is never refused and never dropped.
"""

import json
import os
import random
import select
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from functools import lru_cache
from operator import attrgetter
from threading import Event

import structlog

from kalender.domain.notification import Pattern, parse
from kalender.domain.work import Mark
from kalender.errors import NeighbourError, NotificationError
from kalender.liveness import Liveness
from kalender.ports import Batch, Deliveries, Delivery, MarkKeeper, Rejected
from kalender.store.database import Counts

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
POLL_SECONDS = 0.2  # how soon a stop is seen
CHUNK = 65_536

log = structlog.get_logger(__name__)

Read = tuple[list[Mark], list[Rejected]]


@dataclass(frozen=True, slots=True)
class Listener:
    """What turns messages into marks; `keep` writes them in one transaction."""

    keep: MarkKeeper
    patterns: Sequence[Pattern]
    clock: Callable[[], datetime]
    jitter: Callable[[], float] = field(default=random.random, kw_only=True)
    liveness: Liveness = field(default_factory=Liveness, kw_only=True)
    counts: Counts = field(default_factory=Counts, kw_only=True)

    def listen(self, deliveries: Deliveries, stop: Event) -> None:
        """Take batch after batch until stopped; what is in hand is then kept and acknowledged."""
        for batch in deliveries.batches(stop):
            self.liveness.turn()
            self._take(batch)

    def listen_stdin(self, lines: Iterable[str], stop: Event) -> None:
        """Take one JSON object a line, `routing_key` and `body` (a string, or JSON itself)."""
        for line in lines:
            if line.strip():
                raw, routing_key = line.strip(), ""
                try:
                    message = json.loads(line)
                    if isinstance(message, dict) and "body" in message:
                        body, routing_key = message["body"], str(message.get("routing_key", ""))
                        raw = body if isinstance(body, str) else json.dumps(body)
                except (ValueError, RecursionError):
                    pass  # read as a message itself, and rejected with the reason
                delivery = Delivery("stdin", routing_key, raw.encode(errors="replace"))
                self._take(StdinBatch(deliveries=(delivery,), stop=stop))
            if stop.is_set():
                return

    def _take(self, batch: Batch) -> None:
        started = time.monotonic()
        failures = 0
        messages = len(batch.deliveries)
        result: Read | None = None
        while result is None:
            try:
                result = self._keep_together(batch.deliveries)
            except NeighbourError as error:  # the database is away
                log.warning("database_away", messages=messages, error=str(error))
                self.liveness.turn()
                wait = min(FIRST_WAIT * 2 ** min(failures, 10), LONGEST_WAIT)
                failures += 1
                if not batch.wait(wait * (1 + self.jitter()) / 2):
                    # nothing is nacked: what is not acknowledged the broker delivers again
                    log.warning("batch_given_back", messages=messages, failures=failures)
                    return
        batch.acknowledge()
        marks, rejected_messages = result
        for queue, count in Counter(delivery.queue for delivery in batch.deliveries).items():
            self.counts.add("messages", queue, value=count)
        for queue, count in Counter(message.queue for message in rejected_messages).items():
            self.counts.add("rejected", queue, value=count)
        log.info(
            "batch",
            messages=messages,
            marked=len(set(map(attrgetter("key"), marks))),
            rejected=len(rejected_messages),
            milliseconds=round((time.monotonic() - started) * 1000),
        )

    def _keep_together(self, deliveries: Sequence[Delivery]) -> Read:
        """Keep what was read in one transaction; a message that cannot be kept is rejected.

        Which one that is shows when the halves are kept apart.
        """
        marks, rejected_messages = self._read(deliveries)
        try:
            self.keep(marks, rejected_messages)
        except NeighbourError:
            raise
        except Exception as error:  # noqa: BLE001  # one message must not stop all others for ever
            if len(deliveries) == 1:
                marks, rejected_messages = [], [_rejected(deliveries[0], type(error).__name__)]
                self.keep(marks, rejected_messages)
            else:
                half = len(deliveries) // 2
                first = self._keep_together(deliveries[:half])
                second = self._keep_together(deliveries[half:])
                marks, rejected_messages = first[0] + second[0], first[1] + second[1]
        return marks, rejected_messages

    def _read(self, deliveries: Sequence[Delivery]) -> Read:
        marks: list[Mark] = []
        rejected_messages: list[Rejected] = []
        now = self.clock()
        patterns = {
            queue: [pattern for pattern in self.patterns if fnmatchcase(queue, pattern.queue)]
            for queue in {delivery.queue for delivery in deliveries}
        }
        for delivery in deliveries:
            try:
                queue, key, body, _ = delivery
                reason = f"notification {_text(key)}".strip()
                marks += parse(body, key, patterns[queue], now=now, reason=reason)
            except NotificationError as error:
                rejected_messages.append(_rejected(delivery, str(error)))
            except Exception as error:  # noqa: BLE001  # kept for somebody to look at, like these
                rejected_messages.append(_rejected(delivery, type(error).__name__))
        return marks, rejected_messages

    def replay(self, delivery: Delivery) -> bool:
        """Read a kept message again and keep its marks; False where it still cannot be read."""
        marks, rejected_messages = self._read([delivery])
        if rejected_messages:
            return False
        self.keep(marks, [])
        return True


def lines_of(descriptor: int, stop: Event) -> Iterator[str]:
    """Give the lines that arrive at a file descriptor until its end, or until stopped.

    A plain read would wait for the next line before it saw that it shall stop. What is no UTF-8
    becomes U+FFFD; a last line without an end counts.
    """
    unfinished = b""
    while not stop.is_set():
        ready, _, _ = select.select([descriptor], [], [], POLL_SECONDS)
        if not ready:
            continue
        arrived = os.read(descriptor, CHUNK)
        *whole, unfinished = (unfinished + arrived).split(b"\n")
        if not arrived and unfinished:
            whole, unfinished = [unfinished], b""
        for line in whole:
            yield line.decode(errors="replace")
        if not arrived:
            return


@dataclass(frozen=True, slots=True, kw_only=True)
class StdinBatch:
    """A line of standard input as a batch: there is nobody to acknowledge it to."""

    deliveries: Sequence[Delivery]
    stop: Event

    def acknowledge(self) -> None:
        """Do nothing."""

    def wait(self, seconds: float) -> bool:
        """Wait, unless we shall stop."""
        return not self.stop.wait(seconds)


def _rejected(delivery: Delivery, reason: str) -> Rejected:
    return Rejected(
        queue=delivery.queue,
        routing_key=_text(delivery.routing_key),
        body=delivery.body,
        reason=reason,
    )


@lru_cache
def _text(routing_key: str) -> str:
    """Leave out what no database takes as text, such as NUL."""
    if routing_key.isprintable():
        return routing_key
    return "".join(character for character in routing_key if character.isprintable())
