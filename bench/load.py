"""`kalender web` under 50 requests a second of mixed pages, and a worker beside it.

Ten people ask, behind a proxy that signs them in, and then one alone. Together they are answered
six pages a second, and one five; the rest is told to come again later. The worker begins when the
load has lasted for some seconds: what may be asked for at once is used up then.

The client asks over a few connections that it keeps, at fixed times: an answer that is late puts no
request off. Beside a worker it gives way to all others, as it stands for browsers on other machines.
Whatever is neither a page nor 429 is an error.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from pathlib import Path
from queue import SimpleQueue
from socket import create_connection, socket
from threading import Event, get_native_id
from time import monotonic
from urllib.parse import urlencode, urlsplit

from sqlalchemy import text

from bench.fill import timed
from bench.latency import HALF, MOST_OF, quantile
from bench.measure import Figure, cpu_of, paired, single
from bench.web import Web, serving_several
from kalender.store.database import Database
from tests.e2e.house import House

RATE = 50  # requests a second
PEOPLE = 10
CONNECTIONS = 6
LARGEST_PART = 128 * 1024  # bytes of an answer that are read at once
SECONDS, FEW_SECONDS = 60.0, 8.0
WARM_UP = 20.0
TURNS = 7  # pairs: one of a few is a fifth slower or faster than the others
GROWTH = 10.0  # MB
SLOWER = 1.1
TOO_MANY = 429
RIGHT = {200, 303, TOO_MANY}
STYLE = "/static/kalender.css"
LONGEST = 600.0  # seconds of load beside a worker
GIVING_WAY = 19  # as nice has it
BEFORE = 10.0  # seconds of load before a worker begins
VERIFIED, FEW_VERIFIED = 800, 20  # persons
ROUNDS = 8  # persons and courses whose pages are asked for


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: a page, or with a body what a form does."""

    path: str
    body: bytes = b""

    def to_bytes(self, host: str, headers: str) -> bytes:
        """Return it as HTTP has it; `headers` are those of who asks, each with its line's end."""
        form = "Content-Type: application/x-www-form-urlencoded\r\n" if self.body else ""
        return (
            f"{'POST' if self.body else 'GET'} {self.path} HTTP/1.1\r\nHost: {host}\r\n"
            f"{headers}{form}Content-Length: {len(self.body)}\r\n\r\n"
        ).encode() + self.body


@dataclass(slots=True)
class Answers:
    """What came back: how often each status, and how long each page took in seconds."""

    statuses: Counter[int] = field(default_factory=Counter)
    taken: list[float] = field(default_factory=list)

    @property
    def errors(self) -> int:
        """How many were neither a page nor a word to come again later."""
        return sum(count for status, count in self.statuses.items() if status not in RIGHT)

    @property
    def in_words(self) -> str:
        """How often each status came."""
        return ", ".join(f"{count:,} times {each}" for each, count in self.statuses.items())


def asked(origin: str, messages: Sequence[bytes], seconds: float, stop: Event) -> Answers:
    """Send these in turn for so long, or until told to stop; 0: an answer that was cut off.

    Plain sockets and threads: a client that computes takes from the worker beside it.
    """
    parts = urlsplit(origin)
    address = (parts.hostname or "", parts.port or 0)
    turns: SimpleQueue[tuple[float, bytes] | None] = SimpleQueue()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        connections = [pool.submit(_answered, address, turns) for _ in range(CONNECTIONS)]
        begun = monotonic()
        for number, message in enumerate(islice(cycle(messages), round(seconds * RATE))):
            due = begun + number / RATE
            if stop.wait(max(due - monotonic(), 0)):
                break
            turns.put((due, message))
        for _ in connections:
            turns.put(None)
    answers = [answer for connection in connections for answer in connection.result()]
    statuses = Counter(status for status, _ in answers)
    return Answers(statuses, [taken for status, taken in answers if status != TOO_MANY])


def _answered(
    address: tuple[str, int], turns: SimpleQueue[tuple[float, bytes] | None]
) -> list[tuple[int, float]]:
    """Send what is due over one connection; return each answer's status, and its seconds."""
    answers, connection = list[tuple[int, float]](), create_connection(address)
    while (turn := turns.get()) is not None:
        due, message = turn
        try:
            connection.sendall(message)
            status = _status(connection)
        except (OSError, ValueError):
            status = 0
            connection.close()
            connection = create_connection(address)
        answers.append((status, monotonic() - due))
    connection.close()
    return answers


def _status(connection: socket) -> int:
    """Read one answer to its end; return its status. ValueError where the connection ends before."""
    text = b""
    while b"\r\n\r\n" not in text:
        text += _more(connection)
    head, _, body = text.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
    left = int(lines[b"content-length"]) - len(body)
    while left > 0:
        left -= len(_more(connection))
    return int(head.split()[1])


def _more(connection: socket) -> bytes:
    if not (part := connection.recv(LARGEST_PART)):
        raise ValueError("the answer ended early")
    return part


# -- the figures ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Load:
    """The load on pages that are served: what is asked for, in its order."""

    web: Web
    messages: Sequence[bytes]

    @classmethod
    def of(cls, house: House, webs: Sequence[Web]) -> "Load":
        """Return the load of these people, who ask in turn, each for every kind of page."""
        by_person = [
            [request.to_bytes(urlsplit(web.origin).netloc, headers_of(web)) for request in requests]
            for web in webs
            for requests in [mixed(house, web)]
        ]
        return cls(webs[0], [message for turn in zip(*by_person, strict=True) for message in turn])

    def bear(self, seconds: float, stop: Event | None = None) -> Answers:
        """Return what came back in so long, or until told to stop."""
        return asked(self.web.origin, self.messages, seconds, stop or Event())

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Let the pages bear it while the block lasts."""
        stop = Event()
        with ThreadPoolExecutor(1, initializer=_give_way) as pool:
            answers = pool.submit(self.bear, LONGEST, stop)
            try:
                stop.wait(BEFORE)
                yield
            finally:
                stop.set()
            assert answers.result().errors == 0


def _give_way() -> None:
    """Let this thread compute only where no other wants to."""
    os.setpriority(os.PRIO_PROCESS, get_native_id(), GIVING_WAY)


def run(house: House, name: str, *, quick: bool) -> Iterator[Figure]:
    """Bear the load for a minute, then verify calendars with the load beside it and without."""
    seconds, warm_up = (FEW_SECONDS, FEW_SECONDS) if quick else (SECONDS, WARM_UP)
    with serving_several(house, PEOPLE) as webs:
        web, load, of_one = webs[0], Load.of(house, webs), Load.of(house, webs[:1])
        load.bear(warm_up)
        memory, busy = rss_megabytes(web.process.pid), cpu_of([web.process.pid])
        answers = load.bear(seconds)
        growth = rss_megabytes(web.process.pid) - memory
        busy = cpu_of([web.process.pid]) - busy
        title = f"{RATE} pages a second on {name}"
        yield single(f"{title}: errors", answers.errors, at_most=0, spread=answers.in_words)
        late = sorted(answers.taken)
        spread = f"p50 {quantile(late, HALF):.3g}, most {late[-1]:.3g}"
        yield single(f"{title}: p95 seconds", quantile(late, MOST_OF), spread=spread)
        yield single(f"{title}: processor time a page answered, ms", busy / len(late) * 1000)
        yield single(f"{title}: memory, MB", memory)
        yield single(f"{title}: its growth, MB", growth, at_most=None if quick else GROWTH)
        answers = of_one.bear(seconds)
        yield single(f"{title}, of one: errors", answers.errors, at_most=0, spread=answers.in_words)

        of_whom = verified_persons(house, FEW_VERIFIED if quick else VERIFIED)

        def verified() -> float:
            house.run("verify", *of_whom)
            seconds, _ = timed(house, "worker", "--until-idle")
            return seconds

        def verified_beside(load: Load) -> float:
            with load.beside():
                return verified()

        verified()  # what the first verification looks at is in memory from then on
        for whose, each in {"": load, ", of one": of_one}.items():
            yield paired(
                f"{title}{whose}: seconds of a worker that verifies {len(of_whom)}, and alone",
                partial(verified_beside, each),
                verified,
                at_most=None if quick else SLOWER,
                pairs=1 if quick else TURNS,
            )


def headers_of(web: Web) -> str:
    """Return the headers of who asks, each with its line's end."""
    cookie = "; ".join(f"{each.name}={each.value}" for each in web.client.cookies)
    lines = [f"{name}: {value}" for name, value in web.headers.items()]
    return "".join(f"{line}\r\n" for line in (*lines, f"Cookie: {cookie}"))


def mixed(house: House, web: Web) -> list[Request]:
    """Return every kind of page in turn, each time of another person and course; and a look-up."""
    database = Database(house.database)
    with database.read() as connection:
        persons = connection.execute(text(PERSONS), {"many": ROUNDS}).scalars().all()
        courses = connection.execute(text(COURSES), {"many": ROUNDS}).scalars().all()
    database.close()
    pages = list[str]()
    for person_id, course in zip(persons, courses, strict=True):
        person = web.look_up(person_id)
        pages += ["/", STYLE, "/changes", f"/course?code={course}", person, "/person", "/"]
        pages += [f"/changes?course={course}", "/changes?cause=resync&what=create", "/course"]
        pages += [f"{person}?week=2025-10-13&course={course}"]
    look_up = urlencode(web.look_up_form(persons[0])).encode()
    return [*map(Request, pages), Request("/look-up", look_up)]


def verified_persons(house: House, many: int) -> list[str]:
    """Return so many persons with a calendar, as commands take them."""
    database = Database(house.database)
    with database.read() as connection:
        persons = connection.execute(text(PERSONS), {"many": many}).scalars().all()
    database.close()
    return [f"person {person_id}" for person_id in persons]


PERSONS = "SELECT person_id FROM calendar WHERE owner ORDER BY calendar_id DESC LIMIT :many"
COURSES = "SELECT DISTINCT course FROM entry ORDER BY course LIMIT :many"


def rss_megabytes(pid: int) -> float:
    """Return the memory that a process has in use, in MB."""
    told = Path(f"/proc/{pid}/status").read_text("utf-8")
    return next(int(line.split()[1]) for line in told.splitlines() if line[:6] == "VmRSS:") / 1024
