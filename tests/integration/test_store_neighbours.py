import json
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from threading import Event, Lock
from time import monotonic

import pytest
from sqlalchemy import Connection, insert, select, text, update

from kalender.domain.work import Kind
from kalender.errors import NeighbourShut, NeighbourUnavailable
from kalender.neighbours import breaker, credentials
from kalender.neighbours.breaker import Share
from kalender.neighbours.credentials import CredentialState, digest
from kalender.neighbours.limiter import Limiters, NeighbourLimits
from kalender.store.database import Database
from kalender.store.sql import db_now
from kalender.store.tables import neighbour
from tests.fakes.house import gates_for


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as connection:
        yield connection


def fail(connection: Connection, *keys: str, **fields: timedelta) -> None:
    for key in keys:
        breaker.failed(connection, "tp", key=key, error="x", **fields)


def looked(connection: Connection) -> tuple[bool, bool]:
    """Whether TP failed lately, and whether another worker may not ask it."""
    failed_lately, shut = gates_for(Database("sqlite:///never-opened.db")).look(connection)
    return "tp" in failed_lately, "tp" in shut


def shut(connection: Connection) -> bool:
    return looked(connection)[1]


def paused_for(connection: Connection) -> float:
    row = breaker.lock(connection, "tp")
    assert row.paused_until is not None
    return (row.paused_until - row.db_time).total_seconds()


def pause_is_over(connection: Connection) -> None:
    connection.execute(update(neighbour).values(paused_until=db_now(-1.0)))


def test_who_never_failed_is_open(connection: Connection) -> None:
    assert looked(connection) == (False, False)


def test_several_keys_in_a_row_pause_it_and_one_key_does_not(connection: Connection) -> None:
    fail(connection, "a", "a", "a", "b")
    assert looked(connection) == (True, False)
    fail(connection, "c")
    assert looked(connection) == (True, True)


def test_an_answer_ends_it_all(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    breaker.answered(connection, "tp")
    assert looked(connection) == (False, False)
    fail(connection, "d", "e")
    assert not shut(connection)


def test_a_pause_grows_to_a_minute(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    assert 5 < paused_for(connection) <= 8
    fail(connection, *"defgh")
    assert 55 < paused_for(connection) <= 60


def test_its_own_word_on_when_counts_at_once(connection: Connection) -> None:
    fail(connection, "a", retry_after=timedelta(seconds=90))
    assert shut(connection)
    assert 85 < paused_for(connection) <= 90


def test_after_a_pause_one_at_a_time_may_try(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    pause_is_over(connection)
    assert not shut(connection)
    assert shut(connection)
    fail(connection, "d")
    pause_is_over(connection)
    assert not shut(connection)
    connection.execute(update(neighbour).values(probe_until=db_now(-1.0)))
    assert not shut(connection)


def test_a_probe_that_found_nothing_to_do_makes_room(connection: Connection) -> None:
    fail(connection, "a", "b", "c")
    pause_is_over(connection)
    assert not shut(connection)
    breaker.no_probe(connection, ["tp"])
    assert not shut(connection)


def test_a_word_on_when_counts_up_to_a_quarter_of_an_hour(connection: Connection) -> None:
    fail(connection, "a", retry_after=timedelta(hours=1))
    assert 14 * 60 < paused_for(connection) <= 15 * 60


def ask_to_wait(connection: Connection, seconds: float) -> None:
    breaker.asked_to_wait(connection, "tp", wait=timedelta(seconds=seconds), error="429")


def test_who_is_asked_to_wait_waits_exactly_so_long_whatever_failed_before(
    connection: Connection,
) -> None:
    fail(connection, *"abcdefgh")
    ask_to_wait(connection, 9)
    assert shut(connection)
    assert 8 < paused_for(connection) <= 9
    ask_to_wait(connection, 3)  # said to another at the same time
    assert 8 < paused_for(connection) <= 9
    fail(connection, "a", "b")  # under way already: it adds nothing to the pause
    assert 8 < paused_for(connection) <= 9


def test_what_was_asked_of_all_stands_though_one_is_answered(connection: Connection) -> None:
    ask_to_wait(connection, 9)
    breaker.answered(connection, "tp")
    assert shut(connection)


def test_after_the_time_that_was_asked_for_all_may_ask_at_once(connection: Connection) -> None:
    ask_to_wait(connection, 9)
    pause_is_over(connection)
    assert [shut(connection) for _ in range(3)] == [False] * 3
    breaker.answered(connection, "tp")
    assert looked(connection) == (False, False)


def test_a_request_of_a_visit_under_way_waits_as_well(database: Database) -> None:
    limiter = gates_for(database)["tp"]
    with limiter():
        pass
    with database.write() as connection:
        ask_to_wait(connection, 60)
    limiter.invalidate()
    assert limiter.reserve()
    with pytest.raises(NeighbourShut, match="it asked all to wait"), limiter():
        raise AssertionError
    limiter.free()


# -- credentials -----------------------------------------------------------------------------------


def state_of(connection: Connection, whose: str = "ours") -> CredentialState:
    return credentials.state_of(breaker.lock(connection, "tp"), whose)


def refuse(connection: Connection, *, took: float = 0.0, whose: str = "ours") -> None:
    row = breaker.lock(connection, "tp")
    credentials.refused(connection, row, whose, took=timedelta(seconds=took), error="401")


def authorise(connection: Connection, whose: str = "ours") -> None:
    credentials.authorised(connection, breaker.lock(connection, "tp"), whose)


def age(connection: Connection, seconds: float) -> None:
    """Let so much time pass since what is known of the credentials."""
    row = breaker.lock(connection, "tp")
    earlier = [
        (whose, (datetime.fromisoformat(at) - timedelta(seconds=seconds)).isoformat())
        for whose, at in json.loads(row.refused or "[]")
    ]
    at = row.authorised_at
    known = at - timedelta(seconds=seconds) if at is not None else None
    connection.execute(update(neighbour).values(refused=json.dumps(earlier), authorised_at=known))


def test_who_was_never_authorised_is_tried_by_one(connection: Connection) -> None:
    assert state_of(connection) == CredentialState(known=False)
    credentials.set_trial(connection, "tp", under_way=True)
    assert state_of(connection).tried
    assert shut(connection)
    credentials.set_trial(connection, "tp", under_way=False)
    assert state_of(connection) == CredentialState(known=False)


def test_who_was_authorised_lately_is_open_to_all_and_not_for_ever(connection: Connection) -> None:
    authorise(connection)
    assert state_of(connection).known
    age(connection, 29 * 60)
    assert state_of(connection).known
    credentials.still_authorised(connection, "tp", "ours")
    age(connection, 29 * 60)
    assert state_of(connection).known
    age(connection, 2 * 60)
    assert state_of(connection) == CredentialState(known=False)


def test_other_credentials_are_tried_at_once_and_change_nothing_for_the_first(
    connection: Connection,
) -> None:
    for _ in range(3):
        refuse(connection)
    assert state_of(connection).wait > timedelta(minutes=29)
    assert state_of(connection, "new") == CredentialState(known=False)
    authorise(connection, "new")
    assert state_of(connection, "new").known
    assert state_of(connection).wait > timedelta(minutes=29)


def test_three_refusals_in_half_an_hour_are_the_last(connection: Connection) -> None:
    authorise(connection)
    refuse(connection)
    assert state_of(connection).wait < timedelta(seconds=1)
    age(connection, 10)
    refuse(connection)
    assert timedelta(seconds=50) < state_of(connection).wait <= timedelta(minutes=1)
    age(connection, 60)
    refuse(connection)
    assert timedelta(minutes=28) < state_of(connection).wait < timedelta(minutes=29)
    text = connection.execute(select(neighbour.c.last_error)).scalar_one()
    assert "refused 3 times" in text


def test_what_was_under_way_already_is_no_refusal_more(connection: Connection) -> None:
    refuse(connection)
    for _ in range(20):
        refuse(connection, took=5.0)
    assert state_of(connection).wait < timedelta(seconds=1)


def test_one_good_answer_forgives_the_refusals_before(connection: Connection) -> None:
    for _ in range(2):
        refuse(connection)
        authorise(connection)
    refuse(connection)
    assert state_of(connection).wait < timedelta(seconds=1)


def test_a_digest_tells_credentials_apart_and_gives_nothing_away() -> None:
    ends = ("https://one", "https://two")
    told = [digest(end, name, word) for end in ends for name in ("a", "b") for word in ("x", "y")]
    assert len(set(told)) == len(told)
    assert digest("https://one", "a", "x") == told[0]
    assert digest("https://one", None, "x") != digest("https://one", "x", None)
    assert len(told[0]) == 16


# -- how many at once ------------------------------------------------------------------------------


def lease(connection: Connection, who: str, *, wants: int, busy: int = 0, most: int = 3) -> Share:
    row = breaker.lock(connection, "tp")
    return breaker.lease(connection, row, who, wants=wants, busy=busy, most=most)


def test_all_get_what_they_want_where_that_is_not_too_much(connection: Connection) -> None:
    assert lease(connection, "a", wants=2, most=8) == (2, 2)
    assert lease(connection, "b", wants=6, most=8) == (6, 6)
    assert lease(connection, "a", wants=2, most=8) == (2, 2)


def test_too_much_is_shared_as_requests_end_and_never_given_twice(connection: Connection) -> None:
    assert lease(connection, "a", wants=8) == (3, 3)
    assert lease(connection, "b", wants=8) == (0, 0)
    assert lease(connection, "a", wants=8, busy=3) == (1, 3)
    assert lease(connection, "b", wants=8) == (0, 0)
    assert lease(connection, "a", wants=8, busy=2) == (1, 2)
    assert lease(connection, "b", wants=8) == (1, 1)
    assert lease(connection, "a", wants=8) == (1, 1)
    assert lease(connection, "b", wants=8) == (2, 2)


def test_who_wants_little_gets_it_and_leaves_the_rest_to_others(connection: Connection) -> None:
    assert lease(connection, "a", wants=3, most=4) == (3, 3)
    assert lease(connection, "b", wants=3, most=4) == (1, 1)
    assert lease(connection, "a", wants=3, most=4) == (2, 2)
    assert lease(connection, "b", wants=3, most=4) == (2, 2)
    assert lease(connection, "c", wants=1, most=4) == (0, 0)
    assert lease(connection, "a", wants=3, most=4) == (1, 1)
    assert lease(connection, "c", wants=1, most=4) == (1, 1)
    assert lease(connection, "b", wants=3, most=4) == (2, 2)


def test_a_share_runs_out_or_is_given_up(connection: Connection) -> None:
    for who in "abc":
        lease(connection, who, wants=1)
    assert lease(connection, "d", wants=1) == (0, 0)
    breaker.give_up(connection, ["tp"], "b")
    assert lease(connection, "d", wants=1) == (1, 1)
    leases = json.loads(breaker.lock(connection, "tp").leases)
    leases["a"][2] = datetime.fromisoformat("2025-01-01T00:00+00:00").isoformat()
    connection.execute(update(neighbour).values(leases=json.dumps(leases)))
    assert lease(connection, "e", wants=1) == (1, 1)


# -- the database itself ---------------------------------------------------------------------------


def test_a_writing_transaction_begins_as_one_and_a_reading_one_does_not_wait(
    migrated_sqlite: str,
) -> None:
    database = Database(migrated_sqlite)
    other = sqlite3.connect(migrated_sqlite.removeprefix("sqlite:///"), timeout=0)
    with database.write(), pytest.raises(sqlite3.OperationalError, match="locked"):
        other.execute("BEGIN IMMEDIATE")
    with database.read():
        other.execute("BEGIN IMMEDIATE")
    other.close()
    database.close()


def test_sqlite_keeps_a_log_ahead_and_knows_foreign_keys(migrated_sqlite: str) -> None:
    database = Database(migrated_sqlite)
    with database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    database.close()


def test_a_database_that_is_away_is_a_neighbour_that_is_away(sqlite_url: str) -> None:
    for url in (f"{sqlite_url}/no/such", "postgresql+psycopg://x:secret@127.0.0.1:1/x"):
        database = Database(url)
        with pytest.raises(NeighbourUnavailable) as caught:
            database.now()
        assert "secret" not in str(caught.value)
        assert caught.value.neighbour == "database"
        database.close()


def test_an_exception_rolls_back(open_database: Callable[[], Database]) -> None:
    database = open_database()

    def die() -> None:
        with database.write() as connection:
            connection.execute(insert(neighbour).values(name="tp"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die()
    with database.read() as connection:
        assert connection.execute(select(neighbour)).all() == []


# -- rates -------------------------------------------------------------------------------------------


def test_permits_follow_one_another_whoever_acquires_them(connection: Connection) -> None:
    waits = [
        breaker.acquire_permits(connection, name, number=10, per_second=0.5).total_seconds()
        for name in ("tp", "tp", "fs")
    ]
    assert [round(wait) for wait in waits] == [0, 20, 0]


@pytest.mark.parametrize("seconds", [-60.0, 3600.0])
def test_permits_of_the_past_and_of_another_clock_hold_up_nobody(
    connection: Connection, seconds: float
) -> None:
    """As where the database's clock is set back by an hour."""
    breaker.lock(connection, "tp")
    connection.execute(update(neighbour).values(next_at=db_now(seconds)))
    assert breaker.acquire_permits(connection, "tp", number=1, per_second=1) == timedelta()


def test_no_more_requests_begin_in_a_second_than_all_may(database: Database) -> None:
    """Two processes of two threads each ask as fast as they can."""
    door = NeighbourLimits(
        name="tp", needed_by=Kind.COURSE, credentials="known", most=8, per_second=10
    )
    processes = [Limiters(database, [door], holder=name, wants=2) for name in ("one", "two")]
    begun: list[float] = []

    def ask(limiters: Limiters) -> None:
        for _ in range(5):
            with limiters["tp"]():
                begun.append(monotonic())

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, processes * 2))
    begun.sort()
    within = [sum(first <= each < first + 1 for each in begun) for first in begun]
    assert len(begun) == 20
    assert max(within) <= 12  # of which two may have been held up on their way


def test_a_rate_counts_the_requests_that_travel_together(database: Database) -> None:
    door = NeighbourLimits(
        name="tp", needed_by=Kind.COURSE, credentials="known", most=8, per_second=40
    )
    processes = [Limiters(database, [door], holder=name, wants=2) for name in ("one", "two")]
    begun: list[float] = []

    def ask(limiters: Limiters) -> None:
        for requests in (4, 1, 20, 3, 2):
            with limiters["tp"](requests=requests):
                begun.extend([monotonic()] * requests)

    started = monotonic()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, processes * 2))
    begun.sort()
    within = [sum(first <= each < first + 1 for each in begun) for first in begun]
    assert len(begun) == 120
    assert max(within) <= 40 + 20  # and one that travels whole
    assert begun[-1] - started >= 100 / 40  # the last twenty need not be over


# -- slots -------------------------------------------------------------------------------------------


def test_requests_that_take_several_slots_have_all_of_them_or_one(database: Database) -> None:
    """Two processes of three threads each: never more than four slots are taken, and none waits."""
    door = NeighbourLimits(name="tp", needed_by=Kind.COURSE, credentials="known", most=4, slots=4)
    processes = [Limiters(database, [door], holder=name, wants=3) for name in ("one", "two")]
    for limiters in processes * 2:  # each gets its part of the four
        limiters.invalidate()
        with database.write() as connection:
            limiters.look(connection)
    lock, taken, most, granted_slots = Lock(), 0, 0, set[int]()

    def ask(limiters: Limiters) -> None:
        nonlocal taken, most
        limiter = limiters["tp"]
        for _ in range(20):
            try:
                with limiter(slots=4) as granted:
                    with lock:
                        granted_slots.add(granted)
                        taken += granted
                        most = max(most, taken)
                    Event().wait(0.01)
                    with lock:
                        taken -= granted
            except NeighbourShut:
                Event().wait(0.01)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(ask, processes * 3))
    assert most <= 4
    assert granted_slots <= {1, 4}
    assert taken == 0
    with database.write() as connection:
        for limiters in processes:
            limiters.give_up(connection)
    alone = Limiters(database, [door], holder="three", wants=1)
    with alone["tp"](slots=4) as granted:
        assert granted == 4
