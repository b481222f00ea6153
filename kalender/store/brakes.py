"""The brake: rows that hold deletes back, and the count that sets the institution's."""

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Connection, delete, exists, func, insert, select, text, update

from kalender.store.tables import brake, change_log, db_now

HAND, INSTITUTION = "hand", "institution"


@dataclass(frozen=True, slots=True, kw_only=True)
class Safety:
    """`[safety]`: when the deletes of all workers together are too many."""

    max_deleted_share: float = 0.02
    min_deletes_hour: int = 200
    min_deletes_day: int = 2_000
    max_entries: int = 1_500


def holding(connection: Connection, deletes: int, coming: int, safety: Safety) -> str | None:
    """Return the brake that holds so many more deletes, set here where they are too many.

    `coming` is the number of live entries that have not ended. One transaction at a time counts.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(4711)"))
    scope = standing(connection)
    if scope is not None:
        return scope
    if _released(connection):
        return None
    allowance = _expected(connection)
    share = safety.max_deleted_share * coming
    for window, least in (
        (timedelta(hours=1), safety.min_deletes_hour),
        (timedelta(days=1), safety.min_deletes_day),
    ):
        if _deleted_within(connection, window) + deletes > max(share, least) + allowance:
            put(connection, INSTITUTION, "holding", f"too many deletes within {window}")
            return INSTITUTION
    return None


def standing(connection: Connection) -> str | None:
    """Return the brake over everything that holds now, however many deletes there are."""
    return next((s for s in (HAND, INSTITUTION) if state(connection, s) == "holding"), None)


def state(connection: Connection, scope: str) -> str | None:
    """Return a brake's state: holding, released, expected, or None."""
    return connection.execute(select(brake.c.state).where(brake.c.scope == scope)).scalar()


def _released(connection: Connection) -> bool:
    """Whether somebody looked and let the institution's deletes through, for a while."""
    released = exists().where(
        brake.c.scope == INSTITUTION, brake.c.state == "released", brake.c.until_at > db_now()
    )
    return bool(connection.execute(select(released)).scalar())


def put(connection: Connection, scope: str, state_: str, reason: str) -> None:
    """Set a brake's state."""
    values = {"state": state_, "reason": reason, "set_at": db_now()}
    if not connection.execute(update(brake).where(brake.c.scope == scope).values(values)).rowcount:
        connection.execute(insert(brake).values(scope=scope, **values))


def _expected(connection: Connection) -> int:
    """Return how many more deletes somebody announced for now."""
    return (
        connection.execute(
            select(func.sum(brake.c.up_to)).where(
                brake.c.state == "expected",
                brake.c.from_at <= db_now(),
                brake.c.until_at > db_now(),
            )
        ).scalar()
        or 0
    )


def _deleted_within(connection: Connection, window: timedelta) -> int:
    return connection.execute(
        select(func.count()).where(
            change_log.c.operation == "delete",
            change_log.c.at > db_now(-window.total_seconds()),
        )
    ).scalar_one()


def lift(connection: Connection, scope: str) -> None:
    """Drop a brake: what it held is right again."""
    connection.execute(delete(brake).where(brake.c.scope == scope))
