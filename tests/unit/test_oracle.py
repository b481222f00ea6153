"""The oracle that judges the end-to-end tests: against figures known and words written by hand."""

import ast
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kalender.sandbox.oracle import Expected, Rules, calendars
from tests import real_data

TESTS = Path(__file__).parents[1]
CASES = TESTS / "data" / "hard-cases"
OSLO = ZoneInfo("Europe/Oslo")
BEGIN = datetime.fromisoformat("2025-08-01T00:00+02:00")
MONDAY = datetime.fromisoformat("2025-10-20T08:00+02:00")
A_WEEK_LATER = datetime.fromisoformat("2025-10-27T08:00+01:00")
RULES = Rules(
    teacher_mailbox="{username}@uni.example",
    teacher_words="Undervise: ",
    mail_domains=frozenset({"uni.example", "stud.uni.example"}),
)
# What no file of the university tells: who is outside the roll-out, and who has no mailbox.
NOT_IN_THE_FILES = {"outsider@stud.uni.example", "ghost@uni.example"}
# Right only for who knows what stood a week before: the files of that day alone do not tell it.
STANDS = {
    "doubt-later@stud.uni.example",
    "plenary-told-no-longer@stud.uni.example",
    "published-no-longer@stud.uni.example",
    "t-kept@uni.example",
    "t-role-while-named@uni.example",
    "t-was-named@uni.example",
    "told-no-longer@stud.uni.example",
}


# -- the real term -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def term(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return real_data.term(tmp_path_factory.mktemp("term"))


def of_students(held: dict[str, list[Expected]]) -> list[int]:
    """How many entries each of the term's students has."""
    return [len(entries) for address, entries in held.items() if address.startswith("st")]


def test_students_of_the_real_term_hold_as_many_as_its_makers_counted(term: Path) -> None:
    counts = of_students(calendars(term, BEGIN, rules=Rules(sole_group=False)))
    assert len(counts) == 1469
    assert (sum(counts), median(counts), max(counts)) == (195_834, 140, 1_112)


def test_the_only_groups_of_their_kind_add_what_their_makers_counted(term: Path) -> None:
    assert sum(of_students(calendars(term, BEGIN))) == 195_834 + 1_778


# -- the hard cases ----------------------------------------------------------------------------------


def told(directory: Path, now: datetime, *words: str) -> dict[str, list[Expected]]:
    """What the oracle says of the hard cases on a day."""
    command = [sys.executable, "-B", str(CASES / "make.py"), str(directory), *words]
    subprocess.run(command, check=True, timeout=60)
    held = calendars(directory, now, rules=RULES)
    return {address: found for address, found in held.items() if address not in NOT_IN_THE_FILES}


def written(key: str, now: datetime) -> dict[str, list[Expected]]:
    """What is written by hand, without what has ended."""
    cases: dict[str, dict[str, Any]] = tomllib.loads((CASES / "expected.toml").read_text("utf-8"))
    held = {
        address: sorted(
            entry for entry in map(read, case.get(key, case["entries"])) if entry.end > now
        )
        for address, case in cases.items()
    }
    return {address: entries for address, entries in held.items() if entries}


def read(line: str) -> Expected:
    """Read `day and hours (or two instants) | subject | location | show-as`."""
    when, subject, location, show_as = (part.strip() for part in line.split("|"))
    first, second = when.split()
    if "Z" not in when:
        hours = second.split("-")
        first, second = (f"{first}T{hour}" for hour in hours)
    start, end = (datetime.fromisoformat(each) for each in (first, second))
    return Expected(at(start), at(end), subject, location, show_as)


def at(moment: datetime) -> datetime:
    """The instant, in UTC; local time where nothing else is said."""
    return (moment if moment.tzinfo else moment.replace(tzinfo=OSLO)).astimezone(UTC)


def test_the_oracle_says_of_every_hard_case_what_is_written_by_hand(tmp_path: Path) -> None:
    assert told(tmp_path, MONDAY) == written("entries", MONDAY)


def test_a_week_later_it_differs_only_where_what_stood_decides(tmp_path: Path) -> None:
    found, wanted = told(tmp_path, A_WEEK_LATER, "--week-later"), written("later", A_WEEK_LATER)
    everybody = found.keys() | wanted.keys()
    assert {each for each in everybody if found.get(each) != wanted.get(each)} == STANDS


def test_it_imports_nothing_of_what_it_judges() -> None:
    for path in TESTS.glob("oracle*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.partition(".")[0] == "kalender"]
