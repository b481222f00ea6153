"""Who is let in: the one-time address, cookies, hosts, forms; nobody learns which pages there are."""

import re
import socket

import pytest
import requests
from itsdangerous import URLSafeTimedSerializer

from kalender.web.page import WebRole
from kalender.web.site import ENTER, PAGES
from tests.e2e.house import House, fails
from tests.e2e.web.conftest import Pages, started

pytestmark = pytest.mark.e2e
STRANGE = ("/nothing", "/static/nothing.css", "/static/../site.py", "/static/%2e%2e/site.py", "//")


def asked(pages: Pages, path: str, **more: object) -> requests.Response:
    return requests.get(pages.origin + path, timeout=30, allow_redirects=False, **more)  # type: ignore[arg-type]


def token_of(text: str) -> str:
    """The CSRF token of a page's first form."""
    found = re.search(r'name="csrf" value="([^"]+)"', text)
    assert found is not None
    return found[1]


# -- without a session --------------------------------------------------------------------------------


def test_without_a_session_every_page_and_form_is_401_and_so_is_what_is_no_page(
    pages: Pages,
) -> None:
    paths = [re.sub(r"\{\w+\}", "1", page.path) for page in PAGES]
    for path in (*paths, *STRANGE, "/enter", "/enter?token=wrong"):
        for method in ("GET", "POST", "PUT", "DELETE", "HEAD"):
            answer = requests.request(
                method, pages.origin + path, timeout=30, allow_redirects=False
            )
            assert answer.status_code == 401, (method, path)
            assert "set-cookie" not in answer.headers
            assert "1 of" not in answer.text


def test_a_forged_an_old_and_an_ended_cookie_are_no_session(pages: Pages) -> None:
    name = pages.entrance.cookie
    right = pages.cookie(WebRole.OPERATOR)
    body, _, signature = right.partition(".")
    other_key = URLSafeTimedSerializer("another key", salt="kalender session")
    other_salt = URLSafeTimedSerializer("a key of the tests", salt="kalender form")
    forged = [
        "",
        "x",
        f"{body}x.{signature}",
        right[:-2],
        right + "A",
        str(other_key.dumps(["id", "kari", 3])),
        str(other_salt.dumps(["id", "kari", 3])),
        pages.entrance.sessions.form_token(pages.entrance.sessions.begin("a", WebRole.STATUS)[0]),
    ]
    for cookie in forged:
        assert asked(pages, "/", cookies={name: cookie}).status_code == 401, cookie
    assert asked(pages, "/", cookies={name: right}).status_code == 200


def test_signing_out_ends_the_session_also_for_a_copy_of_its_cookie(pages: Pages) -> None:
    client = pages.session(WebRole.STATUS)
    copy = dict(client.cookies)
    text = client.get(f"{pages.origin}/", timeout=30).text
    left = client.post(f"{pages.origin}/sign-out", {"csrf": token_of(text)}, timeout=30)
    assert left.status_code == 200
    assert "You are signed out" in left.text
    assert asked(pages, "/", cookies=copy).status_code == 401


# -- hosts, forms, headers ----------------------------------------------------------------------------


def test_a_strange_host_is_refused_before_anything_else(pages: Pages) -> None:
    right = {pages.entrance.cookie: pages.cookie(WebRole.OPERATOR)}
    port = pages.origin.rpartition(":")[2]
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1", f"127.0.0.1.evil:{port}", ""):
        answer = asked(pages, "/", cookies=right, headers={"Host": host})
        assert answer.status_code == 400, host
        assert "verdict" not in answer.text
    assert asked(pages, "/", cookies=right, headers={"Host": f"localhost:{port}"}).ok
    with socket.create_connection(("127.0.0.1", int(port)), timeout=30) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert b" 400 " in connection.makefile("rb").readline()


def test_a_form_counts_only_with_the_token_of_its_own_session(pages: Pages) -> None:
    client, other = pages.session(WebRole.STATUS), pages.session(WebRole.STATUS, "per")
    text = client.get(f"{pages.origin}/", timeout=30).text
    strange = token_of(other.get(f"{pages.origin}/", timeout=30).text)
    for token in (None, "", "x", strange):
        fields = {"language": "nn", "back": "/"} | ({} if token is None else {"csrf": token})
        answer = client.post(f"{pages.origin}/language", fields, timeout=30)
        assert answer.status_code == 403, token
    fields = {"language": "nn", "back": "/", "csrf": token_of(text)}
    assert client.post(f"{pages.origin}/language", fields, timeout=30).status_code == 200
    large = client.post(f"{pages.origin}/language", {**fields, "back": "/" * 100_000}, timeout=30)
    assert large.status_code == 413


@pytest.mark.parametrize("back", ["https://evil.example/", "//evil.example", "/\\evil.example", ""])
def test_a_form_leads_to_our_own_pages_alone(pages: Pages, back: str) -> None:
    client = pages.session(WebRole.STATUS)
    token = token_of(client.get(f"{pages.origin}/", timeout=30).text)
    answer = client.post(
        f"{pages.origin}/language",
        {"language": "nb", "back": back, "csrf": token},
        timeout=30,
        allow_redirects=False,
    )
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_every_answer_keeps_browsers_from_what_they_should_not_do(pages: Pages) -> None:
    for answer in (pages.get("/"), asked(pages, "/"), pages.get("/nothing")):
        headers = answer.headers
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
        assert len(answer.content) < 100_000
        for inline in ("<script", " style=", "onclick", "javascript:"):
            assert inline not in answer.text


# -- languages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("nn-NO,nb;q=0.9,en;q=0.8", "nn"),
        ("de, en;q=0.5", "en"),
        ("no", "nb"),
        ("de", "nb"),  # the institution's
        ("en;q=0, nn;q=bad, nb", "nb"),
    ],
)
def test_the_language_is_the_first_that_the_browser_asks_for(
    pages: Pages, accepted: str, language: str
) -> None:
    client = pages.session(WebRole.STATUS)
    client.headers["Accept-Language"] = accepted
    answer = client.get(f"{pages.origin}/", timeout=30)
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["content-language"] == language


def test_a_language_that_was_chosen_stays(pages: Pages) -> None:
    client = pages.session(WebRole.STATUS)
    token = token_of(client.get(f"{pages.origin}/", timeout=30).text)
    fields = {"language": "nn", "back": "/", "csrf": token}
    assert 'lang="nn"' in client.post(f"{pages.origin}/language", fields, timeout=30).text
    assert "Slik det var" in client.get(f"{pages.origin}/", timeout=30).text


# -- the command --------------------------------------------------------------------------------------


def test_the_printed_address_begins_one_session_once(filled: House) -> None:
    with started(filled) as address:
        home = address.partition(ENTER)[0] + "/"
        assert requests.get(home, timeout=30).status_code == 401
        client = requests.Session()
        entered = client.get(address, timeout=30, allow_redirects=False)
        assert entered.status_code == 200
        cookie = entered.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get(home, timeout=30).status_code == 200
        assert requests.get(address, timeout=30).status_code == 401
        assert client.get(address, timeout=30).status_code == 401  # nor for whoever had it


def test_the_command_listens_on_loopback_alone_and_says_so(house: House) -> None:
    house.run("db", "upgrade")
    text = house.config.read_text()
    house.config.write_text(f'{text}\n[web]\naddress = "0.0.0.0"\n')
    code, said = fails(house, "web")
    assert code == 2
    assert said.startswith("kalender: web: address must be one of this machine")


def test_a_port_that_another_process_has_is_named_with_the_remedy(house: House) -> None:
    house.run("db", "upgrade")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = fails(house, "web", "--port", str(taken.getsockname()[1]))
    assert code == 2
    assert said.startswith("kalender: web: cannot listen on 127.0.0.1 port ")
    assert said.endswith("give another by --port")


def test_the_command_needs_no_secret_but_the_databases(filled: House) -> None:
    text = filled.config.read_text()
    text = text.replace('api_key = "sandbox"', 'api_key_file = "/nowhere/key"')
    filled.config.write_text(text.replace('password = "kalender"\n', ""))
    with started(filled) as address:
        assert requests.get(address, timeout=30).status_code == 200


def test_without_its_tables_it_says_what_to_do(house: House) -> None:
    assert fails(house, "web") == (2, fails(house, "status")[1])
