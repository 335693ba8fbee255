"""File contents on disk, each kept once under its SHA-256 whatever repo, path or commit names it."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

SHA256 = re.compile(r"[0-9a-f]{64}")


class Mismatch(ValueError):
    """The bytes received are not the bytes announced."""


class Incoming:
    """Bytes on their way to disk: hashed as they arrive, so that no upload is ever held in memory."""

    def __init__(self, file: BinaryIO, limit: int | None = None):
        self._file, self._limit = file, limit
        self._digest, self.size = hashlib.sha256(), 0

    @property
    def sha256(self) -> str:
        """Of what has arrived so far."""
        return self._digest.hexdigest()

    def write(self, chunk: bytes) -> None:
        """Take the next bytes.

        Raises:
            Mismatch: if more arrive than were announced.
        """
        self.size += len(chunk)
        if self._limit is not None and self.size > self._limit:
            raise Mismatch(f"more than the announced {self._limit} bytes")
        self._digest.update(chunk)
        self._file.write(chunk)


class Blobs:
    """The folder of contents. A blob appears under its name complete or not at all."""

    def __init__(self, root: Path):
        self._root, self._partial = root / "blobs", root / "partial"
        shutil.rmtree(self._partial, ignore_errors=True)
        for folder in (self._root, self._partial):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where a content lies, or would lie.

        Raises:
            ValueError: if `sha256` is no lower-case hex digest.
        """
        if not SHA256.fullmatch(sha256):
            raise ValueError(f"{sha256!r} is no SHA-256 in lower-case hex")
        return self._root / sha256[:2] / sha256

    def has(self, sha256: str, size: int | None = None) -> bool:
        """Whether the content is here (and has that many bytes)."""
        path = self.path(sha256)
        return path.is_file() and size in (None, path.stat().st_size)

    def add(self, content: bytes) -> str:
        """Keep a small content and return its SHA-256."""
        with self.receive() as incoming:
            incoming.write(content)
        return incoming.sha256

    @contextmanager
    def receive(self, sha256: str | None = None, size: int | None = None) -> Iterator[Incoming]:
        """Receive a content chunk by chunk; on leaving it is kept if it is what was announced, else dropped.

        Raises:
            Mismatch: if digest or size differ from those announced.
        """
        handle, name = tempfile.mkstemp(dir=self._partial)
        try:
            with os.fdopen(handle, "wb") as file:
                incoming = Incoming(file, limit=size)
                yield incoming
            if sha256 not in (None, incoming.sha256) or size not in (None, incoming.size):
                raise Mismatch(f"received {incoming.size} bytes with SHA-256 {incoming.sha256}")
            target = self.path(incoming.sha256)
            target.parent.mkdir(exist_ok=True)
            os.replace(name, target)
        finally:
            Path(name).unlink(missing_ok=True)

    def remove(self, sha256: str) -> None:
        """Forget a content that nothing refers to any more."""
        self.path(sha256).unlink(missing_ok=True)
