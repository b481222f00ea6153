"""One line that says whether everybody has the right calendar, and whatever keeps somebody from it.

`assess` reads a `Status` and asks nobody. A condition is something that is not as it should be. One
that somebody acknowledged (`kalender status --acknowledge`) does not make the verdict, until it
grows, begins anew, or its time is over.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from kalender.domain.moment import said
from kalender.domain.work import Lane
from kalender.neighbours.breaker import BULK, FOR_EVER, MOVES
from kalender.operate.status import Expectations, Neighbour, Status, Work
from kalender.store import identity, observations, unreadable
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
)  # from good to bad
BY_HAND = {  # what is paused under a name that is no neighbour's: its words, and the remedy
    BULK: ("bulk work", "kalender resume bulk"),
    MOVES: ("following moved mailboxes", "kalender move status, then kalender move resume"),
}
LATE = timedelta(minutes=5)
SOON = timedelta(days=30)  # a certificate or secret is about to end
HEALTHY = "healthy"
RESYNC = "kalender resync --all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is not as it should be, or that all is as it should be.

    `condition` is its name, as `--acknowledge` and the metrics take it. `because` and `remedy` are
    words for people. `count` is how much of it there is. `exact`: since when is known and not only
    estimated, so that what began after an acknowledgement is another condition.
    """

    condition: str
    state: str  # one of STATES
    since: datetime | None
    because: str
    remedy: str | None = None
    count: int = 1
    exact: bool = False

    def said(self, zone: tzinfo) -> str:
        """Return the condition as one line, with its time in a zone."""
        since = f" since {said(self.since, zone)}" if self.since else ""
        return f"{self.state}{since}: {self.because}"

    def is_covered_by(self, acknowledgement: Acknowledgement | None) -> bool:
        """Whether an acknowledgement is of all of this; not where it grew or began anew since."""
        if acknowledgement is None or self.count > acknowledgement.count:
            return False
        return not self.exact or self.since is None or self.since <= acknowledgement.set_at


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgedCondition:
    """A condition that stands, with the acknowledgement that keeps it out of the verdict."""

    condition: Condition
    acknowledgement: Acknowledgement

    def said(self, zone: tzinfo) -> str:
        """Return both as one line, with the time in a zone."""
        by = self.acknowledgement
        until = said(by.until_at, zone)
        return f"known until {until}, {by.who}: {by.reason}: {self.condition.because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """The verdict: `conditions` are never empty, the worst first; `acknowledged` are apart.

    Where nothing is wrong, or all of it is acknowledged, the one condition is that all is healthy.
    """

    conditions: Sequence[Condition]
    acknowledged: Sequence[AcknowledgedCondition]

    @property
    def worst(self) -> Condition:
        """The condition that makes the verdict."""
        return self.conditions[0]


def assess(status: Status, expectations: Expectations) -> HealthState:
    """Return all that is wrong, the worst first, and apart from it what somebody acknowledged."""
    standing = [
        *_stuck(status, expectations),
        *_held(status, expectations),
        *_incomplete(status, expectations),
        *_behind(status, expectations),
        *_warnings(status, expectations),
    ]
    acknowledged = {
        condition.condition: status.acknowledgements[condition.condition]
        for condition in standing
        if condition.is_covered_by(status.acknowledgements.get(condition.condition))
    }
    wrong = [condition for condition in standing if condition.condition not in acknowledged]
    wrong.sort(key=lambda condition: -STATES.index(condition.state))
    return HealthState(
        conditions=wrong or [_healthy(status, acknowledged=len(acknowledged))],
        acknowledged=[
            AcknowledgedCondition(
                condition=condition, acknowledgement=acknowledged[condition.condition]
            )
            for condition in standing
            if condition.condition in acknowledged
        ],
    )


# -- nothing gets done --------------------------------------------------------------------------------


def _stuck(status: Status, expectations: Expectations) -> Iterator[Condition]:
    if status.database_in_doubt:
        yield Condition(
            condition="database-in-doubt",
            state="stuck",
            since=None,
            because="workers refuse this database: it was put back, or it is another",
            remedy=identity.RECOVER,
        )
    due_since = _first_due(status.due_work)
    if due_since is not None and not status.living_workers:
        last_sign = max((worker.seen_at for worker in status.workers), default=due_since)
        yield Condition(
            condition="no-worker",
            state="stuck",
            since=max(due_since, last_sign),
            because="work is due, and no worker lives",
            remedy="start a worker; its log says why the last one ended",
        )
    for neighbour in status.neighbours:
        because = shut(neighbour, expectations.zone)
        if because is not None and neighbour.name not in BY_HAND:
            resume = f"kalender resume {neighbour.name}"
            yield Condition(
                condition=f"{neighbour.name}-{neighbour.condition}",
                state="stuck",
                since=neighbour.since,
                because=f"{neighbour.name} {because}",
                remedy=resume if neighbour.held_until else "kalender check",
            )
    failure = status.common_failure
    if failure is not None:
        yield Condition(
            condition="all-fails-alike",
            state="stuck",
            since=failure.since,
            because=f"all that waits fails alike, {failure.count} pieces of work: {failure.error}",
            remedy="kalender check",
        )
    if expectations.queues:
        yield from _broker(status)


def _broker(status: Status) -> Iterator[Condition]:
    """Say what keeps notifications from being read."""
    seen_at = status.listening.seen_at
    is_dead = seen_at is not None and status.moment - seen_at > ALIVE
    if is_dead and not status.listening.lives:
        yield Condition(
            condition="no-listener",
            state="stuck",
            since=seen_at,
            because="no listener lives: notifications wait in their queues",
            remedy="start a listener; its log says why the last one ended",
            exact=True,
        )
    for unseen in status.unseen_queues:
        if unseen.queue == observations.BROKER:
            yield Condition(
                condition="broker-away",
                state="stuck",
                since=unseen.since,
                because="the broker is away: no notification is read",
                remedy="kalender check; a listener connects again by itself",
                exact=True,
            )
        else:
            yield Condition(
                condition=f"queue-missing:{unseen.queue}",
                state="stuck",
                since=unseen.since,
                because=f"queue {unseen.queue} is missing, or not for us",
                remedy=f"have it made, or mend [broker] queues; then {RESYNC}",
                exact=True,
            )


def shut(neighbour: Neighbour, zone: tzinfo) -> str | None:
    """Say in words why nobody asks a neighbour; None where it may be asked."""
    match neighbour.condition:
        case "paused":
            until = ""
            if neighbour.held_until is not None and neighbour.held_until != FOR_EVER:
                until = f" until {said(neighbour.held_until, zone)}"
            return f"is paused by hand{until}: {neighbour.held_reason} ({neighbour.held_by})"
        case "refuses":
            return (
                "refuses our credentials; asked at most three times in half an hour, "
                "changed ones at once"
            )
        case "away":
            return f"is paused: {neighbour.last_error}"
        case None:
            return None


# -- held ---------------------------------------------------------------------------------------------


def _held(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say what waits for an operator: brakes, what is paused, moves, and changed settings."""
    holding = [brake for brake in status.brakes if brake.state == "holding"]
    if holding:
        scopes = ", ".join(brake.scope for brake in holding[:3])
        remainder = f" and {len(holding) - 3} more" if holding[3:] else ""
        yield Condition(
            condition="brake",
            state="held",
            since=min(brake.set_at for brake in holding),
            because=f"a brake holds deletes back: {scopes}{remainder}",
            remedy="kalender brake show",
            count=len(holding),
            exact=True,
        )
    for neighbour in status.neighbours:
        if neighbour.name in BY_HAND and neighbour.held_until:
            work, remedy = BY_HAND[neighbour.name]
            yield Condition(
                condition=f"{neighbour.name}-paused",
                state="held",
                since=neighbour.since,
                because=f"{work} {shut(neighbour, expectations.zone)}",
                remedy=remedy,
            )
    if status.moves.unanswered:
        calendars = _many(status.moves.unanswered, "moved calendar")
        verb = "shows" if status.moves.unanswered == 1 else "show"
        yield Condition(
            condition="moves-wait",
            state="held",
            since=status.moves.since,
            because=f"{calendars} {verb} fewer than half of the entries that are to come: nothing "
            "is concluded, and an operator decides",
            remedy="kalender move status says which; kalender move accept or wait PERSON",
            count=status.moves.unanswered,
        )
    stopped = status.takeovers.calendars.get("stopped", 0)
    if stopped:
        yield Condition(
            condition="takeover-stopped",
            state="held",
            since=status.takeovers.stopped_since,
            because=f"{_many(stopped, 'calendar')} of a predecessor {'is' if stopped == 1 else 'are'} "
            "not written to: its takeover stopped, and an operator decides",
            remedy="kalender takeover status says which and why",
            count=stopped,
        )
    if status.paused_plans:
        plan, *others = status.paused_plans
        remainder = f", and {_many(len(others), 'other plan')}" if others else ""
        yield Condition(
            condition="rollout-paused",
            state="held",
            since=min(each.since for each in status.paused_plans),
            because=f"plan {plan.plan_id} of the roll-out is paused: {plan.reason}{remainder}",
            remedy=f"kalender rollout status, then kalender rollout resume {plan.plan_id}",
            count=1 + len(others),
            exact=True,
        )
    for change in status.settings_waiting:  # a resync without a terminal left them alone
        leaving = "with --take-back --yes or --leave"
        yield Condition(
            condition=f"settings-{change.what}",
            state="held",
            since=change.since,
            because=f"changed settings wait for a yes: {change.calendars} calendars "
            f"{ASKED_BY_SETTINGS[change.what]}",
            remedy=f"{RESYNC} {leaving if change.what == 'leave' else '--yes'}",
            count=change.calendars,
        )


# -- somebody does not have the right calendar ----------------------------------------------------------


def _incomplete(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say who does not have the right calendar, and that nothing under way would mend it.

    `{}` in the words stands for the count with its noun, and a verb in braces for its form.
    """
    troubles, events = status.troubles, status.unreadable_events
    counts = [count for count in status.unreadable if count.source == unreadable.FS]
    names = [count.collection for count in counts]
    yield from _unread_lists(status, expectations)
    for condition, count, noun, words, remedy in (
        (
            "never-written",
            troubles.never_written,
            "calendar",
            "{} inside the roll-out {was} never written, and nothing waits to write {it}",
            f"{RESYNC} --yes",
        ),
        (
            "address-closed",
            troubles.address_closed,
            "calendar",
            "{} {has} an address outside [institution] mail_domains, and {is} never written",
            "mend mail_domains or the address in FS, then " + RESYNC,
        ),
        (
            "address-clash",
            troubles.address_clash,
            "calendar",
            "{} {waits}, since another person has the same address",
            "kalender why PERSON COURSE; FS' people mend the address",
        ),
        (
            "no-mailbox",
            troubles.no_mailbox,
            "calendar",
            "{} {has} no mailbox in Exchange",
            "Exchange's people make it; it is looked for again by itself",
        ),
        (
            "mailbox-denied",
            troubles.mailbox_denied,
            "calendar",
            "{} {has} a mailbox that our application's scope does not cover (yet)",
            "Exchange's people widen the scope, which takes hours to hold; asked again by itself",
        ),
        (
            "parked",
            sum(parked.count for parked in status.parked),
            "piece of work",
            "{} {is} laid aside",
            "kalender parked, then kalender retry --all",
        ),
        (
            "refused-entries",
            troubles.refused_entries,
            "entry",
            "{} {is} never taken by Exchange",
            "kalender show PERSON says which; the texts of the event in TP are to be mended",
        ),
        (
            "unreadable-events",
            events.events,
            "event",
            f"{{}} of {_many(events.courses, 'course')} could not be read and {{is}} in no calendar",
            "kalender show --course COURSE; TP's people mend them",
        ),
        (
            "unreadable-items",
            sum(count.count for count in counts),
            "item",
            f"{{}} of FS ({', '.join(names)}) could not be read",
            "kalender check names them; FS' people mend them",
        ),
    ):
        if count:
            parked_since = min((parked.since for parked in status.parked), default=None)
            yield Condition(
                condition=condition,
                state="incomplete",
                since=parked_since if condition == "parked" else None,
                because=words.format(_many(count, noun), **(ONE if count == 1 else SEVERAL)),
                remedy=remedy,
                count=count,
            )


def _unread_lists(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say which lists of persons tell nothing: whoever joined or left one since is not heard."""
    problems = {each.name: each for each in status.lists if each.problem is not None}
    never_read = set(expectations.lists) - {each.name for each in status.lists}
    for name in sorted(problems.keys() | never_read):
        unread = problems.get(name)
        because = f"could not be read: {unread.problem}" if unread else "was never read"
        yield Condition(
            condition=f"list-unread:{name}",
            state="incomplete",
            since=unread.problem_since if unread else None,
            because=f"list {name} {because}",
            remedy="mend its file or its settings, then kalender optout sync",
            exact=True,
        )


ONE = {"was": "was", "has": "has", "is": "is", "it": "it", "waits": "waits"}
SEVERAL = {"was": "were", "has": "have", "is": "are", "it": "them", "waits": "wait"}
PLURALS = {"entry": "entries", "piece of work": "pieces of work"}


def _many(count: int, noun: str) -> str:
    """Return a count with its noun, in the plural unless it is one."""
    return f"{count} {noun if count == 1 else PLURALS.get(noun, f'{noun}s')}"


# -- it takes long --------------------------------------------------------------------------------------


def _behind(status: Status, expectations: Expectations) -> Iterator[Condition]:
    if status.quiet_for:
        until = said(status.moment + status.quiet_for, expectations.zone)
        yield Condition(
            condition="recovering",
            state="behind",
            since=status.recovered_at,
            because=f"after a recovery nothing is written before {until}, since requests from "
            "before it may still arrive; then every calendar is looked up",
        )
    live = [work for work in status.due_work if work.lane < Lane.FILL]
    bulk = [work for work in status.due_work if work.lane >= Lane.FILL]
    fill, fill_ends = status.fill, _end(bulk, expectations.zone)
    is_filling = fill.written < fill.calendars and fill_ends is not None
    if is_filling:
        yield Condition(
            condition="filling",
            state="filling",
            since=_first_due(bulk),
            because=f"filling, {fill.written} of {fill.calendars} calendars are written, "
            f"{fill_ends}",
        )
    for name, lanes in (("live", live), ("bulk", [] if is_filling else bulk)):
        since = _first_due(lanes)
        if since is not None and status.moment - since > LATE:
            count = sum(work.due for work in lanes)
            end = _end(lanes, expectations.zone)
            yield Condition(
                condition=f"late-{name}",
                state="behind",
                since=since,
                because=f"{count} pieces of {name} work are due, "
                + (end or "with no end in sight: nothing of that kind was finished lately"),
                remedy=None if end else "kalender parked; more workers, if it lasts",
            )
    yield from _readings(status, expectations)


def _first_due(lanes: Sequence[Work]) -> datetime | None:
    """Return since when any work of these lanes has been due; None where none is."""
    return min((work.due_since for work in lanes if work.due_since is not None), default=None)


def _end(lanes: Sequence[Work], zone: tzinfo) -> str | None:
    """Say when the due work of these lanes will be done; None where no end is in sight."""
    ends = [work.ends_at for work in lanes if work.ends_at is not None]
    if len(ends) < len(lanes):
        return None
    return f"done about {said(max(ends), zone)}" if ends else "none of it is due now"


def _readings(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say whether all of FS and TP was read as lately as it should have been.

    Where nothing was ever read, time counts from the first process that we know of.
    """
    max_age, read_at = expectations.max_reading_age, status.reading.read_at
    hours = f"{max_age.total_seconds() / 3600:g} hours"
    since = read_at or status.reading.could_since
    courses = status.overdue_courses
    if since is not None and status.moment - since > max_age:
        reading = f"last at {said(read_at, expectations.zone)}" if read_at else "never yet"
        yield Condition(
            condition="reading-overdue",
            state="behind",
            since=since + max_age,
            because=f"FS and TP should be read whole every {hours}, and were {reading}",
            remedy=f"{RESYNC}, and look at its timer",
        )
    elif courses.asked_at is not None and read_at is not None:
        yield Condition(
            condition="courses-overdue",
            state="behind",
            since=courses.asked_at + max_age,
            because=f"TP was not asked for {_many(courses.count, 'course')} within {hours}",
            remedy="kalender status, kalender parked: what waits, and why",
            count=courses.count,
        )


# -- what will go wrong -----------------------------------------------------------------------------------


def _warnings(status: Status, expectations: Expectations) -> Iterator[Condition]:
    for dead in status.dead:
        noun = f"{dead.kind} process" if dead.count == 1 else f"{dead.kind} processes"
        yield Condition(
            condition=f"{dead.kind}-died",
            state="warning",
            since=dead.since,
            because=f"{dead.count} {noun} ended without saying so, and nothing replaced "
            + ("it" if dead.count == 1 else "them"),
            remedy="its log says why; start it anew",
            count=dead.count,
            exact=True,
        )
    ends = {f"certificate {name}": ends_at for name, ends_at in status.certificates.items()}
    for key, day in expectations.secrets.items():
        ends[f"secret {key}"] = datetime.combine(day, time(), tzinfo=expectations.zone).astimezone(
            UTC
        )
    for name, ends_at in sorted(ends.items()):
        duration = ends_at - status.moment
        if duration < SOON:
            verb = "ended" if duration < timedelta() else "ends"
            yield Condition(
                condition=name.replace(" ", "-ends:", 1),
                state="warning",
                since=ends_at - SOON,
                because=f"{name} {verb} at {said(ends_at, expectations.zone)}",
                remedy="have it renewed"
                + (f", and mend {name.split()[1]}_expires" if name.startswith("secret") else ""),
            )


# -- all is well ------------------------------------------------------------------------------------------


def _healthy(status: Status, *, acknowledged: int) -> Condition:
    """Return that nothing is wrong, since the last that changed.

    That is the first living worker's start or the last dead one's sign of life, a neighbour's
    return, or a brake's release.
    """
    workers = status.living_workers
    times = [brake.set_at for brake in status.brakes]
    times += [neighbour.since for neighbour in status.neighbours if neighbour.since]
    if workers:
        times.append(min(worker.started_at for worker in workers))
    else:
        times += [worker.seen_at for worker in status.workers]
    because = "nothing waits too long" if workers else "nothing is due; no worker lives"
    if acknowledged:
        because += f"; {_many(acknowledged, 'condition')} that somebody knows of"
    since = max(times, default=None)
    return Condition(condition=HEALTHY, state=HEALTHY, since=since, because=because, count=0)
