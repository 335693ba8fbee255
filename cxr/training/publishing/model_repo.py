"""The model repo on the Hub: the files that it holds, without pickles, checkpoints or paths, and its tags."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

from cxr import hub
from cxr.errors import UserError
from cxr.schema.model_repo import CARD, FIGURES, FINGERPRINTS, GATE, METRICS, REQUIRED
from cxr.training.reporting.model_card import UNNAMED

PATTERNS = (*REQUIRED, GATE, FINGERPRINTS, FIGURES)

Files = Mapping[str, Path | bytes]
"""Path in the repo → file or bytes."""

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*(?<!\.)(?<!\.lock)", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class TagTakenError(UserError):
    """The tag names a commit with another content."""


def files(folder: Path, repo_id: str) -> dict[str, Path | bytes]:
    """The files of a finished model folder; a card that was written without the repo's id gets it.

    Raises:
        UserError: if one is missing; there may be no gate unless `metrics.json` describes one.
    """
    for name in REQUIRED:
        if not (folder / name).is_file():
            raise UserError(f"{folder} has no {name}: name the `model/` folder of a finished run")
    held = {name: folder / name for name in REQUIRED}
    held |= {f"figures/{path.name}": path for path in sorted(folder.glob(FIGURES))}
    held |= {name: folder / name for name in (GATE, FINGERPRINTS) if (folder / name).is_file()}
    if GATE not in held and _has_gate(folder):
        raise UserError(f"{folder} has no {GATE}, which its {METRICS} describes: train again, or put it back")
    card = (folder / CARD).read_text(encoding="utf-8")
    return held | {CARD: card.replace(UNNAMED, repo_id).encode()}


def _has_gate(folder: Path) -> bool:
    try:
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
        return bool(metrics.get("gate"))
    except (ValueError, AttributeError) as error:
        raise UserError(f"{folder / METRICS} is no JSON object: copy it from the run again") from error


def require_valid_tag(tag: str) -> None:
    """Refuse a name that git refuses, or that could be mistaken for a branch or a commit.

    Raises:
        UserError: if it is such a name.
    """
    if not _TAG.fullmatch(tag) or ".." in tag or _COMMIT.fullmatch(tag) or tag == "main":
        raise UserError(f"{tag!r} is no valid name for a tag: use letters, digits, dots and dashes, such as v1")


def tagged_commit(repo_id: str, tag: str) -> str | None:
    """The full sha of the commit that a tag names, None if there is no such tag.

    Raises:
        UserError: if a branch has that name.
    """
    references = hub.api().list_repo_refs(repo_id)
    if tag in {branch.name for branch in references.branches}:
        raise UserError(f"{repo_id} has a branch {tag}: choose another name for the tag")
    return next((reference.target_commit for reference in references.tags if reference.name == tag), None)


def holds(repo_id: str, revision: str, files: Files) -> bool:
    """Whether a commit consists of exactly these files, compared by the ids that git and LFS give their contents."""
    there = {name: content for name, content in hub.listed(repo_id, revision).items() if name != ".gitattributes"}
    return there.keys() == files.keys() and all(there[name].is_of(content) for name, content in files.items())
