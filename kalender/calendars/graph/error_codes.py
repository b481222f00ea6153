"""What every refusal of Graph means for us: the one table, by the answer's code and status.

A code is matched, never its message. A code that the table lacks is judged by its status. What
answers a write with a status of 500 or more may have been carried out, whatever its code says,
except where the mailbox or the application is over a limit.
"""

from enum import StrEnum
from http import HTTPStatus


class Operation(StrEnum):
    """What the answered request was to do."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"
    GET = "get"  # one event by its id
    FIND = "find"


class Meaning(StrEnum):
    """What a refusal says of the request, the event, the mailbox or the whole neighbour."""

    GONE = "gone"  # the event is not there under this id (any more): look it up by key
    CONFLICT = "conflict"  # somebody wrote it since we read it: read again
    UNKNOWN = "unknown"  # may have been carried out, or is no answer at all
    MISSING = "missing"  # there is no such mailbox here: asked again slowly
    DENIED = "denied"  # this mailbox is outside our scope (yet), or the application lost its right
    UNAUTHORISED = "unauthorised"  # our access token is not taken
    NEIGHBOUR = "neighbour"  # concerns the application or its rights: all stop
    LATER = "later"  # certainly not carried out; passes by itself
    REFUSED = "refused"  # Graph never takes this content


WORDS = {
    Meaning.GONE: "the entry is not there",
    Meaning.CONFLICT: "the entry was changed meanwhile",
    Meaning.UNKNOWN: "the outcome is not known; looked up before anything is repeated",
    Meaning.MISSING: "there is no such mailbox in Exchange Online: correct the address in FS, or wait for it",
    Meaning.DENIED: (
        "the application's management scope does not cover this mailbox (yet): widen it, which takes"
        " some hours to hold; asked again by itself"
    ),
    Meaning.UNAUTHORISED: "the access token is not taken: check the credentials of the application",
    Meaning.NEIGHBOUR: "Graph refuses the application: check its rights",
    Meaning.LATER: "Graph asks for patience; tried again by itself",
    Meaning.REFUSED: "Graph does not take this; report it with the calendar's number",
}

_GONE = """
    ErrorItemNotFound itemNotFound ErrorCannotDeleteObject ErrorInvalidIdMalformed
    ErrorInvalidMailboxItemId
"""
_CONFLICT = "ErrorIrresolvableConflict resourceModified entityTagDoesNotMatch"
_UNKNOWN = """
    ErrorInternalServerError InternalServerError generalException UnknownError
    ErrorInternalServerTransientError serviceNotAvailable ConcurrentItemSave
"""
_MISSING = """
    MailboxNotEnabledForRESTAPI ErrorInvalidUser Request_ResourceNotFound ResourceNotFound
    ErrorNonExistentMailbox ErrorMailboxConfiguration
"""
_DENIED = "ErrorAccessDenied accessDenied AccessRestricted"
_UNAUTHORISED = "InvalidAuthenticationToken"
_NEIGHBOUR = "Authorization_RequestDenied TimeZoneNotSupportedException"
_LATER = """
    ApplicationThrottled activityLimitReached TooManyRequests ErrorQuotaExceeded quotaLimitReached
    notAllowed resourceLocked
"""
_REFUSED = """
    ErrorInvalidRequest ErrorInvalidProperty ErrorPropertyValidationFailure
    RequestBodyRead ErrorInvalidArgument
"""

TABLE: dict[str, Meaning] = {
    name: kind
    for kind, names in (
        (Meaning.GONE, _GONE),
        (Meaning.CONFLICT, _CONFLICT),
        (Meaning.UNKNOWN, _UNKNOWN),
        (Meaning.MISSING, _MISSING),
        (Meaning.DENIED, _DENIED),
        (Meaning.UNAUTHORISED, _UNAUTHORISED),
        (Meaning.NEIGHBOUR, _NEIGHBOUR),
        (Meaning.LATER, _LATER),
        (Meaning.REFUSED, _REFUSED),
    )
    for name in names.split()
}

WRITES = frozenset({Operation.CREATE, Operation.UPDATE, Operation.DELETE})
NAMES_A_CALENDAR = frozenset({Operation.CREATE, Operation.FIND})  # and no event
MAY_CONFLICT = frozenset({Operation.UPDATE, Operation.DELETE})
OVER_A_LIMIT = frozenset({507, 509})  # above 500, and yet certainly not carried out
_BY_STATUS: dict[int, Meaning] = {
    HTTPStatus.UNAUTHORIZED: Meaning.UNAUTHORISED,
    HTTPStatus.CONFLICT: Meaning.CONFLICT,
    HTTPStatus.PRECONDITION_FAILED: Meaning.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: Meaning.REFUSED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: Meaning.REFUSED,
    HTTPStatus.UNPROCESSABLE_ENTITY: Meaning.REFUSED,
}


def meaning(operation: Operation, status: int, code: str) -> Meaning:
    """Return what an answer means that is no success; `code` may be empty."""
    unsure = Meaning.UNKNOWN if operation in WRITES else Meaning.LATER
    if not HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning.LATER if status in OVER_A_LIMIT else unsure
    if status == HTTPStatus.FAILED_DEPENDENCY:
        return Meaning.LATER
    if status == HTTPStatus.CONFLICT and operation is Operation.CREATE:
        return Meaning.UNKNOWN  # said of creates that were carried out
    coded = TABLE.get(code) or _BY_STATUS.get(status, Meaning.LATER)
    match coded:
        case Meaning.UNKNOWN:
            return unsure
        case Meaning.GONE if operation in NAMES_A_CALENDAR:
            return Meaning.MISSING
        case Meaning.CONFLICT if operation not in MAY_CONFLICT:
            return Meaning.LATER
        case _:
            return Meaning.UNAUTHORISED if status == HTTPStatus.UNAUTHORIZED else coded


def words(which: Meaning) -> str:
    """Return what an operator needs to know of it."""
    return WORDS[which]
