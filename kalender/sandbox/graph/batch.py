"""A batch of at most twenty requests: its form, its order, and its answers."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kalender.sandbox.graph.errors import JSON, GraphError, Json, Reply
from kalender.sandbox.graph.service import Call

MOST = 20
AT_ONCE = 4
_FAILED = 400
_METHODS = {"GET", "POST", "PATCH", "PUT", "DELETE"}
_WITH_BODY = {"POST", "PATCH", "PUT"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One request of a batch; `after` are the ids of those that it depends on."""

    id: str
    call: Call
    after: tuple[str, ...] = ()


def parse(body: object) -> list[Part]:
    """Read a batch; one that is malformed anywhere is refused as a whole."""
    requests = body.get("requests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise _malformed("there are no requests")
    if len(requests) > MOST:
        words = f"Number of batch request steps exceeds the maximum value of {MOST}."
        raise GraphError(400, "MaximumValueExceeded", words)
    parts, seen = list[Part](), set[str]()
    for request in requests:
        part = _part(request)
        if part.id in seen:
            raise _malformed(f"the id {part.id} stands twice")
        if not set(part.after) <= seen:
            raise _malformed(f"{part.id} depends on what does not stand before it")
        seen.add(part.id)
        parts.append(part)
    _check_order(parts)
    return parts


def _part(request: Any) -> Part:
    if not isinstance(request, dict):
        raise _malformed("a request is no object")
    number, method, url = (request.get(name) for name in ("id", "method", "url"))
    if not (isinstance(number, str) and number and isinstance(url, str) and url):
        raise _malformed("a request has no id or no url")
    if not isinstance(method, str) or method.upper() not in _METHODS:
        raise _malformed(f"{number} has no method")
    if "://" in url.partition("?")[0] or url.lstrip("/").startswith("$batch"):
        raise _malformed(f"the url of {number} is not relative")
    headers, after = request.get("headers") or {}, request.get("dependsOn") or []
    if not isinstance(headers, dict) or not all(isinstance(v, str) for v in headers.values()):
        raise _malformed(f"the headers of {number} are no object of strings")
    if not isinstance(after, list) or not all(isinstance(name, str) for name in after):
        raise _malformed(f"dependsOn of {number} is no list of ids")
    lower = {name.casefold(): value for name, value in headers.items()}
    payload, method = request.get("body"), method.upper()
    if method in _WITH_BODY and payload is None:
        raise _malformed(f"{number} is a {method} without a body")
    if payload is not None and "content-type" not in lower:
        raise _malformed(f"{number} has a body and no Content-Type")
    call = Call(method=method, url="/" + url.lstrip("/"), headers=lower, body=payload)
    return Part(id=number, call=call, after=tuple(after))


def _check_order(parts: Sequence[Part]) -> None:
    """Refuse what is neither parallel, nor one chain, nor all behind the same request."""
    dependent = [part for part in parts if part.after]
    if not dependent:
        return
    chain = [(), *((part.id,) for part in parts[:-1])]
    if [part.after for part in parts] == chain:
        return
    if len({part.after for part in dependent}) == 1 and len(dependent[0].after) == 1:
        return
    raise _malformed("requests are parallel, or depend each on the one before, or all on one")


def _malformed(why: str) -> GraphError:
    return GraphError(400, "BadRequest", f"Invalid batch payload format: {why}.")


Perform = Callable[[Part], Awaitable[Reply | None]]


async def run(
    parts: Sequence[Part], perform: Perform, done: Callable[[], None]
) -> dict[str, Reply | None]:
    """Carry a batch out, four requests at once; None is an answer that is left out."""
    tasks: dict[str, asyncio.Task[Reply | None]] = {}
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(part: Part) -> Reply | None:
        before = [await tasks[name] for name in part.after]
        if any(reply is not None and reply.status >= _FAILED for reply in before):
            words = "A request that this one depends on has failed."
            body: Json = {"error": {"code": "FailedDependency", "message": words}}
            return Reply(424, body)
        async with at_once:
            reply = await perform(part)
        done()
        return reply

    async with asyncio.TaskGroup() as group:
        for part in parts:
            tasks[part.id] = group.create_task(one(part))
    return {name: task.result() for name, task in tasks.items()}


def answer(replies: Mapping[str, Reply | None], shuffle: random.Random) -> Json:
    """Write the answers, in whatever order."""
    made = [_one_answer(name, reply) for name, reply in replies.items() if reply is not None]
    shuffle.shuffle(made)
    return {"responses": made}


def _one_answer(name: str, reply: Reply) -> Json:
    headers = {"Cache-Control": "private", **reply.headers}
    if reply.body is None:
        return {"id": name, "status": reply.status, "headers": headers}
    headers |= {"Content-Type": JSON if reply.status < _FAILED else "application/json"}
    return {"id": name, "status": reply.status, "headers": headers, "body": reply.body}
