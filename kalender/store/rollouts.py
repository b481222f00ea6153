"""Who is switched on: outside the roll-out not one request goes to Exchange."""

from collections.abc import Collection, Sequence
from hashlib import blake2b

from sqlalchemy import Connection, delete, insert, select, update

from kalender.store.tables import calendar, db_now, identity, registration, rollout, teaching_staff

KINDS = ("person", "course", "share", "audience")


def switched_on(connection: Connection, calendar_id: int, mode: str) -> bool:
    """Whether a calendar lies inside the roll-out. `mode` is `[rollout] mode`."""
    if mode != "listed":
        return mode == "all"
    listed: dict[str, set[str]] = {kind: set() for kind in KINDS}
    for kind, value in connection.execute(select(rollout.c.kind, rollout.c.value)):
        listed[kind].add(value)
    row = connection.execute(
        select(calendar.c.person_id, calendar.c.audience).where(
            calendar.c.calendar_id == calendar_id
        )
    ).one()
    return (
        str(row.person_id) in listed["person"]
        or bool({row.audience, "both"} & listed["audience"])
        or (row.audience == "both" and bool(listed["audience"]))
        or in_share(row.person_id, max(map(float, listed["share"]), default=0.0))
        or bool(listed["course"] and _courses(connection, row.person_id) & listed["course"])
    )


def in_share(person_id: int, share: float) -> bool:
    """Whether a person belongs to the first `share` (0 to 1); growing shares only add people."""
    place = int.from_bytes(blake2b(str(person_id).encode(), digest_size=4).digest())
    return place < share * 2**32


def _courses(connection: Connection, person_id: int) -> set[str]:
    taken = select(registration.c.course).where(registration.c.person_id == person_id)
    taught = (
        select(teaching_staff.c.course)
        .join(identity, identity.c.value == teaching_staff.c.username)
        .where(identity.c.kind == "username", identity.c.person_id == person_id)
    )
    return set(connection.execute(taken.union(taught)).scalars())


def listed(connection: Connection) -> Sequence[tuple[str, str]]:
    """Return what is on the list: (kind, value), sorted."""
    rows = connection.execute(
        select(rollout.c.kind, rollout.c.value).order_by(rollout.c.kind, rollout.c.value)
    )
    return [(kind, value) for kind, value in rows]


def inside(connection: Connection, mode: str) -> set[int]:
    """Return all calendars inside the roll-out."""
    every = connection.execute(select(calendar.c.calendar_id)).scalars().all()
    return {each for each in every if switched_on(connection, each, mode)}


def add(connection: Connection, kind: str, values: Sequence[str]) -> None:
    """Put values on the list."""
    known = set(listed(connection))
    new = [{"kind": kind, "value": value} for value in values if (kind, value) not in known]
    if new:
        connection.execute(insert(rollout).values(added_at=db_now()), new)


def remove(connection: Connection, kind: str, values: Sequence[str]) -> None:
    """Take values off the list."""
    connection.execute(
        delete(rollout).where(rollout.c.kind == kind, rollout.c.value.in_(list(values)))
    )


def leave(connection: Connection, calendars: Collection[int], *, take_back: bool) -> None:
    """Forget what these calendars were; to be taken back they stay open until that is done."""
    for each in sorted(calendars):
        connection.execute(
            update(calendar)
            .where(calendar.c.calendar_id == each)
            .values(synced_digest=None, synced_settings=None, taking_back=take_back)
        )
