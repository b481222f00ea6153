"""What commands and the sandbox load: imported once, in the process that they are forked from."""

import psycopg  # noqa: F401
import sqlalchemy.dialects.postgresql
import sqlalchemy.dialects.sqlite  # noqa: F401

import kalender.calendars.ews.writer
import kalender.cli
import kalender.sandbox.server

kalender.cli.load_all()
