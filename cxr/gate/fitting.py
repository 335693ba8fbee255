"""Fitting the gate on training X-rays and on outliers made from them, and on nothing else.

The fit sees no photograph and no other collection, so whatever else the gate rejects, it rejects by generalization.
Fitting needs scikit-learn; a fitted gate does not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm
from transformers import BaseImageProcessor, PreTrainedModel

from cxr.gate.gate import Gate, gate_features, standardize
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier
from cxr.imaging.preprocess import to_pixel_values

Image = NDArray[np.uint8]

MAX_XRAYS = 600
"""Training X-rays that are used at most: more take time and change little (800 reject no kind much better)."""

PASSED = 0.99
"""Share of validation X-rays that must reach the threshold."""

TRAINING = "training X-rays"

_OUTLIERS_PER_XRAY = 2
_BATCH = 32
_STRENGTH = 0.03
_CONSTANT = 1e-6

PassFunction = Callable[[torch.Tensor, Sequence[torch.Tensor]], torch.Tensor]
"""The input (N, 3, S, S) and the hidden states of one forward pass → values (N, …)."""


def fit_gate(
    model: PreTrainedModel,
    processor: BaseImageProcessor,
    train_images: Iterable[Image],
    validation_images: Iterable[Image],
    seed: int,
    progress: bool = True,
    kind: str = TRAINING,
) -> Gate:
    """Fit on the first `MAX_XRAYS` training X-rays, uint8 (H, W) each, and set the threshold on validation.

    `kind` is what the gate and the card call the X-rays that it was fitted on.

    The same model, images in the same order and seed give the same gate. It takes three forward passes for each
    training X-ray, 1,800 at most, and one for each validation X-ray.
    """
    xrays = tqdm(islice(train_images, MAX_XRAYS), desc="gate", unit="X-ray", disable=not progress)
    features = run_in_batches(model, processor, _with_outliers(xrays, seed), gate_features)
    inside = np.arange(len(features)) % (1 + _OUTLIERS_PER_XRAY) == 0
    fitted_on = f"{inside.sum()} {kind}, {(~inside).sum()} outliers made from them, seed {seed}"
    gate = _regression(features, inside, fitted_on)
    scores = run_in_batches(model, processor, validation_images, gate.score)
    return replace(gate, threshold=scores.quantile(1 - PASSED, interpolation="lower"))


@torch.inference_mode()
def run_in_batches(
    model: PreTrainedModel, processor: BaseImageProcessor, images: Iterable[Image], function: PassFunction
) -> torch.Tensor:
    """`function` of one forward pass of every image, uint8 (H, W), in one tensor."""
    remaining, results = iter(images), []
    while batch := list(islice(remaining, _BATCH)):
        pixel_values = to_pixel_values(batch, processor).to(model.device, memory_format=torch.channels_last)
        results.append(function(pixel_values, model(pixel_values, output_hidden_states=True).hidden_states))
    return torch.cat(results)


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
