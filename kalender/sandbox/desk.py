"""One request to a neighbour: who asks, what is asked, what goes wrong, what goes back."""

import asyncio
import base64
import socket
import struct
from collections.abc import Callable, Mapping
from http import HTTPStatus

from aiohttp import web

from kalender.sandbox import soap
from kalender.sandbox.faults import Fault
from kalender.sandbox.graph.errors import GraphError
from kalender.sandbox.journal import Entry
from kalender.sandbox.places import target
from kalender.sandbox.wire import Answer, Question, answer
from kalender.sandbox.world import API_KEY, PASSWORD, USERNAME, World

EWS_PATH = "/EWS/Exchange.asmx"
_XML = "text/xml; charset=utf-8"
_BUSY_MS = 1000
_WHO = {"WWW-Authenticate": 'Basic realm="sandbox"'}
_BEARER = {
    "WWW-Authenticate": 'Bearer client_id="00000002-0000-0ff1-ce00-000000000000",'
    ' token_types="app_asserted_user_v1 service_asserted_app_v1", error="invalid_token"'
}
_GARBAGE = "<!DOCTYPE html><html><head><title>Maintenance</title></head><body>Soon.</body></html>"
Do = Callable[[Mapping[int, str]], Answer]


class Desk:
    """Takes the requests to one neighbour."""

    def __init__(self, world: World, neighbour: str) -> None:
        self.world, self.neighbour = world, neighbour

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request, as far as no fault is in the way."""
        body = await request.read()
        entry = Entry(neighbour=self.neighbour, path=request.rel_url.raw_path_qs)
        question = Question(request.rel_url.raw_path, request.query)
        do = self._understand(request, question, body, entry)
        self.world.journal.open(entry)
        await asyncio.sleep(self.world.latency.get(self.neighbour, 0))
        fault = self.world.faults.take(self.neighbour, entry.operation, entry.mailbox)
        if fault is not None:
            return await spoil(request, fault, do, entry)
        return response(do({}), entry)

    def _understand(
        self, request: web.Request, question: Question, body: bytes, entry: Entry
    ) -> Do:
        """Say what is to be done, without doing it."""
        if not self._allowed(request):
            stranger = self._stranger(request)
            return lambda _: stranger
        if self.neighbour == "fs":
            entry.operation = self.world.fs.operation(question)
            return lambda _: self.world.fs.answer(question)
        if self.neighbour == "tp":
            entry.operation = self.world.tp.operation(question)
            return lambda _: self.world.tp.answer(question)
        if request.method != "POST" or request.path.lower() != EWS_PATH.lower():
            return lambda _: Answer(404, b"", "text/plain")
        return self._understand_soap(body, entry)

    def _understand_soap(self, body: bytes, entry: Entry) -> Do:
        try:
            call = soap.parse(body)
        except soap.SoapFault as error:
            refused = _refused(error, entry)
            return lambda _: refused
        entry.operation, entry.mailbox = call.operation, target(call)

        def do(spoil: Mapping[int, str]) -> Answer:
            try:
                return Answer(200, self.world.service.answer(call, entry, spoil), _XML)
            except soap.SoapFault as error:
                return _refused(error, entry)

        return do

    def _allowed(self, request: web.Request) -> bool:
        given = self.world.passwords.get(self.neighbour)
        key = request.headers.get("X-Gravitee-Api-Key")
        if key is not None and self.neighbour != "exchange":
            return key == (given or API_KEY)
        authorization = request.headers.get("Authorization", "")
        if self.neighbour == "exchange" and self.world.cloud and authorization[:7] == "Bearer ":
            try:
                self.world.cloud.login.admit(authorization, f"{request.scheme}://{request.host}")
            except GraphError:
                return False
            return True
        basic = f"{USERNAME}:{given or PASSWORD}".encode()
        return authorization == f"Basic {base64.b64encode(basic).decode()}"

    def _stranger(self, request: web.Request) -> Answer:
        if self.neighbour == "exchange":
            is_bearer = request.headers.get("Authorization", "")[:7] == "Bearer "
            return Answer(401, b"", "text/html", _BEARER if is_bearer else _WHO)
        return Answer(401, answer({"message": "Unauthorized"}).body, headers=_WHO)


async def spoil(request: web.Request, fault: Fault, do: Do, entry: Entry) -> web.StreamResponse:
    """Let a fault happen to a request."""
    more, entry.code = fault.more, fault.kind
    seconds = float(more.get("seconds", 1))
    if fault.kind == "truncate":
        return await half(request, do({}), entry)
    if fault.kind in {"cut", "process-then-drop", "drop-now-process-later"}:
        if fault.kind == "process-then-drop":
            do({})
        elif fault.kind == "drop-now-process-later":
            asyncio.get_running_loop().call_later(seconds, do, {})
        return cut(request)
    if fault.kind == "slow":
        await asyncio.sleep(seconds)
        return response(do({}), entry)
    if fault.kind == "item-error":
        code = str(more.get("code", "ErrorInternalServerError"))
        return response(do({int(more.get("position", 0)): code}), entry)
    return response(_instead(fault, entry), entry)


def _instead(fault: Fault, entry: Entry) -> Answer:
    """Answer in place of the neighbour, which never hears of it."""
    more = fault.more
    if fault.kind == "status":
        after = more.get("retry_after")
        headers = {} if after is None else {"Retry-After": str(after)}
        status = int(more.get("status", 503))
        headers |= _WHO if status == HTTPStatus.UNAUTHORIZED else {}
        return Answer(status, str(more.get("body", "")).encode(), "text/plain", headers)
    if fault.kind == "garbage":
        body = str(more.get("body", _GARBAGE)).encode()
        return Answer(200, body, str(more.get("content_type", "text/html; charset=utf-8")))
    if fault.kind == "busy":
        back_off = int(more.get("ms", _BUSY_MS))
        return _refused(soap.SoapFault(code="ErrorServerBusy", back_off=back_off), entry)
    return _refused(soap.SoapFault(code=str(more.get("code", "ErrorInternalServerError"))), entry)


def _refused(error: soap.SoapFault, entry: Entry) -> Answer:
    entry.code = error.code
    return Answer(500, soap.fault(error), _XML)


def response(made: Answer, entry: Entry) -> web.Response:
    """Send an answer as it is."""
    entry.status = made.status
    entry.items = entry.items or made.items
    headers = {"Content-Type": made.kind, **made.headers}
    return web.Response(status=made.status, body=made.body, headers=headers)


async def half(request: web.Request, made: Answer, entry: Entry) -> web.StreamResponse:
    """Send half an answer, and close the connection."""
    entry.status = made.status
    begun = web.StreamResponse(status=made.status, headers={"Content-Type": made.kind})
    begun.content_length = len(made.body)
    await begun.prepare(request)
    await begun.write(made.body[: len(made.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return begun


def cut(request: web.Request) -> web.Response:
    """Reset the connection: nothing more comes, not even an orderly end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if connection is not None:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return web.Response()
