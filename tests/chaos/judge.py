"""At rest: is every calendar what it should be, once each, and was nothing else read or touched?"""

import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from tests.chaos.grounds import Grounds
from tests.e2e.house import House

READS_BY_ID = {"GetItem", "UpdateItem", "DeleteItem"}
LIVE = """
    SELECT c.address, e.item_id, e.event_id, e.status, e.fingerprint
    FROM entry e JOIN calendar c USING (calendar_id) WHERE e.status NOT IN ('abandoned', 'released')
"""
WAITING = "SELECT count(*) FROM dirty WHERE parked_at IS NULL"


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


def judge(house: House, grounds: Grounds, engine: Engine, created: Collection[str]) -> Found:
    """Compare everything; `created` are the ids of ours from before."""
    found = Found()
    for mailbox, lines in _by_mailbox(house.differences()).items():
        more = sum(" has " in line for line in lines)
        less = len(lines) - more
        found.lost += [line for line in lines if " lacks " in line]
        found.doubled += [f"{mailbox} {more - less} too many"] * (more > less)
    _compare_with_record(house, engine, found)
    found.foreign += list(_foreign(grounds, created))
    if touched := grounds.world.exchange.private_touched:
        found.foreign.append(f"{touched} private entries touched")
    return found


def _by_mailbox(lines: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.split(" ", 1)[0], []).append(line)
    return found


def _compare_with_record(house: House, engine: Engine, found: Found) -> None:
    """Exactly one live entry that we recorded for each event, and nothing in doubt."""
    with engine.connect() as connection:
        rows = connection.execute(text(LIVE)).all()
    recorded = {(row.address, row.item_id) for row in rows if row.status != "intended"}
    there = {
        (mailbox, item["id"])
        for mailbox, items in house.get("exchange/all").items()
        for item in items
        if item["sync_key"] is not None and item["folder"] == "calendar"
    }
    found.doubled += [f"{mailbox} holds one not recorded" for mailbox, _ in there - recorded]
    found.lost += [f"{mailbox} lacks one recorded" for mailbox, _ in recorded - there]
    events = Counter((row.address, row.event_id) for row in rows)
    found.doubled += [f"{where} {event}" for (where, event), n in events.items() if n > 1]
    open_ = [row for row in rows if row.status != "live" or row.fingerprint is None]
    found.other += [f"in doubt at rest: {row.status} in {row.address}" for row in open_]


# -- the log of requests --------------------------------------------------------------------------------


def created_ids(grounds: Grounds) -> set[str]:
    """Return the ids of all items that were created for us."""
    requests = list(grounds.world.journal.since(0))
    return {
        str(item)
        for each in requests
        if each["operation"] == "CreateItem"
        for item in _listed(each["ids"])
    }


def _foreign(grounds: Grounds, before: Collection[str]) -> Iterator[str]:
    """Give each request that names neither ids of ours nor our property."""
    ours = created_ids(grounds) | set(before)
    for each in grounds.world.journal.since(0):
        if each["neighbour"] == "exchange" and not names_only_ours(each, ours):
            yield f"request {each['n']}: {each['operation']} names what is not ours"


def names_only_ours(request: Mapping[str, object], ours: Collection[str]) -> bool:
    """Whether a request creates with our property, names ids of ours, or seeks our property."""
    match request["operation"]:
        case "CreateItem":
            return len(_listed(request["keys"])) == len(_listed(request["ids"]))
        case "FindItem":
            return bool(request["restricted"])
        case operation:
            return operation in READS_BY_ID and set(_listed(request["ids"])) <= set(ours)


def _listed(value: object) -> list[Any]:
    assert isinstance(value, list)
    return value


# -- the logs of the processes --------------------------------------------------------------------------


def secrets_of(university: Path) -> set[str]:
    """Return every name, title, address and username of a university's files, as they stand."""
    words: set[str] = set()
    for path in (*university.glob("tp/*.json"), *university.glob("fs/personer.ndjson")):
        for line in path.read_text("utf-8").splitlines():
            words |= set(_told(json.loads(line)))
    return {word.strip() for word in words if len(word.strip()) > 3}


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
