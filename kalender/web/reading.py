"""What a query says: days, instants and cursors, where nonsense counts as nothing said."""

from datetime import date, datetime


def day_of(text: str | None) -> date | None:
    """Return a day such as `2025-09-01`; None where it is none, or so far off that nobody means it."""
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        return None
    return day if day is None or 1970 < day.year < 9000 else None  # noqa: PLR2004


def instant_of(text: str | None) -> datetime | None:
    """Return an aware instant in ISO 8601; None where it is none."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def number_of(text: str) -> int | None:
    """Return a number as our databases have them; None where it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004


def cursor_of(text: str | None) -> tuple[datetime, int] | None:
    """Return where a page of the change log begins, as `cursor_text` wrote it."""
    instant, _, number = (text or "").rpartition(" ")
    moment, change_id = instant_of(instant), number_of(number)
    return None if moment is None or change_id is None else (moment, change_id)


def cursor_text(cursor: tuple[datetime, int] | None) -> str | None:
    """Return where the next page of the change log begins, for an address."""
    return None if cursor is None else f"{cursor[0].isoformat()} {cursor[1]}"
