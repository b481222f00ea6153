"""Which mailbox is whose: an address from what FS or TP told of an account."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from kalender.domain.model import lies_in
from kalender.domain.timetable import Audience, Role

FROM_FS = "epost:"
BY_MAIL, BY_USERNAME = "mail", "upn"  # what a user's principal name is; else `{username}@domain`


@dataclass(frozen=True, slots=True, kw_only=True)
class MailboxRule:
    """How addresses are made, for each role: `epost:TYPE` of FS or `{username}@domain`."""

    rules: Mapping[Role, str]
    domains: frozenset[str]  # lower case; empty: every domain

    def address(
        self, role: Role, username: str | None, mails: Sequence[tuple[str, str]]
    ) -> str | None:
        """Return the address in lower case, or None where it cannot be derived."""
        rule = self.rules[role]
        if rule.startswith(FROM_FS):
            mail_kind = rule.removeprefix(FROM_FS)
            addresses = [mail for kind, mail in mails if kind == mail_kind]
            return (addresses[0].strip().lower() if addresses else "") or None
        return rule.replace("{username}", username).lower() if username else None

    def allows(self, address: str) -> bool:
        """Whether the address lies in one of our mail domains."""
        return lies_in(address, self.domains)


def wanted_calendars(
    rule: MailboxRule,
    roles: Collection[Role],
    *,
    username: str | None,
    mails: Sequence[tuple[str, str]],
) -> dict[str, Audience]:
    """Return the mailboxes of a person with these roles, each with the roles that it serves."""
    calendars: dict[str, Audience] = {}
    for role in rule.rules:
        address = rule.address(role, username, mails) if role in roles else None
        if address is not None:
            calendars[address] = calendars.get(address, frozenset()) | {role}
    return calendars


def principal_name(form: str, address: str, usernames: Collection[str]) -> str | None:
    """Return how Exchange Online names the user of a mailbox, or None where that is not known.

    `form` is `mail`: the address; `upn`: the username, where it is a principal name as a whole; or
    `{username}@domain`.
    """
    if form == BY_MAIL:
        return address
    names = [
        form.replace("{username}", name) if form != BY_USERNAME else name for name in usernames
    ]
    return min((name.lower() for name in names if name.count("@") == 1), default=None)
