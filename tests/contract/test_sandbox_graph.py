"""The sandbox's Microsoft Graph over real HTTP, as the facts about the service have it."""

import base64
import json
import re
import subprocess
import sys
import threading
import time
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from kalender.sandbox.generate import generate
from kalender.sandbox.server import Running
from tests import commands, graph_schema, real_data
from tests.served import start

Json = dict[str, Any]
GUID = "5f0d4c7e-6a0b-4f6e-9d5e-3b8f2a7c1e94"
OURS = f"String {{{GUID}}} Name SyncKey"
OSLO = "W. Europe Standard Time"
EWS = {
    "types": "http://schemas.microsoft.com/exchange/services/2006/types",
    "messages": "http://schemas.microsoft.com/exchange/services/2006/messages",
}
SETTINGS: Json = {
    "token_seconds": 3599,
    "concurrency": 4,
    "concurrency_by": "mailbox",
    "requests": 10_000,
    "window_seconds": 600,
    "visible_after": 0,
    "restless_after": 0,
    "transaction_ids": True,
    "if_match": True,
    "permanent_delete": True,
    "guid": "lower",
    "empty_pages": False,
    "next_links": "own",
    "quoted_booleans": False,
    "users": "any",
    "immutable_ids": False,
    "roles": "",
    "clock_ahead": 0,
}


# -- a client -----------------------------------------------------------------------------------


pause = threading.Event().wait


class Client:
    """A client of the sandbox's Graph; what it says and hears is judged where there is a judge."""

    def __init__(self, sandbox: Running, schema: graph_schema.Schema | None) -> None:
        self.sandbox, self.ends, self.schema = sandbox, sandbox.endpoints, schema
        self.http = requests.Session()
        self.http.trust_env = False
        self.wrong: list[str] = []
        self.token = str(self.login()["access_token"])

    def login(self, **changes: str | None) -> Json:
        form = {
            "grant_type": "client_credentials",
            "client_id": "kalender",
            "client_secret": "kalender",
            "scope": "https://graph.microsoft.com/.default",
            **changes,
        }
        url = f"{self.ends.login}/contoso.example/oauth2/v2.0/token"
        answer = self.http.post(url, data=form, verify=self.ends.login_ca, timeout=10)
        return {"status": answer.status_code, **answer.json()}

    def control(self, way: str, path: str, body: Any = None) -> Any:
        url = self.ends.control + path
        answer = self.http.request(way, url, json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        judged: bool = True,
        timeout: float = 30,
        **headers: str,
    ) -> requests.Response:
        """Send a request; words of a header's name are joined by `_`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Authorization": f"Bearer {self.token}", **sent}
        url = path if path.startswith("http") else self.ends.graph + path
        relative = url.removeprefix(self.ends.graph)
        if judged and self.schema is not None:
            self._note(self.schema.wrong_request(method, relative, body))
        answer = self.http.request(method, url, json=body, headers=sent, timeout=timeout)
        if self.schema is not None and "json" in answer.headers.get("Content-Type", "json"):
            heard = answer.json() if answer.content else None
            request = (method, relative, body)
            self._note(self.schema.wrong_answer(request, answer.status_code, heard))
        return answer

    def _note(self, wrong: str | None) -> None:
        self.wrong += [wrong] if wrong else []

    def batch(self, *parts: Json, **options: Any) -> dict[str, Json]:
        """Send a batch, and return its answers by id."""
        answer = self.ask("POST", "/$batch", {"requests": list(parts)}, **options)
        assert answer.status_code == 200, answer.text
        return {part["id"]: part for part in answer.json()["responses"]}

    def counters(self) -> Json:
        made: Json = self.control("GET", "/counters")
        return made

    def journal(self) -> list[Json]:
        made: list[Json] = self.control("GET", "/requests")
        return made


class Person:
    """One person's calendar."""

    def __init__(self, client: Client, address: str) -> None:
        self.client, self.address = client, address
        self.user = f"/users/{quote(address, safe='')}"
        self.events = f"{self.user}/calendar/events"

    def create(self, key: str | None = "1#a", **fields: Any) -> Json:
        answer = self.client.ask("POST", self.events, an_event(key, **fields))
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    def event(self, event_id: str) -> str:
        return f"{self.user}/events/{quote(event_id, safe='')}"

    def find(self, condition: str, more: str = "") -> list[Json]:
        answer = self.client.ask("GET", self.where(condition) + more)
        assert answer.status_code == 200, answer.text
        values: list[Json] = answer.json()["value"]
        return values

    def where(self, condition: str) -> str:
        return f"{self.events}?$filter={quote(condition, safe='')}"

    def held(self) -> list[Json]:
        """Return what Exchange holds of ours, by the control API."""
        rows = self.client.control("GET", f"/exchange/items?mailbox={self.address}")
        return [row for row in rows if row["sync_key"] is not None]

    def meddle(self, do: str, **more: Any) -> Json:
        body = {"do": do, "mailbox": self.address, **more}
        made: Json = self.client.control("POST", "/exchange/meddle", body)
        return made


def an_event(key: str | None = "1#a", **fields: Any) -> Json:
    made: Json = {
        "subject": "IN1000 Forelesning: Løkker",
        "body": {"contentType": "html", "content": "<div>▼▼▼ Blåbær ▲▲▲</div>"},
        "start": {"dateTime": "2027-01-11T10:15:00", "timeZone": OSLO},
        "end": {"dateTime": "2027-01-11T12:00:00", "timeZone": OSLO},
        "location": {"displayName": "Store auditorium"},
        "showAs": "busy",
        "sensitivity": "normal",
        "importance": "normal",
        "isReminderOn": False,
        "isOnlineMeeting": False,
        "categories": ["Undervisning"],
    }
    if key is not None:
        made["singleValueExtendedProperties"] = [{"id": OURS, "value": key}]
    return {**made, **fields}


def has_key(key: str, named: str = OURS) -> str:
    return f"singleValueExtendedProperties/Any(ep: ep/id eq '{named}' and ep/value eq '{key}')"


def has(condition: str, named: str = OURS) -> str:
    return f"singleValueExtendedProperties/any(ep: ep/id eq '{named}' and {condition})"


EXPAND = "&$expand=" + quote(f"singleValueExtendedProperties($filter=id eq '{OURS}')", safe="$")


def part(number: object, method: str, url: str, body: Any = None, **more: Any) -> Json:
    made: Json = {"id": str(number), "method": method, "url": url, **more}
    if body is not None:
        made["body"] = body
        made["headers"] = {"Content-Type": "application/json", **made.get("headers", {})}
    return made


def code(answer: requests.Response | Json) -> tuple[int, str]:
    if isinstance(answer, requests.Response):
        return answer.status_code, answer.json()["error"]["code"]
    return answer["status"], answer["body"]["error"]["code"]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    directory = tmp_path_factory.mktemp("university")
    generate(directory, students=300)
    with start(directory, graph="half") as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def places(running: Running) -> dict[str, Iterator[str]]:
    url = f"{running.endpoints.control}/graph/mailboxes"
    everybody = requests.get(url, timeout=10).json()
    return {
        place: iter(sorted(address for address, where in everybody.items() if where == place))
        for place in ("graph", "ews")
    }


@pytest.fixture(scope="module")
def schema() -> graph_schema.Schema | None:
    return graph_schema.Schema() if graph_schema.is_there() else None


@pytest.fixture
def client(running: Running, schema: graph_schema.Schema | None) -> Iterator[Client]:
    made = Client(running, schema)
    made.control("DELETE", "/faults")
    made.control("DELETE", "/requests")
    made.control("PUT", "/graph/settings", SETTINGS)
    made.control("PUT", "/latency", {"graph": 0})
    with made.http:
        yield made
    assert made.wrong == []


@pytest.fixture
def person(client: Client, places: dict[str, Iterator[str]]) -> Person:
    return Person(client, next(places["graph"]))


@pytest.fixture
def on_ews(client: Client, places: dict[str, Iterator[str]]) -> Person:
    return Person(client, next(places["ews"]))


# -- the judge ----------------------------------------------------------------------------------


def test_the_judge_is_microsofts_metadata() -> None:
    judge = graph_schema.Schema()
    assert judge.wrong("event", an_event()) is None
    for wrong in (
        {"showAs": "Busy!"},
        {"subject": 5},
        {"isAllDay": "false"},
        {"unheardOf": 1},
        {"location": {"displayname": "A"}},
        {"categories": None},
        {"attendees": [{"type": "needed"}]},
        {"createdDateTime": "2027-01-11"},
    ):
        assert judge.wrong("event", an_event(**wrong)) is not None, wrong


def test_real_answers_pass_the_judge_and_have_no_member_that_ours_lack(person: Person) -> None:
    judge = graph_schema.Schema(is_open=True)
    ours = set(person.create())
    for name in ("event-create-201", "event-plain-no-attendees-200"):
        body = real_data.read(f"graph/{name}.json")["body"]
        assert judge.wrong("event", body) is None
        assert set(body) - ours == set()


# -- tokens -------------------------------------------------------------------------------------


def test_discovery_and_tokens_are_over_tls_by_an_authority_of_the_run(client: Client) -> None:
    base = f"{client.ends.login}/contoso.example"
    url = f"{base}/v2.0/.well-known/openid-configuration"
    answer = client.http.get(url, verify=client.ends.login_ca, timeout=10).json()
    assert answer["token_endpoint"] == f"{base}/oauth2/v2.0/token"
    with pytest.raises(requests.exceptions.SSLError):
        client.http.get(url, timeout=10)
    made = client.login()
    assert (made["token_type"], made["expires_in"]) == ("Bearer", 3599)


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, 401, "invalid_client", 7000215),
        ({"client_id": "somebody"}, 400, "unauthorized_client", 700016),
        ({"scope": "Calendars.ReadWrite"}, 400, "invalid_scope", 70011),
        ({"grant_type": "password"}, 400, "unsupported_grant_type", 70003),
    ],
)
def test_no_token_for_others(
    client: Client, changes: dict[str, str | None], status: int, error: str, number: int
) -> None:
    made = client.login(**changes)
    assert (made["status"], made["error"], made["error_codes"]) == (status, error, [number])
    assert made["error_description"].startswith(f"AADSTS{number}:")


def test_a_token_ends(client: Client, person: Person) -> None:
    assert client.ask("GET", f"{person.user}/calendar").status_code == 200
    client.control("DELETE", "/graph/tokens")
    assert code(client.ask("GET", person.events)) == (401, "InvalidAuthenticationToken")
    client.control("PUT", "/graph/settings", {"token_seconds": 0})
    client.token = client.login()["access_token"]
    ended = client.ask("GET", f"{person.user}/calendar")
    assert code(ended) == (401, "InvalidAuthenticationToken")
    assert "Bearer" in ended.headers["WWW-Authenticate"]
    client.token = "nobody"
    assert code(client.ask("GET", person.events)) == (401, "InvalidAuthenticationToken")
    none = client.ask("POST", "/$batch", {"requests": []}, Authorization="")
    assert code(none) == (401, "InvalidAuthenticationToken")


def test_a_token_tells_its_audience_and_what_was_consented_to(client: Client) -> None:
    def claims() -> Json:
        payload = client.login()["access_token"].split(".")[1]
        told: Json = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return told

    first = claims()
    assert (first["aud"], first["appid"]) == ("https://graph.microsoft.com", "kalender")
    assert first["exp"] - first["iat"] == 3599
    assert "roles" not in first
    client.control("PUT", "/graph/settings", {"roles": "Calendars.ReadWrite Mail.Read"})
    assert claims()["roles"] == ["Calendars.ReadWrite", "Mail.Read"]


def test_the_login_tells_its_own_time(client: Client) -> None:
    def ahead() -> float:
        url = f"{client.ends.login}/contoso.example/v2.0/.well-known/openid-configuration"
        answer = client.http.get(url, verify=client.ends.login_ca, timeout=10)
        return parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()

    assert abs(ahead()) <= 2
    client.control("PUT", "/graph/settings", {"clock_ahead": 100.0})
    assert abs(ahead() - 100) <= 2


def test_ews_takes_tokens_that_were_asked_for_its_own_host(client: Client) -> None:
    host = client.ends.exchange.removesuffix("/EWS/Exchange.asmx")

    def answered(token: str) -> tuple[int, str]:
        bearer = {"Authorization": f"Bearer {token}"}
        answer = client.http.post(client.ends.exchange, headers=bearer, data="x", timeout=10)
        return answer.status_code, answer.headers.get("WWW-Authenticate", "")

    own = client.login(scope=f"{host}/.default")["access_token"]
    assert answered(own)[0] == 500  # let in, and no SOAP
    for token in (client.token, "nobody"):
        status, who = answered(token)
        assert (status, 'error="invalid_token"' in who) == (401, True)
    client.control("DELETE", "/graph/tokens")
    assert answered(own)[0] == 401
    client.token = client.login()["access_token"]


def a_certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "client")])
    now = datetime.fromtimestamp(time.time(), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


def encoded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def an_assertion(
    key: rsa.RSAPrivateKey, certificate: x509.Certificate, algorithm: str, **claims: Any
) -> str:
    digest_of = certificate.fingerprint(hashes.SHA256())
    print_ = base64.urlsafe_b64encode(digest_of).decode()  # with the padding that msal leaves
    header = {"alg": algorithm, "typ": "JWT", "x5t#S256": print_}
    own = {"iss": "kalender", "sub": "kalender", "exp": int(time.time()) + 300, **claims}
    signed = ".".join(encoded(json.dumps(each).encode()) for each in (header, own))
    digest = hashes.SHA256()
    pss = padding.PSS(padding.MGF1(digest), digest.digest_size)
    scheme = pss if algorithm == "PS256" else padding.PKCS1v15()
    return f"{signed}.{encoded(key.sign(signed.encode(), scheme, digest))}"


def test_an_assertion_is_as_good_as_a_secret(client: Client) -> None:
    key, stranger = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    certificate = a_certificate(key)
    audience = f"{client.ends.login}/contoso.example/oauth2/v2.0/token"
    kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

    def log_in(signer: rsa.RSAPrivateKey, algorithm: str = "RS256", **claims: Any) -> Json:
        text = an_assertion(signer, certificate, algorithm, **{"aud": audience, **claims})
        form = {"client_assertion": text, "client_assertion_type": kind}
        return client.login(client_secret=None, **form)

    assert log_in(stranger)["status"] == 200  # no certificate is known: only the form counts
    assert log_in(key, exp=1)["error_codes"] == [700024]
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    client.control("PUT", "/graph/credentials", {"certificate": pem})
    try:
        assert log_in(key)["status"] == 200
        assert log_in(key, "PS256")["status"] == 200
        assert log_in(stranger)["error_codes"] == [700027]
        assert log_in(key, aud="https://elsewhere")["error_codes"] == [700021]
    finally:
        client.control("PUT", "/graph/credentials", {"certificate": None})


# -- writing ------------------------------------------------------------------------------------


def test_a_create_gives_the_whole_event_without_the_property(person: Person) -> None:
    made = person.create("12345#0123abcd")
    assert made["changeKey"] == made["@odata.etag"].removeprefix('W/"').removesuffix('"')
    assert made["start"] == {"dateTime": "2027-01-11T09:15:00.0000000", "timeZone": "UTC"}
    assert made["originalStartTimeZone"] == OSLO
    assert made["location"]["displayName"] == "Store auditorium"
    assert made["isReminderOn"] is False
    assert made["attendees"] == []
    assert "singleValueExtendedProperties" not in made
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z", made["createdDateTime"])
    (row,) = person.held()
    assert (row["sync_key"], row["id"]) == ("12345#0123abcd", made["id"])
    assert (row["show_as"], row["start"]) == ("Busy", "2027-01-11T09:15:00Z")
    again = person.client.ask("GET", person.event(made["id"])).json()
    assert {**again, "@odata.context": ""} == {**made, "@odata.context": ""}


def test_what_is_not_said_of_a_reminder_is_a_reminder(person: Person) -> None:
    body = an_event()
    del body["isReminderOn"]
    made = person.client.ask("POST", person.events, body).json()
    assert (made["isReminderOn"], made["reminderMinutesBeforeStart"]) == (True, 15)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"unheardOf": 1}, "RequestBodyRead"),
        ({"subject": 5}, "RequestBodyRead"),
        ({"isOnlineMeeting": "false"}, "RequestBodyRead"),
        ({"showAs": "engaged"}, "RequestBodyRead"),
        ({"location": {"display": "A"}}, "RequestBodyRead"),
        ({"start": None}, "ErrorInvalidRequest"),
        ({"start": {"dateTime": "2027-01-11T10:15:00Z", "timeZone": "UTC"}}, "RequestBodyRead"),
        ({"start": {"dateTime": "2028-01-11T10:15:00"}}, "ErrorPropertyValidationFailure"),
        ({"isAllDay": True}, "ErrorPropertyValidationFailure"),
        ({"iCalUId": "1"}, "ErrorInvalidRequest"),
        (
            {"singleValueExtendedProperties": [{"id": "SyncKey", "value": "1"}]},
            "ErrorInvalidProperty",
        ),
        ({"singleValueExtendedProperties": [{"value": "1"}]}, "ErrorInvalidProperty"),
    ],
)
def test_what_is_no_event_is_refused(person: Person, fields: Json, expected: str) -> None:
    answer = person.client.ask("POST", person.events, an_event(**fields), judged=False)
    assert code(answer) == (400, expected)
    assert person.held() == []


def test_a_boolean_may_be_a_text_where_that_is_asked_for(person: Person) -> None:
    client, body = person.client, an_event(isOnlineMeeting="false")
    client.control("PUT", "/graph/settings", {"quoted_booleans": True})
    made = client.ask("POST", person.events, body, judged=False)
    assert (made.status_code, made.json()["isOnlineMeeting"]) == (201, False)


def test_a_patch_changes_what_it_names(person: Person) -> None:
    made = person.create(categories=["Undervisning", "Egen"])
    changes = {"showAs": "free", "subject": "Avlyst", "location": None}
    answer = person.client.ask("PATCH", person.event(made["id"]), changes)
    assert answer.status_code == 200
    changed = answer.json()
    assert (changed["showAs"], changed["subject"]) == ("free", "Avlyst")
    assert changed["location"]["displayName"] == ""
    assert changed["locations"] == []
    assert changed["changeKey"] != made["changeKey"]
    for name in ("id", "categories", "start", "end", "createdDateTime", "body"):
        assert changed[name] == made[name]
    released = [{"id": OURS, "value": "released"}]
    body = {"singleValueExtendedProperties": released}
    person.client.ask("PATCH", person.event(made["id"]), body)
    assert person.find(has("contains(ep/value,'#')")) == []
    assert len(person.find(has_key("released"))) == 1


def test_a_patch_never_names_the_transaction(person: Person) -> None:
    made = person.create()
    answer = person.client.ask("PATCH", person.event(made["id"]), {"transactionId": "1"})
    assert code(answer) == (400, "ErrorInvalidRequest")


def test_deletes(person: Person) -> None:
    ask = person.client.ask
    first, second = person.create("1#a"), person.create("2#b")
    assert ask("DELETE", person.event(first["id"])).status_code == 204
    assert [row["folder"] for row in person.held()] == ["calendar", "deleteditems"]
    for method in ("GET", "DELETE"):
        assert code(ask(method, person.event(first["id"]))) == (404, "ErrorItemNotFound")
    assert person.find(has_key("1#a")) == []  # what lies in Deleted Items is not in the calendar
    purge = f"{person.event(second['id'])}/permanentDelete"
    person.client.control("PUT", "/graph/settings", {"permanent_delete": False})
    assert ask("POST", purge).status_code == 405
    person.client.control("PUT", "/graph/settings", {"permanent_delete": True})
    assert ask("POST", purge).status_code == 204
    assert [row["sync_key"] for row in person.held()] == ["1#a"]
    assert code(ask("POST", purge)) == (404, "ErrorItemNotFound")


def test_ids_of_others_and_of_nobody(
    person: Person, client: Client, places: dict[str, Iterator[str]]
) -> None:
    other = Person(client, next(places["graph"])).create()
    answer = client.ask("GET", person.event(other["id"]))
    assert code(answer) == (400, "ErrorInvalidMailboxItemId")
    assert code(client.ask("GET", person.event("ABC"))) == (400, "ErrorInvalidIdMalformed")


# -- conditions and transactions ------------------------------------------------------------------


def test_if_match(person: Person) -> None:
    ask, made = person.client.ask, person.create()
    event, tag = person.event(made["id"]), made["@odata.etag"]
    assert ask("PATCH", event, {"showAs": "oof"}, If_Match=tag).status_code == 200
    stale = ask("PATCH", event, {"showAs": "free"}, If_Match=tag)
    assert code(stale) == (412, "ErrorIrresolvableConflict")
    assert code(ask("DELETE", event, If_Match=tag)) == (412, "ErrorIrresolvableConflict")
    assert ask("GET", event).json()["showAs"] == "oof"
    person.client.control("PUT", "/graph/settings", {"if_match": False})
    assert ask("PATCH", event, {"showAs": "free"}, If_Match=tag).status_code == 200


def test_change_keys_move_though_nobody_wrote(person: Person) -> None:
    client, made = person.client, person.create()
    client.control("POST", "/graph/churn", {"mailbox": person.address})
    moved = client.ask("GET", person.event(made["id"]) + "?$select=id,changeKey").json()
    assert set(moved) == {"@odata.context", "@odata.etag", "id", "changeKey"}
    assert moved["changeKey"] != made["changeKey"]
    client.control("PUT", "/graph/settings", {"restless_after": 0.2})
    other = person.create("2#b")
    event, deadline = person.event(other["id"]), time.monotonic() + 10
    while client.ask("GET", event).json()["@odata.etag"] == other["@odata.etag"]:
        assert time.monotonic() < deadline


def test_the_same_transaction_makes_no_second_event(person: Person) -> None:
    client, number = person.client, str(uuid4())
    first = person.create(transactionId=number)
    assert first["transactionId"] == number
    assert person.create("2#b", transactionId=number.upper())["id"] == first["id"]
    assert [row["sync_key"] for row in person.held()] == ["1#a"]
    client.control("PUT", "/graph/settings", {"transaction_ids": False})
    assert person.create(transactionId=number)["id"] != first["id"]
    assert len(person.held()) == 2


def test_attendees_are_mailed(person: Person) -> None:
    client, own = person.client, person.create()
    plain = person.create("2#b")
    person.meddle("invite", sync_key="1#a", attendee="guest@uni.example")
    ask = client.ask
    assert ask("GET", person.event(own["id"])).json()["attendees"][0]["emailAddress"] == {
        "name": "guest@uni.example",
        "address": "guest@uni.example",
    }
    for event in (own, plain):
        ask("PATCH", person.event(event["id"]), {"showAs": "free"})
        ask("DELETE", person.event(event["id"]))
    sent = [mail for mail in client.control("GET", "/exchange/mails") if mail["id"] == own["id"]]
    assert [(mail["kind"], mail["to"]) for mail in sent] == [
        ("update", ["guest@uni.example"]),
        ("cancellation", ["guest@uni.example"]),
    ]
    assert not [
        mail for mail in client.control("GET", "/exchange/mails") if mail["id"] == plain["id"]
    ]


def test_a_meeting_online_is_seen(person: Person) -> None:
    made = person.create()
    person.meddle("hold-online", sync_key="1#a")
    seen = person.client.ask("GET", person.event(made["id"])).json()
    assert (seen["isOnlineMeeting"], seen["onlineMeetingProvider"]) == (True, "teamsForBusiness")


# -- bodies and times -------------------------------------------------------------------------------


def test_a_body_comes_back_as_a_document(person: Person) -> None:
    long = " ".join(["ord"] * 200)
    content = f"<div>▼▼▼ Blåbær ▲▲▲</div>\n<p>{long}</p>"
    made = person.create(body={"contentType": "html", "content": content})
    text = made["body"]["content"]
    assert text.startswith("<html>\r\n<head>\r\n<meta ")
    assert text.endswith("</body>\r\n</html>\r\n")
    assert text.count("\n") == text.count("\r\n") > 10
    assert "▼▼▼ Blåbær ▲▲▲" in text
    assert max(map(len, text.split("\r\n"))) <= 104
    assert made["bodyPreview"].startswith("▼▼▼ Blåbær ▲▲▲")
    event = person.event(made["id"])
    again = person.client.ask("PATCH", event, {"body": {"contentType": "html", "content": text}})
    assert again.json()["body"]["content"] == text
    plain = person.client.ask("GET", event, Prefer='outlook.body-content-type="text"').json()
    assert plain["body"]["contentType"] == "text"
    assert "<" not in plain["body"]["content"]


def test_what_is_unsafe_is_left_out_unless_it_is_asked_for(person: Person) -> None:
    content = '<div onclick="a()">Mitt notat<script>alert(1)</script></div>'
    made = person.create(body={"contentType": "html", "content": content})
    event = person.event(made["id"])
    for text in (
        made["body"]["content"],
        person.client.ask("GET", event).json()["body"]["content"],
    ):
        assert "script" not in text
        assert "onclick" not in text
        assert "Mitt notat" in text
    whole = person.client.ask("GET", event, Prefer="outlook.allow-unsafe-html").json()
    assert "<script>alert(1)</script>" in whole["body"]["content"]
    assert 'onclick="a()"' in whole["body"]["content"]


@pytest.mark.parametrize(
    ("wall", "zone", "instant"),
    [
        ("2027-07-01T10:15:00", OSLO, "2027-07-01T08:15:00.0000000"),
        ("2027-01-11T10:15:00", "Europe/Berlin", "2027-01-11T09:15:00.0000000"),
        ("2027-01-11T10:15:00.0000000", "UTC", "2027-01-11T10:15:00.0000000"),
        ("2027-10-31T02:30:00", OSLO, "2027-10-31T01:30:00.0000000"),  # the second one
        ("2027-01-11T10:15:00", "Tokyo Standard Time", "2027-01-11T01:15:00.0000000"),
    ],
)
def test_times(person: Person, wall: str, zone: str, instant: str) -> None:
    moment = {"dateTime": wall, "timeZone": zone}
    made = person.create(start=moment, end=moment)
    assert made["start"] == {"dateTime": instant, "timeZone": "UTC"}
    event = person.event(made["id"])
    seen = person.client.ask("GET", event, Prefer=f'outlook.timezone="{zone}"').json()
    assert seen["start"]["dateTime"][:19] == wall[:19]


@pytest.mark.parametrize("zone", ["Europe/Oslo", "Greenwich Mean Time", "CET"])
def test_zones_that_graph_does_not_know(person: Person, zone: str) -> None:
    moment = {"dateTime": "2027-01-11T10:15:00", "timeZone": zone}
    answer = person.client.ask("POST", person.events, an_event(start=moment))
    assert code(answer) == (400, "TimeZoneNotSupportedException")
    inner = answer.json()["error"]["innerError"]
    assert set(inner) == {"date", "request-id"}


# -- finding ----------------------------------------------------------------------------------------


@pytest.fixture
def filled(person: Person) -> Person:
    for key in ("1#a", "2#b", "3#c", "released"):
        person.create(key, subject=f"Event {key}")
    person.create(None, subject="Event of mine")
    return person


FORMS = [
    (has_key("1#a"), ["1#a"]),
    (has_key("1#A"), ["1#a"]),
    (has_key("1#a", OURS.replace(GUID, GUID.upper())), ["1#a"]),
    (has("contains(ep/value,'#')"), ["1#a", "2#b", "3#c"]),
    (has("startswith(ep/value,'2#')"), ["2#b"]),
    (has("ep/value ne '1#a'"), ["2#b", "3#c", "released"]),
    (f"{has_key('1#a')} or {has_key('3#c')}", ["1#a", "3#c"]),
    (f"{has('contains(ep/value,' + chr(39) + '#' + chr(39) + ')')} and {has_key('2#b')}", ["2#b"]),
    (f"{has_key('1#a')} and subject eq 'Event 1#a'", ["1#a"]),
    (f"{has_key('1#a')} and start/dateTime gt '2030-01-01T00:00:00Z'", []),
    (has_key("1#a", OURS.replace("SyncKey", "synckey")), []),
    (has_key("1#a", OURS.replace("5f0d", "5f0e")), []),
    (has_key("1#a", OURS.replace("String", "Integer")), []),
]


@pytest.mark.parametrize(("condition", "keys"), FORMS)
def test_forms_of_the_filter(filled: Person, condition: str, keys: list[str]) -> None:
    rows = filled.find(condition, EXPAND)
    assert [row["singleValueExtendedProperties"][0]["value"] for row in rows] == keys


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (has("ep/value ne null"), "ErrorInvalidUrlQueryFilter"),
        (has("(ep/value eq '1#a' or ep/value eq '2#b')"), "ErrorInvalidUrlQueryFilter"),
        (has("ep/value in ('1#a')"), "ErrorInvalidUrlQueryFilter"),
        (f"singleValueExtendedProperties/any(ep: ep/id eq '{OURS}')", "ErrorInvalidUrlQueryFilter"),
        (f"id eq '{OURS}'", "ErrorInvalidProperty"),
        (has("ep/value eq '1'", "SyncKey"), "ErrorInvalidProperty"),
        ("singleValueExtendedProperties/any(ep: ep/id eq 'open", "BadRequest"),
    ],
)
def test_filters_that_nobody_documented(person: Person, condition: str, expected: str) -> None:
    answer = person.client.ask("GET", person.where(condition))
    assert code(answer) == (400, expected)


def test_a_plus_is_a_blank_and_a_hash_cuts(filled: Person) -> None:
    client = filled.client
    condition = quote(has_key("1#a"), safe="").replace("%20", "+")
    assert len(client.ask("GET", f"{filled.events}?$filter={condition}").json()["value"]) == 1
    encoded_url = filled.where(has_key("1#a"))
    cut = encoded_url.replace("%23", "#")
    answers = client.batch(part(1, "GET", encoded_url), part(2, "GET", cut))
    assert len(answers["1"]["body"]["value"]) == 1
    assert code(answers["2"]) == (400, "BadRequest")


def test_the_property_comes_only_by_its_id(filled: Person) -> None:
    client, where = filled.client, filled.where(has_key("1#a"))
    bare = client.ask("GET", f"{where}&$expand=singleValueExtendedProperties").json()["value"]
    assert "singleValueExtendedProperties" not in bare[0]
    assert "singleValueExtendedProperties" not in filled.find(has_key("1#a"))[0]
    upper, made = EXPAND.replace(GUID, GUID.upper()), ""
    for setting, guid in (("lower", GUID), ("written", GUID.upper())):
        client.control("PUT", "/graph/settings", {"guid": setting})
        (row,) = client.ask("GET", f"{where}&$select=id{upper}").json()["value"]
        (named,) = row["singleValueExtendedProperties"]
        assert named == {"id": f"String {{{guid}}} Name SyncKey", "value": "1#a"}
        made = row["id"]
    one = client.ask("GET", f"{filled.event(made)}?$select=id{EXPAND}").json()
    assert one["singleValueExtendedProperties"][0]["value"] == "1#a"


def test_pages(person: Person) -> None:
    client = person.client
    for at in (0, 1):
        client.batch(*[part(n, "POST", person.events, an_event(f"{n}#{at}")) for n in range(12)])
    where = person.where(has("contains(ep/value,'#')"))
    for more, sizes in (("", [10, 10, 4]), ("&$top=20", [20, 4]), ("&$top=250", [24])):
        pages, url = [], where + more + "&$select=id,changeKey"
        while url:
            body = client.ask("GET", url).json()
            pages.append([row["id"] for row in body["value"]])
            url = body.get("@odata.nextLink", "")
            assert url == "" or url.startswith(client.ends.graph)
        assert [len(page) for page in pages] == sizes
        assert len({number for page in pages for number in page}) == 24
    client.control("PUT", "/graph/settings", {"next_links": "foreign"})
    assert not client.ask("GET", where).json()["@odata.nextLink"].startswith(client.ends.graph)
    client.control("PUT", "/graph/settings", {"empty_pages": True, "next_links": "own"})
    body = client.ask("GET", where).json()
    assert body["value"] == []
    assert len(client.ask("GET", body["@odata.nextLink"]).json()["value"]) == 10
    assert client.ask("GET", where + "&$top=1001").status_code == 400
    assert client.ask("GET", where + "&$orderby=start/dateTime").status_code == 400
    assert client.ask("GET", where + "&$select=unheardOf").status_code == 400


def test_a_new_event_may_be_seen_late(person: Person) -> None:
    client = person.client
    client.control("PUT", "/graph/settings", {"visible_after": 3600})
    made = person.create()
    assert client.ask("GET", person.event(made["id"])).status_code == 200
    assert person.find(has_key("1#a")) == []
    client.control("PUT", "/graph/settings", {"visible_after": 0})
    assert len(person.find(has_key("1#a"))) == 1


# -- people and privacy -----------------------------------------------------------------------------


def test_a_calendar_has_an_owner(person: Person) -> None:
    made = person.client.ask("GET", f"{person.user}/calendar").json()
    assert made["owner"]["address"] == person.address
    assert made["isDefaultCalendar"] is True
    listed = person.client.ask("GET", f"{person.user}/calendars").json()["value"]
    assert [calendar["id"] for calendar in listed] == [made["id"]]
    own = f"{person.user}/calendars/{quote(made['id'], safe='')}/events"
    assert person.client.ask("POST", own, an_event()).status_code == 201
    other = f"{person.user}/calendars/other/events"
    assert code(person.client.ask("POST", other, an_event())) == (404, "ErrorItemNotFound")


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("denied", (403, "ErrorAccessDenied")),
        ("missing", (404, "ErrorInvalidUser")),
        ("moving", (404, "MailboxNotEnabledForRESTAPI")),
    ],
)
def test_mailboxes_that_are_not_for_us(
    person: Person, state: str, expected: tuple[int, str]
) -> None:
    path = f"/exchange/mailbox?address={person.address}"
    person.client.control("PUT", path, {"state": state})
    assert code(person.client.ask("GET", person.where(has_key("1#a")))) == expected
    assert code(person.client.ask("POST", person.events, an_event())) == expected


def test_mailboxes_elsewhere_and_nowhere(client: Client, on_ews: Person) -> None:
    answer = client.ask("POST", on_ews.events, an_event())
    assert code(answer) == (404, "MailboxNotEnabledForRESTAPI")
    nobody = client.ask("GET", "/users/nobody%40uni.example/calendar")
    assert code(nobody) == (404, "ErrorInvalidUser")


def test_a_user_principal_name(person: Person) -> None:
    client = person.client
    upn = f"upn-{person.address}"
    client.control("PUT", f"/graph/mailbox?address={person.address}", {"upn": upn})
    by_upn = f"/users/{quote(upn, safe='')}/calendar"
    assert client.ask("GET", by_upn).json()["owner"]["address"] == person.address
    assert client.ask("GET", f"{person.user}/calendar").status_code == 200
    client.control("PUT", "/graph/settings", {"users": "upn"})
    assert client.ask("GET", by_upn).status_code == 200
    assert code(client.ask("GET", f"{person.user}/calendar")) == (404, "ErrorInvalidUser")


def test_reading_what_is_not_ours_is_counted(filled: Person) -> None:
    client, user = filled.client, filled.user

    def count() -> int:
        return int(client.control("GET", "/exchange/private-touched")["count"])

    before = count()
    filled.find(has_key("1#a"))
    filled.find(has("contains(ep/value,'#')"))
    client.ask("GET", f"{user}/calendar")
    assert count() == before
    view = "startDateTime=2020-01-01T00:00:00Z&endDateTime=2030-01-01T00:00:00Z"
    for method, path, body in (
        ("GET", f"{filled.events}?$top=1", None),
        ("GET", filled.where("subject eq 'Event 1#a'"), None),
        ("GET", filled.where(has("ep/value ne '1#a'")), None),
        ("GET", f"{user}/calendarView?{view}", None),
        ("GET", f"{user}/calendarView/delta?{view}", None),
        ("POST", "/subscriptions", {"resource": f"{user}/events", "changeType": "updated"}),
    ):
        before = count()
        assert client.ask(method, path, body).status_code in {200, 201}, path
        assert count() > before, path
    on_view = client.ask("GET", f"{user}/calendarView?{view}&$filter=subject%20eq%20'a'")
    assert code(on_view) == (500, "ErrorInternalServerError")
    rows = [row for row in client.journal() if row["operation"] == "ListEvents"]
    assert [row["restricted"] for row in rows] == [True, True, False, False, False]
    assert rows[0]["keys"] == ["1#a"]


def test_a_search_by_anothers_mark_reads_nothing_of_the_owners(filled: Person) -> None:
    client, address = filled.client, filled.address
    guid = "0a1b2c3d-1111-4222-8333-444455556666"
    path = f"{guid}:TimePlanId:String"
    common = {"mailbox": address, "private": False}
    by_property = {**common, "subject": "A", "properties": {path: "tp-1"}, "series": True}
    client.control("POST", "/exchange/items", by_property)
    client.control("POST", "/exchange/items", {**common, "subject": "B", "categories": ["x", "Y"]})
    before = client.control("GET", "/exchange/private-touched")
    mark = f"String {{{guid}}} Name TimePlanId"
    any_mark = f"Any(ep: ep/id eq '{mark}' and startswith(ep/value,'TP-'))"
    for condition, subject, kind in (
        (f"singleValueExtendedProperties/{any_mark}", "A", "seriesMaster"),
        ("categories/any(c:c eq 'y')", "B", "singleInstance"),
    ):
        (event,) = client.ask("GET", filled.where(condition)).json()["value"]
        assert (event["subject"], event["type"]) == (subject, kind)
    assert client.control("GET", "/exchange/private-touched") == before
    rows = [row for row in client.journal() if row["operation"] == "ListEvents"][-2:]
    assert [row["mark"] for row in rows] == [path, "Categories"]


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/me/calendar", (400, "BadRequest")),
        ("GET", "/groups", (400, "BadRequest")),
        ("GET", "{user}/messages", (400, "BadRequest")),
        ("GET", "{user}", (403, "Authorization_RequestDenied")),
        ("PUT", "{user}/calendar/events", (405, "Request_BadRequest")),
    ],
)
def test_requests_that_an_app_for_calendars_has_no_use_for(
    person: Person, method: str, path: str, expected: tuple[int, str]
) -> None:
    answer = person.client.ask(method, path.replace("{user}", person.user))
    assert code(answer) == expected


def test_nobody_asks_for_immutable_ids(person: Person) -> None:
    answer = person.client.ask("GET", person.events, Prefer='IdType="ImmutableId"')
    assert code(answer) == (400, "BadRequest")


def test_ids_that_stay_are_told_where_that_is_switched_on(person: Person) -> None:
    client = person.client
    client.control("PUT", "/graph/settings", {"immutable_ids": True})
    stays = 'IdType="ImmutableId"'
    ordinary = person.create()["id"]
    told = client.ask("GET", person.event(ordinary) + "?$select=id", Prefer=stays).json()["id"]
    assert told != ordinary
    assert (
        client.ask("GET", person.event(ordinary) + "?$select=id", Prefer=stays).json()["id"] == told
    )
    assert client.ask("DELETE", person.event(ordinary)).status_code == 204
    assert code(client.ask("GET", person.event(ordinary))) == (404, "ErrorItemNotFound")
    assert client.ask("GET", person.event(told), Prefer=stays).status_code == 200
    again = client.ask("DELETE", person.event(told), Prefer=stays)
    assert code(again) == (403, "ErrorCannotDeleteObject")
    gone = client.ask("POST", person.event(told) + "/permanentDelete", {}, Prefer=stays)
    assert gone.status_code == 204
    assert person.held() == []
    assert client.ask("GET", person.event(told), Prefer=stays).status_code in {400, 404}


# -- both sides -------------------------------------------------------------------------------------


def soap(person: Person, operation: str) -> str:
    envelope = f"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"
        xmlns:m="{EWS["messages"]}" xmlns:t="{EWS["types"]}">
      <s:Header><t:ExchangeImpersonation><t:ConnectingSID>
        <t:PrimarySmtpAddress>{person.address}</t:PrimarySmtpAddress>
      </t:ConnectingSID></t:ExchangeImpersonation></s:Header>
      <s:Body>{operation}</s:Body></s:Envelope>"""
    url, auth = person.client.ends.exchange, ("kalender", "kalender")
    kind = {"Content-Type": "text/xml; charset=utf-8"}
    return requests.post(url, envelope.encode(), headers=kind, auth=auth, timeout=10).text


PATH = f'<t:ExtendedFieldURI PropertySetId="{GUID}" PropertyName="SyncKey" PropertyType="String"/>'
CREATE = f"""<m:CreateItem SendMeetingInvitations="SendToNone"><m:SavedItemFolderId>
<t:DistinguishedFolderId Id="calendar"/></m:SavedItemFolderId><m:Items><t:CalendarItem>
<t:Subject>Over EWS</t:Subject><t:ExtendedProperty>{PATH}<t:Value>7#ews</t:Value>
</t:ExtendedProperty><t:Start>2027-01-11T09:15:00Z</t:Start><t:End>2027-01-11T11:00:00Z</t:End>
</t:CalendarItem></m:Items></m:CreateItem>"""
FIND = f"""<m:FindItem Traversal="Shallow"><m:ItemShape><t:BaseShape>IdOnly</t:BaseShape>
<t:AdditionalProperties>{PATH}</t:AdditionalProperties></m:ItemShape>
<m:Restriction><t:Exists>{PATH}</t:Exists></m:Restriction><m:ParentFolderIds>
<t:DistinguishedFolderId Id="calendar"/></m:ParentFolderIds></m:FindItem>"""


def test_what_was_written_over_ews_is_found_over_graph_and_back(on_ews: Person) -> None:
    client, place = on_ews.client, f"/graph/mailbox?address={on_ews.address}"
    assert "NoError" in soap(on_ews, CREATE)
    (before,) = on_ews.held()
    client.control("PUT", place, {"place": "graph"})
    assert "ErrorNonExistentMailbox" in soap(on_ews, FIND)
    (event,) = on_ews.find(has_key("7#ews"), EXPAND)
    assert event["subject"] == "Over EWS"
    assert event["id"] != before["id"]
    assert code(client.ask("GET", on_ews.event(before["id"])))[0] == 400
    on_ews.create("8#graph")
    client.control("PUT", place, {"place": "ews"})
    answer = client.ask("GET", on_ews.where(has_key("7#ews")))
    assert code(answer) == (404, "MailboxNotEnabledForRESTAPI")
    text = soap(on_ews, FIND)
    assert "7#ews" in text
    assert "8#graph" in text
    assert event["id"] not in text


# -- batches ----------------------------------------------------------------------------------------


def test_a_batch_answers_each_request_in_any_order(person: Person) -> None:
    client = person.client
    creates = [part(n, "POST", person.events, an_event(f"{n}#x")) for n in range(20)]
    answer = client.ask("POST", "/$batch", {"requests": creates})
    ids = [response["id"] for response in answer.json()["responses"]]
    assert ids != sorted(ids, key=int)
    assert sorted(ids, key=int) == [str(n) for n in range(20)]
    assert {response["status"] for response in answer.json()["responses"]} == {201}
    assert len(person.held()) == 20
    counters = client.counters()
    assert (counters["graph"], counters["graph.Batch"], counters["graph.CreateEvent"]) == (1, 1, 20)
    outer, *rows = client.journal()[-21:]
    assert (outer["operation"], outer["items"], outer["mailbox"]) == ("Batch", 20, person.address)
    assert {row["keys"][0] for row in rows} == {f"{n}#x" for n in range(20)}
    assert rows[0]["path"].startswith("/$batch/")


def test_a_chain_stops_at_what_fails(person: Person) -> None:
    client, gone = person.client, person.event(person.create()["id"])
    client.ask("DELETE", gone)
    answers = client.batch(
        part("a", "POST", person.events, an_event("1#x")),
        part("b", "PATCH", gone, {"showAs": "free"}, dependsOn=["a"]),
        part("c", "POST", person.events, an_event("2#x"), dependsOn=["b"]),
        part("d", "POST", person.events, an_event("3#x"), dependsOn=["c"]),
    )
    assert {name: answers[name]["status"] for name in answers} == {
        "a": 201,
        "b": 404,
        "c": 424,
        "d": 424,
    }
    assert {row["sync_key"] for row in person.held() if row["folder"] == "calendar"} == {"1#x"}
    parallel = client.batch(
        part("a", "PATCH", gone, {"showAs": "free"}),
        part("b", "POST", person.events, an_event("4#x"), depends_on=["a"]),
    )
    assert parallel["b"]["status"] == 201
    common = client.batch(
        part("a", "GET", f"{person.user}/calendar"),
        part("b", "GET", f"{person.user}/calendar", dependsOn=["a"]),
        part("c", "DELETE", gone, dependsOn=["a"]),
    )
    assert [common[name]["status"] for name in "abc"] == [200, 200, 404]


def malformed(person: Person) -> Iterator[Json]:
    good = part("0", "POST", person.events, an_event())
    yield {}
    yield {"requests": []}
    yield {"requests": [{**good, "id": str(n)} for n in range(21)]}
    yield {"requests": [good, good]}
    yield {"requests": [good, {**good, "id": ""}]}
    yield {"requests": [good, {**good, "id": 1}]}
    yield {"requests": [good, part("1", "GET", f"{person.client.ends.graph}{person.events}")]}
    yield {"requests": [good, part("1", "POST", "/$batch", {"requests": []})]}
    yield {"requests": [good, {**good, "id": "1", "headers": {}}]}
    yield {"requests": [good, part("1", "POST", f"{person.event('A')}/permanentDelete")]}
    yield {"requests": [good, part("1", "GET", person.events, dependsOn=["7"])]}
    yield {"requests": [part("1", "GET", person.events, dependsOn=["0"]), good]}
    more = [
        part(n, "GET", person.events, dependsOn=[after]) for n, after in (("1", "0"), ("2", "1"))
    ]
    yield {"requests": [good, *more, part("3", "GET", person.events)]}
    both = part("2", "GET", person.events, dependsOn=["0", "1"])
    yield {"requests": [good, part("1", "GET", person.events), both]}


def test_a_malformed_batch_is_refused_as_a_whole(person: Person) -> None:
    for body in malformed(person):
        answer = person.client.ask("POST", "/$batch", body, judged=False)
        assert answer.status_code == 400, body
        assert answer.json()["error"]["code"] in {"BadRequest", "MaximumValueExceeded"}
    garbage = person.client.http.post(
        f"{person.client.ends.graph}/$batch",
        data=b"{",
        headers={
            "Authorization": f"Bearer {person.client.token}",
            "Content-Type": "application/json",
        },
        timeout=10,
    )
    assert code(garbage) == (400, "BadRequest")
    assert person.held() == []


def test_a_purge_in_a_batch_needs_a_body(person: Person) -> None:
    made = person.create()
    answers = person.client.batch(
        part(1, "POST", f"{person.event(made['id'])}/permanentDelete", {})
    )
    assert answers["1"]["status"] == 204
    assert "body" not in answers["1"]


# -- limits -----------------------------------------------------------------------------------------


def test_four_at_once(person: Person, places: dict[str, Iterator[str]]) -> None:
    client = person.client
    other = Person(client, next(places["graph"]))
    client.control("PUT", "/latency", {"graph": 0.1})
    look = [part(n, "GET", f"{person.user}/calendar") for n in range(8)]
    began = time.monotonic()
    assert {answer["status"] for answer in client.batch(*look).values()} == {200}
    assert time.monotonic() - began >= 0.2
    client.control("PUT", "/graph/settings", {"concurrency": 2})
    answers = client.batch(*look).values()
    refused = [answer for answer in answers if answer["status"] == 429]
    assert refused
    for answer in refused:
        assert code(answer) == (429, "ApplicationThrottled")
        assert answer["headers"]["Retry-After"] == "1"
    assert any(answer["status"] == 200 for answer in answers)
    both = [
        part(n, "GET", f"{whose.user}/calendar")
        for n, whose in enumerate([person, other, person, other])
    ]
    assert {answer["status"] for answer in client.batch(*both).values()} == {200}
    client.control("PUT", "/graph/settings", {"concurrency_by": "app"})
    assert {answer["status"] for answer in client.batch(*both).values()} == {200, 429}


def test_so_many_in_a_while(person: Person) -> None:
    client = person.client
    client.control("PUT", "/graph/settings", {"requests": 3})
    statuses = [client.ask("GET", f"{person.user}/calendar").status_code for _ in range(4)]
    assert statuses == [200, 200, 200, 429]
    last = client.batch(part(1, "GET", f"{person.user}/calendar"))["1"]
    assert 500 < int(last["headers"]["Retry-After"]) <= 600
    client.control("PUT", "/graph/settings", {"window_seconds": 0.0})
    assert client.ask("GET", f"{person.user}/calendar").status_code == 200


# -- faults -----------------------------------------------------------------------------------------


def fault(client: Client, kind: str, operation: str | None = None, **more: Any) -> None:
    body = {"neighbour": "graph", "kind": kind, "operation": operation, **more}
    client.control("POST", "/faults", body)


def creates(person: Person, *keys: str, chain: bool = True) -> list[Json]:
    made = [part(n, "POST", person.events, an_event(key)) for n, key in enumerate(keys)]
    for n in range(1, len(made) if chain else 0):
        made[n]["dependsOn"] = [str(n - 1)]
    return made


def keys_of(person: Person) -> list[str]:
    return sorted(row["sync_key"] for row in person.held())


def eventually(person: Person, *keys: str) -> None:
    for _ in range(100):
        if keys_of(person) == sorted(keys):
            return
        pause(0.05)
    assert keys_of(person) == sorted(keys)


LOST = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)


@pytest.mark.parametrize("operation", ["Batch", "CreateEvent", None])
def test_processed_then_dropped(person: Person, operation: str | None) -> None:
    fault(person.client, "process-then-drop", operation)
    with pytest.raises(LOST):
        person.client.batch(*creates(person, "1#a", "2#a"))
    assert keys_of(person) == ["1#a", "2#a"]
    assert person.client.batch(part(1, "GET", f"{person.user}/calendar"))["1"]["status"] == 200


def test_dropped_then_processed_later(person: Person) -> None:
    fault(person.client, "drop-now-process-later", "Batch", seconds=1.5)
    with pytest.raises(LOST):
        person.client.batch(*creates(person, "1#a", "2#a"))
    assert keys_of(person) == []
    eventually(person, "1#a", "2#a")


def test_a_chain_runs_on_after_the_connection_was_cut(person: Person) -> None:
    fault(person.client, "cut-within", "Batch", after_parts=2, seconds=1)
    with pytest.raises(LOST):
        person.client.batch(*creates(person, "1#a", "2#a", "3#a", "4#a"))
    assert keys_of(person) == ["1#a", "2#a"]
    eventually(person, "1#a", "2#a", "3#a", "4#a")


def test_a_chain_is_lost_with_the_connection(person: Person) -> None:
    fault(person.client, "cut-within", "Batch", after_parts=2, rest="lost")
    with pytest.raises(LOST):
        person.client.batch(*creates(person, "1#a", "2#a", "3#a", "4#a"))
    pause(0.3)
    assert keys_of(person) == ["1#a", "2#a"]


def test_a_cut_before_anything_is_done(person: Person) -> None:
    fault(person.client, "cut", mailbox=person.address)
    with pytest.raises(LOST):
        person.client.ask("POST", person.events, an_event())
    assert keys_of(person) == []


def test_half_an_answer(person: Person) -> None:
    fault(person.client, "truncate", "Batch")
    with pytest.raises(LOST):
        person.client.batch(*creates(person, "1#a"))
    assert keys_of(person) == ["1#a"]


def test_an_answer_that_is_missing(person: Person) -> None:
    fault(person.client, "omit", "Batch", position=1)
    answers = person.client.batch(*creates(person, "1#a", "2#a", "3#a"))
    assert sorted(answers) == ["0", "2"]
    assert keys_of(person) == ["1#a", "2#a", "3#a"]
    fault(person.client, "omit", "CreateEvent")
    assert sorted(person.client.batch(*creates(person, "4#a", "5#a"))) == ["1"]


@pytest.mark.parametrize(
    ("status", "expected"),
    [(429, "ApplicationThrottled"), (503, "UnknownError"), (504, "UnknownError")],
)
def test_a_status_with_retry_after_outside_and_inside(
    person: Person, status: int, expected: str
) -> None:
    client = person.client
    fault(client, "status", "Batch", status=status, retry_after=7)
    outer = client.ask("POST", "/$batch", {"requests": creates(person, "1#a")})
    assert code(outer) == (status, expected)
    assert outer.headers["Retry-After"] == "7"
    fault(client, "status", "CreateEvent", status=status, retry_after=9, after=1)
    answers = client.batch(*creates(person, "1#a", "2#a", "3#a", chain=False))
    assert sorted(answer["status"] for answer in answers.values()) == [201, 201, status]
    (refused,) = (answer for answer in answers.values() if answer["status"] == status)
    assert refused["headers"]["Retry-After"] == "9"
    assert len(keys_of(person)) == 2


def test_a_refusal_that_is_a_success(person: Person) -> None:
    client = person.client
    more = {"status": 503, "code": "ConcurrentItemSave"}
    fault(client, "process-then-status", "CreateEvent", **more)
    assert code(client.ask("POST", person.events, an_event())) == (503, "ConcurrentItemSave")
    assert keys_of(person) == ["1#a"]
    fault(client, "process-then-status", "CreateEvent", twice=True, **more)
    assert client.ask("POST", person.events, an_event("0#a")).status_code == 503
    assert keys_of(person) == ["0#a", "0#a", "1#a"]
    fault(client, "process-then-status", "CreateEvent", status=409)
    answers = client.batch(*creates(person, "2#a", "3#a"))
    assert code(answers["0"]) == (409, "ConcurrentItemSave")
    assert answers["1"]["status"] == 424
    assert keys_of(person) == ["0#a", "0#a", "1#a", "2#a"]


def test_one_request_of_a_batch_is_refused(person: Person) -> None:
    more = {"status": 403, "code": "ErrorQuotaExceeded"}
    fault(person.client, "item-error", "Batch", position=1, **more)
    answers = person.client.batch(*creates(person, "1#a", "2#a", chain=False))
    assert (answers["0"]["status"], code(answers["1"])) == (201, (403, "ErrorQuotaExceeded"))


def test_a_token_that_ends_in_the_middle(person: Person) -> None:
    fault(person.client, "expired-token")
    answer = person.client.ask("POST", "/$batch", {"requests": creates(person, "1#a")})
    assert code(answer) == (401, "InvalidAuthenticationToken")
    again = person.client.ask("GET", f"{person.user}/calendar")
    assert code(again) == (401, "InvalidAuthenticationToken")
    person.client.token = person.client.login()["access_token"]
    assert person.client.ask("GET", f"{person.user}/calendar").status_code == 200
    assert keys_of(person) == []


@pytest.mark.parametrize("kind", ["slow", "drip"])
def test_slow_answers(person: Person, kind: str) -> None:
    fault(person.client, kind, "Batch", seconds=0.4)
    began = time.monotonic()
    assert person.client.batch(*creates(person, "1#a"))["0"]["status"] == 201
    assert time.monotonic() - began >= 0.35


def test_garbage_and_busy(person: Person) -> None:
    fault(person.client, "garbage", "Batch")
    answer = person.client.http.post(
        f"{person.client.ends.graph}/$batch",
        json={"requests": creates(person, "1#a")},
        headers={"Authorization": f"Bearer {person.client.token}"},
        timeout=10,
    )
    assert (answer.status_code, answer.text[:5]) == (200, "<!DOC")
    assert keys_of(person) == []
    fault(person.client, "busy", "Batch", ms=3000)
    busy = person.client.ask("POST", "/$batch", {"requests": creates(person, "1#a")})
    assert (code(busy), busy.headers["Retry-After"]) == ((429, "ApplicationThrottled"), "3")


def test_the_login_has_faults_too(client: Client) -> None:
    body = {"neighbour": "login", "kind": "status", "status": 503, "body": "{}"}
    client.control("POST", "/faults", body)
    assert client.login()["status"] == 503
    assert client.login()["status"] == 200


def test_a_request_is_named_by_its_client(person: Person) -> None:
    answer = person.client.ask("GET", f"{person.user}/unheardOf", client_request_id="mine")
    assert answer.headers["client-request-id"] == "mine"
    assert answer.json()["error"]["innerError"]["client-request-id"] == "mine"
    assert answer.headers["request-id"]


def test_requests_at_the_same_time_over_many_connections(person: Person) -> None:
    client = person.client
    client.control("PUT", "/latency", {"graph": 1})
    headers = {"Authorization": f"Bearer {client.token}"}

    def look(_: int) -> int:
        url = f"{client.ends.graph}{person.user}/calendar"
        return requests.get(url, headers=headers, timeout=10).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = sorted(pool.map(look, range(6)))
    assert statuses[:4] == [200, 200, 200, 200]
    assert set(statuses) == {200, 429}


# -- who has a mailbox where --------------------------------------------------------------------------


def test_nobody_is_on_graph_unless_it_is_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    directory = tmp_path_factory.mktemp("plain")
    generate(directory, students=20)
    with start(directory) as sandbox:
        ends = sandbox.endpoints
        assert (ends.graph, ends.login, ends.login_ca) == ("", "", "")
        counters = requests.get(f"{ends.control}/counters", timeout=10).json()
        assert counters == {"fs": 0, "tp": 0, "exchange": 0}
        assert requests.get(f"{ends.control}/graph/settings", timeout=10).status_code == 401


def test_half_of_the_people_are_on_graph(client: Client) -> None:
    where = list(client.control("GET", "/graph/mailboxes").values())
    assert 0.4 < where.count("graph") / len(where) < 0.6


def test_the_settings_that_the_command_prints_fill_calendars_on_both_sides(tmp_path: Path) -> None:
    words = ["sandbox", "--generate", "20", "--port-base", "0", "--graph", "half"]
    command = [sys.executable, "-u", "-m", "kalender", *words]
    config = tmp_path / "config.toml"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("ca_file"):
                break
        database = f'[database]\nurl = "sqlite:///{tmp_path}/k.db"\n'
        config.write_text("".join(lines) + database)
        kalender = ["--config", str(config), "--now", "2025-08-18T08:00+02:00"]
        for rest in (["db", "upgrade"], ["resync", "--all"], ["worker", "--until-idle"]):
            assert commands.run([*kalender, *rest], timeout=120).returncode == 0
        control = next(line.split()[-1] for line in lines if "_control" in line)
        boxes = requests.get(f"{control}/exchange/all", timeout=10).json()
        places = requests.get(f"{control}/graph/mailboxes", timeout=10).json()
        ours = [box for box, items in boxes.items() if any(item["sync_key"] for item in items)]
        filled = {places[box] for box in ours}
        process.terminate()
    assert filled == {"graph", "ews"}
