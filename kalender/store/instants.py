"""Instants in SQL: one type for every column that holds one, and the database's own clock.

Instants are UTC everywhere: `timestamptz` on PostgreSQL, on SQLite a text of fixed width that sorts
in time and that people can read.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import DateTime, Dialect, String, TypeDecorator
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

SQLITE_FORMAT = "%Y-%m-%d %H:%M:%S.%f"


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
