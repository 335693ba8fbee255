"""The client for the Hub, and one clear line for every error.

Its time limits are those of `cxr.hub.limits`. Xet, the Hub's other way to move files, is switched off: its client takes
no time limit, and the Hub serves the same files over plain HTTP.
"""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from json import JSONDecodeError
from typing import Any

import httpx2
import huggingface_hub
from huggingface_hub import HfApi
from huggingface_hub.errors import (
    FileMetadataError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cxr.errors import UserError, disk_problem, one_line
from cxr.hub.limits import TIMEOUT_VARIABLE, LimitedClient, time_limit
from cxr.hub.watch import HubAnswerError, HubTimeoutError

HUB_ERRORS = (OSError, ValueError, httpx2.HTTPError)
"""What calls of `api()` raise; the `httpx2` errors among them are no subclasses of `OSError`."""

_MISREAD = (TypeError, LookupError, AttributeError, AssertionError, RecursionError)
"""What `huggingface_hub` raises over an answer that is JSON of another shape than it expects."""


class _Api(HfApi):
    """`HfApi` whose methods raise `HubAnswerError` over an answer that they cannot make sense of."""

    def __getattribute__(self, name: str) -> Any:
        value = super().__getattribute__(name)
        return _checked(value) if callable(value) and not name.startswith("_") else value


def _checked(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def call(*args: Any, **options: Any) -> Any:
        try:
            return method(*args, **options)
        except (JSONDecodeError, UnicodeDecodeError) as error:
            raise HubAnswerError("it answered with something else than JSON") from error
        except _MISREAD as error:
            raise HubAnswerError(f"its answer has an unexpected form ({type(error).__name__})") from error

    return call


def api() -> HfApi:
    """The Hub's API with the time limits of `cxr.hub.limits`. Everything here that talks to the Hub starts with this.

    The limits then hold for every use of `huggingface_hub` in this process, also by `datasets` and `transformers`.
    """
    _set_time_limits()
    return _Api()


@functools.cache
def _set_time_limits() -> None:
    """Replace `huggingface_hub`'s HTTP client for this process, keeping the request hooks of its own."""
    hooks = huggingface_hub.get_session().event_hooks["request"]
    huggingface_hub.set_client_factory(lambda: LimitedClient(hooks))
    huggingface_hub.constants.HF_HUB_DISABLE_XET = True
    huggingface_hub.logging.set_verbosity_error()  # one line from `explain` instead of one for every retry


def status_of(error: Exception) -> int | None:
    """The HTTP status of an error, None if the Hub did not answer at all."""
    return getattr(getattr(_root(error), "response", None), "status_code", None)


def _root(error: Exception) -> Exception:
    """The error behind "not in the cache", which `huggingface_hub` raises over whatever kept it from asking the Hub."""
    cause = error.__cause__
    return cause if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, HUB_ERRORS) else error


def is_outage(error: Exception) -> bool:
    """Whether the Hub was unreachable, silent, overloaded or broken: trying later may help."""
    status = status_of(error)
    if status is not None:
        return status == 429 or status >= 500
    return isinstance(
        error, HubTimeoutError | LocalEntryNotFoundError | httpx2.HTTPError | ConnectionError | TimeoutError
    )


@contextmanager
def explained(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Turn `HUB_ERRORS` raised in the block into `UserError`s that name the repo; the cause stays attached."""
    try:
        yield
    except HUB_ERRORS as error:
        raise explain(error, repo_id, revision) from error


def explain(error: Exception, repo_id: str, revision: str | None = None) -> UserError:
    """Describe an error of `huggingface_hub` in one line that names the repo and the way out."""
    error = _root(error)
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
    if isinstance(error, HubTimeoutError):
        longer = f"HF_ENDPOINT if it is set, or set {TIMEOUT_VARIABLE} to more than {time_limit():g} seconds"
        return UserError(f"cannot reach {endpoint} for {where} ({error}): check the network, {longer}")
    if is_outage(error):
        return UserError(f"cannot reach {endpoint} for {where}: check the network, or HF_ENDPOINT if it is set")
    if isinstance(error, HubAnswerError):
        return UserError(f"{endpoint} cannot be used for {where}: {error}; try again, or does HF_ENDPOINT name no Hub?")
    if isinstance(error, FileMetadataError):
        return UserError(f"{endpoint} does not answer for {where} as a Hub does: does HF_ENDPOINT name one?")
    problem = disk_problem(error)
    if problem:
        return UserError(f"{where} has no place on this disk ({problem}): free some space, or set HF_HOME")
    return UserError(f"{where} could not be read from or written to {endpoint}, try again later: {one_line(error)}")


def _explain_status(error: HfHubHTTPError, status: int, where: str) -> str:
    endpoint = huggingface_hub.constants.ENDPOINT
    if status == 404:
        return f"{endpoint} has no such address (HTTP 404) for {where}: does HF_ENDPOINT name a Hub?"
    if status >= 500 or status == 429 or not error.server_message:
        return f"{endpoint} answered HTTP {status} for {where}: try again later"
    reason = one_line(ValueError(error.server_message))
    return f"{endpoint} refused {where} (HTTP {status}): {reason}; try again, or choose another name"
