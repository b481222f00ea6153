"""A sentence that is said in Bokmål, Nynorsk or English: the key of its words, and its values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from kalender.domain.render import Language
from kalender.operate.conditions import WORDS

LANGUAGES: Final[tuple[Language, ...]] = ("nb", "nn", "en")
"""The languages in the order in which tables of words have them."""
ONE = ".one"  # ends the key of what is said of a single thing, where that is said otherwise


class Recorded(str):
    """What a program recorded as text, and is shown as it is: it is English in every language."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """One sentence, or a part of one; `values` stand in its words by their names.

    Where `count` is one of them, and 1, the words of a single thing are taken, if there are any.
    """

    key: str
    values: Mapping[str, "str | int | Sentence"] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, str, str]:
        """The words in the order of `LANGUAGES`, with the names of the values in braces."""
        single = f"{self.key}{ONE}"
        return WORDS[single if self.values.get("count") == 1 and single in WORDS else self.key]

    def words(self, language: Language) -> str:
        """Return the words in a language, with the names of the values in braces."""
        return self.texts[LANGUAGES.index(language)]

    def said(self, language: Language) -> str:
        """Return the whole sentence as plain text."""
        values = {
            name: value.said(language) if isinstance(value, Sentence) else value
            for name, value in self.values.items()
        }
        return self.words(language).format_map(values)


def sentence(key: str, **values: str | int | Sentence) -> Sentence:
    """Return the sentence of a key with its values."""
    return Sentence(key=key, values=values)
