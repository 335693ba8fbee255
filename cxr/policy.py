"""From score to words: what a probability means at a model's operating threshold, said the same way everywhere."""

from collections.abc import Mapping

from cxr.conformal import prediction_set
from cxr.labels import COVID, LABELS, NON_COVID

DEFAULT_THRESHOLD = 0.5
"""What a model without an `operating_threshold` of its own is read at: the more probable class wins."""

UNCERTAIN = "uncertain"
VERDICTS = {COVID: "COVID-19 pattern", NON_COVID: "no COVID-19 pattern"}


def decide(probability: float, threshold: float) -> int:
    """The class index for a probability of COVID; a score that meets the threshold exactly is positive."""
    return COVID if probability >= threshold else NON_COVID


def verdict(probability: float, threshold: float, quantiles: Mapping[str, float] | None = None) -> str:
    """The verdict in words for a probability of COVID in [0, 1]; with conformal quantiles it may be "uncertain"."""
    if quantiles is None:
        return VERDICTS[decide(probability, threshold)]
    possible = prediction_set(probability, quantiles) or {decide(probability, DEFAULT_THRESHOLD)}
    return VERDICTS[decide(probability, threshold)] if possible == {decide(probability, threshold)} else UNCERTAIN


def label(probability: float, threshold: float) -> str:
    """The class name behind the verdict, as the model's `id2label` spells it."""
    return LABELS[decide(probability, threshold)]


def numbers(probability: float, threshold: float) -> str:
    """Both numbers in words: "probability 0.93 (threshold 0.41)".

    Two decimals, or as many more as it takes for the two to stand on the side of each other that the verdict says.
    """
    digits = next((n for n in range(2, 7) if _told_apart(probability, threshold, n)), 7)
    return f"probability {probability:.{digits}f} (threshold {threshold:.{digits}f})"


def sentence(probability: float, threshold: float) -> str:
    """The verdict and its numbers in one line: "COVID-19 pattern: probability 0.93 (threshold 0.41)"."""
    return f"{verdict(probability, threshold)}: {numbers(probability, threshold)}"


def _told_apart(probability: float, threshold: float, digits: int) -> bool:
    shown = round(probability, digits), round(threshold, digits)
    return decide(*shown) == decide(probability, threshold)
