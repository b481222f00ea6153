"""The predecessor: what it writes, and how it goes on writing."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import count

from kalender.sandbox.installation import Installation, Json
from kalender.sandbox.oracle import Expected

SET = "c0ffee00-1111-4222-8333-444455556666"
NAME = "TimePlanId"
PATH = f"{SET}:{NAME}:String"
CANCELLED = "AVLYST: "
TEXT = "<p>TimePlan: {}<br>Rom: {}<br>Ikke endre denne teksten.</p>"
SETTINGS = f"""
[takeover]
property_set = "{SET}"
property_name = "{NAME}"
prefix = "timeplan-"
text = '^TimePlan: (?:.|\\n)*?Ikke endre denne teksten\\.$'
per_minute = 60000
"""


@dataclass
class Predecessor:
    """Writes through the sandbox's control API, as any client of Exchange would."""

    house: Installation
    post: Callable[[Json], Json] | None = None  # None: through the control API
    numbers: "count[int]" = field(default_factory=lambda: count(1))

    def write(self, mailbox: str, shown: Expected, **changes: object) -> Json:
        """Write one entry, and return it as it stands."""
        told: Json = {
            "mailbox": mailbox,
            "private": False,
            "subject": f"{shown.subject.removeprefix(CANCELLED).split()[0]} (TimePlan)",
            "location": shown.location,
            "body": TEXT.format(shown.subject, shown.location),
            "start": shown.start.isoformat(),
            "end": shown.end.isoformat(),
            "show_as": "Busy",
            "categories": ["TimePlan-farge"],
            "properties": {PATH: f"timeplan-{next(self.numbers)}"},
        }
        if self.post is not None:
            return self.post(told | changes)
        made: Json = self.house.send("POST", "exchange/items", told | changes)
        return made

    def write_term(self, mailboxes: Iterable[str] | None = None) -> dict[str, list[Json]]:
        """Write all that these mailboxes (None: all) should show; return it by mailbox."""
        wanted = self.house.wanted()
        return {
            mailbox: [self.write(mailbox, shown) for shown in wanted[mailbox]]
            for mailbox in sorted(wanted if mailboxes is None else mailboxes)
        }
