"""Repos and file contents on disk, written atomically so that a killed Hub starts again undamaged."""

import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import IO, NamedTuple, NotRequired, TypedDict

from cxr.local_hub.errors import HubError, entry_not_found, repo_not_found, revision_not_found

KINDS = ("model", "dataset", "space")
LFS_SUFFIXES = (".safetensors", ".bin", ".parquet", ".arrow", ".zip", ".png", ".jpg")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"(?!.*(?:\.\.|--))[A-Za-z0-9_](?:[\w.-]{0,94}\w)?", re.ASCII)
_SHA = re.compile(r"[0-9a-f]{7,40}")


@dataclass(frozen=True)
class File:
    """A file's content: SHA-256 and size in bytes, its git object id, and whether the Hub keeps it in LFS."""

    sha256: str
    size: int
    oid: str
    lfs: bool

    @property
    def etag(self) -> str:
        """The name of the client's cached copy; also tells it whether an upload would change anything."""
        return self.sha256 if self.lfs else self.oid

    @property
    def pointer(self) -> bytes:
        """What git holds in place of an LFS content (git-lfs specification v1)."""
        return f"version https://git-lfs.github.com/spec/v1\noid sha256:{self.sha256}\nsize {self.size}\n".encode()


@dataclass(frozen=True)
class Commit:
    """An immutable state of a repo: `files` maps paths to contents, `date` is ISO 8601 in UTC."""

    id: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: Mapping[str, File]


class Message(NamedTuple):
    """What a commit says of itself, and who made it."""

    title: str
    message: str
    author: str


class Meta(TypedDict):
    """What changes about a repo: `repo.json`. Branches, tags and pull requests map names to full commit shas."""

    private: bool
    sdk: str | None
    branches: dict[str, str]
    tags: dict[str, str]
    pulls: NotRequired[dict[str, str]]


def _git_oid(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0%s" % (len(content), content), usedforsecurity=False).hexdigest()


def _new_commit(parent: Commit | None, about: Message, files: Mapping[str, File]) -> Commit:
    date = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    unnamed = Commit("", parent.id if parent else None, *about, date, files)
    text = json.dumps(asdict(unnamed), sort_keys=True)
    return replace(unnamed, id=hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


@lru_cache(maxsize=64)
def _load_commit(path: Path) -> Commit:
    """Read a commit; cached, because commits never change."""
    fields = json.loads(path.read_text("utf-8"))
    return Commit(**fields | {"files": {name: File(**file) for name, file in fields["files"].items()}})


def _write_atomically(path: Path, content: object) -> None:
    """Write JSON so that readers see the old content or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        json.dump(content, file)
    os.replace(name, path)


class Blobs:
    """File contents, each stored once under its SHA-256; it appears under that name completely or not at all."""

    def __init__(self, root: Path):
        self._root, self._partial = root / "blobs", root / "partial"
        shutil.rmtree(self._partial, ignore_errors=True)
        for folder in (self._root, self._partial):
            folder.mkdir(parents=True, exist_ok=True)

    def path(self, sha256: str) -> Path:
        """Where the content with this digest is, or would be, stored.

        Raises:
            HubError: 400 if it is not a SHA-256 in lower-case hex.
        """
        if not _SHA256.fullmatch(sha256):
            raise HubError(400, f"{sha256!r} is not a SHA-256 in lower-case hex")
        return self._root / sha256[:2] / sha256

    def has(self, sha256: str, size: int) -> bool:
        """Whether the content is stored, with that many bytes."""
        path = self.path(sha256)
        return path.is_file() and path.stat().st_size == size

    def add(self, content: bytes) -> str:
        """Store a small content; returns its SHA-256."""
        sha256 = hashlib.sha256(content).hexdigest()
        with self.receive(sha256) as file:
            file.write(content)
        return sha256

    @contextmanager
    def receive(self, sha256: str) -> Iterator[IO[bytes]]:
        """A file to write a content to; at the end of the block it is stored if it has the announced digest.

        Raises:
            HubError: 400 if it has another digest; nothing is stored.
        """
        target = self.path(sha256)
        with tempfile.NamedTemporaryFile(dir=self._partial, delete=False) as file:
            try:
                yield file.file
                file.seek(0)
                received = hashlib.file_digest(file, "sha256").hexdigest()
                if received != sha256:
                    raise HubError(400, f"Not the content {sha256}, but {file.tell()} bytes with SHA-256 {received}")
                target.parent.mkdir(exist_ok=True)
                os.replace(file.name, target)
            finally:
                Path(file.name).unlink(missing_ok=True)


class Repo:
    """One repo in its folder: `repo.json` and `commits/<sha>.json`."""

    def __init__(self, folder: Path, kind: str, lock: threading.RLock):
        self.folder, self.kind, self._lock = folder, kind, lock
        self.namespace, self.name = folder.parts[-2:]
        self.id = f"{self.namespace}/{self.name}"
        self.address = self.id if kind == "model" else f"{kind}s/{self.id}"

    @property
    def meta(self) -> Meta:
        """The current visibility, branches and tags."""
        return json.loads((self.folder / "repo.json").read_text("utf-8"))

    @property
    def pulls(self) -> dict[str, str]:
        """The newest commit's sha of each pull request, by its reference `refs/pr/NUMBER`."""
        return self.meta.get("pulls", {})

    def write_meta(self, meta: Meta) -> None:
        """Replace `meta`."""
        _write_atomically(self.folder / "repo.json", meta)

    def write_commit(self, commit: Commit) -> None:
        """Store a commit; no branch names it yet."""
        (self.folder / "commits").mkdir(parents=True, exist_ok=True)
        _write_atomically(self.folder / "commits" / f"{commit.id}.json", asdict(commit))

    def resolve(self, revision: str) -> Commit:
        """The commit of a branch, tag, full or short sha.

        Raises:
            HubError: 404 if there is none, or more than one.
        """
        meta, commits = self.meta, self.folder / "commits"
        sha = meta["branches"].get(revision) or meta["tags"].get(revision) or self.pulls.get(revision)
        if sha:
            return _load_commit(commits / f"{sha}.json")
        matching = list(commits.glob(f"{revision}*.json")) if _SHA.fullmatch(revision) else []
        if len(matching) != 1:
            raise revision_not_found(revision)
        return _load_commit(matching[0])

    def log(self, revision: str) -> Iterator[Commit]:
        """The commit and its ancestors, newest first."""
        commit = self.resolve(revision)
        yield commit
        while commit.parent:
            commit = self.resolve(commit.parent)
            yield commit

    def commit(self, branch: str, changes: Mapping[str, File | None], about: Message, parent: str = "") -> Commit:
        """Write (File) and delete (None) files on top of a branch or pull request, one commit after another.

        Raises:
            HubError: 404 if there is no such branch, or no such file to delete; 412 if the branch is not at `parent`.
        """
        with self._lock:
            meta = self.meta
            is_proposal = branch in self.pulls
            if not is_proposal and branch not in meta["branches"]:
                raise revision_not_found(branch)
            head = self.resolve(branch)
            if parent and not head.id.startswith(parent):
                raise HubError(412, "A commit has happened since. Please refresh and try again.")
            made = self._make(head, changes, about)
            if is_proposal:
                self.write_meta(meta | {"pulls": self.pulls | {branch: made.id}})
            else:
                self.write_meta(meta | {"branches": meta["branches"] | {branch: made.id}})
        return made

    def pull_request(self, changes: Mapping[str, File | None], about: Message, parent: str) -> tuple[int, Commit]:
        """Propose changes to a commit: the pull request's number, and the commit that `refs/pr/NUMBER` then names.

        Raises:
            HubError: 404 if there is no such parent, or no such file to delete.
        """
        with self._lock:
            meta = self.meta
            made = self._make(self.resolve(parent), changes, about)
            number = len(self.pulls) + 1
            self.write_meta(meta | {"pulls": self.pulls | {f"refs/pr/{number}": made.id}})
        return number, made

    def _make(self, head: Commit, changes: Mapping[str, File | None], about: Message) -> Commit:
        made = _new_commit(head, about, _changed(head.files, changes))
        self.write_commit(made)
        return made

    def add_tag(self, name: str, revision: str) -> None:
        """Tag a revision.

        Raises:
            HubError: 409 if there is such a tag, 404 if there is no such revision.
        """
        with self._lock:
            meta = self.meta
            if name in meta["tags"]:
                raise HubError(409, f"Tag {name} exists already")
            self.write_meta(meta | {"tags": meta["tags"] | {name: self.resolve(revision).id}})


def _changed(files: Mapping[str, File], changes: Mapping[str, File | None]) -> dict[str, File]:
    missing = [path for path, file in changes.items() if file is None and path not in files]
    if missing:
        raise entry_not_found(missing[0])
    return {path: file for path, file in (dict(files) | dict(changes)).items() if file is not None}


class Store:
    """All repos and contents below one folder."""

    def __init__(self, root: Path):
        self.root, self._lock, self.blobs = root, threading.RLock(), Blobs(root)
        for kind in KINDS:
            (root / f"{kind}s").mkdir(exist_ok=True)

    def repo(self, kind: str, namespace: str, name: str) -> Repo:
        """The repo; names that cannot be folders are not looked up.

        Raises:
            HubError: 404 if there is no such repo.
        """
        folder = self.root / f"{kind}s" / namespace / name
        if not (_is_name(namespace) and _is_name(name) and (folder / "repo.json").is_file()):
            raise repo_not_found(f"{namespace}/{name}")
        return Repo(folder, kind, self._lock)

    def create(self, kind: str, namespace: str, name: str, private: bool, sdk: str | None) -> Repo:
        """A new repo whose first commit holds, as on the Hub, a `.gitattributes`.

        Raises:
            HubError: 400 for an impossible name, 409 if there is such a repo.
        """
        if not (_is_name(namespace) and _is_name(name)):
            raise HubError(400, f"Invalid {kind} name: {namespace}/{name}")
        with self._lock:
            repo = Repo(self.root / f"{kind}s" / namespace / name, kind, self._lock)
            if (repo.folder / "repo.json").exists():
                raise HubError(409, f"You already created this {kind} repo: {repo.id}")
            attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES)
            files = {".gitattributes": self.add_regular(attributes.encode())}
            first = _new_commit(None, Message("initial commit", "", namespace), files)
            repo.write_commit(first)
            repo.write_meta(Meta(private=private, sdk=sdk, branches={"main": first.id}, tags={}))
        return repo

    def add_regular(self, content: bytes) -> File:
        """Store the content of a regular (non-LFS) file."""
        return File(self.blobs.add(content), len(content), _git_oid(content), lfs=False)

    def uploaded(self, sha256: str, size: int) -> File:
        """An LFS file whose content was uploaded before.

        Raises:
            HubError: 400 if it was not.
        """
        if not self.blobs.has(sha256, size):
            raise HubError(400, f"LFS object {sha256} of {size} bytes was never uploaded")
        file = File(sha256, size, oid="", lfs=True)
        return replace(file, oid=_git_oid(file.pointer))


def _is_name(name: str) -> bool:
    """Whether this can be the name of a user or repo, and so of a folder."""
    return bool(_NAME.fullmatch(name)) and not name.endswith((".git", ".ipynb"))
