"""What every mailbox must hold, from a university's files alone. Imports nothing of Kalender.

Written to be checked by eye against the rules, not to be quick. Events that TP never told as
cancelled before are judged by who is named in them now.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

from kalender.sandbox.oracle.files import (
    Activity,
    Json,
    Role,
    University,
    activity,
    end,
    named,
    read,
    start,
)
from kalender.sandbox.oracle.words import location, show_as, subject

OSLO = ZoneInfo("Europe/Oslo")
JULY = 7  # the last month of the spring semester
ACCEPTED = {"I", "S"}  # offer statuses


class Expected(NamedTuple):
    """One entry, as a reader of the calendar would see it."""

    start: datetime
    end: datetime
    subject: str
    location: str
    show_as: str


class Person(NamedTuple):
    """Somebody with the addresses of their calendars: as a student, and as a teacher."""

    number: int  # 0: known to TP only
    username: str
    as_student: str | None
    as_teacher: str | None


class Rules(NamedTuple):
    """What an institution may set otherwise."""

    teacher_mailbox: str | None = None  # where it is another than students'
    teacher_words: str = ""  # begin a teacher's subjects
    mail_domains: frozenset[str] = frozenset()  # none: all
    sole_group: bool = True


PLAIN = Rules()


def calendars(
    directory: Path, now: datetime, *, mailbox: str = "epost:INSTITUSJON", rules: Rules = PLAIN
) -> dict[str, list[Expected]]:
    """Return address -> what its calendar must hold at an instant, in time's order.

    An address that two persons have is the first one's, as FS lists them.
    """
    university = read(directory)
    today = now.astimezone(OSLO).date()
    counted = [event for event in university.events if _semester_counts(event, today)]
    placed = set().union(*university.placements.values())
    alone = _only_groups(counted) - placed if rules.sole_group else set()
    coming = _by_key(event for event in counted if end(event) > now)
    held: dict[str, list[Expected]] = {}
    for person in _people(university, mailbox, rules.teacher_mailbox or mailbox):
        sight = Sight(university, alone, person, today, rules.teacher_words)
        near = [event for key in sight.where() for event in coming.get(key, [])]
        for address in filter(None, {person.as_student, person.as_teacher}):
            mine = sight.shown(address, near)
            outside = rules.mail_domains and address.partition("@")[2] not in rules.mail_domains
            if mine and not outside:
                held.setdefault(address, sorted(mine))
    return held


def _semester_counts(event: Json, today: date) -> bool:
    """The current semester and the next, and the last one while entries of it are to come."""
    year, is_spring = today.year, today.month <= JULY
    this = (year, "v" if is_spring else "h")
    following = (year, "h") if is_spring else (year + 1, "v")
    last = (year - 1, "h") if is_spring else (year, "v")
    code = event["semesterid"]
    return (2000 + int(code[:2]), code[2]) in {last, this, following}


def _by_key(events: Iterable[Json]) -> dict[str, list[Json]]:
    """Events by their course and by whom they name, so that nobody looks at all of them."""
    found: dict[str, list[Json]] = defaultdict(list)
    for event in events:
        for key in (event["courseid"], *(f"named {name}" for name in named(event) or ())):
            found[key].append(event)
    return found


def _people(university: University, student: str, teacher: str) -> Iterator[Person]:
    """Everybody FS knows, and those whom only TP names."""
    known = set()
    for person in university.persons:
        username = person.get("brukernavn") or ""
        known.add(username)
        addresses = (_address(rule, username, person) for rule in (student, teacher))
        yield Person(person["personlopenummer"], username, *addresses)
    names = {name for event in university.events for name in named(event) or ()}
    for username in sorted(names - known - {""}):
        yield Person(0, username, None, _address(teacher, username, {}))


def _address(rule: str, username: str, person: Json) -> str | None:
    """The first address of that type in FS, or one made of the username."""
    if not rule.startswith("epost:"):
        return rule.replace("{username}", username).lower() if username else None
    kind = rule.removeprefix("epost:")
    mails = [mail["adresse"].lower() for mail in person.get("epost") or [] if mail["type"] == kind]
    return mails[0] if mails else None


# -- who sees what ------------------------------------------------------------------------------------


class Seen(NamedTuple):
    """An event that concerns somebody, and how."""

    event: Json
    teaches: bool
    own: bool  # a group of theirs


def _closeness(seen: Seen) -> tuple[bool, bool, bool, Activity]:
    """Active first, then what one teaches, then one's own group, then the lowest ids."""
    active = seen.event["status"] == "active"
    return not active, not seen.teaches, not seen.own, activity(seen.event)


class Sight(NamedTuple):
    """How one person sees teaching on one day."""

    university: University
    alone: set[Activity]
    person: Person
    today: date
    teacher_words: str

    def shown(self, address: str | None, events: Iterable[Json]) -> list[Expected]:
        """One entry for each event id; of those that share it the closest to the person."""
        found: dict[str, list[Seen]] = defaultdict(list)
        for event in events:
            if event.get("status") not in {"active", "cancelled"}:
                continue  # neither of the two words that TP has: nothing is created
            teaches = address == self.person.as_teacher and self._teaches(event)
            attends = address == self.person.as_student and self._attends(event)
            if teaches or attends:
                found[event["eventid"]].append(Seen(event, teaches, self._own(event)))
        return [self._entry(same) for same in found.values()]

    def where(self) -> set[str]:
        """Under which keys there may be events for this person."""
        courses = {unit[0] for unit in self.university.registrations.get(self.person.number, {})}
        roles = self.university.roles.get(self.person.number, [])
        return courses | {r.activity.course for r in roles} | {f"named {self.person.username}"}

    def _attends(self, event: Json) -> bool:
        """Accepted on the course, and for everybody there, or in a group of one's own."""
        act, told = activity(event), event.get("status_plenary")
        if self.university.registrations.get(self.person.number, {}).get(act.unit) not in ACCEPTED:
            return False
        return told is True or self._placed(act) or (told is False and act in self.alone)

    def _own(self, event: Json) -> bool:
        return self._placed(activity(event)) or activity(event) in self.alone

    def _placed(self, act: Activity) -> bool:
        return act in self.university.placements.get(self.person.number, set())

    def _teaches(self, event: Json) -> bool:
        """Named; or with a role where it is told that nobody is."""
        names = named(event)
        if names is None:
            return False
        if names:
            return self.person.username != "" and self.person.username in names
        roles = self.university.roles.get(self.person.number, [])
        return any(self._role_counts(role, event) for role in roles)

    def _role_counts(self, role: Role, event: Json) -> bool:
        """A role on the activity itself that has begun, and is not over on the event's day."""
        day = start(event).astimezone(OSLO).date()
        return role.activity == activity(event) and role.begins <= self.today and day <= role.ends

    def _entry(self, same: list[Seen]) -> Expected:
        best = min(same, key=_closeness)
        courses = "/".join(sorted({each.event["courseid"] for each in same}))
        words = self.teacher_words if best.teaches else ""
        return Expected(
            start(best.event),
            end(best.event),
            subject(best.event, words + courses),
            location(best.event),
            show_as(best.event),
        )


def _only_groups(events: Iterable[Json]) -> set[Activity]:
    """Activities that are the only group of their kind within course and term.

    Where it is not told for whom an event is, it may be another group's.
    """
    kinds: dict[tuple[str, str, int, str], set[Activity]] = defaultdict(set)
    for event in events:
        if event.get("status_plenary") is not True:
            act = activity(event)
            kinds[act.course, act.semester, act.term, event["teaching-method"]].add(act)
    return {next(iter(acts)) for acts in kinds.values() if len(acts) == 1}
