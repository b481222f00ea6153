"""A reverse proxy that signs people in: over a Unix socket, or over TCP with a secret it shares."""

import http.client
import re
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import pytest

from kalender.app import App
from kalender.config.web import WebSettings
from tests.e2e.conftest import Template
from tests.e2e.house import House, fails
from tests.e2e.web.conftest import Pages, installed, served, started

pytestmark = pytest.mark.e2e
SECRET = "a secret that the proxy and we share"
PUBLIC = "http://localhost"
GROUPS = {"status_groups": ["counters"], "helpdesk_groups": ["helpers"], "operator_groups": ["ops"]}
KARI = (("X-Remote-User", "kari"), ("X-Remote-Groups", "students, ops"))
WITH_SECRET = (*KARI, ("X-Kalender-Secret", SECRET))
Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: its status, its text, and the cookie that it sets."""

    status: int
    text: str
    cookie: str | None


class UnixConnection(http.client.HTTPConnection):
    """A connection to a Unix socket, for a path in the place of the host."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(60)
        self.sock.connect(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How requests come to the pages, with any headers, also some twice."""

    open: Callable[[], http.client.HTTPConnection]

    def ask(
        self,
        path: str,
        headers: Headers = (),
        *,
        cookie: str | None = None,
        form: dict[str, str] | None = None,
    ) -> Answered:
        with closing(self.open()) as connection:
            connection.putrequest("GET" if form is None else "POST", path, skip_host=True)
            body = urlencode(form).encode() if form is not None else b""
            given = [("Host", "localhost"), ("Accept-Language", "en"), *headers]
            given += [("Cookie", cookie)] if cookie else []
            for name, value in [*given, ("Content-Length", str(len(body)))]:
                connection.putheader(name, value.encode())
            connection.endheaders(body)
            answer = connection.getresponse()
            kept = answer.getheader("set-cookie")
            text = answer.read().decode()
            return Answered(answer.status, text, kept and kept.partition(";")[0])


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory, template: Template) -> App:
    return installed(tmp_path_factory.mktemp("proxy"), template)


@contextmanager
def over_socket(wired: App, path: Path, **proxy: object) -> Iterator[Way]:
    values = {"public_url": PUBLIC, "socket": path, "proxy": {**GROUPS, **proxy}}
    with served(wired, web=WebSettings.model_validate(values)):
        yield Way(open=lambda: UnixConnection(str(path)))


@contextmanager
def over_tcp(wired: App, **proxy: object) -> Iterator[Way]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {**GROUPS, "shared_secret": SECRET, **proxy}
    values = {"public_url": PUBLIC, "port": port, "proxy": settings}
    with served(wired, web=WebSettings.model_validate(values)):
        yield Way(open=lambda: http.client.HTTPConnection("127.0.0.1", port, timeout=60))


def without(headers: Headers, name: str) -> Headers:
    return [header for header in headers if header[0] != name]


def test_over_a_socket_the_header_signs_in_with_the_role_of_the_groups(
    wired: App, tmp_path: Path
) -> None:
    path = tmp_path / "web.sock"
    with over_socket(wired, path) as way:
        mode = path.stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o660  # whoever opens it is believed
        for groups, role in (
            ("ops,helpers", "operator"),
            ("helpers , x", "help desk"),
            ("counters", "status"),
        ):
            answer = way.ask("/", (KARI[0], ("x-remote-groups", groups)))
            assert (answer.status, f"Signed in as kari ({role})" in answer.text) == (200, True)
        assert way.ask("/operations", (KARI[0], ("X-Remote-Groups", "helpers"))).status == 403
        assert way.ask("/operations", KARI).status == 200
        named = way.ask("/", (("X-Remote-User", "Åse Ø"), KARI[1]))
        assert "Signed in as Åse Ø (operator)" in named.text
        nobody = way.ask("/", (KARI[0], ("X-Remote-Groups", "students")))
        assert (nobody.status, "none of your groups" in nobody.text) == (403, True)
    assert not path.exists()


BAD: dict[str, Headers] = {
    "no header": (),
    "no user": (KARI[1],),
    "no groups": (KARI[0],),
    "an empty user": (("X-Remote-User", " "), KARI[1]),
    "a user too long": (("X-Remote-User", "k" * 121), KARI[1]),
    "a user that no text is": (("X-Remote-User", "k\tari"), KARI[1]),
    "two users": (*KARI, ("X-Remote-User", "ola")),
    "the same user twice": (*KARI, ("x-remote-user", "kari")),
    "groups twice": (*KARI, ("X-Remote-Groups", "ops")),
    "another spelling": (("X_Remote_User", "kari"), KARI[1]),
}


def test_what_is_lacking_or_there_twice_is_nobody_s(wired: App, tmp_path: Path) -> None:
    with over_socket(wired, tmp_path / "web.sock") as way:
        good = way.ask("/", KARI)
        for name, headers in BAD.items():
            for path in ("/", "/nothing", "/operations"):
                answer = way.ask(path, headers, cookie=good.cookie)
                assert (answer.status, answer.cookie) == (401, None), name
                assert "did not say who you are" in answer.text


def test_over_tcp_each_request_brings_the_secret(wired: App) -> None:
    with over_tcp(wired) as way:
        good = way.ask("/", WITH_SECRET)
        assert (good.status, "Signed in as kari (operator)" in good.text) == (200, True)
        for wrong in (
            KARI,
            (*KARI, ("X-Kalender-Secret", "")),
            (*KARI, ("X-Kalender-Secret", SECRET[:-1])),
            (*KARI, ("X-Kalender-Secret", f"{SECRET}x")),
            (*KARI, ("X-Kalender-Secret", "é")),
            (*WITH_SECRET, ("X-Kalender-Secret", SECRET)),
            (*WITH_SECRET, ("X-Kalender-Secret", "another")),
            *((*headers, ("X-Kalender-Secret", SECRET)) for headers in BAD.values()),
        ):
            for cookie in (None, good.cookie):
                answer = way.ask("/", wrong, cookie=cookie)
                assert (answer.status, answer.cookie) == (401, None), wrong


def test_over_a_socket_a_secret_that_is_configured_is_asked_for(wired: App, tmp_path: Path) -> None:
    with over_socket(wired, tmp_path / "web.sock", shared_secret=SECRET) as way:
        assert way.ask("/", KARI).status == 401
        assert way.ask("/", WITH_SECRET).status == 200


def test_without_a_proxy_in_the_settings_no_header_is_believed(pages: Pages) -> None:
    host, _, port = pages.origin.removeprefix("http://").partition(":")
    way = Way(open=lambda: http.client.HTTPConnection(host, int(port), timeout=60))
    with closing(way.open()) as connection:
        connection.request("GET", "/", headers=dict(WITH_SECRET))
        assert connection.getresponse().status == 401


def test_a_session_is_that_of_whom_the_proxy_names_now(wired: App, tmp_path: Path) -> None:
    """Its cookie alone is nothing, and another's or a former role's form counts no more."""
    with over_socket(wired, tmp_path / "web.sock") as way:
        begun = way.ask("/", KARI)
        assert begun.cookie
        again = way.ask("/", KARI, cookie=begun.cookie)
        assert (again.status, again.cookie) == (200, None)
        token = re.search(r'name="csrf" value="([^"]+)"', again.text)
        assert token is not None
        form = {"csrf": token[1], "language": "nn", "back": "/"}
        assert way.ask("/language", KARI, cookie=begun.cookie, form=form).status == 303
        assert way.ask("/language", KARI, form=form).status == 403
        for headers, said in (
            ((("X-Remote-User", "ola"), KARI[1]), "Signed in as ola (operator)"),
            ((KARI[0], ("X-Remote-Groups", "helpers")), "Signed in as kari (help desk)"),
        ):
            other = way.ask("/", headers, cookie=begun.cookie)
            assert (other.status, said in other.text) == (200, True)
            assert other.cookie not in {None, begun.cookie}
            assert way.ask("/language", headers, cookie=begun.cookie, form=form).status == 403


def test_settings_that_contradict_each_other_are_refused_at_start(filled: House) -> None:
    text = filled.config.read_text()
    public, proxy = 'public_url = "https://k.example"\n', '[web.proxy]\nhelpdesk_groups = ["a"]\n'
    at = f'socket = "{filled.directory}/web.sock"\n'
    sign_in = (
        '[web.sign_in]\nissuer = "https://a.example"\nclient_id = "k"\nstatus_groups = ["a"]\n'
    )
    secret = f'shared_secret = "{SECRET}"\n'
    for more, words in (
        (f"{public}{proxy}", "web.proxy.shared_secret is missing: anybody could send"),
        ("session_key = 'short'", "web.session_key must have at least 32 characters"),
        (
            f"{public}{proxy}shared_secret = 'short'",
            "web.proxy.shared_secret must have at least 32 characters",
        ),
        (f"{public}{proxy}{secret}{sign_in}", "not both: one of them signs people in"),
        (f"{public}{at}port = 8650\n{proxy}", "give socket, or address and port, not both"),
        (at, "socket needs [web.proxy] or [web.sign_in]"),
        (f"{at}{proxy}", "public_url is missing"),
        (f'public_url = "http://k.example"\n{at}{proxy}', "public_url must begin with https"),
        (f"{public}{at}[web.proxy]\n", "nobody is let in"),
        (f'{public}{at}{proxy}user_header = "Host"', "must be three headers of their own"),
        (f'{public}socket = "/nowhere/web.sock"\n{proxy}', "cannot listen at the socket"),
    ):
        filled.config.write_text(f"{text}\n[web]\n{more}\n")
        code, said = fails(filled, "web")
        assert (code, words in said, said.count("\n")) == (2, True, 0), said
    filled.config.write_text(f"{text}\n[web]\n{public}{at}{proxy}")
    assert "give no --port" in fails(filled, "web", "--port", "0")[1]
    with socket.socket(socket.AF_UNIX) as another:
        another.bind(f"{filled.directory}/web.sock")
        another.listen()
        assert "at which no other process listens" in fails(filled, "web")[1]
    filled.config.write_text(f"{text}\n[web]\n{public}{proxy}shared_secret_file = '/nowhere/x'\n")
    filled.run("status")  # the secrets of the pages are read by nobody else
    assert "web.proxy.shared_secret_file: No such file" in fails(filled, "web")[1]


def test_the_command_listens_at_the_socket_that_a_dead_process_left_behind(filled: House) -> None:
    path = filled.directory / "web.sock"
    with socket.socket(socket.AF_UNIX) as left_behind:
        left_behind.bind(str(path))
    filled.config.write_text(
        f'{filled.config.read_text()}\n[web]\npublic_url = "{PUBLIC}"\nsocket = "{path}"\n'
        '[web.proxy]\nuser_header = "X-Name"\ngroups_header = "X-Groups"\n'
        'groups_separator = ";"\noperator_groups = ["ops"]\n'
    )
    with started(filled, port=None) as address:
        assert address == f"{PUBLIC}/"
        way = Way(open=lambda: UnixConnection(str(path)))
        answer = way.ask("/", (("X-Name", "kari"), ("X-Groups", "a;ops")))
        assert (answer.status, "Signed in as kari (operator)" in answer.text) == (200, True)
    assert not path.exists()
    assert "kari" not in (filled.directory / "web.log").read_text()
