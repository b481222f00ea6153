"""How many pages are answered, to one name and to all together."""

from kalender.web.sessions import PageLimit, Rate


def test_after_a_rest_many_pages_are_answered_at_once_and_then_so_many_a_second() -> None:
    now = 0.0
    limit = PageLimit(Rate(10, 50), Rate(1000, 1000), clock=lambda: now)
    assert [limit.allows("kari") for _ in range(51)] == [True] * 50 + [False]
    assert limit.allows("ola")
    now = 1.0
    assert [limit.allows("kari") for _ in range(11)] == [True] * 10 + [False]
    now = 1_000.0
    assert [limit.allows("kari") for _ in range(51)] == [True] * 50 + [False]


def test_all_names_together_are_answered_so_many_and_a_refusal_costs_nobody_a_page() -> None:
    now = 0.0
    limit = PageLimit(Rate(10, 50), Rate(20, 100), clock=lambda: now)
    names = ("kari", "ola", "per")
    assert [sum(limit.allows(name) for _ in range(60)) for name in names] == [50, 50, 0]
    now = 1.0
    assert [sum(limit.allows(name) for _ in range(60)) for name in ("per", *names)] == [20, 0, 0, 0]
    now = 1_000.0
    assert [sum(limit.allows(name) for _ in range(60)) for name in names] == [50, 50, 0]


def test_how_many_were_refused_is_told_once_a_minute() -> None:
    now = 0.0
    limit = PageLimit(Rate(1, 2), Rate(1, 2), clock=lambda: now)
    told = [limit.refusals_to_tell() for _ in range(5) if not limit.allows("kari")]
    assert told == [1, 0, 0]
    now = 61.0
    assert [limit.allows("kari") for _ in range(4)] == [True, True, False, False]
    assert limit.refusals_to_tell() == 4
