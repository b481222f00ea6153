"""Answers of the real systems and a real term: others' work, read where it lies, never shipped.

KALENDER_TEST_REAL_DATA names a directory with `tp/`, `fs/`, `ews/`, `notifications/` and
`university-*.tar.gz`. Without it a test that needs one of them says that it did not run; where it
is named and a file is missing, the test fails.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

VARIABLE = "KALENDER_TEST_REAL_DATA"
NOT_GIVEN = f"{VARIABLE} is not given: nothing was tried on real answers"


class NotGiven(FileNotFoundError):
    """No directory is named."""


def path(name: str) -> Path:
    """Return a file by its name in the directory; the test is skipped where none is given."""
    if not os.environ.get(VARIABLE):
        pytest.skip(NOT_GIVEN)
    try:
        return existing(name)
    except FileNotFoundError as error:
        pytest.fail(str(error), pytrace=False)


def existing(pattern: str) -> Path:
    """Return the file that a pattern names, outside of tests too.

    Raises FileNotFoundError, which is NotGiven where no directory is named.
    """
    given = os.environ.get(VARIABLE)
    if not given:
        raise NotGiven(NOT_GIVEN)
    files = sorted(Path(given).glob(pattern))
    if not files:
        raise FileNotFoundError(f"{VARIABLE}={given} holds no {pattern}")
    return files[0]


def read(name: str) -> Any:
    """Return what a JSON file holds."""
    return json.loads(path(name).read_text("utf-8"))


def unpack_term(directory: Path) -> Path:
    """Unpack the real term into a directory; return the university's own. FileNotFoundError."""
    shutil.unpack_archive(existing("university-*.tar.gz"), directory)
    return next(place for place in directory.iterdir() if place.is_dir())


def term(directory: Path) -> Path:
    """Unpack the real term for a test, which is skipped where none is given."""
    path("university-*.tar.gz")
    return unpack_term(directory)
