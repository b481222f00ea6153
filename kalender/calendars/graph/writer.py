"""Exchange Online over Microsoft Graph: batches in which each answer is judged alone."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import pairwise
from types import MappingProxyType
from typing import TypeVar

import requests

from kalender.calendars.graph import events
from kalender.calendars.graph.error_codes import WRITES, Meaning, Operation, meaning, words
from kalender.calendars.graph.events import Answer, Clock, Request, Unparsable
from kalender.calendars.graph.session import Sessions
from kalender.config.backends import GraphSettings
from kalender.domain.backoff import told_wait
from kalender.domain.neighbour import exchange
from kalender.domain.takeover import MarkedItem, PredecessorMark
from kalender.errors import (
    KalenderError,
    MailboxDenied,
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

MOST_PAGES = 400
ALONE = timedelta(minutes=1)  # before Graph is asked again after it said what it never says
AWAY = frozenset(
    {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}
)
OF_ALL_ALIKE = frozenset(
    {Meaning.MISSING, Meaning.DENIED, Meaning.UNAUTHORISED, Meaning.NEIGHBOUR}
)  # what is said of no single event
OF_ONE = frozenset({Meaning.GONE, Meaning.CONFLICT, Meaning.REFUSED})
MISSING_ANSWER = ItemError(code="NoAnswer", outcome=ItemOutcome.UNKNOWN)
WITHOUT_ID = ItemError(code="NoId", outcome=ItemOutcome.UNKNOWN)
MEETING = ItemError(code="Meeting", outcome=ItemOutcome.MEETING)
CHANGED = ItemError(code="ChangeKey", outcome=ItemOutcome.CONFLICT)
_VERDICTS = {
    Meaning.GONE: ItemOutcome.GONE,
    Meaning.CONFLICT: ItemOutcome.CONFLICT,
    Meaning.REFUSED: ItemOutcome.REFUSED,
    Meaning.UNKNOWN: ItemOutcome.UNKNOWN,
}
UserOf = Callable[[str], str]  # the address of a mailbox -> how Graph names its user
Result = ItemRef | ItemError
T = TypeVar("T")
Parse = Callable[[events.Json], tuple[list[T], str | None]]  # what a page tells, and the next one
NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class GraphCalendars:
    """Exchange Online; usable from several threads, to be made after a fork. See ports.Calendars.

    `user_of` is asked once in each call, before anything is sent; what it raises is raised.

    Nobody is mailed: who is invited to an event is read before each write to it, and the write asks
    Graph to do nothing where the event is another one by then.

    Exchange carries out four requests of one mailbox at once and refuses a fifth. Where it counts
    by mailbox, this holds without a count of ours: a calendar is claimed by one worker at a time, a
    visit waits for each batch before the next, every batch is of one mailbox, and Graph itself
    carries out four of its requests at once at most. After a batch whose end is not known the
    calendar is left alone for `server_seconds`. Where Exchange counts for the application, the
    limiter counts for all workers: a batch has a slot for each of its requests, four at most, and
    is sent as a chain, which takes one slot, where the others are not free.
    """

    def __init__(
        self,
        name: str,
        settings: GraphSettings,
        *,
        connections: int = 4,
        time_zone: str = "Europe/Oslo",
        limiter: AroundRequest = unlimited,
        user_of: UserOf = str,
    ) -> None:
        self.limiter, self._user_of = limiter, user_of
        self.batch, self._slots = settings.batch, settings.slots
        self.neighbour = exchange(name)
        self._clock = Clock.of(time_zone)
        self._sessions = Sessions(self.neighbour, settings, connections=connections)
        self.tokens = self._sessions.tokens

    # -- writes -----------------------------------------------------------------------------------

    def create(
        self, mailbox: str, entries: Sequence[NewEntry], *, send_by: float
    ) -> Sequence[Result]:
        """Create plain appointments in the mailbox's calendar: one chain.

        A refused entry does not hold those behind it.
        """
        mailbox = self._user_of(mailbox)
        wanted = [events.create(mailbox, entry, self._clock) for entry in entries]
        return self._write(Operation.CREATE, wanted, send_by, chained=True)

    def update(
        self, mailbox: str, changes: Sequence[EntryChange], *, send_by: float
    ) -> Sequence[Result]:
        """Change the named fields only: a batch that reads, and one that writes."""
        mailbox = self._user_of(mailbox)
        expected = {change.item_id: change.change_key for change in changes}
        guards = self._guarded(mailbox, expected)
        wanted = [
            (position, events.update(mailbox, change, guard, self._clock))
            for position, change in enumerate(changes)
            if isinstance(guard := guards[change.item_id], ItemRef)
        ]
        results: dict[int, Result] = dict(enumerate(guards[change.item_id] for change in changes))
        answers = self._write(
            Operation.UPDATE, [request for _, request in wanted], send_by, chained=False
        )
        results |= {position: answer for (position, _), answer in zip(wanted, answers, strict=True)}
        return list(results.values())

    def delete(
        self, mailbox: str, items: Sequence[ItemRef], *, hard: bool, send_by: float
    ) -> Sequence[Result]:
        """Delete by id and change key: a batch that reads, and one that deletes."""
        mailbox = self._user_of(mailbox)
        guards = self._guarded(mailbox, {item.item_id: item.change_key for item in items})
        wanted = [item.item_id for item in items if isinstance(guards[item.item_id], ItemRef)]
        deletes = [events.delete(mailbox, item_id, hard=hard) for item_id in wanted]
        answers = self._answers(Operation.DELETE, deletes, send_by)
        outcomes = dict(zip(wanted, answers, strict=True))
        if hard:
            outcomes |= self._deleted_softly(mailbox, outcomes, send_by)
        results: list[Result] = []
        for item in items:
            guard = guards[item.item_id]
            if isinstance(guard, ItemError):
                results.append(guard)
            else:
                answer = outcomes[item.item_id]
                error = _error(Operation.DELETE, answer)
                results.append(item if error is None else error)
        return results

    def _deleted_softly(
        self, mailbox: str, outcomes: Mapping[str, Answer | None], send_by: float
    ) -> dict[str, Answer | None]:
        """Delete what could not be deleted for good, as some clouds do not know that."""
        again = [item_id for item_id, answer in outcomes.items() if _is_no_such_action(answer)]
        try:
            answers = self._answers(
                Operation.DELETE,
                [events.delete(mailbox, item_id, hard=False) for item_id in again],
                send_by,
            )
        except OutcomeUnknown:
            answers = [None] * len(again)
        except KalenderError:  # not carried out
            return {}
        return dict(zip(again, answers, strict=True))

    def _guarded(
        self, mailbox: str, expected: Mapping[str, str | None]
    ) -> dict[str, ItemRef | ItemError]:
        """Read who is invited; return the events that may be written to, and why the others not.

        `expected` maps ids to change keys; one that is None or empty expects nothing.
        """
        wanted = [events.guard(mailbox, item_id) for item_id in expected]
        answers = self._answers(Operation.GET, wanted, None)
        guards: dict[str, ItemRef | ItemError] = {}
        for (item_id, change_key), answer in zip(expected.items(), answers, strict=True):
            error = _error(Operation.GET, answer)
            if answer is None or error is not None:
                guards[item_id] = error or MISSING_ANSWER
                continue
            ref = self._parsed(lambda a: events.ref_of(a.body), answer)
            if self._parsed(lambda a: events.is_meeting(a.body), answer):
                guards[item_id] = MEETING
            else:
                guards[item_id] = CHANGED if change_key not in {None, "", ref.change_key} else ref
        return guards

    def _write(
        self,
        operation: Operation,
        wanted: Sequence[Request],
        send_by: float,
        *,
        chained: bool,
    ) -> list[Result]:
        """Send writes whose answers name the event; return what became of each."""
        results: list[Result] = []
        failed: ItemError | None = None
        for answer in self._answers(operation, wanted, send_by, chained=chained):
            error = _error(operation, answer)
            if answer is not None and error is None:
                try:
                    results.append(events.ref_of(answer.body))
                except Unparsable:
                    results.append(WITHOUT_ID)
                continue
            error = error or MISSING_ANSWER
            if answer is not None and answer.status == HTTPStatus.FAILED_DEPENDENCY and failed:
                # it waits for what the one before it waits for
                error = ItemError(
                    code=failed.code, outcome=ItemOutcome.LATER, retry_after=failed.retry_after
                )
            else:
                failed = error
            results.append(error)
        return results

    # -- reads ------------------------------------------------------------------------------------

    def get(
        self, mailbox: str, item_ids: Sequence[str], *, fields: bool, additions: bool = False
    ) -> Sequence[EntryState | ItemError]:
        """Read events by id, a batch at a time; without `fields` only their change keys.

        Of more than a batch holds the change keys stand in one list of all that is ours. What it
        lacks is read by id: it may lie elsewhere, or be too new to be listed.
        """
        user = self._user_of(mailbox)
        if fields or len(item_ids) <= self.batch:
            return self._read(user, item_ids, fields=fields, additions=additions)
        refs = self._searched(events.find_refs(user), events.refs_in)
        known = {ref.item_id: EntryState(ref=ref) for ref in refs}
        lacking = [item_id for item_id in item_ids if item_id not in known]
        states = self._read(user, lacking, fields=False, additions=False)
        read = dict(zip(lacking, states, strict=True))
        return [known.get(item_id) or read[item_id] for item_id in item_ids]

    def _read(
        self, user: str, item_ids: Sequence[str], *, fields: bool, additions: bool
    ) -> list[EntryState | ItemError]:
        states: list[EntryState | ItemError] = []
        for start in range(0, len(item_ids), self.batch):
            wanted = [
                events.get(user, item_id, fields=fields, additions=additions)
                for item_id in item_ids[start : start + self.batch]
            ]
            for answer in self._answers(Operation.GET, wanted, None):
                error = _error(Operation.GET, answer)
                if answer is None or error is not None:
                    states.append(error or MISSING_ANSWER)
                else:
                    states.append(
                        self._parsed(
                            lambda a: events.state_of(a.body, fields=fields, additions=additions),
                            answer,
                        )
                    )
        return states

    def find(
        self, mailbox: str, keys: Sequence[str] | None, *, contents: bool = False
    ) -> Sequence[FoundItem]:
        """Find exactly these keys (None: every event with a key of ours) in the calendar.

        As many as a batch holds are asked for singly; of more the answer to all is searched.
        """
        found_in = partial(events.found_in, contents=contents)
        if keys is not None and not keys:
            return []
        mailbox = self._user_of(mailbox)
        if keys is None or len(keys) > self.batch:
            request = events.find(mailbox, None, contents=contents)
            items = list(self._searched(request, found_in))
        else:
            wanted = [events.find(mailbox, key, contents=contents) for key in dict.fromkeys(keys)]
            answers = self._answers(Operation.FIND, wanted, None)
            items = [item for answer in answers for item in self._pages(answer, found_in)]
        if keys is not None:
            exact = frozenset(keys)
            items = [item for item in items if item.sync_key in exact]
        return list({item.ref.item_id: item for item in items}.values())

    def find_marked(self, mailbox: str, mark: PredecessorMark) -> Sequence[MarkedItem]:
        """Find every event with a predecessor's mark in the calendar."""
        request = events.find_marked(self._user_of(mailbox), mark)
        items = self._searched(request, partial(events.marked_in, mark=mark))
        return list({item.item_id: item for item in items}.values())

    def owner(self, mailbox: str) -> str | None:
        """Return the address of a calendar's owner in lower case; None where Graph does not tell.

        Nothing that stands in the calendar is asked for.
        """
        mailbox = self._user_of(mailbox)
        answer = self._got(self._sessions.base_url + events.calendar(mailbox).url, NO_HEADERS)
        if not answer.is_success:
            raise self._refusal(Operation.FIND, answer)
        return events.owner_of(answer.body)

    def _searched(self, request: Request, parse: Parse[T]) -> Iterator[T]:
        """Give what a search finds that is a request of its own."""
        first = self._got(self._sessions.base_url + request.url, request.headers)
        return self._pages(first, parse, request.headers)

    def _pages(
        self,
        answer: Answer | None,
        parse: Parse[T],
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> Iterator[T]:
        """Give what a search found, over all its pages, which are asked for as Graph names them."""
        for _ in range(MOST_PAGES):
            if answer is None:
                raise TransientError(f"{self.neighbour}: no answer to a search")
            if not answer.is_success:
                raise self._refusal(Operation.FIND, answer)
            items, next_link = self._parsed(lambda a: parse(a.body), answer)
            yield from items
            if next_link is None:
                return
            if not self._sessions.is_below(next_link):
                text = (
                    f"{self.neighbour}: the next page of a search is on another host than base_url"
                )
                raise NeighbourRefused(self.neighbour, text)
            answer = self._got(next_link, headers)
        raise TransientError(f"{self.neighbour}: a search has no last page")

    def _parsed(self, parse: Callable[[Answer], T], answer: Answer) -> T:
        """Return what a successful answer to a read says; TransientError where it cannot be read."""
        try:
            return parse(answer)
        except Unparsable as error:
            raise TransientError(f"{self.neighbour}: {error}") from error

    # -- requests ---------------------------------------------------------------------------------

    def _answers(
        self,
        operation: Operation,
        wanted: Sequence[Request],
        send_by: float | None,
        *,
        chained: bool = False,
    ) -> Sequence[Answer | None]:
        """Send requests; return the answer to each, None where it lacks.

        What stands in a chain behind the refusal of one event was not carried out: it is sent again
        as long as that may leave. Raises what all answers say alike of the mailbox or the
        neighbour: nothing was carried out.
        """
        answers = self._batched(operation, wanted, send_by, chained=chained)
        while (start := _behind_a_refusal(operation, answers)) and (
            send_by is None or time.monotonic() < send_by
        ):
            try:
                again = self._batched(operation, wanted[start:], send_by, chained=chained)
            except OutcomeUnknown:
                again = [None] * (len(wanted) - start)
            except KalenderError:  # not carried out: it stays as it is answered
                if operation not in WRITES:
                    raise
                break
            answers = [*answers[:start], *again]
        return answers

    def _batched(
        self,
        operation: Operation,
        wanted: Sequence[Request],
        send_by: float | None,
        *,
        chained: bool,
    ) -> Sequence[Answer | None]:
        """Send one batch, as a chain also where it may not have the slots to run at once."""
        if not wanted:
            return []
        changes = operation in WRITES
        slots = 1 if chained else min(self._slots, len(wanted))
        with self._asking(changes=changes, slots=slots, number=len(wanted)) as granted:
            content = events.batch(wanted, chained=chained or granted < slots)
            response = self._sessions.post("/$batch", content, send_by)
            if response.status_code != HTTPStatus.OK:
                raise self._outer(response, changes=changes)
            try:
                answers = events.read_batch(response.content, len(wanted), _now())
            except Unparsable as error:
                raise self._instead(f"HTTP 200 with {error}", certain=not changes) from error
            self._raise_for_all(operation, answers)
            return answers

    def _got(self, url: str, headers: Mapping[str, str]) -> Answer:
        """Get a page of a search."""
        with self._asking(changes=False):
            response = self._sessions.get(url, headers)
            body = events.body_of(response.content)
            if body is None or response.status_code == HTTPStatus.UNAUTHORIZED:
                raise self._outer(response, changes=False)
            answer = events.read_one(response.status_code, response.headers, body, _now())
            self._raise_for_all(Operation.FIND, [answer])
            return answer

    @contextmanager
    def _asking(self, *, changes: bool, slots: int = 1, number: int = 1) -> Iterator[int]:
        """Ask what counts as so many requests, and give the slots that are granted.

        The limiter learns from whatever is raised of all requests alike.
        """
        with self.limiter(slots=slots, requests=number) as granted:
            try:
                yield granted
            except NotConnected as error:
                text = f"{self.neighbour}: no connection ({error})"
                raise NeighbourUnavailable(self.neighbour, text) from error
            except Lost as error:
                text = f"{self.neighbour}: no whole answer ({error})"
                if not changes:
                    raise NeighbourUnavailable(self.neighbour, text) from error
                raise OutcomeUnknown(text, neighbour=self.neighbour) from error

    def _raise_for_all(self, operation: Operation, answers: Sequence[Answer | None]) -> None:
        """Raise a refusal that concerns no single event, where every answer is that one.

        In a chain it is the answer to the first, and the others were not carried out.
        """
        if any(answer is not None and answer.is_success for answer in answers):
            return
        of_all: Answer | None = None
        for answer in answers:
            if answer is None:
                return
            if answer.status == HTTPStatus.FAILED_DEPENDENCY:
                continue
            if meaning(operation, answer.status, answer.code) not in OF_ALL_ALIKE:
                return
            of_all = of_all or answer
        if of_all is not None:
            raise self._refusal(operation, of_all)

    # -- refusals ---------------------------------------------------------------------------------

    def _refusal(self, operation: Operation, answer: Answer) -> KalenderError:
        """Return what a refusal means that is not of one event: nothing was carried out."""
        which = meaning(operation, answer.status, answer.code)
        after, text = answer.retry_after, f"{answer.name}: {words(which)}"
        match which:
            case Meaning.MISSING:
                return MailboxMissing(text)
            case Meaning.UNAUTHORISED:
                self.tokens.forget()
                return NeighbourUnauthorised(self.neighbour, text, retry_after=after)
            case Meaning.NEIGHBOUR:
                return NeighbourRefused(self.neighbour, text, retry_after=after)
            case Meaning.DENIED:
                return MailboxDenied(text)
            case Meaning.LATER | Meaning.UNKNOWN | Meaning.CONFLICT:
                if answer.status in AWAY:
                    away = f"{self.neighbour}: {text}"
                    return NeighbourUnavailable(self.neighbour, away, retry_after=after)
                return TransientError(text, retry_after=after)
            case Meaning.GONE | Meaning.REFUSED:
                return PermanentError(text)

    def _outer(self, response: requests.Response, *, changes: bool) -> KalenderError:
        """Return what it means that a whole batch, or a search, was not answered."""
        status = response.status_code
        after = told_wait(response.headers.get("Retry-After"), _now())
        error = (events.body_of(response.content) or {}).get("error")
        answer = events.read_one(status, {}, {"error": error}, _now())
        text = f"{self.neighbour}: HTTP {status}{f' {answer.code}' if answer.code else ''}"
        match status:
            case HTTPStatus.UNAUTHORIZED:
                advice = f"{text}; check the credentials of [{self.neighbour}]"
                return NeighbourUnauthorised(self.neighbour, advice, retry_after=after)
            case HTTPStatus.FORBIDDEN:
                advice = f"{text}; check the rights of the application of [{self.neighbour}]"
                return NeighbourRefused(self.neighbour, advice, retry_after=after)
            case HTTPStatus.BAD_REQUEST:
                advice = f"{text}: Graph takes no batch of ours; report it"
                return NeighbourRefused(self.neighbour, advice)
            case HTTPStatus.TOO_MANY_REQUESTS:
                return NeighbourUnavailable(
                    self.neighbour, text, retry_after=after, concerns_all=True
                )
            case 502 | 503 | 504 if changes:
                return OutcomeUnknown(text, retry_after=after, neighbour=self.neighbour)
            case 502 | 503 | 504:
                return NeighbourUnavailable(self.neighbour, text, retry_after=after)
            case _:
                certain = not changes or status // 100 in NOT_CARRIED_OUT
                return self._instead(f"HTTP {status}", certain=certain, after=after)

    def _instead(
        self, description: str, *, certain: bool, after: timedelta | None = None
    ) -> NeighbourUnavailable | OutcomeUnknown:
        """Return what it means that this came, which is no answer of Graph's."""
        text = (
            f"{self.neighbour}: {description} came instead of Graph's answer: check base_url of"
            f" [{self.neighbour}], and what stands before it"
        )
        if certain:
            return NeighbourUnavailable(self.neighbour, text, retry_after=after or ALONE)
        return OutcomeUnknown(text, retry_after=after, neighbour=self.neighbour)


NOT_CARRIED_OUT = frozenset({3, 4})  # hundreds: sent elsewhere, or refused before it was read


def _error(operation: Operation, answer: Answer | None) -> ItemError | None:
    """Return the refusal of one event, or None where its request was carried out.

    What no answer came to was certainly not carried out if it was a read.
    """
    if answer is None:
        is_write = operation in WRITES
        return MISSING_ANSWER if is_write else ItemError(code="NoAnswer", outcome=ItemOutcome.LATER)
    if answer.is_success:
        return None
    which = meaning(operation, answer.status, answer.code)
    return ItemError(
        code=answer.name,
        outcome=_VERDICTS.get(which, ItemOutcome.LATER),
        retry_after=answer.retry_after,
    )


def _behind_a_refusal(operation: Operation, answers: Sequence[Answer | None]) -> int:
    """Return where in a chain stands what one event's refusal kept from being carried out; 0: nowhere."""
    for position, (before, behind) in enumerate(pairwise(answers), 1):
        if behind is not None and behind.status == HTTPStatus.FAILED_DEPENDENCY:
            if before is None or before.is_success:
                return 0
            is_of_one = meaning(operation, before.status, before.code) in OF_ONE
            return position if is_of_one or _is_no_such_action(before) else 0
    return 0


def _is_no_such_action(answer: Answer | None) -> bool:
    """Whether the cloud does not know how to delete for good: the event was there a moment ago."""
    if answer is None:
        return False
    is_gone = meaning(Operation.DELETE, answer.status, answer.code) is Meaning.GONE
    return answer.status == HTTPStatus.METHOD_NOT_ALLOWED or (
        answer.status == HTTPStatus.NOT_FOUND and not is_gone
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - for what the server says, by the servers' clock
