"""Lists of persons are kept in step: who is named is left alone, who is let go is served again.

Too many at once, or within an hour or a day, are held like deletes until somebody agrees: nothing
is taken back meanwhile, and nobody written to who was left alone. What cannot be read changes
nothing.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from sqlalchemy import Connection

from kalender.config.sections import Safety
from kalender.domain.lists import LANGUAGES, ListReading
from kalender.domain.work import Cause, Lane
from kalender.store import acts, brakes, bulk, languages, optouts, people
from kalender.store.brakes import DAY, HAND, HOUR
from kalender.store.languages import FILE
from kalender.store.optouts import ADDED, HELD, LEAVING, OUT, OVERRULED, REMOVED, SCOPE

STRANGE = "none of its names is known here, and persons were: is it the right column?"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListChange:
    """What one reading of a list did, in persons; `unknown` counts names of nobody.

    Of languages `added` counts whose entries are to be written in another one.
    """

    name: str
    kind: str
    names: int = 0
    unknown: int = 0
    added: int = 0  # left alone from now on
    removed: int = 0  # served again
    held: int = 0  # wait for somebody's yes, to be left alone or to be served again
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLists:
    """What lists told when they were read, how much may change at once, and who reads them."""

    readings: Sequence[ListReading] = ()
    safety: Safety = field(default_factory=Safety)
    who: str = acts.SERVICE


def keep_in_step(connection: Connection, read: ReadLists) -> list[ListChange]:
    """Do what lists say now, and what they said before of whoever is known only now.

    Calendars are marked; those in another language only where they are no more than may be
    rewritten without a yes: a resync asks for the others.
    """
    changes = [
        _tell_languages(connection, reading, read.safety)
        if reading.kind == LANGUAGES
        else _keep_list(connection, reading, read.safety, read.who)
        for reading in read.readings
    ]
    leave_alone(connection, optouts.match_all(connection), read.safety, read.who)
    return changes


def leave_alone(
    connection: Connection,
    named_persons: Mapping[str, AbstractSet[int]],
    safety: Safety | None = None,
    who: str = acts.SERVICE,
) -> None:
    """Leave those alone whom lists named before they were known; without `safety` none is held.

    `named_persons` are by the name of the list, as `optouts.match` tells them.
    """
    for name, persons in sorted(named_persons.items()):
        new = persons - optouts.listed(connection, name).keys()
        _Change(connection, name, new=new).make(safety, who)


def release(connection: Connection, name: str, reason: str, *, who: str) -> int:
    """Let what is held of a list count, for somebody looked; return how many calendars are marked."""
    held = optouts.held_by(connection, SCOPE + name)
    states = optouts.listed(connection, name)
    left_alone = {person_id for person_id, state in states.items() if state == HELD}
    let_go = {person_id for person_id, state in states.items() if state == LEAVING}
    change = _Change(connection, name, new=left_alone, let_go=let_go)
    change.make(None, who, counted=False)
    count = held.people + held.returning
    brakes.end_held(connection, SCOPE + name, reason, who=who, count=count)
    return change.marked


def drop(connection: Connection, name: str, *, who: str) -> int:
    """Give a list up: whom it alone left alone is served again; return how many these are."""
    change = _Change(connection, name, let_go=optouts.in_force(connection, name))
    change.make(None, who, counted=False)
    optouts.drop(connection, name)
    brakes.lift(connection, SCOPE + name)
    acts.record(connection, "optout drop", who=who, scope=f"list {name}", count=len(change.served))
    return len(change.served)


def _recorded(
    connection: Connection, reading: ListReading, unknown: Sequence[str], *, is_strange: bool
) -> ListChange:
    """Record a reading and return what it changes so far: nothing, and nothing ever with a problem."""
    if reading.problem is None and is_strange:
        reading = replace(reading, problem=STRANGE)
    optouts.record(connection, reading, unknown)
    if reading.problem is not None:
        return ListChange(name=reading.name, kind=reading.kind, problem=reading.problem)
    return ListChange(
        name=reading.name, kind=reading.kind, names=len(reading.names), unknown=len(unknown)
    )


# -- who is left alone ---------------------------------------------------------------------------------


@dataclass(slots=True)
class _Change:
    """Whom a list names newly, and whom it lets go; then what became of that."""

    connection: Connection
    name: str
    new: AbstractSet[int] = frozenset()
    let_go: AbstractSet[int] = frozenset()
    left_alone: set[int] = field(default_factory=set)
    served: set[int] = field(default_factory=set)
    held: int = 0
    marked: int = 0

    def make(self, safety: Safety | None, who: str, *, counted: bool = True) -> None:
        """Write it down, mark calendars, and hold what is too much; without `safety` nothing is.

        What is not `counted` was agreed to, and counts for no later hold.
        """
        connection = self.connection
        concerned = optouts.concerned(connection, self.new)
        returning = optouts.left_alone_by(connection, self.name, self.let_go)
        reason = self._too_many(safety, len(concerned), len(returning)) if safety else None
        held_new, held_back = (concerned, returning) if reason else (set[int](), set[int]())
        states: dict[int, str | None] = dict.fromkeys(self.new - held_new, OUT)
        states |= dict.fromkeys(self.let_go - held_back)
        optouts.put(
            connection,
            self.name,
            states | dict.fromkeys(held_new, HELD) | dict.fromkeys(held_back, LEAVING),
        )
        self.held = len(held_new) + len(held_back)
        if reason is not None and self.held:
            brakes.hold(connection, SCOPE + self.name, reason)
        self.left_alone, self.served = optouts.settle(connection, set(states))
        for command, persons, weighty in (
            (ADDED, self.new - held_new, concerned),
            (REMOVED, self.let_go - held_back, returning),
        ):
            for part, count in ((persons & weighty, 1), (persons - weighty, 0)):
                if part:
                    acts.record(
                        connection,
                        command,
                        who=who,
                        persons=part,
                        reason=f"list {self.name}",
                        count=count if counted else None,
                    )
        for persons, why in (
            (self.left_alone, f"list {self.name}"),
            (self.served, f"let go by list {self.name}"),
        ):
            calendars = people.calendars_of(connection, persons)
            self.marked += people.mark_calendars(
                connection, calendars, reason=why, cause=Cause.WISH, lane=Lane.ASKED
            )

    def _too_many(self, safety: Safety, concerned: int, returning: int) -> str | None:
        """Return why so many persons are held, or None where they may go."""
        reason = brakes.why_held(self.connection, SCOPE + self.name)
        if reason is not None:
            return reason
        if brakes.state(self.connection, HAND) == "holding":
            return "deletes are held by hand, and so are lists"
        share = safety.max_optout_share * optouts.served_people(self.connection)
        for number, command, words in (
            (concerned, ADDED, "named newly"),
            (returning, REMOVED, "let go"),
        ):
            for window, least in ((HOUR, safety.min_optouts), (DAY, safety.min_optouts_day)):
                count = optouts.changed_within(self.connection, command, window) + number
                if number and count > max(share, least):
                    return (
                        f"{count} persons {words} within {window // HOUR} h, more than the "
                        f"{max(share, least):.0f} that may be"
                    )
        return None


def _keep_list(
    connection: Connection, reading: ListReading, safety: Safety, who: str
) -> ListChange:
    before = optouts.listed(connection, reading.name)
    known, unknown = optouts.persons_of(connection, reading.names)
    named = set(known.values())
    result = _recorded(connection, reading, unknown, is_strange=bool(before) and not known)
    if result.problem is not None:
        return result
    undone = {
        # named again after too many were let go; and never out, as somebody's yes was waited for
        **{e: OUT for e, state in before.items() if e in named and state == LEAVING},
        **{e: None for e, state in before.items() if e not in named and state in {HELD, OVERRULED}},
    }
    optouts.put(connection, reading.name, undone)
    waiting = {
        person_id
        for person_id, state in optouts.listed(connection, reading.name).items()
        if (state == HELD and person_id in named) or (state == LEAVING and person_id not in named)
    }
    if not waiting:
        brakes.lift(connection, SCOPE + reading.name)
    change = _Change(
        connection,
        reading.name,
        new=named - before.keys(),
        let_go={e for e, state in before.items() if e not in named and state == OUT},
    )
    change.make(safety, who)
    return replace(
        result,
        added=len(change.left_alone),
        removed=len(change.served),
        held=len(waiting) + change.held,
    )


# -- languages -----------------------------------------------------------------------------------------


def _tell_languages(connection: Connection, reading: ListReading, safety: Safety) -> ListChange:
    known, unknown = optouts.persons_of(connection, reading.names)
    before = languages.told(connection, FILE)
    result = _recorded(connection, reading, unknown, is_strange=bool(before) and not known)
    if result.problem is not None:
        return result
    now: dict[int, str | None] = dict.fromkeys(before)  # whom the file names no more
    now |= {person_id: reading.languages[name] for name, person_id in known.items()}
    new = {e: language for e, language in now.items() if language != before.get(e)}
    changed = languages.tell(connection, new, told_by=FILE, source=LANGUAGES)
    calendars = people.calendars_of(connection, changed)
    if len(calendars) <= safety.max_updated_share * bulk.written(connection):
        people.mark_calendars(
            connection, calendars, reason="another language", cause=Cause.WISH, lane=Lane.RESYNC
        )
    return replace(result, added=len(changed))
