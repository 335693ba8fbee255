"""The HTTP client that `huggingface_hub` speaks through here, bounded in time, and what its errors mean.

`huggingface_hub` waits for ever for a Hub that accepts and never answers, and tries a write that ran out of time five
more times. Here every request ends after `CXR_HUB_TIMEOUT` seconds of silence (60 unless the environment says
otherwise), and a write that met silence is not tried again; refusals such as HTTP 500 still are, for half a minute.
"""

import math
import os

import httpx2
import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils._http import hf_request_event_hook

from cxr.errors import UserError, one_line

HUB_ERRORS = (OSError, ValueError, httpx2.HTTPError)
"""What a failing Hub raises: `httpx2` errors are neither `OSError` nor `httpx` errors."""

TIMEOUT_VARIABLE = "CXR_HUB_TIMEOUT"
_TIMEOUT_SECONDS = 60.0
_CONNECT_SECONDS = 10.0


class _Client(httpx2.Client):
    def send(self, request: httpx2.Request, **options: object) -> httpx2.Response:
        """Send; silence after a write becomes a `TimeoutError`, which `huggingface_hub` does not try again."""
        try:
            return super().send(request, **options)
        except httpx2.TimeoutException as error:
            if request.method in ("GET", "HEAD"):
                raise
            raise TimeoutError(f"no answer to {request.method} {request.url.path}") from error


def _make_client() -> httpx2.Client:
    seconds = patience()
    timeout = httpx2.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS))
    return _Client(event_hooks={"request": [hf_request_event_hook]}, follow_redirects=True, timeout=timeout)


def patience(at_most: float = math.inf) -> float:
    """Seconds of silence after which a request ends.

    Raises:
        UserError: if the environment names no such number.
    """
    text = os.environ.get(TIMEOUT_VARIABLE) or str(_TIMEOUT_SECONDS)
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise UserError(f"{TIMEOUT_VARIABLE}={text} is no number of seconds: set one above 0, or unset it")
    return min(seconds, at_most)


huggingface_hub.set_client_factory(_make_client)
huggingface_hub.logging.set_verbosity_error()  # each try would have a line of its own; `explain` has one for all


def status_of(error: Exception) -> int | None:
    """The HTTP status behind an error, if the Hub answered at all."""
    return getattr(getattr(error, "response", None), "status_code", None)


def is_outage(error: Exception) -> bool:
    """Whether the Hub was silent, unreachable or broken, rather than giving an answer about this repo."""
    status = status_of(error)
    if status is not None:
        return status == 429 or status >= 500
    return isinstance(error, LocalEntryNotFoundError | httpx2.HTTPError | ConnectionError | TimeoutError)


def explain(error: Exception, repo_id: str, revision: str | None = None) -> UserError:
    """Turn what the Hub raised into one line that says what to do; special cases before their base classes."""
    where = f"{repo_id}@{revision}" if revision else repo_id
    endpoint = huggingface_hub.constants.ENDPOINT
    status = status_of(error)
    if isinstance(error, GatedRepoError):
        return UserError(f"{where} is gated: accept its terms on {endpoint} and log in with `hf auth login`")
    if isinstance(error, RevisionNotFoundError):
        return UserError(f"{repo_id} has no revision {revision!r}: name an existing branch, tag or commit")
    if isinstance(error, RepositoryNotFoundError):
        return UserError(f"{repo_id} was not found on {endpoint}: check the id, or log in if it is private")
    if isinstance(error, HFValidationError):
        return UserError(f"{repo_id!r} is neither a folder here nor a repo id like USER/NAME")
    if status in (401, 403):
        return UserError(f"{endpoint} refused access to {where} (HTTP {status}): check HF_TOKEN or `hf auth login`")
    if isinstance(error, HfHubHTTPError) and status:
        return UserError(_refusal(error, status, where))
    if is_outage(error):
        return UserError(f"cannot reach {endpoint} for {where}: check the network, or HF_ENDPOINT if it is set")
    return UserError(f"{where} could not be had from {endpoint}: {one_line(error)}")


def _refusal(error: HfHubHTTPError, status: int, where: str) -> str:
    endpoint = huggingface_hub.constants.ENDPOINT
    if status == 404:
        return f"{endpoint} knows no such address (HTTP 404) for {where}: is HF_ENDPOINT a Hub?"
    if status >= 500 or status == 429 or not error.server_message:
        return f"{endpoint} answered HTTP {status} for {where}: try again later"
    return f"{endpoint} refused {where} (HTTP {status}): {one_line(ValueError(error.server_message))}"
