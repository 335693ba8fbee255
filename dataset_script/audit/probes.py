"""Probes: small classifiers that do not see the lungs. How well they predict the label of test images shows a leak.

They are fitted on training images only. Where two models compete, cross-validation over the training patients decides.

The model to be trained sees the central square of 87.5 % of the short side. For the probes, images are reduced to
`CELLS` × `CELLS` cells, each with its mean and its range of gray: a letter or an arrow too small to change a mean still
changes a range.
"""

import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import cv2
import numpy as np
import pyarrow as pa
from PIL import Image
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from cxr.imaging.geometry import CROP_PCT
from cxr.schema.labels import COVID, LABELS
from cxr.schema.probes import LUNG_BOX, PROBES, is_flagged, shown
from cxr.schema.report import ProbeResult, Sizes
from cxr.statistics import bootstrap

FOLDS = 3
_SCORED_AT_A_TIME = 256
_EXPLAINED_VARIANCE = 0.9

CELLS, _CELL_PIXELS = 20, 8
_SIDE = CELLS * _CELL_PIXELS
_BORDER, _OUTER_BORDER = 2, 3
"""Cells from the edge: 10 % of what the model sees; 15 % of the whole image, which reaches no farther inwards."""

_MASK_MARGIN = 5
"""Pixels of `_SIDE` (3 %) by which lung masks grow, because outlines tend to end inside the lung."""


class Regions(NamedTuple):
    """Features of one image, uint8 vectors of fixed lengths; `masked` is None where no lung mask is known.

    `border` is the outer 10 % of what the model sees; `outer_border` the outer 15 % of the whole image, most of which
    the model's crop cuts off; `boxed` and `masked` are what the model sees with the lungs blacked out.
    """

    border: np.ndarray
    outer_border: np.ndarray
    boxed: np.ndarray
    masked: np.ndarray | None


@dataclass(frozen=True)
class Sample:
    """The sampled images of one split: their rows, and in the same order keys of their patients and their regions."""

    rows: pa.Table
    patients: list[str]
    regions: list[Regions]

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,)."""
        return self.rows["label"].to_numpy()

    @cached_property
    def folds(self) -> list[tuple[np.ndarray, np.ndarray]] | None:
        """Indices to fit on and to score on, no patient in both; None where a class has too few patients."""
        fewest = min(bootstrap.count_patients(self.labels == label, self.patients) for label in range(len(LABELS)))
        if fewest < FOLDS:
            return None
        return list(StratifiedGroupKFold(FOLDS).split(self.labels, self.labels, self.patients))

    @property
    def size(self) -> Sizes:
        """How many `images` and `patients` it has."""
        return {"images": len(self.labels), "patients": len(set(self.patients))}


@dataclass(frozen=True)
class Probe:
    """What a probe sees (`features` of a sample, (N, F)) and the models that may learn from it, the simplest first."""

    name: str
    what: str
    features: Callable[[Sample], np.ndarray]
    candidates: Callable[[int], Sequence[BaseEstimator]]


def run_probe(probe: Probe, train: Sample, test: Sample, seed: int) -> ProbeResult:
    """Fit on `train`, score once on `test`; returns the probe's entry in the report.

    An AUROC far below 0.5 is no leak: what the probe learned from the training images fails on the test images, so it
    cannot flatter a model either.
    """
    note = _obstacle(train, "training") or _obstacle(test, "test")
    if note:
        return {
            "name": probe.name,
            "what": probe.what,
            "auroc": None,
            "low": None,
            "high": None,
            "shouts": False,
            "note": note,
            **test.size,
        }
    seen = probe.features(train)
    model = _choose(probe.candidates(seed), seen, train).fit(seen, train.labels)
    probability = _predict(model, probe.features(test))
    interval = bootstrap.auroc_interval(probability, test.labels, test.patients, seed=seed)
    assert interval is not None  # there are enough patients, or there would be a note
    return {
        "name": probe.name,
        "what": probe.what,
        "auroc": round(interval.estimate, 4),
        "low": round(interval.low, 4),
        "high": round(interval.high, 4),
        "shouts": bool(is_flagged(interval.estimate, interval.low)),
        **test.size,
    }


def _predict(model: BaseEstimator, seen: np.ndarray) -> np.ndarray:
    """Probabilities of COVID, (N,), some images at a time: models take eight times the memory of their input."""
    parts = (seen[start : start + _SCORED_AT_A_TIME] for start in range(0, len(seen), _SCORED_AT_A_TIME))
    return np.concatenate([model.predict_proba(part)[:, COVID] for part in parts])


def _obstacle(sample: Sample, split: str) -> str | None:
    for label, name in enumerate(LABELS):
        count = bootstrap.count_patients(sample.labels == label, sample.patients)
        if count < bootstrap.FEWEST:
            return f"the {split} split has {count} {name} patient{'' if count == 1 else 's'}"
    return None


def _choose(candidates: Sequence[BaseEstimator], seen: np.ndarray, train: Sample) -> BaseEstimator:
    """The best by mean AUROC over folds of training patients; the first where there are too few patients for folds."""
    if len(candidates) == 1 or train.folds is None:
        return candidates[0]
    settings = {"cv": train.folds, "scoring": "roc_auc", "error_score": "raise"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # a fold without one of the classes counts as NaN
        scores = [np.nanmean(cross_val_score(model, seen, train.labels, **settings)) for model in candidates]
    return candidates[int(np.argmax(scores))]


def _columns(sample: Sample, *names: str) -> np.ndarray:
    return np.array([sample.rows[name].to_pylist() for name in names], dtype=object).T


def _source(sample: Sample) -> np.ndarray:
    return _columns(sample, "source")


def _file_facts(sample: Sample) -> np.ndarray:
    facts = _columns(sample, "mode", "format", "width", "height")
    return np.column_stack([facts, facts[:, 2] / facts[:, 3]])


def _pixels(*names: str) -> Callable[[Sample], np.ndarray]:
    return lambda sample: np.stack(
        [np.concatenate([getattr(regions, name) for name in names]) for regions in sample.regions]
    )


def _on_source(seed: int) -> list[BaseEstimator]:
    return [make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression())]


def _on_file_facts(seed: int) -> list[BaseEstimator]:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), [0, 1]), remainder="passthrough"
    )
    trees = HistGradientBoostingClassifier(max_leaf_nodes=15, min_samples_leaf=5, random_state=seed)
    return [make_pipeline(encoder, trees)]


def _on_pixels(seed: int) -> list[BaseEstimator]:
    components = PCA(_EXPLAINED_VARIANCE, svd_solver="covariance_eigh", copy=False)
    linear = make_pipeline(
        FunctionTransformer(np.float32),
        StandardScaler(copy=False),
        components,
        LogisticRegression(C=0.01, max_iter=1000),
    )
    # Larger models score no better and take longer.
    settings = {"max_iter": 60, "max_leaf_nodes": 8, "max_features": 0.3, "max_bins": 32}
    trees = HistGradientBoostingClassifier(**settings, random_state=seed)
    return [linear, trees]


def all_probes(lungs: str) -> list[Probe]:
    """The probes in the order of the report, with the lungs blacked out by `masks` or by the central `box`."""
    methods = {
        "source": (_source, _on_source),
        "file": (_file_facts, _on_file_facts),
        "border": (_pixels("border", "outer_border"), _on_pixels),
        "border_in_view": (_pixels("border"), _on_pixels),
        "lungs_blacked_out": (_pixels({"masks": "masked", "box": "boxed"}[lungs]), _on_pixels),
    }
    return [Probe(name, shown(name, lungs), *methods[name]) for name in PROBES]


def extract_regions(png: bytes, lungs: np.ndarray | None = None) -> Regions:
    """Reduce an image of the dataset. `lungs`, where known, is a bool mask of the whole image, at any size."""
    with Image.open(io.BytesIO(png)) as image:
        pixels = np.asarray(image.convert("L"))
    seen = _reduce(_centre(pixels))
    masked = None if lungs is None else _cells(np.where(_grown(lungs, pixels.shape), 0, seen)).ravel()
    return Regions(
        border=_cells(seen)[:, _ring(_BORDER)].ravel(),
        outer_border=_cells(_reduce(pixels))[:, _ring(_OUTER_BORDER)].ravel(),
        boxed=_cells(np.where(_box(), 0, seen)).ravel(),
        masked=masked,
    )


def _centre(pixels: np.ndarray) -> np.ndarray:
    """The square that the processor's crop leaves of (H, W), whatever the input size."""
    height, width = pixels.shape
    side = max(1, round(min(height, width) * CROP_PCT))
    top, left = (height - side) // 2, (width - side) // 2
    return pixels[top : top + side, left : left + side]


def _reduce(pixels: np.ndarray) -> np.ndarray:
    return cv2.resize(pixels, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)


def _box() -> np.ndarray:
    hidden = np.zeros((_SIDE, _SIDE), bool)
    across, down = (round(_SIDE * (1 - share) / 2) for share in LUNG_BOX)
    hidden[down:-down, across:-across] = True
    return hidden


def _grown(lungs: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    whole = cv2.resize(lungs.astype(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_LINEAR)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _MASK_MARGIN + 1, 2 * _MASK_MARGIN + 1))
    return cv2.dilate(_reduce(_centre(whole)), disc) > 127


def _ring(cells: int) -> np.ndarray:
    ring = np.ones((CELLS, CELLS), bool)
    ring[cells:-cells, cells:-cells] = False
    return ring


def _cells(square: np.ndarray) -> np.ndarray:
    """Mean and range of gray of each cell, uint8 (2, CELLS, CELLS)."""
    blocks = square.reshape(CELLS, _CELL_PIXELS, CELLS, _CELL_PIXELS)
    highest, lowest = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    return np.stack([blocks.mean(axis=(1, 3)).astype(np.uint8), highest - lowest])
