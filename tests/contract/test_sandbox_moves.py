"""Mailboxes that move between the sandbox's Exchange and its Graph: each phase, and what arrives."""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
import requests
from exchangelib.errors import ErrorMailboxMoveInProgress, ErrorNonExistentMailbox

from kalender.calendars.ews.writer import EwsCalendars
from kalender.calendars.graph.writer import GraphCalendars
from kalender.domain import block
from kalender.errors import KalenderError, MailboxMissing, TransientError
from kalender.ports import EntryState, FoundItem, ItemError, NewEntry
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Endpoints, Running
from tests.contract.test_calendars import content, ews, refs, soon
from tests.graph import graph_settings
from tests.served import start

Json = dict[str, Any]
NUMBERS = count(1)
OTHER = {"ews": "graph", "graph": "ews"}
AUTUMN = datetime(2025, 10, 26, 0, 30, tzinfo=UTC)  # whose wall time comes twice
pause = threading.Event().wait
CONTENTS = [
    content(1, reminder_minutes=30),
    content(2, show_as="free", subject="AVLYST: IN1000 Forelesning"),
    content(3, starts_at=AUTUMN, ends_at=AUTUMN + timedelta(hours=1)),
    content(4, categories=("Undervisning", "Viktig")),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people, half of whom have their mailbox on its Graph."""
    directory = tmp_path_factory.mktemp("moves") / "university"
    generate(directory, students=20)
    with start(directory, graph="half") as sandbox:
        yield sandbox


@cache
def adapters(ends: Endpoints) -> dict[str, EwsCalendars | GraphCalendars]:
    """Return an adapter for each side."""
    return {
        "ews": ews(ends.exchange),
        "graph": GraphCalendars("cloud", graph_settings(ends)),
    }


class Owner:
    """One person, whose mailbox moves."""

    def __init__(self, running: Running, place: str) -> None:
        self.running, self.place = running, place
        self.address = f"moves{next(NUMBERS)}@uni.example"
        self.sides = adapters(running.endpoints)
        self.control("POST", "/exchange/mailboxes", {"addresses": [self.address]})
        self.control("PUT", f"/graph/mailbox?address={self.address}", {"place": place})

    def control(self, way: str, path: str, told: object = None) -> Any:
        """Ask the control API."""
        answer = requests.request(way, self.running.endpoints.control + path, json=told, timeout=5)
        assert answer.ok, answer.text
        return answer.json()

    def move(self, to: str | None = None, **told: object) -> str:
        """Let the mailbox move, or go on moving; return where it lives."""
        given = {"to": to or OTHER[self.place], "mailboxes": [self.address], **told}
        place = self.control("POST", "/graph/moves", given)[self.address]
        assert self.control("GET", "/graph/mailboxes")[self.address] == place
        return str(place)

    def create(self, place: str, number: int = 1, *, first: int = 0) -> list[str]:
        """Create entries of ours on a side; return their keys."""
        contents = CONTENTS[first : first + number]
        entries = [NewEntry(sync_key=f"e#{uuid4().hex[:8]}", content=each) for each in contents]
        refs(self.sides[place].create(self.address, entries, send_by=soon()))
        return [entry.sync_key for entry in entries]

    def found(self, place: str, keys: Sequence[str] | None = None) -> dict[str, FoundItem]:
        """Return our entries as a side has them, by key."""
        return {item.sync_key: item for item in self.sides[place].find(self.address, keys)}

    def states(self, place: str, keys: Sequence[str]) -> list[EntryState]:
        """Return what our entries say, in the order of the keys."""
        found = self.found(place, keys)
        ids = [found[key].ref.item_id for key in keys]
        states = self.sides[place].get(self.address, ids, fields=True, additions=True)
        return [state for state in states if isinstance(state, EntryState)]

    def items(self, place: str = "") -> dict[str, Json]:
        """Return what stands in the mailbox, or on a side, by subject."""
        more = f"&place={place}" if place else ""
        items = self.control("GET", f"/exchange/items?mailbox={self.address}{more}")
        return {item["subject"]: item for item in items}

    def annotate(self, key: str) -> None:
        """Add a note to an entry, as its user does."""
        told = {"mailbox": self.address, "sync_key": key, "do": "annotate", "text": "ta med"}
        self.control("POST", "/exchange/meddle", told)


@pytest.fixture(params=["ews", "graph"])
def owner(request: pytest.FixtureRequest, running: Running) -> Iterator[Owner]:
    """Somebody on each of the two sides; whoever is on the way afterwards arrives."""
    made = Owner(running, request.param)
    yield made
    made.control("POST", "/graph/moves", {})


def answer_of(owner: Owner, place: str) -> object:
    """Return how many entries of ours a side shows, or the class of its refusal."""
    try:
        return len(owner.found(place))
    except KalenderError as error:
        return type(error)


REFUSALS = {("ews", "moving"): TransientError, ("graph", "moving"): MailboxMissing}
# How the sides answer who had two entries, after a call with these words, and who is ahead.
PHASES = [
    ({"old": "moving", "new": "absent"}, ("moving", "absent"), "old"),
    ({"old": "full", "new": "absent"}, (2, "absent"), "old"),
    ({"old": "full", "new": "full"}, (2, 2), "new"),
    ({"old": "full", "new": "empty"}, (2, 0), "old"),
    ({"old": "empty", "new": "absent"}, (0, "absent"), "old"),
    ({"old": "empty", "new": "empty"}, (0, 0), "new"),
    ({"old": "empty", "new": "full"}, (0, 2), "new"),
    ({"old": "absent", "new": "empty"}, ("absent", 0), "new"),
    ({"old": "absent", "new": "moving"}, ("absent", "moving"), "old"),
    ({}, ("absent", 2), "new"),
]


@pytest.mark.parametrize(("words", "answers", "lives"), PHASES)
def test_each_phase_has_its_answers_and_all_arrives_after_it(
    owner: Owner, words: Json, answers: tuple[object, object], lives: str
) -> None:
    old, new = owner.place, OTHER[owner.place]
    keys = owner.create(old, 2)
    expected = [
        REFUSALS.get((place, answer), MailboxMissing) if isinstance(answer, str) else answer
        for place, answer in zip((old, new), answers, strict=True)
    ]
    assert owner.move(**words) == {"old": old, "new": new}[lives]
    assert [answer_of(owner, place) for place in (old, new)] == expected
    owner.control("POST", "/graph/moves", {})
    assert owner.control("GET", "/graph/mailboxes")[owner.address] == new
    assert [answer_of(owner, place) for place in (old, new)] == [MailboxMissing, 2]
    assert owner.found(new).keys() == set(keys)
    assert owner.items(old) == {}


def test_each_side_refuses_by_its_own_code(running: Running) -> None:
    owner = Owner(running, "ews")
    for words, code in (
        ({"old": "moving", "new": "absent"}, ErrorMailboxMoveInProgress),
        ({"old": "absent", "new": "moving"}, ErrorNonExistentMailbox),
    ):
        owner.move(**words)
        for place, expected in (("ews", code.__name__), ("graph", "MailboxNotEnabledForRESTAPI")):
            with pytest.raises(KalenderError, match=expected):
                owner.found(place)
    owner.move()


def test_what_arrives_says_the_same_under_other_ids(owner: Owner) -> None:
    old, new = owner.place, OTHER[owner.place]
    keys = owner.create(old, len(CONTENTS))
    owner.annotate(keys[0])
    attached = {"mailbox": owner.address, "sync_key": keys[1], "do": "attach", "name": "f.pdf"}
    owner.control("POST", "/exchange/meddle", attached)
    told = {"mailbox": owner.address, "subject": "Hjemme", "all_day": True}
    owner.control("POST", "/exchange/items", {**told, "start": "2025-09-01T22:00:00Z"})
    before, items = owner.states(old, keys), owner.items()
    owner.move()
    after = owner.states(new, keys)
    for was, now, said in zip(before, after, CONTENTS, strict=True):
        assert {was.ref.item_id, was.ref.change_key}.isdisjoint(
            {now.ref.item_id, now.ref.change_key}
        )
        assert (now.starts_at, now.ends_at, now.subject) == (
            said.starts_at,
            said.ends_at,
            said.subject,
        )
        assert block.same(now.body or "", said.body)
        assert replace(now, ref=was.ref, body=was.body) == was
    assert "ta med" in (after[0].body or "")
    moved = owner.items()
    assert moved.keys() == items.keys()
    for subject, item in items.items():
        fresh = {name: moved[subject][name] for name in ("id", "change_key", "touched")}
        assert moved[subject] == {**item, **fresh}
        assert fresh["id"] != item["id"]
    assert owner.control("GET", "/exchange/private-touched") == {"count": 0}


def test_there_and_back_again_the_ids_of_before_name_nothing(owner: Owner) -> None:
    old, new = owner.place, OTHER[owner.place]
    keys = owner.create(old, 2)
    first = [state.ref.item_id for state in owner.states(old, keys)]
    before = owner.items()
    owner.move()
    keys += owner.create(new, first=2)
    between = [state.ref.item_id for state in owner.states(new, keys)]
    assert owner.move(to=old) == old
    assert owner.found(old).keys() == set(keys)
    last = [state.ref.item_id for state in owner.states(old, keys)]
    assert len({*first, *between, *last}) == 8
    for ids in (first, between):
        errors = owner.sides[old].get(owner.address, ids, fields=False)
        assert {type(error) for error in errors} == {ItemError}
    for subject, was in before.items():
        assert owner.items()[subject]["created"] == was["created"]
        assert owner.items()[subject]["body"] == was["body"]


@pytest.mark.parametrize("properties", [True, False])
@pytest.mark.parametrize("created", ["kept", "new"])
def test_the_property_and_the_time_of_creation_are_kept_or_not(
    owner: Owner, properties: bool, created: str
) -> None:
    new = OTHER[owner.place]
    (key,) = owner.create(owner.place)
    (was,) = owner.found(owner.place).values()
    pause(1.1)  # Exchange shows whole seconds
    owner.move(properties=properties, created=created)
    item = owner.items()[CONTENTS[0].subject]
    made = was.created_at.replace(microsecond=0)
    assert (datetime.fromisoformat(item["created"]) == made) is (created == "kept")
    assert datetime.fromisoformat(item["created"]) >= made
    assert (item["sync_key"] == key) is properties
    found = owner.found(new, [key])
    assert found.keys() == ({key} if properties else set())
    kept = [item.created_at.replace(microsecond=0) == made for item in found.values()]
    assert kept == ([created == "kept"] if properties else [])


def test_what_was_written_meanwhile_stays_on_the_new_side_and_is_lost_on_the_old(
    owner: Owner,
) -> None:
    old, new = owner.place, OTHER[owner.place]
    (first,) = owner.create(old)
    owner.move(old="full", new="empty")
    (early,) = owner.create(new)
    (written,) = owner.create(old)
    owner.move(old="full", new="full")
    assert owner.found(new).keys() == {first, early, written}
    (late,) = owner.create(old)
    assert late in owner.found(old)
    owner.move()
    assert owner.found(new).keys() == {first, early, written}


def test_an_id_of_one_side_names_nothing_on_the_other_while_both_answer(owner: Owner) -> None:
    old, new = owner.place, OTHER[owner.place]
    keys = owner.create(old)
    owner.move(old="full", new="full")
    for here, there in ((old, new), (new, old)):
        (state,) = owner.states(here, keys)
        (error,) = owner.sides[there].get(owner.address, [state.ref.item_id], fields=False)
        assert isinstance(error, ItemError)


def test_a_share_is_the_same_each_time_and_all_on_their_way_go_on(running: Running) -> None:
    owner = Owner(running, "ews")
    places = owner.control("GET", "/graph/mailboxes")
    phase = {"to": "graph", "share": 0.5, "old": "moving", "new": "absent"}
    moving = owner.control("POST", "/graph/moves", phase)
    assert set(moving.values()) == {"ews"}
    on_ews = {address for address, place in places.items() if place == "ews"}
    assert 0 < len(moving) < len(on_ews)
    assert owner.control("POST", "/graph/moves", {**phase, "new": "full"}).keys() == moving.keys()
    assert owner.control("POST", "/graph/moves", {}) == dict.fromkeys(moving, "graph")
    assert owner.control("POST", "/graph/moves", {}) == {}
    assert owner.control("GET", "/graph/mailboxes") == {**places, **moving} | dict.fromkeys(
        moving, "graph"
    )


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"to": "graph"}, 400),
        ({"to": "elsewhere", "share": 1}, 400),
        ({"to": "ews", "mailboxes": ["MINE"]}, 400),
        ({"to": "graph", "mailboxes": ["MINE"], "share": 1}, 400),
        ({"to": "graph", "mailboxes": ["nobody@uni.example"]}, 404),
        ({"to": "graph", "mailboxes": ["MINE", "nobody@uni.example"]}, 404),
        ({"to": "graph", "mailboxes": ["MINE"], "old": "half"}, 400),
        ({"to": "graph", "mailboxes": ["MINE"], "created": "later"}, 400),
        ({"to": "graph", "mailboxes": ["MINE"], "speed": 3}, 400),
    ],
)
def test_what_is_no_move_moves_nobody(running: Running, told: Json, status: int) -> None:
    owner = Owner(running, "ews")
    named = [address.replace("MINE", owner.address) for address in told.get("mailboxes", ())]
    told = {**told, "mailboxes": named} if "mailboxes" in told else told
    url = f"{running.endpoints.control}/graph/moves"
    assert requests.post(url, json=told, timeout=5).status_code == status
    assert owner.control("GET", "/graph/mailboxes")[owner.address] == "ews"
    assert owner.control("POST", "/graph/moves", {}) == {}
