"""Plans let people in and out at their pace, stop at the first trouble, and go on, on both databases."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from kalender.domain.work import Kind
from kalender.errors import MailboxDenied
from kalender.neighbours import breaker
from kalender.ports import ItemError, ItemOutcome
from kalender.store import acts, brakes, queue, rollout_plans, rollouts
from kalender.store.database import Database, database_time
from kalender.store.rollout_plans import RolloutPlan
from kalender.worker.rollout import advance_plans
from tests.fakes.house import House, activity, crew_of, event

pytestmark = pytest.mark.integration
STUDENTS = range(1, 6)
COURSE = ("course", "IN1000")


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """Five students with a lecture each, of whom nobody is switched on."""
    house = House(open_database(), rollout_mode="listed")
    house.teach(event(1))
    for number in STUDENTS:
        house.enrol(number)
    assert house.settle() == []
    assert written(house) == 0
    return house


def make(
    house: House,
    act: str = "add",
    *,
    per_hour: float | None = 60,
    days: int = 0,
    take_back: bool = False,
) -> int:
    """Make a plan by the course; return its number."""
    with house.database.write() as connection:
        from_at = database_time(connection) + timedelta(days=days) if days else None
        return rollout_plans.make(
            connection,
            act,
            COURSE,
            take_back=take_back,
            from_at=from_at,
            per_hour=per_hour,
            who="test",
        )


def only(house: House) -> RolloutPlan:
    with house.database.read() as connection:
        (plan,) = rollout_plans.all_of(connection)
    return plan


def state(house: House) -> tuple[str, int, int, int]:
    """Return the plan's state, how many calendars it has, gave their turn, and saw settled."""
    plan = only(house)
    with house.database.read() as connection:
        so_far = rollout_plans.progress(connection, plan)
    return plan.state, so_far.calendars, so_far.given, so_far.settled


def pass_(house: House, minutes: float = 1) -> None:
    """Let time pass, the plan be looked at, and the work be done."""
    house.later(60 * minutes)
    advance_plans(crew_of(house))
    house.settle()


def written(house: House) -> int:
    return sum(bool(house.shown(number)) for number in STUDENTS)


def listed(house: House) -> list[tuple[str, str]]:
    with house.database.read() as connection:
        return list(rollouts.listed(connection))


def inside(house: House) -> int:
    with house.database.read() as connection:
        return len(rollouts.inside(connection, "listed"))


def resume(house: House, per_hour: float | None = None) -> None:
    with house.database.write() as connection:
        rollout_plans.resume(connection, only(house), who="test", per_hour=per_hour)


def test_a_plan_lets_one_in_after_the_other_and_then_lists_its_criterion(house: House) -> None:
    make(house)
    for count in STUDENTS:
        pass_(house)
        assert (inside(house), written(house)) == (count, count)
        assert listed(house) == []
    pass_(house)
    assert state(house) == ("done", 5, 5, 5)
    assert listed(house) == [COURSE]
    house.enrol(6)
    assert house.settle() == []
    assert len(house.shown(6)) == 1


def test_nobody_is_let_in_before_the_day_nor_faster_after_a_stop(house: House) -> None:
    make(house, days=1)
    pass_(house)
    assert state(house) == ("planned", 0, 0, 0)
    pass_(house, 24 * 60)
    assert state(house)[:3] == ("running", 5, 1)
    advance_plans(crew_of(house))  # too early for another look
    assert state(house)[:3] == ("running", 5, 1)
    pass_(house, 180)
    assert state(house)[:3] == ("running", 5, 2)


def test_without_a_pace_all_are_let_in_at_once(house: House) -> None:
    make(house, per_hour=None)
    pass_(house)
    assert (written(house), listed(house)) == (5, [])
    pass_(house)
    assert (state(house)[0], listed(house)) == ("done", [COURSE])


def test_where_the_list_says_nothing_a_plan_waits(house: House) -> None:
    make(house)
    house.rollout_mode = "off"
    pass_(house)
    assert state(house)[0] == "planned"


def test_who_comes_or_goes_while_a_plan_runs_is_inside_at_its_end(house: House) -> None:
    make(house)
    pass_(house)
    first = next(number for number in STUDENTS if house.shown(number))
    house.teach(event(1, key=activity(course="MAT1000")), course="MAT1000")
    house.enrol(first, course="MAT1000")
    house.enrol(6)
    assert house.settle() == []
    assert [item.content.subject[:7] for item in house.shown(first)] == ["MAT1000"]
    for _ in range(8):
        pass_(house)
    assert state(house)[0] == "done"
    assert len(house.shown(6)) == 1
    assert inside(house) == 6


def parked(house: House) -> None:
    """Let a worker lay aside the calendar that has just been let in."""
    claim = house.claim([Kind.CALENDAR])
    assert claim is not None
    with house.database.write() as connection:
        queue.park(connection, claim, error="no", after=timedelta(minutes=1))


def denied(house: House) -> None:
    def refuse(_operation: str, _mailbox: str) -> None:
        raise MailboxDenied("access denied")

    house.exchange.before = refuse
    house.settle()
    house.exchange.before = lambda _operation, _mailbox: None


def refused(house: House) -> None:
    error = ItemError(code="ErrorInvalidRequest", outcome=ItemOutcome.REFUSED)
    house.exchange.item_error = lambda _operation, _entry: error
    house.settle()
    house.exchange.item_error = lambda _operation, _entry: None


def braked(house: House) -> None:
    with house.database.write() as connection:
        brakes.put(connection, "institution", "holding", "too many")
    house.settle()


def paused(house: House) -> None:
    with house.database.write() as connection:
        until = database_time(connection) + timedelta(days=1)
        breaker.hold(connection, "exchange.main", until=until, reason="patches", by="test")


def away(house: House) -> None:
    with house.database.write() as connection:
        for key in ("1", "2", "3"):
            breaker.failed(connection, "exchange.main", key=key, error="away")


@pytest.mark.parametrize(
    ("break_", "reason"),
    [
        (parked, "1 calendar laid aside (kalender parked)"),
        (denied, "1 calendar in a mailbox that refuses us"),
        (refused, "1 calendar with entries that Exchange refused"),
        (braked, "the brake institution holds"),
        (paused, "exchange.main is paused"),
        (away, "exchange.main is paused"),
    ],
)
def test_the_first_trouble_pauses_a_plan(
    house: House, break_: Callable[[House], None], reason: str
) -> None:
    make(house)
    house.later(60)
    advance_plans(crew_of(house))
    break_(house)
    pass_(house)
    assert (only(house).state, only(house).reason) == ("paused", reason)
    pass_(house, 10)
    assert state(house)[:3] == ("paused", 5, 1)
    assert inside(house) == 1
    with house.database.read() as connection:
        told = acts.acts(connection, acts.Filter(what="rollout pause"))
    assert [(act.who, act.scope, act.reason) for act in told] == [
        ("service", "course IN1000", f"plan {only(house).plan_id}: {reason}")
    ]


@pytest.mark.parametrize("break_", [parked, denied, refused])
def test_a_plan_that_is_resumed_knows_the_old_trouble_and_stops_at_the_next(
    house: House, break_: Callable[[House], None]
) -> None:
    make(house)
    house.later(60)
    advance_plans(crew_of(house))
    break_(house)
    pass_(house)
    resume(house, per_hour=120)
    pass_(house, 0.6)
    assert state(house)[:3] == ("running", 5, 2)
    house.later(40)
    advance_plans(crew_of(house))
    assert state(house)[:3] == ("running", 5, 3)
    break_(house)
    pass_(house)
    assert only(house).state == "paused"


def test_a_trouble_that_is_over_is_forgotten_and_the_plan_runs_to_its_end(house: House) -> None:
    make(house)
    house.later(60)
    advance_plans(crew_of(house))
    parked(house)
    pass_(house)
    with house.database.read() as connection:
        assert rollout_plans.progress(connection, only(house)).troubles == {"parked": 1}
    for number in STUDENTS:
        house.mark(Kind.PERSON, f"fs {number}")  # unparks
    pass_(house)
    pass_(house)
    with house.database.read() as connection:
        assert rollout_plans.progress(connection, only(house)).troubles == {}
    resume(house)
    for _ in range(7):
        pass_(house)
    assert state(house) == ("done", 5, 5, 5)
    assert written(house) == 5


def test_a_neighbour_that_is_back_lets_a_resumed_plan_go_on_and_before_it_does_not(
    house: House,
) -> None:
    make(house)
    pass_(house)
    paused(house)
    pass_(house)
    resume(house)
    pass_(house)
    assert only(house).state == "paused"
    with house.database.write() as connection:
        breaker.let_go(connection, "exchange.main")
    resume(house)
    pass_(house)
    assert state(house)[:3] == ("running", 5, 2)


@pytest.mark.parametrize("take_back", [True, False])
def test_people_are_let_out_one_after_the_other(house: House, take_back: bool) -> None:
    with house.database.write() as connection:
        rollouts.add(connection, *COURSE[:1], [COURSE[1]])
        rollouts.switch_on(connection, rollouts.inside(connection, "listed"))
    assert house.settle() == []
    assert written(house) == 5
    make(house, "remove", take_back=take_back)
    for count in STUDENTS:
        pass_(house)
        assert inside(house) == 5 - count
        assert written(house) == (5 - count if take_back else 5)
        assert listed(house) == [COURSE]
    pass_(house)
    assert (state(house)[0], listed(house), inside(house)) == ("done", [], 0)
    house.resync()
    assert house.settle() == []
    assert written(house) == (0 if take_back else 5)


def test_who_is_inside_by_something_else_is_not_let_out(house: House) -> None:
    with house.database.write() as connection:
        rollouts.add(connection, "course", [COURSE[1]])
        rollouts.add(connection, "person", ["1"])
        rollouts.switch_on(connection, rollouts.inside(connection, "listed"))
    assert house.settle() == []
    make(house, "remove", per_hour=None, take_back=True)
    pass_(house)
    pass_(house)
    assert state(house) == ("done", 4, 4, 4)
    assert (inside(house), written(house)) == (1, 1)


def test_an_ended_plan_leaves_nobody_inside_and_is_forgotten_by_age(house: House) -> None:
    make(house)
    pass_(house)
    with house.database.write() as connection:
        rollout_plans.end(connection, only(house))
    assert inside(house) == 0
    pass_(house)
    assert state(house)[:3] == ("ended", 5, 1)
    with house.database.read() as connection:
        assert not rollout_plans.is_any_due(connection)
