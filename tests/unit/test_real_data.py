"""Others' answers are tried where they are given, said to be missing where they are not."""

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
