"""The university as a whole: FS, TP and Exchange, and what is remembered of them."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from kalender.sandbox.ews import Service
from kalender.sandbox.faults import Faults
from kalender.sandbox.fs import StudentSystem
from kalender.sandbox.graph.cloud import Cloud
from kalender.sandbox.journal import Journal
from kalender.sandbox.mailboxes import Exchange
from kalender.sandbox.tp import Timetable

USERNAME = PASSWORD = "kalender"  # noqa: S105 - of a sandbox on loopback, and documented
API_KEY = "sandbox"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the sandbox answers; what concerns Graph is empty where it is not served."""

    fs: str
    tp: str
    exchange: str
    control: str
    graph: str = ""
    login: str = ""
    login_ca: str = ""


@dataclass(slots=True, kw_only=True)
class World:
    """All that the sandbox serves."""

    fs: StudentSystem
    tp: Timetable
    exchange: Exchange
    service: Service
    domain: str
    journal: Journal = field(default_factory=Journal)
    faults: Faults = field(default_factory=Faults)
    latency: dict[str, float] = field(default_factory=dict)
    passwords: dict[str, str] = field(default_factory=dict)
    cloud: Cloud | None = None

    def open_for_staff(self, usernames: set[str]) -> None:
        """Give teachers that only TP knows a mailbox."""
        self.exchange.open(f"{name}@{self.domain}" for name in usernames)


def load(university: Path, fs_base: str, graph: str = "none") -> World:
    """Read a university's directory; `graph` says whose mailboxes live on Graph."""
    told = json.loads((university / "university.json").read_text("utf-8"))
    fs, tp, exchange = StudentSystem(fs_base), Timetable(told["semester"]), Exchange(graph)
    fs.load(university)
    tp.load(university)
    addresses = list(fs.addresses())
    exchange.open(addresses)
    domains = Counter(address.partition("@")[2] for address in addresses)
    domain = domains.most_common(1)[0][0] if domains else "university.example"
    world = World(fs=fs, tp=tp, exchange=exchange, service=Service(exchange), domain=domain)
    world.open_for_staff(set(tp.staff()))
    return world
