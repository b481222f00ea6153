"""What no sandbox does: servers that redirect, page for ever, ignore filters or break HTTP itself."""

import gc
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kalender.domain.model import BadItem, UnitKey
from kalender.errors import (
    BadSourceData,
    KalenderError,
    NeighbourRefused,
    NeighbourUnavailable,
    NotFoundInSource,
    TransientError,
)
from kalender.sources.fs import Fs
from kalender.sources.http import Http, retry_after
from kalender.sources.tp import Tp
from tests.fakes.university import (
    H25,
    STUDENT,
    TEACHER,
    a_person,
    a_registration,
    a_role,
    fs_settings,
    ref,
    tp_settings,
)

Answer = tuple[int, dict[str, str], bytes]


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that hang up."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


class Server:
    """Answers by a script: path with query -> answer. Remembers what was asked, and how."""

    def __init__(self, script: Callable[[str], Answer]) -> None:
        self.asked: list[str] = []
        self.keys: list[str | None] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                server.asked.append(self.path)
                server.keys.append(self.headers.get("X-Gravitee-Api-Key"))
                status, headers, body = script(self.path)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self.server = Quiet(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def serving(script: Callable[[str], Answer]) -> Iterator[Server]:
    made = Server(script)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        thread.join()
        made.server.server_close()


@contextmanager
def client(server: Server) -> Iterator[Http]:
    http = Http("fs", fs_settings(server.url, api_key="key", timeout=2, page_size=2))
    try:
        yield http
    finally:
        http.session.close()


def answered(status: int, headers: dict[str, str], body: bytes) -> object:
    """What comes of one question that is answered so."""
    with serving(lambda _: (status, headers, body)) as server, client(server) as http:
        return http.get_json("personer/56154", {"brukernavn": "olan"})


def page(*items: object, **top: Any) -> Answer:
    return 200, {}, json.dumps({"items": list(items), **top}).encode()


@contextmanager
def fs_of(script: Callable[[str], Answer]) -> Iterator[tuple[Fs, Server]]:
    with serving(script) as server:
        fs = Fs(fs_settings(server.url, api_key="key", timeout=2, page_size=2), institution=185)
        try:
            yield fs, server
        finally:
            fs.http.session.close()


# -- HTTP --------------------------------------------------------------------------------------------


def test_a_redirect_is_not_followed_and_our_key_stays_here() -> None:
    with serving(lambda _: page()) as other:
        for status in (301, 302, 307, 308):
            with pytest.raises(NeighbourUnavailable, match="base_url"):
                answered(status, {"Location": f"{other.url}/personer"}, b"")
        assert other.asked == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("kind", ["text/html", "application/json", "text/plain; charset=latin-1"])
def test_json_is_read_by_what_it_is_not_by_what_the_header_says(encoding: str, kind: str) -> None:
    body = json.dumps({"termin": "HØST"}, ensure_ascii=False).encode(encoding)
    assert answered(200, {"Content-Type": kind}, body) == {"termin": "HØST"}


@pytest.mark.parametrize(
    ("headers", "body", "error"),
    [
        ({"Content-Encoding": "gzip"}, b"{}", TransientError),
        ({"Content-Length": "7"}, b"{}", TransientError),
        ({"Transfer-Encoding": "chunked"}, b"{}", TransientError),
        ({}, b"", TransientError),
        ({}, b' {"a": "\xc3', TransientError),
        ({}, b'{"a": 1' + b"0" * 5000 + b"}", TransientError),
        ({}, b"\xff\xfe\xfd", NeighbourRefused),
        ({}, b"<html>olan</html>", NeighbourRefused),
    ],
    ids=str,
)
def test_a_body_that_is_broken_is_an_error_of_ours(
    headers: dict[str, str], body: bytes, error: type[KalenderError]
) -> None:
    closing = {"Connection": "close", **headers}
    with pytest.raises(KalenderError) as caught:
        answered(200, closing, body)
    assert type(caught.value) is error
    assert "olan" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_header_that_is_broken_is_an_error_of_ours_too() -> None:
    with pytest.raises(NeighbourUnavailable, match="InvalidHeader"):
        answered(200, {"Content-Length": "2, 3"}, b"{}")
    gc.collect()  # urllib3 forgets that socket


def test_a_date_in_retry_after_is_told_as_a_delay() -> None:
    at = datetime.now(UTC) + timedelta(seconds=90)  # noqa: TID251  # as the server's clock says
    with pytest.raises(NeighbourUnavailable) as caught:
        answered(429, {"Retry-After": format_datetime(at, usegmt=True)}, b"")
    told = caught.value.retry_after
    assert told is not None
    assert timedelta(seconds=80) < told <= timedelta(seconds=90)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("120", 120), ("-5", 0), ("nan", 0), ("inf", 3600), ("9" * 400, 3600)),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600),
    ],
)
def test_retry_after_is_between_nothing_and_an_hour(text: str, seconds: int) -> None:
    assert retry_after(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", [None, "", "soon", "Wed, 21 Oct", f"Wed, 1 Jan {'9' * 30} 0:0:0"])
def test_retry_after_that_says_nothing_is_not_told(text: str | None) -> None:
    assert retry_after(text) is None


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ \d+:\d+:\d+ [-+]?\d+"))
def test_no_retry_after_breaks_anything(text: str) -> None:
    told = retry_after(text)
    assert told is None or timedelta() <= told <= timedelta(hours=1)


# -- pages -------------------------------------------------------------------------------------------


def test_the_next_page_is_asked_for_here_and_by_our_filters_wherever_it_points() -> None:
    def script(path: str) -> Answer:
        if "page=2" in path:
            return page(a_registration("I", 185, "B", 1, 2025, "HØST", 1), size=2)
        following = "https://evil.example/x?page=2&limit=1&undervisning.semester.ar=1999"
        first = a_registration("I", 185, "A", 1, 2025, "HØST", 1)
        return page(first, size=2, next={"href": following})

    with fs_of(script) as (fs, server):
        found = [each.unit.course for told in fs.registrations(H25) for _, each in told]
    assert found == ["A", "B"]
    assert server.keys == ["key", "key"]
    assert [dict(parse_qsl(path.partition("?")[2])) for path in server.asked] == [
        {"undervisning.semester.ar": "2025", "undervisning.semester.termin": "HØST", **paged}
        for paged in ({"page": "1", "limit": "2"}, {"page": "2", "limit": "1"})
    ]


@pytest.mark.parametrize("href", ["/personer?page=1&limit=2", "/personer", "?page={}"])
def test_pages_without_end_are_not_followed_for_ever(href: str) -> None:
    def script(path: str) -> Answer:
        asked = int(re.findall(r"page=(\d+)", path)[-1])
        return page(a_person(1), next={"href": href.format(asked + 1)})

    with fs_of(script) as (fs, server):
        with pytest.raises(TransientError, match="repeats"):
            list(fs.accounts())
        assert len(server.asked) <= 2


@pytest.mark.parametrize("following", [{}, {"href": None}, "page 2", 2])
def test_a_next_page_that_cannot_be_read_is_no_end(following: object) -> None:
    with fs_of(lambda _: page(next=following)) as (fs, _), pytest.raises(BadSourceData):
        list(fs.accounts())


@pytest.mark.parametrize(("size", "whole"), [(2, True), (None, True), (3, False), (1, False)])
def test_fewer_or_more_items_than_counted_is_no_answer(size: int | None, whole: bool) -> None:
    with fs_of(lambda _: page(a_person(1), a_person(2), size=size)) as (fs, _):
        if whole:
            assert [len(each) for each in fs.accounts()] == [2]
        else:
            with pytest.raises(TransientError, match="of"):
                list(fs.accounts())


def test_somebody_who_comes_while_pages_are_read_does_no_harm() -> None:
    def script(path: str) -> Answer:
        if "page=2" in path:
            return page(a_person(2), a_person(3), size=4)
        return page(a_person(1), a_person(2), size=3, next={"href": "?page=2"})

    with fs_of(script) as (fs, _):
        assert {each.fs_number for told in fs.accounts() for each in told} == {1, 2, 3}


@pytest.mark.parametrize(
    "answer", [[], {}, {"items": None}, {"items": {}}, {"items": [1] * 11}, None]
)
def test_what_is_no_collection_raises(answer: object) -> None:
    body = json.dumps(answer).encode()
    with fs_of(lambda _: (200, {}, body)) as (fs, _), pytest.raises(BadSourceData):
        list(fs.registrations(H25))


# -- others than asked for ---------------------------------------------------------------------------


def test_a_server_that_ignores_who_was_asked_for_is_not_believed() -> None:
    def script(path: str) -> Answer:
        if path.startswith("/personer/"):
            return 200, {}, json.dumps(a_person(TEACHER, "kari")).encode()
        return page(a_registration("I", 185, "IN1000", 1, 2025, "HØST", 1))

    with fs_of(script) as (fs, _):
        with pytest.raises(BadSourceData, match="somebody else"):
            fs.person(TEACHER, [H25])
        with pytest.raises(BadSourceData, match="somebody else"):
            fs.person(STUDENT, [H25])


@pytest.mark.parametrize("form", ["fields", "ids"])
def test_a_server_that_ignores_the_username_finds_nobody(form: str) -> None:
    def script(path: str) -> Answer:
        number = path.rpartition("/")[2]
        if number.isdecimal():
            return 200, {}, json.dumps(a_person(int(number), f"u{number}")).encode()
        return page(*(a_person(n, f"u{n}" if form == "fields" else None) for n in range(50)))

    with fs_of(script) as (fs, server):
        assert fs.find_username("olan") is None
        assert fs.find_username("U3") == 3
        assert len(server.asked) < 25


def test_a_gateway_that_knows_no_path_says_nothing_of_persons() -> None:
    with fs_of(lambda _: (404, {}, b"No context-path matches")) as (fs, _):
        with pytest.raises(NeighbourUnavailable, match=r"\[fs\]"):
            fs.person(STUDENT, [H25])
        with pytest.raises(NeighbourUnavailable):
            list(fs.accounts())


def test_an_unknown_person_is_believed_where_the_path_is_there() -> None:
    def script(path: str) -> Answer:
        return page() if "?" in path else (404, {}, b"")

    with fs_of(script) as (fs, _), pytest.raises(NotFoundInSource):
        fs.person(STUDENT, [H25])


# -- one item that cannot be read ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "wrong",
    [
        {"periode": {"fraDato": "31.08.2026", "tilDato": None}},
        {"periode": {"fraDato": "0000-00-00"}},
        {"periode": {"fraDato": "", "tilDato": ""}},
        {"rolle": {}},
        {"undervisning": ref("undervisning", 185, "IN,1000", 1, 2025, "HØST", 1)},
    ],
    ids=str,
)
def test_a_role_that_cannot_be_read_costs_that_role_alone(wrong: dict[str, object]) -> None:
    place = (185, "IN1000", 1, 2025, "HØST", 1)
    good, bad = (a_role(number, "LÆRER", "undervisning", *place) for number in (1, 2))

    def script(path: str) -> Answer:
        if path.startswith("/personer/"):
            return 200, {}, json.dumps(a_person(TEACHER, "kari")).encode()
        return page(good, {**bad, **wrong}) if "personroller" in path else page()

    with fs_of(script) as (fs, _):
        left_out = list[BadItem]()
        found = fs.roles(H25, left_out.append)
        assert [role.number for told in found for _, role in told] == [1]
        assert [(each.collection, each.item) for each in left_out] == [
            ("personroller", f"{TEACHER},2")
        ]
        facts = fs.person(TEACHER, [H25])
        assert [role.number for role in facts.roles] == [1]
        assert facts.untold == {"personroller"}


def test_a_number_that_may_be_a_national_identity_costs_that_person_and_is_told_nowhere() -> None:
    with fs_of(lambda _: page(a_person(1, "olan"), a_person(31129912345, "kari"))) as (fs, _):
        left_out = list[BadItem]()
        found = fs.accounts(left_out.append)
        assert [each.fs_number for told in found for each in told] == [1]
    assert [(each.collection, each.item) for each in left_out] == [("personer", None)]
    assert "31129912345" not in str(left_out)


# -- TP's lists --------------------------------------------------------------------------------------


ODD: list[Any] = [
    {"terminnr": 1},
    {"id": None, "semesterid": "25h"},
    {"id": ["IN1000"], "semesterid": "25h"},
    {"id": "\u200b", "semesterid": "25h"},
    {"id": "X" * 65, "semesterid": "25h"},
    "IN1000",
    None,
]


@contextmanager
def tp_that_lists(items: list[Any]) -> Iterator[tuple[Tp, list[tuple[str, str]]]]:
    """A TP with such lists, and what was left out of them: (list, reason)."""
    body = json.dumps({"data": items, "elements": items}).encode()
    left_out: list[tuple[str, str]] = []
    with serving(lambda _: (200, {}, body)) as server:
        note = lambda what, reason: left_out.append((what, reason))  # noqa: E731
        settings, zone = tp_settings(server.url, timeout=2), ZoneInfo("Europe/Oslo")
        tp = Tp(settings, institution=185, zone=zone, on_left_out=note)
        try:
            yield tp, left_out
        finally:
            tp.http.session.close()


@pytest.mark.parametrize("odd", ODD, ids=repr)
def test_an_odd_code_in_a_list_of_tp_costs_that_code_only(odd: Any) -> None:
    usual = [{"id": "IN1000", "semesterid": "25H"}, {"id": "\ufeffIN1010 ", "semesterid": "25h"}]
    with tp_that_lists([usual[0], odd, usual[1]]) as (tp, left_out):
        assert tp.courses(H25) == ["IN1000", "IN1010"]
        changed = tp.changed_since(datetime(2025, 8, 18, tzinfo=UTC))
        assert [str(key) for key in changed] == ["IN1000 25h", "IN1010 25h"]
        assert [what for what, _ in left_out] == ["courses", "changed"]


def test_a_list_of_tp_of_which_nothing_can_be_read_is_no_answer() -> None:
    with tp_that_lists([{"code": "IN1000"}] * 11) as (tp, _):
        with pytest.raises(BadSourceData):
            tp.courses(H25)
        with pytest.raises(BadSourceData):
            tp.changed_since(datetime(2025, 8, 18, tzinfo=UTC))


def test_a_term_that_tp_does_not_plan_is_no_odd_item() -> None:
    with tp_that_lists([{"id": "IN1000", "semesterid": "2025-SOM"}]) as (tp, left_out):
        assert list(tp.changed_since(datetime(2025, 8, 18, tzinfo=UTC))) == []
        assert left_out == []


@pytest.mark.parametrize("told", [{}, {"href": 1}, {"href": "I"}], ids=str)
def test_an_offer_status_that_cannot_be_read_singly_is_not_told(told: object) -> None:
    with fs_of(lambda _: (200, {}, json.dumps({"tilbudstatus": told}).encode())) as (fs, _):
        assert fs.offer_status(STUDENT, UnitKey("IN1000", "1", "25h", 1)) is None
