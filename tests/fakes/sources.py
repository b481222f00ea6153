"""FS and TP in memory, for tests of what stands behind them."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    CourseAnswer,
    CourseKey,
    CourseOrganisations,
    PersonFacts,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
    folded,
)
from kalender.errors import BadSourceData, KalenderError, NotFoundInSource
from kalender.ports import LeftOut


def _nothing() -> None:
    pass


def _unheard(_bad: BadItem) -> None:
    pass


@dataclass
class FakeTimetables:
    """TP: what it would answer for each course; `error` is raised instead, once.

    `before` and `after` are called around each request; what they raise is what the caller sees.
    """

    answers: dict[CourseKey, CourseAnswer] = field(default_factory=dict)
    asked: list[CourseKey] = field(default_factory=list)
    error: KalenderError | None = None
    broken: set[CourseKey] = field(default_factory=set)  # their answers can never be read
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing

    def course(self, key: CourseKey) -> CourseAnswer:
        """Return one course."""
        self.asked.append(key)
        self.before()
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if key in self.broken:
            raise BadSourceData("tp: no course")
        answer = self.answers.get(key, CourseAnswer(key=key, published=True, events=()))
        self.after()
        return answer

    def courses(self, semester: Semester) -> Sequence[str]:
        """Return all courses of a semester."""
        self.before()
        return sorted(key.course for key in self.answers if key.semester == semester.code)

    def changed_since(self, instant: datetime) -> Sequence[CourseKey]:
        """Return all courses."""
        del instant
        self.before()
        return sorted(self.answers)


@dataclass
class FakeStudents:
    """FS: all it knows of each person. `before` and `after` are called around each request.

    `organisations` are of all courses, None where they are not read; programmes are read where
    anybody's are told.
    """

    facts: dict[int, PersonFacts] = field(default_factory=dict)
    organisations: list[CourseOrganisations] | None = None
    asked: list[int] = field(default_factory=list)
    before: Callable[[], None] = _nothing
    after: Callable[[], None] = _nothing

    def person(self, fs_number: int, semesters: Iterable[Semester]) -> PersonFacts:
        """Return a person."""
        self.asked.append(fs_number)
        self.before()
        if fs_number not in self.facts:
            raise NotFoundInSource("personer 404")
        codes = {semester.code for semester in semesters}
        facts = self.facts[fs_number]
        self.after()
        return replace(
            facts,
            registrations=tuple(r for r in facts.registrations if r.unit.semester in codes),
            placements=tuple(p for p in facts.placements if p.semester in codes),
            roles=tuple(r for r in facts.roles if r.unit.semester in codes),
        )

    def find_username(self, username: str) -> int | None:
        """Return the FS number of an account."""
        self.before()
        for number, facts in self.facts.items():
            if facts.account.username == username:
                return number
        return None

    def offer_status(self, fs_number: int, unit: UnitKey) -> str | None:
        """Return a registration's status."""
        self.before()
        return next(
            (r.offer_status for r in self.facts[fs_number].registrations if r.unit == unit), None
        )

    def accounts(self, left_out: LeftOut = _unheard) -> Iterator[Sequence[Account]]:
        """Read all persons."""
        self.before()
        self._tell_bad("personer", left_out)
        yield [facts.account for facts in self.facts.values()]

    def registrations(
        self, semester: Semester, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, Registration]]]:
        """Read all registrations."""
        self.before()
        self._tell_bad("studentundervisning", left_out, semester)
        yield [
            (number, each)
            for number, facts in self.facts.items()
            for each in facts.registrations
            if each.unit.semester == semester.code
        ]

    def placements(
        self, semester: Semester, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, ActivityKey]]]:
        """Read all placements."""
        self.before()
        self._tell_bad("studentundervisningsaktivitet", left_out, semester)
        yield [
            (number, each)
            for number, facts in self.facts.items()
            for each in facts.placements
            if each.semester == semester.code
        ]

    def roles(
        self, semester: Semester, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, TeachingRole]]]:
        """Read all roles."""
        self.before()
        self._tell_bad("personroller", left_out, semester)
        yield [
            (number, each)
            for number, facts in self.facts.items()
            for each in facts.roles
            if each.unit.semester == semester.code
        ]

    def programmes(
        self, left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[tuple[int, str]]] | None:
        """Read all study rights."""
        self.before()
        self._tell_bad("studieretter", left_out)
        if all(facts.programmes is None for facts in self.facts.values()):
            return None
        rights = [
            (number, code)
            for number, facts in self.facts.items()
            for code in sorted(facts.programmes or ())
        ]
        return iter([rights])

    def course_organisations(
        self, courses: Collection[str], left_out: LeftOut = _unheard
    ) -> Iterator[Sequence[CourseOrganisations]] | None:
        """Read the units of these courses."""
        self.before()
        self._tell_bad("emner", left_out)
        if self.organisations is None:
            return None
        wanted = {folded(course) for course in courses}
        return iter([[told for told in self.organisations if folded(told.course) in wanted]])

    def _tell_bad(
        self, collection: str, left_out: LeftOut, semester: Semester | None = None
    ) -> None:
        """Tell what cannot be read of a collection; where it is read by semester, of autumn's."""
        if semester is not None and not semester.code.endswith("h"):
            return
        for facts in self.facts.values():
            for bad in facts.bad:
                if bad.collection == collection:
                    left_out(bad)
