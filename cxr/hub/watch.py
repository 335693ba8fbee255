"""What a time limit for each single byte does not see: bodies and heads that come, or go, a byte now and then."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from weakref import WeakSet

import httpx2

MIN_BYTES_PER_SECOND = 4096
"""Slower than an analogue modem: a download at this rate would take hours."""

MAX_ANSWER_BYTES = 100 * 2**20
"""Of an answer that is held in memory, and of any that does not announce its length."""


class HubTimeoutError(OSError):
    """The Hub took too long. No `TimeoutError`: libraries repeat requests that ended with one."""


class HubAnswerError(OSError):
    """The Hub answered with something that it should not, such as a redirect to another server."""


class _Rate:
    """The rate of a transfer, over times of at least `seconds` in which this side waited for the other."""

    def __init__(self, path: str, seconds: float):
        self._path, self._seconds = path, seconds
        self._waited, self._bytes = 0.0, 0

    def add(self, waited: float, size: int) -> bool:
        """Note a piece; whether a time has ended with a good rate.

        Raises:
            HubTimeoutError: if it has ended with a bad one.
        """
        self._waited, self._bytes = self._waited + waited, self._bytes + size
        if self._waited < self._seconds:
            return False
        if self._bytes < MIN_BYTES_PER_SECOND * self._waited:
            raise HubTimeoutError(f"{self._path} passes at {self._bytes / self._waited:.0f} bytes a second")
        self._waited, self._bytes = 0.0, 0
        return True


class WatchedUpload(httpx2.SyncByteStream):
    """The body of a request; raises `HubTimeoutError` if the Hub takes it too slowly."""

    def __init__(self, body: httpx2.SyncByteStream, path: str, limit: float):
        self._body, self._path, self._limit = body, path, limit

    def __iter__(self) -> Iterator[bytes]:
        rate = _Rate(self._path, self._limit / 2)
        for chunk in self._body:
            given = time.monotonic()
            yield chunk
            rate.add(time.monotonic() - given, len(chunk))

    def close(self) -> None:
        """Close what it reads from."""
        self._body.close()


class WatchedDownload(httpx2.SyncByteStream):
    """The body of an answer; raises `HubTimeoutError` if it comes too slowly, `HubAnswerError` if it does not end.

    `progress` is called after every half `limit` at a good rate, `end` at its end; `explain` turns an error of the
    connection into the one to raise.
    """

    def __init__(
        self,
        body: httpx2.SyncByteStream,
        path: str,
        limit: float,
        max_bytes: float,
        progress: Callable[[], None],
        end: Callable[[], None],
        explain: Callable[[httpx2.TransportError], Exception],
    ):
        self._body, self._path, self._limit, self._max_bytes = body, path, limit, max_bytes
        self._progress, self._end, self._explain = progress, end, explain

    def __iter__(self) -> Iterator[bytes]:
        rate, total, chunks = _Rate(self._path, self._limit / 2), 0, iter(self._body)
        while True:
            asked = time.monotonic()
            try:
                chunk = next(chunks)
            except StopIteration:
                break
            except httpx2.TransportError as error:
                raise self._explain(error) from error
            total += len(chunk)
            if total > self._max_bytes:
                raise HubAnswerError(f"{self._path} is answered with over {self._max_bytes:,.0f} bytes")
            if rate.add(time.monotonic() - asked, len(chunk)):
                self._progress()
            yield chunk
        self._end()

    def close(self) -> None:
        """Close the connection, or return it to the pool."""
        self._body.close()


class HeadWatch:
    """A `trace` extension of httpx2: ends a client's connections when the head of an answer takes too long.

    All that it had when the request was sent, because httpx2 does not say which one a request uses; a client whose
    answers do not come has no use for the others either. It waits a quarter longer than `limit`, the seconds for each
    byte, so that it never acts where that limit does.
    """

    def __init__(self, sockets: "WeakSet[socket.socket]", limit: float):
        self._sockets, self._limit = sockets, limit
        self._timer: threading.Timer | None = None

    def __call__(self, event: str, info: dict[str, Any]) -> None:
        """Called by httpx2 before and after each step of a request."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._sockets.add(info["return_value"].get_extra_info("socket"))
        elif event.endswith("send_request_body.complete"):
            self._timer = threading.Timer(1.25 * self._limit, _shut_down, [list(self._sockets)])
            self._timer.daemon = True
            self._timer.start()
        elif self._timer and event.endswith(("response_headers.complete", "response_headers.failed")):
            self._timer.cancel()


def _shut_down(connections: list[socket.socket]) -> None:
    for connection in connections:
        with suppress(OSError):  # closed already
            socket.socket.shutdown(connection, socket.SHUT_RDWR)
