import json
import logging
import sys
import threading
import warnings
from collections.abc import Iterator

import pytest
import structlog
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from kalender import logs

ADDRESS = "ola.nordmann@example.org"


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger(logs.OURS)
    before = (root.handlers[:], root.level, ours.level, logging.raiseExceptions)
    hooks, settings = (sys.excepthook, threading.excepthook), structlog.get_config()
    yield
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level, ours.level, logging.raiseExceptions = before
    sys.excepthook, threading.excepthook = hooks
    structlog.configure(**settings)


each_way = pytest.mark.parametrize(
    ("verbose", "as_json"), [(False, False), (False, True), (True, False), (True, True)]
)


def failed() -> BaseException:
    try:
        int(ADDRESS)
    except ValueError as error:
        return error
    raise AssertionError


@each_way
@pytest.mark.parametrize(
    "name", ["pika.adapters", "exchangelib", "sqlalchemy.engine", "kalender.x"]
)
def test_a_library_is_never_quoted(
    *, name: str, verbose: bool, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(verbose=verbose, json=as_json)
    library = logging.getLogger(name)
    library.warning("body_prefix=%r", ADDRESS)
    library.error(ADDRESS, exc_info=failed(), stack_info=True)
    library.critical("%d", ADDRESS)  # a broken call is not quoted either
    told = capsys.readouterr()
    assert ADDRESS not in told.err + told.out
    assert name in told.err
    assert "ValueError" in told.err


@each_way
def test_our_own_exceptions_are_told_by_class_and_place(
    *, verbose: bool, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(verbose=verbose, json=as_json)
    log = structlog.get_logger("kalender.worker")
    log.error("failed", exc_info=failed())
    log.error("failed", reason=failed())
    try:
        int(ADDRESS)
    except ValueError:
        log.exception("failed")
    told = capsys.readouterr().err
    assert ADDRESS not in told
    assert told.count("ValueError") == 3
    assert "test_logs.py:" in told


@each_way
def test_a_crash_and_a_warning_are_told_without_their_text(
    *, verbose: bool, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(verbose=verbose, json=as_json)
    error = failed()
    sys.excepthook(type(error), error, error.__traceback__)
    thread = threading.Thread(target=int, args=(ADDRESS,))
    thread.start()
    thread.join()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=False)
        logging.captureWarnings(capture=True)
        warnings.warn(ADDRESS, stacklevel=1)
    told = capsys.readouterr().err
    assert ADDRESS not in told
    assert told.count("crashed") == 2
    assert told.count("ValueError") == 2
    assert "py.warnings" not in told  # without its text it would say nothing


@each_way
def test_a_librarys_warning_says_something_or_nothing(
    *, verbose: bool, as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(verbose=verbose, json=as_json)
    logging.getLogger("urllib3.connectionpool").warning("Connection pool is full: %s", ADDRESS)
    assert capsys.readouterr().err == ""
    logging.getLogger("pika.adapters").warning("lost", exc_info=failed())
    assert "ValueError" in capsys.readouterr().err


def test_of_a_databases_error_state_and_table_are_kept_and_no_parameter(
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(verbose=False, json=True)
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT * FROM entry WHERE key = :key"), {"key": ADDRESS})
    except DBAPIError:
        structlog.get_logger("kalender.worker").exception("failed")
    engine.dispose()
    told = capsys.readouterr().err
    line = json.loads(told)
    assert (line["error"], line["sqlstate"]) == ("OperationalError", "SQLITE_ERROR")
    assert "SELECT" not in told
    assert ADDRESS not in told


def test_json_lines_hold_our_event_and_its_values(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False, json=True)
    structlog.get_logger("kalender.listener").info("batch", messages=3)
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["messages"], line["level"]) == ("batch", 3, "info")
    assert line["logger"] == "kalender.listener"


def test_details_are_told_only_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    for verbose in (False, True):
        logs.configure(verbose=verbose, json=True)
        structlog.get_logger("kalender.listener").debug("detail")
        logging.getLogger("pika").info("connected")
        told = capsys.readouterr().err
        assert ("detail" in told) is verbose
        assert ("pika" in told) is verbose


def test_configuring_twice_logs_once(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False, json=True)
    logs.configure(verbose=False, json=True)
    structlog.get_logger("kalender").info("once")
    assert capsys.readouterr().err.count("once") == 1


def test_for_people_a_line_is_key_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(verbose=False, json=False)
    structlog.get_logger("kalender").info("batch", messages=3)
    assert "messages=3" in capsys.readouterr().err
