"""`[takeover]`: the mark by which a predecessor's entries are known, and how they are taken over."""

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, PositiveFloat, model_validator

from kalender.config.forms import must
from kalender.config.sections import Section
from kalender.domain.takeover import CategoryMark, LineMark, PredecessorMark, PropertyMark

GUID = re.compile(r"\{?([0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})\}?")
NO_MARK = "taken over"  # what Graph writes where it can take a property off no item
Said = Annotated[
    str, Field(min_length=1), must(lambda text: text == text.strip(), "begins or ends with a blank")
]


class Takeover(Section):
    """What a predecessor wrote: one mark, and the pattern of its texts."""

    property_set: (
        Annotated[str, must(GUID.fullmatch, "must be a GUID: 00000000-0000-0000-0000-000000000000")]
        | None
    ) = None
    property_name: Said | None = None
    value: Said | None = None
    prefix: Said | None = None
    category: Said | None = None
    line: Said | None = None
    text: re.Pattern[str] | None = None
    per_minute: PositiveFloat = 60

    @property
    def interval(self) -> timedelta:
        """How long after one calendar the next is taken over."""
        return timedelta(minutes=1 / self.per_minute)

    @property
    def mark(self) -> PredecessorMark:
        """The mark that is searched for."""
        if self.category is not None:
            return CategoryMark(category=self.category)
        if self.line is not None:
            return LineMark(line=self.line)
        match = GUID.fullmatch(self.property_set or "")
        return PropertyMark(
            property_set=match[1].lower() if match else "",
            name=self.property_name or "",
            value=self.prefix or self.value or "",
            prefix=self.prefix is not None,
        )

    @property
    def text_pattern(self) -> re.Pattern[str] | None:
        """Which part of an entry's visible text is the predecessor's; `^` and `$` go by lines."""
        if self.text is None:
            return None
        return re.compile(self.text.pattern, self.text.flags | re.MULTILINE)

    @model_validator(mode="after")
    def _has_one_mark(self) -> Self:
        kinds = [self.property_name, self.category, self.line]
        of_property = [self.property_set, self.value, self.prefix]
        if sum(kind is not None for kind in kinds) != 1:
            message = "wants one mark: property_name (with property_set), category, or line"
        elif self.property_name is None and any(of_property):
            message = "property_set, value and prefix go with property_name"
        elif self.property_name is not None and not self.property_set:
            message = "property_name wants its property_set, a GUID"
        elif self.property_name is not None and (self.value is None) == (self.prefix is None):
            message = (
                "property_name wants the value that marks an entry, or the prefix of its values"
            )
        elif isinstance(self.mark, PropertyMark) and self.mark.holds(NO_MARK):
            message = f"the mark must not be {NO_MARK!r}, which is written where it was taken off"
        elif self.text is not None and self.text.match(""):
            message = "text finds the empty text: say what stands in the predecessor's text"
        else:
            return self
        raise ValueError(message)
