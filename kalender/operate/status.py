"""What is so now: the facts that `kalender status`, its verdict, the metrics and probes render.

`queries.read_status` makes one `Status` in one transaction. `verdict.assess` says from it what is
wrong, `metrics` shows it to Prometheus, and `kalender status` shows it to people and as JSON. Of
these only `queries` and `troubles` ask the database.

Instants are aware UTC on the database's clock, except where the domain's clock is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Literal

from sqlalchemy import Connection

from kalender.app import App
from kalender.domain.work import Kind, Lane
from kalender.neighbours.credentials import REFUSALS
from kalender.sources.tp_codes import skips
from kalender.store.minutes import Minute
from kalender.store.moves import MoveCounts
from kalender.store.observations import Acknowledgement, Unseen
from kalender.store.optouts import PersonList
from kalender.store.scope import WaitingSettings
from kalender.store.takeovers import TakeoverCounts
from kalender.store.unreadable import Count

ProcessState = Literal["lives", "stopped", "dead"]


# -- what the settings expect -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What the settings say of how an installation should be."""

    zone: tzinfo
    rollout_mode: str
    lists: Sequence[str]  # of persons, that files tell: `[optout]`, and `languages`
    queues: Sequence[str]  # none where no broker is configured
    lease: timedelta
    max_reading_age: timedelta
    secrets: Mapping[str, date]  # the key in the settings -> the day on which the secret ends
    semesters: Callable[[Connection], frozenset[str]]  # the codes that are maintained now
    skips: Callable[[str], bool]  # whether a course's teaching is none of ours
    clock: Callable[[], datetime]  # the domain's

    @classmethod
    def of(cls, app: App) -> "Expectations":
        """Return what the settings of an installation say."""
        config, rules, semesters = app.config, app.mirror_rules(), app.semesters()
        return cls(
            zone=config.institution.time_zone,
            rollout_mode=config.rollout.mode,
            lists=config.lists,
            queues=config.broker.queues if config.broker else (),
            lease=timedelta(seconds=config.worker.lease_seconds),
            max_reading_age=timedelta(hours=config.safety.max_reading_age_hours),
            secrets={
                f"{name}.{key.removesuffix('_expires')}": day
                for name, section in {"broker": config.broker, **config.neighbours}.items()
                for key in (type(section).model_fields if section is not None else ())
                if key.endswith("_expires") and (day := getattr(section, key)) is not None
            },
            semesters=lambda connection: semesters.at(connection, rules, app.clock()),
            skips=skips(config.tp.skip),
            clock=app.clock,
        )


# -- work ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Unparked work of one kind in one lane; all counts are pieces of work.

    `waiting` counts all of it, claimed or put off as well; `oldest` is when its first was marked.
    `due_since` is None where none of it is due. `ends_at` is when the due work will be done at the
    rate of the last minutes; None where nothing of the kind was finished in them.
    """

    kind: Kind
    lane: Lane
    waiting: int
    claimed: int
    attempts: int  # failed ones of what waits, summed
    oldest: datetime
    due: int
    due_since: datetime | None
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """How much work of one kind was laid aside, and when the first of it was."""

    kind: Kind
    count: int
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonFailure:
    """All that has waited for a minute, `count` pieces of work, failed with one error."""

    count: int
    error: str
    since: datetime  # when the first of it was marked


# -- neighbours, brakes and processes -----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """Whether a neighbour, or bulk work, may be asked, and why not.

    `paused_until` is set after failures until a probe succeeds. `refused` counts how often our
    credentials were refused within half an hour, since they were last accepted. `held_until` and
    what belongs to it are set only while an operator's pause lasts. `since` is about when it became
    as it is; None where nothing ever changed.
    """

    name: str
    failures: int
    paused_until: datetime | None
    last_error: str | None
    refused: int
    held_until: datetime | None
    held_reason: str | None
    held_by: str | None
    since: datetime | None

    @property
    def condition(self) -> Literal["paused", "refuses", "away"] | None:
        """Why nobody asks the neighbour, in one word; None where it may be asked."""
        if self.held_until:
            return "paused"
        if self.refused >= REFUSALS:
            return "refuses"
        return "away" if self.paused_until else None

    @property
    def is_shut(self) -> bool:
        """Whether an operator or its failures keep everybody from asking it."""
        return bool(self.held_until or self.paused_until)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brake:
    """One brake that is set: whether it holds, was released or announces, and what it holds.

    `held` counts entries, of a course its missing events; `people` counts whose they are. `from_at`,
    `until_at` and `up_to` (deletes) are those of an announced night.
    """

    scope: str
    state: str  # holding | released | expected
    reason: str
    set_at: datetime
    from_at: datetime | None
    until_at: datetime | None
    up_to: int | None
    held: int
    people: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A worker or listener that gave a sign of life within the last hour.

    It lives while its last sign is at most a minute old; a dead one ended without saying so.
    """

    worker: str  # the process' own name: its machine and process id
    kind: str  # worker | listener
    version: str
    started_at: datetime
    seen_at: datetime
    stopped_at: datetime | None
    state: ProcessState


@dataclass(frozen=True, slots=True, kw_only=True)
class Dead:
    """Processes of one kind that died within a day, and which no later start replaced."""

    kind: str
    count: int
    since: datetime  # the last sign of life of the first of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Whether a listener lives, and when one gave its last sign of life; None: none ever did."""

    lives: bool
    seen_at: datetime | None


# -- calendars and sources ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarCount:
    """How many calendars of an audience are in a state, and how many of them are known right.

    `audience` is the word for it.
    """

    audience: str
    state: str
    calendars: int
    known_right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarTroubles:
    """How many calendars inside the roll-out are not right, by what keeps them from it.

    `refused_entries` counts coming entries that Exchange never takes; all others count calendars.
    """

    never_written: int  # and nothing waits to write them
    address_closed: int  # outside [institution] mail_domains
    address_clash: int  # their address is another person's
    no_mailbox: int
    mailbox_denied: int
    refused_entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """How many of all calendars inside the roll-out are written; equal where no fill is under way."""

    written: int
    calendars: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PausedPlan:
    """A plan of the roll-out that lets nobody in or out before an operator resumes it."""

    plan_id: int
    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadableEvents:
    """How many events of the maintained semesters TP told unreadably, and of how many courses."""

    events: int
    courses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """When FS and TP were read whole.

    `could_since` is the first process' start where they never were; None where none ever started.
    """

    read_at: datetime | None
    could_since: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OverdueCourses:
    """How many maintained courses TP was not asked for in too long, and when the first last was."""

    count: int
    asked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedCounts:
    """What should be looked at when it grows. The names are those of JSON and of metrics."""

    rejected_last_day: int
    unpublished_courses: int
    unreadable_events: int  # of all semesters
    username_clashes: int
    unmatched_staff: int
    protected: int
    opted_out: int  # persons who opted out, by a command or by lists
    personal_languages: int  # persons whose entries are in a language of their own


# -- all of it ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """All that is so at one moment of the database's clock."""

    moment: datetime
    database_in_doubt: bool  # workers refuse it: it was put back, or it is another
    quiet_for: timedelta  # after a recovery nothing is written for so long yet
    recovered_at: datetime | None
    work: Sequence[Work]  # the stronger lanes first
    parked: Sequence[Parked]
    common_failure: CommonFailure | None
    unfinished_seconds: Mapping[Kind, float]  # since each claim was made or renewed, summed
    neighbours: Sequence[Neighbour]
    brakes: Sequence[Brake]
    lists: Sequence[PersonList]  # of persons, by name
    processes: Sequence[Process]
    dead: Sequence[Dead]
    listening: Listening
    unseen_queues: Sequence[Unseen]
    silence_seconds: Mapping[str, float]  # queue -> since its last message
    calendars: Sequence[CalendarCount]
    troubles: CalendarTroubles
    fill: Fill
    moves: MoveCounts
    takeovers: TakeoverCounts
    paused_plans: Sequence[PausedPlan]  # the first made first
    unreadable: Sequence[Count]
    unreadable_events: UnreadableEvents
    settings_waiting: Sequence[WaitingSettings]
    reading: Reading
    overdue_courses: OverdueCourses
    certificates: Mapping[str, datetime]  # the neighbour that shows one -> when it ends
    acknowledgements: Mapping[str, Acknowledgement]  # by condition
    persons_emptied: int  # persons whom FS emptied, and who wait for a second look
    counts: WatchedCounts

    @property
    def due_work(self) -> Sequence[Work]:
        """The work of which any is due."""
        return [work for work in self.work if work.due]

    @property
    def workers(self) -> Sequence[Process]:
        """The worker processes of the last hour."""
        return [process for process in self.processes if process.kind == "worker"]

    @property
    def living_workers(self) -> Sequence[Process]:
        """The worker processes that live."""
        return [process for process in self.workers if process.state == "lives"]


# -- what only `kalender status` shows ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RightCalendars:
    """An audience's calendars inside the roll-out and outside it, and how many inside are right.

    `audience` is the word for it.
    """

    audience: str
    inside: int
    outside: int
    right: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Seconds from a notification of a source to what it led to, over `writes` writes."""

    source: str
    writes: int
    p50: float
    p95: float
    max: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Writes:
    """How many entries were written by one operation for one cause, in an hour and in a day."""

    operation: str
    cause: str
    hour: int
    day: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Requests to one neighbour, of this hour and the one before.

    `requests` maps an outcome to how many had it. `p50` and `p95` are upper bounds in seconds; None
    where they took longer than any bound that is counted.
    """

    requests: Mapping[str, int]
    p50: float | None = None
    p95: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How well it goes. Dearer to ask than a `Status`, which the metrics read every ten seconds."""

    right: Sequence[RightCalendars]
    requests: Mapping[str, Requests]  # by neighbour
    courses_without_placements: int
    minutes: Sequence[
        Minute
    ]  # of the last day, in their order; those that nobody recorded are not there


@dataclass(frozen=True, slots=True, kw_only=True)
class LastWrites:
    """What the last day wrote, and how soon: every write of the day is read for it.

    On the day of a large fill that takes seconds, so that pages show the minutes instead.
    """

    latencies: Sequence[Latency]
    writes: Sequence[Writes]
