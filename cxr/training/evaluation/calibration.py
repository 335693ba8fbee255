"""Calibration: a temperature and a bias, fitted on validation and folded into the head of the saved model.

Temperature scaling (Guo et al. 2017, arXiv 1706.04599) divides the logits by one number, which does not change their
order. A loss that was weighted by class gives probabilities as if both classes were equally common; a bias on the logit
of COVID corrects them to the prevalence in validation. Together they are Platt scaling (1999), and as in Platt scaling
they are fitted to targets slightly inside 0 and 1, so that a validation split without a single error does not make the
model infinitely certain.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.special import expit
from torch import nn
from transformers import AutoModelForImageClassification

from cxr.network.model import linear_head
from cxr.schema.labels import COVID, LABELS
from cxr.statistics.conformal import missing_promise

_LOWEST_TEMPERATURE, _HIGHEST_TEMPERATURE = 0.05, 20.0
_LARGEST_BIAS = 10.0


@dataclass(frozen=True)
class Calibration:
    """By what a difference of logits is divided, what is then added to it, and why nothing was fitted, if so."""

    temperature: float = 1.0
    bias: float = 0.0
    reason: str | None = None

    def apply(self, margin: np.ndarray) -> np.ndarray:
        """Calibrate logit differences (COVID − NON-COVID), any shape, in float64: less precision would swap ranks."""
        return np.asarray(margin, dtype=np.float64) / self.temperature + self.bias


def fit_calibration(margin: np.ndarray, labels: np.ndarray, with_bias: bool) -> Calibration:
    """The calibration that fits int (N,) validation labels best, given float (N,) logit differences.

    `with_bias` is for a loss that was weighted by class. The temperature stays between 1/20 and 20, so that the order
    of the images is kept even for a model that is worse than chance. If validation holds too few images of a class,
    nothing is fitted, and `reason` says so.
    """
    margin, covid = np.asarray(margin, dtype=np.float64), np.asarray(labels) == COVID
    reason = missing_promise(dict(zip(LABELS, [int((~covid).sum()), int(covid.sum())], strict=True)))
    if reason:
        return Calibration(reason=reason)
    if np.ptp(margin) == 0:
        return Calibration(reason="the model gives every validation image the same score")
    target = np.where(covid, (covid.sum() + 1) / (covid.sum() + 2), 1 / ((~covid).sum() + 2))
    scale = margin.std()
    bias_bounds = (-_LARGEST_BIAS, _LARGEST_BIAS) if with_bias else (0, 0)
    bounds = [(np.log(_LOWEST_TEMPERATURE), np.log(_HIGHEST_TEMPERATURE)), bias_bounds]
    start = [np.clip(np.log(scale), *bounds[0]), 0.0]
    optimum = minimize(_loss, start, (margin, target), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12).x
    return Calibration(float(np.exp(optimum[0])), float(optimum[1]))


def _loss(parameters: np.ndarray, margin: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """Mean negative log-likelihood at (log temperature, bias), and its gradient."""
    log_temperature, bias = parameters
    scaled = margin * np.exp(-log_temperature)
    calibrated = scaled + bias
    off = expit(calibrated) - target
    loss = np.mean(np.logaddexp(0, calibrated) - target * calibrated)
    return float(loss), np.array([-np.mean(off * scaled), np.mean(off)])


def fold(folder: Path, calibration: Calibration) -> None:
    """Write the calibration into the head of the model saved in `folder`, whose plain weights are then calibrated."""
    model = AutoModelForImageClassification.from_pretrained(folder, dtype=torch.float32)
    _fold_into_head(model, calibration)
    model.save_pretrained(folder)


@torch.no_grad()
def _fold_into_head(model: nn.Module, calibration: Calibration) -> None:
    """Divide the head's weights and biases by the temperature and add the bias to that of COVID, in float64."""
    head = linear_head(model)
    head.weight.copy_(head.weight.double() / calibration.temperature)
    bias = head.bias.double() / calibration.temperature
    bias[COVID] += calibration.bias
    head.bias.copy_(bias)
