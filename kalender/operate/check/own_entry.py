"""Tries an Exchange: a mailbox is opened, one entry written and taken back, another refused."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from secrets import token_hex
from time import monotonic

from kalender.domain.model import Content
from kalender.errors import KalenderError, MailboxMissing, OutcomeUnknown, PermanentError
from kalender.operate.check.trial import Said, failed, ok, warned
from kalender.ports import Calendars, ItemError, ItemRef, NewEntry

OWN = "kalender-check"  # stands where other keys have an event
DENIED = ("ErrorImpersonateUserDenied", "ErrorAccessDenied")
FOLDER_HIDDEN = "ErrorFolderNotFound"  # what full access to mailboxes lacks, without impersonation
TAKE_BACK = "run kalender check --write on it again: that takes back what an earlier one left"


def opens(calendars: Calendars, mailbox: str, *, elsewhere: bool) -> Said:
    """Count our entries in a mailbox; it need not be here where it may be elsewhere."""
    try:
        found = calendars.find(mailbox, None)
    except MailboxMissing as error:
        if not elsewhere:
            raise
        return warned(f"not here ({error})", "give the address of a mailbox that is here as well")
    return ok(f"the mailbox opens; {len(found)} entries of ours there")


def writes(calendars: Calendars, mailbox: str, now: datetime) -> Said:
    """Write one entry and take it back, with what earlier checks may have left."""
    refused: Said | None = None
    try:
        (made,) = calendars.create(mailbox, [_entry(now)], send_by=monotonic() + 5)
        if isinstance(made, ItemError):
            refused = failed(f"not written: {made.code}", "look at the account's rights")
    except OutcomeUnknown as error:
        refused = failed(f"may have been written: {error}", TAKE_BACK)
    taken = _taken_back(calendars, mailbox)
    return taken if isinstance(taken, Said) else refused or _counted(taken)


def _counted(taken: int) -> Said:
    text = "one entry written and taken back"
    if taken == 0:
        return failed("what was written is not found by its key", TAKE_BACK)
    return ok(text if taken == 1 else f"{text}, and {taken - 1} that an earlier check left")


def _taken_back(calendars: Calendars, mailbox: str) -> int | Said:
    """Delete all entries of checks; a Said where one may be left."""
    try:
        found = [each for each in calendars.find(mailbox, None) if _is_ours(each.sync_key)]
        ended: Sequence[ItemRef | ItemError] = ()
        if found:
            refs = [each.ref for each in found]
            ended = calendars.delete(mailbox, refs, hard=True, send_by=monotonic() + 5)
    except KalenderError as error:
        return failed(f"written, but perhaps not taken back: {error}", TAKE_BACK)
    left = [each.code for each in ended if isinstance(each, ItemError)]
    return failed(f"written, but not taken back: {left[0]}", TAKE_BACK) if left else len(found)


def _is_ours(sync_key: str) -> bool:
    return sync_key.startswith(f"{OWN}#")


def _entry(now: datetime) -> NewEntry:
    """Return a quarter of an hour of tomorrow night, shown as free."""
    begins = (now + timedelta(days=1)).replace(hour=2, minute=0, second=0, microsecond=0)
    content = Content(
        subject="kalender check",
        body="Written by kalender check, to be taken back at once.",
        location="",
        starts_at=begins,
        ends_at=begins + timedelta(minutes=15),
        show_as="free",
    )
    return NewEntry(sync_key=f"{OWN}#{token_hex(4)}", content=content)


def is_refused(calendars: Calendars, mailbox: str, *, impersonate: bool) -> Said:
    """Prove that a mailbox outside our scope does not open."""
    codes = DENIED if impersonate else (*DENIED, FOLDER_HIDDEN)
    narrow = "narrow the management scope of the service account"
    try:
        calendars.find(mailbox, [f"{OWN}#{token_hex(4)}"])
    except PermanentError as error:
        code = str(error).partition(":")[0]
        if code in codes:
            return ok(f"refused, as it must be ({code})")
        other = "give the address of a mailbox that there is, outside the scope"
        return failed(f"proves nothing: {error}", other)
    return failed("the mailbox outside the scope OPENS", narrow)
