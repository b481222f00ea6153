"""FS corrects usernames by which Exchange Online names mailboxes: whose calendar it is follows.

What a user deleted is not put back here, so that whatever is not found in the right mailbox, and is
taken for deleted by its user, shows.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kalender.sandbox.installation import Json
from tests.e2e.conftest import NOW
from tests.e2e.house import SOON_OVER, House
from tests.fewer_events import generate_with_fewer_events
from tests.served import start

pytestmark = pytest.mark.e2e
SHARED = "shared@uni.example"  # a mailbox of nobody whose teaching we know
NAMED = 'kind = "graph"\nuser = "{username}@cloud.example"'


@pytest.fixture
def house(tmp_path: Path, migrated_url: str) -> Iterator[House]:
    """An installation on Graph, which names everybody by their username in another domain."""
    directory = tmp_path / "served"
    generate_with_fewer_events(directory, students=5, keep=1, of=3)
    with start(directory, graph="all") as sandbox:
        made = House(
            tmp_path, directory, sandbox, migrated_url, NOW, "epost:INSTITUSJON",
            domain="uni.example", graph="all",
        )  # fmt: skip
        text = made.config.read_text().replace('kind = "graph"', NAMED)
        text = text.replace("processes = 2", "processes = 1")  # enough for five
        made.config.write_text(text + "\n[calendar]\nrestore_deleted = false\n")
        made.send("POST", "exchange/mailboxes", {"addresses": [SHARED]})
        name(made, SHARED, "shared")
        for person in made.get("fs/personer"):
            for mail in person["epost"]:
                if mail["type"] == "INSTITUSJON":
                    name(made, mail["adresse"], person["brukernavn"])
        made.send("PUT", "graph/settings", {"users": "upn"})
        made.run("db", "upgrade")
        yield made
        made.assert_logs_are_clean()


def name(house: House, address: str, username: str, domain: str = "cloud.example") -> None:
    """Let Graph name a mailbox by this username."""
    house.send("PUT", f"graph/mailbox?address={address}", {"upn": f"{username}@{domain}"})


def call(house: House, person: Json, username: str | None) -> None:
    """Let FS tell this username of a person, or none."""
    house.send("PUT", "fs/personer", {**person, "brukernavn": username})


def work(house: House, *persons: Json, by: str = "resync") -> None:
    """Ask FS anew, for all by collection or for these persons, and do all that is due."""
    numbers = [str(person["personlopenummer"]) for person in persons]
    house.run("resync", *(["--person", *numbers] if by == "notification" else ["--all"]))
    house.run("worker", "--until-idle")


def look(house: House) -> None:
    """Look into all calendars."""
    house.run("verify", "--all")
    house.run("worker", "--until-idle")


def students(house: House) -> tuple[Json, Json]:
    """Return two students with teaching."""
    wanted = house.wanted()
    taught = [p for p in house.get("fs/personer") if wanted.get(p["epost"][0]["adresse"])]
    return taught[0], taught[1]


def in_shared(house: House) -> int:
    return len(house.held().get(SHARED, []))


@pytest.mark.parametrize(("by", "looked"), [("resync", True), ("notification", False)])
def test_a_corrected_username_brings_the_calendar_into_the_right_mailbox(
    house: House, by: str, looked: bool
) -> None:
    person, _ = students(house)
    call(house, person, "shared")
    work(house)
    written = in_shared(house)
    assert written
    call(house, person, person["brukernavn"])
    if looked:
        house.run("verify", "--all")
    work(house, person, by=by)
    look(house)
    assert [line for line in house.differences() if not line.startswith(SHARED)] == []
    assert in_shared(house) == written


def test_after_another_form_of_names_everything_is_looked_up_by_recover(house: House) -> None:
    person, _ = students(house)
    name(house, SHARED, person["brukernavn"], "old.example")
    settings = house.config.read_text()
    house.config.write_text(settings.replace("cloud.example", "old.example"))
    work(house)
    written = in_shared(house)
    assert written
    house.config.write_text(settings)
    house.run("recover", "--since", "2025-01-01T00:00+01:00", "--yes", env=SOON_OVER)
    house.run("worker", "--until-idle", env=SOON_OVER)
    house.run("retry", "--all")
    house.run("worker", "--until-idle", env=SOON_OVER)
    assert [line for line in house.differences() if not line.startswith(SHARED)] == []
    assert in_shared(house) == written
