"""Class-conditional split-conformal sets: the classes that cannot be excluded for an image, at 90 % for each class.

Mondrian conformal prediction (Vovk et al. 2003; Sadinle et al. 2019, doi 10.1080/01621459.2017.1395341): the
nonconformity of an image to a class is 1 − the class's probability, and a class is in the set unless the nonconformity
exceeds that of 90 % of the class's validation images. For new images from the source of validation, the set holds the
true class in at least 90 % of cases, for COVID and NON-COVID alike, however good the model is: a poor one gives sets of
both classes, a very good one gives empty ones. The guarantee holds on average over validation sets; a single one with
100 images per class scatters by 0.03 around it. It does not extend to other hospitals, and is weaker where one patient
has many images.

The validation images have been used for calibration before. Strictly that voids the guarantee; but temperature and bias
are one monotone map with two parameters, which keeps the order of images, and the quantiles move along.
"""

import math
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cxr.schema.labels import COVID, LABELS, NON_COVID, Label
from cxr.schema.metrics import ConformalFit
from cxr.schema.set_summary import ConformalCoverage

LEVEL = 0.9
"""The share of images of each class whose set is to hold it."""

Probability = TypeVar("Probability", float, NDArray[np.floating])

FEWEST = 20
"""Validation images of a class below which nothing is guaranteed: its quantile is 1, so it is in every set."""


def fit_quantiles(probability: NDArray[np.floating], labels: NDArray[np.integer]) -> ConformalFit:
    """Fit on calibrated probabilities of COVID (N,) and labels (N,) of validation.

    The quantile of a class is the ⌈(n + 1) · 0.9⌉-th smallest nonconformity of its n images.
    """
    probability, labels = np.asarray(probability, dtype=np.float64), np.asarray(labels)
    own = {name: nonconformity(probability[labels == index], index) for index, name in enumerate(LABELS)}
    return {
        "level": LEVEL,
        "quantiles": {name: _quantile(values) for name, values in own.items()},
        "calibration_images": {name: len(values) for name, values in own.items()},
    }


def nonconformity(probability: Probability, label: int) -> Probability:
    """1 − the probability of the class `label`, given that of COVID."""
    return 1 - probability if label == COVID else probability


def _quantile(nonconformities: NDArray[np.floating]) -> float:
    count = len(nonconformities)
    rank = math.ceil(round((count + 1) * LEVEL, 9))
    return 1.0 if count < FEWEST else float(np.sort(nonconformities)[rank - 1])


def prediction_set(probability: float, quantiles: Mapping[Label, float]) -> set[int]:
    """The class indices that cannot be excluded for a calibrated probability of COVID: none, one or both."""
    return {index for index in (NON_COVID, COVID) if nonconformity(probability, index) <= quantiles[LABELS[index]]}


def missing_promise(calibration_images: Mapping[Label, int]) -> str | None:
    """Why nothing is guaranteed for a class; None if both have enough validation images."""
    short = [f"{count} {name}" for name, count in calibration_images.items() if count < FEWEST]
    return f"validation holds only {' and '.join(short)} images, of {FEWEST} needed per class" if short else None


def summarize_sets(
    probability: NDArray[np.floating], labels: NDArray[np.integer], quantiles: Mapping[Label, float]
) -> ConformalCoverage:
    """Coverage and sizes of the sets of N images, from their probabilities of COVID (N,) and labels (N,)."""
    inside = np.stack([nonconformity(probability, index) <= quantiles[name] for index, name in enumerate(LABELS)])
    empty, single, both = map(float, np.bincount(inside.sum(axis=0), minlength=3) / max(1, len(labels)))
    coverage: dict[Label, float | None] = {
        name: float(inside[index, labels == index].mean()) if (labels == index).any() else None
        for index, name in enumerate(LABELS)
    }
    return {"coverage": coverage, "sets": {"empty": empty, "single": single, "both": both}}
