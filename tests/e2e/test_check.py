"""`kalender check` as its user runs it: what holds, and each thing that does not, in words."""

import json
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import pika
import pytest
import requests
from sqlalchemy import text

from kalender.neighbours import breaker
from kalender.operate.check.certificates import time_left
from kalender.operate.check.trial import TrialState
from kalender.sandbox.server import Running
from kalender.store.database import Database
from kalender.store.heartbeats import Heartbeat
from kalender.store.tables import heartbeat
from tests.e2e.house import House, fails
from tests.served import start
from tests.servers import make_certificates

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
NOW = "2025-08-18T08:00+02:00"
MAILBOX, OUTSIDE = "st000001@uni.example", "st000002@uni.example"
ALL = ("--mailbox", MAILBOX, "--write", "--must-fail", OUTSIDE)
Rows = dict[str, dict[str, Any]]


@pytest.fixture
def queue(amqp_url: str) -> Iterator[str]:
    name = f"check-{uuid4().hex}"
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare(name, durable=True, arguments={"x-queue-type": "quorum"})
    yield name
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_delete(name)


@pytest.fixture
def whole(
    tmp_path: Path, sandbox: Running, migrated_postgresql: str, amqp_url: str, queue: str
) -> House:
    """An installation on PostgreSQL and RabbitMQ, with one mailbox out of scope."""
    broker = f'[broker]\nurl = "{amqp_url}"\nqueues = ["{queue}"]\n'
    made = House(tmp_path, tmp_path, sandbox, migrated_postgresql, NOW, "epost:INSTITUSJON", broker)
    made.config.write_text(made.config.read_text().replace("uio.example", "uni.example"))
    made.send("PUT", f"exchange/mailbox?address={OUTSIDE}", {"state": "denied"})
    return made


def rows(house: House, *words: str, expect: int = 0) -> Rows:
    found: list[dict[str, Any]] = json.loads(house.run("check", "--json", *words, expect=expect))
    return {row["what"]: row for row in found}


def change(house: House, old: str, new: str) -> None:
    before = house.config.read_text()
    assert old in before
    house.config.write_text(before.replace(old, new))


def failing(found: Rows) -> set[str]:
    return {what for what, row in found.items() if row["state"] == "failed"}


def ours(house: House, mailbox: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = house.get(f"exchange/items?mailbox={mailbox}")
    return [item for item in items if item["sync_key"] and item["folder"] == "calendar"]


# -- what holds ---------------------------------------------------------------------------------------


def test_all_that_can_be_tried_is_tried_and_holds(whole: House, queue: str) -> None:
    found = rows(whole, *ALL)
    assert {row["state"] for row in found.values()} == {"ok"}
    assert list(found) == [
        *("settings", "database", "migration", "unreadable items", "usernames", "clocks"),
        *("broker", f"queue {queue}"),
        *("fs", "fs offers", "tp", "tp changes"),
        *("exchange.main", "exchange.main write", "exchange.main scope", "connections"),
    ]
    said = {what: row["said"] for what, row in found.items()}
    assert said["database"] == "postgresql"
    assert said["migration"].startswith("current")
    assert said[f"queue {queue}"].startswith("0 waiting, 0 consumers; type and dead-lettering")
    assert "studentundervisning: with fields" in said["fs"]
    assert "I " in said["fs offers"]
    assert "in 25h; the first has" in said["tp"]
    assert said["tp changes"].startswith("served: ")
    assert "written and taken back" in said["exchange.main write"]
    assert said["exchange.main scope"].startswith("refused, as it must be (Error")
    assert ours(whole, MAILBOX) == []
    assert whole.get("exchange/private-touched")["count"] == 0


def test_each_line_says_what_was_tried_and_how_long_it_took(whole: House) -> None:
    shape = {"what": str, "state": str, "ok": bool, "ms": int, "said": str}
    for row in rows(whole).values():
        assert set(row) == {*shape, "remedy"}
        assert all(isinstance(row[name], kind) for name, kind in shape.items())
    said = whole.run("check")
    lines = [line for line in said.splitlines() if not line.startswith("    ")]
    assert lines[0].split()[:2] == ["ok", "settings"]
    assert all(" ms  " in line for line in lines)
    assert all(len(line) <= 80 for line in said.splitlines())
    assert "give --mailbox ADDRESS" in " ".join(said.split())


def test_no_queue_is_declared(whole: House, amqp_url: str) -> None:
    name = f"nobodys-{uuid4().hex}"
    change(whole, "queues = [", f'queues = ["{name}", ')
    found = rows(whole, expect=1)
    assert failing(found) == {f"queue {name}"}
    assert found[f"queue {name}"]["remedy"].startswith("have it made")
    with (
        pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection,
        pytest.raises(pika.exceptions.ChannelClosedByBroker),
    ):
        connection.channel().queue_declare(name, passive=True)


# -- what does not ------------------------------------------------------------------------------------


def test_settings_that_cannot_be_used_are_code_2(whole: House) -> None:
    for words, said in (
        (["--write"], "want --mailbox ADDRESS"),
        (["--must-fail", OUTSIDE], "want --mailbox ADDRESS"),
        (["--mailbox", "a@elsewhere.example", "--write"], "institution.mail_domains"),
    ):
        code, line = fails(whole, "check", *words)
        assert (code, said in line) == (2, True)
    change(whole, "[fs]", "[fs]\nstrange = 1")
    assert fails(whole, "check")[0] == 2


def test_a_database_that_is_away_keeps_nothing_else_from_being_tried(whole: House) -> None:
    change(whole, whole.database, "postgresql+psycopg://postgres@127.0.0.1:1/nowhere")
    found = rows(whole, *ALL, expect=1)
    assert failing(found) == {"database"}
    assert "database.url" in found["database"]["remedy"]
    assert {found[what]["state"] for what in ("migration", "clocks", "connections")} == {
        "not tried"
    }
    assert found["exchange.main write"]["state"] == "ok"


def test_tables_that_are_behind_are_to_be_upgraded(whole: House, postgresql_url: str) -> None:
    change(whole, whole.database, postgresql_url)
    found = rows(whole, expect=1)
    assert failing(found) == {"migration"}
    assert found["migration"]["said"].startswith("behind: at no tables")
    assert found["migration"]["remedy"] == "run kalender db upgrade"


@pytest.mark.parametrize(
    ("revision", "state", "remedy"),
    [("0999", "warned", "upgrade the package soon"), ("1000", "failed", "upgrade the package")],
)
def test_tables_that_are_ahead_are_said(
    whole: House, revision: str, state: str, remedy: str
) -> None:
    database = Database(whole.database)
    with database.write() as connection:
        at = {"revision": revision}
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), at)
    database.close()
    found = rows(whole, expect=int(state == "failed"))["migration"]
    assert (found["state"], found["said"].startswith("ahead")) == (state, True)
    assert remedy in found["remedy"]


def test_more_connections_than_exchange_allows_are_too_many(whole: House) -> None:
    change(whole, 'password = "kalender"', 'password = "kalender"\nmax_connections = 7')
    database = Database(whole.database)
    for n in range(3):
        Heartbeat(worker=f"there:{n}").beat(database, connections=3)
    found = rows(whole, expect=1)
    assert failing(found) == {"connections"}
    assert "9 of 3 live worker processes, 6 configured here" in found["connections"]["said"]
    with database.write() as connection:
        connection.execute(heartbeat.update().values(stopped_at=heartbeat.c.seen_at))
    database.close()
    assert rows(whole)["connections"]["ok"]


def test_a_broker_that_is_away_is_said_once(whole: House, amqp_url: str, queue: str) -> None:
    change(whole, amqp_url, "amqp://guest:guest@127.0.0.1:1/%2F")
    found = rows(whole, expect=1)
    assert failing(found) == {"broker"}
    assert found[f"queue {queue}"]["state"] == "not tried"


def test_who_refuses_us_says_so_with_the_remedy(whole: House) -> None:
    whole.send("PUT", "auth", {"fs": "other", "tp": "other", "exchange": "other"})
    before = whole.requests_to_exchange()
    found = rows(whole, *ALL, expect=1)
    assert failing(found) == {"fs", "tp", "exchange.main"}
    for what, section in (("fs", "[fs]"), ("tp", "[tp]"), ("exchange.main", "[exchange.main]")):
        assert "401" in found[what]["said"]
        assert section in found[what]["remedy"]
    assert whole.requests_to_exchange() - before == 1  # no account is locked out by trying


def test_what_keeps_us_from_asking_is_told_apart(whole: House) -> None:
    whole.run("pause", "fs", "--reason", "FS is upgraded", "--by", "kari")
    whole.send("PUT", "auth", {"tp": "other"})
    for _ in range(3):
        rows(whole, expect=1)
    database = Database(whole.database)
    with database.write() as connection:
        for key in ("1", "2", "3"):
            wait = timedelta(minutes=1)
            breaker.failed(
                connection, "exchange.main", key=key, error="it is away", retry_after=wait
            )
    database.close()
    found = rows(whole, expect=1)
    said = {name: found[f"{name} paused"] for name in ("fs", "tp", "exchange.main")}
    assert said["fs"]["said"] == "paused by hand by kari (FS is upgraded)"
    assert said["tp"]["said"].startswith("refused our credentials ")
    assert said["exchange.main"]["said"].startswith("left alone for a moment after 3 failures (it ")
    for name, row in said.items():
        assert (row["state"], f"kalender resume {name}" in row["remedy"]) == ("warned", True)
    assert found["fs"]["said"].startswith("fs: paused by hand by kari (FS is upgraded)")
    assert found["tp"]["said"].startswith("tp: it refuses our credentials (")
    for name in ("fs", "tp"):
        assert f"kalender resume {name}" in found[name]["said"]


def test_files_of_secrets_that_others_may_read_are_named(whole: House) -> None:
    with TemporaryDirectory(dir="/tmp") as name:  # a directory that others may enter, too
        directory = Path(name)
        directory.chmod(0o755)
        key, variables = directory / "fs_key", directory / "kalender.env"
        key.write_text("sandbox")
        variables.write_text("KALENDER_TP__API_KEY=sandbox\n")
        settings = directory / "config.toml"
        text = whole.config.read_text().replace('api_key = "sandbox"', f'api_key_file = "{key}"', 1)
        settings.write_text(text)
        whole.config = settings
        for path in (key, variables, settings):
            path.chmod(0o644)
        (row,) = [row for what, row in rows(whole).items() if what == "secrets"]
        assert row["state"] == "warned"
        named = f"{settings}, {key}, {variables}"
        assert row["said"] == f"others on this machine may read {named}"
        assert row["remedy"].startswith("chmod o-r ")
        for path in (key, variables, settings):
            path.chmod(0o640)
        assert "secrets" not in rows(whole)


def test_a_secret_that_is_missing_fails_and_what_needs_none_is_tried(whole: House) -> None:
    change(whole, 'api_key = "sandbox"', 'api_key_file = "/nowhere/key"')
    found = rows(whole, expect=1)
    assert failing(found) == {"secrets"}
    assert found["secrets"]["said"].startswith("fs.api_key_file: No such file")
    assert found["migration"]["ok"]


def test_ids_alone_and_offers_that_are_not_told_are_said(whole: House) -> None:
    whole.send("PUT", "fs/form", {"form": "ids"})
    found = rows(whole)
    assert "studentundervisning: ids alone" in found["fs"]["said"]
    assert found["fs offers"]["state"] == "warned"
    assert 'offer_status = "single"' in found["fs offers"]["remedy"]
    whole.send("PUT", "fs/form", {"form": "fields"})
    change(whole, "[fs]", '[fs]\naccepted_offer_statuses = ["Q"]')
    assert "accepted_offer_statuses" in rows(whole)["fs offers"]["remedy"]


def test_a_list_of_changes_must_be_served_where_it_is_polled(whole: House) -> None:
    change(whole, "[tp]", '[tp]\npaths = { changed = "ws/nowhere" }')
    assert rows(whole)["tp changes"]["said"] == "not served, and not polled"
    change(whole, "[tp]", "[tp]\npoll_seconds = 60")
    assert failing(rows(whole, expect=1)) == {"tp changes"}


def test_a_term_without_courses_is_to_be_looked_at(whole: House) -> None:
    found = json.loads(whole.run("check", "--json", now="2030-08-18T08:00+02:00"))
    (tp,) = [row for row in found if row["what"] == "tp"]
    assert (tp["state"], tp["said"]) == ("warned", "no courses in 30h")


# -- Exchange -----------------------------------------------------------------------------------------


def test_a_mailbox_that_does_not_open_fails_and_nothing_more_is_tried(whole: House) -> None:
    found = rows(whole, "--mailbox", OUTSIDE, "--write", "--must-fail", MAILBOX, expect=1)
    assert failing(found) == {"exchange.main"}
    assert found["exchange.main scope"]["state"] == "not tried"


def test_a_mailbox_outside_that_opens_fails(whole: House) -> None:
    found = rows(whole, "--mailbox", MAILBOX, "--must-fail", "st000003@uni.example", expect=1)
    assert failing(found) == {"exchange.main scope"}
    assert "OPENS" in found["exchange.main scope"]["said"]
    assert "management scope" in found["exchange.main scope"]["remedy"]


def test_a_mailbox_that_is_not_there_proves_no_scope(whole: House) -> None:
    found = rows(whole, "--mailbox", MAILBOX, "--must-fail", "no@uni.example", expect=1)
    assert "proves nothing" in found["exchange.main scope"]["said"]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "operation": "DeleteItem", "status": 500},
        {"kind": "item-error", "operation": "DeleteItem", "code": "ErrorAccessDenied"},
        {"kind": "process-then-drop", "operation": "CreateItem"},
    ],
)
def test_an_entry_that_may_be_left_is_said_and_taken_back_by_the_next_check(
    whole: House, fault: dict[str, Any]
) -> None:
    whole.send("POST", "faults", {"neighbour": "exchange", **fault})
    found = rows(whole, "--mailbox", MAILBOX, "--write", expect=1)
    assert failing(found) == {"exchange.main write"}
    assert "check --write on it again" in found["exchange.main write"]["remedy"]
    rows(whole, "--mailbox", MAILBOX, "--write")
    assert ours(whole, MAILBOX) == []


def test_of_several_exchanges_the_mailbox_need_be_in_one(whole: House) -> None:
    with start(whole.directory / "served") as other:
        end = other.endpoints
        requests.put(
            f"{end.control}/exchange/mailbox?address={MAILBOX}",
            json={"state": "missing"},
            timeout=9,
        )
        names = f'[exchange]\ndefault = "main"\n\n[exchange.old]\nendpoint = "{end.exchange}"'
        told = f'{names}\nusername = "kalender"\npassword = "kalender"\n\n[exchange.main]'
        change(whole, "[exchange.main]", told)
        found = rows(whole, "--mailbox", MAILBOX)
        assert [found[f"exchange.{name}"]["state"] for name in ("old", "main")] == ["warned", "ok"]
        found = rows(whole, "--mailbox", "no@uni.example", expect=1)
        assert failing(found) == {"exchange.main"}


# -- certificates -------------------------------------------------------------------------------------


def test_a_brokers_certificate_that_ends_soon_fails(
    whole: House, amqp_url: str, amqps: tuple[str, Path]
) -> None:
    url, ca_file = amqps
    change(whole, amqp_url, url)
    change(whole, "[broker]", f'[broker]\nca_file = "{ca_file}"')
    found = rows(whole, expect=1)
    assert failing(found) == {"certificate broker"}
    assert found["certificate broker"]["said"] in ("ends in 0 days", "ends in 1 days")
    assert found["broker"]["ok"]


@pytest.fixture
def https(tmp_path: Path) -> Iterator[str]:
    """An endpoint that shakes hands and says no more."""
    make_certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=_shake, args=(listening, context), daemon=True).start()
        yield f"https://localhost:{listening.getsockname()[1]}/EWS/Exchange.asmx"


def _shake(listening: socket.socket, context: ssl.SSLContext) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return
        try:
            context.wrap_socket(plain, server_side=True).close()
        except OSError:
            plain.close()


def test_a_certificate_is_judged_by_whom_that_neighbour_is_told_to_trust(
    whole: House, https: str, tmp_path: Path
) -> None:
    change(whole, whole.sandbox.endpoints.exchange, https)
    assert rows(whole, expect=1)["certificate exchange.main"]["said"].startswith("not trusted")
    change(whole, "[exchange.main]", f'[exchange.main]\nca_file = "{tmp_path}/ca.pem"')
    assert rows(whole, expect=1)["certificate exchange.main"]["said"].startswith("ends in")
    change(whole, https, "https://localhost:1/EWS")
    assert rows(whole, expect=1)["certificate exchange.main"]["said"].startswith("no TLS")


def test_status_says_after_a_resync_that_a_certificate_is_about_to_end(
    whole: House, https: str, tmp_path: Path
) -> None:
    change(whole, whole.sandbox.endpoints.exchange, https)
    change(whole, "[exchange.main]", f'[exchange.main]\nca_file = "{tmp_path}/ca.pem"')
    change(whole, "[tp]", "[tp]\napi_key_expires = 2025-01-01")
    whole.run("resync", "--all")
    told = json.loads(whole.run("status", "--json"))
    warned = {each["condition"]: each["state"] for each in (told["verdict"], *told["also"])}
    assert warned["certificate-ends:exchange.main"] == "warning"
    assert warned["secret-ends:tp.api_key"] == "warning"
    assert "certificate-ends:fs" not in warned


def test_a_month_is_time_enough_a_week_is_not() -> None:
    days = {
        31: TrialState.OK,
        30: TrialState.OK,
        29: TrialState.WARNED,
        7: TrialState.WARNED,
        6: TrialState.FAILED,
    }
    for number, state in days.items():
        assert time_left(timedelta(days=number)).state is state
