"""Fitting the gate on training X-rays and on outliers made from them, and on nothing else.

The fit sees no photograph and no other collection: what it refuses beyond its own outliers is what generalises. It
needs scikit-learn; a fitted gate does not.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from tqdm import tqdm
from transformers import BaseImageProcessor, PreTrainedModel

from cxr.gate.gate import Gate, gate_features, standardize
from cxr.gate.outliers import OUTLIER_KINDS, make_outlier
from cxr.imaging.preprocess import to_pixel_values

MAX_XRAYS = 600
"""Training X-rays that the fit takes at most: more cost time and change little (800 refuse no kind much better)."""

PASSED = 0.99
"""Share of validation X-rays that must reach the threshold."""

_OUTLIERS_PER_XRAY = 2
_BATCH = 32
_STRENGTH = 0.03
_CONSTANT = 1e-6

Look = Callable[[torch.Tensor, Sequence[torch.Tensor]], torch.Tensor]


def fit_gate(
    model: PreTrainedModel,
    processor: BaseImageProcessor,
    train_images: Iterable[np.ndarray],
    validation_images: Iterable[np.ndarray],
    seed: int,
    progress: bool = True,
) -> Gate:
    """Fit on the first `MAX_XRAYS` training X-rays, uint8 (H, W) each, and set the threshold on validation.

    The same model, pictures in the same order and seed give the same gate. It costs three forward passes a training
    X-ray, 1,800 at most, and one a validation X-ray.
    """
    xrays = tqdm(islice(train_images, MAX_XRAYS), desc="gate", unit="X-ray", disable=not progress)
    found = run_in_batches(model, processor, _with_outliers(xrays, seed), gate_features)
    inside = np.arange(len(found)) % (1 + _OUTLIERS_PER_XRAY) == 0
    about = f"{inside.sum()} training X-rays, {(~inside).sum()} outliers made from them, seed {seed}"
    gate = _regression(found, inside, about)
    scores = run_in_batches(model, processor, validation_images, gate.score)
    return replace(gate, threshold=scores.quantile(1 - PASSED, interpolation="lower"))


@torch.inference_mode()
def run_in_batches(
    model: PreTrainedModel, processor: BaseImageProcessor, pictures: Iterable[np.ndarray], how: Look
) -> torch.Tensor:
    """One forward pass for every picture, uint8 (H, W); what `how` makes of input and hidden states, in one tensor."""
    pictures, answers = iter(pictures), []
    while batch := list(islice(pictures, _BATCH)):
        pixel_values = to_pixel_values(batch, processor).to(model.device, memory_format=torch.channels_last)
        answers.append(how(pixel_values, model(pixel_values, output_hidden_states=True).hidden_states))
    return torch.cat(answers)


def _with_outliers(xrays: Iterable[np.ndarray], seed: int) -> Iterator[np.ndarray]:
    """Each X-ray, then its outliers; all kinds get their turn equally often."""
    kinds = list(OUTLIER_KINDS)
    for index, xray in enumerate(xrays):
        yield xray
        rng = np.random.default_rng([seed, index])
        for turn in range(_OUTLIERS_PER_XRAY):
            yield make_outlier(kinds[(_OUTLIERS_PER_XRAY * index + turn) % len(kinds)], xray, rng)


def _regression(found: torch.Tensor, inside: np.ndarray, made_from: str) -> Gate:
    mean, scale = found.mean(dim=0), found.std(dim=0)
    scale[scale < _CONSTANT] = 1.0
    regression = LogisticRegression(C=_STRENGTH, class_weight="balanced", max_iter=1000)
    regression.fit(standardize(found, mean, scale).numpy(), inside)
    weight, bias = (torch.tensor(part[0], dtype=torch.float32) for part in (regression.coef_, regression.intercept_))
    return Gate(mean, scale, weight, bias, torch.tensor(0.0), made_from)
