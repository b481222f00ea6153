"""What a request may hold: Microsoft's schema of the operations served here, by element name.

A line names elements, their attributes (`!`: required) and what is inside: after `=` elements, as
a regular expression over their names, after `::` text. What has no line is not looked into.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from lxml import etree

Element = etree._Element  # noqa: SLF001 - lxml gives its elements no public type
TYPES = "http://schemas.microsoft.com/exchange/services/2006/types"
MESSAGES = "http://schemas.microsoft.com/exchange/services/2006/messages"
T, M = f"{{{TYPES}}}", f"{{{MESSAGES}}}"

_ITEM = """MimeContent ItemId ParentFolderId ItemClass Subject Sensitivity Body Attachments
DateTimeReceived Size Categories Importance InReplyTo IsSubmitted IsDraft IsFromMe IsResend
IsUnmodified InternetMessageHeaders DateTimeSent DateTimeCreated ResponseObjects ReminderDueBy
ReminderIsSet ReminderNextTime ReminderMinutesBeforeStart DisplayCc DisplayTo DisplayBcc
HasAttachments ExtendedProperty Culture EffectiveRights LastModifiedName LastModifiedTime
IsAssociated WebClientReadFormQueryString WebClientEditFormQueryString ConversationId UniqueBody
Flag StoreEntryId InstanceKey NormalizedBody EntityExtractionResult PolicyTag ArchiveTag
RetentionDate Preview RightsManagementLicenseData PredictedActionReasons IsClutter BlockStatus
HasBlockedImages TextBody IconIndex SearchKey SortKey Hashtags Mentions MentionedMe
MentionsPreview MentionsEx AppliedHashtags AppliedHashtagsPreview Likes LikesPreview
PendingSocialActivityTagIds AtAllMention CanDelete InferenceClassification"""
_CALENDAR = """UID RecurrenceId DateTimeStamp Start End OriginalStart IsAllDayEvent
LegacyFreeBusyStatus Location When IsMeeting IsCancelled IsRecurring MeetingRequestWasSent
IsResponseRequested CalendarItemType MyResponseType Organizer RequiredAttendees OptionalAttendees
Resources InboxReminders ConflictingMeetingCount AdjacentMeetingCount ConflictingMeetings
AdjacentMeetings Duration TimeZone AppointmentReplyTime AppointmentSequenceNumber
AppointmentState Recurrence FirstOccurrence LastOccurrence ModifiedOccurrences DeletedOccurrences
MeetingTimeZone StartTimeZone EndTimeZone ConferenceType AllowNewTimeProposal IsOnlineMeeting
MeetingWorkspaceUrl NetShowUrl EnhancedLocation StartWallClock EndWallClock StartTimeZoneId
EndTimeZoneId IntendedFreeBusyStatus JoinOnlineMeetingUrl OnlineMeetingSettings IsOrganizer
CalendarActivityData DoNotForwardMeeting"""
ITEM, CALENDAR = _ITEM.split(), _CALENDAR.split()
RANK = {name: rank for rank, name in enumerate((*ITEM, *CALENDAR))}

_DAY = r"-?\d{4,}-((0[1-9]|1[0-2])-(0[1-9]|[12]\d)|(0[13-9]|1[0-2])-30|(0[13578]|1[02])-31)"
_SHORT = {
    "path": "(FieldURI|IndexedFieldURI|ExtendedFieldURI)",
    "kind": "(Item|Message|SharingMessage|CalendarItem|Contact|DistributionList|MeetingMessage|"
    "MeetingRequest|MeetingResponse|MeetingCancellation|Task|PostItem|RoleMember|Network|Person)",
    "search": "(And|Or|Not|Exists|Contains|Excludes|IsEqualTo|IsNotEqualTo|IsGreaterThan|"
    "IsGreaterThanOrEqualTo|IsLessThan|IsLessThanOrEqualTo)",
    "id": "(ItemId|OccurrenceItemId|RecurringMasterItemId)",
    "folder": "(FolderId|DistinguishedFolderId)",
    "send": "(SendToNone|SendOnlyToAll|SendToAllAndSaveCopy)",
    "save": "(SaveOnly|SendOnly|SendAndSaveCopy)",
    "int": r"\s*([+-]?\d{1,10})\s*",
    "bool": r"\s*(true|false|1|0)\s*",
    "when": rf"\s*{_DAY}T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]\d\d:\d\d)?\s*",
    "guid": "([0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})",
    "uri": "((item:(MimeContentUTF8|FirstBody|{})|calendar:({})|folder:[A-Z][A-Za-z]+|"
    "(message|meeting|meetingRequest|sharingMessage|task|contacts|distributionlist|postitem|"
    "conversation|persona?|rolemember|network|abchperson|booking|insight):[A-Z]\\w+))".format(
        "|".join(n for n in ITEM if n not in {"ExtendedProperty", "SearchKey", "SortKey"}),
        "|".join(n for n in CALENDAR if n != "IntendedFreeBusyStatus"),
    ),
    "set": "(Meeting|Appointment|Common|PublicStrings|Address|InternetHeaders|CalendarAssistant|"
    "UnifiedMessaging|Task|Sharing)",
    "where": "(calendar|contacts|deleteditems|drafts|inbox|journal|notes|outbox|sentitems|tasks|"
    "publicfoldersroot|(archive)?msgfolderroot|junkemail|searchfolders|voicemail|syncissues|"
    "(archive)?(root|deleteditems|inbox|recoverableitems(root|deletions|versions|purges|"
    "discoveryholds))|conflicts|(local|server)failures|recipientcache|quickcontacts|"
    "conversationhistory|adminauditlogs|todosearch|mycontacts|directory|imcontactlist|"
    "peopleconnect|favorites|mecontact|personmetadata|teamspace(activity|messaging|workitems)|"
    "scheduled|orionnotes|tagitems|all(tagged|categorized)items|externalcontacts|"
    "teamchat(history)?|yammer(data|root|inbound|outbound|feeds)|kaizaladata|messageingestion|"
    "onedrive(root|recylebin|system|volume)|important|starred|archive)",
    "mapi": "((ApplicationTime|Binary|CLSID|Currency|Double|Float|Integer|Long|Object|Short|"
    "SystemTime|String)(Array)?|Boolean|Error|Null)",
    "order": " ".join(f"{n}?" for n in RANK).replace("ExtendedProperty?", "ExtendedProperty*"),
    "item": " ".join(f"{n}?" for n in ITEM).replace("ExtendedProperty?", "ExtendedProperty*"),
}
_LINES = r"""
CreateItem @MessageDisposition<save> @SendMeetingInvitations<send> = SavedItemFolderId? Items
GetItem = ItemShape ItemIds
UpdateItem @ConflictResolution!(NeverOverwrite|AutoResolve|AlwaysOverwrite)
 @MessageDisposition<save> @SuppressReadReceipts<bool> @SendMeetingInvitationsOrCancellations(
 SendToNone|SendOnlyToAll|SendOnlyToChanged|SendToAllAndSaveCopy|SendToChangedAndSaveCopy)
 = SavedItemFolderId? ItemChanges
DeleteItem @DeleteType!(HardDelete|SoftDelete|MoveToDeletedItems) @SendMeetingCancellations<send>
 @AffectedTaskOccurrences(AllOccurrences|SpecifiedOccurrenceOnly) @SuppressReadReceipts<bool>
 = ItemIds
MoveItem = ToFolderId ItemIds ReturnNewItemIds?
FindItem @Traversal!(Shallow|SoftDeleted|Associated) = ItemShape (IndexedPageItemView|
 FractionalPageItemView|SeekToConditionPageItemView|CalendarView|ContactsView)? (GroupBy|
 DistinguishedGroupBy)? Restriction? SortOrder? ParentFolderIds QueryString?
GetFolder = FolderShape FolderIds
FindFolder @Traversal!(Shallow|Deep|SoftDeleted) = FolderShape (IndexedPageFolderView|
 FractionalPageFolderView)? Restriction? ParentFolderIds
ConvertId @DestinationFormat!(EwsLegacyId|EwsId|EntryId|HexEntryId|StoreId|OwaId) = SourceIds
SourceIds = (AlternateId|AlternatePublicFolderId|AlternatePublicFolderItemId)+
SavedItemFolderId ToFolderId = <folder>|AddressListId
ParentFolderIds FolderIds = <folder>+
FolderId ItemId @Id! @ChangeKey =
DistinguishedFolderId @Id!<where> @ChangeKey = Mailbox?
Mailbox = Name? EmailAddress? RoutingType? MailboxType? ItemId? OriginalDisplayName?
EmailAddress RoutingType PrincipalName SID PrimarySmtpAddress SmtpAddress :: (.|\s)+
MailboxType :: Unknown|OneOff|Mailbox|P(ublic|rivate)DL|(Implicit)?Contact|PublicFolder|
 GroupMailbox|User
Items = (<kind>|ReplyToItem|ForwardItem|ReplyAllToItem|AcceptItem|TentativelyAcceptItem|
 DeclineItem|CancelCalendarItem|RemoveItem|SuppressReadReceipt|PostReplyItem|
 AcceptSharingInvitation)+
ItemIds = (<id>|RecurringMasterItemIdRanges)+
OccurrenceItemId @RecurringMasterId! @ChangeKey @InstanceIndex!<int> =
RecurringMasterItemId @OccurrenceId! @ChangeKey =
ItemChanges = ItemChange+
ItemChange = <id> Updates CalendarActivityData?
Updates = (AppendToItemField|SetItemField|DeleteItemField)+
SetItemField AppendToItemField = <path> <kind>
DeleteItemField Exists = <path>
ItemShape = BaseShape IncludeMimeContent? BodyType? UniqueBodyType? NormalizedBodyType?
 FilterHtmlContent? ConvertHtmlCodePageToUTF8? InlineImageUrlTemplate? BlockExternalImages?
 AddBlankTargetToLinks? MaximumBodySize? AdditionalProperties?
FolderShape = BaseShape AdditionalProperties?
BaseShape :: IdOnly|Default|AllProperties|PcxPeopleSearch
BodyType UniqueBodyType NormalizedBodyType :: Best|HTML|Text
MaximumBodySize :: <int>
AdditionalProperties = <path>+
FieldURI @FieldURI!<uri> =
IndexedFieldURI @FieldIndex! @FieldURI!(item:InternetMessageHeader|contacts:(ImAddress|
 PhysicalAddress:(Street|City|State|CountryOrRegion|PostalCode)|PhoneNumber|EmailAddress)|
 distributionlist:Members:Member) =
ExtendedFieldURI @DistinguishedPropertySetId<set> @PropertySetId<guid> @PropertyName
 @PropertyTag(0[xX][0-9A-Fa-f]{1,4}|\d{1,5}) @PropertyId<int> @PropertyType!<mapi> =
ExtendedProperty = ExtendedFieldURI (Value|Values)
Values = Value+
Restriction Not = <search>
And Or = <search>+
Contains @ContainmentMode(FullString|Prefixed|Substring|PrefixOnWords|ExactPhrase)
 @ContainmentComparison(Exact|IgnoreCase(AndNonSpacingCharacters)?|IgnoreNonSpacingCharacters|
 Loose(AndIgnoreCase)?(AndIgnoreNonSpace)?) = <path> Constant
Excludes = <path> Bitmask
Bitmask @Value!(0[xX][0-9A-Fa-f]*|\d*) =
IsEqualTo IsNotEqualTo IsGreaterThan IsGreaterThanOrEqualTo IsLessThan IsLessThanOrEqualTo
 = <path> FieldURIOrConstant
FieldURIOrConstant = <path>|Constant
Constant @Value! =
SortOrder = FieldOrder+
FieldOrder @Order!(Ascending|Descending) = <path>
IndexedPageItemView IndexedPageFolderView @MaxEntriesReturned<int> @Offset!<int>
 @BasePoint!(Beginning|End) =
CalendarView @MaxEntriesReturned<int> @StartDate!<when> @EndDate!<when> =
CalendarItem = <order>
Item = <item>
Categories = String*
RequiredAttendees OptionalAttendees Resources = Attendee+
Attendee = Mailbox ResponseType? LastResponseTime? ProposedStart? ProposedEnd?
Body @BodyType!(HTML|Text) @IsTruncated<bool> =
Sensitivity :: Normal|Personal|Private|Confidential
Importance :: Low|Normal|High
LegacyFreeBusyStatus :: Free|Tentative|Busy|OOF|WorkingElsewhere|NoData
ReminderMinutesBeforeStart :: \s*([12]?\d{1,6}|1525252321)\s*
ReminderIsSet IsAllDayEvent IsResponseRequested AllowNewTimeProposal IncludeMimeContent
 FilterHtmlContent ConvertHtmlCodePageToUTF8 BlockExternalImages AddBlankTargetToLinks
 ReturnNewItemIds :: <bool>
Start End :: <when>
ExchangeImpersonation = ConnectingSID
ConnectingSID = PrincipalName|SID|PrimarySmtpAddress|SmtpAddress
"""
OPERATIONS = {
    *(f"{verb}Item" for verb in ("Create", "Get", "Update", "Delete", "Move", "Find")),
    *("GetFolder", "FindFolder", "ConvertId"),
}


@dataclass(frozen=True, slots=True)
class _Rule:
    attributes: Mapping[str, re.Pattern[str]]
    required: frozenset[str]
    names: Mapping[str, str]
    inside: re.Pattern[str]
    text: re.Pattern[str] | None

    def broken_by(self, node: Element) -> str | None:
        """Say what is wrong with an element, if anything."""
        given = attributes(node)
        for name, value in given:
            pattern = self.attributes.get(name, _FOREIGN if name.startswith("{") else _NONE)
            if pattern.fullmatch(value) is None:
                return f"the attribute '{name}' is not declared, or its value is invalid"
        if self.required and not self.required.issubset([name for name, _ in given]):
            return f"the attributes {sorted(self.required)} are required"
        if self.inside.fullmatch("".join([self.names.get(c.tag, "?") for c in node])) is None:
            return "invalid or incomplete content: " + " ".join(str(c.tag) for c in node)
        if self.text is not None and self.text.fullmatch(node.text or "") is None:
            return "its value is invalid"
        return None


def attributes(node: Element) -> list[tuple[str, str]]:
    """Return the attributes of an element that was parsed."""
    return cast("list[tuple[str, str]]", node.items())


_ATTRIBUTE, _ANY = re.compile(r"@(\w+)(!?)(\S*)"), "(?s).*"
_FOREIGN, _NONE = re.compile(_ANY), re.compile("(?!)")


def _expanded(text: str) -> str:
    return re.sub(r"<([a-z]+)>", lambda found: f"({_SHORT[found[1]]})", text)


def _rules() -> Iterator[tuple[str, _Rule]]:
    for line in re.sub(r"\n ", " ", re.sub(r"(?<=[|(])\n ", "", _LINES)).strip().split("\n"):
        head, _, text = line.partition(" :: ")
        head, _, inside = head.partition(" =")
        names = [word for word in head.split() if not word.startswith("@")]
        rule = _rule(_ATTRIBUTE.findall(head), _expanded(inside), _expanded(text), names[0])
        yield from ((name, rule) for name in names)


def _rule(told: list[tuple[str, str, str]], inside: str, text: str, name: str) -> _Rule:
    space = M if name in OPERATIONS else T
    return _Rule(
        {name: re.compile(_expanded(value) or _ANY) for name, _, value in told},
        frozenset(name for name, must, _ in told if must),
        {space + name: f"{name}," for name in re.findall(r"\w+", inside)},
        re.compile(re.sub(r"\w+", r"(?:\g<0>,)", inside).replace(" ", "")),
        re.compile(text) if text else None,
    )


_RULES = {space + name: rule for name, rule in _rules() for space in (T, M)}


def fault_in(node: Element) -> str | None:
    """Say what in a request is not as the schema has it: the first thing found, or nothing."""
    for each in node.iter():
        rule = _RULES.get(each.tag)
        broken = None if rule is None else rule.broken_by(each)
        if broken is not None:
            return f"the element '{each.tag}': {broken}"
    return None
