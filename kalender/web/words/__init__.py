"""What the pages say, in Bokmål, Nynorsk and English.

Each module holds the words of one part of the pages: a key, and its text in the order of
`LANGUAGES`; those of causes are the ones that answers use. A key begins with the name of its part,
so no two modules have the same. `{name}` in a text stands for a value.
"""

from collections.abc import Mapping
from typing import Final

from kalender.domain.render import Language
from kalender.operate.answers.bokmal import BOKMAL
from kalender.operate.answers.english import ENGLISH
from kalender.operate.answers.nynorsk import NYNORSK
from kalender.operate.sentence import LANGUAGES
from kalender.web.words import common, course, dates, person, plots, status, wishes

NAMES: Final[Mapping[Language, str]] = {"nb": "Bokmål", "nn": "Nynorsk", "en": "English"}
Texts = Mapping[str, tuple[str, str, str]]
WORDS: Final[Texts] = {
    **common.WORDS,
    **course.WORDS,
    **dates.WORDS,
    **person.WORDS,
    **plots.WORDS,
    **status.WORDS,
    **wishes.WORDS,
    **{
        f"cause.{label}": (BOKMAL.causes[label], NYNORSK.causes[label], ENGLISH.causes[label])
        for label in ENGLISH.causes
    },
}


def say(language: Language, key: str, **values: object) -> str:
    """Return the words of a key in a language; KeyError where there are none."""
    return WORDS[key][LANGUAGES.index(language)].format(**values)


def say_or_as_is(language: Language, group: str, value: str) -> str:
    """Return the word of `group.value`, or the value itself where a later release brought it."""
    return say(language, f"{group}.{value}") if f"{group}.{value}" in WORDS else value


def language_of(cookie: str | None, accept_language: str, default: Language) -> Language:
    """Return the language to answer in: what was chosen, else the first that a browser asks for.

    `accept_language` is the header of that name. `no` and `da` count as Bokmål.
    """
    if cookie in LANGUAGES:
        return cookie
    by_tag: dict[str, Language] = {"nb": "nb", "no": "nb", "da": "nb", "nn": "nn", "en": "en"}
    wishes: list[tuple[float, Language]] = []
    for part in accept_language.split(",")[:20]:
        tag, _, quality = part.strip().partition(";q=")
        language = by_tag.get(tag.strip().lower().split("-")[0])
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        if language is not None and weight > 0:
            wishes.append((-weight, language))
    return min(wishes, key=lambda wish: wish[0])[1] if wishes else default
