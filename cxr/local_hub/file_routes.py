"""Routes about files: listings, uploads in one commit (large files through LFS), and downloads with ranges."""

import codecs
import json
from base64 import b64decode
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends
from pydantic import Base64Bytes, BaseModel
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cxr.local_hub.access import ChangeableRepo, ReadableCommit, Sender, TheStore, WritableRepo
from cxr.local_hub.errors import HubError, entry_not_found
from cxr.local_hub.repo_routes import REPO, Answer, lfs_fields
from cxr.local_hub.storage import LFS_SUFFIXES, Commit, File, Message, Store

router = APIRouter()
_LFS_BATCH = "/{namespace}/{name}.git/info/lfs/objects/batch"
_FILE = "/{namespace}/{name}/resolve/{revision}/{path:path}"
_REGULAR_AT_MOST = 10 * 2**20
"""Bytes: larger files go through LFS whatever they hold, as on the Hub."""


@router.get(REPO + "/tree/{revision}")
@router.get(REPO + "/tree/{revision}/{path:path}")
def tree(commit: ReadableCommit, path: str = "", recursive: bool = False) -> list[Answer]:
    """What a folder contains; with `recursive` everything below it."""
    inside = f"{path}/" if path else ""
    below = {name.removeprefix(inside): file for name, file in commit.files.items() if name.startswith(inside)}
    if not below:
        raise entry_not_found(path)
    parts = [name.split("/") for name in below]
    folders = {"/".join(part[:depth]) for part in parts for depth in range(1, len(part))}
    names = sorted(folders | below.keys())
    return [_entry(inside + name, below.get(name)) for name in names if recursive or "/" not in name]


def _entry(path: str, file: File | None) -> Answer:
    """A file, or without one a folder, as the Hub lists it."""
    if file is None:
        return {"type": "directory", "path": path, "size": 0, "oid": ""}
    return {"type": "file", "path": path, "size": file.size, "oid": file.oid} | lfs_fields(file)


class Announced(BaseModel):
    """A file that is about to be uploaded: its path, size in bytes, and first bytes."""

    path: str
    size: int
    sample: Base64Bytes = b""


@router.post(REPO + "/preupload/{revision:path}")
def preupload(
    repo: ChangeableRepo, revision: str, files: Annotated[list[Announced], Body(embed=True)]
) -> dict[str, list[Answer]]:
    """For each file that is about to be uploaded: by which way, and the id of what its path holds now."""
    head = repo.resolve(revision)
    return {"files": [_planned(file, head) for file in files]}


def _planned(file: Announced, head: Commit) -> Answer:
    existing = head.files.get(_checked_path(file.path))
    oid = existing.etag if existing else None
    mode = "lfs" if _is_large(file) else "regular"
    return {"path": file.path, "uploadMode": mode, "shouldIgnore": False, "oid": oid}


def _is_large(file: Announced) -> bool:
    """Whether a file goes through LFS: by its suffix, its size, or because its first bytes are not text."""
    try:
        codecs.getincrementaldecoder("utf-8")().decode(file.sample)  # the sample may end inside a character
    except UnicodeDecodeError:
        return True
    return file.path.endswith(LFS_SUFFIXES) or file.size > _REGULAR_AT_MOST or b"\0" in file.sample


class LfsObject(BaseModel):
    """A large file's SHA-256 and size in bytes."""

    oid: str
    size: int


@router.post("/{kind}" + _LFS_BATCH)
@router.post(_LFS_BATCH)
def lfs_batch(
    request: Request, repo: WritableRepo, store: TheStore, objects: Annotated[list[LfsObject], Body(embed=True)]
) -> Answer:
    """Where to upload the announced contents; those that are stored already need not be sent."""
    upload = {
        item.oid: {"actions": {"upload": {"href": f"{request.base_url}lfs/{item.oid}"}}}
        for item in objects
        if not store.blobs.has(item.oid, item.size)
    }
    return {
        "transfer": "basic",
        "objects": [{"oid": item.oid, "size": item.size} | upload.get(item.oid, {}) for item in objects],
    }


@router.put("/lfs/{oid}")
async def lfs_upload(request: Request, oid: str, store: TheStore) -> Response:
    """Receive a content in chunks, so that it is never held in memory; 400 unless it is the one announced."""
    with store.blobs.receive(oid) as file:
        async for chunk in request.stream():
            file.write(chunk)
    return Response()


async def _body(request: Request) -> bytes:
    return await request.body()


@router.post(REPO + "/commit/{revision:path}")
def commit(
    request: Request,
    repo: ChangeableRepo,
    revision: str,
    sender: Sender,
    store: TheStore,
    body: Annotated[bytes, Depends(_body)],
    create_pr: bool = False,
) -> Answer:
    """One commit from lines of JSON: a header, and a line for each file that is written or deleted."""
    try:
        lines = [json.loads(line) for line in body.splitlines()]
        (header,) = (line["value"] for line in lines if line["key"] == "header")
        changes = dict(_change(store, line["key"], line["value"]) for line in lines if line["key"] != "header")
        about = Message(header["summary"], header.get("description", ""), sender["name"])
        parent = header.get("parentCommit", "")
    except (ValueError, KeyError, TypeError) as error:
        raise HubError(400, f"Malformed commit: {error!r}") from None
    address, proposed = f"{request.base_url}{repo.address}", {}
    if create_pr:
        number, made = repo.pull_request(changes, about, parent or revision)
        proposed = {"pullRequestUrl": f"{address}/discussions/{number}"}
    else:
        made = repo.commit(revision, changes, about, parent)
    return {"success": True, "commitUrl": f"{address}/commit/{made.id}", "commitOid": made.id} | proposed


def _change(store: Store, key: str, value: dict[str, Any]) -> tuple[str, File | None]:
    """A path and its new file, None if it is deleted."""
    path = _checked_path(value["path"])
    if key == "file":
        return path, store.add_regular(b64decode(value["content"], validate=True))
    if key == "lfsFile":
        return path, store.uploaded(value["oid"], value["size"])
    if key == "deletedFile":
        return path, None
    raise HubError(400, f"Unknown step of a commit: {key!r}")


def _checked_path(path: str) -> str:
    """The path if it stays inside the folder that a client downloads it to, else 400."""
    if {"", ".", "..", ".git"} & set(path.split("/")) or "\\" in path:
        raise HubError(400, f"Invalid path in repo: {path!r}")
    return path


@router.api_route("/{kind}" + _FILE, methods=["GET", "HEAD"])
@router.api_route(_FILE, methods=["GET", "HEAD"])
def resolve(commit: ReadableCommit, path: str, store: TheStore) -> FileResponse:
    """A file at a revision, complete or the range asked for."""
    file = commit.files.get(path)
    if file is None:
        raise entry_not_found(path)
    headers = {"ETag": f'"{file.etag}"', "X-Repo-Commit": commit.id}
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    return FileResponse(store.blobs.path(file.sha256), headers=headers, media_type="application/octet-stream")
