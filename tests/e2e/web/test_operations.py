"""Pauses and brakes on pages: asked once with a reason, carried out as by the commands, and kept."""

import json
import re
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from kalender.app import App, clock_from
from kalender.config import load
from kalender.operate import queries
from kalender.operate.status import Neighbour
from kalender.store import acts, brakes, people
from kalender.store.acts import Filter, LogRow
from kalender.store.tables import dirty
from kalender.web.page import WebRole
from tests.e2e.conftest import NOW
from tests.e2e.house import House
from tests.e2e.web.client import Client, form_of, hold_all, person_id, plain, wished
from tests.e2e.web.conftest import Pages, served
from tests.e2e.web.lively import NUMBER, STUDENT

pytestmark = pytest.mark.e2e
OTHER = "st000004"
PATHS = ("/operations", "/pause?name=fs", "/resume?name=fs", "/release?scope=hand", "/done/1")


def neighbour_of(pages: Pages, name: str) -> Neighbour | None:
    with pages.database.read() as connection:
        return next((each for each in queries.neighbours(connection) if each.name == name), None)


def latest_act(pages: Pages) -> LogRow:
    with pages.database.read() as connection:
        return acts.acts(connection, Filter(limit=1))[0]


def state_of(pages: Pages, scope: str) -> str | None:
    with pages.database.read() as connection:
        return brakes.state(connection, scope)


def test_a_neighbour_is_paused_until_a_time_for_a_reason_and_resumed(own_pages: Pages) -> None:
    client = Client(own_pages, WebRole.OPERATOR)
    app = own_pages.wired
    assert "/pause?name=exchange.main" in client.get("/operations").text
    until = (app.clock() + timedelta(hours=3)).astimezone(app.zone)
    typed = {"reason": "Exchange is upgraded", "until": f"{until:%Y-%m-%dT%H:%M}"}
    done = wished(client, "/pause?name=exchange.main", **typed)
    assert [answer.status_code for answer in (*done.history, done)] == [303, 200]
    assert "The pause holds within seconds" in done.text
    held = neighbour_of(own_pages, "exchange.main")
    assert held is not None
    assert (held.held_by, held.held_reason) == ("kari", typed["reason"])
    assert held.held_until is not None
    lasts = held.held_until - own_pages.database.now()
    assert timedelta(hours=2, minutes=50) < lasts <= timedelta(hours=3)
    act = latest_act(own_pages)
    assert (act.who, act.what, act.scope, act.reason) == (
        "kari",
        "pause",
        "exchange.main",
        typed["reason"],
    )
    assert "kari: Exchange is upgraded" in plain(client.get("/operations").text)
    assert wished(client, "/pause?name=bulk", reason="a rehearsal", until="").status_code == 200
    assert "until resumed" in client.get("/operations").text

    asked = plain(client.get("/resume?name=exchange.main").text)
    assert "State: paused by hand (kari: Exchange is upgraded)" in asked
    done = wished(client, "/resume?name=exchange.main", reason="it is up again")
    assert "It is in use again within seconds" in done.text
    assert latest_act(own_pages).reason == "it is up again"
    resumed = neighbour_of(own_pages, "exchange.main")
    assert resumed is not None
    assert resumed.condition is None
    before = latest_act(own_pages)
    for path, fields, words in (
        ("/resume?name=exchange.main", {"reason": "x"}, "not paused by hand"),
        ("/pause?name=fs", {"reason": " ", "until": ""}, "must be filled in"),
        ("/pause?name=fs", {"reason": "x", "until": "2020-01-01T10:00"}, "end in the future"),
        ("/pause?name=fs", {"reason": "x", "until": "soon"}, "end in the future"),
    ):
        refused = wished(client, path, **fields)
        assert (refused.status_code, words in refused.text) == (400, True), path
    assert client.get("/pause?name=nothing").status_code == 404
    assert latest_act(own_pages) == before


def test_brakes_of_every_kind_are_released_for_a_reason(own_pages: Pages) -> None:
    client, number = Client(own_pages, WebRole.OPERATOR), person_id(own_pages)
    with own_pages.database.write() as connection:
        scopes = hold_all(connection, number, person_id(own_pages, OTHER))
    person = client.look_up(STUDENT).request.path_url
    assert f"{person}/wish/believe" in client.get(person).text
    page = client.get("/operations").text
    for scope in scopes:
        assert f'<th scope="row">{scope}<br>' in page
        assert wished(client, f"/release?scope={scope}", reason=" ").status_code == 400
        done = wished(client, f"/release?scope={scope}", reason=f"right: {scope}")
        assert done.status_code == 200
        assert "The brake is released" in done.text
        act = latest_act(own_pages)
        assert (act.what, act.scope, act.reason) == (
            "brake release",
            scope,
            f"right: {scope}",
        )
        assert state_of(own_pages, scope) != "holding"
        over = client.get(f"/release?scope={scope}")
        assert over.status_code == 404
        assert 'href="/operations">' in over.text.partition("<main")[2]
    with own_pages.database.read() as connection:
        assert people.wishes_of(connection, number) == {people.LISTED}
    done = wished(client, f"{person}/wish/believe", reason="they left")
    assert "the answer counts" in done.text
    with own_pages.database.read() as connection:
        query = select(dirty.c.reason).where(dirty.c.key == f"fs {NUMBER}")
        assert connection.execute(query).scalar() == "brake released"


def test_only_operators_reach_pauses_and_brakes_and_protected_persons_are_not_in_them(
    own_pages: Pages,
) -> None:
    operator, number = Client(own_pages, WebRole.OPERATOR), person_id(own_pages)
    with own_pages.database.write() as connection:
        (scope,) = [s for s in hold_all(connection, number, number) if s.startswith("calendar")]
    action, fields = form_of(operator.get("/release?scope=hand"))
    before = latest_act(own_pages)
    for role in (WebRole.STATUS, WebRole.HELPDESK):
        client = Client(own_pages, role)
        for path in PATHS:
            assert client.get(path).status_code == 403, path
        for path in ("/pause", "/resume", action):
            sent = client.http.post(own_pages.origin + path, fields, timeout=60)
            assert sent.status_code == 403
        assert "/operations" not in client.get("/").text
        assert "/release" not in client.get("/course", code="MAT1000").text
    assert 'href="/operations#brakes"' in operator.get("/").text
    assert "/release?scope=course" in operator.get("/course", code="MAT1000").text
    assert scope in operator.get("/operations").text
    with own_pages.database.write() as connection:
        people.wish(connection, number, {people.PROTECT}, "threat")
    assert f">{scope}<" not in operator.get("/operations").text
    for name in (scope, scope.upper(), "person fs 100003", "calendar 99", "", "x"):
        assert operator.get("/release", scope=name).status_code == 404, name
    assert f"person {number}<" not in operator.get("/release?scope=optout reserved").text
    assert latest_act(own_pages) == before


def test_a_course_is_released_after_a_look_at_what_goes(filled: House) -> None:
    """What was agreed to is what was shown: what holds otherwise meanwhile is shown anew."""
    config = filled.config.read_text() + "\n[safety]\nmin_deletes = 10000\n"
    filled.config.write_text(config)
    wired = App(load(filled.config, {}), clock_from(datetime.fromisoformat(NOW)))
    course = json.loads(filled.run("show", STUDENT, "--json"))["placements"][0]["course"]
    told = filled.get(f"tp/{course}")
    filled.send("PUT", f"tp/{course}", told | {"events": []})
    filled.run("resync", "--course", course)
    filled.run("worker", "--until-idle")
    before = len(filled.held()[f"{STUDENT}@uni.example"])
    (brake,) = json.loads(filled.run("brake", "show", "--json"))
    with served(wired) as pages:
        client = Client(pages, WebRole.OPERATOR)
        path = f"/release?scope={brake['scope']}"
        asked = client.get(path)
        counted = filled.run("brake", "release", brake["scope"], "--reason", "x", "--dry-run")
        deletes, persons = re.findall(r"\d+", counted)[:2]
        assert f"where it still says so: {deletes} (persons: {persons})" in plain(asked.text)
        rows = re.findall(r'<td class="number">(\d+)</td></tr>', asked.text)
        assert (len(rows), sum(map(int, rows))) == (brake["held"], int(deletes))
        action, fields = form_of(asked)
        stale = {**fields, "agreed": "1 1 0 0", "reason": "TP says so"}
        answer = client.http.post(pages.origin + action, stale, timeout=60)
        assert (answer.status_code, "holds something else" in answer.text) == (400, True)
        assert wished(client, path, reason="TP says so").status_code == 200
    filled.run("worker", "--until-idle")
    assert len(filled.held()[f"{STUDENT}@uni.example"]) < before
    assert json.loads(filled.run("brake", "show", "--json")) == []
    (act,) = json.loads(filled.run("log", "--acts", "--operation", "brake release", "--json"))
    assert (act["who"], act["scope"], act["reason"]) == ("kari", brake["scope"], "TP says so")
