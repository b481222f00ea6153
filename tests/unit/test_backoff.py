from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.backoff import missing, next_try

HOUR = timedelta(hours=1)
ATTEMPTS = st.integers(min_value=0, max_value=10**9)
JITTER = st.floats(min_value=0, max_value=1)


def test_delays_are_those_of_the_table() -> None:
    delays = [next_try(n, retry_after=None, jitter=0).total_seconds() for n in range(1, 13)]
    assert delays == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
    assert [missing(n) / timedelta(minutes=10) for n in range(1, 10)] == [
        1,
        2,
        4,
        8,
        16,
        32,
        64,
        72,
        72,
    ]


@given(ATTEMPTS, st.none() | st.timedeltas(), JITTER)
def test_a_delay_stays_within_its_bounds(
    attempts: int, retry_after: timedelta | None, jitter: float
) -> None:
    delay = next_try(attempts, retry_after=retry_after, jitter=jitter)
    assert timedelta(seconds=4) <= delay <= HOUR
    assert delay >= min(retry_after or HOUR * 0, HOUR)


@given(JITTER, JITTER)
def test_delays_never_shrink_whatever_the_jitter(one: float, other: float) -> None:
    waits = [next_try(n, retry_after=None, jitter=jitter) for n, jitter in ((1, one), (2, other))]
    assert waits[0] < waits[1]
    assert all(missing(n) <= missing(n + 1) for n, _ in pairwise(range(20)))


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (7200, 3600), (1, 5), (-9, 5)])
def test_the_servers_word_counts_up_to_an_hour(asked: int, waited: int) -> None:
    delay = next_try(1, retry_after=timedelta(seconds=asked), jitter=0)
    assert delay == timedelta(seconds=waited)
