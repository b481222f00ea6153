"""Whatever changes, fails or dies, at rest every calendar shows exactly what it should, once."""

import logging
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from kalender.domain.model import ActivityKey, Content, CourseKey, Status, TeachingEvent
from kalender.domain.work import Kind
from kalender.errors import KalenderError
from kalender.store import migrations
from kalender.store.dirty import Claim
from kalender.store.entries import of_calendar
from tests.fakes.calendars import Item
from tests.fakes.faults import Crash, MortalDatabase, Points, Trouble
from tests.fakes.house import MONDAY, House, activity, event

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
PEOPLE = (1, 2, 3)
GROUPS = ("2-1", "2-2")
TEACHERS = ("user3", "prof")  # one of them is a student too
COURSES = ("IN1000", "IN2000")
ACTIVITIES = [activity(a, c) for c in COURSES for a in ("1", *GROUPS)]
TROUBLE = ("refused connection", "busy", "lost before", "lost after")

_template: Path | None = None


def _migrated(path: Path) -> None:
    """Copy a migrated database: migrating is the slowest part of a run."""
    global _template  # noqa: PLW0603
    if _template is None:
        _template = Path(tempfile.mkdtemp()) / "template.db"
        database = MortalDatabase(f"sqlite:///{_template}")
        database.points = Points()
        migrations.upgrade(database)
        database.close()
    path.write_bytes(_template.read_bytes())


class University(RuleBasedStateMachine):
    """Changes of the university, faults of Exchange, deaths of workers, a user's meddling."""

    @initialize()
    def open_house(self) -> None:
        """Start with an empty installation and private items in every mailbox."""
        self.directory = tempfile.TemporaryDirectory()
        path = Path(self.directory.name) / "k.db"
        _migrated(path)
        self.points = Points()
        database = MortalDatabase(f"sqlite:///{path}")
        database.points = self.points
        self.house = House(database)
        self.trouble = Trouble(self.points)
        self.house.exchange.before = self.trouble.before
        self.house.exchange.after = self.trouble.after
        self.events: dict[str, TeachingEvent] = {}
        self.enrolled: dict[int, tuple[str | None, tuple[str, ...]]] = {}
        self.number = 0
        self.notes: dict[str, str] = {}
        for name in (*(f"user{n}" for n in PEOPLE), "prof"):
            self._add_private(f"{name}@uio.example")

    def _add_private(self, mailbox: str) -> None:
        content = event(99, title="Legetime").starts_at
        ref = self.house.exchange._ref()
        item = Item(
            ref=ref,
            content=_private(content),
            body="privat",
            sync_key=None,
            created_at=content,
        )
        self.house.exchange.items(mailbox)[ref.item_id] = item

    # -- the university ------------------------------------------------------------------------

    def _tell(self, course: str) -> None:
        told = [e for e in self.events.values() if e.activity.course == course]
        self._live(lambda: self.house.teach(*told, course=course))

    @rule(
        key=st.sampled_from(ACTIVITIES),
        day=st.integers(0, 20),
        staff=st.sampled_from([(), ("user3",), ("prof",)]),
    )
    def plan_event(self, key, day, staff) -> None:  # type: ignore[no-untyped-def]
        """A planner adds an event."""
        self.number += 1
        made = event(
            self.number,
            key=key,
            starts=MONDAY + timedelta(days=day + 1, hours=self.number % 8),
            plenary=key.actid == "1",
            staff=staff,
        )
        self.events[made.event_id] = made
        self._tell(key.course)

    @rule(data=st.data(), day=st.integers(0, 20), renamed=st.booleans())
    def move_event(self, data, day, renamed) -> None:  # type: ignore[no-untyped-def]
        """An event moves, with or without a new id."""
        if self.events:
            old = self.events.pop(data.draw(st.sampled_from(sorted(self.events))))
            self.number += 1
            start = MONDAY + timedelta(days=day + 1, minutes=self.number)
            new = replace(
                old,
                event_id=f"{old.event_id}x" if renamed else old.event_id,
                starts_at=start,
                ends_at=start + timedelta(hours=2),
            )
            self.events[new.event_id] = new
            self._tell(new.activity.course)

    @rule(data=st.data(), what=st.sampled_from(["cancel", "delete", "title", "teacher"]))
    def change_event(self, data, what) -> None:  # type: ignore[no-untyped-def]
        """An event is cancelled, deleted, renamed, or taught by another."""
        if not self.events:
            return
        key = data.draw(st.sampled_from(sorted(self.events)))
        old = self.events.pop(key)
        if what != "delete":
            changes: dict[str, dict[str, object]] = {
                "cancel": {"status": Status.CANCELLED},
                "title": {"title": f"{old.title}!"},
                "teacher": {"staff": event(0, staff=[data.draw(st.sampled_from(TEACHERS))]).staff},
            }
            if what == "teacher" and old.status is Status.CANCELLED:
                changes[what] = {}
            self.events[key] = replace(old, **changes[what])  # type: ignore[arg-type]
        self._tell(old.activity.course)

    @rule(
        number=st.sampled_from(PEOPLE),
        course=st.sampled_from([*COURSES, None]),
        placed=st.sets(st.sampled_from(GROUPS), max_size=1),
    )
    def enrol(self, number, course, placed) -> None:  # type: ignore[no-untyped-def]
        """A student takes a course, changes group, or leaves everything."""
        groups = tuple(sorted(placed)) if course else ()
        self.enrolled[number] = (course, groups)
        self._live(lambda: self.house.enrol(number, *groups, course=course))

    # -- the work ------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 6))
    def work(self, steps) -> None:  # type: ignore[no-untyped-def]
        """A worker does some of what is due."""
        for _ in range(steps):
            claim = self.house.claim()
            if claim is not None:
                self._live(partial(self._do, claim))

    def _do(self, claim: Claim) -> None:
        try:
            self.house.do(claim)
        except KalenderError as error:
            self.house.give_back(claim, error)

    @rule(moment=st.integers(1, 25))
    def die(self, moment) -> None:  # type: ignore[no-untyped-def]
        """A worker dies at some moment of its work."""
        self.points.arm(moment)
        self._live(self.house.settle)
        self.points.disarm()

    @rule(kind=st.sampled_from(TROUBLE))
    def fail(self, kind) -> None:  # type: ignore[no-untyped-def]
        """Exchange fails once."""
        self.trouble.kind = kind
        self._live(self.house.settle)
        self.trouble.kind = None

    @rule()
    def wait(self) -> None:
        """Time passes in the database."""
        self._live(self.house.later)

    @rule()
    def resync(self) -> None:
        """A resync runs."""
        self._live(self.house.resync)

    @rule(
        number=st.sampled_from(PEOPLE), data=st.data(), note=st.sampled_from(["husk bok", "rom 3"])
    )
    def annotate(self, number, data, note) -> None:  # type: ignore[no-untyped-def]
        """A user writes a note."""
        mailbox = f"user{number}@uio.example"
        own = self.house.exchange.own(mailbox)
        if own:
            item = data.draw(st.sampled_from(own))
            self.house.exchange.annotate(mailbox, item.ref.item_id, note)

    def _live(self, deed: Callable[[], object]) -> object:
        try:
            return deed()
        except Crash:
            return None

    # -- at rest -------------------------------------------------------------------------------

    @invariant()
    def no_doubles_recorded(self) -> None:
        """No event ever stands twice in one calendar, as far as Exchange can see."""
        for mailbox in (getattr(self, "house", None) and self.house.exchange.mailboxes) or ():
            keys = [item.sync_key for item in self.house.exchange.own(mailbox)]
            assert len(keys) == len(set(keys))

    def teardown(self) -> None:
        """Let everything come to rest, and compare."""
        if not hasattr(self, "house"):
            return
        self.points.disarm()
        self.house.resync()
        for number in self.enrolled:
            self.house.mark(Kind.PERSON, f"fs {number}")
        for course in {e.activity.course for e in self.events.values()}:
            self.house.mark(Kind.COURSE, str(CourseKey(course, "25h")))
        for _ in range(8):
            self.house.settle()
            self.house.later(700)
        assert self.house.settle() == []
        self._compare()
        self._nothing_uncertain()
        self.house.database.close()
        self.directory.cleanup()

    def _compare(self) -> None:
        for name in (*(f"user{n}" for n in PEOPLE), "prof"):
            mailbox = f"{name}@uio.example"
            shown = [
                (i.content.starts_at, i.content.subject) for i in self.house.exchange.own(mailbox)
            ]
            assert sorted(shown) == sorted(self._expected(name)), name
            private = [i for i in self.house.exchange.items(mailbox).values() if not i.sync_key]
            assert [(i.body, i.content) for i in private] == [
                ("privat", _private(event(99).starts_at))
            ]
            for item in self.house.exchange.own(mailbox):
                for word in ("husk bok", "rom 3"):
                    assert item.body.count(word) == item.notes.count(word)

    def _expected(self, name: str) -> list[tuple[datetime, str]]:
        course, groups = (
            self.enrolled.get(int(name[4:]), (None, ())) if name != "prof" else (None, ())
        )
        expected = []
        for each in self.events.values():
            key = each.activity
            mine = key.actid == "1" or key.actid in groups or self._alone(key)
            as_student = course == key.course and mine
            named = name in [s.username for s in each.staff or ()]
            if as_student or named:
                expected.append((each.starts_at, _subject(each)))
        return expected

    def _alone(self, key: ActivityKey) -> bool:
        """The only group of its course, and nobody is placed on it."""
        groups = {
            e.activity
            for e in self.events.values()
            if e.activity.course == key.course and not e.plenary
        }
        placed = any(
            course == key.course and key.actid in taken for course, taken in self.enrolled.values()
        )
        return groups == {key} and not placed

    def _nothing_uncertain(self) -> None:
        with self.house.database.read() as connection:
            for calendar_id in range(1, 10):
                assert not [e for e in of_calendar(connection, calendar_id) if e.open]


def _private(moment: datetime) -> Content:
    return Content(
        subject="Legetime",
        body="privat",
        location="",
        starts_at=moment,
        ends_at=moment + timedelta(hours=1),
        show_as="busy",
    )


def _subject(each: TeachingEvent) -> str:
    kind = "Forelesning" if each.plenary else "Gruppe"
    text = f"{each.activity.course} {kind}" + (f": {each.title}" if each.title else "")
    return f"AVLYST: {text}" if each.status is Status.CANCELLED else text


TestUniversity = University.TestCase
TestUniversity.settings = settings(
    max_examples=60,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
