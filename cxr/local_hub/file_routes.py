"""Routes that list and change the files of a repo: tree, paths-info, preupload, commit."""

import base64
import codecs
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from cxr.local_hub import cards, history
from cxr.local_hub.dependencies import At, Body, Readable, Revision, Stored, Who, Writable, address, part
from cxr.local_hub.errors import HubError, entry_not_found
from cxr.local_hub.history import Change, Commit, File
from cxr.local_hub.repo_routes import REPO
from cxr.local_hub.store import LFS_SUFFIXES, Store

router = APIRouter()
_REGULAR_AT_MOST = 10 * 2**20
"""Bytes: larger files go to LFS whatever they hold, as on the Hub."""


@router.get(REPO + "/tree/{revision}")
@router.get(REPO + "/tree/{revision}/{path:path}")
def tree(request: Request, repo: Readable, commit: At) -> list[dict[str, Any]]:
    """What a folder holds, or with `recursive` everything below it; with `expand` each file's last commit."""
    path = part(request, "path").strip("/")
    names = sorted(history.folders(commit.files) | commit.files.keys())
    inside = f"{path}/" if path else ""
    if path and path not in history.folders(commit.files):
        raise entry_not_found(path, commit.id)
    below = [name for name in names if name.startswith(inside)]
    if not _flag(request, "recursive"):
        below = [name for name in below if "/" not in name[len(inside) :]]
    found = cards.entries(commit, below)
    return _dated(found, list(repo.log(commit.id))) if _flag(request, "expand") else found


def _flag(request: Request, name: str) -> bool:
    return request.query_params.get(name, "").lower() in ("true", "1")


def _dated(found: list[dict[str, Any]], log: list[Commit]) -> list[dict[str, Any]]:
    """Add to each file the commit that last changed it; `log` is newest first."""
    last: dict[str, Commit] = {}
    before: dict[str, File] = {}
    for commit in reversed(log):
        last |= {path: commit for path, file in commit.files.items() if before.get(path) != file}
        before = dict(commit.files)
    for entry in found:
        if commit := last.get(entry["path"]):
            entry["lastCommit"] = {"id": commit.id, "title": commit.title, "date": commit.date}
    return found


@router.post(REPO + "/paths-info/{revision}")
async def paths_info(request: Request, commit: At) -> list[dict[str, Any]]:
    """The named files and folders; those that are not there are left out."""
    body = (await request.body()).decode("utf-8", "replace")
    if "json" in request.headers.get("content-type", ""):
        paths = json.loads(body).get("paths", [])
    else:
        paths = parse_qs(body).get("paths", [])
    return cards.entries(commit, [str(path).strip("/") for path in paths])


@router.post(REPO + "/preupload/{revision}")
def preupload(request: Request, repo: Writable, revision: Revision, body: Body) -> dict[str, Any]:
    """For each file about to come: by which way, and what lies at its path now."""
    _no_pull_requests(request)
    head = repo.head(revision)
    return {"files": [_planned(file, head) for file in body.get("files", [])]}


def _planned(file: dict[str, Any], head: Commit) -> dict[str, Any]:
    path = history.checked_path(file.get("path"))
    there = head.files.get(path)
    mode = "lfs" if _is_large(path, file) else "regular"
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": there.etag if there else None}


def _is_large(path: str, file: dict[str, Any]) -> bool:
    """LFS takes what is named as binary, is big, or whose first bytes are no text."""
    sample = base64.b64decode(file.get("sample", ""))
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return True
    return path.lower().endswith(LFS_SUFFIXES) or int(file.get("size", 0)) > _REGULAR_AT_MOST or b"\0" in sample


def _no_pull_requests(request: Request) -> None:
    if request.query_params.get("create_pr"):
        raise HubError(400, "The embedded Hub has no pull requests: commit to a branch")


@router.post(REPO + "/commit/{revision}")
async def commit(request: Request, repo: Writable, revision: Revision, who: Who, store: Stored) -> dict[str, Any]:
    """One commit from lines of JSON: a header, then a line for each file written or deleted."""
    _no_pull_requests(request)
    header: dict[str, Any] = {}
    changes: list[Change] = []
    async for line in _lines(request):
        key, value = _item(line)
        if key == "header":
            header = value
        else:
            changes.append(await run_in_threadpool(_change, store, key, value))
    words = {"title": _text(header, "summary"), "message": _text(header, "description"), "author": who["name"]}
    if not words["title"]:
        raise HubError(400, "A commit needs a header with a summary")
    made = await run_in_threadpool(repo.commit, revision, changes, header.get("parentCommit"), **words)
    return {"success": True, "commitUrl": f"{address(request, repo)}/commit/{made.id}", "commitOid": made.id}


def _text(header: dict[str, Any], key: str) -> str:
    return str(header.get(key) or "")


async def _lines(request: Request) -> AsyncIterator[bytes]:
    """The body's lines as they arrive, so that only one file at a time is in memory."""
    pieces: list[bytes] = []
    async for chunk in request.stream():
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield b"".join([*pieces, end])
            pieces = []
        pieces.append(rest)
    if any(pieces):
        yield b"".join(pieces)


def _item(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        item = json.loads(line)
        return item["key"], dict(item["value"])
    except (ValueError, KeyError, TypeError):
        raise HubError(400, 'A commit is made of lines like {"key": …, "value": {…}}') from None


def _change(store: Store, key: str, value: dict[str, Any]) -> Change:
    path = str(value.get("path"))
    path = history.checked_path(path.removesuffix("/") if key == "deletedFolder" else path)
    if key == "file":
        return Change(path, store.keep(_decoded(value)))
    if key == "lfsFile":
        return Change(path, store.kept(value.get("oid"), value.get("size")))
    if key in ("deletedFile", "deletedFolder"):
        return Change(path, folder=key == "deletedFolder")
    raise HubError(400, f"Unknown step of a commit: {key!r}")


def _decoded(value: dict[str, Any]) -> bytes:
    content = str(value.get("content", ""))
    if value.get("encoding") != "base64":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except ValueError:
        raise HubError(400, f"The content of {value['path']} is no base64") from None
