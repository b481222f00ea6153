"""The envelope of EWS: requests in Microsoft's order of elements, answers and faults."""

from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree

Element = etree._Element  # noqa: SLF001 - lxml gives its elements no public type
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
T, M, S = f"{{{TYPES}}}", f"{{{MESSAGES}}}", f"{{{ENVELOPE}}}"
BACK_OFF = 1000

_ITEM = """MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments
DateTimeReceived Size Categories Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend
IsUnmodified InternetMessageHeaders DateTimeSent DateTimeCreated ResponseObjects ReminderDueBy
ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo DisplayBcc
HasAttachments ExtendedProperty Culture EffectiveRights LastModifiedName LastModifiedTime
IsAssociated WebClientReadFormQueryString WebClientEditFormQueryString ConversationId UniqueBody
Flag StoreEntryId InstanceKey NormalizedBody EntityExtractionResult PolicyTag ArchiveTag
RetentionDate Preview RightsManagementLicenseData PredictedActionReasons IsClutter BlockStatus
HasBlockedImages TextBody IconIndex SearchKey SortKey Hashtags Mentions MentionedMe"""
_CALENDAR = """UID RecurrenceId DateTimeStamp Start End OriginalStart IsAllDayEvent
LegacyFreeBusyStatus Location When IsMeeting IsCancelled IsRecurring MeetingRequestWasSent
IsResponseRequested CalendarItemType MyResponseType Organizer RequiredAttendees OptionalAttendees
Resources ConflictingMeetingCount AdjacentMeetingCount ConflictingMeetings AdjacentMeetings
Duration TimeZone AppointmentReplyTime AppointmentSequenceNumber AppointmentState Recurrence
FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences MeetingTimeZone
StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting
MeetingWorkspaceUrl NetShowUrl EnhancedLocation StartWallClock EndWallClock StartTimeZoneId
EndTimeZoneId IntendedFreeBusyStatus JoinOnlineMeetingUrl OnlineMeetingSettings IsOrganizer"""
RANK = {name: rank for rank, name in enumerate(f"{_ITEM} {_CALENDAR}".split())}

_SHAPE = """BaseShape IncludeMimeContent BodyType UniqueBodyType NormalizedBodyType
FilterHtmlContent ConvertHtmlCodePageToUTF8 InlineImageUrlTemplate BlockExternalImages
AddBlankTargetToLinks MaximumBodySize AdditionalProperties"""
_VIEWS = "IndexedPageItemView FractionalPageItemView CalendarView ContactsView"
_ORDERS = {
    M + "CreateItem": "SavedItemFolderId Items",
    M + "GetItem": "ItemShape ItemIds",
    M + "FindItem": f"ItemShape {_VIEWS} GroupBy DistinguishedGroupBy Restriction SortOrder "
    "ParentFolderIds QueryString",
    M + "UpdateItem": "SavedItemFolderId ItemChanges",
    M + "DeleteItem": "ItemIds",
    M + "GetFolder": "FolderShape FolderIds",
    M + "FindFolder": "FolderShape IndexedPageFolderView FractionalPageFolderView Restriction "
    "ParentFolderIds",
    M + "ConvertId": "SourceIds",
    M + "ItemShape": _SHAPE,
    T + "ItemChange": "ItemId OccurrenceItemId RecurringMasterItemId Updates",
    T + "SetItemField": "FieldURI IndexedFieldURI ExtendedFieldURI CalendarItem",
    T + "AppendToItemField": "FieldURI IndexedFieldURI ExtendedFieldURI CalendarItem",
    T + "DeleteItemField": "FieldURI IndexedFieldURI ExtendedFieldURI",
    T + "CalendarItem": " ".join(RANK),
    T + "ExtendedProperty": "ExtendedFieldURI Value Values",
    T + "Attendee": "Mailbox ResponseType LastResponseTime ProposedStart ProposedEnd",
    T + "Mailbox": "Name EmailAddress RoutingType MailboxType ItemId",
}
_OPERATIONS = {tag for tag in _ORDERS if tag.startswith(M)} - {M + "ItemShape"}
_INSIDE = {
    parent: {
        (M if parent in _OPERATIONS else T) + name: rank for rank, name in enumerate(order.split())
    }
    for parent, order in _ORDERS.items()
}
_REQUIRED = {
    "CreateItem": (("Items",), ()),
    "GetItem": (("ItemShape", "ItemIds"), ()),
    "FindItem": (("ItemShape", "ParentFolderIds"), ("Traversal",)),
    "UpdateItem": (("ItemChanges",), ("ConflictResolution",)),
    "DeleteItem": (("ItemIds",), ("DeleteType",)),
    "GetFolder": (("FolderShape", "FolderIds"), ()),
    "FindFolder": (("FolderShape", "ParentFolderIds"), ("Traversal",)),
    "ConvertId": (("SourceIds",), ("DestinationFormat",)),
}
_FILLED = ("Items", "ItemIds", "ItemChanges", "ParentFolderIds", "FolderIds")
_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True
)


class SoapFault(Exception):
    """The whole request is refused."""

    def __init__(self, *, code: str, message: str = "", back_off: int | None = None) -> None:
        super().__init__(code)
        self.code, self.message, self.back_off = code, message or _WORDS.get(code, code), back_off


class ItemError(Exception):
    """One item of a batch is refused; the others go on."""

    def __init__(self, *, code: str, message: str = "") -> None:
        super().__init__(code)
        self.code, self.message = code, message or _WORDS.get(code, code)


@dataclass(slots=True, frozen=True)
class Call:
    """A request: its operation and whose mailbox it acts in."""

    operation: str
    node: Element
    person: str | None

    def child(self, name: str) -> Element | None:
        """Return a child in the messages namespace."""
        return self.node.find(M + name)


def parse(body: bytes) -> Call:
    """Read an envelope, or raise the fault that Exchange answers for one not of its schema."""
    try:
        root = etree.fromstring(body, _PARSER)
    except etree.XMLSyntaxError as error:
        raise _invalid(why=f"not well-formed: {error}") from error
    found = root.find(S + "Body")
    if root.tag != S + "Envelope" or found is None or len(found) != 1:
        raise _invalid(why="no SOAP envelope with one operation")
    node = found[0]
    operation = node.tag[len(M) :]
    if node.tag[: len(M)] != M or operation not in _REQUIRED:
        raise _invalid(why=f"element '{node.tag}' is not known here")
    _check(node, operation)
    sid = root.find(f"{S}Header/{T}ExchangeImpersonation/{T}ConnectingSID")
    person = None if sid is None or not len(sid) else (sid[0].text or "").strip().lower()
    return Call(operation, node, person)


def _check(node: Element, operation: str) -> None:
    children, attributes = _REQUIRED[operation]
    for name in attributes:
        if name not in node.attrib:
            raise _invalid(why=f"the required attribute '{name}' is missing")
    for name in children:
        found = node.find(M + name)
        if found is None or (name in _FILLED and not len(found)):
            raise _invalid(why=f"'{operation}' has incomplete content, expected '{name}'")
    for parent in node.iter(*_INSIDE):
        _check_order(parent, _INSIDE[parent.tag])


def _check_order(parent: Element, inside: dict[str, int]) -> None:
    last = -1
    for child in parent:
        rank = inside.get(child.tag, -1)
        if rank < last or rank == -1:
            raise _invalid(why=f"'{parent.tag}' has invalid child element '{child.tag}'")
        last = rank


def _invalid(*, why: str) -> SoapFault:
    return SoapFault(
        code="ErrorSchemaValidation", message=f"The request failed schema validation: {why}"
    )


def envelope(operation: str, messages: Iterable[str]) -> bytes:
    """Write the answer to a request."""
    inner = "".join(messages)
    return (
        f'{_HEAD}<m:{operation}Response xmlns:m="{MESSAGES}" xmlns:t="{TYPES}">'
        f"<m:ResponseMessages>{inner}</m:ResponseMessages></m:{operation}Response>{_TAIL}"
    ).encode()


def success(operation: str, inner: str = "") -> str:
    """Write the answer for one item that went well."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError'
        f"</m:ResponseCode>{inner}</m:{operation}ResponseMessage>"
    )


def failure(operation: str, error: ItemError) -> str:
    """Write the answer for one item that was refused."""
    items = "<m:Items/>" if operation in {"CreateItem", "GetItem", "UpdateItem"} else ""
    items = "<m:Folders/>" if operation == "GetFolder" else items
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Error"><m:MessageText>'
        f"{escape(error.message)}</m:MessageText><m:ResponseCode>{error.code}</m:ResponseCode>"
        f"<m:DescriptiveLinkKey>0</m:DescriptiveLinkKey>{items}</m:{operation}ResponseMessage>"
    )


def fault(error: SoapFault) -> bytes:
    """Write a SOAP fault; it goes with HTTP 500."""
    detail = ""
    if error.back_off is not None:
        detail = (
            f'<t:MessageXml xmlns:t="{TYPES}"><t:Value Name="BackOffMilliseconds">'
            f"{error.back_off}</t:Value></t:MessageXml>"
        )
    errors = f'xmlns:e="{TYPES[:-5]}errors"'
    return (
        f'{_HEAD}<s:Fault><faultcode xmlns:a="{TYPES}">a:{error.code}</faultcode>'
        f'<faultstring xml:lang="en-US">{escape(error.message)}</faultstring><detail>'
        f"<e:ResponseCode {errors}>{error.code}</e:ResponseCode>"
        f"<e:Message {errors}>{escape(error.message)}</e:Message>{detail}</detail></s:Fault>{_TAIL}"
    ).encode()


_HEAD = (
    f'<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="{ENVELOPE}"><s:Header>'
    f'<h:ServerVersionInfo MajorVersion="15" MinorVersion="2" MajorBuildNumber="1544" '
    f'MinorBuildNumber="4" Version="V2017_07_11" xmlns:h="{TYPES}"/></s:Header><s:Body>'
)
_TAIL = "</s:Body></s:Envelope>"
_WORDS = {
    "ErrorItemNotFound": "The specified object was not found in the store.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidChangeKey": "The change key is invalid.",
    "ErrorNonExistentMailbox": "The SMTP address has no mailbox associated with it.",
    "ErrorMailboxMoveInProgress": "The mailbox is being moved. Try again later.",
    "ErrorImpersonateUserDenied": "The account does not have permission to impersonate the "
    "requested user.",
    "ErrorServerBusy": "The server cannot service this request right now. Try again later.",
    "ErrorIrresolvableConflict": "The send or update operation could not be performed because "
    "the change key passed in the request does not match the current change key for the item.",
    "ErrorCalendarEndDateIsEarlierThanStartDate": "EndDate is earlier than StartDate",
    "ErrorAccessDenied": "Access is denied. Check credentials and try again.",
    "ErrorFolderNotFound": "The specified folder could not be found in the store.",
    "ErrorQuotaExceeded": "The mailbox has exceeded its storage quota.",
    "ErrorInternalServerError": "An internal server error occurred. The operation failed.",
}
