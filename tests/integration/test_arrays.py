"""Arrays reach PostgreSQL as they are, whatever is in them."""

from collections.abc import Iterator
from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import DataError
from sqlalchemy import Boolean, Integer, String, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY

from kalender.store.database import Database
from kalender.store.sql import Instant
from tests import servers
from tests.factories import NOW

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"], min_codepoint=1)))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda each: timezone(timedelta(minutes=each)))
TIMES = st.builds(
    lambda by, zone: (NOW + by).astimezone(zone),
    st.timedeltas(timedelta(-80_000), timedelta(2_000_000)),
    ZONES,
)


@pytest.fixture(scope="module")
def postgresql(running: dict[str, str]) -> Iterator[Database]:
    database = Database(running[servers.DATABASE])
    yield database
    database.close()


def returned(database: Database, given_: list[object], kind: object) -> object:
    query = select(bindparam("told", given_, type_=ARRAY(kind)))  # type: ignore[var-annotated, arg-type]
    with database.read() as connection:
        return connection.execute(query).scalar_one()


@pytest.mark.parametrize(
    "told",
    [
        [],
        ["a"],
        ["", "null", "NULL"],
        ['a"b', "{x}", "a,b"],
        ['","'],
        ["\\"],
        [None, "a"],
        ["a\nb"],
    ],
)
def test_awkward_texts(postgresql: Database, told: list[object]) -> None:
    assert returned(postgresql, told, String) == told


@given(told=TEXTS)
def test_any_texts(postgresql: Database, told: list[object]) -> None:
    assert returned(postgresql, told, String) == told


@given(told=st.lists(st.none() | TIMES))
def test_any_times(postgresql: Database, told: list[object]) -> None:
    assert returned(postgresql, told, Instant) == told


@given(told=st.lists(st.none() | st.integers(-(2**31), 2**31 - 1)))
def test_any_numbers(postgresql: Database, told: list[object]) -> None:
    assert returned(postgresql, told, Integer) == told


@given(told=st.lists(st.none() | st.booleans()))
def test_yes_and_no(postgresql: Database, told: list[object]) -> None:
    assert returned(postgresql, told, Boolean) == told


def test_what_postgresql_cannot_hold_is_an_error(postgresql: Database) -> None:
    with pytest.raises(Exception, match=r"NUL|0x00") as caught:
        returned(postgresql, ["a\0b", "c"], String)
    assert isinstance(getattr(caught.value, "orig", caught.value), DataError)
