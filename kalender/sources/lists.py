"""Lists of persons that an IdM, or anybody, writes as files: one name a line, or CSV with columns.

There is no standard by which an IdM tells of opt-outs, so a file is what all of them can give. A
file that is missing, empty or cannot be read is a ListUnreadable, and never an empty list.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from kalender.config.lists import OptOutList, Preferences
from kalender.domain.lists import LANGUAGES, ListReading
from kalender.errors import ListUnreadable

SEPARATORS = ",;\t"
COMMENT = "#"
# what attributes such as preferredLanguage say, by their first part
LANGUAGE_OF = {"nb": "nb", "no": "nb", "nn": "nn", "en": "en"}


def read_all(lists: Mapping[str, OptOutList], preferences: Preferences) -> list[ListReading]:
    """Read every list that the settings name; what cannot be read is a reading with its problem."""
    readings = [read(name, settings) for name, settings in lists.items()]
    if preferences.language_file is not None:
        readings.append(_read_languages(preferences.language_file, preferences))
    return readings


def read(name: str, settings: OptOutList, content: bytes | None = None) -> ListReading:
    """Read one list of whom to leave alone: from its file, or from `content` instead."""
    reading = ListReading(name=name, kind=settings.kind)
    try:
        whole = _content_of(settings.file) if content is None else content
        return replace(reading, names=names_in(whole, settings.column))
    except ListUnreadable as error:
        return replace(reading, problem=str(error))


def _read_languages(path: Path, preferences: Preferences) -> ListReading:
    reading = ListReading(name=LANGUAGES, kind=LANGUAGES)
    columns = preferences.person_column, preferences.language_column
    try:
        languages = languages_in(_content_of(path), *columns)
    except ListUnreadable as error:
        return replace(reading, problem=str(error))
    return replace(reading, names=tuple(languages), languages=languages)


def _content_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        text = f"{path}: {error.strerror or 'cannot be read'}"
        raise ListUnreadable(text) from None


def names_in(content: bytes, column: str | None) -> tuple[str, ...]:
    """Return the names of a list, each once: its lines, or with `column` that column's values.

    Empty lines and those that begin with # are none. Raises ListUnreadable where no name is left.
    """
    if column is None:
        lines = (line.strip() for line in _text(content).splitlines())
        names = [line for line in lines if line and not line.startswith(COMMENT)]
    else:
        names = [row[0] for row in _rows(content, [column]) if row[0]]
    if not names:
        raise ListUnreadable("it names nobody")
    return tuple(dict.fromkeys(names))


def languages_in(content: bytes, person: str, language: str) -> Mapping[str, str]:
    """Return name -> language of a CSV with these two columns: nb, nn or en.

    A language is told as in preferredLanguage (`nb-NO`, `en`); one that entries have no words in is
    left out. Raises ListUnreadable where nobody is left.
    """
    languages = {}
    for name, word in _rows(content, [person, language]):
        known = LANGUAGE_OF.get(word.replace("_", "-").partition("-")[0].lower())
        if name and known is not None:
            languages[name] = known
    if not languages:
        raise ListUnreadable("it tells nobody's language as nb, nn or en")
    return languages


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        text = f"line {line} is not UTF-8: save it as UTF-8"
        raise ListUnreadable(text) from None


def _rows(content: bytes, columns: Sequence[str]) -> list[list[str]]:
    """Return the values of these columns, row by row; one that is lacking is empty.

    What separates is what the first line, which names the columns, is separated by.
    """
    lines = _text(content).splitlines()
    wanted = [column.casefold() for column in columns]
    for separator in SEPARATORS:
        rows = list(csv.reader(lines, delimiter=separator))
        header = [name.strip().casefold() for name in rows[0]] if rows else []
        if all(name in header for name in wanted):
            places = [header.index(name) for name in wanted]
            return [
                [row[place].strip() if place < len(row) else "" for place in places]
                for row in rows[1:]
            ]
    if not content.strip():
        raise ListUnreadable("it is empty")
    text = f"its first line does not name {' and '.join(columns)} as a column"
    raise ListUnreadable(text)
