"""A database is lost and its backup put back: workers refuse, `recover` vouches, nothing doubles."""

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from kalender.app import App
from kalender.sandbox.installation import Json
from tests.drills.town import (
    courses,
    registrations,
    say,
    shown,
    tell_of_course,
    tell_of_person,
    whose,
)
from tests.e2e.house import SOON_OVER, House, fails

STUDENTS, SETTINGS = 60, ""


def play(house: House) -> None:
    """Print the drill; AssertionError where it does not end with every calendar right."""
    database = Path(house.database.removeprefix("sqlite:///"))
    backup = database.with_suffix(".backup")
    made = _a_day(house, database, backup)
    say("\n16.00. The database is lost. The backup of the night is put back in its place.")
    for old in database.parent.glob(f"{database.name}*"):
        old.unlink()
    shutil.copy(backup, database)
    _hours_pass(database)
    _refuses(house)
    shown(house, "recover", "--since", made.isoformat(), "--yes", env=SOON_OVER)
    shown(house, "resync", "--all")
    house.run("worker", "--until-idle")
    assert house.differences() == []
    assert _doubles(house) == 0
    shown(house, "status")
    say("\nEvery calendar holds what it should, once.")


def _a_day(house: House, database: Path, backup: Path) -> datetime:
    """Make a backup, and let the day go on; return when it was made."""
    with house.running("worker"), house.running("listener", "--stdin", stdin=True) as listener:
        house.wait_until_right()
        made = App.machine_now().replace(microsecond=0)
        say("03.00. The nightly backup is made, while all runs (SQLite here; else pg_dump).")
        _copy(database, backup)
        say("The day goes on: lectures move, students leave.")
        for course in courses(house)[:4]:
            house.change_course(course, _move)
            tell_of_course(listener, course)
        for item in registrations(house)[:5]:
            house.drop("studentundervisning", item)
            tell_of_person(listener, whose(item))
        house.wait_until_right()
    return made


def _copy(database: Path, backup: Path) -> None:
    with closing(sqlite3.connect(database)) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)


def _move(answer: Json) -> None:
    """Everything of the course is an hour later."""
    for event in answer["events"]:
        for name in ("dtstart", "dtend"):
            moment = datetime.fromisoformat(event[name]) + timedelta(hours=1)
            event[name] = moment.isoformat()


def _hours_pass(database: Path) -> None:
    """The drill cannot wait: in the backup all signs of life are two hours older."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute(
            "UPDATE heartbeat SET stopped_at = NULL,"
            " seen_at = strftime('%Y-%m-%d %H:%M:%f', seen_at, '-2 hours')"
        )


def _refuses(house: House) -> None:
    code, said = fails(house, "worker", "--until-idle")
    say(f"\n    $ kalender worker\n    {said}\n    (exit code {code})")
    assert code != 0
    assert "recover --since" in said


def _doubles(house: House) -> int:
    keys = [
        (mailbox, item["sync_key"])
        for mailbox, items in house.get("exchange/all").items()
        for item in items
        if item["sync_key"] and item["folder"] == "calendar"
    ]
    return len(keys) - len(set(keys)) + len(json.loads(house.run("parked", "--json")))
