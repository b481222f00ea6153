"""`kalender takeover` from outside: a predecessor's calendars become ours, and theirs again."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Template, filled_house, switch_nobody_on
from tests.e2e.house import House, fails
from tests.takeover.predecessor import PATH, SETTINGS, Predecessor

pytestmark = pytest.mark.e2e
NO_SETTINGS = "[takeover] is not in the settings: nothing says by what the predecessor is known"
ONE = "st000003@uni.example"
HALF = timedelta(minutes=30)


@pytest.fixture
def house(tmp_path: Path, preceded: Template) -> Iterator[House]:
    """An installation that knows everybody's teaching and wrote nothing; a predecessor did."""
    with filled_house(tmp_path, preceded) as made:
        switch_nobody_on(made)
        made.config.write_text(made.config.read_text() + SETTINGS)
        yield made


def standing(house: House) -> dict[str, list[tuple[str, bool, str | None]]]:
    """What stands in each calendar beside the private: id, whether it is ours, and the old mark."""
    return {
        mailbox: sorted(
            (item["id"], bool(item["sync_key"]), item["properties"].get(PATH))
            for item in items
            if item["folder"] == "calendar" and not item["private"]
        )
        for mailbox, items in house.all_items().items()
    }


def status(house: House) -> Any:
    """How far the takeovers are."""
    return json.loads(house.run("takeover", "status", "--json"))


def test_everybody_is_taken_over_and_given_back(house: House) -> None:
    before = standing(house)
    many = sum(len(items) for items in before.values())
    assert many > 100
    assert house.run("takeover", "status") == "nothing is taken over from a predecessor\n"
    (*rows,) = json.loads(house.run("takeover", "person", ONE, "--dry-run", "--json"))
    assert len(rows) == len(before[ONE])
    assert {row["becomes"] for row in rows} == {"adopted"}
    assert "adopted" in house.run("takeover", "share", "1", "--dry-run")
    assert standing(house) == before
    house.run("takeover", "all", "--unmatched", "stop", "--yes")
    house.run("worker", "--until-idle")
    assert house.differences() == []
    assert {m: [i for i, *_ in items] for m, items in standing(house).items()} == {
        m: [i for i, *_ in items] for m, items in before.items()
    }
    assert all(
        is_ours and not mark for items in standing(house).values() for _, is_ours, mark in items
    )
    assert house.get("counters").get("exchange.CreateItem", 0) == 0
    assert house.get("exchange/private-touched") == {"count": 0}
    told = status(house)
    assert told["entries"]["adopted"] == many
    assert told["calendars"]["done"] > 20
    assert f"entries adopted: {many}" in house.run("takeover", "status")
    assert "service adopt" in house.run("log", "--person", ONE)
    after = standing(house)
    house.run("takeover", "all", "--unmatched", "remove", "--up-to", "5", "--yes")
    house.run("worker", "--until-idle")
    assert standing(house) == after
    assert "calendars would be handed back" in house.run("takeover", "all", "--undo", "--dry-run")
    house.run("takeover", "all", "--undo", "--yes")
    house.run("worker", "--until-idle")
    assert standing(house) == before
    assert status(house)["calendars"]["undone"] == told["calendars"]["done"]
    assert "handback" in house.run("log", "--person", ONE)


def test_nothing_is_written_beside_a_predecessor_of_which_nobody_told(house: House) -> None:
    before = standing(house)
    house.run("rollout", "add", "person", ONE)
    house.run("worker", "--until-idle")
    assert standing(house) == before
    (stopped,) = status(house)["stopped"]
    assert "entries of the predecessor stand in this calendar" in stopped["reason"]
    assert stopped["username"] in house.run("takeover", "status")
    told = json.loads(house.run("status", "--json"))
    assert (told["verdict"]["condition"], told["takeovers"]["calendars"]["stopped"]) == (
        "takeover-stopped",
        1,
    )
    assert "never-written" not in str(told)
    assert "takeover: stopped since" in house.run("show", ONE)
    course = json.loads(house.run("show", ONE, "--json"))["registrations"][0]["course"]
    house.run("takeover", "course", course, "--unmatched", "leave", "--per-minute", "6000", "--yes")
    house.run("worker", "--until-idle")
    assert all(is_ours for _, is_ours, _ in standing(house)[ONE])
    assert status(house)["stopped"] == []


def test_what_is_left_is_shown_and_so_is_what_is_not_made_beside_it(house: House) -> None:
    calendar = standing(house)[ONE]
    item = next(item for item in house.items(ONE) if item["id"] == calendar[0][0])
    start, end = (datetime.fromisoformat(item[name]) + HALF for name in ("start", "end"))
    moved = {"mailbox": ONE, "id": item["id"], "do": "set", "start": start.isoformat()}
    house.send("POST", "exchange/meddle", {**moved, "end": end.isoformat()})
    house.run("takeover", "person", ONE, "--unmatched", "leave", "--yes")
    house.run("worker", "--until-idle")
    assert len(standing(house)[ONE]) == len(calendar)
    assert [step["do"] for step in json.loads(house.run("plan", ONE, "--json"))] == ["withhold"]
    (shown,) = json.loads(house.run("show", ONE, "--json"))["calendars"]
    assert [other["fate"] for other in shown["takeover"]["others"]] == ["left"]
    assert shown["takeover"]["adopted"] == len(calendar) - 1
    assert "left" in house.run("show", ONE)
    export = json.loads(house.run("show", ONE, "--export"))
    assert len(export["takeover_item"]) == len(calendar)
    Predecessor(house).write(ONE, house.wanted()[ONE][0])
    house.run("verify", ONE)
    house.run("worker", "--until-idle")
    (stopped,) = status(house)["stopped"]
    assert "switch it off for this person" in stopped["reason"]
    course = json.loads(house.run("show", ONE, "--json"))["registrations"][0]["course"]
    answers = json.loads(house.run("why", ONE, course, "--json"))
    assert "stopped" in {answer["case"] for answer in answers}


def test_what_takeover_cannot_do_is_one_line(small_filled: House) -> None:
    assert fails(small_filled, "takeover", "all") == (
        2,
        f"kalender: {NO_SETTINGS}; see config.example.toml",
    )
    text = small_filled.config.read_text()
    small_filled.config.write_text(text + SETTINGS)
    by_category = text + '\n[takeover]\ncategory = "TimePlan"\n'
    for words, said in (
        (["everybody"], "takeover wants person, course, share or all, or status"),
        (["all", "x"], "takeover person, course and share want a value, all and status none"),
        (["person"], "want a value, all and status none"),
        (["share", "2"], "a share is a number from 0 to 1"),
        (
            ["course", "NONE1"],
            "no course NONE1 is mirrored: kalender resync --all reads them from TP",
        ),
        (
            ["all"],
            "--unmatched remove, leave or stop must be given: it says what becomes of entries",
        ),
        (["all", "--unmatched", "leave", "--up-to", "3"], "--up-to N goes with --unmatched remove"),
        (["all", "--unmatched", "remove"], "--up-to N goes with --unmatched remove: so many are"),
        (
            ["all", "--json"],
            "--json goes with --dry-run; takeover status --json says how far it is",
        ),
        (["all", "--unmatched", "stop"], "calendars are switched on and taken over. --yes says so"),
        (["all", "--undo"], "calendars are handed back: what was adopted stays there and is"),
    ):
        code, told = fails(small_filled, "takeover", *words)
        assert (code, said in told) == (2, True), told
    small_filled.config.write_text(by_category)
    remove = ["all", "--unmatched", "remove", "--up-to", "3", "--yes"]
    assert (
        "wants a named property as [takeover] mark" in fails(small_filled, "takeover", *remove)[1]
    )
    small_filled.config.write_text(by_category.replace('mode = "all"', 'mode = "off"'))
    leave = ["all", "--unmatched", "leave", "--yes"]
    assert "[rollout] mode is off: nothing is written" in fails(small_filled, "takeover", *leave)[1]
    small_filled.config.write_text(text + SETTINGS)
    small_filled.send("PUT", f"exchange/mailbox?address={ONE}", {"state": "denied"})
    code, told = fails(small_filled, "takeover", "person", ONE, "--dry-run")
    assert (code, "1 calendars could not be asked; kalender check says more" in told) == (2, True)
