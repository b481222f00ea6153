"""The commands that look: show, plan. They change nothing and ask nobody."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    Json,
    Person,
    app,
    application,
    console,
    lines,
    listing,
    local,
    opened,
    person_of,
    say_json,
    table,
)
from kalender.cli.week import Shown, draw
from kalender.desired import View, preview, wanted
from kalender.domain.plan import Plan
from kalender.store import look, people, teaching
from kalender.store.database import Database

# -- one person --------------------------------------------------------------------------------------


@app.command()
def show(
    context: typer.Context,
    person: Person,
    week: Annotated[bool, typer.Option("--week", help="Draw a week.")] = False,  # noqa: FBT002
    monday: Annotated[str | None, typer.Option("--on", help="A day of that week.")] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show a person: who, their teaching, their calendars, and why each entry is there."""
    wired = application(context, writes=False)
    database = opened(wired)
    person_id = person_of(database, person)
    with database.read() as connection:
        if week:
            day = date.fromisoformat(monday) if monday else wired.clock().date()
            lines(_weeks(connection, wired, person_id, day))
            return
        found = _person(connection, wired, person_id)
    if as_json:
        say_json(found)
    else:
        _print_person(found)


def _person(connection: Connection, wired: App, person_id: int) -> dict[str, Any]:
    semesters = wired.semesters().at(connection, _rules(wired), wired.clock())
    taught = teaching.read(connection, person_id, semesters)
    return {
        "person": person_id,
        "opted_out": people.opted_out(connection, person_id),
        "identities": [dict(row) for row in look.identities(connection, person_id)],
        "registrations": [
            {**r.unit._asdict(), "offer_status": r.offer_status} for r in taught.registrations
        ],
        "placements": [key._asdict() for key in sorted(taught.placements)],
        "roles": [teaching.role_values(role) for role in taught.roles],
        "calendars": [
            {**row, "shown": _entries(connection, wired, row["calendar_id"])}
            for row in look.calendars_of(connection, person_id)
        ],
    }


def _rules(wired: App) -> Any:
    return next(iter(wired.settings().rules.values()))


def _entries(connection: Connection, wired: App, calendar_id: int) -> list[dict[str, Any]]:
    """A calendar's coming records, each with why it is there."""
    seen = preview(connection, calendar_id, wired.settings(), wired.clock())
    why: dict[str, str] = {}
    if seen is not None:
        events = wanted(connection, seen[0], wired.settings(), wired.clock())
        why = {w.event.event_id: w.event.capacity.name.lower() for w in events}
    return [
        {
            "starts_at": row["starts_at"],
            "ends_at": row["ends_at"],
            "course": row["course"],
            "actid": row["actid"],
            "status": row["status"],
            "why": why.get(row["event_id"], "not desired now"),
            "held_by": row["held_by"],
            "written_at": row["written_at"],
        }
        for row in look.entries_of(connection, calendar_id, after=wired.clock())
        if row["status"] != "abandoned"
    ]


def _print_person(found: Mapping[str, Any]) -> None:
    typer.echo(f"person {found['person']}{'  (opted out)' if found['opted_out'] else ''}")
    for name in ("identities", "registrations", "placements", "roles"):
        if found[name]:
            console.print(table(found[name], title=f"\n{name}"))
    for row in found["calendars"]:
        kept = {k: v for k, v in row.items() if k != "shown" and v is not None}
        typer.echo(f"\ncalendar {kept.pop('calendar_id')}")
        lines(f"  {name}: {value}" for name, value in kept.items())
        if row["shown"]:
            console.print(table(row["shown"]))


def _weeks(connection: Connection, wired: App, person_id: int, day: date) -> Iterator[str]:
    zone = wired.config.institution.time_zone
    for row in look.calendars_of(connection, person_id):
        seen = preview(connection, row["calendar_id"], wired.settings(), wired.clock())
        if seen is not None:
            events = wanted(connection, seen[0], wired.settings(), wired.clock())
            contents = [Shown.of(w.content) for w in events]
            yield draw(contents, day - timedelta(days=day.weekday()), zone)


# -- plan --------------------------------------------------------------------------------------------


@app.command()
def plan(context: typer.Context, person: Person, as_json: Json = False) -> None:  # noqa: FBT002
    """Show what would be written for a person now; changes nothing, asks nobody."""
    wired = application(context, writes=False)
    shown = planned(wired, opened(wired), person)
    listing(shown, as_json=as_json, empty="nothing to write: the calendar is as it should be")


def planned(wired: App, database: Database, person: str) -> list[dict[str, Any]]:
    """Return what would be written for a person now, a row for each entry."""
    person_id = person_of(database, person)
    zone = wired.config.institution.time_zone
    shown: list[dict[str, Any]] = []
    with database.read() as connection:
        for row in look.calendars_of(connection, person_id):
            seen = preview(connection, row["calendar_id"], wired.settings(), wired.clock())
            if seen is not None:
                shown += [{"calendar": row["calendar_id"], **each} for each in _steps(*seen, zone)]
    return shown


def _steps(_view: View, made: Plan, zone: ZoneInfo) -> Iterator[dict[str, Any]]:
    for create in made.creates:
        content = create.wanted.content
        yield {
            "do": "create",
            "when": local(content.starts_at, zone),
            "what": content.subject,
            "fields": None,
        }
    for update in made.updates:
        content = update.wanted.content
        yield {
            "do": "update",
            "when": local(content.starts_at, zone),
            "what": content.subject,
            "fields": ", ".join(sorted(update.fields)),
        }
    for delete in made.deletes:
        yield {
            "do": "delete",
            "when": local(delete.entry.starts_at, zone),
            "what": f"{delete.entry.activity.course} {delete.entry.activity.actid}",
            "fields": None,
        }
