"""The files that state the facts of a finished run: `metrics.json`, `recipe.yaml` and `dataset_report.json`."""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from transformers import TrainerState

from cxr.schema.document import check
from cxr.schema.labels import LABELS
from cxr.schema.metrics import SCHEMA_VERSION, DatasetSummary, Metrics, ModelSummary, TrainingSummary
from cxr.schema.report import Report
from cxr.training.arguments import Arguments
from cxr.training.data.dataset import XrayDataset
from cxr.training.reporting.judgement import judgement

_PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "huggingface-hub", "pillow", "numpy")


@dataclass(frozen=True)
class Training:
    """What is reported of the training itself; `seconds` is its wall time, without evaluation."""

    state: TrainerState
    backbone_revision: str | None
    seconds: float


def write_facts(
    arguments: Arguments, dataset: XrayDataset, training: Training, summary: Mapping[str, Any]
) -> tuple[Metrics, Report]:
    """Write the three files and return the contents of `metrics.json` and `dataset_report.json`.

    `summary` is what was measured. The report is the dataset's, without its lists of files and patients.
    """
    folder = arguments.run.model_dir
    metrics: Metrics = {
        "schema_version": SCHEMA_VERSION,
        **summary,
        "model": _model_facts(folder, arguments, training.backbone_revision),
        "dataset": _dataset_facts(dataset),
        "training": _training_facts(arguments, training),
        "environment": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    }
    report = {key: dataset.report[key] for key in dataset.report if key != "lists"}
    metrics["judgement"] = judgement(metrics, report)
    write_metrics(folder, metrics)
    write_json(folder / "dataset_report.json", report)
    recipe = yaml.safe_dump(arguments.recipe(), sort_keys=False)
    (folder / "recipe.yaml").write_text(recipe, encoding="utf-8")
    return metrics, report


def _model_facts(folder: Path, arguments: Arguments, backbone_revision: str | None) -> ModelSummary:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    resnet50 = config["depths"] == [3, 4, 6, 3] and config["layer_type"] == "bottleneck"
    settings = arguments.model
    return {
        "architecture": "ResNet-50" if resnet50 else f"ResNet with stages of {config['depths']}",
        "backbone": None if settings.from_scratch else arguments.recipe()["backbone"],
        "backbone_revision": backbone_revision,
        "random_weights": config["random_weights"],
        "frozen_backbone": settings.freeze_backbone,
        "input_size": settings.input_size,
    }


def _dataset_facts(dataset: XrayDataset) -> DatasetSummary:
    report = dataset.report
    return {
        "name": dataset.name,
        "revision": dataset.revision,
        "fingerprint": report["fingerprint"],
        "image_size": report["image_size"],
        "synthetic": dataset.synthetic,
        "counts": report["counts"],
        "source_only_accuracy": source_only_accuracy(report["counts"]),
    }


def _training_facts(arguments: Arguments, training: Training) -> TrainingSummary:
    run, state = arguments.run, training.state
    return {
        "method": "frozen" if arguments.model.freeze_backbone else arguments.model.method,
        "streaming": arguments.data.streaming,
        "epochs": round(state.epoch or 0.0, 2),
        "steps": state.global_step,
        "seconds": round(training.seconds),
        "processes": run.world_size,
        "device": run.device.type,
        "precision": run.resolved_precision,
        "seed": run.seed,
        "log": [{key: entry[key] for key in entry if key != "step"} for entry in state.log_history],
    }


def source_only_accuracy(counts: Mapping[str, Mapping[str, Mapping[str, int]]]) -> float:
    """Test accuracy of a rule that sees no image: for each source, the class most frequent in its training images.

    `counts[source][label][split]` are numbers of images. A value near 1 means that the class is the source, so that a
    model can score as high without looking at a lung (DeGrave et al. 2021, doi 10.1038/s42256-021-00338-7).
    """
    right = total = 0
    for labels in counts.values():
        predicted = max(LABELS, key=lambda name: labels.get(name, {}).get("train", 0))
        right += labels.get(predicted, {}).get("test", 0)
        total += sum(splits.get("test", 0) for splits in labels.values())
    return right / total


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write `metrics.json`, which must be as `cxr.schema.metrics` describes it."""
    check(Metrics, metrics)
    write_json(folder / "metrics.json", metrics)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a file of facts in the one format in which the same facts give the same bytes."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
