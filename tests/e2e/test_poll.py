"""`kalender poll`, as a timer runs it where no worker polls TP."""

import re

import pytest
from sqlalchemy import text

from kalender.store.database import Database
from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e


def test_a_poll_marks_what_changed_since_the_one_before(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    assert house.run("poll").startswith("TP was not asked: from now on changes are counted")
    assert house.run("poll").startswith("TP was not asked: it was asked within the minute")
    database = Database(house.database)
    ago = "strftime('%Y-%m-%d %H:%M:%f', 'now', '-10 minutes')"
    with database.write() as connection:
        connection.execute(
            text(f"UPDATE source_reading SET read_at = {ago} WHERE source = 'lastchanged'")  # noqa: S608
        )
    moved = house.get("tp/BIO1000")
    moved["events"][-1]["summary"] = "Something else"
    house.send("PUT", "tp/BIO1000", moved)
    assert re.match(r"TP names [1-9]\d* courses that changed", house.run("poll"))
    with database.read() as connection:
        marks = connection.execute(text("SELECT key, reason FROM dirty")).all()
    database.close()
    assert ("BIO1000 25h", "tp lastchanged") in [tuple(row) for row in marks]


def test_a_poll_without_tp_is_one_line(house: House) -> None:
    house.run("db", "upgrade")
    house.run("poll")
    config = house.config.read_text()
    house.config.write_text(config.replace(house.sandbox.endpoints.tp, "http://127.0.0.1:9"))
    database = Database(house.database)
    with database.write() as connection:
        connection.execute(text("UPDATE source_reading SET read_at = '2025-01-01 00:00:00.000'"))
    database.close()
    code, said = fails(house, "poll")
    assert code == 1
    assert "tp" in said
    assert len(said.splitlines()) == 1
