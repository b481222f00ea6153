"""The tables brought forward on both databases, with data and views in place."""

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from kalender.domain.work import Kind, Mark
from kalender.errors import ConfigError
from kalender.store import dirty, migrations
from kalender.store.database import Database, views
from kalender.store.tables import metadata

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
        dirty.mark(connection, [Mark(kind=Kind.PERSON, key="fs 1", reason="test")])
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
        dirty.mark(connection, [Mark(kind=Kind.PERSON, key="fs 1", reason="test")])
    with database.write() as connection:
        drop_views(connection)
        connection.execute(text("ALTER TABLE dirty ADD COLUMN later_release text"))
        make_views(connection)
    with database.write() as connection:  # old code on the new table
        dirty.mark(connection, [Mark(kind=Kind.PERSON, key="fs 1", reason="again")])
        assert connection.execute(text("SELECT generation FROM dirty_now")).scalar_one() == 2
