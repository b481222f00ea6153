"""`kalender takeover`: calendars that a predecessor kept. A worker takes them over, or hands them back."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    Json,
    Yes,
    app,
    application,
    ask_first,
    columns,
    lines,
    opened,
    operator,
    say_json,
)
from kalender.cli.criteria import checked
from kalender.config.takeover import Takeover
from kalender.domain.moment import said_shortly
from kalender.domain.takeover import Fate, PropertyMark
from kalender.domain.work import Cause, Lane
from kalender.errors import ConfigError, KalenderError
from kalender.reconcile.desired import desired_entries, load_state, split
from kalender.reconcile.protocol import ReconcileContext
from kalender.reconcile.takeover import LEAVE, NO_SETTINGS, REMOVE, STOP, survey
from kalender.store import acts, criteria, entries, people, rollouts, takeovers
from kalender.store.database import Database
from kalender.store.entries import CalendarRow

KINDS = ("person", "course", "share", "all")
UNMATCHED = (REMOVE, LEAVE, STOP)
Unmatched = Annotated[
    str | None,
    typer.Option(help="What shows no event: remove, leave, or stop that person.", metavar="WORD"),
]
UpTo = Annotated[
    int, typer.Option(help="How many may be removed at most, in all calendars together.", min=0)
]
PerMinute = Annotated[
    float | None, typer.Option(help="How many calendars a minute; else as configured.")
]
OnlyList = Annotated[bool, typer.Option("--dry-run", help="Only list, person by person.")]
Undo = Annotated[bool, typer.Option("--undo", help="Hand back what was taken over.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverRequest:
    """What is asked for."""

    kind: str  # person | course | share | all
    values: Sequence[str]
    settings: Takeover
    calendars: Sequence[int]


@app.command()
def takeover(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    kind: Annotated[str, typer.Argument(help="person, course, share or all; or status.")],
    value: Annotated[
        list[str] | None,
        typer.Argument(help="Persons, codes of courses, or a share.", show_default=False),
    ] = None,
    unmatched: Unmatched = None,
    up_to: UpTo = 0,
    per_minute: PerMinute = None,
    undo: Undo = False,  # noqa: FBT002
    dry_run: OnlyList = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Take calendars over from a predecessor, or hand them back; or say how far that is.

    The settings name the mark by which what it wrote is known, in their section `takeover`. A
    worker adopts what shows an event before it writes anything else; `status` says how many
    calendars are in which state, what became of the entries, and who is stopped and why.
    """
    if kind not in (*KINDS, "status"):
        raise ConfigError("takeover wants person, course, share or all, or status")
    if (kind in {"all", "status"}) is bool(value):
        raise ConfigError("takeover person, course and share want a value, all and status none")
    if kind == "status":
        _say_status(application(context, writes=False, asks=False), as_json=as_json)
        return
    if as_json and not dry_run:
        raise ConfigError("--json goes with --dry-run; takeover status --json says how far it is")
    wired = application(context, asks=dry_run)
    settings = wired.config.takeover
    if settings is None:
        raise ConfigError(f"{NO_SETTINGS}; see config.example.toml")
    if per_minute is not None:
        settings = settings.model_copy(update={"per_minute": per_minute})
    database = opened(wired)
    values = checked(wired, database, kind, value, adding=True) if value else []
    with database.read() as connection:
        calendars = sorted(
            rollouts.inside(connection, "all") | takeovers.handed_back(connection)
            if kind == "all"
            else criteria.calendars_meeting(connection, {kind: values})
        )
    wish = TakeoverRequest(kind=kind, values=values, settings=settings, calendars=calendars)
    if undo:
        _hand_back(database, wish, dry_run=dry_run, yes=yes)
    elif dry_run:
        _show(wired, database, wish, as_json=as_json)
    else:
        _take_over(wired, database, wish, _policy(settings, unmatched, up_to), yes=yes)


def _policy(settings: Takeover, unmatched: str | None, up_to: int) -> tuple[str, int]:
    """Return what becomes of what shows no event; ConfigError where that was not said well."""
    if unmatched not in UNMATCHED:
        raise ConfigError(
            "--unmatched remove, leave or stop must be given: it says what becomes of entries of "
            "the predecessor that show no event; --dry-run lists them"
        )
    if unmatched == REMOVE and not isinstance(settings.mark, PropertyMark):
        raise ConfigError(
            "--unmatched remove wants a named property as [takeover] mark: what carries a category "
            "or a line may be its user's own"
        )
    if (unmatched == REMOVE) is not (up_to > 0):
        raise ConfigError("--up-to N goes with --unmatched remove: so many are removed at most")
    return unmatched, up_to


# -- done -------------------------------------------------------------------------------------------


def _take_over(
    wired: App, database: Database, wish: TakeoverRequest, policy: tuple[str, int], *, yes: bool
) -> None:
    """Switch these calendars on, and let workers take them over before they write anything."""
    if wired.config.rollout.mode == "off":
        raise ConfigError("[rollout] mode is off: nothing is written; set it to listed or all")
    many = len(wish.calendars)
    if not yes:
        ask_first(f"{many} calendars are switched on and taken over. Go on?")
    unmatched, up_to = policy
    with database.write() as connection:
        if wired.config.rollout.mode == "listed":
            kind, values = ("share", ["1.0"]) if wish.kind == "all" else (wish.kind, wish.values)
            rollouts.add(connection, kind, values)
            rollouts.join(connection, wish.calendars)
        takeovers.wish(
            connection,
            wish.calendars,
            unmatched=unmatched,
            up_to=up_to,
            who=operator(),
            interval=wish.settings.interval,
        )
        _mark_and_record(connection, wish, f"takeover {wish.kind} --unmatched {unmatched}", many)
    typer.echo(
        f"{many} calendars are taken over, {wish.settings.per_minute:g} a minute; "
        "kalender takeover status"
    )


def _hand_back(database: Database, wish: TakeoverRequest, *, dry_run: bool, yes: bool) -> None:
    with database.read() as connection:
        many = takeovers.taken(connection, wish.calendars)
    if dry_run:
        typer.echo(f"{many} calendars would be handed back")
        return
    if not yes:
        ask_first(
            f"{many} calendars are handed back: what was adopted stays there and is the predecessor's "
            "again, and what Kalender made is taken back. Go on?"
        )
    with database.write() as connection:
        many = takeovers.wish_back(connection, wish.calendars, interval=wish.settings.interval)
        _mark_and_record(connection, wish, f"takeover {wish.kind} --undo", many)
    typer.echo(f"{many} calendars are handed back; kalender takeover status")


def _mark_and_record(
    connection: Connection, wish: TakeoverRequest, command: str, count: int
) -> None:
    people.mark_calendars(
        connection, wish.calendars, reason="takeover", cause=Cause.OPERATOR, lane=Lane.FILL
    )
    persons = [int(value) for value in wish.values] if wish.kind == "person" else []
    scope = " ".join([wish.kind, *wish.values]) if wish.kind in {"course", "share"} else ""
    acts.record(connection, command, who=operator(), scope=scope, persons=persons, count=count)


# -- looked at --------------------------------------------------------------------------------------


def _say_status(wired: App, *, as_json: bool) -> None:
    """Say how many calendars are in which state, what became of the entries, and who is stopped."""
    with opened(wired).read() as connection:
        counts = takeovers.counts(connection)
        stopped = [_stopped(connection, row) for row in takeovers.stopped(connection)]
    if as_json:
        say_json({**asdict(counts), "stopped": stopped})
        return
    if not counts.calendars:
        lines(["nothing is taken over from a predecessor"])
        return
    lines(f"calendars {state}: {count}" for state, count in counts.calendars.items())
    lines(f"entries {fate}: {count}" for fate, count in counts.entries.items() if count)
    if stopped:
        lines(["", f"stopped ({wired.zone})", *columns(stopped, wired.zone)])


def _stopped(connection: Connection, row: takeovers.Stopped) -> dict[str, Any]:
    names = people.names_of(connection, [row.person_id])[row.person_id]
    return {
        "calendar": row.calendar_id,
        "number": names.number,
        "username": names.username,
        "since": row.changed_at,
        "reason": row.reason,
    }


def _show(wired: App, database: Database, wish: TakeoverRequest, *, as_json: bool) -> None:
    """List what would become of each entry of the predecessor; asks Exchange, and changes nothing."""
    context = wired.reconcile_context(database)
    rows: list[dict[str, Any]] = []
    failed = 0
    for calendar_id in wish.calendars:
        with database.read() as connection:
            calendar = entries.load(connection, calendar_id)
            person_id = calendar.person_id if calendar is not None else 0
            is_left_alone = bool(people.wishes_of(connection, person_id))
        if calendar is None or is_left_alone or not calendar.owner:
            continue
        try:
            found = list(_fates(context, database, wish.settings, calendar))
        except KalenderError as error:
            failed += 1
            found = [{"becomes": "not asked", "why": str(error)}]
        with database.read() as connection:
            names = people.names_of(connection, [person_id])[person_id]
        rows += [
            {
                "number": names.number,
                "username": names.username,
                "calendar": calendar_id,
                "when": None,
                "what": None,
                "shows": None,
                "why": None,
                **row,
            }
            for row in found
        ]
    if as_json:
        say_json(rows)
        return
    zone = wired.zone
    shown = [{**r, "when": said_shortly(r["when"], zone) if r["when"] else None} for r in rows]
    if rows:
        lines([f"times of {zone}", *columns(shown, zone), ""])
    counts = Counter(str(row["becomes"]) for row in rows)
    texts = [f"{count} {word}" for word, count in sorted(counts.items())]
    lines([f"{len(wish.calendars)} calendars: {', '.join(texts) or 'nothing of the predecessor'}"])
    if failed:
        raise ConfigError(f"{failed} calendars could not be asked; kalender check says more")


def _fates(
    context: ReconcileContext, database: Database, settings: Takeover, calendar: CalendarRow
) -> Iterator[dict[str, Any]]:
    """Give what would become of each entry in one calendar, in the order of time."""
    now = context.clock()
    exchange = context.exchanges.get(calendar.backend)
    if exchange is None:
        raise ConfigError(f"[exchange.{calendar.backend}] is not in the settings any more")
    found = exchange.calendars.find_marked(calendar.address, settings.mark)
    with database.read() as connection:
        state = load_state(connection, calendar, context.settings, now)
        records = entries.of_calendar(connection, calendar.calendar_id)
        desired = desired_entries(connection, state, context.settings, now)
    own_ids = {entry.item_id for entry in records}
    made = survey(
        [marked_item for marked_item in found if marked_item.item_id not in own_ids],
        desired,
        split(records, state, now),
        settings.mark,
        now,
    )
    shown = {marked_item.item_id: event for event, marked_item in made.findings.pairs}
    decided = [
        *((marked_item, Fate.ADOPTED.value) for _, marked_item in made.findings.pairs),
        *((i, "unmatched" if fate is Fate.LEFT else fate.value) for i, fate in made.fates()),
    ]
    for marked_item, becomes in sorted(
        decided, key=lambda pair: (pair[0].starts_at, pair[0].item_id)
    ):
        event = shown.get(marked_item.item_id)
        activity = event.event.teaching.activity if event is not None else None
        yield {
            "when": marked_item.starts_at,
            "what": marked_item.subject,
            "becomes": becomes,
            "shows": f"{activity.course} {activity.actid}" if activity is not None else None,
        }
