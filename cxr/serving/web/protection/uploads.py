"""Visitors' files: how much one request may hold, where files are stored, how long, and which images are in them.

All lie in one folder of this process, each under a name that cannot be guessed. The page deletes its uploads as soon as
they are answered, and everything else is deleted after a few minutes, uploads that broke off included.
"""

import atexit
import json
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cxr.errors import UnreadableImage, UserError
from cxr.imaging.files.zip_files import close_kept, open_zip, too_many
from cxr.serving.input_files import ImageFile, find
from cxr.serving.web.background import repeated
from cxr.serving.web.protection.limits import MAX_FILE_SIZE, MAX_IMAGES, OTHER_REQUEST_BYTES, UPLOAD_REQUEST_BYTES

KEPT_SECONDS = 600
CHECK_SECONDS = 60

TOO_LARGE_MARK = b"cxr: this file was larger than the page takes\n"
"""What the page's script sends in place of a file over the limit, so that the file is reported like any other."""

_REQUEST_TOO_LARGE = "The request is too large: send fewer files."
_CONTENT_TOO_LARGE = 413

_PREFIX = "cxr-uploads-"
_MAX_ENTRIES = 2000
_MAX_NAME = 200


@cache
def folder() -> Path:
    """This process's upload folder, readable by its user alone; gradio learns of it through the environment."""
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    for left in parent.glob(f"{_PREFIX}*.lock"):
        _delete_abandoned(left.with_suffix(""))
    created = parent.resolve() / f"{_PREFIX}{secrets.token_hex(8)}"
    lock = _lock_of(created)
    lock.acquire(timeout=0)  # before the folder is there, so that no other start takes it for abandoned
    created.mkdir(mode=0o700)
    os.environ["GRADIO_TEMP_DIR"] = str(created)
    atexit.register(_delete, created, lock)
    return created


def _lock_of(folder: Path) -> FileLock:
    """The lock that a running process holds on its folder, and that a killed one has lost."""
    return FileLock(folder.with_name(f"{folder.name}.lock"), mode=0o600, is_singleton=False)


def _delete_abandoned(folder: Path) -> None:
    """Delete the folder of a process that was killed, at once."""
    lock = _lock_of(folder)
    with suppress(Timeout, OSError):
        lock.acquire(timeout=0)
        _delete(folder, lock)


def _delete(folder: Path, lock: FileLock) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.release(force=True)
    Path(lock.lock_file).unlink(missing_ok=True)


def delete_old_files(root: Path, seconds: float) -> None:
    """Delete the files below a folder that are older than this."""
    for file in root.rglob("*"):
        with suppress(OSError):
            if file.is_file() and time.time() - file.stat().st_ctime > seconds:
                file.unlink()
    close_kept()


def clean_up() -> AbstractAsyncContextManager[None]:
    """Delete old files in the background, once a minute, while the server runs."""
    return repeated(lambda: delete_old_files(folder(), KEPT_SECONDS), CHECK_SECONDS)


def new_path(suffix: str = "") -> Path:
    """A path in the folder that cannot be guessed."""
    return folder() / f"{secrets.token_hex(16)}{suffix}"


class RequestSizeLimit:
    """ASGI middleware that ends a request with one line once its body is too large, whatever length it states.

    gradio limits the size of single files, but a request may hold any number of them.
    """

    def __init__(self, app: ASGIApp, upload_bytes: int = UPLOAD_REQUEST_BYTES, other_bytes: int = OTHER_REQUEST_BYTES):
        self._app = app
        self._upload_bytes = upload_bytes
        self._other_bytes = other_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._upload_bytes if scope["path"].endswith("/upload") else self._other_bytes
        if int(Headers(scope=scope).get("content-length", 0)) > limit:
            await PlainTextResponse(_REQUEST_TOO_LARGE, _CONTENT_TOO_LARGE)(scope, receive, send)
            return
        received = 0

        async def receive_counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                raise HTTPException(_CONTENT_TOO_LARGE, _REQUEST_TOO_LARGE)
            return message

        await self._app(scope, receive_counted, send)


class UniqueUploads:
    """ASGI middleware that moves every upload to a path of its own and answers with that.

    gradio names an upload by its content, so that two visitors with the same file would get one path, and the first
    answer would delete the second visitor's upload. gradio writes the file, and the response passes here, without
    giving way to another request in between: no other upload can take its place before it is moved.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not scope["path"].endswith("/upload"):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def send_new_paths(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                start = message  # held back until the new length is known
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            content = _move_all(body) if start["status"] == 200 else bytes(body)
            MutableHeaders(scope=start)["content-length"] = str(len(content))
            await send(start)
            await send({"type": "http.response.body", "body": content})

        await self._app(scope, receive, send_new_paths)


def _move_all(response: bytes | bytearray) -> bytes:
    """The upload route's response, a JSON list of paths, with each file moved and its new path in the list."""
    paths = [Path(path) for path in json.loads(response)]
    moved = []
    for index, path in enumerate(paths):
        moved.append(new_path(path.suffix.lower()))
        if path in paths[index + 1 :]:  # the same file twice in one request
            shutil.copyfile(path, moved[-1])
        else:
            os.replace(path, moved[-1])
            with suppress(OSError):
                path.parent.rmdir()
    return json.dumps([str(path) for path in moved]).encode()


@dataclass(frozen=True)
class Upload:
    """An uploaded file in the folder, or an entry of an uploaded zip, with the visitor's name for it."""

    path: Path
    name: str
    entry: str = ""
    entry_name: str = ""

    @classmethod
    def from_gradio(cls, file: dict[str, Any]) -> "Upload":
        """From a `gradio.FileData` as a dictionary, whose path gradio has found to be in the upload folder."""
        return cls(Path(file["path"]), file.get("orig_name") or Path(file["path"]).name)

    def __str__(self) -> str:
        """The name, shortened in the middle if it would fill the page."""
        full = f"{self.name}/{self.entry_name}" if self.entry else self.name
        half = _MAX_NAME // 2
        return full if len(full) <= _MAX_NAME else f"{full[:half]}…{full[-half:]}"

    def read(self) -> bytes:
        """Its content.

        Raises:
            UnreadableImage: if it cannot be read, or was too large to be sent.
        """
        if self.entry:
            return ImageFile(self.path, self.entry, self.entry_name).read()
        try:
            content = self.path.read_bytes()
        except FileNotFoundError as error:
            raise UnreadableImage("cannot be opened: it has been deleted already, send it again") from error
        except OSError as error:
            raise UnreadableImage(f"cannot be opened ({error.strerror})") from error
        if content == TOO_LARGE_MARK:
            raise UnreadableImage(f"is larger than {MAX_FILE_SIZE}")
        return content

    def delete(self) -> None:
        """Delete the file if it is still there."""
        with suppress(OSError):
            self.path.unlink()
        close_kept()


def images_in(uploads: Sequence[Upload]) -> list[Upload]:
    """The images among the uploads and in uploaded zips, in order.

    Raises:
        UserError: if there are none, or more than the page answers at a time.
    """
    images = [image for upload in uploads for image in _expand(upload)]
    if not images:
        raise UserError("no file was given: send one image, or several")
    if len(images) > MAX_IMAGES:
        raise UserError(
            f"more than {MAX_IMAGES} images were given, the most that this page answers at a time: send fewer, or use "
            "`python predict.py`, which has no limit"
        )
    return images


def _expand(upload: Upload) -> list[Upload]:
    """The images in a zip; a zip that cannot be read or holds none is treated as one file, which is not an image."""
    if upload.path.suffix != ".zip":
        return [upload]
    try:
        open_zip(upload.path, _MAX_ENTRIES).close()
    except UnreadableImage as error:
        if error.reason == too_many(_MAX_ENTRIES):
            raise UserError(f"{upload} {error.reason}: send one with fewer") from error
        return [upload]
    images = [Upload(upload.path, upload.name, image.entry, image.name) for image in find([str(upload.path)])]
    return images or [upload]
