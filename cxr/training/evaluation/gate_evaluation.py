"""The out-of-distribution gate of a finished model: fitted on its training X-rays, and tried on others."""

from collections.abc import Mapping, Sequence

import datasets
import numpy as np

from cxr.gate.fitting import MAX_XRAYS, fit_gate, run_in_batches
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier
from cxr.schema.metrics import GateShare, GateSummary
from cxr.schema.model_repo import GATE
from cxr.training.data.dataset import XrayDataset
from cxr.training.data.images import image_of
from cxr.training.evaluation.evaluation import Evaluator

MAX_SCORED = 500
"""The number of X-rays of a split that are scored at most."""

_OUTLIERS_A_KIND = 40


def add_gate(evaluator: Evaluator, dataset: XrayDataset, external: Mapping[str, XrayDataset], seed: int) -> GateSummary:
    """Fit the gate of a model, save it beside the model as `gate.safetensors`, and return what `metrics.json` says.

    The fit uses only training X-rays and outliers made from them; validation sets the threshold; test and external
    X-rays are scored once. If a split holds more images than are used, those with the smallest hashes are taken.
    Returns `threshold` (log-odds), `fitted_on`, `passed` (n and share for each split, `external` by name) and `refused`
    (n and share for each kind of outlier made from test X-rays).
    """
    model, processor = evaluator.model, evaluator.processor
    train, validation, test = (dataset.splits[name] for name in ("train", "validation", "test"))
    gate = fit_gate(model, processor, _images(train, MAX_XRAYS), _images(validation, MAX_SCORED), seed)
    gate.save(evaluator.model_dir / GATE)

    def passed(images: Sequence[np.ndarray]) -> GateShare:
        passes = gate.passes(run_in_batches(model, processor, images, gate.score))
        return {"n": len(passes), "share": passes.double().mean().item()}

    outside = {name: passed(_images(other.splits["test"], MAX_SCORED)) for name, other in external.items()}
    outliers = {kind: passed(_outliers(kind, test, seed)) for kind in OUTLIER_KINDS}
    return {
        "threshold": gate.threshold.item(),
        "fitted_on": gate.fitted_on,
        "passed": {
            "validation": passed(_images(validation, MAX_SCORED)),
            "test": passed(_images(test, MAX_SCORED)),
            "external": outside,
        },
        "refused": {kind: {"n": shares["n"], "share": 1 - shares["share"]} for kind, shares in outliers.items()},
    }


def _images(split: datasets.Dataset | datasets.IterableDataset, count: int) -> list[np.ndarray]:
    """At most `count` images, uint8 (H, W): those with the smallest hashes, or the first ones of a stream."""
    if isinstance(split, datasets.IterableDataset):
        chosen = split.take(count)
    else:
        hashes = split["sha256"][:]
        chosen = split.select(sorted(range(len(split)), key=hashes.__getitem__)[:count])
    return [np.asarray(image_of(row)) for row in chosen]


def _outliers(kind: str, split: datasets.Dataset, seed: int) -> list[np.ndarray]:
    """Outliers of one kind, made from X-rays that were not used in the fit, with random numbers of their own."""
    return [
        make_outlier(kind, xray, np.random.default_rng([seed, index, 1]))
        for index, xray in enumerate(_images(split, _OUTLIERS_A_KIND))
    ]
