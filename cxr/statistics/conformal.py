"""Class-conditional split-conformal sets: which classes cannot be excluded for a picture, at 90 % for each class.

Mondrian conformal prediction (Vovk et al. 2003; Sadinle et al. 2019, doi 10.1080/01621459.2017.1395341): how badly a
picture fits a class is 1 − the class's probability, and a class belongs to the set unless the picture fits it worse
than 90 % of that class's own validation pictures do. For new pictures from where validation came from, the set then
holds the true class in at least 90 % of cases, COVID and NON-COVID alike, whatever the model is worth: a poor one pays
with sets of both classes, a very good one gets empty ones. The promise is one on average over validation sets; a single
one of 100 pictures a class scatters by 0.03 around it. It says nothing about other hospitals, and less than it seems
where one patient has many pictures.

The validation pictures have fitted the calibration before. Strictly that takes away the guarantee; but temperature and
bias are one monotone map with two parameters, which moves no picture past another, and the quantiles move along.
"""

import math
from collections.abc import Mapping

import numpy as np

from cxr.schema.labels import COVID, LABELS, NON_COVID

LEVEL = 0.9
"""The share of each class whose sets shall hold it."""

FEWEST = 20
"""Validation pictures of a class below which nothing is promised: its quantile is 1, so it is in every set."""


def fit_quantiles(probability: np.ndarray, labels: np.ndarray) -> dict[str, float | dict]:
    """What `config.json` carries as `conformal`, from float (N,) calibrated probabilities of COVID on validation.

    `quantiles` holds for each class the ⌈(n + 1) · 0.9⌉-th smallest nonconformity of its n pictures.
    """
    probability, labels = np.asarray(probability, dtype=np.float64), np.asarray(labels)
    own = {name: nonconformity(probability[labels == index], index) for index, name in enumerate(LABELS)}
    return {
        "level": LEVEL,
        "quantiles": {name: _quantile(values) for name, values in own.items()},
        "calibration_images": {name: len(values) for name, values in own.items()},
    }


def nonconformity(probability: np.ndarray | float, label: int) -> np.ndarray | float:
    """1 − the probability of the class `label`, from that of COVID."""
    return 1 - probability if label == COVID else probability


def _quantile(nonconformities: np.ndarray) -> float:
    count = len(nonconformities)
    rank = math.ceil(round((count + 1) * LEVEL, 9))
    return 1.0 if count < FEWEST else float(np.sort(nonconformities)[rank - 1])


def prediction_set(probability: float, quantiles: Mapping[str, float]) -> set[int]:
    """The class indices that cannot be excluded for a calibrated probability of COVID: none, one or both."""
    return {index for index in (NON_COVID, COVID) if nonconformity(probability, index) <= quantiles[LABELS[index]]}


def missing_promise(calibration_images: Mapping[str, int]) -> str | None:
    """Why nothing is promised for a class; None where both have enough validation pictures."""
    short = [f"{count} {name}" for name, count in calibration_images.items() if count < FEWEST]
    return f"validation holds only {' and '.join(short)} images, of {FEWEST} needed a class" if short else None


def summarize_sets(probability: np.ndarray, labels: np.ndarray, quantiles: Mapping[str, float]) -> dict[str, dict]:
    """`coverage`: how often a class's sets hold it (None without its images); `sets`: shares of single, both, empty."""
    inside = np.stack([nonconformity(probability, index) <= quantiles[name] for index, name in enumerate(LABELS)])
    sizes = np.bincount(inside.sum(axis=0), minlength=3) / max(1, len(labels))
    coverage = {
        name: float(inside[index, labels == index].mean()) if (labels == index).any() else None
        for index, name in enumerate(LABELS)
    }
    return {"coverage": coverage, "sets": dict(zip(("empty", "single", "both"), map(float, sizes), strict=True))}
