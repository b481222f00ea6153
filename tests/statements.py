"""Statements that are compiled once for all databases of a process, of each kind.

An engine compiles each statement when it first runs it, and keeps it for itself. A service has one
engine, but most tests have one of their own, and compiling took them a third of their time.
"""

from typing import Any

from sqlalchemy import Engine
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

MOST = 5_000  # statements
COMPILED: LRUCache[Any, Any] = LRUCache(MOST)


class Sqlite(SQLiteDialect_pysqlite):
    """SQLite's dialect, of which every object compiles as any other does."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        """Whether what one compiled is as the other would have it."""
        return type(self) is type(other)

    def __hash__(self) -> int:
        """Like that of any other."""
        return hash(type(self))

    @classmethod
    def engine_created(cls, engine: Engine) -> None:
        """Let a new engine share the statements."""
        engine.update_execution_options(compiled_cache=COMPILED)


class Postgresql(PGDialect_psycopg):
    """PostgreSQL's dialect, of which every object compiles as any other does."""

    supports_statement_cache = True
    __eq__ = Sqlite.__eq__
    __hash__ = Sqlite.__hash__
    engine_created = Sqlite.__dict__["engine_created"]


def share() -> None:
    """Have all engines that this process makes from now on share their compiled statements."""
    registry.register("sqlite", __name__, "Sqlite")
    registry.register("postgresql.psycopg", __name__, "Postgresql")
