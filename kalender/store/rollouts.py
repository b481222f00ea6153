"""Who is switched on: outside the roll-out not one request goes to Exchange."""

from collections.abc import Sequence
from hashlib import blake2b

from sqlalchemy import Connection, select

from kalender.store.tables import calendar, identity, registration, rollout, teaching_staff

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
