"""An item as an answer shows it: the properties that were asked for, in the order of Microsoft."""

import re
from collections.abc import Callable
from html import unescape
from xml.sax.saxutils import escape, quoteattr

from kalender.sandbox.fields import path_of
from kalender.sandbox.journal import item_id
from kalender.sandbox.mailboxes import FOLDERS, Item, listed
from kalender.sandbox.schema import RANK, Element, T, attributes
from kalender.sandbox.soap import ItemError
from kalender.sandbox.values import TOLD, Tell

Write = Callable[[Item], str]
Writers = tuple[Write, ...]
_CDATA = re.compile(r"<(style|script|head)\b.*?</\1>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_BREAK = re.compile(r"<(?:br|/p|/div|/tr|/li)\b[^>]*>", re.IGNORECASE)
_RETURN = {"\r": "&#xD;"}
_META = '<meta http-equiv="Content-Type" content="text/html; charset=utf-8">\r\n'

# XML 1.0 has no such characters; Exchange writes those of a note as references all the same.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def plain(html: str) -> str:
    """Return the text of a body, as Exchange does for whoever asks for text."""
    text = _BREAK.sub("\n", _CDATA.sub("", html))
    return unescape(re.sub(r"<[^>]*>", "", text)).replace("\r\n", "\n").strip("\n")


def _body(item: Item, wanted: str) -> str:
    text = item.fields.get("Body")
    if text is None:
        return '<t:Body BodyType="Text"/>' if wanted == "Text" else ""
    kind = item.fields["BodyType"]
    if wanted == "Text" and kind == "HTML":
        kind, text = "Text", plain(text)
    elif wanted == "HTML" and kind == "Text":
        kind, text = "HTML", f'<div class="PlainText">{escape(text)}</div>'.replace("\n", "<br>\n")
    if kind == "HTML" and "<html" not in text[:200].lower():
        text = f"<html>\r\n<head>\r\n{_META}</head>\r\n<body>\r\n{text}\r\n</body>\r\n</html>\r\n"
    shown = _FORBIDDEN.sub(lambda found: f"&#x{ord(found[0]):X};", escape(text, _RETURN))
    return f'<t:Body BodyType="{kind}">{shown}</t:Body>'


def _plainly(name: str, tell: Tell) -> Write:
    def render(item: Item) -> str:
        value = tell(item)
        return "" if value is None else f"<t:{name}>{escape(value)}</t:{name}>"

    return render


def _people(name: str) -> Write:
    def render(item: Item) -> str:
        people = listed(item.fields.get(name))
        inner = "".join(f"<t:Attendee>{_mailbox(a)}</t:Attendee>" for a in people)
        return f"<t:{name}>{inner}</t:{name}>" if inner else ""

    return render


def _zone(name: str) -> Write:
    def render(item: Item) -> str:
        value = item.fields.get(name)
        return f"<t:{name} Id={quoteattr(value)} Name={quoteattr(value)}/>" if value else ""

    return render


def _mailbox(address: str) -> str:
    shown = escape(address)
    return (
        f"<t:Mailbox><t:Name>{shown}</t:Name><t:EmailAddress>{shown}</t:EmailAddress>"
        "<t:RoutingType>SMTP</t:RoutingType><t:MailboxType>Mailbox</t:MailboxType></t:Mailbox>"
    )


def _attachments(item: Item) -> str:
    inner = "".join(
        f'<t:FileAttachment><t:AttachmentId Id="{item.id}{n}"/><t:Name>{escape(name)}</t:Name>'
        "</t:FileAttachment>"
        for n, name in enumerate(item.attachments)
    )
    return f"<t:Attachments>{inner}</t:Attachments>" if inner else ""


def _categories(item: Item) -> str:
    words = listed(item.fields.get("Categories"))
    inner = "".join(f"<t:String>{escape(word)}</t:String>" for word in words)
    return f"<t:Categories>{inner}</t:Categories>" if inner else ""


def _folder(item: Item) -> str:
    shown = item_id(item.box.prefix, FOLDERS.get(item.folder, FOLDERS["other"]))
    return f'<t:ParentFolderId Id="{shown}" ChangeKey="AQAAAA=="/>'


_WRITE: dict[str, Write] = {
    **{name: _plainly(name, tell) for name, tell in TOLD.items()},
    **{name: _people(name) for name in ("RequiredAttendees", "OptionalAttendees", "Resources")},
    **{name: _zone(name) for name in ("StartTimeZone", "EndTimeZone")},
    "Body": lambda item: _body(item, "Best"),
    "TextBody": lambda item: _body(item, "Text").replace("t:Body", "t:TextBody"),
    "Attachments": _attachments,
    "Categories": _categories,
    "ParentFolderId": _folder,
    "Organizer": lambda item: f"<t:Organizer>{_mailbox(item.box.address)}</t:Organizer>",
}
_DEFAULT = """Subject HasAttachments ItemClass Body Start End LegacyFreeBusyStatus Location
CalendarItemType Organizer RequiredAttendees OptionalAttendees IsRecurring IsAllDayEvent"""
_BASES = {"Default": _DEFAULT.split(), "AllProperties": list(_WRITE)}
_NOT_FOUND_BY_SEARCH = {"Body", "TextBody", "Attachments", "RequiredAttendees", "OptionalAttendees"}


def writers(shape: Element, *, search: bool) -> Writers:
    """Return what writes an item in the shape that was asked for, in Microsoft's order.

    What the schema knows and an appointment here never has is left out of it, as by Exchange.
    """
    if _said(shape, "IncludeMimeContent") in {"true", "1"}:
        raise ItemError(code="ErrorUnsupportedMimeConversion")
    wanted: list[tuple[int, Write]] = []
    names = dict.fromkeys(_BASES.get(_said(shape, "BaseShape"), []))
    for node in shape.iterfind(f"{T}AdditionalProperties/*"):
        path = path_of(node)
        if node.tag == T + "ExtendedFieldURI":
            wanted.append((RANK["ExtendedProperty"], _named(node, path)))
        else:
            names[path] = None
    skip = _NOT_FOUND_BY_SEARCH if search else {""}
    kind = _said(shape, "BodyType") or "Best"
    made = {**_WRITE, "Body": lambda item: _body(item, kind)}
    wanted += [(RANK[n], made[n]) for n in names if n in made and n not in skip]
    return tuple(write for _, write in sorted(wanted, key=lambda pair: pair[0]))


def _said(shape: Element, name: str) -> str:
    return (shape.findtext(T + name) or "").strip()


def _named(node: Element, path: str) -> Write:
    shown = " ".join(f"{key}={quoteattr(value)}" for key, value in attributes(node))
    array = path.endswith("Array")

    def render(item: Item) -> str:
        inner = "".join(f"<t:Value>{escape(value)}</t:Value>" for value in item.values(path))
        if not inner:
            return ""
        inner = f"<t:Values>{inner}</t:Values>" if array else inner
        return f"<t:ExtendedProperty><t:ExtendedFieldURI {shown}/>{inner}</t:ExtendedProperty>"

    return render


def written(item: Item, made: Writers) -> str:
    """Write an item."""
    inner = "".join(write(item) for write in made)
    return (
        f'<t:CalendarItem><t:ItemId Id="{item.id}" ChangeKey="{item.change_key}"/>{inner}'
        "</t:CalendarItem>"
    )
