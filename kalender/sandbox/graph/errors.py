"""How Graph refuses: a status, a code that clients match, and words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Json = dict[str, Any]
JSON = "application/json;odata.metadata=minimal;odata.streaming=true;charset=utf-8"
_DEFAULT_CODES = {
    400: "ErrorInvalidRequest",
    401: "InvalidAuthenticationToken",
    403: "ErrorAccessDenied",
    404: "ErrorItemNotFound",
    409: "ConcurrentItemSave",
    412: "ErrorIrresolvableConflict",
    424: "FailedDependency",
    429: "ApplicationThrottled",
    500: "ErrorInternalServerError",
    502: "UnknownError",
    503: "UnknownError",
    504: "UnknownError",
}
_MESSAGES = {
    "ApplicationThrottled": "Too many requests at once for this mailbox (MailboxConcurrency).",
    "ConcurrentItemSave": "Another save came in between; please retry.",
    "ErrorAccessDenied": "The app may not see this mailbox.",
    "ErrorInternalServerError": "Something failed inside.",
    "ErrorInvalidIdMalformed": "Id is malformed.",
    "ErrorInvalidUser": "The requested user is invalid.",
    "ErrorIrresolvableConflict": "The event has changed since (another change key).",
    "ErrorItemNotFound": "There is no such object in this mailbox.",
    "ErrorPropertyValidationFailure": "At least one property failed validation.",
    "FailedDependency": "A request that this one depends on has failed.",
    "InvalidAuthenticationToken": "Lifetime validation failed, the token is expired.",
    "MailboxNotEnabledForRESTAPI": "This mailbox is not active here, or lives on-premises.",
    "UnknownError": "",
}


class GraphError(Exception):
    """One request is refused."""

    def __init__(
        self, status: int, code: str = "", message: str | None = None, *, after: object = None
    ) -> None:
        super().__init__(code)
        self.status, self.code = status, code or _DEFAULT_CODES.get(status, "UnknownError")
        self.message = _MESSAGES.get(self.code, self.code) if message is None else message
        self.headers = {} if after is None else {"Retry-After": str(after)}


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request gets, by itself or within a batch."""

    status: int
    body: Json | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """Return the code of an error; an answer without one has none."""
        return str((self.body or {}).get("error", {}).get("code", ""))


def refusal(error: GraphError, ids: Mapping[str, str], now: datetime) -> Reply:
    """Write an error in Graph's form; `ids` are those of the request."""
    inner = {"date": now.replace(tzinfo=None).isoformat(timespec="seconds"), **ids}
    body = {"error": {"code": error.code, "message": error.message, "innerError": inner}}
    return Reply(error.status, body, error.headers)
