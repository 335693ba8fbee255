"""Fetching files of one commit into the cache, each compared with the hash that the Hub lists for it.

A file that differs is deleted and fetched again, so that damage in transit or on the disk is never loaded, not even in
later runs. What the Hub listed stays beside the files: a complete cache can be checked without asking it.
"""

import json
import os
import warnings
from collections import deque
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from fnmatch import fnmatch
from functools import partial
from pathlib import Path

import huggingface_hub
from huggingface_hub import get_cached_repo_tree
from huggingface_hub.errors import CachedRepoTreeNotFoundError

from cxr.errors import UserError
from cxr.hub.client import api, explained
from cxr.hub.content import ContentId
from cxr.hub.watch import HubAnswerError
from cxr.parallel import map_in_order

Listing = Mapping[str, ContentId]
"""The name of each file of a commit, and what it holds."""

_THREADS = 4


def fetch(repo_id: str, sha: str, patterns: Collection[str], *, repo_type: str = "model") -> Path:
    """Fetch the files of a commit whose names match one of `patterns`, unless they are in the cache; the folder.

    Raises:
        UserError: if the Hub cannot be reached, or sends a file twice that is not what it lists.
    """
    with explained(repo_id, sha), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Not enough free disk space")  # the error that follows says it
        listing = listed(repo_id, sha, repo_type)
        folder = _snapshot(repo_id, sha, repo_type)
        fetch_one = partial(_fetch_file, repo_id, sha, repo_type, listing)
        with ThreadPoolExecutor(_THREADS) as threads:
            deque(map_in_order(threads, fetch_one, _matching(listing, patterns), _THREADS), maxlen=0)
    _store_listing(folder, listing)
    return folder


def listed(repo_id: str, sha: str, repo_type: str = "model") -> Listing:
    """What the Hub lists for a commit.

    Raises:
        HUB_ERRORS: if it cannot be asked, or lists a file without a hash.
    """
    info = api().repo_info(repo_id, revision=sha, repo_type=repo_type, files_metadata=True)
    siblings = getattr(info, "siblings", None) or []
    return {file.rfilename: ContentId.announced(file) for file in siblings}


def cached(repo_id: str, sha: str, patterns: Collection[str], *, repo_type: str = "model") -> Path | None:
    """The folder of a commit in the cache if all its files that match are there and undamaged; damaged ones go.

    No request is sent.
    """
    listing = _stored_listing(repo_id, sha, repo_type)
    if listing is None:
        return None
    folder = _snapshot(repo_id, sha, repo_type)
    names = _matching(listing, patterns)
    whole = [_is_whole(folder / name, listing[name]) for name in names]
    return folder if all(whole) else None


def _matching(listing: Listing, patterns: Collection[str]) -> list[str]:
    return [name for name in listing if any(fnmatch(name, pattern) for pattern in patterns)]


def _snapshot(repo_id: str, sha: str, repo_type: str) -> Path:
    """Where `huggingface_hub` keeps the files of a commit."""
    storage = "--".join([f"{repo_type}s", *repo_id.split("/")])
    return Path(huggingface_hub.constants.HF_HUB_CACHE) / storage / "snapshots" / sha


def _fetch_file(repo_id: str, sha: str, repo_type: str, listing: Listing, name: str) -> None:
    if _is_whole(_snapshot(repo_id, sha, repo_type) / name, listing[name]):
        return
    for again in (False, True):
        try:
            path = api().hf_hub_download(repo_id, name, revision=sha, repo_type=repo_type, force_download=again)
        except OSError as error:
            if again or not _is_damage(error):
                raise
        else:
            if _is_whole(Path(path), listing[name]):
                return
    raise HubAnswerError(f"{name} arrived damaged twice and was deleted")


def _is_damage(error: OSError) -> bool:
    """Whether `huggingface_hub` found a body of another length than announced, for which it has no type of its own."""
    return type(error) is OSError and error.errno is None


def _is_whole(path: Path, content: ContentId) -> bool:
    """Whether a file is there and has this content; one that has not is deleted, with what it links to.

    Raises:
        UserError: if it cannot be deleted.
    """
    if not path.is_file():
        return False
    if content.is_of(path):
        return True
    try:
        for file in (path.resolve(), path):
            file.unlink(missing_ok=True)
    except OSError as error:
        raise UserError(f"{path} is damaged and cannot be deleted ({error.strerror}): delete it") from error
    return False


def _listing_file(folder: Path) -> Path:
    return folder.parents[1] / "listings" / f"{folder.name}.json"


def _store_listing(folder: Path, listing: Listing) -> None:
    file = _listing_file(folder)
    partial = file.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # a read-only cache can still be read
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(listing), encoding="utf-8")
        partial.replace(file)


def _stored_listing(repo_id: str, sha: str, repo_type: str) -> Listing | None:
    """What the Hub listed when the commit was last fetched, by `fetch` or by `huggingface_hub` alone."""
    with suppress(OSError, ValueError, TypeError, AttributeError):
        stored = json.loads(_listing_file(_snapshot(repo_id, sha, repo_type)).read_text(encoding="utf-8"))
        return {name: ContentId(*content) for name, content in stored.items()}
    try:
        tree = get_cached_repo_tree(repo_id, repo_type=repo_type, revision=sha)
        return {file.path: ContentId.announced(file) for file in tree}
    except (CachedRepoTreeNotFoundError, ValueError):
        return None
