"""A question that came over HTTP and its answer, for FS and TP alike."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Question:
    """The path, split and decoded, and the query of a GET."""

    path: str
    query: Mapping[str, str]

    @property
    def parts(self) -> list[str]:
        """Return the segments of the path; a `%2C` within one stays within it."""
        return [unquote(part) for part in self.path.split("/") if part]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    kind: str = "application/json; charset=utf-8"
    headers: dict[str, str] = field(default_factory=dict)
    items: int = 0


def answer(value: object, status: int = 200, items: int = 0) -> Answer:
    """Answer with JSON."""
    return Answer(status, dump(value), items=items)


def dump(value: object) -> bytes:
    """Write JSON as short as it goes."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
