"""Who is switched on: outside the roll-out not one request goes to Exchange.

The list has criteria, each with a value. While a plan lets people in by a criterion, it is not on
the list yet, and those are inside whom the plan let in; while a plan lets them out, it is on the
list still, and those are outside whom the plan let out.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    insert,
    select,
    true,
    update,
)

from kalender.domain.work import Cause, Lane
from kalender.store import courses as mirror
from kalender.store import criteria, people, takeovers
from kalender.store.sql import db_now, in_parts, is_one_of
from kalender.store.tables import (
    calendar,
    course_run,
    rollout,
    rollout_criterion,
    rollout_plan,
    rollout_turn,
)

ADD, REMOVE = "add", "remove"
OPEN = ("planned", "running", "paused")  # the states of a plan that is not over
FIRST_KINDS = ("person", "course", "share", "audience")
"""Those of the table `rollout`, which earlier releases read; all others are `rollout_criterion`'s."""


def switched_on_of(connection: Connection, calendars: Collection[int], mode: str) -> set[int]:
    """Return those of these calendars that lie inside the roll-out, and were not handed back."""
    switched_on = inside_of(connection, calendars, mode)
    if not switched_on:
        return switched_on
    return switched_on - takeovers.handed_back(connection, switched_on)


def inside_of(connection: Connection, calendars: Collection[int], mode: str) -> set[int]:
    """Return those of these calendars that lie inside the roll-out, handed back or not."""
    if mode != "listed":
        return set(calendars) if mode == "all" else set()
    return _listed(connection, is_one_of(connection, calendar.c.calendar_id, calendars))


def inside(
    connection: Connection,
    mode: str,
    on_list: Iterable[tuple[str, str]] | None = None,
    *,
    ended: Collection[int] = (),
) -> set[int]:
    """Return all calendars inside the roll-out, or inside it if these (kind, value) were its list.

    `ended` are numbers of open plans, as if they were ended. Those that were handed back to a
    predecessor are outside.
    """
    if mode == "listed":
        switched_on = _listed(connection, true(), on_list, ended)
    else:
        query = select(calendar.c.calendar_id) if mode == "all" else None
        switched_on = set(connection.execute(query).scalars()) if query is not None else set()
    return switched_on - takeovers.handed_back(connection) if switched_on else switched_on


def _listed(
    connection: Connection,
    condition: ColumnElement[bool],
    on_list: Iterable[tuple[str, str]] | None = None,
    ended: Collection[int] = (),
) -> set[int]:
    list_entries = set(listed(connection) if on_list is None else on_list)
    columns = (
        rollout_plan.c.plan_id,
        rollout_plan.c.act,
        rollout_plan.c.kind,
        rollout_plan.c.value,
    )
    is_open = and_(rollout_plan.c.state.in_(OPEN), rollout_plan.c.plan_id.not_in(ended))
    query = select(*columns).where(is_open)
    let_in, removals = set[int](), dict[tuple[str, str], int]()
    for plan_id, act, kind, value in connection.execute(query):
        if act == ADD:
            let_in |= _turned(connection, plan_id, condition)
        else:
            removals[kind, value] = plan_id
    staying = by_kind(list_entries - removals.keys())
    found = criteria.calendars_meeting(connection, staying, condition) | let_in
    for kind, value in list_entries & removals.keys():
        meeting = criteria.calendars_meeting(connection, {kind: {value}}, condition)
        found |= meeting - _turned(connection, removals[kind, value], condition)
    return found


def _turned(connection: Connection, plan_id: int, condition: ColumnElement[bool]) -> set[int]:
    """Return the calendars that had their turn in a plan."""
    is_turned = and_(rollout_turn.c.plan_id == plan_id, rollout_turn.c.given_at.is_not(None))
    of_calendar = rollout_turn.c.calendar_id == calendar.c.calendar_id
    query = select(calendar.c.calendar_id).join(rollout_turn, of_calendar)
    return set(connection.execute(query.where(is_turned, condition)).scalars())


def by_kind(list_entries: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Return kind -> values."""
    names = defaultdict[str, set[str]](set)
    for kind, value in list_entries:
        names[kind].add(value)
    return names


def enrol(connection: Connection, persons: Collection[int] | None = None) -> None:
    """Write down who meets a listed criterion now (None: of everybody): they stay inside for good.

    `remove` forgets them with the criterion.
    """
    criteria.enrol(connection, by_kind(listed(connection)), persons)


def spelled(connection: Connection, course: str) -> str | None:
    """Return a mirrored course's code as TP spells it; None where there is no such course."""
    code = mirror.spelled(connection, course)
    query = select(course_run.c.course).where(course_run.c.course == code).limit(1)
    return connection.execute(query).scalar()


def listed(connection: Connection) -> Sequence[tuple[str, str]]:
    """Return what is on the list: (kind, value), sorted."""
    first = select(rollout.c.kind, rollout.c.value)
    later = select(rollout_criterion.c.kind, rollout_criterion.c.value)
    return sorted((kind, value) for kind, value in connection.execute(first.union_all(later)))


def add(connection: Connection, kind: str, values: Sequence[str]) -> None:
    """Put values on the list."""
    list_entries = set(listed(connection))
    new = [{"kind": kind, "value": value} for value in values if (kind, value) not in list_entries]
    if new:
        table = rollout if kind in FIRST_KINDS else rollout_criterion
        connection.execute(insert(table).values(added_at=db_now()), new)
    criteria.enrol(connection, {kind: values})


def remove(connection: Connection, kind: str, values: Sequence[str]) -> None:
    """Take values off the list."""
    for table in (rollout, rollout_criterion):
        is_one = (table.c.kind == kind, table.c.value.in_(list(values)))
        connection.execute(delete(table).where(*is_one))
    criteria.forget(connection, kind, values)


def persons_of(connection: Connection, calendars: Collection[int]) -> set[int]:
    """Return whose calendars these are."""
    persons: set[int] = set()
    for part in in_parts(calendars, 10_000):
        is_one = is_one_of(connection, calendar.c.calendar_id, part)
        persons.update(connection.execute(select(calendar.c.person_id).where(is_one)).scalars())
    return persons


def switch_on(connection: Connection, calendars: Collection[int]) -> None:
    """Have calendars that are inside from now on written."""
    join(connection, calendars)
    people.mark_calendars(
        connection, calendars, reason="joined the roll-out", cause=Cause.ROLLOUT, lane=Lane.FILL
    )


def switch_off(connection: Connection, calendars: Collection[int], *, take_back: bool) -> None:
    """Have what was written to calendars that are outside from now on taken back, or left."""
    leave(connection, calendars, take_back=take_back)
    people.mark_calendars(
        connection, calendars, reason="left the roll-out", cause=Cause.ROLLOUT, lane=Lane.ASKED
    )


def join(connection: Connection, calendars: Collection[int]) -> None:
    """Whatever was being taken back is wanted again."""
    for part in in_parts(calendars):
        connection.execute(
            update(calendar).where(calendar.c.calendar_id.in_(part)).values(taking_back=False)
        )


def leave(connection: Connection, calendars: Collection[int], *, take_back: bool) -> None:
    """Forget what these calendars were; to be taken back they stay open until that is done.

    A calendar without settings that was written once is one that somebody decided on.
    """
    values: dict[str, object] = {
        "synced_digest": None,
        "synced_settings": None,
        "taking_back": take_back,
    }
    values["synced_at"] = func.coalesce(calendar.c.synced_at, db_now())
    for part in in_parts(calendars):
        connection.execute(update(calendar).where(calendar.c.calendar_id.in_(part)).values(values))
