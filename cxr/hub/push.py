"""Writing to the Hub: a check before anything expensive, and a publication in one commit."""

from collections.abc import Callable, Collection, Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError
from pydantic import BaseModel, ValidationError

from cxr.errors import UserError
from cxr.hub.client import api, explained, status_of
from cxr.hub.fetch import fetch, listed
from cxr.hub.limits import time_limit
from cxr.hub.pull import PREFLIGHT_SECONDS, resolve
from cxr.hub.watch import HubAnswerError

_CREATED_BY_HUB = ".gitattributes"
_FORBIDDEN, _CHANGED_MEANWHILE = 403, 412
_ATTEMPTS = 3


class Edit(NamedTuple):
    """What became of a change to a file.

    Attributes:
        url: of the commit, or of the pull request; empty if the newest commit holds the change already.
        is_proposal: whether it is a pull request.
        is_new: whether anything was sent.
    """

    url: str = ""
    is_proposal: bool = False
    is_new: bool = False


def require_token() -> None:
    """Refuse to go on without a token.

    Raises:
        UserError: if there is none.
    """
    if not get_token():
        raise UserError("publishing needs a token: set HF_TOKEN or run `hf auth login`")


def preflight(repo_id: str, private: bool | None = None, *, repo_type: str = "model") -> str:
    """Check, before anything expensive, that `repo_id` can be written to; returns the id with its owner.

    Checks whose token it is and whether it may write, creates the repo if it is missing, and announces an upload that
    is never sent: the Hub accepts that only from those who may write, whatever kind of token they have.

    Raises:
        UserError: if the Hub cannot be reached, there is no token, the token may not write there, or the repo is public
            although a private one was requested.
    """
    require_token()
    with explained(repo_id):
        is_public = _is_public(repo_id, repo_type)
        repo_id = _require_owner(_account(), repo_id)
    if is_public and private:
        raise UserError(f"{repo_id} exists and is public: make it private in its settings, or choose another name")
    with explained(repo_id):
        sdk = "gradio" if repo_type == "space" else None
        api().create_repo(repo_id, private=private, repo_type=repo_type, space_sdk=sdk, exist_ok=True)
        api().preupload_lfs_files(repo_id, [CommitOperationAdd("README.md", b"")], repo_type=repo_type)
    return repo_id


def _is_public(repo_id: str, repo_type: str) -> bool:
    """Whether a public repo of that name exists. The first request of a publication, so with a short time limit."""
    seconds = time_limit(PREFLIGHT_SECONDS)
    try:
        return not api().repo_info(repo_id, repo_type=repo_type, timeout=seconds).private
    except RepositoryNotFoundError:
        return False


class _Named(BaseModel):
    name: str


class _Token(BaseModel):
    role: str = ""


class _Login(BaseModel):
    accessToken: _Token = _Token()


class _Account(_Named):
    """The part that is used of what `HfApi.whoami` returns."""

    orgs: list[_Named] = []
    auth: _Login = _Login()


def _account() -> _Account:
    try:
        return _Account.model_validate(api().whoami())
    except ValidationError as error:
        raise HubAnswerError("it does not say whose token this is") from error


def _require_owner(account: _Account, repo_id: str) -> str:
    """The id with its owner."""
    name = account.name
    if "/" not in repo_id:
        repo_id = f"{name}/{repo_id}"
    if account.auth.accessToken.role == "read":
        raise UserError(f"the token of {name} is read-only: create one that may write to {repo_id}")
    owners = [name, *(organisation.name for organisation in account.orgs)]
    if repo_id.split("/")[0] not in owners:
        raise UserError(f"the token of {name} has no right to write to {repo_id}: publish to {name}/… instead")
    return repo_id


def require_only(repo_id: str, patterns: Collection[str], *, repo_type: str = "model") -> None:
    """Refuse a repo whose newest commit holds files that match none of `patterns`.

    Raises:
        UserError: naming up to three of them; publishing would delete them.
    """
    existing = api().list_repo_files(repo_id, repo_type=repo_type)
    foreign = [name for name in existing if not any(fnmatch(name, pattern) for pattern in (*patterns, _CREATED_BY_HUB))]
    if foreign:
        shown = ", ".join(foreign[:3]) + (", …" if len(foreign) > 3 else "")
        raise UserError(
            f"{repo_id} holds files that this project did not publish ({shown}): delete them there, or choose another "
            "name"
        )


def commit(
    repo_id: str,
    files: Mapping[str, Path | bytes],
    message: str,
    *,
    repo_type: str = "model",
    replace: Collection[str] = ("*",),
) -> str:
    """Write `files` in one commit and delete all others that match a pattern in `replace`; returns the commit's sha.

    If nothing changes, no commit is made and the newest one's sha is returned. Upload failures lose nothing: a commit
    is made completely or not at all.

    Raises:
        HUB_ERRORS: if the upload or the commit failed, or the Hub lists another content than was sent.
    """
    existing = api().list_repo_files(repo_id, repo_type=repo_type)
    stale = [name for name in existing if name not in files and name != _CREATED_BY_HUB]
    adding = [CommitOperationAdd(name, content) for name, content in files.items()]
    deleting = [CommitOperationDelete(name) for name in stale if any(fnmatch(name, pattern) for pattern in replace)]
    try:
        made = api().create_commit(repo_id, [*adding, *deleting], commit_message=message, repo_type=repo_type)
    except RuntimeError as error:  # `huggingface_hub` wraps the error of a large file's upload in one
        raise error.__cause__ or error from None
    _check_arrival(repo_id, made.oid, files, repo_type)
    return made.oid


def edit(repo_id: str, name: str, change: Callable[[str], str], message: str) -> Edit:
    """Change a text file of a model repo in one commit, or in a pull request where the token may not write.

    `change` makes the new text of the one that the newest commit has, empty if it has none; it is asked again if
    somebody else was quicker. An open pull request of the same account and message is continued: its text is changed.

    Raises:
        UserError: if there is no token, or the Hub cannot be reached or refuses.
    """
    require_token()
    with explained(repo_id):
        for attempt in range(_ATTEMPTS):
            try:
                return _commit_or_propose(repo_id, name, change, message)
            except HfHubHTTPError as error:
                if status_of(error) != _CHANGED_MEANWHILE or attempt == _ATTEMPTS - 1:
                    raise
    raise AssertionError("the last attempt returns or raises")


def _read_text(repo_id: str, sha: str, name: str) -> str:
    file = fetch(repo_id, sha, [name]) / name
    if not file.is_file():
        return ""
    try:
        return file.read_bytes().decode("utf-8")  # line ends stay as they are
    except UnicodeDecodeError as error:
        raise UserError(f"{name} of {repo_id} is not UTF-8 text: save it as UTF-8 first") from error


def _commit_or_propose(repo_id: str, name: str, change: Callable[[str], str], message: str) -> Edit:
    try:
        return _edit_at(repo_id, name, change, message, None)
    except HfHubHTTPError as error:
        if status_of(error) != _FORBIDDEN:
            raise
    author = _account().name
    mine = api().get_repo_discussions(repo_id, author=author, discussion_type="pull_request", discussion_status="open")
    open_one = next((found for found in mine if (found.author, found.title) == (author, message)), None)
    if open_one is None:
        return _edit_at(repo_id, name, change, message, None, create_pr=True)
    made = _edit_at(repo_id, name, change, message, open_one.git_reference)
    return Edit(open_one.url, is_proposal=True, is_new=made.is_new)


def _edit_at(
    repo_id: str, name: str, change: Callable[[str], str], message: str, revision: str | None, create_pr: bool = False
) -> Edit:
    """Change the text at the newest commit of a branch or pull request.

    Raises:
        HfHubHTTPError: if the Hub refuses.
    """
    sha = resolve(repo_id, revision)
    before = _read_text(repo_id, sha, name)
    after = change(before)
    if after == before:
        return Edit()
    operation = CommitOperationAdd(name, after.encode())
    made = api().create_commit(
        repo_id, [operation], commit_message=message, revision=revision, parent_commit=sha, create_pr=create_pr
    )
    return Edit(made.pr_url or made.commit_url, is_proposal=create_pr, is_new=True)


def _check_arrival(repo_id: str, sha: str, files: Mapping[str, Path | bytes], repo_type: str) -> None:
    listing = listed(repo_id, sha, repo_type)
    for name, content in files.items():
        if name not in listing or not listing[name].is_of(content):
            raise HubAnswerError(f"{name} arrived there damaged at revision {sha}")
