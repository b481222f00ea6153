"""Exchange over EWS: five operations, one request each, every end of it told apart."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import requests

from kalender.calendars.ews import soap
from kalender.calendars.ews.error_codes import Meaning, meaning, words
from kalender.calendars.ews.session import Sessions, windows_zone
from kalender.calendars.ews.soap import Fault, Message, Unparsable, Writer
from kalender.config.backends import Ews, EwsApplicationSettings
from kalender.domain.backoff import LONGEST, told_wait
from kalender.domain.neighbour import exchange
from kalender.domain.takeover import MarkedItem, PredecessorMark
from kalender.errors import (
    KalenderError,
    MailboxMissing,
    NeighbourRefused,
    NeighbourUnauthorised,
    NeighbourUnavailable,
    OutcomeUnknown,
    PermanentError,
    TransientError,
)
from kalender.ports import (
    AroundRequest,
    EntryChange,
    EntryState,
    FoundItem,
    ItemError,
    ItemOutcome,
    ItemRef,
    NewEntry,
    unlimited,
)
from kalender.transport import Lost, NotConnected

if TYPE_CHECKING:
    from kalender.calendars.tokens import Tokens

KEYS_AT_ONCE = 100
ALONE = timedelta(
    minutes=1
)  # how long one calendar waits that alone meets what Exchange never says
T = TypeVar("T")


class EwsCalendars:
    """One Exchange; usable from several threads, to be made after a fork. See ports.Calendars."""

    batch = 50

    def __init__(
        self,
        name: str,
        settings: Ews,
        *,
        connections: int = 4,
        time_zone: str = "Europe/Oslo",
        limiter: AroundRequest = unlimited,
    ) -> None:
        self.limiter = limiter
        self.neighbour = exchange(name)
        self._writer = Writer(zone=windows_zone(time_zone), impersonate=settings.impersonate)
        self.tokens: Tokens | None = None
        if isinstance(settings, EwsApplicationSettings):
            from kalender.calendars import tokens  # noqa: PLC0415 - msal takes long to load

            self.tokens = tokens.Tokens(self.neighbour, settings)
        self._sessions = Sessions(settings, connections=connections, tokens=self.tokens)

    # -- the five operations ----------------------------------------------------------------------

    def create(
        self, mailbox: str, entries: Sequence[NewEntry], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Create plain appointments in the mailbox's calendar: one CreateItem."""
        body = self._writer.create(mailbox, entries)
        messages = self._call("CreateItem", mailbox, body, send_by=send_by, number=len(entries))
        return self._outcomes(messages)

    def update(
        self, mailbox: str, changes: Sequence[EntryChange], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Change the named fields only: one UpdateItem."""
        overwrite = all(change.change_key is None for change in changes)
        body = self._writer.update(changes, overwrite=overwrite)
        messages = self._call("UpdateItem", mailbox, body, send_by=send_by, number=len(changes))
        return self._outcomes(messages)

    def delete(
        self, mailbox: str, items: Sequence[ItemRef], *, hard: bool, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Delete by id and change key: one DeleteItem."""
        body = soap.delete(items, hard=hard)
        messages = self._call("DeleteItem", mailbox, body, send_by=send_by, number=len(items))
        return [
            ref if message.code == "NoError" else _item_error(message)
            for ref, message in zip(items, messages, strict=True)
        ]

    def get(
        self, mailbox: str, item_ids: Sequence[str], *, fields: bool, additions: bool = False
    ) -> Sequence[EntryState | ItemError]:
        """Read items by id; without `fields` only their change keys: one GetItem."""
        body = soap.get(item_ids, fields=fields, additions=additions)
        messages = self._call("GetItem", mailbox, body, send_by=None, number=len(item_ids))
        states: list[EntryState | ItemError] = []
        for message in messages:
            element = soap.item_of(message)
            if message.code != "NoError" or element is None:
                states.append(_item_error(message))
            else:
                read = partial(soap.state_of, element, fields=fields, additions=additions)
                states.append(self._parsed(read, changes=False))
        return states

    def find(
        self,
        mailbox: str,
        keys: Sequence[str] | None,
        *,
        contents: bool = False,  # noqa: ARG002 - FindItem tells no body
    ) -> Sequence[FoundItem]:
        """Find exactly these keys (None: every item with our property) in the calendar folder."""
        results: list[FoundItem] = []
        starts = range(0, len(keys), KEYS_AT_ONCE) if keys is not None else (0,)
        for start in starts:
            part = keys[start : start + KEYS_AT_ONCE] if keys is not None else None
            results += self._pages(mailbox, partial(soap.find, mailbox, part), soap.found_in)
        return results

    def find_marked(self, mailbox: str, mark: PredecessorMark) -> Sequence[MarkedItem]:
        """Find every item with a predecessor's mark in the calendar folder."""
        request = partial(soap.find_marked, mailbox, mark)
        return self._pages(mailbox, request, partial(soap.marked_in, mark=mark))

    def _pages(
        self,
        mailbox: str,
        request: Callable[[int], str],
        parse: Callable[[Message], tuple[list[T], int | None]],
    ) -> list[T]:
        """Return what a search finds over all its pages; `request` makes one from its offset."""
        results: list[T] = []
        offset: int | None = 0
        while offset is not None:
            body = request(offset)
            (message,) = self._call("FindItem", mailbox, body, send_by=None, number=1)
            if message.code != "NoError":
                raise self._refusal(message.code, message.back_off_seconds)
            page, offset = self._parsed(partial(parse, message), changes=False)
            results += page
        return results

    # -- one item's answer ------------------------------------------------------------------------

    def _outcomes(self, messages: Sequence[Message]) -> Sequence[ItemRef | ItemError]:
        outcomes: list[ItemRef | ItemError] = []
        for message in messages:
            element = soap.item_of(message)
            if message.code != "NoError":
                outcomes.append(_item_error(message))
            elif element is None:
                raise _unsure(f"{self.neighbour}: an answer without its item", changes=True)
            else:
                outcomes.append(self._parsed(partial(soap.ref_of, element), changes=True))
        return outcomes

    # -- one request ------------------------------------------------------------------------------

    def _call(
        self, operation: str, mailbox: str, body: str, *, send_by: float | None, number: int
    ) -> list[Message]:
        changes = send_by is not None
        with self.limiter():
            response = self._posted(operation, mailbox, body, send_by)
            if response.status_code not in (requests.codes.ok, requests.codes.server_error):
                raise self._status(response, changes=changes)
            try:
                messages = soap.read(response.content, operation)
            except Unparsable as error:
                text = f"HTTP {response.status_code} with {_kind(response)} ({error})"
                raise self._instead(text, certain=not changes) from error
            if isinstance(messages, Fault):
                raise self._fault(messages, changes=changes)
            if len(messages) != number:
                raise _unsure(f"{len(messages)} answers for {number} items", changes=changes)
            return messages

    def _posted(
        self, operation: str, mailbox: str, body: str, send_by: float | None
    ) -> requests.Response:
        try:
            return self._sessions.post(self._writer.envelope(mailbox, body), mailbox, send_by)
        except NotConnected as error:
            text = f"{self.neighbour}: no connection ({error})"
            raise NeighbourUnavailable(self.neighbour, text) from error
        except Lost as error:
            text = f"{self.neighbour}: no whole answer to {operation} ({error})"
            if send_by is None:
                raise NeighbourUnavailable(self.neighbour, text) from error
            raise OutcomeUnknown(text, neighbour=self.neighbour) from error

    def _parsed(self, parse: Callable[[], T], *, changes: bool) -> T:
        try:
            return parse()
        except Unparsable as error:
            raise _unsure(f"{self.neighbour}: {error}", changes=changes) from error

    def _status(self, response: requests.Response, *, changes: bool) -> KalenderError:
        after = told_wait(response.headers.get("Retry-After"), datetime.now(UTC))  # noqa: TID251
        text = f"{self.neighbour}: HTTP {response.status_code}"
        match response.status_code:
            case 401:
                whose = "username and password" if self.tokens is None else "the application"
                advice = f"{text}; check {whose} of [{self.neighbour}]"
                return NeighbourUnauthorised(self.neighbour, advice, retry_after=after)
            case 403:
                advice = f"{text}; check that EWS is allowed for the account of [{self.neighbour}]"
                return NeighbourRefused(self.neighbour, advice, retry_after=after)
            case 429:
                return TransientError(text, retry_after=after)
            case 502 | 503 | 504 if changes:
                return OutcomeUnknown(text, retry_after=after, neighbour=self.neighbour)
            case 502 | 503 | 504:
                return NeighbourUnavailable(self.neighbour, text, retry_after=after)
            case status:
                certain = not changes or status // 100 in NOT_CARRIED_OUT
                description = f"HTTP {status} with {_kind(response)}"
                return self._instead(description, certain=certain, after=after)

    def _instead(
        self, description: str, *, certain: bool, after: timedelta | None = None
    ) -> NeighbourUnavailable | OutcomeUnknown:
        """Return what it means that this came, which is no answer of Exchange's.

        It concerns all calendars alike: the neighbour is counted for, whether it is `certain` that
        nothing was carried out or not.
        """
        text = (
            f"{self.neighbour}: {description} came instead of Exchange's answer: check the endpoint of"
            f" [{self.neighbour}], and what stands before it"
        )
        if certain:
            return NeighbourUnavailable(self.neighbour, text, retry_after=after or ALONE)
        return OutcomeUnknown(text, retry_after=after, neighbour=self.neighbour)

    def _fault(self, fault: Fault, *, changes: bool) -> KalenderError:
        fault_meaning = meaning(fault.code)
        if fault_meaning is Meaning.UNKNOWN:
            return _unsure(f"{self.neighbour}: {fault.code}", changes=changes)
        if fault_meaning is Meaning.STRANGE and changes:
            text = f"{self.neighbour}: {fault.code}: {words(fault.code)}"
            return OutcomeUnknown(text, neighbour=self.neighbour)
        return self._refusal(fault.code, fault.back_off_seconds)

    def _refusal(self, code: str, back_off_seconds: float | None) -> KalenderError:
        """Return what a refusal of the whole request means: it was not carried out."""
        after = _after(back_off_seconds)
        text = f"{code}: {words(code)}"
        match meaning(code):
            case Meaning.MISSING:
                return MailboxMissing(text)
            case Meaning.NEIGHBOUR:
                return NeighbourRefused(self.neighbour, text, retry_after=after)
            case Meaning.STRANGE:
                advice = f"{self.neighbour}: {text}"
                return NeighbourUnavailable(self.neighbour, advice, retry_after=after or ALONE)
            case Meaning.LATER | Meaning.UNKNOWN | Meaning.CONFLICT:
                return TransientError(text, retry_after=after)
            case Meaning.DENIED | Meaning.GONE | Meaning.REFUSED:
                return PermanentError(text)


NOT_CARRIED_OUT = frozenset({3, 4})  # hundreds: sent elsewhere, or refused before it was read
_KINDS = {"html": "an HTML page", "json": "JSON", "xml": "XML", "plain": "plain text"}


def _kind(response: requests.Response) -> str:
    """Return what an answer is by its header, in words; nothing of it is quoted."""
    if not response.content:
        return "nothing in it"
    kind = response.headers.get("Content-Type", "")
    return next((name for word, name in _KINDS.items() if word in kind.lower()), "something else")


def _unsure(text: str, *, changes: bool) -> TransientError:
    return OutcomeUnknown(text) if changes else TransientError(text)


_ITEMS = {
    Meaning.GONE: ItemOutcome.GONE,
    Meaning.CONFLICT: ItemOutcome.CONFLICT,
    Meaning.REFUSED: ItemOutcome.REFUSED,
    Meaning.UNKNOWN: ItemOutcome.UNKNOWN,
    Meaning.LATER: ItemOutcome.LATER,
    Meaning.MISSING: ItemOutcome.LATER,
    Meaning.DENIED: ItemOutcome.LATER,
    Meaning.NEIGHBOUR: ItemOutcome.LATER,
    Meaning.STRANGE: ItemOutcome.UNKNOWN,  # nobody can tell what became of this item
}


def _item_error(message: Message) -> ItemError:
    code_meaning = meaning(message.code)
    is_strange = code_meaning is Meaning.STRANGE
    return ItemError(
        code=f"unknown code {message.code}" if is_strange else message.code,
        outcome=_ITEMS[code_meaning],
        retry_after=_after(message.back_off_seconds),
    )


def _after(back_off_seconds: float | None) -> timedelta | None:
    """Return the server's word on when, where it said so in a way that can be followed."""
    if back_off_seconds is None or not back_off_seconds > 0:
        return None
    return timedelta(seconds=min(back_off_seconds, LONGEST.total_seconds()))
