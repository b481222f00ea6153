"""Where a request points: the mailboxes, folders and items that its ids name."""

import base64
import binascii

from kalender.sandbox.journal import Entry
from kalender.sandbox.mailboxes import FIRST_ITEM, FOLDERS, Exchange, Item, Mailbox
from kalender.sandbox.schema import Element, T
from kalender.sandbox.soap import Call, ItemError, SoapFault

_FOLDER_NAMES = {"recoverableitemsdeletions": "recoverable"}
_BOX_FAULTS = {
    "missing": "ErrorNonExistentMailbox",
    "moving": "ErrorMailboxMoveInProgress",
    "denied": "ErrorImpersonateUserDenied",
}
_SHORTEST_ID, _PLAIN = 60, str.maketrans("-_", "+/")


def target(call: Call) -> str | None:
    """Say whose mailbox a request acts in, as far as the request tells."""
    found = next(call.node.iter(T + "EmailAddress"), None)
    if call.person or found is None or next(found.iterancestors(T + "Attendee"), None) is not None:
        return call.person
    return (found.text or "").strip().lower()


class Places:
    """The mailboxes of an Exchange, as requests name what is in them."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    def admit(self, call: Call) -> None:
        """Refuse whoever may not act in the mailbox that the request impersonates."""
        if call.person is not None:
            self._box(call.person)
        elif not self.exchange.delegate:
            raise SoapFault(code="ErrorImpersonateUserDenied")

    def _box(self, address: str) -> Mailbox:
        box = self.exchange.at("ews", address)
        state = "missing" if box is None else box.state
        if box is None or state != "active":
            raise SoapFault(code=_BOX_FAULTS[state])
        return box

    def folder(self, call: Call, node: Element | None) -> tuple[Mailbox, str]:
        """Say which folder of which mailbox a folder id names; none names the calendar."""
        if node is not None and node.tag != T + "DistinguishedFolderId":
            return self._folder_by_id(call, node)
        name = "calendar" if node is None else node.get("Id", "")
        name = _FOLDER_NAMES.get(name, name)
        if name not in FOLDERS:
            raise ItemError(code="ErrorFolderNotFound")
        owner = None if node is None else node.findtext(f"{T}Mailbox/{T}EmailAddress")
        address = (owner or call.person or "").strip().lower()
        if call.person is not None and address != call.person:
            raise ItemError(code="ErrorAccessDenied")
        return self._box(address), name

    def _folder_by_id(self, call: Call, node: Element) -> tuple[Mailbox, str]:
        box, number = self._split(node.get("Id", ""))
        if number >= FIRST_ITEM:
            raise ItemError(code="ErrorCannotUseItemIdForFolderId")
        name = next((name for name, n in FOLDERS.items() if n == number), None)
        if box is None or name is None or (call.person or box.address) != box.address:
            raise ItemError(code="ErrorFolderNotFound")
        if self._box(box.address) is not box:
            raise ItemError(code="ErrorFolderNotFound")
        return box, name

    def item(self, call: Call, entry: Entry, node: Element) -> Item:
        """Return the item that an id names, noting that it was named."""
        if node.tag != T + "ItemId":
            raise ItemError(code=f"ErrorCalendarCannotUseIdFor{node.tag[len(T) : -6]}Id")
        text = node.get("Id", "")
        box, number = self._split(text)
        if box is None or (call.person or box.address) != box.address:
            entry.ids.append(text)
            raise ItemError(code="ErrorItemNotFound")
        if number < FIRST_ITEM:
            raise ItemError(code="ErrorCannotUseFolderIdForItemId")
        entry.note(box.prefix, number)
        here = self._box(box.address)
        entry.mailbox = here.address
        item = box.items.get(number)
        if item is None or here is not box:
            raise ItemError(code="ErrorItemNotFound")
        self.exchange.touch(item)
        entry.keys += [item.sync_key] if item.sync_key else []
        return item

    def _split(self, text: str) -> tuple[Mailbox | None, int]:
        try:
            raw = base64.b64decode(text.translate(_PLAIN), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ItemError(code="ErrorInvalidIdMalformed") from error
        if not text:
            raise ItemError(code="ErrorInvalidIdEmpty")
        if not text.startswith("AAMkA") or len(raw) < _SHORTEST_ID:
            raise ItemError(code="ErrorInvalidIdMalformed")
        return self.exchange.by_prefix.get(text[:-8]), int.from_bytes(raw[-6:], "big")
