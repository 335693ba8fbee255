"""The gate of a finished model: fitted on its training X-rays, and what it was then seen to pass and to refuse."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import datasets
import numpy as np
import torch
from transformers import AutoModelForImageClassification

from cxr.gate import FILE_NAME
from cxr.gate.fitting import MAX_XRAYS, fit_gate, run_in_batches
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier
from cxr.imaging.preprocess import load_processor
from cxr.training.data.dataset import XrayDataset

MAX_SCORED = 500
"""X-rays of a split that are scored at most."""

_OUTLIERS_A_KIND = 40


def fit_and_score_gate(model_dir: Path, dataset: XrayDataset, external: Mapping[str, XrayDataset], seed: int) -> dict:
    """Fit the gate of the model in `model_dir`, leave it there as `gate.safetensors`, and return what was seen of it.

    Only training X-rays, and what is made from them, are fitted on; validation sets the threshold; test and external
    X-rays are scored once. Where a split holds more than is asked for, the pictures with the smallest hashes are taken.
    Returns `threshold` (log-odds), `fitted_on`, `passed` (n and share for each split, `external` by name) and `refused`
    (n and share for each kind of outlier made from test X-rays).
    """
    model = AutoModelForImageClassification.from_pretrained(model_dir, dtype=torch.float32).eval()
    model.to(torch.accelerator.current_accelerator() or "cpu", memory_format=torch.channels_last)
    processor = load_processor(model_dir)
    train, validation, test = (dataset.splits[name] for name in ("train", "validation", "test"))
    gate = fit_gate(model, processor, _images(train, MAX_XRAYS), _images(validation, MAX_SCORED), seed)
    gate.save(model_dir / FILE_NAME)

    def passed(pictures: Iterator[np.ndarray]) -> dict[str, float | int]:
        through = gate.passes(run_in_batches(model, processor, pictures, gate.score))
        return {"n": len(through), "share": through.double().mean().item()}

    outside = {name: passed(_images(other.splits["test"], MAX_SCORED)) for name, other in external.items()}
    refused = {kind: passed(_outliers(kind, test, seed)) for kind in OUTLIER_KINDS}
    return {
        "threshold": gate.threshold.item(),
        "fitted_on": gate.fitted_on,
        "passed": {
            "validation": passed(_images(validation, MAX_SCORED)),
            "test": passed(_images(test, MAX_SCORED)),
            "external": outside,
        },
        "refused": {kind: {"n": seen["n"], "share": 1 - seen["share"]} for kind, seen in refused.items()},
    }


def _images(split: datasets.Dataset | datasets.IterableDataset, count: int) -> Iterator[np.ndarray]:
    """At most `count` pictures, uint8 (H, W): those with the smallest hashes, or the first of a stream."""
    if isinstance(split, datasets.IterableDataset):
        chosen = split.take(count)
    else:
        hashes = split["sha256"][:]
        chosen = split.select(sorted(range(len(split)), key=hashes.__getitem__)[:count])
    return (np.asarray(row["image"]) for row in chosen)


def _outliers(kind: str, split: datasets.Dataset, seed: int) -> Iterator[np.ndarray]:
    """Outliers of one kind, from X-rays that the fit never saw and with chances that it never drew."""
    for index, xray in enumerate(_images(split, _OUTLIERS_A_KIND)):
        yield make_outlier(kind, xray, np.random.default_rng([seed, index, 1]))
