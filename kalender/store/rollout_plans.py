"""Plans of the roll-out: who is let in, or out, by one criterion, from a day on and at a pace.

    state     what it means                                        goes over to
    planned   its day has not come                                 running
    running   calendars get their turns, one after the other       paused, done
    paused    nobody gets a turn: something went wrong, or         running
              somebody paused it
    done      all had their turns; the criterion is on the list,
              or off it
    ended     somebody said the opposite before it was done

Of these the first three are open, and may be ended. A criterion has one open plan at most. Instants
are on the database's clock.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    exists,
    func,
    insert,
    or_,
    select,
    true,
    update,
)

from kalender.domain.criteria import COURSE, PERSON
from kalender.domain.work import Kind
from kalender.store import acts, criteria, rollouts
from kalender.store.database import database_time
from kalender.store.rollouts import ADD, OPEN
from kalender.store.sql import calendar_key, db_now, in_parts, insert_many, is_one_of
from kalender.store.tables import brake, calendar, dirty, entry, rollout_plan, rollout_turn

PLANNED, RUNNING, PAUSED = OPEN
DONE, ENDED = "done", "ended"
LOOK = timedelta(seconds=2)  # between two looks at a plan
TURNS_A_LOOK = 1000  # that are not settled, for each second that the next look waits longer
BURST = timedelta(minutes=1)  # turns of so much time may come at once, after a stop of all workers
TROUBLES = {  # the word: what is said of so many calendars
    "parked": "{} laid aside (kalender parked)",
    "denied": "{} in a mailbox that refuses us",
    "refused": "{} with entries that Exchange refused",
    "held": "{} in which a brake holds entries",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPlan:
    """One plan; `per_hour` calendars get their turns, None: all at once."""

    plan_id: int
    act: str  # add | remove
    kind: str
    value: str
    take_back: bool
    from_at: datetime
    per_hour: float | None
    state: str
    since: datetime
    reason: str | None
    made_at: datetime
    made_by: str
    began_at: datetime | None
    resumed_at: datetime | None
    paced_at: datetime | None

    @property
    def interval(self) -> timedelta:
        """How long after one turn the next is."""
        return timedelta(hours=1 / self.per_hour) if self.per_hour else timedelta()

    @property
    def criterion(self) -> tuple[str, str]:
        """What it goes by: kind and value."""
        return self.kind, self.value


def _plans(connection: Connection, query: Select[tuple[object, ...]]) -> list[RolloutPlan]:
    names = RolloutPlan.__slots__
    return [
        RolloutPlan(**{name: row[name] for name in names})
        for row in connection.execute(query).mappings()
    ]


def all_of(connection: Connection, *states: str) -> list[RolloutPlan]:
    """Return the plans in these states (none: in any), the first made first."""
    query = select(rollout_plan).order_by(rollout_plan.c.plan_id)
    return _plans(connection, query.where(rollout_plan.c.state.in_(states)) if states else query)


def open_of(connection: Connection, kind: str, values: Collection[str]) -> list[RolloutPlan]:
    """Return the open plans of these criteria."""
    return [
        plan for plan in all_of(connection, *OPEN) if plan.kind == kind and plan.value in values
    ]


_IS_DUE = and_(rollout_plan.c.state.in_(OPEN), rollout_plan.c.look_at <= db_now())


def is_any_due(connection: Connection) -> bool:
    """Whether the time has come to look at a plan."""
    return bool(connection.execute(select(exists().where(_IS_DUE))).scalar())


def take_due(connection: Connection) -> list[RolloutPlan]:
    """Return the plans to look at now, which nobody else has in hand until the transaction ends."""
    query = select(rollout_plan).where(_IS_DUE).order_by(rollout_plan.c.plan_id)
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(skip_locked=True)
    return _plans(connection, query)


# -- made and ended ------------------------------------------------------------------------------------


def make(  # noqa: PLR0913
    connection: Connection,
    act: str,
    criterion: tuple[str, str],
    *,
    take_back: bool = False,
    from_at: datetime | None = None,
    per_hour: float | None = None,
    who: str,
) -> int:
    """Make a plan, which begins now where no instant is given; return its number."""
    kind, value = criterion
    values = {"act": act, "kind": kind, "value": value, "take_back": take_back}
    begins = db_now() if from_at is None else from_at
    made = insert(rollout_plan).values(
        **values,
        from_at=begins,
        look_at=begins,
        per_hour=per_hour,
        state=PLANNED,
        since=db_now(),
        made_at=db_now(),
        made_by=who[: acts.LONGEST_NAME],
    )
    (plan_id,) = connection.execute(made.returning(rollout_plan.c.plan_id)).one()
    return int(plan_id)


def end(connection: Connection, plan: RolloutPlan) -> None:
    """End an open plan: nobody is inside or outside by it any more."""
    _become(connection, plan, ENDED, reason=None)


def pause(connection: Connection, plan: RolloutPlan, *, reason: str, who: str) -> None:
    """Give no turns before somebody resumes it."""
    _become(connection, plan, PAUSED, reason=reason)
    record(connection, plan, "rollout pause", who=who, reason=reason)


def resume(
    connection: Connection, plan: RolloutPlan, *, who: str, per_hour: float | None = None
) -> None:
    """Go on, at another pace where one is given; the troubles that there are count as known."""
    is_running = plan.began_at is not None
    values: dict[str, object] = {"resumed_at": db_now(), "paced_at": db_now()}
    values["look_at"] = db_now() if is_running else plan.from_at
    if per_hour is not None:
        values["per_hour"] = per_hour
    _become(connection, plan, RUNNING if is_running else PLANNED, reason=None, **values)
    reason = "" if per_hour is None else f"{per_hour:g} an hour"
    record(connection, plan, "rollout resume", who=who, reason=reason)


def _become(
    connection: Connection, plan: RolloutPlan, state: str, *, reason: str | None, **values: object
) -> None:
    since = rollout_plan.c.since if state == plan.state else db_now()
    is_plan = rollout_plan.c.plan_id == plan.plan_id
    values |= {"state": state, "since": since, "reason": reason}
    connection.execute(update(rollout_plan).where(is_plan).values(values))


def record(
    connection: Connection,
    plan: RolloutPlan,
    command: str,
    *,
    who: str,
    reason: str = "",
    count: int | None = None,
) -> None:
    """Record an act about a plan; who it is that one person's plan is about is no scope."""
    why = f"plan {plan.plan_id}" + (f": {reason}" if reason else "")
    whose = {"persons": [int(plan.value)]} if plan.kind == PERSON else {}
    scope = "" if plan.kind == PERSON else f"{plan.kind} {plan.value}"
    acts.record(connection, command, who=who, scope=scope, reason=why, count=count, **whose)


# -- turns -------------------------------------------------------------------------------------------


def begin(connection: Connection, plan: RolloutPlan) -> tuple[RolloutPlan, int]:
    """Begin a plan; return it as it is then, and how many calendars it concerns."""
    count, at = line_up(connection, plan), database_time(connection)
    begun = replace(plan, state=RUNNING, began_at=at, paced_at=at - plan.interval)
    _become(connection, plan, RUNNING, reason=None, began_at=at, paced_at=begun.paced_at)
    command = f"rollout {plan.act}"
    record(connection, plan, command, who=plan.made_by, reason="begun", count=count)
    return begun, count


def line_up(connection: Connection, plan: RolloutPlan) -> int:
    """Line up whom the plan concerns now; return how many calendars were not in the line yet."""
    new = _concerned(connection, plan) - _line(connection, plan, true())
    places: list[tuple[int, int]] = []
    for part in in_parts(new, 10_000):
        is_one = is_one_of(connection, calendar.c.calendar_id, part)
        owners = select(calendar.c.calendar_id, calendar.c.person_id).where(is_one)
        places += [(criteria.place(person), id_) for id_, person in connection.execute(owners)]
    (last,) = connection.execute(
        select(func.coalesce(func.max(rollout_turn.c.position), 0)).where(_of(plan))
    ).one()
    rows = [
        {"calendar_id": calendar_id, "position": last + number}
        for number, (_, calendar_id) in enumerate(sorted(places), 1)
    ]
    insert_many(connection, rollout_turn, rows, plan_id=plan.plan_id)
    return len(rows)


def _concerned(connection: Connection, plan: RolloutPlan) -> set[int]:
    """Return the calendars that lie outside and would be inside by the plan, or the other way."""
    listed = set(rollouts.listed(connection))
    inside = rollouts.inside(connection, "listed")
    if plan.act == ADD:
        return rollouts.inside(connection, "listed", listed | {plan.criterion}) - inside
    return inside - rollouts.inside(connection, "listed", listed - {plan.criterion})


def _of(plan: RolloutPlan) -> ColumnElement[bool]:
    return rollout_turn.c.plan_id == plan.plan_id


def _line(connection: Connection, plan: RolloutPlan, condition: ColumnElement[bool]) -> set[int]:
    query = select(rollout_turn.c.calendar_id).where(_of(plan), condition)
    return set(connection.execute(query).scalars())


def give(connection: Connection, plan: RolloutPlan) -> int:
    """Give as many turns as the pace has by now; return how many."""
    moment = database_time(connection)
    query = select(rollout_turn.c.calendar_id).where(_of(plan), rollout_turn.c.given_at.is_(None))
    query = query.order_by(rollout_turn.c.position)
    if plan.per_hour is not None:
        paced_at = plan.paced_at or moment - plan.interval
        behind = moment - paced_at
        due = behind // plan.interval
        most = max(1, BURST // plan.interval)
        paced_at = moment if due > most else paced_at + due * plan.interval
        query = query.limit(min(due, most))
        is_plan = rollout_plan.c.plan_id == plan.plan_id
        connection.execute(update(rollout_plan).where(is_plan).values(paced_at=paced_at))
    turned = set(connection.execute(query).scalars())
    before = rollouts.switched_on_of(connection, turned, "listed") if turned else set()
    for part in in_parts(turned, 10_000):
        is_one = is_one_of(connection, rollout_turn.c.calendar_id, part)
        given = update(rollout_turn).where(_of(plan), is_one).values(given_at=db_now())
        connection.execute(given)
    if turned and plan.act == ADD:
        rollouts.switch_on(connection, turned - before)
    elif turned:
        leavers = before - rollouts.switched_on_of(connection, turned, "listed")
        rollouts.switch_off(connection, leavers, take_back=plan.take_back)
    return len(turned)


def unsettled(connection: Connection, plan: RolloutPlan) -> tuple[int, int]:
    """Return how many calendars wait for their turns, and how many had it and are not right yet."""
    is_waiting = rollout_turn.c.given_at.is_(None)
    is_open = and_(~is_waiting, rollout_turn.c.settled_at.is_(None))
    query = select(func.count()).select_from(rollout_turn)
    waiting = connection.execute(query.where(_of(plan), is_waiting)).scalar_one()
    return waiting, connection.execute(query.where(_of(plan), is_open)).scalar_one()


def finish(connection: Connection, plan: RolloutPlan) -> None:
    """Put the criterion on the list, or take it off: all had their turns."""
    turned = _line(connection, plan, rollout_turn.c.given_at.is_not(None))
    if plan.act == ADD:
        rollouts.add(connection, plan.kind, [plan.value])
        if plan.kind in {COURSE, *criteria.LASTING}:
            persons = rollouts.persons_of(connection, turned)
            criteria.keep(connection, {(*plan.criterion, person_id) for person_id in persons})
    else:
        rollouts.remove(connection, plan.kind, [plan.value])
    _become(connection, plan, DONE, reason=None)
    command = f"rollout {plan.act}"
    record(connection, plan, command, who=acts.SERVICE, reason="done", count=len(turned))


def look_later(connection: Connection, plan: RolloutPlan, *, unsettled: int = 0) -> None:
    """Look at a plan again in some seconds, more of them where much is not settled."""
    wait = LOOK.total_seconds() + unsettled / TURNS_A_LOOK
    is_plan = rollout_plan.c.plan_id == plan.plan_id
    connection.execute(update(rollout_plan).where(is_plan).values(look_at=db_now(wait)))


# -- what went wrong -----------------------------------------------------------------------------------


def settle(connection: Connection, plan: RolloutPlan) -> None:
    """Note which of those who had their turn are as they should be, or will not be by waiting.

    So is one without a mailbox: it is looked for slowly, as everywhere.
    """
    waits = exists().where(
        dirty.c.kind == Kind.CALENDAR.value,
        dirty.c.key == calendar_key(calendar.c.calendar_id),
        dirty.c.parked_at.is_(None),
    )
    is_over = or_(calendar.c.state != "active", ~waits)
    if plan.act == ADD:
        is_over = or_(is_over, calendar.c.synced_settings.is_not(None))
    over = exists().where(calendar.c.calendar_id == rollout_turn.c.calendar_id, is_over)
    is_given = and_(rollout_turn.c.given_at.is_not(None), rollout_turn.c.settled_at.is_(None))
    settled = update(rollout_turn).where(
        _of(plan), is_given, or_(rollout_turn.c.trouble.is_not(None), over)
    )
    connection.execute(settled.values(settled_at=db_now()))


def note_troubles(connection: Connection, plan: RolloutPlan) -> Counter[str]:
    """Note what is wrong with whom the plan let in or out; return how many have a new trouble.

    A trouble that is over is forgotten.
    """
    troubled = _troubled(connection, plan)
    known = select(rollout_turn.c.calendar_id, rollout_turn.c.trouble).where(
        _of(plan), rollout_turn.c.trouble.is_not(None)
    )
    for calendar_id, word in connection.execute(known).all():
        if calendar_id not in troubled[word]:
            _note(connection, plan, {calendar_id}, None)
    new = Counter[str]()
    for word, calendars in troubled.items():
        new[word] = _note(connection, plan, calendars, word)
    return +new


def _note(
    connection: Connection, plan: RolloutPlan, calendars: Collection[int], word: str | None
) -> int:
    is_one = is_one_of(connection, rollout_turn.c.calendar_id, calendars)
    is_new = and_(rollout_turn.c.given_at.is_not(None), rollout_turn.c.trouble.is_(None))
    noted = update(rollout_turn).where(_of(plan), is_one, *([is_new] if word else []))
    return connection.execute(noted.values(trouble=word)).rowcount if calendars else 0


def _troubled(connection: Connection, plan: RolloutPlan) -> dict[str, set[int]]:
    """Return for each trouble the calendars that have it, whoever let them in."""
    keys = select(dirty.c.key).where(
        dirty.c.kind == Kind.CALENDAR.value, dirty.c.parked_at.is_not(None)
    )
    denied = select(calendar.c.calendar_id).where(calendar.c.state == "denied")
    # of those who had their turn lately, or were refused before: there are very many entries
    of_turn = and_(
        _of(plan),
        rollout_turn.c.calendar_id == entry.c.calendar_id,
        rollout_turn.c.given_at.is_not(None),
        or_(rollout_turn.c.settled_at.is_(None), rollout_turn.c.trouble == "refused"),
    )
    refused = select(entry.c.calendar_id).join(rollout_turn, of_turn)
    held = select(entry.c.calendar_id).where(entry.c.held_by.is_not(None)).distinct()
    scopes = select(brake.c.scope).where(
        brake.c.scope.startswith("calendar "), brake.c.state == "holding"
    )
    is_refused = entry.c.status == "refused"
    return {
        "parked": {int(key) for key in connection.execute(keys).scalars()},
        "denied": set(connection.execute(denied).scalars()),
        "refused": set(connection.execute(refused.where(is_refused).distinct()).scalars()),
        "held": {
            *connection.execute(held).scalars(),
            *(int(scope.split()[1]) for scope in connection.execute(scopes).scalars()),
        },
    }


def new_brake(connection: Connection, plan: RolloutPlan) -> str | None:
    """Return the brake over everything that holds since the plan began or was resumed last."""
    since = plan.resumed_at or plan.began_at
    query = select(brake.c.scope).where(
        brake.c.scope.in_(("hand", "institution")),
        brake.c.state == "holding",
        true() if since is None else brake.c.set_at > since,
    )
    return connection.execute(query.order_by(brake.c.scope).limit(1)).scalar()


def backends(connection: Connection, plan: RolloutPlan) -> list[str]:
    """Return the Exchanges in which the calendars of a plan are."""
    of_plan = rollout_turn.c.calendar_id == calendar.c.calendar_id
    query = select(calendar.c.backend).join(rollout_turn, of_plan).where(_of(plan)).distinct()
    return sorted(connection.execute(query).scalars())


# -- how far ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many calendars a plan has in its line, gave their turn, and saw to be as they should be.

    `troubles` counts calendars by what is wrong with them.
    """

    calendars: int
    given: int
    settled: int
    troubles: dict[str, int]


def progress(connection: Connection, plan: RolloutPlan) -> Progress:
    """Return how far a plan is."""
    columns = rollout_turn.c
    is_well = columns.trouble.is_(None)
    query = select(
        func.count(),
        func.count(columns.given_at),
        func.count(columns.settled_at).filter(is_well),
    )
    calendars, given, settled = connection.execute(query.where(_of(plan))).one()
    by_trouble = select(columns.trouble, func.count()).where(_of(plan), ~is_well)
    rows = connection.execute(by_trouble.group_by(columns.trouble).order_by(columns.trouble))
    return Progress(
        calendars=calendars, given=given, settled=settled, troubles=dict(map(tuple, rows))
    )
