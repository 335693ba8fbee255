"""Loading a published model: its weights, and the settings that stand in its files. Every error names the model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from transformers import PreTrainedConfig, ResNetForImageClassification

from cxr import policy
from cxr.errors import UserError
from cxr.gate import Gate
from cxr.hub import Pulled
from cxr.network import heatmap_quality
from cxr.network.model_folder import NotAResNetError, load_network, read_config
from cxr.schema.document import check
from cxr.schema.gate import ValidationDistribution
from cxr.schema.heatmaps import Heatmaps, HeatmapSummary
from cxr.schema.labels import COVID, LABELS
from cxr.schema.model_repo import GATE, METRICS

SYNTHETIC = "Trained on synthetic images drawn by a program: its answers on real X-rays mean nothing."
RANDOM_WEIGHTS = "Trained from random weights, not from a pretrained backbone."
OUTAGE = "The Hub could not be reached: this is the last revision downloaded, which may not be the newest."
_MAX_NAME = 80
_WAY_OUT = "name a model that train_hf.py made"


def display_name(pulled: Pulled) -> str:
    """The model's name in messages: id and short revision."""
    return f"{pulled.repo_id}@{pulled.revision[:7]}"


def load_model(pulled: Pulled) -> ResNetForImageClassification:
    """The model in float32, if it is a ResNet, which activation map and gate require, with this project's classes.

    Raises:
        UserError: if it is another model.
        ValueError, SafetensorError, OSError: if its files are damaged, or describe what cannot be.
    """
    try:
        config = read_config(pulled.folder)
    except NotAResNetError as error:
        raise UserError(f"{display_name(pulled)} is a {str(error)!r}, not a resnet: {_WAY_OUT}") from error
    covid_index(config, pulled)
    return load_network(pulled.folder, config)


def covid_index(config: PreTrainedConfig, pulled: Pulled) -> int:
    """The row of COVID in the head; classes are found by name.

    Raises:
        UserError: if the model has other classes.
    """
    id2label: Any = config.id2label or {}
    names = [id2label[index] for index in sorted(id2label)]
    if sorted(names) == sorted(LABELS):
        return names.index(LABELS[COVID])
    listed = ", ".join(str(name)[:40] for name in names[:3]) + (f", … ({len(names)} in all)" if len(names) > 3 else "")
    raise UserError(f"{display_name(pulled)} answers with {listed}, not with {' and '.join(LABELS)}: {_WAY_OUT}")


def operating_threshold(config: PreTrainedConfig, pulled: Pulled) -> float:
    """The operating threshold on the probability of COVID.

    Raises:
        UserError: if it is not a number from 0 to 1.
    """
    value = getattr(config, "operating_threshold", policy.DEFAULT_THRESHOLD)
    if policy.is_fraction(value):
        return float(value)
    raise UserError(
        f"{display_name(pulled)}: operating_threshold in config.json is {value!r}, not a number from 0 to 1"
    )


def conformal_quantiles(config: PreTrainedConfig, pulled: Pulled) -> policy.Quantiles | None:
    """The conformal quantile of each class, or None for a model without them.

    Raises:
        UserError: if there are others than one from 0 to 1 for each class.
    """
    conformal = getattr(config, "conformal", None)
    if conformal is None:
        return None
    quantiles = conformal.get("quantiles") if isinstance(conformal, Mapping) else None
    if (
        isinstance(quantiles, Mapping)
        and sorted(quantiles) == sorted(LABELS)
        and all(map(policy.is_fraction, quantiles.values()))
    ):
        return {label: quantiles[label] for label in LABELS}
    raise UserError(
        f"{display_name(pulled)}: conformal in config.json holds no quantile from 0 to 1 for each of {LABELS}"
    )


def load_gate(config: PreTrainedConfig, pulled: Pulled) -> Gate | None:
    """The out-of-distribution gate beside the weights, or None for a model published without one.

    Raises:
        UserError: if it was fitted on another network.
        ValueError: if its file is damaged.
    """
    path = pulled.folder / GATE
    if not path.is_file():
        return None
    gate = Gate.load(path)
    if not gate.fits(config):
        raise UserError(f"{display_name(pulled)}: its {GATE} was fitted on another network, publish both again")
    return gate


def read_metrics(folder: Path) -> Mapping[str, Any]:
    """The content of `metrics.json`; empty where the file is missing or broken."""
    try:
        content = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, Mapping) else {}


def measured_heatmaps(config: PreTrainedConfig, metrics: Mapping[str, Any]) -> dict[str, HeatmapSummary]:
    """What was measured of the model's heatmaps on patients, by the names of the sets; what is broken was not measured.

    The test split of a model trained on phantoms shows no patient, whatever its file claims.
    """
    section: Any = metrics.get("heatmaps")
    try:
        check(Heatmaps, section)
    except ValidationError:
        return {}
    if getattr(config, "synthetic_data", False):
        section = section | {"test": None}
    return {name[:_MAX_NAME]: found for name, found in heatmap_quality.measured_sets(section).items()}


def has_finer_cells(metrics: Mapping[str, Any]) -> bool:
    """Whether what was measured of the model's heatmaps holds for maps with finer cells than the network's own."""
    section = metrics.get("heatmaps")
    return isinstance(section, Mapping) and section.get("finer_cells") is True


def validation_distribution(metrics: Mapping[str, Any]) -> ValidationDistribution | None:
    """What the images of validation were given; None where its file has nothing of it, or is broken."""
    section: Any = metrics.get("validation_distribution")
    try:
        check(ValidationDistribution, section)
    except ValidationError:
        return None
    is_sorted = all(
        part[name] == sorted(part[name]) for part in section.values() for name in ("gate_score", "probability")
    )
    has_images = all(0 <= part["refused"] <= part["n"] > 0 for part in section.values())
    return section if is_sorted and has_images else None


def notice(config: PreTrainedConfig, pulled: Pulled) -> str:
    """Reservations about the model's origin, as sentences; empty for the newest revision of one trained on patients."""
    sentences = []
    if pulled.outage:
        sentences.append(OUTAGE)
    if getattr(config, "synthetic_data", False):
        sentences.append(SYNTHETIC)
    if getattr(config, "random_weights", False):
        sentences.append(RANDOM_WEIGHTS)
    return " ".join(sentences)
