"""What the routes share: reading paths as clients quote them, and finding the repo a request means and may use."""

from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends
from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from cxr.local_hub.access import Account, account, identified, owns, require_write
from cxr.local_hub.errors import HubError, repo_not_found
from cxr.local_hub.history import Commit
from cxr.local_hub.store import Repo, Store


class _Kind(Convertor[str]):
    """The first part of an address, "datasets" say, as the kind "dataset"."""

    regex = "models|datasets|spaces"

    def convert(self, value: str) -> str:
        return value.removesuffix("s")

    def to_string(self, value: str) -> str:
        return f"{value}s"


register_url_convertor("kind", _Kind())


class QuotedPaths:
    """Route on the path as it was sent: a branch `a/b` comes as `a%2Fb` and must stay one part."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with its path still quoted."""
        if scope["type"] == "http":
            scope = scope | {"path": scope["raw_path"].decode("latin-1")}
        await self._app(scope, receive, send)


def part(request: Request, name: str) -> str:
    """A named part of the path, unquoted; empty if the route has none of that name."""
    return unquote(request.path_params.get(name, ""))


def store_of(request: Request) -> Store:
    """Dependency: the store behind the application."""
    return request.app.state.store


def readable(request: Request) -> Repo:
    """Dependency: the repo named in the path if the sender may read it, else 404 as if there were none."""
    kind = request.path_params.get("kind", "model")
    repo = store_of(request).repo(kind, part(request, "namespace"), part(request, "name"))
    if repo.meta["private"] and not owns(account(request), repo.namespace):
        raise repo_not_found(repo.id)
    return repo


def writable(request: Request) -> Repo:
    """Dependency: the repo named in the path if the sender may write to it; else 401, 404 or 403."""
    who = identified(request)
    repo = readable(request)
    require_write(who, repo.namespace)
    return repo


def revision(request: Request) -> str:
    """Dependency: the revision named in the path, "main" where the route leaves it out."""
    return part(request, "revision") or "main"


def commit_of(request: Request) -> Commit:
    """Dependency: the commit that the path names, of a repo the sender may read."""
    return readable(request).resolve(revision(request))


async def json_object(request: Request) -> dict[str, Any]:
    """Dependency: the body, which must be a JSON object."""
    try:
        body = await request.json()
    except ValueError as error:
        raise HubError(400, f"The body is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise HubError(400, "The body is no JSON object")
    return body


def address(request: Request, repo: Repo | None = None) -> str:
    """The Hub's own address as the sender knows it, or that of a repo's page."""
    base = str(request.base_url).rstrip("/")
    return f"{base}/{repo.prefix}{repo.id}" if repo else base


Who = Annotated[Account, Depends(identified)]
Stored = Annotated[Store, Depends(store_of)]
Readable = Annotated[Repo, Depends(readable)]
Writable = Annotated[Repo, Depends(writable)]
Revision = Annotated[str, Depends(revision)]
At = Annotated[Commit, Depends(commit_of)]
Body = Annotated[dict[str, Any], Depends(json_object)]
