"""Metrics as functions of how often each picture is counted, so that thousands of resamples cost one matrix product.

Each function takes what N pictures are and returns a `Statistic`: weights float (B, N), how often each picture was
drawn in each of B resamples, → values float (B,), NaN where they leave the metric undefined.
"""

from collections.abc import Callable

import numpy as np

Statistic = Callable[[np.ndarray], np.ndarray]
"""Weights float (B, N) of N pictures in B resamples → values float (B,) in 0…1, NaN where they leave it undefined."""


def auroc(score: np.ndarray, labels: np.ndarray) -> Statistic:
    """Area under the ROC curve: scores are ranked once, ties count half, each resample costs one cumulative sum."""
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(labels) == 1
    positives, negatives = np.flatnonzero(positive), np.flatnonzero(~positive)
    negatives = negatives[np.argsort(score[negatives], kind="stable")]
    below = np.searchsorted(score[negatives], score[positives], side="left")
    not_above = np.searchsorted(score[negatives], score[positives], side="right")

    def statistic(weights: np.ndarray) -> np.ndarray:
        passed = np.zeros((len(weights), len(negatives) + 1))
        np.cumsum(weights[:, negatives], axis=1, out=passed[:, 1:])
        chosen = weights[:, positives]
        won = np.einsum("bp,bp->b", chosen, passed[:, below]) + np.einsum("bp,bp->b", chosen, passed[:, not_above])
        return divide(won / 2, chosen.sum(axis=1) * passed[:, -1])

    return statistic


def auprc(score: np.ndarray, labels: np.ndarray) -> Statistic:
    """Average precision as scikit-learn has it: Σ recall gained × precision over distinct scores."""
    counts = confusion(score, labels)

    def statistic(weights: np.ndarray) -> np.ndarray:
        hits, false = counts(weights)
        precision = np.nan_to_num(divide(hits, hits + false))
        gained = np.diff(hits, axis=1, prepend=0.0)
        found = divide(np.einsum("bk,bk->b", gained, precision), hits[:, -1])
        return np.where(false[:, -1] > 0, found, np.nan)

    return statistic


def confusion(score: np.ndarray, labels: np.ndarray) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """True and false positives, float (B, K) each, at the K distinct scores from the highest down."""
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(labels) == 1
    order = np.argsort(-score, kind="stable")
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))

    def count(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        drawn = weights[:, order]
        hits = np.cumsum(drawn * positive[order], axis=1)[:, last]
        return hits, np.cumsum(drawn, axis=1)[:, last] - hits

    return count


def ratio(hits: np.ndarray, among: np.ndarray) -> Statistic:
    """The share of `hits` in `among`, both bool or float (N,): sensitivity, accuracy, F1, coverage, Brier score."""
    both = np.stack([np.asarray(hits, dtype=np.float64), np.asarray(among, dtype=np.float64)], axis=1)

    def statistic(weights: np.ndarray) -> np.ndarray:
        part, whole = (weights @ both).T
        return divide(part, whole)

    return statistic


def mean(*statistics: Statistic) -> Statistic:
    """The mean of several statistics; NaN where one of them is."""
    return lambda weights: np.mean([statistic(weights) for statistic in statistics], axis=0)


def divide(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """The quotient, NaN where nothing is divided by nothing."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
