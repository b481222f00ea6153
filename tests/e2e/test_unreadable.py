"""What FS and TP tell in a form that cannot be read: it is left out, and told with its id."""

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.e2e.house import House

pytestmark = pytest.mark.e2e
Item = dict[str, Any]


@pytest.fixture
def filled(small_filled: House) -> House:
    """Few people are enough for what is tried here."""
    return small_filled


def read_all(house: House) -> None:
    house.run("resync", "--all")
    house.run("worker", "--until-idle")


def counts(house: House) -> dict[str, int]:
    """Return what `status` says cannot be read, by collection."""
    found = json.loads(house.run("status", "--json"))["unreadable"]
    return {f"{row['source']} {row['collection']}": row["count"] for row in found}


def checked(house: House) -> tuple[str, str]:
    """Return what `check` says of unreadable items: state and words."""
    found = json.loads(house.run("check", "--json"))
    return next((row["state"], row["said"]) for row in found if row["what"] == "unreadable items")


def of_person(house: House, number: int) -> dict[str, str]:
    """Return what `show` tells of a person that cannot be read: item and reason."""
    found = json.loads(house.run("show", str(number), "--json"))["unreadable"]
    return {row["item"]: row["reason"] for row in found}


def number_of(item: Item) -> int:
    inner = item.get("id") or item
    return int(inner["person"]["personlopenummer"])


def with_odd_term_number(item: Item) -> Item:
    """Return an item whose reference to teaching has a word for its term number."""
    changed = deepcopy(item)
    inner = changed.get("id") or changed
    name = "undervisning" if "undervisning" in inner else "undervisningsaktivitet"
    parts = inner[name]["href"].split(",", 6)
    inner[name]["href"] = ",".join([*parts[:5], "first", *parts[6:]])
    return changed


ODD_ROLES: list[Item] = [
    {"periode": {"fraDato": "", "tilDato": ""}},
    {"periode": {"fraDato": "31.08.2026", "tilDato": None}},
    {"periode": {"fraDato": "0000-00-00", "tilDato": "0000-00-00"}},
    {"rolle": {}},
]


def test_odd_items_are_left_out_of_a_resync_and_told_with_their_ids(filled: House) -> None:
    before = filled.held()
    roles = filled.get("fs/personroller")[: len(ODD_ROLES)]
    for role, changes in zip(roles, ODD_ROLES, strict=True):
        filled.send("PUT", "fs/personroller", {**role, **changes})
    for collection in ("studentundervisning", "studentundervisningsaktivitet"):
        filled.send(
            "PUT", f"fs/{collection}", with_odd_term_number(filled.get(f"fs/{collection}")[0])
        )
    person = filled.get("fs/personer")[0]
    filled.send("PUT", "fs/personer", {**person, "personlopenummer": 31129912345})
    filled.send("DELETE", "requests")
    read_all(filled)
    assert counts(filled) == {
        "fs personer": 1,
        "fs personroller": 4,
        "fs studentundervisning": 1,
        "fs studentundervisningsaktivitet": 1,
    }
    verdict = json.loads(filled.run("status", "--json"))["verdict"]
    assert (verdict["condition"], verdict["count"]) == ("unreadable-items", 7)
    state, said = checked(filled)
    named = [f"{number_of(role)},{role['rollenummer']}" for role in roles]
    assert state == "warned"
    assert "fs personer 1 (unnamed 1)" in said
    assert f"fs personroller 4 ({'; '.join(sorted(named)[:3])})" in said
    assert "31129912345" not in said
    assert of_person(filled, number_of(roles[0]))[named[0]] == "a period whose fraDato is no date"
    assert filled.held() == before
    assert filled.requests_to_exchange() == 0
    for role in roles:
        filled.send("PUT", "fs/personroller", role)
    read_all(filled)
    assert "fs personroller" not in counts(filled)
    assert of_person(filled, number_of(roles[0])) == {}


def test_an_event_that_cannot_be_read_is_told_of_its_course(filled: House) -> None:
    course = "BIO1000"
    answer = filled.get(f"tp/{course}")
    event = answer["events"][0]

    def tell(dtstart: str) -> None:
        changed = [{**event, "dtstart": dtstart}, *answer["events"][1:]]
        filled.send("PUT", f"tp/{course}", {**answer, "events": changed})
        filled.run("resync", "--course", course)
        filled.run("worker", "--until-idle")

    tell("soon")
    assert counts(filled) == {"tp events": 1}
    (run,) = json.loads(filled.run("show", "--course", course, "--semester", "25h", "--json"))
    (bad,) = run["unreadable"]
    assert (bad["item"], bad["actid"]) == (event["eventid"], event["actid"])
    assert "dtstart" in bad["reason"]
    assert event["eventid"] in checked(filled)[1]
    tell(event["dtstart"])
    assert counts(filled) == {}


WHOLE = ["[]", '{"events":[', "null", '{"events": 1, "items": 1}']


def test_a_whole_answer_that_cannot_be_read_is_asked_for_again(filled: House) -> None:
    """By the worker itself: no operator, and no resync."""
    answer, before = filled.get("tp/BIO1000"), filled.held()
    cancelled = [{**each, "status": "cancelled"} for each in answer["events"]]
    for number, body in enumerate(WHOLE):
        events = answer["events"] if number % 2 else cancelled
        filled.send("PUT", "tp/BIO1000", {**answer, "events": events})
        for neighbour in ("fs", "tp"):
            filled.send("POST", "faults", {"neighbour": neighbour, "kind": "garbage", "body": body})
        filled.run("resync", "--course", "BIO1000")
        filled.run("resync", "--person", "500001")
        filled.run("worker", "--until-idle")
        assert filled.get("faults") == []
        assert json.loads(filled.run("parked", "--json")) == []
        shown = [entry for entries in filled.held().values() for entry in entries]
        ours = {entry.show_as for entry in shown if "BIO1000" in entry.subject}
        assert (filled.held() == before) if number % 2 else (ours == {"free"}), body
