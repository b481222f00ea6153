"""The pages of wishes in a real browser: at three widths, light and dark, in three languages, by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser
from sqlalchemy import Connection, update

from kalender.operate import look_ups, pauses
from kalender.store import brakes, people
from kalender.store.sql import db_now
from kalender.store.tables import teaching_event
from tests.e2e.conftest import Template
from tests.e2e.web.browsing import Window, focused, has_visible_focus, judge, opened
from tests.e2e.web.client import hold_all
from tests.e2e.web.conftest import Pages, installed, served
from tests.e2e.web.lively import STUDENT

pytestmark = pytest.mark.e2e
COURSE = "PSY1000"
WINDOWS = (
    Window(320, "light"),
    Window(390, "light", "nn"),
    Window(390, "dark", "en"),
    Window(1280, "light"),
    Window(1280, "dark"),
)
OPERATIONS = {
    "operations": "/operations",
    "pause": "/pause?name=fs",
    "resume": "/resume?name=exchange.main",
    "release": f"/release?scope=course {COURSE} 25h",
}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[Pages]:
    """Pages on which something is wished: brakes hold, of a course all that TP told of it."""
    with served(installed(tmp_path_factory.mktemp("wishes"), template)) as running:
        with running.database.write() as connection:
            hold_all(
                connection, *(person_of(connection, name) for name in ("st000004", "st000005"))
            )
            brakes.hold(connection, f"course {COURSE} 25h", "the answer lacks 40 of 40 events")
            key = (teaching_event.c.course == COURSE) & (teaching_event.c.semester == "25h")
            missing = update(teaching_event).where(key).values(missing_since=db_now())
            connection.execute(missing)  # as TP's answer would
            why = "Exchange is upgraded tonight"
            pauses.pause(connection, "exchange.main", until=None, who="ola", reason=why)
        yield running


def person_of(connection: Connection, name: str) -> int:
    person_id = people.find_by_any_identity(connection, name)
    assert person_id is not None
    return person_id


def looked_up(pages: Pages) -> str:
    """Return the path of the student's page, for who looks in these tests."""
    number = look_ups.look_somebody_up(
        pages.database, STUDENT, who="kari", reason="sak 4711", command="web person"
    )
    assert number is not None
    return f"/look-up/{number}"


@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_everybody_can_use_the_pages_of_wishes(
    browser: Browser, pages: Pages, window: Window
) -> None:
    person = looked_up(pages)
    with opened(browser, pages, f"{person}/wish/verify", window) as page:
        judge(page, "wish", window)
        page.locator("button.first").click()
        page.locator(".verdict.healthy").wait_for()
        judge(page, "done", window)
        for name, path in OPERATIONS.items():
            page.goto(pages.origin + path)
            judge(page, name, window)


def test_everybody_can_use_what_lists_persons_and_the_page_about_one(
    browser: Browser, pages: Pages
) -> None:
    window = Window(390, "dark")
    with opened(browser, pages, looked_up(pages), window) as page:
        judge(page, "person-of-operator", window)
        page.goto(f"{pages.origin}/release?scope=optout reserved")
        judge(page, "release-list", window)


def test_a_person_is_left_alone_by_keyboard(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages, looked_up(pages), Window(1280, "light", "nb")) as page:
        page.get_by_role("link", name="La personen være").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="La personen være").wait_for()
        page.locator("#content").focus()
        page.keyboard.press("Tab")
        assert (focused(page), has_visible_focus(page)) == ("reason", True)
        page.keyboard.type("Kari selv")
        page.keyboard.press("Tab")
        assert (focused(page), has_visible_focus(page)) == ("Fjern, og la personen være", True)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Det er registrert").wait_for()
        assert "Kari selv" in page.inner_text("main")
        page.get_by_role("link", name="Gå tilbake").focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Skriv til personen igjen").wait_for()
        assert "Kari selv" in page.inner_text("main")


def test_a_pause_is_made_and_ended_by_keyboard(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages, "/operations", Window(1280, "dark", "nn")) as page:
        page.get_by_role("link", name="Set på pause: tp").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Set på pause").wait_for()
        page.locator("#reason").focus()
        page.keyboard.type("TP blir flytt")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Det er registrert").wait_for()
        assert "TP blir flytt" in page.inner_text("main")
        page.get_by_role("link", name="Gå tilbake").focus()
        page.keyboard.press("Enter")
        page.get_by_role("link", name="Ta i bruk igjen: tp").wait_for()
        assert "kari: TP blir flytt" in page.inner_text("main")
