"""In which language a person's entries are written, where it is not the institution's.

A person's own word comes by a command, an institution's by a file. The command's counts first; once
it is taken back the file's counts again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, select

from kalender.store.sql import db_now, in_parts, insert_many, is_one_of
from kalender.store.tables import personal_language

COMMAND, FILE = "command", "file"  # in the order in which they count, which is the alphabet's
LONGEST_SOURCE = 120
MANY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Language:
    """The language that counts for a person, and who told it."""

    person_id: int
    language: str
    told_by: str  # command | file
    source: str
    set_at: datetime


def counting(connection: Connection) -> list[Language]:
    """Return the language that counts for each person who has one of their own."""
    query = select(personal_language).order_by(
        personal_language.c.person_id, personal_language.c.told_by
    )
    found: dict[int, Language] = {}
    for row in connection.execute(query).mappings():
        found.setdefault(row["person_id"], Language(**row))
    return list(found.values())


def by_person(connection: Connection) -> dict[int, str]:
    """Return the language of each person who has one of their own."""
    return {language.person_id: language.language for language in counting(connection)}


def told(connection: Connection, told_by: str) -> dict[int, str]:
    """Return the language that such a word tells of each person of whom there is one."""
    query = select(personal_language.c.person_id, personal_language.c.language)
    rows = connection.execute(query.where(personal_language.c.told_by == told_by))
    return dict(map(tuple, rows))


def changed_by(connection: Connection, told: Mapping[int, str | None], told_by: str) -> set[int]:
    """Return whose entries would be written in another language, were this told of them.

    `told`: a language for each person, or None for no word of this kind.
    """
    words: dict[int, dict[str, str]] = {person_id: {} for person_id in told}
    for part in in_parts(told, MANY):
        query = select(personal_language).where(
            is_one_of(connection, personal_language.c.person_id, part)
        )
        for row in connection.execute(query):
            words[row.person_id][row.told_by] = row.language
    changed = set()
    for person_id, language in told.items():
        before = words[person_id]
        after = {kind: word for kind, word in before.items() if kind != told_by}
        if language is not None:
            after[told_by] = language
        if _first(before) != _first(after):
            changed.add(person_id)
    return changed


def _first(words: Mapping[str, str]) -> str | None:
    """Return the word that counts, of one of each kind."""
    return words[min(words)] if words else None


def tell(
    connection: Connection, told: Mapping[int, str | None], *, told_by: str, source: str
) -> set[int]:
    """Record persons' languages as they are told; return what `changed_by` does."""
    changed = changed_by(connection, told, told_by)
    for part in in_parts(told, MANY):
        is_theirs = is_one_of(connection, personal_language.c.person_id, part)
        is_such = personal_language.c.told_by == told_by
        connection.execute(delete(personal_language).where(is_theirs, is_such))
    rows = [
        {"person_id": each, "language": word} for each, word in told.items() if word is not None
    ]
    same = {"told_by": told_by, "source": source[:LONGEST_SOURCE], "set_at": db_now()}
    insert_many(connection, personal_language, rows, **same)
    return changed
