"""Calendars: the domain's entries in and out of Exchange; one module a kind of backend."""
