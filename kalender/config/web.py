"""The section of `kalender web`: where it listens, and who is let in. Its secrets are its own."""

from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, model_validator

from kalender.config.forms import CaFile, Secret, SomeWords, Url, Words, is_loopback
from kalender.config.sections import Section

SECRETS = frozenset({"client_secret", "session_key"})


class SignInSettings(Section):
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
    status_groups: Words = ()
    helpdesk_groups: Words = ()
    operator_groups: Words = ()
    ca_file: CaFile | None = None

    @model_validator(mode="after")
    def _lets_somebody_in(self) -> Self:
        if not (self.status_groups or self.helpdesk_groups or self.operator_groups):
            message = "give status_groups, helpdesk_groups or operator_groups: nobody is let in"
            raise ValueError(message)
        if "openid" not in self.scopes:
            message = "scopes must hold openid"
            raise ValueError(message)
        return self


class WebSettings(Section):
    """Where `kalender web` listens; without a sign-in only on loopback."""

    address: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65_535)] = 8650
    session_hours: PositiveFloat = 8
    public_url: Url | None = None
    session_key: Annotated[Secret, Field(min_length=32)] | None = None
    sign_in: SignInSettings | None = None

    @model_validator(mode="after")
    def _is_closed_to_strangers(self) -> Self:
        if self.sign_in is None and not is_loopback(self.address):
            message = (
                "address must be one of this machine, such as 127.0.0.1, unless [web.sign_in] says "
                "who is let in"
            )
            raise ValueError(message)
        if self.sign_in is not None:
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
