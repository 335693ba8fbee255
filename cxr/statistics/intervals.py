"""95 % intervals over patients of every metric: which statistic each is, and its trials."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit, logit

from cxr.schema.labels import COVID
from cxr.statistics import bootstrap, metrics
from cxr.statistics.bootstrap import Interval, Measure, count_patients

_FACTORS = np.linspace(0, 2, 51)


def metric_intervals(
    probability: np.ndarray,
    labels: np.ndarray,
    patients: Sequence,
    threshold: float = 0.5,
    score: np.ndarray | None = None,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """The interval of each metric that `metrics.compute` gives for the same images; None where it cannot be had.

    `patients` (N,) names the patient of each image.
    """
    probability, covid = np.asarray(probability, dtype=np.float64), np.asarray(labels) == COVID
    score, called = probability if score is None else score, probability >= threshold
    patients, everyone = np.asarray(patients), np.ones(len(covid))
    sensitivity = Measure(bootstrap.ratio_statistic(called & covid, covid), count_patients(covid, patients))
    specificity = Measure(bootstrap.ratio_statistic(~called & ~covid, ~covid), count_patients(~covid, patients))
    pairs, either = bootstrap.count_pairs(covid, patients), count_patients(covid | called, patients)
    measures = {
        "auroc": Measure(bootstrap.auroc_statistic(score, covid), pairs),
        "auprc": Measure(bootstrap.auprc_statistic(score, covid), pairs),
        "accuracy": Measure(bootstrap.ratio_statistic(called == covid, everyone)),
        "balanced_accuracy": Measure(bootstrap.mean_statistic(sensitivity.statistic, specificity.statistic), pairs),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "f1": Measure(bootstrap.ratio_statistic(2.0 * (called & covid), called + 1.0 * covid), either),
        "brier": Measure(bootstrap.ratio_statistic((probability - covid) ** 2, everyone)),
    }
    found = bootstrap.intervals(measures, patients, seed=seed)
    return found | {"ece": ece_interval(probability, covid, patients, seed)}


def ece_interval(probability: np.ndarray, labels: np.ndarray, patients: Sequence, seed: int = 0) -> Interval | None:
    """The interval of the expected calibration error, by turning a bootstrap test around; None under two patients.

    Chance adds to an ECE and never takes away, in every resample once more, so that intervals around the estimate miss
    the truth: they held 0 for no calibrated model. Here the true misses of the bins are supposed to be those observed
    times a factor. A factor is believed if the observed ECE lies within the central 95 % of what it gives with the
    noise of the resamples added; the interval is that of the ECEs of all believed factors, and 0 is one of them. It is
    lengthened to the estimate, which often is its upper end.
    """
    missed = metrics.calibration_errors(probability, labels)
    if len(np.unique(patients)) < bootstrap.FEWEST:
        return None
    observed = missed.mean(axis=0)
    drawn = [
        weights @ missed / weights.sum(axis=1, keepdims=True)
        for weights in bootstrap.resample_weights(patients, seed=seed)
    ]
    noise, estimate = np.concatenate(drawn) - observed, float(np.abs(observed).sum())
    supposed = np.abs(_FACTORS[:, None, None] * observed + noise).sum(axis=2)
    low, high = np.percentile(supposed, [2.5, 97.5], axis=1)
    believed = _FACTORS[(low <= estimate) & (estimate <= high)] * estimate
    return Interval(estimate, float(min(believed, default=0.0)), min(1.0, float(max([*believed, estimate]))))


def predictive_value_intervals(
    sensitivity: Interval | None, specificity: Interval | None, prevalence: float
) -> tuple[Interval | None, Interval | None]:
    """Intervals of the positive and negative predictive value at a prevalence, from those they are computed from.

    The log odds of the positive one are those of the prevalence plus log sensitivity − log(1 − specificity), a
    difference of two quantities whose intervals are known; of the negative one likewise (MOVER: Zou and Donner 2008,
    doi 10.1002/sim.3095). So an error rate of 0 in few patients is not taken for 0 in all.
    """
    if sensitivity is None or specificity is None:
        return None, None
    missed, false = _complement(sensitivity), _complement(specificity)
    odds = logit(prevalence)
    return _ratio(odds, sensitivity, false), _ratio(-odds, specificity, missed)


def _complement(share: Interval) -> Interval:
    return Interval(1 - share.estimate, 1 - share.high, 1 - share.low)


def _ratio(odds: float, part: Interval, other: Interval) -> Interval | None:
    """The share e^odds · part / (e^odds · part + other)."""
    if part.estimate == other.estimate == 0:
        return None
    with np.errstate(divide="ignore"):
        (up, low, high), (down, least, most) = np.log(part), np.log(other)
    estimate = float(expit(odds + up - down))
    bottom = -np.inf if up == -np.inf else _lower(up, low, down, most)
    top = np.inf if down == -np.inf else -_lower(down, least, up, high)
    return Interval(estimate, float(expit(odds + bottom)), float(expit(odds + top)))


def _lower(first: float, low: float, second: float, most: float) -> float:
    """The lower limit of first − second, whose own limits on that side are `low` and `most`."""
    if second == -np.inf:
        return first - most
    return first - second - float(np.hypot(first - low, most - second))
