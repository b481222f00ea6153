"""A person's own language from the command to the calendar, and everywhere it is told of."""

import json

import pytest

from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
STUDENT, OTHER, PROTECTED = "st000003", "st000004", "st000005"


def subjects(house: House, username: str) -> set[str]:
    return {entry.subject for entry in house.held()[f"{username}@uni.example"]}


def test_a_person_reads_their_entries_in_their_own_language(filled: House) -> None:
    before = {username: subjects(filled, username) for username in (STUDENT, OTHER)}
    assert any("Forelesning" in subject for subject in before[STUDENT])
    words = ("language", "set", "en", STUDENT)
    assert filled.run(*words, "--dry-run") == ("1 calendars of 1 persons would be written anew\n")
    assert filled.run(*words, "--source", "by mail", "--by", "kari") == (
        "1 calendars of 1 persons are written anew\n"
    )
    assert "0 calendars of 0 persons" in filled.run(*words)
    filled.run("worker", "--until-idle")
    after = subjects(filled, STUDENT)
    assert any("Lecture" in subject for subject in after)
    assert not any("Forelesning" in subject for subject in after)
    assert subjects(filled, OTHER) == before[OTHER]

    shown = json.loads(filled.run("show", STUDENT, "--json"))["language"]
    assert (shown["language"], shown["told_by"], shown["source"]) == ("en", "command", "operator")
    assert "language en, by command (operator), since" in filled.run("show", STUDENT)
    (row,) = json.loads(filled.run("language", "list", "--json"))
    assert (row["username"], row["language"]) == (STUDENT, "en")
    assert STUDENT in filled.run("language", "list")
    assert json.loads(filled.run("status", "--json"))["personal_languages"] == 1
    acts = json.loads(filled.run("log", "--acts", "--json"))
    assert [(act["who"], act["reason"]) for act in acts if act["what"] == "language set"][-1] == (
        "kari",
        "en, by mail",
    )
    assert json.loads(filled.run("show", STUDENT, "--export"))["personal_language"]

    filled.run("language", "set", "default", STUDENT)
    filled.run("worker", "--until-idle")
    assert subjects(filled, STUDENT) == before[STUDENT]
    assert filled.run("language", "list") == "all entries are written in nb\n"
    assert filled.differences() == []


def test_a_list_of_persons_gets_a_language_and_mistakes_are_told(filled: House) -> None:
    file = filled.directory / "list.txt"
    file.write_text(f"{STUDENT}\nnobody\n{OTHER}\n")
    code, said = fails(filled, "language", "set", "nn", "--file", str(file))
    assert (code, "2 (nobody)" in said) == (1, True), said
    assert len(json.loads(filled.run("language", "list", "--json"))) == 2
    for words, told in (
        (("de", STUDENT), "language set wants nb, nn, en or default, then persons"),
        (("en",), "language set wants persons, or --file"),
    ):
        assert fails(filled, "language", "set", *words) == (2, f"kalender: {told}")


def test_who_is_protected_is_in_no_list_of_languages(filled: House) -> None:
    filled.run("language", "set", "en", PROTECTED)
    filled.run("protect", "add", PROTECTED)
    assert json.loads(filled.run("language", "list", "--json")) == []
