"""One request to Graph over HTTP: who asks, what is asked, what goes wrong, what goes back."""

import asyncio
import json
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from kalender.sandbox.desk import cut, half, response, spoil
from kalender.sandbox.faults import Fault
from kalender.sandbox.graph import batch
from kalender.sandbox.graph.batch import Part
from kalender.sandbox.graph.cloud import Cloud
from kalender.sandbox.graph.errors import JSON, GraphError, Reply, refusal
from kalender.sandbox.graph.login import LoginError
from kalender.sandbox.graph.service import Call, Do
from kalender.sandbox.journal import Entry
from kalender.sandbox.wire import Answer, answer, dump
from kalender.sandbox.world import PASSWORD, World

ROOT = "/v1.0"
# Faults that concern the connection; within a batch they are the batch's, whichever request they
# name.
_OF_CONNECTION = frozenset(
    {"cut", "process-then-drop", "drop-now-process-later", "truncate", "garbage", "drip"}
    | {"cut-within"}
)
_OF_PART = frozenset(
    {"status", "slow", "busy", "fault", "item-error", "process-then-status", "omit"}
    | {"expired-token"}
)
_INSTEAD = frozenset({"status", "busy", "fault", "item-error", "expired-token"})
_DRIPS = 20
_WHO = {"WWW-Authenticate": 'Bearer realm="", authorization_uri="sandbox"'}


@dataclass(slots=True)
class _Piece:
    """One request, by itself or within a batch, ready to be carried out."""

    entry: Entry
    do: Do
    part: Part | None = None


@dataclass(slots=True, kw_only=True)
class _Work:
    """What one request over HTTP asks: a batch of pieces, or one of its own."""

    entry: Entry
    ids: Mapping[str, str]
    pieces: list[_Piece] = field(default_factory=list)
    is_batch: bool = False
    # What befalls pieces by their position, and how long each one waits.
    spoilt: dict[int, Fault] = field(default_factory=dict)
    pause: float = 0.0
    done: Callable[[], None] = lambda: None


class GraphDesk:
    """Takes the requests to Graph."""

    def __init__(self, world: World, cloud: Cloud) -> None:
        self.world, self.cloud = world, cloud
        self._late: set[asyncio.Task[object]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, as far as no fault is in the way."""
        body = await request.read()
        entry = Entry(neighbour="graph", path=request.raw_path)
        ids = {"request-id": str(uuid.uuid4())}
        if "client-request-id" in request.headers:
            ids["client-request-id"] = request.headers["client-request-id"]
        work = _Work(entry=entry, ids=ids)
        try:
            self._understand(request, body, work)
        except GraphError as error:
            refused = error

            def refuse() -> Reply:
                raise refused

            work.pieces, work.is_batch = [_Piece(entry, refuse)], False
        self.world.journal.open(entry)
        fault = self._fault(work)
        if fault is None:
            return response(await self._answer(work), entry)
        entry.code = fault.kind
        return await self._spoil(request, fault, work)

    async def rest(self) -> None:
        """Return when nothing is carried out any more whose connection was cut."""
        await asyncio.gather(*self._late, return_exceptions=True)

    # -- what is asked ----------------------------------------------------------------------------

    def _understand(self, request: web.Request, body: bytes, work: _Work) -> None:
        """Fill the work in; GraphError where the request as a whole is refused."""
        self.cloud.login.admit(request.headers.get("Authorization"))
        path, entry = request.raw_path, work.entry
        if not path.startswith(ROOT + "/"):
            raise GraphError(400, "BadRequest", "Invalid version.")
        payload = _payload(request, body)
        url = path.removeprefix(ROOT)
        if unquote(url) == "/$batch" and request.method == "POST":
            entry.operation, work.is_batch = "Batch", True
            for part in batch.parse(payload):
                own = Entry(neighbour="graph", path=f"/$batch/{part.id}{part.call.url}")
                do = self.cloud.service.prepare(part.call, own)
                work.pieces.append(_Piece(own, do, part))
            boxes = {piece.entry.mailbox for piece in work.pieces}
            entry.mailbox = boxes.pop() if len(boxes) == 1 else None
            entry.items = len(work.pieces)
            return
        headers = {name.casefold(): value for name, value in request.headers.items()}
        headers["prefer"] = ",".join(request.headers.getall("Prefer", []))
        call = Call(method=request.method, url=url, headers=headers, body=payload)
        work.pieces = [_Piece(entry, self.cloud.service.prepare(call, entry))]

    def _fault(self, work: _Work) -> Fault | None:
        take, entry = self.world.faults.take, work.entry
        fault = take("graph", entry.operation, entry.mailbox)
        for piece in work.pieces if work.is_batch else ():
            if fault is None:
                own = piece.entry
                fault = take("graph", own.operation, own.mailbox, _OF_CONNECTION)
        return fault

    # -- carrying out -------------------------------------------------------------------------------

    async def _answer(self, work: _Work) -> Answer:
        """Carry out what is asked and write the answer."""
        if not work.is_batch:
            reply = await self._perform(work, work.pieces[0], work.spoilt.get(0))
            reply = Reply(200, {}) if reply is None else reply
            work.done()
            return _written(reply, work)
        pieces = {piece.part.id: n for n, piece in enumerate(work.pieces) if piece.part}

        async def perform(part: Part) -> Reply | None:
            piece = work.pieces[pieces[part.id]]
            self.world.journal.open(piece.entry, part=True)
            fault = work.spoilt.get(pieces[part.id]) or self.world.faults.take(
                "graph", piece.entry.operation, piece.entry.mailbox, _OF_PART
            )
            return await self._perform(work, piece, fault)

        parts = [piece.part for piece in work.pieces if piece.part is not None]
        replies = await batch.run(parts, perform, work.done)
        made = batch.answer(replies, self.cloud.shuffle)
        return _written(Reply(200, made), work)

    async def _perform(self, work: _Work, piece: _Piece, fault: Fault | None) -> Reply | None:
        """Carry out one request; None is an answer that is left out."""
        entry = piece.entry
        if fault is not None and fault.kind == "slow":
            await asyncio.sleep(float(fault.more.get("seconds", 1)))
        try:
            scope = None if entry.mailbox is None else self.cloud.limits.enter(entry.mailbox)
        except GraphError as error:
            return _noted(entry, _refused(error, work))
        try:
            await asyncio.sleep(self.world.latency.get("graph", 0) + work.pause)
            if fault is not None and fault.kind in _INSTEAD:
                return _noted(entry, _refused(self._error_of(fault), work))
            try:
                if fault is not None and fault.more.get("twice"):
                    piece.do()
                reply = piece.do()
            except GraphError as error:
                return _noted(entry, _refused(error, work))
        finally:
            if scope is not None:
                self.cloud.limits.leave(scope)
        if fault is not None and fault.kind == "process-then-status":
            reply = _refused(self._error_of(fault), work)
        _noted(entry, reply)
        return None if fault is not None and fault.kind == "omit" else reply

    # -- what goes wrong ----------------------------------------------------------------------------

    def _error_of(self, fault: Fault) -> GraphError:
        """Return the error that a fault gives."""
        more = fault.more
        if fault.kind == "expired-token":
            self.cloud.login.expire()
            return GraphError(401, "InvalidAuthenticationToken")
        if fault.kind == "busy":
            return GraphError(429, after=max(1, round(int(more.get("ms", 1000)) / 1000)))
        status = {"fault": 500, "item-error": 500}.get(fault.kind, 503)
        status = int(more.get("status", status))
        return GraphError(status, str(more.get("code", "")), after=more.get("retry_after"))

    def _instead(self, fault: Fault, work: _Work) -> Answer:
        """Answer in place of Graph, which never hears of it."""
        more = fault.more
        if fault.kind == "garbage":
            words = "<!DOCTYPE html><html><body>Soon.</body></html>"
            content = str(more.get("content_type", "text/html; charset=utf-8"))
            return Answer(200, str(more.get("body", words)).encode(), content)
        made = _written(_noted(work.entry, _refused(self._error_of(fault), work)), work)
        if "body" not in more:
            return made
        return Answer(made.status, str(more["body"]).encode(), "text/plain", made.headers)

    async def _spoil(self, request: web.Request, fault: Fault, work: _Work) -> web.StreamResponse:
        """Let a fault happen to a request over HTTP."""
        more, entry, kind = fault.more, work.entry, fault.kind
        seconds = float(more.get("seconds", 1))
        if kind in {"slow", "item-error", "omit", "process-then-status"}:
            if kind == "slow":
                await asyncio.sleep(seconds)
            else:
                work.spoilt[int(more.get("position", 0)) if work.is_batch else 0] = fault
            return response(await self._answer(work), entry)
        if kind in _INSTEAD or kind == "garbage":
            return response(self._instead(fault, work), entry)
        if kind == "truncate":
            return await half(request, await self._answer(work), entry)
        if kind == "drip":
            return await _drip(request, await self._answer(work), entry, seconds)
        if kind == "cut-within":
            return await self._cut_within(request, fault, work)
        if kind == "process-then-drop":
            await self._answer(work)
        elif kind == "drop-now-process-later":

            async def later() -> None:
                await asyncio.sleep(seconds)
                await self._answer(work)

            self._keep(later())
        return cut(request)

    async def _cut_within(
        self, request: web.Request, fault: Fault, work: _Work
    ) -> web.StreamResponse:
        """Cut the connection when some requests of a batch are done; the rest runs on or is lost."""
        left = int(fault.more.get("after_parts", 1))
        is_cut = asyncio.Event()
        made: web.Response | None = None

        def done() -> None:
            nonlocal left, made
            left -= 1
            if left != 0:
                return
            made = cut(request)
            is_cut.set()
            work.pause = float(fault.more.get("seconds", 0))
            if fault.more.get("rest", "done") == "lost":
                running.cancel()

        work.done = done
        running = self._keep(self._answer(work))
        waiting = asyncio.create_task(is_cut.wait())
        await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        return made or cut(request)

    def _keep(self, late: Coroutine[Any, Any, object]) -> asyncio.Task[object]:
        task = asyncio.create_task(late)
        self._late.add(task)
        task.add_done_callback(self._late.discard)
        return task


class LoginDesk:
    """Takes the requests to the identity platform."""

    def __init__(self, world: World, cloud: Cloud) -> None:
        self.world, self.login = world, cloud.login

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, as far as no fault is in the way."""
        form = dict(parse_qsl((await request.read()).decode("utf-8", "replace")))
        entry = Entry(neighbour="login", path=request.raw_path)
        tenant, _, rest = request.path.strip("/").partition("/")

        def do(_: Mapping[int, str]) -> Answer:
            if entry.operation == "Discovery":
                return answer(self.login.configuration(tenant))
            if entry.operation != "Token":
                return Answer(404, b"", "text/plain")
            try:
                secret = self.world.passwords.get("graph") or PASSWORD
                reply = self.login.token(tenant, form, secret)
            except LoginError as error:
                reply = error.reply()
                entry.code = error.error
            return answer(reply.body, reply.status)

        if rest == "oauth2/v2.0/token" and request.method == "POST":
            entry.operation = "Token"
        elif rest == "v2.0/.well-known/openid-configuration" and request.method == "GET":
            entry.operation = "Discovery"
        self.world.journal.open(entry)
        await asyncio.sleep(self.world.latency.get("login", 0))
        fault = self.world.faults.take("login", entry.operation, None)
        if fault is not None:
            return await spoil(request, fault, do, entry)
        made = response(do({}), entry)
        now = datetime.fromtimestamp(time.time() + self.login.settings.clock_ahead, UTC)
        made.headers["Date"] = format_datetime(now, usegmt=True)
        return made


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def _payload(request: web.Request, body: bytes) -> Any:
    if not body:
        return None
    if request.content_type != "application/json":
        words = f"A supported MIME type is missing: '{request.content_type}'."
        raise GraphError(415, "RequestBodyRead", words)
    try:
        return json.loads(body)
    except ValueError as error:
        words = "Unable to read JSON request payload."
        raise GraphError(400, "BadRequest", words) from error


def _refused(error: GraphError, work: _Work) -> Reply:
    return refusal(error, work.ids, datetime.fromtimestamp(time.time(), UTC))


def _noted(entry: Entry, reply: Reply) -> Reply:
    entry.status, entry.code = reply.status, reply.code or entry.code
    return reply


def _written(reply: Reply, work: _Work) -> Answer:
    headers = {"Cache-Control": "private", **work.ids, **reply.headers}
    headers |= _WHO if reply.status == 401 else {}  # noqa: PLR2004 - Unauthorized
    if reply.body is None:
        return Answer(reply.status, b"", "text/plain", headers)
    return Answer(reply.status, dump(reply.body), JSON, headers)


async def _drip(
    request: web.Request, made: Answer, entry: Entry, seconds: float
) -> web.StreamResponse:
    """Send an answer in small pieces over some seconds."""
    entry.status = made.status
    dripping = web.StreamResponse(status=made.status, headers={"Content-Type": made.kind})
    dripping.content_length = len(made.body)
    await dripping.prepare(request)
    size = max(1, -(-len(made.body) // _DRIPS))
    with suppress(ConnectionError):
        for start in range(0, len(made.body), size):
            await dripping.write(made.body[start : start + size])
            await asyncio.sleep(seconds / _DRIPS)
    return dripping
