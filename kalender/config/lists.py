"""`[optout.NAME]` and `[preferences]`: files by which an IdM, or anybody, tells of persons."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator

from kalender.config.sections import Section
from kalender.domain.lists import LANGUAGES, Kind

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")


def is_list_name(name: str) -> bool:
    """Whether a list may have this name; the brake that holds its changes bears it."""
    return _NAME.fullmatch(name) is not None and name != LANGUAGES


def _list_name(name: str) -> str:
    if not is_list_name(name):
        message = (
            "a list is named by small letters, digits, - and _, 40 at most, and not 'languages'"
        )
        raise ValueError(message)
    return name


ListName = Annotated[str, AfterValidator(_list_name)]


class OptOutList(Section):
    """A list of whom to leave alone: a file of one name a line, or CSV with a named column."""

    file: Path
    column: str | None = None
    closed: bool = False

    @property
    def kind(self) -> Kind:
        """What the list tells: who opted out, or whose account or address is closed."""
        return "closed" if self.closed else "optout"


class Preferences(Section):
    """The file that tells in which language persons want their entries: CSV with two columns."""

    language_file: Path | None = None
    person_column: str = "person"
    language_column: str = "language"
