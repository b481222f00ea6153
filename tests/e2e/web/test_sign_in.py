"""Signing in by OpenID Connect: at a provider not made for these tests, and at a hostile one."""

import base64
import json
import re
import socket
import warnings
from collections.abc import Callable, Iterator
from time import time

import pytest
import requests
from joserfc import jwk, jwt
from playwright.sync_api import Browser

from kalender.app import App
from kalender.config.web import SignInSettings
from kalender.web.page import WebRole
from kalender.web.site import PAGES
from tests.e2e.conftest import Template
from tests.e2e.house import House, fails
from tests.e2e.web.conftest import Pages, installed, served, started
from tests.e2e.web.provider import Claims, Provider, a_key, provided

pytestmark = pytest.mark.e2e
SECRET = "a secret of the client"
GROUPS = {"status_groups": ["counters"], "helpdesk_groups": ["helpers"], "operator_groups": ["ops"]}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with provided() as running:
        yield running


@pytest.fixture(scope="session")
def wired(tmp_path_factory: pytest.TempPathFactory, template: Template) -> App:
    return installed(tmp_path_factory.mktemp("sign-in"), template)


@pytest.fixture
def door(wired: App, provider: Provider) -> Iterator[Pages]:
    """Pages that are entered by way of the hostile provider."""
    with served(wired, sign_in=settings(provider)) as pages:
        yield pages


def settings(provider: Provider, **more: object) -> SignInSettings:
    values = {"issuer": provider.issuer, "client_id": "kalender", "client_secret": SECRET}
    return SignInSettings.model_validate({**values, **GROUPS, **more})


def entered(pages: Pages, path: str = "/") -> tuple[requests.Session, requests.Response]:
    """Ask for a page as a browser does, all the way; return the client and the last answer."""
    client = requests.Session()
    client.headers["Accept-Language"] = "en"
    return client, client.get(pages.origin + path, timeout=30)


def is_refused(pages: Pages, client: requests.Session) -> bool:
    answer = client.get(pages.origin + "/", timeout=30, allow_redirects=False)
    return answer.status_code == 303 and answer.headers["location"].startswith("/sign-in?")


# -- who is let in ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["counters"], "status"),
        (["counters", "helpers"], "help desk"),
        (["ops", "counters"], "operator"),
        ("helpers", "help desk"),
    ],
)
def test_who_is_in_a_group_has_its_role_and_comes_to_the_page_they_wanted(
    door: Pages, provider: Provider, groups: object, role: str
) -> None:
    provider.claims["groups"] = groups
    client, answer = entered(door, "/?a=1&b=2")
    assert answer.status_code == 200
    assert 'href="/?a=1&amp;b=2"' in answer.text
    home = client.get(door.origin + "/", timeout=30, allow_redirects=False)
    assert f"Signed in as kari ({role})" in home.text


@pytest.mark.parametrize("groups", [[], ["others"], None, {"helpers": 1}, [["helpers"]]])
def test_who_is_in_no_group_is_told_so_and_has_no_session(
    door: Pages, provider: Provider, groups: object
) -> None:
    provider.claims["groups"] = groups
    client, answer = entered(door)
    assert (answer.status_code, "none of your groups" in answer.text) == (403, True)
    assert is_refused(door, client)


def test_entra_tells_many_groups_by_graph_and_feide_by_its_own_api(
    wired: App, provider: Provider
) -> None:
    graph, feide = f"{provider.issuer}/memberOf", f"{provider.issuer}/groups/me/groups"
    provider.answers["/memberOf"] = (
        200,
        {"value": [{"id": "x"}], "@odata.nextLink": f"{provider.issuer}/more"},
    )
    provider.answers["/more"] = (200, {"value": [{"id": "ops"}]})
    provider.answers["/groups/me/groups"] = (200, [{"id": "helpers", "displayName": "Help"}])
    entra = settings(provider, groups_from="entra", entra_groups_url=graph)
    with served(wired, sign_in=entra) as pages:
        assert entered(pages)[1].ok
        assert "/memberOf" not in provider.asked  # the token told them
        provider.left_out = {"groups"}
        provider.claims = {"_claim_names": {"groups": "src1"}}
        client, _ = entered(pages)
        assert "(operator)" in client.get(pages.origin, timeout=30).text
        evil = {"value": [], "@odata.nextLink": "http://127.0.0.1:9/evil"}
        provider.answers["/memberOf"] = (200, evil)
        assert entered(pages)[1].status_code == 503
    provider.claims = {}
    at_feide = settings(provider, groups_from="feide", feide_groups_url=feide)
    with served(wired, sign_in=at_feide) as pages:
        client, _ = entered(pages)
        assert "(help desk)" in client.get(pages.origin, timeout=30).text


# -- a hostile provider, and hostile browsers ---------------------------------------------------------


def unsigned(claims: Claims) -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return f"{part({'alg': 'none'})}.{part(claims)}."


def signed_with_the_client_secret(claims: Claims) -> str:
    return jwt.encode({"alg": "HS256", "kid": "one"}, claims, jwk.OctKey.import_key(SECRET))


STRANGER = a_key("one")
FORGERIES: dict[str, Callable[[Provider], object]] = {
    "unsigned": lambda p: setattr(p, "sign", unsigned),
    "signed with a shared secret": lambda p: setattr(p, "sign", signed_with_the_client_secret),
    "signed with another key": lambda p: setattr(p, "signing", STRANGER),
    "signed with an unknown key": lambda p: setattr(p, "signing", a_key("two")),
    "no token": lambda p: setattr(p, "sign", lambda _: ""),
    "another issuer": lambda p: p.claims.update(iss="https://evil.example"),
    "another audience": lambda p: p.claims.update(aud="another"),
    "two audiences": lambda p: p.claims.update(aud=["kalender", "another"]),
    "another party": lambda p: p.claims.update(azp="another"),
    "expired": lambda p: p.claims.update(exp=int(time()) - 120),
    "from the future": lambda p: p.claims.update(iat=int(time()) + 600),
    "another nonce": lambda p: p.claims.update(nonce="another"),
    **{
        f"without {name}": lambda p, name=name: p.left_out.add(name)  # type: ignore[misc]
        for name in ("iss", "aud", "exp", "iat", "nonce", "sub")
    },
    "another state": lambda p: setattr(p, "back", {"state": "another"}),
    "another code": lambda p: setattr(p, "back", {"code": "another"}),
    "an error": lambda p: setattr(p, "back", {"error": "access_denied"}),
    "another issuer in the answer": lambda p: setattr(p, "back", {"iss": "https://evil.example"}),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_is_forged_gives_no_session(door: Pages, provider: Provider, forgery: str) -> None:
    FORGERIES[forgery](provider)
    client, answer = entered(door)
    assert (answer.status_code, "could not be completed" in answer.text) == (401, True)
    assert is_refused(door, client)


def test_an_answer_without_the_browser_that_began_is_refused(
    door: Pages, provider: Provider
) -> None:
    """A code that an attacker has a victim's browser bring, and one that is brought twice."""
    client = requests.Session()
    begun = client.get(f"{door.origin}/sign-in", timeout=30, allow_redirects=False)
    cookie = begun.headers["set-cookie"].lower()
    assert ("httponly" in cookie, "samesite=lax" in cookie) == (True, True)
    back = requests.get(begun.headers["location"], timeout=30, allow_redirects=False)
    callback = back.headers["location"]
    assert requests.get(callback, timeout=30).status_code == 401
    other = requests.Session()
    other.get(f"{door.origin}/sign-in", timeout=30, allow_redirects=False)
    assert other.get(callback, timeout=30).status_code == 401
    assert client.get(callback, timeout=30).status_code == 200
    assert client.get(callback, timeout=30).status_code == 401  # its cookie is gone


def test_a_new_key_of_the_provider_is_fetched_and_an_unknown_one_not_again_and_again(
    wired: App, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kalender.web.sign_in.KEYS_AGAIN_SECONDS", 0.0)  # a minute has passed
    with served(wired, sign_in=settings(provider)) as pages:
        assert entered(pages)[1].ok
        provider.keys = [a_key("two")]
        assert entered(pages)[1].ok
    monkeypatch.undo()
    with served(wired, sign_in=settings(provider)) as pages:
        provider.signing = a_key("three")
        provider.asked.clear()
        for _ in range(3):
            assert entered(pages)[1].status_code == 401
        assert provider.asked.count("/keys") == 1


def test_a_provider_that_is_away_or_names_another_is_said_in_words(
    wired: App, provider: Provider
) -> None:
    for answer in (
        (500, {}),
        (200, {"issuer": "https://evil.example"}),
        (302, "http://127.0.0.1:9"),
    ):
        provider.answers["/.well-known/openid-configuration"] = answer
        with served(wired, sign_in=settings(provider)) as pages:
            _, said = entered(pages)
        assert (said.status_code, "The sign-in service does not answer" in said.text) == (503, True)


# -- no page without its role -------------------------------------------------------------------------


def test_a_scan_that_knows_only_the_root_finds_no_page_without_its_role(
    wired: App, provider: Provider
) -> None:
    with served(wired, sign_in=settings(provider)) as pages:
        for role in (None, *WebRole):
            client = pages.session(role) if role else requests.Session()
            found = scanned(client, pages.origin)
            assert "/" in found
            for path, (method, status) in found.items():
                page = next((p for p in PAGES if p.path == path and p.method == method), None)
                if page is None:
                    assert path.startswith(("/static/", "/sign-in", "/language", "/sign-out"))
                elif role is None:
                    assert status in {401, 303}, path
                else:
                    assert (status < 400) == (role >= page.role) or status == 403, path
        for page in PAGES:  # and those that nothing links to
            path = re.sub(r"\{\w+\}", "1", page.path)
            for role in (None, *WebRole):
                client = pages.session(role) if role else requests.Session()
                answer = client.request(
                    page.method, pages.origin + path, timeout=30, allow_redirects=False
                )
                if role is None:
                    assert answer.status_code == (303 if page.method == "GET" else 401), path
                elif role < page.role or page.method == "POST":
                    assert answer.status_code == 403, path


def scanned(client: requests.Session, origin: str) -> dict[str, tuple[str, int]]:
    """Follow every link and every form's address from the root; return what each answered."""
    found: dict[str, tuple[str, int]] = {}
    waiting = [("GET", "/")]
    while waiting:
        method, path = waiting.pop()
        if path in found or len(found) > 200:
            continue
        answer = client.request(method, origin + path, timeout=30, allow_redirects=False)
        found[path] = (method, answer.status_code)
        if method == "GET" and answer.headers.get("content-type", "").startswith("text/html"):
            links = re.findall(
                r'(?:href|src)="(/[^"#?]*)', answer.text
            )  # a page once, of any query
            waiting += [("GET", link) for link in links]
            waiting += [("POST", form) for form in re.findall(r'action="(/[^"]*)"', answer.text)]
    return found


# -- a provider that was not written for these tests --------------------------------------------------


@pytest.fixture(scope="session")
def stranger() -> Iterator[str]:
    """The issuer of oidc-provider-mock, with two persons."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it imports
        from oidc_provider_mock import User, run_server_in_thread  # noqa: PLC0415

        people = [
            User(sub="kari", claims={"groups": ["ops"], "preferred_username": "kari"}),
            User(sub="per", claims={"groups": ["students"], "preferred_username": "per"}),
        ]
        with run_server_in_thread(user_claims=people, require_nonce=True) as server:
            yield f"http://localhost:{server.server_port}"


def test_a_provider_not_made_for_these_tests_signs_people_in_by_a_real_browser(
    filled: House, stranger: str, browser: Browser
) -> None:
    """By the command, with cookies that a browser keeps from what comes from elsewhere."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    secret = filled.directory / "client_secret"
    secret.write_text(SECRET)
    filled.config.write_text(
        f'{filled.config.read_text()}\n[web]\npublic_url = "http://127.0.0.1:{port}"\n'
        f'port = {port}\n[web.sign_in]\nissuer = "{stranger}"\nclient_id = "kalender"\n'
        f'client_secret_file = "{secret}"\noperator_groups = ["ops"]\n'
    )
    with started(filled, port=None) as address:
        assert address == f"http://127.0.0.1:{port}/"
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(address)
        page.get_by_role("button", name="kari").click()
        page.get_by_role("heading", name="All is as it should be").wait_for()
        assert page.url == address
        assert "Signed in as kari (operator)" in page.inner_text("footer")
        page.context.close()
        page = browser.new_context(locale="en-GB").new_page()
        page.goto(address)
        page.get_by_role("button", name="per").click()
        page.get_by_text("none of your groups gives access").wait_for()
        page.context.close()
    assert SECRET not in (filled.directory / "web.log").read_text()


def test_off_loopback_it_starts_only_with_a_sign_in_and_its_secret(filled: House) -> None:
    text = filled.config.read_text()
    at = 'issuer = "https://a.example"\nclient_id = "k"\n'
    group, https = 'status_groups = ["a"]', 'public_url = "https://k.example"\nport = 0\n'
    http = 'public_url = "http://k.example"\n'
    for more, words in (
        ('address = "0.0.0.0"', "unless [web.sign_in] or [web.proxy] says who is let in"),
        (f"[web.sign_in]\n{at}{group}", "public_url is missing"),
        (f"{http}[web.sign_in]\n{at}{group}", "public_url must begin with https"),
        (f"{https}[web.sign_in]\n{at}", "nobody is let in"),
        (f"{https}[web.sign_in]\n{at}{group}", "web.sign_in.client_secret is missing"),
    ):
        filled.config.write_text(f"{text}\n[web]\n{more}\n")
        code, said = fails(filled, "web")
        assert (code, words in said) == (2, True), said


def test_no_other_command_reads_the_secrets_of_the_pages(filled: House) -> None:
    filled.config.write_text(
        f'{filled.config.read_text()}\n[web]\npublic_url = "https://k.example"\n'
        'session_key_file = "/nowhere/key"\n[web.sign_in]\nissuer = "https://a.example"\n'
        'client_id = "k"\nclient_secret_file = "/nowhere/secret"\nstatus_groups = ["a"]\n'
    )
    filled.run("status")
    filled.run("worker", "--until-idle")
    assert "web.session_key_file: No such file" in fails(filled, "web")[1]
