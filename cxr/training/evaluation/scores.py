"""What is kept of a scored split: the margin of each image, and the facts that subgroups and intervals need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, get_args

import numpy as np
from scipy.special import expit

from cxr.schema.set_summary import Subdivision

FACTS = ["label", "source", "patient_id", "view", "sex", "age", "file"]
"""The columns of Contract 1 that are kept beside the scores."""

SUBGROUPS: tuple[Subdivision, ...] = get_args(Subdivision)
AGE_BANDS = {"0–17": 18, "18–39": 40, "40–59": 60, "60–79": 80, "80 or more": np.inf}
"""Name and upper end (years, exclusive) of each band."""

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Scores:
    """A split's logit differences (COVID − NON-COVID), float64 (N,), and its `FACTS`, one value for each image."""

    margin: np.ndarray
    facts: Mapping[str, Sequence[Any]]

    @cached_property
    def probability(self) -> np.ndarray:
        """Probability of COVID, float64 (N,)."""
        return expit(self.margin)

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,)."""
        return np.asarray(self.facts["label"], dtype=np.int64)

    @cached_property
    def patients(self) -> np.ndarray:
        """`source:patient_id` of each image, str (N,)."""
        return np.array([":".join(pair) for pair in zip(self.facts["source"], self.facts["patient_id"], strict=True)])

    def groups(self, by: str) -> np.ndarray:
        """The group of each image, str (N,), by `source`, `view`, `sex` or `age`."""
        name = age_band if by == "age" else str
        return np.array([name(value) if value not in (None, "") else UNKNOWN for value in self.facts[by]])

    def subset(self, mask: np.ndarray) -> "Scores":
        """Only the images where `mask`, bool (N,), is true."""
        rows = np.flatnonzero(mask).tolist()
        return Scores(self.margin[rows], {name: [values[row] for row in rows] for name, values in self.facts.items()})


def age_band(years: float) -> str:
    """The band that an age belongs to; unknown for NaN."""
    return next((name for name, end in AGE_BANDS.items() if years < end), UNKNOWN)
