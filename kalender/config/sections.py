"""The sections of the settings, each with its defaults; docs: config.example.toml."""

import re
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self, get_args
from zoneinfo import ZoneInfo

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kalender.config.forms import (
    BrokerUrl,
    CaFile,
    Codes,
    DatabaseUrl,
    Domains,
    HeaderSecret,
    MailboxRuleText,
    Seconds,
    Secret,
    Semesters,
    Share,
    SomeCodes,
    SomeWords,
    Url,
    Username,
    Words,
    each_of,
    names_only,
)
from kalender.domain.notification import Pattern
from kalender.domain.render import Language


class Section(BaseModel):
    """A part of the settings: frozen, and strange keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _a_switch_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        """Refuse true and false for a number, which pydantic would take for 1 and 0."""
        annotation = cls.model_fields[str(info.field_name)].annotation
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


class Database(Section):
    """Where state is kept."""

    url: DatabaseUrl = SecretStr("sqlite:///kalender.db")


class Broker(Section):
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


class Neighbour(Section):
    """What is asked over HTTP."""

    ca_file: CaFile | None = None
    max_requests_per_second: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None


class Fs(Neighbour):
    """The student system: a gateway's key, or a username and its password, or both."""

    base_url: Url
    api_key: HeaderSecret | None = None
    api_key_expires: date | None = None
    username: Username | None = None
    password: Secret | None = None
    password_expires: date | None = None
    accepted_offer_statuses: SomeCodes = ("I", "S")
    offer_status: Literal["collection", "single", "ignore"] = "collection"
    teaching_roles: Codes = ("LÆRER",)
    page_size: PositiveInt = 1000
    max_concurrency: PositiveInt = 8
    timeout: PositiveFloat = 30
    paths: FsPaths = FsPaths()

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


class Tp(Neighbour):
    """The timetable system; `semesters` None = the current and the next, as TP publishes them."""

    base_url: Url
    api_key: HeaderSecret
    api_key_expires: date | None = None
    semesters: Semesters = None
    skip: Words = ("*EKSAMEN*", "*BOOKING*")
    poll_seconds: NonNegativeInt = 0
    max_concurrency: PositiveInt = 4
    timeout: PositiveFloat = 30
    paths: TpPaths = TpPaths()

    def skips(self, course: str) -> bool:
        """Whether teaching of this id is none of ours."""
        return any(fnmatchcase(course.upper(), pattern.upper()) for pattern in self.skip)


class Mailbox(Section):
    """How an address is made, for each audience: `epost:TYPE` of FS or `{username}@domain`."""

    student: MailboxRuleText
    teacher: MailboxRuleText


class Identity(Section):
    """Which mailbox is whose."""

    mailbox: Annotated[Mailbox, BeforeValidator(each_of("student", "teacher"))] = Mailbox(
        student="epost:INSTITUSJON", teacher="epost:INSTITUSJON"
    )


class Backend(Neighbour):
    """One Exchange."""

    kind: Literal["ews"] = "ews"
    endpoint: Url
    auth: Literal["basic", "ntlm"] = "basic"
    username: Username
    password: Secret
    password_expires: date | None = None
    impersonate: bool = True
    timeout: PositiveFloat = 60
    server_seconds: PositiveFloat = 60
    max_connections: PositiveInt = 20


class Exchange(Section):
    """The Exchanges by name; `default` is where a new calendar goes."""

    default: str
    backends: Annotated[dict[str, Backend], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, raw: object) -> object:
        if not isinstance(raw, dict):
            return raw
        named = {key: value for key, value in raw.items() if isinstance(value, dict)}
        rest = {key: value for key, value in raw.items() if key not in named}
        only = {"default": next(iter(named))} if len(named) == 1 else {}
        return {**only, **rest, "backends": named}

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


class Worker(Section):
    """How much at once, and for how long work is ours."""

    processes: PositiveInt = 1
    connections: PositiveInt = 4
    lease_seconds: PositiveFloat = 180
    send_seconds: PositiveFloat = 5
    settle_seconds: Seconds = 2
    verify_every_hours: PositiveFloat = 24
    state_dir: Path | None = None  # None: what is remembered ends with the command


class Retention(Section):
    """How long what is kept; `entries_months` counts from an entry's end, the mirror with it."""

    entries_months: PositiveInt = 13
    change_log_days: Annotated[int, Field(ge=8)] = 180  # a week of it is looked at
    rejected_days: PositiveInt = 30
    look_up_days: PositiveInt = 365


class Metrics(Section):
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
        return Pattern(queue=self.queue, routing_key=self.routing_key, subject=self.subject)

    @model_validator(mode="after")
    def _names_a_subject(self) -> Self:
        _ = self.pattern
        return self
