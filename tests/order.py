"""The order in which the tests begin: the longest first, on every worker of pytest-xdist.

`--dist worksteal` gives each worker one part of the list, as long as the others by number of tests,
and lets whoever is done take half of what the longest list still has, from its end. If the longest
tests all stood at the front of the list, one worker would have them all.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

LONGEST = (  # files, by how long they take
    "e2e/test_evening.py",
    "e2e/test_chaos.py",
    "e2e/test_criteria.py",
    "e2e/test_takeover_trial.py",
    "fault/test_graph_limits.py",
    "e2e/test_real_term.py",
    "fault/test_neighbours.py",
    "e2e/test_metrics.py",
    "e2e/test_drills.py",
    "e2e/test_upgrade.py",
    "e2e/test_takeover_document.py",
    "e2e/test_demo.py",
    "e2e/test_cloud.py",
    "e2e/test_leaving_ews.py",
    "fault/test_databases.py",
    "e2e/web/test_person_browser.py",
    "e2e/test_moves.py",
    "e2e/test_why_causes.py",
    "e2e/test_documents.py",
    "e2e/test_failover.py",
)
THEN = ("e2e", "fault", "property", "integration")  # folders; whatever else there is comes last
Test = TypeVar("Test")


def dealt(tests: Sequence[Test], name: Callable[[Test], str], workers: int) -> list[Test]:
    """Return the same tests, so that each worker begins with its share of the longest files.

    `name` is a test's file below `tests/`. The tests of a file stay together, and in their order.
    """
    by_file: dict[str, list[Test]] = {}
    for test in tests:
        by_file.setdefault(name(test), []).append(test)
    others = sorted((file for file in by_file if file not in LONGEST), key=_rank)
    rest = [test for file in others for test in by_file[file]]
    there_and_back = [*range(workers), *reversed(range(workers))]
    shares: list[list[Test]] = [[] for _ in range(workers)]
    for place, file in enumerate(LONGEST):
        shares[there_and_back[place % len(there_and_back)]] += by_file.get(file, [])
    order: list[Test] = []
    for before, share in enumerate(shares):
        part = (len(tests) - len(order)) // (workers - before)  # as worksteal counts
        room = max(0, part - len(share))
        order += [*share, *rest[:room]]
        rest = rest[room:]
    return order


def _rank(name: str) -> int:
    places = (place for place, folder in enumerate(THEN) if name.startswith(f"{folder}/"))
    return next(places, len(THEN))
