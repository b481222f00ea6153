"""What one change of a course costs: a question to TP, and a request for each whom it concerns."""

from collections.abc import Callable, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, or_, select, text, update
from sqlalchemy.event import listens_for, remove
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import PoolProxiedConnection

from kalender.domain.model import TeachingEvent
from kalender.domain.work import Kind, Lane
from kalender.store.database import Database
from kalender.store.tables import calendar, entry
from tests.copying import copy_rows
from tests.fakes.house import MONDAY, House, activity, event

pytestmark = pytest.mark.integration
GROUPS = tuple(f"2-{number}" for number in range(1, 31))


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, migrated_file: Path) -> Iterator[House]:
    """A course of thirty groups with two students each, and a teacher for each ten."""
    path = tmp_path_factory.mktemp("filled") / "kalender.db"
    path.write_bytes(migrated_file.read_bytes())
    with closing(Database(f"sqlite:///{path}")) as database:
        made = House(database)
        made.teach(*course())
        for number in range(60):
            made.enrol(number + 1, GROUPS[number % 30])
        for name in ("t0", "t1", "t2"):
            made.mark(Kind.PERSON, f"username {name}")
        assert made.settle() == []
        made.resync()
        assert made.settle() == []
        made.forget_requests()
        yield made


@pytest.fixture
def house(filled: House, migrated_url: str, open_database: Callable[[], Database]) -> House:
    """The same on a database of one's own."""
    copy_rows(filled.database.engine.url.render_as_string(), migrated_url)
    return House(
        open_database(),
        timetables=deepcopy(filled.timetables),
        students=deepcopy(filled.students),
        exchange=deepcopy(filled.exchange),
    )


def course() -> list[TeachingEvent]:
    """A lecture, and thirty groups of one meeting."""
    groups = [
        event(n, key=activity(actid), plenary=False, staff=[f"t{n // 10}"], starts=day(n))
        for n, actid in enumerate(GROUPS)
    ]
    return [event(99, starts=MONDAY + timedelta(days=1)), *groups]


def day(number: int) -> datetime:
    return MONDAY + timedelta(days=2 + number)


def moved(each: TeachingEvent, hours: int = 1) -> TeachingEvent:
    later = timedelta(hours=hours)
    return replace(each, starts_at=each.starts_at + later, ends_at=each.ends_at + later)


def asked(house: House) -> tuple[int, int]:
    """How often TP and FS were asked."""
    return len(house.timetables.asked), len(house.students.asked)


def whom(house: House) -> dict[str, int]:
    """How many requests went to each mailbox."""
    boxes = [mailbox.partition("@")[0] for _, mailbox, _ in house.exchange.requests]
    return {box: boxes.count(box) for box in boxes}


def test_one_group_that_moves_concerns_its_people_and_nobody_else(house: House) -> None:
    events = course()
    events[5] = moved(events[5])
    house.teach(*events)
    assert house.settle() == []
    assert asked(house) == (1, 0)
    assert whom(house) == {"user5": 1, "user35": 1, "t0": 1}
    assert {each[0] for each in house.exchange.requests} == {"update"}


def test_a_change_is_live_where_something_stands_and_a_fill_where_nothing_was_written_yet(
    house: House,
) -> None:
    with house.database.write() as connection:  # as if the fill had not come to them
        boxes = or_(*(calendar.c.address.like(f"{each}@%") for each in ("user5", "user35")))
        connection.execute(update(calendar).where(boxes).values(synced_digest=None, synced_at=None))
        new = select(calendar.c.calendar_id).where(calendar.c.address.like("user5@%"))
        connection.execute(delete(entry).where(entry.c.calendar_id.in_(new)))
    events = course()
    events[5] = moved(events[5])
    house.teach(*events)
    claim = house.claim()
    assert claim is not None
    house.do(claim)
    marked = (
        "SELECT c.address, d.priority FROM dirty d"
        " JOIN calendar c ON d.key = CAST(c.calendar_id AS text)"
    )
    with house.database.read() as connection:
        rows = connection.execute(text(marked))
        lanes = {address.partition("@")[0]: Lane(lane) for address, lane in rows}
    assert lanes == {"user5": Lane.FILL, "user35": Lane.LIVE, "t0": Lane.LIVE}
    assert house.settle() == []
    assert whom(house).keys() == {"user5", "user35", "t0"}


def test_a_deadlock_at_the_end_of_a_visit_spares_what_was_recorded(house: House) -> None:
    """Whoever wishes a look into all calendars locks them in another order than a visit."""
    failed: list[str] = []

    @listens_for(house.database.engine, "before_cursor_execute")
    def deadlock(_c: object, _cursor: object, statement: str, *_: object) -> None:
        ends = statement.startswith("UPDATE calendar SET") and "CASE" in statement
        if ends and not failed:
            failed.append(statement)
            raise OperationalError(statement, {}, Exception("deadlock detected"))

    events = course()
    events[5] = moved(events[5])
    house.teach(*events)
    house.database.counts.take()
    assert house.settle() == []
    counts = house.database.counts.take()
    assert {key: value for key, value in counts.items() if key[0] == "entries"} == {
        ("entries", "update other"): 3  # each once, although the end of the visit was tried twice
    }
    remove(house.database.engine, "before_cursor_execute", deadlock)
    assert failed
    assert whom(house) == {"user5": 1, "user35": 1, "t0": 1}
    with house.database.read() as connection:
        digests = select(calendar.c.synced_digest).where(calendar.c.synced_digest.is_(None))
        assert connection.execute(digests).all() == []


def test_a_visit_whose_last_commit_nobody_confirmed_is_over(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was committed: the second try finds the claim gone, and nothing is written twice."""
    dialect, lost = house.database.engine.dialect, list[str]()
    commit = dialect.do_commit

    def loses_the_answer(connection: PoolProxiedConnection) -> None:
        commit(connection)
        if house.exchange.requests and not lost:
            lost.append("answer")
            raise OperationalError("COMMIT", {}, Exception("server closed the connection"))

    events = course()
    events[5] = moved(events[5])
    house.teach(*events)
    monkeypatch.setattr(dialect, "do_commit", loses_the_answer)
    house.settle()
    assert lost
    assert house.settle() == []
    assert whom(house) == {"user5": 1, "user35": 1, "t0": 1}
    with house.database.read() as connection:
        unsettled = select(entry.c.sync_key).where(entry.c.fingerprint.is_(None))
        assert connection.execute(unsettled).all() == []
        logged = "SELECT count(*) FROM change_log WHERE operation = 'update'"
        assert connection.execute(text(logged)).scalar_one() == 3


def test_a_replaced_teacher_marks_the_old_and_the_new(house: House) -> None:
    events = course()
    events[5] = replace(events[5], staff=events[30].staff)
    house.teach(*events)
    assert house.settle() == []
    assert asked(house) == (1, 0)
    assert {"t0", "t2"} <= whom(house).keys() <= {"t0", "t2", "user5", "user35"}


def test_an_answer_that_is_as_it_was_marks_nobody(house: House) -> None:
    house.teach(*course())
    claim = house.claim()
    assert claim is not None
    house.do(claim)
    assert asked(house) == (1, 0)
    with house.database.read() as connection:
        assert connection.execute(text("SELECT count(*) FROM dirty")).scalar() == 0


def test_a_recording_of_a_lecture_that_has_ended_costs_no_request(house: House) -> None:
    house.now += timedelta(days=1, hours=12)
    events = course()
    events[0] = replace(events[0], title="Opptak er lagt ut")
    house.teach(*events)
    assert house.settle() == []
    assert asked(house) == (1, 0)
    assert house.exchange.requests == []
