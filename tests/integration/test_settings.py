"""What settings decide is compared with what stands, on both databases."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from kalender.domain.model import Registration
from kalender.domain.work import Lane
from kalender.operate import queries
from kalender.store import people, rollouts
from kalender.store.database import Database
from tests.fakes.house import MONDAY, House, activity, event

pytestmark = pytest.mark.integration
OTHER = "MAT1000"


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def lectures(house: House, course: str = "IN1000", room: str = "Java") -> None:
    """Two lectures of a course."""
    key = activity(course=course)
    days = [MONDAY + timedelta(days=n + 1) for n in range(2)]
    house.teach(
        *[event(n, key=key, starts=day, room=room) for n, day in enumerate(days)], course=course
    )


def takes(house: House, *courses: str) -> None:
    """Let FS answer that the person takes these courses."""
    house.enrol(1)
    units = [activity(course=course).unit for course in courses]
    registrations = tuple(Registration(unit=unit, offer_status="I") for unit in units)
    house.students.facts[1] = replace(house.students.facts[1], registrations=registrations)


def rooms(house: House) -> set[tuple[str, str]]:
    """What course, and where."""
    return {(item.content.subject[:7].strip(), item.content.location) for item in house.shown(1)}


def test_who_withdraws_from_the_course_of_the_roll_out_stays_inside_for_the_others(
    house: House,
) -> None:
    house.rollout_mode = "listed"
    lectures(house)
    lectures(house, OTHER)
    takes(house, "IN1000", OTHER)
    with house.database.write() as connection:
        rollouts.add(connection, "course", ["IN1000"])
    assert house.settle() == []
    assert {course for course, _ in rooms(house)} == {"IN1000", OTHER}
    takes(house, OTHER)
    assert house.settle() == []
    with house.database.write() as connection:
        people.mark_calendars(connection, [1], reason="test", lane=Lane.ASKED)
    lectures(house, OTHER, room="Perl")
    assert house.settle() == []
    assert [item.content.subject[:7] for item in house.shown(1)] == [OTHER, OTHER]
    assert all("Perl" in room for _, room in rooms(house))
    with house.database.write() as connection:
        before = rollouts.inside(connection, "listed")
        rollouts.remove(connection, "course", ["IN1000"])
        assert before
        assert rollouts.inside(connection, "listed") == set()


def test_a_calendar_that_no_mark_reached_is_filled_by_the_next_resync(house: House) -> None:
    house.rollout_mode = "off"
    lectures(house)
    takes(house, "IN1000")
    house.resync()
    assert house.settle() == []
    assert house.shown(1) == []
    house.rollout_mode = "all"
    assert house.resync().decided.joining == 1
    assert house.settle() == []
    assert len(house.shown(1)) == 2
    house.forget_requests()
    assert house.resync().decided.joining == 0
    assert house.settle() == []
    assert house.exchange.requests == []


def test_a_teacher_whose_mail_domain_is_ours_again_is_written_at_once(house: House) -> None:
    house.domains = frozenset({"elsewhere.example"})
    key = activity()
    house.teach(event(1, key=key, staff=["user7"]))
    assert house.settle() == []
    assert house.shown(7) == []
    house.domains = frozenset({"uio.example"})
    house.teach(event(1, key=key, staff=["user7"], room="Perl"))
    assert house.settle() == []
    assert len(house.shown(7)) == 1


def test_who_comes_back_into_a_mail_domain_is_written_without_a_change_of_teaching(
    house: House,
) -> None:
    lectures(house)
    takes(house, "IN1000")
    house.domains = frozenset({"elsewhere.example"})
    house.resync()
    assert house.settle() == []
    assert house.shown(1) == []
    house.domains = frozenset({"uio.example"})
    assert house.resync().decided.reopened == 1
    assert house.settle() == []
    assert len(house.shown(1)) == 2


@pytest.mark.parametrize(("events", "held"), [(9, 0), (12, 12)])
def test_a_course_that_is_skipped_from_now_on_is_taken_out_or_held_if_it_is_much(
    house: House, events: int, held: int
) -> None:
    days = [MONDAY + timedelta(days=n + 1) for n in range(events)]
    told = [event(n, starts=day, staff=["user7"]) for n, day in enumerate(days)]
    house.teach(*told)
    house.resync()
    assert house.settle() == []
    assert len(house.shown(7)) == events
    house.forget_requests()
    house.skipped = "IN1000"
    house.resync()
    assert house.settle() == []
    assert len(house.shown(7)) == held
    assert house.timetables.asked == []
    with house.database.read() as connection:
        assert [brake.held for brake in queries.standing_brakes(connection)] == (
            [held] if held else []
        )
    house.skipped = "EKSAMEN"
    house.resync()
    assert house.settle() == []
    assert len(house.shown(7)) == events
    with house.database.read() as connection:
        assert queries.standing_brakes(connection) == []
