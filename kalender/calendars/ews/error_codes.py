"""What every error of Exchange means for us: the one table, complete by test.

It holds every response code of Microsoft's schema (15.2.2562.17) and every class of exchangelib.
Meanings follow Microsoft's reference of response codes; that most of exchangelib's classes derive
from TransportError says nothing. A code that stands in neither is STRANGE, and is said to be.
"""

from enum import StrEnum


class Meaning(StrEnum):
    """What an error says of the request, the item, the mailbox or the whole Exchange."""

    GONE = "gone"  # the item is not there under this id (any more): look it up by key
    CONFLICT = "conflict"  # somebody wrote it since we read it: read again
    UNKNOWN = "unknown"  # may have been carried out, or is no answer at all
    MISSING = "missing"  # there is no such mailbox: asked again slowly
    DENIED = "denied"  # this mailbox is not for us: outside the service account's scope, or without a calendar
    NEIGHBOUR = (
        "neighbour"  # concerns the service account, the version or the whole installation: all stop
    )
    LATER = "later"  # passes by itself: this mailbox again later, with the server's own back-off
    REFUSED = "refused"  # exchange does not take this, or it belongs to requests we never make
    STRANGE = "strange"  # a code that the schema lacks: what became of the request is not certain


WORDS = {
    Meaning.GONE: "the entry is not there",
    Meaning.CONFLICT: "the entry was changed meanwhile",
    Meaning.REFUSED: "Exchange does not take this; report it with the calendar's number",
    Meaning.LATER: "Exchange asks for patience; tried again by itself",
    Meaning.UNKNOWN: "the outcome is not known; looked up before anything is repeated",
    Meaning.MISSING: "Exchange knows no such mailbox: correct the address in FS, or wait for it",
    Meaning.DENIED: "the service account may not open this mailbox: widen its management scope",
    Meaning.NEIGHBOUR: "Exchange refuses the service account or its requests: check [exchange]",
    Meaning.STRANGE: "an unknown code, which this release of Kalender has no meaning for; report it",
}

_GONE = """
    ErrorItemNotFound ErrorInvalidIdMalformed ErrorInvalidIdMalformedEwsLegacyIdFormat
    ErrorInvalidId ErrorInvalidIdEmpty ErrorInvalidIdXml ErrorInvalidIdMonikerTooLong
    ErrorInvalidIdStoreObjectIdTooLong ErrorObjectTypeChanged
    ErrorCalendarCannotUpdateDeletedItem DoesNotExist
"""
_CONFLICT = """
    ErrorIrresolvableConflict ErrorStaleObject ErrorInvalidChangeKey ErrorChangeKeyRequired
    ErrorChangeKeyRequiredForWriteOperations
"""
_UNKNOWN = """
    ErrorTimeoutExpired ErrorInternalServerError ErrorRequestAborted ErrorClientDisconnected
    ErrorBatchProcessingStopped MalformedResponseError SOAPError
    ErrorProxySoapException ErrorParsingXMLResponse
"""
_MISSING = """
    ErrorNonExistentMailbox ErrorAccountDisabled ErrorMissingEmailAddress
    ErrorNonPrimarySmtpAddress ErrorInvalidMailbox ErrorInvalidSmtpAddress
    ErrorMailboxConfiguration ErrorNameResolutionNoMailbox ErrorNameResolutionNoResults
    ErrorEmailAddressMismatch ErrorInvalidUserPrincipalName ErrorInvalidUserSid
    ErrorInvalidUserSidMissingUPN ErrorInvalidSid ErrorMissingUserIdInformation
    ErrorInvalidUserInfo
    ErrorCannotFindUser ErrorMissingExchangePrincipal
"""
_DENIED = """
    ErrorImpersonateUserDenied ErrorAccessDenied ErrorCreateItemAccessDenied
    ErrorNoFreeBusyAccess ErrorNotDelegate ErrorPermissionNotAllowedByPolicy
    ErrorUserNotAllowedByPolicy ErrorRecoverableItemsAccessDenied ErrorFolderNotFound
    ErrorNoCalendar ErrorSavedItemFolderNotFound ErrorParentFolderNotFound
    ErrorFolderCorrupt ErrorCannotCreateCalendarItemInNonCalendarFolder ErrorSendAsDenied
    ErrorAccessDeniedDueToCompliance ErrorAccountSuspend ErrorAccountSuspendShowTierUpgrade
"""
_NEIGHBOUR = """
    UnauthorizedError ErrorImpersonationDenied ErrorImpersonationFailed
    ErrorInvalidExchangeImpersonationHeaderData ErrorPasswordExpired
    ErrorPasswordChangeRequired ErrorSchemaValidation ErrorInvalidServerVersion
    ErrorIncorrectSchemaVersion ErrorInvalidSchemaVersionForMailboxVersion
    ErrorWrongServerVersion ErrorWrongServerVersionDelegate ErrorInvalidRequest
    ErrorInvalidAuthorizationContext ErrorInvalidSecurityDescriptor
    ErrorInvalidSerializedAccessToken ErrorInvalidClientSecurityContext
    ErrorInvalidProxySecurityContext ErrorInvalidNetworkServiceContext ErrorInvalidLogonType
    ErrorCallerIsInvalidADAccount ErrorLogonAsNetworkServiceFailed ErrorInvalidLicense
    ErrorInvalidCrossForestCredentials ErrorTokenSerializationDenied
    ErrorDuplicateSOAPHeader ErrorMoreThanOneAccessModeSpecified ErrorAccessModeSpecified
    ErrorCrossSiteRequest ErrorProxyGroupSidLimitExceeded ErrorProxyRequestNotAllowed
    ErrorProxyTokenExpired ErrorDistinguishedUserNotSupported RedirectError RelativeRedirect
    CASError ErrorADSessionFilter
    ErrorOrganizationAccessBlocked ErrorInvalidManagementRoleHeader
    ErrorNoOAuthServerAvailableForRequest ErrorInvalidInternetWebProxyOnLocalServer
"""
_LATER = """
    ErrorServerBusy RateLimitError ErrorMailboxStoreUnavailable ErrorMailboxMoveInProgress
    ErrorMailboxFailover ErrorMailboxLogonFailed ErrorQuotaExceeded
    ErrorExceededConnectionCount ErrorExceededFindCountLimit ErrorConnectionFailed
    ErrorConnectionFailedTransientError ErrorInternalServerTransientError
    ErrorInsufficientResources ErrorNotEnoughMemory ErrorADUnavailable ErrorADOperation
    ErrorDataSourceOperation ErrorTooManyObjectsOpened ErrorLocalServerObjectNotFound
    ErrorNoRespondingCASInDestinationSite ErrorNoApplicableProxyCASServersAvailable
    ErrorNoDestinationCASDueToKerberosRequirements ErrorNoDestinationCASDueToSSLRequirements
    ErrorNoDestinationCASDueToVersionMismatch ErrorProxyCallFailed
    ErrorProxyRequestProcessingFailed ErrorProxyServiceDiscoveryFailed
    ErrorServiceDiscoveryFailed ErrorWebRequestInInvalidState ErrorWin32InteropError
    ErrorItemSave ErrorResponseSchemaValidation ErrorIPGatewayNotFound
    ErrorAddressSpaceNotFound ErrorSubmissionQuotaExceeded TransportError EWSError
    EWSWarning ResponseMessageError SessionPoolMinSizeReached SessionPoolMaxSizeReached
    ErrorCannotDeleteObject ErrorDeleteItemsFailed ErrorVirusDetected
    ErrorContentConversionFailed
    ErrorServiceUnavailable ErrorQuotaExceededOnDelete
    ErrorMessagePerFolderCountReceiveQuotaExceeded
"""
_REFUSED = """
    MultipleObjectsReturned InvalidEnumValue InvalidTypeError AutoDiscoverError
    AutoDiscoverFailed AutoDiscoverCircularRedirect NaiveDateTimeNotAllowed UnknownTimeZone
    ErrorAddDelegatesFailed ErrorAffectedTaskOccurrencesRequired
    ErrorApplyConversationActionFailed ErrorAttachmentSizeLimitExceeded
    ErrorAutoDiscoverFailed ErrorAvailabilityConfigNotFound
    ErrorCalendarCannotMoveOrCopyOccurrence ErrorCalendarCannotUseIdForOccurrenceId
    ErrorCalendarCannotUseIdForRecurringMasterId ErrorCalendarDurationIsTooLong
    ErrorCalendarEndDateIsEarlierThanStartDate ErrorCalendarFolderIsInvalidForCalendarView
    ErrorCalendarInvalidAttributeValue ErrorCalendarInvalidDayForTimeChangePattern
    ErrorCalendarInvalidDayForWeeklyRecurrence ErrorCalendarInvalidPropertyState
    ErrorCalendarInvalidPropertyValue ErrorCalendarInvalidRecurrence
    ErrorCalendarInvalidTimeZone ErrorCalendarIsCancelledForAccept
    ErrorCalendarIsCancelledForDecline ErrorCalendarIsCancelledForRemove
    ErrorCalendarIsCancelledForTentative ErrorCalendarIsDelegatedForAccept
    ErrorCalendarIsDelegatedForDecline ErrorCalendarIsDelegatedForRemove
    ErrorCalendarIsDelegatedForTentative ErrorCalendarIsNotOrganizer
    ErrorCalendarIsOrganizerForAccept ErrorCalendarIsOrganizerForDecline
    ErrorCalendarIsOrganizerForRemove ErrorCalendarIsOrganizerForTentative
    ErrorCalendarMeetingRequestIsOutOfDate
    ErrorCalendarOccurrenceIndexIsOutOfRecurrenceRange
    ErrorCalendarOccurrenceIsDeletedFromRecurrence ErrorCalendarOutOfRange
    ErrorCalendarViewRangeTooBig ErrorCannotCreateContactInNonContactFolder
    ErrorCannotCreatePostItemInNonMailFolder ErrorCannotCreateTaskInNonTaskFolder
    ErrorCannotDeleteTaskOccurrence ErrorCannotEmptyFolder ErrorCannotOpenFileAttachment
    ErrorCannotSetCalendarPermissionOnNonCalendarFolder
    ErrorCannotSetNonCalendarPermissionOnCalendarFolder
    ErrorCannotSetPermissionUnknownEntries ErrorCannotUseFolderIdForItemId
    ErrorCannotUseItemIdForFolderId ErrorContainsFilterWrongType ErrorCorruptData
    ErrorCreateManagedFolderPartialCompletion ErrorCreateSubfolderAccessDenied
    ErrorCrossMailboxMoveCopy ErrorDataSizeLimitExceeded ErrorDelegateAlreadyExists
    ErrorDelegateCannotAddOwner ErrorDelegateMissingConfiguration ErrorDelegateNoUser
    ErrorDelegateValidationFailed ErrorDeleteDistinguishedFolder
    ErrorDistributionListMemberNotExist ErrorDuplicateInputFolderNames
    ErrorDuplicateUserIdsSpecified ErrorEventNotFound ErrorExceededSubscriptionCount
    ErrorExpiredSubscription ErrorFolderExists ErrorFolderPropertyRequestFailed
    ErrorFolderSave ErrorFolderSaveFailed ErrorFolderSavePropertyError
    ErrorFreeBusyDLLimitReached ErrorFreeBusyGenerationFailed
    ErrorGetServerSecurityDescriptorFailed ErrorInboxRulesValidationError
    ErrorIncorrectUpdatePropertyCount ErrorIndividualMailboxLimitReached
    ErrorInvalidAccessLevel ErrorInvalidArgument ErrorInvalidAttachmentId
    ErrorInvalidAttachmentSubfilter ErrorInvalidAttachmentSubfilterTextFilter
    ErrorInvalidCompleteDate ErrorInvalidContactEmailAddress ErrorInvalidContactEmailIndex
    ErrorInvalidDelegatePermission ErrorInvalidDelegateUserId
    ErrorInvalidExcludesRestriction ErrorInvalidExpressionTypeForSubFilter
    ErrorInvalidExtendedProperty ErrorInvalidExtendedPropertyValue
    ErrorInvalidExternalSharingInitiator ErrorInvalidExternalSharingSubscriber
    ErrorInvalidFederatedOrganizationId ErrorInvalidFolderId
    ErrorInvalidFolderTypeForOperation ErrorInvalidFractionalPagingParameters
    ErrorInvalidFreeBusyViewType ErrorInvalidGetSharingFolderRequest
    ErrorInvalidIdNotAnItemAttachmentId ErrorInvalidIdReturnedByResolveNames
    ErrorInvalidIdTooManyAttachmentLevels ErrorInvalidIndexedPagingParameters
    ErrorInvalidInternetHeaderChildNodes ErrorInvalidItemForOperationAcceptItem
    ErrorInvalidItemForOperationCancelItem ErrorInvalidItemForOperationCreateItem
    ErrorInvalidItemForOperationCreateItemAttachment ErrorInvalidItemForOperationDeclineItem
    ErrorInvalidItemForOperationExpandDL ErrorInvalidItemForOperationRemoveItem
    ErrorInvalidItemForOperationSendItem ErrorInvalidItemForOperationTentative
    ErrorInvalidManagedFolderProperty ErrorInvalidManagedFolderQuota
    ErrorInvalidManagedFolderSize ErrorInvalidMergedFreeBusyInterval
    ErrorInvalidNameForNameResolution ErrorInvalidOofParameter ErrorInvalidOperation
    ErrorInvalidOrganizationRelationshipForFreeBusy ErrorInvalidPagingMaxRows
    ErrorInvalidParentFolder ErrorInvalidPercentCompleteValue ErrorInvalidPermissionSettings
    ErrorInvalidPhoneCallId ErrorInvalidPhoneNumber ErrorInvalidPropertyAppend
    ErrorInvalidPropertyDelete ErrorInvalidPropertyForExists
    ErrorInvalidPropertyForOperation ErrorInvalidPropertyRequest ErrorInvalidPropertySet
    ErrorInvalidPropertyUpdateSentMessage ErrorInvalidPullSubscriptionId
    ErrorInvalidPushSubscriptionUrl ErrorInvalidRecipients ErrorInvalidRecipientSubfilter
    ErrorInvalidRecipientSubfilterComparison ErrorInvalidRecipientSubfilterOrder
    ErrorInvalidRecipientSubfilterTextFilter ErrorInvalidReferenceItem
    ErrorInvalidRestriction ErrorInvalidRoutingType ErrorInvalidScheduledOofDuration
    ErrorInvalidSendItemSaveSettings ErrorInvalidSharingData ErrorInvalidSharingMessage
    ErrorInvalidSIPUri ErrorInvalidSubfilterType ErrorInvalidSubfilterTypeNotAttendeeType
    ErrorInvalidSubfilterTypeNotRecipientType ErrorInvalidSubscription
    ErrorInvalidSubscriptionRequest ErrorInvalidSyncStateData ErrorInvalidTimeInterval
    ErrorInvalidUserOofSettings ErrorInvalidValueForProperty ErrorInvalidWatermark
    ErrorItemCorrupt ErrorItemPropertyRequestFailed ErrorItemSavePropertyError
    ErrorLegacyMailboxFreeBusyViewTypeNotMerged ErrorMailboxDataArrayEmpty
    ErrorMailboxDataArrayTooBig ErrorMailRecipientNotFound ErrorMailTipsDisabled
    ErrorManagedFolderAlreadyExists ErrorManagedFolderNotFound
    ErrorManagedFoldersRootFailure ErrorMeetingSuggestionGenerationFailed
    ErrorMessageDispositionRequired ErrorMessageSizeExceeded
    ErrorMessageTrackingNoSuchDomain ErrorMessageTrackingPermanentError
    ErrorMessageTrackingTransientError ErrorMimeContentConversionFailed
    ErrorMimeContentInvalid ErrorMimeContentInvalidBase64String
    ErrorMissedNotificationEvents ErrorMissingArgument
    ErrorMissingEmailAddressForManagedFolder ErrorMissingInformationEmailAddress
    ErrorMissingInformationReferenceItemId ErrorMissingInformationSharingFolderId
    ErrorMissingItemForCreateItemAttachment ErrorMissingManagedFolderId
    ErrorMissingRecipients ErrorMoveCopyFailed ErrorMoveDistinguishedFolder
    ErrorNameResolutionMultipleResults ErrorNewEventStreamConnectionOpened
    ErrorNoFolderClassOverride ErrorNoPropertyTagForCustomProperties
    ErrorNoPublicFolderReplicaAvailable ErrorNoPublicFolderServerAvailable
    ErrorNotAllowedExternalSharingByPolicy ErrorNotSupportedSharingMessage
    ErrorOccurrenceCrossingBoundary ErrorOccurrenceTimeSpanTooBig
    ErrorOperationNotAllowedWithPublicFolderRoot ErrorOrganizationNotFederated
    ErrorOutlookRuleBlobExists ErrorParentFolderIdRequired ErrorPhoneNumberNotDialable
    ErrorPropertyUpdate ErrorPropertyValidationFailure ErrorProxiedSubscriptionCallFailure
    ErrorPublicFolderRequestProcessingFailed ErrorPublicFolderServerNotFound
    ErrorQueryFilterTooLong ErrorReadEventsFailed ErrorReadReceiptNotPending
    ErrorRecurrenceEndDateTooBig ErrorRecurrenceHasNoOccurrence ErrorRemoveDelegatesFailed
    ErrorRequestStreamTooBig ErrorRequiredPropertyMissing ErrorResolveNamesInvalidFolderType
    ErrorResolveNamesOnlyOneContactsFolderAllowed ErrorRestrictionTooComplex
    ErrorRestrictionTooLong ErrorResultSetTooBig ErrorRulesOverQuota
    ErrorSearchFolderNotInitialized ErrorSendMeetingCancellationsRequired
    ErrorSendMeetingInvitationsOrCancellationsRequired ErrorSendMeetingInvitationsRequired
    ErrorSentMeetingRequestUpdate ErrorSentTaskRequestUpdate
    ErrorSharingNoExternalEwsAvailable ErrorSharingSynchronizationFailed
    ErrorSubscriptionAccessDenied ErrorSubscriptionDelegateAccessNotSupported
    ErrorSubscriptionNotFound ErrorSubscriptionUnsubsribed ErrorSyncFolderNotFound
    ErrorTimeIntervalTooBig ErrorTimeZone ErrorToFolderNotFound
    ErrorUnableToGetUserOofSettings ErrorUnifiedMessagingDialPlanNotFound
    ErrorUnifiedMessagingRequestFailed ErrorUnifiedMessagingServerNotFound
    ErrorUnsupportedCulture ErrorUnsupportedMapiPropertyType ErrorUnsupportedMimeConversion
    ErrorUnsupportedPathForQuery ErrorUnsupportedPathForSortGroup
    ErrorUnsupportedPropertyDefinition ErrorUnsupportedQueryFilter
    ErrorUnsupportedRecurrence ErrorUnsupportedSubFilter ErrorUnsupportedTypeForConversion
    ErrorUpdateDelegatesFailed ErrorUpdatePropertyMismatch
    ErrorUserNotUnifiedMessagingEnabled ErrorUserWithoutFederatedProxyAddress
    ErrorValueOutOfRange ErrorVirusMessageDeleted ErrorVoiceMailNotImplemented
    ErrorWorkingHoursSaveFailed ErrorWorkingHoursXmlMalformed
    ErrorAttachmentNestLevelLimitExceeded ErrorArchiveFolderPathCreation
    ErrorArchiveMailboxNotEnabled ErrorArchiveMailboxServiceDiscoveryFailed
    ErrorCannotAccessDeletedPublicFolder ErrorCannotArchiveCalendarContactTaskFolderException
    ErrorCannotArchiveItemsInPublicFolders ErrorCannotArchiveItemsInArchiveMailbox
    ErrorCannotDisableMandatoryExtension ErrorCannotGetSourceFolderPath
    ErrorCannotGetExternalEcpUrl ErrorCannotSpecifySearchFolderAsSourceFolder
    ErrorClientIntentInvalidStateDefinition ErrorClientIntentNotFound
    ErrorContentIndexingNotEnabled ErrorDeleteUnifiedMessagingPromptFailed
    ErrorDuplicateTransactionId ErrorExtensionNotFound ErrorExtensionsNotAuthorized
    ErrorFolderPropertRequestFailed ErrorImContactLimitReached
    ErrorImGroupDisplayNameAlreadyExists ErrorImGroupLimitReached ErrorInvalidImContactId
    ErrorInvalidImDistributionGroupSmtpAddress ErrorInvalidImGroupId
    ErrorInvalidItemForOperationArchiveItem ErrorInvalidLikeRequest
    ErrorInvalidRetentionTagTypeMismatch ErrorInvalidRetentionTagInvisible
    ErrorInvalidRetentionTagInheritance ErrorInvalidRetentionTagIdGuid ErrorMailboxHoldNotFound
    ErrorMoveUnifiedGroupPropertyFailed ErrorMultiLegacyMailboxAccess
    ErrorPromptPublishingOperationFailed ErrorPublicFolderMailboxDiscoveryFailed
    ErrorPublicFolderOperationFailed ErrorPublicFolderSyncException
    ErrorSubscriptionUnsubscribed ErrorTeamMailboxNotFound ErrorTeamMailboxNotLinkedToSharePoint
    ErrorTeamMailboxUrlValidationFailed ErrorTeamMailboxNotAuthorizedOwner
    ErrorTeamMailboxActiveToPendingDelete ErrorTeamMailboxFailedSendingNotifications
    ErrorTeamMailboxErrorUnknown ErrorAccessingPartialCreatedUnifiedGroup
    ErrorUnifiedGroupMailboxAADCreationFailed ErrorUnifiedGroupMailboxAADDeleteFailed
    ErrorUnifiedGroupMailboxNamingPolicy ErrorUnifiedGroupMailboxDeleteFailed
    ErrorUnifiedGroupMailboxNotFound ErrorUnifiedGroupMailboxUpdateDelayed
    ErrorUnifiedGroupMailboxUpdatedPartialProperties ErrorUnifiedGroupMailboxUpdateFailed
    ErrorUnifiedGroupMailboxProvisionFailed ErrorUnifiedMessagingReportDataNotFound
    ErrorUnifiedMessagingPromptNotFound ErrorUnableToRemoveImContactFromGroup
    ErrorDuplicateLegacyDistinguishedName ErrorInvalidClientAccessTokenRequest
    ErrorUnauthorizedClientAccessTokenRequest ErrorNoSpeechDetected ErrorUMServerUnavailable
    ErrorRecipientNotFound ErrorRecognizerNotInstalled ErrorSpeechGrammarError
    ErrorLocationServicesDisabled ErrorLocationServicesRequestTimedOut
    ErrorLocationServicesRequestFailed ErrorLocationServicesInvalidRequest
    ErrorWeatherServiceDisabled ErrorMailboxScopeNotAllowedWithoutQueryString
    ErrorArchiveMailboxSearchFailed ErrorGetRemoteArchiveFolderFailed
    ErrorFindRemoteArchiveFolderFailed ErrorGetRemoteArchiveItemFailed
    ErrorExportRemoteArchiveItemsFailed ErrorInvalidPhotoSize ErrorSearchQueryHasTooManyKeywords
    ErrorSearchTooManyMailboxes ErrorInvalidRetentionTagNone ErrorDiscoverySearchesDisabled
    ErrorCalendarSeekToConditionNotSupported ErrorCalendarIsGroupMailboxForAccept
    ErrorCalendarIsGroupMailboxForDecline ErrorCalendarIsGroupMailboxForTentative
    ErrorCalendarIsGroupMailboxForSuppressReadReceipt ErrorInvalidBulkActionType
    ErrorInvalidKeepNCount ErrorInvalidKeepNType ErrorInstantSearchSessionExpired
    ErrorInstantSearchTimeout ErrorInstantSearchFailed ErrorUnsupportedUserForExecuteSearch
    ErrorDuplicateExtendedKeywordDefinition ErrorUnexpectedUnifiedGroupsCount
    ErrorInvalidFederationOrganizationIdentifier ErrorInvalidSweepRule
    ErrorInvalidSweepRuleOperationType ErrorTargetDomainNotSupported
    ErrorNoSenderRestrictionsSettingsFoundInRequest ErrorDuplicateSenderRestrictionsInputFound
    ErrorSenderRestrictionsUpdateFailed ErrorMessageSubmissionBlocked ErrorExceededMessageLimit
    ErrorExceededMaxRecipientLimitBlock ErrorExceededMaxRecipientLimit ErrorMessageBlocked
    ErrorExceededMessageLimitShowTierUpgrade ErrorExceededMaxRecipientLimitShowTierUpgrade
    ErrorInvalidLongitude ErrorInvalidLatitude ErrorUnifiedGroupAlreadyExists
    ErrorUnifiedGroupAadAuthorizationRequestDenied ErrorUnifiedGroupCreationDisabled
    ErrorMarketPlaceExtensionAlreadyInstalledForOrg ErrorExtensionAlreadyInstalledForOrg
    ErrorNewerExtensionAlreadyInstalled ErrorNewerMarketPlaceExtensionAlreadyInstalled
    ErrorInvalidExtensionId ErrorCannotUninstallProvidedExtensions
    ErrorNoRbacPermissionToInstallMarketPlaceExtensions
    ErrorNoRbacPermissionToInstallReadWriteMailboxExtensions ErrorInvalidReportMessageActionType
    ErrorCannotDownloadExtensionManifest ErrorCalendarForwardActionNotAllowed
    ErrorUnifiedGroupAliasNamingPolicy ErrorSubscriptionsDisabledForGroup
    ErrorCannotFindFileAttachment ErrorInvalidValueForFilter
"""

TABLE: dict[str, Meaning] = {
    name: kind
    for kind, names in (
        (Meaning.GONE, _GONE),
        (Meaning.CONFLICT, _CONFLICT),
        (Meaning.UNKNOWN, _UNKNOWN),
        (Meaning.MISSING, _MISSING),
        (Meaning.DENIED, _DENIED),
        (Meaning.NEIGHBOUR, _NEIGHBOUR),
        (Meaning.LATER, _LATER),
        (Meaning.REFUSED, _REFUSED),
    )
    for name in names.split()
}


def meaning(code: str) -> Meaning:
    """Return what an error means."""
    return TABLE.get(code, Meaning.STRANGE)


def words(code: str) -> str:
    """Return what an operator needs to know of it."""
    return WORDS[meaning(code)]
