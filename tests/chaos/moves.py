"""Mailboxes that move to the other Exchange during a run, by scripts, and may move back again."""

from collections.abc import Mapping, Sequence
from random import Random
from threading import Event
from typing import Any

from sqlalchemy import Engine, text

from kalender.sandbox.journal import item_id
from kalender.sandbox.mailboxes import Mailbox
from kalender.sandbox.moves import advance
from tests.chaos.grounds import Grounds
from tests.e2e.house import House

Phase = Mapping[str, object]  # how both sides answer, in the words of the sandbox's control API
OVER: Phase = {"old": "absent", "new": "full"}
AT_ONCE = "at-once"
SCRIPTS: Mapping[str, Sequence[Sequence[Phase]]] = {
    AT_ONCE: [[OVER]],
    "neither": [[{"old": "moving", "new": "absent"}, {"old": "absent", "new": "absent"}, OVER]],
    "both": [[{"old": "full", "new": "full"}, OVER]],
    "old-empty": [
        [{"old": "empty", "new": "absent"}, {"old": "empty", "new": "full", "created": "new"}, OVER]
    ],
    "new-empty": [[{"old": "absent", "new": "empty"}, OVER]],
    "left-empty": [[{"old": "empty", "new": "full"}]],
    "keyless": [[{**OVER, "properties": False}]],
    "back": [[OVER], [OVER]],
}  # each a way there, or there and back, in phases
SHARE = 0.5  # of all mailboxes
PAUSE = (0.2, 1.2)  # seconds between two phases
PLACES = ("ews", "graph")
WAITED_LONG = 3  # looks at a calendar that waits, before its operator decides
SINCE_OVER = f"""
    SELECT (SELECT count(*) FROM neighbour WHERE name = 'moves' AND held_until > CURRENT_TIMESTAMP)
               AS pauses,
           (SELECT count(*) FROM move WHERE done_at IS NULL AND waits_since IS NOT NULL
            AND decision IS NULL AND looks > {WAITED_LONG}) AS waiting
"""  # noqa: S608 - a number of our own


class Migration:
    """The mailboxes that move in one run; `copies` are pairs of an item's id before and after."""

    def __init__(self, grounds: Grounds, script: str, seed: str, first: str) -> None:
        self.grounds, self.legs = grounds, SCRIPTS[script]
        self._dice = Random(seed)  # noqa: S311
        boxes = grounds.world.exchange.boxes
        self.addresses = [
            address
            for address in sorted(boxes)
            if self._dice.random() < SHARE or address.partition("@")[0] == first
        ]
        self.copies: list[tuple[str, str]] = []
        self.left: list[Mailbox] = []  # what stood in the places that they left
        self.is_over = Event()
        self._phases = [(number, phase) for number, leg in enumerate(self.legs) for phase in leg]

    def begin(self) -> None:
        """Enter the first phase."""
        self._enter(*self._phases[0])

    def go_on(self) -> None:
        """Enter the other phases, with pauses between them."""
        for number, phase in self._phases[1:]:
            self.is_over.wait(self._dice.uniform(*PAUSE))
            self._enter(number, phase)
        self.is_over.set()

    def _enter(self, leg: int, phase: Phase) -> None:
        self.grounds.loop.run(self._advance(leg, phase))

    async def _advance(self, leg: int, phase: Phase) -> None:
        """Let all of them go on, and note what was copied before anybody can delete it."""
        exchange = self.grounds.world.exchange
        if phase is self.legs[leg][0]:
            self._sides = [exchange.boxes[address] for address in self.addresses]
            self.left += self._sides
        to = PLACES[1 - PLACES.index(self._sides[0].place)]
        told: dict[str, Any] = {**phase}
        advance(exchange, to=to, mailboxes=self.addresses, **told)
        for old in self._sides:
            new = exchange.boxes[old.address]
            if new is not old:
                self.copies += [
                    (item_id(old.prefix, number), item.id)
                    for number, item in new.items.items()
                    if item.sync_key
                    is not None  # else it is its user's, for all that anybody knows
                ]

    def ours(self, ids: set[str]) -> set[str]:
        """Return ids of ours, and those of their copies."""
        known = set(ids)
        for before, after in self.copies:
            if before in known:
                known.add(after)
        return known

    def standing_twice(self) -> list[str]:
        """Return the mailboxes that still show entries of ours in a place that they left."""
        return [
            box.address
            for box in self.left
            if box.state != "absent" and any(item.sync_key for item in box.in_folder("calendar"))
        ]


class Operator:
    """Decides about what moved and waits, once the migration is over and the looks were of no help."""

    def __init__(self, house: House, engine: Engine, environment: Mapping[str, str]) -> None:
        self.house, self.engine, self.environment = house, engine, environment
        self.decided = False

    def decide(self) -> None:
        """Let moves that are paused go on; accept what has been looked at in vain."""
        with self.engine.connect() as connection:
            row = connection.execute(text(SINCE_OVER)).one()
        if row.pauses:
            self.house.done("move", "resume", env=self.environment)
        if row.waiting:
            self.decided = True
            self.house.done("move", "accept", "--all", "--yes", env=self.environment)

    def look_everywhere(self) -> None:
        """Have every calendar compared with its mailbox."""
        self.house.done("verify", "--all", env=self.environment)
