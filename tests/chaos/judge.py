"""At rest: is every calendar what it should be, once each, and was nothing else read or touched?"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from kalender.sandbox.installation import Json, own_entries
from tests.chaos.grounds import Grounds
from tests.chaos.moves import Migration
from tests.chaos.university import NOTE
from tests.e2e.house import House

CREATES = {"CreateItem", "CreateEvent"}
SEARCHES = {"FindItem", "ListEvents"}
BY_ID = {"GetItem", "UpdateItem", "DeleteItem"} | {
    "GetEvent",
    "UpdateEvent",
    "DeleteEvent",
    "PermanentDelete",
}
BACKENDS = {"exchange", "graph"}
BATCH = "Batch"  # of Graph's, each of whose requests stands in the journal as well
UNAUTHORISED = 401
NO_MAILBOX = {
    "ErrorNonExistentMailbox",
    "ErrorMailboxMoveInProgress",
    "MailboxNotEnabledForRESTAPI",
}
LIVE = """
    SELECT c.address, e.item_id, e.event_id, e.status, e.fingerprint
    FROM entry e JOIN calendar c USING (calendar_id) WHERE e.status NOT IN ('abandoned', 'released')
"""
RELEASED = """
    SELECT c.address, e.sync_key
    FROM entry e JOIN calendar c USING (calendar_id) WHERE e.status = 'released'
"""
TAKEN = """
    SELECT c.address, l.sync_key FROM change_log l JOIN calendar c USING (calendar_id)
    WHERE l.operation IN ('delete', 'remove')
"""
WAITING = """
    SELECT (SELECT count(*) FROM dirty WHERE parked_at IS NULL)
         + (SELECT count(*) FROM calendar WHERE look_again_at IS NOT NULL)
         + (SELECT count(*) FROM move WHERE done_at IS NULL)
"""

Request = Mapping[str, Any]  # a row of the journal


@dataclass
class Found:
    """What is wrong, one line each."""

    doubled: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """All of it."""
        named = (("doubled", self.doubled), ("lost", self.lost), ("foreign", self.foreign))
        return [f"{word}: {line}" for word, lines in named for line in lines] + self.other


def judge(
    house: House,
    grounds: Grounds,
    engine: Engine,
    created: Collection[str],
    migration: Migration | None,
) -> Found:
    """Compare everything; `created` are the ids of ours from before, `migration` is who moved."""
    found = Found()
    with engine.connect() as connection:
        rows = connection.execute(text(LIVE)).all()
        released = {(row.address, row.sync_key) for row in connection.execute(text(RELEASED))}
        taken = {
            (row.address, row.sync_key)
            for row in connection.execute(text(TAKEN))
            if migration is not None and row.address in migration.addresses
        }
    recorded = {(row.address, row.item_id) for row in rows if row.status != "intended"}
    left = _left_to_users(house, released, taken)
    lines = list((Counter(house.differences()) - Counter(left.values())).elements())
    for mailbox, differing in _by_mailbox(lines).items():
        more = sum(" has " in line for line in differing)
        less = len(differing) - more
        found.lost += [line for line in differing if " lacks " in line]
        found.doubled += [f"{mailbox} {more - less} too many"] * (more > less)
    there = {(mailbox, item["id"]) for mailbox, item in _with_our_key(house)} - left.keys()
    found.doubled += [f"{mailbox} holds one not recorded" for mailbox, _ in there - recorded]
    found.lost += [f"{mailbox} lacks one recorded" for mailbox, _ in recorded - there]
    events = Counter((row.address, row.event_id) for row in rows)
    found.doubled += [f"{where} {event}" for (where, event), n in events.items() if n > 1]
    open_ = [row for row in rows if row.status != "live" or row.fingerprint is None]
    found.other += [f"in doubt at rest: {row.status} in {row.address}" for row in open_]
    ours = set(created)
    requests = list(grounds.world.journal.since(0))
    if migration is not None:
        ours = migration.ours(ours | created_ids(requests))
        found.doubled += [f"{box} holds some where it was" for box in migration.standing_twice()]
    found.foreign += foreign(requests, ours)
    if touched := grounds.world.exchange.private_touched:
        found.foreign.append(f"{touched} private entries touched")
    if mails := grounds.world.exchange.mails:
        found.foreign.append(f"{len(mails)} mails sent to guests")
    return found


def _by_mailbox(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.split(" ", 1)[0], []).append(line)
    return found


def _with_our_key(house: House) -> Iterator[tuple[str, Json]]:
    """Give what carries our key in calendars, each with its mailbox."""
    for mailbox, items in house.all_items().items():
        for item in items:
            if item["sync_key"] is not None and item["folder"] == "calendar":
                yield mailbox, item


def _left_to_users(
    house: House, released: Collection[tuple[str, str]], taken: Collection[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """Return the items that were released, our key included, with how a comparison tells of them.

    They are meetings on Graph, which would mail their guests. Those that were `taken` away where
    their mailbox was, after it had been copied, are their user's where they bear an addition.
    """
    left = {}
    for mailbox, item in _with_our_key(house):
        name = (mailbox, item["sync_key"])
        is_added_to = item["attendees"] or item["attachments"] or NOTE in item["body"]
        if (name in released and item["attendees"]) or (name in taken and is_added_to):
            (shown,) = own_entries([item])
            left[mailbox, item["id"]] = f"{mailbox} has {shown}"
    return left


# -- the log of requests --------------------------------------------------------------------------------


def created_ids(requests: Iterable[Request]) -> set[str]:
    """Return the ids of all items that were created for us."""
    return {
        str(item)
        for request in requests
        if request["operation"] in CREATES
        for item in _listed(request["ids"])
    }


def foreign(requests: Sequence[Request], before: Collection[str] = ()) -> list[str]:
    """Return each request to a backend that names neither ids of ours nor our property.

    Ours is what these requests created, and the ids from before.
    """
    ours = created_ids(requests) | set(before)
    return [
        f"request {request['n']}: {request['operation']} names what is not ours"
        for request in requests
        if request["neighbour"] in BACKENDS and not names_only_ours(request, ours)
    ]


def names_only_ours(request: Request, ours: Collection[str]) -> bool:
    """Whether a request creates with our property, names ids of ours, or seeks our property."""
    operation = request["operation"]
    if operation in CREATES:
        return len(_listed(request["keys"])) == len(_listed(request["ids"]))
    if operation in SEARCHES:
        return bool(request["restricted"]) or request.get("code") in NO_MAILBOX
    if operation == BATCH or request.get("status") == UNAUTHORISED:  # nobody read it further
        return True
    return operation in BY_ID and all(item in ours for item in _listed(request["ids"]))


def _listed(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


# -- the logs of the processes --------------------------------------------------------------------------


def secrets_of(university: Path) -> set[str]:
    """Return every name, title, address and username of a university's files, as they stand.

    A number of four digits is left out: a title such as `1001` is the number of a calendar as well,
    where there are so many.
    """
    words: set[str] = set()
    for path in (*university.glob("tp/*.json"), *university.glob("fs/personer.ndjson")):
        for line in path.read_text("utf-8").splitlines():
            words |= set(_told(json.loads(line)))
    stripped = {word.strip() for word in words}
    return {w for w in stripped if len(w) > 3 and not (w.isdecimal() and len(w) == 4)}


PERSONAL = re.compile("brukernavn|navn$|adresse|name$|title|summary|curr|message|id$")
IDS = re.compile("courseid|semesterid|actid|eventid|roomid|buildingid|terminnr|aid$|typename")


def _told(value: object, key: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _told(inner, "" if name == "id" and "lastname" not in value else name)
    elif isinstance(value, list):
        for inner in value:
            yield from _told(inner, key)
    elif isinstance(value, str) and PERSONAL.search(key) and not IDS.search(key):
        yield value


def leaks(logs: Iterable[Path], words: Collection[str]) -> list[str]:
    """Return where a log holds any of the words."""
    pattern = re.compile("|".join(re.escape(word) for word in sorted(words)))
    return [
        f"{path.name} holds {len(hits)} of the university's own words, such as {hits[0]!r}"
        for path in logs
        if (hits := pattern.findall(path.read_text("utf-8", "replace")))
    ]
