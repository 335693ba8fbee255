"""Fitting the gate on training X-rays and on outliers made from them, and on nothing else.

The fit sees no photograph and no other collection, so whatever else the gate rejects, it rejects by generalization.
Fitting needs scikit-learn; a fitted gate does not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm

from cxr.gate.features import FeatureExtractor
from cxr.gate.gate import Gate, standardize
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier

Image = NDArray[np.uint8]

MAX_XRAYS = 600
"""Training X-rays that are used at most: more take time and change little (800 reject no kind much better)."""

PASSED = 0.99
"""Share of validation X-rays that must reach the threshold."""

TRAINING = "training X-rays"

_OUTLIERS_PER_XRAY = 2
_STRENGTH = 0.03
_CONSTANT = 1e-6


def fit_gate(
    extract: FeatureExtractor,
    train_images: Iterable[Image],
    validation_features: torch.Tensor,
    seed: int,
    progress: bool = True,
    kind: str = TRAINING,
) -> Gate:
    """Fit on the first `MAX_XRAYS` training X-rays, uint8 (H, W) each, and set the threshold on validation.

    `validation_features` are what `extract` gives for validation X-rays, float32 (N, D). `kind` is what the gate and
    the card call the X-rays that it was fitted on.

    The same model, images in the same order and seed give the same gate. It takes three forward passes for each
    training X-ray, 1,800 at most.
    """
    xrays = tqdm(islice(train_images, MAX_XRAYS), desc="gate", unit="X-ray", disable=not progress)
    features = extract(_with_outliers(xrays, seed))
    inside = np.arange(len(features)) % (1 + _OUTLIERS_PER_XRAY) == 0
    fitted_on = f"{inside.sum()} {kind}, {(~inside).sum()} outliers made from them, seed {seed}"
    gate = _regression(features, inside, fitted_on)
    scores = gate.score(validation_features)
    return replace(gate, threshold=scores.quantile(1 - PASSED, interpolation="lower"))


def _with_outliers(xrays: Iterable[Image], seed: int) -> Iterator[Image]:
    """Each X-ray, followed by its outliers; all kinds are made equally often."""
    kinds = list(OUTLIER_KINDS)
    for index, xray in enumerate(xrays):
        yield xray
        rng = np.random.default_rng([seed, index])
        for turn in range(_OUTLIERS_PER_XRAY):
            yield make_outlier(kinds[(_OUTLIERS_PER_XRAY * index + turn) % len(kinds)], xray, rng)


def _regression(features: torch.Tensor, inside: NDArray[np.bool_], fitted_on: str) -> Gate:
    mean, scale = features.mean(dim=0), features.std(dim=0)
    scale[scale < _CONSTANT] = 1.0
    regression = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000)
    regression.fit(standardize(features, mean, scale).numpy(), inside)
    weight, bias = (torch.tensor(part[0], dtype=torch.float32) for part in (regression.coef_, regression.intercept_))
    return Gate(mean, scale, weight, bias, torch.tensor(0.0), fitted_on)
