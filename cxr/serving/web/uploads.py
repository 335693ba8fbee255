"""What visitors upload: kept where nobody else gets at it, and deleted once it is answered.

Left alone, gradio keeps an upload at an address for as long as its clean-up says, forgets one whose sender hung up
half-way, and gives the same bytes from two visitors one file. Here all lie in a folder of this process; the page takes
each out of it, to a name nobody can guess, before it is read; and the clean-up goes through whatever else is left.
"""

import atexit
import os
import secrets
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import ListFiles
from gradio_client.utils import is_http_url_like

from cxr.serving.web.upload_files import Upload

MAX_FILE_SIZE = "50 MB"
MAX_BYTES = 50 << 20
"""The same in bytes, as gradio counts them."""

_PREFIX = "cxr-uploads-"
_LONG_GONE = 3600


@cache
def folder() -> Path:
    """This process's upload folder, readable by its user alone; gradio learns of it through the environment."""
    parent = Path(os.environ.get("GRADIO_TEMP_DIR") or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    _sweep(parent)
    made = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent)).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(made)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _sweep(parent: Path) -> None:
    """Delete what killed processes left; a living one has nothing as old as that."""
    for file in parent.glob(f"{_PREFIX}*/**/*"):
        with suppress(OSError):
            if file.is_file() and time.time() - file.stat().st_ctime > _LONG_GONE:
                file.unlink()


def keep(content: bytes) -> Path:
    """Write what came by another way than the upload route into the folder, under a name nobody can guess."""
    path = folder() / secrets.token_hex(16)
    path.write_bytes(content)
    return path


class Uploads:
    """Stands where gradio keeps the set of uploaded paths, and counts how often each was sent.

    The upload route, the clean-up and `take` touch the count on the event loop or after a file has gone, so that no
    two of them meet over one file.
    """

    def __init__(self, root: Path):
        self._root = root
        self._sent: Counter[str] = Counter()

    def update(self, paths: Iterable[str]) -> None:
        """The upload route adds what it has written."""
        self._sent.update(map(str, paths))

    def __iter__(self) -> Iterator[str]:
        """The clean-up asks for the candidates: all there is, what broke off half-way included."""
        return iter([str(path) for path in self._root.rglob("*") if path.is_file()])

    def __isub__(self, deleted: Iterable[str]) -> "Uploads":
        """The clean-up tells what it has deleted."""
        for path in deleted:
            self._sent.pop(path, None)
            _remove_if_empty(Path(path).parent, self._root)
        return self

    def take(self, path: str) -> Path:
        """Move an upload to a name of its own; it is copied while another visitor's same file has yet to be asked for.

        Raises:
            OSError: if it has gone.
        """
        taken = self._root / f"{secrets.token_hex(16)}{Path(path).suffix.lower()}"
        if self._sent[path] > 1:
            shutil.copyfile(path, taken)
            self._sent[path] -= 1
        else:
            os.replace(path, taken)
            self._sent.pop(path, None)
            _remove_if_empty(Path(path).parent, self._root)
        return taken


def _remove_if_empty(path: Path, root: Path) -> None:
    if path != root:
        with suppress(OSError):
            path.rmdir()


@contextmanager
def page(minutes: int, **options: Any) -> Iterator[gr.Blocks]:
    """A page to build on, whose uploads are gone after these minutes and one more, whatever became of them."""
    root = folder()
    blocks = gr.Blocks(delete_cache=(60, 60 * minutes), **options)
    blocks.upload_file_set = Uploads(root)
    with blocks:
        yield blocks
    blocks.temp_file_sets = [blocks.upload_file_set]  # its components' own would be walked while they grow


def file_input(**options: Any) -> gr.File:
    """A file component that hands over the bytes as they came and takes no URL, so the server fetches nothing.

    `gr.Image` would turn 16-bit pictures white and meet a text file with a stack trace.
    """
    component = gr.File(**({"type": "binary", "label": "Chest X-ray"} | options))
    move = component.async_move_resource_to_block_cache

    async def uploads_only(path: Any) -> str | None:
        if is_http_url_like(str(path)):
            raise gr.Error("Send the file itself: addresses are not fetched.", print_exception=False)
        return await move(path)

    component.async_move_resource_to_block_cache = uploads_only
    return component


def files_input(uploads: Uploads, **options: Any) -> gr.File:
    """The page's upload box: one or many files, each taken out of the upload folder and handed over as an `Upload`."""
    component = file_input(type="filepath", file_count="multiple", **options)
    move = component.async_move_resource_to_block_cache

    async def taken(path: Any) -> str:
        try:
            return str(uploads.take(await move(path)))
        except OSError as error:
            raise gr.Error("The upload has been deleted already: send it again.", print_exception=False) from error

    def preprocess(payload: ListFiles | None) -> list[Upload]:
        return [Upload(Path(file.path), file.orig_name or Path(file.path).name) for file in payload or ()]

    component.async_move_resource_to_block_cache = taken
    component.preprocess = preprocess
    return component
