"""What operators wish of persons: each is written down with who wished it, and workers carry it out.

Commands and pages call the same functions, within a transaction of theirs. `who` is under whose name
the act is kept, `reason` why; persons are named by our numbers.
"""

from collections.abc import Collection, Sequence

from sqlalchemy import Connection

from kalender.domain.work import Cause, Kind, Lane, Mark, WorkKey
from kalender.operate import disclosure
from kalender.store import acts, backlog, doubles, entries, moves, optouts, people, queue
from kalender.store.people import OPT_OUT

LOOK_AGAIN, VERIFY, RETRY = "resync --person", "verify", "retry"
OPT_OUT_ACT, OPT_IN_ACT = "optout add", "optout remove"


def look_again(
    connection: Connection,
    persons: Sequence[int],
    *,
    who: str,
    reason: str = "",
    verify: bool = False,
) -> int:
    """Let FS be asked about persons anew, and TP about what follows; return how many are marked.

    With `verify` their calendars are looked into as well.
    """
    marks = []
    for person_id in persons:
        number = people.fs_number(connection, person_id)
        username = min(people.usernames(connection, person_id), default="")
        if verify:
            _mark_for_verification(connection, person_id, Lane.ASKED)
        work = WorkKey.of_account(username) if number is None else WorkKey.of_person(number)
        marks.append(Mark(*work, reason="asked for", cause=Cause.OPERATOR, lane=Lane.ASKED))
        acts.record(connection, LOOK_AGAIN, who=who, persons=[person_id], reason=reason)
    queue.mark(connection, marks)
    return len(marks)


def verify(
    connection: Connection,
    persons: Collection[int] | None,
    *,
    who: str,
    reason: str = "",
    mend_doubles: bool = False,
) -> list[int]:
    """Let the calendars of persons (None: all that were written) be compared with our records.

    Returns the calendars. With `mend_doubles` doubles of our making are taken away.
    """
    calendars: list[int] = []
    lane = Lane.VERIFY if persons is None else Lane.ASKED
    for person_id in [None] if persons is None else persons:
        calendars += _mark_for_verification(connection, person_id, lane)
    doubles.wish(connection, calendars, mend=mend_doubles)
    acts.record(
        connection,
        f"{VERIFY} --mend-doubles" if mend_doubles else VERIFY,
        who=who,
        scope="all" if persons is None else "",
        persons=persons or [],
        reason=reason,
        count=len(calendars),
    )
    return calendars


def _mark_for_verification(connection: Connection, person_id: int | None, lane: Lane) -> list[int]:
    calendars = entries.wish_verification(connection, person_id)
    people.mark_calendars(connection, calendars, reason="verify", cause=Cause.VERIFY, lane=lane)
    return calendars


def retry(
    connection: Connection, persons: Collection[int] | None, *, who: str, reason: str = ""
) -> int:
    """Let what is parked or put off be tried now; return how much work that is.

    Of persons that is their calendars in any case, and a mailbox that moved is looked at now; of
    everybody (None) only what is parked or put off.
    """
    if persons is None:
        work = backlog.waiting(connection)
    else:
        work = {key for person_id in persons for key in disclosure.work_of(connection, person_id)}
    keys = {key for key in work if key[0] == Kind.CALENDAR} | backlog.known(connection, work)
    marks = [
        Mark(kind=Kind(kind), key=key, reason="retry", cause=Cause.OPERATOR, lane=Lane.ASKED)
        for kind, key in keys
    ]
    queue.mark(connection, marks)
    for mark in marks:
        queue.hurry(connection, mark.kind, mark.key)
    if persons is not None:
        moves.hurry(connection, [int(key) for kind, key in work if kind == Kind.CALENDAR])
    acts.record(
        connection,
        RETRY,
        who=who,
        scope="all" if persons is None else "",
        persons=persons or [],
        reason=reason,
        count=len(marks),
    )
    return len(marks)


# -- who is left alone ---------------------------------------------------------------------------------


def opt_out(connection: Connection, persons: Collection[int], *, who: str, reason: str) -> None:
    """Leave persons alone, and let what was written to them be taken back.

    `reason`: who said so, in at most 120 letters; it is kept with the wish as well.
    """
    for person_id in persons:
        leave_alone(connection, person_id, {OPT_OUT}, reason)
    acts.record(connection, OPT_OUT_ACT, who=who, persons=persons, reason=reason)


def opt_in(
    connection: Connection, persons: Collection[int], *, who: str, reason: str = ""
) -> list[str]:
    """Forget that persons wished to be left alone, or their entries to be removed.

    It counts before every list that names them, until that list lets go of them and names them anew;
    these lists are returned, sorted.
    """
    overruled: set[str] = set()
    for person_id in persons:
        overruled |= set(optouts.overrule(connection, person_id))
        calendars = people.take_wish_back(connection, person_id)
        people.mark_calendars(
            connection, calendars, reason="opted in", cause=Cause.WISH, lane=Lane.ASKED
        )
    acts.record(connection, OPT_IN_ACT, who=who, persons=persons, reason=reason)
    return sorted(overruled)


def leave_alone(
    connection: Connection, person_id: int, wishes: Collection[str], source: str
) -> None:
    """Record that a person wishes these, and mark the calendars that it concerns."""
    calendars = people.wish(connection, person_id, wishes, source)
    people.mark_calendars(
        connection, calendars, reason=min(wishes), cause=Cause.WISH, lane=Lane.ASKED
    )


def recorded_entries(connection: Connection, person_id: int) -> int:
    """Return how many entries of ours are recorded in a person's calendars: what taking back takes."""
    calendars = disclosure.calendars_of(connection, person_id)
    return sum(len(disclosure.entries_of(connection, row.calendar_id)) for row in calendars)
