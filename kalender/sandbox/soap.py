"""The envelope of EWS: requests as Microsoft's schema has them, answers and faults."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from lxml import etree

from kalender.sandbox.schema import MESSAGES, OPERATIONS, TYPES, Element, M, T, fault_in

ENVELOPE = "http://schemas.xmlsoap.org/soap/envelope/"
S = f"{{{ENVELOPE}}}"
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
    if (
        root.getroottree().docinfo.internalDTD is not None
        or root.tag != S + "Envelope"
        or found is None
        or len(found) != 1
    ):
        raise _invalid(why="no SOAP envelope with one operation")
    node, header = found[0], root.find(S + "Header")
    operation = node.tag[len(M) :]
    if node.tag[: len(M)] != M or operation not in OPERATIONS:
        raise _invalid(why=f"element '{node.tag}' is not known here")
    for part in (header, node):
        broken = None if part is None else fault_in(part)
        if broken is not None:
            raise _invalid(why=broken)
    return Call(operation, node, None if header is None else _person(header))


def _person(header: Element) -> str | None:
    """Say whom a request impersonates; one for a version that never was is refused."""
    version = header.find(T + "RequestServerVersion")
    if version is not None and _VERSION.fullmatch(version.get("Version", "")) is None:
        raise SoapFault(code="ErrorInvalidServerVersion")
    sid = header.find(f"{T}ExchangeImpersonation/{T}ConnectingSID")
    return None if sid is None else (sid[0].text or "").strip().lower()


_VERSION = re.compile(r"Exchange20(07|09|1[02356])(_SP[12])?|V201[5-8]_\d\d_\d\d")


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


_WITH_ITEMS = {"CreateItem", "GetItem", "UpdateItem", "MoveItem"}


def success(operation: str, inner: str = "") -> str:
    """Write the answer for one item that went well."""
    return (
        f'<m:{operation}ResponseMessage ResponseClass="Success"><m:ResponseCode>NoError'
        f"</m:ResponseCode>{inner}</m:{operation}ResponseMessage>"
    )


def failure(operation: str, error: ItemError) -> str:
    """Write the answer for one item that was refused."""
    items = "<m:Items/>" if operation in _WITH_ITEMS else ""
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
        f"<faultstring>{escape(error.message)}</faultstring><detail>"
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
    "ErrorInvalidServerVersion": "The specified server version is invalid.",
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
