"""Kalender keeps Exchange calendars equal to a university's teaching."""

__version__ = "0.1.0"
