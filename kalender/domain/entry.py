"""The life of an entry: what may happen to the record of one, and what the record says then.

An entry is in the calendar where it has an item id. Its content is unknown where it has no
fingerprint. `after` carries out this table for one entry; the statements of `store.entries` do the
same to rows, and a test holds each of them to this function on both databases. A happening that has
no cell cannot come, and raises ImpossibleHappening. "No record" is written (none); (same) changes no
status.

    happening           from                                  to
    CreateAhead         (none)                                intended
    AdoptAhead          (none)                                intended, in calendar
    UpdateAhead         live, refused, declined, in calendar  (same), content unknown
    DeleteAhead         all of these, and deleting            deleting, not held
    Created             intended                              live, says what was intended
    Shown               live, refused, declined, in calendar  live, says what is wanted, not held
    Deleted             deleting                              (none)
    NotCarriedOut       intended                              (none)
                        all of Shown, and deleting            status, fingerprint, hold of before
    Unanswered          all but abandoned and released        (same), nothing changes
    Refused             intended, live, refused, declined     refused
    FoundByKey          intended                              live, without a change key
                        declined                              (same), where it is now
                        ended and not open                    (same), where it is now
                        live, refused, deleting               live, content unknown
    NotFoundByKey       all but abandoned and released        abandoned
    NotFoundAtAll       declined                              (same), not in the calendar
                        ended and not open                    (same), nothing changes
                        intended, live, refused, deleting     abandoned
    Declined            live, refused, declined, deleting     declined
    Frozen              live, content unknown                 (same), fingerprint ""
    Held, Freed         live, refused, declined, deleting     (same), held or not
    Renamed             live, refused, declined               (same), shows another event
    Adopted             (none), abandoned                     live or deleting
    HandedBack          live, refused, declined, in calendar  (none)
    LeftToUser          live, refused, declined, deleting     released
                        abandoned                             released
    Forgotten           not in calendar, but not intended     (none)

`Unanswered` is an unknown outcome, or an update that Exchange answered with "gone": in both cases
the row stays as it was written ahead, until a lookup.

A key that is not found ends in two ways, and this is meant. `NotFoundByKey` follows a request for
these very keys after an id was gone: only those come here that are to be made anew, and the others
are `Declined`. `NotFoundAtAll` follows a search of the whole calendar after a move or a restore:
what its user had declined is not made anew because a backup lacks it, and what has ended is history.

`AdoptAhead` stands before the request that makes a predecessor's item ours: the item is there, and
whether it carries our key is looked up by its id. `HandedBack` is the other way: the item is the
predecessor's again.

`LeftToUser` comes to what its user made a meeting, where Exchange would mail the guests of every
write: the item stays as it is and is ours no more, although it still carries our key, and another
one is made for the event. It also comes to the item of an abandoned create that turned up late,
where its user had touched it by then. A released key is never adopted again.

An abandoned entry without a change key was never seen in the calendar: nobody answered its create,
and a lookup did not find its key. Where a search may miss what was just made, that key is looked
for once more some hours later.

A refused or declined entry under an update is not counted as open, although it has no fingerprint.
Its status already says that the calendar may show something else. Until the event ends, the next
plan differs from a missing fingerprint in every field and so sends the update again; once it has
ended, nobody compares it any more. The digest of such a calendar is cleared before the request and
written only after an answer.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from kalender.domain.model import ActivityKey


class EntryStatus(StrEnum):
    """How sure we are of an entry, as the table says it."""

    INTENDED = "intended"  # written ahead; the create's outcome is not known
    LIVE = "live"
    DELETING = "deleting"  # to be deleted; the delete may be under way
    REFUSED = "refused"  # Exchange never takes this content
    DECLINED = "declined"  # left as its user has it
    ABANDONED = "abandoned"  # not in the calendar, or no longer; the key is never used again
    RELEASED = "released"  # its user's: it stays in the calendar, with our key, and is ours no more


# Every list of statuses is made here, and SQL's conditions from these lists.
FORMER = (EntryStatus.ABANDONED, EntryStatus.RELEASED)
"""The statuses of keys that stand for no entry any more, and never will again."""
RECORDED = tuple(status for status in EntryStatus if status not in FORMER)
"""The statuses of keys that Exchange holds, or may hold, for us."""
ANSWERED = (EntryStatus.LIVE, EntryStatus.REFUSED, EntryStatus.DECLINED)
"""The statuses that stand for an event: no create or delete is under way, and the key is not lost."""
AFTER_CREATE = (*ANSWERED, EntryStatus.DELETING)
"""The statuses of what was created for sure."""
MAINTAINED = (EntryStatus.LIVE, EntryStatus.DELETING)
"""The statuses of what Exchange holds and we maintain; deletes are counted against their number."""
EXPLAINED = (*MAINTAINED, EntryStatus.DECLINED)
"""The statuses of what is in the calendar, or is absent because its user took it away."""
OPEN = (EntryStatus.INTENDED, EntryStatus.DELETING)
"""The statuses whose outcome is always unknown."""
OPEN_WITHOUT_FINGERPRINT = (EntryStatus.LIVE,)
"""The statuses whose outcome is unknown as long as the content is."""


class Entry(NamedTuple):
    """What we recorded of one entry; `item_id` None: it is not in the calendar.

    `fingerprint` None: its content is not known for sure, and the next plan writes it. "": it is not
    known and never will be, as it ended before: no plan looks at it. `change_key` "": not known
    either, so that a verify reads the item as changed.
    """

    sync_key: str
    event_id: str
    activity: ActivityKey
    status: EntryStatus
    starts_at: datetime
    ends_at: datetime
    item_id: str | None = None
    change_key: str | None = None
    fingerprint: str | None = None
    held_by: str | None = None

    @property
    def open(self) -> bool:
        """Whether the outcome of a request about it is unknown."""
        unsure = self.status in OPEN_WITHOUT_FINGERPRINT and self.fingerprint is None
        return unsure or self.status in OPEN


class ImpossibleHappening(ValueError):
    """The table has no cell for this entry and this happening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Which event an entry shows, and when; `ends_at` is after `starts_at`, both are UTC."""

    event_id: str
    activity: ActivityKey
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateAhead:
    """The create of this key is about to be sent; `fingerprint` is of what it will say."""

    sync_key: str
    subject: Subject
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptAhead:
    """The item of a predecessor is about to get this key; `fingerprint` is of what it will say."""

    sync_key: str
    subject: Subject
    fingerprint: str
    item_id: str
    change_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """Exchange answered a create."""

    item_id: str
    change_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The entry says what is wanted; an id or change key that is None stays as it was."""

    subject: Subject
    fingerprint: str
    item_id: str | None = None
    change_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotCarriedOut:
    """The request was certainly not carried out; `before` is the entry from before the write-ahead.

    It is None for a create.
    """

    before: Entry | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Exchange never takes the content with this fingerprint."""

    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundByKey:
    """A lookup found the key on this item; `ended` says whether its event is over."""

    item_id: str
    change_key: str
    ended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFoundAtAll:
    """A search of the whole calendar did not find the key; `ended`: its event is over."""

    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Declined:
    """The entry is not put back, as its user, or the settings, do not wish it."""

    still_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A brake keeps the entry from being deleted; `scope` names the brake."""

    scope: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Renamed:
    """The entry already says what is wanted of this subject."""

    subject: Subject


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopted:
    """An item carries our key and no standing record names it; `goes` says that it is a double.

    What has `ended` is not asked for its content.
    """

    sync_key: str
    subject: Subject
    item_id: str
    change_key: str
    ended: bool
    goes: bool = False


class Plain(StrEnum):
    """The happenings that carry nothing."""

    UPDATE_AHEAD = "update ahead"
    DELETE_AHEAD = "delete ahead"
    DELETED = "deleted"
    UNANSWERED = "unanswered"
    NOT_FOUND_BY_KEY = "not found by key"
    FROZEN = "frozen"
    FREED = "freed"
    FORGOTTEN = "forgotten"
    LEFT_TO_USER = "left to user"
    HANDED_BACK = "handed back"


Happening = (
    CreateAhead
    | AdoptAhead
    | Created
    | Shown
    | NotCarriedOut
    | Refused
    | FoundByKey
    | NotFoundAtAll
    | Declined
    | Held
    | Renamed
    | Adopted
    | Plain
)


class Transition(NamedTuple):
    """What a happening made of a record; None: there was none before, or there is none after."""

    before: Entry | None
    after: Entry | None

    @property
    def gives_up_a_create(self) -> bool:
        """Whether a create that nobody answered was not found, and is made anew or not at all."""
        was_intended = self.before is not None and self.before.status is EntryStatus.INTENDED
        is_abandoned = self.after is not None and self.after.status is EntryStatus.ABANDONED
        is_create = self.before is not None and self.before.item_id is None
        return was_intended and is_abandoned and is_create


def after(entry: Entry | None, happening: Happening) -> Entry | None:  # noqa: C901, PLR0911, PLR0912, PLR0915
    """Return the record after a happening, None where none is left.

    Raises ImpossibleHappening where the table has no cell.
    """
    match happening:
        case CreateAhead():
            if entry is not None:  # a key is used once
                raise ImpossibleHappening(entry.status, happening)
            return _intended(happening)
        case AdoptAhead():
            if entry is not None:
                raise ImpossibleHappening(entry.status, happening)
            return _intended(happening)._replace(
                item_id=happening.item_id, change_key=happening.change_key
            )
        case Adopted():
            if entry is not None and entry.status is not EntryStatus.ABANDONED:
                raise ImpossibleHappening(entry.status, happening)
            return Entry(
                happening.sync_key,
                happening.subject.event_id,
                happening.subject.activity,
                EntryStatus.DELETING if happening.goes else EntryStatus.LIVE,
                happening.subject.starts_at,
                happening.subject.ends_at,
                happening.item_id,
                happening.change_key,
                "" if happening.ended else None,
            )
        case Created(item_id=item_id, change_key=change_key):
            row = _require(entry, happening, (EntryStatus.INTENDED,))
            return row._replace(status=EntryStatus.LIVE, item_id=item_id, change_key=change_key)
        case Shown():
            row = _require(entry, happening, ANSWERED, there=True)
            row = _with_subject(row, happening.subject)
            return row._replace(
                status=EntryStatus.LIVE,
                fingerprint=happening.fingerprint,
                held_by=None,
                item_id=row.item_id if happening.item_id is None else happening.item_id,
                change_key=row.change_key if happening.change_key is None else happening.change_key,
            )
        case NotCarriedOut(before=before):
            if before is None:
                _require(entry, happening, (EntryStatus.INTENDED,))
                return None
            row = _require(entry, happening, AFTER_CREATE, there=True)
            return row._replace(
                status=before.status, fingerprint=before.fingerprint, held_by=before.held_by
            )
        case Refused(fingerprint=fingerprint):
            row = _require(entry, happening, (*ANSWERED, EntryStatus.INTENDED))
            return row._replace(status=EntryStatus.REFUSED, fingerprint=fingerprint)
        case FoundByKey():
            row = _require(entry, happening, RECORDED)
            located = row._replace(item_id=happening.item_id, change_key=happening.change_key)
            if row.status is EntryStatus.INTENDED:
                # Its user may have edited it by now; without a change key, a verify will see that.
                return located._replace(status=EntryStatus.LIVE, change_key="")
            if row.status is EntryStatus.DECLINED or (happening.ended and not row.open):
                return located
            return located._replace(status=EntryStatus.LIVE, fingerprint=None)
        case NotFoundAtAll(ended=ended):
            row = _require(entry, happening, RECORDED)
            if row.status is EntryStatus.DECLINED:
                return row._replace(item_id=None)
            return row if ended and not row.open else _abandoned(row)
        case Declined(still_there=still_there):
            row = _require(entry, happening, AFTER_CREATE)
            return row._replace(
                status=EntryStatus.DECLINED, item_id=row.item_id if still_there else None
            )
        case Held(scope=scope):
            return _require(entry, happening, AFTER_CREATE)._replace(held_by=scope)
        case Renamed(subject=subject):
            return _with_subject(_require(entry, happening, ANSWERED), subject)
        case Plain.UPDATE_AHEAD:
            row = _require(entry, happening, ANSWERED, there=True)
            return row._replace(fingerprint=None)
        case Plain.DELETE_AHEAD:
            row = _require(entry, happening, AFTER_CREATE, there=True)
            return row._replace(status=EntryStatus.DELETING, held_by=None)
        case Plain.DELETED:
            _require(entry, happening, {EntryStatus.DELETING})
            return None
        case Plain.UNANSWERED:
            return _require(entry, happening, RECORDED)
        case Plain.NOT_FOUND_BY_KEY:
            return _abandoned(_require(entry, happening, RECORDED))
        case Plain.FROZEN:
            row = _require(entry, happening, {EntryStatus.LIVE})
            if row.fingerprint is not None:
                raise ImpossibleHappening(happening)
            return row._replace(fingerprint="")
        case Plain.FREED:
            return _require(entry, happening, AFTER_CREATE)._replace(held_by=None)
        case Plain.FORGOTTEN:
            if (
                _require(entry, happening, (*AFTER_CREATE, EntryStatus.ABANDONED)).item_id
                is not None
            ):
                raise ImpossibleHappening(happening)
            return None
        case Plain.HANDED_BACK:
            _require(entry, happening, ANSWERED, there=True)
            return None
        case Plain.LEFT_TO_USER:
            row = _require(entry, happening, (*AFTER_CREATE, EntryStatus.ABANDONED))
            return row._replace(status=EntryStatus.RELEASED, item_id=None, held_by=None)


def _intended(happening: CreateAhead | AdoptAhead) -> Entry:
    return Entry(
        happening.sync_key,
        happening.subject.event_id,
        happening.subject.activity,
        EntryStatus.INTENDED,
        happening.subject.starts_at,
        happening.subject.ends_at,
        fingerprint=happening.fingerprint,
    )


def happens(entry: Entry | None, happening: Happening) -> Transition:
    """Return the transition of a record under a happening; raises as `after` does."""
    return Transition(entry, after(entry, happening))


def _require(
    entry: Entry | None,
    happening: Happening,
    statuses: Collection[EntryStatus],
    *,
    there: bool = False,
) -> Entry:
    """Return the entry if its row of the table has a cell; `there`: only in the calendar."""
    if entry is None or entry.status not in statuses or (there and entry.item_id is None):
        raise ImpossibleHappening(entry and entry.status, happening)
    return entry


def _with_subject(entry: Entry, subject: Subject) -> Entry:
    return entry._replace(
        event_id=subject.event_id,
        activity=subject.activity,
        starts_at=subject.starts_at,
        ends_at=subject.ends_at,
    )


def _abandoned(entry: Entry) -> Entry:
    return entry._replace(status=EntryStatus.ABANDONED, item_id=None, held_by=None)
