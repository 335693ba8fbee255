"""ROC and precision–recall curves with pointwise 95 % bands, from the same bootstrap over patients as the intervals."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cxr.statistics import bootstrap
from cxr.training.evaluation.scores import Scores

GRID = np.linspace(0, 1, 201)
"""Where the bands are taken: 1 − specificity, or recall."""

_RESAMPLES = 1000


class Curve(NamedTuple):
    """Points of a curve, float (K,) each, and its band over `GRID`, float (2, 201): low and high."""

    x: np.ndarray
    y: np.ndarray
    band: np.ndarray


def roc(scores: Scores) -> Curve:
    """Sensitivity against 1 − specificity of a set that holds both classes."""
    return _curve(scores, _roc_points)


def precision_recall(scores: Scores) -> Curve:
    """Precision against recall of a set that holds both classes."""
    return _curve(scores, _precision_recall_points)


Points = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray, np.ndarray]]


def _curve(scores: Scores, points: Points) -> Curve:
    counts = bootstrap.confusion_counts(scores.margin, scores.labels)
    hits, false = counts(np.ones((1, len(scores.labels))))
    x, y, _ = points(hits[0], false[0])
    resampled = [
        points(*row)[2]
        for weights in bootstrap.resample_weights(scores.patients, _RESAMPLES)
        for row in zip(*counts(weights), strict=True)
        if row[0][-1] and row[1][-1]
    ]
    return Curve(x, y, np.percentile(resampled, [2.5, 97.5], axis=0))


def _roc_points(hits: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """1 − specificity and sensitivity at every threshold, and the sensitivity over `GRID`."""
    x, y = np.append(0.0, false / false[-1]), np.append(0.0, hits / hits[-1])
    return x, y, y[np.searchsorted(x, GRID, side="right") - 1]


def _precision_recall_points(hits: np.ndarray, false: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Recall and precision at every threshold that calls anything, and the precision over `GRID`."""
    called = hits + false > 0
    x, y = hits[called] / hits[-1], hits[called] / (hits + false)[called]
    return x, y, y[np.minimum(np.searchsorted(x, GRID), len(x) - 1)]
