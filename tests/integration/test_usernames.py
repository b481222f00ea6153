"""Exchange Online names mailboxes by usernames, which FS corrects: each calendar is where it belongs.

What a user deleted is not put back here, so that whatever is looked for in a wrong mailbox, and is
taken for deleted by its user, shows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from typing import Any, cast

import pytest
import requests
from sqlalchemy import text

from kalender.calendars.graph.writer import GraphCalendars
from kalender.config.calendar import RoleCalendar
from kalender.domain.model import PersonFacts, TeachingEvent
from kalender.domain.work import Kind
from kalender.errors import PermanentError
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store import mailboxes
from kalender.store.database import Database
from tests.fakes.calendars import FakeCalendars
from tests.fakes.house import MONDAY, House, activity, event
from tests.graph import graph_settings
from tests.served import start

pytestmark = pytest.mark.integration
HUNDREDS = count(1)
FORM = "{username}@cloud.example"
BY_ADDRESS, BY_TEMPLATE = "epost:INSTITUSJON", "{username}@uio.example"
COURSES = ("IN1000", "KJM1000")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox whose mailboxes are on its Graph, which names none by its address."""
    directory = tmp_path_factory.mktemp("usernames") / "university"
    generate(directory, students=5)
    with start(directory, graph="all") as running:
        url = f"{running.endpoints.control}/graph/settings"
        requests.put(url, json={"users": "upn"}, timeout=5).raise_for_status()
        yield running


@dataclass
class Scene:
    """An installation on that Graph, and two students with a course each.

    The mailbox `boxN@uio.example` is that of the principal `uN@cloud.example`, for the numbers N of
    this scene.
    """

    house: House
    running: Running
    first: int  # the FS number of one; the other has the next one
    steps: int = 0  # until `at_step` is done
    passed: int = 0
    at_step: Callable[[], object] = field(default=lambda: None)

    def control(self, way: str, path: str, told: object = None) -> Any:
        """Ask the control API."""
        answer = requests.request(way, self.running.endpoints.control + path, json=told, timeout=9)
        assert answer.ok, answer.text
        return answer.json()

    def named(self, address: str) -> str:
        """Return how Graph names the user of a mailbox; count a step where it is the first's."""
        self.passed += address == self.mailbox(self.first)
        if self.passed == self.steps:
            self.at_step()
        with self.house.database.read() as connection:
            name = mailboxes.principal_name_of(connection, address, FORM)
        if name is None:
            raise PermanentError("no username is known")
        return name

    def mailbox(self, number: int) -> str:
        """Return the address of the mailbox of the principal of this number."""
        own = self.house.mailbox == BY_TEMPLATE
        return f"u{number}@uio.example" if own else f"box{number}@uio.example"

    def open(self, number: int) -> None:
        """Give a principal a mailbox."""
        address = self.mailbox(number)
        self.control("POST", "/exchange/mailboxes", {"addresses": [address]})
        self.control(
            "PUT", f"/graph/mailbox?address={address}", {"upn": f"u{number}@cloud.example"}
        )

    def call(self, number: int, username: int | None) -> None:
        """Let FS tell of a person the username of this number, or none."""
        known = self.house.students.facts[number]
        name = None if username is None else f"u{username}"
        self.house.students.facts[number] = replace(
            known, account=replace(known.account, username=name)
        )

    def tell(self, *numbers: int) -> None:
        """Tell of these persons, one after the other, or let all be read by collection."""
        if not numbers:
            self.house.resync()
            self.work()
        for number in numbers:
            self.house.mark(Kind.PERSON, f"fs {number}")
            self.work()

    def work(self) -> None:
        """Do all that is due, also what is put off for a while."""
        for _ in range(3):
            self.house.settle()
            self.house.later(1200)
        self.house.settle()

    def look(self) -> None:
        """Look into all calendars."""
        self.house.verify()
        self.work()

    def shown(self, number: int) -> list[str]:
        """Return the courses of our entries in the mailbox of this principal."""
        items = self.control("GET", f"/exchange/items?mailbox={self.mailbox(number)}")
        ours = [i for i in items if i["folder"] == "calendar" and not i["private"]]
        return sorted(str(item["subject"]).split()[0] for item in ours)

    def ids(self, number: int) -> list[tuple[str, str]]:
        """Return the ids and change keys of all items in the mailbox of this principal."""
        items = self.control("GET", f"/exchange/items?mailbox={self.mailbox(number)}")
        return [(item["id"], item["change_key"]) for item in items]

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the database."""
        with self.house.database.read() as connection:
            return [tuple(row) for row in connection.execute(text(sql))]


@pytest.fixture
def scene(open_database: Callable[[], Database], sandbox: Running) -> Scene:
    """Two students, of whom nothing was asked yet, and a mailbox for each of four principals."""
    house = House(open_database(), mailbox=BY_ADDRESS, user_form=FORM)
    house.restore = RoleCalendar(restore_deleted=False)
    made = Scene(house, sandbox, 100 * next(HUNDREDS))
    calendars = GraphCalendars("main", graph_settings(sandbox.endpoints), user_of=made.named)
    house.exchange = cast(Any, calendars)
    for course in COURSES:
        house.teach(*lectures(course, 3), course=course)
    for number, course in zip((made.first, made.first + 1), COURSES, strict=True):
        house.enrol(number, course=course)
        facts: PersonFacts = house.students.facts[number]
        mail = (("INSTITUSJON", f"box{number}@uio.example"),)
        house.students.facts[number] = replace(facts, account=replace(facts.account, mail=mail))
        made.call(number, number)
    return made


def lectures(course: str, number: int) -> list[TeachingEvent]:
    """So many lectures, one a day."""
    key = activity(course=course)
    return [event(n, key=key, starts=MONDAY + timedelta(days=n + 1)) for n in range(number)]


def opened(scene: Scene) -> tuple[int, int, int]:
    """Open the mailboxes; return the two persons' numbers, and that of a mailbox of nobody here."""
    first, second, nobody = (scene.first + n for n in range(3))
    for number in (first, second, nobody):
        scene.open(number)
    return first, second, nobody


def right(scene: Scene) -> bool:
    """Whether each of the two shows their three lectures, and nothing else of ours."""
    shown = [scene.shown(number) for number in (scene.first, scene.first + 1)]
    return shown == [[course] * 3 for course in COURSES]


TOLD = [(), (0, 1), (1, 0)]
"""Of whom FS tells, in which order; of nobody: all are read by collection."""


@pytest.mark.parametrize("told", TOLD)
def test_a_corrected_username_leads_to_the_right_mailbox(
    scene: Scene, told: tuple[int, ...]
) -> None:
    first, _, nobody = opened(scene)
    scene.call(first, nobody)
    scene.tell()
    assert scene.shown(nobody) == [COURSES[0]] * 3
    scene.call(first, first)
    scene.tell(*(scene.first + n for n in told))
    assert right(scene)
    scene.look()
    assert right(scene)
    assert scene.rows("SELECT count(*) FROM entry WHERE status = 'declined'") == [(0,)]


@pytest.mark.parametrize("mailbox", [BY_ADDRESS, BY_TEMPLATE])
@pytest.mark.parametrize("told", TOLD)
def test_a_username_that_passes_to_another_leaves_nothing_of_the_first_in_their_mailbox(
    scene: Scene, told: tuple[int, ...], mailbox: str
) -> None:
    """The mailbox is the second's; the second was told to have one of nobody here, or none."""
    scene.house.mailbox = mailbox
    first, second, nobody = opened(scene)
    scene.call(first, second)
    scene.call(second, nobody)
    scene.tell()
    assert scene.shown(second) == [COURSES[0]] * 3
    scene.call(first, first)
    scene.call(second, second)
    scene.tell(*(scene.first + n for n in told))
    assert right(scene)
    scene.look()
    assert right(scene)


@pytest.mark.parametrize("told", TOLD)
def test_usernames_of_two_that_were_exchanged_are_put_right(
    scene: Scene, told: tuple[int, ...]
) -> None:
    first, second, _ = opened(scene)
    scene.call(first, second)
    scene.call(second, first)
    scene.tell()
    assert scene.shown(second) == [COURSES[0]] * 3
    scene.call(first, first)
    scene.call(second, second)
    for _ in range(2):
        scene.tell(*(scene.first + n for n in told))
    assert right(scene)
    scene.look()
    assert right(scene)


@pytest.mark.parametrize("told", TOLD)
def test_a_username_that_goes_and_comes_back_costs_no_entry(
    scene: Scene, told: tuple[int, ...]
) -> None:
    """Another has it meanwhile."""
    first, second, nobody = opened(scene)
    scene.tell()
    before = scene.ids(first)
    scene.call(first, nobody)
    scene.tell(*(scene.first + n for n in told))
    scene.call(first, first)
    scene.tell(*(scene.first + n for n in told))
    assert right(scene)
    assert scene.ids(first) == before
    scene.call(first, None)
    scene.call(second, first)
    scene.tell(*(scene.first + n for n in told))
    scene.tell(second, first)
    assert scene.shown(first) == [COURSES[1]] * 3
    scene.call(second, second)
    scene.call(first, first)
    for _ in range(2):
        scene.tell(*(scene.first + n for n in told))
    assert right(scene)
    scene.look()
    assert right(scene)


@pytest.mark.parametrize("step", range(1, 4))
def test_a_username_may_be_corrected_between_any_two_requests_of_a_visit(
    scene: Scene, step: int
) -> None:
    first, _, nobody = opened(scene)
    scene.call(first, nobody)
    scene.tell()

    def correct() -> None:
        scene.call(first, first)
        scene.house.mark(Kind.PERSON, f"fs {first}")
        scene.house.settle([Kind.PERSON])

    scene.at_step, scene.steps, scene.passed = correct, step, 0
    moved, renamed, *_, new = lectures(COURSES[0], 4)
    later = moved.starts_at + timedelta(hours=1)
    moved = replace(moved, starts_at=later, ends_at=later + timedelta(hours=2))
    scene.house.teach(moved, replace(renamed, title="nytt"), new)
    scene.look()
    assert scene.passed >= step
    assert right(scene)
    scene.look()
    assert right(scene)
    assert scene.rows("SELECT count(*) FROM entry WHERE status = 'declined'") == [(0,)]


def test_another_mailbox_that_a_second_exchange_knows_as_well_waits_for_nobody(
    scene: Scene,
) -> None:
    first, _, nobody = opened(scene)
    scene.call(first, nobody)
    scene.tell()
    scene.house.others["other"] = FakeCalendars()
    scene.call(first, first)
    scene.tell(first)
    assert right(scene)
    assert scene.rows("SELECT * FROM move") == []
