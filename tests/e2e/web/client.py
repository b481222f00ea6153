"""Somebody who looks at pages without a browser, and what they read there."""

import re

import requests
from sqlalchemy import Connection

from kalender.store import brakes, optouts, people, teaching
from kalender.store.database import database_time
from kalender.web.page import WebRole
from tests.e2e.web.conftest import Pages
from tests.e2e.web.lively import STUDENT

PERSON_WISHES = ("again", "verify", "retry", "out", "in")


class Client:
    """Somebody who looks, as a browser would."""

    def __init__(self, pages: Pages, role: WebRole = WebRole.HELPDESK, who: str = "kari") -> None:
        self.pages, self.http = pages, pages.session(role, who)

    def get(self, path: str, **query: str) -> requests.Response:
        return self.http.get(self.pages.origin + path, params=query, timeout=60)

    def look_up(self, whom: str, reason: str = "case 4711") -> requests.Response:
        csrf = re.search(r'name="csrf" value="([^"]+)"', self.get("/person").text)
        assert csrf is not None
        fields = {"csrf": csrf[1], "whom": whom, "reason": reason}
        return self.http.post(f"{self.pages.origin}/look-up", fields, timeout=60)


def plain(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def person_id(pages: Pages, name: str = STUDENT) -> int:
    with pages.database.read() as connection:
        found = people.find_by_any_identity(connection, name)
    assert found is not None
    return found


def form_of(answer: requests.Response) -> tuple[str, dict[str, str]]:
    """Return where the form of a page that asks goes, and the fields that it brings by itself."""
    (form,) = re.findall(r'<form class="wish".*?</form>', answer.text, re.DOTALL)
    action = re.search(r'action="([^"]+)"', form)
    assert action is not None
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', form)
    return action[1].replace("&amp;", "&"), dict(fields)


def wished(client: Client, path: str, **typed: str) -> requests.Response:
    """Ask for a wish's page, and answer it; return the page that says what was done."""
    asked = client.get(path)
    assert asked.status_code == 200, path
    action, fields = form_of(asked)
    return client.http.post(client.pages.origin + action, {**fields, **typed}, timeout=60)


def hold_all(connection: Connection, person_id: int, other_id: int) -> tuple[str, ...]:
    """Let every kind of brake hold; FS empties the person, a list holds both. Return the scopes."""
    (number,) = people.calendars_of(connection, [person_id])
    optouts.put(connection, "reserved", {person_id: optouts.HELD, other_id: optouts.OUT})
    optouts.settle(connection, [other_id])
    optouts.put(connection, "reserved", {other_id: optouts.LEAVING})
    teaching.asked(connection, person_id, database_time(connection), emptied=True)
    scopes = (
        "institution",
        "hand",
        "course MAT1000 25h",
        f"calendar {number}",
        "optout reserved",
    )
    for scope in scopes:
        brakes.hold(connection, scope, "the timetable looks wrong")
    return scopes
