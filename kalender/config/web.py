"""The section of `kalender web`: where it listens, and who is let in. Its secrets are its own."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, model_validator

from kalender.config.forms import CaFile, HeaderSecret, Secret, SomeWords, Url, Words, is_loopback
from kalender.config.sections import Section

SECRETS = frozenset({"client_secret", "session_key", "shared_secret"})


class GroupRoles(Section):
    """The groups that have a role, as whoever signs people in names them."""

    status_groups: Words = ()
    helpdesk_groups: Words = ()
    operator_groups: Words = ()

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if not (self.status_groups or self.helpdesk_groups or self.operator_groups):
            message = "give status_groups, helpdesk_groups or operator_groups: nobody is let in"
            raise ValueError(message)
        return self


class SignInSettings(GroupRoles):
    """A provider of OpenID Connect, and the groups that have a role.

    `groups_from` says where groups are told: in a claim, by Entra ID (which asks Graph where there
    are too many for the token), or by Feide's groups API.
    """

    issuer: Url
    client_id: str
    client_secret: Secret | None = None
    scopes: SomeWords = ("openid", "profile")
    name_claim: str = "preferred_username"
    groups_from: Literal["claim", "entra", "feide"] = "claim"
    groups_claim: str = "groups"
    entra_groups_url: Url = "https://graph.microsoft.com/v1.0/me/memberOf?$select=id"
    feide_groups_url: Url = "https://groups-api.dataporten.no/groups/me/groups"
    ca_file: CaFile | None = None

    @model_validator(mode="after")
    def _asks_for_openid(self) -> Self:
        if "openid" not in self.scopes:
            message = "scopes must hold openid"
            raise ValueError(message)
        return self


HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$")]


class ProxySettings(GroupRoles):
    """A reverse proxy that signs people in, and the headers in which it says who they are.

    `shared_secret` is sent with each request in `secret_header`; over a socket it may be left out.
    """

    user_header: HeaderName = "X-Remote-User"
    groups_header: HeaderName = "X-Remote-Groups"
    groups_separator: Annotated[str, Field(min_length=1)] = ","
    secret_header: HeaderName = "X-Kalender-Secret"  # noqa: S105  # a name, no secret
    shared_secret: Annotated[HeaderSecret, Field(min_length=32)] | None = None

    @model_validator(mode="after")
    def _has_headers_of_its_own(self) -> Self:
        names = [self.user_header, self.groups_header, self.secret_header]
        if len({"host", "cookie", *map(str.lower, names)}) < len(names) + 2:
            message = (
                "user_header, groups_header and secret_header must be three headers of their own"
            )
            raise ValueError(message)
        return self


class WebSettings(Section):
    """Where `kalender web` listens; where nobody signs people in only on loopback."""

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8650
    session_hours: PositiveFloat = 8
    public_url: Url | None = None
    session_key: Annotated[Secret, Field(min_length=32)] | None = None
    socket: Path | None = None
    sign_in: SignInSettings | None = None
    proxy: ProxySettings | None = None

    @model_validator(mode="after")
    def _contradicts_nothing(self) -> Self:
        if self.sign_in is not None and self.proxy is not None:
            message = "give [web.sign_in] or [web.proxy], not both: one of them signs people in"
            raise ValueError(message)
        if self.socket is not None and {"address", "port"} & self.model_fields_set:
            message = "give socket, or address and port, not both: it listens in one place"
            raise ValueError(message)
        if self.socket is not None and self.sign_in is None and self.proxy is None:
            message = "socket needs [web.proxy] or [web.sign_in], which say who is let in"
            raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _is_closed_to_strangers(self) -> Self:
        signs_in = self.sign_in is not None or self.proxy is not None
        if not signs_in and not is_loopback(self.address):
            message = (
                "address must be one of this machine, such as 127.0.0.1, unless [web.sign_in] or "
                "[web.proxy] says who is let in"
            )
            raise ValueError(message)
        if signs_in:
            url = urlsplit(self.public_url or "")
            if not url.hostname or url.path.strip("/"):
                message = "public_url is missing: the https address without a path at which people reach it"
                raise ValueError(message)
            if url.scheme != "https" and url.hostname not in {"localhost", "127.0.0.1"}:
                message = "public_url must begin with https: a session would be read on its way"
                raise ValueError(message)
        return self


def without_secrets(raw: dict[str, Any]) -> dict[str, Any]:
    """Leave out the secrets of this section: no other process needs them."""

    def bare(part: dict[str, Any]) -> dict[str, Any]:
        return {
            key: bare(value) if isinstance(value, dict) else value
            for key, value in part.items()
            if key.lower().removesuffix("_file") not in SECRETS
        }

    web = raw.get("web")
    return {**raw, "web": bare(web)} if isinstance(web, dict) else raw
