"""What is forgotten by age, and what never is; on both databases."""

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Date, DateTime, Table, func, insert, select, text, update

from kalender.config.sections import Retention
from kalender.domain.work import Kind, Mark
from kalender.sandbox.generate import generate
from kalender.store import counters, people, prune, queue, teaching
from kalender.store.database import Database, database_time
from kalender.store.prune import MIRROR
from kalender.store.sql import Instant, db_now
from kalender.store.tables import (
    calendar,
    change_log,
    entry,
    look_up,
    person,
    preference,
    registration,
    rejected_notification,
    source_reading,
)
from kalender.store.tables import tally as counts
from kalender.worker.supervisor import run
from tests.factories import DAY, HOUR, NOW, a_registration
from tests.fault.installation import Installation
from tests.integration.test_store_entries import a_calendar
from tests.served import start

pytestmark = pytest.mark.integration
KEPT = Retention(
    entries_months=13, change_log_days=180, rejected_days=30, look_up_days=365
)  # on 18 August 2025: until 18 July 2024
OLD, YOUNG = NOW - 396 * DAY, NOW - 394 * DAY
WORDS = {"semester": "23h", "status": "live", "kind": "student"}


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


def a_row(connection: Connection, table: Table, **told: Any) -> None:
    """Insert a row of which only `told` matters."""
    needed = [c for c in table.columns if not (c.nullable or c.server_default)]
    values = {c.name: _filler(c) for c in needed if c is not table.autoincrement_column}
    connection.execute(insert(table).values(values | told))


def _filler(column: Any) -> object:
    if isinstance(column.type, Instant | DateTime):
        return NOW
    if isinstance(column.type, Date):
        return date(2025, 8, 18)
    if column.type.python_type is str:
        return WORDS.get(column.name, "x")
    return column.type.python_type(1)


def an_old_entry(connection: Connection, calendar_id: int, key: str, **told: Any) -> None:
    """Insert a live entry that ended long ago."""
    usual = {"fingerprint": "f", "item_id": "i", "restored": 0, "ends_at": OLD}
    a_row(connection, entry, sync_key=key, calendar_id=calendar_id, **usual | told)


def keys(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.execute(select(entry.c.sync_key)).scalars())


def number_of(database: Database, table: Table) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def an_hour_passes(database: Database) -> None:
    with database.write() as connection:
        past = database_time(connection) - HOUR
        teaching.record_reading(connection, prune.PRUNING, "", past)


def test_entries_go_so_long_after_their_end_by_the_domains_clock(database: Database) -> None:
    with database.write() as connection:
        mine = a_calendar(connection, 1)
        an_old_entry(connection, mine, "old")
        an_old_entry(connection, mine, "gone from the calendar", status="abandoned", item_id=None)
        an_old_entry(connection, mine, "young", ends_at=YOUNG)
    assert prune.prune(database, KEPT, NOW) == 2
    assert keys(database) == {"young"}


def test_what_is_open_or_claimed_or_taken_back_stays_until_that_is_over(
    database: Database,
) -> None:
    with database.write() as connection:
        mine, claimed, leaving, out = (a_calendar(connection, n) for n in (1, 2, 3, 4))
        an_old_entry(connection, mine, "intended", status="intended")
        an_old_entry(connection, mine, "deleting", status="deleting")
        an_old_entry(connection, mine, "updating", fingerprint=None)
        for each, key in ((claimed, "claimed"), (leaving, "leaving"), (out, "opted out")):
            an_old_entry(connection, each, key)
        connection.execute(
            update(calendar).where(calendar.c.calendar_id == leaving).values(taking_back=True)
        )
        of_out = select(calendar.c.person_id).where(calendar.c.calendar_id == out)
        a_row(connection, preference, person_id=connection.execute(of_out).scalar_one())
        queue.mark(connection, [Mark(kind=Kind.CALENDAR, key=str(claimed), reason="test")])
    with database.write() as connection:
        (claim,) = queue.claim(
            connection, [Kind.CALENDAR], worker="w", lease=timedelta(minutes=1), limit=1
        )
    everything = keys(database)
    assert prune.prune(database, KEPT, NOW) == 0
    assert keys(database) == everything
    with database.write() as connection:
        queue.finish(connection, claim)
        connection.execute(update(calendar).values(taking_back=False))
        connection.execute(preference.delete())
        connection.execute(update(entry).values(status="live", fingerprint="f"))
    an_hour_passes(database)
    assert prune.prune(database, KEPT, NOW) == len(everything)


@pytest.mark.parametrize(
    ("table", "column", "days"),
    [(change_log, "at", 180), (rejected_notification, "received_at", 30), (look_up, "at", 365)],
    ids=lambda each: getattr(each, "name", str(each)),
)
def test_records_go_at_their_age_by_the_databases_clock(
    database: Database, table: Table, column: str, days: int
) -> None:
    with database.write() as connection:
        for age in (days - 1, days + 1):
            a_row(connection, table, **{column: db_now(-age * 86_400.0)})
    assert prune.prune(database, KEPT, NOW + 5 * 365 * DAY) == 1
    assert number_of(database, table) == 1


@pytest.mark.parametrize("table", MIRROR, ids=lambda table: str(table.name))
def test_the_mirror_of_a_term_goes_when_all_of_it_is_so_old(
    database: Database, table: Table
) -> None:
    """On 19 July 2024 the spring of 2024 was not over."""
    own = {"person_id": 1} if "person_id" in table.c else {}
    with database.write() as connection:
        connection.execute(insert(person).values(person_id=1, created_at=NOW))
        for n, semester in enumerate(("99h", "23v", "23h", "24v", "24h", "25h", "26v")):
            unique = {"number": n} if "number" in table.c else {}
            a_row(connection, table, semester=semester, **own, **unique)
    prune.prune(database, KEPT, NOW, semesters={"23v"})
    with database.read() as connection:
        found = connection.execute(select(table.c.semester)).scalars()
        assert {each for each in found if each} == {"99h", "23v", "24v", "24h", "25h", "26v"}


def test_a_term_with_entries_to_come_is_kept_whatever_its_name(database: Database) -> None:
    with database.write() as connection:
        mine = a_calendar(connection, 1)
        an_old_entry(connection, mine, "to come", ends_at=NOW + DAY, semester="23h")
        unit = a_registration().unit._replace(semester="23h")
        person_id = people.ensure(connection, "fs", "1")
        a_row(connection, registration, person_id=person_id, **unit._asdict())
    assert prune.prune(database, KEPT, NOW) == 0
    assert number_of(database, registration) == 1


def test_a_great_deal_goes_in_parts_at_once_and_then_an_hour_passes(database: Database) -> None:
    with database.write() as connection:
        mine = a_calendar(connection, 1)
        for n in range(7):
            an_old_entry(connection, mine, str(n))
    gone = [prune.prune(database, KEPT, NOW, part=3) for _ in range(4)]
    assert gone == [3, 3, 1, 0]
    with database.write() as connection:
        an_old_entry(connection, mine, "another")
    assert prune.prune(database, KEPT, NOW) == 0
    an_hour_passes(database)
    assert prune.prune(database, KEPT, NOW) == 1


def test_counts_are_folded_by_whoever_has_the_turn(database: Database) -> None:
    long_ago = datetime.fromisoformat("2024-01-01T00:00+00:00")
    with database.write() as connection:
        a_row(connection, counts, name="requests", label="fs ok", hour=long_ago, value=2.0)
    prune.prune(database, KEPT, NOW)
    with database.read() as connection:
        assert connection.execute(select(counts.c.hour)).scalars().all() == [counters.FOLDED]
        assert counters.totals(connection) == {("requests", "fs ok"): 2.0}


def test_of_two_workers_one_has_the_turn(open_database: Callable[[], Database]) -> None:
    first, second = open_database(), open_database()
    with first.write() as connection:
        mine = a_calendar(connection, 1)
        an_old_entry(connection, mine, "1")
    assert [prune.prune(each, KEPT, NOW) for each in (first, second)] == [1, 0]
    with second.read() as connection:
        query = select(func.count()).where(source_reading.c.source == prune.PRUNING)
        assert connection.execute(query).scalar_one() == 1
        assert connection.execute(text("SELECT count(*) FROM entry")).scalar_one() == 0


def test_a_worker_forgets_as_the_settings_say(tmp_path: Path, migrated_url: str) -> None:
    generate(tmp_path / "university", students=20)
    with start(tmp_path / "university") as sandbox:
        house = Installation(tmp_path, sandbox, migrated_url)
        house.write(_two_entries)
        worker_context = house.app().worker_context()
        run(worker_context, threading.Event(), until_idle=True)
        assert [key for (key,) in house.rows("SELECT sync_key FROM entry")] == ["young"]
        worker_context.database.close()


def _two_entries(connection: Connection) -> None:
    mine = a_calendar(connection, 1)
    an_old_entry(connection, mine, "old")
    an_old_entry(connection, mine, "young", ends_at=YOUNG)
