"""Each kind of fault the sandbox can be told to have, and that it is over afterwards."""

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests.served import start

PERSON = "st000003@uni.example"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
SAMPLE = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
    xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">
  <s:Header><t:ExchangeImpersonation><t:ConnectingSID>
    <t:PrimarySmtpAddress>{PERSON}</t:PrimarySmtpAddress>
  </t:ConnectingSID></t:ExchangeImpersonation></s:Header>
  <s:Body><m:CreateItem SendMeetingInvitations="SendToNone">
    <m:SavedItemFolderId><t:DistinguishedFolderId Id="calendar"/></m:SavedItemFolderId>
    <m:Items><t:CalendarItem>
      <t:Subject>Tidevann</t:Subject>
      <t:Start>2026-09-01T08:00:00Z</t:Start>
      <t:End>2026-09-01T10:00:00Z</t:End>
    </t:CalendarItem></m:Items>
  </m:CreateItem></s:Body></s:Envelope>""".encode()
AUTH = ("kalender", "kalender")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=20)
    with start(directory) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Running) -> Running:
    control(running, "DELETE", "/faults")
    control(running, "DELETE", "/requests")
    return running


def control(sandbox: Running, way: str, path: str, json: Any = None) -> Any:
    return requests.request(way, sandbox.endpoints.control + path, json=json, timeout=5).json()


def fault(sandbox: Running, neighbour: str, kind: str, **more: Any) -> None:
    told = {"neighbour": neighbour, "kind": kind, **more}
    assert control(sandbox, "POST", "/faults", told) == {"ok": True}


def person(sandbox: Running) -> requests.Response:
    return requests.get(f"{sandbox.endpoints.fs}/personer/100001", auth=AUTH, timeout=5)


def timetable(sandbox: Running) -> requests.Response:
    url = f"{sandbox.endpoints.tp}/ws/1.4/open/"
    params = {"type": "course", "id": "MAT1000", "sem": "25h"}
    return requests.get(url, params=params, auth=AUTH, timeout=5)


def create(sandbox: Running, body: bytes | None = None) -> requests.Response:
    return requests.post(sandbox.endpoints.exchange, data=body or SAMPLE, auth=AUTH, timeout=5)


def held(sandbox: Running) -> int:
    return len(control(sandbox, "GET", f"/exchange/items?mailbox={PERSON}"))


ASK = {"fs": person, "tp": timetable, "exchange": create}
everywhere = pytest.mark.parametrize("neighbour", ["fs", "tp", "exchange"])


@everywhere
def test_a_status_comes_in_place_of_the_answer(sandbox: Running, neighbour: str) -> None:
    fault(sandbox, neighbour, "status", status=429, retry_after=7)
    response = ASK[neighbour](sandbox)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert ASK[neighbour](sandbox).status_code == 200


@everywhere
def test_a_slow_answer_is_right_but_late(sandbox: Running, neighbour: str) -> None:
    fault(sandbox, neighbour, "slow", seconds=0.3)
    began = time.monotonic()
    assert ASK[neighbour](sandbox).status_code == 200
    assert time.monotonic() - began >= 0.3


@everywhere
def test_latency_slows_every_answer(sandbox: Running, neighbour: str) -> None:
    control(sandbox, "PUT", "/latency", {neighbour: 0.1})
    began = time.monotonic()
    assert ASK[neighbour](sandbox).status_code == 200
    assert time.monotonic() - began >= 0.1
    control(sandbox, "PUT", "/latency", {neighbour: 0})


@everywhere
def test_a_cut_request_is_never_processed(sandbox: Running, neighbour: str) -> None:
    before = held(sandbox)
    fault(sandbox, neighbour, "cut")
    with pytest.raises(requests.ConnectionError):
        ASK[neighbour](sandbox)
    assert held(sandbox) == before
    assert control(sandbox, "GET", "/requests")[-1]["code"] == "cut"


@everywhere
def test_half_an_answer_is_no_answer(sandbox: Running, neighbour: str) -> None:
    fault(sandbox, neighbour, "truncate")
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        ASK[neighbour](sandbox)
    assert ASK[neighbour](sandbox).status_code == 200


@everywhere
def test_garbage_comes_with_a_good_status(sandbox: Running, neighbour: str) -> None:
    fault(sandbox, neighbour, "garbage")
    response = ASK[neighbour](sandbox)
    assert response.status_code == 200
    assert response.text.startswith("<!DOCTYPE html>")


def test_a_lost_answer_leaves_the_item_behind(sandbox: Running) -> None:
    before = held(sandbox)
    fault(sandbox, "exchange", "process-then-drop")
    with pytest.raises(requests.ConnectionError):
        create(sandbox)
    assert held(sandbox) == before + 1


def test_a_server_may_go_on_working_after_it_was_given_up(sandbox: Running) -> None:
    before = held(sandbox)
    fault(sandbox, "exchange", "drop-now-process-later", seconds=0.3)
    with pytest.raises(requests.ConnectionError):
        create(sandbox)
    assert held(sandbox) == before
    deadline = time.monotonic() + 5
    while held(sandbox) == before and time.monotonic() < deadline:
        pass
    assert held(sandbox) == before + 1


def test_a_busy_server_says_how_long(sandbox: Running) -> None:
    fault(sandbox, "exchange", "busy", ms=2000)
    response = create(sandbox)
    assert response.status_code == 500
    assert "ErrorServerBusy" in response.text
    assert '<t:Value Name="BackOffMilliseconds">2000</t:Value>' in response.text


def test_any_fault_can_be_asked_for(sandbox: Running) -> None:
    fault(sandbox, "exchange", "fault", code="ErrorMailboxStoreUnavailable")
    response = create(sandbox)
    assert response.status_code == 500
    assert "ErrorMailboxStoreUnavailable" in response.text


def test_one_item_of_a_batch_can_be_refused(sandbox: Running) -> None:
    before = held(sandbox)
    fault(sandbox, "exchange", "item-error", position=0, code="ErrorQuotaExceeded")
    response = create(sandbox)
    assert response.status_code == 200
    assert "<m:ResponseCode>ErrorQuotaExceeded</m:ResponseCode>" in response.text
    assert held(sandbox) == before


def test_an_item_in_the_midst_of_a_batch_can_be_refused(sandbox: Running) -> None:
    before = held(sandbox)
    fault(sandbox, "exchange", "item-error", position=1, code="ErrorQuotaExceeded")
    head, item, tail = SAMPLE.partition(b"<t:CalendarItem>")
    inner, end, tail = tail.partition(b"</t:CalendarItem>")
    body = head + (item + inner + end) * 3 + tail
    response = create(sandbox, body)
    codes = re.findall(r"<m:ResponseCode>(\w+)", response.text)
    assert codes == ["NoError", "ErrorQuotaExceeded", "NoError"]
    assert held(sandbox) == before + 2


def test_a_good_password_can_be_refused_under_load(sandbox: Running) -> None:
    fault(sandbox, "exchange", "status", status=401, after=1)
    said = [create(sandbox) for _ in range(3)]
    assert [each.status_code for each in said] == [200, 401, 200]
    assert "Basic" in said[1].headers["WWW-Authenticate"]


def test_a_fault_waits_and_is_counted(sandbox: Running) -> None:
    fault(sandbox, "fs", "status", status=503, after=1, times=2)
    said = [person(sandbox).status_code for _ in range(4)]
    assert said == [200, 503, 503, 200]


def test_a_fault_takes_only_what_it_names(sandbox: Running) -> None:
    fault(sandbox, "exchange", "busy", operation="GetItem", times=-1)
    fault(sandbox, "exchange", "busy", mailbox="st000004@uni.example", times=-1)
    fault(sandbox, "fs", "status", operation="studentundervisning", times=-1)
    assert create(sandbox).status_code == 200
    assert person(sandbox).status_code == 200
    fault(sandbox, "exchange", "busy", operation="CreateItem", mailbox=PERSON.upper())
    assert create(sandbox).status_code == 500


def test_faults_can_be_taken_away(sandbox: Running) -> None:
    fault(sandbox, "tp", "status", status=500, times=-1)
    assert timetable(sandbox).status_code == 500
    assert len(control(sandbox, "GET", "/faults")) == 1
    control(sandbox, "DELETE", "/faults")
    assert timetable(sandbox).status_code == 200


def test_a_password_can_change_under_way(sandbox: Running) -> None:
    for neighbour, ask in ASK.items():
        control(sandbox, "PUT", "/auth", {neighbour: "new"})
        response = ask(sandbox)
        assert response.status_code == 401
        assert "Basic" in response.headers["WWW-Authenticate"]
        control(sandbox, "PUT", "/auth", {neighbour: "kalender"})
        assert ask(sandbox).status_code == 200
