"""What becomes of each way Graph fails, through the whole worker: the rows of the matrix over Graph.

What the adapter makes of each is in `tests/contract/test_graph.py`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from kalender.domain.work import Kind
from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.fault.installation import Installation, wait
from tests.fault.matrix import (
    Row,
    assert_whole,
    hold,
    mirror,
    number_in,
    one_calendar,
    opened,
    status,
)
from tests.served import start

NO_ANSWERS = '{"responses": []}'
LATER_BY = 0.5  # seconds, within server_seconds
STEP = 0.03  # for each further request of a batch that was cut


def of_one(code: int, name: str = "", **more: object) -> dict[str, Any]:
    """A refusal of one create within its batch; what depends on it is not carried out."""
    fault = {**status(code, **more), "operation": "CreateEvent"}
    return fault | ({"code": name} if name else {})


def lost(**fault: object) -> Row:
    """A batch of which no whole answer came: nobody knows what was carried out."""
    return Row(fault=fault, attempts=0, words="no whole answer", counted=True)


INSTEAD = "came instead of Graph's answer"
ROWS = [
    lost(kind="process-then-drop"),
    lost(kind="drop-now-process-later", seconds=LATER_BY),
    lost(kind="cut-within", after_parts=2, seconds=STEP),
    lost(kind="cut-within", after_parts=2, rest="lost"),
    lost(kind="cut"),
    lost(kind="truncate"),
    Row(fault={"kind": "slow", "seconds": 3}, attempts=0, words="ReadTimeout", counted=True),
    lost(kind="drip", seconds=4),
    Row(fault={"kind": "garbage"}, attempts=0, words=INSTEAD, counted=True),
    Row(
        fault={"kind": "garbage", "body": NO_ANSWERS, "content_type": "application/json"},
        attempts=1,
        words="NoAnswer",
    ),
    Row(fault={"kind": "omit", "position": 1}, attempts=1, words="NoAnswer"),
    Row(
        fault={"kind": "process-then-status", "position": 1, "status": 503},
        attempts=1,
        words="UnknownError",
    ),
    Row(
        fault={"kind": "process-then-status", "position": 1, "status": 409},
        attempts=1,
        words="ConcurrentItemSave",
    ),
    Row(fault=status(429, retry_after=2), attempts=0, words="HTTP 429", paused=True),
    Row(fault=status(503, retry_after=2), attempts=0, words="HTTP 503", counted=True),
    *(
        Row(fault=status(code), attempts=0, words=f"HTTP {code}", counted=True)
        for code in (302, 400, 403, 404, 413, 500, 502, 504)
    ),
    Row(fault=status(401, times=2), attempts=0, words="check the credentials", counted=True),
    Row(fault=of_one(429, retry_after=2), attempts=1, words="ApplicationThrottled"),
    Row(fault=of_one(503, retry_after=2), attempts=1, words="UnknownError"),
    Row(fault=of_one(500), attempts=1, words="ErrorInternalServerError"),
    Row(fault=of_one(507, "ErrorQuotaExceeded"), attempts=1, words="ErrorQuotaExceeded"),
    Row(fault=of_one(409), attempts=1, words="ConcurrentItemSave"),
    Row(fault=of_one(401), attempts=0, words="InvalidAuthenticationToken", counted=True),
    Row(
        fault=of_one(403, "Authorization_RequestDenied"),
        attempts=0,
        words="check its rights",
        counted=True,
    ),
    Row(fault=of_one(403), attempts=1, words="management scope", state="denied"),
    Row(
        fault=of_one(404, "MailboxNotEnabledForRESTAPI"),
        attempts=1,
        words="correct the address in FS",
        state="missing",
    ),
    Row(
        fault=of_one(404, "ErrorInvalidUser"),
        attempts=1,
        words="correct the address in FS",
        state="missing",
    ),
]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people whose mailboxes are on its Graph."""
    directory = tmp_path_factory.mktemp("cloud") / "university"
    generate(directory, students=20)
    with start(directory, graph="all") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def mirrored(running: Running, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that mirrors the university; nobody was written to."""
    return mirror(running, tmp_path_factory.mktemp("mirrored"), on_graph=True)


@pytest.fixture
def house(running: Running, mirrored: Path, tmp_path: Path) -> Iterator[Installation]:
    """An installation on a copy of it, without faults before and after."""
    control = running.endpoints.control
    for path in ("faults", "requests"):
        requests.delete(f"{control}/{path}", timeout=10).raise_for_status()
    yield opened(running, mirrored, tmp_path, on_graph=True)
    requests.delete(f"{control}/faults", timeout=10).raise_for_status()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: "-".join(map(str, row.fault.values()))[:60])
def test_each_row_of_the_matrix_ends_with_the_right_calendar_and_no_double(
    house: Installation, row: Row
) -> None:
    hold(row, house, neighbour="graph", operation="Batch")


def test_an_expired_token_costs_nobody_anything(house: Installation) -> None:
    """The one request that is sent again as it is: it was certainly not carried out."""
    box, _ = one_calendar(house)
    before = number_in(house, box)
    house.fault(neighbour="graph", kind="expired-token", operation="Batch", mailbox=box)
    house.work()
    assert_whole(house, box, before)
    assert house.asked("login.Token") == 2
    assert house.neighbour("exchange.main").failures == 0


def test_a_graph_that_is_throttled_for_all_is_one_pause_of_all(house: Installation) -> None:
    """No attempt of anybody's is counted, and nothing stays open."""
    assert house.mark(Kind.CALENDAR) > 3
    house.fault(neighbour="graph", operation="Batch", kind="status", status=429, retry_after=60)
    with house.working(1):
        wait(lambda: house.neighbour("exchange.main").paused_until is not None)
    assert not house.rows("SELECT 1 FROM entry WHERE status = 'intended'")
    assert not house.rows("SELECT 1 FROM dirty WHERE parked_at IS NOT NULL OR attempts > 0")
