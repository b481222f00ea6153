"""Tries an Exchange: a mailbox is opened, one entry written and taken back, another refused."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from time import monotonic
from typing import Protocol, runtime_checkable

from kalender.domain.model import Content
from kalender.errors import KalenderError, MailboxMissing, OutcomeUnknown, PermanentError
from kalender.operate.check.trial import TrialOutcome, failed, not_tried, ok, warned
from kalender.ports import Calendars, ItemError, ItemRef, NewEntry

OWN = "kalender-check"  # stands where other keys have an event
DENIED = (
    "ErrorImpersonateUserDenied",
    "ErrorAccessDenied",
    "accessDenied",
    "AccessRestricted",
)
FOLDER_HIDDEN = "ErrorFolderNotFound"  # what full access to mailboxes lacks, without impersonation
COMPARE = "give the address of somebody whom FS tells, so that it can be compared"
MEND_NAMES = (
    "correct user or identity.mailbox: entries would stand with somebody else; or give the"
    " mailbox' primary address, and no alias"
)
NOT_HERE = "that mailbox is not here"
TAKE_BACK = "run kalender check --write on it again: that takes back what an earlier one left"


@runtime_checkable
class TellsOwner(Protocol):
    """A backend that tells whose a calendar is."""

    def owner(self, mailbox: str) -> str | None:
        """Return the address of the owner in lower case, or None where that is not told."""
        ...


def opens(
    calendars: Calendars, mailbox: str, *, elsewhere: bool, is_known: Callable[[str], bool]
) -> TrialOutcome:
    """Count our entries in a mailbox; it need not be here where it may be elsewhere.

    Where the backend tells, the calendar must be that address'; `is_known` says whether an address
    was given at all.
    """
    try:
        entries = calendars.find(mailbox, None)
    except MailboxMissing as error:
        if not elsewhere:
            raise
        return warned(f"not here ({error})", "give the address of a mailbox that is here as well")
    text = f"the mailbox opens; {len(entries)} entries of ours there"
    if not isinstance(calendars, TellsOwner):
        return ok(text)
    owner = calendars.owner(mailbox)
    if owner == mailbox.lower():
        return ok(f"{text}; the calendar's owner is that address")
    if owner is None or not is_known(mailbox):
        whose = "not told" if owner is None else "another address than was given"
        return warned(f"{text}; the calendar's owner is {whose}", COMPARE)
    return failed(f"{text}; but the calendar's owner is another address", MEND_NAMES)


def writes(calendars: Calendars, mailbox: str, now: datetime, *, elsewhere: bool) -> TrialOutcome:
    """Write one entry and take it back, with what earlier checks may have left.

    The entry is a quarter of an hour of tomorrow night, and is shown as free. Nothing is tried where
    the mailbox is not here and may be elsewhere.
    """
    starts_at = (now + timedelta(days=1)).replace(hour=2, minute=0, second=0, microsecond=0)
    content = Content(
        subject="kalender check",
        body="Written by kalender check, to be taken back at once.",
        location="",
        starts_at=starts_at,
        ends_at=starts_at + timedelta(minutes=15),
        show_as="free",
    )
    entry = NewEntry(sync_key=f"{OWN}#{token_hex(4)}", content=content)
    failure: TrialOutcome | None = None
    try:
        (result,) = calendars.create(mailbox, [entry], send_by=monotonic() + 5)
        if isinstance(result, ItemError):
            failure = failed(f"not written: {result.code}", "look at the account's rights")
    except MailboxMissing:
        if not elsewhere:
            raise
        return not_tried(NOT_HERE)
    except OutcomeUnknown as error:
        failure = failed(f"may have been written: {error}", TAKE_BACK)
    count = _take_back(calendars, mailbox)
    if isinstance(count, TrialOutcome):
        return count
    if failure is not None:
        return failure
    if count == 0:
        return failed("what was written is not found by its key", TAKE_BACK)
    text = "one entry written and taken back"
    return ok(text if count == 1 else f"{text}, and {count - 1} that an earlier check left")


def _take_back(calendars: Calendars, mailbox: str) -> int | TrialOutcome:
    """Delete all entries of checks; return how many, or an outcome where one may be left."""
    try:
        entries = calendars.find(mailbox, None)
        refs = [entry.ref for entry in entries if entry.sync_key.startswith(f"{OWN}#")]
        results: Sequence[ItemRef | ItemError] = ()
        if refs:
            results = calendars.delete(mailbox, refs, hard=True, send_by=monotonic() + 5)
    except KalenderError as error:
        return failed(f"written, but perhaps not taken back: {error}", TAKE_BACK)
    codes = [result.code for result in results if isinstance(result, ItemError)]
    return failed(f"written, but not taken back: {codes[0]}", TAKE_BACK) if codes else len(refs)


def is_refused(
    calendars: Calendars, mailbox: str, *, impersonate: bool, elsewhere: bool
) -> TrialOutcome:
    """Prove that a mailbox outside our scope does not open, here or where it may be elsewhere."""
    codes = DENIED if impersonate else (*DENIED, FOLDER_HIDDEN)
    narrow = "narrow the management scope of the service account"
    try:
        calendars.find(mailbox, [f"{OWN}#{token_hex(4)}"])
    except PermanentError as error:
        if elsewhere and isinstance(error, MailboxMissing):
            return not_tried(NOT_HERE)
        code = str(error).partition(":")[0]
        if code in codes:
            return ok(f"refused, as it must be ({code})")
        remedy = "give the address of a mailbox that there is, outside the scope"
        return failed(f"proves nothing: {error}", remedy)
    return failed("the mailbox outside the scope OPENS", narrow)
