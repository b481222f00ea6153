"""The four roles of docs/deploy/roles.sql on PostgreSQL: what each can, and what it cannot."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import create_engine
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.pool import NullPool

from kalender.app import App, clock_from
from kalender.config import load
from kalender.neighbours import breaker
from kalender.sandbox.server import Running
from kalender.store.database import Database
from kalender.web.page import WebRole
from tests import servers
from tests.commands import run
from tests.databases import cloned, migrate_to_copy
from tests.e2e.house import House, environment, fails
from tests.e2e.web.client import PERSON_WISHES, Client, hold_all, person_id, wished
from tests.e2e.web.conftest import served

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
SCRIPT = Path(__file__).parents[2] / "docs" / "deploy" / "roles.sql"
NOW = "2025-08-18T08:00+02:00"
ROLES = ("owner", "service", "operator", "web")
PERSON, OTHER = "st000001", "st000002"
TABLES = (
    "SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v')"
)


class Roles:
    """A database with the roles under names of its own: roles belong to the whole server.

    A copy of such a database is given the `prefix` of these names.
    """

    def __init__(self, url: str, prefix: str = "") -> None:
        self.url, self.prefix = url, prefix or f"k{uuid4().hex[:8]}"

    def install(self) -> None:
        """Run the script as the superuser; as often as wanted."""
        self.run(self.url, SCRIPT.read_text().replace("kalender_", f"{self.prefix}_"))

    def of(self, role: str) -> str:
        """Return the database's URL for a role."""
        named = make_url(self.url).set(username=f"{self.prefix}_{role}")
        return named.render_as_string(hide_password=False)

    @staticmethod
    def run(url: str, statement: str) -> list[Any]:
        """Run a statement or a script; return its first column."""
        engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            found = connection.execution_options(no_parameters=True).exec_driver_sql(statement)
            return [row[0] for row in found] if found.returns_rows else []

    def remove(self) -> None:
        """Take the roles off the server."""
        for role in ROLES:
            name = f"{self.prefix}_{role}"
            self.run(self.url, f"DROP OWNED BY {name} CASCADE")
            self.run(self.url, f"DROP ROLE {name}")


@pytest.fixture
def roles_alone(postgresql_url: str) -> Iterator[Roles]:
    """Roles in a database without tables."""
    found = Roles(postgresql_url)
    found.install()
    yield found
    found.remove()


@pytest.fixture(scope="module")
def roles_template(running: dict[str, str]) -> Iterator[Roles]:
    """Roles, and tables that the owner made, to be cloned."""
    with cloned(running[servers.DATABASE]) as url:
        found = Roles(url)
        found.install()
        migrate_to_copy(found.of("owner"))
        found.install()
        yield found
        found.remove()


@pytest.fixture
def roles(running: dict[str, str], roles_template: Roles) -> Iterator[Roles]:
    """Roles, and tables that the owner made."""
    name = str(make_url(roles_template.url).database)
    with cloned(running[servers.DATABASE], name) as url:
        yield Roles(url, roles_template.prefix)


def denied(url: str, statement: str) -> bool:
    """Say whether PostgreSQL forbids it; any other error is raised."""
    try:
        Roles.run(url, statement)
    except ProgrammingError as error:
        if "permission denied" in str(error) or "must be owner" in str(error):
            return True
        raise
    return False


@pytest.fixture
def house(tmp_path: Path, small_sandbox: Running, roles: Roles) -> House:
    """An installation whose tables are the owner's."""
    made = House(tmp_path, tmp_path, small_sandbox, roles.of("owner"), NOW, "epost:INSTITUSJON")
    text = made.config.read_text().replace("uio.example", "uni.example")
    made.config.write_text(text.replace("processes = 2", "processes = 1"))  # enough for so few
    made.run("db", "upgrade")
    return made


def become(house: House, roles: Roles, role: str) -> None:
    before = house.config.read_text()
    for each in ROLES:
        before = before.replace(f"{roles.prefix}_{each}@", f"{roles.prefix}_{role}@")
    house.config.write_text(before)


def test_the_service_runs_all_and_makes_no_table(house: House, roles: Roles) -> None:
    become(house, roles, "service")
    house.run("check")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    house.run("optout", "add", PERSON)
    house.run("worker", "--until-idle")
    found = json.loads(house.run("status", "--json"))
    assert [row for row in found["right"] if row["right"] != row["inside"]] == []
    service = roles.of("service")
    assert denied(service, "CREATE TABLE mine (n integer)")
    assert denied(service, "DROP TABLE entry")
    assert denied(service, "UPDATE alembic_version SET version_num = '0001'")
    house.run("db", "current")


def test_the_operator_reads_all_and_writes_only_that_somebody_looked(
    house: House, roles: Roles
) -> None:
    become(house, roles, "service")
    house.run("resync", "--all")
    become(house, roles, "operator")
    for words in (["status"], ["parked"], ["show", PERSON], ["rollout", "list"], ["brake", "show"]):
        house.run(*words)
    operator = roles.of("operator")
    tables = roles.run(roles.url, TABLES)
    assert {"entry", "dirty_now", "look_up"} <= set(tables)
    for name in tables:
        roles.run(operator, f"TABLE {name} LIMIT 1")
        may = f"SELECT has_table_privilege('{name}', '{{}}')"
        assert roles.run(operator, may.format("UPDATE, DELETE, TRUNCATE")) == [False]
        assert roles.run(operator, may.format("INSERT")) == [name == "look_up"]
    before = len(roles.run(roles.url, "SELECT look_up_id FROM look_up"))
    looked = "INSERT INTO look_up (at, who, command, person_id) VALUES (now(), 'me', 'show', 1)"
    roles.run(operator, looked)
    assert len(roles.run(roles.url, "SELECT look_up_id FROM look_up")) == before + 1
    assert denied(operator, "UPDATE look_up SET who = 'nobody'")


LOOKS = (
    ["status"],
    ["parked"],
    ["show", PERSON],
    ["show", "--course", "BIO1000"],
    ["why", PERSON, "BIO1000"],
    ["plan", PERSON],
    ["log"],
    ["term"],
    ["brake", "show"],
    ["rollout", "list"],
    ["rollout", "status"],
    ["optout", "list"],
    ["language", "list"],
    ["protect", "list"],
    ["rejected", "list"],
    ["db", "current"],
    ["check"],
)


def without_secrets(house: House) -> None:
    """Leave no secret in the settings but the database's, and name files that nobody may read."""
    text = house.config.read_text()
    text = text.replace('api_key = "sandbox"', 'api_key_file = "/nowhere/key"', 1)
    text = text.replace('api_key = "sandbox"\n', "").replace('password = "kalender"\n', "")
    assert "sandbox" not in text
    house.config.write_text(f'{text}\n[broker]\nqueues = ["q"]\nurl_file = "/nowhere/broker"\n')


def test_the_operator_looks_at_all_with_no_secret_but_the_databases(
    house: House, roles: Roles
) -> None:
    become(house, roles, "service")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    become(house, roles, "operator")
    without_secrets(house)
    for words in LOOKS:
        house.run(*words)
    said = " ".join(house.run("check").split())
    assert "our role of the database only reads: run check as the service" in said
    assert fails(house, "resync", "--all")[1].startswith("kalender: fs.api_key_file: No such file")


ACTS = (
    ["optout", "add", PERSON],
    ["optout", "remove", PERSON],
    ["language", "set", "en", PERSON],
    ["protect", "add", PERSON],
    ["protect", "remove", PERSON],
    ["pause", "fs", "--for", "1h", "--reason", "FS is upgraded"],
    ["resume", "fs"],
    ["brake", "set", "--reason", "looks wrong"],
    ["brake", "release", "hand", "--reason", "it was right"],
    ["rollout", "add", "person", PERSON],
    ["retry", "--all"],
    ["rejected", "replay", "--all"],
    ["resync", "--course", "BIO1000"],
    ["resync", "--person", PERSON],
    ["verify", PERSON],
    ["remove", PERSON, "--yes"],
)


WEB_INSERTS = {
    "brake",
    "dirty",
    "let_through",
    "look_up",
    "neighbour",
    "operator_act",
    "preference",
}
WEB_DELETES = {"brake", "let_through", "listed_person", "preference"}
WEB_UPDATES = {
    "brake": {"from_at", "reason", "set_at", "state", "until_at", "up_to"},
    "calendar": {"doubles", "must_verify", "synced_digest", "taking_back"},
    "dirty": {
        "attempts",
        "cause",
        "due_at",
        "first_marked_at",
        "generation",
        "not_before",
        "parked_at",
        "priority",
        "reason",
    },
    "listed_person": {"state"},
    "move": {"look_at"},
    "neighbour": {
        "changed_at",
        "held_by",
        "held_reason",
        "held_until",
        "paused_until",
        "probe_token",
        "probe_until",
        "refused",
        "trial_until",
    },
    "person": {"emptied_at", "fs_asked_at"},
    "preference": {"source"},
}


def test_the_pages_read_what_they_show_and_write_who_looked_and_what_operators_wish(
    house: House, roles: Roles
) -> None:
    become(house, roles, "service")
    house.run("resync", "--all")
    house.run("worker", "--until-idle")
    become(house, roles, "web")
    without_secrets(house)
    config = load(house.config, {}, secrets=False, web=True)
    wired = App(config, clock_from(datetime.fromisoformat(NOW)))
    with served(wired) as pages:
        client = Client(pages, WebRole.OPERATOR)
        assert "verdict" in client.get("/").text
        person = client.look_up(PERSON).request.path_url
        for name in PERSON_WISHES:
            assert wished(client, f"{person}/wish/{name}", reason="a case").status_code == 200
        with closing(Database(roles.of("service"))) as database, database.write() as connection:
            scopes = hold_all(connection, person_id(pages, PERSON), person_id(pages, OTHER))
            breaker.failed(connection, "tp", key="a", error="away", retry_after=timedelta(hours=1))
        paths = [f"{person}/wish/believe", *(f"/release?scope={scope}" for scope in scopes)]
        paths += ["/pause?name=fs", "/resume?name=fs", "/pause?name=bulk", "/resume?name=tp"]
        for path in paths:
            assert wished(client, path, reason="a case").status_code == 200, path
    web = roles.of("web")
    roles.run(roles.of("owner"), f"REVOKE INSERT ON dirty FROM {roles.prefix}_web")
    with served(wired) as pages:
        client = Client(pages, WebRole.OPERATOR)
        refused = wished(client, f"{client.look_up(PERSON).request.path_url}/wish/verify")
        assert (refused.status_code, "must run roles.sql again" in refused.text) == (503, True)
    roles.install()
    for name in roles.run(roles.url, TABLES):
        may = f"SELECT has_table_privilege('{name}', '{{}}')"
        assert roles.run(web, may.format("TRUNCATE")) == [False]
        assert roles.run(web, may.format("INSERT")) == [name in WEB_INSERTS], name
        assert roles.run(web, may.format("DELETE")) == [name in WEB_DELETES], name
        assert roles.run(web, may.format("SELECT")) == [name != "rejected_notification"]
        columns = (
            f"SELECT attname FROM pg_attribute WHERE attrelid = '{name}'::regclass AND attnum > 0 "  # noqa: S608
            "AND NOT attisdropped AND has_column_privilege(attrelid, attnum, 'UPDATE')"
        )
        assert set(roles.run(web, columns)) == WEB_UPDATES.get(name, set()), name
    assert denied(web, "SELECT body FROM rejected_notification")
    assert roles.run(web, "SELECT count(received_at) FROM rejected_notification") == [0]


def test_what_only_writes_down_a_wish_needs_no_secret_but_the_databases(
    house: House, roles: Roles
) -> None:
    become(house, roles, "service")
    house.run("resync", "--all")
    without_secrets(house)
    for words in ACTS:
        on_this_day = [word for word in house.command(*words) if word not in {"--now", house.now}]
        assert run(on_this_day[3:], env=environment(), timeout=60).returncode == 0, words
    assert fails(house, "retry", "--all")[0] == 2  # another day: are all neighbours loopback?


def test_a_missing_grant_is_named_with_its_remedy(house: House, roles: Roles) -> None:
    """Parked work is asked through its view, the roll-out from its table."""
    become(house, roles, "operator")
    for words, kind, name in (("parked", "view", "parked"), ("rollout list", "table", "rollout")):
        roles.run(roles.of("owner"), f"REVOKE SELECT ON {name} FROM {roles.prefix}_operator")  # noqa: S608
        code, said = fails(house, *words.split())
        assert (code, len(said.splitlines())) == (1, 1)
        assert f"permission denied for {kind} {name}" in said
        assert f"GRANT SELECT ON {name} TO that role" in said
    assert "GRANT INSERT ON operator_act" in fails(house, "brake", "set", "--reason", "x")[1]
    assert "ask its people" not in house.run("check")


def test_the_tables_are_upgraded_by_their_owner(house: House, roles: Roles) -> None:
    become(house, roles, "service")
    code, said = fails(house, "db", "upgrade")
    assert (code, len(said.splitlines())) == (1, 1)
    assert "run it as the role that owns the tables (kalender_owner" in said


def test_tables_and_views_made_later_are_granted_as_well(house: House, roles: Roles) -> None:
    owner = roles.of("owner")
    roles.run(owner, "CREATE TABLE later (n integer); CREATE VIEW seen AS SELECT n FROM later")
    roles.run(roles.of("service"), "INSERT INTO later VALUES (1)")
    assert roles.run(roles.of("operator"), "SELECT n FROM seen") == [1]
    assert denied(roles.of("operator"), "INSERT INTO later VALUES (2)")


def test_psql_takes_the_script(house: House, roles: Roles, tmp_path: Path) -> None:
    script = tmp_path / "roles.sql"
    script.write_text(SCRIPT.read_text().replace("kalender_", f"{roles.prefix}_"))
    plain = make_url(roles.url).set(drivername="postgresql").render_as_string(hide_password=False)
    command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", plain, "-f", str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
