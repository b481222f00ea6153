"""Databases that tests copy, and put back to an earlier state as an operator would."""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, create_engine, delete, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from kalender.store import migrations
from kalender.store.database import Database
from kalender.store.tables import database_identity

END_WHOEVER_IS_IN_ITS_WAY = """
    SELECT pg_terminate_backend(blocking)
    FROM pg_stat_activity, unnest(pg_blocking_pids(pid)) AS blocking
    WHERE application_name = 'pg_restore'
"""


def migrate_to_copy(url: str) -> None:
    """Bring the tables up in a database that is copied: which one it is is not recorded."""
    database = Database(url)
    migrations.upgrade(database)
    with database.write() as connection:
        connection.execute(delete(database_identity))
    database.close()


AS_IT_WAS_MADE = """
    SELECT (SELECT concat_ws(' ', oid, xmin) FROM pg_database WHERE datname = current_database()),
        (SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON setdatabase = d.oid
            WHERE datname = current_database()),
        (SELECT string_agg(concat_ws(' ', oid, xmin, relfilenode), ',' ORDER BY oid) FROM pg_class
            WHERE relnamespace = 'public'::regnamespace),
        (SELECT string_agg(concat_ws(' ', attrelid, attnum, a.xmin), ',' ORDER BY attrelid, attnum)
            FROM pg_attribute a JOIN pg_class c ON attrelid = c.oid
            WHERE relnamespace = 'public'::regnamespace),
        (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_namespace),
        (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_proc
            WHERE pronamespace = 'public'::regnamespace),
        (SELECT string_agg(version_num, ',') FROM public.alembic_version)
"""
END_ALL_OTHERS = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""
EMPTY_ALL_TABLES = """
    DO $$ DECLARE found record; BEGIN
        SET LOCAL session_replication_role = replica;
        FOR found IN SELECT oid::regclass AS name, relkind FROM pg_class
            WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S')
            AND relname <> 'alembic_version'
        LOOP
            IF found.relkind = 'S' THEN PERFORM setval(found.name, 1, false);
            ELSE EXECUTE format('DELETE FROM %s', found.name);
            END IF;
        END LOOP;
    END $$
"""
USES = 30  # of one database; what was deleted still takes room


class Lent:
    """Migrated PostgreSQL databases without rows, lent one after the other; cloned where none is free.

    To empty the tables costs a quarter of what it costs to make a database and to drop it.
    """

    def __init__(self, server: str, template: str) -> None:
        self._server, self._template = server, template
        self._free: list[tuple[str, object, int]] = []  # its URL, how it was made, its uses

    @contextmanager
    def lend(self) -> Iterator[str]:
        """One database for a test, which does with it what it likes.

        It is lent again where nothing but rows is left of that: no table, column, right or setting
        is another one, nor the revision of the tables.
        """
        if self._free:
            url, made, uses = self._free.pop()
        else:
            url, uses = create(self._server, self._template), 0
            made = _emptied(url)
        is_as_it_was = False
        try:
            yield url
            is_as_it_was = made is not None and made == _emptied(url)
        finally:
            if is_as_it_was and uses < USES:
                self._free.append((url, made, uses + 1))
            else:
                drop(url)

    def close(self) -> None:
        """Drop all."""
        while self._free:
            drop(self._free.pop()[0])


def _emptied(url: str) -> object:
    """End whoever is in a database, and leave no row in it; return how it is made, None: it is gone."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            connection.execute(text(END_ALL_OTHERS))
            made = tuple(connection.execute(text(AS_IT_WAS_MADE)).one())
            connection.execute(text(EMPTY_ALL_TABLES))
    except DBAPIError:
        return None
    return made


def create(server: str, template: str = "template0") -> str:
    """Make a PostgreSQL database from a template; return its URL."""
    name = f"k{uuid4().hex}"
    run(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop(url: str) -> None:
    """Drop a PostgreSQL database, whoever uses it."""
    run(url, f'DROP DATABASE IF EXISTS "{make_url(url).database}" WITH (FORCE)')


@contextmanager
def cloned(server: str, template: str = "template0") -> Iterator[str]:
    """A PostgreSQL database made from a template, and dropped."""
    url = create(server, template)
    try:
        yield url
    finally:
        drop(url)


def dump(url: str, file: Path) -> Path:
    """Back a PostgreSQL database up with its own tool."""
    _tool("pg_dump", url, "--format=custom", f"--file={file}")
    return file


def restore_in_place(url: str, file: Path) -> None:
    """Put the backup back into the database that it was made of; whoever is in its way is ended."""
    words = ("--clean", "--if-exists", "--single-transaction", str(file))
    pause = threading.Event()
    with _started("pg_restore", url, *words) as restoring:
        while restoring.poll() is None:
            run(url, END_WHOEVER_IS_IN_ITS_WAY)
            pause.wait(0.05)
    if restoring.returncode:
        raise subprocess.CalledProcessError(restoring.returncode, restoring.args)


def restore_anew(url: str, file: Path) -> None:
    """Drop the database, whoever uses it, make another of that name, and restore into it."""
    name = make_url(url).database
    drop(url)
    run(url, f'CREATE DATABASE "{name}"')
    _tool("pg_restore", url, "--single-transaction", str(file))


def run(url: str, statement: str, *, database: str = "postgres") -> None:
    """Run a statement of the server, in a database that is always there."""
    server = make_url(url).set(database=database)
    engine = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(statement))


def _tool(name: str, url: str, *words: str) -> None:
    with _started(name, url, *words) as started:
        pass
    if started.returncode:
        raise subprocess.CalledProcessError(started.returncode, started.args)


def _started(name: str, url: str, *words: str) -> "subprocess.Popen[bytes]":
    given: URL = make_url(url)
    where = ["-h", str(given.host), "-p", str(given.port), "-U", str(given.username)]
    program = max(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    command = [str(program), *where, "-d", str(given.database), *words]
    patient = {"PGOPTIONS": "-c deadlock_timeout=60s"}  # it is not the one that a deadlock ends
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, **patient})
