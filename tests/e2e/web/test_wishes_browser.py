"""The pages of wishes in a real browser: at three widths, light and dark, in three languages, by keyboard."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from kalender.operate import look_ups
from tests.e2e.conftest import Template
from tests.e2e.web.browsing import ALL_WINDOWS, Window, focused, has_visible_focus, judge, opened
from tests.e2e.web.conftest import Pages, installed, served
from tests.e2e.web.lively import STUDENT

pytestmark = pytest.mark.e2e
FEWER_WINDOWS = (Window(320, "light"), Window(1280, "dark"), Window(390, "light", "nn"))


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[Pages]:
    """Pages on which something is wished."""
    with served(installed(tmp_path_factory.mktemp("wishes"), template)) as running:
        yield running


def looked_up(pages: Pages) -> str:
    """Return the path of the student's page, for who looks in these tests."""
    number = look_ups.look_somebody_up(
        pages.database, STUDENT, who="kari", reason="sak 4711", command="web person"
    )
    assert number is not None
    return f"/look-up/{number}"


@pytest.mark.parametrize("window", ALL_WINDOWS, ids=str)
def test_everybody_can_use_the_pages_of_wishes(
    browser: Browser, pages: Pages, window: Window
) -> None:
    person = looked_up(pages)
    with opened(browser, pages, f"{person}/wish/verify", window) as page:
        judge(page, "wish", window)
        page.locator("button.first").click()
        page.locator(".verdict.healthy").wait_for()
        judge(page, "done", window)
    if window in FEWER_WINDOWS:
        with opened(browser, pages, person, window) as page:
            judge(page, "person-of-operator", window)
        with opened(browser, pages, f"{person}/wish/out", window) as page:
            judge(page, "opt-out", window)


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
