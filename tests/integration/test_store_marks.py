"""Many at once: nothing is held twice, nothing is lost, nobody stands in another's way."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import delete, func, literal, select, update

from kalender.domain.model import CourseKey
from kalender.domain.work import Cause, Kind, Lane, Mark, WorkKey
from kalender.store import backlog, queue
from kalender.store.database import Database
from kalender.store.queue import Claim
from kalender.store.sql import calendar_key, course_key, person_key
from kalender.store.tables import dirty as rows
from kalender.store.tables import due_later
from tests.factories import NOW

LEASE = timedelta(seconds=60)
CLAIMERS, KEYS = 8, 2000


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


def marks(keys: Sequence[int], lane: Lane = Lane.LIVE) -> list[Mark]:
    return [Mark(kind=Kind.CALENDAR, key=str(key), reason="test", lane=lane) for key in keys]


def claim(database: Database, limit: int = 1, *, oldest: bool = False) -> list[Claim]:
    with database.write() as connection:
        return queue.claim(
            connection, [Kind.CALENDAR], worker="w", lease=LEASE, limit=limit, oldest=oldest
        )


def at_once(workers: Sequence[Callable[[], object]]) -> list[object]:
    """Let all begin together; raises what any of them raised."""
    barrier = Barrier(len(workers))

    def begin(work: Callable[[], object]) -> object:
        barrier.wait(30)
        return work()

    with ThreadPoolExecutor(len(workers)) as pool:
        return list(pool.map(begin, workers))


def test_eight_claimers_do_two_thousand_keys_once_each(database: Database) -> None:
    with database.write() as connection:
        assert queue.mark(connection, marks(range(KEYS))) == KEYS

    def work() -> list[str]:
        done: list[str] = []
        while got := claim(database, 20):
            assert len(got) <= 20
            with database.write() as connection:
                assert all(queue.finish(connection, each) for each in got)
            done += [each.key for each in got]
        return done

    done = Counter(key for each in at_once([work] * CLAIMERS) for key in each)  # type: ignore[attr-defined]
    assert done == Counter(map(str, range(KEYS)))
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(rows)).scalar() == 0


def test_bulk_marks_in_any_order_wait_for_each_other_and_count(database: Database) -> None:
    def mark(seed: int) -> None:
        keys = list(range(500))
        random.Random(seed).shuffle(keys)  # noqa: S311
        with database.write() as connection:
            queue.mark(connection, marks(keys))

    at_once([lambda seed=seed: mark(seed) for seed in range(6)])  # type: ignore[misc]
    with database.read() as connection:
        generations = set(connection.execute(select(rows.c.generation)).scalars())
    assert generations == {6}


def test_marks_while_work_is_done_are_done_after_it(database: Database) -> None:
    """Whoever is marked during their own work stays dirty, however the two fall together."""
    with database.write() as connection:
        queue.mark(connection, marks([1]))
    marked = 0

    def mark() -> None:
        with database.write() as connection:
            queue.mark(connection, marks([1]))

    for _ in range(20):
        (mine,) = claim(database)

        def finish(mine: Claim = mine) -> bool:
            with database.write() as connection:
                return queue.finish(connection, mine)

        _, idle = at_once([mark, finish])
        marked += 1
        with database.read() as connection:
            (row,) = connection.execute(select(rows)).all()
        assert row.claim_token is None
        assert row.generation == (1 if idle else mine.generation + 1)
    assert marked == 20


def test_a_batch_that_names_a_key_twice_keeps_the_lane_and_every_instant(
    database: Database,
) -> None:
    later, soon = NOW.replace(year=2100), NOW.replace(year=2099)
    with database.write() as connection:
        weak, live = marks([1], Lane.RESYNC) + marks([1])
        queue.mark(
            connection,
            [
                weak,
                *(Mark(kind=live.kind, key="1", reason="nbf", due_at=at) for at in (later, soon)),
            ],
        )
        (row,) = connection.execute(select(rows)).all()
        kept = connection.execute(select(due_later.c.due_at).order_by("due_at"))
        assert list(kept.scalars()) == [soon, later]
    assert row.priority == Lane.LIVE
    assert row.due_at < soon
    assert [each.key for each in claim(database)] == ["1"]


def test_a_batch_of_many_leaves_what_its_marks_would_have_left_one_by_one(
    database: Database,
) -> None:
    chance = random.Random(7)  # noqa: S311
    for _ in range(12):
        batch = [
            Mark(
                kind=chance.choice([Kind.COURSE, Kind.PERSON]),
                key=f"“{key}”",
                reason=chance.choice(["notification", "resync", 'a "b" {c}, \\d']),
                cause=chance.choice(list(Cause)),
                lane=chance.choice(list(Lane)),
                due_at=chance.choice([None, NOW.replace(year=2090 + chance.randrange(9))]),
                since=chance.choice([None, NOW - timedelta(days=chance.randrange(9))]),
            )
            for key in chance.sample(range(40), 25)
        ]
        with database.write() as connection:
            queue.mark(connection, batch)
        for each in batch:
            with database.write() as connection:
                queue.mark(connection, [each._replace(key=f"alone {each.key}")])
        with database.write() as connection:  # a few are laid aside
            aside = rows.c.key.in_([f"{alone}“{n}”" for n in range(5) for alone in ("", "alone ")])
            values = {"parked_at": NOW, "attempts": 3}
            connection.execute(rows.update().where(aside).values(**values))
    with database.read() as connection:
        found = {(row.kind, row.key): row for row in connection.execute(select(rows))}
    together = {key: row for key, row in found.items() if not key[1].startswith("alone")}
    assert len(together) > 40
    for (kind, key), row in together.items():
        alone = found[kind, f"alone {key}"]
        for name in ("generation", "reason", "priority", "attempts", "parked_at"):
            assert getattr(row, name) == getattr(alone, name), (kind, key, name)
        for name in ("due_at", "first_marked_at"):
            assert abs(getattr(row, name) - getattr(alone, name)) < timedelta(hours=1)


def test_live_work_first_or_the_oldest_first(database: Database) -> None:
    for key, lane in enumerate([Lane.VERIFY, Lane.RESYNC, Lane.LIVE]):
        due = NOW + timedelta(seconds=key)
        with database.write() as connection:
            queue.mark(connection, [each._replace(due_at=due) for each in marks([key], lane)])
    assert [each.key for each in claim(database, oldest=True)] == ["0"]
    assert [each.key for each in claim(database, 2)] == ["2", "1"]


def test_what_waits_is_seen_before_its_time(database: Database) -> None:
    def waits(seconds: int) -> bool:
        with database.read() as connection:
            return queue.waits(connection, within=timedelta(seconds=seconds))

    assert not waits(60)
    with database.write() as connection:
        queue.mark(connection, marks([1]), settle=30)
        assert backlog.depth(connection) == {(Kind.CALENDAR, Lane.LIVE): 1}
    assert not waits(10)
    assert waits(60)


def test_much_work_is_finished_together_but_what_was_marked_meanwhile_stays(
    database: Database,
) -> None:
    with database.write() as connection:
        queue.mark(connection, marks(range(5)))
    mine = claim(database, 5)
    with database.write() as connection:
        queue.mark(connection, marks([1]))
        others = queue.claim(connection, [Kind.CALENDAR], worker="x", lease=LEASE, limit=9)
        assert others == []
        connection.execute(rows.update().where(rows.c.key == "2").values(claim_token="other"))
    with database.write() as connection:
        queue.finish_all(connection, mine)
        left = {row.key: row.claim_token for row in connection.execute(select(rows))}
    assert left == {"1": None, "2": "other"}
    assert [each.key for each in claim(database, 5)] == ["1"]


def test_much_work_is_given_back_together(database: Database) -> None:
    with database.write() as connection:
        queue.mark(connection, marks(range(5)))
    mine = claim(database, 5)
    with database.write() as connection:
        queue.release_all(connection, mine[1:])
    assert {each.key for each in claim(database, 9)} == {each.key for each in mine[1:]}


def test_a_mark_under_way_while_much_is_finished_leaves_the_work_dirty_and_free(
    database: Database,
) -> None:
    with database.write() as connection:
        queue.mark(connection, marks(range(3)))
    mine = claim(database, 3)

    def finish() -> None:
        begun.wait()
        with database.write() as connection:
            queue.finish_all(connection, mine)

    begun = Barrier(2)
    with ThreadPoolExecutor() as pool:
        with database.write() as connection:
            queue.mark(connection, marks([1]))
            finishing = pool.submit(finish)
            begun.wait()
            with suppress(TimeoutError):
                finishing.result(timeout=0.3)  # it waits for the row
        finishing.result()
    assert [each.key for each in claim(database, 5)] == ["1"]


def test_of_one_lane_calendars_come_last_but_not_for_the_oldest(database: Database) -> None:
    with database.write() as connection:
        queue.mark(connection, [Mark(kind=Kind.CALENDAR, key="1", reason="x", lane=Lane.FILL)])
    with database.write() as connection:
        queue.mark(connection, [Mark(kind=Kind.COURSE, key="A 25h", reason="x", lane=Lane.FILL)])
        queue.mark(connection, [Mark(kind=Kind.CALENDAR, key="2", reason="x", lane=Lane.LIVE)])
    taken = []
    for oldest in (True, False, False):
        with database.write() as connection:
            taken += queue.claim(
                connection, list(Kind), worker="w", lease=timedelta(minutes=1), oldest=oldest
            )
    assert [each.key for each in taken] == ["1", "2", "A 25h"]
    with database.write() as connection:
        queue.release_all(connection, taken)
    taken = []
    for _ in range(3):
        with database.write() as connection:
            taken += queue.claim(connection, list(Kind), worker="w", lease=timedelta(minutes=1))
    assert [each.key for each in taken] == ["2", "A 25h", "1"]


# -- what led to it -----------------------------------------------------------------------------------


def test_a_claim_knows_the_cause_of_its_strongest_mark(database: Database) -> None:
    resync, told = (
        Mark(Kind.COURSE, "A 25h", reason=cause.value, lane=lane, cause=cause)
        for cause, lane in ((Cause.RESYNC, Lane.RESYNC), (Cause.TP_NOTIFICATION, Lane.LIVE))
    )
    known = []
    for batch in ([resync], [told], [resync]):
        with database.write() as connection:
            queue.mark(connection, batch)
            (row,) = connection.execute(select(rows.c.reason, rows.c.cause)).all()
        assert row.reason == row.cause
        known.append(Cause.of(row.cause))
    assert known == [Cause.RESYNC, Cause.TP_NOTIFICATION, Cause.TP_NOTIFICATION]
    with database.write() as connection:
        (mine,) = queue.claim(connection, [Kind.COURSE], worker="w", lease=LEASE)
    assert (mine.cause, mine.work.course) == (Cause.TP_NOTIFICATION, ("A", "25h"))


def test_what_is_due_later_keeps_its_cause(database: Database) -> None:
    due = database.now() - timedelta(seconds=1)
    mark = Mark(Kind.CALENDAR, "1", reason="x", due_at=due, cause=Cause.FS_NOTIFICATION)
    with database.write() as connection:
        queue.mark(connection, [mark])
        connection.execute(delete(rows))
        queue.mark_what_is_due(connection)
    assert [each.cause for each in claim(database)] == [Cause.FS_NOTIFICATION]


def test_work_that_an_older_release_marked_has_another_cause(database: Database) -> None:
    with database.write() as connection:
        queue.mark(connection, marks([1]))
        connection.execute(update(rows).values(cause=None))  # it does not know the column
    assert [each.cause for each in claim(database)] == [Cause.OTHER]


def test_sql_writes_keys_as_the_domain_does(database: Database) -> None:
    course, number, calendar_id = CourseKey("IN1000", "25h"), 56154, 4711
    with database.read() as connection:
        keys = connection.execute(
            select(
                course_key(literal(course.course), literal(course.semester)),
                person_key(literal(str(number))),
                calendar_key(literal(calendar_id)),
            )
        ).one()
    assert tuple(keys) == (
        WorkKey.of_course(*course).key,
        WorkKey.of_person(number).key,
        WorkKey.of_calendar(calendar_id).key,
    )
