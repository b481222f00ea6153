"""Templates, and what every template may call. What comes from a database is always escaped."""

from collections.abc import Sequence
from datetime import datetime, tzinfo
from functools import partial
from importlib.resources import files

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from kalender import __version__
from kalender.domain.moment import said, said_shortly
from kalender.domain.render import Language
from kalender.operate.sentence import LANGUAGES, Recorded, Sentence
from kalender.web.dates import clock, day_in_words, weekday
from kalender.web.page import Page, Session, ShownPage
from kalender.web.sessions import Sessions
from kalender.web.words import NAMES, say, say_or_as_is

FOLDER = files("kalender.web") / "templates"


class Templates:
    """Renders what a page shows. Usable from several threads.

    Beside its own values a template may use `say(key, …)` for words, `say_or_as_is(group, value)`
    for the word of a value, `said(sentence)` for a `Sentence`, `path_of(name, …)` for the path of a
    page, `csrf_field()` in a form, the filters `instant` and `minute` for times in the
    institution's zone (`when` and `clock` for a minute and a time of day within other words),
    `weekday(day)` and `day_in_words(day)`, and `session`, which is None where nobody is signed in.
    """

    def __init__(self, pages: Sequence[Page], sessions: Sessions, zone: tzinfo) -> None:
        self._pages, self._sessions = pages, sessions
        self._paths = {page.name: page.path for page in pages}
        self._environment = Environment(
            loader=FileSystemLoader(str(FOLDER)),
            autoescape=True,
            auto_reload=False,  # an upgrade beneath a running process shows no page by halves
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

        def instant(moment: datetime) -> Markup:
            text = Markup('<time datetime="{}">{}</time>')
            return text.format(moment.isoformat(), said(moment, zone))

        def minute(moment: datetime) -> Markup:
            text = Markup('<time datetime="{}">{}</time>')
            return text.format(moment.isoformat(), said_shortly(moment, zone))

        self._environment.filters.update(
            instant=instant,
            minute=minute,
            when=lambda moment: said_shortly(moment, zone),
            clock=lambda moment: clock(moment, zone),
        )
        self._environment.globals.update(
            path_of=self.path_of, languages=LANGUAGES, language_names=NAMES, version=__version__
        )

    def path_of(self, name: str, **parameters: object) -> str:
        """Return the path of a page; KeyError where there is none of that name."""
        path = self._paths[name]
        for key, value in parameters.items():
            path = path.replace(f"{{{key}}}", str(value))
        return path

    def render(
        self, shown: ShownPage, language: Language, session: Session | None, *, page: str, path: str
    ) -> str:
        """Return a page as HTML; `page` names it, `path` is where the choice of a language returns."""
        token = self._sessions.form_token(session) if session else ""
        field = Markup('<input type="hidden" name="csrf" value="{}">').format(token)
        menu = [
            entry for entry in self._pages if entry.menu and session and session.role >= entry.role
        ]
        return self._environment.get_template(shown.template).render(
            {
                **shown.values,
                "say": partial(say, language),
                "say_or_as_is": partial(say_or_as_is, language),
                "said": partial(sentence_as_html, language),
                "weekday": partial(weekday, language),
                "day_in_words": partial(day_in_words, language),
                "language": language,
                "session": session,
                "menu": menu,
                "page": page,
                "path": path,
                "csrf_field": lambda: field,
            }
        )


def sentence_as_html(language: Language, sentence: Sentence) -> Markup:
    """Return a sentence in a language; what is English in it nevertheless is marked as English."""
    values = dict[str, object](sentence.values)
    for name, value in sentence.values.items():
        if isinstance(value, Sentence):
            values[name] = sentence_as_html(language, value)
        elif isinstance(value, Recorded):
            values[name] = Markup('<span lang="en">{}</span>').format(str(value))
    return Markup(escape(sentence.words(language))).format_map(values)  # noqa: S704 (it is escaped)
