"""What operators wish on pages: asked once, carried out as by the command, kept, and said."""

import re
from collections.abc import Mapping
from datetime import datetime

import pytest
from sqlalchemy import select

from kalender.app import App, clock_from
from kalender.config import load
from kalender.operate import disclosure
from kalender.store import acts, brakes, people
from kalender.store.acts import Filter, LogRow
from kalender.store.tables import calendar, dirty, look_up
from kalender.web.page import WebRole
from tests.e2e.conftest import NOW
from tests.e2e.house import House
from tests.e2e.web.client import PERSON_WISHES, Client, form_of, person_id, plain, wished
from tests.e2e.web.conftest import Pages, served
from tests.e2e.web.lively import STUDENT

pytestmark = pytest.mark.e2e
REASON = "case 4711"


def acts_of(pages: Pages) -> list[LogRow]:
    with pages.database.read() as connection:
        return acts.acts(connection, Filter())


def calendars_of(pages: Pages, number: int) -> list[Mapping[str, object]]:
    query = select(calendar).where(calendar.c.person_id == number)
    with pages.database.read() as connection:
        return [dict(row) for row in connection.execute(query).mappings()]


def test_each_wish_of_a_person_asks_once_is_carried_out_and_says_so(own_pages: Pages) -> None:
    client, number = Client(own_pages, WebRole.OPERATOR), person_id(own_pages)
    person = client.look_up(STUDENT, REASON).request.path_url
    words = {
        "again": ("resync --person", "FS will be asked about the person again"),
        "verify": ("verify", "checked as soon as a worker is free: 1."),
        "retry": ("retry", "tried again now: 2."),  # their calendar, and what `again` marked
        "out": ("optout add", "A worker takes back what was written"),
        "in": ("optout remove", "A worker fills the calendar"),
    }
    before = len(acts_of(own_pages))
    for count, (name, (command, said)) in enumerate(words.items(), 1):
        assert f"{person}/wish/{name}" in client.get(person).text
        asked = client.get(f"{person}/wish/{name}")
        assert len(acts_of(own_pages)) == before + count - 1  # asking does nothing
        assert asked.text.count('<form class="wish"') == 1
        typed = {"reason": "Kari herself"} if name == "out" else {}
        done = wished(client, f"{person}/wish/{name}", **typed)
        assert [answer.status_code for answer in (*done.history, done)] == [303, 200]
        assert re.fullmatch(rf"{person}/done/\d+", done.request.path_url)
        assert said in plain(done.text)
        latest = acts_of(own_pages)[0]
        reason = typed.get("reason", REASON)
        assert (latest.who, latest.what, latest.person) == ("kari", command, number)
        assert latest.reason == reason
        assert reason in done.text
        assert len(acts_of(own_pages)) == before + count
        (row,) = calendars_of(own_pages, number)
        assert row["must_verify"] == (name != "again")
        assert row["taking_back"] == (name == "out")
    with own_pages.database.read() as connection:
        assert people.wishes_of(connection, number) == frozenset()
        work = disclosure.work_of(connection, number)
        keys = connection.execute(select(dirty.c.kind, dirty.c.key)).all()
    assert {tuple(key) for key in keys} <= work
    told = plain(client.get(person).text)
    assert "What somebody asked for" in told
    for word in ("asked again", "tried again", "opted out", "served again", "Kari herself"):
        assert word in told


def test_whom_a_wish_leaves_alone_is_said_beforehand_and_who_said_so_is_asked(
    own_pages: Pages,
) -> None:
    client = Client(own_pages, WebRole.OPERATOR)
    path = f"{client.look_up(STUDENT).request.path_url}/wish/out"
    assert re.search(r"taken back \(\d\d+ entries are recorded\)", client.get(path).text)
    before = len(acts_of(own_pages))
    answer = wished(client, path, reason="  ")
    assert (answer.status_code, "must be filled in" in answer.text) == (400, True)
    assert len(acts_of(own_pages)) == before


def test_only_operators_may_wish_and_only_of_whom_they_looked_up(own_pages: Pages) -> None:
    helper, operator = Client(own_pages), Client(own_pages, WebRole.OPERATOR)
    person = operator.look_up(STUDENT).request.path_url
    assert "/wish/" in operator.get(person).text
    assert "/wish/" not in helper.get(person).text
    action, fields = form_of(operator.get(f"{person}/wish/verify"))
    before = acts_of(own_pages)
    for client in (helper, Client(own_pages, WebRole.STATUS)):
        for name in PERSON_WISHES:
            assert client.get(f"{person}/wish/{name}").status_code == 403
            sent = client.http.post(f"{own_pages.origin}{person}/wish/{name}", fields, timeout=60)
            assert sent.status_code == 403
        assert client.get(f"{person}/done/1").status_code == 403
    stranger = Client(own_pages, WebRole.OPERATOR, "per")
    strange = form_of(stranger.get(f"{stranger.look_up(STUDENT).request.path_url}/wish/retry"))[1]
    for client, sent_fields, status in (
        (stranger, strange, 404),  # it is kari's look-up
        (operator, {}, 403),  # no token
        (operator, strange, 403),  # another's
    ):
        sent = client.http.post(own_pages.origin + action, sent_fields, timeout=60)
        assert sent.status_code == status
    for path in (f"{person}/wish/none", f"{person}/done/999999", f"{person}/done/x"):
        assert operator.get(path).status_code == 404
    assert acts_of(own_pages) == before


def test_acts_about_a_person_and_their_calendars_are_told_to_the_help_desk(
    own_pages: Pages,
) -> None:
    number = person_id(own_pages)
    with own_pages.database.write() as connection:
        (theirs,) = people.calendars_of(connection, [number])
        brakes.put(connection, f"calendar {theirs}", "holding", "too many entries")
        brakes.put(connection, f"calendar {theirs}", "released", "it is right", who="ola")
        brakes.put(connection, "calendar 4711", "holding", "somebody else's")
        acts.record(connection, "protect add", who="ola", persons=[number], reason="threat")
        acts.record(connection, "protect remove", who="ola", persons=[number])
    operator, helper = Client(own_pages, WebRole.OPERATOR), Client(own_pages)
    wished(operator, f"{operator.look_up(STUDENT, REASON).request.path_url}/wish/retry")
    text = helper.look_up(STUDENT, "another case").text
    (table,) = re.findall(r'<table aria-labelledby="acts">.*?</table>', text, re.DOTALL)
    rows = [plain(row) for row in re.findall(r"<tr>(.*?)</tr>", table)]
    told = [re.sub(r"^[-0-9]+ [:0-9]+ ", "", row) for row in rows[1:]]
    assert told == [  # and that somebody was protected once is not
        f"kari tried again {REASON}",
        f"ola brake released (calendar {theirs}) it is right",
        f"service brake set (calendar {theirs}) too many entries",
    ]


def test_who_is_protected_is_nobody_to_a_wish_and_the_attempt_is_kept(own_pages: Pages) -> None:
    client, number = Client(own_pages, WebRole.OPERATOR), person_id(own_pages)
    person = client.look_up(STUDENT).request.path_url
    action, fields = form_of(client.get(f"{person}/wish/verify"))
    done = wished(client, f"{person}/wish/verify").request.path_url
    with own_pages.database.write() as connection:
        people.wish(connection, number, {people.PROTECT}, "threat")
    before = acts_of(own_pages)
    nobody = client.get("/look-up/999/wish/verify")
    answers = [client.get(f"{person}/wish/{name}") for name in PERSON_WISHES]
    answers += [client.http.post(own_pages.origin + action, fields, timeout=60), client.get(done)]
    for answer in answers:
        shown = re.sub(r'value="[^"]*"', "", answer.text)
        assert (answer.status_code, shown) == (404, re.sub(r'value="[^"]*"', "", nobody.text))
    assert acts_of(own_pages) == before
    with own_pages.database.read() as connection:
        refused = connection.execute(select(look_up).where(look_up.c.refused)).all()
    assert len(refused) == len(answers)


def test_a_worker_carries_out_what_was_wished(filled: House) -> None:
    """Taken back by an opt-out, and there again once that is taken back itself."""

    def standing() -> int:
        return len(filled.held().get(f"{STUDENT}@uni.example", ()))

    wired = App(load(filled.config, {}), clock_from(datetime.fromisoformat(NOW)))
    before = standing()
    assert before > 0
    with served(wired) as pages:
        client = Client(pages, WebRole.OPERATOR)
        person = client.look_up(STUDENT).request.path_url
        wished(client, f"{person}/wish/out", reason="they called")
        filled.run("worker", "--until-idle")
        assert standing() == 0
        wished(client, f"{person}/wish/in")
        filled.run("worker", "--until-idle")
    assert standing() == before
