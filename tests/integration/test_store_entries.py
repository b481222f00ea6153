from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Connection, func, insert, select, update

from kalender.config.sections import Safety
from kalender.domain.entry import (
    Created,
    Entry,
    EntryStatus,
    FoundByKey,
    Happening,
    Held,
    NotCarriedOut,
    Plain,
    Refused,
    Shown,
    happens,
)
from kalender.ports import FoundItem, ItemRef
from kalender.store import brakes, bulk, entries, people
from kalender.store.brakes import HAND, INSTITUTION
from kalender.store.database import Database, database_time
from kalender.store.people import FS
from kalender.store.sql import db_now
from kalender.store.tables import brake, calendar, change_log, entry, source_reading
from tests.factories import DAY, HOUR, NOW, a_wanted, an_activity_key, an_answer, an_event
from tests.integration.test_store_courses import taken
from tests.integration.test_store_people import intend

SAFETY = Safety(max_deleted_share=0.1, min_deletes=5, min_deletes_day=20)
KEY = "1#a"


@pytest.fixture
def connection(open_database: Callable[[], Database]) -> Iterator[Connection]:
    with open_database().write() as connection:
        yield connection


@pytest.fixture
def ours(connection: Connection) -> int:
    return a_calendar(connection, 1)


def a_calendar(connection: Connection, number: int) -> int:
    person_id = people.ensure(connection, FS, str(number))
    return int(
        connection.execute(
            insert(calendar)
            .values(
                person_id=person_id,
                audience="student",
                address=f"user{number}@uio.no",
                owner=True,
                backend="main",
                state="active",
            )
            .returning(calendar.c.calendar_id)
        ).scalar_one()
    )


def live(connection: Connection, calendar_id: int, key: str = KEY, **told: object) -> Entry:
    wanted = a_wanted(an_event(key.partition("#")[0], **told))  # type: ignore[arg-type]
    intend(connection, calendar_id, key, wanted)
    made = Created(item_id=f"item {key}", change_key="c1")
    happen(connection, calendar_id, made, key=key)
    return the(connection, calendar_id, key)


def happen(
    connection: Connection, calendar_id: int, *happenings: Happening, key: str = KEY
) -> None:
    """Write what happens to the record of a key."""
    for happening in happenings:
        transition = happens(the(connection, calendar_id, key), happening)
        entries.save(connection, calendar_id, [transition])


def the(connection: Connection, calendar_id: int, key: str = KEY) -> Entry:
    return {e.sync_key: e for e in entries.of_calendar(connection, calendar_id)}[key]


def found(key: str = KEY, item_id: str = "item", created: int = 0) -> FoundItem:
    ref = ItemRef(item_id=item_id, change_key="c9")
    return FoundItem(
        ref=ref, sync_key=key, created_at=NOW + created * HOUR, starts_at=NOW, ends_at=NOW + HOUR
    )


def unsettled(connection: Connection, ours: int) -> bool:
    """Whether a visit that ends now would leave the calendar without a digest."""
    entries.synced(connection, ours, digest="d", settings="s", changes_at=NOW, verified=False)
    row = entries.load(connection, ours)
    return row is None or row.synced_digest is None


# -- written ahead, and what became of it ----------------------------------------------------------


def test_a_create_is_open_until_its_outcome_is_known(connection: Connection, ours: int) -> None:
    intend(connection, ours, KEY, a_wanted())
    intended = the(connection, ours)
    assert (intended.status, intended.open) == (EntryStatus.INTENDED, True)
    assert intended.fingerprint == a_wanted().fingerprint
    assert unsettled(connection, ours)
    happen(connection, ours, Created(item_id="item", change_key="c1"))
    made = the(connection, ours)
    assert made == intended._replace(status=EntryStatus.LIVE, item_id="item", change_key="c1")
    assert not unsettled(connection, ours)


def test_an_update_is_open_until_its_outcome_is_known(connection: Connection, ours: int) -> None:
    before = live(connection, ours)
    happen(connection, ours, Plain.UPDATE_AHEAD)
    assert the(connection, ours).open
    assert unsettled(connection, ours)
    new = a_wanted(an_event("2", starts=NOW + 3 * DAY))
    shown = Shown(subject=new.subject, fingerprint=new.fingerprint, change_key="c2")
    happen(connection, ours, shown)
    after = the(connection, ours)
    assert (after.event_id, after.fingerprint, after.starts_at) == (
        "2",
        new.fingerprint,
        NOW + 3 * DAY,
    )
    assert (after.item_id, after.change_key) == (before.item_id, "c2")


def test_a_delete_is_open_until_its_outcome_is_known(connection: Connection, ours: int) -> None:
    live(connection, ours)
    happen(connection, ours, Held(scope=HAND))
    assert unsettled(connection, ours)
    happen(connection, ours, Plain.DELETE_AHEAD)
    assert the(connection, ours).status is EntryStatus.DELETING
    assert the(connection, ours).held_by is None
    assert unsettled(connection, ours)
    happen(connection, ours, Plain.DELETED)
    assert entries.of_calendar(connection, ours) == []


@pytest.mark.parametrize("ahead", [Plain.UPDATE_AHEAD, Plain.DELETE_AHEAD])
def test_what_was_certainly_not_sent_is_taken_back(
    connection: Connection, ours: int, ahead: Plain
) -> None:
    live(connection, ours)
    happen(connection, ours, Held(scope=HAND))
    before = the(connection, ours)
    happen(connection, ours, ahead, NotCarriedOut(before=before))
    assert the(connection, ours) == before


def test_what_is_refused_says_what_was_refused(connection: Connection, ours: int) -> None:
    live(connection, ours)
    new = a_wanted(an_event(title="New"))
    happen(connection, ours, Refused(fingerprint=new.fingerprint))
    after = the(connection, ours)
    assert after.status is EntryStatus.REFUSED
    assert after.fingerprint == a_wanted(an_event(title="New")).fingerprint
    assert not unsettled(connection, ours)


def test_an_abandoned_key_stands_for_nothing(connection: Connection, ours: int) -> None:
    live(connection, ours)
    happen(connection, ours, Plain.NOT_FOUND_BY_KEY)
    assert entries.of_calendar(connection, ours) == []
    assert not unsettled(connection, ours)


def test_nothing_named_is_nothing_done(connection: Connection, ours: int) -> None:
    before = live(connection, ours)
    entries.save(connection, ours, [])
    entries.move_records_here(connection, ours + 1, {"x@uio.no"}, [])
    assert the(connection, ours) == before


# -- found by key ----------------------------------------------------------------------------------


def test_what_was_found_elsewhere_is_of_unknown_content(connection: Connection, ours: int) -> None:
    live(connection, ours)
    happen(connection, ours, FoundByKey(item_id="new item", change_key="c7"))
    after = the(connection, ours)
    assert (after.item_id, after.change_key, after.fingerprint) == ("new item", "c7", None)


def test_an_unknown_key_is_adopted_by_the_event_in_it(connection: Connection, ours: int) -> None:
    taken(connection, an_answer(an_event()))
    entries.adopt(connection, ours, found(), key=KEY, now=NOW)
    entries.adopt(connection, ours, found("strange#b"), key="strange#b", now=NOW)
    adopted, strange = the(connection, ours), the(connection, ours, "strange#b")
    assert (adopted.event_id, adopted.activity) == ("1", an_activity_key())
    assert adopted.open
    assert strange.activity.semester == ""


def test_a_create_that_came_late_can_still_be_adopted(connection: Connection, ours: int) -> None:
    """Its key was given up after a lookup; the row is still there, and must not stand in the way."""
    intend(connection, ours, KEY, a_wanted())
    happen(connection, ours, Plain.NOT_FOUND_BY_KEY)
    entries.adopt(connection, ours, found(), key=KEY, now=NOW)
    assert the(connection, ours).item_id == "item"


def test_a_new_owner_takes_over_the_records_there(connection: Connection, ours: int) -> None:
    other = a_calendar(connection, 2)
    live(connection, ours)
    live(connection, ours, "2#b")
    connection.execute(update(calendar).where(calendar.c.calendar_id == ours).values(owner=False))
    assert entries.move_records_here(connection, other, {"user1@uio.no"}, {KEY}) == set()
    assert [e.sync_key for e in entries.of_calendar(connection, other)] == [KEY]
    assert [e.sync_key for e in entries.of_calendar(connection, ours)] == ["2#b"]


def test_whoever_comes_to_a_mailbox_takes_over_what_its_former_owner_left(
    connection: Connection, ours: int
) -> None:
    other = a_calendar(connection, 2)
    live(connection, ours)
    connection.execute(
        update(calendar).where(calendar.c.calendar_id == ours).values(moved_from="shared@uio.no")
    )
    assert entries.move_records_here(connection, other, {"shared@uio.no"}, {KEY}) == set()
    assert [e.sync_key for e in entries.of_calendar(connection, other)] == [KEY]


def test_a_copy_in_another_mailbox_takes_nothing_from_its_owner(
    connection: Connection, ours: int
) -> None:
    other = a_calendar(connection, 2)
    live(connection, ours)
    assert entries.move_records_here(connection, other, {"user1@uio.no"}, {KEY}) == {KEY}
    assert [e.sync_key for e in entries.of_calendar(connection, ours)] == [KEY]


# -- the calendar's own state ----------------------------------------------------------------------


def test_a_visit_that_ended_well_is_recorded(connection: Connection, ours: int) -> None:
    entries.keep_quiet(connection, ours, 60)
    row = entries.load(connection, ours)
    assert row is not None
    assert 50 < row.quiet_for <= 60
    connection.execute(update(calendar).values(must_look_up=True, must_verify=True, state="lost"))
    entries.synced(connection, ours, digest="d", settings="s", changes_at=NOW, verified=False)
    row = entries.load(connection, ours)
    assert row is not None
    assert (row.synced_digest, row.changes_at, row.state) == ("d", NOW, "active")
    assert (row.quiet_for, row.must_look_up, row.must_verify) == (0, False, True)
    assert entries.forget_digest(connection, row).leaves is False
    row = entries.load(connection, ours)
    assert row is not None
    assert row.synced_digest is None
    assert entries.load(connection, ours + 1) is None


def test_who_forgets_the_digest_hears_of_that_person_s_wishes_alone(
    connection: Connection, ours: int
) -> None:
    row = entries.load(connection, ours)
    assert row is not None
    other = people.ensure(connection, people.FS, "4711")
    people.wish(connection, other, [people.OPT_OUT], "desk")
    assert entries.forget_digest(connection, row).leaves is False
    people.wish(connection, row.person_id, [people.OPT_OUT], "desk")
    assert entries.forget_digest(connection, row).leaves is True


def test_a_mailbox_is_missing_or_lost(connection: Connection, ours: int) -> None:
    assert entries.unreachable(connection, ours, "x") == "missing"
    live(connection, ours)
    assert entries.unreachable(connection, ours, "x") == "lost"


def test_what_is_coming_is_counted_and_keeps_its_semester(
    connection: Connection, ours: int
) -> None:
    live(connection, ours)
    live(connection, ours, "2#b", starts=NOW - 3 * HOUR)
    assert entries.coming(connection, NOW) == 1
    assert entries.future_semesters(connection, NOW) == {"25h"}
    assert entries.future_semesters(connection, NOW + 9 * DAY) == set()


def test_time_marks_a_calendar_once(connection: Connection, ours: int) -> None:
    entries.synced(connection, ours, digest="d", settings="s", changes_at=NOW, verified=False)
    assert bulk.changing_by_time(connection, NOW - HOUR) == []
    assert bulk.changing_by_time(connection, NOW) == [ours]
    assert bulk.changing_by_time(connection, NOW) == []


def test_other_settings_are_found(connection: Connection, ours: int) -> None:
    a_calendar(connection, 2)
    entries.synced(connection, ours, digest="d", settings="s", changes_at=None, verified=False)
    digests: dict[str | None, str] = {None: "s", "en": "t"}
    assert bulk.under_other_settings(connection, digests, {}) == ([], 1)
    assert bulk.under_other_settings(connection, {None: "t"}, {}) == ([ours], 1)
    assert bulk.under_other_settings(connection, digests, {1: "en"}) == ([ours], 1)


def test_looking_comes_round_evenly_after_a_fill_and_after_an_outage(
    connection: Connection, ours: int
) -> None:
    every, many = 3600.0, 120
    for number in range(2, many + 1):
        a_calendar(connection, number)
    ages = [(number, db_now(-600.0 - number)) for number in range(ours, ours + many)]
    for calendar_id, at in ages:  # filled within two minutes
        same = calendar.c.calendar_id == calendar_id
        connection.execute(update(calendar).where(same).values(synced_digest="d", synced_at=at))
    assert bulk.to_verify(connection, interval_seconds=every) == []
    looked: list[int] = []
    for _ in range(6):  # ten minutes each
        within = 0
        for _ in range(60):
            ten_seconds_pass(connection)
            found = bulk.to_verify(connection, interval_seconds=every)
            within += len(found)
            looked += found
            seen = calendar.c.calendar_id.in_(found)
            connection.execute(
                update(calendar).where(seen).values(must_verify=False, verified_at=db_now())
            )
        assert many / 6 - 2 <= within <= many / 6 + 2
    assert len(looked) - 2 <= len(set(looked)) <= many
    connection.execute(update(source_reading).values(read_at=db_now(-86_400.0)))
    assert len(bulk.to_verify(connection, interval_seconds=every)) <= 2


def ten_seconds_pass(connection: Connection) -> None:
    (last,) = connection.execute(select(source_reading.c.read_at)).scalars()
    connection.execute(update(source_reading).values(read_at=last - timedelta(seconds=10)))


# -- the brake -------------------------------------------------------------------------------------


def deleted(connection: Connection, ours: int, number: int, seconds_ago: float = 0) -> None:
    row = entries.load(connection, ours)
    assert row is not None
    for n in range(number):
        live(connection, ours, f"d{n}#a")
    keys = [f"d{n}#a" for n in range(number)]
    entries.log(connection, row, "delete", keys, "test", NOW, NOW)
    for key in keys:
        happen(connection, ours, Plain.DELETE_AHEAD, Plain.DELETED, key=key)
    if seconds_ago:
        connection.execute(update(change_log).values(at=db_now(-seconds_ago)))


@pytest.mark.parametrize(
    ("before", "deletes", "coming", "held"),
    [
        (0, 5, 0, False),
        (0, 6, 0, True),
        (3, 2, 0, False),
        (3, 3, 0, True),
        (3, 7, 100, False),
        (4, 7, 100, True),
    ],
)
def test_deletes_of_all_workers_within_the_hour_are_counted(
    connection: Connection, ours: int, before: int, deletes: int, coming: int, held: bool
) -> None:
    deleted(connection, ours, before)
    scope = brakes.judge_deletes(connection, deletes, coming, SAFETY)
    assert scope == (INSTITUTION if held else None)
    assert brakes.scope_in_force(connection) == scope


def test_the_day_counts_when_the_hour_is_over(connection: Connection, ours: int) -> None:
    deleted(connection, ours, 18, seconds_ago=2 * 3600)
    assert brakes.judge_deletes(connection, 2, 0, SAFETY) is None
    assert brakes.judge_deletes(connection, 3, 0, SAFETY) == INSTITUTION


def test_a_brake_that_holds_ends_only_by_release(connection: Connection, ours: int) -> None:
    deleted(connection, ours, 5)
    assert brakes.judge_deletes(connection, 99, 0, SAFETY) == INSTITUTION
    assert brakes.judge_deletes(connection, 1, 0, SAFETY) == INSTITUTION
    brakes.release(connection, INSTITUTION, "looked")
    assert brakes.judge_deletes(connection, 5, 0, SAFETY) is None
    assert brakes.judge_deletes(connection, 6, 0, SAFETY) == INSTITUTION


def test_a_release_lets_through_what_was_held_and_then_counts_anew(
    connection: Connection, ours: int
) -> None:
    for n in range(30):
        live(connection, ours, f"e{n}#a")
    brakes.judge_deletes(connection, 30, 0, SAFETY)
    for n in range(30):
        happen(connection, ours, Held(scope=INSTITUTION), key=f"e{n}#a")
    assert brakes.release(connection, INSTITUTION, "looked") == [ours]
    assert brakes.judge_deletes(connection, 30, 0, SAFETY) is None
    deleted(connection, ours, 30)
    assert brakes.judge_deletes(connection, 5, 0, SAFETY) is None
    assert brakes.judge_deletes(connection, 6, 0, SAFETY) == INSTITUTION


def test_a_hold_that_holds_nothing_any_more_is_over(connection: Connection, ours: int) -> None:
    live(connection, ours)
    brakes.judge_deletes(connection, 99, 0, SAFETY)
    happen(connection, ours, Held(scope=INSTITUTION))
    brakes.end_if_nothing_is_held(connection)
    assert brakes.scope_in_force(connection) == INSTITUTION
    assert brakes.let_ended_go(connection, NOW + timedelta(days=900)) == [ours]
    assert brakes.scope_in_force(connection) is None


def test_a_brake_set_by_hand_holds_everything(connection: Connection) -> None:
    brakes.put(connection, HAND, "holding", "looking")
    assert brakes.judge_deletes(connection, 1, 10_000, SAFETY) == HAND
    brakes.lift(connection, HAND)
    assert brakes.state(connection, HAND) is None
    assert brakes.judge_deletes(connection, 1, 10_000, SAFETY) is None


def test_announced_deletes_are_allowed_in_their_time_and_never_count_after(
    connection: Connection, ours: int
) -> None:
    now = database_time(connection)
    hour = timedelta(hours=1)
    brakes.expect(connection, from_at=now - hour, until_at=now + hour, up_to=100, reason="deadline")
    assert brakes.judge_deletes(connection, 105, 0, SAFETY) is None
    deleted(connection, ours, 100)
    over = update(brake).values(until_at=db_now())
    connection.execute(over)
    assert brakes.judge_deletes(connection, 5, 0, SAFETY) is None
    assert brakes.judge_deletes(connection, 6, 0, SAFETY) == INSTITUTION


def test_what_is_written_is_remembered(connection: Connection, ours: int) -> None:
    deleted(connection, ours, 2)
    told = select(change_log.c.operation, change_log.c.event_id, change_log.c.sync_key)
    assert sorted(connection.execute(told).all()) == [
        ("delete", "d0", "d0#a"),
        ("delete", "d1", "d1#a"),
    ]
    assert connection.execute(select(func.count()).select_from(entry)).scalar() == 0
