"""Where a process can die: before and after each commit, before and after each request.

A point is named by the work in hand, by who commits or what is asked, and by how many times this
piece of work did so before: `course HIS1000 25h GET open 1 before send`. The name is told on a
socket, and the process goes on when it is answered; who is to die here is never answered.
"""

import json
import os
import re
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests
from sqlalchemy import Connection, Engine, event

from kalender.store.database import Database
from kalender.store.queue import Claim
from kalender.worker.thread import WorkerThread

HEADER = "X-Kalender-Test-Point"
# Whoever comes first does it for all work, or all threads.
FOR_ALL = ("Limiter.", "Memory._take", "GET openid-configuration", "POST token")

# What a batch of Graph's is named by: what its first request does in the sandbox's words.
BATCHES = ("CreateEvent", "GetEvent", "UpdateEvent", "DeleteEvent", "PermanentDelete", "ListEvents")


class _Here(threading.local):
    """What this thread is at."""

    job = ""
    wrote = False
    process = 0
    wire: socket.socket | None = None

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()


_here = _Here()


def name(what: str) -> str:
    """Return the next name of its kind in this piece of work; without any only what it is."""
    if not _here.job or what.startswith(FOR_ALL):
        return what
    _here.counts[what] += 1
    return f"{_here.job} {what} {_here.counts[what]}"


def install(address: str) -> None:
    """Tell every point of this process and of those it forks."""
    event.listen(Engine, "after_cursor_execute", _note_writing)
    _name_jobs()
    _tell_commits(address)
    _tell_requests(address)


def _tell(address: str, point: str) -> None:
    """Say where we are, and go on when told to; without anybody who listens just go on."""
    try:
        if _here.wire is None or _here.process != os.getpid():
            _here.process, _here.wire = os.getpid(), socket.socket(socket.AF_UNIX)
            _here.wire.connect(address)
        _here.wire.sendall(f"{os.getpid()} {point}\n".encode())
        _here.wire.recv(1)
    except OSError:
        _here.wire = None


def _name_jobs() -> None:
    do = WorkerThread._job

    def job(self: WorkerThread, claim: Claim) -> None:
        _here.job = f"{claim.kind.value} {claim.key}"
        _here.counts.clear()
        try:
            do(self, claim)
        finally:
            _here.job = ""
            _here.counts.clear()

    WorkerThread._job = job  # type: ignore[method-assign]


def is_batch(point: str) -> bool:
    """Whether a point is one of a batch of Graph's."""
    return any(f" {batch} " in point for batch in BATCHES)


# -- commits ----------------------------------------------------------------------------------------


def _note_writing(_connection: Connection, cursor: Any, statement: str, *_: object) -> None:
    if cursor.rowcount > 0 and not statement.lstrip().upper().startswith("SELECT"):
        _here.wrote = True


def _tell_commits(address: str) -> None:
    begin = Database.write

    @contextmanager
    def writing(database: Database, who: str) -> Iterator[Connection]:
        _here.wrote = False
        point = ""
        with begin(database) as connection:
            yield connection
            if _here.wrote:
                point = name(who)
                _tell(address, f"{point} before commit")
        if point:
            _tell(address, f"{point} after commit")

    def write(self: Database) -> Any:
        return writing(self, _short(sys._getframe(1).f_code.co_qualname))

    Database.write = write  # type: ignore[method-assign]


def _short(qualname: str) -> str:
    return qualname.rpartition(">.")[2]


# -- requests ---------------------------------------------------------------------------------------


def _tell_requests(address: str) -> None:
    leave = requests.Session.send

    def send(
        self: requests.Session, request: requests.PreparedRequest, **options: Any
    ) -> requests.Response:
        point = name(_operation(request))
        _tell(address, f"{point} before send")
        request.headers[HEADER] = f"{os.getpid()} {point}"
        response = leave(self, request, **options)
        _tell(address, f"{point} after answer")
        return response

    requests.Session.send = send  # type: ignore[method-assign]


def _operation(request: requests.PreparedRequest) -> str:
    """An operation of EWS by its name, a batch by its first request, all else by method and path."""
    path = urlsplit(request.url or "").path
    if request.method == "POST" and isinstance(request.body, bytes):
        if path.endswith("/$batch"):
            return _first_of_batch(request.body)
        found = re.search(rb"<m:(\w+)", request.body)
        return found[1].decode() if found else "POST"
    words = [word for word in path.split("/") if word]
    last = next((word for word in reversed(words) if not re.search(r"\d", word)), "/")
    return f"{request.method} {last}"


def _first_of_batch(body: bytes) -> str:
    first = json.loads(body)["requests"][0]
    path, _, query = first["url"].partition("?")
    match first["method"]:
        case "POST":
            return "CreateEvent" if path.endswith("/events") else "PermanentDelete"
        case "GET":
            return "ListEvents" if "$filter" in query else "GetEvent"
        case method:
            return {"PATCH": "UpdateEvent", "DELETE": "DeleteEvent"}[method]
