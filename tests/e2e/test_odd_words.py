"""Words typed or pasted that are no UTF-8, or hold letters that nobody sees."""

import pytest

from tests.e2e.house import House, fails

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
COMMANDS = [
    ("show", "PERSON"),
    ("show", "--course", "PERSON"),
    ("why", "PERSON", "IN1000"),
    ("resync", "--course", "PERSON"),
    ("resync", "--person", "PERSON"),
    ("optout", "add", "PERSON"),
    ("log", "--course", "PERSON"),
    ("rollout", "add", "course", "PERSON", "--yes"),
    ("pause", "fs", "--reason", "PERSON"),
    ("brake", "set", "--reason", "PERSON"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_words_that_are_no_text_are_refused_in_one_line(
    house: House, migrated_postgresql: str, words: tuple[str, ...]
) -> None:
    text = house.config.read_text()
    house.config.write_text(text.replace(house.database, migrated_postgresql))
    odd = tuple(word.replace("PERSON", "ol\udcffa") for word in words)
    code, said = fails(house, *odd)
    assert code == 2
    assert len(said.splitlines()) == 1
    assert "of the command is no UTF-8 text: type it again" in said


def test_letters_that_nobody_sees_are_read_over_in_what_is_pasted(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    assert house.run("show", "\u200bst000003\u00a0") == house.run("show", "st000003")
    house.run("worker", "--until-idle")
    assert house.run("show", "--course", "\ufeffBIO1000 ") == house.run(
        "show", "--course", "BIO1000"
    )
