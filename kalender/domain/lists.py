"""What a list of persons says: who is left alone, or in which language somebody's entries are."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

Kind = Literal["optout", "closed", "languages"]
LANGUAGES: Final = "languages"  # the name of the one list that tells languages


@dataclass(frozen=True, slots=True, kw_only=True)
class ListReading:
    """What one reading of a list told: whom it names, or in one line why it could not be read.

    `names` are FS numbers, usernames or addresses, each once. Of languages, `languages` tells the
    one of each name.
    """

    name: str
    kind: Kind
    names: tuple[str, ...] = ()
    languages: Mapping[str, str] = field(default_factory=dict)
    problem: str | None = None
