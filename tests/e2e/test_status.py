"""What `status` says: a verdict from the data alone, and the numbers behind it; on both databases."""

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any

import pytest
from sqlalchemy import Table, event, insert, update

from kalender.app import App, clock_from
from kalender.cli.status import as_values
from kalender.config import load
from kalender.domain.work import Cause, Kind, Lane, Mark
from kalender.neighbours import breaker, credentials
from kalender.neighbours.breaker import FOR_EVER
from kalender.operate.queries import read_figures, read_last_writes, read_status
from kalender.operate.status import Expectations
from kalender.operate.verdict import assess
from kalender.sandbox.installation import SETTINGS
from kalender.store import (
    brakes,
    counters,
    courses,
    mailboxes,
    minutes,
    own_database,
    people,
    queue,
    recovery,
    teaching,
)
from kalender.store.database import Database
from kalender.store.heartbeats import Heartbeat
from kalender.store.tables import (
    calendar,
    change_log,
    course_run,
    database_identity,
    heartbeat,
    person,
)
from kalender.store.tables import dirty as work
from tests import schemas
from tests.e2e.house import House, fails

pytestmark = pytest.mark.e2e
CLOSE = timedelta(seconds=5)
URLS = dict.fromkeys(("fs", "tp", "exchange"), "http://127.0.0.1:1")


@pytest.fixture
def database(open_database: Callable[[], Database]) -> Database:
    return open_database()


@pytest.fixture
def wired(tmp_path: Path, database: Database) -> App:
    """An application on settings of its own; the database is given to what looks."""
    path = tmp_path / "config.toml"
    url = "sqlite:///nowhere.db"
    path.write_text(
        SETTINGS.format(
            domain="uio.example",
            settle_seconds=0.1,
            database=url,
            mailbox="{username}@uio.example",
            broker="",
            **URLS,
        )
    )
    return App(load(path, {}), clock_from(None))


@pytest.fixture
def alive(database: Database) -> Heartbeat:
    """A worker that lives."""
    pulse = Heartbeat(worker="w")
    pulse.beat(database)
    return pulse


@pytest.fixture
def found(wired: App, database: Database) -> Callable[[], dict[str, Any]]:
    def look() -> dict[str, Any]:
        expectations = Expectations.of(wired)
        with database.read() as connection:
            status = read_status(connection, expectations)
            figures = read_figures(connection, expectations)
            last = read_last_writes(connection)
        told = as_values(status, figures, last, assess(status, expectations))
        schemas.hold(["status"], json.dumps(told, default=datetime.isoformat))
        return told

    return look


Look = Callable[[], dict[str, Any]]


def put(database: Database, table: Table, *rows: dict[str, Any]) -> None:
    with database.write() as connection:
        connection.execute(insert(table), list(rows))


def due(
    database: Database, *keys: str, minutes: float, lane: Lane = Lane.LIVE, **more: object
) -> datetime:
    """Mark courses, due since so many minutes; return since when."""
    since = database.now() - timedelta(minutes=minutes)
    with database.write() as connection:
        marks = [Mark(kind=Kind.COURSE, key=key, reason="test", lane=lane) for key in keys]
        queue.mark(connection, marks)
        mine = work.c.key.in_(keys)
        values = {"due_at": since, "first_marked_at": since, **more}
        connection.execute(update(work).where(mine).values(values))
    return since


def verdict(look: Look) -> tuple[str, str]:
    told = look()["verdict"]
    return told["state"], told["because"]


# -- the verdict --------------------------------------------------------------------------------------


def test_with_nothing_due_all_is_healthy(found: Look, database: Database) -> None:
    assert verdict(found) == ("healthy", "nothing is due; no worker lives")
    Heartbeat(worker="w").beat(database)
    told = found()["verdict"]
    assert told["because"] == "nothing waits too long"
    assert abs(told["since"] - database.now()) < CLOSE


def test_due_work_and_no_worker_is_stuck_since_the_work_is_due(
    found: Look, database: Database
) -> None:
    since = due(database, "a 25h", minutes=2)
    assert verdict(found) == ("stuck", "work is due, and no worker lives")
    assert abs(found()["verdict"]["since"] - since) < CLOSE
    gone = database.now() - timedelta(minutes=90)
    pulse = Heartbeat(worker="w")
    pulse.beat(database)
    assert verdict(found)[0] == "healthy"
    with database.write() as connection:
        connection.execute(update(heartbeat).values(seen_at=gone))
    assert verdict(found)[0] == "stuck"
    assert found()["verdict"]["since"] == since  # not the heartbeat: nothing was due then


@pytest.mark.usefixtures("alive")
def test_live_work_due_for_more_than_five_minutes_is_behind(
    found: Look, database: Database
) -> None:
    due(database, "a 25h", minutes=4)
    assert verdict(found)[0] == "healthy"
    since = due(database, "b 25h", "c 25h", minutes=6)
    state, because = verdict(found)
    assert state == "behind"
    assert because.startswith("3 pieces of live work are due, with no end in sight")
    assert abs(found()["verdict"]["since"] - since) < CLOSE


@pytest.mark.usefixtures("alive")
def test_work_put_off_is_not_behind(found: Look, database: Database) -> None:
    later = database.now() + timedelta(minutes=5)
    due(database, "a 25h", minutes=600, not_before=later, attempts=9)
    assert verdict(found)[0] == "healthy"


@pytest.mark.usefixtures("alive")
def test_bulk_work_is_behind_with_its_end(found: Look, database: Database) -> None:
    due(database, *(f"{n} 25h" for n in range(100)), minutes=6, lane=Lane.RESYNC)
    now = database.now()
    asked = [
        {"course": f"{n}", "semester": "25h", "published": True, "asked_at": now - timedelta(0, n)}
        for n in range(50)
    ]
    put(database, course_run, *asked)
    state, because = verdict(found)
    assert state == "behind"
    assert because.startswith("100 pieces of bulk work are due, done about 20")
    (row,) = found()["work"]
    assert (row["due"], row["lane"]) == (100, 4)
    assert timedelta(seconds=80) < row["ends_at"] - now < timedelta(seconds=130)


@pytest.mark.usefixtures("alive")
def test_a_neighbour_that_is_away_is_stuck_since_about_its_first_failure(
    found: Look, database: Database
) -> None:
    with database.write() as connection:
        for key in "abcde":
            breaker.failed(connection, "fs", key=key, error="refused the connection")
    assert verdict(found) == ("stuck", "fs is paused: refused the connection")
    before = timedelta(seconds=2**3 + 2**4)
    assert abs(found()["verdict"]["since"] - (database.now() - before)) < CLOSE
    with database.write() as connection:
        breaker.answered(connection, "fs")
    assert verdict(found)[0] == "healthy"


@pytest.mark.usefixtures("alive")
def test_refused_credentials_are_stuck_until_others_are_good(
    found: Look, database: Database
) -> None:
    def refused() -> None:
        with database.write() as connection:
            row = breaker.lock(connection, "tp")
            credentials.refused(connection, row, "old", took=timedelta(), error="401")

    for _ in range(3):
        refused()
    first = database.now()
    state, because = verdict(found)
    assert (state, because.startswith("tp refuses our credentials")) == ("stuck", True)
    assert abs(found()["verdict"]["since"] - first) < CLOSE
    with database.write() as connection:
        credentials.authorised(connection, breaker.lock(connection, "tp"), "new")
    assert verdict(found)[0] == "healthy"


@pytest.mark.usefixtures("alive")
def test_a_pause_by_hand_is_said_with_who_and_why_until_its_end(
    found: Look, database: Database
) -> None:
    def hold(name: str, until: datetime) -> None:
        with database.write() as connection:
            breaker.hold(connection, name, until=until, reason="patch", by="kari")

    hold("exchange.main", FOR_EVER)
    assert verdict(found) == ("stuck", "exchange.main is paused by hand: patch (kari)")
    (row,) = found()["neighbours"]
    assert (row["held_reason"], row["held_by"]) == ("patch", "kari")
    hold("exchange.main", database.now())
    assert verdict(found)[0] == "healthy"
    assert found()["neighbours"][0]["held_by"] is None
    hold("bulk", FOR_EVER)
    assert verdict(found) == ("held", "bulk work is paused by hand: patch (kari)")


@pytest.mark.usefixtures("alive")
def test_a_brake_that_holds_is_held_since_the_first(found: Look, database: Database) -> None:
    with database.write() as connection:
        for scope in ("course A 25h", "course B 25h", "course C 25h", "hand"):
            brakes.put(connection, scope, "holding", "test")
        brakes.put(connection, "institution", "released", "test")
    state, because = verdict(found)
    assert (state, because[-32:]) == ("held", "A 25h, course B 25h, course C 25h and 1 more"[-32:])
    assert abs(found()["verdict"]["since"] - database.now()) < CLOSE


@pytest.mark.usefixtures("alive")
def test_the_same_error_for_all_is_stuck(found: Look, database: Database) -> None:
    since = due(database, "a 25h", "b 25h", minutes=60, last_error="no rights")
    assert "alike" not in verdict(found)[1]  # two say nothing of all
    due(database, "c 25h", minutes=50, last_error="no rights")
    assert verdict(found) == ("stuck", "all that waits fails alike, 3 pieces of work: no rights")
    assert abs(found()["verdict"]["since"] - since) < CLOSE
    due(database, "d 25h", minutes=2)
    assert "alike" not in verdict(found)[1]


@pytest.mark.usefixtures("alive")
def test_what_is_worse_is_said_first_and_all_is_said(found: Look, database: Database) -> None:
    due(database, "a 25h", minutes=10)
    with database.write() as connection:
        brakes.put(connection, "hand", "holding", "test")
        breaker.hold(connection, "fs", until=FOR_EVER, reason="patch", by="kari")
    told = found()
    states = [told["verdict"]["state"], *(each["state"] for each in told["also"])]
    assert states == ["stuck", "held", "behind"]


# -- everybody has the right calendar -------------------------------------------------------------------


def standing(look: Look) -> dict[str, tuple[str, int]]:
    """Return the conditions that nobody acknowledged: name -> (state, count)."""
    told = look()
    found = (told["verdict"], *told["also"])
    return {each["condition"]: (each["state"], each["count"]) for each in found}


@pytest.mark.usefixtures("alive")
def test_what_keeps_somebody_from_the_right_calendar_is_counted(
    found: Look, database: Database
) -> None:
    a_calendar(database, 1, "student")
    a_calendar(database, 2, "student", state="closed", owner=False, last_error=mailboxes.OUTSIDE)
    a_calendar(database, 3, "student", owner=False)
    a_calendar(database, 4, "student", state="missing")
    due(database, "a 25h", minutes=1, parked_at=database.now(), last_error="no such course")
    assert standing(found) == {
        "never-written": ("incomplete", 1),
        "address-closed": ("incomplete", 1),
        "address-clash": ("incomplete", 1),
        "no-mailbox": ("incomplete", 1),
        "parked": ("incomplete", 1),
    }
    mark(database, 1, Lane.LIVE)
    assert "never-written" not in standing(found)  # it is on its way


@pytest.mark.usefixtures("alive")
def test_mailboxes_that_do_not_open_yet_are_a_cause_of_their_own(
    found: Look, database: Database
) -> None:
    for number in (1, 2, 3):
        a_calendar(database, number, "student", state="denied")
        due(database, f"{number}", kind="calendar", minutes=9, last_error="ErrorAccessDenied: x")
    assert standing(found)["mailbox-denied"] == ("incomplete", 3)
    assert "all-fails-alike" not in standing(found)


@pytest.mark.usefixtures("alive")
def test_whoever_wished_to_be_left_alone_lacks_nothing(found: Look, database: Database) -> None:
    a_calendar(database, 1, "student")
    with database.write() as connection:
        people.wish(connection, 1, {people.OPT_OUT}, "test")
    assert "never-written" not in standing(found)


def test_a_reading_that_should_have_been_is_behind(found: Look, database: Database) -> None:
    with database.write() as connection:
        then = database.now() - timedelta(hours=35)
        teaching.record_reading(connection, courses.PLACEMENTS, "25h", then)
    assert standing(found) == {"healthy": ("healthy", 0)}
    with database.write() as connection:
        then = database.now() - timedelta(hours=37)
        teaching.record_reading(connection, courses.PLACEMENTS, "25h", then)
    assert standing(found) == {"reading-overdue": ("behind", 1)}


@pytest.mark.usefixtures("alive")
def test_where_nothing_was_ever_read_time_counts_from_the_first_process(
    found: Look, database: Database
) -> None:
    assert standing(found) == {"healthy": ("healthy", 0)}
    with database.write() as connection:
        long_ago = database.now() - timedelta(hours=37)
        connection.execute(update(heartbeat).values(started_at=long_ago))
    assert standing(found) == {"reading-overdue": ("behind", 1)}


def test_a_process_that_died_is_told_of_until_another_replaces_it(
    found: Look, database: Database
) -> None:
    Heartbeat(kind="listener", worker="a").beat(database)
    with database.write() as connection:
        ago = database.now() - timedelta(minutes=5)
        connection.execute(update(heartbeat).values(started_at=ago, seen_at=ago))
    assert standing(found) == {"listener-died": ("warning", 1)}
    assert [row["state"] for row in found()["processes"]] == ["dead"]
    Heartbeat(kind="listener", worker="b").beat(database)
    assert standing(found) == {"healthy": ("healthy", 0)}


@pytest.mark.usefixtures("alive")
def test_while_anything_refuses_the_database_the_remedy_is_named(
    found: Look, database: Database
) -> None:
    with database.write() as connection:
        own_database.record_first(connection)
        own_database.refuse(connection, "a machine remembers more")
    told = found()["verdict"]
    assert (told["condition"], told["state"]) == ("database-in-doubt", "stuck")
    assert told["remedy"].startswith("kalender recover --since TIME")
    with database.write() as connection:
        recovery.attest(connection, "1")
    assert standing(found) == {"healthy": ("healthy", 0)}


@pytest.mark.usefixtures("alive")
def test_after_a_recovery_it_is_said_until_when_nothing_is_written(
    found: Look, database: Database
) -> None:
    with database.write() as connection:
        recovery.recover(connection, lease=timedelta(minutes=3))
    state, because = verdict(found)
    assert (state, "after a recovery nothing is written before" in because) == ("behind", True)
    assert abs(found()["verdict"]["since"] - database.now()) < CLOSE
    with database.write() as connection:
        connection.execute(update(database_identity).values(quiet_until=database.now()))
    assert verdict(found)[0] == "healthy"


def test_an_acknowledged_condition_makes_no_verdict_until_it_begins_anew(
    house: House,
) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("brake", "set", "--reason", "a drill")
    before = json.loads(house.run("status", "--json"))
    assert "brake" in {before["verdict"]["condition"], *(e["condition"] for e in before["also"])}
    known = ("--by", "kari", "--reason", "a drill", "--until", "2999-01-01T00:00+01:00")
    house.run("status", "--acknowledge", "brake", *known)
    after = json.loads(house.run("status", "--json"))
    assert after["verdict"]["condition"] == "no-worker"
    assert "brake" not in {each["condition"] for each in after["also"]}
    (told,) = after["acknowledged"]
    assert (told["condition"], told["who"], told["reason"]) == ("brake", "kari", "a drill")
    code, said = fails(house, "status", "--acknowledge", "no-such", *known)
    assert (code, "no condition of that name stands: there is brake" in said) == (2, True)
    house.run("brake", "release", "hand", "--reason", "over")
    house.run("brake", "set", "--reason", "no drill")
    again = json.loads(house.run("status", "--json"))
    assert "brake" in {each["condition"] for each in again["also"]}


# -- the numbers --------------------------------------------------------------------------------------


def a_calendar(database: Database, number: int, audience: str, **more: object) -> None:
    put(database, person, {"person_id": number, "created_at": database.now()})
    row = {"calendar_id": number, "person_id": number, "audience": audience}
    told = {"address": f"{number}@uio.example", "owner": True, "backend": "main", "state": "active"}
    put(database, calendar, {**row, **told, **more})


def mark(database: Database, number: int, lane: Lane) -> None:
    with database.write() as connection:
        people.mark_calendars(connection, [number], reason="test", lane=lane)


def test_what_waits_is_not_known_right(found: Look, database: Database) -> None:
    for number in range(1, 5):
        a_calendar(database, number, "student", synced_digest="d")
    a_calendar(database, 5, "teacher")
    a_calendar(database, 6, "teacher", synced_digest="d", state="missing")
    mark(database, 1, Lane.LIVE)
    mark(database, 2, Lane.VERIFY)  # only looked at
    assert found()["right"] == [
        {"audience": "student", "inside": 4, "outside": 0, "right": 3},
        {"audience": "teacher", "inside": 2, "outside": 0, "right": 1},
    ]
    assert (found()["missing"], found()["lost"]) == (1, 0)


def wrote(database: Database, *rows: tuple[str, str | None, float, float]) -> None:
    """(operation, cause, hours ago, seconds it took)."""
    now = database.now()
    some = {"calendar_id": 1, "person_id": 1, "event_id": "e", "sync_key": "k"}
    put(
        database,
        change_log,
        *(
            {
                **some,
                "operation": operation,
                "reason": "words for people",
                "cause": cause,
                "at": (at := now - timedelta(hours=hours)),
                "noticed_at": at - timedelta(seconds=took),
            }
            for operation, cause, hours, took in rows
        ),
    )


def test_the_time_from_notification_to_calendar_is_told_by_source(
    found: Look, database: Database
) -> None:
    wrote(
        database,
        *(("update", Cause.TP_NOTIFICATION, 1, second) for second in range(101)),
        ("create", Cause.FS_NOTIFICATION, 2, 7),
        ("create", Cause.FS_NOTIFICATION, 25, 900),  # yesterday's
        ("create", Cause.RESYNC, 1, 900),
        ("create", Cause.TP_POLL, 1, 9),
        ("adopt", Cause.FS_NOTIFICATION, 1, 900),
    )
    assert found()["latency"] == [
        {"source": "fs", "writes": 1, "p50": 7.0, "p95": 7.0, "max": 7.0},
        {"source": "tp", "writes": 101, "p50": 50.0, "p95": 95.0, "max": 100.0},
        {"source": "tp poll", "writes": 1, "p50": 9.0, "p95": 9.0, "max": 9.0},
    ]


@pytest.mark.parametrize(
    ("cause", "label"),
    [
        (Cause.FS_NOTIFICATION, "notification"),
        (Cause.TP_NOTIFICATION, "notification"),
        (Cause.TP_POLL, "poll"),
        (Cause.DERIVED, "resync"),
        (Cause.RESYNC, "resync"),
        (Cause.VERIFY, "verify"),
        (Cause.WISH, "wish"),
        (Cause.ROLLOUT, "rollout"),
        (Cause.BRAKE, "brake"),
        (Cause.OTHER, "other"),
        (None, "other"),  # by a release that knew no causes
        ("of a newer release", "other"),
    ],
)
def test_writes_are_told_by_what_led_to_them(
    found: Look, database: Database, cause: str | None, label: str
) -> None:
    wrote(database, ("delete", cause, 0, 1), ("delete", cause, 2, 1), ("delete", cause, 25, 1))
    assert found()["writes"] == [{"operation": "delete", "cause": label, "hour": 1, "day": 2}]


def test_requests_are_told_by_outcome_with_how_long_they_took(
    found: Look, database: Database
) -> None:
    mine = database.counts
    for _ in range(96):
        mine.add("requests", "fs", "ok")
        mine.time("request", "fs", seconds=0.07)
    for _ in range(4):
        mine.add("requests", "fs", "NeighbourUnavailable")
        mine.time("request", "fs", seconds=90)
    counters.give(database)
    with database.write() as connection:
        breaker.lock(connection, "fs")
        counters.add(connection, {("messages", "q"): 1})
    (row,) = found()["neighbours"]
    assert row["requests"] == {"ok": 96, "NeighbourUnavailable": 4}
    assert (row["p50"], row["p95"]) == (0.1, 0.1)
    for _ in range(10):
        mine.time("request", "fs", seconds=90)
    counters.give(database)
    assert found()["neighbours"][0]["p95"] is None  # longer than any bound


def test_versions_of_what_lives_are_told(found: Look, database: Database) -> None:
    for worker in ("a", "b", "c"):
        Heartbeat(worker=worker).beat(database)
    with database.write() as connection:
        older = update(heartbeat).where(heartbeat.c.worker == "a")
        connection.execute(older.values(version="0.0.9"))
    told = found()["versions"]
    assert told.pop("0.0.9") == 1
    assert list(told.values()) == [2]


def test_more_people_ask_no_more_questions(found: Look, database: Database) -> None:
    def asked() -> int:
        count = 0

        def counted(*_: object) -> None:
            nonlocal count
            count += 1

        event.listen(database.engine, "before_cursor_execute", counted)
        found()
        event.remove(database.engine, "before_cursor_execute", counted)
        return count

    def fill(numbers: range) -> None:
        for number in numbers:
            a_calendar(database, number, "student", synced_digest="d")
            mark(database, number, Lane.LIVE)

    fill(range(1, 3))
    before = asked()
    fill(range(3, 30))
    with database.write() as connection:
        connection.execute(update(work).values(parked_at=database.now(), last_error="no mailbox"))
        for number in range(3, 10):
            people.wish(connection, number, {people.PROTECT}, "test")
    assert asked() <= before + 2


# -- the command --------------------------------------------------------------------------------------


def test_a_first_fill_says_how_far_it_is(house: House) -> None:
    house.config.write_text(house.config.read_text().replace('mode = "all"', 'mode = "listed"'))
    house.run("db", "upgrade")
    house.run("resync", "--all")
    house.run("rollout", "add", "person", "st000001")
    house.run("worker", "--until-idle")
    house.run("rollout", "add", "audience", "student", "--yes")
    told = json.loads(house.run("status", "--json"))
    (filling,) = [each for each in told["also"] if each["condition"] == "filling"]
    inside = sum(row["inside"] for row in told["right"])
    assert inside > 1
    assert filling["because"].startswith(f"filling, 1 of {inside} calendars are written, done")
    house.run("worker", "--until-idle")
    told = json.loads(house.run("status", "--json"))
    assert "filling" not in {each["condition"] for each in (told["verdict"], *told["also"])}


def test_status_opens_with_its_verdict(house: House) -> None:
    house.run("db", "upgrade")
    house.run("resync", "--all")
    assert house.run("status").startswith("stuck since 20")
    with house.running("worker"):
        house.run("resync", "--all", "--wait")
        said = house.run("status").splitlines()
    assert said[0].startswith("healthy since 20")
    assert "parked: 0" in said
    said = house.run("status").splitlines()  # what the worker counted last it gave when it ended
    assert any(line.split()[:2] == ["exchange.main", "ok"] for line in said)
    told = json.loads(house.run("status", "--json"))
    assert list(told)[:2] == ["verdict", "also"]
    parts = {"state", "since", "because", "condition", "count", "remedy"}
    assert set(told["verdict"]) == parts
    assert {row["name"] for row in told["neighbours"]} >= {"exchange.main", "fs", "tp"}
    asked = {row["name"]: row["requests"].get("ok", 0) for row in told["neighbours"]}
    assert min(asked["exchange.main"], asked["tp"]) > 0
    assert all(row["right"] == row["inside"] for row in told["right"])
    assert "create" in {row["operation"] for row in told["writes"]}
    assert set(told) == {
        "verdict",
        "also",
        "acknowledged",
        "right",
        "latency",
        "work",
        "neighbours",
        "writes",
        "brakes",
        "lists",
        "moves",
        "takeovers",
        "last_day",
        "settings_waiting",
        "calendars",
        "processes",
        "parked",
        "persons_emptied",
        "courses_without_placements",
        "rejected_last_day",
        "unpublished_courses",
        "unreadable",
        "unreadable_events",
        "username_clashes",
        "unmatched_staff",
        "protected",
        "opted_out",
        "personal_languages",
        "missing",
        "lost",
        "versions",
    }


# -- the last day -------------------------------------------------------------------------------------


def test_the_last_day_is_told_by_the_half_hour_and_drawn(
    found: Look, wired: App, database: Database
) -> None:
    assert found()["last_day"] == []
    assert minutes.record(database)
    told = found()["last_day"]
    assert [part["lane"] for part in told] == ["live", "fill", "resync"]
    assert {part["written"] for part in told} == {0}
    assert told[0]["notifications"] is None


def test_watch_shows_the_status_in_place_until_ctrl_c(small_filled: House) -> None:
    """On a terminal of its own; what changes meanwhile is shown without another command."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        small_filled.command("status", "--watch"), stdin=its, stdout=its, stderr=its, close_fds=True
    )
    os.close(its)

    def read_until(words: str) -> str:
        said, end = "", monotonic() + 60
        while words not in said:
            assert monotonic() < end, said
            if select.select([ours], [], [], 1.0)[0]:
                said += os.read(ours, 65_536).decode(errors="replace")
        return said

    try:
        assert "\x1b[?1049h" in read_until("nothing is due")  # the terminal's other screen
        small_filled.run("pause", "fs", "--for", "1h", "--reason", "an upgrade")
        read_until("fs is paused by hand")
        process.send_signal(signal.SIGINT)
        left = read_until("\x1b[?1049l")
        left += read_until("protected: 0") if "protected: 0" not in left else ""
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def test_watch_wants_a_terminal(small_filled: House) -> None:
    assert fails(small_filled, "status", "--watch") == (
        2,
        "kalender: --watch wants a terminal, and no --json",
    )
