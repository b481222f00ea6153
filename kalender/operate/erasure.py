"""Erase what is held on a person, once nothing of ours stands in their calendars any more."""

from sqlalchemy import Connection, String, cast, delete, exists, or_, select

from kalender.errors import PermanentError
from kalender.operate import disclosure
from kalender.store import acts, people
from kalender.store.people import FORGET, MAIL, OPT_OUT
from kalender.store.tables import (
    brake,
    calendar,
    change_log,
    dirty,
    due_later,
    entry,
    fan_out,
    identity,
    person,
    placement,
    preference,
    registration,
    rollout_member,
    teaching_role,
    teaching_staff,
    unreadable_item,
    username_claim,
)

TAUGHT = (registration, placement, teaching_role)


def stands(connection: Connection, person_id: int) -> bool:
    """Whether an entry of ours stands, or may stand, in a calendar of theirs."""
    mine = select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
    there = entry.c.status.not_in(["abandoned", "refused"])
    found = select(exists().where(entry.c.calendar_id.in_(mine), there))
    return bool(connection.execute(found).scalar())


def is_listed(connection: Connection, person_id: int) -> bool:
    """Whether FS or TP still list the person, so that they would come back."""
    taught = [exists().where(each.c.person_id == person_id) for each in TAUGHT]
    names = people.usernames(connection, person_id)
    named = exists().where(teaching_staff.c.username.in_(sorted(names)))
    return bool(connection.execute(select(or_(*taught, named))).scalar())


def forget(connection: Connection, person_id: int) -> bool:
    """Erase a person; True where their number, usernames and wish stay, to go on leaving them alone.

    Raises PermanentError where entries of ours stand, or FS or TP still list who did not opt out.
    """
    if stands(connection, person_id):
        raise PermanentError("entries of ours still stand: a worker has to take them back first")
    require_leaving(connection, person_id)
    stays = OPT_OUT in people.wishes_of(connection, person_id)
    _erase(connection, person_id)
    if stays:
        people.wish(connection, person_id, {FORGET}, "operator")
    else:
        connection.execute(delete(person).where(person.c.person_id == person_id))
    return stays


def require_leaving(connection: Connection, person_id: int) -> None:
    """Raise PermanentError where FS or TP still list the person, who did not opt out."""
    stays = OPT_OUT in people.wishes_of(connection, person_id)
    if is_listed(connection, person_id) and not stays:
        raise PermanentError(
            f"person {person_id} is still listed by FS or TP and would come back: "
            "kalender optout add first, or wait until they are gone there"
        )


def _erase(connection: Connection, person_id: int) -> None:
    """Everything but the person's number, usernames and wishes."""
    keys = disclosure.work_of(connection, person_id)
    acts.forget(connection, person_id)
    mine = select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
    names = people.usernames(connection, person_id)
    connection.execute(delete(entry).where(entry.c.calendar_id.in_(mine)))
    held = mine.with_only_columns("calendar " + cast(calendar.c.calendar_id, String))
    connection.execute(delete(brake).where(brake.c.scope.in_(held)))
    connection.execute(delete(fan_out).where(fan_out.c.username.in_(sorted(names))))
    for kind, key in sorted(keys):
        for table in (dirty, due_later):
            connection.execute(delete(table).where(table.c.kind == kind, table.c.key == key))
    also = (rollout_member, unreadable_item, username_claim)
    for table in (change_log, calendar, *also, *TAUGHT):
        connection.execute(delete(table).where(table.c.person_id == person_id))
    mail = (identity.c.person_id == person_id) & (identity.c.kind == MAIL)
    connection.execute(delete(identity).where(mail))
    others = preference.c.wish != OPT_OUT
    connection.execute(delete(preference).where(preference.c.person_id == person_id, others))
