"""Which subjects a message from the broker names; nothing else in it is believed."""

import re
from dataclasses import dataclass

GROUPS = frozenset({"course", "semester", "year", "term", "person", "username"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """An operator's word on how a subject is written; queue and routing key are globs.

    The expression is searched for in what the message says it is about, and its named groups
    say what was found: `course` with `semester` (or `year` and `term`), `person` or `username`.
    """

    subject: re.Pattern[str]
    queue: str = "*"
    routing_key: str = "*"

    def __post_init__(self) -> None:
        """Refuse an expression that names nothing, or something unknown."""
        groups = set(self.subject.groupindex)
        if not groups & {"course", "person", "username"} or not groups <= GROUPS:
            message = "must have a named group: course (with semester), person or username"
            raise ValueError(message)


USUAL: tuple[Pattern, ...] = ()
