"""Stuck is not idle: what a probe says of loops that turn, and of loops that do not."""

from datetime import timedelta

from kalender.liveness import Liveness
from kalender.operate.health import LEAST_WORK_SECONDS, STUCK_SECONDS, workers_alive, workers_ready

LEASE = timedelta(minutes=3)


class Clock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_process_that_turns_is_alive_however_little_there_is_to_do() -> None:
    clock = Clock()
    liveness = Liveness(clock)
    for _ in range(1000):
        liveness.turn()
        liveness.work()
        clock.now += STUCK_SECONDS - 1
        assert workers_alive([liveness], LEASE)() == []


def test_a_process_whose_first_loop_stands_is_stuck() -> None:
    clock = Clock()
    good, bad = Liveness(clock), Liveness(clock)
    bad.turn()
    clock.now += STUCK_SECONDS + 1
    good.turn()
    (complaint,) = workers_alive([good, bad], LEASE)()
    assert complaint == "stuck: worker process 2 keeps no house for 181 seconds"


def test_a_process_whose_hands_all_stand_is_stuck_but_may_take_long() -> None:
    clock = Clock()
    liveness = Liveness(clock)
    liveness.work()
    clock.now += LEAST_WORK_SECONDS - 1
    liveness.turn()
    assert workers_alive([liveness], LEASE)() == []
    clock.now += 2
    assert workers_alive([liveness], LEASE)() == [
        "stuck: worker process 1 does nothing for 901 seconds"
    ]
    assert workers_alive([liveness], timedelta(hours=1))() == []


def test_a_process_is_ready_when_it_has_begun_and_a_new_one_is_not_blamed() -> None:
    clock = Clock()
    liveness = Liveness(clock)
    assert workers_ready([liveness])() == ["worker process 1 has not begun"]
    liveness.turn()
    assert workers_ready([liveness])() == []
    clock.now += STUCK_SECONDS + 1
    liveness.begin()
    assert workers_alive([liveness], LEASE)() == []
