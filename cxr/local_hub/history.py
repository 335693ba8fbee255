"""What a commit is: a full listing of files by content, its parent, and an id that is a hash of all that."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from cxr.local_hub.errors import HubError, entry_not_found

_REF = re.compile(r"(?!.*(?:\.\.|//|\.lock$))\w[\w./+-]*(?<![./])", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x1f\\]|^[A-Za-z]:")
HEX = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class File:
    """A file's content: SHA-256 and size in bytes, its git object id, and whether the Hub keeps it in LFS."""

    sha256: str
    size: int
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        """What the client names its cached copy by, and compares before it uploads again."""
        return self.sha256 if self.lfs else self.oid


@dataclass(frozen=True)
class Change:
    """One step of a commit: a file written, or (without `file`) a file or a whole folder deleted."""

    path: str
    file: File | None = None
    folder: bool = False


@dataclass(frozen=True)
class Commit:
    """An immutable state of a repo; `files` maps paths to contents, `date` is ISO 8601 in UTC."""

    id: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: Mapping[str, File]


def git_oid(content: bytes) -> str:
    """The id git gives a blob of this content."""
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """The LFS pointer file that git would hold in place of the content (git-lfs specification v1)."""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (sha256.encode(), size)


def checked_path(path: Any) -> str:
    """A path inside a repo that cannot leave the folder a client downloads it to; else 400."""
    parts = path.split("/") if isinstance(path, str) else [".."]
    if any(p in ("", ".", "..") for p in parts) or parts[0] == ".git" or _UNSAFE.search(path):
        raise HubError(400, f"Invalid path in repo: {path!r}")
    return path


def checked_ref(name: Any) -> str:
    """A name for a branch or tag that git would take and that cannot be mistaken for a commit; else 400."""
    if not isinstance(name, str) or not _REF.fullmatch(name) or HEX.fullmatch(name) or name.startswith("refs/"):
        raise HubError(400, f"Invalid reference name: {name!r}")
    return name


def apply(files: Mapping[str, File], changes: Iterable[Change]) -> dict[str, File]:
    """The listing after the changes, made in their order.

    Raises:
        HubError: 404 for the deletion of what is not there, 400 where a file would also be a folder.
    """
    tree = dict(files)
    for change in changes:
        if change.file:
            tree[change.path] = change.file
            continue
        inside = change.path + "/"
        doomed = [p for p in tree if (p.startswith(inside) if change.folder else p == change.path)]
        if not doomed:
            raise entry_not_found(change.path)
        for path in doomed:
            del tree[path]
    clash = folders(tree) & tree.keys()
    if clash:
        raise HubError(400, f"Both a file and a folder: {min(clash)}")
    return tree


def folders(paths: Iterable[str]) -> set[str]:
    """Every folder above the given paths."""
    return {str(parent) for path in paths for parent in _parents(path)}


def _parents(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:depth]) for depth in range(1, len(parts))]


def sealed(**fields: Any) -> Commit:
    """A commit with its id: the SHA-1 of everything it says."""
    unnamed = Commit(id="", **fields)
    text = json.dumps(asdict(unnamed), sort_keys=True)
    return Commit(id=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), **fields)


def dump(commit: Commit) -> str:
    """As kept on disk."""
    return json.dumps(asdict(commit))


@lru_cache(maxsize=64)
def load(path: Path) -> Commit:
    """From disk; kept in memory, for a commit never changes."""
    fields = json.loads(path.read_text("utf-8"))
    return Commit(**fields | {"files": {name: File(**file) for name, file in fields["files"].items()}})
