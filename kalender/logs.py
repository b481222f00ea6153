"""Logs to stderr: ids, counts and class names; other people's libraries are never quoted.

A library's record becomes its logger, place, level and exception class, since pika quotes bodies,
exchangelib whole requests, SQLAlchemy parameters; what would say nothing then is left out. Our own
exceptions are told by class and place, since their texts may quote a library's; of a database's
error its SQLSTATE and the table are kept.
"""

import logging
import re
import sys
import threading
import traceback
from types import TracebackType

import structlog
from structlog.typing import EventDict, WrappedLogger

OURS = "kalender"


def configure(*, verbose: bool, json: bool) -> None:
    """Send all logs to stderr, as JSON lines or as key=value; may be called again."""
    render: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_reduce_foreign, *_every()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, render],
        use_get_message=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(_says_something)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
    logging.getLogger(OURS).setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(capture=True)
    logging.raiseExceptions = False  # the report of a broken log call quotes its arguments
    sys.excepthook = _report
    threading.excepthook = lambda crash: _report(crash.exc_type, crash.exc_value, None)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.add_logger_name,
            *_every(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


def _every() -> list[structlog.typing.Processor]:
    return [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _reduce_exceptions,
    ]


def _says_something(record: logging.LogRecord) -> bool:
    """Whether anything that may be told is left of a record; of a library's bare warning nothing."""
    is_structured = isinstance(record.msg, dict)
    return is_structured or bool(record.exc_info) or record.levelno != logging.WARNING


def _reduce_foreign(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    record: logging.LogRecord = event["_record"]
    fields = {key: event[key] for key in ("_record", "_from_structlog", "exc_info") if key in event}
    place = f"{record.filename}:{record.lineno}"
    return {**fields, "event": "library", "logger": record.name, "at": place}


def _reduce_exceptions(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    exc_info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if exc_info is True:
        exc_info = sys.exc_info()
    error = exc_info[1] if isinstance(exc_info, tuple) else exc_info
    if error is not None:
        event["error"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)[-8:]
        places = (f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames)
        event["where"] = " > ".join(places)
        event.update(database_error(error))
    for key, value in event.items():
        if isinstance(value, BaseException):
            event[key] = type(value).__name__
    return event


_TABLE = re.compile(r"\b(?:relation|table):? \"?(\w+(?:\.\w+)?)")


def database_error(error: BaseException) -> dict[str, str]:
    """Return `sqlstate` (or SQLite's name) and `table` of a database's error, as far as it has any.

    Neither statement nor parameters: a driver's words quote both, and the rows they are about.
    """
    origin = getattr(error, "orig", None)
    if origin is None:
        return {}
    state = getattr(origin, "sqlstate", None) or getattr(origin, "sqlite_errorname", None)
    table = getattr(getattr(origin, "diag", None), "table_name", None)
    match = _TABLE.search(str(origin).partition("\n")[0])
    facts = {"sqlstate": state, "table": table or (match[1] if match else None)}
    return {name: str(value) for name, value in facts.items() if value}


def _report(
    _kind: type[BaseException], error: BaseException | None, _trace: TracebackType | None
) -> None:
    if error is not None:
        structlog.get_logger(OURS).critical("crashed", exc_info=error)
