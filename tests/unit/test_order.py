"""The tests begin in an order that leaves nobody waiting for one long test at the end."""

from pathlib import Path

from tests.order import LONGEST, dealt

TESTS = Path(__file__).parents[1]
REST = ["unit/test_text.py", "e2e/test_log.py", "integration/test_prune.py"]


def many() -> list[tuple[str, int]]:
    """Two tests of each of the longest files, among many others."""
    files = [*REST * 40, *LONGEST]
    return [(file, number) for file in files for number in range(2)]


def test_every_file_that_is_named_exists() -> None:
    assert [file for file in LONGEST if not (TESTS / file).is_file()] == []


def test_every_worker_begins_with_its_share_of_the_longest() -> None:
    for workers in (1, 2, 3, 4, 8):
        order = dealt(many(), lambda test: test[0], workers)
        assert sorted(order) == sorted(many())
        part = len(order) // workers
        first = [order[number * part][0] for number in range(workers)]
        assert first == list(LONGEST[:workers])


def test_what_is_not_long_goes_by_its_folder_and_a_file_stays_together() -> None:
    order = dealt(many(), lambda test: test[0], 1)
    files = [file for file, _ in order]
    assert files[: 2 * len(LONGEST) : 2] == list(LONGEST)
    assert list(dict.fromkeys(files[2 * len(LONGEST) :])) == [REST[1], REST[2], REST[0]]
    assert [number for file, number in order if file == LONGEST[0]] == [0, 1]


def test_a_few_tests_are_kept_whatever_the_workers() -> None:
    few = [(LONGEST[0], number) for number in range(5)]
    assert dealt(few, lambda test: test[0], 4) == few
    assert dealt(list[tuple[str, int]](), lambda test: test[0], 4) == []
