"""The composition root: settings in, wired services out. Owns the domain's clock."""

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from secrets import token_hex
from urllib.parse import urlsplit

from pydantic import SecretStr

from kalender.config import Config
from kalender.config.calendar import AudienceCalendar
from kalender.config.sections import Backend, Broker, Neighbour
from kalender.domain.mirror import CourseBrake
from kalender.domain.model import Audience
from kalender.domain.timetable import Rules
from kalender.domain.work import Mark
from kalender.errors import ConfigError
from kalender.listener import Listener
from kalender.liveness import Liveness
from kalender.mirror.refresh import RefreshContext, count_left_out_of_tp
from kalender.neighbours.credentials import digest
from kalender.neighbours.limiter import Limiters, NeighbourLimits
from kalender.ports import Calendars, Marks, Rejected, Students, Timetables
from kalender.reconcile.desired import CalendarSettings
from kalender.reconcile.memory import Memory
from kalender.reconcile.protocol import Exchange, ReconcileContext, Restore
from kalender.store import queue, rejected, teaching
from kalender.store.brakes import Safety
from kalender.store.database import Database
from kalender.store.people import People
from kalender.store.prune import Retention
from kalender.store.semesters import Semesters
from kalender.worker.context import WorkerContext

Clock = Callable[[], datetime]
AroundRequest = Callable[[], AbstractContextManager[None]]
MONTH = timedelta(days=365.25 / 12)


def clock_from(start: datetime | None) -> Clock:
    """Return the domain's clock: now, or one that starts at `start` and runs on."""
    shift = timedelta() if start is None else start - datetime.now(UTC)
    return lambda: datetime.now(UTC) + shift


def refuse_another_day(config: Config) -> None:
    """Raise ConfigError where an endpoint is not loopback: another day is for rehearsals only."""
    urls = [config.fs.base_url, config.tp.base_url]
    urls += [backend.endpoint for backend in config.exchange.backends.values()]
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

    def database(self, *, connections: int = 2) -> Database:
        """Return the database; create it after a fork."""
        url = self.config.database.url.get_secret_value()
        return Database(url, pool_size=connections)

    def _calendar(self, audience: Audience) -> AudienceCalendar:
        """Return the settings for an audience; whoever is both is treated as a teacher."""
        calendar = self.config.calendar
        return calendar.student if audience is Audience.STUDENT else calendar.teacher

    # -- rules ----------------------------------------------------------------------------------

    def rules(self, audience: Audience) -> Rules:
        """Return who sees what, for one audience."""
        config = self.config
        own = self._calendar(audience)
        fallback = own.teacher_unit_fallback
        return Rules(
            zone=config.institution.time_zone,
            accepted_offer_statuses=frozenset(config.fs.accepted_offer_statuses),
            believe_offer_status=config.fs.offer_status != "ignore",
            teaching_roles=frozenset(config.fs.teaching_roles),
            sole_group=own.unplaced == "sole_group",
            unit_fallback=None if fallback == "none" else fallback,
            past_days=own.past_days,
            future_days=own.future_days,
        )

    def mirror_rules(self) -> Rules:
        """Return what the mirror goes by: the longer of the two looks back."""
        rules = [self.rules(audience) for audience in (Audience.STUDENT, Audience.TEACHER)]
        return replace(rules[0], past_days=max(each.past_days for each in rules))

    def settings(self) -> CalendarSettings:
        """Return all that decides what entries there are and what they say."""
        institution = self.config.institution
        styles = {
            audience: self._calendar(audience).style(institution.name, institution.language)
            for audience in (Audience.STUDENT, Audience.TEACHER)
        }
        rules = {audience: self.rules(audience) for audience in styles}
        return CalendarSettings(rules=rules, styles=styles, semesters=self.semesters())

    def semesters(self) -> Semesters:
        """Return which semesters are maintained."""
        listed = self.config.tp.semesters
        return Semesters(listed=tuple(each.code for each in listed or ()))

    def people(self) -> People:
        """Return who gets which calendar."""
        return People(
            mailboxes=self.config.mailboxes,
            backend=self.config.exchange.default,
            teaching_roles=frozenset(self.config.fs.teaching_roles),
        )

    # -- neighbours -----------------------------------------------------------------------------

    def gates(self, database: Database, *, wants: int = 1) -> Limiters:
        """Return the ways to all neighbours, for a process that asks `wants` at once."""
        fs, tp, exchanges = self.config.fs, self.config.tp, self.config.exchange.backends
        doors = [
            self._door("fs", fs, fs.base_url, fs.max_concurrency),
            self._door("tp", tp, tp.base_url, tp.max_concurrency),
        ]
        doors += [
            self._door(f"exchange.{name}", each, each.endpoint, each.max_connections)
            for name, each in exchanges.items()
        ]
        holder = f"{socket.gethostname()}:{os.getpid()}:{token_hex(4)}"
        return Limiters(database, doors, holder=holder, wants=wants)

    def _door(self, name: str, section: Neighbour, endpoint: str, most: int) -> NeighbourLimits:
        """Return how a neighbour may be asked.

        At a slow rate fewer ask at once than `most`: only as many as may begin within half of
        `send_seconds`. A request that waited longer for its permit would not be sent any more.
        """
        given = [getattr(section, key, None) for key in ("username", "password", "api_key")]
        credentials = [
            value.get_secret_value() if isinstance(value, SecretStr) else value for value in given
        ]
        rate = section.max_requests_per_second
        if rate is not None:
            most = min(most, max(1, int(rate * self.config.worker.send_seconds / 2)))
        return NeighbourLimits(
            name=name, credentials=digest(endpoint, *credentials), most=most, per_second=rate
        )

    def fs(self, gate: AroundRequest = nullcontext) -> Students:
        """Return the student system."""
        # the adapters load requests, which commands that only ask the database do without
        from kalender.sources.configured import fs  # noqa: PLC0415

        return fs(self.config, gate)

    def tp(self, gate: AroundRequest = nullcontext) -> Timetables:
        """Return the timetable system."""
        from kalender.sources.configured import tp  # noqa: PLC0415  # as for FS

        return tp(self.config, gate, on_left_out=count_left_out_of_tp)

    def exchange(self, name: str, gate: AroundRequest = nullcontext) -> Calendars:
        """Return one Exchange by its name in the settings."""
        # exchangelib takes longer to load than most commands take to run
        from kalender.calendars.ews.writer import EwsCalendars  # noqa: PLC0415

        backend: Backend = self.config.exchange.backends[name]
        return EwsCalendars(
            name=name,
            endpoint=backend.endpoint,
            username=backend.username,
            password=backend.password.get_secret_value(),
            auth=backend.auth,
            impersonate=backend.impersonate,
            ca_file=backend.ca_file,
            timeout=backend.timeout,
            max_connections=self.config.worker.connections,
            time_zone=str(self.config.institution.time_zone),
            gate=gate,
        )

    # -- services -------------------------------------------------------------------------------

    def sources(self, database: Database, gates: Limiters | None = None) -> RefreshContext:
        """Return what refreshes the mirror."""
        config = self.config
        gates = gates or self.gates(database)
        return RefreshContext(
            database=database,
            timetables=self.tp(gates["tp"]),
            students=self.fs(gates["fs"]),
            people=self.people(),
            rules=self.mirror_rules(),
            brake=CourseBrake(
                max_shrink=config.safety.max_course_shrink,
                min_events=config.safety.min_course_events,
            ),
            ask_singly=config.fs.offer_status == "single",
            skips=config.tp.skips,
            semesters=self.semesters(),
            lease=timedelta(seconds=config.worker.lease_seconds),
            clock=self.clock,
        )

    def means(self, database: Database, gates: Limiters | None = None) -> ReconcileContext:
        """Return what makes calendars right."""
        gates = gates or self.gates(database)
        config, safety = self.config, self.config.safety
        return ReconcileContext(
            database=database,
            exchanges={
                name: Exchange(
                    calendars=self.exchange(name, gates[f"exchange.{name}"]),
                    server_seconds=backend.server_seconds,
                )
                for name, backend in config.exchange.backends.items()
            },
            settings=self.settings(),
            safety=Safety(
                max_deleted_share=safety.max_deleted_share,
                min_deletes_hour=safety.min_deletes,
                min_deletes_day=safety.min_deletes_day,
                max_entries=safety.max_entries,
            ),
            rollout_mode=config.rollout.mode,
            hard_delete=frozenset(
                audience for audience in Audience if self._calendar(audience).delete == "hard"
            ),
            lease=timedelta(seconds=config.worker.lease_seconds),
            send_seconds=config.worker.send_seconds,
            clock=self.clock,
            mailboxes=config.mailboxes,
            restore={audience: self._restore(audience) for audience in Audience},
            memory=self.memory(),
        )

    def memory(self) -> Memory:
        """Return what a process remembers of the database; create it after a fork."""
        return Memory(self.config.worker.state_dir)

    def _restore(self, audience: Audience) -> Restore:
        own = self._calendar(audience)
        return Restore(
            edited=own.restore_edited, deleted=own.restore_deleted, most=own.max_restores
        )

    def crew(self) -> WorkerContext:
        """Return what a worker process needs; call it in that process."""
        worker = self.config.worker
        database = self.database(connections=worker.connections + 1)
        gates = self.gates(database, wants=worker.connections)
        poll = self.config.tp.poll_seconds
        return WorkerContext(
            database=database,
            sources=self.sources(database, gates),
            means=self.means(database, gates),
            gates=gates,
            connections=worker.connections,
            lease=timedelta(seconds=worker.lease_seconds),
            verify_every=timedelta(hours=worker.verify_every_hours),
            poll_every=timedelta(seconds=poll) if poll else None,
            retention=self._retention(),
        )

    def _retention(self) -> Retention:
        """Return how long what is kept; what may still be written is never too old."""
        kept = self.config.retention
        written = timedelta(days=self.mirror_rules().past_days + 1)
        return Retention(
            entries=max(kept.entries_months * MONTH, written),
            change_log=timedelta(days=kept.change_log_days),
            rejected=timedelta(days=kept.rejected_days),
            look_up=timedelta(days=kept.look_up_days),
            semesters=frozenset(self.semesters().listed),
        )

    def listener(self, ticks: Liveness | None = None) -> Listener:
        """Return what turns notifications into marks."""
        marks = keeping(self.database(), self.clock, settle=self.config.worker.settle_seconds)
        return Listener(marks, self.config.patterns, self.clock, ticks=ticks or Liveness())

    def broker(self) -> Broker:
        """Return the settings of the broker; ConfigError where none is configured."""
        if self.config.broker is None:
            message = "[broker] is missing: give url and queues, or use kalender listener --stdin"
            raise ConfigError(message)
        return self.config.broker


def keeping(database: Database, clock: Callable[[], datetime], *, settle: float) -> Marks:
    """Return where the listener leaves what it read; times are then the database's clock's."""

    def keep(marks: Sequence[Mark], refused: Sequence[Rejected]) -> None:
        with database.write() as connection:
            if any(each.due_at for each in marks):
                ahead = clock() - teaching.database_time(connection)
                marks = [_on(each, ahead) for each in marks]
            queue.mark(connection, marks, settle=settle)
            rejected.keep(connection, refused)

    return keep


def _on(mark: Mark, ahead: timedelta) -> Mark:
    """Return a mark due on the database's clock, not on the domain's."""
    return mark if mark.due_at is None else mark._replace(due_at=mark.due_at - ahead)
