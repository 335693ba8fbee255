"""What follows training: calibrate the saved model, evaluate it, fit its gate, and write the files that describe it."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from accelerate.utils import wait_for_everyone
from transformers import TrainerState

from cxr.fingerprints import Fingerprints, make_part
from cxr.schema.dataset import Split
from cxr.schema.document import check
from cxr.schema.labels import LABELS, Label
from cxr.schema.metrics import SCHEMA_VERSION, DatasetSummary, Method, Metrics, ModelSummary, TrainingSummary
from cxr.schema.model_repo import CONFIG, DATASET_REPORT, FINGERPRINTS, METRICS, RECIPE, ConfigKeys
from cxr.schema.report import without_lists
from cxr.training.arguments import Arguments, RunArguments
from cxr.training.data.dataset import XrayDataset, overlap_columns
from cxr.training.evaluation.calibration import Calibration, fit_calibration, fold
from cxr.training.evaluation.evaluation import Evaluation, Evaluator, evaluate, score_validation
from cxr.training.evaluation.gate_evaluation import GateEvaluation, add_gate
from cxr.training.evaluation.heatmap_evaluation import measure_heatmaps
from cxr.training.reporting import figures, mistakes, model_card
from cxr.training.reporting.judgement import judgement
from cxr.training.timings import without_times, write_timings
from cxr.versions import versions

PACKAGES = ("torch", "transformers", "datasets", "evaluate", "accelerate", "huggingface-hub", "pillow", "numpy")

External = Mapping[str, XrayDataset]
"""External sets by name."""


@dataclass(frozen=True)
class Training:
    """What is reported of the training itself; `seconds` is its wall time, without evaluation."""

    state: TrainerState
    backbone_revision: str | None
    seconds: float


def finalize(
    arguments: Arguments, dataset: XrayDataset, external: External, training: Training, repo_id: str | None
) -> None:
    """Turn the model that training saved into a finished model folder; `repo_id` is where its card says it lies.

    All ranks must call this: they share the evaluation, and the first one writes.
    """
    run = arguments.run
    wait_for_everyone()
    calibration = _calibrate(run, dataset)
    evaluator = _reload(run)
    evaluation = evaluate(evaluator, dataset, external, run.target_sensitivity)
    if run.process_index == 0:
        gate = add_gate(evaluator, dataset, external, evaluation.validation, run.seed)
        report = without_lists(dataset.report)
        heatmaps = measure_heatmaps(evaluator, dataset, external)
        metrics = _metrics(arguments, dataset, training, evaluation, calibration, gate)
        if heatmaps:
            metrics["heatmaps"] = heatmaps
        metrics["judgement"] = judgement(metrics, report)
        add_to_config(run.draft_dir, metrics)
        write_metrics(run.draft_dir, metrics)
        write_json(run.draft_dir / DATASET_REPORT, report)
        (run.draft_dir / RECIPE).write_text(yaml.safe_dump(arguments.recipe(), sort_keys=False), "utf-8")
        write_fingerprints(run.draft_dir, dataset, arguments.data.fingerprints)
        figures.draw_all(run.draft_dir / "figures", training.state.log_history, evaluation)
        _draw_mistakes(run.draft_dir, dataset, external, evaluation)
        model_card.write_card(run.draft_dir, metrics, report, repo_id)
        write_timings(run.draft_dir.parent, training.state.log_history, training.seconds)
        put_in_place(run.draft_dir.parent, Path(run.output_dir))
        print(model_card.headline(metrics))
    wait_for_everyone()


def put_in_place(draft: Path, folder: Path) -> None:
    """Move all that lies in `draft` to `folder`, on the same disk; what has the same name there is replaced.

    Until everything has been written, the results of an earlier run are as they were.
    """
    before = draft / "before"
    before.mkdir()
    for path in [path for path in draft.iterdir() if path != before]:
        if (folder / path.name).exists():
            (folder / path.name).rename(before / path.name)
        path.rename(folder / path.name)
    shutil.rmtree(draft)


def _reload(run: RunArguments) -> Evaluator:
    """The model as it is saved now: what is measured is what will be published."""
    return Evaluator(run.draft_dir, run.per_device_eval_batch_size, run.dataloader_num_workers, run.use_cpu)


def _calibrate(run: RunArguments, dataset: XrayDataset) -> Calibration:
    """Fit to the saved model's scores of validation, and fold the result into it. All ranks must call this."""
    scores = score_validation(_reload(run), dataset)
    calibration = fit_calibration(scores.margin, scores.labels, with_bias=run.class_weights == "balanced")
    if run.process_index == 0:
        fold(run.draft_dir, calibration)
    wait_for_everyone()
    return calibration


def _metrics(
    arguments: Arguments,
    dataset: XrayDataset,
    training: Training,
    evaluation: Evaluation,
    calibration: Calibration,
    gate: GateEvaluation,
) -> Metrics:
    """The contents of `metrics.json`; the judgement of them is still to be made."""
    return {
        "schema_version": SCHEMA_VERSION,
        **evaluation.summary,
        "calibration": {
            "temperature": calibration.temperature,
            "bias": calibration.bias,
            "reason": calibration.reason,
        },
        "seeds": None,
        "gate": gate.summary,
        "validation_distribution": gate.distribution,
        "model": _model_summary(arguments, training.backbone_revision),
        "dataset": _dataset_summary(dataset),
        "training": _training_summary(arguments, training),
        "environment": versions(PACKAGES),
        "judgement": "",
    }


def _model_summary(arguments: Arguments, backbone_revision: str | None) -> ModelSummary:
    config = json.loads((arguments.run.draft_dir / CONFIG).read_text(encoding="utf-8"))
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


def _dataset_summary(dataset: XrayDataset) -> DatasetSummary:
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


def _training_summary(arguments: Arguments, training: Training) -> TrainingSummary:
    run, state = arguments.run, training.state
    summary: TrainingSummary = {
        "method": "frozen" if arguments.model.freeze_backbone else cast(Method, arguments.model.method),
        "streaming": arguments.data.streaming,
        "epochs": round(state.epoch or 0.0, 2),
        "steps": state.global_step,
        "processes": run.world_size,
        "device": run.device.type,
        "precision": run.resolved_precision,
        "seed": run.seed,
        "log": without_times(state.log_history),
    }
    if arguments.augmentation.mirror:
        summary["mirror"] = arguments.augmentation.mirror
    if arguments.augmentation.noise:
        summary["noise"] = arguments.augmentation.noise
    if run.box_weight:
        summary["box_weight"] = run.box_weight
    if run.heatmap_weight:
        summary["heatmap_weight"] = run.heatmap_weight
    if run.progressive_resizing:
        summary["progressive_resizing"] = run.progressive_resizing
    return summary


def source_only_accuracy(counts: Mapping[str, Mapping[Label, Mapping[Split, int]]]) -> float:
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
    """Write `metrics.json`.

    Raises:
        pydantic.ValidationError: if it is not as `cxr.schema.metrics` describes it.
    """
    check(Metrics, metrics)
    write_json(folder / METRICS, metrics)


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """The same facts give the same bytes."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def add_to_config(model_dir: Path, metrics: Metrics) -> None:
    """Add to config.json, as plain extra keys, what serving reads there."""
    path = model_dir / CONFIG
    conformal, calibration = metrics["conformal"], metrics["calibration"]
    added: ConfigKeys = {
        "operating_threshold": metrics["operating_threshold"],
        "conformal": {
            "level": conformal["level"],
            "quantiles": conformal["quantiles"],
            "calibration_images": conformal["calibration_images"],
        },
        "calibration": {"temperature": calibration["temperature"], "bias": calibration["bias"]},
    }
    config = json.loads(path.read_text(encoding="utf-8")) | added
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def write_fingerprints(model_dir: Path, dataset: XrayDataset, kind: str) -> None:
    """Write the fingerprints of what the model has learned or was tuned on, `all` or of `images`; else remove them."""
    path = model_dir / FINGERPRINTS
    path.unlink(missing_ok=True)
    if kind != "none":
        columns = overlap_columns(dataset, ("train", "validation"))
        part = make_part(dataset.report["fingerprint"], columns, with_patients=kind == "all")
        Fingerprints((part,)).save(path)


def _draw_mistakes(model_dir: Path, dataset: XrayDataset, external: External, evaluation: Evaluation) -> None:
    """Contact sheets of the worst mistakes, which are radiographs and so lie beside the model folder, never in it."""
    splits = [dataset.splits["test"], *(other.splits["test"] for other in external.values())]
    sets = {name: (scores, split) for (name, scores), split in zip(evaluation.tested.items(), splits, strict=True)}
    mistakes.draw_sheets(model_dir.with_name(mistakes.FOLDER), sets, evaluation.summary["operating_threshold"])
