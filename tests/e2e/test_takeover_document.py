"""What docs/takeover.md says is done word for word, and prints what stands there."""

import json
import re
import shlex
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.e2e.conftest import Template, filled_house, switch_nobody_on
from tests.e2e.house import House
from tests.e2e.test_takeover import standing
from tests.takeover.predecessor import PATH, Predecessor

pytestmark = pytest.mark.e2e
DOCUMENT = (Path(__file__).parents[2] / "docs" / "takeover.md").read_text("utf-8")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
ONE = "st000003@uni.example"
SINCE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d CES?T")


@pytest.fixture
def house(tmp_path: Path, preceded: Template) -> Iterator[House]:
    """An installation that knows everybody's teaching, and whose people have a predecessor's term."""
    with filled_house(tmp_path, preceded) as made:
        switch_nobody_on(made)
        (settings, *_) = [content for kind, content in FENCE.findall(DOCUMENT) if kind == "toml"]
        made.config.write_text(made.config.read_text() + settings)
        old = made.wanted()[ONE][0]
        Predecessor(made).write("st000009@uni.example", old._replace(subject="HIST9999 Nedlagt"))
        yield made


def commands() -> Iterator[tuple[list[str], str]]:
    """The commands of the document in their order, each with what it prints there."""
    blocks = [block for block in FENCE.findall(DOCUMENT) if block[0] in {"sh", "text"}]
    for (kind, content), (next_kind, shown) in zip(blocks, [*blocks[1:], ("", "")], strict=True):
        lines = content.splitlines() if kind == "sh" else []
        for number, line in enumerate(lines, 1):
            is_last = number == len(lines) and next_kind == "text"
            yield shlex.split(line)[1:], shown if is_last else ""


def test_each_command_of_the_week_and_the_way_back_is_as_the_document_says(house: House) -> None:
    before = standing(house)
    course = json.loads(house.run("show", ONE, "--json"))["registrations"][0]["course"]
    meant = {"PERSON": ONE, "COURSE": course}
    after_all = None
    for words, shown in commands():
        if words[:2] == ["resync", "--all"]:
            text = house.config.read_text()
            house.config.write_text(text.replace('mode = "listed"', 'mode = "off"'))
        printed = house.run(*(meant.get(word, word) for word in words))
        if shown:
            assert SINCE.sub("TIME", printed) == shown, words
        if "--yes" in words:
            house.run("worker", "--until-idle")
        if words[:2] == ["takeover", "all"] and "--up-to" in words:
            after_all = standing(house)
        if words == ["status"]:  # on Friday nothing is wrong yet; then the predecessor writes on
            assert printed.startswith("healthy")
            write_on(house)
    assert after_all is not None
    assert all(ours for items in after_all.values() for _, ours, _ in items)
    assert house.get("exchange/private-touched") == {"count": 0}
    still = standing(house)
    assert {item for item in still[ONE] if not item[1]} == {*before[ONE]}
    assert {mailbox for mailbox, items in still.items() if any(ours for _, ours, _ in items)}


def write_on(house: House) -> None:
    """Let the predecessor mark one of our entries once more, and let it be seen."""
    item = min(house.items(ONE), key=lambda item: (item["private"], item["start"]))
    assert datetime.fromisoformat(item["start"]) > datetime.fromisoformat(house.now)
    told = {"mailbox": ONE, "id": item["id"], "do": "set", "properties": {PATH: "timeplan-x"}}
    house.send("POST", "exchange/meddle", told)
    house.run("verify", ONE)
    house.run("worker", "--until-idle")
