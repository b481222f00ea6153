"""The adapter for Microsoft Graph on the sandbox's: round trips, silence, and every way it fails."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests

from kalender.calendars.ews.writer import EwsCalendars
from kalender.calendars.graph.writer import GraphCalendars
from kalender.errors import (
    KalenderError,
    MailboxDenied,
    MailboxMissing,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    NotSent,
    OutcomeUnknown,
    TransientError,
)
from kalender.ports import EntryChange, EntryState, ItemError, ItemOutcome, ItemRef, NewEntry
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.contract.test_calendars import content, refs, soon
from tests.graph import application_settings, graph_settings, self_signed
from tests.served import start

NUMBERS = count(1)
DEFAULTS: dict[str, object] = {
    "token_seconds": 3599,
    "concurrency": 4,
    "concurrency_by": "mailbox",
    "restless_after": 0,
    "if_match": True,
    "permanent_delete": True,
    "guid": "lower",
    "empty_pages": False,
    "next_links": "own",
}
Json = dict[str, Any]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people whose mailboxes are on its Graph."""
    directory = tmp_path_factory.mktemp("cloud") / "university"
    generate(directory, students=20)
    with start(directory, graph="all") as sandbox:
        yield sandbox


@dataclass
class Cloud:
    """The sandbox's Graph, one adapter on it, and what the limiter saw."""

    running: Running
    seen: list[str] = field(default_factory=list)
    weights: list[tuple[int, int]] = field(default_factory=list)
    free_slots: int = 4
    mailbox: str = ""

    def __post_init__(self) -> None:
        self.calendars = self.adapter()
        self.mailbox = self.open()

    def open(self) -> str:
        """Return a mailbox that nobody has used."""
        address = f"new{next(NUMBERS)}@uni.example"
        self.control("POST", "/exchange/mailboxes", {"addresses": [address]})
        return address

    def adapter(self, **options: object) -> GraphCalendars:
        """Another adapter."""
        settings = graph_settings(self.running.endpoints, **{"timeout": 2, **options})
        return GraphCalendars("cloud", settings, limiter=self.limited)

    @contextmanager
    def limited(self, *, slots: int = 1, requests: int = 1) -> Iterator[int]:
        """Note how each request ends."""
        self.weights.append((slots, requests))
        try:
            yield min(slots, self.free_slots)
        except KalenderError as error:
            self.seen.append(type(error).__name__)
            raise
        self.seen.append("ok")

    def control(self, way: str, path: str, told: object = None) -> Any:
        """Ask the control API."""
        url = self.running.endpoints.control + path
        response = requests.request(way, url, json=told, timeout=5)
        response.raise_for_status()
        return response.json()

    def fault(self, kind: str, operation: str | None = "Batch", **more: object) -> None:
        """Set a fault of Graph."""
        told = {"neighbour": "graph", "kind": kind, "operation": operation, **more}
        self.control("POST", "/faults", {k: v for k, v in told.items() if v is not None})

    def asked(self) -> list[Json]:
        """Return the requests over HTTP so far."""
        rows: list[Json] = self.control("GET", "/requests")
        return [r for r in rows if r["neighbour"] == "graph" and r["path"][:8] != "/$batch/"]

    def parts(self) -> list[Json]:
        """Return the requests within batches so far."""
        return [r for r in self.control("GET", "/requests") if r["path"][:8] == "/$batch/"]

    def forget(self) -> None:
        """Let the journal begin anew."""
        self.control("DELETE", "/requests")
        self.seen.clear()
        self.weights.clear()

    def create(self, number: int = 1, mailbox: str | None = None) -> Sequence[ItemRef | ItemError]:
        """Create entries."""
        entries = [
            NewEntry(sync_key=f"{time.monotonic_ns()}#{n:02}+", content=content(n))
            for n in range(number)
        ]
        return self.calendars.create(mailbox or self.mailbox, entries, send_by=soon())

    def count(self) -> int:
        """Return how many entries of ours stand in the calendar."""
        return len(self.calendars.find(self.mailbox, None))

    def meddle(self, ref: ItemRef, do: str, **more: object) -> None:
        """Do what the mailbox' owner would."""
        told = {"mailbox": self.mailbox, "id": self.sandbox_id(ref), "do": do, **more}
        self.control("POST", "/exchange/meddle", told)

    def sandbox_id(self, ref: ItemRef) -> str:
        """Return the control API's id of an event."""
        (key,) = [f.sync_key for f in self.calendars.find(self.mailbox, None) if f.ref == ref]
        items = self.control("GET", f"/exchange/items?mailbox={self.mailbox}")
        return str(next(item["id"] for item in items if item.get("sync_key") == key))


@pytest.fixture
def cloud(running: Running) -> Iterator[Cloud]:
    """Graph as it is without faults, and the calendars empty of our entries."""
    made = Cloud(running)
    made.control("DELETE", "/faults")
    made.control("PUT", "/graph/settings", DEFAULTS)
    made.control("PUT", "/latency", {"graph": 0})
    made.count()  # so that there is a token
    made.forget()
    yield made
    made.control("DELETE", "/faults")
    made.control("PUT", "/auth", {"graph": "kalender"})


def verdicts(results: Sequence[ItemRef | ItemError]) -> list[str]:
    """Return what became of each item."""
    return ["done" if isinstance(r, ItemRef) else r.outcome.value for r in results]


# -- round trips -------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [1, 20])
def test_so_many_creates_are_one_post(cloud: Cloud, number: int) -> None:
    refs(cloud.create(number))
    assert [row["operation"] for row in cloud.asked()] == ["Batch"]
    assert len(cloud.parts()) == number


def test_updates_and_deletes_are_a_post_that_reads_and_one_that_writes(cloud: Cloud) -> None:
    made = refs(cloud.create(5))
    cloud.forget()
    changes = [EntryChange(item_id=ref.item_id, subject="x") for ref in made]
    updated = refs(cloud.calendars.update(cloud.mailbox, changes, send_by=soon()))
    refs(cloud.calendars.delete(cloud.mailbox, updated, hard=False, send_by=soon()))
    assert [row["items"] for row in cloud.asked()] == [5, 5, 5, 5]
    assert cloud.seen == ["ok"] * 4  # the limiter is asked for each


def test_reads_are_twenty_a_post_and_searches_one_request(cloud: Cloud) -> None:
    made = [ref for _ in range(3) for ref in refs(cloud.create(20))]
    cloud.forget()
    states = cloud.calendars.get(cloud.mailbox, [ref.item_id for ref in made[:41]], fields=True)
    assert [s.ref for s in states if isinstance(s, EntryState)] == made[:41]
    keys = [s.sync_key or "" for s in states if isinstance(s, EntryState)]
    assert [row["items"] for row in cloud.asked()] == [20, 20, 1]
    cloud.forget()
    assert {item.sync_key for item in cloud.calendars.find(cloud.mailbox, keys[:20])} == set(
        keys[:20]
    )
    assert {item.sync_key for item in cloud.calendars.find(cloud.mailbox, keys)} == set(keys)
    assert [row["operation"] for row in cloud.asked()] == ["Batch", cloud.asked()[1]["operation"]]
    assert all(row["restricted"] for row in (*cloud.parts(), cloud.asked()[1]))


def test_nothing_to_ask_is_no_request(cloud: Cloud) -> None:
    assert cloud.calendars.find(cloud.mailbox, []) == []
    assert cloud.calendars.get(cloud.mailbox, [], fields=True) == []
    assert cloud.calendars.create(cloud.mailbox, [], send_by=soon()) == []
    assert cloud.calendars.update(cloud.mailbox, [], send_by=soon()) == []
    assert cloud.calendars.delete(cloud.mailbox, [], hard=False, send_by=soon()) == []
    assert cloud.asked() == []


def test_many_pages_and_an_empty_one_are_followed(cloud: Cloud) -> None:
    for _ in range(13):
        refs(cloud.create(20))
    cloud.control("PUT", "/graph/settings", {"empty_pages": True})
    cloud.forget()
    assert cloud.count() == 260
    assert len(cloud.asked()) == 3


# -- one answer for each item ------------------------------------------------------------------------


def test_what_stands_behind_an_unanswered_create_was_not_carried_out(cloud: Cloud) -> None:
    cloud.fault("item-error", "CreateEvent", after=2)
    results = cloud.create(5)
    assert verdicts(results) == ["done", "done", "unknown", "later", "later"]
    assert cloud.count() == 2


def test_a_create_that_was_carried_out_and_refused_is_in_doubt(cloud: Cloud) -> None:
    told = {"status": 503, "code": "ConcurrentItemSave"}
    cloud.fault("process-then-status", "CreateEvent", **told, after=1)
    assert verdicts(cloud.create(3)) == ["done", "unknown", "later"]
    assert cloud.count() == 2


def test_a_create_that_conflicts_is_in_doubt(cloud: Cloud) -> None:
    cloud.fault("process-then-status", "CreateEvent", status=409, code="ConcurrentItemSave")
    assert verdicts(cloud.create(1)) == ["unknown"]


def test_an_answer_that_lacks_is_in_doubt(cloud: Cloud) -> None:
    cloud.fault("omit", "CreateEvent", after=1)
    results = cloud.create(3)
    assert verdicts(results) == ["done", "unknown", "done"]
    assert cloud.count() == 3


def test_a_refused_entry_does_not_hold_the_others(cloud: Cloud) -> None:
    told = {"status": 400, "code": "ErrorInvalidRequest"}
    cloud.fault("status", "CreateEvent", **told, after=1)
    assert verdicts(cloud.create(4)) == ["done", "refused", "done", "done"]
    assert len(cloud.asked()) == 2
    assert cloud.count() == 3


def test_a_throttled_item_comes_later_and_says_when(cloud: Cloud) -> None:
    told = {"status": 429, "code": "ApplicationThrottled", "retry_after": 7}
    cloud.fault("status", "CreateEvent", **told, after=1)
    results = cloud.create(3)
    assert verdicts(results) == ["done", "later", "later"]
    assert [r.retry_after for r in results[1:] if isinstance(r, ItemError)] == [
        timedelta(seconds=7)
    ] * 2
    assert [r.code for r in results[1:] if isinstance(r, ItemError)] == ["ApplicationThrottled"] * 2


def test_deletes_are_judged_one_by_one(cloud: Cloud) -> None:
    made = refs(cloud.create(4))
    cloud.calendars.delete(cloud.mailbox, made[:1], hard=False, send_by=soon())
    cloud.fault("status", "DeleteEvent", status=500, code="ErrorInternalServerError")
    results = cloud.calendars.delete(cloud.mailbox, made, hard=False, send_by=soon())
    assert sorted(verdicts(results[1:])) == ["done", "done", "unknown"]
    assert verdicts(results[:1]) == ["gone"]


def test_an_update_of_a_newer_item_is_a_conflict_even_where_graph_honours_no_condition(
    cloud: Cloud,
) -> None:
    cloud.control("PUT", "/graph/settings", {"if_match": False})
    (ref,) = refs(cloud.create())
    cloud.meddle(ref, "annotate", text="mine")
    change = EntryChange(item_id=ref.item_id, change_key=ref.change_key, subject="x")
    results = cloud.calendars.update(cloud.mailbox, [change], send_by=soon())
    assert verdicts(results) == ["conflict"]


def test_a_412_of_the_write_itself_is_a_conflict(cloud: Cloud) -> None:
    (ref,) = refs(cloud.create())
    cloud.fault("status", "UpdateEvent", status=412, code="ErrorIrresolvableConflict")
    change = EntryChange(item_id=ref.item_id, subject="x")
    assert verdicts(cloud.calendars.update(cloud.mailbox, [change], send_by=soon())) == ["conflict"]


# -- slots -------------------------------------------------------------------------------------------


def test_a_chain_takes_one_slot_and_what_runs_at_once_four(cloud: Cloud) -> None:
    calendars = cloud.adapter(concurrency_scope="app")
    assert calendars.batch == 4
    entries = [NewEntry(sync_key=f"{time.monotonic_ns()}#{n}", content=content(n)) for n in (1, 2)]
    made = refs(calendars.create(cloud.mailbox, entries, send_by=soon()))
    calendars.get(cloud.mailbox, [ref.item_id for ref in made * 3], fields=True)
    calendars.find(cloud.mailbox, [entry.sync_key for entry in entries])
    calendars.find(cloud.mailbox, None)
    assert cloud.weights == [(1, 2), (4, 4), (2, 2), (2, 2), (1, 1)]


def test_where_exchange_counts_by_mailbox_a_batch_is_one_slot_and_its_requests_count(
    cloud: Cloud,
) -> None:
    made = refs(cloud.create(5))
    refs(cloud.calendars.delete(cloud.mailbox, made, hard=False, send_by=soon()))
    assert cloud.weights == [(1, 5)] * 3


@pytest.fixture
def narrow(cloud: Cloud) -> GraphCalendars:
    """An adapter that has one slot of the application's, on a Graph that carries out one request."""
    cloud.free_slots = 1
    cloud.control("PUT", "/graph/settings", {"concurrency": 1, "concurrency_by": "app"})
    cloud.control("PUT", "/latency", {"graph": 0.02})
    return cloud.adapter(concurrency_scope="app")


def test_with_one_slot_all_is_done_and_nothing_refused(
    cloud: Cloud, narrow: GraphCalendars
) -> None:
    entries = [
        NewEntry(sync_key=f"{time.monotonic_ns()}#{n}", content=content(n)) for n in range(4)
    ]
    made = refs(narrow.create(cloud.mailbox, entries, send_by=soon()))
    refs(narrow.delete(cloud.mailbox, made[1:2], hard=False, send_by=soon()))
    cloud.forget()
    states = narrow.get(cloud.mailbox, [ref.item_id for ref in made], fields=True)
    assert ["gone" if isinstance(s, ItemError) else "there" for s in states] == [
        "there",
        "gone",
        "there",
        "there",
    ]
    assert [row["items"] for row in cloud.asked()] == [4, 2]  # what stood behind it is sent again
    changes = [EntryChange(item_id=ref.item_id, subject="x") for ref in made]
    assert verdicts(narrow.update(cloud.mailbox, changes, send_by=soon())) == [
        "done",
        "gone",
        "done",
        "done",
    ]
    found = narrow.find(cloud.mailbox, [entry.sync_key for entry in entries])
    assert {item.ref.item_id for item in found} == {made[n].item_id for n in (0, 2, 3)}
    cloud.control("PUT", "/graph/settings", {"permanent_delete": False})
    whatever_is_there = [replace(ref, change_key="") for ref in made]
    results = narrow.delete(cloud.mailbox, whatever_is_there, hard=True, send_by=soon())
    assert verdicts(results) == ["done", "gone", "done", "done"]
    assert cloud.count() == 0
    assert not [row for row in cloud.parts() if row["status"] == 429]


def test_with_one_slot_a_throttled_request_holds_those_behind_it(
    cloud: Cloud, narrow: GraphCalendars
) -> None:
    entries = [
        NewEntry(sync_key=f"{time.monotonic_ns()}#{n}", content=content(n)) for n in range(4)
    ]
    made = refs(narrow.create(cloud.mailbox, entries, send_by=soon()))
    cloud.forget()
    cloud.fault("status", "UpdateEvent", status=429, retry_after=7, after=1)
    changes = [EntryChange(item_id=ref.item_id, subject="x") for ref in made]
    results = narrow.update(cloud.mailbox, changes, send_by=soon())
    assert verdicts(results) == ["done", "later", "later", "later"]
    assert {r.retry_after for r in results if isinstance(r, ItemError)} == {timedelta(seconds=7)}
    assert len(cloud.asked()) == 2  # who is told to wait does not ask again


# -- nobody is mailed --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "deed", [{"do": "invite", "attendee": "guest@uni.example"}, {"do": "hold-online"}]
)
@pytest.mark.parametrize("way", ["update", "release", "soft", "hard"])
def test_a_meeting_is_left_as_it_is_and_nobody_is_mailed(
    cloud: Cloud, deed: Json, way: str
) -> None:
    meeting, plain = refs(cloud.create(2))
    cloud.meddle(meeting, **deed)
    (before,) = cloud.calendars.get(cloud.mailbox, [meeting.item_id], fields=True)
    mails = cloud.control("GET", "/exchange/mails")
    assert isinstance(before, EntryState)
    assert before.meeting
    both = [ItemRef(item_id=each.item_id, change_key="") for each in (meeting, plain)]
    if way in {"soft", "hard"}:
        results = cloud.calendars.delete(cloud.mailbox, both, hard=way == "hard", send_by=soon())
    else:
        words: Json = {"release": True} if way == "release" else {"subject": "x"}
        changes = [EntryChange(item_id=each.item_id, **words) for each in both]
        results = cloud.calendars.update(cloud.mailbox, changes, send_by=soon())
    assert verdicts(results) == ["meeting", "done"]
    found = {item.ref.item_id: item.meeting for item in cloud.calendars.find(cloud.mailbox, None)}
    assert found.pop(meeting.item_id) is True
    assert list(found.values()) == ([False] if way == "update" else [])
    assert cloud.calendars.get(cloud.mailbox, [meeting.item_id], fields=True) == [before]
    assert cloud.control("GET", "/exchange/mails") == mails


def test_who_is_invited_between_the_reading_and_the_write_is_not_mailed(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The write asks Graph to do nothing to another event than was read."""
    (ref,) = refs(cloud.create())
    real = cloud.calendars._guarded

    def late(*args: Any) -> Any:
        guards = real(*args)
        cloud.meddle(ref, "invite", attendee="guest@uni.example")
        return guards

    monkeypatch.setattr(cloud.calendars, "_guarded", late)
    mails = cloud.control("GET", "/exchange/mails")
    change = EntryChange(item_id=ref.item_id, subject="x")
    assert verdicts(cloud.calendars.update(cloud.mailbox, [change], send_by=soon())) == ["conflict"]
    assert cloud.control("GET", "/exchange/mails") == mails


def test_nothing_but_our_own_was_ever_asked_for(cloud: Cloud) -> None:
    cloud.control("POST", "/exchange/items", {"mailbox": cloud.mailbox, "subject": "private"})
    made = refs(cloud.create(3))
    cloud.calendars.get(cloud.mailbox, [made[0].item_id], fields=True, additions=True)
    cloud.calendars.delete(cloud.mailbox, made[:1], hard=False, send_by=soon())
    assert cloud.count() == 2
    assert cloud.control("GET", "/exchange/private-touched") == {"count": 0}


# -- deleting for good -------------------------------------------------------------------------------


@pytest.mark.parametrize("known", [True, False])
def test_where_a_cloud_cannot_delete_for_good_it_deletes(cloud: Cloud, known: bool) -> None:
    made = refs(cloud.create(3))
    cloud.control("PUT", "/graph/settings", {"permanent_delete": known})
    results = cloud.calendars.delete(cloud.mailbox, made, hard=True, send_by=soon())
    assert results == made
    assert cloud.count() == 0


# -- change keys -------------------------------------------------------------------------------------


@pytest.mark.parametrize("guid", ["lower", "written"])
def test_keys_are_found_in_either_form_of_the_guid(cloud: Cloud, guid: str) -> None:
    cloud.control("PUT", "/graph/settings", {"guid": guid})
    refs(cloud.create(2))
    assert cloud.count() == 2


def test_a_key_that_moves_by_itself_is_a_conflict_and_loses_nothing(cloud: Cloud) -> None:
    (ref,) = refs(cloud.create())
    cloud.control("POST", "/graph/churn", {"mailbox": cloud.mailbox})
    change = EntryChange(item_id=ref.item_id, change_key=ref.change_key, subject="x")
    assert verdicts(cloud.calendars.update(cloud.mailbox, [change], send_by=soon())) == ["conflict"]
    (state,) = cloud.calendars.get(cloud.mailbox, [ref.item_id], fields=True)
    assert isinstance(state, EntryState)
    again = replace(change, change_key=state.ref.change_key)
    refs(cloud.calendars.update(cloud.mailbox, [again], send_by=soon()))


# -- tokens ------------------------------------------------------------------------------------------


def tokens(cloud: Cloud) -> int:
    """Return how many tokens were asked for since the journal began."""
    rows = cloud.control("GET", "/requests")
    return sum(row["neighbour"] == "login" and row["operation"] == "Token" for row in rows)


def test_one_token_serves_many_requests_and_a_void_one_is_replaced_once(cloud: Cloud) -> None:
    refs(cloud.create())
    refs(cloud.create())
    assert tokens(cloud) == 0  # it was got for the search before
    cloud.control("DELETE", "/graph/tokens")
    refs(cloud.create())
    assert tokens(cloud) == 1
    assert cloud.count() == 3


def test_a_token_that_is_refused_twice_is_the_neighbours_refusal(cloud: Cloud) -> None:
    cloud.fault("expired-token", times=2)
    with pytest.raises(NeighbourUnauthorised):
        cloud.create()
    assert cloud.seen == ["NeighbourUnauthorised"]
    assert cloud.count() == 0


def test_a_token_that_is_refused_within_a_batch_is_replaced_for_the_next(cloud: Cloud) -> None:
    told = {"status": 401, "code": "InvalidAuthenticationToken"}
    cloud.fault("status", "CreateEvent", **told)
    with pytest.raises(NeighbourUnauthorised):
        cloud.create()
    refs(cloud.create())
    assert (tokens(cloud), cloud.count()) == (1, 1)


def test_a_wrong_secret_is_refused_in_words_that_do_not_tell_it(cloud: Cloud) -> None:
    calendars = cloud.adapter(client_secret="wrong-secret")
    with pytest.raises(NeighbourUnauthorised, match="invalid_client AADSTS7000215") as caught:
        calendars.find(cloud.mailbox, None)
    assert "wrong-secret" not in str(caught.value)
    assert cloud.asked() == []


def test_a_client_that_is_not_known_is_refused(cloud: Cloud) -> None:
    with pytest.raises(NeighbourUnauthorised, match="AADSTS700016"):
        cloud.adapter(client_id="nobody").find(cloud.mailbox, None)


@pytest.mark.parametrize(
    ("operation", "told"),
    [
        ("Token", {"kind": "status", "status": 503}),
        ("Token", {"kind": "cut"}),
        ("Token", {"kind": "garbage"}),
        ("Discovery", {"kind": "status", "status": 503}),
        ("Discovery", {"kind": "cut"}),
    ],
)
def test_a_login_that_is_away_is_the_neighbours_outage_and_nothing_is_sent(
    cloud: Cloud, operation: str, told: Json
) -> None:
    cloud.control("POST", "/faults", {"neighbour": "login", "operation": operation, **told})
    calendars = cloud.adapter()
    entry = NewEntry(sync_key="x#1", content=content())
    with pytest.raises(NeighbourUnavailable):
        calendars.create(cloud.mailbox, [entry], send_by=soon())
    assert cloud.asked() == []


def test_a_login_whose_certificate_is_not_trusted_gets_no_secret(cloud: Cloud) -> None:
    with pytest.raises(NeighbourUnavailable, match="login_url"):
        cloud.adapter(ca_file=None).find(cloud.mailbox, None)
    assert cloud.asked() == []


def test_a_certificate_is_as_good_as_a_secret_and_another_one_is_not(
    cloud: Cloud, tmp_path: Path
) -> None:
    certificate, key = self_signed(tmp_path, "graph")
    other_certificate, other_key = self_signed(tmp_path, "other")
    cloud.control("PUT", "/graph/credentials", {"certificate": certificate.read_text()})
    calendars = cloud.adapter(client_secret=None, certificate_file=certificate, key_file=key)
    assert calendars.find(cloud.mailbox, None) == []
    stranger = cloud.adapter(
        client_secret=None, certificate_file=other_certificate, key_file=other_key
    )
    with pytest.raises(NeighbourUnauthorised):
        stranger.find(cloud.mailbox, None)


def test_a_federated_token_is_read_anew_for_each_access_token(cloud: Cloud, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first")
    calendars = cloud.adapter(client_secret=None, federated_token_file=file)
    with pytest.raises(NeighbourUnauthorised, match="AADSTS50027"):
        calendars.find(cloud.mailbox, None)
    file.unlink()
    with pytest.raises(NeighbourUnavailable, match="FileNotFoundError"):
        calendars.find(cloud.mailbox, None)


# -- every end of a batch ----------------------------------------------------------------------------

UNKNOWN = OutcomeUnknown
OUTER: list[tuple[Json, type[KalenderError], int]] = [
    ({"kind": "process-then-drop"}, UNKNOWN, 3),
    ({"kind": "slow", "seconds": 4}, UNKNOWN, 3),
    ({"kind": "drip", "seconds": 6}, UNKNOWN, 3),
    ({"kind": "cut"}, UNKNOWN, 0),
    ({"kind": "truncate"}, UNKNOWN, 3),
    ({"kind": "garbage"}, UNKNOWN, 0),
    ({"kind": "cut-within", "after_parts": 2, "rest": "lost"}, UNKNOWN, 2),
    ({"kind": "cut-within", "after_parts": 2}, UNKNOWN, 3),
    *(({"kind": "status", "status": s}, UNKNOWN, 0) for s in (500, 501, 502, 503, 504)),
    ({"kind": "status", "status": 429, "retry_after": 9}, NeighbourUnavailable, 0),
    ({"kind": "status", "status": 403}, NeighbourRefused, 0),
    ({"kind": "status", "status": 400}, NeighbourRefused, 0),
    *(({"kind": "status", "status": s}, NeighbourUnavailable, 0) for s in (302, 404, 405, 413)),
]


@pytest.mark.parametrize(
    ("told", "error", "number"),
    OUTER,
    ids=[f"{t['kind']}-{t.get('status', n)}" for t, _, n in OUTER],
)
def test_an_end_of_a_batch_of_creates_is_one_error(
    cloud: Cloud, told: Json, error: type[KalenderError], number: int
) -> None:
    cloud.fault(**told)
    with pytest.raises(KalenderError) as caught:
        cloud.create(3)
    assert type(caught.value) is error
    if error is UNKNOWN:
        assert getattr(caught.value, "neighbour", None) == "exchange.cloud"
    deadline = time.monotonic() + 6
    while cloud.count() != number and time.monotonic() < deadline:
        time.sleep(0.2)  # noqa: TID251
    assert cloud.count() == number


def test_what_graph_asks_of_all_is_said_of_all(cloud: Cloud) -> None:
    cloud.fault("status", status=429, retry_after=9)
    with pytest.raises(NeighbourUnavailable) as caught:
        cloud.create()
    assert (caught.value.retry_after, caught.value.concerns_all) == (timedelta(seconds=9), True)


@pytest.mark.parametrize("told", [{"kind": "cut"}, {"kind": "status", "status": 503}])
def test_a_guard_that_is_not_answered_leaves_everything_unwritten(cloud: Cloud, told: Json) -> None:
    (ref,) = refs(cloud.create())
    cloud.fault(**told)
    with pytest.raises(NeighbourUnavailable):
        cloud.calendars.delete(cloud.mailbox, [ref], hard=False, send_by=soon())
    assert cloud.count() == 1


def test_a_write_that_is_late_after_its_guard_is_not_sent(cloud: Cloud) -> None:
    (ref,) = refs(cloud.create())
    cloud.fault("slow", seconds=1)
    with pytest.raises(NotSent):
        cloud.calendars.delete(cloud.mailbox, [ref], hard=False, send_by=time.monotonic() + 0.5)
    assert cloud.count() == 1


# -- whose fault -------------------------------------------------------------------------------------


def test_a_mailbox_that_lives_elsewhere_is_missing(cloud: Cloud) -> None:
    cloud.control("PUT", f"/graph/mailbox?address={cloud.mailbox}", {"place": "ews"})
    with pytest.raises(MailboxMissing, match="MailboxNotEnabledForRESTAPI"):
        cloud.create(3)
    with pytest.raises(MailboxMissing):
        cloud.calendars.find(cloud.mailbox, ["a#b"])


def test_a_mailbox_that_does_not_open_is_its_own_matter_however_many_do_not(cloud: Cloud) -> None:
    others = [cloud.open() for _ in range(4)]
    for mailbox in (cloud.mailbox, *others):
        cloud.control("PUT", f"/exchange/mailbox?address={mailbox}", {"state": "denied"})
    for mailbox in others:
        with pytest.raises(MailboxDenied, match=r"ErrorAccessDenied: .*management scope"):
            cloud.calendars.find(mailbox, None)
    with pytest.raises(MailboxDenied):
        cloud.create(2)
    cloud.control("PUT", f"/exchange/mailbox?address={others[0]}", {"state": "active"})
    refs(cloud.create(2, mailbox=others[0]))


def test_a_throttled_search_is_said_of_its_calendar(cloud: Cloud) -> None:
    cloud.fault("busy", None, ms=3000)
    with pytest.raises(TransientError) as caught:
        cloud.calendars.find(cloud.mailbox, None)
    assert caught.value.retry_after == timedelta(seconds=3)


def test_nobody_listens(cloud: Cloud) -> None:
    calendars = cloud.adapter(base_url="http://127.0.0.1:1/v1.0")
    with pytest.raises(NeighbourUnavailable, match="no connection"):
        calendars.create(
            cloud.mailbox, [NewEntry(sync_key="x#1", content=content())], send_by=soon()
        )


def test_the_token_goes_to_no_other_host(cloud: Cloud) -> None:
    assert cloud.calendars._sessions.is_below(f"{cloud.running.endpoints.graph}/users?$skip=1")
    for url in ("https://elsewhere.example/v1.0/users", "http://127.0.0.1:1/v1.0", "/users", ""):
        assert not cloud.calendars._sessions.is_below(url)


def test_a_next_page_on_another_host_is_not_asked_for(cloud: Cloud) -> None:
    for _ in range(13):
        refs(cloud.create(20))
    cloud.control("PUT", "/graph/settings", {"next_links": "foreign"})
    with pytest.raises(NeighbourRefused, match="on another host than base_url"):
        cloud.count()


def test_unknown_is_what_an_item_is_whose_outcome_nobody_said(cloud: Cloud) -> None:
    (ref,) = refs(cloud.create())
    cloud.fault("omit", "UpdateEvent")
    change = EntryChange(item_id=ref.item_id, subject="x")
    results = cloud.calendars.update(cloud.mailbox, [change], send_by=soon())
    assert [r.outcome for r in results if isinstance(r, ItemError)] == [ItemOutcome.UNKNOWN]


# -- EWS as an application ------------------------------------------------------------------------


@pytest.fixture
def bridge(cloud: Cloud) -> EwsCalendars:
    """The adapter of EWS on the same tenant, where the mailbox is still on that side."""
    cloud.control("PUT", f"/graph/mailbox?address={cloud.mailbox}", {"place": "ews"})
    settings = application_settings(cloud.running.endpoints, timeout=2)
    return EwsCalendars("bridge", settings, limiter=cloud.limited)


def test_over_ews_a_token_that_is_no_longer_taken_is_replaced_once(
    cloud: Cloud, bridge: EwsCalendars
) -> None:
    assert bridge.find(cloud.mailbox, None) == []
    cloud.control("DELETE", "/graph/tokens")
    cloud.forget()
    entry = NewEntry(sync_key=f"{time.monotonic_ns()}#01+", content=content(1))
    refs(bridge.create(cloud.mailbox, [entry], send_by=soon()))
    assert [item.sync_key for item in bridge.find(cloud.mailbox, None)] == [entry.sync_key]
    asked = cloud.control("GET", "/requests")
    posted = [row["status"] for row in asked if row["neighbour"] == "exchange"]
    assert posted == [401, 200, 200]
    assert len([row for row in asked if row["operation"] == "Token"]) == 1
    assert cloud.seen == ["ok", "ok"]


def test_over_ews_who_is_no_application_there_is_refused_and_asks_nothing(
    cloud: Cloud, bridge: EwsCalendars
) -> None:
    cloud.control("PUT", "/auth", {"graph": "other"})
    cloud.forget()
    with pytest.raises(NeighbourUnauthorised, match="check tenant, client_id and the credential"):
        bridge.find(cloud.mailbox, None)
    assert not [row for row in cloud.control("GET", "/requests") if row["neighbour"] == "exchange"]
    assert cloud.seen == ["NeighbourUnauthorised"]


def test_over_ews_a_refusal_that_is_no_expired_token_is_said_of_the_application(
    cloud: Cloud, bridge: EwsCalendars
) -> None:
    told = {"neighbour": "exchange", "kind": "status", "status": 401}
    cloud.control("POST", "/faults", told)
    with pytest.raises(
        NeighbourUnauthorised, match=r"check the application of \[exchange.bridge\]"
    ):
        bridge.find(cloud.mailbox, None)
