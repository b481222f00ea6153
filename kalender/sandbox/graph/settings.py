"""How this Graph behaves where nobody outside knows, or where it may be one way or the other."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any


@dataclass(slots=True)
class Settings:
    """What the control API may change at any time."""

    # Tokens live so many seconds.
    token_seconds: float = 3599.0
    # What was consented to in Entra, with blanks between: the roles that a token grants.
    roles: str = ""
    # So many requests at once for a mailbox, or for the whole app.
    concurrency: int = 4
    concurrency_by: str = "mailbox"
    # So many requests within a window, for the same.
    requests: int = 10_000
    window_seconds: float = 600.0
    # A new event is seen by lists so many seconds after it was made.
    visible_after: float = 0.0
    # After a write the change key moves once more by itself so many seconds later; 0: never.
    restless_after: float = 0.0
    # A transactionId that was seen before makes no second event.
    transaction_ids: bool = True
    # If-Match is honoured.
    if_match: bool = True
    # The cloud knows permanentDelete.
    permanent_delete: bool = True
    # Events have ids that stay when they are moved, for whoever prefers these.
    immutable_ids: bool = False
    # The clock of the login is so many seconds before ours.
    clock_ahead: float = 0.0
    # GUIDs of named properties come back in lower case, or as they were asked for.
    guid: str = "lower"
    # A list begins with an empty page that has a next one.
    empty_pages: bool = False
    # The address of the next page is on this host, or on another, where nobody should follow it.
    next_links: str = "own"
    # A boolean may be written as a text, as the client O365 does.
    quoted_booleans: bool = False
    # A user is named by UPN or by mail address, or by UPN alone.
    users: str = "any"

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change some; ValueError for one that is not known or of another type."""
        known = {each.name: each.type for each in fields(self)}
        for name, value in changes.items():
            if name not in known:
                raise ValueError(f"there is no setting {name}")
            kind = known[name]
            if isinstance(value, bool) != (kind is bool) or (kind is str) != isinstance(value, str):
                raise ValueError(f"{name} is of another type")
            choices = _CHOICES.get(name)
            if choices is not None and value not in choices:
                raise ValueError(f"{name} is one of {', '.join(choices)}")
            setattr(self, name, int(value) if kind is int else value)


_CHOICES = {
    "concurrency_by": ("mailbox", "app"),
    "guid": ("lower", "written"),
    "next_links": ("own", "foreign"),
    "users": ("any", "upn"),
}
