import json
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Event, Thread

import pytest

from kalender.domain.notification import USUAL, Pattern
from kalender.domain.work import Kind, Mark
from kalender.errors import NeighbourUnavailable
from kalender.listener import Listener, lines_of
from kalender.ports import Batch, Delivery, Rejected

NOW = datetime(2025, 8, 18, tzinfo=UTC)


@dataclass
class Memory:
    """A store that is away for the first `refusals` calls, and takes no mark of `poison`."""

    refusals: int = 0
    poison: str | None = None
    marks: list[Mark] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    transactions: int = 0

    def __call__(self, marks: Sequence[Mark], rejected: Sequence[Rejected], /) -> None:
        if self.refusals:
            self.refusals -= 1
            name = "database"
            raise NeighbourUnavailable(name, "away")
        if self.poison in {mark.key for mark in marks} | {each.reason for each in rejected}:
            raise UnicodeError
        self.transactions += 1
        self.marks += marks
        self.rejected += rejected

    @property
    def keys(self) -> list[str]:
        return [mark.key for mark in self.marks]


@dataclass
class Hand:
    """Some messages; the broker is gone after `patience` waits."""

    deliveries: Sequence[Delivery]
    patience: int = 100
    acknowledged: bool = False
    waits: list[float] = field(default_factory=list)

    def acknowledge(self) -> None:
        self.acknowledged = True

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return len(self.waits) < self.patience

    def batches(self, _stop: Event) -> Iterator[Batch]:
        yield self


def a_delivery(sub: str = "personer/1", queue: str = "from_fs", **more: object) -> Delivery:
    body = json.dumps({"sub": sub, **more}).encode()
    return Delivery(queue=queue, routing_key="no.uio.fs.FS-prod.personer.update", body=body)


def a_listener(memory: Memory, *patterns: Pattern) -> Listener:
    return Listener(memory, (*patterns, *USUAL), lambda: NOW, jitter=lambda: 1)


def taken(memory: Memory, *deliveries: Delivery, patience: int = 100) -> Hand:
    hand = Hand(deliveries, patience)
    a_listener(memory).listen(hand, Event())
    return hand


def test_a_batch_is_one_transaction_and_then_acknowledged() -> None:
    memory = Memory()
    hand = taken(memory, a_delivery(), a_delivery("vurdering/7"), a_delivery("course/IN1000,25h"))
    assert hand.acknowledged
    assert memory.transactions == 1
    assert memory.keys == ["fs 1", "IN1000 25h"]
    assert [mark.kind for mark in memory.marks] == [Kind.PERSON, Kind.COURSE]
    assert [each.reason for each in memory.rejected] == ["not a resource that concerns calendars"]


def test_a_mark_says_what_caused_it_and_when_it_is_due() -> None:
    memory = Memory()
    taken(memory, a_delivery(gyldigEtter="2025-09-01"))
    mark = memory.marks[0]
    assert mark.reason == "notification no.uio.fs.FS-prod.personer.update"
    assert mark.due_at == datetime(2025, 9, 1, tzinfo=UTC)


def test_while_the_database_is_away_the_waits_grow_to_half_a_minute() -> None:
    memory = Memory(refusals=9)
    hand = taken(memory, a_delivery())
    assert hand.waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert hand.acknowledged
    assert memory.keys == ["fs 1"]


def test_a_batch_that_is_given_back_is_not_acknowledged() -> None:
    memory = Memory(refusals=9)
    assert not taken(memory, a_delivery(), patience=3).acknowledged
    assert memory.keys == []


def test_a_message_that_breaks_the_reading_is_rejected_alone() -> None:
    memory = Memory()
    broken = Delivery(queue="from_fs", routing_key="x", body=None)  # type: ignore[arg-type]  # a bug
    hand = taken(memory, a_delivery(), broken, a_delivery("personer/2"))
    assert memory.keys == ["fs 1", "fs 2"]
    assert [each.reason for each in memory.rejected] == ["TypeError"]
    assert hand.acknowledged


def test_a_message_that_breaks_the_store_is_found_and_rejected_alone() -> None:
    memory = Memory(poison="fs 5")
    hand = taken(memory, *(a_delivery(f"personer/{number}") for number in range(16)))
    assert memory.keys == [f"fs {number}" for number in range(16) if number != 5]
    assert [each.reason for each in memory.rejected] == ["UnicodeError"]
    assert hand.acknowledged


def test_a_store_that_takes_nothing_ends_the_listener_unacknowledged() -> None:
    hand = Hand([a_delivery()])

    def nothing(marks: Sequence[Mark], rejected: Sequence[Rejected], /) -> None:
        raise UnicodeError(len(marks) + len(rejected))

    with pytest.raises(UnicodeError):
        Listener(nothing, USUAL, lambda: NOW).listen(hand, Event())
    assert not hand.acknowledged


def test_a_pattern_holds_for_its_queues_alone() -> None:
    memory = Memory()
    pattern = Pattern(queue="from_*_tp", subject=re.compile("^emne/(?P<course>.+)$"))
    fs, tp = a_delivery("emne/A", "from_test_fs"), a_delivery("emne/B", "from_test_tp")
    a_listener(memory, pattern).listen(Hand([fs, tp]), Event())
    assert memory.keys == ["B *"]
    assert [each.queue for each in memory.rejected] == ["from_test_fs"]


def test_a_routing_key_holds_nothing_a_database_refuses() -> None:
    memory = Memory()
    body = b'{"sub":"personer/1"}'
    taken(memory, Delivery(queue="q", routing_key="no\0.fs\n", body=body))
    taken(memory, Delivery(queue="q", routing_key="no\0", body=b"?"))
    assert memory.marks[0].reason == "notification no.fs"
    assert memory.rejected[0].routing_key == "no"


# -- standard input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        '{"routing_key": "x", "body": "{\\"sub\\": \\"personer/1\\"}"}',
        '{"routing_key": "x", "body": {"sub": "personer/1"}}',
        '{"body": {"sub": "personer/1"}}',
        '{"body": "personer/1"}',
        '{"sub": "personer/1"}',
        "personer/1",
    ],
)
def test_a_line_is_a_message(line: str) -> None:
    memory = Memory()
    a_listener(memory).listen_stdin(["\n", line + "\n"], Event())
    assert memory.keys == ["fs 1"]


@pytest.mark.parametrize("line", ["?", "{", "[" * 50000, '{"body": null}', '{"body": "\\ud800"}'])
def test_a_line_that_names_nothing_is_rejected(line: str) -> None:
    memory = Memory()
    a_listener(memory).listen_stdin([line, "personer/2"], Event())
    assert [each.queue for each in memory.rejected] == ["stdin"]
    assert memory.keys == ["fs 2"]


def test_lines_wait_for_the_database_and_stop_when_told() -> None:
    memory = Memory(refusals=1)
    a_listener(memory).listen_stdin(["personer/1"], Event())
    assert memory.keys == ["fs 1"]
    stop = Event()
    stop.set()
    a_listener(memory).listen_stdin(["personer/2", "personer/3"], stop)
    assert memory.keys == ["fs 1", "fs 2"]


def test_lines_are_given_as_they_arrive_and_the_last_needs_no_end() -> None:
    reading, writing = os.pipe()
    lines = lines_of(reading, Event())
    os.write(writing, b"one\ntw")
    assert next(lines) == "one"
    os.write(writing, "o ø\n\xff".encode("latin-1"))
    assert next(lines) == "two \ufffd"
    os.close(writing)
    assert list(lines) == ["\ufffd"]
    os.close(reading)


def test_who_waits_for_a_line_stops_when_told_to() -> None:
    reading, writing = os.pipe()
    stop = Event()
    found: list[str] = []
    waiting = Thread(target=lambda: found.extend(lines_of(reading, stop)))
    waiting.start()
    stop.set()
    waiting.join(10)
    assert not waiting.is_alive()
    assert found == []
    os.close(writing)
    os.close(reading)
