"""The composition root: settings in, wired services out. Owns the domain's clock."""

import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from secrets import token_hex
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from kalender.config import Config
from kalender.config.backends import GraphSettings
from kalender.config.calendar import LANGUAGES
from kalender.config.sections import BrokerSettings
from kalender.domain import neighbour
from kalender.domain.mailbox import BY_MAIL
from kalender.domain.mirror import CourseBrake
from kalender.domain.roles import ROLES
from kalender.domain.timetable import Rules
from kalender.domain.work import Mark
from kalender.errors import ConfigError, PermanentError
from kalender.listener import Listener
from kalender.liveness import Liveness
from kalender.mirror.context import RefreshContext, count_left_out_of_tp
from kalender.neighbours.limiter import Limiters, NeighbourLimits
from kalender.ports import (
    AroundRequest,
    Calendars,
    MarkKeeper,
    Rejected,
    Students,
    Timetables,
    unlimited,
)
from kalender.reconcile.desired import CalendarSettings
from kalender.reconcile.memory import Memory
from kalender.reconcile.protocol import Exchange, ReconcileContext
from kalender.sources.tp_codes import KINDS, skips
from kalender.store import mailboxes, queue, rejected
from kalender.store.database import Counts, Database, database_time
from kalender.store.people import People
from kalender.store.semesters import Semesters
from kalender.worker.context import WorkerContext

Clock = Callable[[], datetime]


def clock_from(start: datetime | None) -> Clock:
    """Return the domain's clock: now, or one that starts at `start` and runs on."""
    shift = timedelta() if start is None else start - datetime.now(UTC)
    return lambda: datetime.now(UTC) + shift


def refuse_another_day(config: Config) -> None:
    """Raise ConfigError where an endpoint is not loopback: another day is for rehearsals only."""
    urls = [url for settings in config.neighbours.values() for url in settings.addresses]
    if config.broker is not None:
        urls.append(config.broker.url.get_secret_value())
    if not all(_is_loopback(str(url)) for url in urls):
        message = (
            "--now rehearses another day: every endpoint, and the broker, must be loopback for it"
        )
        raise ConfigError(message)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class App:
    """Settings and a clock; each method wires one thing, anew at each call."""

    config: Config
    clock: Clock

    @staticmethod
    def machine_now() -> datetime:
        """Return this machine's clock, whatever day is rehearsed."""
        return datetime.now(UTC)

    @property
    def zone(self) -> ZoneInfo:
        """The institution's time zone, in which times are shown."""
        return self.config.institution.time_zone

    def database(self, *, connections: int = 2) -> Database:
        """Return the database; create it after a fork."""
        url = self.config.database.url.get_secret_value()
        return Database(url, pool_size=connections)

    # -- rules ----------------------------------------------------------------------------------

    def mirror_rules(self) -> Rules:
        """Return what the mirror goes by: it looks back as far as any role does."""
        rules = [self.config.rules(role) for role in ROLES]
        return replace(rules[0], past_days=max(rule.past_days for rule in rules))

    def settings(self) -> CalendarSettings:
        """Return all that decides what entries there are and what they say."""
        config, institution = self.config, self.config.institution
        styles = {
            language: {
                role: calendar.style(institution.name, language, KINDS)
                for role, calendar in config.role_calendars.items()
            }
            for language in LANGUAGES
        }
        return CalendarSettings(
            rules={role: config.rules(role) for role in ROLES},
            styles=styles[institution.language],
            semesters=self.semesters(),
            translations=styles,
        )

    def semesters(self) -> Semesters:
        """Return which semesters are maintained."""
        configured = self.config.tp.semesters
        return Semesters(listed=tuple(semester.code for semester in configured or ()))

    def people(self) -> People:
        """Return who gets which calendar."""
        return People(
            mailboxes=self.config.mailboxes,
            backend=self.config.exchange.default,
            rules={role: self.config.rules(role) for role in ROLES},
            user_forms={
                name: self._user_form(name)
                for name in self.config.exchange.backends
                if not self.names_by_address(name)
            },
        )

    # -- neighbours -----------------------------------------------------------------------------

    def limiters(self, database: Database, *, wants: int = 1) -> Limiters:
        """Return the ways to all neighbours, for a process that asks `wants` at once."""
        limits = [
            NeighbourLimits.of(name, settings, self.config.worker.send_seconds)
            for name, settings in self.config.neighbours.items()
        ]
        holder = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        return Limiters(database, limits, holder=holder, wants=wants)

    def fs(self, limiter: AroundRequest = unlimited) -> Students:
        """Return the student system."""
        # the adapters load requests, which commands that only ask the database do without
        from kalender.sources.configured import fs  # noqa: PLC0415

        return fs(self.config, limiter)

    def tp(self, limiter: AroundRequest = unlimited, counts: Counts | None = None) -> Timetables:
        """Return the timetable system; `counts`: where what cannot be read is counted."""
        from kalender.sources.configured import tp  # noqa: PLC0415  # as for FS

        left_out = partial(count_left_out_of_tp, counts or Counts())
        return tp(self.config, limiter, on_left_out=left_out)

    def exchange(
        self,
        name: str,
        limiter: AroundRequest = unlimited,
        *,
        user_of: Callable[[str], str] = str,
    ) -> Calendars:
        """Return one calendar backend by its name in the settings; see `user_of`."""
        from kalender.calendars import open_calendars  # noqa: PLC0415  # as for FS

        return open_calendars(
            name,
            self.config.exchange.backends[name],
            connections=self.config.worker.connections,
            time_zone=str(self.zone),
            limiter=limiter,
            user_of=user_of,
        )

    def user_of(self, name: str, database: Database) -> Callable[[str], str]:
        """Return what tells how a backend names the user of an address.

        It raises PermanentError where that is not known. The username is read at each call, since
        a person's may change.
        """
        form = self._user_form(name)
        if form == BY_MAIL:
            return str

        def named(address: str) -> str:
            with database.read() as connection:
                user = mailboxes.principal_name_of(connection, address, form)
            if user is None:
                text = (
                    f"[{neighbour.exchange(name)}] user = {form!r}: FS tells no username of the"
                    " mailbox' owner that makes a principal name, or the owner has two mailboxes:"
                    " correct it there, or user"
                )
                raise PermanentError(text)
            return user

        return named

    def names_by_address(self, name: str) -> bool:
        """Whether a backend names the users of mailboxes by their addresses."""
        return self._user_form(name) == BY_MAIL

    def _user_form(self, name: str) -> str:
        backend = self.config.exchange.backends[name]
        return backend.user if isinstance(backend, GraphSettings) else BY_MAIL

    # -- services -------------------------------------------------------------------------------

    def refresh_context(
        self, database: Database, limiters: Limiters | None = None
    ) -> RefreshContext:
        """Return what refreshes the mirror."""
        config = self.config
        limiters = limiters or self.limiters(database)
        return RefreshContext(
            database=database,
            timetables=self.tp(limiters[neighbour.TP], database.counts),
            students=self.fs(limiters[neighbour.FS]),
            people=self.people(),
            rules=self.mirror_rules(),
            brake=CourseBrake(
                max_shrink=config.safety.max_course_shrink,
                min_events=config.safety.min_course_events,
            ),
            ask_singly=config.fs.offer_status == "single",
            skips=skips(config.tp.skip),
            semesters=self.semesters(),
            lease=config.worker.lease,
            clock=self.clock,
        )

    def reconcile_context(
        self, database: Database, limiters: Limiters | None = None
    ) -> ReconcileContext:
        """Return what makes calendars right."""
        limiters = limiters or self.limiters(database)
        config = self.config
        return ReconcileContext(
            database=database,
            exchanges={
                name: Exchange(
                    calendars=self.exchange(
                        name,
                        limiters[neighbour.exchange(name)],
                        user_of=self.user_of(name, database),
                    ),
                    server_seconds=backend.server_seconds,
                    second_look=backend.second_look,
                    user_form=self._user_form(name),
                )
                for name, backend in config.exchange.backends.items()
            },
            settings=self.settings(),
            safety=config.safety,
            moves=config.moves,
            takeover=config.takeover,
            rollout_mode=config.rollout.mode,
            lease=config.worker.lease,
            send_seconds=config.worker.send_seconds,
            clock=self.clock,
            mail_domains=config.mailboxes.domains,
            role_calendars=config.role_calendars,
            memory=self.memory(),
        )

    def memory(self) -> Memory:
        """Return what a process remembers of the database; create it after a fork."""
        return Memory(self.config.worker.state_dir)

    def worker_context(self) -> WorkerContext:
        """Return what a worker process needs; call it in that process."""
        worker = self.config.worker
        database = self.database(connections=worker.connections + 1)
        limiters = self.limiters(database, wants=worker.connections)
        return WorkerContext(
            database=database,
            refresh_context=self.refresh_context(database, limiters),
            reconcile_context=self.reconcile_context(database, limiters),
            limiters=limiters,
            connections=worker.connections,
            lease=worker.lease,
            verify_every=worker.verify_every,
            poll_every=self.config.tp.poll_every,
            retention=self.config.retention,
        )

    def listener(self, database: Database, liveness: Liveness | None = None) -> Listener:
        """Return what turns notifications into marks."""
        settle = self.config.worker.settle_seconds
        return Listener(
            mark_keeper(database, self.clock, settle=settle),
            self.config.patterns,
            self.clock,
            liveness=liveness or Liveness(),
            counts=database.counts,
        )

    def broker(self) -> BrokerSettings:
        """Return the settings of the broker; ConfigError where none is configured."""
        if self.config.broker is None:
            message = "[broker] is missing: give url and queues, or use kalender listener --stdin"
            raise ConfigError(message)
        return self.config.broker


def mark_keeper(database: Database, clock: Clock, *, settle: float) -> MarkKeeper:
    """Return what writes marks and rejected messages in one transaction, by the database's clock."""

    def keep(marks: Sequence[Mark], rejected_messages: Sequence[Rejected]) -> None:
        with database.write() as connection:
            if any(mark.due_at for mark in marks):
                ahead = clock() - database_time(connection)
                marks = [
                    mark if mark.due_at is None else mark._replace(due_at=mark.due_at - ahead)
                    for mark in marks
                ]
            queue.mark(connection, marks, settle=settle)
            rejected.keep(connection, rejected_messages)

    return keep
