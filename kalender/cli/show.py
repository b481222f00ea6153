"""The commands that look at one person or course: show, plan. They change nothing, ask nobody."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from kalender.app import App
from kalender.cli.base import (
    Json,
    NotKnown,
    Person,
    app,
    application,
    cell,
    columns,
    day_of,
    lines,
    listing,
    opened,
    operator,
    person_of,
    say_json,
    wrapped,
)
from kalender.cli.protect import Reveal
from kalender.domain.entry import EntryStatus
from kalender.domain.model import CourseKey
from kalender.domain.moment import said, said_shortly
from kalender.domain.plan import Plan
from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.operate import disclosure
from kalender.operate.person import CalendarShown, PersonShown, person_shown
from kalender.operate.question import Question
from kalender.operate.records import CourseRun, MoveRecord, WorkRecord
from kalender.operate.shown import ShownEntry, entries_shown
from kalender.operate.week import draw, monday_of, week_of
from kalender.reconcile.desired import preview
from kalender.sources.tp_codes import skips
from kalender.store import languages, people, rollouts, unreadable
from kalender.store.database import Database
from kalender.store.fs_facts import ROLES
from kalender.store.unreadable import UnreadableItem


@app.command()
def show(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    person: Annotated[
        str | None, typer.Argument(help="FS number, username or mail address.")
    ] = None,
    course: Annotated[
        str | None, typer.Option(help="A course instead, by a code such as IN1000.")
    ] = None,
    semester: Annotated[
        str | None, typer.Option(help="The course's semester, such as 25h.")
    ] = None,
    week: Annotated[bool, typer.Option("--week", help="Draw a week.")] = False,  # noqa: FBT002
    monday: Annotated[str | None, typer.Option("--on", help="A day of the week to draw.")] = None,
    export: Annotated[bool, typer.Option("--export", help="All we hold, as JSON.")] = False,  # noqa: FBT002
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show a person (who, teaching, calendars, why each entry is there), or a course."""
    wired = application(context, writes=False, asks=False)
    database = opened(wired)
    if course is not None:
        zone = wired.zone
        _show_course(database, course, semester, zone=zone, as_json=as_json)
        return
    if person is None:
        raise ConfigError("show wants a person, or --course")
    person_id = resolve_and_log_access(
        database, person, "show --export" if export else "show", reveal=reveal
    )
    with database.read() as connection:
        if week:
            day = day_of(monday, "--on") or wired.clock().astimezone(wired.zone).date()
            zone = wired.zone
            for row in disclosure.calendars_of(connection, person_id):
                settings = wired.settings()
                would_be = preview(connection, row.calendar_id, settings, wired.clock())
                shown = [] if would_be is None else entries_shown(connection, would_be, settings)
                typer.echo(draw(week_of(shown, monday_of(day), zone)))
            return
        if export:
            say_json(disclosure.export(connection, person_id))
            return
        answer = _answer(connection, wired, person_id)
    if as_json:
        say_json(_values(answer))
    else:
        lines(_lines_of(answer, wired.zone))


# -- a course ----------------------------------------------------------------------------------------


def _show_course(
    database: Database, course: str, semester: str | None, *, zone: tzinfo, as_json: bool
) -> None:
    with database.read() as connection:
        spelled = rollouts.spelled(connection, course) or course
        runs = disclosure.runs(connection, spelled, semester.lower() if semester else None)
        told = [
            (run, [_bad(item) for item in unreadable.of_course(connection, _key(run))])
            for run in runs
        ]
    if not runs:
        raise NotKnown("no such course is mirrored: nobody known takes or teaches it")
    if as_json:
        say_json([{**asdict(run), "unreadable": bad_items} for run, bad_items in told])
        return
    lines(line for run, bad_items in told for line in _lines_of_run(run, bad_items, zone))


def _key(run: CourseRun) -> CourseKey:
    return CourseKey(run.course, run.semester)


def _lines_of_run(
    run: CourseRun, bad_items: Sequence[Mapping[str, Any]], zone: tzinfo
) -> Iterator[str]:
    """A course in one semester as lines that fit: TP's last answer, what is pending, the groups."""
    yield str(_key(run))
    for name in _RUN:
        if value := getattr(run, name):
            yield from wrapped(f"  {name.replace('_', ' ')}: {cell(value, zone)}")
    for work in run.pending:
        yield from wrapped(_pending_line(work, zone))
    if run.groups:
        yield from ("", "groups", *columns([asdict(group) for group in run.groups], zone))
    if bad_items:
        yield from ("", "unreadable", *columns(bad_items, zone))


_RUN = (
    "published",
    "registered",
    "staff",
    "asked_at",
    "changed_at",
    "last_change",
    "held",
    "bad_events",
    "bad_reason",
    "unknown_status",
    "skipped",
)


# -- one person ----------------------------------------------------------------------------------------


def resolve_and_log_access(database: Database, text: str, command: str, *, reveal: bool) -> int:
    """Return a person who is looked at, and remember who looked; a protected one with --reveal."""
    person_id = person_of(database, text)
    with database.read() as connection:
        refused = people.PROTECT in people.wishes_of(connection, person_id) and not reveal
    try:
        with database.write() as connection:
            who, words = operator(), f"{command} --reveal" if reveal else command
            disclosure.log_access(connection, [person_id], words, operator=who, refused=refused)
    except (DBAPIError, NeighbourUnavailable):  # the role, or a standby, may not let us write
        typer.echo("kalender: this look could not be recorded in look_up", err=True)
    if refused:
        raise NotKnown(f"person {person_id} is protected: --reveal shows them, and is logged")
    return person_id


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageShown:
    """The language in which a person's entries are written, and who said so, since when."""

    language: str
    told_by: str  # institution | command | file
    source: str | None
    set_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAnswer:
    """A person as `show` tells of them: of their entries those that are to come, or go on."""

    person: PersonShown
    language: LanguageShown
    now: datetime

    @property
    def tables(self) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """What names them and what they take and teach, as rows under their headings."""
        teaching = self.person.teaching
        return {
            "identities": [asdict(name) for name in self.person.identities],
            "registrations": [
                {**r.unit._asdict(), "offer_status": r.offer_status} for r in teaching.registrations
            ],
            "placements": [key._asdict() for key in sorted(teaching.placements)],
            "roles": [ROLES.row(role) for role in teaching.roles],
            "unreadable": [_bad(item) for item in self.person.unreadable],
        }

    def to_come(self, calendar: CalendarShown) -> list[ShownEntry]:
        """Return a calendar's records that are to come, or go on."""
        return [
            entry
            for entry in calendar.entries
            if entry.status is not None and entry.ends_at > self.now
        ]


def _answer(connection: Connection, wired: App, person_id: int) -> PersonAnswer:
    person = person_shown(
        Question(
            connection=connection,
            settings=wired.settings(),
            rollout_mode=wired.config.rollout.mode,
            skips=skips(wired.config.tp.skip),
            now=wired.clock(),
            person_id=person_id,
        )
    )
    language = _language(connection, wired, person_id)
    return PersonAnswer(person=person, language=language, now=wired.clock())


def _values(answer: PersonAnswer) -> dict[str, Any]:
    """The answer as it is printed with --json."""
    person = answer.person
    return {
        "person": person.person_id,
        "opted_out": bool(person.wishes),
        "language": asdict(answer.language),
        **answer.tables,
        "pending": [{name: getattr(work, name) for name in _PENDING} for work in person.pending],
        "calendars": [
            {
                **asdict(calendar.row),
                "moves": [asdict(move) for move in calendar.moves],
                "takeover": calendar.takeover
                and {
                    **asdict(calendar.takeover),
                    "others": [
                        {name: getattr(other, name) for name in _NOT_ADOPTED}
                        for other in calendar.takeover.others
                    ],
                },
                "shown": [_entry(entry) for entry in answer.to_come(calendar)],
            }
            for calendar in person.calendars
        ],
    }


def _language(connection: Connection, wired: App, person_id: int) -> LanguageShown:
    for row in languages.counting(connection):
        if row.person_id == person_id:
            return LanguageShown(
                language=row.language, told_by=row.told_by, source=row.source, set_at=row.set_at
            )
    institutions = wired.config.institution.language
    return LanguageShown(language=institutions, told_by="institution", source=None, set_at=None)


def _bad(problem: UnreadableItem) -> dict[str, Any]:
    """Return an item of FS or event of TP that cannot be read, as it is listed."""
    names = ("collection", "item", "actid", "reason", "since", "seen_at")
    return {name: getattr(problem, name) for name in names}


_NOT_ADOPTED = ("fate", "starts_at", "ends_at", "courses", "mark_value")
_PENDING = (
    "kind",
    "reason",
    "first_marked_at",
    "not_before",
    "attempts",
    "parked_at",
    "last_error",
)


def _why(entry: ShownEntry) -> str:
    return entry.capacity.name.lower() if entry.capacity else "not desired now"


def _entry(entry: ShownEntry) -> dict[str, Any]:
    """A coming record, with why it is there."""
    return {
        "starts_at": entry.starts_at,
        "ends_at": entry.ends_at,
        "course": entry.activity.course,
        "actid": entry.activity.actid,
        "status": entry.status,
        "why": _why(entry),
        "held_by": entry.held_by,
        "written_at": entry.written_at,
        "restored": entry.restored or None,
        "last": entry.last and entry.last.operation,
        "because": entry.last and entry.last.reason,
        "told_at": entry.last and entry.last.noticed_at,
    }


def _lines_of(answer: PersonAnswer, zone: ZoneInfo) -> Iterator[str]:
    """A person as lines that fit: who, their teaching, what is pending, and each calendar."""
    person, language = answer.person, answer.language
    yield f"person {person.person_id}{'  (opted out)' if person.wishes else ''}"
    if language.set_at is not None:
        yield from wrapped(
            f"language {language.language}, by {language.told_by} ({language.source}), "
            f"since {said(language.set_at, zone)}"
        )
    for heading, rows in answer.tables.items():
        if rows:
            yield from ("", heading, *columns(rows, zone))
    if person.pending:
        yield from ("", "pending")
        for work in person.pending:
            yield from wrapped(_pending_line(work, zone))
    for calendar in person.calendars:
        yield from ("", f"calendar {calendar.row.calendar_id}")
        for field, value in asdict(calendar.row).items():
            if value is not None and field != "calendar_id":
                yield from wrapped(f"  {field.replace('_', ' ')}: {cell(value, zone)}")
        yield from _takeover_lines(calendar.takeover, zone)
        for move in calendar.moves:
            yield from wrapped(_move_line(move, zone))
        entries = answer.to_come(calendar)
        if entries:
            yield f"  entries to come ({zone}): when, what, why, written"
            for entry in entries:
                yield from _entry_lines(entry, zone)


def _takeover_lines(takeover: disclosure.TakeoverShown | None, zone: tzinfo) -> Iterator[str]:
    """A takeover from a predecessor, if there is one: how it stands, and each entry that is not ours."""
    if takeover is None:
        return
    parts = [
        f"  takeover: {takeover.state} since {said(takeover.since, zone)}",
        f"{takeover.adopted} adopted",
        takeover.reason or "",
    ]
    yield from wrapped(", ".join(filter(None, parts)))
    for other in takeover.others:
        courses = ", ".join(other.courses.splitlines())
        when = said_shortly(other.starts_at, zone)
        yield from wrapped(f"    {when}  {other.fate}  {courses}  {other.mark_value}".rstrip())


def _move_line(move: MoveRecord, zone: tzinfo) -> str:
    line = f"  moved from {move.from_backend} to {move.to_backend}"
    if move.from_backend == move.to_backend:
        line = f"  emptied at {move.to_backend}, known nowhere else"
    line += f", noticed {said(move.noticed_at, zone)}"
    if move.done_at:
        return f"{line}, right there {said(move.done_at, zone)}"
    if move.waits_since:
        line += f", shows {move.present} of {move.expected} entries to come"
    if move.decision:
        line += f", {move.decision} ({move.decided_by})"
    return f"{line}, next look {said(move.look_at, zone)}"


def _pending_line(work: WorkRecord, zone: tzinfo) -> str:
    parts = [
        f"  {work.kind}: {work.reason}, since {said(work.first_marked_at, zone)}",
        f"laid aside {said(work.parked_at, zone)}" if work.parked_at else "",
        f"not before {said(work.not_before, zone)}" if work.not_before else "",
        f"tried {work.attempts} times" if work.attempts else "",
        work.last_error or "",
    ]
    return ", ".join(filter(None, parts))


def _entry_lines(entry: ShownEntry, zone: tzinfo) -> Iterator[str]:
    """An entry on one line, and beneath it only what is not as usual, or what wrote it anew."""
    when = f"{said_shortly(entry.starts_at, zone)}-{entry.ends_at.astimezone(zone):%H:%M}"
    activity = f"{entry.activity.course} {entry.activity.actid}"
    at = said_shortly(entry.written_at, zone) if entry.written_at else "not written"
    yield from wrapped(f"  {when}  {activity:<18} {_why(entry):<15} {at}")
    last = entry.last
    unusual = [
        "" if entry.status == EntryStatus.LIVE else entry.status,
        f"held by {entry.held_by}" if entry.held_by else "",
        f"put back {entry.restored} times" if entry.restored else "",
        f"{last.operation}: {last.reason}" if last and last.operation != "create" else "",
    ]
    if any(unusual):
        yield from wrapped(f"      {', '.join(filter(None, unusual))}")


# -- plan --------------------------------------------------------------------------------------------


@app.command()
def plan(
    context: typer.Context,
    person: Person,
    reveal: Reveal = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what would be written for a person now; changes nothing, asks nobody."""
    wired = application(context, writes=False, asks=False)
    database = opened(wired)
    resolve_and_log_access(database, person, "plan", reveal=reveal)
    steps = planned(wired, database, person)
    say_plan(steps, as_json, wired, "nothing to write: the calendar is as it should be")


def say_plan(rows: Sequence[Mapping[str, Any]], as_json: bool, wired: App, empty: str) -> None:  # noqa: FBT001
    """Print what would be written, a line an entry."""
    zone = wired.zone
    if rows and not as_json:
        typer.echo(f"times of {zone}")
        rows = [{**row, "when": said_shortly(row["when"], zone)} for row in rows]
    listing(rows, as_json=as_json, empty=empty, zone=zone)


def planned(wired: App, database: Database, person: str) -> list[dict[str, Any]]:
    """Return what would be written for a person now, a row for each entry."""
    person_id = person_of(database, person)
    steps: list[dict[str, Any]] = []
    with database.read() as connection:
        for row in disclosure.calendars_of(connection, person_id):
            would_be = preview(connection, row.calendar_id, wired.settings(), wired.clock())
            if would_be is not None:
                steps += [{"calendar": row.calendar_id, **step} for step in _steps(would_be.plan)]
    return steps


def _steps(plan: Plan) -> Iterator[dict[str, Any]]:
    # beside what is withheld the predecessor's entry of the course stands
    for do, creates in (("create", plan.creates), ("withhold", plan.withheld)):
        for create in creates:
            content = create.desired.content
            yield _step(do, content.starts_at, content.subject)
    for update in plan.updates:
        content, fields = update.desired.content, ", ".join(sorted(update.fields))
        yield _step("update", content.starts_at, content.subject, fields)
    for delete in plan.deletes:
        activity = delete.entry.activity
        yield _step("delete", delete.entry.starts_at, f"{activity.course} {activity.actid}")


def _step(do: str, when: datetime, what: str, fields: str | None = None) -> dict[str, Any]:
    return {"do": do, "when": when, "what": what, "fields": fields}
