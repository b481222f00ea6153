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


@contextmanager
def cloned(server: str, template: str = "template0") -> Iterator[str]:
    """A PostgreSQL database made from a template, and dropped."""
    name = f"k{uuid4().hex}"
    run(server, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        run(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


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
    run(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
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
