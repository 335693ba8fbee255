"""Repos on disk: their history, branches and tags, written atomically so that a killed Hub starts again unharmed."""

import json
import os
import re
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cxr.local_hub import history
from cxr.local_hub.blobs import SHA256, Blobs
from cxr.local_hub.errors import HubError, repo_not_found, revision_not_found
from cxr.local_hub.history import Change, Commit, File

KINDS = ("model", "dataset", "space")
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".onnx", ".h5", ".npy", ".npz")
_TABLES = (".parquet", ".arrow", ".zip", ".gz", ".tar")
_IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".dcm")
LFS_SUFFIXES = (*_WEIGHTS, *_TABLES, *_IMAGES)
_NAME = re.compile(r"(?!.*(?:\.\.|--))[A-Za-z0-9_](?:[\w.-]{0,94}\w)?", re.ASCII)
_SHORT_SHA = re.compile(r"[0-9a-f]{7,40}")


def now() -> str:
    """The present moment as the Hub writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def is_name(name: Any) -> bool:
    """Whether this can name a user or a repo (and so a folder)."""
    return isinstance(name, str) and bool(_NAME.fullmatch(name)) and not name.endswith((".git", ".ipynb"))


def write_atomically(path: Path, text: str) -> None:
    """Readers see the old content or the new one, never a part."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(name, path)


class Repo:
    """One repo in its folder: `repo.json` (visibility and references) and `commits/<sha>.json`."""

    def __init__(self, folder: Path, kind: str, lock: threading.RLock, blobs: Blobs):
        self.folder, self.kind, self._lock, self._blobs = folder, kind, lock, blobs
        self.namespace, self.name = folder.parts[-2:]
        self.id = f"{self.namespace}/{self.name}"
        self.prefix = "" if kind == "model" else f"{kind}s/"

    @property
    def meta(self) -> dict[str, Any]:
        """`private`, `sdk`, `created`, `branches` and `tags` (name → full sha)."""
        try:
            return json.loads((self.folder / "repo.json").read_text("utf-8"))
        except FileNotFoundError:
            raise repo_not_found(self.id) from None

    def update(self, **values: Any) -> None:
        """Change entries of `meta`; those who decide by its old state hold the lock."""
        with self._lock:
            write_atomically(self.folder / "repo.json", json.dumps(self.meta | values, indent=1))

    def resolve(self, revision: str) -> Commit:
        """The commit that a branch, tag, full or short sha stands for.

        Raises:
            HubError: 404 if nothing (or more than one commit) is called that.
        """
        meta = self.meta
        for refs, prefix in (("branches", "refs/heads/"), ("tags", "refs/tags/")):
            sha = meta[refs].get(revision.removeprefix(prefix))
            if sha:
                return history.load(self.folder / "commits" / f"{sha}.json")
        found = list((self.folder / "commits").glob(f"{revision}*.json")) if _SHORT_SHA.fullmatch(revision) else []
        if len(found) != 1:
            raise revision_not_found(revision)
        return history.load(found[0])

    def log(self, revision: str) -> Iterator[Commit]:
        """The commit and its ancestors, newest first."""
        commit = self.resolve(revision)
        yield commit
        while commit.parent:
            commit = history.load(self.folder / "commits" / f"{commit.parent}.json")
            yield commit

    def head(self, branch: str) -> Commit:
        """The newest commit of a branch; only a branch can be committed to."""
        if branch.removeprefix("refs/heads/") not in self.meta["branches"]:
            self.resolve(branch)
            raise HubError(400, f"{branch} is a tag or a commit: commits go to a branch")
        return self.resolve(branch)

    def commit(self, branch: str, changes: Sequence[Change], parent: str | None = None, **words: str) -> Commit:
        """Put changes on top of a branch; commits that come at once are made one after the other.

        Raises:
            HubError: 412 if `parent` is given and is no longer the branch's head; 409 if a content went with a repo
                that was deleted meanwhile; what `history.apply` raises.
        """
        with self._lock:
            head = self.head(branch)
            if parent and self.resolve(parent) != head:
                raise HubError(412, f"A commit has happened since {parent}: refresh and try again")
            files = history.apply(head.files, changes)
            lost = [change.path for change in changes if change.file and not self._blobs.has(change.file.sha256)]
            if lost:
                raise HubError(409, f"The content of {lost[0]} was deleted with another repo: upload it again")
            made = history.sealed(parent=head.id, date=now(), files=files, **words)
            self._keep(made)
            self.update(branches=self.meta["branches"] | {branch.removeprefix("refs/heads/"): made.id})
        return made

    def _keep(self, commit: Commit) -> None:
        write_atomically(self.folder / "commits" / f"{commit.id}.json", history.dump(commit))

    def add_ref(self, refs: str, name: str, revision: str) -> None:
        """Create an entry of `branches` or `tags`; 409 if it is there."""
        with self._lock:
            known = self.meta[refs]
            if history.checked_ref(name) in known:
                raise HubError(409, f"Reference {name} exists already")
            self.update(**{refs: known | {name: self.resolve(revision).id}})

    def remove_ref(self, refs: str, name: str) -> None:
        """Delete an entry of `branches` or `tags`; the commits stay readable by their sha."""
        with self._lock:
            known = self.meta[refs]
            if name not in known:
                raise revision_not_found(name)
            if (refs, name) == ("branches", "main"):
                raise HubError(400, "The branch main cannot be deleted")
            self.update(**{refs: {ref: sha for ref, sha in known.items() if ref != name}})

    def contents(self) -> set[str]:
        """The SHA-256 of every file of every commit."""
        commits = (history.load(path) for path in (self.folder / "commits").glob("*.json"))
        return {file.sha256 for commit in commits for file in commit.files.values()}


class Store:
    """All repos and contents below one root."""

    def __init__(self, root: Path):
        self.root, self.lock = root, threading.RLock()
        self.blobs = Blobs(root)
        for kind in KINDS:
            self._folder(kind).mkdir(parents=True, exist_ok=True)

    def _folder(self, kind: str) -> Path:
        return self.root / f"{kind}s"

    def repo(self, kind: str, namespace: str, name: str) -> Repo:
        """The repo, or 404."""
        folder = self._folder(kind) / namespace / name
        if kind not in KINDS or not is_name(namespace) or not is_name(name) or not (folder / "repo.json").is_file():
            raise repo_not_found(f"{namespace}/{name}")
        return Repo(folder, kind, self.lock, self.blobs)

    def repos(self, kind: str) -> list[Repo]:
        """All of a kind."""
        return [
            Repo(meta.parent, kind, self.lock, self.blobs) for meta in sorted(self._folder(kind).glob("*/*/repo.json"))
        ]

    def create(self, kind: str, namespace: str, name: str, private: bool, sdk: str | None) -> Repo:
        """A new repo with one commit that says, as on the Hub, which files go to LFS.

        Raises:
            HubError: 400 for an impossible name, 409 for one that is taken.
        """
        if kind not in KINDS or not is_name(namespace) or not is_name(name):
            raise HubError(400, f"Invalid {kind} name: {namespace}/{name}")
        with self.lock:
            folder = self._folder(kind) / namespace / name
            if (folder / "repo.json").exists():
                raise HubError(409, f"You already created this {kind} repo: {namespace}/{name}")
            first = self._first_commit(namespace)
            meta = {"private": private, "sdk": sdk, "created": first.date, "branches": {"main": first.id}, "tags": {}}
            (folder / "commits").mkdir(parents=True, exist_ok=True)
            write_atomically(folder / "commits" / f"{first.id}.json", history.dump(first))
            write_atomically(folder / "repo.json", json.dumps(meta, indent=1))
        return Repo(folder, kind, self.lock, self.blobs)

    def _first_commit(self, author: str) -> Commit:
        attributes = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LFS_SUFFIXES).encode()
        files = {".gitattributes": self.keep(attributes)}
        return history.sealed(parent=None, title="initial commit", message="", author=author, date=now(), files=files)

    def delete(self, repo: Repo) -> None:
        """Remove a repo and the contents that no other repo holds."""
        with self.lock:
            contents = repo.contents()
            (repo.folder / "repo.json").unlink()
            shutil.rmtree(repo.folder)
            for other in (other for kind in KINDS for other in self.repos(kind)):
                contents -= other.contents()
            for sha256 in contents:
                self.blobs.remove(sha256)

    def keep(self, content: bytes) -> File:
        """Keep the content of a regular file."""
        return File(self.blobs.add(content), len(content), history.git_oid(content), lfs=False)

    def kept(self, sha256: Any, size: Any = None) -> File:
        """An LFS file whose content was uploaded before; 400 if it was not."""
        if not isinstance(sha256, str) or not SHA256.fullmatch(sha256) or not self.blobs.has(sha256, size):
            raise HubError(400, f"LFS object {sha256} of {size} bytes was never uploaded")
        size = self.blobs.path(sha256).stat().st_size
        return File(sha256, size, history.git_oid(history.pointer(sha256, size)), lfs=True)
