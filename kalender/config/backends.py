"""The sections of the settings for calendar backends: `[exchange]` and `[exchange.NAME]`."""

from datetime import date, timedelta
from typing import Annotated, Literal, Self

from pydantic import (
    BeforeValidator,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from kalender.config.forms import (
    CertificateFile,
    DirectoryName,
    KeyFile,
    ReadableFile,
    Secret,
    Url,
    UserForm,
    Username,
    is_pair,
)
from kalender.config.sections import NeighbourSettings, Section
from kalender.domain.work import Kind


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
