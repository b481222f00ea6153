"""Marks and claims against a plain model of the transition table, on both real databases.

Time passes by moving all instants in the tables back. Steps are of 100 seconds and delays never
multiples of it, so that what is due is never a matter of the milliseconds a step takes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, select, update

from kalender.domain.work import Kind, Lane, Mark
from kalender.errors import ClaimLost
from kalender.store import queue
from kalender.store.database import Database, database_time
from kalender.store.queue import Claim
from kalender.store.tables import dirty as rows
from kalender.store.tables import due_later as later

STEP, LEASE = 100, 150
SOON = 20  # seconds a whole run may take without changing what is due
KEYS = [(Kind.CALENDAR, "1"), (Kind.CALENDAR, "2"), (Kind.COURSE, "A 25h"), (Kind.PERSON, "fs 1")]
DELAYS = st.sampled_from([30, 130, 330])
Key = tuple[Kind, str]


@dataclass
class Row:
    """What the model knows of one key that is not idle; instants in seconds since the start."""

    lane: Lane
    due: int
    generation: int = 1
    not_before: int | None = None
    attempts: int = 0
    parked: bool = False
    token: str | None = None
    until: int = 0

    def is_due(self, now: int) -> bool:
        begun = max(self.due, self.not_before or 0) <= now
        return begun and not self.parked and (self.token is None or self.until <= now)


@dataclass
class Model:
    """The transition table, as `kalender.store.queue` has it."""

    now: int = 0
    rows: dict[Key, Row] = field(default_factory=dict)
    later: set[tuple[Key, int]] = field(default_factory=set)
    owed: set[Key] = field(default_factory=set)  # marked since its work last began and ended well

    def mark(self, key: Key, lane: Lane, due: int) -> None:
        self.owed.add(key)
        known = self.rows.setdefault(key, Row(lane=lane, due=due, generation=0))
        if known.parked:
            known.lane, known.attempts, known.parked = lane, 0, False
        known.lane, known.due = min(known.lane, lane), min(known.due, due)
        known.generation += 1

    def free(self, claim: Claim) -> Row | None:
        """Take the claim off its row; None where it is not the claimer's any more."""
        row = self.rows.get((claim.kind, claim.key))
        if row is None or row.token != claim.token:
            return None
        row.token = None
        return row


class Marks(RuleBasedStateMachine):
    """Whatever claimers do, each key is as the table says."""

    claims = Bundle("claims")

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.database = database
        self.model = Model()
        with database.write() as connection:
            connection.execute(rows.delete())
            connection.execute(later.delete())

    # -- what may happen ---------------------------------------------------------------------------

    @rule(
        marks=st.lists(
            st.tuples(
                st.sampled_from(KEYS), st.sampled_from(Lane), st.sampled_from([None, 130, 230])
            ),
            min_size=1,
            max_size=6,
        ),
        settle=st.sampled_from([0, 30]),
    )
    def mark(self, marks: list[tuple[Key, Lane, int | None]], settle: int) -> None:
        now = self.model.now
        with self.database.write() as connection:
            real = database_time(connection)
            given = [
                Mark(
                    kind=key[0],
                    key=key[1],
                    reason="test",
                    lane=lane,
                    due_at=None if after is None else real + timedelta(seconds=after),
                )
                for key, lane, after in marks
            ]
            queue.mark(connection, given, settle=settle)
        self.model.later |= {(key, now + after) for key, _, after in marks if after is not None}
        for each in sorted({key for key, _, _ in marks}):
            lanes = min(lane for key, lane, _ in marks if key == each)
            due = min(settle if after is None else after for key, _, after in marks if key == each)
            at_once = any(after is None for key, _, after in marks if key == each)
            self.model.mark(each, lanes, now + (settle if at_once else due))

    @rule(
        target=claims,
        kinds=st.sampled_from([list(Kind), [Kind.CALENDAR], [Kind.COURSE, Kind.PERSON]]),
        limit=st.integers(1, 3),
        oldest=st.booleans(),
    )
    def claim(self, kinds: list[Kind], limit: int, oldest: bool) -> object:
        model = self.model
        with self.database.write() as connection:
            lease = timedelta(seconds=LEASE)
            got = queue.claim(
                connection, kinds, worker="w", lease=lease, limit=limit, oldest=oldest
            )
        free = {k: r for k, r in model.rows.items() if k[0] in kinds and r.is_due(model.now)}

        def rank(key: Key) -> tuple[int, bool, int]:
            later = key[0] is Kind.CALENDAR  # of one lane
            return (0, False, free[key].due) if oldest else (free[key].lane, later, free[key].due)

        order = [rank((each.kind, each.key)) for each in got]
        assert len(got) == min(limit, len(free))
        assert order == sorted(rank(key) for key in free)[: len(got)]
        for each in got:
            row = model.rows[each.kind, each.key]
            assert (each.generation, each.attempts) == (row.generation, row.attempts)
            row.token, row.until = each.token, model.now + LEASE
        return multiple(*got)

    @rule(claim=claims)
    def renew(self, claim: Claim) -> None:
        row = self.model.rows.get((claim.kind, claim.key))
        with self.as_told(ours=row is not None and row.token == claim.token) as connection:
            queue.renew(connection, claim, timedelta(seconds=LEASE))
        if row is not None and row.token == claim.token:
            row.until = self.model.now + LEASE

    @rule(claim=consumes(claims))
    def finish(self, claim: Claim) -> None:
        row = self.model.free(claim)
        idle = False
        with self.as_told(ours=row is not None) as connection:
            idle = queue.finish(connection, claim)
        if row is None:
            return
        assert idle == (row.generation == claim.generation)
        if idle:
            del self.model.rows[claim.kind, claim.key]
            self.model.owed.discard((claim.kind, claim.key))
        row.attempts, row.not_before = 0, None

    @rule(claim=consumes(claims), after=DELAYS)
    def retry(self, claim: Claim, after: int) -> None:
        row = self.model.free(claim)
        with self.as_told(ours=row is not None) as connection:
            queue.retry(connection, claim, after=timedelta(seconds=after), error="TestError")
        if row is not None:
            row.attempts, row.not_before = row.attempts + 1, self.model.now + after

    @rule(claim=consumes(claims), after=DELAYS)
    def postpone(self, claim: Claim, after: int) -> None:
        row = self.model.free(claim)
        with self.as_told(ours=row is not None) as connection:
            queue.postpone(connection, claim, after=timedelta(seconds=after), why=None)
        if row is not None:
            row.not_before = self.model.now + after

    @rule(claim=consumes(claims), after=DELAYS)
    def park(self, claim: Claim, after: int) -> None:
        row = self.model.free(claim)
        with self.as_told(ours=row is not None) as connection:
            queue.park(connection, claim, error="TestError", after=timedelta(seconds=after))
        if row is not None:
            row.attempts += 1
            row.parked = row.generation == claim.generation
            row.not_before = None if row.parked else self.model.now + after

    @rule(claim=consumes(claims))
    def release(self, claim: Claim) -> None:
        row = self.model.free(claim)
        with self.as_told(ours=row is not None) as connection:
            queue.release(connection, claim)

    @rule(claim=consumes(claims))
    def crash(self, claim: Claim) -> None:
        """The claimer forgets: nobody will speak of this claim again."""

    @rule(steps=st.integers(1, 4))
    def time_passes(self, steps: int) -> None:
        with self.database.write() as connection:
            _shift(connection, steps * STEP)
        self.model.now += steps * STEP

    @rule()
    def mark_what_is_due(self) -> None:
        come = {each for each in self.model.later if each[1] <= self.model.now}
        with self.database.write() as connection:
            assert bool(queue.mark_what_is_due(connection)) == bool(come)
        self.model.later -= come
        for key in {key for key, _ in come}:
            self.model.mark(key, Lane.LIVE, self.model.now)

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def the_table_holds(self) -> None:
        with self.database.read() as connection:
            real = database_time(connection)
            found = {(Kind(r.kind), r.key): r for r in connection.execute(select(rows))}
            due = {kind for kind in Kind if queue.is_due(connection, [kind])}
        model = self.model
        assert due == {key[0] for key, row in model.rows.items() if row.is_due(model.now)}
        assert found.keys() == self.model.rows.keys()
        assert found.keys() >= self.model.owed
        for key, row in self.model.rows.items():
            had = found[key]
            assert (had.generation, had.priority, had.attempts, had.claim_token) == (
                row.generation,
                row.lane,
                row.attempts,
                row.token,
            )
            assert (had.parked_at is not None) == row.parked
            assert (had.claimed_until is None) == (row.token is None)
            for instant, told in ((had.due_at, row.due), (had.not_before, row.not_before)):
                assert (instant is None) == (told is None)
                if instant is not None and told is not None:
                    ago = (real - instant).total_seconds() - (self.model.now - told)
                    assert -1 < ago < SOON

    def teardown(self) -> None:
        """Left alone, all work but the parked is done."""
        with self.database.write() as connection:
            _shift(connection, 100 * STEP)
            for claim in queue.claim(
                connection, list(Kind), worker="last", lease=timedelta(seconds=LEASE), limit=10
            ):
                assert queue.finish(connection, claim)
            left = {(Kind(r.kind), r.key) for r in connection.execute(select(rows))}
        assert left == {key for key, row in self.model.rows.items() if row.parked}

    @contextmanager
    def as_told(self, *, ours: bool) -> Iterator[Connection]:
        """A transaction that succeeds where the claim is ours, and loses it where it is not."""
        if ours:
            with self.database.write() as connection:
                yield connection
        else:
            with pytest.raises(ClaimLost), self.database.write() as connection:
                yield connection


def _shift(connection: Connection, seconds: int) -> None:
    for table, names in ((rows, ("due_at", "not_before", "claimed_until")), (later, ("due_at",))):
        keys = list(table.primary_key)
        for row in connection.execute(select(table)).all():
            moved = {
                name: getattr(row, name) - timedelta(seconds=seconds)
                for name in names
                if getattr(row, name) is not None
            }
            same = [column == getattr(row, column.name) for column in keys]
            connection.execute(update(table).where(*same).values(moved))


def test_the_transition_table_holds_whatever_claimers_do(
    open_database: Callable[[], Database],
) -> None:
    database = open_database()
    examples = settings(max_examples=settings().max_examples // 2, stateful_step_count=30)
    run_state_machine_as_test(lambda: Marks(database), settings=examples)  # type: ignore[arg-type]
