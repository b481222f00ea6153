"""What every backend of calendars promises; one suite for the fake, the adapters and a mailbox.

The adapters speak real SOAP to the sandbox's Exchange, and real JSON to its Graph. A real test
mailbox joins where KALENDER_TEST_EWS_URL, _USERNAME, _PASSWORD and _MAILBOX are given, and one in
Exchange Online where KALENDER_TEST_GRAPH_TENANT, _CLIENT_ID, _CLIENT_SECRET and _MAILBOX are.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from pydantic import SecretStr

from kalender.calendars.ews.writer import EwsCalendars
from kalender.calendars.graph.writer import GraphCalendars
from kalender.config.backends import EwsSettings, GraphSettings
from kalender.domain import block
from kalender.domain.model import Content
from kalender.domain.takeover import CategoryMark, LineMark, PropertyMark
from kalender.errors import MailboxMissing, NotSent
from kalender.ports import (
    Additions,
    Calendars,
    EntryChange,
    EntryState,
    ItemError,
    ItemOutcome,
    ItemRef,
    MarkChange,
    NewEntry,
)
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.fakes.calendars import FakeCalendars
from tests.graph import application_settings, graph_settings
from tests.served import start

MAILBOX = "st000001@uni.example"
MORNING = datetime(2025, 9, 1, 8, 15, tzinfo=UTC)
REAL, REAL_CLOUD = "KALENDER_TEST_EWS_URL", "KALENDER_TEST_GRAPH_TENANT"
REAL_ONES = {"real": REAL, "real cloud": REAL_CLOUD}
GIVEN = [name for name, variable in REAL_ONES.items() if variable in os.environ]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people."""
    directory = tmp_path_factory.mktemp("sandbox") / "university"
    generate(directory, students=20)
    with start(directory) as running:
        yield running


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people whose mailboxes are on its Graph."""
    directory = tmp_path_factory.mktemp("cloud") / "university"
    generate(directory, students=20)
    with start(directory, graph="all") as running:
        yield running


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox with Graph, where that mailbox is still on EWS."""
    directory = tmp_path_factory.mktemp("bridge") / "university"
    generate(directory, students=20)
    with start(directory, graph="half") as running:
        url = f"{running.endpoints.control}/graph/mailbox?address={MAILBOX}"
        requests.put(url, json={"place": "ews"}, timeout=5).raise_for_status()
        yield running


@dataclass
class Box:
    """A backend and a mailbox in it."""

    calendars: Calendars
    mailbox: str

    def create(self, *contents: Content) -> tuple[list[str], list[ItemRef]]:
        """Create entries; return their keys and references."""
        entries = [NewEntry(sync_key=f"e#{uuid4().hex[:8]}", content=each) for each in contents]
        results = self.calendars.create(self.mailbox, entries, send_by=soon())
        return [entry.sync_key for entry in entries], refs(results)

    def state(self, ref: ItemRef) -> EntryState:
        """Read one entry."""
        (state,) = self.calendars.get(self.mailbox, [ref.item_id], fields=True)
        assert isinstance(state, EntryState)
        return state

    def update(self, *changes: EntryChange) -> Sequence[ItemRef | ItemError]:
        """Change entries."""
        return self.calendars.update(self.mailbox, changes, send_by=soon())

    def delete(self, *items: ItemRef) -> Sequence[ItemRef | ItemError]:
        """Delete entries."""
        return self.calendars.delete(self.mailbox, items, hard=False, send_by=soon())


def soon() -> float:
    """By when a request must have left."""
    return time.monotonic() + 5


def refs(results: Sequence[ItemRef | ItemError]) -> list[ItemRef]:
    """All went well."""
    assert all(isinstance(result, ItemRef) for result in results), results
    return [result for result in results if isinstance(result, ItemRef)]


def content(number: int = 0, **changes: object) -> Content:
    """An entry's content."""
    made = Content(
        subject=f"IN1000 Forelesning {number} <æøå> & co",
        body=block.wrap("Rom: Java<br>Linje &amp; to"),
        location="Java (Ole-Johan Dahls hus)",
        starts_at=MORNING + timedelta(days=number),
        ends_at=MORNING + timedelta(days=number, hours=2),
        show_as="busy",
        categories=("Undervisning",),
    )
    return replace(made, **changes)  # type: ignore[arg-type]


@pytest.fixture(params=["fake", "ews", "ews as an application", "graph", *GIVEN])
def box(request: pytest.FixtureRequest) -> Box:
    """Each backend in turn."""
    if request.param == "fake":
        return Box(FakeCalendars(missing={"nobody@uni.example"}), MAILBOX)
    if request.param == "real":
        return Box(_real(), os.environ["KALENDER_TEST_EWS_MAILBOX"])
    if request.param == "real cloud":
        return Box(_real_cloud(), os.environ["KALENDER_TEST_GRAPH_MAILBOX"])
    if request.param == "graph":
        cloud: Running = request.getfixturevalue("cloud")
        return Box(GraphCalendars("cloud", graph_settings(cloud.endpoints)), MAILBOX)
    if request.param == "ews as an application":
        bridge: Running = request.getfixturevalue("bridge")
        return Box(EwsCalendars("main", application_settings(bridge.endpoints)), MAILBOX)
    running: Running = request.getfixturevalue("sandbox")
    return Box(ews(running.endpoints.exchange), MAILBOX)


def ews(endpoint: str) -> EwsCalendars:
    """The adapter on a sandbox."""
    return EwsCalendars("main", ews_settings(endpoint, timeout=5))


def ews_settings(endpoint: str, **options: object) -> EwsSettings:
    """The settings of a backend at an endpoint."""
    given = {"endpoint": endpoint, "username": "kalender", "password": "kalender", **options}
    return EwsSettings.model_validate(given)


def _real() -> EwsCalendars:
    settings = ews_settings(
        os.environ[REAL],
        username=os.environ["KALENDER_TEST_EWS_USERNAME"],
        password=os.environ["KALENDER_TEST_EWS_PASSWORD"],
        ca_file=Path(ca) if (ca := os.environ.get("KALENDER_TEST_EWS_CA")) else None,
    )
    return EwsCalendars("real", settings)


def _real_cloud() -> GraphCalendars:
    settings = GraphSettings(
        tenant=os.environ[REAL_CLOUD],
        client_id=os.environ["KALENDER_TEST_GRAPH_CLIENT_ID"],
        client_secret=SecretStr(os.environ["KALENDER_TEST_GRAPH_CLIENT_SECRET"]),
    )
    return GraphCalendars("real", settings)


def test_what_was_created_reads_as_it_was_written(box: Box) -> None:
    said = content(1)
    (key,), (ref,) = box.create(said)
    state = box.state(ref)
    assert (state.sync_key, state.subject, state.location) == (key, said.subject, said.location)
    assert (state.starts_at, state.ends_at, state.show_as) == (
        said.starts_at,
        said.ends_at,
        "busy",
    )
    assert state.meeting is False
    assert block.same(state.body or "", said.body)


def test_what_a_user_may_have_added_is_told_where_it_is_asked_for(box: Box) -> None:
    said = content(1, categories=("Undervisning", "Viktig"), reminder_minutes=30)
    _, (plain, ours) = box.create(content(2), said)
    ids = [plain.item_id, ours.item_id]
    states = box.calendars.get(box.mailbox, ids, fields=True, additions=True)
    assert [state.additions for state in states if isinstance(state, EntryState)] == [
        Additions(False, content(2).categories, None, "Normal", "Normal"),
        Additions(False, ("Undervisning", "Viktig"), 30, "Normal", "Normal"),
    ]
    assert box.state(plain).additions is None


def test_answers_stand_in_the_order_of_what_was_asked(box: Box) -> None:
    _, made = box.create(*(content(n) for n in range(5)))
    states = box.calendars.get(box.mailbox, [ref.item_id for ref in reversed(made)], fields=True)
    numbers = [s.starts_at for s in states if isinstance(s, EntryState)]
    assert numbers == [content(n).starts_at for n in reversed(range(5))]


def test_keys_find_their_entries_and_nothing_else(box: Box) -> None:
    keys, made = box.create(content(1), content(2), content(3))
    found = box.calendars.find(box.mailbox, keys[:2])
    assert {item.sync_key: item.ref.item_id for item in found} == {
        keys[0]: made[0].item_id,
        keys[1]: made[1].item_id,
    }
    assert box.calendars.find(box.mailbox, ["never#made"]) == []
    assert set(keys) <= {item.sync_key for item in box.calendars.find(box.mailbox, None)}


@pytest.mark.parametrize("all_keys", [False, True])
def test_a_search_tells_contents_as_reading_by_id_does_or_not_at_all(
    box: Box, *, all_keys: bool
) -> None:
    keys, made = box.create(content(1), content(2))
    asked = None if all_keys else keys
    hits = box.calendars.find(box.mailbox, asked, contents=True)
    states = {h.ref.item_id: h.state for h in hits if h.sync_key in keys}
    assert states.keys() == {ref.item_id for ref in made}
    read = {ref.item_id: box.state(ref) for ref in made}
    assert states in (read, dict.fromkeys(read))
    assert {hit.state for hit in box.calendars.find(box.mailbox, asked)} == {None}


def test_an_update_changes_what_it_names_alone(box: Box) -> None:
    said = content(1)
    _, (ref,) = box.create(said)
    moved = EntryChange(
        item_id=ref.item_id,
        starts_at=said.starts_at + timedelta(hours=3),
        ends_at=said.ends_at + timedelta(hours=3),
    )
    (after,) = refs(box.update(moved))
    state = box.state(ref)
    assert after.change_key == state.ref.change_key != ref.change_key
    assert state.starts_at == said.starts_at + timedelta(hours=3)
    assert (state.subject, state.location, state.show_as) == (said.subject, said.location, "busy")
    assert block.same(state.body or "", said.body)


def test_every_field_can_be_written(box: Box) -> None:
    _, (ref,) = box.create(content(1))
    body = block.wrap("ny tekst")
    change = EntryChange(
        item_id=ref.item_id,
        change_key=ref.change_key,
        subject="AVLYST: x",
        body=body,
        location="",
        show_as="free",
    )
    refs(box.update(change))
    state = box.state(ref)
    assert (state.subject, state.location or "", state.show_as) == ("AVLYST: x", "", "free")
    assert block.same(state.body or "", body)


def test_a_stale_change_key_is_a_conflict_and_none_overwrites(box: Box) -> None:
    _, (ref,) = box.create(content(1))
    refs(box.update(EntryChange(item_id=ref.item_id, subject="first")))
    stale = EntryChange(item_id=ref.item_id, change_key=ref.change_key, subject="second")
    (refused,) = box.update(stale)
    assert isinstance(refused, ItemError)
    assert refused.outcome is ItemOutcome.CONFLICT
    refs(box.update(EntryChange(item_id=ref.item_id, subject="third")))
    assert box.state(ref).subject == "third"


def test_what_is_deleted_is_gone_and_a_second_time_too(box: Box) -> None:
    keys, (ref, other) = box.create(content(1), content(2))
    refs(box.delete(ref))
    assert [item.sync_key for item in box.calendars.find(box.mailbox, keys)] == [keys[1]]
    (again, fine) = box.delete(ref, other)
    assert isinstance(again, ItemError)
    assert again.outcome is ItemOutcome.GONE
    assert isinstance(fine, ItemRef)


def test_one_bad_item_does_not_hold_the_others(box: Box) -> None:
    _, (ref,) = box.create(content(1))
    gone, found = box.calendars.get(box.mailbox, ["AAMkAG==", ref.item_id], fields=False)
    assert isinstance(gone, ItemError)
    assert gone.outcome is ItemOutcome.GONE
    assert isinstance(found, EntryState)
    assert found.ref == ref


def test_a_released_entry_stays_but_is_ours_no_more(box: Box) -> None:
    (key,), (ref,) = box.create(content(1))
    refs(box.update(EntryChange(item_id=ref.item_id, change_key=ref.change_key, release=True)))
    assert box.calendars.find(box.mailbox, [key]) == []
    assert box.state(ref).sync_key is None


SET = "0a1b2c3d-1111-4222-8333-444455556666"


def marked(box: Box, *values: str) -> tuple[PropertyMark, list[ItemRef]]:
    """A predecessor's mark that no other test has, and items of ours that were given it."""
    mark = PropertyMark(property_set=SET, name=f"Mark{uuid4().hex[:6]}", value="tp-", prefix=True)
    _, made = box.create(*(content(n) for n in range(len(values))))
    changes = [
        EntryChange(item_id=ref.item_id, mark=MarkChange(mark=mark, value=value))
        for ref, value in zip(made, values, strict=True)
    ]
    return mark, refs(box.update(*changes))


def test_a_predecessors_property_finds_what_carries_it_and_nothing_else(box: Box) -> None:
    mark, made = marked(box, "tp-1", "tp-2", "other")
    found = {item.item_id: item for item in box.calendars.find_marked(box.mailbox, mark)}
    assert {number: item.value for number, item in found.items()} == {
        made[0].item_id: "tp-1",
        made[1].item_id: "tp-2",
    }
    item, said = found[made[1].item_id], content(1)
    assert (item.subject, item.location) == (said.subject, said.location)
    assert (item.starts_at, item.ends_at, item.series) == (said.starts_at, said.ends_at, False)
    assert item.item_id == made[1].item_id
    whole = replace(mark, value="TP-2", prefix=False)
    found_whole = box.calendars.find_marked(box.mailbox, whole)
    assert [each.item_id for each in found_whole] == [made[1].item_id]


def test_an_item_changes_hands_there_and_back(box: Box) -> None:
    """Our key goes on and the mark goes off in one change; afterwards the other way."""
    mark, (ref,) = marked(box, "tp-1")
    refs(box.update(EntryChange(item_id=ref.item_id, release=True)))
    ours = EntryChange(
        item_id=ref.item_id,
        sync_key=f"taken#{uuid4().hex[:8]}",
        mark=MarkChange(mark=mark, value=None),
    )
    (taken,) = refs(box.update(ours))
    assert box.calendars.find_marked(box.mailbox, mark) == []
    (found,) = box.calendars.find(box.mailbox, [str(ours.sync_key)])
    assert found.ref == taken
    back = EntryChange(
        item_id=ref.item_id,
        change_key=taken.change_key,
        release=True,
        mark=MarkChange(mark=mark, value="tp-1"),
    )
    refs(box.update(back))
    (again,) = box.calendars.find_marked(box.mailbox, mark)
    assert (again.value, again.sync_key, again.item_id) == ("tp-1", None, ref.item_id)
    assert box.calendars.find(box.mailbox, [str(ours.sync_key)]) == []


def test_a_category_finds_what_has_it_among_others_and_is_replaced(box: Box) -> None:
    word = f"TimePlan {uuid4().hex[:6]}"
    _, (ref, _) = box.create(content(1, categories=("Viktig", word)), content(2))
    mark = CategoryMark(category=word)
    (found,) = box.calendars.find_marked(box.mailbox, mark)
    assert (found.item_id, found.value) == (ref.item_id, "")
    refs(box.update(EntryChange(item_id=ref.item_id, categories=("Viktig",))))
    assert box.calendars.find_marked(box.mailbox, mark) == []
    (state,) = box.calendars.get(box.mailbox, [ref.item_id], fields=True, additions=True)
    assert isinstance(state, EntryState)
    assert state.additions is not None
    assert state.additions.categories == ("Viktig",)
    refs(box.update(EntryChange(item_id=ref.item_id, categories=())))
    (state,) = box.calendars.get(box.mailbox, [ref.item_id], fields=True, additions=True)
    assert isinstance(state, EntryState)
    assert state.additions is not None
    assert state.additions.categories == ()


def test_a_line_of_the_body_is_searched_where_the_backend_can(box: Box) -> None:
    mark = LineMark(line=f"Importert fra TimePlan {uuid4().hex[:6]}")
    _, (ref, _) = box.create(content(1, body=f"<p>{mark.line}</p>"), content(2))
    if isinstance(box.calendars, GraphCalendars):
        with pytest.raises(ValueError, match="bodies"):
            box.calendars.find_marked(box.mailbox, mark)
    else:
        (found,) = box.calendars.find_marked(box.mailbox, mark)
        assert found.item_id == ref.item_id


def test_a_request_past_its_time_is_not_sent(box: Box) -> None:
    entry = NewEntry(sync_key="late#1", content=content(1))
    with pytest.raises(NotSent):
        box.calendars.create(box.mailbox, [entry], send_by=time.monotonic() - 1)
    assert box.calendars.find(box.mailbox, ["late#1"]) == []


def test_an_unknown_mailbox_is_missing(box: Box) -> None:
    with pytest.raises(MailboxMissing):
        box.calendars.find("nobody@uni.example", None)


@pytest.mark.parametrize("variable", REAL_ONES.values())
def test_a_real_mailbox_was_asked_too(variable: str) -> None:
    if variable not in os.environ:
        pytest.skip(f"{variable} is not given: nothing was run on a real server")
