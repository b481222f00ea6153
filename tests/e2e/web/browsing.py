"""A real browser on the pages: Debian's Chromium, driven by Playwright and judged by axe-core."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from kalender.web.page import WebRole
from tests.e2e.web.conftest import Pages

SCREENSHOTS = "KALENDER_TEST_SCREENSHOTS"  # a directory that pictures are left in
TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
RESULTS = ("violations", "incomplete")  # what axe-core describes whole; all rules are run
WIDTHS = (320, 390, 1280)
Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
# What axe-core leaves undecided (its rule, and its own word why), and what looking decided.
DECIDED = {
    # A cell of a table that scrolls at this width: the same cell is judged in the widest window.
    ("color-contrast", "elmPartiallyObscured"),
    # A number of one digit there, which may be an icon: it is text, in the colour of its row.
    ("color-contrast", "shortTextContent"),
}


@dataclass(frozen=True, slots=True)
class Window:
    """What a window is like."""

    width: int = 1280
    scheme: Scheme = "light"
    language: str = "nb"


ALL_WINDOWS = (
    *(Window(width, scheme) for width in WIDTHS for scheme in SCHEMES),
    Window(390, "light", "nn"),
    Window(390, "dark", "en"),
)


@contextmanager
def opened(
    browser: Browser,
    pages: Pages,
    path: str,
    window: Window,
    *,
    role: WebRole = WebRole.OPERATOR,
    status: int = 200,
) -> Iterator[Page]:
    """Open a page for somebody of that role; what it says to the browser's console fails the test."""
    context = browser.new_context(
        viewport={"width": window.width, "height": 900},
        color_scheme=window.scheme,
        locale={"nb": "nb-NO", "nn": "nn-NO", "en": "en-GB"}[window.language],
    )
    name = pages.entrance.cookie
    context.add_cookies([{"name": name, "value": pages.cookie(role), "url": pages.origin}])
    page, complaints = context.new_page(), list[str]()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    answer = page.goto(pages.origin + path)
    assert answer is not None
    assert answer.status == status
    try:
        yield page
    finally:
        context.close()
    strange = [text for text in complaints if f"status of {status}" not in text]
    assert not strange, strange


# What it leaves undecided where an opened entry lies over others: these are judged while all are
# closed, and what is opened has the colours and the ground of the page's own text.
COVERED = {("color-contrast", "bgOverlap"), ("color-contrast", "elmPartiallyObscuring")}


def judge(
    page: Page, name: str, window: Window, *, part: str | None = None, covered: bool = False
) -> None:
    """Fail where axe-core finds a violation, or something that nobody has decided, or a page too wide.

    `part`: a selector of what became another one since the whole page was judged; axe-core looks at
    that alone. `covered`: something lies over other parts, which were judged before. Where
    SCREENSHOTS names a directory, a picture of the whole page is left there.
    """
    if directory := os.environ.get(SCREENSHOTS):
        file = f"{name}-{window.width}-{window.scheme}-{window.language}.png"
        page.screenshot(path=Path(directory) / file, full_page=True)
    assert page.evaluate("document.documentElement.lang") == window.language
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= window.width, f"{name} is {width} pixels wide in {window}"
    options = {"runOnly": {"type": "tag", "values": list(TAGS)}, "resultTypes": list(RESULTS)}
    found = Axe().run(page, part, options).response
    decided = DECIDED | COVERED if covered else DECIDED
    undecided = [told for told in _told(found["incomplete"]) if told[:2] not in decided]
    problems = [*_told(found["violations"]), *undecided]
    assert not problems, f"{name} in {window}: {problems}"


def _told(rules: Sequence[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """Return what axe-core says: the rule, why it says so, and the element."""
    return [
        (rule["id"], str((check.get("data") or {}).get("messageKey")), node["html"][:200])
        for rule in rules
        for node in rule["nodes"]
        for check in (*node["any"], *node["all"], *node["none"])
    ]


def focused(page: Page) -> str:
    """Return what the keyboard is at: its name, or else its text; "" where at nothing of the page."""
    return str(
        page.evaluate(
            "(e => e === document.body ? '' : e.id || e.textContent.trim() || e.value)"
            "(document.activeElement)"
        )
    )


def has_visible_focus(page: Page) -> bool:
    """Whether one sees where the keyboard is."""
    return bool(
        page.evaluate("(e => getComputedStyle(e).outlineStyle !== 'none')(document.activeElement)")
    )
