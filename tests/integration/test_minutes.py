"""How each minute went is recorded once, by one worker of several; gaps stay gaps. Both databases."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from kalender.config.sections import Retention
from kalender.domain.model import CourseAnswer, CourseKey
from kalender.domain.work import Cause, Kind, Lane, Mark
from kalender.operate.day import parts
from kalender.store import counters, minutes, queue
from kalender.store.database import Database
from kalender.store.minutes import Minute, record
from kalender.store.prune import prune
from kalender.store.sql import db_now
from kalender.store.tables import change_log, dirty, minute
from kalender.worker.periodic import run_periodic_tasks
from tests.fakes.house import MONDAY, House, crew_of, event
from tests.fault.installation import wait

pytestmark = pytest.mark.integration
ONE = timedelta(minutes=1)
KEPT = Retention()


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


def recorded(database: Database) -> list[Minute]:
    with database.read() as connection:
        now = database.now()
        return minutes.between(connection, now - timedelta(days=9), now)


def earlier(database: Database, seconds: float) -> None:
    """Let time pass: what was recorded, written and marked is so many seconds older."""
    shift = timedelta(seconds=seconds)
    with database.write() as connection:
        for row in connection.execute(select(minute.c.at, minute.c.lane)).all():
            is_row = (minute.c.at == row.at) & (minute.c.lane == row.lane)
            connection.execute(update(minute).where(is_row).values(at=row.at - shift))


def in_the_last_minute(database: Database) -> datetime:
    """Put all writes into the middle of the minute that is recorded next; return when it began."""
    at = (database.now() - minutes.SETTLED).replace(second=0, microsecond=0) - ONE
    written_at = at + timedelta(seconds=30)
    with database.write() as connection:
        times = {"at": written_at, "noticed_at": written_at - timedelta(seconds=4)}
        connection.execute(update(change_log).values(times))
    return at


def test_a_minute_holds_what_was_written_in_it_by_kind_of_work(database: Database) -> None:
    house = House(database)
    house.teach(event(1), event(2, starts=MONDAY + timedelta(days=2)))
    house.enrol(1)
    house.enrol(2)
    assert house.settle() == []
    key = CourseKey("IN1000", "25h")
    moved = (event(1), event(2, starts=MONDAY + timedelta(days=3)))
    house.timetables.answers[key] = CourseAnswer(key=key, published=True, events=moved)
    with database.write() as connection:
        queue.mark(connection, [Mark(Kind.COURSE, str(key), "test", lane=Lane.RESYNC)])
    assert house.settle() == []
    assert len(house.shown(1)) == 2
    at = in_the_last_minute(database)
    with database.write() as connection:
        counters.add(connection, {("messages", "q"): 7.0})
        marks = [
            Mark(Kind.COURSE, "a 25h", "test", cause=Cause.OTHER, lane=Lane.RESYNC),
            Mark(Kind.COURSE, "b 25h", "test", cause=Cause.OTHER, lane=Lane.VERIFY),
        ]
        queue.mark(connection, marks)
        connection.execute(update(dirty).values(due_at=db_now(-50.0)))
    assert record(database)
    rows = {row.lane: row for row in recorded(database)}
    assert {row.at for row in rows.values()} <= {at, at + ONE}
    if rows["fill"].at == at:
        written = {lane: (row.written, row.p50, row.p95) for lane, row in rows.items()}
        assert written["live"] == written["resync"] == (2, 4.0, 4.0)
        assert written["fill"] == (0, None, None)
    assert rows["live"].notifications is None  # nobody recorded the minute before
    assert 50 <= rows["resync"].oldest_seconds < 120
    assert rows["live"].oldest_seconds == rows["fill"].oldest_seconds == 0


def test_notifications_are_counted_between_two_recorded_minutes(database: Database) -> None:
    with database.write() as connection:
        counters.add(connection, {("messages", "q"): 7.0})
    assert record(database)
    earlier(database, 60)
    with database.write() as connection:
        counters.add(connection, {("messages", "q"): 5.0, ("messages", "r"): 1.0})
    assert record(database)
    live = [row for row in recorded(database) if row.lane == "live"]
    if live[1].at - live[0].at == ONE:  # the clock may have gone on to the next minute
        assert [row.notifications for row in live] == [None, 6]
    earlier(database, 180)
    assert record(database)
    assert [row.notifications for row in recorded(database) if row.lane == "live"][-1] is None


def test_of_several_workers_one_records_a_minute(open_database: Callable[[], Database]) -> None:
    databases = [open_database() for _ in range(6)]
    began = databases[0].now()
    answers: list[bool] = []
    start = threading.Barrier(len(databases))

    def take_part(database: Database) -> None:
        start.wait()
        answers.append(record(database))

    threads = [threading.Thread(target=take_part, args=(database,)) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = recorded(databases[0])
    ended = databases[0].now()
    assert len(answers) == len(databases)
    over = {
        (moment - minutes.SETTLED).replace(second=0, microsecond=0) for moment in (began, ended)
    }
    assert answers.count(True) == len({row.at for row in rows}) <= len(over)
    assert len(rows) == 3 * answers.count(True)


def test_a_worker_records_minutes_and_prunes_those_of_more_than_eight_days(
    database: Database,
) -> None:
    house = House(database)
    stop = threading.Event()
    working = threading.Thread(
        target=run_periodic_tasks,
        args=(crew_of(house), stop),
        kwargs={"until_idle": False, "orphaned": lambda: False},
    )
    working.start()
    wait(lambda: bool(recorded(database)), seconds=60)
    stop.set()
    working.join()
    assert {row.lane for row in recorded(database)} == {"live", "fill", "resync"}
    earlier(database, 8 * 86_400 + 120)
    assert record(database)
    count = len(recorded(database))
    assert prune(database, KEPT, MONDAY) >= 3
    assert len(recorded(database)) == count - 3


# -- parts of a day -----------------------------------------------------------------------------------

NOON = datetime(2025, 8, 18, 12, 0, tzinfo=UTC)


def a_minute(at: datetime, **told: object) -> Minute:
    usual: dict[str, object] = {"lane": "live", "notifications": 1, "written": 2}
    usual |= {"oldest_seconds": 3.0, "p50": None, "p95": None}
    return Minute(at=at, **usual | told)  # type: ignore[arg-type]


def test_a_part_of_a_day_is_summed_and_a_part_that_nobody_recorded_is_a_gap() -> None:
    told = [
        a_minute(NOON - timedelta(minutes=29), p50=1.0, p95=9.0),
        a_minute(NOON - timedelta(minutes=1), notifications=None, oldest_seconds=8.0, p50=2.0),
        a_minute(NOON, written=40),
        a_minute(NOON, lane="fill"),
        a_minute(NOON - timedelta(days=2)),
    ]
    day = parts(told, "live", NOON + timedelta(seconds=10), timedelta(minutes=30))
    assert len(day) == 48
    assert [part is None for part in day] == [True] * 46 + [False, False]
    before, now = day[-2:]
    assert before is not None
    assert now is not None
    assert (before.at, now.at) == (NOON - timedelta(minutes=30), NOON)
    assert (before.notifications, before.written, before.oldest_seconds) == (1, 4, 8.0)
    assert (before.p50, before.p95) == (2.0, 9.0)
    assert (now.written, now.p50) == (40, None)
