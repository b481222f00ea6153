"""A thread that a process cannot do without takes the process along when it dies."""

import threading

import pytest

from kalender.errors import ThreadDied
from kalender.liveness import Vital, require_none_died


def test_a_thread_that_dies_stops_the_process_and_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    stop = threading.Event()

    def fail() -> None:
        raise ZeroDivisionError

    thread = Vital(fail, stop, name="signs")
    thread.start()
    thread.join()
    assert stop.is_set()
    with pytest.raises(ThreadDied, match="the thread for signs died"):
        require_none_died([thread])


def test_a_thread_that_ends_well_stops_nobody() -> None:
    stop = threading.Event()
    thread = Vital(lambda: None, stop, name="signs")
    thread.start()
    thread.join()
    require_none_died([thread])
    assert not stop.is_set()
