"""The pages about a person, a course and what changed, over HTTP, on both databases."""

import re
from contextlib import closing
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select, update

from kalender.app import App, clock_from
from kalender.config import load
from kalender.domain.model import Account, CourseKey
from kalender.domain.work import Cause, Kind, Lane, Mark
from kalender.neighbours import breaker
from kalender.store import acts, brakes, own_database, people, queue
from kalender.store.acts import Filter
from kalender.store.database import Database
from kalender.store.tables import database_identity, look_up
from kalender.web.page import WebRole
from kalender.web.words import WORDS
from tests.copying import copy_rows
from tests.e2e.conftest import NOW
from tests.e2e.house import House
from tests.e2e.web.client import Client, person_id, plain
from tests.e2e.web.conftest import Pages, served
from tests.e2e.web.lively import NUMBER, STUDENT, make_lively

pytestmark = pytest.mark.e2e
LARGEST = 100_000
SCRIPT = "<script>alert(1)</script>"


def test_a_person_is_found_for_a_reason_and_it_is_said_who_looked(own_pages: Pages) -> None:
    client = Client(own_pages)
    for name in (STUDENT, NUMBER, f"{STUDENT}@uni.example", f"person {person_id(own_pages)}"):
        answer = client.look_up(name)
        assert answer.status_code == 200
        assert re.fullmatch(r"/look-up/\d+", answer.request.path_url)  # which logs and history keep
        assert len(answer.content) < LARGEST
        text = plain(answer.text)
        assert "The calendar is as it should be" in text
        assert f"Person {NUMBER}" in text
        assert "case 4711" in text
        assert "Week 34" in text
    listed = plain(client.get("/person").text)
    assert listed.count("case 4711") == 4
    assert "kari" in listed
    assert STUDENT not in listed
    for name, reason in (("nobody", "x"), (STUDENT, " "), ("", "x")):
        assert client.look_up(name, reason).status_code == 404
    with own_pages.database.read() as connection:
        assert len(acts.looks(connection, Filter())) == 4


def test_a_look_up_is_good_for_who_asked_and_for_an_hour(own_pages: Pages) -> None:
    client = Client(own_pages)
    path = client.look_up(STUDENT).request.path_url
    assert Client(own_pages, who="per").get(path).status_code == 404
    unknown = client.get("/look-up/999")
    assert unknown.status_code == 404
    assert 'href="/person">Look a person up</a>' in unknown.text
    assert client.get("/look-up/1x").status_code == 404
    assert client.get(path).status_code == 200
    with own_pages.database.write() as connection:
        past = own_pages.database.now().replace(year=2020)
        connection.execute(update(look_up).values(at=past))
    assert client.get(path).status_code == 404


def test_who_is_protected_is_answered_as_nobody_and_the_attempt_is_logged(
    own_pages: Pages,
) -> None:
    client = Client(own_pages)
    path = client.look_up(STUDENT).request.path_url
    number = person_id(own_pages)
    with own_pages.database.write() as connection:
        people.wish(connection, number, {people.PROTECT}, "threat")
    protected, nobody = client.look_up(STUDENT), client.look_up("st999999")
    assert (protected.status_code, nobody.status_code) == (404, 404)
    unnamed = [re.sub(r'value="[^"]*"', "", answer.text) for answer in (protected, nobody)]
    assert unnamed[0] == unnamed[1]
    assert client.get(path).status_code == 404
    for page in ("/person", "/changes", "/changes?what=create"):
        cells = re.findall(r"<t[dh][^>]*>(?:<a[^>]*>)?([^<]*)", client.get(page).text)
        assert str(number) not in cells
    assert "somebody protected" not in client.get("/person").text
    operator = plain(Client(own_pages, WebRole.OPERATOR).get("/person").text)
    assert "somebody protected" in operator
    with own_pages.database.read() as connection:
        refused = connection.execute(select(look_up).where(look_up.c.refused)).mappings().all()
    assert [(row["person_id"], row["who"]) for row in refused] == [(number, "kari")] * 2


def test_why_is_a_checklist_with_the_first_failing_line_and_its_remedy(own_pages: Pages) -> None:
    client = Client(own_pages)
    path = client.look_up(STUDENT).request.path_url
    answer = client.get(path, course="none1000").text
    (first,) = re.findall(r'<li class="first">(.*?)</li>', answer, re.DOTALL)
    assert "Neither FS nor TP told of a course NONE1000" in plain(first)
    assert "To be mended by" in plain(first)
    odd = client.get(path, course="MAT1000", day="soon", week="never", before="x 1")
    assert odd.status_code == 200
    assert "The day is given as 2025-09-01." in odd.text


def test_the_role_decides_what_is_shown(own_pages: Pages) -> None:
    status = Client(own_pages, WebRole.STATUS)
    assert status.get("/person").status_code == 403
    assert status.get("/look-up/1").status_code == 403
    course = status.get("/course", code="mat1000")
    assert course.status_code == 200
    for page in (course, status.get("/changes")):
        assert not re.search(r"st00\d+|/person\?whom", page.text)
        assert len(page.content) < LARGEST
    assert "whom=person+" in Client(own_pages).get("/changes").text


def test_too_many_look_ups_in_a_minute_are_429_in_words(own_pages: Pages) -> None:
    client = Client(own_pages)
    answers = [client.look_up("nobody").status_code for _ in range(31)]
    assert (answers[0], answers[-1]) == (404, 429)
    assert "too many look-ups" in client.look_up(STUDENT).text


def test_too_many_pages_are_429_in_words_and_only_for_who_asked(own_pages: Pages) -> None:
    client, limit = Client(own_pages), own_pages.entrance.page_limit
    while (refused := client.get("/course")).status_code != 429:
        while limit.allows("kari"):
            pass
    assert "Too many pages" in refused.text
    assert refused.headers["retry-after"] == "1"
    assert own_pages.session(WebRole.HELPDESK, "ola").get(own_pages.origin + "/course").ok


def test_a_course_and_changes_are_shown_filtered_and_paged(own_pages: Pages) -> None:
    client = Client(own_pages)
    course = plain(client.get("/course", code="MAT1000").text)
    assert "For everybody" in course
    assert "Whom changes concerned" in course
    assert client.get("/course", code="NONE1000").status_code == 404
    day = own_pages.database.now().astimezone(ZoneInfo("Europe/Oslo")).date().isoformat()
    first = client.get("/changes", day=day)
    assert first.text.count("whom=person+") == 50
    assert len(first.content) < LARGEST
    said = plain(first.text)
    assert "persons read 33 new of these 33" in said
    assert "calendars that are filled 0" in said
    assert "new persons:" not in said
    older = re.search(r'href="(/changes\?[^"]+before=[^"]+)"', first.text)
    assert older is not None
    second = client.get(older[1].replace("&amp;", "&"))
    assert second.text.count("whom=person+") == 50
    assert _log(first.text) != _log(second.text)
    assert "MAT1000" not in _log(client.get("/changes", day=day, course="PSY1000").text)
    assert "No changes" in client.get("/changes", day=day, cause="verify").text
    assert "No changes" in client.get("/changes", day="2020-01-01").text
    assert client.get("/changes", day="x", cause="x", what="x", before="x").status_code == 200


def test_a_course_is_told_of_in_the_language_of_who_looks(own_pages: Pages) -> None:
    key = CourseKey("MAT1000", "25h")
    with own_pages.database.write() as connection:
        brakes.hold(connection, brakes.course_scope(key), "12 coming events gone from TP")
        mark = Mark(
            Kind.COURSE, str(key), "asked for by hand", cause=Cause.OPERATOR, lane=Lane.LIVE
        )
        queue.mark(connection, [mark])
    client = Client(own_pages)
    client.http.headers["Accept-Language"] = "nn"
    for answer in (client.get("/course", code="MAT1000"), client.get("/course")):
        assert "komande hendingar som er borte frå TP: 0" in plain(answer.text)
        assert "gone from TP" not in answer.text
    told = plain(client.get("/course", code="MAT1000").text)
    assert "nokon bad om det" in told
    assert re.search(r"Kva som endra seg då \d+ nye Registrerte", told)
    assert "Kva som endra seg då publisert, eller skjult att" in told  # in the next semester
    assert "asked for by hand" not in told


def _log(text: str) -> str:
    return text.partition('id="log"')[2]


def test_whatever_names_a_person_or_was_typed_is_text(own_pages: Pages) -> None:
    client, number = Client(own_pages), person_id(own_pages)
    names = Account(
        fs_number=int(NUMBER), username=SCRIPT, mail=(("EPOST", f"{SCRIPT}@uni.example"),)
    )
    with own_pages.database.write() as connection:
        people.save_accounts(connection, [(number, names)], {})
        breaker.hold(connection, "exchange.main", until=breaker.FOR_EVER, reason=SCRIPT, by=SCRIPT)
        calendars = people.calendars_of(connection, [number])
        people.mark_calendars(connection, calendars, reason=SCRIPT, lane=Lane.ASKED)
    found = client.look_up(NUMBER, reason=SCRIPT)
    pages = [
        found,
        client.look_up(SCRIPT, reason=SCRIPT),
        client.look_up(f"{SCRIPT} nobody", reason=SCRIPT),
        client.get(found.request.path_url, course=SCRIPT, day=SCRIPT, week=SCRIPT),
        client.get("/person", whom=SCRIPT),
        client.get("/course", code=SCRIPT, semester=SCRIPT),
        client.get("/changes", day=SCRIPT, course=SCRIPT, cause=SCRIPT),
    ]
    assert [page.status_code for page in pages] == [200, 200, 404, 200, 200, 404, 200]
    for page in pages:
        assert "<script" not in page.text
        assert "&lt;script&gt;" in page.text
    assert found.text.count("&lt;script&gt;") >= 4  # their names, the reasons of look-up and pause


# -- a lively week ---------------------------------------------------------------------------------------


@pytest.fixture(params=["sqlite", "postgresql"])
def filled_on_both(request: pytest.FixtureRequest, filled: House) -> House:
    """An installation whose calendars are right, on either database."""
    if request.param == "postgresql":
        url = str(request.getfixturevalue("migrated_postgresql"))
        copy_rows(filled.database, url)
        filled.config.write_text(filled.config.read_text().replace(filled.database, url))
        filled.database = url
        with closing(Database(url)) as database, database.write() as connection:
            connection.execute(delete(database_identity))  # which is the other database's
            own_database.record_first(connection)
    return filled


def test_a_week_shows_what_comes_moves_goes_and_is_cancelled(filled_on_both: House) -> None:
    course = make_lively(filled_on_both)
    wired = App(load(filled_on_both.config, {}), clock_from(datetime.fromisoformat(NOW)))
    with served(wired) as pages:
        client = Client(pages)
        answer = client.look_up(STUDENT)
        texts = [answer.text, client.get(answer.request.path_url, week="2025-08-25").text]
        changed = client.get("/changes", course=course).text
    standings = set(
        re.findall(r'<li class="h\d+ m\d+ eh\d+ em\d+ l\d+of\d+ (\w+)', " ".join(texts))
    )
    assert standings >= {"there", "coming", "moving", "going", "changing"}
    assert "Something is not as it should be" in texts[0]
    assert "the page is looked at" in plain(texts[0])
    assert any(' cancelled">' in text for text in texts)
    assert course in _log(changed)


def test_each_word_is_there_in_three_languages() -> None:
    for key, texts in WORDS.items():
        assert all(texts), key
        fields = [sorted(re.findall(r"\{\w+\}", text)) for text in texts]
        assert fields[0] == fields[1] == fields[2], key
