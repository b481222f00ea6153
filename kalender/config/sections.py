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
    OneForEachRole,
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
    emner: str = "emner"
    studieretter: str = "studieretter"


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
    organisations: bool = False  # whether it is read which units courses and teachers belong to
    programmes: bool = False  # whether it is read which study programmes students follow
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
    max_optout_share: Share = 0.02
    min_optouts: NonNegativeInt = 20
    min_optouts_day: NonNegativeInt = 100
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
