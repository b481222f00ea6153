"""What every calendar should hold, read plainly from what FS and TP would answer now.

Who sees what is worked out here anew, apart from the service's own timetable, mirror and plan;
only reading an event and saying it in words are shared.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from kalender.domain import block
from kalender.domain.model import ActivityKey, CourseKey, Status, TeachingEvent
from kalender.domain.render import Style, render
from kalender.sources.tp_codes import KINDS
from kalender.sources.tp_json import read_event

Json = dict[str, Any]
OSLO = ZoneInfo("Europe/Oslo")
COLLECTIONS = ("personer", "studentundervisning", "studentundervisningsaktivitet", "personroller")
ACCEPTED = {"I", "S"}


class Line(NamedTuple):
    """One entry as somebody sees it."""

    starts_at: datetime
    ends_at: datetime
    subject: str
    location: str
    show_as: str
    text: str | None  # of our part of the body, as it is read


class Truth:
    """A university's answers, kept up as they are changed."""

    def __init__(self, directory: Path, institution: str, domain: str) -> None:
        self.style = Style(institution=institution, kinds=KINDS)
        self.domain = domain
        self._renderings: dict[tuple[int, tuple[str, ...]], Line] = {}
        self.courses: dict[str, Json] = {}
        for path in sorted((directory / "tp").glob("*.json")):
            answer = json.loads(path.read_text("utf-8"))
            if all(each["publish_timetable"] for each in answer["semesters"]):
                self.courses[path.stem] = answer
        self.fs: dict[str, list[Json]] = {
            name: [json.loads(line) for line in _lines(directory, name)] for name in COLLECTIONS
        }

    def calendars(self, now: datetime) -> dict[str, Counter[Line]]:
        """Return address -> what it should hold that has not ended."""
        events = list(self._events())
        coming = [event for event in events if event.ends_at > now]
        alone = self._only_groups(events)
        self._renderings.clear()
        facts = {name: self._by_person(name) for name in COLLECTIONS[1:]}
        held: dict[str, Counter[Line]] = {}
        for username, number in self._people(events).items():
            own = {name: items[number] for name, items in facts.items()}
            person = _Person(own, username, now.astimezone(OSLO).date())
            lines = Counter(self._said(person, coming, alone))
            if lines:
                held[f"{username}@{self.domain}"] = lines
        return held

    def addresses(self) -> list[str]:
        """Return the address of everybody who studies or teaches."""
        return [f"{username}@{self.domain}" for username in self._people(self._events())]

    def _by_person(self, name: str) -> dict[int, list[Json]]:
        found: dict[int, list[Json]] = defaultdict(list)
        for item in self.fs[name]:
            found[(item.get("id") or item)["person"]["personlopenummer"]].append(item)
        return found

    def _events(self) -> Iterator[TeachingEvent]:
        for name, answer in self.courses.items():
            code, _, semester = name.partition("-")
            key = CourseKey(code, semester or str(answer["semester"]))
            yield from (read_event(raw, key) for raw in answer["events"])

    def _people(self, events: Iterable[TeachingEvent]) -> dict[str, int]:
        people = {p["brukernavn"]: p["personlopenummer"] for p in self.fs["personer"]}
        for event in events:
            for staff in event.staff or ():
                people.setdefault(staff.username, 0)
        return {name: number for name, number in people.items() if name}

    def _only_groups(self, events: Iterable[TeachingEvent]) -> set[ActivityKey]:
        """The only group of its kind, with nobody placed on it."""
        kinds: dict[tuple[str, str, str], set[ActivityKey]] = defaultdict(set)
        for event in events:
            if not event.plenary:
                key = event.activity
                kinds[key.course, key.semester, event.method].add(key)
        placed = {activity_of(p["id"]) for p in self.fs["studentundervisningsaktivitet"]}
        return {next(iter(keys)) for keys in kinds.values() if len(keys) == 1} - placed

    def _said(
        self, person: "_Person", events: list[TeachingEvent], alone: set[ActivityKey]
    ) -> Iterator[Line]:
        seen: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for event in events:
            teaches, own = person.teaches(event), event.activity in person.groups | alone
            if teaches or (event.activity.unit in person.units and (event.plenary or own)):
                rank = (event.status is not Status.ACTIVE, not teaches, not own, event.activity)
                seen[event.event_id].append((*rank, event))
        for same in seen.values():
            event = min(same)[-1]
            names = tuple(sorted({each[-1].activity.course for each in same}))
            yield self._line(event, names)

    def _line(self, event: TeachingEvent, courses: tuple[str, ...]) -> Line:
        """Return what the entry says; said once for all whom it concerns."""
        found = self._renderings.get((id(event), courses))
        if found is None:
            said = render(event, courses, self.style)
            when, text = (said.starts_at, said.ends_at), block.extract(said.body)
            found = Line(*when, said.subject, said.location, said.show_as, text)
            self._renderings[id(event), courses] = found
        return found


class _Person:
    """What FS says of one person."""

    def __init__(self, own: Mapping[str, list[Json]], username: str, today: date) -> None:
        self.username, self.today = username, today
        self.units = {
            activity_of(item["id"], whole=False).unit
            for item in own["studentundervisning"]
            if item.get("tilbudstatus") in ACCEPTED
        }
        self.groups = {activity_of(i["id"]) for i in own["studentundervisningsaktivitet"]}
        self.roles = [i for i in own["personroller"] if "undervisningsaktivitet" in i]

    def teaches(self, event: TeachingEvent) -> bool:
        """Named, or with a role on the activity where nobody is named."""
        if event.staff:
            return self.username in {staff.username for staff in event.staff}
        return any(
            activity_of(role) == event.activity
            and date.fromisoformat(role["periode"].get("fraDato", "1900-01-01")) <= self.today
            for role in self.roles
        )


def activity_of(item: Mapping[str, Any], *, whole: bool = True) -> ActivityKey:
    """Return the activity, or (not whole) the unit, that an item of FS names."""
    name = "undervisningsaktivitet" if whole else "undervisning"
    parts = unquote(item[name]["href"].rpartition("/")[2]).split(",", 6)
    _, course, version, year, term, number = parts[:6]
    semester = f"{int(year) % 100:02d}{'v' if term == 'VÅR' else 'h'}"
    return ActivityKey(course, version, semester, int(number), parts[6] if whole else "")


def _lines(directory: Path, name: str) -> list[str]:
    return (directory / "fs" / f"{name}.ndjson").read_text("utf-8").splitlines()
