"""The requests by which items of a predecessor become ours, and its own again.

Each is a value of one class here, which `protocol.perform` carries out.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape

from sqlalchemy import Connection

from kalender.domain import block
from kalender.domain.entry import (
    AdoptAhead,
    Created,
    Entry,
    EntryStatus,
    Happening,
    NotCarriedOut,
    Plain,
    Transition,
    happens,
)
from kalender.domain.plan import DesiredEntry, Update
from kalender.domain.render import changed_fields
from kalender.domain.takeover import (
    CategoryMark,
    Fate,
    LineMark,
    MarkedItem,
    PredecessorMark,
    PropertyMark,
)
from kalender.ports import (
    EntryChange,
    EntryState,
    ItemError,
    ItemOutcome,
    ItemRef,
    MarkChange,
)
from kalender.reconcile.operations import change_to
from kalender.reconcile.protocol import Next, Results, Visit
from kalender.store import entries, takeovers
from kalender.store.takeovers import FoundEntry

HANDBACK = "handback"  # the change log's word

# -- the predecessor's becomes ours ------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """One item that becomes ours: what it shows, and the change that makes it so.

    It `is_stuck` where the mark cannot be taken off: a line that its user wrote into.
    """

    item: MarkedItem
    desired: DesiredEntry
    sync_key: str
    change: EntryChange
    is_stuck: bool = False


def adoption_of(
    visit: Visit,
    mark: PredecessorMark,
    desired: DesiredEntry,
    item: MarkedItem,
    state: EntryState,
) -> Adoption:
    """Return the change: our key, the mark off, our block in the predecessor's place, the fields."""
    sync_key = f"{desired.event.event_id}#{secrets.token_hex(4)}"
    settings = visit.context.takeover
    pattern = settings.text_pattern if settings is not None else None
    body = state.body or ""
    if not state.meeting:  # a meeting's text is its user's invitation
        new_block = desired.content.body
        body = (
            block.replace_text(body, pattern, new_block)
            if pattern is not None
            else block.replace(body, new_block)
        )
    if isinstance(mark, LineMark):
        body = _without_line(body, mark.line)
    record = Entry(
        sync_key,
        desired.event.event_id,
        desired.event.teaching.activity,
        EntryStatus.LIVE,
        item.starts_at,
        item.ends_at,
        state.ref.item_id,
        state.ref.change_key,
    )
    all_fields = changed_fields(None, desired.fingerprint)
    update = Update(entry=record, desired=desired, fields=all_fields)
    change = change_to(visit, update, replace(state, body=body)) or EntryChange(
        item_id=state.ref.item_id, change_key=state.ref.change_key
    )
    is_category = isinstance(mark, CategoryMark)
    return Adoption(
        item=item,
        desired=desired,
        sync_key=sync_key,
        change=replace(
            change,
            sync_key=sync_key,
            body=body if body != (state.body or "") else None,
            mark=MarkChange(mark=mark, value=None) if isinstance(mark, PropertyMark) else None,
            categories=_without(mark, state, desired.content.categories) if is_category else None,
        ),
        is_stuck=isinstance(mark, LineMark) and block.holds_line(body, mark.line),
    )


def _without(
    mark: PredecessorMark, state: EntryState, own: Sequence[str]
) -> tuple[str, ...] | None:
    """Return the categories of an item without the predecessor's, in whose place ours stands."""
    if not isinstance(mark, CategoryMark) or state.additions is None:
        return None
    kept_words = [
        word for word in state.additions.categories if word.casefold() != mark.category.casefold()
    ]
    return tuple(dict.fromkeys([*kept_words, *own]))


def _without_line(body: str, line: str) -> str:
    """Return a body without the predecessor's line, where it stands in one piece."""
    for text in (escape(line), escape(line, quote=False), line):
        body = body.replace(text, "")
    return body


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoptions:
    """Makes items of the predecessor ours, each under a key that is used once and never again."""

    adoptions: tuple[Adoption, ...]
    found: tuple[FoundEntry, ...]  # the same as they are recorded
    not_adopted: dict[str, Fate]  # by item id: filled in while results are judged
    counted_as: str = "adopted"

    @property
    def ahead(self) -> Sequence[Transition]:
        """What is written ahead: these items may carry our key from now on."""
        return [
            happens(
                None,
                AdoptAhead(
                    sync_key=adoption.sync_key,
                    subject=adoption.desired.subject,
                    fingerprint=adoption.desired.fingerprint,
                    item_id=adoption.change.item_id,
                    change_key=adoption.change.change_key or "",
                ),
            )
            for adoption in self.adoptions
        ]

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down the keys, and what the marks said, so that they can be put back."""
        visit.save(connection, self.ahead, ahead=True)
        takeovers.add(connection, visit.row.calendar_id, self.found)
        return True

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Change the items."""
        changes = [adoption.change for adoption in self.adoptions[part]]
        return visit.calendars.update(visit.row.address, changes, send_by=send_by)

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to one item; what was not changed is the predecessor's still."""
        if isinstance(result, ItemRef):
            created = Created(item_id=result.item_id, change_key=result.change_key)
            return created, Next.GO_ON
        item_id = self.adoptions[number].change.item_id
        stays = NotCarriedOut(before=None)
        match result.outcome:
            case ItemOutcome.UNKNOWN:
                return Plain.UNANSWERED, Next.IN_DOUBT
            case ItemOutcome.GONE | ItemOutcome.CONFLICT:
                return stays, Next.PLAN_AGAIN
            case ItemOutcome.REFUSED:
                self.not_adopted[item_id] = Fate.REFUSED
                return stays, Next.GO_ON
            case ItemOutcome.MEETING:
                self.not_adopted[item_id] = Fate.MEETING
                return stays, Next.GO_ON
            case ItemOutcome.LATER:
                return stays, Next.COME_LATER

    def record(self, visit: Visit, connection: Connection, happenings: Sequence[Happening]) -> None:
        """Log what was adopted, and forget what was not."""
        keys = [adoption.sync_key for adoption in self.adoptions]
        told = list(zip(keys, happenings, strict=True))
        visit.log(connection, "adopt", [key for key, what in told if isinstance(what, Created)])
        takeovers.forget(connection, {key for key, what in told if isinstance(what, NotCarriedOut)})


# -- marks of what is ours --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkChanges:
    """Changes the marks of entries of ours: `done` happens to each whose change was answered.

    What is handed back is logged ahead, while it is recorded.
    """

    entries: tuple[Entry, ...]
    changes: tuple[EntryChange, ...]  # in the order of `entries`
    done: Plain
    counted_as: str

    @property
    def ahead(self) -> Sequence[Transition]:
        """What is written ahead: what these items say is not known any more."""
        return [happens(entry, Plain.UPDATE_AHEAD) for entry in self.entries]

    def write_ahead(self, visit: Visit, connection: Connection) -> bool:
        """Write down that the content of these entries is not known any more."""
        visit.save(connection, self.ahead, ahead=True)
        if self.done is Plain.HANDED_BACK:
            visit.log(connection, HANDBACK, [entry.sync_key for entry in self.entries])
        return True

    def send(self, visit: Visit, part: slice, send_by: float) -> Results:
        """Change the items."""
        return visit.calendars.update(visit.row.address, self.changes[part], send_by=send_by)

    def judge(self, number: int, result: ItemRef | ItemError) -> tuple[Happening, Next]:
        """Return what happened to one entry; what is gone, or was changed, is read again.

        A meeting that cannot be written to in silence is its user's as it is.
        """
        if isinstance(result, ItemRef):
            return self.done, Next.GO_ON
        match result.outcome:
            case ItemOutcome.UNKNOWN:
                return Plain.UNANSWERED, Next.IN_DOUBT
            case ItemOutcome.MEETING | ItemOutcome.REFUSED:
                return Plain.LEFT_TO_USER, Next.GO_ON
            case ItemOutcome.GONE | ItemOutcome.CONFLICT:
                return NotCarriedOut(before=self.entries[number]), Next.PLAN_AGAIN
            case ItemOutcome.LATER:
                return NotCarriedOut(before=self.entries[number]), Next.COME_LATER

    def record(
        self,
        visit: Visit,  # noqa: ARG002
        connection: Connection,
        happenings: Sequence[Happening],
    ) -> None:
        """Take out of the log what was not handed back after all."""
        stays = [
            entry.sync_key
            for entry, what in zip(self.entries, happenings, strict=True)
            if isinstance(what, NotCarriedOut)
        ]
        entries.unlog(connection, stays)


def marked_off(visit: Visit, mark: PredecessorMark, state: EntryState) -> EntryChange:
    """Return the change that takes the mark off, and the predecessor's text, where it can be told."""
    settings = visit.context.takeover
    pattern = settings.text_pattern if settings is not None else None
    body = state.body or ""
    if pattern is not None and not state.meeting:
        body = block.without_text(body, pattern)
    change = EntryChange(item_id=state.ref.item_id, change_key=state.ref.change_key)
    match mark:
        case PropertyMark():
            change = replace(change, mark=MarkChange(mark=mark, value=None))
        case CategoryMark():
            change = replace(change, categories=_without(mark, state, ()))
        case LineMark(line=line):
            body = _without_line(body, line)
    return replace(change, body=body) if body != (state.body or "") else change


def marked_back(visit: Visit, mark: PredecessorMark, state: EntryState, value: str) -> EntryChange:
    """Return the change that makes an item the predecessor's again."""
    change = EntryChange(item_id=state.ref.item_id, change_key=state.ref.change_key, release=True)
    match mark:
        case PropertyMark():
            return replace(change, mark=MarkChange(mark=mark, value=value))
        case CategoryMark(category=category):
            own = visit.context.settings.style_for(visit.row.audience).category
            words = state.additions.categories if state.additions is not None else ()
            kept_words = [word for word in words if word != own]
            return replace(change, categories=tuple(dict.fromkeys([*kept_words, category])))
        case LineMark(line=line):
            return replace(change, body=f"{state.body or ''}<p>{escape(line)}</p>")
