"""What a failing part prints: one line in our form, and nothing of a secret or of a statement."""

import json
import subprocess
import sys

import pytest

from kalender.errors import NeighbourUnavailable
from kalender.store.database import Database

SECRET = "hemmelig-4711"
DIES = f"""
import threading
from sqlalchemy import create_engine, text
from kalender import logs
from kalender.worker import supervisor

logs.configure(verbose=False, json=True)
stop = threading.Event()

def make():
    stop.set()
    with create_engine("sqlite://").connect() as connection:
        connection.execute(text("SELECT * FROM entry WHERE subject = :it"), {{"it": "{SECRET}"}})

threading.Timer(2, stop.set).start()
supervisor.supervise(make, stop, processes=1)
"""  # noqa: S608


def test_a_child_that_dies_leaves_a_line_like_everybody_else() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DIES], capture_output=True, text=True, check=False, timeout=120
    )
    assert SECRET not in done.stderr
    assert "SELECT" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    crash = next(line for line in lines if line["event"] == "crashed")
    assert (crash["error"], crash["table"]) == ("OperationalError", "entry")


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://kal:p@{SECRET}@127.0.0.1:9/x",
        f"postgresql+psycopg://kal:p@{SECRET}/x@127.0.0.1:9/x",
        f"postgresql+psycopg://kal:{SECRET}@127.0.0.1:9/x",
    ],
)
def test_no_part_of_a_password_is_told_whatever_the_driver_says(url: str) -> None:
    database = Database(url)
    with pytest.raises(NeighbourUnavailable) as caught:
        database.now()
    assert "the database is away" in str(caught.value)
    assert SECRET not in str(caught.value)
    database.close()
