"""Mailboxes move between the sandbox's Exchange and its Graph, between any two steps of a visit."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from math import ceil
from typing import Any, cast

import pytest
import requests
from sqlalchemy import text

from kalender.calendars.graph.writer import GraphCalendars
from kalender.domain.model import TeachingEvent
from kalender.domain.work import Kind
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store import moves, people
from kalender.store.database import Database
from tests.contract.test_calendars import ews
from tests.fakes.house import MONDAY, House, activity, event
from tests.graph import graph_settings
from tests.served import start

pytestmark = pytest.mark.integration
PEOPLE = count(1)
OTHER = {"ews": "graph", "graph": "ews"}
QUARTER = 900.0
Json = dict[str, Any]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox whose mailboxes are on EWS or on Graph."""
    directory = tmp_path_factory.mktemp("moves") / "university"
    generate(directory, students=5)
    with start(directory, graph="half") as running:
        yield running


class Stepping:
    """An adapter that tells of each call, before it and after it."""

    def __init__(self, adapter: Any, scene: "Scene") -> None:
        self.adapter, self.scene = adapter, scene

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.adapter, name)
        if not callable(member):
            return member

        def call(*args: Any, **kwargs: Any) -> Any:
            self.scene.pass_by()
            result = member(*args, **kwargs)
            self.scene.pass_by()
            return result

        return call


@dataclass
class Scene:
    """An installation on both, and one student whose mailbox is on one of them."""

    house: House
    running: Running
    place: str
    number: int
    steps: int = 0  # until the mailbox moves
    passed: int = 0
    phase: Mapping[str, str] = field(default_factory=dict)  # in which both sides are then

    def control(self, way: str, path: str, told: object = None) -> Any:
        """Ask the control API."""
        answer = requests.request(way, self.running.endpoints.control + path, json=told, timeout=9)
        assert answer.ok, answer.text
        return answer.json()

    @property
    def mailbox(self) -> str:
        """The student's address."""
        return f"user{self.number}@uio.example"

    def move(self, to: str | None = None, **told: object) -> None:
        """Let the mailbox move, or go on moving."""
        given = {"to": to or OTHER[self.place], "mailboxes": [self.mailbox], **told}
        self.control("POST", "/graph/moves", given)

    def pass_by(self) -> None:
        """Count a step, and move the mailbox at the one that was chosen."""
        self.passed += 1
        if self.passed == self.steps:
            self.move(**self.phase)

    def shown(self, place: str = "") -> list[Json]:
        """Return what stands in the calendar beside the private, in time's order."""
        more = f"&place={place}" if place else ""
        items = self.control("GET", f"/exchange/items?mailbox={self.mailbox}{more}")
        inside = [i for i in items if i["folder"] == "calendar" and not i["private"]]
        return sorted(inside, key=lambda item: (item["start"], item["subject"]))

    def meddle(self, do: str, number: int, **told: object) -> None:
        """Do to an entry what users do."""
        item = self.shown()[number]
        given = {"mailbox": self.mailbox, "id": item["id"], "do": do, **told}
        self.control("POST", "/exchange/meddle", given)

    def fill(self, events: list[TeachingEvent]) -> None:
        """Let the student have these lectures."""
        self.house.teach(*events)
        self.house.enrol(self.number)
        assert self.house.settle() == []
        assert len(self.shown()) == len(events)

    def look(self, seconds: float = 700.0, times: int = 1) -> None:
        """Verify, and let time pass."""
        for _ in range(times):
            self.house.verify()
            self.house.settle()
            self.house.later(seconds)
            self.house.settle()

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the database."""
        with self.house.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]

    def records(self) -> list[tuple[object, ...]]:
        """Return what is recorded of the entries."""
        return self.rows("SELECT sync_key, status, item_id, change_key FROM entry ORDER BY 1")


@pytest.fixture(params=[("ews", "postgresql"), ("graph", "sqlite")], ids="-".join)
def scene(request: pytest.FixtureRequest, sandbox: Running) -> Iterator[Scene]:
    """A student whose mailbox is on one of the two; whoever was on the way has arrived.

    Each way is gone on one kind of database: what the databases are asked about moves is tried on
    both in `tests/integration/test_moves.py`.
    """
    place, kind = request.param
    database = Database(request.getfixturevalue(f"migrated_{kind}"))
    ends = sandbox.endpoints
    sides: dict[str, Any] = {
        "ews": ews(ends.exchange),
        "graph": GraphCalendars("cloud", graph_settings(ends)),
    }
    house = House(database, domains=frozenset({"uio.example"}))
    made = Scene(house, sandbox, place, next(PEOPLE))
    house.exchange = cast(Any, Stepping(sides[made.place], made))
    house.others["other"] = cast(Any, Stepping(sides[OTHER[made.place]], made))
    made.control("POST", "/graph/moves", {})
    made.control("POST", "/exchange/mailboxes", {"addresses": [made.mailbox]})
    made.control("PUT", f"/graph/mailbox?address={made.mailbox}", {"place": made.place})
    yield made
    database.close()


def lectures(number: int, title: str = "") -> list[TeachingEvent]:
    return [event(n, starts=MONDAY + timedelta(days=n + 1), title=title) for n in range(number)]


def changed() -> list[TeachingEvent]:
    """Something to create, to move, to rename and to delete, of five lectures."""
    first, second, third = lectures(3)
    later = first.starts_at + timedelta(hours=1)
    return [
        replace(first, starts_at=later, ends_at=later + timedelta(hours=2)),
        replace(second, title="nytt"),
        third,
        *(event(n, key=activity("5")) for n in (8, 9)),
    ]


@pytest.mark.parametrize("old", ["absent", "empty"])
@pytest.mark.parametrize("step", range(1, 15))
def test_wherever_a_mailbox_moves_it_is_right_there(scene: Scene, step: int, old: str) -> None:
    """Nothing of ours is left in the old place, even where that answers as an empty mailbox."""
    scene.fill(lectures(5))
    scene.meddle("annotate", 2, text="ta med")
    scene.passed, scene.steps, scene.phase = 0, step, {"old": old, "new": "full"}
    scene.house.teach(*changed())
    scene.house.verify()
    scene.look(times=4)
    if scene.passed < step:
        pytest.fail(f"a visit has {scene.passed} steps")
    found = scene.shown()
    assert [item["start"] for item in found] == sorted(item["start"] for item in found)
    starts = sorted(each.starts_at.strftime("%Y-%m-%dT%H:%M") for each in changed())
    assert [item["start"][:16] for item in found] == starts
    assert ["ta med" in item["body"] for item in found].count(True) == 1
    keys = [item["sync_key"] for item in found]
    assert len(set(keys)) == len(keys)
    assert scene.rows("SELECT backend, state FROM calendar") == [("other", "active")]
    if old == "empty":
        assert scene.shown(scene.place) == []
        scene.move()  # it is gone at last
    scene.move(scene.place)
    scene.look(times=2)
    assert [item["sync_key"] for item in scene.shown()] == keys
    assert scene.rows("SELECT backend, state FROM calendar") == [("main", "active")]


PHASES = {
    "neither answers": [("moving", "absent"), ("moving", "moving"), ("absent", "moving")],
    "the old one answers": [("full", "absent"), ("full", "moving")],
    "the old one is empty": [("empty", "absent"), ("empty", "empty")],
    "the new one has no items yet": [("moving", "empty"), ("absent", "empty")],
    "the new one is there, and the old one answers": [("full", "empty")],
}


@pytest.mark.parametrize("way", PHASES)
def test_while_a_mailbox_moves_nothing_is_concluded(scene: Scene, way: str) -> None:
    scene.fill(lectures(4))
    before = {key: status for key, status, *_ in scene.records()}
    for old, new in PHASES[way]:
        scene.move(old=old, new=new)
        if way == "the old one is empty" and new == "absent":
            continue  # nobody else knows the mailbox: its user may have deleted all
        scene.look(QUARTER + 10)
        assert {key: status for key, status, *_ in scene.records()} == before
        assert [
            item
            for place in OTHER
            for item in scene.shown(place)
            if item["sync_key"] and item["sync_key"] not in before
        ] == []
    scene.move()
    scene.look(2 * 86_400.0, times=2)
    assert {item["sync_key"] for item in scene.shown()} == before.keys()
    assert len(scene.shown()) == 4
    assert scene.rows("SELECT backend, state FROM calendar") == [("other", "active")]
    assert scene.rows("SELECT count(*) FROM move WHERE done_at IS NULL") == [(0,)]


NEIGHBOURS = {"ews": "exchange", "graph": "graph"}


@pytest.mark.parametrize("status", [302, 403, 404])
def test_an_old_place_that_sends_elsewhere_or_refuses_says_nothing_of_the_entries(
    scene: Scene, status: int
) -> None:
    scene.fill(lectures(4))
    before = scene.records()
    fault = {"neighbour": NEIGHBOURS[scene.place], "kind": "status", "status": status}
    scene.control("POST", "/faults", {**fault, "times": 100})
    scene.look(times=2)
    assert scene.records() == before
    assert len(scene.shown(scene.place)) == 4
    scene.control("DELETE", "/faults")
    scene.move()
    scene.look(times=2)
    assert {item["sync_key"] for item in scene.shown()} == {key for key, *_ in before}
    assert len(scene.shown()) == 4
    assert scene.rows("SELECT backend, state FROM calendar") == [("other", "active")]


def test_a_new_place_that_does_not_open_yet_says_nothing_of_the_entries(scene: Scene) -> None:
    scene.fill(lectures(4))
    before = {key: status for key, status, *_ in scene.records()}
    scene.move()
    where = f"/exchange/mailbox?address={scene.mailbox}"
    scene.control("PUT", where, {"state": "denied"})
    scene.look(times=2)
    assert {key: status for key, status, *_ in scene.records()} == before
    scene.control("PUT", where, {"state": "active"})
    scene.look(2 * 86_400.0, times=2)
    assert {item["sync_key"] for item in scene.shown()} == before.keys()
    assert len(scene.shown()) == 4
    assert scene.rows("SELECT backend, state FROM calendar") == [("other", "active")]


def test_what_was_made_anew_in_an_emptied_place_is_not_doubled_where_both_arrive(
    scene: Scene,
) -> None:
    """Nobody else knows the mailbox for hours, as where its user deleted all: they are put back."""
    scene.fill(lectures(4))
    scene.move(old="empty", new="absent")
    scene.look()
    assert scene.shown(scene.place) == []
    scene.look(4 * 3_600.0, times=3)
    assert len(scene.shown(scene.place)) == 4
    scene.move()
    assert len(scene.shown()) == 8
    scene.look(times=2)
    assert len(scene.shown()) == 4
    starts = [each.starts_at.strftime("%Y-%m-%dT%H:%M") for each in lectures(4)]
    assert [item["start"][:16] for item in scene.shown()] == starts


def test_teaching_that_is_taken_away_while_the_mailbox_is_nowhere_goes_at_the_new_place(
    scene: Scene,
) -> None:
    scene.fill(lectures(5))
    scene.move(old="empty", new="absent")
    scene.look()
    scene.house.teach(*lectures(3))
    scene.look()
    assert len(scene.records()) == 5
    scene.move()
    scene.look(3_700.0, times=2)
    starts = [each.starts_at.strftime("%Y-%m-%dT%H:%M") for each in lectures(3)]
    assert [item["start"][:16] for item in scene.shown()] == starts
    assert scene.rows("SELECT count(*) FROM stray_key") == [(0,)]


def test_an_old_place_that_is_empty_while_the_new_one_is_full_is_left(scene: Scene) -> None:
    scene.fill(lectures(4))
    keys = {item["sync_key"] for item in scene.shown()}
    scene.move(old="empty", new="full")
    scene.look()
    assert scene.rows("SELECT backend FROM calendar") == [("other",)]
    assert {item["sync_key"] for item in scene.shown(OTHER[scene.place])} == keys
    assert scene.shown(scene.place) == []


def test_what_was_created_in_an_emptied_place_is_taken_away_there_and_the_log_says_so(
    scene: Scene,
) -> None:
    scene.fill(lectures(4))
    scene.move(old="empty", new="full")
    scene.house.teach(*lectures(5))
    scene.house.settle()
    assert len(scene.shown(scene.place)) == 1
    scene.look(times=2)
    assert scene.shown(scene.place) == []
    assert len(scene.shown()) == 5
    removed = "SELECT count(*) FROM change_log WHERE operation = 'remove'"
    assert scene.rows(removed) == [(1,)]


@pytest.mark.parametrize("step", range(1, 10))
def test_what_its_user_made_a_meeting_is_theirs_wherever_the_mailbox_moves(
    scene: Scene, step: int
) -> None:
    """Teaching that is taken away is released where it is a meeting, in the place where it stands."""
    scene.fill(lectures(5))
    scene.meddle("invite", 4, attendee="kollega@uio.example")
    scene.passed, scene.steps, scene.phase = 0, step, {"old": "empty", "new": "full"}
    scene.house.teach(*lectures(4))
    scene.house.settle()
    scene.look(times=4)
    if scene.passed < step:
        pytest.fail(f"a visit has {scene.passed} steps")
    *others, meeting = scene.shown()
    released = scene.rows("SELECT sync_key FROM entry WHERE status = 'released'")
    assert meeting["sync_key"] is None or (meeting["sync_key"],) in released
    keys = {(key,) for key, status, *_ in scene.records() if status == "live"}
    assert {(item["sync_key"],) for item in others} == keys
    assert len(others) == 4


def test_what_was_changed_at_the_old_place_after_the_copy_is_right_at_the_new_one(
    scene: Scene,
) -> None:
    scene.fill(lectures(5))
    scene.move(old="full", new="full")
    scene.house.teach(*changed())
    scene.house.settle()
    scene.look()
    assert len(scene.shown(scene.place)) == 5
    assert scene.rows("SELECT backend FROM calendar") == [("main",)]
    scene.move()
    scene.look(times=2)
    starts = sorted(each.starts_at.strftime("%Y-%m-%dT%H:%M") for each in changed())
    assert [item["start"][:16] for item in scene.shown()] == starts
    assert sum("nytt" in item["subject"] for item in scene.shown()) == 1


def test_a_tool_that_drops_the_property_makes_the_calendar_wait_and_accept_writes_anew(
    scene: Scene,
) -> None:
    scene.fill(lectures(4))
    scene.move(properties=False)
    scene.look()
    assert scene.rows("SELECT looks, expected, present FROM move") == [(1, 4, 0)]
    assert [item["sync_key"] for item in scene.shown()] == [None] * 4
    with scene.house.database.write() as connection:
        person = people.find_by_any_identity(connection, str(scene.number))
        waiting = moves.waiting(connection, person)
        moves.decide(connection, waiting, moves.ACCEPT, who="somebody", reason="dropped")
    scene.house.settle()
    scene.look()
    found = scene.shown()
    assert [bool(item["sync_key"]) for item in found].count(True) == 4
    assert len(found) == 8  # what lost its key is nobody's but the user's


def test_whatever_time_of_creation_a_copy_has_nothing_is_doubled(scene: Scene) -> None:
    scene.fill(lectures(4))
    keys = [item["sync_key"] for item in scene.shown()]
    scene.move(created="new")
    scene.look(times=2)
    assert [item["sync_key"] for item in scene.shown()] == keys


@pytest.mark.parametrize("changed_titles", [False, True])
def test_a_look_at_the_new_place_costs_a_list_and_not_a_request_for_each_entry(
    scene: Scene, *, changed_titles: bool
) -> None:
    """What the list tells is enough to see that all is right, and to write by what is not.

    Over EWS, whose lists tell no bodies, fifty entries are read by one request. Over Graph each
    change takes its own reading of who is invited, and the write.
    """
    number = 120
    scene.fill(lectures(number))
    scene.meddle("annotate", 2, text="ta med")
    scene.move()
    if changed_titles:
        scene.house.teach(*lectures(number, "nytt"))
        scene.house.settle([Kind.COURSE])
    scene.control("DELETE", "/requests")
    scene.look()
    new = {"ews": "graph", "graph": "exchange"}[scene.place]
    asked = Counter(
        row["operation"]
        for row in scene.control("GET", "/requests")
        if row["mailbox"] == scene.mailbox and row["neighbour"] == new
    )
    written = number if changed_titles else 0
    if new == "graph":
        pages = {"ListEvents": 1 + ceil(number / 100)}
        writes = {"GetEvent": written, "UpdateEvent": written}
        batches = {"Batch": 2 * ceil(written / 20)}
    else:
        pages = {"FindItem": 2}
        writes = {"GetItem": ceil(number / 50), "UpdateItem": ceil(written / 50)}
        batches = {}
    assert asked == +Counter({**pages, **writes, **batches})
    shown = scene.shown()
    assert len(shown) == number
    assert {item["subject"].endswith("nytt") for item in shown} == {changed_titles}
    assert "ta med" in shown[2]["body"]
