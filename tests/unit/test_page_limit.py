"""How many pages are answered to one name."""

from kalender.web.sessions import PageLimit


def test_after_a_rest_many_pages_are_answered_at_once_and_then_so_many_a_second() -> None:
    now = 0.0
    limit = PageLimit(10.0, 200, clock=lambda: now)
    assert [limit.allows("kari") for _ in range(201)] == [True] * 200 + [False]
    assert limit.allows("ola")
    now = 1.0
    assert [limit.allows("kari") for _ in range(11)] == [True] * 10 + [False]
    now = 1_000.0
    assert [limit.allows("kari") for _ in range(201)] == [True] * 200 + [False]
