"""Each way in which a source can fail raises its own error, and never looks like an empty answer."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from kalender.errors import (
    BadSourceData,
    KalenderError,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    TransientError,
)
from kalender.sandbox.server import Running
from kalender.sources.http import Http
from tests.fakes.university import (
    FACTS,
    H25,
    IN5060,
    STUDENT,
    TEACHER,
    V26,
    Json,
    Opened,
    control,
    settings_of,
)


def ask(opened: Opened, neighbour: str, **options: Any) -> object:
    if neighbour == "tp":
        return opened.tp(**options).course(IN5060)
    return opened.fs(**options).person(STUDENT, [H25, V26])


def fault(sandbox: Running, neighbour: str, kind: str, **more: Any) -> None:
    told = {"neighbour": neighbour, "kind": kind, **more}
    assert control(sandbox, "POST", "/faults", told) == {"ok": True}


both = pytest.mark.parametrize("neighbour", ["fs", "tp"])


@both
@pytest.mark.parametrize(
    ("kind", "more", "error"),
    [
        ("status", {"status": 401}, NeighbourUnauthorised),
        ("status", {"status": 403}, NeighbourRefused),
        ("status", {"status": 400}, NeighbourRefused),
        ("status", {"status": 404, "body": "<html>"}, NeighbourRefused),
        *(("status", {"status": status}, NeighbourRefused) for status in (405, 413, 440, 451)),
        ("status", {"status": 408}, NeighbourUnavailable),
        ("status", {"status": 429}, NeighbourUnavailable),
        ("status", {"status": 500}, TransientError),
        ("status", {"status": 502, "times": -1}, NeighbourUnavailable),
        ("status", {"status": 503, "times": -1}, NeighbourUnavailable),
        ("status", {"status": 504, "times": -1}, NeighbourUnavailable),
        ("status", {"status": 302}, NeighbourUnavailable),
        ("status", {"status": 204}, NeighbourRefused),
        ("status", {"status": 200}, TransientError),
        ("slow", {"seconds": 1}, NeighbourUnavailable),
        ("cut", {"times": -1}, NeighbourUnavailable),
        ("truncate", {}, TransientError),
        ("garbage", {}, NeighbourRefused),
        ("garbage", {"body": '{"events":[', "content_type": "application/json"}, TransientError),
        ("garbage", {"body": "[" * 100_000}, TransientError),
        ("garbage", {"body": "[]", "content_type": "application/json"}, BadSourceData),
        ("garbage", {"body": "{}", "content_type": "application/json"}, BadSourceData),
        ("garbage", {"body": "null"}, BadSourceData),
    ],
    ids=str,
)
def test_every_failure_is_its_own_error_and_the_next_question_is_answered(
    opened: Opened, neighbour: str, kind: str, more: Json, error: type[KalenderError]
) -> None:
    fault(opened.sandbox, neighbour, kind, **more)
    with pytest.raises(KalenderError) as caught:
        ask(opened, neighbour, timeout=0.5)
    assert type(caught.value) is error
    text = str(caught.value)
    assert text.startswith(neighbour)
    assert not any(word in text for word in ("IN5060", "olan", "http://", "Maintenance", "sandbox"))
    control(opened.sandbox, "DELETE", "/faults")
    assert ask(opened, neighbour)


@both
def test_who_listens_hears_each_request_and_its_outcome(opened: Opened, neighbour: str) -> None:
    fault(opened.sandbox, neighbour, "garbage")
    with pytest.raises(NeighbourRefused):
        ask(opened, neighbour)
    ask(opened, neighbour)
    outcomes = [outcome for _, outcome in opened.heard]
    assert outcomes == ["NeighbourRefused", *["ok"] * (len(outcomes) - 1)]
    assert {name for name, _ in opened.heard} == {neighbour}


@both
@pytest.mark.parametrize(
    ("kind", "more"),
    [("status", {"status": 502}), ("status", {"status": 503}), ("cut", {})],
    ids=str,
)
def test_what_fails_twice_and_then_not_has_not_failed(
    opened: Opened, neighbour: str, kind: str, more: Json
) -> None:
    fault(opened.sandbox, neighbour, kind, times=2, **more)
    assert ask(opened, neighbour)
    assert set(opened.heard) == {(neighbour, "ok")}


@both
@pytest.mark.parametrize(
    ("kind", "more"), [("status", {"status": 429}), ("slow", {"seconds": 1})], ids=str
)
def test_who_asks_for_patience_is_not_asked_again_at_once(
    opened: Opened, neighbour: str, kind: str, more: Json
) -> None:
    fault(opened.sandbox, neighbour, kind, times=-1, **more)
    with pytest.raises(NeighbourUnavailable):
        ask(opened, neighbour, timeout=0.3)
    assert control(opened.sandbox, "GET", "/counters")[neighbour] == 1


@both
@pytest.mark.parametrize("status", [429, 503])
def test_the_neighbours_own_word_on_when_is_kept(
    opened: Opened, neighbour: str, status: int
) -> None:
    fault(opened.sandbox, neighbour, "status", status=status, retry_after=7, times=-1)
    with pytest.raises(NeighbourUnavailable) as caught:
        ask(opened, neighbour)
    assert caught.value.retry_after == timedelta(seconds=7)
    assert caught.value.neighbour == neighbour


@both
def test_a_neighbour_that_is_not_there_is_unavailable(opened: Opened, neighbour: str) -> None:
    http = Http(neighbour, settings_of(neighbour, "http://127.0.0.1:9/"))
    with pytest.raises(NeighbourUnavailable, match=r"ConnectionRefusedError$"):
        http.get_json("personer/56154", {"brukernavn": "olan"})


@pytest.mark.parametrize("form", ["fields", "ids"])
@pytest.mark.parametrize(
    "operation",
    ["personer", "studentundervisning", "studentundervisningsaktivitet", "personroller"],
)
def test_a_path_that_is_not_there_never_looks_like_a_person_without_teaching(
    opened: Opened, operation: str, form: str
) -> None:
    control(opened.sandbox, "PUT", "/fs/form", {"form": form})
    fault(opened.sandbox, "fs", "status", status=404, times=-1, operation=operation)
    with pytest.raises(NeighbourUnavailable, match="check base_url and paths"):
        opened.fs().person(TEACHER, [H25])


def test_a_role_that_goes_while_it_is_read_is_read_again_later(opened: Opened) -> None:
    control(opened.sandbox, "PUT", "/fs/form", {"form": "ids"})
    told = {"status": 404, "operation": "personroller"}
    fault(opened.sandbox, "fs", "status", after=1, **told)  # the list, and then the first of it
    with pytest.raises(TransientError, match="listed just now"):
        opened.fs().person(TEACHER, [H25])


def test_a_collection_that_fails_in_the_middle_raises(opened: Opened) -> None:
    told = {"status": 500, "operation": "studentundervisning"}
    fault(opened.sandbox, "fs", "status", after=1, **told)
    with pytest.raises(TransientError):
        list(opened.fs(2).registrations(H25))


def test_one_client_serves_several_threads(opened: Opened) -> None:
    fs, tp = opened.fs(), opened.tp()
    with ThreadPoolExecutor(8) as pool:
        persons = list(pool.map(lambda _: fs.person(STUDENT, [H25, V26]), range(24)))
        courses = list(pool.map(lambda _: tp.course(IN5060), range(24)))
    assert persons == [FACTS[STUDENT]] * 24
    assert courses == [courses[0]] * 24
