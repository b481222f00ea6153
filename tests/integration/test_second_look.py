"""What a search over Graph does not see yet: asked for by its id, or looked for a second time.

The sandbox's Graph shows searches a new event as late as `visible_after` says.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import select

from kalender.calendars.graph.writer import GraphCalendars
from kalender.domain.work import Lane
from kalender.errors import OutcomeUnknown
from kalender.operate import erasure
from kalender.sandbox.server import Running
from kalender.store import brakes, doubles, people, queue, recovery
from kalender.store.database import Database
from kalender.store.tables import calendar, entry
from tests import commands, schemas
from tests.fakes.house import House
from tests.fault.installation import CONFIG
from tests.graph import graph_settings
from tests.integration.test_reconcile_graph import Cloud, Json, cloud, lectures, sandbox
from tests.integration.test_taking_back import dump, restore

__all__ = ["cloud", "sandbox"]

pytestmark = pytest.mark.integration
HOUR = 3600.0


def seen_after(cloud: Cloud, hours: float) -> None:
    """Let searches see a new event so late; 0: everything is seen by now."""
    cloud.control("PUT", "/graph/settings", {"visible_after": hours * HOUR})


@pytest.fixture(autouse=True)
def _second_look(cloud: Cloud) -> None:
    cloud.house.second_look = timedelta(hours=6)
    seen_after(cloud, 0)


def hours_later(cloud: Cloud, hours: float) -> None:
    """Let so much time pass, and work until nothing is due; nothing fails."""
    cloud.house.later(hours * HOUR)
    with cloud.house.database.write() as connection:
        queue.mark_what_is_due(connection)
    assert cloud.house.settle() == []


def lose_creates(cloud: Cloud, number: int) -> None:
    """Nobody hears that so many creates were carried out, and no search sees it for two hours."""
    seen_after(cloud, 2)
    fault = {"neighbour": "graph", "operation": "Batch", "kind": "process-then-drop"}
    cloud.control("POST", "/faults", fault)
    cloud.house.teach(*lectures(number))
    cloud.house.enrol(cloud.number)
    (error,) = cloud.house.settle()
    assert isinstance(error, OutcomeUnknown)


def twins(cloud: Cloud, number: int) -> list[Json]:
    """Let so many creates be lost and made anew; return the items that no record names."""
    lose_creates(cloud, number)
    lost = cloud.shown()
    hours_later(cloud, 0.1)
    assert len(cloud.shown()) == len(lost) + number  # until the second look
    seen_after(cloud, 0)
    cloud.posts()
    return lost


def meddle(cloud: Cloud, item: Json, do: str, **details: object) -> Json:
    """Let the calendar's owner do something to an item; return it as it is then."""
    told = {"mailbox": cloud.mailbox, "id": item["id"], "do": do, **details}
    return cast(Json, cloud.control("POST", "/exchange/meddle", told))


def statuses(cloud: Cloud) -> Counter[str]:
    """Count the records of the student's calendar by their status."""
    with cloud.house.database.read() as connection:
        return Counter(connection.execute(select(entry.c.status)).scalars())


def look_into(cloud: Cloud, *, mend: bool) -> None:
    """Search the calendar for doubles, as `kalender verify` does."""
    with cloud.house.database.write() as connection:
        doubles.wish(connection, None, mend=mend)
        calendars = connection.execute(select(calendar.c.calendar_id)).scalars().all()
        people.mark_calendars(connection, calendars, reason="verify", lane=Lane.VERIFY)
    assert cloud.house.settle() == []


def recover(cloud: Cloud) -> None:
    """Search the calendar for everything of ours, as `kalender recover` does."""
    with cloud.house.database.write() as connection:
        recovery.recover(connection, lease=timedelta())
    cloud.house.resync()
    for _ in range(3):
        cloud.house.settle()
        cloud.house.later(90_000)
    with cloud.house.database.read() as connection:
        assert not connection.execute(select(calendar.c.must_look_up)).scalar_one()


# -- the second look ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 3, 25])
def test_creates_that_are_seen_two_hours_late_stand_once_after_the_second_look(
    cloud: Cloud, number: int
) -> None:
    lost = {item["id"] for item in twins(cloud, number)}
    kept = {item["id"] for item in cloud.shown()} - lost
    hours_later(cloud, 5)
    assert cloud.posts() == 0
    assert len(cloud.shown()) == len(lost) + number
    hours_later(cloud, 1)
    assert {item["id"] for item in cloud.shown()} == kept
    assert len(kept) == number
    assert statuses(cloud) == {"live": number}
    cloud.posts()
    hours_later(cloud, 24)
    assert cloud.posts() == 0


def test_creates_that_never_came_cost_one_search_and_no_more(cloud: Cloud) -> None:
    fault = {"neighbour": "graph", "operation": "Batch", "kind": "cut"}
    cloud.control("POST", "/faults", fault)
    cloud.house.teach(*lectures(3))
    cloud.house.enrol(cloud.number)
    cloud.house.settle()
    hours_later(cloud, 0.1)
    shown = cloud.shown()
    assert len(shown) == 3
    cloud.posts()
    hours_later(cloud, 6)
    assert cloud.posts() == 1
    hours_later(cloud, 24)
    assert cloud.posts() == 0
    assert [item["id"] for item in cloud.shown()] == [item["id"] for item in shown]


def test_the_second_look_outlives_a_restart(
    cloud: Cloud, open_database: Callable[[], Database]
) -> None:
    twins(cloud, 2)
    old = cloud.house
    old.database.close()
    calendars = GraphCalendars("main", graph_settings(cloud.running.endpoints))
    cloud.house = House(
        open_database(),
        exchange=cast(Any, calendars),
        timetables=old.timetables,
        students=old.students,
        second_look=old.second_look,
    )
    hours_later(cloud, 6)
    assert len(cloud.shown()) == 2
    assert statuses(cloud) == {"live": 2}


def test_a_second_look_that_was_cut_off_is_repeated(cloud: Cloud) -> None:
    twins(cloud, 2)
    fault = {"neighbour": "graph", "operation": "Batch", "kind": "cut"}
    cloud.control("POST", "/faults", fault)
    cloud.house.later(6 * HOUR)
    with cloud.house.database.write() as connection:
        queue.mark_what_is_due(connection)
    assert len(cloud.house.settle()) == 1
    hours_later(cloud, 0.1)
    assert len(cloud.shown()) == 2


def test_what_is_lost_while_twins_go_is_looked_for_as_well(cloud: Cloud) -> None:
    twins(cloud, 1)
    fault = {"neighbour": "graph", "operation": "DeleteEvent", "kind": "process-then-drop"}
    cloud.control("POST", "/faults", fault)
    cloud.house.later(6 * HOUR)
    with cloud.house.database.write() as connection:
        queue.mark_what_is_due(connection)
    assert len(cloud.house.settle()) == 1
    hours_later(cloud, 0.1)
    assert len(cloud.shown()) == 1
    assert statuses(cloud)["live"] == 1


TOUCHES: list[tuple[str, Json]] = [
    ("annotate", {"text": "ta med"}),
    ("attach", {"name": "oppgaver.pdf"}),
    ("invite", {"attendee": "g@x.example"}),
    ("hold-online", {}),
    ("edit", {"subject": "Mitt"}),
    ("edit", {"location": "Hjemme"}),
    ("edit", {"show_as": "Tentative"}),
    ("edit", {"start": "2025-08-19T05:00:00Z"}),
    ("edit", {"categories": ["Viktig"]}),
    ("edit", {"reminder_is_set": True}),
]


@pytest.mark.parametrize(("do", "details"), TOUCHES)
def test_a_twin_that_its_user_touched_stays_and_is_theirs(
    cloud: Cloud, do: str, details: Json
) -> None:
    first, second = twins(cloud, 2)
    touched = meddle(cloud, first, do, **details)
    mails = cloud.control("GET", "/exchange/mails")
    hours_later(cloud, 6)
    shown = {item["id"]: item for item in cloud.shown()}
    assert len(shown) == 3
    assert second["id"] not in shown
    assert statuses(cloud) == {"live": 2, "released": 1}
    # whatever is asked for afterwards, it is ours no more
    look_into(cloud, mend=True)
    recover(cloud)
    cloud.house.enrol(cloud.number, course=None)
    cloud.house.settle()
    hours_later(cloud, 1)
    (left,) = cloud.shown()
    assert left | {"touched": True} == touched | {"touched": True}
    assert cloud.control("GET", "/exchange/mails") == mails


def test_what_its_user_added_to_the_entry_itself_stays_too(cloud: Cloud) -> None:
    (twin,) = twins(cloud, 1)
    (kept,) = (item for item in cloud.shown() if item["id"] != twin["id"])
    meddle(cloud, kept, "annotate", text="ta med")
    hours_later(cloud, 6)
    (item,) = cloud.shown()
    assert item["id"] == kept["id"]
    assert "ta med" in item["body"]


@pytest.mark.parametrize("touched", [True, False])
def test_where_its_user_deleted_the_other_one_the_twin_is_the_entry(
    cloud: Cloud, *, touched: bool
) -> None:
    (twin,) = twins(cloud, 1)
    (other,) = (item for item in cloud.shown() if item["id"] != twin["id"])
    meddle(cloud, other, "delete")
    if touched:
        meddle(cloud, twin, "annotate", text="ta med")
    hours_later(cloud, 6)
    (item,) = cloud.shown()
    assert item["id"] == twin["id"]
    assert ("ta med" in item["body"]) is touched
    assert statuses(cloud) == {"live": 1, "abandoned": 1}
    cloud.house.teach(replace(lectures(1)[0], title="nytt"))
    assert cloud.house.settle() == []
    (item,) = cloud.shown()
    assert "nytt" in item["subject"]


def test_a_create_that_is_carried_out_after_the_quiet_time_stands_once_as_well(
    cloud: Cloud,
) -> None:
    fault = {"neighbour": "graph", "operation": "Batch", "kind": "drop-now-process-later"}
    cloud.control("POST", "/faults", fault | {"seconds": 2})
    cloud.house.teach(*lectures(2))
    cloud.house.enrol(cloud.number)
    assert len(cloud.house.settle()) == 1
    hours_later(cloud, 0.1)
    kept = [item["id"] for item in cloud.shown()]
    assert len(kept) == 2
    until = time.monotonic() + 60
    while len(cloud.shown()) < 4:
        assert time.monotonic() < until
    hours_later(cloud, 6)
    assert [item["id"] for item in cloud.shown()] == kept


def test_a_copy_that_its_user_made_of_a_twin_stays(cloud: Cloud) -> None:
    (twin,) = twins(cloud, 1)
    copy = meddle(cloud, twin, "copy")
    hours_later(cloud, 6)
    shown = {item["id"] for item in cloud.shown()}
    assert copy["id"] in shown
    assert twin["id"] not in shown
    assert len(shown) == 2


def test_a_twin_of_what_is_no_longer_taught_goes(cloud: Cloud) -> None:
    lose_creates(cloud, 2)
    cloud.house.enrol(cloud.number, course=None)
    for _ in range(2):
        cloud.house.settle()
        cloud.house.later(700)
    assert len(cloud.shown()) == 2  # nobody saw them yet
    assert statuses(cloud).keys() <= {"abandoned"}
    seen_after(cloud, 0)
    hours_later(cloud, 6)
    assert cloud.shown() == []


def test_what_has_ended_by_then_is_history(cloud: Cloud) -> None:
    first, second = twins(cloud, 2)
    cloud.house.now = lectures(1)[0].ends_at + timedelta(hours=1)
    hours_later(cloud, 6)
    shown = {item["id"] for item in cloud.shown()}
    assert first["id"] in shown
    assert second["id"] not in shown


@pytest.mark.parametrize("mode", ["all", "off"])
def test_whoever_leaves_keeps_no_twin_and_is_not_erased_before(cloud: Cloud, mode: str) -> None:
    (first, _) = twins(cloud, 2)
    meddle(cloud, first, "annotate", text="ta med")
    seen_after(cloud, 2)
    cloud.house.rollout_mode = mode
    with cloud.house.database.write() as connection:
        person_id = people.find_by_any_identity(connection, str(cloud.number))
        assert person_id is not None
        calendars = people.wish(connection, person_id, {people.REMOVE}, "test")
        people.mark_calendars(connection, calendars, reason="test", lane=Lane.ASKED)
    assert cloud.house.settle() == []
    assert len(cloud.shown()) == 2
    seen_after(cloud, 0)
    for hours, stands in ((5, True), (1, False)):
        hours_later(cloud, hours)
        with cloud.house.database.read() as connection:
            assert erasure.stands(connection, person_id) is stands
    assert cloud.shown() == []
    with cloud.house.database.read() as connection:
        row = connection.execute(select(calendar.c.taking_back, calendar.c.look_again_at)).one()
    assert tuple(row) == (False, None)


def test_a_search_for_doubles_before_the_second_look_leaves_it_nothing_to_do(cloud: Cloud) -> None:
    twins(cloud, 2)
    look_into(cloud, mend=True)
    assert len(cloud.shown()) == 2
    hours_later(cloud, 6)
    assert len(cloud.shown()) == 2
    assert statuses(cloud) == {"live": 2}


def test_a_double_that_was_counted_is_counted_no_more_once_it_went(cloud: Cloud) -> None:
    twins(cloud, 2)
    look_into(cloud, mend=False)
    with cloud.house.database.read() as connection:
        assert doubles.counts(connection)[doubles.StrayState.DOUBLE] == 2
    hours_later(cloud, 6)
    assert len(cloud.shown()) == 2
    with cloud.house.database.read() as connection:
        assert sum(doubles.counts(connection).values()) == 0


def test_a_brake_holds_twins_as_well_until_it_is_released(cloud: Cloud) -> None:
    twins(cloud, 2)
    with cloud.house.database.write() as connection:
        brakes.hold(connection, brakes.HAND, "test")
    hours_later(cloud, 6)
    assert len(cloud.shown()) == 4
    assert statuses(cloud) == {"live": 2, "deleting": 2}
    with cloud.house.database.write() as connection:
        calendars = brakes.release(connection, brakes.HAND, "test")
        people.mark_calendars(connection, calendars, reason="brake", lane=Lane.ASKED)
    assert cloud.house.settle() == []
    assert len(cloud.shown()) == 2


# -- by id --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("search", ["recover", "find", "mend"])
def test_what_a_search_does_not_see_is_asked_for_by_id_before_it_counts_as_gone(
    cloud: Cloud, search: str
) -> None:
    seen_after(cloud, 2)
    cloud.house.teach(*lectures(3))
    cloud.house.enrol(cloud.number)
    assert cloud.house.settle() == []
    before = [item["id"] for item in cloud.shown()]
    if search == "recover":
        recover(cloud)
    else:
        look_into(cloud, mend=search == "mend")
    assert [item["id"] for item in cloud.shown()] == before
    assert statuses(cloud) == {"live": 3}


def test_what_is_gone_by_id_as_well_is_put_back(cloud: Cloud) -> None:
    seen_after(cloud, 2)
    cloud.house.teach(*lectures(3))
    cloud.house.enrol(cloud.number)
    assert cloud.house.settle() == []
    deleted, *others = cloud.shown()
    meddle(cloud, deleted, "delete")
    recover(cloud)
    shown = {item["id"] for item in cloud.shown()}
    assert {item["id"] for item in others} < shown
    assert len(shown) == 3


# -- what a user made a meeting of --------------------------------------------------------------------


def left_meeting(cloud: Cloud, number: int) -> Json:
    """Let the first of so many entries be made a meeting, and moved; return what is left of it."""
    first, *others = lectures(number)
    meeting = meddle(cloud, cloud.shown()[0], "invite", attendee="g@x.example")
    later = first.starts_at + timedelta(hours=2)
    cloud.house.teach(replace(first, starts_at=later, ends_at=later + timedelta(hours=2)), *others)
    assert cloud.house.settle() == []
    assert statuses(cloud) == {"live": number, "released": 1}
    assert len(cloud.shown()) == number + 1
    return meeting | {"touched": True}


@pytest.mark.parametrize("search", ["recover", "find", "mend"])
@pytest.mark.parametrize("deleted", [True, False])
def test_the_key_of_a_meeting_that_was_left_is_never_adopted_again(
    cloud: Cloud, search: str, *, deleted: bool
) -> None:
    cloud.fill(1)
    meeting = left_meeting(cloud, 1)
    mails, plain = cloud.control("GET", "/exchange/mails"), cloud.shown()[1]
    if deleted:
        meddle(cloud, plain, "delete")
    if search == "recover":
        recover(cloud)
    else:
        look_into(cloud, mend=search == "mend")
    cloud.house.verify(cloud.number)
    assert cloud.house.settle() == []
    old, new = cloud.shown()
    assert old == meeting
    assert (new["id"] != plain["id"]) is deleted
    assert statuses(cloud)["live"] == statuses(cloud)["released"] == 1
    with cloud.house.database.read() as connection:
        live = select(entry.c.item_id).where(entry.c.status == "live")
        assert connection.execute(live).scalar_one() == new["id"]
        assert doubles.counts(connection)[doubles.StrayState.DOUBLE] == 0
    assert cloud.control("GET", "/exchange/mails") == mails


@pytest.mark.parametrize("known", [True, False])
def test_a_database_that_forgot_the_meeting_leaves_it_again_and_makes_no_double(
    cloud: Cloud, *, known: bool
) -> None:
    cloud.house.enrol(cloud.number)
    cloud.house.settle()
    empty = dump(cloud.house)
    cloud.fill(1)
    backup = dump(cloud.house) if known else empty
    meeting = left_meeting(cloud, 1)
    before = [item["id"] for item in cloud.shown()]
    restore(cloud.house, backup)
    recover(cloud)
    hours_later(cloud, 24)
    assert [item["id"] for item in cloud.shown()] == before
    assert cloud.shown()[0] == meeting
    assert statuses(cloud)["live"] == 1


def test_a_meeting_that_was_left_is_shown_as_released(
    cloud: Cloud, migrated_url: str, sandbox: Running, tmp_path: Path
) -> None:
    cloud.fill(1)
    left_meeting(cloud, 1)
    ends = sandbox.endpoints
    config = CONFIG.format(
        database=migrated_url,
        fs=ends.fs,
        tp=ends.tp,
        exchange=ends.exchange,
        fs_key="sandbox",
        tp_key="sandbox",
        password="kalender",
        mode="all",
        max_connections=20,
        connections=4,
        more="",
    )
    (tmp_path / "config.toml").write_text(config)
    options = ("--config", str(tmp_path / "config.toml"), "--now", "2025-08-18T08:00+02:00")
    words = ("show", str(cloud.number), "--json")
    done = commands.run([*options, *words], timeout=60)
    assert done.returncode == 0, done.stderr
    schemas.hold(words, done.stdout)
    (row,) = json.loads(done.stdout)["calendars"]
    released, live = row["shown"]
    assert (released["status"], released["last"]) == ("released", "release")
    assert live["status"] == "live"
    text_ = commands.run([*options, *words[:2]], timeout=60).stdout
    assert "released, release: " in text_


def test_nobody_is_asked_for_anything_but_ours(cloud: Cloud) -> None:
    cloud.control("POST", "/exchange/items", {"mailbox": cloud.mailbox, "subject": "private"})
    touched = cloud.control("GET", "/exchange/private-touched")
    twins(cloud, 2)
    hours_later(cloud, 6)
    look_into(cloud, mend=True)
    recover(cloud)
    assert cloud.control("GET", "/exchange/private-touched") == touched
