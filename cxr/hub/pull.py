"""Pulling a model repo at one exact commit, and the last one pulled where the Hub cannot be reached.

`huggingface_hub` retries refused connections for minutes, so every exchange starts with a short bounded question.
"""

import dataclasses
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
from huggingface_hub import HfApi, try_to_load_from_cache

from cxr.errors import UserError
from cxr.hub.client import HUB_ERRORS, explain, is_outage, patience

PREFLIGHT_SECONDS = 5.0
WANTED = ["*.json", "*.safetensors", "README.md"]
"""Which files of a model repo are pulled."""

_FULL_SHA = re.compile(r"[0-9a-f]{40}")

_OTHER_WAYS = "or name a model folder on this machine instead; or train and publish a small one with `make demo`"


@dataclass(frozen=True)
class Pulled:
    """A model repo on disk: its folder, the id it was asked for by, and the full commit sha ("local" for a folder).

    `outage` says, in one line, why this is the last revision pulled and not the newest; empty where the Hub answered.
    """

    folder: Path
    repo_id: str
    revision: str
    outage: str = ""


def resolve(repo_id: str, revision: str | None = None, *, repo_type: str = "model") -> str:
    """Ask once, for at most five seconds, and return the full commit sha that `revision` stands for.

    Raises:
        UserError: if the Hub cannot be reached or has no such repo or revision.
    """
    try:
        info = HfApi().repo_info(repo_id, revision=revision, repo_type=repo_type, timeout=patience(PREFLIGHT_SECONDS))
    except HUB_ERRORS as error:
        raise explain(error, repo_id, revision) from error
    return info.sha


def pull(repo_id: str, revision: str | None = None) -> Pulled:
    """Fetch a model repo's weights, settings and card at one exact commit; a folder on disk is taken as it is.

    A full sha that is already in the cache needs no network. A floating name is resolved first: a cached `main`
    may point at a folder that holds only half of the files.

    Raises:
        UserError: if the Hub cannot be reached, or has no such repo or revision, or the folder holds no model.
    """
    if Path(repo_id).is_dir():
        if revision:
            raise UserError(f"{repo_id} is a folder and has no revision {revision!r}: leave the revision out")
        return _complete(Pulled(Path(repo_id), repo_id, "local"))
    if revision and _FULL_SHA.fullmatch(revision):
        cached = _cached(repo_id, revision)
        if cached:
            return cached
    sha = resolve(repo_id, revision)
    try:
        folder = Path(huggingface_hub.snapshot_download(repo_id, revision=sha, allow_patterns=WANTED))
    except HUB_ERRORS as error:
        raise explain(error, repo_id, revision) from error
    _remember(folder, revision, sha)
    return _complete(Pulled(folder, repo_id, sha))


def pull_or_last(repo_id: str, revision: str | None = None) -> Pulled:
    """As `pull`; where the Hub cannot be reached, what this name stood for when it was last pulled, if anything.

    Raises:
        UserError: as `pull`; an outage raises it only if nothing was ever pulled by this name.
    """
    try:
        return pull(repo_id, revision)
    except UserError as error:
        if not isinstance(error.__cause__, Exception) or not is_outage(error.__cause__):
            raise
        last = _last_pulled(repo_id, revision)
        if last is None:
            raise UserError(f"{error}; {_OTHER_WAYS}") from error.__cause__
        return dataclasses.replace(last, outage=str(error))


def _remember(folder: Path, revision: str | None, sha: str) -> None:
    """Note in the cache, as `huggingface_hub` itself would, which commit a name stands for, now that it is whole."""
    if revision == sha:
        return
    reference = folder.parents[1] / "refs" / (revision or "main")
    with suppress(OSError):  # a read-only cache serves all the same
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(sha, encoding="utf-8")


def _last_pulled(repo_id: str, revision: str | None) -> Pulled | None:
    config = try_to_load_from_cache(repo_id, "config.json", revision=revision)
    return _cached(repo_id, Path(config).parent.name) if isinstance(config, str) else None


def _complete(pulled: Pulled) -> Pulled:
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        if not (pulled.folder / name).is_file():
            raise UserError(f"{pulled.repo_id} ({pulled.revision}) holds no {name}: is it a published model?")
    return pulled


def _cached(repo_id: str, sha: str) -> Pulled | None:
    try:
        folder = huggingface_hub.snapshot_download(repo_id, revision=sha, allow_patterns=WANTED, local_files_only=True)
        return _complete(Pulled(Path(folder), repo_id, sha))
    except (*HUB_ERRORS, UserError):
        return None
