"""What a finished run leaves on record for its card: `metrics.json`, `recipe.yaml` and `dataset_report.json`."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import yaml
from transformers import TrainerState

from cxr.schema.document import check
from cxr.schema.labels import LABELS
from cxr.schema.metrics import SCHEMA_VERSION, Metrics
from cxr.training.arguments import Arguments
from cxr.training.data.dataset import XrayDataset
from cxr.training.reporting import card_words

_PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "huggingface-hub", "pillow", "numpy")


def write_facts(
    arguments: Arguments,
    dataset: XrayDataset,
    state: TrainerState,
    backbone_revision: str | None,
    seconds: float,
    summary: dict,
) -> None:
    """Write `metrics.json`, `recipe.yaml` and `dataset_report.json` (counts, no file or patient lists) for the card.

    `summary` is what `evaluation.final_evaluation` measured; `seconds` is the wall time of training alone.
    """
    folder = arguments.run.model_dir
    facts = {
        "schema_version": SCHEMA_VERSION,
        **summary,
        "model": _model_facts(folder, arguments, backbone_revision),
        "dataset": _dataset_facts(dataset),
        "training": _training_facts(arguments, state, seconds),
        "environment": {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES},
    }
    report = {key: dataset.report[key] for key in dataset.report if key != "lists"}
    write_metrics(folder, facts | {"judgement": card_words.judgement(facts, report)})
    write_json(folder / "dataset_report.json", report)
    recipe = arguments.recipe()
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe, sort_keys=False), encoding="utf-8")


def _model_facts(folder: Path, arguments: Arguments, backbone_revision: str | None) -> dict:
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


def _dataset_facts(dataset: XrayDataset) -> dict:
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


def _training_facts(arguments: Arguments, state: TrainerState, seconds: float) -> dict:
    run = arguments.run
    return {
        "method": "frozen" if arguments.model.freeze_backbone else arguments.model.method,
        "streaming": arguments.data.streaming,
        "epochs": round(state.epoch, 2),
        "steps": state.global_step,
        "seconds": round(seconds),
        "processes": run.world_size,
        "device": run.device.type,
        "precision": "bf16" if run.bf16 else "fp16" if run.fp16 else "fp32",
        "seed": run.seed,
        "log": [{key: entry[key] for key in entry if key != "step"} for entry in state.log_history],
    }


def source_only_accuracy(counts: dict[str, dict[str, dict[str, int]]]) -> float:
    """Test accuracy of a rule that sees no picture: the class most frequent among its source's training images.

    `counts[source][label][split]` are numbers of images. A value near 1 means that the class is the source, so that a
    model can score as high without looking at a lung (DeGrave et al. 2021, doi 10.1038/s42256-021-00338-7).
    """
    right = total = 0
    for labels in counts.values():
        called = max(LABELS, key=lambda name: labels.get(name, {}).get("train", 0))
        right += labels.get(called, {}).get("test", 0)
        total += sum(splits.get("test", 0) for splits in labels.values())
    return right / total


def write_metrics(folder: Path, metrics: Metrics) -> None:
    """Write `metrics.json`, which must be as `cxr.schema.metrics` describes it."""
    check(Metrics, metrics)
    write_json(folder / "metrics.json", metrics)


def write_json(path: Path, value: dict) -> None:
    """Write a file of facts the one way they are written, so that the same facts give the same bytes."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
