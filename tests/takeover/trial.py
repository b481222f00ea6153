"""Many calendars of a predecessor are taken over while processes die and answers are lost, and judged.

Who dies where is drawn by the seed for each point by its name (`tests.chaos.points`), so that one
point is struck once. At rest each event stands once, every note is kept, nothing foreign was read,
and what was not adopted is listed; a second run changes nothing; handed back, all is as it was.
"""

import json
import random
import signal
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json, missing_and_surplus, own_entries
from kalender.sandbox.meddle import add, meddle
from kalender.sandbox.oracle import Expected
from kalender.store.database import Database
from tests.chaos.director import Director
from tests.chaos.grounds import Loop
from tests.chaos.installation import VISIBLE, Command, Databases, environment, signalled
from tests.chaos.judge import BACKENDS, BATCH, BY_ID, CREATES, SEARCHES, UNAUTHORISED
from tests.chaos.template import opened
from tests.e2e.house import House
from tests.takeover.predecessor import PATH, SETTINGS, Predecessor

NOW = "2025-08-18T08:00+02:00"
COLOUR = "TimePlan-farge"
STANDS_BESIDE = timedelta(days=1)  # by which a lecture moved in TP since the predecessor wrote it
OFTEN = {"edited": 0.05, "noted": 0.12, "attached": 0.05, "moved": 0.04}  # of the entries


class Reaper(Director):
    """Kills who comes to a point, or loses the answer there, each point at most once."""

    def __init__(self, address: Path, seed: str, share: float) -> None:
        super().__init__(address, (), {})
        self.seed, self.share = seed, share
        self.struck: set[str] = set()
        self.killed = self.lost = 0

    def _strikes(self, point: str) -> bool:
        """Whether something befalls whoever is at this point: as the seed has it, and once."""
        drawn = blake2b(f"{self.seed} {point}".encode(), digest_size=4).digest()
        is_drawn = int.from_bytes(drawn) < self.share * 2**32 and point.startswith("calendar ")
        with self._lock:
            strikes = self.listening and is_drawn and point not in self.struck
            self.struck |= {point} if strikes else set()
        return strikes

    def passes(self, pid: int, point: str) -> Future[str] | None:
        """Kill who was drawn."""
        if self._strikes(point):
            self.killed += 1
            signalled(pid, signal.SIGKILL)
        return None

    async def at_sandbox(self, pid: int, point: str) -> str:
        """Return what becomes of a request: carried out late or without an answer, or neither."""
        if not self._strikes(point):
            return "go"
        self.lost += 1
        return "late 0.4" if point.endswith("after send") and len(point) % 2 else "drop"


@dataclass
class Written:
    """What the predecessor wrote into one calendar, and what its owner did there."""

    ids: list[str] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)  # item -> what its owner noted
    files: set[str] = field(default_factory=set)
    rest: set[str] = field(default_factory=set)  # that show no event: series, and moved in TP


@dataclass
class Trial:
    """One takeover on one kind of Exchange."""

    directory: Path
    calendars: int
    seed: int
    on_graph: bool
    share: float
    most: int | None = None  # entries that the predecessor wrote into one calendar; None: all
    wrong: list[str] = field(default_factory=list)

    def run(self) -> list[str]:
        """Take over and hand back; return all that is wrong."""
        with ExitStack() as stack:
            university = self.directory / "university"
            generate(university, students=max(20, self.calendars))
            loop = Loop()
            self.grounds = stack.enter_context(
                opened(loop, university, None, on_graph=self.on_graph)
            )
            if self.grounds.world.cloud is not None:
                self.grounds.world.cloud.settings.visible_after = VISIBLE
            databases = Databases("sqlite", "", self.directory)
            self.house = House(
                self.directory,
                university,
                self.grounds,
                databases.make(),
                NOW,
                "{username}@uni.example",
                domain="uni.example",
                graph="all" if self.on_graph else "none",
            )
            self.environment = environment(on_graph=self.on_graph)
            self.reaper = Reaper(self.directory / "points", f"{self.seed}", self.share)
            stack.callback(self.reaper.close)
            self._prepare()
            self._take_over()
            self._take_over_again()
            self._hand_back()
            return self.wrong

    # -- what there is ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Mirror the university, and let the predecessor have written the term."""
        text = self.house.config.read_text().replace('mode = "all"', 'mode = "listed"')
        self.house.config.write_text(text + SETTINGS)
        for words in (["db", "upgrade"], ["resync", "--all"], ["worker", "--until-idle"]):
            self._command(*words)
        self.wanted = self.house.wanted()
        boxes = sorted(self.wanted, key=lambda address: (-len(self.wanted[address]), address))
        self.boxes = boxes[: self.calendars]
        dice = random.Random(self.seed)  # noqa: S311
        predecessor = Predecessor(self.house, post=self._post)
        self.written = {box: self._written(predecessor, box, dice) for box in self.boxes}
        self.before = self._standing()
        self.since = max(int(str(row["n"])) for row in self.grounds.world.journal.since(0))

    def _post(self, told: Mapping[str, Any]) -> Json:
        async def add_it() -> Json:
            return dict(add(self.grounds.world.exchange.boxes[told["mailbox"]], told).shown())

        return self.grounds.loop.run(add_it())

    def _meddle(self, box: str, **told: object) -> None:
        async def do_it() -> None:
            meddle(self.grounds.world.exchange.boxes[box], told)

        self.grounds.loop.run(do_it())

    def _written(self, predecessor: Predecessor, box: str, dice: random.Random) -> Written:
        made, events = Written(), self.wanted[box]
        for shown in events[: self.most]:
            drawn = {what for what, share in OFTEN.items() if dice.random() < share}
            old = _before_its_move(shown, events) if "moved" in drawn else None
            item_id = str(predecessor.write(box, old or shown)["id"])
            made.ids.append(item_id)
            made.rest |= {item_id} if old else set()
            if "noted" in drawn:
                made.notes[item_id] = f"notat {item_id[-12:]}"
                self._meddle(box, do="annotate", id=item_id, text=made.notes[item_id])
            if "edited" in drawn and "(" in shown.location:  # a room still tells what it shows
                self._meddle(box, do="edit", id=item_id, subject="Min egen tittel")
            if "attached" in drawn:
                made.files.add(item_id)
                self._meddle(box, do="attach", id=item_id, name="lysark.pdf")
        series = str(predecessor.write(box, events[0], series=True)["id"])
        made.ids.append(series)
        made.rest.add(series)
        return made

    # -- what is done -------------------------------------------------------------------------------

    def _command(self, *words: str) -> None:
        command = Command(self.house, words, self.environment)
        if not command.wait(600) or command.process.exitcode:
            command.kill()
            self.wrong.append(f"kalender {words[0]} did not end well: {command.process.exitcode}")

    def _work(self) -> None:
        """Let workers work under kills and lost answers until nothing is due."""
        self.grounds.director = self.reaper
        points = {"KALENDER_TEST_POINTS": str(self.reaper.address)}
        command = Command(self.house, ["worker", "--until-idle"], {**self.environment, **points})
        if not command.wait(1800) or command.process.exitcode:
            command.kill()
            self.wrong.append(f"the worker did not end well: {command.process.exitcode}")
        self.grounds.director = None
        self._command("worker", "--until-idle")

    def _ask(self, *words: str) -> None:
        persons = [box.partition("@")[0] for box in self.boxes]
        for start in range(0, len(persons), 50):
            self._command("takeover", "person", *persons[start : start + 50], *words, "--yes")

    def _take_over(self) -> None:
        self._ask("--unmatched", "leave")
        self._work()
        self._judge_events("taken over")
        self._judge_what_users_did("taken over")
        self._judge_requests()
        self._judge_listing()

    def _take_over_again(self) -> None:
        before, writes = self._standing(), self._writes()
        self._ask("--unmatched", "leave")
        self._work()
        if self._standing() != before or self._writes() != writes:
            self.wrong.append("a second run changed something")

    def _hand_back(self) -> None:
        self._ask("--undo")
        self._work()
        after = self._standing()
        for box in self.boxes:
            if after[box] != self.before[box]:
                self.wrong.append(f"{box} is not as it was: {len(after[box])} entries")
        self._judge_what_users_did("handed back")
        self._judge_requests()

    # -- what is right ------------------------------------------------------------------------------

    def _items(self) -> dict[str, list[Json]]:
        """Return what stands in each of the calendars beside the private."""
        everything = self.house.all_items()
        return {
            box: [i for i in everything[box] if i["folder"] == "calendar" and not i["private"]]
            for box in self.boxes
        }

    def _standing(self) -> dict[str, list[tuple[str, bool, str | None]]]:
        """Return of each item its id, whether it is ours, and the predecessor's mark."""
        return {
            box: sorted((i["id"], _is_ours(i), _mark(i)) for i in items)
            for box, items in self._items().items()
        }

    def _writes(self) -> int:
        counters = Counter(self.house.get("counters"))
        names = ("CreateItem", "UpdateItem", "DeleteItem", "CreateEvent", "UpdateEvent")
        return sum(counters[f"{place}.{name}"] for place in BACKENDS for name in names)

    def _judge_events(self, when: str) -> None:
        """Each event stands once, or the predecessor's own entry of its course stands at its time."""
        for box, items in self._items().items():
            ours = own_entries([item for item in items if _is_ours(item)])
            missing, surplus = missing_and_surplus(self.wanted[box], ours)
            beside = [i for i in items if not _is_ours(i) and i["id"] in self.written[box].rest]
            self.wrong += [f"{when}: {box} has {each} too many" for each in surplus]
            self.wrong += [
                f"{when}: {box} lacks {each}"
                for each in missing
                if not any(_stands_at(item, each) for item in beside)
            ]
            lost = set(self.written[box].ids) - {item["id"] for item in items}
            self.wrong += [f"{when}: {box} lost {len(lost)} of the predecessor's"] * bool(lost)

    def _judge_what_users_did(self, when: str) -> None:
        for box, items in self._items().items():
            by_id = {item["id"]: item for item in items}
            written = self.written[box]
            for item_id, note in written.notes.items():
                if by_id[item_id]["body"].count(note) != 1:
                    self.wrong.append(f"{when}: {box} lost a note")
            if any(not by_id[item_id]["attachments"] for item_id in written.files):
                self.wrong.append(f"{when}: {box} lost a file")
            if any(COLOUR not in by_id[item_id]["categories"] for item_id in written.ids):
                self.wrong.append(f"{when}: {box} lost a category")

    def _judge_requests(self) -> None:
        """Every request names what is ours or the predecessor's, or seeks one of the two marks."""
        known = {item_id for written in self.written.values() for item_id in written.ids}
        rows: list[Json] = list(self.grounds.world.journal.since(self.since))
        known |= {str(i) for row in rows if row["operation"] in CREATES for i in _ids(row)}
        for row in rows:
            if row["neighbour"] in BACKENDS and not _is_allowed(row, known):
                self.wrong.append(f"request {row['n']}: {row['operation']} names what is foreign")
        exchange = self.grounds.world.exchange
        if exchange.private_touched or exchange.mails:
            self.wrong.append("private entries were touched, or somebody was mailed")

    def _judge_listing(self) -> None:
        """All that is the predecessor's still is listed, person by person, and nothing else."""
        told = json.loads(self.house.run("takeover", "status", "--json", env=self.environment))
        rest = sum(len(written.rest) for written in self.written.values())
        listed = sum(n for fate, n in told["entries"].items() if fate != "adopted")
        if (listed, told["calendars"]["done"]) != (rest, len(self.boxes)):
            self.wrong.append(f"{listed} are listed of {rest}, {told['calendars']}")
        database = Database(self.house.database)
        with database.read() as connection:
            found = connection.exec_driver_sql(
                "SELECT item_id FROM takeover_item WHERE fate <> 'adopted'"
            )
            ids = set(found.scalars())
        database.close()
        if ids != {item_id for written in self.written.values() for item_id in written.rest}:
            self.wrong.append("other entries are listed than those that show no event")


def _before_its_move(shown: Expected, events: Sequence[Expected]) -> Expected | None:
    """Return where an event was before TP moved it, where nothing of its calendar stands then."""
    old = shown._replace(start=shown.start + STANDS_BESIDE, end=shown.end + STANDS_BESIDE)
    is_free = all(each.end <= old.start or old.end <= each.start for each in events)
    return old if is_free else None


def _is_ours(item: Mapping[str, Any]) -> bool:
    return "#" in (item["sync_key"] or "")


def _mark(item: Mapping[str, Any]) -> str | None:
    mark = item["properties"].get(PATH)
    return None if mark == "taken over" else mark


def _stands_at(item: Mapping[str, Any], shown: Expected) -> bool:
    start, end = (datetime.fromisoformat(item[name]) for name in ("start", "end"))
    return start < shown.end and shown.start < end


def _ids(row: Mapping[str, Any]) -> Iterator[Any]:
    yield from row["ids"]


def _is_allowed(row: Mapping[str, Any], known: set[str]) -> bool:
    operation = row["operation"]
    if operation in CREATES:
        return len(row["keys"]) == len(row["ids"])
    if operation in SEARCHES:
        return bool(row["restricted"]) or row["mark"] == PATH
    if operation == BATCH or row["status"] == UNAUTHORISED:
        return True
    return operation in BY_ID and all(str(item) in known for item in row["ids"])


def tried(
    directory: Path,
    calendars: int,
    seed: int,
    *,
    on_graph: bool,
    share: float,
    most: int | None = None,
) -> Trial:
    """Run one trial, and return it with all that is wrong."""
    directory.mkdir(parents=True, exist_ok=True)
    trial = Trial(directory, calendars, seed, on_graph, share, most)
    trial.run()
    return trial
