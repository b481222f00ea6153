"""The command that serves the pages."""

import os
from contextlib import suppress
from functools import partial
from typing import Annotated

import typer

from kalender.app import App, refuse_another_day
from kalender.cli.base import app, application, operator
from kalender.errors import ConfigError
from kalender.liveness import Vital, require_none_died, stop_on_signals
from kalender.store import migrations

NICER = 10  # whoever looks waits for a worker on the same machine, and not it for them


@app.command()
def web(
    context: typer.Context,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="The port; else as configured. 0: any that is free."),
    ] = None,
) -> None:
    """Serve pages for a browser: the status, and what the help desk and operators look at.

    On loopback the first line names an address that begins a session; it works once. Nobody else
    is let in, unless the section `web.sign_in` of the settings names a provider of OpenID Connect,
    or `web.proxy` a reverse proxy that signs people in.
    """
    try:
        # only this command needs a web server, and an installation may do without
        from kalender.web.server import (  # noqa: PLC0415
            CONNECTIONS,
            WebServer,
            first_address,
            make_entrance,
        )
    except ImportError:
        raise ConfigError(
            "the web server is not installed: install the package as kalender[web]"
        ) from None
    wired: App = application(context, writes=False, asks=False, web=True)
    if context.obj.now is not None:  # operators' wishes are written down
        refuse_another_day(wired.config)
    settings = wired.config.web
    if port is not None and settings.socket is not None:
        raise ConfigError("web.socket is configured: give no --port, it listens in one place")
    if port is not None:
        settings = settings.model_copy(update={"port": port})
    database = wired.database(connections=CONNECTIONS)
    migrations.require_current(database)
    server = WebServer(settings)
    entrance = make_entrance(server, settings, operator=operator())
    typer.echo(f"open {first_address(server, entrance)}")
    if entrance.token is not None:
        typer.echo("it begins one session; end with Ctrl-C")
    with suppress(OSError):  # where a unit forbids it, and says so itself
        os.nice(NICER)
    stop = stop_on_signals()
    serving = Vital(partial(server.serve, wired, database, entrance), stop, name="web")
    serving.start()
    stop.wait()
    server.stop()
    serving.join()
    database.close()
    require_none_died([serving])
