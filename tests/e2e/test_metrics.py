"""What a listener and a worker tell of themselves, scraped by a real Prometheus."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pika
import pytest
import requests
import yaml
from prometheus_client.parser import text_string_to_metric_families

from kalender.operate.verdict import STATES
from kalender.sandbox.server import Running
from tests import commands
from tests.e2e.house import House, fails

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "docs" / "deploy"
RULES = yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((DEPLOY / "dashboard.json").read_text())
NOW = "2025-08-18T08:00+02:00"
SECONDS = 60.0
TWO_PROCESSES = ("processes = 1", "processes = 2")
Labels = tuple[tuple[str, str], ...]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """Wait until something is so; return it."""
    end, pause = monotonic() + SECONDS, threading.Event()
    while not (found := holds()):
        assert monotonic() < end, what
        pause.wait(0.5)
    return found


@dataclass(frozen=True)
class Endpoint:
    """A process' own port."""

    port: int

    def get(self, path: str) -> tuple[int, str]:
        """Ask; 0 where nobody listens yet."""
        try:
            answer = requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=30)
        except requests.ConnectionError:
            return 0, ""
        return answer.status_code, answer.text

    def told(self) -> dict[tuple[str, Labels], float]:
        """All samples by name and labels."""
        _, text = self.get("/metrics")
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def sum(self, name: str, **labels: str) -> float:
        """Add the samples of a name that carry these labels."""
        return sum(
            value
            for (each, told), value in self.told().items()
            if each == name and labels.items() <= dict(told).items()
        )


@pytest.fixture
def queue(amqp_url: str) -> Iterator[str]:
    name = f"metrics-{uuid4().hex}"
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_declare(name, durable=True)
    yield name
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        connection.channel().queue_delete(name)


@pytest.fixture
def served(
    tmp_path: Path, small_sandbox: Running, migrated_postgresql: str, amqp_url: str, queue: str
) -> House:
    """An installation on PostgreSQL and RabbitMQ, with one process for workers."""
    broker = f'[broker]\nurl = "{amqp_url}"\nqueues = ["{queue}"]\n'
    made = House(
        tmp_path, tmp_path, small_sandbox, migrated_postgresql, NOW, "epost:INSTITUSJON", broker
    )
    text = made.config.read_text().replace("uio.example", "uni.example")
    made.config.write_text(text.replace(*TWO_PROCESSES[::-1]))
    return made


@contextmanager
def telling(
    house: House, command: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Endpoint, commands.Process]]:
    """Run a command that tells how it goes."""
    endpoint = Endpoint(free_port())
    monkeypatch.setenv("KALENDER_METRICS__PORT", str(endpoint.port))
    with house.running(command) as process:
        monkeypatch.delenv("KALENDER_METRICS__PORT")
        wait_until(lambda: endpoint.get("/readyz")[0] == 200, f"{command} is never ready")
        yield endpoint, process


def publish(amqp_url: str, queue: str, *bodies: bytes) -> None:
    with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
        channel = connection.channel()
        for body in bodies:
            channel.basic_publish("", queue, body)


# -- the listener ------------------------------------------------------------------------------------


def test_a_listener_counts_messages_and_fails_readiness_where_its_queue_is_missing(
    served: House, amqp_url: str, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with telling(served, "listener", monkeypatch) as (endpoint, _):
        assert endpoint.get("/healthz") == (200, "ok\n")
        publish(amqp_url, queue, b"accounts/st000001", b"nobody can read this")
        wait_until(
            lambda: endpoint.sum("kalender_messages_total", queue=queue) == 2, "never counted"
        )
        assert endpoint.sum("kalender_rejected_messages_total", queue=queue) == 1
        assert endpoint.sum("kalender_workqueue_adds_total", kind="person") == 1
        assert endpoint.sum("kalender_source_silence_seconds", queue=queue) < SECONDS
        assert endpoint.sum("kalender_processes", kind="listener") == 1
        with pika.BlockingConnection(pika.URLParameters(amqp_url)) as connection:
            connection.channel().queue_delete(queue)
        status, said = wait_until(
            lambda: (told := endpoint.get("/readyz"))[0] == 503 and "missing" in told[1] and told,
            "the missing queue is never told",
        )
        assert (status, said.splitlines()[0]) == (503, f"queue {queue} is missing, or not for us")
        assert endpoint.sum("kalender_queue_missing", queue=queue) == 1
        assert endpoint.get("/healthz")[0] == 200
        assert endpoint.get("/elsewhere")[0] == 404


# -- the worker --------------------------------------------------------------------------------------


def test_any_endpoint_tells_of_all_processes_and_outlives_them(
    served: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.config.write_text(served.config.read_text().replace(*TWO_PROCESSES))
    served.run("resync", "--all")
    with telling(served, "worker", monkeypatch) as (endpoint, process):
        served.run("resync", "--all", "--wait")
        entries = sum(map(len, served.held().values()))
        wait_until(
            lambda: endpoint.sum("kalender_entries_total", operation="create") == entries,
            "not all entries are counted",
        )
        told = endpoint.told()
        asked = endpoint.sum("kalender_requests_total", neighbour="exchange.main", outcome="ok")
        assert asked == served.get("counters")["exchange"]
        assert (
            told["kalender_request_duration_seconds_count", (("neighbour", "exchange.main"),)]
            == asked
        )
        assert endpoint.sum("kalender_workqueue_depth") == 0
        assert endpoint.sum("kalender_verdict", state="healthy") == 1
        assert endpoint.sum("kalender_processes", kind="worker") == 2
        assert "healthy" in endpoint.get("/readyz")[1]
        for child in children(process.pid):
            os.kill(child, signal.SIGKILL)  # the one that tells is among them
        wait_until(lambda: endpoint.get("/readyz")[0] == 200, "never ready again")
        wait_until(lambda: len(children(process.pid)) == 3, "not started anew")
        assert endpoint.sum("kalender_entries_total", operation="create") == entries


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(each) for each in text.split()]


def test_a_port_that_is_taken_is_one_clear_line(
    served: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = f"[metrics]\nport = {taken.getsockname()[1]}\n"
        served.config.write_text(served.config.read_text() + text)
        for command in ("listener", "worker"):
            code, said = fails(served, command)
            assert code == 2
            assert "give this one another by KALENDER_METRICS__PORT" in said
            assert len(said.splitlines()) == 1


# -- the quality of the notifications --------------------------------------------------------------------


def test_what_a_resync_finds_is_counted_unless_a_notification_had_announced_it(
    served: House, amqp_url: str, queue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.run("resync", "--all")
    served.run("worker", "--until-idle")
    with telling(served, "listener", monkeypatch) as (endpoint, _):
        moved = served.get("tp/BIO1000")
        moved["events"][-1]["summary"] = "Something else"
        served.send("PUT", "tp/BIO1000", moved)
        _, told = enrol(served), enrol(served)
        publish(amqp_url, queue, json.dumps({"sub": f"personer/{told}"}).encode())
        wait_until(lambda: endpoint.sum("kalender_messages_total") == 1, "never counted")
        found = json.loads(served.run("resync", "--all", "--json"))
        assert (found["changed_persons"], found["unannounced"]) == (2, 1)
        served.run("worker", "--until-idle")
        wait_until(
            lambda: endpoint.sum("kalender_unannounced_changes_total", source="tp") == 1,
            "the course that changed in silence is not counted",
        )
        assert endpoint.sum("kalender_unannounced_changes_total", source="fs") == 1


def enrol(house: House) -> int:
    """Let a student take a course more; return their FS number."""
    found = house.get("fs/studentundervisning")
    taken = {(number(item), course(item)) for item in found}
    item = next(each for each in found if (number(each), "MAT1000") not in taken)
    text = json.dumps(item, ensure_ascii=False).replace(course(item), "MAT1000")
    house.send("PUT", "fs/studentundervisning", json.loads(text))
    return number(item)


def number(item: dict[str, Any]) -> int:
    return int(item["id"]["person"]["personlopenummer"])


def course(item: dict[str, Any]) -> str:
    return str(item["id"]["undervisning"]["emne"]["kode"])


# -- rules and dashboard -------------------------------------------------------------------------------

PROMETHEUS, PROMTOOL = shutil.which("prometheus"), shutil.which("promtool")


def queries() -> list[str]:
    """All that rules and dashboard ask."""
    shown = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in RULES] + shown


def test_the_dashboard_shows_how_moves_go_and_whether_they_are_paused() -> None:
    shown = " ".join(t["expr"] for panel in DASHBOARD["panels"] for t in panel["targets"])
    for asked in (
        "(kalender_moves)",
        "(kalender_moved_last_day)",
        "(kalender_calendars_living)",
        '(kalender_neighbour_held{neighbour="moves"})',
    ):
        assert asked in shown


def test_each_alert_says_who_is_woken_and_what_to_do() -> None:
    headings = re.findall(r"^### (\w+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert rule["annotations"]["runbook"] == f"docs/operations.md#{rule['alert'].lower()}"
        assert rule["alert"] in headings
    assert {rule["alert"] for rule in RULES} == set(headings)


@pytest.mark.parametrize("what", ["person", "night"])
def test_one_persons_failure_or_a_source_away_at_night_is_neither(
    what: str, tmp_path: Path
) -> None:
    """promtool plays series against the rules: nobody is called for these."""
    series = {
        "person": {
            'kalender_parked{kind="calendar"}': "1x120",
            'kalender_workqueue_depth{kind="calendar",lane="live"}': "1x120",
        },
        "night": {'kalender_neighbour_paused{neighbour="tp"}': "1x480"},
    }[what]
    assert fired(tmp_path, series, minutes=480) == set()


def test_rules_fire_where_somebody_must_come(tmp_path: Path) -> None:
    worker = 'kalender_processes{kind="worker",version="1",instance="a"}'
    for series, alert in (
        ({worker: "0x60"}, "KalenderNoWorker"),
        ({'kalender_neighbour_paused{neighbour="exchange.main"}': "1x480"}, "KalenderExchangeAway"),
        ({'kalender_neighbour_refusals{neighbour="fs"}': "3x60"}, "KalenderCredentialsRefused"),
        ({'kalender_neighbour_paused{neighbour="tp"}': "1x1440"}, "KalenderSourceAway"),
        ({'kalender_brake_holding{scope="course"}': "1x60"}, "KalenderBrakeHolds"),
        ({'kalender_settings_waiting{what="leave"}': "1x60"}, "KalenderSettingsWait"),
        ({'kalender_queue_missing{queue="q"}': "1x60"}, "KalenderQueueMissing"),
        ({'kalender_takeover_calendars{state="stopped"}': "1x60"}, "KalenderTakeoverStopped"),
        ({'kalender_condition{condition="moves-wait"}': "1x60"}, "KalenderMovesWait"),
        ({'kalender_condition{condition="moves-paused"}': "1x60"}, "KalenderMovesWait"),
        ({'kalender_condition{condition="rollout-paused"}': "1x60"}, "KalenderRolloutPaused"),
        (
            {'kalender_workqueue_oldest_age_seconds{kind="calendar",lane="live"}': "3000x60"},
            "KalenderLiveWorkLate",
        ),
        ({'kalender_parked{kind="calendar"}': "40x120"}, "KalenderParked"),
        ({'kalender_condition{condition="broker-away"}': "1x30"}, "KalenderBrokerAway"),
        ({'kalender_condition{condition="database-in-doubt"}': "1x30"}, "KalenderDatabaseInDoubt"),
        ({'kalender_condition{condition="never-written"}': "3x1500"}, "KalenderIncomplete"),
        ({'kalender_condition{condition="reading-overdue"}': "1x60"}, "KalenderReadingOverdue"),
        ({'kalender_condition{condition="listener-died"}': "1x60"}, "KalenderProcessDied"),
        ({'kalender_condition{condition="certificate-ends:fs"}': "1x90"}, "KalenderEndsSoon"),
    ):
        minutes = int(next(iter(series.values())).partition("x")[2])
        assert fired(tmp_path, series, minutes=minutes) == {alert}


def test_work_that_is_late_is_told_of_while_all_moves_are_paused(tmp_path: Path) -> None:
    late = 'kalender_workqueue_oldest_age_seconds{kind="calendar",lane="live"}'
    for held, alerts in (("exchange.main", set()), ("moves", {"KalenderLiveWorkLate"})):
        series = {late: "3000x60", f'kalender_neighbour_held{{neighbour="{held}"}}': "1x60"}
        assert fired(tmp_path, series, minutes=60) == alerts


def fired(
    directory: Path,
    series: dict[str, str],
    *,
    minutes: int,
    all_told: bool = False,
) -> set[str]:
    """Return which alerts fire after so long; unless all is told, what is not is healthy.

    Rules are evaluated at every sample of `series`: every minute, or 120 times where that is less.
    """
    step = max(1, minutes // 120)
    assert PROMTOOL, "promtool is missing: tests/install-servers installs it"
    healthy = {
        "kalender_database_up": f"1x{minutes}",
        'kalender_processes{kind="worker",version="1",instance="a"}': f"2x{minutes}",
        'kalender_processes{kind="listener",version="1",instance="a"}': f"1x{minutes}",
    }
    series = series if all_told else {**healthy, **series}
    given = [{"series": k, "values": v} for k, v in series.items()]
    silent = [
        {"eval_time": f"{minutes}m", "alertname": rule["alert"], "exp_alerts": []} for rule in RULES
    ]
    told = {
        "rule_files": [str(DEPLOY / "alerts.yml")],
        "evaluation_interval": f"{step}m",
        "tests": [{"interval": f"{step}m", "input_series": given, "alert_rule_test": silent}],
    }
    path = directory / "case.yml"
    path.write_text(yaml.safe_dump(told))
    command = [PROMTOOL, "test", "rules", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    loud = set(re.findall(r"alertname: (\w+), time:", done.stdout + done.stderr))
    assert bool(loud) == bool(done.returncode), done.stdout + done.stderr
    return loud


def test_every_query_is_answered_by_the_real_endpoints(
    served: House, amqp_url: str, queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.run("resync", "--all")
    with (
        telling(served, "listener", monkeypatch) as (listener, _),
        telling(served, "worker", monkeypatch) as (worker, _),
    ):
        publish(amqp_url, queue, b"nonsense", json.dumps({"sub": "personer/100001"}).encode())
        served.run("resync", "--all", "--wait")
        served.run("brake", "set", "--reason", "a drill")
        wait_until(lambda: worker.sum("kalender_rejected_messages_total") == 1, "never counted")
        wait_until(lambda: worker.sum("kalender_entries_total") > 0, "never counted")
        names = {name for name, _ in (worker.told() | listener.told())}
        with scraping(tmp_path, [listener.port, worker.port]) as address:
            for query in queries():
                found = answered(address, query.replace("$__rate_interval", "1m"))
                assert found["status"] == "success", query
                assert set(re.findall(r"kalender_\w+", query)) <= names | MAY_BE_NONE, query
            shown = answered(address, "max(kalender_verdict) by (state)")["data"]["result"]
        assert len(shown) == len(STATES)


MAY_BE_NONE = {  # counters of what has not happened here
    "kalender_unannounced_changes_total",
    "kalender_workqueue_retries_total",
    "kalender_notification_to_calendar_seconds_bucket",
}


@contextmanager
def scraping(directory: Path, ports: list[int]) -> Iterator[str]:
    """Run a Prometheus that has scraped these."""
    assert PROMETHEUS, "prometheus is missing: tests/install-servers installs it"
    own = free_port()
    targets = [f"127.0.0.1:{port}" for port in ports]
    job = {
        "job_name": "kalender",
        "scrape_interval": "1s",
        "static_configs": [{"targets": targets}],
    }
    rules = [str(DEPLOY / "alerts.yml")]
    config = directory / "prometheus.yml"
    config.write_text(yaml.safe_dump({"rule_files": rules, "scrape_configs": [job]}))
    data, address = directory / "prometheus", f"127.0.0.1:{own}"
    words = [
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={address}",
    ]
    with (directory / "prometheus.log").open("w") as log:
        process = subprocess.Popen([PROMETHEUS, *words], stdout=log, stderr=log)
    try:
        wait_until(lambda: up(address) == len(ports), "Prometheus scrapes nothing")
        yield address
    finally:
        process.terminate()
        process.wait(30)


def up(address: str) -> int:
    try:
        return sum(int(row["value"][1]) for row in answered(address, "up")["data"]["result"])
    except requests.RequestException:
        return 0


def answered(address: str, query: str) -> dict[str, Any]:
    told = requests.get(f"http://{address}/api/v1/query", params={"query": query}, timeout=30)
    found: dict[str, Any] = told.json()
    return found
