"""From score to words: which verdict a probability gets, and why, in every interface and in the card.

Two thresholds are applied. The operating threshold (set on validation for a target sensitivity) decides between the
classes. The split-conformal quantiles (Vovk 2012, arXiv:1209.2673), one for each class so that both are covered, say
when a decision should not be given. An image that the out-of-distribution gate refuses gets neither class.
"""

from collections.abc import Mapping, Sequence
from typing import TypeGuard

from cxr.schema.labels import COVID, LABELS, NON_COVID, Label
from cxr.schema.verdicts import OF_CLASS, REFUSED, UNCERTAIN, Verdict
from cxr.statistics.conformal import prediction_set

DEFAULT_THRESHOLD = 0.5
"""For a model without an `operating_threshold`: the more probable class wins."""

_WHY_REFUSED = (
    "The image does not look like the upright frontal chest X-rays that the model learned from, so its probability "
    "means nothing here."
)
_WHY_BOTH = "Calibration images of both classes have probabilities like this one, so neither class is given."
_WHY_CONTRADICTION = (
    "The class that the calibration images suggest is not the one on this side of the threshold, so neither is given."
)
_DIGITS = range(2, 8)

Quantiles = Mapping[Label, float]


def is_fraction(value: object) -> TypeGuard[float]:
    """Whether a JSON value is a number from 0 to 1; true, false and NaN are not."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def decide(probability: float, threshold: float) -> int:
    """The class index for a probability of COVID; at the threshold itself it is COVID."""
    return COVID if probability >= threshold else NON_COVID


def label(probability: float, threshold: float) -> Label:
    """The class name on this side of the threshold, as the model's `id2label` spells it."""
    return LABELS[decide(probability, threshold)]


def conformal_set(probability: float, quantiles: Quantiles) -> list[Label]:
    """The classes, in the order of `LABELS`, whose nonconformity (1 − their probability) is within their quantile."""
    return [LABELS[index] for index in sorted(prediction_set(probability, quantiles))]


def verdict(
    probability: float, threshold: float, quantiles: Quantiles | None = None, gate_passed: bool = True
) -> Verdict:
    """One of the four verdicts for a probability of COVID in [0, 1].

    Without `quantiles`, the conformal quantile of each class, the threshold alone decides. An empty conformal set is
    read as the more probable class, which can only raise the coverage.
    """
    if not gate_passed:
        return REFUSED
    if _why_uncertain(probability, threshold, quantiles):
        return UNCERTAIN
    return OF_CLASS[decide(probability, threshold)]


def why(probability: float, threshold: float, quantiles: Quantiles | None = None, gate_passed: bool = True) -> str:
    """Why the verdict is not a class, in a sentence; empty if it is one."""
    return _why_uncertain(probability, threshold, quantiles) if gate_passed else _WHY_REFUSED


def _why_uncertain(probability: float, threshold: float, quantiles: Quantiles | None) -> str:
    """Why no class is given; empty if one is."""
    if quantiles is None:
        return ""
    suggested: Sequence[Label] = conformal_set(probability, quantiles)
    if len(suggested) == len(LABELS):
        return _WHY_BOTH
    if label(probability, threshold) in (suggested or [label(probability, DEFAULT_THRESHOLD)]):
        return ""
    return _WHY_CONTRADICTION


def numbers(probability: float, threshold: float) -> str:
    """Both numbers in words: "probability 0.93 (threshold 0.41)".

    They have two decimals, or as many more as it takes to show which of them is the larger.
    """
    digits = next((count for count in _DIGITS if _decided_alike(probability, threshold, count)), _DIGITS[-1])
    return f"probability {probability:.{digits}f} (threshold {threshold:.{digits}f})"


def _decided_alike(probability: float, threshold: float, digits: int) -> bool:
    """Whether the rounded numbers lead to the same class as the exact ones."""
    return decide(round(probability, digits), round(threshold, digits)) == decide(probability, threshold)
