"""What the Hub says about a repo: the card's front matter, and the tags and task it derives from card and config."""

import json
import re
from collections.abc import Iterable
from typing import Any

import yaml

from cxr.local_hub import history, space_cards
from cxr.local_hub.history import Commit, File
from cxr.local_hub.store import Repo, Store

_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\r?\n(.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)
_TASKS = {"ForImageClassification": "image-classification"}
_READ_AT_MOST = 2**20
"""Bytes: a card or config larger than this is not looked into."""


def front_matter(text: str) -> dict[str, Any]:
    """The YAML mapping at the head of a card, empty if there is none.

    Raises:
        ValueError: if it is no YAML mapping.
    """
    found = _FRONT_MATTER.match(text)
    try:
        fields = yaml.safe_load(found[1]) if found else None
    except yaml.YAMLError as error:
        raise ValueError(f"YAML: {error}") from None
    if not isinstance(fields, dict | None):
        raise ValueError("the metadata must be a mapping")
    return fields or {}


def check(content: str, kind: str = "model") -> tuple[list[str], list[str]]:
    """Errors and warnings about a card that is about to be pushed to a repo of a kind."""
    try:
        fields = front_matter(content)
    except ValueError as error:
        return [str(error)], []
    if kind == "space":
        return list(space_cards.errors(fields)), []
    return [], [] if fields else ["empty or missing yaml metadata in repo card"]


def described(repo: Repo, commit: Commit, store: Store) -> dict[str, Any]:
    """Card and config as the info routes give them; a broken card or config describes nothing."""
    card, config = _card(commit, store), _config(commit, store)
    described = {
        "cardData": card,
        "library_name": card.get("library_name") or ("transformers" if "model_type" in config else None),
        "pipeline_tag": card.get("pipeline_tag") or _task(config),
    }
    if config:
        described["config"] = {key: config[key] for key in ("architectures", "model_type") if key in config}
    if "model-index" in card:
        described["model-index"] = card["model-index"]
    return described | {"tags": _tags(card, described)}


def _text(commit: Commit, store: Store, name: str) -> str:
    file = commit.files.get(name)
    if file is None or file.size > _READ_AT_MOST:
        return ""
    return store.blobs.path(file.sha256).read_text("utf-8", errors="replace")


def _card(commit: Commit, store: Store) -> dict[str, Any]:
    try:
        return front_matter(_text(commit, store, "README.md"))
    except ValueError:
        return {}


def _config(commit: Commit, store: Store) -> dict[str, Any]:
    try:
        config = json.loads(_text(commit, store, "config.json") or "{}")
    except ValueError:
        return {}
    return config if isinstance(config, dict) else {}


def _task(config: dict[str, Any]) -> str | None:
    names = [name for name in config.get("architectures") or [] if isinstance(name, str)]
    return next((task for suffix, task in _TASKS.items() for name in names if name.endswith(suffix)), None)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _tags(card: dict[str, Any], described: dict[str, Any]) -> list[str]:
    tags = [described["library_name"], described["pipeline_tag"], *_listed(card.get("tags"))]
    tags += [f"license:{name}" for name in _listed(card.get("license"))]
    tags += [f"dataset:{name}" for name in _listed(card.get("datasets"))]
    return list(dict.fromkeys(str(tag) for tag in tags if tag))


def info(repo: Repo, commit: Commit, store: Store, *, sizes: bool = False) -> dict[str, Any]:
    """A repo at a commit, as `repo_info` reads it; with `sizes` each file's size and content ids."""
    meta = repo.meta
    return {
        "_id": commit.id[:24],
        "id": repo.id,
        "modelId": repo.id,
        "author": repo.namespace,
        "sha": commit.id,
        "createdAt": meta["created"],
        "lastModified": commit.date,
        "private": meta["private"],
        "gated": False,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "siblings": [_sibling(path, file, sizes) for path, file in sorted(commit.files.items())],
        **({"sdk": meta["sdk"]} if meta["sdk"] else {}),
        **described(repo, commit, store),
    }


def _sibling(path: str, file: File, sizes: bool) -> dict[str, Any]:
    if not sizes:
        return {"rfilename": path}
    lfs = {"lfs": lfs_fields(file) | {"sha256": file.sha256}} if file.lfs else {}
    return {"rfilename": path, "size": file.size, "blobId": file.oid, **lfs}


def lfs_fields(file: File) -> dict[str, Any]:
    """How the Hub describes an LFS file: its SHA-256 and the sizes in bytes of content and pointer."""
    return {"oid": file.sha256, "size": file.size, "pointerSize": len(history.pointer(file.sha256, file.size))}


def entries(commit: Commit, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Files and folders as the tree routes list them; what is neither is left out."""
    parents = history.folders(commit.files)
    return [
        _file(path, commit.files[path]) if path in commit.files else _folder(path, commit)
        for path in paths
        if path in commit.files or path in parents
    ]


def _file(path: str, file: File) -> dict[str, Any]:
    lfs = {"lfs": lfs_fields(file)} if file.lfs else {}
    return {"type": "file", "path": path, "size": file.size, "oid": file.oid, **lfs}


def _folder(path: str, commit: Commit) -> dict[str, Any]:
    listing = "".join(f"{name}\0{file.oid}\n" for name, file in commit.files.items() if name.startswith(f"{path}/"))
    return {"type": "directory", "path": path, "size": 0, "oid": history.git_oid(listing.encode())}
