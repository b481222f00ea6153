"""Exchange Online as its operators meet it: how users are named, and what `check` tries of it."""

import json
import re
import signal
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from kalender.sandbox.installation import Sandbox
from kalender.sandbox.server import Running
from tests.e2e.conftest import copy_database
from tests.e2e.house import House, fails
from tests.fewer_events import generate_with_fewer_events
from tests.graph import self_signed
from tests.served import start

pytestmark = pytest.mark.e2e
NOW = "2025-08-18T08:00+02:00"
MAILBOX, OUTSIDE, OTHER = (f"st00000{n}@uni.example" for n in (1, 2, 3))
SECRET = 'client_secret = "kalender"'
Rows = dict[str, dict[str, Any]]


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Running]:
    """A sandbox of a few people whose mailboxes are all on its Graph."""
    directory = tmp_path / "served"
    generate_with_fewer_events(directory, students=5, keep=1, of=3)
    with start(directory, graph="all") as running:
        yield running


def application(sandbox: Sandbox, proof: str = SECRET) -> str:
    """The keys of an application of Entra."""
    ends = sandbox.endpoints
    return (
        f'tenant = "uni.example"\nclient_id = "kalender"\n{proof}\n'
        f'login_url = "{ends.login}"\nca_file = "{ends.login_ca}"\n'
    )


@pytest.fixture
def cloud(tmp_path: Path, sandbox: Running, migrated_file: Path) -> Iterator[House]:
    """An installation whose one Exchange is that Graph; its logs name nobody."""
    database = f"sqlite:///{tmp_path}/k.db"
    made = House(tmp_path, tmp_path / "served", sandbox, database, NOW, "epost:INSTITUSJON")
    text = made.config.read_text().replace("uio.example", "uni.example")
    made.config.write_text(text.replace("processes = 2", "processes = 1"))  # enough for five
    exchange(made, f'kind = "graph"\nbase_url = "{sandbox.endpoints.graph}"')
    copy_database(migrated_file, tmp_path / "k.db")
    yield made
    made.assert_logs_are_clean()


def exchange(house: House, keys: str, proof: str = SECRET) -> None:
    """Let [exchange.main] be an application with these keys."""
    section = f"[exchange.main]\n{keys}\n{application(house.sandbox, proof)}\n"
    text = re.sub(
        r"\[exchange\.main\]\n.*?\n\n", section, house.config.read_text(), flags=re.DOTALL
    )
    house.config.write_text(text)


def change(house: House, old: str, new: str) -> None:
    before = house.config.read_text()
    assert old in before
    house.config.write_text(before.replace(old, new))


def rows(house: House, *words: str, expect: int = 0) -> Rows:
    found: list[dict[str, Any]] = json.loads(house.run("check", "--json", *words, expect=expect))
    return {row["what"]: row for row in found}


def said(found: Rows, what: str) -> tuple[str, str]:
    return found[what]["state"], found[what]["said"]


def fill(house: House) -> None:
    house.run("resync", "--all")
    house.run("worker", "--until-idle")


def principal_names(house: House) -> None:
    """Let Graph know nobody by their address, and everybody by their username in another domain."""
    for person in house.get("fs/personer"):
        for mail in person["epost"]:
            if mail["type"] == "INSTITUSJON":
                name(house, mail["adresse"], f"{person['brukernavn']}@cloud.example")
    house.send("PUT", "graph/settings", {"users": "upn"})


def name(house: House, address: str, upn: str) -> None:
    house.send("PUT", f"graph/mailbox?address={address}", {"upn": upn})


def ours(house: House, mailbox: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = house.get(f"exchange/items?mailbox={mailbox}")
    return [item for item in items if item["sync_key"]]


# -- what is tried ----------------------------------------------------------------------------------


def test_all_that_can_be_tried_of_exchange_online_holds(cloud: House) -> None:
    cloud.send("PUT", f"exchange/mailbox?address={OUTSIDE}", {"state": "denied"})
    found = rows(cloud, "--mailbox", MAILBOX, "--write", "--must-fail", OUTSIDE)
    tried = [what for what in found if what.startswith("exchange.main")]
    kinds = ("token", "clock", "credential")
    assert tried == [
        *(f"exchange.main {kind}" for kind in kinds),
        *("exchange.main", "exchange.main write", "exchange.main scope"),
    ]
    token = "given; it grants no role beyond the scope in Exchange"
    assert said(found, "exchange.main token") == ("ok", token)
    assert re.fullmatch(r"login_url's is [+-][012] s from ours", found[tried[1]]["said"])
    assert said(found, tried[2]) == ("warned", "secret: unknown when it ends")
    opens = "the mailbox opens; 0 entries of ours there; the calendar's owner is that address"
    assert said(found, "exchange.main") == ("ok", opens)
    assert said(found, "exchange.main write") == ("ok", "one entry written and taken back")
    assert found["exchange.main scope"]["said"] == "refused, as it must be (ErrorAccessDenied)"
    assert ours(cloud, MAILBOX) == []
    assert cloud.get("exchange/private-touched")["count"] == 0
    assert cloud.get("exchange/mails") == []


def test_a_mailbox_outside_the_scope_that_opens_fails(cloud: House) -> None:
    found = rows(cloud, "--mailbox", MAILBOX, "--must-fail", OUTSIDE, expect=1)
    assert said(found, "exchange.main scope") == ("failed", "the mailbox outside the scope OPENS")


def test_roles_that_were_consented_to_are_named(cloud: House) -> None:
    cloud.send("PUT", "graph/settings", {"roles": "Mail.Read Calendars.ReadWrite"})
    found = rows(cloud)
    state, text = said(found, "exchange.main token")
    assert (state, "grants Calendars.ReadWrite, Mail.Read beyond any scope" in text) == (
        "warned",
        True,
    )
    assert "consent in Entra" in found["exchange.main token"]["remedy"]
    assert found["exchange.main"]["state"] == "not tried"


def test_who_is_no_application_there_is_not_asked_for_a_mailbox(cloud: House) -> None:
    cloud.send("PUT", "auth", {"graph": "other"})
    found = rows(cloud, "--mailbox", MAILBOX, "--write", expect=1)
    assert "no access token (invalid_client AADSTS7000215)" in found["exchange.main token"]["said"]
    for what in ("exchange.main", "exchange.main write"):
        assert found[what]["state"] == "not tried"
    assert found["exchange.main clock"]["state"] == "ok"  # the refusal tells the time as well
    assert cloud.requests_to("graph") == 0


@pytest.mark.parametrize(("seconds", "state"), [(60, "warned"), (-600, "failed")])
def test_a_clock_that_differs_is_told(cloud: House, seconds: int, state: str) -> None:
    cloud.send("PUT", "graph/settings", {"clock_ahead": float(seconds)})
    found = rows(cloud, expect=int(state == "failed"))
    assert found["exchange.main clock"]["state"] == state
    differs = re.search(r"([+-]\d+) s", found["exchange.main clock"]["said"])
    assert differs is not None
    assert abs(int(differs[1]) - seconds) <= 2


@pytest.mark.parametrize(("days", "state"), [(60, "ok"), (20, "warned"), (3, "failed")])
def test_the_days_of_a_secret_are_counted(cloud: House, days: int, state: str) -> None:
    now = datetime.now(ZoneInfo("Europe/Oslo"))  # noqa: TID251 - the machine's own clock
    last = (now + timedelta(days=days)).date()
    change(cloud, SECRET, f"{SECRET}\nclient_secret_expires = {last}")
    found = rows(cloud, expect=int(state == "failed"))
    assert found["exchange.main credential"]["state"] == state
    assert re.fullmatch(
        rf"secret ends in {days - 1} days", found["exchange.main credential"]["said"]
    )


def test_the_days_of_a_certificate_are_counted_and_status_tells_of_its_end(
    cloud: House, tmp_path: Path
) -> None:
    def proof(name: str, **lasts: timedelta) -> str:
        certificate, key = self_signed(tmp_path, name, **lasts)
        return f'certificate_file = "{certificate}"\nkey_file = "{key}"'

    ends = datetime.now(UTC) - datetime(2025, 1, 1, tzinfo=UTC)  # noqa: TID251
    long = proof("long")
    change(cloud, SECRET, long)
    state, text = said(rows(cloud), "exchange.main credential")
    assert (state, text.startswith("certificate ends in ")) == ("ok", True)
    change(cloud, long, proof("short", lasts=ends + timedelta(days=10, hours=1)))
    assert said(rows(cloud), "exchange.main credential") == (
        "warned",
        "certificate ends in 10 days",
    )
    cloud.run("resync", "--all")
    told = json.loads(cloud.run("status", "--json"))
    warned = {each["condition"]: each for each in (told["verdict"], *told["also"])}
    condition = warned["certificate-ends:exchange.main.certificate_file"]
    assert condition["state"] == "warning"


def test_the_platforms_token_has_no_end_of_its_own(cloud: House, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a")
    change(cloud, SECRET, f'federated_token_file = "{tmp_path}/token"')
    found = rows(cloud, expect=1)  # the sandbox takes no such token
    assert (
        found["exchange.main credential"]["said"]
        == "the platform's token, which it renews by itself"
    )


def test_a_calendar_of_another_address_fails_and_is_not_written(cloud: House) -> None:
    name(cloud, OTHER, "alias@uni.example")
    found = rows(cloud, "--mailbox", "alias@uni.example", "--write", expect=1)
    state, text = said(found, "exchange.main")
    assert (state, text.endswith("but the calendar's owner is another address")) == ("failed", True)
    assert found["exchange.main write"]["state"] == "not tried"
    assert cloud.get("counters").get("graph.CreateEvent") is None


# -- how users are named ----------------------------------------------------------------------------


def test_users_are_named_by_their_usernames(cloud: House) -> None:
    principal_names(cloud)
    change(cloud, 'kind = "graph"', 'kind = "graph"\nuser = "{username}@cloud.example"')
    found = rows(cloud, "--mailbox", "st000001@cloud.example", expect=0)
    state, text = said(found, "exchange.main")  # nobody is known yet: named as it was given
    assert (state, text.endswith("owner is another address than was given")) == ("warned", True)
    fill(cloud)
    assert cloud.differences() == []
    assert len(cloud.held()) > 10
    found = rows(cloud, "--mailbox", MAILBOX, "--write")
    assert found["exchange.main"]["said"].endswith("the calendar's owner is that address")


def test_a_username_may_be_a_principal_name(cloud: House) -> None:
    change(cloud, 'kind = "graph"', 'kind = "graph"\nuser = "upn"')
    person, other = cloud.get("fs/personer")[:2]
    upn = f"{person['brukernavn']}@cloud.example"
    principal_names(cloud)
    cloud.send("PUT", "fs/personer", {**person, "brukernavn": upn})
    fill(cloud)
    address, nameless = (each["epost"][0]["adresse"] for each in (person, other))
    assert ours(cloud, address)
    assert ours(cloud, nameless) == []
    errors = {row["last_error"] for row in json.loads(cloud.run("parked", "--json"))}
    (error,) = errors
    assert error.startswith("[exchange.main] user = 'upn': FS tells no username of the mailbox'")
    known = {**other, "brukernavn": f"{other['brukernavn']}@cloud.example"}
    cloud.send("PUT", "fs/personer", known)
    cloud.run("resync", "--person", str(other["personlopenummer"]))
    cloud.run("worker", "--until-idle")
    assert ours(cloud, nameless)


def test_nobody_is_named_by_a_username_that_is_anothers(cloud: House) -> None:
    principal_names(cloud)
    change(cloud, 'kind = "graph"', 'kind = "graph"\nuser = "{username}@cloud.example"')
    first, second = cloud.get("fs/personer")[:2]
    cloud.send("PUT", "fs/personer", {**second, "brukernavn": None})
    fill(cloud)
    cloud.send("PUT", "fs/personer", {**second, "brukernavn": first["brukernavn"]})
    cloud.run("resync", "--person", str(second["personlopenummer"]))
    cloud.run("worker", "--until-idle")
    wanted = cloud.wanted()
    for person in (first, second):
        address = person["epost"][0]["adresse"]
        expected = wanted[address] if person is first else []
        assert wanted[address]
        assert cloud.held().get(address, []) == sorted(expected)


def test_both_kinds_are_side_by_side_and_a_calendar_is_found_where_its_mailbox_is(
    cloud: House,
) -> None:
    principal_names(cloud)
    places = cloud.get("graph/mailboxes")
    for address in sorted(places)[::2]:
        cloud.send("PUT", f"graph/mailbox?address={address}", {"place": "ews"})
    change(cloud, 'kind = "graph"', 'kind = "graph"\nuser = "{username}@cloud.example"')
    change(cloud, "[exchange.main]", "[exchange.cloud]")
    ews = f'endpoint = "{cloud.sandbox.endpoints.exchange}"\nauth = "oauth2"'
    bridge = f'[exchange]\ndefault = "bridge"\n[exchange.bridge]\n{ews}\n'
    change(cloud, "[exchange.cloud]", f"{bridge}{application(cloud.sandbox)}\n[exchange.cloud]")
    fill(cloud)
    assert cloud.differences() == []
    counters = cloud.get("counters")
    assert counters["graph.CreateEvent"] > 0
    assert counters["exchange.CreateItem"] > 0


def test_a_username_without_an_address_for_each_role_is_a_contradiction(cloud: House) -> None:
    change(cloud, 'kind = "graph"', 'kind = "graph"\nuser = "{username}@cloud.example"')
    rule = 'mailbox = "epost:INSTITUSJON"'
    change(cloud, rule, 'mailbox = { student = "epost:INSTITUSJON", teacher = "epost:ARBEID" }')
    code, line = fails(cloud, "check")
    assert (code, "give one for all" in line) == (2, True)


# -- EWS as an application --------------------------------------------------------------------------


def test_ews_takes_the_application_of_a_tenant(cloud: House) -> None:
    for address in cloud.get("graph/mailboxes"):
        cloud.send("PUT", f"graph/mailbox?address={address}", {"place": "ews"})
    ews = f'kind = "ews"\nauth = "oauth2"\nendpoint = "{cloud.sandbox.endpoints.exchange}"'
    exchange(cloud, ews)
    found = rows(cloud, "--mailbox", MAILBOX, "--write")
    assert found["exchange.main token"]["state"] == "ok"
    assert found["exchange.main write"]["state"] == "ok"
    cloud.run("resync", "--all")
    cloud.send("DELETE", "requests")
    cloud.run("worker", "--until-idle")
    assert cloud.differences() == []
    assert cloud.get("counters")["login.Token"] == 1  # of the one process
    cloud.send("PUT", "auth", {"graph": "other"})
    found = rows(cloud, "--mailbox", MAILBOX, expect=1)
    assert "AADSTS7000215" in found["exchange.main token"]["said"]


# -- the probe --------------------------------------------------------------------------------------


@pytest.fixture
def probed(cloud: House) -> House:
    """The same, where Graph tells ids that stay."""
    cloud.send("PUT", "graph/settings", {"immutable_ids": True})
    return cloud


def test_a_probe_has_every_answer_and_leaves_nothing_behind(probed: House) -> None:
    before = probed.items(MAILBOX)
    probed.send("PUT", f"exchange/mailbox?address={OUTSIDE}", {"state": "denied"})
    words = ("--mailbox", OTHER, "--must-fail", OUTSIDE)
    found = rows(probed, "--probe", MAILBOX, *words)
    assert {row["state"] for row in found.values()} == {"ok", "not tried"}
    untried = {what.split()[0] for what, row in found.items() if row["state"] == "not tried"}
    assert untried == {"7", "9", "10", "11", "16"}
    assert {what.split()[0] for what in found} >= {str(n) for n in range(1, 17)}
    assert found["2 PATCH with an old If-Match"]["said"] == "412 ErrorIrresolvableConflict"
    assert found["14 a mailbox outside the scope"]["said"] == "403 ErrorAccessDenied"
    assert found["taken away"]["said"].endswith(" events removed, 0 left")
    assert probed.items(MAILBOX) == before
    assert len(probed.items(OTHER)) == len(before)
    assert probed.get("exchange/private-touched")["count"] == 0
    assert probed.get("exchange/mails") == []


def test_a_probe_beside_entries_of_ours_touches_none_of_them(probed: House) -> None:
    principal_names(probed)
    change(probed, 'kind = "graph"', 'kind = "graph"\nuser = "{username}@cloud.example"')
    fill(probed)
    before = probed.items(MAILBOX)
    assert len(before) > 5
    found = rows(probed, "--probe", MAILBOX)
    answer = found["9 the address in the place of the principal name"]["said"]
    assert answer == "404 ErrorInvalidUser"
    assert probed.items(MAILBOX) == before
    assert probed.differences() == []


def test_a_probe_mails_the_attendee_it_is_given_and_nobody_else(probed: House) -> None:
    before = probed.items(MAILBOX)
    found = rows(probed, "--probe", MAILBOX, "--attendee", OTHER)
    assert found["7 PATCH of showAs alone of a meeting"]["said"].startswith("200; did the attendee")
    mails = probed.get("exchange/mails")
    assert {address for mail in mails for address in mail["to"]} == {OTHER}
    assert probed.items(MAILBOX) == before


def test_a_probe_is_a_table_for_people(probed: House) -> None:
    printed = probed.run("check", "--probe", MAILBOX)
    assert re.search(
        r"^ok +1 a new event is found by its property \(eq\) +yes", printed, re.MULTILINE
    )
    assert "0 left" in printed
    assert "@" not in printed


@pytest.mark.parametrize("operation", ["UpdateEvent", "CreateEvent"])
def test_a_probe_that_fails_cleans_up(probed: House, operation: str) -> None:
    before = probed.items(MAILBOX)
    fault = {"neighbour": "graph", "kind": "process-then-drop", "operation": operation}
    probed.send("POST", "faults", fault)
    found = rows(probed, "--probe", MAILBOX, expect=1)
    assert any("could not be asked" in row["said"] for row in found.values())
    assert found["taken away"]["state"] == "warned"  # it may still go on where it was cut
    assert ", 0 left; a request was cut" in found["taken away"]["said"]
    assert probed.items(MAILBOX) == before


def test_a_probe_that_is_interrupted_cleans_up(probed: House) -> None:
    before, pause, end = probed.items(MAILBOX), threading.Event(), monotonic() + 60
    probed.send("PUT", "latency", {"graph": 0.3})
    process = probed.start("check", "--probe", MAILBOX, log="probe.log")
    while probed.get("counters").get("graph.CreateEvent", 0) < 5:
        assert monotonic() < end
        pause.wait(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert probed.items(MAILBOX) == before
    assert ", 0 left" in (probed.directory / "probe.log").read_text()


def test_what_a_probe_could_not_remove_is_told_and_goes_with_the_next(probed: House) -> None:
    before = probed.items(MAILBOX)
    fault = {"neighbour": "graph", "kind": "status", "status": 403, "code": "ErrorAccessDenied"}
    probed.send("POST", "faults", {**fault, "operation": "PermanentDelete", "times": 1000})
    found = rows(probed, "--probe", MAILBOX, expect=1)
    assert found["taken away"]["state"] == "failed"
    assert re.search(r"\d+ events removed, [1-9]\d* left", found["taken away"]["said"])
    assert "delete what is called 'kalender probe' on 2026-08-18" in str(
        found["taken away"]["remedy"]
    )
    probed.send("DELETE", "faults")
    rows(probed, "--probe", MAILBOX)
    gone = [item for item in probed.items(MAILBOX) if item["folder"] == "calendar"]
    assert gone == before


def test_a_probe_without_ids_that_stay_deletes_nothing_that_it_could_not_find(cloud: House) -> None:
    before = cloud.items(MAILBOX)
    found = rows(cloud, "--probe", MAILBOX)
    assert found["taken away"]["said"].endswith(", 0 left")
    assert cloud.items(MAILBOX) == before


def test_a_probe_wants_a_graph_and_a_mailbox_of_ours(cloud: House) -> None:
    for words, line in (
        (["--attendee", OTHER], "--attendee wants --probe"),
        (["--probe", "a@elsewhere.example"], "--probe wants a mailbox in one of"),
        (["--probe", MAILBOX, "--write"], "give one of them"),
        (["--probe", "nobody@uni.example"], "ErrorInvalidUser"),
    ):
        code, told = fails(cloud, "check", *words)
        assert (code, line in told) == (2, True)
    exchange(cloud, f'auth = "oauth2"\nendpoint = "{cloud.sandbox.endpoints.exchange}"')
    code, told = fails(cloud, "check", "--probe", MAILBOX)
    assert (code, 'kind = "graph"' in told) == (2, True)
