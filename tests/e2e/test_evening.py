"""An operator's evening: one thing after another goes wrong, and each is said, with its remedy.

At each step `status`, `check`, `why` and the alerts are held to what is so. Alerts are played by
promtool on what the listener's own endpoint tells.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from time import monotonic
from urllib.parse import urlsplit

import pytest

from kalender.app import App
from kalender.sandbox.installation import Json
from kalender.sandbox.server import Running
from tests import databases
from tests.e2e.house import SOON_OVER, House, fails
from tests.e2e.test_metrics import RULES, Endpoint, fired, telling
from tests.e2e.test_metrics import queue as queue  # noqa: PLC0414  # a fixture
from tests.e2e.test_roles import NOW, Roles, become
from tests.e2e.test_roles import roles_alone as roles_alone  # noqa: PLC0414  # a fixture
from tests.e2e.test_stopping import started
from tests.fakes.proxy import Proxy

pytestmark = [pytest.mark.e2e, pytest.mark.integration]
PERSON, COURSE = "st000001", "BIO1000"
ASKED = {name for rule in RULES for name in re.findall(r"kalender_\w+", rule["expr"])}
LOOKS = (
    ["status"],
    ["show", PERSON],
    ["show", "--course", COURSE],
    ["why", PERSON, COURSE],
    ["parked"],
    ["brake", "show"],
    ["rollout", "list"],
    ["rollout", "status"],
    ["optout", "list"],
    ["log"],
    ["rejected", "list"],
    ["plan", PERSON],
)


@dataclass(frozen=True)
class Evening:
    """An installation on PostgreSQL and RabbitMQ whose calendars are right, and its listener."""

    house: House
    roles: Roles
    broker: Proxy
    listener: Endpoint
    directory: Path
    played: dict[str, set[str]] = field(default_factory=dict)  # what promtool said of such a day

    def conditions(self) -> dict[str, str]:
        """Return the conditions that stand, each with its remedy."""
        told = json.loads(self.house.run("status", "--json"))
        return {each["condition"]: each["remedy"] for each in (told["verdict"], *told["also"])}

    def alerts(self) -> set[str]:
        """Return what fires where it goes on for a day as it is now."""
        minutes = 1500
        series = {
            f"{name}{{{','.join(f'{k}={json.dumps(v)}' for k, v in labels)}}}": f"{value}x{minutes}"
            for (name, labels), value in self.listener.told().items()
            if name in ASKED
        }
        told = json.dumps(series, sort_keys=True)
        if told not in self.played:
            self.played[told] = fired(self.directory, series, minutes=minutes, all_told=True)
        return self.played[told]

    def comes_to(self, conditions: set[str], alerts: set[str]) -> None:
        """Wait until exactly these conditions stand, and these alerts would fire.

        The endpoint is asked last, since it tells for ten seconds what it has read once.
        """
        until(lambda: set(self.conditions()) == conditions, lambda: str(self.conditions()))
        until(lambda: self.alerts() == alerts, lambda: str(self.alerts()))

    def resync(self, *words: str, expect: int = 0) -> None:
        """Read all anew, as the timer does, and write what is to be written."""
        self.house.run("resync", "--all", *words, expect=expect)
        self.house.run("worker", "--until-idle")


def until(holds: Callable[[], bool], what: Callable[[], str], seconds: float = 180) -> None:
    """Wait until something is so; `what` says how it is instead."""
    end, pause = monotonic() + seconds, threading.Event()
    while not holds():
        assert monotonic() < end, what()
        pause.wait(1)


@pytest.fixture
def evening(
    tmp_path: Path,
    small_sandbox: Running,
    roles_alone: Roles,
    amqp_url: str,
    queue: str,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Evening]:
    """It begins well."""
    roles = roles_alone
    place = urlsplit(amqp_url)
    broker = Proxy(place.port or 5672)
    url = place._replace(netloc=place.netloc.rpartition("@")[0] + f"@127.0.0.1:{broker.port}")
    section = f'[broker]\nurl = "{url.geturl()}"\nqueues = ["{queue}"]\n'
    house = House(
        tmp_path,
        tmp_path / "served",
        small_sandbox,
        roles.of("owner"),
        NOW,
        "epost:INSTITUSJON",
        section,
    )
    text = house.config.read_text().replace("uio.example", "uni.example")
    house.config.write_text(text.replace("processes = 2", "processes = 1"))  # enough for so few
    house.run("db", "upgrade")
    roles.install()
    become(house, roles, "service")
    with telling(house, "listener", monkeypatch) as (listener, _):
        made = Evening(house, roles, broker, listener, tmp_path)
        made.resync()
        yield made
    broker.close()
    house.assert_logs_are_clean()


def change(house: House, before: str, after: str) -> None:
    text = house.config.read_text()
    assert before in text
    house.config.write_text(text.replace(before, after))


def drop_last(answer: Json) -> None:
    answer["events"] = answer["events"][:-1]


def test_each_thing_that_goes_wrong_is_said_with_its_remedy(evening: Evening) -> None:
    with evening.house.running("worker"):
        evening.comes_to({"healthy"}, set())
        _the_broker_is_away(evening)
        _the_timer_of_the_resync_is_off(evening)
        _a_brake_holds_while_somebody_asks_why(evening)
        _settings_are_changed(evening)
        _somebody_who_may_only_look_looks(evening)


def _the_broker_is_away(evening: Evening) -> None:
    evening.broker.refusing = True
    evening.broker.cut()
    _the_listener_has_noticed(evening)
    evening.comes_to({"broker-away"}, {"KalenderBrokerAway"})
    assert evening.house.run("status").startswith("stuck since ")
    checked = json.loads(evening.house.run("check", "--json", expect=1))
    assert [row["what"] for row in checked if row["state"] == "failed"] == ["broker"]
    evening.broker.refusing = False
    evening.comes_to({"healthy"}, set())


def _the_listener_has_noticed(evening: Evening) -> None:
    """Time passes: it has been without its broker for half a minute, which is more than a moment."""
    owner = evening.roles.of("owner")
    away = "SELECT count(*) FROM broker_seen WHERE queue = '' AND NOT there"
    until(
        lambda: evening.roles.run(owner, away) == [1], lambda: "the listener says that it is there"
    )
    ago = "UPDATE broker_seen SET since = since - interval '30 seconds' WHERE NOT there"
    evening.roles.run(owner, ago)


def _the_timer_of_the_resync_is_off(evening: Evening) -> None:
    """Time passes: the last whole reading was forty hours ago."""
    ago = "UPDATE source_reading SET read_at = read_at - interval '40 hours'"
    evening.roles.run(evening.roles.of("owner"), ago)
    evening.comes_to({"reading-overdue"}, {"KalenderReadingOverdue"})
    assert "kalender resync --all" in evening.conditions()["reading-overdue"]
    evening.resync()
    evening.comes_to({"healthy"}, set())


def _a_brake_holds_while_somebody_asks_why(evening: Evening) -> None:
    house = evening.house
    house.run("brake", "set", "--reason", "an evening")
    house.change_course(COURSE, drop_last)
    house.run("resync", "--course", COURSE, "--wait")
    evening.comes_to({"brake"}, {"KalenderBrakeHolds"})
    assert house.run("status").startswith("held since ")
    assert house.differences()
    said = house.run("why", PERSON, COURSE)
    assert "kalender brake release hand" in said
    house.run("brake", "release", "hand", "--reason", "it is right", "--yes")
    house.wait_until_right()
    evening.comes_to({"healthy"}, set())


def _settings_are_changed(evening: Evening) -> None:
    house = evening.house
    before = house.held()
    change(house, 'mode = "all"', 'mode = "listed"')
    evening.resync(expect=1)
    evening.comes_to({"settings-leave"}, {"KalenderSettingsWait"})
    assert house.held() == before
    change(house, 'mode = "listed"', 'mode = "all"')
    evening.resync()
    assert house.held() == before
    evening.comes_to({"healthy"}, set())


def _somebody_who_may_only_look_looks(evening: Evening) -> None:
    house = evening.house
    become(house, evening.roles, "operator")
    for words in LOOKS:
        house.run(*words)
    code, said = fails(house, "optout", "add", PERSON)
    assert code == 1
    assert "GRANT" in said or "roles.sql" in said
    become(house, evening.roles, "service")


def test_a_database_that_was_put_back_is_refused_and_recovered(
    evening: Evening, tmp_path: Path
) -> None:
    house, url = evening.house, evening.roles.url
    begins = App.machine_now()
    backup = databases.dump(url, tmp_path / "backup")
    house.change_course(COURSE, lambda answer: answer["events"].append(another(answer)))
    with started(house, "worker") as worker:
        house.run("resync", "--course", COURSE, "--wait")
        assert house.differences() == []
        databases.restore_in_place(url, backup)
        assert worker.wait(120) == 1
    until(lambda: "database-in-doubt" in evening.conditions(), lambda: str(evening.conditions()))
    until(lambda: "KalenderDatabaseInDoubt" in evening.alerts(), lambda: str(evening.alerts()))
    assert "kalender recover --since" in evening.conditions()["database-in-doubt"]
    before = house.held()
    assert fails(house, "worker", "--until-idle")[0] == 1
    assert house.held() == before
    since = (begins - timedelta(minutes=1)).isoformat()
    house.run("recover", "--since", since, "--yes", env=SOON_OVER)
    evening.resync()
    assert house.differences() == []
    assert house.get("exchange/private-touched")["count"] == 0


def another(answer: Json) -> Json:
    """Return one more event, a week later than the last."""
    last = dict(answer["events"][-1])
    return last | {"eventid": f"{last['eventid']}x"}
