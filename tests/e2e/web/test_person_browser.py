"""The pages about a person, a course and what changed, in a real browser."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from playwright.sync_api import Browser, Page, expect

from kalender.app import App, clock_from
from kalender.config import load
from kalender.operate import look_ups
from kalender.web.page import WebRole
from tests.e2e.conftest import NOW, Template, filled_house
from tests.e2e.web.browsing import ALL_WINDOWS, Window, focused, has_visible_focus, judge, opened
from tests.e2e.web.conftest import Pages, served
from tests.e2e.web.lively import STUDENT, make_lively

pytestmark = pytest.mark.e2e
OPENED = ".entries details[open]"
WIDE = 900  # pixels, in which a week has columns
FEWER_WINDOWS = (
    Window(320, "light"),
    Window(1280, "dark"),
    Window(390, "light", "nn"),
    Window(390, "dark", "en"),
)


@pytest.fixture(scope="session")
def lively(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[Pages]:
    """Pages of an installation in which much of a student's week is about to change."""
    with filled_house(tmp_path_factory.mktemp("lively"), template) as house:
        make_lively(house)
        wired = App(load(house.config, {}), clock_from(datetime.fromisoformat(NOW)))
        with served(wired) as pages:
            yield pages


def looked_up(pages: Pages) -> str:
    """Return the path of the student's page, for who looks in these tests."""
    number = look_ups.look_somebody_up(
        pages.database, STUDENT, who="kari", reason="case 4711", command="web person"
    )
    assert number is not None
    return f"/look-up/{number}"


def course_of(page: Page) -> str:
    """Return a course that the page offers to ask about."""
    code = page.locator("#courses option").first.get_attribute("value")
    assert code
    return code


@pytest.mark.parametrize("window", ALL_WINDOWS, ids=str)
def test_everybody_can_use_the_pages(browser: Browser, lively: Pages, window: Window) -> None:
    person = looked_up(lively)
    with opened(browser, lively, person, window, role=WebRole.HELPDESK) as page:
        judge(page, "person", window)
        course = course_of(page)
        page.locator(".entries summary").first.click()
        # in a wide window what is open lies over others, which were judged just now
        judge(page, "person-opened", window, part=OPENED, covered=window.width >= WIDE)
        if window not in FEWER_WINDOWS:
            return
        paths = {
            "people": "/person",
            "why": f"{person}?course={course}&day=2025-08-25&week=2025-08-25",
            "course": f"/course?code={course}",
            "changes": "/changes",
        }
        for name, path in paths.items():
            answer = page.goto(lively.origin + path)
            assert answer is not None
            assert answer.status == 200
            judge(page, name, window)


def test_a_person_is_looked_up_and_asked_about_by_keyboard_alone(
    browser: Browser, lively: Pages
) -> None:
    window = Window(1280, "light", "nb")
    with opened(browser, lively, "/person", window, role=WebRole.HELPDESK) as page:
        _go_to(page, "whom")
        page.keyboard.type(STUDENT)
        page.keyboard.press("Tab")
        page.keyboard.type("sak 4711")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Person 100003").wait_for()
        assert STUDENT not in page.url

        _go_to(page, "Neste uke →")
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Uke 35").wait_for()
        entry = page.locator(".entries details").first
        entry.locator("summary").focus()
        page.keyboard.press("Enter")
        expect(entry).to_have_attribute("open", "")
        expect(entry.locator(".about")).to_be_visible()

        _go_to(page, "course")
        page.keyboard.type("NONE1000")
        page.keyboard.press("Enter")
        page.locator("li.first").first.wait_for()
        assert "Her stopper det" in page.locator("li.first").first.inner_text()


def _go_to(page: Page, target: str) -> None:
    """Press Tab until the keyboard is there; wherever it comes, one sees it."""
    for _ in range(150):
        page.keyboard.press("Tab")
        if focused(page) == target:
            return
        assert has_visible_focus(page), focused(page)
    raise AssertionError(target)


def test_a_week_is_columns_where_there_is_room_and_a_list_where_there_is_not(
    browser: Browser, lively: Pages
) -> None:
    person = looked_up(lively)
    with opened(browser, lively, person, Window(1280), role=WebRole.HELPDESK) as page:
        boxes = [day.bounding_box() for day in page.locator(".day").all()]
        assert len({round(box["y"]) for box in boxes if box}) == 1
        blocks = [block.bounding_box() for block in page.locator(".entries li").all()]
        placed = [(b["x"], b["y"], b["width"], b["height"]) for b in blocks if b]
        for n, one in enumerate(placed):
            assert not any(_overlap(one, other) for other in placed[n + 1 :])
    with opened(browser, lively, person, Window(390), role=WebRole.HELPDESK) as page:
        days = [day.bounding_box() for day in page.locator(".day").all()]
        assert len({round(box["x"]) for box in days if box}) == 1
        assert page.locator(".hours").is_hidden()


Box = tuple[float, float, float, float]


def _overlap(one: Box, other: Box) -> bool:
    (x, y, width, height), (x2, y2, width2, height2) = one, other
    return x < x2 + width2 and x2 < x + width and y < y2 + height2 and y2 < y + height
