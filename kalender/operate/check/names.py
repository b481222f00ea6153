"""How mailboxes are named that an operator gives, also where nobody has them."""

from dataclasses import dataclass

from kalender.app import App
from kalender.store import mailboxes
from kalender.store.database import Database


@dataclass(frozen=True, slots=True)
class Named:
    """How a backend names the users of mailboxes, also of those that have no calendar with us.

    Such a mailbox is named by what the operator gave, which may be a user's principal name.
    """

    wired: App
    backend: str
    database: Database | None  # None: it has no tables

    def knows(self, mailbox: str) -> bool:
        """Whether the mailbox' own address is what was given for it."""
        if self.wired.names_by_address(self.backend):
            return True
        if self.database is None:
            return False
        with self.database.read() as connection:
            return mailboxes.owner_of(connection, mailbox.lower()) is not None

    def user_of(self, mailbox: str) -> str:
        """Return the user's name; PermanentError where it is not known."""
        if self.database is None or not self.knows(mailbox):
            return mailbox
        return self.wired.user_of(self.backend, self.database)(mailbox.lower())
