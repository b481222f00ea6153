"""Calendars in Exchange Online are made right: what that costs, and what its users see."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from math import ceil
from typing import Any, cast

import pytest
import requests
from sqlalchemy import select

from kalender.calendars.graph import events
from kalender.calendars.graph.writer import GraphCalendars
from kalender.config.sections import Safety
from kalender.domain.model import EventStatus
from kalender.domain.work import Kind, Lane
from kalender.errors import KalenderError
from kalender.reconcile.protocol import READS
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store import people
from kalender.store.database import Database
from kalender.store.tables import neighbour
from kalender.worker.outcomes import Outcomes
from tests.fakes.house import MONDAY, House, crew_of, event
from tests.graph import graph_settings
from tests.served import start

pytestmark = pytest.mark.integration
PEOPLE = count(1)
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox whose mailboxes are on its Graph."""
    directory = tmp_path_factory.mktemp("cloud") / "university"
    generate(directory, students=20)
    with start(directory, graph="all") as running:
        yield running


@dataclass
class Cloud:
    """An installation on that Graph, with one student."""

    house: House
    running: Running
    number: int

    def control(self, way: str, path: str, told: object = None) -> Any:
        """Ask the control API."""
        url = self.running.endpoints.control + path
        response = requests.request(way, url, json=told, timeout=5)
        response.raise_for_status()
        return response.json()

    @property
    def mailbox(self) -> str:
        """The student's address."""
        return f"user{self.number}@uio.example"

    def shown(self) -> list[Json]:
        """Return what stands in the calendar beside the private, in time's order."""
        items = self.control("GET", f"/exchange/items?mailbox={self.mailbox}")
        inside = [i for i in items if i["folder"] == "calendar" and not i["private"]]
        return sorted(inside, key=lambda item: str(item["start"]))

    def posts(self) -> int:
        """Return how many requests over HTTP were made, and begin to count anew."""
        number = self.control("GET", "/counters")["graph"]
        self.control("DELETE", "/requests")
        return int(number)

    def asked(self) -> int:
        """Return how many requests of this mailbox Exchange counts, and begin to count anew."""
        rows = self.control("GET", "/requests")
        self.control("DELETE", "/requests")
        mine = [row for row in rows if row["mailbox"] == self.mailbox]
        return sum(row["operation"] != "Batch" for row in mine)

    def verified(self) -> int:
        """Look into the calendar; return the posts that it cost."""
        self.house.verify(self.number)
        self.posts()
        assert self.house.settle() == []
        return self.posts()

    def fill(self, number: int) -> int:
        """Let the student have so many lectures; return the posts that it cost."""
        self.house.teach(*lectures(number))
        self.house.enrol(self.number)
        self.posts()
        assert self.house.settle() == []
        assert len(self.shown()) == number
        return self.posts()


@pytest.fixture
def cloud(open_database: Callable[[], Database], sandbox: Running) -> Cloud:
    """An empty installation on each database."""
    calendars = GraphCalendars("main", graph_settings(sandbox.endpoints))
    house = House(open_database(), exchange=cast(Any, calendars))
    made = Cloud(house, sandbox, next(PEOPLE))
    made.control("DELETE", "/faults")
    made.control("PUT", "/graph/settings", {"visible_after": 0})
    made.control("POST", "/exchange/mailboxes", {"addresses": [made.mailbox]})
    return made


def lectures(number: int) -> list[Any]:
    """So many lectures, one a day."""
    return [event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(number)]


@pytest.mark.parametrize("number", [1, 20, 21, 45])
def test_n_creates_cost_a_post_for_each_twenty_and_no_change_none(
    cloud: Cloud, number: int
) -> None:
    assert cloud.fill(number) == ceil(number / 20)
    cloud.house.teach(*lectures(number))
    cloud.house.resync()
    cloud.house.settle()
    assert cloud.posts() == 0


def test_a_move_costs_the_reading_of_who_is_invited_and_the_write(cloud: Cloud) -> None:
    cloud.fill(2)
    first, second = lectures(2)
    later = first.starts_at + timedelta(hours=2)
    cloud.house.teach(replace(first, starts_at=later, ends_at=later + timedelta(hours=2)), second)
    assert cloud.house.settle() == []
    assert cloud.posts() == 2
    assert len(cloud.shown()) == 2
    cloud.house.verify(cloud.number)
    assert cloud.house.settle() == []
    assert cloud.posts() == 1  # what we wrote is as we wrote it


@pytest.mark.parametrize(("number", "posts"), [(1, 1), (20, 1), (21, 1), (100, 1), (120, 2)])
def test_looking_costs_a_batch_for_each_twenty_or_one_list_for_each_hundred(
    cloud: Cloud, number: int, posts: int
) -> None:
    cloud.fill(number)
    assert cloud.verified() == posts <= ceil(number / 20)


def test_the_largest_calendar_changed_as_a_whole_is_below_what_exchange_allows_a_mailbox(
    cloud: Cloud,
) -> None:
    """An entry costs one request to make, and three to change or to delete; lists are few."""
    number, most, allowed = 25, Safety().max_entries, 10_000
    cloud.house.teach(*lectures(number))
    cloud.house.enrol(cloud.number)
    cloud.asked()
    assert cloud.house.settle() == []
    made = cloud.asked()
    for item in cloud.shown():
        told = {"mailbox": cloud.mailbox, "id": item["id"], "do": "annotate", "text": "mitt"}
        cloud.control("POST", "/exchange/meddle", told)
    cloud.house.teach(*(replace(each, title="nytt") for each in lectures(number)))
    cloud.house.verify(cloud.number)
    assert cloud.house.settle() == []
    changed = cloud.asked()
    with cloud.house.database.write() as connection:
        person_id = people.find_by_any_identity(connection, str(cloud.number))
        assert person_id is not None
        calendars = people.wish(connection, person_id, {people.OPT_OUT}, "test")
        people.mark_calendars(connection, calendars, reason="test", lane=Lane.ASKED)
    assert cloud.house.settle() == []
    assert cloud.shown() == []
    removed = cloud.asked()
    lists = 1
    assert made == number
    assert changed <= 3 * number + lists
    assert removed <= 3 * number
    of_lists = ceil(most / READS) * ceil(most / events.PAGE_OF_REFS) + ceil(most / events.PAGE)
    assert (1 + 3) * most + of_lists < allowed


def test_what_the_list_lacks_is_read_by_id(cloud: Cloud) -> None:
    """Beside the list one batch for each twenty, then one to look for their keys, and one to create."""
    cloud.fill(45)
    for item in cloud.shown()[:3]:
        told = {"mailbox": cloud.mailbox, "id": item["id"], "do": "delete"}
        cloud.control("POST", "/exchange/meddle", told)
    assert cloud.verified() == 1 + 1 + 1 + 1
    assert len(cloud.shown()) == 45
    cloud.control("PUT", "/graph/settings", {"visible_after": 3600})
    cloud.house.teach(*lectures(46))
    cloud.house.settle()
    cloud.posts()
    assert cloud.verified() == 1 + 1  # the newest is not listed yet, and is there
    assert len(cloud.shown()) == 46


def test_what_is_no_longer_taught_goes_and_notes_stay(cloud: Cloud) -> None:
    cloud.fill(2)
    kept = cloud.shown()[0]
    told = {"mailbox": cloud.mailbox, "id": kept["id"], "do": "annotate", "text": "ta med"}
    cloud.control("POST", "/exchange/meddle", told)
    cloud.house.teach(replace(lectures(1)[0], status=EventStatus.CANCELLED))
    cloud.house.settle()
    cloud.house.later(700)
    cloud.house.settle()
    (item,) = cloud.shown()
    assert item["subject"].startswith("AVLYST")
    assert "ta med" in item["body"]


def test_a_meeting_is_left_and_a_plain_entry_stands_beside_it(cloud: Cloud) -> None:
    cloud.fill(1)
    (entry,) = cloud.shown()
    told = {"mailbox": cloud.mailbox, "id": entry["id"], "do": "invite", "attendee": "g@x.example"}
    meeting = cloud.control("POST", "/exchange/meddle", told) | {"touched": True}  # it is read
    mails = cloud.control("GET", "/exchange/mails")
    later = lectures(1)[0].starts_at + timedelta(hours=2)
    cloud.house.teach(replace(lectures(1)[0], starts_at=later, ends_at=later + timedelta(hours=2)))
    cloud.house.settle()
    old, new = cloud.shown()
    assert old == meeting
    assert new["sync_key"] != old["sync_key"]
    assert cloud.control("GET", "/exchange/mails") == mails
    cloud.house.enrol(cloud.number, course=None)
    cloud.house.settle()
    cloud.house.later(700)
    cloud.house.settle()
    assert cloud.shown() == [meeting]


def test_lost_answers_double_nothing(cloud: Cloud) -> None:
    fault = {"neighbour": "graph", "operation": "Batch", "kind": "process-then-drop"}
    cloud.control("POST", "/faults", fault)
    cloud.house.teach(*lectures(25))
    cloud.house.enrol(cloud.number)
    for _ in range(5):
        cloud.house.settle()
        cloud.house.later(120)
    assert len(cloud.shown()) == 25
    assert len({item["sync_key"].partition("#")[0] for item in cloud.shown()}) == 25


@pytest.mark.parametrize("operation", ["Batch", "CreateEvent"])
def test_what_a_batch_is_told_pauses_all_and_what_a_request_is_told_its_calendar(
    cloud: Cloud, operation: str
) -> None:
    told = {"status": 429, "code": "ApplicationThrottled", "retry_after": 90}
    fault = {"neighbour": "graph", "operation": operation, "kind": "status", **told}
    cloud.house.teach(*lectures(1))
    cloud.house.enrol(cloud.number)
    cloud.house.settle([Kind.COURSE, Kind.PERSON])
    claim = cloud.house.claim([Kind.CALENDAR])
    assert claim is not None
    cloud.control("POST", "/faults", fault)
    with pytest.raises(KalenderError) as error:
        cloud.house.do(claim)
    Outcomes(crew_of(cloud.house)).handle_failure(claim, error.value)
    with cloud.house.database.read() as connection:
        name = neighbour.c.name == "exchange.main"
        row = connection.execute(select(neighbour).where(name)).one_or_none()
    is_paused = row is not None and row.paused_until is not None
    assert is_paused is (operation == "Batch")
    cloud.house.later(80)
    assert cloud.house.claim([Kind.CALENDAR]) is None  # ninety seconds are not over
    cloud.house.later(20)
    assert cloud.house.claim([Kind.CALENDAR]) is not None
