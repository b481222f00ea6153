"""The five requests we ever make of Exchange, as bytes, and what their answers say.

Element order is Microsoft's schema's. Written and read leanly: thirty times cheaper than through
a general library, and held against exchangelib's own bytes by a contract test.
"""

import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from kalender.domain.model import Content
from kalender.domain.takeover import (
    CategoryMark,
    LineMark,
    MarkedItem,
    PredecessorMark,
    PropertyMark,
)
from kalender.ports import (
    Additions,
    EntryChange,
    EntryState,
    FoundItem,
    ItemRef,
    NewEntry,
)

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
S, M, T = f"{{{SOAP}}}", f"{{{MESSAGES}}}", f"{{{TYPES}}}"
_CODE, _ITEMS, _ITEM_ID = f"{M}ResponseCode", f"{M}Items", f"{T}ItemId"

# One named property under one GUID, never to change: by it we know our entries, for ever.
PROPERTY_SET = "5f0d4c7e-6a0b-4f6e-9d5e-3b8f2a7c1e94"
PROPERTY_NAME = "SyncKey"
PROPERTY = (
    f'<t:ExtendedFieldURI PropertySetId="{PROPERTY_SET}" PropertyName="{PROPERTY_NAME}"'
    ' PropertyType="String"/>'
)
SHOW_AS = {
    "busy": "Busy",
    "free": "Free",
    "tentative": "Tentative",
    "oof": "OOF",
    "elsewhere": "WorkingElsewhere",
}
READ_SHOW_AS = {wire: word for word, wire in SHOW_AS.items()}
PAGE = 250  # Exchange's own limit for a search with a restriction

_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REFERENCE = re.compile(r"&#(?:0*([0-9]{1,7})|x0*([0-9a-fA-F]{1,6}));")
_PARSER = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True, load_dtd=False)


def text(value: str) -> str:
    """Return text fit for XML; characters that XML 1.0 forbids are left out."""
    return escape(_ILLEGAL.sub("", value))


def attribute(value: str) -> str:
    """Return a quoted attribute fit for XML; characters that XML 1.0 forbids are left out."""
    return quoteattr(_ILLEGAL.sub("", value))


def legible(content: bytes) -> bytes:
    """Return an answer without what XML 1.0 forbids, raw or as a numeric reference.

    Exchange writes such characters of a user's notes as they are (`&#x1F;`), and no parser of XML
    takes them. What is no UTF-8 becomes U+FFFD.
    """
    decoded = content.decode("utf-8-sig", errors="replace")
    return _ILLEGAL.sub("", _REFERENCE.sub(_allowed, decoded)).encode()


def _allowed(reference: re.Match[str]) -> str:
    number = int(reference[1]) if reference[1] else int(reference[2], 16)
    legal = number <= sys.maxunicode and not _ILLEGAL.match(chr(number))
    return reference[0] if legal else ""


def instant(moment: datetime) -> str:
    """Return UTC as the schema wants it."""
    return f"{moment.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


# -- requests -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes requests for one institution; `zone` is Windows' name of its time zone."""

    zone: str
    impersonate: bool

    def envelope(self, mailbox: str, body: str) -> bytes:
        """Wrap a request."""
        impersonation = (
            "<t:ExchangeImpersonation><t:ConnectingSID><t:PrimarySmtpAddress>"
            f"{text(mailbox)}</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>"
            if self.impersonate
            else ""
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?>'
            f'<s:Envelope xmlns:s="{SOAP}" xmlns:m="{MESSAGES}" xmlns:t="{TYPES}"><s:Header>'
            f'<t:RequestServerVersion Version="Exchange2016"/>{impersonation}<t:TimeZoneContext>'
            f"<t:TimeZoneDefinition Id={attribute(self.zone)}/></t:TimeZoneContext></s:Header>"
            f"<s:Body>{body}</s:Body></s:Envelope>"
        ).encode()

    def create(self, mailbox: str, entries: Sequence[NewEntry]) -> str:
        """CreateItem: plain appointments, nobody invited."""
        elements = "".join(
            text(entry.sync_key).join(_said(entry.content, self.zone)) for entry in entries
        )
        return (
            '<m:CreateItem MessageDisposition="SaveOnly" SendMeetingInvitations="SendToNone">'
            f"<m:SavedItemFolderId>{_folder(mailbox)}</m:SavedItemFolderId>"
            f"<m:Items>{elements}</m:Items></m:CreateItem>"
        )

    def update(self, changes: Sequence[EntryChange], *, overwrite: bool) -> str:
        """UpdateItem: only the fields named; never mails anybody."""
        resolution = "AlwaysOverwrite" if overwrite else "NeverOverwrite"
        elements = "".join(
            f"<t:ItemChange>{_item_id(change.item_id, change.change_key)}"
            f"<t:Updates>{''.join(self._fields(change))}</t:Updates></t:ItemChange>"
            for change in changes
        )
        return (
            f'<m:UpdateItem ConflictResolution="{resolution}" MessageDisposition="SaveOnly"'
            ' SendMeetingInvitationsOrCancellations="SendToNone" SuppressReadReceipts="true">'
            f"<m:ItemChanges>{elements}</m:ItemChanges></m:UpdateItem>"
        )

    def _fields(self, change: EntryChange) -> Iterable[str]:
        """Only what changes; a moved start says again in which zone it is meant."""
        values = {
            "item:Subject": _maybe("Subject", change.subject),
            "item:Body": _maybe("Body", change.body, ' BodyType="HTML"'),
            "calendar:Start": _maybe("Start", _instant(change.starts_at)),
            "calendar:End": _maybe("End", _instant(change.ends_at)),
            "calendar:LegacyFreeBusyStatus": _maybe(
                "LegacyFreeBusyStatus", change.show_as and SHOW_AS[change.show_as]
            ),
            "calendar:Location": _maybe("Location", change.location),
        }
        if change.starts_at is not None:
            for name in ("StartTimeZone", "EndTimeZone"):
                values[f"calendar:{name}"] = f"<t:{name} Id={attribute(self.zone)}/>"
        if change.categories:
            words = "".join(f"<t:String>{text(word)}</t:String>" for word in change.categories)
            values["item:Categories"] = f"<t:Categories>{words}</t:Categories>"
        elif change.categories is not None:
            yield '<t:DeleteItemField><t:FieldURI FieldURI="item:Categories"/></t:DeleteItemField>'
        if change.release:
            yield f"<t:DeleteItemField>{PROPERTY}</t:DeleteItemField>"
        if change.sync_key is not None:
            yield _set_property(PROPERTY, change.sync_key)
        if change.mark is not None:
            field = _property(change.mark.mark)
            value = change.mark.value
            yield (
                f"<t:DeleteItemField>{field}</t:DeleteItemField>"
                if value is None
                else _set_property(field, value)
            )
        for field, value in values.items():
            if value is not None:
                yield (
                    f'<t:SetItemField><t:FieldURI FieldURI="{field}"/><t:CalendarItem>{value}'
                    "</t:CalendarItem></t:SetItemField>"
                )


@lru_cache(maxsize=10_000)
def _said(content: Content, zone: str) -> tuple[str, str]:
    """Return an item up to its key, and what follows: written once for all who get the entry."""
    # That there is no reminder has to be said too: Exchange's own default is one of 15 minutes.
    has_reminder = content.reminder_minutes is not None
    words = "".join(f"<t:String>{text(category)}</t:String>" for category in content.categories)
    categories = f"<t:Categories>{words}</t:Categories>" if words else ""
    before = (
        f"<t:CalendarItem><t:Subject>{text(content.subject)}</t:Subject>"
        f'<t:Sensitivity>Normal</t:Sensitivity><t:Body BodyType="HTML">{text(content.body)}'
        f"</t:Body>{categories}<t:Importance>Normal</t:Importance>"
        f"<t:ReminderIsSet>{'true' if has_reminder else 'false'}</t:ReminderIsSet>"
        f"<t:ReminderMinutesBeforeStart>{content.reminder_minutes or 0}"
        f"</t:ReminderMinutesBeforeStart><t:ExtendedProperty>{PROPERTY}<t:Value>"
    )
    after = (
        "</t:Value></t:ExtendedProperty>"
        f"<t:Start>{instant(content.starts_at)}</t:Start><t:End>{instant(content.ends_at)}"
        "</t:End><t:IsAllDayEvent>false</t:IsAllDayEvent>"
        f"<t:LegacyFreeBusyStatus>{SHOW_AS[content.show_as]}</t:LegacyFreeBusyStatus>"
        f"<t:Location>{text(content.location)}</t:Location>"
        f"<t:StartTimeZone Id={attribute(zone)}/><t:EndTimeZone Id={attribute(zone)}/>"
        "</t:CalendarItem>"
    )
    return before, after


def _property(mark: PropertyMark) -> str:
    return (
        f"<t:ExtendedFieldURI PropertySetId={attribute(mark.property_set)}"
        f' PropertyName={attribute(mark.name)} PropertyType="String"/>'
    )


def _set_property(field: str, value: str) -> str:
    return (
        f"<t:SetItemField>{field}<t:CalendarItem><t:ExtendedProperty>{field}"
        f"<t:Value>{text(value)}</t:Value></t:ExtendedProperty></t:CalendarItem></t:SetItemField>"
    )


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else instant(moment)


def _maybe(name: str, value: str | None, attributes: str = "") -> str | None:
    return None if value is None else f"<t:{name}{attributes}>{text(value)}</t:{name}>"


def _folder(mailbox: str) -> str:
    return (
        '<t:DistinguishedFolderId Id="calendar"><t:Mailbox><t:EmailAddress>'
        f"{text(mailbox)}</t:EmailAddress></t:Mailbox></t:DistinguishedFolderId>"
    )


def _item_id(item_id: str, change_key: str | None) -> str:
    key = f" ChangeKey={attribute(change_key)}" if change_key else ""
    return f"<t:ItemId Id={attribute(item_id)}{key}/>"


def delete(refs: Sequence[ItemRef], *, hard: bool) -> str:
    """DeleteItem: nothing left in Deleted Items, nobody told."""
    kind = "HardDelete" if hard else "SoftDelete"
    ids = "".join(_item_id(ref.item_id, ref.change_key) for ref in refs)
    return (
        f'<m:DeleteItem DeleteType="{kind}" SendMeetingCancellations="SendToNone">'
        f"<m:ItemIds>{ids}</m:ItemIds></m:DeleteItem>"
    )


_READ = (
    "item:Subject",
    "item:Body",
    "calendar:Start",
    "calendar:End",
    "calendar:LegacyFreeBusyStatus",
    "calendar:Location",
    "calendar:IsMeeting",
    "calendar:RequiredAttendees",
    "calendar:OptionalAttendees",
    "calendar:Resources",
    "calendar:IsOnlineMeeting",
)
_READ_ADDITIONS = (
    "item:Sensitivity",
    "item:Categories",
    "item:Importance",
    "item:ReminderIsSet",
    "item:ReminderMinutesBeforeStart",
    "item:HasAttachments",
)


def get(item_ids: Sequence[str], *, fields: bool, additions: bool = False) -> str:
    """GetItem by id: with the fields we own and who is invited, or change keys alone."""
    names = (*_READ, *(_READ_ADDITIONS if additions else ()))
    paths = "".join(f'<t:FieldURI FieldURI="{name}"/>' for name in names) + PROPERTY
    deeper_paths = (
        f"<t:BodyType>HTML</t:BodyType><t:AdditionalProperties>{paths}</t:AdditionalProperties>"
        if fields
        else ""
    )
    ids = "".join(_item_id(item_id, None) for item_id in item_ids)
    return (
        f"<m:GetItem><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>{deeper_paths}</m:ItemShape>"
        f"<m:ItemIds>{ids}</m:ItemIds></m:GetItem>"
    )


def find(mailbox: str, keys: Sequence[str] | None, offset: int) -> str:
    """FindItem, shallow, restricted to our property: these keys, or any (None)."""
    equal = [
        f"<t:IsEqualTo>{PROPERTY}<t:FieldURIOrConstant><t:Constant Value={attribute(key)}/>"
        "</t:FieldURIOrConstant></t:IsEqualTo>"
        for key in keys or ()
    ]
    if keys is None:
        restriction = f"<t:Exists>{PROPERTY}</t:Exists>"
    elif len(keys) == 1:
        restriction = equal[0]
    else:
        restriction = f"<t:Or>{''.join(equal)}</t:Or>"
    return _search(mailbox, _FOUND, PROPERTY, restriction, offset)


def find_marked(mailbox: str, mark: PredecessorMark, offset: int) -> str:
    """FindItem, shallow, restricted to a predecessor's mark."""
    properties = PROPERTY + (_property(mark) if isinstance(mark, PropertyMark) else "")
    return _search(mailbox, (*_FOUND, *_FOUND_MARKED), properties, _marked_by(mark), offset)


def _marked_by(mark: PredecessorMark) -> str:
    match mark:
        case PropertyMark():
            mode = "Prefixed" if mark.prefix else "FullString"
            return _containing(_property(mark), mode, mark.value)
        case CategoryMark(category=category):
            return (
                '<t:IsEqualTo><t:FieldURI FieldURI="item:Categories"/><t:FieldURIOrConstant>'
                f"<t:Constant Value={attribute(category)}/></t:FieldURIOrConstant></t:IsEqualTo>"
            )
        case LineMark(line=line):
            return _containing('<t:FieldURI FieldURI="item:Body"/>', "Substring", line)


def _containing(field: str, mode: str, value: str) -> str:
    return (
        f'<t:Contains ContainmentMode="{mode}" ContainmentComparison="IgnoreCase">{field}'
        f"<t:Constant Value={attribute(value)}/></t:Contains>"
    )


_FOUND = ("item:DateTimeCreated", "calendar:Start", "calendar:End")
_FOUND_MARKED = ("item:Subject", "calendar:Location", "calendar:CalendarItemType")


def _search(
    mailbox: str, fields: Sequence[str], properties: str, restriction: str, offset: int
) -> str:
    paths = "".join(f'<t:FieldURI FieldURI="{name}"/>' for name in fields) + properties
    return (
        '<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>'
        f"<t:AdditionalProperties>{paths}</t:AdditionalProperties></m:ItemShape>"
        f'<m:IndexedPageItemView MaxEntriesReturned="{PAGE}" Offset="{offset}"'
        f' BasePoint="Beginning"/><m:Restriction>{restriction}</m:Restriction>'
        f"<m:ParentFolderIds>{_folder(mailbox)}</m:ParentFolderIds></m:FindItem>"
    )


# -- answers ------------------------------------------------------------------------------------------


class Unparsable(Exception):
    """This is no answer of Exchange's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A SOAP fault: Exchange's code, and how long it asks to be left alone."""

    code: str
    back_off_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The answer for one item: `code` is NoError where it went well."""

    code: str
    element: etree._Element
    back_off_seconds: float | None = None


def read(content: bytes, operation: str) -> list[Message] | Fault:
    """Return an answer's messages in order, or its fault; Unparsable for all else."""
    try:
        try:
            root = etree.fromstring(content, _PARSER)
        except etree.XMLSyntaxError:  # only then is looked for what XML forbids in an answer
            root = etree.fromstring(legible(content), _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise Unparsable("broken XML") from error
    body = root.find(f"{S}Body")
    if root.tag != f"{S}Envelope" or body is None:
        raise Unparsable("no SOAP")
    fault = body.find(f"{S}Fault")
    if fault is not None:
        tags = ((str(part.tag).rpartition("}")[2], part.text) for part in fault.iter())
        code = next((value for name, value in tags if name == "ResponseCode"), None)
        return Fault(
            code=_code((code or fault.findtext("faultcode") or "").rpartition(":")[2]),
            back_off_seconds=_back_off(fault),
        )
    messages = body.find(f"{M}{operation}Response/{M}ResponseMessages")
    if messages is None:
        raise Unparsable("no response messages")
    return [_message(message) for message in messages]


def _code(text: str) -> str:
    """Return a code fit to be shown: whatever is no plain name is not."""
    return text if re.fullmatch(r"[A-Za-z]\w{0,99}", text) else "unknown"


def _back_off(element: etree._Element) -> float | None:
    for value in element.iter(f"{T}Value"):
        if value.get("Name") == "BackOffMilliseconds" and value.text:
            try:
                return float(value.text) / 1000
            except ValueError:
                return None
    return None


def _message(element: etree._Element) -> Message:
    code = element.findtext(_CODE) or "unknown"
    if code == "NoError":
        return Message(code=code, element=element)
    inner = [
        value.text
        for value in element.iter(f"{T}Value")
        if value.get("Name") == "InnerErrorResponseCode" and value.text
    ]
    return Message(
        code=_code(inner[0] if inner else code),
        element=element,
        back_off_seconds=_back_off(element),
    )


def item_of(message: Message) -> etree._Element | None:
    """Return the item a message carries."""
    elements = message.element.find(_ITEMS)
    return elements[0] if elements is not None and len(elements) else None


def ref_of(element: etree._Element) -> ItemRef:
    """Return an item's reference; Unparsable where it has none."""
    id_element = element.find(_ITEM_ID)
    item_id = id_element.get("Id") if id_element is not None else None
    if id_element is None or not item_id:
        raise Unparsable("an item without its id")
    return ItemRef(item_id=item_id, change_key=id_element.get("ChangeKey", ""))


def state_of(element: etree._Element, *, fields: bool, additions: bool = False) -> EntryState:
    """Return what GetItem told of an item."""
    ref = ref_of(element)
    if not fields:
        return EntryState(ref=ref)
    flags = (element.findtext(f"{T}{name}") for name in ("IsMeeting", "IsOnlineMeeting"))
    attendees = (
        element.find(f"{T}{name}/{T}Attendee")
        for name in ("RequiredAttendees", "OptionalAttendees", "Resources")
    )
    return EntryState(
        ref=ref,
        sync_key=_sync_key(element),
        subject=element.findtext(f"{T}Subject") or "",
        body=element.findtext(f"{T}Body") or "",
        location=element.findtext(f"{T}Location") or "",
        starts_at=_moment(element, "Start"),
        ends_at=_moment(element, "End"),
        show_as=READ_SHOW_AS.get(element.findtext(f"{T}LegacyFreeBusyStatus") or "", "unknown"),
        # the user invited anybody or anything, or made it an online meeting
        meeting="true" in flags or any(attendee is not None for attendee in attendees),
        additions=_additions(element) if additions else None,
    )


def _additions(element: etree._Element) -> Additions:
    reminds = element.findtext(f"{T}ReminderIsSet") == "true"
    minutes = (element.findtext(f"{T}ReminderMinutesBeforeStart") or "").strip()
    return Additions(
        attachments=element.findtext(f"{T}HasAttachments") == "true",
        categories=tuple(
            sorted(e.text or "" for e in element.iterfind(f"{T}Categories/{T}String"))
        ),
        reminder_minutes=int(minutes) if reminds and minutes.isdecimal() else None,
        sensitivity=element.findtext(f"{T}Sensitivity") or "Normal",
        importance=element.findtext(f"{T}Importance") or "Normal",
    )


def _moment(element: etree._Element, name: str) -> datetime:
    try:
        return datetime.fromisoformat(element.findtext(f"{T}{name}") or "").astimezone(UTC)
    except ValueError as error:
        raise Unparsable(f"an item without {name}") from error


def _sync_key(element: etree._Element) -> str | None:
    return _value(element, PROPERTY_SET, PROPERTY_NAME)


def _value(element: etree._Element, property_set: str, name: str) -> str | None:
    """Return the value of a named property, or None where the item has none."""
    for extended in element.iterfind(f"{T}ExtendedProperty"):
        field = extended.find(f"{T}ExtendedFieldURI")
        if field is not None and field.get("PropertyName") == name:
            told_set = field.get("PropertySetId", property_set)  # a known set comes by its name
            if told_set.lower() == property_set:
                return extended.findtext(f"{T}Value")
    return None


def found_in(message: Message) -> tuple[list[FoundItem], int | None]:
    """Return FindItem's items, and the offset of the next page where there is one."""
    elements, offset = _page(message)
    items = [
        FoundItem(
            ref=ref_of(element),
            sync_key=_sync_key(element) or "",
            created_at=_moment(element, "DateTimeCreated"),
            starts_at=_moment(element, "Start"),
            ends_at=_moment(element, "End"),
        )
        for element in elements
    ]
    return items, offset


def marked_in(message: Message, mark: PredecessorMark) -> tuple[list[MarkedItem], int | None]:
    """Return FindItem's items with a predecessor's mark, and the offset of the next page."""
    elements, offset = _page(message)
    items = [
        MarkedItem(
            item_id=ref_of(element).item_id,
            value=(_value(element, mark.property_set, mark.name) or "")
            if isinstance(mark, PropertyMark)
            else "",
            sync_key=_sync_key(element),
            subject=element.findtext(f"{T}Subject") or "",
            location=element.findtext(f"{T}Location") or "",
            created_at=_moment(element, "DateTimeCreated"),
            starts_at=_moment(element, "Start"),
            ends_at=_moment(element, "End"),
            series=element.findtext(f"{T}CalendarItemType") not in {"Single", None},
        )
        for element in elements
    ]
    return items, offset


def _page(message: Message) -> tuple[etree._Element, int | None]:
    """Return the items of one page of a search, and the offset of the next where there is one."""
    root = message.element.find(f"{M}RootFolder")
    elements = root.find(f"{T}Items") if root is not None else None
    if root is None or elements is None:
        raise Unparsable("no folder in the answer")
    is_last = root.get("IncludesLastItemInRange", "true") == "true"
    offset = root.get("IndexedPagingOffset")
    return elements, None if is_last or not offset else int(offset)
