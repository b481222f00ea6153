"""The commands that rehearse: a university on loopback, and the demonstration on it."""

import errno
import json
import sys
import tempfile
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from kalender.cli.base import Json, app
from kalender.domain.model import Season, Semester
from kalender.errors import ConfigError


class Share(StrEnum):
    """How many people have their mailbox on Microsoft Graph."""

    NONE = "none"
    HALF = "half"
    ALL = "all"


@app.command()
def sandbox(
    university: Annotated[
        Path | None, typer.Option(help="A directory with a university in the wire forms.")
    ] = None,
    generate: Annotated[
        int | None, typer.Option(min=1, help="Make a university of so many students.")
    ] = None,
    port_base: Annotated[
        int, typer.Option(help="The port of FS; those of TP and Exchange follow. 0: any.")
    ] = 8100,
    graph: Annotated[
        Share, typer.Option(help="Who has the mailbox on Microsoft Graph, and not on EWS.")
    ] = Share.NONE,
) -> None:
    """Serve a university on loopback: FS, TP and Exchange to rehearse on."""
    try:
        from kalender.sandbox import generate as generator  # noqa: PLC0415
        from kalender.sandbox import server  # noqa: F401, PLC0415
    except ImportError as error:
        raise ConfigError("the sandbox needs kalender[sandbox] installed") from error
    with tempfile.TemporaryDirectory() as directory:
        if generate is not None:
            university = Path(directory) / "university"
            generator.generate(university, students=generate)
        if university is None or not (university / "university.json").is_file():
            raise ConfigError("give --university DIR (with its university.json) or --generate N")

        _serve(university, port_base, graph.value)


def _serve(university: Path, port_base: int, graph: str) -> None:
    from kalender.sandbox import server  # noqa: PLC0415

    description = json.loads((university / "university.json").read_text("utf-8"))
    semester = Semester.parse(description["semester"])
    day = "01-19T08:00+01:00" if semester.season is Season.SPRING else "08-18T08:00+02:00"
    courses = sorted(path.name.partition(".")[0] for path in (university / "tp").iterdir())
    words = {
        "number": description["institution"],
        "semester": semester.code,
        "day": f"{semester.year}-{day}",
        "course": courses[0] if courses else "IN1000",
    }

    def ready(ends: server.Endpoints) -> None:
        text = _SETTINGS.format(**words, **asdict(ends))
        typer.echo(text + (_GRAPH.format(**asdict(ends)) if ends.graph else ""))

    try:
        server.serve(university, port_base=port_base, graph=graph, ready=ready)
    except OSError as error:
        if error.errno not in {errno.EADDRINUSE, errno.EACCES}:
            raise
        raise ConfigError(
            f"a port from --port-base {port_base} on is taken: give another, or 0 for any"
        ) from error


_SETTINGS = """\
# settings for this sandbox; save as config.toml.
# Its semester is {semester}: on another day every command needs --now, worker and listener too:
#   kalender --config config.toml --now {day} resync --all
# To change the university: {control}
# It wants no API key (FS and TP do: X-Gravitee-Api-Key: sandbox); a course's key is its code:
#   curl {control}/tp/{course}
[institution]
number = {number}
name = "Sandbox"
mail_domains = ["uni.example", "uio.example"]

[fs]
base_url = "{fs}"
api_key = "sandbox"

[tp]
base_url = "{tp}"
api_key = "sandbox"

[exchange.main]
endpoint = "{exchange}"
username = "kalender"
password = "kalender"

[rollout]
mode = "all"
"""


_GRAPH = """
[exchange]
default = "main"

[exchange.cloud]
kind = "graph"
tenant = "sandbox"
client_id = "kalender"
client_secret = "kalender"
base_url = "{graph}"
login_url = "{login}"
ca_file = "{login_ca}"
"""


@app.command()
def demo(
    people: Annotated[int, typer.Option(min=20, help="How many students.")] = 200,
    graph: Annotated[  # noqa: FBT002
        bool, typer.Option("--graph", help="Half of the people are on Microsoft Graph.")
    ] = False,
    web: Annotated[
        bool | None,
        typer.Option(help="Keep its pages up at the end, until Ctrl-C. Else only at a terminal."),
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show the main job on a made-up university; changes nothing outside."""
    try:
        from kalender.sandbox.demonstration import run  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError("the demonstration needs kalender[sandbox] installed") from error
    pages = sys.stdout.isatty() and not as_json if web is None else web
    raise typer.Exit(run(people=people, graph=graph, as_json=as_json, pages=pages))
