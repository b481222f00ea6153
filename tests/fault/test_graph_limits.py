"""The limits of Graph as many workers at once keep them, and mailboxes that do not open (yet)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from kalender.app import App, clock_from
from kalender.config import load
from kalender.neighbours import breaker
from kalender.store import entries
from tests import servers
from tests.databases import cloned
from tests.fault.installation import NOW, Installation, wait
from tests.fewer_events import generate_with_fewer_events
from tests.served import start

pytestmark = pytest.mark.integration
EXCHANGE = "exchange.main"
EDITED = 25  # entries of each calendar: a batch has 20
SECTION = """[exchange.main]
kind = "graph"
tenant = "uni.example"
client_id = "kalender"
client_secret = "kalender"
base_url = "{graph}"
login_url = "{login}"
ca_file = "{login_ca}"
timeout = 5
server_seconds = 1
max_connections = 20
{options}
[rollout]"""
Json = dict[str, Any]


@pytest.fixture(scope="module")
def university(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few people, with two thirds of the events: still more than a batch for each student."""
    directory = tmp_path_factory.mktemp("university") / "university"
    generate_with_fewer_events(directory, students=10, keep=2, of=3)
    return directory


@dataclass
class Cloud(Installation):
    """An installation on the sandbox's Graph; some calendars are chosen to be worked on."""

    options: str = ""  # of the Exchange's section
    on_premises: bool = False  # there is another Exchange, over EWS, where calendars begin
    boxes: dict[int, str] = field(default_factory=dict)  # the addresses by number of the calendar

    def app(self) -> App:
        """Return the application under the settings as they are now."""
        super().app()
        path, ends = self.directory / "config.toml", self.sandbox.endpoints
        section = SECTION.format(
            graph=ends.graph, login=ends.login, login_ca=ends.login_ca, options=self.options
        )
        before, _, after = path.read_text().partition("[rollout]")
        if self.on_premises:
            section = section.replace("[exchange.main]", "[exchange.cloud]")
        else:
            before = before.partition("[exchange.main]")[0]
        path.write_text(before + section + after)
        return App(load(path, {}), clock_from(datetime.fromisoformat(NOW)))

    def choose(self, number: int) -> None:
        """Choose calendars of students with teaching, and mark them."""
        rows = self.rows(
            "SELECT DISTINCT c.calendar_id, c.address FROM calendar c JOIN registration r"
            " ON r.person_id = c.person_id WHERE c.audience = 'student' ORDER BY 1"
        )
        self.boxes = {row.calendar_id: row.address for row in rows[:number]}
        assert len(self.boxes) == number
        self.mark_all()

    def mark_all(self) -> None:
        """Mark what was chosen."""
        for number in self.boxes:
            self.mark_one(number)

    def look_into_all(self) -> None:
        """Mark what was chosen to be looked into, where users edited more than a batch of entries.

        These are read and put back, by batches that are no chains.
        """
        for box in self.boxes.values():
            items = [i for i in self.get(f"exchange/items?mailbox={box}") if i["sync_key"]]
            for item in items[:EDITED]:
                edit = {"do": "set", "id": item["id"], "location": "Hjemme"}
                self.send("POST", "exchange/meddle", {"mailbox": box, **edit})
        self.write(lambda connection: entries.wish_verification(connection, None))
        self.mark_all()

    def limit(self, **settings: object) -> None:
        """Let Graph count so; its requests take long enough to stand in each other's way."""
        self.send("PUT", "latency", {"graph": 0.02})
        self.send("PUT", "graph/settings", settings)

    def let_open(self, state: str, number: int) -> None:
        """Let so many of the chosen mailboxes be denied, or active."""
        for box in list(self.boxes.values())[:number]:
            self.send("PUT", f"exchange/mailbox?address={box}", {"state": state})

    def journal(self) -> list[Json]:
        """Return what Graph was asked, requests within batches too."""
        rows: list[Json] = self.get("requests")
        return [row for row in rows if row["neighbour"] == "graph"]

    def posts(self) -> list[Json]:
        """Return the batches that Graph was asked."""
        return [row for row in self.journal() if row["operation"] == "Batch"]

    def throttled(self) -> list[Json]:
        """Return what was refused as too much."""
        return [row for row in self.journal() if row["status"] == 429]

    def waiting_for(self, calendar: int) -> timedelta:
        """Return how long a calendar waits yet."""
        query = f"SELECT not_before FROM dirty WHERE key = '{calendar}'"  # noqa: S608
        (row,) = self.rows(query)
        moment = row.not_before
        instant = moment if isinstance(moment, datetime) else datetime.fromisoformat(f"{moment}")
        with_zone = instant if instant.tzinfo else datetime.fromisoformat(f"{moment}+00:00")
        return with_zone - self.now()

    def now(self) -> datetime:
        """Return the database's clock."""
        moments: list[datetime] = []
        self.write(lambda c: moments.append(breaker.lock(c, EXCHANGE).db_time))
        return moments[0]

    def states(self) -> set[str]:
        """Return the states of what was chosen."""
        numbers = ", ".join(map(str, self.boxes))
        query = f"SELECT state FROM calendar WHERE calendar_id IN ({numbers})"  # noqa: S608
        return {row.state for row in self.rows(query)}


@pytest.fixture(scope="module")
def mirrored_template(
    university: Path,
    running: dict[str, str],
    migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The name of a PostgreSQL database that mirrors the university, to be cloned."""
    with cloned(running[servers.DATABASE], migrated_template) as url:
        mirror(university, tmp_path_factory.mktemp("mirrored"), url)
        yield str(make_url(url).database)


def mirror(university: Path, directory: Path, url: str) -> None:
    with start(university, graph="all") as sandbox:
        Cloud(directory, sandbox, url).mirror()


@pytest.fixture
def mirrored_postgresql(running: dict[str, str], mirrored_template: str) -> Iterator[str]:
    with cloned(running[servers.DATABASE], mirrored_template) as url:
        yield url


@pytest.fixture
def mirrored_sqlite(university: Path, tmp_path: Path, migrated_sqlite: str) -> str:
    mirror(university, tmp_path, migrated_sqlite)
    return migrated_sqlite


@pytest.fixture
def house(university: Path, tmp_path: Path, mirrored_postgresql: str) -> Iterator[Cloud]:
    """An installation that mirrors its university; nobody was written to.

    It is on PostgreSQL: what is decided here is not decided by the database, and the tables of the
    neighbours are tried on both in `tests/integration/test_store_neighbours.py`.
    """
    with start(university, graph="all") as sandbox:
        yield Cloud(tmp_path, sandbox, mirrored_postgresql)


@pytest.fixture(params=["sqlite", "postgresql"])
def house_on_either(
    request: pytest.FixtureRequest, university: Path, tmp_path: Path
) -> Iterator[Cloud]:
    """The same on each database in turn, since all workers share the slots that are kept there."""
    url = str(request.getfixturevalue(f"mirrored_{request.param}"))
    with start(university, graph="all") as sandbox:
        yield Cloud(tmp_path, sandbox, url)


# -- limits that are kept -----------------------------------------------------------------------------


def test_workers_together_keep_the_limits_of_the_application(house_on_either: Cloud) -> None:
    house = house_on_either
    house.limit(concurrency_by="app", concurrency=4, requests=380, window_seconds=2.0)
    house.options = 'concurrency_scope = "app"\nmax_requests_per_second = 150'
    house.choose(8)
    house.work(2)
    house.look_into_all()
    house.work(2)
    assert house.throttled() == []
    assert max(post["items"] for post in house.posts()) == 4
    house.assert_right()


def test_one_visit_at_a_time_keeps_the_limit_of_a_mailbox(house: Cloud) -> None:
    house.limit(concurrency_by="mailbox", concurrency=4)
    house.choose(8)
    house.work(2)
    house.look_into_all()
    house.work(2)
    assert house.throttled() == []
    assert max(post["items"] for post in house.posts()) == 20
    house.assert_right()


def test_without_slots_the_application_is_over_its_limit(house: Cloud) -> None:
    """What the first test proves is no property of the sandbox."""
    house.choose(8)
    house.work(2)
    house.limit(concurrency_by="app", concurrency=4)
    house.look_into_all()
    with house.working(2):
        wait(lambda: bool(house.throttled()))


# -- being throttled ----------------------------------------------------------------------------------


def test_a_throttled_mailbox_delays_its_calendar_alone(house: Cloud) -> None:
    house.choose(6)
    (slow, box), *_ = house.boxes.items()
    told = {"status": 429, "code": "ApplicationThrottled", "retry_after": 90}
    fault = {"neighbour": "graph", "kind": "status", "operation": "CreateEvent", "mailbox": box}
    house.fault(**fault, **told)
    with house.working(2):
        wait(lambda: not house.rows("SELECT 1 FROM dirty WHERE last_error IS NULL"))
    (row,) = house.rows("SELECT key, attempts, parked_at, last_error FROM dirty")
    assert (row.key, row.attempts, row.parked_at) == (str(slow), 1, None)
    assert "ApplicationThrottled" in row.last_error
    assert timedelta(seconds=60) < house.waiting_for(slow) <= timedelta(seconds=90)
    known = house.neighbour(EXCHANGE)
    assert (known.failures, known.paused_until) == (0, None)
    house.hurry()
    house.work()
    house.assert_right()


def test_what_graph_asks_of_all_pauses_all_for_exactly_so_long(house: Cloud) -> None:
    """Three calendars are told so, as of a neighbour whose pauses grow."""
    house.choose(8)
    told = {"status": 429, "code": "ApplicationThrottled", "retry_after": 3}
    house.fault(neighbour="graph", kind="status", operation="Batch", times=3, **told)
    with house.working(1):
        wait(lambda: not house.get("faults"))
        wait(lambda: house.neighbour(EXCHANGE).paused_until is not None)
        assert house.neighbour(EXCHANGE).failures == 0
        wait(lambda: not house.rows("SELECT 1 FROM dirty"), why=house.waiting)
    posts = house.posts()
    last_told = max(post["at"] for post in posts if post["status"] == 429)
    times = [post["at"] for post in posts if post["at"] >= last_told]
    gap, (before, _) = max((after - before, (before, after)) for before, after in pairwise(times))
    assert before - last_told < 0.5  # what was under way
    assert 2.4 < gap < 4.5
    assert not house.rows("SELECT 1 FROM dirty WHERE attempts > 0")
    house.assert_right()


# -- mailboxes that do not open -----------------------------------------------------------------------


def test_mailboxes_that_never_opened_are_asked_again_slowly_and_hold_nobody(house: Cloud) -> None:
    house.choose(8)
    house.let_open("denied", 5)
    with house.working(2):
        wait(lambda: not house.rows("SELECT 1 FROM dirty WHERE last_error IS NULL"))
    rows = house.rows("SELECT key, attempts, parked_at, last_error FROM dirty")
    assert {row.key for row in rows} == {str(number) for number in list(house.boxes)[:5]}
    assert {(row.attempts, row.parked_at) for row in rows} == {(1, None)}
    assert all("ErrorAccessDenied: " in row.last_error for row in rows)
    assert not any("@" in row.last_error for row in rows)
    slow = next(iter(house.boxes))
    assert timedelta(minutes=14) < house.waiting_for(slow) <= timedelta(minutes=15)
    assert house.states() == {"active", "denied"}
    known = house.neighbour(EXCHANGE)
    assert (known.failures, known.paused_until) == (0, None)
    house.let_open("active", 5)
    house.hurry()
    house.work()
    house.assert_right()
    assert house.states() == {"active"}


def test_the_waits_of_a_mailbox_that_does_not_open_grow(house: Cloud) -> None:
    house.choose(1)
    house.let_open("denied", 1)
    (number,) = house.boxes
    waits = []
    for attempts in range(1, 5):
        house.hurry()
        query = f"SELECT 1 FROM dirty WHERE attempts = {attempts}"  # noqa: S608
        with house.working(1):
            wait(lambda query=query: bool(house.rows(query)))  # type: ignore[misc]
        assert not house.rows("SELECT 1 FROM dirty WHERE parked_at IS NOT NULL")
        waits.append(round(house.waiting_for(number).total_seconds() / 60))
    assert waits == [15, 15, 30, 60]


def test_mailboxes_that_opened_before_and_refuse_pause_the_neighbour(house: Cloud) -> None:
    house.choose(8)
    house.work()
    house.let_open("denied", 8)
    house.send("DELETE", "requests")
    house.look_into_all()
    with house.working(1):
        wait(lambda: house.neighbour(EXCHANGE).paused_until is not None)
    known = house.neighbour(EXCHANGE)
    assert "mailboxes that opened before do not open any more: check the cred" in known.last_error
    assert "@" not in known.last_error
    assert len({post["mailbox"] for post in house.posts()}) <= 3 + 4  # four were under way
    rows = house.rows("SELECT attempts, parked_at FROM dirty")
    assert len(rows) == 8
    assert sum(row.attempts for row in rows) == 2  # before it was known whose trouble it is
    assert all(row.parked_at is None for row in rows)
    house.let_open("active", 8)
    house.write(lambda connection: breaker.probe_now(connection, EXCHANGE))
    house.hurry()
    house.work()
    house.assert_right()
    assert house.neighbour(EXCHANGE).failures == 0


def test_a_mailbox_that_moved_to_a_cloud_which_does_not_open_it_yet_is_not_lost(
    university: Path, tmp_path: Path, migrated_postgresql: str
) -> None:
    """It is not on the Exchange where it was, and the new scope of the other still spreads."""
    with start(university, graph="half") as sandbox:
        house = Cloud(tmp_path, sandbox, migrated_postgresql, on_premises=True)
        house.mirror()
        house.choose(1)
        ((number, box),) = house.boxes.items()
        house.send("PUT", f"graph/mailbox?address={box}", {"place": "ews"})
        house.work()
        house.send("PUT", f"graph/mailbox?address={box}", {"place": "graph"})
        house.let_open("denied", 1)
        house.look_into_all()
        with house.working(1):
            wait(lambda: bool(house.rows("SELECT 1 FROM dirty WHERE attempts = 1")))
        assert house.states() == {"denied"}
        assert timedelta(minutes=14) < house.waiting_for(number) <= timedelta(minutes=15)
        house.let_open("active", 1)
        house.hurry()
        house.work()
        assert house.rows(
            "SELECT backend FROM calendar WHERE state = 'active' AND backend <> 'main'"
        )
        house.assert_right()


def test_some_of_many_that_refuse_are_their_own_matter(house: Cloud) -> None:
    """A scope that was narrowed: what opens between them says that the application is well."""
    house.choose(6)
    house.work()
    for denied in (1, 2):
        house.let_open("denied", denied)
        house.write(lambda connection: entries.wish_verification(connection, None))
        for number in house.boxes:
            if not house.rows(f"SELECT 1 FROM dirty WHERE key = '{number}'"):  # noqa: S608
                house.mark_one(number)
        with house.working(1):
            wait(lambda: not house.rows("SELECT 1 FROM dirty WHERE last_error IS NULL"))
    assert house.neighbour(EXCHANGE).paused_until is None
    assert house.states() == {"active", "denied"}
    assert len(house.rows("SELECT 1 FROM dirty")) == 2
