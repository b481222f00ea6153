"""The whole core against the sandbox's Exchange: what it costs, what users do, what is refused."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest
import requests
from sqlalchemy import text

from kalender.domain.model import TeachingEvent
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store.database import Database
from tests.contract.test_calendars import ews
from tests.fakes.house import MONDAY, House, activity, event
from tests.served import start

pytestmark = pytest.mark.integration
ADDRESS = "user1@uio.example"
COUNTS = [1, 50, 51, 120]


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few people."""
    directory = tmp_path_factory.mktemp("sandbox") / "university"
    generate(directory, students=5)
    return directory


@pytest.fixture
def sandbox(university: Path) -> Iterator[Running]:
    """A sandbox of theirs, whose mailboxes are empty."""
    with start(university) as running:
        yield running


@dataclass
class Scene:
    """A house whose Exchange is the sandbox's."""

    house: House
    control: str

    def say(self, method: str, path: str, **told: Any) -> Any:
        """Use the control API."""
        url = f"{self.control}/{path}"
        answer = requests.request(method, url, json=told or None, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def shown(self) -> list[dict[str, Any]]:
        """Our items in the student's calendar, in time's order."""
        items = self.say("GET", f"exchange/items?mailbox={ADDRESS}")
        own = [item for item in items if item["sync_key"] and item["folder"] == "calendar"]
        return sorted(own, key=lambda item: (item["start"], item["subject"]))

    def meddle(self, do: str, number: int = 0, **told: Any) -> None:
        """Do to an entry what users do."""
        item = self.shown()[number]
        self.say("POST", "exchange/meddle", mailbox=ADDRESS, do=do, id=item["id"], **told)

    def fill(self, number: int) -> None:
        """A student with so many lectures in the calendar."""
        self.teach(lectures(number))
        self.house.enrol(1)
        assert self.house.settle() == []
        assert len(self.shown()) == number
        self.say("DELETE", "requests")

    def teach(self, events: list[TeachingEvent]) -> None:
        """Let TP answer so."""
        self.house.teach(*events)

    def verify(self) -> list[str]:
        """Look now; return the requests that it took."""
        self.say("DELETE", "requests")
        self.house.verify(1)
        assert self.house.settle() == []
        return self.asked()

    def asked(self) -> list[str]:
        """The operations that Exchange was asked for."""
        return [each["operation"] for each in self.requests()]

    def requests(self) -> list[dict[str, Any]]:
        """What Exchange was asked for."""
        every = self.say("GET", "requests")
        return [each for each in every if each["neighbour"] == "exchange"]

    def statuses(self) -> dict[str, int]:
        """How many entries are recorded as what."""
        with self.house.database.read() as connection:
            rows = connection.execute(text("SELECT status, count(*) FROM entry GROUP BY status"))
            return {status: count for status, count in rows}  # noqa: C416


@pytest.fixture
def scene(open_database: Callable[[], Database], sandbox: Running) -> Scene:
    """An empty installation, and an empty mailbox with one private entry."""
    house = House(open_database())
    house.exchange = ews(sandbox.endpoints.exchange)  # type: ignore[assignment]
    made = Scene(house, sandbox.endpoints.control)
    made.say("POST", "exchange/mailboxes", addresses=[ADDRESS])
    made.say("POST", "exchange/items", mailbox=ADDRESS, subject="Legetime")
    return made


def lectures(number: int, **told: Any) -> list[TeachingEvent]:
    return [event(n, starts=MONDAY + timedelta(days=n + 1), **told) for n in range(number)]


def moved(events: list[TeachingEvent], hours: int = 1) -> list[TeachingEvent]:
    later = timedelta(hours=hours)
    return [replace(e, starts_at=e.starts_at + later, ends_at=e.ends_at + later) for e in events]


# -- round trips -----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", COUNTS)
def test_creates_and_moves_cost_a_request_for_each_fifty(scene: Scene, number: int) -> None:
    scene.say("DELETE", "requests")
    scene.teach(lectures(number))
    scene.house.enrol(1)
    scene.house.settle()
    assert scene.asked() == ["CreateItem"] * ceil(number / 50)
    scene.say("DELETE", "requests")
    scene.teach(moved(lectures(number)))
    scene.house.settle()
    assert scene.asked() == ["UpdateItem"] * ceil(number / 50)
    scene.say("DELETE", "requests")
    scene.teach(moved(lectures(number)))
    scene.house.enrol(1)
    scene.house.settle()
    assert scene.asked() == []


def test_a_mixed_plan_costs_four(scene: Scene) -> None:
    scene.fill(60)
    kept = lectures(60)
    new = [event(n, key=activity("5"), starts=MONDAY + timedelta(days=n)) for n in range(90, 140)]
    scene.teach([*(replace(e, title="nytt") for e in kept[:30]), *kept[30:50], *new])
    assert scene.house.settle() == []
    assert sorted(scene.asked()) == ["CreateItem", "DeleteItem", "GetItem", "UpdateItem"]


@pytest.mark.parametrize("number", [1, 100, 120])
def test_looking_costs_a_request_for_each_hundred(scene: Scene, number: int) -> None:
    scene.fill(number)
    assert scene.verify() == ["GetItem"] * ceil(number / 100)


def test_repairs_cost_at_most_three_more(scene: Scene) -> None:
    scene.fill(60)
    scene.meddle("edit", 3, subject="Fri!")
    scene.meddle("edit", 5, start="2025-08-24T21:00:00Z", end="2025-08-24T22:00:00Z")
    asked = scene.verify()
    assert asked.count("UpdateItem") == 1
    assert len(asked) <= 1 + 3
    scene.meddle("delete", 7)
    asked = scene.verify()
    assert {"FindItem", "CreateItem"} <= set(asked)
    assert len(asked) <= 1 + 3
    assert [item["subject"] for item in scene.shown()] == ["IN1000 Forelesning"] * 60


def test_an_outcome_that_is_not_known_costs_one_lookup_more(scene: Scene) -> None:
    scene.say("POST", "faults", neighbour="exchange", kind="process-then-drop")
    scene.say("DELETE", "requests")
    scene.teach(lectures(30))
    scene.house.enrol(1)
    assert len(scene.house.settle()) == 1
    scene.house.later(120)
    assert scene.house.settle() == []
    assert scene.asked() == ["CreateItem", "FindItem"]
    assert len(scene.shown()) == 30


def test_every_request_names_our_items_or_our_property(scene: Scene) -> None:
    scene.fill(20)
    ours = {item["id"] for item in scene.shown()}
    scene.meddle("delete", 1)
    scene.meddle("annotate", 2, text="husk boken")
    scene.verify()
    scene.teach([replace(e, title="nytt") for e in lectures(15)])
    scene.house.settle()
    ours |= {item["id"] for item in scene.shown()}
    assert scene.requests()
    for each in scene.requests():
        match each["operation"]:
            case "FindItem":
                assert each["restricted"]
            case "CreateItem":
                assert len(each["keys"]) == each["items"] > 0
            case _:
                assert set() < set(each["ids"]) <= ours
    assert scene.say("GET", "exchange/private-touched") == {"count": 0}


# -- what users do ---------------------------------------------------------------------------------

PUT_BACK = {
    "subject": {"subject": "Fri!"},
    "location": {"location": "Hjemme"},
    "start": {"start": "2025-08-19T21:00:00Z", "end": "2025-08-19T22:00:00Z"},
    "show_as": {"show_as": "Free"},
}


@pytest.mark.parametrize("field", PUT_BACK)
def test_what_was_edited_is_put_back(scene: Scene, field: str) -> None:
    scene.fill(3)
    before = scene.shown()[0]
    scene.meddle("edit", 0, **PUT_BACK[field])
    scene.verify()
    assert before["id"] in {item["id"] for item in scene.shown()}
    (after,) = [item for item in scene.shown() if item["id"] == before["id"]]
    assert {name: after[name] for name in ("subject", "location", "start", "end", "show_as")} == {
        name: before[name] for name in ("subject", "location", "start", "end", "show_as")
    }
    assert scene.verify() == ["GetItem"]


ADDED: list[tuple[str, dict[str, Any]]] = [
    ("annotate", {"text": "husk boken"}),
    ("attach", {"name": "notat.pdf"}),
    ("edit", {"categories": ["Viktig"]}),
    ("edit", {"reminder_is_set": True}),
]


@pytest.mark.parametrize(("do", "told"), ADDED, ids=lambda each: str(each)[:30])
def test_what_was_added_survives_looking_and_every_change(
    scene: Scene, do: str, told: dict[str, Any]
) -> None:
    scene.fill(1)
    scene.meddle(do, 0, **told)
    added = extras(scene.shown()[0])
    assert "UpdateItem" not in scene.verify()
    scene.teach([replace(each, title="nytt") for each in moved(lectures(1))])
    assert scene.house.settle() == []
    (item,) = scene.shown()
    assert "nytt" in item["subject"]
    assert extras(item) == added


def extras(item: dict[str, Any]) -> list[object]:
    kept = [item.get(name) for name in ("attachments", "categories", "reminder_is_set")]
    return [*kept, "husk boken" in str(item["body"])]


@pytest.mark.parametrize("forbidden", ["\x00", "\x1f", "\ufffe"], ids=ascii)
def test_a_note_with_what_xml_forbids_is_read_and_survives_without_it(
    scene: Scene, forbidden: str
) -> None:
    scene.fill(2)
    scene.meddle("annotate", 0, text=f"husk{forbidden} boken")
    assert "UpdateItem" not in scene.verify()
    scene.teach([replace(each, title="nytt") for each in lectures(2)])
    assert scene.house.settle() == []
    first, second = scene.shown()
    assert "nytt" in first["subject"]
    assert "nytt" in second["subject"]
    assert "nytt" in first["body"]
    assert "husk boken" in first["body"]


def test_a_meeting_follows_in_time_and_is_released_not_deleted(scene: Scene) -> None:
    scene.fill(2)
    scene.meddle("invite", 0, attendee="kollega@uio.example")
    scene.teach([replace(e, title="nytt") for e in moved(lectures(2))])
    assert scene.house.settle() == []
    first, second = scene.shown()
    assert "nytt" not in first["subject"]
    assert "nytt" in second["subject"]
    assert datetime.fromisoformat(first["start"]) == moved(lectures(1))[0].starts_at
    scene.teach(moved(lectures(2))[1:])
    assert scene.house.settle() == []
    items = scene.say("GET", f"exchange/items?mailbox={ADDRESS}")
    (kept,) = [item for item in items if item["id"] == first["id"]]
    assert kept["folder"] == "calendar"
    assert not kept["sync_key"]


@pytest.mark.parametrize("do", ["delete", "move"])
def test_what_was_taken_away_is_made_anew_once(scene: Scene, do: str) -> None:
    scene.fill(3)
    scene.meddle(do, 1)
    scene.verify()
    assert len(scene.shown()) == 3
    assert scene.verify() == ["GetItem"]


def test_a_copy_is_the_users_and_stays(scene: Scene) -> None:
    scene.fill(2)
    scene.meddle("copy", 0)
    assert scene.verify() == ["GetItem"]
    scene.teach(lectures(2)[1:])
    assert scene.house.settle() == []
    assert len(scene.shown()) == 2


def test_a_phone_that_keeps_deleting_wins_after_three_times(scene: Scene) -> None:
    scene.fill(2)
    for _ in range(3):
        scene.meddle("delete", 0)
        scene.verify()
        assert len(scene.shown()) == 2
    scene.meddle("delete", 0)
    scene.verify()
    assert len(scene.shown()) == 1
    assert scene.statuses()["declined"] == 1
    for _ in range(2):
        scene.verify()
        scene.house.enrol(1)
        scene.house.settle()
    assert len(scene.shown()) == 1


# -- items that are refused ------------------------------------------------------------------------

ENDS = {
    "ErrorCalendarDurationIsTooLong": ("refused", 1),
    "ErrorQuotaExceeded": ("later", 0),
    "ErrorServerBusy": ("later", 0),
    "ErrorInternalServerError": ("unknown", 0),
}


@pytest.mark.parametrize("code", ENDS)
@pytest.mark.parametrize("position", [0, 3, 9])
def test_one_bad_item_of_a_batch_spoils_no_other(scene: Scene, code: str, position: int) -> None:
    fault = {"kind": "item-error", "operation": "CreateItem", "code": code, "position": position}
    scene.say("POST", "faults", neighbour="exchange", **fault)
    scene.teach(lectures(10))
    scene.house.enrol(1)
    scene.house.settle()
    assert len(scene.shown()) == 9
    assert scene.statuses()["live"] == 9
    assert scene.statuses().get("refused", 0) == ENDS[code][1]
    scene.house.later(3600)
    assert scene.house.settle() == []
    assert len(scene.shown()) == 10 - ENDS[code][1]
    scene.teach([replace(e, title="nytt") for e in lectures(10)])
    assert scene.house.settle() == []
    assert len(scene.shown()) == 10
    unknown = {"abandoned": 1} if ENDS[code][0] == "unknown" else {}
    assert scene.statuses() == {"live": 10, **unknown}


@pytest.mark.parametrize("operation", ["UpdateItem", "DeleteItem"])
@pytest.mark.parametrize("code", ENDS)
def test_a_bad_change_or_delete_orphans_nothing(scene: Scene, code: str, operation: str) -> None:
    scene.fill(10)
    fault = {"kind": "item-error", "operation": operation, "code": code, "position": 4}
    scene.say("POST", "faults", neighbour="exchange", **fault)
    if operation == "UpdateItem":
        scene.teach([replace(e, title="nytt") for e in lectures(10)])
    else:
        scene.teach([])
        with scene.house.database.write() as connection:
            connection.execute(text("DELETE FROM registration"))
            connection.execute(text("UPDATE calendar SET synced_digest = NULL"))
    scene.house.settle()
    scene.house.later(3600)
    scene.house.settle()
    scene.house.enrol(1, course=None)
    scene.house.settle()
    scene.house.later(3600)
    scene.house.settle()
    scene.house.later(3600)
    scene.house.settle()
    assert scene.shown() == []
    assert scene.statuses().keys() <= {"abandoned"}
