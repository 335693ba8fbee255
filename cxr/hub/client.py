"""The client for the Hub: a time limit on every request, and one clear line for every error.

`huggingface_hub` on its own waits without limit for a Hub that accepts a request and never answers, and repeats a write
that timed out five times. Here every request ends after `CXR_HUB_TIMEOUT` seconds without a byte (60 by default), and a
write that timed out is not repeated. Errors such as HTTP 500 are still retried, for about half a minute.
"""

import functools
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import huggingface_hub
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cxr.errors import UserError, one_line

HUB_ERRORS = (OSError, ValueError, httpx2.HTTPError)
"""What `huggingface_hub` raises; its `httpx2` errors are no subclasses of `OSError`."""

TIMEOUT_VARIABLE = "CXR_HUB_TIMEOUT"
_TIMEOUT_SECONDS = 60.0
_CONNECT_SECONDS = 10.0


class _Client(httpx2.Client):
    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send a request; a write that times out raises `TimeoutError`, which `huggingface_hub` does not retry."""
        try:
            return super().send(request, **options)
        except httpx2.TimeoutException as error:
            if request.method in ("GET", "HEAD"):
                raise
            raise TimeoutError(f"no answer to {request.method} {request.url.path}") from error


def api() -> HfApi:
    """The Hub's API with the time limits of this module. Everything here that talks to the Hub starts with this call.

    The limits then hold for every use of `huggingface_hub` in this process, also by `datasets` and `transformers`.
    """
    _set_time_limits()
    return HfApi()


@functools.cache
def _set_time_limits() -> None:
    """Replace `huggingface_hub`'s HTTP client for this process, keeping the request hooks of its own."""
    hooks = huggingface_hub.get_session().event_hooks

    def make_client() -> httpx2.Client:
        seconds = time_limit()
        timeout = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
        return _Client(event_hooks=hooks, follow_redirects=True, timeout=timeout)

    huggingface_hub.set_client_factory(make_client)
    huggingface_hub.logging.set_verbosity_error()  # one line from `explain` instead of one for every retry


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


def status_of(error: Exception) -> int | None:
    """The HTTP status of an error, None if the Hub did not answer at all."""
    return getattr(getattr(error, "response", None), "status_code", None)


def is_outage(error: Exception) -> bool:
    """Whether the Hub was unreachable, silent, overloaded or broken: trying later may help."""
    status = status_of(error)
    if status is not None:
        return status == 429 or status >= 500
    return isinstance(error, LocalEntryNotFoundError | httpx2.HTTPError | ConnectionError | TimeoutError)


@contextmanager
def explained(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Turn `HUB_ERRORS` raised in the block into `UserError`s that name the repo; the cause stays attached."""
    try:
        yield
    except HUB_ERRORS as error:
        raise explain(error, repo_id, revision) from error


def explain(error: Exception, repo_id: str, revision: str | None = None) -> UserError:
    """Describe an error of `huggingface_hub` in one line that names the repo and the way out."""
    where = f"{repo_id}@{revision}" if revision else repo_id
    endpoint = huggingface_hub.constants.ENDPOINT
    status = status_of(error)
    # GatedRepoError is a RepositoryNotFoundError, and both are HfHubHTTPErrors: the order matters.
    if isinstance(error, GatedRepoError):
        return UserError(f"{where} is gated: accept its terms on {endpoint} and log in with `hf auth login`")
    if isinstance(error, RevisionNotFoundError):
        return UserError(f"{repo_id} has no revision {revision!r}: name an existing branch, tag or commit")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(f"{repo_id} was not found on {endpoint}: check the id, or log in if it is private")
    if isinstance(error, HFValidationError):
        return UserError(f"{repo_id!r} is neither a local folder nor a repo id like USER/NAME")
    if status in (401, 403):
        return UserError(f"{endpoint} refused access to {where} (HTTP {status}): check HF_TOKEN or `hf auth login`")
    if isinstance(error, HfHubHTTPError) and status:
        return UserError(_explain_status(error, status, where))
    if is_outage(error):
        return UserError(f"cannot reach {endpoint} for {where}: check the network, or HF_ENDPOINT if it is set")
    return UserError(f"{where} could not be read from or written to {endpoint}: {one_line(error)}")


def _explain_status(error: HfHubHTTPError, status: int, where: str) -> str:
    endpoint = huggingface_hub.constants.ENDPOINT
    if status == 404:
        return f"{endpoint} has no such address (HTTP 404) for {where}: does HF_ENDPOINT name a Hub?"
    if status >= 500 or status == 429 or not error.server_message:
        return f"{endpoint} answered HTTP {status} for {where}: try again later"
    return f"{endpoint} refused {where} (HTTP {status}): {one_line(ValueError(error.server_message))}"
