from kalender.domain.mailbox import MailboxRule, wanted_calendars
from kalender.domain.model import Audience

FS = MailboxRule(
    student="epost:INSTITUSJON", teacher="epost:INSTITUSJON", domains=frozenset({"uio.no"})
)
SPLIT = MailboxRule(student="epost:STUDENT", teacher="{username}@uio.no", domains=frozenset())
MAILS = [("PRIVAT", "o@hjemme.no"), ("INSTITUSJON", " Ola@UiO.no"), ("STUDENT", "ola@stud.no")]


def calendars(rule: MailboxRule, **fields: object) -> dict[str, Audience]:
    told = {"student": True, "teacher": True, "username": "olan", "mails": MAILS} | fields
    return wanted_calendars(rule, **told)  # type: ignore[arg-type]


def test_one_mailbox_for_both_audiences_is_one_calendar() -> None:
    assert calendars(FS) == {"ola@uio.no": Audience.BOTH}


def test_two_mailboxes_are_two_calendars() -> None:
    assert calendars(SPLIT) == {"ola@stud.no": Audience.STUDENT, "olan@uio.no": Audience.TEACHER}


def test_only_an_audience_that_one_belongs_to_gets_a_calendar() -> None:
    assert calendars(FS, teacher=False) == {"ola@uio.no": Audience.STUDENT}
    assert calendars(FS, student=False, teacher=False) == {}


def test_what_cannot_be_derived_is_no_calendar() -> None:
    assert calendars(FS, mails=[("PRIVAT", "o@hjemme.no")]) == {}
    assert calendars(SPLIT, mails=[], username=None) == {}
    assert calendars(FS, mails=[("INSTITUSJON", " ")]) == {}


def test_the_first_address_of_the_type_counts() -> None:
    mails = [("INSTITUSJON", "a@uio.no"), ("INSTITUSJON", "b@uio.no")]
    assert calendars(FS, mails=mails) == {"a@uio.no": Audience.BOTH}


def test_a_mailbox_of_both_is_made_by_the_students_rule() -> None:
    assert SPLIT.address(Audience.BOTH, "olan", MAILS) == "ola@stud.no"


def test_only_our_mail_domains_are_written_to() -> None:
    assert FS.allows("ola@uio.no")
    assert not FS.allows("ola@uio.no.evil.no")
    assert not FS.allows("ola@sub.uio.no")
    assert not FS.allows("ola")
    assert SPLIT.allows("ola@anywhere.no")
