"""What a process remembers of the database it wrote to, so that an older one is recognised.

Inside every transaction that writes ahead of a request, a process advances a row that nobody else
writes, and compares it with what it remembers of that row: a database that was put back to an
earlier state holds less. Rows and not a sequence, because what a sequence gave away is not lost
with the transaction that took it.

The memory outlives the process: it is kept in a file for each process, in a directory that the
parent makes or `[worker] state_dir` names. The file is mapped into memory, so that a kill loses
nothing of it; after a loss of power it may be half a minute behind, which recognises less and never
refuses wrongly. Whoever starts on the machine compares every file that lies there with the
database, and takes away those whose process is gone.
"""

import fcntl
import mmap
import os
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, bindparam, select, update

from kalender.errors import ConfigError, StateInDoubt
from kalender.store import own_database
from kalender.store.database import Database, postgresql_place, sqlite_place
from kalender.store.sql import db_now, upsert
from kalender.store.tables import database_identity, process_memory

SUFFIX = ".memory"
RECORD = struct.Struct("<32sQd")  # a row's key, how far it was seen, when, in seconds since 1970
RECORDS = 1024  # rows of one process: more transactions than it ever has open at once
PUT_BACK = (
    "the database was put back to an earlier state than this machine remembers: nothing is written "
    f"until you say since when: {own_database.RECOVER}"
)


@dataclass(slots=True)
class Remembered:
    """One row of `process_memory`: how far it was seen committed, and when by the database."""

    memory_id: str
    advanced: int
    at: float


class MemoryFile:
    """The rows that one process remembers, in a file that is locked while the process lives."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / f"{uuid4().hex}{SUFFIX}"
        self._file = os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
        os.ftruncate(self._file, RECORD.size * RECORDS)
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._map = mmap.mmap(self._file, RECORD.size * RECORDS)

    def write(self, number: int, row: Remembered) -> None:
        """Keep one row, at its number."""
        RECORD.pack_into(
            self._map, number * RECORD.size, row.memory_id.encode(), row.advanced, row.at
        )

    def remove(self) -> None:
        """Take the file away."""
        self.close()
        self.path.unlink()

    def close(self) -> None:
        """Give the file up; it stays for whoever starts next."""
        self._map.flush()
        self._map.close()
        os.close(self._file)


def read_file(path: Path) -> list[Remembered]:
    """Return the rows of a file, whoever wrote it; none where it is gone."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    whole = len(content) - len(content) % RECORD.size
    rows = RECORD.iter_unpack(content[:whole])
    return [Remembered(key.decode(), far, at) for key, far, at in rows if far]


@dataclass
class Memory:
    """One process' memory. Create it after a fork; `directory` None: nothing outlives the process."""

    directory: Path | None = None
    rows: list[Remembered] = field(default_factory=list)
    doubt: StateInDoubt | None = None
    _free: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _file: MemoryFile | None = None

    @contextmanager
    def writing(self, database: Database) -> Iterator[Connection]:
        """Open a transaction that writes ahead, or any other that must be on our own database.

        Raises StateInDoubt where the database is older than we remember, another one, or refused.
        """
        number = self._take(database)
        row = self.rows[number]
        try:
            with database.write() as connection:
                if not row.advanced:
                    # A new row remembers nothing: the other rows of this process do.
                    _compare(connection, [replace(memory_row) for memory_row in list(self.rows)])
                advanced, at = self._advance(connection, row)
                yield connection
            row.advanced, row.at = advanced, at.timestamp()
            if self._file is not None:
                self._file.write(number, row)
        except StateInDoubt as error:
            self.doubt = error
            raise
        finally:
            with self._lock:
                self._free.append(number)

    def prepare(self) -> None:
        """Make the directory; ConfigError where files cannot be kept in it."""
        if self.directory is None:
            return
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            MemoryFile(self.directory).remove()
        except OSError as error:
            raise ConfigError(
                f"[worker] state_dir {self.directory}: {error.strerror}; "
                "give a directory that the worker may write to"
            ) from error

    def verify(self, database: Database) -> None:
        """Compare all that this machine remembers with a database; StateInDoubt where it lacks any."""
        with suppress(StateInDoubt):  # a record may have been read while its process wrote it
            self._verify_once(database)
            return
        try:
            self._verify_once(database)
        except StateInDoubt as error:
            self.doubt = error
            raise

    def still_doubts(self, connection: Connection) -> bool:
        """Whether there was a doubt, and nobody vouched for the database since.

        Nobody does before the transaction ends.
        """
        if self.doubt is None:
            return False
        own_database.lock(connection)
        try:
            self._judge(connection, self._remembered())
        except StateInDoubt:
            return True
        return False

    def _verify_once(self, database: Database) -> None:
        remembered = self._remembered()  # before the database is asked: others write meanwhile
        with database.read() as connection:
            self._judge(connection, remembered)

    def _remembered(self) -> list[Remembered]:
        """Return the rows of all processes of this machine, as they stand now."""
        paths = sorted(self.directory.glob(f"*{SUFFIX}")) if self.directory else []
        rows = [row for path in paths for row in read_file(path)]
        return rows + [replace(row) for row in list(self.rows)]

    @staticmethod
    def _judge(connection: Connection, remembered: Sequence[Remembered]) -> None:
        """Raise StateInDoubt where this is not our database, or lacks what is remembered."""
        own_database.require_ours(connection)
        _compare(connection, remembered)

    def close(self) -> None:
        """Give the file up, for whoever starts next."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _take(self, database: Database) -> int:
        with self._lock:
            if self._file is None and self.directory is not None:
                # Compare what others left; take it away once a row of ours stands in its place.
                paths = sorted(self.directory.glob(f"*{SUFFIX}"))
                self.verify(database)
                first = Remembered(uuid4().hex, 0, 0.0)
                with database.write() as connection:
                    first.advanced, at = self._advance(connection, first)
                first.at = at.timestamp()
                file = MemoryFile(self.directory)
                file.write(len(self.rows), first)
                self._free.append(len(self.rows))
                self.rows.append(first)
                self._file = file
                for path in paths:  # but those that another process holds
                    with suppress(FileNotFoundError, BlockingIOError), path.open("rb") as left_file:
                        fcntl.flock(left_file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                        path.unlink()
            if self._free:
                return self._free.pop()
            self.rows.append(Remembered(uuid4().hex, 0, 0.0))
            return len(self.rows) - 1

    def _advance(self, connection: Connection, row: Remembered) -> tuple[int, datetime]:
        """Advance a row and judge the database by it; return how far it is now, and when."""
        statement = _advanced(connection.dialect.name, begins=not row.advanced)
        place = {"place": sqlite_place(connection)} if (connection.dialect.name == "sqlite") else {}
        result = connection.execute(statement, {"mine": row.memory_id, **place}).one_or_none()
        if result is None:
            _compare(connection, [row])  # raises, unless somebody vouched for the database since
            row.advanced = 0
            return self._advance(connection, row)
        if result.refused is not None:
            raise StateInDoubt(result.refused)
        if result.recorded is not None and result.recorded != result.place:
            raise StateInDoubt(own_database.ANOTHER)
        if result.advanced <= row.advanced and not _is_vouched_for(row, result.recovered_at):
            raise StateInDoubt(PUT_BACK)
        return result.advanced, result.advanced_at


@lru_cache
def _advanced(dialect: str, *, begins: bool) -> Any:
    """Advance the row `mine`; a row that is begun may be there, where a commit's answer was lost."""
    is_own = process_memory.c.memory_id == bindparam("mine")
    again = {"advanced": process_memory.c.advanced + 1, "advanced_at": db_now()}
    place = bindparam("place") if dialect == "sqlite" else postgresql_place().scalar_subquery()
    column = database_identity.c
    tells = (
        process_memory.c.advanced,
        process_memory.c.advanced_at,
        place.label("place"),
        select(column.place).scalar_subquery().label("recorded"),
        select(column.refused_because).scalar_subquery().label("refused"),
        select(column.recovered_at).scalar_subquery().label("recovered_at"),
    )
    if not begins:
        return update(process_memory).where(is_own).values(again).returning(*tells)
    first = upsert(dialect, process_memory).values(
        memory_id=bindparam("mine"), advanced=1, advanced_at=db_now()
    )
    return first.on_conflict_do_update(index_elements=["memory_id"], set_=again).returning(*tells)


def _is_vouched_for(row: Remembered, recovered_at: datetime | None) -> bool:
    """Whether somebody said `recover` after we last saw this row."""
    return recovered_at is not None and row.at <= recovered_at.timestamp()


def _compare(connection: Connection, remembered: Sequence[Remembered]) -> None:
    """Raise StateInDoubt where the database holds less than is remembered of any row."""
    known_rows = {row.memory_id: row for row in remembered if row.advanced}
    if not known_rows:
        return
    column = process_memory.c
    query = select(column.memory_id, column.advanced).where(
        column.memory_id.in_(sorted(known_rows))
    )
    rows = {row.memory_id: row.advanced for row in connection.execute(query)}
    recovered_at = connection.execute(select(database_identity.c.recovered_at)).scalar()
    for memory_id, row in known_rows.items():
        if rows.get(memory_id, 0) < row.advanced and not _is_vouched_for(row, recovered_at):
            raise StateInDoubt(PUT_BACK)
