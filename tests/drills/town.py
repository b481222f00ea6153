"""A made-up university with an installation on it, as all drills use it."""

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json
from tests import commands
from tests.e2e.house import House
from tests.served import start

NIGHT = "2025-09-02T03:05+02:00"
SEMESTER = "25h"


@contextmanager
def town(*, students: int, now: str = NIGHT, more: str = "", database: str = "") -> Iterator[House]:
    """A university whose calendars are right; `more` is appended to the settings."""
    with tempfile.TemporaryDirectory() as made:
        directory = Path(made)
        generate(directory, students=students)
        with start(directory) as sandbox:
            url = database or f"sqlite:///{directory}/kalender.db"
            house = House(directory, directory, sandbox, url, now, "epost:INSTITUSJON")
            text = house.config.read_text().replace("uio.example", "uni.example")
            house.config.write_text(text + more)
            house.run("db", "upgrade")
            house.run("resync", "--all")
            house.run("worker", "--until-idle")
            yield house
            house.assert_logs_are_clean()


def say(text: str = "") -> None:
    """Print a line of the story."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def shown(
    house: House,
    *words: str,
    now: str | None = None,
    env: Mapping[str, str] | None = None,
) -> str:
    """Run a command as the operator does, and print both; `env` beside our environment."""
    quoted = " ".join(f'"{word}"' if " " in word else word for word in words)
    said = house.run(*words, now=now, env=env)
    say(f"\n    $ kalender {quoted}")
    for line in said.rstrip().splitlines():
        say(f"    {line}".rstrip())
    return said


def tell(listener: commands.Process, routing_key: str, body: Json) -> None:
    """Notify, as IntArk would."""
    assert listener.stdin is not None
    listener.stdin.write(json.dumps({"routing_key": routing_key, "body": json.dumps(body)}) + "\n")
    listener.stdin.flush()


def tell_of_course(listener: commands.Process, course: str) -> None:
    """Notify of a course."""
    body = {"id": course, "semesterid": SEMESTER, "terminnr": 1, "lastchanged": "now"}
    tell(listener, "no.uni.tp.TP-prod.course.update", body)


def tell_of_person(listener: commands.Process, number: int) -> None:
    """Notify of a person."""
    body = {"sub": f"personer/{number}", "iss": "FS-prod", "iat": "1582344412462"}
    tell(listener, "no.uni.fs.FS-prod.personer.update", body)


def courses(house: House) -> list[str]:
    """The courses, those with most events first."""
    return sorted(
        (path.stem for path in (house.university / "tp").glob("*.json") if "-" not in path.stem),
        key=lambda course: (-len(house.get(f"tp/{course}")["events"]), course),
    )


def registrations(house: House) -> list[Json]:
    """All registrations, as FS lists them."""
    path = house.university / "fs" / "studentundervisning.ndjson"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def whose(item: Json) -> int:
    """The person of a registration or placement."""
    inner = item.get("id") or item
    return int((inner.get("person") or inner)["personlopenummer"])
