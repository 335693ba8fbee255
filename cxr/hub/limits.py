"""The HTTP client under `huggingface_hub`: every wait for the Hub ends, and no redirect leads to a foreign server.

`huggingface_hub` on its own waits without limit for a Hub that accepts a request and never answers, repeats a write
that timed out five times, sleeps as long as `Retry-After` says, and reads a body however slowly it comes. Here, with
L = `CXR_HUB_TIMEOUT` seconds (60 by default):

- looking up the address of a server ends after L seconds, at most ten;
- a request ends after L seconds without a byte, after L seconds without the whole head of its answer, and after L / 2
  seconds of a body, sent or received, below `MIN_BYTES_PER_SECOND`;
- a request that keeps failing is not repeated once it has failed for L seconds, nor if the server asks for a pause that
  ends later, so that every fault ends within 2 L plus one pause of eight seconds;
- a write that timed out is not repeated, because it may have been done;
- a redirect to another server is followed for downloads alone, whose content is compared with its hash.
"""

import math
import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any
from urllib.request import getproxies
from weakref import WeakSet

import httpx2
from huggingface_hub.utils import hf_raise_for_status, parse_ratelimit_headers

from cxr.errors import UserError
from cxr.hub.watch import MAX_ANSWER_BYTES, HeadWatch, HubAnswerError, HubTimeoutError, WatchedDownload, WatchedUpload

TIMEOUT_VARIABLE = "CXR_HUB_TIMEOUT"
_TIMEOUT_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_REPEATED = (408, 429, 500, 502, 503, 504)
"""The HTTP statuses after which `huggingface_hub` repeats a request."""

_HUB_HOSTS = ("huggingface.co", "hf.co")
_ATTEMPT = "cxr.attempt"
_PROXIES = {"http", "https", "all"}


def time_limit(at_most: float = math.inf) -> float:
    """Seconds without a byte after which a request ends.

    Raises:
        UserError: if `CXR_HUB_TIMEOUT` is set to anything but a positive number.
    """
    text = os.environ.get(TIMEOUT_VARIABLE) or str(_TIMEOUT_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{TIMEOUT_VARIABLE}={text} is not a positive number of seconds: change it or unset it")
    return min(seconds, at_most)


class LimitedClient(httpx2.Client):
    """A client with the limits of this module; `hooks` are called before every request."""

    def __init__(self, hooks: list[Any]):
        self._limit, self._sockets = time_limit(), WeakSet[socket.socket]()
        self._found: set[str] = set()
        super().__init__(
            event_hooks={"request": [*hooks, self._look_up], "response": [_check_answer]},
            follow_redirects=True,
            timeout=httpx2.Timeout(self._limit, connect=min(self._limit, _CONNECT_SECONDS)),
        )

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request.

        Raises:
            HubTimeoutError: if it should not be sent again.
            httpx2.TransportError: if it failed and may be sent again.
        """
        limits = request.extensions.get("timeout", {})
        request.extensions["timeout"] = {name: self._shortest(seconds) for name, seconds in limits.items()}
        request.extensions["trace"] = HeadWatch(self._sockets, self._limit)
        attempt = request.extensions[_ATTEMPT] = _Attempt(request, self._limit, in_memory=not stream)
        if isinstance(request.stream, httpx2.SyncByteStream):
            request.stream = WatchedUpload(request.stream, attempt.path, self._limit)
        try:
            response = super().send(request, stream=stream, **options)
        except httpx2.TransportError as error:
            raise attempt.last_error(error) from error
        if request.method == "HEAD" and not response.is_error:  # it has no body whose end would tell
            attempt.succeed()
        return response

    def _look_up(self, request: httpx2.Request) -> None:
        """Look up a server's address for the first time in a thread: nothing else ends a resolver that does not answer.

        This is called before each request, also before those that follow a redirect. A proxy looks up addresses itself.
        What the resolver refuses is left to the request, which says so.
        """
        host = request.url.host
        if host in self._found or _PROXIES & getproxies().keys():
            return
        done = threading.Event()
        threading.Thread(target=_look_up, args=(host, done), daemon=True).start()
        if not done.wait(self._shortest(_CONNECT_SECONDS)):
            raise HubTimeoutError(f"no address found for {host}")
        self._found.add(host)

    def _shortest(self, seconds: float | None) -> float:
        return self._limit if seconds is None else min(seconds, self._limit)


def _look_up(host: str, done: threading.Event) -> None:
    with suppress(OSError, UnicodeError):
        socket.getaddrinfo(host, None)
    done.set()


class _Failures:
    """Since when each request has been failing, attempt after attempt, in this process.

    Without a lock, which a forked process could inherit closed: threads repeat different requests.
    """

    def __init__(self) -> None:
        self._times: dict[str, tuple[float, float]] = {}

    def add(self, key: str, started: float, limit: float) -> float:
        """Note a failure now of an attempt that `started` then; returns for how many seconds it has been failing."""
        since, last = self._times.get(key, (started, started))
        if started - last > limit + _CONNECT_SECONDS:  # another call, long after the one that gave up
            since = started
        now = time.monotonic()
        self._times[key] = (since, now)
        return now - since

    def forget(self, key: str) -> None:
        self._times.pop(key, None)


_failures = _Failures()


def _nothing() -> None:
    """A refusal that was read to its end is no success."""


class _Attempt:
    """One of several attempts at a request."""

    def __init__(self, request: httpx2.Request, limit: float, in_memory: bool):
        self.key = f"{request.method} {request.url.copy_with(query=None)}"
        self.path, self.limit, self.in_memory = request.url.path, limit, in_memory
        self.may_repeat = request.method in ("GET", "HEAD")
        self.started = time.monotonic()

    def succeed(self) -> None:
        """The request was answered: a later failure is a new one."""
        _failures.forget(self.key)

    def is_last(self, pause: float = 0.0) -> bool:
        """Note a failure, and decide whether another attempt after a `pause` in seconds would take too long."""
        last = _failures.add(self.key, self.started, self.limit) + pause >= self.limit
        if last:
            _failures.forget(self.key)
        return last

    def last_error(self, error: httpx2.TransportError) -> Exception:
        """What to raise for an error of the connection: the error itself if the request may be sent again."""
        timed_out = isinstance(error, httpx2.TimeoutException)
        if self.is_last() or (timed_out and not self.may_repeat):
            return HubTimeoutError(f"no answer to {self.key.split()[0]} {self.path}")
        return error

    def watched(self, response: httpx2.Response) -> httpx2.SyncByteStream:
        """The body of an answer to it."""
        assert isinstance(response.stream, httpx2.SyncByteStream)
        unbounded = self.in_memory or "Content-Length" not in response.headers
        end = _nothing if response.is_error else self.succeed
        most = MAX_ANSWER_BYTES if unbounded else math.inf
        return WatchedDownload(response.stream, self.path, self.limit, most, self.progress, end, self.last_error)

    def progress(self) -> None:
        """A good part of the body came: what failed before does not count any more."""
        _failures.forget(self.key)
        self.started = time.monotonic()


def _check_answer(response: httpx2.Response) -> None:
    """Called when the head of an answer is there: refuse redirects, watch the body, end repetitions in time."""
    attempt: _Attempt = response.request.extensions[_ATTEMPT]
    if response.has_redirect_location:
        _check_redirect(response)
    response.stream = attempt.watched(response)
    if response.status_code in _REPEATED and attempt.is_last(_pause_asked(response.headers)):
        response.read()
        hf_raise_for_status(response)


def _check_redirect(response: httpx2.Response) -> None:
    source, target = response.url, response.url.join(response.headers["Location"])
    if (source.scheme, source.host, source.port) == (target.scheme, target.host, target.port):
        return
    secure = target.scheme == "https" or source.scheme == "http"
    download = response.request.method in ("GET", "HEAD") and "/resolve/" in source.path
    if not (secure and (download or target.host in _HUB_HOSTS)):
        raise HubAnswerError(f"{source.path} is redirected to {target.scheme}://{target.netloc.decode()}")


def _pause_asked(headers: httpx2.Headers) -> float:
    """Seconds for which `huggingface_hub` would sleep because of these headers of a refusal."""
    rate_limit = parse_ratelimit_headers(headers)
    asked = headers.get("Retry-After", "").strip()
    return max(rate_limit.reset_in_seconds if rate_limit else 0.0, float(asked) if asked.isdecimal() else 0.0)
