"""What settings decide is compared like everything else: by the commands, on real parts."""

import json
from typing import Any

import pytest

from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
STUDENT, OTHER = "st000003", "st000004"


@pytest.fixture
def filled(small_filled: House) -> House:
    """Few people are enough for what is tried here."""
    return small_filled


def change(house: House, before: str, after: str) -> None:
    """Change the settings."""
    text = house.config.read_text()
    assert before in text
    house.config.write_text(text.replace(before, after))


def waiting(house: House) -> dict[str, int]:
    """What `status` says that settings ask for and nobody agreed to."""
    found = json.loads(house.run("status", "--json"))["settings_waiting"]
    return {row["what"]: row["calendars"] for row in found}


def resync(house: House, *words: str, expect: int = 0) -> dict[str, Any]:
    found = json.loads(house.run("resync", "--all", "--json", *words, expect=expect))
    house.run("worker", "--until-idle")
    return dict(found)


def assert_right(house: House) -> None:
    """Every calendar is as it should be."""
    found = json.loads(house.run("status", "--json"))["calendars"]
    assert all(row["known_right"] == row["calendars"] for row in found)


def test_who_is_let_in_by_the_mode_is_written(house: House) -> None:
    change(house, 'mode = "all"', 'mode = "listed"')
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("rollout", "add", "person", STUDENT)
    house.run("worker", "--until-idle")
    assert list(house.held()) == [f"{STUDENT}@uni.example"]
    change(house, 'mode = "listed"', 'mode = "all"')
    assert resync(house)["joining"] > 0
    assert_right(house)
    assert resync(house)["joining"] == 0


def test_who_leaves_by_the_mode_is_named_and_nothing_goes_without_a_yes(filled: House) -> None:
    filled.run("rollout", "add", "person", OTHER)
    before = filled.held()
    change(filled, 'mode = "all"', 'mode = "listed"')
    found = resync(filled, expect=1)
    assert (found["leaving"], found["not_decided"]) == (len(before) - 1, len(before) - 1)
    assert resync(filled, "--take-back", expect=1)["not_decided"] == len(before) - 1
    assert filled.held() == before
    assert waiting(filled) == {"leave": len(before) - 1}
    assert filled.run("status").startswith("held")
    assert "--take-back --yes" in fails(filled, "resync", "--all")[1]
    assert resync(filled, "--take-back", "--yes")["not_decided"] == 0
    assert list(filled.held()) == [f"{OTHER}@uni.example"]
    assert waiting(filled) == {}
    assert resync(filled)["leaving"] == 0
    change(filled, 'mode = "listed"', 'mode = "all"')
    resync(filled)
    assert filled.held() == before


def test_what_is_left_as_it_is_is_asked_about_once(filled: House) -> None:
    before = filled.held()
    change(filled, 'mode = "all"', 'mode = "off"')
    assert resync(filled, "--leave")["not_decided"] == 0
    assert filled.held() == before
    assert resync(filled)["leaving"] == 0
    change(filled, 'mode = "off"', 'mode = "all"')
    assert resync(filled)["joining"] == len(before)
    assert_right(filled)


def test_calendars_are_open_again_when_their_mail_domain_is_ours_again(filled: House) -> None:
    before = filled.held()
    change(filled, 'mail_domains = ["uni.example"]', 'mail_domains = ["uni.exmaple"]')
    resync(filled)
    assert filled.held() == before
    filled.run("worker", "--until-idle")
    lessons = dict(filled.get("tp/MAT1000"))
    filled.send("PUT", "tp/MAT1000", lessons | {"events": lessons["events"][:-1]})
    resync(filled)
    assert filled.held() == before
    filled.send("PUT", "tp/MAT1000", lessons)
    change(filled, 'mail_domains = ["uni.exmaple"]', 'mail_domains = ["UNI.example"]')
    assert resync(filled)["reopened"] >= len(before)
    found = json.loads(filled.run("status", "--json"))["calendars"]
    assert {row["state"] for row in found} == {"active"}
    assert_right(filled)


def test_another_rule_for_mailboxes_moves_everybody_when_somebody_agreed(filled: House) -> None:
    change(filled, "epost:INSTITUSJON", "{username}@new.example")
    change(filled, '["uni.example"]', '["uni.example", "new.example"]')
    before = filled.held()
    found = resync(filled, expect=1)
    assert (found["moving"], found["not_marked"]) == (len(before), len(before))
    assert waiting(filled) == {"move": len(before)}
    assert filled.held() == before
    assert resync(filled, "--yes")["moving"] == len(before)
    person = json.loads(filled.run("show", STUDENT, "--json"))
    assert [row["address"] for row in person["calendars"]] == [f"{STUDENT}@new.example"]
    assert resync(filled)["moving"] == 0


def test_texts_are_rewritten_when_somebody_agreed_and_wait_in_status_until_then(
    filled: House,
) -> None:
    before = filled.held()
    change(filled, "[rollout]", '[calendar]\nsubject = "{title}"\n[rollout]')
    assert resync(filled, expect=1)["not_marked"] == len(before)
    assert waiting(filled) == {"rewrite": len(before)}
    assert filled.held() == before
    assert resync(filled, "--yes")["under_other_settings"] == len(before)
    assert filled.held() != before
    assert waiting(filled) == {}


def test_a_wait_that_ends_with_parked_work_says_so_by_its_code(filled: House) -> None:
    denied = f"exchange/mailbox?address={STUDENT}@uni.example"
    filled.send("PUT", denied, {"state": "denied"})
    with filled.running("worker"):
        code, said = fails(filled, "verify", STUDENT, "--wait")
        assert code == 1
        assert "1 parked (1 of it just now" in said
        filled.run("verify", OTHER, "--wait")  # what was parked before is none of its work
