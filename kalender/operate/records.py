"""Rows of our tables as values: what questions about persons and courses go by, and what is shown.

The fields of a record are columns of its table, by their names, and instants are aware UTC. What
`kalender show --json` prints of a record are all of its fields.
"""

from dataclasses import dataclass
from datetime import datetime

from kalender.domain.model import ActivityKey


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityRecord:
    """One of the names of a person; `kind` is fs, username or mail."""

    kind: str
    value: str
    detail: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRecord:
    """A calendar, and the work that waits for it: its fields are None where none waits."""

    calendar_id: int
    person_id: int
    audience: str
    address: str
    owner: bool
    moved_from: str | None
    backend: str
    state: str
    must_look_up: bool
    must_verify: bool
    taking_back: bool
    doubles: str | None
    quiet_until: datetime | None
    synced_digest: str | None
    synced_settings: str | None
    synced_at: datetime | None
    verified_at: datetime | None
    changes_at: datetime | None
    last_error: str | None
    look_again_at: datetime | None
    work_reason: str | None
    work_due_at: datetime | None
    work_not_before: datetime | None
    work_attempts: int | None
    work_parked_at: datetime | None
    work_last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryRecord:
    """What is recorded of one entry; `status` is an `EntryStatus`."""

    calendar_id: int
    sync_key: str
    event_id: str
    course: str
    version: str
    semester: str
    term_number: int
    actid: str
    status: str
    fingerprint: str | None
    starts_at: datetime
    ends_at: datetime
    held_by: str | None
    restored: int
    written_at: datetime

    @property
    def activity(self) -> ActivityKey:
        """The activity that it shows."""
        return ActivityKey(self.course, self.version, self.semester, self.term_number, self.actid)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkRecord:
    """One piece of work that waits, is claimed or is parked; `cause` is the text of a `Cause`."""

    kind: str
    key: str
    generation: int
    reason: str
    priority: int
    first_marked_at: datetime
    due_at: datetime
    not_before: datetime | None
    attempts: int
    claim_token: str | None
    claimed_by: str | None
    claimed_until: datetime | None
    parked_at: datetime | None
    last_error: str | None
    cause: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveRecord:
    """A move of a calendar's mailbox from one Exchange to another, or to nowhere that is known."""

    from_backend: str
    to_backend: str
    noticed_at: datetime
    look_at: datetime
    looks: int
    expected: int | None
    present: int | None
    waits_since: datetime | None
    decision: str | None
    decided_by: str | None
    done_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseAnswer:
    """Whether TP told a course's plan in a semester, when it was asked last."""

    published: bool
    asked_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """A group of a course: how many are placed on it, and how many events it has, and are missing."""

    term_number: int
    actid: str
    method: str
    plenary: bool
    placed: int
    events: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CourseRun:
    """A course in one semester: TP's last answer, and what depends on it.

    `held` is the state of the course's brake, `registered` and `staff` are counts of persons.
    """

    course: str
    semester: str
    published: bool
    asked_at: datetime
    changed_at: datetime | None
    bad_events: int
    bad_reason: str | None
    unknown_status: int
    skipped: int
    last_change: str | None
    held: str | None
    registered: int
    staff: int
    pending: tuple[WorkRecord, ...]
    groups: tuple[GroupRecord, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceRecord:
    """That a person is left alone, or listed to be; `state` says how that counts now.

    `told_by`: command or list. `state`: out, or what the states of a list's row are.
    """

    person_id: int
    number: str | None
    username: str | None
    wish: str
    source: str
    set_at: datetime
    told_by: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageRecord:
    """The language that counts for a person who has one of their own, and who told it."""

    person_id: int
    number: str | None
    username: str | None
    language: str
    told_by: str
    source: str
    set_at: datetime
