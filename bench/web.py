"""A running `kalender web` with a client that was let in, and the paths of its heaviest pages."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from secrets import token_urlsafe
from socket import socket
from threading import Event
from time import monotonic
from urllib.parse import urlsplit

import requests
from sqlalchemy import text

from kalender.store.database import Database
from tests import commands
from tests.e2e.house import House
from tests.servers import free_port


@dataclass(frozen=True, slots=True, kw_only=True)
class Web:
    """A running `kalender web`, of which a client has been let in; `headers`: those of a proxy."""

    process: commands.Process
    origin: str
    client: requests.Session
    headers: Mapping[str, str] = field(default_factory=dict)

    def look_up(self, person_id: int) -> str:
        """Return the path of a person's page."""
        answer = self.client.post(
            f"{self.origin}/look-up",
            self.look_up_form(person_id),
            allow_redirects=False,
            timeout=60,
        )
        assert answer.status_code == requests.codes.see_other, answer.status_code
        return answer.headers["location"]

    def look_up_form(self, person_id: int) -> dict[str, str]:
        """Return the fields of a form that looks a person up."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/person").text)
        assert found
        return {"whom": f"person {person_id}", "reason": "bench", "csrf": found[1]}

    def get(self, path: str) -> requests.Response:
        """Ask for a page."""
        answer = self.client.get(self.origin + path, timeout=60)
        assert answer.ok, f"{path}: {answer.status_code}"
        return answer


@contextmanager
def serving(house: House) -> Iterator[Web]:
    """Run the command while the block lasts, and let a client in by the address that it prints."""
    with _running(house, port=0) as (process, address), requests.Session() as client:
        client.trust_env = False  # no proxy between us and loopback
        client.get(address, timeout=60).raise_for_status()
        yield Web(process=process, origin=address.partition("/enter")[0], client=client)


@contextmanager
def serving_several(house: House, people: int) -> Iterator[Sequence[Web]]:
    """Run the command behind a proxy that signs so many people in, while the block lasts.

    The clients send what the proxy would; they are of one process and one address.
    """
    port, before = free_port(), house.config.read_text()
    secret = token_urlsafe(32)
    house.config.write_text(
        f'{before}\n[web]\npublic_url = "http://127.0.0.1:{port}"\n'
        f'[web.proxy]\noperator_groups = ["operators"]\nshared_secret = "{secret}"\n'
    )
    try:
        with _running(house, port=port) as (process, address), ExitStack() as stack:
            webs = []
            for number in range(people):
                client = stack.enter_context(requests.Session())
                client.trust_env = False
                headers = {
                    "X-Remote-User": f"person {number}",
                    "X-Remote-Groups": "operators",
                    "X-Kalender-Secret": secret,
                }
                client.headers.update(headers)
                origin = address.rstrip("/")
                webs.append(Web(process=process, origin=origin, client=client, headers=headers))
                webs[-1].get("/")
            yield webs
    finally:
        house.config.write_text(before)


@contextmanager
def _running(house: House, *, port: int) -> Iterator[tuple[commands.Process, str]]:
    """Run the command; give it with the address that it prints once it listens."""
    log, end, pause = house.directory / "web.log", monotonic() + 60, Event()
    log.unlink(missing_ok=True)
    with house.running("web", "--port", str(port)) as process:
        while not (found := re.search(r"^open (\S+)$", log.read_text(), re.MULTILINE)):
            assert monotonic() < end, log.read_text()
            pause.wait(0.05)
        while not _answers(found[1]):
            assert monotonic() < end, log.read_text()
            pause.wait(0.05)
        yield process, found[1]


def _answers(address: str) -> bool:
    """Whether somebody listens there already."""
    parts = urlsplit(address)
    with socket() as probe:
        return not probe.connect_ex((parts.hostname, parts.port))


def paths(house: House, web: Web) -> Mapping[str, str]:
    """Return the path of each kind of page, of the person and of the course with most to show."""
    database = Database(house.database)
    with database.read() as connection:
        person_id, calendar_id = connection.execute(text(HEAVIEST_PERSON)).one()
        starts = connection.execute(text(STARTS), {"calendar_id": calendar_id}).scalars().all()
        course = connection.execute(text(HEAVIEST_COURSE)).scalar_one()
    database.close()
    person = f"{web.look_up(person_id)}?week={_fullest_week(starts)}"
    return {
        "status": "/",
        "a person": person,
        "a person, asked about a course": f"{person}&course={course}",
        "a course": f"/course?code={course}",
        "courses that brakes hold": "/course",
        "changes": "/changes",
        "changes of a course": f"/changes?course={course}",
        "changes of a cause": "/changes?cause=resync&what=create",
        "who was looked up": "/person",
    }


HEAVIEST_PERSON = """
    SELECT c.person_id, c.calendar_id FROM calendar c JOIN entry e ON e.calendar_id = c.calendar_id
    GROUP BY c.person_id, c.calendar_id ORDER BY count(*) DESC, c.calendar_id LIMIT 1
"""
STARTS = "SELECT CAST(starts_at AS TEXT) FROM entry WHERE calendar_id = :calendar_id"
HEAVIEST_COURSE = """
    SELECT course FROM change_log WHERE course IS NOT NULL
    GROUP BY course ORDER BY count(*) DESC, course LIMIT 1
"""


def _fullest_week(starts: Sequence[str]) -> str:
    """Return the Monday of the week in which most begins, of instants as text."""
    days = [datetime.fromisoformat(start[:10]) for start in starts]
    mondays = [day - timedelta(days=day.weekday()) for day in days]
    return f"{max(sorted(set(mondays)), key=mondays.count):%Y-%m-%d}"
