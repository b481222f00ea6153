"""What is written otherwise on PostgreSQL than on SQLite: instants, upserts, and many rows at once.

Instants are UTC everywhere: `timestamptz` on PostgreSQL, on SQLite a text of fixed width that sorts
in time and that people can read.

Many rows go to PostgreSQL as arrays, and to SQLite as one execution a row: a statement for each row
costs SQLAlchemy and the driver more than the row costs PostgreSQL.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self, TypeVar

from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Connection,
    DateTime,
    Delete,
    Dialect,
    FromClause,
    String,
    Table,
    TableValuedAlias,
    TypeDecorator,
    Update,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

from kalender.domain.work import FS

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Rows = Sequence[Mapping[str, Any]]
T = TypeVar("T")
SQLITE_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


# -- instants --------------------------------------------------------------------------------------


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, to the millisecond on SQLite."""

    impl = String(23)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """PostgreSQL has a type of its own for it."""
        if dialect.name == "postgresql":
            return dialect.type_descriptor(DateTime(timezone=True))
        return dialect.type_descriptor(String(23))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Write UTC."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.strftime(SQLITE_FORMAT)[:23]

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Read aware UTC."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            moment: datetime = value
            return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
        return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)


class db_now(FunctionElement[datetime]):  # noqa: N801
    """The database's clock, now or so many seconds from now: `db_now()`, `db_now(30.0)`."""

    name = "db_now"
    type = Instant()
    inherit_cache = True


@compiles(db_now, "postgresql")
def _postgresql_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    if not seconds:
        return "clock_timestamp()"
    return f"(clock_timestamp() + CAST({seconds} AS double precision) * interval '1 second')"


@compiles(db_now, "sqlite")
def _sqlite_now(element: db_now, compiler: SQLCompiler, **kw: Any) -> str:
    seconds = compiler.process(element.clauses, **kw)
    shift = f", printf('%+.3f seconds', {seconds})" if seconds else ""
    return f"strftime('%Y-%m-%d %H:%M:%f', 'now'{shift})"


# -- many rows -------------------------------------------------------------------------------------


def upsert(dialect: str, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Return an INSERT that may say ON CONFLICT, which each dialect of SQLAlchemy has for itself.

    A dialect is imported where it is used: PostgreSQL's brings all its drivers along, a tenth of the
    processor time that a command on SQLite takes from its start to its end.
    """
    if dialect == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # see above

        return postgresql.insert(table)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415  # see above

    return sqlite.insert(table)


def insert_many(connection: Connection, table: Table, rows: Rows, **constants: Any) -> None:
    """Insert rows of equal keys; `constants` holds the values that are the same in all of them."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table).values(**constants), list(rows))
        return
    statement = _insert(table, tuple(rows[0]), *_alike(constants))
    connection.execute(statement, _arrays(rows) | _params(constants))


def insert_missing(connection: Connection, table: Table, rows: Rows) -> None:
    """Insert rows of equal keys; one whose primary key is in the table stays as it stands there."""
    if not rows:
        return
    dialect = connection.dialect.name
    if dialect != "postgresql":
        connection.execute(upsert(dialect, table).on_conflict_do_nothing(), list(rows))
        return
    statement = _insert(table, tuple(rows[0]), (), ()).on_conflict_do_nothing()
    connection.execute(statement, _arrays(rows))


def update_many(
    connection: Connection, table: Table, rows: Rows, *, by: str, **constants: Any
) -> None:
    """Update the rows that `by` names, each with its own values and all with `constants`."""
    if not rows:
        return
    own_names = [name for name in rows[0] if name != by]
    if connection.dialect.name != "postgresql":
        values: dict[str, Any] = {name: bindparam(f"{name}_of") for name in own_names}
        is_named = table.c[by] == bindparam(f"{by}_of")
        params = [{f"{name}_of": value for name, value in row.items()} for row in rows]
        connection.execute(update(table).where(is_named).values(**constants, **values), params)
        return
    statement = _update(table, tuple(rows[0]), by, *_alike(constants))
    connection.execute(statement, _arrays(rows) | _params(constants))


def delete_many(
    connection: Connection, table: Table, names: Sequence[str], keys: Iterable[Sequence[Any]]
) -> None:
    """Delete the rows of which these columns hold one of these keys."""
    dialect = connection.dialect.name
    for part in in_parts(keys):
        connection.execute(_delete(table, tuple(names)), key_params(dialect, names, part))


# Making a statement costs more than running it; these are made once.


@lru_cache
def _insert(
    table: Table, names: tuple[str, ...], constants: tuple[str, ...], now: tuple[str, ...]
) -> "postgresql.Insert":
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415  # see `upsert`

    arrays, alike = _given(table, names), _same(table, constants, now)
    query = select(*arrays.c, *alike.values())
    return postgresql.insert(table).from_select([*names, *alike], query)


@lru_cache
def _update(
    table: Table, names: tuple[str, ...], by: str, constants: tuple[str, ...], now: tuple[str, ...]
) -> Update:
    arrays, alike = _given(table, names), _same(table, constants, now)
    own_names = {name: arrays.c[name] for name in names if name != by}
    return update(table).where(table.c[by] == arrays.c[by]).values(**alike, **own_names)


@lru_cache
def _delete(table: Table, names: Sequence[str]) -> Delete:
    return delete(table).where(key_in(table, names))


def _alike(constants: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Split the names of what is the same in all rows: told values, and the database's time."""
    now = tuple(name for name, value in constants.items() if isinstance(value, db_now))
    return tuple(name for name in constants if name not in now), now


def _same(
    table: Table, constants: tuple[str, ...], now: tuple[str, ...]
) -> dict[str, ColumnElement[Any]]:
    params = {name: bindparam(f"{name}_all", type_=table.c[name].type) for name in constants}
    return {**params, **dict.fromkeys(now, db_now())}


def _params(constants: Mapping[str, Any]) -> dict[str, Any]:
    return {
        f"{name}_all": value for name, value in constants.items() if not isinstance(value, db_now)
    }


def _given(table: Table, names: tuple[str, ...]) -> TableValuedAlias:
    """Return the rows as a table of PostgreSQL's."""
    arrays = [bindparam(f"{name}_of", type_=ARRAY(table.c[name].type)) for name in names]
    columns = [column(name, table.c[name].type) for name in names]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def _arrays(rows: Rows) -> dict[str, list[Any]]:
    return {f"{name}_of": [row[name] for row in rows] for name in rows[0]}


def is_one_of(connection: Connection, column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column holds one of many values: on PostgreSQL one array, whatever their number."""
    params = sorted(set(values))
    if connection.dialect.name == "postgresql":
        array = bindparam(None, params, type_=ARRAY(column.type), unique=True)
        condition: ColumnElement[bool] = column == any_(array)
        return condition
    among: ColumnElement[bool] = column.in_(params)
    return among


class one_of(FunctionElement[bool]):  # noqa: N801
    """Whether a column holds one of the values of a parameter: `one_of(table.c.column, "names")`.

    The parameter is a sorted list: on PostgreSQL one array, whatever its length. A statement that
    says so is a constant, and each dialect compiles it in its own way.
    """

    name = "one_of"
    type = Boolean()
    inherit_cache = True

    def __init__(self, column: ColumnElement[Any], parameter: str) -> None:
        super().__init__(column, bindparam(parameter, type_=column.type))

    def self_group(self, against: object = None) -> Self:  # noqa: ARG002
        """Stay a condition: SQLite would look into no index for `... = 1`."""
        return self


@compiles(one_of, "postgresql")
def _in_array(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, parameter = element.clauses
    array = bindparam(parameter.key, type_=ARRAY(column.type))
    return f"({compiler.process(column == any_(array), **kw)})"


@compiles(one_of, "sqlite")
def _in_list(element: one_of, compiler: SQLCompiler, **kw: Any) -> str:
    column, parameter = element.clauses
    among = column.in_(bindparam(parameter.key, type_=column.type, expanding=True))
    return f"({compiler.process(among, **kw)})"


class key_in(FunctionElement[bool]):  # noqa: N801
    """Whether a row's columns are one of the keys that `key_params` makes of a list of them."""

    name = "key_in"
    type = Boolean()
    inherit_cache = True

    def __init__(self, table: FromClause, names: Sequence[str]) -> None:
        super().__init__(*(table.c[name] for name in names))

    def self_group(self, against: object = None) -> Self:  # noqa: ARG002
        """Stay a condition, as `one_of` does."""
        return self


@compiles(key_in, "postgresql")
def _in_arrays(element: key_in, compiler: SQLCompiler, **kw: Any) -> str:
    types = {str(column.key): column.type for column in element.clauses}
    arrays = [bindparam(f"{name}_keys", type_=ARRAY(type_)) for name, type_ in types.items()]
    keys = func.unnest(*arrays).table_valued(*types).render_derived()
    return f"({compiler.process(tuple_(*element.clauses).in_(select(*keys.c)), **kw)})"


@compiles(key_in, "sqlite")
def _in_tuples(element: key_in, compiler: SQLCompiler, **kw: Any) -> str:
    among = tuple_(*element.clauses).in_(bindparam("keys", expanding=True))
    return f"({compiler.process(among, **kw)})"


def key_params(
    dialect: str, names: Sequence[str], keys: Sequence[Sequence[Any]]
) -> dict[str, list[Any]]:
    """Return the parameters for `key_in`: on PostgreSQL an array a column."""
    if dialect != "postgresql":
        return {"keys": [tuple(key) for key in keys]}
    return {f"{name}_keys": [key[at] for key in keys] for at, name in enumerate(names)}


def columns_of(table: Table, record: type) -> list[Column[Any]]:
    """Return the columns of a table that a dataclass has fields for, in the order of its fields."""
    return [table.c[field.name] for field in fields(record) if field.name in table.c]


def in_parts(keys: Iterable[T], size: int = 400) -> Iterable[list[T]]:
    """Split keys into sorted lists, each short enough for one statement."""
    ordered = sorted(keys)  # type: ignore[type-var]
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def repeat_on_conflict(connection: Connection, step: Callable[[], T], times: int = 3) -> T:
    """Take a step that reads and then writes; repeat it where another transaction came between.

    That is where it committed what may be there only once. The step then reads that.
    """
    for _ in range(times):
        with suppress(IntegrityError), connection.begin_nested():
            return step()
    return step()


def slices(rows: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    """Split rows into parts of at most this size, in their own order."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


# -- keys of work, as `WorkKey` writes them -----------------------------------------------------------


def course_key(course: ColumnElement[str], semester: ColumnElement[str]) -> ColumnElement[str]:
    """Return the key of the work on a course."""
    return course + " " + semester


def person_key(fs_number: ColumnElement[str]) -> ColumnElement[str]:
    """Return the key of the work on a person by FS number."""
    return literal(f"{FS} ") + fs_number


def calendar_key(calendar_id: ColumnElement[int]) -> ColumnElement[str]:
    """Return the key of the work on a calendar."""
    return cast(calendar_id, String(160))
