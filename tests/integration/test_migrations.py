"""The tables brought forward on both databases, with data and views in place."""

import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, delete, false, insert, select, text

from kalender.domain.work import Kind, Mark
from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.store import migrations, queue
from kalender.store.database import Database, views
from kalender.store.partial_indexes import metadata

pytestmark = pytest.mark.integration


def differences(connection: Connection) -> list[object]:
    """Return what alembic would still change."""
    context = MigrationContext.configure(connection, opts={"compare_type": False})
    found: list[object] = compare_metadata(context, metadata)
    return found


def test_an_empty_database_gets_exactly_the_tables_of_this_release(database_url: str) -> None:
    database = Database(database_url)
    assert migrations.current(database) is None
    with pytest.raises(ConfigError, match="kalender db upgrade"):
        migrations.require_current(database)
    migrations.upgrade(database)
    migrations.require_current(database)
    with database.read() as connection:
        assert differences(connection) == []
    database.close()


def test_every_view_answers(open_database: Callable[[], Database]) -> None:
    with open_database().read() as connection:
        for name in views():
            assert connection.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() == 0  # noqa: S608
    assert views().keys() == {
        "dirty_now",
        "parked",
        "unmatched_staff",
        "courses_without_placements",
        "busiest_courses",
    }


def test_upgrading_again_keeps_data_and_makes_views_anew(
    open_database: Callable[[], Database],
) -> None:
    database = open_database()
    with database.write() as connection:
        queue.mark(connection, [Mark(kind=Kind.PERSON, key="fs 1", reason="test")])
        connection.execute(text("DROP VIEW busiest_courses"))
    migrations.upgrade(database)
    with database.read() as connection:
        assert connection.execute(text("SELECT key FROM dirty_now")).scalars().all() == ["fs 1"]
        assert connection.execute(text("SELECT count(*) FROM busiest_courses")).scalar_one() == 0


def test_a_column_added_later_finds_data_and_views_in_its_way(
    open_database: Callable[[], Database],
) -> None:
    """What the next release's migration will do, with the views dropped and made as ours are."""
    from kalender.store.database import drop_views, make_views  # noqa: PLC0415

    database = open_database()
    with database.write() as connection:
        queue.mark(connection, [Mark(kind=Kind.PERSON, key="fs 1", reason="test")])
    with database.write() as connection:
        drop_views(connection)
        connection.execute(text("ALTER TABLE dirty ADD COLUMN later_release text"))
        make_views(connection)
    with database.write() as connection:  # old code on the new table
        queue.mark(connection, [Mark(kind=Kind.PERSON, key="fs 1", reason="again")])
        assert connection.execute(text("SELECT generation FROM dirty_now")).scalar_one() == 2


# -- from each release to the next -------------------------------------------------------------------

STEPS = list(pairwise(migrations.revisions()))
Columns = dict[str, dict[str, Any]]


def as_they_are(connection: Connection) -> MetaData:
    """Return the tables that there are."""
    found = MetaData()
    found.reflect(connection)
    return found


def a_row_each(connection: Connection, known: MetaData) -> list[Table]:
    """Put a row into each empty table as an older release would: it names the columns it knows.

    Return these tables.
    """
    empty = [t for t in known.sorted_tables if connection.execute(select(t)).first() is None]
    for each in empty:
        connection.execute(insert(each).values({c.name: _filler(c) for c in each.columns}))
    return empty


def emptied(connection: Connection, tables: Sequence[Table]) -> None:
    """Take the rows away again."""
    for each in reversed(tables):
        connection.execute(delete(each))


FILLERS = {
    "TIMESTAMP": datetime(2025, 8, 18, tzinfo=UTC),
    "DATE": date(2025, 8, 18),
    "BOOLEAN": True,
    "BYTEA": b"1",
    "BLOB": b"1",
    "VARCHAR": "1",
    "TEXT": "1",
}


def _filler(column: Any) -> object:
    return FILLERS.get(str(column.type).partition("(")[0].split()[0], 1)


def contents(connection: Connection, tables: Iterable[Any]) -> dict[str, list[Any]]:
    return {
        each.name: [tuple(row) for row in connection.execute(select(*each.columns))]
        for each in tables
        if each.name != "alembic_version"
    }


def test_each_upgrade_keeps_every_row_and_within_a_thousand_adds_only_what_may_be_left_out(
    database_url: str,
) -> None:
    """So that processes of the older release go on, and write as they always did."""
    database = Database(database_url)
    migrations.upgrade(database, STEPS[0][0])
    for older, newer in STEPS:
        with database.write() as connection:
            before = as_they_are(connection)
            filled = a_row_each(connection, before)
            stood = contents(connection, before.sorted_tables)
            assert connection.execute(text("SELECT count(*) FROM dirty_now")).scalar_one() == 0
        with pytest.raises(ConfigError, match="run kalender db upgrade"):
            migrations.require_current(database)
        migrations.upgrade(database, newer)
        assert migrations.current(database) == newer
        with database.write() as connection:
            assert contents(connection, before.sorted_tables) == stood, newer
            for name in views():
                connection.execute(text(f"SELECT * FROM {name}"))  # noqa: S608
            after = as_they_are(connection)
            assert older[0] != newer[0] or lost(columns(before), columns(after)) == [], newer
            emptied(connection, filled)
            assert a_row_each(connection, before) == filled, newer
            emptied(connection, filled)
    database.close()


def columns(found: MetaData) -> Columns:
    return {
        table.name: {c.name: (str(c.type), c.nullable) for c in table.columns}
        for table in found.sorted_tables
    }


def lost(before: Columns, after: Columns) -> list[str]:
    """Return what an older release would miss."""
    return [
        f"{table}.{name}"
        for table, known in before.items()
        for name, kind in known.items()
        if after.get(table, {}).get(name) != kind
    ]


def test_an_upgrade_gives_way_to_those_at_work_and_comes_to_its_end(postgresql_url: str) -> None:
    """They write to two tables in either order, over and over; none of theirs ends in a deadlock."""
    database = Database(postgresql_url)
    migrations.upgrade(database, "0001")
    done, failures = threading.Event(), list[Exception]()

    def work(tables: Sequence[str]) -> None:
        other = Database(postgresql_url)
        while not done.is_set():
            try:
                with other.write() as connection:
                    for name in tables:
                        connection.execute(delete(metadata.tables[name]).where(false()))
                        threading.Event().wait(0.005)
                threading.Event().wait(0.02)  # while it asks somebody, say
            except Exception as error:  # noqa: BLE001  # the thread has nobody else to tell
                failures.append(error)
        other.close()

    orders = [("dirty", "change_log"), ("change_log", "dirty"), ("fan_out", "entry", "dirty")]
    workers = [threading.Thread(target=work, args=(order,)) for order in orders]
    for worker in workers:
        worker.start()
    try:
        migrations.upgrade(database, patience=180)
    finally:
        done.set()
        for worker in workers:
            worker.join()
    assert migrations.current(database) == migrations.newest()
    assert failures == []
    database.close()


def test_an_upgrade_that_never_gets_the_tables_says_who_may_have_them(postgresql_url: str) -> None:
    database, other = Database(postgresql_url), Database(postgresql_url)
    migrations.upgrade(database, "0001")
    with other.write() as connection:
        connection.execute(text("SELECT count(*) FROM change_log"))
        with pytest.raises(NeighbourUnavailable, match=r"in use.*pg_stat_activity.*db upgrade"):
            migrations.upgrade(database, patience=1.0)
    assert migrations.current(database) == "0001"
    database.close()
    other.close()


# -- tables that are newer than the release ------------------------------------------------------------


def made_by(database: Database, revision: str) -> None:
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})


def test_tables_that_a_newer_release_added_to_are_worked_on(
    open_database: Callable[[], Database],
) -> None:
    database = open_database()
    made_by(database, "0999")
    migrations.require_current(database)
    assert "upgrade the package" in migrations.remedy("0999")


def test_tables_that_a_newer_release_changed_are_refused_and_say_what_to_do(
    open_database: Callable[[], Database],
) -> None:
    database = open_database()
    made_by(database, "1000")
    for act in (migrations.require_current, migrations.upgrade):
        with pytest.raises(ConfigError, match=r"revision 1000.*upgrade the package"):
            act(database)
    assert migrations.current(database) == "1000"


def test_revisions_are_four_digits_that_grow() -> None:
    found = migrations.revisions()
    assert found == sorted(found)
    assert all(len(each) == 4 and each.isdecimal() for each in found)
    assert migrations.remedy(found[-1]).startswith("up to date")
    assert migrations.remedy(None) == migrations.remedy(found[0]) == "run kalender db upgrade"


def test_revisions_are_those_that_alembic_finds() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrations._scripts()))
    walked = ScriptDirectory.from_config(config).walk_revisions()
    assert migrations.revisions() == [script.revision for script in walked][::-1]
