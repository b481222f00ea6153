"""The demonstration: a first fill, a day of changes, and every calendar compared at the end.

For tests that the comparison can fail, `KALENDER_DEMO_SABOTAGE=entry` breaks one entry behind
Kalender's back just before it, and `private` touches somebody's own.
"""

import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from kalender.cli.week import Shown, draw
from kalender.demo.day import Change, the_day
from kalender.demo.stage import NOW, Stage, own
from kalender.demo.truth import OSLO, Json, Line

Calendars = Mapping[str, Counter[Line]]
START = datetime.fromisoformat(NOW)
MONDAY = date(2025, 8, 18)


def run(*, people: int = 200, as_json: bool = False) -> int:
    """Play the demonstration; 0 where every calendar was right and nothing private touched."""
    console = Console(stderr=as_json, highlight=False, soft_wrap=True)
    begun = monotonic()
    with tempfile.TemporaryDirectory() as directory:
        console.print("A university is made up and served on loopback: FS, TP and Exchange.")
        with Stage(Path(directory), people) as stage:
            found = _play(stage, console)
    found["seconds"] = round(monotonic() - begun, 1)
    if as_json:
        print(json.dumps(found))  # noqa: T201
    else:
        console.print("[bold]" + _verdict(found))
    return 1 if found["differences"] or found["private_touched"] else 0


def _play(stage: Stage, console: Console) -> Json:
    private = _private(stage)
    wanted: Calendars = stage.truth.calendars(START)
    _first_fill(stage, console, wanted)
    how = f"through RabbitMQ on {stage.broker}" if stage.broker else "by kalender listener --stdin"
    console.print(f"\nA day at the university; each change is told {how}.\n")
    stage.open()
    changes = list(the_day(stage))
    student = changes[0].__self__.student()  # type: ignore[attr-defined]
    console.print(_week(stage, student, "One student's week before:"))
    for change in changes:
        wanted = _change(stage, console, change(), wanted)
    console.print(_week(stage, student, "\nThe same week after:"))
    _sabotage(stage, student)
    held = {address: own(items) for address, items in _all(stage).items()}
    return {
        "people": len(wanted),
        "entries": sum(c.total() for c in held.values()),
        "changes": len(changes),
        "differences": _differences(wanted, held) + _lost_notes(stage, student),
        "private_touched": _touched(stage, private),
    }


def _first_fill(stage: Stage, console: Console, wanted: Calendars) -> None:
    begun = monotonic()
    stage.run("resync", "--all")
    entries = sum(c.total() for c in wanted.values())
    console.print(f"{len(wanted)} people are to get {entries} entries.")
    filled = threading.Thread(target=lambda: stage.run("worker", "--until-idle"))
    filled.start()
    columns = (TextColumn("first fill"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("fill", total=entries)
        while filled.is_alive():
            bar.update(task, completed=_created(stage))
            filled.join(0.2)
    seconds = monotonic() - begun
    console.print(
        f"First fill: {entries} entries in {seconds:.1f} s, {entries / seconds:.0f} a second."
    )


def _created(stage: Stage) -> int:
    return sum(box["own"] for box in _boxes(stage))


def _boxes(stage: Stage) -> list[dict[str, int]]:
    listed = stage.control("GET", "exchange/mailboxes")
    return [{"own": max(0, int(box.get("items", 0)) - 2)} for box in listed]


def _change(stage: Stage, console: Console, change: Change, before: Calendars) -> Calendars:
    """Tell of a change, wait until all whom it concerns are right, and say how long it took."""
    wanted = stage.truth.calendars(START)
    concerned = [a for a in sorted(before.keys() | wanted.keys()) if before.get(a) != wanted.get(a)]
    asked = stage.control("GET", "counters").get("exchange", 0)
    begun = monotonic()
    if change.person:
        concerned = [f"{change.person}@{stage.truth.domain}"]
        stage.run("resync", "--person", change.person, "--verify")
    elif change.body is not None:
        stage.notify(change.routing_key, change.body)
    right = stage.until_right(concerned, wanted)
    took = f"{(monotonic() - begun) * 1000:6.0f} ms" if right else "[red]never right"
    asked = stage.control("GET", "counters").get("exchange", 0) - asked
    whom = f"{len(concerned)} calendar{'s' if len(concerned) != 1 else ''}"
    console.print(f"  {change.what:<52} {whom:>14} {took} {asked:>5} requests")
    return wanted


def _week(stage: Stage, username: str, title: str) -> str:
    lines = own(stage.items(f"{username}@{stage.truth.domain}"))
    shown = [
        Shown(starts_at=e.starts_at, ends_at=e.ends_at, subject=e.subject, location=e.location)
        for e in lines.elements()
    ]
    return f"{title}\n\n{draw(shown, MONDAY, OSLO)}\n"


# -- the end ------------------------------------------------------------------------------------------


def _all(stage: Stage) -> Mapping[str, list[Json]]:
    found: Mapping[str, list[Json]] = stage.control("GET", "exchange/all")
    return found


def _private(stage: Stage) -> dict[str, list[tuple[str, str]]]:
    """Everybody's own items, as they were before anything began."""
    return {
        address: sorted((i["id"], i["change_key"]) for i in stage.items(address) if i["private"])
        for address in stage.truth.calendars(START - timedelta(days=1))
    }


def _touched(stage: Stage, before: Mapping[str, list[tuple[str, str]]]) -> int:
    now = {
        address: sorted((i["id"], i["change_key"]) for i in items if i["private"])
        for address, items in _all(stage).items()
    }
    changed = sum(now.get(address) != items for address, items in before.items())
    return max(changed, int(stage.control("GET", "exchange/private-touched")["count"]))


def _differences(wanted: Calendars, held: Calendars) -> int:
    """How many entries are missing, wrong, doubled or too many; a wrong one counts once."""
    differences = 0
    for address in wanted.keys() | held.keys():
        should, has = wanted.get(address, Counter()), held.get(address, Counter())
        differences += max((should - has).total(), (has - should).total())
    return differences


def _lost_notes(stage: Stage, username: str) -> int:
    items = stage.items(f"{username}@{stage.truth.domain}")
    noted = [i for i in items if i["sync_key"] and "ta med kalkulator" in (i["body"] or "")]
    return 0 if noted else 1


def _sabotage(stage: Stage, username: str) -> None:
    address = f"{username}@{stage.truth.domain}"
    match os.environ.get("KALENDER_DEMO_SABOTAGE"):
        case "entry":
            item = next(
                i for i in stage.items(address) if i["sync_key"] and i["folder"] == "calendar"
            )
            told = {"mailbox": address, "id": item["id"], "do": "edit", "subject": "broken"}
            stage.control("POST", "exchange/meddle", told)
        case "private":
            stage.control("POST", "exchange/meddle", {"mailbox": address, "do": "touch-private"})
        case _:
            pass


def _verdict(found: Json) -> str:
    right = (
        "every calendar holds what it should"
        if not found["differences"]
        else (f"{found['differences']} entries differ from what they should be")
    )
    private = (
        "nobody's own entries were touched"
        if not found["private_touched"]
        else (f"{found['private_touched']} private entries were touched")
    )
    return (
        f"{found['people']} people, {found['entries']} entries, {found['changes']} changes in "
        f"{found['seconds']} s: {right}, {private}."
    )
