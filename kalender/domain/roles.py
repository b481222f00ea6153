"""The roles in which teaching concerns somebody, and the sets of roles that a calendar serves.

Another role is another subclass of `Role` and its object in `ROLES`. Its object says who is one and
which activities concern them then; that the settings have a section for its style and a key for its
mailbox rule, and that commands, listings and metrics name it, follows from `ROLES`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations

from kalender.domain.model import CourseKey, Registration, TeachingRole
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    Audience,
    Evidence,
    PersonTeaching,
    Relation,
    Role,
    Rules,
    sole_groups,
)

# -- the student -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Student(Role):
    """Whoever FS has a registration of sees plenary teaching, and the groups they are placed on."""

    def is_one(self, evidence: Evidence, rules: Rules) -> bool:  # noqa: ARG002
        """Whether FS has a registration of theirs, whatever its offer status."""
        return evidence.registered

    def courses(self, person: PersonTeaching, rules: Rules) -> frozenset[CourseKey]:  # noqa: ARG002
        """Return the courses that they are registered for."""
        return frozenset(_course_of(registration) for registration in person.registrations)

    def interests(
        self,
        person: PersonTeaching,
        activities: Sequence[Activity],
        rules: Rules,
        now: datetime,  # noqa: ARG002
    ) -> Iterator[ActivityInterest]:
        """Yield plenary activities of their courses, their groups, and groups that are alone."""
        sure_by_unit = {
            r.unit: sure for r in person.registrations if (sure := counts(r, rules)) is not None
        }
        sole = sole_groups(activities) if rules.sole_group else frozenset()
        for activity in activities:
            told = sure_by_unit.get(activity.key.unit)
            if told is None:
                continue
            sure = told and activity.published
            if activity.has_plenary:
                yield self._interest(activity, Relation.PLENARY, sure=sure, told=told)
            if activity.key in person.placements:
                yield self._interest(activity, Relation.PLACED, sure=sure, told=told)
            elif activity.key in sole and activity.placed is not True:
                sure = sure and activity.placed is not None
                yield self._interest(activity, Relation.SOLE, sure=sure, told=told)

    def _interest(
        self, activity: Activity, capacity: Relation, *, sure: bool, told: bool
    ) -> ActivityInterest:
        return ActivityInterest(
            activity=activity.key, role=self, capacity=capacity, sure=sure, told=told
        )


def _course_of(fact: Registration | TeachingRole) -> CourseKey:
    return CourseKey(fact.unit.course, fact.unit.semester)


def counts(registration: Registration, rules: Rules) -> bool | None:
    """Whether a registration is a place on the course. True: accepted. False: not told. None: does not count."""
    if not rules.believe_offer_status:
        return True
    if registration.offer_status is None:
        return False
    return True if registration.offer_status in rules.accepted_offer_statuses else None


# -- the teacher -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Teacher(Role):
    """Whoever TP names, or FS has a counted role of, sees what they teach."""

    def is_one(self, evidence: Evidence, rules: Rules) -> bool:
        """Whether TP names them in an event, or a role of theirs in FS counts."""
        return evidence.named or not rules.teaching_roles.isdisjoint(evidence.teaching_roles)

    def courses(self, person: PersonTeaching, rules: Rules) -> frozenset[CourseKey]:
        """Return the courses that name them, and those on which they have a counted role."""
        named_in = {CourseKey(key.course, key.semester) for key in person.named_in}
        return frozenset(named_in | set(map(_course_of, counted_roles(person.roles, rules))))

    def interests(
        self, person: PersonTeaching, activities: Sequence[Activity], rules: Rules, now: datetime
    ) -> Iterator[ActivityInterest]:
        """Yield the activities that name them, and those on which a counted role has begun."""
        today = now.astimezone(rules.zone).date()
        roles = [
            role
            for role in counted_roles(person.roles, rules)
            if role.starts_on is None or role.starts_on <= today
        ]
        for activity in activities:
            if activity.key in person.named_in:
                yield ActivityInterest(
                    activity=activity.key,
                    role=self,
                    capacity=Relation.NAMED,
                    sure=activity.published,
                )
            for role in roles:
                on_unit = role.unit == activity.key.unit
                is_named = role.actid == activity.key.actid
                if on_unit and (is_named or (role.actid is None and rules.unit_fallback)):
                    yield ActivityInterest(
                        activity=activity.key,
                        role=self,
                        capacity=Relation.ROLE if is_named else Relation.UNIT_ROLE,
                        sure=activity.published,
                        ends_on=role.ends_on,
                    )

    def first_days(self, person: PersonTeaching, rules: Rules) -> Iterable[date]:
        """Return the days on which their counted roles begin."""
        roles = counted_roles(person.roles, rules)
        return [role.starts_on for role in roles if role.starts_on is not None]


def counted_roles(roles: Iterable[TeachingRole], rules: Rules) -> list[TeachingRole]:
    """Return the roles in FS that make somebody a teacher."""
    return [role for role in roles if role.role in rules.teaching_roles]


# -- all of them -------------------------------------------------------------------------------------

STUDENT = Student(name="student", precedence=1, first_release=True)
TEACHER = Teacher(name="teacher", precedence=2, teaches=True, first_release=True)
ROLES: tuple[Role, ...] = (STUDENT, TEACHER)


def leading(audience: Audience) -> Role:
    """Return the role whose settings hold for a calendar that serves all of these."""
    return max(audience, key=lambda role: role.precedence)


# -- in a word ---------------------------------------------------------------------------------------

BOTH = frozenset({STUDENT, TEACHER})


def word_of(audience: Audience) -> str:
    """Return the word for an audience in the database, in listings and in metrics.

    One role is called by its name, student and teacher together `both`, and any other set by the
    initials of its roles, as `p+s`: the database has room for eight letters.
    """
    if audience == BOTH:
        return "both"
    names = sorted(role.name for role in audience)
    return names[0] if len(names) == 1 else "+".join(name[0] for name in names)


AUDIENCES: Mapping[str, Audience] = {
    word_of(frozenset(roles)): frozenset(roles)
    for count in range(1, len(ROLES) + 1)
    for roles in combinations(ROLES, count)
}


def audience_of(word: str) -> Audience:
    """Return the audience that a word stands for; ValueError where it is no such word."""
    if word not in AUDIENCES:
        raise ValueError(word)
    return AUDIENCES[word]


def words_with(names: Collection[str]) -> frozenset[str]:
    """Return the words for all audiences that have one of the roles of these names."""
    return frozenset(
        word for word, audience in AUDIENCES.items() if any(role.name in names for role in audience)
    )
