"""One mechanism taken away, so that it is seen that the runs can fail."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Literal

import requests
from sqlalchemy import (
    Connection,
    Float,
    Row,
    String,
    and_,
    bindparam,
    delete,
    exists,
    literal,
    update,
)

from kalender.app import App
from kalender.calendars.graph.session import Sessions
from kalender.domain.entry import Entry, NotFoundAtAll, Transition, happens
from kalender.domain.model import ActivityKey, CourseKey
from kalender.domain.work import Trigger
from kalender.reconcile import lookup, moves
from kalender.reconcile import reconcile as visits
from kalender.reconcile.doubles import Double, find_all
from kalender.reconcile.memory import Memory
from kalender.reconcile.protocol import Visit
from kalender.store import courses, entries, queue
from kalender.store.database import Database
from kalender.store.sql import db_now
from kalender.store.tables import dirty as work
from kalender.transport import Lost

SERVER_SECONDS = {"early-lookup": "0.001"}  # what its settings say of Exchange


def install(name: str) -> None:
    """Take the mechanism away."""
    BREAKING[name]()


def _no_write_ahead() -> None:
    """Creates are recorded when they are answered, and only then."""
    save = entries.save
    intended: set[str] = set()

    def later(
        connection: Connection,
        calendar_id: int,
        transitions: Iterable[Transition],
        *,
        ahead: bool = False,
    ) -> None:
        written = []
        for before, after in transitions:
            if before is None and after is not None and ahead:
                intended.add(after.sync_key)
            elif before is not None and before.sync_key in intended:
                intended.discard(before.sync_key)
                written.append(Transition(None, after))
            else:
                written.append(Transition(before, after))
        save(connection, calendar_id, written, ahead=ahead)

    entries.save = later


def _no_lookup() -> None:
    """What was intended is forgotten, and so made again."""

    def forget(visit: Visit, lost_entries: Sequence[Entry]) -> None:
        with visit.database.write() as connection:
            visit.save(connection, [Transition(entry, None) for entry in lost_entries])

    lookup.look_up_keys = forget


def _no_token() -> None:
    """Whoever believes to hold a claim holds it."""

    mine = and_(
        work.c.kind == bindparam("my_kind"),
        work.c.key == bindparam("my_key"),
        bindparam("my_token", type_=String) != literal(""),
    )
    same = work.c.generation == bindparam("my_generation")
    lease = db_now(bindparam("seconds", type_=Float))
    queue.IS_OURS = mine
    queue.FINISH = delete(work).where(mine, same)
    queue.RENEW = update(work).where(mine).values(claimed_until=lease).returning(db_now())
    queue.STILL_OURS = exists().where(mine)


def _no_fan_out() -> None:
    """Whom a change concerns is kept in memory between the two transactions."""
    kept: list[Any] = []  # as rows of the table, but for their number

    def save(
        connection: Connection,
        concerned: Iterable[tuple[ActivityKey, bool, str | None]],
        trigger: Trigger,
    ) -> None:
        about: dict[str, Any] = {"reason": trigger.reason, "cause": trigger.cause.value}
        about |= {"priority": int(trigger.lane), "since": trigger.since}
        for key, everybody, username in concerned:
            kept.append(
                SimpleNamespace(**key._asdict(), everybody=everybody, username=username, **about)
            )

    def pending(connection: Connection, key: CourseKey) -> list[Row[Any]]:
        return [each for each in kept if (each.course, each.semester) == key]

    def clear(connection: Connection, rows_: Sequence[Row[Any]]) -> None:
        kept[:] = [each for each in kept if each not in rows_]

    courses.save_fan_out = save
    courses.pending_fan_out = pending
    courses.clear_fan_out = clear


class Forgetful(Memory):
    """No memory at all."""

    @contextmanager
    def writing(self, database: Database) -> Iterator[Connection]:
        with database.write() as connection:
            yield connection

    def verify(self, database: Database) -> None:
        """Know nothing."""


def _no_memory() -> None:
    """Any database is taken for ours, as old as it may be."""

    def forgetful(self: App) -> Memory:
        return Forgetful()

    App.memory = forgetful  # type: ignore[method-assign]


def _early_lookup() -> None:
    """Its settings do it: see SERVER_SECONDS."""


def _no_second_look() -> None:
    """What one search did not see is never looked for again."""

    def forget(visit: Visit) -> None:
        with visit.recording() as connection:
            entries.look_again(connection, visit.row.calendar_id, None)

    vars(visits)["look_for_late_creates"] = forget


def _blind_retry() -> None:
    """A batch whose answer was lost is sent again as it is, as many clients do."""
    post = Sessions.post

    def again(
        self: Sessions, path: str, content: bytes, send_by: float | None
    ) -> requests.Response:
        try:
            return post(self, path, content, send_by)
        except Lost:
            return post(self, path, content, None)

    Sessions.post = again  # type: ignore[method-assign]


def _no_adoption() -> None:
    """What stands in a new place is counted, and never taken for what was recorded."""

    def forget(visit: Visit) -> list[Double]:
        hits = find_all(visit)
        moves.judge_absence(visit, hits)
        item_ids = {hit.ref.item_id for hit in hits}
        with visit.recording() as connection:
            records = entries.of_calendar(connection, visit.row.calendar_id)
            gone_entries = [entry for entry in records if entry.item_id not in item_ids]
            happening = NotFoundAtAll(ended=False)
            visit.save(connection, [happens(entry, happening) for entry in gone_entries])
        return []

    vars(visits)["look_up_everything"] = forget


BREAKING: Mapping[str, Callable[[], None]] = {
    "no-write-ahead": _no_write_ahead,
    "no-lookup": _no_lookup,
    "no-token": _no_token,
    "no-fan-out": _no_fan_out,
    "early-lookup": _early_lookup,
    "no-memory": _no_memory,
    "blind-retry": _blind_retry,
    "no-second-look": _no_second_look,
    "no-adoption": _no_adoption,
}
# Where everybody's mailbox is: on EWS, on Graph, or on a Graph that ignores transactionId.
Backend = Literal["ews", "graph", "graph-ignoring-ids"]
ANYWHERE: Sequence[Backend] = ("ews", "graph", "graph-ignoring-ids")
# Where the lack must be missed. A create that is sent again as it is doubles nothing on a Graph that
# knows its transactionId, what is looked up too early there is looked up again, and the two
# transactions of a course are no matter of the backend's.
MISSED_ON: Mapping[str, Sequence[Backend]] = {
    "no-write-ahead": ANYWHERE,
    "no-lookup": ANYWHERE,
    "no-token": ANYWHERE,
    "no-fan-out": ("ews",),
    "early-lookup": ("ews",),
    "no-memory": ("ews", "graph"),
    "blind-retry": ("graph-ignoring-ids",),
    "no-second-look": ("graph", "graph-ignoring-ids"),
    "no-adoption": ("ews", "graph"),
}
CREATE_DONE = tuple(
    f"{create} 1 after {place}"
    for create in ("CreateItem", "CreateEvent")
    for place in ("processing", "answer")
)
TELLING: Mapping[str, Collection[str]] = {
    "no-write-ahead": CREATE_DONE,
    "no-lookup": CREATE_DONE,
    "no-token": (
        "UpdateItem 1 after answer",
        "UpdateEvent 1 after answer",
        "Visit.recording 1 after commit",
    ),
    "no-fan-out": ("_mirror 1 after commit", "_fan_out 1 before commit"),
    "early-lookup": ("CreateItem 1 after send", "CreateEvent 1 after send"),
    "no-memory": ("CreateItem 1 after answer", "CreateEvent 1 after answer"),
    "blind-retry": ("CreateEvent 1 after processing",),
    "no-second-look": ("CreateEvent 1 after send",),
    "no-adoption": CREATE_DONE,
}  # the points where its lack shows, and at once
