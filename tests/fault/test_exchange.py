"""What the adapter makes of each way Exchange fails; wanted three creates, each sent once."""

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests

from kalender.calendars.ews import soap
from kalender.calendars.ews.writer import _item_error
from kalender.domain.work import Kind
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
from kalender.ports import ItemError, ItemOutcome, ItemRef, NewEntry
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.contract.test_calendars import MAILBOX, content, ews
from tests.fault.installation import wait
from tests.fault.matrix import Row, hold, mirror, opened, status
from tests.served import start

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
    *(
        ({"kind": "status", "status": status}, NeighbourUnavailable, 0)
        for status in (302, 303, 307, 400, 404, 405, 408, 413, 440, 451)
    ),
    ({"kind": "status", "status": 501}, UNKNOWN, 0),
    ({"kind": "status", "status": 204}, UNKNOWN, 0),
    ({"kind": "garbage", "body": "{}", "content_type": "application/json"}, UNKNOWN, 0),
    ({"kind": "fault", "code": "ErrorCannotFindUser"}, MailboxMissing, 0),
    ({"kind": "fault", "code": "ErrorOrganizationAccessBlocked"}, NeighbourRefused, 0),
    ({"kind": "fault", "code": "ErrorAccessDeniedDueToCompliance"}, PermanentError, 0),
    ({"kind": "fault", "code": "ErrorOfNextYear"}, UNKNOWN, 0),
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
    ("code", "outcome"),
    [
        ("ErrorQuotaExceeded", ItemOutcome.LATER),
        ("ErrorServerBusy", ItemOutcome.LATER),
        ("ErrorInternalServerError", ItemOutcome.UNKNOWN),
        ("ErrorIrresolvableConflict", ItemOutcome.CONFLICT),
        ("ErrorItemSave", ItemOutcome.LATER),
        ("ErrorMessageSizeExceeded", ItemOutcome.REFUSED),
    ],
)
def test_one_bad_item_of_three_is_returned_in_its_place(
    running: Running, control: str, code: str, outcome: ItemOutcome
) -> None:
    fault = {"kind": "item-error", "position": 1, "code": code, "operation": "CreateItem"}
    requests.post(f"{control}/faults", json={"neighbour": "exchange", **fault}, timeout=10)
    calendars = ews(running.endpoints.exchange)
    first, bad, last = calendars.create(MAILBOX, three(code), send_by=time.monotonic() + 5)
    assert isinstance(first, ItemRef)
    assert isinstance(last, ItemRef)
    assert isinstance(bad, ItemError)
    assert (bad.code, bad.outcome) == (code, outcome)


@pytest.mark.parametrize("status", [302, 404, 440])
def test_what_came_instead_of_exchange_is_one_trouble_of_all_and_nothing_stays_open(
    running: Running, control: str, mirrored: Path, tmp_path: Path, status: int
) -> None:
    """One pause of the neighbour after three calendars; no attempt of theirs is counted."""
    house = opened(running, mirrored, tmp_path)
    assert house.mark(Kind.CALENDAR) > 3
    house.fault(neighbour="exchange", kind="status", status=status, times=-1)
    with house.working(1):
        wait(lambda: house.neighbour("exchange.main").paused_until is not None)
    assert not house.rows("SELECT 1 FROM entry WHERE status = 'intended'")
    assert not house.rows("SELECT 1 FROM dirty WHERE parked_at IS NOT NULL OR attempts > 0")


def test_a_server_that_is_not_there_was_certainly_not_written_to() -> None:
    calendars = ews("http://127.0.0.1:9/EWS/Exchange.asmx")
    with pytest.raises(NeighbourUnavailable):
        calendars.create(MAILBOX, three("nowhere"), send_by=time.monotonic() + 5)


def test_a_lost_answer_to_a_read_is_the_neighbours_absence(running: Running, control: str) -> None:
    fault = {"neighbour": "exchange", "kind": "cut"}
    requests.post(f"{control}/faults", json=fault, timeout=10).raise_for_status()
    with pytest.raises(NeighbourUnavailable):
        ews(running.endpoints.exchange).find(MAILBOX, None)


@pytest.mark.parametrize(
    ("milliseconds", "seconds"), [("90000", 90), ("1e9", 3600), ("-5", None), ("NaN", None)]
)
def test_what_exchange_asks_for_one_item_is_kept_up_to_an_hour(
    milliseconds: str, seconds: int | None
) -> None:
    answer = f"""
        <s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
          xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"
          xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Body>
        <m:CreateItemResponse><m:ResponseMessages><m:CreateItemResponseMessage>
          <m:ResponseCode>ErrorServerBusy</m:ResponseCode>
          <m:MessageXml><t:Value Name="BackOffMilliseconds">{milliseconds}</t:Value></m:MessageXml>
        </m:CreateItemResponseMessage></m:ResponseMessages></m:CreateItemResponse>
        </s:Body></s:Envelope>""".strip()
    messages = soap.read(answer.encode(), "CreateItem")
    assert isinstance(messages, list)
    error = _item_error(messages[0])
    assert error.outcome is ItemOutcome.LATER
    assert error.retry_after == (timedelta(seconds=seconds) if seconds is not None else None)


# -- through the whole worker: the end of each row -----------------------------------------------------


NO_ITEMS = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages"><s:Body>'
    "<m:CreateItemResponse><m:ResponseMessages/></m:CreateItemResponse></s:Body></s:Envelope>"
)


def soap_fault(code: str) -> dict[str, Any]:
    return {"kind": "fault", "code": code}


ROWS = [
    Row(fault={"kind": "process-then-drop"}, attempts=0, words="no whole answer", counted=True),
    Row(fault={"kind": "slow", "seconds": 3}, attempts=0, words="ReadTimeout", counted=True),
    Row(fault={"kind": "cut"}, attempts=0, words="no whole answer", counted=True),
    Row(fault={"kind": "truncate"}, attempts=0, words="no whole answer", counted=True),
    Row(fault={"kind": "garbage"}, attempts=0, words="an HTML page (no SOAP)", counted=True),
    Row(fault={"kind": "garbage", "body": "<a>"}, attempts=0, words="broken XML", counted=True),
    Row(fault={"kind": "garbage", "body": NO_ITEMS}, attempts=1, words="0 answers for"),
    Row(fault=soap_fault("ErrorTimeoutExpired"), attempts=1, words="ErrorTimeoutExpired"),
    Row(fault=soap_fault("ErrorInternalServerError"), attempts=1, words="ErrorInternalServer"),
    Row(fault=soap_fault("ErrorServerBusy"), attempts=1, words="patience"),
    Row(fault=soap_fault("ErrorMailboxStoreUnavailable"), attempts=1, words="patience"),
    Row(fault=soap_fault("ErrorMailboxMoveInProgress"), attempts=1, words="patience"),
    Row(fault=soap_fault("ErrorMailboxFailover"), attempts=1, words="patience"),
    Row(
        fault=soap_fault("ErrorNonExistentMailbox"),
        attempts=1,
        words="correct the address in FS",
        state="missing",
    ),
    Row(
        fault=soap_fault("ErrorAccountDisabled"),
        attempts=1,
        words="correct the address in FS",
        state="missing",
    ),
    Row(
        fault=soap_fault("ErrorImpersonateUserDenied"),
        attempts=1,
        words="management scope",
        parked=True,
    ),
    Row(
        fault=soap_fault("ErrorImpersonationFailed"),
        attempts=0,
        words="check [exchange]",
        counted=True,
    ),
    Row(
        fault=soap_fault("ErrorSchemaValidation"),
        attempts=0,
        words="check [exchange]",
        counted=True,
    ),
    Row(
        fault=soap_fault("ErrorInvalidRequest"), attempts=0, words="check [exchange]", counted=True
    ),
    Row(fault=status(401), attempts=0, words="check username and password", counted=True),
    Row(fault=status(403), attempts=0, words="check that EWS is allowed", counted=True),
    Row(fault=status(429), attempts=1, words="HTTP 429"),
    Row(fault=status(500), attempts=0, words="HTTP 500 with nothing in it", counted=True),
    Row(fault=status(502), attempts=0, words="HTTP 502", counted=True),
    Row(fault=status(503, retry_after=2), attempts=0, words="HTTP 503", counted=True),
    *(
        Row(
            fault=status(code),
            attempts=0,
            words=f"HTTP {code} with nothing in it came instead of Exchange's answer",
            counted=True,
        )
        for code in (302, 404, 413, 440, 451)
    ),
    Row(
        fault=soap_fault("ErrorCannotFindUser"),
        attempts=1,
        words="correct the address in FS",
        state="missing",
    ),
    Row(
        fault=soap_fault("ErrorOfNextYear"),
        attempts=0,
        words="ErrorOfNextYear: an unknown code",
        counted=True,
    ),
    Row(
        fault={"kind": "item-error", "position": 1, "code": "ErrorOfNextYear"},
        attempts=1,
        words="unknown code ErrorOfNextYear",
    ),
    *(
        Row(fault={"kind": "item-error", "position": 1, "code": code}, attempts=1, words=code)
        for code in ("ErrorServerBusy", "ErrorQuotaExceeded", "ErrorInternalServerError")
    ),
]


@pytest.fixture(scope="module")
def mirrored(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that mirrors the university; nobody was written to."""
    return mirror(running, tmp_path_factory.mktemp("mirrored"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row.fault.values()))[:60])
def test_each_row_of_the_matrix_ends_with_the_right_calendar_and_no_double(
    running: Running, control: str, mirrored: Path, tmp_path: Path, row: Row
) -> None:
    hold(row, opened(running, mirrored, tmp_path), neighbour="exchange", operation="CreateItem")
