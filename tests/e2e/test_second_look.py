"""Real workers look a second time, over Graph, for creates that nobody answered."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from kalender.sandbox.generate import generate
from tests.e2e.conftest import NOW, pause
from tests.e2e.house import House
from tests.served import start

pytestmark = pytest.mark.e2e
GRAPH = """
[exchange.main]
kind = "graph"
tenant = "sandbox"
client_id = "kalender"
client_secret = "kalender"
base_url = "{graph}"
login_url = "{login}"
ca_file = "{ca}"
timeout = 5
server_seconds = 1
second_look_hours = {hours}
"""
HOURS = 20 / 3600


def waiting(path: Path) -> int:
    """Return how many calendars wait for their second look."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT count(*) FROM calendar WHERE look_again_at IS NOT NULL"
        return int(connection.execute(query).fetchone()[0])


def test_what_searches_see_late_stands_once_after_the_second_look(tmp_path: Path) -> None:
    generate(tmp_path / "served", students=3)
    with start(tmp_path / "served", graph="all") as sandbox:
        ends = sandbox.endpoints
        database = f"sqlite:///{tmp_path}/k.db"
        made = House(tmp_path, tmp_path / "served", sandbox, database, NOW, "epost:INSTITUSJON")
        text = made.config.read_text().replace("uio.example", "uni.example")
        text = text.replace("processes = 2", "processes = 1")  # enough for three
        section = GRAPH.format(graph=ends.graph, login=ends.login, ca=ends.login_ca, hours=HOURS)
        text = re.sub(r"\[exchange\.main\].*?(?=\[rollout\])", section, text, flags=re.DOTALL)
        made.config.write_text(text)
        made.run("db", "upgrade")
        made.run("resync", "--all")
        made.send("PUT", "graph/settings", {"visible_after": 3600})
        fault = {"neighbour": "graph", "operation": "Batch", "kind": "process-then-drop"}
        made.send("POST", "faults", fault)
        with made.running("worker"):
            until = monotonic() + 60
            while not waiting(tmp_path / "k.db"):
                assert monotonic() < until
                pause(0.2)
            made.send("PUT", "graph/settings", {"visible_after": 0})
            assert any(" has " in line for line in made.differences())
            made.wait_until_right()
        made.assert_logs_are_clean()
