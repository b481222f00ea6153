"""Exchange Web Services: the operations, each item of a batch for itself."""

from collections.abc import Callable, Iterator, Mapping

from kalender.sandbox import restriction, view
from kalender.sandbox.fields import READ, Fields, path_of, read
from kalender.sandbox.journal import Entry, item_id
from kalender.sandbox.mailboxes import DEFAULTS, FOLDERS, Exchange, Item, Mailbox, joined, listed
from kalender.sandbox.places import Places
from kalender.sandbox.schema import Element, M, T
from kalender.sandbox.shape import writers, written
from kalender.sandbox.soap import Call, ItemError, envelope, failure, success
from kalender.sandbox.values import when

One = Callable[[Element], str]
_DELETED = {"deleteditems", "recoverable"}


class Service:
    """Answers one request at a time on the mailboxes of an Exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self._places = exchange, Places(exchange)
        self._operations: dict[str, tuple[str, Callable[[Call, Entry], One]]] = {
            "CreateItem": ("Items", self._create),
            "GetItem": ("ItemIds", self._get),
            "UpdateItem": ("ItemChanges", self._update),
            "DeleteItem": ("ItemIds", self._delete),
            "MoveItem": ("ItemIds", self._move),
            "FindItem": ("ParentFolderIds", self._find),
            "GetFolder": ("FolderIds", self._get_folder),
            "FindFolder": ("ParentFolderIds", self._find_folder),
            "ConvertId": ("SourceIds", self._convert),
        }

    def answer(self, call: Call, entry: Entry, spoil: Mapping[int, str]) -> bytes:
        """Do what is asked and write the answer; `spoil` refuses items by their position."""
        if call.operation != "ConvertId":
            self._places.admit(call)
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

    def _create(self, call: Call, entry: Entry) -> One:
        if "SendMeetingInvitations" not in call.node.attrib:
            raise ItemError(code="ErrorSendMeetingInvitationsRequired")
        saved = call.child("SavedItemFolderId")
        box, folder = self._places.folder(call, None if saved is None else saved[0])
        entry.mailbox = box.address

        def one(node: Element) -> str:
            if node.tag != T + "CalendarItem":
                raise ItemError(code="ErrorInvalidItemForOperationCreateItem")
            if folder != "calendar":
                raise ItemError(code="ErrorCannotCreateCalendarItemInNonCalendarFolder")
            fields, props = dict(DEFAULTS), dict[str, str]()
            read(node, fields, props)
            item = box.add(_checked(fields, self.exchange.now()), tuple(props.items()))
            entry.note(box.prefix, item.number)
            entry.keys += [item.sync_key] if item.sync_key else []
            return f"<m:Items>{written(item, ())}</m:Items>"

        return one

    def _get(self, call: Call, entry: Entry) -> One:
        made = writers(_inside(call, "ItemShape"), search=False)

        def one(node: Element) -> str:
            return f"<m:Items>{written(self._places.item(call, entry, node), made)}</m:Items>"

        return one

    def _update(self, call: Call, entry: Entry) -> One:
        if "SendMeetingInvitationsOrCancellations" not in call.node.attrib:
            raise ItemError(code="ErrorSendMeetingInvitationsOrCancellationsRequired")
        overwrite = call.node.get("ConflictResolution") == "AlwaysOverwrite"

        def one(node: Element) -> str:
            item = self._places.item(call, entry, node[0])
            if not overwrite:
                _agree(item, node[0].get("ChangeKey"))
            if item.folder in _DELETED:
                raise ItemError(code="ErrorCalendarCannotUpdateDeletedItem")
            fields, props = dict(item.fields), dict(item.props)
            for change in node.iterfind(f"{T}Updates/*"):
                _apply(change, fields, props)
            item.box.write(item, _checked(fields, item.created), tuple(props.items()))
            return (
                f"<m:Items>{written(item, ())}</m:Items>"
                "<m:ConflictResults><t:Count>0</t:Count></m:ConflictResults>"
            )

        return one

    def _delete(self, call: Call, entry: Entry) -> One:
        if "SendMeetingCancellations" not in call.node.attrib:
            raise ItemError(code="ErrorSendMeetingCancellationsRequired")
        kind = call.node.get("DeleteType")

        def one(node: Element) -> str:
            item = self._places.item(call, entry, node)
            if kind == "HardDelete":
                item.box.remove(item)
            else:
                item.box.move(item, "recoverable" if kind == "SoftDelete" else "deleteditems")
            return ""

        return one

    def _move(self, call: Call, entry: Entry) -> One:
        box, folder = self._places.folder(call, _inside(call, "ToFolderId")[0])
        silent = (call.node.findtext(M + "ReturnNewItemIds") or "true").strip() in {"false", "0"}

        def one(node: Element) -> str:
            item = self._places.item(call, entry, node)
            if item.box is not box:
                raise ItemError(code="ErrorCrossMailboxMoveCopy")
            item.box.move(item, folder)
            return "<m:Items/>" if silent else f"<m:Items>{written(item, ())}</m:Items>"

        return one

    def _find(self, call: Call, entry: Entry) -> One:
        view.check(call)
        rule, made = call.child("Restriction"), writers(_inside(call, "ItemShape"), search=True)
        test = None if rule is None else restriction.build(rule[0])
        entry.restricted = rule is not None and restriction.ours(rule[0])
        entry.keys = [] if rule is None else restriction.keys(rule[0])
        entry.mark = "" if rule is None else restriction.mark(rule[0])

        def one(node: Element) -> str:
            box, folder = self._places.folder(call, node)
            entry.mailbox = box.address
            found = [item for item in _within(call, box, folder) if test is None or test(item)]
            page, marks = view.page(call, found, folder)
            for item in page:
                self.exchange.touch(item)
                entry.note(box.prefix, item.number)
            inner = "".join(written(item, made) for item in page)
            return f"<m:RootFolder {marks}><t:Items>{inner}</t:Items></m:RootFolder>"

        return one

    def _get_folder(self, call: Call, entry: Entry) -> One:
        shape = _inside(call, "FolderShape")

        def one(node: Element) -> str:
            box, folder = self._places.folder(call, node)
            entry.mailbox = box.address
            return f"<m:Folders>{_folder_xml(box, folder, shape)}</m:Folders>"

        return one

    def _find_folder(self, call: Call, _entry: Entry) -> One:
        view.check(call)
        shape = _inside(call, "FolderShape")
        if call.child("Restriction") is not None:
            raise ItemError(code="ErrorUnsupportedPathForQuery")

        def one(node: Element) -> str:
            box, parent = self._places.folder(call, node)
            here = "root" in parent and call.node.get("Traversal") != "SoftDeleted"
            names = ["calendar", "deleteditems"] if here else []
            part, marks = view.cut(call.child("IndexedPageFolderView"), len(names), len(names))
            inner = "".join(_folder_xml(box, name, shape) for name in names[part])
            return f"<m:RootFolder {marks}><t:Folders>{inner}</t:Folders></m:RootFolder>"

        return one

    def _convert(self, _call: Call, _entry: Entry) -> One:
        return _refusing(ItemError(code="ErrorInvalidIdMalformed"))


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
    """Return a child that the schema requires."""
    return next(call.node.iterchildren(M + name))


def _within(call: Call, box: Mailbox, folder: str) -> Iterator[Item]:
    """Give what a traversal goes through; nothing here is associated with a folder."""
    traversal = call.node.get("Traversal")
    if traversal == "Associated":
        return iter(())
    return box.in_folder("recoverable" if traversal == "SoftDeleted" else folder)


def _checked(fields: Fields, now: int) -> Fields:
    """Give an item the fields that every appointment has, or refuse it as Exchange would."""
    start = fields.setdefault("Start", when(now))
    fields.setdefault("End", start)
    if fields["End"] < start:
        raise ItemError(code="ErrorCalendarEndDateIsEarlierThanStartDate")
    return fields


def _agree(item: Item, change_key: str | None) -> None:
    if not change_key:
        raise ItemError(code="ErrorChangeKeyRequiredForWriteOperations")
    if change_key != item.change_key:
        known = change_key.startswith("DwAAABYAAAC")
        raise ItemError(code="ErrorIrresolvableConflict" if known else "ErrorInvalidChangeKey")


def _apply(change: Element, fields: Fields, props: Fields) -> None:
    path = path_of(change[0])
    if change.tag == T + "DeleteItemField":
        _remove(path, fields, props)
        return
    if change[1].tag not in {T + "CalendarItem", T + "Item"}:
        raise ItemError(code="ErrorInvalidPropertyForOperation")
    if len(change[1]) != 1:
        raise ItemError(code="ErrorIncorrectUpdatePropertyCount")
    new_fields, new_props = dict[str, str](), dict[str, str]()
    read(change[1], new_fields, new_props)
    if {*new_fields, *new_props} - {"BodyType"} != {path}:
        raise ItemError(code="ErrorUpdatePropertyMismatch")
    if change.tag == T + "AppendToItemField":
        new_fields = _appended(path, fields, new_fields)
    fields.update(new_fields)
    props.update(new_props)


def _remove(path: str, fields: Fields, props: Fields) -> None:
    if ":" not in path and (path not in READ or path in {"Start", "End", "ItemClass"}):
        raise ItemError(code="ErrorInvalidPropertyDelete")
    fields.pop(path, None)
    props.pop(path, None)
    fields.update({path: DEFAULTS[path]} if path in DEFAULTS else {})


def _appended(path: str, old: Fields, new: Fields) -> Fields:
    if path == "Body":
        return {"Body": old.get("Body", "") + new["Body"], "BodyType": new["BodyType"]}
    if path not in {"Categories", "RequiredAttendees", "OptionalAttendees", "Resources"}:
        raise ItemError(code="ErrorInvalidPropertyAppend")
    return {path: joined(listed(old.get(path)) + listed(new[path]))}


def _folder_xml(box: Mailbox, name: str, shape: Element) -> str:
    tag, kind = ("CalendarFolder", "Appointment") if name == "calendar" else ("Folder", "Note")
    count = sum(1 for _ in box.in_folder(name))
    parent = item_id(box.prefix, FOLDERS["root"])
    asked = {path_of(node) for node in shape.iterfind(f"{T}AdditionalProperties/*")}
    inner = "".join(
        text
        for field, text in (
            ("ParentFolderId", f'<t:ParentFolderId Id="{parent}" ChangeKey="AQAAAA=="/>'),
            ("FolderClass", f"<t:FolderClass>IPF.{kind}</t:FolderClass>"),
            ("DisplayName", f"<t:DisplayName>{name}</t:DisplayName>"),
            ("TotalCount", f"<t:TotalCount>{count}</t:TotalCount>"),
            ("ChildFolderCount", "<t:ChildFolderCount>0</t:ChildFolderCount>"),
        )
        if shape.findtext(T + "BaseShape") != "IdOnly" or f"folder.{field}" in asked
    )
    folder = f'<t:FolderId Id="{item_id(box.prefix, FOLDERS[name])}" ChangeKey="AQAAAA=="/>'
    return f"<t:{tag}>{folder}{inner}</t:{tag}>"
