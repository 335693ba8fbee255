"""Reading a published model: its weights, and what its files say about how to use them. Whatever is wrong is named."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import PreTrainedConfig, PreTrainedModel, ResNetForImageClassification

from cxr import policy
from cxr.errors import UserError
from cxr.gate import FILE_NAME, Gate
from cxr.hub import Pulled
from cxr.schema.labels import COVID, LABELS

SYNTHETIC = "Trained on synthetic pictures drawn by a program: its answers on real X-rays mean nothing."
RANDOM_WEIGHTS = "Trained from random weights, not from a pretrained backbone."
OUTAGE = "The Hub could not be reached: this is the last revision pulled from it, which may not be the newest."
_OURS = "name a model that train_hf.py made"


def name(pulled: Pulled) -> str:
    """The model as messages call it: id and short revision."""
    return f"{pulled.repo_id}@{pulled.revision[:7]}"


def weights(pulled: Pulled) -> PreTrainedModel:
    """The model with every weight from the file: `from_pretrained` would fill a gap with random numbers."""
    model, info = ResNetForImageClassification.from_pretrained(
        pulled.folder,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    missing = sorted(info["missing_keys"])
    if missing:
        raise UserError(f"{name(pulled)} lacks {len(missing)} weights ({missing[0]}, …): publish it again")
    return model.eval()


def covid_index(config: PreTrainedConfig, pulled: Pulled) -> int:
    """The row of COVID in the head; classes are found by name.

    Raises:
        UserError: if the model has other classes, or is no ResNet, whose map and gate we could not read.
    """
    if config.model_type != "resnet":
        raise UserError(f"{name(pulled)} is a {config.model_type!r}, not a resnet: {_OURS}")
    names = [config.id2label[index] for index in sorted(config.id2label)]
    if sorted(names) == sorted(LABELS):
        return names.index(LABELS[COVID])
    seen = ", ".join(map(str, names[:3])) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
    raise UserError(f"{name(pulled)} answers with {seen}, not with {' and '.join(LABELS)}: {_OURS}")


def threshold(config: PreTrainedConfig, pulled: Pulled) -> float:
    """The operating threshold on the probability of COVID."""
    value = getattr(config, "operating_threshold", policy.DEFAULT_THRESHOLD)
    if _is_share(value):
        return float(value)
    raise UserError(f"{name(pulled)}: operating_threshold in config.json is {value!r}, not a number from 0 to 1")


def quantiles(config: PreTrainedConfig, pulled: Pulled) -> Mapping[str, float] | None:
    """The conformal quantile of each class, or None for a model that carries none."""
    conformal = getattr(config, "conformal", None)
    if conformal is None:
        return None
    found = conformal.get("quantiles") if isinstance(conformal, Mapping) else None
    if isinstance(found, Mapping) and sorted(found) == sorted(LABELS) and all(map(_is_share, found.values())):
        return found
    raise UserError(f"{name(pulled)}: conformal in config.json holds no quantile from 0 to 1 for each of {LABELS}")


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and 0 <= value <= 1


def gate(config: PreTrainedConfig, pulled: Pulled) -> Gate | None:
    """The gate beside the weights, or None for a model published without one."""
    path = pulled.folder / FILE_NAME
    if not path.is_file():
        return None
    found = Gate.load(path)
    if not found.fits(config):
        raise UserError(f"{name(pulled)}: its {FILE_NAME} was fitted on another network, publish both again")
    return found


def notice(config: PreTrainedConfig, pulled: Pulled) -> str:
    """What a reader must know about where this model comes from; empty for the newest one trained on patients."""
    said = {"synthetic_data": SYNTHETIC, "random_weights": RANDOM_WEIGHTS}
    stale = [OUTAGE] if pulled.outage else []
    return " ".join(stale + [text for key, text in said.items() if getattr(config, key, False)])


def metrics(folder: Path) -> Mapping:
    """What the run measured, from the metrics.json beside the weights; empty where it is missing or broken.

    No answer needs it, so that nothing in it may stand in an answer's way.
    """
    try:
        found = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, Mapping) else {}


def headline(folder: Path) -> str:
    """What the model scored; empty where that is not known.

    Its sentence of judgement where it has one: inside, outside, and what the label could be guessed from. Otherwise the
    AUROC on its own test split and on every external set.
    """
    found = metrics(folder)
    if isinstance(found.get("judgement"), str):
        return f"AUROC {found['judgement']}"
    try:
        outside = [f"{scores['auroc']:.2f} on {name}" for name, scores in found.get("external", {}).items()]
        return ", ".join([f"AUROC {found['test']['auroc']:.2f} on the test split of its own data", *outside])
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return ""
