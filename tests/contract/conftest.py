"""A small university on the sandbox, without faults at the start of each test."""

import os
from collections.abc import Iterator

import pytest

from kalender.sandbox.server import Running
from tests import ews_schema
from tests.fakes.university import Opened, control, write
from tests.served import start


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


@pytest.fixture(scope="session")
def microsofts_schema() -> ews_schema.Schema:
    """Microsoft's schema, where there is one."""
    return ews_schema.Schema(ews_schema.directory())


@pytest.fixture(autouse=True)
def _every_answer_is_of_the_schema(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hold whatever a test says to an EWS, and hears, to Microsoft's schema, where there is one."""
    if ews_schema.VARIABLE not in os.environ:
        yield
        return
    schema: ews_schema.Schema = request.getfixturevalue("microsofts_schema")
    with ews_schema.every_answer_judged(schema) as wrong:
        yield
    assert wrong == []
