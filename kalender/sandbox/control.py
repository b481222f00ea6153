"""`/_control`: change the university, meddle as a user would, see what was asked."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from aiohttp import web

from kalender.sandbox import fs
from kalender.sandbox.mailboxes import Mailbox
from kalender.sandbox.meddle import add, meddle
from kalender.sandbox.tp import staff_of
from kalender.sandbox.wire import dump
from kalender.sandbox.world import World

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
STATES = frozenset({"active", "missing", "moving", "denied"})


def routes(world: World) -> list[web.RouteDef]:
    """Return the control API's routes; they are the same on all three ports."""
    made = [*_Sources(world).routes(), *_Mailboxes(world).routes(), *_Weather(world).routes()]
    return [web.route(way, "/_control" + path, _guarded(act)) for way, path, act in made]


Route = tuple[str, str, Handler]


def _guarded(act: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await act(request)
        except (LookupError, StopIteration) as error:
            return _say({"error": f"not found: {error}"}, 404)
        except (ValueError, TypeError, AttributeError) as error:
            return _say({"error": str(error)}, 400)

    return handle


def _say(value: object, status: int = 200) -> web.Response:
    return web.Response(body=dump(value), status=status, content_type="application/json")


async def _told(request: web.Request) -> dict[str, Any]:
    return dict(json.loads(await request.read()))


class _Sources:
    """FS and TP."""

    def __init__(self, world: World) -> None:
        self.world = world

    def routes(self) -> Iterable[Route]:
        yield "GET", "/tp/{course}", self.course
        yield "PUT", "/tp/{course}", self.put_course
        yield "DELETE", "/tp/{course}", self.delete_course
        yield "PUT", "/fs/form", self.form
        yield "GET", "/fs/{collection}", self.items
        yield "PUT", "/fs/{collection}", self.put_item
        yield "DELETE", "/fs/{collection}", self.delete_item

    def _course(self, request: web.Request) -> tuple[str, str]:
        return request.match_info["course"], request.query.get("sem", self.world.tp.semester)

    async def course(self, request: web.Request) -> web.Response:
        found = self.world.tp.get(*self._course(request))
        if found is None:
            raise LookupError(request.match_info["course"])
        return _say(found)

    async def put_course(self, request: web.Request) -> web.Response:
        raw = self.world.tp.put(*self._course(request), await _told(request))
        self.world.open_for_staff(staff_of(raw))
        return _say({"ok": True})

    async def delete_course(self, request: web.Request) -> web.Response:
        return _say({"deleted": self.world.tp.delete(*self._course(request))})

    async def form(self, request: web.Request) -> web.Response:
        form = (await _told(request))["form"]
        if form not in {"fields", "ids"}:
            raise ValueError(form)
        self.world.fs.form = form
        return _say({"form": form})

    def _collection(self, request: web.Request) -> str:
        name = request.match_info["collection"]
        if name not in fs.COLLECTIONS:
            raise LookupError(name)
        return name

    async def items(self, request: web.Request) -> web.Response:
        person = request.query.get("personlopenummer", "")
        return _say(self.world.fs.of_person(self._collection(request), person))

    async def put_item(self, request: web.Request) -> web.Response:
        name, item = self._collection(request), await _told(request)
        key = self.world.fs.put(name, item)
        if name == "personer":
            self.world.exchange.open(fs.addresses_of(item))
        return _say({"key": key})

    async def delete_item(self, request: web.Request) -> web.Response:
        gone = self.world.fs.delete(self._collection(request), await _told(request))
        return _say({"deleted": gone})


class _Mailboxes:
    """Exchange."""

    def __init__(self, world: World) -> None:
        self.world, self.exchange = world, world.exchange

    def routes(self) -> Iterable[Route]:
        yield "GET", "/exchange/mailboxes", self.mailboxes
        yield "POST", "/exchange/mailboxes", self.open
        yield "PUT", "/exchange/mailbox", self.state
        yield "PUT", "/exchange/access", self.access
        yield "GET", "/exchange/items", self.items
        yield "POST", "/exchange/items", self.add
        yield "GET", "/exchange/all", self.all
        yield "POST", "/exchange/meddle", self.meddle
        yield "GET", "/exchange/private-touched", self.private_touched

    def _box(self, address: str) -> Mailbox:
        return self.exchange.boxes[address.lower()]

    async def mailboxes(self, _: web.Request) -> web.Response:
        awake = self.exchange.awake()
        rows = [{"address": b.address, "state": b.state, "items": len(b.items)} for b in awake]
        return _say(rows)

    async def open(self, request: web.Request) -> web.Response:
        self.exchange.open((await _told(request))["addresses"])
        return _say({"ok": True})

    async def state(self, request: web.Request) -> web.Response:
        state = (await _told(request))["state"]
        if state not in STATES:
            raise ValueError(state)
        self._box(request.query["address"]).state = state
        return _say({"state": state})

    async def access(self, request: web.Request) -> web.Response:
        self.exchange.delegate = bool((await _told(request))["delegate"])
        return _say({"delegate": self.exchange.delegate})

    async def items(self, request: web.Request) -> web.Response:
        box = self._box(request.query["mailbox"])
        return _say([item.shown() for item in box.items.values()])

    async def add(self, request: web.Request) -> web.Response:
        told = await _told(request)
        return _say(add(self._box(told["mailbox"]), told).shown())

    async def all(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        before = b"{"
        for box in list(self.exchange.awake()):
            items = dump([item.shown() for item in box.items.values()])
            await response.write(before + dump(box.address) + b":" + items)
            before = b",\n"
        await response.write(b"{}" if before == b"{" else b"}")
        return response

    async def meddle(self, request: web.Request) -> web.Response:
        told = await _told(request)
        return _say(meddle(self._box(told["mailbox"]), told).shown())

    async def private_touched(self, _: web.Request) -> web.Response:
        return _say({"count": self.exchange.private_touched})


class _Weather:
    """What was asked, what goes wrong, how slow it is, and who may ask."""

    def __init__(self, world: World) -> None:
        self.world, self.journal = world, world.journal

    def routes(self) -> Iterable[Route]:
        yield "GET", "/requests", self.requests
        yield "DELETE", "/requests", self.forget
        yield "GET", "/counters", self.counters
        yield "GET", "/faults", self.faults
        yield "POST", "/faults", self.fault
        yield "DELETE", "/faults", self.calm
        yield "PUT", "/latency", self.latency
        yield "PUT", "/auth", self.auth

    async def requests(self, request: web.Request) -> web.Response:
        return _say(list(self.journal.since(int(request.query.get("since", 0)))))

    async def forget(self, _: web.Request) -> web.Response:
        self.journal.reset()
        return _say({"ok": True})

    async def counters(self, _: web.Request) -> web.Response:
        return _say(dict.fromkeys(("fs", "tp", "exchange"), 0) | dict(self.journal.counters))

    async def faults(self, _: web.Request) -> web.Response:
        return _say(self.world.faults.shown())

    async def fault(self, request: web.Request) -> web.Response:
        self.world.faults.add(await _told(request))
        return _say({"ok": True})

    async def calm(self, _: web.Request) -> web.Response:
        self.world.faults.clear()
        return _say({"ok": True})

    async def latency(self, request: web.Request) -> web.Response:
        self.world.latency |= {k: float(v) for k, v in (await _told(request)).items()}
        return _say(self.world.latency)

    async def auth(self, request: web.Request) -> web.Response:
        self.world.passwords |= await _told(request)
        return _say({"ok": True})
