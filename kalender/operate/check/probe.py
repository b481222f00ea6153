"""Asks Exchange Online, in a mailbox for tests, what nobody documents of it.

Each question is asked by events that this run made: by their ids, or by a search for the run's own
value of our property. They are shown as free, on one day a year ahead, and without attendees unless
one is named. All are deleted for good at the end, also after an error; what an earlier run left
behind is found by our property and goes as well.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from secrets import token_hex
from threading import Event
from time import monotonic
from urllib.parse import quote
from uuid import uuid4

from kalender.app import App
from kalender.calendars.graph import events
from kalender.calendars.graph.events import Answer, Clock, Json, Request
from kalender.calendars.graph.session import Sessions
from kalender.calendars.graph.writer import GraphCalendars
from kalender.config.backends import GraphSettings
from kalender.domain import neighbour
from kalender.domain.model import Content
from kalender.errors import ConfigError, KalenderError, MailboxMissing, NeighbourUnavailable
from kalender.neighbours.limiter import Limiters
from kalender.operate.check import ExchangeTrials
from kalender.operate.check.names import Named
from kalender.operate.check.trial import TrialOutcome, TrialResult, failed, not_tried, ok, warned
from kalender.ports import AroundRequest, NewEntry
from kalender.store.database import Database
from kalender.transport import Lost, NotConnected

OWN = "kalender-probe-"  # begins the values of our property, where other keys have an event
IMMUTABLE = {"Prefer": 'IdType="ImmutableId"'}
NO_GRAPH = '--probe wants an [exchange.NAME] of kind = "graph"'
AT_ONCE = 12
ROUNDS = 5  # of asking again after 429, which carried nothing out
LONGEST = 60.0  # seconds for which anything is waited for
EXPAND = quote(events.EXPAND, safe="")
ANY = f"singleValueExtendedProperties/any(ep: ep/id eq '{events.PROPERTY}' and %s)"
UNSAFE = (
    '<div>▼▼▼<br>Løkker &amp; lister<br>▲▲▲</div><p onclick="x()">note</p><!-- remark -->'
    '<form><input name="a">field</form><p id="mine" class="own">&nbsp;end</p>'
)
PARTS = {"onclick": "onclick", "form": "<form", "comment": "remark", "id": 'id="mine"'}

wait = Event().wait
Row = tuple[
    str, str, str | TrialOutcome
]  # the number on the list of questions, the question, the answer


class Unanswered(Exception):
    """A question could not be asked; the words are for people."""


@contextmanager
def opened_probe(
    wired: App, database: Database, mailbox: str, others: ExchangeTrials
) -> Iterator["Probe"]:
    """Give a probe of the Exchange Online that the mailbox is in.

    ConfigError where there is none, or where its calendar is somebody else's than was given.
    """
    limiters = wired.limiters(database, wants=AT_ONCE)
    try:
        yield _probe(wired, database, limiters, mailbox, others)
    finally:
        # Where this fails, our leases run out by themselves.
        with suppress(KalenderError), database.write() as connection:
            limiters.give_up(connection)


def _probe(
    wired: App, database: Database, limiters: Limiters, mailbox: str, others: ExchangeTrials
) -> "Probe":
    error = ConfigError(NO_GRAPH)
    for backend, settings in wired.config.exchange.backends.items():
        if not isinstance(settings, GraphSettings):
            continue
        name, named = neighbour.exchange(backend), Named(wired, backend, database)
        calendars = GraphCalendars(backend, settings, limiter=limiters[name], user_of=named.user_of)
        try:
            owner = calendars.owner(mailbox)
        except MailboxMissing as missing:
            error = ConfigError(f"[{name}] --probe: {missing}")
            continue
        if named.knows(mailbox) and owner != mailbox.lower():
            raise ConfigError(f"[{name}] --probe: its calendar's owner is another address")
        return Probe(
            neighbour=name,
            sessions=Sessions(name, settings, connections=AT_ONCE),
            limiter=limiters[name],
            clock=Clock.of(str(wired.zone)),
            day=(wired.clock() + timedelta(days=365)).replace(
                hour=2, minute=0, second=0, microsecond=0
            ),
            mailbox=mailbox,
            user_of=named.user_of,
            others=others,
        )
    raise error


@dataclass(slots=True, kw_only=True)
class Probe:
    """One run in one mailbox; `user_of` tells how Graph names the user of an address.

    `clean` is to be called at the end of it, whatever that was.
    """

    neighbour: str
    sessions: Sessions
    limiter: AroundRequest
    clock: Clock
    day: datetime
    mailbox: str
    user_of: Callable[[str], str]
    others: ExchangeTrials  # who else may be asked of, where the operator named them
    value: str = field(default_factory=lambda: OWN + token_hex(6))
    # The ids of what was created, each with its immutable id, which is empty where none is told.
    made: dict[str, str] = field(default_factory=dict)
    is_cut: bool = False  # a request was, so that an event may still come to be
    user: str = field(init=False)  # the path of the mailbox' user

    def __post_init__(self) -> None:
        """Ask once how the user is named."""
        self.user = _user(self.user_of(self.mailbox))

    # -- asking -----------------------------------------------------------------------------------

    def at(self, event: str) -> str:
        """Return the path of an event."""
        return f"{self.user}/events/{quote(event, safe='')}"

    def batch(self, wanted: Sequence[Request], *, chained: bool = False) -> list[Answer]:
        """Send one batch; what did not come is status 0. What was created is remembered."""
        try:
            with self.limiter():
                content = events.batch(wanted, chained=chained)
                response = self.sessions.post("/$batch", content, None)
        except (NotConnected, Lost) as error:
            self.is_cut |= isinstance(error, Lost)
            raise NeighbourUnavailable(self.neighbour, f"{self.neighbour}: {error}") from error
        if response.status_code != HTTPStatus.OK:
            raise Unanswered(f"the whole batch: HTTP {response.status_code}")
        lacking = Answer(status=0, body={}, code="NoAnswer")
        now = datetime.now(UTC)  # noqa: TID251 - for Retry-After, by the servers' clock
        answers = [a or lacking for a in events.read_batch(response.content, len(wanted), now)]
        for request, answer in zip(wanted, answers, strict=True):
            is_create = request.method == "POST" and "/calendar/events" in request.url
            if is_create and "id" in answer.body:
                self.made.setdefault(answer.body["id"], "")
        return answers

    def ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send one request, again where Graph asked for patience: then nothing was carried out."""
        request = Request(method=method, url=path, body=body, headers=headers or {})
        (answer,) = self.batch([request])
        for _ in range(ROUNDS):
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS:
                break
            wait(min(LONGEST, (answer.retry_after or timedelta(seconds=5)).total_seconds()))
            (answer,) = self.batch([request])
        return answer

    def body(self, key: str, **changes: object) -> Json:
        """Return an event as Kalender writes one, with these members besides."""
        content = Content(
            subject=f"kalender probe: {key}",
            body="Written by kalender check --probe, to be taken away at its end.",
            location="",
            starts_at=self.day,
            ends_at=self.day + timedelta(minutes=45),
            show_as="free",
        )
        entry = NewEntry(sync_key=f"{self.value}#{key}", content=content)
        return {**(events.create(self.mailbox, entry, self.clock).body or {}), **changes}

    def post(self, body: Json) -> Answer:
        """Create an event, and ask for the id under which it can be removed wherever it is."""
        answer = self.ask("POST", f"{self.user}/calendar/events", body)
        event = answer.body.get("id")
        if isinstance(event, str) and not self.made.get(event):
            immutable = self.ask("GET", f"{self.at(event)}?$select=id", headers=IMMUTABLE)
            self.made[event] = str(immutable.body.get("id", ""))
        return answer

    def make(self, key: str, **changes: object) -> Json:
        """Create an event and return it; Unanswered where Graph does not."""
        answer = self.post(self.body(key, **changes))
        if answer.status != HTTPStatus.CREATED or "id" not in answer.body:
            raise Unanswered(f"a create was answered {_told(answer)}")
        return answer.body

    def search(self, condition: str, options: str = "", within: str = "/calendar/events") -> Answer:
        """Search by a whole condition, which is one of our property."""
        path = f"{self.user}{within}?$filter={quote(condition, safe='')}{options}"
        return self.ask("GET", path)

    def count(self, condition: str) -> int:
        """Count what a condition on the value of our property finds."""
        answer = self.search(ANY % condition, "&$select=id&$top=100")
        if not answer.is_success:
            raise Unanswered(_told(answer))
        return len(answer.body.get("value", ()))

    # -- the run ----------------------------------------------------------------------------------

    def run(self) -> Iterator[TrialResult]:
        """Ask all questions, and give each answer at once."""
        for question in (
            self._fresh,
            self._conditions,
            self._transactions,
            self._filters,
            self._bodies,
            self._at_once,
            self._meetings,
            self._names,
            self._deletes,
        ):
            yield from self._lines(question)
        for number, why in (("10", "a mailbox to move"), ("11", "EWS beside"), ("16", "a move")):
            yield TrialResult(
                name=f"{number} needs {why}", outcome=not_tried("not asked"), milliseconds=0
            )

    def _lines(self, question: Callable[[], Iterator[Row]]) -> Iterator[TrialResult]:
        started, number = monotonic(), "-"
        rows = question()
        while True:
            try:
                number, text, answer = next(rows)
            except StopIteration:
                return
            except (Unanswered, KalenderError) as error:
                text, words = f"{question.__doc__}".rstrip("."), f"could not be asked: {error}"
                has_failed = isinstance(error, KalenderError)
                answer = failed(words, "ask again") if has_failed else not_tried(words)
            outcome = ok(answer) if isinstance(answer, str) else answer
            milliseconds = round((monotonic() - started) * 1000)
            yield TrialResult(name=f"{number} {text}", outcome=outcome, milliseconds=milliseconds)
            started = monotonic()

    def clean(self) -> TrialResult:
        """Delete for good what this run and earlier ones made; say what is left."""
        started = monotonic()
        try:
            removed, left = self._removed()
        except (Unanswered, KalenderError) as error:
            outcome = failed(f"{len(self.made)} events may be left: {error}", self._remedy)
        else:
            text = f"{removed} events removed, {left} left"
            outcome = failed(text, self._remedy) if left else ok(text)
            if self.is_cut and not left:
                outcome = warned(f"{text}; a request was cut and may go on", self._remedy)
        return TrialResult(
            name="taken away", outcome=outcome, milliseconds=round((monotonic() - started) * 1000)
        )

    @property
    def _remedy(self) -> str:
        return (
            "run kalender check --probe on it again after some minutes, which removes what is there;"
            f" or delete what is called 'kalender probe' on {self.day:%Y-%m-%d}"
        )

    def _removed(self) -> tuple[int, int]:
        for event in self._left():
            self.made.setdefault(event, "")
        lost = 0
        for event, immutable in self.made.items():
            headers = IMMUTABLE if immutable else {}
            path = self.at(immutable or event)
            answer = self.ask("POST", f"{path}/permanentDelete", {}, headers)
            if (
                answer.status in {404, 405}
                and self.ask("GET", f"{path}?$select=id", None, headers).is_success
            ):
                answer = self.ask("DELETE", path, None, headers)  # a cloud that does not know that
            lost += not (answer.is_success or answer.status == HTTPStatus.NOT_FOUND)
        removed = len(self.made) - lost
        return removed, max(lost, len(self._left()))

    def _left(self) -> list[str]:
        """Return the ids of all events of probes in the calendar, this run's and earlier ones'."""
        options = f"&$select=id&$expand={EXPAND}&$top=250"
        answer = self.search(ANY % f"startswith(ep/value,'{OWN}')", options)
        if not answer.is_success:
            raise Unanswered(_told(answer))
        return [
            event["id"]
            for event in answer.body.get("value", ())
            for each in event.get("singleValueExtendedProperties", ())
            if str(each.get("value", "")).startswith(OWN)
        ]

    # -- the questions, by their numbers on the page of facts -----------------------------------------

    def _fresh(self) -> Iterator[Row]:
        """Whether a search sees what was just made."""
        for name, condition in (
            ("eq", "ep/value eq '{}'"),
            ("contains", "contains(ep/value,'{}')"),
        ):
            key, started, seen = f"fresh-{name}", monotonic(), 0
            self.make(key)
            while not seen and monotonic() - started < LONGEST:
                seen = self.count(condition.format(f"{self.value}#{key}")) or wait(0.2)
            text = (
                f"yes, within {monotonic() - started:.1f} s" if seen else f"not in {LONGEST:.0f} s"
            )
            yield "1", f"a new event is found by its property ({name})", text
        patched = {"singleValueExtendedProperties": [self._property("patched")]}
        self.ask("PATCH", self.at(self.make("to-patch")["id"]), patched)
        new, old = (self.count(f"ep/value eq '{self.value}#{k}'") for k in ("patched", "to-patch"))
        yield "1", "a changed value is found, its old one is not", f"new {new}, old {old}"
        started = monotonic()
        self.count(f"ep/value eq '{self.value}#nothing'")
        yield "15", "a search that finds nothing takes", f"{monotonic() - started:.2f} s"

    def _property(self, key: str) -> Json:
        return {"id": events.PROPERTY, "value": f"{self.value}#{key}"}

    def _conditions(self) -> Iterator[Row]:
        """Whether If-Match is honoured, and what a change key tells."""
        made = self.make("condition")
        event, etag = self.at(made["id"]), str(made.get("@odata.etag"))
        yield "2", "the ETag holds the change key", _yes(etag == f'W/"{made.get("changeKey")}"')
        for text, show_as in (("the right", "tentative"), ("an old", "oof")):
            answer = self.ask("PATCH", event, {"showAs": show_as}, {"If-Match": etag})
            yield "2", f"PATCH with {text} If-Match", _told(answer)
        yield "2", "DELETE with an old If-Match", _told(self._deleted(made, {"If-Match": etag}))
        still = self.make("still")
        answer = self.ask("PATCH", self.at(still["id"]), {"showAs": "free"})
        moved = answer.body.get("changeKey") != still.get("changeKey")
        yield "2", "a PATCH that changes nothing moves the change key", _yes(moved)
        first = next(iter(self.made))
        before = self.ask("GET", f"{self.at(first)}?$select=changeKey").body.get("changeKey")
        wait(2)
        after = self.ask("GET", f"{self.at(first)}?$select=changeKey").body.get("changeKey")
        yield "2", "a change key moves by itself within 2 s", _yes(before != after)

    def _deleted(self, event: Json, headers: Mapping[str, str] | None = None) -> Answer:
        """Delete where it can still be removed afterwards; Unanswered otherwise."""
        if not self.made.get(event["id"]):
            raise Unanswered("Graph tells no immutable id, so that it could not be removed after")
        return self.ask("DELETE", self.at(event["id"]), None, headers)

    def _transactions(self) -> Iterator[Row]:
        """What a transactionId does."""
        body = {**self.body("transaction"), "transactionId": str(uuid4())}
        first = self.post(body).body.get("id")
        transaction = str(body["transactionId"])
        for text, again in (
            ("the same again", body),
            ("with another key", {**self.body("other"), "transactionId": transaction}),
            ("in upper case", {**body, "transactionId": transaction.upper()}),
        ):
            yield "3", f"transactionId: {text}", self._which(self.post(again), first)
        shown = self.ask("GET", f"{self.at(str(first))}?$select=transactionId").body
        yield "3", "transactionId is returned", _yes(shown.get("transactionId") == transaction)
        answer = self.ask("PATCH", self.at(str(first)), {"transactionId": str(uuid4())})
        yield "3", "transactionId in a PATCH", _told(answer)
        for size in (64, 255, 2000):
            answer = self.post({**self.body(f"size-{size}"), "transactionId": "x" * size})
            yield "3", f"transactionId of {size} characters", _told(answer)
        self._deleted({"id": first})
        yield "3", "transactionId: after a delete", self._which(self.post(body), first)

    def _which(self, answer: Answer, first: object) -> str:
        which = "the first event" if answer.body.get("id") == first else "another event"
        return f"{_told(answer)}, {which}" if answer.is_success else _told(answer)

    def _filters(self) -> Iterator[Row]:
        """Which searches are understood."""
        for number in range(3):
            self.make(f"filter-{number}")
        own = ANY % f"startswith(ep/value,'{self.value}#filter')"
        one, two = (f"ep/value eq '{self.value}#filter-{n}'" for n in range(2))
        both = f"'{self.value}#filter-0','{self.value}#filter-1'"
        for text, condition in (
            ("startswith (3)", own),
            ("contains with # (3)", ANY % f"contains(ep/value,'{self.value}#filter')"),
            ("a value in other case (1)", ANY % one.upper().replace("EP/VALUE EQ", "ep/value eq")),
            ("ne null (3)", f"{ANY % 'ep/value ne null'} and {own}"),
            ("or inside any (2)", ANY % f"({one} or {two})"),
            ("in (2)", ANY % f"ep/value in ({both})"),
            ("two any with or (2)", f"{ANY % one} or {ANY % two}"),
            ("ten any with or (2)", " or ".join([ANY % one] * 9 + [ANY % two])),
            ("showAs beside it (3)", f"{own} and showAs eq 'free'"),
            ("start beside it (3)", f"{own} and start/dateTime ge '2020-01-01'"),
            (
                "the GUID in upper case (3)",
                own.replace(events.PROPERTY_SET, events.PROPERTY_SET.upper()),
            ),
            ("the name in other case (0)", f"{own.replace('SyncKey', 'SYNCKEY')} and {own}"),
        ):
            answer = self.search(condition, "&$select=id&$top=50")
            yield "4", f"filter: {text}", _found(answer)
        answer = self.search(own, f"&$select=id&$top=1000&$expand={EXPAND}")
        shown = [
            each.get("id")
            for event in answer.body.get("value", ())
            for each in event.get("singleValueExtendedProperties", ())
        ]
        as_asked = "as asked" if shown[:1] == [events.PROPERTY] else "in another spelling"
        text = f"{_found(answer)}, the id comes back {as_asked if shown else 'not at all'}"
        yield "4", "filter, $expand and $top=1000", text
        yield (
            "4",
            "$orderby beside the filter",
            _found(self.search(own, "&$orderby=start/dateTime")),
        )
        yield "4", "the same search on /events", _found(self.search(own, "&$select=id", "/events"))

    def _bodies(self) -> Iterator[Row]:
        """What comes back of a body."""
        made = self.make("body", body={"contentType": "html", "content": UNSAFE})
        path = f"{self.at(made['id'])}?$select=body"

        def content(headers: Mapping[str, str] | None = None) -> str:
            return str((self.ask("GET", path, None, headers).body.get("body") or {}).get("content"))

        plain, unfiltered = content(), content(events.UNFILTERED)
        yield "5", "the marks come back as characters", _yes("▼▼▼" in plain and "▲▲▲" in unfiltered)
        yield "5", "allow-unsafe-html makes a difference", _yes(plain != unfiltered)
        for name, part in PARTS.items():
            kept = f"by default {_yes(part in plain)}, unfiltered {_yes(part in unfiltered)}"
            yield "5", f"kept of a body: {name}", kept
        self.ask(
            "PATCH", self.at(made["id"]), {"body": {"contentType": "html", "content": unfiltered}}
        )
        again = content(events.UNFILTERED)
        text = (
            "yes" if again == unfiltered else f"no: {len(unfiltered)}, then {len(again)} characters"
        )
        yield "5", "what was read and written back is the same", text

    def _at_once(self) -> Iterator[Row]:
        """How much at once, and what a batch does."""
        event = self.make("at-once")["id"]
        reads = [Request(method="GET", url=f"{self.at(event)}?$select=id")]
        yield "6", f"{AT_ONCE} reads at once in the mailbox", self._parallel(reads * AT_ONCE)
        if self.others.mailbox is not None:
            condition = quote(ANY % f"ep/value eq '{self.value}#nothing'", safe="")
            user = _user(self.user_of(self.others.mailbox))
            url = f"{user}/calendar/events?$filter={condition}&$select=id"
            two = [*reads * 4, *[Request(method="GET", url=url)] * 4]
            yield "6", "4 reads at once in each of two mailboxes", self._parallel(two)
        else:
            yield "6", "4 reads at once in each of two mailboxes", not_tried("give --mailbox too")
        for chained in (False, True):
            name = "a chain" if chained else "a batch"
            wanted = [self._creates(f"{name[2:]}-{n}") for n in range(20)]
            started = monotonic()
            statuses = _counted(self.batch(wanted, chained=chained))
            yield "13", f"{name} of 20 creates", f"{statuses} in {monotonic() - started:.1f} s"
        wrong = self._creates("wrong")
        wrong = replace(wrong, body={**(wrong.body or {}), "showAs": "nonsense"})
        answers = self.batch([wrong, self._creates("behind")], chained=True)
        yield "13", "in a chain, behind what is refused", _told(answers[1])

    def _creates(self, key: str) -> Request:
        return Request(method="POST", url=f"{self.user}/calendar/events", body=self.body(key))

    def _parallel(self, wanted: Sequence[Request]) -> str:
        with ThreadPoolExecutor(len(wanted)) as threads:
            answers = [
                each for part in threads.map(lambda r: self.batch([r]), wanted) for each in part
            ]
        waits = {str(a.retry_after.total_seconds()) for a in answers if a.retry_after is not None}
        return _counted(answers) + (f"; Retry-After {', '.join(sorted(waits))}" if waits else "")

    def _meetings(self) -> Iterator[Row]:
        """What is a meeting by default, and which PATCH mails its attendees."""
        body = self.body("defaults")
        for name in ("isOnlineMeeting", "isReminderOn"):
            del body[name]
        made = self.post(body).body
        online, reminder = made.get("isOnlineMeeting"), made.get("isReminderOn")
        yield "8", "a POST that is silent of it is an online meeting", _yes(bool(online))
        yield "8", "a POST that is silent of it has a reminder", _yes(bool(reminder))
        if self.others.attendee is None:
            lacking = not_tried("give --attendee, who gets mail then")
            yield "7", "which PATCH of a meeting mails its attendees", lacking
            return
        attendee = {"emailAddress": {"address": self.others.attendee}, "type": "required"}
        for name, patch in (
            ("property", {"singleValueExtendedProperties": [self._property("meeting")]}),
            ("showAs", {"showAs": "busy"}),
            ("location", {"location": {"displayName": "kalender probe"}}),
        ):
            event = self.make(f"PATCH of {name}", attendees=[attendee])["id"]
            told = _told(self.ask("PATCH", self.at(event), patch))
            text = f"{told}; did the attendee get an update of 'kalender probe: PATCH of {name}'?"
            yield "7", f"PATCH of {name} alone of a meeting", text

    def _names(self) -> Iterator[Row]:
        """Which names of a mailbox are understood, and how others are refused."""
        event = quote(self.make("name")["id"], safe="")

        def opened(name: str) -> str:
            return _told(self.ask("GET", f"{_user(name)}/events/{event}?$select=id"))

        if self.user_of(self.mailbox) != self.mailbox:
            yield "9", "the address in the place of the principal name", opened(self.mailbox)
        else:
            same = not_tried("the mailbox is named by what was given")
            yield "9", "the address in the place of the principal name", same
        nobody = f"{token_hex(8)}@{self.mailbox.rpartition('@')[2]}"
        yield "9", "a mailbox that there is none of", opened(nobody)
        if self.others.must_fail is None:
            yield "14", "a mailbox outside the scope", not_tried("give --must-fail")
        else:
            condition = quote(ANY % f"ep/value eq '{self.value}#nothing'", safe="")
            user = _user(self.user_of(self.others.must_fail))
            path = f"{user}/calendar/events?$filter={condition}&$select=id"
            yield "14", "a mailbox outside the scope", _told(self.ask("GET", path))

    def _deletes(self) -> Iterator[Row]:
        """What is answered of what is deleted."""
        made = self.make("purge")
        answer = self.ask("POST", f"{self.at(made['id'])}/permanentDelete", {})
        after = self.ask("GET", f"{self.at(made['id'])}?$select=id")
        yield "12", "permanentDelete, then GET", f"{_told(answer)}, {_told(after)}"
        yield "12", "an id that is none", _told(self.ask("GET", self.at("abc")))
        lengths = f"{len(made['id'])}, {len(self.made[made['id']]) or 'none told'}"
        yield "12", "lengths of an ordinary and an immutable id", lengths
        for name in ("ordinary", "immutable"):
            made = self.make(f"delete-{name}")
            headers = IMMUTABLE if name == "immutable" else None
            event = self.at(self.made[made["id"]] if name == "immutable" else made["id"])
            first = self._deleted(made)
            read = self.ask("GET", f"{event}?$select=id", None, headers)
            again = self.ask("DELETE", event, None, headers)
            text = f"{_told(first)}, {_told(read)}, {_told(again)}"
            yield "12", f"by {name} id: DELETE, GET, DELETE again", text
            left = self.count(f"ep/value eq '{self.value}#delete-{name}'")
            yield "12", "  and the search then finds", str(left)


def _user(name: str) -> str:
    return f"/users/{quote(name, safe='')}"


def _told(answer: Answer) -> str:
    return f"{answer.status} {answer.code}".strip()


def _found(answer: Answer) -> str:
    return f"{len(answer.body.get('value', ()))} found" if answer.is_success else _told(answer)


def _counted(answers: Sequence[Answer]) -> str:
    return ", ".join(f"{number} x {told}" for told, number in Counter(map(_told, answers)).items())


def _yes(is_so: bool) -> str:  # noqa: FBT001
    return "yes" if is_so else "no"
