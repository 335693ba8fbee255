"""Probes: small classifiers that do not see the lungs. How well they predict the label of test images shows a leak.

They are fitted on training images only. Where two models compete, cross-validation over the training patients decides.
"""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
from sklearn.base import BaseEstimator
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from cxr.schema.labels import COVID, LABELS
from cxr.schema.probes import PROBES, is_flagged, shown
from cxr.schema.report import ProbeResult, Sizes
from cxr.statistics import bootstrap
from dataset_script.audit.regions import Regions
from dataset_script.storage.finished import patient_keys

FOLDS = 3
_SCORED_AT_A_TIME = 256
_EXPLAINED_VARIANCE = 0.9


@dataclass(frozen=True)
class Sample:
    """The sampled images of one split: their rows without images, and in the same order their regions."""

    rows: pa.Table
    regions: list[Regions]

    @cached_property
    def labels(self) -> np.ndarray:
        """int64 (N,)."""
        return self.rows["label"].to_numpy()

    @cached_property
    def patients(self) -> list[str]:
        """One key an image."""
        return list(patient_keys(self.rows))

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
