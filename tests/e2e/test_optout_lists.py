"""Lists of whom to leave alone, from a file to the calendars: in step, held, and told of."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import commands
from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
ONE, TWO, THREE = "st000003", "st000004", "st000005"
SETTINGS = """
[optout.reserved]
file = "{directory}/reserved.txt"
[optout.gone]
file = "{directory}/gone.csv"
column = "uid"
closed = true
[preferences]
language_file = "{directory}/languages.csv"
person_column = "uid"
[safety]
min_optouts = 3
max_optout_share = 0
max_updated_share = 0.5
"""


@pytest.fixture
def idm(filled: House) -> House:
    """An installation whose calendars are right, and whose IdM writes three files."""
    text = filled.config.read_text() + SETTINGS.format(directory=filled.directory)
    filled.config.write_text(text)
    write(filled, "reserved.txt", ONE)
    write(filled, "gone.csv", "uid,since", f"{TWO},2025-08-01")
    write(filled, "languages.csv", "uid,language", f"{THREE},en-GB")
    return filled


def write(house: House, name: str, *lines: str) -> Path:
    path = house.directory / name
    path.write_text("\n".join(lines) + "\n")
    return path


def has(house: House, username: str) -> bool:
    return f"{username}@uni.example" in house.held()


def status(house: House) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(house.run("status", "--json"))
    return told


def conditions(house: House) -> dict[str, str]:
    told = status(house)
    return {each["condition"]: each["because"] for each in (told["verdict"], *told["also"])}


def synced(house: House, *words: str, expect: int = 0) -> dict[str, dict[str, Any]]:
    told = json.loads(house.run("optout", "sync", *words, "--json", expect=expect))
    return {each["name"]: each for each in told}


def test_lists_are_kept_in_step_by_a_resync_and_by_their_own_command(idm: House) -> None:
    assert set(conditions(idm)) >= {f"list-unread:{n}" for n in ("reserved", "gone", "languages")}
    found = json.loads(idm.run("resync", "--all", "--json"))
    assert {each["name"]: each["added"] for each in found["lists"]} == {
        "reserved": 1,
        "gone": 1,
        "languages": 1,
    }
    idm.run("worker", "--until-idle")
    assert [has(idm, name) for name in (ONE, TWO, THREE)] == [False, False, True]
    subjects = {entry.subject for entry in idm.held()[f"{THREE}@uni.example"]}
    assert not any("Forelesning" in subject for subject in subjects)
    assert conditions(idm).keys() == {"healthy"}
    rows = {row["username"]: row for row in json.loads(idm.run("optout", "list", "--json"))}
    assert [rows[name]["source"] for name in (ONE, TWO)] == ["list reserved", "list gone"]
    why = json.loads(idm.run("why", ONE, "BIO1000", "--json"))
    (wish,) = [check for check in why if check["check"] == "wish"]
    assert "listen reserved" in wish["text"]
    assert wish["lists"] == "reserved"
    assert status(idm)["opted_out"] == 2

    write(idm, "reserved.txt", "nobody", THREE)
    counted = idm.run("optout", "sync", "reserved", "--dry-run")
    assert counted == (
        "list reserved: 2 names, 1 of nobody known here; 1 persons left alone, 1 served again\n"
        "only counted: nothing is changed\n"
    )
    changes = synced(idm, "reserved")["reserved"]
    assert (changes["added"], changes["removed"], changes["unknown"]) == (1, 1, 1)
    idm.run("worker", "--until-idle")
    assert [has(idm, name) for name in (ONE, TWO, THREE)] == [True, False, False]
    acts = json.loads(idm.run("log", "--acts", "--operation", "optout sync", "--json"))
    assert [(act["what"], act["reason"]) for act in acts] == [
        ("optout sync remove", "list reserved"),
        ("optout sync add", "list reserved"),
        ("optout sync add", "list gone"),
        ("optout sync add", "list reserved"),
    ]
    idm.run("optout", "sync", "languages")
    assert "lists of persons" in idm.run("status")


def test_a_list_that_cannot_be_read_is_in_the_verdict_until_it_can(idm: House) -> None:
    idm.run("optout", "sync")
    idm.run("worker", "--until-idle")
    (idm.directory / "gone.csv").unlink()
    write(idm, "reserved.txt", "")
    changes = synced(idm, expect=1)
    assert changes["reserved"]["problem"] == "it names nobody"
    assert changes["gone"]["problem"].endswith("gone.csv: No such file or directory")
    said = idm.run("resync", "--all", expect=1)
    assert "persons:" in said
    unread = {name for name in conditions(idm) if name.startswith("list-unread")}
    assert unread == {"list-unread:gone", "list-unread:reserved"}
    assert [has(idm, name) for name in (ONE, TWO)] == [False, False]
    write(idm, "reserved.txt", ONE)
    write(idm, "gone.csv", "uid,since", TWO)
    idm.run("optout", "sync")
    idm.run("worker", "--until-idle")
    assert conditions(idm).keys() == {"healthy"}
    assert [has(idm, name) for name in (ONE, TWO)] == [False, False]


def test_too_many_are_held_until_somebody_agrees(idm: House) -> None:
    idm.run("optout", "sync")
    names = [ONE, THREE, "st000006", "st000007"]
    write(idm, "reserved.txt", *names)
    changes = synced(idm, "reserved", expect=1)["reserved"]
    assert (changes["added"], changes["held"]) == (0, 3)
    idm.run("worker", "--until-idle")
    assert [has(idm, name) for name in names] == [False, True, True, True]
    assert "optout reserved" in conditions(idm)["brake"]
    (brake,) = json.loads(idm.run("brake", "show", "--json"))
    assert (brake["scope"], brake["people"]) == ("optout reserved", 3)
    assert brake["held"] == sum(len(idm.held()[f"{name}@uni.example"]) for name in names[1:])
    release = ("brake", "release", "optout", "reserved", "--reason", "a class that ended")
    counted = idm.run(*release, "--dry-run")
    assert "would be so: 3 persons left alone" in counted
    assert f"{brake['held']} entries in 3 calendars taken back" in counted
    code, said = fails(idm, *release)
    assert (code, "--yes says so, --dry-run only counts" in said) == (2, True), said
    assert "3 calendars marked" in idm.run(*release, "--yes")
    idm.run("worker", "--until-idle")
    assert [has(idm, name) for name in names] == [False] * 4
    assert conditions(idm).keys() == {"healthy"}
    (act,) = json.loads(idm.run("log", "--operation", "brake release", "--json"))
    assert (act["scope"], act["count"]) == ("optout reserved", 3)


def test_a_command_counts_before_a_list_and_a_list_can_be_given_up(idm: House) -> None:
    idm.run("optout", "sync")
    said = idm.run("optout", "remove", ONE)
    assert said == "1 are served again\nthough listed still: reserved\n"
    idm.run("optout", "sync")
    idm.run("worker", "--until-idle")
    assert has(idm, ONE)
    rows = {row["username"]: row for row in json.loads(idm.run("optout", "list", "--json"))}
    assert rows[ONE]["state"] == "overruled"
    assert "1 persons would be served again" in idm.run("optout", "drop", "gone", "--dry-run")
    code, said = fails(idm, "optout", "drop", "gone")
    assert (code, "1 persons are served again" in said) == (2, True), said
    idm.run("optout", "drop", "gone", "--yes")
    idm.run("worker", "--until-idle")
    assert has(idm, TWO)


def test_a_list_is_given_on_standard_input_whole(filled: House) -> None:
    def given(text: str, *words: str) -> commands.Done:
        env = {**os.environ}
        line = filled.words("optout", "sync", "hook", "--file", "-", *words)
        return commands.run(line, env=env, text=text, timeout=60)

    assert given(f"{ONE}\n{TWO}\n").stdout == (
        "list hook: 2 names; 2 persons left alone, 0 served again\n"
    )
    done = given("uid\nst000003\n", "--column", "uid", "--closed")
    assert (done.returncode, "0 persons left alone, 1 served again" in done.stdout) == (0, True)
    done = given("")
    assert done.returncode == 1
    assert done.stdout == ("list hook could not be read, and changes nothing: it names nobody\n")


def test_what_names_no_list_is_said_in_one_line(filled: House) -> None:
    for words, said in (
        ((), "the settings name no list: add [optout.NAME] with its file, or give NAME and --file"),
        (("--closed",), "--file, --column and --closed want the name of a list as well"),
        (("other",), "the settings name no list other: add [optout.other], or give --file"),
    ):
        assert fails(filled, "optout", "sync", *words) == (2, f"kalender: {said}")
    code, said = fails(filled, "optout", "drop", "other")
    assert (code, "no list other was ever read: kalender status names them" in said) == (1, True)
    filled.config.write_text(filled.config.read_text() + '\n[optout.No]\nfile = "x"\n')
    assert "a list is named by small letters" in fails(filled, "status")[1]
