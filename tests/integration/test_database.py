"""What the database's absence says to whoever is called at night."""

from pathlib import Path

import pytest
from sqlalchemy import event, text

from kalender.errors import NeighbourUnavailable
from kalender.store.database import Database
from tests import servers

pytestmark = pytest.mark.integration


def test_a_full_disk_is_said_and_the_rows_are_not(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/full.db")
    event.listen(
        database.engine, "connect", lambda c, _: c.execute("PRAGMA max_page_count = 3").fetchall()
    )
    with database.write() as connection:
        connection.execute(text("CREATE TABLE names (name TEXT)"))
    with pytest.raises(NeighbourUnavailable) as caught, database.write() as connection:
        connection.execute(text("INSERT INTO names VALUES (:name)"), {"name": "Ola" * 5000})
    database.close()
    assert "database or disk is full" in str(caught.value)
    assert "Ola" not in str(caught.value)


def test_where_it_was_looked_for_is_said_and_the_password_is_not() -> None:
    port = servers.free_port()
    database = Database(f"postgresql+psycopg://kalender:hemmelig@127.0.0.1:{port}/kalender")
    with pytest.raises(NeighbourUnavailable) as caught:
        database.now()
    assert str(port) in str(caught.value)
    assert "hemmelig" not in str(caught.value)
