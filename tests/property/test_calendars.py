"""Whatever changes, fails, dies, stalls or is meddled with, at rest every calendar is right.

The university changes, FS, TP and Exchange fail, workers die and stall, users edit and delete,
opt out and in again. Then all comes to rest, and each calendar shows exactly what it should, once.
"""

import logging
import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from sqlalchemy import select

from kalender.domain.entry import EntryStatus
from kalender.domain.model import CourseKey, EventStatus, TeachingEvent
from kalender.domain.work import Kind, Lane
from kalender.errors import KalenderError
from kalender.store import people, queue
from kalender.store.entries import of_calendar
from kalender.store.queue import Claim
from kalender.store.tables import entry
from tests.chaos.judge import foreign
from tests.fakes.calendars import Item
from tests.fakes.cloud import FAULTS, ServedCalendars
from tests.fakes.faults import WRITES, Crash
from tests.fakes.frail import PRIVATE, FrailHouse, frail_house
from tests.fakes.house import MONDAY, activity, event
from tests.fakes.teaching import Teaching

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
PEOPLE = (1, 2, 3)
STUDENTS = tuple(f"user{number}" for number in PEOPLE)
NAMES = (*STUDENTS, "prof")
GROUPS = ("2-1", "2-2")
TEACHERS = ("user3", "prof")  # one of them is a student too
COURSES = ("IN1000", "IN2000")
ACTIVITIES = [activity(a, c) for c in COURSES for a in ("1", *GROUPS)]
TROUBLE = ("refused connection", "busy", "lost before", "lost after")
OUTAGES = ("away", "refuses", "busy", "unreadable")
SECOND_LOOK, VERY_LATE = timedelta(hours=6), 3600.0
PICKS = st.integers(0, 99)  # which of those there are: no draw depends on what the system did
CHANGES = ("move", "move under another id", "cancel", "delete", "title", "teacher")
EDITS: tuple[dict[str, object], ...] = (
    {"subject": "Kjedelig"},
    {"show_as": "oof"},
    {"location": "Kantina"},
    {"starts_at": MONDAY + timedelta(days=3), "ends_at": MONDAY + timedelta(days=3, hours=1)},
)


class University(RuleBasedStateMachine):
    """Changes of the university, faults of its neighbours, lame workers, a user's meddling."""

    @initialize(filled=st.booleans(), batch=st.sampled_from([2, 20]))
    def open_house(self, filled, batch) -> None:  # type: ignore[no-untyped-def]
        """Start with an empty installation or one in use, and private items in every mailbox."""
        self.directory = tempfile.TemporaryDirectory()
        self.house = self.made_house(Path(self.directory.name) / "k.db")
        self.house.exchange.batch = batch  # few: what is created takes several requests
        self.points, self.trouble = self.house.points, self.house.trouble
        self.teaching = Teaching()
        self.number = 0
        self.retaught: set[str] = set()  # events whose teacher changed
        for name in NAMES:
            self.house.exchange.add_private(_mailbox(name), PRIVATE)
        self.private = {name: self.house.exchange.private(_mailbox(name)) for name in NAMES}
        if filled:
            self._fill()

    def made_house(self, path: Path) -> FrailHouse:
        """Return an installation whose Exchange is in memory."""
        return frail_house(path)

    def _fill(self) -> None:
        for day, key in enumerate(ACTIVITIES):
            self.plan_event(key=key, day=day, staff=("user3", "prof")[day % 2 :])
        for number, course in zip(PEOPLE, (*COURSES, "IN1000"), strict=True):
            self.enrol(number=number, course=course, placed={GROUPS[number % 2]})
        self.house.settle()

    # -- the university ------------------------------------------------------------------------

    def _tell(self, course: str) -> None:
        self.house.teach(*self.teaching.of(course), course=course)

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
        self.teaching.events[made.event_id] = made
        self._tell(key.course)

    @rule(what=st.sampled_from(CHANGES), pick=PICKS, day=st.integers(1, 21))
    def change_event(self, what, pick, day) -> None:  # type: ignore[no-untyped-def]
        """An event is moved, cancelled, deleted, renamed, or taught by another."""
        events = self.teaching.events
        if not events:
            return
        old = events.pop(sorted(events)[pick % len(events)])
        if what != "delete":
            new = replace(old, **self._changes(what, old, day))
            events[new.event_id] = new
        self._tell(old.activity.course)

    def _changes(self, what: str, old: TeachingEvent, day: int) -> dict[str, Any]:
        if what == "cancel":
            # A cancelled event keeps the staff that TP told of before, which may be an older one.
            return {} if old.event_id in self.retaught else {"status": EventStatus.CANCELLED}
        if what == "title":
            return {"title": f"{old.title}!"}
        if what == "teacher":
            if old.status is EventStatus.CANCELLED:
                return {}
            self.retaught.add(old.event_id)
            return {"staff": event(0, staff=[TEACHERS[day % 2]]).staff}
        self.number += 1
        start = MONDAY + timedelta(days=day, minutes=self.number)
        moved = {"starts_at": start, "ends_at": start + timedelta(hours=2)}
        return moved if what == "move" else {"event_id": f"{old.event_id}x", **moved}

    @rule(
        number=st.sampled_from(PEOPLE),
        course=st.sampled_from([*COURSES, None]),
        placed=st.sets(st.sampled_from(GROUPS), max_size=1),
    )
    def enrol(self, number, course, placed) -> None:  # type: ignore[no-untyped-def]
        """A student takes a course, changes group, or leaves everything."""
        groups = tuple(sorted(placed)) if course else ()
        self.teaching.enrolled[f"user{number}"] = (course, groups)
        self.house.enrol(number, *groups, course=course)

    # -- the work ------------------------------------------------------------------------------

    @rule(steps=st.integers(1, 6))
    def work(self, steps) -> None:  # type: ignore[no-untyped-def]
        """A worker does some of what is due."""
        for _ in range(steps):
            claim = self.house.claim()
            if claim is not None:
                self._do(claim)

    def _do(self, claim: Claim) -> None:
        try:
            self.house.do(claim)
        except KalenderError as error:
            self.house.give_back(claim, error)

    @rule(moment=st.integers(1, 30))
    def die(self, moment) -> None:  # type: ignore[no-untyped-def]
        """A worker dies at some moment of its work."""
        self.points.arm(moment)
        with suppress(Crash):
            self.house.settle()
        self.points.disarm()

    @rule(
        kind=st.sampled_from([Kind.CALENDAR, *Kind]),
        moment=st.integers(1, 10),
        first=st.sampled_from(CHANGES),
        change=st.sampled_from([None, *CHANGES, "opt"]),
        pick=PICKS,
    )
    def stall(self, kind, moment, first, change, pick) -> None:  # type: ignore[no-untyped-def]
        """A worker stalls beyond its lease: another does its work, and it writes nothing more."""
        self.change_event(what=first, pick=pick, day=pick % 20 + 1)
        self.house.settle([each for each in Kind if each is not kind])
        claim = self.house.claim([kind])
        if claim is None:
            return
        stopped: list[int] = []
        self.points.meanwhile = lambda: stopped.append(self._others_go_on(change, pick))
        self.points.stall_from = self.points.passed + moment
        self._do(claim)
        self.points.disarm()
        for since in stopped:
            assert not [o for o, *_ in self.house.exchange.requests[since:] if o in WRITES]

    def _others_go_on(self, change: str | None, pick: int) -> int:
        """The lease runs out, something changes, others do all; return how much they requested."""
        self.house.later()
        if change == "opt":
            self.opt(name=NAMES[pick % len(NAMES)])
        elif change is not None:
            self.change_event(what=change, pick=pick, day=pick % 21 + 1)
        self.house.settle()
        return len(self.house.exchange.requests)

    @rule(kind=st.sampled_from(TROUBLE), at_once=st.booleans())
    def fail(self, kind, at_once) -> None:  # type: ignore[no-untyped-def]
        """Exchange fails once, now or while whatever follows."""
        self.trouble.kind = kind
        if at_once:
            self.house.settle()

    @rule(
        source=st.sampled_from(["fs", "tp"]),
        kind=st.sampled_from([*OUTAGES, None]),
        spared=st.integers(0, 3),
    )
    def let_down(self, source, kind, spared) -> None:  # type: ignore[no-untyped-def]
        """FS or TP fails for a while, or is back."""
        outage = self.house.outages[source]
        outage.kind, outage.spared = kind, spared

    @rule()
    def wait(self) -> None:
        """Time passes in the database."""
        self.house.later()

    @rule()
    def resync(self) -> None:
        """A resync runs; where a source fails, nothing of it is taken in."""
        with suppress(KalenderError):
            self.house.resync()

    # -- the users -----------------------------------------------------------------------------

    def _own_item(self, pick: int) -> tuple[str, str] | None:
        own = [(_mailbox(n), i.ref.item_id) for n in NAMES for i in self._own(n)]
        return own[pick % len(own)] if own else None

    def _own(self, name: str) -> list[Item]:
        return self.house.exchange.own(_mailbox(name))

    @rule(pick=PICKS, note=st.sampled_from(["husk bok", "rom 3"]))
    def annotate(self, pick, note) -> None:  # type: ignore[no-untyped-def]
        """A user writes a note."""
        if found := self._own_item(pick):
            self.house.exchange.annotate(*found, note)

    @rule(pick=PICKS, edited=st.sampled_from([*EDITS, None]))
    def meddle(self, pick, edited) -> None:  # type: ignore[no-untyped-def]
        """A user edits or deletes an entry."""
        if found := self._own_item(pick):
            mailbox, item_id = found
            if edited is None:
                self.house.exchange.take_away(mailbox, item_id)
            else:
                self.house.exchange.edit(mailbox, item_id, **edited)

    @rule()
    def look(self) -> None:
        """All calendars are to be looked into."""
        self.house.verify()

    @rule(name=st.sampled_from(NAMES))
    def opt(self, name) -> None:  # type: ignore[no-untyped-def]
        """A person opts out, or in again."""
        with self.house.database.write() as connection:
            person_id = people.find_by_any_identity(connection, name)
            if person_id is None:
                return
            if name in self.teaching.left_alone:
                marked = people.take_wish_back(connection, person_id)
            else:
                marked = people.wish(connection, person_id, {people.OPT_OUT}, "test")
            people.mark_calendars(connection, marked, reason="test", lane=Lane.ASKED)
        self.teaching.left_alone ^= {name}

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
        self.house.mend()
        self.house.resync()
        for name in self.teaching.enrolled:
            self.house.mark(Kind.PERSON, f"fs {name.removeprefix('user')}")
        for course in COURSES:
            self.house.mark(Kind.COURSE, str(CourseKey(course, "25h")))
        self._rest()
        self.house.verify()
        self._rest()
        self._compare()
        self._nothing_uncertain()
        self.house.database.close()
        self.directory.cleanup()

    def _rest(self) -> None:
        for _ in range(4):
            self.house.settle()
            self.house.later(700)
        assert self.house.settle() == []

    def _compare(self) -> None:
        for name in NAMES:
            shown = [
                (c.starts_at, c.ends_at, c.subject, c.show_as)
                for c in (item.content for item in self._own(name))
            ]
            assert sorted(shown) == self.teaching.expected(name), name
            assert self.house.exchange.private(_mailbox(name)) == self.private[name]
            for item in self._own(name):
                assert item.content.location != "Kantina"
                for word in ("husk bok", "rom 3"):
                    assert item.body.count(word) == item.notes.count(word)

    def _nothing_uncertain(self) -> None:
        with self.house.database.read() as connection:
            for calendar_id in range(1, 10):
                assert not [e for e in of_calendar(connection, calendar_id) if e.open]


def _mailbox(name: str) -> str:
    return f"{name}@uio.example"


class UniversityOnGraph(University):
    """The same with everybody's mailbox on a served Graph, which fails in its own ways."""

    def made_house(self, path: Path) -> FrailHouse:
        """Return an installation whose Exchange is the sandbox's Graph."""
        addresses = [_mailbox(name) for name in NAMES]
        house = frail_house(
            path, lambda points: ServedCalendars(points=points, addresses=addresses)
        )
        assert isinstance(house.exchange, ServedCalendars)
        self.cloud = house.exchange
        house.second_look = SECOND_LOOK
        return house

    def _own(self, name: str) -> list[Item]:
        """Return what stands for events; what turned up late and was touched is its user's."""
        with self.house.database.read() as connection:
            is_released = entry.c.status == EntryStatus.RELEASED.value
            released = {*connection.execute(select(entry.c.sync_key).where(is_released)).scalars()}
        return [item for item in super()._own(name) if item.sync_key not in released]

    def _rest(self) -> None:
        """Let the second look happen as well."""
        super()._rest()
        self.house.later(SECOND_LOOK.total_seconds())
        with self.house.database.write() as connection:
            queue.mark_what_is_due(connection)
        super()._rest()

    @rule(known=st.booleans(), late=st.booleans())
    def choose(self, known, late) -> None:  # type: ignore[no-untyped-def]
        """Graph begins to ignore transactionId or to know it, and to show new events late or at once."""
        self.cloud.settings.transaction_ids = known
        self.cloud.settings.visible_after = VERY_LATE if late else 0

    @rule(kind=st.sampled_from(sorted(FAULTS)), at_once=st.booleans())
    def fail(self, kind, at_once) -> None:  # type: ignore[no-untyped-def]
        """Graph fails once, now or while whatever follows."""
        self.cloud.fault = kind
        if at_once:
            self.house.settle()

    def teardown(self) -> None:
        """Let everything come to rest, and compare; every request named our own alone."""
        if not hasattr(self, "house"):
            return
        self.cloud.fault, self.cloud.settings.visible_after = None, 0
        super().teardown()
        assert foreign(list(self.cloud.world.journal.since(0))) == []
        assert self.cloud.world.exchange.private_touched == 0
        assert self.cloud.world.exchange.mails == []


TestUniversity = University.TestCase
TestUniversity.settings = settings(suppress_health_check=list(HealthCheck))  # else as the profile
TestUniversityOnGraph = UniversityOnGraph.TestCase
TestUniversityOnGraph.settings = settings(  # a fifth, since its requests are real
    TestUniversity.settings, max_examples=settings().max_examples // 5
)
