"""Mailboxes move between two Exchanges; absence is not believed at once, and an operator decides."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, timedelta

import pytest
from sqlalchemy import text

from kalender.config.calendar import RoleCalendar
from kalender.config.sections import Moves
from kalender.domain.work import Kind, Lane
from kalender.errors import NeighbourUnavailable, OutcomeUnknown, PermanentError
from kalender.neighbours import breaker
from kalender.neighbours.breaker import MOVES
from kalender.operate.answers import LANGUAGES
from kalender.operate.answers.speech import Speech
from kalender.operate.question import Question
from kalender.operate.why import checklist_of_person
from kalender.ports import ItemRef
from kalender.store import moves, people, queue
from kalender.store.database import Database, database_time
from tests.fakes.calendars import FakeCalendars, Item
from tests.fakes.house import MONDAY, House, event

pytestmark = pytest.mark.integration
ADDRESS = "user1@uio.example"
QUARTER = 900.0


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """An empty installation on each database."""
    return House(open_database())


def rows(house: House, sql: str) -> list[tuple[object, ...]]:
    with house.database.read() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def lectures(house: House, count: int, title: str = "") -> None:
    house.teach(
        *(event(n, starts=MONDAY + timedelta(days=n + 1), title=title) for n in range(count))
    )


def filled(house: House, count: int = 4, persons: int = 1) -> None:
    """So many students with so many lectures each, and a second Exchange that knows nobody."""
    lectures(house, count)
    for number in range(1, persons + 1):
        house.enrol(number)
    assert house.settle() == []
    other = house.others["other"] = FakeCalendars()
    other.missing |= {address(number) for number in range(1, persons + 1)}
    house.forget_requests()


def address(number: int) -> str:
    return f"user{number}@uio.example"


def copy(old: FakeCalendars, new: FakeCalendars, mailbox: str, share: float = 1.0) -> None:
    """Copy a mailbox, or a share of it, under new ids, as a migration does."""
    items = list(old.items(mailbox).items())
    new.mailboxes[mailbox] = {
        f"new-{name}": replace(item, ref=ItemRef(item_id=f"new-{name}", change_key=f"new-{name}"))
        for name, item in items[: round(share * len(items))]
    }


def move(
    old: FakeCalendars, new: FakeCalendars, mailbox: str = ADDRESS, share: float = 1.0
) -> None:
    """Move a mailbox, of which a share of the items arrives."""
    copy(old, new, mailbox, share)
    del old.mailboxes[mailbox]
    old.missing.add(mailbox)
    new.missing.discard(mailbox)


def look(house: House, seconds: float = 120.0, times: int = 1) -> None:
    for _ in range(times):
        house.verify()
        house.settle()
        house.later(seconds)
        house.settle()


def entries_of(house: House) -> list[tuple[object, ...]]:
    return rows(house, "SELECT sync_key, status, item_id FROM entry ORDER BY sync_key")


def person(house: House, number: int = 1) -> int:
    with house.database.read() as connection:
        found = people.find_by_any_identity(connection, str(number))
    assert found is not None
    return found


def decide(house: House, decision: str, number: int = 1) -> None:
    with house.database.write() as connection:
        waiting = moves.waiting(connection, person(house, number))
        assert waiting
        moves.decide(connection, waiting, decision, who="somebody", reason="looked")


# -- followed --------------------------------------------------------------------------------------


def test_a_mailbox_is_followed_there_and_back_within_a_day(house: House) -> None:
    filled(house)
    other = house.others["other"]
    before = {item.sync_key for item in house.shown(1)}
    move(house.exchange, other)
    look(house)
    assert {item.sync_key for item in other.own(ADDRESS)} == before
    move(other, house.exchange)
    look(house)
    assert {item.sync_key for item in house.shown(1)} == before
    assert rows(house, "SELECT backend, must_look_up FROM calendar") in (
        [("main", False)],
        [("main", 0)],
    )
    passed = "SELECT from_backend, to_backend FROM move WHERE done_at IS NOT NULL ORDER BY move_id"
    assert rows(house, passed) == [("main", "other"), ("other", "main")]
    assert [r[0] for r in other.requests + house.exchange.requests].count("create") == 0
    assert [r[0] for r in other.requests + house.exchange.requests].count("delete") == 0


def test_ids_that_mean_the_same_at_the_new_place_are_as_good_as_others(house: House) -> None:
    filled(house)
    other = house.others["other"]
    before = entries_of(house)
    other.mailboxes[ADDRESS] = dict(house.exchange.mailboxes.pop(ADDRESS))
    house.exchange.missing.add(ADDRESS)
    other.missing.discard(ADDRESS)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    assert entries_of(house) == before
    assert {each[0] for each in other.requests} <= {"find", "get"}


@pytest.mark.parametrize("tells_contents", [False, True])
def test_change_keys_that_all_differ_cost_one_reading_at_most_and_no_write(
    house: House, *, tells_contents: bool
) -> None:
    filled(house)
    other = house.others["other"]
    other.tells_contents = tells_contents
    move(house.exchange, other)
    look(house)
    read = [] if tells_contents else ["get"]
    assert [each[0] for each in other.requests] == ["find", "find", *read]
    other.requests.clear()
    look(house)
    assert [each[0] for each in other.requests] == ["get"]  # what was read then is recorded


def test_the_log_of_acts_knows_of_a_move(house: House) -> None:
    filled(house)
    move(house.exchange, house.others["other"])
    look(house)
    acts = "SELECT who, command, scope, person_id FROM operator_act"
    expected = ("service", "move follow", "exchange.main to exchange.other", person(house))
    assert rows(house, acts) == [expected]


def test_what_was_declined_stays_declined_in_the_new_place(house: House) -> None:
    house.restore = RoleCalendar(restore_deleted=False)
    filled(house)
    item = house.shown(1)[0]
    del house.exchange.items(ADDRESS)[item.ref.item_id]
    look(house)
    assert rows(house, "SELECT count(*) FROM entry WHERE status = 'declined'") == [(1,)]
    move(house.exchange, house.others["other"])
    lectures(house, 4, title="nytt")
    look(house)
    assert len(house.others["other"].own(ADDRESS)) == 3
    assert rows(house, "SELECT count(*) FROM entry WHERE status = 'declined'") == [(1,)]


def test_what_has_ended_is_kept_where_the_new_place_lacks_it(house: House) -> None:
    filled(house)
    house.now += timedelta(days=1, hours=12)
    ended = house.shown(1)[0]
    other = house.others["other"]
    move(house.exchange, other)
    del other.items(ADDRESS)[f"new-{ended.ref.item_id}"]
    look(house)
    assert rows(house, "SELECT count(*) FROM entry WHERE status = 'live'") == [(4,)]
    assert len(other.own(ADDRESS)) == 3
    assert rows(house, "SELECT count(*) FROM move WHERE done_at IS NULL") == [(0,)]


def test_while_neither_side_answers_nothing_is_concluded(house: House) -> None:
    filled(house)
    before = entries_of(house)
    copy(house.exchange, house.others["other"], ADDRESS)
    house.exchange.missing.add(ADDRESS)
    look(house, times=3)
    assert entries_of(house) == before
    house.others["other"].missing.clear()
    look(house)
    assert len(house.others["other"].own(ADDRESS)) == 4
    assert rows(house, "SELECT backend, state FROM calendar") == [("other", "active")]


def test_while_both_sides_answer_kalender_goes_on_at_the_old_one(house: House) -> None:
    filled(house)
    other = house.others["other"]
    other.missing.clear()
    copy(house.exchange, other, ADDRESS)
    lectures(house, 5, title="nytt")
    look(house)
    assert [item.content.subject for item in house.shown(1)] != []
    assert all("nytt" in item.content.subject for item in house.shown(1))
    assert rows(house, "SELECT backend FROM calendar") == [("main",)]
    del house.exchange.mailboxes[ADDRESS]
    house.exchange.missing.add(ADDRESS)
    look(house)
    assert len(other.own(ADDRESS)) == 5
    assert all("nytt" in item.content.subject for item in other.own(ADDRESS))
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]


@pytest.mark.parametrize("restore_deleted", [True, False])
def test_an_old_place_that_is_empty_already_is_not_believed(
    house: House, restore_deleted: bool
) -> None:
    house.restore = RoleCalendar(restore_deleted=restore_deleted)
    filled(house)
    other = house.others["other"]
    other.missing.clear()
    copy(house.exchange, other, ADDRESS)
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    assert house.shown(1) == []
    assert house.count("create") == 0
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    assert rows(house, "SELECT DISTINCT status FROM entry") == [("live",)]
    assert len(other.own(ADDRESS)) == 4


def test_an_old_place_that_is_empty_while_the_new_one_is_too_waits(house: House) -> None:
    filled(house)
    before = entries_of(house)
    other = house.others["other"]
    other.missing.clear()
    copy(house.exchange, other, ADDRESS)
    items, other.mailboxes[ADDRESS] = other.mailboxes[ADDRESS], {}
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    assert entries_of(house) == before
    assert house.count("create") == 0
    assert rows(house, "SELECT looks, expected, present FROM move") == [(1, 4, 0)]
    other.mailboxes[ADDRESS] = items
    look(house, QUARTER)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    assert len(other.own(ADDRESS)) == 4


def test_a_copy_that_was_left_behind_is_not_gone_back_to(house: House) -> None:
    """The old place answers as well, and the user deletes most entries in the new one."""
    filled(house)
    other = house.others["other"]
    announce(house, days=-1)
    other.missing.clear()
    copy(house.exchange, other, ADDRESS)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    for item_id in list(other.items(ADDRESS))[1:]:
        del other.items(ADDRESS)[item_id]
    before = entries_of(house)
    look(house, QUARTER)
    look(house)
    assert rows(house, "SELECT looks FROM move WHERE done_at IS NULL") == [(2,)]
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    assert entries_of(house) == before
    decide(house, moves.ACCEPT)
    house.settle()
    assert len(other.own(ADDRESS)) == 4
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]


def test_an_announced_mailbox_of_which_nothing_is_to_come_stays_until_it_is_not_here(
    house: House,
) -> None:
    filled(house)
    house.now += timedelta(days=60)
    other = house.others["other"]
    other.missing.clear()
    announce(house, days=-1)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("main",)]


@pytest.mark.parametrize("restore_deleted", [True, False])
def test_an_old_place_that_lacks_much_is_believed_after_hours_where_nobody_else_knows_it(
    house: House, restore_deleted: bool
) -> None:
    house.restore = RoleCalendar(restore_deleted=restore_deleted)
    filled(house)
    before = entries_of(house)
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    for minutes in (15, 60, 239):
        assert entries_of(house) == before
        assert house.shown(1) == []
        look(house, 60.0 * minutes)
    assert rows(house, "SELECT looks, expected, present FROM move") == [(3, 4, 0)]
    with house.database.read() as connection:
        counts = moves.counts(connection)
    assert (counts.waiting, counts.unanswered, counts.moved) == (1, 0, 0)
    look(house)
    assert len(house.shown(1)) == (4 if restore_deleted else 0)
    assert rows(house, "SELECT count(*) FROM move WHERE done_at IS NULL") == [(0,)]
    declined = "SELECT count(*) FROM entry WHERE status = 'declined'"
    assert rows(house, declined) == [(0 if restore_deleted else 4,)]
    gone = "SELECT count(*) FROM change_log WHERE operation = 'gone'"
    assert rows(house, gone) == [(4 if restore_deleted else 0,)]


def test_an_old_place_that_is_emptied_is_written_anew_at_once_where_it_is_the_only_one(
    house: House,
) -> None:
    filled(house)
    house.others.clear()
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    assert len(house.shown(1)) == 4
    assert rows(house, "SELECT count(*) FROM move") == [(0,)]


def test_three_emptied_calendars_that_are_known_nowhere_else_pause_no_moves(house: House) -> None:
    filled(house, persons=3)
    for number in (1, 2, 3):
        house.exchange.mailboxes[address(number)].clear()
    look(house)
    assert rows(house, "SELECT count(*) FROM move WHERE done_at IS NULL") == [(3,)]
    assert paused(house) is None


def test_what_keeps_an_emptied_calendar_waiting_is_said_in_each_language(house: House) -> None:
    filled(house)
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    with house.database.read() as connection:
        question = Question(
            connection=connection,
            settings=house.settings,
            rollout_mode="all",
            skips=lambda _code: False,
            now=house.now,
            person_id=person(house),
        )
        checks = checklist_of_person(question)
    for words in LANGUAGES.values():
        speech = Speech(words=words, zone=UTC, common={"whom": "1", "course": ""})
        failing = next(answer for answer in speech.answers(checks) if answer.first_failing)
        assert (failing.check.name, failing.check.case) == ("mailbox", "emptied")
        assert "0 " in failing.text
        assert "4 " in failing.text
        assert "kalender move accept 1" in (failing.remedy or "")


def test_an_emptied_calendar_that_is_back_goes_on_where_it_is(house: House) -> None:
    filled(house)
    before = entries_of(house)
    items = dict(house.exchange.mailboxes[ADDRESS])
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    house.exchange.mailboxes[ADDRESS] = items
    lectures(house, 4, title="nytt")
    look(house, QUARTER)
    look(house)
    assert {entry[0] for entry in entries_of(house)} == {entry[0] for entry in before}
    assert all("nytt" in item.content.subject for item in house.shown(1))
    assert rows(house, "SELECT count(*) FROM move WHERE done_at IS NULL") == [(0,)]


@pytest.mark.parametrize("noted", [True, False])
def test_what_tp_deletes_in_the_gap_of_a_move_is_not_left_behind_at_the_new_place(
    house: House, noted: bool
) -> None:
    """The old place is empty, the new one is not there yet, and teaching is taken away meanwhile."""
    filled(house)
    other = house.others["other"]
    if noted:
        house.exchange.annotate(ADDRESS, house.shown(1)[3].ref.item_id, "Husk matpakke")
    copy(house.exchange, other, ADDRESS)
    items = dict(other.mailboxes[ADDRESS])
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    lectures(house, 3)
    look(house)
    assert house.shown(1) == []
    move(house.exchange, other)
    other.mailboxes[ADDRESS] = items
    look(house, QUARTER)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    assert len(other.own(ADDRESS)) == 3
    assert [each[0] for each in house.exchange.requests].count("create") == 0
    assert rows(house, "SELECT count(*) FROM stray_key") == [(0,)]


def test_what_arrives_after_the_gap_was_believed_goes_where_its_event_went(house: House) -> None:
    filled(house)
    other = house.others["other"]
    copy(house.exchange, other, ADDRESS)
    items = dict(other.mailboxes[ADDRESS])
    house.exchange.mailboxes[ADDRESS].clear()
    look(house, 330 * 60.0, times=4)
    assert len(house.shown(1)) == 4
    lectures(house, 3)
    house.settle()
    move(house.exchange, other)
    other.mailboxes[ADDRESS] |= items
    look(house, QUARTER)
    look(house)
    assert len(other.own(ADDRESS)) == 3
    assert len({item.content.starts_at for item in other.own(ADDRESS)}) == 3


def test_a_create_that_nobody_answered_in_the_gap_of_a_move_is_not_given_up(house: House) -> None:
    filled(house)
    other, items = house.others["other"], dict[str, Item]()

    def is_copied_and_emptied(operation: str, mailbox: str) -> None:
        if operation == "create":
            copy(house.exchange, other, mailbox)
            items.update(other.mailboxes[mailbox])
            house.exchange.mailboxes[mailbox].clear()
            house.exchange.after = FakeCalendars().after
            raise OutcomeUnknown("ReadTimeout")

    house.exchange.after = is_copied_and_emptied
    lectures(house, 5)
    assert len(house.settle()) == 1
    house.later(QUARTER)
    house.settle()
    open_ones = "SELECT count(*) FROM entry WHERE status = 'intended'"
    assert rows(house, open_ones) == [(1,)]
    lectures(house, 4)
    move(house.exchange, other)
    other.mailboxes[ADDRESS] = items
    look(house, QUARTER, times=2)
    assert len(other.own(ADDRESS)) == 4
    assert rows(house, open_ones) == [(0,)]
    assert rows(house, "SELECT count(*) FROM stray_key") == [(0,)]


def test_an_old_place_that_lacks_much_is_not_believed_while_the_other_is_away(
    house: House,
) -> None:
    filled(house)
    before = entries_of(house)

    def away(_operation: str, _mailbox: str) -> None:
        raise NeighbourUnavailable("exchange.other", "away")

    house.others["other"].before = away
    house.exchange.mailboxes[ADDRESS].clear()
    look(house)
    assert entries_of(house) == before
    assert house.count("create") == 0


def test_a_move_that_is_taken_back_is_followed_back(house: House) -> None:
    """The new place is there without items yet, and the old one answers again with all of them."""
    filled(house)
    other = house.others["other"]
    other.missing.clear()
    house.exchange.missing.add(ADDRESS)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("other",)]
    house.exchange.missing.clear()
    look(house, QUARTER)
    look(house)
    assert rows(house, "SELECT backend FROM calendar") == [("main",)]
    assert len(house.shown(1)) == 4
    assert other.own(ADDRESS) == []


def test_who_is_found_elsewhere_before_anything_was_written_did_not_move(house: House) -> None:
    """A first fill is not held up by turns."""
    other = house.others["other"] = FakeCalendars()
    house.exchange.missing |= {address(1), address(2), address(3)}
    lectures(house, 4)
    for number in (1, 2, 3):
        house.enrol(number)
    house.settle()
    assert [len(other.own(address(number))) for number in (1, 2, 3)] == [4, 4, 4]
    assert rows(house, "SELECT count(*) FROM move") == [(0,)]


# -- absence is not believed -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "waits"), [(0.0, True), (0.25, True), (0.5, False), (1.0, False)]
)
def test_a_new_home_with_fewer_than_half_waits(house: House, share: float, waits: bool) -> None:
    filled(house)
    before = entries_of(house)
    other = house.others["other"]
    move(house.exchange, other, share=share)
    look(house)
    assert (entries_of(house) == before) is waits
    assert len(other.own(ADDRESS)) == (4 * share if waits else 4)
    waiting = "SELECT count(*) FROM move WHERE done_at IS NULL AND waits_since IS NOT NULL"
    assert rows(house, waiting) == [(int(waits),)]


def test_the_next_looks_come_after_growing_times(house: House) -> None:
    filled(house)
    other = house.others["other"]
    move(house.exchange, other, share=0.0)
    look(house, seconds=0.0)
    looked = []
    for minutes in (14, 2, 58, 3, 236, 5, 715, 6, 1434, 7):
        house.later(60.0 * minutes)
        house.verify()
        house.settle()
        looked.append(rows(house, "SELECT looks FROM move")[0][0])
    assert looked == [1, 2, 2, 3, 3, 4, 4, 5, 5, 6]


def test_a_look_finds_what_arrived_meanwhile(house: House) -> None:
    filled(house)
    other = house.others["other"]
    copy(house.exchange, other, ADDRESS)
    items = other.mailboxes[ADDRESS]
    move(house.exchange, other, share=0.0)
    look(house)
    other.mailboxes[ADDRESS] = items
    look(house, QUARTER)
    assert len(other.own(ADDRESS)) == 4
    assert not [each for each in other.requests if each[0] == "create"]
    assert rows(house, "SELECT count(*) FROM move WHERE done_at IS NULL") == [(0,)]


def test_what_arrives_after_the_rest_was_written_anew_is_not_doubled(house: House) -> None:
    filled(house)
    other = house.others["other"]
    copy(house.exchange, other, ADDRESS)
    late = dict(list(other.mailboxes[ADDRESS].items())[2:])
    move(house.exchange, other, share=0.5)
    look(house)
    assert len(other.own(ADDRESS)) == 4
    other.mailboxes[ADDRESS] |= late
    assert len(other.own(ADDRESS)) == 6
    look(house)
    assert len(other.own(ADDRESS)) == 4
    assert len({item.content.starts_at for item in other.own(ADDRESS)}) == 4
    house.later(8 * 86_400.0)
    other.requests.clear()
    look(house)
    assert [each[0] for each in other.requests] == ["get"]


def test_what_waits_is_written_anew_once_it_is_accepted(house: House) -> None:
    filled(house)
    other = house.others["other"]
    move(house.exchange, other, share=0.25)
    look(house)
    decide(house, moves.ACCEPT)
    house.settle()
    assert len(other.own(ADDRESS)) == 4
    assert rows(house, "SELECT decision, decided_by FROM move") == [("accept", "somebody")]
    assert rows(house, "SELECT count(*) FROM move WHERE done_at IS NULL") == [(0,)]


def test_what_is_to_wait_goes_on_being_looked_at_and_counts_for_nothing_for_a_day(
    house: House,
) -> None:
    filled(house)
    move(house.exchange, house.others["other"], share=0.0)
    look(house)
    decide(house, moves.WAIT)
    with house.database.read() as connection:
        counts = moves.counts(connection)
    assert (counts.waiting, counts.unanswered) == (1, 0)
    look(house, QUARTER)
    house.settle()
    assert rows(house, "SELECT looks FROM move") == [(2,)]
    house.later(90_000)
    with house.database.read() as connection:
        assert moves.counts(connection).unanswered == 1


def test_three_that_wait_within_an_hour_pause_all_moves_and_nothing_else(house: House) -> None:
    filled(house, persons=5)
    other = house.others["other"]
    for number in (1, 2):
        move(house.exchange, other, address(number), share=0.0)
        look(house)
    assert paused(house) is None
    move(house.exchange, other, address(3), share=0.0)
    look(house)
    assert "3 moved calendars within an hour" in str(paused(house))
    move(house.exchange, other, address(4))
    lectures(house, 4, title="nytt")
    look(house)
    assert len(other.own(address(4))) == 4
    assert not any("nytt" in item.content.subject for item in other.own(address(4)))
    assert all("nytt" in item.content.subject for item in house.shown(5))
    with house.database.write() as connection:
        breaker.let_go(connection, MOVES)
    look(house, seconds=600)
    assert all("nytt" in item.content.subject for item in other.own(address(4)))
    assert paused(house) is None


def test_two_that_wait_and_a_third_after_an_hour_pause_nothing(house: House) -> None:
    filled(house, persons=3)
    other = house.others["other"]
    for number in (1, 2):
        move(house.exchange, other, address(number), share=0.0)
    look(house)
    house.later(3_700)
    move(house.exchange, other, address(3), share=0.0)
    look(house)
    assert rows(house, "SELECT count(*) FROM move WHERE waits_since IS NOT NULL") == [(3,)]
    assert paused(house) is None


def paused(house: House) -> object:
    found = rows(house, "SELECT held_reason FROM neighbour WHERE name = 'moves'")
    return found[0][0] if found else None


# -- paced -------------------------------------------------------------------------------------------


def test_moved_calendars_are_looked_up_one_after_the_other_below_live_work(house: House) -> None:
    house.moves = Moves(per_minute=1)
    filled(house, persons=4)
    other = house.others["other"]
    for number in range(1, 5):
        move(house.exchange, other, address(number))
    house.verify()
    house.settle()
    lane = "SELECT DISTINCT priority FROM dirty WHERE kind = 'calendar'"
    assert rows(house, lane) == [(int(Lane.FILL),)]
    done = "SELECT count(*) FROM move WHERE done_at IS NOT NULL"
    looked = [rows(house, done)[0][0]]
    for _ in range(4):
        house.later(60.0)
        house.settle()
        looked.append(rows(house, done)[0][0])
    assert looked == [1, 2, 3, 4, 4]


def test_a_live_change_does_not_bring_a_moved_calendar_forward(house: House) -> None:
    house.moves = Moves(per_minute=1)
    filled(house, persons=3)
    other = house.others["other"]
    for number in range(1, 4):
        move(house.exchange, other, address(number))
    house.verify()
    house.settle()
    other.requests.clear()
    lectures(house, 4, title="nytt")
    house.settle()
    assert {each[1] for each in other.requests} <= {address(1)}
    house.later(60.0)
    other.requests.clear()
    urgent = house.claim([Kind.CALENDAR])
    assert urgent is not None
    assert urgent.lane is Lane.LIVE
    house.do(urgent)
    assert other.requests == []
    again = house.claim([Kind.CALENDAR])
    assert again is not None
    assert (again.key, again.lane) == (urgent.key, Lane.FILL)
    house.do(again)
    assert other.requests != []


# -- what was taken away at the old place --------------------------------------------------------------


def test_what_was_deleted_at_the_old_place_after_the_copy_goes_at_the_new_one(
    house: House,
) -> None:
    filled(house, 5)
    other = house.others["other"]
    copy(house.exchange, other, ADDRESS)
    stale = other.own(ADDRESS)[4]
    lectures(house, 4)
    look(house)
    assert len(house.shown(1)) == 4
    items = other.mailboxes[ADDRESS]
    move(house.exchange, other)
    other.mailboxes[ADDRESS] = items
    look(house)
    assert len(other.own(ADDRESS)) == 4
    assert stale.sync_key not in {item.sync_key for item in other.own(ADDRESS)}


@pytest.mark.parametrize("touched", ["note", "attachment", "meeting", "copy", "ended"])
def test_what_its_user_touched_or_has_ended_stays_although_we_took_it_away(
    house: House, touched: str
) -> None:
    filled(house, 5)
    other = house.others["other"]
    copy(house.exchange, other, ADDRESS)
    stale = other.own(ADDRESS)[4]
    lectures(house, 4)
    look(house)
    items = other.mailboxes[ADDRESS]
    move(house.exchange, other)
    other.mailboxes[ADDRESS] = items
    match touched:
        case "note":
            other.annotate(ADDRESS, stale.ref.item_id, "mitt")
        case "attachment":
            other.attach(ADDRESS, stale.ref.item_id, "mitt.pdf")
        case "meeting":
            other.invite(ADDRESS, stale.ref.item_id)
        case "copy":
            stale.created_at += timedelta(hours=1)
        case _:
            house.now += timedelta(days=30)
    look(house)
    assert stale.sync_key in {item.sync_key for item in other.own(ADDRESS)}


def test_what_a_protected_person_has_is_taken_back_before_any_turn(house: House) -> None:
    filled(house, persons=3)
    other = house.others["other"]
    for number in (1, 2, 3):
        move(house.exchange, other, address(number))
    house.verify()
    house.settle()
    with house.database.write() as connection:
        breaker.hold(connection, MOVES, until=breaker.FOR_EVER, reason="test", by="test")
        marked = people.wish(connection, person(house, 3), {people.PROTECT}, "test")
        people.mark_calendars(connection, marked, reason="protect", lane=Lane.PROTECT)
        for calendar_id in marked:
            queue.hurry(connection, Kind.CALENDAR, str(calendar_id))
    assert house.settle() == []
    assert other.own(address(3)) == []


# -- announced ---------------------------------------------------------------------------------------


def announce(house: House, days: int, persons: int = 1) -> None:
    with house.database.write() as connection:
        numbers = [person(house, number) for number in range(1, persons + 1)]
        calendars = people.calendars_of(connection, numbers)
        day = database_time(connection) + timedelta(days=days)
        assert moves.announce(connection, calendars, "other", day) == persons


def test_an_announced_mailbox_is_looked_for_at_the_new_place_first_from_its_day_on(
    house: House,
) -> None:
    filled(house)
    other = house.others["other"]
    announce(house, days=2)
    look(house)
    assert other.requests == []
    house.later(2 * 86_400.0)
    lectures(house, 4, title="nytt")
    house.settle()
    assert other.requests  # not there: the old one goes on
    assert all("nytt" in item.content.subject for item in house.shown(1))
    move(house.exchange, other)
    house.forget_requests()
    look(house)
    assert house.exchange.requests == []
    assert len(other.own(ADDRESS)) == 4
    assert rows(house, "SELECT count(*) FROM move_announced") == [(0,)]


def test_announced_calendars_are_marked_by_turns_on_their_day(house: House) -> None:
    filled(house, persons=3)
    announce(house, days=1, persons=3)
    interval = timedelta(seconds=1)

    def mark() -> int:
        with house.database.write() as connection:
            return moves.mark_announced(connection, interval)

    assert mark() == 0
    house.later(86_500.0)
    assert [mark(), mark()] == [1, 0]
    house.later(2.0)
    assert mark() == 2
    assert rows(house, "SELECT DISTINCT priority FROM dirty") == [(int(Lane.FILL),)]


# -- anything else -----------------------------------------------------------------------------------


def test_a_mailbox_that_a_third_exchange_has_is_found_there(house: House) -> None:
    filled(house)
    third = house.others["third"] = FakeCalendars()
    move(house.exchange, third)
    look(house)
    assert len(third.own(ADDRESS)) == 4
    assert rows(house, "SELECT backend FROM calendar") == [("third",)]


def test_an_exchange_that_refuses_the_mailbox_has_it_not(house: House) -> None:
    filled(house)
    other = house.others["other"]

    def refuses(_operation: str, _mailbox: str) -> None:
        raise PermanentError("refused")

    other.before = refuses
    house.exchange.missing.add(ADDRESS)
    look(house)
    assert rows(house, "SELECT backend, state FROM calendar") == [("main", "lost")]


def test_whoever_leaves_while_the_mailbox_moves_keeps_nothing(house: House) -> None:
    filled(house)
    other = house.others["other"]
    move(house.exchange, other)
    with house.database.write() as connection:
        marked = people.wish(connection, person(house), {people.OPT_OUT}, "test")
        people.mark_calendars(connection, marked, reason="test", lane=Lane.ASKED)
    for _ in range(3):
        house.settle()
        house.later()
    assert other.own(ADDRESS) == []
