"""Pulling a model repo at one exact commit, or the last one pulled while the Hub is unreachable.

`huggingface_hub` retries refused connections for minutes, so every pull starts with one short question.
"""

import dataclasses
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from cxr.errors import UserError
from cxr.hub.client import api, explained, is_outage
from cxr.hub.fetch import cached, fetch
from cxr.hub.limits import time_limit
from cxr.schema.model_repo import CONFIG, PREPROCESSOR, WEIGHTS

PREFLIGHT_SECONDS = 5.0
"""Time limit of the first question to the Hub."""

PULLED_FILES = ["*.json", "*.safetensors", "README.md"]
"""Patterns of the files that are pulled from a model repo."""

_REQUIRED_FILES = ((CONFIG,), (WEIGHTS, f"{WEIGHTS}.index.json"), (PREPROCESSOR,))
"""What a model repo must hold: one file of each line. Large weights lie in several files with an index."""

_FULL_SHA = re.compile(r"[0-9a-f]{40}")
_ALTERNATIVES = "or pass a local model folder, or train and publish a small model with `make demo`"


@dataclass(frozen=True)
class Pulled:
    """A model repo on disk.

    `repo_id` is the id (or folder) that was asked for, `revision` the full commit sha, "local" for a folder. `outage`
    is one line that explains why this is the last revision pulled and not the newest, empty if the Hub answered.
    """

    folder: Path
    repo_id: str
    revision: str
    outage: str = ""


def resolve(repo_id: str, revision: str | None = None, *, repo_type: str = "model") -> str:
    """The full commit sha of a revision, from one request of at most five seconds.

    Raises:
        UserError: if the Hub cannot be reached or has no such repo or revision.
    """
    with explained(repo_id, revision):
        seconds = time_limit(PREFLIGHT_SECONDS)
        sha = api().repo_info(repo_id, revision=revision, repo_type=repo_type, timeout=seconds).sha
    if sha is None:
        raise UserError(f"the Hub names no commit of {repo_id}: give --revision, or try again")
    return sha


def pull(repo_id: str, revision: str | None = None) -> Pulled:
    """Download a model repo's weights, settings and card at one exact commit; a local folder is used as it is.

    A full sha that is already in the cache needs no network. A floating name is resolved first, because a cached `main`
    may point to a folder with only some of the files.

    Raises:
        UserError: if the Hub cannot be reached, or has no such repo or revision, or the repo or folder has no model.
    """
    if Path(repo_id).is_dir():
        if revision:
            raise UserError(f"{repo_id} is a folder and has no revision {revision!r}: leave the revision out")
        return _checked(Pulled(Path(repo_id), repo_id, "local"))
    if revision and _FULL_SHA.fullmatch(revision):
        known = _from_cache(repo_id, revision)
        if known:
            return known
    sha = resolve(repo_id, revision)
    folder = fetch(repo_id, sha, PULLED_FILES)
    _write_reference(folder, revision, sha)
    return _checked(Pulled(folder, repo_id, sha))


def pull_or_last(repo_id: str, revision: str | None = None) -> Pulled:
    """As `pull`; while the Hub is unreachable, the commit that this revision named when it was last pulled.

    Raises:
        UserError: as `pull`; for an outage only if this revision was never pulled.
    """
    try:
        return pull(repo_id, revision)
    except UserError as error:
        if not isinstance(error.__cause__, Exception) or not is_outage(error.__cause__):
            raise
        last = _last_pulled(repo_id, revision)
        if last is None:
            raise UserError(f"{error}; {_ALTERNATIVES}") from error.__cause__
        return dataclasses.replace(last, outage=str(error))


def _write_reference(folder: Path, revision: str | None, sha: str) -> None:
    """Record in the cache, as `huggingface_hub` does, which commit a revision names; only after a complete download."""
    if revision == sha:
        return
    reference = folder.parents[1] / "refs" / (revision or "main")
    with suppress(OSError):  # a read-only cache can still be read
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(sha, encoding="utf-8")


def _last_pulled(repo_id: str, revision: str | None) -> Pulled | None:
    config = try_to_load_from_cache(repo_id, CONFIG, revision=revision)
    return _from_cache(repo_id, Path(config).parent.name) if isinstance(config, str) else None


def _from_cache(repo_id: str, sha: str) -> Pulled | None:
    folder = cached(repo_id, sha, PULLED_FILES)
    try:
        return _checked(Pulled(folder, repo_id, sha)) if folder else None
    except UserError:
        return None


def _checked(pulled: Pulled) -> Pulled:
    for names in _REQUIRED_FILES:
        if not any((pulled.folder / name).is_file() for name in names):
            raise UserError(f"{pulled.repo_id} ({pulled.revision}) has no {names[0]}: is it a published model?")
    return pulled
