"""The calendar operations of Graph, one request at a time, on the mailboxes of an Exchange."""

import asyncio
import base64
import binascii
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from kalender.sandbox.graph import odata
from kalender.sandbox.graph.errors import GraphError, Json, Reply
from kalender.sandbox.graph.event import (
    FLAGS,
    KNOWN,
    TRANSACTION,
    Fields,
    View,
    change_key,
    mails,
    read,
    shown,
)
from kalender.sandbox.graph.settings import Settings
from kalender.sandbox.graph.zones import zone
from kalender.sandbox.journal import Entry, item_id
from kalender.sandbox.mailboxes import DEFAULTS, FIRST_ITEM, FOLDERS, Exchange, Item, Mailbox

Do = Callable[[], Reply]
_PEOPLE = uuid.UUID("6d1b4f0e-3a52-4a4b-9a53-0b7d6f3a6c11")
_IMMUTABLE = "AAkALg"  # begins ids that stay
_PAGE, _LARGEST_PAGE = 10, 1000
_REMEMBERED = 100_000  # transactions, the oldest of which is forgotten first
_SHORTEST_ID, _PLAIN = 60, str.maketrans("-_", "+/")
_ELSEWHERE = "http://127.0.0.1:9/v1.0"
_ACTIONS = {"permanentDelete", "microsoft.graph.permanentDelete"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request, by itself or within a batch; names of headers are in lower case."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None

    @property
    def preferences(self) -> dict[str, str]:
        """Return what the Prefer header names, in lower case, with their values."""
        made = {}
        for part in self.headers.get("prefer", "").split(","):
            name, _, value = part.partition("=")
            made[name.strip().casefold()] = value.strip().strip('"')
        return made


class Service:
    """Answers one request at a time."""

    def __init__(self, exchange: Exchange, base: str) -> None:
        self.exchange, self.base = exchange, base
        self.settings = Settings()
        self.upns: dict[str, str] = {}
        self._transactions: dict[tuple[str, str], Item] = {}
        self._fresh: dict[Item, float] = {}
        self._immutable: dict[Item, str] = {}

    # -- mailboxes ----------------------------------------------------------------------------

    def address(self, name: str) -> str:
        """Return the address of the mailbox that a user's name means, whether it exists or not."""
        folded = name.casefold()
        if folded in self.exchange.boxes:
            return folded
        if folded in self.upns:
            return self.upns[folded]
        if "@" in folded:
            return folded
        boxes = self.exchange.boxes
        return next((a for a in boxes if str(uuid.uuid5(_PEOPLE, a)) == folded), folded)

    def name(self, address: str, upn: str) -> None:
        """Give a person a user principal name of another form than the mail address."""
        for known in [known for known, whose in self.upns.items() if whose == address]:
            del self.upns[known]
        self.upns[upn.casefold()] = self.exchange.boxes[address].address

    def churn(self, appointments: Iterable[Item]) -> None:
        """Let change keys move though nobody wrote."""
        for appointment in appointments:
            appointment.version = self.exchange.next_number()

    def _box(self, name: str) -> Mailbox:
        address = self.address(name)
        by_upn_alone = self.settings.users == "upn" and name.casefold() == address
        known = self.exchange.boxes.get(address)
        if by_upn_alone and address in self.upns.values():
            known = None
        if known is None or known.state == "missing":
            raise GraphError(404, "ErrorInvalidUser", f"The requested user '{name}' is invalid.")
        box = self.exchange.at("graph", address)
        if box is None or box.state == "moving":
            raise GraphError(404, "MailboxNotEnabledForRESTAPI")
        if box.state == "denied":
            raise GraphError(403, "ErrorAccessDenied")
        return box

    def _appointment(self, box: Mailbox, text: str, entry: Entry) -> Item:
        """Return the event that an id names, noting that it was named."""
        if text.startswith(_IMMUTABLE):
            known = next((item for item, own in self._immutable.items() if own == text), None)
            text = known.id if known is not None and known.box is box else text
        try:
            raw = base64.b64decode(text.translate(_PLAIN), validate=True)
        except (binascii.Error, ValueError) as error:
            raise GraphError(400, "ErrorInvalidIdMalformed") from error
        number = int.from_bytes(raw[-6:], "big")
        if not text.startswith("AAMkA") or len(raw) < _SHORTEST_ID or number < FIRST_ITEM:
            raise GraphError(400, "ErrorInvalidIdMalformed")
        if text[:-8] != box.prefix:
            entry.ids.append(text)
            raise GraphError(400, "ErrorInvalidMailboxItemId")
        entry.note(box.prefix, number)
        appointment = box.items.get(number)
        if appointment is None or appointment.folder == "recoverable":
            raise GraphError(404, "ErrorItemNotFound")
        self.exchange.touch(appointment)
        entry.keys += [appointment.sync_key] if appointment.sync_key else []
        return appointment

    # -- which operation ------------------------------------------------------------------------

    def prepare(self, call: Call, entry: Entry) -> Do:
        """Say what is to be done, without doing it; the entry learns the operation."""
        target = odata.target(call.url)
        segments = list(target.segments)
        if "idtype" in call.preferences and not self.settings.immutable_ids:
            return _refusing(
                GraphError(400, "BadRequest", "This sandbox knows no immutable ids: ask for none.")
            )
        if segments == ["subscriptions"] and call.method == "POST":
            entry.operation = "Subscribe"
            return lambda: self._subscribe(call, entry)
        if segments[:1] == ["me"]:
            words = "/me request is only valid with delegated authentication flow."
            return _refusing(GraphError(400, "BadRequest", words))
        if len(segments) < 2 or segments[0] != "users":  # noqa: PLR2004
            return _refusing(_no_segment(segments))
        user, rest = segments[1], segments[2:]
        entry.mailbox = self.address(user)
        calendar = None
        if rest[:1] == ["calendars"] and len(rest) > 1:
            calendar, rest = rest[1], ["calendar", *rest[2:]]
        if rest[:1] == ["calendar"] and len(rest) > 1:
            rest = rest[1:]
        kind, operation = _route(call.method, rest)
        entry.operation = kind
        known: dict[str, Callable[[Mailbox], Reply]] = {
            "GetCalendar": self._calendar,
            "ListCalendars": lambda box: Reply(200, {"value": [_calendar_of(box)]}),
            "CreateEvent": lambda box: self._create(box, call, target, entry),
            "ListEvents": lambda box: self._list(box, call, target, entry),
            "GetEvent": lambda box: self._get(box, rest[1], call, target, entry),
            "UpdateEvent": lambda box: self._update(box, rest[1], call, target, entry),
            "DeleteEvent": lambda box: self._delete(box, rest[1], call, entry),
            "PermanentDelete": lambda box: self._purge(box, rest[1], call, entry),
            "CalendarView": lambda box: self._view(box, call, target, entry),
            "Delta": lambda box: self._view(box, call, target, entry),
        }
        if kind == "GetUser":
            words = "The app has no right to read users."
            return _refusing(GraphError(403, "Authorization_RequestDenied", words))
        if operation is not None:
            return _refusing(operation)

        def do() -> Reply:
            box = self._box(user)
            if calendar not in {None, _calendar_id(box)}:
                raise GraphError(404, "ErrorItemNotFound")
            return known[kind](box)

        return do

    # -- operations -----------------------------------------------------------------------------

    def _calendar(self, box: Mailbox) -> Reply:
        context = f"{self.base}/$metadata#users('{quote(box.address)}')/calendar/$entity"
        return Reply(200, {"@odata.context": context, **_calendar_of(box)})

    def _create(self, box: Mailbox, call: Call, target: odata.Target, entry: Entry) -> Reply:
        fields, props = Fields(DEFAULTS), Fields()
        view = self._view_of(call, target, new=True)
        read(self._body(call), fields, props, new=True)
        entry.items = 1
        transaction = props.get(TRANSACTION)
        key = box.address, (transaction or "").casefold()
        first = self._transactions.get(key) if transaction else None
        known = first is not None and first.box is box and box.items.get(first.number) is first
        if first is not None and known and self.settings.transaction_ids:
            appointment = first
        else:
            appointment = box.add(fields, tuple(props.items()))
            if transaction:
                self._transactions[key] = appointment
                if len(self._transactions) > _REMEMBERED:
                    del self._transactions[next(iter(self._transactions))]
            if self.settings.visible_after:
                self._fresh[appointment] = time.monotonic()
            self._after_write(appointment)
            self.exchange.mails += mails(appointment, "invitation")
        entry.note(box.prefix, appointment.number)
        entry.keys += [appointment.sync_key] if appointment.sync_key else []
        location = f"{self._user(box)}/events/{quote(appointment.id, safe='')}"
        return Reply(201, self._entity(box, appointment, view), {"Location": location})

    def _get(
        self, box: Mailbox, text: str, call: Call, target: odata.Target, entry: Entry
    ) -> Reply:
        view = self._view_of(call, target)
        appointment = self._appointment(box, text, entry)
        entry.items = 1
        return Reply(200, self._entity(box, appointment, view), _applied(view))

    def _update(
        self, box: Mailbox, text: str, call: Call, target: odata.Target, entry: Entry
    ) -> Reply:
        view = self._view_of(call, target, new=True)
        appointment = self._appointment(box, text, entry)
        entry.items = 1
        self._agree(call, appointment)
        fields, props = dict(appointment.fields), dict(appointment.props)
        read(self._body(call), fields, props, new=False)
        box.write(appointment, fields, tuple(props.items()))
        self._after_write(appointment)
        self.exchange.mails += mails(appointment, "update")
        return Reply(200, self._entity(box, appointment, view))

    def _delete(self, box: Mailbox, text: str, call: Call, entry: Entry) -> Reply:
        appointment = self._appointment(box, text, entry)
        entry.items = 1
        if appointment.folder == "deleteditems" and text.startswith(_IMMUTABLE):
            raise GraphError(403, "ErrorCannotDeleteObject", "The object is deleted already.")
        self._agree(call, appointment)
        self.exchange.mails += mails(appointment, "cancellation")
        box.move(appointment, "deleteditems")
        return Reply(204)

    def _purge(self, box: Mailbox, text: str, call: Call, entry: Entry) -> Reply:
        if not self.settings.permanent_delete:
            raise _no_method()
        appointment = self._appointment(box, text, entry)
        entry.items = 1
        self._agree(call, appointment)
        self.exchange.mails += mails(appointment, "cancellation")
        box.remove(appointment)
        return Reply(204)

    def _list(self, box: Mailbox, call: Call, target: odata.Target, entry: Entry) -> Reply:
        view, options = self._view_of(call, target), target.options
        condition = odata.read_filter(options.get("$filter"))
        if "$orderby" in options and "$filter" in options:
            words = "The restriction or sort order is too complex for this operation."
            raise GraphError(400, "InefficientFilter", words)
        top = _number(options, "$top", _PAGE)
        skip = _number(options, "$skip", 0)
        if not 1 <= top <= _LARGEST_PAGE:
            words = f"The limit of '{_LARGEST_PAGE}' for Top query has been exceeded."
            raise GraphError(400, "BadRequest", words)
        entry.restricted, entry.keys = condition.ours, list(condition.keys)
        entry.mark = condition.mark
        if not (entry.restricted or entry.mark):
            self.exchange.private_touched += 1
        in_calendar = [a for a in box.in_folder("calendar") if condition.test(a)]
        matching = [a for a in in_calendar if self._is_visible(a)]
        page = matching[skip : skip + top]
        following: str | None = str(skip + top) if skip + top < len(matching) else None
        if self.settings.empty_pages and "$skip" not in options:
            page, following = [], "0"
        for appointment in page:
            self.exchange.touch(appointment)
            entry.note(box.prefix, appointment.number)
        entry.items = len(page)
        context = f"{self.base}/$metadata#users('{quote(box.address)}')/calendar/events"
        body: Json = {"@odata.context": context}
        body |= {"@odata.count": len(matching)} if options.get("$count") == "true" else {}
        body["value"] = [self._shown(appointment, view) for appointment in page]
        if following is not None:
            path = "/".join(quote(segment, safe="") for segment in target.segments)
            query = urlencode({**options, "$skip": following}, safe="$")
            base = self.base if self.settings.next_links == "own" else _ELSEWHERE
            body["@odata.nextLink"] = f"{base}/{path}?{query}"
        return Reply(200, body, _applied(view))

    def _view(self, box: Mailbox, call: Call, target: odata.Target, entry: Entry) -> Reply:
        """Answer a calendarView or a delta query: everything that is in the calendar is seen."""
        self.exchange.private_touched += 1
        if "$filter" in target.options:
            raise GraphError(500, "ErrorInternalServerError")
        view, options = self._view_of(call, target), target.options
        since, until = options.get("startDateTime", ""), options.get("endDateTime", "")
        if not since or not until:
            words = "This request requires startDateTime and endDateTime."
            raise GraphError(400, "ErrorInvalidParameter", words)
        matching = [
            appointment
            for appointment in box.in_folder("calendar")
            if appointment.fields["Start"] < until and appointment.fields["End"] > since
        ]
        for appointment in matching:
            self.exchange.touch(appointment)
            entry.note(box.prefix, appointment.number)
        entry.items = len(matching)
        body: Json = {"value": [shown(appointment, view) for appointment in matching]}
        if entry.operation == "Delta":
            body["@odata.deltaLink"] = f"{self._user(box)}/calendarView/delta?$deltatoken=1"
        return Reply(200, body)

    def _subscribe(self, call: Call, entry: Entry) -> Reply:
        """Take a subscription, which sees every event of a calendar: its owner's too."""
        body = call.body if isinstance(call.body, dict) else {}
        segments = odata.target(str(body.get("resource", ""))).segments
        self.exchange.private_touched += 1
        if len(segments) > 1 and segments[0] == "users":
            box = self._box(segments[1])
            entry.mailbox = box.address
            for appointment in box.in_folder("calendar"):
                self.exchange.touch(appointment)
        return Reply(201, {"id": str(uuid.uuid4()), **body})

    # -- parts of operations ----------------------------------------------------------------------

    def _user(self, box: Mailbox) -> str:
        return f"{self.base}/users/{quote(box.address, safe='')}"

    def _entity(self, box: Mailbox, appointment: Item, view: View) -> Json:
        context = f"{self.base}/$metadata#users('{quote(box.address)}')/calendar/events/$entity"
        return {"@odata.context": context, **self._shown(appointment, view)}

    def _shown(self, appointment: Item, view: View) -> Json:
        made = shown(appointment, view)
        if view.immutable:
            fresh = f"{_IMMUTABLE}{uuid.uuid4().hex}{uuid.uuid4().hex}"
            made["id"] = self._immutable.setdefault(appointment, fresh)
        return made

    def _body(self, call: Call) -> object:
        if not self.settings.quoted_booleans or not isinstance(call.body, dict):
            return call.body
        texts = {"true": True, "false": False}
        return {
            name: texts.get(value, value) if name in FLAGS and isinstance(value, str) else value
            for name, value in call.body.items()
        }

    def _is_visible(self, appointment: Item) -> bool:
        made = self._fresh.get(appointment)
        if made is not None and time.monotonic() - made >= self.settings.visible_after:
            del self._fresh[appointment]
            return True
        return made is None

    def _agree(self, call: Call, appointment: Item) -> None:
        condition = call.headers.get("if-match")
        if condition is None or condition.strip() == "*" or not self.settings.if_match:
            return
        keys = {tag.strip().removeprefix("W/").strip('"') for tag in condition.split(",")}
        if change_key(appointment) not in keys:
            raise GraphError(412, "ErrorIrresolvableConflict")

    def _after_write(self, appointment: Item) -> None:
        """Exchange writes in stages: the change key may move once more by itself."""
        seconds = self.settings.restless_after
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.churn, [appointment])

    def _view_of(self, call: Call, target: odata.Target, *, new: bool = False) -> View:
        """Return how an answer shows events; an answer to a write shows all of an event."""
        preferences, options = call.preferences, target.options
        time_zone = preferences.get("outlook.timezone", "UTC")
        zone(time_zone)
        names = None if new or "$select" not in options else options["$select"].split(",")
        select = None if names is None else frozenset(name.strip() for name in names)
        for name in select or ():
            if name not in KNOWN:
                words = f"Could not find a property named '{name}' on type 'microsoft.graph.event'."
                raise GraphError(
                    400, "BadRequest", f"Parsing OData Select and Expand failed: {words}"
                )
        return View(
            base=self.base,
            select=select,
            expand=() if new else odata.read_expand(options.get("$expand")),
            guid=self.settings.guid,
            time_zone=time_zone,
            as_text=preferences.get("outlook.body-content-type", "html") == "text",
            unsafe="outlook.allow-unsafe-html" in preferences,
            immutable=preferences.get("idtype", "").casefold() == "immutableid",
        )


def _refusing(error: GraphError) -> Do:
    def do() -> Reply:
        raise error

    return do


def _no_segment(segments: list[str]) -> GraphError:
    last = segments[-1] if segments else ""
    return GraphError(400, "BadRequest", f"Resource not found for the segment '{last}'.")


def _no_method() -> GraphError:
    words = "This method is not allowed here."
    return GraphError(405, "Request_BadRequest", words)


_ROUTES: dict[str, dict[str, str]] = {
    "": {"GET": "GetUser"},
    "calendar": {"GET": "GetCalendar"},
    "calendars": {"GET": "ListCalendars"},
    "events": {"GET": "ListEvents", "POST": "CreateEvent"},
    "events/": {"GET": "GetEvent", "PATCH": "UpdateEvent", "DELETE": "DeleteEvent"},
    "events//permanentDelete": {"POST": "PermanentDelete"},
    "calendarView": {"GET": "CalendarView"},
    "events/delta": {"GET": "Delta"},
    "calendarView/delta": {"GET": "Delta"},
}


def _route(method: str, rest: list[str]) -> tuple[str, GraphError | None]:
    """Return the name of the operation, or how what is no operation is refused."""
    form = "/".join(rest)
    if rest[:1] == ["events"] and len(rest) > 1 and rest[1:] != ["delta"]:
        tail = ["permanentDelete" if word in _ACTIONS else word for word in rest[2:]]
        form = "/".join(["events", "", *tail])
    if form not in _ROUTES:
        return "", _no_segment(rest)
    name = _ROUTES[form].get(method, "")
    return name, None if name else _no_method()


def _number(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, str(default))
    if not text.isdigit():
        raise GraphError(400, "BadRequest", f"Invalid value '{text}' for {name} query option.")
    return int(text)


def _applied(view: View) -> dict[str, str]:
    if view.time_zone == "UTC":
        return {}
    return {"Preference-Applied": f'outlook.timezone="{view.time_zone}"'}


def _calendar_id(box: Mailbox) -> str:
    return item_id(box.prefix, FOLDERS["calendar"])


def _calendar_of(box: Mailbox) -> Json:
    return {
        "id": _calendar_id(box),
        "name": "Calendar",
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": True,
        "changeKey": "AQAAAA==",
        "canShare": True,
        "canViewPrivateItems": True,
        "canEdit": True,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": True,
        "isRemovable": False,
        "owner": {"name": box.address, "address": box.address},
    }
