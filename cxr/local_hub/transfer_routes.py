"""Routes that move contents: the LFS batch and upload, and the download of any file at any revision."""

import hashlib
import hmac
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from cxr.local_hub.blobs import SHA256, Mismatch
from cxr.local_hub.dependencies import At, Body, Stored, Writable, address, part
from cxr.local_hub.errors import HubError, entry_not_found, repo_not_found

router = APIRouter()
_BATCH = "/{namespace}/{name}.git/info/lfs/objects/batch"
_FILE = "/resolve/{revision}/{path:path}"
_READ = ["GET", "HEAD"]


@router.post("/{kind:kind}" + _BATCH)
@router.post(_BATCH)
def batch(request: Request, repo: Writable, body: Body, store: Stored) -> dict[str, Any]:
    """Where to put the announced contents; those that are here need not be sent."""
    if body.get("operation") != "upload":
        raise HubError(400, "LFS here takes uploads; download through resolve")
    objects = [_checked(item) for item in body.get("objects", [])]
    return {"transfer": "basic", "objects": [_planned(request, oid, size, store) for oid, size in objects]}


def _checked(item: Any) -> tuple[str, int]:
    oid, size = (item.get("oid"), item.get("size")) if isinstance(item, dict) else (None, None)
    if not isinstance(oid, str) or not SHA256.fullmatch(oid) or not isinstance(size, int) or size < 0:
        raise HubError(422, f"No LFS object: {item!r}")
    return oid, size


def _planned(request: Request, oid: str, size: int, store: Stored) -> dict[str, Any]:
    if store.blobs.has(oid, size):
        return {"oid": oid, "size": size}
    href = f"{address(request)}/lfs/{oid}?size={size}&signature={_signature(request, oid, size)}"
    return {"oid": oid, "size": size, "authenticated": True, "actions": {"upload": {"href": href}}}


def _signature(request: Request, oid: str, size: int) -> str:
    """Lets the upload through without a token, which clients do not send to storage."""
    return hmac.new(request.app.state.secret, f"{oid} {size}".encode(), hashlib.sha256).hexdigest()


@router.put("/lfs/{oid}")
async def upload(request: Request, store: Stored) -> Response:
    """Take a content that a batch announced; 400 unless it is the one."""
    oid, size = part(request, "oid"), request.query_params.get("size", "")
    if not size.isdecimal() or not SHA256.fullmatch(oid):
        raise HubError(422, f"No LFS object: {oid!r} of {size!r} bytes")
    if not hmac.compare_digest(_signature(request, oid, int(size)), request.query_params.get("signature", "")):
        raise HubError(403, "This upload was not announced by an LFS batch")
    try:
        with store.blobs.receive(oid, int(size)) as incoming:
            async for chunk in request.stream():
                incoming.write(chunk)
    except Mismatch as error:
        raise HubError(400, f"Not the LFS object {oid} of {size} bytes: {error}") from None
    return Response()


@router.api_route("/{name}" + _FILE, methods=_READ)
def nameless(request: Request) -> None:
    """A file of a repo without a namespace: here every repo has one."""
    raise repo_not_found(part(request, "name"))


@router.api_route("/{kind:kind}/{namespace}/{name}" + _FILE, methods=_READ)
@router.api_route("/{namespace}/{name}" + _FILE, methods=_READ)
def resolve(request: Request, commit: At, store: Stored) -> FileResponse:
    """A file at a revision, whole or the range asked for, never interpreted by a browser."""
    path = part(request, "path")
    file = commit.files.get(path)
    if file is None:
        raise entry_not_found(path, commit.id)
    headers = {"ETag": f'"{file.etag}"', "X-Repo-Commit": commit.id, "X-Content-Type-Options": "nosniff"}
    if file.lfs:
        headers |= {"X-Linked-Etag": f'"{file.sha256}"', "X-Linked-Size": str(file.size)}
    headers["Content-Disposition"] = f"inline; filename*=UTF-8''{quote(path.rsplit('/', 1)[-1])}"
    return FileResponse(store.blobs.path(file.sha256), headers=headers, media_type="application/octet-stream")
