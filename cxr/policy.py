"""From score to words: what a probability means for one model, said the same way everywhere.

Two thresholds speak. The operating threshold (sensitivity fixed on validation) decides between the two classes; the
split-conformal quantiles (Vovk 2012, arXiv:1209.2673: one a class, so that both classes are covered) say when a
decision should not be given. A picture that the gate refuses gets neither.
"""

from collections.abc import Mapping, Sequence

from cxr.schema.labels import COVID, LABELS, NON_COVID
from cxr.schema.verdicts import OF_CLASS, REFUSED, UNCERTAIN
from cxr.statistics.conformal import prediction_set

DEFAULT_THRESHOLD = 0.5
"""What a model without an `operating_threshold` of its own is read at: the more probable class wins."""

_WHY_REFUSED = (
    "The picture does not look like the upright frontal chest X-rays that the model learned from, so its probability "
    "means nothing here."
)
_WHY_BOTH = "The probability lies where calibration pictures of both classes lie, so it decides for neither."
_WHY_CONTRADICTION = (
    "The class that the calibration pictures suggest is not the one that the threshold gives, so neither is given."
)

Quantiles = Mapping[str, float]


def decide(probability: float, threshold: float) -> int:
    """The class index for a probability of COVID; a score that meets the threshold exactly is positive."""
    return COVID if probability >= threshold else NON_COVID


def label(probability: float, threshold: float) -> str:
    """The class name on this side of the threshold, as the model's `id2label` spells it."""
    return LABELS[decide(probability, threshold)]


def conformal_set(probability: float, quantiles: Quantiles) -> list[str]:
    """The classes, in the order of `LABELS`, whose nonconformity (1 − their probability) is within their quantile."""
    return [LABELS[index] for index in sorted(prediction_set(probability, quantiles))]


def verdict(probability: float, threshold: float, quantiles: Quantiles | None = None, gate_passed: bool = True) -> str:
    """One of the four verdicts for a probability of COVID in [0, 1].

    Without `quantiles`, the model's conformal quantile of each class, the threshold alone decides. An empty set is
    read as the more probable class: the promised coverage only grows by that.
    """
    if not gate_passed:
        return REFUSED
    return UNCERTAIN if _doubt(probability, threshold, quantiles) else OF_CLASS[decide(probability, threshold)]


def why(probability: float, threshold: float, quantiles: Quantiles | None = None, gate_passed: bool = True) -> str:
    """Why the verdict is no class, in a sentence; empty where it is one."""
    return _doubt(probability, threshold, quantiles) if gate_passed else _WHY_REFUSED


def _doubt(probability: float, threshold: float, quantiles: Quantiles | None) -> str:
    """The reason to abstain, empty where there is none."""
    if quantiles is None:
        return ""
    suggested = conformal_set(probability, quantiles)
    if len(suggested) == len(LABELS):
        return _WHY_BOTH
    return "" if label(probability, threshold) in (suggested or _more_probable(probability)) else _WHY_CONTRADICTION


def _more_probable(probability: float) -> Sequence[str]:
    return [label(probability, DEFAULT_THRESHOLD)]


def numbers(probability: float, threshold: float) -> str:
    """Both numbers in words: "probability 0.93 (threshold 0.41)".

    Two decimals, or as many more as it takes for the two to stand on the side of each other that the verdict says.
    """
    digits = next((n for n in range(2, 7) if _told_apart(probability, threshold, n)), 7)
    return f"probability {probability:.{digits}f} (threshold {threshold:.{digits}f})"


def _told_apart(probability: float, threshold: float, digits: int) -> bool:
    shown = round(probability, digits), round(threshold, digits)
    return decide(*shown) == decide(probability, threshold)
