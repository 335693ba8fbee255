"""Two models on the same images: paired differences of their metrics, and DeLong's test of the AUROC.

The interval of a difference is put together from those of its two parts and their correlation between the same
resamples of patients (MOVER: Zou and Donner 2008, doi 10.1002/sim.3095). So it inherits what makes those cover the
truth with several images a patient: the logit scale near 1, Student's t for few patients, the exact limit for a metric
of exactly 1. `benchmarks/comparison.py` measures its coverage.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

from cxr.statistics import bootstrap
from cxr.statistics.bootstrap import LEVEL, RESAMPLES, Interval, Measure, Patients

Floats = NDArray[np.floating]


class DeLong(NamedTuple):
    """The difference of two AUROCs, the ends of its 95 % interval, and the two-sided p-value (NaN: no variance)."""

    estimate: float
    low: float
    high: float
    p_value: float


def difference_intervals(
    first: Mapping[str, Measure],
    second: Mapping[str, Measure],
    patients: Patients,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """First minus second of each metric with its 95 % interval; None with too few patients, or where one is undefined.

    Both models are measured on the same resamples, so what makes all images of a patient hard cancels out.
    """
    patients = np.asarray(patients)
    of_first, of_second = (
        bootstrap.intervals(measures, patients, resamples=resamples, seed=seed) for measures in (first, second)
    )
    together = _correlations(first, second, patients, resamples, seed)
    results: dict[str, Interval | None] = {}
    for name in first:
        one, other = of_first[name], of_second[name]
        results[name] = None if one is None or other is None else _difference(one, other, together[name])
    return results


def _correlations(
    first: Mapping[str, Measure],
    second: Mapping[str, Measure],
    patients: NDArray[np.generic],
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """The correlation of each metric's two values over the resamples; 0 where one of them does not vary."""
    drawn: dict[str, list[Floats]] = {name: [] for name in first}
    for weights in bootstrap.resample_weights(patients, resamples, seed):
        for name, values in drawn.items():
            values.append(np.stack([measures[name].statistic(weights) for measures in (first, second)]))
    return {name: _correlation(np.concatenate(values, axis=1)) for name, values in drawn.items()}


def _correlation(pair: Floats) -> float:
    """Of float (2, B), without the resamples in which one is undefined."""
    defined = pair[:, np.isfinite(pair).all(axis=0)]
    if defined.shape[1] < 2 or min(map(np.ptp, defined)) < 1e-12:
        return 0.0
    return float(np.asarray(np.corrcoef(defined))[0, 1])


def _difference(first: Interval, second: Interval, correlation: float) -> Interval:
    if first == second and correlation > 1 - 1e-12:
        return Interval(0.0, 0.0, 0.0)  # both answer alike; uneven ends of the two intervals would leave a width
    estimate = first.estimate - second.estimate
    down = _combined(first.estimate - first.low, second.high - second.estimate, correlation)
    up = _combined(first.high - first.estimate, second.estimate - second.low, correlation)
    return Interval(estimate, max(-1.0, estimate - down), min(1.0, estimate + up))


def _combined(one: float, other: float, correlation: float) -> float:
    return float(np.sqrt(max(0.0, one**2 + other**2 - 2 * correlation * one * other)))


def delong(first: Floats, second: Floats, labels: NDArray[np.integer]) -> DeLong | None:
    """DeLong's test for two scores, float (N,) each, of the same N images with int (N,) labels.

    By midranks (Sun and Xu 2014, doi 10.1109/LSP.2014.2337313), in O(N log N). Images must be independent: one for each
    patient. None with fewer than two images of a class.
    """
    positive = np.asarray(labels) == 1
    if min(positive.sum(), (~positive).sum()) < 2:
        return None
    of_positives, of_negatives = zip(
        *(_placements(np.asarray(score), positive) for score in (first, second)), strict=True
    )
    estimate = float(of_positives[0].mean() - of_positives[1].mean())
    variance = sum(float(np.var(parts[0] - parts[1], ddof=1)) / len(parts[0]) for parts in (of_positives, of_negatives))
    error = variance**0.5
    reach = float(norm.ppf((1 + LEVEL) / 2)) * error
    p_value = float(2 * norm.sf(abs(estimate) / error)) if error > 0 else (1.0 if estimate == 0 else float("nan"))
    return DeLong(estimate, max(-1.0, estimate - reach), min(1.0, estimate + reach), p_value)


def _placements(score: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """The share of negatives below each positive, and that of positives above each negative; ties count half."""
    ranks, positives, negatives = rankdata(score), score[positive], score[~positive]
    below = (ranks[positive] - rankdata(positives)) / len(negatives)
    above = 1 - (ranks[~positive] - rankdata(negatives)) / len(positives)
    return below, above
