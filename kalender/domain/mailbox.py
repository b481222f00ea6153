"""Which mailbox is whose: an address from what FS or TP told of an account."""

from collections.abc import Sequence
from dataclasses import dataclass

from kalender.domain.model import Audience

FROM_FS = "epost:"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRule:
    """How addresses are made, for each audience: `epost:TYPE` of FS or `{username}@domain`."""

    student: str
    teacher: str
    domains: frozenset[str]  # lower case; empty: every domain

    def address(
        self, audience: Audience, username: str | None, mails: Sequence[tuple[str, str]]
    ) -> str | None:
        """Return the address in lower case, or None where it cannot be derived."""
        rule = self.teacher if audience is Audience.TEACHER else self.student
        if rule.startswith(FROM_FS):
            wanted = rule.removeprefix(FROM_FS)
            found = [mail for kind, mail in mails if kind == wanted]
            return (found[0].strip().lower() if found else "") or None
        return rule.replace("{username}", username).lower() if username else None

    def allows(self, address: str) -> bool:
        """Whether the address lies in one of our mail domains."""
        return not self.domains or address.rpartition("@")[2] in self.domains


def wanted_calendars(
    rule: MailboxRule,
    *,
    student: bool,
    teacher: bool,
    username: str | None,
    mails: Sequence[tuple[str, str]],
) -> dict[str, Audience]:
    """Return a person's mailboxes with the audience each is for: one where both are the same."""
    wanted: dict[str, Audience] = {}
    for audience, counts in ((Audience.STUDENT, student), (Audience.TEACHER, teacher)):
        address = rule.address(audience, username, mails) if counts else None
        if address is not None:
            wanted[address] = Audience.BOTH if address in wanted else audience
    return wanted
