"""Whether many images look like those that a model was validated on, by the numbers that it gives them.

A hospital whose images differ may have another mix of classes too, and that alone is no reason for a warning. So the
numbers of the new images are compared with a mixture of those of both classes of validation, in the shares that fit
best, by the largest difference between the two distribution functions (Kolmogorov–Smirnov; Rabanser et al. 2019,
arXiv 1810.11953, found univariate tests on a network's outputs among the best detectors of shift). Fitting the shares
makes the test conservative.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, kolmogorov

MOST_QUANTILES = 101
"""That are kept of a distribution: enough to know its function to within half a percent."""

SIGNIFICANCE = 0.001
"""How often a warning may come without a difference, at most, for one number."""

LEAST_DISTANCE = 0.2
"""Below it a difference is not worth a warning, however many images show it."""

LEAST_EXCESS = 0.05
"""The same for the share of images that are refused."""

_SHARES = np.linspace(0, 1, 41)


class Reference(NamedTuple):
    """One class of validation: how many images, and evenly spaced quantiles of a number that they were given."""

    n: int
    quantiles: Sequence[float]


class Shift(NamedTuple):
    """How far images are from validation, 0…1, and whether that is more than chance and worth a warning."""

    distance: float
    is_shifted: bool


def quantiles(values: NDArray[np.floating]) -> list[float]:
    """At most `MOST_QUANTILES` evenly spaced quantiles, the smallest and largest value included, of (N,), N ≥ 1."""
    return [float(value) for value in np.quantile(values, np.linspace(0, 1, min(MOST_QUANTILES, max(2, len(values)))))]


def compare(values: NDArray[np.floating], classes: Sequence[Reference]) -> Shift:
    """Compare numbers, (N,), with a mixture of one or two classes.

    Images count as independent. Where many show the same patients, their numbers vary less than is assumed, and a
    warning may come by chance more often than `SIGNIFICANCE`.
    """
    ordered = np.sort(np.asarray(values, float))
    given = [_distribution(ordered, reference.quantiles) for reference in classes]
    first, last = given[0], given[-1]
    mixtures = [(_distance(share * first + (1 - share) * last), share) for share in _SHARES]
    distance, share = min(mixtures)
    error = 1 / len(ordered) + share**2 / classes[0].n + (1 - share) ** 2 / classes[-1].n
    chance = kolmogorov(distance / np.sqrt(error))
    return Shift(distance, bool(chance < SIGNIFICANCE and distance >= LEAST_DISTANCE))


def compare_refused(refused: int, count: int, refused_before: int, count_before: int) -> Shift:
    """Compare the share of images that the gate refuses with that of validation; `distance` is what it is more.

    A binomial test against the share of validation by Laplace's rule, (r + 1) / (n + 2), because its threshold was set
    there. Scores that differ only in their lowest percents show in this first.
    """
    before = (refused_before + 1) / (count_before + 2)
    excess = refused / count - before
    return Shift(excess, bool(bdtrc(refused - 1, count, before) < SIGNIFICANCE and excess >= LEAST_EXCESS))


def _distribution(ordered: NDArray[np.floating], known: Sequence[float]) -> NDArray[np.floating]:
    """The distribution function of `known` quantiles, left and right of each value: (2, N)."""
    levels = np.linspace(0, 1, len(known))
    at, first = np.unique(known, return_index=True)
    last = np.searchsorted(known, at, side="right") - 1
    below = np.interp(ordered, at, levels[first], left=0, right=1)
    above = np.interp(ordered, at, levels[last], left=0, right=1)
    return np.stack([below, above])


def _distance(reference: NDArray[np.floating]) -> float:
    """The largest difference to the values' own steps, given the reference on both sides of each."""
    count = reference.shape[1]
    before, after = np.arange(count) / count, np.arange(1, count + 1) / count
    return float(max((after - reference[1]).max(), (reference[0] - before).max(), 0.0))
