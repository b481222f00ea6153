"""What waits to be done: a mark names its kind and key, never anything more of the message.

The keys are written and read here alone: `WorkKey` is the one place that knows their forms.
"""

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple, Self

from kalender.domain.model import CourseKey


class Kind(StrEnum):
    """The three jobs there are."""

    COURSE = "course"
    PERSON = "person"
    CALENDAR = "calendar"


class Lane(IntEnum):
    """How urgent work is; lower is stronger, and a mark never weakens a row's lane."""

    PROTECT = 0
    LIVE = 1
    ASKED = 2
    FILL = 3
    RESYNC = 4
    VERIFY = 5


class Cause(StrEnum):
    """What led to a piece of work, and so to what it writes; kept beside the reason for people.

    Nothing but counts depends on it. `label` is the word that counters and `kalender status` use,
    which may be coarser. `source` says who told of the change: `fs`, `tp`, or `tp poll`; None:
    nobody, it was found.
    """

    label: str
    source: str | None

    def __new__(cls, value: str, label: str | None = None, source: str | None = None) -> Self:
        """Make a cause, whose label is its value where none is given."""
        cause = str.__new__(cls, value)
        cause._value_ = value
        cause.label, cause.source = label or value, source
        return cause

    FS_NOTIFICATION = "fs notification", "notification", "fs"  # of a person or an account
    TP_NOTIFICATION = "tp notification", "notification", "tp"  # of a course
    TP_POLL = "tp poll", "poll", "tp poll"
    RESYNC = "resync"  # nobody told of a change
    # another change of the mirror: what a course shares, lacks or is placed
    DERIVED = "derived", "resync"
    VERIFY = "verify"
    OPERATOR = "asked"
    WISH = "wish"
    ROLLOUT = "rollout"
    BRAKE = "brake"
    RECOVER = "recover"
    SETTINGS = "settings"
    TIME = "time"
    OTHER = "other"

    @classmethod
    def of(cls, value: str | None) -> "Cause":
        """Return the cause of a row; OTHER where the release that wrote it knew none, or others."""
        return next((cause for cause in cls if cause.value == value), cls.OTHER)


class Trigger(NamedTuple):
    """What led to a piece of work, handed on to the work that follows from it.

    The `reason` is for people, and `cause` says the same for counters. `since` is when the change
    was first told of; None = now.
    """

    reason: str
    cause: Cause = Cause.OTHER
    lane: Lane = Lane.LIVE
    since: datetime | None = None


FS, USERNAME = "fs", "username"  # the identities by which a person can be asked for
EVERY_SEMESTER = "*"


class WorkKey(NamedTuple):
    """What a piece of work is about: its kind, and the key of its row.

    A course's key is `IN1000 25h`, or `IN1000 *` for all its active semesters; a person's is
    `fs 56154` or `username olan`; a calendar's is its number, `4711`.
    """

    kind: Kind
    key: str

    @classmethod
    def of_course(cls, course: str, semester: str | None) -> Self:
        """Return a course in TP's semester code or, with None, in all its active semesters."""
        return cls(Kind.COURSE, f"{course} {semester or EVERY_SEMESTER}")

    @classmethod
    def of_identity(cls, kind: str, value: str) -> Self:
        """Return a person by an identity: its kind, `fs` or `username`, and its value."""
        return cls(Kind.PERSON, f"{kind} {value}")

    @classmethod
    def of_person(cls, fs_number: int | str) -> Self:
        """Return a person by FS number."""
        return cls.of_identity(FS, str(fs_number))

    @classmethod
    def of_account(cls, username: str) -> Self:
        """Return a person by the username of an account."""
        return cls.of_identity(USERNAME, username)

    @classmethod
    def of_calendar(cls, calendar_id: int) -> Self:
        """Return a calendar."""
        return cls(Kind.CALENDAR, str(calendar_id))

    @property
    def course(self) -> CourseKey:
        """The course that this is about; its semester may be EVERY_SEMESTER."""
        course, _, semester = self.key.rpartition(" ")
        return CourseKey(course, semester)

    @property
    def identity(self) -> tuple[str, str]:
        """The identity that names the person: its kind and its value."""
        kind, _, value = self.key.partition(" ")
        return kind, value

    @property
    def fs_number(self) -> int | None:
        """The person's FS number, where the key names it."""
        kind, value = self.identity
        return int(value) if self.kind is Kind.PERSON and kind == FS else None

    @property
    def username(self) -> str | None:
        """The person's username, where the key names it."""
        kind, value = self.identity
        return value if self.kind is Kind.PERSON and kind == USERNAME else None

    @property
    def calendar_id(self) -> int:
        """The calendar that this is about."""
        return int(self.key)


class Mark(NamedTuple):
    """A request that something be made right; `due_at` None = at once, else aware UTC.

    The other fields are those of `WorkKey` and of `Trigger`.
    """

    kind: Kind
    key: str
    reason: str
    lane: Lane = Lane.LIVE
    due_at: datetime | None = None
    since: datetime | None = None
    cause: Cause = Cause.OTHER

    @classmethod
    def of(cls, work: WorkKey, trigger: Trigger) -> Self:
        """Return a mark that is due at once."""
        reason, cause, lane, since = trigger
        return cls(*work, reason=reason, cause=cause, lane=lane, since=since)
