"""The out-of-distribution gate of a finished model: fitted on its training X-rays, and tried on others."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import datasets
import numpy as np
import torch

from cxr.gate import Gate
from cxr.gate.features import FeatureExtractor
from cxr.gate.fitting import MAX_XRAYS, TRAINING, fit_gate
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier
from cxr.schema.gate import GateShare, GateSummary, ValidationDistribution
from cxr.schema.labels import LABELS
from cxr.schema.model_repo import GATE
from cxr.statistics import shift
from cxr.training.data.dataset import XrayDataset
from cxr.training.data.images import image_of
from cxr.training.evaluation.evaluation import Evaluator, Scores

MAX_SCORED = 500
"""The number of X-rays of a split that are scored at most."""

_OUTLIERS_A_KIND = 40


class GateEvaluation(NamedTuple):
    """What `metrics.json` says of a gate, and of the images of validation that it was applied to."""

    summary: GateSummary
    distribution: ValidationDistribution


def add_gate(
    evaluator: Evaluator,
    dataset: XrayDataset,
    external: Mapping[str, XrayDataset],
    validation_scores: Scores,
    seed: int,
    kind: str = TRAINING,
) -> GateEvaluation:
    """Fit the gate of a model, save it beside the model as `gate.safetensors`, and return what `metrics.json` says.

    The fit uses only training X-rays and outliers made from them; validation sets the threshold; test and external
    X-rays are scored once. If a split holds more images than are used, those with the smallest hashes are taken.
    `validation_scores` are the model's own, in the order of the split. The summary holds `threshold` (log-odds),
    `fitted_on`, `passed` (n and share for each split, `external` by name) and `refused` (n and share for each kind of
    outlier made from test X-rays). `kind` is what the fitted X-rays are called there.
    """
    extract = FeatureExtractor(evaluator.model, evaluator.processor)
    train, validation, test = (dataset.splits[name] for name in ("train", "validation", "test"))
    chosen = _chosen(validation, MAX_SCORED)
    validated = extract(_images_at(validation, chosen))
    gate = fit_gate(extract, _images(train, MAX_XRAYS), validated, seed, kind=kind)
    gate.save(evaluator.model_dir / GATE)

    def passed(images: Sequence[np.ndarray]) -> GateShare:
        return _passed(gate, gate.score(extract(images)))

    on_validation = gate.score(validated)
    outside = {name: passed(_images(other.splits["test"], MAX_SCORED)) for name, other in external.items()}
    outliers = {kind: passed(_outliers(kind, test, seed)) for kind in OUTLIER_KINDS}
    summary: GateSummary = {
        "threshold": gate.threshold.item(),
        "fitted_on": gate.fitted_on,
        "passed": {
            "validation": _passed(gate, on_validation),
            "test": passed(_images(test, MAX_SCORED)),
            "external": outside,
        },
        "refused": {kind: {"n": shares["n"], "share": 1 - shares["share"]} for kind, shares in outliers.items()},
    }
    refused = ~gate.passes(on_validation).numpy()
    return GateEvaluation(summary, _distribution(on_validation.numpy(), refused, validation_scores, chosen))


def _distribution(
    gate_scores: np.ndarray, refused: np.ndarray, scores: Scores, chosen: Sequence[int]
) -> ValidationDistribution:
    """What the chosen images of validation were given, for each class that is among them."""
    labels, probability = scores.labels[chosen], scores.probability[chosen]
    return {
        LABELS[label]: {
            "n": int((labels == label).sum()),
            "refused": int(refused[labels == label].sum()),
            "gate_score": shift.quantiles(gate_scores[labels == label]),
            "probability": shift.quantiles(probability[labels == label]),
        }
        for label in np.unique(labels)
    }


def pass_share(gate: Gate, evaluator: Evaluator, split: datasets.Dataset) -> GateShare:
    """How many X-rays of a split the gate was applied to, at most `MAX_SCORED`, and the share that it passed."""
    extract = FeatureExtractor(evaluator.model, evaluator.processor)
    return _passed(gate, gate.score(extract(_images(split, MAX_SCORED))))


def _passed(gate: Gate, scores: torch.Tensor) -> GateShare:
    return {"n": len(scores), "share": gate.passes(scores).double().mean().item()}


def _images(split: datasets.Dataset | datasets.IterableDataset, count: int) -> list[np.ndarray]:
    """At most `count` images, uint8 (H, W): those with the smallest hashes, or the first ones of a stream."""
    if isinstance(split, datasets.IterableDataset):
        return [np.asarray(image_of(row)) for row in split.take(count)]
    return _images_at(split, _chosen(split, count))


def _chosen(split: datasets.Dataset, count: int) -> list[int]:
    """The positions of at most `count` images: those with the smallest hashes."""
    hashes = split["sha256"][:]
    return sorted(range(len(split)), key=hashes.__getitem__)[:count]


def _images_at(split: datasets.Dataset, chosen: Sequence[int]) -> list[np.ndarray]:
    return [np.asarray(image_of(row)) for row in split.select(chosen)]


def _outliers(kind: str, split: datasets.Dataset, seed: int) -> list[np.ndarray]:
    """Outliers of one kind, made from X-rays that were not used in the fit, with random numbers of their own."""
    return [
        make_outlier(kind, xray, np.random.default_rng([seed, index, 1]))
        for index, xray in enumerate(_images(split, _OUTLIERS_A_KIND))
    ]
