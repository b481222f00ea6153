"""PgBouncer in front of the tests' PostgreSQL: Debian's, on loopback and a free port."""

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy.engine import make_url

from tests import servers

SETTINGS = """\
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {own}
unix_socket_dir =
auth_type = any
admin_users = admin
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
"""


@contextmanager
def pgbouncer(database_url: str, *, size: int) -> Iterator[str]:
    """Run a PgBouncer that shares so few connections; yield the database's URL through it."""
    program = Path("/usr/sbin/pgbouncer")
    if not program.exists():
        raise servers.NoServerError("there is no PgBouncer: use make test, which installs it")
    url, own = make_url(database_url), servers.free_port()
    with servers._directory("pgbouncer", durable=False) as directory:
        settings, log = directory / "pgbouncer.ini", directory / "pgbouncer.log"
        settings.write_text(
            SETTINGS.format(host=url.host, port=url.port, user=url.username, own=own, size=size)
        )
        if os.geteuid() == 0:
            shutil.chown(directory, "postgres")
        with servers._process(
            [*servers._as("postgres", signal.SIGINT), program, settings],
            lambda: servers._answers(own),
            log=log,
            end=signal.SIGTERM,
        ):
            yield url.set(port=own).render_as_string(hide_password=False)
