"""Calendars that a predecessor kept become ours: each event once, and what users added stays."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import count
from typing import Any, Literal, cast

import pytest
import requests

from kalender.calendars.ews.writer import EwsCalendars
from kalender.calendars.graph.writer import GraphCalendars
from kalender.config.backends import EwsSettings
from kalender.config.takeover import Takeover
from kalender.domain import block
from kalender.domain.model import Content, TeachingEvent
from kalender.domain.takeover import Fate, PropertyMark
from kalender.domain.work import Cause, Lane
from kalender.errors import OutcomeUnknown
from kalender.operate.shown import EntryStanding, entries_shown
from kalender.reconcile.desired import preview
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from kalender.store import people, takeovers
from kalender.store.database import Database, database_time
from tests.fakes.calendars import FakeCalendars, Item
from tests.fakes.faults import Crash, MortalDatabase, Points, Trouble
from tests.fakes.house import MONDAY, House, event
from tests.graph import graph_settings
from tests.served import start

pytestmark = pytest.mark.integration
SET = "0a1b2c3d-1111-4222-8333-444455556666"
MARK = PropertyMark(property_set=SET, name="TimePlanId", value="tp-", prefix=True)
PATH = f"{SET}:TimePlanId:String"
SETTINGS = Takeover(
    property_set=SET,
    property_name="TimePlanId",
    prefix="tp-",
    text=cast(Any, r"^TimePlan: (?:.|\n)*?Ikke endre denne teksten\.$"),
    per_minute=60_000,
)
PEOPLE = count(1000)
VALUES = count(1)
TEXT = "<p>TimePlan: {}<br>Ikke endre denne teksten.</p>"
UNTIL_THE_LOOK = timedelta(seconds=3700)
Place = Literal["memory", "ews", "graph"]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What anybody can see of an item that is not its owner's own."""

    item_id: str
    ours: bool
    mark: str | None
    subject: str
    body: str
    categories: tuple[str, ...]
    start: str


@dataclass
class Calendar:
    """One student's calendar at one place, with the predecessor and its owner at hand."""

    house: House
    number: int
    place: Place
    running: Running | None = None

    @property
    def mailbox(self) -> str:
        """The student's address."""
        return f"user{self.number}@uio.example"

    @property
    def memory(self) -> FakeCalendars:
        """The Exchange in memory."""
        return self.house.exchange

    def control(self, way: str, path: str, told: object = None) -> Any:
        """Ask the control API of the sandbox."""
        assert self.running is not None
        url = self.running.endpoints.control + path
        response = requests.request(way, url, json=told, timeout=10)
        response.raise_for_status()
        return response.json()

    # -- the predecessor -----------------------------------------------------------------------

    def write(self, shown: TeachingEvent, **changes: Any) -> str:
        """Write an entry as the predecessor does; return its id."""
        course = shown.activity.course
        said: dict[str, Any] = {
            "subject": f"{course} undervisning",
            "location": "",
            "body": TEXT.format(course),
            "start": shown.starts_at,
            "end": shown.ends_at,
            "categories": ("Min egen",),
            "series": False,
            "value": f"tp-{next(VALUES)}",
        } | changes
        value = said.pop("value")
        if self.place == "memory":
            content = Content(
                subject=said["subject"],
                body=said["body"],
                location=said["location"],
                starts_at=said["start"],
                ends_at=said["end"],
                show_as="busy",
                reminder_minutes=15,
                categories=said["categories"],
            )
            series = said["series"]
            ref = self.memory.add_marked(self.mailbox, content, MARK, value, series=series)
            self.memory.items(self.mailbox)[ref.item_id].created_at = _now(self.house)
            return ref.item_id
        told = {
            **said,
            "mailbox": self.mailbox,
            "private": False,
            "properties": {PATH: value},
            "start": said["start"].isoformat(),
            "end": said["end"].isoformat(),
        }
        return str(self.control("POST", "/exchange/items", told)["id"])

    def mark_again(self, item_id: str, value: str) -> None:
        """Write the mark onto an item once more."""
        if self.place == "memory":
            item = self.memory.items(self.mailbox)[item_id]
            item.properties[SET, MARK.name] = value
            self.memory.edit(self.mailbox, item_id)
        else:
            told = {
                "mailbox": self.mailbox,
                "id": item_id,
                "do": "set",
                "properties": {PATH: value},
            }
            self.control("POST", "/exchange/meddle", told)

    # -- the owner -----------------------------------------------------------------------------

    def meddle(self, do: str, item_id: str, **told: str) -> None:
        """Annotate, delete or invite."""
        if self.place == "memory":
            acts: Mapping[str, Callable[[], None]] = {
                "annotate": lambda: self.memory.annotate(self.mailbox, item_id, told["text"]),
                "delete": lambda: self.memory.take_away(self.mailbox, item_id),
                "invite": lambda: self.memory.invite(self.mailbox, item_id),
            }
            acts[do]()
        else:
            path, said = "/exchange/meddle", {"mailbox": self.mailbox, "id": item_id, "do": do}
            self.control("POST", path, {**said, **told})

    def seen(self) -> list[Seen]:
        """Return what stands in the calendar, in time's order."""
        if self.place == "memory":
            found = [_in_memory(item) for item in self.memory.items(self.mailbox).values()]
        else:
            items = self.control("GET", f"/exchange/items?mailbox={self.mailbox}")
            found = [
                _served(item)
                for item in items
                if item["folder"] == "calendar" and not item["private"]
            ]
        return sorted(found, key=lambda seen: (seen.start, seen.item_id))

    # -- the takeover --------------------------------------------------------------------------

    def wish(self, unmatched: str = "leave", up_to: int = 0) -> None:
        """Ask for the takeover, and let nothing be due but that."""
        with self.house.database.write() as connection:
            calendars = people.calendars_of(connection, [self.person])
            takeovers.wish(
                connection,
                calendars,
                unmatched=unmatched,
                up_to=up_to,
                who="test",
                interval=timedelta(),
            )
            self._mark(connection, calendars)

    def wish_back(self) -> None:
        """Ask for what was adopted to be handed back."""
        with self.house.database.write() as connection:
            calendars = people.calendars_of(connection, [self.person])
            takeovers.wish_back(connection, calendars, interval=timedelta())
            self._mark(connection, calendars)

    def _mark(self, connection: Any, calendars: list[int]) -> None:
        people.mark_calendars(
            connection, calendars, reason="takeover", cause=Cause.OPERATOR, lane=Lane.FILL
        )

    @property
    def person(self) -> int:
        """Our number of the student."""
        with self.house.database.read() as connection:
            person_id = people.find_by_any_identity(connection, str(self.number))
        assert person_id is not None
        return person_id

    @property
    def calendar_id(self) -> int:
        """Our number of the calendar."""
        with self.house.database.read() as connection:
            (calendar_id,) = people.calendars_of(connection, [self.person])
        return calendar_id

    def begin(self, *events: TeachingEvent) -> None:
        """Mirror the student and their teaching, outside the roll-out."""
        self.house.rollout_mode = "off"
        self.house.teach(*events)
        self.house.enrol(self.number)
        assert self.house.settle() == []
        self.house.rollout_mode = "all"

    def run(self, unmatched: str = "leave", up_to: int = 0) -> None:
        """Take over."""
        self.wish(unmatched, up_to)
        assert self.house.settle() == []

    def state(self) -> takeovers.CalendarTakeover:
        """Return how the takeover stands."""
        with self.house.database.read() as connection:
            about = takeovers.of_calendar(connection, self.calendar_id)
        assert about is not None
        return about

    def fates(self) -> list[tuple[str, str]]:
        """Return what is listed beside the adopted: (id, fate)."""
        with self.house.database.read() as connection:
            rows = takeovers.others(connection, self.calendar_id)
        return [(row.item_id, row.fate) for row in rows]

    def look(self) -> None:
        """Let the time of the next look come."""
        self.house.later(UNTIL_THE_LOOK.total_seconds())
        with self.house.database.write() as connection:
            self._mark(connection, [self.calendar_id])
        assert self.house.settle() == []


def _now(house: House) -> Any:

    with house.database.read() as connection:
        return database_time(connection)


def _in_memory(item: Item) -> Seen:
    return Seen(
        item_id=item.ref.item_id,
        ours=item.sync_key is not None,
        mark=item.properties.get((SET, MARK.name)),
        subject=item.content.subject,
        body=item.body,
        categories=tuple(item.content.categories),
        start=item.content.starts_at.isoformat(),
    )


def _served(item: Mapping[str, Any]) -> Seen:
    mark = item["properties"].get(PATH)
    return Seen(
        item_id=item["id"],
        ours="#" in (item["sync_key"] or ""),
        mark=None if mark == "taken over" else mark,
        subject=item["subject"],
        body=item["body"],
        categories=tuple(item["categories"]),
        start=item["start"],
    )


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox with both kinds of Exchange."""
    directory = tmp_path_factory.mktemp("both") / "university"
    generate(directory, students=20)
    with start(directory, graph="half") as running:
        yield running


def at(place: Place, database: Database, running: Running | None) -> Calendar:
    """Return an empty calendar at a place."""
    made = Calendar(House(database, takeover=SETTINGS), next(PEOPLE), place, running)
    if running is None:
        return made
    made.control("POST", "/exchange/mailboxes", {"addresses": [made.mailbox]})
    made.control("PUT", f"/graph/mailbox?address={made.mailbox}", {"place": place})
    if place == "graph":
        adapter: object = GraphCalendars("main", graph_settings(running.endpoints))
    else:
        endpoint = running.endpoints.exchange
        given = {"endpoint": endpoint, "username": "kalender", "password": "kalender"}
        adapter = EwsCalendars("main", EwsSettings.model_validate(given))
    made.house.exchange = cast(Any, adapter)
    return made


@pytest.fixture(
    params=[
        ("memory", "sqlite"),
        ("memory", "postgresql"),
        ("ews", "sqlite"),
        ("graph", "postgresql"),
    ],
    ids="-".join,
)
def calendar(request: pytest.FixtureRequest) -> Iterator[Calendar]:
    """An empty calendar at each place, and with each database."""
    place, kind = request.param
    database = Database(request.getfixturevalue(f"migrated_{kind}"))
    running = None if place == "memory" else request.getfixturevalue("served")
    yield at(place, database, running)
    database.close()


@pytest.fixture
def fast(open_database: Callable[[], Database]) -> Calendar:
    """An empty calendar in memory, with each database."""
    return at("memory", open_database(), None)


def lectures(number: int) -> list[TeachingEvent]:
    """So many lectures, one a day."""
    return [event(n, starts=MONDAY + timedelta(days=n + 1)) for n in range(number)]


def later(shown: TeachingEvent, hours: int) -> TeachingEvent:
    """The same event at another time."""
    shift = timedelta(hours=hours)
    return replace(shown, starts_at=shown.starts_at + shift, ends_at=shown.ends_at + shift)


# -- adopted ------------------------------------------------------------------------------------------


def test_what_shows_an_event_becomes_ours_with_all_that_its_user_added(calendar: Calendar) -> None:
    first, second = lectures(2)
    calendar.begin(first, second)
    kept = calendar.write(first)
    calendar.meddle("annotate", kept, text="ta med boka")
    calendar.run()
    one, other = calendar.seen()
    assert (one.item_id, one.ours, one.mark) == (kept, True, None)
    assert (other.ours, other.mark) == (True, None)
    assert one.categories == ("Min egen",)
    assert one.subject == other.subject != "IN1000 undervisning"
    assert "ta med boka" in one.body
    assert "TimePlan" not in one.body
    assert block.extract(one.body) is not None
    assert calendar.state().state == takeovers.DONE
    assert calendar.fates() == []
    calendar.house.teach(later(first, 3), second)
    assert calendar.house.settle() == []
    (moved,) = [seen for seen in calendar.seen() if seen.item_id == kept]
    assert moved.start != one.start
    assert "ta med boka" in moved.body
    assert len(calendar.seen()) == 2


def test_a_second_run_changes_nothing(calendar: Calendar) -> None:
    calendar.begin(*lectures(3))
    for shown in lectures(2):
        calendar.write(shown)
    calendar.run()
    before, fates = calendar.seen(), calendar.fates()
    calendar.run()
    assert (calendar.seen(), calendar.fates()) == (before, fates)


def test_of_several_that_show_one_event_the_best_is_ours_and_the_rest_is_listed(
    fast: Calendar,
) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    bare = fast.write(shown)
    best = fast.write(shown, location="Java")
    fast.run()
    assert {seen.item_id for seen in fast.seen() if seen.ours} == {best}
    assert fast.fates() == [(bare, Fate.LEFT)]


def test_what_only_shares_the_time_shows_nothing_and_holds_nothing_back(fast: Calendar) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    other = fast.write(shown, subject="Kollokvie", body="")
    fast.run()
    assert fast.fates() == [(other, Fate.LEFT)]
    assert [seen.ours for seen in fast.seen() if seen.item_id != other] == [True]


def test_a_room_says_what_an_entry_shows_where_its_title_does_not(fast: Calendar) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    item_id = fast.write(shown, subject="Forelesning", location="Java (OJD)")
    fast.run()
    assert [(seen.item_id, seen.ours) for seen in fast.seen()] == [(item_id, True)]


def test_series_and_what_has_ended_are_listed_and_nothing_is_done_to_them(
    calendar: Calendar,
) -> None:
    shown, past = lectures(1)[0], later(lectures(1)[0], -96)
    calendar.begin(shown)
    ended = calendar.write(past)
    series = calendar.write(shown, series=True)
    before = {seen.item_id: seen for seen in calendar.seen()}
    calendar.run("remove", up_to=10)
    after = {seen.item_id: seen for seen in calendar.seen()}
    assert {number: after[number] for number in before} == before
    assert sorted(calendar.fates()) == sorted([(ended, Fate.ENDED), (series, Fate.SERIES)])


def test_a_meeting_follows_over_ews_and_is_its_users_over_graph(calendar: Calendar) -> None:
    shown = lectures(1)[0]
    calendar.begin(shown)
    item_id = calendar.write(shown)
    told = {} if calendar.place == "memory" else {"attendee": "guest@x.example"}
    calendar.meddle("invite", item_id, **told)
    calendar.run()
    (seen,) = calendar.seen()
    assert seen.ours is (calendar.place != "graph")
    assert calendar.fates() == ([(item_id, Fate.MEETING)] if calendar.place == "graph" else [])
    if calendar.running is not None:
        assert calendar.control("GET", "/exchange/mails") == []


def test_a_category_as_mark_makes_way_for_ours(fast: Calendar) -> None:
    fast.house.takeover = Takeover(category="TimePlan")
    shown = lectures(1)[0]
    fast.begin(shown)
    fast.write(shown, value="", categories=("Viktig", "TimePlan"), body="")
    fast.run()
    (seen,) = fast.seen()
    assert seen.ours
    assert seen.categories == ("Viktig", "Undervisning")
    fast.wish_back()
    assert fast.house.settle() == []
    (seen,) = fast.seen()
    assert (seen.ours, seen.categories) == (False, ("Viktig", "TimePlan"))


def test_a_line_as_mark_is_cut_out_and_put_back(fast: Calendar) -> None:
    fast.house.takeover = Takeover(line="Fra <TimePlan>")
    shown = lectures(1)[0]
    fast.begin(shown)
    fast.write(shown, value="", body="<p>Fra &lt;TimePlan&gt;</p><p>Mitt</p>")
    fast.memory.items(fast.mailbox)  # the fake finds the line as it is written
    (item,) = fast.memory.items(fast.mailbox).values()
    item.body += "<!-- Fra <TimePlan> -->"
    fast.run()
    (seen,) = fast.seen()
    assert seen.ours
    assert "Fra &lt;TimePlan&gt;" not in seen.body
    assert "Mitt" in seen.body
    fast.wish_back()
    assert fast.house.settle() == []
    (seen,) = fast.seen()
    assert "Fra &lt;TimePlan&gt;" in seen.body


# -- interrupted ----------------------------------------------------------------------------------------


def test_whatever_dies_each_event_stands_once_and_every_note_is_kept(fast: Calendar) -> None:
    shown = lectures(3)
    for moment in range(1, 26):
        one = Calendar(fast.house, next(PEOPLE), "memory")
        one.begin(*shown)
        ids = [one.write(each) for each in shown[:2]]
        gone = one.write(later(shown[2], 40), body=TEXT.format("x"))
        one.meddle("annotate", ids[0], text="ta med boka")
        one.wish("remove", up_to=1)
        survive(one, moment)
        assert len(one.seen()) == 3, moment
        assert all(seen.ours and seen.mark is None for seen in one.seen()), moment
        assert {*ids} <= {seen.item_id for seen in one.seen()}, moment
        assert gone not in {seen.item_id for seen in one.seen()}, moment
        (noted,) = [seen for seen in one.seen() if seen.item_id == ids[0]]
        assert "ta med boka" in noted.body
        assert one.state().state == takeovers.DONE


def survive(one: Calendar, moment: int) -> None:
    """Let the process die at the so-manieth moment of a visit, and go on until nothing is due."""
    points, database = Points(), one.house.database
    trouble = Trouble(points)
    one.house.database = mortal = _mortal(database, points)
    one.memory.before, one.memory.after = trouble.before, trouble.after
    points.arm(moment)
    for _ in range(3):
        try:
            one.house.settle()
        except Crash:
            points.disarm()
        one.house.later()
    points.disarm()
    assert one.house.settle() == []
    one.house.database = database
    mortal.close()


def _mortal(database: Database, points: Points) -> MortalDatabase:
    made = MortalDatabase(database.engine.url.render_as_string(hide_password=False))
    made.points = points
    return made


@pytest.mark.parametrize("arrived", [False, True], ids=["before Exchange had it", "after"])
def test_an_adoption_that_nobody_answered_is_read_by_its_id(fast: Calendar, arrived: bool) -> None:
    shown = lectures(2)
    fast.begin(*shown)
    ids = {fast.write(each) for each in shown}

    def lost(operation: str, _mailbox: str) -> None:
        if operation == "update":
            fast.memory.before = fast.memory.after = lambda _o, _m: None
            raise OutcomeUnknown("ReadTimeout")

    if arrived:
        fast.memory.after = lost
    else:
        fast.memory.before = lost
    fast.wish()
    (error,) = fast.house.settle()
    assert isinstance(error, OutcomeUnknown)
    fast.house.later()
    fast.house.forget_requests()
    assert fast.house.settle() == []
    operations = [request[0] for request in fast.memory.requests]
    rest = [] if arrived else ["get", "update"]
    assert operations == ["get", "find_marked", *rest]
    assert {(seen.item_id, seen.ours) for seen in fast.seen()} == {(each, True) for each in ids}


# -- what shows no event ----------------------------------------------------------------------------------


def test_what_is_left_keeps_its_course_from_being_written_beside_it(calendar: Calendar) -> None:
    shown = lectures(2)
    calendar.begin(*shown)
    left = calendar.write(later(shown[0], 1))
    calendar.run("leave")
    assert calendar.fates() == [(left, Fate.LEFT)]
    assert len(calendar.seen()) == 2
    assert [seen.item_id for seen in calendar.seen() if not seen.ours] == [left]
    house = calendar.house
    with house.database.read() as connection:
        would_be = preview(connection, calendar.calendar_id, house.settings, house.now)
        assert would_be is not None
        entries = entries_shown(connection, would_be, house.settings)
    assert [entry.standing for entry in entries].count(EntryStanding.WAITING) == 1
    calendar.meddle("delete", left)
    calendar.look()
    assert calendar.fates() == []
    assert [seen.ours for seen in calendar.seen()] == [True, True]


def test_what_shows_nothing_goes_where_that_was_asked_for_within_its_limit(
    calendar: Calendar,
) -> None:
    shown = lectures(2)
    calendar.begin(*shown)
    kept = calendar.write(shown[0])
    calendar.write(later(shown[1], 4))
    noted = calendar.write(later(shown[1], 48))
    calendar.meddle("annotate", noted, text="husk")
    calendar.run("remove", up_to=1)
    assert {seen.item_id for seen in calendar.seen()} >= {kept, noted}
    assert len(calendar.seen()) == 3
    assert (noted, Fate.NOTED) in calendar.fates()


def test_more_than_the_limit_is_not_removed_and_stops_that_person_in_words(fast: Calendar) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    for hours in (24, 48):
        fast.write(later(shown, hours))
    fast.run("remove", up_to=1)
    assert fast.state().state == takeovers.STOPPED
    assert "entries that would be removed: 2, beyond --up-to 1" in str(fast.state().reason)
    assert len(fast.seen()) == 2
    fast.run("remove", up_to=2)
    assert [seen.ours for seen in fast.seen()] == [True]


def test_nothing_is_removed_of_somebody_of_whom_no_teaching_is_known(fast: Calendar) -> None:
    fast.begin()
    fast.write(lectures(1)[0])
    fast.run("remove", up_to=10)
    assert fast.state().state == takeovers.STOPPED
    assert "no teaching of this person is known" in str(fast.state().reason)
    assert len(fast.seen()) == 1


def test_what_shows_nothing_stops_that_person_where_that_was_asked_for(fast: Calendar) -> None:
    shown = lectures(2)
    fast.begin(*shown)
    fast.write(shown[0])
    left = fast.write(later(shown[1], 4))
    before = fast.seen()
    fast.run("stop")
    assert fast.state().state == takeovers.STOPPED
    assert fast.seen() == before
    assert fast.fates() == [(left, Fate.LEFT)]
    fast.house.teach(*shown, event(9, starts=MONDAY + timedelta(days=9)))
    assert fast.house.settle() == []
    assert fast.seen() == before


def test_a_copy_that_its_user_made_of_an_entry_stays_where_it_is(fast: Calendar) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    original = fast.write(shown, value="tp-copied")
    copy = fast.write(later(shown, 72), value="tp-copied")
    fast.run("remove", up_to=10)
    assert fast.fates() == [(copy, Fate.COPY)]
    assert {seen.item_id for seen in fast.seen()} == {original, copy}


# -- the predecessor goes on ------------------------------------------------------------------------------


def test_a_mark_written_after_the_takeover_stops_that_person_in_words(calendar: Calendar) -> None:
    shown = lectures(2)
    calendar.begin(*shown)
    item_id = calendar.write(shown[0])
    calendar.run()
    calendar.mark_again(item_id, "tp-again")
    calendar.look()
    assert calendar.state().state == takeovers.STOPPED
    assert "switch it off for this person" in str(calendar.state().reason)
    before = calendar.seen()
    calendar.house.teach(*(later(each, 2) for each in shown))
    assert calendar.house.settle() == []
    assert calendar.seen() == before
    calendar.run()
    assert calendar.state().state == takeovers.DONE
    assert all(seen.ours and seen.mark is None for seen in calendar.seen())
    assert len(calendar.seen()) == 2


def test_a_new_entry_of_the_predecessor_stops_that_person(fast: Calendar) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    fast.write(shown)
    fast.run()
    fast.write(later(shown, 24))
    fast.look()
    assert fast.state().state == takeovers.STOPPED


@pytest.mark.parametrize(("seconds", "state"), [(0, takeovers.STOPPED), (-1, takeovers.DONE)])
def test_an_entry_of_the_very_second_in_which_the_takeover_began_counts_as_written_after_it(
    fast: Calendar, seconds: int, state: str
) -> None:
    shown = lectures(1)[0]
    fast.begin(shown)
    fast.write(shown)
    fast.run()
    late = fast.write(later(shown, 24))
    began_in = fast.state().began_at.replace(microsecond=0)
    made_at = began_in + timedelta(seconds=seconds)
    # The look lets time pass by moving what the database holds, and not what Exchange holds.
    fast.memory.items(fast.mailbox)[late].created_at = made_at - UNTIL_THE_LOOK
    fast.look()
    assert fast.state().state == state


def test_what_was_left_is_no_sign_that_the_predecessor_goes_on(calendar: Calendar) -> None:
    shown = lectures(2)
    calendar.begin(*shown)
    calendar.write(shown[0])
    calendar.write(later(shown[1], 40))
    calendar.write(shown[1], series=True)
    calendar.run()
    calendar.look()
    assert calendar.state().state == takeovers.DONE
    assert calendar.state().looks == 1


# -- handed back --------------------------------------------------------------------------------------------


def test_undoing_gives_back_what_was_adopted_and_takes_away_what_we_made(
    calendar: Calendar,
) -> None:
    shown = lectures(3)
    calendar.begin(*shown)
    for each in shown[:2]:
        calendar.write(each)
    marks = [(seen.item_id, seen.mark) for seen in calendar.seen()]
    calendar.run()
    assert len(calendar.seen()) == 3
    calendar.wish_back()
    assert calendar.house.settle() == []
    assert [(seen.item_id, seen.mark) for seen in calendar.seen()] == marks
    assert not any(seen.ours for seen in calendar.seen())
    assert calendar.state().state == takeovers.UNDONE
    calendar.house.teach(*shown, event(9, starts=MONDAY + timedelta(days=9)))
    assert calendar.house.settle() == []
    assert len(calendar.seen()) == 2
    calendar.run()
    assert len(calendar.seen()) == 4
    assert all(seen.ours for seen in calendar.seen())


def test_whatever_dies_undoing_gives_back_the_same(fast: Calendar) -> None:
    shown = lectures(3)
    for moment in range(1, 16):
        one = Calendar(fast.house, next(PEOPLE), "memory")
        one.begin(*shown)
        for each in shown[:2]:
            one.write(each)
        marks = [(seen.item_id, seen.mark) for seen in one.seen()]
        one.run()
        one.wish_back()
        survive(one, moment)
        assert [(seen.item_id, seen.mark) for seen in one.seen()] == marks, moment
        assert not any(seen.ours for seen in one.seen()), moment
        assert one.state().state == takeovers.UNDONE
