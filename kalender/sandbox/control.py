"""`/_control`: change the university, meddle as a user would, see what was asked."""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from aiohttp import web

from kalender.sandbox import fs, moves
from kalender.sandbox.graph.cloud import Cloud
from kalender.sandbox.mailboxes import Mailbox
from kalender.sandbox.meddle import add, meddle
from kalender.sandbox.tp import staff_of
from kalender.sandbox.wire import dump
from kalender.sandbox.world import World

STATES = frozenset({"active", "missing", "moving", "denied"})


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request to the control API says."""

    path: Mapping[str, str]
    query: Mapping[str, str]
    told: dict[str, Any]


Act = Callable[[Asked], object]
Route = tuple[str, str, Act]


def routes(world: World) -> list[web.RouteDef]:
    """Return the control API's routes; they are the same on all ports."""
    made = [*_Sources(world).routes(), *_Mailboxes(world).routes(), *_Weather(world).routes()]
    made += [] if world.cloud is None else _Graph(world.cloud).routes()
    everything = web.get("/_control/exchange/all", partial(_all, world))
    return [everything, *(web.route(way, "/_control" + at, _handler(act)) for way, at, act in made)]


def _handler(act: Act) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        body = await request.read()
        try:
            told = dict(json.loads(body)) if body else {}
            said = act(Asked(request.match_info, request.query, told))
            return _say({"ok": True} if said is None else said)
        except (LookupError, StopIteration) as error:
            return _say({"error": f"not found: {error}"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return _say({"error": str(error)}, 400)

    return handle


def _say(value: object, status: int = 200) -> web.Response:
    return web.Response(body=dump(value), status=status, content_type="application/json")


async def _all(world: World, request: web.Request) -> web.StreamResponse:
    """Give every item of every mailbox, one at a time: they may be millions."""
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    before = b"{"
    for box in list(world.exchange.awake()):
        items = dump([item.shown() for item in box.items.values()])
        await response.write(before + dump(box.address) + b":" + items)
        before = b",\n"
    await response.write(b"{}" if before == b"{" else b"}")
    return response


def _one_of(value: str, known: Iterable[str]) -> str:
    if value not in known:
        raise ValueError(value)
    return value


class _Sources:
    """FS and TP."""

    def __init__(self, world: World) -> None:
        self.world, self.fs, self.tp = world, world.fs, world.tp

    def routes(self) -> Iterable[Route]:
        yield "GET", "/tp/{course}", self.course
        yield "PUT", "/tp/{course}", self.put_course
        yield "DELETE", "/tp/{course}", lambda asked: {"deleted": self.tp.delete(*self._key(asked))}
        yield "PUT", "/fs/form", self.form
        yield "GET", "/fs/{collection}", self.items
        yield "PUT", "/fs/{collection}", self.put_item
        yield "DELETE", "/fs/{collection}", self.delete_item

    def _key(self, asked: Asked) -> tuple[str, str]:
        return asked.path["course"], asked.query.get("sem", self.tp.semester)

    def course(self, asked: Asked) -> object:
        found = self.tp.get(*self._key(asked))
        if found is None:
            raise LookupError(asked.path["course"])
        return found

    def put_course(self, asked: Asked) -> None:
        self.world.open_for_staff(staff_of(self.tp.put(*self._key(asked), asked.told)))

    def form(self, asked: Asked) -> object:
        self.fs.form = _one_of(asked.told["form"], ("fields", "ids"))
        return {"form": self.fs.form}

    def _collection(self, asked: Asked) -> str:
        name = asked.path["collection"]
        if name not in fs.COLLECTIONS:
            raise LookupError(name)
        return name

    def items(self, asked: Asked) -> object:
        person = asked.query.get("personlopenummer", "")
        return self.fs.of_person(self._collection(asked), person)

    def put_item(self, asked: Asked) -> object:
        name = self._collection(asked)
        key = self.fs.put(name, asked.told)
        if name == "personer":
            self.world.exchange.open(fs.addresses_of(asked.told))
        return {"key": key}

    def delete_item(self, asked: Asked) -> object:
        return {"deleted": self.fs.delete(self._collection(asked), asked.told)}


class _Mailboxes:
    """Exchange."""

    def __init__(self, world: World) -> None:
        self.exchange = world.exchange

    def routes(self) -> Iterable[Route]:
        yield "GET", "/exchange/mailboxes", self.mailboxes
        yield (
            "POST",
            "/exchange/mailboxes",
            lambda asked: self.exchange.open(asked.told["addresses"]),
        )
        yield "PUT", "/exchange/mailbox", self.state
        yield "PUT", "/exchange/access", self.access
        yield "GET", "/exchange/items", self.items
        yield "POST", "/exchange/items", self.add
        yield "POST", "/exchange/meddle", self.meddle
        yield "GET", "/exchange/private-touched", lambda _: {"count": self.exchange.private_touched}
        yield "GET", "/exchange/mails", lambda _: self.exchange.mails

    def _box(self, address: str) -> Mailbox:
        return self.exchange.boxes[address.lower()]

    def mailboxes(self, _: Asked) -> object:
        awake = self.exchange.awake()
        return [{"address": b.address, "state": b.state, "items": len(b.items)} for b in awake]

    def state(self, asked: Asked) -> object:
        state = _one_of(asked.told["state"], STATES)
        self._box(asked.query["address"]).state = state
        return {"state": state}

    def access(self, asked: Asked) -> object:
        self.exchange.delegate = bool(asked.told["delegate"])
        return {"delegate": self.exchange.delegate}

    def items(self, asked: Asked) -> object:
        box: Mailbox | None = self._box(asked.query["mailbox"])
        if box is not None and "place" in asked.query:
            box = self.exchange.at(asked.query["place"], box.address)
        return [] if box is None else [item.shown() for item in box.items.values()]

    def add(self, asked: Asked) -> object:
        return add(self._box(asked.told["mailbox"]), asked.told).shown()

    def meddle(self, asked: Asked) -> object:
        return meddle(self._box(asked.told["mailbox"]), asked.told).shown()


class _Graph:
    """Microsoft Graph, where it is served."""

    def __init__(self, cloud: Cloud) -> None:
        self.cloud, self.service = cloud, cloud.service

    def routes(self) -> Iterable[Route]:
        yield "GET", "/graph/settings", lambda _: asdict(self.cloud.settings)
        yield "PUT", "/graph/settings", self.change
        yield "GET", "/graph/mailboxes", self.mailboxes
        yield "PUT", "/graph/mailbox", self.mailbox
        yield "POST", "/graph/moves", self.moves
        yield "POST", "/graph/churn", self.churn
        yield "PUT", "/graph/credentials", self.credentials
        yield "DELETE", "/graph/tokens", lambda _: self.cloud.login.expire()

    def change(self, asked: Asked) -> object:
        self.cloud.settings.change(asked.told)
        return asdict(self.cloud.settings)

    def mailboxes(self, _: Asked) -> object:
        return {address: box.place for address, box in self.service.exchange.boxes.items()}

    def mailbox(self, asked: Asked) -> object:
        box = self.service.exchange.boxes[asked.query["address"].lower()]
        if "upn" in asked.told:
            self.service.name(box.address, str(asked.told["upn"]))
        place = _one_of(asked.told.get("place", box.place), ("ews", "graph"))
        if place != box.place:
            moves.advance(self.service.exchange, to=place, mailboxes=[box.address])
        return {"place": place}

    def moves(self, asked: Asked) -> object:
        return moves.advance(self.service.exchange, **asked.told)

    def churn(self, asked: Asked) -> None:
        box = self.service.exchange.boxes[asked.told["mailbox"].lower()]
        self.service.churn(list(box.items.values()))

    def credentials(self, asked: Asked) -> None:
        login = self.cloud.login
        login.client_id = str(asked.told.get("client_id", login.client_id))
        login.certificate = asked.told.get("certificate", login.certificate)


class _Weather:
    """What was asked, what goes wrong, how slow it is, and who may ask."""

    def __init__(self, world: World) -> None:
        self.world, self.journal, self.faults = world, world.journal, world.faults

    def routes(self) -> Iterable[Route]:
        yield "GET", "/requests", self.requests
        yield "DELETE", "/requests", lambda _: self.journal.reset()
        yield "GET", "/counters", self.counters
        yield "GET", "/faults", lambda _: self.faults.shown()
        yield "POST", "/faults", lambda asked: self.faults.add(asked.told)
        yield "DELETE", "/faults", lambda _: self.faults.clear()
        yield "PUT", "/latency", self.latency
        yield "PUT", "/auth", lambda asked: self.world.passwords.update(asked.told)

    def requests(self, asked: Asked) -> object:
        return list(self.journal.since(int(asked.query.get("since", 0))))

    def counters(self, _: Asked) -> object:
        served = ("fs", "tp", "exchange", *(() if self.world.cloud is None else ("graph", "login")))
        return dict.fromkeys(served, 0) | dict(self.journal.counters)

    def latency(self, asked: Asked) -> object:
        self.world.latency |= {k: float(v) for k, v in asked.told.items()}
        return self.world.latency
