"""An Exchange in memory; it passes the same contract as the adapter on a served one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count

from kalender.domain.model import Content
from kalender.domain.takeover import (
    CategoryMark,
    LineMark,
    MarkedItem,
    PredecessorMark,
    PropertyMark,
)
from kalender.errors import MailboxMissing, NotSent
from kalender.ports import (
    Additions,
    EntryChange,
    EntryState,
    FoundItem,
    ItemError,
    ItemOutcome,
    ItemRef,
    NewEntry,
)

BEGINNING = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Item:
    """One calendar item; `sync_key` None is the user's own."""

    ref: ItemRef
    content: Content
    body: str
    sync_key: str | None
    created_at: datetime
    meeting: bool = False
    notes: str = ""
    attachments: tuple[str, ...] = ()
    properties: dict[tuple[str, str], str] = field(default_factory=dict)  # by set and name
    series: bool = False


def _nothing(_operation: str, _mailbox: str) -> None:
    pass


@dataclass
class FakeCalendars:
    """Mailboxes are made on demand, but for those in `missing`.

    `before` and `after` are called around each request with its operation and mailbox; what they
    raise is what the caller sees, before or after the request was carried out.
    """

    batch: int = 50
    tells_contents: bool = True  # whether a search can tell what items say
    before: Callable[[str, str], None] = _nothing
    after: Callable[[str, str], None] = _nothing
    item_error: Callable[[str, NewEntry | EntryChange | ItemRef], ItemError | None] = (
        lambda _operation, _item: None
    )
    missing: set[str] = field(default_factory=set)
    mailboxes: dict[str, dict[str, Item]] = field(default_factory=dict)
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    def items(self, mailbox: str) -> dict[str, Item]:
        """Return a mailbox's items by id."""
        return self.mailboxes.setdefault(mailbox, {})

    def own(self, mailbox: str) -> list[Item]:
        """Return the items that carry our key, in time's order."""
        own = [item for item in self.items(mailbox).values() if item.sync_key is not None]
        return sorted(own, key=lambda item: (item.content.starts_at, item.content.subject))

    def _begin(self, operation: str, mailbox: str, number: int, send_by: float | None) -> None:
        self.before(operation, mailbox)
        if send_by is not None and time.monotonic() > send_by:
            raise NotSent("too late")
        self.requests.append((operation, mailbox, number))
        if mailbox in self.missing:
            raise MailboxMissing("ErrorNonExistentMailbox")

    def _ref(self) -> ItemRef:
        number = next(self._numbers)
        return ItemRef(item_id=f"id-{number}", change_key=f"ck-{number}")

    def create(
        self, mailbox: str, entries: Sequence[NewEntry], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Create items."""
        self._begin("create", mailbox, len(entries), send_by)
        results = [self._created(mailbox, each) for each in entries]
        self.after("create", mailbox)
        return results

    def _created(self, mailbox: str, entry: NewEntry) -> ItemRef | ItemError:
        error = self.item_error("create", entry)
        if error is not None:
            return error
        ref = self._ref()
        self.items(mailbox)[ref.item_id] = Item(
            ref=ref,
            content=entry.content,
            body=entry.content.body,
            sync_key=entry.sync_key,
            created_at=BEGINNING + timedelta(seconds=next(self._numbers)),
        )
        return ref

    def update(
        self, mailbox: str, changes: Sequence[EntryChange], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Change items."""
        self._begin("update", mailbox, len(changes), send_by)
        results = [self._updated(mailbox, each) for each in changes]
        self.after("update", mailbox)
        return results

    def _updated(self, mailbox: str, change: EntryChange) -> ItemRef | ItemError:
        item = self.items(mailbox).get(change.item_id)
        if item is None:
            return ItemError(code="ErrorItemNotFound", outcome=ItemOutcome.GONE)
        if change.change_key is not None and change.change_key != item.ref.change_key:
            return ItemError(code="ErrorIrresolvableConflict", outcome=ItemOutcome.CONFLICT)
        error = self.item_error("update", change)
        if error is not None:
            return error
        names = ("subject", "location", "starts_at", "ends_at", "show_as")
        told = {name: getattr(change, name) for name in names}
        item.content = replace(
            item.content, **{name: value for name, value in told.items() if value is not None}
        )
        item.body = change.body if change.body is not None else item.body
        item.sync_key = None if change.release else change.sync_key or item.sync_key
        if change.categories is not None:
            item.content = replace(item.content, categories=change.categories)
        if change.mark is not None:
            name = change.mark.mark.property_set, change.mark.mark.name
            item.properties.pop(name, None)
            item.properties |= {} if change.mark.value is None else {name: change.mark.value}
        return self._touch(item)

    def _touch(self, item: Item) -> ItemRef:
        item.ref = replace(item.ref, change_key=self._ref().change_key)
        return item.ref

    def delete(
        self, mailbox: str, items: Sequence[ItemRef], *, hard: bool, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Delete items."""
        del hard
        self._begin("delete", mailbox, len(items), send_by)
        results = [self._deleted(mailbox, each) for each in items]
        self.after("delete", mailbox)
        return results

    def _deleted(self, mailbox: str, ref: ItemRef) -> ItemRef | ItemError:
        item = self.items(mailbox).get(ref.item_id)
        if item is None:
            return ItemError(code="ErrorItemNotFound", outcome=ItemOutcome.GONE)
        if ref.change_key and ref.change_key != item.ref.change_key:
            return ItemError(code="ErrorIrresolvableConflict", outcome=ItemOutcome.CONFLICT)
        error = self.item_error("delete", ref)
        if error is not None:
            return error
        return self.items(mailbox).pop(ref.item_id).ref

    def get(
        self, mailbox: str, item_ids: Sequence[str], *, fields: bool, additions: bool = False
    ) -> Sequence[EntryState | ItemError]:
        """Read items."""
        self._begin("get", mailbox, len(item_ids), None)
        states = [
            self._state(mailbox, each, fields=fields, additions=additions) for each in item_ids
        ]
        self.after("get", mailbox)
        return states

    def _state(
        self, mailbox: str, item_id: str, *, fields: bool, additions: bool
    ) -> EntryState | ItemError:
        item = self.items(mailbox).get(item_id)
        if item is None:
            return ItemError(code="ErrorItemNotFound", outcome=ItemOutcome.GONE)
        if not fields:
            return EntryState(ref=item.ref)
        return replace(self._contents(item), additions=_additions(item) if additions else None)

    @staticmethod
    def _contents(item: Item) -> EntryState:
        content = item.content
        return EntryState(
            ref=item.ref,
            sync_key=item.sync_key,
            subject=content.subject,
            body=item.body,
            location=content.location,
            starts_at=content.starts_at,
            ends_at=content.ends_at,
            show_as=content.show_as,
            meeting=item.meeting,
        )

    def find(
        self, mailbox: str, keys: Sequence[str] | None, *, contents: bool = False
    ) -> Sequence[FoundItem]:
        """Find items by key."""
        self._begin("find", mailbox, 1, None)
        found = [
            FoundItem(
                ref=item.ref,
                sync_key=item.sync_key,
                created_at=item.created_at,
                starts_at=item.content.starts_at,
                ends_at=item.content.ends_at,
                state=self._contents(item) if contents and self.tells_contents else None,
            )
            for item in self.items(mailbox).values()
            if item.sync_key is not None and (keys is None or item.sync_key in keys)
        ]
        self.after("find", mailbox)
        return found

    def find_marked(self, mailbox: str, mark: PredecessorMark) -> Sequence[MarkedItem]:
        """Find items by a predecessor's mark."""
        self._begin("find_marked", mailbox, 1, None)
        found = [
            MarkedItem(
                item_id=item.ref.item_id,
                value=_value(item, mark),
                sync_key=item.sync_key,
                subject=item.content.subject,
                location=item.content.location,
                created_at=item.created_at,
                starts_at=item.content.starts_at,
                ends_at=item.content.ends_at,
                series=item.series,
            )
            for item in self.items(mailbox).values()
            if _carries(item, mark)
        ]
        self.after("find_marked", mailbox)
        return found

    # -- what a predecessor writes ------------------------------------------------------------

    def add_marked(
        self,
        mailbox: str,
        content: Content,
        mark: PropertyMark,
        value: str,
        *,
        series: bool = False,
    ) -> ItemRef:
        """Put an item with a predecessor's property into a mailbox."""
        ref = self._ref()
        self.items(mailbox)[ref.item_id] = Item(
            ref=ref,
            content=content,
            body=content.body,
            sync_key=None,
            created_at=BEGINNING + timedelta(seconds=next(self._numbers)),
            properties={(mark.property_set, mark.name): value},
            series=series,
        )
        return ref

    # -- a user's meddling --------------------------------------------------------------------

    def add_private(self, mailbox: str, content: Content) -> None:
        """Put an item of the user's own into a mailbox."""
        ref = self._ref()
        self.items(mailbox)[ref.item_id] = Item(
            ref=ref, content=content, body=content.body, sync_key=None, created_at=BEGINNING
        )

    def private(self, mailbox: str) -> list[object]:
        """Return all that can be seen of what does not carry our key."""
        return [(i.body, i.content) for i in self.items(mailbox).values() if i.sync_key is None]

    def take_away(self, mailbox: str, item_id: str) -> None:
        """Delete an item."""
        del self.items(mailbox)[item_id]

    def attach(self, mailbox: str, item_id: str, name: str) -> None:
        """Attach a file."""
        item = self.items(mailbox)[item_id]
        item.attachments = (*item.attachments, name)
        self._touch(item)

    def edit(self, mailbox: str, item_id: str, **changes: object) -> None:
        """Change a field as a user would."""
        item = self.items(mailbox)[item_id]
        item.content = replace(item.content, **changes)  # type: ignore[arg-type]
        self._touch(item)

    def annotate(self, mailbox: str, item_id: str, note: str) -> None:
        """Write a note below our text."""
        item = self.items(mailbox)[item_id]
        item.body = f"<html><body>{item.body}<p>{note}</p></body></html>"
        item.notes += note
        self._touch(item)

    def invite(self, mailbox: str, item_id: str) -> None:
        """Make a meeting of it."""
        item = self.items(mailbox)[item_id]
        item.meeting = True
        self._touch(item)


def _value(item: Item, mark: PredecessorMark) -> str:
    if not isinstance(mark, PropertyMark):
        return ""
    return item.properties.get((mark.property_set, mark.name), "")


def _carries(item: Item, mark: PredecessorMark) -> bool:
    match mark:
        case PropertyMark():
            return mark.holds(_value(item, mark))
        case CategoryMark(category=category):
            return category in item.content.categories
        case LineMark(line=line):
            return line in item.body


def _additions(item: Item) -> Additions:
    return Additions(
        attachments=bool(item.attachments),
        categories=tuple(sorted(item.content.categories)),
        reminder_minutes=item.content.reminder_minutes,
        sensitivity="Normal",
        importance="Normal",
    )
