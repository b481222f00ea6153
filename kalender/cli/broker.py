"""The broker by hand: publish one notification, or look at those that wait."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from kalender.broker import by_hand
from kalender.cli.base import Json, app, application, listing
from kalender.config.sections import BrokerSettings
from kalender.errors import ConfigError


def _broker(context: typer.Context) -> BrokerSettings:
    config = application(context, writes=False).config.broker
    if config is None:
        raise ConfigError("[broker] is missing: give url and queues")
    return config


@app.command()
def publish(
    context: typer.Context,
    routing_key: str,
    body: Annotated[str, typer.Argument(help="The message; - reads standard input.")],
    exchange: Annotated[
        str, typer.Option(help="The exchange; empty: the queue named by the key.")
    ] = "",
) -> None:
    """Send one notification, and know that it arrived."""
    text = sys.stdin.read() if body == "-" else body
    by_hand.publish(_broker(context), exchange, routing_key, text.encode())
    typer.echo("the broker has it")


@app.command()
def tap(
    context: typer.Context,
    queue: Annotated[
        str | None, typer.Argument(help="The queue; else the first configured.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many messages at most.")] = 10,
    seconds: Annotated[float, typer.Option(help="How long to wait for each message.")] = 1.0,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Look at waiting notifications; all are put back."""
    broker = _broker(context)
    wait = timedelta(seconds=seconds).total_seconds()
    rows = [
        {"routing_key": message.routing_key, "body": message.body.decode(errors="replace")}
        for message in by_hand.tap(broker, queue or broker.queues[0], limit=limit, seconds=wait)
    ]
    listing(rows, as_json=as_json, empty="nothing waits there")
