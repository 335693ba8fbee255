"""Routes about repos as a whole: who am I, create, delete, list, describe, references."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse

from cxr.local_hub import access, cards
from cxr.local_hub.dependencies import At, Body, Readable, Revision, Stored, Who, Writable, account, address, part
from cxr.local_hub.errors import HubError, repo_not_found
from cxr.local_hub.history import Commit
from cxr.local_hub.store import Repo

router = APIRouter()
REPO = "/api/{kind:kind}/{namespace}/{name}"


@router.get("/api/whoami-v2")
def whoami(who: Who) -> dict[str, Any]:
    """The account of the sender's token."""
    return access.whoami(who)


@router.post("/api/validate-yaml")
def validate_yaml(body: Body) -> JSONResponse:
    """Whether a card can be pushed."""
    errors, warnings = cards.check(str(body.get("content", "")), body.get("repoType", "model"))
    found = {"errors": [{"message": text} for text in errors], "warnings": [{"message": text} for text in warnings]}
    return JSONResponse(found, 400 if errors else 200)


@router.post("/api/repos/create")
def create(request: Request, body: Body, who: Who, store: Stored) -> JSONResponse:
    """A new repo; for one that exists 409 with its address, which `exist_ok` clients read."""
    namespace, name, kind = _named(body, who)
    access.require_write(who, namespace)
    private = bool(body.get("private")) or body.get("visibility") == "private"
    try:
        status, repo = 200, store.create(kind, namespace, name, private, body.get("sdk"))
    except HubError as error:
        if error.status != 409:
            raise
        status, repo = 409, store.repo(kind, namespace, name)
    said = {"error": f"You already created this {kind} repo"} if status == 409 else {}
    return JSONResponse(said | {"url": address(request, repo), "name": repo.id, "id": repo.id}, status)


@router.delete("/api/repos/delete")
def delete(body: Body, who: Who, store: Stored) -> dict[str, Any]:
    """Remove a repo with its history."""
    namespace, name, kind = _named(body, who)
    access.require_write(who, namespace)
    store.delete(store.repo(kind, namespace, name))
    return {}


def _named(body: dict[str, Any], who: access.Account) -> tuple[Any, Any, str]:
    """Namespace, name and kind from a body; without an organisation the namespace is the sender's own."""
    return body.get("organization") or who["name"], body.get("name"), body.get("type") or "model"


@router.get("/api/{kind:kind}")
def listing(request: Request, store: Stored) -> list[dict[str, Any]]:
    """The repos the sender may see, most recently changed first; narrowed by author, search, filter and limit."""
    query, who = request.query_params, account(request)
    seen = [repo for repo in store.repos(request.path_params["kind"]) if _asked_for(repo, query)]
    seen = [repo for repo in seen if not repo.meta["private"] or access.owns(who, repo.namespace)]
    found = [cards.info(repo, repo.resolve("main"), store) for repo in seen]
    tags = query.getlist("filter") + query.getlist("pipeline_tag")
    found = [info for info in found if set(tags) <= set(info["tags"])]
    found.sort(key=lambda info: info["lastModified"], reverse=True)
    limit = query.get("limit", "")
    return found[: int(limit) if limit.isdecimal() else None]


def _asked_for(repo: Repo, query: Any) -> bool:
    author_fits = query.get("author") in (None, repo.namespace)
    return author_fits and query.get("search", "").lower() in repo.id.lower()


@router.get("/api/{kind:kind}/{name}")
@router.get("/api/{kind:kind}/{name}/revision/{revision}")
def nameless(request: Request) -> None:
    """A repo without a namespace: here every repo has one."""
    raise repo_not_found(part(request, "name"))


@router.get(REPO)
@router.get(REPO + "/revision/{revision}")
def describe(request: Request, repo: Readable, commit: At, store: Stored) -> dict[str, Any]:
    """A repo at a revision."""
    blobs = request.query_params.get("blobs", "").lower() in ("true", "1")
    return cards.info(repo, commit, store, sizes=blobs)


@router.get(REPO + "/auth-check")
def auth_check(repo: Readable) -> dict[str, Any]:
    """Whether the sender may read the repo."""
    return {}


@router.put(REPO + "/settings")
def settings(repo: Writable, body: Body) -> dict[str, Any]:
    """Change who may see a repo; the Hub's other settings have no meaning here."""
    visibility = body.get("visibility")
    if visibility not in ("public", "private"):
        raise HubError(400, "Only the visibility of a repo (public or private) can be changed here")
    repo.update(private=visibility == "private")
    return {}


@router.get(REPO + "/refs")
def refs(repo: Readable) -> dict[str, Any]:
    """Branches and tags with the commits they name."""
    meta = repo.meta
    listed = {
        key: [{"name": ref, "ref": f"refs/{folder}/{ref}", "targetCommit": sha} for ref, sha in meta[key].items()]
        for key, folder in (("branches", "heads"), ("tags", "tags"))
    }
    return listed | {"converts": [], "pullRequests": []}


@router.get(REPO + "/commits/{revision}")
def commits(repo: Readable, revision: Revision) -> list[dict[str, Any]]:
    """The history of a revision, newest first."""
    return [_commit(commit) for commit in repo.log(revision)]


def _commit(commit: Commit) -> dict[str, Any]:
    words = {"title": commit.title, "message": commit.message}
    return {"id": commit.id, **words, "date": commit.date, "authors": [{"user": commit.author}], "formatted": words}


@router.post(REPO + "/tag/{revision}")
def create_tag(repo: Writable, revision: Revision, body: Body) -> dict[str, Any]:
    """A tag on a revision."""
    repo.add_ref("tags", body.get("tag"), revision)
    return {}


@router.delete(REPO + "/tag/{revision}")
def delete_tag(repo: Writable, revision: Revision) -> dict[str, Any]:
    """Remove a tag."""
    repo.remove_ref("tags", revision)
    return {}


@router.post(REPO + "/branch/{revision}")
def create_branch(repo: Writable, revision: Revision, body: Body) -> dict[str, Any]:
    """A branch, from main unless the body names another starting point."""
    repo.add_ref("branches", revision, body.get("startingPoint") or "main")
    return {}


@router.delete(REPO + "/branch/{revision}")
def delete_branch(repo: Writable, revision: Revision) -> dict[str, Any]:
    """Remove a branch."""
    repo.remove_ref("branches", revision)
    return {}
