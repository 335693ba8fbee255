"""Who sends a request, and which repo they may read or write: bearer tokens as on the Hub, without real accounts."""

from collections.abc import Mapping
from typing import Annotated, TypedDict

from fastapi import Depends
from starlette.requests import Request

from cxr.local_hub.errors import HubError, not_supported, repo_not_found
from cxr.local_hub.storage import KINDS, Commit, Repo, Store

TOKEN = "hf_embedded_hub"
"""The default token. It is not secret: it guards against mistakes, not against attackers."""

USER = "demo"
"""The user of `TOKEN`, and so the namespace it may write to."""


class Account(TypedDict):
    """What a token stands for: a user, a role ("read" or "write") and the organisations it may act for."""

    name: str
    role: str
    orgs: list[str]


Tokens = Mapping[str, Account]
PULL_REQUESTS = "refs/pr/"
DEFAULT_TOKENS: Tokens = {TOKEN: {"name": USER, "role": "write", "orgs": []}}


def _account(request: Request) -> Account | None:
    """The account of the request's bearer token, None without a token or with an unknown one."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return request.app.state.tokens.get(token.strip()) if scheme.lower() == "bearer" else None


def _owns(account: Account | None, namespace: str) -> bool:
    return account is not None and namespace in (account["name"], *account["orgs"])


def require_account(request: Request) -> Account:
    """The account of the request's bearer token; 401 without one."""
    account = _account(request)
    if account is None:
        raise HubError(401, "Invalid credentials in Authorization header")
    return account


def require_write(account: Account, namespace: str) -> None:
    """Refuse with 403 a read-only token, and a namespace of somebody else."""
    if account["role"] != "write":
        raise HubError(403, f"This token of {account['name']} is read-only: use one with the role write")
    if not _owns(account, namespace):
        raise HubError(403, f"You don't have the rights to write to the namespace {namespace}")


def kind_of(request: Request) -> str:
    """The kind of repo that the path names; addresses of models' files name none."""
    kind = request.path_params.get("kind", "models").removesuffix("s")
    if kind not in KINDS:
        raise not_supported(request)
    return kind


def _store(request: Request) -> Store:
    return request.app.state.store


def _readable(request: Request) -> Repo:
    """The repo that the path names; 404 if the sender may not read it, as if it did not exist."""
    repo = _store(request).repo(kind_of(request), request.path_params["namespace"], request.path_params["name"])
    if repo.meta["private"] and not _owns(_account(request), repo.namespace):
        raise repo_not_found(repo.id)
    return repo


def _writable(request: Request) -> Repo:
    """The repo that the path names; 401, 404 or 403 if the sender may not write to it."""
    account = require_account(request)
    repo = _readable(request)
    require_write(account, repo.namespace)
    return repo


def _changeable(request: Request) -> Repo:
    """The same, or a repo that the sender may read, if a pull request is to be opened or is the sender's own."""
    revision = request.path_params["revision"]
    is_proposal = request.query_params.get("create_pr") == "1"
    if not is_proposal and not revision.startswith(PULL_REQUESTS):
        return _writable(request)
    account = require_account(request)
    require_write(account, account["name"])
    repo = _readable(request)
    if is_proposal or repo.resolve(revision).author == account["name"]:
        return repo
    return _writable(request)


def _commit(request: Request) -> Commit:
    """The commit that the path names, "main" if it names none, of a repo that the sender may read."""
    return _readable(request).resolve(request.path_params.get("revision", "main"))


# What a route asks for by the type of a parameter.
Sender = Annotated[Account, Depends(require_account)]
TheStore = Annotated[Store, Depends(_store)]
ReadableRepo = Annotated[Repo, Depends(_readable)]
WritableRepo = Annotated[Repo, Depends(_writable)]
ChangeableRepo = Annotated[Repo, Depends(_changeable)]
ReadableCommit = Annotated[Commit, Depends(_commit)]
