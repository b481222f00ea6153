import pytest

from kalender.domain.mailbox import MailboxRule, principal_name, wanted_calendars
from kalender.domain.roles import BOTH, STUDENT, TEACHER
from kalender.domain.timetable import Audience

FS = MailboxRule(
    rules={STUDENT: "epost:INSTITUSJON", TEACHER: "epost:INSTITUSJON"},
    domains=frozenset({"uio.no"}),
)
SPLIT = MailboxRule(
    rules={STUDENT: "epost:STUDENT", TEACHER: "{username}@uio.no"}, domains=frozenset()
)
MAILS = [("PRIVAT", "o@hjemme.no"), ("INSTITUSJON", " Ola@UiO.no"), ("STUDENT", "ola@stud.no")]


def calendars(rule: MailboxRule, **fields: object) -> dict[str, Audience]:
    told = {"roles": BOTH, "username": "olan", "mails": MAILS} | fields
    return wanted_calendars(rule, **told)  # type: ignore[arg-type]


def test_one_mailbox_for_both_audiences_is_one_calendar() -> None:
    assert calendars(FS) == {"ola@uio.no": BOTH}


def test_two_mailboxes_are_two_calendars() -> None:
    assert calendars(SPLIT) == {"ola@stud.no": {STUDENT}, "olan@uio.no": {TEACHER}}


def test_only_an_audience_that_one_belongs_to_gets_a_calendar() -> None:
    assert calendars(FS, roles={STUDENT}) == {"ola@uio.no": {STUDENT}}
    assert calendars(FS, roles=()) == {}


def test_what_cannot_be_derived_is_no_calendar() -> None:
    assert calendars(FS, mails=[("PRIVAT", "o@hjemme.no")]) == {}
    assert calendars(SPLIT, mails=[], username=None) == {}
    assert calendars(FS, mails=[("INSTITUSJON", " ")]) == {}


def test_the_first_address_of_the_type_counts() -> None:
    mails = [("INSTITUSJON", "a@uio.no"), ("INSTITUSJON", "b@uio.no")]
    assert calendars(FS, mails=mails) == {"a@uio.no": BOTH}


def test_only_our_mail_domains_are_written_to() -> None:
    assert FS.allows("ola@uio.no")
    assert not FS.allows("ola@uio.no.evil.no")
    assert not FS.allows("ola@sub.uio.no")
    assert not FS.allows("ola")
    assert SPLIT.allows("ola@anywhere.no")


@pytest.mark.parametrize(
    ("form", "usernames", "name"),
    [
        ("mail", set(), "ola@uni.example"),
        ("upn", set(), None),
        ("upn", {"olan"}, None),
        ("upn", {"olan", "OlaN@Cloud.example"}, "olan@cloud.example"),
        ("{username}@cloud.example", set(), None),
        ("{username}@cloud.example", {"OlaN"}, "olan@cloud.example"),
        ("{username}@cloud.example", {"olan@uni.example"}, None),
        ("{username}@cloud.example", {"olan", "nolan"}, "nolan@cloud.example"),
    ],
)
def test_a_principal_name_is_made_by_the_settings_or_not_known(
    form: str, usernames: set[str], name: str | None
) -> None:
    assert principal_name(form, "ola@uni.example", usernames) == name
