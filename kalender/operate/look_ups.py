"""Who looks whom up, and why: nobody is shown on a page without a record of it.

A look-up is asked for by an FS number, a username or an address, with a reason, and has a number of
its own: pages name that number, and never the person. It is good for an hour, for who asked.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exists, select

from kalender.operate import disclosure
from kalender.store import acts, people
from kalender.store.database import Database
from kalender.store.sql import db_now
from kalender.store.tables import look_up, preference

GOOD_FOR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """One person, looked up by somebody for a reason."""

    number: int
    person_id: int
    at: datetime
    reason: str


def look_somebody_up(
    database: Database, text: str, *, who: str, reason: str, command: str
) -> int | None:
    """Record a look-up and return its number; None where nobody is known by that.

    Who is protected is answered as if nobody were known, and the attempt is recorded.
    """
    with database.write() as connection:
        person_id = people.find_by_any_identity(connection, text)
        if person_id is None:
            return None
        refused = people.PROTECT in people.wishes_of(connection, person_id)
        (number,) = disclosure.log_access(
            connection, [person_id], command, operator=who, reason=reason, refused=refused
        )
        return None if refused else number


def valid_look_up(database: Database, number: int, *, who: str) -> LookUp | None:
    """Return a look-up that is good for this person who asks; None where it is not.

    Whoever was protected meanwhile is shown no more, and that attempt is recorded as well.
    """
    is_protected = exists().where(
        preference.c.person_id == look_up.c.person_id, preference.c.wish == people.PROTECT
    )
    query = select(look_up, is_protected.label("protected")).where(
        look_up.c.look_up_id == number,
        look_up.c.who == who[: acts.LONGEST_NAME],
        look_up.c.at > db_now(-GOOD_FOR.total_seconds()),
        ~look_up.c.refused,
    )
    with database.read() as connection:
        row = connection.execute(query).mappings().one_or_none()
    if row is None:
        return None
    if row["protected"]:
        with database.write() as connection:
            persons, command = [row["person_id"]], row["command"]
            disclosure.log_access(
                connection, persons, command, operator=who, reason=row["reason"], refused=True
            )
        return None
    return LookUp(number=number, person_id=row["person_id"], at=row["at"], reason=row["reason"])
