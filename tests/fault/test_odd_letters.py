"""Letters that nobody sees, and texts longer than any column, from FS and TP; on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from kalender.domain.work import Kind
from kalender.sandbox.generate import generate
from tests.fault.installation import Installation
from tests.served import start

pytestmark = pytest.mark.integration
UNSEEN = "\u200b\ufeff\u00ad\u00a0 \0"
MIRROR = {
    "identity": "kind, value, person_id, detail",
    "registration": "person_id, course, version, semester, offer_status",
    "placement": "person_id, course, semester, actid",
    "teaching_role": "person_id, number, role, course, actid",
    "teaching_event": "course, actid, event_id, told",
    "teaching_staff": "course, actid, event_id, username",
    "entry": "sync_key, status, item_id, change_key",
}
COLLECTIONS = ("studentundervisning", "studentundervisningsaktivitet", "personroller")


@pytest.fixture
def house(tmp_path: Path, migrated_postgresql: str) -> Iterator[Installation]:
    """An installation whose calendars are right."""
    generate(tmp_path / "university", students=6)
    with start(tmp_path / "university") as sandbox:
        made = Installation(tmp_path, sandbox, migrated_postgresql)
        made.resync()
        made.work()
        made.assert_right()
        yield made


def mirrored(house: Installation) -> dict[str, list[Any]]:
    return {
        table: sorted(house.rows(f"SELECT {columns} FROM {table}"), key=repr)  # noqa: S608
        for table, columns in MIRROR.items()
    }


def odd(text: str) -> str:
    return f"{UNSEEN}{text}{UNSEEN}"


def odd_item(item: Any) -> Any:
    """The same item with such letters in the last part of each reference to teaching or a role."""
    if isinstance(item, list):
        return [odd_item(each) for each in item]
    if not isinstance(item, dict):
        return item
    told = {name: odd_item(value) for name, value in item.items()}
    href = str(told.get("href", ""))
    if "/undervisning" in href or "/roller/" in href:
        before, _, last = href.rpartition("/")
        parts = last.split(",")
        for at in (0,) if len(parts) == 1 else (1, 2, 6):  # by the rest FS finds it
            if at < len(parts):
                parts[at] = quote(odd("")) + parts[at] + quote(odd(""))
        told["href"] = f"{before}/{','.join(parts)}"
    return told


def look_at_everything(house: Installation) -> None:
    for kind in (Kind.PERSON, Kind.COURSE):
        house.mark(kind)
    house.work()
    house.resync()
    house.work()


def test_letters_that_nobody_sees_change_nothing(house: Installation) -> None:
    before = mirrored(house)
    for person in house.get("fs/personer"):
        mail = [{**each, "adresse": odd(each["adresse"])} for each in person["epost"]]
        house.send(
            "PUT",
            "fs/personer",
            {**person, "brukernavn": odd("") + person["brukernavn"], "epost": mail},
        )
    for collection in COLLECTIONS:
        for item in house.get(f"fs/{collection}"):
            house.send("DELETE", f"fs/{collection}", item)
            house.send("PUT", f"fs/{collection}", odd_item(item))
    for (course,) in house.rows("SELECT DISTINCT course FROM teaching_event"):
        answer = house.get(f"tp/{course}")
        for event in answer["events"]:
            event |= {
                name: odd(event[name]) for name in ("courseid", "actid", "eventid", "dtstart")
            }
            event["staffs"] = [{**each, "id": odd(each["id"])} for each in event["staffs"]]
        house.send("PUT", f"tp/{course}", answer)
    house.send("DELETE", "requests")
    look_at_everything(house)
    assert mirrored(house) == before
    assert house.asked("exchange") == 0


LONG = "x" * 300


def test_a_text_longer_than_any_is_an_item_that_cannot_be_read_and_the_rest_is_taken(
    house: Installation,
) -> None:
    before = mirrored(house)
    (person, *_), (taken, *_) = house.get("fs/personer"), house.get("fs/studentundervisning")
    house.send("PUT", "fs/personer", {**person, "brukernavn": LONG})
    registrations: list[dict[str, Any]] = [
        {"tilbudstatus": LONG},
        {"undervisning": {"href": f"x/185,{LONG},1,2025,HØST,1"}},
    ]
    for changes in registrations:
        house.send("PUT", "fs/studentundervisning", {**taken, **changes})
    (course,) = house.rows("SELECT course FROM teaching_staff ORDER BY 1 LIMIT 1")[0]
    answer = house.get(f"tp/{course}")
    event = answer["events"][-1]
    for changes in (
        {"actid": LONG},
        {"eventid": LONG},
        {"courseversion": LONG},
        {"eventid": "long-staff", "staffs": [{**event["staffs"][0], "id": LONG}]},
    ):
        answer["events"].append({**event, **changes})
    house.send("PUT", f"tp/{course}", answer)
    look_at_everything(house)
    assert mirrored(house) == before
    house.assert_right()
