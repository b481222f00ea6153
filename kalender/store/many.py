"""Many rows in one statement: on PostgreSQL from arrays, elsewhere one execution a row.

A statement for each row costs SQLAlchemy and the driver more than the row costs the database.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import (
    Connection,
    Table,
    TableValuedAlias,
    any_,
    bindparam,
    column,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.elements import ClauseElement, ColumnElement

Rows = Sequence[Mapping[str, Any]]
T = TypeVar("T")


def insert_many(connection: Connection, table: Table, rows: Rows, **same: Any) -> None:
    """Insert rows of equal keys; `same` holds the values that are the same in all of them."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(insert(table).values(**same), list(rows))
        return
    given = _given(table, rows)
    alike = [
        value if isinstance(value, ClauseElement) else literal(value, table.c[name].type)
        for name, value in same.items()
    ]
    chosen = select(*given.c, *alike)
    connection.execute(insert(table).from_select([*rows[0], *same], chosen), _arrays(rows))


def update_many(connection: Connection, table: Table, rows: Rows, *, by: str, **same: Any) -> None:
    """Update the rows that `by` names, each with its own values and with `same`."""
    if not rows:
        return
    own = [name for name in rows[0] if name != by]
    if connection.dialect.name != "postgresql":
        values: dict[str, Any] = {name: bindparam(f"{name}_of") for name in own}
        named = table.c[by] == bindparam(f"{by}_of")
        told = [{f"{name}_of": value for name, value in row.items()} for row in rows]
        connection.execute(update(table).where(named).values(**same, **values), told)
        return
    given = _given(table, rows)
    values = {name: given.c[name] for name in own}
    statement = update(table).where(table.c[by] == given.c[by]).values(**same, **values)
    connection.execute(statement, _arrays(rows))


def _given(table: Table, rows: Rows) -> TableValuedAlias:
    """Return the rows as a table of PostgreSQL's."""
    names = list(rows[0])
    arrays = [bindparam(f"{name}_of", type_=ARRAY(table.c[name].type)) for name in names]
    columns = [column(name, table.c[name].type) for name in names]
    return func.unnest(*arrays).table_valued(*columns, name="given").render_derived()


def _arrays(rows: Rows) -> dict[str, list[Any]]:
    return {f"{name}_of": [row[name] for row in rows] for name in rows[0]}


def is_one_of(connection: Connection, column: Any, values: Iterable[Any]) -> ColumnElement[bool]:
    """Whether a column holds one of many values: on PostgreSQL one array, whatever their number."""
    told = sorted(set(values))
    if connection.dialect.name == "postgresql":
        array = bindparam(None, told, type_=ARRAY(column.type), unique=True)
        found: ColumnElement[bool] = column == any_(array)
        return found
    among: ColumnElement[bool] = column.in_(told)
    return among


def in_parts(keys: Iterable[T], most: int = 400) -> Iterable[list[T]]:
    """Split keys into sorted lists, each short enough for one statement."""
    ordered = sorted(keys)  # type: ignore[type-var]
    for start in range(0, len(ordered), most):
        yield ordered[start : start + most]
