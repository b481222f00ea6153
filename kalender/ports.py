"""What the services know of the outside: sources, calendars and broker, as small protocols."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from threading import Event
from typing import NamedTuple, Protocol

from kalender.domain.model import (
    Account,
    ActivityKey,
    BadItem,
    Content,
    CourseAnswer,
    CourseKey,
    CourseOrganisations,
    PersonFacts,
    Registration,
    Semester,
    TeachingRole,
    UnitKey,
)
from kalender.domain.takeover import MarkedItem, PredecessorMark, PropertyMark
from kalender.domain.work import Mark

LeftOut = Callable[[BadItem], None]  # hears of each item that could not be read


class AroundRequest(Protocol):
    """What is entered around each request to a neighbour: it waits until the request may begin.

    `slots` says how many requests the neighbour would carry out at once for this one, and
    `requests` how many it counts. The value is how many slots this one has: all of them, or one
    where the others are not free.
    """

    def __call__(self, *, slots: int = 1, requests: int = 1) -> AbstractContextManager[int]:
        """Return the context of one request."""
        ...


def unlimited(*, slots: int = 1, requests: int = 1) -> AbstractContextManager[int]:  # noqa: ARG001
    """Let every request begin at once, with all the slots that it would take."""
    return nullcontext(slots)


class Timetables(Protocol):
    """TP. Every method raises NeighbourError or TransientError; never "empty"."""

    def course(self, key: CourseKey) -> CourseAnswer:
        """Return one course's whole answer: one request."""
        ...

    def courses(self, semester: Semester) -> Sequence[str]:
        """Return the codes of all courses TP plans in a semester: one request."""
        ...

    def changed_since(self, instant: datetime) -> Sequence[CourseKey]:
        """Return the courses that TP says changed since: one request."""
        ...


class Students(Protocol):
    """FS. Every method raises NeighbourError or TransientError; never "empty"."""

    def person(self, fs_number: int, semesters: Iterable[Semester]) -> PersonFacts:
        """Return all that FS says of a person; NotFoundInSource where FS knows none such.

        Registrations of other institutions and of `tp.skip` are left out. Reading is complete:
        what the answer lacks, FS does not hold.
        """
        ...

    def find_username(self, username: str) -> int | None:
        """Return the FS number of an account, where FS can be asked so."""
        ...

    def offer_status(self, fs_number: int, unit: UnitKey) -> str | None:
        """Ask for one registration singly; None where even that does not tell."""
        ...

    # By collection: items that cannot be read are left out, and told to `left_out`.

    def accounts(self, left_out: LeftOut = ...) -> Iterator[Sequence[Account]]:
        """Read all persons by collection, a page at a time."""
        ...

    def registrations(
        self, semester: Semester, left_out: LeftOut = ...
    ) -> Iterator[Sequence[tuple[int, Registration]]]:
        """Read all registrations of a semester by collection: (FS number, registration)."""
        ...

    def placements(
        self, semester: Semester, left_out: LeftOut = ...
    ) -> Iterator[Sequence[tuple[int, ActivityKey]]]:
        """Read all placements of a semester by collection."""
        ...

    def roles(
        self, semester: Semester, left_out: LeftOut = ...
    ) -> Iterator[Sequence[tuple[int, TeachingRole]]]:
        """Read all teaching roles of a semester by collection."""
        ...

    # What roll-outs go by beside teaching; None where the settings do not have it read.

    def programmes(self, left_out: LeftOut = ...) -> Iterator[Sequence[tuple[int, str]]] | None:
        """Read all active study rights by collection: (FS number, the programme's code)."""
        ...

    def course_organisations(
        self, courses: Collection[str], left_out: LeftOut = ...
    ) -> Iterator[Sequence[CourseOrganisations]] | None:
        """Read which units are responsible for these courses, in all their versions.

        `courses` are codes in any letters.
        """
        ...


class ItemOutcome(StrEnum):
    """What one item's refusal within a batch means."""

    GONE = "gone"  # the item is not there (any more)
    CONFLICT = "conflict"  # a newer change key than the one we read: read again
    REFUSED = "refused"  # Exchange never takes this content
    LATER = "later"  # transient: this item was certainly not written, try again later
    UNKNOWN = "unknown"  # ErrorTimeoutExpired, ErrorInternalServerError: may have been written
    MEETING = "meeting"  # its user invited others, whom a write would mail: nothing was written


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRef:
    """An item as Exchange names it now."""

    item_id: str
    change_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemError:
    """One item's refusal: the class name of Exchange's error, never its text.

    `retry_after` is the server's own word on when, if it said.
    """

    code: str
    outcome: ItemOutcome
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntry:
    """What to create; `sync_key` goes onto the item and is never used twice."""

    sync_key: str
    content: Content


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkChange:
    """What a predecessor's property is to say on one item; None takes it off.

    A backend that can take no property off writes a value there that is no mark.
    """

    mark: PropertyMark
    value: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryChange:
    """What to change on one item: None = leave as it is. `release` takes our key off.

    `change_key` None overwrites whatever is there; otherwise a newer one is a CONFLICT. `sync_key`
    puts a key of ours onto an item that has none, and `categories` replaces all that it has.
    """

    item_id: str
    change_key: str | None = None
    subject: str | None = None
    body: str | None = None
    location: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    show_as: str | None = None
    release: bool = False
    sync_key: str | None = None
    mark: MarkChange | None = None
    categories: tuple[str, ...] | None = None


class Additions(NamedTuple):
    """What a user may have put onto an item beside our block and its attendees."""

    attachments: bool
    categories: tuple[str, ...]
    reminder_minutes: int | None
    sensitivity: str
    importance: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """An item read by id. All but the reference is None where only change keys were asked for.

    `additions` is None where they were not asked for.
    """

    ref: ItemRef
    sync_key: str | None = None
    subject: str | None = None
    body: str | None = None  # HTML, as Exchange stores it now
    location: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    show_as: str | None = None
    meeting: bool | None = None  # has attendees or is an online meeting
    additions: Additions | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundItem:
    """An item found by key; `created_at` decides which of several is the oldest.

    A `meeting` is what its user invited others to, where the backend cannot write to that in
    silence. `state` is the item as `Calendars.get` reads it with its fields, where that was asked
    for and a search can tell it.
    """

    ref: ItemRef
    sync_key: str
    created_at: datetime
    starts_at: datetime
    ends_at: datetime
    meeting: bool = False
    state: EntryState | None = None


class Calendars(Protocol):
    """One Exchange. Nothing is ever asked or written but items by id and finds by our key.

    A takeover alone also finds what carries a predecessor's mark.

    Results stand in the order of what was asked, one for each. At most `batch` items a call
    for writes, 100 for reads. `send_by` is `time.monotonic()` seconds: a request not on the wire
    by then raises NotSent. Raises OutcomeUnknown where no readable answer came, NeighbourError
    for what concerns all mailboxes, TransientError or PermanentError for what concerns this one.
    """

    batch: int

    def create(
        self, mailbox: str, entries: Sequence[NewEntry], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Create plain appointments in the mailbox's calendar: one request."""
        ...

    def update(
        self, mailbox: str, changes: Sequence[EntryChange], *, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Change the named fields only: one request, and no mail to anybody.

        A backend that cannot write to a meeting in silence leaves it as it is: MEETING. All changes
        carry a change key (NeverOverwrite) or none does (AlwaysOverwrite).
        """
        ...

    def delete(
        self, mailbox: str, items: Sequence[ItemRef], *, hard: bool, send_by: float
    ) -> Sequence[ItemRef | ItemError]:
        """Delete by id and change key (empty key: whatever is there): one request.

        A meeting is left as it is, as by `update`.
        """
        ...

    def get(
        self, mailbox: str, item_ids: Sequence[str], *, fields: bool, additions: bool = False
    ) -> Sequence[EntryState | ItemError]:
        """Read items by id; without `fields` only their change keys.

        `additions` come with the fields, or not at all.
        """
        ...

    def find(
        self, mailbox: str, keys: Sequence[str] | None, *, contents: bool = False
    ) -> Sequence[FoundItem]:
        """Find exactly these keys (None: every item with our property) in the calendar folder.

        With `contents` the items' states are told as well, where a search can tell them: they are
        what the search sees, and whoever writes by them names the change key.
        """
        ...

    def find_marked(self, mailbox: str, mark: PredecessorMark) -> Sequence[MarkedItem]:
        """Find every item with a predecessor's mark in the calendar folder.

        The server searches: nothing without the mark is read. Raises ValueError for a mark that the
        backend cannot search for, which the settings refuse.
        """
        ...


class Delivery(NamedTuple):
    """One message as the broker gave it; `tag` is the broker's own."""

    queue: str
    routing_key: str
    body: bytes
    tag: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message that names no subject we understand: kept, with the reason."""

    queue: str
    routing_key: str
    body: bytes
    reason: str


class Batch(Protocol):
    """Messages in hand. Until acknowledged the broker gives them again to somebody."""

    @property
    def deliveries(self) -> Sequence[Delivery]:
        """At least one, in the order of arrival."""
        ...

    def acknowledge(self) -> None:
        """Let the broker forget all of them; where it is gone they come again, which is said."""
        ...

    def wait(self, seconds: float) -> bool:
        """Keep the messages for so long; False: we shall stop, or they will come again."""
        ...


class Deliveries(Protocol):
    """The broker. It never raises for being away: it comes back."""

    def batches(self, stop: Event) -> Iterator[Batch]:
        """Give batch after batch until `stop` is set; a batch is settled before the next."""
        ...


class MarkKeeper(Protocol):
    """What keeps all that the listener read. `due_at` of a mark is on the domain's clock."""

    def __call__(self, marks: Sequence[Mark], rejected: Sequence[Rejected], /) -> None:
        """Keep both in one transaction; NeighbourUnavailable where the database is away."""
        ...
