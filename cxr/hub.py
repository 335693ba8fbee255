"""Speaking to a Hub that may be slow, down, empty or closed to us, with one clear line for each case.

`huggingface_hub` has no client-side timeout and retries refused connections for minutes, so every exchange starts
with a short bounded question (`resolve`), and every later request has a read timeout.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import httpx2
import huggingface_hub
from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from cxr.cli import UserError, one_line

HUB_ERRORS = (OSError, ValueError, httpx2.HTTPError)
"""What a failing Hub raises: `httpx2` errors are neither `OSError` nor `httpx` errors."""

PREFLIGHT_SECONDS = 5.0
_TIMEOUT = httpx2.Timeout(10.0, read=60.0, write=60.0)
_WANTED = ["*.json", "*.safetensors", "README.md"]
_FULL_SHA = re.compile(r"[0-9a-f]{40}")


def _client() -> httpx2.Client:
    from huggingface_hub.utils._http import hf_request_event_hook

    return httpx2.Client(event_hooks={"request": [hf_request_event_hook]}, follow_redirects=True, timeout=_TIMEOUT)


huggingface_hub.set_client_factory(_client)


@dataclass(frozen=True)
class Pulled:
    """A model repo on disk: its folder, the id it was asked for by, and the full commit sha ("local" for a folder)."""

    folder: Path
    repo_id: str
    revision: str


def explain(error: Exception, repo_id: str, revision: str | None = None) -> UserError:
    """Turn what the Hub raised into one line that says what to do; special cases before their base classes."""
    where = f"{repo_id}@{revision}" if revision else repo_id
    endpoint = huggingface_hub.constants.ENDPOINT
    status = getattr(getattr(error, "response", None), "status_code", None)
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
        return UserError(f"{endpoint} answered HTTP {status} for {where}: try again later")
    if isinstance(error, LocalEntryNotFoundError | httpx2.HTTPError | ConnectionError | TimeoutError):
        return UserError(f"cannot reach {endpoint} for {where}: check the network, or HF_ENDPOINT if it is set")
    return UserError(f"{where} could not be had from {endpoint}: {one_line(error)}")


def resolve(repo_id: str, revision: str | None = None, *, repo_type: str = "model") -> str:
    """Ask once, for at most five seconds, and return the full commit sha that `revision` stands for.

    Raises:
        UserError: if the Hub cannot be reached or has no such repo or revision.
    """
    try:
        info = HfApi().repo_info(repo_id, revision=revision, repo_type=repo_type, timeout=PREFLIGHT_SECONDS)
    except HUB_ERRORS as error:
        raise explain(error, repo_id, revision) from error
    return info.sha


def preflight(repo_id: str, private: bool | None = None, *, repo_type: str = "model") -> str:
    """Make sure, before anything expensive, that `repo_id` can be written to; returns the id with its owner.

    Asks who the token belongs to and whether it may write, then creates the repo if it is not there.

    Raises:
        UserError: if the Hub cannot be reached, there is no token, or it has no right to write there.
    """
    if not get_token():
        raise UserError("publishing needs a token: set HF_TOKEN or run `hf auth login`, or leave out --push_to_hub")
    api = HfApi()
    try:
        resolve(repo_id, repo_type=repo_type)
    except UserError as error:
        if not isinstance(error.__cause__, RepositoryNotFoundError):
            raise
    try:
        repo_id = _writable(api.whoami(), repo_id)
        api.create_repo(repo_id, private=private, repo_type=repo_type, exist_ok=True)
    except HUB_ERRORS as error:
        raise explain(error, repo_id) from error
    return repo_id


def _writable(whoami: dict, repo_id: str) -> str:
    name = whoami["name"]
    if "/" not in repo_id:
        repo_id = f"{name}/{repo_id}"
    if whoami.get("auth", {}).get("accessToken", {}).get("role") == "read":
        raise UserError(f"the token of {name} may only read: make one that may write to {repo_id}")
    owners = [name, *(organisation["name"] for organisation in whoami.get("orgs", []))]
    if repo_id.split("/")[0] not in owners:
        raise UserError(f"the token of {name} has no right to write to {repo_id}: publish to {name}/… instead")
    return repo_id


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
        folder = huggingface_hub.snapshot_download(repo_id, revision=sha, allow_patterns=_WANTED)
    except HUB_ERRORS as error:
        raise explain(error, repo_id, revision) from error
    return _complete(Pulled(Path(folder), repo_id, sha))


def _complete(pulled: Pulled) -> Pulled:
    for name in ("config.json", "model.safetensors", "preprocessor_config.json"):
        if not (pulled.folder / name).is_file():
            raise UserError(f"{pulled.repo_id} ({pulled.revision}) holds no {name}: is it a published model?")
    return pulled


def _cached(repo_id: str, sha: str) -> Pulled | None:
    try:
        folder = huggingface_hub.snapshot_download(repo_id, revision=sha, allow_patterns=_WANTED, local_files_only=True)
        return _complete(Pulled(Path(folder), repo_id, sha))
    except (*HUB_ERRORS, UserError):
        return None
