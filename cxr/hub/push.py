"""Writing to the Hub: the trial before anything expensive, and the one commit that a publication is."""

from collections.abc import Collection, Mapping
from fnmatch import fnmatch
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

from cxr.errors import UserError
from cxr.hub.client import HUB_ERRORS, explain, patience
from cxr.hub.pull import PREFLIGHT_SECONDS

_THE_HUBS_OWN = ".gitattributes"


def preflight(repo_id: str, private: bool | None = None, *, repo_type: str = "model") -> str:
    """Make sure, before anything expensive, that `repo_id` can be written to; returns the id with its owner.

    Asks who the token belongs to and whether it may write, creates the repo if it is not there, and announces an upload
    that never comes: the Hub answers that only to those who may write, whatever kind of token they have.

    Raises:
        UserError: if the Hub cannot be reached, there is no token, it has no right to write there, or the repo is
            public though a private one was asked for.
    """
    if not get_token():
        raise UserError("publishing needs a token: set HF_TOKEN or run `hf auth login`")
    try:
        is_public = _is_public(repo_id, repo_type)
        repo_id = _writable(HfApi().whoami(), repo_id)
        if is_public and private:
            raise UserError(f"{repo_id} exists and is public: make it private in its settings, or choose another name")
        sdk = "gradio" if repo_type == "space" else None
        HfApi().create_repo(repo_id, private=private, repo_type=repo_type, space_sdk=sdk, exist_ok=True)
        _announce_upload(repo_id, repo_type)
    except HUB_ERRORS as error:
        raise explain(error, repo_id) from error
    return repo_id


def _is_public(repo_id: str, repo_type: str) -> bool:
    """Whether there is such a repo for all to see; asked first, and for seconds only."""
    try:
        return not HfApi().repo_info(repo_id, repo_type=repo_type, timeout=patience(PREFLIGHT_SECONDS)).private
    except RepositoryNotFoundError:
        return False


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


def _announce_upload(repo_id: str, repo_type: str) -> None:
    url = f"{huggingface_hub.constants.ENDPOINT}/api/{repo_type}s/{repo_id}/preupload/main"
    announced = {"files": [{"path": "README.md", "sample": "", "size": 0}]}
    hf_raise_for_status(get_session().post(url, json=announced, headers=build_hf_headers()))


def require_free_of_others(repo_id: str, ours: Collection[str], *, repo_type: str = "model") -> None:
    """Refuse a repo whose newest commit holds files that match none of the patterns of a publication of ours.

    Raises:
        UserError: naming some of them; a publication would have to delete them.
    """
    there = HfApi().list_repo_files(repo_id, repo_type=repo_type)
    others = [name for name in there if not any(fnmatch(name, pattern) for pattern in (*ours, _THE_HUBS_OWN))]
    if others:
        shown = ", ".join(others[:3]) + (", …" if len(others) > 3 else "")
        raise UserError(
            f"{repo_id} holds files that are no publication of this project ({shown}): delete them there, or choose "
            "another name"
        )


def commit(repo_id: str, files: Mapping[str, Path | bytes], message: str, *, repo_type: str = "model") -> str:
    """One commit after which the repo holds exactly `files`; returns its sha, or the newest one's if nothing changed.

    Raises:
        HUB_ERRORS: what went wrong; nothing is half done, for a commit is made or is not.
    """
    there = HfApi().list_repo_files(repo_id, repo_type=repo_type)
    adding = [CommitOperationAdd(name, content) for name, content in files.items()]
    deleting = [CommitOperationDelete(name) for name in there if name not in files and name != _THE_HUBS_OWN]
    try:
        return HfApi().create_commit(repo_id, [*adding, *deleting], commit_message=message, repo_type=repo_type).oid
    except RuntimeError as error:  # how `huggingface_hub` wraps what went wrong in the upload of a large file
        raise error.__cause__ or error from None
