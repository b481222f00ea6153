"""Lists of whom to leave alone, kept in step: who is out by which list, and what is held."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from kalender.config.sections import Safety
from kalender.domain.lists import ListReading
from kalender.domain.model import Account
from kalender.domain.work import Cause, Lane
from kalender.mirror import lists
from kalender.mirror.lists import ListChange, ReadLists, keep_in_step
from kalender.operate import disclosure, erasure
from kalender.store import acts, brakes, optouts, people
from kalender.store.database import Database
from kalender.store.people import OPT_OUT, PROTECT
from kalender.store.tables import operator_act, preference
from tests.fakes.house import House, event

pytestmark = pytest.mark.integration
STUDENTS = range(1, 7)


@pytest.fixture
def house(open_database: Callable[[], Database]) -> House:
    """Six students with two lectures each."""
    house = House(open_database())
    house.teach(event(1), event(2))
    for number in STUDENTS:
        house.enrol(number)
    house.settle()
    assert shown(house) == set(STUDENTS)
    return house


@pytest.fixture
def strict(house: House) -> House:
    """The same, where lists may change two persons within an hour, and four within a day."""
    house.safety = Safety(min_optouts=2, min_optouts_day=4)
    return house


def shown(house: House) -> set[int]:
    """Who has entries of ours."""
    return {number for number in STUDENTS if house.shown(number)}


def naming(*names: object, name: str = "reserved") -> ListReading:
    return ListReading(name=name, kind="optout", names=tuple(map(str, names)))


def unread(name: str = "reserved") -> ListReading:
    return ListReading(name=name, kind="optout", problem="it is empty")


def read(house: House, *readings: ListReading) -> list[ListChange]:
    """Read lists as `optout sync` does, and let workers follow."""
    with house.database.write() as connection:
        made = ReadLists(readings=readings, safety=house.safety, who="idm")
        changes = keep_in_step(connection, made)
    house.settle()
    return changes


def person(house: House, number: int) -> int:
    with house.database.read() as connection:
        found = people.find(connection, people.FS, str(number))
    assert found is not None
    return found


def opt(house: House, number: int, *, out: bool) -> None:
    """Let a person's own command say so, as `optout add` and `optout remove` do."""
    person_id = person(house, number)
    with house.database.write() as connection:
        if out:
            calendars = people.wish(connection, person_id, {OPT_OUT}, "asked for it")
        else:
            optouts.overrule(connection, person_id)
            calendars = people.take_wish_back(connection, person_id)
        people.mark_calendars(
            connection, calendars, reason="wish", cause=Cause.WISH, lane=Lane.ASKED
        )
    house.settle()


def holding(house: House) -> dict[str, str]:
    """The brakes that hold, with why."""
    with house.database.read() as connection:
        scopes = ("optout reserved", "optout closed")
        return {s: why for s in scopes if (why := brakes.why_held(connection, s)) is not None}


def told(house: House, command: str) -> list[tuple[str, int | None, str | None]]:
    with house.database.read() as connection:
        rows = acts.acts(connection, acts.Filter(what=command))
    return [(row.who, row.person, row.reason) for row in rows]


# -- in step -------------------------------------------------------------------------------------------


def test_who_is_named_is_left_alone_and_who_is_let_go_is_served_again(house: House) -> None:
    (change,) = read(house, naming("user1", "2", "nobody"))
    assert (change.names, change.unknown, change.added, change.held) == (3, 1, 2, 0)
    assert shown(house) == {3, 4, 5, 6}
    (change,) = read(house, naming("2"))
    assert (change.added, change.removed) == (0, 1)
    assert shown(house) == {1, 3, 4, 5, 6}
    house.forget_requests()
    read(house, naming("USER2"))
    assert house.exchange.requests == []
    assert sorted(told(house, "optout sync")) == sorted(
        [
            ("idm", person(house, 1), "list reserved"),
            ("idm", person(house, 2), "list reserved"),
            ("idm", person(house, 1), "list reserved"),
        ]
    )


def test_a_list_that_cannot_be_read_changes_nothing(house: House) -> None:
    read(house, naming(1, 2))
    (change,) = read(house, unread())
    assert change.problem == "it is empty"
    assert shown(house) == {3, 4, 5, 6}
    with house.database.read() as connection:
        (known,) = optouts.lists(connection)
    assert (known.out, known.problem) == (2, "it is empty")
    since = known.problem_since
    assert known.read_at is not None
    assert since is not None
    read(house, unread())
    with house.database.read() as connection:
        assert optouts.lists(connection)[0].problem_since == since
    read(house, naming(1, 2))
    with house.database.read() as connection:
        (known,) = optouts.lists(connection)
    assert (known.problem, known.problem_since) == (None, None)


def test_a_list_of_which_nobody_is_known_any_more_changes_nothing(house: House) -> None:
    """The IdM wrote another column: nobody is let go by that."""
    read(house, naming(1, 2))
    (change,) = read(house, naming("a-1", "a-2"))
    assert change.problem is not None
    assert "right column" in change.problem
    assert shown(house) == {3, 4, 5, 6}


def test_who_is_on_two_lists_is_out_until_both_let_go(house: House) -> None:
    read(house, naming(1, 2), naming(1, name="closed"))
    read(house, naming(2))
    assert shown(house) == {3, 4, 5, 6}
    with house.database.read() as connection:
        assert optouts.source_of(connection, person(house, 1)) == "list closed"
        assert optouts.source_of(connection, person(house, 2)) == "list reserved"
    read(house, naming(3, name="closed"))
    assert shown(house) == {1, 4, 5, 6}


def test_a_persons_own_command_counts_before_a_list(house: House) -> None:
    opt(house, 1, out=True)
    read(house, naming(1, 2))
    opt(house, 2, out=False)
    assert shown(house) == {2, 3, 4, 5, 6}
    read(house, naming(1, 2))
    read(house, naming(2))  # lets go of the first, who opted out themselves
    assert shown(house) == {2, 3, 4, 5, 6}
    with house.database.read() as connection:
        rows = disclosure.preferences(connection)
    assert [(row.number, row.told_by, row.state, row.source) for row in rows] == [
        ("1", "command", "out", "asked for it"),
        ("2", "list", "overruled", "list reserved"),
    ]
    read(house, naming(3))
    read(house, naming(3, 2))  # named anew: that is another wish
    assert shown(house) == {4, 5, 6}


def test_who_is_named_before_being_known_is_never_written_to(house: House) -> None:
    read(house, naming(1, "user7", 8))
    for number in (7, 8):
        house.enrol(number)
    house.settle()
    assert house.shown(7) == house.shown(8) == []
    assert house.exchange.own("user7@uio.example") == []
    with house.database.read() as connection:
        (known,) = optouts.lists(connection)
    assert (known.out, known.unknown) == (3, 0)


def test_a_resync_matches_whom_an_unread_list_named_before(house: House) -> None:
    read(house, naming(1, "user7"))
    house.students.facts[7] = replace(
        house.students.facts[1], account=Account(fs_number=7, username="user7", mail=())
    )
    result = house.resync(unread())
    assert [change.problem for change in result.lists] == ["it is empty"]
    house.settle()
    assert house.shown(7) == []
    with house.database.read() as connection:
        assert optouts.listed(connection, "reserved").keys() == {person(house, 1), person(house, 7)}


def test_a_resync_that_only_counts_leaves_lists_as_they_are(house: House) -> None:
    result = house.resync(naming(1), dry_run=True)
    assert [change.added for change in result.lists] == [1]
    house.settle()
    assert shown(house) == set(STUDENTS)
    with house.database.read() as connection:
        assert optouts.lists(connection) == []


def test_protected_persons_are_shown_in_no_list(house: House) -> None:
    read(house, naming(1, 2))
    with house.database.write() as connection:
        people.wish(connection, person(house, 1), {PROTECT}, "threat")
    with house.database.read() as connection:
        rows = disclosure.preferences(connection)
        acts_told = acts.acts(connection, acts.Filter(what="optout sync"))
    assert [row.number for row in rows] == ["2"]
    assert person(house, 1) not in {act.person for act in acts_told}


def test_who_is_erased_stays_left_alone_by_the_list(house: House) -> None:
    read(house, naming(1))
    with house.database.write() as connection:
        assert erasure.forget(connection, person(house, 1))
    house.resync(naming(1))
    house.settle()
    assert shown(house) == {2, 3, 4, 5, 6}
    with house.database.read() as connection:
        wishes = connection.execute(select(preference.c.wish).order_by(preference.c.wish))
        assert wishes.scalars().all() == ["forget", "listed"]


def test_a_list_that_is_given_up_lets_everybody_go(house: House) -> None:
    read(house, naming(1, 2), naming(1, name="closed"))
    with house.database.write() as connection:
        assert lists.drop(connection, "reserved", who="kari") == 1
    house.settle()
    assert shown(house) == {2, 3, 4, 5, 6}
    with house.database.read() as connection:
        assert [each.name for each in optouts.lists(connection)] == ["closed"]


# -- held ----------------------------------------------------------------------------------------------


def test_too_many_at_once_are_held_and_nothing_is_taken_back(strict: House) -> None:
    house = strict
    (change,) = read(house, naming(1, 2, 3))
    assert (change.added, change.held) == (0, 3)
    assert shown(house) == set(STUDENTS)
    assert "3 persons named newly within 1 h, more than the 2" in holding(house)["optout reserved"]
    with house.database.read() as connection:
        held = optouts.held_by(connection, "optout reserved")
        would_go = brakes.would_go(connection, "optout reserved", house.now)
    assert (held.people, held.calendars, held.entries, held.returning) == (3, 3, 6, 0)
    assert (would_go.held, would_go.people) == (6, 3)
    house.teach(event(1), event(2), event(3))  # who is held is served meanwhile
    house.settle()
    assert len(house.shown(1)) == 3
    with house.database.write() as connection:
        assert lists.release(connection, "reserved", "they left", who="kari") == 3
    house.settle()
    assert shown(house) == {4, 5, 6}
    assert holding(house) == {}
    assert ("kari", None, "they left") in told(house, "brake release")
    read(house, naming(1, 2, 3, 4))  # what was agreed to counts no more
    assert shown(house) == {5, 6}


def test_what_comes_in_drops_counts_together_over_all_lists(strict: House) -> None:
    house = strict
    read(house, naming(1))
    read(house, naming(1), naming(2, name="closed"))
    (_, change) = read(house, naming(1), naming(2, 3, name="closed"))
    assert change.held == 1
    assert shown(house) == {3, 4, 5, 6}
    assert holding(house).keys() == {"optout closed"}
    (change,) = read(house, naming(1, 2, 3, name="closed"))  # holds: also what is out already
    assert shown(house) == {3, 4, 5, 6}


def test_what_comes_in_drops_counts_over_a_day_as_well(strict: House) -> None:
    house = strict
    for number in (1, 2):
        read(house, naming(*range(1, number + 1)))
    hours_pass(house, 2)
    for number in (3, 4):
        read(house, naming(*range(1, number + 1)))
    assert shown(house) == {5, 6}
    hours_pass(house, 2)
    (change,) = read(house, naming(1, 2, 3, 4, 5))
    assert change.held == 1
    assert "5 persons named newly within 24 h, more than the 4" in holding(house)["optout reserved"]
    assert shown(house) == {5, 6}


def hours_pass(house: House, hours: int) -> None:
    """Let the acts that are counted grow older."""
    with house.database.write() as connection:
        rows = connection.execute(select(operator_act.c.act_id, operator_act.c.at)).all()
        for row in rows:
            earlier = row.at - timedelta(hours=hours)
            is_row = operator_act.c.act_id == row.act_id
            connection.execute(update(operator_act).where(is_row).values(at=earlier))


def test_a_hold_ends_by_itself_when_the_list_takes_it_back(strict: House) -> None:
    house = strict
    read(house, naming(1, 2, 3))
    (change,) = read(house, naming(1))
    assert change.held == 1
    assert shown(house) == set(STUDENTS)
    read(house, naming(6))
    assert holding(house) == {}
    assert shown(house) == {1, 2, 3, 4, 5}


def test_too_many_who_are_let_go_stay_left_alone_until_somebody_agrees(strict: House) -> None:
    house = strict
    read(house, naming(1, 2))
    read(house, naming(1, 2, 3, 4))
    with house.database.write() as connection:
        lists.release(connection, "reserved", "right", who="kari")
    house.settle()
    assert shown(house) == {5, 6}
    (change,) = read(house, naming(1))  # the file was cut off
    assert (change.removed, change.held) == (0, 3)
    assert shown(house) == {5, 6}
    assert "3 persons let go within 1 h" in holding(house)["optout reserved"]
    read(house, naming(1, 2, 3, 4))
    assert holding(house) == {}
    read(house, naming(1))
    with house.database.write() as connection:
        assert optouts.held_by(connection, "optout reserved").returning == 3
        lists.release(connection, "reserved", "they are back", who="kari")
    house.settle()
    assert shown(house) == {2, 3, 4, 5, 6}


def test_to_whom_nothing_was_ever_written_may_be_as_many_as_they_are(
    open_database: Callable[[], Database],
) -> None:
    """A list that stands before the first fill: nothing is taken back by it."""
    house = House(open_database(), safety=Safety(min_optouts=2), rollout_mode="off")
    house.teach(event(1))
    for number in STUDENTS:
        house.enrol(number)
    house.settle()
    (change,) = read(house, naming(1, 2, 3, 4))
    assert (change.added, change.held) == (4, 0)
    house.rollout_mode = "all"
    house.resync(naming(1, 2, 3, 4), share=1.0)
    house.settle()
    assert shown(house) == {5, 6}


def test_while_deletes_are_held_by_hand_lists_take_nothing_back(strict: House) -> None:
    house = strict
    with house.database.write() as connection:
        brakes.put(connection, brakes.HAND, "holding", "something looks wrong")
    (change,) = read(house, naming(1))
    assert change.held == 1
    assert shown(house) == set(STUDENTS)
    assert "by hand" in holding(house)["optout reserved"]


# -- languages -----------------------------------------------------------------------------------------


def in_english(*names: object) -> ListReading:
    languages = dict.fromkeys(map(str, names), "en")
    return ListReading(
        name="languages", kind="languages", names=tuple(languages), languages=languages
    )


def test_a_file_tells_languages_and_takes_them_back(house: House) -> None:
    (change,) = read(house, in_english(1, "nobody"))
    assert (change.added, change.unknown) == (1, 1)
    assert {item.content.subject for item in house.shown(1)} == {"IN1000 Lecture"}
    house.forget_requests()
    read(house, in_english(1))
    assert house.exchange.requests == []
    house.safety = Safety(max_updated_share=0.5)
    read(house, in_english(2))
    assert {item.content.subject for item in house.shown(1)} == {"IN1000 Forelesning"}
    assert {item.content.subject for item in house.shown(2)} == {"IN1000 Lecture"}
    (change,) = read(house, in_english("a-1"))
    assert change.problem is not None


def test_more_than_may_be_rewritten_waits_for_a_resyncs_yes(house: House) -> None:
    (change,) = read(house, in_english(*STUDENTS))
    assert change.added == 6
    assert {item.content.subject for item in house.shown(1)} == {"IN1000 Forelesning"}
    assert house.resync(in_english(*STUDENTS)).decided.not_marked == 6
    house.resync(in_english(*STUDENTS), share=1.0)
    house.settle()
    assert {item.content.subject for item in house.shown(6)} == {"IN1000 Lecture"}
