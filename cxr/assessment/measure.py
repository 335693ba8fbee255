"""Everything that `assessment.json` states of models on datasets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import datasets as hf_datasets
import numpy as np

from cxr.assessment.model import LoadedModel
from cxr.assessment.overlap import check_overlap
from cxr.errors import UserError
from cxr.imaging.preprocess import processor_short_side
from cxr.schema.assessment import (
    SCHEMA_VERSION,
    AssessedDataset,
    Assessment,
    Comparison,
    DeLong,
    Difference,
    ModelResult,
    TrainingOverlap,
)
from cxr.schema.dataset import Split
from cxr.schema.heatmaps import HeatmapSummary
from cxr.schema.set_summary import METRIC_NAMES, GroupSummary, MetricName
from cxr.schema.verdicts import DISCLAIMER
from cxr.statistics import comparison, conformal
from cxr.statistics.intervals import metric_measures
from cxr.training.data.dataset import XrayDataset
from cxr.training.evaluation import heatmap_evaluation
from cxr.training.evaluation.evaluation import dataset_id
from cxr.training.evaluation.gate_evaluation import pass_share
from cxr.training.evaluation.heatmap_evaluation import read_marked
from cxr.training.evaluation.scores import Scores
from cxr.training.evaluation.summary import summarize_set, verdict_shares
from cxr.training.reporting.judgement import PHANTOMS, judge, judge_elsewhere
from cxr.versions import versions

_PACKAGES = ("torch", "transformers", "datasets", "huggingface-hub", "openvino", "pillow", "numpy")
_NO_CALIBRATION = (
    "{model} has no operating threshold of its own: decisions are made at a probability of 0.5, at which its "
    "sensitivity was never set"
)


@dataclass(frozen=True)
class Measured:
    """The document, and the scores behind it: of each dataset, by model in the order of the document."""

    assessment: Assessment
    scores: Mapping[str, Sequence[Scores]]


def measure(models: Sequence[LoadedModel], datasets: Mapping[str, XrayDataset], split: Split) -> Measured:
    """Compare every dataset with what the models were trained on, then score them all.

    Raises:
        UserError: if one shares images with a model's training data, or holds no image in the split.
    """
    overlaps = {
        name: [check_overlap(model, name, dataset, split) for model in models] for name, dataset in datasets.items()
    }
    scores = {
        name: [model.evaluator.score(dataset.splits[split]) for model in models] for name, dataset in datasets.items()
    }
    summaries = {
        name: [
            _result(model, dataset, split, *found)
            for model, found in zip(models, zip(scores[name], overlaps[name], strict=True), strict=True)
        ]
        for name, dataset in datasets.items()
    }
    _judge(models, datasets, summaries, split)
    documents: dict[str, AssessedDataset] = {
        name: {
            "dataset": dataset_id(dataset),
            "synthetic": dataset.synthetic,
            "probes": dataset.report["audit"]["probes"] if "audit" in dataset.report else None,
            "results": summaries[name],
            "comparison": compare(models, scores[name], summaries[name]) if len(models) == 2 else None,
        }
        for name, dataset in datasets.items()
    }
    assessment: Assessment = {
        "schema_version": SCHEMA_VERSION,
        "split": split,
        "models": [model.about for model in models],
        "datasets": documents,
        "images_used": sum(len(of_models[0].labels) for of_models in scores.values()),
        "disclaimer": DISCLAIMER,
        "environment": versions(_PACKAGES),
    }
    return Measured(assessment, scores)


def require_images(datasets: Mapping[str, XrayDataset], split: Split) -> None:
    """Refuse an empty split.

    Raises:
        UserError: naming it.
    """
    for name, dataset in datasets.items():
        if len(dataset.splits[split]) == 0:
            raise UserError(f"--dataset {name}: its {split} split holds no image: choose another with --split")


def _result(
    model: LoadedModel, dataset: XrayDataset, split: Split, scores: Scores, overlap: TrainingOverlap
) -> ModelResult:
    quantiles = model.quantiles
    return {
        **summarize_set(scores, model.threshold),
        "conformal": conformal.summarize_sets(scores.probability, scores.labels, quantiles) if quantiles else None,
        "verdicts": verdict_shares(scores.probability, model.threshold, quantiles),
        "gate": pass_share(model.gate, model.evaluator, dataset.splits[split]) if model.gate else None,
        "heatmaps": _heatmaps(model, dataset.splits[split]),
        "training_overlap": overlap,
        "notes": _notes(model, dataset),
        "judgement": "",
    }


def _heatmaps(model: LoadedModel, split: hf_datasets.Dataset) -> HeatmapSummary | None:
    """Where the maps that the app shows point, for a model that it can show."""
    if not model.is_of_this_project:
        return None
    network = model.evaluator.model
    return heatmap_evaluation.measure(network, model.evaluator.processor, read_marked(split, heatmap_evaluation.MOST))


def _judge(
    models: Sequence[LoadedModel],
    datasets: Mapping[str, XrayDataset],
    results: Mapping[str, Sequence[ModelResult]],
    split: Split,
) -> None:
    """Put the sentence of judgement into every result.

    On the test split of the dataset that a model comes from, that is the sentence of its training: the other datasets
    are its external sets.
    """
    for name, dataset in datasets.items():
        for number, model in enumerate(models):
            audit = dataset.report.get("audit")
            if is_own(model, dataset) and split == "test":
                others = {other: cast(GroupSummary, results[other][number]) for other in datasets if other != name}
                sentence = judge(results[name][number], others, audit)
            else:
                sentence = judge_elsewhere(name, results[name][number], audit)
            results[name][number]["judgement"] = f"{sentence} {PHANTOMS}" if dataset.synthetic else sentence


def is_own(model: LoadedModel, dataset: XrayDataset) -> bool:
    """Whether the model was trained on this very dataset."""
    return getattr(model.config, "dataset_fingerprint", None) == dataset.report["fingerprint"]


def _notes(model: LoadedModel, dataset: XrayDataset) -> list[str]:
    """What limits the meaning of a model's numbers on a dataset."""
    notes = [_NO_CALIBRATION.format(model=model.name)] if model.about["threshold_origin"] == "default" else []
    needed, available = _side(model), dataset.report["image_size"]
    if available < needed:
        notes.append(
            f"the images are stored at {available} px on the short side and were enlarged: {model.name} takes "
            f"{needed} px"
        )
    return notes


def _side(model: LoadedModel) -> int:
    """The short side in pixels to which images are resized for a model."""
    own = processor_short_side(model.classifier.processor)
    return own or min(model.classifier.pixel_values([np.zeros((256, 256), np.uint8)]).shape[2:])


def compare(models: Sequence[LoadedModel], scores: Sequence[Scores], results: Sequence[GroupSummary]) -> Comparison:
    """Both models on the same images."""
    first, second = scores
    measures = [
        metric_measures(of.probability, of.labels, of.patients, model.threshold, of.margin)
        for model, of in zip(models, scores, strict=True)
    ]
    intervals = comparison.difference_intervals(measures[0], measures[1], first.patients)
    differences: dict[MetricName, Difference] = {}
    for name in METRIC_NAMES:
        one, other, interval = results[0][name], results[1][name], intervals.get(name)
        differences[name] = {
            "estimate": None if one is None or other is None else one - other,
            "interval": None if interval is None else [interval.low, interval.high],
        }
    return {"differences": differences, "delong": _delong(first, second)}


def _delong(first: Scores, second: Scores) -> DeLong | None:
    if len(np.unique(first.patients)) < len(first.patients):
        return None
    found = comparison.delong(first.margin, second.margin, first.labels)
    if found is None:
        return None
    p_value = None if np.isnan(found.p_value) else found.p_value
    return {"estimate": found.estimate, "interval": [found.low, found.high], "p_value": p_value}
