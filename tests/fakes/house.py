"""The whole core in one process: real SQL, FS, TP and Exchange in memory, a clock in hand."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import text

from kalender.config.calendar import LANGUAGES, RoleCalendar
from kalender.config.sections import Moves, Safety
from kalender.config.takeover import Takeover
from kalender.domain.lists import ListReading
from kalender.domain.mailbox import BY_MAIL, MailboxRule
from kalender.domain.mirror import CourseBrake
from kalender.domain.model import (
    Account,
    ActivityKey,
    CourseAnswer,
    CourseKey,
    PersonFacts,
    Registration,
    Room,
    Staff,
    TeachingEvent,
    TeachingRole,
)
from kalender.domain.render import Style
from kalender.domain.roles import ROLES
from kalender.domain.timetable import Rules
from kalender.domain.work import Kind, Lane, Mark
from kalender.errors import ClaimLost, KalenderError
from kalender.mirror.context import RefreshContext
from kalender.mirror.course import refresh_course
from kalender.mirror.lists import ReadLists
from kalender.mirror.person import refresh_person
from kalender.mirror.resync import ResyncResult, resync
from kalender.mirror.scope import Settings
from kalender.neighbours.limiter import Limiters, NeighbourLimits
from kalender.reconcile.desired import CalendarSettings
from kalender.reconcile.protocol import Exchange, ReconcileContext
from kalender.reconcile.reconcile import reconcile
from kalender.sources.tp_codes import KINDS
from kalender.store import entries, people, queue
from kalender.store.database import Database
from kalender.store.people import People
from kalender.store.queue import Claim
from kalender.store.semesters import Semesters
from kalender.worker.context import WorkerContext
from tests.fakes.calendars import FakeCalendars, Item
from tests.fakes.faults import SEND_SECONDS
from tests.fakes.sources import FakeStudents, FakeTimetables

OSLO = ZoneInfo("Europe/Oslo")
MONDAY = datetime(2025, 8, 18, 6, 0, tzinfo=UTC)
LEASE = timedelta(seconds=30)


def activity(actid: str = "1", course: str = "IN1000", semester: str = "25h") -> ActivityKey:
    """Return the key of an activity."""
    return ActivityKey(course, "1", semester, 1, actid)


def event(  # noqa: PLR0913
    number: int = 1,
    *,
    key: ActivityKey | None = None,
    starts: datetime = MONDAY + timedelta(days=1, hours=2),
    plenary: bool = True,
    staff: Sequence[str] = (),
    title: str = "",
    room: str = "Java",
    event_id: str | None = None,
) -> TeachingEvent:
    """Return an event of two hours."""
    key = key or activity()
    return TeachingEvent(
        activity=key,
        event_id=event_id or f"{key.course}-{key.actid}-{number}",
        starts_at=starts,
        ends_at=starts + timedelta(hours=2),
        plenary=plenary,
        staff=tuple(Staff(username=name) for name in staff),
        method="FOR" if plenary else "GR",
        method_name="Forelesninger" if plenary else "Gruppe",
        title=title,
        rooms=(Room(room_id=room, name=room, building="OJD"),),
    )


def gates_for(database: Database, *, most: int = 8) -> Limiters:
    """Return the ways to a house's neighbours."""
    names = {"fs": Kind.PERSON, "tp": Kind.COURSE, "exchange.main": Kind.CALENDAR}
    limits = [
        NeighbourLimits(name=name, needed_by=kind, credentials="known", most=most)
        for name, kind in names.items()
    ]
    return Limiters(database, limits, holder="house", wants=most)


@dataclass
class House:
    """One installation."""

    database: Database
    now: datetime = MONDAY
    timetables: FakeTimetables = field(default_factory=FakeTimetables)
    students: FakeStudents = field(default_factory=FakeStudents)
    exchange: FakeCalendars = field(default_factory=FakeCalendars)
    others: dict[str, FakeCalendars] = field(default_factory=dict)
    rules: Rules = field(default_factory=lambda: Rules(zone=OSLO))
    safety: Safety = field(default_factory=Safety)
    moves: Moves = field(default_factory=Moves)
    takeover: Takeover | None = None
    rollout_mode: str = "all"
    domains: frozenset[str] = frozenset({"uio.example"})
    skipped: str = "EKSAMEN"
    send_seconds: float = SEND_SECONDS
    second_look: timedelta | None = None
    restore: RoleCalendar = field(default_factory=RoleCalendar)
    mailbox: str = "{username}@uio.example"
    user_form: str = BY_MAIL  # how `exchange` names the users of mailboxes
    kept: dict[Rules, CalendarSettings] = field(default_factory=dict)

    def verify(self, number: int | None = None) -> None:
        """Look into a person's calendars (None: into all), as an operator asks for."""
        with self.database.write() as connection:
            person_id = (
                people.find_by_any_identity(connection, str(number)) if number is not None else None
            )
            wished = entries.wish_verification(connection, person_id)
            people.mark_calendars(connection, wished, reason="verify", lane=Lane.VERIFY)

    def move_mailbox(self, address: str) -> FakeCalendars:
        """Move a mailbox to another Exchange, as a migration does: its items under new ids."""
        other = FakeCalendars()
        self.others["other"] = other
        other.mailboxes[address] = {
            f"new-{name}": replace(item, ref=replace(item.ref, item_id=f"new-{name}"))
            for name, item in self.exchange.mailboxes.pop(address).items()
        }
        self.exchange.missing.add(address)
        return other

    def clock(self) -> datetime:
        """The domain's clock."""
        return self.now

    @property
    def settings(self) -> CalendarSettings:
        """The settings, with what a process keeps under them."""
        styles = {
            language: dict.fromkeys(ROLES, Style(institution="UiO", language=language, kinds=KINDS))
            for language in LANGUAGES
        }
        made = CalendarSettings(
            rules=dict.fromkeys(ROLES, self.rules),
            styles=styles["nb"],
            semesters=Semesters(),
            translations=styles,
        )
        return self.kept.setdefault(self.rules, made)

    @property
    def refresh_context(self) -> RefreshContext:
        """What refreshes."""
        return RefreshContext(
            database=self.database,
            timetables=self.timetables,
            students=self.students,
            people=People(
                mailboxes=self.mailboxes,
                backend="main",
                rules=dict.fromkeys(ROLES, self.rules),
                user_forms={} if self.user_form == BY_MAIL else {"main": self.user_form},
            ),
            rules=self.rules,
            brake=CourseBrake(),
            ask_singly=False,
            skips=lambda course: self.skipped in course,
            semesters=Semesters(),
            lease=LEASE,
            clock=self.clock,
        )

    @property
    def mailboxes(self) -> MailboxRule:
        """Where everybody's mailbox is."""
        return MailboxRule(rules=dict.fromkeys(ROLES, self.mailbox), domains=self.domains)

    @property
    def reconcile_context(self) -> ReconcileContext:
        """What reconciles."""
        return ReconcileContext(
            database=self.database,
            exchanges={
                name: Exchange(
                    calendars=calendars,
                    server_seconds=1.0,
                    second_look=self.second_look,
                    user_form=self.user_form if name == "main" else BY_MAIL,
                )
                for name, calendars in {"main": self.exchange, **self.others}.items()
            },
            settings=self.settings,
            safety=self.safety,
            moves=self.moves,
            takeover=self.takeover,
            rollout_mode=self.rollout_mode,
            lease=LEASE,
            send_seconds=self.send_seconds,
            clock=self.clock,
            role_calendars=dict.fromkeys(ROLES, self.restore),
            mail_domains=self.mailboxes.domains,
        )

    # -- the university ------------------------------------------------------------------------

    def teach(
        self, *events: TeachingEvent, course: str = "IN1000", published: bool | None = True
    ) -> None:
        """Let TP answer so for a course, and say so."""
        key = CourseKey(course, "25h")
        self.timetables.answers[key] = CourseAnswer(
            key=key, published=published, events=tuple(events)
        )
        self.mark(Kind.COURSE, str(key))

    def enrol(
        self,
        number: int,
        *placed: str,
        course: str | None = "IN1000",
        status: str | None = "I",
        roles: Sequence[TeachingRole] = (),
    ) -> None:
        """Let FS answer so for a person, and say so."""
        units = [activity(course=course).unit] if course else []
        self.students.facts[number] = PersonFacts(
            account=Account(fs_number=number, username=f"user{number}", mail=()),
            registrations=tuple(Registration(unit=unit, offer_status=status) for unit in units),
            placements=tuple(activity(actid, course=course or "") for actid in placed),
            roles=tuple(roles),
        )
        self.mark(Kind.PERSON, f"fs {number}")

    # -- the work ------------------------------------------------------------------------------

    def mark(self, kind: Kind, key: str, reason: str = "test") -> None:
        """Mark something."""
        with self.database.write() as connection:
            queue.mark(connection, [Mark(kind=kind, key=key, reason=reason)])

    def resync(
        self, *readings: ListReading, dry_run: bool = False, share: float = 0.2
    ) -> ResyncResult:
        """Read all by collection, and what lists of persons told."""
        settings = Settings(
            digests=self.settings.digests, rollout_mode=self.rollout_mode, max_updated_share=share
        )
        return resync(
            self.refresh_context,
            settings=settings,
            lists=ReadLists(readings=readings, safety=self.safety, who="test"),
            dry_run=dry_run,
        )

    def claim(self, kinds: Sequence[Kind] = tuple(Kind)) -> Claim | None:
        """Claim the next piece of work."""
        with self.database.write() as connection:
            claims = queue.claim(connection, kinds, worker="test", lease=LEASE)
        return claims[0] if claims else None

    def claims(self, kind: Kind, key: str) -> list[Claim]:
        """Claim one piece of work by its key, and leave the rest of its kind."""
        with self.database.write() as connection:
            found = queue.claim(connection, [kind], worker="test", lease=LEASE, limit=500)
            for claim in found:
                if claim.key != key:
                    queue.release(connection, claim)
        return [claim for claim in found if claim.key == key]

    def do(self, claim: Claim) -> None:
        """Do it."""
        match claim.kind:
            case Kind.COURSE:
                refresh_course(self.refresh_context, claim)
            case Kind.PERSON:
                refresh_person(self.refresh_context, claim)
            case Kind.CALENDAR:
                reconcile(self.reconcile_context, claim)

    def settle(self, kinds: Sequence[Kind] = tuple(Kind)) -> list[KalenderError]:
        """Work until nothing is due; what fails is given back, and returned."""
        errors: list[KalenderError] = []
        for _ in range(500):
            claim = self.claim(kinds)
            if claim is None:
                return errors
            try:
                self.do(claim)
            except KalenderError as error:
                errors.append(error)
                self.give_back(claim, error)
        raise AssertionError("never at rest")

    def give_back(self, claim: Claim, error: KalenderError) -> None:
        """As a worker would, but for a delay that a test can wait out by `later`."""
        with suppress(ClaimLost), self.database.write() as connection:
            queue.retry(connection, claim, after=timedelta(minutes=1), error=str(error))

    def later(self, seconds: float = 120.0) -> None:
        """Let so much time pass in the database, for work and for calendars."""
        columns = {
            "dirty": ("due_at", "not_before", "claimed_until", "first_marked_at"),
            "calendar": ("quiet_until", "look_again_at"),
            "database_identity": ("quiet_until",),
            "due_later": ("due_at",),
            "move": ("look_at", "waits_since", "decided_at", "done_at"),
            "move_announced": ("from_at", "marked_at"),
            "person": ("fs_asked_at", "emptied_at"),
            "takeover": ("begin_at", "look_at", "done_at", "changed_at"),
            "rollout_plan": ("from_at", "look_at", "paced_at"),
        }
        with self.database.write() as connection:
            for table, names in columns.items():
                for name in names:
                    connection.execute(
                        text(_shift(connection.dialect.name, table, name)), {"s": seconds}
                    )

    def shown(self, number: int) -> list[Item]:
        """Return our items in a person's calendar."""
        return self.exchange.own(f"user{number}@uio.example")

    def count(self, operation: str) -> int:
        """How many requests of a kind were made."""
        return sum(each[0] == operation for each in self.exchange.requests)

    def forget_requests(self) -> None:
        """Count anew."""
        self.exchange.requests.clear()
        self.timetables.asked.clear()
        self.students.asked.clear()


def crew_of(house: House, *, poll_every: timedelta | None = None) -> WorkerContext:
    """Return what a worker process of one connection needs."""
    return WorkerContext(
        database=house.database,
        refresh_context=house.refresh_context,
        reconcile_context=house.reconcile_context,
        limiters=gates_for(house.database),
        connections=1,
        lease=LEASE,
        verify_every=timedelta(hours=24),
        poll_every=poll_every,
    )


def _shift(dialect: str, table: str, column: str) -> str:
    if dialect == "postgresql":
        earlier = f"{column} - :s * interval '1 second'"
    else:
        earlier = f"strftime('%Y-%m-%d %H:%M:%f', {column}, printf('-%.3f seconds', :s))"
    return f"UPDATE {table} SET {column} = {earlier} WHERE {column} IS NOT NULL"  # noqa: S608
