"""The database itself: connections, transactions, its clock, and what its absence looks like.

Every writing transaction on SQLite is BEGIN IMMEDIATE, so that two writers wait for each other
instead of failing half-way; reads are plain. A database that is away, lets nobody write or is
damaged raises NeighbourUnavailable("database"), whatever driver said so.

Whatever is counted inside a transaction that writes is counted on that transaction (`counts_of`),
and `Database.write` adds it to the counts of the process (`Database.counts`) after the commit. So
what is rolled back, and perhaps tried again, was not counted. What happens outside transactions,
such as a request to a neighbour, is counted in `Database.counts` directly;
`kalender.store.counters` says which names and labels there are, and gives them to the database.
"""

import re
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import resources
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, Select, create_engine, event, func, select, text
from sqlalchemy.engine import URL, ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import ConnectionPoolEntry

from kalender.domain.neighbour import DATABASE
from kalender.errors import NeighbourUnavailable
from kalender.store.sql import db_now

BUSY_SECONDS = 30
DAMAGED = {11, 26}  # SQLite's codes: malformed, not a database
REFUSES_ALL = ("25006", "25P03", "25P04", "57P", "XX")  # SQLSTATEs: see _tell_disconnect
RIGHTS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
LONGEST = 200  # characters of a driver's line
IDLE_SECONDS = 1.0
# What PostgreSQL says while it is being restored, without ending the connection: no such table or
# schema yet, no grant yet.
DENIED = "42501"
AWAY = frozenset({"42P01", "3F000", DENIED})
DEADLOCK = "40P01"  # two transactions waited for each other, and PostgreSQL ended this one
TRIALS = 3  # of a transaction that deadlocks
SCRIPT = "docs/deploy/roles.sql"
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # upper bounds in seconds
LATENCIES = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0)  # likewise
OPTION = "counts"  # of a connection: where its transaction counts
Key = tuple[str, str]  # a counter's name, and its label: the label's values joined by spaces
T = TypeVar("T")


class Database:
    """An engine with two kinds of transaction. Create it after a fork, one for each process."""

    def __init__(self, url: str, *, pool_size: int = 5) -> None:
        self.engine = make_engine(url, pool_size=pool_size)
        self._secrets = _secrets(self.engine.url)
        alone = {"isolation_level": "AUTOCOMMIT"} if self.engine.name == "postgresql" else {}
        self._reading = self.engine.execution_options(reads=True, **alone)
        self.counts = Counts()  # of this process, until they are given

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that writes: committed at the end, rolled back on any exception.

        What it counts is added to `counts` after the commit.
        """
        counts = Counts()
        with _translated(self._secrets), self.engine.begin() as connection:
            yield connection.execution_options(**{OPTION: counts})
        self.counts.merge(counts.take())

    def transact(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, called within one transaction that writes, as by `write`.

        Where PostgreSQL ends the transaction since it and another wait for each other, nothing of
        it is written, and `work` is called again in a new one, at most three times in all. For a
        transaction that locks many rows while others are at work; `work` must change nothing but
        the database.
        """
        for _ in range(TRIALS - 1):
            try:
                with self.write() as connection:
                    return work(connection)
            except NeighbourUnavailable as error:
                if sqlstate(error.__cause__) != DEADLOCK:
                    raise
        with self.write() as connection:
            return work(connection)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Only reads; as in any transaction of PostgreSQL each statement sees what is there then."""
        with (
            _translated(self._secrets),
            self._reading.connect() as connection,
            connection.begin(),
        ):
            yield connection

    def now(self) -> datetime:
        """The database's clock."""
        with self.read() as connection:
            return database_time(connection)

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def database_time(connection: Connection) -> datetime:
    """Return the database's clock within a transaction."""
    return connection.execute(select(db_now())).scalar_one()


def may_write(connection: Connection, table: str) -> bool:
    """Whether our role may change the rows of a table; SQLite has no roles."""
    if connection.dialect.name != "postgresql":
        return True
    query = select(func.has_table_privilege(table, "UPDATE"))
    return bool(connection.execute(query).scalar_one())


@contextmanager
def _translated(secrets: Collection[str]) -> Iterator[None]:
    try:
        yield
    except (OperationalError, InterfaceError, PoolTimeout) as error:
        if "no such column" in str(getattr(error, "orig", "")):  # our own mistake, on SQLite
            raise
        raise NeighbourUnavailable(DATABASE, _cause(error, secrets)) from error
    except DBAPIError as error:
        if error.connection_invalidated or sqlstate(error) in AWAY:
            raise NeighbourUnavailable(DATABASE, _cause(error, secrets)) from error
        raise


def sqlstate(error: BaseException | None) -> str | None:
    """Return the driver's code for an error, where it has one."""
    code = getattr(getattr(error, "orig", None), "sqlstate", None)
    return code if isinstance(code, str) else None


def _secrets(url: URL) -> frozenset[str]:
    """Return what no message may hold: the password, read rightly or not, and secrets beside it."""
    secrets = {str(url.password or ""), *(str(url.query[k]) for k in url.query if "pass" in k)}
    if url.get_backend_name() != "sqlite":  # the rest of a password with an @ that is not encoded
        secrets |= {part.rpartition("@")[0] for part in (url.host or "", url.database or "")}
    misread = {url.host or ""} if "@" in (url.database or "") else set()
    return frozenset(secrets - {"", url.username, url.host, url.database} | misread)


def _cause(error: Exception, secrets: Collection[str]) -> str:
    """The driver's own first line: what follows it, and SQLAlchemy's, may tell of rows.

    Of a line that holds a secret the driver's class is told alone.
    """
    origin = getattr(error, "orig", None) or error
    message = (str(origin).strip() or type(origin).__name__).splitlines()[0][:LONGEST]
    if any(secret in message for secret in secrets):
        message = type(origin).__name__
    code = f"SQLSTATE {state}: " if (state := sqlstate(error)) else ""
    if state == DENIED:
        return f"the database does not let our role do that ({code}{message}): {_remedy(error, message)}"
    if state == DEADLOCK:
        return (
            f"the database ended a transaction that waited for another, which waited for it ({code}"
            f"{message}); nothing of it was written, and it can be tried again at once"
        )
    return f"the database is away ({code}{message}); work waits until it answers"


def _remedy(error: Exception, denied: str) -> str:
    """Say what to grant, or who may do it, where PostgreSQL denied a statement in these words."""
    match = re.fullmatch(r"permission denied for (table|view|sequence) (\w+)", denied)
    if match is None:  # an owner's right, or the schema's: tables are made or changed
        return f"run it as the role that owns the tables (kalender_owner of {SCRIPT})"
    kind, name = match.groups()
    verb = (getattr(error, "statement", None) or "").split(maxsplit=1)[:1]
    right = "".join(verb).upper() if "".join(verb).upper() in RIGHTS else "SELECT"
    right = "USAGE" if kind == "sequence" else right
    where = "SEQUENCE " if kind == "sequence" else ""
    return (
        f"run {SCRIPT} again as a superuser, or GRANT {right} ON {where}{name} TO that role; "
        "a role that only reads may only look"
    )


def make_engine(url: str, *, pool_size: int = 5) -> Engine:
    """Return an engine set up for either database; nothing is connected yet."""
    if make_url(url).get_backend_name() != "sqlite":
        engine = create_engine(
            url,
            pool_size=pool_size,
            max_overflow=2,
            connect_args={"prepare_threshold": None},  # a plan made for a table that was small
        )
        event.listen(engine, "handle_error", _tell_disconnect)

        @event.listens_for(engine, "connect")
        def prepare_postgresql(connection: Any, _record: object) -> None:
            from kalender.store.arrays import PlainLists  # noqa: PLC0415  # psycopg is an extra

            connection.adapters.register_dumper(list, PlainLists)
            # Compiling takes longer than our statements do, and begins where an estimate is high: at
            # 300,000 calendars a course's page took 0.33 s with it, and 0.13 s without.
            connection.execute("SET jit = off")
            connection.commit()

        @event.listens_for(engine, "checkin")
        def note_use(_connection: object, record: ConnectionPoolEntry) -> None:
            record.info["used"] = monotonic()

        @event.listens_for(engine, "checkout")
        def ping_if_idle(connection: Any, record: ConnectionPoolEntry, _proxy: object) -> None:
            """Ask what was not used for a second whether it lives; the pool makes another where not."""
            if monotonic() - record.info.get("used", monotonic()) < IDLE_SECONDS:
                return
            try:
                connection.execute("SELECT 1")
                connection.rollback()
            except Exception as error:
                raise DisconnectionError from error

        return engine
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=2,
        connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "handle_error", _tell_disconnect)

    @event.listens_for(engine, "connect")
    def prepare_sqlite(connection: Any, _record: object) -> None:
        connection.isolation_level = None  # transactions are ours, not the driver's
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin_sqlite(connection: Connection) -> None:
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    return engine


def _tell_disconnect(context: ExceptionContext) -> None:
    """Let the pool make other connections where no statement of ours can succeed on these.

    So it is where sessions are read-only (after a failover the old server's stay so for ever),
    ran out of time, are ended by the server, or meet its own errors.
    """
    origin = context.original_exception
    is_refused = str(getattr(origin, "sqlstate", None) or "").startswith(REFUSES_ALL)
    if is_refused or getattr(origin, "sqlite_errorcode", None) in DAMAGED:
        context.is_disconnect = True


# -- counts ---------------------------------------------------------------------------------------


class Counts:
    """Numbers by name and label that only grow until they are taken. Usable from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[Key, float] = defaultdict(float)

    def add(self, name: str, *label: str, value: float = 1.0) -> None:
        """Add to one counter; zero makes no row."""
        if value:
            with self._lock:
                self._values[name, " ".join(label)] += value

    def time(
        self, name: str, *label: str, seconds: float, bounds: Sequence[float] = BUCKETS
    ) -> None:
        """Add to `NAME_seconds`, and one to each `NAME_bucket` whose upper bound it is within."""
        with self._lock:
            self._values[f"{name}_seconds", " ".join(label)] += seconds
            for upper_bound in (*bounds, float("inf")):
                if seconds <= upper_bound:
                    self._values[f"{name}_bucket", " ".join((*label, str(upper_bound)))] += 1

    def merge(self, values: Mapping[Key, float]) -> None:
        """Add what was taken elsewhere."""
        with self._lock:
            for key, value in values.items():
                self._values[key] += value

    def take(self) -> dict[Key, float]:
        """Return what was counted, and begin anew."""
        with self._lock:
            values, self._values = self._values, defaultdict(float)
        return values


def counts_of(connection: Connection) -> Counts:
    """Return where this transaction counts.

    Counts on a connection that is not from `Database.write` are dropped.
    """
    counts = connection.get_execution_options().get(OPTION)
    return counts if isinstance(counts, Counts) else Counts()


# -- where a database lies -----------------------------------------------------------------------


def postgresql_place() -> Select[tuple[str]]:
    """Return a query for the OID of the current database, as text."""
    return (
        select(text("oid::text"))
        .select_from(text("pg_database"))
        .where(text("datname = current_database()"))
    )


def sqlite_place(connection: Connection) -> str:
    """Return the inode of the file that the path names now; it changes when the file is replaced."""
    name = connection.engine.url.database
    if not name or name == ":memory:":
        return "memory"
    try:
        return str(Path(name).stat().st_ino)
    except FileNotFoundError:
        return "no file"


# -- views ---------------------------------------------------------------------------------------


def views() -> dict[str, str]:
    """Return the views' statements by name, in the order they are made."""
    source = resources.files("kalender.store").joinpath("views.sql").read_text("utf-8")
    lines = [line for line in source.splitlines() if not line.startswith("--")]
    statements = [part.strip() for part in "\n".join(lines).split(";") if part.strip()]
    return {statement.split()[2]: statement for statement in statements}


def drop_views(connection: Connection) -> None:
    """Drop all views, as must be before a migration touches their tables."""
    for name in reversed(views()):
        connection.execute(text(f"DROP VIEW IF EXISTS {name}"))


def make_views(connection: Connection) -> None:
    """Make all views anew."""
    for statement in views().values():
        connection.execute(text(statement))
