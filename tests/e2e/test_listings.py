"""What people read: 80 columns and nothing cut, the institution's time, numbers that are typed back."""

import json
import re
from collections.abc import Iterator

import pytest

from tests import commands
from tests.e2e.conftest import Template, filled_house
from tests.e2e.house import House, environment, fails

pytestmark = pytest.mark.e2e
STUDENT, NUMBER, OPTED, PROTECTED = "st000003", "100003", "st000004", "st000005"
REASON = "The rector's office asked for it on the telephone, and the registrar confirmed by letter."
LISTINGS = [
    ["parked"],
    ["term"],
    ["brake", "show"],
    ["rollout", "list"],
    ["status"],
    ["rollout", "status"],
    ["optout", "list"],
    ["protect", "list"],
    ["protect", "list", "--reveal"],
    ["rejected", "list"],
    ["plan", OPTED],
    ["show", STUDENT],
    ["log"],
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[House]:
    """An installation whose calendars are right, and of which there is something to list."""
    with filled_house(tmp_path_factory.mktemp("house"), template) as house:
        text = house.config.read_text().replace(
            "[institution]", '[institution]\ntime_zone = "Asia/Tokyo"'
        )
        house.config.write_text(text)
        house.run("rollout", "add", "person", STUDENT, PROTECTED)
        house.run("brake", "set", "--reason", REASON)
        house.run("optout", "add", OPTED, "--source", REASON)
        house.run("protect", "add", PROTECTED)
        house.run("retry", STUDENT)
        yield house


def read(house: House, *words: str, columns: str | None = "80") -> str:
    """Return what a command prints into a pipe, on a machine in another zone than the institution."""
    told = environment() | {"TZ": "America/Lima"} | ({"COLUMNS": columns} if columns else {})
    done = commands.run(house.words(*words), env=told, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_listing_fits_eighty_columns_and_nothing_is_cut(filled: House) -> None:
    for words in LISTINGS:
        for columns in ("80", None):
            text = read(filled, *words, columns=columns)
            assert text.strip(), words
            wide = [line for line in text.splitlines() if len(line) > 80]
            assert wide == [], words
            assert "…" not in text, words
    for words in (["brake", "show"], ["optout", "list"]):
        assert " ".join(REASON.split()) in " ".join(read(filled, *words).split())


def test_an_entry_is_one_line_with_when_what_why_and_written(filled: House) -> None:
    entries = json.loads(filled.run("show", STUDENT, "--json"))["calendars"][0]["shown"]
    text = read(filled, "show", STUDENT)
    line = re.compile(
        r"^  \d{4}-\d\d-\d\d \d\d:\d\d-\d\d:\d\d +\S+ \S+ .*\d{4}-\d\d-\d\d \d\d:\d\d$"
    )
    told = [each for each in text.splitlines() if line.match(each)]
    assert len(told) == len(entries) > 5
    for each, entry in zip(told, entries, strict=True):
        assert f" {entry['course']} {entry['actid']} " in each
        assert f" {entry['why']} " in each


def test_times_are_the_institutions_with_the_zone_named(filled: House) -> None:
    for words in (["brake", "show"], ["optout", "list"], ["protect", "list", "--reveal"], ["log"]):
        text = read(filled, *words)
        assert re.search(r"\d\d:\d\d:\d\d JST", text), (words, text)
        assert len(re.findall(r"\d\d:\d\d:\d\d", text)) == text.count(" JST"), (words, text)
    assert "Asia/Tokyo" in read(filled, "show", STUDENT)
    assert "Asia/Tokyo" in read(filled, "plan", STUDENT) or read(
        filled, "plan", STUDENT
    ).startswith("nothing to write")
    paused = filled.run("pause", "tp", "--for", "1h", "--reason", "moved")
    assert " JST" in paused


def test_listings_name_fs_number_and_username_but_nobody_who_is_protected(filled: House) -> None:
    for words in (["rollout", "list"], ["optout", "list"], ["show", STUDENT]):
        known = STUDENT if words[0] != "optout" else OPTED
        assert known in read(filled, *words), words
        assert known.replace("st000", "100") in read(filled, *words), words
    held = json.loads(filled.run("show", PROTECTED, "--reveal", "--json"))["person"]
    for words in LISTINGS[:7]:
        text = read(filled, *words)
        assert PROTECTED not in text, words
        assert "100005" not in text, words
    assert all(
        row["person_id"] != held for row in json.loads(filled.run("optout", "list", "--json"))
    )


def test_every_number_that_is_shown_can_be_typed_back(filled: House) -> None:
    person = json.loads(filled.run("show", NUMBER, "--json"))
    number, calendar = person["person"], person["calendars"][0]["calendar_id"]
    course = person["registrations"][0]["course"]
    for name in (
        [f"person {number}"],
        [f"calendar {calendar}"],
        ["person", str(number)],
        ["calendar", str(calendar)],
        [f"fs {NUMBER}"],
        [f"person fs {NUMBER}"],
        [f"username {STUDENT}"],
    ):
        assert json.loads(filled.run("show", *name, "--json"))["person"] == number, name
        assert filled.run("why", *name, course)
        assert "1 marked" in filled.run("retry", *name), name
    filled.run("plan", f"calendar {calendar}")
    filled.run("optout", "add", "calendar", str(calendar), f"person {number}")
    assert fails(filled, "show", "person 99999")[0] == 1
    assert fails(filled, "show", "calendar 99999999999999999999")[0] == 1
