"""Notifications that could not be read are listed, and read again after a pattern was added."""

import json
import subprocess

import pytest

from tests.e2e.house import House, environment, fails

pytestmark = pytest.mark.e2e


def test_what_was_rejected_is_listed_and_replayed(house: House) -> None:
    assert fails(house, "rejected", "list")[0] == 2
    house.run("db", "upgrade")
    lines = [{"routing_key": "any", "body": text} for text in ('{"no": "subject"}', "{}")]
    told = "\n".join(json.dumps(line) for line in lines) + "\n"
    done = subprocess.run(
        house.command("listener", "--stdin"),
        input=told,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(house.run("rejected", "list", "--json"))
    assert len(rows) == 2
    assert "0 read and marked; 2 still unreadable" in house.run("rejected", "replay", "--all")
    assert json.loads(house.run("rejected", "list", "--json")) == rows
    code, said = fails(house, "rejected", "replay", "999")
    assert (code, "no such notification is kept" in said) == (2, True)
    code, said = fails(house, "rejected", "replay")
    assert (code, "rejected replay wants numbers, or --all" in said) == (2, True)
    pattern = (
        "\n[[notifications]]\nsubject = '^lecture of (?P<course>IN[0-9]+) (?P<semester>25h)$'\n"
    )
    line = json.dumps({"routing_key": "any", "body": {"sub": "lecture of IN1000 25h"}}) + "\n"
    subprocess.run(
        house.command("listener", "--stdin"),
        input=line,
        capture_output=True,
        text=True,
        check=True,
        env=environment(),
        timeout=60,
    )
    house.config.write_text(house.config.read_text() + pattern)
    assert "1 read and marked; 2 still unreadable" in house.run("rejected", "replay", "--all")
    assert json.loads(house.run("rejected", "list", "--json")) == rows
