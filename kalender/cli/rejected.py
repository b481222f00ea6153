"""Notifications that named no subject: listed without what they say, and read once more."""

from dataclasses import asdict
from typing import Annotated

import typer

from kalender.cli.base import Json, app, application, listing, opened, operator
from kalender.errors import ConfigError
from kalender.ports import Delivery
from kalender.store import acts
from kalender.store import rejected as messages

rejected = typer.Typer(
    help="List notifications that could not be read, or read them again.", no_args_is_help=True
)
app.add_typer(rejected, name="rejected")


@rejected.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:  # noqa: FBT002
    """List them with the reason, the latest first; what they say stays in the database."""
    wired = application(context, writes=False, asks=False)
    with opened(wired).read() as connection:
        rows = messages.kept(connection)
    listing(
        [asdict(row) for row in rows],
        as_json=as_json,
        empty="no notification was rejected",
        zone=wired.zone,
    )


@rejected.command()
def replay(
    context: typer.Context,
    number: Annotated[
        list[int] | None, typer.Argument(help="Numbers, as `rejected list` shows them.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,  # noqa: FBT002
) -> None:
    """Read them again, as after a new pattern; what still cannot be read is kept anew."""
    if not number and not everything:
        raise ConfigError("rejected replay wants numbers, or --all")
    wired = application(context, asks=False)
    with opened(wired).read() as connection:
        messages_kept = messages.bodies(connection, None if everything else number or [])
    if number and len(messages_kept) < len(set(number)):
        raise ConfigError("no such notification is kept: kalender rejected list shows them")
    readable = {
        rejected_id
        for rejected_id, queue, key, body in messages_kept
        if wired.listener(wired.database()).replay(Delivery(queue, key, body))
    }
    with opened(wired).write() as connection:
        messages.drop(connection, readable)
        acts.record(connection, "rejected replay", who=operator(), count=len(readable))
    typer.echo(
        f"{len(readable)} read and marked; {len(messages_kept) - len(readable)} still unreadable"
    )
