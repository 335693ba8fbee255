"""AUROCs averaged over seeds, and paired differences between two ways of training, with 95 % intervals."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cxr.errors import UserError
from cxr.schema.labels import NON_COVID
from cxr.statistics import bootstrap


class Sample(NamedTuple):
    """Labels int (N,) and patients (`source:patient_id`) of N images."""

    labels: np.ndarray
    patients: Sequence[str]


class Pair(NamedTuple):
    """The margins float (N,) of two ways of training on the same images, by seed: the same seeds in the same order."""

    tried: Sequence[np.ndarray]
    before: Sequence[np.ndarray]
    sample: Sample


class Difference(NamedTuple):
    """By how much the AUROC of one exceeds that of the other, with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


def mean_auroc(margins: Sequence[np.ndarray], sample: Sample) -> float:
    """The AUROC averaged over the seeds."""
    return _on_all(_statistic(margins, sample), sample)


def interval(margins: Sequence[np.ndarray], sample: Sample) -> bootstrap.Interval:
    """The same with its interval over patients.

    Raises:
        UserError: if there are too few patients of a class for an interval.
    """
    negative, patients = sample.labels == NON_COVID, sample.patients
    fewer = min(bootstrap.count_patients(negative, patients), bootstrap.count_patients(~negative, patients))
    found = bootstrap.interval(_statistic(margins, sample), patients, trials=fewer)
    if found is None:
        raise UserError(f"{fewer} patients of the rarer class are too few for an interval: take larger collections")
    return found


def difference(*pairs: Pair) -> Difference:
    """The difference in AUROC, averaged over seeds and over sets of patients, with an interval from a paired bootstrap.

    Every resample of the patients scores both ways, so that patients who are hard for both do not widen the interval.
    Sets are resampled independently of each other. What another choice of seeds would change is not in the interval.
    """
    gains = [_gain(pair) for pair in pairs]
    resampled = [
        np.concatenate([gain(weights) for weights in bootstrap.resample_weights(pair.sample.patients, seed=number)])
        for number, (gain, pair) in enumerate(zip(gains, pairs, strict=True))
    ]
    low, high = np.nanpercentile(np.mean(resampled, axis=0), [2.5, 97.5])
    mean = np.mean([_on_all(gain, pair.sample) for gain, pair in zip(gains, pairs, strict=True)])
    return Difference(float(mean), float(low), float(high))


def shown(value: bootstrap.Interval) -> str:
    """An AUROC and its interval, to three digits."""
    return f"{value.estimate:.3f} ({value.low:.3f}–{value.high:.3f})"


def _gain(pair: Pair) -> bootstrap.Statistic:
    tried, before = _statistic(pair.tried, pair.sample), _statistic(pair.before, pair.sample)
    return lambda weights: tried(weights) - before(weights)


def _statistic(margins: Sequence[np.ndarray], sample: Sample) -> bootstrap.Statistic:
    return bootstrap.mean_statistic(*(bootstrap.auroc_statistic(of_seed, sample.labels) for of_seed in margins))


def _on_all(statistic: bootstrap.Statistic, sample: Sample) -> float:
    return float(statistic(np.ones((1, len(sample.labels))))[0])
