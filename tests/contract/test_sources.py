"""The sources on the sandbox, in both forms of FS' collections; and the fakes beside them."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any

import pytest

from kalender.domain.model import Account, BadItem, CourseKey, PersonFacts
from kalender.errors import NeighbourRefused, NotFoundInSource
from kalender.ports import Students, Timetables
from kalender.sources.tp import read_course
from tests.fakes.sources import FakeStudents, FakeTimetables
from tests.fakes.university import (
    ANSWER,
    FACTS,
    H25,
    IN5060,
    NEWCOMER,
    NOBODY,
    ORGANISATIONS,
    SECRET,
    STUDENT,
    TEACHER,
    V26,
    Opened,
    control,
)

# -- students ----------------------------------------------------------------------------------------


@pytest.fixture(params=["fields", "ids", "fake"])
def students(request: pytest.FixtureRequest, opened: Opened) -> Students:
    """FS in each of its forms; and the fake, which has to say the same."""
    if request.param == "fake":
        return FakeStudents(facts=dict(FACTS))
    control(opened.sandbox, "PUT", "/fs/form", {"form": request.param})
    return opened.fs()


def without_statuses(facts: PersonFacts) -> PersonFacts:
    told = tuple(replace(each, offer_status=None) for each in facts.registrations)
    return replace(facts, registrations=told)


@pytest.mark.parametrize("number", list(FACTS))
def test_a_person_is_told_whole_whatever_the_form(students: Students, number: int) -> None:
    facts = students.person(number, [V26, H25])
    assert without_statuses(facts) == without_statuses(FACTS[number])
    told = {each.offer_status for each in facts.registrations}
    assert told in ({each.offer_status for each in FACTS[number].registrations}, {None})
    assert SECRET not in repr(facts)


def test_only_the_semesters_asked_for_are_told(students: Students) -> None:
    facts = students.person(STUDENT, [V26])
    assert [each.unit.semester for each in facts.registrations] == ["26v"]
    assert [each.semester for each in facts.placements] == ["26v"]
    assert [each.number for each in students.person(TEACHER, [V26]).roles] == [3]
    assert students.person(STUDENT, []).registrations == ()


def test_whom_fs_does_not_know_is_not_found(students: Students) -> None:
    with pytest.raises(NotFoundInSource):
        students.person(NOBODY, [H25])


def test_an_account_is_found_by_its_username(students: Students) -> None:
    assert students.find_username("olan") == STUDENT
    assert students.find_username("nobody") is None


def test_an_offer_status_can_be_asked_for_singly(students: Students) -> None:
    for each in FACTS[STUDENT].registrations:
        assert students.offer_status(STUDENT, each.unit) == each.offer_status


def by_person(found: Iterable[Sequence[tuple[int, Any]]]) -> dict[int, list[Any]]:
    told: dict[int, list[Any]] = {}
    for number, fact in chain.from_iterable(found):
        told.setdefault(number, []).append(fact)
    return told


def test_collections_tell_the_same_as_the_persons_singly(students: Students) -> None:
    assert {each.fs_number for each in chain.from_iterable(students.accounts())} == FACTS.keys()
    for semester in (H25, V26):
        registrations = by_person(students.registrations(semester))
        placements = by_person(students.placements(semester))
        roles = by_person(students.roles(semester))
        for number in FACTS:
            facts = students.person(number, [semester])
            assert registrations.get(number, []) == list(facts.registrations)
            assert placements.get(number, []) == list(facts.placements)
            assert roles.get(number, []) == list(facts.roles)
    assert by_person(students.registrations(V26.next)) == {}


def test_with_ids_alone_accounts_are_not_told(opened: Opened) -> None:
    fs = opened.fs()
    assert list(chain.from_iterable(fs.accounts())) == [facts.account for facts in FACTS.values()]
    control(opened.sandbox, "PUT", "/fs/form", {"form": "ids"})
    assert set(chain.from_iterable(fs.accounts())) == {Account(fs_number=each) for each in FACTS}


@pytest.mark.parametrize("page_size", [1, 2, 3, 1000])
def test_pages_of_any_size_make_the_same_whole(opened: Opened, page_size: int) -> None:
    fs = opened.fs(page_size)
    assert fs.person(STUDENT, [H25, V26]) == FACTS[STUDENT]
    pages = list(fs.registrations(H25))
    assert all(0 < len(page) <= page_size for page in pages)
    assert by_person(pages)[STUDENT] == list(FACTS[STUDENT].registrations[:2])


def test_other_institutions_are_left_out(opened: Opened) -> None:
    facts = opened.fs().person(STUDENT, [H25])
    assert facts.registrations == FACTS[STUDENT].registrations[:2]
    assert facts.placements == FACTS[STUDENT].placements[:1]


def test_a_person_costs_a_handful_of_requests(opened: Opened) -> None:
    opened.fs(1000).person(STUDENT, [H25, V26])
    assert control(opened.sandbox, "GET", "/counters")["fs"] == 6  # 1, 2 terms, 1, 2 years


def test_a_password_opens_fs_as_a_key_does(opened: Opened) -> None:
    fs = opened.fs(username="kalender", password="kalender")
    assert fs.person(STUDENT, [H25, V26]) == FACTS[STUDENT]
    with pytest.raises(NeighbourRefused, match=r"\[fs\]") as caught:
        opened.fs(username="kalender", password="wrong").person(STUDENT, [H25])
    assert "wrong" not in str(caught.value)


# -- what roll-outs go by ----------------------------------------------------------------------------


@pytest.fixture(params=["fields", "ids", "fake"])
def members(request: pytest.FixtureRequest, opened: Opened) -> Students:
    """FS whose organisation codes and study rights are read, of which one employs the teacher."""
    if request.param == "fake":
        told = {STUDENT: frozenset({"INF-B", "LEK-M"})}
        facts = {
            number: replace(each, programmes=told.get(number, frozenset()))
            for number, each in FACTS.items()
        }
        account = replace(facts[TEACHER].account, organisation="185,15,5,0")
        facts[TEACHER] = replace(facts[TEACHER], account=account)
        return FakeStudents(facts=facts, organisations=ORGANISATIONS)
    control(opened.sandbox, "PUT", "/fs/form", {"form": request.param})
    return opened.fs(organisations=True, programmes=True)


def test_units_are_told_of_the_courses_asked_for_in_any_letters(members: Students) -> None:
    pages = members.course_organisations(["in1000", "MAT-INF 1.1", "ABIO6050", "NONE"])
    assert pages is not None
    assert list(chain.from_iterable(pages)) == ORGANISATIONS


def test_active_study_rights_are_told_by_collection_and_singly(members: Students) -> None:
    pages = members.programmes()
    assert pages is not None
    assert by_person(pages) == {STUDENT: ["INF-B", "LEK-M"]}
    assert members.person(STUDENT, [H25]).programmes == frozenset({"INF-B", "LEK-M"})
    assert members.person(NEWCOMER, [H25]).programmes == frozenset()


def test_a_teacher_is_told_with_the_unit_that_employs_them(members: Students) -> None:
    assert members.person(TEACHER, [H25]).account.organisation == "185,15,5,0"
    assert not members.person(STUDENT, [H25]).account.organisation


def test_nothing_of_it_is_asked_for_without_the_settings(opened: Opened) -> None:
    fs = opened.fs()
    assert fs.programmes() is None
    assert fs.course_organisations(["IN1000"]) is None
    facts = fs.person(TEACHER, [H25])
    assert (facts.programmes, facts.account.organisation) == (None, None)


# -- timetables --------------------------------------------------------------------------------------


@pytest.fixture(params=["sandbox", "fake"])
def timetables(request: pytest.FixtureRequest, opened: Opened) -> Timetables:
    if request.param == "fake":
        answer = read_course(ANSWER, IN5060)
        return FakeTimetables(answers={IN5060: answer})
    return opened.tp()


def test_a_course_is_told_whole(timetables: Timetables) -> None:
    answer = timetables.course(IN5060)
    assert answer == read_course(ANSWER, IN5060)
    assert (len(answer.events), answer.published, answer.bad) == (27, True, ())


def test_courses_are_listed_without_what_is_skipped(timetables: Timetables) -> None:
    assert timetables.courses(H25) == ["IN5060"]
    assert timetables.courses(V26) == []


def test_a_course_that_tp_does_not_plan_is_an_empty_answer(timetables: Timetables) -> None:
    answer = timetables.course(CourseKey("NONE 1/2", "25h"))
    assert (answer.events, answer.published) == ((), True)


def test_the_other_form_tells_the_same(opened: Opened) -> None:
    paths = {"course": "tp/prod/ws/1.4/course.php?id={course}&sem={semester}&lang=no"}
    other = opened.tp(paths=paths)
    assert other.course(IN5060) == opened.tp().course(IN5060)


def test_what_changed_since_is_asked_for_in_local_time(opened: Opened) -> None:
    tp, now = opened.tp(), datetime.fromtimestamp(time.time(), UTC)
    assert tp.changed_since(now - timedelta(days=1)) == []
    control(opened.sandbox, "PUT", "/tp/IN9999?sem=26v", {"events": []})
    assert tp.changed_since(now - timedelta(minutes=1)) == [CourseKey("IN9999", "26v")]
    assert tp.changed_since(now + timedelta(minutes=30)) == []
    assert control(opened.sandbox, "DELETE", "/tp/IN9999?sem=26v") == {"deleted": True}


ODD_ROLES: list[dict[str, Any]] = [
    {"periode": {"fraDato": "", "tilDato": ""}},
    {"periode": {"fraDato": "31.08.2026"}},
    {"periode": {"fraDato": "0000-00-00"}},
    {"rolle": {}},
]


@pytest.mark.parametrize("changes", ODD_ROLES, ids=str)
def test_a_role_that_cannot_be_read_is_left_out_counted_and_not_believed_gone(
    opened: Opened, changes: dict[str, Any]
) -> None:
    role = next(
        each
        for each in control(opened.sandbox, "GET", "/fs/personroller")
        if each["rollenummer"] == 1
    )
    fs, left_out = opened.fs(), list[BadItem]()
    control(opened.sandbox, "PUT", "/fs/personroller", {**role, **changes})
    try:
        told = by_person(fs.roles(H25, left_out.append)).get(TEACHER, [])
        facts = fs.person(TEACHER, [H25])
    finally:
        control(opened.sandbox, "PUT", "/fs/personroller", role)
    assert [each.number for each in told] == [2]
    assert facts.roles == tuple(each for each in FACTS[TEACHER].roles if each.number == 2)
    assert facts.untold == {"personroller"}
    assert left_out == list(facts.bad)
    assert [(each.item, each.fs_number) for each in left_out] == [(f"{TEACHER},1", TEACHER)]
