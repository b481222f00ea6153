"""A client of Microsoft Graph that was not written for Kalender, O365, on the sandbox's Graph.

It has habits of its own: it lists calendars, names one by its id, writes switches as texts, begins
keys with capitals, and asks for times in a zone. What it makes must be what everybody else reads.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import requests
from O365.calendar import Schedule

from kalender.sandbox.generate import generate
from kalender.sandbox.installation import Json
from kalender.sandbox.server import Running
from tests.o365 import OSLO, schedule_of
from tests.served import start

STARTS_AT = datetime(2025, 9, 1, 10, 15, tzinfo=OSLO)
ENDS_AT = datetime(2025, 9, 1, 12, 0, tzinfo=OSLO)
MAILBOX = "st000001@uni.example"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A sandbox of a few people whose mailboxes are on its Graph."""
    directory = tmp_path_factory.mktemp("cloud") / "university"
    generate(directory, students=20)
    with start(directory, graph="all") as sandbox:
        yield sandbox


@pytest.fixture
def schedule(running: Running) -> Schedule:
    """The client, with a token that it was given, at the schedule of one person."""
    ends = running.endpoints
    requests.put(f"{ends.control}/graph/settings", json={"quoted_booleans": True}, timeout=10)
    form = {
        "grant_type": "client_credentials",
        "client_id": "kalender",
        "client_secret": "kalender",
        "scope": "https://graph.microsoft.com/.default",
    }
    login = f"{ends.login}/uni.example/oauth2/v2.0/token"
    answer = requests.post(login, data=form, verify=str(ends.login_ca), timeout=10)
    return schedule_of(MAILBOX, ends.graph, answer.json()["access_token"])


def items(running: Running) -> list[Json]:
    """The items of the mailbox that are of no use to anybody but this test."""
    url = f"{running.endpoints.control}/exchange/items?mailbox={MAILBOX}"
    found = requests.get(url, timeout=10).json()
    return [item for item in found if item["subject"].startswith("Lunsj")]


def test_what_it_makes_changes_and_deletes_is_so_for_everybody(
    running: Running, schedule: Schedule
) -> None:
    calendar = schedule.get_default_calendar()
    event = calendar.new_event("Lunsj")
    event.start, event.end, event.location = STARTS_AT, ENDS_AT, "Kantina"
    event.body = "<p>med alle</p>"
    assert event.save()
    (made,) = items(running)
    assert made["id"] == event.object_id
    assert datetime.fromisoformat(made["start"]) == STARTS_AT.astimezone(UTC)
    assert (made["subject"], made["location"], made["sync_key"]) == ("Lunsj", "Kantina", None)

    read = calendar.get_event(event.object_id)
    assert (read.subject, read.start, read.end) == ("Lunsj", STARTS_AT, ENDS_AT)
    read.subject = "Lunsj på takterrassen"
    assert read.save()
    (changed,) = items(running)
    assert (changed["subject"], changed["location"]) == ("Lunsj på takterrassen", "Kantina")
    assert changed["id"] == made["id"]

    subjects = [each.subject for each in calendar.get_events(limit=999, include_recurring=False)]
    assert subjects.count("Lunsj på takterrassen") == 1
    assert read.delete()
    assert [item for item in items(running) if item["folder"] == "calendar"] == []
