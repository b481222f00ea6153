"""What a page is: its path, the role that it needs, and the function that answers.

A function that answers runs in a thread of its own, so that it may ask the database. It is given a
`PageRequest`, raises a `PageError` where there is nothing to show, and otherwise returns an
`Answer`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Literal

from kalender.app import App
from kalender.domain.render import Language
from kalender.errors import KalenderError
from kalender.reconcile.desired import CalendarSettings
from kalender.store.database import Database
from kalender.web.snapshots import Snapshots


class WebRole(IntEnum):
    """What somebody may do; each role may do what those below it may."""

    STATUS = 1  # counts alone, and no person
    HELPDESK = 2  # persons, read-only; each look-up is logged
    OPERATOR = 3  # wishes


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Who looks: `who` is the name under which look-ups and wishes are logged."""

    session_id: str
    who: str
    role: WebRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What all pages share. `settings` keep what they read and rendered lately."""

    app: App
    database: Database
    snapshots: Snapshots
    settings: CalendarSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """One request by somebody whose role suffices.

    `path` holds the parameters of the page's path, `query` those after the question mark, and
    `form` what was sent; of a name that came twice the last value counts.
    """

    site: Site
    session: Session
    language: Language
    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownPage:
    """A page: the name of its template, and the values that the template names.

    `ends_session`: whoever is shown it is signed out.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    ends_session: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Redirect:
    """Another page of ours to go to, by its path; the answer to a form that was carried out.

    `language`, where it is set, is kept in a cookie from then on.
    """

    path: str
    language: Language | None = None


Answer = ShownPage | Redirect


@dataclass(frozen=True, slots=True)
class Page:
    """One page, or what one form does.

    `name` names it in logs and templates, where `path_of(name)` gives its path. `menu`: it stands
    in the menu of all pages, as the words of `page.NAME`. `limited`: it looks persons up, so only
    so many are answered in a minute for one person who asks. Forms, whose method is POST, are
    answered only with the session's CSRF token.
    """

    path: str  # as Starlette writes them: /course/{course}
    name: str
    role: WebRole
    answer: Callable[[PageRequest], Answer]
    method: Literal["GET", "POST"] = "GET"
    menu: bool = False
    limited: bool = False


class PageError(KalenderError):
    """There is nothing to show: an HTTP status, and the key of the words that say so.

    `because` is one word for the log, which names nobody.
    """

    def __init__(self, status: int, words: str, *, because: str | None = None) -> None:
        super().__init__(f"{status} {words}")
        self.status, self.words, self.because = status, words, because or words


def not_found() -> PageError:
    """Return the error of a page that is not there, or about somebody of whom nothing is shown."""
    return PageError(404, "error.not_found")


def own_path(path: str) -> bool:
    """Whether this is a path of ours, to which a browser may be sent."""
    is_path = path.startswith("/") and not path.startswith("//")
    return is_path and path.isprintable() and "\\" not in path
