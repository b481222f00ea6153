"""What reports from the field demand, seen by commands' words and by what Exchange holds alone."""

import json
import shutil
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest

from tests import commands
from tests.e2e.house import House

pytestmark = pytest.mark.e2e
STUDENT = "st000003"
SCOPE = "course JUS1000 25h"


@pytest.fixture
def filled(filled: House) -> House:
    """An installation whose calendars are right."""
    assert filled.run("status").startswith("healthy")
    return filled


def change(house: House, before: str, after: str) -> None:
    text = house.config.read_text()
    assert before in text
    house.config.write_text(text.replace(before, after))


def do(house: House, *words: str) -> None:
    house.run(*words)
    house.run("worker", "--until-idle")


def with_event(house: House, course: str, **fields: str) -> None:
    """Let TP tell of one more event of a course, and let it be asked for."""
    before = house.get(f"tp/{course}")
    event = before["events"][0] | {"eventid": "n1", "id": "n1"} | fields
    house.send("PUT", f"tp/{course}", before | {"events": [*before["events"], event]})
    do(house, "resync", "--course", course)


def on(day: int) -> dict[str, str]:
    return {
        "dtstart": f"2025-12-0{day}T10:15:00+01",
        "dtend": f"2025-12-0{day}T12:00:00+01",
    }


# -- what is healthy, and what is missing -----------------------------------------------------------


def test_an_event_that_cannot_be_read_is_not_healthy_and_why_names_its_field(filled: House) -> None:
    with_event(filled, "HIS1000", dtstart="soon")
    assert not filled.run("status").startswith("healthy")
    text = filled.run("why", "st000008", "HIS1000", "2025-12-24", "--lang", "en")
    assert "dtstart" in text
    assert "no such teaching" not in text


def test_a_refused_entry_is_not_healthy(filled: House) -> None:
    fault = {"neighbour": "exchange", "kind": "item-error", "operation": "CreateItem", "times": -1}
    filled.send("POST", "faults", fault | {"code": "ErrorCorruptData"})
    with_event(filled, "BIO1000", **on(2))
    assert not filled.run("status").startswith("healthy")


# -- what settings decide ---------------------------------------------------------------------------


def test_from_listed_to_all_writes_the_calendars(house: House) -> None:
    change(house, 'mode = "all"', 'mode = "listed"')
    house.run("db", "upgrade")
    house.run("resync", "--all")
    do(house, "rollout", "add", "person", STUDENT)
    change(house, 'mode = "listed"', 'mode = "all"')
    do(house, "resync", "--all", "--yes")
    assert len(house.held()) > 1


def test_closed_addresses_are_not_healthy_and_open_again_when_the_mail_domain_is_mended(
    filled: House,
) -> None:
    before = filled.held()
    change(filled, 'mail_domains = ["uni.example"]', 'mail_domains = ["uni.exmaple"]')
    filled.done("resync", "--all", "--yes")
    filled.run("worker", "--until-idle")
    assert not filled.run("status").startswith("healthy")
    lessons = dict(filled.get("tp/MAT1000"))
    filled.send("PUT", "tp/MAT1000", lessons | {"events": lessons["events"][:-1]})
    do(filled, "resync", "--course", "MAT1000")
    change(filled, 'mail_domains = ["uni.exmaple"]', 'mail_domains = ["uni.example"]')
    do(filled, "resync", "--all", "--yes")
    assert filled.held() != before  # the lesson that TP took back meanwhile is gone


def test_another_rule_for_mailboxes_moves_everybody(filled: House) -> None:
    change(filled, "epost:INSTITUSJON", "{username}@new.example")
    change(filled, '["uni.example"]', '["uni.example", "new.example"]')
    do(filled, "resync", "--all", "--yes")
    assert f"{STUDENT}@new.example" in filled.run("show", STUDENT)


# -- a database that was put back -------------------------------------------------------------------


def doubles(house: House) -> int:
    """Count our entries that show an event which another of ours in that calendar shows."""
    shown = Counter(
        (mailbox, item["sync_key"].rpartition("#")[0])
        for mailbox, items in house.get("exchange/all").items()
        for item in items
        if item["sync_key"]
    )
    return sum(count - 1 for count in shown.values())


def test_a_database_that_was_put_back_doubles_nothing(house: House) -> None:
    state = house.directory / "state"
    state.mkdir()
    change(house, "[worker]", f'[worker]\nstate_dir = "{state}"')
    house.run("db", "upgrade")
    do(house, "resync", "--all")
    file = Path(house.database.removeprefix("sqlite:///"))
    backup = Path(shutil.copy(file, file.with_suffix(".backup")))
    for day in (1, 2, 3):
        with_event(house, "BIO1000", eventid=f"n{day}", id=f"n{day}", **on(day))
    assert doubles(house) == 0
    for name in ("-wal", "-shm"):
        Path(f"{file}{name}").unlink(missing_ok=True)
    shutil.copy(backup, file)
    house.done("resync", "--course", "BIO1000")
    with suppress(TimeoutError):  # a worker that waits is as good as one that refuses
        commands.run(house.words("worker", "--until-idle"), timeout=45)
    assert doubles(house) == 0


# -- a course that is held --------------------------------------------------------------------------


def test_a_held_course_is_counted_since_its_first_hold_and_released_as_it_is_shown(
    filled: House,
) -> None:
    def brake() -> dict[str, object]:
        (row,) = json.loads(filled.run("brake", "show", "--json"))
        return dict(row)

    filled.send("PUT", "tp/JUS1000", filled.get("tp/JUS1000") | {"events": []})
    do(filled, "resync", "--course", "JUS1000")
    before = brake()
    assert before["held"] != 0
    do(filled, "resync", "--course", "JUS1000")
    assert brake()["set_at"] == before["set_at"]
    words = ("brake", "release", SCOPE, "--reason", "TP says so", "--yes")
    assert filled.done(*words).returncode == 0
