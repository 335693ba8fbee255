"""What a published model repo holds, and nothing else: no pickle, no checkpoint, no path of this machine."""

import json
from pathlib import Path

from cxr.errors import UserError
from cxr.training.reporting.card import UNNAMED

_REQUIRED = (
    "README.md",
    "config.json",
    "model.safetensors",
    "preprocessor_config.json",
    "metrics.json",
    "recipe.yaml",
    "dataset_report.json",
)
GATE = "gate.safetensors"
_FIGURES = "figures/*.png"
PATTERNS = (*_REQUIRED, GATE, _FIGURES)


def files(folder: Path, repo_id: str) -> dict[str, Path | bytes]:
    """Path in the repo → file or bytes, of a finished model folder; a card written before it had a name gets one.

    Raises:
        UserError: if one is missing; the gate may be, unless metrics.json describes one.
    """
    for name in _REQUIRED:
        if not (folder / name).is_file():
            raise UserError(f"{folder} holds no {name}: name the `model/` folder of a finished run")
    found = {name: folder / name for name in _REQUIRED}
    found |= {f"figures/{path.name}": path for path in sorted(folder.glob(_FIGURES))}
    if (folder / GATE).is_file():
        found[GATE] = folder / GATE
    elif _has_gate(folder):
        raise UserError(f"{folder} holds no {GATE}, which its metrics.json describes: train again, or put it back")
    card = (folder / "README.md").read_text(encoding="utf-8")
    return found | {"README.md": card.replace(UNNAMED, repo_id).encode()}


def _has_gate(folder: Path) -> bool:
    try:
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return bool(metrics.get("gate"))
    except (ValueError, AttributeError) as error:
        raise UserError(f"{folder / 'metrics.json'} is no JSON object: take it from the run that wrote it") from error
