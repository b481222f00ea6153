"""A small university on the sandbox, without faults at the start of each test."""

from collections.abc import Iterator

import pytest

from kalender.sandbox.server import Running, start
from tests.fakes.university import Opened, control, write


@pytest.fixture(scope="module")
def small_university(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The sandbox; whoever changes the university puts it back."""
    with start(write(tmp_path_factory.mktemp("university"))) as sandbox:
        yield sandbox


@pytest.fixture
def opened(small_university: Running) -> Iterator[Opened]:
    """Its clients, closed afterwards."""
    control(small_university, "DELETE", "/faults")
    control(small_university, "DELETE", "/requests")
    control(small_university, "PUT", "/fs/form", {"form": "fields"})
    made = Opened(small_university)
    yield made
    for each in made.clients:
        each.session.close()
