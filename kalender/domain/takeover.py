"""What a predecessor wrote: the marks by which it is known, and which event each entry shows.

A predecessor is the service that kept calendars before Kalender. Its entries are known by its own
mark and by nothing else, and nothing without that mark is ever asked for.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyMark:
    """A named property of type String: its set's GUID in lower case, its name, and its value.

    With `prefix` the value is what the property's value begins with. Case does not matter in values,
    since neither Exchange nor Graph compares it.
    """

    property_set: str
    name: str
    value: str
    prefix: bool = False

    def holds(self, value: str) -> bool:
        """Whether a property with this value is the mark."""
        folded, wanted = value.casefold(), self.value.casefold()
        return folded.startswith(wanted) if self.prefix else folded == wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryMark:
    """A category that no user uses."""

    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineMark:
    """A line of the visible text of the body; Graph cannot search for it."""

    line: str


PredecessorMark = PropertyMark | CategoryMark | LineMark
