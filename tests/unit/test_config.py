import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pika import PlainCredentials
from pydantic import BaseModel, SecretStr
from pydantic_core import PydanticUndefined
from sqlalchemy.engine import make_url

from kalender.app import App, clock_from, refuse_another_day
from kalender.broker.connection import parameters
from kalender.config import Config, load, with_workers
from kalender.config.backends import EwsApplicationSettings, EwsSettings, GraphSettings
from kalender.config.calendar import RoleCalendar, Texts
from kalender.config.lists import OptOutList
from kalender.config.sections import BrokerSettings, NotificationPattern, Section
from kalender.config.takeover import Takeover
from kalender.config.web import ProxySettings, SignInSettings
from kalender.domain.model import Season, Semester
from kalender.domain.roles import STUDENT, TEACHER
from kalender.domain.takeover import CategoryMark, LineMark, PredecessorMark, PropertyMark
from kalender.domain.work import Kind
from kalender.errors import ConfigError
from kalender.operate.status import Expectations
from kalender.store.database import Database
from tests.graph import self_signed

EXAMPLE = Path("config.example.toml")
SECRET = "hemmelig-4711"
SMALLEST = """
[institution]
number = 185
name = "Universitetet"
mail_domains = ["Example.org"]
[fs]
base_url = "https://fs.example.org"
api_key = "a"
[tp]
base_url = "https://tp.example.org"
api_key = "b"
[exchange.main]
endpoint = "https://mail.example.org/EWS/Exchange.asmx"
username = "kalender"
password = "c"
"""


def read(
    tmp_path: Path, text: str = "", environ: Mapping[str, str] | None = None, base: str = SMALLEST
) -> Config:
    path = tmp_path / "kalender.toml"
    path.write_text(base + text, encoding="utf-8")
    return load(path, environ or {})


def told(tmp_path: Path, text: str = "", base: str = SMALLEST, **environ: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text, environ, base)
    line = str(caught.value)
    assert "\n" not in line
    assert SECRET not in line
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return line


# -- what is read ------------------------------------------------------------------------------


def test_the_smallest_file_gives_all_defaults_and_writes_to_nobody(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert config.rollout.mode == "listed"
    assert config.exchange.default == "main"
    assert config.database.url.get_secret_value() == "sqlite:///kalender.db"
    assert config.broker is None
    assert config.institution.mail_domains == ("example.org",)
    assert (config.safety.max_deleted_share, config.safety.min_deletes) == (0.02, 200)
    assert (config.safety.min_deletes_day, config.safety.max_entries) == (2000, 1500)
    assert config.calendar.by_role["student"].reminder_minutes is None
    assert config.calendar.by_role["teacher"].delete == "soft"


def test_the_environment_wins(tmp_path: Path) -> None:
    environ = {
        "KALENDER_FS__API_KEY": SECRET,
        "KALENDER_EXCHANGE__MAIN__PASSWORD": SECRET,
        "KALENDER_TP__SKIP": "*A*, *B*",
        "KALENDER_TP__SEMESTERS": '["25h"]',
        "KALENDER_WORKER__PROCESSES": "3",
        "KALENDER_ROLLOUT__MODE": "all",
    }
    config = read(tmp_path, environ=environ)
    assert config.fs.api_key is not None
    assert config.fs.api_key.get_secret_value() == SECRET
    assert config.exchange.backends["main"].credentials[1] == SECRET
    assert config.tp.skip == ("*A*", "*B*")
    assert config.tp.semesters == (Semester(2025, Season.AUTUMN),)
    assert (config.worker.processes, config.rollout.mode) == (3, "all")


def test_the_environment_alone_suffices() -> None:
    environ = {
        "KALENDER_INSTITUTION__NUMBER": "185",
        "KALENDER_INSTITUTION__NAME": "Universitetet",
        "KALENDER_INSTITUTION__MAIL_DOMAINS": "example.org",
        "KALENDER_FS__BASE_URL": "https://fs.example.org",
        "KALENDER_FS__API_KEY": "a",
        "KALENDER_TP__BASE_URL": "https://tp.example.org",
        "KALENDER_TP__API_KEY": "b",
        "KALENDER_EXCHANGE__MAIN__ENDPOINT": "https://mail.example.org/",
        "KALENDER_EXCHANGE__MAIN__USERNAME": "kalender",
        "KALENDER_EXCHANGE__MAIN__PASSWORD": "c",
    }
    assert load(None, environ).institution.number == 185


def test_the_file_may_be_named_in_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "k.toml"
    path.write_text(SMALLEST, encoding="utf-8")
    environ = {"KALENDER_CONFIG": str(path), "KALENDER_PORT": "tcp://10.0.0.1", "HOME": "/"}
    assert load(None, environ).institution.name == "Universitetet"


@pytest.mark.parametrize("named_in", ["file", "environment"])
def test_a_secret_may_stand_in_a_file(tmp_path: Path, named_in: str) -> None:
    secret = tmp_path / "key"
    secret.write_text(SECRET + "\n", encoding="utf-8")
    text = SMALLEST.replace('api_key = "a"', f'api_key_file = "{secret}"')
    environ = {"KALENDER_FS__API_KEY_FILE": str(secret)} if named_in == "environment" else {}
    config = read(tmp_path, "", environ, SMALLEST if environ else text)
    assert config.fs.api_key is not None
    assert config.fs.api_key.get_secret_value() == SECRET


def test_a_secret_of_the_environment_displaces_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    base = SMALLEST.replace('api_key = "a"', 'api_key_file = "/nowhere"')
    config = read(tmp_path, "", {"KALENDER_FS__API_KEY": SECRET}, base)
    assert config.fs.api_key is not None


def test_who_only_looks_needs_no_secret_but_the_databases(tmp_path: Path) -> None:
    (tmp_path / "url").write_text("sqlite:///k.db")
    text = SMALLEST.replace('api_key = "a"', 'api_key_file = "/nowhere/key"')
    text = re.sub(r"^password = .*$", "", text, flags=re.MULTILINE)
    (tmp_path / "config.toml").write_text(f'{text}\n[broker]\nqueues = ["q"]\n')
    environ = {"KALENDER_DATABASE__URL_FILE": str(tmp_path / "url")}
    config = load(tmp_path / "config.toml", environ, secrets=False)
    assert config.database.url.get_secret_value() == "sqlite:///k.db"
    with pytest.raises(ConfigError):
        load(tmp_path / "config.toml", environ)


def test_secrets_do_not_show_themselves(tmp_path: Path) -> None:
    environ = {
        "KALENDER_FS__API_KEY": SECRET,
        "KALENDER_TP__API_KEY": SECRET,
        "KALENDER_EXCHANGE__MAIN__PASSWORD": SECRET,
        "KALENDER_DATABASE__URL": f"postgresql://kalender:{SECRET}@db/kalender",
        "KALENDER_BROKER__URL": f"amqps://kalender:{SECRET}@mq.example.org/v",
        "KALENDER_BROKER__QUEUES": "from_fs",
    }
    config = read(tmp_path, environ=environ)
    assert SECRET not in repr(config) + str(config) + str(config.model_dump())


def test_settings_do_not_change(tmp_path: Path) -> None:
    config = read(tmp_path)
    with pytest.raises(ValueError, match="frozen"):
        config.worker.processes = 2


# -- what differs for students and teachers ----------------------------------------------------


def test_what_one_audience_lacks_is_taken_from_all(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        """
        [calendar]
        reminder_minutes = 15
        busy = "free"
        subject = "{title}"
        [calendar.teacher]
        reminder_minutes = "none"
        subject = { en = "{course}" }
        """,
    )
    student, teacher = (config.role_calendars[role] for role in (STUDENT, TEACHER))
    assert (student.reminder_minutes, teacher.reminder_minutes) == (15, None)
    assert (student.busy, teacher.busy) == ("free", "free")
    assert student.style("U", "en", {}).subject == "{title}"
    assert teacher.style("U", "en", {}).subject == "{course}"
    assert teacher.style("U", "nb", {}).subject == "{course} {kind}: {title}"


@pytest.mark.parametrize(
    ("line", "student", "teacher"),
    [
        ("", None, None),
        ('mailbox = "{username}@example.org"', "ola@example.org", "ola@example.org"),
        (
            'mailbox = { student = "{username}@s.example.org", teacher = "epost:ANSATT" }',
            "ola@s.example.org",
            "o@example.org",
        ),
    ],
)
def test_mailboxes_are_one_rule_or_one_for_each(
    tmp_path: Path, line: str, student: str | None, teacher: str | None
) -> None:
    rule = read(tmp_path, f"[identity]\n{line}").mailboxes
    mails = [("ANSATT", "o@example.org")]
    assert rule.address(STUDENT, "ola", mails) == student
    assert rule.address(TEACHER, "ola", mails) == teacher
    assert rule.allows("ola@example.org")
    assert not rule.allows("ola@elsewhere.org")


def test_patterns_of_the_operator_come_first(tmp_path: Path) -> None:
    text = "[[notifications]]\nqueue = 'from_tp'\nsubject = '^emne/(?P<course>.+)$'"
    config = read(tmp_path, text)
    assert config.patterns[0].queue == "from_tp"
    assert len(config.patterns) > 1


# -- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "domains", ["@uni.example", "uni.example ", " uni.example", "", "uni..example", "a@uni.example"]
)
def test_a_mail_domain_that_no_address_can_have_is_refused(tmp_path: Path, domains: str) -> None:
    base = SMALLEST.replace("Example.org", domains)
    with pytest.raises(ConfigError, match=r"^institution\.mail_domains: .* number 1 is [^\n]*$"):
        read(tmp_path, base=base)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[tp]\nskip = ['*EKSAMEN* ']", "tp.skip"),
        ("[tp]\nskip = ['']", "tp.skip"),
        ("[tp]\nsemesters = ['25h ']", "tp.semesters"),
        ("[fs]\nteaching_roles = [' LÆRER']", "fs.teaching_roles"),
        ("[fs]\naccepted_offer_statuses = ['I', '']", "fs.accepted_offer_statuses"),
        ("[fs]\naccepted_offer_statuses = []", "fs.accepted_offer_statuses"),
        ("[broker]\nurl = 'amqp://h'\nqueues = ['q ']", "broker.queues"),
        ("[identity]\nmailbox = 'epost:INSTITUSJON '", "identity.mailbox"),
        ("[identity]\nmailbox = '{username}@@uni.example'", "identity.mailbox"),
    ],
)
def test_a_text_of_a_list_that_can_match_nothing_is_refused(
    tmp_path: Path, text: str, key: str
) -> None:
    section, _, lines = text.partition("\n")
    base = SMALLEST if section in SMALLEST else f"{SMALLEST}{section}\n"
    with pytest.raises(ConfigError, match=f"^{key}") as caught:
        read(tmp_path, base=base.replace(section, text, 1) if section in base else base + lines)
    assert "\n" not in str(caught.value)


def test_lists_hold_each_text_once_and_codes_in_capitals(tmp_path: Path) -> None:
    base = SMALLEST.replace('["Example.org"]', '["Example.org", "example.org", "Æ-1.uni.example"]')
    base = base.replace("[fs]", '[fs]\nteaching_roles = ["lærer", "LÆRER"]')
    base = base.replace("[tp]", '[tp]\nsemesters = ["25h", "25h"]\nskip = ["*A*", "*A*"]')
    config = read(tmp_path, base=base)
    assert config.institution.mail_domains == ("example.org", "æ-1.uni.example")
    assert config.fs.teaching_roles == ("LÆRER",)
    assert config.tp.semesters == (Semester(2025, Season.AUTUMN),)
    assert config.tp.skip == ("*A*",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[fs]", "not TOML"),
        ("[rollout", "not TOML"),
        ("[institution.x]\ny = 1", "institution.x is not a setting"),
        ("[rollouts]", "did you mean rollout?"),
        ("[rollout]\nmode = 'some'", "rollout.mode: must be 'listed', 'all' or 'off'"),
        ("[worker]\nprocesses = true", "worker.processes: must be a number, not true or false"),
        ("[safety]\nmax_deleted_share = true", "must be a number, not true or false"),
        ("max_requests_per_second = true", "max_requests_per_second: must be a number"),
        ("[calendar.student]\npast_days = true", "past_days: must be a number"),
        ("[worker]\nprocesses = 0", "worker.processes: must be greater than 0"),
        ("[worker]\nprocess = 1", "worker.process is not a setting: did you mean processes?"),
        ("[worker]\nlease_seconds = 124", "worker.lease_seconds must be at least 125"),
        ("[worker]\nprocesses = 6", "[exchange.main] max_connections is 20"),
        ("[calendar]\nsubject = '{teacher}'", "calendar.subject: unknown field {teacher}"),
        ("[calendar]\nbody = '{'", "calendar.body"),
        ("[calendar]\nsubject = { de = 'x' }", "calendar.subject.de is not a setting"),
        ("[calendar]\nstudent = 3", "calendar.student"),
        ("[calendar.student]\npast_days = -1", "calendar.student.past_days"),
        ("[identity]\nmailbox = 'ola'", 'identity.mailbox.student: must be "epost:TYPE"'),
        ("[identity]\nmailbox = '{username}{x}@y'", "may name {username} alone"),
        ("[identity]\nmailbox = { student = 'epost:A' }", "identity.mailbox.teacher is missing"),
        ("[safety]\nmax_deleted_share = 2", "safety.max_deleted_share"),
        ("[broker]\nurl = 'amqps://x'", "broker.queues is missing"),
        ("[broker]\nurl = 'amqps://x'\nqueues = []", "broker.queues must not be empty"),
        ("[broker]\nurl = 'http://x'\nqueues = ['q']", "broker.url: must be a URL that begins"),
        ("[broker]\nurl = 'amqps://x'\nqueues = ['q']\nca_file = '/nowhere'", "broker.ca_file"),
        ("[exchange.two]\nkind = 'graph'", "exchange.default is missing"),
        ("[exchange]\ndefault = 'two'", "exchange: default names no [exchange.NAME] section"),
        ("[[notifications]]\nsubject = '('", "notifications.0.subject"),
        ("[[notifications]]\nsubject = 'x'", "must have a named group"),
        ("[fs.paths]\nperson = 'x'", "fs.paths.person is not a setting"),
        ("[tp.paths]\ncourse = '{year}'", "tp.paths.course: may name {course}"),
    ],
)
def test_whatever_is_wrong_is_one_line_that_names_it(tmp_path: Path, text: str, words: str) -> None:
    assert words in told(tmp_path, text)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ("KALENDER_FS__PAGE_SIZE", "fs.page_size"),
        ("KALENDER_FS__APIKEY", "fs.apikey is not a setting: did you mean api_key?"),
        ("KALENDER_FSS__API_KEY", "fss is not a setting"),
        ("KALENDER_FS__BASE_URL", "fs.base_url: must be a URL"),
        ("KALENDER_DATABASE__URL", "database.url: must be a URL"),
        ("KALENDER_INSTITUTION__TIME_ZONE", "institution.time_zone is no time zone"),
        ("KALENDER_TP__SEMESTERS", "tp.semesters: must be"),
        ("KALENDER_FS__API_KEY_FILE", "fs.api_key_file: No such file"),
        (
            "KALENDER_EXCHANGE__MAIN__AUTH",
            "exchange.main.auth: must be 'basic', 'ntlm' or 'oauth2'",
        ),
        ("KALENDER_EXCHANGE__MAIN__KIND", "exchange.main.kind: must be 'ews' or 'graph'"),
    ],
)
def test_a_value_of_the_environment_is_never_told(
    tmp_path: Path, variable: str, words: str
) -> None:
    assert words in told(tmp_path, **{variable: SECRET})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('name = "Universitetet"', "institution.name is missing"),
        ('api_key = "b"', "tp.api_key is missing"),
        ('api_key = "a"', "fs: needs api_key"),
        ('password = "c"', "exchange.main.password is missing"),
    ],
)
def test_a_missing_key_is_named_with_its_place_and_variable(
    tmp_path: Path, line: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)) as caught:
        read(tmp_path, base=SMALLEST.replace(line, ""))
    if "is missing" in words:
        assert "kalender.toml" in str(caught.value)
        assert "KALENDER_" in str(caught.value)


def test_a_missing_section_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"\[institution\] is missing.*\(and \d more\)"):
        read(tmp_path, base="")


def test_credentials_are_whole(tmp_path: Path) -> None:
    assert "needs api_key" in told(tmp_path, KALENDER_FS__USERNAME="kalender")
    whole = {"KALENDER_FS__USERNAME": "kalender", "KALENDER_FS__PASSWORD": SECRET}
    assert read(tmp_path, environ=whole).fs.username == "kalender"


def test_an_empty_secret_is_none(tmp_path: Path) -> None:
    assert told(tmp_path, KALENDER_TP__API_KEY="") == "tp.api_key must not be empty"
    empty = tmp_path / "empty"
    empty.touch()
    assert "must not be empty" in told(tmp_path, KALENDER_TP__API_KEY_FILE=str(empty))


def test_a_file_of_secrets_that_is_no_text_is_refused(tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.write_bytes(b"\xff\xfe")
    assert "not text" in told(tmp_path, KALENDER_TP__API_KEY_FILE=str(strange))


def test_a_secret_given_twice_is_refused(tmp_path: Path) -> None:
    base = SMALLEST.replace('api_key = "a"', 'api_key = "a"\napi_key_file = "x"')
    with pytest.raises(ConfigError, match="both given"):
        read(tmp_path, base=base)


def test_a_missing_or_unreadable_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: No such file.*--config"):
        load(tmp_path / "nowhere.toml", {})
    (tmp_path / "strange.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not TOML"):
        load(tmp_path / "strange.toml", {})


def test_a_broken_line_is_told_by_its_place_alone(tmp_path: Path) -> None:
    assert "(at line 17, column" in told(tmp_path, f"[worker]\npassword = {SECRET}")


def test_the_command_line_is_checked_like_the_file(tmp_path: Path) -> None:
    config = read(tmp_path)
    assert with_workers(config, processes=2, connections=None).worker.processes == 2
    assert with_workers(config, processes=None, connections=None) == config
    with pytest.raises(ConfigError, match="max_connections is 20"):
        with_workers(config, processes=7, connections=3)


# -- Exchange Online -----------------------------------------------------------------------------

CLOUD = """
[exchange]
default = "main"
[exchange.cloud]
kind = "graph"
tenant = "uni.example"
client_id = "00000000-0000-0000-0000-000000000001"
[worker]
lease_seconds = 365
"""


def cloud(**keys: object) -> str:
    """The section with these keys besides."""
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
    return CLOUD.replace("[worker]", f"{lines}[worker]")


def pem(directory: Path, name: str = "graph") -> dict[str, str]:
    """A certificate and its key, as the settings name them."""
    certificate, key = self_signed(directory, name)
    return {"certificate_file": str(certificate), "key_file": str(key)}


def test_a_backend_of_the_kind_graph_has_the_addresses_of_the_global_cloud(tmp_path: Path) -> None:
    backend = read(tmp_path, cloud(client_secret=SECRET)).exchange.backends["cloud"]
    assert isinstance(backend, GraphSettings)
    assert backend.addresses == (
        "https://graph.microsoft.com/v1.0",
        "https://login.microsoftonline.com",
    )
    assert (backend.timeout, backend.server_seconds, backend.user) == (60, 300, "mail")
    assert backend.second_look == timedelta(hours=6)
    assert backend.credentials[1] == SECRET


def test_a_file_of_a_secret_and_its_last_day_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    text = cloud(client_secret_file=str(tmp_path / "secret"))
    text = text.replace("[worker]", "client_secret_expires = 2027-06-30\n[worker]")
    config = read(tmp_path, text)
    assert config.exchange.backends["cloud"].credentials[1] == SECRET
    ends = Expectations.of(App(config, clock_from(None))).secrets
    assert ends == {"exchange.cloud.client_secret": date(2027, 6, 30)}


def test_each_credential_is_a_set_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("a")
    ways: list[dict[str, str]] = [
        {"client_secret": SECRET},
        pem(tmp_path),
        {"federated_token_file": str(tmp_path / "token")},
    ]
    known = {read(tmp_path, cloud(**way)).exchange.backends["cloud"].credentials for way in ways}
    assert len(known) == 3


def test_where_exchange_counts_for_the_application_four_may_be_under_way(tmp_path: Path) -> None:
    text = cloud(client_secret=SECRET, concurrency_scope="app")
    assert read(tmp_path, text).exchange.backends["cloud"].most_requests == 4
    text = cloud(client_secret=SECRET)
    assert read(tmp_path, text).exchange.backends["cloud"].most_requests == 20


@pytest.mark.parametrize(
    ("keys", "limits", "batch"),
    [
        ({}, (20, 1, None), 20),
        ({"max_connections": 64, "max_requests_per_second": 100}, (12, 1, 100), 20),
        ({"max_requests_per_second": 7}, (2, 1, 7), 7),
        ({"concurrency_scope": "app"}, (4, 4, 16), 4),
        ({"concurrency_scope": "app", "max_requests_per_second": 3}, (2, 4, 3), 3),
    ],
)
def test_what_exchange_counts_decides_slots_rate_and_batch(
    tmp_path: Path, keys: dict[str, object], limits: tuple[int, int, float | None], batch: int
) -> None:
    config = read(tmp_path, cloud(client_secret=SECRET, **keys))
    doors = App(config, clock_from(None)).limiters(Database("sqlite:///none.db")).by_name
    ours = doors["exchange.cloud"].limits
    assert (ours.most, ours.slots, ours.per_second) == limits
    assert config.exchange.backends["cloud"].batch == batch


ONE_OF = "exchange.cloud: needs exactly one of client_secret"


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, ONE_OF),
        ({"client_secret": SECRET, "federated_token_file": "token"}, ONE_OF),
        ({"client_secret": SECRET, "key_file": "graph.key"}, ONE_OF),
        ({"key_file": "graph.key"}, "needs certificate_file and key_file together"),
        ({"certificate_file": "graph.pem"}, "needs certificate_file and key_file together"),
        (
            {"certificate_file": "graph.pem", "key_file": "other.key"},
            "exchange.cloud: certificate_file and key_file do not belong together",
        ),
        (
            {"certificate_file": "nowhere", "key_file": "graph.key"},
            "exchange.cloud.certificate_file",
        ),
        (
            {"certificate_file": "graph.key", "key_file": "graph.key"},
            "exchange.cloud.certificate_file: holds no certificate",
        ),
        (
            {"certificate_file": "graph.pem", "key_file": "graph.pem"},
            "exchange.cloud.key_file: holds no private key",
        ),
        (
            {"certificate_file": "graph.pem", "key_file": "locked.key"},
            "exchange.cloud.key_file: holds no private key that can be used",
        ),
        ({"federated_token_file": "nowhere"}, "exchange.cloud.federated_token_file"),
        ({"federated_token_file": "binary"}, "exchange.cloud.federated_token_file: cannot be read"),
        ({"client_secret_file": "nowhere"}, "exchange.cloud.client_secret_file: No such file"),
        ({"client_secret": ""}, "exchange.cloud.client_secret"),
        ({"client_secret": SECRET, "tenant": "a/b"}, "exchange.cloud.tenant: must be an id"),
        ({"client_secret": SECRET, "client_id": ""}, "exchange.cloud.client_id: must be an id"),
        ({"client_secret": SECRET, "base_url": "graph"}, "exchange.cloud.base_url: must be a URL"),
        ({"client_secret": SECRET, "user": "username"}, 'exchange.cloud.user: must be "mail"'),
        ({"client_secret": SECRET, "user": "{username}"}, 'exchange.cloud.user: must be "mail"'),
        (
            {"client_secret": SECRET, "user": "{username}@a b"},
            'exchange.cloud.user: must be "mail"',
        ),
        ({"client_secret": SECRET, "user": "{username}@{x}"}, "may name {username} alone"),
        ({"client_secret": SECRET, "concurrency_scope": "all"}, "exchange.cloud.concurrency_scope"),
        ({"client_secret": SECRET, "password": SECRET}, "exchange.cloud.password is not a setting"),
        ({"client_secret": SECRET, "tenants": "x"}, "did you mean tenant?"),
        ({"client_secret": SECRET, "client_secret_file": "token"}, "are both given: remove one"),
    ],
)
def test_what_is_wrong_with_a_graph_is_one_line(
    tmp_path: Path, keys: dict[str, str], words: str
) -> None:
    self_signed(tmp_path, "graph")
    self_signed(tmp_path, "other")
    (tmp_path / "token").write_text("a")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
    (tmp_path / "locked.key").write_text(locked)
    placed = {
        name: str(tmp_path / value) if name.endswith("_file") else value
        for name, value in keys.items()
    }
    text = CLOUD
    for name in placed.keys() & {"tenant", "client_id"}:
        text = re.sub(f"^{name} = .*\n", "", text, flags=re.MULTILINE)
    lines = "".join(f"{name} = {json.dumps(value)}\n" for name, value in placed.items())
    assert words in told(tmp_path, text.replace("[worker]", f"{lines}[worker]"))


def test_a_last_day_without_its_secret_is_refused(tmp_path: Path) -> None:
    text = cloud(**pem(tmp_path))
    text = text.replace("[worker]", "client_secret_expires = 2027-06-30\n[worker]")
    assert "client_secret_expires, but no client_secret" in told(tmp_path, text)


def bridge(text: str = SMALLEST) -> str:
    """The settings where EWS is asked as an application."""
    keys = 'auth = "oauth2"\ntenant = "uni.example"\nclient_id = "a"'
    return re.sub("username = .*\npassword = .*\n", f'{keys}\nclient_secret = "{SECRET}"\n', text)


def test_ews_may_know_us_as_an_application(tmp_path: Path) -> None:
    backend = read(tmp_path, base=bridge()).exchange.backends["main"]
    assert isinstance(backend, EwsApplicationSettings)
    assert backend.addresses == (backend.endpoint, "https://login.microsoftonline.com")
    assert backend.credentials == ("uni.example/a", SECRET, None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"oauth2"', '"basic"', "exchange.main.username is missing"),
        ('"oauth2"', '"kerberos"', "exchange.main.auth: must be 'basic', 'ntlm' or"),
        ("tenant = ", "# ", "exchange.main.tenant is missing"),
        ("client_secret = ", "# ", "exchange.main: needs exactly one of client_secret"),
        (
            "tenant = ",
            'username = "a"\ntenant = ',
            "exchange.main.username is not a setting: it goes",
        ),
        ("tenant = ", "impersonate = false\ntenant = ", "exchange.main.impersonate: must be True"),
        ("tenant = ", 'user = "upn"\ntenant = ', "exchange.main.user is not a setting: it goes"),
    ],
)
def test_what_is_wrong_with_ews_as_an_application_is_one_line(
    tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = bridge()
    assert old in text
    assert words in told(tmp_path, base=text.replace(old, new))


def test_a_key_of_an_application_beside_a_password_is_one_line(tmp_path: Path) -> None:
    text = SMALLEST.replace("username = ", 'tenant = "a"\nusername = ', 1)
    assert "tenant is not a setting: it goes with another kind or auth" in told(tmp_path, base=text)


def test_a_principal_name_goes_with_one_rule_of_addresses(tmp_path: Path) -> None:
    by_username = cloud(client_secret=SECRET, user="{username}@uni.example")
    assert read(tmp_path, by_username).exchange.backends["cloud"].address
    rules = '[identity]\nmailbox = { student = "epost:A", teacher = "epost:B" }\n'
    assert "give one for all" in told(tmp_path, rules + by_username)
    config = read(tmp_path, rules + cloud(client_secret=SECRET))
    assert config.identity.mailbox == {"student": "epost:A", "teacher": "epost:B"}


def test_a_lease_covers_what_graph_may_still_work_on(tmp_path: Path) -> None:
    text = cloud(client_secret=SECRET).replace("365", "364")
    assert "worker.lease_seconds must be at least 365" in told(tmp_path, text)


def test_a_lease_that_is_not_given_is_as_long_as_graph_needs(tmp_path: Path) -> None:
    text = cloud(client_secret=SECRET).replace("lease_seconds = 365", "")
    assert read(tmp_path, text).worker.lease_seconds == 365


def test_who_only_looks_needs_no_proof_of_the_application(tmp_path: Path) -> None:
    path = tmp_path / "kalender.toml"
    for keys in (
        {"certificate_file": "/nowhere/a", "key_file": "/nowhere/b"},
        {"federated_token_file": "/nowhere/c"},
        {"client_secret_file": "/nowhere/d"},
        {},
    ):
        path.write_text(SMALLEST + cloud(**keys))
        assert load(path, {}, secrets=False).exchange.backends["cloud"].kind == "graph"


def test_another_day_is_not_rehearsed_against_a_login_that_is_real(tmp_path: Path) -> None:
    here = dict.fromkeys(("fs", "tp"), "http://127.0.0.1:1/")
    text = SMALLEST.replace("https://mail.example.org", "http://127.0.0.1:1")
    for name, url in here.items():
        text = text.replace(f"https://{name}.example.org", url)
    keys = {"client_secret": SECRET, "base_url": "http://127.0.0.1:1"}
    with pytest.raises(ConfigError, match="must be loopback"):
        refuse_another_day(read(tmp_path, cloud(**keys), base=text))
    whole = cloud(**keys, login_url="https://127.0.0.1:2")
    refuse_another_day(read(tmp_path, whole, base=text))


# -- the example -------------------------------------------------------------------------------


def shown() -> dict[str, Any]:
    """Every key of the example, also what is commented out, with the value that is shown."""
    keys, section = {}, ""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        plain = re.sub(r"^# (?=\[|\w+ = )", "", line)
        if header := re.fullmatch(r"\[+([\w.]+)\]+", plain):
            section = header[1]
        elif re.match(r"\w+ = ", plain):
            keys.update({f"{section}.{k}": v for k, v in tomllib.loads(plain).items()})
    return keys


def models() -> Iterator[tuple[str, type[BaseModel]]]:
    for name, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield name, field.annotation
    yield "broker", BrokerSettings
    yield "exchange.main", EwsSettings
    yield "exchange.cloud", GraphSettings
    yield "calendar", RoleCalendar
    yield "takeover", Takeover
    yield "optout.reserved", OptOutList
    yield "notifications", NotificationPattern


def known() -> dict[str, object]:
    keys: dict[str, object] = {"exchange.default": None}
    todo = [each for each in models() if each[0] not in {"exchange", "calendar"}]
    todo.append(("calendar", RoleCalendar))
    for section, model in todo:
        for name, field in model.model_fields.items():
            if name == "paths":
                todo.append((f"{section}.paths", type(field.default)))
            elif name in {"sign_in", "proxy"}:
                optional = SignInSettings if name == "sign_in" else ProxySettings
                todo.append((f"{section}.{name}", optional))
            else:
                keys[f"{section}.{name}"] = field.default
    return keys


def test_the_example_is_loaded() -> None:
    config = load(EXAMPLE, {})
    assert config.broker is not None
    assert config.rollout.mode == "listed"


def test_the_example_shows_every_key_and_no_other() -> None:
    assert sorted(shown()) == sorted(known())


def test_what_the_example_comments_out_is_the_default() -> None:
    text, values = EXAMPLE.read_text(encoding="utf-8"), shown()
    for key, default in known().items():
        name = key.rpartition(".")[2]
        texts_or_none = isinstance(default, Texts) or default in (None, PydanticUndefined)
        if re.search(rf"^# {name} = ", text, re.MULTILINE) and not texts_or_none:
            assert told_as(values[key]) == told_as(default), key
    assert {values[f"calendar.{name}"] for name in ("reminder_minutes", "future_days")} == {"none"}
    assert values["tp.semesters"] == "auto"


def told_as(value: object) -> object:
    match value:
        case list() | tuple():
            return list(value)
        case {"student": student}:
            return student
        case SecretStr():
            return value.get_secret_value()
        case ZoneInfo():
            return value.key
        case _:
            return value


# -- letters and secrets -----------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["\n", "\r\n", "  \t", "\u200b", "\ufeff"], ids=ascii)
def test_what_copying_puts_around_a_secret_is_left_out(tmp_path: Path, around: str) -> None:
    environ = {
        "KALENDER_FS__API_KEY": SECRET + around,
        "KALENDER_TP__API_KEY": around + SECRET,
        "KALENDER_EXCHANGE__MAIN__PASSWORD": SECRET + around,
        "KALENDER_DATABASE__URL": f"sqlite:///k.db{around}",
        "KALENDER_FS__BASE_URL": f"https://fs.example.org{around}",
    }
    config = read(tmp_path, environ=environ)
    assert config.fs.api_key is not None
    assert [key.get_secret_value() for key in (config.fs.api_key, config.tp.api_key)] == [
        SECRET
    ] * 2
    assert config.exchange.backends["main"].credentials[1] == SECRET
    assert config.database.url.get_secret_value() == "sqlite:///k.db"
    assert config.fs.base_url == "https://fs.example.org"


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("FS__API_KEY", f"{SECRET}\nx", "fs.api_key: holds a line break"),
        ("FS__API_KEY", f"{SECRET}ø", "fs.api_key: holds a letter that no HTTP header can carry"),
        ("TP__API_KEY", f"{SECRET}\u200bx", "tp.api_key: holds a line break or another control"),
        ("EXCHANGE__MAIN__PASSWORD", f"{SECRET}\rx", "exchange.main.password: holds a line break"),
        ("FS__BASE_URL", f"https://a:{SECRET}@b", "fs.base_url: must hold no user and password"),
        ("FS__BASE_URL", f"https://a:{SECRET}/b", "fs.base_url: cannot be read"),
        ("TP__BASE_URL", "https://tp.example.org/æ", "tp.base_url: holds a blank or a letter"),
        ("TP__BASE_URL", "https://", "tp.base_url: cannot be read"),
        (
            "EXCHANGE__MAIN__ENDPOINT",
            f"https://a:{SECRET}@b",
            "exchange.main.endpoint: must hold no",
        ),
        ("DATABASE__URL", "sqlite://", "database.url: names no file"),
        ("DATABASE__URL", "sqlite:///:memory:", "database.url: names no file"),
        *(
            ("DATABASE__URL", f"postgresql+psycopg://kal:{url}", "percent-encode")
            for url in (
                f"p@{SECRET}@127.0.0.1/x",
                f"p@{SECRET}/x@127.0.0.1/x",
                f"p@{SECRET}:x@127.0.0.1/x",
                f"p@x/{SECRET}@127.0.0.1/x",
                f"p@{SECRET}?@127.0.0.1/x",
            )
        ),
    ],
)
def test_what_can_never_work_is_refused_in_one_line_without_the_secret(
    tmp_path: Path, variable: str, value: str, words: str
) -> None:
    assert words in told(tmp_path, **{f"KALENDER_{variable}": value})


@pytest.mark.parametrize(
    "url", [f"amqps://k:p/{SECRET}@h/v", f"amqps://k:1#{SECRET}@h/v", f"amqps://k:1?{SECRET}@h/v"]
)
def test_a_brokers_url_that_would_be_misread_is_refused(tmp_path: Path, url: str) -> None:
    line = told(tmp_path, f"[broker]\nqueues = ['q']\nurl = '{url}'")
    assert "broker.url: cannot be read: percent-encode" in line


def test_an_at_in_a_password_is_read_rightly_where_it_can_be(tmp_path: Path) -> None:
    text = """
[database]
url = "postgresql+psycopg://kal:p%40ss@127.0.0.1/x"
[broker]
queues = ["q"]
url = "amqps://kal:p@ss@mq.example.org/v"
"""
    config = read(tmp_path, text)
    url = make_url(config.database.url.get_secret_value())
    assert (url.password, url.host) == ("p@ss", "127.0.0.1")
    assert config.broker is not None
    broker = parameters(config.broker)
    assert isinstance(broker.credentials, PlainCredentials)
    assert (broker.host, broker.credentials.password) == ("mq.example.org", "p@ss")


def test_a_file_of_authorities_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    for name in ("FS", "TP", "EXCHANGE__MAIN"):
        line = told(tmp_path, **{f"KALENDER_{name}__CA_FILE": str(path)})
        assert "ca_file: cannot be used: give a file of certificates in PEM form" in line


def test_at_a_slow_rate_fewer_ask_at_once_than_begin_in_time(tmp_path: Path) -> None:
    """What is written ahead of a request waits for its turn within `send_seconds`, here 5."""
    config = read(tmp_path, "max_requests_per_second = 2\n")
    doors = App(config, clock_from(None)).limiters(Database("sqlite:///none.db")).by_name
    assert (doors["exchange.main"].limits.per_second, doors["exchange.main"].limits.most) == (2, 5)
    assert (doors["fs"].limits.per_second, doors["fs"].limits.most) == (None, 8)


def test_every_neighbour_says_its_address_and_the_work_that_needs_it(tmp_path: Path) -> None:
    neighbours = read(tmp_path).neighbours
    assert {name: (each.address, each.needed_by) for name, each in neighbours.items()} == {
        "fs": ("https://fs.example.org", Kind.PERSON),
        "tp": ("https://tp.example.org", Kind.COURSE),
        "exchange.main": ("https://mail.example.org/EWS/Exchange.asmx", Kind.CALENDAR),
    }


def test_a_backend_is_of_the_kind_ews_where_none_is_named(tmp_path: Path) -> None:
    assert read(tmp_path).exchange.backends["main"].kind == "ews"
    assert "exchange.main.kind" in told(tmp_path, 'kind = "smoke signals"\n')


PROPERTY = """
[takeover]
property_set = "{0A1B2C3D-1111-4222-8333-444455556666}"
property_name = "TimePlanId"
"""


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        (
            PROPERTY + 'prefix = "tp-"',
            PropertyMark(
                property_set="0a1b2c3d-1111-4222-8333-444455556666",
                name="TimePlanId",
                value="tp-",
                prefix=True,
            ),
        ),
        (
            PROPERTY + 'value = "timeplan"',
            PropertyMark(
                property_set="0a1b2c3d-1111-4222-8333-444455556666",
                name="TimePlanId",
                value="timeplan",
            ),
        ),
        ('[takeover]\ncategory = "TimePlan"', CategoryMark(category="TimePlan")),
        ('[takeover]\nline = "Fra TimePlan"', LineMark(line="Fra TimePlan")),
    ],
)
def test_a_predecessors_mark_is_one_of_three(
    tmp_path: Path, text: str, mark: PredecessorMark
) -> None:
    takeover = read(tmp_path, text).takeover
    assert takeover is not None
    assert takeover.mark == mark


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[takeover]", "wants one mark"),
        ('[takeover]\ncategory = "a"\nline = "b"', "wants one mark"),
        ('[takeover]\ncategory = " a"', "takeover.category: begins or ends with a blank"),
        ('[takeover]\ncategory = "a"\nvalue = "b"', "go with property_name"),
        ('[takeover]\nproperty_name = "a"\nvalue = "b"', "wants its property_set"),
        (PROPERTY, "wants the value"),
        (PROPERTY + 'value = "a"\nprefix = "b"', "wants the value"),
        (PROPERTY + 'prefix = "Taken"', "must not be 'taken over'"),
        ('[takeover]\nproperty_set = "5f0d"\nproperty_name = "a"\nvalue = "b"', "must be a GUID"),
        ("[takeover]\ncategory = 'a'\ntext = 'x*'", "finds the empty text"),
        ("[takeover]\ncategory = 'a'\ntext = '('", "takeover.text"),
    ],
)
def test_a_predecessor_that_is_not_told_from_others_is_refused_in_one_line(
    tmp_path: Path, text: str, words: str
) -> None:
    line = told(tmp_path, text)
    assert words in line
    assert "\n" not in line


def test_a_line_of_the_body_is_refused_where_a_mailbox_may_be_on_graph(tmp_path: Path) -> None:
    graph = """
[exchange]
default = "main"
[exchange.cloud]
kind = "graph"
tenant = "t"
client_id = "c"
client_secret = "s"
"""
    line = told(tmp_path, graph + '[takeover]\nline = "Fra TimePlan"')
    assert "Graph cannot search the bodies of events" in line
    assert "[exchange.cloud]" in line
    assert read(tmp_path, graph + '[takeover]\ncategory = "TimePlan"').takeover is not None
