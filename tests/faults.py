"""Faults on demand: an ASGI wrapper that makes the embedded Hub fail, hang, lie or hang up where a test says so."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Fault:
    """What happens to the next `times` requests whose path contains `path` (None: to all of them).

    One of: answer `status`, with `headers`, and `body` instead of an error; `hang` until cleared; `drop` the connection
    in mid-upload; `delay` the answer; `trickle` its body a byte at a time, with that many seconds between two; `flip`
    these bits of a byte in the middle of each piece of the body; `cut` the connection in the middle of it.
    """

    path: str = ""
    method: str | None = None
    times: int | None = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hang: bool = False
    drop: bool = False
    delay: float = 0.0
    trickle: float | None = None
    flip: int = 0
    cut: bool = False
    hits: int = 0
    cleared: bool = False

    def takes(self, scope: Scope) -> bool:
        if scope["type"] != "http" or self.path not in scope["path"] or self.method not in (None, scope["method"]):
            return False
        if self.times is not None and self.hits >= self.times:
            return False
        self.hits += 1
        return True


class Faults:
    """`add` a fault by what it does."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._app: ASGIApp

    def wrap(self, app: ASGIApp) -> Self:
        self._app = app
        return self

    def add(self, **what: Any) -> Fault:
        """Add a `Fault` with these fields."""
        fault = Fault(**what)
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """Forget all faults; requests that hang are dropped."""
        for fault in self._faults:
            fault.cleared = True
        self._faults = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        fault = next((fault for fault in self._faults if fault.takes(scope)), None)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.status is not None:
            await _refusal(fault, fault.status)(scope, receive, send)
        elif fault.hang:
            await _hang(fault, receive)
        elif fault.drop:
            await self._drop(scope, receive, send)
        else:
            await asyncio.sleep(fault.delay)
            await self._app(scope, receive, _Damaging(fault, receive, send))

    async def _drop(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Cut the connection after the first piece of the body; what fits into one piece never arrives."""
        pieces = [await receive()]

        async def first_then_cut() -> Message:
            if not pieces:
                _hang_up(receive)
            return pieces.pop() if pieces else {"type": "http.disconnect"}

        if pieces[0].get("more_body"):
            await self._app(scope, first_then_cut, send)
        _hang_up(receive)


def _refusal(fault: Fault, status: int) -> Response:
    if fault.body is None:
        return JSONResponse({"error": "injected fault"}, status, headers=dict(fault.headers))
    return Response(fault.body, status, headers=dict(fault.headers))


class _Damaging:
    """Send an answer on as the fault says."""

    def __init__(self, fault: Fault, receive: Receive, send: Send):
        self._fault, self._receive, self._send = fault, receive, send

    async def __call__(self, message: Message) -> None:
        body = message.get("body", b"") if message["type"] == "http.response.body" else b""
        if not body:
            await self._send(message)
        elif self._fault.trickle is not None:
            await self._trickle(message, body)
        elif self._fault.flip:
            middle = len(body) // 2
            await self._send(
                message | {"body": body[:middle] + bytes([body[middle] ^ self._fault.flip]) + body[middle + 1 :]}
            )
        elif self._fault.cut:
            await self._send(message | {"body": body[: len(body) // 2], "more_body": True})
            await asyncio.sleep(0.05)
            _hang_up(self._receive)
        else:
            await self._send(message)

    async def _trickle(self, message: Message, body: bytes) -> None:
        for at in range(len(body)):
            if self._fault.cleared:
                return _hang_up(self._receive)
            await self._send(message | {"body": body[at : at + 1], "more_body": True})
            await asyncio.sleep(self._fault.trickle)
        return await self._send(message | {"body": b""})


async def _hang(fault: Fault, receive: Receive) -> None:
    while not fault.cleared:
        await asyncio.sleep(0.02)
    _hang_up(receive)


def _hang_up(receive: Receive) -> None:
    """ASGI knows no way to close a connection: reach for uvicorn's own transport."""
    receive.__self__.transport.abort()
