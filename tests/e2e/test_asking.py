"""What concerns many is counted and asked for before it is done; lists are taken whole."""

import sqlite3

import pytest

from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
STUDENT, OTHER = "st000003", "st000004"


@pytest.fixture
def listed(house: House) -> House:
    """An installation that was read, and switched on for nobody."""
    text = house.config.read_text().replace('mode = "all"', 'mode = "listed"')
    house.config.write_text(text)
    house.run("db", "upgrade")
    house.run("resync", "--all")
    return house


def number(house: House, query: str) -> int:
    with sqlite3.connect(house.database.removeprefix("sqlite:///")) as connection:
        ((count,),) = connection.execute(query).fetchall()
    return int(count)


def test_a_roll_out_of_many_is_counted_asked_for_and_then_done(listed: House) -> None:
    all_ = number(listed, "SELECT count(*) FROM calendar")
    counted = listed.run("rollout", "add", "share", "1", "--dry-run")
    assert f"{all_} of {all_} calendars would be switched on" in counted
    code, said = fails(listed, "rollout", "add", "share", "1")
    assert (code, f"{all_} of {all_} calendars are switched on" in said) == (2, True), said
    assert "--yes says so, --dry-run only counts" in said
    code, said = fails(listed, "rollout", "add", "course", "NO9999")
    assert (code, "no course NO9999 is mirrored" in said) == (2, True), said
    assert number(listed, "SELECT count(*) FROM rollout") == 0
    listed.run("rollout", "add", "share", "1", "--yes")
    assert number(listed, "SELECT count(*) FROM rollout") == 1
    words = ["rollout", "remove", "share", "1.0", "--leave"]
    assert f"{all_} calendars would be switched off" in listed.run(*words, "--dry-run")
    assert fails(listed, *words)[0] == 2
    assert number(listed, "SELECT count(*) FROM rollout") == 1


def test_a_list_of_who_opts_out_is_taken_and_who_is_unknown_is_told(listed: House) -> None:
    file = listed.directory / "list.txt"
    file.write_text(f"{STUDENT}\nnobody\n\n{OTHER}\n")
    code, said = fails(listed, "optout", "add", "--file", str(file))
    assert (code, "2 (nobody)" in said) == (1, True), said
    assert number(listed, "SELECT count(*) FROM preference WHERE wish = 'optout'") == 2
    assert fails(listed, "optout", "add")[1].endswith("optout add wants persons, or --file")


def test_who_would_come_back_is_not_removed_to_be_forgotten(listed: House) -> None:
    code, said = fails(listed, "remove", STUDENT, "--forget", "--yes")
    assert (code, "still listed by FS or TP" in said) == (1, True), said
    assert number(listed, "SELECT count(*) FROM preference WHERE wish = 'remove'") == 0


def test_a_list_in_another_encoding_is_refused_by_its_line(listed: House) -> None:
    file = listed.directory / "list"
    file.write_bytes(b"st000001\nbj\xf8rn\n")
    code, said = fails(listed, "optout", "add", "--file", str(file))
    assert (code, said) == (2, "kalender: --file: line 2 is not UTF-8; save it as UTF-8")
    file.write_bytes(b"\xef\xbb\xbfst000001\r\n")
    assert "1 opted out" in listed.run("optout", "add", "--file", str(file))
