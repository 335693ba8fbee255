"""Reading from and writing to the Hub, with time limits and one clear line for every error."""

from cxr.hub.client import HUB_ERRORS, api, explain, explained
from cxr.hub.fetch import fetch, listed
from cxr.hub.pull import PULLED_FILES, Pulled, pull, pull_or_last, resolve
from cxr.hub.push import commit, edit, preflight, require_only, require_token
from cxr.hub.watch import HubAnswerError, HubTimeoutError

__all__ = [
    "HUB_ERRORS",
    "PULLED_FILES",
    "HubAnswerError",
    "HubTimeoutError",
    "Pulled",
    "api",
    "commit",
    "edit",
    "explain",
    "explained",
    "fetch",
    "listed",
    "preflight",
    "pull",
    "pull_or_last",
    "require_only",
    "require_token",
    "resolve",
]
