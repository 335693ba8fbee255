"""A model to assess: pulled, loaded without its code, and described; and the runtime that scores with it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cxr import hub, policy
from cxr.assessment.arguments import Computing, ModelChoice
from cxr.errors import UserError, one_line
from cxr.gate import Gate
from cxr.hub import Pulled
from cxr.network.classifier import Classifier, labels_of, load_any
from cxr.network.openvino_runtime import compile_module
from cxr.schema.assessment import AssessedModel
from cxr.schema.labels import LABELS
from cxr.schema.metrics import ConformalFit
from cxr.schema.model_repo import GATE, METRICS
from cxr.training.evaluation.evaluation import Evaluator


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to score, with what its own files say of it.

    Attributes:
        evaluator: scores splits with it.
        gate: its out-of-distribution gate, if it has one that fits.
        about: what the report says of it.
        metrics: its `metrics.json`, if it has one that can be read.
    """

    pulled: Pulled
    evaluator: Evaluator
    gate: Gate | None
    about: AssessedModel
    metrics: Mapping[str, Any]

    @property
    def classifier(self) -> Classifier:
        """Network, processor, and how its logits are read."""
        return self.evaluator.classifier

    @property
    def name(self) -> str:
        """What messages and tables call it."""
        return self.about["model_id"]

    @property
    def config(self) -> Any:
        """Its `config.json`."""
        return self.classifier.model.config

    @property
    def is_of_this_project(self) -> bool:
        """Whether it is a ResNet with this project's labels, which the app can serve."""
        return self.config.model_type == "resnet" and labels_of(self.config) == list(LABELS)

    @property
    def threshold(self) -> float:
        """Operating threshold on the probability of COVID."""
        return self.about["operating_threshold"]

    @property
    def quantiles(self) -> policy.Quantiles | None:
        """Conformal quantile of each class, if it has them."""
        conformal = self.about["conformal"]
        return conformal["quantiles"] if conformal else None


def load(choice: ModelChoice, computing: Computing) -> LoadedModel:
    """Pull and load a model.

    Raises:
        UserError: if it cannot be had, or cannot answer for X-rays.
    """
    pulled = hub.pull(choice.model, choice.revision)
    name = _folder_name(pulled.folder) if pulled.revision == "local" else pulled.repo_id
    return load_folder(pulled, name, choice.positive, computing)


def _folder_name(folder: Path) -> str:
    """The folder's name, after that of the run if it is one's `model/`; never the path of this machine."""
    path = folder.resolve()
    return f"{path.parent.name}/{path.name}" if path.name == "model" else path.name


def load_folder(pulled: Pulled, name: str, positive: tuple[str, ...], computing: Computing) -> LoadedModel:
    """The same of a model that is on the disk already."""
    classifier = load_any(pulled.folder, name, positive)
    _compute_exactly()
    evaluator = Evaluator(pulled.folder, computing.batch_size, cpu=computing.cpu, classifier=classifier)
    runtime = f"torch float32 on {evaluator.model.device.type}"
    if computing.runtime == "openvino":
        runtime = _use_openvino(evaluator, name)
    gate = _gate(pulled.folder, classifier.model.config)
    about = _about(classifier, name, pulled.revision, gate, runtime)
    return LoadedModel(pulled, evaluator, gate, about, _metrics(pulled.folder))


def _compute_exactly() -> None:
    """CUDA would round float32 convolutions to TF32: scores would differ in the third digit."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


class _Logits(nn.Module):
    """A classifier as a function of one tensor."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.model(pixel_values=pixel_values).logits
        return logits


def _use_openvino(evaluator: Evaluator, name: str) -> str:
    """Let OpenVINO compute the logits; returns what the report says of it."""
    example = evaluator.classifier.pixel_values([torch.zeros(256, 256, dtype=torch.uint8).numpy()])
    try:
        run, precision = compile_module(_Logits(evaluator.model.cpu()), example, [-1, *example.shape[1:]])
        run(example)
    except Exception as error:  # whatever a converter raises for a network that it does not know
        raise UserError(
            f"{name} cannot be converted for OpenVINO ({one_line(error)[:200]}): leave out --runtime openvino"
        ) from error
    evaluator.forward = lambda pixel_values: run(pixel_values.cpu())[0]
    return f"OpenVINO {precision.name} on cpu"


def _gate(folder: Path, config: Any) -> Gate | None:
    """The gate beside the weights, if it can be read and was fitted on such a network."""
    if not (folder / GATE).is_file() or config.model_type != "resnet":
        return None
    try:
        gate = Gate.load(folder / GATE)
    except ValueError as error:
        raise UserError(f"{folder / GATE} cannot be used ({one_line(error)}): publish the model again") from error
    return gate if gate.fits(config) else None


def _about(classifier: Classifier, name: str, revision: str, gate: Gate | None, runtime: str) -> AssessedModel:
    config: Any = classifier.model.config
    labels = labels_of(config)
    threshold = getattr(config, "operating_threshold", None)
    return {
        "model_id": name,
        "revision": revision,
        "architecture": (config.architectures or [type(classifier.model).__name__])[0],
        "labels": labels,
        "positive": [labels[row] for row in classifier.reading.positive],
        "interpretation": classifier.reading.interpretation,
        "operating_threshold": float(threshold) if policy.is_fraction(threshold) else policy.DEFAULT_THRESHOLD,
        "threshold_origin": "config.json" if policy.is_fraction(threshold) else "default",
        "conformal": _conformal(getattr(config, "conformal", None)),
        "has_gate": gate is not None,
        "runtime": runtime,
    }


def _conformal(value: Any) -> ConformalFit | None:
    """The conformal sets of a config, if they are as our contract says."""
    try:
        quantiles = {label: float(value["quantiles"][label]) for label in LABELS}
        images = {label: int(value["calibration_images"][label]) for label in LABELS}
        level = float(value["level"])
    except (TypeError, KeyError, ValueError):
        return None
    if not all(0 <= share <= 1 for share in (level, *quantiles.values())):
        return None
    return {"level": level, "quantiles": quantiles, "calibration_images": images}


def _metrics(folder: Path) -> Mapping[str, Any]:
    """`metrics.json`, empty where there is none; whatever in it is not as it should be counts as unknown."""
    try:
        metrics = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return metrics if isinstance(metrics, dict) else {}
