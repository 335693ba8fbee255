"""Routes about accounts, repos, revisions and tags."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse

from cxr.local_hub.access import (
    PULL_REQUESTS,
    ReadableCommit,
    ReadableRepo,
    Sender,
    TheStore,
    WritableRepo,
    kind_of,
    require_write,
)
from cxr.local_hub.errors import HubError, repo_not_found
from cxr.local_hub.storage import Commit, File, Repo

router = APIRouter()
REPO = "/api/{kind}/{namespace}/{name}"
Answer = dict[str, Any]


@router.get("/api/whoami-v2")
def whoami(sender: Sender) -> Answer:
    """The account of the sender's token."""
    token = {"type": "access_token", "accessToken": {"displayName": "embedded Hub", "role": sender["role"]}}
    organisations = [{"type": "org", "name": name} for name in sender["orgs"]]
    return {"type": "user", "name": sender["name"], "orgs": organisations, "auth": token}


@router.post("/api/validate-yaml")
def validate_yaml() -> Answer:
    """Whether a README can be pushed: always. Asked before every commit that writes one."""
    return {"errors": [], "warnings": []}


class NewRepo(BaseModel):
    """A request for a new repo; without an organisation it belongs to the sender."""

    name: str
    organization: str | None = None
    type: Literal["model", "dataset", "space"] = "model"
    visibility: Literal["public", "private"] = "public"
    sdk: str | None = None


@router.post("/api/repos/create")
def create(request: Request, new: NewRepo, sender: Sender, store: TheStore) -> JSONResponse:
    """A new repo; if it exists, 409 with its address, which clients with `exist_ok` read."""
    namespace = new.organization or sender["name"]
    require_write(sender, namespace)
    private = new.visibility == "private"
    try:
        return JSONResponse(_address(request, store.create(new.type, namespace, new.name, private, new.sdk)))
    except HubError as error:
        if error.status != 409:
            raise
        existing = store.repo(new.type, namespace, new.name)
        return JSONResponse({"error": str(error)} | _address(request, existing), 409)


def _address(request: Request, repo: Repo) -> Answer:
    return {"url": f"{request.base_url}{repo.address}", "name": repo.id, "id": repo.id}


@router.get("/api/{kind}/{name}")
def without_namespace(request: Request, name: str) -> None:
    """A repo without a namespace: there is none here."""
    kind_of(request)
    raise repo_not_found(name)


@router.get(REPO)
@router.get(REPO + "/revision/{revision:path}")
def info(repo: ReadableRepo, commit: ReadableCommit, blobs: bool = False) -> Answer:
    """A repo at a commit; with `blobs` each file's size and content ids."""
    return {
        "id": repo.id,
        "author": repo.namespace,
        "sha": commit.id,
        "lastModified": commit.date,
        "private": repo.meta["private"],
        "tags": [],
        "sdk": repo.meta["sdk"],
        "siblings": [_sibling(path, file, blobs) for path, file in sorted(commit.files.items())],
    }


def _sibling(path: str, file: File, blobs: bool) -> Answer:
    if not blobs:
        return {"rfilename": path}
    return {"rfilename": path, "size": file.size, "blobId": file.oid} | lfs_fields(file)


def lfs_fields(file: File) -> Answer:
    """How the Hub marks an LFS file: its SHA-256 (under both names in use) and the bytes of content and pointer."""
    fields = {"oid": file.sha256, "sha256": file.sha256, "size": file.size, "pointerSize": len(file.pointer)}
    return {"lfs": fields} if file.lfs else {}


@router.get(REPO + "/refs")
def refs(repo: ReadableRepo) -> Answer:
    """Branches and tags with the commits they name."""
    meta = repo.meta
    return {"branches": _refs("heads", meta["branches"]), "tags": _refs("tags", meta["tags"]), "converts": []}


def _refs(folder: str, commits: Mapping[str, str]) -> list[Answer]:
    return [{"name": name, "ref": f"refs/{folder}/{name}", "targetCommit": sha} for name, sha in commits.items()]


@router.get(REPO + "/commits/{revision}")
def commits(repo: ReadableRepo, revision: str) -> list[Answer]:
    """The history of a revision, newest first."""
    return [_listed(commit) for commit in repo.log(revision)]


def _listed(commit: Commit) -> Answer:
    authors = [{"user": commit.author}]
    return {"id": commit.id, "title": commit.title, "message": commit.message, "date": commit.date, "authors": authors}


@router.get(REPO + "/discussions")
def discussions(repo: ReadableRepo, author: str | None = None) -> Answer:
    """The pull requests, all of which stay open here, on one page."""
    listed = [_proposal(repo, reference) for reference in repo.pulls]
    found = [proposal for proposal in listed if author in (None, proposal["author"]["name"])]
    return {"discussions": found, "count": len(found), "start": 0}


def _proposal(repo: Repo, reference: str) -> Answer:
    commit = repo.resolve(reference)
    return {
        "num": int(reference.removeprefix(PULL_REQUESTS)),
        "title": commit.title,
        "author": {"name": commit.author},
        "createdAt": commit.date,
        "status": "open",
        "isPullRequest": True,
        "repo": {"name": repo.id, "type": repo.kind},
    }


@router.post(REPO + "/tag/{revision}")
def create_tag(repo: WritableRepo, revision: str, tag: Annotated[str, Body(embed=True)]) -> Answer:
    """Tag a revision."""
    repo.add_tag(tag, revision)
    return {}
