"""Mailboxes move between EWS and Graph, in either direction, as by a university's migration.

    POST /_control/graph/moves  {"to": "graph"|"ews", "mailboxes": [A, …] | "share": 0.25,
                                 "old": …, "new": …, "properties": bool, "created": "kept"|"new"}

It returns where each of these mailboxes lives now: that is the side of which the control API shows
the items, unless `GET /_control/exchange/items?mailbox=A&place=graph|ews` asks for the other. A
share is of those that live on the other side, the same ones each time; without `to` all mailboxes
go on that are on their way.

`old` and `new` say how the two sides answer from now on, until another call says otherwise:

    full    with the items
    empty   as a mailbox without items
    moving  EWS: ErrorMailboxMoveInProgress; Graph: 404 MailboxNotEnabledForRESTAPI
    absent  EWS: ErrorNonExistentMailbox; Graph: 404 MailboxNotEnabledForRESTAPI

Without them the old side is absent and the new one full, and the move is over. On the way, neither
answers with `moving` and `absent`, and both do with `full` and `full`; the old one is empty already
with `empty` and `full`, and the new one is there without items yet with `absent` and `empty`.

The items are copied when the new side is first full, beside what was created there meanwhile, and
what is written to the old one afterwards is lost with it. A copy has another id, change key and
ETag; everything else that it says is the same, its UID too. `"properties": false` drops the named
properties, as some tools do, and `"created": "new"` gives a copy its own time of creation.
"""

import zlib
from collections.abc import Collection
from dataclasses import replace

from kalender.sandbox.mailboxes import Exchange, Item, Mailbox, Move

STATES = {"full": "active", "empty": "active", "moving": "moving", "absent": "absent"}
_SIDES = ("ews", "graph")


def advance(  # noqa: PLR0913 - the words of the control API
    exchange: Exchange,
    *,
    to: str | None = None,
    mailboxes: Collection[str] | None = None,
    share: float | None = None,
    old: str = "absent",
    new: str = "full",
    properties: bool = True,
    created: str = "kept",
) -> dict[str, str]:
    """Move mailboxes on; return where each lives now. ValueError and LookupError refuse all."""
    if old not in STATES or new not in STATES or created not in {"kept", "new"}:
        raise ValueError(f"a side is {', '.join(STATES)}; created is kept or new")
    if to is None:
        moves = list(exchange.moves.values())
    elif to in _SIDES and (mailboxes is None) != (share is None):
        chosen = [_box(exchange, address, to) for address in mailboxes or ()]
        chosen += [] if share is None else _share(exchange, share, to)
        moves = [_begun(exchange, box, to) for box in chosen]
    else:
        raise ValueError("to is ews or graph, for mailboxes or a share")
    for move in moves:
        _answer(move, old, new)
        if new == "full" and not move.has_arrived:
            _arrive(move, properties=properties, created=created)
        lives_there = new == "full" or (new == "empty" and old != "full")
        address = move.old.address
        exchange.boxes[address] = move.new if lives_there else move.old
        if (old, new) == ("absent", "full"):
            del exchange.moves[address], exchange.by_prefix[move.old.prefix]
    return {m.old.address: exchange.boxes[m.old.address].place for m in moves}


def _box(exchange: Exchange, address: str, to: str) -> Mailbox:
    """Return a mailbox that may move to that side."""
    box = exchange.boxes[address.lower()]
    move = exchange.moves.get(box.address)
    if (box if move is None else move.old).place == to:
        raise ValueError(f"{address} cannot move to {to}")
    return box


def _share(exchange: Exchange, share: float, to: str) -> list[Mailbox]:
    """Return the mailboxes of a share that live on the other side, or are on their way from there."""
    moves = exchange.moves
    return [
        box
        for address, box in exchange.boxes.items()
        if (moves[address].old if address in moves else box).place != to
        and zlib.crc32(f"move {address}".encode()) < share * 2**32
    ]


def _begun(exchange: Exchange, box: Mailbox, to: str) -> Move:
    """Return the move of a mailbox, which may have begun before."""
    if box.address not in exchange.moves:
        target = Mailbox(exchange, box.address, to, exchange.next_number())
        exchange.by_prefix[target.prefix] = target
        exchange.moves[box.address] = Move(box, target)
    return exchange.moves[box.address]


def _answer(move: Move, old: str, new: str) -> None:
    move.old.state, move.new.state = STATES[old], STATES[new]
    if old == "empty":
        move.under_way += move.old.items.values()
        move.old.items.clear()


def _arrive(move: Move, *, properties: bool, created: str) -> None:
    """Copy the items; their numbers stay, which make other ids in another mailbox."""
    exchange, now = move.new.exchange, move.new.exchange.now()
    for item in (*move.under_way, *move.old.items.values()):
        copy: Item = replace(item, box=move.new, version=exchange.next_number())
        copy.props = item.props if properties else ()
        if created == "new":
            copy.created = copy.modified = now
        move.new.items[copy.number] = copy
    move.has_arrived = True
    move.under_way.clear()
