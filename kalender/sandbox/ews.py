"""Exchange Web Services: the operations, each item of a batch for itself."""

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping

from kalender.sandbox import fields as f
from kalender.sandbox import restriction
from kalender.sandbox.journal import Entry, item_id
from kalender.sandbox.mailboxes import DEFAULTS, FOLDERS, Exchange, Item, Mailbox, joined, listed
from kalender.sandbox.soap import (
    Call,
    Element,
    ItemError,
    M,
    SoapFault,
    T,
    envelope,
    failure,
    success,
)

MOST_FOUND, MOST_FOUND_RESTRICTED = 1000, 250
_FOLDER_NAMES = {"recoverableitemsdeletions": "recoverable"}
_DELETED = {"deleteditems", "recoverable"}
One = Callable[[Element], str]
_BOX_FAULTS = {
    "missing": "ErrorNonExistentMailbox",
    "moving": "ErrorMailboxMoveInProgress",
    "denied": "ErrorImpersonateUserDenied",
}


def target(call: Call) -> str | None:
    """Say whose mailbox a request acts in, as far as the request tells."""
    found = next(call.node.iter(T + "EmailAddress"), None)
    if call.person or found is None or _is_attendee(found):
        return call.person
    return (found.text or "").strip().lower()


def _is_attendee(node: Element) -> bool:
    return any(parent.tag == T + "Attendee" for parent in node.iterancestors())


class Service:
    """Answers one request at a time on the mailboxes of an Exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._operations: dict[str, tuple[str, Callable[[Call, Entry], One]]] = {
            "CreateItem": ("Items", self._create),
            "GetItem": ("ItemIds", self._get),
            "UpdateItem": ("ItemChanges", self._update),
            "DeleteItem": ("ItemIds", self._delete),
            "FindItem": ("ParentFolderIds", self._find),
            "GetFolder": ("FolderIds", self._get_folder),
            "FindFolder": ("ParentFolderIds", self._find_folder),
            "ConvertId": ("SourceIds", self._convert),
        }

    def answer(self, call: Call, entry: Entry, spoil: Mapping[int, str]) -> bytes:
        """Do what is asked and write the answer; `spoil` refuses items by their position."""
        if call.operation != "ConvertId":
            self._admit(call)
        name, prepare = self._operations[call.operation]
        entry.code = "NoError"
        try:
            one = prepare(call, entry)
        except ItemError as error:
            one = _refusing(error)
        messages = list(_batch(call, entry, one, (_inside(call, name), spoil)))
        if call.operation == "FindItem":
            entry.items = len(entry.ids)
        return envelope(call.operation, messages)

    def _admit(self, call: Call) -> None:
        if call.person is not None:
            self._box(call.person)
        elif not self.exchange.delegate:
            raise SoapFault(code="ErrorImpersonateUserDenied")

    def _box(self, address: str) -> Mailbox:
        box = self.exchange.boxes.get(address)
        state = "missing" if box is None else box.state
        if box is None or state != "active":
            raise SoapFault(code=_BOX_FAULTS[state])
        return box

    def _create(self, call: Call, entry: Entry) -> One:
        if "SendMeetingInvitations" not in call.node.attrib:
            raise ItemError(code="ErrorSendMeetingInvitationsRequired")
        saved = call.child("SavedItemFolderId")
        box, folder = self._folder(call, None if saved is None else saved[0])
        entry.mailbox = box.address

        def one(node: Element) -> str:
            if node.tag != T + "CalendarItem" or folder != "calendar":
                raise ItemError(code="ErrorCannotCreateCalendarItemInNonCalendarFolder")
            fields, props = dict(DEFAULTS), dict[str, str]()
            f.read(node, fields, props)
            item = box.add(f.checked(fields, self.exchange.now()), tuple(props.items()))
            entry.note(box.prefix, item.number)
            entry.keys += [item.sync_key] if item.sync_key else []
            return f"<m:Items>{f.written(item, ())}</m:Items>"

        return one

    def _get(self, call: Call, entry: Entry) -> One:
        made = f.writers(_inside(call, "ItemShape"), search=False)

        def one(node: Element) -> str:
            return f"<m:Items>{f.written(self._named(call, entry, node), made)}</m:Items>"

        return one

    def _update(self, call: Call, entry: Entry) -> One:
        if "SendMeetingInvitationsOrCancellations" not in call.node.attrib:
            raise ItemError(code="ErrorSendMeetingInvitationsOrCancellationsRequired")
        overwrite = call.node.get("ConflictResolution") == "AlwaysOverwrite"

        def one(node: Element) -> str:
            item = self._named(call, entry, node[0])
            if not overwrite:
                _agree(item, node[0].get("ChangeKey"))
            if item.folder in _DELETED:
                raise ItemError(code="ErrorCalendarCannotUpdateDeletedItem")
            fields, props = dict(item.fields), dict(item.props)
            for change in node.iterfind(f"{T}Updates/*"):
                _apply(change, fields, props)
            item.box.write(item, f.checked(fields, item.created), tuple(props.items()))
            return (
                f"<m:Items>{f.written(item, ())}</m:Items>"
                "<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"
            )

        return one

    def _delete(self, call: Call, entry: Entry) -> One:
        if "SendMeetingCancellations" not in call.node.attrib:
            raise ItemError(code="ErrorSendMeetingCancellationsRequired")
        kind = call.node.get("DeleteType")

        def one(node: Element) -> str:
            item = self._named(call, entry, node)
            if kind == "HardDelete":
                item.box.remove(item)
            else:
                item.box.move(item, "recoverable" if kind == "SoftDelete" else "deleteditems")
            return ""

        return one

    def _find(self, call: Call, entry: Entry) -> One:
        rule, made = call.child("Restriction"), f.writers(_inside(call, "ItemShape"), search=True)
        test = None if rule is None else restriction.build(rule[0])
        entry.restricted = rule is not None and restriction.ours(rule[0])
        entry.keys = [] if rule is None else restriction.keys(rule[0])

        def one(node: Element) -> str:
            box, folder = self._folder(call, node)
            entry.mailbox = box.address
            found = [item for item in box.in_folder(folder) if test is None or test(item)]
            page, marks = _page(call, _sorted(call, found))
            for item in page:
                self.exchange.touch(item)
                entry.note(box.prefix, item.number)
            inner = "".join(f.written(item, made) for item in page)
            return f"<m:RootFolder {marks}><t:Items>{inner}</t:Items></m:RootFolder>"

        return one

    def _get_folder(self, call: Call, entry: Entry) -> One:
        def one(node: Element) -> str:
            box, folder = self._folder(call, node)
            entry.mailbox = box.address
            return f"<m:Folders>{_folder_xml(box, folder)}</m:Folders>"

        return one

    def _find_folder(self, call: Call, _entry: Entry) -> One:
        def one(node: Element) -> str:
            box, _ = self._folder(call, node)
            inner = "".join(_folder_xml(box, name) for name in ("calendar", "deleteditems"))
            marks = 'IndexedPagingOffset="2" TotalItemsInView="2" IncludesLastItemInRange="true"'
            return f"<m:RootFolder {marks}><t:Folders>{inner}</t:Folders></m:RootFolder>"

        return one

    def _convert(self, _call: Call, _entry: Entry) -> One:
        return _refusing(ItemError(code="ErrorInvalidIdMalformed"))

    def _folder(self, call: Call, node: Element | None) -> tuple[Mailbox, str]:
        """Say which folder of which mailbox a folder id names."""
        if node is not None and node.tag == T + "FolderId":
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
        name = next((name for name, n in FOLDERS.items() if n == number), None)
        if box is None or name is None or (call.person or box.address) != box.address:
            raise ItemError(code="ErrorFolderNotFound")
        return box, name

    def _named(self, call: Call, entry: Entry, node: Element) -> Item:
        """Return the item that an id names, noting that it was named."""
        text = node.get("Id", "")
        box, number = self._split(text)
        if box is None or (call.person or box.address) != box.address:
            entry.ids.append(text)
            raise ItemError(code="ErrorItemNotFound")
        entry.note(box.prefix, number)
        entry.mailbox = self._box(box.address).address
        item = box.items.get(number)
        if item is None:
            raise ItemError(code="ErrorItemNotFound")
        self.exchange.touch(item)
        entry.keys += [item.sync_key] if item.sync_key else []
        return item

    def _split(self, text: str) -> tuple[Mailbox | None, int]:
        try:
            raw = base64.b64decode(text.translate(_PLAIN), validate=True)
        except (binascii.Error, ValueError) as error:
            raise ItemError(code="ErrorInvalidIdMalformed") from error
        if not text.startswith("AAMkA") or len(raw) < _SHORTEST_ID:
            raise ItemError(code="ErrorInvalidIdMalformed")
        return self.exchange.by_prefix.get(text[:-8]), int.from_bytes(raw[-6:], "big")


_SHORTEST_ID, _PLAIN = 60, str.maketrans("-_", "+/")


def _refusing(error: ItemError) -> One:
    def one(_: Element) -> str:
        raise error

    return one


def _batch(
    call: Call, entry: Entry, one: One, nodes: tuple[Element, Mapping[int, str]]
) -> Iterator[str]:
    """Answer each item for itself; a refused one does not stop the others."""
    for position, node in enumerate(nodes[0]):
        entry.items += 1
        spoilt = nodes[1].get(position)
        try:
            inner = (_refusing(ItemError(code=spoilt)) if spoilt else one)(node)
        except ItemError as error:
            entry.code = error.code if entry.code == "NoError" else entry.code
            yield failure(call.operation, error)
        else:
            yield success(call.operation, inner)


def _inside(call: Call, name: str) -> Element:
    found = call.node.find(M + name)
    if found is None:
        raise SoapFault(code="ErrorSchemaValidation", message=f"{name} is missing")
    return found


def _agree(item: Item, change_key: str | None) -> None:
    if not change_key:
        raise ItemError(code="ErrorChangeKeyRequiredForWriteOperations")
    if change_key != item.change_key:
        known = change_key.startswith("DwAAABYAAAC")
        raise ItemError(code="ErrorIrresolvableConflict" if known else "ErrorInvalidChangeKey")


def _apply(change: Element, fields: dict[str, str], props: dict[str, str]) -> None:
    path = f.path_of(change[0])
    if change.tag == T + "DeleteItemField":
        fields.pop(path, None)
        props.pop(path, None)
        fields.update({path: DEFAULTS[path]} if path in DEFAULTS else {})
        return
    new_fields, new_props = dict[str, str](), dict[str, str]()
    f.read(change[1], new_fields, new_props)
    if {*new_fields, *new_props} - {"BodyType"} != {path}:
        raise ItemError(code="ErrorUpdatePropertyMismatch")
    if change.tag == T + "AppendToItemField":
        new_fields = _appended(path, fields, new_fields)
    fields.update(new_fields)
    props.update(new_props)


def _appended(path: str, old: dict[str, str], new: dict[str, str]) -> dict[str, str]:
    if path == "Body":
        return {"Body": old.get("Body", "") + new["Body"], "BodyType": new["BodyType"]}
    if path not in {"Categories", "RequiredAttendees", "OptionalAttendees", "Resources"}:
        raise ItemError(code="ErrorInvalidPropertyAppend")
    return {path: joined(listed(old.get(path)) + listed(new[path]))}


def _sorted(call: Call, found: list[Item]) -> list[Item]:
    for order in reversed(call.node.findall(f"{M}SortOrder/{T}FieldOrder")):
        value = f.value_of(f.path_of(order[0]))
        found.sort(key=lambda i: value(i) or "", reverse=order.get("Order") == "Descending")
    return found


def _page(call: Call, found: list[Item]) -> tuple[list[Item], str]:
    """Cut out the page that is asked for, and no more than a search may find."""
    view = call.child("CalendarView")
    if view is not None:
        start, end = (f.instant(view.get(n, ""), "UTC") for n in ("StartDate", "EndDate"))
        found = [i for i in found if i.fields["Start"] < end and i.fields["End"] > start]
        found.sort(key=lambda i: i.fields["Start"])
        return _cut(found, 0, int(view.get("MaxEntriesReturned", MOST_FOUND)), indexed=False)
    most = MOST_FOUND if call.child("Restriction") is None else MOST_FOUND_RESTRICTED
    view = call.child("IndexedPageItemView")
    if view is None:
        return _cut(found, 0, most, indexed=True)
    offset, size = int(view.get("Offset", 0)), int(view.get("MaxEntriesReturned", most))
    if offset < 0 or size < 1:
        raise ItemError(code="ErrorInvalidIndexedPagingParameters")
    return _cut(found, offset, min(size, most), indexed=True)


def _cut(found: list[Item], offset: int, size: int, *, indexed: bool) -> tuple[list[Item], str]:
    page = found[offset : offset + size]
    following = min(offset + len(page), len(found))
    last = str(following >= len(found)).lower()
    marks = f'TotalItemsInView="{len(found)}" IncludesLastItemInRange="{last}"'
    return page, f'IndexedPagingOffset="{following}" {marks}' if indexed else marks


def _folder_xml(box: Mailbox, name: str) -> str:
    tag, kind = ("CalendarFolder", "Appointment") if name == "calendar" else ("Folder", "Note")
    count = sum(1 for _ in box.in_folder(name))
    return (
        f'<t:{tag}><t:FolderId Id="{item_id(box.prefix, FOLDERS[name])}" ChangeKey="AQAAAA=="/>'
        f'<t:ParentFolderId Id="{item_id(box.prefix, FOLDERS["root"])}" ChangeKey="AQAAAA=="/>'
        f"<t:FolderClass>IPF.{kind}</t:FolderClass><t:DisplayName>{name}</t:DisplayName>"
        f"<t:TotalCount>{count}</t:TotalCount><t:ChildFolderCount>0</t:ChildFolderCount></t:{tag}>"
    )
