"""Releases of brakes: what a brake holds, and letting it go once somebody looked.

Commands and pages call the same functions. `now` is the domain's clock, `who` under whose name the
act is kept.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from kalender.domain.work import Cause, Kind, Lane, Mark, WorkKey
from kalender.errors import ConfigError
from kalender.mirror import lists
from kalender.mirror.person import SECOND_LOOK
from kalender.store import acts, brakes, courses, optouts, people, queue, teaching
from kalender.store.brakes import HAND, INSTITUTION, HeldCount
from kalender.store.database import database_time
from kalender.store.optouts import HeldChanges

RELEASE = "brake release"
RELEASED = (INSTITUTION, HAND, "course", "calendar", "optout")


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingBrake:
    """A brake that holds, by its name as it is kept.

    `held`: the deletes that a release lets go, and of how many persons. `changes`: what the brake of
    a list of persons holds.
    """

    scope: str
    held: HeldCount
    changes: HeldChanges

    @property
    def kind(self) -> str:
        """The first word of its name."""
        return self.scope.partition(" ")[0]

    @property
    def key(self) -> str:
        """What follows it: a course with its semester, a person, a calendar, a list; or nothing."""
        return self.scope.partition(" ")[2]


def spelled(name: str) -> str:
    """Return the name of a brake as somebody types it with its spaces and its first word as kept."""
    kind, *more = name.split() or [""]
    return " ".join([kind.lower(), *more])


def brake_named(connection: Connection, name: str, now: datetime) -> StandingBrake:
    """Return the brake of that name; ConfigError where it does not hold (now)."""
    scope = _scope(connection, name)
    return StandingBrake(
        scope=scope,
        held=brakes.would_go(connection, scope, now),
        changes=optouts.held_by(connection, scope),
    )


def _scope(connection: Connection, name: str) -> str:
    kind, _, key = name.partition(" ")
    if kind == "person":
        number = "".join(key.rsplit(maxsplit=1)[-1:])
        is_known = people.find(connection, people.FS, number) is not None
        if is_known and number in dict(brakes.waiting_persons(connection)):
            return name
    scope = brakes.spelled(connection, name) if kind in RELEASED else None
    if scope is None:
        raise ConfigError("no such brake holds: kalender brake show lists them")
    return scope


def release(
    connection: Connection, brake: StandingBrake, *, who: str, reason: str, now: datetime
) -> int:
    """Release one brake, and mark what it held; return how many calendars or sources are marked.

    Every release is recorded as an act. Beside that, by the first word of the scope:

        institution  what it held, and as much, passes within a day; what was deleted until now
                     counts no more. The calendars are marked.
        hand         it is dropped, and its calendars are marked.
        calendar     its creates pass until the reason is gone. The calendar is marked.
        course       its next answer is believed, and what then goes does not count for a day. TP is
                     asked for the course at once.
        person       FS' next answer counts as the second look. FS is asked for them at once.
        optout       what the list says counts from now on, and the calendars are marked.
    """
    if brake.kind in {INSTITUTION, HAND}:
        return _mark(connection, brakes.release(connection, brake.scope, reason, who=who))
    if brake.kind == "optout":
        return lists.release(connection, brake.key, reason, who=who)
    if brake.kind == "calendar":
        brakes.put(connection, brake.scope, "released", reason, who=who)
        return _mark(connection, [int(brake.key)])
    if brake.kind == "course":
        brakes.release_course(connection, brake.scope, reason, now, who=who)
        return _ask_again(connection, WorkKey(Kind.COURSE, brake.key))
    person_id = people.find(connection, people.FS, brake.key.rsplit(maxsplit=1)[-1])
    return believe_fs(connection, [] if person_id is None else [person_id], who=who, reason=reason)


def believe_fs(connection: Connection, persons: Sequence[int], *, who: str, reason: str) -> int:
    """Let FS be asked once more about persons whom it emptied, and believe it; return how many.

    ConfigError where one of them does not wait for that.
    """
    for person_id in persons:
        number = people.fs_number(connection, person_id)
        if number is None or not waits_for_second_look(connection, person_id):
            raise ConfigError("no such brake holds: kalender brake show lists them")
        # the next answer counts as the second look
        before = database_time(connection) - 2 * SECOND_LOOK
        teaching.asked(connection, person_id, before, emptied=True)
        # by our number: it alone is hidden of who is protected
        acts.record(connection, RELEASE, who=who, persons=[person_id], reason=reason)
        _ask_again(connection, WorkKey.of_person(number))
    return len(persons)


def _mark(connection: Connection, calendars: Sequence[int]) -> int:
    return people.mark_calendars(
        connection, calendars, reason="brake released", cause=Cause.BRAKE, lane=Lane.ASKED
    )


def _ask_again(connection: Connection, work: WorkKey) -> int:
    mark = Mark(*work, reason="brake released", cause=Cause.BRAKE, lane=Lane.ASKED)
    queue.mark(connection, [mark])
    queue.hurry(connection, *work)
    return 1


# -- what a release lets go ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class EventHeld:
    """One event of which entries would go: what TP told of it last, and of how many persons.

    `title` "": TP knows it no more.
    """

    course: str
    title: str
    starts_at: datetime
    people: int


def events_held(connection: Connection, brake: StandingBrake, now: datetime) -> list[EventHeld]:
    """Return the events of which a release lets entries go, by their start.

    Empty where a brake holds something else: a calendar's creates, a list's persons, FS' answer.
    """
    rows = brakes.events_held(connection, brake.scope, now)
    told = courses.told_of(connection, [row.event_id for row in rows])
    return [
        EventHeld(
            course=row.course
            or (told[row.event_id].activity.course if row.event_id in told else ""),
            title=told[row.event_id].title if row.event_id in told else "",
            starts_at=row.starts_at,
            people=row.people,
        )
        for row in rows
    ]


def persons_held(connection: Connection, brake: StandingBrake) -> Iterable[int]:
    """Return whom a release of a list's brake concerns, by our numbers; nobody who is protected."""
    if brake.kind != "optout":
        return []
    states = optouts.listed(connection, brake.key)
    waiting = {each for each, state in states.items() if state in {optouts.HELD, optouts.LEAVING}}
    return sorted(waiting - acts.protected(connection))


def waits_for_second_look(connection: Connection, person_id: int) -> bool:
    """Whether FS emptied a person, and their entries stay until it was asked a second time."""
    return (
        people.fs_number(connection, person_id) is not None
        and teaching.emptied_at(connection, person_id) is not None
    )
