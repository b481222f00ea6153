"""The commands that look at one person or course: show, plan. They change nothing, ask nobody."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
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
from kalender.domain.model import CourseKey
from kalender.domain.moment import said, said_shortly
from kalender.domain.plan import Plan
from kalender.errors import ConfigError, NeighbourUnavailable
from kalender.operate import disclosure
from kalender.operate.person import person_shown
from kalender.operate.question import Question
from kalender.operate.shown import ShownEntry, entries_shown
from kalender.operate.week import draw, monday_of, week_of
from kalender.reconcile.desired import preview
from kalender.sources.tp_codes import skips
from kalender.store import languages, people, rollouts, unreadable
from kalender.store.database import Database
from kalender.store.fs_facts import ROLES
from kalender.store.unreadable import Unreadable


@app.command()
def show(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    person: Annotated[
        str | None, typer.Argument(help="FS number, username or mail address.")
    ] = None,
    course: Annotated[str | None, typer.Option(help="A code such as IN1000, instead.")] = None,
    semester: Annotated[str | None, typer.Option(help="Of the course, such as 25h.")] = None,
    week: Annotated[bool, typer.Option("--week", help="Draw a week.")] = False,  # noqa: FBT002
    monday: Annotated[str | None, typer.Option("--on", help="A day of that week.")] = None,
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
                would_be = preview(connection, row["calendar_id"], settings, wired.clock())
                shown = [] if would_be is None else entries_shown(connection, would_be, settings)
                typer.echo(draw(week_of(shown, monday_of(day), zone)))
            return
        export_values = disclosure.export(connection, person_id) if export else None
        values = export_values or _person(connection, wired, person_id)
    if as_json or export:
        say_json(values)
    else:
        lines(_lines_of(values, wired.zone))


# -- a course ----------------------------------------------------------------------------------------


def _show_course(
    database: Database, course: str, semester: str | None, *, zone: tzinfo, as_json: bool
) -> None:
    with database.read() as connection:
        spelled = rollouts.spelled(connection, course) or course
        runs = disclosure.runs(connection, spelled, semester.lower() if semester else None)
        for run in runs:
            key = CourseKey(run["course"], run["semester"])
            run["unreadable"] = [_bad(problem) for problem in unreadable.of_course(connection, key)]
    if not runs:
        raise NotKnown("no such course is mirrored: nobody known takes or teaches it")
    if as_json:
        say_json(runs)
        return
    lines(line for run in runs for line in _lines_of_run(run, zone))


def _lines_of_run(run: Mapping[str, Any], zone: tzinfo) -> Iterator[str]:
    """A course in one semester as lines that fit: TP's last answer, what is pending, the groups."""
    yield f"{run['course']} {run['semester']}"
    for name in _RUN:
        if run[name]:
            yield from wrapped(f"  {name.replace('_', ' ')}: {cell(run[name], zone)}")
    for work in run["pending"]:
        yield from wrapped(_pending_line(work, zone))
    for name in ("groups", "unreadable"):
        if run[name]:
            yield from ("", name, *columns(run[name], zone))


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


def _person(connection: Connection, wired: App, person_id: int) -> dict[str, Any]:
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
    return {
        "person": person_id,
        "opted_out": bool(person.wishes),
        "language": _language(connection, wired, person_id),
        "identities": person.identities,
        "registrations": [
            {**r.unit._asdict(), "offer_status": r.offer_status}
            for r in person.teaching.registrations
        ],
        "placements": [key._asdict() for key in sorted(person.teaching.placements)],
        "roles": [ROLES.row(role) for role in person.teaching.roles],
        "unreadable": [_bad(problem) for problem in person.unreadable],
        "pending": [{name: row[name] for name in _PENDING} for row in person.pending],
        "calendars": [
            {
                **calendar.row,
                "moves": [{name: move[name] for name in _MOVE} for move in calendar.moves],
                "takeover": asdict(calendar.takeover) if calendar.takeover else None,
                "shown": [
                    _entry(entry)
                    for entry in calendar.entries
                    if entry.status is not None and entry.ends_at > wired.clock()
                ],
            }
            for calendar in person.calendars
        ],
    }


def _language(connection: Connection, wired: App, person_id: int) -> dict[str, Any]:
    """The language in which a person's entries are written, and who said so since when."""
    words = [row for row in languages.counting(connection) if row.person_id == person_id]
    if words:
        names = ("language", "told_by", "source", "set_at")
        return {name: getattr(words[0], name) for name in names}
    institutions = wired.config.institution.language
    return {"language": institutions, "told_by": "institution", "source": None, "set_at": None}


def _bad(problem: Unreadable) -> dict[str, Any]:
    """Return an item of FS or event of TP that cannot be read, as it is listed."""
    names = ("collection", "item", "actid", "reason", "since", "seen_at")
    return {name: getattr(problem, name) for name in names}


_MOVE = (
    *("from_backend", "to_backend", "noticed_at", "look_at", "looks", "expected", "present"),
    *("waits_since", "decision", "decided_by", "done_at"),
)
_PENDING = (
    "kind",
    "reason",
    "first_marked_at",
    "not_before",
    "attempts",
    "parked_at",
    "last_error",
)


def _entry(entry: ShownEntry) -> dict[str, Any]:
    """A coming record, with why it is there."""
    return {
        "starts_at": entry.starts_at,
        "ends_at": entry.ends_at,
        "course": entry.activity.course,
        "actid": entry.activity.actid,
        "status": entry.status,
        "why": entry.capacity.name.lower() if entry.capacity else "not desired now",
        "held_by": entry.held_by,
        "written_at": entry.written_at,
        "restored": entry.restored or None,
        "last": entry.last and entry.last.operation,
        "because": entry.last and entry.last.reason,
        "told_at": entry.last and entry.last.noticed_at,
    }


def _lines_of(values: Mapping[str, Any], zone: ZoneInfo) -> Iterator[str]:
    """A person as lines that fit: who, their teaching, what is pending, and each calendar."""
    yield f"person {values['person']}{'  (opted out)' if values['opted_out'] else ''}"
    language = values["language"]
    if language["set_at"] is not None:
        since = said(language["set_at"], zone)
        yield from wrapped(
            f"language {language['language']}, by {language['told_by']} ({language['source']}), "
            f"since {since}"
        )
    for name in ("identities", "registrations", "placements", "roles", "unreadable"):
        if values[name]:
            yield from ("", name, *columns(values[name], zone))
    if values["pending"]:
        yield from ("", "pending")
        for work in values["pending"]:
            yield from wrapped(_pending_line(work, zone))
    for row in values["calendars"]:
        yield from ("", f"calendar {row['calendar_id']}")
        for field, value in row.items():
            if value is not None and field not in {"shown", "moves", "takeover", "calendar_id"}:
                yield from wrapped(f"  {field.replace('_', ' ')}: {cell(value, zone)}")
        yield from _takeover_lines(row["takeover"], zone)
        for move in row["moves"]:
            yield from wrapped(_move_line(move, zone))
        if row["shown"]:
            yield f"  entries to come ({zone}): when, what, why, written"
            for entry in row["shown"]:
                yield from _entry_lines(entry, zone)


def _takeover_lines(takeover: Mapping[str, Any] | None, zone: tzinfo) -> Iterator[str]:
    """A takeover from a predecessor, if there is one: how it stands, and each entry that is not ours."""
    if takeover is None:
        return
    parts = [
        f"  takeover: {takeover['state']} since {said(takeover['since'], zone)}",
        f"{takeover['adopted']} adopted",
        takeover["reason"] or "",
    ]
    yield from wrapped(", ".join(filter(None, parts)))
    for other in takeover["others"]:
        courses = ", ".join(other["courses"].splitlines())
        when = said_shortly(other["starts_at"], zone)
        yield from wrapped(
            f"    {when}  {other['fate']}  {courses}  {other['mark_value']}".rstrip()
        )


def _move_line(move: Mapping[str, Any], zone: tzinfo) -> str:
    line = f"  moved from {move['from_backend']} to {move['to_backend']}"
    if move["from_backend"] == move["to_backend"]:
        line = f"  emptied at {move['to_backend']}, known nowhere else"
    line += f", noticed {said(move['noticed_at'], zone)}"
    if move["done_at"]:
        return f"{line}, right there {said(move['done_at'], zone)}"
    if move["waits_since"]:
        line += f", shows {move['present']} of {move['expected']} entries to come"
    if move["decision"]:
        line += f", {move['decision']} ({move['decided_by']})"
    return f"{line}, next look {said(move['look_at'], zone)}"


def _pending_line(work: Mapping[str, Any], zone: tzinfo) -> str:
    parts = [
        f"  {work['kind']}: {work['reason']}, since {said(work['first_marked_at'], zone)}",
        f"laid aside {said(work['parked_at'], zone)}" if work["parked_at"] else "",
        f"not before {said(work['not_before'], zone)}" if work["not_before"] else "",
        f"tried {work['attempts']} times" if work["attempts"] else "",
        work["last_error"] or "",
    ]
    return ", ".join(filter(None, parts))


def _entry_lines(entry: Mapping[str, Any], zone: tzinfo) -> Iterator[str]:
    """An entry on one line, and beneath it only what is not as usual, or what wrote it anew."""
    ends, written_at = entry["ends_at"].astimezone(zone), entry["written_at"]
    when = f"{said_shortly(entry['starts_at'], zone)}-{ends:%H:%M}"
    activity = f"{entry['course']} {entry['actid']}"
    at = said_shortly(written_at, zone) if written_at else "not written"
    yield from wrapped(f"  {when}  {activity:<18} {entry['why']:<15} {at}")
    unusual = [
        "" if entry["status"] == "live" else entry["status"],
        f"held by {entry['held_by']}" if entry["held_by"] else "",
        f"put back {entry['restored']} times" if entry["restored"] else "",
        "" if entry["last"] in {None, "create"} else f"{entry['last']}: {entry['because']}",
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
            would_be = preview(connection, row["calendar_id"], wired.settings(), wired.clock())
            if would_be is not None:
                steps += [
                    {"calendar": row["calendar_id"], **step} for step in _steps(would_be.plan)
                ]
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
