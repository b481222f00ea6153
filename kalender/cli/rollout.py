"""`kalender rollout`: who is switched on."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, tzinfo
from typing import IO, Annotated, Any

import typer
from sqlalchemy import Connection

from kalender.app import App
from kalender.cli.base import (
    DryRun,
    Json,
    Yes,
    app,
    application,
    ask_first,
    columns,
    lines,
    lines_of,
    listing,
    opened,
    operator,
    persons_of,
    require_known,
    say_json,
)
from kalender.cli.criteria import checked
from kalender.domain.criteria import CRITERIA, GROUP, PERSON
from kalender.domain.moment import said
from kalender.errors import ConfigError
from kalender.operate import queries
from kalender.store import acts, criteria, people, rollout_plans, rollouts
from kalender.store.database import Database, database_time
from kalender.store.rollout_plans import RolloutPlan
from kalender.store.rollouts import ADD, REMOVE

rollout = typer.Typer(
    help="Say who is switched on; switch on or off, at once or by a plan.", no_args_is_help=True
)
app.add_typer(rollout, name="rollout")
CRITERION_HELP = "\n\n".join(
    f"{kind}: {each.value} ({each.source})" for kind, each in CRITERIA.items()
)
KindOf = Annotated[str, typer.Argument(metavar="CRITERION", help=CRITERION_HELP)]
File = Annotated[
    typer.FileBinaryRead | None,
    typer.Option("--file", help="A group's usernames, one a line, in UTF-8; - standard input."),
]
Begins = Annotated[
    str | None,
    typer.Option("--from", metavar="TIME", help="Not before this day, or instant; else now."),
]
PerHour = Annotated[
    int | None, typer.Option("--per-hour", min=1, metavar="N", help="How many calendars an hour.")
]
PlanNumber = Annotated[int, typer.Argument(help="The plan's number, as `rollout status` says it.")]
SomePlan = Annotated[
    int | None, typer.Argument(help="The plan's number, as `rollout status` says it.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """When a plan begins (None: now), and how many calendars an hour have their turns (None: all)."""

    from_at: datetime | None = None
    per_hour: int | None = None

    def said(self, many: int, zone: tzinfo) -> str:
        """Return it in words, with how long so many calendars take."""
        begins = "" if self.from_at is None else f", from {said(self.from_at, zone)}"
        if self.per_hour is None:
            return begins
        return f"{begins}, {self.per_hour} an hour: about {many / self.per_hour:.1f} hours"


@rollout.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List who is switched on."""
    wired = application(context, writes=False, asks=False)
    database = opened(wired)
    with database.read() as connection:
        list_entries = rollouts.listed(connection)
        persons = {int(value) for kind, value in list_entries if kind == PERSON}
        names = {str(n): names for n, names in people.names_of(connection, persons).items()}
        rows = [
            {"kind": kind, "value": value}
            | asdict(names[value] if kind == PERSON else people.Names())
            for kind, value in list_entries
        ]
    mode = wired.config.rollout.mode
    listing(rows, as_json=as_json, empty=f"the list is empty; [rollout] mode is {mode}")


@rollout.command("status")
def status_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """Say how much is switched on, how many of those calendars are right, and how plans go."""
    wired = application(context, writes=False, asks=False)
    mode = wired.config.rollout.mode
    with opened(wired).read() as connection:
        values = rollouts.by_kind(rollouts.listed(connection))
        lists = [
            {
                "kind": kind,
                "listed": len(values[kind]),
                # persons are counted, and not named
                "values": ", ".join(sorted(values[kind])) or None if kind != PERSON else None,
            }
            for kind in CRITERIA
        ]
        right = queries.right_by_audience(connection, _inside(connection, mode))
        calendars = [asdict(count) for count in right]
        plans = [_values(connection, plan) for plan in rollout_plans.all_of(connection)]
    if as_json:
        say_json({"mode": mode, "listed": lists, "calendars": calendars, "plans": plans})
        return
    typer.echo(f"[rollout] mode is {mode}")
    for plan in plans:
        troubles = plan["troubles"].items()
        plan["troubles"] = ", ".join(f"{count} {word}" for word, count in troubles) or None
    for name, rows in (("listed", lists), ("calendars", calendars), ("plans", plans)):
        if rows:
            lines(["", name, *columns(rows, wired.zone)])


def _values(connection: Connection, plan: RolloutPlan) -> dict[str, Any]:
    """Return a plan and how far it is, as it is listed; `ends` is an estimate."""
    progress = rollout_plans.progress(connection, plan)
    is_running = plan.state == rollout_plans.RUNNING
    remaining = (progress.calendars - progress.given) * plan.interval
    return {
        "plan": plan.plan_id,
        "act": plan.act,
        "kind": plan.kind,
        "value": plan.value if plan.kind != PERSON else f"person {plan.value}",
        "take_back": plan.take_back,
        "state": plan.state,
        "since": plan.since,
        "from": plan.from_at,
        "per_hour": plan.per_hour,
        "calendars": progress.calendars if plan.began_at is not None else None,
        "given": progress.given,
        "settled": progress.settled,
        "ends": database_time(connection) + remaining if is_running and remaining else None,
        "troubles": progress.troubles,
        "reason": plan.reason,
        "made_by": plan.made_by,
    }


@rollout.command()
def add(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    kind: KindOf,
    value: list[str],
    file: File = None,
    begins: Begins = None,
    per_hour: PerHour = None,
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Switch on whoever meets a criterion, and who comes to meet it later.

    Says how many calendars that is; asks where it is more than safety.max_updated_share of all.

    With --from and --per-hour it is a plan, which workers carry out; it pauses where something goes
    wrong for those whom it let in. Switching off what a plan is about ends that plan.

    A group is a list of usernames: its later lists add to it. Who is not known is said by the place
    in the list; the others are done, and the code is 1.
    """
    wired = application(context, asks=False)
    database = opened(wired)
    values = checked(wired, database, kind, value, adding=True)
    persons, unknown = _listed_persons(database, kind, values, file, required=kind == GROUP)
    pace = _pace(wired, begins, per_hour)
    mode = wired.config.rollout.mode
    with database.read() as connection:
        overtaken = _overtaken(connection, ADD, kind, values, planned=pace is not None)
        if pace is not None and kind == GROUP and (kind, values[0]) in rollouts.listed(connection):
            raise ConfigError(
                f"group {values[0]} is switched on: without --from and --per-hour its list adds to it"
            )
        inside = _inside(connection, mode)
        listed = {*rollouts.listed(connection), *((kind, each) for each in values)}
        after = rollouts.inside(connection, mode, listed, ended=overtaken)
        if mode == "listed":  # who is not in the group yet
            after |= {*people.calendars_of(connection, persons)}
        many, whose = len(after - inside), len(rollouts.persons_of(connection, after - inside))
        total = len(rollouts.inside(connection, "all"))
    when = pace.said(many, wired.zone) if pace is not None else ""
    if dry_run:
        typer.echo(f"{many} of {total} calendars would be switched on, of {_people(whose)}{when}")
        require_known(unknown)
        return
    if kind != PERSON and many > wired.config.safety.max_updated_share * total and not yes:
        ask_first(f"{many} of {total} calendars are switched on and written{when}. Go on?")
    with database.write() as connection:
        criteria.keep(connection, {(kind, values[0], person_id) for person_id in persons})
        if pace is not None:
            plan_id = _make(wired, connection, ADD, (kind, values[0]), pace)
            typer.echo(f"plan {plan_id}: {many} calendars of {_people(whose)} now{when}")
        else:
            before = _inside(connection, mode)
            _end(connection, kind, values)
            rollouts.add(connection, kind, values)
            joined = _inside(connection, mode) - before
            rollouts.switch_on(connection, joined)
            _record(connection, "rollout add", kind, values, len(joined))
            typer.echo(f"{len(joined)} calendars switched on")
    require_known(unknown)


@rollout.command()
def remove(  # noqa: PLR0913, PLR0917
    context: typer.Context,
    kind: KindOf,
    value: list[str],
    take_back: Annotated[bool, typer.Option("--take-back", help="Remove what we wrote.")] = False,  # noqa: FBT002
    leave: Annotated[bool, typer.Option("--leave", help="Leave what we wrote.")] = False,  # noqa: FBT002
    begins: Begins = None,
    per_hour: PerHour = None,
    dry_run: DryRun = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
) -> None:
    """Switch off; what we wrote is taken back, or left as it is.

    With --from and --per-hour it is a plan, which workers carry out, as with `add`.
    """
    if take_back == leave:
        raise ConfigError("leaving the roll-out wants --take-back or --leave")
    wired = application(context, asks=False)
    database = opened(wired)
    values = checked(wired, database, kind, value, adding=False)
    pace = _pace(wired, begins, per_hour)
    mode = wired.config.rollout.mode
    with database.read() as connection:
        overtaken = _overtaken(connection, REMOVE, kind, values, planned=pace is not None)
        listed = set(rollouts.listed(connection)) - {(kind, each) for each in values}
        leavers = _inside(connection, mode) - rollouts.inside(
            connection, mode, listed, ended=overtaken
        )
        many, whose = len(leavers), len(rollouts.persons_of(connection, leavers))
    when = pace.said(many, wired.zone) if pace is not None else ""
    if dry_run:
        typer.echo(f"{many} calendars would be switched off, of {_people(whose)}{when}")
        return
    if not yes:
        ask_first(f"{many} calendars are switched off{when}. Go on?")
    with database.write() as connection:
        if pace is not None:
            criterion = (kind, values[0])
            plan_id = _make(wired, connection, REMOVE, criterion, pace, take_back=take_back)
            typer.echo(f"plan {plan_id}: {many} calendars of {_people(whose)} now{when}")
            return
        before = _inside(connection, mode)
        _end(connection, kind, values)
        rollouts.remove(connection, kind, values)
        leavers = before - _inside(connection, mode)
        rollouts.switch_off(connection, leavers, take_back=take_back)
        how = "--take-back" if take_back else "--leave"
        _record(connection, f"rollout remove {how}", kind, values, len(leavers))
    typer.echo(f"{len(leavers)} calendars switched off{'; taking back' if take_back else ''}")


# -- plans -------------------------------------------------------------------------------------------


@rollout.command()
def pause(
    context: typer.Context,
    plan: PlanNumber,
    reason: Annotated[str, typer.Option("--reason", help="Why; kept, and shown by `status`.")],
) -> None:
    """Let a plan give no turns before `resume`; whom it let in stays inside."""
    with opened(application(context, asks=False)).write() as connection:
        for each in _open(connection, plan):
            rollout_plans.pause(connection, each, reason=reason, who=operator())
    typer.echo(f"plan {plan} is paused")


@rollout.command()
def resume(context: typer.Context, plan: SomePlan = None, per_hour: PerHour = None) -> None:
    """Let a plan go on (without a number: all that are paused); or at another pace.

    What is wrong already with those whom it let in pauses it no more; `kalender parked`, `status`
    and `why` say what that is.
    """
    with opened(application(context, asks=False)).write() as connection:
        if plan is None:
            plans = rollout_plans.all_of(connection, rollout_plans.PAUSED)
        else:
            plans = _open(connection, plan)
        if not plans:
            raise ConfigError("no plan is paused: kalender rollout status")
        for each in plans:
            rollout_plans.resume(connection, each, who=operator(), per_hour=per_hour)
    numbers = ", ".join(str(each.plan_id) for each in plans)
    typer.echo(f"going on: plan {numbers}")


def _open(connection: Connection, number: int) -> list[RolloutPlan]:
    plans = [
        plan for plan in rollout_plans.all_of(connection, *rollouts.OPEN) if plan.plan_id == number
    ]
    if not plans:
        raise ConfigError(f"no plan {number} is open: kalender rollout status lists them")
    return plans


def _overtaken(
    connection: Connection, act: str, kind: str, values: Sequence[str], *, planned: bool
) -> list[int]:
    """Return the open plans that this ends: those of the opposite."""
    if planned and len(values) > 1:
        raise ConfigError("a plan is about one value")
    plans = rollout_plans.open_of(connection, kind, values)
    for plan in plans:
        if plan.act == act:
            raise ConfigError(
                f"plan {plan.plan_id} does so: kalender rollout resume {plan.plan_id} --per-hour N "
                "gives it another pace"
            )
        if planned:
            raise ConfigError(
                f"plan {plan.plan_id} does the opposite: without --from and --per-hour this ends it"
            )
    return [plan.plan_id for plan in plans]


def _end(connection: Connection, kind: str, values: Sequence[str]) -> None:
    for plan in rollout_plans.open_of(connection, kind, values):
        rollout_plans.end(connection, plan)


def _make(
    wired: App,
    connection: Connection,
    act: str,
    criterion: tuple[str, str],
    pace: Pace,
    *,
    take_back: bool = False,
) -> int:
    """Make the plan, whose day is kept on the database's clock; record who made it."""
    ahead = wired.clock() - database_time(connection)
    plan_id = rollout_plans.make(
        connection,
        act,
        criterion,
        take_back=take_back,
        from_at=None if pace.from_at is None else pace.from_at - ahead,
        per_hour=pace.per_hour,
        who=operator(),
    )
    (plan,) = _open(connection, plan_id)
    begins = "now" if pace.from_at is None else pace.from_at.isoformat()
    speed = "all at once" if pace.per_hour is None else f"{pace.per_hour} an hour"
    command, reason = f"rollout {act} plan", f"from {begins}, {speed}"
    rollout_plans.record(connection, plan, command, who=operator(), reason=reason)
    return plan_id


def _pace(wired: App, begins: str | None, per_hour: int | None) -> Pace | None:
    """Return the pace of a plan, None where none is asked for; --from is on the domain's clock."""
    if begins is None:
        return None if per_hour is None else Pace(per_hour=per_hour)
    try:
        moment = datetime.fromisoformat(begins)
    except ValueError:
        raise ConfigError("--from is given as 2026-01-12, or 2026-01-12T08:00+01:00") from None
    from_at = moment if moment.tzinfo is not None else moment.replace(tzinfo=wired.zone)
    return Pace(from_at=from_at, per_hour=per_hour)


def _people(count: int) -> str:
    return "1 person" if count == 1 else f"{count} people"


def _listed_persons(
    database: Database,
    kind: str,
    values: Sequence[str],
    file: IO[bytes] | None,
    *,
    required: bool,
) -> tuple[list[int], list[str]]:
    """Return the persons of a group's list, and who is not known by the place in it."""
    if file is None and not required:
        return [], []
    if kind != GROUP or file is None or len(values) > 1:
        raise ConfigError("a group has one name, and --file with a username on each line")
    return persons_of(database, lines_of(file.read()))


def _record(
    connection: Connection, command: str, kind: str, values: Sequence[str], count: int
) -> None:
    if kind == PERSON:
        persons = [int(value) for value in values]
        acts.record(connection, command, who=operator(), persons=persons, count=count)
    else:
        for value in values:
            acts.record(connection, command, who=operator(), scope=f"{kind} {value}", count=count)


def _inside(connection: Connection, mode: str) -> set[int]:
    return rollouts.inside(connection, mode)
