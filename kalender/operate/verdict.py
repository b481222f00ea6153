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
from kalender.operate.sentence import Recorded, Sentence, sentence
from kalender.operate.status import Expectations, Neighbour, Status, Work
from kalender.store import observations, unreadable
from kalender.store.heartbeats import ALIVE
from kalender.store.observations import Acknowledgement

STATES = (
    "healthy",
    "warning",
    "filling",
    "behind",
    "incomplete",
    "held",
    "stuck",
)  # from good to bad
BY_HAND = (BULK, MOVES)
"""Work that operators pause like a neighbour; once paused it has a row in `status.neighbours`."""
LATE = timedelta(minutes=5)
SOON = timedelta(days=30)  # a certificate or secret is about to end
HEALTHY = "healthy"


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Something that is not as it should be, or that all is as it should be.

    `condition` is its name, as `--acknowledge` and the metrics take it. `because` and `remedy` are
    for people, in any language. `count` is how much of it there is. `exact`: since when is known
    and not only estimated, so that what began after an acknowledgement is another condition.
    """

    condition: str
    state: str  # one of STATES
    since: datetime | None
    because: Sentence
    remedy: Sentence | None = None
    count: int = 1
    exact: bool = False

    def said(self, zone: tzinfo) -> str:
        """Return the condition as one line of English, with its time in a zone."""
        since = f" since {said(self.since, zone)}" if self.since else ""
        return f"{self.state}{since}: {self.because.said('en')}"

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
        """Return both as one line of English, with the time in a zone."""
        by = self.acknowledgement
        until, because = said(by.until_at, zone), self.condition.because.said("en")
        return f"known until {until}, {by.who}: {by.reason}: {because}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The verdict: `conditions` are never empty, the worst first; `acknowledged` are apart.

    Where nothing is wrong, or all of it is acknowledged, the one condition is that all is healthy.
    """

    conditions: Sequence[Condition]
    acknowledged: Sequence[AcknowledgedCondition]

    @property
    def worst(self) -> Condition:
        """The condition that makes the verdict."""
        return self.conditions[0]


def assess(status: Status, expectations: Expectations) -> Verdict:
    """Return all that is wrong, the worst first, and apart from it what somebody acknowledged."""
    conditions_in_force = [
        *_stuck(status, expectations),
        *_held(status, expectations),
        *_incomplete(status, expectations),
        *_behind(status, expectations),
        *_warnings(status, expectations),
    ]
    acknowledged = {
        condition.condition: status.acknowledgements[condition.condition]
        for condition in conditions_in_force
        if condition.is_covered_by(status.acknowledgements.get(condition.condition))
    }
    wrong = [
        condition for condition in conditions_in_force if condition.condition not in acknowledged
    ]
    wrong.sort(key=lambda condition: -STATES.index(condition.state))
    return Verdict(
        conditions=wrong or [_healthy(status, acknowledged=len(acknowledged))],
        acknowledged=[
            AcknowledgedCondition(
                condition=condition, acknowledgement=acknowledged[condition.condition]
            )
            for condition in conditions_in_force
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
            because=sentence("database-in-doubt"),
            remedy=sentence("database-in-doubt.remedy"),
        )
    due_since = _first_due(status.due_work)
    if due_since is not None and not status.living_workers:
        last_sign = max((worker.seen_at for worker in status.workers), default=due_since)
        yield Condition(
            condition="no-worker",
            state="stuck",
            since=max(due_since, last_sign),
            because=sentence("no-worker"),
            remedy=sentence("no-worker.remedy"),
        )
    for neighbour in status.neighbours:
        because = _why_shut(neighbour, neighbour.name, expectations.zone)
        if because is not None and neighbour.name not in BY_HAND:
            resume = sentence("command", command=f"kalender resume {neighbour.name}")
            yield Condition(
                condition=f"{neighbour.name}-{neighbour.condition}",
                state="stuck",
                since=neighbour.since,
                because=because,
                remedy=resume if neighbour.held_until else sentence("check"),
            )
    failure = status.common_failure
    if failure is not None:
        yield Condition(
            condition="all-fails-alike",
            state="stuck",
            since=failure.since,
            because=sentence("all-fails-alike", count=failure.count, error=Recorded(failure.error)),
            remedy=sentence("check"),
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
            because=sentence("no-listener"),
            remedy=sentence("no-listener.remedy"),
            exact=True,
        )
    for unseen in status.unseen_queues:
        if unseen.queue == observations.BROKER:
            yield Condition(
                condition="broker-away",
                state="stuck",
                since=unseen.since,
                because=sentence("broker-away"),
                remedy=sentence("broker-away.remedy"),
                exact=True,
            )
        else:
            yield Condition(
                condition=f"queue-missing:{unseen.queue}",
                state="stuck",
                since=unseen.since,
                because=sentence("queue-missing", queue=unseen.queue),
                remedy=sentence("queue-missing.remedy"),
                exact=True,
            )


def _why_shut(neighbour: Neighbour, name: str | Sentence, zone: tzinfo) -> Sentence | None:
    """Say why nobody asks a neighbour, which is called by a name; None where it may be asked."""
    match neighbour.condition:
        case "paused":
            hold = {"reason": neighbour.held_reason or "", "who": neighbour.held_by or ""}
            if neighbour.held_until is None or neighbour.held_until == FOR_EVER:
                return sentence("paused", name=name, **hold)
            return sentence(
                "paused.until", name=name, until=said(neighbour.held_until, zone), **hold
            )
        case "refuses":
            return sentence("refuses", name=name)
        case "away":
            return sentence("away", name=name, error=Recorded(neighbour.last_error))
        case None:
            return None


# -- held ---------------------------------------------------------------------------------------------


def _held(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say what waits for an operator.

    That is brakes, paused bulk work and moves, moves and takeovers that wait for a decision, paused
    plans of the roll-out, and changed settings.
    """
    holding = [brake for brake in status.brakes if brake.state == "holding"]
    if holding:
        scopes, more = ", ".join(brake.scope for brake in holding[:3]), len(holding) - 3
        yield Condition(
            condition="brake",
            state="held",
            since=min(brake.set_at for brake in holding),
            because=sentence("brake.more", scopes=scopes, more=more)
            if more > 0
            else sentence("brake", scopes=scopes),
            remedy=sentence("brake.remedy"),
            count=len(holding),
            exact=True,
        )
    for neighbour in status.neighbours:
        name = sentence(f"paused.{neighbour.name}")
        because = _why_shut(neighbour, name, expectations.zone)
        if neighbour.name in BY_HAND and neighbour.held_until and because is not None:
            yield Condition(
                condition=f"{neighbour.name}-paused",
                state="held",
                since=neighbour.since,
                because=because,
                remedy=sentence(f"paused.{neighbour.name}.remedy"),
            )
    if status.moves.unanswered:
        yield Condition(
            condition="moves-wait",
            state="held",
            since=status.moves.since,
            because=sentence("moves-wait", count=status.moves.unanswered),
            remedy=sentence("moves-wait.remedy"),
            count=status.moves.unanswered,
        )
    stopped = status.takeovers.calendars.get("stopped", 0)
    if stopped:
        yield Condition(
            condition="takeover-stopped",
            state="held",
            since=status.takeovers.stopped_since,
            because=sentence("takeover-stopped", count=stopped),
            remedy=sentence("takeover-stopped.remedy"),
            count=stopped,
        )
    if status.paused_plans:
        plan, *others = status.paused_plans
        number, reason = plan.plan_id, Recorded(plan.reason)
        yield Condition(
            condition="rollout-paused",
            state="held",
            since=min(each.since for each in status.paused_plans),
            because=sentence("rollout-paused.more", count=len(others), plan=number, reason=reason)
            if others
            else sentence("rollout-paused", plan=number, reason=reason),
            remedy=sentence("rollout-paused.remedy", plan=number),
            count=1 + len(others),
            exact=True,
        )
    for change in status.settings_waiting:  # a resync without a terminal left them alone
        yield Condition(
            condition=f"settings-{change.what}",
            state="held",
            since=change.since,
            because=sentence(f"settings-{change.what}", count=change.calendars),
            remedy=sentence(f"settings-{change.what}.remedy"),
            count=change.calendars,
        )


# -- somebody does not have the right calendar ----------------------------------------------------------


def _incomplete(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say who does not have the right calendar, and that nothing under way would mend it."""
    troubles, events = status.troubles, status.unreadable_events
    items = [count for count in status.unreadable if count.source == unreadable.FS]
    yield from _unread_lists(status, expectations)
    for condition, count, values in (
        ("never-written", troubles.never_written, {}),
        ("address-closed", troubles.address_closed, {}),
        ("address-clash", troubles.address_clash, {}),
        ("no-mailbox", troubles.no_mailbox, {}),
        ("mailbox-denied", troubles.mailbox_denied, {}),
        ("parked", sum(parked.count for parked in status.parked), {}),
        ("refused-entries", troubles.refused_entries, {}),
        (
            "unreadable-events",
            events.events,
            {"courses": sentence("courses", count=events.courses)},
        ),
        (
            "unreadable-items",
            sum(count.count for count in items),
            {"names": ", ".join(count.collection for count in items)},
        ),
    ):
        if count:
            parked_since = min((parked.since for parked in status.parked), default=None)
            yield Condition(
                condition=condition,
                state="incomplete",
                since=parked_since if condition == "parked" else None,
                because=sentence(condition, count=count, **values),
                remedy=sentence(f"{condition}.remedy"),
                count=count,
            )


def _unread_lists(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say which lists of persons tell nothing: whoever joined or left one since is not heard."""
    problems = {each.name: each for each in status.lists if each.problem is not None}
    never_read = set(expectations.lists) - {each.name for each in status.lists}
    for name in sorted(problems.keys() | never_read):
        unread = problems.get(name)
        yield Condition(
            condition=f"list-unread:{name}",
            state="incomplete",
            since=unread.problem_since if unread else None,
            because=sentence("list-unread", name=name, problem=Recorded(unread.problem))
            if unread
            else sentence("list-unread.never", name=name),
            remedy=sentence("list-unread.remedy"),
            exact=True,
        )


# -- it takes long --------------------------------------------------------------------------------------


def _behind(status: Status, expectations: Expectations) -> Iterator[Condition]:
    if status.quiet_for:
        until = said(status.moment + status.quiet_for, expectations.zone)
        yield Condition(
            condition="recovering",
            state="behind",
            since=status.recovered_at,
            because=sentence("recovering", until=until),
        )
    live = [work for work in status.due_work if work.lane < Lane.FILL]
    bulk = [work for work in status.due_work if work.lane >= Lane.FILL]
    fill = status.fill
    fill_ends = _end(bulk, expectations.zone) if fill.written < fill.calendars else None
    if fill_ends is not None:
        yield Condition(
            condition="filling",
            state="filling",
            since=_first_due(bulk),
            because=sentence(
                "filling", written=fill.written, calendars=fill.calendars, end=fill_ends
            ),
        )
    for name, lanes in (("live", live), ("bulk", bulk if fill_ends is None else [])):
        since = _first_due(lanes)
        if since is not None and status.moment - since > LATE:
            count = sum(work.due for work in lanes)
            end = _end(lanes, expectations.zone)
            yield Condition(
                condition=f"late-{name}",
                state="behind",
                since=since,
                because=sentence(f"late-{name}", count=count, end=end or sentence("end.unseen")),
                remedy=None if end else sentence("late.remedy"),
            )
    yield from _readings(status, expectations)


def _first_due(lanes: Sequence[Work]) -> datetime | None:
    """Return since when any work of these lanes has been due; None where none is."""
    return min((work.due_since for work in lanes if work.due_since is not None), default=None)


def _end(lanes: Sequence[Work], zone: tzinfo) -> Sentence | None:
    """Say when the due work of these lanes will be done; None where no end is in sight."""
    ends = [work.ends_at for work in lanes if work.ends_at is not None]
    if len(ends) < len(lanes):
        return None
    return sentence("end.at", at=said(max(ends), zone)) if ends else sentence("end.now")


def _readings(status: Status, expectations: Expectations) -> Iterator[Condition]:
    """Say whether all of FS and TP was read as lately as it should have been.

    Where nothing was ever read, time counts from the first process that we know of.
    """
    max_age, read_at = expectations.max_reading_age, status.reading.read_at
    hours = f"{max_age.total_seconds() / 3600:g}"
    since = read_at or status.reading.could_since
    courses = status.overdue_courses
    if since is not None and status.moment - since > max_age:
        yield Condition(
            condition="reading-overdue",
            state="behind",
            since=since + max_age,
            because=sentence("reading-overdue", hours=hours, at=said(read_at, expectations.zone))
            if read_at
            else sentence("reading-overdue.never", hours=hours),
            remedy=sentence("reading-overdue.remedy"),
        )
    elif courses.asked_at is not None and read_at is not None:
        yield Condition(
            condition="courses-overdue",
            state="behind",
            since=courses.asked_at + max_age,
            because=sentence(
                "courses-overdue", courses=sentence("courses", count=courses.count), hours=hours
            ),
            remedy=sentence("courses-overdue.remedy"),
            count=courses.count,
        )


# -- what will go wrong -----------------------------------------------------------------------------------


def _warnings(status: Status, expectations: Expectations) -> Iterator[Condition]:
    for dead in status.dead:
        yield Condition(
            condition=f"{dead.kind}-died",
            state="warning",
            since=dead.since,
            because=sentence(f"{dead.kind}-died", count=dead.count),
            remedy=sentence("log"),
            count=dead.count,
            exact=True,
        )
    ends = {("certificate", name): ends_at for name, ends_at in status.certificates.items()}
    for key, day in expectations.secrets.items():
        midnight = datetime.combine(day, time(), tzinfo=expectations.zone)
        ends["secret", key] = midnight.astimezone(UTC)
    for (kind, name), ends_at in sorted(ends.items()):
        duration = ends_at - status.moment
        if duration < SOON:
            verb = "ended" if duration < timedelta() else "ends"
            yield Condition(
                condition=f"{kind}-ends:{name}",
                state="warning",
                since=ends_at - SOON,
                because=sentence(f"{kind}-{verb}", name=name, at=said(ends_at, expectations.zone)),
                remedy=sentence(f"{kind}-ends.remedy", name=name),
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
    because = sentence("healthy" if workers else "healthy.idle")
    if acknowledged:
        because = sentence("healthy.known", healthy=because, count=acknowledged)
    since = max(times, default=None)
    return Condition(condition=HEALTHY, state=HEALTHY, since=since, because=because, count=0)
