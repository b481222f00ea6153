"""The shape of one language of `kalender why`."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWords:
    """One language: what is so; what is not so, with who can mend it; and words for facts.

    `causes` has what led to a piece of work, or to a change, by the label of its `Cause`. The reason
    that is recorded with it says more, in English: `why --json`, `show` and `parked` tell it.
    """

    so: Mapping[str, str]
    not_so: Mapping[str, tuple[str, str]]
    facts: Mapping[str, str]
    causes: Mapping[str, str]
    fine: str
    mended_by: str
    beside: str  # of what does not matter here
