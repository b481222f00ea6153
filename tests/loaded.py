"""What commands and the sandbox load: imported once, in the process that they are forked from.

What the rehearsal opened is closed, and its threads have ended, before anything is forked.
"""

import sqlite3  # noqa: F401

import alembic.command
import alembic.config
import alembic.context
import alembic.op  # noqa: F401  # which migrations do
import psycopg  # noqa: F401
import pydantic.type_adapter  # noqa: F401
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401
import typer._adapters
import typer.rich_utils  # noqa: F401
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import kalender.calendars.ews.writer
import kalender.cli
import kalender.sandbox.server
import kalender.store.partial_indexes
import tests.chaos.process  # noqa: F401
from tests.rehearsal import rehearse


def prepare(command: TyperCommand | TyperGroup) -> None:
    """Let typer prepare the options of a command, and of those below it, as it does when called."""
    for parameter in command.params:
        if isinstance(parameter, TyperArgument | TyperOption):
            parameter.get_runtime_param()
    for each in command.commands.values() if isinstance(command, TyperGroup) else ():
        if isinstance(each, TyperCommand | TyperGroup):
            prepare(each)


for made in kalender.cli.load_all().values():
    prepare(made)
rehearse()
