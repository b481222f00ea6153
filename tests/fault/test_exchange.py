"""What the adapter makes of each way Exchange fails; wanted three creates, each sent once."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import requests

from kalender.errors import (
    KalenderError,
    MailboxMissing,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.ports import ItemError, ItemRef, NewEntry, Verdict
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running, start
from tests.contract.test_calendars import MAILBOX, content, ews

UNKNOWN, LATER = OutcomeUnknown, TransientError

# fault, what the caller gets, how many exist afterwards
MATRIX: list[tuple[dict[str, Any], type[KalenderError], int]] = [
    ({"kind": "process-then-drop"}, UNKNOWN, 3),
    ({"kind": "slow", "seconds": 3}, UNKNOWN, 3),
    ({"kind": "cut"}, UNKNOWN, 0),
    ({"kind": "truncate"}, UNKNOWN, 3),
    ({"kind": "garbage"}, UNKNOWN, 0),
    ({"kind": "fault", "code": "ErrorTimeoutExpired"}, UNKNOWN, 0),
    ({"kind": "fault", "code": "ErrorInternalServerError"}, UNKNOWN, 0),
    ({"kind": "status", "status": 503, "retry_after": 2}, UNKNOWN, 0),
    ({"kind": "status", "status": 502}, UNKNOWN, 0),
    ({"kind": "status", "status": 429, "retry_after": 2}, LATER, 0),
    ({"kind": "busy", "ms": 2000}, LATER, 0),
    ({"kind": "fault", "code": "ErrorMailboxStoreUnavailable"}, LATER, 0),
    ({"kind": "fault", "code": "ErrorMailboxMoveInProgress"}, LATER, 0),
    ({"kind": "fault", "code": "ErrorMailboxFailover"}, LATER, 0),
    ({"kind": "fault", "code": "ErrorNonExistentMailbox"}, MailboxMissing, 0),
    ({"kind": "fault", "code": "ErrorAccountDisabled"}, MailboxMissing, 0),
    ({"kind": "fault", "code": "ErrorImpersonateUserDenied"}, PermanentError, 0),
    ({"kind": "fault", "code": "ErrorImpersonationFailed"}, NeighbourRefused, 0),
    ({"kind": "fault", "code": "ErrorSchemaValidation"}, NeighbourRefused, 0),
    ({"kind": "fault", "code": "ErrorInvalidRequest"}, NeighbourRefused, 0),
    ({"kind": "status", "status": 401}, NeighbourUnauthorised, 0),
    ({"kind": "status", "status": 403}, NeighbourRefused, 0),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people."""
    directory = tmp_path_factory.mktemp("sandbox") / "university"
    generate(directory, students=20)
    with start(directory) as sandbox:
        yield sandbox


@pytest.fixture
def control(running: Running) -> Iterator[str]:
    """The control API, without faults before and after."""
    url = running.endpoints.control
    for path in ("faults", "requests"):
        requests.delete(f"{url}/{path}", timeout=10).raise_for_status()
    yield url
    requests.delete(f"{url}/faults", timeout=10).raise_for_status()


def three(name: str) -> list[NewEntry]:
    """Three entries under keys of their own."""
    return [NewEntry(sync_key=f"{name}.{n}#1", content=content(n)) for n in range(3)]


@pytest.mark.parametrize(("fault", "error", "exist"), MATRIX, ids=lambda x: str(x)[:60])
def test_each_end_of_a_create_is_told_apart_and_nothing_is_sent_twice(
    running: Running, control: str, fault: dict[str, Any], error: type[KalenderError], exist: int
) -> None:
    answer = requests.post(
        f"{control}/faults",
        json={"neighbour": "exchange", "operation": "CreateItem", **fault},
        timeout=10,
    )
    answer.raise_for_status()
    calendars = ews(running.endpoints.exchange)
    calendars._sessions.timeout = 1.0
    entries = three(str(sorted(fault.items())))
    with pytest.raises(error) as caught:
        calendars.create(MAILBOX, entries, send_by=time.monotonic() + 5)
    assert type(caught.value) is error
    if "retry_after" in fault or "ms" in fault:
        assert getattr(caught.value, "retry_after", None) == timedelta(seconds=2)
    time.sleep(2.5 if fault["kind"] == "slow" else 0)  # noqa: TID251  # the server goes on
    found = calendars.find(MAILBOX, [entry.sync_key for entry in entries])
    assert len(found) == exist
    counted = requests.get(f"{control}/counters", timeout=10).json()
    assert counted["exchange.CreateItem"] == 1


@pytest.mark.parametrize(
    ("code", "verdict"),
    [
        ("ErrorQuotaExceeded", Verdict.LATER),
        ("ErrorServerBusy", Verdict.LATER),
        ("ErrorInternalServerError", Verdict.UNKNOWN),
        ("ErrorIrresolvableConflict", Verdict.CONFLICT),
        ("ErrorItemSave", Verdict.LATER),
        ("ErrorMessageSizeExceeded", Verdict.REFUSED),
    ],
)
def test_one_bad_item_of_three_is_returned_in_its_place(
    running: Running, control: str, code: str, verdict: Verdict
) -> None:
    fault = {"kind": "item-error", "position": 1, "code": code, "operation": "CreateItem"}
    requests.post(f"{control}/faults", json={"neighbour": "exchange", **fault}, timeout=10)
    calendars = ews(running.endpoints.exchange)
    first, bad, last = calendars.create(MAILBOX, three(code), send_by=time.monotonic() + 5)
    assert isinstance(first, ItemRef)
    assert isinstance(last, ItemRef)
    assert isinstance(bad, ItemError)
    assert (bad.code, bad.verdict) == (code, verdict)


def test_a_server_that_is_not_there_was_certainly_not_written_to() -> None:
    calendars = ews("http://127.0.0.1:9/EWS/Exchange.asmx")
    with pytest.raises(NeighbourUnavailable):
        calendars.create(MAILBOX, three("nowhere"), send_by=time.monotonic() + 5)


def test_a_lost_answer_to_a_read_is_the_neighbours_absence(running: Running, control: str) -> None:
    fault = {"neighbour": "exchange", "kind": "cut"}
    requests.post(f"{control}/faults", json=fault, timeout=10).raise_for_status()
    with pytest.raises(NeighbourUnavailable):
        ews(running.endpoints.exchange).find(MAILBOX, None)
