"""The pages on an installation whose calendars are right, served over real HTTP on loopback."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic

import pytest
import requests
from playwright.sync_api import Browser

from kalender.app import App, clock_from
from kalender.config import load
from kalender.config.web import SignInSettings, WebSettings
from kalender.operate.status import Expectations
from kalender.store.database import Database
from kalender.web.page import WebRole
from kalender.web.server import WebServer, make_entrance
from kalender.web.sessions import OneTimeToken, Sessions
from kalender.web.sign_in import SignIn
from kalender.web.site import CALLBACK, Entrance
from kalender.web.snapshots import Snapshot, Snapshots
from tests import chromium
from tests.copying import copy_rows
from tests.e2e.conftest import NOW, Template
from tests.e2e.house import House

KEY = "a key of the tests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Pages that are served; `session` signs somebody in as the start of the command would."""

    wired: App
    database: Database
    origin: str
    entrance: Entrance

    def cookie(self, role: WebRole, who: str = "kari") -> str:
        """Return the value of a session's cookie."""
        return self.entrance.sessions.begin(who, role)[1]

    def session(self, role: WebRole, who: str = "kari") -> requests.Session:
        """Return a client that is signed in, whose browser asks for English."""
        client = requests.Session()
        client.headers["Accept-Language"] = "en"
        client.cookies.set(self.entrance.cookie, self.cookie(role, who))
        return client

    def site_snapshot(self) -> Snapshot:
        """Return the values that the status page shows."""
        return Snapshots(self.database, Expectations.of(self.wired)).latest()

    def get(self, path: str, role: WebRole = WebRole.OPERATOR) -> requests.Response:
        """Return the answer to somebody of that role."""
        return self.session(role).get(self.origin + path, timeout=30, allow_redirects=False)


@contextmanager
def served(
    wired: App, *, sign_in: SignInSettings | None = None, web: WebSettings | None = None
) -> Iterator[Pages]:
    """Serve the pages of an installation while the block lasts; `sign_in`: who lets people in.

    `web`: by these settings, as the command does.
    """
    server = WebServer(web or wired.config.web.model_copy(update={"port": 0}))
    entrance = web and make_entrance(server, web, operator="ola")
    entrance = entrance or Entrance(
        hosts=server.hosts,
        sessions=Sessions(KEY, lasting=timedelta(hours=1)),
        token=OneTimeToken() if sign_in is None else None,
        operator="ola",
        sign_in=SignIn(sign_in, redirect_uri=server.origin + CALLBACK, key=KEY)
        if sign_in is not None
        else None,
    )
    with closing(wired.database(connections=4)) as database:
        thread = threading.Thread(target=server.serve, args=(wired, database, entrance))
        thread.start()
        try:
            yield Pages(wired=wired, database=database, origin=server.origin, entrance=entrance)
        finally:
            server.stop()
            thread.join()


def installed(directory: Path, template: Template) -> App:
    """A copy of the filled installation, on the day on which it was filled; nobody else runs."""
    shutil.copy(template.database, directory / "k.db")
    text = (template.database.parent / "config.toml").read_text()
    text = text.replace(f"{template.database.parent}/k.db", f"{directory}/k.db")
    (directory / "config.toml").write_text(text)
    wired = App(load(directory / "config.toml", {}), clock_from(datetime.fromisoformat(NOW)))
    assert f"{directory}/k.db" in wired.config.database.url.get_secret_value()
    return wired


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory, template: Template) -> Iterator[Pages]:
    """Pages that several tests look at: none of them may change the database."""
    with served(installed(tmp_path_factory.mktemp("pages"), template)) as running:
        yield running


@contextmanager
def started(house: House, *, port: int | None = 0) -> Iterator[str]:
    """Run the command while the block lasts, on a port or the configured one; give its address."""
    log, end, pause = house.directory / "web.log", monotonic() + 60, threading.Event()
    with house.running("web", *(() if port is None else ("--port", str(port)))):
        said = ""
        while not (found := re.search(r"^open (\S+)$", said, re.MULTILINE)):
            assert monotonic() < end, said
            pause.wait(0.05)
            said = log.read_text() if log.exists() else ""
        yield found[1]
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, without a window."""
    with ExitStack() as stack:
        try:
            running = stack.enter_context(chromium.launched_browser())
        except chromium.NoBrowserError as error:
            pytest.fail(str(error), pytrace=False)
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def own_pages(
    request: pytest.FixtureRequest, tmp_path: Path, template: Template
) -> Iterator[Pages]:
    """Pages of an installation that a test may change, on either database."""
    wired = installed(tmp_path, template)
    if request.param == "postgresql":
        url = str(request.getfixturevalue("migrated_postgresql"))
        copy_rows(wired.config.database.url.get_secret_value(), url)
        text = (tmp_path / "config.toml").read_text()
        text = text.replace(f"sqlite:///{tmp_path}/k.db", url)
        (tmp_path / "config.toml").write_text(text)
        wired = App(load(tmp_path / "config.toml", {}), clock_from(datetime.fromisoformat(NOW)))
        assert wired.config.database.url.get_secret_value() == url
    with served(wired) as running:
        yield running
