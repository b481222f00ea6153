"""The adapter for Graph on a served Graph, with the face of the Exchange in memory.

What goes wrong is a fault of the sandbox's, over real HTTP; what users do, they do in its mailboxes.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TypeVar

from kalender.calendars.graph import events
from kalender.calendars.graph.writer import GraphCalendars
from kalender.domain.model import Content
from kalender.ports import EntryChange, EntryState, FoundItem, ItemError, ItemRef, NewEntry
from kalender.sandbox.generate import generate
from kalender.sandbox.graph.event import SHOW_AS
from kalender.sandbox.mailboxes import Item as Appointment
from kalender.sandbox.mailboxes import Mailbox
from kalender.sandbox.meddle import add, meddle
from tests.chaos import grounds
from tests.chaos.grounds import Grounds, Loop
from tests.fakes.calendars import Item
from tests.fakes.faults import SlowCalendars
from tests.graph import graph_settings

FAULTS: Mapping[str, Mapping[str, object]] = {
    **grounds.FAULTS,
    "cut": {"kind": "cut"},
    "drop": {"kind": "process-then-drop"},
}
OPERATIONS = {
    "create": "CreateEvent",
    "update": "UpdateEvent",
    "delete": "DeleteEvent",
    "get": "GetEvent",
    "find": "ListEvents",
}
OF_BATCH = ("busy", "away", "expired")  # said of the whole request
WORDS = {stored: events.READ_SHOW_AS[wire] for wire, stored in SHOW_AS.items() if wire != "unknown"}
STORED = {word: stored for stored, word in WORDS.items()}
T = TypeVar("T")


@cache
def served() -> tuple[Grounds, GraphCalendars]:
    """Return the one Graph that all examples of a process share, and the adapter on it."""
    university = Path(tempfile.mkdtemp()) / "university"
    generate(university, students=20)
    made = Grounds(Loop(), university, None, on_graph=True)
    return made, GraphCalendars("main", graph_settings(made.endpoints))


@dataclass
class ServedCalendars(SlowCalendars):
    """Empty mailboxes on that Graph, for one example; `fault` befalls the next request."""

    batch: int = 20
    fault: str | None = None
    addresses: Sequence[str] = ()
    notes: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Empty the Exchange."""
        self.grounds, self.adapter = served()
        self.world = self.grounds.world
        exchange = self.world.exchange
        for kept in (exchange.boxes, exchange.by_prefix, exchange.mails):
            kept.clear()
        exchange.private_touched = 0
        exchange.open(self.addresses)
        self.world.journal.reset()
        assert self.world.cloud is not None
        self.settings = self.world.cloud.settings
        self.settings.transaction_ids, self.settings.visible_after = True, 0
        self.mailboxes = {address: {} for address in self.addresses}

    # -- the port -----------------------------------------------------------------------------

    def create(
        self, mailbox: str, entries: Sequence[NewEntry], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Create items."""
        return self._asked(
            "create",
            mailbox,
            len(entries),
            send_by,
            lambda: self.adapter.create(mailbox, entries, send_by=send_by),
        )

    def update(
        self, mailbox: str, changes: Sequence[EntryChange], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Change items."""
        return self._asked(
            "update",
            mailbox,
            len(changes),
            send_by,
            lambda: self.adapter.update(mailbox, changes, send_by=send_by),
        )

    def delete(
        self, mailbox: str, items: Sequence[ItemRef], *, hard: bool, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Delete items."""
        return self._asked(
            "delete",
            mailbox,
            len(items),
            send_by,
            lambda: self.adapter.delete(mailbox, items, hard=hard, send_by=send_by),
        )

    def get(
        self, mailbox: str, item_ids: Sequence[str], *, fields: bool, additions: bool = False
    ) -> Sequence[EntryState | ItemError]:
        """Read items."""
        return self._asked(
            "get",
            mailbox,
            len(item_ids),
            None,
            lambda: self.adapter.get(mailbox, item_ids, fields=fields, additions=additions),
        )

    def find(
        self, mailbox: str, keys: Sequence[str] | None, *, contents: bool = False
    ) -> Sequence[FoundItem]:
        """Find items by key."""
        return self._asked(
            "find",
            mailbox,
            1,
            None,
            lambda: self.adapter.find(mailbox, keys, contents=contents),
        )

    def _asked(
        self,
        operation: str,
        mailbox: str,
        number: int,
        send_by: float | None,
        request: Callable[[], T],
    ) -> T:
        """Ask, with the fault that is due; go on when nothing is carried out any more."""
        self._begin(operation, mailbox, number, send_by)
        if self.fault is not None:
            told = {"neighbour": "graph", **FAULTS[self.fault]}
            named = "Batch" if self.fault in OF_BATCH else OPERATIONS[operation]
            self.world.faults.add({**told, "operation": named})
            self.fault = None
        try:
            answer = request()
        finally:
            self.world.faults.clear()
            self.grounds.rest()
        self.after(operation, mailbox)
        return answer

    # -- what stands in calendars, and what users do ---------------------------------------------

    def own(self, mailbox: str) -> list[Item]:
        """Return the items that carry our key, in time's order."""
        own = [self._seen(each) for each in self._shown(mailbox) if events.MARK in _key(each)]
        return sorted(own, key=lambda item: (item.content.starts_at, item.content.subject))

    def add_private(self, mailbox: str, content: Content) -> None:
        """Put an item of the user's own into a mailbox."""
        add(self._box(mailbox), _told(subject=content.subject, starts_at=content.starts_at))

    def private(self, mailbox: str) -> list[object]:
        """Return all that can be seen of what does not carry our key."""
        return [
            (each.number, each.version, each.fields, each.props)
            for each in self._shown(mailbox)
            if events.MARK not in _key(each)
        ]

    def take_away(self, mailbox: str, item_id: str) -> None:
        """Delete an item."""
        meddle(self._box(mailbox), {"id": item_id, "do": "delete"})

    def edit(self, mailbox: str, item_id: str, **changes: object) -> None:
        """Change a field as a user would."""
        meddle(self._box(mailbox), {"id": item_id, "do": "edit", **_told(**changes)})

    def annotate(self, mailbox: str, item_id: str, note: str) -> None:
        """Write a note below our text."""
        meddle(self._box(mailbox), {"id": item_id, "do": "annotate", "text": note})
        self.notes[item_id] = self.notes.get(item_id, "") + note

    def _box(self, mailbox: str) -> Mailbox:
        return self.world.exchange.boxes[mailbox]

    def _shown(self, mailbox: str) -> list[Appointment]:
        return list(self._box(mailbox).in_folder("calendar"))

    def _seen(self, appointment: Appointment) -> Item:
        get = appointment.fields.get
        body = get("Body", "")
        return Item(
            ref=ItemRef(item_id=appointment.id, change_key=appointment.change_key),
            content=Content(
                subject=get("Subject", ""),
                body=body,
                location=get("Location", ""),
                starts_at=datetime.fromisoformat(appointment.fields["Start"]),
                ends_at=datetime.fromisoformat(appointment.fields["End"]),
                show_as=WORDS[appointment.fields["LegacyFreeBusyStatus"]],
            ),
            body=body,
            sync_key=_key(appointment),
            created_at=datetime.fromtimestamp(appointment.created, UTC),
            notes=self.notes.get(appointment.id, ""),
        )


def _key(appointment: Appointment) -> str:
    return appointment.sync_key or ""


def _told(**changes: object) -> dict[str, object]:
    """Return changes as the sandbox is told of them."""
    names = {"starts_at": "start", "ends_at": "end"}
    told = {}
    for name, value in changes.items():
        written = value.isoformat() if isinstance(value, datetime) else value
        told[names.get(name, name)] = STORED[str(value)] if name == "show_as" else written
    return told
