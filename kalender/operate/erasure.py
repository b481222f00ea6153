"""Erase what is held on a person, once nothing of ours stands in their calendars any more."""

from sqlalchemy import Connection, Select, String, cast, delete, exists, or_, select

from kalender.domain.entry import FORMER, EntryStatus
from kalender.errors import PermanentError
from kalender.operate import disclosure
from kalender.store import acts, people
from kalender.store.people import FORGET, LISTED, MAIL, OPT_OUT
from kalender.store.tables import (
    brake,
    calendar,
    change_log,
    dirty,
    due_later,
    employment,
    entry,
    fan_out,
    identity,
    person,
    personal_language,
    placement,
    preference,
    registration,
    rollout_enrolment,
    rollout_member,
    study_right,
    teaching_role,
    teaching_staff,
    unreadable_item,
    username_claim,
)

LASTING = frozenset({OPT_OUT, LISTED})  # the wishes that outlive what is held on a person
TEACHING = (registration, placement, teaching_role)


def stands(connection: Connection, person_id: int) -> bool:
    """Whether an entry of ours stands, or may stand, in a calendar of the person.

    A create that nobody answered may still turn up until it was looked for once more.
    """
    may_stand = entry.c.status.not_in([*FORMER, EntryStatus.REFUSED])
    in_calendar = entry.c.calendar_id.in_(_calendars_of(person_id))
    is_theirs, may_come = calendar.c.person_id == person_id, calendar.c.look_again_at.is_not(None)
    conditions = (exists().where(in_calendar, may_stand), exists().where(is_theirs, may_come))
    return bool(connection.execute(select(or_(*conditions))).scalar())


def is_listed(connection: Connection, person_id: int) -> bool:
    """Whether FS or TP still list the person, so that erasing would not last."""
    in_fs = [exists().where(table.c.person_id == person_id) for table in TEACHING]
    usernames = people.usernames(connection, person_id)
    in_tp = exists().where(teaching_staff.c.username.in_(sorted(usernames)))
    return bool(connection.execute(select(or_(*in_fs, in_tp))).scalar())


def require_leaving(connection: Connection, person_id: int) -> None:
    """Raise PermanentError where FS or TP still list the person, who did not opt out."""
    has_opted_out = bool(people.wishes_of(connection, person_id) & LASTING)
    if is_listed(connection, person_id) and not has_opted_out:
        raise PermanentError(
            f"person {person_id} is still listed by FS or TP and would come back: "
            "kalender optout add first, or wait until they are gone there"
        )


def forget(connection: Connection, person_id: int) -> bool:
    """Erase all that is held on a person; return whether the person's row stays.

    The row stays with the FS number, the usernames and the opt-out of whoever opted out, so that
    they go on being excluded. Raises PermanentError where entries of ours stand in a calendar of
    theirs, or where FS or TP still list somebody who did not opt out.
    """
    if stands(connection, person_id):
        raise PermanentError("entries of ours still stand: a worker has to take them back first")
    require_leaving(connection, person_id)
    has_opted_out = bool(people.wishes_of(connection, person_id) & LASTING)
    acts.forget(connection, person_id)
    # Work, brakes and fan-outs are found through the rows that are deleted after them.
    calendars = _calendars_of(person_id)
    scopes = calendars.with_only_columns("calendar " + cast(calendar.c.calendar_id, String))
    usernames = people.usernames(connection, person_id)
    for kind, key in sorted(disclosure.work_of(connection, person_id)):
        for table in (dirty, due_later):
            connection.execute(delete(table).where(table.c.kind == kind, table.c.key == key))
    connection.execute(delete(entry).where(entry.c.calendar_id.in_(calendars)))
    connection.execute(delete(brake).where(brake.c.scope.in_(scopes)))
    connection.execute(delete(fan_out).where(fan_out.c.username.in_(sorted(usernames))))
    for table in (
        change_log,
        calendar,
        employment,
        personal_language,
        rollout_enrolment,
        rollout_member,
        study_right,
        unreadable_item,
        username_claim,
        *TEACHING,
    ):
        connection.execute(delete(table).where(table.c.person_id == person_id))
    is_mail = (identity.c.person_id == person_id) & (identity.c.kind == MAIL)
    connection.execute(delete(identity).where(is_mail))
    other_wishes = (preference.c.person_id == person_id) & preference.c.wish.not_in(LASTING)
    connection.execute(delete(preference).where(other_wishes))
    if has_opted_out:
        people.wish(connection, person_id, {FORGET}, "operator")
    else:
        connection.execute(delete(person).where(person.c.person_id == person_id))
    return has_opted_out


def _calendars_of(person_id: int) -> Select[int]:
    return select(calendar.c.calendar_id).where(calendar.c.person_id == person_id)
