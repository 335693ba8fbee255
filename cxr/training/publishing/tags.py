"""The tag of a publication: a name git takes, which stands on one content for ever."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import HfApi

from cxr.errors import UserError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?<!\.)(?<!\.lock)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class TagTaken(UserError):
    """The tag stands on another content."""


def require_valid(tag: str) -> None:
    """Refuse what git would refuse, or what would be mistaken for a branch or a commit.

    Raises:
        UserError: if it is no such name.
    """
    if not _NAME.fullmatch(tag) or ".." in tag or _COMMIT.fullmatch(tag) or tag == "main":
        raise UserError(f"{tag!r} is no name for a tag: letters, digits, dots and dashes, such as v1")


def commit_of(repo_id: str, tag: str) -> str | None:
    """The full sha that a tag of a model repo stands on, None if there is no such tag.

    Raises:
        UserError: if a branch has that name.
    """
    references = HfApi().list_repo_refs(repo_id)
    if tag in {branch.name for branch in references.branches}:
        raise UserError(f"{repo_id} has a branch {tag}: choose another name for the tag")
    return next((reference.target_commit for reference in references.tags if reference.name == tag), None)


def holds(repo_id: str, revision: str, files: Mapping[str, Path | bytes]) -> bool:
    """Whether a commit of a model repo holds exactly these files, told by the ids git and LFS give their contents."""
    siblings = HfApi().model_info(repo_id, revision=revision, files_metadata=True).siblings
    there = {file.rfilename: file for file in siblings if file.rfilename != ".gitattributes"}
    return there.keys() == files.keys() and all(
        there[name].lfs.sha256 == _digest(content, "sha256", b"")
        if there[name].lfs
        else there[name].blob_id == _digest(content, "sha1", b"blob %d\0")
        for name, content in files.items()
    )


def _digest(content: Path | bytes, algorithm: str, header: bytes) -> str:
    data = content if isinstance(content, bytes) else content.read_bytes()
    prefix = header % len(data) if header else b""
    return hashlib.new(algorithm, prefix + data, usedforsecurity=False).hexdigest()
