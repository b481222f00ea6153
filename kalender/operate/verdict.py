"""One line that says whether everybody has the right calendar, and whatever keeps somebody from it.

A condition is something that is not as it should be. One that somebody knows of
(`kalender status --acknowledge`) does not make the verdict, until it grows, begins anew, or its
time is over.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any

from sqlalchemy import Connection

from kalender.app import App
from kalender.config import Config
from kalender.config.sections import Section
from kalender.domain.moment import said
from kalender.domain.work import Lane
from kalender.neighbours.breaker import BULK, FOR_EVER
from kalender.neighbours.credentials import REFUSALS
from kalender.operate import look, numbers, troubles
from kalender.sources.tp_codes import skips
from kalender.store import identity, observations, recovery, scope, unreadable
from kalender.store.database import now
from kalender.store.heartbeats import ALIVE
from kalender.store.observations import Acknowledgement

ASKED_BY_SETTINGS = {
    "rewrite": "are to be rewritten",
    "move": "are to be written at another address",
    "leave": "leave the roll-out",
}
STATES = (
    "healthy",
    "warning",
    "filling",
    "behind",
    "incomplete",
    "held",
    "stuck",
)  # worse and worse
LATE = timedelta(minutes=5)
SOON = timedelta(days=30)  # a certificate or secret is about to end
HEALTHY = "healthy"
RESYNC = "kalender resync --all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is not as it should be, or that all is; `count` is how much of it there is."""

    condition: str
    state: str
    since: datetime | None
    because: str
    remedy: str | None = None
    count: int = 1
    exact: bool = False  # since when is known: what began after it was acknowledged is another one

    def said(self, zone: tzinfo) -> str:
        """Return one line, in the institution's time."""
        since = f" since {said(self.since, zone)}" if self.since else ""
        return f"{self.state}{since}: {self.because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A condition that somebody knows of."""

    condition: Condition
    acknowledgement: Acknowledgement

    def said(self, zone: tzinfo) -> str:
        """Return one line, in the institution's time."""
        by = self.acknowledgement
        until = said(by.until_at, zone)
        return f"known until {until}, {by.who}: {by.reason}: {self.condition.because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """All that is wrong and that nobody knows of, the worst first, at the least that nothing is."""

    conditions: Sequence[Condition]
    known: Sequence[Known]

    @property
    def worst(self) -> Condition:
        """What the verdict is."""
        return self.conditions[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What the settings say of how it should be."""

    zone: tzinfo
    rollout_mode: str
    queues: Sequence[str]
    max_reading_age: timedelta
    secrets: Mapping[str, date]  # the key in the settings -> the day it ends
    semesters: Callable[[Connection], frozenset[str]]  # that are maintained now
    skips: Callable[[str], bool]  # whether a course's teaching is none of ours
    clock: Callable[[], datetime]  # the domain's

    @classmethod
    def of(cls, app: App) -> "Expected":
        """Return what the settings of an installation say."""
        config, rules, semesters = app.config, app.mirror_rules(), app.semesters()
        return cls(
            zone=config.institution.time_zone,
            rollout_mode=config.rollout.mode,
            queues=config.broker.queues if config.broker else (),
            max_reading_age=timedelta(hours=config.safety.max_reading_age_hours),
            secrets=dict(_ends_of_secrets(config)),
            semesters=lambda connection: semesters.at(connection, rules, app.clock()),
            skips=skips(config.tp.skip),
            clock=app.clock,
        )


def _ends_of_secrets(config: Config) -> Iterator[tuple[str, date]]:
    """Give the keys of secrets whose end somebody told, with the day."""
    sections: dict[str, Section | None] = {"broker": config.broker, **config.neighbours}
    for name, section in sections.items():
        for key in type(section).model_fields if section is not None else ():
            day = getattr(section, key)
            if key.endswith("_expires") and day is not None:
                yield f"{name}.{key.removesuffix('_expires')}", day


@dataclass(frozen=True, slots=True, kw_only=True)
class _Looked:
    """What the verdict goes by, gathered at one moment."""

    expected: Expected
    moment: datetime  # on the database's clock
    neighbours: Sequence[Mapping[str, Any]]
    brakes: Sequence[Mapping[str, Any]]
    workers: Sequence[Mapping[str, Any]]
    due: Sequence[Mapping[str, Any]]

    @property
    def alive(self) -> Sequence[Mapping[str, Any]]:
        """The workers that live."""
        return [row for row in self.workers if state_of(row, self.moment) == "lives"]


def assess(connection: Connection, expected: Expected) -> HealthState:
    """Return all that is wrong, the worst first, and apart from it what somebody knows of."""
    looked = _Looked(
        expected=expected,
        moment=now(connection),
        neighbours=look.neighbours(connection),
        brakes=look.brakes(connection),
        workers=[row for row in look.heartbeats(connection) if row["kind"] == "worker"],
        due=numbers.due(connection),
    )
    standing = list(_conditions(connection, looked))
    told = observations.acknowledged(connection)
    known = {each.condition: told[each.condition] for each in standing if _knows(told, each)}
    wrong = [each for each in standing if each.condition not in known]
    wrong.sort(key=lambda each: -STATES.index(each.state))
    return HealthState(
        conditions=wrong or [_healthy(looked, known=len(known))],
        known=[
            Known(condition=each, acknowledgement=known[each.condition])
            for each in standing
            if each.condition in known
        ],
    )


def _knows(told: Mapping[str, Acknowledgement], condition: Condition) -> bool:
    """Whether somebody said that they know of all of it; not of what began since."""
    known = told.get(condition.condition)
    if known is None or condition.count > known.count:
        return False
    return not condition.exact or condition.since is None or condition.since <= known.set_at


def _conditions(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    yield from _stuck(connection, looked)
    yield from _held(looked)
    yield from _settings(connection)
    yield from _incomplete(connection, looked)
    yield from _behind(connection, looked)
    yield from _warnings(connection, looked)


# -- nothing gets done --------------------------------------------------------------------------------


def _stuck(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    because = identity.refusal(connection)
    if because is not None:
        yield Condition(
            condition="database-in-doubt",
            state="stuck",
            since=None,
            because="workers refuse this database: it was put back, or it is another",
            remedy=identity.RECOVER,
        )
    if looked.due and not looked.alive:
        last = max((row["seen_at"] for row in looked.workers), default=None)
        oldest = min(row["due_since"] for row in looked.due)
        yield Condition(
            condition="no-worker",
            state="stuck",
            since=max(oldest, last) if last else oldest,
            because="work is due, and no worker lives",
            remedy="start a worker; its log says why the last one ended",
        )
    for row in looked.neighbours:
        because = shut(row, looked.expected.zone)
        if because is not None and row["name"] != BULK:
            yield Condition(
                condition=f"{row['name']}-{how_shut(row)}",
                state="stuck",
                since=row["since"],
                because=f"{row['name']} {because}",
                remedy=f"kalender resume {row['name']}" if row["held_until"] else "kalender check",
            )
    alike = numbers.failing_alike(connection)
    if alike is not None:
        count, error, since = alike
        yield Condition(
            condition="all-fails-alike",
            state="stuck",
            since=since,
            because=f"all that waits fails alike, {count} pieces of work: {error}",
            remedy="kalender check",
        )
    yield from _broker(connection, looked)


def _broker(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    """Say what keeps notifications from being read; where no broker is configured, nothing does."""
    if not looked.expected.queues:
        return
    lives, seen_at = troubles.last_listener(connection)
    if not lives and seen_at is not None and looked.moment - seen_at > ALIVE:
        yield Condition(
            condition="no-listener",
            state="stuck",
            since=seen_at,
            because="no listener lives: notifications wait in their queues",
            remedy="start a listener; its log says why the last one ended",
            exact=True,
        )
    for each in observations.unseen(connection):
        if each.queue == observations.BROKER:
            yield Condition(
                condition="broker-away",
                state="stuck",
                since=each.since,
                because="the broker is away: no notification is read",
                remedy="kalender check; a listener connects again by itself",
                exact=True,
            )
        else:
            yield Condition(
                condition=f"queue-missing:{each.queue}",
                state="stuck",
                since=each.since,
                because=f"queue {each.queue} is missing, or not for us",
                remedy=f"have it made, or mend [broker] queues; then {RESYNC}",
                exact=True,
            )


def how_shut(row: Mapping[str, Any]) -> str | None:
    """Return in a word why nobody asks a neighbour; None where it may be asked."""
    if row["held_until"]:
        return "paused"
    if row["refused"] >= REFUSALS:
        return "refuses"
    return "away" if row["paused_until"] else None


def shut(row: Mapping[str, Any], zone: tzinfo) -> str | None:
    """Say why nobody asks a neighbour; None where it may be asked."""
    if row["held_until"]:
        until = "" if row["held_until"] == FOR_EVER else f" until {said(row['held_until'], zone)}"
        return f"is paused by hand{until}: {row['held_reason']} ({row['held_by']})"
    if row["refused"] >= REFUSALS:
        return "refuses our credentials; asked at most three times in half an hour, changed ones at once"
    if row["paused_until"]:
        return f"is paused: {row['last_error']}"
    return None


# -- held ---------------------------------------------------------------------------------------------


def _held(looked: _Looked) -> Iterator[Condition]:
    holding = [row for row in looked.brakes if row["state"] == "holding"]
    if holding:
        scopes = ", ".join(row["scope"] for row in holding[:3])
        more = f" and {len(holding) - 3} more" if holding[3:] else ""
        yield Condition(
            condition="brake",
            state="held",
            since=min(row["set_at"] for row in holding),
            because=f"a brake holds deletes back: {scopes}{more}",
            remedy="kalender brake show",
            count=len(holding),
            exact=True,
        )
    for row in looked.neighbours:
        if row["name"] == BULK and row["held_until"]:
            yield Condition(
                condition="bulk-paused",
                state="held",
                since=row["since"],
                because=f"bulk work {shut(row, looked.expected.zone)}",
                remedy="kalender resume bulk",
            )


def _settings(connection: Connection) -> Iterator[Condition]:
    """Say what a resync without a terminal left alone because much would change."""
    for waiting in scope.settings_waiting_for(connection):
        leaving = "with --take-back --yes or --leave"
        yield Condition(
            condition=f"settings-{waiting.what}",
            state="held",
            since=waiting.since,
            because=f"changed settings wait for a yes: {waiting.calendars} calendars "
            f"{ASKED_BY_SETTINGS[waiting.what]}",
            remedy=f"{RESYNC} {leaving if waiting.what == 'leave' else '--yes'}",
            count=waiting.calendars,
        )


# -- somebody does not have the right calendar ----------------------------------------------------------


def _incomplete(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    mode = looked.expected.rollout_mode
    semesters = looked.expected.semesters(connection)
    events, courses = troubles.unreadable_events(connection, semesters)
    parked, parked_since = troubles.parked(connection)
    refused = troubles.refused(connection, mode, looked.expected.clock())
    items = [each for each in unreadable.counts(connection) if each.source == unreadable.FS]
    for condition, count, words, remedy in (
        (
            "never-written",
            troubles.never_written(connection, mode),
            "{} inside the roll-out {was} never written, and nothing waits to write {it}",
            f"{RESYNC} --yes",
        ),
        (
            "address-closed",
            troubles.closed(connection, mode),
            "{} {has} an address outside [institution] mail_domains, and {is} never written",
            "mend mail_domains or the address in FS, then " + RESYNC,
        ),
        (
            "address-clash",
            troubles.clashing(connection, mode),
            "{} {waits}, since another person has the same address",
            "kalender why PERSON COURSE; FS' people mend the address",
        ),
        (
            "no-mailbox",
            troubles.without_mailbox(connection, mode),
            "{} {has} no mailbox in Exchange",
            "Exchange's people make it; it is looked for again by itself",
        ),
        ("parked", parked, "{} {is} laid aside", "kalender parked, then kalender retry --all"),
        (
            "refused-entries",
            refused,
            "{} {is} never taken by Exchange",
            "kalender show PERSON says which; the texts of the event in TP are to be mended",
        ),
        (
            "unreadable-events",
            events,
            f"{{}} of {_many(courses, 'course')} could not be read and {{is}} in no calendar",
            "kalender show --course COURSE; TP's people mend them",
        ),
        (
            "unreadable-items",
            sum(each.count for each in items),
            f"{{}} of FS ({', '.join(each.collection for each in items)}) could not be read",
            "kalender check names them; FS' people mend them",
        ),
    ):
        if count:
            thing = {
                "parked": "piece of work",
                "refused-entries": "entry",
                "unreadable-events": "event",
                "unreadable-items": "item",
            }
            counted = _many(count, thing.get(condition, "calendar"))
            yield Condition(
                condition=condition,
                state="incomplete",
                since=parked_since if condition == "parked" else None,
                because=words.format(counted, **(ONE if count == 1 else SEVERAL)),
                remedy=remedy,
                count=count,
            )


ONE = {"was": "was", "has": "has", "is": "is", "it": "it", "waits": "waits"}
SEVERAL = {"was": "were", "has": "have", "is": "are", "it": "them", "waits": "wait"}
PLURALS = {"entry": "entries", "piece of work": "pieces of work"}


def _many(count: int, thing: str) -> str:
    return f"{count} {thing if count == 1 else PLURALS.get(thing, f'{thing}s')}"


# -- it takes long --------------------------------------------------------------------------------------


def _behind(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    quiet = identity.quiet_for(connection)
    if quiet:
        until = said(looked.moment + quiet, looked.expected.zone)
        yield Condition(
            condition="recovering",
            state="behind",
            since=recovery.since(connection),
            because=f"after a recovery nothing is written before {until}, since requests from "
            "before it may still arrive; then every calendar is looked up",
        )
    written, all_ = troubles.being_filled(connection, looked.expected.rollout_mode)
    bulk = [row for row in looked.due if row["lane"] >= Lane.FILL]
    ends = _end(bulk, looked.expected.zone)
    filling = written < all_ and ends is not None
    if filling:
        yield Condition(
            condition="filling",
            state="filling",
            since=min((row["due_since"] for row in bulk), default=None),
            because=f"filling, {written} of {all_} calendars are written, {ends}",
        )
    for name, rows in (
        ("live", [row for row in looked.due if row["lane"] < Lane.FILL]),
        ("bulk", [] if filling else bulk),
    ):
        since = min((row["due_since"] for row in rows), default=looked.moment)
        if looked.moment - since > LATE:
            count = sum(row["due"] for row in rows)
            end = _end(rows, looked.expected.zone)
            yield Condition(
                condition=f"late-{name}",
                state="behind",
                since=since,
                because=f"{count} pieces of {name} work are due, "
                + (end or "with no end in sight: nothing of that kind was finished lately"),
                remedy=None if end else "kalender parked; more workers, if it lasts",
            )
    yield from _readings(connection, looked)


def _end(rows: Sequence[Mapping[str, Any]], zone: tzinfo) -> str | None:
    """Say when work will be done; None: no end is in sight."""
    ends = [row["ends_at"] for row in rows]
    if None in ends:
        return None
    return f"done about {said(max(ends), zone)}" if ends else "none of it is due now"


def _readings(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    """Say whether all of FS and TP was read as lately as it should have been.

    Where nothing was ever read, time counts from the first process that we know of.
    """
    most, zone = looked.expected.max_reading_age, looked.expected.zone
    hours = f"{most.total_seconds() / 3600:g} hours"
    read_at, could_since = troubles.last_reading(connection)
    since = read_at or could_since
    if since is not None and looked.moment - since > most:
        last = f"last at {said(read_at, zone)}" if read_at else "never yet"
        yield Condition(
            condition="reading-overdue",
            state="behind",
            since=since + most,
            because=f"FS and TP should be read whole every {hours}, and were {last}",
            remedy=f"{RESYNC}, and look at its timer",
        )
        return
    count, asked_at = troubles.courses_not_read(
        connection,
        looked.expected.semesters(connection),
        looked.expected.skips,
        most.total_seconds(),
    )
    if count and asked_at is not None and read_at is not None:
        yield Condition(
            condition="courses-overdue",
            state="behind",
            since=asked_at + most,
            because=f"TP was not asked for {_many(count, 'course')} within {hours}",
            remedy="kalender status, kalender parked: what waits, and why",
            count=count,
        )


# -- what will go wrong -----------------------------------------------------------------------------------


def _warnings(connection: Connection, looked: _Looked) -> Iterator[Condition]:
    for each in troubles.dead(connection):
        yield Condition(
            condition=f"{each.kind}-died",
            state="warning",
            since=each.since,
            because=f"{_many(each.count, f'{each.kind} process').replace('processs', 'processes')}"
            " ended without saying so, and nothing replaced "
            + ("it" if each.count == 1 else "them"),
            remedy="its log says why; start it anew",
            count=each.count,
            exact=True,
        )
    ends = {f"certificate {name}": at for name, at in observations.certificates(connection).items()}
    for name, day in looked.expected.secrets.items():
        ends[f"secret {name}"] = datetime.combine(
            day, time(), tzinfo=looked.expected.zone
        ).astimezone(UTC)
    for name, at in sorted(ends.items()):
        left = at - looked.moment
        if left < SOON:
            ended = "ended" if left < timedelta() else "ends"
            yield Condition(
                condition=name.replace(" ", "-ends:", 1),
                state="warning",
                since=at - SOON,
                because=f"{name} {ended} at {said(at, looked.expected.zone)}",
                remedy="have it renewed"
                + (f", and mend {name.split()[1]}_expires" if name.startswith("secret") else ""),
            )


# -- all is well ------------------------------------------------------------------------------------------


def _healthy(looked: _Looked, *, known: int) -> Condition:
    """Since the last that changed: a worker's start, a neighbour's return, a brake's release."""
    alive = looked.alive
    times = [row["set_at"] for row in looked.brakes]
    times += [row["since"] for row in looked.neighbours if row["since"]]
    times += [min(row["started_at"] for row in alive)] if alive else []
    times += [] if alive else [row["seen_at"] for row in looked.workers]
    because = "nothing waits too long" if alive else "nothing is due; no worker lives"
    if known:
        because += f"; {_many(known, 'condition')} that somebody knows of"
    since = max(times, default=None)
    return Condition(condition=HEALTHY, state=HEALTHY, since=since, because=because, count=0)


def state_of(process: Mapping[str, Any], moment: datetime) -> str:
    """Return whether a process lives, was stopped, or is dead: it ended without saying so."""
    if process["stopped_at"] is not None:
        return "stopped"
    return "lives" if process["seen_at"] > moment - ALIVE else "dead"
