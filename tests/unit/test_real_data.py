"""Others' answers are tried where they are given, said to be missing where they are not."""

import hashlib
import os
from pathlib import Path

import pytest

from tests import real_data


def test_without_a_directory_a_test_says_that_it_did_not_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(real_data.VARIABLE, raising=False)
    with pytest.raises(pytest.skip.Exception, match="nothing was tried on real answers"):
        real_data.path("tp/course.json")
    with pytest.raises(FileNotFoundError, match=real_data.VARIABLE):
        real_data.existing("tp/course.json")


def test_a_file_that_is_missing_in_a_given_directory_fails_the_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(real_data.VARIABLE, str(tmp_path))
    with pytest.raises(pytest.fail.Exception, match=r"holds no tp/course\.json"):
        real_data.path("tp/course.json")


def test_no_file_of_the_tests_is_word_for_word_one_of_other_people() -> None:
    def digests(directory: Path) -> dict[str, str]:
        files = (f for f in directory.rglob("*") if f.is_file() and f.stat().st_size > 200)
        return {hashlib.sha256(file.read_bytes()).hexdigest(): file.name for file in files}

    given = os.environ.get("KALENDER_TEST_REAL_DATA")
    if not given:
        pytest.skip("KALENDER_TEST_REAL_DATA is not given: nothing was compared with it")
    ours, theirs = digests(Path(__file__).parents[1] / "data"), digests(Path(given))
    assert sorted(ours[digest] for digest in ours.keys() & theirs.keys()) == []
