"""What all commands share: options, the settings and the database opened, how results are shown."""

import json
import os
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo
from getpass import getuser
from pathlib import Path
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from kalender.app import App, clock_from, refuse_another_day
from kalender.config import load
from kalender.domain.moment import said
from kalender.errors import ConfigError, KalenderError
from kalender.store import migrations, people
from kalender.store.database import Database

app = typer.Typer()  # where the modules of commands leave them; `kalender.cli` takes them from it

OPERATOR = "KALENDER_OPERATOR"

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only count; change nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Person = Annotated[str, typer.Argument(help="FS number, username or mail address.")]


class NotKnown(KalenderError):
    """Nobody is known by that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options given before the command."""

    config: Path | None
    now: datetime | None


def operator() -> str:
    """Return whose command this is, also under sudo and where a machine's account is shared."""
    try:
        return os.environ.get(OPERATOR) or os.environ.get("SUDO_USER") or getuser()
    except (KeyError, OSError):  # a container's user has no name
        return "operator"


def instant(text: str | None, name: str) -> datetime | None:
    """Read an instant with its offset; ConfigError names the option."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"{name} wants an instant such as 2025-08-18T08:00+02:00") from error
    if moment.tzinfo is None:
        raise ConfigError(f"{name} wants an offset as well, such as 2025-08-18T08:00+02:00")
    return moment


def day_of(text: str | None, name: str) -> date | None:
    """Read a day; ConfigError says how `name` is given."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(f"{name} is given as 2025-09-01") from error


def application(
    context: typer.Context, *, writes: bool = True, asks: bool = True, web: bool = False
) -> App:
    """Return the wired application; `--now` is refused for what writes beyond loopback.

    What asks no neighbour (`asks` false) is given no secret but the database's, and needs none;
    but where another day is to be refused, the broker's URL is read as well. `web` reads the
    secrets of the pages.
    """
    options: Options = context.obj
    refusable = options.now is not None and writes
    config = load(options.config, os.environ, secrets=asks or refusable, web=web)
    if refusable:
        refuse_another_day(config)
    return App(config, clock_from(options.now))


def opened(wired: App) -> Database:
    """Return the database; ConfigError where its tables are not this release's."""
    database = wired.database()
    migrations.require_current(database)
    return database


def person_of(database: Database, text: str) -> int:
    """Return the person of that FS number, username or mail address."""
    with database.read() as connection:
        person_id = people.find_by_any_identity(connection, text)
    if person_id is None:
        raise NotKnown(
            "nobody is known by that: give an FS number, a username or a mail address, "
            "or 'person 7' or 'calendar 20' as listings show them"
        )
    return person_id


def persons_of(database: Database, names: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the persons of these names, and who is not known by the place in the list."""
    persons, unknown = [], []
    for place, name in enumerate(names, 1):
        try:
            persons += [person_of(database, name)] if name else []
        except NotKnown:
            unknown.append(f"{place} ({name})")
    return persons, unknown


def require_known(unknown: Sequence[str]) -> None:
    """Raise NotKnown where somebody of a list is not known; what it names is done for the others."""
    if unknown:
        raise NotKnown(
            f"nobody is known by that: number {', '.join(unknown)} of the list, "
            f"{len(unknown)} in all; "
            "give an FS number, a username or a mail address"
        )


def lines_of(content: bytes) -> list[str]:
    """Return a file's lines without blanks at their ends; ConfigError where it is not UTF-8."""
    try:
        return [line.strip() for line in content.decode("utf-8-sig").splitlines()]
    except UnicodeDecodeError as error:
        before = content[: error.start].count(b"\n")
        raise ConfigError(f"--file: line {before + 1} is not UTF-8; save it as UTF-8") from None


def ask_first(question: str, *, can_count: bool = True) -> None:
    """Ask outside of any transaction; without a terminal --yes is the answer.

    `can_count` says whether the command has --dry-run.
    """
    if not sys.stdin.isatty():
        counts = ", --dry-run only counts" if can_count else ""
        raise ConfigError(f"{question.removesuffix(' Go on?')} --yes says so{counts}")
    typer.confirm(question, abort=True)


# -- results ------------------------------------------------------------------------------------------


def say_json(value: object) -> None:
    """Print one JSON value on one line: instants and days in ISO 8601, all else as its text."""
    text = json.dumps(
        value,
        ensure_ascii=False,
        default=lambda part: part.isoformat() if isinstance(part, date) else str(part),
    )
    typer.echo(text)


def listing(
    rows: Sequence[Mapping[str, Any]], *, as_json: bool, empty: str, zone: tzinfo = UTC
) -> None:
    """Print rows as JSON, as text with times in a zone, or the words for none."""
    if as_json:
        say_json([dict(row) for row in rows])
    elif rows:
        lines(columns(rows, zone))
    else:
        typer.echo(empty)


def columns(rows: Sequence[Mapping[str, Any]], zone: tzinfo) -> Iterator[str]:
    """Return rows as lines that fit the terminal, or 80 columns in a pipe; nothing is cut.

    Columns without any value are left out. Where they do not fit beside each other, the widest are
    said beneath the row, each by its name.
    """
    width = get_terminal_size().columns
    texts = [{name: cell(value, zone) for name, value in row.items()} for row in rows]
    wide = {
        name: max(len(name), *(len(text[name]) for text in texts))
        for name in texts[0]
        if any(text[name] for text in texts)
    }
    beside = list(wide)
    while len(beside) > 1 and sum(wide[name] + 2 for name in beside) - 2 > width:
        beside.remove(max(beside, key=lambda name: wide[name]))
    beneath = [name for name in wide if name not in beside]
    for number, text in enumerate([{name: name.replace("_", " ") for name in wide}, *texts]):
        line = "  ".join(text[name].ljust(wide[name]) for name in beside).rstrip()
        yield from wrapped(line, width) if len(line) > width else [line]
        for name in beneath if number else ():
            if text[name]:
                yield from wrapped(f"    {name.replace('_', ' ')}: {text[name]}", width)


def wrapped(text: str, width: int | None = None) -> list[str]:
    """Return a text as lines that fit, the later ones indented further."""
    least = len(text) - len(text.lstrip())
    return textwrap.wrap(
        text,
        width or get_terminal_size().columns,
        subsequent_indent=" " * (least + 4),
        break_on_hyphens=False,
    )


def cell(value: object, zone: tzinfo) -> str:
    """Return a value as a text; instants as they are said in the zone."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return said(value, zone)
    return " ".join(str(value).split())


def lines(texts: Iterable[str]) -> None:
    """Print lines."""
    for line in texts:
        typer.echo(line)
