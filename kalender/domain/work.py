"""What waits to be done: a mark names its kind and key, never anything more of the message."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NamedTuple


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


class Mark(NamedTuple):
    """A request that something be made right; `due_at` None = at once, else aware UTC.

    `since` is when the change that leads to it was first told of; None = now.
    """

    kind: Kind
    key: str
    reason: str
    lane: Lane = Lane.LIVE
    due_at: datetime | None = None
    since: datetime | None = None


Subject = tuple[Kind, str]  # what a notification is about, as the kind and key of work


def course_subject(course: str, semester: str | None) -> Subject:
    """Return a course in TP's semester code or, where none is told, in all its active semesters.

    Its key is `IN1000 25h`, or `IN1000 *`.
    """
    return Kind.COURSE, f"{course} {semester or '*'}"


def person_subject(fs_number: int) -> Subject:
    """Return a person by FS number; the key is `fs 56154`."""
    return Kind.PERSON, f"fs {fs_number}"


def account_subject(username: str) -> Subject:
    """Return a person by the username of an account; the key is `username olan`."""
    return Kind.PERSON, f"username {username}"


# -- what led to it -------------------------------------------------------------------------------

CAUSES: Mapping[str, Sequence[str]] = {  # the first that fits a reason's beginning
    "verify": ("resync --verify", "verify"),
    "notification": ("notification",),
    "poll": ("tp lastchanged",),
    "resync": ("resync", "not mirrored yet", "shares events", "first or last placement"),
    "asked": ("asked for", "retry", "mailbox lost"),
    "wish": ("optout", "remove", "search", "protect", "opted in"),
    "rollout": ("joined the roll-out", "left the roll-out"),
    "brake": ("brake released",),
    "recover": ("recover",),
    "settings": ("changed settings", "address"),
    "time": ("time has come",),
}


def cause(reason: str) -> str:
    """Return what kind of thing led to a write; a course's own reason stands before its cause."""
    fitting = (name for name, begins in CAUSES.items() if _told(reason).startswith(tuple(begins)))
    return next(fitting, "other")


def source(reason: str) -> str | None:
    """Return who told of a change: `fs`, `tp`, or `tp poll`; None: nobody, it was found."""
    if _told(reason).startswith("tp lastchanged"):
        return "tp poll"
    if not _told(reason).startswith("notification"):
        return None
    return "tp" if reason.startswith("course ") else "fs"


def _told(reason: str) -> str:
    return reason.partition(": ")[2] if reason.startswith("course ") else reason
