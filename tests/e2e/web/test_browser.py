"""The pages in a real browser: at three widths, light and dark, in three languages, by keyboard."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser
from sqlalchemy import delete, insert, update

from kalender.domain.work import Kind, Lane, Mark
from kalender.neighbours import breaker
from kalender.store import brakes, queue
from kalender.store.heartbeats import Heartbeat
from kalender.store.tables import dirty, heartbeat, minute
from tests.e2e.conftest import Template
from tests.e2e.web.browsing import ALL_WINDOWS, Window, focused, has_visible_focus, judge, opened
from tests.e2e.web.conftest import Pages, installed, served

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[Pages]:
    """Pages of an installation where much is wrong, after a day with a gap in its middle."""
    with served(installed(tmp_path_factory.mktemp("troubled"), template)) as pages:
        database = pages.database
        Heartbeat(worker="machine-with-a-long-name.example:4711").beat(database)
        now = database.now()
        late = now - timedelta(minutes=40)
        with database.write() as connection:
            connection.execute(update(heartbeat).values(seen_at=late))
            breaker.hold(
                connection,
                "exchange.main",
                until=breaker.FOR_EVER,
                reason="Exchange is upgraded tonight",
                by="kari",
            )
            brakes.hold(connection, "hand", "the timetable looks wrong")
            queue.mark(
                connection,
                [
                    Mark(Kind.COURSE, "BIO1000 25h", "test", lane=Lane.LIVE),
                    Mark(Kind.PERSON, "fs 100001", "test", lane=Lane.FILL),
                    Mark(Kind.CALENDAR, "1", "test", lane=Lane.RESYNC),
                ],
            )
            connection.execute(update(dirty).values(due_at=late, first_marked_at=late))
            connection.execute(delete(minute))
            connection.execute(insert(minute), list(a_day(now)))
        yield pages


def a_day(now: datetime) -> Iterator[dict[str, object]]:
    """The minutes of a day, of which four hours were not recorded."""
    end = now.replace(second=0, microsecond=0)
    for number in range(1, 1440):
        if 600 < number < 840:
            continue
        wave = (number * 37) % 60
        for lane, scale in (("live", 1), ("fill", 0), ("resync", 3)):
            yield {
                "at": end - timedelta(minutes=number),
                "lane": lane,
                "messages": 10_000 - number,
                "notifications": wave if lane == "live" else None,
                "written": wave * scale,
                "oldest_seconds": wave * scale * 2.5,
                "p50": wave * scale / 10 or None,
                "p95": wave * scale / 3 or None,
            }


@pytest.mark.parametrize("window", ALL_WINDOWS, ids=str)
def test_everybody_can_use_the_status_page(
    browser: Browser, pages: Pages, troubled: Pages, window: Window
) -> None:
    for name, installation in (("status", pages), ("troubled", troubled)):
        with opened(browser, installation, "/", window) as page:
            judge(page, name, window)


def test_the_page_of_an_error_is_usable_as_well(browser: Browser, pages: Pages) -> None:
    with opened(browser, pages, "/nothing", Window(320), status=404) as page:
        assert page.get_by_role("heading", level=1).inner_text() == "Siden kan ikke vises"
        judge(page, "error", Window(320))


def test_the_status_page_is_used_by_keyboard_alone(browser: Browser, troubled: Pages) -> None:
    with opened(browser, troubled, "/", Window(1280, "light", "nb")) as page:
        page.keyboard.press("Tab")
        assert focused(page) == "Gå til innholdet"
        page.keyboard.press("Enter")
        assert focused(page) == "content"
        seen = list[str]()
        for _ in range(40):
            page.keyboard.press("Tab")
            if focused(page) in {"", "Gå til innholdet"}:
                break  # past the last, at the browser itself
            assert has_visible_focus(page), focused(page)
            seen.append(focused(page))
        assert "Logg ut" in seen
        page.get_by_role("button", name="Nynorsk").focus()
        page.keyboard.press("Enter")
        page.locator("html[lang=nn]").wait_for()
        page.get_by_role("button", name="Logg ut").focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Du er logga ut").wait_for()


def test_the_plots_say_in_words_what_they_draw(browser: Browser, troubled: Pages) -> None:
    with opened(browser, troubled, "/", Window(language="en")) as page:
        names = [image.get_attribute("aria-labelledby") for image in page.get_by_role("img").all()]
        assert len(names) == 7
        drawn = page.get_by_role("img", name="Notifications in, each ten minutes at most")
        assert drawn.count() == 1
        assert page.locator("rect.gap").count() >= len(names)
        assert "Nobody recorded anything for" in page.inner_text("main")
        assert "Nothing was done, and nothing waited." in page.inner_text("main")
