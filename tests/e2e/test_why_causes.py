"""What keeps teaching out of a calendar, made through the product: `why` names it and the remedy.

One installation for all: each test has a student of its own.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.e2e.conftest import Template, filled_house
from tests.e2e.house import House, fails
from tests.e2e.test_metrics import wait_until

pytestmark = pytest.mark.e2e
NEW, NEW_NUMBER = "st000999", 100_999
WITHOUT_EVENTS = "2025-12-24"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[House]:
    """An installation whose calendars are right."""
    with filled_house(tmp_path_factory.mktemp("house"), template) as made:
        yield made


def failing(house: House, person: str, course: str, *more: str) -> dict[str, Any]:
    """The first check that is not so."""
    checks = json.loads(house.run("why", person, course, *more, "--lang", "en", "--json"))
    (found,) = [each for each in checks if each["first_failing"]]
    return dict(found)


def assert_right(house: House, person: str, course: str) -> None:
    checks = json.loads(house.run("why", person, course, "--json"))
    assert [each for each in checks if each["first_failing"]] == []


def without_brackets(house: House, person: str, course: str, *more: str) -> None:
    """In no language does a sentence have an empty part, or a fact that nobody has."""
    for language in ("en", "nb", "nn"):
        text = house.run("why", person, course, *more, "--lang", language)
        assert "→" in text
        for empty in ("()", "( ", ": )", ": .", "None", "<", ">", "{", ", ,"):
            assert empty not in text, text
        assert max(map(len, text.splitlines())) <= 80


@contextmanager
def settings(house: House, old: str, new: str) -> Iterator[None]:
    """Other settings for as long as the block lasts."""
    before = house.config.read_text()
    assert old in before
    house.config.write_text(before.replace(old, new))
    try:
        yield
    finally:
        house.config.write_text(before)


@contextmanager
def answered(house: House, course: str, **change: Any) -> Iterator[None]:
    """TP answers otherwise for a course, and is asked; afterwards as before."""
    before = house.get(f"tp/{course}")
    house.send("PUT", f"tp/{course}", before | change)
    house.run("resync", "--course", course)
    house.run("worker", "--until-idle")
    try:
        yield
    finally:
        house.send("PUT", f"tp/{course}", before)
        house.run("resync", "--course", course)
        house.run("worker", "--until-idle")


def person_item(house: House, number: int) -> dict[str, Any]:
    (item,) = house.get(f"fs/personer?personlopenummer={number}")
    return dict(item)


def with_address(item: dict[str, Any], address: str) -> dict[str, Any]:
    return item | {"epost": [{"type": "INSTITUSJON", "adresse": address}]}


def ask_fs(house: House, person: str) -> None:
    house.run("resync", "--person", person)
    house.run("worker", "--until-idle")


# -- the code -----------------------------------------------------------------------------------------


def test_a_code_is_taken_in_any_case_and_an_unknown_one_is_said_to_be(house: House) -> None:
    assert_right(house, "st000003", "his1000")
    assert_right(house, "st000003", "His1000")
    found = failing(house, "st000003", "in9999")
    assert found["check"] == "course"
    assert "IN9999" in found["text"]
    assert "looks up the code" in found["remedy"]
    without_brackets(house, "st000003", "in9999")


def test_a_course_that_is_left_out_on_purpose_is_said_to_be(house: House) -> None:
    with settings(house, "[tp]", '[tp]\nskip = ["HIS*"]'):
        found = failing(house, "st000003", "HIS1000")
    assert (found["check"], found["case"]) == ("course", "skipped")
    assert "[tp] skip" in found["text"]


# -- brakes -------------------------------------------------------------------------------------------


def test_a_held_course_is_said_with_its_brake_and_how_to_release_it(house: House) -> None:
    with answered(house, "NOR1000", events=[]):
        found = failing(house, "st000009", "NOR1000")
        assert (found["check"], found["case"]) == ("held", "course")
        assert found["brake"] == "course NOR1000 25h"
        assert f"lacks {found['count']} events" in found["text"]
        assert "kalender brake release course NOR1000 25h --reason TEXT" in found["remedy"]
        without_brackets(house, "st000009", "NOR1000")
    assert_right(house, "st000009", "NOR1000")


def test_entries_that_a_brake_set_by_hand_keeps_are_said(house: House) -> None:
    house.run("brake", "set", "--reason", "moving to another server")
    before = house.get("tp/PSY1000")["events"]
    assert_right(house, "st000010", "PSY1000")
    with answered(house, "PSY1000", events=before[:-3]):
        found = failing(house, "st000010", "PSY1000")
        assert (found["check"], found["case"], found["brake"]) == ("held", "hand", "hand")
        assert "moving to another server" in found["text"]
        assert "kalender brake release hand --reason TEXT" in found["remedy"]
        without_brackets(house, "st000010", "PSY1000")
    house.run("brake", "release", "hand", "--reason", "moved")
    house.run("worker", "--until-idle")
    assert_right(house, "st000010", "PSY1000")


def test_a_brake_of_the_institution_is_said_with_how_to_release_it(house: House) -> None:
    before = house.get("tp/PSY1000")["events"]
    few = settings(
        house, "[rollout]", "[safety]\nmin_deletes = 0\nmax_deleted_share = 0.0\n\n[rollout]"
    )
    with few, answered(house, "PSY1000", events=before[:-3]):
        found = failing(house, "st000010", "PSY1000")
        assert (found["check"], found["brake"]) == ("held", "institution")
        assert "kalender brake release institution --reason TEXT" in found["remedy"]
        without_brackets(house, "st000010", "PSY1000")
    assert_right(house, "st000010", "PSY1000")


def test_a_person_whom_fs_emptied_is_said_with_the_brake(house: House) -> None:
    registered = house.get("fs/studentundervisning?personlopenummer=100004")
    for collection in ("studentundervisning", "studentundervisningsaktivitet"):
        for item in house.get(f"fs/{collection}?personlopenummer=100004"):
            house.send("DELETE", f"fs/{collection}", item)
    ask_fs(house, "st000004")
    course = registered[0]["id"]["undervisning"]["emne"]["kode"]
    found = failing(house, "st000004", course)
    assert (found["check"], found["case"]) == ("held", "person")
    assert "kalender brake release person fs 100004" in found["remedy"]
    without_brackets(house, "st000004", course)


def test_a_calendar_without_room_is_said_with_the_setting_and_the_brake(house: House) -> None:
    before = house.get("tp/BIO1000")["events"]
    new = before[0] | {"eventid": "n1", "id": "n1", "dtstart": "2025-12-01T10:15:00+01"}
    new |= {"dtend": "2025-12-01T12:00:00+01"}
    room = settings(house, "[rollout]", "[safety]\nmax_entries = 3\n\n[rollout]")
    with room, answered(house, "BIO1000", events=[*before, new]):
        found = failing(house, "st000001", "BIO1000", "2025-12-01")
        assert (found["check"], found["case"]) == ("room", None)
        assert "[safety] max_entries" in found["text"]
        assert f"kalender brake release {found['brake']} --reason" in found["remedy"]
        without_brackets(house, "st000001", "BIO1000", "2025-12-01")
        words = found["brake"].split()
        house.run("brake", "release", *words, "--reason", "a real one")
        house.run("worker", "--until-idle")
        checks = json.loads(house.run("why", "st000001", "BIO1000", "2025-12-01", "--json"))
        assert not [each["check"] for each in checks if each["ok"] is False]


# -- FS and TP ----------------------------------------------------------------------------------------


def test_a_withdrawn_student_and_one_without_a_place_are_told_apart(house: House) -> None:
    (first, *_) = [
        item
        for item in house.get("fs/studentundervisning?personlopenummer=100005")
        if "KJM1000" in json.dumps(item)
    ]
    house.send("PUT", "fs/studentundervisning", first | {"tilbudstatus": "V"})
    ask_fs(house, "st000005")
    found = failing(house, "st000005", "KJM1000")
    assert (found["check"], found["status"]) == ("status", "V")
    assert "(status of the offer: V)" in found["text"]
    house.send("DELETE", "fs/studentundervisning", first | {"tilbudstatus": "V"})
    ask_fs(house, "st000005")
    assert failing(house, "st000005", "KJM1000")["check"] == "registered"
    without_brackets(house, "st000005", "KJM1000")


def test_an_unpublished_timetable_is_said(house: House) -> None:
    found = failing(house, "st000006", "JUS1000")
    assert found["check"] == "status"
    semesters = house.get("tp/KJM1000")["semesters"]
    with answered(house, "KJM1000", semesters=[semesters[0] | {"publish_timetable": False}]):
        found = failing(house, "st000006", "KJM1000")
        assert (found["check"], found["case"]) == ("published", None)
        assert " CE" in found["text"]
    assert_right(house, "st000006", "KJM1000")


def test_an_event_that_could_not_be_read_is_said_with_its_field(house: House) -> None:
    before = house.get("tp/HIS1000")["events"]
    bad = before[0] | {"eventid": "bad1", "id": "bad1", "dtstart": "soon"}
    with answered(house, "HIS1000", events=[*before, bad]):
        found = failing(house, "st000008", "HIS1000", WITHOUT_EVENTS)
        assert (found["check"], found["case"], found["bad"]) == ("event", "unreadable", 1)
        assert "dtstart" in found["text"]
        assert "mends that field in TP" in found["remedy"]
        without_brackets(house, "st000008", "HIS1000", WITHOUT_EVENTS)
        found = failing(house, "st000008", "his1000")
        assert found["check"] == "readable"
        assert "dtstart" in found["text"]
        without_brackets(house, "st000008", "HIS1000")
    assert_right(house, "st000008", "HIS1000")
    found = failing(house, "st000008", "HIS1000", WITHOUT_EVENTS)
    assert (found["check"], found["case"]) == ("event", None)


def test_a_role_that_could_not_be_read_is_said_with_its_field(house: House) -> None:
    (role, *_) = house.get("fs/personroller?personlopenummer=500008")
    told = json.dumps(role | {"periode": {"fraDato": "31.08.2026"}}).replace("500008", "100001")
    house.send("PUT", "fs/personroller", json.loads(told))
    ask_fs(house, "st000001")
    found = failing(house, "st000001", "MAT1000")
    assert (found["check"], found["case"], found["bad"]) == ("registered", "unreadable", 1)
    assert "no date" in found["text"]
    assert "mends that field in FS" in found["remedy"]
    without_brackets(house, "st000001", "MAT1000")
    assert_right(house, "st000001", "BIO1000")


def test_what_tp_could_not_be_asked_is_said_before_what_it_told_earlier(house: House) -> None:
    house.send("POST", "faults", {"neighbour": "tp", "kind": "status", "status": 500, "times": -1})
    house.run("resync", "--course", "BIO1000")
    with house.running("worker"):  # which would try on until it parks the course
        wait_until(
            lambda: "HTTP 500" in " ".join(house.run("why", "st000019", "BIO1000").split()),
            "it is never said",
        )
    found = failing(house, "st000019", "BIO1000")
    house.send("DELETE", "faults")
    assert (found["check"], found["kind"]) == ("asked", "course")
    assert "HTTP 500" in found["text"]
    without_brackets(house, "st000019", "BIO1000")
    house.run("retry", "--all")
    house.run("worker", "--until-idle")
    assert_right(house, "st000019", "BIO1000")


def test_a_neighbour_that_is_paused_by_hand_is_said_with_the_way_on(house: House) -> None:
    house.run("pause", "tp", "--reason", "moving")
    house.run("resync", "--course", "BIO1000")
    found = failing(house, "st000019", "BIO1000")
    assert (found["check"], found["case"], found["neighbour"]) == ("asked", "by_hand", "tp")
    assert "kalender resume tp" in found["remedy"]
    without_brackets(house, "st000019", "BIO1000")
    house.run("resume", "tp")
    house.run("pause", "exchange.main", "--reason", "moving")
    house.run("worker", "--until-idle")
    house.run("retry", "st000019")
    found = failing(house, "st000019", "BIO1000")
    assert (found["check"], found["case"]) == ("pending", "by_hand")
    assert "kalender resume exchange.main" in found["remedy"]
    house.run("resume", "exchange.main")
    house.run("worker", "--until-idle")
    assert_right(house, "st000019", "BIO1000")


# -- the mailbox --------------------------------------------------------------------------------------


def test_an_address_outside_the_mail_domains_is_said_with_the_setting(house: House) -> None:
    before = person_item(house, 100_011)
    house.send("PUT", "fs/personer", with_address(before, "somebody@post.example"))
    ask_fs(house, "st000011")
    found = failing(house, "st000011", "HIS1000")
    assert (found["check"], found["case"]) == ("mailbox", "outside")
    assert "[institution] mail_domains" in found["text"]
    assert "kalender resync --all" in found["remedy"]
    without_brackets(house, "st000011", "HIS1000")


def test_two_of_one_address_are_said_with_the_other_number_unless_protected(house: House) -> None:
    address = person_item(house, 100_012)["epost"][0]["adresse"]
    house.send("PUT", "fs/personer", with_address(person_item(house, 100_013), address))
    ask_fs(house, "st000013")
    found = failing(house, "st000013", "HIS1000")
    assert (found["check"], found["case"]) == ("mailbox", "clash")
    assert "100012" in found["text"]
    house.run("protect", "add", "st000012")
    assert "100012" not in json.dumps(failing(house, "st000013", "HIS1000"))
    without_brackets(house, "st000013", "HIS1000")


def test_whoever_has_no_address_or_no_mailbox_is_told_apart(house: House) -> None:
    item = person_item(house, 100_014) | {"personlopenummer": NEW_NUMBER, "brukernavn": NEW}
    item |= {"epost": [], "href": item["href"].replace("100014", str(NEW_NUMBER))}
    house.send("PUT", "fs/personer", item)
    for each in house.get("fs/studentundervisning?personlopenummer=100014"):
        told = json.dumps(each).replace("100014", str(NEW_NUMBER))
        house.send("PUT", "fs/studentundervisning", json.loads(told))
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    found = failing(house, str(NEW_NUMBER), "NOR1000")
    assert (found["check"], found["case"]) == ("mailbox", "none")
    without_brackets(house, str(NEW_NUMBER), "NOR1000")
    house.send("PUT", "fs/personer", with_address(item, "nowhere@uni.example"))
    house.send("PUT", "exchange/mailbox?address=nowhere@uni.example", {"state": "missing"})
    ask_fs(house, str(NEW_NUMBER))
    found = failing(house, str(NEW_NUMBER), "NOR1000")
    assert (found["check"], found["case"]) == ("mailbox", "missing")
    assert f"kalender retry {NEW_NUMBER}" in found["remedy"]
    house.send("PUT", "exchange/mailbox?address=st000014@uni.example", {"state": "missing"})
    house.run("verify", "st000014")
    house.run("worker", "--until-idle")
    found = failing(house, "st000014", "NOR1000")
    assert (found["check"], found["case"]) == ("mailbox", "lost")


# -- who is served, and our own work ---------------------------------------------------------------------


def test_whoever_is_not_switched_on_is_told_how_they_would_be(house: House) -> None:
    with settings(house, 'mode = "all"', 'mode = "listed"'):
        found = failing(house, "st000015", "HIS1000")
    assert (found["check"], found["case"]) == ("rollout", None)
    assert "kalender rollout add person 100015" in found["remedy"]
    with settings(house, 'mode = "all"', 'mode = "off"'):
        found = failing(house, "st000015", "HIS1000")
    assert (found["check"], found["case"]) == ("rollout", "off")
    assert "[rollout] mode" in found["remedy"]


def test_wishes_are_said_with_the_command_that_takes_them_back(house: House) -> None:
    house.run("optout", "add", "st000016")
    found = failing(house, "st000016", "NOR1000")
    assert found["check"] == "wish"
    assert "(opted out)" in found["text"]
    assert "kalender optout remove 100016" in found["remedy"]
    house.run("optout", "remove", "st000016")
    house.run("protect", "add", "st000016")
    assert fails(house, "why", "st000016", "NOR1000")[0] == 1
    found = failing(house, "st000016", "NOR1000", "--reveal")
    assert (found["check"], found["case"]) == ("wish", "protect")
    assert "kalender protect remove" in found["remedy"]


def test_parked_work_is_said_with_its_words_and_the_command_that_tries_again(house: House) -> None:
    denied = "exchange/mailbox?address=st000017@uni.example"
    house.send("PUT", denied, {"state": "denied"})
    house.run("verify", "st000017")
    house.run("worker", "--until-idle")
    found = failing(house, "st000017", "PSY1000")
    assert (found["check"], found["case"], found["parked"]) == ("pending", "parked", True)
    assert found["error"].rstrip(".") in found["text"]
    assert "kalender retry 100017" in found["remedy"]
    without_brackets(house, "st000017", "PSY1000")
    house.send("PUT", denied, {"state": "active"})
    house.run("retry", "100017")
    house.run("worker", "--until-idle")
    assert_right(house, "st000017", "PSY1000")


def test_work_that_waits_is_said_with_its_time_in_the_institutions_zone(house: House) -> None:
    house.run("retry", "st000018")
    found = failing(house, "st000018", "MAT1000")
    assert (found["check"], found["case"]) == ("pending", None)
    assert " CE" in found["text"]
    assert "T" in found["not_before"]
    without_brackets(house, "st000018", "MAT1000")
    house.run("worker", "--until-idle")
    assert_right(house, "st000018", "MAT1000")


def test_an_entry_that_exchange_refuses_is_said_to_be(house: House) -> None:
    before = house.get("tp/BIO1000")["events"]
    new = before[0] | {"eventid": "n2", "id": "n2", "dtstart": "2025-12-02T10:15:00+01"}
    new |= {"dtend": "2025-12-02T12:00:00+01"}
    fault = {"neighbour": "exchange", "kind": "item-error", "operation": "CreateItem", "times": -1}
    house.send("POST", "faults", fault | {"code": "ErrorCorruptData"})
    with answered(house, "BIO1000", events=[*before, new]):
        house.send("DELETE", "faults")
        found = failing(house, "st000007", "BIO1000", "2025-12-02")
        assert (found["check"], found["case"], found["refused"]) == ("written", "refused", 1)
        assert "kalender resync --person 100007" in found["remedy"]
        without_brackets(house, "st000007", "BIO1000", "2025-12-02")
