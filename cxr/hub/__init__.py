"""Speaking to a Hub that may be slow, down, empty or closed to us, with one clear line for each case."""

from cxr.hub.client import HUB_ERRORS, explain
from cxr.hub.pull import WANTED, Pulled, pull, pull_or_last, resolve
from cxr.hub.push import commit, preflight, require_free_of_others

__all__ = [
    "HUB_ERRORS",
    "WANTED",
    "Pulled",
    "commit",
    "explain",
    "preflight",
    "pull",
    "pull_or_last",
    "require_free_of_others",
    "resolve",
]
