"""The sections of the settings, each with its defaults; docs: config.example.toml."""

import re
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kalender.config.forms import (
    BrokerUrl,
    CaFile,
    CertificateFile,
    Codes,
    DatabaseUrl,
    DirectoryName,
    Domains,
    HeaderSecret,
    KeyFile,
    MailboxRuleText,
    OneForEachRole,
    ReadableFile,
    Seconds,
    Secret,
    Semesters,
    Share,
    SomeCodes,
    SomeWords,
    Url,
    UserForm,
    Username,
    Words,
    each_of,
    is_pair,
    names_only,
)
from kalender.domain.notification import Pattern
from kalender.domain.render import Language
from kalender.domain.roles import ROLES
from kalender.domain.work import Kind


class Section(BaseModel):
    """A part of the settings: frozen, and strange keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _a_switch_is_no_number(cls, value: object, field: ValidationInfo) -> object:
        """Refuse true and false for a number, which pydantic would take for 1 and 0."""
        annotation = cls.model_fields[str(field.field_name)].annotation
        parts = (annotation, *get_args(annotation))
        kinds = [kind for part in parts for kind in (part, *get_args(part))]
        if isinstance(value, bool) and (int in kinds or float in kinds):
            message = "must be a number, not true or false"
            raise ValueError(message)
        return value


class Institution(Section):
    """Whose teaching this is."""

    number: PositiveInt
    name: str
    time_zone: ZoneInfo = ZoneInfo("Europe/Oslo")
    language: Language = "nb"
    mail_domains: Domains


class DatabaseSettings(Section):
    """Where state is kept."""

    url: DatabaseUrl = SecretStr("sqlite:///kalender.db")


class BrokerSettings(Section):
    """Where notifications come from; `server_name` (SNI) is the URL's host unless given."""

    url: BrokerUrl
    url_expires: date | None = None
    queues: SomeWords
    prefetch: PositiveInt = 2000
    ca_file: CaFile | None = None
    server_name: str | None = None


class FsPaths(Section):
    """The resources of FS, below its base URL."""

    personer: str = "personer"
    studentundervisning: str = "studentundervisning"
    studentundervisningsaktivitet: str = "studentundervisningsaktivitet"
    personroller: str = "personroller"


class NeighbourSettings(Section):
    """What is asked over HTTP: the entry of one neighbour.

    A section of a neighbour says its address, its credentials, how many requests may be under way,
    and which kind of work needs it. Whoever needs to know the neighbours reads
    `Config.neighbours`; what builds an adapter from a section is in `kalender/sources/` and
    `kalender/calendars/`.
    """

    needed_by: ClassVar[Kind]  # the work that cannot be done without this neighbour

    ca_file: CaFile | None = None
    max_requests_per_second: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None

    @property
    def address(self) -> str:
        """The URL below which it is asked."""
        raise NotImplementedError

    @property
    def credentials(self) -> tuple[str | None, ...]:
        """What it knows us by: the user's name, the password and the key, those that there are."""
        raise NotImplementedError

    @property
    def most_requests(self) -> int:
        """How many requests of all workers together may be under way."""
        raise NotImplementedError

    @property
    def addresses(self) -> tuple[str, ...]:
        """All URLs below which something is asked for its sake."""
        return (self.address,)

    @property
    def rate(self) -> float | None:
        """How many requests of all workers may begin in a second; None: any number."""
        return self.max_requests_per_second

    @property
    def batch(self) -> int:
        """How many requests, as the rate counts them, travel together at most."""
        return 1

    @property
    def slots(self) -> int:
        """How many of the `most_requests` one that travels takes at most."""
        return 1

    def most_within(self, send_seconds: float) -> int:
        """Return how many requests may be under way where each must leave within `send_seconds`.

        At a slow rate these are fewer than `most_requests`: only as many as may begin within half
        of that time. A request that waited longer for its permit would not be sent any more.
        """
        if self.rate is None:
            return self.most_requests
        return min(self.most_requests, max(1, int(self.rate * send_seconds / 2 / self.batch)))


class SourceSettings(NeighbourSettings):
    """A source of teaching over HTTP, behind a gateway."""

    base_url: Url
    api_key: HeaderSecret | None = None
    api_key_expires: date | None = None
    max_concurrency: PositiveInt = 8
    timeout: PositiveFloat = 30

    @property
    def address(self) -> str:
        """The URL below which it is asked."""
        return self.base_url

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """The user's name and the password, where it wants them."""
        return None

    @property
    def credentials(self) -> tuple[str | None, ...]:
        """What it knows us by: the user's name, the password and the key."""
        key = self.api_key.get_secret_value() if self.api_key else None
        return (*(self.basic_auth or (None, None)), key)

    @property
    def most_requests(self) -> int:
        """How many requests of all workers together may be under way."""
        return self.max_concurrency


class FsSettings(SourceSettings):
    """The student system: a gateway's key, or a username and its password, or both."""

    needed_by = Kind.PERSON

    username: Username | None = None
    password: Secret | None = None
    password_expires: date | None = None
    accepted_offer_statuses: SomeCodes = ("I", "S")
    offer_status: Literal["collection", "single", "ignore"] = "collection"
    teaching_roles: Codes = ("LÆRER",)
    page_size: PositiveInt = 1000
    paths: FsPaths = FsPaths()

    @property
    def basic_auth(self) -> tuple[str, str] | None:
        """The user's name and the password, where it wants them."""
        if self.username is None or self.password is None:
            return None
        return self.username, self.password.get_secret_value()

    @model_validator(mode="after")
    def _has_credentials(self) -> Self:
        whole = (self.username is None) == (self.password is None)
        if not whole or (self.api_key is None and self.username is None):
            message = "needs api_key (or api_key_file), or username and password (or password_file)"
            raise ValueError(message)
        return self


class TpPaths(Section):
    """TP's requests, below its base URL."""

    course: Annotated[str, names_only("course", "semester", "institution")] = (
        "ws/1.4/open/?type=course&id={course}&sem={semester}"
    )
    courses: Annotated[str, names_only("semester", "institution")] = (
        "ws/course/?id={institution}&sem={semester}&times=1"
    )
    changed: Annotated[str, names_only("timestamp", "institution")] = (
        "ws/1.4/lastchanged-list.php?timestamp={timestamp}&type=course"
    )


class TpSettings(SourceSettings):
    """The timetable system; `semesters` None = the current and the next, as TP publishes them."""

    needed_by = Kind.COURSE

    api_key: HeaderSecret
    semesters: Semesters = None
    skip: Words = ("*EKSAMEN*", "*BOOKING*")
    poll_seconds: NonNegativeInt = 0
    max_concurrency: PositiveInt = 4
    paths: TpPaths = TpPaths()

    @property
    def poll_every(self) -> timedelta | None:
        """How often it is asked what changed; None: never."""
        return timedelta(seconds=self.poll_seconds) if self.poll_seconds else None


class Identity(Section):
    """Which mailbox is whose.

    For each role `mailbox` says how an address is made: `epost:TYPE` of FS or `{username}@domain`.
    """

    mailbox: Annotated[
        dict[str, MailboxRuleText],
        OneForEachRole(),
        BeforeValidator(each_of(*(role.name for role in ROLES))),
    ] = {role.name: role.mailbox for role in ROLES}

    @field_validator("mailbox", mode="before")
    @classmethod
    def _later_roles(cls, rules: object) -> object:
        """Let settings that were written before a role came go on without its rule."""
        if not isinstance(rules, dict):
            return rules
        return {role.name: role.mailbox for role in ROLES if not role.first_release} | rules


class BackendSettings(NeighbourSettings):
    """What every kind of calendar backend has; `kind` says which adapter writes to it."""

    needed_by = Kind.CALENDAR

    kind: str
    timeout: PositiveFloat = 60
    server_seconds: PositiveFloat = 60
    max_connections: PositiveInt = 20

    @property
    def second_look(self) -> timedelta | None:
        """After how long a create is looked for again that a search did not see; None: never."""
        return None

    @property
    def most_requests(self) -> int:
        """How many requests of all workers together may be under way."""
        return self.max_connections


def _auth(auth: object) -> object:
    if auth not in {"basic", "ntlm", "oauth2"}:
        message = "must be 'basic', 'ntlm' or 'oauth2'"
        raise ValueError(message)
    return auth


class EwsSettings(BackendSettings):
    """One Exchange, by Exchange Web Services, as a service account with its password."""

    kind: Literal["ews"] = "ews"
    endpoint: Url
    auth: Annotated[Literal["basic", "ntlm"], BeforeValidator(_auth)] = "basic"
    username: Username
    password: Secret
    password_expires: date | None = None
    impersonate: bool = True

    @property
    def address(self) -> str:
        """The URL below which it is asked."""
        return self.endpoint

    @property
    def credentials(self) -> tuple[str | None, ...]:
        """What it knows us by: the user's name and the password, and no key."""
        return (self.username, self.password.get_secret_value(), None)


GLOBAL_GRAPH = "https://graph.microsoft.com/v1.0"
GLOBAL_LOGIN = "https://login.microsoftonline.com"
MOST_IN_BATCH = 20  # that Graph takes
BATCH_PARALLELISM = 4  # requests of a batch that Graph carries out at once, and its limit
RATE_OF_APP = 16.0  # a second: some fewer than Exchange's 10,000 in ten minutes


class ApplicationSettings(BackendSettings):
    """A backend that knows us as an application of Entra, by one of three credentials.

    `certificate_file` and `key_file` hold PEM. The file of a federated token is read for each new
    access token, as it is another one every hour.
    """

    tenant: DirectoryName
    client_id: DirectoryName
    client_secret: Secret | None = None
    client_secret_expires: date | None = None
    certificate_file: CertificateFile | None = None
    key_file: KeyFile | None = None
    federated_token_file: ReadableFile | None = None
    login_url: Url = GLOBAL_LOGIN

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its own, and where its access tokens are got."""
        return (self.address, self.login_url)

    @property
    def credentials(self) -> tuple[str | None, ...]:
        """What it knows us by: the application, and its secret, certificate or source of tokens."""
        proof = str(self.federated_token_file)
        if self.client_secret is not None:
            proof = self.client_secret.get_secret_value()
        elif self.certificate_file is not None:
            proof = self.certificate_file.read_text("utf-8")
        return (f"{self.tenant}/{self.client_id}", proof, None)

    @model_validator(mode="after")
    def _has_one_credential(self) -> Self:
        has_certificate = self.certificate_file is not None or self.key_file is not None
        ways = (
            self.client_secret is not None,
            has_certificate,
            self.federated_token_file is not None,
        )
        if sum(ways) != 1:
            message = (
                "needs exactly one of client_secret (or client_secret_file), certificate_file with"
                " key_file, and federated_token_file"
            )
            raise ValueError(message)
        if has_certificate and (self.certificate_file is None or self.key_file is None):
            message = "needs certificate_file and key_file together"
            raise ValueError(message)
        if self.certificate_file is not None and not is_pair(self.certificate_file, self.key_file):
            message = "certificate_file and key_file do not belong together"
            raise ValueError(message)
        if self.client_secret_expires is not None and self.client_secret is None:
            message = "names client_secret_expires, but no client_secret"
            raise ValueError(message)
        return self


class EwsApplicationSettings(ApplicationSettings):
    """Exchange Online, by Exchange Web Services, as long as its tenant allows the application.

    An application has no mailbox of its own: it always acts as the owner of the one it opens.
    """

    kind: Literal["ews"] = "ews"
    endpoint: Url
    auth: Literal["oauth2"]
    impersonate: Literal[True] = True

    @property
    def address(self) -> str:
        """The URL below which it is asked."""
        return self.endpoint


class GraphSettings(ApplicationSettings):
    """Exchange Online, by Microsoft Graph.

    `server_seconds` covers a whole chain of creates, which may go on after its request was cut.
    Nothing documents that a search sees at once what was made, so a create that nobody answered and
    that was not found is looked for again after `second_look_hours`. Over EWS the store itself
    answers a search, from what it holds.
    """

    kind: Literal["graph"] = "graph"
    base_url: Url = GLOBAL_GRAPH
    user: UserForm = "mail"
    server_seconds: PositiveFloat = 300
    second_look_hours: PositiveFloat = 6
    concurrency_scope: Literal["mailbox", "app"] = "mailbox"

    @property
    def second_look(self) -> timedelta | None:
        """After how long a create is looked for again that a search did not see."""
        return timedelta(hours=self.second_look_hours)

    @property
    def address(self) -> str:
        """The URL below which it is asked."""
        return self.base_url

    @property
    def is_limited_as_app(self) -> bool:
        """Whether Exchange counts all that the application asks, and not each mailbox's share."""
        return self.concurrency_scope == "app"

    @property
    def most_requests(self) -> int:
        """How many requests of all workers together may be under way.

        Where Exchange counts for the application, these are requests within batches, and four at
        most. Otherwise they are batches: each is of one mailbox.
        """
        if self.is_limited_as_app:
            return min(self.max_connections, BATCH_PARALLELISM)
        return self.max_connections

    @property
    def slots(self) -> int:
        """How many of them one batch takes whose requests may run at once; a chain takes one."""
        return BATCH_PARALLELISM if self.is_limited_as_app else 1

    @property
    def rate(self) -> float | None:
        """How many requests within batches may begin in a second."""
        if self.max_requests_per_second is None and self.is_limited_as_app:
            return RATE_OF_APP
        return self.max_requests_per_second

    @property
    def batch(self) -> int:
        """How many requests travel together: no more than may begin in a second.

        Where Exchange counts for the application they are as many as run at once: a chain is then
        over soon, and its slot is another's.
        """
        most = BATCH_PARALLELISM if self.is_limited_as_app else MOST_IN_BATCH
        return most if self.rate is None else min(most, max(1, int(self.rate)))


def _kind(section: object) -> object:
    """Return which section it is: EWS has another one where we are an application."""
    kind, auth = (
        section.get(key) if isinstance(section, dict) else getattr(section, key, None)
        for key in ("kind", "auth")
    )
    if kind == "ews" and auth == "oauth2":
        return "ews as an application"
    return kind if isinstance(kind, str) else ""


Ews = EwsSettings | EwsApplicationSettings
Backend = Annotated[
    Annotated[EwsSettings, Tag("ews")]
    | Annotated[EwsApplicationSettings, Tag("ews as an application")]
    | Annotated[GraphSettings, Tag("graph")],
    Discriminator(_kind),
]


class ExchangeSettings(Section):
    """The Exchanges by name; `default` is where a new calendar goes."""

    default: str
    backends: Annotated[dict[str, Backend], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        backends = {
            key: {"kind": "ews", **value} for key, value in raw.items() if isinstance(value, dict)
        }
        options = {key: value for key, value in raw.items() if key not in backends}
        only = {"default": next(iter(backends))} if len(backends) == 1 else {}
        return {**only, **options, "backends": backends}

    @model_validator(mode="after")
    def _default_is_there(self) -> Self:
        if self.default not in self.backends:
            message = "default names no [exchange.NAME] section"
            raise ValueError(message)
        return self


class Rollout(Section):
    """Who is written to at all."""

    mode: Literal["listed", "all", "off"] = "listed"


class Safety(Section):
    """When the brake takes hold."""

    max_deleted_share: Share = 0.02
    min_deletes: NonNegativeInt = 200
    min_deletes_day: NonNegativeInt = 2000
    max_course_shrink: Share = 0.5
    min_course_events: NonNegativeInt = 10
    max_updated_share: Share = 0.2
    max_entries: PositiveInt = 1500
    max_reading_age_hours: PositiveFloat = 36


class Moves(Section):
    """How fast mailboxes are followed to another Exchange."""

    per_minute: PositiveFloat = 60

    @property
    def interval(self) -> timedelta:
        """How long after one moved calendar the next is looked up."""
        return timedelta(minutes=1 / self.per_minute)


class Worker(Section):
    """How much at once, and for how long work is ours."""

    processes: PositiveInt = 1
    connections: PositiveInt = 4
    lease_seconds: PositiveFloat = 180
    send_seconds: PositiveFloat = 5
    settle_seconds: Seconds = 2
    verify_every_hours: PositiveFloat = 24
    state_dir: Path | None = None  # None: what is remembered ends with the command

    @property
    def lease(self) -> timedelta:
        """For how long claimed work is ours."""
        return timedelta(seconds=self.lease_seconds)

    @property
    def verify_every(self) -> timedelta:
        """How often each calendar is compared with our record."""
        return timedelta(hours=self.verify_every_hours)


class Retention(Section):
    """How long what is kept; `entries_months` counts from an entry's end, the mirror with it."""

    entries_months: PositiveInt = 13
    change_log_days: Annotated[int, Field(ge=8)] = 180  # a week of it is looked at
    rejected_days: PositiveInt = 30
    look_up_days: PositiveInt = 365

    @property
    def entries(self) -> timedelta:
        """How long an entry is kept after its end; a month is a twelfth of a year here."""
        return self.entries_months * timedelta(days=365.25 / 12)

    @property
    def change_log(self) -> timedelta:
        """How long is kept what was written, when and why."""
        return timedelta(days=self.change_log_days)

    @property
    def rejected(self) -> timedelta:
        """How long notifications are kept that could not be read."""
        return timedelta(days=self.rejected_days)

    @property
    def look_up(self) -> timedelta:
        """How long is kept who looked whom up."""
        return timedelta(days=self.look_up_days)


class MetricsSettings(Section):
    """Where a listener, and a worker, tells Prometheus how it goes; None: nowhere."""

    port: Annotated[int, Field(ge=1, le=65_535)] | None = None
    address: str = "127.0.0.1"


class NotificationPattern(Section):
    """Which subject a message names: the first match of a regular expression with named groups."""

    queue: str = "*"
    routing_key: str = "*"
    subject: re.Pattern[str]

    @property
    def pattern(self) -> Pattern:
        """The same as the domain knows it."""
        return Pattern(**dict(self))

    @model_validator(mode="after")
    def _names_a_subject(self) -> Self:
        _ = self.pattern
        return self
