"""A role is one object: its rules, style, mailbox rule and predicate follow from it alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import pytest

from kalender.domain.mailbox import MailboxRule, wanted_calendars
from kalender.domain.model import CourseKey
from kalender.domain.roles import (
    AUDIENCES,
    BOTH,
    ROLES,
    STUDENT,
    TEACHER,
    audience_of,
    leading,
    word_of,
    words_with,
)
from kalender.domain.timetable import (
    Activity,
    ActivityInterest,
    Audience,
    Evidence,
    PersonTeaching,
    Relation,
    Role,
    Rules,
    changes_at,
    digest,
    select,
)
from kalender.reconcile.desired import CalendarSettings
from kalender.store.people import People
from tests.factories import (
    DAY,
    NOW,
    OSLO,
    RULES,
    STYLE,
    a_registration,
    a_role,
    an_event,
    condensed,
    desired,
    desired_entries,
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Candidate(Role):
    """Whoever has the teaching role STIPENDIAT sees all plenary teaching of that unit."""

    def is_one(self, evidence: Evidence, rules: Rules) -> bool:
        return "STIPENDIAT" in evidence.teaching_roles

    def courses(self, person: PersonTeaching, rules: Rules) -> frozenset[CourseKey]:
        units = [role.unit for role in person.roles if role.role == "STIPENDIAT"]
        return frozenset(CourseKey(unit.course, unit.semester) for unit in units)

    def interests(
        self, person: PersonTeaching, activities: Sequence[Activity], rules: Rules, now: datetime
    ) -> Iterator[ActivityInterest]:
        courses = self.courses(person, rules)
        for activity in activities:
            key = activity.key
            if activity.has_plenary and CourseKey(key.course, key.semester) in courses:
                yield ActivityInterest(
                    activity=key, role=self, capacity=Relation.PLENARY, sure=activity.published
                )


CANDIDATE = Candidate(name="phd", precedence=3)
TWO = (STUDENT, TEACHER)
ALL = (*TWO, CANDIDATE)
PERSON = PersonTeaching(roles=(a_role(None, role="STIPENDIAT"),))
LECTURE, LATER = an_event("1"), an_event("2", starts=NOW + 9 * DAY)
ACTIVITIES = condensed([LECTURE, LATER])

NARROW = replace(RULES, future_days=7)
OWN_STYLE = replace(STYLE, subject="PhD: {course}", busy="free")
SETTINGS = CalendarSettings(
    rules=dict.fromkeys(TWO, RULES) | {CANDIDATE: NARROW},
    styles=dict.fromkeys(TWO, STYLE) | {CANDIDATE: OWN_STYLE},
)
MAILBOXES = MailboxRule(
    rules=dict.fromkeys(TWO, "epost:INSTITUSJON") | {CANDIDATE: "{username}@phd.uio.no"},
    domains=frozenset({"uio.no", "phd.uio.no"}),
)
MAILS = [("INSTITUSJON", "ola@uio.no")]


def condensed_to(audience: Audience, settings: CalendarSettings = SETTINGS) -> str:
    rules = settings.rules_for(audience)
    return digest(
        select(PERSON, ACTIVITIES, audience, rules, NOW),
        ACTIVITIES,
        settings=settings.digest,
        audience=word_of(audience),
        usernames=frozenset(),
        last_day=None,
    )


def test_its_predicate_decides_who_has_it() -> None:
    people = People(mailboxes=MAILBOXES, backend="main", rules=SETTINGS.rules)
    assert people.roles_of(Evidence(teaching_roles=frozenset({"STIPENDIAT"}))) == {CANDIDATE}
    everything = Evidence(registered=True, teaching_roles=frozenset({"LÆRER", "STIPENDIAT"}))
    assert people.roles_of(everything) == set(ALL)
    assert people.roles_of(Evidence()) == set()


def test_its_rules_decide_what_it_sees_and_how_far() -> None:
    audience = frozenset({CANDIDATE})
    selected = select(PERSON, ACTIVITIES, audience, SETTINGS.rules_for(audience), NOW)
    assert [(one.role, one.capacity) for one in selected] == [(CANDIDATE, Relation.PLENARY)]
    rules = SETTINGS.rules_for(audience)
    shown = desired(selected, [LECTURE, LATER], frozenset(), rules, NOW, settings=SETTINGS)
    assert [(event.event_id, event.role) for event in shown] == [("1", CANDIDATE)]
    assert select(PERSON, ACTIVITIES, BOTH, RULES, NOW) == ()


def test_its_style_decides_what_an_entry_says() -> None:
    audience = frozenset({CANDIDATE})
    rules = SETTINGS.rules_for(audience)
    selected = select(PERSON, ACTIVITIES, audience, rules, NOW)
    (entry,) = desired_entries(selected, [LECTURE], frozenset(), rules, NOW, settings=SETTINGS)
    content = entry.content
    assert (content.subject, content.show_as) == ("PhD: IN1000", "free")


def test_its_mailbox_rule_decides_the_address() -> None:
    told = {"username": "ola", "mails": MAILS}
    assert wanted_calendars(MAILBOXES, ALL, **told) == {  # type: ignore[arg-type]
        "ola@uio.no": BOTH,
        "ola@phd.uio.no": {CANDIDATE},
    }
    one_rule = replace(MAILBOXES, rules=dict.fromkeys(ALL, "{username}@uio.no"))
    assert wanted_calendars(one_rule, ALL, **told) == {"ola@uio.no": set(ALL)}  # type: ignore[arg-type]


def test_the_highest_of_several_roles_decides_for_a_calendar() -> None:
    assert leading(frozenset({STUDENT})) is STUDENT
    assert leading(BOTH) is TEACHER
    assert SETTINGS.rules_for(frozenset(ALL)) is NARROW
    assert SETTINGS.style_for(frozenset(ALL)) is OWN_STYLE
    person = replace(PERSON, registrations=(a_registration(),))
    selected = select(person, ACTIVITIES, frozenset(ALL), NARROW, NOW)
    assert {one.role for one in selected} == {STUDENT, CANDIDATE}
    (event,) = desired(selected, [LECTURE], frozenset(), NARROW, NOW, settings=SETTINGS)
    assert event.role is CANDIDATE


def test_a_digest_tells_in_which_role_something_is_seen() -> None:
    """A calendar of both roles differs where one sees it or the other, in the same capacity."""
    audience = frozenset({STUDENT, CANDIDATE})
    student = PersonTeaching(registrations=(a_registration(),))
    digests = {
        digest(
            select(person, ACTIVITIES, audience, RULES, NOW),
            ACTIVITIES,
            settings="",
            audience=word_of(audience),
            usernames=frozenset(),
            last_day=None,
        )
        for person in (student, PERSON)
    }
    assert len(digests) == 2


def test_another_role_moves_no_digest_until_its_settings_differ() -> None:
    before = CalendarSettings(rules=dict.fromkeys(TWO, RULES), styles=dict.fromkeys(TWO, STYLE))
    same = CalendarSettings(rules=dict.fromkeys(ALL, RULES), styles=dict.fromkeys(ALL, STYLE))
    assert same.digest == before.digest
    assert condensed_to(BOTH, same) == condensed_to(BOTH, before)
    assert SETTINGS.digest != before.digest
    other_rules = replace(same, rules=SETTINGS.rules)
    assert len({before.digest, SETTINGS.digest, other_rules.digest}) == 3


def test_time_brings_what_a_role_says_that_it_brings() -> None:
    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class Later(Candidate):
        def first_days(self, person: PersonTeaching, rules: Rules) -> list[date]:
            return [(NOW + 2 * DAY).date()]

    later = Later(name="later", precedence=4)
    moment = changes_at(PERSON, (), ACTIVITIES, [later], RULES, NOW)
    assert moment is not None
    assert moment.astimezone(OSLO).date() == (NOW + 2 * DAY).date()


# -- words -------------------------------------------------------------------------------------------


def test_the_words_in_the_database_are_what_they_were() -> None:
    words = {"student": {STUDENT}, "teacher": {TEACHER}, "both": {STUDENT, TEACHER}}
    assert words.items() <= AUDIENCES.items()
    with pytest.raises(ValueError, match="dean"):
        audience_of("dean")


def test_every_audience_has_a_word_of_its_own_that_fits_its_column() -> None:
    assert len(AUDIENCES) == 2 ** len(ROLES) - 1
    for word, audience in AUDIENCES.items():
        assert audience_of(word) == audience
        assert word_of(audience) == word
        assert len(word) <= 8


def test_an_audience_with_a_new_role_has_a_short_word() -> None:
    assert word_of(frozenset({CANDIDATE})) == "phd"
    assert word_of(frozenset({STUDENT, CANDIDATE})) == "p+s"
    assert word_of(frozenset(ALL)) == "p+s+t"


def test_a_role_s_name_on_the_list_means_every_audience_that_has_it() -> None:
    assert words_with([]) == set()
    for name, other in (("student", "teacher"), ("teacher", "student")):
        assert {name, "both"} <= words_with([name])
        assert other not in words_with([name])


def test_no_two_roles_have_one_name_or_one_precedence() -> None:
    assert len({role.name for role in ROLES}) == len(ROLES)
    assert len({role.precedence for role in ROLES}) == len(ROLES)
