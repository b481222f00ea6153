"""Mailboxes and what lies in them, as Exchange keeps it: no SOAP and no HTTP here.

An item's id belongs to the folder it lies in: whatever moves an item gives it a new id and a
new change key. Fields that many items share are held once, so that a term of 27,000 fits.
"""

import base64
import hashlib
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from kalender.sandbox.journal import item_id

Fields = Mapping[str, str]
Props = tuple[tuple[str, str], ...]
FOLDERS = {
    "root": 1,
    "calendar": 2,
    "deleteditems": 3,
    "recoverable": 4,
    "msgfolderroot": 5,
    "other": 6,
}
FIRST_ITEM = 100
SERIES = "Series"  # a field of what stands for several meetings; no request can set it
_LIST = "\x1f"
_CHANGE = "DwAAABYAAACd9tR8mQPzSpVwUq1bA-vO"
DEFAULTS = {
    "Sensitivity": "Normal",
    "Importance": "Normal",
    "ReminderIsSet": "true",
    "ReminderMinutesBeforeStart": "15",
    "IsAllDayEvent": "false",
    "LegacyFreeBusyStatus": "Busy",
}


def listed(text: str | None) -> list[str]:
    """Read a field that holds several values."""
    return text.split(_LIST) if text else []


def joined(values: Iterable[str]) -> str:
    """Write several values as one field."""
    return _LIST.join(values)


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """One calendar item in one folder of one mailbox."""

    box: "Mailbox"
    number: int
    version: int
    fields: Fields
    props: Props
    created: int
    modified: int
    folder: str = "calendar"
    private: bool = False
    touched: bool = False
    attachments: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """Return the id as EWS shows it."""
        return item_id(self.box.prefix, self.number)

    @property
    def change_key(self) -> str:
        """Return the change key as EWS shows it; each write gives another."""
        return item_id(_CHANGE, self.version)

    @property
    def sync_key(self) -> str | None:
        """Return the value of the named property `SyncKey`, whatever its GUID."""
        return next((value for path, value in self.props if ":SyncKey:" in path), None)

    def values(self, path: str) -> Sequence[str]:
        """Return the values of a named property: of an array all, of another the one it has."""
        found = next((value for known, value in self.props if known == path), None)
        if found is None:
            return ()
        return listed(found) if path.endswith("Array") else (found,)

    def shown(self) -> dict[str, object]:
        """Return the item as the control API shows it."""
        get = self.fields.get
        return {
            "id": self.id,
            "change_key": self.change_key,
            "sync_key": self.sync_key,
            "subject": get("Subject", ""),
            "body": get("Body", ""),
            "body_type": get("BodyType", "Text"),
            "location": get("Location", ""),
            "start": get("Start"),
            "end": get("End"),
            "show_as": get("LegacyFreeBusyStatus"),
            "categories": listed(get("Categories")),
            "reminder_is_set": get("ReminderIsSet") == "true",
            "attendees": listed(get("RequiredAttendees")) + listed(get("OptionalAttendees")),
            "attachments": list(self.attachments),
            "created": datetime.fromtimestamp(self.created, UTC).isoformat(),
            "folder": self.folder,
            "private": self.private,
            "touched": self.touched,
            "properties": dict(self.props),
        }


def _prefix(text: str) -> str:
    """Return what all ids of one mailbox begin with, in the place where it lives."""
    digest = hashlib.sha256(text.encode()).digest()
    raw = b"\x00\x03\x24\x00" + digest.hex()[:36].encode() + b"\x00\x46" + digest * 2
    return base64.urlsafe_b64encode(raw + bytes(108 - len(raw))).decode()


class Mailbox:
    """One person's mailbox, on EWS or on Graph; its private items come into being at the first look.

    A mailbox to which its owner moves has a number of its own: its ids are new, and it is empty.
    """

    def __init__(
        self, exchange: "Exchange", address: str, place: str, number: int | None = None
    ) -> None:
        self.exchange, self.address, self.state, self.place = exchange, address, "active", place
        name = address if place == "ews" else f"{place} {address}"
        self.prefix = _prefix(name if number is None else f"{place} {address} {number}")
        self._items: dict[int, Item] | None = None if number is None else {}

    @property
    def items(self) -> dict[int, Item]:
        """Return the items of all folders by number."""
        if self._items is None:
            self._items = {}
            self._seed()
        return self._items

    @property
    def asleep(self) -> bool:
        """Tell whether nobody has looked into this mailbox yet."""
        return self._items is None

    def in_folder(self, folder: str) -> Iterator[Item]:
        """Give the items of one folder, oldest first."""
        return (item for item in self.items.values() if item.folder == folder)

    def add(self, fields: Fields, props: Props = (), *, private: bool = False) -> Item:
        """Put a new item into the calendar."""
        now = self.exchange.now()
        item = Item(
            box=self,
            number=self.exchange.next_number(),
            version=self.exchange.next_number(),
            fields=self.exchange.pooled(fields),
            props=props,
            created=now,
            modified=now,
            private=private,
        )
        self.items[item.number] = item
        return item

    def write(self, item: Item, fields: Fields, props: Props | None = None) -> None:
        """Change an item; its change key changes with it."""
        item.fields = self.exchange.pooled(fields)
        item.props = item.props if props is None else props
        item.version, item.modified = self.exchange.next_number(), self.exchange.now()

    def move(self, item: Item, folder: str) -> Item:
        """Put an item into another folder, where it has another id."""
        del self.items[item.number]
        item.folder, item.number = folder, self.exchange.next_number()
        self.items[item.number] = item
        self.write(item, item.fields)
        return item

    def remove(self, item: Item) -> None:
        """Remove an item for good."""
        del self.items[item.number]

    def _seed(self) -> None:
        crumb = zlib.crc32(self.address.encode())
        for subject, days, hour in (("Tannlege", crumb % 90, 8), ("Trening", crumb % 83, 16)):
            start = datetime(2025, 8, 18, hour, tzinfo=UTC) + timedelta(days=days)
            fields = {
                **DEFAULTS,
                "Subject": subject,
                "Start": stamp(start),
                "End": stamp(start + timedelta(hours=1)),
            }
            self.add(fields, private=True)


@dataclass(slots=True, eq=False)
class Move:
    """A mailbox on its way; `under_way` has left the old side and has not arrived at the new one."""

    old: Mailbox
    new: Mailbox
    under_way: list[Item] = field(default_factory=list)
    has_arrived: bool = False


class Exchange:
    """All mailboxes, by address; `graph` says whose live on Graph: none, half or all.

    `boxes` holds them where they live, `moves` those that are on their way (`moves`, the module,
    says how they are moved).
    """

    def __init__(self, graph: str = "none") -> None:
        self.graph = graph
        self.mails: list[dict[str, object]] = []
        self.boxes: dict[str, Mailbox] = {}
        self.by_prefix: dict[str, Mailbox] = {}
        self.moves: dict[str, Move] = {}
        self.delegate = True
        self.private_touched = 0
        self._pool: dict[tuple[tuple[str, str], ...], Fields] = {}
        self._number = FIRST_ITEM

    def open(self, addresses: Iterable[str]) -> None:
        """Add a mailbox for each address that has none."""
        for address in {a.lower() for a in addresses} - self.boxes.keys():
            on_graph = self.graph == "all" or (
                self.graph == "half" and zlib.crc32(address.encode()) % 2 == 0
            )
            box = Mailbox(self, address, "graph" if on_graph else "ews")
            self.boxes[address] = self.by_prefix[box.prefix] = box

    def at(self, place: str, address: str) -> Mailbox | None:
        """Return what answers to an address on `ews` or `graph`: two may while a mailbox moves."""
        move = self.moves.get(address)
        boxes = [self.boxes.get(address)] if move is None else [move.old, move.new]
        here = (box for box in boxes if box is not None and box.place == place)
        return next((box for box in here if box.state != "absent"), None)

    def now(self) -> int:
        """Return the time of a write, in whole seconds as Exchange shows it."""
        return int(time.time())

    def next_number(self) -> int:
        """Return a number that no item and no change has had."""
        self._number += 1
        return self._number

    def pooled(self, fields: Fields) -> Fields:
        """Return the one copy of these fields that all items with them share."""
        return self._pool.setdefault(tuple(sorted(fields.items())), dict(fields))

    def awake(self) -> Iterator[Mailbox]:
        """Give the mailboxes that somebody has looked into."""
        return (box for box in self.boxes.values() if not box.asleep)

    def touch(self, item: Item) -> None:
        """Note that a request named, returned, changed or deleted an item."""
        if not item.touched:
            item.touched = True
            self.private_touched += item.private


def stamp(instant: datetime) -> str:
    """Write an instant as Exchange stores it: UTC, whole seconds."""
    return instant.astimezone(UTC).replace(tzinfo=None, microsecond=0).isoformat() + "Z"
