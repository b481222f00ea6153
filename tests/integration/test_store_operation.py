"""What operators go by: since when, how much, and what they paused; on both databases."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from kalender.domain.work import Kind, Lane, Mark
from kalender.neighbours import breaker
from kalender.store import counters, people, queue
from kalender.store.database import Database, database_time
from kalender.store.tables import dirty as work
from kalender.store.tables import tally
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration
LEASE = timedelta(seconds=60)


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


def claimed(
    database: Database, *, not_bulk: bool = False, makes_room: bool = False
) -> list[queue.Claim]:
    with database.write() as connection:
        return queue.claim(
            connection,
            list(Kind),
            worker="w",
            lease=LEASE,
            limit=9,
            not_bulk=not_bulk,
            makes_room=makes_room,
        )


def mark(database: Database, *marks: Mark) -> None:
    with database.write() as connection:
        queue.mark(connection, marks)


# -- since when -------------------------------------------------------------------------------------


def test_work_waits_since_the_oldest_of_its_causes(database: Database) -> None:
    told = database.now()
    earlier = told - timedelta(minutes=5)
    each = Mark(kind=Kind.CALENDAR, key="1", reason="test")
    mark(database, each)
    mark(database, Mark(kind=Kind.CALENDAR, key="1", reason="test", since=earlier))
    mark(database, each)
    (mine,) = claimed(database)
    assert abs(mine.since - earlier) < timedelta(milliseconds=2)


def test_work_for_a_later_day_waits_since_that_day(database: Database) -> None:
    due = database.now() + timedelta(days=1)
    mark(database, Mark(kind=Kind.CALENDAR, key="1", reason="test", due_at=due))
    with database.read() as connection:
        first = connection.execute(select(work.c.first_marked_at)).scalar_one()
    assert abs(first - due) < timedelta(milliseconds=2)


def test_what_was_marked_while_it_was_done_waits_since_then(database: Database) -> None:
    old = database.now() - timedelta(hours=1)
    mark(database, Mark(kind=Kind.CALENDAR, key="1", reason="test", since=old))
    (mine,) = claimed(database)
    mark(database, Mark(kind=Kind.CALENDAR, key="1", reason="test"))
    with database.write() as connection:
        assert not queue.finish(connection, mine)
    (again,) = claimed(database)
    assert again.since > old + timedelta(minutes=50)


# -- counts -----------------------------------------------------------------------------------------


def test_counts_of_several_processes_add_up(
    open_database: Callable[[], Database], database: Database
) -> None:
    processes = database, open_database()
    for process in processes:
        process.counts.add("requests", "fs", "ok", value=2)
        process.counts.time("request", "fs", seconds=0.07)
        counters.give(process)
    counters.give(database)
    with database.read() as connection:
        found = counters.totals(connection)
    assert found["requests", "fs ok"] == 4
    assert found["request_seconds", "fs"] == pytest.approx(0.14)
    assert ("request_bucket", "fs 0.05") not in found
    assert found["request_bucket", "fs 0.1"] == found["request_bucket", "fs inf"] == 2


def test_folding_keeps_every_total(database: Database) -> None:
    for hours in (60, 50, 0, 0):
        database.counts.add("messages", "queue")
        counters.give(database)
        with database.write() as connection:
            (hour,) = connection.execute(select(func.max(tally.c.hour))).one()
            age = timedelta(hours=hours)
            connection.execute(update(tally).where(tally.c.hour == hour).values(hour=hour - age))
    for _ in range(2):
        with database.write() as connection:
            counters.fold(connection)
    with database.read() as connection:
        assert counters.totals(connection) == {("messages", "queue"): 4}
        assert counters.totals(connection, within=timedelta(hours=2)) == {("messages", "queue"): 2}
        assert connection.execute(select(func.count()).select_from(tally)).scalar_one() == 2


def test_counts_are_kept_while_the_database_is_away(database: Database) -> None:
    database.counts.add("messages", "queue")
    with database.write() as connection:
        tally.drop(connection)
    with pytest.raises(Exception, match="tally"):
        counters.give(database)
    assert database.counts.take() == {("messages", "queue"): 1}


def test_marks_of_a_transaction_that_is_rolled_back_are_not_counted(database: Database) -> None:
    marked = Mark(kind=Kind.CALENDAR, key="1", reason="test")
    with suppress(InterruptedError), database.write() as connection:
        queue.mark(connection, [marked])
        raise InterruptedError
    assert database.counts.take() == {}
    mark(database, marked)
    assert database.counts.take() == {("adds", "calendar"): 1}


def test_a_dry_run_of_a_resync_counts_no_marks(database: Database) -> None:
    house = House(database)
    house.enrol(1)
    house.teach(event(1))
    assert house.settle() == []
    database.counts.take()
    found = house.resync(dry_run=True)
    assert found.courses == 1
    assert [name for name, _ in database.counts.take() if name == "adds"] == []
    house.resync()
    assert ("adds", "course") in database.counts.take()


# -- pauses by hand and protection --------------------------------------------------------------------


def test_an_operators_pause_shuts_a_neighbour_until_its_end(database: Database) -> None:
    with database.write() as connection:
        moment = database_time(connection)
        breaker.hold(connection, "fs", until=moment + timedelta(minutes=1), reason="patch", by="op")
    with database.write() as connection:
        assert breaker.is_shut(connection, breaker.lock(connection, "fs"))
        breaker.hold(connection, "fs", until=moment, reason="patch", by="op")
        assert not breaker.is_shut(connection, breaker.lock(connection, "fs"))


def test_while_bulk_work_is_paused_only_the_rest_is_claimed(database: Database) -> None:
    mark(
        database,
        *(Mark(kind=Kind.CALENDAR, key=str(int(lane)), reason="t", lane=lane) for lane in Lane),
    )
    assert [each.lane for each in claimed(database, not_bulk=True)] == [
        Lane.PROTECT,
        Lane.LIVE,
        Lane.ASKED,
    ]
    assert [each.lane for each in claimed(database)] == [Lane.FILL, Lane.RESYNC, Lane.VERIFY]


# -- bulk work makes room for urgent work -----------------------------------------------------------


def fill_beside(database: Database, lane: Lane, *, due_in: float) -> list[queue.Claim]:
    """Return what is claimed first where a fill is due, and work of this lane so many seconds from now."""
    due_at = database.now() + timedelta(seconds=due_in)
    mark(
        database,
        Mark(kind=Kind.CALENDAR, key="1", reason="t", lane=Lane.FILL),
        Mark(kind=Kind.COURSE, key="A 25h", reason="t", lane=lane, due_at=due_at),
    )
    return claimed(database, makes_room=True)


def lanes(claims: list[queue.Claim]) -> list[Lane]:
    return [each.lane for each in claims]


@pytest.mark.parametrize("lane", [Lane.PROTECT, Lane.LIVE, Lane.ASKED])
def test_no_fill_is_begun_while_urgent_work_is_about_to_be_due(
    database: Database, lane: Lane
) -> None:
    assert Lane.FILL not in lanes(fill_beside(database, lane, due_in=queue.ROOM_BEFORE * 0.9))


@pytest.mark.parametrize("lane", [Lane.PROTECT, Lane.LIVE, Lane.ASKED])
def test_no_fill_is_begun_until_urgent_work_that_just_came_to_be_due_is_done(
    database: Database, lane: Lane
) -> None:
    under_way = fill_beside(database, lane, due_in=0.0)
    assert lanes(under_way) == [lane]
    assert not claimed(database, makes_room=True)
    with database.write() as connection:
        queue.finish_all(connection, under_way)
    assert lanes(claimed(database, makes_room=True)) == [Lane.FILL]


@pytest.mark.parametrize(
    ("due_in", "first"),
    [(queue.ROOM_BEFORE + 60, [Lane.FILL]), (-queue.ROOM_AFTER - 60, [Lane.LIVE, Lane.FILL])],
)
def test_urgent_work_of_another_time_holds_no_fill_up(
    database: Database, due_in: float, first: list[Lane]
) -> None:
    assert lanes(fill_beside(database, Lane.LIVE, due_in=due_in)) == first


def test_urgent_work_whose_neighbour_is_away_holds_no_fill_up(database: Database) -> None:
    calendars = [Kind.CALENDAR]  # TP is away
    mark(
        database,
        Mark(kind=Kind.CALENDAR, key="1", reason="t", lane=Lane.FILL),
        Mark(kind=Kind.COURSE, key="A 25h", reason="t", lane=Lane.LIVE),
    )
    with database.write() as connection:
        assert queue.claim(connection, calendars, worker="w", lease=LEASE, makes_room=True)


def test_protection_outlasts_the_end_of_an_opt_out(database: Database) -> None:
    with database.write() as connection:
        person = people.ensure(connection, people.FS, "1")
        people.wish(connection, person, {people.PROTECT, people.OPT_OUT}, "test")
        people.take_wish_back(connection, person)
        assert people.wishes_of(connection, person)
        people.take_wish_back(connection, person, protection=True)
        assert not people.wishes_of(connection, person)
