"""95 % intervals over patients of every reported metric: its statistic, and its independent trials."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from cxr.schema.labels import COVID
from cxr.statistics import bootstrap, metrics
from cxr.statistics.bootstrap import Interval, Measure, Patients, count_patients

_FACTORS = np.linspace(0, 2, 51)


def metric_intervals(
    probability: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: Patients,
    threshold: float = 0.5,
    score: NDArray[np.floating] | None = None,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """The interval of each metric of `metrics.compute_metrics` for the same images; None with too few patients."""
    measures = metric_measures(probability, labels, patients, threshold, score)
    ece = ece_interval(probability, labels, patients, seed)
    return bootstrap.intervals(measures, np.asarray(patients), seed=seed) | {"ece": ece}


def metric_measures(
    probability: NDArray[np.floating],
    labels: NDArray[np.integer],
    patients: Patients,
    threshold: float = 0.5,
    score: NDArray[np.floating] | None = None,
) -> dict[str, Measure]:
    """The statistic and the independent trials of every metric but the ECE, which resampling raises."""
    probability, covid = np.asarray(probability, dtype=np.float64), np.asarray(labels) == COVID
    score, positive = probability if score is None else score, probability >= threshold
    patients, everyone = np.asarray(patients), np.ones(len(covid))
    sensitivity = Measure(bootstrap.ratio_statistic(positive & covid, covid), count_patients(covid, patients))
    specificity = Measure(bootstrap.ratio_statistic(~positive & ~covid, ~covid), count_patients(~covid, patients))
    pairs, either = bootstrap.count_pairs(covid, patients), count_patients(covid | positive, patients)
    return {
        "auroc": Measure(bootstrap.auroc_statistic(score, covid), pairs),
        "auprc": Measure(bootstrap.auprc_statistic(score, covid), pairs),
        "accuracy": Measure(bootstrap.ratio_statistic(positive == covid, everyone)),
        "balanced_accuracy": Measure(bootstrap.mean_statistic(sensitivity.statistic, specificity.statistic), pairs),
        "sensitivity": sensitivity,
        "specificity": specificity,
        "f1": Measure(bootstrap.ratio_statistic(2.0 * (positive & covid), positive + 1.0 * covid), either),
        "brier": Measure(bootstrap.ratio_statistic((probability - covid) ** 2, everyone)),
    }


def ece_interval(
    probability: NDArray[np.floating], labels: NDArray[np.integer], patients: Patients, seed: int = 0
) -> Interval | None:
    """The interval of the expected calibration error, by inverting a bootstrap test; None with fewer than two patients.

    Chance only ever raises an ECE, and raises it again in every resample, so that intervals around the estimate miss
    the truth: none held 0 for a calibrated model. Here the true errors of the bins are assumed to be those observed
    times a factor. A factor is accepted if the observed ECE lies within the central 95 % of the ECEs that it gives with
    the noise of the resamples added. The interval spans the ECEs of all accepted factors, 0 among the candidates, and
    is extended to the estimate, which often is its upper end.
    """
    errors = metrics.calibration_errors(probability, labels)
    if len(np.unique(np.asarray(patients))) < bootstrap.FEWEST:
        return None
    observed = errors.mean(axis=0)
    drawn = [
        weights @ errors / weights.sum(axis=1, keepdims=True)
        for weights in bootstrap.resample_weights(patients, seed=seed)
    ]
    noise, estimate = np.concatenate(drawn) - observed, float(np.abs(observed).sum())
    simulated = np.abs(_FACTORS[:, None, None] * observed + noise).sum(axis=2)
    low, high = np.percentile(simulated, [2.5, 97.5], axis=1)
    accepted = _FACTORS[(low <= estimate) & (estimate <= high)] * estimate
    return Interval(estimate, float(min(accepted, default=0.0)), min(1.0, float(max([*accepted, estimate]))))


def predictive_value_intervals(
    sensitivity: Interval | None, specificity: Interval | None, prevalence: float
) -> tuple[Interval | None, Interval | None]:
    """Intervals of the positive and the negative predictive value at a prevalence, from those of their components.

    The log odds of the positive value are those of the prevalence plus log sensitivity − log(1 − specificity), a
    difference of two quantities with known intervals; those of the negative value likewise (MOVER: Zou and Donner 2008,
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
