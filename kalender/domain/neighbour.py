"""The names of our neighbours, as commands, tables, metrics and the settings' sections write them.

The sources have one name each. There may be several calendar backends, which are told apart by
the name of their section: `exchange.main` is `[exchange.main]`.
"""

FS = "fs"  # the student system
TP = "tp"  # the timetable system
DATABASE = "database"  # our own: in errors alone, as it is no section that limits requests
_EXCHANGE = "exchange."


def exchange(backend: str) -> str:
    """Return the neighbour's name of a calendar backend, such as `exchange.main` for `main`."""
    return _EXCHANGE + backend


def backend_of(name: str) -> str | None:
    """Return which calendar backend a neighbour is, such as `main`; None where it is none."""
    return name.removeprefix(_EXCHANGE) if name.startswith(_EXCHANGE) else None
