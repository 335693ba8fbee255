"""Faults on demand: an ASGI wrapper that makes the embedded Hub fail, hang or hang up where a test says so."""

import asyncio
from dataclasses import dataclass
from typing import Self

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Fault:
    """What happens to the next `times` requests whose path contains `path` (None: to all of them)."""

    path: str = ""
    method: str | None = None
    times: int | None = 1
    status: int | None = None
    hang: bool = False
    drop: bool = False
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
    """`add` a fault by what it does: answer `status`, `hang` until cleared, `drop` the connection in mid-upload."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._app: ASGIApp

    def wrap(self, app: ASGIApp) -> Self:
        self._app = app
        return self

    def add(
        self,
        *,
        path: str = "",
        method: str | None = None,
        times: int | None = 1,
        status: int | None = None,
        hang: bool = False,
        drop: bool = False,
    ) -> Fault:
        fault = Fault(path, method, times, status, hang, drop)
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
            await JSONResponse({"error": "injected fault"}, fault.status)(scope, receive, send)
        elif fault.hang:
            await _hang(fault, receive)
        else:
            await self._drop(scope, receive, send)

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


async def _hang(fault: Fault, receive: Receive) -> None:
    while not fault.cleared:
        await asyncio.sleep(0.02)
    _hang_up(receive)


def _hang_up(receive: Receive) -> None:
    """ASGI knows no way to close a connection: reach for uvicorn's own transport."""
    receive.__self__.transport.abort()
