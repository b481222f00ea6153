"""The operator's settings: TOML, then the environment over it, read once and frozen.

`KALENDER_FS__API_KEY` is `[fs] api_key`; a list is JSON or words with commas between. A secret
may be given as `<key>_file`. Whatever is wrong is one ConfigError of one line that names the
key and the remedy, and never a value.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from kalender.config.backends import ExchangeSettings, GraphSettings
from kalender.config.calendar import Calendar, RoleCalendar
from kalender.config.lists import ListName, OptOutList, Preferences
from kalender.config.reading import (
    PREFIX,
    merge,
    read_environment,
    read_toml,
    resolve_secrets,
    with_stand_ins,
)
from kalender.config.sections import (
    BrokerSettings,
    DatabaseSettings,
    FsSettings,
    Identity,
    Institution,
    MetricsSettings,
    Moves,
    NeighbourSettings,
    NotificationPattern,
    Retention,
    Rollout,
    Safety,
    Section,
    TpSettings,
    Worker,
)
from kalender.config.takeover import Takeover
from kalender.config.web import WebSettings, without_secrets
from kalender.domain import neighbour
from kalender.domain.lists import LANGUAGES
from kalender.domain.mailbox import BY_MAIL, MailboxRule
from kalender.domain.notification import USUAL, Pattern
from kalender.domain.roles import ROLES
from kalender.domain.timetable import Role, Rules
from kalender.errors import ConfigError

# Levels of the model that the file does not have.
PACKED = frozenset({"backends", "general", "by_role"})
PLAINLY = {
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "zoneinfo_str": "is no time zone: give a name like Europe/Oslo",
}


class Config(Section):
    """All settings; hand on the parts that are needed, never the whole."""

    institution: Institution
    database: DatabaseSettings = DatabaseSettings()
    broker: BrokerSettings | None = None
    fs: FsSettings
    tp: TpSettings
    identity: Identity = Identity()
    exchange: ExchangeSettings
    rollout: Rollout = Rollout()
    optout: dict[ListName, OptOutList] = Field(default_factory=dict)
    preferences: Preferences = Preferences()
    calendar: Calendar = Field(default_factory=lambda: Calendar.model_validate({}))
    safety: Safety = Safety()
    moves: Moves = Moves()
    takeover: Takeover | None = None
    worker: Worker = Worker()
    retention: Retention = Retention()
    metrics: MetricsSettings = MetricsSettings()
    web: WebSettings = WebSettings()
    notifications: tuple[NotificationPattern, ...] = ()

    @property
    def mailboxes(self) -> MailboxRule:
        """How addresses are made, and which are ours."""
        domains = frozenset(self.institution.mail_domains)
        rules = {role: self.identity.mailbox[role.name] for role in ROLES}
        return MailboxRule(rules=rules, domains=domains)

    @property
    def neighbours(self) -> Mapping[str, NeighbourSettings]:
        """Every neighbour that is asked over HTTP, by its name: the sources, then the backends."""
        backends = self.exchange.backends.items()
        return {
            neighbour.FS: self.fs,
            neighbour.TP: self.tp,
            **{neighbour.exchange(name): backend for name, backend in backends},
        }

    @property
    def lists(self) -> Sequence[str]:
        """The names of the lists of persons that files tell."""
        has_languages = self.preferences.language_file is not None
        return [*self.optout, *((LANGUAGES,) if has_languages else ())]

    @property
    def role_calendars(self) -> Mapping[Role, RoleCalendar]:
        """The settings of each role's calendars."""
        return {role: self.calendar.by_role[role.name] for role in ROLES}

    def rules(self, role: Role) -> Rules:
        """Return who sees what, for one role."""
        calendar = self.role_calendars[role]
        fallback = calendar.teacher_unit_fallback
        return Rules(
            zone=self.institution.time_zone,
            accepted_offer_statuses=frozenset(self.fs.accepted_offer_statuses),
            believe_offer_status=self.fs.offer_status != "ignore",
            teaching_roles=frozenset(self.fs.teaching_roles),
            sole_group=calendar.unplaced == "sole_group",
            unit_fallback=None if fallback == "none" else fallback,
            past_days=calendar.past_days,
            future_days=calendar.future_days,
        )

    @property
    def patterns(self) -> tuple[Pattern, ...]:
        """The operator's patterns, then the usual ones."""
        return (*(section.pattern for section in self.notifications), *USUAL)

    @model_validator(mode="after")
    def _lease_is_long_enough(self) -> Self:
        """Whoever is killed cannot say that a request is under way: the lease covers it.

        A lease that is not given is as long as the slowest Exchange needs.
        """
        longest = 0.0
        for name, backend in self.exchange.backends.items():
            least = self.worker.send_seconds + backend.timeout + backend.server_seconds
            longest = max(longest, least)
            is_given = "lease_seconds" in self.worker.model_fields_set
            if is_given and self.worker.lease_seconds < least:
                message = (
                    f"worker.lease_seconds must be at least {least:g}: send_seconds + timeout"
                    f" + server_seconds of [{neighbour.exchange(name)}]"
                )
                raise ValueError(message)
        if longest <= self.worker.lease_seconds:
            return self
        worker = self.worker.model_copy(update={"lease_seconds": longest})
        return self.model_copy(update={"worker": worker})

    @model_validator(mode="after")
    def _graph_searches_no_bodies(self) -> Self:
        """A line of the body cannot be looked for where a mailbox may be on Graph."""
        for name, backend in self.exchange.backends.items():
            is_line = self.takeover is not None and self.takeover.line is not None
            if is_line and isinstance(backend, GraphSettings):
                message = (
                    f"takeover.line: Graph cannot search the bodies of events, and [{neighbour.exchange(name)}]"
                    " is Graph: give property_name or category"
                )
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_principal_has_one_address(self) -> Self:
        """Two calendars of one person would be written into one mailbox, each without the other."""
        for name, backend in self.exchange.backends.items():
            by_username = isinstance(backend, GraphSettings) and backend.user != BY_MAIL
            if by_username and len(set(self.identity.mailbox.values())) > 1:
                message = (
                    f"[{neighbour.exchange(name)}] user names one mailbox for each username, but"
                    " identity.mailbox gives each role another address: give one for all"
                )
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _connections_suffice(self) -> Self:
        connections = self.worker.processes * self.worker.connections
        for name, backend in self.exchange.backends.items():
            if connections > backend.max_connections:
                message = (
                    f"worker.processes x worker.connections is {connections}, but [{neighbour.exchange(name)}]"
                    f" max_connections is {backend.max_connections}: lower the one or raise the other"
                )
                raise ValueError(message)
        return self


def load(
    path: Path | None, environ: Mapping[str, str], *, secrets: bool = True, web: bool = False
) -> Config:
    """Read the settings, or raise a ConfigError of one line.

    The file is `path`, else `KALENDER_CONFIG`; where neither is given the environment is all.
    Without `secrets` no secret but the database's is read: who only looks need not have them. Those
    of the pages are read for `web` alone.
    """
    file = place(path, environ)
    raw = merge(read_toml(file) if file else {}, read_environment(environ))
    if not secrets:
        raw = with_stand_ins(raw)
    if not web:
        raw = without_secrets(raw)
    return _validated(resolve_secrets(raw), str(file) if file else "the file given by --config")


def place(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """Return the file of settings: `path`, else `KALENDER_CONFIG`, else none."""
    return path or (Path(environ["KALENDER_CONFIG"]) if environ.get("KALENDER_CONFIG") else None)


def with_workers(
    config: Config,
    *,
    processes: int | None = None,
    connections: int | None = None,
    state_dir: Path | None = None,
) -> Config:
    """Return the settings with the command line's numbers, checked like the file's.

    `state_dir` is where processes remember the database, unless the settings name a place.
    """
    place = config.worker.state_dir or state_dir
    numbers = {"processes": processes, "connections": connections, "state_dir": place}
    changes = {name: value for name, value in numbers.items() if value is not None}
    parts = {name: getattr(config, name) for name in Config.model_fields}
    worker = config.worker.model_dump() | changes
    return _validated(parts | {"worker": worker}, "the command line")


def _validated(raw: Mapping[str, object], source: str) -> Config:
    try:
        return Config.model_validate(raw)
    except ValidationError as error:
        lines = [_line(dict(detail), source) for detail in error.errors(include_input=False)]
    count = f" (and {len(lines) - 1} more)" if len(lines) > 1 else ""
    raise ConfigError(lines[0] + count)


def _line(error: Mapping[str, Any], source: str) -> str:
    # as the file says it: without the levels that it does not have, and a backend's kind
    path = [str(part) for part in error["loc"]]
    if path[:2] == ["exchange", "backends"]:
        del path[3:4]
    path = [part for part in path if part not in PACKED]
    key = ".".join(path)
    match error["type"]:
        case "missing" if len(path) == 1:
            text = f"[{key}] is missing: add that section to {source}"
        case "missing":
            variable = PREFIX + "__".join(path).upper()
            text = f"{key} is missing: set it in {source}, or {variable} in the environment"
        case "extra_forbidden":
            near = get_close_matches(path[-1], _known_keys(Config), n=1)
            remedy = f"did you mean {near[0]}?" if near else "remove it; see config.example.toml"
            if path[0] == "exchange" and near == [path[-1]]:
                remedy = "it goes with another kind or auth; remove it, or correct these"
            text = f"{key} is not a setting: {remedy}"
        case "union_tag_invalid":
            text = f"{key}.kind: must be 'ews' or 'graph'; see config.example.toml"
        case "too_short" | "string_too_short" if error.get("ctx", {}).get("min_length", 1) > 1:
            text = f"{key} must have at least {error['ctx']['min_length']} characters"
        case kind if kind in PLAINLY:
            text = f"{key} {PLAINLY[kind]}"
        case _:
            problem = error["msg"].removeprefix("Value error, ").replace("Input should", "must")
            text = f"{key}: {problem}; see config.example.toml" if key else problem
    return text


def _known_keys(model: type[BaseModel]) -> set[str]:
    keys = set(model.model_fields) | {role.name for role in ROLES}
    for field in model.model_fields.values():
        for part in _models_in(field.annotation):
            keys |= _known_keys(part)
    return keys - PACKED


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    """Give the sections that a value of this type holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
